// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/gateway/dplink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <sodium.h>

#include "controlplane/common/log.h"
#include "controlplane/gateway/dplink_check.h"
#include "wire/sealed_ring.h"

#define RETRY_FIRST_MS 20
#define RETRY_MAX_MS   500
#define SEND_TIMEOUT_S 1
#define DRAIN_BATCH    128 // elements of one kind per wake-up, so that no worker starves the loop
#define DRAIN_SLICE    16
#define STALLED_MS     2 // look again for room in a full command ring
#define PENDING_SLOTS  (2 * RING_CMD_SLOTS)
#define GROUPS_MAX     4096
#define ASKS_MAX       16
#define RECEIVED_FDS   4

static const struct {
	uint32_t bytes;
	uint32_t slots;
} ring_shape[RING_KINDS] = {
	[RING_CMD] = {sizeof(struct cmd), RING_CMD_SLOTS},
	[RING_EVENT] = {sizeof(struct event), RING_EVENT_SLOTS},
	[RING_PUNT] = {sizeof(struct punt), RING_PUNT_SLOTS},
	[RING_LANE0] = {sizeof(struct punt), RING_LANE0_SLOTS},
	[RING_INJECT] = {sizeof(struct inject), RING_INJECT_SLOTS},
};

static const uint16_t cmd_bytes[CMD_OP_MAX] = {
	[CMD_SESSION_SET] = sizeof(struct cmd_session),
	[CMD_SESSION_DEL] = sizeof(struct cmd_head),
	[CMD_TAGS] = sizeof(struct cmd_tags),
	[CMD_KEY_INSTALL] = sizeof(struct cmd_key),
	[CMD_TX_SWITCH] = sizeof(struct cmd_epoch),
	[CMD_KEY_RETIRE] = sizeof(struct cmd_epoch),
	[CMD_PATH] = sizeof(struct cmd_path),
	[CMD_DEADLINE] = sizeof(struct cmd_epoch),
	[CMD_DUMP] = sizeof(struct cmd_head),
};

// A command not answered yet.
struct pending {
	uint32_t seq; // 0: free
	uint32_t group;
	uint16_t op;
};

struct backlog {
	struct cmd *cmds;
	size_t head, n, cap;
};

struct worker_link {
	struct dplink *dp;
	unsigned idx;
	struct sealed_ring ring[RING_KINDS];
	int doorbell;
	uv_poll_t *poll; // owned by the loop until its close callback
	uint32_t next_seq;
	struct pending pending[PENDING_SLOTS];
	struct backlog backlog;
};

struct group {
	uint32_t id; // 0: free
	uint32_t n_open;
	int status;
	bool ended;
};

struct ask {
	uint32_t seq;
	dplink_fdb_fn *fn;
	void *ctx;
};

enum link_state { LINK_DOWN, LINK_WAIT_HELLO, LINK_WAIT_STATUS, LINK_UP };

struct dplink {
	uv_loop_t *loop;
	struct sockaddr_un addr;
	const struct dplink_ops *ops;
	void *ctx;
	enum link_state state;
	int fd;
	uv_poll_t *poll;
	uv_timer_t retry;
	uv_timer_t stalled;
	unsigned n_closing;
	unsigned retry_ms;
	bool destroyed, told_absent;
	uint32_t generation;
	uint32_t seq;
	uint32_t rings_seq;
	struct link_hello hello;
	const uint8_t *stats;
	size_t stats_bytes;
	size_t stats_workers, stats_sessions; // offsets, taken once
	struct worker_link *worker[LINK_WORKERS_MAX];
	uint32_t next_group;
	struct group group[GROUPS_MAX];
	struct ask ask[ASKS_MAX];
};

static void connect_later(struct dplink *dp);

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

// ------------------------------------------------------------------ groups

static struct group *group_get(struct dplink *dp, uint32_t id)
{
	struct group *group = &dp->group[id % GROUPS_MAX];

	return id != DPLINK_NO_GROUP && group->id == id ? group : NULL;
}

