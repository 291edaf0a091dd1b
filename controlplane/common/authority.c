// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/authority.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define YEAR_S         31557600u
#define DAY_S          86400u
#define SERIAL_BYTES   16u
#define CLOCK_IS_SET_S 1700000000u // a time before this program was written

struct authority {
	uint8_t *seed; // the issuing key, in a locked page of libsodium
	X509 *issuing; // parsed, for its name and key identifier
	struct x509_trust *trust;
	uint8_t root_der[X509_CA_BYTES_MAX];
	size_t root_len;
	uint8_t issuing_der[X509_CA_BYTES_MAX];
	size_t issuing_len;
	uint8_t issuing_spki[X509_HASH_BYTES];
	uint64_t not_before; // of the issuing certificate
	uint64_t not_after;
};

static int __attribute__((format(printf, 3, 4)))
fail(struct authority_error *e, int err, const char *fmt, ...)
{
	if (e != NULL) {
		va_list ap;

		va_start(ap, fmt);
		e->err = err;
		vsnprintf(e->text, sizeof(e->text), fmt, ap);
		va_end(ap);
	}
	return err;
}

static int fail_identity(struct authority_error *e, const char *file, enum identity_error why)
{
	if (e != NULL)
		e->identity = why;
	return fail(e, why == IDENTITY_ERR_NO_FILE ? -ENOENT : -EKEYREJECTED, "%s: %s", file,
		identity_strerror(why));
}

static int fail_x509(struct authority_error *e, int err, const char *what, enum x509_refusal why)
{
	if (e != NULL)
		e->x509 = why;
	return fail(e, err, "%s: %s", what, x509_strerror(why));
}

static int file_path(char path[PATH_MAX], const char *dir, const char *name)
{
	int n = snprintf(path, PATH_MAX, "%s/%s", dir, name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

// What all three kinds of certificate have in common; issuer NULL: self-signed.
static X509 *new_cert(
	const uint8_t pk[X509_PUBLIC_BYTES], X509 *issuer, uint64_t not_before, uint64_t not_after)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pk, X509_PUBLIC_BYTES);
	uint8_t serial[SERIAL_BYTES];
	BIGNUM *bn = NULL;
	X509 *cert = X509_new();
	bool ok = key != NULL && cert != NULL;

	// Positive and of full length: no leading zero byte, no sign bit.
	randombytes_buf(serial, sizeof(serial));
	serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40);
	bn = BN_bin2bn(serial, sizeof(serial), NULL);
	ok = ok && bn != NULL && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)) != NULL &&
	     X509_set_version(cert, X509_VERSION_3) && X509_set_pubkey(cert, key) &&
	     ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)not_before) != NULL &&
	     ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)not_after) != NULL;
	if (ok && issuer != NULL)
		ok = X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1;
	BN_free(bn);
	EVP_PKEY_free(key);
	if (ok)
		return cert;
	X509_free(cert);
	return NULL;
}

static bool add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	bool ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer != NULL ? issuer : cert, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

// Sign and encode; the key exists in libcrypto only inside this call, which wipes it.
static int sign_cert(X509 *cert, const uint8_t seed[IDENTITY_SEED_BYTES], uint8_t *der, size_t cap,
	size_t *ret_len)
{
	EVP_PKEY *key =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, IDENTITY_SEED_BYTES);
	unsigned char *p = der;
	int n, err = -ENOMEM;

	if (key == NULL)
		return err;
	if (X509_sign(cert, key, NULL) <= 0)
		goto free_key;
	n = i2d_X509(cert, NULL);
	err = -EMSGSIZE;
	if (n <= 0 || (size_t)n > cap)
		goto free_key;
	i2d_X509(cert, &p);
	*ret_len = (size_t)n;
	err = 0;
free_key:
	EVP_PKEY_free(key);
	ERR_clear_error();
	return err;
}

