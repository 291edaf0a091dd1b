// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <sodium.h>

#include "dataplane/fdb.h"
#include "dataplane/flood.h"
#include "dataplane/stream.h"
#include "dataplane/worker_types.h"

#define TAGS_PER_SESSION 6 // two pair keys, three slots of time

static uint32_t hash_tag(const void *key, uint32_t, uint32_t init)
{
	uint64_t k;

	memcpy(&k, key, sizeof(k));
	return rte_hash_crc_8byte(k, init);
}

int session_table_create(struct worker *w, uint32_t n)
{
	static unsigned serial;
	char name[RTE_HASH_NAMESIZE];
	struct rte_hash_parameters hp = {
		.name = name,
		.entries = n * TAGS_PER_SESSION < 64 ? 64 : n * TAGS_PER_SESSION,
		.key_len = sizeof(uint64_t),
		.hash_func = hash_tag,
		.socket_id = SOCKET_ID_ANY,
	};

	snprintf(name, sizeof(name), "tags%u.%u", w->id, serial++);
	w->sessions = aligned_alloc(alignof(struct session), n * sizeof(*w->sessions));
	if (w->sessions != NULL)
		memset(w->sessions, 0, n * sizeof(*w->sessions));
	w->tags = rte_hash_create(&hp);
	if (w->sessions == NULL || w->tags == NULL) {
		session_table_destroy(w);
		return -ENOMEM;
	}
	return 0;
}

void session_table_destroy(struct worker *w)
{
	for (uint32_t slot = 0; w->sessions != NULL && slot < w->dp->max_sessions; slot++)
		session_del(w, slot);
	free(w->sessions);
	w->sessions = NULL;
	rte_hash_free(w->tags);
	w->tags = NULL;
}

struct session *session_get(struct worker *w, uint32_t slot)
{
	if (slot >= w->dp->max_sessions || !w->sessions[slot].exists)
		return NULL;
	return &w->sessions[slot];
}

uint32_t session_slot(const struct worker *w, const struct session *s)
{
	return (uint32_t)(s - w->sessions);
}

struct epoch *session_epoch(struct session *s, uint32_t rx_key_id)
{
	for (unsigned i = 0; i < SESSION_EPOCHS; i++) {
		if (s->epoch[i].rx_key_id == rx_key_id && rx_key_id != 0)
			return &s->epoch[i];
	}
	return NULL;
}

static void rx_lane_free(struct worker *w, struct lane_rx *lane)
{
	if (lane == NULL)
		return;
	stream_forget(w, lane);
	sodium_memzero(lane, sizeof(*lane));
	free(lane);
}

static void tx_lane_free(struct lane_tx *lane)
{
	if (lane == NULL)
		return;
	sodium_memzero(lane, sizeof(*lane));
	free(lane);
}

void session_epoch_wipe(struct worker *w, struct session *s, struct epoch *e)
{
	unsigned idx = (unsigned)(e - s->epoch);

	for (unsigned i = 0; i < e->n_rx; i++)
		rx_lane_free(w, e->rx[i]);
	free(e->rx);
	tx_lane_free(e->tx);
	memset(e, 0, sizeof(*e));
	if (s->tx_epoch == idx)
		s->tx_epoch = SESSION_EPOCHS;
}

// ---------------------------------------------------------------- sessions

static bool segments_change(
	struct worker *w, struct session *s, uint32_t slot, const uint64_t segments[4])
{
	for (unsigned i = 0; i < SEGMENTS_MAX; i++) {
		bool was = session_in_segment(s, i);
		bool is = segments[i >> 6] >> (i & 63) & 1;

		if (is && !was && flood_join(w, i, slot) < 0)
			return false;
		if (was && !is)
			flood_leave(w, i, slot);
		s->segments[i >> 6] &= ~(1ull << (i & 63));
		s->segments[i >> 6] |= (uint64_t)is << (i & 63);
	}
	return true;
}

int session_set(struct worker *w, const struct cmd_session *c)
{
	uint32_t slot = c->head.session;
	uint64_t segments[4];
	struct session *s;

	if (slot >= w->dp->max_sessions || c->role > 1 || c->mac_quota == 0)
		return -EINVAL;
	static_assert(sizeof(segments) == sizeof(c->segments), "one bit for each segment");
	memcpy(segments, c->segments, sizeof(segments));
	for (unsigned i = 0; i < SEGMENTS_MAX; i++) {
		if ((segments[i >> 6] >> (i & 63) & 1) != 0 && !w->dp->segments.segment[i].exists)
			return -EINVAL;
	}

	s = &w->sessions[slot];
	if (s->exists && memcmp(s->peer_id, c->peer_id, sizeof(s->peer_id)) != 0)
		return -EEXIST; // another peer's: delete it first
	if (!s->exists) {
		memset(s, 0, sizeof(*s));
		s->tx_epoch = SESSION_EPOCHS;
		s->exists = true;
		memcpy(s->peer_id, c->peer_id, sizeof(s->peer_id));
	}
	s->role = c->role;
	s->mac_quota = c->mac_quota;
	fdb_quota_set(w->dp->fdb, slot, c->mac_quota);
	return segments_change(w, s, slot, segments) ? 0 : -ENOMEM;
}

