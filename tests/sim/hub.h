// SPDX-License-Identifier: BSD-3-Clause
//
// What the scripted hub keeps, and where its evil ways take hold. hub.c and evil.c only.
#pragma once

#include "tests/sim/sim.h"

struct hub_intent {
	size_t len; // 0 none
	uint8_t bytes[INTENT_MAX_LEN], hash[32];
	uint64_t not_after_s;
	bool matched;    // it has served
	size_t kept_len; // the newest candidates sent under it
	uint8_t kept[2048];
};

struct hub {
	struct hub_intent intent[SIM_GATEWAYS_MAX][SIM_GATEWAYS_MAX]; // from, to
	unsigned n_intents; // different ones that were published
	uint8_t list[4096];
	size_t list_len;
};

extern struct hub hub;

// The MATCH that tells the owner of `mine` of `theirs`; 0 when it cannot be built.
size_t hub_build_match(const struct hub_intent *mine, const struct hub_intent *theirs,
	const struct sim_gateway *them, uint8_t *body, size_t cap);

// True: it was done in an evil way, the honest one is left out.
bool evil_match(struct sim_gateway *to, struct sim_gateway *them);
bool evil_candidates(
	struct sim_gateway *from, struct sim_gateway *to, const uint8_t *body, size_t len);
void evil_observed(struct sim_gateway *g, struct record_observed_addr *seen, uint8_t addr[16]);
void evil_link_up(struct sim_gateway *g);
