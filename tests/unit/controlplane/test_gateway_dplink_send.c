// SPDX-License-Identifier: BSD-3-Clause
//
// Messages to a data-plane that does not read: control is never kept waiting, nothing is lost or
// changes places, and what is kept is bounded.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "controlplane/common/clock.h"
#include "controlplane/gateway/dplink.h"
#include "controlplane/gateway/dplink_internal.h"

static uv_loop_t loop;
static struct dplink *dp;
static int far;
static unsigned n_detached;

static void on_detached(void *)
{
	n_detached++;
}

static const struct dplink_ops ops = {.detached = on_detached};

static int set_up(void **)
{
	int pair[2];

	n_detached = 0;
	uv_loop_init(&loop);
	assert_int_equal(dplink_create(&loop, "/no/such/socket", &ops, NULL, &dp), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	far = pair[1];
	dplink_adopt(dp, pair[0]);
	dp->state = LINK_UP;
	return 0;
}

static int tear_down(void **)
{
	dplink_destroy(dp);
	close(far);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

// Ask for so many flushes of sessions in order; returns how many were taken.
static unsigned flush(unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		if (dplink_fdb_flush(dp, i) < 0)
			break;
	}
	return i;
}

static unsigned fill(void)
{
	return flush(100000);
}

// What the far end reads now, which must go on from `at`.
static unsigned drain(unsigned at)
{
	struct link_fdb_flush msg;

	for (unsigned quiet = 0; quiet < 50;) {
		if (recv(far, &msg, sizeof(msg), 0) == sizeof(msg)) {
			assert_int_equal(msg.session, at++);
			quiet = 0;
		} else {
			quiet++;
			uv_run(&loop, UV_RUN_NOWAIT);
		}
	}
	return at;
}

static void a_full_socket_costs_no_time(void **)
{
	uint64_t from = clock_mono_us();
	unsigned n = fill();

	assert_in_range(n, UNSENT_MAX, 99999);
	assert_in_range(clock_mono_us() - from, 0, 500000); // it was a second for each
}

static void what_was_kept_arrives_in_order(void **)
{
	unsigned n = 0;

	while (dp->n_unsent < UNSENT_MAX / 2) {
		assert_int_equal(dplink_fdb_flush(dp, n), 0);
		n++;
	}
	assert_int_equal(drain(0), n);
	assert_int_equal(dp->n_unsent, 0);
	assert_int_equal(dplink_fdb_flush(dp, n), 0);
	assert_int_equal(drain(n), n + 1);
	assert_int_equal(n_detached, 0);
}

static void one_that_reads_no_more_is_left(void **)
{
	(void)fill();
	assert_int_equal(dplink_fdb_flush(dp, 0), -ENOBUFS);
	assert_int_equal(n_detached, 0); // not in the midst of a caller
	for (unsigned i = 0; i < 100 && n_detached == 0; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(n_detached, 1);
	assert_int_equal(dp->n_unsent, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_full_socket_costs_no_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_kept_arrives_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_reads_no_more_is_left, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
