// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/gateway/peer_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#define ASK_EVERY_US       5000000ull  // REKEY_PLEASE until it is heard
#define SERVER_PATIENCE_US 30000000ull // an M2 without its M3 is forgotten
#define CLOSE_COPIES       3

const char *peer_state_name(enum peer_state s)
{
	static const char *const names[] = {"idle", "connecting", "up", "closing"};

	return names[s];
}

bool endpoint_equal(const struct config_endpoint *a, const struct config_endpoint *b)
{
	return a->port == b->port && a->addr.family == b->addr.family &&
	       memcmp(a->addr.bytes, b->addr.bytes, a->addr.family == 6 ? 16 : 4) == 0;
}

void peer_init(struct peer *p, const char *my_name, const char *name, uint32_t slot,
	struct peer_env *env, const struct peer_ops *ops, void *ctx)
{
	memset(p, 0, sizeof(*p));
	snprintf(p->name, sizeof(p->name), "%s", name);
	p->is_client = name_compare(my_name, strlen(my_name), name, strlen(name)) < 0;
	p->slot = slot;
	p->env = env;
	p->ops = ops;
	p->ctx = ctx;
	p->path_mtu = PKT_MTU_BASE;
	keyring_init(&p->keys, slot);
}

static void wipe_lane0(struct peer *p, unsigned i)
{
	if (p->has_lane0[i])
		ctl_lane_wipe(&p->lane0[i]);
	p->has_lane0[i] = false;
}

void peer_fini(struct peer *p)
{
	client_stop(p);
	server_stop(p);
	for (unsigned i = 0; i < KEYRING_EPOCHS; i++)
		wipe_lane0(p, i);
	for (unsigned i = 0; i < 2; i++)
		pair_wipe(&p->pairing[i].pair);
	peer_forget_list(p);
	sodium_memzero(p, sizeof(*p));
}

void peer_set_state(struct peer *p, enum peer_state state, const struct peer_now *now)
{
	enum peer_state before = p->state;

	if (state == before)
		return;
	p->state = state;
	p->times.state_us = now->mono_us;
	p->ops->changed(p->ctx, p, before);
}

void peer_note(struct peer *p, const struct peer_now *now, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->last_error, sizeof(p->last_error), fmt, ap);
	va_end(ap);
	p->last_error_us = now->mono_us;
	p->ops->changed(p->ctx, p, p->state);
}

void peer_set_error(struct peer *p, const char *text, const struct peer_now *now)
{
	peer_note(p, now, "%s", text);
}

uint32_t peer_caps(const struct peer *p)
{
	if (p->force == FORCE_CHACHA)
		return p->env->caps & ~(uint32_t)PKT_CAP_AES;
	if (p->force == FORCE_AES)
		return p->env->caps | PKT_CAP_AES;
	return p->env->caps;
}

uint64_t peer_not_after_s(
	const struct peer *p, const struct peer_pairing *pairing, uint64_t cert_not_after_s)
{
	uint64_t t = pairing->not_after_s;

	if (cert_not_after_s < t)
		t = cert_not_after_s;
	return p->env->own_not_after_s < t ? p->env->own_not_after_s : t;
}

void peer_hs_config(struct peer *p, unsigned pairing_idx, struct hs_config *ret)
{
	const struct peer_pairing *pairing = &p->pairing[pairing_idx];

	*ret = (struct hs_config){
		.pair = &pairing->pair,
		.identity = p->env->identity,
		.peer_name = p->name,
		.expect_key = pairing->peer_key,
		.own_field = p->env->own_cert,
		.own_field_len = p->env->own_cert_len,
		.peer_field = HS_FIELD_LEAF,
		.max_len = PKT_HS_MAX_LEN,
		.caps = peer_caps(p),
		.rl = p->env->rl,
	};
	memcpy(ret->hedge, p->env->hedge, sizeof(ret->hedge));
}

// ------------------------------------------------------------------ epochs

struct ctl_lane *peer_lane0_of(struct peer *p, uint32_t rx_key_id)
{
	struct epoch *e = keyring_find(&p->keys, rx_key_id);

	if (e == NULL || !p->has_lane0[e - p->keys.epoch])
		return NULL;
	return &p->lane0[e - p->keys.epoch];
}

