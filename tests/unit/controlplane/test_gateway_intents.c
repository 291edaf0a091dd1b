// SPDX-License-Identifier: BSD-3-Clause
//
// Whose introduction a gateway believes: every check refused on its own, with real certificates.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sodium.h>

#include "controlplane/common/authority.h"
#include "controlplane/gateway/intents.h"
#include "tests/unit/controlplane/scratch.h"

#define NOW     1800000000u
#define DAY     86400u
#define NETWORK "example-corp"

struct gateway {
	char name[64];
	uint8_t pk[32], sk[64];
	uint8_t der[X509_LEAF_BYTES_MAX];
	size_t der_len;
	struct x509_facts facts;
	struct own_intent own;
};

static const struct identity_kdf cheap = {.passes = 1, .memory_bytes = 8192};
static const uint8_t net_id[16] = {1, 2, 3};
static const uint8_t hedge[32] = {9};
static struct authority *authority;
static struct gateway a, b, c;

// What one case may spoil.
static struct record_match match;
static struct intent_judge judge;
static struct intent_memory memory;
static struct own_intent own;
static uint8_t theirs[INTENT_MAX_LEN], hash[32], rollover[RECORD_ROLLOVER_MAX], pin[32];
static uint8_t list[512];
static struct revocation_view view;

static int sign(void *ctx, const char *label, const void *msg, size_t len, uint8_t sig[64])
{
	const struct gateway *g = ctx;
	uint8_t buf[1024] = "postern/1 ";
	size_t n = strlen((char *)buf), l = strlen(label) + 1;

	memcpy(buf + n, label, l);
	memcpy(buf + n + l, msg, len);
	return crypto_sign_detached(sig, NULL, buf, n + l + len, g->sk);
}

static void issue(struct gateway *g, enum x509_role role)
{
	struct authority_request req = {.name = g->name,
		.pk = g->pk,
		.role = role,
		.not_before = NOW,
		.not_after = NOW + 5 * DAY};
	struct authority_error err;

	assert_int_equal(authority_issue(authority, &req, g->der, &g->der_len, &g->facts, &err), 0);
}

static void make(struct gateway *g, const char *to, const uint8_t net[16], uint64_t now_s,
	uint64_t serial, struct own_intent *ret)
{
	uint8_t rnd[32];
	struct intent_request req = {.net_id = net,
		.me = g->name,
		.to = to,
		.cert_hash = g->facts.der_hash,
		.cert_not_after_s = g->facts.not_after,
		.caps = PKT_CAP_CHACHA,
		.life_s = 7 * DAY,
		.serial = serial,
		.now_s = now_s,
		.rnd = rnd,
		.hedge = hedge,
		.sign = sign,
		.sign_ctx = g};

	randombytes_buf(rnd, sizeof(rnd));
	assert_int_equal(intent_make(&req, ret), 0);
}

static int make_world(void **state)
{
	struct authority_error err;
	struct identity_source secret;

	if (scratch_make(state) < 0)
		return -1;
	scratch_write("pass", "correct horse\n", 14, 0600);
	secret = (struct identity_source){.passphrase_file = scratch_path("pass")};
	assert_int_equal(
		authority_create_root(scratch_dir, NETWORK, &secret, &cheap, NOW, &err), 0);
	assert_int_equal(authority_create_issuing(
				 scratch_dir, NETWORK, &secret, &secret, &cheap, NOW, false, &err),
		0);
	assert_int_equal(authority_open(scratch_dir, &secret, NOW, &authority, &err), 0);
	for (unsigned i = 0; i < 3; i++) {
		struct gateway *g = i == 0 ? &a : i == 1 ? &b : &c;

		snprintf(g->name, sizeof(g->name), "site-%c." NETWORK, 'a' + i);
		crypto_sign_keypair(g->pk, g->sk);
		issue(g, X509_ROLE_GATEWAY);
	}
	make(&a, b.name, net_id, NOW, 1000, &a.own);
	make(&b, a.name, net_id, NOW, 2000, &b.own);
	return 0;
}

static int end_world(void **state)
{
	authority_close(authority);
	return scratch_remove(state);
}

