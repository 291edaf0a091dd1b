// SPDX-License-Identifier: BSD-3-Clause
//
// Rows of reliability that are proved in the simulator, and what runs a life in a process of its
// own. rows*.c and main.c only.
#pragma once

#include "tests/sim/sim.h"

#define ROW_FIGURES 1024

struct row_result {
	bool ok;
	char failure[SIM_TEXT];
	uint64_t now_us, n_packets;
	struct watch_totals totals;
	unsigned n_figures;
	double figure[ROW_FIGURES]; // what the life wants to tell
};

// A life in a child of its own: begin it, and wait for its end. False when it broke a rule or
// crashed; what it was is in ret.
struct row_job {
	pid_t pid; // -1: it could not begin
	int fd;
};
void row_begin(struct row_job *job, void (*life)(void *arg, struct row_result *r), void *arg);
bool row_finish(struct row_job *job, struct row_result *ret);
// Both, one after the other.
bool row_run_apart(
	void (*life)(void *arg, struct row_result *r), void *arg, struct row_result *ret);
double row_seconds(void); // real time
void row_tell(struct row_result *r, double figure);

// Say what was reached in one line, the last; whether that is the goal. tests/reliability has the
// goals' words.
bool row_handshake(bool full, char *figure, size_t size);
bool row_hostile_path(bool full, char *figure, size_t size);
bool row_roaming(bool full, char *figure, size_t size);
bool row_hub_down(bool full, char *figure, size_t size);
bool row_clocks(bool full, char *figure, size_t size);
bool row_endings(bool full, char *figure, size_t size);
bool row_evil_hub(bool full, char *figure, size_t size);
bool row_rekeys(bool full, char *figure, size_t size);
bool row_kills(bool full, char *figure, size_t size);

int row_main(const char *name, bool full);
