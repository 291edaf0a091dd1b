// SPDX-License-Identifier: BSD-3-Clause
//
// Only in the test build of control, never installed: the linker puts these in front of the key
// schedule's functions, and they write each secret of a peer to descriptor 9, where the test that
// starts it has put a file, so that it can look for them in all memory.
//
// What begins with a pair key, or derives from something told, is told; keys of the hub link are
// not. Ephemeral keys are all told: none outlives its handshake. Only hashes of what was told are
// kept here, or the search would find our own list.
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "controlplane/common/keysched.h"

#define TELL_FD   9
#define KNOWN_MAX 65536
#define KEY_BYTES 32

void __real_keysched_hash(void *out, size_t out_len, const void *key, size_t key_len,
	const char *label, const struct keysched_part *parts, size_t n_parts);
void __real_keysched_kdf(const uint8_t key[32], uint64_t id, const char *ctx, void *out, size_t n);
void __real_keysched_from_ms(const uint8_t ms[32], struct keysched_traffic *ret);
void __real_keysched_traffic_lane(
	const struct keysched_traffic *t, int dir, uint8_t lane, struct keysched_lane *ret);

void __wrap_keysched_hash(void *out, size_t out_len, const void *key, size_t key_len,
	const char *label, const struct keysched_part *parts, size_t n_parts);
void __wrap_keysched_kdf(const uint8_t key[32], uint64_t id, const char *ctx, void *out, size_t n);
void __wrap_keysched_from_ms(const uint8_t ms[32], struct keysched_traffic *ret);
void __wrap_keysched_traffic_lane(
	const struct keysched_traffic *t, int dir, uint8_t lane, struct keysched_lane *ret);

static uint64_t known[KNOWN_MAX];
static unsigned n_known;

static uint64_t name_of(const void *key)
{
	uint8_t hash[16];
	uint64_t name;

	crypto_generichash(hash, sizeof(hash), key, KEY_BYTES, NULL, 0);
	memcpy(&name, hash, sizeof(name));
	return name;
}

static bool is_known(const void *key)
{
	uint64_t name = name_of(key);

	for (unsigned i = 0; i < n_known; i++) {
		if (known[i] == name)
			return true;
	}
	return false;
}

static void tell(const char *kind, const void *key)
{
	char hex[2 * KEY_BYTES + 1], line[128];
	ssize_t ignored;
	int n;

	if (n_known < KNOWN_MAX)
		known[n_known++] = name_of(key);
	sodium_bin2hex(hex, sizeof(hex), key, KEY_BYTES);
	n = snprintf(line, sizeof(line), "%s %s\n", kind, hex);
	ignored = write(TELL_FD, line, (size_t)n);
	(void)ignored;
	sodium_memzero(hex, sizeof(hex));
	sodium_memzero(line, sizeof(line));
}

void __wrap_keysched_hash(void *out, size_t out_len, const void *key, size_t key_len,
	const char *label, const struct keysched_part *parts, size_t n_parts)
{
	bool derived = key != NULL && key_len == KEY_BYTES && is_known(key);

	__real_keysched_hash(out, out_len, key, key_len, label, parts, n_parts);
	if (label == NULL)
		return;
	if (strcmp(label, "pair") == 0)
		tell("pair", out);
	else if (strcmp(label, "eph-x") == 0)
		tell("ephemeral", out);
	else if (derived && (strcmp(label, "hs") == 0 || strcmp(label, "ms") == 0))
		for (size_t at = 0; at + KEY_BYTES <= out_len; at += KEY_BYTES)
			tell(label, (const uint8_t *)out + at);
}

void __wrap_keysched_kdf(const uint8_t key[32], uint64_t id, const char *ctx, void *out, size_t n)
{
	bool derived = is_known(key);

	__real_keysched_kdf(key, id, ctx, out, n);
	if (derived && n == KEY_BYTES)
		tell(strcmp(ctx, "PSTNpair") == 0 ? "pair" : "hs", out);
}

void __wrap_keysched_from_ms(const uint8_t ms[32], struct keysched_traffic *ret)
{
	bool derived = is_known(ms);

	__real_keysched_from_ms(ms, ret);
	for (unsigned i = 0; derived && i < 4; i++)
		tell("traffic", ret->ts[i / 2][i % 2]);
}

void __wrap_keysched_traffic_lane(
	const struct keysched_traffic *t, int dir, uint8_t lane, struct keysched_lane *ret)
{
	bool derived = is_known(t->ts[dir][lane == 0 ? KEYSCHED_CONTROL : KEYSCHED_DATA]);

	__real_keysched_traffic_lane(t, dir, lane, ret);
	if (derived)
		tell("lane", ret->key);
}
