// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/gateway/netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#define SETTLE_MS   20
#define REPLY_BYTES 32768
#define USABLE_NUD  (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

struct netlink {
	struct mnl_socket *ask;   // blocking request and reply
	struct mnl_socket *watch; // notifications
	uv_poll_t poll;
	uv_timer_t settle;
	unsigned n_closing;
	uint32_t seq;
	netlink_changed_fn *changed;
	void *ctx;
};

struct route {
	uint32_t ifindex;
	uint32_t mtu;
	struct config_addr via;
	struct config_addr src;
	bool has_via, has_src, refused;
};

struct neighbour {
	uint8_t mac[6];
	uint16_t state;
	bool has_mac;
};

static size_t ip_len(const struct config_addr *ip)
{
	return ip->family == 6 ? 16 : 4;
}

static int ip_af(const struct config_addr *ip)
{
	return ip->family == 6 ? AF_INET6 : AF_INET;
}

static bool ip_read(struct config_addr *ip, int af, const struct nlattr *attr)
{
	size_t len = af == AF_INET6 ? 16 : 4;

	if (mnl_attr_get_payload_len(attr) < len)
		return false;
	memset(ip, 0, sizeof(*ip));
	ip->family = af == AF_INET6 ? 6 : 4;
	memcpy(ip->bytes, mnl_attr_get_payload(attr), len);
	return true;
}

// Send one request and run cb over its answer; the kernel answers before sendto returns.
static int ask(struct netlink *nl, struct nlmsghdr *nlh, mnl_cb_t cb, void *data)
{
	_Alignas(struct nlmsghdr) char buf[REPLY_BYTES];
	unsigned portid = mnl_socket_get_portid(nl->ask);
	ssize_t n;
	int run;

	nlh->nlmsg_seq = ++nl->seq;
	if (mnl_socket_sendto(nl->ask, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(nl->ask, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		run = mnl_cb_run(buf, n, nl->seq, portid, cb, data);
		// A plain answer without NLM_F_ACK is one message and no end marker.
		if (run > MNL_CB_STOP && !(nlh->nlmsg_flags & (NLM_F_DUMP | NLM_F_ACK)))
			break;
	} while (run > MNL_CB_STOP);
	return run < 0 ? -errno : 0;
}

static struct nlmsghdr *request(char *buf, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	return nlh;
}

static int on_link(const struct nlmsghdr *nlh, void *data)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct netlink_link *link = data;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	link->ifindex = ifi->ifi_index;
	link->up = (ifi->ifi_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
	mnl_attr_for_each(attr, nlh, sizeof(*ifi))
	{
		if (mnl_attr_get_type(attr) == IFLA_ADDRESS && mnl_attr_get_payload_len(attr) == 6)
			memcpy(link->mac, mnl_attr_get_payload(attr), 6);
		if (mnl_attr_get_type(attr) == IFLA_MTU)
			link->mtu = mnl_attr_get_u32(attr) > UINT16_MAX ? UINT16_MAX
									: mnl_attr_get_u32(attr);
	}
	return MNL_CB_OK;
}

int netlink_link_get(struct netlink *nl, const char *name, struct netlink_link *ret_link)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *nlh = request(buf, RTM_GETLINK, 0);
	struct netlink_link link = {0};
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	int err;

	if (strlen(name) >= IFNAMSIZ)
		return -ENODEV;
	ifi->ifi_family = AF_UNSPEC;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	err = ask(nl, nlh, on_link, &link);
	if (err < 0)
		return err;
	if (link.ifindex == 0)
		return -ENODEV;
	*ret_link = link;
	return 0;
}

struct addr_list {
	uint32_t ifindex;
	struct config_addr *addrs;
	size_t n, max;
};

static bool addr_is_public_enough(const struct config_addr *ip)
{
	if (ip->family == 4)
		return ip->bytes[0] != 127 && ip->bytes[0] != 0 && ip->bytes[0] < 224 &&
		       !(ip->bytes[0] == 169 && ip->bytes[1] == 254);
	return (ip->bytes[0] & 0xe0) == 0x20 || (ip->bytes[0] & 0xfe) == 0xfc; // 2000::/3, fc00::/7
}

static int on_addr(const struct nlmsghdr *nlh, void *data)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	uint32_t flags = ifa->ifa_flags;
	struct addr_list *list = data;
	struct config_addr ip = {0}, local = {0};
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWADDR || ifa->ifa_index != list->ifindex ||
		list->n == list->max)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*ifa))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFA_ADDRESS:
			ip_read(&ip, ifa->ifa_family, attr);
			break;
		case IFA_LOCAL:
			ip_read(&local, ifa->ifa_family, attr);
			break;
		case IFA_FLAGS:
			flags = mnl_attr_get_u32(attr);
			break;
		}
	}
	// On a point-to-point link IFA_ADDRESS is the other end and IFA_LOCAL is ours.
	if (local.family != 0)
		ip = local;
	if (ip.family == 0 || (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) ||
		!addr_is_public_enough(&ip))
		return MNL_CB_OK;
	list->addrs[list->n++] = ip;
	return MNL_CB_OK;
}

