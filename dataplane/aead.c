// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/aead.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <intel-ipsec-mb.h>
#include <sodium.h>

#include "wire/cmd.h"

// Which door of the library is the faster one was measured on one core (AVX512, ns a packet of
// 64 / 512 / 1440 B): GCM direct 40 / 57 / 99, GCM by job 41 / 84 / 114; ChaCha20-Poly1305 direct
// 390 / 390 / 600, by job 205 / 235 / 435. So GCM goes direct, ChaCha20-Poly1305 by job.

#define AEAD_AAD_BYTES 16

struct aead {
	IMB_MGR *mgr;
	enum aead_arch arch;
	struct gcm_context_data gcm;
};

static_assert(sizeof(struct gcm_key_data) <= sizeof(struct aead_key), "the expanded key must fit");

static const struct gcm_key_data *gcm_key(const struct aead_key *key)
{
	return (const struct gcm_key_data *)(const void *)key->bytes;
}

static void gcm_one(struct aead *a, bool seal, const struct aead_key *key, const uint8_t *nonce,
	const uint8_t *aad, uint32_t aad_bytes, uint8_t *dst, const uint8_t *src, uint32_t bytes,
	uint8_t tag[AEAD_TAG_BYTES])
{
	if (seal)
		IMB_AES256_GCM_ENC(a->mgr, gcm_key(key), &a->gcm, dst, src, bytes, nonce, aad,
			aad_bytes, tag, AEAD_TAG_BYTES);
	else
		IMB_AES256_GCM_DEC(a->mgr, gcm_key(key), &a->gcm, dst, src, bytes, nonce, aad,
			aad_bytes, tag, AEAD_TAG_BYTES);
}

// Returns false when the library refused the job; then nothing was written.
static bool chacha_one(struct aead *a, bool seal, const struct aead_key *key, const uint8_t *nonce,
	const uint8_t *aad, uint32_t aad_bytes, uint8_t *dst, const uint8_t *src, uint32_t bytes,
	uint8_t tag[AEAD_TAG_BYTES])
{
	IMB_JOB *job = IMB_GET_NEXT_JOB(a->mgr);

	job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
	job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
	job->cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
	job->chain_order = seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
	job->enc_keys = key->bytes;
	job->dec_keys = key->bytes;
	job->key_len_in_bytes = AEAD_KEY_BYTES;
	job->src = src;
	job->dst = dst;
	job->cipher_start_src_offset_in_bytes = 0;
	job->msg_len_to_cipher_in_bytes = bytes;
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_hash_in_bytes = bytes;
	job->iv = nonce;
	job->iv_len_in_bytes = AEAD_NONCE_BYTES;
	job->u.CHACHA20_POLY1305.aad = aad;
	job->u.CHACHA20_POLY1305.aad_len_in_bytes = aad_bytes;
	job->auth_tag_output = tag;
	job->auth_tag_output_len_in_bytes = AEAD_TAG_BYTES;
	job = IMB_SUBMIT_JOB(a->mgr);
	if (job == NULL)
		job = IMB_FLUSH_JOB(a->mgr);
	return job != NULL && job->status == IMB_STATUS_COMPLETED;
}

static bool seal_one(struct aead *a, uint8_t cipher, const struct aead_key *key,
	const uint8_t *nonce, const uint8_t *aad, uint32_t aad_bytes, uint8_t *dst,
	const uint8_t *src, uint32_t bytes)
{
	if (cipher == CIPHER_CHACHA20)
		return chacha_one(
			a, true, key, nonce, aad, aad_bytes, dst, src, bytes, dst + bytes);
	gcm_one(a, true, key, nonce, aad, aad_bytes, dst, src, bytes, dst + bytes);
	return true;
}

static bool open_one(struct aead *a, uint8_t cipher, const struct aead_key *key,
	const uint8_t *nonce, const uint8_t *aad, uint32_t aad_bytes, uint8_t *dst,
	const uint8_t *src, uint32_t bytes)
{
	uint8_t tag[AEAD_TAG_BYTES] = {0};
	bool done = true;

	if (cipher == CIPHER_CHACHA20)
		done = chacha_one(a, false, key, nonce, aad, aad_bytes, dst, src, bytes, tag);
	else
		gcm_one(a, false, key, nonce, aad, aad_bytes, dst, src, bytes, tag);
	return done && crypto_verify_16(tag, src + bytes) == 0;
}

