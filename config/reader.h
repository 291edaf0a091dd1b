// SPDX-License-Identifier: BSD-3-Clause
//
// Fills a struct from a tree as a schema says, and lets the checks that follow point at what they
// refuse.
//
// Floor 1. Not thread safe.
#pragma once

#include "config/schema.h"
#include "config/tree.h"
#include "config/types.h"

struct config_reader {
	const struct config_source *src;
	const struct config_env *env;
	const struct config_schema *schema;
	struct config_arena *arena;
	struct config_error *err;
	struct config_node *root;
	// Of the next error.
	struct config_mark at;
	char path[CONFIG_ERROR_KEY];
	char hint[CONFIG_ERROR_TEXT];
};

// Check, parse and read a whole source into base, a zeroed struct of the schema.
//
// errors: -EINVAL with r->err filled, -ENOMEM
int config_reader_run(struct config_reader *r, void *base);

// Whether the file gives a value for this path; a default does not count.
bool config_reader_given(const struct config_reader *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

// Say where the next error is; a path the file does not spell out is shown at the nearest part of
// it that the file has.
void config_reader_at(struct config_reader *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

// Say what the way out of the next error is.
void config_reader_hint(struct config_reader *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

// Fill the error. Returns -EINVAL.
int config_reader_fail(struct config_reader *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
