// SPDX-License-Identifier: BSD-3-Clause
//
// Lane 0: authentic, fresh, in its own direction and epoch, or not at all.
#include "controlplane/common/ctl_lane.h"

#include <errno.h>

#include "tests/unit/wire/support.h"

static struct ctl_lane client;
static struct ctl_lane server;

static int fresh(void **)
{
	struct keysched_traffic traffic;

	for (unsigned i = 0; i < sizeof(traffic); i++)
		((uint8_t *)&traffic)[i] = (uint8_t)i;
	ctl_lane_init(&client, &traffic, true, 0x101, 0x202, PKT_HS_MAX_LEN);
	ctl_lane_init(&server, &traffic, false, 0x202, 0x101, PKT_HS_MAX_LEN);
	return 0;
}

static void nothing_altered_or_cut_is_opened(void **)
{
	uint8_t p[200];
	uint8_t plain[200];
	size_t len = ctl_lane_seal(&client, PKT_KIND_CLOSE, "\x01", 2, p);
	size_t n;

	for (size_t k = 0; k < 8 * len; k++) {
		p[k / 8] ^= (uint8_t)(1u << k % 8);
		assert_true(ctl_lane_open(&server, p, len, plain, &n) < 0);
		p[k / 8] ^= (uint8_t)(1u << k % 8);
	}
	for (size_t l = 0; l < len; l++) {
		uint8_t *exact = malloc(l + 1);

		memcpy(exact, p, l);
		assert_int_equal(ctl_lane_open(&server, exact, l, plain, &n), -EBADMSG);
		free(exact);
	}
	// None of that has moved the window: the true packet still comes through, once.
	assert_int_equal(ctl_lane_open(&server, p, len, plain, &n), 0);
	assert_int_equal(ctl_lane_open(&server, p, len, plain, &n), -EALREADY);
}

static void own_packets_and_other_epochs_are_not_opened(void **)
{
	uint8_t p[64];
	uint8_t plain[64];
	size_t len = ctl_lane_seal(&client, PKT_KIND_CONFIRM, NULL, 0, p);
	size_t n;

	assert_int_equal(ctl_lane_open(&client, p, len, plain, &n), -ESTALE);
	client.rx_key_id = 0x202; // even under the same number the direction has its own key
	assert_int_equal(ctl_lane_open(&client, p, len, plain, &n), -EBADMSG);
}

static void a_packet_carries_one_block(void **)
{
	uint8_t p[64];
	uint8_t plain[64];
	struct pkt_blocks it;
	struct pkt_block_view b;
	size_t len = ctl_lane_seal(&server, PKT_KIND_RECORD, "hello", 5, p);
	size_t n;

	assert_int_equal(len, 5 + CTL_LANE_OVERHEAD);
	assert_int_equal(ctl_lane_open(&client, p, len, plain, &n), 0);
	it = pkt_blocks(plain, n);
	assert_int_equal(pkt_block_next(&it, &b), 1);
	assert_int_equal(b.kind, PKT_KIND_RECORD);
	assert_int_equal(b.len, 5);
	assert_memory_equal(b.payload, "hello", 5);
	assert_int_equal(pkt_block_next(&it, &b), 0);
}

static void a_block_of_one_byte_arrives(void **)
{
	uint8_t p[64];
	uint8_t plain[64];
	size_t len, n;

	memset(p, 0, sizeof(p));
	len = ctl_lane_seal(&client, PKT_KIND_RECORD, "x", 1, p);
	assert_int_equal(ctl_lane_open(&server, p, len, plain, &n), 0);
	assert_int_equal(n, PKT_BLOCK_HDR_LEN + 1);
	assert_int_equal(plain[PKT_BLOCK_HDR_LEN], 'x');
}

static void lengths_and_counters_have_limits(void **)
{
	static uint8_t big[PKT_HS_MAX_LEN];
	static uint8_t out[PKT_HS_MAX_LEN + 64];
	static uint8_t plain[PKT_HS_MAX_LEN];
	size_t n;

	assert_int_equal(ctl_lane_seal(&client, 21, big, CTL_LANE_MAX_PAYLOAD + 1, out), 0);
	assert_int_equal(
		ctl_lane_seal(&client, 21, big, CTL_LANE_MAX_PAYLOAD, out), PKT_HS_MAX_LEN);
	assert_int_equal(ctl_lane_open(&server, out, PKT_HS_MAX_LEN, plain, &n), 0);
	assert_int_equal(n, PKT_BLOCK_HDR_LEN + CTL_LANE_MAX_PAYLOAD);
	client.tx_counter = PKT_COUNTER_CAP - 1;
	assert_true(ctl_lane_seal(&client, 21, NULL, 0, out) > 0);
	assert_int_equal(ctl_lane_open(&server, out, 36, plain, &n), 0);
	assert_int_equal(ctl_lane_seal(&client, 21, NULL, 0, out), 0);
	put_le64(out + 8, PKT_COUNTER_CAP);
	assert_int_equal(ctl_lane_open(&server, out, 36, plain, &n), -EOVERFLOW);
}

