// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/guard.h"

#include <string.h>

#include "wire/bytes.h"

#define TYPE_IPV4 0x0800
#define TYPE_IPV6 0x86dd

#define ICMP6_RA 134

const uint8_t guard_probe_group[6] = {0x03, 'P', 'S', 'T', 'N', 'L'};

// What is left of a frame.
struct rest {
	const uint8_t *at;
	unsigned bytes;
};

static bool skip(struct rest *r, unsigned n)
{
	if (n > r->bytes)
		return false;
	r->at += n;
	r->bytes -= n;
	return true;
}

static bool is_tag(uint16_t type)
{
	return type == GUARD_TYPE_VLAN || type == GUARD_TYPE_QINQ || type == GUARD_TYPE_QINQ_2;
}

// The ethertype behind any number of tags and 802.3 headers with SNAP; 0 if there is none.
static uint16_t payload_type(struct rest *r)
{
	static const uint8_t snap[5] = {0xaa, 0xaa, 0x03, 0, 0}; // and OUI 0, or 0000f8 for tunnels

	while (r->bytes >= 2) {
		uint16_t type = get_be16(r->at);

		skip(r, 2);
		if (is_tag(type)) {
			if (!skip(r, 2))
				return 0;
		} else if (type < GUARD_TYPE_MIN) {
			if (r->bytes < 8 || memcmp(r->at, snap, sizeof(snap)) != 0 ||
				(r->at[5] != 0 && r->at[5] != 0xf8))
				return 0;
			skip(r, 6);
		} else {
			return type;
		}
	}
	return 0;
}

static enum guard_kind dhcp4(struct rest udp)
{
	uint16_t port = udp.bytes >= 4 ? get_be16(udp.at + 2) : 0;

	// To a client; or, by way of a relay, a reply. What is not there may be a reply.
	if (udp.bytes < 4 || port == 68)
		return GUARD_DHCP;
	return port == 67 && (udp.bytes < 9 || udp.at[8] == 2) ? GUARD_DHCP : GUARD_NONE;
}

static enum guard_kind ipv4(struct rest r)
{
	unsigned header;

	if (r.bytes < 20 || r.at[0] >> 4 != 4 || r.at[9] != 17)
		return GUARD_NONE;
	header = (r.at[0] & 15) * 4;
	if (header < 20 || (get_be16(r.at + 6) & 0x1fff) != 0)
		return GUARD_NONE; // no header, or not the first fragment
	return skip(&r, header) ? dhcp4(r) : GUARD_NONE;
}

static enum guard_kind dhcp6(struct rest udp)
{
	uint16_t port = udp.bytes >= 4 ? get_be16(udp.at + 2) : 0;
	uint8_t type = udp.bytes >= 9 ? udp.at[8] : 0;

	if (udp.bytes < 4 || port == 546)
		return GUARD_DHCP;
	// ADVERTISE, REPLY, RECONFIGURE, RELAY-REPL
	return port == 547 && (type == 0 || type == 2 || type == 7 || type == 10 || type == 13)
		       ? GUARD_DHCP
		       : GUARD_NONE;
}

// How long the extension header is whose second byte is `length`, or 0 if `next` is none.
static unsigned extension_bytes(uint8_t next, uint8_t length)
{
	switch (next) {
	case 0:   // hop by hop
	case 43:  // routing
	case 60:  // destination options
	case 135: // mobility
	case 139: // HIP
	case 140: // shim6
		return (length + 1u) * 8;
	case 44: // fragment
		return 8;
	case 51: // authentication
		return (length + 2u) * 4;
	default:
		return 0;
	}
}

static enum guard_kind ipv6(struct rest r)
{
	unsigned n;
	uint8_t next;

	if (r.bytes < 40 || r.at[0] >> 4 != 6)
		return GUARD_NONE;
	next = r.at[6];
	skip(&r, 40);
	while (r.bytes >= 8 && (n = extension_bytes(next, r.at[1])) != 0) {
		if (next == 44 && (get_be16(r.at + 2) & 0xfff8) != 0)
			return GUARD_NONE; // not the first fragment
		next = r.at[0];
		if (!skip(&r, n))
			return GUARD_RA; // a chain that does not end here may end in anything
	}
	if (next == 17)
		return dhcp6(r);
	if (next == 58)
		return r.bytes == 0 || r.at[0] == ICMP6_RA ? GUARD_RA : GUARD_NONE;
	return extension_bytes(next, 0) != 0 ? GUARD_RA : GUARD_NONE;
}

// BPDUs of the bridges themselves, and of Cisco's for each VLAN.
static bool is_stp(const uint8_t *dst)
{
	static const uint8_t ieee[6] = {0x01, 0x80, 0xc2, 0, 0, 0};
	static const uint8_t provider[6] = {0x01, 0x80, 0xc2, 0, 0, 8};
	static const uint8_t pvst[6] = {0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd};

	return memcmp(dst, ieee, 6) == 0 || memcmp(dst, provider, 6) == 0 ||
	       memcmp(dst, pvst, 6) == 0;
}

enum guard_kind guard_kind_of(const uint8_t *frame, unsigned bytes)
{
	struct rest r = {frame, bytes};
	uint16_t type;

	if (is_stp(frame))
		return GUARD_STP;
	skip(&r, 12);
	type = payload_type(&r);
	if (type == TYPE_IPV4)
		return ipv4(r);
	if (type == TYPE_IPV6)
		return ipv6(r);
	// A probe is longer; what is shorter the first look lets go.
	return type == GUARD_TYPE_PROBE && r.bytes >= 20 && memcmp(frame, guard_probe_group, 6) == 0
		       ? GUARD_LOOP_PROBE
		       : GUARD_NONE;
}

static _Atomic uint32_t *heard_of(struct guard_heard *heard, enum guard_kind kind)
{
	return kind == GUARD_DHCP ? &heard->dhcp_s : &heard->ra_s;
}

void guard_hear(struct guard_heard *heard, enum guard_kind kind, uint32_t now_s)
{
	_Atomic uint32_t *at;

	if (kind != GUARD_DHCP && kind != GUARD_RA)
		return;
	at = heard_of(heard, kind);
	if (atomic_load_explicit(at, memory_order_relaxed) != now_s)
		atomic_store_explicit(at, now_s, memory_order_relaxed);
}

bool guard_passes(const struct guard_rules *rules, const struct guard_heard *heard,
	enum guard_kind kind, uint32_t now_s)
{
	uint32_t at;
	uint8_t rule;

	if (kind == GUARD_STP)
		return rules->stp_forward;
	if (kind != GUARD_DHCP && kind != GUARD_RA)
		return true;
	rule = kind == GUARD_DHCP ? rules->dhcp : rules->ra;
	if (rule != GUARD_AUTO)
		return rule == GUARD_ALLOW;
	at = atomic_load_explicit(
		heard_of((struct guard_heard *)heard, kind), memory_order_relaxed);
	return at == 0 || now_s - at > GUARD_HEARD_S;
}
