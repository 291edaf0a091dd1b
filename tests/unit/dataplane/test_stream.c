// SPDX-License-Identifier: BSD-3-Clause
//
// Packing, splitting and putting together, with packets lost, doubled and out of order, and with
// packets that are authentic but wrong.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "dataplane/stream.h"
#include "tests/unit/dataplane/rig.h"

#define SLOT   5
#define HOST_B 0xb1
#define SOURCE 0x200u // of frame 0; one address a frame

struct pair {
	struct rig_gateway *a, *b;
	unsigned free_before;
};

static struct pair pair_new(uint16_t mtu, uint32_t reassembly_bytes)
{
	struct rig_options o = {.n_workers = 1, .reassembly_bytes = reassembly_bytes};
	struct pair p = {.free_before = rig_free_mbufs()};
	uint8_t mac[6];

	p.a = rig_gateway(1, &o);
	p.b = rig_gateway(2, &o);
	rig_join(p.a, p.b, SLOT, mtu, CIPHER_AES_256_GCM);
	rig_mac(mac, HOST_B);
	assert_int_equal(fdb_static_add(p.a->dp.fdb, mac, RIG_SEGMENT, fdb_dst(FDB_PEER, SLOT)), 0);
	assert_int_equal(fdb_static_add(p.b->dp.fdb, mac, RIG_SEGMENT, fdb_dst(FDB_LAN, 0)), 0);
	return p;
}

static void pair_free(struct pair *p)
{
	rig_gateway_free(p->a);
	rig_gateway_free(p->b);
	assert_int_equal(rig_free_mbufs(), p->free_before);
}

static uint32_t state = 1;

static uint32_t roll(uint32_t below)
{
	state = state * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)state * below >> 32);
}

static void swap(struct rte_mbuf **m, unsigned a, unsigned b)
{
	struct rte_mbuf *t = m[a];

	m[a] = m[b];
	m[b] = t;
}

// ---------------------------------------------------------------- wrong blocks

struct wrong {
	const char *name;
	enum drop_reason why;
	unsigned bytes;
	uint8_t blocks[40];
};

static const struct wrong wrongs[] = {
	{"a block longer than its packet", DROP_BLOCK_LENGTH, 8, {5, 0, 1, RIG_SEGMENT}},
	{"a frame shorter than an Ethernet header", DROP_RX_RUNT, 17, {13, 0, 1, RIG_SEGMENT}},
	{"an empty frame", DROP_RX_RUNT, 8, {0, 0, 1, RIG_SEGMENT}},
	{"kind 0 with a length", DROP_BLOCK_KIND, 8, {4, 0, 0, 0}},
	{"a kind of the control lane", DROP_BLOCK_KIND, 8, {4, 0, 16, 0}},
	{"a kind without meaning", DROP_BLOCK_KIND, 8, {4, 0, 200, 0}},
	{"a probe of the wrong size", DROP_BLOCK_KIND, 9, {5, 0, 4, 0}},
	{"a challenge of the wrong size", DROP_BLOCK_KIND, 8, {4, 0, 6, 0}},
	{"a first fragment without bytes", DROP_FRAG_LENGTH, 6, {2, 0, 2, RIG_SEGMENT, 100, 0}},
	{"a first fragment without a length", DROP_FRAG_LENGTH, 5, {1, 0, 2, RIG_SEGMENT, 100}},
	{"a first fragment of a runt", DROP_FRAG_LENGTH, 7, {3, 0, 2, RIG_SEGMENT, 13, 0}},
	{"a first fragment that is all", DROP_FRAG_LENGTH, 20, {16, 0, 2, RIG_SEGMENT, 14, 0}},
	{"a first fragment of a giant", DROP_FRAG_LENGTH, 10, {6, 0, 2, RIG_SEGMENT, 0xff, 0xff}},
	{"a first fragment that is not last", DROP_BLOCK_KIND, 28,
		{4, 0, 2, RIG_SEGMENT, 100, 0, 1, 2, 14, 0, 1, RIG_SEGMENT}},
	{"a next fragment that is not first", DROP_BLOCK_KIND, 26,
		{14, 0, 1, RIG_SEGMENT, [18] = 4, 0, 3, RIG_SEGMENT}},
	{"an empty next fragment", DROP_FRAG_LENGTH, 10, {0, 0, 3, RIG_SEGMENT, 2, 0, 1, 0}},
};

