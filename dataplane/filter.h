// SPDX-License-Identifier: BSD-3-Clause
//
// What handshake datagrams and lane-0 packets meet before control sees them (PROTOCOL.md §8, §14):
// tag → mac → time stamp → rate. Nothing here answers anybody. Thread: the worker. Floor 3.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/outer.h"

struct worker;

// A datagram of type 0x10..0x14. Returns false with the reason: HS_SHAPE, HS_TAG, HS_ROLE, HS_MAC,
// HS_TS, HS_DUPLICATE, PUNT_BUCKET.
bool filter_handshake(struct worker *w, const struct outer_view *v, uint32_t *ret_slot,
	enum drop_reason *ret_reason);

// A lane-0 packet of a known epoch. Returns false with the reason: LANE0_SHAPE, LANE0_SOURCE,
// LANE0_BUCKET.
//
// A packet from elsewhere than the session's path passes a much narrower bucket of its own: after a
// change of address the first control packet may be the one that tells, and a forger who knows the
// key_id must not use up the share of the path.
bool filter_lane0(struct worker *w, uint32_t slot, const struct outer_view *v, uint8_t port_idx,
	enum drop_reason *ret_reason);
