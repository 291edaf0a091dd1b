// SPDX-License-Identifier: BSD-3-Clause
//
// What a worker is made of, and what it shares with the others. Floor 3.
//
// struct dataplane is made at start and read only afterwards, except where a field says otherwise.
// A struct worker is written by its own thread only; the runtime fills the first group before it
// runs.
#pragma once

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/batch.h"
#include "dataplane/loop.h"
#include "dataplane/outer.h"
#include "dataplane/segment.h"
#include "dataplane/session.h"
#include "dataplane/super.h"
#include "wire/drop.h"
#include "wire/link.h"
#include "wire/stats.h"

struct aead;
struct fdb;
struct rte_mempool;
struct rte_ring;
struct rte_hash;
struct stream_inners;
struct stream_rx;
struct worker;
struct port;

#define PORTS_MAX      LINK_PORTS_MAX
#define WORKERS_MAX    LINK_WORKERS_MAX
#define PORT_TX_MAX    256 // frames buffered before they are handed to the port
#define PORT_LOCAL_MAX 8

// Receive or send up to n packets on one queue; returns how many. Like rte_eth_rx_burst and
// _tx_burst, behind a pointer so that a port need not be an ethdev.
typedef uint16_t (*port_burst_fn)(struct port *p, uint16_t queue, struct rte_mbuf **m, uint16_t n);

struct port { // written at start
	uint8_t idx;
	uint8_t role; // LINK_ROLE_*
	uint16_t dpdk_port;
	uint16_t mtu;             // largest IP packet
	uint16_t be_overlay_port; // WAN
	uint8_t mac[6];
	bool super; // takes super-frames
	port_burst_fn rx;
	port_burst_fn tx;
	uint64_t (*missed)(const struct port *p); // frames lost before rx; any thread
	void *ctx;                                // of these
};

// These are for an ethdev.
uint16_t port_eth_rx(struct port *p, uint16_t queue, struct rte_mbuf **m, uint16_t n);
uint16_t port_eth_tx(struct port *p, uint16_t queue, struct rte_mbuf **m, uint16_t n);
uint64_t port_eth_missed(const struct port *p);

struct port_rx { // one receive queue that a worker polls
	struct port *port;
	uint16_t queue;
};

struct port_tx {           // one worker's way out of one port
	struct port *port; // NULL: this worker cannot send there
	struct rte_ring
		*via; // not NULL: the queue is another worker's; pointers go here (MP enqueue)
	uint16_t queue;
	uint16_t n;
	struct rte_mbuf *m[PORT_TX_MAX];
};

// What the frame path asks of the runtime. Called on the worker's thread; none may block. Packets
// given are given away.
struct worker_hooks {
	// A handshake datagram that passed tag, mac and ts of session `slot`.
	void (*punt)(struct worker *w, struct rte_mbuf *m, const struct outer_view *v,
		uint8_t port_idx, uint32_t slot);
	// A lane-0 packet under a live key_id, not authenticated.
	void (*lane0)(struct worker *w, struct rte_mbuf *m, const struct outer_view *v,
		uint8_t port_idx, uint32_t slot);
	// An authentic block of kind 4..7; v says by which way it came. The payload is a view.
	void (*path_block)(struct worker *w, uint32_t slot, uint8_t kind, const uint8_t *payload,
		uint16_t bytes, const struct outer_view *v, uint8_t port_idx);
	// An authentic packet came from elsewhere than the session's path; at most one call a burst
	// and session.
	void (*new_source)(
		struct worker *w, uint32_t slot, const struct outer_view *v, uint8_t port_idx);
	// A WAN frame that is not for the overlay: ARP, ssh, other ports. NULL: it is dropped.
	void (*foreign)(struct worker *w, struct rte_mbuf *m, uint8_t port_idx);
	// EV_NEW_EPOCH, EV_SOFT_LIMIT, EV_EXPIRED, EV_FORGERIES, EV_FIRST_FRAME, EV_MAC_QUOTA,
	// EV_LOOP.
	void (*event)(struct worker *w, uint16_t op, uint32_t slot, uint32_t rx_key_id,
		uint32_t lane, uint64_t count);
};

