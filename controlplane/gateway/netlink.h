// SPDX-License-Identifier: BSD-3-Clause
//
// The kernel's routes, neighbours and addresses, read over netlink: the data-plane sends complete
// Ethernet frames and never asks the kernel anything, so control finds every next hop for it.
//
// Loop thread only. Floor 4. Needs CAP_NET_ADMIN to start neighbour resolution.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "config/types.h"

#define NETLINK_ADDRS_MAX 32

struct netlink_link {
	uint32_t ifindex;
	uint8_t mac[6];
	uint16_t mtu;
	bool up;
};

// What an outer header needs to reach one destination.
struct netlink_hop {
	uint32_t ifindex;
	uint8_t src_mac[6];
	uint8_t dst_mac[6];
	uint16_t mtu; // bytes of IP the way takes: the route's MTU if it has one, else the link's
	struct config_addr src;
};

struct netlink;

// Something a hop may depend on has changed: ask again for every path in use. Called once per burst
// of changes, from the loop, never from inside a netlink_ function.
typedef void netlink_changed_fn(void *ctx);

int netlink_create(uv_loop_t *loop, netlink_changed_fn *changed, void *ctx, struct netlink **ret);
void netlink_destroy(struct netlink *nl);

// Facts of an interface by name. -ENODEV when it does not exist.
int netlink_link_get(struct netlink *nl, const char *name, struct netlink_link *ret_link);

// Addresses of an interface a peer could reach: neither loopback, link-local, multicast nor
// tentative. Returns how many were written.
int netlink_addrs_get(
	struct netlink *nl, uint32_t ifindex, struct config_addr *ret_addrs, size_t max);

// The way to dst out of one interface.
//
// errors:  -EAGAIN       the neighbour is being resolved; changed() follows
//          -EXDEV        the kernel's route leaves by another interface
//          -ENETUNREACH  no route, or the route refuses
int netlink_resolve(struct netlink *nl, const struct netlink_link *link,
	const struct config_addr *dst, struct netlink_hop *ret_hop);

// The same without a neighbour, for a port whose frames the kernel finds the way for: the hop's
// MACs are zero. Never -EAGAIN.
int netlink_route(struct netlink *nl, const struct netlink_link *link,
	const struct config_addr *dst, struct netlink_hop *ret_hop);

// Ask the kernel to confirm a hop's neighbour again, as traffic of its own would: called now and
// then for paths in use, because the kernel does not see what the data-plane sends.
void netlink_refresh(
	struct netlink *nl, const struct netlink_link *link, const struct config_addr *dst);
