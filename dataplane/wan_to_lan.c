// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/wan_to_lan.h"

#include <string.h>

#include <rte_mbuf.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "dataplane/filter.h"
#include "dataplane/flood.h"
#include "dataplane/l2.h"
#include "dataplane/stage.h"
#include "dataplane/stream.h"
#include "dataplane/worker_types.h"

// A burst that arrives at one port, and what its packets have in common.
struct arrival {
	uint8_t port_idx;
	uint32_t told_slot; // whose new source was told
	// The lane of the packet before: most come in trains.
	uint32_t key_id; // 0: none yet
	uint32_t slot;
	uint8_t number;
	struct epoch *epoch;
	struct lane_rx *lane;
};

static void drop(struct worker *w, struct rte_mbuf *m, enum drop_reason why)
{
	worker_drop(w, why, 1);
	rte_pktmbuf_free(m);
}

static void drop_of(struct worker *w, uint32_t slot, struct rte_mbuf *m, enum drop_reason why)
{
	w->session_stats[slot].drops++;
	drop(w, m, why);
}

static void hand_off(struct worker *w, unsigned owner, struct rte_mbuf *m, uint8_t port_idx)
{
	struct handoff h = {.m = m, .kind = HANDOFF_DATAGRAM, .port_idx = port_idx};

	if (rte_ring_mp_enqueue_elem(w->dp->worker[owner]->inbox, &h, sizeof(h)) != 0)
		drop(w, m, DROP_HANDOFF_FULL);
	else
		w->stats->handed_off++;
}

// ---------------------------------------------------------------- deliver

static void flood_to_lan(struct worker *w, struct l2_batch *b, unsigned i)
{
	const struct segment *s = &w->dp->segments.segment[b->frame[i].segment];
	struct rte_mbuf *m = b->frame[i].m;

	b->frame[i].m = NULL;
	if (!flood_allows_peer(w, s, fdb_dst_idx(b->from[i]), mbuf_frames(m))) {
		w->stats->segment[b->frame[i].segment].storm_drops++;
		drop(w, m, (b->dst[i] & 1) != 0 ? DROP_STORM : DROP_FLOOD_LIMIT);
		return;
	}
	if (s->n_attached == 0) {
		drop(w, m, DROP_FLOOD_NOBODY);
		return;
	}
	if (unlikely(loop_any(&w->dp->loop))) { // some may be cut off
		if (l2_flood_lan(w, b->frame[i].segment, ATTACHMENT_NONE, m) > 0)
			rte_pktmbuf_free(m);
		else
			drop(w, m, DROP_LOOP);
		return;
	}
	// The last attachment takes the frame itself.
	if (s->n_attached > 1)
		l2_flood_lan(w, b->frame[i].segment, s->attached[s->n_attached - 1], m);
	w->stats->segment[b->frame[i].segment].flooded++;
	l2_deliver(w, s->attached[s->n_attached - 1], m);
}

// A frame from a peer never goes to a peer: gateways form a full mesh.
static void deliver_batch(struct worker *w, struct l2_batch *b)
{
	stage(STAGE_FDB);
	l2_resolve_batch(w, b);
	if (unlikely(loop_any(&w->dp->loop)))
		l2_drop_cut(w, b);
	stage(STAGE_TX);
	for (unsigned i = 0; i < b->n; i++) {
		if (unlikely(b->frame[i].m == NULL))
			continue;
		switch (fdb_dst_where(b->to[i])) {
		case FDB_LAN:
			l2_deliver(w, fdb_dst_idx(b->to[i]), b->frame[i].m);
			break;
		case FDB_PEER:
			drop(w, b->frame[i].m,
				b->to[i] == b->from[i] ? DROP_HAIRPIN : DROP_SPLIT_HORIZON);
			break;
		default:
			flood_to_lan(w, b, i);
		}
	}
	b->n = 0;
	stage(STAGE_UNPACK);
}

// Frames in a row of one peer and segment.
struct run {
	uint32_t slot;
	uint8_t segment;
	enum drop_reason refused; // DROP_N: they may pass
	bool cut;                 // off, to break a loop
	bool open;                // neither refused nor cut
	uint16_t domain;          // of untagged frames
	unsigned frames;
	uint64_t bytes;
};