struct dataplane {
	struct segment_table segments;
	struct fdb *fdb;
	uint16_t n_ports;
	uint16_t n_workers;
	uint32_t max_sessions;
	struct port port[PORTS_MAX];
	struct worker *worker[WORKERS_MAX];
	// written by workers while they run
	struct guard_heard heard[SEGMENTS_MAX];
	struct loop loop;
};

struct handoff { // one element of a worker's inbox (rte_ring, 16-byte elements, MP/SC)
	struct rte_mbuf *m;
	uint32_t slot;    // frames
	uint8_t kind;     // HANDOFF_*
	uint8_t segment;  // frames
	uint8_t port_idx; // datagrams: where they came in
	uint8_t reserved;
};
enum { HANDOFF_DATAGRAM = 1, HANDOFF_FRAME = 2 };
#define HANDOFF_SLOTS 4096

struct report_memo { // an address that this worker has told the table's writer of
	uint64_t key;
	uint32_t dst;
	uint32_t at_s;
};
#define REPORT_MEMO_BITS  10
#define REPORT_MEMO_SLOTS (1 << REPORT_MEMO_BITS)
#define WORKER_SPARE      64 // packets taken from the pool at once

struct worker {
	// group 0: filled by the runtime before the worker runs, then read only
	struct dataplane *dp;
	struct rte_mempool
		*pool; // for every packet and frame made; data room by the largest port MTU
	struct rte_mempool *super_pool; // for super-frames; NULL where no port takes them
	struct aead *aead;
	const struct worker_hooks *hooks;
	void *runtime; // the runtime's own
	struct stats_worker *stats;
	struct stats_session *session_stats; // [max_sessions]
	struct rte_ring *inbox;              // struct handoff; other workers write, we read
	uint16_t id;
	uint16_t numa;

	// group 1: written by the runtime once a round, on this thread
	alignas(64) uint64_t now_ns; // CLOCK_BOOTTIME
	uint32_t now_s;              // of now_ns
	uint32_t reserved;

	// group 2: written by the pipeline, on this thread
	struct session *sessions; // [max_sessions]
	struct rte_hash *tags;    // receive tag → slot and pair
	struct stream_rx *stream; // split frames on their way in
	struct flood *flood;
	struct report_memo *reported; // [REPORT_MEMO_SLOTS]
	struct stream_inners *inners; // frames between unpacking and delivery
	uint64_t install_seq;
	uint16_t n_spare;
	struct rte_mbuf *spare[WORKER_SPARE];
	struct port_tx tx[PORTS_MAX];
};

// Make what group 2 needs; group 0 is filled in. reassembly_bytes: memory for split frames (16 MiB
// when 0). errors: -ENOMEM, -EINVAL.
int worker_state_create(struct worker *w, uint32_t reassembly_bytes);
void worker_state_destroy(struct worker *w);

// What is buffered for one port is handed to it, or what port_tx() does when it cannot be.
void port_tx_full(struct worker *w, uint8_t port_idx);
void port_tx_down(struct worker *w, struct rte_mbuf *m);
// Hand all buffered frames to their ports; what a port does not take is counted and freed. The loop
// calls it after each lan_to_wan, wan_to_lan and handoff round.
void port_tx_flush(struct worker *w);

// Have at least n ≤ WORKER_SPARE packets in reserve, so that the next n calls of worker_mbuf()
// succeed; false, counted as DROP_NO_MBUF, when the pool has none.
bool worker_mbuf_reserve(struct worker *w, unsigned n);
// Give back frames that were read: at once to the pool where they are the pool's own, else one by
// one.
void worker_mbuf_free(struct worker *w, struct rte_mbuf **m, unsigned n);
// A packet could not take a frame of so many bytes: counted as DROP_TX_MTU.
void worker_mbuf_short(struct worker *w, struct rte_mbuf *m);
// A fresh buffer for a super-frame, or NULL (counted as DROP_NO_MBUF).
struct rte_mbuf *worker_super_mbuf(struct worker *w);
// A copy of a frame, super or not, or NULL.
struct rte_mbuf *worker_frame_copy(struct worker *w, const struct rte_mbuf *m);

