// SPDX-License-Identifier: BSD-3-Clause
//
// What the two handshake tests share. Included behind handshake.c, whose statics they use.
#pragma once

#include "tests/unit/wire/support.h"

static struct two t;
static struct run r;

static inline int fresh(void **)
{
	memset(&r, 0, sizeof(r));
	two_init(&t);
	return 0;
}

static inline void mac_m1(struct pkt_m1 *m1)
{
	pair_mac(&t.a.pair, PAIR_MAC_M1, m1, PKT_M1_MAC1_OFF, m1->mac1);
}

static inline void mac_end(enum pair_mac which, uint8_t *m, size_t len)
{
	pair_mac(&t.a.pair, which, m, len - PKT_MAC_LEN, m + len - PKT_MAC_LEN);
}

static inline enum hs_status try_m1(const void *m, size_t len)
{
	struct hs_server s;
	uint8_t m2[PKT_HS_MAX_LEN];
	size_t n;

	return hs_server_m1(&s, &t.b.cfg, m, len, TEST_KEY_ID_S, TEST_NOW, test_rnd, m2, &n);
}

static inline enum hs_status try_m2(const void *m, size_t len)
{
	struct hs_client c = r.client;
	struct hs_result res;
	uint8_t m3[PKT_HS_MAX_LEN];
	size_t n;

	return hs_client_m2(&c, m, len, TEST_NOW, m3, &n, &res);
}

static inline enum hs_status try_m3(const void *m, size_t len)
{
	struct hs_server s = r.server;
	struct hs_result res;

	return hs_server_m3(&s, m, len, TEST_NOW, &res);
}

// Every bit of every byte, every shorter length, one byte more. Returns how many were tried.
#define TEST(f) cmocka_unit_test_setup(f, fresh)
