// SPDX-License-Identifier: BSD-3-Clause
//
// A high dynamic range histogram: every power of two in 1024 steps, so that any percentile is
// within a thousandth of the truth. Debian 12 has no C library of it.
//
// Floor 2. Pure. One writer.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_STEP_BITS 10
#define HISTOGRAM_TOP_BITS  44 // larger values count as the largest
#define HISTOGRAM_CELLS     ((HISTOGRAM_TOP_BITS - HISTOGRAM_STEP_BITS + 1) << HISTOGRAM_STEP_BITS)

struct histogram {
	uint64_t n;
	uint64_t max; // exact
	uint64_t cells[HISTOGRAM_CELLS];
};

static inline unsigned histogram_cell(uint64_t value)
{
	unsigned shift;

	if (value < 1u << HISTOGRAM_STEP_BITS)
		return (unsigned)value;
	if (value >= 1ull << HISTOGRAM_TOP_BITS)
		return HISTOGRAM_CELLS - 1;
	shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
	return (shift << HISTOGRAM_STEP_BITS) + (unsigned)(value >> shift);
}

static inline void histogram_put(struct histogram *h, uint64_t value)
{
	h->cells[histogram_cell(value)]++;
	h->n++;
	if (value > h->max)
		h->max = value;
}

// The value that a share (0 to 1) of all does not exceed, as the highest one of its cell; 0 where
// nothing was counted.
uint64_t histogram_at(const struct histogram *h, double share);
void histogram_add(struct histogram *h, const struct histogram *other);
