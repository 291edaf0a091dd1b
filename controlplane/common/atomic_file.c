// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int libc_open(const char *path, int flags, mode_t mode)
{
	return open(path, flags, mode);
}

const struct atomic_file_ops atomic_file_libc = {
	.open = libc_open,
	.read = read,
	.write = write,
	.fsync = fsync,
	.fstat = fstat,
	.close = close,
	.rename = rename,
	.link = link,
	.unlink = unlink,
};

static int write_all(const struct atomic_file_ops *ops, int fd, const uint8_t *p, size_t len)
{
	while (len > 0) {
		ssize_t n = ops->write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENOSPC;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int fsync_dir_of(const struct atomic_file_ops *ops, const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int fd, err = 0;

	if (slash == NULL)
		snprintf(dir, sizeof(dir), ".");
	else
		snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	fd = ops->open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (ops->fsync(fd) < 0)
		err = -errno;
	ops->close(fd);
	return err;
}

// Make the temporary file and fill it; what an earlier crash left there goes first.
static int write_temp(
	const struct atomic_file_ops *ops, const char *temp, const void *data, size_t len)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = ops->open(temp, flags, 0600);
	int err;

	if (fd < 0 && errno == EEXIST && ops->unlink(temp) == 0)
		fd = ops->open(temp, flags, 0600);
	if (fd < 0)
		return -errno;
	err = write_all(ops, fd, data, len);
	if (err == 0 && ops->fsync(fd) < 0)
		err = -errno;
	if (ops->close(fd) < 0 && err == 0)
		err = -errno;
	if (err < 0)
		ops->unlink(temp);
	return err;
}

static int put(const char *path, const void *data, size_t len, bool replace,
	const struct atomic_file_ops *ops)
{
	char temp[PATH_MAX];
	int n, err;

	if (ops == NULL)
		ops = &atomic_file_libc;
	n = snprintf(temp, sizeof(temp), "%s.new", path);
	if (n < 0 || (size_t)n >= sizeof(temp))
		return -ENAMETOOLONG;
	err = write_temp(ops, temp, data, len);
	if (err < 0)
		return err;
	if (replace) {
		if (ops->rename(temp, path) < 0)
			err = -errno;
	} else {
		// Unlike rename, link never replaces what is there.
		if (ops->link(temp, path) < 0)
			err = -errno;
	}
	if (err < 0 || !replace)
		ops->unlink(temp);
	if (err < 0)
		return err;
	return fsync_dir_of(ops, path);
}

int atomic_file_write(
	const char *path, const void *data, size_t len, const struct atomic_file_ops *ops)
{
	return put(path, data, len, true, ops);
}

int atomic_file_create(
	const char *path, const void *data, size_t len, const struct atomic_file_ops *ops)
{
	return put(path, data, len, false, ops);
}

static int check_privacy(const struct stat *st, enum atomic_file_privacy privacy)
{
	uid_t me = geteuid();

	if (!S_ISREG(st->st_mode))
		return -EPERM;
	if (privacy == ATOMIC_FILE_PUBLIC)
		return 0;
	// root may work on the files of the service's user; nobody else trusts a stranger's file.
	if (me != 0 && st->st_uid != me && st->st_uid != 0)
		return -EPERM;
	if (st->st_mode & (privacy == ATOMIC_FILE_CREDENTIAL ? 0037 : 0077))
		return -EPERM;
	return 0;
}

// Read up to cap bytes and make sure that there are no more.
static int read_all(
	const struct atomic_file_ops *ops, int fd, uint8_t *buf, size_t cap, size_t *ret_len)
{
	size_t len = 0;
	uint8_t more;

	for (;;) {
		ssize_t n =
			len < cap ? ops->read(fd, buf + len, cap - len) : ops->read(fd, &more, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		if (len == cap)
			return -EFBIG;
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

int atomic_file_read(const char *path, enum atomic_file_privacy privacy, void *buf, size_t cap,
	size_t *ret_len, const struct atomic_file_ops *ops)
{
	// Not blocking, so that a FIFO in the file's place cannot hang the caller.
	int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	struct stat st;
	int fd, err = 0;

	if (ops == NULL)
		ops = &atomic_file_libc;
	if (privacy != ATOMIC_FILE_CREDENTIAL)
		flags |= O_NOFOLLOW;
	fd = ops->open(path, flags, 0);
	if (fd < 0)
		return errno == ELOOP ? -EPERM : -errno;
	if (ops->fstat(fd, &st) < 0)
		err = -errno;
	if (err == 0)
		err = check_privacy(&st, privacy);
	if (err == 0)
		err = read_all(ops, fd, buf, cap, ret_len);
	ops->close(fd);
	return err;
}
