// SPDX-License-Identifier: BSD-3-Clause
//
// The hub as one object: what its parts (knock, links, discovery, API) share.
//
// Loop thread only. Floor 4.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "wire/der_list.h"
#include "config/hub.h"
#include "controlplane/common/authority.h"
#include "controlplane/common/rpc.h"
#include "controlplane/common/signer.h"
#include "controlplane/hub/authority_ops.h"
#include "controlplane/hub/gates.h"
#include "controlplane/hub/silence.h"
#include "controlplane/hub/store.h"

// Files in the hub's state directory besides the authority's.
#define HUB_FILE_KEY         "hub.key"
#define HUB_FILE_CERT        "hub.crt"
#define HUB_FILE_STORE       "hub.db"
#define HUB_FILE_OLD_ISSUING "issuing.crt.old"
#define HUB_SOCKET           "hub.sock"

struct knock;
struct link_server;
struct discovery;

struct hub_counters {
	uint64_t datagrams;   // received on the UDP ports
	uint64_t knocks;      // of them valid
	uint64_t connections; // TCP, accepted
	uint64_t handshakes;  // completed
	uint64_t enrolled;
	uint64_t renewed;
	uint64_t matches;
	uint64_t refused_records;
};

struct hub {
	const struct hub_config *cfg;
	uv_loop_t *loop;
	struct store *store;
	struct signer *signer;
	struct authority_ops ops; // with the authority
	uint8_t net_id[16];
	uint8_t hedge[32];
	uint8_t chain[DER_LIST_MAX_LEN]; // hub's leaf ‖ issuing ‖ root
	size_t chain_len;
	uint64_t leaf_not_before, leaf_not_after;
	uint8_t old_issuing[X509_CA_BYTES_MAX]; // the certificate before a change-over, while it
						// lives
	size_t old_issuing_len;                 // 0: none
	struct gates gates;
	struct silence *silence; // NULL where it is off
	struct knock *knock;
	struct link_server *links;
	struct discovery *discovery;
	struct rpc_server *rpc;
	uv_timer_t housekeeping;
	uv_poll_t signer_poll; // its end is ours
	bool housekeeping_on;
	unsigned n_housekeepings;
	uint8_t *list; // the signed revocation list
	size_t list_len;
	uint64_t list_number;
	uint64_t started_us; // monotonic
	struct hub_counters counters;
};

// What to print when the hub cannot start: what and the way out.
struct hub_error {
	char message[512];
	char hint[512];
};

// Bring up a hub whose state directory was made by hub_init(). The configuration outlives it.
int hub_create(uv_loop_t *loop, const struct hub_config *cfg, struct hub **ret_hub,
	struct hub_error *ret_error);
void hub_destroy(struct hub *h); // accepts NULL; run the loop once more afterwards

// Make the state directory: root, issuing key, the hub's key and certificate, an empty store.
// errors:  -EEXIST: something is there already; others
int hub_init(const struct hub_config *cfg, struct hub_error *ret_error);

// Make a new issuing key and certificate with the root, which must be at hand. The old certificate
// stays beside it, for the leaves that it signed. The hub is stopped, or restarted afterwards.
int hub_new_issuing(const struct hub_config *cfg, struct hub_error *ret_error);

// ---- shared by the parts

void hub_error_set(struct hub_error *e, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int hub_path(char *buf, size_t size, const struct hub_config *cfg, const char *file);
struct identity_source hub_secret(const struct hub_config *cfg);

// A chain to go over the wire: the leaf, where there is one, what it takes to verify it, the root.
void hub_chain(const struct hub *h, const uint8_t *leaf, size_t len, struct der_list *ret_list);

// Make the gates of a gateway or a token from the store. NULL: out of memory.
struct gate *hub_add_gateway_gate(struct hub *h, const struct store_gateway *g);
struct gate *hub_add_token_gate(struct hub *h, const uint8_t id[16], const uint8_t secret[32]);

// Issue the hub's own certificate anew and make its chain. Used by init, at start and yearly work.
int hub_renew_leaf(struct hub *h, uint64_t now, struct hub_error *ret_error);

// After a revocation: build the new list, push it, end the links of who is revoked.
int hub_publish_list(struct hub *h, uint64_t now);

// Forget a gateway that was revoked: link, gate, intents.
void hub_forget_gateway(struct hub *h, int64_t gateway);
