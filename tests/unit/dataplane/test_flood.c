// SPDX-License-Identifier: BSD-3-Clause
//
// Switching: which inner frames are refused, who gets a flooded one, segments and VLANs, and what
// happens when buffers, queues and ports run out.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dataplane/bucket.h"
#include "dataplane/flood.h"
#include "dataplane/l2.h"
#include "dataplane/lan_to_wan.h"
#include "tests/unit/dataplane/rig.h"

#define SLOT   5
#define N_MBUF 4095

static struct rig_gateway *a, *b;
static unsigned free_before;

static int set_up(void **)
{
	struct rig_options o = {.n_workers = 2, .lan_mtu = 1500};

	free_before = rig_free_mbufs();
	a = rig_gateway(1, &o);
	b = rig_gateway(2, &o);
	rig_join(a, b, SLOT, 1500, CIPHER_AES_256_GCM);
	return 0;
}

static int tear_down(void **)
{
	rig_gateway_free(a);
	rig_gateway_free(b);
	return rig_free_mbufs() == free_before ? 0 : -1;
}

static void lan(struct rig_gateway *g, struct rte_mbuf *m)
{
	rig_in(g, 0, RIG_LAN, &m, 1);
}

static struct rte_mbuf *broadcast(uint32_t src, uint32_t seed)
{
	struct rte_mbuf *m = rig_frame(0, src, 60, seed);

	memset(rte_pktmbuf_mtod(m, uint8_t *), 0xff, 6);
	return m;
}

// ---------------------------------------------------------------- refused frames

struct refused {
	const char *name;
	enum drop_reason why;
	unsigned bytes;
	uint8_t head[18];
};

#define DST 2, 0, 0, 0, 0, 9
#define SRC 2, 0, 0, 0, 0, 8

static const struct refused refused[] = {
	{"an empty frame", DROP_RX_RUNT, 0, {0}},
	{"thirteen bytes", DROP_RX_RUNT, 13, {DST, SRC}},
	{"a frame beyond 9216 and two tags", DROP_RX_GIANT, 9225, {DST, SRC}},
	{"a source of zeros", DROP_SOURCE_INVALID, 60, {DST}},
	{"a group address as source", DROP_SOURCE_INVALID, 60, {DST, 3, 0, 0, 0, 0, 8}},
	{"broadcast as source", DROP_SOURCE_INVALID, 60, {DST, 255, 255, 255, 255, 255, 255}},
	{"a bridge's own protocol", DROP_GUARD_STP, 60, {1, 0x80, 0xc2, 0, 0, 0, SRC}},
	{"LLDP", DROP_LINK_LOCAL, 60, {1, 0x80, 0xc2, 0, 0, 0x0e, SRC, 0x88, 0xcc}},
};

static void frames_that_are_none_are_refused_with_their_reason(void **)
{
	for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		uint64_t before = rig_drops(a, refused[i].why);
		struct rte_mbuf *m = rig_bytes(NULL, refused[i].bytes);

		memcpy(rte_pktmbuf_mtod(m, uint8_t *), refused[i].head,
			RTE_MIN(refused[i].bytes, 18u));
		lan(a, m);
		if (rig_drops(a, refused[i].why) != before + 1 || a->out[RIG_WAN].n != 0)
			fail_msg("%s", refused[i].name);
	}
}

static void a_chained_packet_is_refused_on_both_sides(void **)
{
	for (unsigned port = RIG_LAN; port <= RIG_WAN; port++) {
		struct rte_mbuf *m = rig_frame(9, 8, 60, 1);

		assert_int_equal(rte_pktmbuf_chain(m, rig_frame(9, 8, 60, 2)), 0);
		rig_in(a, 0, port, &m, 1);
	}
	assert_int_equal(rig_drops(a, DROP_RX_MULTI_SEGMENT), 2);
}

static void neighbours_of_link_local_addresses_pass(void **)
{
	static const uint8_t dst[][6] = {
		{1, 0x80, 0xc2, 0, 0, 0x10}, {1, 0x80, 0xc2, 0, 1, 0}, {1, 0x80, 0xc3, 0, 0, 0}};

	for (unsigned i = 0; i < 3; i++) {
		struct rte_mbuf *m = rig_frame(9, 8, 60, i);

		memcpy(rte_pktmbuf_mtod(m, uint8_t *), dst[i], 6);
		lan(a, m);
	}
	assert_int_equal(a->out[RIG_WAN].n, 3);
}

// ---------------------------------------------------------------- headers

struct header_row {
	const char *name;
	bool tagged;
	uint16_t vid;
	uint8_t dscp;
	uint8_t after_macs[12];
};

