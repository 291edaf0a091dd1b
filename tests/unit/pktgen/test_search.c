// SPDX-License-Identifier: BSD-3-Clause
//
// The search finds every threshold, in few steps.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pktgen/search.h"

static double find(double top, double resolution, double threshold, unsigned *ret_steps)
{
	struct search s;
	double value;

	*ret_steps = 0;
	search_start(&s, top, resolution);
	while (search_next(&s, &value)) {
		assert_true(value > 0 && value <= top);
		search_tell(&s, value, value <= threshold);
		assert_true(++*ret_steps < 40);
	}
	return s.passed;
}

static void nothing_passes(void **)
{
	unsigned steps;

	assert_true(find(1000, 10, -1, &steps) == 0);
	assert_true(steps <= 9);
}

static void everything_passes_at_the_first_try(void **)
{
	unsigned steps;

	assert_true(find(1000, 10, 1e9, &steps) == 1000);
	assert_int_equal(steps, 1);
}

static void a_threshold_is_found_within_the_resolution(void **)
{
	for (double threshold = 0; threshold < 1000; threshold += 0.7) {
		unsigned steps;
		double found = find(1000, 10, threshold, &steps);

		assert_true(found <= threshold && threshold - found <= 10);
		assert_true(steps <= 9);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_passes),
		cmocka_unit_test(everything_passes_at_the_first_try),
		cmocka_unit_test(a_threshold_is_found_within_the_resolution),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
