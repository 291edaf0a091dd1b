// SPDX-License-Identifier: BSD-3-Clause
//
// What postern-dataplane may do once it forwards: no capability, no file, these system calls.
// Main thread. Floor 4.
#pragma once

#include "dataplane/port.h"
#include "sandbox/sandbox.h"

struct dataplane_config;
struct runtime;

#define POLICY_LISTS_MAX 5

// The lists that hold for these ports: that of every data-plane first, then what kinds of
// ports add. Returns how many.
unsigned policy_lists(const struct port_rt *ports, unsigned n_ports,
	struct sandbox_list ret_lists[POLICY_LISTS_MAX]);

// Give everything up. Sockets, maps and memory stay open. errors: -errno.
int policy_enter(const struct runtime *rt);

// The same for the janitor, which keeps CAP_NET_ADMIN and what taking a program off needs.
int policy_enter_janitor(const struct dataplane_config *cfg);
