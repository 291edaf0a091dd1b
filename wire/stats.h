// SPDX-License-Identifier: BSD-3-Clause
#pragma once
// Counters that the data-plane publishes and anybody handed the memfd reads: one file, written by
// the workers with plain relaxed stores, sealed so that only the data-plane's own map can write
// (F_SEAL_FUTURE_WRITE). Reading costs the workers nothing. All counts only rise.
//
//	struct stats_head · struct stats_worker[n_workers] · struct
// stats_session[n_workers][n_sessions]
//
// Each worker writes its own rows only; the reader adds them up. Row [w][slot] of stats_session is
// also the account of data lane w + 1 as sender. Floor 0.

#include <assert.h>
#include <stdint.h>

#define STATS_MAGIC    0x53545350 // "PSTS"
#define STATS_PORTS    16         // LINK_PORTS_MAX
#define STATS_SEGMENTS 256
#define STATS_DROPS    128 // room for every reason of wire/drop.h

struct stats_head {
	uint32_t magic;
	uint32_t version; // SHM_VERSION
	uint32_t n_workers;
	uint32_t n_ports;
	uint32_t n_sessions;
	uint32_t n_mbufs;
	uint64_t boot_id;
	uint64_t worker_offset;  // bytes from the start to stats_worker[0]
	uint64_t session_offset; // to stats_session[0][0]
	uint64_t total_bytes;
	uint64_t mbufs_free; // of the packet pool, about once a second; may fall
};

struct stats_port {
	uint64_t rx_frames;
	uint64_t rx_bytes;
	uint64_t tx_frames;
	uint64_t tx_bytes;
	uint64_t tx_dropped; // the port did not take them
	uint64_t rx_missed;  // lost before us, as the driver tells; written by one worker
	uint64_t reserved[2];
};

struct stats_segment {
	uint64_t lan_frames;  // from LAN ports
	uint64_t peer_frames; // from peers
	uint64_t flooded;     // copies made for broadcast, multicast, unknown
	uint64_t storm_drops;
	uint64_t cut; // places cut off for a loop, now; worker 0's row
};

struct stats_worker {
	uint64_t rounds;
	uint64_t idle_rounds;
	uint64_t sleeps;
	uint64_t handed_off; // packets given to the lane's owner
	uint64_t punted;
	uint64_t injected;
	uint64_t reserved[2];
	uint64_t drops[STATS_DROPS]; // by enum drop_reason
	struct stats_port port[STATS_PORTS];
	struct stats_segment segment[STATS_SEGMENTS];
};

// One peer at one worker.
struct stats_session {
	uint64_t rx_frames;  // inner frames delivered
	uint64_t rx_bytes;   // of inner frames
	uint64_t rx_packets; // authentic data packets
	uint64_t rx_wire_bytes;
	uint64_t tx_frames;
	uint64_t tx_bytes;
	uint64_t tx_packets;
	uint64_t tx_wire_bytes;
	uint64_t drops;      // packets and frames of this peer dropped for any reason
	uint64_t forgeries;  // packets that failed authentication
	uint64_t last_rx_ns; // CLOCK_BOOTTIME of the last authentic packet, coarse
	uint64_t learned_macs;
	uint64_t reserved[4];
};

static_assert(sizeof(struct stats_head) == 64, "bump SHM_VERSION");
static_assert(sizeof(struct stats_worker) % 64 == 0, "workers' rows must not share a line");
static_assert(sizeof(struct stats_session) == 128, "workers' rows must not share a line");