static void tags_forget(struct worker *w, struct session_pair *p)
{
	for (unsigned i = 0; i < p->n_tags; i++)
		rte_hash_del_key(w->tags, &p->tag[i]);
	sodium_memzero(p, sizeof(*p));
}

int session_del(struct worker *w, uint32_t slot)
{
	static const uint64_t none[4];
	struct session *s = session_get(w, slot);

	if (s == NULL)
		return -ENOENT;
	for (unsigned i = 0; i < SESSION_EPOCHS; i++)
		session_epoch_wipe(w, s, &s->epoch[i]);
	for (unsigned i = 0; i < 2; i++)
		tags_forget(w, &s->pair[i]);
	segments_change(w, s, slot, none);
	fdb_quota_set(w->dp->fdb, slot, 0);
	sodium_memzero(s, sizeof(*s));
	return 0;
}

// The tag may stand for the session's other set: a control that was restarted can hold its pair
// keys the other way round. The newest word wins.
static void tag_leaves(struct session_pair *p, uint64_t tag)
{
	for (unsigned i = 0; i < p->n_tags; i++) {
		if (p->tag[i] == tag)
			p->tag[i] = p->tag[--p->n_tags];
	}
}

// returns: 1 when the tag is another session's (a collision of 64 bits: the first keeps it).
static int tag_take(struct worker *w, struct session *s, uint64_t value, uint64_t tag)
{
	void *before;

	if (rte_hash_lookup_data(w->tags, &tag, &before) >= 0) {
		if ((uintptr_t)before >> 1 != value >> 1)
			return 1;
		tag_leaves(&s->pair[(uintptr_t)before & 1], tag);
	}
	return rte_hash_add_key_data(w->tags, &tag, (void *)(uintptr_t)value);
}

int session_tags_set(struct worker *w, const struct cmd_tags *c)
{
	struct session *s = session_get(w, c->head.session);
	struct session_pair fresh = {0};
	struct session_pair *p;
	uint64_t value;

	if (s == NULL)
		return -ENOENT;
	if (c->set > 1 || c->n_tags > 3 || c->role > 1)
		return -EINVAL;
	p = &s->pair[c->set];
	fresh.role = c->role;
	fresh.last_punch_ts = RTE_MAX(c->last_punch_ts, p->last_punch_ts);
	fresh.last_m1_ts = RTE_MAX(c->last_m1_ts, p->last_m1_ts);
	memcpy(fresh.last_reply_ts, p->last_reply_ts, sizeof(fresh.last_reply_ts));
	if (sodium_memcmp(p->mac_key, c->mac_key, sizeof(p->mac_key)) != 0) {
		// Another pair key: its time stamps begin anew.
		fresh.last_punch_ts = c->last_punch_ts;
		fresh.last_m1_ts = c->last_m1_ts;
		memset(fresh.last_reply_ts, 0, sizeof(fresh.last_reply_ts));
	}
	tags_forget(w, p);
	if (c->n_tags == 0)
		return 0;

	memcpy(fresh.mac_key, c->mac_key, sizeof(fresh.mac_key));
	*p = fresh;
	sodium_memzero(&fresh, sizeof(fresh));
	value = (uint64_t)c->head.session << 1 | c->set;
	for (unsigned i = 0; i < c->n_tags; i++) {
		uint64_t tag;
		int taken;

		memcpy(&tag, c->tag[i], sizeof(tag));
		taken = tag_take(w, s, value, tag);
		if (taken < 0) {
			tags_forget(w, p);
			return -ENOSPC;
		}
		if (taken == 0)
			p->tag[p->n_tags++] = tag;
	}
	return 0;
}

// ---------------------------------------------------------------- keys

static struct epoch *epoch_make(struct worker *w, struct session *s, uint32_t rx_key_id)
{
	struct epoch *e = session_epoch(s, rx_key_id);

	if (e != NULL)
		return e;
	for (unsigned i = 0; i < SESSION_EPOCHS && e == NULL; i++) {
		if (s->epoch[i].rx_key_id == 0)
			e = &s->epoch[i];
	}
	if (e == NULL) { // a fourth: the oldest that is not sent under gives way
		for (unsigned i = 0; i < SESSION_EPOCHS; i++) {
			if (i != s->tx_epoch && (e == NULL || s->epoch[i].born_seq < e->born_seq))
				e = &s->epoch[i];
		}
		session_epoch_wipe(w, s, e);
	}
	e->rx_key_id = rx_key_id;
	e->born_seq = ++w->install_seq;
	e->born_ns = w->now_ns;
	e->deadline_ns = w->now_ns + SESSION_KEY_LIFE_NS;
	return e;
}

