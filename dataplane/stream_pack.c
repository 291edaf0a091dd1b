// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stream.h"

#include <string.h>

#include <rte_mbuf.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "dataplane/gso.h"
#include "dataplane/stage.h"
#include "dataplane/worker_types.h"

// Room that is worth a first fragment.
#define SPLIT_ROOM (0u + PKT_BLOCK_HDR_LEN + PKT_FRAG_TOTAL_LEN + PKT_FRAG_MIN_ROOM)

// A piece at least so long is worth sealing from where it lies, without a copy.
#define DIRECT_BYTES     1024
// A first piece at least so long is worth a packet that begins with it: where it follows other
// blocks it is copied there, and again by the receiver, whose buffer has no room for the whole
// frame behind them. A packet more costs a tenth of that (9000 B in packets of 9000).
#define OWN_PACKET_BYTES 4096

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
};

// What precedes the frame in its block, or in its first piece.
static unsigned head_bytes(const struct stream_frame *f)
{
	return f->super != 0 ? PKT_SUPER_HDR_LEN : 0;
}

// What a whole frame takes of a packet.
static unsigned block_bytes(const struct stream_frame *f)
{
	return PKT_BLOCK_HDR_LEN + head_bytes(f) + f->bytes;
}

// ---------------------------------------------------------------- packets

// Seal the blocks at src[0..bytes) into data, which lies in m, and send it.
static void seal(struct packer *p, struct rte_mbuf *m, uint8_t *data, const uint8_t *src,
	uint32_t bytes, uint8_t dscp)
{
	const struct outer_path *path = &p->s->path;
	struct stats_session *stats = &p->w->session_stats[p->slot];
	uint16_t payload_bytes = PKT_DATA_HDR_LEN + bytes + PKT_MAC_LEN;
	struct aead_op op = {.data = data, .src = src, .bytes = bytes};
	uint8_t *frame;

	lane_packet_header(p->lane, p->lane->next++, &op);
	stage(STAGE_SEAL);
	if (unlikely(!aead_seal(p->w->aead, p->lane->cipher, &op))) {
		worker_drop(p->w, DROP_CRYPTO, 1);
		rte_pktmbuf_free(m);
		return;
	}
	stage(STAGE_OUTER);
	frame = outer_write(path, data - PKT_DATA_HDR_LEN, payload_bytes, dscp);
	m->data_off = frame - (uint8_t *)m->buf_addr;
	m->data_len = path->header_bytes + payload_bytes;
	m->pkt_len = m->data_len;
	stats->tx_packets++;
	stats->tx_wire_bytes += m->data_len;
	port_tx(p->w, path->port_idx, m);
	stage(STAGE_PACK);
}

