// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/hubknock.h"

#include <sys/socket.h>
#include <unistd.h>

#include "controlplane/common/clock.h"

void hubknock_send(const struct pair *p, const struct config_endpoint *to, uint64_t ts)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = config_endpoint_sockaddr(to, &sa);
	int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pkt_punch punch;
	ssize_t ignored;

	if (fd < 0)
		return;
	pair_punch_build(p, ts, clock_unix_s(), 0, &punch);
	ignored = sendto(fd, &punch, sizeof(punch), 0, (struct sockaddr *)&sa, sa_len);
	(void)ignored;
	close(fd);
}
