// SPDX-License-Identifier: BSD-3-Clause
//
// Pools of packet buffers that the AF_XDP driver can take as its UMEM.
//
// Main thread. Floor 3.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct rte_mempool;

// n buffers of `room` bytes each, headroom included, of which each core keeps up to about `cache`
// free ones for itself. NULL without memory.
//
// packed: without the gaps that DPDK leaves so that no buffer crosses a page. The AF_XDP driver
// takes a UMEM to be as long as number times size of the buffers: on 4 KiB pages nearly half of a
// pool with gaps would lie outside, and the kernel silently refuses those buffers. Only a NIC that
// is given physical addresses needs the gaps.
struct rte_mempool *bufpool_create(
	const char *name, unsigned n, unsigned cache, size_t room, bool packed);
