// SPDX-License-Identifier: BSD-3-Clause
#include "config/reader.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "config/nearest.h"
#include "config/scalar.h"

static int read_map(struct config_reader *r, const struct config_node *n,
	const struct config_schema *schema, void *base);
static int read_value(struct config_reader *r, const struct config_node *n,
	const struct config_key *k, void *base);

void config_reader_hint(struct config_reader *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->hint, sizeof(r->hint), fmt, ap);
	va_end(ap);
}

int config_reader_fail(struct config_reader *r, const char *fmt, ...)
{
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = config_source_vfail(r->src, r->at, r->path, r->hint, r->err, fmt, ap);
	va_end(ap);
	return ret;
}

void config_reader_at(struct config_reader *r, const char *fmt, ...)
{
	const struct config_node *n;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->path, sizeof(r->path), fmt, ap);
	va_end(ap);
	config_tree_find(r->root, r->path, &n);
	r->at = n->at;
	r->hint[0] = '\0';
}

bool config_reader_given(const struct config_reader *r, const char *fmt, ...)
{
	const struct config_node *n;
	char path[CONFIG_ERROR_KEY];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	return config_tree_find(r->root, path, &n);
}

// Paths grow and shrink as the reader descends.
static size_t path_push_key(struct config_reader *r, const char *key)
{
	size_t len = strlen(r->path);

	snprintf(r->path + len, sizeof(r->path) - len, "%s%s", len > 0 ? "." : "", key);
	return len;
}

static size_t path_push_index(struct config_reader *r, unsigned idx)
{
	size_t len = strlen(r->path);

	snprintf(r->path + len, sizeof(r->path) - len, "[%u]", idx);
	return len;
}

static const struct config_key *find_key(const struct config_schema *schema, const char *name)
{
	for (unsigned i = 0; i < schema->n_keys; i++) {
		if (strcmp(schema->keys[i].name, name) == 0)
			return &schema->keys[i];
	}
	return NULL;
}

static const struct config_schema *sub_of(const struct config_key *k)
{
	return k->type == CONFIG_TYPE_LIST ? k->item->sub : k->sub;
}

static void hint_keys(struct config_reader *r, const struct config_schema *schema)
{
	size_t used = (size_t)snprintf(r->hint, sizeof(r->hint), "valid here:");

	for (unsigned i = 0; i < schema->n_keys && used < sizeof(r->hint); i++)
		used += (size_t)snprintf(r->hint + used, sizeof(r->hint) - used, "%s %s",
			i > 0 ? "," : "", schema->keys[i].name);
}

static int unknown_key(
	struct config_reader *r, const struct config_node *n, const struct config_schema *schema)
{
	struct config_nearest near = {.word = n->key, .len = strlen(n->key)};
	size_t len = strlen(r->path);

	for (unsigned i = 0; i < schema->n_keys; i++)
		config_nearest_offer(&near, schema->keys[i].name);
	hint_keys(r, schema);
	for (unsigned i = 0; i < r->schema->n_keys; i++) {
		const struct config_schema *sub = sub_of(&r->schema->keys[i]);

		if (sub != NULL && sub != schema && find_key(sub, n->key) != NULL) {
			config_reader_hint(
				r, "'%s' belongs in section '%s'", n->key, r->schema->keys[i].name);
			break;
		}
	}
	if (schema != r->schema && find_key(r->schema, n->key) != NULL)
		config_reader_hint(
			r, "'%s' is a section of its own: move it to the left margin", n->key);
	if (near.best != NULL)
		config_reader_hint(r, "did you mean '%s'?", near.best);
	r->at = n->key_at;
	config_reader_fail(r, "unknown key '%s' in %s", n->key, len > 0 ? r->path : "the file");
	snprintf(r->err->key, sizeof(r->err->key), "%s%s%.100s", r->path, len > 0 ? "." : "",
		n->key);
	return -EINVAL;
}

static int wrong_kind(
	struct config_reader *r, const struct config_node *n, const char *wanted, const char *hint)
{
	r->at = n->at;
	config_reader_hint(r, "%s", hint);
	if (n->kind == CONFIG_NODE_NULL) {
		config_reader_hint(r, "give it %s, or remove the line", wanted);
		return config_reader_fail(r, "%s has no value", r->path);
	}
	return config_reader_fail(
		r, "%s must be %s, not %s", r->path, wanted, config_node_kind_name(n->kind));
}

