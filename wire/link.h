// SPDX-License-Identifier: BSD-3-Clause
#pragma once
// The Unix socket between control and the data-plane: SOCK_SEQPACKET, one message a packet, host
// byte order. The data-plane listens on <run_dir>/dataplane.sock and serves one control at a time;
// a newer connection replaces the older. What needs the main lcore goes here as request and reply,
// what needs a worker goes through the rings.
//
//	data-plane → control   HELLO (+ stats memfd, read-only)
//	control → data-plane   RINGS for worker 0, 1, … (+ 11 descriptors each)
//	data-plane → control   STATUS (seq of the last RINGS): every worker serves the new rings
//	then at will           TAGS, FDB_GET, FDB_FLUSH → STATUS or FDB
//
// Rings are never resumed: a restarted control brings fresh ones under a new generation, and the
// data-plane drops the old. The receiver validates every field as if hostile. Floor 0.

#include <assert.h>
#include <stdint.h>

#define SHM_VERSION        3          // of this file, wire/cmd.h and wire/stats.h together
#define LINK_MAGIC         0x4c545350 // "PSTL"
#define LINK_PORTS_MAX     16
#define LINK_WORKERS_MAX   16
#define LINK_MESSAGE_BYTES 4096 // no message is larger
#define LINK_RING_FDS \
	11 // sealed and body memfd of each ring in order of enum ring_kind, then the doorbell

enum link_op {
	LINK_HELLO = 1,
	LINK_RINGS = 2,
	LINK_STATUS = 3,
	LINK_TAGS = 4,
	LINK_FDB_GET = 5,
	LINK_FDB = 6,
	LINK_FDB_FLUSH = 7,
};

struct link_head {
	uint32_t magic;   // LINK_MAGIC
	uint16_t version; // SHM_VERSION
	uint16_t op;      // enum link_op
	uint32_t bytes;   // of the whole message
	uint32_t seq;     // chosen by the asker, echoed in the reply
};

enum { LINK_ROLE_LAN = 1, LINK_ROLE_WAN = 2 };
enum { LINK_KIND_AF_XDP = 1, LINK_KIND_DPDK = 2, LINK_KIND_TAP = 3, LINK_KIND_UDP = 4 };

struct link_port {
	char name[32];   // of the YAML, NUL-terminated
	char ifname[16]; // kernel interface, or empty
	uint8_t role;
	uint8_t kind;
	uint16_t mtu;             // largest IP packet
	uint16_t be_overlay_port; // WAN only
	uint8_t mac[6];
};

struct link_hello {
	struct link_head head;
	uint64_t boot_id; // random, new at every start of the data-plane
	uint32_t max_sessions;
	uint32_t max_lanes; // data lanes a peer may use towards us
	uint16_t n_workers;
	uint16_t n_ports;
	uint8_t aes_hw;    // 1: AES-256-GCM in hardware
	uint8_t adaptive;  // 1: adaptive polling, 0: busy
	uint8_t hugepages; // 1: packet memory is on hugepages
	uint8_t super;     // 1: takes super-frames (PROTOCOL.md §6)
	struct link_port port[LINK_PORTS_MAX];
};

struct link_rings {
	struct link_head head;
	uint32_t generation; // rises with every attach
	uint16_t worker;
	uint16_t n_workers; // must be HELLO's
};

struct link_status {
	struct link_head head;
	int32_t status; // 0 or -errno
	uint32_t reserved;
};

#define LINK_TAGS_MAX 256

// Tags that the XDP program lets through to the handshake path (PROTOCOL.md §4).
struct link_tags {
	struct link_head head;
	uint16_t n;      // ≤ LINK_TAGS_MAX
	uint8_t add;     // 1 add, 0 remove
	uint8_t replace; // 1: first forget all others
	uint32_t reserved;
	uint8_t tag[LINK_TAGS_MAX][8];
};

enum { LINK_FDB_PORT = 1, LINK_FDB_PEER = 2 };

struct link_fdb_entry {
	uint8_t mac[6];
	uint16_t vlan; // 0 where the segment is not VLAN-aware
	uint8_t segment;
	uint8_t where; // LINK_FDB_PORT or LINK_FDB_PEER
	uint8_t is_static;
	uint8_t reserved;
	uint32_t idx; // port index or session slot
	uint32_t age_s;
};

struct link_fdb_get {
	struct link_head head;
	uint32_t cursor; // 0 to begin, then what the last reply said
	uint32_t reserved;
};

#define LINK_FDB_MAX 128

struct link_fdb {
	struct link_head head;
	uint32_t next_cursor; // 0: that was all
	uint32_t n;
	struct link_fdb_entry entry[LINK_FDB_MAX];
};

struct link_fdb_flush {
	struct link_head head;
	uint32_t session; // NO_SESSION for everything learned
	uint32_t reserved;
};

static_assert(sizeof(struct link_head) == 16, "bump SHM_VERSION");
static_assert(sizeof(struct link_port) == 60, "bump SHM_VERSION");
static_assert(sizeof(struct link_hello) == 16 + 8 + 16 + 16 * 60, "bump SHM_VERSION");
static_assert(sizeof(struct link_rings) == 24, "bump SHM_VERSION");
static_assert(sizeof(struct link_tags) == 24 + 8 * LINK_TAGS_MAX, "bump SHM_VERSION");
static_assert(sizeof(struct link_fdb_entry) == 20, "bump SHM_VERSION");
static_assert(sizeof(struct link_fdb) == 24 + 20 * LINK_FDB_MAX, "bump SHM_VERSION");
static_assert(sizeof(struct link_fdb) <= LINK_MESSAGE_BYTES, "an FDB page fits one message");
