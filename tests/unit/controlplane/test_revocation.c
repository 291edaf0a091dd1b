// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/common/revocation.h"
#include "controlplane/common/x509.h"

#define NOW 1800000000u

static const uint8_t net[16] = "one network id..";
static const uint8_t seed[32] = "the issuing key's seed, 32 bytes";
static uint8_t issuer_pk[32], issuer_spki[32];

static const struct revocation_entry two[] = {
	{.serial = {0x55, 0x66}, .serial_len = 2, .until = NOW + 10},
	{.spki_hash = {9, 9, 9}, .until = NOW + 20},
};

// A good list of two entries; returns its length.
static size_t make(uint8_t *buf, size_t cap, uint64_t number, uint64_t issued)
{
	size_t len;

	assert_int_equal(
		revocation_build(two, 2, net, number, issued, issuer_spki, buf, cap, &len), 0);
	assert_int_equal(revocation_sign(seed, buf, cap, &len), 0);
	return len;
}

static int check(const uint8_t *bytes, size_t len, uint64_t held)
{
	struct revocation_view v;
	int err = revocation_parse(bytes, len, &v);

	return err < 0 ? err : revocation_verify(&v, net, issuer_pk, NOW, held);
}

static void every_flipped_bit_is_refused(void **state)
{
	uint8_t buf[512];
	size_t len = make(buf, sizeof(buf), 7, NOW);

	for (size_t bit = 0; bit < len * 8; bit++) {
		buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (check(buf, len, 0) == 0)
			fail_msg("bit %zu of byte %zu", bit % 8, bit / 8);
		buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(check(buf, len, 0), 0);
}

static void every_other_length_is_refused(void **state)
{
	uint8_t buf[512] = {0};
	size_t len = make(buf, sizeof(buf), 7, NOW);

	for (size_t cut = 0; cut <= sizeof(buf); cut++) {
		uint8_t *exact = malloc(cut); // so that a sanitizer sees a read past it
		struct revocation_view v;

		memcpy(exact, buf, cut);
		assert_int_equal(revocation_parse(exact, cut, &v), cut == len ? 0 : -EBADMSG);
		free(exact);
	}
}

static void shapes_that_have_a_second_form_are_refused(void **state)
{
	static const struct {
		const char *what;
		size_t at;
		uint8_t value;
	} cases[] = {
		{"magic", 0, 'Q'},
		{"version", 4, 2},
		{"reserved", 5, 1},
		{"one entry less", 6, 1},
		{"one entry more", 6, 3},
		{"number zero", 24, 0},
		{"serial length 21", 72 + 32, 21},
		{"serial with leading zero", 72 + 33, 0},
		{"bytes behind the serial", 72 + 36, 1},
		{"reserved of the entry", 72 + 53, 1},
		{"entry that names nothing", 72 + 64, 0},
		{"out of order", 72, 0xff},
	};
	uint8_t good[512], buf[512];
	size_t len = make(good, sizeof(good), 7, NOW);
	struct revocation_view v;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(buf, good, len);
		buf[cases[i].at] = cases[i].value;
		if (strcmp(cases[i].what, "entry that names nothing") == 0)
			memset(buf + 72 + 64, 0, 56);
		if (revocation_parse(buf, len, &v) != -EBADMSG)
			fail_msg("%s", cases[i].what);
	}
	memcpy(buf, good, len);
	memcpy(buf + 72 + 64, buf + 72, 64);
	assert_int_equal(revocation_parse(buf, len, &v), -EBADMSG); // the same entry twice
}

