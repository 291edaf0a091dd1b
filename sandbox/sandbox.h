// SPDX-License-Identifier: BSD-3-Clause
//
// Shut the process in: no core, no swap, these files, these system calls. None of it can be undone.
//
// Each process has one file policy.c with its tables, and calls, in this order: sandbox_begin()
// first of all; sandbox_lock_memory() and account_become() when everything privileged is done;
// sandbox_files(), sandbox_calls() before the first byte from outside. A call that is not on the
// list is not made: the process reports it (crash.h) and dies.
//
// Main thread. Floor 1.
#pragma once

#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>

// A sanitizer makes system calls of its own, at the latest when the process ends.
#ifdef __SANITIZE_ADDRESS__
#define SANDBOX_SANITIZED true
#else
#define SANDBOX_SANITIZED false
#endif

// One system call that stays allowed; with conditions, only if they all hold.
struct sandbox_call {
	int nr;          // SCMP_SYS(name)
	uint16_t refuse; // not allowed after all, but an errno instead of death
	unsigned n_args;
	struct scmp_arg_cmp arg[2];
};

// Conditions that several processes need.
#define SANDBOX_CALL(name)           \
	{                            \
		.nr = SCMP_SYS(name) \
	}
#define SANDBOX_CALL_IF(name, c)                                \
	{                                                       \
		.nr = SCMP_SYS(name), .n_args = 1, .arg = { c } \
	}
#define SANDBOX_NO_EXEC SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0) // of mmap, mprotect

struct sandbox_list {
	const struct sandbox_call *call;
	unsigned n;
};

struct sandbox_path {
	const char *path; // NULL or missing: skipped
	bool write;
};

// No core dumps, no ptrace by equals. errors: -errno.
int sandbox_begin(void);

// Keep what we have and will have out of swap. Needs RLIMIT_MEMLOCK to be infinite, or the right to
// make it so: one line in the log where it cannot be.
void sandbox_lock_memory(void);

// Of the file system only these, with what lies below, for this thread and those it starts. Where
// the kernel cannot do that: one line in the log. errors: -errno.
int sandbox_files(const struct sandbox_path *paths, unsigned n);

// System calls of these lists alone, for all threads. errors: -errno.
int sandbox_calls(const struct sandbox_list *lists, unsigned n);

// What abort() does after it was decided to die; in addition to a process's own list.
extern const struct sandbox_list sandbox_dying;
