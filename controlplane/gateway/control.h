// SPDX-License-Identifier: BSD-3-Clause
//
// The objects of postern-control and how they hang together. Everything is reached from struct
// control; each file below says in its first line what it does with it.
//
// Loop thread only. Floor 4.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include <uv.h>

#include "config/gateway.h"
#include "controlplane/common/enrol.h"
#include "controlplane/common/hublink.h"
#include "controlplane/common/revocation.h"
#include "controlplane/common/rpc.h"
#include "controlplane/common/signer.h"
#include "controlplane/common/statefile.h"
#include "controlplane/common/x509_memo.h"
#include "controlplane/gateway/dplink.h"
#include "controlplane/gateway/intents.h"
#include "controlplane/gateway/netlink.h"
#include "controlplane/gateway/peer.h"

#define CONTROL_SEGMENT_BYTES 32
#define CONTROL_WAITING_MAX   64
#define CONTROL_DROPS_MAX     64
#define CONTROL_JOBS_MAX      4096
#define CONTROL_SILENCE_MAX   (2 * CONFIG_SOURCE_PORTS_MAX * CONFIG_PORTS_MAX)

struct control;

// One gateway that may be connected to.
struct gw_peer {
	struct control *control;
	struct peer sm;
	uint32_t slot;
	bool configured; // in the YAML
	bool runtime;    // intent added at run time
	bool wanted;     // an intent towards it is to be outstanding
	bool withdrawn;  // an operator removed the intent that the YAML lists
	bool deleting;   // its session is being wiped in the data-plane
	bool session;    // the data-plane has it
	uint8_t segments[CONTROL_SEGMENT_BYTES];
	bool has_pin, has_psk;
	bool needs_psk; // the YAML names one
	uint8_t pin[32];
	uint8_t psk[32];
	struct own_intent intent;
	uint64_t publish_after_us; // not before, so that two gateways do not chase each other
	uint64_t renew_pause_us;   // what to wait when the present intent brings nothing either
	uint64_t renew_at_us;      // 0: not waiting for a connection
	uint64_t used_heed_us;     // heed a match with a served intent of the peer from then on
	bool tags_dirty;           // the data-plane must hear of its pair keys
	bool stale_intent;         // make a fresh one then
	bool hub_says_gone;        // its intent was withdrawn, according to the hub
	struct intent_memory memory;
	bool candidates_sent;       // under the newest pair key, on the present hub link
	struct path_desc told_path; // the last one given to the data-plane
	uint64_t refreshed_us;      // neighbour of its path
	uv_timer_t timer;
};

// What a group of commands was for.
enum job_kind { JOB_NONE, JOB_DUMP, JOB_INSTALL, JOB_RETIRE, JOB_DELETE };

struct job {
	uint32_t group;
	enum job_kind kind;
	uint32_t slot;
	uint32_t key_id;
};

// An intent of ours that the hub has not been told is gone.
struct dropped_intent {
	uint8_t hash[32];
	uint16_t reason; // enum record_drop_reason
};

// A session that the data-plane holds from before.
struct survivor {
	uint32_t slot;
	uint8_t peer_id[32];
	struct peer_survivor epochs[KEYRING_EPOCHS];
	unsigned n_epochs;
	struct path_desc path;
};

// A datagram on its way out: until guarded values are on disk, or until its next hop is known.
struct outgoing {
	struct config_endpoint to;
	uint32_t session;
	uint64_t since_us;
	uint16_t len;
	uint8_t data[DATAGRAM_MAX_BYTES];
};

struct outbox {
	struct outgoing *list;
	unsigned n, cap;
};

// Our address as the hub sees it.
struct reflexive {
	bool known;
	struct config_endpoint at;
	uint64_t seen_us;
};

struct control {
	uv_loop_t loop;
	char *config_path;
	struct gateway_config *config;
	uint64_t started_us;
	bool stopping;
	int exit_code;

