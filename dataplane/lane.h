// SPDX-License-Identifier: BSD-3-Clause
//
// A lane: one sender core's share of one epoch of a session, with its own key, iv and counter, or
// window. Owner: one worker for its whole life; no other thread ever touches it. Floor 2.
#pragma once

#include <stdalign.h>
#include <assert.h>
#include <stddef.h>

#include "dataplane/aead.h"
#include "dataplane/replay.h"

#define LANE_SOFT_LIMIT (1ull << 30) // ask for a new key
#define LANE_HARD_LIMIT (1ull << 31) // never send or accept this counter (PROTOCOL.md §6)

struct lane_tx {
	// line 0: read and written for every packet by the owner
	uint64_t next; // counter of the next packet
	uint32_t le_key_id; // the receiver's, as it goes on the wire
	uint8_t number;     // 1..255
	uint8_t cipher;
	uint8_t iv[AEAD_NONCE_BYTES];
	bool soft_told;
	// read for every packet
	struct aead_key key;
};

struct lane_rx {
	// line 0: read for every packet
	uint8_t number;
	uint8_t cipher;
	uint8_t iv[AEAD_NONCE_BYTES];
	bool seen;       // an authentic packet has come
	uint16_t n_held; // pieces waiting for reassembly, ≤ STREAM_OPEN_MAX
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

// nonce = iv XOR (u32 0 ‖ u64 counter), PROTOCOL.md §6.
static inline void lane_nonce(
	const uint8_t iv[AEAD_NONCE_BYTES], uint64_t counter, uint8_t nonce[AEAD_NONCE_BYTES])
{
	for (unsigned i = 0; i < 4; i++)
		nonce[i] = iv[i];
	for (unsigned i = 0; i < 8; i++)
		nonce[4 + i] = iv[4 + i] ^ (uint8_t)(counter >> (8 * i));
}
