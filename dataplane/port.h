// SPDX-License-Identifier: BSD-3-Clause
//
// Ports: from a line of YAML to a DPDK ethdev that is running, or a sentence that says why not.
//
// Main thread, at start; afterwards a port is read only, and its queues belong to workers. An
// AF_XDP port is never closed and opened again in one process (the driver's multi-queue close uses
// freed memory): a change means a restart. Floor 4.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/gateway.h"
#include "dataplane/worker_types.h"
#include "dataplane/xdp.h"

struct rte_mempool;

struct port_pools {
	struct rte_mempool *pool;
	struct rte_mempool *super; // NULL: no super-frames
};

#define PORT_QUEUES_MAX 64
#define PORT_WHY_BYTES  512

// What is worth knowing about a port beside what the frame path needs (struct port).
struct port_rt {
	const struct config_port *cfg;
	enum config_port_kind kind; // that it became: udp where AF_XDP was refused
	unsigned ifindex;           // AF_XDP: of the kernel interface
	uint16_t n_queues;
	int queue_fd[PORT_QUEUES_MAX]; // to wait on; -1 where there is none
	struct xdp_maps xdp;
	char ifname[16];
	bool has_exception;
	struct port exception; // a tap
};

// Make the packet pool that suits all ports. errors: -ENOMEM, with a sentence in why.
int port_pool_create(const struct dataplane_config *cfg, struct rte_mempool **ret_pool,
	char why[PORT_WHY_BYTES]);

// Buffers for super-frames, if a port of the configuration is to have them and there is memory;
// else NULL.
struct rte_mempool *port_super_pool_create(const struct dataplane_config *cfg);

// What of a port can be checked before DPDK starts: interface, MTU, queues, privilege, a foreign
// XDP program; takes our own stale one off. errors: -errno, with a sentence in why.
int port_prepare(const struct config_port *cfg, struct port_rt *rt, char why[PORT_WHY_BYTES]);

// Open and start it. `idx` is its place in the YAML; busy_poll: workers have their CPUs to
// themselves. errors: -errno, with a sentence in why.
int port_open(const struct config_port *cfg, uint8_t idx, const struct port_pools *pools,
	bool busy_poll, struct port *ret_port, struct port_rt *rt, char why[PORT_WHY_BYTES]);

// Stop a port, at the end of the process; our program is taken off an AF_XDP interface.
void port_close(struct port *port, struct port_rt *rt);