static void authentic_but_wrong_blocks_are_counted_and_deliver_nothing(void **)
{
	for (unsigned i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		struct pair p = pair_new(1500, 0);
		struct rte_mbuf *m = rig_seal(p.a, SLOT, wrongs[i].blocks, wrongs[i].bytes, 1000);

		rig_in(p.b, 0, RIG_WAN, &m, 1);
		if (rig_drops(p.b, wrongs[i].why) == 0 || p.b->out[RIG_LAN].n != 0 ||
			p.b->n_path_blocks != 0 || p.b->w[0]->session_stats[SLOT].rx_packets != 1)
			fail_msg("%s", wrongs[i].name);
		pair_free(&p);
	}
}

static void padding_and_keepalives_end_a_packet_quietly(void **)
{
	struct pair p = pair_new(1500, 0);
	uint8_t blocks[100] = {20, 0, 1, RIG_SEGMENT, 2, 0, 0, 0, 0, HOST_B, 2, 0, 0, 0, 0, 1};
	struct rte_mbuf *m;

	// One frame, then zeros; then three bytes less than a block header needs.
	for (unsigned bytes = 24; bytes < 100; bytes++) {
		m = rig_seal(p.a, SLOT, blocks, bytes, bytes);
		rig_in(p.b, 0, RIG_WAN, &m, 1);
	}
	m = rig_seal(p.a, SLOT, blocks + 50, 4, 500);
	rig_in(p.b, 0, RIG_WAN, &m, 1);
	assert_int_equal(p.b->out[RIG_LAN].n, 76);
	assert_int_equal(rig_all_drops(p.b), 0);
	pair_free(&p);
}

// ---------------------------------------------------------------- fragments by hand

static struct rte_mbuf *first_of(
	struct pair *p, uint32_t slot, uint64_t counter, uint16_t total, uint16_t have)
{
	uint8_t b[2000] = {0};

	put_le16(b, 2 + have);
	b[2] = PKT_KIND_FRAG_FIRST;
	b[3] = RIG_SEGMENT;
	put_le16(b + 4, total);
	rig_mac(b + 6, HOST_B);
	rig_mac(b + 12, counter + 1);
	return rig_seal(p->a, slot, b, 6 + have, counter);
}

static struct rte_mbuf *first(struct pair *p, uint64_t counter, uint16_t total, uint16_t have)
{
	return first_of(p, SLOT, counter, total, have);
}

static struct rte_mbuf *next(struct pair *p, uint64_t counter, uint16_t have, bool then_frame)
{
	uint8_t b[2000] = {0};
	unsigned at = 4 + have;

	put_le16(b, have);
	b[2] = PKT_KIND_FRAG_NEXT;
	b[3] = RIG_SEGMENT;
	if (then_frame) {
		put_le16(b + at, 14);
		b[at + 2] = PKT_KIND_ETH;
		b[at + 3] = RIG_SEGMENT;
		rig_mac(b + at + 4, HOST_B);
		rig_mac(b + at + 10, 0x99);
		at += 18;
	}
	return rig_seal(p->a, SLOT, b, at, counter);
}

static void in(struct pair *p, struct rte_mbuf *m)
{
	rig_in(p->b, 0, RIG_WAN, &m, 1);
}

static void fragments_that_do_not_follow_each_other_make_no_frame(void **)
{
	struct pair p = pair_new(1500, 0);

	in(&p, first(&p, 10, 200, 100));
	in(&p, next(&p, 12, 100, false)); // 11 is missing: this one never joins 10
	assert_int_equal(p.b->out[RIG_LAN].n, 0);
	assert_int_equal(stream_held(p.b->w[0]), 2);
	rig_clock(p.b, p.b->w[0]->now_ns + STREAM_HOLD_NS + 1);
	rig_settle(p.b);
	assert_int_equal(rig_drops(p.b, DROP_FRAG_TIMEOUT), 1);
	assert_int_equal(rig_drops(p.b, DROP_FRAG_ORPHAN), 1);
	assert_int_equal(stream_held(p.b->w[0]), 0);
	in(&p, next(&p, 11, 100, false)); // too late
	assert_int_equal(p.b->out[RIG_LAN].n, 0);
	pair_free(&p);
}

