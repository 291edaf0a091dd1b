// SPDX-License-Identifier: BSD-3-Clause
//
// Both ciphers on every architecture the CPU has, through the calls that packets take.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

// Wycheproof's associated data are of any length; the calls that take a length are static.
#include "dataplane/aead.c"

#define TEXT_MAX 4096

static const enum aead_arch arches[] = {
	AEAD_ARCH_SSE, AEAD_ARCH_AVX, AEAD_ARCH_AVX2, AEAD_ARCH_AVX512, AEAD_ARCH_AUTO};

static size_t unhex(const json_t *row, const char *name, uint8_t *to, size_t max)
{
	const char *hex = json_string_value(json_object_get(row, name));
	size_t bytes = 0;

	assert_non_null(hex);
	assert_int_equal(sodium_hex2bin(to, max, hex, strlen(hex), NULL, &bytes, NULL), 0);
	return bytes;
}

struct vector {
	uint8_t key[32], nonce[12], tag[16];
	uint8_t aad[TEXT_MAX], text[TEXT_MAX], sealed[TEXT_MAX];
	size_t aad_bytes, bytes;
};

// Returns whether the authority's ciphertext opened; sealing must always give the same bytes when
// it is valid, and opening it must give the text.
static void run_vector(struct aead *a, uint8_t cipher, const struct vector *v, bool valid, int id)
{
	static uint8_t buf[TEXT_MAX + AEAD_TAG_BYTES];
	struct aead_key *key = aligned_alloc(64, sizeof(*key));

	assert_int_equal(aead_key_install(a, cipher, v->key, key), 0);
	memcpy(buf, v->sealed, v->bytes);
	memcpy(buf + v->bytes, v->tag, AEAD_TAG_BYTES);
	if (open_one(a, cipher, key, v->nonce, v->aad, v->aad_bytes, buf, buf, v->bytes) != valid)
		fail_msg("arch %s cipher %u vector %d: opening", aead_arch_name(a->arch), cipher,
			id);
	if (valid) {
		assert_memory_equal(buf, v->text, v->bytes);
		assert_true(seal_one(
			a, cipher, key, v->nonce, v->aad, v->aad_bytes, buf, v->text, v->bytes));
		assert_memory_equal(buf, v->sealed, v->bytes);
		assert_memory_equal(buf + v->bytes, v->tag, AEAD_TAG_BYTES);
	}
	aead_key_wipe(key);
	free(key);
}

static unsigned run_group(struct aead *a, uint8_t cipher, const json_t *group)
{
	static struct vector v;
	unsigned n = 0;
	size_t i;
	json_t *row;

	if (json_integer_value(json_object_get(group, "keySize")) != 256 ||
		json_integer_value(json_object_get(group, "ivSize")) != 96 ||
		json_integer_value(json_object_get(group, "tagSize")) != 128)
		return 0;
	json_array_foreach (json_object_get(group, "tests"), i, row) {
		const char *result = json_string_value(json_object_get(row, "result"));

		unhex(row, "key", v.key, sizeof(v.key));
		unhex(row, "iv", v.nonce, sizeof(v.nonce));
		unhex(row, "tag", v.tag, sizeof(v.tag));
		v.aad_bytes = unhex(row, "aad", v.aad, sizeof(v.aad));
		v.bytes = unhex(row, "msg", v.text, sizeof(v.text));
		assert_int_equal(unhex(row, "ct", v.sealed, sizeof(v.sealed)), v.bytes);
		run_vector(a, cipher, &v, strcmp(result, "valid") == 0,
			json_integer_value(json_object_get(row, "tcId")));
		n++;
	}
	return n;
}

static void wycheproof(uint8_t cipher, const char *file, unsigned at_least)
{
	json_t *root = json_load_file(file, 0, NULL);
	unsigned n_arches = 0;

	assert_non_null(root);
	for (unsigned i = 0; i < sizeof(arches) / sizeof(arches[0]); i++) {
		struct aead *a = NULL;
		unsigned n = 0;
		size_t k;
		json_t *group;
		int err = aead_create(arches[i], &a);

		if (err == -ENOTSUP)
			continue;
		assert_int_equal(err, 0);
		json_array_foreach (json_object_get(root, "testGroups"), k, group)
			n += run_group(a, cipher, group);
		assert_true(n >= at_least);
		n_arches++;
		aead_destroy(a);
	}
	assert_true(n_arches > 0);
	printf("Wycheproof on %u CPU paths of %zu\n", n_arches, sizeof(arches) / sizeof(arches[0]));
	json_decref(root);
}

