// SPDX-License-Identifier: BSD-3-Clause
//
// What postern-control may do once it is set up: its account, one capability, its files, these
// calls. Main thread; before any other. Floor 4.
#pragma once

#include "sandbox/sandbox.h"

struct control;

extern const struct sandbox_list policy_calls;

// Become the account, which gets run_dir and state_dir. errors: -errno.
int policy_become(const struct control *c);

// Files and system calls, when all is set up. errors: -errno.
int policy_enter(const struct control *c);
