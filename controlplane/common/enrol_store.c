// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/enrol.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "controlplane/common/atomic_file.h"
#include "controlplane/common/enrol_store.h"
#include "controlplane/common/linkcert.h"
#include "controlplane/common/statefile.h"
#include "wire/bytes.h"
#include "wire/record.h"

#define STATE_VERSION   1
#define STATE_BYTES_MAX 2048

int enrol_path(char buf[ENROL_PATH_MAX], const char *dir, const char *file)
{
	int n = snprintf(buf, ENROL_PATH_MAX, "%s/%s", dir, file);

	return n > 0 && n < (int)ENROL_PATH_MAX ? 0 : -ENAMETOOLONG;
}

// ---- hub.state, the blob

static void add_name(struct bytes_writer *w, const char *name)
{
	size_t len = strlen(name);

	bytes_add_u8(w, (uint8_t)len);
	bytes_add(w, name, len);
}

static size_t state_build(const struct enrol_state *s, uint8_t *buf, size_t cap)
{
	struct bytes_writer w = bytes_writer(buf, cap);

	bytes_add_u8(&w, STATE_VERSION);
	bytes_add(&w, s->net_id, sizeof(s->net_id));
	bytes_add(&w, s->gate_secret, sizeof(s->gate_secret));
	add_name(&w, s->name);
	add_name(&w, s->network);
	add_name(&w, s->hub_name);
	bytes_add_le16(&w, s->udp2_port);
	bytes_add_u8(&w, (uint8_t)s->n_addresses);
	for (unsigned i = 0; i < s->n_addresses; i++) {
		bytes_add_u8(&w, s->addresses[i].addr.family);
		bytes_add(&w, s->addresses[i].addr.bytes, 16);
		bytes_add_le16(&w, s->addresses[i].port);
	}
	return w.bad ? 0 : w.len;
}

static void take_name(struct bytes_reader *r, char name[X509_NAME_BYTES_MAX + 1])
{
	size_t len = bytes_take_u8(r);
	const uint8_t *p = bytes_take(r, len);

	if (p == NULL || !x509_name_ok((const char *)p, len)) {
		r->bad = true;
		return;
	}
	memcpy(name, p, len);
	name[len] = '\0';
}

static int state_parse(const uint8_t *p, size_t len, struct enrol_state *s)
{
	struct bytes_reader r = bytes_reader(p, len);
	const uint8_t *at;

	if (bytes_take_u8(&r) != STATE_VERSION)
		return -EBADMSG;
	at = bytes_take(&r, sizeof(s->net_id) + sizeof(s->gate_secret));
	if (at == NULL)
		return -EBADMSG;
	memcpy(s->net_id, at, sizeof(s->net_id));
	memcpy(s->gate_secret, at + sizeof(s->net_id), sizeof(s->gate_secret));
	take_name(&r, s->name);
	take_name(&r, s->network);
	take_name(&r, s->hub_name);
	s->udp2_port = bytes_take_le16(&r);
	s->n_addresses = bytes_take_u8(&r);
	if (s->n_addresses == 0 || s->n_addresses > ENROL_ADDRESSES_MAX)
		return -EBADMSG;
	for (unsigned i = 0; i < s->n_addresses; i++) {
		s->addresses[i].addr.family = bytes_take_u8(&r);
		at = bytes_take(&r, 16);
		if (at != NULL)
			memcpy(s->addresses[i].addr.bytes, at, 16);
		s->addresses[i].port = bytes_take_le16(&r);
	}
	return bytes_done(&r) ? 0 : -EBADMSG;
}

// ---- files

int enrol_store_chain(const char *dir, const uint8_t *chain, size_t len)
{
	char path[ENROL_PATH_MAX];
	struct der_list list;
	int err = der_list_parse(chain, len, &list);

	if (err == 0)
		err = enrol_path(path, dir, ENROL_FILE_CHAIN);
	if (err == 0)
		err = atomic_file_write(path, chain, len, NULL);
	// chain.der is what is loaded; cert.der is a copy for people and their tools.
	if (err == 0)
		err = enrol_path(path, dir, ENROL_FILE_CERT);
	if (err == 0)
		err = atomic_file_write(path, list.cert[0].der, list.cert[0].len, NULL);
	return err;
}

