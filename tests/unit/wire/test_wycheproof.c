// SPDX-License-Identifier: BSD-3-Clause
//
// Project Wycheproof's vectors through the libsodium calls that the handshake makes: keysched_kx's
// scalar multiplication, keysched_verify's detached verification, the AEAD of handshake and lane 0.
#include <jansson.h>

#include "tests/unit/wire/support.h"

static uint8_t *hex(json_t *test, const char *key, size_t *len)
{
	const char *s = json_string_value(json_object_get(test, key));
	size_t n;
	uint8_t *out;

	assert_non_null(s);
	n = strlen(s);
	out = malloc(n / 2 + 1);
	assert_int_equal(sodium_hex2bin(out, n / 2 + 1, s, n, NULL, len, NULL), 0);
	return out;
}

static json_t *load(const char *file)
{
	char path[512];
	json_error_t err;
	json_t *root;

	snprintf(path, sizeof(path), "%s/tests/vectors/wycheproof/%s", TEST_ROOT, file);
	root = json_load_file(path, 0, &err);
	if (root == NULL)
		fail_msg("%s: %s", path, err.text);
	return root;
}

// Call `check` for every test of every group that `wanted` accepts.
static void each(const char *file, bool (*wanted)(json_t *group),
	bool (*check)(json_t *group, json_t *test, bool valid), unsigned at_least)
{
	json_t *root = load(file);
	json_t *group;
	json_t *test;
	size_t g;
	size_t i;
	unsigned run = 0;

	json_array_foreach (json_object_get(root, "testGroups"), g, group) {
		if (wanted != NULL && !wanted(group))
			continue;
		json_array_foreach (json_object_get(group, "tests"), i, test) {
			const char *result = json_string_value(json_object_get(test, "result"));
			bool valid = strcmp(result, "invalid") != 0;

			if (strcmp(result, "acceptable") == 0)
				valid = false; // for X25519: the cases that this protocol refuses
					       // or not, below
			if (!check(group, test, valid))
				fail_msg("%s: test %lld", file,
					(long long)json_integer_value(
						json_object_get(test, "tcId")));
			run++;
		}
	}
	json_decref(root);
	print_message("%s: %u vectors\n", file, run);
	assert_true(run >= at_least);
}

static bool check_ed25519(json_t *group, json_t *test, bool valid)
{
	size_t pk_len;
	size_t msg_len;
	size_t sig_len;
	uint8_t *pk = hex(json_object_get(group, "publicKey"), "pk", &pk_len);
	uint8_t *msg = hex(test, "msg", &msg_len);
	uint8_t *sig = hex(test, "sig", &sig_len);
	bool ok = sig_len == 64 && pk_len == 32 &&
		  crypto_sign_verify_detached(sig, msg, msg_len, pk) == 0;

	free(pk);
	free(msg);
	free(sig);
	return ok == valid;
}

static void ed25519_verification(void **)
{
	each("wycheproof_ed25519.json", NULL, check_ed25519, 100);
}

static bool has_flag(json_t *test, const char *flag)
{
	json_t *f;
	size_t i;

	json_array_foreach (json_object_get(test, "flags"), i, f) {
		if (strcmp(json_string_value(f), flag) == 0)
			return true;
	}
	return false;
}

// A zero shared secret must be refused; every other result must be the vector's, twists and
// non-canonical encodings included (RFC 7748 takes them).
static bool check_x25519(json_t *, json_t *test, bool)
{
	size_t n;
	uint8_t *pk = hex(test, "public", &n);
	uint8_t *sk = hex(test, "private", &n);
	uint8_t *want = hex(test, "shared", &n);
	bool zero = sodium_is_zero(want, 32);
	uint8_t q[32];
	uint8_t my_pk[32];
	uint8_t s2c[32];
	uint8_t c2s[32];
	bool ok;

	assert_int_equal(zero, has_flag(test, "ZeroSharedSecret"));
	ok = crypto_scalarmult(q, sk, pk) == (zero ? -1 : 0) && (zero || memcmp(q, want, 32) == 0);
	// The same through the call that the handshake makes, with the hash around it done by hand.
	crypto_scalarmult_base(my_pk, sk);
	ok &= (keysched_kx(true, sk, my_pk, pk, s2c, c2s) == 0) == !zero;
	if (!zero) {
		const struct keysched_part parts[] = {{want, 32}, {my_pk, 32}, {pk, 32}};
		uint8_t both[64];

		keysched_hash(both, 64, NULL, 0, NULL, parts, 3);
		ok &= memcmp(s2c, both, 32) == 0 && memcmp(c2s, both + 32, 32) == 0;
	} else {
		ok &= sodium_is_zero(s2c, 32) && sodium_is_zero(c2s, 32);
	}
	free(pk);
	free(sk);
	free(want);
	return ok;
}

static void x25519_and_kx(void **)
{
	each("wycheproof_x25519.json", NULL, check_x25519, 400);
}

static bool ietf_sizes(json_t *group)
{
	return json_integer_value(json_object_get(group, "ivSize")) == 96 &&
	       json_integer_value(json_object_get(group, "keySize")) == 256 &&
	       json_integer_value(json_object_get(group, "tagSize")) == 128;
}

static bool check_chacha(json_t *, json_t *test, bool valid)
{
	size_t n;
	size_t aad_len;
	size_t msg_len;
	size_t ct_len;
	uint8_t *key = hex(test, "key", &n);
	uint8_t *iv = hex(test, "iv", &n);
	uint8_t *aad = hex(test, "aad", &aad_len);
	uint8_t *msg = hex(test, "msg", &msg_len);
	uint8_t *ct = hex(test, "ct", &ct_len);
	uint8_t *tag = hex(test, "tag", &n);
	uint8_t *sealed = malloc(ct_len + 16);
	uint8_t *plain = malloc(ct_len + 16);
	unsigned long long len;
	bool ok;

	memcpy(sealed, ct, ct_len);
	memcpy(sealed + ct_len, tag, 16);
	ok = crypto_aead_chacha20poly1305_ietf_decrypt(
		     plain, &len, NULL, sealed, ct_len + 16, aad, aad_len, iv, key) == 0;
	if (ok != valid)
		goto out;
	ok = true;
	if (valid) {
		ok = len == msg_len && memcmp(plain, msg, msg_len) == 0;
		// In place, as the handshake and lane 0 seal.
		memcpy(plain, msg, msg_len);
		crypto_aead_chacha20poly1305_ietf_encrypt(
			plain, &len, plain, msg_len, aad, aad_len, NULL, iv, key);
		ok &= len == ct_len + 16 && memcmp(plain, sealed, len) == 0;
	}
out:
	free(key);
	free(iv);
	free(aad);
	free(msg);
	free(ct);
	free(tag);
	free(sealed);
	free(plain);
	return ok;
}

static void chacha20_poly1305(void **)
{
	each("wycheproof_chacha20_poly1305.json", ietf_sizes, check_chacha, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ed25519_verification),
		cmocka_unit_test(x25519_and_kx),
		cmocka_unit_test(chacha20_poly1305),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
