// SPDX-License-Identifier: BSD-3-Clause
#include "tools/postern/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 16

struct cell {
	char *text;
	bool state;
};

struct table {
	unsigned n_columns;
	bool right[COLUMNS_MAX];
	size_t width[COLUMNS_MAX];
	char *header[COLUMNS_MAX];
	struct cell *cells;
	size_t n_cells, size;
};

// Out of memory in a table of a few rows is not worth a path of its own.
static void *or_abort(void *memory)
{
	if (memory == NULL) {
		fputs("postern: out of memory\n", stderr);
		exit(EXIT_FAILED);
	}
	return memory;
}

// Characters, not bytes: names are ASCII, but "µs" and dashes are not.
static size_t width_of(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

struct table *table_create(const char *columns)
{
	struct table *t = or_abort(calloc(1, sizeof(*t)));
	char *copy = or_abort(strdup(columns)), *rest = copy, *name;

	while ((name = strsep(&rest, "|")) != NULL && t->n_columns < COLUMNS_MAX) {
		unsigned i = t->n_columns++;

		t->right[i] = name[0] == '>';
		t->header[i] = or_abort(strdup(name + t->right[i]));
		t->width[i] = width_of(t->header[i]);
	}
	free(copy);
	return t;
}

static void add(struct table *t, char *text, bool state)
{
	unsigned column = t->n_cells % t->n_columns;

	if (t->n_cells == t->size) {
		t->size = t->size * 2 + 64;
		t->cells = or_abort(realloc(t->cells, t->size * sizeof(*t->cells)));
	}
	t->cells[t->n_cells++] = (struct cell){text, state};
	if (width_of(text) > t->width[column])
		t->width[column] = width_of(text);
}

void table_cell(struct table *t, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	add(t, or_abort(text), false);
}

void table_cell_state(struct table *t, const char *text)
{
	add(t, or_abort(strdup(text)), true);
}

static void print_cell(const struct table *t, unsigned column, const char *text, const char *colour)
{
	size_t pad = t->width[column] - width_of(text);
	bool last = column + 1 == t->n_columns;

	if (t->right[column])
		printf("%*s", (int)pad, "");
	printf("%s%s%s", colour, text, colour[0] != '\0' ? text_reset() : "");
	if (!t->right[column] && !last)
		printf("%*s", (int)pad, "");
	fputs(last ? "\n" : "  ", stdout);
}

void table_print(struct table *t, const char *empty)
{
	if (t->n_cells == 0 && empty != NULL)
		puts(empty);
	for (unsigned i = 0; i < t->n_columns && t->n_cells > 0; i++)
		print_cell(t, i, t->header[i], text_colour("header"));
	for (size_t i = 0; i < t->n_cells; i++) {
		struct cell *c = &t->cells[i];

		print_cell(t, i % t->n_columns, c->text, c->state ? text_colour(c->text) : "");
		free(c->text);
	}
	for (unsigned i = 0; i < t->n_columns; i++)
		free(t->header[i]);
	free(t->cells);
	free(t);
}
