// SPDX-License-Identifier: BSD-3-Clause
// The authority: a root that can stay offline, a name-constrained issuing key, leaves.
//
// Files in one directory: root.key, root.crt, issuing.key, issuing.crt. The .crt files are DER, the
// .key files encrypted (identity.h). Only authority_create_* need root.key: take it away afterwards
// and issuing goes on until issuing.crt expires. The issuing certificate may sign only names at or
// below `network`. Private keys are in memory while an authority is open, locked and wiped on
// close. Not thread safe: one owner. Floor 3 (files); x509.h for what a leaf looks like.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/common/identity.h"
#include "controlplane/common/revocation.h"
#include "controlplane/common/x509.h"

#define AUTHORITY_ROOT_YEARS    20u
#define AUTHORITY_ISSUING_YEARS 3u
#define AUTHORITY_LEAF_DAYS     90u
#define AUTHORITY_LEAF_DAYS_MAX 400u
#define AUTHORITY_BACKDATE_S    600u // leaves are valid from this much earlier: clocks differ

// Why the authority could not do it; the text names the way out.
struct authority_error {
	int err;                      // -errno, 0 if identity or x509 says why
	enum identity_error identity; // of a key file
	enum x509_refusal x509;       // of a certificate
	char text[256];
};

struct authority;

// Make root.key and root.crt in dir. secret: what unlocks the file (key_file is ignored: dir
// decides). kdf NULL: default cost.
//
// errors:  -EEXIST; -EINVAL: network is no name; others in err. All functions here: 0 or -errno
int authority_create_root(const char *dir, const char *network,
	const struct identity_source *secret, const struct identity_kdf *kdf, uint64_t now_s,
	struct authority_error *err);

// Make issuing.key and issuing.crt, signed by root.key. May be called again (a new issuing key
// replaces the old one) while root.key is at hand: with replace true.
int authority_create_issuing(const char *dir, const char *network,
	const struct identity_source *root_secret, const struct identity_source *issuing_secret,
	const struct identity_kdf *kdf, uint64_t now_s, bool replace, struct authority_error *err);

// Open the issuing key and both certificates for work. root.key is not read.
int authority_open(const char *dir, const struct identity_source *secret, uint64_t now_s,
	struct authority **ret_authority, struct authority_error *err);
void authority_close(struct authority *a); // wipes; accepts NULL

const struct x509_trust *authority_trust(const struct authority *a);
struct x509_bytes authority_root_der(const struct authority *a);
struct x509_bytes authority_issuing_der(const struct authority *a);
const uint8_t *authority_issuing_spki(const struct authority *a); // 32
uint64_t authority_not_after(const struct authority *a);          // of the issuing certificate

struct authority_request {
	const char *name;  // the one dNSName
	const uint8_t *pk; // 32, Ed25519; that its owner asked is for the caller to have checked
	enum x509_role role;
	uint64_t not_before; // unix seconds
	uint64_t not_after;  // cut to the issuing certificate's
};

// Issue a leaf; what comes out has been verified with x509_verify before it is handed out.
//
// out:     DER, about 450 B; ret_facts may be NULL
// errors:  -EINVAL: no such name, role or time; -EKEYREJECTED: a weak public key;
//          -EACCES: the name is outside of the network; -ETIME: the issuing certificate is expired
int authority_issue(struct authority *a, const struct authority_request *req,
	uint8_t ret_der[X509_LEAF_BYTES_MAX], size_t *ret_len, struct x509_facts *ret_facts,
	struct authority_error *err);

// Build and sign a revocation list (revocation.h).
int authority_revocations(struct authority *a, const struct revocation_entry *entries, size_t n,
	const uint8_t net_id[16], uint64_t number, uint64_t issued, uint8_t *buf, size_t cap,
	size_t *ret_len);
