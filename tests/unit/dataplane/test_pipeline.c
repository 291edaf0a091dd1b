// SPDX-License-Identifier: BSD-3-Clause
//
// Frames through the whole path: LAN → seal → open → LAN, and everything that must not get through.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include "dataplane/l2.h"
#include "dataplane/lan_to_wan.h"
#include "dataplane/path.h"
#include "dataplane/stream.h"
#include "tests/unit/dataplane/rig.h"

#define SLOT 5

enum { HOST_A = 0xa1, HOST_B = 0xb1 };

struct pair {
	struct rig_gateway *a, *b;
	unsigned free_before;
};

static struct pair pair_of(const struct rig_options *o, uint16_t mtu, uint8_t cipher)
{
	struct pair p = {.free_before = rig_free_mbufs()};

	p.a = rig_gateway(1, o);
	p.b = rig_gateway(2, o);
	rig_join(p.a, p.b, SLOT, mtu, cipher);
	return p;
}

static struct pair pair_new(void)
{
	return pair_of(&(struct rig_options){.n_workers = 1}, 1500, CIPHER_AES_256_GCM);
}

// Frees everything and proves that no packet was lost or freed twice.
static void pair_free(struct pair *p)
{
	rig_gateway_free(p->a);
	rig_gateway_free(p->b);
	assert_int_equal(rig_free_mbufs(), p->free_before);
}

// One frame of a LAN host of g into its LAN.
static void lan_frame(
	struct rig_gateway *g, uint32_t dst, uint32_t src, unsigned bytes, uint32_t seed)
{
	struct rte_mbuf *m = rig_frame(dst, src, bytes, seed);

	rig_in(g, 0, RIG_LAN, &m, 1);
}

// Both hosts have spoken, so both gateways know both.
static void introduce(struct pair *p)
{
	lan_frame(p->a, HOST_B, HOST_A, 60, 0);
	rig_carry(p->a, p->b, 0);
	rig_learn(p->b);
	lan_frame(p->b, HOST_A, HOST_B, 60, 0);
	rig_carry(p->b, p->a, 0);
	rig_learn(p->a);
	rig_learn(p->b);
	for (unsigned i = 0; i < 3; i++) {
		rig_discard(&p->a->out[i]);
		rig_discard(&p->b->out[i]);
	}
}

// What a sends for one frame to host B: one datagram on the wire, kept by the caller.
static struct rte_mbuf *one_datagram(struct pair *p, unsigned bytes, uint32_t seed)
{
	lan_frame(p->a, HOST_B, HOST_A, bytes, seed);
	assert_int_equal(p->a->out[RIG_WAN].n, 1);
	p->a->out[RIG_WAN].n = 0;
	return p->a->out[RIG_WAN].m[0];
}

static struct rte_mbuf *copy_of(const struct rte_mbuf *m)
{
	return rig_bytes(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
}

#define DATA_AT OUTER_IPV4_BYTES

static void into_b(struct pair *p, struct rte_mbuf *m)
{
	rig_in(p->b, 0, RIG_WAN, &m, 1);
}

static void make_consistent(struct rte_mbuf *m)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);

	ip->total_length = rte_cpu_to_be_16(m->data_len - 14);
	udp->dgram_len = rte_cpu_to_be_16(m->data_len - 34);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

// ---------------------------------------------------------------- what must not get through

static void every_bit_flipped_in_a_packet_is_refused(void **)
{
	struct pair p = pair_new();
	struct rte_mbuf *good;
	uint64_t refused;

	introduce(&p);
	good = one_datagram(&p, 60, 7);
	for (unsigned bit = DATA_AT * 8; bit < good->data_len * 8u; bit++) {
		struct rte_mbuf *bad = copy_of(good);

		// One of the flips makes it a lane-0 packet, which control has to refuse.
		refused = rig_all_drops(p.b) + p.b->n_lane0;
		rte_pktmbuf_mtod(bad, uint8_t *)[bit / 8] ^= 1 << bit % 8;
		into_b(&p, bad);
		assert_int_equal(rig_all_drops(p.b) + p.b->n_lane0, refused + 1);
		assert_int_equal(p.b->out[RIG_LAN].n, 0);
	}
	// None of it moved the window: the genuine packet still arrives.
	into_b(&p, good);
	assert_int_equal(p.b->out[RIG_LAN].n, 1);
	assert_true(rig_frame_is(p.b->out[RIG_LAN].m[0], HOST_B, HOST_A, 60, 7));
	pair_free(&p);
}

struct alteration {
	const char *name;
	unsigned at; // from the DATA header
	uint8_t xor ;
	enum drop_reason why;
};

static void alterations_are_counted_under_their_reason(void **)
{
	static const struct alteration rows[] = {
		{"another first byte", 0, 0x40, DROP_TYPE},
		{"a handshake's first byte", 0, 0x09, DROP_HS_SHAPE},
		{"a lane that is not there", 1, 0x02, DROP_LANE_UNKNOWN},
		{"reserved bytes set", 2, 0x01, DROP_RESERVED},
		{"another generation", 4, 0x02, DROP_KEY_RETIRED},
		{"another session", 5, 0x01, DROP_KEY_UNKNOWN},
		{"a session beyond the table", 7, 0x80, DROP_KEY_UNKNOWN},
		{"another counter", 8, 0x04, DROP_AUTH},
		{"a counter at the cap", 11, 0x80, DROP_COUNTER_CAP},
		{"a counter beyond 32 bits", 15, 0x80, DROP_COUNTER_CAP},
		{"another block", 18, 0x01, DROP_AUTH},
		{"another tag", 16 + 64 + 15, 0x01, DROP_AUTH},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pair p = pair_new();
		struct rte_mbuf *m;

		introduce(&p);
		m = one_datagram(&p, 60, 7);
		rte_pktmbuf_mtod(m, uint8_t *)[DATA_AT + rows[i].at] ^= rows[i].xor ;
		into_b(&p, m);
		if (rig_drops(p.b, rows[i].why) != 1 || p.b->out[RIG_LAN].n != 0)
			fail_msg("%s", rows[i].name);
		pair_free(&p);
	}
}

