// SPDX-License-Identifier: BSD-3-Clause
//
// The handshake with a dishonest peer, or somebody who knows K_pair: messages that are well sealed
// and say something wrong; what binds names, caps and keys. Includes handshake.c: forging needs its
// key schedule.
#include "controlplane/common/handshake.c" // NOLINT

#include "tests/unit/wire/handshake_support.h"

// Points whose shared secret is zero with every private key (small order, and their non-canonical
// twins).
static const char *const low_order[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

// Whoever knows K_pair can repair the outer mac: what is inside must hold without it.
static void no_altered_message_with_a_repaired_mac_is_accepted(void **)
{
	struct pkt_m1 m1;

	run_to_m3(&r, &t);
	for (size_t i = PKT_HS_HDR_LEN; i < r.m2_len - PKT_MAC_LEN; i++) {
		r.m2[i] ^= 0x10;
		mac_end(PAIR_MAC_M2, r.m2, r.m2_len);
		r.client.open = true;
		assert_int_not_equal(try_m2(r.m2, r.m2_len), HS_OK);
		r.m2[i] ^= 0x10;
	}
	for (size_t i = PKT_HS_HDR_LEN; i < r.m3_len - PKT_MAC_LEN; i++) {
		r.m3[i] ^= 0x10;
		mac_end(PAIR_MAC_M3, r.m3, r.m3_len);
		assert_int_not_equal(try_m3(r.m3, r.m3_len), HS_OK);
		r.m3[i] ^= 0x10;
	}
	// An M1 altered by him is answered, but the client refuses the answer.
	for (size_t i = offsetof(struct pkt_m1, nonce); i < offsetof(struct pkt_m1, caps); i++) {
		uint8_t m2[PKT_HS_MAX_LEN];
		struct hs_server s;
		size_t n;

		m1 = r.m1;
		((uint8_t *)&m1)[i] ^= 0x10;
		mac_m1(&m1);
		assert_int_equal(hs_server_m1(&s, &t.b.cfg, &m1, sizeof(m1), TEST_KEY_ID_S,
					 TEST_NOW, test_rnd, m2, &n),
			HS_OK);
		run_to_m1(&r, &t);
		assert_int_equal(try_m2(m2, n), HS_DECRYPT);
	}
}

// ---- what only a dishonest peer can do: a message that is well sealed and says something wrong

// Take M2 apart, let `change` edit the body, and seal it again as the honest server would.
static void reseal_m2(const uint8_t y_sk[32], void (*change)(uint8_t *body, size_t *len),
	const struct gateway *signer)
{
	uint8_t th1[32];
	uint8_t th2[32];
	uint8_t th3[32];
	uint8_t plain[PKT_HS_MAX_LEN];
	uint8_t y_pk[32];
	struct pkt_m2 *m2 = (struct pkt_m2 *)r.m2;
	struct keys k;
	size_t n;

	crypto_scalarmult_base(y_pk, y_sk);
	assert_bytes(y_pk, m2->x, 32);
	th1_of(th1, &t.b.pair, &r.m1);
	hash2(th2, NULL, th1, 32, m2, PKT_M2_HDR_LEN);
	assert_int_equal(derive_keys(&t.b.pair, y_sk, y_pk, r.m1.x, th2, &k), HS_OK);
	assert_int_equal(open_sealed(k.k2, r.m2, r.m2_len, PKT_M2_HDR_LEN, plain, &n), HS_OK);
	n -= PKT_AUTH_LEN;
	if (change != NULL)
		change(plain, &n);
	// The length is under th2, so a longer or shorter body means another k2.
	m2->hs.len = (uint16_t)(PKT_M2_HDR_LEN + n + PKT_AUTH_LEN + 2 * PKT_MAC_LEN);
	r.m2_len = m2->hs.len;
	hash2(th2, NULL, th1, 32, m2, PKT_M2_HDR_LEN);
	assert_int_equal(derive_keys(&t.b.pair, y_sk, y_pk, r.m1.x, th2, &k), HS_OK);
	hash2(th3, NULL, th2, 32, plain, n);
	sign_as(signer, "S", th3, 32, plain + n);
	hash2(plain + n + 64, k.f2, th3, 32, plain + n, 64);
	memcpy(r.m2 + PKT_M2_HDR_LEN, plain, n + PKT_AUTH_LEN);
	seal_and_mac(&t.b.pair, PAIR_MAC_M2, k.k2, r.m2, PKT_M2_HDR_LEN, n + PKT_AUTH_LEN);
}

static void reseal_m3(void (*change)(uint8_t *body, size_t *len), const struct gateway *signer)
{
	uint8_t plain[PKT_HS_MAX_LEN];
	uint8_t th5[32];
	struct pkt_m3 *m3 = (struct pkt_m3 *)r.m3;
	size_t n;

	assert_int_equal(
		open_sealed(r.server.k3, r.m3, r.m3_len, PKT_M3_HDR_LEN, plain, &n), HS_OK);
	n -= PKT_AUTH_LEN;
	if (change != NULL)
		change(plain, &n);
	m3->hs.len = (uint16_t)(PKT_M3_HDR_LEN + n + PKT_AUTH_LEN + 2 * PKT_MAC_LEN);
	r.m3_len = m3->hs.len;
	hash3(th5, r.server.th4, 32, m3, PKT_M3_HDR_LEN, plain, n);
	sign_as(signer, "C", th5, 32, plain + n);
	hash2(plain + n + 64, r.server.f3, th5, 32, plain + n, 64);
	memcpy(r.m3 + PKT_M3_HDR_LEN, plain, n + PKT_AUTH_LEN);
	seal_and_mac(&t.a.pair, PAIR_MAC_M3, r.server.k3, r.m3, PKT_M3_HDR_LEN, n + PKT_AUTH_LEN);
}

static void choose_aes(uint8_t *body, size_t *)
{
	((struct pkt_m2_body *)body)->caps_cipher = PKT_CAP_CHACHA | PKT_CIPHER_AES_256_GCM
									     << PKT_CIPHER_SHIFT;
}

static void choose_nothing(uint8_t *body, size_t *)
{
	((struct pkt_m2_body *)body)->caps_cipher = PKT_CAP_CHACHA;
}

static void choose_chacha_with_aes_at_both(uint8_t *body, size_t *)
{
	((struct pkt_m2_body *)body)->caps_cipher =
		PKT_CAP_CHACHA | PKT_CAP_AES | PKT_CIPHER_CHACHA20_POLY1305 << PKT_CIPHER_SHIFT;
}

static void no_chacha(uint8_t *body, size_t *)
{
	((struct pkt_m2_body *)body)->caps_cipher &= ~(uint32_t)PKT_CAP_CHACHA;
}

static void m2_cert_len_short(uint8_t *body, size_t *)
{
	((struct pkt_m2_body *)body)->cert_len--;
}

static void m2_cert_len_long(uint8_t *body, size_t *)
{
	((struct pkt_m2_body *)body)->cert_len = 0xffff;
}

static void m2_no_cert(uint8_t *body, size_t *len)
{
	((struct pkt_m2_body *)body)->cert_len = 0;
	*len = PKT_M2_BODY_FIXED;
}

static void m2_other_cert(uint8_t *body, size_t *)
{
	memcpy(body + PKT_M2_BODY_FIXED, t.a.cert, sizeof(t.a.cert)); // the client's own, reflected
}

static void m3_cert_len_short(uint8_t *body, size_t *)
{
	((struct pkt_m3_body *)body)->cert_len--;
}

static void m3_cert_len_long(uint8_t *body, size_t *)
{
	((struct pkt_m3_body *)body)->cert_len = 0xffff;
}

static void m3_other_cert(uint8_t *body, size_t *)
{
	memcpy(body + PKT_M3_BODY_FIXED, t.b.cert, sizeof(t.b.cert));
}

static void a_dishonest_server_is_refused_for_the_right_reason(void **)
{
	static const struct {
		void (*change)(uint8_t *, size_t *);
		enum hs_status want;
	} cases[] = {
		{NULL, HS_OK},
		{choose_aes, HS_CIPHER},
		{choose_nothing, HS_CIPHER},
		{choose_chacha_with_aes_at_both, HS_CIPHER},
		{no_chacha, HS_RESERVED},
		{m2_cert_len_short, HS_CERT_FIELD},
		{m2_cert_len_long, HS_CERT_FIELD},
		{m2_no_cert, HS_CERT_FIELD},
		{m2_other_cert, HS_CERT},
	};
	uint8_t y[32];

	seed("y", y);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t th1[32];

		fresh(NULL);
		run_to_m1(&r, &t);
		th1_of(th1, &t.b.pair, &r.m1);
		assert_int_equal(server_answer(&r.server, &t.b.cfg, &r.m1, TEST_KEY_ID_S, TEST_NOW,
					 th1, y, test_rnd, r.m2, &r.m2_len),
			HS_OK);
		reseal_m2(y, cases[i].change, &t.b);
		assert_int_equal(try_m2(r.m2, r.m2_len), cases[i].want);
	}
}

