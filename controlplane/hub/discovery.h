// SPDX-License-Identifier: BSD-3-Clause
//
// Introductions: intents are kept, and shown only to the gateway that they name, once that
// gateway's own intent names the sender.
//
// The hub verifies what it stores, but nobody relies on that: gateways check everything themselves
// (PROTOCOL.md §3). One intent serves one match. When a newer intent meets one that has served,
// only the owner of the latter is told, so that he publishes a fresh one (§14). Sealed candidates
// are relayed between the two of a match, the newest of each direction being kept for one who is
// away. Loop thread only. Floor 4.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "controlplane/hub/hub.h"
#include "controlplane/hub/links.h"
#include "wire/record.h"

int discovery_create(struct hub *h, struct discovery **ret_discovery);
void discovery_destroy(struct discovery *d); // accepts NULL

void discovery_put(struct hub *h, struct link *l, const struct record_put_intent *put);
void discovery_drop(struct hub *h, struct link *l, const struct record_drop_intent *drop);
void discovery_candidates(struct hub *h, struct link *l, const struct record_candidates *c,
	const uint8_t *body, size_t len);

// A gateway was revoked: its intents go, and those matched with it are told.
void discovery_forget(struct hub *h, int64_t gateway);

// Once a minute: intents whose time is over.
void discovery_expire(struct hub *h, uint64_t now);
