// SPDX-License-Identifier: BSD-3-Clause
#pragma once
// What control and the data-plane's workers say to each other through the sealed rings.
//
// Every message is a value: integers and byte arrays, host byte order unless named be16, fixed
// size, size-asserted. The receiver copies it out, then validates every field as if hostile. Any
// change of a layout bumps SHM_VERSION (wire/link.h), and attach refuses a mismatch.
//
// A *session* is one peer: `slot` (< max_sessions of HELLO). A key_id is slot ‖ generation
// (PROTOCOL.md §6) and names one epoch of it; control chooses both. Floor 0.

#include <assert.h>
#include <stdint.h>

// The five rings of a worker; the two ends are named from control's side.
enum ring_kind {
	RING_CMD = 0,    // down: struct cmd
	RING_EVENT = 1,  // up: struct event
	RING_PUNT = 2,   // up: struct punt, handshake datagrams (types 0x10..0x14)
	RING_LANE0 = 3,  // up: struct punt, control-lane datagrams; apart, so that neither starves
			 // the other
	RING_INJECT = 4, // down: struct inject
	RING_KINDS = 5,
};

#define RING_CMD_SLOTS    1024
#define RING_EVENT_SLOTS  1024
#define RING_PUNT_SLOTS   256
#define RING_LANE0_SLOTS  256
#define RING_INJECT_SLOTS 256

#define NO_SESSION 0xffffffffu
#define DATAGRAM_MAX_BYTES \
	1232 // largest handshake or lane-0 datagram: UDP payload (PROTOCOL.md §4)
#define CIPHER_AES_256_GCM 1
#define CIPHER_CHACHA20    2

// Where a datagram goes, from the outer Ethernet header to the UDP ports; resolved by control.
struct path_desc {
	uint8_t family;     // 4 or 6; 0 means none
	uint8_t port_idx;   // WAN port, index into HELLO's ports
	uint16_t mtu;       // of the path: largest IP packet, 1280..9216
	uint16_t be_sport;  // ours
	uint16_t be_dport;  // the peer's
	uint8_t src_ip[16]; // IPv4 in the first four bytes, the rest zero
	uint8_t dst_ip[16];
	uint8_t src_mac[6];
	uint8_t dst_mac[6]; // of the next hop
	uint8_t n_sports;   // our data lanes leave from be_sport, + 1, …; 0 is 1
	uint8_t n_dports;   // the peer's come from be_dport, + 1, …; 0 is 1
	uint8_t reserved[10];
};
static_assert(sizeof(struct path_desc) == 64, "bump SHM_VERSION");

// ---------------------------------------------------------------- commands, control → worker

// Numbered for ever; none is reused.
enum cmd_op {
	CMD_SESSION_SET = 1, // to every worker: make a session, or change its segments and limits
	CMD_SESSION_DEL = 2, // to every worker: wipe it with all its keys
	CMD_TAGS = 3,        // to every worker: live receive tags and mac keys of one pair key
	CMD_KEY_INSTALL = 4, // to the lane's owner
	CMD_TX_SWITCH = 5,   // to every worker: send under this epoch from now on
	CMD_KEY_RETIRE = 6,  // to every worker: wipe this epoch
	CMD_PATH = 7,        // to every worker: the current path
	CMD_DEADLINE = 8,    // to every worker: a new deadline for an epoch
	CMD_DUMP = 9, // to every worker: answer with EV_SESSION for each home session, then EV_ACK
	CMD_PATH_TRY = 10, // to every worker: a handshake came about by way of this path; of those
			   // tried the first that answers a challenge is the session's
	CMD_OP_MAX = 11,
};

struct cmd_head {
	uint16_t op;      // enum cmd_op
	uint16_t bytes;   // of head and body for this op
	uint32_t seq;     // echoed by EV_ACK
	uint32_t session; // slot; NO_SESSION for CMD_DUMP
	uint32_t reserved;
};

struct cmd_session {
	struct cmd_head head;
	uint8_t peer_id[32];  // BLAKE2b-256 of the peer's name, for a restarted control
	uint8_t segments[32]; // bit n: the peer belongs to segment n
	uint32_t mac_quota;   // learned addresses at most; ≥ 1
	uint8_t role;         // 0 we are client, 1 we are server (PROTOCOL.md §1)
	uint8_t reserved[3];
};

struct cmd_tags {
	struct cmd_head head;
	uint8_t set;    // 0 or 1: a peer has at most two live pair keys
	uint8_t n_tags; // 0..3; 0 forgets the set
	uint8_t role;   // as in cmd_session; says what mac_key holds
	uint8_t reserved[5];
	uint8_t tag[3][8];      // receive tags of the slots −1, 0, +1
	uint8_t mac_key[2][32]; // server: sub-keys 3 (M1, PUNCH) and 5 (M3); client: 4 (M2, PUNCH,
				// RETRY) and zero
	uint64_t last_punch_ts; // newest accepted so far, µs
	uint64_t last_m1_ts;
};

struct cmd_key {
	struct cmd_head head;
	uint32_t rx_key_id;   // ours: in packets we receive; names the epoch
	uint32_t tx_key_id;   // the peer's: in packets we send
	uint64_t deadline_ns; // CLOCK_BOOTTIME; after it nothing is sent or accepted
	uint8_t dir;          // 0 receive, 1 transmit
	uint8_t lane;         // 1..255
	uint8_t cipher;       // CIPHER_*
	uint8_t n_lanes;      // rx: lanes the peer may use; tx: lanes the peer accepts
	uint8_t iv[12];
	uint8_t key[32];
	uint8_t super; // tx: the peer takes super-frames
	uint8_t reserved[7];
};

