// SPDX-License-Identifier: BSD-3-Clause
// What a compromised control can send to the signer: the input is cut into messages, all to one
// signer.
//
// Whatever is signed must hold under "postern/1 " ‖ label ‖ NUL ‖ message of a label on the list.
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "controlplane/signer/serve.h"
#include "tests/fuzz/fuzz.h"

static uint8_t seed[32], pk[32], sk[64];

static void check_signature(const struct signer_request *q, const struct signer_reply *r)
{
	static const char *const labels[] = {"intent", "S", "C", "csr", "rollover"};
	uint8_t m[64 + SIGNER_MESSAGE_MAX];

	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		size_t n = strlen(labels[i]);

		if (strncmp(q->label, labels[i], SIGNER_LABEL_BYTES) != 0)
			continue;
		memcpy(m, "postern/1 ", 10);
		memcpy(m + 10, labels[i], n + 1);
		memcpy(m + 11 + n, q->body, q->len);
		fuzz_must(crypto_sign_verify_detached(r->body, m, 11 + n + q->len, pk) == 0);
		return;
	}
	fuzz_must(0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct signer_request q;
	struct signer_open open;
	struct signer_reply r;
	struct serve s = {0};
	uint64_t now_us = 0;

	if (sodium_is_zero(pk, sizeof(pk)))
		crypto_sign_seed_keypair(pk, sk, seed);
	serve_init(&s, seed, sk, now_us);
	if (serve_parse_open(data, size, &q, &open)) {
		fuzz_must(strlen(open.key_file) < SIGNER_PATH_MAX);
		fuzz_must(strlen(open.passphrase_file) < SIGNER_PATH_MAX);
		fuzz_must(strlen(open.key_credential) < SIGNER_PATH_MAX);
	}
	while (size > 0) {
		size_t len = size < sizeof(q) ? size : sizeof(q);

		memset(&r, 0xaa, sizeof(r));
		if (!serve_request(&s, data, len, now_us, &r))
			return 0;
		fuzz_must(len == sizeof(q));
		memcpy(&q, data, sizeof(q));
		fuzz_must(r.op == q.op + 1 && r.seq == q.seq && r.len <= sizeof(r.body));
		fuzz_must(r.status == 0 || (r.len == 0 && sodium_is_zero(r.body, sizeof(r.body))));
		if (q.op == SIGNER_OP_SIGN && r.status == 0)
			check_signature(&q, &r);
		data += len;
		size -= len;
		now_us += 100;
	}
	return 0;
}
