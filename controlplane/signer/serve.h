// SPDX-License-Identifier: BSD-3-Clause
// The signer's only decision: what a request gets.
//
// Pure: no system call, time passed in, so that tests and fuzzers run it in their own process. The
// requests come from control, which may be compromised: everything in them is checked.
// Single thread. Floor 2.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/common/signer_msg.h"

// Tokens refill with time; each signature or secret costs one.
struct serve_bucket {
	uint64_t level_ppm; // tokens × 1,000,000
	uint64_t last_us;
};

struct serve {
	const uint8_t *seed; // 32, in locked memory
	const uint8_t *sk;   // 64, libsodium's form
	uint8_t pk[32];
	struct serve_bucket bucket;
};

// seed and sk stay the caller's; the bucket starts full.
void serve_init(struct serve *s, const uint8_t seed[32], const uint8_t sk[64], uint64_t now_us);

// Answer one request of len bytes.
//
// out:     ret_reply, always whole
// returns: false where the sender broke the rules of the channel (length, version, op, padding):
// the
//          process ends then, and nothing is answered
bool serve_request(struct serve *s, const void *bytes, size_t len, uint64_t now_us,
	struct signer_reply *ret_reply);

// Check an OPEN or GENERATE, the only requests before the key is there. Strings are terminated.
bool serve_parse_open(const void *bytes, size_t len, struct signer_request *ret_request,
	struct signer_open *ret_open);

bool serve_bucket_take(struct serve_bucket *b, uint64_t now_us);
