// SPDX-License-Identifier: BSD-3-Clause
//
// From the handshake's secret to lane keys, and the few hash forms all of the protocol is made of.
//
// Pure, any thread; the caller wipes what it is given. Floor 2. PROTOCOL.md §2, §5.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/packet.h"

#define KEYSCHED_SIGNED_MAX 1024 // the signer signs nothing longer
#define KEYSCHED_LABEL_MAX  32

enum keysched_plane { KEYSCHED_CONTROL = 0, KEYSCHED_DATA = 1 };

// Traffic secrets of one epoch: ts[dir][plane], dir as enum pair_dir (0 s2c, 1 c2s).
struct keysched_traffic {
	uint8_t ts[2][2][32];
};

struct keysched_lane {
	uint8_t key[PKT_KEY_LEN];
	uint8_t iv[PKT_NONCE_LEN];
};

// Key and iv of lane n, from ts[dir][KEYSCHED_CONTROL] for n = 0 and ts[dir][KEYSCHED_DATA]
// for 1..255.
void keysched_lane(const uint8_t ts[32], uint8_t lane, struct keysched_lane *ret);

// Convenience over keysched_lane(): picks the plane by the lane number.
void keysched_traffic_lane(
	const struct keysched_traffic *t, int dir, uint8_t lane, struct keysched_lane *ret);

void keysched_wipe_traffic(struct keysched_traffic *t);
void keysched_wipe_plane(struct keysched_traffic *t, enum keysched_plane plane); // both directions
void keysched_wipe_lane(struct keysched_lane *l);

// ---- building blocks, shared by pair.c and handshake.c

struct keysched_part {
	const void *p;
	size_t len;
};

// BLAKE2b of the parts in a row; out_len 16, 32 or 64; key may be NULL, else key_len 16..64.
// label: "hs" gives L("hs") = "postern/1 hs\0" in front; NULL gives nothing.
void keysched_hash(void *out, size_t out_len, const void *key, size_t key_len, const char *label,
	const struct keysched_part *parts, size_t n_parts);

// KX = crypto_kx: the two 32-byte halves (s2c, c2s). 0, or -EKEYREJECTED when the peer's key is of
// low order (both outputs zeroed).
int keysched_kx(bool client, const uint8_t sk[32], const uint8_t pk[32], const uint8_t peer_pk[32],
	uint8_t s2c[32], uint8_t c2s[32]);

// KDF(key, id, ctx, n) = crypto_kdf_derive_from_key; ctx exactly 8 characters, n 16..64
void keysched_kdf(const uint8_t key[32], uint64_t id, const char *ctx, void *out, size_t n);

// Does sig = Ed25519(L(label) ‖ msg) hold under pk? The counterpart of the signer's SIGN request.
// False as well for msg longer than KEYSCHED_SIGNED_MAX. libsodium refuses non-canonical S and weak
// keys.
bool keysched_verify(const uint8_t pk[32], const char *label, const void *msg, size_t len,
	const uint8_t sig[64]);

// ms → traffic secrets; ms: first 32 bytes are the key.
void keysched_from_ms(const uint8_t ms[32], struct keysched_traffic *ret);
