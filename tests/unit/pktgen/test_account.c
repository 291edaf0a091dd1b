// SPDX-License-Identifier: BSD-3-Clause
//
// The account of a stream against a model that remembers everything, and at its edges.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pktgen/account.h"
#include "pktgen/histogram.h"

#define W ACCOUNT_WINDOW

struct step {
	uint32_t seq;
	enum account_verdict want;
};

static void play(const struct step *steps, size_t n, uint64_t from)
{
	struct account *a = calloc(1, sizeof(*a));

	a->next = from;
	for (size_t i = 0; i < n; i++) {
		if (account_put(a, steps[i].seq) != steps[i].want)
			fail_msg("step %zu, seq %u", i, steps[i].seq);
	}
	free(a);
}

static void a_duplicate_is_not_received_twice(void **)
{
	static const struct step steps[] = {
		{0, ACCOUNT_NEXT},
		{0, ACCOUNT_DUPLICATED},
		{1, ACCOUNT_NEXT},
		{0, ACCOUNT_DUPLICATED},
		{5, ACCOUNT_GAP},
		{5, ACCOUNT_DUPLICATED},
		{3, ACCOUNT_REORDERED},
		{3, ACCOUNT_DUPLICATED},
	};

	play(steps, 8, 0);
}

static void what_cannot_be_told_from_a_duplicate_is_late(void **)
{
	static const struct step steps[] = {
		{W + 9, ACCOUNT_GAP},
		{9, ACCOUNT_LATE},
		{10, ACCOUNT_REORDERED},
		{10, ACCOUNT_DUPLICATED},
		{3 * W, ACCOUNT_GAP},
		{2 * W, ACCOUNT_LATE},
		{2 * W + 1, ACCOUNT_REORDERED},
		{3 * W - 1, ACCOUNT_REORDERED},
		{3 * W - 1, ACCOUNT_DUPLICATED},
	};

	play(steps, 9, 0);
}

static void nothing_comes_before_the_first_number(void **)
{
	static const struct step steps[] = {{UINT32_MAX, ACCOUNT_LATE}, {0, ACCOUNT_NEXT}};

	play(steps, 2, 0);
}

static void numbers_go_on_over_their_wrap(void **)
{
	static const struct step steps[] = {
		{UINT32_MAX - 1, ACCOUNT_NEXT},
		{1, ACCOUNT_GAP},
		{UINT32_MAX, ACCOUNT_REORDERED},
		{0, ACCOUNT_REORDERED},
		{0, ACCOUNT_DUPLICATED},
		{UINT32_MAX, ACCOUNT_DUPLICATED},
		{2, ACCOUNT_NEXT},
	};
	struct account *a = calloc(1, sizeof(*a));

	play(steps, 7, UINT32_MAX - 1);
	a->next = UINT32_MAX;
	a->received = UINT32_MAX; // all of them
	account_put(a, UINT32_MAX);
	account_put(a, 0);
	account_put(a, 2);
	assert_int_equal(a->next, (1ull << 32) + 3);
	assert_int_equal(account_lost(a, 0), 1);
	assert_int_equal(account_lost(a, (1ull << 32) + 5), 3);
	free(a);
}

// A stream with loss, duplicates and delay, against a flag for every number.
static void random_traffic_is_counted_as_the_model_does(void **)
{
	enum { N = 200000 };
	uint8_t *seen = calloc(N, 1);
	struct account *a = calloc(1, sizeof(*a));
	uint64_t received = 0, duplicated = 0, reordered = 0, late = 0, next = 0;

	srandom(7);
	for (unsigned i = 0; i < 3 * N; i++) {
		// mostly onwards, sometimes back, sometimes far back
		long back = random() % 4 == 0 ? random() % (random() % 50 == 0 ? 3 * W : 200) : 0;
		long at = (long)(i / 3) + random() % 40 - back;

		if (at < 0 || at >= N || random() % 10 == 0)
			continue;
		if ((uint64_t)at >= next) {
			next = (uint64_t)at + 1;
			received++;
			seen[at] = 1;
		} else if (next - (uint64_t)at > W) {
			late++;
		} else if (seen[at]) {
			duplicated++;
		} else {
			received++;
			reordered++;
			seen[at] = 1;
		}
		account_put(a, (uint32_t)at);
		assert_int_equal(a->received, received);
		assert_int_equal(a->duplicated, duplicated);
		assert_int_equal(a->reordered, reordered);
		assert_int_equal(a->late, late);
	}
	assert_true(reordered > 1000 && duplicated > 1000 && late > 100);
	assert_int_equal(account_lost(a, N), N - received);
	free(a);
	free(seen);
}

static void shares_of_all_streams_are_the_whole(void **)
{
	for (uint64_t total = 0; total < 50; total++) {
		for (uint32_t n = 1; n < 9; n++) {
			uint64_t sum = 0;

			for (uint32_t i = 0; i < n; i++)
				sum += account_share(total, i, n);
			assert_int_equal(sum, total);
			assert_true(
				account_share(total, 0, n) - account_share(total, n - 1, n) <= 1);
		}
	}
}

static void percentiles_are_within_a_thousandth(void **)
{
	struct histogram *h = calloc(1, sizeof(*h));

	assert_int_equal(histogram_at(h, 0.5), 0);
	for (uint64_t i = 1; i <= 1000000; i++)
		histogram_put(h, i * 37);
	for (unsigned p = 1; p <= 1000; p++) {
		double want = p / 1000.0 * 37e6, got = (double)histogram_at(h, p / 1000.0);

		assert_true(got >= want * 0.999 && got <= want * 1.001 + 37);
	}
	assert_int_equal(histogram_at(h, 1), 37000000);
	assert_int_equal(h->max, 37000000);
	histogram_put(h, UINT64_MAX); // no cell beyond the last
	assert_int_equal(h->cells[HISTOGRAM_CELLS - 1], 1);
	assert_int_equal(histogram_cell((1ull << HISTOGRAM_TOP_BITS) - 1), HISTOGRAM_CELLS - 1);
	free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_duplicate_is_not_received_twice),
		cmocka_unit_test(what_cannot_be_told_from_a_duplicate_is_late),
		cmocka_unit_test(nothing_comes_before_the_first_number),
		cmocka_unit_test(numbers_go_on_over_their_wrap),
		cmocka_unit_test(random_traffic_is_counted_as_the_model_does),
		cmocka_unit_test(shares_of_all_streams_are_the_whole),
		cmocka_unit_test(percentiles_are_within_a_thousandth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
