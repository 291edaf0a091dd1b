// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/port.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/socket.h>
#include <unistd.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "config/gateway.h"
#include "dataplane/eal.h"
#include "config/log.h"
#include "dataplane/netdev.h"
#include "dataplane/port_tap.h"
#include "dataplane/port_udp.h"

#define AF_XDP_RING      2048 // the driver's own fill level as well
#define AF_XDP_BUDGET    64   // 0 would make an idle poll block for a second (NAPI without wake-up)
#define OTHER_RING       1024
#define PORT_NAME_PREFIX "net_af_xdp"

#define WHY(why, ...) snprintf((why), PORT_WHY_BYTES, __VA_ARGS__)

// ---------------------------------------------------------------- AF_XDP

static int check_privilege(const struct config_port *cfg, char *why)
{
	static const cap_value_t wanted[] = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN};
	static const char *const names[] = {"cap_net_admin", "cap_net_raw", "cap_sys_admin"};
	cap_t caps = cap_get_proc();
	int err = 0;

	for (unsigned i = 0; caps != NULL && err == 0 && i < 3; i++) {
		cap_flag_value_t have = CAP_CLEAR;

		cap_get_flag(caps, wanted[i], CAP_EFFECTIVE, &have);
		if (have == CAP_SET)
			continue;
		WHY(why,
			"port %s: no privilege to use AF_XDP (%s is missing): start "
			"postern-dataplane as "
			"root; it gives its privileges up as soon as the ports are open",
			cfg->name, names[i]);
		err = -EPERM;
	}
	cap_free(caps);
	return err;
}

static int check_af_xdp(const struct config_port *cfg, char *why)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno == EPERM || errno == EACCES) {
		WHY(why,
			"port %s: no privilege for AF_XDP (%s): run postern-dataplane as root, or "
			"with the "
			"capabilities that packaging/systemd/postern-dataplane.service lists",
			cfg->name, strerror(errno));
		return -EPERM;
	}
	WHY(why,
		"port %s: this kernel has no AF_XDP (%s): use a kernel with CONFIG_XDP_SOCKETS, or "
		"kind: dpdk with the interface's DPDK driver",
		cfg->name, strerror(errno));
	return -EAFNOSUPPORT;
}

static int check_device(const struct config_port *cfg, const struct netdev *dev, char *why)
{
	if (dev->mtu < cfg->mtu) {
		WHY(why,
			"port %s: MTU of %s is %u, too small for the configured %u: "
			"`ip link set %s mtu %u`, or lower mtu of this port",
			cfg->name, cfg->interface, dev->mtu, cfg->mtu, cfg->interface, cfg->mtu);
		return -EMSGSIZE;
	}
	if (dev->n_queues < cfg->n_queues) {
		WHY(why,
			"port %s: %s has %u queues, the configuration wants %u: lower queues of "
			"this "
			"port, or `ethtool -L %s combined %u`",
			cfg->name, cfg->interface, dev->n_queues, cfg->n_queues, cfg->interface,
			cfg->n_queues);
		return -EINVAL;
	}
	if (!dev->up && cfg->role == CONFIG_ROLE_WAN) {
		WHY(why, "port %s: %s is down: `ip link set %s up`", cfg->name, cfg->interface,
			cfg->interface);
		return -ENETDOWN;
	}
	return 0;
}

// A program of ours that outlived its process would make the driver keep it, with maps nobody
// fills.
static int clear_program(const struct config_port *cfg, unsigned ifindex, char *why)
{
	struct xdp_attached attached;
	int err = xdp_attached_read(ifindex, &attached);

	if (err < 0) {
		WHY(why, "port %s: cannot ask %s for its XDP program: %s", cfg->name,
			cfg->interface, strerror(-err));
		return err;
	}
	if (attached.prog_id == 0)
		return 0;
	if (!attached.ours) {
		WHY(why,
			"port %s: %s carries another XDP program (%s, id %u): take it off with "
			"`ip link set %s xdp off`, or use another interface",
			cfg->name, cfg->interface, attached.name, attached.prog_id, cfg->interface);
		return -EBUSY;
	}
	log_notice("port %s: taking our stale XDP program %u off %s", cfg->name, attached.prog_id,
		cfg->interface);
	err = xdp_detach(ifindex, &attached);
	if (err < 0)
		WHY(why, "port %s: cannot take our stale XDP program off %s: %s", cfg->name,
			cfg->interface, strerror(-err));
	return err;
}

