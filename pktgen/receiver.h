// SPDX-License-Identifier: BSD-3-Clause
//
// One direction's receiving: tells our frames from others, keeps the account of every stream, and
// the latency.
//
// One lcore runs it. The counters are its plain stores, which others read as they are. Floor 4.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pktgen/account.h"
#include "pktgen/frame.h"
#include "pktgen/histogram.h"

#define RECEIVER_BURST 32

struct device;

struct receiver {
	const struct device *dev;
	struct account *accounts; // of n_streams streams
	uint32_t n_streams;
	uint16_t dport;
	uint8_t run;
	bool any_run;             // take the first one that is seen
	struct histogram latency; // in ticks

	uint64_t frames; // intact, each counted once
	uint64_t bytes;
	uint64_t duplicated;
	uint64_t late;
	uint64_t corrupted;
	uint64_t foreign;
	uint64_t first, last; // ticks, of intact frames; 0: none yet
	uint64_t gap_time;    // when the last frame was sent before which some were missing
	struct ctl ctl;       // the last one of each kind that was heard
	struct ctl end;
	uint8_t ctl_smac[6];
	uint64_t n_ctl;
};

// Whether anything was received.
bool receiver_round(struct receiver *r);
