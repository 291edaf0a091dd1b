// SPDX-License-Identifier: BSD-3-Clause
// What goes between a worker and control: injected datagrams are checked, full rings lose with a
// count, and the bell is rung once.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "dataplane/outer.h"
#include "dataplane/punt.h"
#include "dataplane/worker.h"
#include "tests/unit/dataplane/runtime_rig.h"
#include "wire/drop.h"
#include "wire/packet.h"

static struct rt_rig *rig, *peer;

static int set_up(void **)
{
	rig = rt_rig_create(1, 1);
	peer = rt_rig_create(2, 1);
	rt_rig_attach(rig, 1);
	return 0;
}

static int tear_down(void **)
{
	rt_rig_destroy(rig);
	rt_rig_destroy(peer);
	return 0;
}

static struct inject good_inject(void)
{
	struct inject in = {.bytes = PKT_PUNCH_LEN, .session = NO_SESSION};

	in.to = rt_rig_path(rig, peer);
	memset(in.data, 0x33, sizeof(in.data));
	in.data[0] = PKT_TYPE_PUNCH;
	return in;
}

static unsigned sent(const struct inject *in)
{
	unsigned n;

	assert_int_equal(sealed_ring_enqueue(&rig->ctl[0][RING_INJECT], in, 1), 1);
	rt_rig_turn(rig);
	n = rig->out[RT_WAN].n;
	rt_rig_discard(&rig->out[RT_WAN]);
	return n;
}

struct inject_case {
	const char *name;
	size_t offset;
	uint16_t value; // 16 bits written there
	unsigned drop;
};

#define AT(member) offsetof(struct inject, member)

static const struct inject_case cases[] = {
	{"35 bytes are too few", AT(bytes), 35, DROP_INJECT_INVALID},
	{"1233 bytes are too many", AT(bytes), 1233, DROP_INJECT_INVALID},
	{"65535 bytes are too many", AT(bytes), 65535, DROP_INJECT_INVALID},
	{"reserved bits are refused", AT(reserved), 1, DROP_INJECT_INVALID},
	{"more reserved bits are refused", AT(reserved2), 1, DROP_INJECT_INVALID},
	{"a session beyond the table is refused", AT(session) + 2, 0x7fff, DROP_INJECT_INVALID},
	{"type 0x00 is refused", AT(data), 0x3300, DROP_INJECT_INVALID},
	{"type 0x15 is refused", AT(data), 0x3315, DROP_INJECT_INVALID},
	{"a data lane is not control's to send", AT(data), 0x0118, DROP_INJECT_INVALID},
	{"no family", AT(to.family), 0x0100, DROP_INJECT_PATH},
	{"a LAN port", AT(to.family), 0x0004, DROP_INJECT_PATH},
	{"no port", AT(to.family), 0x0204, DROP_INJECT_PATH},
};

static void every_bad_injection_is_dropped_and_counted(void **)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t before = rt_rig_drops(rig, cases[i].drop);
		struct inject in = good_inject();

		memcpy((uint8_t *)&in + cases[i].offset, &cases[i].value, 2);
		if (sent(&in) != 0 || rt_rig_drops(rig, cases[i].drop) != before + 1)
			fail_msg("%s", cases[i].name);
	}
}

static void a_good_one_leaves_as_it_is(void **)
{
	struct inject in = good_inject();
	enum drop_reason why;
	struct outer_view v;
	struct rte_mbuf *m;

	assert_int_equal(sealed_ring_enqueue(&rig->ctl[0][RING_INJECT], &in, 1), 1);
	rt_rig_turn(rig);
	assert_int_equal(rig->out[RT_WAN].n, 1);
	m = rig->out[RT_WAN].m[0];
	assert_true(outer_parse(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, &v, &why));
	assert_int_equal(v.payload_bytes, in.bytes);
	assert_memory_equal(v.payload, in.data, in.bytes);
	assert_memory_equal(v.dst_ip, in.to.dst_ip, 4);
	assert_int_equal(v.be_dport, in.to.be_dport);
	assert_int_equal(rig->rt->worker[0]->w.stats->injected, 1);
}

static void the_largest_and_the_control_lane_pass(void **)
{
	struct inject in = good_inject();

	in.bytes = DATAGRAM_MAX_BYTES;
	in.data[0] = PKT_TYPE_M2;
	assert_int_equal(sent(&in), 1);
	in.data[0] = PKT_TYPE_DATA;
	in.data[1] = PKT_LANE_CONTROL;
	assert_int_equal(sent(&in), 1);
}

static struct rte_mbuf *datagram(struct outer_view *v, uint16_t bytes)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rig->rt->pool);
	struct path_desc back = rt_rig_path(peer, rig);
	enum drop_reason why;
	struct outer_path path;
	uint8_t *payload, *frame;

	assert_non_null(m);
	assert_int_equal(outer_path_build(&back, &path), 0);
	payload = rte_pktmbuf_mtod(m, uint8_t *);
	memset(payload, 0x44, bytes);
	frame = outer_write(&path, payload, bytes, 0);
	m->data_off = (uint16_t)(frame - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)(bytes + OUTER_IPV4_BYTES);
	assert_true(outer_parse(frame, m->data_len, v, &why));
	return m;
}

