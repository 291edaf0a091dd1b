// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/signer/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/close_range.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/log.h"

static int limit(int resource)
{
	static const struct rlimit zero = {0, 0};

	return setrlimit((__rlimit_resource_t)resource, &zero) < 0 ? -errno : 0;
}

int sandbox_begin(void)
{
	umask(077);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return limit(RLIMIT_CORE);
}

static int drop_user(uid_t uid, gid_t gid)
{
	if (geteuid() != 0 || uid == 0)
		return 0;
	if (gid == 0)
		return -EINVAL; // root's group would stay
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	return 0;
}

static int drop_capabilities(void)
{
	cap_t none = cap_init();
	int err = 0;

	if (none == NULL)
		return -ENOMEM;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (cap_set_proc(none) < 0)
		err = -errno;
	cap_free(none);
	return err;
}

// What is left to do is: read a request, know the time, write a reply, end. clock_gettime is
// normally no system call (vDSO), but is one where the clock source does not allow that.
static int load_filter(int fd)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err;

	if (ctx == NULL)
		return -ENOMEM;
	err = seccomp_rule_add(
		ctx, SCMP_ACT_ALLOW, SCMP_SYS(read), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)fd));
	if (err == 0)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)fd));
	if (err == 0)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clock_gettime), 0);
	if (err == 0)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(exit_group), 0);
	if (err == 0)
		err = seccomp_load(ctx);
	// Freeing may need system calls that are forbidden from here on, so on success the few
	// hundred bytes stay.
	if (err < 0)
		seccomp_release(ctx);
	return err;
}

int sandbox_close(int fd, uid_t uid, gid_t gid)
{
	int err;

#ifndef __SANITIZE_ADDRESS__
	// libsodium locks the key's own page in any case; this is for stack and spilled registers.
	// Before privileges go: root may lock more than RLIMIT_MEMLOCK.
	if (mlockall(MCL_CURRENT) < 0)
		log_warning(
			"cannot lock all memory (RLIMIT_MEMLOCK): the key's page alone is locked");
#endif
	err = drop_user(uid, gid);
	if (err == 0)
		err = drop_capabilities();
	if (err < 0) {
		log_error("cannot give up privileges (error %d)", -err);
		return err;
	}
	// A change of user makes a process dumpable again.
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	if (fd > 0 && close_range(0, (unsigned)fd - 1, 0) < 0)
		return -errno;
	if (close_range((unsigned)fd + 1, ~0U, 0) < 0)
		return -errno;
	err = limit(RLIMIT_NOFILE);
	if (err == 0)
		err = limit(RLIMIT_FSIZE);
	if (err == 0)
		err = limit(RLIMIT_NPROC);
	return err < 0 ? err : load_filter(fd);
}
