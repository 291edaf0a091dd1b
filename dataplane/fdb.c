// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/fdb.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "dataplane/fdb_table.h"

#define FDB_LOOKUP_MAX  64
#define FDB_EVENTS      8192
#define FDB_EVENT_BURST 256
#define FDB_SWEEP_PARTS 64
#define FDB_STATIC      0x80000000u // in an entry's dst

struct event {
	uint64_t key;
	uint32_t dst;
	uint32_t reserved;
};
static_assert(sizeof(struct event) == 16, "ring element");

struct fdb {
	struct fdb_table table;
	struct rte_ring *events;
	struct rte_rcu_qsbr *qsbr;

	// main only
	uint32_t sweep;
	uint64_t flip_token; // the workers' quiet is counted from here
	struct fdb_counters counters;
	struct fdb_config cfg;

	// main writes, anybody reads
	_Atomic uint32_t *n_session; // learned, by slot
	_Atomic uint32_t *n_lan;     // learned, by attachment
	// anybody writes
	_Atomic uint32_t *quota; // by session slot
	_Atomic uint8_t *quota_hit;
};

static int create_qsbr(struct fdb *f)
{
	size_t bytes = rte_rcu_qsbr_get_memsize(f->cfg.n_workers);

	f->qsbr = rte_zmalloc(NULL, bytes, RTE_CACHE_LINE_SIZE);
	if (f->qsbr == NULL)
		return -ENOMEM;
	if (rte_rcu_qsbr_init(f->qsbr, f->cfg.n_workers) != 0)
		return -EINVAL;
	for (unsigned i = 0; i < f->cfg.n_workers; i++)
		rte_rcu_qsbr_thread_register(f->qsbr, i);
	return 0;
}

static int create_tables(struct fdb *f, unsigned serial)
{
	char name[RTE_RING_NAMESIZE];

	if (fdb_table_create(&f->table, f->cfg.entries, f->cfg.hash_secret) < 0)
		return -ENOMEM;
	f->n_session = calloc(f->cfg.max_sessions + 1, sizeof(*f->n_session));
	f->n_lan = calloc(f->cfg.n_attachments + 1, sizeof(*f->n_lan));
	f->quota = calloc(f->cfg.max_sessions + 1, sizeof(*f->quota));
	f->quota_hit = calloc(f->cfg.max_sessions + 1, sizeof(*f->quota_hit));
	if (f->n_session == NULL || f->n_lan == NULL || f->quota == NULL || f->quota_hit == NULL)
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
	fdb_table_destroy(&f->table);
	rte_ring_free(f->events);
	rte_free(f->qsbr);
	free(f->n_session);
	free(f->n_lan);
	free(f->quota);
	free(f->quota_hit);
	free(f);
}

// ---------------------------------------------------------------- workers

void fdb_fetch_batch(const struct fdb *f, const fdb_key_t *keys, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fdb_table_fetch(&f->table, keys[i]);
}

void fdb_lookup_batch(const struct fdb *f, const fdb_key_t *keys, unsigned n, fdb_dst_t *dst)
{
	for (unsigned i = 0; i < n; i++) {
		const struct fdb_slot *s = fdb_table_find(&f->table, keys[i]);

		// Nobody is 0, which is how a place looks until the writer fills it.
		dst[i] = s == NULL || keys[i] == 0 ? 0 : fdb_slot_dst(s) & ~FDB_STATIC;
	}
}

uint64_t fdb_seen_batch(struct fdb *f, const fdb_key_t *keys, const fdb_dst_t *dst, unsigned n,
	uint32_t now_s, uint64_t *ret_bound)
{
	uint64_t news = 0, bound = 0;

	assert(n <= FDB_LOOKUP_MAX);
	for (unsigned i = 0; i < n; i++) {
		struct fdb_slot *s = fdb_table_find(&f->table, keys[i]);
		uint32_t known = s == NULL ? 0 : fdb_slot_dst(s);

		if (likely(s != NULL && (known & ~FDB_STATIC) == dst[i])) {
			if (atomic_load_explicit(&s->seen, memory_order_relaxed) != now_s)
				atomic_store_explicit(&s->seen, now_s, memory_order_relaxed);
		} else if ((known & FDB_STATIC) != 0) {
			bound |= 1ull << i;
		} else {
			news |= 1ull << i;
		}
	}
	*ret_bound = bound;
	return news;
}