static void group_close_one(struct dplink *dp, uint32_t id, int status)
{
	struct group *group = group_get(dp, id);

	if (group == NULL)
		return;
	if (status < 0 && group->status == 0)
		group->status = status;
	if (group->n_open > 0)
		group->n_open--;
	if (group->n_open > 0 || !group->ended)
		return;
	status = group->status;
	*group = (struct group){0};
	dp->ops->done(dp->ctx, id, status);
}

uint32_t dplink_group_begin(struct dplink *dp)
{
	struct group *group;

	// A slot still in use belongs to a group 4096 groups ago, which nothing answers any more.
	if (++dp->next_group == DPLINK_NO_GROUP)
		dp->next_group++;
	group = &dp->group[dp->next_group % GROUPS_MAX];
	*group = (struct group){.id = dp->next_group, .n_open = 1};
	return group->id;
}

struct empty_group {
	uv_timer_t timer;
	struct dplink *dp;
	uint32_t id;
};

static void on_group_ended(uv_timer_t *timer)
{
	struct empty_group *e = (struct empty_group *)timer;

	group_close_one(e->dp, e->id, 0);
	uv_close((uv_handle_t *)timer, free_handle);
}

void dplink_group_end(struct dplink *dp, uint32_t id)
{
	struct group *group = group_get(dp, id);
	struct empty_group *e;

	if (group == NULL)
		return;
	group->ended = true;
	if (group->n_open > 1) {
		group->n_open--;
		return;
	}
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return;
	e->dp = dp;
	e->id = id;
	uv_timer_init(dp->loop, &e->timer);
	uv_timer_start(&e->timer, on_group_ended, 0, 0);
}

// ------------------------------------------------------------------ rings of a worker

static void worker_destroy(struct worker_link *w)
{
	if (w == NULL)
		return;
	if (w->poll != NULL) {
		uv_poll_stop(w->poll);
		uv_close((uv_handle_t *)w->poll, free_handle);
	}
	if (w->doorbell >= 0)
		close(w->doorbell);
	for (unsigned kind = 0; kind < RING_KINDS; kind++)
		sealed_ring_fini(&w->ring[kind]);
	if (w->backlog.cmds != NULL) {
		sodium_memzero(w->backlog.cmds, w->backlog.cap * sizeof(struct cmd));
		free(w->backlog.cmds);
	}
	free(w);
}

static int worker_create(struct dplink *dp, unsigned idx, struct worker_link **ret_worker)
{
	static const char *const names[RING_KINDS] = {"cmd", "event", "punt", "lane0", "inject"};
	struct worker_link *w = calloc(1, sizeof(*w));
	int err = -ENOMEM;

	if (w == NULL)
		return err;
	w->dp = dp;
	w->idx = idx;
	w->doorbell = -1;
	for (unsigned kind = 0; kind < RING_KINDS; kind++)
		w->ring[kind] = SEALED_RING_INIT;
	for (unsigned kind = 0; kind < RING_KINDS; kind++) {
		err = sealed_ring_create(names[kind], ring_shape[kind].bytes,
			ring_shape[kind].slots, &w->ring[kind]);
		if (err < 0)
			goto destroy;
	}
	w->doorbell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->doorbell < 0) {
		err = -errno;
		goto destroy;
	}
	*ret_worker = w;
	return 0;

destroy:
	worker_destroy(w);
	return err;
}

static int send_rings(struct dplink *dp, struct worker_link *w)
{
	struct link_rings msg = {
		.head = {LINK_MAGIC, SHM_VERSION, LINK_RINGS, sizeof(msg), ++dp->seq},
		.generation = dp->generation,
		.worker = w->idx,
		.n_workers = dp->hello.n_workers,
	};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(LINK_RING_FDS * sizeof(int))];
	} control = {0};
	struct iovec iov = {&msg, sizeof(msg)};
	struct msghdr mh = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
	int fds[LINK_RING_FDS];

	for (unsigned kind = 0; kind < RING_KINDS; kind++) {
		fds[2 * kind] = w->ring[kind].head_fd;
		fds[2 * kind + 1] = w->ring[kind].body_fd;
	}
	fds[2 * RING_KINDS] = w->doorbell;
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(cm), fds, sizeof(fds));
	dp->rings_seq = msg.head.seq;
	if (sendmsg(dp->fd, &mh, MSG_NOSIGNAL) < 0)
		return -errno;
	for (unsigned kind = 0; kind < RING_KINDS; kind++)
		sealed_ring_close_fds(&w->ring[kind]);
	return 0;
}

