// SPDX-License-Identifier: BSD-3-Clause
// What is remembered of a verified chain must never accept what verifying it now would refuse.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/common/x509_memo.h"
#include "tests/unit/controlplane/mint.h"

#define NOW        ((uint64_t)MINT_NOW)
#define DAY        ((int64_t)MINT_DAY)
#define OTHER_NAME "site-b." MINT_NETWORK

struct authority {
	EVP_PKEY *root_key, *issuing_key;
	X509 *issuing;
	struct x509_bytes issuing_der;
	struct x509_trust *trust;
};

static struct authority ours, other;
static struct x509_bytes leaf; // of MINT_NAME, by ours, 90 days
static struct x509_memo memo;

static void authority_init(struct authority *a)
{
	struct x509_bytes der;
	X509 *root;

	a->root_key = mint_key("ED25519");
	a->issuing_key = mint_key("ED25519");
	root = mint_ca(&(struct mint){.not_after = 3650 * DAY}, a->root_key, NULL, a->root_key);
	// Its time begins a day after that of the leaf's beginning, and ends before the leaf's.
	a->issuing = mint_ca(&(struct mint){.bc = "critical,CA:TRUE,pathlen:0",
				     .not_before = -DAY / 2,
				     .not_after = 60 * DAY},
		a->issuing_key, root, a->root_key);
	X509_up_ref(a->issuing);
	a->issuing_der = mint_der(a->issuing);
	der = mint_der(root);
	assert_int_equal(x509_trust_create(der.der, der.len, &a->trust), X509_OK);
	free((void *)der.der);
}

static void authority_fini(struct authority *a)
{
	x509_trust_destroy(a->trust);
	free((void *)a->issuing_der.der);
	X509_free(a->issuing);
	EVP_PKEY_free(a->issuing_key);
	EVP_PKEY_free(a->root_key);
}

static int make_world(void **state)
{
	EVP_PKEY *key = mint_key("ED25519");

	authority_init(&ours);
	authority_init(&other);
	leaf = mint_der(mint_leaf(&(struct mint){0}, key, ours.issuing, ours.issuing_key));
	EVP_PKEY_free(key);
	return 0;
}

static int free_world(void **state)
{
	authority_fini(&ours);
	authority_fini(&other);
	free((void *)leaf.der);
	return 0;
}

// Asked of an empty memory, or of one that has just accepted the chain.
static int remember(void **state)
{
	struct x509_chain chain = {.leaf = leaf, .issuers = {ours.issuing_der}, .n_issuers = 1};
	struct x509_facts facts;

	memset(&memo, 0, sizeof(memo));
	assert_int_equal(x509_memo_verify(&memo, ours.trust, &chain, MINT_NAME, X509_ROLE_GATEWAY,
				 NOW, &facts),
		X509_OK);
	assert_int_equal(memo.n_known, 0);
	return 0;
}

// What the memory says must be what verifying says, be it yes or the same reason.
static enum x509_refusal ask(const struct x509_trust *trust, const struct x509_chain *chain,
	const char *name, enum x509_role role, uint64_t now)
{
	struct x509_facts known = {0}, fresh = {0};
	enum x509_refusal why = x509_verify(trust, chain, name, role, now, &fresh);

	assert_int_equal(x509_memo_verify(&memo, trust, chain, name, role, now, &known), why);
	assert_memory_equal(&known, &fresh, sizeof(known));
	return why;
}

static struct x509_chain good(void)
{
	return (struct x509_chain){.leaf = leaf, .issuers = {ours.issuing_der}, .n_issuers = 1};
}

static void another_name_or_role_is_refused(void **state)
{
	struct x509_chain c = good();

	assert_int_equal(ask(ours.trust, &c, OTHER_NAME, X509_ROLE_GATEWAY, NOW), X509_REFUSE_NAME);
	assert_int_equal(ask(ours.trust, &c, MINT_NAME, X509_ROLE_HUB, NOW), X509_REFUSE_EKU);
	assert_int_equal(memo.n_known, 0);
}

static void what_has_expired_since_is_refused(void **state)
{
	struct x509_chain c = good();

	assert_int_equal(
		ask(ours.trust, &c, MINT_NAME, X509_ROLE_GATEWAY, NOW + 60 * DAY - 1), X509_OK);
	assert_int_equal(memo.n_known, 1);
	// The issuing certificate's end comes first.
	assert_int_equal(ask(ours.trust, &c, MINT_NAME, X509_ROLE_GATEWAY, NOW + 60 * DAY),
		X509_REFUSE_ISSUER_VALIDITY);
	assert_int_equal(ask(ours.trust, &c, MINT_NAME, X509_ROLE_GATEWAY, NOW + 90 * DAY),
		X509_REFUSE_EXPIRED);
	assert_int_equal(memo.n_known, 1);
}

