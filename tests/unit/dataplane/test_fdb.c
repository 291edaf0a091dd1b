// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "dataplane/fdb.h"
#include "dataplane/fdb_table.h"
#include "tests/unit/dataplane/rig.h"

#define SEG 1

static uint16_t domains[65536];

static struct fdb *fdb_for(uint32_t entries, uint32_t lan_quota, uint32_t n_workers)
{
	struct fdb_config c = {
		.entries = entries,
		.n_workers = n_workers,
		.max_sessions = 8,
		.n_attachments = 4,
		.lan_quota = lan_quota,
		.domain_segment = domains,
	};
	struct fdb *f;

	memset(domains, 0xff, sizeof(domains));
	domains[SEG] = SEG;
	domains[2] = 2;
	c.ageing_s[SEG] = 300;
	assert_int_equal(fdb_create(&c, &f), 0);
	for (unsigned i = 0; i < n_workers; i++)
		fdb_reader_online(f, i);
	for (unsigned i = 0; i < 8; i++)
		fdb_quota_set(f, i, 1000);
	return f;
}

static struct fdb *fdb_of(uint32_t entries, uint32_t lan_quota)
{
	return fdb_for(entries, lan_quota, 1);
}

static fdb_key_t key_of(uint32_t number, uint16_t domain)
{
	uint8_t mac[6];

	rig_mac(mac, number);
	return fdb_key(mac, domain);
}

static bool seen(struct fdb *f, uint32_t number, fdb_dst_t dst, uint32_t now_s)
{
	fdb_key_t k = key_of(number, SEG);
	uint64_t bound;

	if (fdb_seen_batch(f, &k, &dst, 1, now_s, &bound) != 0)
		fdb_report_batch(f, &k, &dst, 1);
	fdb_quiescent(f, 0);
	fdb_run(f, now_s);
	return bound != 0;
}

static fdb_dst_t where(struct fdb *f, uint32_t number, uint16_t domain)
{
	fdb_key_t k = key_of(number, domain);
	fdb_dst_t dst;

	fdb_lookup_batch(f, &k, 1, &dst);
	return dst;
}

// Time passes for the sweep, which takes a part of the table at a call.
static void sweep(struct fdb *f, uint32_t now_s)
{
	for (unsigned i = 0; i < 200; i++) {
		fdb_quiescent(f, 0);
		fdb_run(f, now_s);
	}
}

static const fdb_dst_t lan0 = FDB_LAN << 24 | 0, lan1 = FDB_LAN << 24 | 1;
static const fdb_dst_t peer3 = FDB_PEER << 24 | 3, peer4 = FDB_PEER << 24 | 4;

static void nothing_is_known_at_first_nor_in_another_segment(void **)
{
	struct fdb *f = fdb_of(64, 100);

	assert_int_equal(where(f, 7, SEG), 0);
	seen(f, 7, lan0, 10);
	assert_int_equal(where(f, 7, SEG), lan0);
	assert_int_equal(where(f, 7, 2), 0);
	assert_int_equal(where(f, 8, SEG), 0);
	fdb_destroy(f);
}

static void a_place_that_cannot_be_is_not_learned(void **)
{
	struct fdb *f = fdb_of(64, 100);

	seen(f, 7, fdb_dst(FDB_PEER, 8), 10);
	seen(f, 7, fdb_dst(FDB_LAN, 4), 10);
	seen(f, 7, fdb_dst(FDB_NONE, 0) | 1, 10);
	assert_int_equal(fdb_count(f), 0);
	fdb_destroy(f);
}

static void a_peer_at_its_quota_learns_nothing_more_and_takes_nothing_from_others(void **)
{
	struct fdb *f = fdb_of(256, 5);

	fdb_quota_set(f, 3, 10);
	seen(f, 1, peer4, 10);
	for (unsigned i = 0; i < 100; i++)
		seen(f, 1000 + i, peer3, 10);
	for (unsigned i = 0; i < 100; i++)
		seen(f, 2000 + i, lan0, 10);
	assert_int_equal(fdb_session_macs(f, 3), 10);
	assert_int_equal(fdb_count(f), 1 + 10 + 5);
	assert_int_equal(where(f, 1, SEG), peer4);
	assert_int_equal(fdb_counters(f)->refused_quota, 90 + 95);
	fdb_quota_set(f, 3, 0);
	seen(f, 5000, peer3, 10);
	assert_int_equal(where(f, 5000, SEG), 0);
	fdb_destroy(f);
}

