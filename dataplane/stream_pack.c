// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stream.h"

#include <string.h>

#include <rte_mbuf.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "dataplane/stage.h"
#include "dataplane/worker_types.h"

#define PACK_CHUNK 8 // packets sealed together
// Room that is worth a first fragment.
#define SPLIT_ROOM (0u + PKT_BLOCK_HDR_LEN + PKT_FRAG_TOTAL_LEN + PKT_FRAG_MIN_ROOM)

// One session's packets while a burst is packed.
struct packer {
	struct worker *w;
	struct session *s;
	struct lane_tx *lane;
	uint32_t slot;
	unsigned room; // of an empty packet, for blocks

	// the packet being filled
	struct rte_mbuf *m; // NULL: none
	uint8_t *start;     // of the blocks
	uint8_t *at;
	unsigned left;
	uint8_t open_dscp;

	// packets to be sealed
	unsigned n;
	struct aead_op op[PACK_CHUNK];
	struct rte_mbuf *ready[PACK_CHUNK];
	uint8_t dscp[PACK_CHUNK];
};

// What a whole frame takes of a packet.
static unsigned block_bytes(const struct stream_frame *f)
{
	return PKT_BLOCK_HDR_LEN + f->bytes;
}

static void flush(struct packer *p)
{
	const struct outer_path *path = &p->s->path;
	struct stats_session *stats = &p->w->session_stats[p->slot];

	if (p->n == 0)
		return;
	stage(STAGE_SEAL);
	aead_seal_batch(p->w->aead, p->lane->cipher, p->op, p->n);
	stage(STAGE_OUTER);
	for (unsigned i = 0; i < p->n; i++) {
		struct rte_mbuf *m = p->ready[i];
		uint8_t *payload = p->op[i].data - PKT_DATA_HDR_LEN;
		uint16_t bytes = PKT_DATA_HDR_LEN + p->op[i].bytes + PKT_MAC_LEN;
		uint8_t *frame;

		if (unlikely(!p->op[i].ok)) {
			worker_drop(p->w, DROP_CRYPTO, 1);
			rte_pktmbuf_free(m);
			continue;
		}
		frame = outer_write(path, payload, bytes, p->dscp[i]);
		m->data_off = frame - (uint8_t *)m->buf_addr;
		m->data_len = path->header_bytes + bytes;
		m->pkt_len = m->data_len;
		stats->tx_packets++;
		stats->tx_wire_bytes += m->data_len;
		port_tx(p->w, path->port_idx, m);
	}
	p->n = 0;
	stage(STAGE_PACK);
}

// Queue a packet whose blocks lie at data[0..bytes) for sealing.
static void ready(struct packer *p, struct rte_mbuf *m, uint8_t *data, uint32_t bytes, uint8_t dscp)
{
	struct aead_op *op = &p->op[p->n];

	op->data = data;
	op->bytes = bytes;
	op->src = data;
	lane_packet_header(p->lane, p->lane->next++, op);
	p->ready[p->n] = m;
	p->dscp[p->n] = dscp;
	if (++p->n == PACK_CHUNK)
		flush(p);
}

static void packet_end(struct packer *p)
{
	if (p->m == NULL)
		return;
	ready(p, p->m, p->start, p->at - p->start, p->open_dscp);
	p->m = NULL;
	p->left = 0;
}

// The caller has made sure that there are packets in reserve.
static void packet_begin(struct packer *p, uint8_t dscp)
{
	p->m = worker_mbuf(p->w);
	p->start = rte_pktmbuf_mtod_offset(p->m, uint8_t *, PKT_DATA_HDR_LEN);
	p->at = p->start;
	p->left = p->room;
	p->open_dscp = dscp;
}

// A block without its payload's bytes; returns where they go.
static uint8_t *block(struct packer *p, uint8_t kind, uint8_t segment, unsigned bytes)
{
	struct pkt_block *b = (struct pkt_block *)p->at;
	uint8_t *payload = p->at + sizeof(*b);

	b->len = bytes;
	b->kind = kind;
	b->segment = segment;
	p->at = payload + bytes;
	p->left -= sizeof(*b) + bytes;
	return payload;
}

static void add_split(struct packer *p, const struct stream_frame *f)
{
	unsigned part = p->left - PKT_BLOCK_HDR_LEN - PKT_FRAG_TOTAL_LEN;
	unsigned done = part;
	uint8_t *to = block(p, PKT_KIND_FRAG_FIRST, f->segment, PKT_FRAG_TOTAL_LEN + part);

	put_le16(to, f->bytes);
	memcpy(to + PKT_FRAG_TOTAL_LEN, f->data, part);
	while (done < f->bytes) {
		packet_end(p);
		packet_begin(p, f->dscp);
		part = RTE_MIN(f->bytes - done, p->left - PKT_BLOCK_HDR_LEN);
		memcpy(block(p, PKT_KIND_FRAG_NEXT, f->segment, part), f->data + done, part);
		done += part;
	}
}

// Close the open packet when a frame may not share it, or would not get a useful share.
static void make_room(struct packer *p, const struct stream_frame *f)
{
	if (p->m != NULL &&
		(p->open_dscp != f->dscp || (p->left < block_bytes(f) && p->left < SPLIT_ROOM)))
		packet_end(p);
}

