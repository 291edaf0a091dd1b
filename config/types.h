// SPDX-License-Identifier: BSD-3-Clause
//
// Values that gateway and hub configuration share: addresses, bounds, and the facts of the machine
// that a file is checked against.
//
// Floor 1. Plain data, any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
	CONFIG_FILE_MAX_BYTES = 1 << 20,
	CONFIG_DNS_NAME_MAX = 253, // characters of a gateway, hub or network name
	CONFIG_IDENT_MAX = 31,     // characters of a port or segment name
	CONFIG_IFNAME_MAX = 15,
	CONFIG_PATH_MAX = 255,
	CONFIG_RUN_DIR_MAX = 80, // a Unix socket path of 107 must fit below it
	CONFIG_SECRET_MAX_BYTES = 4096,
	CONFIG_PORT_DEFAULT = 7667, // UDP port of the overlay, UDP and TCP port of a hub
};

// An IP address; family 4 uses the first four bytes, 0 means "not given".
struct config_addr {
	uint8_t family;    // 0, 4 or 6
	uint8_t bytes[16]; // network order
};

// An IP address with its prefix length, as `ip addr` writes it.
struct config_prefix {
	struct config_addr addr;
	uint8_t bits;
};

struct config_endpoint {
	struct config_addr addr;
	uint16_t port; // host order, never 0
};

enum { CONFIG_ENDPOINT_TEXT = 56 };

// Fill a socket address; returns its length.
socklen_t config_endpoint_sockaddr(
	const struct config_endpoint *ep, struct sockaddr_storage *ret_sa);

// Write "192.0.2.1:7667" or "[2001:db8::1]:7667"; returns buf.
const char *config_endpoint_format(
	const struct config_endpoint *ep, char buf[CONFIG_ENDPOINT_TEXT]);

// Read what config_endpoint_format() writes. default_port 0 makes ":port" mandatory.
//
// errors: -EINVAL, with *ret_ep untouched
int config_endpoint_parse(
	const char *text, size_t len, uint16_t default_port, struct config_endpoint *ret_ep);

// A lower-case DNS name of at most 253 characters: labels of a-z, 0-9 and inner '-', up to 63 each.
// The rule for every gateway, hub and network name, wherever it comes from.
bool config_name_valid(const char *text, size_t len);

// What the file is checked against that is not in the file. NULL members skip their check.
// config_env_host is this machine; tests bring their own.
struct config_env {
	void *ctx;
	// Whether the machine has this CPU, online.
	bool (*cpu_exists)(void *ctx, unsigned cpu);
	// Whether this process may run on it; only defaults ask, as the processes may be confined
	// differently.
	bool (*cpu_allowed)(void *ctx, unsigned cpu);
	// Look at a secret's file: 0 or -errno; mode as st_mode, size in bytes.
	int (*stat_secret)(void *ctx, const char *path, uint32_t *ret_mode, uint64_t *ret_bytes);
	// Whether this account exists.
	bool (*user_exists)(void *ctx, const char *name);
};

extern const struct config_env config_env_host;