static void truncated_and_lying_datagrams_are_refused(void **)
{
	struct pair p = pair_new();
	struct rte_mbuf *good;

	introduce(&p);
	good = one_datagram(&p, 60, 7);
	for (unsigned bytes = 0; bytes < good->data_len; bytes++) {
		uint64_t refused = rig_all_drops(p.b);
		struct rte_mbuf *cut = rig_bytes(rte_pktmbuf_mtod(good, const uint8_t *), bytes);

		into_b(&p, cut); // lengths inside tell of more
		assert_int_equal(rig_all_drops(p.b), refused + 1);
		if (bytes < DATA_AT)
			continue;
		cut = rig_bytes(rte_pktmbuf_mtod(good, const uint8_t *), bytes);
		make_consistent(cut); // lengths inside agree
		into_b(&p, cut);
		assert_int_equal(rig_all_drops(p.b), refused + 2);
	}
	assert_true(rig_drops(p.b, DROP_SHORT) == 36);
	assert_int_equal(p.b->out[RIG_LAN].n, 0);
	into_b(&p, good);
	assert_int_equal(p.b->out[RIG_LAN].n, 1);
	pair_free(&p);
}

static void replays_are_refused_in_the_same_burst_and_later(void **)
{
	struct pair p = pair_new();
	struct rte_mbuf *m[2];

	introduce(&p);
	m[0] = one_datagram(&p, 60, 7);
	m[1] = copy_of(m[0]);
	struct rte_mbuf *later = copy_of(m[0]);

	rig_in(p.b, 0, RIG_WAN, m, 2);
	assert_int_equal(p.b->out[RIG_LAN].n, 1);
	assert_int_equal(rig_drops(p.b, DROP_REPLAY_DUP), 1);
	into_b(&p, later);
	assert_int_equal(p.b->out[RIG_LAN].n, 1);
	assert_int_equal(rig_drops(p.b, DROP_REPLAY_DUP), 2);
	pair_free(&p);
}

static void a_packet_older_than_the_window_is_refused(void **)
{
	struct pair p = pair_new();
	struct rte_mbuf *old;

	introduce(&p);
	old = one_datagram(&p, 60, 7);
	p.a->w[0]->sessions[SLOT].epoch[0].tx->next += REPLAY_WINDOW;
	into_b(&p, one_datagram(&p, 60, 8));
	into_b(&p, old);
	assert_int_equal(p.b->out[RIG_LAN].n, 1);
	assert_int_equal(rig_drops(p.b, DROP_REPLAY_OLD), 1);
	pair_free(&p);
}

static void a_reflected_packet_is_refused(void **)
{
	struct pair p = pair_new();
	struct rte_mbuf *m;

	introduce(&p);
	p.a->w[0]->sessions[SLOT].epoch[0].tx->next += 100;
	m = one_datagram(&p, 60, 7);
	// Back to its sender, addressed as if it came from the peer.
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), p.a->dp.port[RIG_WAN].mac, 6);
	rig_in(p.a, 0, RIG_WAN, &m, 1);
	assert_int_equal(rig_drops(p.a, DROP_AUTH), 1);
	assert_int_equal(p.a->out[RIG_LAN].n, 0);
	pair_free(&p);
}

static void a_packet_of_another_lane_or_epoch_is_refused(void **)
{
	struct pair p = pair_of(&(struct rig_options){.n_workers = 2}, 1500, CIPHER_AES_256_GCM);
	struct rte_mbuf *m;

	introduce(&p);
	p.a->w[0]->sessions[SLOT].epoch[0].tx->next += 100;
	m = one_datagram(&p, 60, 7);
	rte_pktmbuf_mtod(m, uint8_t *)[DATA_AT + 1] = 2; // lane 1 → 2
	into_b(&p, m);
	assert_int_equal(rig_drops(p.b, DROP_AUTH), 1);

	rig_epoch(p.a, p.b, SLOT, 2, CIPHER_AES_256_GCM);
	m = one_datagram(&p, 60, 8);
	rte_pktmbuf_mtod(m, uint8_t *)[DATA_AT + 4] = 2; // generation 1 → 2
	into_b(&p, m);
	assert_int_equal(rig_drops(p.b, DROP_AUTH), 2);
	assert_int_equal(p.b->out[RIG_LAN].n, 0);
	pair_free(&p);
}

static void nothing_is_sent_or_taken_after_the_deadline(void **)
{
	struct pair p = pair_new();
	struct rte_mbuf *m;
	uint64_t end;

	introduce(&p);
	m = one_datagram(&p, 60, 7);
	end = p.a->w[0]->sessions[SLOT].epoch[0].deadline_ns;
	rig_clock(p.a, end);
	rig_clock(p.b, end);
	into_b(&p, m);
	assert_int_equal(rig_drops(p.b, DROP_KEY_EXPIRED), 1);
	lan_frame(p.a, HOST_B, HOST_A, 60, 8);
	assert_int_equal(rig_drops(p.a, DROP_TX_EXPIRED), 1);
	assert_int_equal(p.a->out[RIG_WAN].n, 0);
	session_expire(p.a->w[0], SLOT);
	assert_true(rig_had_event(p.a, EV_EXPIRED));
	assert_null(session_tx_epoch(&p.a->w[0]->sessions[SLOT]));
	pair_free(&p);
}

