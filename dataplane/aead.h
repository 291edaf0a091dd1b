// SPDX-License-Identifier: BSD-3-Clause
//
// Both data ciphers, by ipsec-mb: AES-256-GCM and ChaCha20-Poly1305, 12-byte nonce, 16-byte tag.
//
// The library compares no tags; aead_open() does, in constant time, before anyone may look
// at a byte of plaintext. A struct aead belongs to one thread; keys may be read by one thread only,
// the lane's owner. Floor 2, no logs.
#pragma once

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_prefetch.h>

#define AEAD_KEY_BYTES   32
#define AEAD_NONCE_BYTES 12
#define AEAD_TAG_BYTES   16

enum aead_arch { // of ipsec-mb's code, not of the CPU
	AEAD_ARCH_AUTO = 0,
	AEAD_ARCH_SSE,
	AEAD_ARCH_AVX,
	AEAD_ARCH_AVX2,
	AEAD_ARCH_AVX512,
};

struct aead; // one per worker

// An expanded key. struct gcm_key_data is 1008 bytes and wants 64-byte alignment that its own
// declaration gives only under a macro applications do not define; hence bytes of our own.
struct aead_key {
	alignas(64) uint8_t bytes[1024];
};

// A hint for the caches: a packet of so many bytes will be sealed or opened. Round keys are at the
// beginning; of the hash key's powers, the first at the very end, one is read for each 16 bytes.
static inline void aead_key_fetch(const struct aead_key *key, unsigned bytes)
{
	unsigned powers = 16 * (bytes / 16 + 4);
	unsigned at = 0;

	for (; at < 256; at += 64)
		rte_prefetch0(key->bytes + at);
	if (powers < sizeof(key->bytes) - 256)
		at = (sizeof(key->bytes) - powers) / 64 * 64;
	for (; at < sizeof(key->bytes); at += 64)
		rte_prefetch0(key->bytes + at);
}

// One packet to seal or open. `src` may be `data` itself or lie elsewhere without overlapping it:
// the cipher is then the copy, at no extra cost. What goes over the wire has 16 bytes of associated
// data directly before it and the tag directly behind: `data` when sealing, `src` when opening.
struct aead_op {
	const struct aead_key *key;
	uint8_t *data;
	const uint8_t *src;
	uint32_t bytes; // of plaintext or ciphertext, without the tag
	// The first AEAD_NONCE_BYTES count. Best written by one store of 16 bytes, as the
	// associated data is: the library reads both at once, and a load over two stores still
	// under way waits for all that was stored before them.
	alignas(16) uint8_t nonce[16];
};

// Make the ciphers ready on one architecture and run the known answers on exactly the calls used.
//
// errors: -ENOTSUP the CPU or the library cannot do `arch`, or the library is built without
// SAFE_DATA or SAFE_PARAM; -EBADMSG a known answer came out wrong; -ENOMEM.
int aead_create(enum aead_arch arch, struct aead **ret_aead);
void aead_destroy(struct aead *a);
enum aead_arch aead_arch(const struct aead *a);
const char *aead_arch_name(enum aead_arch arch);
// Whether the CPU has AES and carry-less multiplication in hardware: what caps bit 0 announces.
bool aead_aes_in_hardware(void);

// Expand a raw key for `cipher` (CIPHER_* of wire/cmd.h); the caller wipes the raw bytes.
// errors: -EINVAL unknown cipher.
int aead_key_install(
	struct aead *a, uint8_t cipher, const uint8_t raw[AEAD_KEY_BYTES], struct aead_key *key);
void aead_key_wipe(struct aead_key *key);

// Seal one packet of a burst. Returns false when the library refused, and then it must not be sent.
//
// One at a time, right after its plaintext was put together: what was copied is still in the
// nearest cache (a packet of 1430 bytes costs 247 cycles with the copy and 234 without; 310 when
// eight are copied before the first is sealed).
bool aead_seal(struct aead *a, uint8_t cipher, const struct aead_op *o);
// Open one packet. Returns whether it is authentic; the plaintext of one that is not is noise and
// must not be used.
bool aead_open(struct aead *a, uint8_t cipher, const struct aead_op *o);
// Ends a burst of all peers' packets: wipes what the last one left behind, key stream among it.
void aead_forget(struct aead *a);
