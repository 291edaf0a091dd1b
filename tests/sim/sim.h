// SPDX-License-Identifier: BSD-3-Clause
//
// A world in one process: gateways with the real control and the real data-plane, NATs, a network,
// a hub, and clocks that only the world moves. Everything random comes from one seed, so a run
// repeats to the last byte.
//
// One world per process, because the code under test has one clock, one random generator and one
// set of libraries; runs are forked. What is replaced is only what touches the machine: clocks,
// timers (loop.c), the socket between control and data-plane (plane.c), netlink and signer
// (machine.c), the file system below the state file (machine.c) and the hub's end of its link
// (hub.c). What is watched, and what must hold, is in watch.c.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/gateway.h"
#include "controlplane/gateway/control.h"
#include "controlplane/gateway/dplink_internal.h"
#include "tests/sim/box.h"

#define SIM_GATEWAYS_MAX 4
#define SIM_MS           1000ull
#define SIM_S            1000000ull
#define SIM_MINUTE       (60 * SIM_S)
#define SIM_HOUR         (3600 * SIM_S)
#define SIM_NEVER        UINT64_MAX
#define SIM_UNIX_S       1800000000ull // when the world begins
#define SIM_HUB_IP       0xc0000201u   // 192.0.2.1
#define SIM_VICTIM_IP    0xcb007163u   // 203.0.113.99, on whom a hub may set gateways
#define SIM_ATTACKER_IP  0xcb007107u   // 203.0.113.7, who sees every packet and sends his own
#define SIM_FRAME_MIN    64
#define SIM_TEXT         200

struct sim_addr {
	uint32_t ip; // host order; 0 none
	uint16_t port;
};

enum sim_nat_kind { NAT_NONE, NAT_FULL_CONE, NAT_ADDRESS, NAT_PORT, NAT_SYMMETRIC, NAT_KINDS };

#define NAT_MAPPINGS 16
#define NAT_FILTERS  24

struct sim_mapping {
	uint16_t port;      // outside; 0 free
	struct sim_addr to; // of a symmetric NAT: whom it is for
	uint64_t used_us;
	struct sim_addr sent_to[NAT_FILTERS];
	unsigned n_sent_to;
};

struct sim_nat {
	enum sim_nat_kind kind;
	uint32_t ip; // outside
	uint64_t timeout_us;
	uint16_t next_port;
	struct sim_mapping map[NAT_MAPPINGS];
};

// What a path does to packets, in parts of 10,000.
struct sim_weather {
	unsigned loss, dup, reorder, corrupt;
	uint64_t delay_us, jitter_us, late_us; // late: what a reordered packet waits longer
};

struct sim_gateway {
	unsigned idx;
	char name[32];
	uint8_t pk[32], sk[64], secret[32];
	uint8_t *chain;
	size_t chain_len;
	uint64_t cert_not_after_s;
	struct sim_addr local;
	struct sim_nat nat;
	bool cut; // its access line is dead
	// its clocks against the world's
	uint64_t mono_base_us;
	int64_t unix_off_us;
	// configuration
	struct gateway_config config;
	struct config_peer peers[SIM_GATEWAYS_MAX];
	struct config_segment segment;
	struct config_port ports[2];
	uint8_t segment_id;
	// control
	struct control *c; // NULL while it is dead
	uint64_t control_at_us;
	unsigned n_control_starts;
	uint8_t *disk; // the state file
	size_t disk_len;
	bool disk_fails;
	// data-plane
	struct box *box; // NULL while it is dead
	uint64_t plane_at_us, plane_tick_us;
	uint32_t generation;
	struct dplink *link;
	bool busy;
	// what it did
	uint64_t n_delivered;
};

// Something under way. Data follows the struct.
enum sim_event_kind { SIM_PACKET, SIM_RECORD_DOWN, SIM_RECORD_UP, SIM_LINK_UP, SIM_CALL };

struct sim_event {
	uint64_t at_us, order;
	enum sim_event_kind kind;
	unsigned gateway;
	struct sim_addr from, to;
	uint16_t type;
	bool corrupt;
	uint32_t frame; // number of the frame it carries, 0 for none or unknown
	void (*call)(uint64_t arg);
	uint64_t arg;
	size_t len;
	uint8_t data[];
};

struct world {
	uint64_t seed, now_us, order, dice[4], crypto_dice[4];
	unsigned n;
	struct sim_gateway gw[SIM_GATEWAYS_MAX];
	struct sim_weather weather;
	bool cut[SIM_GATEWAYS_MAX][SIM_GATEWAYS_MAX];      // between two, one way
	bool unwanted[SIM_GATEWAYS_MAX][SIM_GATEWAYS_MAX]; // the first never asked for the second
	bool trace, failed;
	char failure[SIM_TEXT];
	uint64_t n_packets, n_events;
	uint32_t fresh_frame; // the frame that is just being sent,
	size_t fresh_bytes;   // and the length of a packet with it alone
	// Sees each packet as it enters the network; false: it takes it away.
	bool (*on_wire)(struct sim_gateway *from, struct sim_addr src, struct sim_addr dst,
		const uint8_t *data, size_t len);
};

extern struct world world;

// world.c
void sim_begin(uint64_t seed, unsigned n_gateways);
void sim_start(void); // after the test has chosen NATs and configuration: everybody boots
void sim_end(void);
void sim_run(uint64_t us);
// Until all connected pairs that theory allows are up, at most so long; the time it took or NEVER.
uint64_t sim_run_until_up(uint64_t us);
bool sim_all_up(void);
uint64_t sim_dice(uint64_t n); // 0..n-1
bool sim_chance(unsigned parts_of_10000);
struct sim_event *sim_event(
	enum sim_event_kind kind, uint64_t after_us, const void *data, size_t len);