int enrol_store_state(const char *dir, const uint8_t secret[32], const struct enrol_state *s)
{
	char path[ENROL_PATH_MAX];
	uint8_t blob[STATE_BYTES_MAX];
	struct statefile sf = {0};
	size_t len = state_build(s, blob, sizeof(blob));
	int err = len > 0 ? enrol_path(path, dir, ENROL_FILE_STATE) : -EINVAL;

	if (err == 0)
		err = statefile_init(&sf, path, "hub", secret, NULL);
	if (err == 0) {
		err = statefile_store(&sf, blob, len);
		statefile_fini(&sf);
	}
	sodium_memzero(blob, sizeof(blob));
	return err;
}

static int load_state(const char *dir, const uint8_t secret[32], struct enrol_state *s)
{
	char path[ENROL_PATH_MAX];
	uint8_t blob[STATE_BYTES_MAX];
	struct statefile sf = {0};
	size_t len;
	int err = enrol_path(path, dir, ENROL_FILE_STATE);

	if (err == 0)
		err = statefile_init(&sf, path, "hub", secret, NULL);
	if (err < 0)
		return err;
	err = statefile_load(&sf, blob, sizeof(blob), &len);
	statefile_fini(&sf);
	if (err == 0)
		err = state_parse(blob, len, s);
	sodium_memzero(blob, sizeof(blob));
	return err;
}

static int load_chain(const char *dir, struct enrol_state *s)
{
	char path[ENROL_PATH_MAX];
	struct der_list list;
	int err = enrol_path(path, dir, ENROL_FILE_CHAIN);

	if (err == 0)
		err = atomic_file_read(
			path, ATOMIC_FILE_PUBLIC, s->chain, sizeof(s->chain), &s->chain_len, NULL);
	if (err == 0 && (der_list_parse(s->chain, s->chain_len, &list) < 0 || list.n < 3))
		err = -EBADMSG;
	return err;
}

int enrol_load(const char *dir, const uint8_t secret[32], struct enrol_state *ret_state)
{
	struct enrol_state s = {0};
	int err = load_state(dir, secret, &s);

	if (err == 0)
		err = load_chain(dir, &s);
	if (err == 0)
		*ret_state = s;
	sodium_memzero(&s, sizeof(s));
	return err;
}

void enrol_state_wipe(struct enrol_state *state)
{
	sodium_memzero(state, sizeof(*state));
}

// ---- certificates that came in a CERT record

int enrol_check_chain(const struct x509_trust *trust, const struct der_list *list, const char *name,
	const uint8_t pk[32], uint64_t now_s, struct x509_facts *ret_facts,
	enum x509_refusal *ret_why)
{
	const uint8_t *root_hash = x509_trust_root_hash(trust);
	uint8_t hash[X509_HASH_BYTES];

	*ret_why = linkcert_verify(trust, list, name, X509_ROLE_GATEWAY, now_s, ret_facts);
	if (*ret_why != X509_OK)
		return -EKEYREJECTED;
	if (sodium_memcmp(ret_facts->pk, pk, 32) != 0)
		return -EKEYREJECTED;
	// The root is stored with the chain and pinned from there, so it must be the very one.
	crypto_generichash(hash, sizeof(hash), list->cert[list->n - 1].der,
		list->cert[list->n - 1].len, NULL, 0);
	return sodium_memcmp(hash, root_hash, sizeof(hash)) == 0 ? 0 : -EKEYREJECTED;
}

int enrol_accept_renewal(const char *state_dir, const struct x509_trust *trust,
	const uint8_t pk[32], uint64_t now_s, const uint8_t *body, size_t len,
	struct enrol_state *state)
{
	struct x509_facts facts, held;
	struct der_list old;
	enum x509_refusal why;
	struct record r;
	uint8_t chain[DER_LIST_MAX_LEN];
	size_t chain_len;
	int err;

	if (record_parse(RECORD_CERT, body, len, &r) < 0)
		return -EBADMSG;
	err = enrol_check_chain(trust, &r.cert.chain, state->name, pk, now_s, &facts, &why);
	if (err < 0)
		return err;
	if (der_list_parse(state->chain, state->chain_len, &old) == 0 &&
		x509_inspect(old.cert[0].der, old.cert[0].len, &held) == X509_OK &&
		facts.not_after < held.not_after)
		return -ESTALE;
	chain_len = der_list_build(&r.cert.chain, chain, sizeof(chain));
	if (chain_len == 0)
		return -EBADMSG;
	err = enrol_store_chain(state_dir, chain, chain_len);
	if (err < 0)
		return err;
	memcpy(state->chain, chain, chain_len);
	state->chain_len = chain_len;
	return 0;
}
