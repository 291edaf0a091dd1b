// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/cookie.h"

#include <sodium.h>
#include <string.h>

#include "controlplane/common/keysched.h"
#include "wire/bytes.h"

static void make_cookie(const uint8_t secret[32], const struct pair *p,
	const struct cookie_source *from, uint8_t cookie[COOKIE_LEN])
{
	uint8_t source[1 + 16 + 2] = {from->family};
	const struct keysched_part parts[] = {{source, sizeof(source)}, {p->th0, PAIR_HASH_LEN}};

	memcpy(source + 1, from->addr, 16);
	put_le16(source + 17, from->port);
	keysched_hash(cookie, COOKIE_LEN, secret, 32, "cookie", parts, 2);
}

void cookie_init(struct cookie_jar *jar, uint64_t mono_s, const uint8_t rnd[32])
{
	*jar = (struct cookie_jar){0};
	cookie_rotate(jar, mono_s, rnd);
}

bool cookie_rotation_due(const struct cookie_jar *jar, uint64_t mono_s)
{
	return mono_s + 1 - jar->made_s[0] >= COOKIE_LIFE_S;
}

void cookie_rotate(struct cookie_jar *jar, uint64_t mono_s, const uint8_t rnd[32])
{
	memcpy(jar->secret[1], jar->secret[0], 32);
	jar->made_s[1] = jar->made_s[0];
	memcpy(jar->secret[0], rnd, 32);
	jar->made_s[0] = mono_s + 1; // + 1 so that a clock of 0 is not "none"
}

void cookie_wipe(struct cookie_jar *jar)
{
	sodium_memzero(jar, sizeof(*jar));
}

void cookie_build_retry(const struct cookie_jar *jar, const struct pair *p,
	const struct cookie_source *from, const struct pkt_m1 *m1, uint64_t now_s,
	struct pkt_retry *ret)
{
	*ret = (struct pkt_retry){
		.hs = {.type = PKT_TYPE_RETRY,
			.len = PKT_RETRY_LEN,
			.key_id = m1->hs.key_id,
			.ts = m1->hs.ts},
	};
	pair_tag(p, PAIR_S2C, pair_slot(now_s), ret->hs.tag);
	make_cookie(jar->secret[0], p, from, ret->cookie);
	pair_mac(p, PAIR_MAC_M2, ret, offsetof(struct pkt_retry, mac1), ret->mac1);
}

bool cookie_m1_ok(const struct cookie_jar *jar, const struct pair *p,
	const struct cookie_source *from, const struct pkt_m1 *m1, uint64_t mono_s)
{
	const struct keysched_part covered[] = {{m1, PKT_M1_MAC2_OFF}};
	bool ok = false;

	for (unsigned i = 0; i < 2; i++) {
		uint8_t cookie[COOKIE_LEN];
		uint8_t mac2[PKT_MAC_LEN];

		if (jar->made_s[i] == 0 || mono_s + 1 - jar->made_s[i] >= 2 * COOKIE_LIFE_S)
			continue;
		make_cookie(jar->secret[i], p, from, cookie);
		keysched_hash(mac2, sizeof(mac2), cookie, sizeof(cookie), NULL, covered, 1);
		ok |= sodium_memcmp(mac2, m1->mac2, sizeof(mac2)) == 0;
		sodium_memzero(cookie, sizeof(cookie));
	}
	return ok;
}
