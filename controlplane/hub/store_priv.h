// SPDX-License-Identifier: BSD-3-Clause
//
// What the files of the store share: the object, statements and sealed values.
//
// Floor 3, for store*.c only.
#pragma once

#include <sqlite3.h>

#include "controlplane/hub/store.h"
#include "controlplane/hub/store_schema.h"

#define STORE_SEALED_BYTES (24u + 32u + 16u) // nonce, secret, tag

struct store {
	sqlite3 *db;
	sqlite3_stmt *stmt[Q_COUNT];
	uint8_t key[STORE_KEY_BYTES];
	char error[256];
};

// A statement, bound and ready to be stepped. Types: i int64_t, t const char *, b const void * and
// size_t (a NULL pointer binds NULL). NULL on failure.
sqlite3_stmt *store_query(struct store *s, enum store_query q, const char *types, ...);

// Step once: 1 a row, 0 done, or an error. store_end() resets, whatever came before.
int store_step(struct store *s, sqlite3_stmt *st);
void store_end(sqlite3_stmt *st);

// Run a statement that gives no rows. *_one: -ENOENT when nothing was changed.
int store_run(struct store *s, sqlite3_stmt *st);
int store_run_one(struct store *s, sqlite3_stmt *st);

// Columns, copied with their length checked; what does not fit is an error (-EIO).
int store_col_bytes(sqlite3_stmt *st, int col, void *buf, size_t exact);
int store_col_blob(sqlite3_stmt *st, int col, void *buf, size_t cap, size_t *ret_len);
int store_col_text(sqlite3_stmt *st, int col, char *buf, size_t cap);

// Seal and open a 32-byte secret; `of` names its owner and is authenticated with it.
void store_seal(struct store *s, const char *table, const void *of, size_t of_len,
	const uint8_t secret[32], uint8_t ret_sealed[STORE_SEALED_BYTES]);
int store_unseal(struct store *s, const char *table, const void *of, size_t of_len,
	const uint8_t sealed[STORE_SEALED_BYTES], uint8_t ret_secret[32]);
