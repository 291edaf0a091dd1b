// SPDX-License-Identifier: BSD-3-Clause
// What postern-signer may do once it has the key: one socket, one clock, an exit, and last words.
// Single thread. Floor 4.
#pragma once

#include <sys/types.h>

// Call once the key is in memory; fd stays open, standard error and crash_fd (or -1) for writing.
// uid, gid: become these where they are not 0 and the process is root. errors: -errno, and the
// process must end then.
int policy_enter(int fd, int crash_fd, uid_t uid, gid_t gid);
