// SPDX-License-Identifier: BSD-3-Clause
//
// Every value of tests/reference/vectors.txt, by the C code.
//
// Includes handshake.c, to give it the reference's ephemeral values instead of hedged ones.
#include "controlplane/common/handshake.c" // NOLINT

#include "controlplane/common/ctl_lane.h"
#include "tests/unit/wire/support.h"

static struct vectors v;
static struct two t;
static struct run r;

static void intents_equal_the_reference(void **)
{
	assert_vector(&v, "intent_A", t.a.intent, t.a.intent_len);
	assert_vector(&v, "intent_B", t.b.intent, t.b.intent_len);
}

static void pair_keys_equal_the_reference(void **)
{
	assert_vector(&v, "th0", t.a.pair.th0, 32);
	assert_vector(&v, "K_pair", t.a.pair.key, 32);
	assert_vector(&v, "th0", t.b.pair.th0, 32);
	assert_vector(&v, "K_pair", t.b.pair.key, 32);
	assert_true(t.a.pair.client);
	assert_false(t.b.pair.client);
}

static void handshake_messages_equal_the_reference(void **)
{
	uint8_t x[32];
	uint8_t y[32];
	uint8_t nc[32];
	uint8_t ns[32];
	uint8_t th1[32];

	seed("x", x);
	seed("y", y);
	seed("nc", nc);
	seed("ns", ns);
	client_start(&r.client, &t.a.cfg, TEST_KEY_ID_C, TEST_TS, TEST_NOW, x, nc);
	assert_vector(&v, "M1", &r.client.m1, PKT_M1_LEN);

	th1_of(th1, &t.b.pair, &r.client.m1);
	assert_int_equal(server_answer(&r.server, &t.b.cfg, &r.client.m1, TEST_KEY_ID_S, TEST_NOW,
				 th1, y, ns, r.m2, &r.m2_len),
		HS_OK);
	assert_vector(&v, "M2", r.m2, r.m2_len);

	assert_int_equal(
		hs_client_m2(&r.client, r.m2, r.m2_len, TEST_NOW, r.m3, &r.m3_len, &r.rc), HS_OK);
	assert_vector(&v, "M3", r.m3, r.m3_len);
	assert_int_equal(hs_server_m3(&r.server, r.m3, r.m3_len, TEST_NOW, &r.rs), HS_OK);

	assert_bytes(&r.rc.traffic, &r.rs.traffic, sizeof(r.rc.traffic));
	assert_int_equal(r.rc.cipher, PKT_CIPHER_CHACHA20_POLY1305);
	assert_int_equal(r.rs.cipher, PKT_CIPHER_CHACHA20_POLY1305);
	assert_int_equal(r.rc.tx_key_id, TEST_KEY_ID_S);
	assert_int_equal(r.rs.tx_key_id, TEST_KEY_ID_C);
	assert_int_equal(r.rc.peer_rl, 7);
}

static void m4_is_the_first_packet_of_the_servers_lane_0(void **)
{
	struct ctl_lane server;
	uint8_t m4[64];
	size_t n;

	ctl_lane_init(
		&server, &r.rs.traffic, false, r.rs.rx_key_id, r.rs.tx_key_id, PKT_HS_MAX_LEN);
	n = ctl_lane_seal(&server, PKT_KIND_CONFIRM, NULL, 0, m4);
	assert_vector(&v, "M4", m4, n);
}

static void data_lane_keys_equal_the_reference(void **)
{
	struct keysched_lane lane;
	uint8_t both[44];

	keysched_traffic_lane(&r.rc.traffic, PAIR_C2S, 3, &lane);
	memcpy(both, lane.key, 32);
	memcpy(both + 32, lane.iv, 12);
	assert_vector(&v, "lane3_c2s", both, sizeof(both));
}

static void data_packet_equals_the_reference(void **)
{
	struct keysched_lane lane;
	struct pkt_data hdr = {
		.type = PKT_TYPE_DATA, .lane = 3, .key_id = TEST_KEY_ID_S, .counter = 42};
	struct pkt_block block = {.len = 60, .kind = PKT_KIND_ETH};
	uint8_t packet[16 + 4 + 60 + 4 + 16] = {0};
	uint8_t nonce[12];

	memcpy(packet, &hdr, sizeof(hdr));
	memcpy(packet + 16, &block, sizeof(block));
	for (unsigned i = 0; i < 60; i++)
		packet[20 + i] = (uint8_t)i;
	keysched_traffic_lane(&r.rs.traffic, PAIR_C2S, 3, &lane);
	pkt_nonce(nonce, lane.iv, hdr.counter);
	crypto_aead_chacha20poly1305_ietf_encrypt(
		packet + 16, NULL, packet + 16, 68, packet, 16, NULL, nonce, lane.key);
	assert_vector(&v, "data", packet, sizeof(packet));
}

static void every_vector_was_looked_at(void **)
{
	// A new one must get a test here.
	assert_int_equal(v.n, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(intents_equal_the_reference),
		cmocka_unit_test(pair_keys_equal_the_reference),
		cmocka_unit_test(handshake_messages_equal_the_reference),
		cmocka_unit_test(m4_is_the_first_packet_of_the_servers_lane_0),
		cmocka_unit_test(data_lane_keys_equal_the_reference),
		cmocka_unit_test(data_packet_equals_the_reference),
		cmocka_unit_test(every_vector_was_looked_at),
	};

	if (sodium_init() < 0)
		return 1;
	vectors_load(&v, "tests/reference/vectors.txt");
	two_init(&t);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
