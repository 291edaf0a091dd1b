// SPDX-License-Identifier: BSD-3-Clause
//
// From root to an account of one's own, with the named capabilities and no others.
//
// Single thread, or capabilities of none: the kernel keeps capabilities by thread. Floor 1.
#pragma once

#include <stdbool.h>
#include <sys/capability.h>
#include <sys/types.h>

struct account {
	const char *name; // as asked for, or that which took its place
	bool change;      // false: nothing to change to, or not root
	uid_t uid;
	gid_t gid;
};

// Look `name` up. NULL (the default account is missing): `instead`, or no change where that is NULL
// or missing, too. "root", or not being root: no change.
struct account account_find(const char *name, const char *instead);

// Give a directory and its plain files to the account; links are not followed. errors: -errno.
int account_hand_over(const char *dir, const struct account *to);

// Change to the account and keep n capabilities of those held, in this thread; no others can come
// back (bounding set, ambient set, no_new_privs). errors: -errno, and the process must end then.
int account_become(const struct account *to, const cap_value_t *keep, int n);