static void a_dishonest_client_is_refused_for_the_right_reason(void **)
{
	static const struct {
		void (*change)(uint8_t *, size_t *);
		enum hs_status want;
	} cases[] = {
		{NULL, HS_OK},
		{m3_cert_len_short, HS_CERT_FIELD},
		{m3_cert_len_long, HS_CERT_FIELD},
		{m3_other_cert, HS_CERT},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fresh(NULL);
		run_to_m3(&r, &t);
		reseal_m3(cases[i].change, &t.a);
		assert_int_equal(try_m3(r.m3, r.m3_len), cases[i].want);
	}
}

static void a_signature_by_another_key_is_refused(void **)
{
	uint8_t y[32];
	uint8_t th1[32];

	seed("y", y);
	run_to_m1(&r, &t);
	th1_of(th1, &t.b.pair, &r.m1);
	server_answer(&r.server, &t.b.cfg, &r.m1, TEST_KEY_ID_S, TEST_NOW, th1, y, test_rnd, r.m2,
		&r.m2_len);
	reseal_m2(y, NULL, &t.a);
	assert_int_equal(try_m2(r.m2, r.m2_len), HS_SIGNATURE);

	fresh(NULL);
	run_to_m3(&r, &t);
	reseal_m3(NULL, &t.b);
	assert_int_equal(try_m3(r.m3, r.m3_len), HS_SIGNATURE);
}

