// SPDX-License-Identifier: BSD-3-Clause
//
// What a hostile data-plane may say and nobody gets to see: each field on its own, and noise.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "controlplane/gateway/dplink_check.h"

static struct link_hello hello;

static int setup(void **state)
{
	memset(&hello, 0, sizeof(hello));
	hello.head = (struct link_head){LINK_MAGIC, SHM_VERSION, LINK_HELLO, sizeof(hello), 1};
	hello.max_sessions = 64;
	hello.max_lanes = 16;
	hello.n_workers = 2;
	hello.n_ports = 2;
	strcpy(hello.port[0].name, "lan0");
	hello.port[0].role = LINK_ROLE_LAN;
	strcpy(hello.port[1].name, "wan0");
	hello.port[1].role = LINK_ROLE_WAN;
	return 0;
}

static void set_magic(void)
{
	hello.head.magic++;
}
static void set_version(void)
{
	hello.head.version++;
}
static void set_op(void)
{
	hello.head.op = LINK_STATUS;
}
static void set_bytes(void)
{
	hello.head.bytes--;
}
static void no_workers(void)
{
	hello.n_workers = 0;
}
static void many_workers(void)
{
	hello.n_workers = LINK_WORKERS_MAX + 1;
}
static void many_ports(void)
{
	hello.n_ports = LINK_PORTS_MAX + 1;
}
static void no_sessions(void)
{
	hello.max_sessions = 0;
}
static void many_sessions(void)
{
	hello.max_sessions = (1u << 24) + 1;
}
static void no_lanes(void)
{
	hello.max_lanes = 0;
}
static void many_lanes(void)
{
	hello.max_lanes = 256;
}
static void bad_role(void)
{
	hello.port[1].role = 3;
}
static void long_name(void)
{
	memset(hello.port[0].name, 'x', sizeof(hello.port[0].name));
}
static void long_ifname(void)
{
	memset(hello.port[1].ifname, 'x', sizeof(hello.port[1].ifname));
}

static void hello_with_one_wrong_field_is_refused(void **state)
{
	static void (*const spoil[])(void) = {set_magic, set_version, set_op, set_bytes, no_workers,
		many_workers, many_ports, no_sessions, many_sessions, no_lanes, many_lanes,
		bad_role, long_name, long_ifname};

	assert_true(dplink_hello_ok(&hello, sizeof(hello)));
	assert_false(dplink_hello_ok(&hello, sizeof(hello) - 1));
	for (size_t i = 0; i < sizeof(spoil) / sizeof(spoil[0]); i++) {
		setup(NULL);
		spoil[i]();
		if (dplink_hello_ok(&hello, sizeof(hello)))
			fail_msg("case %zu was accepted", i);
	}
}

static struct event good_event(uint16_t op, uint16_t bytes)
{
	return (struct event){.head = {.op = op, .bytes = bytes, .session = 3, .worker = 1}};
}

static void events_with_wrong_op_size_worker_or_session_are_refused(void **state)
{
	struct event ev = good_event(EV_NEW_EPOCH, sizeof(struct event_epoch));

	assert_true(dplink_event_ok(&ev, 1, &hello));
	assert_false(dplink_event_ok(&ev, 0, &hello));
	ev.head.session = 64;
	assert_false(dplink_event_ok(&ev, 1, &hello));
	ev.head.session = NO_SESSION;
	assert_false(dplink_event_ok(&ev, 1, &hello));
	ev = good_event(EV_NEW_EPOCH, sizeof(struct event_epoch) - 1);
	assert_false(dplink_event_ok(&ev, 1, &hello));
	ev = good_event(0, 0);
	assert_false(dplink_event_ok(&ev, 1, &hello));
	ev = good_event(EV_OP_MAX, sizeof(struct event_head));
	assert_false(dplink_event_ok(&ev, 1, &hello));
	ev = good_event(0xffff, sizeof(struct event_head));
	assert_false(dplink_event_ok(&ev, 1, &hello));
}

// As dataplane/punt.c and dataplane/keeper.c fill them: the two ends are never compiled together.
static void each_event_has_the_size_that_its_sender_gives_it(void **state)
{
	static const struct {
		uint16_t op, bytes;
	} sent[] = {
		{EV_ACK, sizeof(struct event_ack)},
		{EV_NEW_EPOCH, sizeof(struct event_epoch)},
		{EV_PATH_DEAD, sizeof(struct event_path)},
		{EV_SOFT_LIMIT, sizeof(struct event_epoch)},
		{EV_EXPIRED, sizeof(struct event_epoch)},
		{EV_FORGERIES, sizeof(struct event_epoch)},
		{EV_FIRST_FRAME, sizeof(struct event_epoch)},
		{EV_SESSION, sizeof(struct event_session)},
		{EV_MAC_QUOTA, sizeof(struct event_head)},
	};

	for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
		struct event ev = good_event(sent[i].op, sent[i].bytes);

		if (!dplink_event_ok(&ev, 1, &hello))
			fail_msg("event %u of %u bytes was refused", sent[i].op, sent[i].bytes);
	}
}

