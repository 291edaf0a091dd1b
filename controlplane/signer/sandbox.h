// SPDX-License-Identifier: BSD-3-Clause
// Shut the process in: one socket, one clock, an exit, and nothing else.
//
// Before: core dumps and ptrace off, at the very start. After the key is read: user and
// capabilities dropped, memory locked, every descriptor but one closed, limits at zero, seccomp
// allow-list whose answer to anything else is death. None of it can be undone. Single thread.
// Floor 4.
#pragma once

#include <sys/types.h>

// Call first of all. Errors: -errno.
int sandbox_begin(void);

// Call once the key is in memory; fd stays open. uid, gid: become these where they are not 0 and
// the process is root. Errors: -errno, and the process must end then.
int sandbox_close(int fd, uid_t uid, gid_t gid);
