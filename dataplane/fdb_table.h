// SPDX-License-Identifier: BSD-3-Clause
//
// The forwarding table's hash table: what a lookup reads is one cache line, nearly always.
//
// One writer, any number of readers without locks. An entry never moves, and its place is given to
// another key only after every reader has said that it holds nothing any more; who tells is the
// caller (fdb_table_flip). So a reader that found a key reads that key's own entry, or one that is
// gone. Keys have bit 0 clear (no group address) and are not 0. Floor 2.
//
// rte_hash would do the same with three lines a lookup (bucket, key, and a slot of ours), and even
// from the nearest cache at twice the cycles.
#pragma once

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

struct fdb_slot {
	_Atomic uint64_t key;
	_Atomic uint32_t dst;  // 0: gone
	_Atomic uint32_t seen; // second; the readers write it, relaxed: a lost store costs nothing
};

#define FDB_BUCKET_SLOTS 4u
struct fdb_bucket {
	alignas(64) struct fdb_slot slot[FDB_BUCKET_SLOTS];
};
static_assert(sizeof(struct fdb_bucket) == 64, "a bucket is a line");

// A key that its own bucket has no place for is in one of the next. At most half of all places are
// in use, so that one in fifty is.
#define FDB_PROBE_MAX 32

struct fdb_table {
	struct fdb_bucket *bucket; // [mask + 1]
	uint64_t secret[2];
	uint32_t mask;
	uint32_t shift; // what leaves a bucket's number of 64 bits
	// the writer's
	uint32_t n_slots;
	uint32_t n;        // keys
	uint64_t dead_key; // of places that readers may still look at, since the last flip
	uint8_t *beyond;   // by bucket: keys that passed it for a later one
};

// Room for `entries` keys. secret: 16 random bytes, so that nobody can choose addresses that crowd
// one bucket. errors: -ENOMEM.
int fdb_table_create(struct fdb_table *t, uint32_t entries, const uint64_t secret[2]);
void fdb_table_destroy(struct fdb_table *t);

// ---- readers

// A product keyed and folded, and a second one: after the first alone, one secret in a hundred lays
// addresses in a row into few buckets.
static inline struct fdb_bucket *fdb_table_home(const struct fdb_table *t, uint64_t key)
{
	unsigned __int128 p = (unsigned __int128)(key ^ t->secret[0]) * t->secret[1];
	uint64_t folded = (uint64_t)p ^ (uint64_t)(p >> 64);

	return &t->bucket[folded * 0x9e3779b97f4a7c15ull >> t->shift];
}

static inline void fdb_table_fetch(const struct fdb_table *t, uint64_t key)
{
	rte_prefetch0(fdb_table_home(t, key));
}

static inline uint64_t fdb_slot_key(const struct fdb_slot *s)
{
	return atomic_load_explicit(&s->key, memory_order_acquire);
}

static inline uint32_t fdb_slot_dst(const struct fdb_slot *s)
{
	return atomic_load_explicit(&s->dst, memory_order_relaxed);
}

// Which places of a bucket have this key, one bit each.
static inline unsigned fdb_bucket_match(const struct fdb_bucket *b, uint64_t key)
{
	unsigned mask = 0;

#pragma GCC unroll 4
	for (unsigned i = 0; i < FDB_BUCKET_SLOTS; i++)
		mask |= (unsigned)(fdb_slot_key(&b->slot[i]) == key) << i;
	return mask;
}

// Where a key that is not in its own bucket may be, or NULL.
struct fdb_slot *fdb_table_find_beyond(const struct fdb_table *t, uint64_t key);

// The entry of a key, or NULL.
static inline struct fdb_slot *fdb_table_find(const struct fdb_table *t, uint64_t key)
{
	struct fdb_bucket *b = fdb_table_home(t, key);
	unsigned match = fdb_bucket_match(b, key);

	if (likely(match != 0))
		return &b->slot[__builtin_ctz(match)];
	// A place that never was in use ends the search.
	return fdb_bucket_match(b, 0) != 0 ? NULL : fdb_table_find_beyond(t, key);
}

// ---- the writer

// Add a key that is not there. Returns NULL when the table is full.
struct fdb_slot *fdb_table_add(struct fdb_table *t, uint64_t key, uint32_t dst, uint32_t seen);
void fdb_table_erase(struct fdb_table *t, struct fdb_slot *s);
// From now on, fdb_table_reclaim() may free what was erased before the call; so the readers have
// all been quiet since the flip before.
void fdb_table_flip(struct fdb_table *t);
// Free the place if it is one of those, and all readers have been quiet since that flip.
void fdb_table_reclaim(struct fdb_table *t, struct fdb_slot *s);

static inline struct fdb_slot *fdb_table_slot(const struct fdb_table *t, uint32_t at)
{
	return &t->bucket[at / FDB_BUCKET_SLOTS].slot[at % FDB_BUCKET_SLOTS];
}

// Whether a place holds a key.
static inline int fdb_slot_used(const struct fdb_slot *s)
{
	uint64_t key = fdb_slot_key(s);

	return key != 0 && (key & 1) == 0;
}