static void a_refused_certificate_ends_the_handshake(void **)
{
	run_to_m2(&r, &t);
	t.a.trusts = &t.a;
	assert_int_equal(try_m2(r.m2, r.m2_len), HS_CERT);
	assert_string_equal(t.a.asked_name, "site-b.example-corp");

	fresh(NULL);
	run_to_m3(&r, &t);
	t.b.trusts = &t.b;
	assert_int_equal(try_m3(r.m3, r.m3_len), HS_CERT);
	assert_string_equal(t.b.asked_name, "site-a.example-corp");
}

static void a_key_other_than_the_intents_is_refused(void **)
{
	t.a.cfg.expect_key = t.a.pk;
	run_to_m2(&r, &t);
	assert_int_equal(try_m2(r.m2, r.m2_len), HS_KEY);

	fresh(NULL);
	t.b.cfg.expect_key = t.b.pk;
	run_to_m3(&r, &t);
	assert_int_equal(try_m3(r.m3, r.m3_len), HS_KEY);
}

static void a_wrong_fin_is_refused_before_the_certificate_is_looked_at(void **)
{
	uint8_t plain[PKT_HS_MAX_LEN];
	size_t n = 0;

	run_to_m3(&r, &t);
	assert_int_equal(
		open_sealed(r.server.k3, r.m3, r.m3_len, PKT_M3_HDR_LEN, plain, &n), HS_OK);
	plain[n - 1] ^= 1;
	memcpy(r.m3 + PKT_M3_HDR_LEN, plain, n);
	seal_and_mac(&t.a.pair, PAIR_MAC_M3, r.server.k3, r.m3, PKT_M3_HDR_LEN, n);
	t.b.n_checked = 0;
	assert_int_equal(try_m3(r.m3, r.m3_len), HS_FIN);
	assert_int_equal(t.b.n_checked, 0);
}

