// SPDX-License-Identifier: BSD-3-Clause
//
// Rows of reliability that are proved in the simulator, and what runs a life in a process of its
// own. rows*.c and main.c only.
#pragma once

#include "tests/sim/sim.h"

#define ROW_FIGURES 8

struct row_result {
	bool ok;
	char failure[SIM_TEXT];
	uint64_t now_us, n_packets;
	struct watch_totals totals;
	double figure[ROW_FIGURES]; // what the life wants to tell
};

// A life in a child. False when it broke a rule or crashed; what it was is in ret.
bool row_run_apart(
	void (*life)(void *arg, struct row_result *r), void *arg, struct row_result *ret);
double row_seconds(void); // real time

struct row {
	const char *name;
	int number; // of security.md
	const char *goal;
	bool (*run)(bool full, char *figure, size_t size);
};
extern const struct row row_paths[], row_deaths[]; // ended by a NULL name
int row_main(const char *name, const char *scale, const char *json_file);
