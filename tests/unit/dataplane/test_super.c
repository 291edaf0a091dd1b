// SPDX-License-Identifier: BSD-3-Clause
//
// Super-frames between gateways: whole to who takes them, as segments to who does not, and nothing
// of what a peer may lie about reaches a port.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "dataplane/gso.h"
#include "dataplane/stream.h"
#include "tests/unit/dataplane/rig.h"
#include "tests/unit/dataplane/vectors.h"

#define SLOT    5
#define FRAME   2048
#define HOST_B  2 // as in the vectors
#define LARGEST 64000

struct pair {
	struct rig_gateway *a, *b;
	unsigned free_before, supers_before;
};

static struct pair pair_new(uint16_t mtu, bool a_super, bool b_super)
{
	struct rig_options oa = {.n_workers = 1, .super = a_super};
	struct rig_options ob = {.n_workers = 1, .super = b_super, .reassembly_bytes = 1 << 20};
	struct pair p = {.free_before = rig_free_mbufs(), .supers_before = rig_free_supers()};
	uint8_t mac[6];

	p.a = rig_gateway(1, &oa);
	p.b = rig_gateway(2, &ob);
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
	assert_int_equal(rig_free_supers(), p->supers_before);
}

static void frame_is(const struct rte_mbuf *m, const uint8_t *want, uint32_t bytes)
{
	assert_int_equal(m->data_len, bytes);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), want, bytes);
}

// A TCP super-frame of `bytes` out of a vector's headers.
static void grow(uint8_t *frame, uint32_t bytes)
{
	uint16_t size;
	uint32_t had = vector_super("tcp4", frame, FRAME, &size);

	for (uint32_t i = had; i < bytes; i++)
		frame[i] = i * 31 + (i >> 8);
	put_be16(frame + 16, bytes - 14);
}

// ---------------------------------------------------------------- lies

static unsigned block(uint8_t *at, uint8_t kind, uint16_t head, uint16_t size, uint16_t zero,
	const uint8_t *frame, unsigned bytes)
{
	unsigned n = head != 0 ? 2 : 0;

	put_le16(at, n + 4 + bytes);
	at[2] = kind;
	at[3] = RIG_SEGMENT;
	if (head != 0)
		put_le16(at + 4, head);
	put_le16(at + 4 + n, size);
	put_le16(at + 6 + n, zero);
	memcpy(at + 8 + n, frame, bytes);
	return 8 + n + bytes;
}

static void what_a_peer_lies_about_reaches_no_port(void **)
{
	struct pair p = pair_new(1500, true, true);
	uint8_t frame[FRAME], blocks[FRAME + 64];
	struct rte_mbuf *m;
	uint16_t size;
	uint32_t bytes = vector_super("tcp4", frame, FRAME, &size);
	const struct {
		const char *what;
		uint8_t kind;
		uint16_t head, size, zero;
		unsigned bytes;
		enum drop_reason why;
	} lies[] = {
		{"a segment size of zero", PKT_KIND_SUPER, 0, 0, 0, bytes, DROP_SUPER_INVALID},
		{"reserved bytes", PKT_KIND_SUPER, 0, size, 1, bytes, DROP_SUPER_INVALID},
		{"one segment", PKT_KIND_SUPER, 0, 1400, 0, bytes, DROP_SUPER_INVALID},
		{"a frame cut off", PKT_KIND_SUPER, 0, size, 0, bytes - 1, DROP_SUPER_INVALID},
		{"headers alone", PKT_KIND_SUPER, 0, size, 0, 54, DROP_SUPER_INVALID},
		{"no frame", PKT_KIND_SUPER, 0, size, 0, 13, DROP_SUPER_INVALID},
		{"a total too large", PKT_KIND_SUPER_FIRST, PKT_SUPER_MAX + 5, size, 0, bytes,
			DROP_FRAG_LENGTH},
		{"a total too small", PKT_KIND_SUPER_FIRST, 17, size, 0, 10, DROP_FRAG_LENGTH},
		{"a first piece that is all", PKT_KIND_SUPER_FIRST, bytes + 4, size, 0, bytes,
			DROP_FRAG_LENGTH},
	};

	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		uint64_t before = rig_drops(p.b, lies[i].why);
		unsigned n = block(blocks, lies[i].kind, lies[i].head, lies[i].size, lies[i].zero,
			frame, lies[i].bytes);

		m = rig_seal(p.a, SLOT, blocks, n, 100 + i);
		rig_in(p.b, 0, RIG_WAN, &m, 1);
		if (rig_drops(p.b, lies[i].why) != before + 1 || p.b->out[RIG_LAN].n != 0)
			fail_msg("not refused: %s", lies[i].what);
	}
	// The same without a lie.
	m = rig_seal(
		p.a, SLOT, blocks, block(blocks, PKT_KIND_SUPER, 0, size, 0, frame, bytes), 200);
	rig_in(p.b, 0, RIG_WAN, &m, 1);
	assert_int_equal(p.b->out[RIG_LAN].n, 1);
	frame_is(p.b->out[RIG_LAN].m[0], frame, bytes);
	assert_int_equal(mbuf_super(p.b->out[RIG_LAN].m[0]), size);
	pair_free(&p);
}

