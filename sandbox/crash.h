// SPDX-License-Identifier: BSD-3-Clause
//
// Last words: what a dying process says about where and of what, without a byte of its data.
//
// A report has the signal, for a forbidden system call its name, for each return address on the
// stack its module and offset, the build id of the program and the last line of the log. It goes to
// standard error and to the end of a file, and the process dies of the same signal. No registers,
// no memory, no arguments: nothing that could be a secret. Floor 1.
#pragma once

#define CRASH_FILE_SUFFIX ".crash"

// Handle fatal signals from now on. Reports also go to `dir`/`process`.crash, which is opened now,
// because later nothing can be; dir NULL: standard error alone. process: a literal. Main thread.
void crash_init(const char *process, const char *dir);

// The same for a process that is handed the open file, or -1.
void crash_init_fd(const char *process, int fd);

// The open file, for a child that reports to the same, or -1.
int crash_fd(void);

// Give the calling thread a stack of its own for the handler, so that a full stack can be told.
void crash_thread(void);

// Look the names of all modules and system calls up: the handler cannot.
void crash_learn(void);
