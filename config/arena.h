// SPDX-License-Identifier: BSD-3-Clause
//
// Memory that is freed all at once: a configuration and everything it points to.
//
// Floor 1. Not thread safe.
#pragma once

#include <stddef.h>

struct config_arena_chunk;

struct config_arena {
	struct config_arena_chunk *chunks;
};

// Zeroed memory aligned for any type; NULL when there is none.
void *config_arena_alloc(struct config_arena *arena, size_t size);

// A NUL-terminated copy.
char *config_arena_text(struct config_arena *arena, const char *text, size_t len);

void config_arena_fini(struct config_arena *arena);