bool aead_seal(struct aead *a, uint8_t cipher, const struct aead_op *o)
{
	return seal_one(a, cipher, o->key, o->nonce, o->data - AEAD_AAD_BYTES, AEAD_AAD_BYTES,
		o->data, o->src, o->bytes);
}

bool aead_open(struct aead *a, uint8_t cipher, const struct aead_op *o)
{
	return open_one(a, cipher, o->key, o->nonce, o->src - AEAD_AAD_BYTES, AEAD_AAD_BYTES,
		o->data, o->src, o->bytes);
}

void aead_forget(struct aead *a)
{
	sodium_memzero(&a->gcm, sizeof(a->gcm));
}

int aead_key_install(
	struct aead *a, uint8_t cipher, const uint8_t raw[AEAD_KEY_BYTES], struct aead_key *key)
{
	switch (cipher) {
	case CIPHER_AES_256_GCM:
		IMB_AES256_GCM_PRE(a->mgr, raw, (struct gcm_key_data *)(void *)key->bytes);
		return 0;
	case CIPHER_CHACHA20:
		memcpy(key->bytes, raw, AEAD_KEY_BYTES);
		return 0;
	}
	return -EINVAL;
}

void aead_key_wipe(struct aead_key *key)
{
	sodium_memzero(key, sizeof(*key));
}

