// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sodium.h>

#include "controlplane/common/identity.h"
#include "tests/unit/controlplane/scratch.h"

static const struct identity_kdf cheap = {.passes = 1, .memory_bytes = 8192};
static const uint8_t passphrase[] = "correct horse";
#define PASSPHRASE_LEN (sizeof(passphrase) - 1)

static struct identity_source with_passphrase(void)
{
	return (struct identity_source){.key_file = scratch_path("id.key"),
		.passphrase_file = scratch_path("pass"),
		.kdf = &cheap};
}

static struct identity_source with_credential(void)
{
	return (struct identity_source){
		.key_file = scratch_path("id.key"), .key_credential = scratch_path("cred")};
}

static enum identity_error open_node(const struct identity_source *src)
{
	uint8_t seed[32], pk[32];

	return identity_open(src, IDENTITY_USE_NODE, seed, pk);
}

// A key file under "pass", and the public key in it.
static void generate(uint8_t pk[32])
{
	struct identity_source src;
	uint8_t seed[32];

	scratch_write("pass", "correct horse\n", 14, 0600);
	src = with_passphrase();
	assert_int_equal(identity_generate(&src, IDENTITY_USE_NODE, seed, pk), IDENTITY_OK);
}

static void wrong_passphrase_is_refused(void **state)
{
	struct identity_source src;
	uint8_t pk[32];

	generate(pk);
	scratch_write("pass", "correct horsf\n", 14, 0600);
	src = with_passphrase();
	assert_int_equal(open_node(&src), IDENTITY_ERR_WRONG_PASSPHRASE);
}

static void credential_where_a_passphrase_was_used_is_refused(void **state)
{
	struct identity_source src;
	uint8_t pk[32];

	generate(pk);
	scratch_write("cred", "01234567890123456789012345678901", 32, 0600);
	src = with_credential();
	assert_int_equal(open_node(&src), IDENTITY_ERR_WRONG_PASSPHRASE);
}

static void every_flipped_bit_of_a_key_file_is_refused(void **state)
{
	static const uint8_t key[32] = {7};
	uint8_t file[IDENTITY_FILE_BYTES], seed[32] = {1}, out[32], pk[32];

	for (int with_kdf = 0; with_kdf < 2; with_kdf++) {
		const uint8_t *secret = with_kdf ? passphrase : key;
		size_t len = with_kdf ? PASSPHRASE_LEN : sizeof(key);

		assert_int_equal(identity_seal(seed, IDENTITY_USE_NODE, with_kdf ? &cheap : NULL,
					 secret, len, file),
			IDENTITY_OK);
		for (size_t bit = 0; bit < sizeof(file) * 8; bit++) {
			// Bits that make Argon2id slow but are still in bounds only cost time here.
			if (with_kdf && bit / 8 >= 12 && bit / 8 < 24 && bit % 8 > 1)
				continue;
			file[bit / 8] ^= (uint8_t)(1 << bit % 8);
			memset(out, 0, sizeof(out));
			assert_int_not_equal(identity_unseal(file, sizeof(file), IDENTITY_USE_NODE,
						     with_kdf, secret, len, out, pk),
				IDENTITY_OK);
			assert_true(sodium_is_zero(out, sizeof(out)));
			file[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_int_equal(identity_unseal(file, sizeof(file), IDENTITY_USE_NODE, with_kdf,
					 secret, len, out, pk),
			IDENTITY_OK);
		assert_memory_equal(out, seed, sizeof(seed));
	}
}

static void every_truncation_of_a_key_file_is_refused(void **state)
{
	static const uint8_t key[32] = {7};
	uint8_t file[IDENTITY_FILE_BYTES], seed[32] = {1}, out[32], pk[32];

	identity_seal(seed, IDENTITY_USE_NODE, NULL, key, sizeof(key), file);
	for (size_t len = 0; len < sizeof(file); len++) {
		uint8_t *cut = malloc(len); // exact size, so that a sanitizer sees a read past it

		memcpy(cut, file, len);
		assert_int_equal(
			identity_unseal(cut, len, IDENTITY_USE_NODE, 0, key, sizeof(key), out, pk),
			IDENTITY_ERR_DAMAGED);
		free(cut);
	}
}

static void trailing_byte_in_a_key_file_is_refused(void **state)
{
	uint8_t pk[32], file[IDENTITY_FILE_BYTES + 1] = {0};
	struct identity_source src;

	generate(pk);
	assert_int_equal(scratch_read("id.key", file, sizeof(file)), IDENTITY_FILE_BYTES);
	scratch_write("id.key", file, sizeof(file), 0600);
	src = with_passphrase();
	assert_int_equal(open_node(&src), IDENTITY_ERR_DAMAGED);
}

static void forged_cost_of_argon2id_is_refused_before_it_is_paid(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} forged[] = {{12, 0}, {12, 17}, {15, 1}, {20, 1}, {23, 1}, {17, 0}};
	uint8_t file[IDENTITY_FILE_BYTES], seed[32] = {1}, out[32], pk[32];

	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		identity_seal(seed, IDENTITY_USE_NODE, &cheap, passphrase, PASSPHRASE_LEN, file);
		file[forged[i].at] = forged[i].value;
		assert_int_equal(identity_unseal(file, sizeof(file), IDENTITY_USE_NODE, 1,
					 passphrase, PASSPHRASE_LEN, out, pk),
			IDENTITY_ERR_DAMAGED);
	}
}

