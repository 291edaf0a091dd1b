// SPDX-License-Identifier: BSD-3-Clause
//
// The certificate field over TCP, leaf ‖ issuing certificates ‖ root, made ready for x509_verify().
//
// Pure. Thread safe. Floor 2. PROTOCOL.md §14.
#pragma once

#include <stdint.h>

#include "controlplane/common/x509.h"
#include "wire/der_list.h"

// Take a list apart: the first is the leaf, the last the root, what is between the issuers. Views
// into the list's bytes. errors: -EBADMSG: fewer than three, or too many issuers
int linkcert_split(
	const struct der_list *list, struct x509_chain *ret_chain, struct x509_bytes *ret_root);

// Verify the field for this name and role under the pinned root (the root that came along is not
// looked at: the pinned one decides).
enum x509_refusal linkcert_verify(const struct x509_trust *trust, const struct der_list *list,
	const char *name, enum x509_role role, uint64_t now_s, struct x509_facts *ret_facts);
