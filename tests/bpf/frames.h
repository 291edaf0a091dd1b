// SPDX-License-Identifier: BSD-3-Clause
#pragma once
// Frames for the tests of the XDP programs, built byte by byte into a buffer.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX 2048

struct frame {
	uint8_t bytes[FRAME_MAX];
	size_t len;
};

// What to put around a datagram; zero means: an ordinary one over IPv4 to the overlay port.
struct frame_spec {
	int family;                // 4 (or 0), 6
	uint16_t dport;            // 0: TEST_PORT
	uint16_t ip_fragment;      // host order: IPv4 flags and offset, or IPv6 fragment field
	uint8_t ipv4_option_words; // 4-byte words of IPv4 options
	bool has_ext;              // one IPv6 extension header in front of UDP, of this number:
	uint8_t ext;
	uint8_t ip_proto;  // 0: UDP
	uint16_t vlan;     // 0: untagged
	int udp_len_delta; // what the UDP length lies by
	int ip_len_delta;  // what the IP length lies by
	size_t trailer;    // Ethernet padding behind the IP packet
};

#define TEST_PORT 7667

void frame_build(struct frame *f, const struct frame_spec *spec, const void *payload, size_t n);

// Payloads. build_handshake writes the length field and the tag, the rest is filler.
size_t payload_data(uint8_t *out, size_t n);
size_t payload_handshake(uint8_t *out, uint8_t type, size_t n, const uint8_t tag[8]);
