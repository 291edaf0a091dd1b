// SPDX-License-Identifier: BSD-3-Clause
//
// Datagrams and events between a worker and control: up through the punt, lane-0 and event rings,
// down through the inject ring.
//
// Thread: the worker. Nothing here waits: what a ring does not take is dropped and counted. The
// doorbell is rung once a round at most, however much was put on the rings. Floor 4.
#pragma once

#include <stdint.h>

#include "dataplane/outer.h"
#include "wire/cmd.h"

struct rte_mbuf;
struct worker;
struct worker_rt;

#define INJECT_BURST 32 // datagrams taken down in one go

// The hooks of worker_types.h.
void punt_handshake(struct worker *w, struct rte_mbuf *m, const struct outer_view *v,
	uint8_t port_idx, uint32_t slot);
void punt_lane0(struct worker *w, struct rte_mbuf *m, const struct outer_view *v, uint8_t port_idx,
	uint32_t slot);
void punt_event(struct worker *w, uint16_t op, uint32_t slot, uint32_t rx_key_id, uint32_t lane,
	uint64_t count);

// Send an event up; fills worker and time, the rest is the caller's. A full ring loses it: control
// asks for the whole state (CMD_DUMP) when it attaches. Returns whether it went.
bool punt_event_send(struct worker_rt *rt, struct event *ev);

// Send what control put on the inject ring, at most INJECT_BURST. Returns how many were taken.
unsigned punt_inject(struct worker_rt *rt);

// Ring control's doorbell if something was put on a ring since the last time.
void punt_ring_doorbell(struct worker_rt *rt);
