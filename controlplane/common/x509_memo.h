// SPDX-License-Identifier: BSD-3-Clause
//
// Chains that were verified before: a rekey shows the same certificate again every two minutes, and
// verifying its chain anew is four fifths of a handshake's cost.
//
// Only acceptance is remembered, under a hash of every byte that led to it (root, issuing
// certificates, leaf). Name, role and time are looked at each time, and whatever does not fit is
// verified in full, which also finds the reason. Revocation is no part of x509_verify() and none of
// this: the caller asks its list each time. A chain that hashes to the slot of another takes its
// place. Not thread safe: one owner. Floor 2.
#pragma once

#include "controlplane/common/x509.h"

#define X509_MEMO_SLOTS 1024u

struct x509_memo {
	uint64_t n_known; // answers that needed no verification
	struct x509_memo_slot {
		uint8_t hash[X509_HASH_BYTES];
		uint64_t verified_s; // 0: free
		struct x509_facts facts;
	} slot[X509_MEMO_SLOTS];
};

// As x509_verify(); memo all zero to begin with.
enum x509_refusal x509_memo_verify(struct x509_memo *memo, const struct x509_trust *trust,
	const struct x509_chain *chain, const char *name, enum x509_role role, uint64_t now_s,
	struct x509_facts *ret_facts);
