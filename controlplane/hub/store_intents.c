// SPDX-License-Identifier: BSD-3-Clause
//
// The store's intents: the newest of each (sender, to) and what became of it.
#include <errno.h>
#include <string.h>

#include "controlplane/hub/store_priv.h"

static int intent_row(sqlite3_stmt *st, struct store_intent *ret)
{
	struct store_intent i = {.from = sqlite3_column_int64(st, 0)};
	size_t other_len = 0;
	int err = store_col_text(st, 1, i.from_name, sizeof(i.from_name));

	if (err == 0)
		err = store_col_text(st, 2, i.to_name, sizeof(i.to_name));
	if (err == 0)
		err = store_col_bytes(st, 3, i.hash, sizeof(i.hash));
	if (err == 0)
		err = store_col_blob(st, 4, i.body, sizeof(i.body), &i.len);
	i.serial = (uint64_t)sqlite3_column_int64(st, 5);
	i.not_after = (uint64_t)sqlite3_column_int64(st, 6);
	i.state = (enum store_intent_state)sqlite3_column_int(st, 7);
	if (err == 0)
		err = store_col_blob(st, 8, i.other_hash, sizeof(i.other_hash), &other_len);
	if (err == 0)
		*ret = i;
	return err;
}

static int one_intent(struct store *s, sqlite3_stmt *st, struct store_intent *ret)
{
	int got = store_step(s, st);

	if (got == 0)
		got = -ENOENT;
	else if (got == 1)
		got = intent_row(st, ret);
	store_end(st);
	return got;
}

int store_put_intent(struct store *s, const struct store_intent *i)
{
	return store_run(s, store_query(s, Q_INTENT_PUT, "itbbiii", i->from, i->to_name, i->hash,
				    sizeof(i->hash), i->body, i->len, (int64_t)i->serial,
				    (int64_t)i->not_after, (int64_t)i->state));
}

int store_find_intent(struct store *s, int64_t from, const char *to, struct store_intent *ret)
{
	return one_intent(s, store_query(s, Q_INTENT_FIND, "it", from, to), ret);
}

int store_find_intent_hash(struct store *s, const uint8_t hash[32], struct store_intent *ret)
{
	return one_intent(s, store_query(s, Q_INTENT_BY_HASH, "b", hash, (size_t)32), ret);
}

int store_match_intent(struct store *s, const uint8_t hash[32], const uint8_t other[32])
{
	return store_run_one(
		s, store_query(s, Q_INTENT_MATCH, "bb", other, (size_t)32, hash, (size_t)32));
}

int store_drop_intent(struct store *s, const uint8_t hash[32])
{
	return store_run_one(s, store_query(s, Q_INTENT_DROP, "b", hash, (size_t)32));
}

int store_drop_intents_of(struct store *s, int64_t gateway)
{
	return store_run(s, store_query(s, Q_INTENT_DROP_OF, "i", gateway));
}

int store_prune_intents(struct store *s, int64_t gateway, unsigned keep)
{
	return store_run(s, store_query(s, Q_INTENT_PRUNE, "ii", gateway, (int64_t)keep));
}

int store_expire_intents(struct store *s, uint64_t now)
{
	return store_run(s, store_query(s, Q_INTENT_EXPIRE, "i", (int64_t)now));
}

int store_count_intents(struct store *s, int64_t gateway, unsigned *ret_open, unsigned *ret_matched)
{
	sqlite3_stmt *st = store_query(s, Q_INTENT_COUNT, "i", gateway);
	int got = store_step(s, st);

	if (got == 1) {
		*ret_open = (unsigned)sqlite3_column_int64(st, 0);
		*ret_matched = (unsigned)sqlite3_column_int64(st, 1);
	}
	store_end(st);
	return got == 1 ? 0 : -EIO;
}
