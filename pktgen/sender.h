// SPDX-License-Identifier: BSD-3-Clause
//
// One direction's sending: builds bursts of numbered, stamped frames when they are due and hands
// them to a port until it has taken them.
//
// One lcore runs it. The counters are its plain stores, which others read as they are. A frame that
// the port refuses is offered again as it is: sequence numbers have no holes but those that the
// network makes. Floor 4.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pktgen/frame.h"
#include "pktgen/pace.h"
#include "pktgen/units.h"

#define SENDER_BURST      32
#define SENDER_PHASES_MAX 2

struct capture;
struct device;
struct rte_mbuf;

// At a rate, until so many frames have been sent or so much time is over (0: no bound).
struct sender_phase {
	struct rate rate;
	uint64_t n_frames;
	uint64_t ticks;
};

struct sender {
	const struct device *dev;
	const struct frame_head *heads; // of n_flows flows
	const struct mix *mix;
	const struct capture *capture; // instead of heads and mix, or NULL
	uint32_t n_flows;
	uint8_t run;
	unsigned n_phases;
	struct sender_phase phases[SENDER_PHASES_MAX];

	// where it is
	struct pace pace;
	unsigned phase;
	uint32_t flow, seq;
	unsigned size_idx, size_turn;
	uint32_t capture_idx;
	struct rte_mbuf *stock[SENDER_BURST];
	unsigned n_stock;
	struct rte_mbuf *held[SENDER_BURST]; // built, not yet taken by the port
	uint16_t held_bytes[SENDER_BURST];
	unsigned held_at, held_end;
	uint64_t built; // frames in this phase

	// what it did
	uint64_t frames, bytes;
	uint64_t bursts;     // rounds in which frames were due
	uint64_t idle;       // rounds in which none were
	uint64_t refused;    // bursts of which the port did not take all
	uint64_t port_ticks; // spent in the driver
	uint64_t start, end; // ticks; end is 0 while it runs
	uint64_t phase_start[SENDER_PHASES_MAX];
	bool done;
};

// The rest is to be zero or set by the caller.
void sender_start(struct sender *s, uint64_t hz, uint64_t now);
void sender_round(struct sender *s, uint64_t hz);
// What is held is not sent any more.
void sender_finish(struct sender *s);
