// SPDX-License-Identifier: BSD-3-Clause
// Stand-ins for X25519 and Ed25519 in the coverage-guided programs, a hundred times as fast. The
// linker puts them in the place of libsodium's (--wrap); parsers, transcripts, key schedule, seals
// and macs stay what they are, and replay_NAME runs every kept input with the real ones.
//
// They have the properties that the code relies on and no secrecy: both sides of an agreement reach
// the same secret, a low-order key is refused, a signature holds for one message and one key.
#include <sodium.h>
#include <string.h>

int __wrap_crypto_scalarmult_base(uint8_t pk[32], const uint8_t sk[32]);
int __wrap_crypto_scalarmult(uint8_t q[32], const uint8_t sk[32], const uint8_t pk[32]);
int __wrap_crypto_kx_client_session_keys(uint8_t rx[32], uint8_t tx[32], const uint8_t pk[32],
	const uint8_t sk[32], const uint8_t server_pk[32]);
int __wrap_crypto_kx_server_session_keys(uint8_t rx[32], uint8_t tx[32], const uint8_t pk[32],
	const uint8_t sk[32], const uint8_t client_pk[32]);
int __wrap_crypto_sign_detached(uint8_t sig[64], unsigned long long *ret_len, const uint8_t *m,
	unsigned long long len, const uint8_t sk[64]);
int __wrap_crypto_sign_verify_detached(
	const uint8_t sig[64], const uint8_t *m, unsigned long long len, const uint8_t pk[32]);

// Public key: the secret with each byte's bits turned over. So a secret xor another's public key
// is the same on both sides.
int __wrap_crypto_scalarmult_base(uint8_t pk[32], const uint8_t sk[32])
{
	for (unsigned i = 0; i < 32; i++)
		pk[i] = (uint8_t)~sk[i];
	return 0;
}

// 0 and 1 stand for the points of low order.
int __wrap_crypto_scalarmult(uint8_t q[32], const uint8_t sk[32], const uint8_t pk[32])
{
	if (pk[0] <= 1 && sodium_is_zero(pk + 1, 31))
		return -1;
	for (unsigned i = 0; i < 32; i++)
		q[i] = sk[i] ^ pk[i];
	return 0;
}

// libsodium's own construction over the other group.
static int session_keys(uint8_t first[32], uint8_t second[32], const uint8_t sk[32],
	const uint8_t peer_pk[32], const uint8_t client_pk[32], const uint8_t server_pk[32])
{
	crypto_generichash_state st;
	uint8_t out[64];
	uint8_t q[32];

	if (__wrap_crypto_scalarmult(q, sk, peer_pk) != 0)
		return -1;
	crypto_generichash_init(&st, NULL, 0, sizeof(out));
	crypto_generichash_update(&st, q, sizeof(q));
	crypto_generichash_update(&st, client_pk, 32);
	crypto_generichash_update(&st, server_pk, 32);
	crypto_generichash_final(&st, out, sizeof(out));
	memcpy(first, out, 32);
	memcpy(second, out + 32, 32);
	return 0;
}

int __wrap_crypto_kx_client_session_keys(uint8_t rx[32], uint8_t tx[32], const uint8_t pk[32],
	const uint8_t sk[32], const uint8_t server_pk[32])
{
	return session_keys(rx, tx, sk, server_pk, pk, server_pk);
}

int __wrap_crypto_kx_server_session_keys(uint8_t rx[32], uint8_t tx[32], const uint8_t pk[32],
	const uint8_t sk[32], const uint8_t client_pk[32])
{
	return session_keys(tx, rx, sk, client_pk, client_pk, pk);
}

// A hash under the public key, which libsodium keeps behind the seed.
int __wrap_crypto_sign_detached(uint8_t sig[64], unsigned long long *ret_len, const uint8_t *m,
	unsigned long long len, const uint8_t sk[64])
{
	crypto_generichash(sig, 64, m, len, sk + 32, 32);
	if (ret_len != NULL)
		*ret_len = 64;
	return 0;
}

// Compared by a function that libFuzzer does not see into, or it would learn to sign.
int __wrap_crypto_sign_verify_detached(
	const uint8_t sig[64], const uint8_t *m, unsigned long long len, const uint8_t pk[32])
{
	uint8_t right[64];

	crypto_generichash(right, sizeof(right), m, len, pk, 32);
	return sodium_memcmp(sig, right, sizeof(right));
}
