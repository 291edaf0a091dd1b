// SPDX-License-Identifier: BSD-3-Clause
//
// One enrolment, as its two halves see it: enrol.c (token, key, files) and enrol_talk.c (the hub).
//
// For those two only. Any one thread. Floor 4.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/common/enrol.h"
#include "controlplane/common/handshake.h"
#include "controlplane/common/pair.h"
#include "controlplane/common/recordlane.h"
#include "controlplane/common/signer.h"
#include "controlplane/common/tcpframe.h"
#include "controlplane/common/token.h"

// One run, from token to files.
struct enrol_run_state {
	const struct enrol_params *p;
	enrol_progress progress;
	void *ctx;
	struct enrol_error *error;
	struct token token;
	struct signer *signer;
	uint8_t pk[32];
	struct pair pair;
	const struct config_endpoint *at; // the address being tried
	char at_text[CONFIG_ENDPOINT_TEXT];
	uint64_t deadline_us;
	uint64_t ts;
	int fd;
	struct tcpframe in;
	const uint8_t *unread; // into chunk
	size_t n_unread;
	uint8_t chunk[4096];
	struct recordlane lane;
	struct x509_trust *trust; // of the root that the token names
	bool verdict;             // check_cert has filled *error
	bool answered;            // a CERT was accepted
	uint8_t chain[DER_LIST_MAX_LEN];
	size_t chain_len;
	uint8_t gate_secret[32];
	uint8_t out[TCPFRAME_HEAD_BYTES + PKT_HS_TCP_MAX_LEN];
};

// Fill the error. The number returned is only for callers that want one.
int enrol_fail(struct enrol_run_state *r, enum enrol_code code, const char *hint, const char *fmt,
	...) __attribute__((format(printf, 4, 5)));

void enrol_tell(struct enrol_run_state *r, enum enrol_step step, const char *detail);

// "2026-11-21 12:00:00 UTC"; returns buf.
const char *enrol_time_text(uint64_t s, char buf[32]);

// Knock, connect, shake hands and ask, at one address. On success chain and gate_secret are there,
// verified. -ETIMEDOUT and -EHOSTUNREACH: another address may do better.
int enrol_talk(struct enrol_run_state *r, const struct config_endpoint *at);
