// SPDX-License-Identifier: BSD-3-Clause
//
// Which intents are believed, and what two of them give.
#include "tests/unit/wire/support.h"

#include <errno.h>

static struct two t;

static int fresh(void **)
{
	two_init(&t);
	return 0;
}

// ---- intents

static uint8_t other[32];

static struct pair_intent_expect expect_b(void)
{
	return (struct pair_intent_expect){
		.net_id = t.net_id,
		.me = t.a.name,
		.from = t.b.name,
		.cert_hash = t.b.cert_hash,
		.cert_not_after_s = TEST_NOW + 90 * 86400,
		.public_key = t.b.pk,
		.now_s = TEST_NOW,
	};
}

static enum pair_intent_verdict check(const struct pair_intent_expect *e)
{
	struct intent i;

	return pair_check_intent(t.b.intent, t.b.intent_len, e, &i);
}

// Rebuild b's intent with other facts, properly signed: only the checks stand in its way.
static void remake(void (*change)(struct intent *))
{
	struct intent i;
	uint8_t copy[INTENT_MAX_LEN];
	size_t n;

	memcpy(copy, t.b.intent, t.b.intent_len);
	assert_int_equal(intent_parse(copy, t.b.intent_len, &i), 0);
	change(&i);
	n = intent_build(&i, t.b.intent, sizeof(t.b.intent));
	assert_true(n > 0);
	sign_as(&t.b, "intent", t.b.intent, n, t.b.intent + n);
	t.b.intent_len = n + INTENT_SIG_LEN;
}

static void make_not_yet(struct intent *i)
{
	i->not_before = TEST_NOW + INTENT_SKEW_S + 1;
	i->not_after = i->not_before + 60;
}

static void make_just_valid(struct intent *i)
{
	i->not_before = TEST_NOW + INTENT_SKEW_S;
	i->not_after = i->not_before + 60;
}

static void make_expired(struct intent *i)
{
	i->not_before = TEST_NOW - 100;
	i->not_after = TEST_NOW - 1;
}

static void make_last_second(struct intent *i)
{
	i->not_before = TEST_NOW - 100;
	i->not_after = TEST_NOW;
}

static void make_far_future(struct intent *i)
{
	i->not_before = UINT64_MAX - 10; // now + skew must not wrap past it
	i->not_after = UINT64_MAX;
}

static void make_low_order(struct intent *i)
{
	i->ipk = other; // all zero
}

static void intents_with_wrong_times_or_keys_are_refused(void **)
{
	static const struct {
		void (*change)(struct intent *);
		enum pair_intent_verdict want;
	} cases[] = {
		{make_not_yet, PAIR_INTENT_NOT_YET},
		{make_just_valid, PAIR_INTENT_OK},
		{make_expired, PAIR_INTENT_EXPIRED},
		{make_last_second, PAIR_INTENT_OK},
		{make_far_future, PAIR_INTENT_NOT_YET},
		{make_low_order, PAIR_INTENT_LOW_ORDER},
	};

	memset(other, 0, sizeof(other));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pair_intent_expect e;

		fresh(NULL);
		remake(cases[i].change);
		e = expect_b();
		assert_int_equal(check(&e), cases[i].want);
	}
}

static void intents_that_were_not_asked_for_are_refused(void **)
{
	struct pair_intent_expect e = expect_b();

	e.net_id = other;
	assert_int_equal(check(&e), PAIR_INTENT_NETWORK);
	e = expect_b();
	e.me = "site-c.example-corp";
	assert_int_equal(check(&e), PAIR_INTENT_NOT_FOR_ME);
	e = expect_b();
	e.from = "site-c.example-corp";
	assert_int_equal(check(&e), PAIR_INTENT_NOT_WANTED);
	e.from = "site-b.example-cor";
	assert_int_equal(check(&e), PAIR_INTENT_NOT_WANTED);
	e = expect_b();
	e.cert_hash = other;
	assert_int_equal(check(&e), PAIR_INTENT_CERT_HASH);
	e = expect_b();
	e.cert_not_after_s = TEST_NOW + 86399;
	assert_int_equal(check(&e), PAIR_INTENT_OUTLIVES);
	e.cert_not_after_s = TEST_NOW + 86400; // both end in the same second
	assert_int_equal(check(&e), PAIR_INTENT_OK);
	e = expect_b();
	e.public_key = t.a.pk;
	assert_int_equal(check(&e), PAIR_INTENT_SIGNATURE);
	e = expect_b();
	e.known_key = t.a.pk;
	assert_int_equal(check(&e), PAIR_INTENT_KEY);
	e.known_key = t.b.pk;
	assert_int_equal(check(&e), PAIR_INTENT_OK);
	e.me = NULL; // as the hub checks it
	assert_int_equal(check(&e), PAIR_INTENT_OK);
}

