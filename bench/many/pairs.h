// SPDX-License-Identifier: BSD-3-Clause
//
// Two gateways of several workers each, ring to ring: thread n plays worker n of both. Frames go in
// at the first one's LAN, cross as packets through a ring, and what leaves the second one's LAN is
// what goes in again. Rings and workers are the real ones; only the ports are rings.
//
// EAL is started by the caller (rt_rig_init_at), lcore n + 1 is thread n's. Floor: bench.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pairs;

struct pairs_share { // what one thread did, by its own clock
	uint64_t frames;
	double seconds;
	double cpu_seconds;
};

// n_frames of `bytes` go round at each worker.
struct pairs *pairs_create(unsigned n_workers, unsigned bytes, unsigned n_frames);
void pairs_destroy(struct pairs *p);

// Let the first n threads of `which` (bit n: thread n) run for so long, at once; this thread sleeps
// meanwhile. Workers' clocks stand still.
void pairs_run(struct pairs *p, unsigned which, double seconds, struct pairs_share *ret_share);

// Called by each thread when it begins and ends, where set.
void pairs_hooks(struct pairs *p, void (*begin)(unsigned thread), void (*end)(unsigned thread));

// Every frame is there, once and unharmed, and nothing was dropped; says on stderr what is not so.
bool pairs_all_well(struct pairs *p);
