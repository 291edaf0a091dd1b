// SPDX-License-Identifier: BSD-3-Clause
#include "config/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libfyaml.h>

struct builder {
	const struct config_source *src;
	struct config_arena *arena;
	struct config_error *err;
	struct config_node *stack[CONFIG_TREE_DEPTH_MAX];
	const struct config_node *pending[CONFIG_TREE_DEPTH_MAX]; // key read, value to come
	struct config_node *root;
	unsigned depth;
	unsigned n_nodes;
	unsigned n_documents;
};

static struct config_mark mark_of(const struct fy_mark *m)
{
	if (m == NULL)
		return (struct config_mark){.line = 1, .column = 1};
	return (struct config_mark){
		.line = (unsigned)m->line + 1, .column = (unsigned)m->column + 1};
}

// libfyaml marks what follows an indicator; people look for the indicator: a quote, '&', '*'.
static struct config_mark before(struct config_mark at)
{
	at.column -= at.column > 1;
	return at;
}

static struct config_mark event_mark(struct fy_event *ev)
{
	struct config_mark at = mark_of(fy_event_start_mark(ev));
	enum fy_scalar_style style = FYSS_PLAIN;

	if (ev->type == FYET_ALIAS)
		return before(at);
	if (ev->type == FYET_SCALAR && ev->scalar.value != NULL)
		style = fy_token_scalar_style(ev->scalar.value);
	return style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED ? before(at) : at;
}

static int refuse(struct builder *b, struct config_mark at, const char *hint, const char *message)
{
	return config_source_fail(b->src, at, NULL, hint, b->err, "%s", message);
}

static bool is_null_word(const char *text, size_t len)
{
	return len == 0 || (len == 1 && text[0] == '~') ||
	       (len == 4 && memcmp(text, "null", 4) == 0);
}

// Walk a scalar's text, which dies with its event, and copy it unless copy is NULL.
//
// Chunk by chunk, because fy_token_get_text() of libfyaml 0.7.12 loses memory when a quoted text
// has many escapes.
static int walk_text(struct fy_token *token, char *copy, size_t *ret_len)
{
	struct fy_token_iter *iter = fy_token_iter_create(token);
	const struct fy_iter_chunk *chunk = NULL;
	size_t len = 0;
	int err = 0;

	if (iter == NULL)
		return -ENOMEM;
	while ((chunk = fy_token_iter_chunk_next(iter, chunk, &err)) != NULL) {
		if (copy != NULL)
			memcpy(copy + len, chunk->str, chunk->len);
		len += chunk->len;
	}
	fy_token_iter_destroy(iter);
	*ret_len = len;
	return err != 0 ? -ENOMEM : 0;
}

static int copy_text(struct builder *b, struct fy_token *token, struct config_node *n)
{
	char *copy;
	size_t len = 0;
	int ret = token != NULL ? walk_text(token, NULL, &len) : 0;

	if (ret < 0)
		return ret;
	copy = config_arena_alloc(b->arena, len + 1);
	if (copy == NULL)
		return -ENOMEM;
	if (len > 0)
		ret = walk_text(token, copy, &len);
	n->text = copy;
	n->len = len;
	return ret;
}

static int make_node(struct builder *b, struct fy_event *ev, struct config_node **ret)
{
	struct config_node *n;
	int err;

	if (++b->n_nodes > CONFIG_TREE_NODES_MAX)
		return refuse(b, event_mark(ev), NULL, "too many values for a configuration");
	n = config_arena_alloc(b->arena, sizeof(*n));
	if (n == NULL)
		return -ENOMEM;
	n->at = event_mark(ev);
	if (ev->type == FYET_MAPPING_START || ev->type == FYET_SEQUENCE_START) {
		n->kind = ev->type == FYET_MAPPING_START ? CONFIG_NODE_MAP : CONFIG_NODE_LIST;
		*ret = n;
		return 0;
	}
	err = copy_text(b, ev->scalar.value, n);
	if (err < 0)
		return err;
	n->quoted =
		ev->scalar.value != NULL && fy_token_scalar_style(ev->scalar.value) != FYSS_PLAIN;
	for (size_t i = 0; i < n->len; i++) {
		if ((unsigned char)n->text[i] < ' ' || n->text[i] == 0x7f)
			return refuse(b, n->at, "write it on one line, without escapes",
				"a value must be one line of plain text");
	}
	n->kind =
		!n->quoted && is_null_word(n->text, n->len) ? CONFIG_NODE_NULL : CONFIG_NODE_SCALAR;
	*ret = n;
	return 0;
}

