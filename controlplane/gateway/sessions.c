// SPDX-License-Identifier: BSD-3-Clause
//
// What the data-plane is told about each peer, and what its events mean for them.
#include "controlplane/gateway/control.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "controlplane/common/clock.h"
#include "config/log.h"

static unsigned n_workers(const struct control *c)
{
	return dplink_hello(c->dplink)->n_workers;
}

static uint32_t begin(struct control *c, enum job_kind kind, uint32_t slot, uint32_t key_id)
{
	uint32_t group = dplink_group_begin(c->dplink);

	c->jobs[group % CONTROL_JOBS_MAX] = (struct job){group, kind, slot, key_id};
	return group;
}

static void peer_id(const struct gw_peer *gp, uint8_t id[32])
{
	crypto_generichash(id, 32, (const uint8_t *)gp->sm.name, strlen(gp->sm.name), NULL, 0);
}

// ------------------------------------------------------------------ down

void sessions_set(struct gw_peer *gp)
{
	struct control *c = gp->control;
	struct cmd cmd = {.head = {.op = CMD_SESSION_SET, .session = gp->slot}};
	uint32_t quota = 0;

	if (!c->dp_synced || gp->deleting || gp->slot >= dplink_hello(c->dplink)->max_sessions)
		return;
	peer_id(gp, cmd.session.peer_id);
	memcpy(cmd.session.segments, gp->segments, sizeof(cmd.session.segments));
	for (unsigned i = 0; i < c->config->dataplane.n_segments; i++) {
		const struct config_segment *s = &c->config->dataplane.segments[i];

		if (gp->segments[s->id / 8] & (1 << s->id % 8) && s->mac_quota > quota)
			quota = s->mac_quota;
	}
	cmd.session.mac_quota = quota > 0 ? quota : 1;
	cmd.session.role = gp->sm.is_client ? 0 : 1;
	if (dplink_command_all(c->dplink, &cmd, DPLINK_NO_GROUP) == 0)
		gp->session = true;
}

void sessions_delete(struct gw_peer *gp)
{
	struct control *c = gp->control;
	struct cmd cmd = {.head = {.op = CMD_SESSION_DEL, .session = gp->slot}};
	uint32_t group;

	if (!gp->session || !dplink_ready(c->dplink))
		return;
	gp->session = false;
	gp->told_path = (struct path_desc){0};
	gp->deleting = true;
	group = begin(c, JOB_DELETE, gp->slot, 0);
	dplink_command_all(c->dplink, &cmd, group);
	dplink_group_end(c->dplink, group);
	dplink_fdb_flush(c->dplink, gp->slot);
}

static void install_lane(struct gw_peer *gp, const struct epoch *e,
	const struct keysched_traffic *traffic, bool tx, unsigned lane, unsigned n_lanes,
	uint64_t deadline_us, uint32_t group)
{
	struct control *c = gp->control;
	struct cmd cmd = {.head = {.op = CMD_KEY_INSTALL, .session = gp->slot}};
	// dir 0 is server to client: what a client receives and a server sends.
	int dir = gp->sm.is_client == tx ? 1 : 0;
	struct keysched_lane keys;

	keysched_traffic_lane(traffic, dir, lane, &keys);
	cmd.key.rx_key_id = e->rx_key_id;
	cmd.key.tx_key_id = e->tx_key_id;
	cmd.key.deadline_ns = deadline_us * 1000;
	cmd.key.dir = tx;
	cmd.key.lane = lane;
	cmd.key.cipher = e->cipher;
	cmd.key.n_lanes = n_lanes;
	cmd.key.super = tx && (gp->sm.peer_caps & PKT_CAP_SUPER) != 0;
	memcpy(cmd.key.iv, keys.iv, sizeof(cmd.key.iv));
	memcpy(cmd.key.key, keys.key, sizeof(cmd.key.key));
	keysched_wipe_lane(&keys);
	dplink_command(c->dplink, (lane - 1) % n_workers(c), &cmd, group);
	sodium_memzero(&cmd, sizeof(cmd));
}

