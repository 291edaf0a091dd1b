// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sodium.h>

#include "controlplane/common/x509.h"
#include "tests/unit/controlplane/mint.h"

#define NOW ((uint64_t)MINT_NOW)
#define DAY ((int64_t)MINT_DAY)

static EVP_PKEY *root_key, *other_root_key, *issuing_key, *leaf_key, *rsa_key, *ec_key;
static X509 *root, *other_root, *issuing;
static struct x509_trust *trust;

static int make_world(void **state)
{
	struct x509_bytes der;

	root_key = mint_key("ED25519");
	other_root_key = mint_key("ED25519");
	issuing_key = mint_key("ED25519");
	leaf_key = mint_key("ED25519");
	rsa_key = mint_key("RSA");
	ec_key = mint_key("EC");
	root = mint_ca(&(struct mint){.not_after = 3650 * DAY}, root_key, NULL, root_key);
	other_root = mint_ca(
		&(struct mint){.not_after = 3650 * DAY}, other_root_key, NULL, other_root_key);
	issuing =
		mint_ca(&(struct mint){.bc = "critical,CA:TRUE,pathlen:0", .not_after = 365 * DAY},
			issuing_key, root, root_key);
	X509_up_ref(root);
	der = mint_der(root);
	if (x509_trust_create(der.der, der.len, &trust) != X509_OK)
		return -1;
	free((void *)der.der);
	return 0;
}

static int free_world(void **state)
{
	x509_trust_destroy(trust);
	X509_free(root);
	X509_free(other_root);
	X509_free(issuing);
	EVP_PKEY_free(root_key);
	EVP_PKEY_free(other_root_key);
	EVP_PKEY_free(issuing_key);
	EVP_PKEY_free(leaf_key);
	EVP_PKEY_free(rsa_key);
	EVP_PKEY_free(ec_key);
	return 0;
}

static struct x509_bytes der_of(X509 *cert)
{
	X509_up_ref(cert);
	return mint_der(cert);
}

// Verify leaf under these issuers (NULL-terminated would hide a count of none, so: n).
static enum x509_refusal verify_at(uint64_t now, struct x509_bytes leaf, X509 **issuers, unsigned n,
	struct x509_facts *ret_facts)
{
	struct x509_chain chain = {.leaf = leaf, .n_issuers = n};
	struct x509_facts facts;
	enum x509_refusal why;

	for (unsigned i = 0; i < n && i < X509_ISSUERS_MAX; i++)
		chain.issuers[i] = der_of(issuers[i]);
	why = x509_verify(trust, &chain, MINT_NAME, X509_ROLE_GATEWAY, now, &facts);
	for (unsigned i = 0; i < n && i < X509_ISSUERS_MAX; i++)
		free((void *)chain.issuers[i].der);
	if (why == X509_OK && ret_facts != NULL)
		*ret_facts = facts;
	return why;
}

static enum x509_refusal verify(struct x509_bytes leaf)
{
	return verify_at(NOW, leaf, &issuing, 1, NULL);
}

static void expect(const char *what, enum x509_refusal got, enum x509_refusal want)
{
	if (got != want)
		fail_msg("%s: got %d (%s), wanted %d", what, (int)got, x509_strerror(got),
			(int)want);
}

static const uint8_t small_order_pk[32] = {1};
static const uint8_t off_curve_pk[32] = {2};