// A root (issuer NULL) or an issuing certificate.
static int make_ca(const char *network, const uint8_t pk[X509_PUBLIC_BYTES], X509 *issuer,
	const uint8_t signer_seed[IDENTITY_SEED_BYTES], uint64_t not_before, uint64_t not_after,
	uint8_t der[X509_CA_BYTES_MAX], size_t *ret_len)
{
	bool root = issuer == NULL;
	X509 *cert = new_cert(pk, issuer, not_before, not_after);
	char constraint[32 + X509_NAME_BYTES_MAX];
	char cn[64]; // X.520 allows 64 characters; the name is for people only
	X509_NAME *name;
	int err = -ENOMEM;

	if (cert == NULL)
		return err;
	snprintf(cn, sizeof(cn), "%.48s %s", network, root ? "root" : "issuing");
	snprintf(constraint, sizeof(constraint), "critical,permitted;DNS:%s", network);
	name = X509_get_subject_name(cert);
	if (!X509_NAME_add_entry_by_NID(
		    name, NID_commonName, MBSTRING_UTF8, (unsigned char *)cn, -1, -1, 0))
		goto free_cert;
	if (root && !X509_set_issuer_name(cert, name))
		goto free_cert;
	if (!add_ext(cert, issuer, NID_basic_constraints,
		    root ? "critical,CA:TRUE,pathlen:1" : "critical,CA:TRUE,pathlen:0") ||
		!add_ext(cert, issuer, NID_key_usage, "critical,keyCertSign,cRLSign") ||
		!add_ext(cert, issuer, NID_subject_key_identifier, "hash"))
		goto free_cert;
	if (!root && (!add_ext(cert, issuer, NID_name_constraints, constraint) ||
			     !add_ext(cert, issuer, NID_authority_key_identifier, "keyid:always")))
		goto free_cert;
	err = sign_cert(cert, signer_seed, der, X509_CA_BYTES_MAX, ret_len);
free_cert:
	X509_free(cert);
	ERR_clear_error();
	return err;
}

// Make the key of this file, or open it where an interrupted earlier run made it already.
static enum identity_error make_key(const char *key_file, const struct identity_source *secret,
	enum identity_use use, const struct identity_kdf *kdf, uint8_t seed[IDENTITY_SEED_BYTES],
	uint8_t pk[IDENTITY_PUBLIC_BYTES])
{
	struct identity_source src = *secret;
	enum identity_error why;

	src.key_file = key_file;
	src.kdf = kdf;
	why = identity_generate(&src, use, seed, pk);
	if (why == IDENTITY_ERR_EXISTS)
		why = identity_open(&src, use, seed, pk);
	return why;
}

static int read_cert(const char *path, uint8_t der[X509_CA_BYTES_MAX], size_t *ret_len)
{
	return atomic_file_read(path, ATOMIC_FILE_PUBLIC, der, X509_CA_BYTES_MAX, ret_len, NULL);
}

static int check_founding(const char *network, uint64_t now_s, struct authority_error *err)
{
	if (!x509_name_ok(network, strlen(network)))
		return fail(err, -EINVAL, "the network's name must be a lower-case DNS name");
	// A machine without a battery-backed clock wakes up in 1970.
	if (now_s < CLOCK_IS_SET_S)
		return fail(err, -EINVAL, "this machine's clock is not set: set it first");
	return 0;
}

int authority_create_root(const char *dir, const char *network,
	const struct identity_source *secret, const struct identity_kdf *kdf, uint64_t now_s,
	struct authority_error *err)
{
	char key_path[PATH_MAX], crt_path[PATH_MAX];
	uint8_t der[X509_CA_BYTES_MAX];
	uint8_t seed[IDENTITY_SEED_BYTES], pk[IDENTITY_PUBLIC_BYTES];
	enum identity_error why;
	size_t len;
	int r;

	if (err != NULL)
		memset(err, 0, sizeof(*err));
	if (check_founding(network, now_s, err) < 0)
		return -EINVAL;
	if (file_path(key_path, dir, "root.key") < 0 || file_path(crt_path, dir, "root.crt") < 0)
		return fail(err, -ENAMETOOLONG, "the authority's directory has too long a name");
	r = read_cert(crt_path, der, &len);
	if (r != -ENOENT)
		return fail(err, r == 0 ? -EEXIST : r,
			"%s is there already: an authority is made once; use it, or choose another "
			"directory",
			crt_path);
	why = make_key(key_path, secret, IDENTITY_USE_ROOT, kdf, seed, pk);
	if (why != IDENTITY_OK)
		return fail_identity(err, key_path, why);
	r = make_ca(network, pk, NULL, seed, now_s - AUTHORITY_BACKDATE_S,
		now_s + AUTHORITY_ROOT_YEARS * (uint64_t)YEAR_S, der, &len);
	sodium_memzero(seed, sizeof(seed));
	if (r < 0)
		return fail(err, r, "the root certificate cannot be made: %s", strerror(-r));
	r = atomic_file_create(crt_path, der, len, NULL);
	if (r < 0)
		return fail(err, r, "%s cannot be written: %s", crt_path, strerror(-r));
	return 0;
}

