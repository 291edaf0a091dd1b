// SPDX-License-Identifier: BSD-3-Clause
//
// The handshake under a hostile network: altered, cut, replayed, reflected, out of order; RETRY,
// enrolment, secrets. Includes handshake.c to reach its statics.
#include "controlplane/common/handshake.c" // NOLINT

#include "controlplane/common/cookie.h"
#include "tests/unit/wire/handshake_support.h"

// ---- flips, cuts and additions: nothing altered is ever accepted

// Every bit of every byte, every shorter length, one byte more. Returns how many were tried.
static unsigned alter_everywhere(
	enum hs_status (*take)(const void *, size_t), const void *msg, size_t len, size_t covered)
{
	uint8_t m[PKT_HS_MAX_LEN + 1] = {0};
	unsigned tried = 0;

	memcpy(m, msg, len);
	assert_int_equal(take(m, len), HS_OK);
	for (size_t i = 0; i < covered; i++) {
		for (unsigned bit = 0; bit < 8; bit++, tried++) {
			m[i] ^= (uint8_t)(1u << bit);
			assert_int_not_equal(take(m, len), HS_OK);
			m[i] ^= (uint8_t)(1u << bit);
		}
	}
	for (size_t n = 0; n < len; n++, tried++) {
		uint8_t *exact = malloc(n + 1); // so that a sanitizer sees a read past the end

		memcpy(exact, m, n);
		assert_int_not_equal(take(exact, n), HS_OK);
		if (n >= 4) { // the same with an honest length field
			put_le16(exact + PKT_OFF_LEN, (uint16_t)n);
			assert_int_not_equal(take(exact, n), HS_OK);
		}
		free(exact);
	}
	assert_int_not_equal(take(m, len + 1), HS_OK);
	return tried;
}

static void no_altered_m1_is_accepted(void **)
{
	run_to_m1(&r, &t);
	// mac2 (the last 16) is only looked at under overload.
	alter_everywhere(try_m1, &r.m1, sizeof(r.m1), PKT_M1_MAC2_OFF);
}

static void no_altered_m2_is_accepted(void **)
{
	run_to_m2(&r, &t);
	alter_everywhere(try_m2, r.m2, r.m2_len, r.m2_len);
}

static void no_altered_m3_is_accepted(void **)
{
	run_to_m3(&r, &t);
	alter_everywhere(try_m3, r.m3, r.m3_len, r.m3_len);
}

// The same by somebody who knows K_pair and repairs the outer mac: only the signatures stand in his
// way.
// ---- order, replay, role

static void messages_of_another_handshake_are_not_taken(void **)
{
	run_to_m3(&r, &t);
	r.client.open = true;
	r.client.m1.hs.ts++;
	assert_int_equal(try_m2(r.m2, r.m2_len), HS_STATE);
	r.client.m1.hs.ts--;
	r.client.m1.hs.key_id++;
	assert_int_equal(try_m2(r.m2, r.m2_len), HS_STATE);
	r.server.ts++;
	assert_int_equal(try_m3(r.m3, r.m3_len), HS_STATE);
	r.server.ts--;
	r.server.rx_key_id++;
	assert_int_equal(try_m3(r.m3, r.m3_len), HS_STATE);
}

static void one_m2_and_one_m3_are_accepted(void **)
{
	run_to_end(&r, &t);
	assert_int_equal(try_m2(r.m2, r.m2_len), HS_STATE);
	assert_int_equal(try_m3(r.m3, r.m3_len), HS_STATE);
	// The duplicate is still known to be authentic, so that the caller may resend its cached
	// M4.
	assert_int_equal(
		hs_check_outer(&t.b.pair, PKT_TYPE_M3, r.m3, r.m3_len, PKT_HS_MAX_LEN, TEST_NOW),
		HS_OK);
	assert_int_equal(hs_ts(r.m3), TEST_TS);
	assert_int_equal(hs_key_id(r.m3), TEST_KEY_ID_S);
}

static void reflected_messages_are_not_taken(void **)
{
	run_to_m3(&r, &t);
	assert_int_equal(hs_server_check_m1(&t.a.pair, &r.m1, sizeof(r.m1), TEST_NOW), HS_SHAPE);
	assert_int_equal(
		hs_check_outer(&t.b.pair, PKT_TYPE_M2, r.m2, r.m2_len, PKT_HS_MAX_LEN, TEST_NOW),
		HS_SHAPE);
	assert_int_equal(
		hs_check_outer(&t.a.pair, PKT_TYPE_M3, r.m3, r.m3_len, PKT_HS_MAX_LEN, TEST_NOW),
		HS_SHAPE);
}

