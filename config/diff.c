// SPDX-License-Identifier: BSD-3-Clause
#include "config/diff.h"

#include <stdio.h>
#include <string.h>

#include "config/value.h"

struct walk {
	struct config_diff *diff;
	char path[CONFIG_ERROR_KEY];
};

static void walk_map(
	struct walk *w, const struct config_schema *s, const void *old, const void *new);

static size_t push(struct walk *w, const char *fmt, const char *text)
{
	size_t len = strlen(w->path);

	snprintf(w->path + len, sizeof(w->path) - len, fmt, text);
	return len;
}

static void note(struct walk *w, enum config_change_kind kind, enum config_restart restart)
{
	struct config_diff *d = w->diff;

	if (d->n_changes < CONFIG_DIFF_MAX) {
		d->changes[d->n_changes] = (struct config_change){.kind = kind, .restart = restart};
		memcpy(d->changes[d->n_changes].key, w->path, sizeof(w->path));
	}
	d->n_changes++;
	d->restart |= restart;
	d->live = d->live || restart == CONFIG_RELOAD_LIVE;
}

static const char *text_at(const void *base, const struct config_key *k)
{
	const char *text;

	memcpy(&text, (const char *)base + k->offset, sizeof(text));
	return text;
}

static bool text_equal(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

struct items {
	const char *first;
	unsigned n;
};

static struct items items_at(const void *base, const struct config_key *k)
{
	struct items it;

	memcpy(&it.first, (const char *)base + k->offset, sizeof(it.first));
	memcpy(&it.n, (const char *)base + k->count_offset, sizeof(it.n));
	return it;
}

static bool map_equal(const struct config_schema *s, const void *a, const void *b);

static bool value_equal(const struct config_key *k, const void *a, const void *b)
{
	const struct config_endpoint *e, *f;
	struct items x, y;

	switch (k->type) {
	case CONFIG_TYPE_NAME:
	case CONFIG_TYPE_IDENT:
	case CONFIG_TYPE_INTERFACE:
	case CONFIG_TYPE_TEXT:
	case CONFIG_TYPE_USER:
	case CONFIG_TYPE_PATH:
	case CONFIG_TYPE_SECRET:
	case CONFIG_TYPE_CREDENTIAL:
		return text_equal(text_at(a, k), text_at(b, k));
	case CONFIG_TYPE_MAP:
		return map_equal(k->sub, (const char *)a + k->offset, (const char *)b + k->offset);
	case CONFIG_TYPE_LIST:
		x = items_at(a, k);
		y = items_at(b, k);
		if (x.n != y.n)
			return false;
		for (unsigned i = 0; i < x.n; i++) {
			if (!value_equal(k->item, x.first + i * k->item->size,
				    y.first + i * k->item->size))
				return false;
		}
		return true;
	case CONFIG_TYPE_SKIP:
		return true;
	case CONFIG_TYPE_ENDPOINT:
		e = (const struct config_endpoint *)((const char *)a + k->offset);
		f = (const struct config_endpoint *)((const char *)b + k->offset);
		return e->port == f->port && config_addr_equal(&e->addr, &f->addr);
	default: // no other type has padding
		return memcmp((const char *)a + k->offset, (const char *)b + k->offset, k->size) ==
			       0 &&
		       (!k->has_flag || *(const bool *)((const char *)a + k->flag_offset) ==
						*(const bool *)((const char *)b + k->flag_offset));
	}
}

static bool map_equal(const struct config_schema *s, const void *a, const void *b)
{
	for (unsigned i = 0; i < s->n_keys; i++) {
		if (!value_equal(&s->keys[i], a, b))
			return false;
	}
	return true;
}

static const struct config_key *identity_of(const struct config_schema *s)
{
	for (unsigned i = 0; i < s->n_keys; i++) {
		if (s->identity != NULL && strcmp(s->keys[i].name, s->identity) == 0)
			return &s->keys[i];
	}
	return NULL;
}

// The item of the same name; NULL without one.
static const char *find_item(struct items it, const struct config_key *list,
	const struct config_key *id, const char *name)
{
	for (unsigned i = 0; i < it.n; i++) {
		const char *item = it.first + i * list->item->size;

		if (strcmp(text_at(item, id), name) == 0)
			return item;
	}
	return NULL;
}

static void walk_items(struct walk *w, const struct config_key *k, const struct config_key *id,
	const void *old, const void *new)
{
	struct items x = items_at(old, k), y = items_at(new, k);
	bool moved = false;

	for (unsigned i = 0; i < x.n; i++) {
		const char *item = x.first + i * k->item->size;
		const char *other = find_item(y, k, id, text_at(item, id));
		size_t len = push(w, "[%s]", text_at(item, id));

		if (other == NULL)
			note(w, CONFIG_REMOVED, k->restart);
		else
			walk_map(w, k->item->sub, item, other);
		moved = moved || (other != NULL && other != y.first + i * k->item->size);
		w->path[len] = '\0';
	}
	for (unsigned i = 0; i < y.n; i++) {
		const char *item = y.first + i * k->item->size;
		size_t len;

		if (find_item(x, k, id, text_at(item, id)) != NULL)
			continue;
		len = push(w, "[%s]", text_at(item, id));
		note(w, CONFIG_ADDED, k->restart);
		w->path[len] = '\0';
	}
	if (moved && k->ordered)
		note(w, CONFIG_CHANGED, k->restart);
}

static void walk_map(
	struct walk *w, const struct config_schema *s, const void *old, const void *new)
{
	for (unsigned i = 0; i < s->n_keys; i++) {
		const struct config_key *k = &s->keys[i];
		const struct config_key *id = NULL;
		size_t len = push(w, w->path[0] != '\0' ? ".%s" : "%s", k->name);

		if (k->type == CONFIG_TYPE_LIST && k->item->sub != NULL)
			id = identity_of(k->item->sub);
		if (id != NULL)
			walk_items(w, k, id, old, new);
		else if (k->type == CONFIG_TYPE_MAP)
			walk_map(w, k->sub, (const char *)old + k->offset,
				(const char *)new + k->offset);
		else if (!value_equal(k, old, new))
			note(w, CONFIG_CHANGED, k->restart);
		w->path[len] = '\0';
	}
}

void config_diff_gateway(
	const struct gateway_config *old, const struct gateway_config *new, struct config_diff *ret)
{
	struct walk w = {.diff = ret};

	memset(ret, 0, sizeof(*ret));
	walk_map(&w, &config_gateway_schema, old, new);
}

const char *config_change_format(const struct config_change *c, char *buf, size_t size)
{
	static const char *const words[] = {
		[CONFIG_CHANGED] = "changed",
		[CONFIG_ADDED] = "added",
		[CONFIG_REMOVED] = "removed",
	};

	snprintf(buf, size, "%s %s", c->key, words[c->kind]);
	return buf;
}
