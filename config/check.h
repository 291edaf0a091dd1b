// SPDX-License-Identifier: BSD-3-Clause
//
// What no single value shows: contradictions between them. Each returns 0, or -EINVAL with r->err
// filled; each also resolves the names it checked into indexes and ids.
//
// Floor 1. Not thread safe.
#pragma once

#include "config/gateway.h"
#include "config/hub.h"
#include "config/reader.h"

// What a key cannot be with another: refuse paths that the file gives although they have no
// meaning.
int config_check_unused(struct config_reader *r, const char *path, const char *why);

int config_check_ports(struct config_reader *r, struct dataplane_config *dp);
int config_check_segments(struct config_reader *r, struct dataplane_config *dp);
int config_check_dataplane(struct config_reader *r, struct dataplane_config *dp);
int config_check_peers(struct config_reader *r, struct gateway_config *cfg);
int config_check_gateway(struct config_reader *r, struct gateway_config *cfg);
int config_check_hub(struct config_reader *r, struct hub_config *cfg);

// Exactly one way to open the key: section is "identity" or "authority".
int config_check_key_source(struct config_reader *r, const char *section,
	const char *passphrase_file, const char *credential);

// Fill accounts that are not given with their defaults, where there are such accounts. The second,
// of this key, is neither root nor the first.
int config_check_accounts(struct config_reader *r, const char **user, const char *user_dflt,
	const char **apart, const char *key, const char *apart_dflt);

// An address that can be sent to.
int config_check_destination(struct config_reader *r, const struct config_endpoint *ep);

enum config_secret_kind {
	CONFIG_SECRET_PASSPHRASE,
	CONFIG_SECRET_KEY, // 32 bytes, or 64 hex digits
};

// A secret's file, checked last of all: it exists, opens, and nobody else can open it. file NULL is
// right, as none is needed.
int config_check_secret(
	struct config_reader *r, const char *key, const char *file, enum config_secret_kind kind);
