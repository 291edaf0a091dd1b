// SPDX-License-Identifier: BSD-3-Clause
//
// From an address to a frame's headers, and datagrams on their way out: first until what guards
// against replay is on disk, then until their next hop is known.
#include "controlplane/gateway/control.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/common/clock.h"
#include "config/log.h"

#define WAIT_US    1000000ull  // a datagram waits this long for its neighbour
#define REFRESH_US 15000000ull // neighbours of paths in use are confirmed this often
#define OUTBOX_MAX 4096

void paths_links(struct control *c)
{
	const struct link_hello *hello = dplink_hello(c->dplink);

	memset(c->link, 0, sizeof(c->link));
	for (unsigned i = 0; hello != NULL && i < hello->n_ports; i++) {
		if (hello->port[i].role == LINK_ROLE_WAN && hello->port[i].ifname[0] != '\0')
			netlink_link_get(c->netlink, hello->port[i].ifname, &c->link[i]);
	}
}

static const struct config_port *port_config(const struct control *c, const struct link_port *port)
{
	return config_port_by_name(&c->config->dataplane, port->name);
}

unsigned paths_source_ports(const struct control *c, unsigned port_idx)
{
	const struct link_port *port = &dplink_hello(c->dplink)->port[port_idx];
	const struct config_port *cfg = port_config(c, port);

	// A socket, also in place of a refused AF_XDP, sends from its own port alone.
	if (cfg == NULL || port->role != LINK_ROLE_WAN || port->kind == LINK_KIND_UDP)
		return 1;
	return cfg->source_ports;
}

// A WAN port without the kernel: addresses and the one neighbour are in the YAML.
static int resolve_fixed(
	const struct config_port *port, const struct config_endpoint *to, struct path_desc *desc)
{
	for (unsigned i = 0; i < port->n_addresses; i++) {
		if (port->addresses[i].addr.family != to->addr.family)
			continue;
		if (!port->has_gateway_mac)
			return -EHOSTUNREACH;
		memcpy(desc->src_ip, port->addresses[i].addr.bytes, 16);
		memcpy(desc->dst_mac, port->gateway_mac, 6);
		desc->mtu = port->mtu;
		return 0;
	}
	return -ENETUNREACH;
}

static int resolve_kernel(struct control *c, unsigned port_idx, const struct config_endpoint *to,
	struct path_desc *desc)
{
	struct netlink_hop hop;
	int err = netlink_resolve(c->netlink, &c->link[port_idx], &to->addr, &hop);

	if (err < 0)
		return err;
	memcpy(desc->src_ip, hop.src.bytes, 16);
	memcpy(desc->dst_mac, hop.dst_mac, 6);
	desc->mtu = hop.mtu;
	return 0;
}

// A WAN port on a socket: the kernel finds the next hop, and the frame path's stands for it.
static int resolve_socket(struct control *c, unsigned port_idx, const struct config_endpoint *to,
	struct path_desc *desc)
{
	static const uint8_t any_station[6] = {2, 0, 0, 0, 0, 1};
	struct netlink_hop hop;
	int err = netlink_route(c->netlink, &c->link[port_idx], &to->addr, &hop);

	if (err < 0)
		return err;
	memcpy(desc->src_ip, hop.src.bytes, 16);
	memcpy(desc->dst_mac, any_station, 6);
	desc->mtu = hop.mtu;
	return 0;
}

static int resolve_port(struct control *c, const struct link_hello *hello, unsigned i,
	const struct config_endpoint *to, struct path_desc *ret)
{
	const struct link_port *port = &hello->port[i];
	const struct config_port *cfg = port_config(c, port);
	struct path_desc desc = {
		.family = to->addr.family,
		.port_idx = i,
		.be_sport = port->be_overlay_port,
		.be_dport = htons(to->port),
	};
	int err;

	if (cfg != NULL && cfg->n_addresses > 0)
		err = resolve_fixed(cfg, to, &desc);
	else if (c->link[i].ifindex != 0 && port->kind == LINK_KIND_UDP)
		err = resolve_socket(c, i, to, &desc);
	else if (c->link[i].ifindex != 0)
		err = resolve_kernel(c, i, to, &desc);
	else
		return -ENODEV;
	if (err < 0)
		return err;
	memcpy(desc.src_mac, port->mac, 6);
	memcpy(desc.dst_ip, to->addr.bytes, to->addr.family == 6 ? 16 : 4);
	if (desc.mtu > port->mtu)
		desc.mtu = port->mtu;
	if (desc.mtu < PKT_MTU_BASE)
		return -EMSGSIZE;
	*ret = desc;
	return 0;
}