void peer_retire_epoch(struct peer *p, uint32_t rx_key_id)
{
	struct epoch *e = keyring_find(&p->keys, rx_key_id);

	if (e != NULL)
		wipe_lane0(p, e - p->keys.epoch);
	if (keyring_retire(&p->keys, rx_key_id) == 0)
		p->ops->retire(p->ctx, p, rx_key_id);
}

static bool cipher_allowed(const struct peer *p, uint8_t cipher)
{
	if (p->force == FORCE_AES)
		return cipher == PKT_CIPHER_AES_256_GCM;
	if (p->force == FORCE_CHACHA)
		return cipher == PKT_CIPHER_CHACHA20_POLY1305;
	return true;
}

int peer_begin_install(
	struct peer *p, unsigned pairing_idx, struct hs_result *result, const struct peer_now *now)
{
	struct epoch facts = {
		.rx_key_id = result->rx_key_id,
		.tx_key_id = result->tx_key_id,
		.cipher = result->cipher,
		.born_us = now->mono_us,
		.life_us = p->env->key_life_us,
		.not_after_s =
			peer_not_after_s(p, &p->pairing[pairing_idx], result->peer_not_after_s),
	};
	uint32_t evicted = 0;
	struct epoch *e;
	unsigned i;
	int err;

	if (!cipher_allowed(p, result->cipher)) {
		peer_note(p, now,
			"the cipher that the configuration asks for is not one the peer has");
		return -EPROTO;
	}
	err = keyring_install(&p->keys, &facts, &evicted);
	if (err < 0) {
		peer_note(p, now, "no room for new keys: %s", strerror(-err));
		return err;
	}
	e = keyring_find(&p->keys, result->rx_key_id);
	i = e - p->keys.epoch;
	// An evicted epoch had this place; its lane goes with it.
	wipe_lane0(p, i);
	if (evicted != 0)
		p->ops->retire(p->ctx, p, evicted);
	ctl_lane_init(&p->lane0[i], &result->traffic, p->is_client, result->rx_key_id,
		result->tx_key_id, PKT_HS_MAX_LEN);
	p->has_lane0[i] = true;
	keysched_wipe_plane(&result->traffic, KEYSCHED_CONTROL);
	p->peer_rl = result->peer_rl;
	p->peer_caps = result->peer_caps;
	p->peer_not_after_s = result->peer_not_after_s;
	p->ops->install(p->ctx, p, e, &result->traffic, result->peer_caps);
	return 0;
}

void peer_schedule_rekey(struct peer *p, const struct peer_now *now)
{
	uint64_t after = p->env->rekey_us, spread = after / 6; // 120 s ± 10 s
	uint32_t r;

	if (p->is_client) {
		p->ops->random(p->ctx, &r, sizeof(r));
		after = after - spread / 2 + (spread > 0 ? r % spread : 0);
	} else {
		after += after / 4; // the server asks at 150 s
	}
	p->rekey_at_us = now->mono_us + after;
}

bool peer_switch(struct peer *p, uint32_t rx_key_id, const struct peer_now *now)
{
	uint32_t due;

	if (keyring_switch(&p->keys, rx_key_id, now->mono_us) < 0)
		return false;
	p->ops->tx_switch(p->ctx, p, rx_key_id);
	while ((due = keyring_due(&p->keys, now->mono_us)) != 0 && keyring_find(&p->keys, due))
		peer_retire_epoch(p, due);
	p->n_handshakes++;
	p->last_error[0] = '\0';
	p->path_doubted = false;
	if (p->times.up_us == 0)
		p->times.up_us = now->mono_us;
	punch_stop(p);
	peer_schedule_rekey(p, now);
	peer_set_state(p, PEER_UP, now);
	if (p->peer_rl < p->env->rl)
		p->ops->wants_list(p->ctx, p);
	return true;
}

void peer_installed(struct peer *p, uint32_t rx_key_id, int status, const struct peer_now *now)
{
	bool mine = p->is_client
			    ? p->client.phase == CLIENT_INSTALL && p->client.rx_key_id == rx_key_id
			    : p->server.phase == SERVER_INSTALL && p->server.rx_key_id == rx_key_id;

	if (status < 0) {
		peer_note(p, now, "the data-plane refused the new keys: %s", strerror(-status));
		peer_retire_epoch(p, rx_key_id);
	} else if (!keyring_installed(&p->keys, rx_key_id, true)) {
		return;
	}
	if (!mine)
		return;
	if (p->is_client)
		client_installed(p, status == 0, now);
	else
		server_installed(p, status == 0, now);
}

