// SPDX-License-Identifier: BSD-3-Clause
// What a worker refuses from control, and what it leaves behind in the ring.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <rte_ring.h>

#include "dataplane/worker.h"
#include "tests/unit/dataplane/runtime_rig.h"

static struct rt_rig *rig;

static int set_up(void **)
{
	struct cmd c = {0};

	rig = rt_rig_create(1, 1);
	rt_rig_attach(rig, 1);
	c.session.segments[0] = 1 << RT_SEGMENT;
	c.session.mac_quota = 10;
	return rt_rig_do(rig, 0, &c, CMD_SESSION_SET, sizeof(c.session));
}

static int tear_down(void **)
{
	rt_rig_destroy(rig);
	return 0;
}

static struct cmd good_key(void)
{
	struct cmd c = {0};

	c.key.rx_key_id = 1;
	c.key.tx_key_id = 7;
	c.key.deadline_ns = RT_START_NS + 100 * RT_S;
	c.key.lane = 1;
	c.key.n_lanes = 1;
	c.key.cipher = CIPHER_CHACHA20;
	memset(c.key.key, 0x5a, sizeof(c.key.key));
	return c;
}

static struct cmd good_path(void)
{
	struct cmd c = {.path = {.path = rt_rig_path(rig, rig)}};

	c.path.path.dst_ip[3] = 9;
	return c;
}

static struct cmd good_session(void)
{
	struct cmd c = {0};

	c.session.segments[0] = 1 << RT_SEGMENT;
	c.session.mac_quota = 1;
	return c;
}

struct refusal {
	const char *name;
	uint16_t op;
	uint16_t bytes;
	struct cmd (*base)(void);
	size_t offset; // of one byte to change
	uint8_t value;
	int status;
};

#define AT(member) offsetof(struct cmd, member)

static const struct refusal refusals[] = {
	{"an unknown operation is refused", CMD_OP_MAX, 16, good_path, 0, CMD_OP_MAX, -EOPNOTSUPP},
	{"operation 0 is refused", 0, 16, good_path, 0, 0, -EOPNOTSUPP},
	{"a command that is too short is refused", CMD_PATH, sizeof(struct cmd_path) - 1, good_path,
		AT(head.op), CMD_PATH, -EPROTO},
	{"a command that is too long is refused", CMD_PATH, sizeof(struct cmd_path) + 1, good_path,
		AT(head.op), CMD_PATH, -EPROTO},
	{"reserved bytes of the head are refused", CMD_PATH, sizeof(struct cmd_path), good_path,
		AT(head.reserved), 1, -EPROTO},
	{"a slot beyond the table is refused", CMD_PATH, sizeof(struct cmd_path), good_path,
		AT(head.session), RT_SESSIONS, -ERANGE},
	{"a slot far beyond the table is refused", CMD_SESSION_DEL, sizeof(struct cmd_head),
		good_path, AT(head.session) + 3, 0x7f, -ERANGE},
	{"a path for a session that does not exist is refused", CMD_PATH, sizeof(struct cmd_path),
		good_path, AT(head.session), 3, -ENOENT},
	{"a dump of one session is refused", CMD_DUMP, sizeof(struct cmd_head), good_path,
		AT(head.session), 3, -EINVAL},
	{"a role of 2 is refused", CMD_SESSION_SET, sizeof(struct cmd_session), good_session,
		AT(session.role), 2, -EINVAL},
	{"a quota of nothing is refused", CMD_SESSION_SET, sizeof(struct cmd_session), good_session,
		AT(session.mac_quota), 0, -EINVAL},
	{"a segment that does not exist is refused", CMD_SESSION_SET, sizeof(struct cmd_session),
		good_session, AT(session.segments) + 5, 1, -EINVAL},
	{"another peer's slot is refused", CMD_SESSION_SET, sizeof(struct cmd_session),
		good_session, AT(session.peer_id), 1, -EEXIST},
	{"reserved bytes of a session are refused", CMD_SESSION_SET, sizeof(struct cmd_session),
		good_session, AT(session.reserved) + 2, 1, -EINVAL},
	{"a third pair key is refused", CMD_TAGS, sizeof(struct cmd_tags), good_session,
		AT(tags.set), 2, -EINVAL},
	{"a fourth tag is refused", CMD_TAGS, sizeof(struct cmd_tags), good_session,
		AT(tags.n_tags), 4, -EINVAL},
	{"direction 2 is refused", CMD_KEY_INSTALL, sizeof(struct cmd_key), good_key, AT(key.dir),
		2, -EINVAL},
	{"a key for the control lane is refused", CMD_KEY_INSTALL, sizeof(struct cmd_key), good_key,
		AT(key.lane), 0, -EINVAL},
	{"a lane beyond their number is refused", CMD_KEY_INSTALL, sizeof(struct cmd_key), good_key,
		AT(key.lane), 2, -EINVAL},
	{"no lanes at all are refused", CMD_KEY_INSTALL, sizeof(struct cmd_key), good_key,
		AT(key.n_lanes), 0, -EINVAL},
	{"cipher 0 is refused", CMD_KEY_INSTALL, sizeof(struct cmd_key), good_key, AT(key.cipher),
		0, -EINVAL},
	{"cipher 3 is refused", CMD_KEY_INSTALL, sizeof(struct cmd_key), good_key, AT(key.cipher),
		3, -EINVAL},
	{"a key_id of another slot is refused", CMD_KEY_INSTALL, sizeof(struct cmd_key), good_key,
		AT(key.rx_key_id) + 1, 1, -EINVAL},
	{"a deadline in the past is refused", CMD_KEY_INSTALL, sizeof(struct cmd_key), good_key,
		AT(key.deadline_ns) + 5, 0, -ESTALE},
	{"family 5 is refused", CMD_PATH, sizeof(struct cmd_path), good_path, AT(path.path.family),
		5, -EINVAL},
	{"a path through a LAN port is refused", CMD_PATH, sizeof(struct cmd_path), good_path,
		AT(path.path.port_idx), RT_LAN, -ENODEV},
	{"a path through no port is refused", CMD_PATH, sizeof(struct cmd_path), good_path,
		AT(path.path.port_idx), 2, -ENODEV},
	{"an MTU below the base is refused", CMD_PATH, sizeof(struct cmd_path), good_path,
		AT(path.path.mtu) + 1, 1279 >> 8, -EMSGSIZE},
	{"reserved bytes of a path are refused", CMD_PATH, sizeof(struct cmd_path), good_path,
		AT(path.path.reserved) + 9, 1, -EINVAL},
	{"an epoch that does not exist cannot be switched to", CMD_TX_SWITCH,
		sizeof(struct cmd_epoch), good_path, AT(epoch.rx_key_id), 9, -EINVAL},
};

