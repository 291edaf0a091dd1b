// SPDX-License-Identifier: BSD-3-Clause
//
// Guards: what is taken for a DHCP reply, a router advertisement or a BPDU, whatever it hides
// behind; what a segment then does with it; and that a loop is found, cut and joined again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "dataplane/guard.h"
#include "dataplane/l2.h"
#include "dataplane/loop.h"
#include "tests/unit/dataplane/rig.h"

#define SLOT   5
#define N_MBUF 4095

// ---------------------------------------------------------------- frames

#define HOST  2, 0, 0, 0, 0, 9
#define FROM  2, 0, 0, 0, 0, 8
#define ALL   255, 255, 255, 255, 255, 255
#define NODES 0x33, 0x33, 0, 0, 0, 1
#define VLAN5 0x81, 0, 0, 5
#define QINQ  0x88, 0xa8, 0, 7
#define SNAP  0, 60, 0xaa, 0xaa, 3, 0, 0, 0

// 20 bytes of IPv4: words, fragment field, protocol.
#define IP4(w, frag, proto)                                                                        \
	0x08, 0, 0x40 | (w), 0, 2, 0, 0, 1, (frag) >> 8, (frag)&255, 64, proto, 0, 0, 10, 0, 0, 1, \
		10, 0, 0, 2
#define IP6(next)                                                                                 \
	0x86, 0xdd, 0x60, 0, 0, 0, 0, 40, next, 255, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
		0, 0, 1, 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1
#define UDP(from, to)   (from) >> 8, (from)&255, (to) >> 8, (to)&255, 0, 100, 0, 0
#define EXT8(next)      next, 0, 1, 4, 0, 0, 0, 0
#define FRAG(next, off) next, 0, (off) >> 8, (off)&255, 0, 0, 0, 9
#define RA              134, 0, 0, 0, 64, 0, 7, 8

struct sample {
	const char *name;
	enum guard_kind kind;
	unsigned bytes;
	uint8_t frame[120];
};

