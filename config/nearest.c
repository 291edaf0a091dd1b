// SPDX-License-Identifier: BSD-3-Clause
#include "config/nearest.h"

#include <string.h>

static unsigned char fold(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (unsigned char)(c - 'A' + 'a');
	return c == '-' || c == ' ' ? '_' : (unsigned char)c;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

unsigned config_nearest_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	// Three rows of the optimal-string-alignment table.
	unsigned rows[3][CONFIG_NEAREST_MAX + 1];
	unsigned *before = rows[0], *above = rows[1], *row = rows[2];

	if (a_len > CONFIG_NEAREST_MAX || b_len > CONFIG_NEAREST_MAX)
		return CONFIG_NEAREST_MAX + 1;
	for (unsigned j = 0; j <= b_len; j++)
		above[j] = j;
	for (unsigned i = 1; i <= a_len; i++) {
		unsigned *spare = before;

		row[0] = i;
		for (unsigned j = 1; j <= b_len; j++) {
			unsigned char ca = fold(a[i - 1]), cb = fold(b[j - 1]);

			row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (ca != cb));
			if (i > 1 && j > 1 && ca == fold(b[j - 2]) && fold(a[i - 2]) == cb &&
				before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		before = above;
		above = row;
		row = spare;
	}
	return above[b_len];
}

void config_nearest_offer(struct config_nearest *n, const char *candidate)
{
	size_t len = strlen(candidate);
	unsigned limit = n->len < 3 ? 1 : n->len < 8 ? 2 : 3;
	unsigned d = config_nearest_distance(n->word, n->len, candidate, len);

	// Half of a short word changed is another word.
	if (d > limit || d * 2 > len || (n->best != NULL && d >= n->distance))
		return;
	n->best = candidate;
	n->distance = d;
}
