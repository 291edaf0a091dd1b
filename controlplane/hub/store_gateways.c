// SPDX-License-Identifier: BSD-3-Clause
//
// The store's gateways, certificates and revocations.
#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "controlplane/hub/store_priv.h"

// ---- gateways

static int gateway_row(
	struct store *s, sqlite3_stmt *st, bool with_secret, struct store_gateway *ret)
{
	struct store_gateway g = {.id = sqlite3_column_int64(st, 0)};
	uint8_t sealed[STORE_SEALED_BYTES];
	int err = store_col_text(st, 1, g.name, sizeof(g.name));

	if (err == 0)
		err = store_col_bytes(st, 2, g.pk, sizeof(g.pk));
	if (err == 0 && with_secret) {
		err = store_col_bytes(st, 3, sealed, sizeof(sealed));
		if (err == 0)
			err = store_unseal(
				s, "gateways", g.pk, sizeof(g.pk), sealed, g.gate_secret);
	}
	g.created = (uint64_t)sqlite3_column_int64(st, 4);
	g.revoked = (uint64_t)sqlite3_column_int64(st, 5);
	g.last_seen = (uint64_t)sqlite3_column_int64(st, 6);
	if (err == 0)
		err = store_col_text(st, 7, g.last_addr, sizeof(g.last_addr));
	g.m1_ts = (uint64_t)sqlite3_column_int64(st, 8);
	g.punch_ts = (uint64_t)sqlite3_column_int64(st, 9);
	g.not_after = (uint64_t)sqlite3_column_int64(st, 10);
	if (err == 0)
		*ret = g;
	sodium_memzero(g.gate_secret, sizeof(g.gate_secret));
	return err;
}

static int one_gateway(struct store *s, sqlite3_stmt *st, struct store_gateway *ret)
{
	int got = store_step(s, st);

	if (got == 0)
		got = -ENOENT;
	else if (got == 1)
		got = gateway_row(s, st, true, ret);
	store_end(st);
	return got;
}

int store_add_gateway(struct store *s, const char *name, const uint8_t pk[32],
	const uint8_t gate_secret[32], uint64_t now, int64_t *ret_id)
{
	uint8_t sealed[STORE_SEALED_BYTES];
	int err;

	store_seal(s, "gateways", pk, 32, gate_secret, sealed);
	err = store_run(s, store_query(s, Q_GATEWAY_ADD, "tbbi", name, pk, (size_t)32, sealed,
				   sizeof(sealed), (int64_t)now));
	if (err == 0)
		*ret_id = sqlite3_last_insert_rowid(s->db);
	return err;
}

int store_find_gateway(struct store *s, const char *name, struct store_gateway *ret)
{
	return one_gateway(s, store_query(s, Q_GATEWAY_BY_NAME, "t", name), ret);
}

int store_find_gateway_pk(struct store *s, const uint8_t pk[32], struct store_gateway *ret)
{
	return one_gateway(s, store_query(s, Q_GATEWAY_BY_PK, "b", pk, (size_t)32), ret);
}

int store_each_gateway(struct store *s, bool with_secrets, bool with_revoked,
	int (*each)(void *ctx, const struct store_gateway *g), void *ctx)
{
	sqlite3_stmt *st = store_query(s, Q_GATEWAY_EACH, "i", (int64_t)with_revoked);
	struct store_gateway g = {0};
	int got;

	while ((got = store_step(s, st)) == 1) {
		got = gateway_row(s, st, with_secrets, &g);
		if (got == 0)
			got = each(ctx, &g);
		if (got != 0)
			break;
	}
	store_end(st);
	sodium_memzero(&g, sizeof(g));
	return got;
}

int store_count_gateways(struct store *s, unsigned *ret_n)
{
	sqlite3_stmt *st = store_query(s, Q_GATEWAY_COUNT, "");
	int got = store_step(s, st);

	if (got == 1)
		*ret_n = (unsigned)sqlite3_column_int64(st, 0);
	store_end(st);
	return got == 1 ? 0 : -EIO;
}

int store_set_m1_ts(struct store *s, int64_t gateway, uint64_t ts)
{
	return store_run_one(s, store_query(s, Q_GATEWAY_M1, "ii", (int64_t)ts, gateway));
}