static void run_begin(const struct worker *w, const struct stream_inner *f, struct run *r)
{
	*r = (struct run){.slot = f->slot, .segment = f->segment, .refused = DROP_N};
	if (unlikely(!w->dp->segments.segment[f->segment].exists))
		r->refused = DROP_SEGMENT_UNKNOWN;
	else if (unlikely(!session_in_segment(&w->sessions[f->slot], f->segment)))
		r->refused = DROP_SEGMENT_DENIED;
	r->cut = loop_any(&w->dp->loop) &&
		 loop_cuts(&w->dp->loop, fdb_dst(FDB_PEER, f->slot), f->segment);
	r->open = r->refused == DROP_N && !r->cut;
	r->domain = segment_domain(&w->dp->segments.segment[f->segment], 0);
}

static void run_end(struct worker *w, const struct run *r)
{
	struct session *s = &w->sessions[r->slot];
	struct stats_session *stats = &w->session_stats[r->slot];

	if (r->frames == 0)
		return;
	stats->rx_frames += r->frames;
	stats->rx_bytes += r->bytes;
	w->stats->segment[r->segment].peer_frames += r->frames;
	if (unlikely(!s->delivered)) {
		s->delivered = true;
		w->hooks->event(w, EV_FIRST_FRAME, r->slot, 0, 0, 1);
	}
}

// Any frame: tagged, for the guards, of a peer that may not send it, or broken.
static __rte_noinline void check_any(
	struct worker *w, const struct stream_inner *f, struct run *r, struct l2_batch *b)
{
	const struct segment *segment = &w->dp->segments.segment[f->segment];
	enum drop_reason reason = r->refused;
	struct l2_header h;

	if (unlikely(r->refused != DROP_N) ||
		(!l2_parse(f->m, &h, &reason) && !l2_parse_bpdu(f->m, reason, &h))) {
		drop_of(w, f->slot, f->m, reason);
		return;
	}
	if (unlikely(h.suspect) && !l2_guard(w, f->segment, fdb_dst(FDB_PEER, f->slot), f->m))
		return;
	if (unlikely(r->cut)) {
		drop_of(w, f->slot, f->m, DROP_LOOP);
		return;
	}
	r->frames++;
	r->bytes += f->m->data_len;
	l2_add_to_lan(
		b, f->m, f->segment, segment_domain(segment, h.vid), fdb_dst(FDB_PEER, f->slot));
}

static void check_inner(
	struct worker *w, const struct stream_inner *f, struct run *r, struct l2_batch *b)
{
	uint8_t dscp;

	if (unlikely(!r->open || !l2_is_plain(f->m, rte_pktmbuf_mtod(f->m, uint8_t *), &dscp))) {
		check_any(w, f, r, b);
		return;
	}
	r->frames++;
	r->bytes += f->m->data_len;
	l2_add_to_lan(b, f->m, f->segment, r->domain, fdb_dst(FDB_PEER, f->slot));
}

static void deliver(struct worker *w, struct stream_inners *in)
{
	struct l2_batch b;
	struct run r;

	b.n = 0;
	run_begin(w, &in->frame[0], &r);
	for (unsigned i = 0; i < in->n; i++) {
		const struct stream_inner *f = &in->frame[i];

		if (unlikely(f->slot != r.slot || f->segment != r.segment)) {
			run_end(w, &r);
			run_begin(w, f, &r);
		}
		check_inner(w, f, &r, &b);
		if (b.n == BATCH_MAX)
			deliver_batch(w, &b);
	}
	run_end(w, &r);
	if (b.n > 0)
		deliver_batch(w, &b);
	in->n = 0;
}

// ---------------------------------------------------------------- open

static void forged(struct worker *w, const struct arrival *a, struct rte_mbuf *m)
{
	struct lane_rx *lane = a->lane;

	w->session_stats[a->slot].forgeries++;
	if (++lane->forgeries >= LANE_FORGERIES && !a->epoch->forgeries_told) {
		a->epoch->forgeries_told = true;
		w->hooks->event(w, EV_FORGERIES, a->slot, a->epoch->rx_key_id, lane->number,
			lane->forgeries);
	}
	drop_of(w, a->slot, m, DROP_AUTH);
}

// The first authentic packet of an epoch proves that the peer sends under it; the client answers by
// doing likewise (PROTOCOL.md §14).
static void first_of_epoch(struct worker *w, uint32_t slot, struct epoch *e, uint8_t lane)
{
	struct session *s = &w->sessions[slot];
	struct epoch *tx = session_tx_epoch(s);

	e->seen = true;
	if (s->role == 0 && e->tx != NULL && (tx == NULL || tx->born_seq < e->born_seq))
		session_tx_use(s, e);
	w->hooks->event(w, EV_NEW_EPOCH, slot, e->rx_key_id, lane, 1);
}