static void every_wycheproof_vector_of_aes_256_gcm_holds(void **)
{
	wycheproof(CIPHER_AES_256_GCM,
		TEST_ROOT "/tests/vectors/wycheproof/wycheproof_aes_gcm.json", 60);
}

static void every_wycheproof_vector_of_chacha20_poly1305_holds(void **)
{
	wycheproof(CIPHER_CHACHA20,
		TEST_ROOT "/tests/vectors/wycheproof/wycheproof_chacha20_poly1305.json", 250);
}

static void the_vector_of_rfc_8439_section_2_8_2_holds(void **)
{
	static const uint8_t aad[] = {
		0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7};
	static const uint8_t nonce[] = {
		0x07, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47};
	static const uint8_t tag[] = {0x1a, 0xe1, 0x0b, 0x59, 0x4f, 0x09, 0xe2, 0x6a, 0x7e, 0x90,
		0x2e, 0xcb, 0xd0, 0x60, 0x06, 0x91};
	static const char text[] =
		"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
		"the future, sunscreen would be it.";
	uint8_t buf[sizeof(text) - 1 + AEAD_TAG_BYTES];
	struct aead_key *key = aligned_alloc(64, sizeof(*key));
	uint8_t raw[AEAD_KEY_BYTES];
	struct aead *a;

	for (unsigned i = 0; i < sizeof(raw); i++)
		raw[i] = 0x80 + i;
	assert_int_equal(aead_create(AEAD_ARCH_AUTO, &a), 0);
	assert_int_equal(aead_key_install(a, CIPHER_CHACHA20, raw, key), 0);
	assert_true(seal_one(a, CIPHER_CHACHA20, key, nonce, aad, sizeof(aad), buf,
		(const uint8_t *)text, sizeof(text) - 1));
	assert_memory_equal(buf, ((uint8_t[]){0xd3, 0x1a, 0x8d, 0x34, 0x64, 0x8e, 0x60, 0xdb}), 8);
	assert_memory_equal(buf + sizeof(text) - 1, tag, sizeof(tag));
	free(key);
	aead_destroy(a);
}

static void a_key_of_no_cipher_is_refused(void **)
{
	struct aead_key *key = aligned_alloc(64, sizeof(*key));
	static const uint8_t raw[AEAD_KEY_BYTES];
	struct aead *a;

	assert_int_equal(aead_create(AEAD_ARCH_AUTO, &a), 0);
	assert_int_equal(aead_key_install(a, 0, raw, key), -EINVAL);
	assert_int_equal(aead_key_install(a, 3, raw, key), -EINVAL);
	assert_int_equal(aead_create((enum aead_arch)99, &a), -EINVAL);
	free(key);
	aead_destroy(a);
}

