// SPDX-License-Identifier: BSD-3-Clause
// Does anything of ours branch, or look up, by a secret? Two ways of asking.
//
// constant_time taint            under valgrind's memcheck: keys are marked undefined, so that each
//                                branch and index that depends on one is an error
// constant_time taint-control    the same with a comparison that stops at the first difference:
// must
//                                be caught
// constant_time timing N         N times, false macs against true ones, mixed; prints Welch's t of
//                                our comparisons and, as a control, of one that stops early
//
// The ciphers themselves are libsodium's and ipsec-mb's; the outcome of a comparison is public.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>
#include <valgrind/memcheck.h>
#include <x86intrin.h>

#include "controlplane/common/ctl_lane.h"
#include "controlplane/common/keysched.h"
#include "controlplane/common/pair.h"

#define NOW_S 1800000000u
#define LEN   112
#define LIMIT 4.5

static struct pair pair;

static bool early_exit(const uint8_t *a, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (*(const volatile uint8_t *)&a[i] != b[i])
			return false;
	}
	return true;
}

// ------------------------------------------------------------------ taint

static void secret(void *p, size_t n)
{
	(void)VALGRIND_MAKE_MEM_UNDEFINED(p, n);
}

static void publish(void *p, size_t n)
{
	(void)VALGRIND_MAKE_MEM_DEFINED(p, n);
}

static void pair_keys(void)
{
	uint8_t data[LEN], mac[16], tag[8], sealed[CANDIDATES_SEALED_LEN], rnd[24] = {1};
	struct candidates list = {.ts_us = 1, .n = 1};
	struct pair_filter_keys filter;
	bool ok;

	randombytes_buf(data, sizeof(data));
	secret(&pair.key, sizeof(pair.key));
	secret(&pair.tag_key, sizeof(pair.tag_key));
	secret(&pair.mac_key, sizeof(pair.mac_key));
	secret(&pair.seal_key, sizeof(pair.seal_key));
	pair_mac(&pair, PAIR_MAC_M1, data, sizeof(data), mac);
	ok = pair_mac_ok(&pair, PAIR_MAC_M1, data, sizeof(data), mac);
	publish(&ok, sizeof(ok));
	pair_tag(&pair, PAIR_C2S, pair_slot(NOW_S), tag);
	ok |= pair_tag_live(&pair, PAIR_C2S, NOW_S, tag);
	publish(&ok, sizeof(ok));
	pair_filter_keys(&pair, &filter);
	list.list[0] = (struct candidate){4, CANDIDATE_LOCAL, 7667, 1, {192, 0, 2, 1}};
	if (pair_seal_candidates(&pair, &list, rnd, sealed) < 0 || !ok)
		puts("the pair's own mac and tag are refused");
	publish(&pair, sizeof(pair));
}

static void traffic_keys(void)
{
	struct keysched_traffic traffic;
	struct keysched_lane lane;
	struct ctl_lane control;
	uint8_t ms[64], packet[256], payload[16] = {0};

	randombytes_buf(ms, sizeof(ms));
	secret(ms, sizeof(ms));
	keysched_from_ms(ms, &traffic);
	keysched_traffic_lane(&traffic, 0, 1, &lane);
	ctl_lane_init(&control, &traffic, true, 0x101, 0x102, sizeof(packet));
	ctl_lane_seal(&control, PKT_KIND_CANDIDATES, payload, sizeof(payload), packet);
	keysched_wipe_traffic(&traffic);
	keysched_wipe_lane(&lane);
}

static int taint(bool control)
{
	uint8_t a[16] = {1}, b[16] = {1};
	bool ok;

	pair_keys();
	traffic_keys();
	if (control) {
		secret(a, sizeof(a));
		ok = early_exit(a, b, sizeof(a));
		publish(&ok, sizeof(ok));
		printf("%d\n", ok);
	}
	return 0;
}

// ------------------------------------------------------------------ timing

struct sample { // Welford's running mean and variance
	double n, mean, m2;
};

static void add(struct sample *s, double x)
{
	double d = x - s->mean;

	s->n++;
	s->mean += d / s->n;
	s->m2 += d * (x - s->mean);
}

static double welch(const struct sample *a, const struct sample *b)
{
	double va = a->m2 / (a->n - 1) / a->n, vb = b->m2 / (b->n - 1) / b->n;

	return (a->mean - b->mean) / sqrt(va + vb);
}

enum compared { MAC_OK, TAG_OF_AEAD, STOPS_EARLY, COMPARED };

static uint64_t cycles_of(
	enum compared what, const uint8_t *data, const uint8_t *mac, const uint8_t *want)
{
	unsigned aux;
	uint64_t from;
	volatile bool ok;

	_mm_lfence();
	from = __rdtsc();
	if (what == MAC_OK)
		ok = pair_mac_ok(&pair, PAIR_MAC_M1, data, LEN, mac);
	else if (what == TAG_OF_AEAD)
		ok = crypto_verify_16(mac, want) == 0;
	else
		ok = early_exit(mac, want, 16);
	(void)ok;
	return __rdtscp(&aux) - from;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

// Times above this belong to interrupts and neighbours.
static uint64_t crop_at(enum compared what, const uint8_t *data, const uint8_t *want)
{
	static uint64_t t[2001];

	for (unsigned i = 0; i < 2001; i++)
		t[i] = cycles_of(what, data, want, want);
	qsort(t, 2001, sizeof(t[0]), by_size);
	return t[1900];
}

// First class: wrong in the first byte; second: right but for the last.
static double t_of(enum compared what, uint64_t n)
{
	struct sample class[2] = {0};
	uint8_t data[LEN], want[16], mac[2][16];
	uint64_t crop;

	randombytes_buf(data, sizeof(data));
	pair_mac(&pair, PAIR_MAC_M1, data, sizeof(data), want);
	for (unsigned i = 0; i < 2; i++) {
		memcpy(mac[i], want, 16);
		mac[i][i == 0 ? 0 : 15] ^= 0x40;
	}
	crop = crop_at(what, data, want);
	for (uint64_t i = 0; i < n; i++) {
		unsigned which = randombytes_random() & 1;
		uint8_t given[16];
		uint64_t t;

		memcpy(given, mac[which], 16);
		t = cycles_of(what, data, given, want);
		if (t <= crop)
			add(&class[which], (double)t);
	}
	return fabs(welch(&class[0], &class[1]));
}

static int timing(uint64_t n)
{
	double t[COMPARED];

	for (enum compared what = 0; what < COMPARED; what++)
		t[what] = t_of(what, n);
	printf("|t| of %llu: mac of a handshake %.2f, tag of the AEAD %.2f, control that stops "
	       "early %.0f\n",
		(unsigned long long)n, t[MAC_OK], t[TAG_OF_AEAD], t[STOPS_EARLY]);
	return t[MAC_OK] < LIMIT && t[TAG_OF_AEAD] < LIMIT && t[STOPS_EARLY] > LIMIT ? 0 : 1;
}

int main(int argc, char **argv)
{
	uint8_t key[32], th0[32];

	if (argc < 2 || sodium_init() < 0)
		return 2;
	randombytes_buf(key, sizeof(key));
	randombytes_buf(th0, sizeof(th0));
	pair_from_secret(&pair, true, key, th0);
	if (strcmp(argv[1], "timing") == 0)
		return timing(argc > 2 ? strtoull(argv[2], NULL, 10) : 100000);
	return taint(strcmp(argv[1], "taint-control") == 0);
}