static void the_counter_stops_before_2_31(void **)
{
	struct pair p = pair_new();
	struct lane_tx *tx;

	introduce(&p);
	tx = p.a->w[0]->sessions[SLOT].epoch[0].tx;
	tx->next = LANE_SOFT_LIMIT - 1;
	lan_frame(p.a, HOST_B, HOST_A, 60, 1);
	assert_true(rig_had_event(p.a, EV_SOFT_LIMIT));
	tx->next = LANE_HARD_LIMIT - 8;
	for (unsigned i = 0; i < 20; i++)
		lan_frame(p.a, HOST_B, HOST_A, 60, i);
	assert_true(tx->next <= LANE_HARD_LIMIT);
	assert_true(rig_drops(p.a, DROP_TX_COUNTER_CAP) >= 12);
	assert_int_equal(rig_drops(p.a, DROP_TX_COUNTER_CAP) + p.a->out[RIG_WAN].n, 21);
	pair_free(&p);
}

// The longest way a frame can go: it ends the open packet of another DSCP and fills three of its
// own, of which the last carries one byte.
static void a_split_frame_stops_before_2_31_as_well(void **)
{
	struct pair p =
		pair_of(&(struct rig_options){.n_workers = 1}, PKT_MTU_BASE, CIPHER_AES_256_GCM);
	unsigned room = outer_room(&p.a->w[0]->sessions[SLOT].path);
	unsigned bytes = 2 * (room - PKT_BLOCK_HDR_LEN) - 1;
	struct lane_tx *tx = p.a->w[0]->sessions[SLOT].epoch[0].tx;

	for (unsigned left = 1; left < 8; left++) {
		struct rte_mbuf *a = rig_frame(HOST_B, HOST_A, 60, 1);
		struct rte_mbuf *b = rig_frame(HOST_B, HOST_A, bytes, 2);
		struct stream_frame f[] = {{.data = rte_pktmbuf_mtod(a, uint8_t *), .bytes = 60},
			{.data = rte_pktmbuf_mtod(b, uint8_t *), .bytes = bytes, .dscp = 4}};
		struct stream_frame *const order[] = {&f[0], &f[1]};

		tx->next = LANE_HARD_LIMIT - left;
		stream_pack(p.a->w[0], SLOT, order, 2);
		assert_true(tx->next <= LANE_HARD_LIMIT);
		rte_pktmbuf_free(a);
		rte_pktmbuf_free(b);
	}
	port_tx_flush(p.a->w[0]);
	pair_free(&p);
}

static void a_segment_the_peer_is_not_in_is_refused(void **)
{
	struct pair p = pair_new();

	introduce(&p);
	// A is made to believe that segment 2 is joined; B knows better.
	for (unsigned i = 0; i < 2; i++) {
		struct rte_mbuf *m = rig_frame(HOST_B, HOST_A, 60, i);
		struct stream_frame f = {
			.data = rte_pktmbuf_mtod(m, uint8_t *),
			.bytes = 60,
			.segment = i == 0 ? 2 : 77,
		};
		struct stream_frame *const order[] = {&f};

		stream_pack(p.a->w[0], SLOT, order, 1);
		port_tx_flush(p.a->w[0]);
		rte_pktmbuf_free(m);
		rig_carry(p.a, p.b, 0);
	}
	assert_int_equal(rig_drops(p.b, DROP_SEGMENT_DENIED), 1);
	assert_int_equal(rig_drops(p.b, DROP_SEGMENT_UNKNOWN), 1);
	assert_int_equal(p.b->out[RIG_LAN].n, 0);
	pair_free(&p);
}

static void what_is_not_for_the_overlay_is_refused(void **)
{
	struct pair p = pair_new();
	struct rte_mbuf *m;

	introduce(&p);
	m = one_datagram(&p, 60, 7);
	rte_pktmbuf_mtod(m, uint8_t *)[0] ^= 4; // another host's address
	into_b(&p, m);
	m = one_datagram(&p, 60, 8);
	rte_pktmbuf_mtod(m, uint8_t *)[36] ^= 1; // another port
	into_b(&p, m);
	m = one_datagram(&p, 60, 9);
	rte_pktmbuf_mtod(m, uint8_t *)[12] = 0x86; // another ethertype
	into_b(&p, m);
	assert_int_equal(rig_drops(p.b, DROP_OUTER_FOREIGN), 3);
	pair_free(&p);
}

// ---------------------------------------------------------------- learning and flooding

static void a_flood_goes_to_every_member_once_and_never_from_peer_to_peer(void **)
{
	struct rig_options o = {.n_workers = 1};
	struct rig_gateway *a = rig_gateway(1, &o), *b = rig_gateway(2, &o),
			   *c = rig_gateway(3, &o);
	struct rte_mbuf *m;

	rig_join(a, b, 1, 1500, CIPHER_AES_256_GCM);
	rig_join(a, c, 2, 1500, CIPHER_AES_256_GCM);
	rig_join(b, c, 3, 1500, CIPHER_AES_256_GCM);
	m = rig_frame(0, HOST_A, 60, 1);
	memset(rte_pktmbuf_mtod(m, uint8_t *), 0xff, 6);
	rig_in(a, 0, RIG_LAN, &m, 1);
	assert_int_equal(a->out[RIG_WAN].n, 2); // b and c
	assert_int_equal(a->out[RIG_LAN].n, 0); // not back
	assert_int_equal(a->out[RIG_LAN2].n, 1);
	// On the attachment with VLAN 100 the tag is put on.
	assert_int_equal(a->out[RIG_LAN2].m[0]->data_len, 64);
	assert_memory_equal(rte_pktmbuf_mtod_offset(a->out[RIG_LAN2].m[0], uint8_t *, 12),
		((uint8_t[]){0x81, 0x00, 0, 100, 0x88, 0xb5}), 6);

	m = a->out[RIG_WAN].m[0];
	a->out[RIG_WAN].m[0] = a->out[RIG_WAN].m[1];
	a->out[RIG_WAN].n = 1;
	rig_in(b, 0, RIG_WAN, &m, 1);
	assert_int_equal(b->out[RIG_LAN].n, 1);
	assert_int_equal(b->out[RIG_LAN2].n, 1);
	assert_int_equal(b->out[RIG_WAN].n, 0); // c has its own copy
	// A unicast from a to what b knows behind c is dropped, not forwarded.
	rig_learn(b);
	uint8_t mac[6];
	rig_mac(mac, 0xcc);
	assert_int_equal(fdb_static_add(b->dp.fdb, mac, RIG_SEGMENT, fdb_dst(FDB_PEER, 3)), 0);
	m = rig_frame(0xcc, HOST_A, 60, 2);
	rig_in(a, 0, RIG_LAN, &m, 1);
	m = a->out[RIG_WAN].m[1];
	a->out[RIG_WAN].m[1] = a->out[RIG_WAN].m[2];
	a->out[RIG_WAN].n = 2;
	rig_in(b, 0, RIG_WAN, &m, 1);
	assert_int_equal(rig_drops(b, DROP_SPLIT_HORIZON), 1);
	assert_int_equal(b->out[RIG_WAN].n, 0);
	rig_gateway_free(a);
	rig_gateway_free(b);
	rig_gateway_free(c);
}

