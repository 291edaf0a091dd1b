// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/identity.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/bytes.h"

enum offset {
	OFF_MAGIC = 0,
	OFF_VERSION = 8,
	OFF_KDF = 10,
	OFF_USE = 11,
	OFF_PASSES = 12,
	OFF_MEMORY = 16,
	OFF_SALT = 24,
	OFF_NONCE = 40,
	OFF_PUBLIC = 64,
	OFF_SEALED = 96,
};

enum kdf_kind { KDF_ARGON2ID = 1, KDF_KEY = 2 };

#define FILE_VERSION 1u

static const uint8_t magic[8] = "PSTNKEY";
static const char keyfile_label[] = "postern/1 keyfile"; // its NUL is part of the label

static_assert(OFF_NONCE - OFF_SALT == crypto_pwhash_argon2id_SALTBYTES, "salt");
static_assert(OFF_PUBLIC - OFF_NONCE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce");
static_assert(OFF_SEALED + IDENTITY_SEED_BYTES + crypto_aead_xchacha20poly1305_ietf_ABYTES ==
		      IDENTITY_FILE_BYTES,
	"key file layout");

// The key that seals the file, from its header and the passphrase or key.
static enum identity_error file_key(const uint8_t header[OFF_NONCE], const uint8_t *secret,
	size_t secret_len, uint8_t ret_key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES])
{
	uint8_t stretched[32];
	crypto_generichash_state h;

	if (header[OFF_KDF] == KDF_ARGON2ID) {
		if (crypto_pwhash(stretched, sizeof(stretched), (const char *)secret, secret_len,
			    header + OFF_SALT, get_le32(header + OFF_PASSES),
			    (size_t)get_le64(header + OFF_MEMORY),
			    crypto_pwhash_ALG_ARGON2ID13) != 0)
			return IDENTITY_ERR_MEMORY;
	} else {
		memcpy(stretched, secret, sizeof(stretched));
	}
	crypto_generichash_init(
		&h, stretched, sizeof(stretched), crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
	crypto_generichash_update(&h, (const uint8_t *)keyfile_label, sizeof(keyfile_label));
	crypto_generichash_update(&h, header, OFF_NONCE);
	crypto_generichash_final(&h, ret_key, crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
	sodium_memzero(stretched, sizeof(stretched));
	sodium_memzero(&h, sizeof(h));
	return IDENTITY_OK;
}

static bool secret_len_ok(bool is_passphrase, size_t len)
{
	if (is_passphrase)
		return len >= IDENTITY_PASSPHRASE_MIN && len <= IDENTITY_PASSPHRASE_MAX;
	return len == 32;
}

static bool kdf_ok(uint32_t passes, uint64_t memory)
{
	return passes >= crypto_pwhash_argon2id_OPSLIMIT_MIN &&
	       passes <= IDENTITY_ARGON_PASSES_MAX &&
	       memory >= crypto_pwhash_argon2id_MEMLIMIT_MIN && memory <= IDENTITY_ARGON_BYTES_MAX;
}

enum identity_error identity_seal(const uint8_t seed[IDENTITY_SEED_BYTES], enum identity_use use,
	const struct identity_kdf *kdf, const uint8_t *secret, size_t secret_len,
	uint8_t ret_file[IDENTITY_FILE_BYTES])
{
	uint8_t file[IDENTITY_FILE_BYTES] = {0};
	uint8_t key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
	uint8_t sk[crypto_sign_SECRETKEYBYTES];
	enum identity_error err;

	if (sodium_init() < 0)
		return IDENTITY_ERR_MEMORY;
	if (!secret_len_ok(kdf != NULL, secret_len))
		return IDENTITY_ERR_PASSPHRASE_LENGTH;
	if (kdf != NULL && !kdf_ok(kdf->passes, kdf->memory_bytes))
		return IDENTITY_ERR_MEMORY;

	memcpy(file + OFF_MAGIC, magic, sizeof(magic));
	put_le16(file + OFF_VERSION, FILE_VERSION);
	file[OFF_KDF] = kdf != NULL ? KDF_ARGON2ID : KDF_KEY;
	file[OFF_USE] = (uint8_t)use;
	put_le32(file + OFF_PASSES, kdf != NULL ? kdf->passes : 0);
	put_le64(file + OFF_MEMORY, kdf != NULL ? kdf->memory_bytes : 0);
	randombytes_buf(file + OFF_SALT, OFF_PUBLIC - OFF_SALT); // salt and nonce
	crypto_sign_seed_keypair(file + OFF_PUBLIC, sk, seed);
	sodium_memzero(sk, sizeof(sk));

	err = file_key(file, secret, secret_len, key);
	if (err != IDENTITY_OK)
		return err;
	crypto_aead_xchacha20poly1305_ietf_encrypt(file + OFF_SEALED, NULL, seed,
		IDENTITY_SEED_BYTES, file, OFF_SEALED, NULL, file + OFF_NONCE, key);
	sodium_memzero(key, sizeof(key));
	memcpy(ret_file, file, sizeof(file));
	return IDENTITY_OK;
}

// Everything that can be said of a key file without its key.
static enum identity_error check_header(
	const uint8_t *file, size_t len, enum identity_use use, bool is_passphrase)
{
	uint32_t passes;
	uint64_t memory;

	if (len < OFF_KDF || memcmp(file + OFF_MAGIC, magic, sizeof(magic)) != 0)
		return IDENTITY_ERR_DAMAGED;
	if (get_le16(file + OFF_VERSION) > FILE_VERSION)
		return IDENTITY_ERR_VERSION;
	if (len != IDENTITY_FILE_BYTES || get_le16(file + OFF_VERSION) != FILE_VERSION)
		return IDENTITY_ERR_DAMAGED;
	if (file[OFF_USE] < IDENTITY_USE_NODE || file[OFF_USE] > IDENTITY_USE_ISSUING)
		return IDENTITY_ERR_DAMAGED;
	passes = get_le32(file + OFF_PASSES);
	memory = get_le64(file + OFF_MEMORY);
	switch (file[OFF_KDF]) {
	case KDF_ARGON2ID:
		if (!kdf_ok(passes, memory))
			return IDENTITY_ERR_DAMAGED;
		break;
	case KDF_KEY:
		if (passes != 0 || memory != 0)
			return IDENTITY_ERR_DAMAGED;
		break;
	default:
		return IDENTITY_ERR_DAMAGED;
	}
	if (file[OFF_USE] != use)
		return IDENTITY_ERR_USE;
	// A passphrase where a key is wanted, or the reverse, is the wrong secret, not a damaged
	// file.
	if ((file[OFF_KDF] == KDF_ARGON2ID) != is_passphrase)
		return IDENTITY_ERR_WRONG_PASSPHRASE;
	return IDENTITY_OK;
}

enum identity_error identity_unseal(const uint8_t *file, size_t len, enum identity_use use,
	int is_passphrase, const uint8_t *secret, size_t secret_len,
	uint8_t ret_seed[IDENTITY_SEED_BYTES], uint8_t ret_public[IDENTITY_PUBLIC_BYTES])
{
	uint8_t key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
	uint8_t seed[IDENTITY_SEED_BYTES];
	uint8_t sk[crypto_sign_SECRETKEYBYTES], pk[IDENTITY_PUBLIC_BYTES];
	enum identity_error err;

	if (sodium_init() < 0)
		return IDENTITY_ERR_MEMORY;
	if (!secret_len_ok(is_passphrase, secret_len))
		return IDENTITY_ERR_PASSPHRASE_LENGTH;
	err = check_header(file, len, use, is_passphrase);
	if (err == IDENTITY_OK)
		err = file_key(file, secret, secret_len, key);
	if (err != IDENTITY_OK)
		return err;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(seed, NULL, NULL, file + OFF_SEALED,
		    IDENTITY_FILE_BYTES - OFF_SEALED, file, OFF_SEALED, file + OFF_NONCE,
		    key) != 0) {
		sodium_memzero(key, sizeof(key));
		return IDENTITY_ERR_WRONG_PASSPHRASE;
	}
	crypto_sign_seed_keypair(pk, sk, seed);
	if (memcmp(pk, file + OFF_PUBLIC, sizeof(pk)) != 0) {
		err = IDENTITY_ERR_DAMAGED;
	} else {
		memcpy(ret_seed, seed, sizeof(seed));
		memcpy(ret_public, pk, sizeof(pk));
	}
	sodium_memzero(key, sizeof(key));
	sodium_memzero(seed, sizeof(seed));
	sodium_memzero(sk, sizeof(sk));
	return err;
}

struct secret {
	uint8_t bytes[IDENTITY_PASSPHRASE_MAX + 2]; // a final CR LF does not count
	size_t len;
	bool is_passphrase;
};

static enum identity_error secret_error(int err)
{
	switch (err) {
	case -ENOENT:
	case -ENOTDIR:
		return IDENTITY_ERR_NO_PASSPHRASE;
	case -EACCES:
		return IDENTITY_ERR_PASSPHRASE_ACCESS;
	case -EPERM:
		return IDENTITY_ERR_PASSPHRASE_MODE;
	case -EFBIG:
		return IDENTITY_ERR_PASSPHRASE_LENGTH;
	default:
		return IDENTITY_ERR_IO;
	}
}

static enum identity_error read_passphrase(const char *path, struct secret *secret)
{
	int err = atomic_file_read(path, ATOMIC_FILE_PRIVATE, secret->bytes, sizeof(secret->bytes),
		&secret->len, NULL);

	if (err < 0)
		return secret_error(err);
	if (secret->len > 0 && secret->bytes[secret->len - 1] == '\n')
		secret->len--;
	if (secret->len > 0 && secret->bytes[secret->len - 1] == '\r')
		secret->len--;
	secret->is_passphrase = true;
	return secret_len_ok(true, secret->len) ? IDENTITY_OK : IDENTITY_ERR_PASSPHRASE_LENGTH;
}

static enum identity_error read_credential(const char *name, struct secret *secret)
{
	// systemd's own files show group read where its ACL gives them to the service; other files
	// have no such excuse.
	enum atomic_file_privacy privacy = ATOMIC_FILE_PRIVATE;
	const char *dir = secure_getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_MAX];
	int n, err;

	if (name[0] == '/') {
		n = snprintf(path, sizeof(path), "%s", name);
	} else {
		if (dir == NULL || dir[0] != '/')
			return IDENTITY_ERR_NO_PASSPHRASE;
		// A name, not a way out of the directory.
		if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL)
			return IDENTITY_ERR_PATH;
		n = snprintf(path, sizeof(path), "%s/%s", dir, name);
		privacy = ATOMIC_FILE_CREDENTIAL;
	}
	if (n < 0 || (size_t)n >= sizeof(path))
		return IDENTITY_ERR_PATH;
	err = atomic_file_read(
		path, privacy, secret->bytes, sizeof(secret->bytes), &secret->len, NULL);
	if (err < 0)
		return secret_error(err);
	secret->is_passphrase = false;
	return secret_len_ok(false, secret->len) ? IDENTITY_OK : IDENTITY_ERR_PASSPHRASE_LENGTH;
}

