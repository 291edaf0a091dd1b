// SPDX-License-Identifier: BSD-3-Clause
//
// RETRY cookies: proof that an M1's sender receives at the address it sends from. Only asked for
// under overload, only from authentic peers.
//
// Pure: time and randomness passed in. One owner. Floor 2. PROTOCOL.md §4, §8, §14.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "controlplane/common/pair.h"

#define COOKIE_LEN    16
#define COOKIE_LIFE_S 120 // a secret is used for this long, and accepted for as long again

struct cookie_jar {
	uint8_t secret[2][32]; // current, previous
	uint64_t made_s[2];    // 0: none
};

void cookie_init(struct cookie_jar *jar, uint64_t mono_s, const uint8_t rnd[32]);

// True when a new secret is due: call cookie_rotate() with fresh randomness before anything else.
bool cookie_rotation_due(const struct cookie_jar *jar, uint64_t mono_s);
void cookie_rotate(struct cookie_jar *jar, uint64_t mono_s, const uint8_t rnd[32]);
void cookie_wipe(struct cookie_jar *jar);

// Where an M1 came from.
struct cookie_source {
	uint8_t family;   // 4 or 6
	uint8_t addr[16]; // network order; IPv4 in the first four, the rest zero
	uint16_t port;
};

// Answer an authentic M1 (hs_server_check_m1() said so) with RETRY instead of work.
void cookie_build_retry(const struct cookie_jar *jar, const struct pair *p,
	const struct cookie_source *from, const struct pkt_m1 *m1, uint64_t now_s,
	struct pkt_retry *ret);

// Does this M1 carry a mac2 under a live cookie for its source?
bool cookie_m1_ok(const struct cookie_jar *jar, const struct pair *p,
	const struct cookie_source *from, const struct pkt_m1 *m1, uint64_t mono_s);