int netlink_addrs_get(
	struct netlink *nl, uint32_t ifindex, struct config_addr *ret_addrs, size_t max)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *nlh = request(buf, RTM_GETADDR, NLM_F_DUMP);
	struct addr_list list = {.ifindex = ifindex, .addrs = ret_addrs, .max = max};
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	int err;

	ifa->ifa_family = AF_UNSPEC;
	err = ask(nl, nlh, on_addr, &list);
	return err < 0 ? err : (int)list.n;
}

static void read_metrics(struct route *route, const struct nlattr *nest)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == RTAX_MTU)
			route->mtu = mnl_attr_get_u32(attr);
	}
}

static void read_via(struct route *route, const struct nlattr *attr)
{
	const struct rtvia *via = mnl_attr_get_payload(attr);
	size_t len = mnl_attr_get_payload_len(attr);
	size_t need = len >= sizeof(*via) && via->rtvia_family == AF_INET6 ? 16 : 4;

	if (len < sizeof(*via) + need)
		return;
	route->via = (struct config_addr){.family = need == 16 ? 6 : 4};
	memcpy(route->via.bytes, via->rtvia_addr, need);
	route->has_via = true;
}

static int on_route(const struct nlmsghdr *nlh, void *data)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct route *route = data;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWROUTE)
		return MNL_CB_OK;
	route->refused = rtm->rtm_type != RTN_UNICAST;
	mnl_attr_for_each(attr, nlh, sizeof(*rtm))
	{
		switch (mnl_attr_get_type(attr)) {
		case RTA_OIF:
			route->ifindex = mnl_attr_get_u32(attr);
			break;
		case RTA_GATEWAY:
			route->has_via = ip_read(&route->via, rtm->rtm_family, attr);
			break;
		case RTA_VIA:
			read_via(route, attr);
			break;
		case RTA_PREFSRC:
			route->has_src = ip_read(&route->src, rtm->rtm_family, attr);
			break;
		case RTA_METRICS:
			read_metrics(route, attr);
			break;
		}
	}
	return MNL_CB_OK;
}

// ifindex 0 asks for the kernel's own choice of interface.
static int route_get(
	struct netlink *nl, const struct config_addr *dst, uint32_t ifindex, struct route *route)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *nlh = request(buf, RTM_GETROUTE, 0);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	int err;

	memset(route, 0, sizeof(*route));
	rtm->rtm_family = ip_af(dst);
	rtm->rtm_dst_len = ip_len(dst) * 8;
	mnl_attr_put(nlh, RTA_DST, ip_len(dst), dst->bytes);
	if (ifindex != 0)
		mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
	err = ask(nl, nlh, on_route, route);
	if (err < 0)
		return err == -EINVAL ? err : -ENETUNREACH;
	return route->refused || route->ifindex == 0 ? -ENETUNREACH : 0;
}

static int on_neighbour(const struct nlmsghdr *nlh, void *data)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	struct neighbour *neighbour = data;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWNEIGH)
		return MNL_CB_OK;
	neighbour->state = ndm->ndm_state;
	mnl_attr_for_each(attr, nlh, sizeof(*ndm))
	{
		if (mnl_attr_get_type(attr) == NDA_LLADDR && mnl_attr_get_payload_len(attr) == 6) {
			memcpy(neighbour->mac, mnl_attr_get_payload(attr), 6);
			neighbour->has_mac = true;
		}
	}
	return MNL_CB_OK;
}

static int neighbour_get(struct netlink *nl, uint32_t ifindex, const struct config_addr *ip,
	struct neighbour *neighbour)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *nlh = request(buf, RTM_GETNEIGH, 0);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));

	memset(neighbour, 0, sizeof(*neighbour));
	ndm->ndm_family = ip_af(ip);
	ndm->ndm_ifindex = ifindex;
	mnl_attr_put(nlh, NDA_DST, ip_len(ip), ip->bytes);
	return ask(nl, nlh, on_neighbour, neighbour);
}

// NTF_USE makes the kernel resolve as if it had a packet to send, without sending one.
static void neighbour_kick(struct netlink *nl, uint32_t ifindex, const struct config_addr *ip)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *nlh = request(buf, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_ACK);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));

	ndm->ndm_family = ip_af(ip);
	ndm->ndm_ifindex = ifindex;
	ndm->ndm_flags = NTF_USE;
	mnl_attr_put(nlh, NDA_DST, ip_len(ip), ip->bytes);
	(void)ask(nl, nlh, NULL, NULL);
}

