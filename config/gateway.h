// SPDX-License-Identifier: BSD-3-Clause
//
// A gateway's configuration: one YAML file checked once into one immutable struct.
//
// Floor 1. Loading is for one thread; the result is never written again, so any thread may read it.
// Every pointer in it lives until config_free_gateway() or config_free_dataplane().
// docs/configuration.md, generated from the same table that parses, explains each key.
#pragma once

#include "config/error.h"
#include "config/types.h"

enum {
	CONFIG_WORKERS_MAX = 16, // as wire/link.h
	CONFIG_PORTS_MAX = 16,   // as wire/link.h
	CONFIG_QUEUES_MAX = 64,
	CONFIG_SEGMENTS_MAX = 256,
	CONFIG_VLAN_AWARE_MAX = 15, // segments that learn by VLAN: the FDB has 16 bits for both
	CONFIG_SEGMENT_PORTS_MAX = 64,
	CONFIG_STATIC_MAX = 1024,
	CONFIG_PEERS_MAX = 4096,
	CONFIG_HUB_ADDRESSES_MAX = 8,
	CONFIG_PEER_ADDRESSES_MAX = 8,
	CONFIG_PORT_ADDRESSES_MAX = 8,
	CONFIG_SOURCE_PORTS_MAX = 16, // as wire/packet.h
	CONFIG_MTU_MIN = 576,
	CONFIG_WAN_MTU_MIN = 1280,
	CONFIG_XDP_MTU_MAX = 3400, // what a page leaves beside headrooms, descriptors and tag
	CONFIG_MTU_MAX = 9216,
};

enum config_polling { CONFIG_POLL_ADAPTIVE, CONFIG_POLL_BUSY };
enum config_hugepages { CONFIG_HUGEPAGES_AUTO, CONFIG_HUGEPAGES_REQUIRE, CONFIG_HUGEPAGES_NEVER };
enum config_port_role { CONFIG_ROLE_LAN, CONFIG_ROLE_WAN };
enum config_port_kind { CONFIG_KIND_AF_XDP, CONFIG_KIND_DPDK, CONFIG_KIND_TAP, CONFIG_KIND_UDP };
enum config_super { CONFIG_SUPER_AUTO, CONFIG_SUPER_OFF };
enum config_xdp_mode { CONFIG_XDP_AUTO, CONFIG_XDP_COPY, CONFIG_XDP_ZEROCOPY };

// What of a segment's peers and loops is let through; dataplane/guard.h numbers the first alike.
enum config_guard { CONFIG_GUARD_AUTO, CONFIG_GUARD_ALLOW, CONFIG_GUARD_DROP };
enum config_stp { CONFIG_STP_DROP, CONFIG_STP_FORWARD };
enum config_loop { CONFIG_LOOP_CUT, CONFIG_LOOP_IGNORE };

// Values as protocol.md section 4 numbers the ciphers; AUTO applies the protocol's rule.
enum config_cipher {
	CONFIG_CIPHER_AUTO = 0,
	CONFIG_CIPHER_AES_256_GCM = 1,
	CONFIG_CIPHER_CHACHA20_POLY1305 = 2,
};

// A port; its index everywhere is its place in the list.
struct config_port {
	const char *name;
	enum config_port_role role;
	enum config_port_kind kind;
	// af_xdp, udp: the kernel's interface. tap: the interface to create. dpdk: NULL, or for a
	// WAN port the exception interface to create, which then carries the addresses in the
	// kernel.
	const char *interface;
	const char *device;        // dpdk only: a PCI address or a vdev with its arguments
	enum config_xdp_mode mode; // af_xdp only
	uint16_t n_queues;
	uint16_t mtu;            // bytes after the Ethernet header, tags not counted
	enum config_super super; // tap only
	bool has_mac;            // tap and dpdk only
	uint8_t mac[6];
	// WAN only.
	uint16_t overlay_port; // UDP, host order
	uint16_t source_ports; // from there on, for the data lanes
	// dpdk WAN without an exception interface: the only source of addresses and next hops.
	const struct config_prefix *addresses;
	unsigned n_addresses;
	bool has_gateway_mac;
	uint8_t gateway_mac[6]; // fixed neighbour for everything that leaves by this port
};

// A port's share in a segment.
struct config_segment_port {
	const char *port;
	uint16_t port_idx;
	// 1..4094: frames with this 802.1Q tag, which is taken off on the way in and put back on
	// the way out. 0: every frame of the port that no other segment's vlan claims, tags
	// untouched.
	uint16_t vlan;
};

// A station behind a port that is never learned and never ages.
struct config_static {
	uint8_t mac[6];
	uint16_t vlan; // only in vlan_aware segments, else 0
	const char *port;
	uint16_t port_idx;
};

struct config_guards {
	enum config_guard dhcp; // replies of DHCP servers behind peers
	enum config_guard ra;   // IPv6 router advertisements from behind peers
	enum config_stp stp;
	enum config_loop loop;
};

