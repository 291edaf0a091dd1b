// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/keysched.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

static const char domain[] = "postern/1 ";

// crypto_kx hashes p.n, client_pk, server_pk with BLAKE2b-512 and its halves are what the protocol
// calls s2c and c2s; the sizes below are those that the protocol fixes.
static_assert(crypto_kx_SESSIONKEYBYTES == 32, "crypto_kx");
static_assert(crypto_kdf_KEYBYTES == 32 && crypto_kdf_CONTEXTBYTES == 8, "crypto_kdf");

void keysched_hash(void *out, size_t out_len, const void *key, size_t key_len, const char *label,
	const struct keysched_part *parts, size_t n_parts)
{
	crypto_generichash_state st;

	crypto_generichash_init(&st, key, key_len, out_len);
	if (label != NULL) {
		crypto_generichash_update(&st, (const uint8_t *)domain, sizeof(domain) - 1);
		crypto_generichash_update(&st, (const uint8_t *)label, strlen(label) + 1);
	}
	for (size_t i = 0; i < n_parts; i++)
		crypto_generichash_update(&st, parts[i].p, parts[i].len);
	crypto_generichash_final(&st, out, out_len);
	sodium_memzero(&st, sizeof(st));
}

int keysched_kx(bool client, const uint8_t sk[32], const uint8_t pk[32], const uint8_t peer_pk[32],
	uint8_t s2c[32], uint8_t c2s[32])
{
	int r = client ? crypto_kx_client_session_keys(s2c, c2s, pk, sk, peer_pk)
		       : crypto_kx_server_session_keys(c2s, s2c, pk, sk, peer_pk);

	if (r == 0)
		return 0;
	sodium_memzero(s2c, 32);
	sodium_memzero(c2s, 32);
	return -EKEYREJECTED;
}

void keysched_kdf(const uint8_t key[32], uint64_t id, const char *ctx, void *out, size_t n)
{
	assert(strlen(ctx) == crypto_kdf_CONTEXTBYTES);
	crypto_kdf_derive_from_key(out, n, id, ctx, key);
}

bool keysched_verify(
	const uint8_t pk[32], const char *label, const void *msg, size_t len, const uint8_t sig[64])
{
	uint8_t m[sizeof(domain) + KEYSCHED_LABEL_MAX + KEYSCHED_SIGNED_MAX];
	size_t label_len = strlen(label) + 1;
	size_t n = sizeof(domain) - 1;

	if (label_len > KEYSCHED_LABEL_MAX || len > KEYSCHED_SIGNED_MAX)
		return false;
	memcpy(m, domain, n);
	memcpy(m + n, label, label_len);
	n += label_len;
	memcpy(m + n, msg, len);
	n += len;
	return crypto_sign_verify_detached(sig, m, n, pk) == 0;
}

void keysched_from_ms(const uint8_t ms[32], struct keysched_traffic *ret)
{
	for (unsigned dir = 0; dir < 2; dir++) {
		for (unsigned plane = 0; plane < 2; plane++)
			keysched_kdf(ms, 1 + 2 * dir + plane, "PSTNtraf", ret->ts[dir][plane], 32);
	}
}

void keysched_lane(const uint8_t ts[32], uint8_t lane, struct keysched_lane *ret)
{
	uint8_t okm[64]; // key ‖ iv ‖ 20 spare bytes

	keysched_kdf(ts, lane, "PSTNlane", okm, sizeof(okm));
	memcpy(ret->key, okm, sizeof(ret->key));
	memcpy(ret->iv, okm + sizeof(ret->key), sizeof(ret->iv));
	sodium_memzero(okm, sizeof(okm));
}

void keysched_traffic_lane(
	const struct keysched_traffic *t, int dir, uint8_t lane, struct keysched_lane *ret)
{
	enum keysched_plane plane = lane == PKT_LANE_CONTROL ? KEYSCHED_CONTROL : KEYSCHED_DATA;

	keysched_lane(t->ts[dir][plane], lane, ret);
}

void keysched_wipe_traffic(struct keysched_traffic *t)
{
	sodium_memzero(t, sizeof(*t));
}

void keysched_wipe_plane(struct keysched_traffic *t, enum keysched_plane plane)
{
	sodium_memzero(t->ts[0][plane], 32);
	sodium_memzero(t->ts[1][plane], 32);
}

void keysched_wipe_lane(struct keysched_lane *l)
{
	sodium_memzero(l, sizeof(*l));
}