int paths_resolve(struct control *c, const struct config_endpoint *to, struct path_desc *ret)
{
	const struct link_hello *hello = dplink_hello(c->dplink);
	int err = -ENOTCONN;

	for (unsigned i = 0; hello != NULL && i < hello->n_ports; i++) {
		int one;

		if (hello->port[i].role != LINK_ROLE_WAN)
			continue;
		one = resolve_port(c, hello, i, to, ret);
		if (one == 0)
			return 0;
		// Of several ports the one that only waits for a neighbour is the best answer.
		if (err != -EAGAIN)
			err = one;
	}
	return err;
}

// ------------------------------------------------------------------ datagrams

static int outbox_push(struct outbox *box, const struct outgoing *o, unsigned max)
{
	if (box->n >= max)
		return -ENOBUFS;
	if (box->n == box->cap) {
		unsigned cap = box->cap == 0 ? 32 : 2 * box->cap;
		struct outgoing *list = realloc(box->list, cap * sizeof(*list));

		if (list == NULL)
			return -ENOMEM;
		box->list = list;
		box->cap = cap;
	}
	box->list[box->n++] = *o;
	return 0;
}

void paths_send(struct control *c, uint32_t session, const struct config_endpoint *to,
	const void *data, size_t len)
{
	struct outgoing o = {.to = *to, .session = session, .len = len};

	if (len > sizeof(o.data))
		return;
	o.since_us = clock_mono_us();
	memcpy(o.data, data, len);
	outbox_push(&c->outbox, &o, OUTBOX_MAX);
}

// 0 sent or hopeless, -EAGAIN: keep it.
static int inject(struct control *c, const struct outgoing *o)
{
	const struct link_hello *hello = dplink_hello(c->dplink);
	struct inject in = {.bytes = o->len, .session = o->session};
	int err = paths_resolve(c, &o->to, &in.to);

	if (err == -EAGAIN)
		return err;
	if (err < 0) {
		char text[CONFIG_ENDPOINT_TEXT];

		log_debug("no way to %s: %s", config_endpoint_format(&o->to, text), strerror(-err));
		return 0;
	}
	memcpy(in.data, o->data, o->len);
	dplink_inject(c->dplink, o->session == NO_SESSION ? 0 : o->session % hello->n_workers, &in);
	return 0;
}

void paths_flush(struct control *c)
{
	// Nothing leaves before what it stands on is safe: a restart must not reopen replay.
	if (c->guard_dirty && c->outbox.n > 0 && state_save(c) < 0) {
		c->outbox.n = 0;
		return;
	}
	for (unsigned i = 0; i < c->outbox.n; i++) {
		if (inject(c, &c->outbox.list[i]) == -EAGAIN)
			outbox_push(&c->waiting, &c->outbox.list[i], CONTROL_WAITING_MAX);
	}
	c->outbox.n = 0;
}

static void retry_waiting(struct control *c)
{
	uint64_t now = clock_mono_us();
	unsigned kept = 0;

	for (unsigned i = 0; i < c->waiting.n; i++) {
		struct outgoing *o = &c->waiting.list[i];

		if (now > o->since_us + WAIT_US || inject(c, o) == 0)
			continue;
		c->waiting.list[kept++] = *o;
	}
	c->waiting.n = kept;
}

void paths_changed(void *ctx)
{
	struct control *c = ctx;
	struct peer_now now = control_now();

	paths_links(c);
	retry_waiting(c);
	for (uint32_t slot = 0; slot < c->n_slots; slot++) {
		struct gw_peer *gp = c->peers[slot];

		if (gp == NULL)
			continue;
		if (gp->sm.has_path)
			sessions_path(gp);
		peer_retry(&gp->sm, &now);
		peers_rearm(gp);
	}
	// Without a data-plane no link has an address, which is not to have another one.
	if (dplink_ready(c->dplink) && candidates_moved(c))
		hubclient_moved(c);
	candidates_announce(c);
}

void paths_refresh(struct control *c)
{
	const struct link_hello *hello = dplink_hello(c->dplink);
	uint64_t now = clock_mono_us();

	retry_waiting(c);
	for (uint32_t slot = 0; hello != NULL && slot < c->n_slots; slot++) {
		struct gw_peer *gp = c->peers[slot];

		if (gp == NULL || !gp->sm.has_path || now < gp->refreshed_us + REFRESH_US)
			continue;
		gp->refreshed_us = now;
		for (unsigned i = 0; i < hello->n_ports; i++) {
			if (c->link[i].ifindex != 0 && hello->port[i].kind != LINK_KIND_UDP)
				netlink_refresh(c->netlink, &c->link[i], &gp->sm.path.addr);
		}
	}
}
