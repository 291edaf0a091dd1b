// SPDX-License-Identifier: BSD-3-Clause
//
// Every datagram, byte for byte: types, layouts, limits, block kinds, key_id, nonce.
//
// The constants are plain preprocessor text, so that the XDP program reads the same file; the
// structs are packed and little-endian, to be laid over received bytes after a length check.
//
// Any thread. Floor 0. PROTOCOL.md §4, §6, §14.
#pragma once

// First byte of a datagram. Everything else is dropped.
#define PKT_TYPE_PUNCH 0x10
#define PKT_TYPE_M1    0x11
#define PKT_TYPE_M2    0x12
#define PKT_TYPE_M3    0x13
#define PKT_TYPE_RETRY 0x14
#define PKT_TYPE_DATA  0x18

// Offsets shared by all handshake datagrams (PUNCH … RETRY).
#define PKT_OFF_FLAGS  1
#define PKT_OFF_LEN    2 // u16, the datagram's own length
#define PKT_OFF_KEY_ID 4 // u32, the receiver's (M1: the sender's offer; PUNCH: 0)
#define PKT_OFF_TAG    8
#define PKT_OFF_TS     16
#define PKT_HS_HDR_LEN 24 // type … ts

#define PKT_TAG_LEN    8   // rotating pair tag
#define PKT_MAC_LEN    16  // mac1, mac2, and every AEAD tag
#define PKT_TAG_SLOT_S 600 // seconds a tag lives; receivers hold slots -1, 0, +1

// Lengths.
#define PKT_PUNCH_LEN     40
#define PKT_M1_LEN        128
#define PKT_M1_MAC1_OFF   96  // mac1 covers the bytes before it
#define PKT_M1_MAC2_OFF   112 // mac2 likewise; also the part of M1 that th1 hashes
#define PKT_RETRY_LEN     56
#define PKT_M2_HDR_LEN    56 // AAD of the sealed part
#define PKT_M3_HDR_LEN    24
// Sealed part without the certificate field: see struct pkt_m2_body and pkt_m3_body.
#define PKT_M2_BODY_FIXED 50
#define PKT_M3_BODY_FIXED 10
#define PKT_AUTH_LEN      96 // sig[64] ‖ fin[32] after the certificate field
#define PKT_M2_MIN_LEN    (PKT_M2_HDR_LEN + PKT_M2_BODY_FIXED + PKT_AUTH_LEN + 2 * PKT_MAC_LEN)
#define PKT_M3_MIN_LEN    (PKT_M3_HDR_LEN + PKT_M3_BODY_FIXED + PKT_AUTH_LEN + 2 * PKT_MAC_LEN)

#define PKT_MIN_LEN    36   // an empty DATA packet with one block header, the smallest of all
#define PKT_HS_MAX_LEN 1232 // a handshake datagram or lane-0 packet over UDP
#define PKT_LEAF_MAX   900  // a certificate that still fits M2 in one datagram
#define PKT_TCP_MAX_LEN \
	9216 // one frame of the TCP fallback and of the hub link: u16 BE length first
#define PKT_HS_TCP_MAX_LEN 6144 // a handshake message there: it carries the whole chain

#define PKT_UDP_PORT 7667 // default of `overlay_port`

// PUNCH flags.
#define PKT_PUNCH_INITIATE 1 // server role asks the client for an M1

// caps of M1, M2 and intents.
#define PKT_CAP_AES          0x00000001 // AES and carry-less multiply in hardware
#define PKT_CAP_CHACHA       0x00000002 // always set
#define PKT_CAP_LANES_SHIFT  8          // bits 8–15: data lanes accepted - 1
#define PKT_CAP_LANES_MASK   0x0000ff00
#define PKT_CAP_TCP          0x00010000 // reachable by the TCP fallback
#define PKT_CAP_SUPER        0x00020000 // takes super-frames (kinds 8 and 9)
#define PKT_CAP_PORTS        0x00040000 // takes lanes from source ports of their own
#define PKT_CAP_PORTS_SHIFT  19         // bits 19–22: source ports its lanes may have - 1
#define PKT_CAP_PORTS_MASK   0x00780000
#define PKT_CAP_RESERVED     0xff000000 // zero; M2's word carries the cipher there
#define PKT_CIPHER_SHIFT     24
#define PKT_SOURCE_PORTS_MAX 16

