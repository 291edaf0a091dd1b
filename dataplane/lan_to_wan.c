// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/lan_to_wan.h"

#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/aead.h"
#include "dataplane/flood.h"
#include "dataplane/l2.h"
#include "dataplane/stage.h"
#include "dataplane/stream.h"
#include "dataplane/worker_types.h"

// ---------------------------------------------------------------- classify

// The attachment a frame belongs to: its VLAN's own, else the rest of the port.
static uint16_t attachment_of(
	const struct segment_table *t, unsigned port_idx, const struct l2_header *h)
{
	uint16_t a = h->tagged && h->vid != 0 ? t->by_port[port_idx][h->vid] : ATTACHMENT_NONE;

	return a != ATTACHMENT_NONE ? a : t->by_port[port_idx][0];
}

// Any frame: tagged, of a port that is in several segments, for the guards, or broken.
static __rte_noinline void classify_any(
	struct worker *w, unsigned port_idx, struct rte_mbuf *m, struct l2_batch *b)
{
	const struct segment_table *t = &w->dp->segments;
	struct l2_header h;
	enum drop_reason reason;
	uint8_t segment;
	uint16_t a;

	if (!l2_parse(m, &h, &reason) && !l2_parse_bpdu(m, reason, &h)) {
		worker_drop(w, reason, 1);
		rte_pktmbuf_free(m);
		return;
	}
	a = attachment_of(t, port_idx, &h);
	if (unlikely(a == ATTACHMENT_NONE)) {
		worker_drop(w, h.tagged ? DROP_VLAN_FILTER : DROP_SEGMENT_UNKNOWN, 1);
		rte_pktmbuf_free(m);
		return;
	}
	if (t->attachment[a].vid != 0) {
		l2_tag_pop(m);
		if (!l2_parse(m, &h, &reason) && !l2_parse_bpdu(m, reason, &h)) {
			// the tag was all there was
			worker_drop(w, reason, 1);
			rte_pktmbuf_free(m);
			return;
		}
	}
	segment = t->attachment[a].segment;
	if (unlikely(h.suspect) && !l2_guard(w, segment, fdb_dst(FDB_LAN, a), m))
		return;
	if (unlikely(loop_any(&w->dp->loop)) &&
		loop_cuts(&w->dp->loop, fdb_dst(FDB_LAN, a), segment)) {
		worker_drop(w, DROP_LOOP, 1);
		rte_pktmbuf_free(m);
		return;
	}
	w->stats->segment[segment].lan_frames++;
	l2_add(b, m, segment, segment_domain(&t->segment[segment], h.vid), h.dscp,
		fdb_dst(FDB_LAN, a));
}

// Nearly all frames are untagged and go where the whole port belongs. While a loop is cut off, none
// is let through without a look.
static __rte_noinline void classify(
	struct worker *w, unsigned port_idx, struct rte_mbuf **m, unsigned n, struct l2_batch *b)
{
	const struct segment_table *t = &w->dp->segments;
	struct stats_port *stats = &w->stats->port[port_idx];
	uint16_t a = loop_any(&w->dp->loop) ? ATTACHMENT_NONE : t->by_port[port_idx][0];
	uint8_t segment = a == ATTACHMENT_NONE ? 0 : t->attachment[a].segment;
	uint16_t domain = segment_domain(&t->segment[segment], 0);
	unsigned plain = 0;
	uint64_t bytes = 0;

	b->n = 0;
	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (unsigned i = 0; i < n; i++) {
		uint8_t dscp;

		bytes += m[i]->pkt_len;
		if (likely(l2_is_plain(m[i], rte_pktmbuf_mtod(m[i], const uint8_t *), &dscp) &&
			    a != ATTACHMENT_NONE)) {
			l2_add(b, m[i], segment, domain, dscp, fdb_dst(FDB_LAN, a));
			plain++;
		} else {
			classify_any(w, port_idx, m[i], b);
		}
	}
	w->stats->segment[segment].lan_frames += plain;
	stats->rx_bytes += bytes;
	stats->rx_frames += n;
}

// ---------------------------------------------------------------- to peers

// Frames of one burst by peer, each peer's in order of arrival.
struct groups {
	unsigned n;
	unsigned now; // the one added to last
	uint32_t slot[BATCH_MAX];
	uint8_t first[BATCH_MAX]; // frame
	uint8_t last[BATCH_MAX];
	uint8_t next[BATCH_MAX]; // by frame
	uint8_t find[2 * BATCH_MAX];
};

