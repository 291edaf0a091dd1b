// SPDX-License-Identifier: BSD-3-Clause
#pragma once
// The maps of the XDP programs and the counting of verdicts.
//
// Written by user space: xsks_map (the driver), xdp_config and live_tags (the data-plane's main
// thread). Written here: the token buckets and the counters. Runs in softirq, one CPU at a time.

#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "wire/xdp.h"

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, XDP_QUEUES_MAX);
	__type(key, __u32);
	__type(value, __u32);
} xsks_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XDP_COUNTERS_N);
	__type(key, __u32);
	__type(value, __u64);
} xdp_counters SEC(".maps");

static __always_inline void count(__u32 key)
{
	__u64 *value = bpf_map_lookup_elem(&xdp_counters, &key);

	if (value)
		(*value)++;
}

static __always_inline int drop(enum drop_reason why)
{
	count(XDP_COUNTER_DROP(why));
	return XDP_DROP;
}

static __always_inline int pass(void)
{
	count(XDP_PASSED);
	return XDP_PASS;
}

// Hand the frame to the socket of its queue. Without one it is dropped, never passed: a host whose
// data-plane is down must be as silent as one that has none.
static __always_inline int to_socket(struct xdp_md *ctx, enum xdp_counter what)
{
	int verdict = bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_DROP);

	count(verdict == XDP_REDIRECT ? what : XDP_COUNTER_DROP(DROP_XDP_NO_SOCKET));
	return verdict;
}
