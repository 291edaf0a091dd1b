// SPDX-License-Identifier: BSD-3-Clause
//
// Every value of tests/vectors/*.txt, which an extension of the executable specification wrote.
//
// Includes handshake.c, to give it the vectors' ephemeral values instead of hedged ones.
#include "controlplane/common/handshake.c" // NOLINT

#include "controlplane/common/cookie.h"
#include "tests/unit/wire/support.h"
#include "wire/record.h"

static struct vectors v;
static struct two t;

static int load(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "tests/vectors/%s.txt", name);
	vectors_load(&v, path);
	two_init(&t);
	return 0;
}

static int load_introduction(void **)
{
	return load("introduction");
}

static int load_hub(void **)
{
	return load("hub");
}

static int load_packets(void **)
{
	return load("packets");
}

static int load_records(void **)
{
	return load("records");
}

static int unload(void **)
{
	vectors_free(&v);
	return 0;
}

// ---- introduction.txt

static void sub_keys_and_psk(void **)
{
	const struct pair *p = &t.a.pair;
	struct pair with_psk;
	uint8_t psk[32];

	seed("psk", psk);
	assert_int_equal(pair_from_intents(&with_psk, t.a.intent, t.a.intent_len, t.b.intent,
				 t.b.intent_len, t.a.ipk_sk, psk),
		0);
	assert_vector(&v, "K_pair_psk", with_psk.key, 32);
	assert_vector(&v, "sub_key_1", p->tag_key[PAIR_C2S], 32);
	assert_vector(&v, "sub_key_2", p->tag_key[PAIR_S2C], 32);
	assert_vector(&v, "sub_key_3", p->mac_key[0], 32);
	assert_vector(&v, "sub_key_4", p->mac_key[1], 32);
	assert_vector(&v, "sub_key_5", p->mac_key[2], 32);
	assert_vector(&v, "sub_key_6", p->seal_key[PAIR_C2S], 32);
	assert_vector(&v, "sub_key_7", p->seal_key[PAIR_S2C], 32);
	assert_vector(&v, "sub_key_8", p->psk, 32);
}

static void tags_and_punches(void **)
{
	struct pkt_punch m;
	uint8_t tag[8];

	pair_tag(&t.a.pair, PAIR_C2S, pair_slot(TEST_NOW), tag);
	assert_vector(&v, "tag_c2s", tag, 8);
	pair_tag(&t.a.pair, PAIR_S2C, pair_slot(TEST_NOW), tag);
	assert_vector(&v, "tag_s2c", tag, 8);
	pair_tag(&t.a.pair, PAIR_C2S, pair_slot(TEST_NOW) + 1, tag);
	assert_vector(&v, "tag_c2s_next", tag, 8);
	pair_punch_build(&t.a.pair, TEST_TS, TEST_NOW, 0, &m);
	assert_vector(&v, "punch_client", &m, sizeof(m));
	pair_punch_build(&t.b.pair, TEST_TS + 1, TEST_NOW, PKT_PUNCH_INITIATE, &m);
	assert_vector(&v, "punch_server", &m, sizeof(m));
}

static void sealed_candidates(void **)
{
	const struct vector *plain = vectors_get(&v, "candidates");
	uint8_t sealed[CANDIDATES_SEALED_LEN];
	uint8_t again[CANDIDATES_LEN];
	uint8_t nonce[32];
	struct candidates c;

	seed("nonce", nonce);
	assert_int_equal(candidates_parse(plain->bytes, plain->len, &c), 0);
	assert_int_equal(c.n, 3);
	assert_int_equal(c.list[1].port, 40000);
	assert_int_equal(c.list[1].family, 6);
	assert_int_equal(candidates_build(&c, again), 0);
	assert_vector(&v, "candidates", again, sizeof(again));
	assert_int_equal(pair_seal_candidates(&t.a.pair, &c, nonce, sealed), 0);
	assert_vector(&v, "candidates_sealed_c2s", sealed, sizeof(sealed));
	c = (struct candidates){.ts_us = 78};
	assert_int_equal(pair_seal_candidates(&t.b.pair, &c, nonce, sealed), 0);
	assert_vector(&v, "candidates_sealed_s2c", sealed, sizeof(sealed));
}