static enum identity_error read_secret(const struct identity_source *src, struct secret *secret)
{
	bool passphrase = src->passphrase_file != NULL && src->passphrase_file[0] != '\0';
	bool credential = src->key_credential != NULL && src->key_credential[0] != '\0';

	if (passphrase == credential)
		return IDENTITY_ERR_NO_SOURCE;
	if (src->key_file == NULL || src->key_file[0] != '/' || strlen(src->key_file) >= PATH_MAX)
		return IDENTITY_ERR_PATH;
	if (credential)
		return read_credential(src->key_credential, secret);
	if (src->passphrase_file[0] != '/')
		return IDENTITY_ERR_PATH;
	return read_passphrase(src->passphrase_file, secret);
}

enum identity_error identity_open(const struct identity_source *src, enum identity_use use,
	uint8_t ret_seed[IDENTITY_SEED_BYTES], uint8_t ret_public[IDENTITY_PUBLIC_BYTES])
{
	struct secret secret;
	uint8_t file[IDENTITY_FILE_BYTES];
	size_t len;
	enum identity_error err = read_secret(src, &secret);
	int io;

	if (err != IDENTITY_OK)
		goto wipe;
	io = atomic_file_read(src->key_file, ATOMIC_FILE_PRIVATE, file, sizeof(file), &len, NULL);
	switch (io) {
	case 0:
		err = identity_unseal(file, len, use, secret.is_passphrase, secret.bytes,
			secret.len, ret_seed, ret_public);
		break;
	case -ENOENT:
	case -ENOTDIR:
		err = IDENTITY_ERR_NO_FILE;
		break;
	case -EACCES:
		err = IDENTITY_ERR_FILE_ACCESS;
		break;
	case -EPERM:
		err = IDENTITY_ERR_FILE_MODE;
		break;
	case -EFBIG:
		err = IDENTITY_ERR_DAMAGED;
		break;
	default:
		err = IDENTITY_ERR_IO;
	}
wipe:
	sodium_memzero(&secret, sizeof(secret));
	return err;
}

