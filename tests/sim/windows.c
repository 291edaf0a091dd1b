// SPDX-License-Identifier: BSD-3-Clause
// Both anti-replay windows against a plain set, by trying everything: that of the data lanes, built
// here with 64 counters, and that of lane 0, which has 64. Prints what was tried.
//
// usage: windows [--full]     sequences of up to five counters, or six
#define REPLAY_BITS 128
#include "dataplane/replay.c"

#include "controlplane/common/ctl_lane.c"

#include <assert.h>
#include <stdio.h>

static_assert(REPLAY_WINDOW == 64 && WINDOW == 64, "both windows hold 64 counters");

#define LONGEST 6

// Around the edges of the window, of its words and ring, of halves and ends of the counter's space.
static const uint64_t values[] = {
	0, 1, 2, 62, 63, 64, 65, 126, 127, 128, 129, 191, 192, (1ull << 31) - 1, 1ull << 32};
#define N (sizeof(values) / sizeof(values[0]))

struct model {
	uint64_t seen[LONGEST], newest;
	unsigned n;
};

// What a window of 64 says, by remembering everything.
static bool model_takes(struct model *m, uint64_t counter)
{
	if (m->n > 0 && counter <= m->newest && m->newest - counter >= 64)
		return false;
	for (unsigned i = 0; i < m->n; i++) {
		if (m->seen[i] == counter)
			return false;
	}
	m->seen[m->n++] = counter;
	if (m->n == 1 || counter > m->newest)
		m->newest = counter;
	return true;
}

static bool data_lane_takes(struct replay *r, uint64_t counter)
{
	bool fresh = replay_check(r, counter) == REPLAY_FRESH;

	if ((replay_commit(r, counter) == REPLAY_FRESH) != fresh)
		return !fresh; // the check before and the commit after must agree
	return fresh;
}

static bool lane0_takes(struct ctl_lane *l, uint64_t counter)
{
	if (!counter_fresh(l, counter))
		return false;
	counter_commit(l, counter);
	return true;
}

static bool sequence_agrees(const uint64_t *counters, unsigned n)
{
	struct model m = {0};
	struct replay r;
	struct ctl_lane l = {0};

	replay_init(&r);
	for (unsigned i = 0; i < n; i++) {
		bool want = model_takes(&m, counters[i]);

		if (data_lane_takes(&r, counters[i]) != want) {
			printf("the data lanes' window disagrees with the set at step %u\n", i);
			return false;
		}
		if (lane0_takes(&l, counters[i]) != want) {
			printf("lane 0's window disagrees with the set at step %u\n", i);
			return false;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	unsigned length = argc > 1 && strcmp(argv[1], "--full") == 0 ? LONGEST : LONGEST - 1;
	unsigned long long n_tried = 0, total = 1;
	uint64_t counters[LONGEST];

	for (unsigned i = 0; i < length; i++)
		total *= N;
	// Each shorter sequence is the beginning of a longer one.
	for (unsigned long long code = 0; code < total; code++, n_tried++) {
		unsigned long long rest = code;

		for (unsigned i = 0; i < length; i++, rest /= N)
			counters[i] = values[rest % N];
		if (!sequence_agrees(counters, length))
			return 1;
	}
	printf("%llu sequences of %u counters out of %zu at the edges: both windows agree with a "
	       "set\n",
		n_tried, length, N);
	return 0;
}
