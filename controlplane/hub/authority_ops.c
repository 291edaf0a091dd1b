// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/hub/authority_ops.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "controlplane/common/revocation.h"
#include "wire/record.h"

#define DAY_S       86400u
#define LIST_NUMBER "list_number"

__attribute__((format(printf, 3, 4))) static int refuse(
	struct authority_answer *a, uint16_t code, const char *fmt, ...)
{
	va_list ap;

	a->refusal = code;
	va_start(ap, fmt);
	vsnprintf(a->text, sizeof(a->text), fmt, ap);
	va_end(ap);
	return 0;
}

static bool below(const char *name, const char *network)
{
	size_t n = strlen(name), m = strlen(network);

	return n > m + 1 && name[n - m - 1] == '.' && strcmp(name + n - m, network) == 0;
}

static int issue(const struct authority_ops *ops, const char *name, const uint8_t pk[32],
	uint64_t now, struct store_cert *cert, struct authority_answer *a)
{
	struct authority_request req = {
		.name = name,
		.pk = pk,
		.role = X509_ROLE_GATEWAY,
		.not_before = now - AUTHORITY_BACKDATE_S,
		.not_after = now + (uint64_t)ops->leaf_days * DAY_S,
	};
	struct authority_error why;
	struct x509_facts facts;
	int err = authority_issue(ops->authority, &req, a->leaf, &a->leaf_len, &facts, &why);

	if (err == -EACCES || err == -EINVAL)
		return refuse(a, RECORD_E_NAME, "the name is not below \"%s\"", ops->network);
	if (err == -EKEYREJECTED)
		return refuse(a, RECORD_E_SIGNATURE, "the key is not one to certify");
	if (err < 0)
		return refuse(a, RECORD_E_UNAVAILABLE, "%s", why.text);
	a->not_before = facts.not_before;
	a->not_after = facts.not_after;
	cert->serial_len = facts.serial_len;
	memcpy(cert->serial, facts.serial, facts.serial_len);
	memcpy(cert->der, a->leaf, a->leaf_len);
	cert->der_len = a->leaf_len;
	memcpy(cert->spki, facts.spki_hash, sizeof(cert->spki));
	cert->not_before = facts.not_before;
	cert->not_after = facts.not_after;
	return 0;
}

static void answer_again(struct authority_answer *a, const struct store_cert *cert)
{
	memcpy(a->leaf, cert->der, cert->der_len);
	a->leaf_len = cert->der_len;
	a->not_before = cert->not_before;
	a->not_after = cert->not_after;
}

static bool name_allowed(const struct store_token *t, const char *name)
{
	if (t->n_names == 0)
		return true;
	for (unsigned i = 0; i < t->n_names; i++) {
		if (strcmp(t->names[i], name) == 0)
			return true;
	}
	return false;
}

static int check_token(
	const struct store_token *t, const char *name, uint64_t now, struct authority_answer *a)
{
	if (t->expires != 0 && now > t->expires)
		return refuse(a, RECORD_E_TOKEN_EXPIRED, "the token has expired");
	if (t->uses_max != 0 && t->uses >= t->uses_max)
		return refuse(a, RECORD_E_TOKEN_USED, "the token has no uses left");
	if (!name_allowed(t, name))
		return refuse(a, RECORD_E_NAME, "the token is for another name");
	return 0;
}

static int check_name(const struct authority_ops *ops, const char *name, struct authority_answer *a)
{
	struct store_gateway other;
	unsigned n = 0;
	int err;

	if (!below(name, ops->network))
		return refuse(a, RECORD_E_NAME, "the name is not below \"%s\"", ops->network);
	if (strcmp(name, ops->hub_name) == 0)
		return refuse(a, RECORD_E_NAME_TAKEN, "the name is the hub's own");
	err = store_find_gateway(ops->store, name, &other);
	sodium_memzero(other.gate_secret, sizeof(other.gate_secret));
	if (err == 0)
		return refuse(a, RECORD_E_NAME_TAKEN, "another key holds the name");
	if (err != -ENOENT)
		return err;
	err = store_count_gateways(ops->store, &n);
	if (err == 0 && n >= ops->gateways_max)
		return refuse(a, RECORD_E_LIMIT, "this hub takes no more than %u gateways",
			ops->gateways_max);
	return err;
}