static const struct {
	const char *what;
	struct mint leaf;
	enum x509_refusal want;
} bad_leaves[] = {
	{"another name", {.san = "DNS:site-b.example-corp"}, X509_REFUSE_NAME},
	{"the expected name as a prefix", {.san = "DNS:site-a.example-corp.example-corp"},
		X509_REFUSE_NAME},
	{"two names, the expected one first", {.san = "DNS:" MINT_NAME ",DNS:site-b.example-corp"},
		X509_REFUSE_SAN_COUNT},
	{"two names, the expected one last", {.san = "DNS:site-b.example-corp,DNS:" MINT_NAME},
		X509_REFUSE_SAN_COUNT},
	{"the same name twice", {.san = "DNS:" MINT_NAME ",DNS:" MINT_NAME}, X509_REFUSE_SAN_COUNT},
	{"name and address", {.san = "DNS:" MINT_NAME ",IP:10.0.0.1"}, X509_REFUSE_SAN_COUNT},
	{"an address only", {.san = "IP:10.0.0.1"}, X509_REFUSE_SAN_TYPE},
	{"a mail address", {.san = "email:a@" MINT_NAME}, X509_REFUSE_SAN_TYPE},
	{"a URI", {.san = "URI:https://" MINT_NAME}, X509_REFUSE_SAN_TYPE},
	{"a registered id", {.san = "RID:1.2.3"}, X509_REFUSE_SAN_TYPE},
	{"a wildcard", {.san = "DNS:*.example-corp"}, X509_REFUSE_SAN_SYNTAX},
	{"an inner wildcard", {.san = "DNS:site-*.example-corp"}, X509_REFUSE_SAN_SYNTAX},
	{"upper case", {.san = "DNS:Site-A.example-corp"}, X509_REFUSE_SAN_SYNTAX},
	{"a final dot", {.san = "DNS:" MINT_NAME "."}, X509_REFUSE_SAN_SYNTAX},
	{"a first dot", {.san = "DNS:." MINT_NAME}, X509_REFUSE_SAN_SYNTAX},
	{"an underscore", {.san = "DNS:site_a.example-corp"}, X509_REFUSE_SAN_SYNTAX},
	{"an address written as a name", {.san = "DNS:10.0.0.1"}, X509_REFUSE_SAN_SYNTAX},
	{"an empty name", {.raw_san = "", .raw_san_len = 0}, X509_REFUSE_SAN_SYNTAX},
	{"a NUL behind the name", {.raw_san = MINT_NAME "\0.evil", .raw_san_len = 25},
		X509_REFUSE_SAN_SYNTAX},
	{"a final NUL", {.raw_san = MINT_NAME, .raw_san_len = 20}, X509_REFUSE_SAN_SYNTAX},
	{"a blank", {.raw_san = MINT_NAME " ", .raw_san_len = 20}, X509_REFUSE_SAN_SYNTAX},
	{"a byte above ASCII", {.raw_san = "s\xc3\xadte.example-corp", .raw_san_len = 18},
		X509_REFUSE_SAN_SYNTAX},
	{"no alternative name, the name as CN", {.san = MINT_NONE, .subject = MINT_NAME},
		X509_REFUSE_NO_SAN},
	{"no alternative name at all", {.san = MINT_NONE}, X509_REFUSE_NO_SAN},
	{"outside of the name constraint", {.san = "DNS:site-a.example-corq"}, X509_REFUSE_NAME},
	{"expired by a second", {.not_before = -DAY, .not_after = -1}, X509_REFUSE_EXPIRED},
	{"expired long ago", {.not_before = -80 * DAY, .not_after = -50 * DAY},
		X509_REFUSE_EXPIRED},
	{"valid from the next second", {.not_before = 1}, X509_REFUSE_NOT_YET_VALID},
	{"the hub's role", {.eku = X509_EKU_HUB}, X509_REFUSE_EKU},
	{"server authentication", {.eku = "serverAuth"}, X509_REFUSE_EKU},
	{"any usage", {.eku = "anyExtendedKeyUsage"}, X509_REFUSE_EKU},
	{"a sibling of our arc", {.eku = X509_ARC ".3"}, X509_REFUSE_EKU},
	{"a child of our role", {.eku = X509_EKU_GATEWAY ".1"}, X509_REFUSE_EKU},
	{"our arc itself", {.eku = X509_ARC}, X509_REFUSE_EKU},
	{"both roles", {.eku = X509_EKU_GATEWAY "," X509_EKU_HUB}, X509_REFUSE_EKU},
	{"our role and another", {.eku = X509_EKU_GATEWAY ",clientAuth"}, X509_REFUSE_EKU},
	{"no extended key usage", {.eku = MINT_NONE}, X509_REFUSE_NO_EKU},
	{"no key usage", {.ku = MINT_NONE}, X509_REFUSE_KEY_USAGE},
	{"key usage of an authority", {.ku = "critical,digitalSignature,keyCertSign"},
		X509_REFUSE_KEY_USAGE},
	{"key agreement", {.ku = "critical,keyAgreement"}, X509_REFUSE_KEY_USAGE},
	{"an authority", {.bc = "critical,CA:TRUE"}, X509_REFUSE_LEAF_IS_CA},
	{"an unknown critical extension", {.extra_oid = "1.2.3.4", .extra_critical = true},
		X509_REFUSE_EXTENSION},
	{"a doubled extension", {.double_ku = true}, X509_REFUSE_EXTENSION},
	{"a key identifier that is none", {.extra_oid = "2.5.29.14", .extra_len = 3},
		X509_REFUSE_ENCODING},
	{"version 1", {.version = 1}, X509_REFUSE_VERSION},
	{"version 2", {.version = 2}, X509_REFUSE_VERSION},
	{"serial zero", {.serial_len = -1}, X509_REFUSE_SERIAL},
	{"a negative serial", {.serial_len = -2}, X509_REFUSE_SERIAL},
	{"a serial of 21 bytes", {.serial_len = 21}, X509_REFUSE_SERIAL},
	{"a serial of 20 bytes and a sign", {.serial_len = -3}, X509_REFUSE_SERIAL},
	{"an end before its beginning", {.not_before = -DAY, .not_after = -2 * DAY},
		X509_REFUSE_EXPIRED},
	{"an end in month 13", {.raw_not_after = "20281301000000Z"}, X509_REFUSE_ENCODING},
	{"an end without seconds", {.raw_not_after = "202801010000Z"}, X509_REFUSE_ENCODING},
	{"an end in another time zone", {.raw_not_after = "20280101000000+0100"},
		X509_REFUSE_ENCODING},
	{"no subject and an alternative name that may be ignored", {.san = "DNS:" MINT_NAME},
		X509_REFUSE_CHAIN},
	{"no key identifier of its issuer", {.akid = MINT_NONE}, X509_REFUSE_CHAIN},
	{"a key identifier of its issuer that is critical", {.akid = "critical,keyid:always"},
		X509_REFUSE_EXTENSION},
	{"a name constraint of its own", {.nc = "critical,permitted;DNS:example-corp"},
		X509_REFUSE_LEAF_IS_CA},
	{"a path length and no authority", {.bc = "critical,CA:FALSE,pathlen:0"},
		X509_REFUSE_CHAIN},
	{"a key of small order", {.raw_pk = small_order_pk}, X509_REFUSE_ALGORITHM},
	{"a key that is no point", {.raw_pk = off_curve_pk}, X509_REFUSE_ALGORITHM},
	{"an issuer of another name", {.issuer_cn = "nobody", .akid = MINT_NONE},
		X509_REFUSE_NOT_OUR_ROOT},
};

