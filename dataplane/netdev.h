// SPDX-License-Identifier: BSD-3-Clause
//
// A kernel interface under an AF_XDP port: what it is, whether it can serve, and the offloads that
// must be off before frames may bypass the kernel.
//
// Main thread, at start. Floor 3. Nothing here logs; errors are -errno.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct netdev {
	unsigned ifindex;
	unsigned mtu;
	bool up;
	uint8_t mac[6];
	unsigned n_queues; // combined channels; 1 where the driver tells none
};

// errors: -ENODEV no such interface.
int netdev_read(const char *ifname, struct netdev *ret_dev);

int netdev_set_up(const char *ifname);

// Switch off what changes frames behind our back: VLAN tags kept outside the frame, and frames
// merged on receipt. What the driver cannot do or does not know is no error.
void netdev_offloads_off(const char *ifname);

// Claim an interface for this process and its network namespace until it ends.
// errors: -EADDRINUSE another data-plane has it.
int netdev_claim(unsigned ifindex);

// Bind the overlay port in the kernel and never read from it, so that the kernel has a socket to
// drop a stray datagram into instead of answering "port unreachable". Kept until the process ends.
// errors: -errno of bind; -EADDRINUSE means that somebody else already does so.
int netdev_reserve_port(int family, uint16_t be_port);