static void add_frame(struct packer *p, const struct stream_frame *f)
{
	if (p->m == NULL)
		packet_begin(p, f->dscp);
	if (likely(p->left >= block_bytes(f)))
		memcpy(block(p, PKT_KIND_ETH, f->segment, f->bytes), f->data, f->bytes);
	else
		add_split(p, f);
}

// A frame that would be alone in its packet is sealed where it lies: no copy, no second buffer.
static bool seal_in_place(struct packer *p, struct stream_frame *f, const struct stream_frame *next)
{
	struct rte_mbuf *m = f->m;
	unsigned whole = block_bytes(f);
	bool shared_packet =
		next != NULL && next->dscp == f->dscp && whole <= p->room &&
		(p->room - whole >= block_bytes(next) || p->room - whole >= SPLIT_ROOM);
	struct pkt_block *b;

	if (p->m != NULL || whole > p->room || shared_packet || m == NULL)
		return false;
	if (!RTE_MBUF_DIRECT(m) || rte_mbuf_refcnt_read(m) != 1 || m->nb_segs != 1 ||
		rte_pktmbuf_tailroom(m) < PKT_MAC_LEN ||
		rte_pktmbuf_headroom(m) < OUTER_IPV6_BYTES + PKT_DATA_HDR_LEN + PKT_BLOCK_HDR_LEN)
		return false;
	b = rte_pktmbuf_mtod_offset(m, struct pkt_block *, -(int)sizeof(*b));
	b->len = f->bytes;
	b->kind = PKT_KIND_ETH;
	b->segment = f->segment;
	ready(p, m, (uint8_t *)b, whole, f->dscp);
	f->m = NULL;
	return true;
}

// Frames of a session under whose epoch another worker sends.
static void hand_off(struct worker *w, uint32_t slot, struct stream_frame *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct handoff h = {
			.m = f[i].m,
			.slot = slot,
			.kind = HANDOFF_FRAME,
			.segment = f[i].segment,
		};

		if (h.m == NULL)
			h.m = worker_mbuf_copy(w, f[i].data, f[i].bytes);
		if (h.m == NULL)
			continue;
		f[i].m = NULL;
		if (rte_ring_mp_enqueue_elem(w->dp->worker[0]->inbox, &h, sizeof(h)) != 0) {
			worker_drop(w, DROP_HANDOFF_FULL, 1);
			rte_pktmbuf_free(h.m);
			continue;
		}
		w->stats->handed_off++;
	}
}

// Whether one more frame's packets can be had; counts the drop when not.
static bool can_send(struct packer *p, const struct stream_frame *f)
{
	unsigned packets = 2 + f->bytes / (p->room - PKT_BLOCK_HDR_LEN);

	// And one for the packet that is open, whose buffer is had but whose counter is not taken.
	if (unlikely(p->lane->next + packets + 1 > LANE_HARD_LIMIT)) {
		worker_drop(p->w, DROP_TX_COUNTER_CAP, 1);
		return false;
	}
	return worker_mbuf_reserve(p->w, packets);
}

static void pack(struct packer *p, struct stream_frame *f, unsigned n)
{
	struct stats_session *stats = &p->w->session_stats[p->slot];

	for (unsigned i = 0; i < n; i++) {
		if (unlikely(!can_send(p, &f[i]))) {
			stats->drops++;
			continue;
		}
		stats->tx_frames++;
		stats->tx_bytes += f[i].bytes;
		make_room(p, &f[i]);
		if (!seal_in_place(p, &f[i], i + 1 < n ? &f[i + 1] : NULL))
			add_frame(p, &f[i]);
	}
	packet_end(p);
	flush(p);
}

// Why nothing can be sent to a session, or DROP_N.
static enum drop_reason refusal(const struct worker *w, struct session *s)
{
	const struct epoch *e = s == NULL ? NULL : session_tx_epoch(s);

	if (e == NULL)
		return DROP_NO_SESSION;
	if (w->now_ns >= e->deadline_ns)
		return DROP_TX_EXPIRED;
	if (s->path.header_bytes == 0)
		return DROP_NO_PATH;
	return DROP_N;
}

void stream_pack(struct worker *w, uint32_t slot, struct stream_frame *f, unsigned n)
{
	struct session *s = session_get(w, slot);
	enum drop_reason why = refusal(w, s);
	struct packer p;
	unsigned fits;

	if (why != DROP_N) {
		worker_drop(w, why, n);
		w->session_stats[slot].drops += n;
		return;
	}
	p.lane = session_tx_epoch(s)->tx;
	if (p.lane == NULL) {
		if (w->id != 0) {
			hand_off(w, slot, f, n);
		} else {
			worker_drop(w, DROP_NO_SESSION, n);
			w->session_stats[slot].drops += n;
		}
		return;
	}
	p.w = w;
	p.s = s;
	p.slot = slot;
	p.m = NULL;
	p.left = 0;
	p.n = 0;
	p.room = outer_room(&s->path);
	fits = rte_pktmbuf_data_room_size(w->pool) - RTE_PKTMBUF_HEADROOM - PKT_DATA_HDR_LEN -
	       PKT_MAC_LEN;
	p.room = RTE_MIN(p.room, fits);
	pack(&p, f, n);
	s->tx_at_ns = w->now_ns;
	if (unlikely(p.lane->next >= LANE_SOFT_LIMIT && !p.lane->soft_told)) {
		p.lane->soft_told = true;
		w->hooks->event(w, EV_SOFT_LIMIT, slot, session_tx_epoch(s)->rx_key_id,
			p.lane->number, p.lane->next);
	}
}