struct cmd_epoch { // CMD_TX_SWITCH, CMD_KEY_RETIRE, CMD_DEADLINE
	struct cmd_head head;
	uint32_t rx_key_id;
	uint32_t reserved;
	uint64_t deadline_ns; // CMD_DEADLINE only, else 0
};

struct cmd_path { // CMD_PATH, CMD_PATH_TRY
	struct cmd_head head;
	struct path_desc path;
};

// One element of RING_CMD.
struct cmd {
	union {
		struct cmd_head head;
		struct cmd_session session;
		struct cmd_tags tags;
		struct cmd_key key;
		struct cmd_epoch epoch;
		struct cmd_path path;
		uint8_t bytes[192];
	};
};
static_assert(sizeof(struct cmd_head) == 16, "bump SHM_VERSION");
static_assert(sizeof(struct cmd_session) == 88, "bump SHM_VERSION");
static_assert(sizeof(struct cmd_tags) == 128, "bump SHM_VERSION");
static_assert(sizeof(struct cmd_key) == 88, "bump SHM_VERSION");
static_assert(sizeof(struct cmd_epoch) == 32, "bump SHM_VERSION");
static_assert(sizeof(struct cmd_path) == 80, "bump SHM_VERSION");
static_assert(sizeof(struct cmd) == 192, "bump SHM_VERSION");

// ---------------------------------------------------------------- events, worker → control

enum event_op {
	EV_ACK = 1,         // a command was carried out, or refused: status
	EV_NEW_EPOCH = 2,   // first authentic packet under a key_id
	EV_PATH = 3,        // a new path passed its challenge and is in use
	EV_PATH_DEAD = 4,   // three keepalives in a row went unanswered
	EV_PMTU = 5,        // path MTU found by probing: path.mtu
	EV_SOFT_LIMIT = 6,  // a lane passed 2^30 packets: rekey
	EV_EXPIRED = 7,     // an epoch met its deadline or a hard limit and was wiped
	EV_FORGERIES = 8,   // 2^20 packets failed under one epoch
	EV_FIRST_FRAME = 9, // first frame of the session delivered to a LAN port
	EV_SESSION = 10,    // answer to CMD_DUMP
	EV_MAC_QUOTA = 11,  // the peer met its quota; at most one a minute
	EV_LOOP = 12,       // a probe came back from the peer: it is cut out of segment `lane`
	EV_OP_MAX = 13,
};

struct event_head {
	uint16_t op; // enum event_op
	uint16_t bytes;
	uint32_t seq;     // EV_ACK: of the command
	uint32_t session; // slot or NO_SESSION
	uint16_t worker;
	uint16_t reserved;
	uint64_t at_ns; // CLOCK_BOOTTIME
};

struct event_ack {
	struct event_head head;
	int32_t status; // 0 or -errno
	uint16_t cmd_op;
	uint16_t reserved;
};

struct event_epoch { // EV_NEW_EPOCH, EV_SOFT_LIMIT, EV_EXPIRED, EV_FORGERIES, EV_FIRST_FRAME,
		     // EV_LOOP
	struct event_head head;
	uint32_t rx_key_id;
	uint32_t lane;
	uint64_t count;
};

struct event_path { // EV_PATH, EV_PATH_DEAD, EV_PMTU
	struct event_head head;
	struct path_desc path;
};

struct event_session {
	struct event_head head;
	uint8_t peer_id[32];
	uint32_t rx_key_id[3]; // previous, current, next; 0 is none
	uint32_t tx_epoch;     // rx_key_id of the epoch in use for sending; 0 is none
	uint64_t deadline_ns[3];
	struct path_desc path;
};

// One element of RING_EVENT.
struct event {
	union {
		struct event_head head;
		struct event_ack ack;
		struct event_epoch epoch;
		struct event_path path;
		struct event_session session;
		uint8_t bytes[192];
	};
};
static_assert(sizeof(struct event_head) == 24, "bump SHM_VERSION");
static_assert(sizeof(struct event_session) == 160, "bump SHM_VERSION");
static_assert(sizeof(struct event) == 192, "bump SHM_VERSION");

// ---------------------------------------------------------------- datagrams

// One element of RING_PUNT and RING_LANE0: a datagram as it arrived.
struct punt {
	uint16_t bytes; // of data, ≤ DATAGRAM_MAX_BYTES
	uint16_t worker;
	uint32_t session; // whose tag or key_id it carries
	uint64_t at_ns;   // CLOCK_BOOTTIME
	struct path_desc
		from; // seen from here: src is us, dst the sender, dst_mac the frame's source
	uint8_t data[DATAGRAM_MAX_BYTES];
};
static_assert(sizeof(struct punt) == 80 + DATAGRAM_MAX_BYTES, "bump SHM_VERSION");

// One element of RING_INJECT: a datagram to send as it is.
struct inject {
	uint16_t bytes;
	uint16_t reserved;
	uint32_t session; // NO_SESSION for the hub's PUNCH
	uint64_t reserved2;
	struct path_desc to;
	uint8_t data[DATAGRAM_MAX_BYTES];
};
static_assert(sizeof(struct inject) == 80 + DATAGRAM_MAX_BYTES, "bump SHM_VERSION");