// State of the session that an authentic packet may change.
static void note_authentic(
	struct worker *w, struct arrival *a, const struct outer_view *v, unsigned wire_bytes)
{
	struct session *s = &w->sessions[a->slot];
	struct stats_session *stats = &w->session_stats[a->slot];
	uint64_t source_key = outer_source_key(v, a->port_idx);

	stats->rx_packets++;
	stats->rx_wire_bytes += wire_bytes;
	stats->last_rx_ns = w->now_ns;
	s->rx_at_ns = w->now_ns;
	if (unlikely(!a->epoch->seen))
		first_of_epoch(w, a->slot, a->epoch, a->number);
	if (unlikely(source_key != s->path.source_key) && a->told_slot != a->slot &&
		!outer_is_lane_port(&s->path, source_key, v->be_sport, a->number)) {
		a->told_slot = a->slot;
		w->hooks->new_source(w, a->slot, v, a->port_idx);
	}
}

static enum drop_reason replay_reason(enum replay_verdict v)
{
	return v == REPLAY_DUPLICATE ? DROP_REPLAY_DUP : DROP_REPLAY_OLD;
}

// A packet of a->lane: open it and, if it is authentic and not yet known, change what such a packet
// may change, then unpack it, while its plaintext is in the nearest cache.
static void open_packet(
	struct worker *w, struct rte_mbuf *m, const struct outer_view *v, struct arrival *a)
{
	const struct pkt_data *h = (const struct pkt_data *)v->payload;
	struct stream_packet p = {
		.m = m,
		.data = v->payload + PKT_DATA_HDR_LEN,
		.bytes = v->payload_bytes - PKT_DATA_HDR_LEN - PKT_MAC_LEN,
		.counter = h->counter,
		.slot = a->slot,
		.port_idx = a->port_idx,
		.lane = a->lane,
		.view = v,
	};
	struct aead_op op = {.key = &a->lane->key, .src = p.data, .bytes = p.bytes};
	enum replay_verdict verdict = replay_check(&a->lane->replay, p.counter);

	if (unlikely(verdict != REPLAY_FRESH)) {
		drop_of(w, a->slot, m, replay_reason(verdict));
		return;
	}
	lane_nonce(a->lane->iv, p.counter, &op);
	stream_place(&p);
	op.data = p.data;
	stage(STAGE_OPEN);
	if (unlikely(!aead_open(w->aead, a->lane->cipher, &op))) {
		stream_unplace(&p);
		forged(w, a, m);
		return;
	}
	stage(STAGE_REPLAY);
	replay_commit(&a->lane->replay, p.counter);
	note_authentic(w, a, v, m->data_len);
	stage(STAGE_UNPACK);
	stream_unpack(w, &p, w->inners);
	if (unlikely(w->inners->n > STREAM_INNER_MAX - STREAM_INNER_OF_PACKET))
		deliver(w, w->inners);
}

// ---------------------------------------------------------------- strip

static void lane0(struct worker *w, uint32_t slot, uint32_t key_id, struct rte_mbuf *m,
	const struct outer_view *v, uint8_t port_idx)
{
	struct epoch *e = session_epoch(&w->sessions[slot], key_id);
	enum drop_reason why;

	if (e == NULL && w->id != 0)
		hand_off(w, 0, m, port_idx); // worker 0 has lane 1 of every epoch
	else if (e == NULL)
		drop_of(w, slot, m, DROP_KEY_RETIRED);
	else if (w->now_ns >= e->deadline_ns)
		drop_of(w, slot, m, DROP_KEY_EXPIRED);
	else if (!filter_lane0(w, slot, v, port_idx, &why))
		drop_of(w, slot, m, why);
	else
		w->hooks->lane0(w, m, v, port_idx, slot);
}

// Find the lane of a data packet. Returns false when it is not ours to open; then the packet went
// elsewhere. Everything here is read only.
static bool find_lane(
	struct worker *w, struct rte_mbuf *m, const struct outer_view *v, struct arrival *a)
{
	const struct pkt_data *h = (const struct pkt_data *)v->payload;
	uint32_t slot = pkt_key_slot(h->key_id);
	struct session *s = session_get(w, slot);
	struct lane_rx *lane;
	unsigned owner, idx;
	struct epoch *e;

