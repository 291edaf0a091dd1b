// SPDX-License-Identifier: BSD-3-Clause
//
// Which inner frames only a server or a bridge of the segment has reason to send: DHCP replies,
// IPv6 router advertisements, spanning tree. And, by policy, which of them pass.
//
// A first look at a few header bytes (guard_suspect_ip) sorts out nearly every frame; the parser
// behind it follows tags, 802.3 headers, IPv4 options and IPv6 extension headers, because each of
// them has been used to slip past such guards (RFC 7113, CVE-2021-27853). A first fragment whose
// headers end before they say what it is counts as what it may be. Thread: the worker. Floor 2.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum guard_kind { GUARD_NONE, GUARD_DHCP, GUARD_RA, GUARD_STP, GUARD_LOOP_PROBE };

// What a segment does with DHCP replies and router advertisements that peers send.
enum guard_rule {
	GUARD_AUTO, // pass unless our own LAN was heard to have such a server
	GUARD_ALLOW,
	GUARD_DROP,
};

struct guard_rules {
	uint8_t dhcp; // enum guard_rule
	uint8_t ra;
	bool stp_forward;
	bool loop_cut; // loop.h
};

// A LAN that had a server of its own keeps a peer's away for so long: an RA comes every half hour
// at least (RFC 4861 §6.2.1).
#define GUARD_HEARD_S 3600

#define GUARD_TYPE_VLAN   0x8100
#define GUARD_TYPE_QINQ   0x88a8
#define GUARD_TYPE_QINQ_2 0x9100 // before 802.1ad
#define GUARD_TYPE_PROBE  0x88b6 // IEEE 802 local experimental
#define GUARD_TYPE_MIN    0x0600 // below: an 802.3 length

// Where our loop probes go: a local group, which every bridge passes on.
extern const uint8_t guard_probe_group[6];

// When a segment's LAN was last heard to have a DHCP server or a router, in seconds, 0 never. Any
// worker writes, at most once a second; any worker reads.
struct guard_heard {
	_Atomic uint32_t dhcp_s;
	_Atomic uint32_t ra_s;
};

// What a frame of at least 14 bytes is. Reads nothing beyond bytes.
enum guard_kind guard_kind_of(const uint8_t *frame, unsigned bytes);

// Note what came from the LAN.
void guard_hear(struct guard_heard *heard, enum guard_kind kind, uint32_t now_s);
// Whether a peer may send this into the segment.
bool guard_passes(const struct guard_rules *rules, const struct guard_heard *heard,
	enum guard_kind kind, uint32_t now_s);

// Whether guard_kind_of() could find something in an IP packet, of which `bytes` ≥ 20 are there:
// UDP to ports 67 and 68, or with a header of which they are no fixed part.
static inline bool guard_suspect_ip4(const uint8_t *ip, unsigned bytes)
{
	bool fixed = ip[0] == 0x45 && bytes >= 24;

	// The first look settles nearly all: where there are ports, it is a port above 255.
	if (fixed && ip[22] != 0)
		return false;
	return ip[9] == 17 && (!fixed || ip[23] == 67 || ip[23] == 68);
}

// The same for what is behind up to two tags and not IP: it may be there behind something else.
static inline bool guard_suspect_type(uint16_t type)
{
	return type < GUARD_TYPE_MIN || type == GUARD_TYPE_PROBE || type == GUARD_TYPE_VLAN ||
	       type == GUARD_TYPE_QINQ || type == GUARD_TYPE_QINQ_2;
}

static inline bool guard_suspect_ip6(const uint8_t *ip, unsigned bytes)
{
	switch (ip[6]) {
	case 6:
		return false;
	case 17: // ports 546 and 547
		return bytes < 44 || (ip[42] == 0x02 && (ip[43] & 0xfe) == 0x22);
	case 58:
		return bytes < 41 || ip[40] == 134;
	default:
		return true;
	}
}
