// SPDX-License-Identifier: BSD-3-Clause
//
// What arrived of one stream: received, duplicated, reordered, and from these what was lost.
//
// Sequence numbers start at 0 and are 32 bits wide; the account goes on over their wrap. Reordered
// is what RFC 4737 calls so: a frame whose number is below one that came before it. A frame that
// comes after ACCOUNT_WINDOW newer ones cannot be told from a duplicate any more: it is late, and
// stays lost.
//
// Floor 2. Pure. One writer; others may read the counters.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACCOUNT_WINDOW 8192

struct account {
	uint64_t next; // one above the highest number seen, wraps counted
	uint64_t received;
	uint64_t duplicated;
	uint64_t reordered;
	uint64_t late;
	uint64_t seen[ACCOUNT_WINDOW / 64]; // numbers below next, each at its own modulo the window
};

enum account_verdict {
	ACCOUNT_NEXT,      // the one expected
	ACCOUNT_GAP,       // newer: those between are missing so far
	ACCOUNT_REORDERED, // missing so far
	ACCOUNT_DUPLICATED,
	ACCOUNT_LATE,
};

enum account_verdict account_put(struct account *a, uint32_t seq);

// How many are missing of the n that were sent; of those known to have been sent where n is 0.
uint64_t account_lost(const struct account *a, uint64_t n_sent);

// How many of `total` frames, dealt to n streams in turn, one of them got.
uint64_t account_share(uint64_t total, uint32_t stream, uint32_t n_streams);
