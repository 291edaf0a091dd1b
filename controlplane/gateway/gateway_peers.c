// SPDX-License-Identifier: BSD-3-Clause
//
// The table of peers: who is wanted, and the machine of each wired to the data-plane, the hub and
// the state file.
#include "controlplane/gateway/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sodium.h>

#include "config/log.h"

// ------------------------------------------------------------------ the machine's hands

static void op_send(
	void *ctx, struct peer *p, const struct config_endpoint *to, const void *data, size_t len)
{
	struct gw_peer *gp = ctx;

	paths_send(gp->control, p->slot, to, data, len);
}

static uint64_t op_next_ts(void *ctx)
{
	struct gw_peer *gp = ctx;

	return control_next_ts(gp->control);
}

static void op_random(void *ctx, void *buf, size_t len)
{
	randombytes_buf(buf, len);
}

static void op_guard(void *ctx, struct peer *p)
{
	struct gw_peer *gp = ctx;

	gp->control->guard_dirty = true;
}

static void op_install(void *ctx, struct peer *p, const struct epoch *e,
	const struct keysched_traffic *traffic, uint32_t caps)
{
	sessions_install(ctx, e, traffic, caps);
}

static void op_switch(void *ctx, struct peer *p, uint32_t rx_key_id)
{
	sessions_switch(ctx, rx_key_id);
	state_mark(((struct gw_peer *)ctx)->control);
}

static void op_retire(void *ctx, struct peer *p, uint32_t rx_key_id)
{
	sessions_retire(ctx, rx_key_id);
}

static void op_path(void *ctx, struct peer *p, const struct config_endpoint *to)
{
	sessions_path(ctx);
}

static void op_path_try(void *ctx, struct peer *p, const struct config_endpoint *to)
{
	sessions_path_try(ctx, to);
}

static void op_tags(void *ctx, struct peer *p)
{
	struct gw_peer *gp = ctx;

	// At the end of this turn: several peers may change at once.
	gp->tags_dirty = true;
	gp->control->tags_dirty = true;
	state_mark(gp->control);
}

static void op_changed(void *ctx, struct peer *p, enum peer_state before)
{
	char where[CONFIG_ENDPOINT_TEXT];

	if (p->state == before) {
		if (p->last_error[0] != '\0')
			log_info("peer %s: %s", p->name, p->last_error);
		return;
	}
	if (p->state == PEER_UP)
		log_notice("peer %s: up by %s", p->name,
			p->has_path ? config_endpoint_format(&p->path, where) : "?");
	else
		log_notice("peer %s: %s", p->name, peer_state_name(p->state));
}

static void op_closed(void *ctx, struct peer *p, uint16_t reason)
{
	struct gw_peer *gp = ctx;

	sessions_delete(gp);
	// Theirs is gone, ours is used up: a fresh one waits until they want us again.
	if (reason != PKT_CLOSE_SHUTDOWN) {
		intent_wipe(&gp->intent);
		hubclient_publish(gp->control, gp);
	}
	state_mark(gp->control);
}

static void op_wants_list(void *ctx, struct peer *p)
{
	struct gw_peer *gp = ctx;

	if (gp->control->revocations != NULL)
		peer_send_list(p, gp->control->revocations, gp->control->revocations_len);
}

static void op_got_list(void *ctx, struct peer *p, const uint8_t *list, size_t len)
{
	struct gw_peer *gp = ctx;

	revoke_take(gp->control, list, len);
}

static void op_got_candidates(void *ctx, struct peer *p)
{
	state_mark(((struct gw_peer *)ctx)->control);
}

const struct peer_ops peers_ops = {
	.send = op_send,
	.next_ts = op_next_ts,
	.random = op_random,
	.guard = op_guard,
	.install = op_install,
	.tx_switch = op_switch,
	.retire = op_retire,
	.path = op_path,
	.path_try = op_path_try,
	.tags = op_tags,
	.changed = op_changed,
	.closed = op_closed,
	.wants_list = op_wants_list,
	.got_list = op_got_list,
	.got_candidates = op_got_candidates,
};

// ------------------------------------------------------------------ the table

static void on_timer(uv_timer_t *timer)
{
	struct gw_peer *gp = timer->data;
	struct peer_now now = control_now();

	peer_tick(&gp->sm, &now);
	peers_rearm(gp);
}

void peers_rearm(struct gw_peer *gp)
{
	uint64_t next = peer_next_us(&gp->sm), now = control_now().mono_us;

	if (next == UINT64_MAX) {
		uv_timer_stop(&gp->timer);
		return;
	}
	uv_update_time(&gp->control->loop);
	uv_timer_start(&gp->timer, on_timer, next > now ? (next - now + 999) / 1000 : 0, 0);
}

