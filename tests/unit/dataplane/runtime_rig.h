// SPDX-License-Identifier: BSD-3-Clause
//
// A whole data-plane process without devices: the real workers, rings, timers and link, on ports
// that are arrays; the test plays control, the wire and the clock. Two of them can be joined.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/gateway.h"
#include "dataplane/runtime.h"
#include "wire/cmd.h"
#include "wire/sealed_ring.h"

#define RT_LAN      0
#define RT_WAN      1
#define RT_SEGMENT  1
#define RT_SESSIONS 8
#define RT_FIFO     1024
#define RT_START_NS 1000000000000ull
#define RT_MS       1000000ull
#define RT_S        1000000000ull

struct rt_fifo {
	unsigned n;
	struct rte_mbuf *m[RT_FIFO];
};

struct rt_rig {
	struct runtime *rt;
	struct dataplane_config cfg;
	struct config_port ports[2];
	struct rt_fifo in[2], out[2];
	uint16_t cut_above; // IP packets above this many bytes are lost on the way out; 0 none
	bool one_port;      // what leaves from another than the overlay port is lost on the way
	uint8_t id;         // last byte of its addresses: 192.0.2.<id>
	// control's ends
	struct sealed_ring ctl[WORKERS_MAX][RING_KINDS];
	int bell[WORKERS_MAX];
	uint32_t seq;
};

// EAL without hugepages or devices, once a process; main is lcore 0 of n.
void rt_rig_init(unsigned n_lcores);
// The same with lcores where the caller wants them, as EAL's --lcores says it.
void rt_rig_init_at(const char *lcores);
// Another pool, for rigs made from now on; the first has no caches. Returns its name.
const char *rt_rig_pool(unsigned n_mbufs, unsigned cache, unsigned room_bytes);

struct rt_rig *rt_rig_create(uint8_t id, unsigned n_workers);
struct rt_rig_shape {
	unsigned n_workers;
	uint16_t n_queues; // of each port, shared out among the workers
	uint32_t n_sessions;
	uint32_t fdb_entries; // 0: 1024
};
struct rt_rig *rt_rig_create_shape(uint8_t id, const struct rt_rig_shape *shape);
void rt_rig_destroy(struct rt_rig *r);

// Fresh rings for all workers, taken at once.
void rt_rig_attach(struct rt_rig *r, uint32_t generation);

void rt_rig_clock(struct rt_rig *r, uint64_t now_ns);
// Every worker looks at its rings and timers once, then at its ports.
void rt_rig_turn(struct rt_rig *r);

// Put a command on a worker's ring; returns its seq.
uint32_t rt_rig_command(
	struct rt_rig *r, unsigned worker, struct cmd *c, uint16_t op, size_t bytes);
// The status of the acknowledgement for a command, after a turn; 1 when there is none.
int rt_rig_status(struct rt_rig *r, unsigned worker, uint32_t seq);
// Run one command on one worker and return its status.
int rt_rig_do(struct rt_rig *r, unsigned worker, struct cmd *c, uint16_t op, size_t bytes);
// The next event of this kind on a worker's ring; others before it are thrown away.
bool rt_rig_event(struct rt_rig *r, unsigned worker, uint16_t op, struct event *ret);

struct path_desc rt_rig_path(const struct rt_rig *from, const struct rt_rig *to);
// Keys of one more epoch of session 0 on every worker, to receive and to send, unused as yet.
void rt_rig_epoch(struct rt_rig *r, uint32_t key_id, bool server);
// Session 0 of both with each other: path, keys on every worker, sending under epoch 1.
void rt_rig_join(struct rt_rig *a, struct rt_rig *b);
// What a sent on its WAN port goes to b's, and back, until nothing moves or `turns` are over.
void rt_rig_carry(struct rt_rig *a, struct rt_rig *b, unsigned turns);
// Let time pass on both in steps of 10 ms, carrying what is sent.
void rt_rig_pass(struct rt_rig *a, struct rt_rig *b, uint64_t ns);

uint64_t rt_rig_drops(const struct rt_rig *r, unsigned reason);
void rt_rig_discard(struct rt_fifo *f);
