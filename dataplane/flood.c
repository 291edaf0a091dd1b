// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/flood.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/worker_types.h"

int flood_create(struct worker *w)
{
	struct flood *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -ENOMEM;
	f->peer = calloc(w->dp->max_sessions, sizeof(*f->peer));
	if (f->peer == NULL) {
		free(f);
		return -ENOMEM;
	}
	w->flood = f;
	return 0;
}

void flood_destroy(struct worker *w)
{
	if (w->flood == NULL)
		return;
	for (unsigned i = 0; i < SEGMENTS_MAX; i++)
		free(w->flood->peers[i].slot);
	free(w->flood->peer);
	free(w->flood);
	w->flood = NULL;
}

int flood_join(struct worker *w, uint8_t segment, uint32_t slot)
{
	struct flood_peers *p = &w->flood->peers[segment];

	for (unsigned i = 0; i < p->n; i++) {
		if (p->slot[i] == slot)
			return 0;
	}
	if (p->n == p->capacity) {
		uint32_t capacity = p->capacity == 0 ? 8 : 2 * p->capacity;
		uint32_t *grown = reallocarray(p->slot, capacity, sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		p->slot = grown;
		p->capacity = capacity;
	}
	p->slot[p->n++] = slot;
	return 0;
}

void flood_leave(struct worker *w, uint8_t segment, uint32_t slot)
{
	struct flood_peers *p = &w->flood->peers[segment];

	for (unsigned i = 0; i < p->n; i++) {
		if (p->slot[i] == slot) {
			p->slot[i] = p->slot[--p->n];
			return;
		}
	}
}

static bool allows(
	const struct worker *w, const struct segment *s, struct bucket *b, unsigned frames)
{
	uint64_t due = b->due_ns > w->now_ns ? b->due_ns : w->now_ns;

	if (s->bum_interval_ns == 0)
		return true;
	if (due - w->now_ns > FLOOD_BURST_NS)
		return false;
	b->due_ns = due + frames * s->bum_interval_ns;
	return true;
}

bool flood_allows_lan(
	struct worker *w, const struct segment *s, uint16_t attachment, unsigned frames)
{
	return allows(w, s, &w->flood->lan[attachment], frames);
}

bool flood_allows_peer(struct worker *w, const struct segment *s, uint32_t slot, unsigned frames)
{
	return allows(w, s, &w->flood->peer[slot], frames);
}
