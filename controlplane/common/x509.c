// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/x509.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wire/name.h"

// X509_ARC in DER; one more byte says the role.
static const uint8_t eku_arc[] = {0x69, 0x82, 0xa8, 0x80, 0xa9, 0xe0, 0xaa, 0xaa, 0xa2, 0x8a, 0xc1,
	0xb4, 0xa4, 0xe6, 0xe6, 0xc8, 0xfb, 0xd0, 0xf6, 0x32};

// The one DER form of an Ed25519 SubjectPublicKeyInfo (RFC 8410 §4): this, then the key.
static const uint8_t spki_prefix[] = {
	0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

struct x509_trust {
	X509 *root;
	X509_STORE *store;
	uint8_t root_pk[X509_PUBLIC_BYTES];
	uint8_t root_hash[X509_HASH_BYTES];
};

bool x509_name_ok(const char *name, size_t len)
{
	return name_valid(name, len);
}

void x509_spki_hash(const uint8_t pk[X509_PUBLIC_BYTES], uint8_t ret_hash[X509_HASH_BYTES])
{
	uint8_t spki[sizeof(spki_prefix) + X509_PUBLIC_BYTES];

	memcpy(spki, spki_prefix, sizeof(spki_prefix));
	memcpy(spki + sizeof(spki_prefix), pk, X509_PUBLIC_BYTES);
	crypto_generichash(ret_hash, X509_HASH_BYTES, spki, sizeof(spki), NULL, 0);
}

// Parse one certificate. d2i is lenient in places and keeps parts of its input, so the fields are
// encoded anew and must give the same bytes: one certificate has one encoding.
static enum x509_refusal parse_der(struct x509_bytes in, size_t max, X509 **ret_cert)
{
	const unsigned char *p = in.der;
	unsigned char *again = NULL;
	X509 *cert;
	int n;

	if (in.der == NULL || in.len == 0 || in.len > max)
		return X509_REFUSE_LENGTH;
	cert = d2i_X509(NULL, &p, (long)in.len);
	if (cert == NULL)
		return X509_REFUSE_ENCODING;
	if (p != in.der + in.len)
		goto refuse;
	n = i2d_re_X509_tbs(cert, &again); // marks the cached encoding as stale
	if (n < 0)
		goto refuse;
	OPENSSL_free(again);
	again = NULL;
	n = i2d_X509(cert, &again);
	if (n < 0 || (size_t)n != in.len || memcmp(again, in.der, in.len) != 0)
		goto refuse;
	OPENSSL_free(again);
	*ret_cert = cert;
	return X509_OK;

refuse:
	OPENSSL_free(again);
	X509_free(cert);
	return X509_REFUSE_ENCODING;
}

static enum x509_refusal check_serial(const X509 *cert, uint8_t *ret_serial, uint8_t *ret_len)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	const uint8_t *bytes = ASN1_STRING_get0_data(serial);
	int len = ASN1_STRING_length(serial);

	if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER || len < 1 ||
		len > (int)X509_SERIAL_BYTES_MAX || bytes[0] == 0)
		return X509_REFUSE_SERIAL;
	// Its encoding has a leading zero byte then, and may have 20 in all (RFC 5280 §4.1.2.2).
	if (len == (int)X509_SERIAL_BYTES_MAX && (bytes[0] & 0x80) != 0)
		return X509_REFUSE_SERIAL;
	memcpy(ret_serial, bytes, (size_t)len);
	*ret_len = (uint8_t)len;
	return X509_OK;
}

static bool is_plain_ed25519(const X509_ALGOR *alg)
{
	const ASN1_OBJECT *oid;
	int param_type;

	X509_ALGOR_get0(&oid, &param_type, NULL, alg);
	return OBJ_obj2nid(oid) == NID_ED25519 && param_type == V_ASN1_UNDEF;
}

// Key and signature are Ed25519 in their one encoding, and the key is a point of the prime-order
// group.
static enum x509_refusal check_algorithms(X509 *cert, uint8_t ret_pk[X509_PUBLIC_BYTES])
{
	const X509_ALGOR *outer;
	unsigned char spki[sizeof(spki_prefix) + X509_PUBLIC_BYTES];
	unsigned char *p = spki;

