// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/janitor.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <bpf/libbpf.h>

#include "config/log.h"
#include "dataplane/policy.h"
#include "dataplane/worker_types.h"
#include "dataplane/xdp.h"
#include "sandbox/crash.h"

struct janitor {
	int fd;
};

struct chore {
	uint32_t ifindex; // 0: no more, do it now
	uint32_t prog_id;
	uint32_t flags;
};

// Only what is still the program that we put there.
static void detach(const struct chore *c)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (bpf_xdp_query((int)c->ifindex, 0, &query) == 0 &&
		(query.drv_prog_id == c->prog_id || query.skb_prog_id == c->prog_id ||
			query.hw_prog_id == c->prog_id))
		(void)bpf_xdp_detach((int)c->ifindex, c->flags, NULL);
}

static _Noreturn void work(const struct dataplane_config *cfg, int fd)
{
	struct chore chores[PORTS_MAX], c;
	unsigned n = 0;

	// A supervisor ends the whole group; this one ends after the data-plane, by itself.
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	(void)prctl(PR_SET_NAME, "postern-janitor");
	for (int other = 3; other < 1024; other++) {
		if (other != fd && other != crash_fd())
			close(other);
	}
	crash_init_fd("postern-janitor", crash_fd());
	if (policy_enter_janitor(cfg) < 0) {
		log_error("the janitor cannot give its privileges up");
		_exit(1);
	}
	while (recv(fd, &c, sizeof(c), 0) == sizeof(c)) {
		if (c.ifindex != 0 && n < PORTS_MAX) {
			chores[n++] = c;
			continue;
		}
		for (unsigned i = 0; i < n; i++)
			detach(&chores[i]);
		break;
	}
	_exit(0);
}

int janitor_start(const struct dataplane_config *cfg, struct janitor **ret_janitor)
{
	struct janitor *j = calloc(1, sizeof(*j));
	int fds[2];
	pid_t pid;
	int err;

	if (j == NULL)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
		err = -errno;
		goto free_janitor;
	}
	pid = fork();
	if (pid < 0) {
		err = -errno;
		close(fds[0]);
		close(fds[1]);
		goto free_janitor;
	}
	if (pid == 0)
		work(cfg, fds[1]);
	close(fds[1]);
	j->fd = fds[0];
	*ret_janitor = j;
	return 0;

free_janitor:
	free(j);
	return err;
}

void janitor_add(struct janitor *j, unsigned ifindex, uint32_t prog_id, uint32_t flags)
{
	struct chore c = {.ifindex = ifindex, .prog_id = prog_id, .flags = flags};

	(void)send(j->fd, &c, sizeof(c), MSG_NOSIGNAL);
}

void janitor_clean(struct janitor *j)
{
	struct chore now = {0};
	char end;

	if (j == NULL)
		return;
	(void)send(j->fd, &now, sizeof(now), MSG_NOSIGNAL);
	// It says nothing: what comes is its end.
	while (recv(j->fd, &end, sizeof(end), 0) < 0 && errno == EINTR)
		;
	close(j->fd);
	free(j);
}