struct gw_peer *peers_at(struct control *c, uint32_t slot)
{
	return slot < c->n_slots ? c->peers[slot] : NULL;
}

struct gw_peer *peers_find(struct control *c, const char *name)
{
	for (uint32_t i = 0; i < c->n_slots; i++) {
		if (c->peers[i] != NULL && strcmp(c->peers[i]->sm.name, name) == 0)
			return c->peers[i];
	}
	return NULL;
}

struct gw_peer *peers_create(struct control *c, const char *name, uint32_t slot)
{
	struct gw_peer *gp;

	if (slot == PEERS_ANY_SLOT) {
		for (slot = 0; slot < c->n_slots && c->peers[slot] != NULL; slot++)
			;
	}
	if (slot >= c->n_slots || c->peers[slot] != NULL)
		return NULL;
	gp = calloc(1, sizeof(*gp));
	if (gp == NULL)
		return NULL;
	gp->control = c;
	gp->slot = slot;
	peer_init(&gp->sm, c->config->name, name, slot, &c->env, &peers_ops, gp);
	uv_timer_init(&c->loop, &gp->timer);
	gp->timer.data = gp;
	c->peers[slot] = gp;
	return gp;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct gw_peer *gp = handle->data;

	sodium_memzero(gp, sizeof(*gp));
	free(gp);
}

void peers_drop(struct control *c, struct gw_peer *gp)
{
	c->peers[gp->slot] = NULL;
	peer_fini(&gp->sm);
	intent_wipe(&gp->intent);
	uv_close((uv_handle_t *)&gp->timer, on_timer_closed);
}

void peers_free(struct control *c)
{
	for (uint32_t i = 0; i < c->n_slots; i++) {
		if (c->peers[i] != NULL)
			peers_drop(c, c->peers[i]);
	}
}

// ------------------------------------------------------------------ from the configuration

// 32 bytes raw or 64 hex digits, as the configuration has checked.
static int read_psk(const char *path, uint8_t psk[32])
{
	char buf[130];
	size_t n_bin;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = -EINVAL;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, sizeof(buf));
	close(fd);
	if (n == 32) {
		memcpy(psk, buf, 32);
		err = 0;
	} else if (n >= 64 && sodium_hex2bin(psk, 32, buf, 64, NULL, &n_bin, NULL) == 0 &&
		   n_bin == 32) {
		err = 0;
	}
	sodium_memzero(buf, sizeof(buf));
	return err;
}

static void set_addresses(struct gw_peer *gp, const struct config_peer *cfg)
{
	struct peer_candidate list[PEER_CANDIDATES];
	struct peer_now now = control_now();
	unsigned n = 0;

	for (unsigned i = 0; i < cfg->n_addresses && n < PEER_CANDIDATES; i++)
		list[n++] = (struct peer_candidate){cfg->addresses[i], CANDIDATE_CONFIGURED, 0};
	if (n > 0)
		peer_candidates_set(&gp->sm, list, n, 0, &now);
}

// A pin counts from the moment it is in the YAML, also against a peer that is connected or was
// before the restart.
static void enforce_pin(struct gw_peer *gp)
{
	struct peer_now now = control_now();
	bool hit = false;

	for (unsigned i = 0; gp->has_pin && i < 2; i++) {
		const struct peer_pairing *pairing = &gp->sm.pairing[i];

		hit |= pairing->live && sodium_memcmp(pairing->peer_key, gp->pin, 32) != 0;
	}
	if (!hit)
		return;
	log_warning("peer %s: its key is not the one pinned: connection ended", gp->sm.name);
	peer_close(&gp->sm, PKT_CLOSE_WITHDRAWN, true, &now);
	sessions_delete(gp);
	intent_wipe(&gp->intent);
	// The pin names the key to accept; that the other one was here first counts no more.
	gp->memory.has_key = false;
	peer_set_error(&gp->sm, "the peer's key is not the one pinned in the configuration", &now);
}

