// SPDX-License-Identifier: BSD-3-Clause
//
// One row of the frame path's benchmark: what is measured (struct setup, a frame size) and what
// came out. One thread. Floor: bench.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/stage.h"

#define IMIX      0 // as a size: 7 × 64, 4 × 570, 1 × 1514
#define REPS_MAX  64
#define FLOWS_MAX (1 << 20)

// What is measured of every burst: the comparisons, the frame path each way, and, in the staged
// build alone, each of its stages there and back.
enum column {
	COL_AEAD,
	COL_COPY,
	COL_FDB,
	COL_SEAL,
	COL_OPEN,
	COL_BOTH,
	COL_SEAL_STAGE,                            // + enum stage
	COL_OPEN_STAGE = COL_SEAL_STAGE + STAGE_N, // + enum stage
	COL_N = COL_OPEN_STAGE + STAGE_N
};

struct setup {
	unsigned flows, peers, macs, mtu, burst;
	uint8_t cipher;
};

struct effort {
	unsigned reps, ms; // repetitions of so many milliseconds
};

struct result {
	double cycles[COL_N]; // a frame, median over repetitions of the median burst
	double spread[COL_N]; // (highest − lowest) ÷ median
	double frames_per_packet, wire_per_inner;
};

struct bench;

// Buffers as large as this size and path need: what a gateway with such ports would have.
unsigned bench_room(unsigned size, unsigned mtu);
double bench_mean_bytes(unsigned size);

// Two gateways and what they need. Exits with a message when something cannot be had.
struct bench *bench_create(const struct setup *s, unsigned room);
void bench_destroy(struct bench *b);
// Exits when a frame is lost, out of order or wrong at the far end.
void bench_measure(struct bench *b, unsigned size, const struct effort *e, struct result *r);
const char *bench_arch(const struct bench *b);
