// SPDX-License-Identifier: BSD-3-Clause
// A directory of a test's own under /tmp, removed afterwards. Header only; tests alone.
#pragma once

#include <assert.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_dir[64];

static inline int scratch_make(void **state)
{
	snprintf(scratch_dir, sizeof(scratch_dir), "/tmp/postern-test-XXXXXX");
	return mkdtemp(scratch_dir) == NULL ? -1 : 0;
}

static inline int scratch_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static inline int scratch_remove(void **state)
{
	return nftw(scratch_dir, scratch_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

// Path of a file in it; the 32 newest results stay valid.
static inline const char *scratch_path(const char *name)
{
	static char paths[32][256];
	static unsigned next;
	char *path = paths[next++ % 32];

	snprintf(path, sizeof(paths[0]), "%s/%s", scratch_dir, name);
	return path;
}

static inline void scratch_write(const char *name, const void *bytes, size_t len, mode_t mode)
{
	int fd = open(scratch_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t n = write(fd, bytes, len);

	if (n != (ssize_t)len || fchmod(fd, mode) < 0)
		abort();
	close(fd);
}

static inline size_t scratch_read(const char *name, void *buf, size_t cap)
{
	int fd = open(scratch_path(name), O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, cap);

	if (n < 0)
		abort();
	close(fd);
	return (size_t)n;
}
