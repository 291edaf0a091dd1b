// SPDX-License-Identifier: BSD-3-Clause
// A hub's store and authority in a temporary directory, for tests of both. Header only; one a
// program.
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>
#include <sqlite3.h>

#include "controlplane/common/clock.h"
#include "controlplane/hub/authority_ops.h"
#include "controlplane/hub/store.h"

static char dir[48], db[64];
static const uint8_t key[32] = "the key of the hub's store.....";

struct bench {
	struct store *store;
	struct authority *authority;
	struct authority_ops ops;
};

static inline void open_bench(struct bench *b, bool create)
{
	struct identity_source secret = {.passphrase_file = NULL};
	struct authority_error why;
	char path[64];

	snprintf(path, sizeof(path), "%s/key", dir);
	secret.key_credential = path;
	assert_int_equal(store_open(db, create, key, &b->store), 0);
	if (authority_open(dir, &secret, clock_unix_s(), &b->authority, &why) < 0)
		fail_msg("%s", why.text);
	b->ops = (struct authority_ops){
		.store = b->store,
		.authority = b->authority,
		.hub_name = "hub.example",
		.network = "example",
		.leaf_days = 90,
		.gateways_max = 100000,
	};
}

static inline void close_bench(struct bench *b)
{
	store_close(b->store);
	authority_close(b->authority);
}

static inline void add_token(
	struct bench *b, struct store_token *t, unsigned uses, uint64_t expires)
{
	*t = (struct store_token){.created = clock_unix_s(), .uses_max = uses, .expires = expires};
	randombytes_buf(t->id, sizeof(t->id));
	randombytes_buf(t->secret, sizeof(t->secret));
	assert_int_equal(store_add_token(b->store, t), 0);
}

static inline void fresh_key(uint8_t pk[32])
{
	uint8_t sk[64];

	crypto_sign_keypair(pk, sk);
}

static inline int64_t count(const char *sql)
{
	sqlite3_stmt *st;
	sqlite3 *raw;
	int64_t n;

	assert_int_equal(sqlite3_open_v2(db, &raw, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	sqlite3_busy_timeout(raw, 5000);
	assert_int_equal(sqlite3_prepare_v2(raw, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(raw);
	return n;
}

static inline int remove_one(const char *path, const struct stat *, int, struct FTW *)
{
	return remove(path);
}

static inline int bench_begin(void **)
{
	struct identity_source secret = {0};
	struct authority_error why;
	struct store *s;
	char path[64];
	int fd;

	strcpy(dir, "/tmp/pt-hub-test-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(db, sizeof(db), "%s/hub.db", dir);
	snprintf(path, sizeof(path), "%s/key", dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	if (write(fd, key, 32) != 32)
		return -1;
	close(fd);
	secret.key_credential = path;
	if (authority_create_root(dir, "example", &secret, NULL, clock_unix_s(), &why) < 0 ||
		authority_create_issuing(
			dir, "example", &secret, &secret, NULL, clock_unix_s(), false, &why) < 0)
		return -1;
	if (store_open(db, true, key, &s) < 0)
		return -1;
	store_close(s);
	return 0;
}

static inline int bench_end(void **)
{
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
