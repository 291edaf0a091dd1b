// SPDX-License-Identifier: BSD-3-Clause
//
// Gateway, hub and network names: lower-case DNS names of at most 253 bytes.
//
// Any thread. Floor 0. PROTOCOL.md §14.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define NAME_MAX_LEN 253 // without a terminating zero

// True for labels of 1–63 of a–z, 0–9 and inner hyphens, joined by single dots, 1–253 bytes in all,
// the last label not all digits (it would read as an address).
bool name_valid(const char *name, size_t len);

// Order of two names, bytes first, then length, as memcmp(): < 0 when a is the smaller one. The
// smaller name of a pair is the client.
int name_compare(const char *a, size_t a_len, const char *b, size_t b_len);

// True when the view equals the C string.
bool name_equals(const char *a, size_t a_len, const char *b);