static int install_tx(struct worker *w, struct epoch *e, const struct cmd_key *c)
{
	struct lane_tx *lane;

	if (e->tx_used)
		return -EEXIST; // a counter must never begin again under a key
	lane = aligned_alloc(alignof(struct lane_tx), sizeof(*lane));
	if (lane == NULL)
		return -ENOMEM;
	memset(lane, 0, sizeof(*lane));
	lane->le_key_id = c->tx_key_id;
	lane->number = c->lane;
	lane->cipher = c->cipher;
	memcpy(lane->iv, c->iv, sizeof(c->iv));
	aead_key_install(w->aead, c->cipher, c->key, &lane->key);
	e->tx = lane;
	e->tx_used = true;
	e->tx_key_id = c->tx_key_id;
	e->n_tx_lanes = c->n_lanes;
	e->tx_super = c->super;
	return 0;
}

static int install_rx(struct worker *w, struct epoch *e, const struct cmd_key *c)
{
	unsigned n_workers = w->dp->n_workers;
	unsigned idx = (c->lane - 1u) / n_workers;
	struct lane_rx *lane;

	if (e->rx == NULL) {
		e->n_rx = (c->n_lanes + n_workers - 1) / n_workers;
		e->rx = calloc(e->n_rx, sizeof(struct lane_rx *));
		if (e->rx == NULL) {
			e->n_rx = 0;
			return -ENOMEM;
		}
		e->n_rx_lanes = c->n_lanes;
	}
	if (idx >= e->n_rx)
		return -EINVAL;
	if (e->rx[idx] != NULL)
		return -EEXIST; // a window must never begin again under a key
	lane = aligned_alloc(alignof(struct lane_rx), sizeof(*lane));
	if (lane == NULL)
		return -ENOMEM;
	memset(lane, 0, sizeof(*lane));
	lane->number = c->lane;
	lane->cipher = c->cipher;
	memcpy(lane->iv, c->iv, sizeof(c->iv));
	replay_init(&lane->replay);
	aead_key_install(w->aead, c->cipher, c->key, &lane->key);
	e->rx[idx] = lane;
	return 0;
}

// We send on lane id + 1 and receive on every n_workers-th one from there.
static bool lane_is_ours(const struct worker *w, const struct cmd_key *c)
{
	return c->dir == 1 ? c->lane == w->id + 1 : (c->lane - 1u) % w->dp->n_workers == w->id;
}

int session_key_install(struct worker *w, const struct cmd_key *c)
{
	struct session *s = session_get(w, c->head.session);
	struct epoch *e;
	bool known;
	int err;

	if (s == NULL)
		return -ENOENT;
	if (pkt_key_slot(c->rx_key_id) != c->head.session || c->dir > 1 || c->lane == 0 ||
		c->lane > c->n_lanes)
		return -EINVAL;
	if (c->cipher != CIPHER_AES_256_GCM && c->cipher != CIPHER_CHACHA20)
		return -EINVAL;
	if (!lane_is_ours(w, c))
		return -EPERM;
	if (c->deadline_ns <= w->now_ns)
		return -ESTALE;
	known = session_epoch(s, c->rx_key_id) != NULL;
	e = epoch_make(w, s, c->rx_key_id);
	err = c->dir == 1 ? install_tx(w, e, c) : install_rx(w, e, c);
	if (err < 0) {
		// Only what this call made: an epoch without lanes may remember that its transmit
		// key was used up, or be the one to send under by another worker's lane.
		if (!known)
			session_epoch_wipe(w, s, e);
		return err;
	}
	e->deadline_ns = RTE_MIN(c->deadline_ns, e->born_ns + SESSION_KEY_LIFE_NS);
	return 0;
}

void session_tx_use(struct session *s, struct epoch *e)
{
	struct epoch *old = session_tx_epoch(s);

	if (old == e)
		return;
	s->tx_epoch = e - s->epoch;
	if (old != NULL) { // old receive keys live on for stragglers, old transmit keys do not
		tx_lane_free(old->tx);
		old->tx = NULL;
	}
}

void session_epoch_heard(struct worker *w, uint32_t slot, uint32_t rx_key_id)
{
	struct cmd_epoch c = {.head.session = slot, .rx_key_id = rx_key_id};
	struct session *s = session_get(w, slot);
	struct epoch *e = s == NULL ? NULL : session_epoch(s, rx_key_id);
	struct epoch *tx = s == NULL ? NULL : session_tx_epoch(s);

	if (s == NULL || s->role != 0)
		return;
	// A note may be late: what control has said since holds.
	if (e != NULL && tx != NULL && tx->born_seq >= e->born_seq)
		return;
	(void)session_tx_switch(w, &c);
}