static void file_of_a_newer_version_says_so(void **state)
{
	static const uint8_t key[32] = {7};
	uint8_t file[IDENTITY_FILE_BYTES], seed[32] = {1}, out[32], pk[32];

	identity_seal(seed, IDENTITY_USE_NODE, NULL, key, sizeof(key), file);
	file[8] = 2;
	assert_int_equal(identity_unseal(file, sizeof(file), IDENTITY_USE_NODE, 0, key, sizeof(key),
				 out, pk),
		IDENTITY_ERR_VERSION);
}

static void key_of_another_use_is_refused(void **state)
{
	uint8_t seed[32], pk[32];
	struct identity_source src;

	generate(pk);
	src = with_passphrase();
	assert_int_equal(identity_open(&src, IDENTITY_USE_ISSUING, seed, pk), IDENTITY_ERR_USE);
}

static void file_modes_that_others_could_read_are_refused(void **state)
{
	static const mode_t bad[] = {0640, 0604, 0660, 0602, 0610, 0644, 0777};
	struct identity_source src;
	uint8_t pk[32];

	generate(pk);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		chmod(scratch_path("id.key"), bad[i]);
		src = with_passphrase();
		assert_int_equal(open_node(&src), IDENTITY_ERR_FILE_MODE);
	}
	chmod(scratch_path("id.key"), 0600);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		chmod(scratch_path("pass"), bad[i]);
		src = with_passphrase();
		assert_int_equal(open_node(&src), IDENTITY_ERR_PASSPHRASE_MODE);
	}
	chmod(scratch_path("pass"), 0400);
	src = with_passphrase();
	assert_int_equal(open_node(&src), IDENTITY_OK);
}

static void link_directory_or_fifo_in_place_of_the_key_is_refused(void **state)
{
	struct identity_source src;
	uint8_t pk[32];

	generate(pk);
	rename(scratch_path("id.key"), scratch_path("real.key"));
	assert_int_equal(symlink(scratch_path("real.key"), scratch_path("id.key")), 0);
	src = with_passphrase();
	assert_int_equal(open_node(&src), IDENTITY_ERR_FILE_MODE);
	unlink(scratch_path("id.key"));
	mkfifo(scratch_path("id.key"), 0600);
	assert_int_equal(open_node(&src), IDENTITY_ERR_FILE_MODE);
	unlink(scratch_path("id.key"));
	mkdir(scratch_path("id.key"), 0700);
	assert_int_equal(open_node(&src), IDENTITY_ERR_FILE_MODE);
}

