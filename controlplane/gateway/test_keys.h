// SPDX-License-Identifier: BSD-3-Clause
//
// Only in the test build of control: write each traffic key to descriptor 9, where the test that
// starts it has put a file, so that it can look for them in all memory. Never installed. Floor 5.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sodium.h>
#include <unistd.h>

#define TEST_KEYS_FD 9

static inline void test_keys_tell(const char *kind, const uint8_t *key, size_t len)
{
	char hex[2 * 32 + 1], line[128];
	ssize_t ignored;
	int n;

	sodium_bin2hex(hex, sizeof(hex), key, len);
	n = snprintf(line, sizeof(line), "%s %s\n", kind, hex);
	ignored = write(TEST_KEYS_FD, line, (size_t)n);
	(void)ignored;
	sodium_memzero(hex, sizeof(hex));
	sodium_memzero(line, sizeof(line));
}