static void a_limit_above_the_buffers_is_cut_to_them(void **)
{
	static uint8_t m[PKT_HS_TCP_MAX_LEN + 1] = {PKT_TYPE_M2};

	put_le16(m + PKT_OFF_LEN, sizeof(m));
	t.a.cfg.max_len = SIZE_MAX;
	run_to_m1(&r, &t);
	assert_int_equal(try_m2(m, sizeof(m)), HS_SHAPE);
	t.b.cfg.max_len = SIZE_MAX;
	t.b.cfg.own_field = m;
	t.b.cfg.own_field_len = PKT_HS_TCP_MAX_LEN - PKT_M2_MIN_LEN + 1;
	assert_int_equal(try_m1(&r.m1, sizeof(r.m1)), HS_TOO_LONG);
	t.b.cfg.own_field = t.b.cert;
	t.b.cfg.own_field_len = sizeof(t.b.cert);
	t.a.cfg.own_field = m;
	t.a.cfg.own_field_len = PKT_HS_TCP_MAX_LEN - PKT_M3_MIN_LEN + 1;
	run_to_m2(&r, &t);
	assert_int_equal(try_m2(r.m2, r.m2_len), HS_TOO_LONG);
}

static void clocks_may_differ_by_one_slot(void **)
{
	run_to_m1(&r, &t);
	assert_int_equal(
		hs_server_check_m1(&t.b.pair, &r.m1, sizeof(r.m1), TEST_NOW + PKT_TAG_SLOT_S),
		HS_OK);
	assert_int_equal(
		hs_server_check_m1(&t.b.pair, &r.m1, sizeof(r.m1), TEST_NOW - PKT_TAG_SLOT_S),
		HS_OK);
	assert_int_equal(
		hs_server_check_m1(&t.b.pair, &r.m1, sizeof(r.m1), TEST_NOW + 2 * PKT_TAG_SLOT_S),
		HS_TAG);
	assert_int_equal(
		hs_server_check_m1(&t.b.pair, &r.m1, sizeof(r.m1), TEST_NOW - 2 * PKT_TAG_SLOT_S),
		HS_TAG);
}

static void another_pairs_message_is_not_taken(void **)
{
	run_to_m1(&r, &t);
	memcpy(t.b.pair.mac_key[0], t.b.pair.psk, 32);
	assert_int_equal(try_m1(&r.m1, sizeof(r.m1)), HS_MAC);
	memcpy(t.b.pair.tag_key[PAIR_C2S], t.b.pair.psk, 32);
	assert_int_equal(try_m1(&r.m1, sizeof(r.m1)), HS_TAG);
}

static void reserved_bits_of_m1_are_refused(void **)
{
	run_to_m1(&r, &t);
	r.m1.zero = 1;
	mac_m1(&r.m1);
	assert_int_equal(try_m1(&r.m1, sizeof(r.m1)), HS_RESERVED);
	r.m1.zero = 0;
	r.m1.caps |= 1u << 24;
	mac_m1(&r.m1);
	assert_int_equal(try_m1(&r.m1, sizeof(r.m1)), HS_RESERVED);
	r.m1.caps = PKT_CAP_AES;
	mac_m1(&r.m1);
	assert_int_equal(try_m1(&r.m1, sizeof(r.m1)), HS_RESERVED);
	r.m1.caps = PKT_CAP_CHACHA;
	r.m1.hs.flags = 1;
	mac_m1(&r.m1);
	assert_int_equal(try_m1(&r.m1, sizeof(r.m1)), HS_SHAPE);
}

static void a_failing_signer_sends_nothing_and_may_be_asked_again(void **)
{
	run_to_m1(&r, &t);
	t.b.signer_fails = true;
	assert_int_equal(try_m1(&r.m1, sizeof(r.m1)), HS_SIGNER);
	t.b.signer_fails = false;
	run_to_m2(&r, &t);
	t.a.signer_fails = true;
	assert_int_equal(hs_client_m2(&r.client, r.m2, r.m2_len, TEST_NOW, r.m3, &r.m3_len, &r.rc),
		HS_SIGNER);
	t.a.signer_fails = false;
	assert_int_equal(
		hs_client_m2(&r.client, r.m2, r.m2_len, TEST_NOW, r.m3, &r.m3_len, &r.rc), HS_OK);
}

