// SPDX-License-Identifier: BSD-3-Clause
// A path over time: two data-planes in virtual time, joined by a wire that the test may cut.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "dataplane/fdb.h"
#include "dataplane/keeper.h"
#include "dataplane/session.h"
#include "tests/unit/dataplane/runtime_rig.h"
#include "wire/drop.h"
#include "wire/packet.h"

static struct rt_rig *a, *b;

static void begin(unsigned workers_a, unsigned workers_b)
{
	a = rt_rig_create(1, workers_a);
	b = rt_rig_create(2, workers_b);
	rt_rig_attach(a, 1);
	rt_rig_attach(b, 1);
	rt_rig_join(a, b);
}

static int set_up(void **)
{
	begin(1, 1);
	return 0;
}

static int tear_down(void **)
{
	rt_rig_destroy(a);
	rt_rig_destroy(b);
	return 0;
}

static struct session *session(struct rt_rig *r, unsigned worker)
{
	return session_get(&r->rt->worker[worker]->w, 0);
}

static uint64_t packets_out(const struct rt_rig *r)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < r->rt->dp.n_workers; i++)
		n += r->rt->worker[i]->w.session_stats[0].tx_packets;
	return n;
}

static void a_new_path_starts_at_the_base_and_is_full_in_a_second(void **)
{
	assert_int_equal(session(a, 0)->path.mtu, PKT_MTU_BASE);
	rt_rig_pass(a, b, RT_S);
	assert_int_equal(session(a, 0)->path.mtu, 1500);
	assert_int_equal(session(b, 0)->path.mtu, 1500);
	assert_true(rt_rig_event(a, 0, EV_PMTU, NULL));
}

static void a_narrow_path_is_found_within_a_few_bytes(void **)
{
	a->cut_above = 1411;
	rt_rig_pass(a, b, 15 * RT_S);
	assert_in_range(session(a, 0)->path.mtu, 1411 - 8, 1411);
	assert_int_equal(session(b, 0)->path.mtu, 1500);
}

static void a_path_that_shrinks_is_noticed_within_ten_seconds(void **)
{
	struct rte_mbuf *m;

	rt_rig_pass(a, b, RT_S);
	a->cut_above = 1400;
	for (int i = 0; i < 100; i++) { // something goes out all the while
		m = rte_pktmbuf_alloc(a->rt->pool);
		memset(rte_pktmbuf_append(m, 60), 0xff, 60);
		rte_pktmbuf_mtod(m, uint8_t *)[6] = 2;
		a->in[RT_LAN].m[a->in[RT_LAN].n++] = m;
		rt_rig_pass(a, b, 100 * RT_MS);
		rt_rig_discard(&b->out[RT_LAN]);
	}
	assert_true(session(a, 0)->path.mtu <= 1400);
	assert_true(session(a, 0)->path.mtu >= PKT_MTU_BASE);
}

static void an_idle_session_sends_a_keepalive_each_fifteen_seconds(void **)
{
	uint64_t before;

	rt_rig_pass(a, b, 2 * RT_S);
	before = packets_out(a);
	rt_rig_pass(a, b, 10 * RT_S);
	assert_int_equal(packets_out(a), before);
	rt_rig_pass(a, b, 60 * RT_S);
	assert_in_range(packets_out(a) - before, 3, 10);
	assert_false(rt_rig_event(a, 0, EV_PATH_DEAD, NULL));
}

static void silence_is_told_once(void **)
{
	rt_rig_pass(a, b, RT_S);
	b->cut_above = 1; // nothing of b's arrives
	rt_rig_pass(a, b, 30 * RT_S);
	assert_false(rt_rig_event(a, 0, EV_PATH_DEAD, NULL));
	rt_rig_pass(a, b, 40 * RT_S);
	assert_true(rt_rig_event(a, 0, EV_PATH_DEAD, NULL));
	rt_rig_pass(a, b, 100 * RT_S);
	assert_false(rt_rig_event(a, 0, EV_PATH_DEAD, NULL));
}

// From here b sends from another address, as behind a NAT that changed its mind.
static void rename_b(uint8_t id)
{
	struct cmd c = {.path = {.path = rt_rig_path(b, a)}};

	c.path.path.src_ip[3] = id;
	for (unsigned w = 0; w < b->rt->dp.n_workers; w++)
		assert_int_equal(rt_rig_do(b, w, &c, CMD_PATH, sizeof(c.path)), 0);
}

