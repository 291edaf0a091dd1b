// SPDX-License-Identifier: BSD-3-Clause
//
// Hub records: what a gateway and its hub say to each other inside lane 0 of their link, after the
// handshake. Fixed layouts; parsed into views; built from the same structs.
//
// A record travels as one or more RECORD blocks (kind 21), each {u16 type, u32 total_len, bytes};
// the header is repeated in every piece, pieces come in order, and no other record begins before
// one is complete. struct record_tx cuts, struct record_rx puts together.
//
// Any thread, one object one owner. Floor 0. PROTOCOL.md §13 has the byte tables.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/der_list.h"
#include "wire/name.h"

#define RECORD_MAX_LEN       65536 // body of one record
#define RECORD_PIECE_HDR_LEN 6
#define RECORD_HASH_LEN      32
#define RECORD_SIG_LEN       64
#define RECORD_TEXT_MAX      200
#define RECORD_SEALED_MAX    1024 // sealed candidates; opaque here

enum record_type {
	RECORD_ERROR = 1,      // both ways: the record named could not be served
	RECORD_PING = 2,       // both ways
	RECORD_CSR = 3,        // gateway → hub: certify this key (enrolment and renewal)
	RECORD_CERT = 4,       // hub → gateway: the answer
	RECORD_PUT_INTENT = 5, // gateway → hub: publish
	RECORD_DROP_INTENT = 6, // gateway → hub: withdraw mine; hub → gateway: the other side did
	RECORD_MATCH = 7,       // hub → gateway: somebody wants you as you want them
	RECORD_CANDIDATES = 8,    // gateway → hub → the other gateway, sealed
	RECORD_OBSERVED_ADDR = 9, // hub → gateway: where your PUNCH came from
	RECORD_REVOCATIONS = 10,  // hub → gateway: signed list (controlplane/common/revocation.h)
	RECORD_RELAY_OPEN = 11,   // gateway → hub: ask; hub → gateway: granted
	RECORD_POLICY = 12,       // hub → gateway: what the network's operator decided
};

// Why a record was refused. The text says it in words.
enum record_error_code {
	RECORD_E_MALFORMED = 1,
	RECORD_E_NAME = 2,  // the name is not allowed by the token or not the link's own
	RECORD_E_TOKEN = 3, // used up, expired or unknown
	RECORD_E_SIGNATURE = 4,
	RECORD_E_STALE = 5,   // serial not newer than the one held
	RECORD_E_LIMIT = 6,   // too many intents, relays, requests
	RECORD_E_UNKNOWN = 7, // no such intent or pair
	RECORD_E_REVOKED = 8,
	RECORD_E_UNAVAILABLE = 9, // this hub does not do that (role switched off, key offline)
	RECORD_E_INTERNAL = 10,
	RECORD_E_TOKEN_USED = 11,    // no uses left
	RECORD_E_TOKEN_EXPIRED = 12, // its time is over
	RECORD_E_NAME_TAKEN = 13,    // another key holds the name
};

// 8 + text: u16 in_reply_to, u16 code, u16 text_len, u16 0, text (printable UTF-8, no control
// bytes)
struct record_error {
	uint16_t in_reply_to; // enum record_type, 0 = the link as a whole
	uint16_t code;        // enum record_error_code
	uint16_t text_len;    // ≤ RECORD_TEXT_MAX
	const char *text;
};

// 16: u64 token, u8 reply, 7 × 0. A PING with reply = 0 is answered by one with the same token
// and 1.
struct record_ping {
	uint64_t token;
	bool reply;
};

enum record_csr_purpose { RECORD_CSR_ENROL = 1, RECORD_CSR_RENEW = 2 };