	struct signer *signer;
	uint8_t my_pk[32];
	bool enrolled;
	struct enrol_state enrolment;
	struct x509_trust *trust;
	struct x509_memo chains;                     // of peers, for their next handshakes
	struct x509_facts cert;                      // ours
	struct x509_bytes issuers[X509_ISSUERS_MAX]; // issuers.c: ours first, then the other one
	unsigned n_issuers, n_own_issuers;
	uint8_t other_issuer[X509_CA_BYTES_MAX];
	size_t other_issuer_len; // 0: none
	char identity_note[256]; // why we cannot authenticate, "" when we can
	uint8_t *revocations;    // bytes of the list held, NULL for none
	size_t revocations_len;
	struct revocation_view revocation_view;
	uint64_t renew_asked_us;

	struct peer_env env;
	struct hs_identity identity;
	struct gw_peer **peers; // by slot
	uint32_t n_slots;

	struct statefile state;
	bool state_open;
	bool state_dirty, guard_dirty;
	uint64_t ts_last, ts_reserved;

	struct dplink *dplink;
	bool dp_synced; // sessions of an earlier life are sorted out
	uint64_t dp_boot_id;
	uint64_t dp_since_us;
	uint64_t tags_slot;
	bool tags_dirty;
	struct job *jobs;
	struct survivor *survivors;
	unsigned n_survivors;

	struct netlink *netlink;
	struct netlink_link link[LINK_PORTS_MAX]; // of WAN ports, by port index; ifindex 0 unknown
	struct outbox outbox;                     // leaves at the end of this turn of the loop
	struct outbox waiting;                    // for a next hop

	struct hublink *hub;
	struct dropped_intent drops[CONTROL_DROPS_MAX];
	unsigned n_drops;
	uint64_t hub_punch_us;
	unsigned hub_punch_tries;
	struct reflexive reflexive[2]; // by hub UDP port
	uint8_t links_hash[32];        // of the WAN ports' addresses, zero before the first look
	uint8_t candidates_sent_hash[32];

	struct rpc_server *rpc;
	int silence_fd[CONTROL_SILENCE_MAX]; // two for each UDP port; -1 not held
	struct mnl_socket *silence_watch;    // changes of nft tables
	uint16_t silence_by_socket;          // ports that the data-plane serves by a socket
	uv_timer_t tick;
	uv_timer_t save;
	uv_prepare_t flush;
	uv_poll_t clock_poll;
	int clock_fd;
	uv_poll_t signer_poll;
	uv_signal_t sig_term, sig_int, sig_hup;
	uint64_t watchdog_us;
};

// control.c: from configuration to running, and back.
int control_run(const char *config_path, struct gateway_config *config);
void control_stop(struct control *c, int exit_code);
struct peer_now control_now(void);
// A µs timestamp above all given out before, reserved on disk; 0 when that fails.
uint64_t control_next_ts(struct control *c);

// authority facts: who we are. identity_setup.c
int control_identity_open(struct control *c); // signer, key, state secret
int control_identity_load(struct control *c); // what enrolment left; again after SIGHUP
void control_identity_close(struct control *c);
int control_sign(void *ctx, const char *label, const void *msg, size_t len, uint8_t sig[64]);
bool control_can_authenticate(const struct control *c);

// gateway_peers.c: the table of peers.
int peers_configure(struct control *c, const struct gateway_config *config);
struct gw_peer *peers_find(struct control *c, const char *name);
struct gw_peer *peers_at(struct control *c, uint32_t slot); // NULL
// Add one at run time: a name of the YAML, or a new one with segments.
int peers_want(struct control *c, const char *name, const uint8_t segments[CONTROL_SEGMENT_BYTES],
	struct gw_peer **ret);
// Withdraw: tell the peer and the hub, wipe everything at once.
void peers_unwant(struct control *c, struct gw_peer *gp, uint16_t reason);
void peers_drop(struct control *c, struct gw_peer *gp); // out of the table
void peers_rearm(struct gw_peer *gp);                   // after any input to its machine
void peers_free(struct control *c);
struct gw_peer *peers_create(struct control *c, const char *name, uint32_t slot);
#define PEERS_ANY_SLOT 0xffffffffu
extern const struct peer_ops peers_ops;

