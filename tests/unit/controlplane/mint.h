// SPDX-License-Identifier: BSD-3-Clause
// Certificates of any shape, good or bad, for tests alone. Header only.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "controlplane/common/x509.h"

#define MINT_NOW     1800000000u
#define MINT_DAY     86400u
#define MINT_NETWORK "example-corp"
#define MINT_NAME    "site-a.example-corp"
#define MINT_NONE    "-" // leave this extension out

// NULL or 0 in a field means what a good leaf (or, in a CA, a good CA) has.
struct mint {
	const char *subject;   // CN; NULL: empty in a leaf; MINT_NONE: empty
	const char *issuer_cn; // NULL: the issuer's subject
	const char *san, *eku, *ku, *bc, *nc, *akid;
	const char *raw_san; // one dNSName of exactly raw_san_len bytes
	size_t raw_san_len;
	const char *extra_oid; // one more extension, of this many zero bytes
	size_t extra_len;
	bool extra_critical, double_ku;
	bool empty_nc;                 // in a CA: permit the DNS names below ""
	int64_t not_before, not_after; // relative to MINT_NOW, in seconds
	const char *raw_not_after;     // a GeneralizedTime of these characters
	int version;                   // 1, 2 or 3
	int serial_len;                // -1: zero, -2: negative, -3: 20 of 0xff, n: n of 0x7f
	const uint8_t *raw_pk;         // 32 bytes in place of the key's
};

static inline EVP_PKEY *mint_key(const char *type)
{
	if (strcmp(type, "RSA") == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	if (strcmp(type, "EC") == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	return EVP_PKEY_Q_keygen(NULL, NULL, type);
}

static inline void mint_must(bool ok)
{
	if (!ok)
		abort();
}

static inline void mint_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;

	if (strcmp(value, MINT_NONE) == 0)
		return;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer != NULL ? issuer : cert, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	mint_must(ext != NULL && X509_add_ext(cert, ext, -1));
	X509_EXTENSION_free(ext);
}

static inline void mint_raw_san(X509 *cert, const char *bytes, size_t len)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();

	ASN1_STRING_set(text, bytes, (int)len);
	GENERAL_NAME_set0_value(name, GEN_DNS, text);
	sk_GENERAL_NAME_push(names, name);
	mint_must(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 1, 0) == 1);
	GENERAL_NAMES_free(names);
}

static inline void mint_empty_nc(X509 *cert)
{
	NAME_CONSTRAINTS *nc = NAME_CONSTRAINTS_new();
	GENERAL_SUBTREE *all = GENERAL_SUBTREE_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();

	GENERAL_NAME_set0_value(all->base, GEN_DNS, text);
	nc->permittedSubtrees = sk_GENERAL_SUBTREE_new_null();
	sk_GENERAL_SUBTREE_push(nc->permittedSubtrees, all);
	mint_must(X509_add1_ext_i2d(cert, NID_name_constraints, nc, 1, 0) == 1);
	NAME_CONSTRAINTS_free(nc);
}

static inline void mint_extra(X509 *cert, const struct mint *m)
{
	static const unsigned char zeros[1024];
	ASN1_OBJECT *obj = OBJ_txt2obj(m->extra_oid, 1);
	ASN1_OCTET_STRING *data = ASN1_OCTET_STRING_new();
	X509_EXTENSION *ext;

	ASN1_OCTET_STRING_set(data, zeros, (int)m->extra_len);
	ext = X509_EXTENSION_create_by_OBJ(NULL, obj, m->extra_critical, data);
	mint_must(ext != NULL && X509_add_ext(cert, ext, -1));
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(data);
	ASN1_OBJECT_free(obj);
}

static inline void mint_serial(X509 *cert, int len)
{
	static uint64_t counter = 0x4000000000000001;
	ASN1_INTEGER *serial = X509_get_serialNumber(cert);
	uint8_t bytes[64];
	BIGNUM *bn;

	if (len == 0) {
		ASN1_INTEGER_set_uint64(serial, counter++);
		return;
	}
	if (len == -1 || len == -2) {
		ASN1_INTEGER_set_int64(serial, len == -1 ? 0 : -5);
		return;
	}
	memset(bytes, len > 0 ? 0x7f : 0xff, sizeof(bytes));
	bn = BN_bin2bn(bytes, len > 0 ? len : 20, NULL);
	BN_to_ASN1_INTEGER(bn, serial);
	BN_free(bn);
}

