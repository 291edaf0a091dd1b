// SPDX-License-Identifier: BSD-3-Clause
//
// The four-message handshake, client and server, as pure functions: no I/O, no clock, no randomness
// of its own. The same for peers, hub link and enrolment; what differs is the pair, the certificate
// field and the maximum length.
//
//	client                                          server
//	hs_client_start()  ── M1 ──────────────────►  hs_server_check_m1(), caller's ts rule,
//	                                              hs_server_m1()
//	hs_client_m2()     ◄────────────────── M2 ──  (cached by the caller for duplicates of M1)
//	  → M3 and keys; install RX, then send
//	                   ── M3 ──────────────────►  hs_server_m3() → keys; install RX, then M4 =
//	switch TX          ◄────────────────── M4 ──  ctl_lane_seal(CONFIRM) (cached for duplicate
// M3)
//
// Objects live in the caller's memory and hold secrets: *_fini() wipes, at every end. A failed call
// changes nothing the peer could notice: nothing is sent, the reason is for the local log only. A
// forged or damaged message leaves the object waiting for the true one.
//
// Not thread safe; one owner per object. Floor 2. PROTOCOL.md §4, §5, §7, §14.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/common/keysched.h"
#include "controlplane/common/pair.h"
#include "wire/der_list.h"
#include "wire/packet.h"

// X(NAME, "short-name", "sentence")
// clang-format off
#define HS_LIST(X) \
	X(OK,         "ok",          "done") \
	X(SHAPE,      "shape",       "the message has the wrong length or header for its type") \
	X(STATE,      "state",       "the message does not belong to this handshake (other key_id or ts)") \
	X(TAG,        "tag",         "the tag is not one of this pair now (is a clock wrong?)") \
	X(MAC,        "mac",         "the mac is wrong: not from the peer, or damaged") \
	X(RESERVED,   "reserved",    "reserved bits are set") \
	X(LOW_ORDER,  "low-order",   "the peer's ephemeral key is of low order") \
	X(DECRYPT,    "decrypt",     "the sealed part does not open: other keys or other intents at the peer") \
	X(CERT_FIELD, "cert-field",  "the certificate field is malformed") \
	X(CERT,       "certificate", "the peer's certificate was refused") \
	X(KEY,        "key",         "the peer's key is not the one its intent was made with") \
	X(SIGNATURE,  "signature",   "the peer's signature is wrong") \
	X(FIN,        "fin",         "the peer's final mac is wrong") \
	X(CIPHER,     "cipher",      "the peer chose another cipher than the rule gives (downgrade)") \
	X(SIGNER,     "signer",      "the own signer refused or did not answer") \
	X(TOO_LONG,   "too-long",    "the own certificate does not fit the message")
// clang-format on

enum hs_status {
#define HS_X(name, label, text) HS_##name,
	HS_LIST(HS_X)
#undef HS_X
};

const char *hs_status_text(enum hs_status s);
const char *hs_status_label(enum hs_status s);

// What a certificate field holds.
enum hs_field {
	HS_FIELD_LEAF, // one DER certificate ≤ PKT_LEAF_MAX: peers, over UDP or TCP
	HS_FIELD_CHAIN, // der_list: leaf ‖ intermediates ‖ root: hub link and the hub in enrolment
	HS_FIELD_KEY, // 32 bytes, a bare Ed25519 key: the gateway in enrolment
};

// Identity operations; they may block (the signer is another process).
struct hs_identity {
	void *ctx;
	// Ed25519 over L(label) ‖ msg by my long-term key; label "S" or "C", len 32. 0 or -errno.
	int (*sign)(void *ctx, const char *label, const uint8_t *msg, size_t len, uint8_t sig[64]);
	// Check the peer's certificate field: chain to the pinned root (known intermediates may be
	// added), valid now, SAN = name, EKU of the role, not revoked. HS_FIELD_KEY: field->n = 1,
	// the 32 key bytes; nothing but the pair secret speaks for it. 0 and both outputs, or
	// -errno; the detailed reason stays in ctx.
	int (*check_cert)(void *ctx, enum hs_field kind, const struct der_list *field,
		const char *name, uint8_t ret_pk[32], uint64_t *ret_not_after_s);
};

