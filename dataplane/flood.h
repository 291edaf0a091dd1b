// SPDX-License-Identifier: BSD-3-Clause
//
// Broadcast, unknown unicast and multicast: who gets a copy, and how many a second.
//
// Each worker has its own lists and limits. Split horizon is in the callers: a frame from a peer is
// offered to LAN attachments only. Floor 3.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/bucket.h"
#include "dataplane/segment.h"

struct worker;

// A burst that may pass before the limit bites, in seconds of the limit's own rate: 1/4.
#define FLOOD_BURST_NS 250000000ull

struct flood_peers { // of one segment, by session slot
	uint32_t n;
	uint32_t capacity;
	uint32_t *slot;
};

struct flood {
	struct flood_peers peers[SEGMENTS_MAX];
	struct bucket lan[ATTACHMENTS_MAX];
	struct bucket *peer; // by session slot
};

// errors: -ENOMEM
int flood_create(struct worker *w);
void flood_destroy(struct worker *w);

// errors: -ENOMEM
int flood_join(struct worker *w, uint8_t segment, uint32_t slot);
void flood_leave(struct worker *w, uint8_t segment, uint32_t slot);

// Whether one more flooded packet of an attachment or peer, of so many frames, may pass now.
bool flood_allows_lan(
	struct worker *w, const struct segment *s, uint16_t attachment, unsigned frames);
bool flood_allows_peer(struct worker *w, const struct segment *s, uint32_t slot, unsigned frames);