static void fragments_join_in_either_order_within_100_ms(void **)
{
	struct pair p = pair_new(1500, 0);

	in(&p, first(&p, 10, 200, 100));
	rig_clock(p.b, p.b->w[0]->now_ns + STREAM_HOLD_NS);
	in(&p, next(&p, 11, 100, true));
	assert_int_equal(p.b->out[RIG_LAN].n, 2);
	in(&p, next(&p, 22, 50, false));
	in(&p, next(&p, 21, 50, false));
	in(&p, first(&p, 20, 200, 100));
	assert_int_equal(p.b->out[RIG_LAN].n, 3);
	assert_int_equal(p.b->out[RIG_LAN].m[2]->data_len, 200);
	assert_int_equal(rig_all_drops(p.b), 0);
	assert_int_equal(stream_held(p.b->w[0]), 0);
	pair_free(&p);
}

static void fragments_that_add_up_to_more_or_stop_early_are_dropped(void **)
{
	struct pair p = pair_new(1500, 0);

	in(&p, first(&p, 10, 200, 100));
	in(&p, next(&p, 11, 101, false)); // one byte too many
	assert_int_equal(rig_drops(p.b, DROP_FRAG_LENGTH), 1);
	in(&p, first(&p, 20, 200, 100));
	in(&p, next(&p, 21, 99, true)); // another block follows, so it had to be complete
	assert_int_equal(rig_drops(p.b, DROP_FRAG_LENGTH), 2);
	assert_int_equal(p.b->out[RIG_LAN].n, 1); // that other block's frame
	assert_int_equal(stream_held(p.b->w[0]), 0);
	pair_free(&p);
}

static void a_lane_holds_64_open_frames_and_the_budget_gives_up_the_oldest(void **)
{
	struct pair p = pair_new(1500, 0);

	for (unsigned i = 0; i < 70; i++)
		in(&p, first(&p, 10 * i, 200, 100));
	assert_int_equal(stream_held(p.b->w[0]), STREAM_OPEN_MAX);
	assert_int_equal(rig_drops(p.b, DROP_FRAG_BUDGET), 6);
	in(&p, next(&p, 51, 100, false)); // of the last one given up: an orphan now, like others
	assert_int_equal(p.b->out[RIG_LAN].n, 0);
	in(&p, next(&p, 691, 100, false)); // the newest is not the one to suffer
	assert_int_equal(p.b->out[RIG_LAN].n, 1);
	pair_free(&p);

	p = pair_new(1500, 100000); // nine packets of this pool
	for (unsigned i = 0; i < 20; i++)
		in(&p, first(&p, 10 * i, 200, 100));
	assert_int_equal(stream_held(p.b->w[0]), 9);
	assert_int_equal(rig_drops(p.b, DROP_FRAG_BUDGET), 11);
	in(&p, next(&p, 1, 100, false)); // of the oldest
	in(&p, next(&p, 191, 100, false));
	assert_int_equal(p.b->out[RIG_LAN].n, 1);
	pair_free(&p);
}

static void a_peer_that_never_completes_frames_pushes_out_its_own(void **)
{
	struct pair p = pair_new(1500, 200000); // eighteen packets of this pool

	rig_join(p.a, p.b, SLOT + 1, 1500, CIPHER_AES_256_GCM);
	for (unsigned i = 0; i < 30; i++)
		in(&p, first_of(&p, SLOT + 1, 10 * i, 200, 100));
	in(&p, first(&p, 10, 200, 100));
	for (unsigned i = 30; i < 60; i++)
		in(&p, first_of(&p, SLOT + 1, 10 * i, 200, 100));
	in(&p, next(&p, 11, 100, false));
	assert_int_equal(p.b->out[RIG_LAN].n, 1);
	pair_free(&p);
}

static void a_wiped_lane_gives_up_what_it_holds(void **)
{
	struct pair p = pair_new(1500, 0);

	in(&p, first(&p, 10, 200, 100));
	assert_int_equal(rig_retire(p.b, SLOT, 1), 0);
	assert_int_equal(stream_held(p.b->w[0]), 0);
	assert_int_equal(rig_drops(p.b, DROP_FRAG_INCOMPLETE), 1);
	pair_free(&p);
}

// ---------------------------------------------------------------- opened where it belongs

#define ROOM 1440u // for blocks, in a packet of a path of 1500

struct packed { // blocks of one packet
	unsigned bytes;
	uint8_t b[4096];
};

static void put_block(struct packed *p, uint8_t kind, const uint8_t *payload, unsigned bytes)
{
	uint8_t *b = p->b + p->bytes;

	put_le16(b, bytes);
	b[2] = kind;
	b[3] = RIG_SEGMENT;
	memcpy(b + PKT_BLOCK_HDR_LEN, payload, bytes);
	p->bytes += PKT_BLOCK_HDR_LEN + bytes;
}