int session_tx_switch(struct worker *w, const struct cmd_epoch *c)
{
	struct session *s = session_get(w, c->head.session);
	struct epoch *e;

	if (s == NULL)
		return -ENOENT;
	if (pkt_key_slot(c->rx_key_id) != c->head.session || c->rx_key_id == 0)
		return -EINVAL;
	e = session_epoch(s, c->rx_key_id);
	if (e == NULL) {
		// Worker 0 has lane 1 of every epoch. Another may have no lane where the peer
		// accepts few: it remembers the epoch and hands its frames to worker 0.
		if (w->id == 0)
			return -ENOENT;
		e = epoch_make(w, s, c->rx_key_id);
	}
	if (e == session_tx_epoch(s))
		return 0;
	if (w->id == 0 && e->tx == NULL)
		return -ENOKEY;
	session_tx_use(s, e);
	return 0;
}

int session_key_retire(struct worker *w, const struct cmd_epoch *c)
{
	struct session *s = session_get(w, c->head.session);
	struct epoch *e = s == NULL ? NULL : session_epoch(s, c->rx_key_id);

	if (e == NULL)
		return -ENOENT;
	session_epoch_wipe(w, s, e);
	return 0;
}

int session_deadline_set(struct worker *w, const struct cmd_epoch *c)
{
	struct session *s = session_get(w, c->head.session);
	struct epoch *e = s == NULL ? NULL : session_epoch(s, c->rx_key_id);

	if (e == NULL)
		return -ENOENT;
	e->deadline_ns = RTE_MIN(c->deadline_ns, e->born_ns + SESSION_KEY_LIFE_NS);
	session_expire(w, c->head.session);
	return 0;
}

void session_expire(struct worker *w, uint32_t slot)
{
	struct session *s = session_get(w, slot);

	for (unsigned i = 0; s != NULL && i < SESSION_EPOCHS; i++) {
		struct epoch *e = &s->epoch[i];
		uint32_t rx_key_id = e->rx_key_id;

		if (rx_key_id == 0 || w->now_ns < e->deadline_ns)
			continue;
		session_epoch_wipe(w, s, e);
		w->hooks->event(w, EV_EXPIRED, slot, rx_key_id, 0, 0);
	}
}

// ---------------------------------------------------------------- paths

bool session_path_is(const struct session *s, const struct path_desc *b)
{
	const struct path_desc *a = &s->path.desc;

	return a->family == b->family && a->port_idx == b->port_idx && a->be_sport == b->be_sport &&
	       a->be_dport == b->be_dport && memcmp(a->src_ip, b->src_ip, sizeof(a->src_ip)) == 0 &&
	       memcmp(a->dst_ip, b->dst_ip, sizeof(a->dst_ip)) == 0;
}

int session_path_use(struct worker *w, uint32_t slot, const struct path_desc *d)
{
	struct session *s = session_get(w, slot);
	struct path_desc mine = *d;
	bool own;
	int err;

	if (s == NULL)
		return -ENOENT;
	if (d->family == 0) {
		memset(&s->path, 0, sizeof(s->path));
		s->own_port = false;
		return 0;
	}
	if (d->port_idx >= w->dp->n_ports || w->dp->port[d->port_idx].role != LINK_ROLE_WAN ||
		d->mtu > w->dp->port[d->port_idx].mtu)
		return -EINVAL;
	own = s->own_port && session_path_is(s, d);
	if (own)
		outer_use_lane_port(&mine, w->id + 1);
	err = outer_path_build(&mine, &s->path);
	if (err < 0)
		return err;
	s->path.desc = *d;
	s->own_port = own;
	return 0;
}

int session_port_set(struct worker *w, uint32_t slot, bool own)
{
	struct session *s = session_get(w, slot);
	struct path_desc d;

	if (s == NULL || s->path.header_bytes == 0)
		return -ENOENT;
	if (s->own_port == own)
		return 0;
	s->own_port = own;
	d = s->path.desc;
	return session_path_use(w, slot, &d);
}

int session_path_set(struct worker *w, const struct cmd_path *c)
{
	return session_path_use(w, c->head.session, &c->path);
}

int session_mtu_set(struct worker *w, uint32_t slot, uint16_t mtu)
{
	struct session *s = session_get(w, slot);
	struct path_desc d;

	if (s == NULL || s->path.header_bytes == 0)
		return -ENOENT;
	d = s->path.desc;
	d.mtu = mtu;
	return session_path_use(w, slot, &d);
}
