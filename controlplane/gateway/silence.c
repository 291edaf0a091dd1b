// SPDX-License-Identifier: BSD-3-Clause
//
// The kernel must not answer for a data-plane that is down: a closed UDP port would send ICMP and
// show that this host knows Postern's peers from others. Two belts: sockets that are bound and
// never read, and an nft table that drops what reaches the input hook. Packets for the data-plane
// never get there.
#include "controlplane/gateway/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <nftables/libnftables.h>
#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/log.h"

// Two gateways on one host (namespaces apart, or tests) must not take each other's table away.
static void table_name(const struct control *c, char *buf, size_t size)
{
	uint8_t hash[crypto_generichash_BYTES_MIN];
	char hex[17];

	crypto_generichash(hash, sizeof(hash), (const uint8_t *)c->config->name,
		strlen(c->config->name), NULL, 0);
	sodium_bin2hex(hex, sizeof(hex), hash, 8);
	snprintf(buf, size, "postern_%s", hex);
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
	if (bind(fd, sa, family == AF_INET6 ? sizeof(a6) : sizeof(a4)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

// The data-plane holds the port, too, while it lives; whoever comes second takes over when the
// first dies, within a tick. The nft table covers the moment between.
void silence_tick(struct control *c)
{
	for (unsigned i = 0; i < c->config->dataplane.n_ports; i++) {
		const struct config_port *port = &c->config->dataplane.ports[i];

		if (port->role != CONFIG_ROLE_WAN)
			continue;
		if (c->silence_fd[2 * i] < 0)
			c->silence_fd[2 * i] = hold_port(port->overlay_port, AF_INET);
		if (c->silence_fd[2 * i + 1] < 0)
			c->silence_fd[2 * i + 1] = hold_port(port->overlay_port, AF_INET6);
	}
}

int silence_start(struct control *c)
{
	char table[40], ports[512] = "", commands[1024];
	size_t at = 0;
	int err;

	memset(c->silence_fd, -1, sizeof(c->silence_fd));
	silence_tick(c);
	for (unsigned i = 0; i < c->config->dataplane.n_ports; i++) {
		const struct config_port *port = &c->config->dataplane.ports[i];

		if (port->role != CONFIG_ROLE_WAN)
			continue;
		at += snprintf(ports + at, sizeof(ports) - at, "%s%u", at > 0 ? ", " : "",
			port->overlay_port);
		if (at >= sizeof(ports))
			return -E2BIG;
	}
	if (at == 0)
		return 0;
	table_name(c, table, sizeof(table));
	// One transaction: an old table of ours is replaced without a gap.
	snprintf(commands, sizeof(commands),
		"add table inet %s\n"
		"delete table inet %s\n"
		"table inet %s {\n"
		"	chain input {\n"
		"		type filter hook input priority -310; policy accept;\n"
		"		udp dport { %s } counter drop\n"
		"		tcp dport { %s } counter drop\n" // no refusal there, either
		"	}\n"
		"}\n",
		table, table, table, ports, ports);
	err = run_nft(commands);
	c->silence_table = true;
	if (err < 0)
		log_warning("no nft table: only the held sockets keep the overlay port silent");
	return err;
}

void silence_stop(struct control *c)
{
	char table[40], commands[128];

	if (!c->silence_table)
		return;
	for (unsigned i = 0; i < CONTROL_SILENCE_MAX; i++) {
		if (c->silence_fd[i] >= 0)
			close(c->silence_fd[i]);
		c->silence_fd[i] = -1;
	}
	c->silence_table = false;
	table_name(c, table, sizeof(table));
	snprintf(commands, sizeof(commands), "delete table inet %s\n", table);
	run_nft(commands);
}
