// SPDX-License-Identifier: BSD-3-Clause
//
// The introduction: which intents to believe, and the pair key that two matching ones give; also
// the pair keys of the hub link and of enrolment. From a pair come tags, macs, PUNCH, sealed
// candidates and the handshake's psk.
//
// Pure: time, randomness and signatures are passed in. Not thread safe; one owner per object. Holds
// secrets: pair_wipe() at the end of life. Floor 2. PROTOCOL.md §3, §4, §13, §14.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/candidates.h"
#include "wire/intent.h"
#include "wire/packet.h"

#define PAIR_KEY_LEN      32
#define PAIR_HASH_LEN     32
#define PAIR_NET_ID_LEN   16
#define PAIR_TOKEN_ID_LEN 16

enum pair_dir { PAIR_S2C = 0, PAIR_C2S = 1 };

// Which mac key: named after the sub-key number. PROTOCOL.md §3.
enum pair_mac {
	PAIR_MAC_M1 = 3, // M1, PUNCH from the client
	PAIR_MAC_M2 = 4, // M2, RETRY, PUNCH from the server
	PAIR_MAC_M3 = 5, // M3
};

struct pair {
	bool client; // my role
	uint8_t th0[PAIR_HASH_LEN];
	uint8_t key[PAIR_KEY_LEN];         // K_pair
	uint8_t tag_key[2][PAIR_KEY_LEN];  // by enum pair_dir
	uint8_t mac_key[3][PAIR_KEY_LEN];  // by enum pair_mac - 3
	uint8_t seal_key[2][PAIR_KEY_LEN]; // by enum pair_dir
	uint8_t psk[PAIR_KEY_LEN];         // sub-key 8, into the handshake
};

// ---- names of things

// H = BLAKE2b-256.
void pair_hash(uint8_t out[PAIR_HASH_LEN], const void *p, size_t len);

// net_id = BLAKE2b-128(L("net") ‖ root public key ‖ network name)
void pair_net_id(uint8_t out[PAIR_NET_ID_LEN], const uint8_t root_pk[32], const char *network,
	size_t network_len);

// th0 of a hub link: H(L("th0-hub") ‖ net_id ‖ u16 len, gateway name ‖ u16 len, hub name)
void pair_th0_hub(uint8_t th0[PAIR_HASH_LEN], const uint8_t net_id[PAIR_NET_ID_LEN],
	const char *gateway, const char *hub);

// th0 of an enrolment: H(L("th0-enrol") ‖ H(root certificate DER) ‖ token id ‖ u16 len, hub name)
void pair_th0_enrol(uint8_t th0[PAIR_HASH_LEN], const uint8_t root_hash[PAIR_HASH_LEN],
	const uint8_t token_id[PAIR_TOKEN_ID_LEN], const char *hub);

// ---- making and ending pairs

// From two matching intents (both complete, signature included, both already believed).
// ipk_sk: the private half of my own intent's key; wipe it afterwards.  psk: 32 B or NULL
//
// 0; -EBADMSG: an intent does not parse, or the names are not each other's, or net_ids differ;
// -EKEYREJECTED: the other's key gives a zero secret (low order), or mine is not ipk_sk's. *ret
// wiped on failure.
int pair_from_intents(struct pair *ret, const uint8_t *mine, size_t mine_len, const uint8_t *theirs,
	size_t theirs_len, const uint8_t ipk_sk[32], const uint8_t *psk);

// From a shared secret: the gate secret of a hub link or a token's secret, with the th0 above. The
// gateway is the client, the hub the server. K_pair = BLAKE2b-256(key = secret, L("gate") ‖ th0)
void pair_from_secret(
	struct pair *ret, bool client, const uint8_t secret[32], const uint8_t th0[PAIR_HASH_LEN]);

// From what pair_from_intents() left in `th0` and `key`, kept in the encrypted state file.
void pair_restore(struct pair *ret, bool client, const uint8_t th0[PAIR_HASH_LEN],
	const uint8_t key[PAIR_KEY_LEN]);

void pair_wipe(struct pair *p);

// Direction in which I send and receive.
static inline enum pair_dir pair_tx_dir(const struct pair *p)
{
	return p->client ? PAIR_C2S : PAIR_S2C;
}

static inline enum pair_dir pair_rx_dir(const struct pair *p)
{
	return p->client ? PAIR_S2C : PAIR_C2S;
}

// ---- tags and macs

static inline uint64_t pair_slot(uint64_t now_s)
{
	return now_s / PKT_TAG_SLOT_S;
}

void pair_tag(const struct pair *p, enum pair_dir dir, uint64_t slot, uint8_t tag[PKT_TAG_LEN]);

// True when the tag is that of slot -1, 0 or +1 of now. Constant time in the tag.
bool pair_tag_live(
	const struct pair *p, enum pair_dir dir, uint64_t now_s, const uint8_t tag[PKT_TAG_LEN]);

// M16(mac key, bytes)
void pair_mac(const struct pair *p, enum pair_mac which, const void *m, size_t len,
	uint8_t mac[PKT_MAC_LEN]);