static void a_peer_cannot_take_an_address_in_use_but_the_lan_can(void **)
{
	struct fdb *f = fdb_of(64, 100);

	seen(f, 7, lan0, 10);
	seen(f, 7, peer3, 11);
	assert_int_equal(where(f, 7, SEG), lan0);
	assert_int_equal(fdb_counters(f)->refused_held, 1);
	seen(f, 7, peer3, 12); // silent for two seconds: it has moved
	assert_int_equal(where(f, 7, SEG), peer3);
	seen(f, 7, lan1, 12);
	assert_int_equal(where(f, 7, SEG), lan1);
	assert_int_equal(fdb_counters(f)->moved, 2);
	assert_int_equal(fdb_session_macs(f, 3), 0);
	fdb_destroy(f);
}

static void a_static_entry_neither_moves_nor_ages_nor_counts(void **)
{
	struct fdb *f = fdb_of(64, 100);
	uint8_t mac[6];

	rig_mac(mac, 7);
	mac[0] |= 1;
	assert_int_equal(fdb_static_add(f, mac, SEG, lan0), -EINVAL);
	mac[0] &= ~1;
	assert_int_equal(fdb_static_add(f, mac, SEG, fdb_dst(FDB_LAN, 99)), -EINVAL);
	seen(f, 7, peer3, 10); // learned before
	assert_int_equal(fdb_static_add(f, mac, SEG, lan0), 0);
	assert_int_equal(fdb_session_macs(f, 3), 0);
	assert_true(seen(f, 7, peer3, 20));
	assert_false(seen(f, 7, lan0, 20));
	sweep(f, 100000);
	assert_int_equal(where(f, 7, SEG), lan0);
	fdb_flush(f, 0);
	assert_int_equal(where(f, 7, SEG), lan0);
	assert_int_equal(fdb_static_del(f, mac, SEG), 0);
	assert_int_equal(fdb_static_del(f, mac, SEG), -ENOENT);
	assert_int_equal(where(f, 7, SEG), 0);
	fdb_destroy(f);
}

static void entries_age_unless_refreshed(void **)
{
	struct fdb *f = fdb_of(64, 100);

	seen(f, 7, lan0, 10);
	seen(f, 8, lan0, 10);
	seen(f, 8, lan0, 200);
	sweep(f, 310);
	assert_int_equal(where(f, 7, SEG), lan0); // 300 s are not over
	sweep(f, 311);
	assert_int_equal(where(f, 7, SEG), 0);
	assert_int_equal(where(f, 8, SEG), lan0);
	assert_int_equal(fdb_counters(f)->aged, 1);
	fdb_destroy(f);
}

static void a_full_table_refuses_and_recovers(void **)
{
	struct fdb *f = fdb_of(64, 100000);

	for (unsigned i = 0; i < 1000; i++)
		seen(f, i, lan0, 10);
	assert_true(fdb_count(f) >= 64);
	assert_true(fdb_counters(f)->refused_full > 0);
	fdb_flush(f, lan0);
	assert_int_equal(fdb_count(f), 0);
	sweep(f, 10);
	for (unsigned i = 5000; i < 5060; i++)
		seen(f, i, lan1, 10);
	for (unsigned i = 5000; i < 5060; i++)
		assert_int_equal(where(f, i, SEG), lan1);
	fdb_destroy(f);
}

static void a_flush_forgets_one_place_only(void **)
{
	struct fdb *f = fdb_of(256, 100);

	for (unsigned i = 0; i < 20; i++)
		seen(f, i + 1, i % 2 ? peer3 : peer4, 10);
	fdb_flush(f, peer3);
	assert_int_equal(fdb_count(f), 10);
	assert_int_equal(fdb_session_macs(f, 3), 0);
	assert_int_equal(fdb_session_macs(f, 4), 10);
	fdb_destroy(f);
}

static void a_dump_in_pages_shows_each_entry_once(void **)
{
	struct fdb *f = fdb_of(512, 1000);
	bool found[300] = {false};
	uint32_t cursor = 0;
	unsigned total = 0;

	for (unsigned i = 0; i < 300; i++)
		seen(f, i, lan0, 10);
	do {
		struct fdb_entry page[7];
		unsigned n = fdb_dump(f, 15, &cursor, page, 7);

		for (unsigned i = 0; i < n; i++) {
			unsigned number = page[i].mac[4] << 8 | page[i].mac[5];

			assert_false(found[number]);
			found[number] = true;
			assert_int_equal(page[i].dst, lan0);
			assert_int_equal(page[i].domain, SEG);
			assert_int_equal(page[i].age_s, 5);
		}
		total += n;
	} while (cursor != 0);
	assert_int_equal(total, 300);
	fdb_destroy(f);
}

