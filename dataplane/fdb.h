// SPDX-License-Identifier: BSD-3-Clause
//
// The forwarding table: which MAC of which segment is behind which LAN attachment or peer.
//
// One writer, the main lcore (fdb_run and everything marked main); any number of lock-free readers,
// the workers, each registered under its id and telling fdb_quiescent() between bursts. A worker
// never changes the table: what it sees goes to the writer as an event, at most once a second for
// an address, and a refresh is one relaxed store of the entry's time. Floor 3.
//
// A peer cannot take over an address that its present place used within FDB_HOLD_S; a LAN
// attachment can, at once.
//
// Fairness: each peer and each LAN attachment has a quota of learned addresses, so one that floods
// addresses pushes out nobody else's. Source: PROTOCOL.md §14; security.md attack 19.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fdb;
struct rte_rcu_qsbr;

#define FDB_HOLD_S 2

enum fdb_where { FDB_NONE = 0, FDB_LAN = 1, FDB_PEER = 2 };

// A destination in 32 bits: enum fdb_where in the upper eight, index (LAN attachment or session
// slot) in the lower 24. 0 is nowhere.
typedef uint32_t fdb_dst_t;

static inline fdb_dst_t fdb_dst(enum fdb_where where, uint32_t idx)
{
	return (uint32_t)where << 24 | (idx & 0xffffff);
}
static inline enum fdb_where fdb_dst_where(fdb_dst_t dst)
{
	return (enum fdb_where)(dst >> 24);
}
static inline uint32_t fdb_dst_idx(fdb_dst_t dst)
{
	return dst & 0xffffff;
}

// MAC and broadcast domain in 64 bits, the domain in the upper 16. Domains 0..255 are the segments;
// each VLAN-aware segment has 4096 more, one for each VID (segment.h).
typedef uint64_t fdb_key_t;

static inline fdb_key_t fdb_key(const uint8_t mac[6], uint16_t domain)
{
	uint32_t low;
	uint16_t high;

	__builtin_memcpy(&low, mac, sizeof(low));
	__builtin_memcpy(&high, mac + sizeof(low), sizeof(high));
	return low | (uint64_t)high << 32 | (uint64_t)domain << 48;
}

// The same where eight bytes can be read: one load, nothing put together in memory.
static inline fdb_key_t fdb_key_of8(const uint8_t *mac, uint16_t domain)
{
	uint64_t eight;

	__builtin_memcpy(&eight, mac, sizeof(eight));
	return eight << 16 >> 16 | (uint64_t)domain << 48;
}

struct fdb_config {
	uint32_t entries;   // learned and static together
	uint32_t n_workers; // readers
	uint32_t max_sessions;
	uint32_t n_attachments;         // LAN
	uint32_t lan_quota;             // learned addresses at most behind one LAN attachment
	uint16_t ageing_s[256];         // by segment; 0 never ages
	const uint16_t *domain_segment; // 65536 entries: which segment a domain belongs to
	uint64_t hash_secret[2];        // random: where an address lies in the table
};

struct fdb_counters { // of the writer
	uint64_t learned;
	uint64_t moved;
	uint64_t aged;
	uint64_t refused_quota;
	uint64_t refused_held; // a peer claimed an address in use elsewhere
	uint64_t refused_full;
};

struct fdb_entry { // for dumps
	uint8_t mac[6];
	uint16_t domain;
	fdb_dst_t dst;
	bool is_static;
	uint32_t age_s;
};

int fdb_create(const struct fdb_config *cfg, struct fdb **ret_fdb);
void fdb_destroy(struct fdb *f);

// ---- workers

// A hint for the caches: these keys will be looked up.
void fdb_fetch_batch(const struct fdb *f, const fdb_key_t *keys, unsigned n);
// Look up n keys; dst[i] is 0 where nothing is known.
void fdb_lookup_batch(const struct fdb *f, const fdb_key_t *keys, unsigned n, fdb_dst_t *dst);
// Look up n ≤ 64 source addresses that were seen behind dst[i] at now_s and refresh what is known
// there. Returns a bit for each that is new or has moved; in ret_bound, one for each that a static
// entry binds elsewhere.
uint64_t fdb_seen_batch(struct fdb *f, const fdb_key_t *keys, const fdb_dst_t *dst, unsigned n,
	uint32_t now_s, uint64_t *ret_bound);
// Tell the writer of n ≤ 64 of these. The caller sees to it that it is not told the same for every
// frame: its ring is a line that all workers write.
void fdb_report_batch(struct fdb *f, const fdb_key_t *keys, const fdb_dst_t *dst, unsigned n);
void fdb_reader_online(struct fdb *f, unsigned worker);
void fdb_reader_offline(struct fdb *f, unsigned worker);
void fdb_quiescent(struct fdb *f, unsigned worker);

// How many addresses a session may have; 0 forgets the session's quota. Any thread; takes effect
// with the next event.
void fdb_quota_set(struct fdb *f, uint32_t session, uint32_t quota);
uint32_t fdb_session_macs(const struct fdb *f, uint32_t session); // any thread
bool fdb_quota_hit(struct fdb *f, uint32_t session);              // any thread: since last asked

// ---- main

// Take events and age a part of the table; call it every 10..100 ms. Returns how many events.
unsigned fdb_run(struct fdb *f, uint32_t now_s);
// errors: -ENOSPC the table is full, -EINVAL.
int fdb_static_add(struct fdb *f, const uint8_t mac[6], uint16_t domain, fdb_dst_t dst);
int fdb_static_del(struct fdb *f, const uint8_t mac[6], uint16_t domain);
// Forget what was learned behind dst; dst 0: everything learned.
void fdb_flush(struct fdb *f, fdb_dst_t dst);
// Entries from *cursor on (0 to begin); returns how many, *cursor 0 when that was all. Misses or
// repeats nothing that stays in the table meanwhile.
unsigned fdb_dump(
	struct fdb *f, uint32_t now_s, uint32_t *cursor, struct fdb_entry *out, unsigned max);
uint32_t fdb_count(const struct fdb *f);
const struct fdb_counters *fdb_counters(const struct fdb *f);