static void hedged_keys(void **)
{
	uint8_t rnd[64];
	uint8_t x[32];
	uint8_t n[32];
	uint8_t pk[32];

	seed("rnd1", rnd);
	seed("rnd2", rnd + 32);
	seed("hedge", t.a.cfg.hedge);
	hedge(&t.a.cfg, rnd, t.a.pair.th0, TEST_TS, x, n);
	assert_vector(&v, "hedged_x_sk", x, 32);
	assert_vector(&v, "hedged_nonce", n, 32);
	pair_intent_keys(rnd, t.a.cfg.hedge, TEST_TS, t.a.pair.th0, x, pk);
	assert_vector(&v, "hedged_ipk_sk", x, 32);
}

static void retry_and_the_m1_after_it(void **)
{
	const struct cookie_source from = {.family = 4, .addr = {192, 0, 2, 1}, .port = 7667};
	struct cookie_jar jar;
	struct hs_client c;
	struct pkt_retry retry;
	struct pkt_m1 again;
	uint8_t secret[32];
	uint8_t x[32];
	uint8_t nc[32];

	seed("cookie secret", secret);
	seed("x", x);
	seed("nc", nc);
	cookie_init(&jar, 0, secret);
	client_start(&c, &t.a.cfg, TEST_KEY_ID_C, TEST_TS, TEST_NOW, x, nc);
	cookie_build_retry(&jar, &t.b.pair, &from, &c.m1, TEST_NOW, &retry);
	assert_vector(&v, "retry", &retry, sizeof(retry));
	assert_int_equal(hs_client_retry(&c, &retry, sizeof(retry), TEST_NOW, &again), HS_OK);
	assert_vector(&v, "m1_after_retry", &again, sizeof(again));
}

// ---- hub.txt

static uint8_t chain_a[2048];
static uint8_t chain_b[2048];

static size_t make_chain(uint8_t *buf, size_t cap, const uint8_t *leaf, size_t leaf_len)
{
	static uint8_t issuing[320];
	static uint8_t root[288];
	const struct der_list l = {.n = 3,
		.cert = {{leaf, leaf_len}, {issuing, sizeof(issuing)}, {root, sizeof(root)}}};

	for (size_t i = 0; i < sizeof(issuing); i += 32)
		seed("issuing", issuing + i);
	for (size_t i = 0; i < sizeof(root); i += 32)
		seed("root cert", root + i);
	return der_list_build(&l, buf, cap);
}

static void one_handshake(const char *prefix)
{
	static const char *const ts_name[2][2] = {
		{"ts_s2c_0", "ts_s2c_1"}, {"ts_c2s_0", "ts_c2s_1"}};
	struct run r;
	uint8_t x[32];
	uint8_t y[32];
	uint8_t nc[32];
	uint8_t ns[32];
	uint8_t th1[32];
	char name[48];

	t.a.cfg.caps = t.b.cfg.caps = PKT_CAP_CHACHA;
	t.a.cfg.rl = 8;
	t.b.cfg.rl = 9;
	t.a.cfg.max_len = t.b.cfg.max_len = PKT_HS_TCP_MAX_LEN;
	t.a.cfg.peer_field = HS_FIELD_CHAIN;
	t.b.cfg.own_field = chain_b;
	t.b.cfg.own_field_len = make_chain(chain_b, sizeof(chain_b), t.b.cert, sizeof(t.b.cert));
	seed("x", x);
	seed("y", y);
	seed("nc", nc);
	seed("ns", ns);
	client_start(&r.client, &t.a.cfg, TEST_KEY_ID_C, TEST_TS, TEST_NOW, x, nc);
	snprintf(name, sizeof(name), "%s_m1", prefix);
	assert_vector(&v, name, &r.client.m1, PKT_M1_LEN);
	th1_of(th1, &t.b.pair, &r.client.m1);
	assert_int_equal(server_answer(&r.server, &t.b.cfg, &r.client.m1, TEST_KEY_ID_S, TEST_NOW,
				 th1, y, ns, r.m2, &r.m2_len),
		HS_OK);
	snprintf(name, sizeof(name), "%s_m2", prefix);
	assert_vector(&v, name, r.m2, r.m2_len);
	assert_int_equal(
		hs_client_m2(&r.client, r.m2, r.m2_len, TEST_NOW, r.m3, &r.m3_len, &r.rc), HS_OK);
	snprintf(name, sizeof(name), "%s_m3", prefix);
	assert_vector(&v, name, r.m3, r.m3_len);
	assert_int_equal(hs_server_m3(&r.server, r.m3, r.m3_len, TEST_NOW, &r.rs), HS_OK);
	for (unsigned d = 0; d < 2; d++) {
		for (unsigned plane = 0; plane < 2; plane++) {
			snprintf(name, sizeof(name), "%s_%s", prefix, ts_name[d][plane]);
			assert_vector(&v, name, r.rs.traffic.ts[d][plane], 32);
		}
	}
}

