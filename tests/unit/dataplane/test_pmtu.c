// SPDX-License-Identifier: BSD-3-Clause
// The search for a path's MTU, step by step, against every width the path may have.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "dataplane/pmtu.h"
#include "wire/packet.h"

#define START 1000000000ull

#define FLYING_MAX 64

// Run for `ns` on a path that carries `width` bytes; answers come `rtt` later. Returns how many
// probes went out.
static unsigned run(struct pmtu *p, uint64_t *now, uint64_t ns, unsigned width, uint64_t rtt,
	bool in_use, bool *ret_lost)
{
	struct {
		uint64_t at;
		uint32_t id;
	} flying[FLYING_MAX];
	unsigned n = 0, sent = 0, answered = 0;

	for (uint64_t end = *now + ns; *now < end; *now += 10000000) {
		uint16_t size;
		uint32_t id;
		bool lost;

		for (; answered < sent && *now >= flying[answered % FLYING_MAX].at; answered++) {
			id = flying[answered % FLYING_MAX].id;
			(void)pmtu_acked(p, id, (uint16_t)(id & 0xffff), *now);
		}
		if (pmtu_due(p, *now, in_use, &size, &id, &lost)) {
			n++;
			if (size <= width) {
				flying[sent % FLYING_MAX].at = *now + rtt;
				flying[sent++ % FLYING_MAX].id = id;
			}
		}
		if (lost && ret_lost != NULL)
			*ret_lost = true;
	}
	return n;
}

static void every_width_is_found_and_never_exceeded(void **)
{
	for (unsigned width = PKT_MTU_BASE; width <= 1500; width++) {
		uint64_t now = START;
		struct pmtu p = {0};

		pmtu_start(&p, 1500, now);
		run(&p, &now, 20000000000ull, width, 30000000, false, NULL);
		if (p.mtu > width || p.mtu + (unsigned)PMTU_STEP < width)
			fail_msg("width %u: found %u", width, p.mtu);
	}
}

static void the_full_width_takes_one_round_trip(void **)
{
	uint64_t now = START;
	struct pmtu p = {0};

	pmtu_start(&p, 9000, now);
	assert_int_equal(run(&p, &now, 60000000, 9000, 30000000, false, NULL), 1);
	assert_int_equal(p.mtu, 9000);
}

static void a_slow_path_still_counts_its_answers(void **)
{
	uint64_t now = START;
	struct pmtu p = {0};

	pmtu_start(&p, 1500, now);
	run(&p, &now, 5000000000ull, 1500, 600000000, false, NULL);
	assert_int_equal(p.mtu, 1500);
}

static void at_rest_nothing_is_sent(void **)
{
	uint64_t now = START;
	struct pmtu p = {0};

	pmtu_start(&p, 1500, now);
	run(&p, &now, 1000000000, 1500, 1000000, false, NULL);
	assert_int_equal(run(&p, &now, 60000000000ull, 1500, 1000000, false, NULL), 0);
}

static void a_black_hole_is_found_within_ten_seconds(void **)
{
	uint64_t now = START;
	struct pmtu p = {0};
	bool lost = false;

	pmtu_start(&p, 1500, now);
	run(&p, &now, 1000000000, 1500, 1000000, true, &lost);
	assert_false(lost);
	run(&p, &now, 10000000000ull, 1350, 1000000, true, &lost);
	assert_true(lost);
	assert_in_range(p.mtu, PKT_MTU_BASE, 1350);
	run(&p, &now, 10000000000ull, 1350, 1000000, true, &lost);
	assert_in_range(p.mtu, 1350 - PMTU_STEP, 1350);
}

static void a_path_that_widens_is_tried_again_after_ten_minutes(void **)
{
	uint64_t now = START;
	struct pmtu p = {0};

	pmtu_start(&p, 1500, now);
	run(&p, &now, 20000000000ull, 1400, 1000000, true, NULL);
	assert_true(p.mtu <= 1400);
	run(&p, &now, PMTU_RAISE_NS + 20000000000ull, 1500, 1000000, true, NULL);
	assert_int_equal(p.mtu, 1500);
}

static void lies_do_not_raise_it(void **)
{
	uint64_t now = START;
	struct pmtu p = {0};
	uint16_t size;
	uint32_t id;
	bool lost;

	pmtu_start(&p, 1500, now);
	assert_true(pmtu_due(&p, now, false, &size, &id, &lost));
	assert_false(pmtu_acked(&p, id, (uint16_t)(size - 1), now));       // shortened on the way
	assert_false(pmtu_acked(&p, (id & 0xffff0000) | 9000, 9000, now)); // beyond the ceiling
	assert_false(pmtu_acked(&p, id + (100u << 16), size, now));        // never sent
	assert_int_equal(p.mtu, PKT_MTU_BASE);
	assert_true(pmtu_acked(&p, id, size, now));
	assert_int_equal(p.mtu, 1500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lies_do_not_raise_it),
		cmocka_unit_test(every_width_is_found_and_never_exceeded),
		cmocka_unit_test(the_full_width_takes_one_round_trip),
		cmocka_unit_test(a_slow_path_still_counts_its_answers),
		cmocka_unit_test(at_rest_nothing_is_sent),
		cmocka_unit_test(a_black_hole_is_found_within_ten_seconds),
		cmocka_unit_test(a_path_that_widens_is_tried_again_after_ten_minutes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
