// SPDX-License-Identifier: BSD-3-Clause
//
// Words on the command line: refused ones first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pktgen/units.h"

static char why[UNITS_WHY_BYTES];

static void impossible_rates_are_refused(void **)
{
	static const char *const words[] = {"", "1", "1M", "Mpps", "-1Mpps", "0pps", "0.1pps",
		"2000Mpps", "9999Gbps", "1Mpps ", "1Xpps", "nanpps", "infGbps", "1e400Gbps",
		"maximum", "1Mpps,2Mpps"};
	struct rate rate = {RATE_BPS, 42};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		why[0] = '\0';
		if (units_rate(words[i], &rate, why) == 0)
			fail_msg("\"%s\" was taken", words[i]);
		assert_true(strlen(why) > 10);
		assert_true(rate.kind == RATE_BPS && rate.value == 42);
	}
}

static void rates_are_understood(void **)
{
	static const struct {
		const char *word;
		enum rate_kind kind;
		double value;
	} rates[] = {
		{"max", RATE_MAX, 0},
		{"recorded", RATE_RECORDED, 0},
		{"1Mpps", RATE_PPS, 1e6},
		{"14.88 mpps", RATE_PPS, 14.88e6},
		{"250kpps", RATE_PPS, 250e3},
		{"1pps", RATE_PPS, 1},
		{"2.5Gbps", RATE_BPS, 2.5e9},
		{"100Mbit/s", RATE_BPS, 1e8},
		{"10Gb/s", RATE_BPS, 1e10},
	};
	struct rate rate;

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		assert_int_equal(units_rate(rates[i].word, &rate, why), 0);
		assert_int_equal(rate.kind, rates[i].kind);
		assert_true(rate.value > rates[i].value * 0.999999 - 1e-9 &&
			    rate.value < rates[i].value * 1.000001 + 1e-9);
	}
}

static void sizes_that_no_frame_has_are_refused(void **)
{
	static const char *const words[] = {
		"", "59", "9601", "64,", ",64", "64,,64", "64 512", "imux", "-64", "0x40", "64b"};
	struct mix mix = {.n = 77};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (units_mix(words[i], &mix, why) == 0)
			fail_msg("\"%s\" was taken", words[i]);
		assert_int_equal(mix.n, 77);
	}
	assert_true(units_mix("imix,imix,imix,imix,imix,imix", &mix, why) < 0); // 72 of 64
}

static void imix_is_seven_four_and_one(void **)
{
	unsigned n64 = 0, n570 = 0, n1514 = 0;
	struct mix mix;

	assert_int_equal(units_mix("imix", &mix, why), 0);
	assert_int_equal(mix.n, 12);
	for (unsigned i = 0; i < mix.n; i++) {
		n64 += mix.bytes[i] == 64;
		n570 += mix.bytes[i] == 570;
		n1514 += mix.bytes[i] == 1514;
	}
	assert_true(n64 == 7 && n570 == 4 && n1514 == 1);
	assert_true(mix.mean > 353.4 && mix.mean < 353.6);
	assert_int_equal(mix_least(&mix), 64);
	assert_int_equal(mix_most(&mix), 1514);
}

static void a_list_is_rows_or_one_mix(void **)
{
	struct size_row rows[4];
	struct mix mix;
	unsigned n;

	assert_int_equal(units_mix("64,1500", &mix, why), 0);
	assert_true(mix.n == 2 && mix.mean == 782);
	assert_int_equal(units_size_rows("64,imix,9600", rows, 4, &n, why), 0);
	assert_int_equal(n, 3);
	assert_string_equal(rows[1].name, "imix");
	assert_int_equal(rows[1].mix.n, 12);
	assert_true(units_size_rows("64,64,64,64,64", rows, 4, &n, why) < 0);
}

static void numbers_out_of_bounds_are_refused(void **)
{
	static const char *const words[] = {
		"", "-1", "+1", " 1", "1.5", "1kk", "0", "101", "1k", "99999999999999999999", "1G"};
	uint64_t value = 42;
	double real = 42;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (units_count(words[i], "x", 1, 100, &value, why) == 0)
			fail_msg("\"%s\" was taken", words[i]);
	}
	assert_int_equal(value, 42);
	assert_true(units_count("18446744073709551G", "x", 1, UINT64_MAX, &value, why) < 0);
	assert_int_equal(units_count("5k", "x", 1, 5000, &value, why), 0);
	assert_int_equal(value, 5000);
	assert_true(units_real("nan", "x", 0, 1, &real, why) < 0);
	assert_true(units_real("1s", "x", 0, 1, &real, why) < 0);
	assert_true(units_real("1.1", "x", 0, 1, &real, why) < 0);
	assert_int_equal(units_real("0.5", "x", 0, 1, &real, why), 0);
}

static void addresses_are_understood_or_refused(void **)
{
	uint8_t mac[6];
	uint32_t ip;

	assert_true(units_mac("02:00:00:00:00", mac, why) < 0);
	assert_true(units_mac("02:00:00:00:00:01:02", mac, why) < 0);
	assert_true(units_mac("02:00:00:00:00:0g", mac, why) < 0);
	assert_int_equal(units_mac("02:00:5E:00:00:ff", mac, why), 0);
	assert_int_equal(mac[2], 0x5e);
	assert_true(units_ipv4("10.0.0.256", &ip, why) < 0);
	assert_true(units_ipv4("10.0.0", &ip, why) < 0);
	assert_int_equal(units_ipv4("10.0.0.1", &ip, why), 0);
	assert_int_equal(ip, 0x0a000001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(impossible_rates_are_refused),
		cmocka_unit_test(rates_are_understood),
		cmocka_unit_test(sizes_that_no_frame_has_are_refused),
		cmocka_unit_test(imix_is_seven_four_and_one),
		cmocka_unit_test(a_list_is_rows_or_one_mix),
		cmocka_unit_test(numbers_out_of_bounds_are_refused),
		cmocka_unit_test(addresses_are_understood_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
