// SPDX-License-Identifier: BSD-3-Clause
//
// The exception interface of a WAN port that a DPDK driver took from the kernel: a tap
// that carries the port's addresses in the kernel, so that ARP, ssh and everything else that is not
// overlay goes on working through it, both ways.
//
// Opened on main at start; then each worker has a queue of its own. Floor 4.
#pragma once

#include <stdint.h>

struct config_port;
struct port_rt;
struct rte_mbuf;
struct rte_mempool;
struct runtime;
struct worker;
struct worker_rt;

// Make the interface cfg->interface with the port's MAC and MTU, n_workers queues.
// errors: -errno, with a sentence in why (PORT_WHY_BYTES).
int exception_open(struct runtime *rt, unsigned port_idx, char *why);

// The hook of worker_types.h: a WAN frame that is not for the overlay.
void exception_foreign(struct worker *w, struct rte_mbuf *m, uint8_t port_idx);

// Send what the kernel has for WAN ports. Returns how many frames.
unsigned exception_run(struct worker_rt *rt);