static void every_bad_command_is_refused(void **)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		const struct refusal *r = &refusals[i];
		struct cmd c = r->base();
		int status;

		((uint8_t *)&c)[r->offset] = r->value;
		status = rt_rig_do(rig, 0, &c, r->op, r->bytes);
		if (status != r->status)
			fail_msg("%s: status %d", r->name, status);
	}
}

static void what_the_bases_say_is_taken(void **)
{
	struct cmd c = good_session();

	assert_int_equal(rt_rig_do(rig, 0, &c, CMD_SESSION_SET, sizeof(c.session)), 0);
	c = good_path();
	assert_int_equal(rt_rig_do(rig, 0, &c, CMD_PATH, sizeof(c.path)), 0);
	c = good_key();
	assert_int_equal(rt_rig_do(rig, 0, &c, CMD_KEY_INSTALL, sizeof(c.key)), 0);
	c = (struct cmd){.head = {.session = NO_SESSION}};
	assert_int_equal(rt_rig_do(rig, 0, &c, CMD_DUMP, sizeof(c.head)), 0);
}

static void random_bytes_change_nothing_that_matters(void **)
{
	struct cmd c;

	srand(7667);
	for (int i = 0; i < 20000; i++) {
		for (size_t k = 0; k < sizeof(c); k++)
			((uint8_t *)&c)[k] = (uint8_t)rand();
		// Half of them get past the first checks.
		if (i % 2 == 0) {
			static const uint16_t bytes[CMD_OP_MAX] = {
				0, 88, 16, 128, 80, 32, 32, 80, 32, 16, 80};

			c.head.session = (uint32_t)rand() % RT_SESSIONS;
			c.head.reserved = 0;
			(void)rt_rig_do(rig, 0, &c, (uint16_t)(i / 2 % CMD_OP_MAX),
				bytes[i / 2 % CMD_OP_MAX]);
		} else {
			(void)rt_rig_do(rig, 0, &c, c.head.op, c.head.bytes);
		}
	}
	rt_rig_turn(rig);
}

static bool ring_holds(struct sealed_ring *r, uint8_t byte)
{
	const uint8_t *at = r->base;
	unsigned run = 0;

	for (size_t i = 0; i < r->map_bytes; i++) {
		run = at[i] == byte ? run + 1 : 0;
		if (run == 32)
			return true;
	}
	return false;
}

