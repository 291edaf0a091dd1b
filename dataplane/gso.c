// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/gso.h"

#include <stddef.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "wire/bytes.h"

#define TAGS_MAX       2
#define TAG_BYTES      4
#define EXTENSIONS_MAX 4
#define ROUTE_HOME     2 // routing headers: of RFC 6275
#define ROUTE_SEGMENTS 4 // and of RFC 8754

// ---------------------------------------------------------------- headers

static bool find_l3(const uint8_t *frame, uint32_t bytes, struct gso *g)
{
	uint32_t at = 2 * RTE_ETHER_ADDR_LEN;

	for (unsigned tags = 0; at + 2 <= bytes; tags++, at += TAG_BYTES) {
		uint16_t type = get_be16(frame + at);

		g->l3 = at + 2;
		g->ipv6 = type == RTE_ETHER_TYPE_IPV6;
		if (g->ipv6 || type == RTE_ETHER_TYPE_IPV4)
			return true;
		if ((type != RTE_ETHER_TYPE_VLAN && type != RTE_ETHER_TYPE_QINQ) ||
			tags == TAGS_MAX)
			return false;
	}
	return false;
}

static bool find_l4_ipv4(
	const uint8_t *ip, uint32_t bytes, struct gso *g, uint32_t *ret_header, uint8_t *ret_proto)
{
	const struct rte_ipv4_hdr *h = (const struct rte_ipv4_hdr *)ip;

	if (bytes < sizeof(*h) || h->version_ihl >> 4 != 4)
		return false;
	*ret_header = (h->version_ihl & 15) * 4u;
	*ret_proto = h->next_proto_id;
	g->to = g->l3 + offsetof(struct rte_ipv4_hdr, dst_addr);
	return *ret_header >= sizeof(*h) && rte_be_to_cpu_16(h->total_length) == bytes &&
	       (h->fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) ==
		       0;
}

// Extension headers that every segment repeats; a fragment header is none of them.
static bool is_extension(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_DSTOPTS;
}

// Where a routing header at `at` has the last address that the packet is to come to, which is the
// one that checksums cover (RFC 8200 §8.1): both kinds that are in use have it first.
static bool find_last_hop(const uint8_t *ip, uint32_t at, uint32_t bytes, uint32_t *ret_to)
{
	uint8_t kind = ip[at + 2], left = ip[at + 3];

	if (left == 0)
		return true; // it has come there
	*ret_to = at + 8;
	return (kind == ROUTE_HOME || kind == ROUTE_SEGMENTS) && ip[at + 1] >= 2 &&
	       bytes >= at + 8 + 16;
}

static bool find_l4_ipv6(
	const uint8_t *ip, uint32_t bytes, struct gso *g, uint32_t *ret_header, uint8_t *ret_proto)
{
	const struct rte_ipv6_hdr *h = (const struct rte_ipv6_hdr *)ip;
	uint32_t at = sizeof(*h), to = offsetof(struct rte_ipv6_hdr, dst_addr);
	uint8_t proto;

	if (bytes < sizeof(*h) || ip[0] >> 4 != 6 ||
		rte_be_to_cpu_16(h->payload_len) != bytes - sizeof(*h))
		return false;
	proto = h->proto;
	for (unsigned i = 0; is_extension(proto); i++) {
		if (i == EXTENSIONS_MAX || bytes < at + 8)
			return false;
		if (proto == IPPROTO_ROUTING && !find_last_hop(ip, at, bytes, &to))
			return false;
		proto = ip[at];
		at += 8u + ip[at + 1] * 8u;
	}
	g->to = (uint16_t)(g->l3 + to);
	*ret_header = at;
	*ret_proto = proto;
	return true;
}

static bool find_payload(const uint8_t *l4, uint32_t bytes, bool udp, uint32_t *ret_header)
{
	if (udp) {
		const struct rte_udp_hdr *h = (const struct rte_udp_hdr *)l4;

		*ret_header = sizeof(*h);
		return bytes > sizeof(*h) && rte_be_to_cpu_16(h->dgram_len) == bytes;
	}
	if (bytes < sizeof(struct rte_tcp_hdr))
		return false;
	*ret_header = (((const struct rte_tcp_hdr *)l4)->data_off >> 4) * 4u;
	return *ret_header >= sizeof(struct rte_tcp_hdr);
}

