// SPDX-License-Identifier: BSD-3-Clause
//
// Who may knock at this hub: every gateway that is not revoked and every token that is remembered,
// each with its pair key, found by the rotating tag of a datagram.
//
// A stranger's datagram costs one binary search. The index holds each gate's three live tags and is
// made anew when the tag slot changes or a gate comes or goes. Not thread safe. Floor 3.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/name.h"
#include "config/types.h"
#include "controlplane/common/pair.h"

// Tokens per period; a plain bucket on the monotonic clock.
struct bucket {
	double level;
	uint64_t at_us;
};

bool bucket_take(struct bucket *b, double per_s, double burst, uint64_t now_us);

struct link;

struct gate {
	struct gate *next;
	bool is_token;
	int64_t gateway;             // row of the gateway
	uint8_t token_id[16];        // of the token
	char name[NAME_MAX_LEN + 1]; // the gateway's, "" of a token
	uint8_t pk[32];              // the gateway's
	struct pair pair;
	uint64_t m1_ts;
	uint64_t punch_ts;
	struct config_addr punch_from; // source of the newest PUNCH: its copies come from there
	bool punch_dirty;              // punch_ts is newer than the store's
	struct link *link;             // its established link, if any
	struct bucket knocks;
	struct bucket hellos;
	struct bucket records;
	struct bucket candidates;
	struct bucket renewals;
};

struct gate_tag {
	uint64_t tag;
	struct gate *gate;
};

struct gates {
	struct gate *first;
	unsigned n;
	struct gate_tag *index; // sorted by tag
	size_t n_index;
	uint64_t slot;
	bool dirty;
};

void gates_init(struct gates *g);
void gates_fini(struct gates *g); // wipes

// Add a gate under a secret; the caller fills the rest. NULL: out of memory.
struct gate *gates_add(struct gates *g, const uint8_t secret[32], const uint8_t th0[32]);
void gates_remove(struct gates *g, struct gate *gate); // wipes and frees; its link is gone before

struct gate *gates_of_gateway(struct gates *g, int64_t gateway);
struct gate *gates_of_token(struct gates *g, const uint8_t id[16]);

// Find whose datagram this is: tag live and mac right, so it is authentic. A handshake datagram of
// PUNCH or M1 only. NULL: nobody's. The ts rule is the caller's.
struct gate *gates_find(struct gates *g, const void *datagram, size_t len, uint64_t now_s);
