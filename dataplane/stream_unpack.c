// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <rte_hash_crc.h>
#include <rte_mbuf.h>

#include "dataplane/gso.h"
#include "dataplane/worker_types.h"

#define OPEN_SLOTS   1024
#define OPEN_BUCKETS 1024

// A frame being put together (all before `counter` is there), or a piece that came before its turn.
struct stream_open {
	struct lane_rx *lane;
	uint64_t counter; // frame: of the packet that must continue it; piece: its own
	uint64_t at_ns;
	struct rte_mbuf *m; // what is there so far
	uint32_t slot;
	uint16_t total; // frame: its length; piece: 0
	uint8_t segment;
	bool super; // frame: it is a super-frame, its header included
	bool last;  // piece: the last block of its packet, so the frame may go on
	TAILQ_ENTRY(stream_open) by_age;
	union {
		LIST_ENTRY(stream_open) by_key; // but not of a frame that is its lane's `open`
		SLIST_ENTRY(stream_open) by_free;
	};
};

struct stream_share { // what of all that is held is one peer's
	uint32_t n;
	uint32_t held;
};

struct stream_rx {
	TAILQ_HEAD(, stream_open) age;
	SLIST_HEAD(, stream_open) free;
	LIST_HEAD(, stream_open) bucket[OPEN_BUCKETS];
	uint32_t budget; // bytes of packet memory that may be held
	uint32_t held;
	unsigned n;
	struct stream_share *of; // by session slot
	struct stream_open open[OPEN_SLOTS];
};

int stream_rx_create(struct worker *w, uint32_t budget_bytes)
{
	struct stream_rx *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	r->of = calloc(w->dp->max_sessions, sizeof(*r->of));
	if (r->of == NULL) {
		free(r);
		return -ENOMEM;
	}
	TAILQ_INIT(&r->age);
	for (unsigned i = 0; i < OPEN_SLOTS; i++)
		SLIST_INSERT_HEAD(&r->free, &r->open[i], by_free);
	r->budget = budget_bytes == 0 ? STREAM_BUDGET_DEFAULT : budget_bytes;
	w->stream = r;
	return 0;
}

void stream_rx_destroy(struct worker *w)
{
	struct stream_open *o;

	if (w->stream == NULL)
		return;
	TAILQ_FOREACH (o, &w->stream->age, by_age)
		rte_pktmbuf_free(o->m);
	free(w->stream->of);
	free(w->stream);
	w->stream = NULL;
}

unsigned stream_held(const struct worker *w)
{
	return w->stream->n;
}

// ---------------------------------------------------------------- what is held

static unsigned bucket_of(const struct lane_rx *lane, uint64_t counter)
{
	return rte_hash_crc_8byte((uintptr_t)lane, (uint32_t)counter) % OPEN_BUCKETS;
}

static void add_by_key(struct stream_rx *r, struct stream_open *o)
{
	LIST_INSERT_HEAD(&r->bucket[bucket_of(o->lane, o->counter)], o, by_key);
}

// Make o the frame most recently begun.
static void open_frame(struct stream_rx *r, struct stream_open *o)
{
	if (o->lane->open != NULL)
		add_by_key(r, o->lane->open);
	o->lane->open = o;
}

static void unhold(struct stream_rx *r, struct stream_open *o)
{
	TAILQ_REMOVE(&r->age, o, by_age);
	if (o->lane->open == o)
		o->lane->open = NULL;
	else
		LIST_REMOVE(o, by_key);
	SLIST_INSERT_HEAD(&r->free, o, by_free);
	o->lane->n_held--;
	r->held -= o->m->buf_len;
	r->of[o->slot].held -= o->m->buf_len;
	r->of[o->slot].n--;
	r->n--;
	o->m = NULL;
}

static void give_up(struct worker *w, struct stream_open *o, enum drop_reason why)
{
	struct rte_mbuf *m = o->m;

	// A piece without its beginning is an orphan, whatever ended its wait.
	worker_drop(w, o->total == 0 && why == DROP_FRAG_TIMEOUT ? DROP_FRAG_ORPHAN : why, 1);
	w->session_stats[o->slot].drops++;
	unhold(w->stream, o);
	rte_pktmbuf_free(m);
}

void stream_expire(struct worker *w)
{
	struct stream_open *o;

	while ((o = TAILQ_FIRST(&w->stream->age)) != NULL && w->now_ns - o->at_ns > STREAM_HOLD_NS)
		give_up(w, o, DROP_FRAG_TIMEOUT);
}

