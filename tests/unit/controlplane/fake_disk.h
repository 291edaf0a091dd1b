// SPDX-License-Identifier: BSD-3-Clause
// A disk whose power can be cut between any two system calls. Header only; tests alone.
//
// What is written reaches the platter only by fsync of the file; creations, renames and removals
// only by fsync of the directory. At a cut, what was not synced may have arrived or not: of the
// directory's pending changes any number, in order; of a file's bytes none, half or all.
// fake_disk_outcome() gives one of these futures after the other.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controlplane/common/atomic_file.h"

#define FAKE_FILES  8
#define FAKE_BYTES  512
#define FAKE_NAMES  8
#define FAKE_CHANGE 16
#define FAKE_DIR_FD 99

struct fake_file {
	uint8_t bytes[FAKE_BYTES], synced[FAKE_BYTES];
	size_t len, synced_len;
	bool is_synced;
};

struct fake_name {
	char name[64];
	int file; // -1: no such name
};

struct fake_disk {
	struct fake_file files[FAKE_FILES];
	int n_files;
	struct fake_name names[FAKE_NAMES]; // now
	struct fake_name platter[FAKE_NAMES];
	struct fake_name pending[FAKE_CHANGE]; // since the last fsync of the directory
	int n_pending;
	size_t at[FAKE_FILES];          // read position; a descriptor is 10 + file
	int calls, fail_at, fail_errno; // the call of this number fails
	bool cut;                       // ... and all that follow, as if the power were gone
	bool lying_fsync;               // says it has synced, and has not
};

static struct fake_disk disk;

static inline bool fake_fails(void)
{
	disk.calls++;
	if (disk.fail_at == 0 || disk.calls < disk.fail_at ||
		(disk.calls > disk.fail_at && !disk.cut))
		return false;
	errno = disk.fail_errno;
	return true;
}

static inline struct fake_name *fake_find(struct fake_name *names, const char *name)
{
	for (int i = 0; i < FAKE_NAMES; i++)
		if (strcmp(names[i].name, name) == 0)
			return &names[i];
	for (int i = 0; i < FAKE_NAMES; i++)
		if (names[i].name[0] == '\0') {
			strcpy(names[i].name, name);
			names[i].file = -1;
			return &names[i];
		}
	abort();
}

static inline void fake_change(const char *name, int file)
{
	struct fake_name *p = &disk.pending[disk.n_pending++];

	if (disk.n_pending > FAKE_CHANGE)
		abort();
	strcpy(p->name, name);
	p->file = file;
	fake_find(disk.names, name)->file = file;
}

static inline int fake_open(const char *path, int flags, mode_t mode)
{
	struct fake_name *n;

	if (fake_fails())
		return -1;
	if (flags & O_DIRECTORY)
		return FAKE_DIR_FD;
	n = fake_find(disk.names, path);
	if (flags & O_CREAT) {
		if (n->file >= 0) {
			errno = EEXIST;
			return -1;
		}
		fake_change(path, disk.n_files++);
	} else if (n->file < 0) {
		errno = ENOENT;
		return -1;
	}
	disk.at[n->file] = 0;
	return 10 + n->file;
}

static inline ssize_t fake_read(int fd, void *buf, size_t len)
{
	struct fake_file *f = &disk.files[fd - 10];
	size_t left = f->len - disk.at[fd - 10];

	if (fake_fails())
		return -1;
	if (len > left)
		len = left;
	if (len > 7)
		len = (len + 1) / 2; // short reads are legal
	memcpy(buf, f->bytes + disk.at[fd - 10], len);
	disk.at[fd - 10] += len;
	return (ssize_t)len;
}

static inline ssize_t fake_write(int fd, const void *buf, size_t len)
{
	struct fake_file *f = &disk.files[fd - 10];

	if (fake_fails())
		return -1;
	if (len > 40)
		len /= 2; // so are short writes
	memcpy(f->bytes + f->len, buf, len);
	f->len += len;
	f->is_synced = false;
	return (ssize_t)len;
}

static inline int fake_fsync(int fd)
{
	if (fake_fails())
		return -1;
	if (disk.lying_fsync)
		return 0;
	if (fd == FAKE_DIR_FD) {
		memcpy(disk.platter, disk.names, sizeof(disk.names));
		disk.n_pending = 0;
		return 0;
	}
	struct fake_file *f = &disk.files[fd - 10];

	memcpy(f->synced, f->bytes, sizeof(f->bytes));
	f->synced_len = f->len;
	f->is_synced = true;
	return 0;
}

static inline int fake_fstat(int fd, struct stat *st)
{
	if (fake_fails())
		return -1;
	memset(st, 0, sizeof(*st));
	st->st_mode = S_IFREG | 0600;
	st->st_uid = geteuid();
	return 0;
}

static inline int fake_close(int fd)
{
	return fake_fails() ? -1 : 0;
}

static inline int fake_rename(const char *from, const char *to)
{
	int file = fake_find(disk.names, from)->file;

	if (fake_fails())
		return -1;
	fake_find(disk.names, from)->file = -1;
	fake_change(to, file); // one change: fake_disk_outcome takes the old name away with it
	return 0;
}

static inline int fake_link(const char *from, const char *to)
{
	if (fake_fails())
		return -1;
	if (fake_find(disk.names, to)->file >= 0) {
		errno = EEXIST;
		return -1;
	}
	fake_change(to, fake_find(disk.names, from)->file);
	return 0;
}

static inline int fake_unlink(const char *path)
{
	if (fake_fails())
		return -1;
	if (fake_find(disk.names, path)->file < 0) {
		errno = ENOENT;
		return -1;
	}
	fake_change(path, -1);
	return 0;
}

static const struct atomic_file_ops fake_ops = {
	.open = fake_open,
	.read = fake_read,
	.write = fake_write,
	.fsync = fake_fsync,
	.fstat = fake_fstat,
	.close = fake_close,
	.rename = fake_rename,
	.link = fake_link,
	.unlink = fake_unlink,
};

// Future number i after the power is cut now: false when there are no more. The disk is then as it
// comes up again, all calls working.
static inline bool fake_disk_outcome(const struct fake_disk *before, int i)
{
	int n_changes = i / 3, share = i % 3;

	if (n_changes > before->n_pending)
		return false;
	disk = *before;
	disk.fail_at = 0;
	disk.cut = false;
	memcpy(disk.names, before->platter, sizeof(disk.names));
	for (int c = 0; c < n_changes; c++) {
		const struct fake_name *p = &before->pending[c];

		if (p->file >= 0) // a rename takes the old name away, in the same step
			for (int n = 0; n < FAKE_NAMES; n++)
				if (disk.names[n].file == p->file)
					disk.names[n].file = -1;
		fake_find(disk.names, p->name)->file = p->file;
	}
	memcpy(disk.platter, disk.names, sizeof(disk.names));
	disk.n_pending = 0;
	for (int f = 0; f < disk.n_files; f++) {
		struct fake_file *file = &disk.files[f];

		if (file->is_synced)
			continue;
		if (share == 0) {
			memcpy(file->bytes, file->synced, sizeof(file->bytes));
			file->len = file->synced_len;
		} else if (share == 1) {
			file->len /= 2;
		}
		file->is_synced = true;
	}
	return true;
}