	if (s == NULL) {
		drop(w, m, DROP_KEY_UNKNOWN);
		return false;
	}
	if (h->lane == PKT_LANE_CONTROL) {
		lane0(w, slot, h->key_id, m, v, a->port_idx);
		return false;
	}
	e = session_epoch(s, h->key_id);
	owner = (h->lane - 1u) % w->dp->n_workers;
	if (owner != w->id) {
		// What surely is no lane does not take the other worker's time.
		if (e != NULL && e->n_rx_lanes != 0 && h->lane > e->n_rx_lanes)
			drop_of(w, slot, m, DROP_LANE_UNKNOWN);
		else
			hand_off(w, owner, m, a->port_idx);
		return false;
	}
	if (e == NULL) {
		drop_of(w, slot, m, DROP_KEY_RETIRED);
		return false;
	}
	if (w->now_ns >= e->deadline_ns) {
		drop_of(w, slot, m, DROP_KEY_EXPIRED);
		return false;
	}
	idx = (h->lane - 1u) / w->dp->n_workers;
	lane = idx < e->n_rx ? e->rx[idx] : NULL;
	if (lane == NULL) {
		drop_of(w, slot, m, DROP_LANE_UNKNOWN);
		return false;
	}
	a->key_id = h->key_id;
	a->number = h->lane;
	a->slot = slot;
	a->epoch = e;
	a->lane = lane;
	return true;
}

static void data_packet(
	struct worker *w, struct rte_mbuf *m, const struct outer_view *v, struct arrival *a)
{
	const struct pkt_data *h = (const struct pkt_data *)v->payload;

	if ((h->key_id == a->key_id && h->lane == a->number && a->key_id != 0) ||
		find_lane(w, m, v, a))
		open_packet(w, m, v, a);
}

static bool data_shape(const struct outer_view *v, enum drop_reason *ret_reason)
{
	const struct pkt_data *h = (const struct pkt_data *)v->payload;

	if (h->zero != 0)
		*ret_reason = DROP_RESERVED;
	else if (h->counter >= LANE_HARD_LIMIT)
		*ret_reason = DROP_COUNTER_CAP;
	else if (v->payload_bytes > PKT_TCP_MAX_LEN)
		*ret_reason = DROP_OVERSIZE;
	else
		return true;
	return false;
}

static void datagram(
	struct worker *w, struct rte_mbuf *m, const struct outer_view *v, struct arrival *a)
{
	enum drop_reason why;
	uint32_t slot;

	if (v->payload_bytes < PKT_MIN_LEN) {
		drop(w, m, DROP_SHORT);
		return;
	}
	switch (v->payload[0]) {
	case PKT_TYPE_DATA:
		if (data_shape(v, &why))
			data_packet(w, m, v, a);
		else
			drop(w, m, why);
		return;
	case PKT_TYPE_PUNCH:
	case PKT_TYPE_M1:
	case PKT_TYPE_M2:
	case PKT_TYPE_M3:
	case PKT_TYPE_RETRY:
		if (filter_handshake(w, v, &slot, &why))
			w->hooks->punt(w, m, v, a->port_idx, slot);
		else
			drop(w, m, why);
		return;
	default:
		drop(w, m, DROP_TYPE);
	}
}

static void foreign(struct worker *w, struct rte_mbuf *m, uint8_t port_idx)
{
	if (w->hooks->foreign != NULL)
		w->hooks->foreign(w, m, port_idx);
	else
		drop(w, m, DROP_OUTER_FOREIGN);
}

static void strip(struct worker *w, struct rte_mbuf *m, struct arrival *a)
{
	const struct port *port = &w->dp->port[a->port_idx];
	struct outer_view v;
	enum drop_reason why;

	if (unlikely(m->nb_segs != 1)) {
		drop(w, m, DROP_RX_MULTI_SEGMENT);
		return;
	}
	if (!outer_parse(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, &v, &why)) {
		if (why == DROP_OUTER_FOREIGN)
			foreign(w, m, a->port_idx);
		else
			drop(w, m, why);
		return;
	}
	if (v.be_dport != port->be_overlay_port || memcmp(v.dst_mac, port->mac, 6) != 0) {
		foreign(w, m, a->port_idx);
		return;
	}
	datagram(w, m, &v, a);
}

// ---------------------------------------------------------------- the trip

// What the caches are told of packets to come; nothing here is believed. Packets in a train are of
// the lane that is in use already.
static const struct pkt_data *peek(const struct rte_mbuf *m, const struct arrival *a)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	unsigned at = frame[12] == 0x86 ? OUTER_IPV6_BYTES : OUTER_IPV4_BYTES;
	const struct pkt_data *h = (const struct pkt_data *)(frame + at);

	return m->data_len < at + sizeof(*h) || h->key_id == a->key_id ? NULL : h;
}