int store_set_punch_ts(struct store *s, int64_t gateway, uint64_t ts)
{
	return store_run_one(s, store_query(s, Q_GATEWAY_PUNCH, "ii", (int64_t)ts, gateway));
}

int store_set_seen(struct store *s, int64_t gateway, const char *addr, uint64_t now)
{
	return store_run_one(s, store_query(s, Q_GATEWAY_SEEN, "tii", addr, (int64_t)now, gateway));
}

int store_revoke_gateway(struct store *s, int64_t gateway, uint64_t now)
{
	return store_run_one(s, store_query(s, Q_GATEWAY_REVOKE, "ii", (int64_t)now, gateway));
}

// ---- certificates

static int cert_row(sqlite3_stmt *st, struct store_cert *ret)
{
	struct store_cert c = {.gateway = sqlite3_column_int64(st, 0)};
	int err = store_col_blob(st, 1, c.serial, sizeof(c.serial), &c.serial_len);

	if (err == 0)
		err = store_col_blob(st, 2, c.der, sizeof(c.der), &c.der_len);
	if (err == 0)
		err = store_col_bytes(st, 3, c.spki, sizeof(c.spki));
	c.not_before = (uint64_t)sqlite3_column_int64(st, 4);
	c.not_after = (uint64_t)sqlite3_column_int64(st, 5);
	c.by_token = sqlite3_column_type(st, 6) != SQLITE_NULL;
	if (err == 0 && c.by_token)
		err = store_col_bytes(st, 6, c.token_id, sizeof(c.token_id));
	if (err == 0)
		*ret = c;
	return err;
}

static int one_cert(struct store *s, sqlite3_stmt *st, struct store_cert *ret)
{
	int got = store_step(s, st);

	if (got == 0)
		got = -ENOENT;
	else if (got == 1)
		got = cert_row(st, ret);
	store_end(st);
	return got;
}

int store_add_cert(struct store *s, const struct store_cert *c, uint64_t now)
{
	return store_run(s, store_query(s, Q_CERT_ADD, "bibbiiib", c->serial, c->serial_len,
				    c->gateway, c->der, c->der_len, c->spki, sizeof(c->spki),
				    (int64_t)c->not_before, (int64_t)c->not_after, (int64_t)now,
				    c->by_token ? c->token_id : NULL, sizeof(c->token_id)));
}

int store_newest_cert(struct store *s, int64_t gateway, struct store_cert *ret)
{
	return one_cert(s, store_query(s, Q_CERT_NEWEST, "i", gateway), ret);
}

int store_find_cert(struct store *s, const uint8_t *serial, size_t len, struct store_cert *ret)
{
	return one_cert(s, store_query(s, Q_CERT_FIND, "b", serial, len), ret);
}

int store_each_cert(struct store *s, int64_t gateway, uint64_t now,
	int (*each)(void *ctx, const struct store_cert *c), void *ctx)
{
	sqlite3_stmt *st = store_query(s, Q_CERT_EACH, "ii", gateway, (int64_t)now);
	struct store_cert c;
	int got;

	while ((got = store_step(s, st)) == 1) {
		got = cert_row(st, &c);
		if (got == 0)
			got = each(ctx, &c);
		if (got != 0)
			break;
	}
	store_end(st);
	return got;
}

// ---- revocations

int store_add_revocation(struct store *s, const struct store_revocation *r, uint64_t now)
{
	return store_run(s, store_query(s, Q_REVOKE_ADD, "bbii", r->spki, sizeof(r->spki),
				    r->serial, r->serial_len, (int64_t)r->until, (int64_t)now));
}

int store_each_revocation(struct store *s, uint64_t now,
	int (*each)(void *ctx, const struct store_revocation *r), void *ctx)
{
	sqlite3_stmt *st = store_query(s, Q_REVOKE_EACH, "i", (int64_t)now);
	int got;

	while ((got = store_step(s, st)) == 1) {
		struct store_revocation r = {.until = (uint64_t)sqlite3_column_int64(st, 2)};

		got = store_col_bytes(st, 0, r.spki, sizeof(r.spki));
		if (got == 0)
			got = store_col_blob(st, 1, r.serial, sizeof(r.serial), &r.serial_len);
		if (got == 0)
			got = each(ctx, &r);
		if (got != 0)
			break;
	}
	store_end(st);
	return got;
}
