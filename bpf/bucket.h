// SPDX-License-Identifier: BSD-3-Clause
#pragma once
// Token buckets of the handshake path: one per live tag, so that a flood under one sniffed tag
// starves that pair only, and one per CPU, so that many sniffed tags cannot add up.

#include "bpf/maps.h"

#define NS_PER_S 1000000000ull

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xdp_config);
} xdp_config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, XDP_TAGS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct xdp_tag);
	__type(value, struct xdp_bucket);
} live_tags SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xdp_bucket);
} hs_bucket SEC(".maps");

// Spend one token. A bucket that is untouched for burst/rate seconds is full again.
static __always_inline bool bucket_take(
	struct xdp_bucket *bucket, __u64 now, __u32 per_s, __u32 burst)
{
	__u64 cost = NS_PER_S / per_s;
	__u64 from = bucket->spent_until_ns;

	if (from < now)
		from = now;
	if (from + cost > now + cost * burst)
		return false;
	bucket->spent_until_ns = from + cost;
	return true;
}

static __always_inline bool handshake_allowed(
	const struct xdp_config *cfg, struct xdp_bucket *tag_bucket)
{
	__u32 tag_per_s = cfg->tag_per_s ? cfg->tag_per_s : XDP_HS_TAG_PER_S;
	__u32 tag_burst = cfg->tag_burst ? cfg->tag_burst : XDP_HS_TAG_BURST;
	__u32 per_s = cfg->hs_per_s ? cfg->hs_per_s : XDP_HS_PER_S;
	__u32 burst = cfg->hs_burst ? cfg->hs_burst : XDP_HS_BURST;
	struct xdp_bucket *cpu_bucket;
	__u64 now = bpf_ktime_get_ns();
	__u32 zero = 0;

	cpu_bucket = bpf_map_lookup_elem(&hs_bucket, &zero);
	if (!cpu_bucket)
		return false;
	return bucket_take(tag_bucket, now, tag_per_s, tag_burst) &&
	       bucket_take(cpu_bucket, now, per_s, burst);
}
