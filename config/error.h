// SPDX-License-Identifier: BSD-3-Clause
//
// What is wrong with a configuration file, where, and the way out.
//
// Floor 1. Plain data, any thread.
#pragma once

#include <stdio.h>

enum {
	CONFIG_ERROR_FILE = 256,
	CONFIG_ERROR_KEY = 160,
	CONFIG_ERROR_TEXT = 256,
	CONFIG_ERROR_SOURCE = 161,
};

// The first mistake found. All strings are NUL-terminated, printable ASCII or UTF-8, cut to fit;
// none ever holds the contents of a secret file.
struct config_error {
	char file[CONFIG_ERROR_FILE];
	unsigned line;   // from 1; 0 when the file itself is the trouble (absent, unreadable, too
			 // large)
	unsigned column; // from 1, in characters
	char key[CONFIG_ERROR_KEY];       // "ports[1].mtu", or "" when no key is concerned
	char message[CONFIG_ERROR_TEXT];  // what is wrong: one sentence without a full stop
	char hint[CONFIG_ERROR_TEXT];     // the nearest valid key, or what to do; may be ""
	char source[CONFIG_ERROR_SOURCE]; // the offending line, or the part of it round the column
	unsigned caret;                   // where in source the caret goes, from 0, in characters
};

// Print for people, e.g.
//
//   /etc/postern/gateway.yaml:7:5: error: unknown key 'worker' in dataplane
//        7 |     worker: [1]
//          |     ^
//     hint: did you mean 'workers'?
void config_error_print(FILE *out, const struct config_error *err);