// The window against a set of what was accepted, over jumps that hit every edge.
static void the_window_agrees_with_a_set(void **)
{
	static const int64_t steps[] = {0, 1, 1, -1, 2, 63, -63, -64, 64, -1, 65, -65, 128, -127, 5,
		-3, 200, -62, -63, -64, -66, 1, 1, 63, -63, 1000, -63, -1};
	static bool seen[8192];
	uint64_t newest = 0;
	uint64_t c = 0;
	bool any = false;

	memset(seen, 0, sizeof(seen));
	for (unsigned round = 0; round < 4; round++) {
		for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
			uint8_t p[64];
			uint8_t plain[64];
			size_t n;
			bool want;
			int err;

			c = (uint64_t)((int64_t)c + steps[i] < 0 ? 0 : (int64_t)c + steps[i]);
			client.tx_counter = c;
			ctl_lane_seal(&client, PKT_KIND_CONFIRM, NULL, 0, p);
			want = !seen[c] && (!any || c > newest || newest - c < 64);
			err = ctl_lane_open(&server, p, 36, plain, &n);
			assert_int_equal(err, want ? 0 : -EALREADY);
			if (want) {
				seen[c] = true;
				newest = !any || c > newest ? c : newest;
				any = true;
			}
		}
	}
}

static int arrive(uint64_t counter)
{
	uint8_t p[64];
	uint8_t plain[64];
	size_t n;

	client.tx_counter = counter;
	ctl_lane_seal(&client, PKT_KIND_CONFIRM, NULL, 0, p);
	return ctl_lane_open(&server, p, 36, plain, &n);
}

static void a_jump_of_a_whole_window_forgets_all_of_it(void **)
{
	for (uint64_t jump = 63; jump <= 129; jump++) {
		fresh(NULL);
		assert_int_equal(arrive(1000), 0);
		assert_int_equal(arrive(1001), 0);
		assert_int_equal(arrive(1001 + jump), 0);
		assert_int_equal(arrive(1001 + jump - 64), -EALREADY);
		assert_int_equal(arrive(1001), -EALREADY);
		assert_int_equal(arrive(1001 + jump - 63), jump == 63 ? -EALREADY : 0);
		for (uint64_t back = 1; back < 63; back++)
			assert_int_equal(arrive(1001 + jump - back), 0);
	}
}

static void peek_tells_lane_0_from_the_rest(void **)
{
	uint8_t p[64];
	uint32_t id = 0;
	size_t len = ctl_lane_seal(&client, PKT_KIND_CONFIRM, NULL, 0, p);

	assert_true(ctl_lane_peek(p, len, PKT_HS_MAX_LEN, &id));
	assert_int_equal(id, 0x202);
	assert_false(ctl_lane_peek(p, 35, PKT_HS_MAX_LEN, &id));
	assert_false(ctl_lane_peek(p, len, len - 1, &id));
	p[1] = 1;
	assert_false(ctl_lane_peek(p, len, PKT_HS_MAX_LEN, &id));
	p[1] = 0;
	p[2] = 1;
	assert_false(ctl_lane_peek(p, len, PKT_HS_MAX_LEN, &id));
}

static void label_and_length_bound_what_can_be_signed(void **)
{
	static const uint8_t message[KEYSCHED_SIGNED_MAX + 1];
	uint8_t seed32[32] = {4};
	uint8_t pk[32];
	uint8_t sk[64];
	uint8_t sig[64];
	uint8_t m[10 + 2 + KEYSCHED_SIGNED_MAX + 1] = "postern/1 S";

	crypto_sign_seed_keypair(pk, sk, seed32);
	crypto_sign_detached(sig, NULL, m, 12 + KEYSCHED_SIGNED_MAX, sk);
	assert_true(keysched_verify(pk, "S", message, KEYSCHED_SIGNED_MAX, sig));
	assert_false(keysched_verify(pk, "C", message, KEYSCHED_SIGNED_MAX, sig));
	assert_false(keysched_verify(pk, "S", message, KEYSCHED_SIGNED_MAX - 1, sig));
	crypto_sign_detached(sig, NULL, m, sizeof(m), sk);
	assert_false(keysched_verify(pk, "S", message, sizeof(message), sig));
	assert_false(keysched_verify(pk, "a label that is longer than any of ours", "", 0, sig));
}

static void the_longest_label_can_be_signed(void **)
{
	char label[KEYSCHED_LABEL_MAX] = {0};
	static const uint8_t message[KEYSCHED_SIGNED_MAX];
	uint8_t m[10 + KEYSCHED_LABEL_MAX + KEYSCHED_SIGNED_MAX] = "postern/1 ";
	uint8_t seed32[32] = {5};
	uint8_t pk[32];
	uint8_t sk[64];
	uint8_t sig[64];

	memset(label, 'l', sizeof(label) - 1);
	memcpy(m + 10, label, sizeof(label));
	crypto_sign_seed_keypair(pk, sk, seed32);
	crypto_sign_detached(sig, NULL, m, sizeof(m), sk);
	assert_true(keysched_verify(pk, label, message, sizeof(message), sig));
}

