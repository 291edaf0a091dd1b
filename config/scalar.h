// SPDX-License-Identifier: BSD-3-Clause
//
// One value of the file into one field of the struct, with the sentence that refuses a bad one.
//
// Floor 1. Not thread safe.
#pragma once

#include "config/reader.h"

// Read a scalar node into dst, as k says; r->at, r->path are set by the caller.
//
// errors: -EINVAL with r->err filled, -ENOMEM
int config_scalar_read(struct config_reader *r, const struct config_node *n,
	const struct config_key *k, void *dst);

// "a whole number": what a type wants, for messages and documentation.
const char *config_scalar_wanted(enum config_type type);
