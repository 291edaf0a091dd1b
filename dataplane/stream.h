// SPDX-License-Identifier: BSD-3-Clause
//
// The frame stream (PROTOCOL.md §6, §14): frames packed into packets, split where they do not fit,
// and put together again after authentication.
//
// Nothing ever waits to be packed. Thread: the worker. Floor 3.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct lane_rx;
struct rte_mbuf;
struct stream_rx;

#define STREAM_BLOCK_BYTES 4
#define STREAM_TOTAL_BYTES 2  // length before the first fragment's bytes
#define STREAM_SPLIT_MIN   64 // split only where this many bytes fit
#define STREAM_OPEN_MAX    64 // frames or pieces that one lane may hold
#define STREAM_HOLD_NS     100000000ull