static void a_storm_is_limited_per_source(void **)
{
	struct pair p = pair_of(
		&(struct rig_options){.n_workers = 1, .bum_pps = 100}, 1500, CIPHER_AES_256_GCM);

	for (unsigned i = 0; i < 100; i++) {
		struct rte_mbuf *m = rig_frame(0, HOST_A, 60, i);

		memset(rte_pktmbuf_mtod(m, uint8_t *), 0xff, 6);
		rig_in(p.a, 0, RIG_LAN, &m, 1);
	}
	// A quarter of a second's worth, and the one that was due.
	assert_int_equal(p.a->out[RIG_WAN].n, 26);
	assert_int_equal(rig_drops(p.a, DROP_STORM), 74);
	pair_free(&p);
}

static void nothing_is_learned_from_a_packet_that_is_not_authentic(void **)
{
	struct pair p = pair_new();
	struct rte_mbuf *m;

	lan_frame(p.a, HOST_B, HOST_A, 60, 1);
	assert_int_equal(p.a->out[RIG_WAN].n, 1);
	m = p.a->out[RIG_WAN].m[0];
	p.a->out[RIG_WAN].n = 0;
	rte_pktmbuf_mtod(m, uint8_t *)[m->data_len - 1] ^= 1;
	into_b(&p, m);
	rig_learn(p.b);
	assert_int_equal(fdb_count(p.b->dp.fdb), 0);
	lan_frame(p.a, HOST_B, HOST_A, 60, 2);
	rig_carry(p.a, p.b, 0);
	rig_learn(p.b);
	assert_int_equal(fdb_count(p.b->dp.fdb), 1);
	pair_free(&p);
}

static void a_peer_cannot_claim_more_addresses_than_its_quota(void **)
{
	struct pair p = pair_new();

	fdb_quota_set(p.b->dp.fdb, SLOT, 10);
	for (unsigned i = 0; i < 50; i++)
		lan_frame(p.a, HOST_B, 0x1000 + i, 60, i);
	rig_carry(p.a, p.b, 0);
	rig_learn(p.b);
	assert_int_equal(fdb_count(p.b->dp.fdb), 10);
	assert_int_equal(fdb_session_macs(p.b->dp.fdb, SLOT), 10);
	assert_true(fdb_quota_hit(p.b->dp.fdb, SLOT));
	assert_false(fdb_quota_hit(p.b->dp.fdb, SLOT));
	// The frames themselves pass.
	assert_int_equal(p.b->out[RIG_LAN].n, 50);
	pair_free(&p);
}

static void a_peer_cannot_use_an_address_bound_to_the_lan(void **)
{
	struct pair p = pair_new();
	uint8_t mac[6];

	rig_mac(mac, HOST_A);
	assert_int_equal(fdb_static_add(p.b->dp.fdb, mac, RIG_SEGMENT, fdb_dst(FDB_LAN, 0)), 0);
	lan_frame(p.a, HOST_B, HOST_A, 60, 1);
	lan_frame(p.a, HOST_B, HOST_A, 60, 2);
	rig_carry(p.a, p.b, 0);
	assert_int_equal(rig_drops(p.b, DROP_SOURCE_BOUND), 2);
	assert_int_equal(p.b->out[RIG_LAN].n, 0);
	// Who shares a packet with such a frame does not go with it.
	lan_frame(p.a, HOST_B, HOST_A, 60, 3);
	lan_frame(p.a, HOST_B, 0x77, 60, 4);
	rig_carry(p.a, p.b, 0);
	assert_int_equal(rig_drops(p.b, DROP_SOURCE_BOUND), 3);
	assert_int_equal(p.b->out[RIG_LAN].n, 1);
	assert_true(rig_frame_is(p.b->out[RIG_LAN].m[0], HOST_B, 0x77, 60, 4));
	pair_free(&p);
}

// ---------------------------------------------------------------- what must get through

static void frames_of_every_size_cross_bit_exact(void **)
{
	static const uint16_t mtus[] = {1280, 1500, 9000};
	static const uint8_t ciphers[] = {CIPHER_AES_256_GCM, CIPHER_CHACHA20};

	for (unsigned i = 0; i < 3; i++) {
		for (unsigned c = 0; c < 2; c++) {
			struct pair p =
				pair_of(&(struct rig_options){.n_workers = 1}, mtus[i], ciphers[c]);

			introduce(&p);
			for (unsigned bytes = 14; bytes <= 9224; bytes += bytes < 1700 ? 1 : 61) {
				lan_frame(p.a, HOST_B, HOST_A, bytes, bytes);
				for (unsigned k = 0; k < p.a->out[RIG_WAN].n; k++)
					assert_true(
						p.a->out[RIG_WAN].m[k]->data_len <= mtus[i] + 14);
				rig_carry(p.a, p.b, 0);
				assert_int_equal(p.b->out[RIG_LAN].n, 1);
				assert_true(rig_frame_is(
					p.b->out[RIG_LAN].m[0], HOST_B, HOST_A, bytes, bytes));
				rig_discard(&p.b->out[RIG_LAN]);
			}
			assert_int_equal(rig_all_drops(p.b), 0);
			pair_free(&p);
		}
	}
}