static int prepare_udp(const struct config_port *cfg, struct port_rt *rt, char *why)
{
	struct netdev dev;

	if (netdev_read(cfg->interface, &dev) < 0) {
		WHY(why, "port %s: there is no interface %s here: `ip link` lists those there are",
			cfg->name, cfg->interface);
		return -ENODEV;
	}
	dev.n_queues = cfg->n_queues; // sockets, as many as are wanted
	snprintf(rt->ifname, sizeof(rt->ifname), "%s", cfg->interface);
	return check_device(cfg, &dev, why);
}

// A WAN port works without AF_XDP, slower; a LAN port does not.
static bool fall_back_to_udp(struct port_rt *rt, const char *why)
{
	if (rt->cfg->role != CONFIG_ROLE_WAN || rt->cfg->kind != CONFIG_KIND_AF_XDP)
		return false;
	log_warning("%s", why);
	log_warning("port %s: carrying on with a UDP socket, slower; write kind: udp to have no "
		    "warning",
		rt->cfg->name);
	rt->kind = CONFIG_KIND_UDP;
	rt->ifindex = 0;
	return true;
}

static int prepare_af_xdp(const struct config_port *cfg, struct port_rt *rt, char *why)
{
	struct netdev dev;
	int err;

	err = netdev_read(cfg->interface, &dev);
	if (err < 0) {
		WHY(why, "port %s: there is no interface %s here: `ip link` lists those there are",
			cfg->name, cfg->interface);
		return err;
	}
	err = check_device(cfg, &dev, why);
	if (err == 0)
		err = check_privilege(cfg, why);
	if (err == 0)
		err = check_af_xdp(cfg, why);
	if (err < 0)
		return err;
	err = netdev_claim(dev.ifindex);
	if (err < 0) {
		WHY(why, "port %s: another postern-dataplane already serves %s", cfg->name,
			cfg->interface);
		return err;
	}
	err = clear_program(cfg, dev.ifindex, why);
	if (err < 0)
		return err;
	if (!dev.up)
		(void)netdev_set_up(cfg->interface);
	netdev_offloads_off(cfg->interface);
	if (cfg->mode != CONFIG_XDP_AUTO)
		log_warning(
			"port %s: mode is left to the kernel: DPDK's driver has no choice of it",
			cfg->name);
	rt->ifindex = dev.ifindex;
	snprintf(rt->ifname, sizeof(rt->ifname), "%s", cfg->interface);
	return 0;
}

int port_prepare(const struct config_port *cfg, struct port_rt *rt, char why[PORT_WHY_BYTES])
{
	int err;

	*rt = (struct port_rt){
		.cfg = cfg, .kind = cfg->kind, .n_queues = cfg->n_queues, .xdp = XDP_MAPS_NONE};
	for (unsigned i = 0; i < PORT_QUEUES_MAX; i++)
		rt->queue_fd[i] = -1;
	if (cfg->n_queues > PORT_QUEUES_MAX) {
		WHY(why, "port %s: at most %d queues", cfg->name, PORT_QUEUES_MAX);
		return -EINVAL;
	}
	if (cfg->kind == CONFIG_KIND_UDP)
		return prepare_udp(cfg, rt, why);
	if (cfg->kind == CONFIG_KIND_AF_XDP) {
		err = prepare_af_xdp(cfg, rt, why);
		if (err == -EAFNOSUPPORT && fall_back_to_udp(rt, why))
			return prepare_udp(cfg, rt, why);
		return err;
	}
	if (cfg->interface != NULL)
		snprintf(rt->ifname, sizeof(rt->ifname), "%s", cfg->interface);
	return 0;
}

