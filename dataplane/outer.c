// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/outer.h"

#include <errno.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_hash_crc.h>
#include <rte_ip.h>
#include <rte_udp.h>

#define OUTER_TTL     64
#define OUTER_MTU_MAX 9216

static_assert(OUTER_IPV4_BYTES == sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr) +
					  sizeof(struct rte_udp_hdr),
	"IPv4 header");
static_assert(OUTER_IPV6_BYTES == sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv6_hdr) +
					  sizeof(struct rte_udp_hdr),
	"IPv6 header");

uint64_t outer_source_number(uint8_t family, const uint8_t *ip, uint16_t be_port, uint8_t port_idx)
{
	uint64_t key = (uint64_t)be_port << 48 | (uint64_t)port_idx << 40 | (uint64_t)family << 32;
	uint64_t half[2];

	if (family == 4) {
		uint32_t v4;

		memcpy(&v4, ip, sizeof(v4));
		return key | v4;
	}
	memcpy(half, ip, sizeof(half));
	return key | rte_hash_crc_8byte(half[0], rte_hash_crc_8byte(half[1], 0));
}

static bool address_is_unicast(uint8_t family, const uint8_t *ip)
{
	if (family == 4)
		return ip[0] != 0 && ip[0] < 224;
	return ip[0] != 0xff && !bytes_are_zero(ip, 16);
}

int outer_path_build(const struct path_desc *d, struct outer_path *ret_path)
{
	struct outer_path p = {0};
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)p.header;
	struct rte_ipv4_hdr *ip4 = (struct rte_ipv4_hdr *)(eth + 1);
	struct rte_ipv6_hdr *ip6 = (struct rte_ipv6_hdr *)(eth + 1);
	struct rte_udp_hdr *udp;

	if ((d->family != 4 && d->family != 6) || d->mtu < PKT_MTU_BASE || d->mtu > OUTER_MTU_MAX)
		return -EINVAL;
	if (d->be_sport == 0 || d->be_dport == 0 || !address_is_unicast(d->family, d->src_ip) ||
		!address_is_unicast(d->family, d->dst_ip))
		return -EINVAL;
	if (d->n_sports > PKT_SOURCE_PORTS_MAX || d->n_dports > PKT_SOURCE_PORTS_MAX ||
		rte_be_to_cpu_16(d->be_sport) + d->n_sports > UINT16_MAX + 1)
		return -EINVAL;
	if (rte_is_multicast_ether_addr((const struct rte_ether_addr *)d->dst_mac) ||
		bytes_are_zero(d->dst_mac, 6))
		return -EINVAL;

	memcpy(&eth->src_addr, d->src_mac, 6);
	memcpy(&eth->dst_addr, d->dst_mac, 6);
	if (d->family == 4) {
		eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
		ip4->version_ihl = RTE_IPV4_VHL_DEF;
		ip4->fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
		ip4->time_to_live = OUTER_TTL;
		ip4->next_proto_id = IPPROTO_UDP;
		memcpy(&ip4->src_addr, d->src_ip, 4);
		memcpy(&ip4->dst_addr, d->dst_ip, 4);
		p.sum = rte_raw_cksum(ip4, sizeof(*ip4));
		p.header_bytes = OUTER_IPV4_BYTES;
		udp = (struct rte_udp_hdr *)(ip4 + 1);
	} else {
		eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV6);
		ip6->vtc_flow = RTE_BE32(6u << 28);
		ip6->proto = IPPROTO_UDP;
		ip6->hop_limits = OUTER_TTL;
		memcpy(ip6->src_addr, d->src_ip, 16);
		memcpy(ip6->dst_addr, d->dst_ip, 16);
		p.header_bytes = OUTER_IPV6_BYTES;
		udp = (struct rte_udp_hdr *)(ip6 + 1);
	}
	udp->src_port = d->be_sport;
	udp->dst_port = d->be_dport;
	p.port_idx = d->port_idx;
	p.mtu = d->mtu;
	p.source_key = outer_source_number(d->family, d->dst_ip, d->be_dport, d->port_idx);
	p.desc = *d;
	*ret_path = p;
	return 0;
}

void outer_reverse(
	const struct outer_view *v, uint8_t port_idx, uint16_t mtu, struct path_desc *ret_desc)
{
	unsigned ip_bytes = v->family == 4 ? 4 : 16;

	memset(ret_desc, 0, sizeof(*ret_desc));
	ret_desc->family = v->family;
	ret_desc->port_idx = port_idx;
	ret_desc->mtu = mtu;
	ret_desc->be_sport = v->be_dport;
	ret_desc->be_dport = v->be_sport;
	memcpy(ret_desc->src_ip, v->dst_ip, ip_bytes);
	memcpy(ret_desc->dst_ip, v->src_ip, ip_bytes);
	memcpy(ret_desc->src_mac, v->dst_mac, 6);
	memcpy(ret_desc->dst_mac, v->src_mac, 6);
}

