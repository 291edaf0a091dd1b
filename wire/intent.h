// SPDX-License-Identifier: BSD-3-Clause
//
// The signed intent: "I, FROM, want to connect to TO", with a fresh X25519 key. Layout, parser,
// builder. Whether to believe one is decided in controlplane/common/pair.h.
//
// Any thread. Floor 0. PROTOCOL.md §3, §14.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "wire/name.h"

#define INTENT_VERSION 1
#define INTENT_FIXED_LEN \
	120 // everything but the names and the signature, both name lengths included
#define INTENT_SIG_LEN    64
#define INTENT_MIN_LEN    (INTENT_FIXED_LEN + 2 + INTENT_SIG_LEN)
#define INTENT_MAX_LEN    (INTENT_FIXED_LEN + 2 * NAME_MAX_LEN + INTENT_SIG_LEN) // 690
#define INTENT_MAX_LIFE_S (7u * 86400u)
#define INTENT_SKEW_S     600 // a clock may be this much behind not_before

// What an intent says. Built from, and parsed into; in a parsed one every pointer is a view into
// the input, in one to build the names are the caller's and `sig` is ignored.
struct intent {
	const uint8_t *net_id;    // 16 B
	const uint8_t *ipk;       // 32 B, X25519, used for this introduction only
	const uint8_t *cert_hash; // 32 B, H(issuer's certificate DER)
	const uint8_t *sig;       // 64 B, Ed25519 over L("intent") ‖ everything before it
	const char *from;
	const char *to;
	uint16_t from_len;
	uint16_t to_len;
	uint32_t caps;       // PKT_CAP_*
	uint64_t serial;     // µs, strictly rising per from → to
	uint64_t not_before; // s since 1970
	uint64_t not_after;
};

// Read exactly len bytes as one intent. Checks the shape only: lengths, version, flags, both names
// valid and different, reserved caps bits zero, not_before ≤ not_after, life ≤ 7 days.
//
// 0, or -EBADMSG with *ret untouched.
int intent_parse(const void *p, size_t len, struct intent *ret);

// Write everything but the signature. Returns the number of bytes written (the message to sign
// under the label "intent"; INTENT_SIG_LEN bytes of signature go right behind it), or 0 when buf is
// too small or the fields are not ones that parse.
size_t intent_build(const struct intent *i, uint8_t *buf, size_t cap);