void stream_forget(struct worker *w, struct lane_rx *lane)
{
	struct stream_open *o, *next;

	if (w->stream == NULL || lane->n_held == 0)
		return;
	for (o = TAILQ_FIRST(&w->stream->age); o != NULL; o = next) {
		next = TAILQ_NEXT(o, by_age);
		if (o->lane == lane)
			give_up(w, o, DROP_FRAG_INCOMPLETE);
	}
}

static void give_up_oldest_of(struct worker *w, const struct lane_rx *lane)
{
	struct stream_open *o;

	TAILQ_FOREACH (o, &w->stream->age, by_age) {
		if (o->lane == lane)
			break;
	}
	give_up(w, o, DROP_FRAG_BUDGET);
}

// Room for one of `slot`: its own oldest goes where it has more than a quarter of all, be it pieces
// or memory, so that a peer that never completes its frames pushes out nobody else's.
static void make_room(struct worker *w, uint32_t slot)
{
	struct stream_rx *r = w->stream;
	struct stream_open *o = TAILQ_FIRST(&r->age);

	if (r->of[slot].n > r->n / 4 || r->of[slot].held > r->held / 4) {
		while (o->slot != slot)
			o = TAILQ_NEXT(o, by_age);
	}
	give_up(w, o, DROP_FRAG_BUDGET);
}

// Hold m until its continuation comes. Takes m. What comes back is yet to be found: by
// open_frame() or add_by_key().
static struct stream_open *hold(struct worker *w, const struct stream_packet *p, uint64_t counter,
	struct rte_mbuf *m, uint16_t total, uint8_t segment)
{
	struct stream_rx *r = w->stream;
	struct stream_open *o;

	// The oldest is the least likely to be completed: on a path that loses packets a lane is
	// soon full of pieces whose others are lost.
	if (p->lane->n_held == STREAM_OPEN_MAX)
		give_up_oldest_of(w, p->lane);
	while (r->n > 0 && (r->n == OPEN_SLOTS || r->held + m->buf_len > r->budget))
		make_room(w, p->slot);
	o = SLIST_FIRST(&r->free);
	SLIST_REMOVE_HEAD(&r->free, by_free);
	o->lane = p->lane;
	o->counter = counter;
	o->at_ns = w->now_ns;
	o->m = m;
	o->slot = p->slot;
	o->total = total;
	o->segment = segment;
	o->super = false;
	o->last = false;
	TAILQ_INSERT_TAIL(&r->age, o, by_age);
	p->lane->n_held++;
	r->held += m->buf_len;
	r->of[p->slot].held += m->buf_len;
	r->of[p->slot].n++;
	r->n++;
	return o;
}

// The frame that waits for this counter (want_frame), or the piece that has it.
static struct stream_open *find(
	struct worker *w, struct lane_rx *lane, uint64_t counter, bool want_frame)
{
	struct stream_open *o = lane->open;

	if (want_frame && o != NULL && o->counter == counter)
		return o;
	LIST_FOREACH (o, &w->stream->bucket[bucket_of(lane, counter)], by_key) {
		if (o->lane == lane && o->counter == counter && (o->total != 0) == want_frame)
			return o;
	}
	return NULL;
}

void stream_place(struct stream_packet *p)
{
	const struct stream_open *o = p->lane->open;
	unsigned missing;
	uint8_t *end;

	p->home = NULL;
	if (o == NULL || o->counter != p->counter)
		return;
	end = rte_pktmbuf_mtod_offset(o->m, uint8_t *, o->m->data_len);
	missing = o->total - o->m->data_len;
	if (missing < p->bytes / 2 || rte_pktmbuf_tailroom(o->m) < p->bytes) {
		for (unsigned at = 0; at < missing && at < p->bytes; at += 64)
			__builtin_prefetch(end + at, 1);
		return;
	}
	p->home = o->m;
	p->data = end - PKT_BLOCK_HDR_LEN; // its payload follows the frame's bytes
	memcpy(p->under, p->data, sizeof(p->under));
}

void stream_unplace(const struct stream_packet *p)
{
	static_assert(sizeof(p->under) == PKT_BLOCK_HDR_LEN, "what the first header lies over");
	if (p->home != NULL)
		memcpy(p->data, p->under, sizeof(p->under));
}

