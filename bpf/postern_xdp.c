// SPDX-License-Identifier: BSD-3-Clause
// XDP program of a WAN port: plausible overlay datagrams go to the data-plane's socket, implausible
// ones nowhere, the rest of the host's traffic to the kernel, untouched.
//
// Plausible means: data of at least the smallest length, or a handshake of the right length for its
// type under a tag that is live, within the rate (PROTOCOL.md §4, §8). Everything else about a
// datagram is for the worker to find out.

#include "bpf/bucket.h"
#include "bpf/maps.h"
#include "bpf/parser.h"
#include "wire/packet.h"
#include "wire/xdp.h"

// M2 and M3 carry a certificate of at least one byte.
static __always_inline bool shape_holds(__u8 type, __u32 bytes)
{
	switch (type) {
	case PKT_TYPE_PUNCH:
		return bytes == PKT_PUNCH_LEN;
	case PKT_TYPE_M1:
		return bytes == PKT_M1_LEN;
	case PKT_TYPE_M2:
		return bytes > PKT_M2_MIN_LEN && bytes <= PKT_HS_MAX_LEN;
	case PKT_TYPE_M3:
		return bytes > PKT_M3_MIN_LEN && bytes <= PKT_HS_MAX_LEN;
	case PKT_TYPE_RETRY:
		return bytes == PKT_RETRY_LEN;
	default:
		return false;
	}
}

static __always_inline int handshake(
	struct xdp_md *ctx, void *end, const struct xdp_config *cfg, const struct overlay *dgram)
{
	const __u8 *at = dgram->data;
	struct xdp_bucket *bucket;
	struct xdp_tag tag;

	if ((void *)(at + PKT_PUNCH_LEN) > end)
		return drop(DROP_XDP_SHAPE);
	if (!shape_holds(at[0], dgram->bytes) ||
		(at[PKT_OFF_LEN] | at[PKT_OFF_LEN + 1] << 8) != (int)dgram->bytes)
		return drop(DROP_XDP_SHAPE);
	__builtin_memcpy(&tag, at + PKT_OFF_TAG, sizeof(tag));
	bucket = bpf_map_lookup_elem(&live_tags, &tag);
	if (!bucket)
		return drop(DROP_XDP_TAG);
	if (!handshake_allowed(cfg, bucket))
		return drop(DROP_XDP_RATE);
	return to_socket(ctx, XDP_HANDSHAKE);
}

static __always_inline int overlay(
	struct xdp_md *ctx, void *end, const struct xdp_config *cfg, const struct overlay *dgram)
{
	const __u8 *at = dgram->data;

	if (dgram->bytes < PKT_MIN_LEN || (void *)(at + PKT_MIN_LEN) > end)
		return drop(DROP_XDP_SHAPE);
	if (at[0] == PKT_TYPE_DATA)
		return to_socket(ctx, XDP_DATA);
	if (at[0] < PKT_TYPE_PUNCH || at[0] > PKT_TYPE_RETRY)
		return drop(DROP_XDP_SHAPE);
	return handshake(ctx, end, cfg, dgram);
}

SEC("xdp")
int postern_xdp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	const struct xdp_config *cfg;
	struct overlay dgram = {};
	__u32 zero = 0;

	cfg = bpf_map_lookup_elem(&xdp_config, &zero);
	if (!cfg || cfg->be_port == 0)
		return pass();
	switch (parse_frame(data, end, cfg->be_port, &dgram)) {
	case PARSE_FRAGMENT:
		return drop(DROP_XDP_FRAGMENT);
	case PARSE_OPTIONS:
	case PARSE_LENGTH:
		return drop(DROP_XDP_SHAPE);
	case PARSE_OVERLAY:
		return overlay(ctx, end, cfg, &dgram);
	default:
		return pass();
	}
}

char _license[] SEC("license") = "Dual BSD/GPL";