static void packet_end(struct packer *p)
{
	if (p->m == NULL)
		return;
	seal(p, p->m, p->start, p->start, p->at - p->start, p->open_dscp);
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

// A block's header; returns where its payload goes.
static uint8_t *block_write(uint8_t *at, uint8_t kind, uint8_t segment, unsigned bytes)
{
	put_le32(at, bytes | (uint32_t)kind << 16 | (uint32_t)segment << 24);
	return at + PKT_BLOCK_HDR_LEN;
}

// The same in the open packet, which then counts the payload as there.
static uint8_t *block(struct packer *p, uint8_t kind, uint8_t segment, unsigned bytes)
{
	uint8_t *payload = block_write(p->at, kind, segment, bytes);

	p->at = payload + bytes;
	p->left -= PKT_BLOCK_HDR_LEN + bytes;
	return payload;
}

// ---------------------------------------------------------------- frames

// What a super-frame begins with; returns where the frame's bytes go.
static uint8_t *head_write(uint8_t *at, const struct stream_frame *f)
{
	if (f->super != 0)
		put_le32(at, f->super);
	return at + head_bytes(f);
}

// Whether a frame's packet is nobody else's, with so much room before the frame.
static bool own_packet(const struct stream_frame *f, unsigned headroom)
{
	const struct rte_mbuf *m = f->m;

	return m != NULL && RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1 && m->nb_segs == 1 &&
	       rte_pktmbuf_headroom(m) >= headroom;
}

// A piece of a frame that fills a packet by itself: the cipher copies it. Its header is written
// before it, over what has gone already.
static void seal_piece(struct packer *p, const struct stream_frame *f, unsigned done, unsigned part)
{
	uint8_t *from = rte_pktmbuf_mtod_offset(f->m, uint8_t *, done - PKT_BLOCK_HDR_LEN);

	block_write(from, PKT_KIND_FRAG_NEXT, f->segment, part);
	seal(p, p->m, p->start, from, PKT_BLOCK_HDR_LEN + part, f->dscp);
	p->m = NULL;
	p->left = 0;
}

// The header of a first piece with so much of the frame, up to where its bytes go.
static uint8_t *first_write(uint8_t *at, const struct stream_frame *f, unsigned part)
{
	uint8_t kind = f->super != 0 ? PKT_KIND_SUPER_FIRST : PKT_KIND_FRAG_FIRST;

	at = block_write(at, kind, f->segment, PKT_FRAG_TOTAL_LEN + head_bytes(f) + part);
	put_le16(at, head_bytes(f) + f->bytes);
	return head_write(at + PKT_FRAG_TOTAL_LEN, f);
}

static unsigned first_bytes(const struct stream_frame *f)
{
	return PKT_BLOCK_HDR_LEN + PKT_FRAG_TOTAL_LEN + head_bytes(f);
}

// What goes before a first piece: what is in the open packet, and its own header.
static unsigned first_prefix(const struct packer *p, const struct stream_frame *f)
{
	return p->at - p->start + first_bytes(f);
}

// The first piece of a frame ends the open packet. A long one is not copied to the blocks before
// it, they are to it.
static void seal_first(struct packer *p, const struct stream_frame *f, unsigned part)
{
	unsigned before = p->at - p->start;
	uint8_t *from = rte_pktmbuf_mtod_offset(f->m, uint8_t *, -(int)first_prefix(p, f));

	memcpy(from, p->start, before);
	first_write(from + before, f, part);
	seal(p, p->m, p->start, from, first_prefix(p, f) + part, f->dscp);
	p->m = NULL;
	p->left = 0;
}

static void copy_first(struct packer *p, const struct stream_frame *f, unsigned part)
{
	memcpy(first_write(p->at, f, part), f->data, part);
	p->at += first_bytes(f) + part;
	p->left -= first_bytes(f) + part;
}

static void add_split(struct packer *p, const struct stream_frame *f)
{
	unsigned part = p->left - first_bytes(f);
	unsigned done = part;
	bool own = own_packet(f, 0);

	if (part >= DIRECT_BYTES && own_packet(f, first_prefix(p, f)))
		seal_first(p, f, part);
	else
		copy_first(p, f, part);
	while (done < f->bytes) {
		packet_end(p);
		packet_begin(p, f->dscp);
		part = RTE_MIN(f->bytes - done, p->left - PKT_BLOCK_HDR_LEN);
		if (own && part == p->left - PKT_BLOCK_HDR_LEN)
			seal_piece(p, f, done, part);
		else
			memcpy(block(p, PKT_KIND_FRAG_NEXT, f->segment, part), f->data + done,
				part);
		done += part;
	}
}

// A frame that would be alone in its packet is sealed where it lies: no copy, no second buffer.
static bool seal_in_place(struct packer *p, struct stream_frame *f, const struct stream_frame *next)
{
	unsigned whole = block_bytes(f);
	bool shared_packet =
		next != NULL && next->dscp == f->dscp && whole <= p->room &&
		(p->room - whole >= block_bytes(next) || p->room - whole >= SPLIT_ROOM);
	struct rte_mbuf *m = f->m;
	uint8_t *data;

	if (p->m != NULL || whole > p->room || shared_packet || f->super != 0 ||
		!own_packet(f, OUTER_IPV6_BYTES + PKT_DATA_HDR_LEN + PKT_BLOCK_HDR_LEN) ||
		rte_pktmbuf_tailroom(m) < PKT_MAC_LEN)
		return false;
	data = rte_pktmbuf_mtod_offset(m, uint8_t *, -PKT_BLOCK_HDR_LEN);
	block_write(data, PKT_KIND_ETH, f->segment, f->bytes);
	seal(p, m, data, data, whole, f->dscp);
	f->m = NULL;
	return true;
}

// Whether one more frame's packets can be had; counts the drop when not.
static bool can_send(struct packer *p, const struct stream_frame *f)
{
	unsigned bytes = head_bytes(f) + f->bytes, room = p->room - PKT_BLOCK_HDR_LEN;
	unsigned packets = 2 + (bytes < room ? 0 : bytes / room); // a division is 20 cycles

	// And one for the packet that is open, whose buffer is had but whose counter is not taken.
	if (unlikely(p->lane->next + packets + 1 > LANE_HARD_LIMIT)) {
		worker_drop(p->w, DROP_TX_COUNTER_CAP, 1);
		return false;
	}
	return worker_mbuf_reserve(p->w, packets);
}

// A frame that does not fit the open packet. Returns false, having counted why, when it cannot be
// sent.
static bool add_beyond(struct packer *p, struct stream_frame *f, const struct stream_frame *next)
{
	if (unlikely(!can_send(p, f)))
		return false;
	// Close the packet if the frame may not share it, or would not get a useful share.
	if (p->m != NULL && (p->open_dscp != f->dscp || p->left < SPLIT_ROOM ||
				    (p->left >= OWN_PACKET_BYTES && p->at != p->start &&
					    !own_packet(f, first_prefix(p, f)))))
		packet_end(p);
	if (seal_in_place(p, f, next))
		return true;
	if (p->m == NULL)
		packet_begin(p, f->dscp);
	if (p->left >= block_bytes(f))
		memcpy(head_write(block(p, f->super != 0 ? PKT_KIND_SUPER : PKT_KIND_ETH,
					  f->segment, head_bytes(f) + f->bytes),
			       f),
			f->data, f->bytes);
	else
		add_split(p, f);
	return true;
}

// Add as many frames as the open packet takes whole; returns how many.
static unsigned fill(struct packer *p, struct stream_frame *const *f, unsigned n, uint64_t *bytes)
{
	uint8_t dscp = p->open_dscp;
	unsigned left = p->left;
	uint64_t sum = 0;
	uint8_t *at = p->at;
	unsigned i;

	for (i = 0; i < n; i++) {
		unsigned whole = block_bytes(f[i]);

		if (whole > left || f[i]->dscp != dscp || unlikely(f[i]->super != 0))
			break;
		worker_copy(block_write(at, PKT_KIND_ETH, f[i]->segment, f[i]->bytes), f[i]->data,
			f[i]->bytes);
		at += whole;
		left -= whole;
		sum += f[i]->bytes;
	}
	p->at = at;
	p->left = left;
	*bytes += sum;
	return i;
}

// A super-frame for a peer that takes none. Returns false, having counted why, when it could not be
// sent as a whole.
static bool add_segments(struct packer *p, const struct stream_frame *f)
{
	uint8_t bytes[PKT_FRAME_MAX];
	struct stream_frame segment = {.data = bytes, .segment = f->segment, .dscp = f->dscp};
	struct stream_frame *const one[] = {&segment};
	uint64_t added = 0;
	struct gso g;

	if (!gso_parse(f->data, f->bytes, f->super, &g) || gso_segment_bytes(&g) > sizeof(bytes)) {
		worker_drop(p->w, DROP_SUPER_INVALID, 1);
		return false;
	}
	for (unsigned i = 0; i < g.segments; i++) {
		segment.bytes = gso_segment(f->data, f->bytes, &g, i, bytes);
		if ((p->m == NULL || fill(p, one, 1, &added) == 0) &&
			!add_beyond(p, &segment, NULL))
			return false;
	}
	p->w->session_stats[p->slot].tx_frames += g.segments - 1;
	return true;
}

static void pack(struct packer *p, struct stream_frame *const *f, unsigned n)
{
	struct stats_session *stats = &p->w->session_stats[p->slot];
	bool whole = session_tx_epoch(p->s)->tx_super;
	uint64_t bytes = 0, dropped = 0;

	for (unsigned i = 0; i < n;) {
		if (p->m != NULL)
			i += fill(p, f + i, n - i, &bytes);
		if (i == n)
			break;
		if (unlikely(f[i]->super != 0 && !whole)
				? add_segments(p, f[i])
				: likely(add_beyond(p, f[i], i + 1 < n ? f[i + 1] : NULL)))
			bytes += f[i]->bytes;
		else
			dropped++;
		i++;
	}
	packet_end(p);
	stats->tx_frames += n - dropped;
	stats->tx_bytes += bytes;
	stats->drops += dropped;
}

// What pack() comes to for one frame that its packet can hold: most of what a lone frame costs
// beside the cipher is the way there. Returns false, having done nothing, when it is not so simple.
static bool pack_one(struct packer *p, struct stream_frame *f)
{
	struct stats_session *stats = &p->w->session_stats[p->slot];

	if (unlikely(p->lane->next + 1 > LANE_HARD_LIMIT) || !seal_in_place(p, f, NULL))
		return false;
	stats->tx_frames++;
	stats->tx_bytes += f->bytes;
	return true;
}

// ---------------------------------------------------------------- sessions

static struct rte_mbuf *copy_super(struct worker *w, const struct stream_frame *f)
{
	struct rte_mbuf *m = worker_super_mbuf(w);

	if (m == NULL)
		return NULL;
	memcpy(rte_pktmbuf_append(m, f->bytes), f->data, f->bytes);
	mbuf_super_set(m, f->super);
	return m;
}

// Frames of a session under whose epoch another worker sends.
static void hand_off(struct worker *w, uint32_t slot, struct stream_frame *const *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct handoff h = {
			.m = f[i]->m,
			.slot = slot,
			.kind = HANDOFF_FRAME,
			.segment = f[i]->segment,
		};

		if (h.m == NULL)
			h.m = f[i]->super != 0 ? copy_super(w, f[i])
					       : worker_mbuf_copy(w, f[i]->data, f[i]->bytes);
		if (h.m == NULL)
			continue;
		f[i]->m = NULL;
		if (rte_ring_mp_enqueue_elem(w->dp->worker[0]->inbox, &h, sizeof(h)) != 0) {
			worker_drop(w, DROP_HANDOFF_FULL, 1);
			rte_pktmbuf_free(h.m);
			continue;
		}
		w->stats->handed_off++;
	}
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

void stream_pack(struct worker *w, uint32_t slot, struct stream_frame *const *f, unsigned n)
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
	p.room = outer_room(&s->path);
	fits = rte_pktmbuf_data_room_size(w->pool) - RTE_PKTMBUF_HEADROOM - PKT_DATA_HDR_LEN -
	       PKT_MAC_LEN;
	p.room = RTE_MIN(p.room, fits);
	if (n != 1 || !pack_one(&p, f[0]))
		pack(&p, f, n);
	s->tx_at_ns = w->now_ns;
	if (unlikely(p.lane->next >= LANE_SOFT_LIMIT && !p.lane->soft_told)) {
		p.lane->soft_told = true;
		w->hooks->event(w, EV_SOFT_LIMIT, slot, session_tx_epoch(s)->rx_key_id,
			p.lane->number, p.lane->next);
	}
}
