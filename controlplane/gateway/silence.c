// SPDX-License-Identifier: BSD-3-Clause
//
// The kernel must not answer for us: a closed port would send an ICMP error or a reset. An nft
// table drops whatever reaches the kernel for an overlay port; packets for the data-plane never get
// there. It stays when every process has ended, in order or not, until `postern-control --silence
// off`, and is put back when somebody flushes the ruleset. Sockets that are bound and never read
// keep the port from other programs, and from ICMP where the kernel has no nftables.
#include "controlplane/gateway/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>
#include <nftables/libnftables.h>
#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/log.h"

#define TABLE_BYTES 40
#define EVENT_BYTES 8192
#define PORTS_BYTES (CONFIG_PORTS_MAX * CONFIG_SOURCE_PORTS_MAX * sizeof("65535,"))

// Two gateways on one host (namespaces apart, or tests) must not take each other's table away.
static void table_name(const struct gateway_config *config, char ret_name[TABLE_BYTES])
{
	uint8_t hash[crypto_generichash_BYTES_MIN];
	char hex[17];

	crypto_generichash(
		hash, sizeof(hash), (const uint8_t *)config->name, strlen(config->name), NULL, 0);
	sodium_bin2hex(hex, sizeof(hex), hash, 8);
	snprintf(ret_name, TABLE_BYTES, "postern_%s", hex);
}

static int run_nft(const char *commands)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	int err = -ENOMEM;

	if (nft == NULL)
		return err;
	nft_ctx_buffer_output(nft);
	nft_ctx_buffer_error(nft);
	err = nft_run_cmd_from_buffer(nft, commands) != 0 ? -EPERM : 0;
	if (err < 0)
		log_warning("nft: %s", nft_ctx_get_error_buffer(nft));
	nft_ctx_free(nft);
	return err;
}

static int hold_port(uint16_t port, int family)
{
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	const struct sockaddr *sa =
		family == AF_INET6 ? (struct sockaddr *)&a6 : (struct sockaddr *)&a4;
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1, least = 0;

	if (fd < 0)
		return -1;
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
	// A data-plane's own socket, for a udp port, must find its place beside ours.
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, sa, family == AF_INET6 ? sizeof(a6) : sizeof(a4)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

// "7667,7668": the overlay ports of WAN ports that are none of `but`, each with the source ports
// beside it: who saw a datagram from there must not get an answer either. Returns how many
// characters.
static size_t list_ports(
	const struct gateway_config *config, uint16_t but, char text[static PORTS_BYTES])
{
	size_t at = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < config->dataplane.n_ports; i++) {
		const struct config_port *port = &config->dataplane.ports[i];

		for (unsigned k = 0; port->role == CONFIG_ROLE_WAN && k < port->source_ports; k++) {
			if (k > 0 || (but >> i & 1) == 0)
				at += snprintf(text + at, PORTS_BYTES - at, "%s%u",
					at > 0 ? "," : "", port->overlay_port + k);
		}
	}
	return at;
}

// Before defragmentation, so that the kernel has no fragment of ours whose rest it could miss, and
// for this host's addresses only: what it routes to others is theirs.
//
// Where the data-plane serves a port by a socket, its datagrams have to reach the kernel. Then it
// is the ICMP error that is dropped, on its way out, for as long as nobody is there to take them:
// the raw offsets are the protocol and port of the datagram that it quotes.
int silence_hold(const struct gateway_config *config, uint16_t by_socket)
{
	char table[TABLE_BYTES], ports[PORTS_BYTES], unserved[PORTS_BYTES];
	char udp[PORTS_BYTES + 64] = "", commands[4 * PORTS_BYTES + 2048];

	if (list_ports(config, 0, ports) == 0)
		return 0;
	if (list_ports(config, by_socket, unserved) > 0)
		snprintf(udp, sizeof(udp), "		udp dport { %s } counter drop\n", unserved);
	table_name(config, table);
	// One transaction: an old table of ours is replaced without a gap.
	snprintf(commands, sizeof(commands),
		"add table inet %1$s\n"
		"delete table inet %1$s\n"
		"table inet %1$s {\n"
		"	chain input {\n"
		"		type filter hook prerouting priority -450; policy accept;\n"
		"		fib daddr type != local return\n"
		"		meta l4proto { tcp, udplite, sctp, dccp } th dport { %2$s } "
		"counter drop\n"
		"%3$s"
		"	}\n"
		"	chain output {\n"
		"		type filter hook output priority -450; policy accept;\n"
		"		icmp type destination-unreachable icmp code port-unreachable "
		"@th,136,8 17 @th,240,16 { %2$s } counter drop\n"
		"		icmp type destination-unreachable icmp code port-unreachable "
		"@th,64,8 > 0x45 @th,136,8 17 counter drop\n" // options move the port
		"		icmpv6 type destination-unreachable icmpv6 code port-unreachable "
		"@th,112,8 17 @th,400,16 { %2$s } counter drop\n"
		"	}\n"
		"}\n",
		table, ports, udp);
	return run_nft(commands);
}