struct config_segment {
	uint8_t id; // on the wire
	const char *name;
	const struct config_segment_port *ports;
	unsigned n_ports;
	bool vlan_aware; // learn by (MAC, VID) instead of MAC alone
	uint32_t ageing_s;
	uint32_t mac_quota; // MACs that one peer may have; of its segments the largest counts
	// Broadcast, unknown unicast and multicast frames a second from one port or peer; 0: no
	// limit.
	uint32_t bum_pps;
	struct config_guards guards;
	const struct config_static *statics;
	unsigned n_statics;
};

// All that the data-plane process reads: run_dir and user of section gateway, sections dataplane,
// ports and segments, keepalive_s of section policy.
struct dataplane_config {
	const char *run_dir;         // sockets; <run_dir>/dataplane.sock
	const char *user;            // control's account, or NULL to stay
	const char *dataplane_user;  // never control's, never root's; NULL: nobody
	const uint16_t *worker_cpus; // n_workers ≥ 1
	unsigned n_workers;
	uint16_t main_cpu; // may be a worker's CPU: the main lcore sleeps nearly always
	enum config_polling polling;
	uint32_t idle_sleep_us; // adaptive: longest sleep of an idle worker
	enum config_hugepages hugepages;
	uint32_t memory_mib; // EAL memory, all pools and tables
	uint32_t max_peers;
	uint32_t fdb_entries;    // all segments together
	uint32_t n_mbufs;        // all ports together
	uint32_t reassembly_mib; // per worker
	uint32_t keepalive_s;    // section policy
	const struct config_port *ports;
	unsigned n_ports;
	const struct config_segment *segments; // in file order; config_segment_by_id() finds one
	unsigned n_segments;
};

struct config_peer {
	const char *name;
	// What the peer may join: names as written, and their ids in the same order.
	const char *const *segments;
	const uint8_t *segment_ids;
	unsigned n_segments;
	const char *psk_file; // NULL without one; holds 32 bytes raw, or 64 hex digits
	bool has_pin;
	uint8_t pin[32];           // the Ed25519 public key its certificate must carry
	enum config_cipher cipher; // AUTO follows policy
	// Candidates to try besides what the hub tells.
	const struct config_endpoint *addresses;
	unsigned n_addresses;
	bool intent; // want this peer from the start, without `postern intents add`
};

struct config_identity {
	// Exactly one is given.
	const char *passphrase_file; // opens the key file in state_dir
	const char *key_credential;  // name below $CREDENTIALS_DIRECTORY, see systemd.exec(5)
	uint32_t argon2_mib;
	uint32_t argon2_passes;
};

struct config_policy {
	uint32_t rekey_s;
	uint32_t key_life_s;
	uint32_t intent_days;
	enum config_cipher cipher; // a forced cipher is announced as the only capability
};

struct gateway_config {
	const char *path; // the file, as given
	const char *name;
	const char *network;
	const char *state_dir;
	const char *signer_user; // NULL: nobody
	struct config_identity identity;
	// NULL and 0 when the section is absent: then what enrolment stored in state_dir holds.
	const char *hub_name;
	const struct config_endpoint *hub_addresses; // TCP and UDP
	unsigned n_hub_addresses;
	uint16_t hub_udp2_port; // the hub's second UDP port, for telling NAT kinds apart; 0 without
	struct dataplane_config dataplane;
	const struct config_peer *peers;
	unsigned n_peers;
	struct config_policy policy;
};

// Read and check a whole file, against this machine.
//
// errors: -ENOENT, -EACCES and the like when it cannot be read, -EFBIG, -EINVAL for anything wrong
//         in it, -ENOMEM. *err is filled on every failure, *ret untouched.
int config_load_gateway(const char *path, struct gateway_config **ret, struct config_error *err);
void config_free_gateway(struct gateway_config *cfg);

// Read only what the data-plane may see; the other sections are not looked at, nor are secrets.
int config_load_dataplane(
	const char *path, struct dataplane_config **ret, struct config_error *err);
void config_free_dataplane(struct dataplane_config *cfg);

// The same from memory, against a given machine. name stands for the file in errors.
int config_parse_gateway(const char *name, const char *text, size_t len,
	const struct config_env *env, struct gateway_config **ret, struct config_error *err);
int config_parse_dataplane(const char *name, const char *text, size_t len,
	const struct config_env *env, struct dataplane_config **ret, struct config_error *err);

// Look-ups; NULL when there is none. Linear: not for the frame path.
const struct config_segment *config_segment_by_id(const struct dataplane_config *cfg, uint8_t id);
const struct config_segment *config_segment_by_name(
	const struct dataplane_config *cfg, const char *name);
const struct config_port *config_port_by_name(const struct dataplane_config *cfg, const char *name);
const struct config_peer *config_peer_by_name(const struct gateway_config *cfg, const char *name);

// The words of the file for an enum's value, as status and logs print them.
const char *config_polling_name(enum config_polling v);
const char *config_hugepages_name(enum config_hugepages v);
const char *config_port_role_name(enum config_port_role v);
const char *config_port_kind_name(enum config_port_kind v);
const char *config_xdp_mode_name(enum config_xdp_mode v);
const char *config_cipher_name(enum config_cipher v);
