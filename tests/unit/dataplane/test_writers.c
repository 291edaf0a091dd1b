// SPDX-License-Identifier: BSD-3-Clause
// No cache line is written by two workers on the frame path: two workers carry frames both ways,
// ring to ring, and every store of our code is noted.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <rte_mempool.h>

#include "bench/many/pairs.h"
#include "dataplane/runtime.h"
#include "dataplane/worker_types.h"
#include "tests/unit/dataplane/runtime_rig.h"
#include "tests/unit/dataplane/writers.h"

// What a worker writes for every frame begins on lines of its own.
static_assert(alignof(struct worker) % 64 == 0, "a worker shares no line with another");
static_assert(offsetof(struct worker, now_ns) % 64 == 0, "the clock begins the written part");
static_assert(alignof(struct lane_tx) % 64 == 0 && alignof(struct lane_rx) % 64 == 0,
	"a lane shares no line with another's");

#define N_MBUFS 4095

static const char *pool_name;

struct finding {
	unsigned n; // lines that nothing excuses
};

// What may be written by two, one after the other.
//
// Packet buffers: they belong to one worker at a time and change hands through DPDK's pool.
static bool is_packet(uintptr_t addr)
{
	struct rte_mempool *pool = rte_mempool_lookup(pool_name);
	const struct rte_mempool_memhdr *mem;

	STAILQ_FOREACH (mem, &pool->mem_list, next) {
		if (addr >= (uintptr_t)mem->addr && addr < (uintptr_t)mem->addr + mem->len)
			return true;
	}
	return false;
}

static void tell(uintptr_t addr, void *at, void *ctx)
{
	struct finding *f = ctx;
	Dl_info where = {0};

	if (is_packet(addr))
		return;
	f->n++;
	dladdr(at, &where);
	fprintf(stderr, "two workers write the line at %#lx, the first at %s+%#lx (%p)\n", addr,
		where.dli_fname == NULL ? "?" : where.dli_fname,
		(uintptr_t)at - (uintptr_t)where.dli_fbase, at);
}

static struct pairs *pairs;

// A store to a global variable by its name needs no check by a sanitizer, so it is not noted: the
// program's writable data is compared before and after instead.
extern char __data_start[], _end[];
static char *globals;

static void begin(unsigned thread)
{
	writers_watch(thread);
	if (thread == 0)
		memcpy(globals, __data_start, (size_t)(_end - __data_start));
}

static unsigned n_globals_written;

static void end(unsigned thread)
{
	unsigned n = 0;

	writers_rest(thread);
	if (thread != 0)
		return;
	for (ptrdiff_t i = 0; i < _end - __data_start; i++) {
		if (__data_start[i] != globals[i] && n++ == 0)
			fprintf(stderr, "a global variable at %p was written\n",
				(void *)(__data_start + i));
	}
	n_globals_written = n;
}

static void run(unsigned bytes, double seconds)
{
	struct pairs_share share[2];

	writers_forget();
	pairs = pairs_create(2, bytes, 96);
	pairs_hooks(pairs, begin, end);
	pairs_run(pairs, 3, seconds, share);
	assert_true(share[0].frames > 500 && share[1].frames > 500);
	assert_true(pairs_all_well(pairs));
	pairs_destroy(pairs);
}

// ---------------------------------------------------------------- the record itself

static alignas(64) struct planted {
	volatile unsigned by_both;
	alignas(64) volatile unsigned of_one[2][16];
	alignas(64) volatile unsigned counter;
} planted;
static struct planted *volatile at_planted = &planted;

static void write_shared(unsigned thread)
{
	writers_watch(thread);
	at_planted->by_both++;
	at_planted->of_one[thread][0]++;
}

static void count_planted(uintptr_t addr, void *, void *ctx)
{
	unsigned *seen = ctx;

	if (addr == (uintptr_t)&planted.by_both)
		seen[0]++;
	if (addr == (uintptr_t)&planted.of_one[0] || addr == (uintptr_t)&planted.of_one[1])
		seen[1]++;
}

static void a_line_that_two_write_is_found(void **state)
{
	struct pairs_share share[2];
	unsigned seen[2] = {0};

	writers_forget();
	pairs = pairs_create(2, 64, 96);
	pairs_hooks(pairs, write_shared, writers_rest);
	pairs_run(pairs, 3, 0.01, share);
	writers_shared(count_planted, seen);
	assert_int_equal(seen[0], 1);
	assert_int_equal(seen[1], 0);
	pairs_destroy(pairs);
}

static void a_global_that_is_written_is_found(void **state)
{
	begin(0);
	planted.counter++;
	end(0);
	assert_int_not_equal(n_globals_written, 0);
}

// ---------------------------------------------------------------- the frame path

static void no_line_is_written_by_two_workers(void **state)
{
	static const unsigned sizes[] = {64, 512, 1514};

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct finding f = {0};

		run(sizes[i], 0.3);
		assert_true(writers_lines() > 100); // the record is alive
		writers_shared(tell, &f);
		assert_int_equal(f.n, 0);
		assert_int_equal(n_globals_written, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_that_two_write_is_found),
		cmocka_unit_test(a_global_that_is_written_is_found),
		cmocka_unit_test(no_line_is_written_by_two_workers),
	};

	globals = malloc((size_t)(_end - __data_start));
	if (globals == NULL || writers_init() < 0)
		return 1;
	rt_rig_init_at("(0-2)@0");
	pool_name = rt_rig_pool(N_MBUFS, 256, 2304);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
