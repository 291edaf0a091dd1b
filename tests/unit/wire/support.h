// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of this folder share: hex, vector files, and two gateways that want each other.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "controlplane/common/handshake.h"
#include "controlplane/common/pair.h"
#include "wire/intent.h"
#include "wire/packet.h"

#ifndef TEST_ROOT
#define TEST_ROOT "."
#endif

#define assert_bytes(a, b, n) assert_memory_equal(a, b, n)

// ---- vector files: lines of "name (length) hex", '#' comments

struct vector {
	char name[48];
	uint8_t *bytes;
	size_t len;
};

struct vectors {
	struct vector v[128];
	size_t n;
};

static inline void vectors_load(struct vectors *ret, const char *path)
{
	char full[512];
	static char line[160 * 1024];
	FILE *f;

	ret->n = 0;
	snprintf(full, sizeof(full), "%s/%s", TEST_ROOT, path);
	f = fopen(full, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		struct vector *v = &ret->v[ret->n];
		size_t len;
		int hex;

		if (line[0] == '#' || line[0] == '\n')
			continue;
		assert_true(ret->n < sizeof(ret->v) / sizeof(ret->v[0]));
		assert_int_equal(sscanf(line, "%47s (%zu) %n", v->name, &len, &hex), 2);
		v->bytes = malloc(len + 1);
		assert_int_equal(sodium_hex2bin(v->bytes, len + 1, line + hex, strlen(line + hex),
					 "\n", &v->len, NULL),
			0);
		assert_int_equal(v->len, len);
		ret->n++;
	}
	fclose(f);
}

static inline const struct vector *vectors_get(const struct vectors *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->v[i].name, name) == 0)
			return &s->v[i];
	}
	fail_msg("no vector named %s", name);
	return NULL;
}

static inline void assert_vector(
	const struct vectors *s, const char *name, const void *got, size_t len)
{
	const struct vector *v = vectors_get(s, name);

	if (v->len != len || memcmp(v->bytes, got, len) != 0)
		fail_msg("%s differs from the vector", name);
}

static inline void vectors_free(struct vectors *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i].bytes);
	s->n = 0;
}

// The reference's deterministic "randomness": BLAKE2b("vector " + name).
static inline void seed(const char *name, uint8_t out[32])
{
	char m[64];
	int n = snprintf(m, sizeof(m), "vector %s", name);

	crypto_generichash(out, 32, (const uint8_t *)m, (size_t)n, NULL, 0);
}

// ---- two gateways

struct gateway {
	const char *name;
	uint8_t pk[32];
	uint8_t sk[64];
	uint8_t cert[448]; // stand-in of a real leaf's size: "CERT-A:" ‖ public key ‖ zeros
	uint8_t cert_hash[32];
	uint8_t ipk_sk[32];
	uint8_t ipk[32];
	uint32_t caps;
	uint8_t intent[INTENT_MAX_LEN];
	size_t intent_len;
	// What the identity callbacks look at and tell.
	const struct gateway *trusts; // its certificate is accepted
	bool signer_fails;
	unsigned n_signed;
	unsigned n_checked;
	char label[16];
	uint8_t signed_msg[32];
	const char *asked_name;
	struct pair pair;
	struct hs_identity identity;
	struct hs_config cfg;
};

#define TEST_NOW 1767225600ull // of the reference's vectors

struct two {
	uint8_t net_id[16];
	struct gateway a; // client: the smaller name
	struct gateway b;
};

static inline void sign_as(
	const struct gateway *g, const char *label, const void *msg, size_t len, uint8_t sig[64])
{
	uint8_t m[2048] = "postern/1 ";
	size_t n = 10;

	memcpy(m + n, label, strlen(label) + 1);
	n += strlen(label) + 1;
	assert_true(n + len <= sizeof(m));
	memcpy(m + n, msg, len);
	crypto_sign_detached(sig, NULL, m, n + len, g->sk);
}

static inline int test_sign(
	void *ctx, const char *label, const uint8_t *msg, size_t len, uint8_t sig[64])
{
	struct gateway *g = ctx;

	g->n_signed++;
	if (g->signer_fails)
		return -1;
	assert_int_equal(len, 32);
	memcpy(g->signed_msg, msg, 32);
	snprintf(g->label, sizeof(g->label), "%s", label);
	sign_as(g, label, msg, len, sig);
	return 0;
}

static inline int test_check_cert(void *ctx, enum hs_field kind, const struct der_list *field,
	const char *name, uint8_t ret_pk[32], uint64_t *ret_not_after_s)
{
	struct gateway *g = ctx;

	g->n_checked++;
	g->asked_name = name;
	if (kind == HS_FIELD_KEY) {
		memcpy(ret_pk, field->cert[0].der, 32);
		*ret_not_after_s = UINT64_MAX;
		return 0;
	}
	if (field->cert[0].len != sizeof(g->trusts->cert) ||
		memcmp(field->cert[0].der, g->trusts->cert, sizeof(g->trusts->cert)) != 0)
		return -1;
	memcpy(ret_pk, g->trusts->pk, 32);
	*ret_not_after_s = TEST_NOW + 90 * 86400;
	return 0;
}