static const struct sample samples[] = {
	// What must not be taken for something it is not.
	{"an ARP request", GUARD_NONE, 42, {ALL, FROM, 0x08, 0x06, 0, 1}},
	{"fourteen bytes", GUARD_NONE, 14, {HOST, FROM, 0x08, 0}},
	{"TCP from port 67 to 68", GUARD_NONE, 60, {HOST, FROM, IP4(5, 0, 6), UDP(67, 68), 2}},
	{"DNS", GUARD_NONE, 60, {HOST, FROM, IP4(5, 0, 17), UDP(53, 5000), 2}},
	{"a DHCP request", GUARD_NONE, 60, {ALL, FROM, IP4(5, 0, 17), UDP(68, 67), 1}},
	{"a later fragment that looks like ports", GUARD_NONE, 60,
		{HOST, FROM, IP4(5, 0x2001, 17), UDP(67, 68), 2}},
	{"a neighbour solicitation", GUARD_NONE, 90, {NODES, FROM, IP6(58), 135}},
	{"a router solicitation", GUARD_NONE, 90, {NODES, FROM, IP6(58), 133}},
	{"a multicast listener report", GUARD_NONE, 90, {NODES, FROM, IP6(0), EXT8(58), 143}},
	{"a DHCPv6 solicit", GUARD_NONE, 90, {NODES, FROM, IP6(17), UDP(546, 547), 1}},
	{"a later IPv6 fragment", GUARD_NONE, 90, {HOST, FROM, IP6(44), FRAG(58, 8), RA}},
	{"TCP over IPv6", GUARD_NONE, 90, {HOST, FROM, IP6(6), UDP(547, 546), 2}},
	{"ESP over IPv6", GUARD_NONE, 90, {HOST, FROM, IP6(50), 134}},
	{"somebody else's use of our ethertype", GUARD_NONE, 60,
		{ALL, FROM, 0x88, 0xb6, 'P', 'S', 'T'}},
	{"NetBEUI", GUARD_NONE, 60, {ALL, FROM, 0, 40, 0xf0, 0xf0, 3}},
	// What must be seen for what it is.
	{"a DHCP offer to all", GUARD_DHCP, 60, {ALL, FROM, IP4(5, 0, 17), UDP(67, 68), 2}},
	{"one from another port", GUARD_DHCP, 60, {HOST, FROM, IP4(5, 0, 17), UDP(9, 68), 2}},
	{"one behind IPv4 options", GUARD_DHCP, 60,
		{HOST, FROM, IP4(6, 0, 17), 1, 1, 1, 1, UDP(67, 68), 2}},
	{"one in a VLAN", GUARD_DHCP, 64, {HOST, FROM, VLAN5, IP4(5, 0, 17), UDP(67, 68), 2}},
	{"one behind three tags", GUARD_DHCP, 72,
		{HOST, FROM, QINQ, VLAN5, 0x81, 0, 0, 0, IP4(5, 0, 17), UDP(67, 68), 2}},
	{"one behind 802.3 and SNAP", GUARD_DHCP, 68,
		{HOST, FROM, SNAP, IP4(5, 0, 17), UDP(67, 68), 2}},
	{"one behind a tag behind SNAP", GUARD_DHCP, 72,
		{HOST, FROM, SNAP, VLAN5, IP4(5, 0, 17), UDP(67, 68), 2}},
	{"its first fragment, without its first byte", GUARD_DHCP, 42,
		{HOST, FROM, IP4(5, 0x2000, 17), UDP(67, 67)}},
	{"a reply to a relay", GUARD_DHCP, 60, {HOST, FROM, IP4(5, 0, 17), UDP(67, 67), 2}},
	{"a DHCPv6 advertisement", GUARD_DHCP, 90, {HOST, FROM, IP6(17), UDP(547, 546), 2}},
	{"a DHCPv6 reply to a relay", GUARD_DHCP, 90, {HOST, FROM, IP6(17), UDP(547, 547), 13}},
	{"one behind options and a first fragment", GUARD_DHCP, 110,
		{HOST, FROM, IP6(0), EXT8(44), FRAG(17, 1), UDP(547, 546), 2}},
	{"a router advertisement", GUARD_RA, 90, {NODES, FROM, IP6(58), RA}},
	{"one to a single host", GUARD_RA, 90, {HOST, FROM, IP6(58), RA}},
	{"one in a VLAN", GUARD_RA, 94, {NODES, FROM, VLAN5, IP6(58), RA}},
	{"one behind a priority tag and SNAP", GUARD_RA, 102,
		{NODES, FROM, 0x81, 0, 0xe0, 0, SNAP, IP6(58), RA}},
	{"one behind hop-by-hop options", GUARD_RA, 90, {NODES, FROM, IP6(0), EXT8(58), RA}},
	{"one behind four headers", GUARD_RA, 110,
		{NODES, FROM, IP6(60), EXT8(43), EXT8(60), EXT8(0), EXT8(58), RA}},
	{"one in a first fragment", GUARD_RA, 90, {NODES, FROM, IP6(44), FRAG(58, 1), RA}},
	{"a first fragment that ends before it says what it is", GUARD_RA, 62,
		{NODES, FROM, IP6(44), FRAG(60, 1)}},
	{"a chain longer than its frame", GUARD_RA, 70, {NODES, FROM, IP6(0), 58, 200, 1, 4}},
	{"a BPDU", GUARD_STP, 60, {1, 0x80, 0xc2, 0, 0, 0, FROM, 0, 38, 0x42, 0x42, 3}},
	{"one of Cisco's for a VLAN", GUARD_STP, 64,
		{1, 0, 0xc, 0xcc, 0xcc, 0xcd, FROM, VLAN5, SNAP}},
};

static void frames_are_taken_for_what_they_are(void **)
{
	for (unsigned i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *s = &samples[i];

		if (guard_kind_of(s->frame, s->bytes) != s->kind)
			fail_msg("%s: taken for %d", s->name, guard_kind_of(s->frame, s->bytes));
	}
}

static void the_first_look_misses_none(void **)
{
	for (unsigned i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *s = &samples[i];
		struct l2_header h;

		l2_parse_rest(s->frame, s->bytes, &h);
		if (!h.suspect && s->kind != GUARD_NONE && s->frame[0] != 1)
			fail_msg("%s: let go at first sight", s->name);
	}
}

static void plain_traffic_is_let_go_at_first_sight(void **)
{
	static const uint8_t plain[][100] = {
		{HOST, FROM, IP4(5, 0, 6), UDP(67, 68)},
		{HOST, FROM, IP4(5, 0, 17), UDP(5000, 53)},
		{HOST, FROM, VLAN5, IP4(5, 0, 17), UDP(5000, 5353)},
		{HOST, FROM, IP6(6)},
		{HOST, FROM, IP6(17), UDP(5000, 53)},
		{HOST, FROM, IP6(58), 128},
		{ALL, FROM, 0x08, 0x06},
	};
	struct l2_header h;

	for (unsigned i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		l2_parse_rest(plain[i], sizeof(plain[i]), &h);
		if (h.suspect)
			fail_msg("frame %u", i);
	}
}