// Why the driver could not set a queue up, in words. The driver itself only says that it failed.
static int explain_af_xdp(const struct config_port *cfg, struct port_rt *rt, char *why)
{
	struct xdp_attached attached = {0};

	if (xdp_attached_read(rt->ifindex, &attached) == 0 && attached.prog_id == 0) {
		WHY(why,
			"port %s: the kernel does not attach an XDP program to %s (%s). On veth "
			"the "
			"peer's MTU must be at most %d and its transmit queues no more than our "
			"receive queues; some drivers want fewer channels (`ethtool -L`) or a "
			"smaller "
			"MTU",
			cfg->name, cfg->interface, eal_last_error(), CONFIG_XDP_MTU_MAX);
		return -EOPNOTSUPP;
	}
	WHY(why,
		"port %s: no AF_XDP socket on %s (%s): is another program using its queues, or is "
		"the "
		"locked-memory limit too low (ulimit -l)?",
		cfg->name, cfg->interface, eal_last_error());
	return -EIO;
}

static int probe(const struct config_port *cfg, uint8_t idx, struct port_rt *rt, char *name,
	size_t name_size, char *why)
{
	char args[4608], object[4096];
	int err;

	switch (cfg->kind) {
	case CONFIG_KIND_AF_XDP:
		err = xdp_object_path(cfg->role == CONFIG_ROLE_WAN ? XDP_PROG_WAN : XDP_PROG_LAN,
			object, sizeof(object));
		if (err < 0) {
			WHY(why,
				"port %s: the XDP program %s.o is not where it should be: set "
				"POSTERN_BPF_DIR to its directory",
				cfg->name,
				cfg->role == CONFIG_ROLE_WAN ? XDP_PROG_WAN : XDP_PROG_LAN);
			return err;
		}
		snprintf(name, name_size, PORT_NAME_PREFIX "%u", idx);
		snprintf(args, sizeof(args), "iface=%s,queue_count=%u,xdp_prog=%s,busy_budget=%d",
			cfg->interface, cfg->n_queues, object, AF_XDP_BUDGET);
		err = rte_eal_hotplug_add("vdev", name, args);
		break;
	default:
		snprintf(name, name_size, "%.*s", (int)strcspn(cfg->device, ","), cfg->device);
		// A PCI device was probed when EAL started.
		if (eal_device_is_pci(cfg->device))
			return 0;
		snprintf(args, sizeof(args), "%s",
			cfg->device[strlen(name)] == ',' ? cfg->device + strlen(name) + 1 : "");
		err = rte_eal_hotplug_add("vdev", name, args);
		break;
	}
	if (err < 0)
		WHY(why, "port %s: DPDK cannot make %s: %s (%s)", cfg->name,
			cfg->kind == CONFIG_KIND_DPDK ? cfg->device : cfg->interface,
			strerror(-err), eal_last_error());
	return err < 0 ? err : 0;
}

// Descriptors before and after tell which one a driver opened meanwhile: drivers do not
// say, and an idle worker wants something to wait on.
struct fd_set_seen {
	uint64_t bits[1024 / 64];
};

static void fds_see(struct fd_set_seen *seen)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	memset(seen, 0, sizeof(*seen));
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		unsigned fd = (unsigned)atoi(entry->d_name);

		if (fd > 2 && fd < 1024 && (int)fd != dirfd(dir))
			seen->bits[fd / 64] |= 1ull << (fd % 64);
	}
	if (dir != NULL)
		closedir(dir);
}

static int fds_new_socket(const struct fd_set_seen *before, int family)
{
	struct fd_set_seen now;

	fds_see(&now);
	for (int fd = 3; fd < 1024; fd++) {
		int domain = 0;
		socklen_t len = sizeof(domain);

		if ((now.bits[fd / 64] & ~before->bits[fd / 64]) >> (fd % 64) & 1 &&
			getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
			domain == family)
			return fd;
	}
	return -1;
}

// A worker that busy-polls and loses its CPU meanwhile holds the queue: nobody else may receive on
// it, and veth has room for 256 frames. So the kernel's busy polling is for workers that have their
// CPU to themselves. The driver goes on calling recvfrom() on an idle queue, which then only wakes
// a NIC that asks for it.
static void busy_poll_off(int fd)
{
	int off = 0;

	(void)setsockopt(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &off, sizeof(off));
	(void)setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &off, sizeof(off));
}