void sessions_install(struct gw_peer *gp, const struct epoch *e,
	const struct keysched_traffic *traffic, uint32_t peer_caps_word)
{
	struct control *c = gp->control;
	const struct link_hello *hello = dplink_hello(c->dplink);
	struct peer_now now = control_now();
	uint64_t deadline = keyring_deadline_us(e, now.mono_us, now.unix_us / 1000000);
	unsigned n_tx = pkt_caps_lanes(peer_caps_word), n_rx = hello->max_lanes;
	uint32_t group;

	sessions_set(gp);
	sessions_path(gp); // the peer's source ports are known now
	group = begin(c, JOB_INSTALL, gp->slot, e->rx_key_id);
	for (unsigned lane = 1; lane <= n_rx; lane++)
		install_lane(gp, e, traffic, false, lane, n_rx, deadline, group);
	// A worker sends in the lane of its own number; more lanes than workers stay unused.
	for (unsigned lane = 1; lane <= n_tx && lane <= hello->n_workers; lane++)
		install_lane(gp, e, traffic, true, lane, n_tx, deadline, group);
	dplink_group_end(c->dplink, group);
}

static void epoch_command(struct gw_peer *gp, enum cmd_op op, uint32_t rx_key_id,
	uint64_t deadline_us, uint32_t group)
{
	struct cmd cmd = {.head = {.op = op, .session = gp->slot}};

	cmd.epoch.rx_key_id = rx_key_id;
	cmd.epoch.deadline_ns = deadline_us * 1000;
	dplink_command_all(gp->control->dplink, &cmd, group);
}

void sessions_switch(struct gw_peer *gp, uint32_t rx_key_id)
{
	epoch_command(gp, CMD_TX_SWITCH, rx_key_id, 0, DPLINK_NO_GROUP);
}

void sessions_retire(struct gw_peer *gp, uint32_t rx_key_id)
{
	struct control *c = gp->control;
	uint32_t group;

	if (!dplink_ready(c->dplink))
		return;
	group = begin(c, JOB_RETIRE, gp->slot, rx_key_id);
	epoch_command(gp, CMD_KEY_RETIRE, rx_key_id, 0, group);
	dplink_group_end(c->dplink, group);
}

void sessions_path(struct gw_peer *gp)
{
	struct control *c = gp->control;
	struct cmd cmd = {.head = {.op = CMD_PATH, .session = gp->slot}};
	int err;

	// No path is no command: the epochs that could use one are retired.
	if (!c->dp_synced || !gp->session || !gp->sm.has_path)
		return;
	err = paths_resolve(c, &gp->sm.path, &cmd.path.path);
	if (err < 0)
		return; // the data-plane keeps what it has; netlink calls again
	if ((gp->sm.peer_caps & PKT_CAP_PORTS) != 0)
		cmd.path.path.n_sports = paths_source_ports(c, cmd.path.path.port_idx);
	cmd.path.path.n_dports = pkt_caps_ports(gp->sm.peer_caps);
	// Told again it would measure the path's MTU again.
	if (memcmp(&cmd.path.path, &gp->told_path, sizeof(gp->told_path)) == 0)
		return;
	gp->told_path = cmd.path.path;
	dplink_command_all(c->dplink, &cmd, DPLINK_NO_GROUP);
}

void sessions_path_try(struct gw_peer *gp, const struct config_endpoint *to)
{
	struct control *c = gp->control;
	struct cmd cmd = {.head = {.op = CMD_PATH_TRY, .session = gp->slot}};

	if (c->dp_synced && gp->session && paths_resolve(c, to, &cmd.path.path) == 0)
		dplink_command_all(c->dplink, &cmd, DPLINK_NO_GROUP);
}

static void push_tags(struct gw_peer *gp, unsigned set)
{
	struct control *c = gp->control;
	const struct peer_pairing *pairing = &gp->sm.pairing[set];
	struct cmd cmd = {.head = {.op = CMD_TAGS, .session = gp->slot}};
	uint64_t slot = pair_slot(clock_unix_s());
	struct pair_filter_keys keys;

	if (!c->dp_synced || gp->deleting || (!gp->session && !pairing->live))
		return;
	if (!gp->session)
		sessions_set(gp);
	cmd.tags.set = set;
	cmd.tags.role = gp->sm.is_client ? 0 : 1;
	if (pairing->live) {
		cmd.tags.n_tags = 3;
		for (unsigned i = 0; i < 3; i++)
			pair_tag(&pairing->pair, pair_rx_dir(&pairing->pair), slot - 1 + i,
				cmd.tags.tag[i]);
		pair_filter_keys(&pairing->pair, &keys);
		memcpy(cmd.tags.mac_key[0], keys.mac_a, 32);
		memcpy(cmd.tags.mac_key[1], keys.mac_b, 32);
		sodium_memzero(&keys, sizeof(keys));
		cmd.tags.last_punch_ts = gp->sm.punch_ts;
		cmd.tags.last_m1_ts = gp->sm.m1_ts;
	}
	dplink_command_all(c->dplink, &cmd, DPLINK_NO_GROUP);
}

