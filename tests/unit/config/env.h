// SPDX-License-Identifier: BSD-3-Clause
//
// A machine with four CPUs and a handful of secret files, the same wherever the tests run.
#pragma once

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "config/types.h"

static bool env_cpu_exists(void *, unsigned cpu)
{
	return cpu < 4;
}

static bool env_user_exists(void *, const char *name)
{
	return strcmp(name, "root") == 0 || strcmp(name, "gate") == 0;
}

static int env_stat_secret(void *, const char *path, uint32_t *ret_mode, uint64_t *ret_bytes)
{
	static const struct {
		const char *path;
		int err;
		uint32_t mode;
		uint64_t bytes;
	} files[] = {
		{"/secret/pass", 0, S_IFREG | 0600, 20},
		{"/secret/readonly", 0, S_IFREG | 0400, 20},
		{"/secret/psk", 0, S_IFREG | 0600, 32},
		{"/secret/psk-hex", 0, S_IFREG | 0600, 65},
		{"/secret/denied", -EACCES, 0, 0},
		{"/secret/group", 0, S_IFREG | 0640, 20},
		{"/secret/world", 0, S_IFREG | 0604, 20},
		{"/secret/dir", 0, S_IFDIR | 0700, 4096},
		{"/secret/empty", 0, S_IFREG | 0600, 0},
		{"/secret/huge", 0, S_IFREG | 0600, CONFIG_SECRET_MAX_BYTES + 1},
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (strcmp(files[i].path, path) != 0)
			continue;
		*ret_mode = files[i].mode;
		*ret_bytes = files[i].bytes;
		return files[i].err;
	}
	return -ENOENT;
}

static const struct config_env env_test = {
	.cpu_exists = env_cpu_exists,
	.cpu_allowed = env_cpu_exists,
	.stat_secret = env_stat_secret,
	.user_exists = env_user_exists,
};