// Put the old pair aside. Safe to repeat after a crash at any point.
static int set_aside(const char *path)
{
	char old[PATH_MAX];

	if (snprintf(old, sizeof(old), "%s.old", path) >= (int)sizeof(old))
		return -ENAMETOOLONG;
	return rename(path, old) < 0 && errno != ENOENT ? -errno : 0;
}

static int sign_issuing(const char *dir, const char *network, const uint8_t pk[X509_PUBLIC_BYTES],
	const struct identity_source *root_secret, uint64_t now_s, uint8_t der[X509_CA_BYTES_MAX],
	size_t *ret_len, struct authority_error *err)
{
	char root_key[PATH_MAX], root_crt[PATH_MAX];
	uint8_t root_der[X509_CA_BYTES_MAX], seed[IDENTITY_SEED_BYTES], root_pk[X509_PUBLIC_BYTES];
	struct identity_source src = *root_secret;
	const unsigned char *p = root_der;
	struct x509_trust *trust = NULL;
	enum identity_error why;
	enum x509_refusal refusal;
	X509 *root = NULL;
	size_t root_len;
	int r;

	if (file_path(root_key, dir, "root.key") < 0 || file_path(root_crt, dir, "root.crt") < 0)
		return fail(err, -ENAMETOOLONG, "the authority's directory has too long a name");
	r = read_cert(root_crt, root_der, &root_len);
	if (r < 0)
		return fail(err, r, "%s cannot be read (%s): make the root first", root_crt,
			strerror(-r));
	src.key_file = root_key;
	why = identity_open(&src, IDENTITY_USE_ROOT, seed, root_pk);
	if (why != IDENTITY_OK)
		return fail_identity(err, root_key, why);
	refusal = x509_trust_create(root_der, root_len, &trust);
	if (refusal != X509_OK) {
		r = fail_x509(err, -EKEYREJECTED, root_crt, refusal);
		goto wipe;
	}
	if (memcmp(x509_trust_root_pk(trust), root_pk, sizeof(root_pk)) != 0) {
		r = fail(err, -EKEYREJECTED,
			"%s and %s do not belong together: restore both from one backup", root_key,
			root_crt);
		goto wipe;
	}
	root = d2i_X509(NULL, &p, (long)root_len);
	r = root == NULL
		    ? -ENOMEM
		    : make_ca(network, pk, root, seed, now_s - AUTHORITY_BACKDATE_S,
			      now_s + AUTHORITY_ISSUING_YEARS * (uint64_t)YEAR_S, der, ret_len);
	if (r < 0)
		fail(err, r, "the issuing certificate cannot be made: %s", strerror(-r));
wipe:
	sodium_memzero(seed, sizeof(seed));
	X509_free(root);
	x509_trust_destroy(trust);
	return r;
}

int authority_create_issuing(const char *dir, const char *network,
	const struct identity_source *root_secret, const struct identity_source *issuing_secret,
	const struct identity_kdf *kdf, uint64_t now_s, bool replace, struct authority_error *err)
{
	char key_path[PATH_MAX], crt_path[PATH_MAX];
	uint8_t der[X509_CA_BYTES_MAX];
	uint8_t seed[IDENTITY_SEED_BYTES], pk[IDENTITY_PUBLIC_BYTES];
	enum identity_error why;
	size_t len;
	int r;

	if (err != NULL)
		memset(err, 0, sizeof(*err));
	if (check_founding(network, now_s, err) < 0)
		return -EINVAL;
	if (file_path(key_path, dir, "issuing.key") < 0 ||
		file_path(crt_path, dir, "issuing.crt") < 0)
		return fail(err, -ENAMETOOLONG, "the authority's directory has too long a name");
	if (replace) {
		// A trial with some key: what the root may refuse shows while the old pair is in
		// place.
		randombytes_buf(pk, sizeof(pk));
		r = sign_issuing(dir, network, pk, root_secret, now_s, der, &len, err);
		if (r < 0)
			return r;
		r = set_aside(key_path);
		if (r == 0)
			r = set_aside(crt_path);
		if (r < 0)
			return fail(err, r, "the old issuing key cannot be put aside: %s",
				strerror(-r));
	}
	r = read_cert(crt_path, der, &len);
	if (r != -ENOENT)
		return fail(err, r == 0 ? -EEXIST : r,
			"%s is there already: ask for a replacement if that is meant", crt_path);
	why = make_key(key_path, issuing_secret, IDENTITY_USE_ISSUING, kdf, seed, pk);
	sodium_memzero(seed, sizeof(seed));
	if (why != IDENTITY_OK)
		return fail_identity(err, key_path, why);
	r = sign_issuing(dir, network, pk, root_secret, now_s, der, &len, err);
	if (r < 0)
		return r;
	r = atomic_file_create(crt_path, der, len, NULL);
	if (r < 0)
		return fail(err, r, "%s cannot be written: %s", crt_path, strerror(-r));
	return 0;
}