void peer_retired(struct peer *p, uint32_t rx_key_id)
{
	keyring_retired(&p->keys, rx_key_id);
}

void peer_saw_new_epoch(struct peer *p, uint32_t rx_key_id, const struct peer_now *now)
{
	if (p->is_client)
		client_confirmed(p, rx_key_id, now);
}

void peer_epoch_ended(struct peer *p, uint32_t rx_key_id, const struct peer_now *now)
{
	struct epoch *e = keyring_find(&p->keys, rx_key_id);

	if (e == NULL)
		return;
	peer_retire_epoch(p, rx_key_id);
	if (keyring_current(&p->keys) == NULL && p->state == PEER_UP) {
		peer_note(p, now, "the keys expired before new ones could be agreed");
		peer_contact(p, now);
	}
}

void peer_saw_first_frame(struct peer *p, const struct peer_now *now)
{
	if (p->times.first_frame_us == 0)
		p->times.first_frame_us = now->mono_us;
}

// ------------------------------------------------------------------ pair keys

static bool has_pairing(const struct peer *p)
{
	return p->pairing[0].live || p->pairing[1].live;
}

static void drop_pairing(struct peer *p, unsigned i)
{
	pair_wipe(&p->pairing[i].pair);
	sodium_memzero(&p->pairing[i], sizeof(p->pairing[i]));
}

void peer_introduce(struct peer *p, const struct peer_pairing *pairing, const struct peer_now *now)
{
	// Overwrite the one that is neither newest nor, if possible, alive.
	unsigned i = p->pairing[p->newest].live ? 1 - p->newest : p->newest;

	if (p->is_client && p->client.phase != CLIENT_REST && p->client.pairing_idx == i)
		client_stop(p);
	if (!p->is_client && p->server.phase != SERVER_REST && p->server.pairing_idx == i)
		server_stop(p);
	drop_pairing(p, i);
	p->pairing[i] = *pairing;
	p->pairing[i].live = true;
	p->newest = i;
	p->times.matched_us = now->mono_us;
	p->times.first_m1_us = 0;
	if (p->state != PEER_UP) {
		p->times.up_us = 0;
		p->times.first_frame_us = 0;
	}
	p->ops->tags(p->ctx, p);
	peer_contact(p, now);
}

void peer_restore(struct peer *p, unsigned idx, const struct peer_pairing *pairing, bool newest)
{
	p->pairing[idx] = *pairing;
	p->pairing[idx].live = true;
	if (newest)
		p->newest = idx;
}

void peer_pairing_proven(struct peer *p, unsigned i)
{
	p->pairing[i].proven = true;
	if (i != p->newest || !p->pairing[1 - i].live)
		return;
	drop_pairing(p, 1 - i);
	p->ops->tags(p->ctx, p);
}

static void expire_pairings(struct peer *p, const struct peer_now *now)
{
	uint64_t now_s = now->unix_us / 1000000;
	bool dropped = false;

	for (unsigned i = 0; i < 2; i++) {
		if (!p->pairing[i].live || p->pairing[i].not_after_s >= now_s)
			continue;
		if (p->is_client && p->client.pairing_idx == i)
			client_stop(p);
		if (!p->is_client && p->server.pairing_idx == i)
			server_stop(p);
		drop_pairing(p, i);
		dropped = true;
	}
	if (!dropped)
		return;
	p->ops->tags(p->ctx, p);
	if (!has_pairing(p) && keyring_current(&p->keys) == NULL) {
		punch_stop(p);
		peer_note(p, now, "the intents have expired");
		peer_set_state(p, PEER_IDLE, now);
	}
}

void peer_contact(struct peer *p, const struct peer_now *now)
{
	if (!has_pairing(p)) {
		if (keyring_current(&p->keys) == NULL)
			peer_set_state(p, PEER_IDLE, now);
		return;
	}
	if (keyring_current(&p->keys) == NULL)
		peer_set_state(p, PEER_CONNECTING, now);
	if (!p->dataplane || p->env->caps == 0)
		return;
	if (p->is_client) {
		p->client.n_failed = 0;
		client_start(p, now);
	} else {
		punch_start(p, now);
	}
}

