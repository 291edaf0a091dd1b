// SPDX-License-Identifier: BSD-3-Clause
//
// What the hostile senders share: a raw socket on one interface, frames of all kinds, and an
// account of what the target sends meanwhile. One thread. Used by tests/reliability.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_FRAME_MAX 1600
#define WIRE_PORTS_MAX 8

struct wire {
	int tx, rx;
	bool v6;
	uint8_t src_mac[6], dst_mac[6];
	uint8_t src_ip[16], dst_ip[16];
	uint16_t ours[WIRE_PORTS_MAX]; // ports that must be silent
	unsigned n_ours;
	// $HOSTILE_CALLS, with commas between: whom the target calls of its own accord, its hub
	// and, while it starts, its peers.
	unsigned n_calls;
	uint8_t calls[WIRE_PORTS_MAX][16];
	uint64_t sent;
	uint64_t refused; // by the interface: its queue was full
	unsigned n;       // buffered
	struct {
		unsigned bytes;
		uint8_t data[WIRE_FRAME_MAX];
	} frame[64];
};

struct wire_heard {    // from the target, neighbour discovery aside
	uint64_t ours; // from a port of ours, or an error about one
	uint64_t ours_bytes;
	uint64_t others; // the host's own answers, about what is not ours
	uint64_t calls;  // to those, which is no answer
	uint64_t tcp;    // of a connection that the target opened itself (to the hub)
	uint8_t first[128];
	unsigned first_bytes;
};

void wire_die(const char *what);
uint64_t wire_now_ns(void);

// Open the interface towards a target.
void wire_open(struct wire *w, const char *iface, const char *src_ip, const char *dst_ip,
	const char *dst_mac);

// A place for one frame of at most WIRE_FRAME_MAX bytes, sent by wire_put(); wire_flush() hands
// what is buffered to the interface.
uint8_t *wire_get(struct wire *w);
void wire_put(struct wire *w, unsigned bytes);
void wire_flush(struct wire *w);

// Ethernet and IP headers; returns where the payload goes. Checksums hold.
uint8_t *wire_ip(struct wire *w, uint8_t *frame, uint8_t protocol, unsigned payload_bytes);
// A UDP datagram around a payload that is already at its place: frame + wire_udp_offset().
unsigned wire_udp_offset(const struct wire *w);
unsigned wire_udp(
	struct wire *w, uint8_t *frame, uint16_t sport, uint16_t dport, unsigned payload_bytes);
unsigned wire_tcp(struct wire *w, uint8_t *frame, uint16_t sport, uint16_t dport, uint8_t flags);
bool wire_is_ours(const struct wire *w, uint16_t port);
// The payload of an unfragmented UDP datagram; false for what is none.
bool wire_is_udp(const uint8_t *frame, unsigned bytes, const uint8_t **ret_payload,
	unsigned *ret_bytes, uint16_t *ret_sport, uint16_t *ret_dport);

// Take in what came; call it between bursts. Then wait until nothing came for quiet_ms.
void wire_hear(struct wire *w, struct wire_heard *heard);
void wire_hear_end(struct wire *w, struct wire_heard *heard, unsigned quiet_ms);
void wire_print_heard(const struct wire_heard *heard);