static int set_queues_up(const struct config_port *cfg, uint16_t id, struct rte_mempool *pool,
	bool busy_poll, struct port_rt *rt, char *why)
{
	uint16_t n_rx = cfg->kind == CONFIG_KIND_AF_XDP ? AF_XDP_RING : OTHER_RING;
	uint16_t n_tx = n_rx;
	int socket = rte_eth_dev_socket_id(id);
	struct fd_set_seen before;
	int err;

	if (cfg->kind != CONFIG_KIND_AF_XDP)
		(void)rte_eth_dev_adjust_nb_rx_tx_desc(id, &n_rx, &n_tx);
	for (uint16_t q = 0; q < rt->n_queues; q++) {
		err = rte_eth_tx_queue_setup(id, q, n_tx, (unsigned)socket, NULL);
		if (err < 0) {
			WHY(why, "port %s: transmit queue %u: %s (%s)", cfg->name, q,
				strerror(-err), eal_last_error());
			return err;
		}
		fds_see(&before);
		err = rte_eth_rx_queue_setup(id, q, n_rx, (unsigned)socket, NULL, pool);
		if (err < 0 && cfg->kind == CONFIG_KIND_AF_XDP)
			return explain_af_xdp(cfg, rt, why);
		if (err < 0) {
			WHY(why, "port %s: receive queue %u: %s (%s)", cfg->name, q, strerror(-err),
				eal_last_error());
			return err;
		}
		if (cfg->kind != CONFIG_KIND_AF_XDP)
			continue;
		rt->queue_fd[q] = fds_new_socket(&before, AF_XDP);
		if (!busy_poll && rt->queue_fd[q] >= 0)
			busy_poll_off(rt->queue_fd[q]);
	}
	return 0;
}

static int start(const struct config_port *cfg, uint16_t id, struct rte_mempool *pool,
	bool busy_poll, struct port_rt *rt, char *why)
{
	struct rte_eth_conf conf = {.rxmode.mtu = cfg->mtu};
	struct rte_eth_dev_info info;
	int err;

	err = rte_eth_dev_info_get(id, &info);
	if (err == 0 && (rt->n_queues > info.max_rx_queues || rt->n_queues > info.max_tx_queues)) {
		WHY(why, "port %s: the device has %u receive and %u transmit queues, not %u",
			cfg->name, info.max_rx_queues, info.max_tx_queues, rt->n_queues);
		return -EINVAL;
	}
	if (err == 0 && info.max_mtu != 0 && cfg->mtu > info.max_mtu) {
		WHY(why, "port %s: the device's driver carries an MTU of at most %u, not %u",
			cfg->name, info.max_mtu, cfg->mtu);
		return -EMSGSIZE;
	}
	if (rt->n_queues > 1 && (info.flow_type_rss_offloads & RTE_ETH_RSS_IP) != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf =
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP) &
			info.flow_type_rss_offloads;
	}
	err = rte_eth_dev_configure(id, rt->n_queues, rt->n_queues, &conf);
	if (err < 0) {
		WHY(why, "port %s: the driver refuses %u queues at MTU %u: %s (%s)", cfg->name,
			rt->n_queues, cfg->mtu, strerror(-err), eal_last_error());
		return err;
	}
	err = set_queues_up(cfg, id, pool, busy_poll, rt, why);
	if (err < 0)
		return err;
	err = rte_eth_dev_start(id);
	if (err < 0) {
		WHY(why, "port %s: the device does not start: %s (%s)", cfg->name, strerror(-err),
			eal_last_error());
		return err;
	}
	// A LAN port answers for every address behind the other sites.
	if (cfg->role == CONFIG_ROLE_LAN)
		(void)rte_eth_promiscuous_enable(id);
	return 0;
}

static int open_maps(const struct config_port *cfg, struct port_rt *rt, char *why)
{
	struct xdp_config xdp_cfg = {.be_port = rte_cpu_to_be_16(cfg->overlay_port)};
	int err = xdp_maps_open(rt->ifindex, &rt->xdp);

	if (err == 0 && cfg->role == CONFIG_ROLE_WAN)
		err = xdp_config_set(&rt->xdp, &xdp_cfg);
	if (err < 0)
		WHY(why, "port %s: cannot reach the maps of the XDP program on %s: %s", cfg->name,
			cfg->interface, strerror(-err));
	return err;
}

static void detach_ours(const struct port_rt *rt)
{
	struct xdp_attached attached;

	if (rt->ifindex != 0 && xdp_attached_read(rt->ifindex, &attached) == 0 && attached.ours)
		(void)xdp_detach(rt->ifindex, &attached);
}

