// SPDX-License-Identifier: BSD-3-Clause
//
// One peer: from two matching intents to keys in the data-plane, and from there to the next keys.
//
// A pure state machine: time and randomness are passed in, what to do comes out through struct
// peer_ops; so it runs in unit tests and in a simulator exactly as in control. Client and server
// are the two halves of one object; the role is the pair's (PROTOCOL.md §1). peer.c holds the life
// of the peer, peer_client.c and peer_server.c the two ends of the handshake, peer_path.c
// candidates and punching.
//
// Not thread safe: loop thread. Holds secrets: peer_fini() wipes. Floor 2. PROTOCOL.md §4, §7, §9,
// §14.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/types.h"
#include "controlplane/common/cookie.h"
#include "controlplane/common/ctl_lane.h"
#include "controlplane/common/handshake.h"
#include "controlplane/common/pair.h"
#include "controlplane/gateway/keyring.h"
#include "wire/name.h"
#include "wire/record.h"

#define PEER_CANDIDATES    CANDIDATES_MAX
#define PEER_SOURCES       8
#define PEER_M1_PER_S      5
#define PEER_ERROR_MAX     160
#define PEER_BURST_STEP_US 250000ull
#define PEER_BURST_STEPS   20 // 250 ms for 5 s
#define PEER_ROUND_US      5000000ull
#define PEER_ROUND_MAX_US  60000000ull
#define PEER_INSTALL_US    5000000ull  // for every worker to answer
#define PEER_TOLD_US       30000000ull // rounds to told addresses may come so far apart,
#define PEER_TOLD_ROUNDS   40          // and so many at once

struct peer;

struct peer_now {
	uint64_t mono_us; // suspend counts
	uint64_t unix_us;
};

enum peer_state {
	PEER_IDLE,       // no pair key: waiting for the other's intent
	PEER_CONNECTING, // a pair key, no epoch to send under
	PEER_UP,
	PEER_CLOSING, // withdrawn; waits for the data-plane to wipe
};

// What this gateway knows that every peer's handshake needs. Shared, owned by control, changed in
// place.
struct peer_env {
	const struct hs_identity *identity;
	const uint8_t *own_cert; // leaf, DER
	size_t own_cert_len;
	uint64_t own_not_after_s;
	uint64_t rl; // number of the revocation list held, 0 for none
	uint8_t hedge[32];
	uint32_t caps; // of this machine, lanes included; 0 while no data-plane has told
	uint64_t rekey_us;
	uint64_t key_life_us;
	bool overloaded; // punts pile up: ask for cookies
	struct cookie_jar jar;
};

// One introduction: everything of it that outlives a restart.
struct peer_pairing {
	bool live;
	bool proven; // a handshake completed on it
	struct pair pair;
	uint8_t mine_hash[32]; // H(my intent), H(theirs)
	uint8_t theirs_hash[32];
	uint8_t peer_key[32];    // the key its certificate carried
	uint8_t peer_serial[20]; // and its serial number
	uint8_t peer_serial_len;
	uint64_t not_after_s; // the earlier of both intents'
};

struct peer_ops {
	// Send a handshake or lane-0 datagram from the overlay port. Guarded values (see guard) are
	// on disk before it leaves. May be lost.
	void (*send)(void *ctx, struct peer *p, const struct config_endpoint *to, const void *data,
		size_t len);
	// A µs timestamp above all that were ever given out, safe across restarts; 0 when it cannot
	// be had.
	uint64_t (*next_ts)(void *ctx);
	void (*random)(void *ctx, void *buf, size_t len);
	// A value that guards against replay has risen (m1_ts, punch_ts).
	void (*guard)(void *ctx, struct peer *p);
	// Install both directions of an epoch in every worker; peer_installed() answers. The
	// traffic secrets are wiped after the return.
	void (*install)(void *ctx, struct peer *p, const struct epoch *e,
		const struct keysched_traffic *traffic, uint32_t peer_caps);
	void (*tx_switch)(void *ctx, struct peer *p, uint32_t rx_key_id);
	void (*retire)(void *ctx, struct peer *p, uint32_t rx_key_id); // peer_retired() answers
	// Use this path from now on; NULL: none.
	void (*path)(void *ctx, struct peer *p, const struct config_endpoint *to);
	// A handshake came about by way of `to`, or it is the path and the next ones are such: ask
	// there whether it is the peer that answers. The first that does is the path;
	// peer_path_moved() if that is another.
	void (*path_try)(void *ctx, struct peer *p, const struct config_endpoint *to);
	// Pair keys have changed: live tags must follow.
	void (*tags)(void *ctx, struct peer *p);
	// p->state, p->last_error or p->times changed.
	void (*changed)(void *ctx, struct peer *p, enum peer_state before);
	// The peer ended the connection (PKT_CLOSE_*); called after everything is wiped.
	void (*closed)(void *ctx, struct peer *p, uint16_t reason);
	// The peer has seen fewer revocations than we (it wants the list), or sent a list.
	void (*wants_list)(void *ctx, struct peer *p);
	void (*got_list)(void *ctx, struct peer *p, const uint8_t *list, size_t len);
	// The peer named its candidates in lane 0; already merged.
	void (*got_candidates)(void *ctx, struct peer *p);
};