static void a_certificate_too_long_for_a_datagram_is_not_sent(void **)
{
	static uint8_t big[PKT_HS_MAX_LEN];

	t.a.cfg.own_field = t.b.cfg.own_field = big;
	t.b.cfg.own_field_len = PKT_HS_MAX_LEN - PKT_M2_MIN_LEN + 1;
	run_to_m1(&r, &t);
	assert_int_equal(try_m1(&r.m1, sizeof(r.m1)), HS_TOO_LONG);
	t.b.cfg.own_field = t.b.cert;
	t.b.cfg.own_field_len = sizeof(t.b.cert);
	t.a.cfg.own_field_len = PKT_HS_MAX_LEN - PKT_M3_MIN_LEN + 1;
	run_to_m2(&r, &t);
	assert_int_equal(try_m2(r.m2, r.m2_len), HS_TOO_LONG);
}

// ---- RETRY

static const struct cookie_source source = {.family = 4, .addr = {192, 0, 2, 1}, .port = 7667};

static void a_retry_makes_the_client_prove_its_address(void **)
{
	struct cookie_jar jar;
	struct cookie_source elsewhere = source;
	struct pkt_retry retry;
	struct pkt_m1 again;

	cookie_init(&jar, 0, test_rnd);
	run_to_m1(&r, &t);
	assert_false(cookie_m1_ok(&jar, &t.b.pair, &source, &r.m1, 0));
	cookie_build_retry(&jar, &t.b.pair, &source, &r.m1, TEST_NOW, &retry);
	assert_int_equal(
		hs_client_retry(&r.client, &retry, sizeof(retry), TEST_NOW, &again), HS_OK);
	assert_memory_equal(&again, &r.m1, PKT_M1_MAC2_OFF);
	assert_true(cookie_m1_ok(&jar, &t.b.pair, &source, &again, 0));

	elsewhere.port++;
	assert_false(cookie_m1_ok(&jar, &t.b.pair, &elsewhere, &again, 0));
	elsewhere = source;
	elsewhere.addr[3]++;
	assert_false(cookie_m1_ok(&jar, &t.b.pair, &elsewhere, &again, 0));

	// And the handshake goes on as if nothing had happened: mac2 is under no transcript hash.
	assert_int_equal(hs_server_m1(&r.server, &t.b.cfg, &again, sizeof(again), TEST_KEY_ID_S,
				 TEST_NOW, test_rnd, r.m2, &r.m2_len),
		HS_OK);
	assert_int_equal(
		hs_client_m2(&r.client, r.m2, r.m2_len, TEST_NOW, r.m3, &r.m3_len, &r.rc), HS_OK);
	assert_int_equal(hs_server_m3(&r.server, r.m3, r.m3_len, TEST_NOW, &r.rs), HS_OK);
}

static enum hs_status try_retry(const void *m, size_t len)
{
	struct hs_client c = r.client;
	struct pkt_m1 again;

	return hs_client_retry(&c, m, len, TEST_NOW, &again);
}

static void no_altered_retry_is_accepted(void **)
{
	struct cookie_jar jar;
	struct pkt_retry retry;

	cookie_init(&jar, 0, test_rnd);
	run_to_m1(&r, &t);
	cookie_build_retry(&jar, &t.b.pair, &source, &r.m1, TEST_NOW, &retry);
	alter_everywhere(try_retry, &retry, sizeof(retry), sizeof(retry));
	r.client.m1.hs.ts++;
	assert_int_equal(try_retry(&retry, sizeof(retry)), HS_STATE);
}

static void cookies_live_for_their_time_and_no_longer(void **)
{
	struct cookie_jar jar;
	struct pkt_retry retry;
	struct pkt_m1 m1;

	cookie_init(&jar, 1000, test_rnd);
	run_to_m1(&r, &t);
	cookie_build_retry(&jar, &t.b.pair, &source, &r.m1, TEST_NOW, &retry);
	hs_client_retry(&r.client, &retry, sizeof(retry), TEST_NOW, &m1);
	assert_false(cookie_rotation_due(&jar, 1000 + COOKIE_LIFE_S - 1));
	assert_true(cookie_rotation_due(&jar, 1000 + COOKIE_LIFE_S));
	cookie_rotate(&jar, 1000 + COOKIE_LIFE_S, test_rnd + 1);
	assert_true(cookie_m1_ok(&jar, &t.b.pair, &source, &m1, 1000 + 2 * COOKIE_LIFE_S - 1));
	assert_false(cookie_m1_ok(&jar, &t.b.pair, &source, &m1, 1000 + 2 * COOKIE_LIFE_S));
	cookie_rotate(&jar, 1000 + COOKIE_LIFE_S + 1, test_rnd + 2);
	assert_false(cookie_m1_ok(&jar, &t.b.pair, &source, &m1, 1000 + COOKIE_LIFE_S + 1));
	cookie_wipe(&jar);
	assert_false(cookie_m1_ok(&jar, &t.b.pair, &source, &m1, 0));
}