static void replayed_intents_are_refused_and_duplicates_known(void **)
{
	struct pair_intent_expect e = expect_b();
	uint8_t hash[32];

	e.last_serial = TEST_NOW * 1000000 + 6;
	assert_int_equal(check(&e), PAIR_INTENT_STALE);
	e.last_serial = TEST_NOW * 1000000 + 5;
	assert_int_equal(check(&e), PAIR_INTENT_STALE);
	pair_hash(hash, t.b.intent, t.b.intent_len);
	e.last_hash = hash;
	assert_int_equal(check(&e), PAIR_INTENT_DUPLICATE);
	hash[31] ^= 1;
	assert_int_equal(check(&e), PAIR_INTENT_STALE); // same serial, other content
	e.last_serial = TEST_NOW * 1000000 + 4;
	assert_int_equal(check(&e), PAIR_INTENT_OK);
}

static void no_altered_intent_is_believed(void **)
{
	struct pair_intent_expect e = expect_b();

	assert_int_equal(check(&e), PAIR_INTENT_OK);
	for (size_t i = 0; i < t.b.intent_len; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			t.b.intent[i] ^= (uint8_t)(1u << bit);
			assert_int_not_equal(check(&e), PAIR_INTENT_OK);
			assert_int_not_equal(check(&e), PAIR_INTENT_DUPLICATE);
			t.b.intent[i] ^= (uint8_t)(1u << bit);
		}
	}
	for (size_t n = 0; n < t.b.intent_len; n++) {
		uint8_t *exact = malloc(n + 1);
		struct intent i;

		memcpy(exact, t.b.intent, n);
		assert_int_equal(pair_check_intent(exact, n, &e, &i), PAIR_INTENT_MALFORMED);
		free(exact);
	}
}

static void every_verdict_has_a_sentence(void **)
{
	for (unsigned v = PAIR_INTENT_OK; v <= PAIR_INTENT_LOW_ORDER; v++) {
		assert_true(strlen(pair_intent_text(v)) > 10);
		assert_true(strlen(pair_intent_label(v)) >= 2);
	}
	assert_string_equal(pair_intent_text(PAIR_INTENT_LOW_ORDER + 1), "unknown");
	assert_string_equal(pair_intent_label(PAIR_INTENT_LOW_ORDER + 1), "unknown");
}

// ---- pairs

static int pair_b(struct pair *p, const uint8_t *psk)
{
	return pair_from_intents(
		p, t.b.intent, t.b.intent_len, t.a.intent, t.a.intent_len, t.b.ipk_sk, psk);
}

static void intents_that_do_not_name_each_other_give_no_pair(void **)
{
	struct pair p;
	struct gateway c;

	gateway_init(&c, 'C', "site-c.example-corp", PKT_CAP_CHACHA);
	gateway_intent(&t.a, &c, t.net_id, 1);
	assert_int_equal(pair_b(&p, NULL), -EBADMSG);
	assert_true(sodium_is_zero((uint8_t *)&p, sizeof(p)));

	fresh(NULL);
	gateway_intent(&c, &t.b, t.net_id, 1); // wants me, but is not whom I want
	assert_int_equal(pair_from_intents(&p, t.b.intent, t.b.intent_len, c.intent, c.intent_len,
				 t.b.ipk_sk, NULL),
		-EBADMSG);
	assert_int_equal(pair_from_intents(&p, t.b.intent, t.b.intent_len, t.a.intent,
				 t.a.intent_len - 1, t.b.ipk_sk, NULL),
		-EBADMSG);
	gateway_intent(&t.a, &t.b, other, 1);
	assert_int_equal(pair_b(&p, NULL), -EBADMSG);
	assert_int_equal(pair_from_intents(&p, t.b.intent, t.b.intent_len - 1, t.a.intent,
				 t.a.intent_len, t.b.ipk_sk, NULL),
		-EBADMSG);
	assert_int_equal(pair_from_intents(&p, t.b.intent, t.b.intent_len, t.b.intent,
				 t.b.intent_len, t.b.ipk_sk, NULL),
		-EBADMSG);
}

static void a_foreign_or_low_order_key_gives_no_pair(void **)
{
	struct pair p;

	assert_int_equal(pair_from_intents(&p, t.b.intent, t.b.intent_len, t.a.intent,
				 t.a.intent_len, t.a.ipk_sk, NULL),
		-EKEYREJECTED);
	memset(t.a.ipk, 0, 32);
	gateway_intent(&t.a, &t.b, t.net_id, 1);
	assert_int_equal(pair_b(&p, NULL), -EKEYREJECTED);
	assert_true(sodium_is_zero((uint8_t *)&p, sizeof(p)));
}