static void paths_of_no_family_or_port_are_refused(void **state)
{
	struct event ev = good_event(EV_PATH, sizeof(struct event_path));

	assert_false(dplink_event_ok(&ev, 1, &hello)); // family 0
	ev.path.path.family = 4;
	assert_true(dplink_event_ok(&ev, 1, &hello));
	ev.path.path.family = 5;
	assert_false(dplink_event_ok(&ev, 1, &hello));
	ev.path.path.family = 6;
	ev.path.path.port_idx = 2;
	assert_false(dplink_event_ok(&ev, 1, &hello));
	ev = good_event(EV_SESSION, sizeof(struct event_session));
	assert_true(dplink_event_ok(&ev, 1, &hello)); // a session may have no path
	ev.session.path.family = 9;
	assert_false(dplink_event_ok(&ev, 1, &hello));
}

static void mtu_outside_of_what_a_path_can_be_is_refused(void **state)
{
	static const uint16_t bad[] = {0, 1279, 9217, 65535}, good[] = {1280, 1500, 9216};
	struct event ev = good_event(EV_PMTU, sizeof(struct event_path));

	for (size_t i = 0; i < 4; i++) {
		ev.path.path.mtu = bad[i];
		assert_false(dplink_event_ok(&ev, 1, &hello));
	}
	for (size_t i = 0; i < 3; i++) {
		ev.path.path.mtu = good[i];
		assert_true(dplink_event_ok(&ev, 1, &hello));
	}
}

static void punts_longer_than_their_slot_or_from_nowhere_are_refused(void **state)
{
	struct punt punt = {.bytes = 128,
		.worker = 1,
		.session = 5,
		.from = {.family = 4, .port_idx = 1, .be_dport = 1}};

	assert_true(dplink_punt_ok(&punt, 1, &hello));
	punt.bytes = DATAGRAM_MAX_BYTES + 1;
	assert_false(dplink_punt_ok(&punt, 1, &hello));
	punt.bytes = DPLINK_PUNT_MIN_BYTES - 1;
	assert_false(dplink_punt_ok(&punt, 1, &hello));
	punt.bytes = 128;
	assert_false(dplink_punt_ok(&punt, 0, &hello));
	punt.session = NO_SESSION;
	assert_false(dplink_punt_ok(&punt, 1, &hello));
	punt.session = 5;
	punt.from.be_dport = 0;
	assert_false(dplink_punt_ok(&punt, 1, &hello));
	punt.from.be_dport = 1;
	punt.from.family = 0;
	assert_false(dplink_punt_ok(&punt, 1, &hello));
}

static void stats_that_reach_beyond_their_memory_are_refused(void **state)
{
	size_t sessions = 4096 + sizeof(struct stats_worker) * 2;
	size_t total = sessions + sizeof(struct stats_session) * 2 * 64;
	struct stats_head good = {.magic = STATS_MAGIC,
				  .version = SHM_VERSION,
				  .n_workers = 2,
				  .n_ports = 2,
				  .n_sessions = 64,
				  .worker_offset = 4096,
				  .session_offset = sessions,
				  .total_bytes = total},
			  h = good, judged;

	assert_true(dplink_stats_ok(&h, total, &hello, &judged));
	assert_false(dplink_stats_ok(&h, total - 1, &hello, &judged));
	assert_false(dplink_stats_ok(&h, sizeof(h) - 1, &hello, &judged));
	h.session_offset = UINT64_MAX - 63;
	assert_false(dplink_stats_ok(&h, total, &hello, &judged));
	h = good;
	h.worker_offset = 1ull << 63;
	assert_false(dplink_stats_ok(&h, total, &hello, &judged));
	h = good;
	h.worker_offset = 4097;
	assert_false(dplink_stats_ok(&h, total, &hello, &judged));
	h = good;
	h.session_offset += 64;
	assert_false(dplink_stats_ok(&h, total, &hello, &judged));
	h = good;
	h.n_workers = 16;
	assert_false(dplink_stats_ok(&h, total, &hello, &judged));
	h = good;
	h.n_sessions = 1u << 24;
	assert_false(dplink_stats_ok(&h, total, &hello, &judged));
}

struct liar {
	struct stats_head head;
	atomic_bool stop;
	size_t good;
};

