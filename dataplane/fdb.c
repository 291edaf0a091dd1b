// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/fdb.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#define FDB_LOOKUP_MAX  64
#define FDB_EVENTS      8192
#define FDB_EVENT_BURST 256
#define FDB_SWEEP_PARTS 64
#define FDB_STATIC      0x80000000u // in slot.dst

// One entry as the workers see it, by its position in the hash.
struct slot {
	_Atomic uint32_t dst;  // writer: main
	_Atomic uint32_t seen; // second; writers: the workers, relaxed: a lost store costs nothing
};
static_assert(sizeof(struct slot) == 8, "eight entries in a line");

struct event {
	uint64_t key;
	uint32_t dst;
	uint32_t reserved;
};
static_assert(sizeof(struct event) == 16, "ring element");

struct fdb {
	struct rte_hash *hash;
	struct slot *slot; // [n_slots]
	struct rte_ring *events;
	struct rte_rcu_qsbr *qsbr;

	// main only
	uint64_t *key; // [n_slots]; 0: free
	uint32_t n_slots;
	uint32_t n_entries;
	uint32_t sweep;
	struct fdb_counters counters;
	struct fdb_config cfg;

	// main writes, anybody reads
	_Atomic uint32_t generation;
	_Atomic uint32_t *n_session; // learned, by slot
	_Atomic uint32_t *n_lan;     // learned, by attachment
	// anybody writes
	_Atomic uint32_t *quota; // by session slot
	_Atomic uint8_t *quota_hit;
};

static uint32_t hash_key(const void *key, uint32_t, uint32_t init)
{
	uint64_t k;

	memcpy(&k, key, sizeof(k));
	return rte_hash_crc_8byte(k, init);
}

static int create_qsbr(struct fdb *f)
{
	size_t bytes = rte_rcu_qsbr_get_memsize(f->cfg.n_workers);
	struct rte_hash_rcu_config rcu = {.mode = RTE_HASH_QSBR_MODE_DQ};

	f->qsbr = rte_zmalloc(NULL, bytes, RTE_CACHE_LINE_SIZE);
	if (f->qsbr == NULL)
		return -ENOMEM;
	if (rte_rcu_qsbr_init(f->qsbr, f->cfg.n_workers) != 0)
		return -EINVAL;
	for (unsigned i = 0; i < f->cfg.n_workers; i++)
		rte_rcu_qsbr_thread_register(f->qsbr, i);
	rcu.v = f->qsbr;
	return rte_hash_rcu_qsbr_add(f->hash, &rcu) != 0 ? -ENOMEM : 0;
}

static int create_tables(struct fdb *f, unsigned serial)
{
	char name[RTE_HASH_NAMESIZE];
	struct rte_hash_parameters hp = {
		.name = name,
		.entries = f->cfg.entries,
		.key_len = sizeof(fdb_key_t),
		.hash_func = hash_key,
		.socket_id = SOCKET_ID_ANY,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF,
	};

	snprintf(name, sizeof(name), "fdb%u", serial);
	f->hash = rte_hash_create(&hp);
	if (f->hash == NULL)
		return -ENOMEM;
	f->n_slots = rte_hash_max_key_id(f->hash) + 1;
	f->slot = rte_calloc(NULL, f->n_slots, sizeof(*f->slot), RTE_CACHE_LINE_SIZE);
	f->key = calloc(f->n_slots, sizeof(*f->key));
	f->n_session = calloc(f->cfg.max_sessions + 1, sizeof(*f->n_session));
	f->n_lan = calloc(f->cfg.n_attachments + 1, sizeof(*f->n_lan));
	f->quota = calloc(f->cfg.max_sessions + 1, sizeof(*f->quota));
	f->quota_hit = calloc(f->cfg.max_sessions + 1, sizeof(*f->quota_hit));
	if (f->slot == NULL || f->key == NULL || f->n_session == NULL || f->n_lan == NULL ||
		f->quota == NULL || f->quota_hit == NULL)
		return -ENOMEM;
	snprintf(name, sizeof(name), "fdbev%u", serial);
	f->events = rte_ring_create_elem(
		name, sizeof(struct event), FDB_EVENTS, SOCKET_ID_ANY, RING_F_SC_DEQ);
	return f->events == NULL ? -ENOMEM : 0;
}