static inline void mint_names(X509 *cert, X509 *issuer, const struct mint *m, const char *cn)
{
	X509_NAME *name = X509_get_subject_name(cert);

	if (cn != NULL && strcmp(cn, MINT_NONE) != 0)
		mint_must(X509_NAME_add_entry_by_NID(
			name, NID_commonName, MBSTRING_UTF8, (unsigned char *)cn, -1, -1, 0));
	if (m->issuer_cn != NULL) {
		X509_NAME *other = X509_NAME_new();

		X509_NAME_add_entry_by_NID(other, NID_commonName, MBSTRING_UTF8,
			(unsigned char *)m->issuer_cn, -1, -1, 0);
		X509_set_issuer_name(cert, other);
		X509_NAME_free(other);
	} else {
		X509_set_issuer_name(cert, X509_get_subject_name(issuer != NULL ? issuer : cert));
	}
}

static inline X509 *mint_begin(const struct mint *m, EVP_PKEY *key, X509 *issuer, const char *cn)
{
	X509 *cert = X509_new();
	int64_t before = m->not_before != 0 ? m->not_before : -(int64_t)MINT_DAY;
	int64_t after = m->not_after != 0 ? m->not_after : 90 * (int64_t)MINT_DAY;

	mint_must(X509_set_version(cert, m->version != 0 ? m->version - 1 : X509_VERSION_3) == 1);
	mint_serial(cert, m->serial_len);
	if (m->raw_pk != NULL)
		key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, m->raw_pk, 32);
	mint_must(X509_set_pubkey(cert, key) == 1);
	if (m->raw_pk != NULL)
		EVP_PKEY_free(key);
	ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(MINT_NOW + before));
	ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(MINT_NOW + after));
	if (m->raw_not_after != NULL) {
		X509_getm_notAfter(cert)->type = V_ASN1_GENERALIZEDTIME;
		ASN1_STRING_set(X509_getm_notAfter(cert), m->raw_not_after, -1);
	}
	mint_names(cert, issuer, m, cn);
	return cert;
}

static inline const char *mint_or(const char *value, const char *standard)
{
	return value != NULL ? value : standard;
}

static inline X509 *mint_end(X509 *cert, EVP_PKEY *issuer_key)
{
	bool ed = EVP_PKEY_get_id(issuer_key) == EVP_PKEY_ED25519;

	mint_must(X509_sign(cert, issuer_key, ed ? NULL : EVP_sha256()) > 0);
	return cert;
}

static inline X509 *mint_leaf(
	const struct mint *m, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *cert = mint_begin(m, key, issuer, m->subject);

	if (m->raw_san != NULL)
		mint_raw_san(cert, m->raw_san, m->raw_san_len);
	else
		mint_ext(cert, issuer, NID_subject_alt_name,
			mint_or(m->san, "critical,DNS:" MINT_NAME));
	mint_ext(cert, issuer, NID_key_usage, mint_or(m->ku, "critical,digitalSignature"));
	if (m->double_ku)
		mint_ext(cert, issuer, NID_key_usage, "critical,digitalSignature");
	mint_ext(cert, issuer, NID_ext_key_usage, mint_or(m->eku, "critical," X509_EKU_GATEWAY));
	mint_ext(cert, issuer, NID_basic_constraints, mint_or(m->bc, MINT_NONE));
	mint_ext(cert, issuer, NID_name_constraints, mint_or(m->nc, MINT_NONE));
	mint_ext(cert, issuer, NID_authority_key_identifier,
		mint_or(m->akid, issuer != NULL ? "keyid:always" : MINT_NONE));
	if (m->extra_oid != NULL)
		mint_extra(cert, m);
	return mint_end(cert, issuer_key);
}

static inline X509 *mint_ca(const struct mint *m, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
	bool root = issuer == NULL;
	X509 *cert = mint_begin(m, key, issuer,
		mint_or(m->subject, root ? MINT_NETWORK " root" : MINT_NETWORK " issuing"));

	mint_ext(cert, issuer, NID_basic_constraints, mint_or(m->bc, "critical,CA:TRUE"));
	mint_ext(cert, issuer, NID_key_usage, mint_or(m->ku, "critical,keyCertSign"));
	mint_ext(cert, issuer, NID_subject_key_identifier, "hash");
	mint_ext(cert, issuer, NID_authority_key_identifier,
		mint_or(m->akid, root ? MINT_NONE : "keyid:always"));
	if (m->empty_nc)
		mint_empty_nc(cert);
	else
		mint_ext(cert, issuer, NID_name_constraints,
			mint_or(m->nc, root ? MINT_NONE : "critical,permitted;DNS:" MINT_NETWORK));
	if (m->extra_oid != NULL)
		mint_extra(cert, m);
	return mint_end(cert, issuer_key);
}

// The DER of a certificate; the certificate is freed. The bytes are the caller's, malloc()ed.
static inline struct x509_bytes mint_der(X509 *cert)
{
	unsigned char *der = NULL, *copy;
	int len = i2d_X509(cert, &der);

	mint_must(len > 0);
	copy = malloc((size_t)len);
	memcpy(copy, der, (size_t)len);
	OPENSSL_free(der);
	X509_free(cert);
	return (struct x509_bytes){copy, (size_t)len};
}
