// SPDX-License-Identifier: BSD-3-Clause
//
// What enrolment writes, for enrol.c: the files of enrol.h and the checks before them.
//
// Any one thread. Floor 4 (files).
#pragma once

#include <stdint.h>

#include "wire/der_list.h"
#include "controlplane/common/enrol.h"
#include "controlplane/common/x509.h"

#define ENROL_PATH_MAX 512u

// dir/file. errors: -ENAMETOOLONG
int enrol_path(char buf[ENROL_PATH_MAX], const char *dir, const char *file);

// chain: a der_list; writes chain.der, then cert.der.
int enrol_store_chain(const char *dir, const uint8_t *chain, size_t len);

// Writes hub.state; comes last.
int enrol_store_state(const char *dir, const uint8_t secret[32], const struct enrol_state *state);

// Is this chain the certificate of `name` with this key under the pinned root, that very root at
// its end? errors: -EKEYREJECTED, with the reason in *ret_why (X509_OK: another key or root)
int enrol_check_chain(const struct x509_trust *trust, const struct der_list *list, const char *name,
	const uint8_t pk[32], uint64_t now_s, struct x509_facts *ret_facts,
	enum x509_refusal *ret_why);
