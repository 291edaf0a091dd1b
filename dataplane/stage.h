// SPDX-License-Identifier: BSD-3-Clause
//
// Where a burst's cycles go. stage(s) says "from here on it is s"; in every build but the one that
// the benchmark makes for itself (-DPOSTERN_STAGES) it is nothing at all.
//
// One thread, the benchmark's. Floor 2.
#pragma once

#include <stdint.h>

enum stage {
	STAGE_NONE, // outside the frame path
	STAGE_RX,
	STAGE_CLASSIFY,
	STAGE_REPLAY, // check and commit
	STAGE_FDB,    // learn and look up
	STAGE_PACK,
	STAGE_SEAL,
	STAGE_OUTER,
	STAGE_OPEN,
	STAGE_UNPACK,
	STAGE_TX, // hand over to the port, free what was copied
	STAGE_N
};

#ifdef POSTERN_STAGES
#include <rte_cycles.h>

struct stage_clock {
	enum stage now;
	uint64_t since;
	uint64_t cycles[STAGE_N];
};
extern struct stage_clock stage_clock;

// Returns what it was before, for code that is called from several stages.
static inline enum stage stage(enum stage s)
{
	uint64_t t = rte_rdtsc();
	enum stage before = stage_clock.now;

	stage_clock.cycles[before] += t - stage_clock.since;
	stage_clock.since = t;
	stage_clock.now = s;
	return before;
}
#else
static inline enum stage stage(enum stage)
{
	return STAGE_NONE;
}
#endif