static const struct header_row headers[] = {
	{"IPv4", false, 0, 0xb8, {0x08, 0x00, 0x45, 0xb9}},
	{"IPv6", false, 0, 0xb8, {0x86, 0xdd, 0x6b, 0x90}},
	{"ARP", false, 0, 0, {0x08, 0x06, 0xff, 0xff}},
	{"a tag, then IPv4", true, 0x123, 0xfc, {0x81, 0x00, 0xf1, 0x23, 0x08, 0x00, 0x45, 0xff}},
	{"a priority tag", true, 0, 0, {0x81, 0x00, 0xe0, 0x00, 0x08, 0x06}},
	{"two tags, then IPv6", false, 0, 0x08,
		{0x88, 0xa8, 0x00, 0x05, 0x81, 0x00, 0x00, 0x06, 0x86, 0xdd, 0x60, 0x80}},
};

static void tags_and_dscp_are_read(void **)
{
	for (unsigned i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		struct rte_mbuf *m = rig_frame(9, 8, 60, i);
		struct l2_header h;
		enum drop_reason why;

		memcpy(rte_pktmbuf_mtod(m, uint8_t *) + 12, headers[i].after_macs, 12);
		assert_true(l2_parse(m, &h, &why));
		if (h.tagged != headers[i].tagged || h.vid != headers[i].vid ||
			h.dscp != headers[i].dscp)
			fail_msg("%s: %d %x %x", headers[i].name, h.tagged, h.vid, h.dscp);
		// Cut short, nothing is read behind the end: no tag, no DSCP, no crash.
		for (unsigned bytes = 14; bytes < 40; bytes++) {
			m->data_len = bytes;
			assert_true(l2_parse(m, &h, &why));
			if (bytes < 18)
				assert_false(h.tagged);
			if (bytes < 34)
				assert_int_equal(h.dscp, 0);
		}
		rte_pktmbuf_free(m);
	}
}

// ---------------------------------------------------------------- segments, floods

static void segments_are_made_of_what_can_be(void **)
{
	struct segment_table *t = malloc(sizeof(*t));

	segment_table_init(t);
	assert_int_equal(segment_attach(t, 3, 0, 0), -ENOENT);
	assert_int_equal(segment_add(t, 3, true, 0), 0);
	assert_int_equal(segment_add(t, 3, false, 0), -EEXIST);
	assert_int_equal(segment_attach(t, 3, 0, 0), 0);
	assert_int_equal(segment_attach(t, 3, 0, 0), -EEXIST);
	assert_int_equal(segment_attach(t, 3, 0, 4095), -EINVAL);
	assert_int_equal(segment_attach(t, 3, 16, 0), -EINVAL);
	for (unsigned vid = 1; vid < SEGMENT_ATTACHED_MAX; vid++)
		assert_int_equal(segment_attach(t, 3, 0, vid), 0);
	assert_int_equal(segment_attach(t, 3, 0, 100), -ENOSPC);
	for (unsigned id = 10; id < 10 + SEGMENT_VLAN_AWARE_MAX - 1; id++)
		assert_int_equal(segment_add(t, id, true, 0), 0);
	assert_int_equal(segment_add(t, 99, true, 0), -ENOSPC);
	// Domains of two VLAN-aware segments never meet, nor one with a plain segment's.
	assert_int_equal(t->domain_segment[segment_domain(&t->segment[3], 4095)], 3);
	assert_int_equal(t->domain_segment[segment_domain(&t->segment[10], 0)], 10);
	assert_int_equal(t->domain_segment[segment_domain(&t->segment[23], 4095)], 23);
	assert_int_not_equal(
		segment_domain(&t->segment[3], 4095), segment_domain(&t->segment[10], 0));
	free(t);
}

static void a_vlan_aware_segment_learns_a_mac_once_for_each_vlan(void **)
{
	struct rig_options o = {.n_workers = 1, .vlan_aware = true};
	struct rig_gateway *g = rig_gateway(3, &o);
	uint8_t frame[60] = {DST, SRC, 0x81, 0, 0, 7, 0x88, 0xb5};

	for (unsigned i = 0; i < 3; i++) {
		frame[15] = 7 + i % 2;
		lan(g, rig_bytes(frame, sizeof(frame)));
		rig_learn(g);
	}
	assert_int_equal(fdb_count(g->dp.fdb), 2);
	rig_gateway_free(g);
}

static void every_member_of_a_large_segment_gets_one_copy(void **)
{
	unsigned seen[RIG_SESSIONS] = {0};

	// Slots that collide in any small table.
	for (unsigned i = 1; i <= 12; i++)
		rig_join(a, b, SLOT + 128 * i, 1500, CIPHER_AES_256_GCM);
	lan(a, broadcast(8, 1));
	assert_int_equal(a->out[RIG_WAN].n, 13);
	for (unsigned i = 0; i < 13; i++)
		seen[pkt_key_slot(get_le32(rte_pktmbuf_mtod_offset(
			a->out[RIG_WAN].m[i], uint8_t *, OUTER_IPV4_BYTES + 4)))]++;
	for (unsigned i = 0; i <= 12; i++)
		assert_int_equal(seen[SLOT + 128 * i], 1);
	assert_int_equal(session_del(a->w[0], SLOT + 128), 0);
	lan(a, broadcast(8, 2));
	assert_int_equal(a->out[RIG_WAN].n, 13 + 12);
}

