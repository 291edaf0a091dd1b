// SPDX-License-Identifier: BSD-3-Clause
//
// Super-frames: one Ethernet frame of up to 64 KB that stands for many, as a kernel's TCP or UDP
// makes it for a device that cuts it (TSO, USO). What its headers say, and the cutting.
//
// A super-frame carries one number beside its bytes, the payload of each of its segments
// (PROTOCOL.md §6); everything else is read from its headers here, so that nobody can lie about it.
//
// Thread: any; no state. Floor 2.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define GSO_SEGMENTS_MAX 1024

// What the headers of a super-frame say: offsets from its first byte.
struct gso {
	uint16_t l3;       // IP header
	uint16_t to;       // destination address that the checksum covers
	uint16_t l4;       // TCP or UDP header
	uint16_t payload;  // behind all headers
	uint16_t size;     // payload of each segment but the last
	uint16_t segments; // 2..GSO_SEGMENTS_MAX
	bool ipv6;
	bool udp;
};

// Read and check a super-frame, as if hostile: Ethernet, at most two VLAN tags, IPv4 or IPv6 whose
// length is the frame's, no fragment, no routing header whose way is not known, TCP or UDP, at
// least two segments.
bool gso_parse(const uint8_t *frame, uint32_t bytes, uint16_t size, struct gso *ret_gso);

// Length of the longest segment, Ethernet header and tags included.
static inline uint32_t gso_segment_bytes(const struct gso *g)
{
	return (uint32_t)g->payload + g->size;
}

// Write segment i of a parsed super-frame: a frame of its own, with the checksums, lengths, IP
// identification, sequence number and flags that the kernel would give it. out has room for
// gso_segment_bytes(). Returns its length.
uint32_t gso_segment(
	const uint8_t *frame, uint32_t bytes, const struct gso *g, unsigned i, uint8_t *out);

// Put the pseudo-header's sum where a device that completes the checksum expects it.
void gso_checksum_begin(uint8_t *frame, uint32_t bytes, const struct gso *g);
static inline uint16_t gso_checksum_offset(const struct gso *g) // from l4
{
	return g->udp ? 6 : 16;
}

// Complete a checksum that a kernel left to its device: everything from `start` on is summed and
// put at start + offset. Returns false for offsets outside of the frame.
bool gso_checksum_complete(uint8_t *frame, uint32_t bytes, uint16_t start, uint16_t offset);
