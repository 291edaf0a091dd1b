// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/account.h"

#include <string.h>

static uint64_t *word(struct account *a, uint64_t seq)
{
	return &a->seen[seq % ACCOUNT_WINDOW / 64];
}

static uint64_t bit(uint64_t seq)
{
	return 1ull << (seq % 64);
}

// Numbers from..to-1 were not seen; the bits at their places are of numbers a window ago.
static void forget(struct account *a, uint64_t from, uint64_t to)
{
	if (to - from >= ACCOUNT_WINDOW) {
		memset(a->seen, 0, sizeof(a->seen));
		return;
	}
	for (; from < to && from % 64 != 0; from++)
		*word(a, from) &= ~bit(from);
	for (; to - from >= 64; from += 64)
		*word(a, from) = 0;
	for (; from < to; from++)
		*word(a, from) &= ~bit(from);
}

enum account_verdict account_put(struct account *a, uint32_t seq)
{
	int64_t ahead = (int32_t)(seq - (uint32_t)a->next);
	uint64_t n = a->next + (uint64_t)ahead;

	if (ahead == 0) {
		*word(a, n) |= bit(n);
		a->next = n + 1;
		a->received++;
		return ACCOUNT_NEXT;
	}
	if (ahead > 0) {
		forget(a, a->next, n);
		*word(a, n) |= bit(n);
		a->next = n + 1;
		a->received++;
		return ACCOUNT_GAP;
	}
	if (-ahead > ACCOUNT_WINDOW || (uint64_t)-ahead > a->next) {
		a->late++;
		return ACCOUNT_LATE;
	}
	if ((*word(a, n) & bit(n)) != 0) {
		a->duplicated++;
		return ACCOUNT_DUPLICATED;
	}
	*word(a, n) |= bit(n);
	a->received++;
	a->reordered++;
	return ACCOUNT_REORDERED;
}

uint64_t account_lost(const struct account *a, uint64_t n_sent)
{
	uint64_t expected = n_sent > a->next ? n_sent : a->next;

	return expected - a->received;
}

uint64_t account_share(uint64_t total, uint32_t stream, uint32_t n_streams)
{
	return total / n_streams + (stream < total % n_streams ? 1 : 0);
}