uint8_t *outer_write(
	const struct outer_path *path, uint8_t *payload, uint16_t payload_bytes, uint8_t dscp)
{
	uint8_t *frame = payload - path->header_bytes;
	uint16_t udp_bytes = sizeof(struct rte_udp_hdr) + payload_bytes;
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(payload - sizeof(*udp));

	dscp &= 0xfc;
	if (path->header_bytes == OUTER_IPV4_BYTES) {
		struct rte_ipv4_hdr *ip4 =
			(struct rte_ipv4_hdr *)(frame + sizeof(struct rte_ether_hdr));
		uint16_t be_total = rte_cpu_to_be_16(sizeof(*ip4) + udp_bytes);
		uint32_t sum;

		memcpy(frame, path->header, OUTER_IPV4_BYTES);
		ip4->type_of_service = dscp;
		ip4->total_length = be_total;
		udp->dgram_len = rte_cpu_to_be_16(udp_bytes);
		sum = path->sum + be_total + ((uint32_t)dscp << 8);
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		ip4->hdr_checksum = (uint16_t)~sum;
	} else {
		struct rte_ipv6_hdr *ip6 =
			(struct rte_ipv6_hdr *)(frame + sizeof(struct rte_ether_hdr));

		memcpy(frame, path->header, OUTER_IPV6_BYTES);
		ip6->vtc_flow = rte_cpu_to_be_32(6u << 28 | (uint32_t)dscp << 20);
		ip6->payload_len = rte_cpu_to_be_16(udp_bytes);
		udp->dgram_len = ip6->payload_len;
		udp->dgram_cksum = rte_ipv6_udptcp_cksum(ip6, udp);
	}
	return frame;
}

// The checksum of a header without options.
static bool sum_of_20_holds(const uint8_t *ip)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < 20; i += 4)
		sum += get_le32(ip + i);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16)) == 0xffff;
}

static bool parse_ipv4(uint8_t *ip, uint32_t bytes, struct outer_view *v, uint8_t **ret_udp,
	uint32_t *ret_udp_bytes, enum drop_reason *ret_reason)
{
	const struct rte_ipv4_hdr *h = (const struct rte_ipv4_hdr *)ip;
	uint32_t header, total;

	*ret_reason = DROP_RX_MALFORMED;
	if (bytes < sizeof(*h) || h->version_ihl >> 4 != 4)
		return false;
	header = (h->version_ihl & 15) * 4u;
	total = rte_be_to_cpu_16(h->total_length);
	if (header < sizeof(*h) || total < header || total > bytes)
		return false;
	if (h->next_proto_id != IPPROTO_UDP) {
		*ret_reason = DROP_OUTER_FOREIGN;
		return false;
	}
	if ((h->fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) != 0) {
		*ret_reason = DROP_OUTER_FRAGMENT;
		return false;
	}
	if (header == sizeof(*h) ? !sum_of_20_holds(ip) : rte_raw_cksum(h, header) != 0xffff) {
		*ret_reason = DROP_OUTER_CHECKSUM;
		return false;
	}
	v->family = 4;
	v->dscp = h->type_of_service;
	v->src_ip = (const uint8_t *)&h->src_addr;
	v->dst_ip = (const uint8_t *)&h->dst_addr;
	*ret_udp = ip + header;
	*ret_udp_bytes = total - header;
	return true;
}

static bool parse_ipv6(uint8_t *ip, uint32_t bytes, struct outer_view *v, uint8_t **ret_udp,
	uint32_t *ret_udp_bytes, enum drop_reason *ret_reason)
{
	const struct rte_ipv6_hdr *h = (const struct rte_ipv6_hdr *)ip;
	uint32_t payload;

	*ret_reason = DROP_RX_MALFORMED;
	if (bytes < sizeof(*h) || ip[0] >> 4 != 6)
		return false;
	payload = rte_be_to_cpu_16(h->payload_len);
	if (payload > bytes - sizeof(*h))
		return false;
	if (h->proto != IPPROTO_UDP) {
		*ret_reason =
			h->proto == IPPROTO_FRAGMENT ? DROP_OUTER_FRAGMENT : DROP_OUTER_FOREIGN;
		return false;
	}
	v->family = 6;
	v->dscp = (uint8_t)(rte_be_to_cpu_32(h->vtc_flow) >> 20);
	v->src_ip = h->src_addr;
	v->dst_ip = h->dst_addr;
	*ret_udp = ip + sizeof(*h);
	*ret_udp_bytes = payload;
	return true;
}

bool outer_parse(uint8_t *frame, uint32_t bytes, struct outer_view *v, enum drop_reason *ret_reason)
{
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)frame;
	const struct rte_udp_hdr *udp;
	uint8_t *at = NULL;
	uint32_t left = 0;
	bool ok;

	*ret_reason = DROP_RX_MALFORMED;
	if (bytes < sizeof(*eth))
		return false;
	v->dst_mac = eth->dst_addr.addr_bytes;
	v->src_mac = eth->src_addr.addr_bytes;
	if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		ok = parse_ipv4(
			frame + sizeof(*eth), bytes - sizeof(*eth), v, &at, &left, ret_reason);
	else if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		ok = parse_ipv6(
			frame + sizeof(*eth), bytes - sizeof(*eth), v, &at, &left, ret_reason);
	else {
		*ret_reason = DROP_OUTER_FOREIGN;
		return false;
	}
	if (!ok)
		return false;

	*ret_reason = DROP_RX_MALFORMED;
	if (left < sizeof(*udp))
		return false;
	udp = (const struct rte_udp_hdr *)at;
	if (rte_be_to_cpu_16(udp->dgram_len) != left)
		return false;
	if (v->family == 6 && udp->dgram_cksum == 0) {
		*ret_reason = DROP_OUTER_CHECKSUM;
		return false;
	}
	v->be_sport = udp->src_port;
	v->be_dport = udp->dst_port;
	v->payload = at + sizeof(*udp);
	v->payload_bytes = left - sizeof(*udp);
	return true;
}