// Long first pieces are sealed from where they lie, with what comes before them copied to them.
static void jumbo_frames_among_small_ones_cross_bit_exact(void **)
{
	static const unsigned bytes[] = {9000, 9000, 9000, 60, 9000, 200, 5000, 5000, 9000, 60};
	enum { N = sizeof(bytes) / sizeof(bytes[0]) };
	struct pair p = pair_of(&(struct rig_options){.n_workers = 1}, 9000, CIPHER_AES_256_GCM);
	struct rte_mbuf *m[N];

	introduce(&p);
	for (unsigned i = 0; i < N; i++)
		m[i] = rig_frame(HOST_B, HOST_A, bytes[i], i);
	rig_in(p.a, 0, RIG_LAN, m, N);
	rig_carry(p.a, p.b, 0);
	assert_int_equal(p.b->out[RIG_LAN].n, N);
	for (unsigned i = 0; i < N; i++)
		assert_true(rig_frame_is(p.b->out[RIG_LAN].m[i], HOST_B, HOST_A, bytes[i], i));
	assert_int_equal(rig_all_drops(p.b), 0);
	pair_free(&p);
}

static void a_destination_is_asked_for_again_when_the_table_changes(void **)
{
	struct pair p = pair_new();

	introduce(&p);
	for (unsigned i = 0; i < 3; i++)
		lan_frame(p.a, HOST_B, HOST_A, 60, i);
	assert_int_equal(p.a->out[RIG_LAN2].n, 0);
	fdb_flush(p.a->dp.fdb, 0);
	lan_frame(p.a, HOST_B, HOST_A, 60, 3);
	assert_int_equal(p.a->out[RIG_LAN2].n, 1); // flooded: nobody knows B any more
	pair_free(&p);
}

static void a_burst_of_small_frames_becomes_few_packets(void **)
{
	struct pair p = pair_new();
	struct rte_mbuf *m[64];

	introduce(&p);
	for (unsigned i = 0; i < 64; i++)
		m[i] = rig_frame(HOST_B, HOST_A, 64, i);
	rig_in(p.a, 0, RIG_LAN, m, 64);
	// 64 × 68 bytes in packets of 1440.
	assert_int_equal(p.a->out[RIG_WAN].n, 4);
	rig_carry(p.a, p.b, 0);
	assert_int_equal(p.b->out[RIG_LAN].n, 64);
	for (unsigned i = 0; i < 64; i++)
		assert_true(rig_frame_is(p.b->out[RIG_LAN].m[i], HOST_B, HOST_A, 64, i));
	pair_free(&p);
}

static void frames_of_different_dscp_are_not_packed_together(void **)
{
	struct pair p = pair_new();
	struct rte_mbuf *m[4];

	introduce(&p);
	for (unsigned i = 0; i < 4; i++) {
		uint8_t *data;

		m[i] = rig_frame(HOST_B, HOST_A, 64, i);
		data = rte_pktmbuf_mtod(m[i], uint8_t *);
		data[12] = 0x08;
		data[13] = 0x00;
		data[14] = 0x45;
		data[15] = i < 2 ? 0xb9 : 0x01; // EF and best effort, with ECN bits set
	}
	rig_in(p.a, 0, RIG_LAN, m, 4);
	assert_int_equal(p.a->out[RIG_WAN].n, 2);
	assert_int_equal(rte_pktmbuf_mtod(p.a->out[RIG_WAN].m[0], uint8_t *)[15], 0xb8);
	assert_int_equal(rte_pktmbuf_mtod(p.a->out[RIG_WAN].m[1], uint8_t *)[15], 0x00);
	pair_free(&p);
}

static void ipv6_underlay_carries_a_real_checksum(void **)
{
	struct pair p = pair_new();
	struct cmd_path c = {.head.session = SLOT};
	struct rte_mbuf *m;
	struct rte_ipv6_hdr *ip;
	struct rte_udp_hdr *udp;
	uint16_t given;

	introduce(&p);
	c.path = rig_path(p.a, p.b, 1500, 6);
	assert_int_equal(session_path_set(p.a->w[0], &c), 0);
	m = one_datagram(&p, 61, 7);
	ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, 14);
	udp = (struct rte_udp_hdr *)(ip + 1);
	given = udp->dgram_cksum;
	udp->dgram_cksum = 0;
	assert_int_equal(given, rte_ipv6_udptcp_cksum(ip, udp));
	assert_int_not_equal(given, 0);
	udp->dgram_cksum = given;
	into_b(&p, m);
	assert_int_equal(p.b->out[RIG_LAN].n, 1);
	assert_true(rig_frame_is(p.b->out[RIG_LAN].m[0], HOST_B, HOST_A, 61, 7));
	assert_int_equal(p.b->n_new_sources, 1); // B's path is the IPv4 one
	pair_free(&p);
}

static void a_lane_that_reaches_the_wrong_worker_is_handed_to_its_owner(void **)
{
	struct pair p = pair_of(&(struct rig_options){.n_workers = 2}, 1500, CIPHER_AES_256_GCM);
	struct rte_mbuf *m;

	introduce(&p);
	m = rig_frame(HOST_B, HOST_A, 60, 1);
	rig_in(p.a, 1, RIG_LAN, &m, 1);
	assert_int_equal(rte_pktmbuf_mtod(p.a->out[RIG_WAN].m[0], uint8_t *)[DATA_AT + 1], 2);
	rig_carry(p.a, p.b, 0); // lane 2 belongs to worker 1
	assert_int_equal(p.b->w[0]->stats->handed_off, 1);
	assert_int_equal(p.b->out[RIG_LAN].n, 1);
	assert_int_equal(rig_all_drops(p.b), 0);
	pair_free(&p);
}

