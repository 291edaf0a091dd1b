// SPDX-License-Identifier: BSD-3-Clause
//
// Pacing on a clock of its own: the mean is exact, and a stall makes no lump.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pktgen/pace.h"

#define HZ 2600000000ull

// Frames taken in a while by a sender that looks every "step" ticks.
static uint64_t taken(struct pace *p, uint64_t from, uint64_t ticks, uint64_t step, unsigned bytes)
{
	uint64_t n = 0;

	for (uint64_t now = from; now < from + ticks; now += step) {
		pace_clip(p, now);
		while (pace_take(p, now, bytes, 0))
			n++;
	}
	return n;
}

static void close_to(uint64_t got, double want, double share)
{
	if ((double)got < want * (1 - share) - 1 || (double)got > want * (1 + share) + 1)
		fail_msg("%llu, not %.0f", (unsigned long long)got, want);
}

static void a_stall_makes_no_lump(void **)
{
	struct rate rate = {RATE_PPS, 1e6};
	struct pace p;
	uint64_t now = 1000, n = 0;

	pace_start(&p, &rate, HZ, now);
	taken(&p, now, HZ / 100, 500, 64);
	now += HZ / 100 + HZ / 50; // 20 ms away
	pace_clip(&p, now);
	while (pace_take(&p, now, 64, 0))
		n++;
	close_to(n, 1e6 * PACE_BURST_US / 1e6 * PACE_CATCH_UP, 0.02);
	// and then no more than twice the rate, until it has caught up
	close_to(taken(&p, now, HZ / 100, 500, 64), 1e4 * PACE_CATCH_UP, 0.01);
	taken(&p, now + HZ / 100, HZ / 5, 500, 64);
	assert_int_equal(p.owed, 0);
	assert_int_equal(p.skipped, 0);
}

static void what_was_missed_for_long_is_never_sent(void **)
{
	struct rate rate = {RATE_PPS, 1e6};
	struct pace p;

	pace_start(&p, &rate, HZ, 0);
	pace_clip(&p, HZ);
	assert_int_equal(p.owed, p.most_owed);
	close_to(p.skipped >> 16, HZ * (1 - (PACE_OWED_US + PACE_BURST_US) / 1e6), 0.001);
}

static void the_mean_is_exact(void **)
{
	static const double pps[] = {1, 10, 999, 1e5, 1234567, 14.88e6};

	for (size_t i = 0; i < sizeof(pps) / sizeof(pps[0]); i++) {
		struct rate rate = {RATE_PPS, pps[i]};
		struct pace p;

		pace_start(&p, &rate, HZ, 77);
		close_to(taken(&p, 77, 2 * HZ, 3000, 64), 2 * pps[i], 0.0001);
	}
}

static void bits_are_of_the_frames_bytes(void **)
{
	static const unsigned sizes[] = {60, 64, 570, 1514, 9000};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct rate rate = {RATE_BPS, 2.5e9};
		struct pace p;

		pace_start(&p, &rate, HZ, 0);
		close_to(taken(&p, 0, HZ, 3000, sizes[i]), 2.5e9 / 8 / sizes[i], 0.0001);
	}
}

static void recorded_gaps_are_kept(void **)
{
	static const uint64_t gaps_ns[] = {1000, 0, 250000, 40, 1748960};
	struct rate rate = {RATE_RECORDED, 0};
	uint64_t due_ns = 0;
	struct pace p;

	pace_start(&p, &rate, HZ, 9);
	for (unsigned i = 0; i < 5000; i++) {
		uint64_t gap_ns = gaps_ns[i % 5], due = 9 + due_ns * 26 / 10;

		pace_clip(&p, due);
		if (due_ns > 1000)
			assert_false(pace_take(&p, due - due / 100000 - 26, 64, gap_ns));
		assert_true(pace_take(&p, due + due / 100000 + 26, 64, gap_ns));
		due_ns += gap_ns;
	}
	assert_int_equal(p.skipped + p.owed, 0);
}

static void without_a_rate_a_frame_is_always_due(void **)
{
	struct rate rate = {RATE_MAX, 0};
	struct pace p;

	pace_start(&p, &rate, HZ, 5);
	pace_clip(&p, 5 + HZ);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(pace_take(&p, 5, 64, 0));
	assert_int_equal(p.skipped + p.owed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stall_makes_no_lump),
		cmocka_unit_test(what_was_missed_for_long_is_never_sent),
		cmocka_unit_test(the_mean_is_exact),
		cmocka_unit_test(recorded_gaps_are_kept),
		cmocka_unit_test(bits_are_of_the_frames_bytes),
		cmocka_unit_test(without_a_rate_a_frame_is_always_due),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
