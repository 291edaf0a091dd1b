// SPDX-License-Identifier: BSD-3-Clause
//
// What both directions do with inner frames: look at their headers, learn sources, find
// destinations, hand frames to LAN attachments. Thread: the worker. Floor 3.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_byteorder.h>
#include <rte_ether.h>

#include "dataplane/batch.h"
#include "dataplane/fdb.h"
#include "dataplane/guard.h"
#include "dataplane/stream.h"
#include "dataplane/worker_types.h"
#include "wire/drop.h"
#include "wire/packet.h"

#define L2_LINK_LOCAL 0x0000c28001ull

// A burst of inner frames as parallel arrays: each stage reads only what it needs.
struct l2_batch {
	unsigned n;
	struct stream_frame frame[BATCH_MAX]; // m is NULL: gone (dropped, or given away)
	fdb_key_t src[BATCH_MAX];
	fdb_key_t dst[BATCH_MAX];
	fdb_dst_t from[BATCH_MAX];
	fdb_dst_t to[BATCH_MAX]; // 0: to be flooded
};

struct l2_header {
	bool tagged;  // 802.1Q, outermost tag
	uint16_t vid; // of it, else 0
	uint8_t dscp; // upper six bits, 0 when the frame is not IP
	bool suspect; // guard.h: worth a closer look
};

// Why l2_parse() refused.
enum drop_reason l2_refusal(const struct rte_mbuf *m);
// The rest of l2_parse(): tags, DSCP, suspicion.
void l2_parse_rest(const uint8_t *data, unsigned bytes, struct l2_header *h);

// A frame that l2_parse() refused as LINK_LOCAL and that a segment may yet forward: the headers of
// it.
bool l2_parse_bpdu(const struct rte_mbuf *m, enum drop_reason refused, struct l2_header *h);
// A suspect frame that came from `from`: what the segment's guards say. Returns false when they
// took it. drops: GUARD_DHCP, GUARD_RA, GUARD_STP, LOOP_PROBE
bool l2_guard(struct worker *w, uint8_t segment, fdb_dst_t from, struct rte_mbuf *m);
// Take out of a looked-up batch what goes to a place that is cut off.
void l2_drop_cut(struct worker *w, struct l2_batch *b);

// Report and refresh sources, and fill in to[]. Frames whose source is bound elsewhere are dropped
// (SOURCE_BOUND).
void l2_resolve_batch(struct worker *w, struct l2_batch *b);

// Take the outermost tag off, or put one on. The latter returns false when there is no headroom.
void l2_tag_pop(struct rte_mbuf *m);
bool l2_tag_push(struct rte_mbuf *m, uint16_t vid);

// Send a frame to a LAN attachment; takes it. drops: VLAN_FILTER, TX_MTU, TX_HEADROOM
static inline void l2_deliver(struct worker *w, uint16_t attachment, struct rte_mbuf *m);
// The rest of it: tags, and what does not fit.
void l2_deliver_any(struct worker *w, uint16_t attachment, struct rte_mbuf *m);
// Copies to every attachment of a segment but one (ATTACHMENT_NONE: to all); the frame stays the
// caller's. Returns how many.
unsigned l2_flood_lan(
	struct worker *w, uint8_t segment, uint16_t but_attachment, const struct rte_mbuf *m);

static inline bool l2_is_tag(uint16_t be_type)
{
	return be_type == RTE_BE16(RTE_ETHER_TYPE_VLAN) || be_type == RTE_BE16(RTE_ETHER_TYPE_QINQ);
}

// Check an inner frame and read its header. Returns false with the reason: RX_MULTI_SEGMENT,
// RX_RUNT, RX_GIANT, SOURCE_INVALID, LINK_LOCAL.
static inline bool l2_parse(
	const struct rte_mbuf *m, struct l2_header *h, enum drop_reason *ret_reason)
{
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
	unsigned bytes = m->data_len;
	fdb_key_t dst, src;

	// As little-endian numbers: a group address has bit 0, 01:80:c2:00:00:0x is LINK_LOCAL.
	if (likely(m->nb_segs == 1 && bytes >= PKT_FRAME_MIN &&
		    (bytes <= PKT_FRAME_MAX || mbuf_is_super(m)))) {
		dst = fdb_key_of8(data, 0);
		src = fdb_key_of8(data + 6, 0);
		if (likely((src & 1) == 0 && src != 0 &&
			    (dst & 0xf0ffffffffffull) != L2_LINK_LOCAL)) {
			l2_parse_rest(data, bytes, h);
			return true;
		}
	}
	*ret_reason = l2_refusal(m);
	return false;
}

// Whether nothing but its DSCP need be known of a frame: untagged, of usual size, from a host to
// anything but its own link, of no kind that guards look at. What is not plain is for l2_parse().
static inline bool l2_is_plain(const struct rte_mbuf *m, const uint8_t *data, uint8_t *ret_dscp)
{
	uint64_t dst = fdb_key_of8(data, 0), src = fdb_key_of8(data + 6, 0);
	uint16_t be_type = get_le16(data + 12); // as it lies
	unsigned bytes = m->data_len;

	if (unlikely(m->nb_segs != 1 || bytes < 38 || bytes > PKT_FRAME_MAX || mbuf_is_super(m) ||
		     (src & 1) != 0 || src == 0 || (dst & 0xf0ffffffffffull) == L2_LINK_LOCAL))
		return false;
	if (be_type == RTE_BE16(RTE_ETHER_TYPE_IPV4)) {
		*ret_dscp = data[15] & 0xfc;
		return !guard_suspect_ip4(data + 14, bytes - 14);
	}
	if (be_type == RTE_BE16(RTE_ETHER_TYPE_IPV6)) {
		*ret_dscp = (data[14] << 4 | data[15] >> 4) & 0xfc;
		return !guard_suspect_ip6(data + 14, bytes - 14);
	}
	*ret_dscp = 0;
	return !guard_suspect_type(rte_be_to_cpu_16(be_type));
}

// Add a checked frame that came from `from`: what learning, looking up and delivering read of it.
static inline void l2_add_to_lan(
	struct l2_batch *b, struct rte_mbuf *m, uint8_t segment, uint16_t domain, fdb_dst_t from)
{
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
	unsigned i = b->n++;

	b->frame[i].m = m;
	b->frame[i].segment = segment;
	b->dst[i] = fdb_key_of8(data, domain);
	b->src[i] = fdb_key_of8(data + 6, domain);
	b->from[i] = from;
}

// The same with all that packing reads.
static inline void l2_add(struct l2_batch *b, struct rte_mbuf *m, uint8_t segment, uint16_t domain,
	uint8_t dscp, fdb_dst_t from)
{
	struct stream_frame *f = &b->frame[b->n];

	f->data = rte_pktmbuf_mtod(m, const uint8_t *);
	f->bytes = m->data_len;
	f->super = mbuf_super(m);
	f->dscp = dscp;
	l2_add_to_lan(b, m, segment, domain, from);
}

static inline void l2_deliver(struct worker *w, uint16_t attachment, struct rte_mbuf *m)
{
	const struct attachment *a = &w->dp->segments.attachment[attachment];
	// The port's MTU does not count the Ethernet header.
	unsigned most = w->dp->port[a->port_idx].mtu + RTE_ETHER_HDR_LEN;

	if (likely(a->vid == 0 && m->data_len <= most && !mbuf_is_super(m) &&
		    !l2_is_tag(get_le16(rte_pktmbuf_mtod_offset(m, uint8_t *, 12)))))
		port_tx(w, a->port_idx, m);
	else
		l2_deliver_any(w, attachment, m);
}