static void a_lane_that_cannot_be_is_not_handed_on(void **)
{
	struct pair p = pair_of(&(struct rig_options){.n_workers = 2}, 1500, CIPHER_AES_256_GCM);

	introduce(&p);
	for (unsigned lane = 3; lane < 256; lane++) {
		struct rte_mbuf *m = one_datagram(&p, 60, lane);

		rte_pktmbuf_mtod(m, uint8_t *)[DATA_AT + 1] = lane;
		into_b(&p, m);
	}
	assert_int_equal(rig_drops(p.b, DROP_LANE_UNKNOWN), 253);
	assert_int_equal(p.b->w[0]->stats->handed_off, 0);
	pair_free(&p);
}

static void workers_share_a_lane_where_the_peer_accepts_fewer(void **)
{
	struct rig_options two = {.n_workers = 2}, one = {.n_workers = 1};
	struct pair p = {.free_before = rig_free_mbufs()};
	struct rte_mbuf *m;

	p.a = rig_gateway(1, &two);
	p.b = rig_gateway(2, &one);
	rig_join(p.a, p.b, SLOT, 1500, CIPHER_CHACHA20);
	m = rig_frame(HOST_B, HOST_A, 60, 1);
	rig_in(p.a, 1, RIG_LAN, &m, 1); // a flood
	assert_int_equal(p.a->w[1]->stats->handed_off, 1);
	rig_carry(p.a, p.b, 0);
	assert_int_equal(p.b->out[RIG_LAN].n, 1);
	rig_learn(p.b);
	lan_frame(p.b, HOST_A, HOST_B, 60, 2);
	rig_carry(p.b, p.a, 1);
	rig_learn(p.a);
	m = rig_frame(HOST_B, HOST_A, 60, 3);
	rig_in(p.a, 1, RIG_LAN, &m, 1);                    // known by now
	assert_int_equal(p.a->w[1]->stats->handed_off, 3); // one datagram among them
	rig_carry(p.a, p.b, 0);
	assert_int_equal(p.b->out[RIG_LAN].n, 2);
	assert_int_equal(rig_all_drops(p.a) + rig_all_drops(p.b), 0);
	pair_free(&p);
}

static void a_frame_handed_on_does_not_reach_the_slots_next_peer(void **)
{
	struct rig_options two = {.n_workers = 2}, one = {.n_workers = 1};
	struct pair p = {.free_before = rig_free_mbufs()};
	struct cmd_session c = {.head.session = SLOT, .mac_quota = 1, .segments[0] = 1 << 2};
	struct rte_mbuf *m;

	p.a = rig_gateway(1, &two);
	p.b = rig_gateway(2, &one);
	rig_join(p.a, p.b, SLOT, 1500, CIPHER_AES_256_GCM);
	m = rig_frame(HOST_B, HOST_A, 60, 1);
	lan_to_wan_batch(p.a->w[1], RIG_LAN, &m, 1); // of segment 1, now in worker 0's inbox
	memcpy(c.peer_id, &(uint32_t){SLOT}, 4);
	assert_int_equal(session_set(p.a->w[0], &c), 0); // a member of segment 2 alone
	rig_settle(p.a);
	assert_int_equal(p.a->out[RIG_WAN].n, 0);
	assert_int_equal(rig_drops(p.a, DROP_NO_SESSION), 1);
	pair_free(&p);
}

static void vlan_tags_cross_untouched_and_mapped_ones_are_swapped(void **)
{
	struct pair p = pair_of(&(struct rig_options){.n_workers = 1, .vlan_aware = true}, 1500,
		CIPHER_AES_256_GCM);
	uint8_t frame[64] = {2, 0, 0, 0, 0, HOST_B, 2, 0, 0, 0, 0, HOST_A, 0x81, 0, 0x20, 7, 0x88,
		0xb5, 1, 2, 3};
	struct rte_mbuf *m = rig_bytes(frame, sizeof(frame));

	rig_in(p.a, 0, RIG_LAN, &m, 1);
	rig_carry(p.a, p.b, 0);
	assert_int_equal(p.b->out[RIG_LAN].n, 1);
	assert_int_equal(p.b->out[RIG_LAN].m[0]->data_len, sizeof(frame));
	assert_memory_equal(
		rte_pktmbuf_mtod(p.b->out[RIG_LAN].m[0], uint8_t *), frame, sizeof(frame));

	// On LAN2 only VLAN 100 belongs to the segment.
	m = rig_bytes(frame, sizeof(frame));
	rig_in(p.a, 0, RIG_LAN2, &m, 1);
	assert_int_equal(rig_drops(p.a, DROP_VLAN_FILTER), 1);
	frame[14] = 0;
	frame[15] = 100;
	rig_discard(&p.b->out[RIG_LAN]);
	m = rig_bytes(frame, sizeof(frame));
	rig_in(p.a, 0, RIG_LAN2, &m, 1);
	rig_carry(p.a, p.b, 0);
	assert_int_equal(p.b->out[RIG_LAN].n, 1);
	assert_int_equal(p.b->out[RIG_LAN].m[0]->data_len, sizeof(frame) - 4);
	assert_memory_equal(rte_pktmbuf_mtod_offset(p.b->out[RIG_LAN].m[0], uint8_t *, 12),
		frame + 16, sizeof(frame) - 16);
	pair_free(&p);
}

