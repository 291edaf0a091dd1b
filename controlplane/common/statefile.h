// SPDX-License-Identifier: BSD-3-Clause
// One encrypted file that holds what must survive a restart: intents, pair keys, newest ts,
// serials.
//
// A blob of at most STATEFILE_BLOB_MAX bytes, sealed with XChaCha20-Poly1305 under a key derived
// from the signer's secret "state", replaced atomically (atomic_file.h). Each store raises a
// generation number that is authenticated with the blob; a load never goes back behind what this
// object has seen, and a caller that keeps the generation elsewhere can hand it in as a floor.
//
// Layout, little-endian, bytes 0..47 authenticated:
//
//	 0 magic[8] "PSTNSTAT"   8 u16 version = 1   10 u16 0   12 u32 blob length
//	16 u64 generation   24 nonce[24]   48 ciphertext ‖ tag[16]
//
// Not thread safe: one owner. Floor 3 (files).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "controlplane/common/atomic_file.h"

#define STATEFILE_KEY_BYTES    32u
#define STATEFILE_HEADER_BYTES 48u
#define STATEFILE_TAG_BYTES    16u
#define STATEFILE_BLOB_MAX     (4u << 20)
#define STATEFILE_PATH_MAX     256u

struct statefile {
	char path[STATEFILE_PATH_MAX];
	uint8_t key[STATEFILE_KEY_BYTES];
	uint64_t generation; // of the newest blob loaded or stored; 0 = none yet
	const struct atomic_file_ops *ops;
};

// secret: 32 bytes, the signer's secret "state"; name separates several files of one identity, e.g.
// "gateway". ops NULL: the C library's. Errors: -ENAMETOOLONG.
int statefile_init(struct statefile *sf, const char *path, const char *name,
	const uint8_t secret[STATEFILE_KEY_BYTES], const struct atomic_file_ops *ops);
void statefile_fini(struct statefile *sf); // wipes; accepts NULL

// Read and open the file into buf.
//
// errors:  -ENOENT: none yet; -EPERM: others may read it; -EBADMSG: altered, damaged or another
//          identity's; -EPROTO: of a newer version; -ESTALE: older than already seen; -ENOBUFS: buf
//          too small; buf holds no plaintext then
int statefile_load(struct statefile *sf, void *buf, size_t cap, size_t *ret_len);

// Replace the file by a new blob. When it returns 0 the blob is on disk. On failure the next load
// gives the old blob or the new one, never neither; store again.
//
// errors:  -EMSGSIZE: more than STATEFILE_BLOB_MAX; -errno of the file system
int statefile_store(struct statefile *sf, const void *blob, size_t len);

// One sentence for an error of load or store: what is wrong and what to do.
const char *statefile_strerror(int err);
