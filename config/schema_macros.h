// SPDX-License-Identifier: BSD-3-Clause
//
// Shorthand for schema tables: where a key's value goes.
//
// Floor 1.
#pragma once

#include "config/schema.h"

#define KEYS(table)      .keys = (table), .n_keys = sizeof(table) / sizeof((table)[0])
#define AT(s, field)     .offset = offsetof(struct s, field), .size = sizeof(((struct s *)0)->field)
#define FLAG(s, field)   .has_flag = true, .flag_offset = offsetof(struct s, field)
#define RANGE(low, high) .min = (low), .max = (high)

// A list: the pointer and the counter of the struct, and what one item is.
#define LIST(s, field, counter, item_key)                                                    \
	.type = CONFIG_TYPE_LIST, AT(s, field), .count_offset = offsetof(struct s, counter), \
	.item = &(item_key)
#define ITEM(kind, bytes, ...)                               \
	{                                                    \
		.type = (kind), .size = (bytes), __VA_ARGS__ \
	}
