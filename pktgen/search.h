// SPDX-License-Identifier: BSD-3-Clause
//
// The highest value that passes, by halving. Floor 2. Pure.
#pragma once

#include <stdbool.h>

struct search {
	double passed; // the highest that did; 0: none yet
	double failed; // the lowest that did not; above top: none yet
	double top, resolution;
};

// top is tried first; then halves, down to steps of the resolution.
void search_start(struct search *s, double top, double resolution);
// What to try next; false when it is found: s->passed.
bool search_next(const struct search *s, double *ret_value);
void search_tell(struct search *s, double value, bool passed);
