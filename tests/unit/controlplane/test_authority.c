// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sodium.h>

#include "controlplane/common/authority.h"
#include "tests/unit/controlplane/scratch.h"

#define NOW     1800000000u
#define DAY     86400u
#define NETWORK "example-corp"

static const struct identity_kdf cheap = {.passes = 1, .memory_bytes = 8192};
static struct identity_source secret;
static uint8_t leaf_pk[32];

static int make_dir(void **state)
{
	uint8_t sk[64];

	if (scratch_make(state) < 0)
		return -1;
	crypto_sign_keypair(leaf_pk, sk);
	scratch_write("pass", "correct horse\n", 14, 0600);
	secret = (struct identity_source){.passphrase_file = strdup(scratch_path("pass"))};
	return 0;
}

static int remove_dir(void **state)
{
	free((char *)secret.passphrase_file);
	return scratch_remove(state);
}

static struct authority *make_authority(void)
{
	struct authority_error err;
	struct authority *a;

	assert_int_equal(
		authority_create_root(scratch_dir, NETWORK, &secret, &cheap, NOW, &err), 0);
	assert_int_equal(authority_create_issuing(
				 scratch_dir, NETWORK, &secret, &secret, &cheap, NOW, false, &err),
		0);
	assert_int_equal(authority_open(scratch_dir, &secret, NOW, &a, &err), 0);
	return a;
}

static struct authority_request request_of(const char *name)
{
	return (struct authority_request){.name = name,
		.pk = leaf_pk,
		.role = X509_ROLE_GATEWAY,
		.not_before = NOW,
		.not_after = NOW + 90 * DAY};
}

static void requests_that_make_no_sense_are_refused(void **state)
{
	static const uint8_t zero_pk[32];
	static const struct {
		const char *what;
		const char *name;
		enum x509_role role;
		uint64_t not_before, not_after;
		bool zero_key;
		int want;
	} cases[] = {
		{"other network", "site-a.example-corq", 1, NOW, NOW + DAY, false, -EACCES},
		{"suffix without dot", "xexample-corp", 1, NOW, NOW + DAY, false, -EACCES},
		{"parent", "corp", 1, NOW, NOW + DAY, false, -EACCES},
		{"upper case", "Site-a.example-corp", 1, NOW, NOW + DAY, false, -EINVAL},
		{"wildcard", "*.example-corp", 1, NOW, NOW + DAY, false, -EINVAL},
		{"injection", "a.example-corp,DNS:b", 1, NOW, NOW + DAY, false, -EINVAL},
		{"empty", "", 1, NOW, NOW + DAY, false, -EINVAL},
		{"no role", "a.example-corp", 0, NOW, NOW + DAY, false, -EINVAL},
		{"both roles", "a.example-corp", 3, NOW, NOW + DAY, false, -EINVAL},
		{"ends before it begins", "a.example-corp", 1, NOW, NOW, false, -EINVAL},
		{"too long", "a.example-corp", 1, NOW, NOW + 401 * DAY, false, -EINVAL},
		{"weak key", "a.example-corp", 1, NOW, NOW + DAY, true, -EKEYREJECTED},
		{"before the issuer", "a.example-corp", 1, NOW - DAY, NOW, false, -ETIME},
		{"after the issuer", "a.example-corp", 1, NOW + 1200 * DAY, NOW + 1201 * DAY, false,
			-ETIME},
		{"end of time", "a.example-corp", 1, UINT64_MAX - 1, UINT64_MAX, false, -ETIME},
	};
	struct authority *a = make_authority();
	struct authority_error err;
	uint8_t der[X509_LEAF_BYTES_MAX];
	size_t len;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct authority_request req = {.name = cases[i].name,
			.pk = cases[i].zero_key ? zero_pk : leaf_pk,
			.role = cases[i].role,
			.not_before = cases[i].not_before,
			.not_after = cases[i].not_after};
		int r = authority_issue(a, &req, der, &len, NULL, &err);

		if (r != cases[i].want)
			fail_msg("%s: %d (%s)", cases[i].what, r, err.text);
		assert_true(err.text[0] != '\0');
	}
	authority_close(a);
}

static void founding_with_a_bad_name_or_no_clock_is_refused(void **state)
{
	struct authority_error err;

	assert_int_equal(
		authority_create_root(scratch_dir, "Corp", &secret, &cheap, NOW, &err), -EINVAL);
	assert_int_equal(
		authority_create_root(scratch_dir, NETWORK, &secret, &cheap, 86400, &err), -EINVAL);
	assert_non_null(strstr(err.text, "clock"));
}

static void root_is_made_once(void **state)
{
	struct authority_error err;
	struct authority *a = make_authority();

	authority_close(a);
	assert_int_equal(
		authority_create_root(scratch_dir, NETWORK, &secret, &cheap, NOW, &err), -EEXIST);
	assert_int_equal(authority_create_issuing(
				 scratch_dir, NETWORK, &secret, &secret, &cheap, NOW, false, &err),
		-EEXIST);
}

