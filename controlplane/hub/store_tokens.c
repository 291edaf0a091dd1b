// SPDX-License-Identifier: BSD-3-Clause
//
// The store's tokens.
#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "controlplane/hub/store_priv.h"

static int load_names(struct store *s, struct store_token *t)
{
	sqlite3_stmt *st = store_query(s, Q_TOKEN_NAMES, "b", t->id, sizeof(t->id));
	int got;

	t->n_names = 0;
	while ((got = store_step(s, st)) == 1) {
		if (t->n_names == STORE_NAMES_MAX ||
			store_col_text(st, 0, t->names[t->n_names], sizeof(t->names[0])) < 0) {
			got = -EIO;
			break;
		}
		t->n_names++;
	}
	store_end(st);
	return got;
}

static int token_row(struct store *s, sqlite3_stmt *st, bool with_secret, struct store_token *t)
{
	uint8_t sealed[STORE_SEALED_BYTES];
	int err = store_col_bytes(st, 0, t->id, sizeof(t->id));

	sodium_memzero(t->secret, sizeof(t->secret));
	if (err == 0 && with_secret) {
		err = store_col_bytes(st, 1, sealed, sizeof(sealed));
		if (err == 0)
			err = store_unseal(s, "tokens", t->id, sizeof(t->id), sealed, t->secret);
	}
	t->created = (uint64_t)sqlite3_column_int64(st, 2);
	t->expires = (uint64_t)sqlite3_column_int64(st, 3);
	t->uses_max = (unsigned)sqlite3_column_int64(st, 4);
	t->uses = (unsigned)sqlite3_column_int64(st, 5);
	if (err == 0)
		err = store_col_text(st, 6, t->note, sizeof(t->note));
	if (err == 0)
		err = load_names(s, t);
	return err;
}

int store_add_token(struct store *s, const struct store_token *t)
{
	uint8_t sealed[STORE_SEALED_BYTES];
	int err;

	store_seal(s, "tokens", t->id, sizeof(t->id), t->secret, sealed);
	err = store_run(s, store_query(s, Q_TOKEN_ADD, "bbiiiit", t->id, sizeof(t->id), sealed,
				   sizeof(sealed), (int64_t)t->created, (int64_t)t->expires,
				   (int64_t)t->uses_max, (int64_t)t->uses, t->note));
	for (unsigned i = 0; i < t->n_names && err == 0; i++)
		err = store_run(s,
			store_query(s, Q_TOKEN_NAME_ADD, "bt", t->id, sizeof(t->id), t->names[i]));
	return err;
}

int store_find_token(struct store *s, const uint8_t id[16], struct store_token *ret)
{
	sqlite3_stmt *st = store_query(s, Q_TOKEN_FIND, "b", id, (size_t)16);
	int got = store_step(s, st);

	if (got == 0)
		got = -ENOENT;
	else if (got == 1)
		got = token_row(s, st, true, ret);
	store_end(st);
	return got;
}

int store_each_token(struct store *s, bool with_secrets,
	int (*each)(void *ctx, const struct store_token *t), void *ctx)
{
	sqlite3_stmt *st = store_query(s, Q_TOKEN_EACH, "");
	static _Thread_local struct store_token t; // 16 KiB of names
	int got;

	while ((got = store_step(s, st)) == 1) {
		got = token_row(s, st, with_secrets, &t);
		if (got == 0)
			got = each(ctx, &t);
		if (got != 0)
			break;
	}
	store_end(st);
	sodium_memzero(t.secret, sizeof(t.secret));
	return got;
}

int store_use_token(struct store *s, const uint8_t id[16])
{
	return store_run_one(s, store_query(s, Q_TOKEN_USE, "b", id, (size_t)16));
}

int store_drop_token(struct store *s, const uint8_t id[16])
{
	return store_run_one(s, store_query(s, Q_TOKEN_DROP, "b", id, (size_t)16));
}

int store_token_seen(
	struct store *s, const uint8_t id[16], uint64_t ts, const uint8_t x[32], uint64_t before)
{
	int err = store_run(s, store_query(s, Q_TOKEN_FORGET, "i", (int64_t)before));

	if (err == 0)
		err = store_run(s, store_query(s, Q_TOKEN_SEEN, "bib", id, (size_t)16, (int64_t)ts,
					   x, (size_t)32));
	return err;
}
