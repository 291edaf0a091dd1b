// SPDX-License-Identifier: BSD-3-Clause
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config/log.h"
#include "sandbox/crash.h"

static void exclude_from_core(void)
{
	// Should somebody turn core dumps on again for this process: no page of ours is in it.
	int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
	ssize_t ignored;

	if (fd < 0)
		return;
	ignored = write(fd, "0", 1);
	(void)ignored;
	close(fd);
}

int sandbox_begin(void)
{
	static const struct rlimit none = {0, 0};

	exclude_from_core(); // while we may still open it
	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

void sandbox_lock_memory(void)
{
	static const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	struct rlimit now;

	if (SANDBOX_SANITIZED) // shadow memory is terabytes
		return;
	// Under any limit a stack that grows or a later mapping would meet it and kill us: all or
	// nothing. As pages come into use: nothing is made resident that would not be.
	if ((getrlimit(RLIMIT_MEMLOCK, &now) < 0 || now.rlim_cur != RLIM_INFINITY) &&
		setrlimit(RLIMIT_MEMLOCK, &unlimited) < 0)
		log_notice("memory is not locked, so keys may reach swap: LimitMEMLOCK=infinity");
	else if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		log_warning("memory cannot be locked: %s", strerror(errno));
}

// ---------------------------------------------------------------- files

#define READ_ACCESS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_ACCESS                                                      \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
		LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK)
#define FILE_ACCESS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE)
// All that version 1 of the interface can withhold; renaming across directories (2) it always does.
#define ALL_ACCESS  ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

static int allow_path(int ruleset, const struct sandbox_path *p)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = READ_ACCESS | (p->write ? WRITE_ACCESS : 0)};
	struct stat st;
	int err = 0;

	if (p->path == NULL)
		return 0;
	rule.parent_fd = open(p->path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return errno == ENOENT || errno == EACCES ? 0 : -errno;
	if (fstat(rule.parent_fd, &st) < 0)
		err = -errno;
	else if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= FILE_ACCESS;
	if (err == 0 &&
		syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		err = -errno;
	close(rule.parent_fd);
	return err;
}

int sandbox_files(const struct sandbox_path *paths, unsigned n)
{
	const struct landlock_ruleset_attr attr = {.handled_access_fs = ALL_ACCESS};
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	int err = 0;

	if (ruleset < 0) {
		if (errno != ENOSYS && errno != EOPNOTSUPP)
			return -errno;
		log_notice("no Landlock in this kernel: files are kept from us by account alone");
		return 0;
	}
	for (unsigned i = 0; err == 0 && i < n; i++)
		err = allow_path(ruleset, &paths[i]);
	if (err == 0 && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
				syscall(SYS_landlock_restrict_self, ruleset, 0) < 0))
		err = -errno;
	close(ruleset);
	return err;
}

// ---------------------------------------------------------------- system calls

static const struct sandbox_call dying[] = {
	SANDBOX_CALL(rt_sigprocmask),
	SANDBOX_CALL(getpid),
	SANDBOX_CALL(gettid),
	SANDBOX_CALL(tgkill),
};
const struct sandbox_list sandbox_dying = {dying, sizeof(dying) / sizeof(dying[0])};

static int allow(scmp_filter_ctx ctx, const struct sandbox_call *c)
{
	struct scmp_arg_cmp own = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid());

	if (c->nr == SCMP_SYS(tgkill)) // ourselves and nobody else
		return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, c->nr, 1, &own);
	return seccomp_rule_add_array(ctx,
		c->refuse != 0 ? SCMP_ACT_ERRNO(c->refuse) : SCMP_ACT_ALLOW, c->nr, c->n_args,
		c->arg);
}

// A trap, not SECCOMP_RET_KILL_PROCESS: that would leave nobody to say which call it was. The call
// is as forbidden, and the handler (crash.c) does not return; where it is gone or blocked, the
// kernel kills the process by itself.
int sandbox_calls(const struct sandbox_list *lists, unsigned n)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	int err = ctx == NULL ? -ENOMEM : 0;

	if (err == 0)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	// A sorted tree instead of a list: 25 comparisons become 5.
	if (err == 0)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (unsigned l = 0; err == 0 && l < n; l++) {
		for (unsigned i = 0; err == 0 && i < lists[l].n; i++)
			err = allow(ctx, &lists[l].call[i]);
	}
	crash_learn();
	if (err == 0)
		err = seccomp_load(ctx);
	// Freeing may need a system call that is forbidden now: on success a few KiB stay.
	if (err < 0)
		seccomp_release(ctx);
	return err;
}
