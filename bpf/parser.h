// SPDX-License-Identifier: BSD-3-Clause
#pragma once
// From an Ethernet frame to the bytes of a datagram for the overlay port.
//
// Everything that could reach the overlay port through the kernel is recognised here, also in the
// odd shapes that Postern never sends (options, extension headers, fragments), so that it is
// dropped here and the kernel never gets the chance to answer it.

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "wire/xdp.h"

#define IPV4_FRAGMENT_BITS 0x3fff // more fragments, and the offset
#define IPV4_OFFSET_BITS   0x1fff
#define IPV6_OFFSET_BITS   0xfff8
#define IPV6_CHAIN_MAX     6 // extension headers followed before the kernel gets the frame

struct ipv6_ext {
	__u8 next;
	__u8 len8; // in units of 8, not counting the first
	__be16 fragment;
	__u32 more;
};

enum parse_verdict {
	PARSE_NOT_OURS,
	PARSE_FRAGMENT,
	PARSE_OPTIONS,
	PARSE_LENGTH,
	PARSE_OVERLAY,
};

// out: where the UDP payload begins and how many bytes it has, both inside the frame.
struct overlay {
	const __u8 *data;
	__u32 bytes;
};

// The UDP header at `at`, of which `ip_bytes` bytes belong to the IP packet.
static __always_inline enum parse_verdict parse_udp(
	void *at, void *end, __u32 ip_bytes, __be16 be_port, bool plain, struct overlay *out)
{
	const struct udphdr *udp = at;
	__u32 bytes;

	if ((void *)(udp + 1) > end || udp->dest != be_port)
		return PARSE_NOT_OURS;
	if (!plain)
		return PARSE_OPTIONS;
	bytes = bpf_ntohs(udp->len);
	if (bytes < sizeof(*udp) || bytes != ip_bytes)
		return PARSE_LENGTH;
	out->data = (const __u8 *)(udp + 1);
	out->bytes = bytes - sizeof(*udp);
	return PARSE_OVERLAY;
}

static __always_inline enum parse_verdict parse_ipv4(
	void *at, void *end, __be16 be_port, struct overlay *out)
{
	const struct iphdr *ip = at;
	const struct udphdr *udp;
	__u32 total, header;
	__u16 fragment;

	if ((void *)(ip + 1) > end || ip->version != 4 || ip->protocol != IPPROTO_UDP)
		return PARSE_NOT_OURS;
	header = ip->ihl * 4;
	fragment = bpf_ntohs(ip->frag_off);
	if (header < sizeof(*ip) || (fragment & IPV4_OFFSET_BITS) != 0)
		return PARSE_NOT_OURS;
	udp = at + header;
	if ((void *)(udp + 1) > end)
		return PARSE_NOT_OURS;
	if ((fragment & IPV4_FRAGMENT_BITS) != 0)
		return udp->dest == be_port ? PARSE_FRAGMENT : PARSE_NOT_OURS;
	total = bpf_ntohs(ip->tot_len);
	if (total < header || total > (__u64)(end - at))
		return udp->dest == be_port ? PARSE_LENGTH : PARSE_NOT_OURS;
	return parse_udp(at + header, end, total - header, be_port, header == sizeof(*ip), out);
}

static __always_inline enum parse_verdict parse_ipv6(
	void *at, void *end, __be16 be_port, struct overlay *out)
{
	const struct ipv6hdr *ip = at;
	const struct udphdr *udp;
	bool fragment = false;
	__u32 offset = 0;
	__u8 next;

	if ((void *)(ip + 1) > end || ip->version != 6)
		return PARSE_NOT_OURS;
	next = ip->nexthdr;
#pragma unroll
	for (int i = 0; i < IPV6_CHAIN_MAX; i++) {
		const struct ipv6_ext *ext = (void *)(ip + 1) + offset;

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS &&
			next != IPPROTO_FRAGMENT)
			break;
		if ((void *)(ext + 1) > end)
			return PARSE_NOT_OURS;
		if (next == IPPROTO_FRAGMENT) {
			if ((bpf_ntohs(ext->fragment) & IPV6_OFFSET_BITS) != 0)
				return PARSE_NOT_OURS;
			fragment = true;
			offset += sizeof(*ext);
		} else {
			offset += (ext->len8 + 1u) * 8;
		}
		next = ext->next;
	}
	if (next != IPPROTO_UDP)
		return PARSE_NOT_OURS;
	udp = (void *)(ip + 1) + offset;
	if ((void *)(udp + 1) > end || udp->dest != be_port)
		return PARSE_NOT_OURS;
	if (fragment)
		return PARSE_FRAGMENT;
	if (offset != 0)
		return PARSE_OPTIONS;
	if (bpf_ntohs(ip->payload_len) > (__u64)(end - (void *)(ip + 1)))
		return PARSE_LENGTH;
	return parse_udp((void *)(ip + 1), end, bpf_ntohs(ip->payload_len), be_port, true, out);
}

// Tagged frames belong to VLAN interfaces of the kernel and are not ours.
static __always_inline enum parse_verdict parse_frame(
	void *data, void *end, __be16 be_port, struct overlay *out)
{
	const struct ethhdr *eth = data;

	if ((void *)(eth + 1) > end)
		return PARSE_NOT_OURS;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return parse_ipv4((void *)(eth + 1), end, be_port, out);
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		return parse_ipv6((void *)(eth + 1), end, be_port, out);
	return PARSE_NOT_OURS;
}
