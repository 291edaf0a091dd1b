// SPDX-License-Identifier: BSD-3-Clause
//
// Enrolment tokens: what a hub prints once and a new gateway is given.
//
// The text is "pstn1." and base64url of: u8 1 ‖ id[16] ‖ secret[32] ‖ H(root certificate)[32] ‖
// u32 created ‖ u32 expires (unix seconds, 0 never) ‖ u16 second UDP port ‖ u8 len, hub name ‖
// u8 len, network ‖ u8 n, addresses (u8 4|6, address, u16 port) ‖ BLAKE2b-32 of all before.
// The checksum finds typing errors; what makes a token good is its secret (PROTOCOL.md §13, §14).
//
// Pure. Thread safe. Floor 2. A parsed token holds a secret: wipe it with token_wipe().
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "config/types.h"

#define TOKEN_PREFIX        "pstn1."
#define TOKEN_ID_BYTES      16u
#define TOKEN_SECRET_BYTES  32u
#define TOKEN_HASH_BYTES    32u
#define TOKEN_ADDRESSES_MAX 8u
#define TOKEN_TEXT_MAX      1024u // with the final NUL

struct token {
	uint8_t id[TOKEN_ID_BYTES];
	uint8_t secret[TOKEN_SECRET_BYTES];
	uint8_t root_hash[TOKEN_HASH_BYTES];
	uint64_t created;   // unix seconds
	uint64_t expires;   // unix seconds, 0 = never
	uint16_t udp2_port; // the hub's second UDP port, 0 = none
	char hub_name[CONFIG_DNS_NAME_MAX + 1];
	char network[CONFIG_DNS_NAME_MAX + 1];
	struct config_endpoint addresses[TOKEN_ADDRESSES_MAX];
	unsigned n_addresses;
};

// Read a token's text; white space around it is allowed.
//
// errors:  -EPROTO: not a token of this version at all; -EILSEQ: damaged (checksum);
//          -EBADMSG: checksum right, contents not. *ret_token is wiped then
int token_parse(const char *text, size_t len, struct token *ret_token);

// errors:  -EINVAL: a name or address that is none; -ENOBUFS
int token_format(const struct token *token, char *buf, size_t cap);

void token_wipe(struct token *token);
