// SPDX-License-Identifier: BSD-3-Clause
//
// Commands to the workers, their answers, and groups of them.
#include "controlplane/gateway/dplink_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "config/log.h"

#define STALLED_MS 2 // look again for room in a full command ring

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
	[CMD_PATH_TRY] = sizeof(struct cmd_path),
};

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
	uv_close((uv_handle_t *)timer, dplink_free_handle);
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

void dplink_accept_ack(struct worker_link *w, const struct event_ack *ack)
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

// ------------------------------------------------------------------ commands

static int backlog_push(struct backlog *b, const struct cmd *cmd, uint32_t group)
{
	if (b->head + b->n == b->cap) {
		size_t cap = b->n < 64 ? 128 : 2 * b->n;
		struct waiting_cmd *cmds = malloc(cap * sizeof(*cmds));

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
	b->cmds[b->head + b->n++] = (struct waiting_cmd){*cmd, group};
	return 0;
}

// Put one into the ring and wait for its answer from then on; false: there is no room.
static bool send_one(struct worker_link *w, const struct cmd *cmd, uint32_t group)
{
	struct pending *pending = &w->pending[cmd->head.seq % PENDING_SLOTS];
	struct pending lost = *pending;

	if (sealed_ring_enqueue(&w->ring[RING_CMD], cmd, 1) == 0)
		return false;
	*pending = (struct pending){cmd->head.seq, group, cmd->head.op};
	// More than both rings hold came after it: its answer will not come any more.
	if (lost.seq != 0)
		group_close_one(w->dp, lost.group, -ETIMEDOUT);
	return true;
}

static void send_backlog(struct worker_link *w)
{
	struct backlog *b = &w->backlog;

	while (b->n > 0) {
		struct waiting_cmd next = b->cmds[b->head];
		bool sent;

		// Out of the list first: what send_one() calls may add to it.
		sodium_memzero(&b->cmds[b->head], sizeof(next));
		b->head++;
		b->n--;
		sent = send_one(w, &next.cmd, next.group);
		if (!sent) {
			b->head--;
			b->n++;
			b->cmds[b->head] = next;
		}
		sodium_memzero(&next, sizeof(next));
		if (!sent)
			break;
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
	struct group *g = group_get(dp, group);
	int err;

	if (++w->next_seq == 0)
		w->next_seq++;
	cmd->head.seq = w->next_seq;
	cmd->head.bytes = cmd_bytes[cmd->head.op];
	if (g != NULL)
		g->n_open++;
	if (w->backlog.n == 0 && send_one(w, cmd, group))
		return 0;
	err = backlog_push(&w->backlog, cmd, group);
	if (err < 0) {
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
