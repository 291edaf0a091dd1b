// SPDX-License-Identifier: BSD-3-Clause
//
// What generated frames look like: UDP in IPv4, a pattern, and a probe in the last 18 bytes.
//
// The probe is found from the frame's end, so a tag added or removed on the way does not hide it,
// and a replayed frame can carry one behind its own bytes. It fits a frame of 60 bytes.
//
//	0  magic   16   what kind of frame
//	2  check   16   of all that follows, and of the body before it (replayed and control frames)
//	4  run      8   one trial of one sender and direction
//	5  stream  24
//	8  seq     32   from 0 in each stream, wraps
//	12 time    48   the sender's time stamp counter; all processes of one machine share it
//
// Floor 2. Pure. Big-endian on the wire.
#pragma once

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_PROBE_BYTES 18
#define FRAME_PORT        9098 // UDP destination, unless told otherwise
#define FRAME_STREAMS_MAX (1u << 17)
#define FRAME_HEAD_MAX    46 // with a VLAN tag
#define FRAME_CTL_BYTES   110
#define FRAME_TIME_MASK   ((1ull << 48) - 1)

enum frame_kind {
	FRAME_FOREIGN,   // not ours
	FRAME_CORRUPTED, // ours, but not as it was sent
	FRAME_DATA,
	FRAME_CTL,
};

struct probe {
	uint8_t run;
	uint32_t stream;
	uint32_t seq;
	uint64_t time;
};

// How the frames of one direction look. Flow i has UDP source port and IP source address by i, and
// the i-th of the MAC addresses, modulo their numbers.
struct frame_spec {
	uint8_t smac[6], dmac[6];
	uint32_t n_smacs, n_dmacs;
	uint32_t sip, dip; // host order
	uint16_t sport, dport;
	uint16_t vlan; // 0: no tag
	uint32_t n_flows;
};

// The headers of one flow, ready but for the lengths.
struct frame_head {
	alignas(64) uint8_t bytes[48];
	uint32_t ip_sum; // of the IP header without its length
	uint8_t len;
	uint8_t l3; // where the IP header begins
};

unsigned frame_least(const struct frame_spec *spec);
void frame_head_build(const struct frame_spec *spec, uint32_t flow, struct frame_head *ret_head);

// A MAC address a number of steps further.
void frame_mac_step(uint8_t mac[6], uint32_t steps);

// Everything of a frame but its probe. bytes ≥ frame_least(); buf has 48 bytes at least.
void frame_write(uint8_t *buf, unsigned bytes, const struct frame_head *head);

// The probe of a generated frame, or, with the checksum of what lies before it, of a replayed one.
void frame_probe_write(uint8_t *buf, unsigned bytes, const struct probe *probe);
void frame_probe_write_replayed(
	uint8_t *buf, unsigned bytes, const struct probe *probe, uint32_t body_sum);
uint32_t frame_body_sum(const uint8_t *body, unsigned bytes);

// Tell what a frame is; ret_probe is set for data and control frames.
enum frame_kind frame_read(
	const uint8_t *buf, unsigned bytes, uint16_t dport, struct probe *ret_probe);

// What the two ends tell each other beside the load.
enum ctl_op {
	CTL_HELLO = 1, // here is this address; switches learn it
	CTL_END = 2,   // so many frames were sent
};

struct ctl {
	uint32_t op;
	uint32_t n_streams;
	uint64_t machine; // equal on both sides: time stamps compare
	uint64_t total;   // CTL_END: frames of the run, dealt to the streams in turn
	uint8_t run;
};

// A control frame of FRAME_CTL_BYTES from the i-th source address to dmac.
void frame_ctl_write(uint8_t *buf, const struct frame_spec *spec, uint32_t i, const uint8_t dmac[6],
	const struct ctl *ctl);
// The body of a frame that frame_read() called FRAME_CTL.
void frame_ctl_read(const uint8_t *buf, unsigned bytes, struct ctl *ret_ctl);