static void put_first(struct packed *p, const uint8_t *frame, unsigned total, unsigned bytes)
{
	uint8_t payload[4096];

	put_le16(payload, total);
	memcpy(payload + PKT_FRAG_TOTAL_LEN, frame, bytes);
	put_block(p, PKT_KIND_FRAG_FIRST, payload, PKT_FRAG_TOTAL_LEN + bytes);
}

static void frame_bytes(uint8_t *frame, unsigned number, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		frame[i] = number * 89 + i * 7 + (i >> 8);
	rig_mac(frame, HOST_B);
	rig_mac(frame + 6, SOURCE + number);
}

static struct rte_mbuf *sealed(struct pair *p, const struct packed *blocks, uint64_t counter)
{
	return rig_seal(p->a, SLOT, blocks->b, blocks->bytes, counter);
}

static bool came(const struct pair *p, unsigned i, const uint8_t *frame, unsigned bytes)
{
	const struct rig_out *o = &p->b->out[RIG_LAN];

	return i < o->n && o->m[i]->data_len == bytes && o->m[i]->nb_segs == 1 &&
	       rte_mbuf_refcnt_read(o->m[i]) == 1 &&
	       memcmp(rte_pktmbuf_mtod(o->m[i], uint8_t *), frame, bytes) == 0;
}

// Frames of 1514 bytes, the first of them cut after `have`; behind the rest of each the next
// begins.
static void cut_after(struct pair *p, uint64_t counter, unsigned have, bool swapped)
{
	enum { TOTAL = 1514, N = 4 };
	struct rte_mbuf *m[8];
	struct packed blocks = {0};
	uint8_t frame[N][TOTAL];
	unsigned n = 0, at = have;

	for (unsigned i = 0; i < N; i++)
		frame_bytes(frame[i], i, TOTAL);
	put_first(&blocks, frame[0], TOTAL, have);
	m[n++] = sealed(p, &blocks, counter);
	for (unsigned i = 0; i < N;) {
		unsigned bytes = RTE_MIN(TOTAL - at, ROOM - PKT_BLOCK_HDR_LEN);

		blocks.bytes = 0;
		put_block(&blocks, PKT_KIND_FRAG_NEXT, frame[i] + at, bytes);
		at += bytes;
		if (at == TOTAL && ++i < N) {
			unsigned room = ROOM - blocks.bytes;

			at = room > 70 ? room - PKT_BLOCK_HDR_LEN - PKT_FRAG_TOTAL_LEN : 1;
			put_first(&blocks, frame[i], TOTAL, at);
		}
		m[n] = sealed(p, &blocks, counter + n);
		n++;
	}
	for (unsigned i = 1; swapped && i + 1 < n; i += 2)
		swap(m, i, i + 1);
	rig_in(p->b, 0, RIG_WAN, m, n);
	for (unsigned i = 0; i < N; i++) {
		if (!came(p, i, frame[i], TOTAL))
			fail_msg("frame %u, the first cut after %u", i, have);
	}
	assert_int_equal(p->b->out[RIG_LAN].n, N);
	assert_int_equal(stream_held(p->b->w[0]), 0);
	rig_discard(&p->b->out[RIG_LAN]);
}

static void frames_cut_anywhere_arrive_whole(void **)
{
	struct pair p = pair_new(1500, 0);

	for (unsigned have = 1; have <= ROOM - PKT_BLOCK_HDR_LEN - PKT_FRAG_TOTAL_LEN; have++) {
		cut_after(&p, 20 * have, have, false);
		cut_after(&p, 20 * have + 10, have, true);
	}
	assert_int_equal(rig_all_drops(p.b), 0);
	pair_free(&p);
}

// The same in packets that have room for little more than one frame.
static void frames_cut_anywhere_arrive_whole_in_tight_packets(void **s)
{
	rig_pool(2047, 2048 - RTE_PKTMBUF_HEADROOM);
	frames_cut_anywhere_arrive_whole(s);
}