static void who_announced_nothing_takes_no_super_frame(void **)
{
	struct pair p = pair_new(1500, true, false);
	uint8_t frame[FRAME], blocks[FRAME + 64];
	uint16_t size;
	uint32_t bytes = vector_super("tcp4", frame, FRAME, &size);

	for (uint8_t kind = PKT_KIND_SUPER; kind <= PKT_KIND_SUPER_FIRST; kind++) {
		unsigned n = block(
			blocks, kind, kind == PKT_KIND_SUPER ? 0 : 5000, size, 0, frame, bytes);
		struct rte_mbuf *m = rig_seal(p.a, SLOT, blocks, n, 100 + kind);

		rig_in(p.b, 0, RIG_WAN, &m, 1);
	}
	assert_int_equal(rig_drops(p.b, DROP_BLOCK_KIND), 2);
	assert_int_equal(p.b->out[RIG_LAN].n, 0);
	pair_free(&p);
}

static void super_frames_that_never_end_cost_no_more_than_the_budget(void **)
{
	struct pair p = pair_new(1500, true, true);
	uint8_t blocks[FRAME], frame[FRAME];
	uint16_t size;

	(void)vector_super("tcp4", frame, FRAME, &size);
	for (unsigned i = 0; i < 60; i++) {
		unsigned n = block(blocks, PKT_KIND_SUPER_FIRST, 60000, size, 0, frame, 1000);
		struct rte_mbuf *m = rig_seal(p.a, SLOT, blocks, n, 100 + 2 * i);

		rig_in(p.b, 0, RIG_WAN, &m, 1);
		assert_true(p.supers_before - rig_free_supers() <= (1 << 20) / 60000);
	}
	assert_true(rig_drops(p.b, DROP_FRAG_BUDGET) >= 60 - (1 << 20) / 60000 - 1);
	rig_clock(p.b, p.b->w[0]->now_ns + 2 * STREAM_HOLD_NS);
	stream_expire(p.b->w[0]);
	assert_int_equal(rig_free_supers(), p.supers_before);
	pair_free(&p);
}

static void few_large_pieces_push_out_no_other_peers_small_ones(void **)
{
	struct pair p = pair_new(1500, true, true);
	uint8_t blocks[FRAME], frame[FRAME];
	struct rte_mbuf *m;
	uint16_t size;
	unsigned n;

	(void)vector_super("tcp4", frame, FRAME, &size);
	rig_join(p.a, p.b, SLOT + 1, 1500, CIPHER_AES_256_GCM);
	for (unsigned i = 0; i < STREAM_OPEN_MAX; i++) {
		put_le32(blocks, 102 | PKT_KIND_FRAG_FIRST << 16 | RIG_SEGMENT << 24);
		put_le16(blocks + 4, 200);
		memcpy(blocks + 6, frame, 100);
		m = rig_seal(p.a, SLOT, blocks, 106, 100 + 2 * i);
		rig_in(p.b, 0, RIG_WAN, &m, 1);
	}
	// Of the memory more than a quarter, of the pieces fewer.
	for (unsigned i = 0; i < STREAM_OPEN_MAX / 4; i++) {
		n = block(blocks, PKT_KIND_SUPER_FIRST, 60000, size, 0, frame, 1000);
		m = rig_seal(p.a, SLOT + 1, blocks, n, 100 + 2 * i);
		rig_in(p.b, 0, RIG_WAN, &m, 1);
	}
	assert_true(rig_drops(p.b, DROP_FRAG_BUDGET) > 0);
	for (unsigned i = 0; i < STREAM_OPEN_MAX; i++) {
		put_le32(blocks, 100 | PKT_KIND_FRAG_NEXT << 16 | RIG_SEGMENT << 24);
		m = rig_seal(p.a, SLOT, blocks, 104, 101 + 2 * i);
		rig_in(p.b, 0, RIG_WAN, &m, 1);
	}
	assert_int_equal(p.b->out[RIG_LAN].n, STREAM_OPEN_MAX);
	pair_free(&p);
}

