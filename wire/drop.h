// SPDX-License-Identifier: BSD-3-Clause
//
// Every reason for which a frame or datagram is dropped: one list for the data-plane, the XDP
// program, the metrics and the CLI. Plain preprocessor text, so that all of them can include it.
//
// Any thread. Floor 0. PROTOCOL.md §8 gives the order in which a datagram meets them.
//
// X(NAME, "short-name", "help"): DROP_NAME is the counter's index, the short name its label in
// `postern stats` and metrics, the help what an operator reads. New reasons go to the end of their
// group; the numbers are local to one build (stats pages carry a layout version) and not a
// contract.
#pragma once

// clang-format off
#define DROP_LIST(X) \
	/* a port's receive side */ \
	X(RX_MALFORMED,     "rx-malformed",      "The frame was too short for its own headers, or an outer IP or UDP length lied.") \
	X(RX_MULTI_SEGMENT, "rx-multi-segment",  "The driver gave the frame in pieces that do not fit one buffer.") \
	X(RX_GIANT,         "rx-giant",          "An inner frame was longer than 9216 bytes plus tags.") \
	X(RX_RUNT,          "rx-runt",           "An inner frame was shorter than an Ethernet header.") \
	X(NO_MBUF,          "no-mbuf",           "No packet buffer was free.") \
	/* outer headers, WAN side */ \
	X(OUTER_FOREIGN,    "outer-foreign",     "A WAN frame was not for the overlay and the port has no way to hand it to the kernel.") \
	X(OUTER_FRAGMENT,   "outer-fragment",    "The outer IP packet was a fragment; Postern never sends one.") \
	X(OUTER_CHECKSUM,   "outer-checksum",    "The outer IP header or UDP checksum was wrong.") \
	X(SHORT,            "short",             "A datagram was shorter than the smallest packet.") \
	X(OVERSIZE,         "oversize",          "A datagram was longer than the largest packet of its type.") \
	X(TYPE,             "type",              "The first byte is no packet type.") \
	X(RESERVED,         "reserved",          "Reserved header bytes were not zero.") \
	/* DATA, before the AEAD */ \
	X(KEY_UNKNOWN,      "key-unknown",       "No session has this key_id.") \
	X(KEY_RETIRED,      "key-retired",       "The session is known but this epoch's keys are gone.") \
	X(KEY_EXPIRED,      "key-expired",       "The epoch's deadline has passed; control did not rekey in time.") \
	X(LANE_UNKNOWN,     "lane-unknown",      "The session has no such lane.") \
	X(HANDOFF_FULL,     "handoff-full",      "The ring to the lane's owning worker was full.") \
	X(COUNTER_CAP,      "counter-cap",       "The packet counter reached the limit of 2^31 per key.") \
	X(REPLAY_OLD,       "replay-old",        "The counter is older than the replay window.") \
	X(REPLAY_DUP,       "replay-duplicate",  "The counter was already seen.") \
	X(AUTH,             "auth",              "The packet was not authentic: forged, damaged or under another key.") \
	/* DATA, after the AEAD */ \
	X(BLOCK_LENGTH,     "block-length",      "A block claimed more bytes than its packet has.") \
	X(BLOCK_KIND,       "block-kind",        "A block of a kind that has no meaning in this lane, or of the wrong size for its kind.") \
	X(PATH_RESPONSE,    "path-response",     "A path response matched no challenge that is open.") \
	X(FRAG_ORPHAN,      "frag-orphan",       "A fragment came without the ones before it (loss or reordering).") \
	X(FRAG_INCOMPLETE,  "frag-incomplete",   "A frame in fragments was given up because its next piece did not follow.") \
	X(FRAG_LENGTH,      "frag-length",       "Fragments added up to more than the frame's length, or the length was impossible.") \
	X(FRAG_TIMEOUT,     "frag-timeout",      "A frame in fragments was not complete after 100 ms.") \
	X(FRAG_BUDGET,      "frag-budget",       "The oldest frame in fragments made room: reassembly memory or slots were used up.") \
	X(SUPER_INVALID,    "super-invalid",     "A super-frame's headers and its segment size do not fit together.") \
	/* switching */ \
	X(SEGMENT_UNKNOWN,  "segment-unknown",   "The port and VLAN, or the number in the packet, belong to no segment.") \
	X(SEGMENT_DENIED,   "segment-denied",    "The peer is not a member of the segment it sent to.") \
	X(VLAN_FILTER,      "vlan-filter",       "The VLAN tag is not one this port carries.") \
	X(SOURCE_INVALID,   "source-invalid",    "The source MAC was zero or a group address.") \
	X(SOURCE_BOUND,     "source-bound",      "The source MAC is bound to another port or peer by a static entry.") \
	X(LINK_LOCAL,       "link-local",        "A frame to 01:80:c2:00:00:0x stays on its own link (STP, LLDP, pause).") \
	X(HAIRPIN,          "hairpin",           "The destination is where the frame came from.") \
	X(SPLIT_HORIZON,    "split-horizon",     "A frame from one peer is never sent on to another.") \
	X(FLOOD_NOBODY,     "flood-nobody",      "A flooded frame had nobody to go to.") \
	X(GUARD_DHCP,       "guard-dhcp",        "A peer sent DHCP replies into a segment that has a server of its own, or drops them by its guards.") \
	X(GUARD_RA,         "guard-ra",          "A peer sent IPv6 router advertisements into a segment that has a router of its own, or drops them by its guards.") \
	X(GUARD_STP,        "guard-stp",         "Spanning tree stays on its own site unless the segment's guards forward it.") \
	X(LOOP,             "loop",              "The frame came from or went to a place that is cut off because it closes a loop.") \
	X(LOOP_PROBE,       "loop-probe",        "A loop probe was malformed, too old, or had gone too far.") \
	X(FLOOD_LIMIT,      "flood-limit",       "Unknown unicast above the segment's rate.") \
	X(STORM,            "storm",             "Broadcast or multicast above the segment's storm limit.") \
	/* sending */ \
	X(NO_SESSION,       "no-session",        "The peer is not connected.") \
	X(NO_PATH,          "no-path",           "The session has no path yet, or its next hop is unknown.") \
	X(TX_EXPIRED,       "tx-expired",        "The sending key's deadline has passed; control did not rekey in time.") \
	X(TX_COUNTER_CAP,   "tx-counter-cap",    "The sending key reached 2^31 packets and was not replaced in time.") \
	X(TX_MTU,           "tx-mtu",            "The frame is longer than the outgoing port can carry.") \
	X(TX_HEADROOM,      "tx-headroom",       "The buffer had no room for the outer headers.") \
	X(TX_QUEUE,         "tx-queue",          "The outgoing port's queue was full.") \
	X(PORT_DOWN,        "port-down",         "The outgoing port is down.") \
	X(CRYPTO,           "crypto",            "The cipher library reported an error.") \
	/* handshake datagrams */ \
	X(HS_SHAPE,         "hs-shape",          "A handshake datagram had the wrong length for its type, or flags without meaning.") \
	X(HS_TAG,           "hs-tag",            "The tag belongs to no pair: a stranger, or a clock more than ten minutes off.") \
	X(HS_MAC,           "hs-mac",            "The tag is live but the mac is wrong: someone replays what he saw.") \
	X(HS_TS,            "hs-ts",             "The timestamp is not newer than the last one: an exact replay.") \
	X(HS_DUPLICATE,     "hs-duplicate",      "More duplicates of one handshake datagram than are looked at.") \
	X(HS_ROLE,          "hs-role",           "The message is one that this side of the pair sends, not receives.") \
	X(PUNT_BUCKET,      "punt-bucket",       "More handshakes from one pair than its bucket allows.") \
	X(PUNT_RING,        "punt-ring",         "Control did not take handshakes fast enough, or is not running.") \
	X(LANE0_SHAPE,      "lane0-shape",       "A control packet was outside 36 to 1232 bytes.") \
	X(LANE0_SOURCE,     "lane0-source",      "A control packet came from an address that is no path of its session.") \
	X(LANE0_BUCKET,     "lane0-bucket",      "More control packets from one session than its bucket allows.") \
	X(LANE0_RING,       "lane0-ring",        "Control did not take its packets fast enough, or is not running.") \
	/* what control sends */ \
	X(INJECT_INVALID,   "inject-invalid",    "Control asked to send something malformed.") \
	X(INJECT_PATH,      "inject-path",       "The port named for an injected datagram cannot send it.") \
	/* the XDP program */ \
	X(XDP_FRAGMENT,     "xdp-fragment",      "A fragment of a datagram to the overlay port.") \
	X(XDP_SHAPE,        "xdp-shape",         "A datagram to the overlay port of a type, length or with headers that no packet of ours has.") \
	X(XDP_TAG,          "xdp-tag",           "A handshake datagram's tag was not live: a stranger, stopped at the door.") \
	X(XDP_RATE,         "xdp-rate",          "Handshake datagrams above the rate that is let through to look at.") \
	X(XDP_NO_SOCKET,    "xdp-no-socket",     "No data-plane was there to take a datagram to the overlay port.")
// clang-format on

enum drop_reason {
#define DROP_X(name, label, help) DROP_##name,
	DROP_LIST(DROP_X)
#undef DROP_X
		DROP_N,
};