static void issuing_needs_the_root_and_work_does_not(void **state)
{
	struct authority_error err;
	struct authority *a = make_authority();

	authority_close(a);
	rename(scratch_path("root.key"), scratch_path("elsewhere"));
	assert_int_equal(authority_open(scratch_dir, &secret, NOW, &a, &err), 0);
	authority_close(a);
	assert_int_equal(authority_create_issuing(
				 scratch_dir, NETWORK, &secret, &secret, &cheap, NOW, true, &err),
		-ENOENT);
	assert_int_equal(err.identity, IDENTITY_ERR_NO_FILE);
}

static void wrong_passphrase_and_swapped_keys_are_refused(void **state)
{
	struct authority_error err;
	struct identity_source other = {.passphrase_file = scratch_path("other")};
	struct authority *a = make_authority();

	authority_close(a);
	scratch_write("other", "wrong horse\n", 12, 0600);
	assert_int_equal(authority_open(scratch_dir, &other, NOW, &a, &err), -EKEYREJECTED);
	assert_int_equal(err.identity, IDENTITY_ERR_WRONG_PASSPHRASE);
	rename(scratch_path("root.key"), scratch_path("issuing.key"));
	assert_int_equal(authority_open(scratch_dir, &secret, NOW, &a, &err), -EKEYREJECTED);
	assert_int_equal(err.identity, IDENTITY_ERR_USE);
}

static void issuing_key_of_another_certificate_is_refused(void **state)
{
	struct authority_error err;
	struct authority *a = make_authority();

	authority_close(a);
	rename(scratch_path("issuing.crt"), scratch_path("kept.crt"));
	unlink(scratch_path("issuing.key"));
	assert_int_equal(authority_create_issuing(
				 scratch_dir, NETWORK, &secret, &secret, &cheap, NOW, false, &err),
		0);
	rename(scratch_path("kept.crt"), scratch_path("issuing.crt"));
	assert_int_equal(authority_open(scratch_dir, &secret, NOW, &a, &err), -EKEYREJECTED);
	assert_non_null(strstr(err.text, "does not belong"));
}

static void expired_issuing_certificate_does_not_open(void **state)
{
	struct authority_error err;
	struct authority *a = make_authority();

	authority_close(a);
	assert_int_equal(
		authority_open(scratch_dir, &secret, NOW + 4 * 366 * DAY, &a, &err), -EKEYREJECTED);
	assert_int_equal(err.x509, X509_REFUSE_EXPIRED);
}

static void interrupted_creation_is_resumed_with_the_same_key(void **state)
{
	uint8_t before[IDENTITY_FILE_BYTES], after[IDENTITY_FILE_BYTES];
	struct authority_error err;
	struct authority *a = make_authority();

	authority_close(a);
	scratch_read("root.key", before, sizeof(before));
	unlink(scratch_path("root.crt")); // as if the power had gone between the two files
	unlink(scratch_path("issuing.crt"));
	a = make_authority();
	scratch_read("root.key", after, sizeof(after));
	assert_memory_equal(before, after, sizeof(before));
	authority_close(a);
	unlink(scratch_path("root.crt"));
	scratch_write("pass", "other horse\n", 12, 0600);
	assert_int_equal(authority_create_root(scratch_dir, NETWORK, &secret, &cheap, NOW, &err),
		-EKEYREJECTED);
}

static void replacement_that_the_root_refuses_leaves_the_old_issuing_key_in_place(void **state)
{
	struct authority_error err;
	struct authority *a = make_authority();
	uint8_t old_spki[32];

	memcpy(old_spki, authority_issuing_spki(a), sizeof(old_spki));
	authority_close(a);
	scratch_write("pass", "other horse\n", 12, 0600);
	assert_int_equal(authority_create_issuing(
				 scratch_dir, NETWORK, &secret, &secret, &cheap, NOW, true, &err),
		-EKEYREJECTED);
	assert_int_equal(access(scratch_path("issuing.key.old"), F_OK), -1);
	assert_int_equal(access(scratch_path("issuing.crt.old"), F_OK), -1);
	scratch_write("pass", "correct horse\n", 14, 0600);
	assert_int_equal(authority_open(scratch_dir, &secret, NOW, &a, &err), 0);
	assert_memory_equal(old_spki, authority_issuing_spki(a), sizeof(old_spki));
	authority_close(a);
}

static void replaced_issuing_key_works_and_the_old_one_is_kept(void **state)
{
	struct authority_error err;
	struct authority *a = make_authority();
	uint8_t old_spki[32];

	memcpy(old_spki, authority_issuing_spki(a), sizeof(old_spki));
	authority_close(a);
	assert_int_equal(authority_create_issuing(
				 scratch_dir, NETWORK, &secret, &secret, &cheap, NOW, true, &err),
		0);
	assert_int_equal(authority_open(scratch_dir, &secret, NOW, &a, &err), 0);
	assert_memory_not_equal(old_spki, authority_issuing_spki(a), sizeof(old_spki));
	assert_int_equal(access(scratch_path("issuing.key.old"), F_OK), 0);
	assert_int_equal(access(scratch_path("issuing.crt.old"), F_OK), 0);
	authority_close(a);
}