// ---------------------------------------------------------------- policy

static struct rig_gateway *a, *b;
static unsigned free_before;

static struct guard_rules *rules(struct rig_gateway *g)
{
	return &g->dp.segments.segment[RIG_SEGMENT].guard;
}

static int set_up(void **)
{
	struct rig_options o = {.n_workers = 1};

	free_before = rig_free_mbufs();
	a = rig_gateway(1, &o);
	b = rig_gateway(2, &o);
	assert_int_equal(loop_init(&a->dp.loop), 0);
	assert_int_equal(loop_init(&b->dp.loop), 0);
	rig_join(a, b, SLOT, 1500, CIPHER_AES_256_GCM);
	return 0;
}

static int tear_down(void **)
{
	rig_gateway_free(a);
	rig_gateway_free(b);
	return rig_free_mbufs() == free_before ? 0 : -1;
}

static const struct sample *named(const char *name)
{
	for (unsigned i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		if (strcmp(samples[i].name, name) == 0)
			return &samples[i];
	}
	fail_msg("%s", name);
	return NULL;
}

static void put(struct rig_gateway *g, const char *name)
{
	const struct sample *s = named(name);
	struct rte_mbuf *m = rig_bytes(s->frame, s->bytes);

	rig_in(g, 0, RIG_LAN, &m, 1);
}

// Whether b's LAN gets what a host behind a sends.
static bool crosses(const char *name)
{
	unsigned before = b->out[RIG_LAN].n;

	put(a, name);
	rig_carry(a, b, 0);
	return b->out[RIG_LAN].n == before + 1;
}

static void a_peer_may_serve_a_site_that_has_no_server(void **)
{
	assert_true(crosses("a DHCP offer to all"));
	assert_true(crosses("a router advertisement"));
	assert_true(crosses("a DHCP request"));
}

static void a_peer_may_not_serve_a_site_that_has_its_own(void **)
{
	put(b, "a DHCP offer to all");
	rig_discard(&b->out[RIG_WAN]);
	assert_false(crosses("a DHCP offer to all"));
	assert_int_equal(rig_drops(b, DROP_GUARD_DHCP), 1);
	assert_true(crosses("a router advertisement"));
	put(b, "one in a VLAN"); // a router's
	put(b, "one behind four headers");
	rig_discard(&b->out[RIG_WAN]);
	assert_false(crosses("one in a first fragment"));
	assert_int_equal(rig_drops(b, DROP_GUARD_RA), 1);
	assert_true(crosses("a DHCP request"));
}

static void a_server_not_heard_for_an_hour_is_forgotten(void **)
{
	put(b, "a router advertisement");
	rig_discard(&b->out[RIG_WAN]);
	assert_false(crosses("a router advertisement"));
	b->w[0]->now_s += GUARD_HEARD_S + 1;
	assert_true(crosses("a router advertisement"));
}

static void a_segment_may_forbid_or_allow_servers_behind_peers(void **)
{
	rules(b)->dhcp = GUARD_DROP;
	rules(b)->ra = GUARD_ALLOW;
	put(b, "a router advertisement");
	rig_discard(&b->out[RIG_WAN]);
	assert_false(crosses("a DHCP offer to all"));
	assert_true(crosses("a router advertisement"));
	assert_true(crosses("DNS"));
}

static void spanning_tree_crosses_only_where_both_sides_forward_it(void **)
{
	assert_false(crosses("a BPDU"));
	assert_false(crosses("one of Cisco's for a VLAN"));
	assert_int_equal(rig_drops(a, DROP_GUARD_STP), 2);
	rules(a)->stp_forward = true;
	assert_false(crosses("a BPDU"));
	assert_int_equal(rig_drops(b, DROP_GUARD_STP), 1);
	rules(b)->stp_forward = true;
	assert_true(crosses("a BPDU"));
	assert_true(crosses("one of Cisco's for a VLAN"));
}

// ---------------------------------------------------------------- loops

static unsigned n_cut, n_joined;

static void told(void *, fdb_dst_t, uint8_t segment, bool cut)
{
	assert_int_equal(segment, RIG_SEGMENT);
	(*(cut ? &n_cut : &n_joined))++;
}

// Give what g sent on a port to another port, of the same gateway or another.
static void cable(struct rig_gateway *from, unsigned port, struct rig_gateway *to, unsigned in)
{
	struct rig_out out = from->out[port];

	from->out[port].n = 0;
	for (unsigned i = 0; i < out.n; i++)
		rig_in(to, 0, in, &out.m[i], 1);
}