// ---------------------------------------------------------------- the table

static void a_place_is_not_given_away_while_a_worker_may_look_at_it(void **)
{
	struct fdb *f = fdb_of(8, 1000); // 16 places
	unsigned n = 0;

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 8; i++) {
			uint8_t mac[6];

			rig_mac(mac, 100 * round + i);
			n += fdb_static_add(f, mac, SEG, peer3) == 0;
		}
		for (unsigned i = 0; i < 8; i++) {
			uint8_t mac[6];

			rig_mac(mac, 100 * round + i);
			fdb_static_del(f, mac, SEG);
		}
		for (unsigned i = 0; i < 200; i++)
			fdb_run(f, 10); // the worker says nothing meanwhile
	}
	assert_int_equal(n, 16);
	sweep(f, 10);
	for (unsigned i = 0; i < 8; i++)
		seen(f, 1000 + i, lan0, 10);
	assert_int_equal(fdb_count(f), 8);
	fdb_destroy(f);
}

// Half of the addresses do not fit their own bucket here, and what they passed comes and goes.
static void a_crowded_table_says_what_a_list_says(void **)
{
	struct fdb *f = fdb_of(16, 1000);
	fdb_dst_t want[64] = {0};
	uint32_t x = 1;
	unsigned n = 0;

	for (unsigned i = 0; i < 30000; i++) {
		unsigned number = (x = x * 1664525u + 1013904223u) >> 26;
		fdb_dst_t dst = fdb_dst(FDB_PEER, x >> 20 & 7);
		uint8_t mac[6];

		rig_mac(mac, number);
		if (want[number] != 0 && (x >> 12 & 1) != 0) {
			assert_int_equal(fdb_static_del(f, mac, SEG), 0);
			want[number] = 0;
			n--;
		} else if (fdb_static_add(f, mac, SEG, dst) == 0) {
			n += want[number] == 0;
			want[number] = dst;
		} else {
			assert_int_equal(want[number], 0);
		}
		fdb_quiescent(f, 0);
		fdb_run(f, 10);
		for (unsigned k = 0; k < 64; k++)
			assert_int_equal(where(f, k, SEG), want[k]);
		assert_int_equal(fdb_count(f), n);
	}
	fdb_destroy(f);
}

// Who knew one gateway's secret could fill a bucket and those after it; another's has room for all.
static void addresses_that_crowd_one_table_spread_in_another(void **)
{
	enum { CROWD = 4 * FDB_PROBE_MAX + 50 };
	struct fdb_table known, other;
	uint64_t crowd[CROWD];
	unsigned n = 0, fit = 0;

	assert_int_equal(fdb_table_create(&known, 2048,
				 (uint64_t[]){0x5c1f0e3b9a7d2468, 0xb7e151628aed2a6b}),
		0);
	assert_int_equal(fdb_table_create(&other, 2048,
				 (uint64_t[]){0x243f6a8885a308d3, 0x9216d5d98979fb1b}),
		0);
	for (uint32_t i = 0; n < CROWD; i++) {
		uint64_t key = key_of(i, SEG);

		if (fdb_table_home(&known, key) == known.bucket)
			crowd[n++] = key;
	}
	for (unsigned i = 0; i < CROWD; i++) {
		fit += fdb_table_add(&known, crowd[i], lan0, 0) != NULL;
		assert_non_null(fdb_table_add(&other, crowd[i], lan0, 0));
	}
	assert_int_equal(fit, 4 * FDB_PROBE_MAX);
	for (unsigned i = 0; i < CROWD; i++) {
		assert_int_equal(fdb_table_find(&known, crowd[i]) != NULL, i < fit);
		assert_non_null(fdb_table_find(&other, crowd[i]));
	}
	fdb_table_destroy(&known);
	fdb_table_destroy(&other);
}

