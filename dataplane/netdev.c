// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/netdev.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>

static int request(const char *ifname, unsigned long op, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", ifname);
	if (ioctl(fd, op, ifr) < 0)
		err = -errno;
	close(fd);
	return err;
}

static int ethtool(const char *ifname, void *cmd)
{
	struct ifreq ifr = {.ifr_data = cmd};

	return request(ifname, SIOCETHTOOL, &ifr);
}

int netdev_read(const char *ifname, struct netdev *ret_dev)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct netdev dev = {.n_queues = 1};
	struct ifreq ifr = {0};
	int err;

	dev.ifindex = if_nametoindex(ifname);
	if (dev.ifindex == 0)
		return -ENODEV;
	err = request(ifname, SIOCGIFMTU, &ifr);
	if (err < 0)
		return err;
	dev.mtu = (unsigned)ifr.ifr_mtu;
	err = request(ifname, SIOCGIFFLAGS, &ifr);
	if (err < 0)
		return err;
	dev.up = (ifr.ifr_flags & IFF_UP) != 0;
	err = request(ifname, SIOCGIFHWADDR, &ifr);
	if (err < 0)
		return err;
	memcpy(dev.mac, ifr.ifr_hwaddr.sa_data, sizeof(dev.mac));
	if (ethtool(ifname, &channels) == 0 && channels.combined_count > 0)
		dev.n_queues = channels.combined_count;
	*ret_dev = dev;
	return 0;
}

int netdev_set_up(const char *ifname)
{
	struct ifreq ifr = {0};
	int err = request(ifname, SIOCGIFFLAGS, &ifr);

	if (err < 0)
		return err;
	ifr.ifr_flags |= IFF_UP;
	return request(ifname, SIOCSIFFLAGS, &ifr);
}

void netdev_offloads_off(const char *ifname)
{
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
	struct ethtool_value gro = {.cmd = ETHTOOL_SGRO, .data = 0};

	// Tags in the descriptor never reach an AF_XDP socket, so the frame would lose its VLAN.
	if (ethtool(ifname, &flags) == 0) {
		flags.cmd = ETHTOOL_SFLAGS;
		flags.data &= ~(uint32_t)(ETH_FLAG_RXVLAN | ETH_FLAG_TXVLAN | ETH_FLAG_LRO);
		(void)ethtool(ifname, &flags);
	}
	(void)ethtool(ifname, &gro);
}

int netdev_claim(unsigned ifindex)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int len, err;

	if (fd < 0)
		return -errno;
	// Abstract names belong to the network namespace, as interfaces do.
	len = snprintf(
		addr.sun_path + 1, sizeof(addr.sun_path) - 1, "postern-dataplane-if-%u", ifindex);
	if (bind(fd, (struct sockaddr *)&addr,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return 0;
}

int netdev_reserve_port(int family, uint16_t be_port)
{
	struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = be_port};
	struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = be_port};
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int one = 1, tiny = 1, err;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny));
	// A udp port's socket, bound to its interface, is to be bound beside this one.
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (family == AF_INET6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
		err = bind(fd, (struct sockaddr *)&any6, sizeof(any6));
	} else {
		err = bind(fd, (struct sockaddr *)&any4, sizeof(any4));
	}
	if (err < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return 0;
}
