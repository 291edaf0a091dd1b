// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/replay.h"

#include <string.h>

static uint64_t *word_of(struct replay *r, uint64_t counter)
{
	return &r->word[counter / REPLAY_WORD_BITS % REPLAY_WORDS];
}

void replay_init(struct replay *r)
{
	memset(r, 0, sizeof(*r));
}

enum replay_verdict replay_commit(struct replay *r, uint64_t counter)
{
	enum replay_verdict v = replay_check(r, counter);
	uint64_t newest_word, n;

	if (v != REPLAY_FRESH)
		return v;
	if (counter >= r->next) {
		// Clear the words between the newest one and the counter's own: they hold bits of
		// counters a whole window ago.
		newest_word = r->next == 0 ? 0 : (r->next - 1) / REPLAY_WORD_BITS;
		n = counter / REPLAY_WORD_BITS - newest_word;
		if (n > REPLAY_WORDS)
			n = REPLAY_WORDS;
		for (uint64_t i = 1; i <= n; i++)
			r->word[(newest_word + i) % REPLAY_WORDS] = 0;
		r->next = counter + 1;
	}
	*word_of(r, counter) |= 1ull << (counter % REPLAY_WORD_BITS);
	return REPLAY_FRESH;
}