// ---- hub link and enrolment: the same handshake with another pair and certificate field

static void enrolment_proves_the_token_and_a_bare_key(void **)
{
	static uint8_t chain[1024];
	struct der_list list = {.n = 2, .cert = {{t.b.cert, sizeof(t.b.cert)}, {t.a.cert, 300}}};
	uint8_t secret[32] = {9};
	uint8_t root_hash[32] = {1};
	uint8_t id[16] = {2};
	uint8_t th0[32];

	pair_th0_enrol(th0, root_hash, id, "hub.example-corp");
	pair_from_secret(&t.a.pair, true, secret, th0);
	pair_from_secret(&t.b.pair, false, secret, th0);
	t.a.cfg.own_field = t.a.pk;
	t.a.cfg.own_field_len = 32;
	t.a.cfg.peer_field = HS_FIELD_CHAIN;
	t.b.cfg.own_field = chain;
	t.b.cfg.own_field_len = der_list_build(&list, chain, sizeof(chain));
	t.b.cfg.peer_field = HS_FIELD_KEY;
	t.b.cfg.peer_name = NULL;
	t.b.cfg.expect_key = NULL;
	t.a.cfg.max_len = t.b.cfg.max_len = PKT_HS_TCP_MAX_LEN;
	run_to_end(&r, &t);
	assert_bytes(r.rs.peer_key, t.a.pk, 32);
	assert_bytes(&r.rc.traffic, &r.rs.traffic, sizeof(r.rc.traffic));

	// The client must own the key it shows.
	fresh(NULL);
	pair_from_secret(&t.a.pair, true, secret, th0);
	pair_from_secret(&t.b.pair, false, secret, th0);
	t.a.cfg.own_field = t.b.pk;
	t.a.cfg.own_field_len = 32;
	t.b.cfg.peer_field = HS_FIELD_KEY;
	t.b.cfg.expect_key = NULL;
	run_to_m3(&r, &t);
	assert_int_equal(try_m3(r.m3, r.m3_len), HS_SIGNATURE);
}

static void a_certificate_field_of_the_wrong_kind_is_refused(void **)
{
	t.a.cfg.peer_field = HS_FIELD_CHAIN; // a leaf's bytes do not split into a list
	run_to_m2(&r, &t);
	assert_int_equal(try_m2(r.m2, r.m2_len), HS_CERT_FIELD);
	t.a.cfg.peer_field = HS_FIELD_KEY;
	run_to_m2(&r, &t);
	assert_int_equal(try_m2(r.m2, r.m2_len), HS_CERT_FIELD);
}

static void a_leaf_longer_than_any_may_be_is_refused(void **)
{
	static uint8_t leaf[PKT_LEAF_MAX + 1];

	t.a.cfg.max_len = t.b.cfg.max_len = PKT_HS_TCP_MAX_LEN;
	t.b.cfg.own_field = leaf;
	t.b.cfg.own_field_len = sizeof(leaf);
	run_to_m2(&r, &t);
	assert_int_equal(try_m2(r.m2, r.m2_len), HS_CERT_FIELD);
}

// ---- secrets

