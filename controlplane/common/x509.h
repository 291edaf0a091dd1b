// SPDX-License-Identifier: BSD-3-Clause
// Certificates: parse, verify to the pinned root, and say exactly why not.
//
// The only file besides authority.c that includes OpenSSL. A chain is a leaf (≤ 900 B), one or two
// issuing certificates and the pinned root. What holds for every accepted leaf, beyond RFC 5280
// path validation: strict DER without trailing bytes; Ed25519 everywhere; X.509 v3; exactly one
// subject alternative name, a lower-case dNSName without wildcard, equal to the expected name;
// exactly one extended key usage, of our own arc; key usage digitalSignature and not a CA; validity
// at the time passed in; an issuing certificate above it that is name-constrained. The subject is
// not looked at.
//
// Hashes are the protocol's H, BLAKE2b-256: of the whole DER, or of the SubjectPublicKeyInfo.
// Private arc: 2.25.<UUID> of ITU-T X.667, which anyone may use without a registrar.
// Thread safe: a trust is read-only after creation. Floor 2 (no I/O, time passed in).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define X509_LEAF_BYTES_MAX   900u
#define X509_CA_BYTES_MAX     1200u
#define X509_ISSUERS_MAX      2u
#define X509_NAME_BYTES_MAX   253u
#define X509_SERIAL_BYTES_MAX 20u
#define X509_HASH_BYTES       32u
#define X509_PUBLIC_BYTES     32u

#define X509_ARC         "2.25.196727437062173965898933283370887822130"
#define X509_EKU_GATEWAY X509_ARC ".1"
#define X509_EKU_HUB     X509_ARC ".2"

enum x509_role {
	X509_ROLE_GATEWAY = 1,
	X509_ROLE_HUB = 2,
};

// Why a certificate is refused; the first reason found, in the order of the checks. Goes to the
// local log only, never over the wire.
enum x509_refusal {
	X509_OK = 0,
	X509_REFUSE_LENGTH,       // leaf or issuer longer than its limit, or empty
	X509_REFUSE_CHAIN_LENGTH, // no issuer, or too many
	X509_REFUSE_ENCODING,     // not DER, truncated, or trailing bytes
	X509_REFUSE_VERSION,      // not X.509 v3
	X509_REFUSE_SERIAL,       // zero, negative or longer than 20 bytes
	X509_REFUSE_ALGORITHM,    // a key or signature that is not Ed25519
	X509_REFUSE_NO_SAN,       // no subject alternative name (a CN does not count)
	X509_REFUSE_SAN_COUNT,    // more than one
	X509_REFUSE_SAN_TYPE,     // not a dNSName
	X509_REFUSE_SAN_SYNTAX,   // upper case, wildcard, NUL, or not a DNS name
	X509_REFUSE_NAME,         // a valid name, but not the expected one
	X509_REFUSE_NO_EKU,       // no extended key usage
	X509_REFUSE_EKU,          // another role, or more than one
	X509_REFUSE_KEY_USAGE,    // no digitalSignature, or a usage that a leaf must not have
	X509_REFUSE_LEAF_IS_CA,
	X509_REFUSE_EXTENSION, // an unknown critical or a doubled extension
	X509_REFUSE_ISSUER_NOT_CA,
	X509_REFUSE_UNCONSTRAINED,   // the issuing certificate has no name constraint
	X509_REFUSE_NAME_CONSTRAINT, // the name is outside of it
	X509_REFUSE_PATH_LENGTH,
	X509_REFUSE_NOT_YET_VALID,
	X509_REFUSE_EXPIRED,
	X509_REFUSE_ISSUER_VALIDITY, // an issuing certificate or the root is expired or not yet
				     // valid
	X509_REFUSE_SELF_SIGNED,
	X509_REFUSE_NOT_OUR_ROOT, // the chain does not reach the pinned root
	X509_REFUSE_SIGNATURE,
	X509_REFUSE_CHAIN,     // any other reason of path validation
	X509_REFUSE_RESOURCES, // out of memory
	X509_N_REFUSALS,
};

struct x509_bytes {
	const uint8_t *der;
	size_t len;
};

struct x509_chain {
	struct x509_bytes leaf;
	struct x509_bytes
		issuers[X509_ISSUERS_MAX]; // any order; one may be unused (issuer change-over)
	unsigned n_issuers;
};

// What a certificate says; only to be believed if it came from x509_verify.
struct x509_facts {
	char name[X509_NAME_BYTES_MAX + 1];
	uint8_t pk[X509_PUBLIC_BYTES]; // Ed25519
	uint8_t spki_hash[X509_HASH_BYTES];
	uint8_t der_hash[X509_HASH_BYTES];         // the protocol's H(certificate DER)
	uint8_t issuer_spki_hash[X509_HASH_BYTES]; // x509_verify only
	uint8_t serial[X509_SERIAL_BYTES_MAX];     // big-endian, no leading zeros
	uint8_t serial_len;
	enum x509_role role;
	uint64_t not_before; // unix seconds
	uint64_t not_after;
	uint64_t chain_not_after; // the earliest of the chain's; x509_verify only
};

// The pinned root.
struct x509_trust;

// errors: the reason the root itself is not acceptable (must be a self-signed Ed25519 CA)
enum x509_refusal x509_trust_create(
	const uint8_t *root_der, size_t len, struct x509_trust **ret_trust);
void x509_trust_destroy(struct x509_trust *trust);                   // accepts NULL
const uint8_t *x509_trust_root_pk(const struct x509_trust *trust);   // 32, for net_id
const uint8_t *x509_trust_root_hash(const struct x509_trust *trust); // 32, H(root DER), for tokens

// Verify a chain: is this, at now_s, the certificate of `name` in `role` under our root?
//
// out:     ret_facts, untouched unless X509_OK
// cost:    0.9 ms measured (parsing and encoding anew, the path, three Ed25519 verifications)
// source:  PROTOCOL.md §4, RFC 5280 §6, RFC 8410
enum x509_refusal x509_verify(const struct x509_trust *trust, const struct x509_chain *chain,
	const char *name, enum x509_role role, uint64_t now_s, struct x509_facts *ret_facts);

// Verify an issuing certificate alone (to check revocation lists): its key in ret_pk.
enum x509_refusal x509_verify_issuer(const struct x509_trust *trust, struct x509_bytes issuer,
	uint64_t now_s, uint8_t ret_pk[X509_PUBLIC_BYTES], uint8_t ret_spki_hash[X509_HASH_BYTES]);

// Parse a leaf without believing it: for status and logs.
enum x509_refusal x509_inspect(const uint8_t *der, size_t len, struct x509_facts *ret_facts);

// H(SubjectPublicKeyInfo) of an Ed25519 key.
void x509_spki_hash(const uint8_t pk[X509_PUBLIC_BYTES], uint8_t ret_hash[X509_HASH_BYTES]);

// A name that Postern accepts: lower-case DNS name of at most 253 bytes, letters, digits and inner
// hyphens, labels of 1 to 63, the last not all digits (it would read as an IP address).
bool x509_name_ok(const char *name, size_t len);

// One sentence: what is wrong and what to do. Never NULL.
const char *x509_strerror(enum x509_refusal refusal);
