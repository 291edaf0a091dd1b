// SPDX-License-Identifier: BSD-3-Clause
// The client's side of postern-signer, the process that holds the private key.
//
// control (and the hub) start it as a child and ask it for signatures; the key itself never leaves
// it. Calls block, bounded by SIGNER_TIMEOUT_MS (opening: SIGNER_OPEN_TIMEOUT_MS, Argon2id is slow
// on purpose). After a timeout or a broken reply the object is dead and every call gives -EPIPE:
// close it and start another. Not thread safe: one owner. Floor 3.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "controlplane/common/identity.h"
#include "controlplane/common/signer_msg.h"

#define SIGNER_TIMEOUT_MS      2000
#define SIGNER_OPEN_TIMEOUT_MS 30000
#define SIGNER_PUBLIC_BYTES    32u
#define SIGNER_SECRET_BYTES    32u

struct signer;

// Start the signer: $POSTERN_LIBEXEC/postern-signer, else the one beside this program, else that of
// ../libexec/postern. The child gets no environment but CREDENTIALS_DIRECTORY and no descriptor but
// its socket, stderr and the file for the report of a crash.
//
// errors:  IDENTITY_ERR_SIGNER_MISSING
enum identity_error signer_spawn(struct signer **ret_signer);

// After the key is read the signer becomes this user and group, where it runs as root. Call before
// opening; 0 (the default) leaves it as it is.
void signer_set_user(struct signer *s, uid_t uid, gid_t gid);

// Open, or make and open, the key; once per signer. On failure the signer ends: close it.
enum identity_error signer_open_key(struct signer *s, const struct identity_source *src);
enum identity_error signer_generate(struct signer *s, const struct identity_source *src);

// The following return 0, -EPIPE (gone), -ETIMEDOUT, -EAGAIN (more than SIGNER_BUCKET_PER_S for
// long: try again in a moment), -EACCES (label not on the list), -EMSGSIZE.

int signer_public(struct signer *s, uint8_t ret_pk[SIGNER_PUBLIC_BYTES]);

// Ed25519 over "postern/1 " ‖ label ‖ 0x00 ‖ msg. label: "intent", "S", "C", "csr", "rollover".
int signer_sign(struct signer *s, const char *label, const void *msg, size_t len,
	uint8_t ret_sig[SIGNER_SIGNATURE_LEN]);

// A 32-byte key that depends on the identity alone. label: "hedge", "state".
int signer_secret(struct signer *s, const char *label, uint8_t ret_key[SIGNER_SECRET_BYTES]);

pid_t signer_pid(const struct signer *s);

// For event loops: readable or hung up while idle means it ended. Open until signer_close, so stop
// watching before that.
int signer_fd(const struct signer *s);

// End it and wait for its end (it has 1 s, then SIGKILL). Accepts NULL.
void signer_close(struct signer *s);