// Count a drop. n frames or packets.
static inline void worker_drop(struct worker *w, enum drop_reason reason, unsigned n)
{
	w->stats->drops[reason] += n;
}

// A fresh single-segment packet, or NULL (counted as DROP_NO_MBUF).
//
// Packets lie in the pool unshared and single (rte_mbuf_raw_alloc()), so that only their first line
// is written here, and the next one's is fetched meanwhile.
static inline struct rte_mbuf *worker_mbuf(struct worker *w)
{
	static const uint16_t rearm[] = {RTE_PKTMBUF_HEADROOM, 1, 1, RTE_MBUF_PORT_INVALID};
	struct rte_mbuf *m;

	if (unlikely(w->n_spare == 0) && !worker_mbuf_reserve(w, 1))
		return NULL;
	m = w->spare[--w->n_spare];
	rte_prefetch0(w->spare[w->n_spare == 0 ? 0 : w->n_spare - 1]);
	static_assert(
		offsetof(struct rte_mbuf, data_off) % 8 == 0 &&
			offsetof(struct rte_mbuf, port) == offsetof(struct rte_mbuf, data_off) + 6,
		"data_off, refcnt, nb_segs and port are one store");
	memcpy(&m->data_off, rearm, sizeof(rearm));
	m->ol_flags = 0;
	m->packet_type = 0;
	m->pkt_len = 0;
	m->data_len = 0;
	m->vlan_tci = 0;
	return m;
}

// Copy a frame. The short ones by 16 bytes, the last of which may overlap: a call of memcpy() costs
// as much as their copy.
static inline void worker_copy(uint8_t *to, const uint8_t *from, unsigned bytes)
{
	typedef uint64_t b16 __attribute__((vector_size(16), aligned(1), may_alias));

	if (bytes - 16 > 128 - 16) { // shorter than 16 wraps
		memcpy(to, from, bytes);
		return;
	}
	for (unsigned at = 0; at < bytes - 16; at += 16)
		*(b16 *)(to + at) = *(const b16 *)(from + at);
	*(b16 *)(to + bytes - 16) = *(const b16 *)(from + bytes - 16);
}

// A copy of some bytes in a fresh packet, or NULL (counted).
static inline struct rte_mbuf *worker_mbuf_copy(
	struct worker *w, const uint8_t *data, unsigned bytes)
{
	struct rte_mbuf *m = worker_mbuf(w);

	if (unlikely(m == NULL))
		return NULL;
	if (unlikely(rte_pktmbuf_tailroom(m) < bytes)) {
		worker_mbuf_short(w, m);
		return NULL;
	}
	worker_copy(rte_pktmbuf_mtod(m, uint8_t *), data, bytes);
	m->data_len = bytes;
	m->pkt_len = bytes;
	return m;
}

// Take a packet back into the reserve, if it is one that worker_mbuf() could give.
static inline void worker_mbuf_back(struct worker *w, struct rte_mbuf *m)
{
	if (likely(w->n_spare < WORKER_SPARE && m->pool == w->pool && m->nb_segs == 1 &&
		    RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1))
		w->spare[w->n_spare++] = m;
	else
		rte_pktmbuf_free(m);
}

// Buffer a frame for a port; takes the packet. Hands over when the buffer is full.
static inline void port_tx(struct worker *w, uint8_t port_idx, struct rte_mbuf *m)
{
	struct port_tx *tx = &w->tx[port_idx];

	if (unlikely(tx->port == NULL)) {
		port_tx_down(w, m);
		return;
	}
	tx->m[tx->n++] = m;
	if (unlikely(tx->n == PORT_TX_MAX))
		port_tx_full(w, port_idx);
}
