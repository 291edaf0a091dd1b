// SPDX-License-Identifier: BSD-3-Clause
//
// What a hub remembers: gateways, tokens, certificates, intents, revocations, newest ts. SQLite in
// one file, write-ahead log, every commit on disk before it returns, so that what guards against
// replay is there before the message that uses it leaves.
//
// Secrets (gate secrets, token secrets) are sealed with XChaCha20-Poly1305 under a key that depends
// on the hub's identity: the file alone opens nothing. Text is UTF-8, times unix seconds, ts µs.
// Outputs are untouched on failure. Errors everywhere: -ENOENT: no such row; -EEXIST: a unique
// value is taken; -EIO: the database failed (store_error() says how); -EBADMSG: a sealed value does
// not open.
//
// Not thread safe: one owner per object; several objects on one file are fine. Floor 3.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/name.h"

#define STORE_VERSION    1
#define STORE_KEY_BYTES  32u
#define STORE_ADDR_TEXT  56u
#define STORE_NOTE_MAX   127u
#define STORE_SERIAL_MAX 20u
#define STORE_NAMES_MAX  64u
#define STORE_INTENT_MAX 690u
#define STORE_DER_MAX    900u

struct store;

// Open the file, make its tables where `create` is set.
//
// errors:  -ENOENT: no file and not create; -EPROTO: a newer version's; -EEXIST: create and it is
//          there; -EIO
int store_open(const char *path, bool create, const uint8_t key[STORE_KEY_BYTES],
	struct store **ret_store);
void store_close(struct store *s); // accepts NULL
const char *store_error(const struct store *s);

// A transaction that takes the write lock at once. Every begin ends in commit or rollback.
int store_begin(struct store *s);
int store_commit(struct store *s); // on failure it has been rolled back
void store_rollback(struct store *s);

// Small facts: the revocation list's number and the like; -ENOENT when never set.
int store_get_meta(struct store *s, const char *key, int64_t *ret_value);
int store_set_meta(struct store *s, const char *key, int64_t value);

// ---- gateways

struct store_gateway {
	int64_t id;
	char name[NAME_MAX_LEN + 1];
	uint8_t pk[32];
	uint8_t gate_secret[32]; // wipe after use
	uint64_t created;
	uint64_t revoked; // when; 0: not
	uint64_t last_seen;
	char last_addr[STORE_ADDR_TEXT];
	uint64_t m1_ts;     // newest seen
	uint64_t punch_ts;  // newest that was written; see knock.c
	uint64_t not_after; // of its newest certificate, 0 without one
};

int store_add_gateway(struct store *s, const char *name, const uint8_t pk[32],
	const uint8_t gate_secret[32], uint64_t now, int64_t *ret_id);
int store_find_gateway(struct store *s, const char *name, struct store_gateway *ret); // not revoked
int store_find_gateway_pk(struct store *s, const uint8_t pk[32], struct store_gateway *ret);
// Each gateway, ordered by name; without secrets unless asked. A non-zero return ends the walk and
// is returned.
int store_each_gateway(struct store *s, bool with_secrets, bool with_revoked,
	int (*each)(void *ctx, const struct store_gateway *g), void *ctx);
int store_count_gateways(struct store *s, unsigned *ret_n); // not revoked
int store_set_m1_ts(struct store *s, int64_t gateway, uint64_t ts);
int store_set_punch_ts(struct store *s, int64_t gateway, uint64_t ts);
int store_set_seen(struct store *s, int64_t gateway, const char *addr, uint64_t now);
int store_revoke_gateway(struct store *s, int64_t gateway, uint64_t now);

// ---- certificates

struct store_cert {
	int64_t gateway;
	uint8_t serial[STORE_SERIAL_MAX];
	size_t serial_len;
	uint8_t der[STORE_DER_MAX];
	size_t der_len;
	uint8_t spki[32];
	uint64_t not_before;
	uint64_t not_after;
	bool by_token; // issued at an enrolment, for token_id; else a renewal
	uint8_t token_id[16];
};

int store_add_cert(struct store *s, const struct store_cert *c, uint64_t now);
int store_newest_cert(struct store *s, int64_t gateway, struct store_cert *ret);
int store_find_cert(struct store *s, const uint8_t *serial, size_t len, struct store_cert *ret);
int store_each_cert(struct store *s, int64_t gateway, uint64_t now, // those that have not expired
	int (*each)(void *ctx, const struct store_cert *c), void *ctx);

// ---- revocations

struct store_revocation {
	uint8_t spki[32];
	uint8_t serial[STORE_SERIAL_MAX];
	size_t serial_len; // 0: the key as such
	uint64_t until;
};

int store_add_revocation(struct store *s, const struct store_revocation *r, uint64_t now);
int store_each_revocation(struct store *s, uint64_t now, // those that still matter
	int (*each)(void *ctx, const struct store_revocation *r), void *ctx);

// ---- tokens

struct store_token {
	uint8_t id[16];
	uint8_t secret[32]; // wipe after use
	uint64_t created;
	uint64_t expires;  // 0: never
	unsigned uses_max; // 0: any number
	unsigned uses;
	char note[STORE_NOTE_MAX + 1];
	unsigned n_names; // allowed names; 0: any below the network's
	char names[STORE_NAMES_MAX][NAME_MAX_LEN + 1];
};

int store_add_token(struct store *s, const struct store_token *t);
int store_find_token(struct store *s, const uint8_t id[16], struct store_token *ret);
int store_each_token(struct store *s, bool with_secrets,
	int (*each)(void *ctx, const struct store_token *t), void *ctx);
int store_use_token(struct store *s, const uint8_t id[16]); // uses + 1
int store_drop_token(struct store *s, const uint8_t id[16]);
// Remember an M1 under a token: -EEXIST when it was seen before. Those older than `before` are
// forgotten: their ts refuses them.
int store_token_seen(
	struct store *s, const uint8_t id[16], uint64_t ts, const uint8_t x[32], uint64_t before);

// ---- intents: the newest of each pair of names

enum store_intent_state {
	STORE_INTENT_OPEN = 0,    // waits for the other's
	STORE_INTENT_MATCHED = 1, // has served its one match
	STORE_INTENT_GONE = 2,    // withdrawn or expired; the row keeps the serial
};

struct store_intent {
	int64_t from; // gateway
	char from_name[NAME_MAX_LEN + 1];
	char to_name[NAME_MAX_LEN + 1];
	uint8_t hash[32];
	uint8_t body[STORE_INTENT_MAX];
	size_t len;
	uint64_t serial;
	uint64_t not_after;
	enum store_intent_state state;
	uint8_t other_hash[32]; // where matched
};

int store_put_intent(struct store *s, const struct store_intent *i); // replaces the pair's
int store_find_intent(struct store *s, int64_t from, const char *to, struct store_intent *ret);
int store_find_intent_hash(struct store *s, const uint8_t hash[32], struct store_intent *ret);
int store_match_intent(struct store *s, const uint8_t hash[32], const uint8_t other[32]);
int store_drop_intent(struct store *s, const uint8_t hash[32]);
int store_drop_intents_of(struct store *s, int64_t gateway);
// Of a gateway's intents that are gone keep the newest only, or withdrawing would escape the quota.
int store_prune_intents(struct store *s, int64_t gateway, unsigned keep);
int store_expire_intents(struct store *s, uint64_t now);
int store_count_intents(struct store *s, int64_t gateway, // 0: of all
	unsigned *ret_open, unsigned *ret_matched);
