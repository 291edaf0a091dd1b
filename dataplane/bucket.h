// SPDX-License-Identifier: BSD-3-Clause
//
// A rate limit in eight bytes: the time at which the next event would be on schedule (GCRA), so
// that nothing needs refilling. Thread: the owner. Floor 2.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct bucket {
	uint64_t due_ns;
};

// Take one event at now_ns, where events may come interval_ns apart and `burst` of them at once.
static inline bool bucket_take(
	struct bucket *b, uint64_t now_ns, uint64_t interval_ns, uint32_t burst)
{
	uint64_t due = b->due_ns > now_ns ? b->due_ns : now_ns;

	if (due - now_ns > interval_ns * (burst - 1))
		return false;
	b->due_ns = due + interval_ns;
	return true;
}
