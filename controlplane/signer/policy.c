// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/signer/policy.h"

#include <errno.h>
#include <linux/close_range.h>
#include <sys/resource.h>
#include <unistd.h>

#include "config/log.h"
#include "sandbox/account.h"
#include "sandbox/sandbox.h"

static int close_others(int fd, int crash_fd)
{
	int highest = crash_fd > fd ? crash_fd : fd;

	for (int i = 0; i <= highest; i++) {
		if (i != fd && i != crash_fd && i != STDERR_FILENO)
			close(i);
	}
	return close_range((unsigned)highest + 1, ~0U, 0) < 0 ? -errno : 0;
}

static int no_more(int resource)
{
	static const struct rlimit zero = {0, 0};

	return setrlimit((__rlimit_resource_t)resource, &zero) < 0 ? -errno : 0;
}

// clock_gettime is normally no system call (vDSO), but is one where the clock source does not allow
// that. Without tgkill on the list a crash ends with exit status 128 + signal.
static int filter(int fd, int crash_fd)
{
	const struct sandbox_call calls[] = {
		SANDBOX_CALL_IF(read, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)fd)),
		SANDBOX_CALL_IF(write, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)fd)),
		SANDBOX_CALL_IF(write, SCMP_A0(SCMP_CMP_EQ, STDERR_FILENO)),
		SANDBOX_CALL(clock_gettime),
		SANDBOX_CALL(exit_group),
		SANDBOX_CALL_IF(write, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)crash_fd)),
	};
	const unsigned n = sizeof(calls) / sizeof(calls[0]);
	const struct sandbox_list list = {calls, crash_fd < 0 ? n - 1 : n};

	return sandbox_calls(&list, 1);
}

int policy_enter(int fd, int crash_fd, uid_t uid, gid_t gid)
{
	const struct account to = {.change = geteuid() == 0 && uid != 0, .uid = uid, .gid = gid};
	int err;

	sandbox_lock_memory(); // root may lock more than RLIMIT_MEMLOCK
	err = account_become(&to, NULL, 0);
	if (err < 0) {
		log_error("cannot give up privileges (error %d)", -err);
		return err;
	}
	err = sandbox_files(NULL, 0);
	if (err == 0)
		err = close_others(fd, crash_fd);
	if (err == 0)
		err = no_more(RLIMIT_NOFILE);
	if (err == 0)
		err = no_more(RLIMIT_NPROC);
	return err < 0 ? err : filter(fd, crash_fd);
}
