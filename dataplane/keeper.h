// SPDX-License-Identifier: BSD-3-Clause
//
// What keeps a session's path alive and honest, between control's visits: keepalives, path
// challenges, path MTU discovery, deadlines (PROTOCOL.md §9).
//
// A session's home worker (slot % n_workers) decides; the others pass on what they see and are told
// what to use. Time comes from the worker's clock (CLOCK_BOOTTIME). Thread: the worker. Floor 4.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/outer.h"

struct cmd_path;
struct worker;
struct worker_rt;

#define KEEPER_TICK_NS     10000000ull    // keeper_tick() is due this often
#define KEEPER_VISIT_NS    100000000ull   // and looks at each session about this often
#define KEEPALIVE_MISSED   3              // of the peer's: the path is dead
#define QUOTA_TELL_NS      60000000000ull // EV_MAC_QUOTA at most this often
#define CHALLENGE_RETRY_NS 250000000ull
#define CHALLENGE_TRIES    3

int keeper_create(struct worker_rt *rt);
void keeper_destroy(struct worker_rt *rt);

bool keeper_is_home(const struct worker_rt *rt, uint32_t slot);

// Home worker: begin or forget a session's timers. Calling new again changes nothing.
int keeper_session_new(struct worker_rt *rt, uint32_t slot);
void keeper_session_gone(struct worker_rt *rt, uint32_t slot);

// Every worker: control resolved a path. What was found about the same path's MTU is kept; on a new
// one the home worker starts from the base and searches up to what control says it could be.
int keeper_path_set(struct worker_rt *rt, const struct cmd_path *c);

// Every worker: a handshake came about by way of this path, too. The home worker challenges those
// that are tried; the first that answers is used, and without an answer the session stays where it
// is. errors: -ENOENT no session.
int keeper_path_try(struct worker_rt *rt, const struct cmd_path *c);

// Do what is due. Call it every KEEPER_TICK_NS.
void keeper_tick(struct worker_rt *rt);

// Take what other workers passed on. Returns how many.
unsigned keeper_notes(struct worker_rt *rt);

// The hooks of worker_types.h.
void keeper_path_block(struct worker *w, uint32_t slot, uint8_t kind, const uint8_t *payload,
	uint16_t bytes, const struct outer_view *v, uint8_t port_idx);
void keeper_new_epoch(struct worker *w, uint32_t slot, uint32_t rx_key_id);
void keeper_new_source(
	struct worker *w, uint32_t slot, const struct outer_view *v, uint8_t port_idx);