static void probe(struct rig_gateway *g)
{
	loop_probe(g->w[0]);
	port_tx_flush(g->w[0]);
}

static void tick(struct rig_gateway *g, struct loop_known *known, uint32_t s)
{
	rig_clock(g, g->w[0]->now_ns + s * 1000000000ull);
	loop_run(&g->dp.loop, known, g->w[0]->now_s, told, NULL);
}

static bool floods(struct rig_gateway *from, struct rig_gateway *to)
{
	struct rte_mbuf *m = rig_frame(9, 8, 60, 1);

	rig_discard(&to->out[RIG_LAN]);
	rig_discard(&to->out[RIG_LAN2]);
	rig_in(from, 0, RIG_LAN, &m, 1);
	rig_carry(from, to, 0);
	rig_discard(&from->out[RIG_LAN2]);
	return to->out[RIG_LAN].n == 1;
}

static void a_loop_by_way_of_a_peer_is_cut_and_joined_again(void **)
{
	struct loop_known known = {0};

	n_cut = n_joined = 0;
	rules(a)->loop_cut = true;
	assert_true(floods(a, b));
	rig_discard(&b->out[RIG_LAN]);
	// The LANs are one: a's probe comes in at b's port, and b hands it to its peer, a.
	probe(a);
	cable(a, RIG_LAN, b, RIG_LAN);
	rig_carry(b, a, 0);
	assert_true(rig_had_event(a, EV_LOOP));
	tick(a, &known, 0);
	assert_int_equal(n_cut, 1);
	assert_false(floods(a, b));
	assert_false(floods(b, a));
	assert_true(rig_drops(a, DROP_LOOP) > 0);
	assert_int_equal(loop_count(&a->dp.loop, RIG_SEGMENT), 1);
	// While it lasts, so does the cut.
	for (unsigned i = 0; i < 3; i++) {
		tick(a, &known, LOOP_HOLD_S - 1);
		rig_discard(&a->out[RIG_LAN]);
		probe(a);
		cable(a, RIG_LAN, b, RIG_LAN);
		rig_carry(b, a, 0);
		assert_false(floods(a, b));
	}
	tick(a, &known, LOOP_HOLD_S + 1);
	assert_int_equal(n_joined, 1);
	assert_true(floods(a, b));
	assert_false(loop_any(&a->dp.loop));
}

static void of_two_ports_on_one_cable_the_later_is_cut(void **)
{
	struct loop_known known = {0};

	rules(a)->loop_cut = true;
	probe(a);
	// LAN2 is the segment's VLAN 100; the other end tags or strips.
	assert_int_equal(a->out[RIG_LAN2].n, 1);
	l2_tag_pop(a->out[RIG_LAN2].m[0]);
	cable(a, RIG_LAN2, a, RIG_LAN);
	tick(a, &known, 0);
	assert_true(loop_cuts(&a->dp.loop, fdb_dst(FDB_LAN, 1), RIG_SEGMENT));
	assert_false(loop_cuts(&a->dp.loop, fdb_dst(FDB_LAN, 0), RIG_SEGMENT));
	assert_true(floods(a, b)); // the first goes on
	assert_int_equal(a->out[RIG_LAN2].n, 0);
}

static void a_host_behind_a_cut_place_is_not_reached(void **)
{
	struct loop_known known = {0};
	struct rte_mbuf *m = rig_frame(9, 7, 60, 1);

	rules(a)->loop_cut = true;
	assert_true(l2_tag_push(m, 100));
	rig_in(a, 0, RIG_LAN2, &m, 1);
	rig_learn(a);
	rig_discard(&a->out[RIG_LAN]);
	rig_discard(&a->out[RIG_WAN]);
	m = rig_frame(7, 8, 60, 2);
	rig_in(a, 0, RIG_LAN, &m, 1);
	assert_int_equal(a->out[RIG_LAN2].n, 1);

	rig_discard(&a->out[RIG_LAN2]);
	probe(a);
	l2_tag_pop(a->out[RIG_LAN2].m[0]);
	cable(a, RIG_LAN2, a, RIG_LAN);
	tick(a, &known, 0);
	assert_true(loop_cuts(&a->dp.loop, fdb_dst(FDB_LAN, 1), RIG_SEGMENT));
	m = rig_frame(7, 8, 60, 3);
	rig_in(a, 0, RIG_LAN, &m, 1);
	assert_int_equal(rig_drops(a, DROP_LOOP), 1);
	m = rig_frame(7, 6, 60, 4);
	rig_in(b, 0, RIG_LAN, &m, 1);
	rig_carry(b, a, 0);
	assert_int_equal(rig_drops(a, DROP_LOOP), 2);
	assert_int_equal(a->out[RIG_LAN2].n, 0);
	assert_int_equal(a->out[RIG_WAN].n, 0);
}