static void the_psk_and_every_intent_byte_change_the_pair(void **)
{
	uint8_t psk[32] = {1};
	struct pair plain;
	struct pair mixed;

	assert_int_equal(pair_b(&plain, NULL), 0);
	assert_int_equal(pair_b(&mixed, psk), 0);
	assert_memory_equal(plain.th0, mixed.th0, 32);
	assert_memory_not_equal(plain.key, mixed.key, 32);
	t.a.intent[t.a.intent_len - 1] ^= 1; // even a bit of the signature
	assert_int_equal(pair_b(&mixed, NULL), 0);
	assert_memory_not_equal(plain.th0, mixed.th0, 32);
	assert_memory_not_equal(plain.key, mixed.key, 32);
}

static void all_sub_keys_differ_and_survive_a_restart(void **)
{
	struct pair p;
	const uint8_t *keys[] = {t.a.pair.key, t.a.pair.tag_key[0], t.a.pair.tag_key[1],
		t.a.pair.mac_key[0], t.a.pair.mac_key[1], t.a.pair.mac_key[2], t.a.pair.seal_key[0],
		t.a.pair.seal_key[1], t.a.pair.psk};

	for (size_t i = 0; i < 9; i++) {
		for (size_t k = i + 1; k < 9; k++)
			assert_memory_not_equal(keys[i], keys[k], 32);
	}
	pair_restore(&p, true, t.a.pair.th0, t.a.pair.key);
	assert_memory_equal(&p, &t.a.pair, sizeof(p));
	assert_memory_equal(&p.tag_key, &t.b.pair.tag_key, sizeof(p.tag_key));
}

static void the_data_plane_gets_only_receive_direction_keys(void **)
{
	struct pair_filter_keys f;

	pair_filter_keys(&t.a.pair, &f);
	assert_memory_equal(f.mac_a, t.a.pair.mac_key[PAIR_MAC_M2 - 3], 32);
	assert_true(sodium_is_zero(f.mac_b, 32));
	pair_filter_keys(&t.b.pair, &f);
	assert_memory_equal(f.mac_a, t.a.pair.mac_key[PAIR_MAC_M1 - 3], 32);
	assert_memory_equal(f.mac_b, t.a.pair.mac_key[PAIR_MAC_M3 - 3], 32);
}

static void gate_pairs_depend_on_secret_and_every_name(void **)
{
	uint8_t a[32];
	uint8_t b[32];
	uint8_t secret[32] = {5};
	struct pair p;
	struct pair q;

	pair_th0_hub(a, t.net_id, "gw.example", "hub.example");
	pair_th0_hub(b, t.net_id, "gw.exampleh", "ub.example"); // same bytes, other split
	assert_memory_not_equal(a, b, 32);
	pair_th0_hub(b, other, "gw.example", "hub.example");
	assert_memory_not_equal(a, b, 32);
	pair_from_secret(&p, true, secret, a);
	pair_from_secret(&q, false, secret, a);
	assert_true(p.client && !q.client);
	assert_memory_equal(p.key, q.key, 32);
	secret[31] ^= 1;
	pair_from_secret(&q, false, secret, a);
	assert_memory_not_equal(p.key, q.key, 32);
}

// ---- tags, PUNCH

static void tags_live_for_three_slots_and_differ_by_direction(void **)
{
	uint8_t tag[8];
	uint8_t back[8];
	uint64_t slot = pair_slot(TEST_NOW);

	for (int d = -2; d <= 2; d++) {
		pair_tag(&t.a.pair, PAIR_C2S, slot + (uint64_t)d, tag);
		assert_int_equal(
			pair_tag_live(&t.b.pair, PAIR_C2S, TEST_NOW, tag), d >= -1 && d <= 1);
	}
	pair_tag(&t.a.pair, PAIR_C2S, slot, tag);
	pair_tag(&t.a.pair, PAIR_S2C, slot, back);
	assert_memory_not_equal(tag, back, 8);
	pair_tag(&t.a.pair, PAIR_C2S, 0, tag);
	assert_true(pair_tag_live(&t.b.pair, PAIR_C2S, 0, tag)); // no slot before the first
}

