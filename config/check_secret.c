// SPDX-License-Identifier: BSD-3-Clause
#include "config/check.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

int config_check_secret(
	struct config_reader *r, const char *key, const char *file, enum config_secret_kind kind)
{
	uint32_t mode = 0;
	uint64_t bytes = 0;
	int ret;

	if (file == NULL || r->env->stat_secret == NULL)
		return 0;
	config_reader_at(r, "%s", key);
	ret = r->env->stat_secret(r->env->ctx, file, &mode, &bytes);
	if (ret == -ENOENT) {
		config_reader_hint(r,
			"create it, readable by its owner only: install -m 600 FILE %.120s", file);
		return config_reader_fail(r, "%.100s does not exist", file);
	}
	if (ret < 0) {
		config_reader_hint(r, "run this as root, or as the account that owns the file");
		return config_reader_fail(r, "cannot read %.100s: %s", file, strerror(-ret));
	}
	if (!S_ISREG(mode))
		return config_reader_fail(r, "%.100s is not a regular file", file);
	if ((mode & 077) != 0) {
		config_reader_hint(r, "chmod 600 %.200s", file);
		return config_reader_fail(
			r, "others than its owner can open %.100s (mode %04o)", file, mode & 07777);
	}
	if (bytes == 0 || bytes > CONFIG_SECRET_MAX_BYTES) {
		config_reader_hint(r, "a secret has 1 to %u bytes", CONFIG_SECRET_MAX_BYTES);
		return config_reader_fail(
			r, "%.100s is %s", file, bytes == 0 ? "empty" : "too large");
	}
	// 64 hex digits may end in a newline.
	if (kind == CONFIG_SECRET_KEY && bytes != 32 && bytes != 64 && bytes != 65) {
		config_reader_hint(r,
			"make one with: head -c 32 /dev/urandom | install -m 600 /dev/stdin FILE");
		return config_reader_fail(r, "%.100s is neither 32 bytes nor 64 hex digits", file);
	}
	return 0;
}
