// SPDX-License-Identifier: BSD-3-Clause
//
// Which intents to believe. Every check is the gateway's own; the hub that carries them is not
// trusted.
#include "controlplane/common/pair.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "controlplane/common/keysched.h"
#include "wire/bytes.h"

static enum pair_intent_verdict check_parties(
	const struct intent *i, const struct pair_intent_expect *e)
{
	if (memcmp(i->net_id, e->net_id, PAIR_NET_ID_LEN) != 0)
		return PAIR_INTENT_NETWORK;
	if (e->me != NULL && !name_equals(i->to, i->to_len, e->me))
		return PAIR_INTENT_NOT_FOR_ME;
	if (!name_equals(i->from, i->from_len, e->from))
		return PAIR_INTENT_NOT_WANTED;
	if (memcmp(i->cert_hash, e->cert_hash, PAIR_HASH_LEN) != 0)
		return PAIR_INTENT_CERT_HASH;
	return PAIR_INTENT_OK;
}

static enum pair_intent_verdict check_times(
	const struct intent *i, const struct pair_intent_expect *e)
{
	// now + skew cannot wrap: now is a clock, the addend small; the intent's own numbers can.
	if (e->now_s + INTENT_SKEW_S < i->not_before)
		return PAIR_INTENT_NOT_YET;
	if (e->now_s > i->not_after)
		return PAIR_INTENT_EXPIRED;
	if (i->not_after > e->cert_not_after_s)
		return PAIR_INTENT_OUTLIVES;
	return PAIR_INTENT_OK;
}

static enum pair_intent_verdict check_serial(const uint8_t *bytes, size_t len,
	const struct intent *i, const struct pair_intent_expect *e)
{
	uint8_t hash[PAIR_HASH_LEN];

	if (i->serial > e->last_serial)
		return PAIR_INTENT_OK;
	if (i->serial < e->last_serial || e->last_hash == NULL)
		return PAIR_INTENT_STALE;
	pair_hash(hash, bytes, len);
	return memcmp(hash, e->last_hash, sizeof(hash)) == 0 ? PAIR_INTENT_DUPLICATE
							     : PAIR_INTENT_STALE;
}

// A key of low order gives a zero secret with every private key, so any will do to find out.
static bool is_low_order(const uint8_t pk[32])
{
	static const uint8_t any_sk[32] = {1};
	uint8_t q[32];

	return crypto_scalarmult(q, any_sk, pk) != 0;
}

enum pair_intent_verdict pair_check_intent(const uint8_t *intent, size_t len,
	const struct pair_intent_expect *expect, struct intent *ret)
{
	enum pair_intent_verdict serial;
	enum pair_intent_verdict v;
	struct intent i;

	if (intent_parse(intent, len, &i) < 0)
		return PAIR_INTENT_MALFORMED;
	v = check_parties(&i, expect);
	if (v != PAIR_INTENT_OK)
		return v;
	v = check_times(&i, expect);
	if (v != PAIR_INTENT_OK)
		return v;
	serial = check_serial(intent, len, &i, expect);
	if (serial == PAIR_INTENT_STALE)
		return serial;
	if (expect->known_key != NULL &&
		sodium_memcmp(expect->known_key, expect->public_key, 32) != 0)
		return PAIR_INTENT_KEY;
	if (!keysched_verify(expect->public_key, "intent", intent, len - INTENT_SIG_LEN, i.sig))
		return PAIR_INTENT_SIGNATURE;
	if (is_low_order(i.ipk))
		return PAIR_INTENT_LOW_ORDER;
	*ret = i;
	return serial;
}

const char *pair_intent_text(enum pair_intent_verdict v)
{
	static const char *const text[] = {
#define X(name, label, sentence) [PAIR_INTENT_##name] = sentence,
		PAIR_INTENT_LIST(X)
#undef X
	};

	return (size_t)v < sizeof(text) / sizeof(text[0]) ? text[v] : "unknown";
}

const char *pair_intent_label(enum pair_intent_verdict v)
{
	static const char *const label[] = {
#define X(name, short_name, sentence) [PAIR_INTENT_##name] = short_name,
		PAIR_INTENT_LIST(X)
#undef X
	};

	return (size_t)v < sizeof(label) / sizeof(label[0]) ? label[v] : "unknown";
}

void pair_intent_keys(const uint8_t rnd[32], const uint8_t hedge[32], uint64_t ts_us,
	const uint8_t context[PAIR_HASH_LEN], uint8_t ret_sk[32], uint8_t ret_pk[32])
{
	uint8_t ts[8];
	const struct keysched_part parts[] = {
		{rnd, 32}, {hedge, 32}, {context, PAIR_HASH_LEN}, {ts, sizeof(ts)}};

	put_le64(ts, ts_us);
	keysched_hash(ret_sk, 32, NULL, 0, "ipk", parts, 4);
	crypto_scalarmult_base(ret_pk, ret_sk);
}
