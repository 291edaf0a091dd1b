// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/l2.h"

#include <limits.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "dataplane/gso.h"
#include "dataplane/worker_types.h"

#define TAG_BYTES 4

// The DSCP of an IP packet behind up to two tags, and whether guards must look at the frame.
static uint8_t dscp_of(const uint8_t *data, unsigned bytes, bool *ret_suspect)
{
	unsigned at = 12;
	uint16_t be_type;

	memcpy(&be_type, data + at, sizeof(be_type));
	for (unsigned i = 0; i < 2 && l2_is_tag(be_type) && bytes >= at + TAG_BYTES + 2; i++) {
		at += TAG_BYTES;
		memcpy(&be_type, data + at, sizeof(be_type));
	}
	*ret_suspect = false;
	if (bytes < at + 2 + sizeof(struct rte_ipv4_hdr))
		return 0;
	data += at + 2;
	bytes -= at + 2;
	if (be_type == RTE_BE16(RTE_ETHER_TYPE_IPV4)) {
		*ret_suspect = guard_suspect_ip4(data, bytes);
		return data[1] & 0xfc;
	}
	if (be_type == RTE_BE16(RTE_ETHER_TYPE_IPV6)) {
		*ret_suspect = guard_suspect_ip6(data, bytes);
		return (data[0] << 4 | data[1] >> 4) & 0xfc;
	}
	*ret_suspect = guard_suspect_type(rte_be_to_cpu_16(be_type));
	return 0;
}

void l2_parse_rest(const uint8_t *data, unsigned bytes, struct l2_header *h)
{
	h->tagged = data[12] == 0x81 && data[13] == 0x00 && bytes >= 18;
	h->vid = h->tagged ? (data[14] & 0x0f) << 8 | data[15] : 0;
	h->dscp = dscp_of(data, bytes, &h->suspect);
}

enum drop_reason l2_refusal(const struct rte_mbuf *m)
{
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);

	if (m->nb_segs != 1)
		return DROP_RX_MULTI_SEGMENT;
	if (m->data_len < PKT_FRAME_MIN)
		return DROP_RX_RUNT;
	if (m->data_len > PKT_FRAME_MAX && !mbuf_is_super(m))
		return DROP_RX_GIANT;
	if ((data[6] & 1) != 0 || bytes_are_zero(data + 6, 6))
		return DROP_SOURCE_INVALID;
	return DROP_LINK_LOCAL;
}

bool l2_parse_bpdu(const struct rte_mbuf *m, enum drop_reason refused, struct l2_header *h)
{
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);

	if (refused != DROP_LINK_LOCAL || guard_kind_of(data, m->data_len) != GUARD_STP)
		return false;
	l2_parse_rest(data, m->data_len, h);
	h->suspect = true;
	return true;
}

static enum drop_reason refused_by_guard(enum guard_kind kind)
{
	switch (kind) {
	case GUARD_DHCP:
		return DROP_GUARD_DHCP;
	case GUARD_RA:
		return DROP_GUARD_RA;
	default:
		return DROP_GUARD_STP;
	}
}

bool l2_guard(struct worker *w, uint8_t segment, fdb_dst_t from, struct rte_mbuf *m)
{
	const struct guard_rules *rules = &w->dp->segments.segment[segment].guard;
	struct guard_heard *heard = &w->dp->heard[segment];
	enum guard_kind kind = guard_kind_of(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);

	if (kind == GUARD_LOOP_PROBE) {
		loop_probe_in(w, segment, from, m);
		return false;
	}
	if (fdb_dst_where(from) == FDB_LAN) {
		guard_hear(heard, kind, w->now_s);
		if (kind != GUARD_STP)
			return true;
	}
	if (guard_passes(rules, heard, kind, w->now_s))
		return true;
	worker_drop(w, refused_by_guard(kind), 1);
	rte_pktmbuf_free(m);
	return false;
}

void l2_drop_cut(struct worker *w, struct l2_batch *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		if (b->frame[i].m == NULL ||
			!loop_cuts(&w->dp->loop, b->to[i], b->frame[i].segment))
			continue;
		worker_drop(w, DROP_LOOP, 1);
		rte_pktmbuf_free(b->frame[i].m);
		b->frame[i].m = NULL;
	}
}

static bool is_group(fdb_key_t key)
{
	return (key & 1) != 0; // the first octet's lowest bit
}

// Addresses of a burst. Frames of one flow come in trains: an address is looked up once for each.
struct addresses {
	unsigned n;
	fdb_key_t key[BATCH_MAX];
	fdb_dst_t at[BATCH_MAX + 1]; // sources: where they were seen; destinations: where they are
	uint8_t of[BATCH_MAX];       // by frame
};