// ---------------------------------------------------------------- putting together

static void emit(struct stream_inners *out, struct rte_mbuf *m, uint32_t slot, uint8_t segment)
{
	out->frame[out->n++] = (struct stream_inner){.m = m, .slot = slot, .segment = segment};
}

// A super-frame that is there as a whole, after its header.
static void emit_super(struct worker *w, struct stream_inners *out, struct rte_mbuf *m,
	uint32_t slot, uint8_t segment)
{
	struct pkt_super head;
	struct gso g;

	memcpy(&head, rte_pktmbuf_mtod(m, void *), sizeof(head));
	rte_pktmbuf_adj(m, sizeof(head));
	if (head.zero != 0 || m->data_len > PKT_SUPER_MAX ||
		!gso_parse(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, head.size, &g)) {
		worker_drop(w, DROP_SUPER_INVALID, 1);
		w->session_stats[slot].drops++;
		rte_pktmbuf_free(m);
		return;
	}
	mbuf_super_set(m, head.size);
	emit(out, m, slot, segment);
}

static void append(struct rte_mbuf *m, const uint8_t *data, uint16_t bytes)
{
	uint8_t *end = rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len);

	if (data != end) // else it was opened there
		memcpy(end, data, bytes);
	m->data_len += bytes;
	m->pkt_len = m->data_len;
}

// Add the piece with o's counter. Returns true when o waits for another one.
static bool continue_frame(struct worker *w, struct stream_open *o, const uint8_t *data,
	uint16_t bytes, uint8_t segment, bool last, struct stream_inners *out)
{
	unsigned have = o->m->data_len + bytes;
	struct rte_mbuf *m = o->m;

	// Only the last block of a packet may leave the frame unfinished.
	if (segment != o->segment || bytes == 0 || have > o->total || (have < o->total && !last)) {
		give_up(w, o, DROP_FRAG_LENGTH);
		return false;
	}
	append(m, data, bytes);
	if (have == o->total) {
		uint32_t slot = o->slot;
		bool super = o->super;

		unhold(w->stream, o);
		if (super)
			emit_super(w, out, m, slot, segment);
		else
			emit(out, m, slot, segment);
		return false;
	}
	if (o->lane->open != o)
		LIST_REMOVE(o, by_key);
	o->counter++;
	if (o->lane->open != o)
		add_by_key(w->stream, o);
	return true;
}

// Add pieces that came before their turn.
static void continue_with_held(struct worker *w, struct stream_open *o, struct stream_inners *out)
{
	struct stream_open *piece;
	bool more = true;

	while (more && o->lane->n_held > 1 &&
		(piece = find(w, o->lane, o->counter, false)) != NULL) {
		struct rte_mbuf *m = piece->m;
		uint8_t segment = piece->segment;
		bool last = piece->last;

		unhold(w->stream, piece);
		more = continue_frame(
			w, o, rte_pktmbuf_mtod(m, uint8_t *), m->data_len, segment, last, out);
		worker_mbuf_back(w, m);
	}
}

static bool total_is_possible(uint16_t total, bool super)
{
	if (super)
		return total >= PKT_SUPER_HDR_LEN + PKT_FRAME_MIN &&
		       total <= PKT_SUPER_HDR_LEN + PKT_SUPER_MAX;
	return total >= PKT_FRAME_MIN && total <= PKT_FRAME_MAX;
}

