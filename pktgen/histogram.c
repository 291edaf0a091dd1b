// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/histogram.h"

#include <math.h>

static uint64_t highest_of(unsigned cell)
{
	unsigned shift;

	if (cell < 2u << HISTOGRAM_STEP_BITS)
		return cell;
	shift = (cell >> HISTOGRAM_STEP_BITS) - 1;
	return (((uint64_t)(cell - (shift << HISTOGRAM_STEP_BITS)) + 1) << shift) - 1;
}

uint64_t histogram_at(const struct histogram *h, double share)
{
	uint64_t wanted = (uint64_t)ceil(share * (double)h->n), sum = 0;

	if (h->n == 0)
		return 0;
	if (wanted == 0)
		wanted = 1;
	for (unsigned cell = 0; cell < HISTOGRAM_CELLS; cell++) {
		sum += h->cells[cell];
		if (sum >= wanted) {
			uint64_t value = highest_of(cell);

			return value < h->max ? value : h->max;
		}
	}
	return h->max;
}

void histogram_add(struct histogram *h, const struct histogram *other)
{
	for (unsigned cell = 0; cell < HISTOGRAM_CELLS; cell++)
		h->cells[cell] += other->cells[cell];
	h->n += other->n;
	if (other->max > h->max)
		h->max = other->max;
}
