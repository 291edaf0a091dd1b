// SPDX-License-Identifier: BSD-3-Clause
#include "config/types.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static bool host_cpu_exists(void *, unsigned cpu)
{
	char path[64];
	char online = '1';
	int fd;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u", cpu);
	if (access(path, F_OK) < 0)
		return access("/sys/devices/system/cpu", F_OK) < 0 &&
		       cpu < (unsigned)sysconf(_SC_NPROCESSORS_CONF);
	// CPUs that cannot be taken offline have no such file.
	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (read(fd, &online, 1) != 1)
			online = '1';
		close(fd);
	}
	return online != '0';
}

static bool host_cpu_allowed(void *, unsigned cpu)
{
	cpu_set_t set;

	if (cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof(set), &set) < 0)
		return false;
	return CPU_ISSET(cpu, &set);
}

// Opened, not only looked at: mode bits do not tell what this process may read.
static int host_stat_secret(void *, const char *path, uint32_t *ret_mode, uint64_t *ret_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		ret = -errno;
	close(fd);
	if (ret < 0)
		return ret;
	*ret_mode = st.st_mode;
	*ret_bytes = (uint64_t)st.st_size;
	return 0;
}

static bool host_user_exists(void *, const char *name)
{
	return getpwnam(name) != NULL;
}

const struct config_env config_env_host = {
	.cpu_exists = host_cpu_exists,
	.cpu_allowed = host_cpu_allowed,
	.stat_secret = host_stat_secret,
	.user_exists = host_user_exists,
};