static bool times_of(const X509 *cert, uint64_t *ret_not_before, uint64_t *ret_not_after)
{
	struct tm a, b;

	if (!ASN1_TIME_to_tm(X509_get0_notBefore(cert), &a) ||
		!ASN1_TIME_to_tm(X509_get0_notAfter(cert), &b))
		return false;
	*ret_not_before = (uint64_t)timegm(&a);
	*ret_not_after = (uint64_t)timegm(&b);
	return true;
}

// Read and check root.crt and issuing.crt.
static int load_certs(struct authority *a, const char *dir, uint64_t now_s,
	uint8_t ret_pk[X509_PUBLIC_BYTES], struct authority_error *err)
{
	char path[PATH_MAX];
	const unsigned char *p = a->issuing_der;
	enum x509_refusal refusal;
	int r;

	r = file_path(path, dir, "root.crt");
	if (r == 0)
		r = read_cert(path, a->root_der, &a->root_len);
	if (r < 0)
		return fail(
			err, r, "%s cannot be read (%s): run postern hub init", path, strerror(-r));
	refusal = x509_trust_create(a->root_der, a->root_len, &a->trust);
	if (refusal != X509_OK)
		return fail_x509(err, -EKEYREJECTED, path, refusal);
	file_path(path, dir, "issuing.crt");
	r = read_cert(path, a->issuing_der, &a->issuing_len);
	if (r < 0)
		return fail(
			err, r, "%s cannot be read (%s): run postern hub init", path, strerror(-r));
	refusal = x509_verify_issuer(a->trust, (struct x509_bytes){a->issuing_der, a->issuing_len},
		now_s, ret_pk, a->issuing_spki);
	if (refusal != X509_OK)
		return fail_x509(err, -EKEYREJECTED, path, refusal);
	a->issuing = d2i_X509(NULL, &p, (long)a->issuing_len);
	if (a->issuing == NULL || !times_of(a->issuing, &a->not_before, &a->not_after))
		return fail(err, -ENOMEM, "%s cannot be parsed: out of memory", path);
	return 0;
}

int authority_open(const char *dir, const struct identity_source *secret, uint64_t now_s,
	struct authority **ret_authority, struct authority_error *err)
{
	char path[PATH_MAX];
	uint8_t pk[IDENTITY_PUBLIC_BYTES], cert_pk[X509_PUBLIC_BYTES];
	struct identity_source src = *secret;
	enum identity_error why;
	struct authority *a;
	int r;

	if (err != NULL)
		memset(err, 0, sizeof(*err));
	if (sodium_init() < 0)
		return fail(err, -ENOMEM, "libsodium cannot start");
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return fail(err, -ENOMEM, "out of memory");
	a->seed = sodium_malloc(IDENTITY_SEED_BYTES);
	if (a->seed == NULL) {
		r = fail(err, -ENOMEM, "no locked memory for the issuing key");
		goto close;
	}
	r = load_certs(a, dir, now_s, cert_pk, err);
	if (r < 0)
		goto close;
	file_path(path, dir, "issuing.key");
	src.key_file = path;
	why = identity_open(&src, IDENTITY_USE_ISSUING, a->seed, pk);
	if (why != IDENTITY_OK) {
		r = fail_identity(err, path, why);
		goto close;
	}
	if (memcmp(pk, cert_pk, sizeof(pk)) != 0) {
		r = fail(err, -EKEYREJECTED,
			"%s does not belong to issuing.crt: make the issuing key anew with the "
			"root",
			path);
		goto close;
	}
	sodium_mprotect_readonly(a->seed);
	*ret_authority = a;
	return 0;

close:
	authority_close(a);
	return r;
}

void authority_close(struct authority *a)
{
	if (a == NULL)
		return;
	sodium_free(a->seed); // wipes
	X509_free(a->issuing);
	x509_trust_destroy(a->trust);
	free(a);
}

const struct x509_trust *authority_trust(const struct authority *a)
{
	return a->trust;
}

struct x509_bytes authority_root_der(const struct authority *a)
{
	return (struct x509_bytes){a->root_der, a->root_len};
}

struct x509_bytes authority_issuing_der(const struct authority *a)
{
	return (struct x509_bytes){a->issuing_der, a->issuing_len};
}

const uint8_t *authority_issuing_spki(const struct authority *a)
{
	return a->issuing_spki;
}

