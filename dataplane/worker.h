// SPDX-License-Identifier: BSD-3-Clause
//
// A worker: one pinned thread that polls its queues, carries what came, and now and then looks at
// its rings and timers. The loop reads as the architecture.
//
// Thread: create, launch, stop, join on main; the rest on the worker, except worker_wake() and
// worker_rings_offer(), which are for others. Floor 4.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ring_set;
struct runtime;
struct worker_rt;

// How often rings and timers are looked at while frames flow: every so many rounds.
#define WORKER_CONTROL_MASK 15
// Spin this long after the last frame, then wait (adaptive): longer than an answer takes through
// the other gateway, so that it finds nobody asleep.
#define WORKER_SPIN_NS      100000

// Make worker `id` with its tables; ports and queues are given afterwards by workers_wire().
int worker_create(struct runtime *rt, uint16_t id, struct worker_rt **ret_worker);
void worker_destroy(struct worker_rt *rt);

// Share all queues of all ports out among the workers, and give each worker a way out of each port:
// a queue of its own where there are enough, the owner's queue through a ring where not.
int workers_wire(struct runtime *rt);

int worker_launch(struct worker_rt *rt);
void worker_stop(struct worker_rt *rt); // asks, and wakes it
void worker_join(struct worker_rt *rt);

// Hear of something at once instead of at the end of a sleep. Any thread; a system call only when
// the worker sleeps.
void worker_wake(struct worker_rt *rt);

// Whether another worker has left something on any of this one's rings. A worker asks this once
// more after it has said that it sleeps: who left something before could not see that.
bool worker_was_left_work(struct worker_rt *rt);

// Main: give a worker fresh rings; those it had come back by worker_rings_retired().
void worker_rings_offer(struct worker_rt *rt, struct ring_set *rings);
struct ring_set *worker_rings_retired(struct worker_rt *rt);
void ring_set_destroy(struct ring_set *rings);

// One turn of the loop, for the loop and for tests. Returns frames and packets taken.
unsigned worker_round(struct worker_rt *rt);
// Rings and timers, for the loop and for tests.
void worker_control(struct worker_rt *rt);
// Read the clock into the worker.
void worker_clock(struct worker_rt *rt);