static void missing_files_are_told_apart(void **state)
{
	struct identity_source src;
	uint8_t pk[32];

	scratch_write("pass", "correct horse\n", 14, 0600);
	src = with_passphrase();
	assert_int_equal(open_node(&src), IDENTITY_ERR_NO_FILE);
	generate(pk);
	unlink(scratch_path("pass"));
	assert_int_equal(open_node(&src), IDENTITY_ERR_NO_PASSPHRASE);
}

static void passphrase_of_a_bad_length_is_refused(void **state)
{
	static uint8_t text[IDENTITY_PASSPHRASE_MAX + 8];
	static const struct {
		size_t len;
		enum identity_error want;
	} cases[] = {
		{0, IDENTITY_ERR_PASSPHRASE_LENGTH},
		{IDENTITY_PASSPHRASE_MIN - 1, IDENTITY_ERR_PASSPHRASE_LENGTH},
		{IDENTITY_PASSPHRASE_MIN, IDENTITY_OK},
		{IDENTITY_PASSPHRASE_MAX, IDENTITY_OK},
		{IDENTITY_PASSPHRASE_MAX + 1, IDENTITY_ERR_PASSPHRASE_LENGTH},
		{IDENTITY_PASSPHRASE_MAX + 8, IDENTITY_ERR_PASSPHRASE_LENGTH},
	};
	uint8_t seed[32], pk[32];

	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct identity_source src = with_passphrase();

		unlink(src.key_file);
		scratch_write("pass", text, cases[i].len, 0600);
		assert_int_equal(
			identity_generate(&src, IDENTITY_USE_NODE, seed, pk), cases[i].want);
	}
}

static void source_must_be_exactly_one_and_absolute(void **state)
{
	struct identity_source src = {.key_file = "/nowhere/id.key"};

	assert_int_equal(open_node(&src), IDENTITY_ERR_NO_SOURCE);
	src.passphrase_file = "";
	assert_int_equal(open_node(&src), IDENTITY_ERR_NO_SOURCE);
	src.passphrase_file = "/a";
	src.key_credential = "/b";
	assert_int_equal(open_node(&src), IDENTITY_ERR_NO_SOURCE);
	src.key_credential = NULL;
	src.passphrase_file = "a";
	assert_int_equal(open_node(&src), IDENTITY_ERR_PATH);
	src.passphrase_file = "/a";
	src.key_file = "id.key";
	assert_int_equal(open_node(&src), IDENTITY_ERR_PATH);
}

static void credential_name_cannot_leave_its_directory(void **state)
{
	static const char *const bad[] = {"../cred", "a/b", ".", "..", ".hidden"};
	struct identity_source src = {.key_file = "/nowhere/id.key"};

	setenv("CREDENTIALS_DIRECTORY", scratch_dir, 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		src.key_credential = bad[i];
		assert_int_equal(open_node(&src), IDENTITY_ERR_PATH);
	}
	unsetenv("CREDENTIALS_DIRECTORY");
	src.key_credential = "cred";
	assert_int_equal(open_node(&src), IDENTITY_ERR_NO_PASSPHRASE);
}

static void existing_key_is_never_overwritten(void **state)
{
	uint8_t seed[32], pk[32], before[IDENTITY_FILE_BYTES], after[IDENTITY_FILE_BYTES];
	struct identity_source src;

	generate(pk);
	scratch_read("id.key", before, sizeof(before));
	src = with_passphrase();
	assert_int_equal(identity_generate(&src, IDENTITY_USE_NODE, seed, pk), IDENTITY_ERR_EXISTS);
	scratch_read("id.key", after, sizeof(after));
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(access(scratch_path("id.key.new"), F_OK), -1);
}

static void directory_that_is_missing_is_a_write_error(void **state)
{
	uint8_t seed[32], pk[32];
	struct identity_source src;

	scratch_write("pass", "correct horse\n", 14, 0600);
	src = with_passphrase();
	src.key_file = scratch_path("none/id.key");
	assert_int_equal(identity_generate(&src, IDENTITY_USE_NODE, seed, pk), IDENTITY_ERR_WRITE);
}