static void a_label_too_long_is_refused_even_when_rightly_signed(void **)
{
	char label[KEYSCHED_LABEL_MAX + 1] = {0};
	uint8_t m[10 + KEYSCHED_LABEL_MAX + 1] = "postern/1 ";
	uint8_t seed32[32] = {5};
	uint8_t pk[32];
	uint8_t sk[64];
	uint8_t sig[64];

	memset(label, 'l', sizeof(label) - 1);
	memcpy(m + 10, label, sizeof(label));
	crypto_sign_seed_keypair(pk, sk, seed32);
	crypto_sign_detached(sig, NULL, m, sizeof(m), sk);
	assert_false(keysched_verify(pk, label, "", 0, sig));
}

static void lane_0_has_the_secrets_of_its_own_plane(void **)
{
	struct keysched_traffic tr;
	struct keysched_lane got, want;

	for (unsigned i = 0; i < sizeof(tr); i++)
		((uint8_t *)&tr)[i] = (uint8_t)i;
	for (int dir = 0; dir < 2; dir++) {
		for (unsigned lane = 0; lane < 256; lane += 85) {
			keysched_traffic_lane(&tr, dir, (uint8_t)lane, &got);
			keysched_lane(tr.ts[dir][lane == 0 ? KEYSCHED_CONTROL : KEYSCHED_DATA],
				(uint8_t)lane, &want);
			assert_memory_equal(&got, &want, sizeof(got));
		}
	}
}

static void a_key_exchange_with_a_low_order_point_gives_no_keys(void **)
{
	uint8_t seed32[32] = {6};
	uint8_t zero[32] = {0};
	uint8_t pk[32], sk[32], peer_pk[32], peer_sk[32];
	uint8_t s2c[32], c2s[32], s2c_peer[32], c2s_peer[32];

	crypto_kx_seed_keypair(pk, sk, seed32);
	seed32[0] = 7;
	crypto_kx_seed_keypair(peer_pk, peer_sk, seed32);
	assert_int_equal(keysched_kx(true, sk, pk, peer_pk, s2c, c2s), 0);
	assert_int_equal(keysched_kx(false, peer_sk, peer_pk, pk, s2c_peer, c2s_peer), 0);
	assert_bytes(s2c, s2c_peer, 32);
	assert_bytes(c2s, c2s_peer, 32);
	assert_int_equal(keysched_kx(true, sk, pk, zero, s2c, c2s), -EKEYREJECTED);
	assert_true(sodium_is_zero(s2c, 32) && sodium_is_zero(c2s, 32));
	assert_int_equal(keysched_kx(false, sk, pk, zero, s2c_peer, c2s_peer), -EKEYREJECTED);
	assert_true(sodium_is_zero(s2c_peer, 32) && sodium_is_zero(c2s_peer, 32));
}

static void planes_and_lanes_are_wiped(void **)
{
	struct keysched_traffic tr;
	struct keysched_lane k;

	memset(&tr, 0xaa, sizeof(tr));
	keysched_wipe_plane(&tr, KEYSCHED_DATA);
	assert_true(sodium_is_zero(tr.ts[0][1], 32) && sodium_is_zero(tr.ts[1][1], 32));
	assert_int_equal(tr.ts[0][0][0], 0xaa);
	assert_int_equal(tr.ts[1][0][31], 0xaa);
	keysched_traffic_lane(&tr, 0, 0, &k);
	keysched_wipe_traffic(&tr);
	keysched_wipe_lane(&k);
	ctl_lane_wipe(&client);
	assert_true(sodium_is_zero((uint8_t *)&tr, sizeof(tr)));
	assert_true(sodium_is_zero((uint8_t *)&k, sizeof(k)));
	assert_true(sodium_is_zero((uint8_t *)&client, sizeof(client)));
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_altered_or_cut_is_opened),
		TEST(own_packets_and_other_epochs_are_not_opened),
		TEST(a_packet_carries_one_block),
		TEST(a_block_of_one_byte_arrives),
		TEST(lengths_and_counters_have_limits),
		TEST(the_window_agrees_with_a_set),
		TEST(a_jump_of_a_whole_window_forgets_all_of_it),
		TEST(peek_tells_lane_0_from_the_rest),
		TEST(label_and_length_bound_what_can_be_signed),
		TEST(the_longest_label_can_be_signed),
		TEST(a_label_too_long_is_refused_even_when_rightly_signed),
		TEST(lane_0_has_the_secrets_of_its_own_plane),
		TEST(a_key_exchange_with_a_low_order_point_gives_no_keys),
		TEST(planes_and_lanes_are_wiped),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
