// SPDX-License-Identifier: BSD-3-Clause
#pragma once
// What the XDP programs (bpf/) and the data-plane's main thread agree on: map names, keys, values.
//
// Included by clang -target bpf and by C alike, so it uses kernel types only. The programs are
// loaded by DPDK's net_af_xdp, which looks up XDP_MAP_XSKS itself; the other maps are found through
// the program's id. Numbers are host order unless named be. Floor 0.

#include <linux/types.h>

#include "wire/drop.h"

// The kernel keeps 15 characters of a program's name; our own stale program is recognised by it.
#define XDP_PROG_WAN "postern_xdp"
#define XDP_PROG_LAN "postern_xdp_lan"

#define XDP_MAP_XSKS     "xsks_map"
#define XDP_MAP_CONFIG   "xdp_config"
#define XDP_MAP_TAGS     "live_tags"
#define XDP_MAP_BUCKET   "hs_bucket"
#define XDP_MAP_COUNTERS "xdp_counters"

#define XDP_QUEUES_MAX 64
#define XDP_TAGS_MAX   16384

// Handshake-shaped datagrams under live tags that pass per CPU, and per tag. Here a pair's own
// handshake cannot be told from garbage under a tag that somebody saw on the wire, so what is above
// the rate takes the pair's with it: the rates are what a worker can check the mac of (300 ns each)
// beside its traffic, not what pairs need. A flood within them delays no rekey.
#define XDP_HS_PER_S     200000
#define XDP_HS_BURST     16384
#define XDP_HS_TAG_PER_S 100000
#define XDP_HS_TAG_BURST 8192

// XDP_MAP_CONFIG[0]. All zero, as at load, means: no port is ours, everything goes to the kernel.
struct xdp_config {
	__u16 be_port; // overlay UDP port; 0 none
	__u16 reserved;
	__u32 hs_per_s; // 0: the defaults above
	__u32 hs_burst;
	__u32 tag_per_s;
	__u32 tag_burst;
};

// Key of XDP_MAP_TAGS: the eight bytes at offset 8 of a handshake datagram.
struct xdp_tag {
	__u8 bytes[8];
};

// A token bucket counts in nanoseconds of credit, so that it needs no division and starts full at
// zero: spent_until runs ahead of the clock by what was spent. Two CPUs may race on a tag's bucket
// and let one datagram too many pass; it is a filter, not an account.
struct xdp_bucket {
	__u64 spent_until_ns;
};

// What became of a frame, in XDP_MAP_COUNTERS, one value per CPU: these, then one for each reason
// of wire/drop.h at XDP_COUNTER_DROP(reason).
enum xdp_counter {
	XDP_PASSED = 0,    // not overlay traffic: left to the kernel
	XDP_DATA = 1,      // data-shaped, to the socket
	XDP_HANDSHAKE = 2, // handshake-shaped, to the socket
	XDP_LAN_FRAME = 3, // a LAN port's frame, to the socket
	XDP_COUNTER_DROPS = 4,
};

#define XDP_COUNTER_DROP(reason) (XDP_COUNTER_DROPS + (reason))
#define XDP_COUNTERS_N           (XDP_COUNTER_DROPS + DROP_N)