void peer_retry(struct peer *p, const struct peer_now *now)
{
	bool waiting = p->is_client ? p->client.phase == CLIENT_M1 && p->client.n_failed > 0
				    : p->punch.on && p->punch.n_sent >= PEER_BURST_STEPS;

	if (p->state == PEER_CONNECTING && waiting)
		peer_contact(p, now);
}

int peer_rekey(struct peer *p, const struct peer_now *now)
{
	if (!has_pairing(p) || !p->dataplane)
		return -ENOTCONN;
	if (p->is_client) {
		if (p->client.phase == CLIENT_REST || p->client.phase == CLIENT_M1)
			client_start(p, now);
		return 0;
	}
	if (peer_send_lane0(p, PKT_KIND_REKEY_PLEASE, NULL, 0) < 0)
		punch_start(p, now);
	return 0;
}

// ------------------------------------------------------------------ the data-plane comes and goes

void peer_dataplane_up(struct peer *p, const struct peer_survivor *survivors, unsigned n,
	const struct peer_now *now)
{
	p->dataplane = true;
	for (unsigned i = 0; i < n; i++) {
		uint64_t left = survivors[i].deadline_us > now->mono_us
					? survivors[i].deadline_us - now->mono_us
					: 0;

		keyring_adopt(&p->keys, survivors[i].rx_key_id, i == 0, now->mono_us, left);
	}
	if (keyring_current(&p->keys) != NULL)
		peer_set_state(p, PEER_UP, now);
	// Frames flow under keys whose control half died with the last process: make new ones soon.
	peer_contact(p, now);
}

void peer_dataplane_lost(struct peer *p, const struct peer_now *now)
{
	p->dataplane = false;
	client_stop(p);
	server_stop(p);
	punch_stop(p);
	keyring_clear(&p->keys);
	for (unsigned i = 0; i < KEYRING_EPOCHS; i++)
		wipe_lane0(p, i);
	p->path_suspect = p->has_path;
	p->path_mtu = PKT_MTU_BASE;
	if (p->state == PEER_CLOSING)
		return;
	peer_set_state(p, has_pairing(p) ? PEER_CONNECTING : PEER_IDLE, now);
}

void peer_close(struct peer *p, uint16_t reason, bool pairings, const struct peer_now *now)
{
	uint8_t payload[PKT_CLOSE_PAYLOAD_LEN];

	put_le16(payload, reason);
	for (unsigned i = 0; reason != 0 && i < CLOSE_COPIES; i++)
		peer_send_lane0(p, PKT_KIND_CLOSE, payload, sizeof(payload));
	client_stop(p);
	server_stop(p);
	punch_stop(p);
	for (unsigned i = 0; i < KEYRING_EPOCHS; i++) {
		if (p->keys.epoch[i].state != EPOCH_FREE)
			peer_retire_epoch(p, p->keys.epoch[i].rx_key_id);
	}
	path_use(p, NULL);
	if (pairings) {
		drop_pairing(p, 0);
		drop_pairing(p, 1);
		p->n_candidates = 0;
		p->candidates_ts = 0;
		p->ops->tags(p->ctx, p);
	}
	p->times.up_us = 0;
	p->times.first_frame_us = 0;
	peer_set_state(p, has_pairing(p) ? PEER_CONNECTING : PEER_IDLE, now);
}

// ------------------------------------------------------------------ datagrams

int peer_pairing_of(struct peer *p, uint8_t type, const uint8_t *data, size_t len, uint64_t now_s)
{
	for (unsigned k = 0; k < 2; k++) {
		unsigned i = k == 0 ? p->newest : 1 - p->newest;

		if (p->pairing[i].live && hs_check_outer(&p->pairing[i].pair, type, data, len,
						  PKT_HS_MAX_LEN, now_s) == HS_OK)
			return (int)i;
	}
	return -ENOENT;
}

static void take_punch(struct peer *p, const struct config_endpoint *from, const uint8_t *data,
	size_t len, const struct peer_now *now)
{
	const struct pkt_punch *punch = (const struct pkt_punch *)data;
	uint64_t now_s = now->unix_us / 1000000;
	bool ok = false, fresh;

	for (unsigned i = 0; i < 2 && !ok; i++)
		ok = p->pairing[i].live && pair_punch_ok(&p->pairing[i].pair, now_s, data, len);
	if (!ok || punch->hs.ts < p->punch_ts)
		return;
	fresh = punch->hs.ts > p->punch_ts;
	if (fresh) {
		p->punch_ts = punch->hs.ts;
		p->ops->guard(p->ctx, p);
	}
	path_learn(p, from);
	if (p->is_client)
		client_punched(p, from, punch, fresh, now);
}

