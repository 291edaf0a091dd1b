// SPDX-License-Identifier: BSD-3-Clause
//
// From the command line to ports that are open, frames that are ready and switches that have
// learned. Main thread, once. Floor 5.
#pragma once

#include <signal.h>

#include "pktgen/capture.h"
#include "pktgen/options.h"
#include "pktgen/trial.h"

#define RIG_WHY_BYTES 512

// errors: what to exit with (EXIT_*), with a sentence in why; 0 done. What the user should know
// besides goes to stderr.
int rig_open(const struct options *o, const volatile sig_atomic_t *stop, struct rig *rig,
	char why[RIG_WHY_BYTES]);
void rig_close(struct rig *rig);