static void accept_ack(struct worker_link *w, const struct event_ack *ack)
{
	struct pending *pending = &w->pending[ack->head.seq % PENDING_SLOTS];
	uint32_t group = pending->group;

	// An answer nobody waits for, or to another command, is a lie or a leftover.
	if (ack->head.seq == 0 || pending->seq != ack->head.seq || pending->op != ack->cmd_op)
		return;
	*pending = (struct pending){0};
	if (ack->status < 0)
		log_debug("data-plane: worker %u refused command %u for session %u: %s", w->idx,
			ack->cmd_op, ack->head.session, strerror(-ack->status));
	group_close_one(w->dp, group, ack->status < 0 ? ack->status : 0);
}

static bool drain_events(struct worker_link *w)
{
	struct dplink *dp = w->dp;
	struct event events[DRAIN_SLICE];
	unsigned n, total = 0;

	do {
		n = sealed_ring_dequeue(&w->ring[RING_EVENT], events, DRAIN_SLICE);
		for (unsigned i = 0; i < n; i++) {
			if (!dplink_event_ok(&events[i], w->idx, &dp->hello))
				continue;
			if (events[i].head.op == EV_ACK)
				accept_ack(w, &events[i].ack);
			else
				dp->ops->event(dp->ctx, &events[i]);
		}
		total += n;
	} while (n == DRAIN_SLICE && total < DRAIN_BATCH);
	return n == DRAIN_SLICE;
}

static bool drain_punts(struct worker_link *w, enum ring_kind kind)
{
	struct dplink *dp = w->dp;
	struct punt punt;
	unsigned total = 0;

	while (total < DRAIN_BATCH) {
		if (sealed_ring_dequeue(&w->ring[kind], &punt, 1) == 0)
			return false;
		total++;
		if (dplink_punt_ok(&punt, w->idx, &dp->hello))
			dp->ops->punt(dp->ctx, &punt, kind == RING_LANE0);
	}
	return true;
}