static void generated_key_opens_again_and_is_private(void **state)
{
	uint8_t pk[32], pk2[32], seed[32];
	struct identity_source src;
	struct stat st;

	generate(pk);
	src = with_passphrase();
	assert_int_equal(identity_open(&src, IDENTITY_USE_NODE, seed, pk2), IDENTITY_OK);
	assert_memory_equal(pk, pk2, sizeof(pk));
	assert_int_equal(stat(src.key_file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void credential_opens_by_name_and_by_path(void **state)
{
	uint8_t seed[32], pk[32];
	struct identity_source src = with_credential();

	scratch_write("cred", "01234567890123456789012345678901", 32, 0600);
	assert_int_equal(identity_generate(&src, IDENTITY_USE_NODE, seed, pk), IDENTITY_OK);
	assert_int_equal(open_node(&src), IDENTITY_OK);
	// What systemd's ACL for the service's user looks like to stat().
	chmod(scratch_path("cred"), 0440);
	assert_int_equal(open_node(&src), IDENTITY_ERR_PASSPHRASE_MODE);
	setenv("CREDENTIALS_DIRECTORY", scratch_dir, 1);
	src.key_credential = "cred";
	assert_int_equal(open_node(&src), IDENTITY_OK);
	chmod(scratch_path("cred"), 0444);
	assert_int_equal(open_node(&src), IDENTITY_ERR_PASSPHRASE_MODE);
	unsetenv("CREDENTIALS_DIRECTORY");
	scratch_write("cred", "0123456789012345678901234567890", 31, 0400);
	src = with_credential();
	assert_int_equal(open_node(&src), IDENTITY_ERR_PASSPHRASE_LENGTH);
}

static void one_key_seals_to_different_files(void **state)
{
	uint8_t a[IDENTITY_FILE_BYTES], b[IDENTITY_FILE_BYTES], seed[32] = {1}, key[32] = {2};

	identity_seal(seed, IDENTITY_USE_NODE, NULL, key, sizeof(key), a);
	identity_seal(seed, IDENTITY_USE_NODE, NULL, key, sizeof(key), b);
	assert_memory_not_equal(a + 24, b + 24, 40);
	assert_memory_not_equal(a + 96, b + 96, 48);
}

static void every_error_has_its_own_sentence(void **state)
{
	for (int i = 0; i < IDENTITY_N_ERRORS; i++) {
		assert_true(strlen(identity_strerror((enum identity_error)i)) > 7);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(identity_strerror((enum identity_error)i),
				identity_strerror((enum identity_error)j));
	}
	assert_non_null(identity_strerror((enum identity_error) - 1));
	assert_non_null(identity_strerror(IDENTITY_N_ERRORS));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(wrong_passphrase_is_refused),
		CASE(credential_where_a_passphrase_was_used_is_refused),
		CASE(every_flipped_bit_of_a_key_file_is_refused),
		CASE(every_truncation_of_a_key_file_is_refused),
		CASE(trailing_byte_in_a_key_file_is_refused),
		CASE(forged_cost_of_argon2id_is_refused_before_it_is_paid),
		CASE(file_of_a_newer_version_says_so),
		CASE(key_of_another_use_is_refused),
		CASE(file_modes_that_others_could_read_are_refused),
		CASE(link_directory_or_fifo_in_place_of_the_key_is_refused),
		CASE(missing_files_are_told_apart),
		CASE(passphrase_of_a_bad_length_is_refused),
		CASE(source_must_be_exactly_one_and_absolute),
		CASE(credential_name_cannot_leave_its_directory),
		CASE(existing_key_is_never_overwritten),
		CASE(directory_that_is_missing_is_a_write_error),
		CASE(generated_key_opens_again_and_is_private),
		CASE(credential_opens_by_name_and_by_path),
		CASE(one_key_seals_to_different_files),
		CASE(every_error_has_its_own_sentence),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
