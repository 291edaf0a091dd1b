// SPDX-License-Identifier: BSD-3-Clause
//
// The two clocks of the control plane. Timers and deadlines use the monotonic one, which counts
// suspend as well (a key must not outlive its deadline in a sleeping machine); certificates,
// intents and ts values use the wall clock. Leaves never call these: time is passed in.
//
// Any thread. Floor 4.
#pragma once

#include <stdint.h>
#include <time.h>

#define CLOCK_US_PER_S 1000000ull

static inline uint64_t clock_read_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * CLOCK_US_PER_S + (uint64_t)t.tv_nsec / 1000;
}

// Microseconds since boot, suspend included; the time base of deadlines sent to the data-plane.
static inline uint64_t clock_mono_us(void)
{
	return clock_read_us(CLOCK_BOOTTIME);
}

// Microseconds since 1970.
static inline uint64_t clock_unix_us(void)
{
	return clock_read_us(CLOCK_REALTIME);
}

static inline uint64_t clock_unix_s(void)
{
	return clock_unix_us() / CLOCK_US_PER_S;
}