static void a_peer_that_moved_is_followed_after_it_answered(void **)
{
	struct event ev;

	rt_rig_pass(a, b, RT_S);
	rename_b(77);
	rt_rig_pass(a, b, 20 * RT_S); // its next keepalive comes from there
	assert_int_equal(session(a, 0)->path.desc.dst_ip[3], 77);
	assert_true(rt_rig_event(a, 0, EV_PATH, &ev));
	assert_int_equal(ev.path.path.dst_ip[3], 77);
	rt_rig_pass(a, b, RT_S);
	assert_int_equal(session(a, 0)->path.mtu, 1500);
}

static void without_an_answer_the_path_stays_and_little_is_sent(void **)
{
	unsigned to_stranger = 0;

	rt_rig_pass(a, b, RT_S);
	rename_b(77);
	for (uint64_t now = a->rt->worker[0]->w.now_ns, end = now + 30 * RT_S; now < end;) {
		now += 10 * RT_MS;
		rt_rig_clock(a, now);
		rt_rig_clock(b, now);
		rt_rig_turn(a);
		rt_rig_turn(b);
		// b's packets reach a, a's answers reach nobody: somebody copies b's packets.
		for (unsigned i = 0; i < b->out[RT_WAN].n; i++)
			a->in[RT_WAN].m[a->in[RT_WAN].n++] = b->out[RT_WAN].m[i];
		b->out[RT_WAN].n = 0;
		for (unsigned i = 0; i < a->out[RT_WAN].n; i++)
			to_stranger += rte_pktmbuf_mtod(a->out[RT_WAN].m[i], uint8_t *)[33] == 77;
		rt_rig_discard(&a->out[RT_WAN]);
	}
	assert_int_equal(session(a, 0)->path.desc.dst_ip[3], 2);
	assert_in_range(to_stranger, 1, 20);
	assert_false(rt_rig_event(a, 0, EV_PATH, NULL));
}

static void copies_from_silent_strangers_do_not_keep_a_peer_from_moving(void **)
{
	struct outer_view v = {
		.family = 4, .payload_bytes = PKT_MIN_LEN, .be_sport = 1, .be_dport = 2};
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	static uint8_t ip[4] = {192, 0, 2, 0};

	v.src_mac = mac;
	v.dst_mac = mac;
	v.src_ip = ip;
	v.dst_ip = ip;
	rt_rig_pass(a, b, RT_S);
	for (ip[3] = 90; ip[3] < 94; ip[3]++)
		keeper_new_source(&a->rt->worker[0]->w, 0, &v, RT_WAN);
	rt_rig_pass(a, b, 2 * RT_S);
	rename_b(77);
	rt_rig_pass(a, b, 20 * RT_S);
	assert_int_equal(session(a, 0)->path.desc.dst_ip[3], 77);
}

static void try_path(uint8_t id)
{
	struct cmd c = {.path = {.path = rt_rig_path(a, b)}};

	c.path.path.dst_ip[3] = id;
	for (unsigned w = 0; w < a->rt->dp.n_workers; w++)
		assert_int_equal(rt_rig_do(a, w, &c, CMD_PATH_TRY, sizeof(c.path)), 0);
}

static unsigned packets_to(struct rt_rig *r, uint8_t id)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->out[RT_WAN].n; i++)
		n += rte_pktmbuf_mtod(r->out[RT_WAN].m[i], uint8_t *)[33] == id;
	return n;
}

static void a_path_by_which_keys_came_about_is_used_once_it_answers(void **)
{
	begin(3, 2);
	rt_rig_pass(a, b, RT_S);
	rename_b(77); // it has nothing to say, so nothing else comes from there
	try_path(77);
	assert_int_equal(session(a, 0)->path.desc.dst_ip[3], 2);
	rt_rig_pass(a, b, 100 * RT_MS);
	for (unsigned w = 0; w < 3; w++)
		assert_int_equal(session(a, w)->path.desc.dst_ip[3], 77);
	assert_true(rt_rig_event(a, 0, EV_PATH, NULL));
	tear_down(NULL);
}