void sessions_tags(struct control *c)
{
	size_t n = 0, cap = 6 * (size_t)c->n_slots + 1;
	uint64_t slot = pair_slot(clock_unix_s());
	bool all = slot != c->tags_slot;
	uint8_t(*tags)[8];

	c->tags_dirty = false;
	c->tags_slot = slot;
	if (!c->dp_synced)
		return;
	tags = calloc(cap, sizeof(*tags));
	if (tags == NULL)
		return;
	for (uint32_t s = 0; s < c->n_slots; s++) {
		if (c->peers[s] != NULL && (all || c->peers[s]->tags_dirty)) {
			push_tags(c->peers[s], 0);
			push_tags(c->peers[s], 1);
		}
		for (unsigned i = 0; c->peers[s] != NULL && i < 2; i++) {
			const struct peer_pairing *pairing = &c->peers[s]->sm.pairing[i];

			for (unsigned k = 0; pairing->live && k < 3; k++)
				pair_tag(&pairing->pair, pair_rx_dir(&pairing->pair), slot - 1 + k,
					tags[n++]);
		}
	}
	for (uint32_t s = 0; s < c->n_slots; s++) {
		if (c->peers[s] != NULL)
			c->peers[s]->tags_dirty = false;
	}
	dplink_tags(c->dplink, tags, n);
	free(tags);
}

void sessions_deadlines(struct control *c)
{
	struct peer_now now = control_now();

	for (uint32_t slot = 0; c->dp_synced && slot < c->n_slots; slot++) {
		struct gw_peer *gp = c->peers[slot];

		for (unsigned i = 0; gp != NULL && i < KEYRING_EPOCHS; i++) {
			const struct epoch *e = &gp->sm.keys.epoch[i];

			// A survivor's limits were judged by whoever installed it.
			if (e->state == EPOCH_FREE || e->not_after_s == UINT64_MAX)
				continue;
			epoch_command(gp, CMD_DEADLINE, e->rx_key_id,
				keyring_deadline_us(e, now.mono_us, now.unix_us / 1000000),
				DPLINK_NO_GROUP);
		}
	}
}

// ------------------------------------------------------------------ up

static void endpoint_of(const struct path_desc *desc, struct config_endpoint *ret)
{
	*ret = (struct config_endpoint){.port = ntohs(desc->be_dport)};
	ret->addr.family = desc->family;
	memcpy(ret->addr.bytes, desc->dst_ip, desc->family == 6 ? 16 : 4);
}

static void remember_survivor(struct control *c, const struct event_session *ev)
{
	struct survivor *list, *s = NULL;
	unsigned at = 0;

	for (unsigned i = 0; i < c->n_survivors && s == NULL; i++) {
		if (c->survivors[i].slot == ev->head.session)
			s = &c->survivors[i];
	}
	if (s == NULL) {
		list = realloc(c->survivors, (c->n_survivors + 1) * sizeof(*list));
		if (list == NULL)
			return;
		c->survivors = list;
		s = &list[c->n_survivors++];
	}
	*s = (struct survivor){.slot = ev->head.session, .path = ev->path};
	memcpy(s->peer_id, ev->peer_id, 32);
	// The epoch in use comes first.
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < KEYRING_EPOCHS; i++) {
			uint32_t key_id = ev->rx_key_id[i];

			if (key_id == 0 || pkt_key_slot(key_id) != s->slot ||
				(key_id == ev->tx_epoch) != (pass == 0))
				continue;
			s->epochs[at++] = (struct peer_survivor){key_id, ev->deadline_ns[i] / 1000};
		}
		if (pass == 0 && at == 0)
			return; // sends under nothing: nothing to go on with
	}
	s->n_epochs = at;
}

