// SPDX-License-Identifier: BSD-3-Clause
//
// The handshake under a hostile network and a dishonest peer. Includes handshake.c: forged messages
// need its key schedule.
#include "controlplane/common/handshake.c" // NOLINT

#include "controlplane/common/cookie.h"
#include "tests/unit/wire/support.h"

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

static struct two t;
static struct run r;

static int fresh(void **)
{
	memset(&r, 0, sizeof(r));
	two_init(&t);
	return 0;
}

static void mac_m1(struct pkt_m1 *m1)
{
	pair_mac(&t.a.pair, PAIR_MAC_M1, m1, PKT_M1_MAC1_OFF, m1->mac1);
}

static void mac_end(enum pair_mac which, uint8_t *m, size_t len)
{
	pair_mac(&t.a.pair, which, m, len - PKT_MAC_LEN, m + len - PKT_MAC_LEN);
}

// ---- flips, cuts and additions: nothing altered is ever accepted

static enum hs_status try_m1(const void *m, size_t len)
{
	struct hs_server s;
	uint8_t m2[PKT_HS_MAX_LEN];
	size_t n;

	return hs_server_m1(&s, &t.b.cfg, m, len, TEST_KEY_ID_S, TEST_NOW, test_rnd, m2, &n);
}

static enum hs_status try_m2(const void *m, size_t len)
{
	struct hs_client c = r.client;
	struct hs_result res;
	uint8_t m3[PKT_HS_MAX_LEN];
	size_t n;

	return hs_client_m2(&c, m, len, TEST_NOW, m3, &n, &res);
}

static enum hs_status try_m3(const void *m, size_t len)
{
	struct hs_server s = r.server;
	struct hs_result res;

	return hs_server_m3(&s, m, len, TEST_NOW, &res);
}

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

static void unknown_cap(uint8_t *body, size_t *)
{
	((struct pkt_m2_body *)body)->caps_cipher |= 1u << 20;
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
		{unknown_cap, HS_RESERVED},
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
		t.a.cfg.caps = cases[i].a | 3u << PKT_CAP_LANES_SHIFT;
		t.b.cfg.caps = cases[i].b | PKT_CAP_TCP;
		run_to_end(&r, &t);
		assert_int_equal(r.rc.cipher, cases[i].cipher);
		assert_int_equal(r.rs.cipher, cases[i].cipher);
		assert_int_equal(r.rs.peer_caps, t.a.cfg.caps);
		assert_int_equal(r.rc.peer_caps, t.b.cfg.caps);
	}
}

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
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_altered_m1_is_accepted),
		TEST(no_altered_m2_is_accepted),
		TEST(no_altered_m3_is_accepted),
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
		TEST(messages_of_another_handshake_are_not_taken),
		TEST(one_m2_and_one_m3_are_accepted),
		TEST(reflected_messages_are_not_taken),
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
		TEST(ephemerals_are_hedged),
		TEST(nothing_secret_stays_in_a_spent_object),
		TEST(every_status_has_a_sentence),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
