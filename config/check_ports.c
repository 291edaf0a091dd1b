// SPDX-License-Identifier: BSD-3-Clause
#include "config/check.h"

#include <string.h>

#include "config/value.h"

int config_check_unused(struct config_reader *r, const char *path, const char *why)
{
	if (!config_reader_given(r, "%s", path))
		return 0;
	config_reader_at(r, "%s", path);
	config_reader_hint(r, "remove the line: %s", why);
	return config_reader_fail(r, "%s has no meaning here", path);
}

static int unused(struct config_reader *r, unsigned i, const char *key, const char *why)
{
	char path[64];

	snprintf(path, sizeof(path), "ports[%u].%s", i, key);
	return config_check_unused(r, path, why);
}

static int needed(struct config_reader *r, unsigned i, const char *key, const char *why)
{
	config_reader_at(r, "ports[%u]", i);
	config_reader_hint(r, "%s", why);
	return config_reader_fail(r, "port ports[%u] has no '%s'", i, key);
}

// Two ports that cannot both have it: the later one is at fault.
static int check_unique(struct config_reader *r, const struct config_port *ports, unsigned i)
{
	const struct config_port *p = &ports[i];

	for (unsigned j = 0; j < i; j++) {
		const struct config_port *q = &ports[j];
		const char *key = NULL;

		if (strcmp(p->name, q->name) == 0)
			key = "name";
		else if (p->interface != NULL && q->interface != NULL &&
			 strcmp(p->interface, q->interface) == 0)
			key = "interface";
		else if (p->device != NULL && q->device != NULL &&
			 strcmp(p->device, q->device) == 0)
			key = "device";
		if (key == NULL)
			continue;
		config_reader_at(r, "ports[%u].%s", i, key);
		config_reader_hint(r, "give each port its own");
		return config_reader_fail(
			r, "port '%s' (ports[%u]) already has this %s", q->name, j, key);
	}
	return 0;
}

static int check_af_xdp(struct config_reader *r, const struct config_port *p, unsigned i)
{
	int ret;

	if (p->interface == NULL)
		return needed(r, i, "interface", "af_xdp attaches to a kernel interface: name it");
	ret = unused(r, i, "device", "af_xdp takes an interface; a device is for kind dpdk");
	if (ret == 0)
		ret = unused(r, i, "mac", "an af_xdp port has its interface's address");
	if (ret < 0)
		return ret;
	if (p->mtu > CONFIG_XDP_MTU_MAX) {
		config_reader_at(r, "ports[%u].mtu", i);
		config_reader_hint(
			r, "at most %u with af_xdp; more needs kind dpdk", CONFIG_XDP_MTU_MAX);
		return config_reader_fail(r, "an af_xdp port cannot carry an MTU of %u", p->mtu);
	}
	return 0;
}

static int check_tap(struct config_reader *r, const struct config_port *p, unsigned i)
{
	int ret;

	if (p->role == CONFIG_ROLE_WAN) {
		config_reader_at(r, "ports[%u].kind", i);
		config_reader_hint(
			r, "use af_xdp on the interface that has the WAN address, or dpdk");
		return config_reader_fail(
			r, "a tap is this host's own interface and cannot be a WAN port");
	}
	if (p->interface == NULL)
		return needed(r, i, "interface", "name the interface to create, such as lan0");
	ret = unused(r, i, "device", "a tap needs no device");
	if (ret == 0)
		ret = unused(r, i, "mode", "it is for kind af_xdp");
	if (ret < 0)
		return ret;
	return 0;
}