static inline void gateway_init(struct gateway *g, char which, const char *name, uint32_t caps)
{
	uint8_t s[32];
	char id[8];

	*g = (struct gateway){.name = name, .caps = caps};
	snprintf(id, sizeof(id), "id%c", which);
	seed(id, s);
	crypto_sign_seed_keypair(g->pk, g->sk, s);
	snprintf((char *)g->cert, sizeof(g->cert), "CERT-%c:", which);
	memcpy(g->cert + 7, g->pk, 32);
	pair_hash(g->cert_hash, g->cert, sizeof(g->cert));
	snprintf(id, sizeof(id), "i%c", which == 'A' ? 'a' : 'b');
	seed(id, g->ipk_sk);
	crypto_scalarmult_base(g->ipk, g->ipk_sk);
}

static inline void gateway_intent(
	struct gateway *g, const struct gateway *to, const uint8_t net_id[16], uint64_t serial)
{
	struct intent i = {
		.net_id = net_id,
		.ipk = g->ipk,
		.cert_hash = g->cert_hash,
		.from = g->name,
		.to = to->name,
		.from_len = (uint16_t)strlen(g->name),
		.to_len = (uint16_t)strlen(to->name),
		.caps = g->caps,
		.serial = serial,
		.not_before = TEST_NOW,
		.not_after = TEST_NOW + 86400,
	};
	size_t n = intent_build(&i, g->intent, sizeof(g->intent));

	assert_true(n > 0);
	sign_as(g, "intent", g->intent, n, g->intent + n);
	g->intent_len = n + INTENT_SIG_LEN;
}

static inline void gateway_config(struct gateway *g, const struct gateway *peer)
{
	g->trusts = peer;
	g->identity =
		(struct hs_identity){.ctx = g, .sign = test_sign, .check_cert = test_check_cert};
	g->cfg = (struct hs_config){
		.pair = &g->pair,
		.identity = &g->identity,
		.peer_name = peer->name,
		.expect_key = peer->pk,
		.own_field = g->cert,
		.own_field_len = sizeof(g->cert),
		.peer_field = HS_FIELD_LEAF,
		.max_len = PKT_HS_MAX_LEN,
		.caps = g->caps,
		.rl = 7,
	};
	memcpy(g->cfg.hedge, g->sk, sizeof(g->cfg.hedge));
}

// The gateways, names and intents of the reference's vectors.
static inline void two_init(struct two *t)
{
	uint8_t root[32];

	seed("root", root);
	pair_net_id(t->net_id, root, "example-corp", 12);
	gateway_init(&t->a, 'A', "site-a.example-corp", PKT_CAP_AES | PKT_CAP_CHACHA);
	gateway_init(&t->b, 'B', "site-b.example-corp", PKT_CAP_CHACHA);
	gateway_intent(&t->a, &t->b, t->net_id, TEST_NOW * 1000000);
	gateway_intent(&t->b, &t->a, t->net_id, TEST_NOW * 1000000 + 5);
	assert_int_equal(pair_from_intents(&t->a.pair, t->a.intent, t->a.intent_len, t->b.intent,
				 t->b.intent_len, t->a.ipk_sk, NULL),
		0);
	assert_int_equal(pair_from_intents(&t->b.pair, t->b.intent, t->b.intent_len, t->a.intent,
				 t->a.intent_len, t->b.ipk_sk, NULL),
		0);
	gateway_config(&t->a, &t->b);
	gateway_config(&t->b, &t->a);
}

// One whole handshake with fixed values; every message and both results are kept.
struct run {
	struct hs_client client;
	struct hs_server server;
	struct pkt_m1 m1;
	uint8_t m2[PKT_HS_TCP_MAX_LEN];
	uint8_t m3[PKT_HS_TCP_MAX_LEN];
	size_t m2_len;
	size_t m3_len;
	struct hs_result rc;
	struct hs_result rs;
};

#define TEST_KEY_ID_C 0x11223344u
#define TEST_KEY_ID_S 0x55667788u
#define TEST_TS       (TEST_NOW * 1000000 + 9)

static const uint8_t test_rnd[64] = {1, 2, 3};

static inline void run_to_m1(struct run *r, struct two *t)
{
	hs_client_start(&r->client, &t->a.cfg, TEST_KEY_ID_C, TEST_TS, TEST_NOW, test_rnd, &r->m1);
}

static inline void run_to_m2(struct run *r, struct two *t)
{
	run_to_m1(r, t);
	assert_int_equal(hs_server_m1(&r->server, &t->b.cfg, &r->m1, sizeof(r->m1), TEST_KEY_ID_S,
				 TEST_NOW, test_rnd, r->m2, &r->m2_len),
		HS_OK);
}

static inline void run_to_m3(struct run *r, struct two *t)
{
	run_to_m2(r, t);
	assert_int_equal(
		hs_client_m2(&r->client, r->m2, r->m2_len, TEST_NOW, r->m3, &r->m3_len, &r->rc),
		HS_OK);
}

static inline void run_to_end(struct run *r, struct two *t)
{
	run_to_m3(r, t);
	assert_int_equal(hs_server_m3(&r->server, r->m3, r->m3_len, TEST_NOW, &r->rs), HS_OK);
}
