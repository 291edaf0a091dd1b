// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/signer/serve.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define TOKEN_PPM 1000000u

static const char kdf_context[crypto_kdf_CONTEXTBYTES + 1] = "PSTNsign";
static const char prefix[] = "postern/1 "; // L(label) = this ‖ label ‖ NUL

// The labels that control may ask a signature under. Each belongs to one kind of message, so a
// signature made for one cannot pass for another.
static const char sign_labels[][SIGNER_LABEL_BYTES] = {"intent", "S", "C", "csr", "rollover"};

// The secrets that leave the signer: what they protect is control's own business.
static const struct {
	char label[SIGNER_LABEL_BYTES];
	uint64_t id;
} secrets[] = {{"hedge", 1}, {"state", 2}};

void serve_init(struct serve *s, const uint8_t seed[32], const uint8_t sk[64], uint64_t now_us)
{
	s->seed = seed;
	s->sk = sk;
	crypto_sign_ed25519_sk_to_pk(s->pk, sk);
	s->bucket.level_ppm = (uint64_t)SIGNER_BUCKET_BURST * TOKEN_PPM;
	s->bucket.last_us = now_us;
}

bool serve_bucket_take(struct serve_bucket *b, uint64_t now_us)
{
	const uint64_t full = (uint64_t)SIGNER_BUCKET_BURST * TOKEN_PPM;
	const uint64_t full_after_us = full / SIGNER_BUCKET_PER_S;

	if (now_us > b->last_us) {
		uint64_t passed = now_us - b->last_us;

		if (passed > full_after_us)
			passed = full_after_us; // no overflow below
		b->level_ppm += passed * SIGNER_BUCKET_PER_S;
		if (b->level_ppm > full)
			b->level_ppm = full;
		b->last_us = now_us;
	}
	if (b->level_ppm < TOKEN_PPM)
		return false;
	b->level_ppm -= TOKEN_PPM;
	return true;
}

// What every request must keep to, whatever it asks.
static bool frame_ok(const void *bytes, size_t len, struct signer_request *q)
{
	if (len != sizeof(*q))
		return false;
	memcpy(q, bytes, sizeof(*q));
	if (q->version != SIGNER_MSG_VERSION || q->zero != 0)
		return false;
	// Oversize is refused with an answer, by whoever asks for too much in a well-formed frame.
	if (q->len > SIGNER_MESSAGE_MAX)
		return true;
	return sodium_is_zero(q->body + q->len, SIGNER_MESSAGE_MAX - q->len);
}

bool serve_parse_open(const void *bytes, size_t len, struct signer_request *ret_request,
	struct signer_open *ret_open)
{
	struct signer_request q;
	struct signer_open open;

	if (!frame_ok(bytes, len, &q))
		return false;
	if (q.op != SIGNER_OP_OPEN && q.op != SIGNER_OP_GENERATE)
		return false;
	if (q.len != sizeof(open) || !sodium_is_zero((uint8_t *)q.label, sizeof(q.label)))
		return false;
	memcpy(&open, q.body, sizeof(open));
	if (open.zero != 0)
		return false;
	if (open.key_file[SIGNER_PATH_MAX - 1] != '\0' ||
		open.passphrase_file[SIGNER_PATH_MAX - 1] != '\0' ||
		open.key_credential[SIGNER_PATH_MAX - 1] != '\0')
		return false;
	*ret_request = q;
	*ret_open = open;
	return true;
}

static int sign(struct serve *s, const struct signer_request *q, uint64_t now_us, uint8_t *sig)
{
	uint8_t m[sizeof(prefix) - 1 + SIGNER_LABEL_BYTES + SIGNER_MESSAGE_MAX];
	size_t i, n;

	for (i = 0; i < sizeof(sign_labels) / sizeof(sign_labels[0]); i++)
		if (memcmp(q->label, sign_labels[i], SIGNER_LABEL_BYTES) == 0)
			break;
	if (i == sizeof(sign_labels) / sizeof(sign_labels[0]))
		return -EACCES;
	if (q->len > SIGNER_MESSAGE_MAX)
		return -EMSGSIZE;
	if (!serve_bucket_take(&s->bucket, now_us))
		return -EAGAIN;
	n = sizeof(prefix) - 1;
	memcpy(m, prefix, n);
	memcpy(m + n, q->label, strlen(q->label) + 1);
	n += strlen(q->label) + 1;
	memcpy(m + n, q->body, q->len);
	n += q->len;
	crypto_sign_ed25519_detached(sig, NULL, m, n, s->sk);
	return 0;
}

static int secret(struct serve *s, const struct signer_request *q, uint64_t now_us, uint8_t *key)
{
	if (q->len != 0)
		return -EMSGSIZE;
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		if (memcmp(q->label, secrets[i].label, SIGNER_LABEL_BYTES) != 0)
			continue;
		if (!serve_bucket_take(&s->bucket, now_us))
			return -EAGAIN;
		crypto_kdf_derive_from_key(key, 32, secrets[i].id, kdf_context, s->seed);
		return 0;
	}
	return -EACCES;
}

bool serve_request(struct serve *s, const void *bytes, size_t len, uint64_t now_us,
	struct signer_reply *ret_reply)
{
	struct signer_request q;
	struct signer_reply r = {.version = SIGNER_MSG_VERSION};

	if (!frame_ok(bytes, len, &q))
		return false;
	switch (q.op) {
	case SIGNER_OP_PUBLIC:
		if (q.len != 0 || q.label[0] != '\0')
			return false;
		memcpy(r.body, s->pk, sizeof(s->pk));
		r.len = sizeof(s->pk);
		break;
	case SIGNER_OP_SIGN:
		r.status = sign(s, &q, now_us, r.body);
		r.len = r.status == 0 ? SIGNER_SIGNATURE_LEN : 0;
		break;
	case SIGNER_OP_SECRET:
		r.status = secret(s, &q, now_us, r.body);
		r.len = r.status == 0 ? 32 : 0;
		break;
	default:
		return false;
	}
	r.op = (uint16_t)(q.op + 1);
	r.seq = q.seq;
	*ret_reply = r;
	sodium_memzero(&r, sizeof(r));
	return true;
}
