// SPDX-License-Identifier: BSD-3-Clause
// Encrypted files that hold one Ed25519 private key each.
//
// A gateway's and a hub's identity live in such a file, and so do the authority's root and issuing
// keys. What unlocks a file is a passphrase (stretched with Argon2id) or a 32-byte key, for
// instance a systemd credential. identity_open and identity_generate run inside postern-signer for
// identities; the hub calls them directly for its authority.
//
// Layout of a key file, 144 bytes, integers little-endian, bytes 0..95 authenticated as they stand:
//
//	 0 magic[8] "PSTNKEY\0"    8 u16 version = 1   10 u8 kdf (1 Argon2id, 2 key)   11 u8 use
//	12 u32 Argon2id passes    16 u64 Argon2id memory in bytes (both 0 for kdf 2)
//	24 salt[16]   40 nonce[24]   64 Ed25519 public key[32]
//	96 XChaCha20-Poly1305{seed[32]} ‖ tag[16]
//
//	stretched = Argon2id13(passphrase, salt) or the 32-byte key
//	file key  = BLAKE2b-256(key = stretched; "postern/1 keyfile\0" ‖ bytes 0..39)
//
// Thread safe: no state. Floor 3 (files). Secrets are wiped before each return.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "controlplane/common/atomic_file.h"

#define IDENTITY_SEED_BYTES       32u
#define IDENTITY_PUBLIC_BYTES     32u
#define IDENTITY_FILE_BYTES       144u
#define IDENTITY_PASSPHRASE_MIN   8u
#define IDENTITY_PASSPHRASE_MAX   1024u
#define IDENTITY_ARGON_PASSES     3u
#define IDENTITY_ARGON_BYTES      (64u << 20) // the memory-constrained choice of RFC 9106 §4
#define IDENTITY_ARGON_PASSES_MAX 16u         // a forged header must not buy minutes of work
#define IDENTITY_ARGON_BYTES_MAX  (1u << 30)

// What a key may be used for; a file of one use does not open as another.
enum identity_use {
	IDENTITY_USE_NODE = 1,    // a gateway's or a hub's own key
	IDENTITY_USE_ROOT = 2,    // the authority's root
	IDENTITY_USE_ISSUING = 3, // the authority's issuing key
};

// Why a key is not to be had. Each has its own sentence with the way out (identity_strerror).
// The numbers cross the signer's socket: none is ever reused.
enum identity_error {
	IDENTITY_OK = 0,
	IDENTITY_ERR_NO_FILE = 1,     // the key file does not exist
	IDENTITY_ERR_FILE_ACCESS = 2, // ... may not be read by this user
	IDENTITY_ERR_FILE_MODE = 3,   // ... may be read by others, or is not a plain file
	IDENTITY_ERR_DAMAGED = 4,     // ... has the wrong length, magic or parameters
	IDENTITY_ERR_VERSION = 5,     // ... comes from a newer Postern
	IDENTITY_ERR_USE = 6,         // ... holds a key meant for something else
	IDENTITY_ERR_WRONG_PASSPHRASE =
		7,                      // the passphrase or key does not open it, or it was altered
	IDENTITY_ERR_NO_SOURCE = 8,     // neither passphrase_file nor key_credential, or both
	IDENTITY_ERR_NO_PASSPHRASE = 9, // the passphrase file or credential does not exist
	IDENTITY_ERR_PASSPHRASE_ACCESS = 10,
	IDENTITY_ERR_PASSPHRASE_MODE = 11,
	IDENTITY_ERR_PASSPHRASE_LENGTH = 12, // too short, too long, or a credential not of 32 bytes
	IDENTITY_ERR_EXISTS = 13,            // generate: a key file is there already
	IDENTITY_ERR_WRITE = 14,             // generate: could not be written (full, read-only)
	IDENTITY_ERR_MEMORY = 15,            // Argon2id's memory is not to be had
	IDENTITY_ERR_SANDBOX = 16,           // the signer could not lock itself in
	IDENTITY_ERR_SIGNER_MISSING = 17,    // the postern-signer program cannot be started
	IDENTITY_ERR_SIGNER_GONE = 18,       // it ended
	IDENTITY_ERR_SIGNER_TIMEOUT = 19,    // it did not answer in time
	IDENTITY_ERR_PATH = 20,              // a path is too long or not absolute
	IDENTITY_ERR_IO = 21,                // reading failed
	IDENTITY_N_ERRORS,
};

// Cost of Argon2id for a new file.
struct identity_kdf {
	uint32_t passes;
	uint64_t memory_bytes;
};

// Where the key is and what unlocks it: exactly one of passphrase_file and key_credential.
struct identity_source {
	const char *key_file;        // absolute path
	const char *passphrase_file; // absolute path; a final newline does not count
	const char *key_credential;  // 32 bytes: absolute path, or name in $CREDENTIALS_DIRECTORY
	const struct identity_kdf *kdf; // for a new file; NULL: the defaults above
};

// Read and unlock a key file.
//
// out:     ret_seed, which the caller wipes; untouched on failure
// errors:  enum identity_error
enum identity_error identity_open(const struct identity_source *src, enum identity_use use,
	uint8_t ret_seed[IDENTITY_SEED_BYTES], uint8_t ret_public[IDENTITY_PUBLIC_BYTES]);

// Make a new key and store it, mode 0600, whole or not at all; an existing file is never replaced.
enum identity_error identity_generate(const struct identity_source *src, enum identity_use use,
	uint8_t ret_seed[IDENTITY_SEED_BYTES], uint8_t ret_public[IDENTITY_PUBLIC_BYTES]);

// The bytes of a key file, without files: seal a seed, and open one. secret is the passphrase
// (kdf != NULL) or a 32-byte key (kdf == NULL).
enum identity_error identity_seal(const uint8_t seed[IDENTITY_SEED_BYTES], enum identity_use use,
	const struct identity_kdf *kdf, const uint8_t *secret, size_t secret_len,
	uint8_t ret_file[IDENTITY_FILE_BYTES]);
enum identity_error identity_unseal(const uint8_t *file, size_t len, enum identity_use use,
	int is_passphrase, const uint8_t *secret, size_t secret_len,
	uint8_t ret_seed[IDENTITY_SEED_BYTES], uint8_t ret_public[IDENTITY_PUBLIC_BYTES]);

// One sentence: what is wrong and what to do. Never NULL.
const char *identity_strerror(enum identity_error err);