static void hub_link(void **)
{
	uint8_t secret[32];
	uint8_t th0[32];

	seed("gate secret", secret);
	pair_th0_hub(th0, t.net_id, "site-a.example-corp", "hub.example-corp");
	assert_vector(&v, "hub_th0", th0, 32);
	pair_from_secret(&t.a.pair, true, secret, th0);
	pair_from_secret(&t.b.pair, false, secret, th0);
	assert_vector(&v, "hub_K_pair", t.a.pair.key, 32);
	t.a.cfg.own_field = chain_a;
	t.a.cfg.own_field_len = make_chain(chain_a, sizeof(chain_a), t.a.cert, sizeof(t.a.cert));
	t.b.cfg.peer_field = HS_FIELD_CHAIN;
	one_handshake("hub");
}

static void enrolment(void **)
{
	uint8_t root[288];
	uint8_t root_hash[32];
	uint8_t id[32];
	uint8_t secret[32];
	uint8_t th0[32];

	for (size_t i = 0; i < sizeof(root); i += 32)
		seed("root cert", root + i);
	pair_hash(root_hash, root, sizeof(root));
	seed("token id", id);
	seed("token secret", secret);
	pair_th0_enrol(th0, root_hash, id, "hub.example-corp");
	assert_vector(&v, "enrol_th0", th0, 32);
	pair_from_secret(&t.a.pair, true, secret, th0);
	pair_from_secret(&t.b.pair, false, secret, th0);
	assert_vector(&v, "enrol_K_pair", t.b.pair.key, 32);
	t.a.cfg.own_field = t.a.pk;
	t.a.cfg.own_field_len = 32;
	t.b.cfg.peer_field = HS_FIELD_KEY;
	t.b.cfg.peer_name = NULL;
	one_handshake("enrol");
}

// ---- packets.txt

static size_t open_packet(bool aes, const struct vector *p, uint8_t *plain)
{
	const struct pkt_data *d = (const struct pkt_data *)p->bytes;
	struct keysched_lane lane;
	uint8_t nonce[12];
	unsigned long long n = 0;
	int err;

	assert_true(pkt_data_plausible(p->bytes, p->len));
	keysched_lane(vectors_get(&v, "data_secret")->bytes, d->lane, &lane);
	pkt_nonce(nonce, lane.iv, d->counter);
	if (aes)
		err = crypto_aead_aes256gcm_decrypt(
			plain, &n, NULL, p->bytes + 16, p->len - 16, p->bytes, 16, nonce, lane.key);
	else
		err = crypto_aead_chacha20poly1305_ietf_decrypt(
			plain, &n, NULL, p->bytes + 16, p->len - 16, p->bytes, 16, nonce, lane.key);
	assert_int_equal(err, 0);
	return (size_t)n;
}

static void lane_keys(void **)
{
	static const uint8_t lanes[] = {1, 2, 255};

	for (unsigned i = 0; i < 3; i++) {
		struct keysched_lane lane;
		uint8_t both[44];
		char name[16];

		keysched_lane(vectors_get(&v, "data_secret")->bytes, lanes[i], &lane);
		memcpy(both, lane.key, 32);
		memcpy(both + 32, lane.iv, 12);
		snprintf(name, sizeof(name), "lane_%u", lanes[i]);
		assert_vector(&v, name, both, sizeof(both));
	}
}

// What a packet holds, as "kind/segment/frame" in order.
static void expect_blocks(bool aes, const char *name, const char *const *frames, size_t n_frames)
{
	static uint8_t plain[2048];
	char full[48];
	struct pkt_blocks it;
	struct pkt_block_view b = {0};
	size_t n = 0;

	snprintf(full, sizeof(full), "%s_%s", aes ? "aes" : "chacha", name);
	it = pkt_blocks(plain, open_packet(aes, vectors_get(&v, full), plain));
	while (pkt_block_next(&it, &b) == 1) {
		assert_true(n < n_frames);
		assert_int_equal(b.kind, PKT_KIND_ETH);
		assert_vector(&v, frames[n], b.payload, b.len);
		n++;
	}
	assert_int_equal(n, n_frames);
}