// The architectures must agree with each other on lengths that no vector has.
static void architectures_agree_on_every_length(void **)
{
	enum { MOST = 1100 };
	static uint8_t buf[AEAD_AAD_BYTES + MOST + AEAD_TAG_BYTES];
	static uint8_t want[MOST + AEAD_TAG_BYTES], text[MOST], opened[MOST];
	static const uint8_t ciphers[] = {CIPHER_AES_256_GCM, CIPHER_CHACHA20};
	struct aead_key *key = aligned_alloc(64, sizeof(*key));
	struct aead *sse, *other;

	randombytes_buf(text, sizeof(text));
	assert_int_equal(aead_create(AEAD_ARCH_SSE, &sse), 0);
	for (unsigned i = 1; i < sizeof(arches) / sizeof(arches[0]); i++) {
		if (aead_create(arches[i], &other) == -ENOTSUP)
			continue;
		for (unsigned bytes = 0; bytes < MOST; bytes++) {
			uint8_t cipher = ciphers[bytes % 2];
			struct aead_op op = {.key = key,
				.data = buf + AEAD_AAD_BYTES,
				.src = text,
				.bytes = bytes};

			// Out of place by one, in place by the other.
			aead_key_install(sse, cipher, text + 7, key);
			assert_true(aead_seal(sse, cipher, &op));
			memcpy(want, op.data, bytes + AEAD_TAG_BYTES);
			aead_key_install(other, cipher, text + 7, key);
			memcpy(op.data, text, bytes);
			op.src = op.data;
			assert_true(aead_seal(other, cipher, &op));
			assert_memory_equal(op.data, want, bytes + AEAD_TAG_BYTES);
			op.data = opened; // elsewhere first: what was sealed stays as it is
			assert_true(aead_open(other, cipher, &op));
			assert_memory_equal(opened, text, bytes);
			assert_memory_equal(op.src, want, bytes + AEAD_TAG_BYTES);
			op.data = buf + AEAD_AAD_BYTES;
			assert_true(aead_open(other, cipher, &op));
			assert_memory_equal(op.data, text, bytes);
		}
		aead_destroy(other);
	}
	free(key);
	aead_destroy(sse);
}

static void a_false_tag_anywhere_in_a_batch_is_found(void **)
{
	enum { N = 32, BYTES = 100, STRIDE = 160 };
	static uint8_t buf[N * STRIDE];
	struct aead_key *key = aligned_alloc(64, sizeof(*key));
	struct aead_op op[N];
	struct aead *a;

	assert_int_equal(aead_create(AEAD_ARCH_AUTO, &a), 0);
	aead_key_install(a, CIPHER_AES_256_GCM, buf, key);
	for (unsigned bad = 0; bad < N; bad++) {
		for (unsigned i = 0; i < N; i++) {
			op[i] = (struct aead_op){.key = key,
				.data = buf + i * STRIDE + AEAD_AAD_BYTES,
				.src = buf + i * STRIDE + AEAD_AAD_BYTES,
				.bytes = BYTES,
				.nonce = {i}};
			assert_true(aead_seal(a, CIPHER_AES_256_GCM, &op[i]));
		}
		op[bad].data[BYTES + bad % AEAD_TAG_BYTES] ^= 1 << bad % 8;
		for (unsigned i = 0; i < N; i++)
			assert_int_equal(aead_open(a, CIPHER_AES_256_GCM, &op[i]), i != bad);
	}
	free(key);
	aead_destroy(a);
}

// What creation runs before anything else. The quickest of a few, as others use this machine, too.
static void the_self_test_at_start_is_quick(void **)
{
	uint64_t slowest = 0;

	for (unsigned i = 0; i < sizeof(arches) / sizeof(arches[0]); i++) {
		uint64_t best = UINT64_MAX;

		for (unsigned n = 0; n < 5; n++) {
			struct timespec from, to;
			struct aead *a;
			int err;

			clock_gettime(CLOCK_MONOTONIC, &from);
			err = aead_create(arches[i], &a);
			clock_gettime(CLOCK_MONOTONIC, &to);
			if (err == -ENOTSUP)
				continue;
			assert_int_equal(err, 0);
			aead_destroy(a);
			uint64_t us = (uint64_t)((to.tv_sec - from.tv_sec) * 1000000 +
						 (to.tv_nsec - from.tv_nsec) / 1000);
			best = us < best ? us : best;
		}
		slowest = best != UINT64_MAX && best > slowest ? best : slowest;
	}
	printf("slowest self-test %.1f ms\n", slowest / 1e3);
	assert_in_range(slowest, 1, 49999);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_of_no_cipher_is_refused),
		cmocka_unit_test(a_false_tag_anywhere_in_a_batch_is_found),
		cmocka_unit_test(every_wycheproof_vector_of_aes_256_gcm_holds),
		cmocka_unit_test(every_wycheproof_vector_of_chacha20_poly1305_holds),
		cmocka_unit_test(the_vector_of_rfc_8439_section_2_8_2_holds),
		cmocka_unit_test(architectures_agree_on_every_length),
		cmocka_unit_test(the_self_test_at_start_is_quick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