static void show_chain(const struct gateway *g)
{
	struct x509_bytes issuing = authority_issuing_der(authority);
	struct x509_bytes root = authority_root_der(authority);

	match.chain = (struct der_list){.n = 3,
		.cert = {{g->der, g->der_len}, {issuing.der, issuing.len}, {root.der, root.len}}};
}

static void show_intent(const struct own_intent *intent)
{
	memcpy(theirs, intent->bytes, intent->len);
	match.intent = theirs;
	match.intent_len = intent->len;
	pair_hash(hash, theirs, intent->len);
	match.theirs_hash = hash;
}

// A match that site-a accepts from the honest site-b.
static int fresh(void **state)
{
	memset(&match, 0, sizeof(match));
	memset(&memory, 0, sizeof(memory));
	own = a.own;
	show_chain(&b);
	show_intent(&b.own);
	match.mine_hash = own.hash;
	judge = (struct intent_judge){.net_id = net_id,
		.me = a.name,
		.from = b.name,
		.own = &own,
		.memory = &memory,
		.trust = authority_trust(authority),
		.now_s = NOW};
	return 0;
}

static enum intent_refusal decide(void)
{
	struct peer_pairing pairing;
	struct intent_memory after;
	const char *why = NULL;
	enum intent_refusal refusal = intent_judge(&judge, &match, &pairing, &after, &why);

	assert_non_null(why);
	if (refusal == INTENT_ACCEPTED)
		pair_wipe(&pairing.pair);
	return refusal;
}

// ------------------------------------------------------------------ spoilers

static void no_own(void)
{
	own.made = false;
}
static void other_own(void)
{
	match.mine_hash = b.own.hash;
}
static void consumed(void)
{
	intent_consume(&own);
}
static void own_over(void)
{
	own.not_after_s = NOW - 1;
}
static void cert_of_another(void)
{
	show_chain(&c);
}
static void cert_without_issuer(void)
{
	match.chain.n = 1;
}
static void cert_cut(void)
{
	match.chain.cert[0].len--;
}
static void cert_expired(void)
{
	judge.now_s = NOW + 5 * DAY + 1;
	own.not_after_s = UINT64_MAX;
}

static void cert_of_a_hub(void)
{
	static struct gateway hub;

	hub = b;
	issue(&hub, X509_ROLE_HUB);
	show_chain(&hub);
}

static void revoked(void)
{
	struct revocation_entry entry = {.until = NOW + DAY};
	size_t len;

	memcpy(entry.spki_hash, b.facts.spki_hash, 32);
	assert_int_equal(authority_revocations(
				 authority, &entry, 1, net_id, 1, NOW, list, sizeof(list), &len),
		0);
	revocation_parse(list, len, &view);
	judge.revocations = &view;
}

static void wrong_pin(void)
{
	memcpy(pin, c.pk, 32);
	judge.pin = pin;
}

static void key_changed(void)
{
	memory.has_key = true;
	memcpy(memory.key, c.pk, 32);
}

static void state_rollover(const struct gateway *signer, const char *name)
{
	struct record_rollover r = {.net_id = net_id,
		.old_key = c.pk,
		.new_key = b.pk,
		.time_s = NOW,
		.name = name,
		.name_len = strlen(name)};
	size_t n = record_build_rollover_unsigned(&r, rollover, sizeof(rollover));

	assert_true(n > 0);
	sign((void *)signer, "rollover", rollover, n, rollover + n);
	match.rollover = rollover;
	match.rollover_len = n + RECORD_SIG_LEN;
	key_changed();
}

static void rollover_by_the_new_key(void)
{
	state_rollover(&b, b.name);
}
static void rollover_for_another_name(void)
{
	state_rollover(&c, c.name);
}

static void rollover_cut(void)
{
	state_rollover(&c, b.name);
	match.rollover_len--;
}

static void intent_flipped(void)
{
	theirs[match.intent_len - 1] ^= 1;
	pair_hash(hash, theirs, match.intent_len);
}

static void intent_cut(void)
{
	match.intent_len--;
}