static int accept_key(struct builder *b, struct config_node *map, struct config_node *key)
{
	if (key->kind != CONFIG_NODE_SCALAR)
		return refuse(b, key->at, "keys are plain words", "this cannot be a key");
	if (map->n >= CONFIG_TREE_MAP_KEYS_MAX)
		return refuse(b, key->at, NULL, "too many keys in one section");
	for (const struct config_node *c = map->first; c != NULL; c = c->next) {
		char hint[64];

		if (strcmp(c->key, key->text) != 0)
			continue;
		snprintf(hint, sizeof(hint), "it was first given in line %u", c->key_at.line);
		return config_source_fail(
			b->src, key->at, key->text, hint, b->err, "duplicate key '%s'", key->text);
	}
	// An empty mapping takes the place of its first key: libfyaml marks a block by its end of
	// key.
	if (map->n == 0 && map->key == NULL)
		map->at = key->at;
	b->pending[b->depth - 1] = key;
	return 0;
}

// Hang a value (or a key) where it belongs; containers are then opened.
static int place(struct builder *b, struct config_node *n)
{
	struct config_node *parent = b->depth > 0 ? b->stack[b->depth - 1] : NULL;
	bool opens = n->kind == CONFIG_NODE_MAP || n->kind == CONFIG_NODE_LIST;

	if (parent == NULL) {
		b->root = n;
	} else if (parent->kind == CONFIG_NODE_MAP && b->pending[b->depth - 1] == NULL) {
		return accept_key(b, parent, n);
	} else {
		if (parent->kind == CONFIG_NODE_MAP) {
			n->key = b->pending[b->depth - 1]->text;
			n->key_at = b->pending[b->depth - 1]->at;
			b->pending[b->depth - 1] = NULL;
			if (opens || n->kind == CONFIG_NODE_NULL)
				n->at = n->key_at;
		}
		if (parent->last != NULL)
			parent->last->next = n;
		else
			parent->first = n;
		parent->last = n;
		parent->n++;
	}
	if (!opens)
		return 0;
	if (b->depth == CONFIG_TREE_DEPTH_MAX)
		return refuse(b, n->at, "no section goes that deep", "nested too deeply");
	b->pending[b->depth] = NULL;
	b->stack[b->depth++] = n;
	return 0;
}

static int take_event(struct builder *b, struct fy_event *ev)
{
	struct config_node *n = NULL;
	struct fy_token *t;
	int ret;

	switch (ev->type) {
	case FYET_DOCUMENT_START:
		if (b->n_documents++ > 0)
			return refuse(b, event_mark(ev),
				"one file holds one configuration: remove the '---'",
				"a second YAML document begins here");
		return 0;
	case FYET_ALIAS:
		return refuse(b, event_mark(ev), "write the value out",
			"aliases (*name) are not allowed");
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		b->depth--;
		return 0;
	case FYET_MAPPING_START:
	case FYET_SEQUENCE_START:
	case FYET_SCALAR:
		t = fy_event_get_anchor_token(ev);
		if (t != NULL)
			return refuse(b, before(mark_of(fy_token_start_mark(t))),
				"remove it and write values out",
				"anchors (&name) are not allowed");
		t = fy_event_get_tag_token(ev);
		if (t != NULL)
			return refuse(b, mark_of(fy_token_start_mark(t)), "remove it",
				"tags (!name) are not allowed");
		ret = make_node(b, ev, &n);
		return ret < 0 ? ret : place(b, n);
	default:
		return 0;
	}
}

