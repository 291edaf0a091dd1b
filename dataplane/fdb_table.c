// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/fdb_table.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_common.h>
#include <rte_malloc.h>

// What stands in a place without a key. Group addresses, which no entry has.
#define NEVER_USED 0u // ends a search
#define REUSABLE   1u // a key passed this bucket, so searches go on
#define DEAD_A     3u // erased; readers may still look at it
#define DEAD_B     5u

int fdb_table_create(struct fdb_table *t, uint32_t entries, const uint64_t secret[2])
{
	uint32_t n = rte_align32pow2(RTE_MAX(entries, 2 * FDB_BUCKET_SLOTS)) * 2 / FDB_BUCKET_SLOTS;

	*t = (struct fdb_table){
		.secret = {secret[0] ^ 0x9e3779b97f4a7c15ull,
			(secret[1] ^ 0xd6e8feb86659fd93ull) | 1},
		.mask = n - 1,
		.shift = 64 - rte_log2_u32(n),
		.n_slots = n * FDB_BUCKET_SLOTS,
		.dead_key = DEAD_A,
	};
	t->bucket = rte_calloc(NULL, n, sizeof(*t->bucket), sizeof(*t->bucket));
	t->beyond = calloc(n, sizeof(*t->beyond));
	if (t->bucket != NULL && t->beyond != NULL)
		return 0;
	fdb_table_destroy(t);
	return -ENOMEM;
}

void fdb_table_destroy(struct fdb_table *t)
{
	rte_free(t->bucket);
	free(t->beyond);
	*t = (struct fdb_table){0};
}

static uint32_t number_of(const struct fdb_table *t, const struct fdb_bucket *b)
{
	return (uint32_t)(b - t->bucket);
}

struct fdb_slot *fdb_table_find_beyond(const struct fdb_table *t, uint64_t key)
{
	uint32_t home = number_of(t, fdb_table_home(t, key));

	for (uint32_t i = 1; i < FDB_PROBE_MAX; i++) {
		struct fdb_bucket *b = &t->bucket[(home + i) & t->mask];
		unsigned match = fdb_bucket_match(b, key);

		if (match != 0)
			return &b->slot[__builtin_ctz(match)];
		if (fdb_bucket_match(b, NEVER_USED) != 0)
			break;
	}
	return NULL;
}

static struct fdb_slot *free_place(struct fdb_bucket *b)
{
	unsigned match = fdb_bucket_match(b, NEVER_USED) | fdb_bucket_match(b, REUSABLE);

	return match == 0 ? NULL : &b->slot[__builtin_ctz(match)];
}

struct fdb_slot *fdb_table_add(struct fdb_table *t, uint64_t key, uint32_t dst, uint32_t seen)
{
	uint32_t home = number_of(t, fdb_table_home(t, key));
	struct fdb_slot *s = NULL;
	uint32_t passed = 0;

	for (; passed < FDB_PROBE_MAX; passed++) {
		s = free_place(&t->bucket[(home + passed) & t->mask]);
		if (s != NULL)
			break;
	}
	if (s == NULL)
		return NULL;
	for (uint32_t i = 0; i < passed; i++)
		t->beyond[(home + i) & t->mask]++;
	atomic_store_explicit(&s->seen, seen, memory_order_relaxed);
	atomic_store_explicit(&s->dst, dst, memory_order_relaxed);
	atomic_store_explicit(&s->key, key, memory_order_release); // whole before it is found
	t->n++;
	return s;
}

// One key fewer is behind a bucket that it had passed: with the last one, searches end there again.
static void unpass(struct fdb_table *t, uint32_t at)
{
	struct fdb_bucket *b = &t->bucket[at];

	if (--t->beyond[at] != 0)
		return;
	for (unsigned i = 0; i < FDB_BUCKET_SLOTS; i++) {
		if (fdb_slot_key(&b->slot[i]) == REUSABLE)
			atomic_store_explicit(&b->slot[i].key, NEVER_USED, memory_order_relaxed);
	}
}

static uint32_t bucket_of(const struct fdb_table *t, const struct fdb_slot *s)
{
	return (uint32_t)(((uintptr_t)s - (uintptr_t)t->bucket) / sizeof(struct fdb_bucket));
}

void fdb_table_erase(struct fdb_table *t, struct fdb_slot *s)
{
	uint32_t home = number_of(t, fdb_table_home(t, fdb_slot_key(s)));

	// First nowhere, then gone: a reader that has found it already floods.
	atomic_store_explicit(&s->dst, 0, memory_order_release);
	atomic_store_explicit(&s->key, t->dead_key, memory_order_release);
	for (uint32_t at = home; at != bucket_of(t, s); at = (at + 1) & t->mask)
		unpass(t, at);
	t->n--;
}

void fdb_table_flip(struct fdb_table *t)
{
	t->dead_key = t->dead_key == DEAD_A ? DEAD_B : DEAD_A;
}

void fdb_table_reclaim(struct fdb_table *t, struct fdb_slot *s)
{
	uint64_t key = fdb_slot_key(s);

	if ((key != DEAD_A && key != DEAD_B) || key == t->dead_key)
		return;
	atomic_store_explicit(&s->key, t->beyond[bucket_of(t, s)] == 0 ? NEVER_USED : REUSABLE,
		memory_order_relaxed);
}