// When what happened, monotonic µs; 0: not yet.
struct peer_times {
	uint64_t wanted_us;      // the intent was made
	uint64_t matched_us;     // a pair key stood
	uint64_t first_m1_us;    // first M1 sent or received on the newest pair key
	uint64_t up_us;          // first TX switch since then
	uint64_t first_frame_us; // first frame delivered to a LAN port
	uint64_t handshake_us;   // length of the last handshake, M1 to switch
	uint64_t state_us;       // of the last state change
};

// Where copies of one message came from.
struct peer_sources {
	struct config_endpoint at[PEER_SOURCES];
	unsigned n;
};

enum client_phase { CLIENT_REST, CLIENT_M1, CLIENT_INSTALL, CLIENT_M3 };
enum server_phase { SERVER_REST, SERVER_M2, SERVER_INSTALL, SERVER_DONE };

struct peer_client {
	enum client_phase phase;
	unsigned pairing_idx;
	struct hs_client hs;
	struct pkt_m1 m1;
	uint64_t started_us;
	unsigned n_sent;         // of the message now being repeated
	uint64_t next_us;        // in CLIENT_INSTALL: when the workers' answers count as lost
	uint64_t retry_taken_us; // last RETRY obeyed
	uint8_t m3[PKT_HS_MAX_LEN];
	size_t m3_len;
	uint32_t rx_key_id; // of the epoch being installed
	struct peer_sources m2_from;
	unsigned n_failed; // rounds since the last success
};

struct peer_server {
	enum server_phase phase;
	unsigned pairing_idx;
	struct hs_server hs;
	uint8_t m2[PKT_HS_MAX_LEN];
	size_t m2_len;
	struct peer_sources m2_to;
	uint32_t m3_key_id; // the accepted M3's
	struct config_endpoint m3_from;
	uint32_t rx_key_id;
	uint8_t m4[PKT_MIN_LEN];
	size_t m4_len;
	uint64_t started_us;
	uint64_t install_us; // SERVER_INSTALL began
	double m1_tokens;
	uint64_t m1_tokens_us;
};

// Repeated PUNCHes of a server that wants a handshake.
struct peer_punch {
	bool on;
	unsigned n_sent;
	uint64_t round_us; // pause after the burst, growing
	uint64_t next_us;
};

struct peer_candidate {
	struct config_endpoint at;
	uint8_t kind; // enum candidate_kind, 0: learned from a datagram of the peer
	uint32_t rank;
};

struct peer {
	char name[NAME_MAX_LEN + 1];
	uint32_t slot;
	bool is_client;
	enum config_force { FORCE_NONE, FORCE_AES, FORCE_CHACHA } force;
	const struct peer_ops *ops;
	void *ctx;
	struct peer_env *env;
	enum peer_state state;
	bool dataplane; // a data-plane serves us
	struct keyring keys;
	struct ctl_lane lane0[KEYRING_EPOCHS]; // beside keys.epoch
	bool has_lane0[KEYRING_EPOCHS];
	struct peer_pairing pairing[2];
	unsigned newest;
	uint64_t m1_ts; // newest accepted; survive restarts
	uint64_t punch_ts;
	struct peer_client client;
	struct peer_server server;
	struct peer_punch punch;
	struct peer_candidate candidate[PEER_CANDIDATES];
	unsigned n_candidates;
	uint64_t candidates_ts;
	bool has_path;
	bool path_suspect; // it went silent
	bool path_doubted; // the peer told new addresses: look there, too, without leaving the path
	uint64_t told_due_us; // when the rounds to told addresses so far are accounted for
	struct config_endpoint path;
	uint16_t path_mtu;
	uint64_t rekey_at_us; // client: start M1; server: ask
	uint64_t ask_again_us;
	uint64_t peer_rl;
	uint64_t peer_not_after_s;
	uint32_t peer_caps;
	struct peer_times times;
	char last_error[PEER_ERROR_MAX];
	uint64_t last_error_us;
	struct record_rx list_rx; // a revocation list in pieces
	uint8_t *list_buf;
	uint64_t n_handshakes;
};

