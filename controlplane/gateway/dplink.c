// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/gateway/dplink_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/log.h"
#include "controlplane/gateway/dplink_check.h"

#define RETRY_SOON_MS 20  // a data-plane that was killed is back in less than half a second
#define RETRY_SOON_N  150 // times; then it is no hurry any more
#define RETRY_LATE_MS 500
#define RECEIVED_FDS  4
#define SOCKET_BURST  64 // messages per wake-up, so that nobody keeps the loop for himself

static void connect_later(struct dplink *dp);
static void unsent_flush(struct dplink *dp);

void dplink_free_handle(uv_handle_t *handle)
{
	free(handle);
}

// ------------------------------------------------------------------ the socket

static void unsent_drop(struct dplink *dp)
{
	for (; dp->n_unsent > 0; dp->n_unsent--) {
		free(dp->unsent[dp->unsent_head].msg);
		dp->unsent_head = (dp->unsent_head + 1) % UNSENT_MAX;
	}
}

static void detach(struct dplink *dp)
{
	bool was_up = dp->state == LINK_UP;

	dp->state = LINK_DOWN;
	if (dp->poll != NULL) {
		uv_poll_stop(dp->poll);
		uv_close((uv_handle_t *)dp->poll, dplink_free_handle);
		dp->poll = NULL;
	}
	if (dp->fd >= 0)
		close(dp->fd);
	dp->fd = -1;
	for (unsigned i = 0; i < LINK_WORKERS_MAX; i++) {
		struct worker_link *w = dp->worker[i];

		dp->worker[i] = NULL;
		dplink_worker_destroy(w);
	}
	uv_timer_stop(&dp->stalled);
	if (dp->stats != NULL)
		munmap((void *)dp->stats, dp->stats_bytes);
	dp->stats = NULL;
	unsent_drop(dp);
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
	struct stats_head head;
	struct stat st;
	void *map;

	// Unless shrinking is sealed, a read could be made to fault.
	if ((fcntl(fd, F_GET_SEALS) & seals) != seals || fstat(fd, &st) < 0)
		return -EPERM;
	map = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	if (!dplink_stats_ok(map, st.st_size, &dp->hello, &head)) {
		munmap(map, st.st_size);
		return -EPROTO;
	}
	dp->stats_workers = head.worker_offset;
	dp->stats_sessions = head.session_offset;
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
		err = dplink_worker_create(dp, i, &dp->worker[i]);
		if (err < 0)
			return err;
		err = dplink_worker_send_rings(dp, dp->worker[i]);
		if (err < 0)
			return err;
	}
	dp->state = LINK_WAIT_STATUS;
	return 0;
}

static int start_workers(struct dplink *dp)
{
	int err = 0;

	for (unsigned i = 0; err == 0 && i < dp->hello.n_workers; i++)
		err = dplink_worker_start(dp->worker[i]);
	if (err < 0)
		return err;
	dp->state = LINK_UP;
	dp->n_retries = 0;
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

	if ((events & UV_WRITABLE) != 0)
		unsent_flush(dp);
	for (unsigned i = 0; i < SOCKET_BURST && dp->poll == poll; i++) {
		n = receive(dp->fd, buf, sizeof(buf), fds, &n_fds);
		if (n == -EAGAIN)
			return;
		err = n > 0 ? accept_message(dp, buf, n, fds, n_fds) : (n == 0 ? -EPIPE : (int)n);
		for (unsigned k = 0; k < n_fds; k++)
			close(fds[k]);
		if (err < 0) {
			if (err != -EPIPE && err != -ECONNRESET)
				log_warning("data-plane link closed: %s", strerror(-err));
			detach(dp);
			return;
		}
	}
}

static void watch(struct dplink *dp)
{
	uv_poll_start(dp->poll, UV_READABLE | UV_DISCONNECT | (dp->n_unsent > 0 ? UV_WRITABLE : 0),
		on_socket);
}

static void unsent_flush(struct dplink *dp)
{
	while (dp->n_unsent > 0) {
		struct unsent *u = &dp->unsent[dp->unsent_head];

		// Any other error shows when the socket is read.
		if (send(dp->fd, u->msg, u->bytes, MSG_NOSIGNAL) < 0 && errno == EAGAIN)
			break;
		free(u->msg);
		dp->unsent_head = (dp->unsent_head + 1) % UNSENT_MAX;
		dp->n_unsent--;
	}
	watch(dp);
}

int dplink_adopt(struct dplink *dp, int fd)
{
	int err;

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
	watch(dp);
	return 0;
}

static int open_socket(struct dplink *dp)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&dp->addr, sizeof(dp->addr)) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return dplink_adopt(dp, fd);
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
	bool soon = dp->n_retries < RETRY_SOON_N;

	dp->n_retries += soon;
	uv_timer_start(&dp->retry, on_retry, soon ? RETRY_SOON_MS : RETRY_LATE_MS, 0);
}

// ------------------------------------------------------------------ requests over the socket

// The socket's room, then our own: a data-plane that stops reading costs memory, never time. One
// that has not read for so long hangs, and is better asked anew.
static int send_or_keep(struct dplink *dp, const void *msg, size_t bytes)
{
	struct unsent *u = &dp->unsent[(dp->unsent_head + dp->n_unsent) % UNSENT_MAX];

	if (dp->n_unsent == 0 && send(dp->fd, msg, bytes, MSG_NOSIGNAL) >= 0)
		return 0;
	if (dp->n_unsent == 0 && errno != EAGAIN)
		return -errno;
	if (dp->n_unsent == UNSENT_MAX) {
		log_warning("data-plane link closed: nothing is read at its end");
		shutdown(dp->fd, SHUT_RDWR); // the loop finds it, when nobody is in our midst
		return -ENOBUFS;
	}
	u->msg = malloc(bytes);
	if (u->msg == NULL)
		return -ENOMEM;
	memcpy(u->msg, msg, bytes);
	u->bytes = bytes;
	if (dp->n_unsent++ == 0)
		watch(dp);
	return 0;
}

static int send_message(struct dplink *dp, struct link_head *head, enum link_op op, size_t bytes)
{
	if (dp->state != LINK_UP)
		return -ENOTCONN;
	if (++dp->seq == 0)
		dp->seq++;
	*head = (struct link_head){LINK_MAGIC, SHM_VERSION, op, bytes, dp->seq};
	return send_or_keep(dp, head, bytes);
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

const struct stats_head *dplink_stats_head(const struct dplink *dp)
{
	if (dp->state != LINK_UP || dp->stats == NULL)
		return NULL;
	return (const struct stats_head *)dp->stats;
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
