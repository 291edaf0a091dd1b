// SPDX-License-Identifier: BSD-3-Clause
//
// What a reload would change: the keys that differ between two gateway configurations, and which
// processes must be restarted before each can apply.
//
// Floor 1. Pure.
#pragma once

#include "config/gateway.h"
#include "config/schema.h"

enum { CONFIG_DIFF_MAX = 64 };

enum config_change_kind { CONFIG_CHANGED, CONFIG_ADDED, CONFIG_REMOVED };

struct config_change {
	enum config_change_kind kind;
	enum config_restart restart; // CONFIG_RELOAD_LIVE, or who must restart first
	char key[CONFIG_ERROR_KEY];  // "peers[site-b].cipher": items by name; no values, so no
				     // secrets
};

struct config_diff {
	enum config_restart restart; // all changes together
	bool live;                   // at least one change can apply at once
	unsigned n_changes;          // all of them; the first CONFIG_DIFF_MAX are listed
	struct config_change changes[CONFIG_DIFF_MAX];
};

// Compare two loaded configurations. Lists of named items (ports, segments, peers) are compared by
// name; only for ports the order counts too, as counters and paths know them by index.
void config_diff_gateway(const struct gateway_config *old, const struct gateway_config *new,
	struct config_diff *ret);

// "peers[site-b].cipher changed", "peers[site-c] added"; returns buf.
const char *config_change_format(const struct config_change *c, char *buf, size_t size);
