// SPDX-License-Identifier: BSD-3-Clause
//
// What postern-hub may do once it is set up: its account, one capability, its files, these calls.
//
// Main thread; before any other. Floor 4.
#pragma once

#include "controlplane/hub/hub.h"
#include "sandbox/sandbox.h"

extern const struct sandbox_list policy_calls;

// Make run_dir, hand it and the state directory's files to the account, and become it.
int policy_become(const struct hub_config *cfg, struct hub_error *ret_error);

// Files and system calls, when all is set up. errors: -errno.
int policy_enter(const struct hub_config *cfg);
