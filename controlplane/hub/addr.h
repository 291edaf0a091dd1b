// SPDX-License-Identifier: BSD-3-Clause
//
// Socket addresses as the configuration writes them.
//
// Any thread. Floor 2.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "config/types.h"

// errors: -EAFNOSUPPORT. An IPv4 address mapped into IPv6 comes out as IPv4.
static inline int addr_from_sockaddr(const struct sockaddr *sa, struct config_endpoint *ret)
{
	struct config_endpoint ep = {0};

	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)sa;

		ep.addr.family = 4;
		memcpy(ep.addr.bytes, &in->sin_addr, 4);
		ep.port = ntohs(in->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
		bool mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);

		ep.addr.family = mapped ? 4 : 6;
		memcpy(ep.addr.bytes, in6->sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
		ep.port = ntohs(in6->sin6_port);
	} else {
		return -EAFNOSUPPORT;
	}
	*ret = ep;
	return 0;
}