static void apply(struct gw_peer *gp, const struct config_peer *cfg)
{
	struct control *c = gp->control;
	enum config_cipher cipher =
		cfg->cipher != CONFIG_CIPHER_AUTO ? cfg->cipher : c->config->policy.cipher;
	int err;

	gp->configured = true;
	memset(gp->segments, 0, sizeof(gp->segments));
	for (unsigned i = 0; i < cfg->n_segments; i++)
		gp->segments[cfg->segment_ids[i] / 8] |= 1 << cfg->segment_ids[i] % 8;
	gp->sm.force = cipher == CONFIG_CIPHER_AES_256_GCM         ? FORCE_AES
		       : cipher == CONFIG_CIPHER_CHACHA20_POLY1305 ? FORCE_CHACHA
								   : FORCE_NONE;
	gp->has_pin = cfg->has_pin;
	memcpy(gp->pin, cfg->pin, sizeof(gp->pin));
	enforce_pin(gp);
	gp->has_psk = false;
	gp->needs_psk = cfg->psk_file != NULL;
	if (cfg->psk_file != NULL) {
		err = read_psk(cfg->psk_file, gp->psk);
		gp->has_psk = err == 0;
		if (err < 0)
			log_error("peer %s: %s: %s; no connection is made without it", cfg->name,
				cfg->psk_file, strerror(-err));
	}
	set_addresses(gp, cfg);
	// A PSK that cannot be read must not silently become "no PSK".
	if (!cfg->intent)
		gp->withdrawn = false;
	else if (!gp->withdrawn && (cfg->psk_file == NULL || gp->has_psk))
		gp->wanted = true;
}

int peers_configure(struct control *c, const struct gateway_config *config)
{
	for (uint32_t i = 0; i < c->n_slots; i++) {
		struct gw_peer *gp = c->peers[i];

		if (gp == NULL || config_peer_by_name(config, gp->sm.name) != NULL)
			continue;
		gp->configured = false;
		gp->needs_psk = gp->has_psk = gp->has_pin = false;
		if (!gp->runtime && gp->wanted)
			peers_unwant(c, gp, PKT_CLOSE_WITHDRAWN);
	}
	for (unsigned i = 0; i < config->n_peers; i++) {
		struct gw_peer *gp = peers_find(c, config->peers[i].name);

		if (strcmp(config->peers[i].name, config->name) == 0)
			continue;
		if (gp == NULL)
			gp = peers_create(c, config->peers[i].name, PEERS_ANY_SLOT);
		if (gp == NULL) {
			log_error("no room for peer %s: raise dataplane.max_peers",
				config->peers[i].name);
			return -ENOSPC;
		}
		if (gp->wanted && !config->peers[i].intent && !gp->runtime)
			peers_unwant(c, gp, PKT_CLOSE_WITHDRAWN);
		apply(gp, &config->peers[i]);
		if (gp->wanted && gp->sm.times.wanted_us == 0)
			gp->sm.times.wanted_us = control_now().mono_us;
		if (gp->wanted && gp->session)
			sessions_set(gp);
	}
	return 0;
}

int peers_want(struct control *c, const char *name, const uint8_t segments[CONTROL_SEGMENT_BYTES],
	struct gw_peer **ret)
{
	struct gw_peer *gp = peers_find(c, name);

	if (gp == NULL)
		gp = peers_create(c, name, PEERS_ANY_SLOT);
	if (gp == NULL)
		return -ENOSPC;
	if (segments != NULL)
		memcpy(gp->segments, segments, CONTROL_SEGMENT_BYTES);
	gp->runtime = true;
	gp->withdrawn = false;
	gp->renew_at_us = 0;
	if (!gp->wanted) {
		gp->wanted = true;
		gp->sm.times = (struct peer_times){.wanted_us = control_now().mono_us};
	}
	sessions_set(gp);
	if (c->dp_synced && !gp->sm.dataplane) {
		struct peer_now now = control_now();

		peer_dataplane_up(&gp->sm, NULL, 0, &now);
	}
	*ret = gp;
	return state_save(c);
}

void peers_unwant(struct control *c, struct gw_peer *gp, uint16_t reason)
{
	struct peer_now now = control_now();

	gp->wanted = false;
	gp->runtime = false;
	// Stays so over restarts, until `intents add` or an edit of the YAML says otherwise.
	gp->withdrawn = gp->configured;
	peer_close(&gp->sm, reason, true, &now);
	hubclient_drop(
		c, gp, reason == PKT_CLOSE_REVOKED ? RECORD_DROP_REVOKED : RECORD_DROP_WITHDRAWN);
	intent_wipe(&gp->intent);
	// An operator who withdraws and wants again accepts a changed key.
	gp->memory.has_key = false;
	// The CLOSE must be out before the session it is sent for is gone.
	paths_flush(c);
	sessions_delete(gp);
	log_notice("peer %s: intent withdrawn, keys wiped", gp->sm.name);
	peers_rearm(gp);
	state_save(c);
	if (!gp->session && !gp->deleting && !gp->configured)
		peers_drop(c, gp);
}
