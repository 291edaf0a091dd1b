// SPDX-License-Identifier: BSD-3-Clause
//
// The anti-replay window of one receive lane: RFC 6479's ring of words, 8192 bits.
//
// Check before the tag is verified, commit only after. Owner: the lane's worker; not thread safe.
// Floor 2. Source: RFC 6479 §3; PROTOCOL.md §6.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifndef REPLAY_BITS // a test makes it small enough to try everything
#define REPLAY_BITS 8192
#endif
#define REPLAY_WORD_BITS 64
#define REPLAY_WORDS     (REPLAY_BITS / REPLAY_WORD_BITS)
// One word is always being reused, so this many counters behind the newest are accepted.
#define REPLAY_WINDOW    (REPLAY_BITS - REPLAY_WORD_BITS)

struct replay {
	uint64_t next; // newest committed counter + 1; 0 when none was
	uint64_t word[REPLAY_WORDS];
};

enum replay_verdict { REPLAY_FRESH = 0, REPLAY_DUPLICATE, REPLAY_TOO_OLD };

void replay_init(struct replay *r);
// Mark an authentic packet's counter. Says again what it is, for a caller that commits later than
// it checked.
enum replay_verdict replay_commit(struct replay *r, uint64_t counter);

// What the window says of a counter; changes nothing.
static inline enum replay_verdict replay_check(const struct replay *r, uint64_t counter)
{
	if (counter >= r->next)
		return REPLAY_FRESH;
	if (r->next - counter > REPLAY_WINDOW)
		return REPLAY_TOO_OLD;
	if (r->word[counter / REPLAY_WORD_BITS % REPLAY_WORDS] >> (counter % REPLAY_WORD_BITS) & 1)
		return REPLAY_DUPLICATE;
	return REPLAY_FRESH;
}