static void on_doorbell(uv_poll_t *poll, int status, int events)
{
	struct worker_link *w = poll->data;
	uint64_t count;
	bool more;

	if (read(w->doorbell, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	more = drain_events(w);
	more |= drain_punts(w, RING_LANE0);
	more |= drain_punts(w, RING_PUNT);
	// Come back after the other handles had their turn.
	count = 1;
	if (more && write(w->doorbell, &count, sizeof(count)) < 0)
		log_debug("data-plane: worker %u: doorbell: %s", w->idx, strerror(errno));
}

// ------------------------------------------------------------------ commands

static int backlog_push(struct backlog *b, const struct cmd *cmd)
{
	if (b->head + b->n == b->cap) {
		size_t cap = b->n < 64 ? 128 : 2 * b->n;
		struct cmd *cmds = malloc(cap * sizeof(*cmds));

		if (cmds == NULL)
			return -ENOMEM;
		if (b->n > 0)
			memcpy(cmds, b->cmds + b->head, b->n * sizeof(*cmds));
		// Old array held keys.
		if (b->cmds != NULL)
			sodium_memzero(b->cmds, b->cap * sizeof(*b->cmds));
		free(b->cmds);
		b->cmds = cmds;
		b->cap = cap;
		b->head = 0;
	}
	b->cmds[b->head + b->n++] = *cmd;
	return 0;
}

static void send_backlog(struct worker_link *w)
{
	struct backlog *b = &w->backlog;

	while (b->n > 0) {
		struct cmd *cmd = &b->cmds[b->head];
		struct pending *pending = &w->pending[cmd->head.seq % PENDING_SLOTS];

		// Twice the ring's size in flight without an answer: wait.
		if (pending->seq != 0 && pending->seq != cmd->head.seq)
			break;
		if (sealed_ring_enqueue(&w->ring[RING_CMD], cmd, 1) == 0)
			break;
		sodium_memzero(cmd, sizeof(*cmd));
		b->head++;
		b->n--;
	}
	if (b->n == 0)
		b->head = 0;
}

static void on_stalled(uv_timer_t *timer)
{
	struct dplink *dp = timer->data;
	bool waiting = false;

	for (unsigned i = 0; i < dp->hello.n_workers; i++) {
		if (dp->worker[i] == NULL)
			continue;
		send_backlog(dp->worker[i]);
		waiting |= dp->worker[i]->backlog.n > 0;
	}
	if (!waiting)
		uv_timer_stop(timer);
}

static int command(struct dplink *dp, unsigned worker, struct cmd *cmd, uint32_t group)
{
	struct worker_link *w = dp->worker[worker];
	struct pending *pending;
	struct group *g = group_get(dp, group);
	int err;

	if (++w->next_seq == 0)
		w->next_seq++;
	cmd->head.seq = w->next_seq;
	cmd->head.bytes = cmd_bytes[cmd->head.op];
	pending = &w->pending[w->next_seq % PENDING_SLOTS];
	if (pending->seq != 0)
		group_close_one(dp, pending->group, -ETIMEDOUT);
	*pending = (struct pending){w->next_seq, group, cmd->head.op};
	if (g != NULL)
		g->n_open++;
	if (w->backlog.n == 0 && sealed_ring_enqueue(&w->ring[RING_CMD], cmd, 1) == 1)
		return 0;
	err = backlog_push(&w->backlog, cmd);
	if (err < 0) {
		*pending = (struct pending){0};
		group_close_one(dp, group, err);
		return err;
	}
	if (!uv_is_active((uv_handle_t *)&dp->stalled))
		uv_timer_start(&dp->stalled, on_stalled, STALLED_MS, STALLED_MS);
	return 0;
}

int dplink_command(struct dplink *dp, unsigned worker, struct cmd *cmd, uint32_t group)
{
	int err = -ENOTCONN;

	if (dp->state == LINK_UP && worker < dp->hello.n_workers)
		err = command(dp, worker, cmd, group);
	sodium_memzero(cmd, sizeof(*cmd));
	return err;
}

int dplink_command_all(struct dplink *dp, struct cmd *cmd, uint32_t group)
{
	int err = dp->state == LINK_UP ? 0 : -ENOTCONN;

	for (unsigned i = 0; err == 0 && i < dp->hello.n_workers; i++)
		err = command(dp, i, cmd, group);
	sodium_memzero(cmd, sizeof(*cmd));
	return err;
}

int dplink_inject(struct dplink *dp, unsigned worker, const struct inject *inject)
{
	if (dp->state != LINK_UP || worker >= dp->hello.n_workers)
		return -ENOTCONN;
	return sealed_ring_enqueue(&dp->worker[worker]->ring[RING_INJECT], inject, 1) == 1
		       ? 0
		       : -EAGAIN;
}

bool dplink_overloaded(const struct dplink *dp)
{
	if (dp->state != LINK_UP)
		return false;
	for (unsigned i = 0; i < dp->hello.n_workers; i++) {
		if (sealed_ring_count(&dp->worker[i]->ring[RING_PUNT]) > RING_PUNT_SLOTS / 2)
			return true;
	}
	return false;
}

// ------------------------------------------------------------------ the socket

static void detach(struct dplink *dp)
{
	bool was_up = dp->state == LINK_UP;

	dp->state = LINK_DOWN;
	if (dp->poll != NULL) {
		uv_poll_stop(dp->poll);
		uv_close((uv_handle_t *)dp->poll, free_handle);
		dp->poll = NULL;
	}
	if (dp->fd >= 0)
		close(dp->fd);
	dp->fd = -1;
	for (unsigned i = 0; i < LINK_WORKERS_MAX; i++) {
		struct worker_link *w = dp->worker[i];

		dp->worker[i] = NULL;
		worker_destroy(w);
	}
	uv_timer_stop(&dp->stalled);
	if (dp->stats != NULL)
		munmap((void *)dp->stats, dp->stats_bytes);
	dp->stats = NULL;
	memset(dp->group, 0, sizeof(dp->group));
	for (unsigned i = 0; i < ASKS_MAX; i++) {
		struct ask ask = dp->ask[i];

		dp->ask[i] = (struct ask){0};
		if (ask.seq != 0)
			ask.fn(ask.ctx, -ENOTCONN, NULL);
	}
	if (was_up)
		dp->ops->detached(dp->ctx);
	if (!dp->destroyed)
		connect_later(dp);
}

static int map_stats(struct dplink *dp, int fd)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW;
	const struct stats_head *head;
	struct stat st;
	void *map;

	// Unless shrinking is sealed, a read could be made to fault.
	if ((fcntl(fd, F_GET_SEALS) & seals) != seals || fstat(fd, &st) < 0)
		return -EPERM;
	map = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	if (!dplink_stats_ok(map, st.st_size, &dp->hello)) {
		munmap(map, st.st_size);
		return -EPROTO;
	}
	head = map;
	dp->stats_workers = *(const volatile uint64_t *)&head->worker_offset;
	dp->stats_sessions = *(const volatile uint64_t *)&head->session_offset;
	dp->stats = map;
	dp->stats_bytes = st.st_size;
	return 0;
}

static int accept_hello(
	struct dplink *dp, const void *msg, size_t n, const int *fds, unsigned n_fds)
{
	int err;

	if (n != sizeof(dp->hello) || n_fds != 1)
		return -EPROTO;
	memcpy(&dp->hello, msg, sizeof(dp->hello));
	if (!dplink_hello_ok(&dp->hello, n))
		return -EPROTO;
	err = map_stats(dp, fds[0]);
	if (err < 0)
		return err;
	dp->generation++;
	for (unsigned i = 0; i < dp->hello.n_workers; i++) {
		err = worker_create(dp, i, &dp->worker[i]);
		if (err < 0)
			return err;
		err = send_rings(dp, dp->worker[i]);
		if (err < 0)
			return err;
	}
	dp->state = LINK_WAIT_STATUS;
	return 0;
}

static int start_workers(struct dplink *dp)
{
	for (unsigned i = 0; i < dp->hello.n_workers; i++) {
		struct worker_link *w = dp->worker[i];

		w->poll = calloc(1, sizeof(*w->poll));
		if (w->poll == NULL)
			return -ENOMEM;
		if (uv_poll_init(dp->loop, w->poll, w->doorbell) < 0) {
			free(w->poll);
			w->poll = NULL;
			return -EIO;
		}
		w->poll->data = w;
		uv_poll_start(w->poll, UV_READABLE, on_doorbell);
	}
	dp->state = LINK_UP;
	dp->retry_ms = RETRY_FIRST_MS;
	dp->told_absent = false;
	dp->ops->attached(dp->ctx, &dp->hello);
	return 0;
}

static void accept_fdb(struct dplink *dp, const struct link_head *head, const void *msg, size_t n)
{
	static _Alignas(struct link_fdb) uint8_t copy[LINK_MESSAGE_BYTES];

	for (unsigned i = 0; i < ASKS_MAX; i++) {
		struct ask ask = dp->ask[i];

		if (ask.seq == 0 || ask.seq != head->seq)
			continue;
		dp->ask[i] = (struct ask){0};
		memcpy(copy, msg, n);
		if (dplink_fdb_ok((struct link_fdb *)copy, n, &dp->hello))
			ask.fn(ask.ctx, 0, (struct link_fdb *)copy);
		else
			ask.fn(ask.ctx, -EPROTO, NULL);
		return;
	}
}

static int accept_status(struct dplink *dp, const struct link_status *status, size_t n)
{
	if (n != sizeof(*status))
		return -EPROTO;
	if (dp->state == LINK_WAIT_STATUS && status->head.seq == dp->rings_seq)
		return status->status < 0 ? status->status : start_workers(dp);
	if (status->status < 0)
		log_warning("data-plane: request %u failed: %s", status->head.seq,
			strerror(-status->status));
	return 0;
}

static int accept_message(
	struct dplink *dp, const void *msg, size_t n, const int *fds, unsigned n_fds)
{
	struct link_head head;

	if (n < sizeof(head))
		return -EPROTO;
	memcpy(&head, msg, sizeof(head));
	if (head.magic != LINK_MAGIC || head.bytes != n)
		return -EPROTO;
	if (head.version != SHM_VERSION) {
		log_error("data-plane speaks layout %u, this control %u: run both from one build",
			head.version, SHM_VERSION);
		return -EPROTO;
	}
	if (dp->state == LINK_WAIT_HELLO)
		return head.op == LINK_HELLO ? accept_hello(dp, msg, n, fds, n_fds) : -EPROTO;
	switch (head.op) {
	case LINK_STATUS:
		return accept_status(dp, msg, n);
	case LINK_FDB:
		if (dp->state == LINK_UP)
			accept_fdb(dp, &head, msg, n);
		return 0;
	default:
		return -EPROTO;
	}
}

static ssize_t receive(int fd, void *buf, size_t size, int *fds, unsigned *ret_n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(RECEIVED_FDS * sizeof(int))];
	} control;
	struct iovec iov = {buf, size};
	struct msghdr mh = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*ret_n_fds = 0;
	if (n < 0)
		return -errno;
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(&mh); cm != NULL; cm = CMSG_NXTHDR(&mh, cm)) {
		unsigned n_fds = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		for (unsigned i = 0; i < n_fds; i++) {
			int got;

			memcpy(&got, CMSG_DATA(cm) + i * sizeof(int), sizeof(got));
			if (*ret_n_fds < RECEIVED_FDS)
				fds[(*ret_n_fds)++] = got;
			else
				close(got);
		}
	}
	return mh.msg_flags & MSG_TRUNC ? -EMSGSIZE : n;
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
	static _Alignas(16) uint8_t buf[LINK_MESSAGE_BYTES];
	struct dplink *dp = poll->data;
	int fds[RECEIVED_FDS];
	unsigned n_fds;
	ssize_t n;
	int err;

	while (dp->poll == poll) {
		n = receive(dp->fd, buf, sizeof(buf), fds, &n_fds);
		if (n == -EAGAIN)
			return;
		err = n > 0 ? accept_message(dp, buf, n, fds, n_fds) : (n == 0 ? -EPIPE : (int)n);
		for (unsigned i = 0; i < n_fds; i++)
			close(fds[i]);
		if (err < 0) {
			if (err != -EPIPE && err != -ECONNRESET)
				log_warning("data-plane link closed: %s", strerror(-err));
			detach(dp);
			return;
		}
	}
}