void fdb_report_batch(struct fdb *f, const fdb_key_t *keys, const fdb_dst_t *dst, unsigned n)
{
	struct event ev[FDB_LOOKUP_MAX];

	assert(n <= FDB_LOOKUP_MAX);
	for (unsigned i = 0; i < n; i++)
		ev[i] = (struct event){.key = keys[i], .dst = dst[i]};
	// What does not fit comes again with the address's frames.
	rte_ring_mp_enqueue_burst_elem(f->events, ev, sizeof(ev[0]), n, NULL);
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

static uint32_t slot_age(const struct fdb_slot *s, uint32_t now_s)
{
	int32_t age = (int32_t)(now_s - atomic_load_explicit(&s->seen, memory_order_relaxed));

	return age < 0 ? 0 : (uint32_t)age; // a worker's clock may be a round ahead
}

static void drop_slot(struct fdb *f, struct fdb_slot *s)
{
	uint32_t dst = fdb_slot_dst(s);

	if ((dst & FDB_STATIC) == 0)
		count(learned_at(f, dst), -1);
	fdb_table_erase(&f->table, s);
}

// The entry of a key, be it new, says dst from now on. Returns whether there was room.
static bool set(struct fdb *f, struct fdb_slot *s, fdb_key_t key, fdb_dst_t dst, uint32_t now_s)
{
	if (s == NULL)
		return f->table.n < f->cfg.entries &&
		       fdb_table_add(&f->table, key, dst, now_s) != NULL;
	atomic_store_explicit(&s->seen, now_s, memory_order_relaxed);
	atomic_store_explicit(&s->dst, dst, memory_order_relaxed);
	return true;
}

static void learn(struct fdb *f, const struct event *ev, uint32_t now_s)
{
	struct fdb_slot *s = fdb_table_find(&f->table, ev->key);
	uint32_t known = s == NULL ? 0 : fdb_slot_dst(s);

	if (learned_at(f, ev->dst) == NULL || known == ev->dst || (known & FDB_STATIC) != 0 ||
		(ev->key & 1) != 0 || ev->key == 0)
		return;
	if (known != 0 && fdb_dst_where(ev->dst) == FDB_PEER && slot_age(s, now_s) < FDB_HOLD_S) {
		f->counters.refused_held++;
		return;
	}
	if (!quota_allows(f, ev->dst)) {
		f->counters.refused_quota++;
		return;
	}
	if (!set(f, s, ev->key, ev->dst, now_s)) {
		f->counters.refused_full++;
		return;
	}
	if (known != 0) {
		count(learned_at(f, known), -1);
		f->counters.moved++;
	} else {
		f->counters.learned++;
	}
	count(learned_at(f, ev->dst), 1);
}

static void age_slot(struct fdb *f, struct fdb_slot *s, uint32_t now_s)
{
	uint16_t segment = f->cfg.domain_segment[fdb_slot_key(s) >> 48];
	uint32_t limit = segment < 256 ? f->cfg.ageing_s[segment] : 1;

	if ((fdb_slot_dst(s) & FDB_STATIC) != 0 || limit == 0 || slot_age(s, now_s) <= limit)
		return;
	drop_slot(f, s);
	f->counters.aged++;
}

// A part of the table: old entries go, and what went before the workers were last quiet is room.
static void sweep(struct fdb *f, uint32_t now_s)
{
	unsigned part = f->table.n_slots / FDB_SWEEP_PARTS + 1;
	bool quiet = rte_rcu_qsbr_check(f->qsbr, f->flip_token, false) == 1;

	for (unsigned i = 0; i < part; i++) {
		struct fdb_slot *s;

		if (++f->sweep >= f->table.n_slots) {
			f->sweep = 0;
			if (quiet) {
				fdb_table_flip(&f->table);
				f->flip_token = rte_rcu_qsbr_start(f->qsbr);
				quiet = false;
			}
		}
		s = fdb_table_slot(&f->table, f->sweep);
		if (fdb_slot_used(s))
			age_slot(f, s, now_s);
		else if (quiet)
			fdb_table_reclaim(&f->table, s);
	}
}

unsigned fdb_run(struct fdb *f, uint32_t now_s)
{
	struct event ev[FDB_EVENT_BURST];
	unsigned n, total = 0;

	do {
		n = rte_ring_sc_dequeue_burst_elem(
			f->events, ev, sizeof(ev[0]), FDB_EVENT_BURST, NULL);
		for (unsigned i = 0; i < n; i++)
			learn(f, &ev[i], now_s);
		total += n;
	} while (n == FDB_EVENT_BURST && total < FDB_EVENTS);
	sweep(f, now_s);
	return total;
}

int fdb_static_add(struct fdb *f, const uint8_t mac[6], uint16_t domain, fdb_dst_t dst)
{
	fdb_key_t key = fdb_key(mac, domain);
	struct fdb_slot *s = fdb_table_find(&f->table, key);

	if (learned_at(f, dst) == NULL || (mac[0] & 1) != 0 || key == 0)
		return -EINVAL;
	if (s != NULL && (fdb_slot_dst(s) & FDB_STATIC) == 0)
		count(learned_at(f, fdb_slot_dst(s)), -1);
	return set(f, s, key, dst | FDB_STATIC, 0) ? 0 : -ENOSPC;
}

int fdb_static_del(struct fdb *f, const uint8_t mac[6], uint16_t domain)
{
	struct fdb_slot *s = fdb_table_find(&f->table, fdb_key(mac, domain));

	if (s == NULL || (fdb_slot_dst(s) & FDB_STATIC) == 0)
		return -ENOENT;
	drop_slot(f, s);
	return 0;
}

void fdb_flush(struct fdb *f, fdb_dst_t dst)
{
	for (uint32_t at = 0; at < f->table.n_slots; at++) {
		struct fdb_slot *s = fdb_table_slot(&f->table, at);
		uint32_t known = fdb_slot_dst(s);

		if (fdb_slot_used(s) && (known & FDB_STATIC) == 0 && (dst == 0 || known == dst))
			drop_slot(f, s);
	}
}

unsigned fdb_dump(
	struct fdb *f, uint32_t now_s, uint32_t *cursor, struct fdb_entry *out, unsigned max)
{
	uint32_t at = *cursor;
	unsigned n = 0;

	for (; at < f->table.n_slots && n < max; at++) {
		const struct fdb_slot *s = fdb_table_slot(&f->table, at);
		uint64_t key = fdb_slot_key(s);

		if (!fdb_slot_used(s))
			continue;
		memcpy(out[n].mac, &key, 6);
		out[n].domain = key >> 48;
		out[n].dst = fdb_slot_dst(s) & ~FDB_STATIC;
		out[n].is_static = (fdb_slot_dst(s) & FDB_STATIC) != 0;
		out[n].age_s = out[n].is_static ? 0 : slot_age(s, now_s);
		n++;
	}
	*cursor = at < f->table.n_slots ? at : 0;
	return n;
}

uint32_t fdb_count(const struct fdb *f)
{
	return f->table.n;
}

const struct fdb_counters *fdb_counters(const struct fdb *f)
{
	return &f->counters;
}
