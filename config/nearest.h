// SPDX-License-Identifier: BSD-3-Clause
//
// "Did you mean": the word of a list closest to one that was mistyped.
//
// Floor 1. Pure.
#pragma once

#include <stddef.h>

enum { CONFIG_NEAREST_MAX = 64 }; // longer words have no near ones

// Edits between two words: insertions, deletions, substitutions, swaps of neighbours; letter case
// and
// '-' against '_' cost nothing. More than CONFIG_NEAREST_MAX when a word is too long.
unsigned config_nearest_distance(const char *a, size_t a_len, const char *b, size_t b_len);

// A search: start with a zeroed struct, offer every candidate, then read best (NULL: none is near).
struct config_nearest {
	const char *word;
	size_t len;
	const char *best;
	unsigned distance;
};

void config_nearest_offer(struct config_nearest *n, const char *candidate);
