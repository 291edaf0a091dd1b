// SPDX-License-Identifier: BSD-3-Clause
//
// What goes around a datagram: Ethernet, IPv4 or IPv6, UDP. Built from a template, parsed with
// every length checked. Thread: any; state is the caller's. Floor 2.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_byteorder.h>

#include "wire/cmd.h"
#include "wire/drop.h"
#include "wire/packet.h"

#define OUTER_IPV4_BYTES (14 + 20 + 8)
#define OUTER_IPV6_BYTES (14 + 40 + 8)

// A path ready to send on: its header with all but lengths, DSCP and checksums filled in.
struct outer_path {
	// 16 bytes, and 42 of header: a line is all that sending and receiving over IPv4 read
	uint64_t source_key;  // what outer_source_key() gives for a datagram that came by this path
	uint32_t sum;         // IPv4: header checksum so far
	uint16_t mtu;         // largest IP packet
	uint8_t header_bytes; // OUTER_IPV4_BYTES or OUTER_IPV6_BYTES; 0 when there is no path
	uint8_t port_idx;
	uint8_t header[62];
	struct path_desc desc; // its be_sport is the overlay port, whatever the header's is
};

// Where a datagram came from, and the datagram itself, as a view into the packet.
struct outer_view {
	uint8_t *payload;
	uint16_t payload_bytes;
	uint8_t family; // 4 or 6
	uint8_t dscp;   // whole traffic class byte, ECN bits included
	const uint8_t *dst_mac;
	const uint8_t *src_mac;
	const uint8_t *src_ip; // 4 or 16 bytes
	const uint8_t *dst_ip;
	uint16_t be_sport;
	uint16_t be_dport;
};

// Validate a description and make the path. errors: -EINVAL.
int outer_path_build(const struct path_desc *desc, struct outer_path *ret_path);

// The description of the way back to where a datagram came from (the frame's source as next hop).
void outer_reverse(
	const struct outer_view *v, uint8_t port_idx, uint16_t mtu, struct path_desc *ret_desc);

// Bytes of blocks that fit one packet of this path.
static inline unsigned outer_room(const struct outer_path *path)
{
	return path->mtu - (path->header_bytes - 14u) - PKT_DATA_HDR_LEN - PKT_MAC_LEN;
}

// Write the header before `payload`, which has at least OUTER_IPV6_BYTES of space before it.
// IPv4: DF, UDP checksum 0. IPv6: real checksum over the whole datagram. DSCP: the upper six bits.
// Returns the first byte of the frame.
uint8_t *outer_write(
	const struct outer_path *path, uint8_t *payload, uint16_t payload_bytes, uint8_t dscp);

// Parse an arriving frame. Refuses what is not a whole, unfragmented, untagged UDP datagram whose
// lengths agree. The UDP checksum is not verified: the AEAD and the mac cover what it covers.
//
// returns: false with the reason (RX_MALFORMED, OUTER_FOREIGN, OUTER_FRAGMENT, OUTER_CHECKSUM), and
// then nothing of use in the view
bool outer_parse(
	uint8_t *frame, uint32_t bytes, struct outer_view *v, enum drop_reason *ret_reason);

// A number that differs for datagrams of different source addresses or ports: exact for IPv4.
uint64_t outer_source_number(uint8_t family, const uint8_t *ip, uint16_t be_port, uint8_t port_idx);

// Describe the same path from the source port of our data lane, and from that one alone.
static inline void outer_use_lane_port(struct path_desc *desc, uint8_t lane)
{
	unsigned n = desc->n_sports > 1 ? desc->n_sports : 1;

	desc->be_sport =
		rte_cpu_to_be_16(rte_be_to_cpu_16(desc->be_sport) + pkt_lane_port(lane, n));
	desc->n_sports = 1;
}

// Did a datagram of this source key come by the path in all but its source port, and is that the
// one that the peer's lane has for itself?
static inline bool outer_is_lane_port(
	const struct outer_path *path, uint64_t source_key, uint16_t be_sport, uint8_t lane)
{
	uint16_t above = rte_be_to_cpu_16(be_sport) - rte_be_to_cpu_16(path->desc.be_dport);

	return path->desc.n_dports > 1 && (source_key ^ path->source_key) << 16 == 0 &&
	       above == pkt_lane_port(lane, path->desc.n_dports);
}

static inline uint64_t outer_source_key(const struct outer_view *v, uint8_t port_idx)
{
	return outer_source_number(v->family, v->src_ip, v->be_sport, port_idx);
}
