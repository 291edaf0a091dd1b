// SPDX-License-Identifier: BSD-3-Clause
//
// A child that keeps CAP_NET_ADMIN and nothing else when the data-plane gives its privileges up, so
// that an orderly end can still take our XDP programs off the interfaces.
//
// It does so only when it is told to. When the data-plane is killed it just ends: then the programs
// stay, and keep dropping what nobody is there to receive. Main thread. Floor 4.
#pragma once

#include <stdint.h>

struct dataplane_config;
struct janitor;

// Fork it; before threads are made. errors: -errno.
int janitor_start(const struct dataplane_config *cfg, struct janitor **ret_janitor);

// Remember that this program is on this interface.
void janitor_add(struct janitor *j, unsigned ifindex, uint32_t prog_id, uint32_t flags);

// Take the remembered programs off, wait until that is done, and end it. Accepts NULL.
void janitor_clean(struct janitor *j);