static int check_udp(struct config_reader *r, const struct config_port *p, unsigned i)
{
	int ret;

	if (p->role == CONFIG_ROLE_LAN) {
		config_reader_at(r, "ports[%u].kind", i);
		config_reader_hint(r, "use tap for this host itself, or af_xdp on an interface");
		return config_reader_fail(
			r, "udp carries what goes to other sites and cannot be a LAN port");
	}
	if (p->interface == NULL)
		return needed(r, i, "interface",
			"name the kernel's interface that leads to the other sites");
	ret = unused(r, i, "device", "udp takes an interface; a device is for kind dpdk");
	if (ret == 0)
		ret = unused(r, i, "mac", "a socket has no address of this kind");
	if (ret == 0)
		ret = unused(r, i, "mode", "it is for kind af_xdp");
	if (ret == 0)
		ret = unused(r, i, "source_ports", "a socket sends from its own port alone");
	return ret;
}

// Peers are told one number, and cannot know by which port a lane left.
static int check_source_ports(
	struct config_reader *r, const struct dataplane_config *dp, unsigned i)
{
	const struct config_port *p = &dp->ports[i];

	if (p->overlay_port + p->source_ports - 1 > UINT16_MAX) {
		config_reader_at(r, "ports[%u].source_ports", i);
		config_reader_hint(r, "a lower overlay_port, or fewer");
		return config_reader_fail(
			r, "%u ports from %u on go beyond 65535", p->source_ports, p->overlay_port);
	}
	for (unsigned j = 0; j < i && p->kind != CONFIG_KIND_UDP; j++) {
		if (dp->ports[j].role != CONFIG_ROLE_WAN || dp->ports[j].kind == CONFIG_KIND_UDP ||
			dp->ports[j].source_ports == p->source_ports)
			continue;
		config_reader_at(r, "ports[%u]", i);
		config_reader_hint(r, "give every WAN port the same source_ports");
		return config_reader_fail(r,
			"port '%s' (ports[%u]) has source_ports %u, this one %u", dp->ports[j].name,
			j, dp->ports[j].source_ports, p->source_ports);
	}
	return 0;
}

static int check_own_addresses(struct config_reader *r, const struct config_port *p, unsigned i)
{
	for (unsigned a = 0; a < p->n_addresses; a++) {
		if (!config_addr_is_any(&p->addresses[a].addr) &&
			!config_addr_is_multicast(&p->addresses[a].addr))
			continue;
		config_reader_at(r, "ports[%u].addresses[%u]", i, a);
		config_reader_hint(r, "give the port's own address");
		return config_reader_fail(r, "no port can have this address");
	}
	if (!p->has_gateway_mac)
		return needed(r, i, "gateway_mac",
			"no kernel resolves neighbours for this port: name the "
			"station that everything is sent to");
	return 0;
}

static int check_dpdk(struct config_reader *r, const struct dataplane_config *dp, unsigned i)
{
	const struct config_port *p = &dp->ports[i];
	int ret;

	if (p->device == NULL)
		return needed(
			r, i, "device", "a PCI address, or a vdev such as net_memif0,role=server");
	ret = unused(r, i, "mode", "it is for kind af_xdp");
	if (ret == 0 && p->role == CONFIG_ROLE_LAN)
		ret = unused(r, i, "interface", "a dpdk LAN port takes its device only");
	if (ret < 0)
		return ret;
	if (dp->hugepages == CONFIG_HUGEPAGES_NEVER && strstr(p->device, "virtio_user") != NULL) {
		config_reader_at(r, "ports[%u].device", i);
		config_reader_hint(r, "set dataplane.hugepages to auto or require");
		return config_reader_fail(r, "virtio-user does not work without hugepages");
	}
	if (p->role == CONFIG_ROLE_LAN)
		return 0;
	if (p->interface == NULL && p->n_addresses == 0)
		return needed(r, i, "interface",
			"name the exception interface to create; or give addresses and "
			"gateway_mac");
	if (p->interface != NULL && p->n_addresses > 0) {
		config_reader_at(r, "ports[%u].addresses", i);
		config_reader_hint(
			r, "remove one: an interface carries its addresses in the kernel");
		return config_reader_fail(r, "a port cannot have both interface and addresses");
	}
	return p->n_addresses > 0 ? check_own_addresses(r, p, i) : 0;
}