// Common to both roles; the pointers must outlive the object.
struct hs_config {
	const struct pair *pair;
	const struct hs_identity *identity;
	const char *peer_name; // handed to check_cert; NULL where none is known (enrolment server)
	const uint8_t *expect_key; // 32, the peer's key as in its intent, or NULL
	const uint8_t *own_field;  // my certificate field, as it goes over the wire
	size_t own_field_len;
	enum hs_field peer_field; // what the peer must send
	size_t max_len;           // PKT_HS_MAX_LEN over UDP, PKT_HS_TCP_MAX_LEN over TCP
	uint32_t caps;            // mine, as in my intent
	uint64_t rl;              // number of the newest revocation list I have
	uint8_t hedge[32];        // the signer's "hedge" secret
};

// What a finished handshake gives. Secret.
struct hs_result {
	struct keysched_traffic traffic;
	uint32_t rx_key_id; // mine: the peer sends to it
	uint32_t tx_key_id; // the peer's: I send to it
	uint8_t cipher;     // PKT_CIPHER_* of the data lanes; lane 0 is always ChaCha20-Poly1305
	uint32_t peer_caps;
	uint64_t peer_rl;
	uint8_t peer_key[32];
	uint64_t peer_not_after_s; // for the deadline
};

void hs_result_wipe(struct hs_result *r);

// ---- client

struct hs_client {
	struct hs_config cfg;
	bool open; // M1 made, M2 not yet accepted
	struct pkt_m1 m1;
	uint8_t x_sk[32];
};

// Make M1. key_id: by which I will receive. ts_us: newer than any M1 of mine for this pair,
// persisted before M1 leaves. rnd: 64 fresh random bytes. The same M1 is what retransmissions send.
void hs_client_start(struct hs_client *c, const struct hs_config *cfg, uint32_t key_id,
	uint64_t ts_us, uint64_t now_s, const uint8_t rnd[64], struct pkt_m1 *ret_m1);

// Take a RETRY: the same M1 with mac2, to be sent once, at once. At most one RETRY a second
// deserves that.
enum hs_status hs_client_retry(struct hs_client *c, const void *datagram, size_t len,
	uint64_t now_s, struct pkt_m1 *ret_m1);

// Take an M2: verify everything, make M3, derive keys. On HS_OK the object is spent (fini still
// due). m3: cap ≥ cfg.max_len. Install RX of *ret in every worker before sending M3.
enum hs_status hs_client_m2(struct hs_client *c, const void *datagram, size_t len, uint64_t now_s,
	uint8_t *m3, size_t *ret_m3_len, struct hs_result *ret);

void hs_client_fini(struct hs_client *c);

// ---- server

struct hs_server {
	struct hs_config cfg;
	bool open; // M2 made, M3 not yet accepted
	uint32_t rx_key_id;
	uint32_t tx_key_id;
	uint64_t ts;
	uint32_t peer_caps;
	uint8_t cipher;
	uint8_t th4[32];
	uint8_t k3[32];
	uint8_t f3[32];
	uint8_t ms_key[32];
};

// Is this an authentic M1 of the pair? Length, header, tag, mac1, reserved bits. Cheap; comes
// before the ts rule: ts > last is new, ts = last is a duplicate and gets the cached M2 (≤ 8
// sources).
enum hs_status hs_server_check_m1(
	const struct pair *p, const void *datagram, size_t len, uint64_t now_s);

// Answer an M1 (checked again here): M2, and a server that waits for its M3. key_id: by which I
// will receive. rnd: 64 fresh random bytes. m2: cap ≥ cfg.max_len; keep the bytes for duplicates of
// this M1.
enum hs_status hs_server_m1(struct hs_server *s, const struct hs_config *cfg, const void *datagram,
	size_t len, uint32_t key_id, uint64_t now_s, const uint8_t rnd[64], uint8_t *m2,
	size_t *ret_m2_len);

// Take an M3. On HS_OK keys are in *ret and the object is spent (fini still due). A duplicate M3
// after that is answered by the caller with its cached M4, once hs_check_outer() says it is
// authentic.
enum hs_status hs_server_m3(struct hs_server *s, const void *datagram, size_t len, uint64_t now_s,
	struct hs_result *ret);

void hs_server_fini(struct hs_server *s);

// ---- headers of datagrams that passed pkt_hs_plausible()

static inline uint64_t hs_ts(const void *datagram)
{
	return get_le64((const uint8_t *)datagram + PKT_OFF_TS);
}

static inline uint32_t hs_key_id(const void *datagram)
{
	return get_le32((const uint8_t *)datagram + PKT_OFF_KEY_ID);
}

// Is this an authentic datagram of `type` from the other side? Length, header, tag, mac; what the
// data-plane checks too. For M3 duplicates: authentic, and its ts and key_id are the accepted ones.
enum hs_status hs_check_outer(const struct pair *p, uint8_t type, const void *datagram, size_t len,
	size_t max_len, uint64_t now_s);