// Two addresses of the peer that both get through: the one that answers first serves, and the
// other, whose answer comes later, does not take its place.
static void of_several_paths_that_answer_the_first_is_used(void **)
{
	rt_rig_pass(a, b, RT_S);
	try_path(2); // the session's own
	try_path(77);
	rt_rig_pass(a, b, RT_S);
	assert_int_equal(session(a, 0)->path.desc.dst_ip[3], 2);
	assert_int_equal(session(a, 0)->path.mtu, 1500); // nor was it measured again
	assert_false(rt_rig_event(a, 0, EV_PATH, NULL));
	try_path(77);
	try_path(88);
	rt_rig_pass(a, b, RT_S);
	assert_int_equal(session(a, 0)->path.desc.dst_ip[3], 77);
}

// Somebody beside the path copies the answer and is faster; the true one is then a replay.
static void an_answer_proves_the_path_of_its_question(void **)
{
	struct event ev;

	rt_rig_pass(a, b, RT_S);
	try_path(77);
	for (unsigned i = 0; i < 10; i++) {
		rt_rig_clock(a, a->rt->worker[0]->w.now_ns + 10 * RT_MS);
		rt_rig_clock(b, a->rt->worker[0]->w.now_ns);
		for (unsigned k = 0; k < b->out[RT_WAN].n; k++) {
			struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(
				b->out[RT_WAN].m[k], struct rte_ipv4_hdr *, 14);

			((uint8_t *)&ip->src_addr)[3] = 99;
			ip->hdr_checksum = 0;
			ip->hdr_checksum = rte_ipv4_cksum(ip);
		}
		rt_rig_carry(a, b, 1);
	}
	assert_true(rt_rig_event(a, 0, EV_PATH, &ev));
	assert_int_equal(ev.path.path.dst_ip[3], 77);
}

static void a_path_that_does_not_answer_gets_three_challenges(void **)
{
	unsigned n = 0;

	rt_rig_pass(a, b, RT_S);
	for (unsigned i = 0; i < 3; i++)
		try_path(88); // and no more for being asked again
	for (unsigned i = 0; i < 200; i++) {
		rt_rig_clock(a, a->rt->worker[0]->w.now_ns + 10 * RT_MS);
		rt_rig_turn(a);
		n += packets_to(a, 88);
		rt_rig_discard(&a->out[RT_WAN]);
	}
	assert_int_equal(n, 3);
	assert_int_equal(session(a, 0)->path.desc.dst_ip[3], 2);
	assert_false(rt_rig_event(a, 0, EV_PATH, NULL));
}

static void a_response_nobody_asked_for_is_dropped(void **)
{
	struct outer_view v = {.family = 4, .payload_bytes = 44, .be_sport = 1, .be_dport = 2};
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	static uint8_t ip[4] = {192, 0, 2, 99}, payload[8];

	v.src_mac = mac;
	v.dst_mac = mac;
	v.src_ip = ip;
	v.dst_ip = ip;
	keeper_path_block(&a->rt->worker[0]->w, 0, PKT_KIND_PATH_RESPONSE, payload, 8, &v, RT_WAN);
	assert_int_equal(rt_rig_drops(a, DROP_PATH_RESPONSE), 1);
	assert_int_equal(session(a, 0)->path.desc.dst_ip[3], 2);
}

static void control_may_repeat_a_path_without_losing_what_was_found(void **)
{
	struct cmd c = {.path = {.path = rt_rig_path(a, b)}};

	rt_rig_pass(a, b, RT_S);
	assert_int_equal(rt_rig_do(a, 0, &c, CMD_PATH, sizeof(c.path)), 0);
	assert_int_equal(session(a, 0)->path.mtu, 1500);
	c.path.path.mtu = 1300;
	assert_int_equal(rt_rig_do(a, 0, &c, CMD_PATH, sizeof(c.path)), 0);
	assert_true(session(a, 0)->path.mtu <= 1300);
}

static void all_workers_learn_of_mtu_and_path(void **)
{
	begin(3, 2);
	rt_rig_pass(a, b, RT_S);
	for (unsigned w = 0; w < 3; w++)
		assert_int_equal(session(a, w)->path.mtu, 1500);
	rename_b(77);
	rt_rig_pass(a, b, 20 * RT_S);
	for (unsigned w = 0; w < 3; w++)
		assert_int_equal(session(a, w)->path.desc.dst_ip[3], 77);
	tear_down(NULL);
}