static void punch_is_taken_from_the_other_side_only_and_unaltered(void **)
{
	const struct gateway *ends[2] = {&t.a, &t.b};

	for (unsigned i = 0; i < 2; i++) {
		const struct pair *from = &ends[i]->pair;
		const struct pair *to = &ends[1 - i]->pair;
		struct pkt_punch m;

		pair_punch_build(from, TEST_TS, TEST_NOW, i == 1 ? PKT_PUNCH_INITIATE : 0, &m);
		assert_true(pair_punch_ok(to, TEST_NOW, &m, sizeof(m)));
		assert_false(pair_punch_ok(from, TEST_NOW, &m, sizeof(m))); // reflected
		assert_false(pair_punch_ok(to, TEST_NOW + 1200, &m, sizeof(m)));
		assert_false(pair_punch_ok(to, TEST_NOW, &m, sizeof(m) - 1));
		for (size_t k = 0; k < 8 * sizeof(m); k++) {
			((uint8_t *)&m)[k / 8] ^= (uint8_t)(1u << k % 8);
			assert_false(pair_punch_ok(to, TEST_NOW, &m, sizeof(m)));
			((uint8_t *)&m)[k / 8] ^= (uint8_t)(1u << k % 8);
		}
	}
}

// ---- candidates

static void sealed_candidates_open_at_the_other_side_only_and_unaltered(void **)
{
	struct candidates c = {.ts_us = 77,
		.n = 2,
		.list = {
			{.family = 4,
				.kind = CANDIDATE_LOCAL,
				.port = 7667,
				.addr = {192, 0, 2, 9}},
			{.family = 6,
				.kind = CANDIDATE_REFLEXIVE,
				.port = 1,
				.addr = {0x20, 1, 0xd, 0xb8}},
		}};
	struct candidates got;
	uint8_t sealed[CANDIDATES_SEALED_LEN];

	assert_int_equal(pair_seal_candidates(&t.a.pair, &c, test_rnd, sealed), 0);
	assert_int_equal(pair_open_candidates(&t.b.pair, sealed, sizeof(sealed), &got), 0);
	assert_int_equal(got.n, 2);
	assert_int_equal(got.ts_us, 77);
	assert_memory_equal(&got.list, &c.list, sizeof(c.list));
	assert_int_equal(pair_open_candidates(&t.a.pair, sealed, sizeof(sealed), &got), -EBADMSG);
	assert_int_equal(
		pair_open_candidates(&t.b.pair, sealed, sizeof(sealed) - 1, &got), -EBADMSG);
	for (size_t k = 0; k < 8 * sizeof(sealed); k++) {
		sealed[k / 8] ^= (uint8_t)(1u << k % 8);
		assert_int_equal(
			pair_open_candidates(&t.b.pair, sealed, sizeof(sealed), &got), -EBADMSG);
		sealed[k / 8] ^= (uint8_t)(1u << k % 8);
	}
	c.list[0].port = 0;
	assert_int_equal(pair_seal_candidates(&t.a.pair, &c, test_rnd, sealed), -EINVAL);
}

static void intent_keys_are_hedged(void **)
{
	uint8_t sk[2][32];
	uint8_t pk[2][32];
	uint8_t hedge[32] = {3};
	uint8_t want[32];

	pair_intent_keys(test_rnd, hedge, 1, other, sk[0], pk[0]);
	pair_intent_keys(test_rnd, hedge, 2, other, sk[1], pk[1]);
	assert_memory_not_equal(sk[0], sk[1], 32);
	hedge[0]++;
	pair_intent_keys(test_rnd, hedge, 1, other, sk[1], pk[1]);
	assert_memory_not_equal(sk[0], sk[1], 32);
	crypto_scalarmult_base(want, sk[1]);
	assert_memory_equal(want, pk[1], 32);
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(intents_with_wrong_times_or_keys_are_refused),
		TEST(intents_that_were_not_asked_for_are_refused),
		TEST(replayed_intents_are_refused_and_duplicates_known),
		TEST(no_altered_intent_is_believed),
		TEST(every_verdict_has_a_sentence),
		TEST(intents_that_do_not_name_each_other_give_no_pair),
		TEST(a_foreign_or_low_order_key_gives_no_pair),
		TEST(the_psk_and_every_intent_byte_change_the_pair),
		TEST(all_sub_keys_differ_and_survive_a_restart),
		TEST(the_data_plane_gets_only_receive_direction_keys),
		TEST(gate_pairs_depend_on_secret_and_every_name),
		TEST(tags_live_for_three_slots_and_differ_by_direction),
		TEST(punch_is_taken_from_the_other_side_only_and_unaltered),
		TEST(sealed_candidates_open_at_the_other_side_only_and_unaltered),
		TEST(intent_keys_are_hedged),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