	X509_get0_signature(NULL, &outer, cert);
	if (!is_plain_ed25519(outer) || !is_plain_ed25519(X509_get0_tbs_sigalg(cert)))
		return X509_REFUSE_ALGORITHM;
	if (i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), NULL) != (int)sizeof(spki))
		return X509_REFUSE_ALGORITHM;
	i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &p);
	if (memcmp(spki, spki_prefix, sizeof(spki_prefix)) != 0)
		return X509_REFUSE_ALGORITHM;
	if (!crypto_core_ed25519_is_valid_point(spki + sizeof(spki_prefix)))
		return X509_REFUSE_ALGORITHM;
	memcpy(ret_pk, spki + sizeof(spki_prefix), X509_PUBLIC_BYTES);
	return X509_OK;
}

// No extension twice, and none critical that nobody here understands.
static enum x509_refusal check_extensions(X509 *cert)
{
	int n = X509_get_ext_count(cert);

	for (int i = 0; i < n; i++) {
		const X509_EXTENSION *ext = X509_get_ext(cert, i);
		const ASN1_OBJECT *oid = X509_EXTENSION_get_object((X509_EXTENSION *)ext);

		if (X509_get_ext_by_OBJ(cert, oid, i) >= 0)
			return X509_REFUSE_EXTENSION;
	}
	if (X509_get_extension_flags(cert) & EXFLAG_CRITICAL)
		return X509_REFUSE_EXTENSION;
	return X509_OK;
}

static enum x509_refusal check_san(X509 *cert, char ret_name[X509_NAME_BYTES_MAX + 1])
{
	enum x509_refusal why = X509_OK;
	const GENERAL_NAME *name;
	const char *text;
	int critical, len;
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, &critical, NULL);

	if (names == NULL)
		return critical == -1 ? X509_REFUSE_NO_SAN : X509_REFUSE_ENCODING;
	if (sk_GENERAL_NAME_num(names) != 1) {
		why = X509_REFUSE_SAN_COUNT;
		goto free_names;
	}
	name = sk_GENERAL_NAME_value(names, 0);
	if (name->type != GEN_DNS) {
		why = X509_REFUSE_SAN_TYPE;
		goto free_names;
	}
	text = (const char *)ASN1_STRING_get0_data(name->d.dNSName);
	len = ASN1_STRING_length(name->d.dNSName);
	if (len < 0 || !x509_name_ok(text, (size_t)len)) { // a NUL is no character of a name
		why = X509_REFUSE_SAN_SYNTAX;
		goto free_names;
	}
	memcpy(ret_name, text, (size_t)len);
	ret_name[len] = '\0';
free_names:
	GENERAL_NAMES_free(names);
	return why;
}

static enum x509_refusal check_eku(X509 *cert, enum x509_role *ret_role)
{
	int critical;
	EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(cert, NID_ext_key_usage, &critical, NULL);
	enum x509_refusal why = X509_REFUSE_EKU;
	const ASN1_OBJECT *oid;
	const uint8_t *bytes;

	if (eku == NULL)
		return critical == -1 ? X509_REFUSE_NO_EKU : X509_REFUSE_ENCODING;
	if (sk_ASN1_OBJECT_num(eku) != 1)
		goto free_eku;
	oid = sk_ASN1_OBJECT_value(eku, 0);
	bytes = OBJ_get0_data(oid);
	if (OBJ_length(oid) != sizeof(eku_arc) + 1 || memcmp(bytes, eku_arc, sizeof(eku_arc)) != 0)
		goto free_eku;
	switch (bytes[sizeof(eku_arc)]) {
	case X509_ROLE_GATEWAY:
	case X509_ROLE_HUB:
		*ret_role = (enum x509_role)bytes[sizeof(eku_arc)];
		why = X509_OK;
	}
free_eku:
	sk_ASN1_OBJECT_pop_free(eku, ASN1_OBJECT_free);
	return why;
}

// A leaf signs handshakes and nothing else.
static enum x509_refusal check_usage(X509 *cert)
{
	uint32_t flags = X509_get_extension_flags(cert);

	if (flags & EXFLAG_INVALID)
		return X509_REFUSE_ENCODING;
	// Only an authority may constrain names (RFC 5280 §4.2.1.10).
	if (((flags & EXFLAG_BCONS) && (flags & EXFLAG_CA)) ||
		X509_get_ext_by_NID(cert, NID_name_constraints, -1) >= 0)
		return X509_REFUSE_LEAF_IS_CA;
	if (!(flags & EXFLAG_KUSAGE) || X509_get_key_usage(cert) != KU_DIGITAL_SIGNATURE)
		return X509_REFUSE_KEY_USAGE;
	return X509_OK;
}