static void bad_leaves_are_refused_each_for_its_reason(void **state)
{
	for (size_t i = 0; i < sizeof(bad_leaves) / sizeof(bad_leaves[0]); i++) {
		struct x509_bytes leaf =
			mint_der(mint_leaf(&bad_leaves[i].leaf, leaf_key, issuing, issuing_key));

		expect(bad_leaves[i].what, verify(leaf), bad_leaves[i].want);
		free((void *)leaf.der);
	}
}

static void keys_and_signatures_other_than_ed25519_are_refused(void **state)
{
	struct mint small = {.akid = MINT_NONE};
	X509 *rsa_ca = mint_ca(&(struct mint){0}, rsa_key, root, root_key);
	X509 *ec_ca = mint_ca(&(struct mint){0}, ec_key, root, root_key);
	struct {
		const char *what;
		struct x509_bytes leaf;
		X509 *issuer;
	} cases[] = {
		{"RSA key", mint_der(mint_leaf(&small, rsa_key, issuing, issuing_key)), issuing},
		{"ECDSA key", mint_der(mint_leaf(&small, ec_key, issuing, issuing_key)), issuing},
		{"RSA signature", mint_der(mint_leaf(&small, leaf_key, rsa_ca, rsa_key)), rsa_ca},
		{"ECDSA signature", mint_der(mint_leaf(&small, leaf_key, ec_ca, ec_key)), ec_ca},
		{"good leaf, RSA issuer",
			mint_der(mint_leaf(&(struct mint){0}, leaf_key, issuing, issuing_key)),
			rsa_ca},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		expect(cases[i].what, verify_at(NOW, cases[i].leaf, &cases[i].issuer, 1, NULL),
			X509_REFUSE_ALGORITHM);
		free((void *)cases[i].leaf.der);
	}
	X509_free(rsa_ca);
	X509_free(ec_ca);
}

// A leaf under an issuing certificate of this shape, signed by this root.
static enum x509_refusal verify_under(const struct mint *ca, X509 *ca_root, EVP_PKEY *ca_root_key)
{
	X509 *issuer = mint_ca(ca, issuing_key, ca_root, ca_root_key);
	struct x509_bytes leaf =
		mint_der(mint_leaf(&(struct mint){0}, leaf_key, issuer, issuing_key));
	enum x509_refusal why = verify_at(NOW, leaf, &issuer, 1, NULL);

	free((void *)leaf.der);
	X509_free(issuer);
	return why;
}

