// SPDX-License-Identifier: BSD-3-Clause
//
// The one table per file kind that parsing, error texts, reload rules and documentation come from.
//
// Floor 1. Constant data.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_type {
	CONFIG_TYPE_BOOL,       // bool
	CONFIG_TYPE_NUMBER,     // uint8_t, uint16_t, uint32_t by size; min..max
	CONFIG_TYPE_ENUM,       // enum, the index in words
	CONFIG_TYPE_NAME,       // const char *: DNS name
	CONFIG_TYPE_IDENT,      // const char *: name of a port or segment
	CONFIG_TYPE_INTERFACE,  // const char *
	CONFIG_TYPE_TEXT,       // const char *: printable, at most max characters
	CONFIG_TYPE_USER,       // const char *: an account that exists
	CONFIG_TYPE_PATH,       // const char *: absolute, at most max characters
	CONFIG_TYPE_SECRET,     // const char *: absolute path of a file closed to others
	CONFIG_TYPE_CREDENTIAL, // const char *: name of a systemd credential
	CONFIG_TYPE_CPU,        // uint16_t: a CPU of this machine
	CONFIG_TYPE_PREFIX,     // struct config_prefix
	CONFIG_TYPE_ENDPOINT,   // struct config_endpoint, port CONFIG_PORT_DEFAULT unless given
	CONFIG_TYPE_MAC,        // uint8_t[6]
	CONFIG_TYPE_KEY,        // uint8_t[32] as hex
	CONFIG_TYPE_MAP,        // sub, fields of the enclosing struct (or of a list's item)
	CONFIG_TYPE_LIST,       // pointer at offset, unsigned at count_offset; item; min..max items
	CONFIG_TYPE_SKIP,       // a section this process must not look at
};

// What a changed value asks of a running gateway; flags.
enum config_restart {
	CONFIG_RELOAD_LIVE = 0,
	CONFIG_RESTART_CONTROL = 1,
	CONFIG_RESTART_DATAPLANE = 2,
	CONFIG_RESTART_BOTH = 3,
};

struct config_schema;

struct config_key {
	const char *name;
	enum config_type type;
	size_t offset;
	size_t size; // of the field; of one item for an item
	size_t count_offset;
	bool has_flag;
	size_t flag_offset; // a bool that tells "given"
	uint32_t min, max;
	const char *const *words; // NULL-terminated
	const struct config_schema *sub;
	const struct config_key *item;
	bool required;
	bool ordered; // a list whose items are known by their index
	enum config_restart restart;
	const char *dflt;     // parsed as if it stood in the file
	const char *dflt_doc; // said instead, where the default is computed or means absence
	const char *doc;      // for docs/configuration.md, sentences
};

struct config_schema {
	const char *name; // "port": what one of these is called in messages
	const char *doc;
	const struct config_key *keys;
	unsigned n_keys;
	const char *shorthand; // a single value stands for a mapping with only this key
	const char *identity;  // the key that tells items of a list apart
	size_t size;           // of the struct of a list's item
};

extern const struct config_schema config_gateway_schema; // struct gateway_config
extern const struct config_schema
	config_dataplane_schema;                     // the same struct, other sections skipped
extern const struct config_schema config_hub_schema; // struct hub_config