static bool unix_time(const ASN1_TIME *time, uint64_t *ret_s)
{
	struct tm tm;
	time_t t;

	if (!ASN1_TIME_to_tm(time, &tm))
		return false;
	t = timegm(&tm);
	*ret_s = t < 0 ? 0 : (uint64_t)t;
	return true;
}

// All checks of a leaf that need no issuer; fills what the leaf says of itself.
static enum x509_refusal check_leaf(X509 *cert, struct x509_facts *facts)
{
	enum x509_refusal why;

	if (X509_get_version(cert) != X509_VERSION_3)
		return X509_REFUSE_VERSION;
	why = check_serial(cert, facts->serial, &facts->serial_len);
	if (why == X509_OK)
		why = check_algorithms(cert, facts->pk);
	if (why == X509_OK)
		why = check_extensions(cert);
	if (why == X509_OK)
		why = check_san(cert, facts->name);
	if (why == X509_OK)
		why = check_eku(cert, &facts->role);
	if (why == X509_OK)
		why = check_usage(cert);
	if (why != X509_OK)
		return why;
	if (!unix_time(X509_get0_notBefore(cert), &facts->not_before) ||
		!unix_time(X509_get0_notAfter(cert), &facts->not_after))
		return X509_REFUSE_ENCODING;
	x509_spki_hash(facts->pk, facts->spki_hash);
	return X509_OK;
}

// All checks of an issuing certificate (or the root) that need no other.
static enum x509_refusal check_ca(X509 *cert, uint8_t ret_pk[X509_PUBLIC_BYTES])
{
	const uint32_t must = EXFLAG_BCONS | EXFLAG_CA | EXFLAG_KUSAGE;
	uint8_t serial[X509_SERIAL_BYTES_MAX], serial_len;
	enum x509_refusal why;

	if (X509_get_version(cert) != X509_VERSION_3)
		return X509_REFUSE_VERSION;
	why = check_serial(cert, serial, &serial_len);
	if (why == X509_OK)
		why = check_algorithms(cert, ret_pk);
	if (why == X509_OK)
		why = check_extensions(cert);
	if (why != X509_OK)
		return why;
	if (X509_get_extension_flags(cert) & EXFLAG_INVALID)
		return X509_REFUSE_ENCODING;
	if ((X509_get_extension_flags(cert) & must) != must ||
		!(X509_get_key_usage(cert) & KU_KEY_CERT_SIGN))
		return X509_REFUSE_ISSUER_NOT_CA;
	return X509_OK;
}

// Does it limit the names below it to at least one DNS subtree?
static bool is_constrained(X509 *cert)
{
	NAME_CONSTRAINTS *nc = X509_get_ext_d2i(cert, NID_name_constraints, NULL, NULL);
	bool found = false;

	if (nc == NULL)
		return false;
	for (int i = 0; i < sk_GENERAL_SUBTREE_num(nc->permittedSubtrees); i++) {
		const GENERAL_NAME *base = sk_GENERAL_SUBTREE_value(nc->permittedSubtrees, i)->base;

		// An empty base permits every name, so it counts as none.
		if (base->type != GEN_DNS)
			continue;
		found = ASN1_STRING_length(base->d.dNSName) > 0;
		if (!found)
			break;
	}
	NAME_CONSTRAINTS_free(nc);
	return found;
}

static enum x509_refusal refusal_of(int err, int depth)
{
	switch (err) {
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return depth == 0 ? X509_REFUSE_NOT_YET_VALID : X509_REFUSE_ISSUER_VALIDITY;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return depth == 0 ? X509_REFUSE_EXPIRED : X509_REFUSE_ISSUER_VALIDITY;
	case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
	case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD:
		return X509_REFUSE_ENCODING;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		return X509_REFUSE_SELF_SIGNED;
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return X509_REFUSE_NOT_OUR_ROOT;
	case X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		return X509_REFUSE_SIGNATURE;
	case X509_V_ERR_PATH_LENGTH_EXCEEDED:
	case X509_V_ERR_CERT_CHAIN_TOO_LONG:
		return X509_REFUSE_PATH_LENGTH;
	case X509_V_ERR_PERMITTED_VIOLATION:
	case X509_V_ERR_EXCLUDED_VIOLATION:
	case X509_V_ERR_SUBTREE_MINMAX:
	case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
	case X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX:
	case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
		return X509_REFUSE_NAME_CONSTRAINT;
	case X509_V_ERR_OUT_OF_MEM:
		return X509_REFUSE_RESOURCES;
	default:
		return X509_REFUSE_CHAIN;
	}
}