#define PKT_CIPHER_AES_256_GCM       1
#define PKT_CIPHER_CHACHA20_POLY1305 2

// DATA.
#define PKT_DATA_HDR_LEN    16 // all of it is AAD
#define PKT_BLOCK_HDR_LEN   4
#define PKT_NONCE_LEN       12
#define PKT_KEY_LEN         32
#define PKT_LANE_CONTROL    0            // lane 0 belongs to the control process
#define PKT_LANE_MAX        255          // data lanes are 1..255
#define PKT_COUNTER_REKEY   (1ull << 30) // ask control for new keys
#define PKT_COUNTER_CAP     (1ull << 31) // never sent, never accepted: this and beyond
#define PKT_REPLAY_WINDOW   8192
#define PKT_MTU_BASE        1280       // smallest path MTU, IP header included
#define PKT_FRAME_MIN       14         // an Ethernet header
#define PKT_FRAME_MAX       (9216 + 8) // an inner frame: 9216 and two VLAN tags
#define PKT_SUPER_MAX       65280      // a super-frame, tags included
#define PKT_SUPER_HDR_LEN   4          // before it: u16 payload of each segment, u16 0
#define PKT_FRAG_MIN_ROOM   64         // split a frame only where at least this much of it fits
#define PKT_FRAG_TOTAL_LEN  2 // FRAG_FIRST's payload begins with the u16 length of the whole frame
#define PKT_FRAG_TIMEOUT_MS 100

// Block kinds in data lanes.
#define PKT_KIND_END            0 // an all-zero header ends the packet; a packet of only that is a keepalive
#define PKT_KIND_ETH            1
#define PKT_KIND_FRAG_FIRST     2
#define PKT_KIND_FRAG_NEXT      3
#define PKT_KIND_PROBE          4 // u32 id, padded to the size probed
#define PKT_KIND_PROBE_ACK      5 // u32 id, u16 size seen
#define PKT_KIND_PATH_CHALLENGE 6 // 8 random bytes
#define PKT_KIND_PATH_RESPONSE  7 // the same 8 bytes
#define PKT_KIND_SUPER          8 // a super-frame that fits one packet, to who announced PKT_CAP_SUPER
#define PKT_KIND_SUPER_FIRST    9 // of one that does not; FRAG_NEXT follow
// Block kinds in lane 0.
#define PKT_KIND_CONFIRM        16 // M4, empty
#define PKT_KIND_REKEY_PLEASE   17 // empty
#define PKT_KIND_CLOSE          18 // u16 reason: PKT_CLOSE_*
#define PKT_KIND_REVOCATIONS    19 // a signed list (record.h), in pieces like RECORD
#define PKT_KIND_CANDIDATES     20 // candidates.h, plaintext layout
#define PKT_KIND_RECORD         21 // record.h

#define PKT_PROBE_PAYLOAD_LEN     4
#define PKT_PROBE_ACK_PAYLOAD_LEN 6
#define PKT_PATH_PAYLOAD_LEN      8
#define PKT_CLOSE_PAYLOAD_LEN     2

#define PKT_CLOSE_WITHDRAWN 1 // an operator removed the intent
#define PKT_CLOSE_EXPIRED   2 // certificate or intent ran out
#define PKT_CLOSE_REVOKED   3
#define PKT_CLOSE_SHUTDOWN  4 // going down; come back by a new handshake

// key_id = session slot ‖ generation. Control numbers generations from 1, so that 0 is never a
// key_id.
#define PKT_KEY_ID_GEN_BITS   8
#define PKT_SLOT_MAX          0xffffff
#define PKT_KEY_ID(slot, gen) (((slot) << PKT_KEY_ID_GEN_BITS) | ((gen)&0xff))

#ifndef __bpf__
#include "wire/bytes.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define PKT_PACKED __attribute__((packed))

// First 24 bytes of every handshake datagram.
struct pkt_hs {
	uint8_t type;
	uint8_t flags;
	uint16_t len;
	uint32_t key_id;
	uint8_t tag[PKT_TAG_LEN];
	uint64_t ts; // µs since 1970 by the sender's clock, strictly rising; M2 and M3 repeat M1's
} PKT_PACKED;
static_assert(sizeof(struct pkt_hs) == PKT_HS_HDR_LEN, "handshake header");
static_assert(offsetof(struct pkt_hs, tag) == PKT_OFF_TAG, "tag moved");
static_assert(offsetof(struct pkt_hs, ts) == PKT_OFF_TS, "ts moved");