bool gso_parse(const uint8_t *frame, uint32_t bytes, uint16_t size, struct gso *ret_gso)
{
	struct gso g = {.size = size};
	uint32_t ip_bytes, header, payload;
	uint8_t proto;

	if (size == 0 || bytes > UINT16_MAX || !find_l3(frame, bytes, &g))
		return false;
	ip_bytes = bytes - g.l3;
	if (!(g.ipv6 ? find_l4_ipv6 : find_l4_ipv4)(frame + g.l3, ip_bytes, &g, &header, &proto) ||
		header > ip_bytes || (proto != IPPROTO_TCP && proto != IPPROTO_UDP))
		return false;
	g.l4 = g.l3 + header;
	g.udp = proto == IPPROTO_UDP;
	if (!find_payload(frame + g.l4, bytes - g.l4, g.udp, &header) || header >= bytes - g.l4)
		return false;
	g.payload = g.l4 + header;
	payload = bytes - g.payload;
	if (payload <= size || (payload + size - 1) / size > GSO_SEGMENTS_MAX)
		return false;
	g.segments = (payload + size - 1) / size;
	*ret_gso = g;
	return true;
}

// ---------------------------------------------------------------- checksums

static uint32_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

// The pseudo-header of RFC 793 and RFC 8200 §8.1 over `bytes` of TCP or UDP.
static uint32_t pseudo_sum(const uint8_t *frame, const struct gso *g, uint32_t bytes)
{
	const uint8_t *from = frame + g->l3 + (g->ipv6 ? 8 : 12);
	unsigned address = g->ipv6 ? 16 : 4;
	uint32_t sum = rte_raw_cksum(from, address) + rte_raw_cksum(frame + g->to, address);

	sum += rte_cpu_to_be_16((uint16_t)bytes);
	sum += rte_cpu_to_be_16(g->udp ? IPPROTO_UDP : IPPROTO_TCP);
	return sum;
}

void gso_checksum_begin(uint8_t *frame, uint32_t bytes, const struct gso *g)
{
	uint16_t sum = fold(pseudo_sum(frame, g, bytes - g->l4));

	memcpy(frame + g->l4 + gso_checksum_offset(g), &sum, sizeof(sum));
}

bool gso_checksum_complete(uint8_t *frame, uint32_t bytes, uint16_t start, uint16_t offset)
{
	uint16_t sum;

	if ((uint32_t)start + offset + sizeof(sum) > bytes)
		return false;
	// What is there already is the pseudo-header's sum. A sum of 0 means none to UDP, and the
	// same as 0xffff to TCP.
	sum = ~rte_raw_cksum(frame + start, bytes - start);
	if (sum == 0)
		sum = 0xffff;
	memcpy(frame + start + offset, &sum, sizeof(sum));
	return true;
}

// ---------------------------------------------------------------- segments

static void finish_ip(uint8_t *ip, const struct gso *g, uint32_t ip_bytes, unsigned i)
{
	if (g->ipv6) {
		struct rte_ipv6_hdr *h = (struct rte_ipv6_hdr *)ip;

		h->payload_len = rte_cpu_to_be_16((uint16_t)(ip_bytes - sizeof(*h)));
	} else {
		struct rte_ipv4_hdr *h = (struct rte_ipv4_hdr *)ip;

		h->total_length = rte_cpu_to_be_16((uint16_t)ip_bytes);
		h->packet_id = rte_cpu_to_be_16((uint16_t)(rte_be_to_cpu_16(h->packet_id) + i));
		h->hdr_checksum = 0;
		h->hdr_checksum = ~rte_raw_cksum(h, (h->version_ihl & 15) * 4u);
	}
}

static void finish_tcp(struct rte_tcp_hdr *h, const struct gso *g, unsigned i)
{
	h->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(h->sent_seq) + i * g->size);
	if (i > 0)
		h->tcp_flags &= ~RTE_TCP_CWR_FLAG;
	if (i + 1 < g->segments)
		h->tcp_flags &= ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
}

uint32_t gso_segment(
	const uint8_t *frame, uint32_t bytes, const struct gso *g, unsigned i, uint8_t *out)
{
	uint32_t from = g->payload + i * g->size;
	uint32_t part = bytes - from < g->size ? bytes - from : g->size;
	uint32_t total = g->payload + part;

	memcpy(out, frame, g->payload);
	memcpy(out + g->payload, frame + from, part);
	finish_ip(out + g->l3, g, total - g->l3, i);
	if (g->udp)
		put_be16(out + g->l4 + 4, total - g->l4);
	else
		finish_tcp((struct rte_tcp_hdr *)(out + g->l4), g, i);
	gso_checksum_begin(out, total, g);
	(void)gso_checksum_complete(out, total, g->l4, gso_checksum_offset(g));
	return total;
}
