// SPDX-License-Identifier: BSD-3-Clause
//
// A set of 64-bit digests with a value each; only grows. For the simulator's memory of what must
// not happen twice.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct table_row {
	uint64_t id, value; // id 0: free
};

struct table {
	struct table_row *row;
	uint64_t n, cap; // cap: a power of two
};

static inline struct table_row *table_find(const struct table *t, uint64_t id)
{
	uint64_t i = id * 0x9e3779b97f4a7c15ull & (t->cap - 1);

	while (t->row[i].id != 0 && t->row[i].id != id)
		i = (i + 1) & (t->cap - 1);
	return &t->row[i];
}

static inline void table_grow(struct table *t)
{
	struct table old = *t;

	t->cap = old.cap == 0 ? 1024 : 2 * old.cap;
	t->row = calloc(t->cap, sizeof(*t->row));
	if (t->row == NULL)
		abort();
	for (uint64_t i = 0; i < old.cap; i++) {
		if (old.row[i].id != 0)
			*table_find(t, old.row[i].id) = old.row[i];
	}
	free(old.row);
}

// The value that stands under id: this one if none did before.
static inline uint64_t *table_put(struct table *t, uint64_t id, uint64_t value)
{
	struct table_row *row;

	if (2 * (t->n + 1) > t->cap)
		table_grow(t);
	row = table_find(t, id);
	if (row->id == 0) {
		*row = (struct table_row){id, value};
		t->n++;
	}
	return &row->value;
}

static inline bool table_has(const struct table *t, uint64_t id)
{
	return t->cap > 0 && table_find(t, id)->id == id;
}

static inline void table_clear(struct table *t)
{
	free(t->row);
	*t = (struct table){0};
}