bool pair_mac_ok(const struct pair *p, enum pair_mac which, const void *m, size_t len,
	const uint8_t mac[PKT_MAC_LEN]);

// Keys the data-plane needs to tell a peer's handshake from noise: mac keys of the receive
// direction (server: 3 and 5; client: 4; the unused one zero). Never anything else leaves control.
struct pair_filter_keys {
	uint8_t mac_a[PAIR_KEY_LEN]; // M1 and PUNCH as server; M2, RETRY and PUNCH as client
	uint8_t mac_b[PAIR_KEY_LEN]; // M3 as server
};
void pair_filter_keys(const struct pair *p, struct pair_filter_keys *ret);

// ---- PUNCH

// ts_us: newer than any PUNCH of mine for this pair, or equal for copies to several candidates;
// persisted before it is sent. flags: 0 or PKT_PUNCH_INITIATE
void pair_punch_build(
	const struct pair *p, uint64_t ts_us, uint64_t now_s, uint8_t flags, struct pkt_punch *ret);

// Is this an authentic PUNCH of the other side? len is checked too. The caller applies the ts rule
// (≥ the last, rate-limited).
bool pair_punch_ok(const struct pair *p, uint64_t now_s, const void *datagram, size_t len);

// ---- candidates

// Seal for the other side: nonce ‖ XChaCha20-Poly1305(seal key of my direction; ad =
// L("candidates")); rnd: 24 fresh random bytes. 0, or -EINVAL as candidates_build().
int pair_seal_candidates(const struct pair *p, const struct candidates *c, const uint8_t rnd[24],
	uint8_t out[CANDIDATES_SEALED_LEN]);

// 0; -EBADMSG: not exactly a sealed list of the other side, or one that does not parse.
int pair_open_candidates(
	const struct pair *p, const void *sealed, size_t len, struct candidates *ret);

// ---- which intents to believe. X(NAME, "short-name", "sentence")
// clang-format off
#define PAIR_INTENT_LIST(X) \
	X(OK,          "ok",           "the intent is good") \
	X(MALFORMED,   "malformed",    "the intent is malformed") \
	X(NETWORK,     "network",      "the intent belongs to another network") \
	X(NOT_FOR_ME,  "not-for-me",   "the intent names another gateway than this one") \
	X(NOT_WANTED,  "not-wanted",   "the intent comes from a gateway that is not wanted here") \
	X(CERT_HASH,   "cert-hash",    "the intent was made under another certificate than the one shown") \
	X(NOT_YET,     "not-yet",      "the intent is not valid yet (is a clock wrong?)") \
	X(EXPIRED,     "expired",      "the intent has expired (is a clock wrong?)") \
	X(OUTLIVES,    "outlives",     "the intent would outlive its certificate") \
	X(STALE,       "stale",        "a newer intent of that gateway was already seen") \
	X(DUPLICATE,   "duplicate",    "this very intent was already seen") \
	X(KEY,         "key",          "the gateway's key changed without a rollover statement or repin") \
	X(SIGNATURE,   "signature",    "the intent's signature is wrong") \
	X(LOW_ORDER,   "low-order",    "the intent's X25519 key is of low order")
// clang-format on

enum pair_intent_verdict {
#define PAIR_INTENT_X(name, label, text) PAIR_INTENT_##name,
	PAIR_INTENT_LIST(PAIR_INTENT_X)
#undef PAIR_INTENT_X
};

// What I know by myself about the peer whose intent I am shown. All certificate facts come from the
// certificate that came along, after its chain, dates, name and revocation were checked.
struct pair_intent_expect {
	const uint8_t *net_id;    // 16
	const char *me;           // my name; NULL at the hub, which checks everything else
	const char *from;         // wanted peer's name = the certificate's name
	const uint8_t *cert_hash; // 32, H(DER)
	uint64_t cert_not_after_s;
	const uint8_t *public_key; // 32, the certificate's
	const uint8_t *known_key;  // 32, the key known for this name (continuity, pin), or NULL
	uint64_t last_serial;      // persisted, 0 for none
	const uint8_t *last_hash;  // 32, H(the intent with last_serial), or NULL
	uint64_t now_s;
};

// Decide about an intent in the order of the list; the first that fails is told. OK and DUPLICATE
// are both fine (DUPLICATE: equal serial, equal hash; nothing new). *ret filled on those two only.
enum pair_intent_verdict pair_check_intent(const uint8_t *intent, size_t len,
	const struct pair_intent_expect *expect, struct intent *ret);

// Sentence for logs and last_error.
const char *pair_intent_text(enum pair_intent_verdict v);
const char *pair_intent_label(enum pair_intent_verdict v);

// A fresh X25519 pair for one intent. rnd: 32 random bytes; hedge: the signer's secret; ts_us: the
// serial.
void pair_intent_keys(const uint8_t rnd[32], const uint8_t hedge[32], uint64_t ts_us,
	const uint8_t context[PAIR_HASH_LEN], uint8_t ret_sk[32], uint8_t ret_pk[32]);
