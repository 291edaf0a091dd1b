// SPDX-License-Identifier: BSD-3-Clause
//
// The text of enrolment tokens: every damaged one is refused, every good one says what went in.
#include "controlplane/common/token.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

static void fill(struct token *t)
{
	*t = (struct token){
		.created = 1767225600,
		.expires = 1767225600 + 86400,
		.udp2_port = 7668,
		.hub_name = "hub.example",
		.network = "example",
		.n_addresses = 2,
		.addresses = {{.addr = {4, {192, 0, 2, 1}}, .port = 7667},
			{.addr = {6, {0x20, 1, 0xd, 0xb8, [15] = 1}}, .port = 443}},
	};
	for (unsigned i = 0; i < 32; i++) {
		t->id[i % 16] = (uint8_t)i;
		t->secret[i] = (uint8_t)(i + 1);
		t->root_hash[i] = (uint8_t)(i + 2);
	}
}

static void text_that_is_no_token_is_refused(void **)
{
	static const char *const texts[] = {"", " ", "pstn1", "pstn1.", "pstn2.AAAA", "hello",
		"PSTN1.AAAA", "pstn1.!!!!", "pstn1.AA", "pstn1.AAAAAAAA"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct token t;

		assert_true(token_parse(texts[i], strlen(texts[i]), &t) < 0);
	}
}

static void every_changed_character_is_noticed(void **)
{
	char text[TOKEN_TEXT_MAX];
	struct token t, out;

	fill(&t);
	assert_int_equal(token_format(&t, text, sizeof(text)), 0);
	for (size_t i = 0; text[i] != '\0'; i++) {
		char was = text[i];

		text[i] = was == 'A' ? 'B' : 'A';
		// The last character may carry bits that belong to no byte; the decoder refuses
		// those.
		assert_true(token_parse(text, strlen(text), &out) < 0);
		text[i] = was;
	}
}

static void every_truncation_is_noticed(void **)
{
	char text[TOKEN_TEXT_MAX];
	struct token t, out;
	size_t len;

	fill(&t);
	assert_int_equal(token_format(&t, text, sizeof(text)), 0);
	len = strlen(text);
	for (size_t n = 0; n < len; n++)
		assert_true(token_parse(text, n, &out) < 0);
}

// Right checksum, wrong contents: what a program of a later version, or a liar, might write.
static void right_checksums_do_not_excuse_wrong_contents(void **)
{
	static const struct {
		const char *what;
		size_t at;
		uint8_t value;
	} changes[] = {
		{"another version", 0, 2},
		{"an empty hub name", 91, 0},
		{"an upper-case hub name", 92, 'H'},
		{"no addresses", 111, 0},
		{"too many addresses", 111, 9},
		{"an address of no family", 112, 5},
		{"port 0", 117, 0},
	};
	char text[TOKEN_TEXT_MAX];
	struct token t, out;

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		uint8_t bytes[512], sum[16];
		size_t n;

		fill(&t);
		assert_int_equal(token_format(&t, text, sizeof(text)), 0);
		assert_int_equal(sodium_base642bin(bytes, sizeof(bytes), text + 6, strlen(text + 6),
					 NULL, &n, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING),
			0);
		bytes[changes[i].at] = changes[i].value;
		if (changes[i].at == 117)
			bytes[118] = 0;
		crypto_generichash(sum, sizeof(sum), bytes, n - 4, NULL, 0);
		memcpy(bytes + n - 4, sum, 4);
		sodium_bin2base64(text + 6, sizeof(text) - 6, bytes, n,
			sodium_base64_VARIANT_URLSAFE_NO_PADDING);
		if (token_parse(text, strlen(text), &out) >= 0)
			fail_msg("%s was accepted", changes[i].what);
		assert_true(sodium_is_zero((uint8_t *)&out, sizeof(out)));
	}
}

static void what_cannot_be_a_token_is_not_written(void **)
{
	char text[TOKEN_TEXT_MAX];
	struct token t;

	fill(&t);
	t.n_addresses = 0;
	assert_int_equal(token_format(&t, text, sizeof(text)), -EINVAL);
	fill(&t);
	strcpy(t.hub_name, "Hub");
	assert_int_equal(token_format(&t, text, sizeof(text)), -EINVAL);
	fill(&t);
	t.addresses[1].port = 0;
	assert_int_equal(token_format(&t, text, sizeof(text)), -EINVAL);
	fill(&t);
	assert_int_equal(token_format(&t, text, 64), -ENOBUFS);
}

static void a_token_says_what_was_put_in(void **)
{
	char text[TOKEN_TEXT_MAX], padded[TOKEN_TEXT_MAX + 8];
	struct token t, out;

	fill(&t);
	assert_int_equal(token_format(&t, text, sizeof(text)), 0);
	snprintf(padded, sizeof(padded), " \t%s\r\n", text);
	assert_int_equal(token_parse(padded, strlen(padded), &out), 0);
	assert_memory_equal(out.id, t.id, sizeof(t.id));
	assert_memory_equal(out.secret, t.secret, sizeof(t.secret));
	assert_memory_equal(out.root_hash, t.root_hash, sizeof(t.root_hash));
	assert_int_equal(out.created, t.created);
	assert_int_equal(out.expires, t.expires);
	assert_int_equal(out.udp2_port, t.udp2_port);
	assert_string_equal(out.hub_name, t.hub_name);
	assert_string_equal(out.network, t.network);
	assert_int_equal(out.n_addresses, 2);
	assert_memory_equal(&out.addresses[0], &t.addresses[0], sizeof(t.addresses[0]));
	assert_memory_equal(&out.addresses[1], &t.addresses[1], sizeof(t.addresses[1]));
}

static void the_longest_token_fits_its_buffer(void **)
{
	char text[TOKEN_TEXT_MAX];
	struct token t, out;

	fill(&t);
	for (unsigned i = 0; i < CONFIG_DNS_NAME_MAX; i++)
		t.hub_name[i] = t.network[i] = i % 64 == 63 ? '.' : 'a';
	t.n_addresses = TOKEN_ADDRESSES_MAX;
	for (unsigned i = 0; i < TOKEN_ADDRESSES_MAX; i++)
		t.addresses[i] = t.addresses[1];
	assert_int_equal(token_format(&t, text, sizeof(text)), 0);
	assert_int_equal(token_parse(text, strlen(text), &out), 0);
	assert_string_equal(out.hub_name, t.hub_name);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_that_is_no_token_is_refused),
		cmocka_unit_test(every_changed_character_is_noticed),
		cmocka_unit_test(every_truncation_is_noticed),
		cmocka_unit_test(right_checksums_do_not_excuse_wrong_contents),
		cmocka_unit_test(what_cannot_be_a_token_is_not_written),
		cmocka_unit_test(a_token_says_what_was_put_in),
		cmocka_unit_test(the_longest_token_fits_its_buffer),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