// sessions.c: what the data-plane is told about peers, and what it tells.
extern const struct dplink_ops sessions_ops;
void sessions_install(struct gw_peer *gp, const struct epoch *e,
	const struct keysched_traffic *traffic, uint32_t peer_caps);
void sessions_switch(struct gw_peer *gp, uint32_t rx_key_id);
void sessions_retire(struct gw_peer *gp, uint32_t rx_key_id);
void sessions_path(struct gw_peer *gp);
void sessions_path_try(struct gw_peer *gp, const struct config_endpoint *to);
void sessions_set(struct gw_peer *gp);
void sessions_delete(struct gw_peer *gp);
void sessions_tags(struct control *c); // publish all live tags
void sessions_deadlines(struct control *c);

// paths.c: next hops and datagrams on their way.
int paths_resolve(struct control *c, const struct config_endpoint *to, struct path_desc *ret);
unsigned paths_source_ports(const struct control *c, unsigned port_idx); // 1 where only one
void paths_send(struct control *c, uint32_t session, const struct config_endpoint *to,
	const void *data, size_t len);
void paths_flush(struct control *c); // end of a turn: everything guarded is on disk, off they go
void paths_changed(void *ctx);       // netlink: ask again
void paths_refresh(struct control *c);
void paths_links(struct control *c);

// candidates.c: where we can be reached.
unsigned candidates_local(struct control *c, struct candidate list[CANDIDATES_MAX]);
bool candidates_announce(struct control *c); // to every matched peer; did they change?
void candidates_send(struct control *c, struct gw_peer *gp);
bool candidates_moved(struct control *c); // have the ports' own addresses changed since last asked?

// hubclient.c: the link to the hub.
int hubclient_start(struct control *c);
void hubclient_stop(struct control *c);
void hubclient_moved(struct control *c); // our address changed: old connections are dead
// A path went silent. If a NAT between has forgotten us, our address there is another one now and
// the hub's link is as dead as the path: find out at once.
void hubclient_doubt(struct control *c);
void hubclient_publish(struct control *c, struct gw_peer *gp);
void hubclient_drop(struct control *c, struct gw_peer *gp, uint16_t reason);
void hubclient_tick(struct control *c);

// issuers.c: issuing certificates, ours and another while the hub changes over.
void issuers_set_own(struct control *c, const struct der_list *chain); // of our own certificate
void issuers_add(struct control *c, struct x509_bytes issuer);      // copied; verified at each use
void issuers_take(struct control *c, const struct der_list *chain); // what the hub tells

// revoke.c: the revocation list.
int revoke_take(struct control *c, const uint8_t *list, size_t len);
// The list of our own state file: it was verified when it came, and neither a wrong clock nor a
// missing certificate at start may make us forget it.
int revoke_restore(struct control *c, const uint8_t *list, size_t len);
void revoke_enforce(struct control *c);
bool revoke_names(const struct control *c, const struct x509_facts *facts);

// state.c: what survives.
int state_load(struct control *c);
int state_save(struct control *c);
void state_mark(struct control *c); // save soon

// api.c
int api_start(struct control *c);
json_t *api_handle(void *ctx, const char *method, json_t *params, struct rpc_error *error);

// reload.c
int control_reload(struct control *c, struct config_error *err, json_t *report);

// silence.c: the kernel must not answer for us.
void silence_start(struct control *c);
void silence_tick(struct control *c); // hold what could not be held before
void silence_stop(struct control *c); // the table stays
uint16_t silence_by_config(const struct gateway_config *config);
void silence_attached(struct control *c, const struct link_hello *hello);
// Put the table in place that drops what the kernel gets for an overlay port, or take it away; both
// may be called again. errors: -EPERM, -ENOMEM
//
// by_socket: bit n: the data-plane serves port n of the configuration by a socket of the kernel.
int silence_hold(const struct gateway_config *config, uint16_t by_socket);
int silence_release(const struct gateway_config *config);