// ---------------------------------------------------------------- whole

static void super_frames_of_every_kind_cross_whole(void **)
{
	static const uint16_t mtus[] = {1280, 1500, 9000};
	static uint8_t large[LARGEST];

	grow(large, LARGEST);
	for (unsigned i = 0; i < 3; i++) {
		struct pair p = pair_new(mtus[i], true, true);
		struct rte_mbuf *m;
		uint8_t frame[FRAME];
		uint16_t size;

		for (unsigned c = 0; c < VECTOR_CASES; c++) {
			uint32_t bytes = vector_super(vector_cases[c], frame, FRAME, &size);

			m = rig_super(frame, bytes, size);
			rig_in(p.a, 0, RIG_LAN, &m, 1);
			rig_carry(p.a, p.b, 0);
			assert_int_equal(p.b->out[RIG_LAN].n, 1);
			frame_is(p.b->out[RIG_LAN].m[0], frame, bytes);
			assert_int_equal(mbuf_super(p.b->out[RIG_LAN].m[0]), size);
			rig_discard(&p.b->out[RIG_LAN]);
		}
		m = rig_super(large, LARGEST, 1448);
		rig_in(p.a, 0, RIG_LAN, &m, 1);
		assert_true(p.a->out[RIG_WAN].n <= 2 + LARGEST / (mtus[i] - 100u));
		rig_carry(p.a, p.b, 0);
		assert_int_equal(p.b->out[RIG_LAN].n, 1);
		frame_is(p.b->out[RIG_LAN].m[0], large, LARGEST);
		assert_int_equal(rig_all_drops(p.a) + rig_all_drops(p.b), 0);
		pair_free(&p);
	}
}

static void ordinary_frames_keep_their_place_between_super_frames(void **)
{
	struct pair p = pair_new(1500, true, true);
	uint8_t frame[FRAME];
	struct rte_mbuf *m[3];
	uint16_t size;
	uint32_t bytes = vector_super("tcp6", frame, FRAME, &size);

	m[0] = rig_frame(HOST_B, 1, 100, 1);
	m[1] = rig_super(frame, bytes, size);
	m[2] = rig_frame(HOST_B, 1, 1514, 2);
	rig_in(p.a, 0, RIG_LAN, m, 3);
	rig_carry(p.a, p.b, 0);
	assert_int_equal(p.b->out[RIG_LAN].n, 3);
	assert_true(rig_frame_is(p.b->out[RIG_LAN].m[0], HOST_B, 1, 100, 1));
	frame_is(p.b->out[RIG_LAN].m[1], frame, bytes);
	assert_true(rig_frame_is(p.b->out[RIG_LAN].m[2], HOST_B, 1, 1514, 2));
	assert_int_equal(mbuf_super(p.b->out[RIG_LAN].m[0]), 0);
	assert_int_equal(mbuf_super(p.b->out[RIG_LAN].m[2]), 0);
	pair_free(&p);
}

static void a_segment_longer_than_the_port_is_dropped_as_any_frame(void **)
{
	struct pair p = pair_new(1500, true, true);
	static uint8_t large[LARGEST];

	p.b->dp.port[RIG_LAN].mtu = 1500;
	grow(large, LARGEST);
	for (unsigned over = 0; over < 2; over++) {
		// 20 bytes of IP and 32 of TCP before it.
		struct rte_mbuf *m = rig_super(large, LARGEST, 1500 - 52 + over);

		rig_in(p.a, 0, RIG_LAN, &m, 1);
		rig_carry(p.a, p.b, 0);
		assert_int_equal(p.b->out[RIG_LAN].n, 1);
		assert_int_equal(rig_drops(p.b, DROP_TX_MTU), over);
	}
	pair_free(&p);
}

// ---------------------------------------------------------------- segments

