// SPDX-License-Identifier: BSD-3-Clause
//
// A lane: one sender core's share of one epoch of a session, with its own key, iv and counter, or
// window. Owner: one worker for its whole life; no other thread ever touches it. Floor 2.
#pragma once

#include <stdalign.h>
#include <assert.h>
#include <stddef.h>

#include <rte_prefetch.h>

#include "dataplane/aead.h"
#include "dataplane/replay.h"
#include "wire/packet.h"

#define LANE_SOFT_LIMIT PKT_COUNTER_REKEY // ask for a new key
#define LANE_HARD_LIMIT PKT_COUNTER_CAP   // never send or accept this counter (PROTOCOL.md §6)
#define LANE_FORGERIES  (1ull << 20)      // tell control

struct lane_tx {
	// line 0: read and written for every packet by the owner
	uint64_t next;      // counter of the next packet
	uint32_t le_key_id; // the receiver's, as it goes on the wire
	uint8_t number;     // 1..255
	uint8_t cipher;
	bool soft_told;
	alignas(16) uint8_t iv[16]; // AEAD_NONCE_BYTES of it
	// read for every packet
	struct aead_key key;
};

struct lane_rx {
	// line 0: read for every packet
	uint8_t number;
	uint8_t cipher;
	alignas(16) uint8_t iv[16]; // AEAD_NONCE_BYTES of it
	uint16_t n_held;            // pieces waiting for reassembly, ≤ STREAM_OPEN_MAX
	uint64_t forgeries;
	struct stream_open *open; // the frame most recently begun, or NULL
	// written for every packet
	alignas(64) struct replay replay;
	struct aead_key key;
};
static_assert(offsetof(struct lane_tx, key) == 64, "the counter has a line of its own");
static_assert(offsetof(struct lane_rx, replay) == 64, "the window begins a line");

// Take n consecutive counters. Returns false, taking none, when they would reach the hard limit.
bool lane_tx_reserve(struct lane_tx *lane, unsigned n, uint64_t *ret_first);

typedef uint64_t lane_16b __attribute__((vector_size(16)));

// What pkt_nonce() writes, in one store.
static inline void lane_nonce(const uint8_t iv[16], uint64_t counter, struct aead_op *op)
{
	lane_16b v;

	memcpy(&v, iv, sizeof(v));
	v ^= (lane_16b){counter << 32, counter >> 32};
	memcpy(op->nonce, &v, sizeof(v));
}

// Write the 16 bytes before op->data (struct pkt_data, in one store) and set op's key and nonce for
// one packet of this lane.
static inline void lane_packet_header(
	const struct lane_tx *lane, uint64_t counter, struct aead_op *op)
{
	lane_16b h = {PKT_TYPE_DATA | (uint64_t)lane->number << 8 | (uint64_t)lane->le_key_id << 32,
		counter};

	static_assert(sizeof(h) == PKT_DATA_HDR_LEN, "the header is one store");
	memcpy(op->data - PKT_DATA_HDR_LEN, &h, sizeof(h));
	lane_nonce(lane->iv, counter, op);
	op->key = &lane->key;
}

// Hints for the caches: what sealing so many bytes reads, and what opening a packet of this counter
// and so many bytes does.
static inline void lane_tx_fetch(const struct lane_tx *lane, unsigned bytes)
{
	rte_prefetch0(lane);
	aead_key_fetch(&lane->key, bytes);
}

static inline void lane_rx_fetch(const struct lane_rx *lane, uint64_t counter, unsigned bytes)
{
	rte_prefetch0(lane);
	rte_prefetch0(&lane->replay);
	rte_prefetch0(&lane->replay.word[counter / REPLAY_WORD_BITS % REPLAY_WORDS]);
	aead_key_fetch(&lane->key, bytes);
}
