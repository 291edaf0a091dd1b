// SPDX-License-Identifier: BSD-3-Clause
//
// Path MTU discovery by probes (RFC 8899): the search as a state machine without packets.
//
// Sizes are IP packets in bytes. A probe's id carries its size, so that an answer that comes late
// still tells something. Floor 2: time passed in, no I/O.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PROBE_RETRY_NS  250000000ull
#define PROBE_TRIES     3
#define PMTU_CONFIRM_NS 5000000000ull   // while frames go out
#define PMTU_RAISE_NS   600000000000ull // RFC 8899 §5.1.1
#define PMTU_STEP       8               // search until this close

struct pmtu {
	uint16_t mtu;     // what the path is known to carry; never below the base
	uint16_t ceiling; // what our port and control allow
	uint16_t high;    // largest size not yet known to fail
	uint16_t size;    // of the probe that is out; 0 none
	uint8_t tries;
	bool confirming; // the probe that is out repeats mtu
	uint16_t count;  // of probes, upper half of the next id
	uint64_t next_ns;
	uint64_t raise_ns;
};

// Start from the base on a path that may carry up to ceiling.
void pmtu_start(struct pmtu *p, uint16_t ceiling, uint64_t now_ns);

// What to send now: a probe of ret_size bytes under ret_id, or nothing (false). in_use: frames went
// out lately, so that it is worth knowing whether full ones still arrive.
// After *ret_lost, mtu has fallen to the base because full-size probes are lost.
bool pmtu_due(struct pmtu *p, uint64_t now_ns, bool in_use, uint16_t *ret_size, uint32_t *ret_id,
	bool *ret_lost);

// The peer saw a probe. Returns whether mtu rose.
bool pmtu_acked(struct pmtu *p, uint32_t id, uint16_t size_seen, uint64_t now_ns);
