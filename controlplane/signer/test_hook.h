// SPDX-License-Identifier: BSD-3-Clause
// Only in the test build of the signer: try a forbidden system call from inside the sandbox.
//
// SIGNER_OP_TEST with the attempt's number in the first byte of the body. Whatever is still running
// afterwards ends with status 42, which the test takes for a hole. Floor 5.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "controlplane/common/signer_msg.h"

enum test_attempt {
	TEST_OPEN,
	TEST_SOCKET,
	TEST_EXECVE,
	TEST_PTRACE,
	TEST_FORK,
	TEST_MMAP,
	TEST_READ_OTHER_FD,
	TEST_WRITE_OTHER_FD,
	TEST_KILL,
	TEST_PRCTL,
	TEST_N_ATTEMPTS,
	TEST_NOTHING = 255, // the control: ends with 42
};

static inline void test_hook(const uint8_t *bytes, size_t len)
{
	struct signer_request q;
	char *none[] = {NULL};

	if (len != sizeof(q))
		return;
	memcpy(&q, bytes, sizeof(q));
	if (q.op != SIGNER_OP_TEST)
		return;
	switch (q.body[0]) {
	case TEST_OPEN:
		syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
		break;
	case TEST_SOCKET:
		syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
		break;
	case TEST_EXECVE:
		syscall(SYS_execve, "/bin/true", none, none);
		break;
	case TEST_PTRACE:
		syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0);
		break;
	case TEST_FORK:
		syscall(SYS_clone, 0, 0, 0, 0, 0);
		break;
	case TEST_MMAP:
		syscall(SYS_mmap, NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		break;
	case TEST_READ_OTHER_FD:
		syscall(SYS_read, 0, &q, 1);
		break;
	case TEST_WRITE_OTHER_FD:
		syscall(SYS_write, 1, "x", 1);
		break;
	case TEST_KILL:
		syscall(SYS_kill, syscall(SYS_getppid), 0);
		break;
	case TEST_PRCTL:
		syscall(SYS_prctl, 0, 0, 0, 0, 0);
		break;
	}
	syscall(SYS_exit_group, 42);
}
