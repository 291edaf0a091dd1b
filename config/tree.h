// SPDX-License-Identifier: BSD-3-Clause
//
// A YAML document as a small tree in which every key and value knows its line and column.
//
// Only what a configuration needs: mappings with scalar keys, sequences, single-line scalars, one
// document. Anchors, aliases, tags and duplicate keys are refused where they stand, so the tree is
// never larger than the text. Floor 1. Not thread safe while it is built.
#pragma once

#include <stdbool.h>

#include "config/arena.h"
#include "config/source.h"

enum {
	CONFIG_TREE_DEPTH_MAX = 8,
	CONFIG_TREE_NODES_MAX = 100000,
	CONFIG_TREE_MAP_KEYS_MAX = 64, // bounds the search for duplicates
};

enum config_node_kind { CONFIG_NODE_NULL, CONFIG_NODE_SCALAR, CONFIG_NODE_LIST, CONFIG_NODE_MAP };

struct config_node {
	enum config_node_kind kind;
	bool quoted;      // a scalar in quotes or a block: always text
	const char *text; // scalar, NUL-terminated, no control characters
	size_t len;
	struct config_mark at;
	const char *key; // when this is a value of a mapping
	struct config_mark key_at;
	struct config_node *first, *last; // children, in file order
	struct config_node *next;
	unsigned n;
};

// Build the tree of a checked source in the arena. The root is a mapping.
//
// errors: -EINVAL with *err filled, -ENOMEM
int config_tree_build(const struct config_source *src, struct config_arena *arena,
	struct config_node **ret_root, struct config_error *err);

// The value of a key, or NULL.
const struct config_node *config_tree_get(const struct config_node *map, const char *key);

// Walk a path like "ports[1].mtu". Where it ends early, *ret_node is the last node that exists.
// Returns whether the whole path exists.
bool config_tree_find(
	const struct config_node *root, const char *path, const struct config_node **ret_node);

const char *config_node_kind_name(enum config_node_kind kind);
