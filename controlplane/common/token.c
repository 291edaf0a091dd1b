// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/token.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "wire/bytes.h"

#define TOKEN_VERSION   1
#define CHECKSUM_BYTES  4u
#define TOKEN_BYTES_MAX 768u // of the decoded form; its text fits TOKEN_TEXT_MAX

static void checksum(const uint8_t *p, size_t len, uint8_t out[CHECKSUM_BYTES])
{
	uint8_t h[crypto_generichash_BYTES_MIN];

	crypto_generichash(h, sizeof(h), p, len, NULL, 0);
	memcpy(out, h, CHECKSUM_BYTES);
}

static void take_name(struct bytes_reader *r, char out[CONFIG_DNS_NAME_MAX + 1])
{
	size_t len = bytes_take_u8(r);
	const uint8_t *p = bytes_take(r, len);

	if (p == NULL || !config_name_valid((const char *)p, len)) {
		r->bad = true;
		return;
	}
	memcpy(out, p, len);
	out[len] = '\0';
}

static void take_endpoint(struct bytes_reader *r, struct config_endpoint *ep)
{
	const uint8_t *addr;

	ep->addr.family = bytes_take_u8(r);
	if (ep->addr.family != 4 && ep->addr.family != 6) {
		r->bad = true;
		return;
	}
	addr = bytes_take(r, ep->addr.family == 4 ? 4 : 16);
	if (addr != NULL)
		memcpy(ep->addr.bytes, addr, ep->addr.family == 4 ? 4 : 16);
	ep->port = bytes_take_le16(r);
	if (ep->port == 0)
		r->bad = true;
}

static int parse_bytes(const uint8_t *p, size_t len, struct token *t)
{
	struct bytes_reader r = bytes_reader(p, len);
	const uint8_t *fixed;

	bytes_take_u8(&r); // the version, which the caller has looked at
	fixed = bytes_take(&r, TOKEN_ID_BYTES + TOKEN_SECRET_BYTES + TOKEN_HASH_BYTES);
	if (fixed == NULL)
		return -EBADMSG;
	memcpy(t->id, fixed, TOKEN_ID_BYTES);
	memcpy(t->secret, fixed + TOKEN_ID_BYTES, TOKEN_SECRET_BYTES);
	memcpy(t->root_hash, fixed + TOKEN_ID_BYTES + TOKEN_SECRET_BYTES, TOKEN_HASH_BYTES);
	t->created = bytes_take_le32(&r);
	t->expires = bytes_take_le32(&r);
	t->udp2_port = bytes_take_le16(&r);
	take_name(&r, t->hub_name);
	take_name(&r, t->network);
	t->n_addresses = bytes_take_u8(&r);
	if (t->n_addresses == 0 || t->n_addresses > TOKEN_ADDRESSES_MAX)
		return -EBADMSG;
	for (unsigned i = 0; i < t->n_addresses && !r.bad; i++)
		take_endpoint(&r, &t->addresses[i]);
	return bytes_done(&r) ? 0 : -EBADMSG;
}

int token_parse(const char *text, size_t len, struct token *ret_token)
{
	static const size_t prefix = sizeof(TOKEN_PREFIX) - 1;
	uint8_t bytes[TOKEN_BYTES_MAX], sum[CHECKSUM_BYTES];
	size_t n = 0;
	int err;

	token_wipe(ret_token);
	while (len > 0 && isspace((unsigned char)text[0])) {
		text++;
		len--;
	}
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	if (len < prefix || memcmp(text, TOKEN_PREFIX, prefix) != 0)
		return -EPROTO;
	if (sodium_base642bin(bytes, sizeof(bytes), text + prefix, len - prefix, NULL, &n, NULL,
		    sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
		n <= CHECKSUM_BYTES) {
		err = -EILSEQ;
		goto wipe;
	}
	checksum(bytes, n - CHECKSUM_BYTES, sum);
	if (memcmp(sum, bytes + n - CHECKSUM_BYTES, CHECKSUM_BYTES) != 0)
		err = -EILSEQ;
	else if (bytes[0] != TOKEN_VERSION)
		err = -EPROTO;
	else
		err = parse_bytes(bytes, n - CHECKSUM_BYTES, ret_token);
wipe:
	sodium_memzero(bytes, sizeof(bytes));
	if (err < 0)
		token_wipe(ret_token);
	return err;
}

static void add_name(struct bytes_writer *w, const char *name)
{
	size_t len = strnlen(name, CONFIG_DNS_NAME_MAX + 1);

	if (!config_name_valid(name, len)) {
		w->bad = true;
		return;
	}
	bytes_add_u8(w, (uint8_t)len);
	bytes_add(w, name, len);
}

int token_format(const struct token *t, char *buf, size_t cap)
{
	static const size_t prefix = sizeof(TOKEN_PREFIX) - 1;
	uint8_t bytes[TOKEN_BYTES_MAX], sum[CHECKSUM_BYTES];
	struct bytes_writer w = bytes_writer(bytes, sizeof(bytes));
	int err = 0;

	if (t->n_addresses == 0 || t->n_addresses > TOKEN_ADDRESSES_MAX)
		return -EINVAL;
	bytes_add_u8(&w, TOKEN_VERSION);
	bytes_add(&w, t->id, sizeof(t->id));
	bytes_add(&w, t->secret, sizeof(t->secret));
	bytes_add(&w, t->root_hash, sizeof(t->root_hash));
	bytes_add_le32(&w, (uint32_t)t->created);
	bytes_add_le32(&w, (uint32_t)t->expires);
	bytes_add_le16(&w, t->udp2_port);
	add_name(&w, t->hub_name);
	add_name(&w, t->network);
	bytes_add_u8(&w, (uint8_t)t->n_addresses);
	for (unsigned i = 0; i < t->n_addresses; i++) {
		const struct config_endpoint *ep = &t->addresses[i];

		if ((ep->addr.family != 4 && ep->addr.family != 6) || ep->port == 0)
			w.bad = true;
		bytes_add_u8(&w, ep->addr.family);
		bytes_add(&w, ep->addr.bytes, ep->addr.family == 4 ? 4 : 16);
		bytes_add_le16(&w, ep->port);
	}
	if (w.bad) {
		err = -EINVAL;
		goto wipe;
	}
	checksum(bytes, w.len, sum);
	bytes_add(&w, sum, sizeof(sum));
	if (w.bad || cap < prefix + sodium_base64_ENCODED_LEN(
					    w.len, sodium_base64_VARIANT_URLSAFE_NO_PADDING)) {
		err = -ENOBUFS;
		goto wipe;
	}
	memcpy(buf, TOKEN_PREFIX, prefix);
	sodium_bin2base64(
		buf + prefix, cap - prefix, bytes, w.len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
wipe:
	sodium_memzero(bytes, sizeof(bytes));
	return err;
}

void token_wipe(struct token *token)
{
	sodium_memzero(token, sizeof(*token));
}
