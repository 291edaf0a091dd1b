// SPDX-License-Identifier: BSD-3-Clause
// postern-signer: holds the private key, and signs.
//
// Started by control or the hub with a SOCK_SEQPACKET socket as descriptor 3. Reads one request to
// open or make the key, shuts itself in (policy.h), then answers requests until the other end
// closes.
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/common/identity.h"
#include "config/log.h"
#include "controlplane/signer/policy.h"
#include "controlplane/signer/serve.h"
#include "sandbox/crash.h"
#include "sandbox/sandbox.h"
#ifdef SIGNER_TEST_HOOK
#include "controlplane/signer/test_hook.h"
#endif

struct key {
	uint8_t seed[32];
	uint8_t sk[64];
};

// One byte more than a request, so that a longer message shows.
struct message {
	uint8_t bytes[sizeof(struct signer_request) + 1];
	size_t len;
};

static bool receive(struct message *m)
{
	ssize_t n;

	do {
		n = read(SIGNER_FD, m->bytes, sizeof(m->bytes));
	} while (n < 0 && errno == EINTR);
	m->len = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static bool answer(const struct signer_reply *r)
{
	ssize_t n;

	do {
		n = write(SIGNER_FD, r, sizeof(*r));
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*r);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static enum identity_error load_key(
	enum signer_op op, const struct signer_open *open, struct key *key)
{
	struct identity_source src = {
		.key_file = open->key_file,
		.passphrase_file = open->passphrase_file,
		.key_credential = open->key_credential,
	};
	struct identity_kdf kdf = {open->kdf_passes, open->kdf_memory_bytes};
	uint8_t pk[IDENTITY_PUBLIC_BYTES];
	enum identity_error err;

	if (kdf.passes != 0)
		src.kdf = &kdf;
	if (op == SIGNER_OP_GENERATE)
		err = identity_generate(&src, IDENTITY_USE_NODE, key->seed, pk);
	else
		err = identity_open(&src, IDENTITY_USE_NODE, key->seed, pk);
	if (err == IDENTITY_OK)
		crypto_sign_seed_keypair(pk, key->sk, key->seed);
	return err;
}

// The first request: load the key, shut in, say how it went.
static bool begin(struct key *key)
{
	struct signer_reply reply = {.version = SIGNER_MSG_VERSION};
	struct signer_request request;
	struct signer_open open;
	struct message m;
	enum identity_error err;

	if (!receive(&m) || !serve_parse_open(m.bytes, m.len, &request, &open))
		return false;
	err = load_key((enum signer_op)request.op, &open, key);
	if (err == IDENTITY_OK &&
		policy_enter(SIGNER_FD, SIGNER_CRASH_FD, open.drop_uid, open.drop_gid) < 0)
		err = IDENTITY_ERR_SANDBOX;
	reply.op = (uint16_t)(request.op + 1);
	reply.seq = request.seq;
	reply.status = (int32_t)err;
	return answer(&reply) && err == IDENTITY_OK;
}

static void serve_all(struct serve *s)
{
	struct signer_reply reply;
	struct message m;

	while (receive(&m)) {
#ifdef SIGNER_TEST_HOOK
		test_hook(m.bytes, m.len);
#endif
		if (!serve_request(s, m.bytes, m.len, now_us(), &reply))
			break;
		if (!answer(&reply))
			break;
		sodium_memzero(&reply, sizeof(reply));
	}
}

int main(void)
{
	int type = 0;
	socklen_t len = sizeof(type);
	struct serve s;
	struct key *key;

	log_init();
	umask(077);
	if (sandbox_begin() < 0 || sodium_init() < 0) {
		log_error("postern-signer cannot start: prctl or libsodium failed");
		return EXIT_FAILURE;
	}
	if (getsockopt(SIGNER_FD, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET) {
		fprintf(stderr,
			"postern-signer is started by postern-control and postern-hub, not by "
			"hand: see postern-control -h\n");
		return 2;
	}
	crash_init_fd("postern-signer", fcntl(SIGNER_CRASH_FD, F_GETFD) < 0 ? -1 : SIGNER_CRASH_FD);
	key = sodium_malloc(sizeof(*key)); // locked, between guard pages
	if (key == NULL) {
		log_error("no locked memory for the key: raise RLIMIT_MEMLOCK (LimitMEMLOCK=)");
		return EXIT_FAILURE;
	}
	if (begin(key)) {
		sodium_memzero(&s, sizeof(s));
		serve_init(&s, key->seed, key->sk, now_us());
		serve_all(&s);
	}
	// Not sodium_free: its system calls are forbidden by now. The kernel takes the pages.
	sodium_memzero(key, sizeof(*key));
	// The bare call: what exit() or a sanitizer does on the way out is forbidden too.
	syscall(SYS_exit_group, EXIT_SUCCESS);
	return EXIT_FAILURE;
}