// ---- source ports

// a has three workers and so many source ports to b; b knows it of a, or not.
static void begin_ports(uint8_t n_sports, uint8_t n_dports)
{
	struct cmd to_b = {.path = {.path = {0}}}, to_a = to_b;

	begin(3, 3);
	to_b.path.path = rt_rig_path(a, b);
	to_b.path.path.n_sports = n_sports;
	for (unsigned w = 0; w < 3; w++)
		assert_int_equal(rt_rig_do(a, w, &to_b, CMD_PATH, sizeof(to_b.path)), 0);
	to_a.path.path = rt_rig_path(b, a);
	to_a.path.path.n_dports = n_dports;
	for (unsigned w = 0; w < 3; w++)
		assert_int_equal(rt_rig_do(b, w, &to_a, CMD_PATH, sizeof(to_a.path)), 0);
}

// Where the frames of one of a's workers come from, above the overlay port.
static unsigned port_of(unsigned worker)
{
	uint16_t be_sport;

	memcpy(&be_sport, session(a, worker)->path.header + 34, sizeof(be_sport));
	return rte_be_to_cpu_16(be_sport) - PKT_UDP_PORT;
}

static void assert_ports(unsigned first, unsigned second, unsigned third)
{
	assert_int_equal(port_of(0), first);
	assert_int_equal(port_of(1), second);
	assert_int_equal(port_of(2), third);
}

static void where_one_port_is_agreed_nothing_is_tried(void **)
{
	uint64_t before;

	for (unsigned n = 0; n < 2; n++) {
		begin_ports(n, 4);
		rt_rig_pass(a, b, 5 * RT_S);
		before = packets_out(a);
		rt_rig_pass(a, b, 9 * RT_S);
		assert_int_equal(packets_out(a), before);
		assert_ports(0, 0, 0);
		tear_down(NULL);
	}
}

static void a_port_that_does_not_get_through_is_not_used(void **)
{
	begin_ports(4, 4);
	a->one_port = true;
	for (unsigned i = 0; i < 100; i++) {
		rt_rig_pass(a, b, 100 * RT_MS);
		assert_ports(0, 0, 0);
	}
	assert_in_range(packets_out(a), 1, 30);
	tear_down(NULL);
}

static void a_port_is_used_once_it_got_through_and_moves_no_path(void **)
{
	uint64_t answers;

	begin_ports(2, 2);
	assert_ports(0, 0, 0);
	rt_rig_pass(a, b, RT_S);
	assert_ports(0, 1, 0); // lane 3 has the first again
	rt_rig_pass(a, b, 4 * RT_S);
	answers = packets_out(b);
	rt_rig_pass(a, b, 10 * RT_S);
	assert_int_equal(packets_out(b), answers); // no challenges of its own
	assert_false(rt_rig_event(b, 0, EV_PATH, NULL));
	assert_int_equal(session(b, 1)->path.desc.be_dport, rte_cpu_to_be_16(PKT_UDP_PORT));
	tear_down(NULL);
}

static void a_port_that_no_longer_gets_through_is_given_up(void **)
{
	begin_ports(4, 4);
	rt_rig_pass(a, b, RT_S);
	assert_ports(0, 1, 2);
	a->one_port = true;
	rt_rig_pass(a, b, 65 * RT_S);
	assert_ports(0, 0, 0);
	assert_false(rt_rig_event(a, 0, EV_PATH_DEAD, NULL));
	a->one_port = false;
	rt_rig_pass(a, b, 180 * RT_S);
	assert_ports(0, 1, 2);
	tear_down(NULL);
}

static void who_moves_sends_from_one_port_until_the_others_are_proven(void **)
{
	struct cmd c = {.path = {.path = {0}}};

	begin_ports(4, 4);
	rt_rig_pass(a, b, RT_S);
	c.path.path = rt_rig_path(a, b);
	c.path.path.src_ip[3] = 77;
	c.path.path.n_sports = 4;
	for (unsigned w = 0; w < 3; w++)
		assert_int_equal(rt_rig_do(a, w, &c, CMD_PATH, sizeof(c.path)), 0);
	assert_ports(0, 0, 0);
	rt_rig_pass(a, b, 20 * RT_S);
	assert_int_equal(session(b, 0)->path.desc.dst_ip[3], 77);
	rt_rig_pass(a, b, 180 * RT_S);
	assert_ports(0, 1, 2);
	tear_down(NULL);
}

