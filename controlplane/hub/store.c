// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/hub/store.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "controlplane/hub/store_priv.h"

#define BUSY_TIMEOUT_MS 5000

static const char *const queries[Q_COUNT] = {
#define STORE_QUERY_TEXT(name, sql) [Q_##name] = sql,
	STORE_QUERIES(STORE_QUERY_TEXT)
#undef STORE_QUERY_TEXT
};

// ---- statements

static int db_error(struct store *s)
{
	int code = sqlite3_extended_errcode(s->db);

	snprintf(s->error, sizeof(s->error), "%s", sqlite3_errmsg(s->db));
	if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY)
		return -EEXIST;
	return -EIO;
}

static int bind_all(sqlite3_stmt *st, const char *types, va_list ap)
{
	int err = SQLITE_OK;

	for (int i = 1; types[i - 1] != '\0' && err == SQLITE_OK; i++) {
		switch (types[i - 1]) {
		case 'i':
			err = sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
			break;
		case 't':
			err = sqlite3_bind_text(
				st, i, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
			break;
		case 'b': {
			const void *p = va_arg(ap, const void *);
			size_t len = va_arg(ap, size_t);

			// An empty blob needs a pointer, or it would be NULL.
			err = p == NULL ? sqlite3_bind_null(st, i)
					: sqlite3_bind_blob64(st, i, p, len, SQLITE_TRANSIENT);
			break;
		}
		default:
			err = SQLITE_MISUSE;
		}
	}
	return err;
}

sqlite3_stmt *store_query(struct store *s, enum store_query q, const char *types, ...)
{
	sqlite3_stmt *st = s->stmt[q];
	va_list ap;
	int err;

	if (st == NULL && sqlite3_prepare_v3(s->db, queries[q], -1, SQLITE_PREPARE_PERSISTENT,
				  &s->stmt[q], NULL) != SQLITE_OK) {
		db_error(s);
		return NULL;
	}
	st = s->stmt[q];
	va_start(ap, types);
	err = bind_all(st, types, ap);
	va_end(ap);
	if (err != SQLITE_OK) {
		db_error(s);
		store_end(st);
		return NULL;
	}
	return st;
}

int store_step(struct store *s, sqlite3_stmt *st)
{
	int code = st != NULL ? sqlite3_step(st) : SQLITE_ERROR;

	if (code == SQLITE_ROW)
		return 1;
	if (code == SQLITE_DONE)
		return 0;
	return st != NULL ? db_error(s) : -EIO;
}

void store_end(sqlite3_stmt *st)
{
	if (st == NULL)
		return;
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
}

int store_run(struct store *s, sqlite3_stmt *st)
{
	int err = store_step(s, st);

	store_end(st);
	return err < 0 ? err : 0;
}

int store_run_one(struct store *s, sqlite3_stmt *st)
{
	int err = store_run(s, st);

	if (err == 0 && sqlite3_changes(s->db) == 0)
		err = -ENOENT;
	return err;
}

int store_col_blob(sqlite3_stmt *st, int col, void *buf, size_t cap, size_t *ret_len)
{
	const void *p = sqlite3_column_blob(st, col);
	size_t len = (size_t)sqlite3_column_bytes(st, col);

	if (len > cap)
		return -EIO;
	if (len > 0)
		memcpy(buf, p, len);
	*ret_len = len;
	return 0;
}

int store_col_bytes(sqlite3_stmt *st, int col, void *buf, size_t exact)
{
	size_t len = 0;
	int err = store_col_blob(st, col, buf, exact, &len);

	return err == 0 && len != exact ? -EIO : err;
}

int store_col_text(sqlite3_stmt *st, int col, char *buf, size_t cap)
{
	size_t len = 0;
	int err = store_col_blob(st, col, buf, cap - 1, &len);

	if (err == 0)
		buf[len] = '\0';
	return err;
}

// ---- sealed values

// The additional data says whose secret it is, so that rows cannot be swapped in the file.
static size_t seal_context(uint8_t ad[320], const char *table, const void *of, size_t of_len)
{
	size_t n = strlen(table) + 1;

	memcpy(ad, table, n);
	memcpy(ad + n, of, of_len);
	return n + of_len;
}

void store_seal(struct store *s, const char *table, const void *of, size_t of_len,
	const uint8_t secret[32], uint8_t ret_sealed[STORE_SEALED_BYTES])
{
	uint8_t ad[320];
	size_t ad_len = seal_context(ad, table, of, of_len);

	randombytes_buf(ret_sealed, 24);
	crypto_aead_xchacha20poly1305_ietf_encrypt(
		ret_sealed + 24, NULL, secret, 32, ad, ad_len, NULL, ret_sealed, s->key);
}

int store_unseal(struct store *s, const char *table, const void *of, size_t of_len,
	const uint8_t sealed[STORE_SEALED_BYTES], uint8_t ret_secret[32])
{
	uint8_t ad[320];
	size_t ad_len = seal_context(ad, table, of, of_len);

	if (crypto_aead_xchacha20poly1305_ietf_decrypt(
		    ret_secret, NULL, NULL, sealed + 24, 48, ad, ad_len, sealed, s->key) == 0)
		return 0;
	snprintf(s->error, sizeof(s->error),
		"a secret in the database does not open: it belongs to another hub key");
	return -EBADMSG;
}

// ---- life

static int exec(struct store *s, const char *sql)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_error(s);
}