static int open_ethdev(const struct config_port *cfg, struct rte_mempool *pool, bool busy_poll,
	struct port *port, struct port_rt *rt, char *why)
{
	struct rte_ether_addr mac;
	char name[RTE_DEV_NAME_MAX_LEN];
	int err;

	eal_forget_error();
	err = probe(cfg, port->idx, rt, name, sizeof(name), why);
	if (err < 0)
		return err;
	if (rte_eth_dev_get_port_by_name(name, &port->dpdk_port) != 0) {
		WHY(why,
			"port %s: DPDK has no device %s: is it there, and bound to a driver for "
			"DPDK "
			"(dpdk-devbind.py --status)? %s",
			cfg->name, name, eal_last_error());
		return -ENODEV;
	}
	err = start(cfg, port->dpdk_port, pool, busy_poll, rt, why);
	if (err == 0 && cfg->kind == CONFIG_KIND_AF_XDP)
		err = open_maps(cfg, rt, why);
	if (err < 0) {
		detach_ours(rt);
		return err;
	}
	if (cfg->has_mac && cfg->kind == CONFIG_KIND_DPDK)
		(void)rte_eth_dev_default_mac_addr_set(
			port->dpdk_port, (struct rte_ether_addr *)(uintptr_t)cfg->mac);
	if (rte_eth_macaddr_get(port->dpdk_port, &mac) == 0)
		memcpy(port->mac, mac.addr_bytes, sizeof(port->mac));
	port->missed = port_eth_missed;
	port->rx = port_eth_rx;
	port->tx = port_eth_tx;
	return 0;
}

static int open_tap(const struct config_port *cfg, const struct port_pools *pools,
	struct port *port, struct port_rt *rt, char *why)
{
	struct tap_options o = {
		.port = cfg->name,
		.interface = cfg->interface,
		.mac = cfg->has_mac ? cfg->mac : NULL,
		.mtu = cfg->mtu,
		.n_queues = rt->n_queues,
		.pool = pools->pool,
		.super_pool = cfg->super == CONFIG_SUPER_AUTO ? pools->super : NULL,
	};

	return port_tap_open(&o, port, rt->queue_fd, why);
}

int port_open(const struct config_port *cfg, uint8_t idx, const struct port_pools *pools,
	bool busy_poll, struct port *ret_port, struct port_rt *rt, char why[PORT_WHY_BYTES])
{
	struct port port = {.idx = idx, .mtu = cfg->mtu};
	int err = 0;

	if (rt->kind == CONFIG_KIND_TAP)
		err = open_tap(cfg, pools, &port, rt, why);
	else if (rt->kind != CONFIG_KIND_UDP)
		err = open_ethdev(cfg, pools->pool, busy_poll, &port, rt, why);
	if ((err == -EOPNOTSUPP || err == -EIO) && fall_back_to_udp(rt, why))
		err = 0;
	if (err == 0 && rt->kind == CONFIG_KIND_UDP)
		err = port_udp_open(cfg, pools->pool, &port, rt, why);
	if (err < 0)
		return err;
	port.role = cfg->role == CONFIG_ROLE_WAN ? LINK_ROLE_WAN : LINK_ROLE_LAN;
	port.be_overlay_port =
		cfg->role == CONFIG_ROLE_WAN ? rte_cpu_to_be_16(cfg->overlay_port) : 0;
	*ret_port = port;
	return 0;
}

void port_close(struct port *port, struct port_rt *rt)
{
	xdp_maps_close(&rt->xdp);
	if (rt->has_exception)
		port_tap_close(&rt->exception);
	if (rt->kind == CONFIG_KIND_UDP) {
		port_udp_close(port);
		return;
	}
	if (rt->kind == CONFIG_KIND_TAP) {
		port_tap_close(port);
		return;
	}
	if (rt->kind == CONFIG_KIND_AF_XDP) {
		// The driver's own close uses freed memory where a port has several queues; the
		// process ends next, which closes the sockets.
		detach_ours(rt);
		return;
	}
	(void)rte_eth_dev_stop(port->dpdk_port);
	(void)rte_eth_dev_close(port->dpdk_port);
}
