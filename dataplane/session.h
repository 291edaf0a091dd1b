// SPDX-License-Identifier: BSD-3-Clause
//
// A session is one peer as one worker knows it. Every worker has a table of its own and is told
// everything by commands, so nothing here is shared: owner and only reader is the worker.
//
// The functions are what the command handlers call, on the worker, between bursts. They validate
// every field as if hostile and change nothing when they refuse. Floor 3.
#pragma once

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_prefetch.h>

#include "dataplane/bucket.h"
#include "dataplane/lane.h"
#include "dataplane/outer.h"
#include "wire/cmd.h"

struct worker;

#define SESSION_EPOCHS    3 // previous, current, next
#define SESSION_LANES_MAX 255

// Key life at most, whatever control says (PROTOCOL.md §6).
#define SESSION_KEY_LIFE_NS 600000000000ull

struct epoch {
	alignas(64) uint32_t rx_key_id; // ours; 0: free
	uint32_t tx_key_id;
	uint64_t deadline_ns; // CLOCK_BOOTTIME
	uint64_t born_ns;
	uint64_t born_seq;  // order of installation: the oldest gives way to a fourth
	uint8_t n_rx;       // length of rx[]
	uint8_t n_rx_lanes; // the peer may use
	uint8_t n_tx_lanes; // the peer accepts
	bool seen;          // an authentic packet has come
	bool forgeries_told;
	bool tx_super;       // the peer takes super-frames
	bool tx_used;        // a transmit key was installed, be it wiped meanwhile
	struct lane_tx *tx;  // ours, or NULL
	struct lane_rx **rx; // lane n at [(n − 1) / n_workers], NULL where not installed
};

// Receive tags and mac keys of one pair key (PROTOCOL.md §4, §14).
struct session_pair {
	uint8_t n_tags;
	uint8_t role;
	uint64_t tag[3];
	uint8_t mac_key[2][32];
	uint64_t last_punch_ts;
	uint64_t last_m1_ts;
	uint64_t last_reply_ts[3]; // M2, M3, RETRY
	// Replays use up their own kind's share, never that of what is new.
	struct bucket duplicates[5]; // by type, from PUNCH on
	struct bucket handshakes;
};

struct session {
	// line 0: for every packet
	bool exists;
	uint8_t role;
	uint8_t tx_epoch; // index; SESSION_EPOCHS when none: nothing can be sent
	bool delivered;   // a frame of the peer has reached a LAN port
	uint32_t mac_quota;
	uint64_t segments[4]; // bit n: the peer belongs to segment n
	uint64_t tx_at_ns;    // last packet this worker sent: for the keepalive
	uint64_t rx_at_ns;    // last authentic packet this worker opened
	// a line each, of which a packet needs one
	struct epoch epoch[SESSION_EPOCHS];
	// a line for IPv4
	alignas(64) struct outer_path path;
	// cold
	bool own_port; // this worker sends from a source port of its own
	uint8_t peer_id[32];
	struct bucket lane0;
	struct bucket lane0_strange; // lane-0 packets from elsewhere than the path
	struct session_pair pair[2];
	void *runtime; // of path timers; the runtime's own
};

static_assert(offsetof(struct session, epoch) == 64, "line 0");
static_assert(sizeof(struct epoch) == 64, "a line");

static inline bool session_in_segment(const struct session *s, uint8_t segment)
{
	return s->segments[segment >> 6] >> (segment & 63) & 1;
}

// Room for n sessions in a worker. errors: -ENOMEM.
int session_table_create(struct worker *w, uint32_t n);
void session_table_destroy(struct worker *w); // wipes

// One per command of wire/cmd.h; 0 or -errno as EV_ACK's status.
int session_set(struct worker *w, const struct cmd_session *c);
int session_del(struct worker *w, uint32_t slot);
int session_tags_set(struct worker *w, const struct cmd_tags *c);
// The caller wipes c->key. errors: -ENOENT no session, -EINVAL, -EPERM not this worker's lane,
// -EEXIST already installed with another key, -ESTALE deadline past, -ENOMEM.
int session_key_install(struct worker *w, const struct cmd_key *c);
int session_tx_switch(struct worker *w, const struct cmd_epoch *c);
int session_key_retire(struct worker *w, const struct cmd_epoch *c);
int session_deadline_set(struct worker *w, const struct cmd_epoch *c);
int session_path_set(struct worker *w, const struct cmd_path *c);
// The same for a description that the worker found itself (roaming, DPLPMTUD).
int session_path_use(struct worker *w, uint32_t slot, const struct path_desc *d);
// Is it between the same two addresses and ports as the session's path?
bool session_path_is(const struct session *s, const struct path_desc *d);
int session_mtu_set(struct worker *w, uint32_t slot, uint16_t mtu);
// This worker's lane leaves from its own source port, if it has one on the path, or from the
// overlay port, as on every new path. errors: -ENOENT no session or path.
int session_port_set(struct worker *w, uint32_t slot, bool own);

// Wipe epochs whose deadline has passed, telling EV_EXPIRED; call it for each session at least
// every 250 ms (the frame path checks on its own what it uses).
void session_expire(struct worker *w, uint32_t slot);

// The session of a slot, or NULL.
struct session *session_get(struct worker *w, uint32_t slot);
// The epoch of a key_id, or NULL.
struct epoch *session_epoch(struct session *s, uint32_t rx_key_id);
// The epoch to send under, or NULL.
static inline struct epoch *session_tx_epoch(struct session *s)
{
	return s->tx_epoch < SESSION_EPOCHS ? &s->epoch[s->tx_epoch] : NULL;
}
// A hint for the caches: what the frame path reads of a session.
static inline void session_fetch(const struct session *s)
{
	for (unsigned at = 0; at <= offsetof(struct session, path); at += 64)
		rte_prefetch0((const uint8_t *)s + at);
}
// Send under e from now on; the transmit key used so far is wiped.
void session_tx_use(struct session *s, struct epoch *e);
// The peer sends under this epoch, another worker says: a client does likewise, if it is newer.
void session_epoch_heard(struct worker *w, uint32_t slot, uint32_t rx_key_id);
// Wipe one epoch with all its lanes.
void session_epoch_wipe(struct worker *w, struct session *s, struct epoch *e);
// The slot of a session of this worker.
uint32_t session_slot(const struct worker *w, const struct session *s);