// Whatever the secret, addresses as vendors and hypervisors give them out all find room.
static void addresses_in_a_row_find_room_under_every_secret(void **)
{
	uint64_t x = 1;

	for (unsigned trial = 0; trial < 4000; trial++) {
		uint64_t secret[2] = {0};
		struct fdb_table t;

		for (unsigned i = 0; i < 4; i++) {
			x = x * 6364136223846793005u + 1442695040888963407u;
			secret[i / 2] = secret[i / 2] << 32 | x >> 32;
		}
		assert_int_equal(fdb_table_create(&t, 1024, secret), 0);
		for (uint32_t i = 0; i < 1024; i++)
			assert_non_null(fdb_table_add(&t, key_of(i << 8 * (trial & 1), SEG), 1, 0));
		fdb_table_destroy(&t);
	}
}

#define STABLE 100
#define COMING 400

static fdb_dst_t place_of(uint32_t number)
{
	return fdb_dst(FDB_PEER, number & 7);
}

struct reader {
	struct fdb *f;
	unsigned id;
	_Atomic bool *done;
	unsigned wrong, lost;
	_Atomic uint64_t found;
};

static void *read_all(void *arg)
{
	struct reader *r = arg;
	fdb_key_t keys[STABLE + COMING];
	fdb_dst_t dst[STABLE + COMING];

	for (unsigned i = 0; i < STABLE + COMING; i++)
		keys[i] = key_of(i, SEG);
	while (!atomic_load(r->done)) {
		fdb_fetch_batch(r->f, keys, STABLE + COMING);
		fdb_lookup_batch(r->f, keys, STABLE + COMING, dst);
		for (unsigned i = 0; i < STABLE + COMING; i++) {
			r->wrong += dst[i] != 0 && dst[i] != place_of(i);
			r->lost += i < STABLE && dst[i] == 0;
			r->found += i >= STABLE && dst[i] != 0;
		}
		fdb_quiescent(r->f, r->id);
	}
	fdb_reader_offline(r->f, r->id);
	return NULL;
}

static void readers_see_no_other_place_while_addresses_come_and_go(void **)
{
	struct fdb *f = fdb_for(512, 1000, 2);
	_Atomic bool done = false;
	struct reader r[2];
	pthread_t thread[2];
	uint32_t x = 1;

	for (unsigned i = 0; i < STABLE; i++) {
		uint8_t mac[6];

		rig_mac(mac, i);
		assert_int_equal(fdb_static_add(f, mac, SEG, place_of(i)), 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		r[i] = (struct reader){.f = f, .id = i, .done = &done};
		assert_int_equal(pthread_create(&thread[i], NULL, read_all, &r[i]), 0);
	}
	// Until both readers had their turn: on a busy machine that is much later.
	for (unsigned i = 0; i < 300000 || r[0].found == 0 || r[1].found == 0; i++) {
		uint32_t number = STABLE + ((x = x * 1664525u + 1013904223u) >> 8) % COMING;
		uint8_t mac[6];

		rig_mac(mac, number);
		if (fdb_static_del(f, mac, SEG) != 0)
			fdb_static_add(f, mac, SEG, place_of(number));
		if (i % 8 == 0)
			fdb_run(f, 10);
	}
	atomic_store(&done, true);
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(r[i].wrong, 0);
		assert_int_equal(r[i].lost, 0);
		assert_true(r[i].found > 0);
	}
	fdb_destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_known_at_first_nor_in_another_segment),
		cmocka_unit_test(a_place_that_cannot_be_is_not_learned),
		cmocka_unit_test(
			a_peer_at_its_quota_learns_nothing_more_and_takes_nothing_from_others),
		cmocka_unit_test(a_peer_cannot_take_an_address_in_use_but_the_lan_can),
		cmocka_unit_test(a_static_entry_neither_moves_nor_ages_nor_counts),
		cmocka_unit_test(entries_age_unless_refreshed),
		cmocka_unit_test(a_full_table_refuses_and_recovers),
		cmocka_unit_test(a_flush_forgets_one_place_only),
		cmocka_unit_test(a_dump_in_pages_shows_each_entry_once),
		cmocka_unit_test(a_place_is_not_given_away_while_a_worker_may_look_at_it),
		cmocka_unit_test(a_crowded_table_says_what_a_list_says),
		cmocka_unit_test(addresses_that_crowd_one_table_spread_in_another),
		cmocka_unit_test(addresses_in_a_row_find_room_under_every_secret),
		cmocka_unit_test(readers_see_no_other_place_while_addresses_come_and_go),
	};

	rig_init(1023, 2048);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