void sim_push(struct sim_event *e);
void sim_call(uint64_t after_us, void (*call)(uint64_t), uint64_t arg);
void sim_trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void sim_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
struct peer *sim_peer(struct sim_gateway *g, unsigned to); // NULL without control
uint64_t sim_unix_s(const struct sim_gateway *g);

// loop.c
void loop_enter(struct sim_gateway *g); // whose clock is read from here on
struct sim_gateway *loop_current(void);
uint64_t loop_next_us(void);
void loop_run_due(void);
void loop_forget(const uv_loop_t *loop); // a process is dead

// machine.c
void machine_identities(void); // keys and certificates of all
void machine_issue(struct sim_gateway *g, uint64_t not_after_s);
// A list signed by the issuing key that names these gateways; returns its length.
size_t machine_revocations(uint64_t number, unsigned gateways_mask, uint8_t *buf, size_t cap);
// An authority, a key and a certificate of nobody's: sign the last 64 bytes anew, certify a name.
void machine_rogue_sign(const char *label, uint8_t *signed_bytes, size_t len);
void machine_rogue_chain(const char *name, uint8_t buf[DER_LIST_MAX_LEN], struct der_list *ret);
extern const struct atomic_file_ops machine_disk;

// gateway.c
void gateway_boot_control(struct sim_gateway *g);
void gateway_kill_control(struct sim_gateway *g);
void gateway_step_clock(struct sim_gateway *g, int64_t us);
void gateway_withdraw(struct sim_gateway *g, unsigned from);
void gateway_want(struct sim_gateway *g, unsigned peer);
void gateway_rekey(struct sim_gateway *g, unsigned peer); // now, whatever the timers say
void gateway_turn(struct sim_gateway *g);                 // all that it can do now

// plane.c
void plane_boot(struct sim_gateway *g);
void plane_kill(struct sim_gateway *g);
void plane_attach(struct sim_gateway *g); // control finds the data-plane
bool plane_take(struct sim_gateway *g);   // control empties its rings; did it find anything?
void plane_arrive(struct sim_gateway *g, struct sim_addr from, const uint8_t *data, size_t len);
// A frame from the LAN of g to that of `to`; returns its number.
uint32_t plane_frame(struct sim_gateway *g, unsigned to, unsigned bytes);

// net.c
void net_send(struct sim_gateway *g, struct sim_addr dst, const uint8_t *data, size_t len);
void net_inject(struct sim_addr from, struct sim_addr to, const uint8_t *data,
	size_t len); // not from a gateway
void net_deliver(struct sim_event *e);
void net_move(struct sim_gateway *g); // a new address outside, all mappings gone
struct sim_addr net_outside(const struct sim_gateway *g); // where it is reached, if it ever sent
bool net_possible(const struct sim_gateway *a, const struct sim_gateway *b);

// hub.c
extern bool hub_reachable;
void hub_reset(void);
void hub_down(void);
void hub_up(void);
void hub_take_packet(struct sim_gateway *g, struct sim_addr from, unsigned port,
	const uint8_t *data, size_t len);
void hub_event(struct sim_event *e);
void hub_push_list(const uint8_t *list, size_t len);
void hub_tell(struct sim_gateway *g, uint16_t type, const void *body, size_t len);

// evil.c: ways in which the hub is not honest, 1 to n; 0 is honest.
void evil_behave(unsigned way);
unsigned evil_n_ways(void);
const char *evil_name(unsigned way);
bool evil_withholds(unsigned way); // nobody can connect
unsigned evil_n_done(void);        // how often it went that way
bool evil_ends(unsigned way);
unsigned evil_n_intents(void); // how many the gateways have published

// watch.c
void watch_reset(void);
void watch_data_sent(struct sim_gateway *g, struct sim_addr dst, const uint8_t *data, size_t len);
void watch_allowed(struct sim_gateway *owner, struct sim_addr a); // it is seen to send from there
void watch_received(struct sim_gateway *g, struct sim_addr from, size_t len);
uint32_t watch_new_frame(struct sim_gateway *g, unsigned to, unsigned bytes);
void watch_frame_arrived(uint32_t frame); // a whole packet with it reached the other gateway
void watch_delivered(struct sim_gateway *g, const uint8_t *frame, size_t len);
void watch_withdrawn(unsigned a, unsigned b);
void watch_wanted(unsigned a, unsigned b);
void watch_plane_died(struct sim_gateway *g);
void watch_clock_set(struct sim_gateway *g);
void watch_step(void); // after each moment
void watch_end(void);  // memory, wiped keys

// chaos.c: a life with everything in it that the seed says, then peace.
struct chaos_options {
	uint64_t seed;
	double hours;
	unsigned n_skip; // acts to leave out
	unsigned skip[256];
	bool list; // print the acts first
};
void chaos_run(const struct chaos_options *o);
unsigned chaos_n_acts(void);

struct watch_totals {
	uint64_t n_frames, n_arrived, n_delivered, n_seals, n_installs, n_handshakes;
	uint64_t n_to_victim, bytes_to_victim, n_to_strangers, bytes_to_strangers;
	uint64_t last_delivery_us;
};
const struct watch_totals *watch_totals(void);
