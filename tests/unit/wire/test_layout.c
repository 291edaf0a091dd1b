// SPDX-License-Identifier: BSD-3-Clause
//
// The parsers of wire/: names, certificate lists, intents, candidates, datagram headers, blocks,
// drops.
#include "wire/candidates.h"
#include "wire/der_list.h"
#include "wire/drop.h"
#include "wire/name.h"

#include <ctype.h>
#include <errno.h>

#include "tests/unit/wire/support.h"

static void names_are_lower_case_dns_names(void **)
{
	static const struct {
		const char *name;
		bool ok;
	} cases[] = {
		{"", false}, {".", false}, {"a.", false}, {".a", false}, {"a..b", false},
		{"-a", false}, {"a-", false}, {"a.-b", false}, {"A", false}, {"a_b", false},
		{"a b", false}, {"a\n", false}, {"\xc3\xa4", false}, {"10.0.0.1", false},
		{"7", false}, {"*.example", false}, {"a", true}, {"7a", true},
		{"site-a.example-corp", true}, {"1.2.3.a4", true}, {"xn--4ca.example", true},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true},   // 63
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false}, // 64
	};
	char longest[NAME_MAX_LEN + 1];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (name_valid(cases[i].name, strlen(cases[i].name)) != cases[i].ok)
			fail_msg("%s", cases[i].name);
	}
	assert_false(name_valid("a\0b", 3));
	for (size_t i = 0; i < sizeof(longest); i++)
		longest[i] = i % 2 == 0 ? 'a' : '.';
	assert_true(name_valid(longest, NAME_MAX_LEN));
	assert_false(name_valid(longest, NAME_MAX_LEN + 1));
}

static void names_have_one_order(void **)
{
	assert_true(name_compare("a", 1, "b", 1) < 0);
	assert_true(name_compare("b", 1, "a", 1) > 0);
	assert_true(name_compare("a", 1, "aa", 2) < 0);
	assert_true(name_compare("aa", 2, "b", 1) < 0);
	assert_int_equal(name_compare("ab", 2, "ab", 2), 0);
	assert_true(name_equals("abc", 2, "ab"));
	assert_false(name_equals("ab", 2, "abc"));
}

static void certificate_lists_split_exactly(void **)
{
	static uint8_t big[2 + DER_CERT_MAX_LEN + 1];
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{"", 0},
		{"\x01", 1},
		{"\x01\x00", 2},
		{"\x00\x00", 2},
		{"\x02\x00x", 3},
		{"\x01\x00xy", 4},
		{"\x01\x00x\x00\x00", 5},
		{"\x01\x00x\x01\x00x\x01\x00x\x01\x00x\x01\x00x", 15},
	};
	struct der_list l = {.n = 99};
	uint8_t out[16];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(der_list_parse(bad[i].bytes, bad[i].len, &l), -EBADMSG);
	put_le16(big, DER_CERT_MAX_LEN + 1);
	assert_int_equal(der_list_parse(big, sizeof(big), &l), -EBADMSG);
	assert_int_equal(l.n, 99); // untouched on failure
	put_le16(big, DER_CERT_MAX_LEN);
	assert_int_equal(der_list_parse(big, sizeof(big) - 1, &l), 0);

	assert_int_equal(der_list_parse("\x01\x00x\x02\x00yz", 7, &l), 0);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.cert[1].len, 2);
	assert_memory_equal(l.cert[1].der, "yz", 2);
	assert_int_equal(der_list_len(&l), 7);
	assert_int_equal(der_list_build(&l, out, 6), 0);
	assert_int_equal(der_list_build(&l, out, 7), 7);
	assert_memory_equal(out, "\x01\x00x\x02\x00yz", 7);
	l.n = 0;
	assert_int_equal(der_list_build(&l, out, 16), 0);
	l.n = DER_LIST_MAX + 1;
	assert_int_equal(der_list_build(&l, out, 16), 0);
	l = (struct der_list){.n = 1, .cert = {{out, 0}}};
	assert_int_equal(der_list_build(&l, out, 16), 0);
	l.cert[0].len = DER_CERT_MAX_LEN + 1;
	assert_int_equal(der_list_build(&l, big, sizeof(big)), 0);
}

// ---- intents

static struct intent good(void)
{
	static const uint8_t zero[32];

	return (struct intent){
		.net_id = zero,
		.ipk = zero,
		.cert_hash = zero,
		.from = "a",
		.to = "b",
		.from_len = 1,
		.to_len = 1,
		.caps = PKT_CAP_CHACHA,
		.serial = 1,
		.not_before = 10,
		.not_after = 10 + INTENT_MAX_LIFE_S,
	};
}