static void fetch_session(struct worker *w, const struct rte_mbuf *m, const struct arrival *a)
{
	const struct pkt_data *h = peek(m, a);

	if (h == NULL || pkt_key_slot(h->key_id) >= w->dp->max_sessions)
		return;
	session_fetch(&w->sessions[pkt_key_slot(h->key_id)]);
	rte_prefetch0(&w->session_stats[pkt_key_slot(h->key_id)].rx_frames);
	rte_prefetch0(&w->session_stats[pkt_key_slot(h->key_id)].last_rx_ns);
}

static void fetch_lane(struct worker *w, const struct rte_mbuf *m, const struct arrival *a)
{
	const struct pkt_data *h = peek(m, a);
	struct session *s = h == NULL ? NULL : session_get(w, pkt_key_slot(h->key_id));
	const struct epoch *e = s == NULL ? NULL : session_epoch(s, h->key_id);
	unsigned idx = h == NULL ? 0 : (h->lane - 1u) / w->dp->n_workers;

	if (e != NULL && idx < e->n_rx && e->rx[idx] != NULL)
		lane_rx_fetch(e->rx[idx], h->counter, m->data_len);
}

static void carry(struct worker *w, unsigned port_idx, struct rte_mbuf **m, unsigned n)
{
	struct arrival a = {.port_idx = port_idx, .told_slot = NO_SESSION};

	for (unsigned i = 0; i < n; i++) {
		stage(STAGE_CLASSIFY);
		if (i + 2 < n)
			fetch_session(w, m[i + 2], &a);
		if (i + 1 < n)
			fetch_lane(w, m[i + 1], &a);
		strip(w, m[i], &a);
	}
	aead_forget(w->aead);
	stage(STAGE_UNPACK);
	if (w->inners->n > 0)
		deliver(w, w->inners);
}

void wan_to_lan_batch(struct worker *w, unsigned port_idx, struct rte_mbuf **m, unsigned n)
{
	struct stats_port *stats = &w->stats->port[port_idx];
	uint64_t bytes = 0;

	for (unsigned i = 0; i < n; i++) {
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
		bytes += m[i]->pkt_len;
	}
	stats->rx_bytes += bytes;
	stats->rx_frames += n;
	carry(w, port_idx, m, n);
}

unsigned wan_to_lan(struct worker *w, const struct port_rx *rx)
{
	struct rte_mbuf *m[BATCH_MAX];
	unsigned n = rx->port->rx(rx->port, rx->queue, m, BATCH_MAX);

	if (n > 0)
		wan_to_lan_batch(w, rx->port->idx, m, n);
	return n;
}

static void handed_frame(struct worker *w, const struct handoff *h)
{
	struct session *s = session_get(w, h->slot);
	struct l2_header l2 = {0};
	struct stream_frame f;
	struct stream_frame *const order[] = {&f};
	enum drop_reason reason;

	// Since the frame was handed on, the slot may have become another peer's.
	if (s != NULL && !session_in_segment(s, h->segment)) {
		drop(w, h->m, DROP_NO_SESSION);
		return;
	}
	if (!l2_parse(h->m, &l2, &reason) && !l2_parse_bpdu(h->m, reason, &l2)) {
		drop(w, h->m, reason);
		return;
	}
	f = (struct stream_frame){
		.data = rte_pktmbuf_mtod(h->m, const uint8_t *),
		.m = h->m,
		.bytes = h->m->data_len,
		.super = mbuf_super(h->m),
		.segment = h->segment,
		.dscp = l2.dscp,
	};
	stream_pack(w, h->slot, order, 1);
	rte_pktmbuf_free(f.m);
}

unsigned handoff_run(struct worker *w)
{
	struct handoff h[BATCH_MAX];
	struct rte_mbuf *m[BATCH_MAX];
	unsigned n = rte_ring_sc_dequeue_burst_elem(w->inbox, h, sizeof(h[0]), BATCH_MAX, NULL);

	for (unsigned i = 0; i < n;) {
		unsigned n_m = 0;

		if (h[i].kind == HANDOFF_FRAME) {
			handed_frame(w, &h[i++]);
			continue;
		}
		for (; i + n_m < n && h[i + n_m].kind == HANDOFF_DATAGRAM &&
			h[i + n_m].port_idx == h[i].port_idx;
			n_m++)
			m[n_m] = h[i + n_m].m;
		carry(w, h[i].port_idx, m, n_m);
		i += n_m;
	}
	aead_forget(w->aead);
	stream_expire(w);
	return n;
}