void peer_init(struct peer *p, const char *my_name, const char *name, uint32_t slot,
	struct peer_env *env, const struct peer_ops *ops, void *ctx);
void peer_fini(struct peer *p); // wipes; sends nothing

// ---- what happens to a peer

// A new pair key stands. The older one stays until a handshake completes on this one.
void peer_introduce(struct peer *p, const struct peer_pairing *pairing, const struct peer_now *now);
// From the state file: no burst of its own.
void peer_restore(struct peer *p, unsigned idx, const struct peer_pairing *pairing, bool newest);
// Addresses to try, best first, instead of all that were told before; ts_us 0 for configured ones.
void peer_candidates_set(struct peer *p, const struct peer_candidate *list, unsigned n,
	uint64_t ts_us, const struct peer_now *now);

// A handshake datagram (PUNCH … RETRY) as it arrived. Nothing in it is believed.
void peer_datagram(struct peer *p, const struct config_endpoint *from, const uint8_t *data,
	size_t len, const struct peer_now *now);
void peer_lane0_datagram(struct peer *p, const struct config_endpoint *from, const uint8_t *data,
	size_t len, const struct peer_now *now);

void peer_installed(struct peer *p, uint32_t rx_key_id, int status, const struct peer_now *now);
void peer_retired(struct peer *p, uint32_t rx_key_id);

void peer_saw_new_epoch(struct peer *p, uint32_t rx_key_id, const struct peer_now *now);
void peer_path_moved(struct peer *p, const struct config_endpoint *to, const struct peer_now *now);
void peer_path_died(struct peer *p, const struct peer_now *now);
void peer_epoch_ended(struct peer *p, uint32_t rx_key_id, const struct peer_now *now);
void peer_saw_first_frame(struct peer *p, const struct peer_now *now);

// The data-plane serves this session (again). survivors: epochs it holds from before a restart of
// control, the one it sends under first; n 0 for none.
struct peer_survivor {
	uint32_t rx_key_id;
	uint64_t deadline_us;
};
void peer_dataplane_up(struct peer *p, const struct peer_survivor *survivors, unsigned n,
	const struct peer_now *now);
void peer_dataplane_lost(struct peer *p, const struct peer_now *now);

// Fresh keys now, whatever the timers say. -ENOTCONN without a pair key or data-plane.
int peer_rekey(struct peer *p, const struct peer_now *now);

// End it: tell the peer (reason 0: do not), wipe every key. pairings: wipe the pair keys as well.
void peer_close(struct peer *p, uint16_t reason, bool pairings, const struct peer_now *now);

// Timers: call at or after peer_next_us(), and after any input ask again.
void peer_tick(struct peer *p, const struct peer_now *now);
uint64_t peer_next_us(const struct peer *p);

// Try again now instead of after the pause: the network has changed.
void peer_retry(struct peer *p, const struct peer_now *now);
void peer_set_error(struct peer *p, const char *text, const struct peer_now *now);

// ---- for whom it concerns

// Send one block in lane 0 of the current epoch. -ENOTCONN, -EMSGSIZE.
int peer_send_lane0(struct peer *p, uint8_t kind, const void *payload, size_t len);
// The same for a signed revocation list, in pieces.
int peer_send_list(struct peer *p, const uint8_t *list, size_t len);

uint32_t peer_caps(const struct peer *p); // what we announce to this peer
uint64_t peer_not_after_s(
	const struct peer *p, const struct peer_pairing *pairing, uint64_t cert_not_after_s);
const char *peer_state_name(enum peer_state s);
bool endpoint_equal(const struct config_endpoint *a, const struct config_endpoint *b);