enum identity_error identity_generate(const struct identity_source *src, enum identity_use use,
	uint8_t ret_seed[IDENTITY_SEED_BYTES], uint8_t ret_public[IDENTITY_PUBLIC_BYTES])
{
	static const struct identity_kdf standard = {
		.passes = IDENTITY_ARGON_PASSES, .memory_bytes = IDENTITY_ARGON_BYTES};
	const struct identity_kdf *kdf = src->kdf != NULL ? src->kdf : &standard;
	struct secret secret;
	uint8_t seed[IDENTITY_SEED_BYTES];
	uint8_t file[IDENTITY_FILE_BYTES];
	enum identity_error err;
	int io;

	if (sodium_init() < 0)
		return IDENTITY_ERR_MEMORY;
	err = read_secret(src, &secret);
	if (err != IDENTITY_OK)
		goto wipe;
	randombytes_buf(seed, sizeof(seed));
	err = identity_seal(
		seed, use, secret.is_passphrase ? kdf : NULL, secret.bytes, secret.len, file);
	if (err != IDENTITY_OK)
		goto wipe_seed;
	io = atomic_file_create(src->key_file, file, sizeof(file), NULL);
	if (io < 0) {
		err = io == -EEXIST ? IDENTITY_ERR_EXISTS : IDENTITY_ERR_WRITE;
		goto wipe_seed;
	}
	memcpy(ret_seed, seed, sizeof(seed));
	memcpy(ret_public, file + OFF_PUBLIC, IDENTITY_PUBLIC_BYTES);
wipe_seed:
	sodium_memzero(seed, sizeof(seed));
wipe:
	sodium_memzero(&secret, sizeof(secret));
	return err;
}