static void a_member_that_is_not_connected_costs_neither_packet_nor_drop(void **)
{
	struct cmd_session c = {.head.session = 77, .mac_quota = 5};

	c.segments[0] = 1 << RIG_SEGMENT;
	assert_int_equal(session_set(a->w[0], &c), 0);
	lan(a, broadcast(8, 1));
	assert_int_equal(a->out[RIG_WAN].n, 1);
	assert_int_equal(rig_all_drops(a), 0);
	assert_int_equal(rig_retire(a, SLOT, 1), 0);
	a->dp.segments.segment[RIG_SEGMENT].n_attached = 1; // only where it came from
	lan(a, broadcast(8, 2));
	assert_int_equal(rig_drops(a, DROP_FLOOD_NOBODY), 1);
}

static void a_burst_to_many_peers_keeps_each_peers_order(void **)
{
	struct rte_mbuf *m[BATCH_MAX];
	uint8_t mac[6];

	for (unsigned i = 1; i <= 7; i++)
		rig_join(a, b, SLOT + 128 * i, 1500, CIPHER_AES_256_GCM);
	for (unsigned i = 0; i <= 7; i++) {
		rig_mac(mac, 0x100 + i);
		assert_int_equal(fdb_static_add(a->dp.fdb, mac, RIG_SEGMENT,
					 fdb_dst(FDB_PEER, SLOT + 128 * i)),
			0);
	}
	for (unsigned i = 0; i < BATCH_MAX; i++)
		m[i] = rig_frame(0x100 + i * i % 8, 0x200 + i, 60, i);
	rig_in(a, 0, RIG_LAN, m, BATCH_MAX);
	assert_true(a->out[RIG_WAN].n < 8);
	rig_carry(a, b, 0);
	assert_int_equal(b->out[RIG_LAN].n, BATCH_MAX);
	for (unsigned peer = 0; peer < 8; peer++) {
		unsigned last = 0;

		for (unsigned i = 0; i < BATCH_MAX; i++) {
			const uint8_t *d = rte_pktmbuf_mtod(b->out[RIG_LAN].m[i], uint8_t *);

			if (d[5] != peer)
				continue;
			assert_true(d[11] >= last);
			last = d[11];
		}
	}
}

static void frames_for_a_peer_that_left_the_segment_are_dropped(void **)
{
	struct cmd_session c = {.head.session = SLOT, .mac_quota = 5};
	uint8_t mac[6];

	rig_mac(mac, 9);
	fdb_static_add(a->dp.fdb, mac, RIG_SEGMENT, fdb_dst(FDB_PEER, SLOT));
	memcpy(c.peer_id, a->w[0]->sessions[SLOT].peer_id, sizeof(c.peer_id));
	assert_int_equal(session_set(a->w[0], &c), 0);
	lan(a, rig_frame(9, 8, 60, 1));
	assert_int_equal(session_del(a->w[0], SLOT), 0);
	lan(a, rig_frame(9, 8, 60, 2));
	assert_int_equal(rig_drops(a, DROP_NO_SESSION), 2);
	assert_int_equal(a->out[RIG_WAN].n, 0);
}

static void a_bucket_gives_its_burst_and_then_its_rate(void **)
{
	struct bucket k = {0};
	unsigned passed = 0;

	for (unsigned i = 0; i < 100; i++)
		passed += bucket_take(&k, 1000, 10, 5);
	assert_int_equal(passed, 5);
	for (uint64_t now = 1001; now <= 2000; now++)
		passed += bucket_take(&k, now, 10, 5);
	assert_int_equal(passed, 5 + 100);
	for (unsigned i = 0; i < 100; i++)
		passed += bucket_take(&k, 1000000, 10, 5);
	assert_int_equal(passed, 5 + 100 + 5);
}

// ---------------------------------------------------------------- running out

static void without_buffers_frames_are_counted_and_nothing_leaks(void **)
{
	static struct rte_mbuf *hoard[N_MBUF];
	struct rte_mbuf *m[BATCH_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < BATCH_MAX; i++)
		m[i] = broadcast(8, i);
	while (n < N_MBUF && (hoard[n] = rte_pktmbuf_alloc(a->w[0]->pool)) != NULL)
		n++;
	rig_in(a, 0, RIG_LAN, m, BATCH_MAX);
	assert_true(rig_drops(a, DROP_NO_MBUF) > 0);
	rte_pktmbuf_free_bulk(hoard, n);
	lan(a, broadcast(8, 99));
	assert_true(a->out[RIG_WAN].n > 0);
}

