// SPDX-License-Identifier: BSD-3-Clause
#include "sandbox/account.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct account account_find(const char *name, const char *instead)
{
	struct account a = {.name = name != NULL ? name : instead};
	const struct passwd *pw;

	if (a.name == NULL || geteuid() != 0)
		return a;
	pw = getpwnam(a.name);
	if (pw == NULL || pw->pw_uid == 0)
		return a;
	a.change = true;
	a.uid = pw->pw_uid;
	a.gid = pw->pw_gid;
	return a;
}

int account_hand_over(const char *dir, const struct account *to)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *e;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int err = 0;

	if (d == NULL) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (err == 0 && (e = readdir(d)) != NULL) {
		if (e->d_type == DT_REG &&
			fchownat(fd, e->d_name, to->uid, to->gid, AT_SYMLINK_NOFOLLOW) < 0)
			err = -errno;
	}
	if (err == 0 && fchown(fd, to->uid, to->gid) < 0)
		err = -errno;
	closedir(d);
	return err;
}

static bool is_kept(cap_value_t cap, const cap_value_t *keep, int n)
{
	for (int i = 0; i < n; i++) {
		if (keep[i] == cap)
			return true;
	}
	return false;
}

// What is not held cannot be kept: whoever starts us with less gets less.
static int set_capabilities(const cap_value_t *keep, int n)
{
	cap_t held = cap_get_proc(), caps = cap_init();
	int err = held == NULL || caps == NULL ? -ENOMEM : 0;

	for (int i = 0; err == 0 && i < n; i++) {
		cap_flag_value_t has = CAP_CLEAR;

		if (cap_get_flag(held, keep[i], CAP_PERMITTED, &has) < 0)
			err = -errno;
		else if (has == CAP_SET &&
			 (cap_set_flag(caps, CAP_PERMITTED, 1, &keep[i], CAP_SET) < 0 ||
				 cap_set_flag(caps, CAP_EFFECTIVE, 1, &keep[i], CAP_SET) < 0))
			err = -errno;
	}
	if (err == 0 && cap_set_proc(caps) < 0)
		err = -errno;
	cap_free(held);
	cap_free(caps);
	return err;
}

int account_become(const struct account *to, const cap_value_t *keep, int n)
{
	int err;

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	// Needs CAP_SETPCAP; without it there is no exec to win by, either (no_new_privs).
	for (cap_value_t cap = 0; cap <= CAP_LAST_CAP; cap++) {
		if (!is_kept(cap, keep, n))
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	}
	if (to->change) {
		if (to->gid == 0)
			return -EINVAL; // root's group would stay
		if ((n > 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) || setgroups(0, NULL) < 0 ||
			setresgid(to->gid, to->gid, to->gid) < 0 ||
			setresuid(to->uid, to->uid, to->uid) < 0)
			return -errno;
	}
	err = set_capabilities(keep, n);
	if (err < 0)
		return err;
	prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	// A change of user makes a process dumpable where the kernel is set up so.
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}