static void intents_that_cannot_be_are_neither_built_nor_parsed(void **)
{
	uint8_t buf[INTENT_MAX_LEN] = {0};
	struct intent i = good();
	struct intent got;
	size_t n = intent_build(&i, buf, sizeof(buf));

	assert_int_equal(n + INTENT_SIG_LEN, INTENT_MIN_LEN);
	n += INTENT_SIG_LEN;
	assert_int_equal(intent_parse(buf, n, &got), 0);
	assert_int_equal(intent_parse(buf, n + 1, &got), -EBADMSG);

	struct {
		size_t at;
		uint8_t value;
	} edits[] = {
		{0, 'X'},    // magic
		{4, 2},      // version
		{5, 1},      // flags
		{6, 0},      // total length
		{39, 255},   // not_before behind not_after
		{40, 255},   // life above seven days
		{115, 1},    // caps, the cipher's bits
		{116, 0},    // from: empty
		{116, 2},    // from: eats the next length
		{117, 0xff}, // from: past the end
		{118, 'A'},  // from: no name
		{119, 0},    // to: empty
		{121, 'a'},  // to: the same as from
		{121, '-'},
	};
	for (size_t k = 0; k < sizeof(edits) / sizeof(edits[0]); k++) {
		uint8_t was = buf[edits[k].at];

		buf[edits[k].at] = edits[k].value;
		assert_int_equal(intent_parse(buf, n, &got), -EBADMSG);
		buf[edits[k].at] = was;
	}
	// A capability of a later version is no reason to refuse.
	buf[112] |= 4;
	assert_int_equal(intent_parse(buf, n, &got), 0);
	i.not_after++;
	assert_int_equal(intent_build(&i, buf, sizeof(buf)), 0);
	i = good();
	i.to = "a";
	assert_int_equal(intent_build(&i, buf, sizeof(buf)), 0);
	i = good();
	assert_int_equal(intent_build(&i, buf, INTENT_MIN_LEN - INTENT_SIG_LEN - 1), 0);
}

static void intents_carry_the_longest_names(void **)
{
	static uint8_t buf[INTENT_MAX_LEN];
	char a[NAME_MAX_LEN];
	char b[NAME_MAX_LEN];
	struct intent i = good();
	struct intent got;

	for (size_t k = 0; k < NAME_MAX_LEN; k++)
		a[k] = b[k] = k % 2 == 0 ? 'a' : '.';
	b[0] = 'b';
	i.from = a;
	i.to = b;
	i.from_len = i.to_len = NAME_MAX_LEN;
	assert_int_equal(intent_build(&i, buf, sizeof(buf)), INTENT_MAX_LEN - INTENT_SIG_LEN);
	assert_int_equal(intent_parse(buf, INTENT_MAX_LEN, &got), 0);
	assert_int_equal(got.to_len, NAME_MAX_LEN);
	assert_memory_equal(got.to, b, NAME_MAX_LEN);
}

// ---- candidates