// A key that the hub knows already: a lost answer, or a gateway that lost its files but its key.
static int enrol_known(const struct authority_ops *ops, const struct store_gateway *g,
	const struct store_token *t, const char *name, uint64_t now, struct authority_answer *a)
{
	struct store_cert cert = {0};
	int err;

	if (g->revoked != 0)
		return refuse(a, RECORD_E_REVOKED, "this key was revoked");
	if (strcmp(g->name, name) != 0)
		return refuse(a, RECORD_E_NAME, "this key is enrolled as %s", g->name);
	a->gateway = g->id;
	memcpy(a->gate_secret, g->gate_secret, sizeof(a->gate_secret));
	err = store_newest_cert(ops->store, g->id, &cert);
	if (err == 0 && cert.by_token && memcmp(cert.token_id, t->id, sizeof(t->id)) == 0 &&
		cert.not_after > now) {
		answer_again(a, &cert);
		return 0;
	}
	if (err != 0 && err != -ENOENT)
		return err;
	err = check_token(t, name, now, a);
	cert = (struct store_cert){.gateway = g->id, .by_token = true};
	memcpy(cert.token_id, t->id, sizeof(cert.token_id));
	if (err == 0 && a->refusal == 0)
		err = issue(ops, name, g->pk, now, &cert, a);
	if (err == 0 && a->refusal == 0)
		err = store_add_cert(ops->store, &cert, now);
	if (err == 0 && a->refusal == 0)
		err = store_use_token(ops->store, t->id);
	return err;
}

static int enrol_new(const struct authority_ops *ops, const struct store_token *t, const char *name,
	const uint8_t pk[32], uint64_t now, struct authority_answer *a)
{
	struct store_cert cert = {.by_token = true};
	int err = check_token(t, name, now, a);

	if (err == 0 && a->refusal == 0)
		err = check_name(ops, name, a);
	if (err == 0 && a->refusal == 0)
		err = issue(ops, name, pk, now, &cert, a);
	if (err < 0 || a->refusal != 0)
		return err;
	randombytes_buf(a->gate_secret, sizeof(a->gate_secret));
	err = store_add_gateway(ops->store, name, pk, a->gate_secret, now, &a->gateway);
	cert.gateway = a->gateway;
	memcpy(cert.token_id, t->id, sizeof(cert.token_id));
	if (err == 0)
		err = store_add_cert(ops->store, &cert, now);
	if (err == 0)
		err = store_use_token(ops->store, t->id);
	a->is_new_gateway = true;
	return err;
}

static int enrol_locked(const struct authority_ops *ops, const uint8_t token_id[16],
	const char *name, const uint8_t pk[32], uint64_t now, struct authority_answer *a)
{
	struct store_gateway g;
	struct store_token *t = calloc(1, sizeof(*t));
	int err;

	if (t == NULL)
		return -ENOMEM;
	err = store_find_token(ops->store, token_id, t);
	sodium_memzero(t->secret, sizeof(t->secret));
	if (err == -ENOENT) {
		free(t);
		return refuse(a, RECORD_E_TOKEN, "the token is not known any more");
	}
	if (err == 0) {
		err = store_find_gateway_pk(ops->store, pk, &g);
		if (err == 0)
			err = enrol_known(ops, &g, t, name, now, a);
		else if (err == -ENOENT)
			err = enrol_new(ops, t, name, pk, now, a);
		sodium_memzero(&g, sizeof(g));
	}
	free(t);
	return err;
}

int authority_enrol(const struct authority_ops *ops, const uint8_t token_id[16], const char *name,
	const uint8_t pk[32], uint64_t now, struct authority_answer *ret)
{
	int err;

	*ret = (struct authority_answer){0};
	// The write lock is taken before the token is read: two enrolments cannot both see its last
	// use.
	err = store_begin(ops->store);
	if (err < 0)
		return err;
	err = enrol_locked(ops, token_id, name, pk, now, ret);
	if (err == 0 && ret->refusal == 0)
		err = store_commit(ops->store);
	else
		store_rollback(ops->store);
	return err;
}

int authority_renew(const struct authority_ops *ops, const struct store_gateway *g, uint64_t now,
	struct authority_answer *ret)
{
	struct store_cert cert = {.gateway = g->id};
	int err;

	*ret = (struct authority_answer){.gateway = g->id};
	err = issue(ops, g->name, g->pk, now, &cert, ret);
	if (err == 0 && ret->refusal == 0)
		err = store_add_cert(ops->store, &cert, now);
	return err;
}

void authority_answer_wipe(struct authority_answer *a)
{
	sodium_memzero(a, sizeof(*a));
}

// ---- revocation

static int next_number(const struct authority_ops *ops)
{
	int64_t number = 0;
	int err = store_get_meta(ops->store, LIST_NUMBER, &number);

	if (err < 0 && err != -ENOENT)
		return err;
	return store_set_meta(ops->store, LIST_NUMBER, number + 1);
}

