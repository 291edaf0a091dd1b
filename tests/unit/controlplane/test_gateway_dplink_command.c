// SPDX-License-Identifier: BSD-3-Clause
//
// Commands to a worker that is slow, or whose answers are lost: all of them arrive, in order, and
// every group ends once.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "controlplane/gateway/dplink.h"
#include "controlplane/gateway/dplink_internal.h"

#define N_COMMANDS 10000

static uv_loop_t loop;
static struct dplink *dp;
static unsigned n_done, n_failed;

static void on_done(void *ctx, uint32_t group, int status)
{
	n_done++;
	n_failed += status < 0;
}

static const struct dplink_ops ops = {.done = on_done};

static int setup(void **state)
{
	n_done = n_failed = 0;
	uv_loop_init(&loop);
	dp = calloc(1, sizeof(*dp));
	assert_non_null(dp);
	dp->loop = &loop;
	dp->ops = &ops;
	dp->state = LINK_UP;
	dp->hello.n_workers = 1;
	uv_timer_init(&loop, &dp->stalled);
	dp->stalled.data = dp;
	return dplink_worker_create(dp, 0, &dp->worker[0]);
}

static int teardown(void **state)
{
	dplink_worker_destroy(dp->worker[0]);
	uv_close((uv_handle_t *)&dp->stalled, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	free(dp);
	return uv_loop_close(&loop);
}

static void give(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct cmd cmd = {.head = {.op = CMD_KEY_RETIRE, .session = i}};
		uint32_t group = dplink_group_begin(dp);

		assert_int_equal(dplink_command(dp, 0, &cmd, group), 0);
		dplink_group_end(dp, group);
	}
}

// What the worker takes until nothing more comes; every lose-th answer is lost, 0: none.
static unsigned work(unsigned lose)
{
	unsigned n = 0;

	for (unsigned quiet = 0; quiet < 20;) {
		struct event_ack ack = {.head = {.op = EV_ACK}};
		struct cmd cmd;

		if (sealed_ring_dequeue(&dp->worker[0]->ring[RING_CMD], &cmd, 1) == 0) {
			quiet++;
			uv_sleep(1);
			uv_run(&loop, UV_RUN_NOWAIT);
			continue;
		}
		quiet = 0;
		assert_int_equal(cmd.head.session, n);
		n++;
		ack.head.seq = cmd.head.seq;
		ack.cmd_op = cmd.head.op;
		if (lose == 0 || n % lose != 0)
			dplink_accept_ack(dp->worker[0], &ack);
	}
	return n;
}

static void more_commands_than_any_ring_holds_all_arrive(void **state)
{
	give(N_COMMANDS);
	assert_int_equal(work(0), N_COMMANDS);
	// Of more groups than there are places the newest end.
	assert_in_range(n_done, GROUPS_MAX, N_COMMANDS);
	assert_int_equal(n_failed, 0);
}

static void lost_answers_stop_nothing_and_end_their_groups(void **state)
{
	for (unsigned i = 0; i < 5; i++) {
		give(1000);
		assert_int_equal(work(i < 2 ? 2 : 0), 1000);
	}
	// A thousand were lost; those that 2048 commands came after have ended as failed.
	assert_int_equal(n_failed, 1000);
	assert_int_equal(n_done, 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			more_commands_than_any_ring_holds_all_arrive, setup, teardown),
		cmocka_unit_test_setup_teardown(
			lost_answers_stop_nothing_and_end_their_groups, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