static void intent_of_another_net(void)
{
	static const uint8_t other[16] = {7};
	struct own_intent i;

	make(&b, a.name, other, NOW, 2000, &i);
	show_intent(&i);
}

static void intent_for_another(void)
{
	struct own_intent i;

	make(&b, c.name, net_id, NOW, 2000, &i);
	show_intent(&i);
}

static void intent_from_another(void)
{
	struct own_intent i;

	make(&c, a.name, net_id, NOW, 2000, &i);
	show_intent(&i);
}

static void intent_of_the_future(void)
{
	struct own_intent i;

	make(&b, a.name, net_id, NOW + 601, 2000, &i);
	show_intent(&i);
}

static void intent_over(void)
{
	struct own_intent i;

	make(&b, a.name, net_id, NOW, 2000, &i);
	show_intent(&i);
	// Valid certificate, but more than the intent's end has passed.
	judge.now_s = i.not_after_s + 1;
	own.not_after_s = UINT64_MAX;
}

static void older_serial(void)
{
	memory.serial = 2001;
}

static void seen_before(void)
{
	memory.serial = b.own.serial;
	memcpy(memory.hash, b.own.hash, 32);
}

static void other_hash(void)
{
	match.theirs_hash = a.own.hash;
}

static void key_of_own_lost(void)
{
	own.ipk_sk[5] ^= 1;
}

static void psk_unreadable(void)
{
	judge.needs_psk = true;
}

static void every_check_refuses_alone(void **state)
{
	static const struct {
		const char *what;
		void (*spoil)(void);
		enum intent_refusal want;
	} cases[] = {
		{"no intent of mine", no_own, INTENT_REFUSE_NO_OWN},
		{"another intent of mine", other_own, INTENT_REFUSE_OTHER},
		{"mine has served", consumed, INTENT_REFUSE_CONSUMED},
		{"mine has expired", own_over, INTENT_REFUSE_OWN_EXPIRED},
		{"another's certificate", cert_of_another, INTENT_REFUSE_CERTIFICATE},
		{"certificate without its issuer", cert_without_issuer, INTENT_REFUSE_CERTIFICATE},
		{"certificate cut short", cert_cut, INTENT_REFUSE_CERTIFICATE},
		{"certificate of a hub", cert_of_a_hub, INTENT_REFUSE_CERTIFICATE},
		{"certificate expired", cert_expired, INTENT_REFUSE_CERTIFICATE},
		{"revoked", revoked, INTENT_REFUSE_REVOKED},
		{"not the pinned key", wrong_pin, INTENT_REFUSE_PIN},
		{"PSK asked for but not there", psk_unreadable, INTENT_REFUSE_PSK},
		{"key changed", key_changed, INTENT_REFUSE_KEY_CHANGED},
		{"rollover signed by the new key", rollover_by_the_new_key,
			INTENT_REFUSE_KEY_CHANGED},
		{"rollover for another name", rollover_for_another_name, INTENT_REFUSE_KEY_CHANGED},
		{"rollover cut short", rollover_cut, INTENT_REFUSE_KEY_CHANGED},
		{"intent flipped", intent_flipped, INTENT_REFUSE_INTENT},
		{"intent cut short", intent_cut, INTENT_REFUSE_INTENT},
		{"intent of another network", intent_of_another_net, INTENT_REFUSE_INTENT},
		{"intent for another", intent_for_another, INTENT_REFUSE_INTENT},
		{"intent from another", intent_from_another, INTENT_REFUSE_INTENT},
		{"intent of the future", intent_of_the_future, INTENT_REFUSE_NOT_YET},
		{"older serial", older_serial, INTENT_REFUSE_INTENT},
		{"served a match before", seen_before, INTENT_REFUSE_USED},
		{"match names another hash", other_hash, INTENT_REFUSE_HASH},
		{"mine has another secret", key_of_own_lost, INTENT_REFUSE_PAIR},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fresh(NULL);
		assert_int_equal(decide(), INTENT_ACCEPTED);
		cases[i].spoil();
		if (decide() != cases[i].want)
			fail_msg("%s: %d instead of %d", cases[i].what, decide(), cases[i].want);
	}
	fresh(NULL);
	intent_over();
	assert_int_not_equal(decide(), INTENT_ACCEPTED);
}