void peer_datagram(struct peer *p, const struct config_endpoint *from, const uint8_t *data,
	size_t len, const struct peer_now *now)
{
	if (!p->dataplane || p->state == PEER_CLOSING ||
		!pkt_hs_plausible(data, len, PKT_HS_MAX_LEN))
		return;
	switch (data[0]) {
	case PKT_TYPE_PUNCH:
		take_punch(p, from, data, len, now);
		break;
	case PKT_TYPE_M1:
		if (!p->is_client)
			server_m1(p, from, data, len, now);
		break;
	case PKT_TYPE_M2:
		if (p->is_client)
			client_m2(p, from, data, len, now);
		break;
	case PKT_TYPE_M3:
		if (!p->is_client)
			server_m3(p, from, data, len, now);
		break;
	case PKT_TYPE_RETRY:
		if (p->is_client)
			client_retry(p, from, data, len, now);
		break;
	}
}

// ------------------------------------------------------------------ time

static void tick_rekey(struct peer *p, const struct peer_now *now)
{
	if (p->state != PEER_UP || !p->dataplane || p->rekey_at_us == 0 ||
		now->mono_us < p->rekey_at_us || !has_pairing(p))
		return;
	if (p->is_client) {
		if (p->client.phase == CLIENT_REST)
			client_start(p, now);
		p->rekey_at_us = 0;
		return;
	}
	// No lane 0 (control was restarted): a PUNCH asks as well.
	if (peer_send_lane0(p, PKT_KIND_REKEY_PLEASE, NULL, 0) < 0 && !p->punch.on)
		punch_start(p, now);
	p->rekey_at_us = now->mono_us + ASK_EVERY_US;
}

// The data-plane enforces the deadlines by its own clock and says so; should its word be lost, the
// control lane's keys still die on time.
static void end_overdue(struct peer *p, const struct peer_now *now)
{
	for (unsigned i = 0; i < KEYRING_EPOCHS; i++) {
		const struct epoch *e = &p->keys.epoch[i];

		if (e->state != EPOCH_FREE && keyring_deadline_us(e, now->mono_us,
						      now->unix_us / 1000000) <= now->mono_us)
			peer_epoch_ended(p, e->rx_key_id, now);
	}
}

void peer_tick(struct peer *p, const struct peer_now *now)
{
	uint32_t due;

	if (p->state == PEER_CLOSING)
		return;
	expire_pairings(p, now);
	while ((due = keyring_due(&p->keys, now->mono_us)) != 0) {
		peer_retire_epoch(p, due);
		if (keyring_find(&p->keys, due) != NULL)
			break; // eight wipes unconfirmed: later
	}
	if (p->server.phase == SERVER_M2 &&
		now->mono_us >= p->server.started_us + SERVER_PATIENCE_US)
		server_stop(p);
	// An answer of a worker that was lost must not lock the peer out for good.
	if (p->server.phase == SERVER_INSTALL &&
		now->mono_us >= p->server.install_us + PEER_INSTALL_US)
		peer_installed(p, p->server.rx_key_id, -ETIMEDOUT, now);
	end_overdue(p, now);
	if (p->is_client)
		client_tick(p, now);
	punch_tick(p, now);
	tick_rekey(p, now);
}

uint64_t peer_next_us(const struct peer *p)
{
	uint64_t next = keyring_next_us(&p->keys);

	if (p->state == PEER_CLOSING || !p->dataplane)
		return UINT64_MAX;
	if (p->client.phase != CLIENT_REST && p->client.next_us < next)
		next = p->client.next_us;
	if (p->server.phase == SERVER_INSTALL && p->server.install_us + PEER_INSTALL_US < next)
		next = p->server.install_us + PEER_INSTALL_US;
	if (p->punch.on && p->punch.next_us < next)
		next = p->punch.next_us;
	if (p->state == PEER_UP && p->rekey_at_us != 0 && p->rekey_at_us < next)
		next = p->rekey_at_us;
	return next;
}