// The direct issuer of the verified leaf must be constrained, and is not the root.
static enum x509_refusal check_direct_issuer(STACK_OF(X509) * path, struct x509_facts *facts)
{
	uint8_t pk[X509_PUBLIC_BYTES];

	if (sk_X509_num(path) < 3 || !is_constrained(sk_X509_value(path, 1)))
		return X509_REFUSE_UNCONSTRAINED;
	if (check_algorithms(sk_X509_value(path, 1), pk) != X509_OK)
		return X509_REFUSE_ALGORITHM;
	x509_spki_hash(pk, facts->issuer_spki_hash);
	facts->chain_not_after = facts->not_after;
	for (int i = 1; i < sk_X509_num(path); i++) {
		uint64_t not_after;

		if (!unix_time(X509_get0_notAfter(sk_X509_value(path, i)), &not_after))
			return X509_REFUSE_ENCODING;
		if (not_after < facts->chain_not_after)
			facts->chain_not_after = not_after;
	}
	return X509_OK;
}

// RFC 5280 path validation of cert by libcrypto, at now_s, to our root alone. facts NULL: cert is
// an issuing certificate.
static enum x509_refusal validate_path(const struct x509_trust *trust, X509 *cert,
	STACK_OF(X509) * issuers, uint64_t now_s, struct x509_facts *facts)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	enum x509_refusal why = X509_REFUSE_RESOURCES;
	X509_VERIFY_PARAM *param;

	if (ctx == NULL || !X509_STORE_CTX_init(ctx, trust->store, cert, issuers))
		goto free_ctx;
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(param, (time_t)now_s);
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
	X509_VERIFY_PARAM_set_depth(param, X509_ISSUERS_MAX);
	if (X509_verify_cert(ctx) != 1)
		why = refusal_of(
			X509_STORE_CTX_get_error(ctx), X509_STORE_CTX_get_error_depth(ctx));
	else if (facts != NULL)
		why = check_direct_issuer(X509_STORE_CTX_get0_chain(ctx), facts);
	else
		why = X509_OK;
free_ctx:
	X509_STORE_CTX_free(ctx);
	return why;
}

static enum x509_refusal parse_issuers(const struct x509_chain *chain, STACK_OF(X509) * issuers)
{
	for (unsigned i = 0; i < chain->n_issuers; i++) {
		uint8_t pk[X509_PUBLIC_BYTES];
		X509 *cert;
		enum x509_refusal why = parse_der(chain->issuers[i], X509_CA_BYTES_MAX, &cert);

		if (why != X509_OK)
			return why;
		why = check_ca(cert, pk);
		if (why == X509_OK && sk_X509_push(issuers, cert) <= 0)
			why = X509_REFUSE_RESOURCES;
		if (why != X509_OK) {
			X509_free(cert);
			return why;
		}
	}
	return X509_OK;
}

enum x509_refusal x509_verify(const struct x509_trust *trust, const struct x509_chain *chain,
	const char *name, enum x509_role role, uint64_t now_s, struct x509_facts *ret_facts)
{
	struct x509_facts facts = {0};
	STACK_OF(X509) *issuers = NULL;
	X509 *leaf = NULL;
	enum x509_refusal why;

	if (chain->n_issuers == 0 || chain->n_issuers > X509_ISSUERS_MAX)
		return X509_REFUSE_CHAIN_LENGTH;
	if (now_s > INT64_MAX)
		return X509_REFUSE_EXPIRED;
	why = parse_der(chain->leaf, X509_LEAF_BYTES_MAX, &leaf);
	if (why == X509_OK)
		why = check_leaf(leaf, &facts);
	if (why == X509_OK && strcmp(facts.name, name) != 0)
		why = X509_REFUSE_NAME;
	if (why == X509_OK && facts.role != role)
		why = X509_REFUSE_EKU;
	// libcrypto checks the times too, but from the root down: a wrong clock would blame the
	// root.
	if (why == X509_OK && now_s < facts.not_before)
		why = X509_REFUSE_NOT_YET_VALID;
	if (why == X509_OK && now_s >= facts.not_after)
		why = X509_REFUSE_EXPIRED;
	if (why != X509_OK)
		goto done;
	issuers = sk_X509_new_null();
	why = issuers == NULL ? X509_REFUSE_RESOURCES : parse_issuers(chain, issuers);
	if (why == X509_OK)
		why = validate_path(trust, leaf, issuers, now_s, &facts);
	if (why == X509_OK) {
		crypto_generichash(facts.der_hash, sizeof(facts.der_hash), chain->leaf.der,
			chain->leaf.len, NULL, 0);
		*ret_facts = facts;
	}
done:
	sk_X509_pop_free(issuers, X509_free);
	X509_free(leaf);
	ERR_clear_error();
	return why;
}

