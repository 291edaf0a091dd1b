// SPDX-License-Identifier: BSD-3-Clause
//
// The filter that keeps the hub's TCP port shut: an nftables table of the hub's own, with a set of
// sources that have just knocked. Whoever is not in it meets a dropped SYN; a datagram to a UDP
// port nobody is bound to (this process died) is dropped as well, so that no ICMP answers it.
//
//	table inet postern_hub_<tcp port> {
//		set open4 { type ipv4_addr; flags timeout; }
//		set open6 { type ipv6_addr; flags timeout; }
//		chain input { type filter hook input priority -10; policy accept; ... }
//	}
//
// Replaced in one transaction at start and left in place at the end, orderly or not: the ports stay
// shut until silence_release(). Needs CAP_NET_ADMIN in the hub's network namespace.
// Loop thread only. Floor 4.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "config/types.h"

#define SILENCE_OPEN_S 30u // how long a knock opens the port for new connections
#define SILENCE_TEXT   256u

struct silence;

// errors:  -EPERM, -EOPNOTSUPP, -EIO; error text in ret_error
int silence_create(const struct config_endpoint *listen, unsigned n_listen, uint16_t udp2_port,
	struct silence **ret_silence, char ret_error[SILENCE_TEXT]);
void silence_destroy(struct silence *s); // the table stays; accepts NULL
// Take the table away. No error if there is none. errors: as above
int silence_release(const struct config_endpoint *listen, char ret_error[SILENCE_TEXT]);

// Open the TCP ports to this source for SILENCE_OPEN_S. Cheap when it was opened a moment ago.
int silence_open(struct silence *s, const struct config_addr *from);
