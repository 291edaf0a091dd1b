// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/statefile.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/bytes.h"

enum offset {
	OFF_MAGIC = 0,
	OFF_VERSION = 8,
	OFF_ZERO = 10,
	OFF_LENGTH = 12,
	OFF_GENERATION = 16,
	OFF_NONCE = 24,
};

#define FILE_VERSION 1u

static const uint8_t magic[8] = {'P', 'S', 'T', 'N', 'S', 'T', 'A', 'T'};

static_assert(OFF_NONCE + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES == STATEFILE_HEADER_BYTES,
	"state file layout");
static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES == STATEFILE_TAG_BYTES, "tag");
static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == STATEFILE_KEY_BYTES, "key");

int statefile_init(struct statefile *sf, const char *path, const char *name,
	const uint8_t secret[STATEFILE_KEY_BYTES], const struct atomic_file_ops *ops)
{
	static const char label[] = "postern/1 statefile"; // its NUL is part of the label
	crypto_generichash_state h;

	if (sodium_init() < 0)
		return -ENOMEM;
	if (strlen(path) >= sizeof(sf->path))
		return -ENAMETOOLONG;
	memset(sf, 0, sizeof(*sf));
	memcpy(sf->path, path, strlen(path) + 1);
	sf->ops = ops;
	crypto_generichash_init(&h, secret, STATEFILE_KEY_BYTES, sizeof(sf->key));
	crypto_generichash_update(&h, (const uint8_t *)label, sizeof(label));
	crypto_generichash_update(&h, (const uint8_t *)name, strlen(name));
	crypto_generichash_final(&h, sf->key, sizeof(sf->key));
	sodium_memzero(&h, sizeof(h));
	return 0;
}

void statefile_fini(struct statefile *sf)
{
	if (sf != NULL)
		sodium_memzero(sf, sizeof(*sf));
}

// Check and open file[0..len) into buf.
static int unseal(struct statefile *sf, const uint8_t *file, size_t len, uint8_t *buf, size_t cap,
	size_t *ret_len)
{
	uint16_t version;
	uint32_t blob_len;
	uint64_t generation;

	if (len < STATEFILE_HEADER_BYTES + STATEFILE_TAG_BYTES ||
		memcmp(file + OFF_MAGIC, magic, sizeof(magic)) != 0)
		return -EBADMSG;
	version = get_le16(file + OFF_VERSION);
	blob_len = get_le32(file + OFF_LENGTH);
	generation = get_le64(file + OFF_GENERATION);
	if (version > FILE_VERSION)
		return -EPROTO;
	if (version != FILE_VERSION || file[OFF_ZERO] != 0 || file[OFF_ZERO + 1] != 0 ||
		blob_len != len - STATEFILE_HEADER_BYTES - STATEFILE_TAG_BYTES || generation == 0)
		return -EBADMSG;
	if (blob_len > cap)
		return -ENOBUFS;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(buf, NULL, NULL,
		    file + STATEFILE_HEADER_BYTES, len - STATEFILE_HEADER_BYTES, file,
		    STATEFILE_HEADER_BYTES, file + OFF_NONCE, sf->key) != 0)
		return -EBADMSG;
	if (generation < sf->generation) {
		sodium_memzero(buf, blob_len);
		return -ESTALE;
	}
	sf->generation = generation;
	*ret_len = blob_len;
	return 0;
}

int statefile_load(struct statefile *sf, void *buf, size_t cap, size_t *ret_len)
{
	size_t limit = STATEFILE_HEADER_BYTES + STATEFILE_BLOB_MAX + STATEFILE_TAG_BYTES;
	uint8_t *file = malloc(limit);
	size_t len;
	int err;

	if (file == NULL)
		return -ENOMEM;
	err = atomic_file_read(sf->path, ATOMIC_FILE_PRIVATE, file, limit, &len, sf->ops);
	if (err == -EFBIG)
		err = -EBADMSG;
	if (err == 0)
		err = unseal(sf, file, len, buf, cap, ret_len);
	free(file); // ciphertext only
	return err;
}

int statefile_store(struct statefile *sf, const void *blob, size_t len)
{
	size_t file_len = STATEFILE_HEADER_BYTES + len + STATEFILE_TAG_BYTES;
	uint8_t *file;
	int err;

	if (len > STATEFILE_BLOB_MAX)
		return -EMSGSIZE;
	file = calloc(1, file_len);
	if (file == NULL)
		return -ENOMEM;
	memcpy(file + OFF_MAGIC, magic, sizeof(magic));
	put_le16(file + OFF_VERSION, FILE_VERSION);
	put_le32(file + OFF_LENGTH, (uint32_t)len);
	put_le64(file + OFF_GENERATION, sf->generation + 1);
	randombytes_buf(file + OFF_NONCE, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(file + STATEFILE_HEADER_BYTES, NULL, blob, len,
		file, STATEFILE_HEADER_BYTES, NULL, file + OFF_NONCE, sf->key);
	err = atomic_file_write(sf->path, file, file_len, sf->ops);
	free(file);
	if (err == 0)
		sf->generation++;
	return err;
}

const char *statefile_strerror(int err)
{
	switch (err) {
	case 0:
		return "no error";
	case -ENOENT:
		return "there is no state file yet: nothing to do, it is made at the first change";
	case -EPERM:
		return "the state file must be a plain file that only its owner can read: chmod "
		       "600 it";
	case -EACCES:
		return "this user may not use the state file: chown its directory to the service's "
		       "user";
	case -EBADMSG:
		return "the state file is damaged or belongs to another identity: move it away; "
		       "the gateway then asks the hub for its peers again";
	case -EPROTO:
		return "the state file was written by a newer Postern: upgrade, or move it away";
	case -ESTALE:
		return "the state file was replaced by an older one: do not restore it while the "
		       "service runs; move it away and restart";
	case -ENOBUFS:
	case -EMSGSIZE:
		return "the state is larger than a state file holds: remove peers that are no "
		       "longer "
		       "used";
	case -ENOSPC:
		return "the disk is full: make room in the state directory";
	case -EROFS:
		return "the state directory is read-only: mount it writable";
	default:
		return "the state file cannot be read or written: check the state directory and "
		       "the "
		       "disk";
	}
}