static void leaf_is_small_and_says_what_was_asked(void **state)
{
	struct authority *a = make_authority();
	struct authority_request req = request_of("site-a.example-corp");
	uint8_t der[X509_LEAF_BYTES_MAX];
	struct authority_error err;
	struct x509_facts facts;
	size_t len;

	assert_int_equal(authority_issue(a, &req, der, &len, &facts, &err), 0);
	print_message("leaf: %zu B, issuing: %zu B, root: %zu B\n", len,
		authority_issuing_der(a).len, authority_root_der(a).len);
	assert_in_range(len, 300, 460); // M2 and M3 carry it in one datagram
	assert_string_equal(facts.name, "site-a.example-corp");
	assert_memory_equal(facts.pk, leaf_pk, sizeof(leaf_pk));
	assert_int_equal(facts.role, X509_ROLE_GATEWAY);
	assert_int_equal(facts.not_before, NOW - AUTHORITY_BACKDATE_S);
	assert_int_equal(facts.not_after, NOW + 90 * DAY);
	assert_int_equal(facts.chain_not_after, facts.not_after);
	assert_int_equal(facts.serial_len, 16);
	assert_memory_equal(facts.issuer_spki_hash, authority_issuing_spki(a), 32);
	authority_close(a);
}

static void longest_name_still_fits_a_leaf(void **state)
{
	struct authority *a = make_authority();
	char name[X509_NAME_BYTES_MAX + 1];
	struct authority_request req = request_of(name);
	uint8_t der[X509_LEAF_BYTES_MAX];
	struct authority_error err;
	size_t len;

	memset(name, 'a', sizeof(name));
	for (size_t i = 40; i < 240; i += 50)
		name[i] = '.';
	strcpy(name + X509_NAME_BYTES_MAX - strlen("." NETWORK), "." NETWORK);
	assert_int_equal(authority_issue(a, &req, der, &len, NULL, &err), 0);
	assert_true(len <= X509_LEAF_BYTES_MAX);
	authority_close(a);
}

static void leaf_never_outlives_its_issuer(void **state)
{
	struct authority *a = make_authority();
	struct authority_request req = request_of("a.example-corp");
	uint8_t der[X509_LEAF_BYTES_MAX];
	struct authority_error err;
	struct x509_facts facts;
	size_t len;

	req.not_before = authority_not_after(a) - 10;
	req.not_after = req.not_before + 90 * DAY;
	assert_int_equal(authority_issue(a, &req, der, &len, &facts, &err), 0);
	assert_int_equal(facts.not_after, authority_not_after(a));
	authority_close(a);
}

static void serials_do_not_repeat(void **state)
{
	struct authority *a = make_authority();
	struct authority_request req = request_of("a.example-corp");
	uint8_t der[X509_LEAF_BYTES_MAX];
	struct x509_facts first, second;
	size_t len;

	assert_int_equal(authority_issue(a, &req, der, &len, &first, NULL), 0);
	assert_int_equal(authority_issue(a, &req, der, &len, &second, NULL), 0);
	assert_memory_not_equal(first.serial, second.serial, 16);
	authority_close(a);
}

static void revocation_list_of_the_authority_verifies(void **state)
{
	struct authority *a = make_authority();
	struct revocation_entry entry = {.serial = {0x41}, .serial_len = 1, .until = NOW + DAY};
	uint8_t buf[4096], pk[32], spki[32], net[16] = {3};
	struct revocation_view view;
	size_t len;

	assert_int_equal(
		authority_revocations(a, &entry, 1, net, 5, NOW, buf, sizeof(buf), &len), 0);
	assert_int_equal(
		x509_verify_issuer(authority_trust(a), authority_issuing_der(a), NOW, pk, spki),
		X509_OK);
	assert_int_equal(revocation_parse(buf, len, &view), 0);
	assert_int_equal(revocation_verify(&view, net, pk, NOW, 4), 0);
	authority_close(a);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(requests_that_make_no_sense_are_refused),
		CASE(founding_with_a_bad_name_or_no_clock_is_refused),
		CASE(root_is_made_once),
		CASE(issuing_needs_the_root_and_work_does_not),
		CASE(wrong_passphrase_and_swapped_keys_are_refused),
		CASE(issuing_key_of_another_certificate_is_refused),
		CASE(expired_issuing_certificate_does_not_open),
		CASE(interrupted_creation_is_resumed_with_the_same_key),
		CASE(replacement_that_the_root_refuses_leaves_the_old_issuing_key_in_place),
		CASE(replaced_issuing_key_works_and_the_old_one_is_kept),
		CASE(leaf_is_small_and_says_what_was_asked),
		CASE(longest_name_still_fits_a_leaf),
		CASE(leaf_never_outlives_its_issuer),
		CASE(serials_do_not_repeat),
		CASE(revocation_list_of_the_authority_verifies),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