// Known answers: key 80..9f, nonce 50..5b, associated data c0..cf, plaintext byte i = 7i + 3. Made
// with OpenSSL. The lengths cross the block, quad-block and 16-block borders of the library's code.
static const struct {
	uint8_t cipher;
	uint32_t bytes;
	uint8_t tag[AEAD_TAG_BYTES];
} known_answers[] = {
	{CIPHER_AES_256_GCM, 0,
		{0x22, 0x21, 0xcd, 0x91, 0x54, 0x05, 0xb8, 0x54, 0x4f, 0xf7, 0xab, 0x72, 0x9e, 0xdc,
			0x28, 0x4f}},
	{CIPHER_AES_256_GCM, 1,
		{0x9c, 0x21, 0x10, 0xf2, 0x60, 0x18, 0xb8, 0xaf, 0x85, 0x7f, 0xdb, 0x03, 0x90, 0x61,
			0x3d, 0x92}},
	{CIPHER_AES_256_GCM, 16,
		{0xd0, 0xed, 0x6d, 0xed, 0x11, 0x37, 0x29, 0x32, 0x9d, 0xa5, 0x8a, 0x95, 0xf0, 0x35,
			0x86, 0x82}},
	{CIPHER_AES_256_GCM, 63,
		{0xc7, 0xb2, 0x28, 0xf0, 0xba, 0x7e, 0x4b, 0x2d, 0x1c, 0x77, 0xfc, 0xa3, 0x70, 0xe8,
			0x2f, 0xc5}},
	{CIPHER_AES_256_GCM, 64,
		{0xf6, 0xdc, 0x28, 0xd6, 0x3b, 0x4b, 0xdd, 0xcb, 0x8d, 0x25, 0x46, 0xdb, 0xa0, 0x4e,
			0x5e, 0x2d}},
	{CIPHER_AES_256_GCM, 65,
		{0xfd, 0xcc, 0xaa, 0x4e, 0x9e, 0x15, 0x15, 0xed, 0xee, 0x7f, 0x31, 0x4f, 0x0c, 0x0d,
			0xc6, 0xd9}},
	{CIPHER_AES_256_GCM, 257,
		{0xc3, 0x5a, 0xc4, 0x87, 0xd4, 0x18, 0x88, 0x39, 0x27, 0x2d, 0xf6, 0x1f, 0xad, 0x0d,
			0xcb, 0x28}},
	{CIPHER_AES_256_GCM, 1440,
		{0x04, 0x6f, 0x7b, 0x63, 0x9f, 0xc7, 0xc3, 0xcf, 0xbe, 0x7c, 0xcc, 0xf2, 0x33, 0x2a,
			0x95, 0x27}},
	{CIPHER_AES_256_GCM, 4111,
		{0x4e, 0x01, 0xf1, 0x2c, 0xee, 0xb6, 0xb4, 0xd9, 0x18, 0xe7, 0xb2, 0xe9, 0x89, 0x07,
			0xef, 0x6b}},
	{CIPHER_CHACHA20, 0,
		{0x5a, 0xc3, 0x97, 0x61, 0xb0, 0x7f, 0xb3, 0x09, 0xd5, 0x34, 0xa9, 0x6d, 0x18, 0xa8,
			0xf7, 0xc3}},
	{CIPHER_CHACHA20, 1,
		{0x70, 0x70, 0x6f, 0x6d, 0xe1, 0x34, 0xf3, 0xd2, 0x32, 0xe7, 0x00, 0x2c, 0x78, 0xfb,
			0x4a, 0x01}},
	{CIPHER_CHACHA20, 16,
		{0xed, 0x96, 0xfe, 0x14, 0x13, 0x8d, 0x7a, 0x18, 0xfb, 0xcd, 0x06, 0x8e, 0x63, 0xad,
			0x0a, 0x86}},
	{CIPHER_CHACHA20, 63,
		{0x54, 0xa5, 0xb7, 0x5e, 0x43, 0x8a, 0xe7, 0x2e, 0x3b, 0xcb, 0xa1, 0x5f, 0x54, 0x7f,
			0x59, 0xa9}},
	{CIPHER_CHACHA20, 64,
		{0x9b, 0xc7, 0x01, 0x4f, 0x83, 0xc7, 0x34, 0x16, 0xa2, 0x94, 0x91, 0xbb, 0x10, 0xe8,
			0xa8, 0x39}},
	{CIPHER_CHACHA20, 65,
		{0xc6, 0x39, 0x01, 0x1b, 0x93, 0x2c, 0x6b, 0xb5, 0xf0, 0x60, 0x79, 0x3d, 0xec, 0xaf,
			0x74, 0xab}},
	{CIPHER_CHACHA20, 257,
		{0xed, 0x6a, 0x86, 0xd0, 0x4d, 0xdc, 0x64, 0x85, 0x06, 0x7f, 0x34, 0x1d, 0x78, 0x2a,
			0x04, 0x0e}},
	{CIPHER_CHACHA20, 1440,
		{0x4a, 0x30, 0x3b, 0xe2, 0x35, 0x1e, 0x88, 0xcd, 0x65, 0x3f, 0x29, 0xdf, 0x2f, 0xd7,
			0x82, 0x88}},
	{CIPHER_CHACHA20, 4111,
		{0x72, 0x8d, 0x84, 0x6f, 0x79, 0x31, 0x4a, 0x62, 0xe4, 0x4d, 0xee, 0x49, 0xb6, 0x82,
			0x6d, 0x46}},
};

#define KNOWN_ANSWER_MAX 4111

static int known_answer(struct aead *a, struct aead_key *key, uint8_t *buf, unsigned row)
{
	uint8_t raw[AEAD_KEY_BYTES];
	uint8_t cipher = known_answers[row].cipher;
	uint32_t bytes = known_answers[row].bytes;
	uint8_t *data = buf + AEAD_AAD_BYTES;
	struct aead_op op = {.key = key, .data = data, .src = data, .bytes = bytes};

	for (unsigned i = 0; i < AEAD_KEY_BYTES; i++)
		raw[i] = 0x80 + i;
	for (unsigned i = 0; i < AEAD_NONCE_BYTES; i++)
		op.nonce[i] = 0x50 + i;
	for (unsigned i = 0; i < AEAD_AAD_BYTES; i++)
		buf[i] = 0xc0 + i;
	for (unsigned i = 0; i < bytes; i++)
		data[i] = 7 * i + 3;
	if (aead_key_install(a, cipher, raw, key) < 0)
		return -EBADMSG;

	if (!aead_seal(a, cipher, &op) ||
		memcmp(data + bytes, known_answers[row].tag, AEAD_TAG_BYTES) != 0)
		return -EBADMSG;
	if (!aead_open(a, cipher, &op))
		return -EBADMSG;
	for (unsigned i = 0; i < bytes; i++) {
		if (data[i] != (uint8_t)(7 * i + 3))
			return -EBADMSG;
	}
	// What is now plaintext with the right tag behind it is no ciphertext, and a false tag is
	// false.
	data[bytes + row % AEAD_TAG_BYTES] ^= 1 << row % 8;
	return aead_open(a, cipher, &op) ? -EBADMSG : 0;
}