static void bad_issuing_certificates_are_refused(void **state)
{
	static const struct {
		const char *what;
		struct mint ca;
		enum x509_refusal want;
	} cases[] = {
		{"not an authority", {.bc = "critical,CA:FALSE"}, X509_REFUSE_ISSUER_NOT_CA},
		{"no basic constraints", {.bc = MINT_NONE}, X509_REFUSE_ISSUER_NOT_CA},
		{"may not sign certificates", {.ku = "critical,digitalSignature"},
			X509_REFUSE_ISSUER_NOT_CA},
		{"no key usage", {.ku = MINT_NONE}, X509_REFUSE_ISSUER_NOT_CA},
		{"no name constraint", {.nc = MINT_NONE}, X509_REFUSE_UNCONSTRAINED},
		{"only addresses constrained", {.nc = "critical,permitted;IP:10.0.0.0/255.0.0.0"},
			X509_REFUSE_UNCONSTRAINED},
		{"only names excluded", {.nc = "critical,excluded;DNS:example.org"},
			X509_REFUSE_UNCONSTRAINED},
		{"every name permitted", {.empty_nc = true}, X509_REFUSE_UNCONSTRAINED},
		{"another network permitted", {.nc = "critical,permitted;DNS:example-corq"},
			X509_REFUSE_NAME_CONSTRAINT},
		{"the expected name excluded",
			{.nc = "critical,permitted;DNS:example-corp,excluded;DNS:" MINT_NAME},
			X509_REFUSE_NAME_CONSTRAINT},
		{"the last letters of the network permitted",
			{.nc = "critical,permitted;DNS:ample-corp"}, X509_REFUSE_NAME_CONSTRAINT},
		{"a host below the expected permitted",
			{.nc = "critical,permitted;DNS:a." MINT_NAME}, X509_REFUSE_NAME_CONSTRAINT},
		{"what is permitted is excluded",
			{.nc = "critical,permitted;DNS:example-corp,excluded;DNS:example-corp"},
			X509_REFUSE_NAME_CONSTRAINT},
		// The leaf's issuer is then its own subject, which is empty as well.
		{"no subject", {.subject = MINT_NONE}, X509_REFUSE_SELF_SIGNED},
		{"no key identifier of its issuer", {.akid = MINT_NONE}, X509_REFUSE_CHAIN},
		{"an authority that may be ignored", {.bc = "CA:TRUE"}, X509_REFUSE_CHAIN},
		{"an end in month 13", {.raw_not_after = "20281301000000Z"}, X509_REFUSE_ENCODING},
		{"an end in another time zone", {.raw_not_after = "20280101000000+0100"},
			X509_REFUSE_ENCODING},
		{"expired", {.not_after = -1}, X509_REFUSE_ISSUER_VALIDITY},
		{"not yet valid", {.not_before = 10}, X509_REFUSE_ISSUER_VALIDITY},
		{"an unknown critical extension", {.extra_oid = "1.2.3.4", .extra_critical = true},
			X509_REFUSE_EXTENSION},
		{"version 1", {.version = 1}, X509_REFUSE_VERSION},
		{"serial zero", {.serial_len = -1}, X509_REFUSE_SERIAL},
		{"a distribution point that is none", {.extra_oid = "2.5.29.31", .extra_len = 3},
			X509_REFUSE_ENCODING},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect(cases[i].what, verify_under(&cases[i].ca, root, root_key), cases[i].want);
	expect("the control", verify_under(&(struct mint){0}, root, root_key), X509_OK);
	expect("another root of the same name",
		verify_under(&(struct mint){0}, other_root, other_root_key),
		X509_REFUSE_NOT_OUR_ROOT);
	expect("our root's name, another key",
		verify_under(&(struct mint){0}, root, other_root_key), X509_REFUSE_SIGNATURE);
}

static void gateway_cannot_issue_for_another(void **state)
{
	EVP_PKEY *mallory_key = mint_key("ED25519");
	X509 *mallory = mint_leaf(&(struct mint){.san = "DNS:mallory.example-corp"}, mallory_key,
		issuing, issuing_key);
	struct x509_bytes forged = mint_der(
		mint_leaf(&(struct mint){.akid = MINT_NONE}, leaf_key, mallory, mallory_key));
	X509 *issuers[] = {mallory, issuing};

	expect("a leaf as issuer", verify_at(NOW, forged, issuers, 2, NULL),
		X509_REFUSE_ISSUER_NOT_CA);
	free((void *)forged.der);
	X509_free(mallory);
	EVP_PKEY_free(mallory_key);
}

static void chain_to_a_root_sent_along_is_refused(void **state)
{
	X509 *theirs = mint_ca(&(struct mint){0}, issuing_key, other_root, other_root_key);
	struct x509_bytes leaf =
		mint_der(mint_leaf(&(struct mint){0}, leaf_key, theirs, issuing_key));
	X509 *issuers[] = {theirs, other_root};

	expect("a stranger's root", verify_at(NOW, leaf, issuers, 2, NULL),
		X509_REFUSE_NOT_OUR_ROOT);
	free((void *)leaf.der);
	X509_free(theirs);
}

static void authorities_that_sign_each_other_are_refused(void **state)
{
	EVP_PKEY *key[] = {mint_key("ED25519"), mint_key("ED25519")};
	X509 *first = mint_ca(&(struct mint){.subject = "a"}, key[0], NULL, key[0]);
	X509 *second = mint_ca(&(struct mint){.subject = "b"}, key[1], first, key[0]);
	X509 *again = mint_ca(&(struct mint){.subject = "a"}, key[0], second, key[1]);
	struct x509_bytes leaf = mint_der(mint_leaf(&(struct mint){0}, leaf_key, second, key[1]));
	X509 *issuers[] = {second, again};

	expect("a ring", verify_at(NOW, leaf, issuers, 2, NULL), X509_REFUSE_NOT_OUR_ROOT);
	free((void *)leaf.der);
	X509_free(first);
	X509_free(second);
	X509_free(again);
	EVP_PKEY_free(key[0]);
	EVP_PKEY_free(key[1]);
}

static void path_length_is_honoured(void **state)
{
	EVP_PKEY *sub_key = mint_key("ED25519");
	X509 *sub = mint_ca(&(struct mint){.subject = "sub"}, sub_key, issuing, issuing_key);
	X509 *long_issuing = mint_ca(
		&(struct mint){.bc = "critical,CA:TRUE,pathlen:1"}, issuing_key, root, root_key);
	struct x509_bytes leaf = mint_der(mint_leaf(&(struct mint){0}, leaf_key, sub, sub_key));
	X509 *too_long[] = {sub, issuing}, *allowed[] = {long_issuing, sub};

	expect("below pathlen 0", verify_at(NOW, leaf, too_long, 2, NULL), X509_REFUSE_PATH_LENGTH);
	expect("below pathlen 1", verify_at(NOW, leaf, allowed, 2, NULL), X509_OK);
	free((void *)leaf.der);
	X509_free(sub);
	X509_free(long_issuing);
	EVP_PKEY_free(sub_key);
}

static void name_constraint_of_an_upper_authority_binds_the_lower(void **state)
{
	EVP_PKEY *sub_key = mint_key("ED25519");
	X509 *upper = mint_ca(&(struct mint){.nc = "critical,permitted;DNS:other-corp"},
		issuing_key, root, root_key);
	X509 *sub = mint_ca(&(struct mint){.subject = "sub"}, sub_key, upper, issuing_key);
	struct x509_bytes leaf = mint_der(mint_leaf(&(struct mint){0}, leaf_key, sub, sub_key));
	X509 *issuers[] = {upper, sub};

	expect("widened below", verify_at(NOW, leaf, issuers, 2, NULL),
		X509_REFUSE_NAME_CONSTRAINT);
	free((void *)leaf.der);
	X509_free(upper);
	X509_free(sub);
	EVP_PKEY_free(sub_key);
}

static void leaf_signed_by_the_root_itself_is_refused(void **state)
{
	struct x509_bytes leaf = mint_der(mint_leaf(&(struct mint){0}, leaf_key, root, root_key));

	expect("no issuing certificate used", verify(leaf), X509_REFUSE_UNCONSTRAINED);
	free((void *)leaf.der);
}

static void self_signed_leaf_is_refused(void **state)
{
	struct x509_bytes empty = mint_der(mint_leaf(&(struct mint){0}, leaf_key, NULL, leaf_key));
	struct x509_bytes named =
		mint_der(mint_leaf(&(struct mint){.subject = "me"}, leaf_key, NULL, leaf_key));

	expect("empty subject", verify(empty), X509_REFUSE_SELF_SIGNED);
	expect("with subject", verify(named), X509_REFUSE_SELF_SIGNED);
	free((void *)empty.der);
	free((void *)named.der);
}

static void number_of_issuers_is_bounded(void **state)
{
	struct x509_bytes leaf =
		mint_der(mint_leaf(&(struct mint){0}, leaf_key, issuing, issuing_key));

	expect("none", verify_at(NOW, leaf, NULL, 0, NULL), X509_REFUSE_CHAIN_LENGTH);
	expect("three", verify_at(NOW, leaf, (X509 *[]){issuing, issuing}, 3, NULL),
		X509_REFUSE_CHAIN_LENGTH);
	free((void *)leaf.der);
}

static void issuer_that_is_no_certificate_is_refused(void **state)
{
	struct x509_bytes leaf =
		mint_der(mint_leaf(&(struct mint){0}, leaf_key, issuing, issuing_key));
	struct x509_bytes issuer = der_of(issuing);
	struct x509_chain chain = {.leaf = leaf, .n_issuers = 1, .issuers = {issuer}};
	struct x509_facts facts;

	for (size_t len = 0; len < issuer.len; len++) {
		chain.issuers[0].len = len;
		expect("a truncated issuer",
			x509_verify(trust, &chain, MINT_NAME, X509_ROLE_GATEWAY, NOW, &facts),
			len == 0 ? X509_REFUSE_LENGTH : X509_REFUSE_ENCODING);
	}
	free((void *)leaf.der);
	free((void *)issuer.der);
}

static void leaf_over_the_limit_is_refused(void **state)
{
	struct mint m = {.extra_oid = "1.2.3.4", .extra_len = 100};
	struct x509_bytes leaf = mint_der(mint_leaf(&m, leaf_key, issuing, issuing_key));
	size_t without = leaf.len - m.extra_len;

	free((void *)leaf.der);
	// The lengths of lengths differ, so come down to the limit.
	m.extra_len = X509_LEAF_BYTES_MAX - without - 2;
	leaf = mint_der(mint_leaf(&m, leaf_key, issuing, issuing_key));
	while (leaf.len > X509_LEAF_BYTES_MAX) {
		free((void *)leaf.der);
		m.extra_len--;
		leaf = mint_der(mint_leaf(&m, leaf_key, issuing, issuing_key));
	}
	assert_int_equal(leaf.len, X509_LEAF_BYTES_MAX);
	expect("of the greatest size", verify(leaf), X509_OK);
	free((void *)leaf.der);
	m.extra_len++;
	leaf = mint_der(mint_leaf(&m, leaf_key, issuing, issuing_key));
	assert_int_equal(leaf.len, X509_LEAF_BYTES_MAX + 1);
	expect("oversize", verify(leaf), X509_REFUSE_LENGTH);
	expect("empty", verify((struct x509_bytes){leaf.der, 0}), X509_REFUSE_LENGTH);
	expect("nothing", verify((struct x509_bytes){NULL, 0}), X509_REFUSE_LENGTH);
	free((void *)leaf.der);
}

static void every_truncation_of_a_leaf_is_refused(void **state)
{
	struct x509_bytes leaf =
		mint_der(mint_leaf(&(struct mint){0}, leaf_key, issuing, issuing_key));

	for (size_t len = 1; len < leaf.len; len++) {
		uint8_t *cut = malloc(len); // exact size, so that a sanitizer sees a read past it

		memcpy(cut, leaf.der, len);
		expect("cut", verify((struct x509_bytes){cut, len}), X509_REFUSE_ENCODING);
		free(cut);
	}
	free((void *)leaf.der);
}

static void trailing_bytes_are_refused(void **state)
{
	struct x509_bytes leaf =
		mint_der(mint_leaf(&(struct mint){0}, leaf_key, issuing, issuing_key));
	uint8_t *more = calloc(1, leaf.len + 2);

	memcpy(more, leaf.der, leaf.len);
	expect("one", verify((struct x509_bytes){more, leaf.len + 1}), X509_REFUSE_ENCODING);
	expect("two", verify((struct x509_bytes){more, leaf.len + 2}), X509_REFUSE_ENCODING);
	expect("none", verify((struct x509_bytes){more, leaf.len}), X509_OK);
	free(more);
	free((void *)leaf.der);
}

static void every_flipped_bit_of_a_leaf_is_refused(void **state)
{
	struct x509_bytes leaf =
		mint_der(mint_leaf(&(struct mint){0}, leaf_key, issuing, issuing_key));
	uint8_t *bytes = (uint8_t *)leaf.der;

	for (size_t bit = 0; bit < leaf.len * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (verify(leaf) == X509_OK)
			fail_msg("bit %zu of byte %zu", bit % 8, bit / 8);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	expect("none", verify(leaf), X509_OK);
	free(bytes);
}

static void second_encoding_of_the_same_certificate_is_refused(void **state)
{
	struct x509_bytes leaf =
		mint_der(mint_leaf(&(struct mint){0}, leaf_key, issuing, issuing_key));
	uint8_t *other = malloc(leaf.len + 8);

	assert_memory_equal(leaf.der, "\x30\x82", 2);
	// The length in one byte more than it needs.
	memcpy(other, "\x30\x83\x00", 3);
	memcpy(other + 3, leaf.der + 2, leaf.len - 2);
	expect("long length", verify((struct x509_bytes){other, leaf.len + 1}),
		X509_REFUSE_ENCODING);
	// No length, but an end mark.
	memcpy(other, "\x30\x80", 2);
	memcpy(other + 2, leaf.der + 4, leaf.len - 4);
	memset(other + leaf.len - 2, 0, 2);
	expect("indefinite length", verify((struct x509_bytes){other, leaf.len}),
		X509_REFUSE_ENCODING);
	free(other);
	free((void *)leaf.der);
}

static void validity_holds_up_to_its_last_second(void **state)
{
	struct x509_bytes leaf =
		mint_der(mint_leaf(&(struct mint){.not_before = 100, .not_after = 200}, leaf_key,
			issuing, issuing_key));

	expect("a second early", verify_at(NOW + 99, leaf, &issuing, 1, NULL),
		X509_REFUSE_NOT_YET_VALID);
	expect("first second", verify_at(NOW + 100, leaf, &issuing, 1, NULL), X509_OK);
	expect("last second", verify_at(NOW + 199, leaf, &issuing, 1, NULL), X509_OK);
	expect("after the end", verify_at(NOW + 201, leaf, &issuing, 1, NULL), X509_REFUSE_EXPIRED);
	expect("end of time", verify_at(UINT64_MAX, leaf, &issuing, 1, NULL), X509_REFUSE_EXPIRED);
	expect("beginning of time", verify_at(0, leaf, &issuing, 1, NULL),
		X509_REFUSE_NOT_YET_VALID);
	free((void *)leaf.der);
}

static void role_asked_for_decides(void **state)
{
	struct x509_bytes hub = mint_der(
		mint_leaf(&(struct mint){.eku = X509_EKU_HUB}, leaf_key, issuing, issuing_key));
	struct x509_chain chain = {.leaf = hub, .issuers = {der_of(issuing)}, .n_issuers = 1};
	struct x509_facts facts;

	expect("hub as gateway",
		x509_verify(trust, &chain, MINT_NAME, X509_ROLE_GATEWAY, NOW, &facts),
		X509_REFUSE_EKU);
	expect("hub as hub", x509_verify(trust, &chain, MINT_NAME, X509_ROLE_HUB, NOW, &facts),
		X509_OK);
	assert_int_equal(facts.role, X509_ROLE_HUB);
	free((void *)chain.issuers[0].der);
	free((void *)hub.der);
}

static void roots_that_cannot_be_pinned_are_refused(void **state)
{
	struct {
		const char *what;
		X509 *cert;
		enum x509_refusal want;
	} cases[] = {
		{"issuing certificate", issuing, X509_REFUSE_NOT_OUR_ROOT},
		{"not an authority",
			mint_ca(&(struct mint){.bc = MINT_NONE}, root_key, NULL, root_key),
			X509_REFUSE_ISSUER_NOT_CA},
		{"RSA", mint_ca(&(struct mint){0}, rsa_key, NULL, rsa_key), X509_REFUSE_ALGORITHM},
		{"signed by another key",
			mint_ca(&(struct mint){0}, root_key, NULL, other_root_key),
			X509_REFUSE_SIGNATURE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct x509_bytes der = der_of(cases[i].cert);
		struct x509_trust *t = NULL;

		expect(cases[i].what, x509_trust_create(der.der, der.len, &t), cases[i].want);
		assert_null(t);
		free((void *)der.der);
		if (cases[i].cert != issuing)
			X509_free(cases[i].cert);
	}
}

static void expired_root_ends_the_chain(void **state)
{
	X509 *short_root = mint_ca(&(struct mint){.not_after = DAY}, root_key, NULL, root_key);
	struct x509_bytes der = der_of(short_root), leaf;
	struct x509_trust *t, *kept = trust;

	assert_int_equal(x509_trust_create(der.der, der.len, &t), X509_OK);
	leaf = mint_der(mint_leaf(&(struct mint){0}, leaf_key, issuing, issuing_key));
	trust = t;
	expect("alive", verify_at(NOW, leaf, &issuing, 1, NULL), X509_OK);
	expect("expired", verify_at(NOW + 2 * (uint64_t)DAY, leaf, &issuing, 1, NULL),
		X509_REFUSE_ISSUER_VALIDITY);
	trust = kept;
	x509_trust_destroy(t);
	free((void *)der.der);
	free((void *)leaf.der);
	X509_free(short_root);
}

static void issuer_alone_is_checked_like_one_in_a_chain(void **state)
{
	X509 *bad[] = {
		mint_ca(&(struct mint){.nc = MINT_NONE}, issuing_key, root, root_key),
		mint_ca(&(struct mint){.not_after = -1}, issuing_key, root, root_key),
		mint_ca(&(struct mint){0}, issuing_key, other_root, other_root_key),
		mint_leaf(&(struct mint){0}, issuing_key, root, root_key),
	};
	static const enum x509_refusal want[] = {X509_REFUSE_UNCONSTRAINED, X509_REFUSE_EXPIRED,
		X509_REFUSE_NOT_OUR_ROOT, X509_REFUSE_ISSUER_NOT_CA};
	uint8_t pk[32] = {0}, spki[32], raw[32];
	size_t len = sizeof(raw);
	struct x509_bytes der;

	for (size_t i = 0; i < 4; i++) {
		der = mint_der(bad[i]);
		expect("issuer", x509_verify_issuer(trust, der, NOW, pk, spki), want[i]);
		assert_true(sodium_is_zero(pk, sizeof(pk)));
		free((void *)der.der);
	}
	der = der_of(issuing);
	expect("good", x509_verify_issuer(trust, der, NOW, pk, spki), X509_OK);
	EVP_PKEY_get_raw_public_key(issuing_key, raw, &len);
	assert_memory_equal(pk, raw, sizeof(pk));
	free((void *)der.der);
}

static void names_are_checked_at_every_boundary(void **state)
{
	static const char *const good[] = {"a", "a.b", "a-b.c", "0a", "1.a", "site-a.example-corp",
		"xn--bcher-kva.example", "a1.b2"};
	static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "-a", "a-", "a.-b", "a-.b",
		"A", "a_b", "a b", "*", "1", "1.2.3.4", "a.1", "a/b", "a\nb", "a,b", "a:b"};
	char name[256];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!x509_name_ok(good[i], strlen(good[i])))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (x509_name_ok(bad[i], strlen(bad[i])))
			fail_msg("accepted: %s", bad[i]);
	memset(name, 'a', sizeof(name));
	assert_true(x509_name_ok(name, 63));
	assert_false(x509_name_ok(name, 64));
	for (size_t i = 63; i < sizeof(name); i += 64)
		name[i] = '.';
	assert_true(x509_name_ok(name, 253));
	assert_false(x509_name_ok(name, 254));
}

static void good_leaf_is_accepted_with_its_facts(void **state)
{
	struct x509_bytes leaf = mint_der(
		mint_leaf(&(struct mint){.not_before = -50, .not_after = 500, .serial_len = 20},
			leaf_key, issuing, issuing_key));
	struct x509_facts facts, seen;
	uint8_t pk[32], hash[32], serial[20];
	size_t len = sizeof(pk);

	expect("good", verify_at(NOW, leaf, &issuing, 1, &facts), X509_OK);
	assert_string_equal(facts.name, MINT_NAME);
	EVP_PKEY_get_raw_public_key(leaf_key, pk, &len);
	assert_memory_equal(facts.pk, pk, sizeof(pk));
	crypto_generichash(hash, sizeof(hash), leaf.der, leaf.len, NULL, 0);
	assert_memory_equal(facts.der_hash, hash, sizeof(hash));
	x509_spki_hash(pk, hash);
	assert_memory_equal(facts.spki_hash, hash, sizeof(hash));
	memset(serial, 0x7f, sizeof(serial));
	assert_int_equal(facts.serial_len, sizeof(serial));
	assert_memory_equal(facts.serial, serial, sizeof(serial));
	assert_int_equal(facts.not_before, NOW - 50);
	assert_int_equal(facts.not_after, NOW + 500);
	assert_int_equal(facts.chain_not_after, NOW + 500);
	expect("inspected", x509_inspect(leaf.der, leaf.len, &seen), X509_OK);
	assert_string_equal(seen.name, MINT_NAME);
	assert_memory_equal(seen.spki_hash, facts.spki_hash, sizeof(hash));
	free((void *)leaf.der);
}

static void chain_ends_with_its_first_certificate_to_expire(void **state)
{
	X509 *brief = mint_ca(&(struct mint){.not_after = 300}, issuing_key, root, root_key);
	struct x509_bytes leaf =
		mint_der(mint_leaf(&(struct mint){0}, leaf_key, brief, issuing_key));
	struct x509_facts facts;

	expect("good", verify_at(NOW, leaf, &brief, 1, &facts), X509_OK);
	assert_int_equal(facts.chain_not_after, NOW + 300);
	free((void *)leaf.der);
	X509_free(brief);
}

// The same key certified twice: the chain goes by the certificate that still holds.
static void expired_issuer_beside_its_successor_does_no_harm(void **state)
{
	X509 *expired = mint_ca(&(struct mint){.not_after = -1}, issuing_key, root, root_key);
	struct x509_bytes leaf =
		mint_der(mint_leaf(&(struct mint){0}, leaf_key, issuing, issuing_key));

	expect("before", verify_at(NOW, leaf, (X509 *[]){expired, issuing}, 2, NULL), X509_OK);
	expect("behind", verify_at(NOW, leaf, (X509 *[]){issuing, expired}, 2, NULL), X509_OK);
	expect("alone", verify_at(NOW, leaf, &expired, 1, NULL), X509_REFUSE_ISSUER_VALIDITY);
	free((void *)leaf.der);
	X509_free(expired);
}

static void spare_issuer_does_no_harm(void **state)
{
	EVP_PKEY *next_key = mint_key("ED25519");
	X509 *next = mint_ca(&(struct mint){0}, next_key, root, root_key);
	struct x509_bytes leaf =
		mint_der(mint_leaf(&(struct mint){0}, leaf_key, issuing, issuing_key));

	expect("before", verify_at(NOW, leaf, (X509 *[]){next, issuing}, 2, NULL), X509_OK);
	expect("behind", verify_at(NOW, leaf, (X509 *[]){issuing, next}, 2, NULL), X509_OK);
	expect("alone", verify_at(NOW, leaf, &next, 1, NULL), X509_REFUSE_NOT_OUR_ROOT);
	free((void *)leaf.der);
	X509_free(next);
	EVP_PKEY_free(next_key);
}

static void every_refusal_has_its_own_sentence(void **state)
{
	for (int i = 0; i < X509_N_REFUSALS; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(x509_strerror((enum x509_refusal)i),
				x509_strerror((enum x509_refusal)j));
	assert_non_null(x509_strerror(X509_N_REFUSALS));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_leaves_are_refused_each_for_its_reason),
		cmocka_unit_test(keys_and_signatures_other_than_ed25519_are_refused),
		cmocka_unit_test(bad_issuing_certificates_are_refused),
		cmocka_unit_test(gateway_cannot_issue_for_another),
		cmocka_unit_test(chain_to_a_root_sent_along_is_refused),
		cmocka_unit_test(authorities_that_sign_each_other_are_refused),
		cmocka_unit_test(path_length_is_honoured),
		cmocka_unit_test(name_constraint_of_an_upper_authority_binds_the_lower),
		cmocka_unit_test(leaf_signed_by_the_root_itself_is_refused),
		cmocka_unit_test(self_signed_leaf_is_refused),
		cmocka_unit_test(number_of_issuers_is_bounded),
		cmocka_unit_test(issuer_that_is_no_certificate_is_refused),
		cmocka_unit_test(leaf_over_the_limit_is_refused),
		cmocka_unit_test(every_truncation_of_a_leaf_is_refused),
		cmocka_unit_test(trailing_bytes_are_refused),
		cmocka_unit_test(every_flipped_bit_of_a_leaf_is_refused),
		cmocka_unit_test(second_encoding_of_the_same_certificate_is_refused),
		cmocka_unit_test(validity_holds_up_to_its_last_second),
		cmocka_unit_test(role_asked_for_decides),
		cmocka_unit_test(roots_that_cannot_be_pinned_are_refused),
		cmocka_unit_test(expired_root_ends_the_chain),
		cmocka_unit_test(issuer_alone_is_checked_like_one_in_a_chain),
		cmocka_unit_test(names_are_checked_at_every_boundary),
		cmocka_unit_test(good_leaf_is_accepted_with_its_facts),
		cmocka_unit_test(chain_ends_with_its_first_certificate_to_expire),
		cmocka_unit_test(expired_issuer_beside_its_successor_does_no_harm),
		cmocka_unit_test(spare_issuer_does_no_harm),
		cmocka_unit_test(every_refusal_has_its_own_sentence),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, make_world, free_world);
}
