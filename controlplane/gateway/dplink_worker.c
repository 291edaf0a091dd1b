// SPDX-License-Identifier: BSD-3-Clause
//
// The five rings of one worker, from creation and sealing to taking out what it says.
#include "controlplane/gateway/dplink_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <sodium.h>

#include "config/log.h"
#include "controlplane/gateway/dplink_check.h"

#define DRAIN_BATCH 128 // elements of one kind per wake-up, so that no worker starves the loop
#define DRAIN_SLICE 16

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

void dplink_worker_destroy(struct worker_link *w)
{
	if (w == NULL)
		return;
	if (w->poll != NULL) {
		uv_poll_stop(w->poll);
		uv_close((uv_handle_t *)w->poll, dplink_free_handle);
	}
	if (w->doorbell >= 0)
		close(w->doorbell);
	for (unsigned kind = 0; kind < RING_KINDS; kind++)
		sealed_ring_fini(&w->ring[kind]);
	if (w->backlog.cmds != NULL) {
		sodium_memzero(w->backlog.cmds, w->backlog.cap * sizeof(*w->backlog.cmds));
		free(w->backlog.cmds);
	}
	free(w);
}

int dplink_worker_create(struct dplink *dp, unsigned idx, struct worker_link **ret_worker)
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
	dplink_worker_destroy(w);
	return err;
}

int dplink_worker_send_rings(struct dplink *dp, struct worker_link *w)
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
				dplink_accept_ack(w, &events[i].ack);
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

int dplink_worker_start(struct worker_link *w)
{
	w->poll = calloc(1, sizeof(*w->poll));
	if (w->poll == NULL)
		return -ENOMEM;
	if (uv_poll_init(w->dp->loop, w->poll, w->doorbell) < 0) {
		free(w->poll);
		w->poll = NULL;
		return -EIO;
	}
	w->poll->data = w;
	uv_poll_start(w->poll, UV_READABLE, on_doorbell);
	return 0;
}