static void a_cut_takes_nothing_from_the_flood_of_segment_zero(void **)
{
	struct rte_mbuf *m = rig_frame(9, 8, 60, 1);

	assert_int_equal(segment_add(&a->dp.segments, 0, false, 0), 0);
	assert_int_equal(segment_attach(&a->dp.segments, 0, RIG_LAN, 200), 0);
	assert_int_equal(segment_attach(&a->dp.segments, 0, RIG_LAN2, 0), 0);
	rules(a)->loop_cut = true;
	probe(a);
	cable(a, RIG_LAN, a, RIG_LAN);
	assert_true(loop_any(&a->dp.loop));
	rig_discard(&a->out[RIG_LAN2]);
	assert_true(l2_tag_push(m, 200));
	rig_in(a, 0, RIG_LAN, &m, 1);
	assert_int_equal(rig_drops(a, DROP_LOOP), 0);
	assert_int_equal(a->out[RIG_LAN2].n, 1);
}

static void a_probe_that_is_forged_altered_or_old_cuts_nothing(void **)
{
	struct rte_mbuf *m;

	rules(a)->loop_cut = true;
	for (unsigned at = 14; at < 42; at++) { // from magic to mac
		rig_discard(&a->out[RIG_LAN]);
		probe(a);
		m = a->out[RIG_LAN].m[0];
		if (at == 18)
			continue; // hops: everybody may count them
		rte_pktmbuf_mtod(m, uint8_t *)[at] ^= 1;
		cable(a, RIG_LAN, a, RIG_LAN);
		assert_false(loop_any(&a->dp.loop));
	}
	rig_discard(&a->out[RIG_LAN]);
	probe(a);
	rig_clock(a, a->w[0]->now_ns + (LOOP_PROBE_S + 1) * 1000000000ull);
	cable(a, RIG_LAN, a, RIG_LAN);
	assert_false(loop_any(&a->dp.loop));
	rig_discard(&a->out[RIG_WAN]);
}

static void probes_do_not_circle(void **)
{
	struct rte_mbuf *m;

	rules(a)->loop_cut = true;
	probe(a);
	m = a->out[RIG_LAN].m[0];
	rte_pktmbuf_mtod(m, uint8_t *)[18] = LOOP_HOPS;
	cable(a, RIG_LAN, b, RIG_LAN);
	assert_int_equal(b->out[RIG_WAN].n, 0);
	assert_int_equal(rig_drops(b, DROP_LOOP_PROBE), 1);
}

static void a_flood_of_probes_is_passed_on_slowly(void **)
{
	rules(a)->loop_cut = true;
	for (unsigned i = 0; i < 1000; i++) {
		probe(a);
		rig_discard(&a->out[RIG_LAN2]);
		cable(a, RIG_LAN, b, RIG_LAN);
	}
	assert_in_range(b->out[RIG_WAN].n, 1, 100);
	assert_true(rig_drops(b, DROP_LOOP_PROBE) > 900);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_taken_for_what_they_are),
		cmocka_unit_test(the_first_look_misses_none),
		cmocka_unit_test(plain_traffic_is_let_go_at_first_sight),
#define ON_RIG(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		ON_RIG(a_peer_may_serve_a_site_that_has_no_server),
		ON_RIG(a_peer_may_not_serve_a_site_that_has_its_own),
		ON_RIG(a_server_not_heard_for_an_hour_is_forgotten),
		ON_RIG(a_segment_may_forbid_or_allow_servers_behind_peers),
		ON_RIG(spanning_tree_crosses_only_where_both_sides_forward_it),
		ON_RIG(a_loop_by_way_of_a_peer_is_cut_and_joined_again),
		ON_RIG(of_two_ports_on_one_cable_the_later_is_cut),
		ON_RIG(a_host_behind_a_cut_place_is_not_reached),
		ON_RIG(a_cut_takes_nothing_from_the_flood_of_segment_zero),
		ON_RIG(a_probe_that_is_forged_altered_or_old_cuts_nothing),
		ON_RIG(probes_do_not_circle),
		ON_RIG(a_flood_of_probes_is_passed_on_slowly),
	};

	rig_init(N_MBUF, 10240);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