static void sort_out(struct control *c, const struct survivor *s)
{
	struct gw_peer *gp = peers_at(c, s->slot);
	struct cmd cmd = {.head = {.op = CMD_SESSION_DEL, .session = s->slot}};
	struct config_endpoint to;
	uint8_t id[32];

	if (gp != NULL)
		peer_id(gp, id);
	if (gp == NULL || memcmp(id, s->peer_id, 32) != 0 || !gp->wanted) {
		dplink_command_all(c->dplink, &cmd, DPLINK_NO_GROUP);
		return;
	}
	gp->session = true;
	if (s->path.family != 0 && s->n_epochs > 0) {
		endpoint_of(&s->path, &to);
		gp->sm.path = to;
		gp->sm.has_path = true;
		gp->sm.path_suspect = false;
		gp->sm.path_mtu = s->path.mtu;
	}
}

// Every worker has told what it holds: from here on the sessions are ours.
static void synced(struct control *c)
{
	struct peer_now now = control_now();

	c->dp_synced = true;
	for (unsigned i = 0; i < c->n_survivors; i++)
		sort_out(c, &c->survivors[i]);
	for (uint32_t slot = 0; slot < c->n_slots; slot++) {
		struct gw_peer *gp = c->peers[slot];
		const struct survivor *mine = NULL;

		for (unsigned i = 0; gp != NULL && i < c->n_survivors; i++) {
			if (c->survivors[i].slot == slot && gp->session)
				mine = &c->survivors[i];
		}
		if (gp == NULL)
			continue;
		if (gp->wanted)
			sessions_set(gp);
		peer_dataplane_up(&gp->sm, mine != NULL ? mine->epochs : NULL,
			mine != NULL ? mine->n_epochs : 0, &now);
		peers_rearm(gp);
	}
	log_notice("data-plane attached: %u workers, %u sessions found alive", n_workers(c),
		c->n_survivors);
	c->tags_slot = 0; // all of them
	sessions_tags(c);
	free(c->survivors);
	c->survivors = NULL;
	c->n_survivors = 0;
	candidates_announce(c);
	// The hub can see our data port from now on.
	c->hub_punch_us = 0;
	c->hub_punch_tries = 0;
	hubclient_tick(c);
	for (uint32_t slot = 0; slot < c->n_slots; slot++) {
		if (c->peers[slot] != NULL)
			hubclient_publish(c, c->peers[slot]);
	}
}

static void on_attached(void *ctx, const struct link_hello *hello)
{
	struct control *c = ctx;
	struct cmd cmd = {.head = {.op = CMD_DUMP, .session = NO_SESSION}};
	uint32_t caps = PKT_CAP_CHACHA, group, n_ports = 1;

	if (hello->aes_hw && c->config->policy.cipher != CONFIG_CIPHER_CHACHA20_POLY1305)
		caps |= PKT_CAP_AES;
	if (c->config->policy.cipher == CONFIG_CIPHER_AES_256_GCM)
		caps |= PKT_CAP_AES;
	if (hello->super)
		caps |= PKT_CAP_SUPER;
	caps |= (hello->max_lanes - 1) << PKT_CAP_LANES_SHIFT;
	for (unsigned i = 0; i < hello->n_ports; i++) {
		if (paths_source_ports(c, i) > n_ports)
			n_ports = paths_source_ports(c, i);
	}
	caps |= PKT_CAP_PORTS | (n_ports - 1) << PKT_CAP_PORTS_SHIFT;
	c->env.caps = caps;
	silence_attached(c, hello);
	c->dp_boot_id = hello->boot_id;
	c->dp_since_us = clock_mono_us();
	c->n_survivors = 0;
	paths_links(c);
	if (candidates_moved(c))
		hubclient_moved(c);
	group = begin(c, JOB_DUMP, NO_SESSION, 0);
	dplink_command_all(c->dplink, &cmd, group);
	dplink_group_end(c->dplink, group);
}

static void on_detached(void *ctx)
{
	struct control *c = ctx;
	struct peer_now now = control_now();

	log_warning("data-plane lost; peers are connected again when it is back");
	c->dp_synced = false;
	c->dp_since_us = now.mono_us;
	for (uint32_t slot = 0; slot < c->n_slots; slot++) {
		struct gw_peer *gp = c->peers[slot];

		if (gp == NULL)
			continue;
		gp->session = false;
		gp->deleting = false;
		gp->told_path = (struct path_desc){0};
		peer_dataplane_lost(&gp->sm, &now);
		peers_rearm(gp);
	}
}