static int open_socket(struct dplink *dp)
{
	struct timeval timeout = {.tv_sec = SEND_TIMEOUT_S};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	// A local connect ends at once; the timeout bounds what a stuck data-plane can cost us.
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ||
		connect(fd, (struct sockaddr *)&dp->addr, sizeof(dp->addr)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	dp->fd = fd;
	dp->poll = calloc(1, sizeof(*dp->poll));
	err = dp->poll == NULL ? -ENOMEM : uv_poll_init(dp->loop, dp->poll, fd);
	if (err < 0) {
		free(dp->poll);
		dp->poll = NULL;
		dp->fd = -1;
		close(fd);
		return err;
	}
	dp->poll->data = dp;
	dp->state = LINK_WAIT_HELLO;
	uv_poll_start(dp->poll, UV_READABLE | UV_DISCONNECT, on_socket);
	return 0;
}

static void on_retry(uv_timer_t *timer)
{
	struct dplink *dp = timer->data;
	int err = open_socket(dp);

	if (err == 0)
		return;
	if (!dp->told_absent)
		log_notice("data-plane is not running (%s: %s); waiting for it", dp->addr.sun_path,
			strerror(-err));
	dp->told_absent = true;
	connect_later(dp);
}

static void connect_later(struct dplink *dp)
{
	uv_timer_start(&dp->retry, on_retry, dp->retry_ms, 0);
	dp->retry_ms = dp->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : dp->retry_ms * 2;
}

// ------------------------------------------------------------------ requests over the socket

static int send_message(struct dplink *dp, struct link_head *head, enum link_op op, size_t bytes)
{
	if (dp->state != LINK_UP)
		return -ENOTCONN;
	if (++dp->seq == 0)
		dp->seq++;
	*head = (struct link_head){LINK_MAGIC, SHM_VERSION, op, bytes, dp->seq};
	return send(dp->fd, head, bytes, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int dplink_tags(struct dplink *dp, const uint8_t (*tags)[8], size_t n)
{
	struct link_tags msg;
	size_t at = 0;

	do {
		size_t part = n - at < LINK_TAGS_MAX ? n - at : LINK_TAGS_MAX;
		int err;

		memset(&msg, 0, sizeof(msg));
		msg.n = part;
		msg.add = 1;
		msg.replace = at == 0;
		memcpy(msg.tag, tags + at, part * sizeof(msg.tag[0]));
		err = send_message(dp, &msg.head, LINK_TAGS, sizeof(msg));
		if (err < 0)
			return err;
		at += part;
	} while (at < n);
	return 0;
}

int dplink_fdb_get(struct dplink *dp, uint32_t cursor, dplink_fdb_fn *fn, void *ctx)
{
	struct link_fdb_get msg = {.cursor = cursor};
	int err;

	for (unsigned i = 0; i < ASKS_MAX; i++) {
		if (dp->ask[i].seq != 0)
			continue;
		err = send_message(dp, &msg.head, LINK_FDB_GET, sizeof(msg));
		if (err < 0)
			return err;
		dp->ask[i] = (struct ask){msg.head.seq, fn, ctx};
		return 0;
	}
	return -EBUSY;
}

int dplink_fdb_flush(struct dplink *dp, uint32_t session)
{
	struct link_fdb_flush msg = {.session = session};

	return send_message(dp, &msg.head, LINK_FDB_FLUSH, sizeof(msg));
}

// ------------------------------------------------------------------ the object

bool dplink_ready(const struct dplink *dp)
{
	return dp->state == LINK_UP;
}

const struct link_hello *dplink_hello(const struct dplink *dp)
{
	return dp->state == LINK_UP ? &dp->hello : NULL;
}

const struct stats_worker *dplink_stats_worker(const struct dplink *dp, unsigned worker)
{
	if (dp->state != LINK_UP || dp->stats == NULL || worker >= dp->hello.n_workers)
		return NULL;
	return (const struct stats_worker *)(dp->stats + dp->stats_workers) + worker;
}

const struct stats_session *dplink_stats_session(
	const struct dplink *dp, unsigned worker, uint32_t slot)
{
	if (dp->state != LINK_UP || dp->stats == NULL || worker >= dp->hello.n_workers ||
		slot >= dp->hello.max_sessions)
		return NULL;
	return (const struct stats_session *)(dp->stats + dp->stats_sessions) +
	       (size_t)worker * dp->hello.max_sessions + slot;
}

int dplink_create(uv_loop_t *loop, const char *socket_path, const struct dplink_ops *ops, void *ctx,
	struct dplink **ret)
{
	struct dplink *dp;

	if (strlen(socket_path) >= sizeof(dp->addr.sun_path))
		return -ENAMETOOLONG;
	dp = calloc(1, sizeof(*dp));
	if (dp == NULL)
		return -ENOMEM;
	dp->loop = loop;
	dp->ops = ops;
	dp->ctx = ctx;
	dp->fd = -1;
	dp->addr.sun_family = AF_UNIX;
	strcpy(dp->addr.sun_path, socket_path);
	uv_timer_init(loop, &dp->retry);
	uv_timer_init(loop, &dp->stalled);
	dp->retry.data = dp;
	dp->stalled.data = dp;
	dp->retry_ms = RETRY_FIRST_MS;
	uv_timer_start(&dp->retry, on_retry, 0, 0);
	*ret = dp;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct dplink *dp = handle->data;

	if (++dp->n_closing == 2)
		free(dp);
}

void dplink_destroy(struct dplink *dp)
{
	if (dp == NULL)
		return;
	dp->destroyed = true;
	dp->state = dp->state == LINK_UP ? LINK_WAIT_STATUS : dp->state; // no detached() from here
	detach(dp);
	uv_close((uv_handle_t *)&dp->retry, on_closed);
	uv_close((uv_handle_t *)&dp->stalled, on_closed);
}