static void a_punt_says_where_it_came_from(void **)
{
	struct worker *w = &rig->rt->worker[0]->w;
	struct outer_view v;
	struct rte_mbuf *m = datagram(&v, 200);
	struct punt p;

	punt_handshake(w, m, &v, RT_WAN, 3);
	assert_int_equal(sealed_ring_dequeue(&rig->ctl[0][RING_PUNT], &p, 1), 1);
	assert_int_equal(p.bytes, 200);
	assert_int_equal(p.session, 3);
	assert_int_equal(p.data[199], 0x44);
	assert_memory_equal(p.from.dst_ip, ((uint8_t[]){192, 0, 2, 2}), 4);
	assert_memory_equal(p.from.dst_mac, peer->rt->dp.port[RT_WAN].mac, 6);
	assert_int_equal(p.from.port_idx, RT_WAN);
}

static void what_is_longer_than_a_datagram_may_be_is_dropped(void **)
{
	struct worker *w = &rig->rt->worker[0]->w;
	struct outer_view v;
	struct rte_mbuf *m = datagram(&v, DATAGRAM_MAX_BYTES + 1);

	punt_handshake(w, m, &v, RT_WAN, 3);
	assert_int_equal(sealed_ring_count(&rig->ctl[0][RING_PUNT]), 0);
	assert_int_equal(rt_rig_drops(rig, DROP_OVERSIZE), 1);
}

static void handshakes_and_control_lane_do_not_starve_each_other(void **)
{
	struct worker *w = &rig->rt->worker[0]->w;
	struct outer_view v;

	for (unsigned i = 0; i < 2 * RING_LANE0_SLOTS; i++) {
		struct rte_mbuf *m = datagram(&v, 100);

		punt_lane0(w, m, &v, RT_WAN, 0);
	}
	assert_int_equal(rt_rig_drops(rig, DROP_LANE0_RING), RING_LANE0_SLOTS + 1);
	punt_handshake(w, datagram(&v, 100), &v, RT_WAN, 0);
	assert_int_equal(rt_rig_drops(rig, DROP_PUNT_RING), 0);
	assert_int_equal(sealed_ring_count(&rig->ctl[0][RING_PUNT]), 1);
}

static void without_control_everything_is_counted_and_freed(void **)
{
	struct worker *w = &peer->rt->worker[0]->w;
	unsigned free_before = rte_mempool_avail_count(rig->rt->pool);
	struct outer_view v;
	struct event ev = {.head = {.op = EV_PATH}};

	for (unsigned i = 0; i < 100; i++)
		punt_handshake(w, datagram(&v, 100), &v, RT_WAN, 0);
	assert_int_equal(rt_rig_drops(peer, DROP_PUNT_RING), 100);
	assert_false(punt_event_send(peer->rt->worker[0], &ev));
	assert_int_equal(rte_mempool_avail_count(rig->rt->pool), free_before);
}

static void the_bell_rings_once_for_many(void **)
{
	struct worker *w = &rig->rt->worker[0]->w;
	struct outer_view v;
	uint64_t rings = 0;

	assert_int_equal(read(rig->bell[0], &rings, sizeof(rings)), -1);
	for (unsigned i = 0; i < 20; i++)
		punt_handshake(w, datagram(&v, 100), &v, RT_WAN, 0);
	worker_control(rig->rt->worker[0]);
	worker_control(rig->rt->worker[0]);
	assert_int_equal(read(rig->bell[0], &rings, sizeof(rings)), sizeof(rings));
	assert_int_equal(rings, 1);
}

// What is put on a ring just before its owner says that it sleeps wakes nobody: the owner must see
// it itself. Two workers share one queue of each port, so one sends through the other.
static void a_worker_about_to_sleep_sees_what_it_was_left(void **)
{
	struct rt_rig *r = rt_rig_create(3, 2);
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->rt->pool);
	struct note note = {0};
	bool sent = false;

	assert_non_null(m);
	rte_pktmbuf_append(m, 60);
	for (unsigned i = 0; i < 2; i++)
		assert_false(worker_was_left_work(r->rt->worker[i]));
	for (unsigned i = 0; i < 2 && !sent; i++) {
		struct worker *w = &r->rt->worker[i]->w;

		sent = w->tx[RT_WAN].via != NULL;
		if (!sent)
			continue;
		port_tx(w, RT_WAN, m);
		port_tx_flush(w);
		assert_false(worker_was_left_work(r->rt->worker[i]));
		assert_true(worker_was_left_work(r->rt->worker[1 - i]));
	}
	assert_true(sent);
	rt_rig_turn(r);
	assert_int_equal(r->out[RT_WAN].n, 1);
	assert_int_equal(rte_ring_enqueue_elem(r->rt->worker[1]->notes, &note, sizeof(note)), 0);
	assert_true(worker_was_left_work(r->rt->worker[1]));
	rt_rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			every_bad_injection_is_dropped_and_counted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_good_one_leaves_as_it_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_largest_and_the_control_lane_pass, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_punt_says_where_it_came_from, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_longer_than_a_datagram_may_be_is_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			handshakes_and_control_lane_do_not_starve_each_other, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			without_control_everything_is_counted_and_freed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_bell_rings_once_for_many, set_up, tear_down),
		cmocka_unit_test(a_worker_about_to_sleep_sees_what_it_was_left),
	};

	rt_rig_init(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