const char *identity_strerror(enum identity_error err)
{
	static const char *const text[IDENTITY_N_ERRORS] = {
		[IDENTITY_OK] = "no error",
		[IDENTITY_ERR_NO_FILE] =
			"there is no key file: enrol first (postern enrol), or set "
			"identity.key_file to where the key is",
		[IDENTITY_ERR_FILE_ACCESS] = "this user may not read the key file: give it to the "
					     "service's user (chown) or run as that user",
		[IDENTITY_ERR_FILE_MODE] = "the key file must be a plain file that only its owner "
					   "can read: chown it to the service's user and chmod 600",
		[IDENTITY_ERR_DAMAGED] = "the key file is damaged: restore it from a backup, or "
					 "move it away and enrol again with a new key",
		[IDENTITY_ERR_VERSION] =
			"the key file was written by a newer Postern: upgrade this "
			"machine, or restore the older file",
		[IDENTITY_ERR_USE] = "the key file holds a key for another use (node, root or "
				     "issuing): point to the right file",
		[IDENTITY_ERR_WRONG_PASSPHRASE] =
			"the passphrase or key does not open the key file: "
			"check passphrase_file or key_credential; if it "
			"is right, the file was altered, restore a backup",
		[IDENTITY_ERR_NO_SOURCE] = "exactly one of passphrase_file and key_credential must "
					   "say what unlocks the key: set one in the configuration",
		[IDENTITY_ERR_NO_PASSPHRASE] =
			"the passphrase file or credential does not exist: "
			"create it (mode 600), or add LoadCredential= to the "
			"systemd unit",
		[IDENTITY_ERR_PASSPHRASE_ACCESS] = "this user may not read the passphrase file: "
						   "chown it to the service's user",
		[IDENTITY_ERR_PASSPHRASE_MODE] =
			"the passphrase file must be a plain file that only "
			"its owner can read: chmod 600 it",
		[IDENTITY_ERR_PASSPHRASE_LENGTH] = "a passphrase has 8 to 1024 bytes, a key "
						   "credential exactly 32: write it again, for "
						   "instance with: openssl rand -out FILE 32",
		[IDENTITY_ERR_EXISTS] = "a key file is there already and is never overwritten: use "
					"it, or move it away to get a new key",
		[IDENTITY_ERR_WRITE] = "the key file cannot be written: check that its directory "
				       "exists, is writable by this user and has room",
		[IDENTITY_ERR_MEMORY] =
			"there is not enough memory to unlock the key: free some, or use a "
			"key_credential, which needs none",
		[IDENTITY_ERR_SANDBOX] = "the signer could not lock itself in: the kernel must "
					 "support seccomp filters; in a container allow seccomp",
		[IDENTITY_ERR_SIGNER_MISSING] =
			"postern-signer cannot be started: install it beside "
			"this program, or set POSTERN_LIBEXEC to its "
			"directory",
		[IDENTITY_ERR_SIGNER_GONE] =
			"the signer ended unexpectedly: see the log above, then "
			"start the service again",
		[IDENTITY_ERR_SIGNER_TIMEOUT] = "the signer did not answer in time: the machine is "
						"overloaded or out of memory; start the service "
						"again",
		[IDENTITY_ERR_PATH] = "paths of keys and passphrases must be absolute and shorter "
				      "than 256 bytes, credential names without '/': correct it in "
				      "the configuration",
		[IDENTITY_ERR_IO] = "reading the key or passphrase failed: check the disk (dmesg)",
	};

	if ((unsigned)err >= IDENTITY_N_ERRORS || text[err] == NULL)
		return "unknown identity error: both programs must come from one version of "
		       "Postern";
	return text[err];
}