static void sources(const struct l2_batch *b, struct addresses *s)
{
	fdb_key_t src = 0; // nobody's
	fdb_dst_t at = 0;

	s->n = 0;
	for (unsigned i = 0; i < b->n; i++) {
		if (b->src[i] != src || b->from[i] != at) {
			src = b->src[i];
			at = b->from[i];
			s->key[s->n] = src;
			s->at[s->n++] = at;
		}
		s->of[i] = s->n - 1;
	}
}

// Key i is address i + 1: address 0 is that of all groups, which are nowhere.
static void destinations(const struct l2_batch *b, struct addresses *d)
{
	fdb_key_t dst = 0;
	uint8_t of = 0;

	d->n = 0;
	for (unsigned i = 0; i < b->n; i++) {
		if (b->dst[i] != dst) {
			dst = b->dst[i];
			of = 0;
			if (!is_group(dst)) {
				d->key[d->n++] = dst;
				of = d->n;
			}
		}
		d->of[i] = of;
	}
}

static void drop_bound(struct worker *w, struct l2_batch *b, unsigned i)
{
	worker_drop(w, DROP_SOURCE_BOUND, 1);
	rte_pktmbuf_free(b->frame[i].m);
	b->frame[i].m = NULL;
}

// Tell the table's writer what is new, each address once a second.
static void report(struct worker *w, const fdb_key_t *key, const fdb_dst_t *at, uint64_t news)
{
	fdb_key_t keys[BATCH_MAX];
	fdb_dst_t seen_at[BATCH_MAX];
	unsigned n = 0;

	for (; news != 0; news &= news - 1) {
		unsigned i = __builtin_ctzll(news);
		uint64_t hash = key[i] * 0x9e3779b97f4a7c15ull;
		struct report_memo *memo = &w->reported[hash >> (64 - REPORT_MEMO_BITS)];

		if (memo->key == key[i] && memo->dst == at[i] && memo->at_s == w->now_s)
			continue;
		*memo = (struct report_memo){.key = key[i], .dst = at[i], .at_s = w->now_s};
		keys[n] = key[i];
		seen_at[n++] = at[i];
	}
	if (n > 0)
		fdb_report_batch(w->dp->fdb, keys, seen_at, n);
}

// A frame alone in its burst is a list of its addresses already.
static void resolve_one(struct worker *w, struct l2_batch *b)
{
	struct fdb *fdb = w->dp->fdb;
	uint64_t bound, news = fdb_seen_batch(fdb, b->src, b->from, 1, w->now_s, &bound);

	b->to[0] = 0;
	if (!is_group(b->dst[0]))
		fdb_lookup_batch(fdb, b->dst, 1, b->to);
	if (unlikely(news != 0))
		report(w, b->src, b->from, news);
	if (unlikely(bound != 0))
		drop_bound(w, b, 0);
}

static void resolve_many(struct worker *w, struct l2_batch *b)
{
	struct fdb *fdb = w->dp->fdb;
	struct addresses s, d;
	uint64_t news, bound;

	sources(b, &s);
	destinations(b, &d);
	if (s.n + d.n > 2) {
		fdb_fetch_batch(fdb, s.key, s.n);
		fdb_fetch_batch(fdb, d.key, d.n);
	}
	news = fdb_seen_batch(fdb, s.key, s.at, s.n, w->now_s, &bound);
	if (unlikely(news != 0))
		report(w, s.key, s.at, news);
	d.at[0] = 0;
	fdb_lookup_batch(fdb, d.key, d.n, d.at + 1);
	for (unsigned i = 2; i <= d.n; i++) {
		if (fdb_dst_where(d.at[i]) == FDB_PEER)
			rte_prefetch0(&w->sessions[fdb_dst_idx(d.at[i])]);
	}
	for (unsigned i = 0; i < b->n; i++)
		b->to[i] = d.at[d.of[i]];
	if (likely(bound == 0))
		return;
	for (unsigned i = 0; i < b->n; i++) {
		if ((bound >> s.of[i] & 1) != 0)
			drop_bound(w, b, i);
	}
}

void l2_resolve_batch(struct worker *w, struct l2_batch *b)
{
	if (b->n == 1)
		resolve_one(w, b);
	else
		resolve_many(w, b);
}

void l2_tag_pop(struct rte_mbuf *m)
{
	uint8_t *data = rte_pktmbuf_mtod(m, uint8_t *);

	memmove(data + TAG_BYTES, data, 12);
	rte_pktmbuf_adj(m, TAG_BYTES);
}

