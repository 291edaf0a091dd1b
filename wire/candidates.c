// SPDX-License-Identifier: BSD-3-Clause
#include "wire/candidates.h"

#include <errno.h>
#include <stdbool.h>

#include "wire/bytes.h"

// An address that a datagram can be sent to over a WAN. Refusing the rest keeps a peer (the list is
// sealed, so it is always a peer) from pointing this gateway at itself or at a group.
static bool addr4_ok(const uint8_t a[16])
{
	return a[0] != 0 && a[0] != 127 && a[0] < 224 && bytes_are_zero(a + 4, 12);
}

static bool addr6_ok(const uint8_t a[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool loopback_or_none = bytes_are_zero(a, 15) && a[15] <= 1;

	return !loopback_or_none && a[0] != 0xff && memcmp(a, mapped, sizeof(mapped)) != 0;
}

bool candidate_ok(const struct candidate *c)
{
	if (c->port == 0 || c->kind < CANDIDATE_LOCAL || c->kind > CANDIDATE_RELAY)
		return false;
	switch (c->family) {
	case 4:
		return addr4_ok(c->addr);
	case 6:
		return addr6_ok(c->addr);
	}
	return false;
}

int candidates_parse(const void *p, size_t len, struct candidates *ret)
{
	struct bytes_reader r = bytes_reader(p, len);
	struct candidates c = {0};
	uint8_t version = bytes_take_u8(&r);

	c.n = bytes_take_u8(&r);
	bytes_take_zero(&r, 6);
	c.ts_us = bytes_take_le64(&r);
	if (r.bad || len != CANDIDATES_LEN || version != CANDIDATES_VERSION || c.n > CANDIDATES_MAX)
		return -EBADMSG;
	for (unsigned i = 0; i < c.n; i++) {
		struct candidate *e = &c.list[i];

		e->family = bytes_take_u8(&r);
		e->kind = bytes_take_u8(&r);
		e->port = bytes_take_le16(&r);
		e->priority = bytes_take_le32(&r);
		memcpy(e->addr, bytes_take(&r, sizeof(e->addr)), sizeof(e->addr));
		if (!candidate_ok(e))
			return -EBADMSG;
	}
	bytes_take_zero(&r, r.left);
	if (!bytes_done(&r))
		return -EBADMSG;
	*ret = c;
	return 0;
}

int candidates_build(const struct candidates *c, uint8_t out[CANDIDATES_LEN])
{
	struct bytes_writer w = bytes_writer(out, CANDIDATES_LEN);

	if (c->n > CANDIDATES_MAX)
		return -EINVAL;
	bytes_add_u8(&w, CANDIDATES_VERSION);
	bytes_add_u8(&w, (uint8_t)c->n);
	bytes_add_zero(&w, 6);
	bytes_add_le64(&w, c->ts_us);
	for (unsigned i = 0; i < c->n; i++) {
		const struct candidate *e = &c->list[i];

		if (!candidate_ok(e))
			return -EINVAL;
		bytes_add_u8(&w, e->family);
		bytes_add_u8(&w, e->kind);
		bytes_add_le16(&w, e->port);
		bytes_add_le32(&w, e->priority);
		bytes_add(&w, e->addr, sizeof(e->addr));
	}
	bytes_add_zero(&w, CANDIDATES_LEN - w.len);
	return 0;
}