int fdb_create(const struct fdb_config *cfg, struct fdb **ret_fdb)
{
	static unsigned serial; // names of DPDK objects are global
	struct fdb *f;
	int err;

	if (cfg->entries < 8 || cfg->n_workers == 0)
		return -EINVAL;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return -ENOMEM;
	f->cfg = *cfg;
	f->generation = 1; // 0 is nobody's
	err = create_tables(f, serial++);
	if (err == 0)
		err = create_qsbr(f);
	if (err < 0) {
		fdb_destroy(f);
		return err;
	}
	*ret_fdb = f;
	return 0;
}

void fdb_destroy(struct fdb *f)
{
	if (f == NULL)
		return;
	rte_hash_free(f->hash);
	rte_ring_free(f->events);
	rte_free(f->qsbr);
	rte_free(f->slot);
	free(f->key);
	free(f->n_session);
	free(f->n_lan);
	free(f->quota);
	free(f->quota_hit);
	free(f);
}

// ---------------------------------------------------------------- workers

static void find_batch(struct fdb *f, const fdb_key_t *keys, unsigned n, int32_t *pos)
{
	const void *ptr[FDB_LOOKUP_MAX];

	assert(n <= FDB_LOOKUP_MAX);
	for (unsigned i = 0; i < n; i++)
		ptr[i] = &keys[i];
	rte_hash_lookup_bulk(f->hash, ptr, n, pos);
}

void fdb_lookup_batch(struct fdb *f, const fdb_key_t *keys, unsigned n, fdb_dst_t *dst)
{
	int32_t pos[FDB_LOOKUP_MAX];

	if (n == 0)
		return;
	find_batch(f, keys, n, pos);
	for (unsigned i = 0; i < n; i++)
		dst[i] = pos[i] < 0 ? 0
				    : atomic_load_explicit(
					      &f->slot[pos[i]].dst, memory_order_relaxed) &
					      ~FDB_STATIC;
}

uint32_t fdb_generation(const struct fdb *f)
{
	return atomic_load_explicit(&f->generation, memory_order_acquire);
}

uint64_t fdb_seen_batch(
	struct fdb *f, const fdb_key_t *keys, const fdb_dst_t *dst, unsigned n, uint32_t now_s)
{
	struct event ev[FDB_LOOKUP_MAX];
	int32_t pos[FDB_LOOKUP_MAX];
	uint64_t bound_elsewhere = 0;
	unsigned n_ev = 0;

	if (n == 0)
		return 0;
	find_batch(f, keys, n, pos);
	for (unsigned i = 0; i < n; i++) {
		struct slot *s = pos[i] < 0 ? NULL : &f->slot[pos[i]];
		uint32_t known =
			s == NULL ? 0 : atomic_load_explicit(&s->dst, memory_order_relaxed);

		if ((known & ~FDB_STATIC) == dst[i]) {
			if (atomic_load_explicit(&s->seen, memory_order_relaxed) != now_s)
				atomic_store_explicit(&s->seen, now_s, memory_order_relaxed);
		} else if ((known & FDB_STATIC) != 0) {
			bound_elsewhere |= 1ull << i;
		} else {
			ev[n_ev++] = (struct event){.key = keys[i], .dst = dst[i]};
		}
	}
	// What does not fit comes again with the address's next frame.
	if (n_ev > 0)
		rte_ring_mp_enqueue_burst_elem(f->events, ev, sizeof(ev[0]), n_ev, NULL);
	return bound_elsewhere;
}

void fdb_reader_online(struct fdb *f, unsigned worker)
{
	rte_rcu_qsbr_thread_online(f->qsbr, worker);
}

void fdb_reader_offline(struct fdb *f, unsigned worker)
{
	rte_rcu_qsbr_thread_offline(f->qsbr, worker);
}

void fdb_quiescent(struct fdb *f, unsigned worker)
{
	rte_rcu_qsbr_quiescent(f->qsbr, worker);
}

void fdb_quota_set(struct fdb *f, uint32_t session, uint32_t quota)
{
	if (session < f->cfg.max_sessions)
		atomic_store_explicit(&f->quota[session], quota, memory_order_relaxed);
}