static void groups_init(struct groups *g)
{
	g->n = 0;
	g->now = 0;
	g->slot[0] = NO_SESSION;
}

// The place of a slot in find[]: half the places stay free, so this ends.
static unsigned groups_place(const struct groups *g, uint32_t slot)
{
	unsigned at = slot % (2 * BATCH_MAX);

	while (g->find[at] != 0 && g->slot[g->find[at] - 1] != slot)
		at = (at + 1) % (2 * BATCH_MAX);
	return at;
}

static void groups_begin(struct groups *g, uint32_t slot, uint8_t frame)
{
	g->now = g->n++;
	g->slot[g->now] = slot;
	g->first[g->now] = frame;
	g->last[g->now] = frame;
}

// Another group than the one added to last. find[] is made when there is a second: most bursts,
// and those of one frame, are for one peer.
static void groups_add_other(struct groups *g, uint32_t slot, uint8_t frame)
{
	unsigned at;

	if (g->n == 0) {
		groups_begin(g, slot, frame);
		return;
	}
	if (g->n == 1) {
		memset(g->find, 0, sizeof(g->find));
		g->find[groups_place(g, g->slot[0])] = 1;
	}
	at = groups_place(g, slot);
	if (g->find[at] == 0) {
		groups_begin(g, slot, frame);
		g->find[at] = g->n;
		return;
	}
	g->now = g->find[at] - 1;
	g->next[g->last[g->now]] = frame;
	g->last[g->now] = frame;
}

static void groups_add(struct groups *g, uint32_t slot, uint8_t frame)
{
	if (unlikely(g->slot[g->now] != slot)) {
		groups_add_other(g, slot, frame);
		return;
	}
	g->next[g->last[g->now]] = frame;
	g->last[g->now] = frame;
}

// What the first packet of a group will hold, at least.
static unsigned group_bytes(const struct l2_batch *b, const struct groups *g, unsigned i)
{
	unsigned bytes = b->frame[g->first[i]].bytes;

	return g->first[i] == g->last[i] ? bytes : 2 * bytes;
}

// With many peers, what each one's packet needs is in no near cache: its session is fetched two
// turns ahead, its key, which the session leads to, one.
static void fetch_ahead(
	struct worker *w, const struct l2_batch *b, const struct groups *g, unsigned i)
{
	const struct epoch *e;

	if (i + 2 < g->n) {
		session_fetch(&w->sessions[g->slot[i + 2]]);
		rte_prefetch0(&w->session_stats[g->slot[i + 2]]);
	}
	if (i + 1 >= g->n)
		return;
	e = session_tx_epoch(&w->sessions[g->slot[i + 1]]);
	if (e != NULL && e->tx != NULL)
		lane_tx_fetch(e->tx, group_bytes(b, g, i + 1));
}

static void send_groups(struct worker *w, struct l2_batch *b, struct groups *g)
{
	struct stream_frame *f[BATCH_MAX];

	for (unsigned i = 0; i < g->n; i++) {
		unsigned n = 0;

		fetch_ahead(w, b, g, i);
		for (uint8_t at = g->first[i];; at = g->next[at]) {
			f[n++] = &b->frame[at];
			if (at == g->last[i])
				break;
		}
		stream_pack(w, g->slot[i], f, n);
	}
}

// ---------------------------------------------------------------- flood

// Frames of one segment to everybody in it but where each came from. They are read, not taken.
static void flood_segment(
	struct worker *w, struct l2_batch *b, uint8_t segment, const uint8_t *which, unsigned n)
{
	const struct flood_peers *peers = &w->flood->peers[segment];
	struct stream_frame copy[BATCH_MAX], *f[BATCH_MAX];
	unsigned lan = 0, connected = 0;