// A frame's rest forged, with an old counter, with a flipped bit in each byte: the true one still
// finds the frame as it was.
static void false_packets_leave_the_frame_they_aim_at_as_it_was(void **)
{
	struct pair p = pair_new(1500, 0);
	struct packed head = {0}, rest = {0};
	uint8_t frame[1000];
	struct rte_mbuf *m;
	unsigned bytes;

	frame_bytes(frame, 0, sizeof(frame));
	put_first(&head, frame, sizeof(frame), 100);
	put_block(&rest, PKT_KIND_FRAG_NEXT, frame + 100, 900);
	in(&p, sealed(&p, &head, 10));
	m = sealed(&p, &rest, 11);
	bytes = m->data_len;
	for (unsigned i = OUTER_IPV4_BYTES + PKT_DATA_HDR_LEN; i < bytes; i++) {
		struct rte_mbuf *bad = rig_bytes(rte_pktmbuf_mtod(m, uint8_t *), bytes);

		rte_pktmbuf_mtod(bad, uint8_t *)[i] ^= 1 << i % 8;
		in(&p, bad);
	}
	assert_int_equal(rig_drops(p.b, DROP_AUTH), bytes - OUTER_IPV4_BYTES - PKT_DATA_HDR_LEN);
	assert_int_equal(p.b->out[RIG_LAN].n, 0);
	in(&p, rig_bytes(rte_pktmbuf_mtod(m, uint8_t *), bytes));
	in(&p, m); // once more: a replay
	assert_true(came(&p, 0, frame, sizeof(frame)));
	assert_int_equal(p.b->out[RIG_LAN].n, 1);
	assert_int_equal(rig_drops(p.b, DROP_REPLAY_DUP), 1);
	pair_free(&p);
}

// What an authentic packet may bring in place of the rest that its counter promises.
static void other_blocks_in_place_of_the_rest_are_told_from_it(void **)
{
	static const uint8_t kinds[] = {PKT_KIND_ETH, PKT_KIND_FRAG_NEXT, 200};
	uint8_t frame[1000], other[700], small[60];

	frame_bytes(frame, 0, sizeof(frame));
	frame_bytes(other, 1, sizeof(other));
	frame_bytes(small, 2, sizeof(small));
	for (unsigned i = 0; i < sizeof(kinds); i++) {
		struct pair p = pair_new(1500, 0);
		struct packed head = {0}, rest = {0};
		unsigned n = 0;

		put_first(&head, frame, sizeof(frame), 100);
		in(&p, sealed(&p, &head, 10));
		put_block(&rest, kinds[i], other, sizeof(other)); // as a piece too short
		put_block(&rest, PKT_KIND_ETH, small, sizeof(small));
		put_first(&rest, frame, sizeof(frame), 200);
		in(&p, sealed(&p, &rest, 11));
		if (kinds[i] == PKT_KIND_ETH)
			assert_true(came(&p, n++, other, sizeof(other)));
		if (kinds[i] != 200) {
			assert_true(came(&p, n++, small, sizeof(small)));
			rest.bytes = 0;
			put_block(&rest, PKT_KIND_FRAG_NEXT, frame + 200, 800);
			in(&p, sealed(&p, &rest, 12));
			assert_true(came(&p, n++, frame, sizeof(frame)));
		}
		assert_int_equal(p.b->out[RIG_LAN].n, n);
		assert_int_equal(rig_drops(p.b, DROP_FRAG_LENGTH), kinds[i] == PKT_KIND_FRAG_NEXT);
		assert_int_equal(rig_drops(p.b, DROP_BLOCK_KIND), kinds[i] == 200);
		pair_free(&p);
	}
}

// ---------------------------------------------------------------- random streams

#define FRAMES 200

struct sent {
	uint16_t bytes[FRAMES];
	bool arrived[FRAMES];
};

static void send_random_frames(struct pair *p, struct sent *s, unsigned most)
{
	struct rte_mbuf *burst[BATCH_MAX];
	unsigned n = 0, size = 1 + roll(BATCH_MAX);

	memset(s, 0, sizeof(*s));
	for (unsigned i = 0; i < FRAMES; i++) {
		s->bytes[i] = 14 + roll(roll(3) == 0 ? most - 13 : RTE_MIN(most - 13, 400u));
		burst[n++] = rig_frame(HOST_B, SOURCE + i, s->bytes[i], i);
		if (n == size || i == FRAMES - 1) {
			rig_in(p->a, 0, RIG_LAN, burst, n);
			n = 0;
			size = 1 + roll(BATCH_MAX);
		}
	}
}

// Every frame that came is one that was sent, whole, and came once. Returns how many.
static unsigned check_arrived(struct pair *p, struct sent *s)
{
	struct rig_out *o = &p->b->out[RIG_LAN];

	for (unsigned i = 0; i < o->n; i++) {
		const uint8_t *data = rte_pktmbuf_mtod(o->m[i], const uint8_t *);
		unsigned number = (data[10] << 8 | data[11]) - SOURCE;

		assert_true(number < FRAMES);
		assert_false(s->arrived[number]);
		assert_true(
			rig_frame_is(o->m[i], HOST_B, SOURCE + number, s->bytes[number], number));
		s->arrived[number] = true;
	}
	return o->n;
}

