// SPDX-License-Identifier: BSD-3-Clause
//
// What the authority does for gateways: enrol, renew, revoke. Each is one transaction, so that a
// crash leaves a token used with its certificate issued, or neither.
//
// Store and authority are passed in; no sockets here. Not thread safe. Floor 3.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "wire/der_list.h"
#include "wire/name.h"
#include "controlplane/common/authority.h"
#include "controlplane/hub/store.h"

#define AUTHORITY_OPS_TEXT 200u // RECORD_TEXT_MAX

// Policy of the hub that these decisions need.
struct authority_ops {
	struct store *store;
	struct authority *authority;
	const char *hub_name;
	const char *network;
	unsigned leaf_days;
	unsigned gateways_max;
};

struct authority_answer {
	uint16_t refusal; // enum record_error_code, 0: granted
	char text[AUTHORITY_OPS_TEXT];
	int64_t gateway;
	bool is_new_gateway;
	uint8_t gate_secret[32];
	uint64_t not_before;
	uint64_t not_after;
	uint8_t leaf[STORE_DER_MAX];
	size_t leaf_len;
};

// Issue a gateway its first certificate for this token, or, to the same key under the same name,
// the same certificate again (its answer was lost). The caller has checked the CSR's signature.
//
// return:  0, with refusal set or not; -EIO: the store failed
int authority_enrol(const struct authority_ops *ops, const uint8_t token_id[16], const char *name,
	const uint8_t pk[32], uint64_t now, struct authority_answer *ret);

// Issue a further certificate to a gateway that is on its link.
int authority_renew(const struct authority_ops *ops, const struct store_gateway *g, uint64_t now,
	struct authority_answer *ret);

// Revoke a gateway with all its keys and certificates, or one certificate by its serial.
//
// return:  0; -ENOENT; -EIO. ret_gateway: whose
int authority_revoke_name(
	const struct authority_ops *ops, const char *name, uint64_t now, int64_t *ret_gateway);
int authority_revoke_serial(const struct authority_ops *ops, const uint8_t *serial, size_t len,
	uint64_t now, int64_t *ret_gateway);

// The signed list as it stands, in a buffer of the caller's to free; NULL and number 0 when nothing
// was ever revoked. errors: -ENOMEM, -EIO
int authority_build_list(const struct authority_ops *ops, const uint8_t net_id[16], uint64_t now,
	uint8_t **ret_list, size_t *ret_len, uint64_t *ret_number);

void authority_answer_wipe(struct authority_answer *a);