// The first complaint of libfyaml, in its own words.
static int syntax_error(struct builder *b, struct fy_diag *diag)
{
	struct config_mark at = {.line = 1, .column = 1};
	const struct fy_diag_error *e;
	const char *message = "this is not YAML";
	const char *hint =
		"check indentation, quotes and brackets, and that every key is followed by ': '";
	void *prev = NULL;
	char text[CONFIG_ERROR_TEXT];
	int ret;

	e = fy_diag_errors_iterate(diag, &prev);
	if (e != NULL && e->msg != NULL && e->line >= 0) {
		at = (struct config_mark){.line = (unsigned)e->line, .column = (unsigned)e->column};
		at.line += at.line == 0;
		at.column += at.column == 0;
		snprintf(text, sizeof(text), "YAML syntax: %s", e->msg);
		text[strcspn(text, "\n")] = '\0';
		message = text;
	}
	ret = refuse(b, at, hint, message);
	return ret;
}

static int run_parser(struct builder *b, struct fy_parser *parser, struct fy_diag *diag)
{
	struct fy_event *ev;
	int ret = 0;

	while (ret == 0 && (ev = fy_parser_parse(parser)) != NULL) {
		ret = take_event(b, ev);
		fy_parser_event_free(parser, ev);
	}
	if (ret == 0 && (fy_parser_get_stream_error(parser) || fy_diag_got_error(diag)))
		ret = syntax_error(b, diag);
	return ret;
}

int config_tree_build(const struct config_source *src, struct config_arena *arena,
	struct config_node **ret_root, struct config_error *err)
{
	struct builder b = {.src = src, .arena = arena, .err = err};
	struct fy_diag_cfg dcfg;
	struct fy_parse_cfg pcfg = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE};
	struct fy_parser *parser = NULL;
	struct fy_diag *diag;
	int ret = -ENOMEM;

	fy_diag_cfg_default(&dcfg);
	dcfg.fp = NULL;
	dcfg.colorize = false;
	diag = fy_diag_create(&dcfg);
	if (diag == NULL)
		return -ENOMEM;
	fy_diag_set_collect_errors(diag, true);
	pcfg.diag = diag;
	parser = fy_parser_create(&pcfg);
	if (parser == NULL || fy_parser_set_string(parser, src->text, src->len) != 0)
		goto out;
	ret = run_parser(&b, parser, diag);
	if (ret == 0 && (b.root == NULL || b.root->kind == CONFIG_NODE_NULL))
		ret = config_source_fail(src, (struct config_mark){0}, NULL,
			"start from one of the examples in config/", err, "the file is empty");
	if (ret == 0 && b.root->kind != CONFIG_NODE_MAP)
		ret = refuse(&b, b.root->at, "begin with a section such as 'gateway:'",
			"the file must be a mapping of sections");
	if (ret == 0)
		*ret_root = b.root;
out:
	fy_parser_destroy(parser);
	fy_diag_destroy(diag);
	return ret;
}

const struct config_node *config_tree_get(const struct config_node *map, const char *key)
{
	if (map->kind != CONFIG_NODE_MAP)
		return NULL;
	for (const struct config_node *c = map->first; c != NULL; c = c->next) {
		if (strcmp(c->key, key) == 0)
			return c;
	}
	return NULL;
}

static const struct config_node *list_item(const struct config_node *list, unsigned long idx)
{
	const struct config_node *c = list->kind == CONFIG_NODE_LIST ? list->first : NULL;

	while (c != NULL && idx-- > 0)
		c = c->next;
	return c;
}

bool config_tree_find(
	const struct config_node *root, const char *path, const struct config_node **ret_node)
{
	const struct config_node *n = root;

	*ret_node = root;
	while (*path != '\0') {
		if (*path == '[') {
			char *end;

			n = list_item(n, strtoul(path + 1, &end, 10));
			path = *end == ']' ? end + 1 : end;
		} else {
			char key[CONFIG_ERROR_KEY];
			size_t len = strcspn(path, ".[");

			if (len >= sizeof(key))
				return false;
			memcpy(key, path, len);
			key[len] = '\0';
			n = config_tree_get(n, key);
			path += len;
		}
		if (n == NULL)
			return false;
		*ret_node = n;
		path += *path == '.';
	}
	return true;
}

const char *config_node_kind_name(enum config_node_kind kind)
{
	static const char *const names[] = {
		[CONFIG_NODE_NULL] = "nothing",
		[CONFIG_NODE_SCALAR] = "a single value",
		[CONFIG_NODE_LIST] = "a list",
		[CONFIG_NODE_MAP] = "a mapping",
	};

	return names[kind];
}