static void random_frames_through_random_mtus_arrive_whole_and_in_order(void **)
{
	for (unsigned round = 0; round < 150; round++) {
		uint16_t mtu = round % 3 == 0 ? 1280 : 1280 + roll(7721);
		struct pair p = pair_new(mtu, 0);
		struct sent s;

		send_random_frames(&p, &s, 9224);
		rig_carry(p.a, p.b, 0);
		assert_int_equal(check_arrived(&p, &s), FRAMES);
		for (unsigned i = 0; i < FRAMES; i++) {
			const uint8_t *data =
				rte_pktmbuf_mtod(p.b->out[RIG_LAN].m[i], const uint8_t *);

			assert_int_equal(data[10] << 8 | data[11], SOURCE + i);
		}
		assert_int_equal(rig_all_drops(p.b), 0);
		pair_free(&p);
	}
}

static void reordered_packets_still_give_every_frame(void **)
{
	for (unsigned round = 0; round < 100; round++) {
		struct pair p = pair_new(1280 + roll(1000), 0);
		struct rig_out *o = &p.a->out[RIG_WAN];
		struct sent s;

		send_random_frames(&p, &s, 9224);
		for (unsigned i = 0; i + 1 < o->n; i++)
			swap(o->m, i, i + roll(RTE_MIN(8u, o->n - i)));
		rig_carry(p.a, p.b, 0);
		assert_int_equal(check_arrived(&p, &s), FRAMES);
		assert_int_equal(stream_held(p.b->w[0]), 0);
		pair_free(&p);
	}
}

static void lost_and_doubled_packets_never_give_wrong_bytes(void **)
{
	for (unsigned round = 0; round < 100; round++) {
		struct pair p = pair_new(1280 + roll(2000), 0);
		struct rig_out *o = &p.a->out[RIG_WAN];
		unsigned kept = 0, n;
		struct sent s;

		send_random_frames(&p, &s, 9224);
		n = o->n;
		for (unsigned i = 0; i < n; i++) {
			if (roll(5) == 0)
				rte_pktmbuf_free(o->m[i]);
			else
				o->m[kept++] = o->m[i];
		}
		for (unsigned i = 0; i < kept / 4 && kept < RIG_OUT_MAX; i++) {
			const struct rte_mbuf *m = o->m[roll(kept)];

			o->m[kept++] = rig_bytes(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
		}
		for (unsigned i = 0; i + 1 < kept; i++)
			swap(o->m, i, i + roll(RTE_MIN(20u, kept - i)));
		o->n = kept;
		rig_carry(p.a, p.b, 0);
		assert_true(check_arrived(&p, &s) < FRAMES);
		rig_clock(p.b, p.b->w[0]->now_ns + STREAM_HOLD_NS + 1);
		rig_settle(p.b);
		assert_int_equal(stream_held(p.b->w[0]), 0);
		pair_free(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(authentic_but_wrong_blocks_are_counted_and_deliver_nothing),
		cmocka_unit_test(padding_and_keepalives_end_a_packet_quietly),
		cmocka_unit_test(fragments_that_do_not_follow_each_other_make_no_frame),
		cmocka_unit_test(fragments_join_in_either_order_within_100_ms),
		cmocka_unit_test(fragments_that_add_up_to_more_or_stop_early_are_dropped),
		cmocka_unit_test(a_lane_holds_64_open_frames_and_the_budget_gives_up_the_oldest),
		cmocka_unit_test(a_peer_that_never_completes_frames_pushes_out_its_own),
		cmocka_unit_test(a_wiped_lane_gives_up_what_it_holds),
		cmocka_unit_test(frames_cut_anywhere_arrive_whole),
		cmocka_unit_test(false_packets_leave_the_frame_they_aim_at_as_it_was),
		cmocka_unit_test(other_blocks_in_place_of_the_rest_are_told_from_it),
		cmocka_unit_test(random_frames_through_random_mtus_arrive_whole_and_in_order),
		cmocka_unit_test(reordered_packets_still_give_every_frame),
		cmocka_unit_test(lost_and_doubled_packets_never_give_wrong_bytes),
		// the last, as it changes the pool
		cmocka_unit_test(frames_cut_anywhere_arrive_whole_in_tight_packets),
	};

	rig_init(8191, 10240);
	cmocka_set_test_filter(getenv("ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