static void low_order_points_abort(void **)
{
	for (size_t i = 0; i < sizeof(low_order) / sizeof(low_order[0]); i++) {
		uint8_t p[32];

		sodium_hex2bin(p, 32, low_order[i], 64, NULL, NULL, NULL);
		fresh(NULL);
		run_to_m2(&r, &t);
		memcpy(((struct pkt_m2 *)r.m2)->x, p, 32);
		mac_end(PAIR_MAC_M2, r.m2, r.m2_len);
		assert_int_equal(try_m2(r.m2, r.m2_len), HS_LOW_ORDER);
		memcpy(r.m1.x, p, 32);
		mac_m1(&r.m1);
		assert_int_equal(try_m1(&r.m1, sizeof(r.m1)), HS_LOW_ORDER);
	}
}

// ---- binding

// What each side signs in a run with fixed ephemeral values under this th0 and unchanged K_pair.
static void signed_hashes(const uint8_t th0[32], uint8_t s_signed[32], uint8_t c_signed[32])
{
	uint8_t x[32];
	uint8_t y[32];
	uint8_t th1[32];

	seed("x", x);
	seed("y", y);
	memcpy(t.a.pair.th0, th0, 32);
	memcpy(t.b.pair.th0, th0, 32);
	client_start(&r.client, &t.a.cfg, TEST_KEY_ID_C, TEST_TS, TEST_NOW, x, test_rnd);
	th1_of(th1, &t.b.pair, &r.client.m1);
	assert_int_equal(server_answer(&r.server, &t.b.cfg, &r.client.m1, TEST_KEY_ID_S, TEST_NOW,
				 th1, y, test_rnd, r.m2, &r.m2_len),
		HS_OK);
	assert_int_equal(
		hs_client_m2(&r.client, r.m2, r.m2_len, TEST_NOW, r.m3, &r.m3_len, &r.rc), HS_OK);
	assert_int_equal(hs_server_m3(&r.server, r.m3, r.m3_len, TEST_NOW, &r.rs), HS_OK);
	assert_string_equal(t.b.label, "S");
	assert_string_equal(t.a.label, "C");
	memcpy(s_signed, t.b.signed_msg, 32);
	memcpy(c_signed, t.a.signed_msg, 32);
}

// Without this the misbinding attack on SIGMA appears as soon as K_pair is known (PROTOCOL.md §12),
// so K_pair and every ephemeral value are held fixed here: only the names may make the difference.
static void both_names_are_under_both_signatures(void **)
{
	uint8_t th0[32];
	uint8_t s0[32];
	uint8_t c0[32];

	memcpy(th0, t.a.pair.th0, 32);
	signed_hashes(th0, s0, c0);
	for (unsigned which = 0; which < 2; which++) {
		struct two other;
		uint8_t s1[32];
		uint8_t c1[32];
		struct pair p;

		two_init(&other);
		if (which == 0)
			other.a.name = "site-0.example-corp";
		else
			other.b.name = "site-z.example-corp";
		gateway_intent(&other.a, &other.b, other.net_id, TEST_NOW * 1000000);
		gateway_intent(&other.b, &other.a, other.net_id, TEST_NOW * 1000000 + 5);
		assert_int_equal(pair_from_intents(&p, other.a.intent, other.a.intent_len,
					 other.b.intent, other.b.intent_len, other.a.ipk_sk, NULL),
			0);
		fresh(NULL);
		signed_hashes(p.th0, s1, c1);
		assert_memory_not_equal(s0, s1, 32);
		assert_memory_not_equal(c0, c1, 32);
	}
}

