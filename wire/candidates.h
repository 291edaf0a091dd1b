// SPDX-License-Identifier: BSD-3-Clause
//
// Where a gateway may be reached: up to eight addresses. The same fixed-size layout is sealed under
// the pair key on its way through the hub (pair_seal_candidates()) and carried by lane-0 kind
// CANDIDATES between connected peers. Always eight entries long, so that its length says nothing.
//
// Any thread. Floor 0. PROTOCOL.md §3, §9.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#define CANDIDATES_MAX        8
#define CANDIDATES_VERSION    1
#define CANDIDATE_LEN         24
#define CANDIDATES_LEN        (16 + CANDIDATES_MAX * CANDIDATE_LEN) // 208
#define CANDIDATES_SEALED_LEN (24 + CANDIDATES_LEN + 16) // nonce ‖ sealed ‖ tag = 248

enum candidate_kind {
	CANDIDATE_LOCAL = 1,      // an address of a WAN port
	CANDIDATE_REFLEXIVE = 2,  // what the hub saw
	CANDIDATE_CONFIGURED = 3, // from the YAML
	CANDIDATE_RELAY = 4,
};

struct candidate {
	uint8_t family;    // 4 or 6
	uint8_t kind;      // enum candidate_kind
	uint16_t port;     // host order
	uint32_t priority; // the larger the earlier
	uint8_t addr[16];  // network order; IPv4 in the first four bytes, the rest zero
};

struct candidates {
	uint64_t ts_us; // when the list was made; an older list than one already seen is ignored
	unsigned n;
	struct candidate list[CANDIDATES_MAX];
};

// Whether a list with this entry parses: its family and kind are known, and the address is one that
// datagrams can be sent to.
bool candidate_ok(const struct candidate *c);

// Read exactly CANDIDATES_LEN bytes. 0, or -EBADMSG with *ret untouched: unknown version, family or
// kind, port 0, an unspecified, loopback, multicast or (IPv4) broadcast address, stray bytes set.
int candidates_parse(const void *p, size_t len, struct candidates *ret);

// 0, or -EINVAL when the list is not one that parses.
int candidates_build(const struct candidates *c, uint8_t out[CANDIDATES_LEN]);
