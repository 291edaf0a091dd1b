// SPDX-License-Identifier: BSD-3-Clause
//
// Control's end of the link to the data-plane: the socket, the sealed rings, the stats pages.
//
// Everything that comes out of it is written by a process that may be hostile: sizes, ops, indexes
// and ranges are checked here, so that the callbacks see well-formed values only; what the values
// mean is for the callee to doubt. No callback may destroy the link. Loop thread only. Floor 4.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "wire/cmd.h"
#include "wire/link.h"
#include "wire/stats.h"

struct dplink;

// Ties a run of commands together: done() comes once, when every one of them was answered.
#define DPLINK_NO_GROUP 0u

struct dplink_ops {
	// Every worker serves our rings. The data-plane may be new (other boot_id) or the same.
	void (*attached)(void *ctx, const struct link_hello *hello);
	// The data-plane is gone; all groups are forgotten. A new attempt follows by itself.
	void (*detached)(void *ctx);
	void (*event)(void *ctx, const struct event *event);
	void (*punt)(void *ctx, const struct punt *punt, bool is_lane0);
	// status: 0, or the first -errno among the answers.
	void (*done)(void *ctx, uint32_t group, int status);
};

// One page of the forwarding table; status is 0 or -errno and then fdb is NULL.
typedef void dplink_fdb_fn(void *ctx, int status, const struct link_fdb *fdb);

int dplink_create(uv_loop_t *loop, const char *socket_path, const struct dplink_ops *ops, void *ctx,
	struct dplink **ret);
void dplink_destroy(struct dplink *dp); // accepts NULL

bool dplink_ready(const struct dplink *dp);
// Facts of the attached data-plane; NULL when there is none.
const struct link_hello *dplink_hello(const struct dplink *dp);
// Its counters, which it may change at any moment; NULL when there are none.
const struct stats_head *dplink_stats_head(const struct dplink *dp);
const struct stats_worker *dplink_stats_worker(const struct dplink *dp, unsigned worker);
const struct stats_session *dplink_stats_session(
	const struct dplink *dp, unsigned worker, uint32_t slot);

// Begin a group; commands sent with its number count towards it. End it when all are sent: an empty
// group is done at once (from the loop, not from inside this call). Number 0 is never used.
uint32_t dplink_group_begin(struct dplink *dp);
void dplink_group_end(struct dplink *dp, uint32_t group);

// Send one command; head.bytes and head.seq are filled in, and *cmd is wiped. A full ring is no
// error: the command waits here. -ENOTCONN without a data-plane.
int dplink_command(struct dplink *dp, unsigned worker, struct cmd *cmd, uint32_t group);
// The same to every worker.
int dplink_command_all(struct dplink *dp, struct cmd *cmd, uint32_t group);

// Send one datagram from the overlay port. -EAGAIN: ring full, drop it; -ENOTCONN.
int dplink_inject(struct dplink *dp, unsigned worker, const struct inject *inject);

// True when more than half of some punt ring is waiting: time for RETRY (PROTOCOL.md §8).
bool dplink_overloaded(const struct dplink *dp);

// Replace the set of live receive tags. tags: n × 8 bytes.
int dplink_tags(struct dplink *dp, const uint8_t (*tags)[8], size_t n);

int dplink_fdb_get(struct dplink *dp, uint32_t cursor, dplink_fdb_fn *fn, void *ctx);
int dplink_fdb_flush(struct dplink *dp, uint32_t session);
