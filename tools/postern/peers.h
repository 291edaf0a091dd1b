// SPDX-License-Identifier: BSD-3-Clause
//
// Following a connection while it comes up, for `peers --watch` and `intents add --wait`.
//
// One thread. Floor 5.
#pragma once

#include "tools/postern/cli.h"

// The row of `peer` in a reply of the method "peers", borrowed; NULL when it has none.
const json_t *peers_find(const json_t *rows, const char *peer);

// Print each step of `peer`'s way to "up" as it is reached, until it is up or `wait_s` is over.
// With --json prints the last row instead. The exit code says which: EXIT_OK or EXIT_FAILED.
int peers_follow(const struct options *o, const char *peer, double wait_s);
