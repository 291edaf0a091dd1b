// SPDX-License-Identifier: BSD-3-Clause
#pragma once
// The WAN port's XDP program, the very source, compiled for user space: helpers and maps are played
// here, a frame ends where a page does, so that a read past its end is a fault.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/xdp.h"

#define XDP_USER_FRAME_MAX 4096

// Which way the world outside the program is: zeros are no overlay port, no live tag, no socket.
struct xdp_user_world {
	struct xdp_config config;
	struct xdp_tag live_tag;
	bool has_socket;
	uint64_t now_ns; // the buckets are full at a time that is far enough from the last
};

// Returns the verdict; counters moved by as much as the program moved them.
uint32_t xdp_user_run(const struct xdp_user_world *world, const uint8_t *frame, size_t len,
	uint64_t counters[XDP_COUNTERS_N]);
