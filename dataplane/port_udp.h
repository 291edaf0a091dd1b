// SPDX-License-Identifier: BSD-3-Clause
//
// A WAN port on a kernel UDP socket, for hosts where neither a driver nor AF_XDP is to be had. The
// kernel routes, fragments nothing (DF), and carries up to 64 datagrams in one system call
// (UDP_SEGMENT, UDP_GRO).
//
// To the frame path it is a port like any other: it takes and gives whole frames, whose Ethernet
// and IP headers here only carry addresses. What the socket's filter lets in has the shape of one
// of our datagrams; a stranger's is discarded by the kernel, and a bound socket answers nobody.
//
// Opened on main; each queue is one socket and belongs to one worker. Floor 4.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct config_port;
struct port;
struct port_rt;
struct rte_mempool;

// Open n_queues sockets bound to the interface of cfg, and make ret_port's rx and tx use them.
// errors: -errno, with a sentence in why (PORT_WHY_BYTES).
int port_udp_open(const struct config_port *cfg, struct rte_mempool *pool, struct port *port,
	struct port_rt *rt, char *why);
void port_udp_close(struct port *port);
