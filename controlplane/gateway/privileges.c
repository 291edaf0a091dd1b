// SPDX-License-Identifier: BSD-3-Clause
//
// Root only to start. What stays is CAP_NET_ADMIN, for neighbours (RTM_NEWNEIGH) and the nft table.
#include "controlplane/gateway/control.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/log.h"

static int keep_only(const cap_value_t *keep, int n)
{
	cap_t caps = cap_init();
	int err = 0;

	if (caps == NULL)
		return -ENOMEM;
	if (cap_set_flag(caps, CAP_PERMITTED, n, keep, CAP_SET) < 0 ||
		cap_set_flag(caps, CAP_EFFECTIVE, n, keep, CAP_SET) < 0 || cap_set_proc(caps) < 0)
		err = -errno;
	cap_free(caps);
	return err;
}

void privileges_harden(void)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

int privileges_drop(const char *user, const char *run_dir, const char *state_dir)
{
	static const cap_value_t keep[] = {CAP_NET_ADMIN};
	struct passwd *pw;
	int err;

	if (geteuid() != 0)
		return 0;
	mkdir(run_dir, 0755);
	pw = user != NULL ? getpwnam(user) : NULL;
	if (pw == NULL) {
		log_notice("staying root: %s", user != NULL
						       ? "there is no such account as gateway.user"
						       : "gateway.user is not set");
		return 0;
	}
	if (chown(run_dir, pw->pw_uid, pw->pw_gid) < 0 ||
		chown(state_dir, pw->pw_uid, pw->pw_gid) < 0)
		log_warning(
			"run_dir or state_dir does not belong to %s: %s", user, strerror(errno));
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setgroups(0, NULL) < 0 || setgid(pw->pw_gid) < 0 ||
		setuid(pw->pw_uid) < 0)
		return -errno;
	err = keep_only(keep, 1);
	prctl(PR_SET_KEEPCAPS, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	// Changing the user has set it again where the kernel saw fit.
	privileges_harden();
	return err;
}