	for (unsigned i = 0; i < n; i++) {
		copy[i] = b->frame[which[i]];
		lan += l2_flood_lan(w, segment, fdb_dst_idx(b->from[which[i]]), copy[i].m);
		copy[i].m = NULL;
		f[i] = &copy[i];
	}
	for (unsigned i = 0; i < peers->n; i++) {
		if (unlikely(loop_any(&w->dp->loop)) &&
			loop_cuts(&w->dp->loop, fdb_dst(FDB_PEER, peers->slot[i]), segment))
			continue;
		// A member that is not connected is nobody to flood to, and no drop.
		if (session_tx_epoch(&w->sessions[peers->slot[i]]) == NULL)
			continue;
		stream_pack(w, peers->slot[i], f, n);
		connected++;
	}
	w->stats->segment[segment].flooded += (uint64_t)n * connected;
	if (lan == 0 && connected == 0)
		worker_drop(w, DROP_FLOOD_NOBODY, n);
}

static bool flood_allowed(struct worker *w, const struct l2_batch *b, unsigned i)
{
	const struct segment *s = &w->dp->segments.segment[b->frame[i].segment];

	if (likely(flood_allows_lan(w, s, fdb_dst_idx(b->from[i]), mbuf_frames(b->frame[i].m))))
		return true;
	w->stats->segment[b->frame[i].segment].storm_drops++;
	worker_drop(w, (b->dst[i] & 1) != 0 ? DROP_STORM : DROP_FLOOD_LIMIT, 1);
	return false;
}

// frames: those to be flooded, in order. One segment at a time, so that each peer's are packed.
static void flood(struct worker *w, struct l2_batch *b, uint8_t *frames, unsigned n)
{
	uint8_t which[BATCH_MAX];

	while (n > 0) {
		uint8_t segment = b->frame[frames[0]].segment;
		unsigned n_which = 0, rest = 0;

		for (unsigned i = 0; i < n; i++) {
			if (b->frame[frames[i]].segment != segment)
				frames[rest++] = frames[i];
			else if (flood_allowed(w, b, frames[i]))
				which[n_which++] = frames[i];
		}
		if (n_which > 0)
			flood_segment(w, b, segment, which, n_which);
		n = rest;
	}
}

// ---------------------------------------------------------------- the trip

static void drop_frame(struct worker *w, struct l2_batch *b, unsigned i, enum drop_reason why)
{
	worker_drop(w, why, 1);
	rte_pktmbuf_free(b->frame[i].m);
	b->frame[i].m = NULL;
}

static void dispatch(struct worker *w, struct l2_batch *b)
{
	uint8_t flooded[BATCH_MAX];
	unsigned n_flooded = 0;
	struct groups g;

	if (unlikely(loop_any(&w->dp->loop)))
		l2_drop_cut(w, b);
	groups_init(&g);
	for (unsigned i = 0; i < b->n; i++) {
		uint32_t idx = fdb_dst_idx(b->to[i]);

		if (unlikely(b->frame[i].m == NULL))
			continue;
		switch (fdb_dst_where(b->to[i])) {
		case FDB_PEER:
			if (likely(session_in_segment(&w->sessions[idx], b->frame[i].segment)))
				groups_add(&g, idx, i);
			else
				drop_frame(w, b, i, DROP_NO_SESSION);
			break;
		case FDB_LAN:
			if (b->to[i] == b->from[i]) {
				drop_frame(w, b, i, DROP_HAIRPIN);
			} else {
				l2_deliver(w, idx, b->frame[i].m);
				b->frame[i].m = NULL;
			}
			break;
		default:
			flooded[n_flooded++] = i;
		}
	}
	send_groups(w, b, &g);
	flood(w, b, flooded, n_flooded);
	aead_forget(w->aead);
}

void lan_to_wan_batch(struct worker *w, unsigned port_idx, struct rte_mbuf **m, unsigned n)
{
	struct l2_batch b;
	unsigned left = 0;

	stage(STAGE_CLASSIFY);
	classify(w, port_idx, m, n, &b);
	stage(STAGE_FDB);
	l2_resolve_batch(w, &b);
	stage(STAGE_PACK);
	dispatch(w, &b);
	stage(STAGE_TX);
	for (unsigned i = 0; i < b.n; i++) {
		if (b.frame[i].m != NULL)
			m[left++] = b.frame[i].m;
	}
	worker_mbuf_free(w, m, left);
}

unsigned lan_to_wan(struct worker *w, const struct port_rx *rx)
{
	struct rte_mbuf *m[BATCH_MAX];
	unsigned n = rx->port->rx(rx->port, rx->queue, m, BATCH_MAX);

	if (n > 0)
		lan_to_wan_batch(w, rx->port->idx, m, n);
	return n;
}