struct pkt_punch {
	struct pkt_hs hs; // key_id 0
	uint8_t mac[PKT_MAC_LEN];
} PKT_PACKED;
static_assert(sizeof(struct pkt_punch) == PKT_PUNCH_LEN, "PUNCH");

struct pkt_m1 {
	struct pkt_hs hs; // key_id by which the client will receive
	uint8_t x[32];    // client's ephemeral X25519 key
	uint8_t nonce[32];
	uint32_t caps;
	uint32_t zero;
	uint8_t mac1[PKT_MAC_LEN];
	uint8_t mac2[PKT_MAC_LEN]; // zero, or under the cookie of a RETRY
} PKT_PACKED;
static_assert(sizeof(struct pkt_m1) == PKT_M1_LEN, "M1");
static_assert(offsetof(struct pkt_m1, mac1) == PKT_M1_MAC1_OFF, "mac1 moved");
static_assert(offsetof(struct pkt_m1, mac2) == PKT_M1_MAC2_OFF, "mac2 moved");

struct pkt_m2 {
	struct pkt_hs hs; // key_id of M1
	uint8_t x[32];    // server's ephemeral key
	uint8_t sealed[]; // pkt_m2_body, certificate field, sig, fin, AEAD tag; then mac1
} PKT_PACKED;
static_assert(sizeof(struct pkt_m2) == PKT_M2_HDR_LEN, "M2");

struct pkt_m2_body {
	uint8_t nonce[32];
	uint32_t key_id; // by which the server will receive
	uint32_t caps_cipher;
	uint64_t rl; // number of the newest revocation list the server has
	uint16_t cert_len;
} PKT_PACKED;
static_assert(sizeof(struct pkt_m2_body) == PKT_M2_BODY_FIXED, "M2 body");

struct pkt_m3 {
	struct pkt_hs hs; // key_id of M2's body
	uint8_t sealed[]; // pkt_m3_body, certificate field, sig, fin, AEAD tag; then mac1
} PKT_PACKED;
static_assert(sizeof(struct pkt_m3) == PKT_M3_HDR_LEN, "M3");

struct pkt_m3_body {
	uint64_t rl;
	uint16_t cert_len;
} PKT_PACKED;
static_assert(sizeof(struct pkt_m3_body) == PKT_M3_BODY_FIXED, "M3 body");

struct pkt_retry {
	struct pkt_hs hs; // key_id and ts of the M1 it answers
	uint8_t cookie[16];
	uint8_t mac1[PKT_MAC_LEN];
} PKT_PACKED;
static_assert(sizeof(struct pkt_retry) == PKT_RETRY_LEN, "RETRY");

struct pkt_data {
	uint8_t type; // PKT_TYPE_DATA
	uint8_t lane;
	uint16_t zero;
	uint32_t key_id; // the receiver's
	uint64_t counter;
} PKT_PACKED;
static_assert(sizeof(struct pkt_data) == PKT_DATA_HDR_LEN, "DATA");

// What a super-frame begins with. All else about it is in its own headers.
struct pkt_super {
	uint16_t size; // payload of each segment but the last
	uint16_t zero;
} PKT_PACKED;
static_assert(sizeof(struct pkt_super) == PKT_SUPER_HDR_LEN, "super-frame header");

struct pkt_block {
	uint16_t len; // of the payload that follows
	uint8_t kind;
	uint8_t segment;
} PKT_PACKED;
static_assert(sizeof(struct pkt_block) == PKT_BLOCK_HDR_LEN, "block header");

static inline uint32_t pkt_key_id(uint32_t slot, uint8_t gen)
{
	return PKT_KEY_ID(slot, gen);
}

static inline uint32_t pkt_key_slot(uint32_t key_id)
{
	return key_id >> PKT_KEY_ID_GEN_BITS;
}

static inline uint8_t pkt_key_gen(uint32_t key_id)
{
	return (uint8_t)key_id;
}

// Data lanes a caps word accepts, 1..256; lane numbers end at PKT_LANE_MAX all the same.
static inline unsigned pkt_caps_lanes(uint32_t caps)
{
	unsigned n = ((caps & PKT_CAP_LANES_MASK) >> PKT_CAP_LANES_SHIFT) + 1;

	return n > PKT_LANE_MAX ? PKT_LANE_MAX : n;
}