uint32_t fdb_session_macs(const struct fdb *f, uint32_t session)
{
	return session >= f->cfg.max_sessions
		       ? 0
		       : atomic_load_explicit(&f->n_session[session], memory_order_relaxed);
}

bool fdb_quota_hit(struct fdb *f, uint32_t session)
{
	return session < f->cfg.max_sessions &&
	       atomic_load_explicit(&f->quota_hit[session], memory_order_relaxed) != 0 &&
	       atomic_exchange_explicit(&f->quota_hit[session], 0, memory_order_relaxed) != 0;
}

// ---------------------------------------------------------------- main

// The count of learned addresses behind a destination, or NULL when there can be no such place.
static _Atomic uint32_t *learned_at(struct fdb *f, fdb_dst_t dst)
{
	uint32_t idx = fdb_dst_idx(dst);

	switch (fdb_dst_where(dst)) {
	case FDB_LAN:
		return idx < f->cfg.n_attachments ? &f->n_lan[idx] : NULL;
	case FDB_PEER:
		return idx < f->cfg.max_sessions ? &f->n_session[idx] : NULL;
	default:
		return NULL;
	}
}

static void count(_Atomic uint32_t *n, int delta)
{
	atomic_store_explicit(
		n, atomic_load_explicit(n, memory_order_relaxed) + delta, memory_order_relaxed);
}

static bool quota_allows(struct fdb *f, fdb_dst_t dst)
{
	uint32_t idx = fdb_dst_idx(dst);
	uint32_t have = atomic_load_explicit(learned_at(f, dst), memory_order_relaxed);

	if (fdb_dst_where(dst) == FDB_LAN)
		return have < f->cfg.lan_quota;
	if (have < atomic_load_explicit(&f->quota[idx], memory_order_relaxed))
		return true;
	atomic_store_explicit(&f->quota_hit[idx], 1, memory_order_relaxed);
	return false;
}

static void changed(struct fdb *f)
{
	atomic_fetch_add_explicit(&f->generation, 1, memory_order_release);
}

static void set_slot(struct fdb *f, int32_t pos, fdb_dst_t dst, uint32_t now_s)
{
	atomic_store_explicit(&f->slot[pos].seen, now_s, memory_order_relaxed);
	atomic_store_explicit(&f->slot[pos].dst, dst, memory_order_release);
	changed(f);
}

static uint32_t slot_dst(const struct fdb *f, int32_t pos)
{
	return atomic_load_explicit(&f->slot[pos].dst, memory_order_relaxed);
}

static uint32_t slot_age(const struct fdb *f, int32_t pos, uint32_t now_s)
{
	int32_t age =
		(int32_t)(now_s - atomic_load_explicit(&f->slot[pos].seen, memory_order_relaxed));

	return age < 0 ? 0 : (uint32_t)age; // a worker's clock may be a round ahead
}

static void drop_slot(struct fdb *f, int32_t pos)
{
	uint32_t dst = slot_dst(f, pos);

	if ((dst & FDB_STATIC) == 0)
		count(learned_at(f, dst), -1);
	// First nowhere, then gone: a reader that still holds the position floods.
	atomic_store_explicit(&f->slot[pos].dst, 0, memory_order_release);
	changed(f);
	rte_hash_del_key(f->hash, &f->key[pos]);
	f->key[pos] = 0;
	f->n_entries--;
}

// Returns the position or -errno.
static int32_t add_key(struct fdb *f, fdb_key_t key)
{
	int32_t pos = rte_hash_add_key(f->hash, &key);

	if (pos < 0)
		return -ENOSPC;
	if (f->key[pos] == 0)
		f->n_entries++;
	f->key[pos] = key;
	return pos;
}

static void learn(struct fdb *f, const struct event *ev, uint32_t now_s)
{
	int32_t pos = rte_hash_lookup(f->hash, &ev->key);
	uint32_t known = pos < 0 ? 0 : slot_dst(f, pos);

	if (learned_at(f, ev->dst) == NULL || known == ev->dst || (known & FDB_STATIC) != 0)
		return;
	if (known != 0 && fdb_dst_where(ev->dst) == FDB_PEER &&
		slot_age(f, pos, now_s) < FDB_HOLD_S) {
		f->counters.refused_held++;
		return;
	}
	if (!quota_allows(f, ev->dst)) {
		f->counters.refused_quota++;
		return;
	}
	if (known != 0) {
		count(learned_at(f, known), -1);
		f->counters.moved++;
	} else {
		pos = add_key(f, ev->key);
		if (pos < 0) {
			f->counters.refused_full++;
			return;
		}
		f->counters.learned++;
	}
	count(learned_at(f, ev->dst), 1);
	set_slot(f, pos, ev->dst, now_s);
}