static void to_who_takes_none_the_segments_go(void **)
{
	for (unsigned c = 0; c < VECTOR_CASES; c++) {
		struct pair p = pair_new(1500, true, false);
		uint8_t frame[FRAME], want[FRAME];
		struct rte_mbuf *m;
		uint16_t size;
		uint32_t bytes = vector_super(vector_cases[c], frame, FRAME, &size), n;
		unsigned i = 0;

		m = rig_super(frame, bytes, size);
		rig_in(p.a, 0, RIG_LAN, &m, 1);
		rig_carry(p.a, p.b, 0);
		for (; (n = vector_segment(vector_cases[c], i, want, FRAME)) != 0; i++) {
			assert_true(i < p.b->out[RIG_LAN].n);
			frame_is(p.b->out[RIG_LAN].m[i], want, n);
			assert_int_equal(mbuf_super(p.b->out[RIG_LAN].m[i]), 0);
		}
		assert_int_equal(p.b->out[RIG_LAN].n, i);
		assert_int_equal(rig_all_drops(p.a) + rig_all_drops(p.b), 0);
		pair_free(&p);
	}
}

static void a_flood_reaches_each_in_the_form_it_takes(void **)
{
	struct rig_options plain = {.n_workers = 1}, super = {.n_workers = 1, .super = true};
	unsigned mbufs = rig_free_mbufs(), supers = rig_free_supers();
	struct rig_gateway *a = rig_gateway(1, &super);
	struct rig_gateway *b = rig_gateway(2, &super), *c = rig_gateway(3, &plain);
	uint8_t frame[FRAME], want[FRAME];
	struct rte_mbuf *m;
	uint16_t size;
	uint32_t bytes = vector_super("udp4", frame, FRAME, &size);

	rig_join(a, b, SLOT, 1500, CIPHER_AES_256_GCM);
	rig_join(a, c, SLOT + 1, 1500, CIPHER_CHACHA20);
	m = rig_super(frame, bytes, size);
	rig_in(a, 0, RIG_LAN, &m, 1);
	// On the LAN beside it: a port that takes none, in VLAN 100.
	assert_int_equal(a->out[RIG_LAN2].n, 5);
	for (unsigned i = 0; i < 5; i++) {
		uint32_t n = vector_segment("udp4", i, want, FRAME);
		const uint8_t *got = rte_pktmbuf_mtod(a->out[RIG_LAN2].m[i], const uint8_t *);

		assert_int_equal(a->out[RIG_LAN2].m[i]->data_len, n + 4);
		assert_memory_equal(got, want, 12);
		assert_memory_equal(got + 12, "\x81\x00\x00\x64", 4);
		assert_memory_equal(got + 16, want + 12, n - 12);
	}
	// To both peers; each drops what is the other's as a key it does not know.
	for (unsigned i = 0; i < a->out[RIG_WAN].n; i++) {
		m = rig_bytes(rte_pktmbuf_mtod(a->out[RIG_WAN].m[i], const uint8_t *),
			a->out[RIG_WAN].m[i]->data_len);
		memcpy(rte_pktmbuf_mtod(m, uint8_t *), c->dp.port[RIG_WAN].mac, 6);
		rig_in(c, 0, RIG_WAN, &m, 1);
	}
	rig_carry(a, b, 0);
	assert_int_equal(b->out[RIG_LAN].n, 1);
	frame_is(b->out[RIG_LAN].m[0], frame, bytes);
	assert_int_equal(mbuf_super(b->out[RIG_LAN].m[0]), size);
	assert_int_equal(b->out[RIG_LAN2].n, 5);
	assert_int_equal(c->out[RIG_LAN].n, 5);
	frame_is(c->out[RIG_LAN].m[4], want, vector_segment("udp4", 4, want, FRAME));
	assert_int_equal(rig_drops(c, DROP_BLOCK_KIND) + rig_drops(b, DROP_SUPER_INVALID), 0);
	rig_gateway_free(a);
	rig_gateway_free(b);
	rig_gateway_free(c);
	assert_int_equal(rig_free_mbufs(), mbufs);
	assert_int_equal(rig_free_supers(), supers);
}

