// SPDX-License-Identifier: BSD-3-Clause
//
// The reference's super-frames and their segments, out of tests/vectors/segments.txt.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "wire/bytes.h"

#ifndef TEST_ROOT
#define TEST_ROOT "."
#endif

static const char *const vector_cases[] = {"tcp4", "tcp4_exact", "tcp4_options", "tcp6",
	"tcp6_tagged", "tcp6_extension", "tcp6_route", "tcp6_arrived", "udp4", "udp6",
	"udp6_route"};
#define VECTOR_CASES (sizeof(vector_cases) / sizeof(vector_cases[0]))

// Returns the length; 0 when there is none of this name.
static inline unsigned vector(const char *name, uint8_t *out, unsigned room)
{
	static char line[16384];
	FILE *f = fopen(TEST_ROOT "/tests/vectors/segments.txt", "r");
	size_t len = 0, n = strlen(name);

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		const char *hex = strchr(line, ')') + 2;

		if (strncmp(line, name, n) != 0 || line[n] != ' ')
			continue;
		assert_int_equal(sodium_hex2bin(out, room, hex, strlen(hex), "\n", &len, NULL), 0);
		break;
	}
	fclose(f);
	return (unsigned)len;
}

static inline uint32_t vector_super(
	const char *name, uint8_t *frame, unsigned room, uint16_t *ret_size)
{
	uint8_t size[2];
	char full[64];

	snprintf(full, sizeof(full), "%s.size", name);
	assert_int_equal(vector(full, size, sizeof(size)), 2);
	*ret_size = get_le16(size);
	snprintf(full, sizeof(full), "%s.super", name);
	return vector(full, frame, room);
}

static inline uint32_t vector_segment(const char *name, unsigned i, uint8_t *frame, unsigned room)
{
	char full[64];

	snprintf(full, sizeof(full), "%s.%u", name, i);
	return vector(full, frame, room);
}
