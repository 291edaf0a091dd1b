// SPDX-License-Identifier: BSD-3-Clause
#include "config/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 16384 };

struct config_arena_chunk {
	struct config_arena_chunk *next;
	size_t used;
	size_t size;
	alignas(max_align_t) unsigned char bytes[];
};

void *config_arena_alloc(struct config_arena *arena, size_t size)
{
	struct config_arena_chunk *c = arena->chunks;
	size_t need = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);

	if (need < size)
		return NULL;
	if (c == NULL || c->size - c->used < need) {
		size_t room = need > CHUNK_BYTES ? need : CHUNK_BYTES;

		c = calloc(1, sizeof(*c) + room);
		if (c == NULL)
			return NULL;
		c->size = room;
		c->next = arena->chunks;
		arena->chunks = c;
	}
	c->used += need;
	return c->bytes + c->used - need;
}

char *config_arena_text(struct config_arena *arena, const char *text, size_t len)
{
	char *copy = config_arena_alloc(arena, len + 1);

	if (copy != NULL && len > 0)
		memcpy(copy, text, len);
	return copy;
}

void config_arena_fini(struct config_arena *arena)
{
	struct config_arena_chunk *c = arena->chunks;

	while (c != NULL) {
		struct config_arena_chunk *next = c->next;

		free(c);
		c = next;
	}
	arena->chunks = NULL;
}
