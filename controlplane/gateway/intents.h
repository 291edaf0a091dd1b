// SPDX-License-Identifier: BSD-3-Clause
//
// This gateway's own intents, and the decision to believe somebody else's.
//
// The hub only carries intents; everything it says is checked here again (PROTOCOL.md §3, §14).
// Pure: time, randomness and signatures are passed in. One owner. Holds the introduction key until
// the match; intent_wipe() at the end. Floor 2.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/common/revocation.h"
#include "controlplane/common/x509.h"
#include "controlplane/gateway/peer.h"
#include "wire/intent.h"
#include "wire/record.h"

// My intent towards one peer, as published.
struct own_intent {
	bool made;
	bool consumed; // it served a match; the introduction key is gone
	uint8_t bytes[INTENT_MAX_LEN];
	uint16_t len;
	uint8_t hash[32];
	uint8_t ipk_sk[32];
	uint64_t serial;
	uint64_t not_before_s;
	uint64_t not_after_s;
};

// What is remembered of a peer across introductions.
struct intent_memory {
	uint64_t serial; // newest believed
	uint8_t hash[32];
	bool has_key;
	uint8_t key[32]; // key continuity
};

struct intent_request {
	const uint8_t *net_id; // 16
	const char *me;
	const char *to;
	const uint8_t *cert_hash; // 32, of my certificate
	uint64_t cert_not_after_s;
	uint32_t caps;
	uint64_t life_s;
	uint64_t serial; // µs, above all earlier ones, persisted
	uint64_t now_s;
	const uint8_t *rnd;   // 32 fresh
	const uint8_t *hedge; // 32
	int (*sign)(void *ctx, const char *label, const void *msg, size_t len, uint8_t sig[64]);
	void *sign_ctx;
};

// Make a new intent in place of the old one. -EINVAL, -ETIME: the certificate has expired, or what
// sign says.
int intent_make(const struct intent_request *req, struct own_intent *ret);
void intent_wipe(struct own_intent *own);

enum intent_refusal {
	INTENT_ACCEPTED,
	INTENT_REFUSE_NO_OWN,   // I have no intent towards that peer
	INTENT_REFUSE_CONSUMED, // mine served its match already: publish a fresh one
	INTENT_REFUSE_OTHER,    // the match names another intent than my present one
	INTENT_REFUSE_OWN_EXPIRED,
	INTENT_REFUSE_CERTIFICATE,
	INTENT_REFUSE_REVOKED,
	INTENT_REFUSE_PIN,
	INTENT_REFUSE_KEY_CHANGED, // without a rollover statement that holds
	INTENT_REFUSE_INTENT,      // pair_check_intent() says why
	INTENT_REFUSE_NOT_YET,     // it begins in the future: a clock is wrong
	INTENT_REFUSE_USED,        // theirs served a match before
	INTENT_REFUSE_HASH,        // the match names another intent than it carries
	INTENT_REFUSE_PAIR,        // no pair key comes of it
	INTENT_REFUSE_PSK,         // the configuration asks for a PSK that is not there
};

// Everything that this gateway knows by itself.
struct intent_judge {
	const uint8_t *net_id;
	const char *me;
	const char *from; // a peer from the local list of wanted ones
	const struct own_intent *own;
	const struct intent_memory *memory;
	const uint8_t *pin; // 32 or NULL
	const uint8_t *psk; // 32 or NULL
	bool needs_psk;     // without it nothing is accepted
	const struct x509_trust *trust;
	const struct revocation_view *revocations; // or NULL
	uint64_t now_s;
};

// Judge a MATCH record; on INTENT_ACCEPTED *ret is the pairing and *ret_memory what to remember,
// and the caller wipes the introduction key (intent_consume). text: reason for people, never NULL.
enum intent_refusal intent_judge(const struct intent_judge *j, const struct record_match *match,
	struct peer_pairing *ret, struct intent_memory *ret_memory, const char **ret_text);

// The match is made: the introduction key is wiped, the intent serves no other.
void intent_consume(struct own_intent *own);

// A rollover statement by old_key over new_key for this name and network that verifies?
bool intent_rollover_ok(const uint8_t *statement, size_t len, const uint8_t net_id[16],
	const char *name, const uint8_t old_key[32], const uint8_t new_key[32]);