static int find_route(struct netlink *nl, const struct netlink_link *link,
	const struct config_addr *dst, struct route *route)
{
	int err = route_get(nl, dst, 0, route);

	if (err == 0 && route->ifindex == link->ifindex)
		return 0;
	// The kernel prefers another interface. Bound to ours it may still know a router; without
	// one it would merely assume that the whole world is on the link.
	if (route_get(nl, dst, link->ifindex, route) == 0 && route->ifindex == link->ifindex &&
		route->has_via)
		return 0;
	return err < 0 ? err : -EXDEV;
}

static struct netlink_hop hop_of(const struct netlink_link *link, const struct route *route)
{
	struct netlink_hop hop = {.ifindex = link->ifindex, .src = route->src};

	hop.mtu = route->mtu != 0 && route->mtu < link->mtu ? route->mtu : link->mtu;
	return hop;
}

int netlink_route(struct netlink *nl, const struct netlink_link *link,
	const struct config_addr *dst, struct netlink_hop *ret_hop)
{
	struct route route;
	int err = find_route(nl, link, dst, &route);

	if (err < 0)
		return err;
	if (!route.has_src)
		return -ENETUNREACH;
	*ret_hop = hop_of(link, &route);
	return 0;
}

int netlink_resolve(struct netlink *nl, const struct netlink_link *link,
	const struct config_addr *dst, struct netlink_hop *ret_hop)
{
	struct neighbour neighbour;
	struct route route;
	struct netlink_hop hop;
	int err;

	err = find_route(nl, link, dst, &route);
	if (err < 0)
		return err;
	if (!route.has_via)
		route.via = *dst;
	if (!route.has_src)
		return -ENETUNREACH;
	err = neighbour_get(nl, link->ifindex, &route.via, &neighbour);
	if (err < 0 || !(neighbour.state & USABLE_NUD) ||
		(!neighbour.has_mac && !(neighbour.state & NUD_NOARP))) {
		neighbour_kick(nl, link->ifindex, &route.via);
		return -EAGAIN;
	}
	hop = hop_of(link, &route);
	memcpy(hop.src_mac, link->mac, 6);
	memcpy(hop.dst_mac, neighbour.mac, 6);
	*ret_hop = hop;
	return 0;
}

void netlink_refresh(
	struct netlink *nl, const struct netlink_link *link, const struct config_addr *dst)
{
	struct route route;

	if (find_route(nl, link, dst, &route) < 0)
		return;
	neighbour_kick(nl, link->ifindex, route.has_via ? &route.via : dst);
}

static void on_settled(uv_timer_t *timer)
{
	struct netlink *nl = timer->data;

	nl->changed(nl->ctx);
}

static void on_watch(uv_poll_t *poll, int status, int events)
{
	_Alignas(struct nlmsghdr) char buf[REPLY_BYTES];
	struct netlink *nl = poll->data;

	// What changed does not matter, only that something did: the answers are asked for afresh.
	// An overrun says the same.
	while (mnl_socket_recvfrom(nl->watch, buf, sizeof(buf)) > 0)
		;
	if (!uv_is_active((uv_handle_t *)&nl->settle))
		uv_timer_start(&nl->settle, on_settled, SETTLE_MS, 0);
}

static int open_watch(struct netlink *nl)
{
	static const int groups[] = {RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR,
		RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE};

	nl->watch = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (nl->watch == NULL || mnl_socket_bind(nl->watch, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(
			    nl->watch, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			return -errno;
	}
	return 0;
}

int netlink_create(uv_loop_t *loop, netlink_changed_fn *changed, void *ctx, struct netlink **ret)
{
	struct netlink *nl = calloc(1, sizeof(*nl));
	int err = -ENOMEM;

	if (nl == NULL)
		return err;
	nl->changed = changed;
	nl->ctx = ctx;
	nl->ask = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (nl->ask == NULL || mnl_socket_bind(nl->ask, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		goto close_sockets;
	}
	err = open_watch(nl);
	if (err < 0)
		goto close_sockets;
	err = uv_poll_init(loop, &nl->poll, mnl_socket_get_fd(nl->watch));
	if (err < 0)
		goto close_sockets;
	uv_timer_init(loop, &nl->settle);
	nl->poll.data = nl;
	nl->settle.data = nl;
	uv_poll_start(&nl->poll, UV_READABLE, on_watch);
	*ret = nl;
	return 0;

close_sockets:
	if (nl->watch != NULL)
		mnl_socket_close(nl->watch);
	if (nl->ask != NULL)
		mnl_socket_close(nl->ask);
	free(nl);
	return err;
}

static void on_closed(uv_handle_t *handle)
{
	struct netlink *nl = handle->data;

	if (++nl->n_closing < 2)
		return;
	mnl_socket_close(nl->watch);
	mnl_socket_close(nl->ask);
	free(nl);
}

void netlink_destroy(struct netlink *nl)
{
	if (nl == NULL)
		return;
	uv_close((uv_handle_t *)&nl->poll, on_closed);
	uv_close((uv_handle_t *)&nl->settle, on_closed);
}