static void ports_that_cannot_be_are_refused(void **)
{
	struct cmd c = {.path = {.path = {0}}};

	begin(1, 1);
	c.path.path = rt_rig_path(a, b);
	c.path.path.n_sports = PKT_SOURCE_PORTS_MAX + 1;
	assert_int_equal(rt_rig_do(a, 0, &c, CMD_PATH, sizeof(c.path)), -EINVAL);
	c.path.path.n_sports = 1;
	c.path.path.n_dports = PKT_SOURCE_PORTS_MAX + 1;
	assert_int_equal(rt_rig_do(a, 0, &c, CMD_PATH, sizeof(c.path)), -EINVAL);
	c.path.path.n_dports = 1;
	c.path.path.be_sport = rte_cpu_to_be_16(65535);
	assert_int_equal(rt_rig_do(a, 0, &c, CMD_PATH, sizeof(c.path)), 0);
	c.path.path.n_sports = 2;
	assert_int_equal(rt_rig_do(a, 0, &c, CMD_PATH, sizeof(c.path)), -EINVAL);
	tear_down(NULL);
}

static void the_last_ports_of_all_may_be_used(void **)
{
	begin_ports(4, 4);
	for (unsigned w = 0; w < 3; w++) {
		struct cmd c = {.path = {.path = rt_rig_path(a, b)}};

		c.path.path.be_sport = rte_cpu_to_be_16(65533);
		c.path.path.n_sports = 3;
		assert_int_equal(rt_rig_do(a, w, &c, CMD_PATH, sizeof(c.path)), 0);
		assert_int_equal(session_port_set(&a->rt->worker[w]->w, 0, true), 0);
		assert_int_equal(port_of(w), 65533 + w - PKT_UDP_PORT);
		assert_int_equal(session(a, w)->path.desc.be_sport, rte_cpu_to_be_16(65533));
	}
	tear_down(NULL);
}

// ---- epochs

// b, the server, sends one frame under this epoch; its control has switched all workers.
static void b_speaks_under(uint32_t key_id)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(b->rt->pool);
	struct cmd c = {.epoch = {.rx_key_id = key_id}};

	for (unsigned w = 0; w < b->rt->dp.n_workers; w++)
		assert_int_equal(rt_rig_do(b, w, &c, CMD_TX_SWITCH, sizeof(c.epoch)), 0);
	assert_non_null(m);
	memset(rte_pktmbuf_append(m, 60), 0xff, 60);
	rte_pktmbuf_mtod(m, uint8_t *)[6] = 2;
	b->in[RT_LAN].m[b->in[RT_LAN].n++] = m;
	rt_rig_pass(a, b, 50 * RT_MS);
	rt_rig_discard(&a->out[RT_LAN]);
}

static uint32_t sends_under(unsigned worker)
{
	const struct epoch *e = session_tx_epoch(session(a, worker));

	return e == NULL ? 0 : e->rx_key_id;
}

static void a_client_without_control_follows_its_server_on_all_workers(void **)
{
	const uint32_t next = pkt_key_id(0, 2);

	begin(3, 2);
	rt_rig_epoch(a, next, false);
	rt_rig_epoch(b, next, true);
	b_speaks_under(next);
	for (unsigned w = 0; w < 3; w++)
		assert_int_equal(sends_under(w), next);
	// What is said late, or twice, takes nobody back.
	session_epoch_heard(&a->rt->worker[1]->w, 0, 1);
	session_epoch_heard(&a->rt->worker[2]->w, 0, next);
	for (unsigned w = 0; w < 3; w++)
		assert_int_equal(sends_under(w), next);
	tear_down(NULL);
}

static void a_server_switches_at_its_controls_word_alone(void **)
{
	const uint32_t next = pkt_key_id(0, 2);

	begin(2, 2);
	rt_rig_epoch(b, next, true);
	session_epoch_heard(&b->rt->worker[1]->w, 0, next);
	assert_int_equal(session_tx_epoch(session(b, 1))->rx_key_id, 1);
	tear_down(NULL);
}