static void packets_hold_what_the_reference_packed(void **)
{
	static const char *const three[] = {"frame_60", "frame_61", "frame_14"};

	for (int aes = 0; aes <= crypto_aead_aes256gcm_is_available(); aes++) {
		expect_blocks(aes, "keepalive", NULL, 0);
		expect_blocks(aes, "one_frame", three, 1);
		expect_blocks(aes, "packed_three", three, 3);
		expect_blocks(aes, "packed_padded", three, 3);
		expect_blocks(aes, "padding_of_three", three, 1);
		expect_blocks(aes, "last_counter", three, 1);
	}
	expect_blocks(false, "lane_2", three, 1);
	if (crypto_aead_aes256gcm_is_available())
		expect_blocks(true, "lane_255", three, 1);
}

static void fragments_join_to_the_frame(void **)
{
	static uint8_t frame[PKT_FRAME_MAX];
	static uint8_t plain[2048];
	size_t have = 0;
	unsigned total = 0;

	for (unsigned i = 0; i < 8; i++) {
		char name[24];
		struct pkt_blocks it;
		struct pkt_block_view b = {0};

		snprintf(name, sizeof(name), "chacha_frag_%u", i);
		it = pkt_blocks(plain, open_packet(false, vectors_get(&v, name), plain));
		if (i == 0) { // behind a packed frame, and the last block
			assert_int_equal(pkt_block_next(&it, &b), 1);
			assert_int_equal(b.kind, PKT_KIND_ETH);
			assert_int_equal(pkt_block_next(&it, &b), 1);
			assert_int_equal(b.kind, PKT_KIND_FRAG_FIRST);
			total = get_le16(b.payload);
			b.payload += PKT_FRAG_TOTAL_LEN;
			b.len -= PKT_FRAG_TOTAL_LEN;
		} else {
			assert_int_equal(pkt_block_next(&it, &b), 1);
			assert_int_equal(b.kind, PKT_KIND_FRAG_NEXT);
		}
		assert_true(have + b.len <= total);
		memcpy(frame + have, b.payload, b.len);
		have += b.len;
		if (have == total) // only then may something follow in the packet
			assert_int_equal(pkt_block_next(&it, &b), 1);
		assert_int_equal(pkt_block_next(&it, &b), 0);
	}
	assert_vector(&v, "frame_9216", frame, have);
	assert_int_equal(total, 9216);
}

static void probes_and_paths(void **)
{
	uint8_t plain[2048];
	struct pkt_blocks it;
	struct pkt_block_view b = {0};

	it = pkt_blocks(plain, open_packet(false, vectors_get(&v, "chacha_probe"), plain));
	assert_int_equal(pkt_block_next(&it, &b), 1);
	assert_int_equal(b.kind, PKT_KIND_PROBE);
	assert_int_equal(b.len, PKT_PROBE_PAYLOAD_LEN);
	assert_int_equal(pkt_block_next(&it, &b), 0);
	it = pkt_blocks(plain, open_packet(false, vectors_get(&v, "chacha_probe_ack"), plain));
	assert_int_equal(pkt_block_next(&it, &b), 1);
	assert_int_equal(b.len, PKT_PROBE_ACK_PAYLOAD_LEN);
	assert_int_equal(get_le16(b.payload + 4), 1432);
	it = pkt_blocks(plain, open_packet(false, vectors_get(&v, "chacha_path_challenge"), plain));
	assert_int_equal(pkt_block_next(&it, &b), 1);
	assert_int_equal(b.len, PKT_PATH_PAYLOAD_LEN);
}

// ---- records.txt