static void candidates_that_cannot_be_are_refused(void **)
{
	static const struct candidate c4 = {
		.family = 4, .kind = CANDIDATE_LOCAL, .port = 7667, .addr = {192, 0, 2, 1}};
	static const struct {
		uint8_t family, kind;
		uint16_t port;
		uint8_t addr[16];
	} bad[] = {
		{0, 1, 1, {192, 0, 2, 1}},
		{5, 1, 1, {192, 0, 2, 1}},
		{4, 0, 1, {192, 0, 2, 1}},
		{4, 5, 1, {192, 0, 2, 1}},
		{4, 1, 0, {192, 0, 2, 1}},
		{4, 1, 1, {0, 0, 0, 0}},
		{4, 1, 1, {127, 0, 0, 1}},
		{4, 1, 1, {224, 0, 0, 1}},
		{4, 1, 1, {255, 255, 255, 255}},
		{4, 1, 1, {192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
		{6, 1, 1, {0}},
		{6, 1, 1, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
		{6, 1, 1, {0xff, 2}},
		{6, 1, 1, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}},
	};
	struct candidates c = {.ts_us = 5, .n = 1, .list = {c4}};
	struct candidates got;
	uint8_t buf[CANDIDATES_LEN + 1] = {0};

	assert_int_equal(candidates_build(&c, buf), 0);
	assert_int_equal(candidates_parse(buf, CANDIDATES_LEN, &got), 0);
	assert_int_equal(candidates_parse(buf, CANDIDATES_LEN - 1, &got), -EBADMSG);
	assert_int_equal(candidates_parse(buf, CANDIDATES_LEN + 1, &got), -EBADMSG);
	buf[0] = 2;
	assert_int_equal(candidates_parse(buf, CANDIDATES_LEN, &got), -EBADMSG);
	buf[0] = 1;
	buf[1] = 9;
	assert_int_equal(candidates_parse(buf, CANDIDATES_LEN, &got), -EBADMSG);
	buf[1] = 0; // the one entry is now stray bytes
	assert_int_equal(candidates_parse(buf, CANDIDATES_LEN, &got), -EBADMSG);
	buf[1] = 1;
	buf[7] = 1;
	assert_int_equal(candidates_parse(buf, CANDIDATES_LEN, &got), -EBADMSG);
	buf[7] = 0;
	assert_int_equal(candidates_parse(buf, CANDIDATES_LEN, &got), 0);
	buf[16] = 5; // the entry's family
	assert_int_equal(candidates_parse(buf, CANDIDATES_LEN, &got), -EBADMSG);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		c.list[0] = (struct candidate){
			.family = bad[i].family, .kind = bad[i].kind, .port = bad[i].port};
		memcpy(c.list[0].addr, bad[i].addr, 16);
		assert_int_equal(candidates_build(&c, buf), -EINVAL);
	}
	c.n = CANDIDATES_MAX + 1;
	assert_int_equal(candidates_build(&c, buf), -EINVAL);
}

// ---- datagrams

static void handshake_shapes(void **)
{
	static const struct {
		uint8_t type, flags;
		uint16_t len;
		uint32_t key_id;
		bool ok;
	} cases[] = {
		{PKT_TYPE_PUNCH, 0, 40, 0, true},
		{PKT_TYPE_PUNCH, 1, 40, 0, true},
		{PKT_TYPE_PUNCH, 2, 40, 0, false},
		{PKT_TYPE_PUNCH, 0, 40, 1, false},
		{PKT_TYPE_PUNCH, 0, 41, 0, false},
		{PKT_TYPE_PUNCH, 0, 39, 0, false},
		{PKT_TYPE_M1, 0, 128, 7, true},
		{PKT_TYPE_M1, 1, 128, 7, false},
		{PKT_TYPE_M1, 0, 127, 7, false},
		{PKT_TYPE_M1, 0, 129, 7, false},
		{PKT_TYPE_M2, 0, PKT_M2_MIN_LEN, 7, true},
		{PKT_TYPE_M2, 0, PKT_M2_MIN_LEN - 1, 7, false},
		{PKT_TYPE_M2, 0, PKT_HS_MAX_LEN, 7, true},
		{PKT_TYPE_M2, 0, PKT_HS_MAX_LEN + 1, 7, false},
		{PKT_TYPE_M3, 0, PKT_M3_MIN_LEN, 7, true},
		{PKT_TYPE_M3, 0, PKT_M3_MIN_LEN - 1, 7, false},
		{PKT_TYPE_RETRY, 0, 56, 7, true},
		{PKT_TYPE_RETRY, 0, 57, 7, false},
		{0x15, 0, 40, 0, false},
		{PKT_TYPE_DATA, 0, 40, 0, false},
		{0, 0, 40, 0, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t *m = calloc(1, cases[i].len);
		struct pkt_hs h = {.type = cases[i].type,
			.flags = cases[i].flags,
			.len = cases[i].len,
			.key_id = cases[i].key_id};

		memcpy(m, &h, sizeof(h));
		assert_int_equal(pkt_hs_plausible(m, cases[i].len, PKT_HS_MAX_LEN), cases[i].ok);
		put_le16(m + 2, (uint16_t)(cases[i].len + 1));
		assert_false(pkt_hs_plausible(m, cases[i].len, PKT_HS_MAX_LEN));
		free(m);
	}
	assert_false(pkt_hs_plausible("\x10", 1, PKT_HS_MAX_LEN));
}

static void data_shapes(void **)
{
	uint8_t m[PKT_MIN_LEN] = {PKT_TYPE_DATA};

	assert_true(pkt_data_plausible(m, sizeof(m)));
	assert_false(pkt_data_plausible(m, sizeof(m) - 1));
	m[2] = 1;
	assert_false(pkt_data_plausible(m, sizeof(m)));
	m[2] = 0;
	put_le64(m + 8, PKT_COUNTER_CAP - 1);
	assert_true(pkt_data_plausible(m, sizeof(m)));
	put_le64(m + 8, PKT_COUNTER_CAP);
	assert_false(pkt_data_plausible(m, sizeof(m)));
	put_le64(m + 8, UINT64_MAX);
	assert_false(pkt_data_plausible(m, sizeof(m)));
}

static void blocks_never_reach_past_their_packet(void **)
{
	static const struct {
		const char *bytes;
		size_t len;
		int n_blocks;
		int end;
	} cases[] = {
		{"", 0, 0, 0}, {"\0\0\0", 3, 0, 0}, {"\0\0\0\0", 4, 0, 0},
		{"\0\0\1\0", 4, 1, 0}, // empty block of kind 1
		{"\1\0\1\0x", 5, 1, 0}, {"\2\0\1\0x", 5, 0, -1}, {"\xff\xff\1\0x", 5, 0, -1},
		{"\1\0\1\0xy", 6, 1, 0},           // one byte of padding
		{"\1\0\1\0x\1\0\1\0y", 10, 2, 0},  // packed
		{"\1\0\1\0x\2\0\1\0y", 10, 1, -1}, // the second lies
		{"\1\0\1\0x\0\0\0\0\1\0\1\0y", 14, 1, 0},
		{"\0\0\0\7", 4, 1, 0}, // kind end, but not an all-zero header
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t *exact = malloc(cases[i].len + 1);
		struct pkt_blocks it = pkt_blocks(exact, cases[i].len);
		struct pkt_block_view b;
		int n = 0;
		int end;

		memcpy(exact, cases[i].bytes, cases[i].len);
		while ((end = pkt_block_next(&it, &b)) == 1)
			n++;
		assert_int_equal(n, cases[i].n_blocks);
		assert_int_equal(end, cases[i].end);
		free(exact);
	}
}

static void key_ids_nonces_and_caps(void **)
{
	uint8_t iv[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	uint8_t nonce[12];

	assert_int_equal(pkt_key_id(0x123456, 0x78), 0x12345678);
	assert_int_equal(pkt_key_slot(0x12345678), 0x123456);
	assert_int_equal(pkt_key_gen(0x12345678), 0x78);
	assert_int_equal(pkt_key_id(PKT_SLOT_MAX, 255), 0xffffffff);
	pkt_nonce(nonce, iv, 0);
	assert_memory_equal(nonce, iv, 12);
	pkt_nonce(nonce, iv, 0x0102);
	assert_memory_equal(nonce, "\1\2\3\4\7\7\7\10\11\12\13\14", 12);
	assert_int_equal(pkt_caps_lanes(PKT_CAP_CHACHA), 1);
	assert_int_equal(pkt_caps_lanes(15 << PKT_CAP_LANES_SHIFT), 16);
	assert_int_equal(pkt_caps_lanes(255 << PKT_CAP_LANES_SHIFT), PKT_LANE_MAX);
	assert_int_equal(pkt_caps_ports(15 << PKT_CAP_PORTS_SHIFT), 1); // never announced
	assert_int_equal(pkt_caps_ports(PKT_CAP_PORTS), 1);
	assert_int_equal(pkt_caps_ports(PKT_CAP_PORTS | PKT_CAP_PORTS_MASK), PKT_SOURCE_PORTS_MAX);
}

// ---- drop reasons

static void drop_reasons_are_distinct_and_explained(void **)
{
	static const char *const label[] = {
#define X(name, short_name, help) short_name,
		DROP_LIST(X)
#undef X
	};
	static const char *const help[] = {
#define X(name, short_name, sentence) sentence,
		DROP_LIST(X)
#undef X
	};

	assert_true(DROP_N <= 128); // room in the stats page
	for (unsigned i = 0; i < DROP_N; i++) {
		assert_true(strlen(help[i]) > 20);
		assert_int_equal(help[i][strlen(help[i]) - 1], '.');
		for (const char *p = label[i]; *p != 0; p++)
			assert_true(islower(*p) || isdigit(*p) || *p == '-');
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(label[i], label[k]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_lower_case_dns_names),
		cmocka_unit_test(names_have_one_order),
		cmocka_unit_test(certificate_lists_split_exactly),
		cmocka_unit_test(intents_that_cannot_be_are_neither_built_nor_parsed),
		cmocka_unit_test(intents_carry_the_longest_names),
		cmocka_unit_test(candidates_that_cannot_be_are_refused),
		cmocka_unit_test(handshake_shapes),
		cmocka_unit_test(data_shapes),
		cmocka_unit_test(blocks_never_reach_past_their_packet),
		cmocka_unit_test(key_ids_nonces_and_caps),
		cmocka_unit_test(drop_reasons_are_distinct_and_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
