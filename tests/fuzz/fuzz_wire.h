// SPDX-License-Identifier: BSD-3-Clause
// A pair with fixed keys on both sides, so that a target can wrap its input as the peer itself
// would and so reach what lies behind macs and seals.
#pragma once

#include <sodium.h>
#include <string.h>

#include "controlplane/common/handshake.h"
#include "controlplane/common/pair.h"
#include "tests/fuzz/fuzz.h"

#define FUZZ_NOW 1767225600ull

struct fuzz_pair {
	struct pair client;
	struct pair server;
	uint8_t pk[32]; // one identity for both
	uint8_t sk[64];
	struct hs_identity identity;
	struct hs_config client_cfg;
	struct hs_config server_cfg;
};

static inline int fuzz_sign(
	void *ctx, const char *label, const uint8_t *msg, size_t len, uint8_t sig[64])
{
	struct fuzz_pair *f = ctx;
	uint8_t m[128] = "postern/1 ";
	size_t n = 10;

	memcpy(m + n, label, strlen(label) + 1);
	n += strlen(label) + 1;
	memcpy(m + n, msg, len);
	return crypto_sign_detached(sig, NULL, m, n + len, f->sk);
}

// Touches every byte of what it is shown, as a real certificate parser might.
static inline int fuzz_check_cert(void *ctx, enum hs_field, const struct der_list *field,
	const char *, uint8_t ret_pk[32], uint64_t *ret_not_after_s)
{
	struct fuzz_pair *f = ctx;
	uint8_t sum = 0;

	fuzz_must(field->n >= 1 && field->n <= DER_LIST_MAX);
	for (unsigned i = 0; i < field->n; i++) {
		fuzz_must(field->cert[i].len >= 1);
		for (size_t k = 0; k < field->cert[i].len; k++)
			sum ^= field->cert[i].der[k];
	}
	memcpy(ret_pk, f->pk, 32);
	*ret_not_after_s = FUZZ_NOW + sum;
	return 0;
}

static inline struct fuzz_pair *fuzz_pair(void)
{
	static struct fuzz_pair f;
	static const uint8_t seed[32] = {1};
	static const uint8_t th0[32] = {2};

	if (f.client_cfg.pair != NULL)
		return &f;
	fuzz_must(sodium_init() >= 0);
	crypto_sign_seed_keypair(f.pk, f.sk, seed);
	pair_from_secret(&f.client, true, seed, th0);
	pair_from_secret(&f.server, false, seed, th0);
	f.identity =
		(struct hs_identity){.ctx = &f, .sign = fuzz_sign, .check_cert = fuzz_check_cert};
	f.client_cfg = (struct hs_config){
		.pair = &f.client,
		.identity = &f.identity,
		.peer_name = "hub.example",
		.own_field = f.pk,
		.own_field_len = sizeof(f.pk),
		.peer_field = HS_FIELD_CHAIN,
		.max_len = PKT_HS_TCP_MAX_LEN,
		.caps = PKT_CAP_CHACHA | PKT_CAP_AES,
	};
	f.server_cfg = f.client_cfg;
	f.server_cfg.pair = &f.server;
	return &f;
}