static void every_flipped_bit_of_an_intent_is_refused(void **state)
{
	for (size_t i = 0; i < b.own.len; i++) {
		fresh(NULL);
		theirs[i] ^= 1 << i % 8;
		pair_hash(hash, theirs, match.intent_len);
		assert_int_not_equal(decide(), INTENT_ACCEPTED);
	}
}

// What a check asks for and finds is no reason to refuse.
static void checks_that_are_met_refuse_nothing(void **state)
{
	static const uint8_t psk[32] = {4};
	struct revocation_entry entry = {.until = NOW + DAY};
	struct peer_pairing pairing;
	struct intent_memory after;
	const char *why;
	size_t len;

	memcpy(entry.spki_hash, c.facts.spki_hash, 32);
	assert_int_equal(authority_revocations(
				 authority, &entry, 1, net_id, 1, NOW, list, sizeof(list), &len),
		0);
	revocation_parse(list, len, &view);
	judge.revocations = &view; // somebody else's
	judge.pin = b.pk;
	judge.needs_psk = true;
	judge.psk = psk;
	memory.has_key = true;
	memcpy(memory.key, b.pk, 32);
	own.not_after_s = NOW + 10; // the pairing ends with the first of the two
	assert_int_equal(intent_judge(&judge, &match, &pairing, &after, &why), INTENT_ACCEPTED);
	assert_int_equal(pairing.not_after_s, NOW + 10);
	own.not_after_s = UINT64_MAX;
	assert_int_equal(intent_judge(&judge, &match, &pairing, &after, &why), INTENT_ACCEPTED);
	assert_int_equal(pairing.not_after_s, b.own.not_after_s);
	pair_wipe(&pairing.pair);
}

static void rollover_holds_for_its_own_network_name_and_keys(void **state)
{
	static const uint8_t other_net[16] = {7};
	size_t len;

	state_rollover(&c, b.name);
	len = match.rollover_len;
	assert_true(intent_rollover_ok(rollover, len, net_id, b.name, c.pk, b.pk));
	assert_false(intent_rollover_ok(rollover, len, other_net, b.name, c.pk, b.pk));
	assert_false(intent_rollover_ok(rollover, len, net_id, a.name, c.pk, b.pk));
	assert_false(intent_rollover_ok(rollover, len, net_id, b.name, a.pk, b.pk));
	assert_false(intent_rollover_ok(rollover, len, net_id, b.name, c.pk, a.pk));
	assert_false(intent_rollover_ok(NULL, 0, net_id, b.name, c.pk, b.pk));
	assert_false(
		intent_rollover_ok(rollover, RECORD_ROLLOVER_MAX + 1, net_id, b.name, c.pk, b.pk));
}

static void rollover_by_the_old_key_lets_the_new_one_in(void **state)
{
	state_rollover(&c, b.name);
	assert_int_equal(decide(), INTENT_ACCEPTED);
}

// ------------------------------------------------------------------ both sides

static enum intent_refusal decide_at(const struct gateway *me, const struct gateway *other,
	const uint8_t *psk, struct peer_pairing *ret, struct intent_memory *ret_memory)
{
	const char *why;

	fresh(NULL);
	own = me->own;
	show_chain(other);
	show_intent(&other->own);
	match.mine_hash = own.hash;
	judge.me = me->name;
	judge.from = other->name;
	judge.psk = psk;
	return intent_judge(&judge, &match, ret, ret_memory, &why);
}

static void both_sides_come_to_the_same_key(void **state)
{
	struct peer_pairing at_a, at_b;
	struct intent_memory memory_a, memory_b;

	assert_int_equal(decide_at(&a, &b, NULL, &at_a, &memory_a), INTENT_ACCEPTED);
	assert_int_equal(decide_at(&b, &a, NULL, &at_b, &memory_b), INTENT_ACCEPTED);
	assert_memory_equal(at_a.pair.key, at_b.pair.key, 32);
	assert_memory_equal(at_a.pair.th0, at_b.pair.th0, 32);
	assert_true(at_a.pair.client);
	assert_false(at_b.pair.client);
	assert_memory_equal(at_a.peer_key, b.pk, 32);
	assert_memory_equal(at_a.theirs_hash, at_b.mine_hash, 32);
	assert_int_equal(memory_a.serial, b.own.serial);
	assert_true(memory_a.has_key);
	assert_int_equal(at_a.not_after_s, a.facts.not_after);
}

