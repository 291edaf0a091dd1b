// SPDX-License-Identifier: BSD-3-Clause
// What control and postern-signer say to each other, byte for byte.
//
// One SOCK_SEQPACKET socket pair, one request a message, one reply for each, in order. Both have
// one size; any other length ends the signer. Requests are even, their reply is the same number
// plus one (the habit of OpenSSH's monitor). Integers are in host order: both ends run on one
// machine and come from one build. Floor 1.
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define SIGNER_MSG_VERSION   1u
#define SIGNER_LABEL_BYTES   16u // a label and its final NUL, the rest zero
#define SIGNER_MESSAGE_MAX   1024u
#define SIGNER_PATH_MAX      256u  // a path and its final NUL
#define SIGNER_BUCKET_BURST  2000u // signatures and secrets that may come at once
#define SIGNER_BUCKET_PER_S  500u  // ... and then per second
#define SIGNER_SIGNATURE_LEN 64u
#define SIGNER_FD            3 // where the signer finds its socket
#define SIGNER_CRASH_FD      4 // and, perhaps, the file for the report of a crash

enum signer_op {
	SIGNER_OP_OPEN = 2,     // allowed once, before the sandbox: body is struct signer_open
	SIGNER_OP_GENERATE = 4, // the same, makes the key first
	SIGNER_OP_PUBLIC = 6,   // → 32-byte Ed25519 public key
	SIGNER_OP_SIGN = 8, // label, body = message → 64-byte signature over L(label) ‖ message
	SIGNER_OP_SECRET = 10, // label → 32 bytes
	SIGNER_OP_TEST = 100,  // only in the test build: try a forbidden system call
};

// Body of OPEN and GENERATE. The signer reads the files itself: no passphrase passes through
// control.
struct signer_open {
	char key_file[SIGNER_PATH_MAX];        // absolute
	char passphrase_file[SIGNER_PATH_MAX]; // absolute, or empty
	char key_credential[SIGNER_PATH_MAX];  // absolute path or credential name, or empty
	uint32_t drop_uid;                     // become this user after the key is read; 0 = stay
	uint32_t drop_gid;
	uint32_t kdf_passes; // of Argon2id, for GENERATE; 0: the default cost
	uint32_t zero;
	uint64_t kdf_memory_bytes;
};
static_assert(sizeof(struct signer_open) == 792, "signer_open changed: raise SIGNER_MSG_VERSION");

struct signer_request {
	uint16_t version; // SIGNER_MSG_VERSION
	uint16_t op;      // enum signer_op
	uint32_t seq;     // comes back in the reply
	uint32_t len;     // bytes of body in use, the rest zero
	uint32_t zero;
	char label[SIGNER_LABEL_BYTES];
	uint8_t body[SIGNER_MESSAGE_MAX];
};
static_assert(sizeof(struct signer_request) == 1056, "signer_request changed");
static_assert(offsetof(struct signer_request, body) == 32, "signer_request changed");
static_assert(sizeof(struct signer_open) <= SIGNER_MESSAGE_MAX, "signer_open does not fit");

struct signer_reply {
	uint16_t version;
	uint16_t op; // the request's op + 1
	uint32_t seq;
	int32_t status; // OPEN, GENERATE: enum identity_error; others 0 or -errno
	uint32_t len;   // bytes of body in use
	uint8_t body[SIGNER_SIGNATURE_LEN];
};
static_assert(sizeof(struct signer_reply) == 80, "signer_reply changed");
