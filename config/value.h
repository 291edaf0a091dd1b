// SPDX-License-Identifier: BSD-3-Clause
//
// Readers of single values: text in, a checked value or -EINVAL out, nothing else touched.
//
// Floor 1. Pure.
#pragma once

#include "config/types.h"

// A whole decimal number without sign or leading zeros. errors: -EINVAL, -ERANGE above 2^32-1
int config_value_number(const char *text, size_t len, uint32_t *ret);

// "02:00:5e:10:00:01", a single station's address: neither zero nor a group.
int config_value_mac(const char *text, size_t len, uint8_t ret_mac[6]);

// 64 hex digits.
int config_value_hex32(const char *text, size_t len, uint8_t ret_bytes[32]);

int config_value_addr(const char *text, size_t len, struct config_addr *ret);

// "192.0.2.1/24"
int config_value_prefix(const char *text, size_t len, struct config_prefix *ret);

// A name of letters, digits, '.', '_' and '-' that begins with a letter or digit.
bool config_value_ident(const char *text, size_t len);

// What the kernel takes as an interface name, and no shell or log trips over.
bool config_value_ifname(const char *text, size_t len);

// An absolute path without "." and ".." components.
bool config_value_path(const char *text, size_t len);

bool config_addr_is_any(const struct config_addr *a);       // 0.0.0.0, ::
bool config_addr_is_multicast(const struct config_addr *a); // and IPv4 broadcast
bool config_addr_equal(const struct config_addr *a, const struct config_addr *b);