static void the_same_k_pair_under_other_names_does_not_connect(void **)
{
	t.b.pair.th0[0] ^= 1;
	run_to_m2(&r, &t);
	assert_int_equal(try_m2(r.m2, r.m2_len), HS_DECRYPT);
}

static void altered_caps_with_a_repaired_mac_do_not_connect(void **)
{
	struct pkt_m1 m1;

	t.b.caps = t.b.cfg.caps = PKT_CAP_AES | PKT_CAP_CHACHA;
	run_to_m1(&r, &t);
	m1 = r.m1;
	m1.caps &= ~(
		uint32_t)PKT_CAP_AES; // downgrade to the other cipher by somebody who knows K_pair
	mac_m1(&m1);
	assert_int_equal(hs_server_m1(&r.server, &t.b.cfg, &m1, sizeof(m1), TEST_KEY_ID_S, TEST_NOW,
				 test_rnd, r.m2, &r.m2_len),
		HS_OK);
	assert_int_equal(r.server.cipher, PKT_CIPHER_CHACHA20_POLY1305);
	assert_int_equal(try_m2(r.m2, r.m2_len), HS_DECRYPT);
}

static void the_cipher_follows_the_rule_on_both_sides(void **)
{
	static const struct {
		uint32_t a, b;
		uint8_t cipher;
	} cases[] = {
		{PKT_CAP_CHACHA, PKT_CAP_CHACHA, PKT_CIPHER_CHACHA20_POLY1305},
		{PKT_CAP_CHACHA | PKT_CAP_AES, PKT_CAP_CHACHA, PKT_CIPHER_CHACHA20_POLY1305},
		{PKT_CAP_CHACHA, PKT_CAP_CHACHA | PKT_CAP_AES, PKT_CIPHER_CHACHA20_POLY1305},
		{PKT_CAP_CHACHA | PKT_CAP_AES, PKT_CAP_CHACHA | PKT_CAP_AES,
			PKT_CIPHER_AES_256_GCM},
	};

	for (size_t i = 0; i < 4; i++) {
		fresh(NULL);
		// Bits that have no meaning yet are told and hurt nobody.
		t.a.cfg.caps = cases[i].a | 3u << PKT_CAP_LANES_SHIFT | 1u << 20;
		t.b.cfg.caps = cases[i].b | PKT_CAP_TCP | 1u << 23;
		run_to_end(&r, &t);
		assert_int_equal(r.rc.cipher, cases[i].cipher);
		assert_int_equal(r.rs.cipher, cases[i].cipher);
		assert_int_equal(r.rs.peer_caps, t.a.cfg.caps);
		assert_int_equal(r.rc.peer_caps, t.b.cfg.caps);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_altered_message_with_a_repaired_mac_is_accepted),
		TEST(a_dishonest_server_is_refused_for_the_right_reason),
		TEST(a_dishonest_client_is_refused_for_the_right_reason),
		TEST(a_signature_by_another_key_is_refused),
		TEST(a_refused_certificate_ends_the_handshake),
		TEST(a_key_other_than_the_intents_is_refused),
		TEST(a_wrong_fin_is_refused_before_the_certificate_is_looked_at),
		TEST(low_order_points_abort),
		TEST(both_names_are_under_both_signatures),
		TEST(the_same_k_pair_under_other_names_does_not_connect),
		TEST(altered_caps_with_a_repaired_mac_do_not_connect),
		TEST(the_cipher_follows_the_rule_on_both_sides),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