static void age_slot(struct fdb *f, int32_t pos, uint32_t now_s)
{
	uint16_t segment = f->cfg.domain_segment[f->key[pos] >> 48];
	uint32_t limit = segment < 256 ? f->cfg.ageing_s[segment] : 1;

	if ((slot_dst(f, pos) & FDB_STATIC) != 0 || limit == 0)
		return;
	if (slot_age(f, pos, now_s) <= limit)
		return;
	drop_slot(f, pos);
	f->counters.aged++;
}

unsigned fdb_run(struct fdb *f, uint32_t now_s)
{
	struct event ev[FDB_EVENT_BURST];
	unsigned part = f->n_slots / FDB_SWEEP_PARTS + 1;
	unsigned n, total = 0;

	do {
		n = rte_ring_sc_dequeue_burst_elem(
			f->events, ev, sizeof(ev[0]), FDB_EVENT_BURST, NULL);
		for (unsigned i = 0; i < n; i++)
			learn(f, &ev[i], now_s);
		total += n;
	} while (n == FDB_EVENT_BURST && total < FDB_EVENTS);

	for (unsigned i = 0; i < part; i++) {
		if (++f->sweep >= f->n_slots)
			f->sweep = 0;
		if (f->key[f->sweep] != 0)
			age_slot(f, f->sweep, now_s);
	}
	return total;
}

int fdb_static_add(struct fdb *f, const uint8_t mac[6], uint16_t domain, fdb_dst_t dst)
{
	fdb_key_t key = fdb_key(mac, domain);
	int32_t pos;

	if (learned_at(f, dst) == NULL || (mac[0] & 1) != 0 || key == 0)
		return -EINVAL;
	pos = rte_hash_lookup(f->hash, &key);
	if (pos >= 0 && (slot_dst(f, pos) & FDB_STATIC) == 0)
		count(learned_at(f, slot_dst(f, pos)), -1);
	pos = add_key(f, key);
	if (pos < 0)
		return pos;
	set_slot(f, pos, dst | FDB_STATIC, 0);
	return 0;
}

int fdb_static_del(struct fdb *f, const uint8_t mac[6], uint16_t domain)
{
	fdb_key_t key = fdb_key(mac, domain);
	int32_t pos = rte_hash_lookup(f->hash, &key);

	if (pos < 0 || (slot_dst(f, pos) & FDB_STATIC) == 0)
		return -ENOENT;
	drop_slot(f, pos);
	return 0;
}

void fdb_flush(struct fdb *f, fdb_dst_t dst)
{
	for (uint32_t pos = 0; pos < f->n_slots; pos++) {
		uint32_t known = slot_dst(f, pos);

		if (f->key[pos] != 0 && (known & FDB_STATIC) == 0 && (dst == 0 || known == dst))
			drop_slot(f, pos);
	}
}

unsigned fdb_dump(
	struct fdb *f, uint32_t now_s, uint32_t *cursor, struct fdb_entry *out, unsigned max)
{
	uint32_t pos = *cursor;
	unsigned n = 0;

	for (; pos < f->n_slots && n < max; pos++) {
		if (f->key[pos] == 0)
			continue;
		memcpy(out[n].mac, &f->key[pos], 6);
		out[n].domain = f->key[pos] >> 48;
		out[n].dst = slot_dst(f, pos) & ~FDB_STATIC;
		out[n].is_static = (slot_dst(f, pos) & FDB_STATIC) != 0;
		out[n].age_s = out[n].is_static ? 0 : slot_age(f, pos, now_s);
		n++;
	}
	*cursor = pos < f->n_slots ? pos : 0;
	return n;
}

uint32_t fdb_count(const struct fdb *f)
{
	return f->n_entries;
}

const struct fdb_counters *fdb_counters(const struct fdb *f)
{
	return &f->counters;
}