static int read_version(struct store *s, int *ret_version)
{
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &st, NULL) != SQLITE_OK)
		return db_error(s);
	if (sqlite3_step(st) == SQLITE_ROW)
		*ret_version = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return 0;
}

static int set_up(struct store *s, bool create)
{
	int version = 0;
	int err = exec(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
			  "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
			  "PRAGMA secure_delete = ON;");

	if (err == 0)
		err = read_version(s, &version);
	if (err == 0 && create && version == 0)
		err = exec(s, "BEGIN IMMEDIATE;" STORE_SCHEMA_1 "COMMIT;");
	else if (err == 0 && version != STORE_VERSION)
		err = -EPROTO;
	return err;
}

int store_open(
	const char *path, bool create, const uint8_t key[STORE_KEY_BYTES], struct store **ret_store)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
	struct store *s;
	mode_t mask;
	int err;

	if (access(path, F_OK) == 0 ? create : !create)
		return create ? -EEXIST : -ENOENT;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	memcpy(s->key, key, sizeof(s->key));
	if (create)
		flags |= SQLITE_OPEN_CREATE;
	mask = umask(077);
	err = sqlite3_open_v2(path, &s->db, flags, NULL) == SQLITE_OK ? 0 : -EIO;
	if (err == 0) {
		sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
		err = set_up(s, create);
	}
	umask(mask);
	if (err < 0) {
		store_close(s);
		return err;
	}
	*ret_store = s;
	return 0;
}

void store_close(struct store *s)
{
	if (s == NULL)
		return;
	for (unsigned i = 0; i < Q_COUNT; i++)
		sqlite3_finalize(s->stmt[i]);
	sqlite3_close(s->db);
	sodium_memzero(s, sizeof(*s));
	free(s);
}

const char *store_error(const struct store *s)
{
	return s->error;
}

int store_begin(struct store *s)
{
	return store_run(s, store_query(s, Q_BEGIN, ""));
}

int store_commit(struct store *s)
{
	int err = store_run(s, store_query(s, Q_COMMIT, ""));

	if (err < 0)
		store_rollback(s);
	return err;
}

void store_rollback(struct store *s)
{
	// SQLite may have rolled back by itself; then there is nothing to do.
	if (!sqlite3_get_autocommit(s->db))
		store_run(s, store_query(s, Q_ROLLBACK, ""));
}

int store_get_meta(struct store *s, const char *key, int64_t *ret_value)
{
	sqlite3_stmt *st = store_query(s, Q_META_GET, "t", key);
	int got = store_step(s, st);

	if (got == 1)
		*ret_value = sqlite3_column_int64(st, 0);
	store_end(st);
	return got == 1 ? 0 : got == 0 ? -ENOENT : got;
}

int store_set_meta(struct store *s, const char *key, int64_t value)
{
	return store_run(s, store_query(s, Q_META_SET, "ti", key, value));
}