static void a_deadline_ends_an_epoch_without_control(void **)
{
	struct cmd c = {.epoch = {.rx_key_id = 1, .deadline_ns = RT_START_NS + 5 * RT_S}};

	assert_int_equal(rt_rig_do(a, 0, &c, CMD_DEADLINE, sizeof(c.epoch)), 0);
	rt_rig_pass(a, b, 4 * RT_S);
	assert_false(rt_rig_event(a, 0, EV_EXPIRED, NULL));
	rt_rig_pass(a, b, 1500 * RT_MS);
	assert_true(rt_rig_event(a, 0, EV_EXPIRED, NULL));
	assert_null(session_tx_epoch(session(a, 0)));
}

// n stations at a speak once, numbered from `first`.
static void stations_speak(unsigned first, unsigned n)
{
	for (unsigned i = first; i < first + n; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(a->rt->pool);

		assert_non_null(m);
		memset(rte_pktmbuf_append(m, 60), 0xff, 60);
		memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, 6),
			((uint8_t[]){2, 0, 0, 0, 0, (uint8_t)i}), 6);
		a->in[RT_LAN].m[a->in[RT_LAN].n++] = m;
	}
	rt_rig_pass(a, b, 100 * RT_MS);
	(void)fdb_run(b->rt->dp.fdb, b->rt->worker[0]->w.now_s);
	rt_rig_pass(a, b, 300 * RT_MS);
	rt_rig_discard(&b->out[RT_LAN]);
}

static void a_quota_that_is_met_is_told_once_a_minute(void **)
{
	stations_speak(1, 9);
	assert_int_equal(b->rt->worker[0]->w.session_stats[0].learned_macs, 9);
	assert_false(rt_rig_event(b, 0, EV_MAC_QUOTA, NULL));
	stations_speak(20, 9);
	assert_int_equal(b->rt->worker[0]->w.session_stats[0].learned_macs, 10);
	assert_true(rt_rig_event(b, 0, EV_MAC_QUOTA, NULL));
	stations_speak(40, 9);
	assert_false(rt_rig_event(b, 0, EV_MAC_QUOTA, NULL));
	rt_rig_pass(a, b, 61 * RT_S);
	stations_speak(60, 9);
	assert_true(rt_rig_event(b, 0, EV_MAC_QUOTA, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_new_path_starts_at_the_base_and_is_full_in_a_second, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_narrow_path_is_found_within_a_few_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_path_that_shrinks_is_noticed_within_ten_seconds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			an_idle_session_sends_a_keepalive_each_fifteen_seconds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(silence_is_told_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_peer_that_moved_is_followed_after_it_answered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			without_an_answer_the_path_stays_and_little_is_sent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			copies_from_silent_strangers_do_not_keep_a_peer_from_moving, set_up,
			tear_down),
		cmocka_unit_test(a_path_by_which_keys_came_about_is_used_once_it_answers),
		cmocka_unit_test_setup_teardown(
			of_several_paths_that_answer_the_first_is_used, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			an_answer_proves_the_path_of_its_question, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_path_that_does_not_answer_gets_three_challenges, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_response_nobody_asked_for_is_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			control_may_repeat_a_path_without_losing_what_was_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_quota_that_is_met_is_told_once_a_minute, set_up, tear_down),
		cmocka_unit_test(all_workers_learn_of_mtu_and_path),
		cmocka_unit_test(where_one_port_is_agreed_nothing_is_tried),
		cmocka_unit_test(a_port_that_does_not_get_through_is_not_used),
		cmocka_unit_test(ports_that_cannot_be_are_refused),
		cmocka_unit_test(the_last_ports_of_all_may_be_used),
		cmocka_unit_test(a_port_is_used_once_it_got_through_and_moves_no_path),
		cmocka_unit_test(a_port_that_no_longer_gets_through_is_given_up),
		cmocka_unit_test(who_moves_sends_from_one_port_until_the_others_are_proven),
		cmocka_unit_test(a_client_without_control_follows_its_server_on_all_workers),
		cmocka_unit_test(a_server_switches_at_its_controls_word_alone),
		cmocka_unit_test_setup_teardown(
			a_deadline_ends_an_epoch_without_control, set_up, tear_down),
	};

	rt_rig_init(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
