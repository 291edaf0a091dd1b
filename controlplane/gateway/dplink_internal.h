// SPDX-License-Identifier: BSD-3-Clause
//
// What the parts of the data-plane link share: dplink.c holds the socket, dplink_worker.c the
// rings, dplink_command.c commands and their answers. Loop thread only. Floor 4.
#pragma once

#include <sys/un.h>

#include "controlplane/gateway/dplink.h"
#include "wire/sealed_ring.h"

#define PENDING_SLOTS (2 * RING_CMD_SLOTS)
#define GROUPS_MAX    4096
#define ASKS_MAX      16
#define UNSENT_MAX    256 // messages that the socket had no room for

// A command not answered yet.
struct pending {
	uint32_t seq; // 0: free
	uint32_t group;
	uint16_t op;
};

struct waiting_cmd {
	struct cmd cmd;
	uint32_t group;
};

// Commands that the ring had no room for, in order.
struct backlog {
	struct waiting_cmd *cmds;
	size_t head, n, cap;
};

struct worker_link {
	struct dplink *dp;
	unsigned idx;
	struct sealed_ring ring[RING_KINDS];
	int doorbell;
	uv_poll_t *poll; // owned by the loop until its close callback
	uint32_t next_seq;
	struct pending pending[PENDING_SLOTS];
	struct backlog backlog;
};

struct group {
	uint32_t id; // 0: free
	uint32_t n_open;
	int status;
	bool ended;
};

struct ask {
	uint32_t seq;
	dplink_fdb_fn *fn;
	void *ctx;
};

struct unsent {
	void *msg;
	size_t bytes;
};

enum link_state { LINK_DOWN, LINK_WAIT_HELLO, LINK_WAIT_STATUS, LINK_UP };

struct dplink {
	uv_loop_t *loop;
	struct sockaddr_un addr;
	const struct dplink_ops *ops;
	void *ctx;
	enum link_state state;
	int fd;
	uv_poll_t *poll;
	uv_timer_t retry;
	uv_timer_t stalled;
	unsigned n_closing;
	unsigned n_retries; // since it was last up
	bool destroyed, told_absent;
	uint32_t generation;
	uint32_t seq;
	uint32_t rings_seq;
	struct link_hello hello;
	const uint8_t *stats;
	size_t stats_bytes;
	size_t stats_workers, stats_sessions; // offsets, taken once
	struct worker_link *worker[LINK_WORKERS_MAX];
	uint32_t next_group;
	struct group group[GROUPS_MAX];
	struct ask ask[ASKS_MAX];
	struct unsent unsent[UNSENT_MAX]; // in order, from unsent_head on
	unsigned unsent_head, n_unsent;
};

// dplink.c
int dplink_adopt(
	struct dplink *dp, int fd); // a connected socket, which it closes; it does not block
void dplink_free_handle(uv_handle_t *handle);

// dplink_worker.c
int dplink_worker_create(struct dplink *dp, unsigned idx, struct worker_link **ret_worker);
void dplink_worker_destroy(struct worker_link *w); // accepts NULL
int dplink_worker_send_rings(struct dplink *dp, struct worker_link *w);
int dplink_worker_start(struct worker_link *w); // listen to its doorbell

// dplink_command.c
void dplink_accept_ack(struct worker_link *w, const struct event_ack *ack);
