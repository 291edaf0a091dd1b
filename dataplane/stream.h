// SPDX-License-Identifier: BSD-3-Clause
//
// The frame stream (PROTOCOL.md §6, §14): frames packed into packets, split where they do not fit,
// and put together again after authentication.
//
// Nothing ever waits to be packed: what a burst brings is sealed and sent before the burst ends.
// Thread: the worker. Floor 3.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct lane_rx;
struct outer_view;
struct rte_mbuf;
struct worker;

#define STREAM_OPEN_MAX        64 // frames or pieces that one lane may hold
#define STREAM_HOLD_NS         100000000ull
#define STREAM_BUDGET_DEFAULT  (16u << 20)
#define STREAM_INNER_MAX       1024
// A packet carries at most this many frames: 9216 / (block header + smallest frame).
#define STREAM_INNER_OF_PACKET 512

// ---- LAN → WAN

struct stream_frame {
	const uint8_t *data;
	struct rte_mbuf *m; // the frame's own packet, if it may be taken: set to NULL when it was
	uint16_t bytes;
	uint16_t super; // not 0: a super-frame, and the payload of its segments
	uint8_t segment;
	uint8_t dscp; // upper six bits
};

// Pack n frames for one session, seal and send them; drops are counted.
//
// in:    f in order of arrival; the order is kept. Frames are read; where f->m may be taken, a lone
//        frame is sealed in its own packet, and bytes before a piece of a large one are
//        overwritten. A super-frame goes whole to a peer that takes it, else as its segments.
// drops: NO_SESSION, NO_PATH, TX_EXPIRED, TX_COUNTER_CAP, NO_MBUF, CRYPTO, HANDOFF_FULL,
//        SUPER_INVALID
void stream_pack(struct worker *w, uint32_t slot, struct stream_frame *const *f, unsigned n);

// ---- WAN → LAN

struct stream_inner { // one frame on its way to the LAN
	struct rte_mbuf *m;
	uint32_t slot; // whose
	uint8_t segment;
};

struct stream_inners {
	unsigned n;
	struct stream_inner frame[STREAM_INNER_MAX];
};

// One authentic packet.
struct stream_packet {
	struct rte_mbuf *m; // taken
	uint8_t *data;      // plaintext: in m, or behind the frame that it continues
	uint32_t bytes;
	struct rte_mbuf *home; // that frame, or NULL
	uint8_t under[4];      // home's last bytes, over which data begins
	uint64_t counter;
	uint32_t slot;
	uint8_t port_idx; // where it came in
	struct lane_rx *lane;
	const struct outer_view *view;
};

// errors: -ENOMEM
int stream_rx_create(struct worker *w, uint32_t budget_bytes);
void stream_rx_destroy(struct worker *w);

// Before a packet is opened in m: where its first piece belongs, if that is most of it. There it
// needs no copy. What was written behind a frame by a packet that proves false stays behind it: a
// frame's length counts authentic bytes only, and the next piece overwrites the rest.
void stream_place(struct stream_packet *p);
// The packet was false: make the frame what it was.
void stream_unplace(const struct stream_packet *p);
// Take a packet apart; complete frames are appended to out, which has room for
// STREAM_INNER_OF_PACKET more. Path blocks go to the worker's hooks.
//
// drops: BLOCK_LENGTH, BLOCK_KIND, NO_MBUF, RX_RUNT, RX_GIANT, FRAG_ORPHAN, FRAG_INCOMPLETE,
//        FRAG_LENGTH, FRAG_BUDGET, TX_MTU
void stream_unpack(struct worker *w, const struct stream_packet *p, struct stream_inners *out);

// Give up split frames that waited longer than STREAM_HOLD_NS. drops: FRAG_TIMEOUT, FRAG_ORPHAN
void stream_expire(struct worker *w);
// Give up what a lane holds; it is about to be wiped.
void stream_forget(struct worker *w, struct lane_rx *lane);
// Packets held, for tests.
unsigned stream_held(const struct worker *w);
