// SPDX-License-Identifier: BSD-3-Clause
//
// What the runtime adds to the frame path's types: a worker's loop state, its rings to control, and
// the process that holds them. Floor 4.
//
// struct runtime belongs to the main thread; struct worker_rt to its worker, except for the fields
// that say otherwise.
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/port.h"
#include "dataplane/worker_types.h"
#include "wire/cmd.h"
#include "wire/link.h"
#include "wire/sealed_ring.h"

struct keeper;
struct runtime;
struct stats_region;

#define RT_QUEUES_MAX 64 // receive queues that one worker polls
#define RT_NOTES      1024

// The rings of one attach of control to one worker. Made by the main thread, used by the worker
// alone, given back through worker_rt.retired.
struct ring_set {
	uint32_t generation;
	int doorbell_fd; // we write it when control has something to read
	struct sealed_ring ring[RING_KINDS];
};

// What one worker tells another about a session: only a session's home worker keeps its path.
enum note_kind {
	NOTE_SOURCE = 1, // to home: an authentic packet came from `path`
	NOTE_BLOCK = 2,  // to home: a path block came by `path`
	NOTE_PATH = 3,   // from home: use `path`
	NOTE_MTU = 4,    // from home: path.mtu
	NOTE_EPOCH = 5,  // from whoever heard it first: send under rx_key_id
	NOTE_PORT = 6,   // from home: send from the overlay port, or `own`; try the own one
};

struct note {
	uint8_t kind;
	uint8_t block_kind;
	uint8_t bytes; // of payload
	bool own;
	uint32_t slot;
	uint32_t wire_bytes; // of the IP packet it came in
	uint32_t rx_key_id;
	uint8_t payload[16];
	struct path_desc path;
};

// Frames that other workers send through one of our queues.
struct via {
	struct rte_ring *ring;
	struct port *port;
	uint16_t queue;
};

enum worker_state { WORKER_STARTING = 0, WORKER_RUNNING = 1, WORKER_STOPPING = 2 };

struct worker_rt {
	struct worker w;
	struct runtime *rt;
	unsigned lcore;
	uint16_t n_lan, n_wan, n_via, n_fds;
	bool adaptive;
	bool all_fds; // every polled queue has a descriptor to wait on
	struct port_rx lan[RT_QUEUES_MAX];
	struct port_rx wan[RT_QUEUES_MAX];
	struct via via[PORTS_MAX];
	int fds[RT_QUEUES_MAX + 1]; // what wakes an idle worker: queues, then wake_fd
	int wake_fd;
	uint32_t sleep_us;

	struct ring_set *rings; // NULL until control attached
	bool ring_doorbell;     // something was put on a ring since the last ring of the bell
	struct keeper *keeper;
	struct { // a CMD_DUMP under way
		bool active;
		uint32_t seq;
		uint32_t next; // slot
		struct cmd_head head;
	} dump;
	uint64_t busy_at_ns;
	uint64_t tick_at_ns;
	uint64_t loop_at_ns; // worker 0: the next probes for loops

	// Shared with other workers and the main thread.
	alignas(64) _Atomic(struct ring_set *) offered; // main → worker: take these rings
	_Atomic(struct ring_set *) retired;             // worker → main: done with these
	_Atomic uint32_t generation;                    // of rings in use
	_Atomic int state;                              // enum worker_state
	atomic_bool sleeping;                           // write wake_fd to be heard at once
	struct rte_ring *notes;                         // struct note; other workers write
};

struct runtime {
	const struct dataplane_config *cfg;
	struct dataplane dp;
	struct worker_rt *worker[WORKERS_MAX];
	struct port_rt port[PORTS_MAX]; // beside dp.port
	struct rte_mempool *pool;
	struct rte_mempool *super_pool; // NULL: no super-frames
	struct stats_region *stats;
	uint64_t boot_id;
	bool hugepages;
	bool aes_hw;
};

static inline struct worker_rt *worker_rt(struct worker *w)
{
	return w->runtime;
}
