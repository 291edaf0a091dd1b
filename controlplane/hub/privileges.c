// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/hub/privileges.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct privileges_user privileges_lookup(const char *name)
{
	const struct passwd *pw = name != NULL && geteuid() == 0 ? getpwnam(name) : NULL;

	if (pw == NULL || pw->pw_uid == 0)
		return (struct privileges_user){0};
	return (struct privileges_user){.found = true, .uid = pw->pw_uid, .gid = pw->pw_gid};
}

// The state directory has no subdirectories; what is not a plain file is left alone.
static int hand_over(const char *dir, const struct privileges_user *user)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	int err = 0;

	if (d == NULL)
		return -errno;
	while (err == 0 && (e = readdir(d)) != NULL) {
		if (e->d_type == DT_REG && fchownat(dirfd(d), e->d_name, user->uid, user->gid,
						   AT_SYMLINK_NOFOLLOW) < 0)
			err = -errno;
	}
	if (err == 0 && fchown(dirfd(d), user->uid, user->gid) < 0)
		err = -errno;
	closedir(d);
	return err;
}

static int become(const struct privileges_user *user, bool keep_net_admin)
{
	static const cap_value_t keep[] = {CAP_NET_ADMIN};
	cap_t caps = cap_init();
	int err = caps != NULL ? 0 : -ENOMEM;

	if (err == 0 && keep_net_admin &&
		(cap_set_flag(caps, CAP_PERMITTED, 1, keep, CAP_SET) < 0 ||
			cap_set_flag(caps, CAP_EFFECTIVE, 1, keep, CAP_SET) < 0))
		err = -errno;
	if (err == 0 &&
		(prctl(PR_SET_KEEPCAPS, 1) < 0 || setgroups(0, NULL) < 0 ||
			setresgid(user->gid, user->gid, user->gid) < 0 ||
			setresuid(user->uid, user->uid, user->uid) < 0 || cap_set_proc(caps) < 0 ||
			prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0))
		err = -errno;
	cap_free(caps);
	return err;
}

int privileges_drop(const struct hub_config *cfg, struct hub_error *ret_error)
{
	struct privileges_user user = privileges_lookup(cfg->user);
	int err = 0;

	if (mkdir(cfg->run_dir, 0755) < 0 && errno != EEXIST) {
		err = -errno;
		hub_error_set(ret_error, "Make it, or choose another hub.run_dir.",
			"The directory %s cannot be made: %s.", cfg->run_dir, strerror(-err));
		return err;
	}
	if (user.found) {
		err = chown(cfg->run_dir, user.uid, user.gid) < 0 ? -errno : 0;
		if (err == 0)
			err = hand_over(cfg->state_dir, &user);
		if (err == 0)
			err = become(&user, cfg->silence == CONFIG_SILENCE_NFT);
		if (err < 0)
			hub_error_set(ret_error, "Start the hub as root, or without hub.user.",
				"The hub cannot become the user %s: %s.", cfg->user,
				strerror(-err));
	}
	// Keys are in this process's memory.
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	prctl(PR_SET_DUMPABLE, 0);
	return err;
}
