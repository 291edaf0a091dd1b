// SPDX-License-Identifier: BSD-3-Clause
//
// Loops: a segment whose sites are also joined by another way (a second cable, a second tunnel, a
// bridge between two ports) turns one broadcast into a storm. Each gateway puts a probe on its LAN
// attachments; one that comes back shows where the loop closes, and that place is cut off for the
// segment until no probe comes back any more.
//
// Back on the LAN: of the two attachments the later one is cut, so that the other goes on. Back
// from a peer: the peer is cut out of this segment, which goes on by the way that makes the loop;
// other segments and peers are not touched, so a peer that sends our own probes back harms itself
// alone. Probes carry a MAC under a key of this run: a host can only return what was put on its own
// wire.
//
// Frames: any worker reads, any worker that sees a probe writes, and the main thread ends what is
// past. The frame path reads one word, which is zero while nothing is cut off. Floor 3.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/fdb.h"

struct dataplane;
struct rte_mbuf;
struct worker;

#define LOOP_PROBE_NS  2000000000ull // between two probes of one attachment
#define LOOP_PROBE_S   5             // a probe older than that proves nothing any more
#define LOOP_HOLD_S    10            // after the last probe that came back
#define LOOP_HOPS      8             // gateways that pass a probe on
#define LOOP_PLACES    64            // that can be cut off at the same time
#define LOOP_PASSED_NS 4000000ull    // others' probes are passed on 250 times a second at most

struct loop_place {
	_Atomic uint64_t key; // loop_key(), 0 free
	_Atomic uint32_t until_s;
};

struct loop {
	_Atomic uint32_t n_cut;
	_Atomic uint64_t passed_due_ns;
	uint8_t secret[16]; // written at start, as is `id`
	uint64_t id;
	struct loop_place place[LOOP_PLACES];
};

// errors: -EIO no random numbers.
int loop_init(struct loop *l);

static inline uint64_t loop_key(fdb_dst_t place, uint8_t segment)
{
	return (uint64_t)place << 8 | segment;
}

// Whether any place is cut off: look closer only then.
static inline bool loop_any(const struct loop *l)
{
	return atomic_load_explicit(&l->n_cut, memory_order_relaxed) != 0;
}

bool loop_cuts(const struct loop *l, fdb_dst_t place, uint8_t segment);

// Put a probe on every attachment of every segment that asks for it; worker 0, every LOOP_PROBE_NS.
void loop_probe(struct worker *w);
// A frame that guard_kind_of() takes for a probe came in from `from`; takes it. Tells EV_LOOP.
void loop_probe_in(struct worker *w, uint8_t segment, fdb_dst_t from, struct rte_mbuf *m);

// What loop_run() has to tell: a place was cut off, or joined again.
typedef void loop_tell_fn(void *ctx, fdb_dst_t place, uint8_t segment, bool cut);

// Main thread, several times a second: join again what is past. known: what it has told, all zero
// at first.
struct loop_known {
	uint64_t key[LOOP_PLACES];
};
void loop_run(
	struct loop *l, struct loop_known *known, uint32_t now_s, loop_tell_fn *tell, void *ctx);
// How many places of the segment are cut off.
unsigned loop_count(const struct loop *l, uint8_t segment);