int silence_release(const struct gateway_config *config)
{
	char table[TABLE_BYTES], commands[128];

	table_name(config, table);
	// Added first, so that one which is gone already is no error.
	snprintf(
		commands, sizeof(commands), "add table inet %1$s\ndelete table inet %1$s\n", table);
	return run_nft(commands);
}

// ---------------------------------------------------------------- while control runs

static int find_name(const struct nlattr *attr, void *data)
{
	const char **name = data;

	if (mnl_attr_get_type(attr) == NFTA_TABLE_NAME &&
		mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		*name = mnl_attr_get_str(attr);
	return MNL_CB_OK;
}

static bool deletes(const struct nlmsghdr *nlh, const char *table)
{
	const char *name = "";

	if (nlh->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE))
		return false;
	mnl_attr_parse(nlh, sizeof(struct nfgenmsg), find_name, &name);
	return strcmp(name, table) == 0;
}

// Whether our table was deleted since the last call, or may have been.
static bool table_lost(struct control *c)
{
	_Alignas(struct nlmsghdr) char buf[EVENT_BYTES];
	char table[TABLE_BYTES];
	bool lost = false;
	ssize_t n;

	if (c->silence_watch == NULL)
		return false;
	table_name(c->config, table);
	while ((n = recv(mnl_socket_get_fd(c->silence_watch), buf, sizeof(buf), MSG_DONTWAIT)) !=
		0) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
		int left = (int)n;

		if (n < 0 && errno == ENOBUFS) {
			lost = true; // more happened than the queue holds
			continue;
		}
		if (n < 0)
			break;
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
			lost |= deletes(nlh, table);
	}
	return lost;
}

static void hold_table(struct control *c)
{
	if (silence_hold(c->config, c->silence_by_socket) < 0)
		log_warning("no nft table: only the held sockets keep the overlay port silent, and "
			    "only while a process holds them");
	(void)table_lost(c); // that was us
}

// The data-plane holds the port, too, while it lives; whoever comes second takes over when the
// first dies, within a tick. The nft table covers the moment between.
static void hold_sockets(struct control *c)
{
	int *fd = c->silence_fd;

	for (unsigned i = 0; i < c->config->dataplane.n_ports; i++) {
		const struct config_port *port = &c->config->dataplane.ports[i];

		if (port->role != CONFIG_ROLE_WAN)
			continue;
		for (unsigned k = 0; k < port->source_ports; k++, fd += 2) {
			if (fd[0] < 0)
				fd[0] = hold_port(port->overlay_port + k, AF_INET);
			if (fd[1] < 0)
				fd[1] = hold_port(port->overlay_port + k, AF_INET6);
		}
	}
}

void silence_start(struct control *c)
{
	memset(c->silence_fd, -1, sizeof(c->silence_fd));
	c->silence_watch = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (c->silence_watch != NULL &&
		mnl_socket_bind(
			c->silence_watch, 1u << (NFNLGRP_NFTABLES - 1), MNL_SOCKET_AUTOPID) < 0) {
		mnl_socket_close(c->silence_watch);
		c->silence_watch = NULL;
	}
	c->silence_by_socket = silence_by_config(c->config);
	hold_sockets(c);
	hold_table(c);
}

uint16_t silence_by_config(const struct gateway_config *config)
{
	uint16_t by_socket = 0;

	for (unsigned i = 0; i < config->dataplane.n_ports; i++)
		by_socket |= (config->dataplane.ports[i].kind == CONFIG_KIND_UDP) << i;
	return by_socket;
}

// A data-plane that was refused AF_XDP uses a socket.
void silence_attached(struct control *c, const struct link_hello *hello)
{
	uint16_t by_socket = 0;

	for (unsigned i = 0; i < hello->n_ports; i++)
		by_socket |= (hello->port[i].kind == LINK_KIND_UDP) << i;
	if (by_socket == c->silence_by_socket)
		return;
	c->silence_by_socket = by_socket;
	hold_table(c);
}

void silence_tick(struct control *c)
{
	hold_sockets(c);
	if (table_lost(c)) {
		log_notice("somebody took the nft table of the overlay port away: putting it back");
		hold_table(c);
	}
}

void silence_stop(struct control *c)
{
	for (unsigned i = 0; i < CONTROL_SILENCE_MAX; i++) {
		if (c->silence_fd[i] >= 0)
			close(c->silence_fd[i]);
		c->silence_fd[i] = -1;
	}
	if (c->silence_watch != NULL)
		mnl_socket_close(c->silence_watch);
	c->silence_watch = NULL;
}