// 84 + name + 64: u8 version 1, u8 purpose, u16 name_len, u32 0, th0[32] of the link it is sent on,
// public_key[32], u64 time, u32 caps, name, sig[64] = Ed25519(L("csr") ‖ everything before) by that
// key.
struct record_csr {
	uint8_t purpose; // enum record_csr_purpose
	const uint8_t
		*th0; // 32; ties the request to this link, so it cannot be replayed on another
	const uint8_t *public_key; // 32, Ed25519
	uint64_t time_s;
	uint32_t caps;
	const char *name; // the one dNSName asked for
	uint16_t name_len;
	const uint8_t *sig; // 64; NULL when built by record_build_csr_unsigned()
	// Parsed only: the bytes under the signature.
	const uint8_t *signed_bytes;
	size_t signed_len;
};

// 56 + chain: u32 flags, u32 0, u64 not_before, u64 not_after, gate_secret[32], chain (der_list)
#define RECORD_CERT_HAS_GATE 1 // gate_secret is set: an enrolment
struct record_cert {
	uint32_t flags;
	uint64_t not_before_s;
	uint64_t not_after_s;
	const uint8_t *gate_secret; // 32; zero without RECORD_CERT_HAS_GATE. Wipe after use.
	struct der_list chain;      // leaf ‖ intermediates ‖ root
};

// The intent as it is, wire/intent.h.
struct record_put_intent {
	const uint8_t *intent;
	size_t len;
};

enum record_drop_reason {
	RECORD_DROP_WITHDRAWN = 1, // an operator's decision
	RECORD_DROP_EXPIRED = 2,
	RECORD_DROP_SUPERSEDED = 3, // a newer serial for the same pair
	RECORD_DROP_REVOKED = 4,
};

// 36: hash[32] of the intent that is gone (gateway → hub: mine; hub → gateway: the other's), u16
// reason, u16 0
struct record_drop_intent {
	const uint8_t *hash;
	uint16_t reason; // enum record_drop_reason
};

// 72 + intent + chain + rollover: mine_hash[32], theirs_hash[32], u16 intent_len, u16 chain_len,
// u16 rollover_len, u16 0, their intent, their certificates, 0 or RECORD_ROLLOVER bytes.
struct record_match {
	const uint8_t *mine_hash;   // H(the receiver's intent), 32
	const uint8_t *theirs_hash; // H(intent), 32; checked by the receiver, not here
	const uint8_t *intent;
	size_t intent_len;
	struct der_list chain;
	const uint8_t *rollover; // a rollover statement, or NULL
	size_t rollover_len;
};

// 68 + sealed: from_hash[32], to_hash[32] (intents of sender and receiver), u16 sealed_len, u16 0,
// sealed
struct record_candidates {
	const uint8_t *from_hash;
	const uint8_t *to_hash;
	const uint8_t *sealed;
	size_t sealed_len; // 1..RECORD_SEALED_MAX
};

// 28: u64 ts of the PUNCH, u8 family 4/6, u8 hub port index, u16 port, addr[16]
struct record_observed_addr {
	uint64_t punch_ts;
	uint8_t family;
	uint8_t hub_port; // which of the hub's UDP ports saw it: two tell symmetric NAT apart
	uint16_t port;
	const uint8_t *addr; // 16; IPv4 in the first four, the rest zero
};

// The signed list as it is.
struct record_revocations {
	const uint8_t *list;
	size_t len;
};

enum record_relay_op { RECORD_RELAY_ASK = 1, RECORD_RELAY_GRANT = 2, RECORD_RELAY_CLOSE = 3 };

// 100: mine_hash[32], theirs_hash[32], u8 op, u8 family, u16 port, u32 rate_kbit, u64 expires,
// addr[16], u32 0. In ASK and CLOSE everything behind op is zero.
struct record_relay_open {
	const uint8_t *mine_hash;
	const uint8_t *theirs_hash;
	uint8_t op;
	uint8_t family;
	uint16_t port;
	uint32_t rate_kbit;
	uint64_t expires_s;
	const uint8_t *addr; // 16
};

// 28 + chain: u64 number (rising), u32 max_stale, u32 intent_life, u32 flags, u16 chain_len, 6 × 0,
// chain
#define RECORD_POLICY_RELAY 1 // relays may be asked for
struct record_policy {
	uint64_t number;
	uint32_t max_stale_s;   // how long a gateway goes on without its hub
	uint32_t intent_life_s; // longest intent this hub keeps
	uint32_t flags;
	bool has_chain;
	struct der_list chain; // intermediates ‖ root of the network
};