static void ephemerals_are_hedged(void **)
{
	struct pkt_m1 first;

	run_to_m1(&r, &t);
	first = r.m1;
	run_to_m1(&r, &t);
	assert_memory_equal(
		first.x, r.m1.x, 32); // same everything: same; the rest is what breaks it

	hs_client_start(&r.client, &t.a.cfg, TEST_KEY_ID_C, TEST_TS + 1, TEST_NOW, test_rnd, &r.m1);
	assert_memory_not_equal(first.x, r.m1.x, 32);
	assert_memory_not_equal(first.nonce, r.m1.nonce, 32);
	t.a.cfg.hedge[0] ^= 1;
	run_to_m1(&r, &t);
	assert_memory_not_equal(first.x, r.m1.x, 32);
	t.a.cfg.hedge[0] ^= 1;
	t.a.pair.th0[0] ^= 1;
	run_to_m1(&r, &t);
	assert_memory_not_equal(first.x, r.m1.x, 32);
	t.a.pair.th0[0] ^= 1;
	run_to_m1(&r, &t);
	assert_memory_equal(first.x, r.m1.x, 32);

	// A restored machine answers two different M1 with the same randomness: no y twice.
	run_to_m2(&r, &t);
	memcpy(&first, r.m2, sizeof(first));
	hs_client_start(&r.client, &t.a.cfg, TEST_KEY_ID_C, TEST_TS + 1, TEST_NOW, test_rnd, &r.m1);
	hs_server_m1(&r.server, &t.b.cfg, &r.m1, sizeof(r.m1), TEST_KEY_ID_S, TEST_NOW, test_rnd,
		r.m2, &r.m2_len);
	assert_memory_not_equal(first.x, ((struct pkt_m2 *)r.m2)->x, 32);
}

static bool contains(const void *hay, size_t n, const uint8_t *needle, size_t len)
{
	return memmem(hay, n, needle, len) != NULL;
}

static void nothing_secret_stays_in_a_spent_object(void **)
{
	struct hs_client before_c;
	struct hs_server before_s;

	run_to_m2(&r, &t);
	before_c = r.client;
	before_s = r.server;
	assert_int_equal(
		hs_client_m2(&r.client, r.m2, r.m2_len, TEST_NOW, r.m3, &r.m3_len, &r.rc), HS_OK);
	assert_int_equal(hs_server_m3(&r.server, r.m3, r.m3_len, TEST_NOW, &r.rs), HS_OK);
	assert_false(contains(&r.client, sizeof(r.client), before_c.x_sk, 32));
	assert_false(contains(&r.server, sizeof(r.server), before_s.k3, 32));
	assert_false(contains(&r.server, sizeof(r.server), before_s.f3, 32));
	assert_false(contains(&r.server, sizeof(r.server), before_s.ms_key, 32));
	hs_client_fini(&r.client);
	hs_server_fini(&r.server);
	hs_result_wipe(&r.rc);
	pair_wipe(&t.a.pair);
	assert_true(sodium_is_zero((uint8_t *)&r.client, sizeof(r.client)));
	assert_true(sodium_is_zero((uint8_t *)&r.server, sizeof(r.server)));
	assert_true(sodium_is_zero((uint8_t *)&r.rc, sizeof(r.rc)));
	assert_true(sodium_is_zero((uint8_t *)&t.a.pair, sizeof(t.a.pair)));
}

static void every_status_has_a_sentence(void **)
{
	for (unsigned s = HS_OK; s <= HS_TOO_LONG; s++) {
		assert_true(strlen(hs_status_text(s)) > 2);
		assert_true(strlen(hs_status_label(s)) >= 2);
	}
	assert_string_equal(hs_status_text(HS_TOO_LONG + 1), "unknown");
	assert_string_equal(hs_status_label(HS_TOO_LONG + 1), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_altered_m1_is_accepted),
		TEST(no_altered_m2_is_accepted),
		TEST(no_altered_m3_is_accepted),
		TEST(messages_of_another_handshake_are_not_taken),
		TEST(one_m2_and_one_m3_are_accepted),
		TEST(reflected_messages_are_not_taken),
		TEST(a_limit_above_the_buffers_is_cut_to_them),
		TEST(clocks_may_differ_by_one_slot),
		TEST(another_pairs_message_is_not_taken),
		TEST(reserved_bits_of_m1_are_refused),
		TEST(a_failing_signer_sends_nothing_and_may_be_asked_again),
		TEST(a_certificate_too_long_for_a_datagram_is_not_sent),
		TEST(a_retry_makes_the_client_prove_its_address),
		TEST(no_altered_retry_is_accepted),
		TEST(cookies_live_for_their_time_and_no_longer),
		TEST(enrolment_proves_the_token_and_a_bare_key),
		TEST(a_certificate_field_of_the_wrong_kind_is_refused),
		TEST(a_leaf_longer_than_any_may_be_is_refused),
		TEST(ephemerals_are_hedged),
		TEST(nothing_secret_stays_in_a_spent_object),
		TEST(every_status_has_a_sentence),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
