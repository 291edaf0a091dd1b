// SPDX-License-Identifier: BSD-3-Clause
//
// The text of a configuration file, and errors that point into it.
//
// Floor 1. Not thread safe.
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "config/error.h"

struct config_source {
	const char *name; // how errors call the file
	const char *text;
	size_t len;
};

// A place in a source, both from 1; line 0 means the file as a whole.
struct config_mark {
	unsigned line;
	unsigned column;
};

// Read a regular file of at most CONFIG_FILE_MAX_BYTES; free ret_src->text.
//
// errors: -errno of open and read, -EFBIG, -EINVAL when it is not a regular file; *err is filled
int config_source_read(const char *path, struct config_source *ret_src, struct config_error *err);

// Refuse what no configuration needs and editors hide: NUL, control characters, broken UTF-8, tabs
// used as indentation. Returns 0 or -EINVAL with *err filled.
int config_source_check(const struct config_source *src, struct config_error *err);

// Fill *err with a place, the line there and a message. hint and key may be NULL. Returns -EINVAL.
int config_source_fail(const struct config_source *src, struct config_mark at, const char *key,
	const char *hint, struct config_error *err, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));
int config_source_vfail(const struct config_source *src, struct config_mark at, const char *key,
	const char *hint, struct config_error *err, const char *fmt, va_list ap)
	__attribute__((format(printf, 6, 0)));
