// SPDX-License-Identifier: BSD-3-Clause
//
// Enrolment: a token becomes a certificate.
//
// enrol_run() makes (or opens) the gateway's key in its signer, shakes hands with the hub under the
// token's pair key, asks for a certificate, checks everything against the root hash in the token
// and writes the state directory. Nothing is written but the key before all of it is verified.
//
//	identity.key   the private key, sealed (identity.h); only the signer reads it
//	cert.der       the gateway's own certificate (public)
//	chain.der      cert ‖ issuing certificate ‖ root, each with a u16 length (wire/der_list.h;
// public) 	hub.state      gate secret, names and the hub's addresses, sealed (statefile.h
// "hub")
//
// hub.state is written last: where it opens, enrolment is complete.
//
// Blocking, any one thread. Floor 4.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/der_list.h"
#include "config/types.h"
#include "controlplane/common/identity.h"
#include "controlplane/common/x509.h"

#define ENROL_FILE_KEY   "identity.key"
#define ENROL_FILE_CERT  "cert.der"
#define ENROL_FILE_CHAIN "chain.der"
#define ENROL_FILE_STATE "hub.state"

#define ENROL_ADDRESSES_MAX 8u
#define ENROL_TEXT_MAX      512u

// Each has its own message and hint, and stands under this number in `postern enrol --json`.
enum enrol_code {
	ENROL_OK = 0,
	ENROL_ERR_TOKEN = 1,       // the token's text is no token, or damaged
	ENROL_ERR_USED = 2,        // no uses left
	ENROL_ERR_EXPIRED = 3,     // the token's time is over
	ENROL_ERR_NAME = 4,        // the token is not for this name, or the name is not allowed
	ENROL_ERR_NAME_TAKEN = 5,  // another key holds this name
	ENROL_ERR_UNREACHABLE = 6, // no hub address takes a connection
	ENROL_ERR_SILENCE = 7,     // connected, or not even that, and no answer to the token
	ENROL_ERR_CLOCK = 8,       // this clock and the hub's differ by more than ten minutes
	ENROL_ERR_ROOT = 9,        // the hub's root is not the one the token names
	ENROL_ERR_NETWORK = 10,    // the token is for another network than the configuration
	ENROL_ERR_ENROLLED = 11,   // already enrolled, and `again` not asked for
	ENROL_ERR_IDENTITY = 12,   // the key: see the message (identity_strerror)
	ENROL_ERR_PROOF = 13,      // the hub answered but could not prove itself
	ENROL_ERR_STORE = 14,      // writing the state directory failed
	ENROL_ERR_HUB = 15,        // the hub refused or failed for a reason of its own
	ENROL_ERR_REVOKED = 16,    // this key or name was revoked
	ENROL_ERR_INTERNAL = 17,
	ENROL_N_CODES,
};

struct enrol_error {
	enum enrol_code code;
	char message[ENROL_TEXT_MAX]; // what happened, a sentence
	char hint[ENROL_TEXT_MAX];    // the way out
};

enum enrol_step {
	ENROL_STEP_TOKEN = 1,   // token read
	ENROL_STEP_KEY = 2,     // key made or opened
	ENROL_STEP_KNOCK = 3,   // knocking at an address (the detail)
	ENROL_STEP_CONNECT = 4, // TCP connection stands
	ENROL_STEP_HUB = 5,     // the hub has proved that it is the token's
	ENROL_STEP_CERT = 6,    // certificate received and verified
	ENROL_STEP_STORED = 7,  // state directory written
};

// detail: a short text for people, e.g. "192.0.2.1:7667"; lives until the return.
typedef void (*enrol_progress)(void *ctx, enum enrol_step step, const char *detail);

struct enrol_params {
	const char *token;   // text
	const char *name;    // the gateway's, a full DNS name below the network's
	const char *network; // what the configuration says; NULL: believe the token
	const char *state_dir;
	struct identity_source identity; // key_file NULL: identity.key in state_dir
	const struct config_endpoint
		*addresses; // of the hub, instead of the token's; NULL: the token's
	unsigned n_addresses;
	unsigned attempt_ms; // for each address, knock to certificate; 0: 5000
	bool again;          // enrol anew although hub.state exists (the key stays)
	uid_t uid;           // owner of the files written, where run as root; 0: leave
	gid_t gid;
};

// errors:  -EACCES and the like as a number, *ret_error says which and what to do
int enrol_run(const struct enrol_params *params, enrol_progress progress, void *ctx,
	struct enrol_error *ret_error);

const char *enrol_code_name(enum enrol_code code); // kebab-case, for --json and the API

// ---- what enrolment left, read by control

struct enrol_state {
	char name[X509_NAME_BYTES_MAX + 1];
	char network[X509_NAME_BYTES_MAX + 1];
	char hub_name[X509_NAME_BYTES_MAX + 1];
	struct config_endpoint addresses[ENROL_ADDRESSES_MAX];
	unsigned n_addresses;
	uint16_t udp2_port; // the hub's second UDP port, 0 = none
	uint8_t net_id[16];
	uint8_t gate_secret[32];
	uint8_t chain[DER_LIST_MAX_LEN]; // chain.der
	size_t chain_len;
};

// Load cert, chain and hub.state. `secret` is the signer's "state". The certificate is not verified
// against the clock here: an expired one loads, so that control can say so.
//
// errors:  -ENOENT: not enrolled; -EBADMSG: damaged, or another identity's; others of the files
int enrol_load(const char *state_dir, const uint8_t secret[32], struct enrol_state *ret_state);
void enrol_state_wipe(struct enrol_state *state);

// ---- renewal over the hub link (hublink_request_renewal)

// Check a CERT record that answers a renewal (same name, same key, our root, valid now, not
// expiring earlier than the one held) and store it: cert.der and chain.der, and state->chain.
//
// errors:  -EBADMSG: no such record; -EKEYREJECTED: the certificate does
//          not hold; -ESTALE: it ends earlier; others of the files
int enrol_accept_renewal(const char *state_dir, const struct x509_trust *trust,
	const uint8_t pk[32], uint64_t now_s, const uint8_t *body, size_t len,
	struct enrol_state *state);
