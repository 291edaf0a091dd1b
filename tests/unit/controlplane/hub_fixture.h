// SPDX-License-Identifier: BSD-3-Clause
//
// A real hub in a child process, on loopback, and gateways that are enrolled with it.
//
// Everything lives below one temporary directory that fixture_end() removes.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>
#include <uv.h>

#include "controlplane/common/enrol.h"
#include "controlplane/common/hublink.h"
#include "controlplane/common/signer.h"
#include "controlplane/common/token.h"
#include "wire/record.h"

struct fixture {
	char dir[48];
	char yaml[64];
	char pass[64]; // the hub's passphrase file
	char key[64];  // the gateways' key file
	uint16_t port; // TCP and UDP; port + 1 is the second UDP port
	pid_t pid;
	const char *silence; // "off" unless set before fixture_begin()
	const char *limits;  // further YAML, or NULL
};

void fixture_begin(struct fixture *f); // writes the YAML, makes the hub, does not start it
void fixture_end(struct fixture *f);
void fixture_start(struct fixture *f); // returns once its API answers
void fixture_stop(struct fixture *f, int sig);

// Call the hub's API; the result, or NULL with the error's code in ret_code (may be NULL).
json_t *fixture_call(struct fixture *f, const char *method, json_t *params, char ret_code[64]);
json_int_t fixture_status(struct fixture *f, const char *key);

// Make a token's text. name NULL: any.
void fixture_token(
	struct fixture *f, const char *name, int uses, int seconds, char text[TOKEN_TEXT_MAX]);

// Parameters for enrol_run below the fixture's directory; the text buffers are static.
struct enrol_params fixture_params(
	struct fixture *f, const char *token, const char *name, const char *subdir);

// A gateway that has enrolled, with what came in on its link.
struct gateway {
	struct fixture *f;
	char name[64];
	char dir[96];
	struct enrol_state state;
	struct signer *signer;
	uint8_t pk[32];
	struct x509_trust *trust;
	struct hublink *link;
	uint64_t ts;
	uint64_t serial;
	bool up;
	unsigned n_up, n_down;
	char reason[HUBLINK_REASON_MAX];
	unsigned n[16];         // records by type
	uint8_t last[16][8192]; // the newest of each type
	size_t last_len[16];
	uint64_t at_us[16]; // when it came
};

void gateway_enrol(struct gateway *g, struct fixture *f, const char *name);
void gateway_connect(struct gateway *g, uv_loop_t *loop); // and wait until it is up
void gateway_end(struct gateway *g);

// The newest record of a type, parsed; fails the test if there is none.
struct record gateway_last(struct gateway *g, uint16_t type);

// Build a signed intent; returns its length. from NULL: the gateway's own name.
size_t gateway_intent(struct gateway *g, const char *from, const char *to, uint8_t *buf, size_t cap,
	uint8_t ret_sk[32]);
void gateway_put(struct gateway *g, const uint8_t *intent, size_t len);

// Run the loop until *counter reaches at least `want` or the time is over.
bool run_until(uv_loop_t *loop, const unsigned *counter, unsigned want, unsigned ms);
void run_for(uv_loop_t *loop, unsigned ms);