bool l2_tag_push(struct rte_mbuf *m, uint16_t vid)
{
	uint8_t *data = (uint8_t *)rte_pktmbuf_prepend(m, TAG_BYTES);

	if (data == NULL)
		return false;
	memmove(data, data + TAG_BYTES, 12);
	put_be16(data + 12, RTE_ETHER_TYPE_VLAN);
	put_be16(data + 14, vid);
	return true;
}

// Whether a frame would leave in a VLAN of the port that is another attachment's: a tag that came
// in from elsewhere must not lead into another segment. Of a tag without a VLAN (802.1p) receivers
// think nothing and look at the next.
static bool leaves_segment(
	const struct segment_table *t, const struct attachment *a, const struct rte_mbuf *m)
{
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
	uint16_t vid;

	for (unsigned at = 12; a->vid == 0 && at + TAG_BYTES + 2 <= m->data_len; at += TAG_BYTES) {
		if (!l2_is_tag(get_le16(data + at)))
			return false;
		vid = (data[at + 2] & 0x0f) << 8 | data[at + 3];
		if (vid != 0)
			return get_be16(data + at) == RTE_ETHER_TYPE_VLAN &&
			       t->by_port[a->port_idx][vid] != ATTACHMENT_NONE;
	}
	return false;
}

// A super-frame to a port that takes none: its segments, one by one.
static void deliver_segments(struct worker *w, uint16_t attachment, struct rte_mbuf *m)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	struct gso g;

	if (unlikely(!gso_parse(frame, m->data_len, mbuf_super(m), &g))) {
		worker_drop(w, DROP_SUPER_INVALID, 1);
		rte_pktmbuf_free(m);
		return;
	}
	for (unsigned i = 0; i < g.segments; i++) {
		struct rte_mbuf *s = worker_mbuf(w);

		if (s == NULL)
			break;
		if (unlikely(rte_pktmbuf_tailroom(s) < gso_segment_bytes(&g))) {
			worker_drop(w, DROP_TX_MTU, 1);
			rte_pktmbuf_free(s);
			break;
		}
		s->data_len =
			gso_segment(frame, m->data_len, &g, i, rte_pktmbuf_mtod(s, uint8_t *));
		s->pkt_len = s->data_len;
		l2_deliver(w, attachment, s);
	}
	rte_pktmbuf_free(m);
}

// Of a super-frame what counts is the length of its segments.
static unsigned longest(const struct rte_mbuf *m)
{
	struct gso g;

	if (likely(!mbuf_is_super(m)))
		return m->data_len;
	if (!gso_parse(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, mbuf_super(m), &g))
		return UINT_MAX;
	return gso_segment_bytes(&g);
}

void l2_deliver_any(struct worker *w, uint16_t attachment, struct rte_mbuf *m)
{
	const struct attachment *a = &w->dp->segments.attachment[attachment];
	const struct port *port = &w->dp->port[a->port_idx];
	// The port's MTU does not count the Ethernet header, nor tags.
	unsigned most = port->mtu + RTE_ETHER_HDR_LEN;
	uint16_t be_type;

	if (unlikely(mbuf_is_super(m) && !port->super)) {
		deliver_segments(w, attachment, m);
		return;
	}
	memcpy(&be_type, rte_pktmbuf_mtod_offset(m, uint8_t *, 12), sizeof(be_type));
	if (l2_is_tag(be_type)) {
		most += 2 * TAG_BYTES;
		if (unlikely(leaves_segment(&w->dp->segments, a, m))) {
			worker_drop(w, DROP_VLAN_FILTER, 1);
			rte_pktmbuf_free(m);
			return;
		}
	}
	if (unlikely(longest(m) > most)) {
		worker_drop(w, DROP_TX_MTU, 1);
		rte_pktmbuf_free(m);
		return;
	}
	if (a->vid != 0 && !l2_tag_push(m, a->vid)) {
		worker_drop(w, DROP_TX_HEADROOM, 1);
		rte_pktmbuf_free(m);
		return;
	}
	port_tx(w, a->port_idx, m);
}

unsigned l2_flood_lan(
	struct worker *w, uint8_t segment, uint16_t but_attachment, const struct rte_mbuf *m)
{
	const struct segment *s = &w->dp->segments.segment[segment];
	unsigned n = 0;

	for (unsigned i = 0; i < s->n_attached; i++) {
		struct rte_mbuf *copy;

		if (s->attached[i] == but_attachment)
			continue;
		if (unlikely(loop_any(&w->dp->loop)) &&
			loop_cuts(&w->dp->loop, fdb_dst(FDB_LAN, s->attached[i]), segment))
			continue;
		copy = worker_frame_copy(w, m);
		if (copy == NULL)
			continue;
		l2_deliver(w, s->attached[i], copy);
		n++;
	}
	w->stats->segment[segment].flooded += n;
	return n;
}