static uint16_t takes_three(struct port *, uint16_t, struct rte_mbuf **m, uint16_t n)
{
	n = RTE_MIN(n, 3);
	rte_pktmbuf_free_bulk(m, n);
	return n;
}

static void what_a_port_does_not_take_is_counted_and_freed(void **)
{
	struct rte_mbuf *m[BATCH_MAX];

	a->dp.port[RIG_WAN].tx = takes_three;
	for (unsigned i = 0; i < 10; i++)
		m[i] = rig_frame(9, 8, 1400, i);
	rig_in(a, 0, RIG_LAN, m, 10);
	assert_int_equal(a->w[0]->stats->port[RIG_WAN].tx_frames, 3);
	assert_int_equal(a->w[0]->stats->port[RIG_WAN].tx_dropped, rig_drops(a, DROP_TX_QUEUE));
	assert_true(rig_drops(a, DROP_TX_QUEUE) >= 7);
	a->w[0]->tx[RIG_WAN].port = NULL;
	lan(a, rig_frame(9, 8, 60, 1));
	assert_int_equal(rig_drops(a, DROP_PORT_DOWN), 1);
}

static void a_queue_of_another_worker_is_reached_through_its_ring(void **)
{
	struct rte_ring *via = rte_ring_create("via", 64, SOCKET_ID_ANY, RING_F_SC_DEQ);
	void *m = NULL;

	a->w[0]->tx[RIG_WAN].via = via;
	lan(a, rig_frame(9, 8, 60, 1));
	assert_int_equal(a->out[RIG_WAN].n, 0);
	assert_int_equal(rte_ring_sc_dequeue(via, &m), 0);
	// Its owner counts it, when it has left.
	assert_int_equal(a->w[0]->stats->port[RIG_WAN].tx_frames, 0);
	assert_int_equal(a->w[0]->stats->port[RIG_WAN].tx_bytes, 0);
	rte_pktmbuf_free(m);
	rte_ring_free(via);
}

static void a_frame_too_long_for_the_far_lan_is_counted_there(void **)
{
	lan(a, rig_frame(9, 8, 1515, 1)); // 1500 and the header is what the port carries
	lan(a, rig_frame(9, 8, 1514, 2));
	rig_carry(a, b, 0);
	assert_int_equal(rig_drops(b, DROP_TX_MTU), 2); // both attachments
	assert_int_equal(b->out[RIG_LAN].n, 1);
}

static void more_frames_than_one_delivery_holds_all_arrive(void **)
{
	struct rte_mbuf *m[BATCH_MAX];
	struct cmd_path c = {.head.session = SLOT, .path = rig_path(a, b, 9000, 4)};
	uint8_t mac[6];

	assert_int_equal(session_path_set(a->w[0], &c), 0);
	rig_mac(mac, 9);
	fdb_static_add(a->dp.fdb, mac, RIG_SEGMENT, fdb_dst(FDB_PEER, SLOT));
	fdb_static_add(b->dp.fdb, mac, RIG_SEGMENT, fdb_dst(FDB_LAN, 0));
	for (unsigned round = 0; round < 30; round++) {
		for (unsigned i = 0; i < BATCH_MAX; i++)
			m[i] = rig_frame(9, 8, 14, i);
		rig_in(a, 0, RIG_LAN, m, BATCH_MAX);
	}
	assert_int_equal(a->out[RIG_WAN].n, 30);
	rig_carry(a, b, 0);
	assert_int_equal(b->out[RIG_LAN].n, 30 * BATCH_MAX);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(frames_that_are_none_are_refused_with_their_reason),
		T(a_chained_packet_is_refused_on_both_sides),
		T(neighbours_of_link_local_addresses_pass),
		T(tags_and_dscp_are_read),
		T(segments_are_made_of_what_can_be),
		T(a_vlan_aware_segment_learns_a_mac_once_for_each_vlan),
		T(every_member_of_a_large_segment_gets_one_copy),
		T(a_member_that_is_not_connected_costs_neither_packet_nor_drop),
		T(a_burst_to_many_peers_keeps_each_peers_order),
		T(frames_for_a_peer_that_left_the_segment_are_dropped),
		T(a_bucket_gives_its_burst_and_then_its_rate),
		T(without_buffers_frames_are_counted_and_nothing_leaks),
		T(what_a_port_does_not_take_is_counted_and_freed),
		T(a_queue_of_another_worker_is_reached_through_its_ring),
		T(a_frame_too_long_for_the_far_lan_is_counted_there),
		T(more_frames_than_one_delivery_holds_all_arrive),
	};

	rig_init(N_MBUF, 10240);
	cmocka_set_test_filter(getenv("ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