// Source ports that the lanes of a caps word's owner may have, 1..PKT_SOURCE_PORTS_MAX.
static inline unsigned pkt_caps_ports(uint32_t caps)
{
	return (caps & PKT_CAP_PORTS) == 0
		       ? 1
		       : ((caps & PKT_CAP_PORTS_MASK) >> PKT_CAP_PORTS_SHIFT) + 1;
}

// How far a data lane's source port is from the overlay port. PROTOCOL.md §9.
static inline unsigned pkt_lane_port(unsigned lane, unsigned n_ports)
{
	return (lane - 1) % n_ports;
}

// The cipher of a pair: a rule on both sides' caps, not a negotiation. PROTOCOL.md §5.
static inline uint8_t pkt_cipher(uint32_t caps_c, uint32_t caps_s)
{
	return (caps_c & caps_s & PKT_CAP_AES) != 0 ? PKT_CIPHER_AES_256_GCM
						    : PKT_CIPHER_CHACHA20_POLY1305;
}

// nonce = iv XOR (u32 0 ‖ u64 counter). PROTOCOL.md §6.
static inline void pkt_nonce(
	uint8_t nonce[PKT_NONCE_LEN], const uint8_t iv[PKT_NONCE_LEN], uint64_t counter)
{
	memcpy(nonce, iv, 4);
	put_le64(nonce + 4, get_le64(iv + 4) ^ counter);
}

// True when a datagram may be handled as a handshake one: known type, right length for it, honest
// length field, no flag that has no meaning. Nothing in it is authentic yet.
//
// max: PKT_HS_MAX_LEN over UDP, PKT_HS_TCP_MAX_LEN over TCP framing. drops: DROP_HS_SHAPE
static inline bool pkt_hs_plausible(const void *p, size_t len, size_t max)
{
	const struct pkt_hs *h = p;

	if (len < PKT_HS_HDR_LEN || len > max || h->len != len)
		return false;
	switch (h->type) {
	case PKT_TYPE_PUNCH:
		return len == PKT_PUNCH_LEN && (h->flags & ~PKT_PUNCH_INITIATE) == 0 &&
		       h->key_id == 0;
	case PKT_TYPE_M1:
		return len == PKT_M1_LEN && h->flags == 0;
	case PKT_TYPE_M2:
		return len >= PKT_M2_MIN_LEN && h->flags == 0;
	case PKT_TYPE_M3:
		return len >= PKT_M3_MIN_LEN && h->flags == 0;
	case PKT_TYPE_RETRY:
		return len == PKT_RETRY_LEN && h->flags == 0;
	}
	return false;
}

// True when a datagram may be looked up as DATA: long enough, reserved bytes zero, counter below
// the cap. The caller has looked at the first byte.
static inline bool pkt_data_plausible(const void *p, size_t len)
{
	const struct pkt_data *d = p;

	return len >= PKT_MIN_LEN && d->type == PKT_TYPE_DATA && d->zero == 0 &&
	       d->counter < PKT_COUNTER_CAP;
}

// Walks the blocks of an authentic plaintext.
struct pkt_blocks {
	const uint8_t *at;
	size_t left;
};

struct pkt_block_view {
	uint8_t kind;
	uint8_t segment;
	uint16_t len;
	const uint8_t *payload;
};

static inline struct pkt_blocks pkt_blocks(const void *plaintext, size_t len)
{
	return (struct pkt_blocks){.at = plaintext, .left = len};
}

// 1: *ret is the next block. 0: the packet ends here, the rest is padding. -1: a block claims more
// bytes than are left (DROP_BLOCK_LENGTH); everything from there on is dropped.
static inline int pkt_block_next(struct pkt_blocks *it, struct pkt_block_view *ret)
{
	const struct pkt_block *b = (const struct pkt_block *)it->at;

	if (it->left < PKT_BLOCK_HDR_LEN || get_le32(it->at) == 0)
		return 0;
	if (b->len > it->left - PKT_BLOCK_HDR_LEN)
		return -1;
	*ret = (struct pkt_block_view){
		.kind = b->kind,
		.segment = b->segment,
		.len = b->len,
		.payload = it->at + PKT_BLOCK_HDR_LEN,
	};
	it->at += PKT_BLOCK_HDR_LEN + ret->len;
	it->left -= (size_t)PKT_BLOCK_HDR_LEN + ret->len;
	return 1;
}
#endif