static int run_known_answers(struct aead *a)
{
	struct aead_key *key = aligned_alloc(64, sizeof(*key));
	uint8_t *buf = malloc(AEAD_AAD_BYTES + KNOWN_ANSWER_MAX + AEAD_TAG_BYTES);
	int err = key == NULL || buf == NULL ? -ENOMEM : 0;

	for (unsigned i = 0; err == 0 && i < sizeof(known_answers) / sizeof(known_answers[0]); i++)
		err = known_answer(a, key, buf, i);
	aead_forget(a);
	free(buf);
	free(key);
	return err;
}

static int init_arch(IMB_MGR *mgr, enum aead_arch want, enum aead_arch *ret_arch)
{
	IMB_ARCH arch = IMB_ARCH_NONE;

	switch (want) {
	case AEAD_ARCH_AUTO:
		init_mb_mgr_auto(mgr, &arch);
		*ret_arch = arch == IMB_ARCH_AVX512 ? AEAD_ARCH_AVX512
			    : arch == IMB_ARCH_AVX2 ? AEAD_ARCH_AVX2
			    : arch == IMB_ARCH_AVX  ? AEAD_ARCH_AVX
						    : AEAD_ARCH_SSE;
		return imb_get_errno(mgr) == 0 && arch != IMB_ARCH_NONE ? 0 : -ENOTSUP;
	case AEAD_ARCH_SSE:
		init_mb_mgr_sse(mgr);
		break;
	case AEAD_ARCH_AVX:
		init_mb_mgr_avx(mgr);
		break;
	case AEAD_ARCH_AVX2:
		init_mb_mgr_avx2(mgr);
		break;
	case AEAD_ARCH_AVX512:
		init_mb_mgr_avx512(mgr);
		break;
	default:
		return -EINVAL;
	}
	*ret_arch = want;
	return imb_get_errno(mgr) == 0 ? 0 : -ENOTSUP;
}

static bool cpu_has(enum aead_arch arch)
{
	switch (arch) {
	case AEAD_ARCH_AVX512:
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
	case AEAD_ARCH_AVX2:
		return __builtin_cpu_supports("avx2");
	case AEAD_ARCH_AVX:
		return __builtin_cpu_supports("avx");
	default:
		return __builtin_cpu_supports("sse4.2");
	}
}

int aead_create(enum aead_arch arch, struct aead **ret_aead)
{
	struct aead *a;
	int err = -ENOTSUP;

	if (!cpu_has(arch))
		return err;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return -ENOMEM;
	a->mgr = alloc_mb_mgr(0);
	if (a->mgr == NULL) {
		err = -ENOMEM;
		goto free_aead;
	}
	err = init_arch(a->mgr, arch, &a->arch);
	if (err < 0)
		goto free_mgr;
	// Without these, key stream stays in registers and on the stack, and lengths go unchecked.
	if ((a->mgr->features & IMB_FEATURE_SAFE_DATA) == 0 ||
		(a->mgr->features & IMB_FEATURE_SAFE_PARAM) == 0) {
		err = -ENOTSUP;
		goto free_mgr;
	}
	err = run_known_answers(a);
	if (err < 0)
		goto free_mgr;
	*ret_aead = a;
	return 0;

free_mgr:
	free_mb_mgr(a->mgr);
free_aead:
	free(a);
	return err;
}

void aead_destroy(struct aead *a)
{
	if (a == NULL)
		return;
	free_mb_mgr(a->mgr);
	sodium_memzero(a, sizeof(*a));
	free(a);
}

enum aead_arch aead_arch(const struct aead *a)
{
	return a->arch;
}

const char *aead_arch_name(enum aead_arch arch)
{
	static const char *const names[] = {"auto", "sse", "avx", "avx2", "avx512"};

	return (unsigned)arch < sizeof(names) / sizeof(names[0]) ? names[arch] : "?";
}

bool aead_aes_in_hardware(void)
{
	return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
}
