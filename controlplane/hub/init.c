// SPDX-License-Identifier: BSD-3-Clause
//
// postern-hub init: a working hub from nothing.
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "controlplane/common/clock.h"
#include "controlplane/hub/hub.h"

// Everything init makes; none may be there before, and none is left behind by a failure.
static const char *const files[] = {"root.key", "root.crt", "issuing.key", "issuing.crt",
	HUB_FILE_KEY, HUB_FILE_CERT, HUB_FILE_STORE, HUB_FILE_STORE "-wal", HUB_FILE_STORE "-shm"};
#define N_FILES (sizeof(files) / sizeof(files[0]))

static int check_empty(const struct hub_config *cfg, struct hub_error *e)
{
	char path[512];

	for (unsigned i = 0; i < N_FILES; i++) {
		if (hub_path(path, sizeof(path), cfg, files[i]) < 0)
			return -ENAMETOOLONG;
		if (access(path, F_OK) == 0) {
			hub_error_set(e,
				"To run it, start postern-hub. To make another hub, choose another "
				"hub.state_dir; to replace this one, move the directory away "
				"first, "
				"and keep it: without root.key every gateway must enrol anew.",
				"There is a hub here already: %s exists.", path);
			return -EEXIST;
		}
	}
	return 0;
}

static void clean_up(const struct hub_config *cfg)
{
	char path[512];

	for (unsigned i = 0; i < N_FILES; i++) {
		if (hub_path(path, sizeof(path), cfg, files[i]) == 0)
			unlink(path);
	}
}

static int make_authority(struct hub *h, struct hub_error *e)
{
	const struct hub_config *cfg = h->cfg;
	struct identity_source secret = hub_secret(cfg);
	struct identity_kdf kdf = {
		.passes = cfg->authority.argon2_passes,
		.memory_bytes = (uint64_t)cfg->authority.argon2_mib << 20,
	};
	struct authority_error why = {0};
	uint64_t now = clock_unix_s();
	int err = authority_create_root(cfg->state_dir, cfg->network, &secret, &kdf, now, &why);

	if (err == 0)
		err = authority_create_issuing(
			cfg->state_dir, cfg->network, &secret, &secret, &kdf, now, false, &why);
	if (err == 0)
		err = authority_open(cfg->state_dir, &secret, now, &h->ops.authority, &why);
	if (err < 0)
		hub_error_set(e, "Correct that, then run init again.",
			"The authority cannot be made: %s",
			why.text[0] != '\0' ? why.text : strerror(-err));
	return err;
}

static int make_identity(struct hub *h, struct hub_error *e)
{
	const struct identity_kdf kdf = {
		.passes = h->cfg->authority.argon2_passes,
		.memory_bytes = (uint64_t)h->cfg->authority.argon2_mib << 20,
	};
	struct identity_source src = hub_secret(h->cfg);
	enum identity_error why;
	char path[512];

	if (hub_path(path, sizeof(path), h->cfg, HUB_FILE_KEY) < 0)
		return -ENAMETOOLONG;
	src.key_file = path;
	src.kdf = &kdf;
	why = signer_spawn(&h->signer);
	if (why == IDENTITY_OK)
		why = signer_generate(h->signer, &src);
	if (why == IDENTITY_OK)
		return hub_renew_leaf(h, clock_unix_s(), e);
	hub_error_set(e, "Correct that, then run init again.", "The hub's key cannot be made: %s",
		identity_strerror(why));
	return -EACCES;
}

static int make_store(struct hub *h, struct hub_error *e)
{
	uint8_t key[STORE_KEY_BYTES];
	char path[512];
	int err = signer_secret(h->signer, "state", key);

	if (err == 0)
		err = hub_path(path, sizeof(path), h->cfg, HUB_FILE_STORE);
	if (err == 0)
		err = store_open(path, true, key, &h->store);
	sodium_memzero(key, sizeof(key));
	if (err < 0)
		hub_error_set(e, "Make room, or choose another hub.state_dir.",
			"The store cannot be made: %s.", strerror(-err));
	return err;
}

static int check_name(const struct hub_config *cfg, struct hub_error *e)
{
	size_t n = strlen(cfg->name), m = strlen(cfg->network);

	if (n > m + 1 && cfg->name[n - m - 1] == '.' &&
		strcmp(cfg->name + n - m, cfg->network) == 0)
		return 0;
	hub_error_set(e,
		"Give the hub a name below the network's, such as hub.NETWORK; it need not be in "
		"the "
		"DNS.",
		"hub.name \"%s\" is not below hub.network \"%s\", so no certificate can carry it.",
		cfg->name, cfg->network);
	return -EINVAL;
}

int hub_init(const struct hub_config *cfg, struct hub_error *ret_error)
{
	struct hub h = {.cfg = cfg};
	int err = check_name(cfg, ret_error);

	if (err < 0)
		return err;
	if (mkdir(cfg->state_dir, 0700) < 0 && errno != EEXIST) {
		err = -errno;
		hub_error_set(ret_error,
			"Make it, run this as root, or choose another hub.state_dir.",
			"The directory %s cannot be made: %s.", cfg->state_dir, strerror(-err));
		return err;
	}
	err = check_empty(cfg, ret_error);
	if (err < 0)
		return err;
	err = make_authority(&h, ret_error);
	if (err == 0)
		err = make_identity(&h, ret_error);
	if (err == 0)
		err = make_store(&h, ret_error);
	store_close(h.store);
	signer_close(h.signer);
	authority_close(h.ops.authority);
	if (err < 0)
		clean_up(cfg);
	return err;
}

int hub_new_issuing(const struct hub_config *cfg, struct hub_error *ret_error)
{
	struct identity_source secret = hub_secret(cfg);
	struct identity_kdf kdf = {
		.passes = cfg->authority.argon2_passes,
		.memory_bytes = (uint64_t)cfg->authority.argon2_mib << 20,
	};
	struct authority_error why = {0};
	char path[512];
	int err = hub_path(path, sizeof(path), cfg, "root.key");

	// Looked at first, because its way out is another than that of any other refusal.
	if (err == 0 && access(path, R_OK) < 0) {
		err = -errno;
		hub_error_set(ret_error,
			"Put root.key back from where it is kept, run this again, and take it away "
			"again.",
			"The root key %s cannot be read: %s.", path, strerror(-err));
		return err;
	}
	if (err == 0)
		err = authority_create_issuing(cfg->state_dir, cfg->network, &secret, &secret, &kdf,
			clock_unix_s(), true, &why);
	if (err < 0)
		hub_error_set(ret_error, "Correct that, then run it again.",
			"The issuing key cannot be made: %s",
			why.text[0] != '\0' ? why.text : strerror(-err));
	return err;
}