// VLAN 20 of b's LAN port is another segment's: neither a peer nor a host behind two tags gets
// there from segment 1.
static void a_tag_does_not_lead_into_another_segments_vlan(void **)
{
	struct pair p = pair_new();
	uint8_t frame[64] = {2, 0, 0, 0, 0, HOST_B, 2, 0, 0, 0, 0, HOST_A, 0x81, 0, 0x20, 20, 0x88,
		0xb5, 1, 2, 3};
	struct rte_mbuf *m = rig_bytes(frame, sizeof(frame));

	assert_int_equal(segment_attach(&p.b->dp.segments, 2, RIG_LAN, 20), 0);
	rig_in(p.a, 0, RIG_LAN, &m, 1);
	rig_carry(p.a, p.b, 0);
	assert_int_equal(p.b->out[RIG_LAN].n, 0);
	assert_int_equal(rig_drops(p.b, DROP_VLAN_FILTER), 1);
	assert_int_equal(p.b->out[RIG_LAN2].n, 1); // there the tag is within VLAN 100

	m = rig_bytes(frame, sizeof(frame));
	assert_true(l2_tag_push(m, 100));
	rig_in(p.b, 0, RIG_LAN2, &m, 1);
	assert_int_equal(p.b->out[RIG_LAN].n, 0);
	assert_int_equal(rig_drops(p.b, DROP_VLAN_FILTER), 2);

	// Nor behind a tag that names no VLAN, which who receives it takes off.
	m = rig_bytes(frame, sizeof(frame));
	assert_true(l2_tag_push(m, 0));
	rig_in(p.a, 0, RIG_LAN, &m, 1);
	rig_carry(p.a, p.b, 0);
	assert_int_equal(p.b->out[RIG_LAN].n, 0);
	assert_int_equal(rig_drops(p.b, DROP_VLAN_FILTER), 3);

	frame[15] = 0; // a priority alone leads nowhere
	m = rig_bytes(frame, sizeof(frame));
	rig_in(p.a, 0, RIG_LAN, &m, 1);
	rig_carry(p.a, p.b, 0);
	assert_int_equal(p.b->out[RIG_LAN].n, 1);
	rig_discard(&p.b->out[RIG_LAN]);

	frame[15] = 21; // nobody's: it belongs to the rest of the port
	m = rig_bytes(frame, sizeof(frame));
	rig_in(p.a, 0, RIG_LAN, &m, 1);
	rig_carry(p.a, p.b, 0);
	assert_int_equal(p.b->out[RIG_LAN].n, 1);
	pair_free(&p);
}

static void lan_ports_of_a_segment_are_switched_between_each_other(void **)
{
	struct pair p = pair_new();
	struct rte_mbuf *m;

	introduce(&p);
	m = rig_frame(HOST_A, 0x77, 60, 1);
	assert_true(l2_tag_push(m, 100));
	rig_in(p.a, 0, RIG_LAN2, &m, 1);
	assert_int_equal(p.a->out[RIG_LAN].n, 1);
	assert_true(rig_frame_is(p.a->out[RIG_LAN].m[0], HOST_A, 0x77, 60, 1));
	lan_frame(p.a, HOST_A, 0x78, 60, 2); // to a host on the same attachment
	assert_int_equal(rig_drops(p.a, DROP_HAIRPIN), 1);
	assert_int_equal(p.a->out[RIG_WAN].n, 0);
	pair_free(&p);
}

static void a_frame_without_room_for_its_tag_is_dropped(void **)
{
	struct pair p = pair_new();
	struct rte_mbuf *m = rig_frame(0x77, HOST_A, 60, 2), *known = rig_frame(9, 0x77, 60, 1);
	uint64_t before;

	assert_true(l2_tag_push(known, 100));
	rig_in(p.a, 0, RIG_LAN2, &known, 1);
	rig_learn(p.a);
	before = rig_all_drops(p.a);
	memmove(m->buf_addr, rte_pktmbuf_mtod(m, void *), m->data_len);
	m->data_off = 0;
	rig_in(p.a, 0, RIG_LAN, &m, 1);
	assert_int_equal(rig_drops(p.a, DROP_TX_HEADROOM), 1);
	assert_int_equal(rig_all_drops(p.a), before + 1);
	assert_int_equal(p.a->out[RIG_LAN2].n, 0);
	pair_free(&p);
}

// ---------------------------------------------------------------- epochs and paths

static void a_rekey_loses_nothing_and_the_client_follows_the_first_new_packet(void **)
{
	struct pair p = pair_new();
	struct rte_mbuf *straggler;

	introduce(&p);
	straggler = one_datagram(&p, 60, 1);
	rig_epoch(p.a, p.b, SLOT, 2, CIPHER_CHACHA20);
	into_b(&p, one_datagram(&p, 60, 2));
	assert_int_equal(rig_switch(p.b, SLOT, 2), 0); // the server, when it sends M4
	lan_frame(p.b, HOST_A, HOST_B, 60, 3);
	rig_carry(p.b, p.a, 0);
	assert_int_equal(
		session_tx_epoch(&p.a->w[0]->sessions[SLOT])->rx_key_id, PKT_KEY_ID(SLOT, 2));
	assert_true(rig_had_event(p.a, EV_NEW_EPOCH));
	into_b(&p, straggler);
	into_b(&p, one_datagram(&p, 60, 4));
	assert_int_equal(p.b->out[RIG_LAN].n, 3);
	assert_int_equal(rig_all_drops(p.a) + rig_all_drops(p.b), 0);
	assert_int_equal(rig_retire(p.b, SLOT, 1), 0);
	pair_free(&p);
}

static void a_transmit_key_is_never_installed_twice(void **)
{
	struct pair p = pair_new();
	struct cmd_key c = {
		.head.session = SLOT,
		.rx_key_id = PKT_KEY_ID(SLOT, 1),
		.tx_key_id = PKT_KEY_ID(SLOT, 1),
		.deadline_ns = UINT64_MAX,
		.dir = 1,
		.lane = 1,
		.cipher = CIPHER_AES_256_GCM,
		.n_lanes = 1,
	};

	assert_int_equal(session_key_install(p.a->w[0], &c), -EEXIST);
	rig_epoch(p.a, p.b, SLOT, 2, CIPHER_AES_256_GCM);
	assert_int_equal(rig_switch(p.a, SLOT, 2), 0); // wipes the first
	assert_int_equal(session_key_install(p.a->w[0], &c), -EEXIST);
	pair_free(&p);
}

