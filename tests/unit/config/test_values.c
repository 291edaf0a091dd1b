// SPDX-License-Identifier: BSD-3-Clause
//
// Readers of single values, at their edges.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <cmocka.h>

#include "config/nearest.h"
#include "config/value.h"

static void numbers_are_plain_decimals(void **)
{
	static const struct {
		const char *text;
		int ret;
		uint32_t value;
	} cases[] = {
		{"", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"01", -EINVAL, 0},
		{"0x1", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
		{"1_000", -EINVAL, 0},
		{"4294967296", -ERANGE, 0},
		{"18446744073709551617", -ERANGE, 0},
		{"0", 0, 0},
		{"7", 0, 7},
		{"4294967295", 0, UINT32_MAX},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t v = 12345;

		assert_int_equal(config_value_number(cases[i].text, strlen(cases[i].text), &v),
			cases[i].ret);
		assert_int_equal(v, cases[i].ret == 0 ? cases[i].value : 12345);
	}
}

static void a_mac_is_one_station(void **)
{
	static const char *const bad[] = {"", "02:00:00:00:00", "02:00:00:00:00:0",
		"02-00-00-00-00-01", "02:00:00:00:00:01:", "0g:00:00:00:00:01", "00:00:00:00:00:00",
		"01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "020000000001xxxxx"};
	uint8_t mac[6];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(config_value_mac(bad[i], strlen(bad[i]), mac), -EINVAL);
	assert_int_equal(config_value_mac("02:aB:00:00:fF:01", 17, mac), 0);
	assert_memory_equal(mac, "\x02\xab\x00\x00\xff\x01", 6);
}

static void a_key_is_64_hex_digits(void **)
{
	char text[66];
	uint8_t key[32];

	memset(text, 'a', sizeof(text));
	assert_int_equal(config_value_hex32(text, 63, key), -EINVAL);
	assert_int_equal(config_value_hex32(text, 65, key), -EINVAL);
	text[63] = 'g';
	assert_int_equal(config_value_hex32(text, 64, key), -EINVAL);
	text[63] = 'B';
	assert_int_equal(config_value_hex32(text, 64, key), 0);
	assert_int_equal(key[0], 0xaa);
	assert_int_equal(key[31], 0xab);
}

static void endpoints_are_numeric_addresses(void **)
{
	static const char *const bad[] = {"", ":", "[", "]", "[]", "[]:1", "[::1", "::1]:7",
		"[::1]7", "[::1]:", "[::1]:0", "[::1]:65536", "[::1%lo]:7", "[192.0.2.1]:7",
		"192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:07", "192.0.2.256",
		"192.0.2", "hub:7667", "192.0.2.1:7667 ",
		"1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19.20.21.22:1"};
	static const struct {
		const char *text, *printed;
	} good[] = {
		{"192.0.2.1", "192.0.2.1:7667"},
		{"192.0.2.1:1", "192.0.2.1:1"},
		{"[2001:db8::1]:65535", "[2001:db8::1]:65535"},
		{"[2001:db8::1]", "[2001:db8::1]:7667"},
		{"2001:db8::1", "[2001:db8::1]:7667"},
		{"::", "[::]:7667"},
	};
	struct config_endpoint ep = {.port = 99};
	char buf[CONFIG_ENDPOINT_TEXT];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (config_endpoint_parse(bad[i], strlen(bad[i]), 7667, &ep) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
		assert_int_equal(ep.port, 99);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(
			config_endpoint_parse(good[i].text, strlen(good[i].text), 7667, &ep), 0);
		assert_string_equal(config_endpoint_format(&ep, buf), good[i].printed);
	}
	assert_int_equal(config_endpoint_parse("192.0.2.1", 9, 0, &ep), -EINVAL);
	// A view into longer text ends where it says.
	assert_int_equal(config_endpoint_parse("192.0.2.17667", 9, 7667, &ep), 0);
	assert_string_equal(config_endpoint_format(&ep, buf), "192.0.2.1:7667");
}

static void endpoints_become_socket_addresses(void **)
{
	struct config_endpoint ep;
	struct sockaddr_storage sa;
	struct sockaddr_in *in4 = (struct sockaddr_in *)&sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&sa;

	assert_int_equal(config_endpoint_parse("192.0.2.1:258", 13, 0, &ep), 0);
	assert_int_equal(config_endpoint_sockaddr(&ep, &sa), sizeof(*in4));
	assert_int_equal(in4->sin_family, AF_INET);
	assert_memory_equal(&in4->sin_port, "\x01\x02", 2);
	assert_memory_equal(&in4->sin_addr, "\xc0\x00\x02\x01", 4);
	assert_int_equal(config_endpoint_parse("[::1]:258", 9, 0, &ep), 0);
	assert_int_equal(config_endpoint_sockaddr(&ep, &sa), sizeof(*in6));
	assert_int_equal(in6->sin6_family, AF_INET6);
	assert_memory_equal(&in6->sin6_port, "\x01\x02", 2);
	assert_int_equal(in6->sin6_addr.s6_addr[15], 1);
}

static void prefixes_have_their_length(void **)
{
	static const char *const bad[] = {"192.0.2.1", "192.0.2.1/", "192.0.2.1/0", "192.0.2.1/33",
		"2001:db8::/129", "/24", "192.0.2.1/24/", "192.0.2.1/024"};
	struct config_prefix p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(config_value_prefix(bad[i], strlen(bad[i]), &p), -EINVAL);
	assert_int_equal(config_value_prefix("192.0.2.130/25", 14, &p), 0);
	assert_int_equal(p.addr.family, 4);
	assert_memory_equal(p.addr.bytes, "\xc0\0\x02\x82", 4);
	assert_int_equal(p.bits, 25);
	assert_int_equal(config_value_prefix("2001:db8::1/128", 15, &p), 0);
	assert_int_equal(p.addr.family, 6);
	assert_int_equal(p.bits, 128);
}

static void names_are_lower_case_dns(void **)
{
	static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "-a", "a-", "a-.b", "A",
		"a_b", "a b", "\xc3\xa9", "a/b", "*"};
	static const char *const good[] = {"a", "0", "a-b", "site-a.example.net", "xn--bcher-kva"};
	char name[255];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(config_name_valid(bad[i], strlen(bad[i])));
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(config_name_valid(good[i], strlen(good[i])));
	memset(name, 'a', sizeof(name));
	assert_true(config_name_valid(name, 63));
	assert_false(config_name_valid(name, 64));
	for (unsigned i = 63; i < 254; i += 64)
		name[i] = '.';
	assert_true(config_name_valid(name, 253));
	assert_false(config_name_valid(name, 254));
	assert_false(config_name_valid("a\0b", 3));
}

static void interface_names_are_the_kernels(void **)
{
	static const char *const bad[] = {
		"", ".", "..", "a/b", "a b", "a:1", "a%d", "abcdefghijklmnop", "\xc3\xa9"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(config_value_ifname(bad[i], strlen(bad[i])));
	assert_true(config_value_ifname("abcdefghijklmno", 15));
	assert_true(config_value_ifname("enp3s0f0.100", 12));
}

static void paths_are_absolute_and_do_not_climb(void **)
{
	static const char *const bad[] = {
		"", "/", "a", "./a", "/a/..", "/../a", "/a/./b", "/.", "/.."};
	static const char *const good[] = {"/a", "/a/b", "/a//b", "/a/..b", "/.a", "/a/", "/a/..."};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(config_value_path(bad[i], strlen(bad[i])));
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(config_value_path(good[i], strlen(good[i])));
}

static void special_addresses_are_told_apart(void **)
{
	static const struct {
		const char *text;
		bool any, multicast;
	} cases[] = {
		{"0.0.0.0", true, false},
		{"::", true, false},
		{"0.0.0.1", false, false},
		{"::1", false, false},
		{"223.255.255.255", false, false},
		{"224.0.0.0", false, true},
		{"239.255.255.255", false, true},
		{"255.255.255.255", false, true},
		{"255.255.255.254", false, false},
		{"ff02::1", false, true},
		{"fe80::1", false, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config_addr a;

		assert_int_equal(config_value_addr(cases[i].text, strlen(cases[i].text), &a), 0);
		assert_int_equal(config_addr_is_any(&a), cases[i].any);
		assert_int_equal(config_addr_is_multicast(&a), cases[i].multicast);
	}
}

static void distance_counts_edits(void **)
{
	static const struct {
		const char *a, *b;
		unsigned distance;
	} cases[] = {
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"abc", "abc", 0},
		{"abc", "abd", 1},
		{"abc", "acb", 1},
		{"abc", "ab", 1},
		{"abc", "xabc", 1},
		{"kitten", "sitting", 3},
		{"Rekey-S", "rekey_s", 0},
		{"ca", "abc", 3},
	};
	char word[CONFIG_NEAREST_MAX + 1];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(config_nearest_distance(cases[i].a, strlen(cases[i].a), cases[i].b,
					 strlen(cases[i].b)),
			cases[i].distance);
	memset(word, 'x', sizeof(word));
	assert_int_equal(
		config_nearest_distance(word, sizeof(word), "a", 1), CONFIG_NEAREST_MAX + 1);
	assert_int_equal(
		config_nearest_distance(word, CONFIG_NEAREST_MAX, word, CONFIG_NEAREST_MAX), 0);
}

static void the_nearest_word_wins_and_far_ones_do_not(void **)
{
	struct config_nearest n = {.word = "polling", .len = 7};

	config_nearest_offer(&n, "policy");
	config_nearest_offer(&n, "workers");
	assert_null(n.best);
	config_nearest_offer(&n, "poling");
	config_nearest_offer(&n, "pollin");
	assert_string_equal(n.best, "poling");
	config_nearest_offer(&n, "polling");
	assert_string_equal(n.best, "polling");
	n = (struct config_nearest){.word = "x", .len = 1};
	config_nearest_offer(&n, "id");
	assert_null(n.best);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_plain_decimals),
		cmocka_unit_test(a_mac_is_one_station),
		cmocka_unit_test(a_key_is_64_hex_digits),
		cmocka_unit_test(endpoints_are_numeric_addresses),
		cmocka_unit_test(endpoints_become_socket_addresses),
		cmocka_unit_test(prefixes_have_their_length),
		cmocka_unit_test(names_are_lower_case_dns),
		cmocka_unit_test(interface_names_are_the_kernels),
		cmocka_unit_test(paths_are_absolute_and_do_not_climb),
		cmocka_unit_test(special_addresses_are_told_apart),
		cmocka_unit_test(distance_counts_edits),
		cmocka_unit_test(the_nearest_word_wins_and_far_ones_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
