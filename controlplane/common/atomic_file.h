// SPDX-License-Identifier: BSD-3-Clause
// Small files replaced whole or not at all, and read with care for who may read them.
//
// Write: a temporary file beside the target, written, fsynced, renamed over it, the directory
// fsynced. After a power cut at any moment the name holds the old bytes or the new ones. Every
// system call goes through a table, so that a test can make each of them fail or cut the power
// between any two. Thread safe for different paths; one writer per path. Floor 3 (files).
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct atomic_file_ops {
	int (*open)(const char *path, int flags, mode_t mode);
	ssize_t (*read)(int fd, void *buf, size_t len);
	ssize_t (*write)(int fd, const void *buf, size_t len);
	int (*fsync)(int fd);
	int (*fstat)(int fd, struct stat *st);
	int (*close)(int fd);
	int (*rename)(const char *from, const char *to);
	int (*link)(const char *from, const char *to);
	int (*unlink)(const char *path);
};

extern const struct atomic_file_ops atomic_file_libc;

// Replace path by these bytes, mode 0600. ops NULL: the C library's.
//
// errors:  -errno of the first call that failed; the old file is then still there. The exception is
//          a failing fsync of the directory: the new bytes are in place but may not survive a power
//          cut, so the error is reported and the caller stores again
int atomic_file_write(
	const char *path, const void *data, size_t len, const struct atomic_file_ops *ops);

// The same, but never over an existing file: -EEXIST.
int atomic_file_create(
	const char *path, const void *data, size_t len, const struct atomic_file_ops *ops);

// Who besides the owner may have access to a file that is read.
enum atomic_file_privacy {
	ATOMIC_FILE_PUBLIC,     // anyone
	ATOMIC_FILE_PRIVATE,    // nobody: mode & 077 is zero, owner is this user or root
	ATOMIC_FILE_CREDENTIAL, // systemd credential: its ACL shows as group read; others nothing
};

// Read a whole regular file of at most cap bytes; never follows a symbolic link at the end of the
// path unless it is a credential.
//
// errors:  -ENOENT; -EACCES; -EPERM: privacy not met or not a regular file; -EFBIG: more than cap
int atomic_file_read(const char *path, enum atomic_file_privacy privacy, void *buf, size_t cap,
	size_t *ret_len, const struct atomic_file_ops *ops);