static int read_list(struct config_reader *r, const struct config_node *n,
	const struct config_key *k, void *base)
{
	unsigned char *items = NULL;
	unsigned i = 0;
	int ret;

	if (n->kind != CONFIG_NODE_LIST)
		return wrong_kind(r, n, "a list",
			k->item->type == CONFIG_TYPE_MAP
				? "begin each item on a line of its own with '- '"
				: "write it in brackets: [a, b]");
	r->at = n->at;
	if (n->n < k->min) {
		config_reader_hint(r, "give at least %u", k->min);
		return config_reader_fail(
			r, "%s %s", r->path, n->n == 0 ? "is empty" : "is too short");
	}
	if (n->n > k->max) {
		config_reader_hint(r, "at most %u fit", k->max);
		return config_reader_fail(r, "%s has %u items", r->path, n->n);
	}
	if (n->n > 0) {
		items = config_arena_alloc(r->arena, n->n * k->item->size);
		if (items == NULL)
			return -ENOMEM;
	}
	for (const struct config_node *c = n->first; c != NULL; c = c->next, i++) {
		size_t len = path_push_index(r, i);

		ret = read_value(r, c, k->item, items + i * k->item->size);
		if (ret < 0)
			return ret;
		r->path[len] = '\0';
	}
	memcpy((char *)base + k->offset, &items, sizeof(items));
	memcpy((char *)base + k->count_offset, &n->n, sizeof(n->n));
	return 0;
}

static int read_value(struct config_reader *r, const struct config_node *n,
	const struct config_key *k, void *base)
{
	int ret;

	if (k->type == CONFIG_TYPE_SKIP)
		return 0;
	if (k->type == CONFIG_TYPE_MAP)
		return read_map(r, n, k->sub, (char *)base + k->offset);
	if (k->type == CONFIG_TYPE_LIST)
		return read_list(r, n, k, base);
	if (n->kind != CONFIG_NODE_SCALAR)
		return wrong_kind(r, n, config_scalar_wanted(k->type),
			"write it as 'key: value' on one line");
	r->at = n->at;
	r->hint[0] = '\0';
	ret = config_scalar_read(r, n, k, (char *)base + k->offset);
	if (ret == 0 && k->has_flag)
		*(bool *)((char *)base + k->flag_offset) = true;
	return ret;
}

static void set_default(struct config_reader *r, const struct config_key *k, void *base)
{
	struct config_node n = {.kind = CONFIG_NODE_SCALAR, .text = k->dflt};
	int ret;

	n.len = strlen(n.text);
	ret = config_scalar_read(r, &n, k, (char *)base + k->offset);
	// The table is ours: a default it refuses is a bug, and the unit tests read every one.
	assert(ret == 0);
	(void)ret;
}

static int missing_key(struct config_reader *r, const struct config_node *n,
	const struct config_schema *schema, const struct config_key *k)
{
	r->at = n->key != NULL ? n->key_at : n->at;
	if (n == r->root)
		r->at = (struct config_mark){.line = 1, .column = 1};
	config_reader_hint(r, "add '%s:'%s%.150s", k->name, k->doc != NULL ? "; " : "",
		k->doc != NULL ? k->doc : "");
	r->hint[strcspn(r->hint, "\n")] = '\0';
	if (n == r->root)
		return config_reader_fail(r, "the file has no section '%s'", k->name);
	return config_reader_fail(r, "%s %s has no '%s'", schema->name, r->path, k->name);
}

static int read_map(struct config_reader *r, const struct config_node *n,
	const struct config_schema *schema, void *base)
{
	const struct config_key *k;
	int ret;

	if (n->kind == CONFIG_NODE_SCALAR && schema->shorthand != NULL)
		k = find_key(schema, schema->shorthand);
	else
		k = NULL;
	if (k == NULL && n->kind != CONFIG_NODE_MAP)
		return wrong_kind(r, n, "a mapping of keys", "indent 'key: value' lines below it");
	for (unsigned i = 0; i < schema->n_keys; i++) {
		if (schema->keys[i].dflt != NULL)
			set_default(r, &schema->keys[i], base);
		// Keys of an absent section have their defaults all the same.
		if (schema->keys[i].type == CONFIG_TYPE_MAP && !schema->keys[i].required &&
			config_tree_get(n, schema->keys[i].name) == NULL) {
			static const struct config_node empty = {.kind = CONFIG_NODE_MAP};

			ret = read_map(r, &empty, schema->keys[i].sub,
				(char *)base + schema->keys[i].offset);
			if (ret < 0)
				return ret;
		}
	}
	if (k != NULL)
		return read_value(r, n, k, base);
	for (const struct config_node *c = n->first; c != NULL; c = c->next) {
		size_t len;

		k = find_key(schema, c->key);
		if (k == NULL)
			return unknown_key(r, c, schema);
		len = path_push_key(r, c->key);
		ret = read_value(r, c, k, base);
		if (ret < 0)
			return ret;
		r->path[len] = '\0';
	}
	for (unsigned i = 0; i < schema->n_keys; i++) {
		if (schema->keys[i].required && config_tree_get(n, schema->keys[i].name) == NULL)
			return missing_key(r, n, schema, &schema->keys[i]);
	}
	return 0;
}

int config_reader_run(struct config_reader *r, void *base)
{
	int ret = config_source_check(r->src, r->err);

	if (ret == 0)
		ret = config_tree_build(r->src, r->arena, &r->root, r->err);
	if (ret == 0)
		ret = read_map(r, r->root, r->schema, base);
	if (ret == -ENOMEM)
		config_source_fail(
			r->src, (struct config_mark){0}, NULL, NULL, r->err, "out of memory");
	return ret;
}