// Keys that only one kind of WAN port knows.
static int check_wan_keys(struct config_reader *r, const struct config_port *p, unsigned i)
{
	static const char *const keys[] = {"addresses", "gateway_mac"};
	int ret = 0;

	if (p->role == CONFIG_ROLE_LAN)
		ret = unused(r, i, "overlay_port", "it is for WAN ports");
	if (ret == 0 && p->role == CONFIG_ROLE_LAN)
		ret = unused(r, i, "source_ports", "it is for WAN ports");
	if (p->role == CONFIG_ROLE_WAN && p->kind == CONFIG_KIND_DPDK && p->n_addresses > 0)
		return ret;
	for (unsigned k = 0; ret == 0 && k < sizeof(keys) / sizeof(keys[0]); k++) {
		if (k == 0 && p->role == CONFIG_ROLE_WAN && p->kind == CONFIG_KIND_DPDK)
			continue;
		ret = unused(r, i, keys[k],
			p->role == CONFIG_ROLE_LAN ? "a LAN port has no address"
						   : "the kernel has the addresses and routes of "
						     "this port; set them with ip(8)");
	}
	return ret;
}

static int check_port(struct config_reader *r, const struct dataplane_config *dp, unsigned i)
{
	const struct config_port *p = &dp->ports[i];
	int ret = check_unique(r, dp->ports, i);

	if (ret == 0 && p->kind != CONFIG_KIND_TAP)
		ret = unused(r, i, "super_frames", "only a tap has super-frames");
	if (ret == 0)
		ret = check_wan_keys(r, p, i);
	if (ret < 0)
		return ret;
	if (p->role == CONFIG_ROLE_WAN)
		ret = check_source_ports(r, dp, i);
	if (ret < 0)
		return ret;
	if (p->role == CONFIG_ROLE_WAN && p->mtu < CONFIG_WAN_MTU_MIN) {
		config_reader_at(r, "ports[%u].mtu", i);
		config_reader_hint(r, "at least %u on a WAN port, as IPv6 demands of every path",
			CONFIG_WAN_MTU_MIN);
		return config_reader_fail(r, "a WAN port cannot have an MTU of %u", p->mtu);
	}
	switch (p->kind) {
	case CONFIG_KIND_AF_XDP:
		return check_af_xdp(r, p, i);
	case CONFIG_KIND_TAP:
		return check_tap(r, p, i);
	case CONFIG_KIND_UDP:
		return check_udp(r, p, i);
	default:
		return check_dpdk(r, dp, i);
	}
}

// All ports share their buffers, and those of AF_XDP are at most a page.
static int check_shared_buffers(struct config_reader *r, const struct dataplane_config *dp)
{
	bool xdp = false;

	for (unsigned i = 0; i < dp->n_ports; i++)
		xdp = xdp || dp->ports[i].kind == CONFIG_KIND_AF_XDP;
	for (unsigned i = 0; xdp && i < dp->n_ports; i++) {
		if (dp->ports[i].mtu <= CONFIG_XDP_MTU_MAX)
			continue;
		config_reader_at(r, "ports[%u].mtu", i);
		config_reader_hint(r, "at most %u on every port, or no port of kind af_xdp",
			CONFIG_XDP_MTU_MAX);
		return config_reader_fail(r,
			"an MTU of %u cannot be in one gateway with an af_xdp port",
			dp->ports[i].mtu);
	}
	return 0;
}

int config_check_ports(struct config_reader *r, struct dataplane_config *dp)
{
	unsigned n_wan = 0;

	for (unsigned i = 0; i < dp->n_ports; i++) {
		int ret = check_port(r, dp, i);

		if (ret < 0)
			return ret;
		n_wan += dp->ports[i].role == CONFIG_ROLE_WAN;
	}
	if (n_wan > 0)
		return check_shared_buffers(r, dp);
	config_reader_at(r, "ports");
	config_reader_hint(r, "add a port with role: wan, the one that faces the other sites");
	return config_reader_fail(r, "no port has the role wan");
}