static void records_are_read_and_written_alike(void **)
{
	static const struct {
		const char *name;
		uint16_t type;
	} cases[] = {
		{"error", RECORD_ERROR},
		{"ping", RECORD_PING},
		{"csr", RECORD_CSR},
		{"cert_enrol", RECORD_CERT},
		{"cert_renew", RECORD_CERT},
		{"put_intent", RECORD_PUT_INTENT},
		{"drop_intent", RECORD_DROP_INTENT},
		{"match", RECORD_MATCH},
		{"match_rollover", RECORD_MATCH},
		{"candidates", RECORD_CANDIDATES},
		{"observed_4", RECORD_OBSERVED_ADDR},
		{"observed_6", RECORD_OBSERVED_ADDR},
		{"relay_ask", RECORD_RELAY_OPEN},
		{"relay_grant", RECORD_RELAY_OPEN},
		{"policy", RECORD_POLICY},
		{"policy_plain", RECORD_POLICY},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct vector *w = vectors_get(&v, cases[i].name);
		struct record rec;
		uint8_t again[4096];
		size_t n;

		assert_int_equal(record_parse(cases[i].type, w->bytes, w->len, &rec), 0);
		n = record_build(&rec, again, sizeof(again));
		assert_vector(&v, cases[i].name, again, n);
	}
}

static void record_fields_are_where_the_reference_puts_them(void **)
{
	const struct vector *w = vectors_get(&v, "csr");
	struct record rec;
	struct record_rollover roll;
	uint8_t key[32];

	assert_int_equal(record_parse(RECORD_CSR, w->bytes, w->len, &rec), 0);
	assert_memory_equal(rec.csr.public_key, t.a.pk, 32);
	assert_int_equal(rec.csr.time_s, TEST_NOW);
	assert_true(name_equals(rec.csr.name, rec.csr.name_len, t.a.name));
	assert_true(keysched_verify(
		t.a.pk, "csr", rec.csr.signed_bytes, rec.csr.signed_len, rec.csr.sig));
	assert_false(keysched_verify(
		t.a.pk, "rollover", rec.csr.signed_bytes, rec.csr.signed_len, rec.csr.sig));

	w = vectors_get(&v, "match_rollover");
	assert_int_equal(record_parse(RECORD_MATCH, w->bytes, w->len, &rec), 0);
	assert_memory_equal(rec.match.intent, t.b.intent, t.b.intent_len);
	assert_int_equal(rec.match.chain.n, 2);
	assert_int_equal(
		record_parse_rollover(rec.match.rollover, rec.match.rollover_len, &roll), 0);
	seed("new key", key);
	assert_memory_equal(roll.new_key, key, 32);
	assert_true(keysched_verify(
		roll.old_key, "rollover", roll.signed_bytes, roll.signed_len, roll.sig));

	w = vectors_get(&v, "observed_6");
	assert_int_equal(record_parse(RECORD_OBSERVED_ADDR, w->bytes, w->len, &rec), 0);
	assert_int_equal(rec.observed.punch_ts, TEST_TS);
	assert_int_equal(rec.observed.hub_port, 1);
	assert_int_equal(rec.observed.port, 7667);
}

static void pieces_join_to_the_record(void **)
{
	uint8_t *buf = malloc(RECORD_MAX_LEN);
	struct record_rx rx;
	struct record_tx tx;
	uint8_t piece[100];

	record_rx_init(&rx, buf);
	record_tx_init(&tx, RECORD_PUT_INTENT, t.a.intent, t.a.intent_len);
	for (unsigned i = 0; i < 3; i++) {
		char name[16];
		const struct vector *w;
		size_t n = record_tx_next(&tx, piece, sizeof(piece));

		snprintf(name, sizeof(name), "piece_%u", i);
		assert_vector(&v, name, piece, n);
		w = vectors_get(&v, name);
		assert_int_equal(record_rx_push(&rx, w->bytes, w->len), i == 2);
	}
	assert_int_equal(record_tx_next(&tx, piece, sizeof(piece)), 0);
	assert_vector(&v, "put_intent", buf, rx.total);
	free(buf);
}

#define TEST(f, file) cmocka_unit_test_setup_teardown(f, load_##file, unload)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sub_keys_and_psk, introduction),
		TEST(tags_and_punches, introduction),
		TEST(sealed_candidates, introduction),
		TEST(hedged_keys, introduction),
		TEST(retry_and_the_m1_after_it, introduction),
		TEST(hub_link, hub),
		TEST(enrolment, hub),
		TEST(lane_keys, packets),
		TEST(packets_hold_what_the_reference_packed, packets),
		TEST(fragments_join_to_the_frame, packets),
		TEST(probes_and_paths, packets),
		TEST(records_are_read_and_written_alike, records),
		TEST(record_fields_are_where_the_reference_puts_them, records),
		TEST(pieces_join_to_the_record, records),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