static void tell_loop(const struct control *c, const struct gw_peer *gp, uint32_t segment)
{
	const struct config_segment *s =
		segment <= UINT8_MAX ? config_segment_by_id(&c->config->dataplane, segment) : NULL;

	log_warning(
		"peer %s: segment %s is joined with it by another way, too, which makes a loop; "
		"the peer is cut out of the segment until the loop is gone",
		gp->sm.name, s != NULL ? s->name : "?");
}

static void on_event(void *ctx, const struct event *ev)
{
	struct control *c = ctx;
	struct gw_peer *gp;
	struct peer_now now = control_now();
	struct config_endpoint to;

	if (ev->head.op == EV_SESSION) {
		if (!c->dp_synced)
			remember_survivor(c, &ev->session);
		return;
	}
	gp = peers_at(c, ev->head.session);
	if (!c->dp_synced || gp == NULL || !gp->session)
		return;
	switch (ev->head.op) {
	case EV_NEW_EPOCH:
		peer_saw_new_epoch(&gp->sm, ev->epoch.rx_key_id, &now);
		break;
	case EV_PATH:
		endpoint_of(&ev->path.path, &to);
		log_info("peer %s: moved to a new path", gp->sm.name);
		gp->told_path = (struct path_desc){0};
		peer_path_moved(&gp->sm, &to, &now);
		break;
	case EV_PATH_DEAD:
		peer_path_died(&gp->sm, &now);
		hubclient_doubt(c);
		break;
	case EV_PMTU:
		gp->sm.path_mtu = ev->path.path.mtu;
		break;
	case EV_SOFT_LIMIT:
		peer_rekey(&gp->sm, &now);
		break;
	case EV_EXPIRED:
		peer_epoch_ended(&gp->sm, ev->epoch.rx_key_id, &now);
		break;
	case EV_FORGERIES:
		log_warning(
			"peer %s: more than a million forged packets under one key", gp->sm.name);
		break;
	case EV_FIRST_FRAME:
		peer_saw_first_frame(&gp->sm, &now);
		break;
	case EV_MAC_QUOTA:
		log_warning("peer %s: its quota of MAC addresses is used up", gp->sm.name);
		break;
	case EV_LOOP:
		tell_loop(c, gp, ev->epoch.lane);
		break;
	}
	peers_rearm(gp);
}

static void on_punt(void *ctx, const struct punt *punt, bool is_lane0)
{
	struct control *c = ctx;
	struct gw_peer *gp = peers_at(c, punt->session);
	struct peer_now now = control_now();
	struct config_endpoint from;

	if (!c->dp_synced || gp == NULL || !gp->session || !control_can_authenticate(c))
		return;
	c->env.overloaded = dplink_overloaded(c->dplink);
	endpoint_of(&punt->from, &from);
	if (is_lane0)
		peer_lane0_datagram(&gp->sm, &from, punt->data, punt->bytes, &now);
	else
		peer_datagram(&gp->sm, &from, punt->data, punt->bytes, &now);
	peers_rearm(gp);
}

static void on_done(void *ctx, uint32_t group, int status)
{
	struct control *c = ctx;
	struct job *job = &c->jobs[group % CONTROL_JOBS_MAX], j = *job;
	struct peer_now now = control_now();
	struct gw_peer *gp;

	if (job->group != group)
		return;
	*job = (struct job){0};
	if (j.kind == JOB_DUMP) {
		synced(c);
		return;
	}
	gp = peers_at(c, j.slot);
	if (gp == NULL)
		return;
	switch (j.kind) {
	case JOB_INSTALL:
		peer_installed(&gp->sm, j.key_id, status, &now);
		break;
	case JOB_RETIRE:
		peer_retired(&gp->sm, j.key_id);
		break;
	case JOB_DELETE:
		gp->deleting = false;
		keyring_clear(&gp->sm.keys);
		if (!gp->wanted && !gp->configured) {
			peers_drop(c, gp);
			return;
		}
		if (gp->wanted)
			gp->tags_dirty = c->tags_dirty = true;
		break;
	default:
		break;
	}
	peers_rearm(gp);
}

const struct dplink_ops sessions_ops = {
	.attached = on_attached,
	.detached = on_detached,
	.event = on_event,
	.punt = on_punt,
	.done = on_done,
};