// A worker without a receive lane: its epoch is empty once the transmit key is wiped.
static void a_refused_install_forgets_nothing(void **)
{
	struct rig_options two = {.n_workers = 2};
	struct pair p = pair_of(&two, 1500, CIPHER_AES_256_GCM);
	struct cmd_key c = {
		.head.session = SLOT,
		.tx_key_id = 1,
		.deadline_ns = UINT64_MAX,
		.dir = 1,
		.lane = 2,
		.cipher = CIPHER_AES_256_GCM,
		.n_lanes = 2,
	};

	for (c.rx_key_id = PKT_KEY_ID(SLOT, 7); c.rx_key_id <= PKT_KEY_ID(SLOT, 8); c.rx_key_id++) {
		struct cmd_epoch e = {.head.session = SLOT, .rx_key_id = c.rx_key_id};

		assert_int_equal(session_key_install(p.a->w[1], &c), 0);
		assert_int_equal(session_tx_switch(p.a->w[1], &e), 0);
	}
	c.rx_key_id = PKT_KEY_ID(SLOT, 7);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(session_key_install(p.a->w[1], &c), -EEXIST);
	pair_free(&p);
}

static void path_blocks_reach_the_hook_and_a_new_source_is_told(void **)
{
	struct pair p = pair_new();
	static const uint8_t challenge[8] = "chalenge";
	struct outer_path elsewhere;
	struct path_desc d = rig_path(p.a, p.b, 1500, 4);

	d.src_ip[3] = 99;
	assert_int_equal(outer_path_build(&d, &elsewhere), 0);
	assert_int_equal(path_send(p.a->w[0], SLOT, NULL, PKT_KIND_END, NULL, 0, 0), 0);
	port_tx_flush(p.a->w[0]);
	assert_int_equal(p.a->out[RIG_WAN].m[0]->data_len, DATA_AT + PKT_MIN_LEN);
	rig_carry(p.a, p.b, 0);
	assert_int_equal(p.b->n_path_blocks, 0); // a keepalive is just authentic
	assert_int_equal(p.b->w[0]->session_stats[SLOT].rx_packets, 1);

	assert_int_equal(
		path_send(p.a->w[0], SLOT, &elsewhere, PKT_KIND_PATH_CHALLENGE, challenge, 8, 0),
		0);
	port_tx_flush(p.a->w[0]);
	rig_carry(p.a, p.b, 0);
	assert_int_equal(p.b->path_kind, PKT_KIND_PATH_CHALLENGE);
	assert_memory_equal(p.b->path_payload, challenge, 8);
	assert_int_equal(p.b->n_new_sources, 1);
	assert_int_equal(p.b->new_source.dst_ip[3], 99);

	assert_int_equal(path_send(p.a->w[0], SLOT, NULL, PKT_KIND_PROBE, challenge, 4, 1400), 0);
	port_tx_flush(p.a->w[0]);
	assert_int_equal(p.a->out[RIG_WAN].m[0]->data_len, 1414);
	rig_carry(p.a, p.b, 0);
	assert_int_equal(p.b->path_kind, PKT_KIND_PROBE);
	assert_int_equal(rig_all_drops(p.b), 0);
	pair_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bit_flipped_in_a_packet_is_refused),
		cmocka_unit_test(alterations_are_counted_under_their_reason),
		cmocka_unit_test(truncated_and_lying_datagrams_are_refused),
		cmocka_unit_test(replays_are_refused_in_the_same_burst_and_later),
		cmocka_unit_test(a_packet_older_than_the_window_is_refused),
		cmocka_unit_test(a_reflected_packet_is_refused),
		cmocka_unit_test(a_packet_of_another_lane_or_epoch_is_refused),
		cmocka_unit_test(nothing_is_sent_or_taken_after_the_deadline),
		cmocka_unit_test(the_counter_stops_before_2_31),
		cmocka_unit_test(a_split_frame_stops_before_2_31_as_well),
		cmocka_unit_test(a_segment_the_peer_is_not_in_is_refused),
		cmocka_unit_test(what_is_not_for_the_overlay_is_refused),
		cmocka_unit_test(a_flood_goes_to_every_member_once_and_never_from_peer_to_peer),
		cmocka_unit_test(a_storm_is_limited_per_source),
		cmocka_unit_test(nothing_is_learned_from_a_packet_that_is_not_authentic),
		cmocka_unit_test(a_peer_cannot_claim_more_addresses_than_its_quota),
		cmocka_unit_test(a_peer_cannot_use_an_address_bound_to_the_lan),
		cmocka_unit_test(frames_of_every_size_cross_bit_exact),
		cmocka_unit_test(jumbo_frames_among_small_ones_cross_bit_exact),
		cmocka_unit_test(a_destination_is_asked_for_again_when_the_table_changes),
		cmocka_unit_test(a_burst_of_small_frames_becomes_few_packets),
		cmocka_unit_test(frames_of_different_dscp_are_not_packed_together),
		cmocka_unit_test(ipv6_underlay_carries_a_real_checksum),
		cmocka_unit_test(a_lane_that_reaches_the_wrong_worker_is_handed_to_its_owner),
		cmocka_unit_test(a_lane_that_cannot_be_is_not_handed_on),
		cmocka_unit_test(workers_share_a_lane_where_the_peer_accepts_fewer),
		cmocka_unit_test(a_frame_handed_on_does_not_reach_the_slots_next_peer),
		cmocka_unit_test(vlan_tags_cross_untouched_and_mapped_ones_are_swapped),
		cmocka_unit_test(a_tag_does_not_lead_into_another_segments_vlan),
		cmocka_unit_test(lan_ports_of_a_segment_are_switched_between_each_other),
		cmocka_unit_test(a_frame_without_room_for_its_tag_is_dropped),
		cmocka_unit_test(a_rekey_loses_nothing_and_the_client_follows_the_first_new_packet),
		cmocka_unit_test(a_transmit_key_is_never_installed_twice),
		cmocka_unit_test(a_refused_install_forgets_nothing),
		cmocka_unit_test(path_blocks_reach_the_hook_and_a_new_source_is_told),
	};

	rig_init(8191, 10240);
	cmocka_set_test_filter(getenv("ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