static void a_key_is_gone_from_the_ring_once_taken(void **)
{
	struct cmd c = good_key();

	rt_rig_command(rig, 0, &c, CMD_KEY_INSTALL, sizeof(c.key));
	assert_true(ring_holds(&rig->ctl[0][RING_CMD], 0x5a));
	rt_rig_turn(rig);
	assert_false(ring_holds(&rig->ctl[0][RING_CMD], 0x5a));
}

static void a_refused_key_is_gone_as_well(void **)
{
	struct cmd c = good_key();

	c.key.cipher = 9;
	rt_rig_command(rig, 0, &c, CMD_KEY_INSTALL, sizeof(c.key));
	rt_rig_turn(rig);
	assert_false(ring_holds(&rig->ctl[0][RING_CMD], 0x5a));
}

static void while_winding_down_no_key_comes_in_and_sessions_go(void **)
{
	struct cmd c = good_key();

	rig->rt->worker[0]->state = WORKER_STOPPING;
	assert_int_equal(rt_rig_do(rig, 0, &c, CMD_KEY_INSTALL, sizeof(c.key)), -ESHUTDOWN);
	c = good_session();
	assert_int_equal(rt_rig_do(rig, 0, &c, CMD_SESSION_SET, sizeof(c.session)), -ESHUTDOWN);
	c = (struct cmd){0};
	assert_int_equal(rt_rig_do(rig, 0, &c, CMD_SESSION_DEL, sizeof(c.head)), 0);
}

static void old_rings_are_forgotten_with_a_new_generation(void **)
{
	struct sealed_ring old = rig->ctl[0][RING_CMD];
	struct cmd c = good_path();

	// The old ring stays with us; the worker lets go of it.
	rig->ctl[0][RING_CMD] = SEALED_RING_INIT;
	rt_rig_attach(rig, 2);
	c.head.op = CMD_PATH;
	c.head.bytes = sizeof(c.path);
	c.head.seq = 99;
	assert_int_equal(sealed_ring_enqueue(&old, &c, 1), 1);
	rt_rig_turn(rig);
	assert_int_equal(rt_rig_status(rig, 0, 99), 1);
	assert_int_equal(sealed_ring_count(&old), 1);
	assert_int_equal(rt_rig_do(rig, 0, &c, CMD_PATH, sizeof(c.path)), 0);
	sealed_ring_fini(&old);
}

static void a_dump_names_every_session_then_ends(void **)
{
	struct cmd c = good_session();
	struct event ev;
	uint32_t seq;

	c.head.session = 5;
	memset(c.session.peer_id, 0x77, sizeof(c.session.peer_id));
	assert_int_equal(rt_rig_do(rig, 0, &c, CMD_SESSION_SET, sizeof(c.session)), 0);
	c = (struct cmd){.head = {.session = NO_SESSION}};
	seq = rt_rig_command(rig, 0, &c, CMD_DUMP, sizeof(c.head));
	rt_rig_turn(rig);
	assert_true(rt_rig_event(rig, 0, EV_SESSION, &ev));
	assert_int_equal(ev.head.session, 0);
	assert_true(rt_rig_event(rig, 0, EV_SESSION, &ev));
	assert_int_equal(ev.head.session, 5);
	assert_int_equal(ev.session.peer_id[31], 0x77);
	assert_int_equal(rt_rig_status(rig, 0, seq), 0);
}

static void a_dump_waits_for_room_in_the_ring(void **)
{
	struct cmd c = good_session();
	struct event ev;
	uint32_t seq;

	// Fill the event ring with acknowledgements that nobody takes.
	for (unsigned i = 0; i < RING_EVENT_SLOTS - 1; i++) {
		rt_rig_command(rig, 0, &c, CMD_SESSION_SET, sizeof(c.session));
		worker_control(rig->rt->worker[0]);
	}
	c = (struct cmd){.head = {.session = NO_SESSION}};
	seq = rt_rig_command(rig, 0, &c, CMD_DUMP, sizeof(c.head));
	rt_rig_turn(rig);
	assert_false(rt_rig_event(rig, 0, EV_SESSION, &ev));
	rt_rig_turn(rig);
	assert_true(rt_rig_event(rig, 0, EV_SESSION, &ev));
	assert_int_equal(rt_rig_status(rig, 0, seq), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_bad_command_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_the_bases_say_is_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			random_bytes_change_nothing_that_matters, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_key_is_gone_from_the_ring_once_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_refused_key_is_gone_as_well, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			while_winding_down_no_key_comes_in_and_sessions_go, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			old_rings_are_forgotten_with_a_new_generation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_dump_names_every_session_then_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_dump_waits_for_room_in_the_ring, set_up, tear_down),
	};

	rt_rig_init(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
