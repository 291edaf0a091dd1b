// SPDX-License-Identifier: BSD-3-Clause
//
// The window against its edges, against a naive set, and against everything small.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/replay.h"

#define W REPLAY_WINDOW

struct step {
	uint64_t counter;
	enum replay_verdict want;
};

// One window, in this order.
static const struct step boundary[] = {
	{0, REPLAY_FRESH},
	{0, REPLAY_DUPLICATE},
	{1, REPLAY_FRESH},
	{1, REPLAY_DUPLICATE},
	{9, REPLAY_FRESH},
	{8, REPLAY_FRESH},
	{7, REPLAY_FRESH},
	{7, REPLAY_DUPLICATE},
	{63, REPLAY_FRESH},
	{64, REPLAY_FRESH},
	{63, REPLAY_DUPLICATE},
	{65, REPLAY_FRESH},
	{W, REPLAY_FRESH},
	{W - 1, REPLAY_FRESH},
	{W - 1, REPLAY_DUPLICATE},
	{2, REPLAY_FRESH}, // W − 2 behind the newest
	{2, REPLAY_DUPLICATE},
	{0, REPLAY_TOO_OLD}, // W behind
	{1, REPLAY_DUPLICATE},
	{2 * W, REPLAY_FRESH},
	{W + 1, REPLAY_FRESH}, // the oldest that may come
	{W, REPLAY_TOO_OLD},   // one older
	{W + 1, REPLAY_DUPLICATE},
	{2 * W + 1, REPLAY_FRESH},
	{W + 1, REPLAY_TOO_OLD},
	{W + 2, REPLAY_FRESH},
	{2 * W + 1 + REPLAY_BITS, REPLAY_FRESH}, // over the whole ring: every word is cleared
	{2 * W + 1, REPLAY_TOO_OLD},
	{2 * W + 1 + REPLAY_BITS - 1, REPLAY_FRESH},
	{2 * W + 2 + REPLAY_BITS - W, REPLAY_FRESH},
	{(1ull << 31) - 1, REPLAY_FRESH},
	{(1ull << 31) - 2, REPLAY_FRESH},
	{(1ull << 31) - W, REPLAY_FRESH},
	{(1ull << 31) - W - 1, REPLAY_TOO_OLD},
	{0, REPLAY_TOO_OLD},
	{UINT64_MAX - 1, REPLAY_FRESH},
	{UINT64_MAX - 1, REPLAY_DUPLICATE},
	{UINT64_MAX - 1 - W, REPLAY_TOO_OLD},
	{UINT64_MAX - W, REPLAY_FRESH},
};

static void edges_of_the_window(void **)
{
	struct replay r;

	replay_init(&r);
	for (unsigned i = 0; i < sizeof(boundary) / sizeof(boundary[0]); i++) {
		enum replay_verdict looked = replay_check(&r, boundary[i].counter);
		enum replay_verdict did = replay_commit(&r, boundary[i].counter);

		if (looked != boundary[i].want || did != boundary[i].want)
			fail_msg("step %u, counter %llu: %d, %d", i,
				(unsigned long long)boundary[i].counter, looked, did);
	}
}

static void a_check_changes_nothing(void **)
{
	struct replay r, before;

	replay_init(&r);
	replay_commit(&r, 100000);
	before = r;
	for (uint64_t c = 0; c < 300000; c += 7)
		replay_check(&r, c);
	assert_memory_equal(&r, &before, sizeof(r));
}

static void a_refused_commit_changes_nothing(void **)
{
	struct replay r, before;

	replay_init(&r);
	replay_commit(&r, 100000);
	before = r;
	assert_int_equal(replay_commit(&r, 100000), REPLAY_DUPLICATE);
	assert_int_equal(replay_commit(&r, 100000 - W), REPLAY_TOO_OLD);
	assert_memory_equal(&r, &before, sizeof(r));
}

// What a window should say, by remembering everything.
struct model {
	uint64_t seen[256];
	unsigned n;
	uint64_t newest;
};

static enum replay_verdict model_commit(struct model *m, uint64_t counter)
{
	if (m->n > 0 && counter <= m->newest) {
		if (m->newest - counter >= W)
			return REPLAY_TOO_OLD;
		for (unsigned i = 0; i < m->n; i++) {
			if (m->seen[i] == counter)
				return REPLAY_DUPLICATE;
		}
	}
	m->seen[m->n++] = counter;
	if (m->n == 1 || counter > m->newest)
		m->newest = counter;
	return REPLAY_FRESH;
}

// Every sequence of six counters out of eleven at the edges of words, window and ring.
static void every_short_sequence_over_boundary_values_agrees_with_a_set(void **)
{
	static const uint64_t values[] = {0, 1, 63, 64, W - 1, W, W + 1, REPLAY_BITS - 1,
		REPLAY_BITS, REPLAY_BITS + 1, 2 * REPLAY_BITS + 63};
	enum { N = sizeof(values) / sizeof(values[0]), LENGTH = 6 };
	unsigned total = 1;

	for (unsigned i = 0; i < LENGTH; i++)
		total *= N;
	for (unsigned code = 0; code < total; code++) {
		struct model m = {0};
		struct replay r;

		replay_init(&r);
		for (unsigned i = 0, rest = code; i < LENGTH; i++, rest /= N) {
			uint64_t c = values[rest % N];

			if (replay_commit(&r, c) != model_commit(&m, c))
				fail_msg("sequence %u, step %u", code, i);
		}
	}
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

// Long walks: mostly forward, sometimes far, sometimes back, against a plain table.
static void long_random_walks_agree_with_a_table(void **)
{
	enum { SPACE = 1 << 21, STEPS = 400000 };
	uint8_t *seen = calloc(SPACE, 1);
	uint64_t x = 88172645463325252ull, at = 0, newest = 0;
	bool any = false;
	struct replay r;

	replay_init(&r);
	for (unsigned i = 0; i < STEPS && at < SPACE - 3 * REPLAY_BITS; i++) {
		uint64_t dice = next_random(&x) % 100, jump = next_random(&x), c;
		enum replay_verdict want;

		if (dice < 70)
			c = at++;
		else if (dice < 97)
			c = jump % (2 * W) > at ? 0 : at - jump % (2 * W);
		else
			c = at += dice == 99 ? jump % (2 * REPLAY_BITS) : jump % 128;
		want = any && c <= newest && newest - c >= W ? REPLAY_TOO_OLD
		       : seen[c]                             ? REPLAY_DUPLICATE
							     : REPLAY_FRESH;
		if (replay_commit(&r, c) != want)
			fail_msg("step %u, counter %llu", i, (unsigned long long)c);
		seen[c] = 1;
		newest = !any || c > newest ? c : newest;
		any = true;
	}
	free(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges_of_the_window),
		cmocka_unit_test(a_check_changes_nothing),
		cmocka_unit_test(a_refused_commit_changes_nothing),
		cmocka_unit_test(every_short_sequence_over_boundary_values_agrees_with_a_set),
		cmocka_unit_test(long_random_walks_agree_with_a_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
