// SPDX-License-Identifier: BSD-3-Clause
//
// A gateway's link to its hub: the handshake and lane 0 of PROTOCOL.md over TCP.
//
// The hub's TCP port is shut for strangers, so each attempt first sends PUNCHes to the hub's UDP
// port from an ordinary UDP socket, then connects, proves itself and carries records
// (wire/record.h) both ways. A lost link comes back by itself, after 1 s growing to 60 s, with
// jitter; each attempt takes the hub's next address. Everything sent on the link is idempotent:
// what matters is sent again by its owner in on_up. The handshake is repeated on every connection,
// so keys never live longer than a connection; the hub closes one after HUBLINK_LIFE_S.
//
// Loop thread only. Floor 4.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "config/types.h"
#include "controlplane/common/x509.h"

#define HUBLINK_ADDRESSES_MAX 8u
#define HUBLINK_SECRET_BYTES  32u
#define HUBLINK_PUNCH_BYTES   40u
#define HUBLINK_DOUBT_S       3u
#define HUBLINK_PING_S        20u // an idle link is pinged; two unanswered pings end it
#define HUBLINK_BACKOFF_MIN_S 1u
#define HUBLINK_BACKOFF_MAX_S 60u
#define HUBLINK_ATTEMPT_S     5u    // for connecting and the handshake together
#define HUBLINK_LIFE_S        3600u // a link older than this is made anew
#define HUBLINK_REASON_MAX    256u
#define HUBLINK_QUEUE_MAX     (1u << 20) // bytes waiting to be sent; more is -ENOBUFS

enum hublink_state {
	HUBLINK_STOPPED,    // created, not started
	HUBLINK_WAITING,    // between attempts
	HUBLINK_CONNECTING, // knocking, connecting or in the handshake
	HUBLINK_UP,
};

// What the owner does for the link. All calls come from the loop.
struct hublink_ops {
	// Ed25519 over L(label) ‖ msg by the gateway's key: signer_sign(). 0 or -errno.
	int (*sign)(void *ctx, const char *label, const void *msg, size_t len, uint8_t sig[64]);
	// A µs timestamp higher than every one given out before for the hub, on disk before this
	// returns. 0 or -errno. Used for M1 and for the knock.
	int (*next_ts)(void *ctx, uint64_t *ret_ts);
	// Is this certificate (the hub's, verified otherwise) revoked? NULL: never.
	bool (*revoked)(void *ctx, const struct x509_facts *facts);
	// Number of the newest revocation list held. NULL: 0.
	uint64_t (*list_number)(void *ctx);

	void (*on_up)(void *ctx, uint64_t hub_list_number);
	// The link went down, or an attempt failed; `reason` is a sentence for people.
	void (*on_down)(void *ctx, const char *reason);
	// A record from the hub; the body is the callee's to read until it returns. The callee may
	// call hublink_send() and hublink_stop().
	void (*on_record)(void *ctx, uint16_t type, const uint8_t *body, size_t len);
};

struct hublink_config {
	const char *hub_name;
	const char *gateway_name;
	const struct config_endpoint *addresses; // TCP and UDP
	unsigned n_addresses;
	uint8_t gate_secret[HUBLINK_SECRET_BYTES];
	uint8_t net_id[16];
	const struct x509_trust *trust; // the pinned root; outlives the link
	const uint8_t *chain;           // own leaf ‖ issuers ‖ root (wire/der_list.h)
	size_t chain_len;
	uint8_t hedge[32]; // signer_secret("hedge")
	uint32_t caps;     // as in the gateway's intents
};

struct hublink;

// Everything in cfg is copied, but trust is not.
//
// errors:  -EINVAL: a name, the chain or the addresses; -ENOMEM
int hublink_create(uv_loop_t *loop, const struct hublink_config *cfg, const struct hublink_ops *ops,
	void *ctx, struct hublink **ret_link);

// Close and free; callbacks stop at once, the memory goes once the loop has run its close
// callbacks. Accepts NULL.
void hublink_destroy(struct hublink *link);

// Connect and stay connected. Again after a stop is fine. The first attempt is made at once.
void hublink_start(struct hublink *link);
void hublink_stop(struct hublink *link);  // no on_down
void hublink_retry(struct hublink *link); // skip the rest of a wait: network came back

// Something says that the network has changed: a hub that does not answer a ping now, within
// HUBLINK_DOUBT_S, is connected to again.
void hublink_doubt(struct hublink *link);

enum hublink_state hublink_get_state(const struct hublink *link);
uint64_t hublink_since_us(const struct hublink *link);  // clock_mono_us of the last change
const char *hublink_reason(const struct hublink *link); // of the last failure, "" if none
const struct config_endpoint *hublink_peer(const struct hublink *link); // of this attempt

// Send a record. errors: -ENOTCONN; -EMSGSIZE: over 64 KiB; -ENOBUFS: the hub does not read
int hublink_send(struct hublink *link, uint16_t type, const void *body, size_t len);

// Ask for a new certificate for the same name and this key (the gateway's own). The answer is a
// CERT record, to be given to enrol_accept_renewal(), or an ERROR record in reply to CSR.
//
// errors:  as hublink_send(), or what ops.sign returned
int hublink_request_renewal(struct hublink *link, const uint8_t pk[32]);

// Use another chain from the next handshake on (after a renewal). errors: -EINVAL, -ENOMEM
int hublink_set_chain(struct hublink *link, const uint8_t *chain, size_t len);

// Build a PUNCH under the hub's pair key, to be sent from the data port to the hub's UDP ports; the
// hub answers with an OBSERVED_ADDR record that names ts. now_s is for the tag (unix seconds).
void hublink_punch(const struct hublink *link, uint64_t ts, uint64_t now_s,
	uint8_t ret_packet[HUBLINK_PUNCH_BYTES]);
