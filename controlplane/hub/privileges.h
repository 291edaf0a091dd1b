// SPDX-License-Identifier: BSD-3-Clause
//
// From root to the account of hub.user, keeping only what the filter needs.
//
// Before any thread is started. Floor 4.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "controlplane/hub/hub.h"

struct privileges_user {
	bool found;
	uid_t uid;
	gid_t gid;
};

// name NULL, no such account, or not running as root: not found.
struct privileges_user privileges_lookup(const char *name);

// Make run_dir, hand it and the state directory's files to the account, and become it. Where there
// is nothing to change to, only run_dir is made and core dumps are switched off.
int privileges_drop(const struct hub_config *cfg, struct hub_error *ret_error);