static void a_clock_that_went_back_gets_no_remembered_answer(void **state)
{
	struct x509_chain c = good();

	assert_int_equal(ask(ours.trust, &c, MINT_NAME, X509_ROLE_GATEWAY, NOW - DAY * 3 / 4),
		X509_REFUSE_ISSUER_VALIDITY);
	assert_int_equal(ask(ours.trust, &c, MINT_NAME, X509_ROLE_GATEWAY, NOW - 2 * DAY),
		X509_REFUSE_NOT_YET_VALID);
	assert_int_equal(memo.n_known, 0);
}

static void another_root_does_not_know_the_chain(void **state)
{
	struct x509_chain c = good();

	assert_int_equal(
		ask(other.trust, &c, MINT_NAME, X509_ROLE_GATEWAY, NOW), X509_REFUSE_NOT_OUR_ROOT);
	c.issuers[0] = other.issuing_der;
	assert_int_not_equal(ask(ours.trust, &c, MINT_NAME, X509_ROLE_GATEWAY, NOW), X509_OK);
	assert_int_equal(memo.n_known, 0);
}

static void every_changed_byte_is_verified_anew_and_refused(void **state)
{
	struct x509_chain c = good();
	uint8_t bytes[X509_CA_BYTES_MAX];

	for (unsigned which = 0; which < 2; which++) {
		struct x509_bytes *b = which == 0 ? &c.leaf : &c.issuers[0];
		struct x509_bytes whole = *b;

		memcpy(bytes, whole.der, whole.len);
		for (size_t i = 0; i < whole.len; i++) {
			bytes[i] ^= 1;
			*b = (struct x509_bytes){bytes, whole.len};
			assert_int_not_equal(
				ask(ours.trust, &c, MINT_NAME, X509_ROLE_GATEWAY, NOW), X509_OK);
			bytes[i] ^= 1;
		}
		*b = (struct x509_bytes){bytes, whole.len - 1};
		assert_int_not_equal(
			ask(ours.trust, &c, MINT_NAME, X509_ROLE_GATEWAY, NOW), X509_OK);
		*b = whole;
	}
	c.n_issuers = 0;
	assert_int_equal(
		ask(ours.trust, &c, MINT_NAME, X509_ROLE_GATEWAY, NOW), X509_REFUSE_CHAIN_LENGTH);
	c.n_issuers = X509_ISSUERS_MAX + 1;
	assert_int_equal(
		ask(ours.trust, &c, MINT_NAME, X509_ROLE_GATEWAY, NOW), X509_REFUSE_CHAIN_LENGTH);
	assert_int_equal(memo.n_known, 0);
}

static void a_known_chain_is_not_verified_again(void **state)
{
	struct x509_chain c = good();

	for (unsigned i = 1; i <= 10; i++) {
		assert_int_equal(
			ask(ours.trust, &c, MINT_NAME, X509_ROLE_GATEWAY, NOW + i), X509_OK);
		assert_int_equal(memo.n_known, i);
	}
}

static void refusals_are_not_remembered(void **state)
{
	struct x509_chain c = good();

	memset(&memo, 0, sizeof(memo));
	ask(ours.trust, &c, OTHER_NAME, X509_ROLE_GATEWAY, NOW);
	assert_int_equal(ask(ours.trust, &c, MINT_NAME, X509_ROLE_GATEWAY, NOW), X509_OK);
	assert_int_equal(memo.n_known, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(another_name_or_role_is_refused, remember),
		cmocka_unit_test_setup(what_has_expired_since_is_refused, remember),
		cmocka_unit_test_setup(a_clock_that_went_back_gets_no_remembered_answer, remember),
		cmocka_unit_test_setup(another_root_does_not_know_the_chain, remember),
		cmocka_unit_test_setup(every_changed_byte_is_verified_anew_and_refused, remember),
		cmocka_unit_test_setup(a_known_chain_is_not_verified_again, remember),
		cmocka_unit_test_setup(refusals_are_not_remembered, remember),
	};

	return cmocka_run_group_tests(tests, make_world, free_world);
}
