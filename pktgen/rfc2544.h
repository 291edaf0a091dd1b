// SPDX-License-Identifier: BSD-3-Clause
//
// The procedures of RFC 2544 section 26, one row for each frame size. Floor 5.
#pragma once

#include <jansson.h>

struct options;
struct rig;

// Prints a table; ret_result is {procedure, rows, trials, …}, for the caller to free.
// errors: EXIT_*, after a sentence on stderr; 0 done.
int rfc2544_run(const struct options *o, struct rig *rig, json_t **ret_result);
