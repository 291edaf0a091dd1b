// SPDX-License-Identifier: BSD-3-Clause
//
// An interface of this host itself: frames that the host sends on it come out here, and the other
// way. With super-frames the host's TCP and UDP hand over up to 64 KB at once and get as much
// (gso.h), so that what each of its packets costs is paid once for forty.
//
// Opened on main; each queue is one descriptor and belongs to one worker. Floor 4.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct port;
struct port_rt;
struct rte_mempool;

struct tap_options {
	const char *port;      // its name, for errors
	const char *interface; // to be made
	const uint8_t *mac;    // or NULL: the kernel's choice
	uint16_t mtu;
	uint16_t n_queues;
	struct rte_mempool *pool;
	struct rte_mempool *super_pool; // NULL: no super-frames, no offloads
};

// Make the interface, bring it up, and make port's rx and tx use it; fds has room for n_queues.
// errors: -errno, with a sentence in why (PORT_WHY_BYTES).
int port_tap_open(const struct tap_options *o, struct port *port, int *fds, char *why);
void port_tap_close(struct port *port);