static void lists_not_to_be_believed_are_told_apart(void **state)
{
	uint8_t buf[512], other_pk[32], sk[64];
	struct revocation_view v;
	size_t len = make(buf, sizeof(buf), 7, NOW);

	assert_int_equal(check(buf, len, 8), -ESTALE);
	assert_int_equal(check(buf, len, 7), 0); // the same list again
	assert_int_equal(revocation_parse(buf, len, &v), 0);
	assert_int_equal(
		revocation_verify(&v, (const uint8_t *)"another network.", issuer_pk, NOW, 0),
		-EXDEV);
	crypto_sign_keypair(other_pk, sk);
	assert_int_equal(revocation_verify(&v, net, other_pk, NOW, 0), -EKEYREJECTED);
	// One that names our issuer, but is signed by another key.
	assert_int_equal(revocation_sign(sk, buf, len, &(size_t){len - 64}), 0);
	assert_int_equal(check(buf, len, 0), -EBADMSG);
	len = make(buf, sizeof(buf), 7, NOW + REVOCATION_SKEW_S + 1);
	assert_int_equal(check(buf, len, 0), -ETIME);
	len = make(buf, sizeof(buf), 7, NOW + REVOCATION_SKEW_S - 1);
	assert_int_equal(check(buf, len, 0), 0);
	len = make(buf, sizeof(buf), 7, 1); // old is not wrong: the number decides
	assert_int_equal(check(buf, len, 0), 0);
}

static void signature_without_its_label_is_refused(void **state)
{
	uint8_t buf[512], pk[32], sk[64];
	size_t len = make(buf, sizeof(buf), 7, NOW);

	crypto_sign_seed_keypair(pk, sk, seed);
	crypto_sign_detached(buf + len - 64, NULL, buf, len - 64, sk);
	assert_int_equal(check(buf, len, 0), -EBADMSG);
}

static void entries_that_cannot_be_are_not_built(void **state)
{
	static struct revocation_entry many[REVOCATION_ENTRIES_MAX + 1];
	static uint8_t buf[REVOCATION_BYTES_MAX];
	struct revocation_entry bad = {.until = NOW};
	size_t len;

	assert_int_equal(
		revocation_build(&bad, 1, net, 1, NOW, issuer_spki, buf, sizeof(buf), &len),
		-EINVAL);
	bad.serial_len = REVOCATION_SERIAL_MAX + 1;
	assert_int_equal(
		revocation_build(&bad, 1, net, 1, NOW, issuer_spki, buf, sizeof(buf), &len),
		-EINVAL);
	bad.serial_len = 2; // 00 00
	assert_int_equal(
		revocation_build(&bad, 1, net, 1, NOW, issuer_spki, buf, sizeof(buf), &len),
		-EINVAL);
	assert_int_equal(revocation_build(two, 2, net, 0, NOW, issuer_spki, buf, sizeof(buf), &len),
		-EINVAL);
	assert_int_equal(revocation_build(two, 2, net, 1, NOW, issuer_spki, buf,
				 REVOCATION_HEADER_BYTES + 64 + 64, &len),
		-ENOBUFS);
	for (unsigned i = 0; i < REVOCATION_ENTRIES_MAX + 1; i++)
		many[i] = (struct revocation_entry){.serial = {1, (uint8_t)(i >> 8), (uint8_t)i},
			.serial_len = 3,
			.until = NOW};
	assert_int_equal(revocation_build(many, REVOCATION_ENTRIES_MAX + 1, net, 1, NOW,
				 issuer_spki, buf, sizeof(buf), &len),
		-E2BIG);
	assert_int_equal(revocation_build(many, REVOCATION_ENTRIES_MAX, net, 1, NOW, issuer_spki,
				 buf, sizeof(buf), &len),
		0);
	assert_int_equal(revocation_sign(seed, buf, sizeof(buf), &len), 0);
	assert_int_equal(len, REVOCATION_BYTES_MAX);
	assert_true(len <= 65535 - 8); // fits a hub record
	assert_int_equal(check(buf, len, 0), 0);
}