static void *change_offsets(void *arg)
{
	struct liar *liar = arg;
	volatile uint64_t *offset = &liar->head.session_offset;

	while (!atomic_load_explicit(&liar->stop, memory_order_relaxed)) {
		*offset = 1ull << 40;
		*offset = liar->good;
	}
	return NULL;
}

static void offsets_changed_while_they_are_judged_are_never_handed_out(void **state)
{
	size_t sessions = 4096 + sizeof(struct stats_worker) * 2;
	size_t total = sessions + sizeof(struct stats_session) * 2 * 64;
	struct liar liar = {.head = {.magic = STATS_MAGIC,
				    .version = SHM_VERSION,
				    .n_workers = 2,
				    .n_ports = 2,
				    .n_sessions = 64,
				    .worker_offset = 4096,
				    .session_offset = sessions,
				    .total_bytes = total},
		.good = sessions};
	struct stats_head judged = {0};
	unsigned n_ok = 0, n_bad = 0;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, change_offsets, &liar), 0);
	for (unsigned i = 0; i < 2000000; i++) {
		if (!dplink_stats_ok(&liar.head, total, &hello, &judged))
			continue;
		n_ok++;
		n_bad += judged.session_offset != sessions;
	}
	atomic_store(&liar.stop, true);
	pthread_join(thread, NULL);
	assert_true(n_ok > 0);
	assert_int_equal(n_bad, 0);
}

static void table_pages_with_more_rows_than_bytes_are_refused(void **state)
{
	struct link_fdb fdb = {.n = 2};
	size_t bytes = offsetof(struct link_fdb, entry) + 2 * sizeof(fdb.entry[0]);

	fdb.entry[0].where = LINK_FDB_PORT;
	fdb.entry[1] = (struct link_fdb_entry){.where = LINK_FDB_PEER, .idx = 63};
	assert_true(dplink_fdb_ok(&fdb, bytes, &hello));
	assert_false(dplink_fdb_ok(&fdb, bytes - 1, &hello));
	fdb.n = LINK_FDB_MAX + 1;
	assert_false(dplink_fdb_ok(&fdb, sizeof(fdb), &hello));
	fdb.n = 2;
	fdb.entry[0].idx = 2;
	assert_false(dplink_fdb_ok(&fdb, bytes, &hello));
	fdb.entry[0].idx = 0;
	fdb.entry[1].idx = 64;
	assert_false(dplink_fdb_ok(&fdb, bytes, &hello));
	fdb.entry[1].where = 3;
	assert_false(dplink_fdb_ok(&fdb, bytes, &hello));
}

// Whatever passes must be safe to index with.
static void noise_never_passes_with_an_index_out_of_bounds(void **state)
{
	unsigned passed = 0;

	srand(1);
	for (unsigned i = 0; i < 300000; i++) {
		struct event ev;
		struct punt p;

		for (size_t n = 0; n < sizeof(ev); n++)
			ev.bytes[n] = rand();
		ev.head.op = rand() % (EV_OP_MAX + 1);
		ev.head.worker = rand() % 3;
		ev.head.bytes = ev.head.op == EV_PATH ? sizeof(struct event_path)
						      : sizeof(struct event_epoch);
		ev.head.session = rand() % 70;
		ev.path.path.family = rand() % 8;
		ev.path.path.port_idx = rand() % 4;
		if (dplink_event_ok(&ev, 1, &hello)) {
			passed++;
			assert_true(ev.head.session < 64 || ev.head.op == EV_ACK);
			if (ev.head.op == EV_PATH)
				assert_true(ev.path.path.port_idx < 2);
		}
		memset(&p, rand(), 80);
		p.bytes = rand();
		p.worker = 1;
		p.session = rand() % 70;
		if (dplink_punt_ok(&p, 1, &hello))
			assert_true(p.bytes <= sizeof(p.data) && p.session < 64);
	}
	assert_true(passed > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(hello_with_one_wrong_field_is_refused, setup),
		cmocka_unit_test_setup(
			events_with_wrong_op_size_worker_or_session_are_refused, setup),
		cmocka_unit_test_setup(each_event_has_the_size_that_its_sender_gives_it, setup),
		cmocka_unit_test_setup(paths_of_no_family_or_port_are_refused, setup),
		cmocka_unit_test_setup(mtu_outside_of_what_a_path_can_be_is_refused, setup),
		cmocka_unit_test_setup(
			punts_longer_than_their_slot_or_from_nowhere_are_refused, setup),
		cmocka_unit_test_setup(stats_that_reach_beyond_their_memory_are_refused, setup),
		cmocka_unit_test_setup(
			offsets_changed_while_they_are_judged_are_never_handed_out, setup),
		cmocka_unit_test_setup(table_pages_with_more_rows_than_bytes_are_refused, setup),
		cmocka_unit_test_setup(noise_never_passes_with_an_index_out_of_bounds, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
