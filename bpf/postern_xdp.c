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
#include "wire/xdp.h"

// PROTOCOL.md §4; the layouts proper are in wire/packet.h, and tests/bpf holds both together.
#define TYPE_PUNCH  0x10
#define TYPE_M1     0x11
#define TYPE_M2     0x12
#define TYPE_M3     0x13
#define TYPE_RETRY  0x14
#define TYPE_DATA   0x18
#define DATA_MIN    36
#define PUNCH_BYTES 40
#define M1_BYTES    128
#define M2_MIN      235 // an empty certificate is none: one byte at least
#define M3_MIN      163
#define RETRY_BYTES 56
#define HS_MAX      1232
#define TAG_OFFSET  8

static __always_inline bool shape_holds(__u8 type, __u32 bytes)
{
	switch (type) {
	case TYPE_PUNCH:
		return bytes == PUNCH_BYTES;
	case TYPE_M1:
		return bytes == M1_BYTES;
	case TYPE_M2:
		return bytes >= M2_MIN && bytes <= HS_MAX;
	case TYPE_M3:
		return bytes >= M3_MIN && bytes <= HS_MAX;
	case TYPE_RETRY:
		return bytes == RETRY_BYTES;
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

	if ((void *)(at + PUNCH_BYTES) > end)
		return drop(XDP_DROP_SHORT);
	// The u16 at offset 2 repeats the length.
	if (!shape_holds(at[0], dgram->bytes) || (at[2] | at[3] << 8) != (int)dgram->bytes)
		return drop(XDP_DROP_SHAPE);
	__builtin_memcpy(&tag, at + TAG_OFFSET, sizeof(tag));
	bucket = bpf_map_lookup_elem(&live_tags, &tag);
	if (!bucket)
		return drop(XDP_DROP_TAG);
	if (!handshake_allowed(cfg, bucket))
		return drop(XDP_DROP_RATE);
	return to_socket(ctx, XDP_HANDSHAKE);
}

static __always_inline int overlay(
	struct xdp_md *ctx, void *end, const struct xdp_config *cfg, const struct overlay *dgram)
{
	const __u8 *at = dgram->data;

	if (dgram->bytes < DATA_MIN || (void *)(at + DATA_MIN) > end)
		return drop(XDP_DROP_SHORT);
	if (at[0] == TYPE_DATA)
		return to_socket(ctx, XDP_DATA);
	if (at[0] < TYPE_PUNCH || at[0] > TYPE_RETRY)
		return drop(XDP_DROP_TYPE);
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
		return drop(XDP_DROP_FRAGMENT);
	case PARSE_OPTIONS:
		return drop(XDP_DROP_OPTIONS);
	case PARSE_LENGTH:
		return drop(XDP_DROP_LENGTH);
	case PARSE_OVERLAY:
		return overlay(ctx, end, cfg, &dgram);
	default:
		return pass();
	}
}

char _license[] SEC("license") = "Dual BSD/GPL";