uint64_t authority_not_after(const struct authority *a)
{
	return a->not_after;
}

static int make_leaf(struct authority *a, const struct authority_request *req, uint64_t not_before,
	uint64_t not_after, uint8_t *der, size_t *ret_len)
{
	X509 *cert = new_cert(req->pk, a->issuing, not_before, not_after);
	char san[32 + X509_NAME_BYTES_MAX];
	const char *eku = req->role == X509_ROLE_HUB ? "critical," X509_EKU_HUB
						     : "critical," X509_EKU_GATEWAY;
	int err = -ENOMEM;

	if (cert == NULL)
		return err;
	// The subject stays empty: the one name is the dNSName, which RFC 5280 §4.2.1.6 then wants
	// critical. x509_name_ok has kept commas and colons out of it.
	snprintf(san, sizeof(san), "critical,DNS:%s", req->name);
	if (add_ext(cert, a->issuing, NID_subject_alt_name, san) &&
		add_ext(cert, a->issuing, NID_key_usage, "critical,digitalSignature") &&
		add_ext(cert, a->issuing, NID_ext_key_usage, eku) &&
		add_ext(cert, a->issuing, NID_authority_key_identifier, "keyid:always"))
		err = sign_cert(cert, a->seed, der, X509_LEAF_BYTES_MAX, ret_len);
	X509_free(cert);
	ERR_clear_error();
	return err;
}

static int check_request(
	const struct authority *a, const struct authority_request *req, struct authority_error *err)
{
	if (!x509_name_ok(req->name, strlen(req->name)))
		return fail(err, -EINVAL, "the name is not a lower-case DNS name");
	if (req->role != X509_ROLE_GATEWAY && req->role != X509_ROLE_HUB)
		return fail(err, -EINVAL, "the role is neither gateway nor hub");
	if (req->not_after <= req->not_before ||
		req->not_after - req->not_before > AUTHORITY_LEAF_DAYS_MAX * (uint64_t)DAY_S)
		return fail(err, -EINVAL, "the certificate's life must be 1 to %u days",
			AUTHORITY_LEAF_DAYS_MAX);
	if (!crypto_core_ed25519_is_valid_point(req->pk))
		return fail(err, -EKEYREJECTED, "the public key is not a good Ed25519 key");
	if (req->not_before >= a->not_after || req->not_before < a->not_before)
		return fail(err, -ETIME,
			"the issuing certificate is expired or not valid yet: renew it with the "
			"root "
			"key, and check the hub's clock");
	return 0;
}

int authority_issue(struct authority *a, const struct authority_request *req,
	uint8_t ret_der[X509_LEAF_BYTES_MAX], size_t *ret_len, struct x509_facts *ret_facts,
	struct authority_error *err)
{
	uint8_t der[X509_LEAF_BYTES_MAX];
	struct x509_facts facts;
	struct x509_chain chain = {
		.issuers = {{a->issuing_der, a->issuing_len}},
		.n_issuers = 1,
	};
	uint64_t not_before, not_after;
	enum x509_refusal refusal;
	size_t len = 0;
	int r;

	if (err != NULL)
		memset(err, 0, sizeof(*err));
	r = check_request(a, req, err);
	if (r < 0)
		return r;
	not_before = req->not_before - AUTHORITY_BACKDATE_S;
	if (not_before < a->not_before)
		not_before = a->not_before;
	not_after = req->not_after < a->not_after ? req->not_after : a->not_after;
	r = make_leaf(a, req, not_before, not_after, der, &len);
	if (r < 0)
		return fail(err, r, "the certificate cannot be made: %s", strerror(-r));
	// Nothing leaves the authority that a gateway would refuse.
	chain.leaf = (struct x509_bytes){der, len};
	refusal = x509_verify(a->trust, &chain, req->name, req->role, req->not_before, &facts);
	if (refusal != X509_OK)
		return fail_x509(err,
			refusal == X509_REFUSE_NAME_CONSTRAINT ? -EACCES : -EKEYREJECTED, req->name,
			refusal);
	memcpy(ret_der, der, len);
	*ret_len = len;
	if (ret_facts != NULL)
		*ret_facts = facts;
	return 0;
}

int authority_revocations(struct authority *a, const struct revocation_entry *entries, size_t n,
	const uint8_t net_id[16], uint64_t number, uint64_t issued, uint8_t *buf, size_t cap,
	size_t *ret_len)
{
	int err = revocation_build(
		entries, n, net_id, number, issued, a->issuing_spki, buf, cap, ret_len);

	if (err == 0)
		err = revocation_sign(a->seed, buf, cap, ret_len);
	return err;
}