// FRAG_FIRST or SUPER_FIRST, the last block of its packet. take: its packet's buffer may become the
// frame's. Returns whether it did.
static bool first_piece(struct worker *w, const struct stream_packet *p,
	const struct pkt_block_view *b, bool take, struct stream_inners *out)
{
	const uint8_t *data = b->payload + PKT_FRAG_TOTAL_LEN;
	bool super = b->kind == PKT_KIND_SUPER_FIRST;
	uint16_t bytes, total;
	struct stream_open *o;
	struct rte_mbuf *m;

	if (b->len <= PKT_FRAG_TOTAL_LEN) {
		worker_drop(w, DROP_FRAG_LENGTH, 1);
		return false;
	}
	bytes = b->len - PKT_FRAG_TOTAL_LEN;
	total = get_le16(b->payload);
	if (!total_is_possible(total, super) || bytes >= total) {
		worker_drop(w, DROP_FRAG_LENGTH, 1);
		return false;
	}
	take = take && !super && RTE_PKTMBUF_HEADROOM + total <= p->m->buf_len;
	if (take) {
		m = p->m;
		// Where it lies if the whole frame finds room there, else at the front.
		if (p->home != NULL || (uint8_t *)m->buf_addr + m->buf_len - data < total) {
			uint8_t *front = (uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM;

			memmove(front, data, bytes);
			data = front;
		}
		m->data_off = data - (uint8_t *)m->buf_addr;
		m->data_len = bytes;
		m->pkt_len = bytes;
	} else {
		m = super ? worker_super_mbuf(w) : worker_mbuf(w);
		if (m == NULL)
			return false;
		if (rte_pktmbuf_tailroom(m) < total) {
			worker_mbuf_short(w, m);
			return false;
		}
		append(m, data, bytes);
	}
	o = hold(w, p, p->counter + 1, m, total, b->segment);
	o->super = super;
	open_frame(w->stream, o);
	continue_with_held(w, o, out);
	return take;
}

// FRAG_NEXT, the first block of its packet; last: also the last.
static void next_piece(struct worker *w, const struct stream_packet *p,
	const struct pkt_block_view *b, bool last, struct stream_inners *out)
{
	struct stream_open *o = find(w, p->lane, p->counter, true);
	struct rte_mbuf *m;

	if (likely(o != NULL)) {
		if (continue_frame(w, o, b->payload, b->len, b->segment, last, out))
			continue_with_held(w, o, out);
		return;
	}
	if (b->len == 0) {
		worker_drop(w, DROP_FRAG_LENGTH, 1);
		return;
	}
	m = worker_mbuf_copy(w, b->payload, b->len);
	if (m == NULL)
		return;
	o = hold(w, p, p->counter, m, 0, b->segment);
	o->last = last;
	add_by_key(w->stream, o);
}

// ---------------------------------------------------------------- packets

// What a first walk over a packet finds.
struct layout {
	unsigned n_blocks;
	unsigned keep;          // block that gets the packet's buffer; n_blocks: none
	struct pkt_block first; // header of the first, which may lie over a frame's last bytes
};

// Whether a block other than a whole frame may stand there.
static bool may_stand(const struct worker *w, uint8_t kind, unsigned at)
{
	switch (kind) {
	case PKT_KIND_FRAG_NEXT:
		return at == 0;
	case PKT_KIND_SUPER:
	case PKT_KIND_SUPER_FIRST:
		return w->super_pool != NULL;
	default:
		return kind != PKT_KIND_END && kind < PKT_KIND_SUPER;
	}
}

// Returns false for a packet of which nothing may be used.
static bool survey(struct worker *w, const struct stream_packet *p, struct layout *ret_layout)
{
	struct pkt_blocks it = pkt_blocks(p->data, p->bytes);
	struct layout l = {.keep = UINT32_MAX};
	struct pkt_block_view b;
	unsigned longest = 0;
	bool closed = false;
	int more;

	memcpy(&l.first, p->data, sizeof(l.first)); // PKT_MIN_LEN has one
	while ((more = pkt_block_next(&it, &b)) == 1) {
		if (unlikely(closed) ||
			(b.kind != PKT_KIND_ETH && !may_stand(w, b.kind, l.n_blocks))) {
			worker_drop(w, DROP_BLOCK_KIND, 1);
			return false;
		}
		closed = b.kind == PKT_KIND_FRAG_FIRST || b.kind == PKT_KIND_SUPER_FIRST;
		if ((b.kind == PKT_KIND_ETH || b.kind == PKT_KIND_FRAG_FIRST) && b.len > longest) {
			longest = b.len;
			l.keep = l.n_blocks;
		}
		l.n_blocks++;
	}
	if (more < 0) {
		worker_drop(w, DROP_BLOCK_LENGTH, 1);
		return false;
	}
	// The longest stays where it is. Of a packet that was opened elsewhere the last alone can
	// have the buffer: who sent it may be asked until then.
	if (p->home != NULL)
		l.keep = closed ? l.n_blocks - 1 : UINT32_MAX;
	*ret_layout = l;
	return true;
}

// Returns whether the packet's buffer became the frame's.
static inline bool whole_frame(struct worker *w, const struct stream_packet *p, struct pkt_block b,
	const uint8_t *payload, bool take, struct stream_inners *out)
{
	struct rte_mbuf *m = p->m;

	if (unlikely(b.len < PKT_FRAME_MIN || b.len > PKT_FRAME_MAX)) {
		worker_drop(w, b.len < PKT_FRAME_MIN ? DROP_RX_RUNT : DROP_RX_GIANT, 1);
		return false;
	}
	if (take) {
		m->data_off = payload - (uint8_t *)m->buf_addr;
		m->data_len = b.len;
		m->pkt_len = b.len;
	} else {
		m = worker_mbuf_copy(w, payload, b.len);
		if (m == NULL)
			return false;
	}
	emit(out, m, p->slot, b.segment);
	return take;
}

// A super-frame in one packet, as a large path has it.
static void whole_super(struct worker *w, const struct stream_packet *p,
	const struct pkt_block_view *b, struct stream_inners *out)
{
	struct rte_mbuf *m;

	if (!total_is_possible(b->len, true)) {
		worker_drop(w, DROP_SUPER_INVALID, 1);
	} else if ((m = worker_super_mbuf(w)) != NULL) {
		append(m, b->payload, b->len);
		emit_super(w, out, m, p->slot, b->segment);
	}
}

static void path_block(
	struct worker *w, const struct stream_packet *p, const struct pkt_block_view *b)
{
	static const uint8_t bytes[] = {
		[PKT_KIND_PROBE] = PKT_PROBE_PAYLOAD_LEN,
		[PKT_KIND_PROBE_ACK] = PKT_PROBE_ACK_PAYLOAD_LEN,
		[PKT_KIND_PATH_CHALLENGE] = PKT_PATH_PAYLOAD_LEN,
		[PKT_KIND_PATH_RESPONSE] = PKT_PATH_PAYLOAD_LEN,
	};

	if (b->len != bytes[b->kind]) {
		worker_drop(w, DROP_BLOCK_KIND, 1);
		return;
	}
	w->hooks->path_block(w, p->slot, b->kind, b->payload, b->len, p->view, p->port_idx);
}

// What is not a whole frame. Returns whether the packet's buffer became a frame's.
static bool other_block(struct worker *w, const struct stream_packet *p,
	const struct pkt_block_view *b, const struct layout *l, struct stream_inners *out)
{
	if (b->kind == PKT_KIND_FRAG_FIRST || b->kind == PKT_KIND_SUPER_FIRST) // the last
		return first_piece(w, p, b, l->keep == l->n_blocks - 1, out);
	if (b->kind == PKT_KIND_FRAG_NEXT)
		next_piece(w, p, b, l->n_blocks == 1, out);
	else if (b->kind == PKT_KIND_SUPER)
		whole_super(w, p, b, out);
	else
		path_block(w, p, b);
	return false;
}

// The blocks of a packet that survey() has looked at. Returns the same.
static bool take_apart(struct worker *w, const struct stream_packet *p, const struct layout *l,
	struct stream_inners *out)
{
	const uint8_t *payload = p->data + PKT_BLOCK_HDR_LEN;
	struct pkt_block b = l->first;
	bool taken = false;

	for (unsigned i = 0; i < l->n_blocks; i++) {
		if (i > 0)
			memcpy(&b, payload - PKT_BLOCK_HDR_LEN, sizeof(b));
		if (likely(b.kind == PKT_KIND_ETH)) {
			taken |= whole_frame(w, p, b, payload, i == l->keep, out);
		} else {
			struct pkt_block_view view = {b.kind, b.segment, b.len, payload};

			taken |= other_block(w, p, &view, l, out);
		}
		payload += b.len + PKT_BLOCK_HDR_LEN;
	}
	return taken;
}

void stream_unpack(struct worker *w, const struct stream_packet *p, struct stream_inners *out)
{
	struct layout l;
	bool good = survey(w, p, &l);

	stream_unplace(p);
	if (unlikely(!good)) {
		w->session_stats[p->slot].drops++;
		worker_mbuf_back(w, p->m);
		return;
	}
	// The blocks outlive the frame behind which they lie, whatever becomes of it.
	if (p->home != NULL)
		rte_mbuf_refcnt_set(p->home, 2);
	if (!take_apart(w, p, &l, out))
		worker_mbuf_back(w, p->m);
	if (p->home != NULL && rte_mbuf_refcnt_read(p->home) == 1)
		rte_pktmbuf_free(p->home);
	else if (p->home != NULL)
		rte_mbuf_refcnt_set(p->home, 1);
}