struct key_end {
	struct store_revocation entry;
	bool any;
};

static int note_cert(void *ctx, const struct store_cert *c)
{
	struct key_end *end = ctx;

	memcpy(end->entry.spki, c->spki, sizeof(c->spki));
	if (c->not_after > end->entry.until)
		end->entry.until = c->not_after;
	end->any = true;
	return 0;
}

static int revoke_gateway(
	const struct authority_ops *ops, const char *name, uint64_t now, int64_t *ret_gateway)
{
	struct key_end end = {0};
	struct store_gateway g;
	int err = store_find_gateway(ops->store, name, &g);

	sodium_memzero(g.gate_secret, sizeof(g.gate_secret));
	if (err == 0)
		err = store_each_cert(ops->store, g.id, now, note_cert, &end);
	// A gateway whose certificates have all expired needs no entry: nobody takes them anyway.
	if (err == 0 && end.any)
		err = store_add_revocation(ops->store, &end.entry, now);
	if (err == 0)
		err = store_revoke_gateway(ops->store, g.id, now);
	if (err == 0)
		err = next_number(ops);
	if (err == 0)
		*ret_gateway = g.id;
	return err;
}

static int revoke_cert(const struct authority_ops *ops, const uint8_t *serial, size_t len,
	uint64_t now, int64_t *ret_gateway)
{
	struct store_revocation entry = {.serial_len = len};
	struct store_cert cert;
	int err = store_find_cert(ops->store, serial, len, &cert);

	if (err < 0)
		return err;
	memcpy(entry.serial, cert.serial, cert.serial_len);
	entry.until = cert.not_after;
	err = store_add_revocation(ops->store, &entry, now);
	if (err == 0)
		err = next_number(ops);
	if (err == 0)
		*ret_gateway = cert.gateway;
	return err;
}

static int end_transaction(const struct authority_ops *ops, int err)
{
	if (err == 0)
		return store_commit(ops->store);
	store_rollback(ops->store);
	return err;
}

int authority_revoke_name(
	const struct authority_ops *ops, const char *name, uint64_t now, int64_t *ret_gateway)
{
	int err = store_begin(ops->store);

	return err < 0 ? err : end_transaction(ops, revoke_gateway(ops, name, now, ret_gateway));
}

int authority_revoke_serial(const struct authority_ops *ops, const uint8_t *serial, size_t len,
	uint64_t now, int64_t *ret_gateway)
{
	int err = store_begin(ops->store);

	return err < 0 ? err
		       : end_transaction(ops, revoke_cert(ops, serial, len, now, ret_gateway));
}

struct collect {
	struct revocation_entry *entries;
	size_t n;
};

static int collect_entry(void *ctx, const struct store_revocation *r)
{
	struct collect *c = ctx;
	struct revocation_entry *e = &c->entries[c->n];

	if (c->n == REVOCATION_ENTRIES_MAX)
		return -E2BIG;
	memcpy(e->spki_hash, r->spki, sizeof(e->spki_hash));
	memcpy(e->serial, r->serial, r->serial_len);
	e->serial_len = (uint8_t)r->serial_len;
	e->until = r->until;
	c->n++;
	return 0;
}

int authority_build_list(const struct authority_ops *ops, const uint8_t net_id[16], uint64_t now,
	uint8_t **ret_list, size_t *ret_len, uint64_t *ret_number)
{
	struct collect c = {.entries = calloc(REVOCATION_ENTRIES_MAX, sizeof(*c.entries))};
	uint8_t *buf = malloc(REVOCATION_BYTES_MAX);
	int64_t number = 0;
	size_t len = 0;
	int err = c.entries != NULL && buf != NULL ? 0 : -ENOMEM;

	if (err == 0)
		err = store_get_meta(ops->store, LIST_NUMBER, &number);
	// Nothing was ever revoked: there is no list to sign.
	if (err == -ENOENT) {
		free(c.entries);
		free(buf);
		*ret_list = NULL;
		*ret_len = 0;
		*ret_number = 0;
		return 0;
	}
	if (err == 0)
		err = store_each_revocation(ops->store, now, collect_entry, &c);
	if (err == 0)
		err = authority_revocations(ops->authority, c.entries, c.n, net_id,
			(uint64_t)number, now, buf, REVOCATION_BYTES_MAX, &len);
	free(c.entries);
	if (err < 0) {
		free(buf);
		return err;
	}
	*ret_list = buf;
	*ret_len = len;
	*ret_number = (uint64_t)number;
	return 0;
}