enum x509_refusal x509_verify_issuer(const struct x509_trust *trust, struct x509_bytes issuer,
	uint64_t now_s, uint8_t ret_pk[X509_PUBLIC_BYTES], uint8_t ret_spki_hash[X509_HASH_BYTES])
{
	uint8_t pk[X509_PUBLIC_BYTES];
	X509 *cert = NULL;
	enum x509_refusal why = parse_der(issuer, X509_CA_BYTES_MAX, &cert);

	if (why == X509_OK)
		why = check_ca(cert, pk);
	if (why == X509_OK && !is_constrained(cert))
		why = X509_REFUSE_UNCONSTRAINED;
	if (why == X509_OK)
		why = validate_path(trust, cert, NULL, now_s, NULL);
	if (why == X509_OK) {
		memcpy(ret_pk, pk, sizeof(pk));
		x509_spki_hash(pk, ret_spki_hash);
	}
	X509_free(cert);
	ERR_clear_error();
	return why;
}

enum x509_refusal x509_inspect(const uint8_t *der, size_t len, struct x509_facts *ret_facts)
{
	struct x509_facts facts = {0};
	X509 *leaf = NULL;
	enum x509_refusal why =
		parse_der((struct x509_bytes){der, len}, X509_LEAF_BYTES_MAX, &leaf);

	if (why == X509_OK)
		why = check_leaf(leaf, &facts);
	if (why == X509_OK) {
		crypto_generichash(facts.der_hash, sizeof(facts.der_hash), der, len, NULL, 0);
		*ret_facts = facts;
	}
	X509_free(leaf);
	ERR_clear_error();
	return why;
}

enum x509_refusal x509_trust_create(
	const uint8_t *root_der, size_t len, struct x509_trust **ret_trust)
{
	struct x509_trust *t;
	enum x509_refusal why;

	if (sodium_init() < 0)
		return X509_REFUSE_RESOURCES;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return X509_REFUSE_RESOURCES;
	why = parse_der((struct x509_bytes){root_der, len}, X509_CA_BYTES_MAX, &t->root);
	if (why == X509_OK)
		why = check_ca(t->root, t->root_pk);
	if (why != X509_OK)
		goto destroy;
	why = X509_REFUSE_NOT_OUR_ROOT;
	if (X509_NAME_cmp(X509_get_subject_name(t->root), X509_get_issuer_name(t->root)) != 0)
		goto destroy;
	why = X509_REFUSE_SIGNATURE;
	if (X509_verify(t->root, X509_get0_pubkey(t->root)) != 1)
		goto destroy;
	why = X509_REFUSE_RESOURCES;
	t->store = X509_STORE_new();
	if (t->store == NULL || !X509_STORE_add_cert(t->store, t->root))
		goto destroy;
	crypto_generichash(t->root_hash, sizeof(t->root_hash), root_der, len, NULL, 0);
	*ret_trust = t;
	return X509_OK;

destroy:
	x509_trust_destroy(t);
	ERR_clear_error();
	return why;
}

void x509_trust_destroy(struct x509_trust *trust)
{
	if (trust == NULL)
		return;
	X509_STORE_free(trust->store);
	X509_free(trust->root);
	free(trust);
}

const uint8_t *x509_trust_root_pk(const struct x509_trust *trust)
{
	return trust->root_pk;
}

const uint8_t *x509_trust_root_hash(const struct x509_trust *trust)
{
	return trust->root_hash;
}
