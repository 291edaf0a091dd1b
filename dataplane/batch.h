// SPDX-License-Identifier: BSD-3-Clause
//
// How many packets go through the pipeline together. Floor 2.
//
// 64 is what one rte_hash bulk lookup takes and four AF_XDP or NIC bursts of 16 fill; a burst of
// 64-byte frames then becomes three or four full packets. Larger bursts gained nothing in trials
// and cost latency.
#pragma once

#include <rte_mbuf.h>

#define BATCH_MAX 64

// Bytes of tailroom and headroom that every packet buffer must leave for the overlay.
#define BATCH_HEADROOM_BYTES RTE_PKTMBUF_HEADROOM
#define BATCH_TAILROOM_BYTES 32

// Inner frames: Ethernet header, up to two tags, payload ≤ 9216 (PROTOCOL.md §14).
#define FRAME_MIN_BYTES 14
#define FRAME_MAX_BYTES (14 + 8 + 9216)
