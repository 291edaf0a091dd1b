// SPDX-License-Identifier: BSD-3-Clause
//
// Packets of a path itself: keepalives, probes, challenges (PROTOCOL.md §6 kinds 4..7, §9). This is
// the block level; timers and decisions are the runtime's, behind struct worker_hooks.
//
// Thread: the worker. Floor 3.
#pragma once

#include <stdint.h>

struct outer_path;
struct worker;

// Send one packet with one block on `to` (NULL: the session's path, from the overlay port), padded
// so that the IP packet has `ip_bytes` (0: no padding). kind 0 is a keepalive: no block at all.
//
// Uses this worker's transmit lane of the session. errors: -ENOENT no session or path, -ENOKEY no
// key to send under, -ENOBUFS, -EMSGSIZE.
int path_send(struct worker *w, uint32_t slot, const struct outer_path *to, uint8_t kind,
	const uint8_t *payload, uint16_t payload_bytes, uint16_t ip_bytes);