static void different_psk_gives_different_keys(void **state)
{
	static const uint8_t psk[32] = {4}, other[32] = {5};
	struct peer_pairing with, without, wrong;
	struct intent_memory ignored;

	assert_int_equal(decide_at(&a, &b, NULL, &without, &ignored), INTENT_ACCEPTED);
	assert_int_equal(decide_at(&a, &b, psk, &with, &ignored), INTENT_ACCEPTED);
	assert_int_equal(decide_at(&b, &a, other, &wrong, &ignored), INTENT_ACCEPTED);
	assert_memory_not_equal(with.pair.key, without.pair.key, 32);
	assert_memory_not_equal(with.pair.key, wrong.pair.key, 32);
}

static void consumed_intent_has_no_key_left(void **state)
{
	static const uint8_t zero[32];

	own = a.own;
	intent_consume(&own);
	assert_memory_equal(own.ipk_sk, zero, 32);
	assert_true(own.consumed);
}

static void expired_certificate_makes_no_intent(void **state)
{
	uint8_t rnd[32] = {1};
	struct intent_request req = {.net_id = net_id,
		.me = a.name,
		.to = b.name,
		.cert_hash = a.facts.der_hash,
		.cert_not_after_s = NOW,
		.caps = PKT_CAP_CHACHA,
		.life_s = DAY,
		.serial = 1,
		.now_s = NOW,
		.rnd = rnd,
		.hedge = hedge,
		.sign = sign,
		.sign_ctx = &a};
	struct own_intent ret = {0};

	assert_int_equal(intent_make(&req, &ret), -ETIME);
	assert_false(ret.made);
}

static int refuse_to_sign(void *ctx, const char *label, const void *msg, size_t len, uint8_t *sig)
{
	return -EIO;
}

static void intent_that_cannot_be_made_leaves_the_old_one(void **state)
{
	uint8_t rnd[32] = {1};
	struct intent_request req = {.net_id = net_id,
		.me = a.name,
		.to = "",
		.cert_hash = a.facts.der_hash,
		.cert_not_after_s = UINT64_MAX,
		.caps = PKT_CAP_CHACHA,
		.life_s = 400 * DAY,
		.serial = 1,
		.now_s = NOW,
		.rnd = rnd,
		.hedge = hedge,
		.sign = sign,
		.sign_ctx = &a};
	struct own_intent ret = a.own;

	assert_int_equal(intent_make(&req, &ret), -EINVAL); // to nobody
	req.to = b.name;
	req.sign = refuse_to_sign;
	assert_int_equal(intent_make(&req, &ret), -EIO);
	assert_memory_equal(&ret, &a.own, sizeof(ret));
	req.sign = sign;
	assert_int_equal(intent_make(&req, &ret), 0);
	assert_int_equal(ret.not_after_s, NOW + INTENT_MAX_LIFE_S); // whatever is asked for
	req.life_s = DAY;
	assert_int_equal(intent_make(&req, &ret), 0);
	assert_int_equal(ret.not_after_s, NOW + DAY);
}

#define CASE(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_check_refuses_alone),
		CASE(every_flipped_bit_of_an_intent_is_refused),
		CASE(checks_that_are_met_refuse_nothing),
		CASE(rollover_holds_for_its_own_network_name_and_keys),
		CASE(rollover_by_the_old_key_lets_the_new_one_in),
		CASE(both_sides_come_to_the_same_key),
		CASE(different_psk_gives_different_keys),
		CASE(consumed_intent_has_no_key_left),
		CASE(expired_certificate_makes_no_intent),
		CASE(intent_that_cannot_be_made_leaves_the_old_one),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, make_world, end_world);
}