static void lookup_finds_by_serial_and_by_key_and_nothing_else(void **state)
{
	static const uint8_t zero[32], key[32] = {9, 9, 9}, other[32] = {9, 9, 8};
	uint8_t buf[512];
	size_t len = make(buf, sizeof(buf), 7, NOW);
	struct revocation_view v;

	assert_int_equal(revocation_parse(buf, len, &v), 0);
	assert_true(revocation_contains(&v, (const uint8_t *)"\x55\x66", 2, other));
	assert_true(revocation_contains(&v, (const uint8_t *)"\x00\x55\x66", 3, other));
	assert_true(revocation_contains(&v, (const uint8_t *)"\x01", 1, key));
	assert_false(revocation_contains(&v, (const uint8_t *)"\x55", 1, other));
	assert_false(revocation_contains(&v, (const uint8_t *)"\x55\x66\x00", 3, other));
	assert_false(revocation_contains(&v, (const uint8_t *)"\x01", 1, other));
	assert_false(revocation_contains(&v, (const uint8_t *)"", 0, other));
	// An entry without a key does not name the key of all zeros.
	assert_false(revocation_contains(&v, (const uint8_t *)"\x01", 1, zero));
}

static void build_orders_merges_and_forgets_the_expired(void **state)
{
	struct revocation_entry in[] = {
		two[1], two[0], two[1], two[0], {.serial = {1}, .serial_len = 1, .until = NOW - 1}};
	uint8_t a[512], b[512];
	struct revocation_view v;
	struct revocation_entry e;
	size_t a_len, b_len = make(b, sizeof(b), 7, NOW);

	assert_int_equal(
		revocation_build(in, 5, net, 7, NOW, issuer_spki, a, sizeof(a), &a_len), 0);
	assert_int_equal(revocation_sign(seed, a, sizeof(a), &a_len), 0);
	assert_int_equal(a_len, b_len);
	assert_memory_equal(a, b, a_len);
	assert_int_equal(revocation_parse(a, a_len, &v), 0);
	assert_int_equal(v.n_entries, 2);
	assert_int_equal(v.number, 7);
	revocation_entry_get(&v, 0, &e);
	assert_int_equal(e.serial_len, 2);
	assert_int_equal(e.until, NOW + 10);
	revocation_entry_get(&v, 1, &e);
	assert_int_equal(e.serial_len, 0);
	assert_int_equal(e.spki_hash[2], 9);
}

static void empty_list_is_a_list(void **state)
{
	uint8_t buf[256];
	size_t len;

	assert_int_equal(
		revocation_build(NULL, 0, net, 1, NOW, issuer_spki, buf, sizeof(buf), &len), 0);
	assert_int_equal(revocation_sign(seed, buf, sizeof(buf), &len), 0);
	assert_int_equal(len, REVOCATION_HEADER_BYTES + REVOCATION_SIG_BYTES);
	assert_int_equal(check(buf, len, 0), 0);
}

static void every_error_has_its_own_sentence(void **state)
{
	static const int errors[] = {
		0, -EBADMSG, -EXDEV, -EKEYREJECTED, -ETIME, -ESTALE, -E2BIG, -EINVAL, -ENOMEM};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(
				revocation_strerror(errors[i]), revocation_strerror(errors[j]));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_flipped_bit_is_refused),
		cmocka_unit_test(every_other_length_is_refused),
		cmocka_unit_test(shapes_that_have_a_second_form_are_refused),
		cmocka_unit_test(lists_not_to_be_believed_are_told_apart),
		cmocka_unit_test(signature_without_its_label_is_refused),
		cmocka_unit_test(entries_that_cannot_be_are_not_built),
		cmocka_unit_test(lookup_finds_by_serial_and_by_key_and_nothing_else),
		cmocka_unit_test(build_orders_merges_and_forgets_the_expired),
		cmocka_unit_test(empty_list_is_a_list),
		cmocka_unit_test(every_error_has_its_own_sentence),
	};
	uint8_t sk[64];

	if (sodium_init() < 0)
		return 1;
	crypto_sign_seed_keypair(issuer_pk, sk, seed);
	x509_spki_hash(issuer_pk, issuer_spki);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