// A rollover statement: the holder of old_key says that new_key is his from now on. 90 + name + 64:
// net_id[16], old_key[32], new_key[32], u64 time, u16 name_len, name, sig[64] = Ed25519 by old_key
// over L("rollover") ‖ everything before. PROTOCOL.md §3, key continuity.
#define RECORD_ROLLOVER_FIXED 90
#define RECORD_ROLLOVER_MAX   (RECORD_ROLLOVER_FIXED + NAME_MAX_LEN + RECORD_SIG_LEN)
struct record_rollover {
	const uint8_t *net_id;  // 16
	const uint8_t *old_key; // 32
	const uint8_t *new_key; // 32
	uint64_t time_s;
	const char *name;
	uint16_t name_len;
	const uint8_t *sig;
	const uint8_t *signed_bytes;
	size_t signed_len;
};

struct record {
	uint16_t type; // enum record_type
	union {
		struct record_error error;
		struct record_ping ping;
		struct record_csr csr;
		struct record_cert cert;
		struct record_put_intent put_intent;
		struct record_drop_intent drop_intent;
		struct record_match match;
		struct record_candidates candidates;
		struct record_observed_addr observed;
		struct record_revocations revocations;
		struct record_relay_open relay;
		struct record_policy policy;
	};
};

// Read the body of a complete record. Shape only: lengths, enums, names, reserved bytes, exact
// length; signatures, hashes and embedded certificates are for the caller. Views live as long as p.
//
// 0; -EBADMSG: malformed; -EPROTONOSUPPORT: a type that this version does not know (answer with an
// ERROR record, do not close the link). *ret untouched on failure.
int record_parse(uint16_t type, const void *p, size_t len, struct record *ret);

// Write the body of a record. Bytes written; 0 when buf is too small or the fields are not ones
// that record_parse() would accept.
size_t record_build(const struct record *r, uint8_t *buf, size_t cap);

// Write a CSR up to its signature: the message to sign under the label "csr"; RECORD_SIG_LEN bytes
// follow it. 0 as above.
size_t record_build_csr_unsigned(const struct record_csr *csr, uint8_t *buf, size_t cap);

int record_parse_rollover(const void *p, size_t len, struct record_rollover *ret);
size_t record_build_rollover_unsigned(const struct record_rollover *r, uint8_t *buf, size_t cap);

// "MATCH" and so on for logs; "unknown" for others.
const char *record_type_name(uint16_t type);

// Cuts one record into block payloads.
struct record_tx {
	uint16_t type;
	const uint8_t *body;
	uint32_t total;
	uint32_t sent;
	bool done;
};

// body: len ≤ RECORD_MAX_LEN, the caller's until done. 0 or -EMSGSIZE.
int record_tx_init(struct record_tx *tx, uint16_t type, const uint8_t *body, size_t len);

// Write the next RECORD payload, header included, into at most `room` bytes (>
// RECORD_PIECE_HDR_LEN). Returns its length, or 0 when the record is complete. An empty record is
// one piece.
size_t record_tx_next(struct record_tx *tx, uint8_t *payload, size_t room);

// Puts one record at a time together.
struct record_rx {
	uint8_t *buf; // the caller's, RECORD_MAX_LEN bytes
	uint16_t type;
	bool open; // a record has begun and is not complete
	uint32_t total;
	uint32_t have;
};

void record_rx_init(struct record_rx *rx, uint8_t *buf);

// Take the payload of one RECORD block. 1: a record is complete: rx->type, rx->buf, rx->total hold
// it until the next call. 0: more to come. -EBADMSG: the stream is broken (header differs from the
// open record's, too long, an empty piece in between); close the link.
int record_rx_push(struct record_rx *rx, const void *payload, size_t len);

// Wipe what the buffer holds (a CERT carries a secret) and forget an open record.
void record_rx_reset(struct record_rx *rx);
