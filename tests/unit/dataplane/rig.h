// SPDX-License-Identifier: BSD-3-Clause
//
// Two gateways in one process, without ports: frames go in as arrays and come out as arrays.
//
// Each gateway has LAN port 0, WAN port 1 and LAN port 2, a number of workers that the one thread
// plays in turn, and sessions whose keys both sides know. For tests and for bench/path.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/aead.h"
#include "dataplane/fdb.h"
#include "dataplane/worker_types.h"

#define RIG_LAN      0
#define RIG_WAN      1
#define RIG_LAN2     2
#define RIG_SEGMENT  1
#define RIG_OUT_MAX  16384
#define RIG_SESSIONS 2048

struct rig_out { // what a port was given to send
	unsigned n;
	struct rte_mbuf *m[RIG_OUT_MAX];
};

struct rig_event {
	uint16_t op;
	uint32_t slot;
	uint32_t rx_key_id;
};

struct rig_gateway {
	struct dataplane dp;
	struct worker *w[WORKERS_MAX];
	struct rig_out out[PORTS_MAX];
	uint8_t id; // last byte of its addresses
	// what the hooks saw
	unsigned n_punted, n_lane0, n_foreign, n_path_blocks, n_new_sources;
	uint8_t path_kind;
	uint8_t path_payload[16];
	uint32_t punt_slot;
	struct path_desc new_source; // the way back to it
	unsigned n_events;
	struct rig_event event[64];
};

struct rig_options {
	unsigned n_workers;
	uint32_t fdb_entries; // 0: 4096
	bool vlan_aware;      // segment 1
	uint32_t bum_pps;
	uint16_t lan_mtu; // 0: 9216
	uint16_t wan_mtu; // 0: 9216
	uint32_t reassembly_bytes;
	bool super; // takes super-frames, and gives them to RIG_LAN; RIG_LAN2 takes none
	enum aead_arch arch;
};

// EAL without hugepages, shared files or devices, once a process. Returns the packet pool.
struct rte_mempool *rig_init(unsigned n_mbufs, unsigned room_bytes);
// The pool alone, for a process that has started EAL itself; gateways made from now on use it.
struct rte_mempool *rig_pool(unsigned n_mbufs, unsigned room_bytes);
// Packets of the pool that are in nobody's hands; and buffers for super-frames.
unsigned rig_free_mbufs(void);
unsigned rig_free_supers(void);
struct rte_mbuf *rig_super(const uint8_t *data, unsigned bytes, uint16_t size);

struct rig_gateway *rig_gateway(uint8_t id, const struct rig_options *o);
void rig_gateway_free(struct rig_gateway *g);

// Sessions `slot` of a and b with each other: member of segment 1, path of this MTU, one lane for
// each worker, one epoch of this generation; a is client. Both may send at once.
void rig_join(
	struct rig_gateway *a, struct rig_gateway *b, uint32_t slot, uint16_t mtu, uint8_t cipher);
// A further epoch on both sides, installed and not yet sent under.
void rig_epoch(struct rig_gateway *a, struct rig_gateway *b, uint32_t slot, uint8_t generation,
	uint8_t cipher);
int rig_switch(struct rig_gateway *g, uint32_t slot, uint8_t generation);
int rig_retire(struct rig_gateway *g, uint32_t slot, uint8_t generation);
struct path_desc rig_path(
	const struct rig_gateway *from, const struct rig_gateway *to, uint16_t mtu, uint8_t family);

void rig_clock(struct rig_gateway *g, uint64_t now_ns);

// A frame in a fresh packet: addresses 02:00:00:00:<dst>, ethertype 0x88b5, content from `seed`.
struct rte_mbuf *rig_frame(uint32_t dst, uint32_t src, unsigned bytes, uint32_t seed);
bool rig_frame_is(
	const struct rte_mbuf *m, uint32_t dst, uint32_t src, unsigned bytes, uint32_t seed);
struct rte_mbuf *rig_bytes(const uint8_t *data, unsigned bytes);
void rig_mac(uint8_t mac[6], uint32_t number);

// A packet of session `slot` with these blocks and this counter, sealed by g's worker 0.
struct rte_mbuf *rig_seal(struct rig_gateway *g, uint32_t slot, const uint8_t *blocks,
	unsigned bytes, uint64_t counter);

// Put frames in at a port of worker w and flush.
void rig_in(struct rig_gateway *g, unsigned w, unsigned port_idx, struct rte_mbuf **m, unsigned n);
// All that a sent on its WAN port goes to b's; each packet to b's worker `w`; then hand-offs run.
void rig_carry(struct rig_gateway *a, struct rig_gateway *b, unsigned w);
void rig_settle(struct rig_gateway *g); // hand-offs, until nothing moves
void rig_discard(struct rig_out *o);
void rig_learn(struct rig_gateway *g); // the main lcore's turn

uint64_t rig_drops(const struct rig_gateway *g, enum drop_reason why); // of all workers
uint64_t rig_all_drops(const struct rig_gateway *g);
bool rig_had_event(const struct rig_gateway *g, uint16_t op);