// A super-frame to everybody is as many frames on a LAN that takes none as it has segments.
static void a_storm_of_super_frames_is_limited_by_their_segments(void **)
{
	struct rig_options o = {.n_workers = 1, .super = true, .bum_pps = 100};
	unsigned mbufs = rig_free_mbufs(), supers = rig_free_supers(), passed = 0;
	struct rig_gateway *a = rig_gateway(1, &o), *b = rig_gateway(2, &o);
	uint8_t frame[FRAME];
	uint16_t size;
	uint32_t bytes = vector_super("udp4", frame, FRAME, &size);

	rig_join(a, b, SLOT, 1500, CIPHER_AES_256_GCM);
	memset(frame, 0xff, 6);
	for (unsigned i = 0; i < 100; i++) {
		struct rte_mbuf *m = rig_super(frame, bytes, size);

		rig_in(a, 0, RIG_LAN, &m, 1);
	}
	// A quarter of a second's worth and the one that was due, of five segments each.
	passed = a->out[RIG_LAN2].n;
	assert_true(passed >= 25 && passed <= 30);
	assert_int_equal(rig_drops(a, DROP_STORM), 100 - passed / 5);
	rig_discard(&a->out[RIG_WAN]);
	for (unsigned i = 0; i < 100; i++) {
		struct rte_mbuf *m;
		uint8_t blocks[FRAME + 64];

		m = rig_seal(a, SLOT, blocks,
			block(blocks, PKT_KIND_SUPER, 0, size, 0, frame, bytes), 1000 + i);
		rig_in(b, 0, RIG_WAN, &m, 1);
	}
	passed = b->out[RIG_LAN2].n;
	assert_true(passed >= 25 && passed <= 30);
	assert_int_equal(rig_drops(b, DROP_STORM), 100 - passed / 5);
	rig_gateway_free(a);
	rig_gateway_free(b);
	assert_int_equal(rig_free_mbufs(), mbufs);
	assert_int_equal(rig_free_supers(), supers);
}

static void a_tag_taken_off_or_put_on_leaves_a_super_frame_one(void **)
{
	struct pair p = pair_new(1500, true, true);
	uint8_t frame[FRAME], tagged[FRAME];
	struct rte_mbuf *m;
	uint16_t size;
	uint32_t bytes = vector_super("tcp6", frame, FRAME, &size);

	memcpy(tagged, frame, 12);
	memcpy(tagged + 12, "\x81\x00\x00\x64", 4);
	memcpy(tagged + 16, frame + 12, bytes - 12);
	m = rig_super(tagged, bytes + 4, size);
	rig_in(p.a, 0, RIG_LAN2, &m, 1);
	rig_carry(p.a, p.b, 0);
	assert_int_equal(p.b->out[RIG_LAN].n, 1);
	frame_is(p.b->out[RIG_LAN].m[0], frame, bytes);
	assert_int_equal(mbuf_super(p.b->out[RIG_LAN].m[0]), size);
	pair_free(&p);
}

static void a_worker_without_a_lane_hands_super_frames_on(void **)
{
	struct rig_options two = {.n_workers = 2, .super = true},
			   one = {.n_workers = 1, .super = true};
	unsigned supers = rig_free_supers();
	struct rig_gateway *a = rig_gateway(1, &two), *b = rig_gateway(2, &one);
	uint8_t frame[FRAME];
	struct rte_mbuf *m;
	uint16_t size;
	uint32_t bytes = vector_super("tcp4", frame, FRAME, &size);

	rig_join(a, b, SLOT, 1500, CIPHER_AES_256_GCM);
	m = rig_super(frame, bytes, size);
	rig_in(a, 1, RIG_LAN, &m, 1); // flooded, so that a copy is handed on
	rig_settle(a);
	rig_carry(a, b, 0);
	assert_int_equal(b->out[RIG_LAN].n, 1);
	frame_is(b->out[RIG_LAN].m[0], frame, bytes);
	assert_int_equal(mbuf_super(b->out[RIG_LAN].m[0]), size);
	rig_gateway_free(a);
	rig_gateway_free(b);
	assert_int_equal(rig_free_supers(), supers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_peer_lies_about_reaches_no_port),
		cmocka_unit_test(who_announced_nothing_takes_no_super_frame),
		cmocka_unit_test(super_frames_that_never_end_cost_no_more_than_the_budget),
		cmocka_unit_test(few_large_pieces_push_out_no_other_peers_small_ones),
		cmocka_unit_test(super_frames_of_every_kind_cross_whole),
		cmocka_unit_test(ordinary_frames_keep_their_place_between_super_frames),
		cmocka_unit_test(a_segment_longer_than_the_port_is_dropped_as_any_frame),
		cmocka_unit_test(to_who_takes_none_the_segments_go),
		cmocka_unit_test(a_flood_reaches_each_in_the_form_it_takes),
		cmocka_unit_test(a_storm_of_super_frames_is_limited_by_their_segments),
		cmocka_unit_test(a_tag_taken_off_or_put_on_leaves_a_super_frame_one),
		cmocka_unit_test(a_worker_without_a_lane_hands_super_frames_on),
	};

	rig_init(4095, 10240);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
