// SPDX-License-Identifier: BSD-3-Clause
// The data-plane of a gateway on the rig's arrays, and control's link to it: dplink.h on the rig's
// rings, with dplink_command.c's own bookkeeping of commands and groups.
#include "tests/sim/sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/gateway/dplink_check.h"

static uint64_t boots;

// ------------------------------------------------------------------ link

int dplink_create(
	uv_loop_t *loop, const char *, const struct dplink_ops *ops, void *ctx, struct dplink **ret)
{
	struct dplink *dp = calloc(1, sizeof(*dp));

	if (dp == NULL)
		return -ENOMEM;
	dp->loop = loop;
	dp->ops = ops;
	dp->ctx = ctx;
	uv_timer_init(loop, &dp->stalled);
	dp->stalled.data = dp;
	loop_current()->link = dp;
	*ret = dp;
	return 0;
}

static void free_workers(struct dplink *dp)
{
	for (unsigned i = 0; i < LINK_WORKERS_MAX; i++) {
		if (dp->worker[i] == NULL)
			continue;
		free(dp->worker[i]->backlog.cmds);
		free(dp->worker[i]);
		dp->worker[i] = NULL;
	}
}

void dplink_destroy(struct dplink *dp)
{
	if (dp == NULL)
		return;
	uv_timer_stop(&dp->stalled);
	free_workers(dp);
	loop_current()->link = NULL;
	free(dp);
}

void dplink_free_handle(uv_handle_t *handle)
{
	free(handle);
}

bool dplink_ready(const struct dplink *dp)
{
	return dp != NULL && dp->state == LINK_UP;
}

const struct link_hello *dplink_hello(const struct dplink *dp)
{
	return dplink_ready(dp) ? &dp->hello : NULL;
}

int dplink_tags(struct dplink *dp, const uint8_t (*)[8], size_t)
{
	return dplink_ready(dp) ? 0 : -ENOTCONN;
}

int dplink_fdb_flush(struct dplink *dp, uint32_t session)
{
	struct sim_gateway *g = loop_current();

	if (!dplink_ready(dp) || g->box == NULL)
		return -ENOTCONN;
	box_fdb_flush(g->box, session);
	return 0;
}

void plane_attach(struct sim_gateway *g)
{
	struct dplink *dp = g->link;
	struct worker_link *w;

	if (g->box == NULL || dp == NULL)
		return;
	loop_enter(g);
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		abort();
	w->dp = dp;
	dp->worker[0] = w;
	box_clock(g->box, (world.now_us + g->mono_base_us) * 1000);
	box_attach(g->box, ++g->generation, w->ring);
	box_hello(g->box, &dp->hello);
	if (!dplink_hello_ok(&dp->hello, sizeof(dp->hello)))
		sim_fail("the data-plane's HELLO is refused");
	dp->state = LINK_UP;
	g->busy = true;
	dp->ops->attached(dp->ctx, &dp->hello);
}

static void detach(struct sim_gateway *g)
{
	struct dplink *dp = g->link;

	if (dp == NULL || dp->state != LINK_UP)
		return;
	loop_enter(g);
	dp->state = LINK_DOWN;
	uv_timer_stop(&dp->stalled);
	free_workers(dp);
	memset(dp->group, 0, sizeof(dp->group));
	dp->ops->detached(dp->ctx);
}

// ------------------------------------------------------------------ what comes out

static bool take_worker(struct worker_link *w)
{
	struct dplink *dp = w->dp;
	struct event ev;
	struct punt punt;
	bool any = false;

	while (sealed_ring_dequeue(&w->ring[RING_EVENT], &ev, 1) == 1) {
		any = true;
		if (!dplink_event_ok(&ev, w->idx, &dp->hello))
			sim_fail("the data-plane says what control refuses: event %u", ev.head.op);
		else if (ev.head.op == EV_ACK)
			dplink_accept_ack(w, &ev.ack);
		else
			dp->ops->event(dp->ctx, &ev);
	}
	for (enum ring_kind kind = RING_PUNT; kind <= RING_LANE0; kind++) {
		while (sealed_ring_dequeue(&w->ring[kind], &punt, 1) == 1) {
			any = true;
			if (!dplink_punt_ok(&punt, w->idx, &dp->hello))
				sim_fail("the data-plane punts what control refuses");
			else
				dp->ops->punt(dp->ctx, &punt, kind == RING_LANE0);
		}
	}
	any |= sealed_ring_count(&w->ring[RING_CMD]) > 0 ||
	       sealed_ring_count(&w->ring[RING_INJECT]) > 0;
	return any;
}

static void on_wan(void *ctx, const struct box_packet *p)
{
	struct sim_gateway *g = ctx;

	if (p->len == 0)
		sim_fail("%s sends a packet that is none", g->name);
	else
		net_send(g, (struct sim_addr){p->dst_ip, p->dport}, p->data, p->len);
}

static void on_lan(void *ctx, const uint8_t *frame, size_t len)
{
	watch_delivered(ctx, frame, len);
}

bool plane_take(struct sim_gateway *g)
{
	struct dplink *dp = g->link;
	bool any = box_take(g->box, on_wan, on_lan, g);

	loop_enter(g);
	for (unsigned i = 0; dp != NULL && dp->state == LINK_UP && i < dp->hello.n_workers; i++)
		any |= take_worker(dp->worker[i]);
	return any;
}

// ------------------------------------------------------------------ what goes in

void plane_arrive(struct sim_gateway *g, struct sim_addr from, const uint8_t *data, size_t len)
{
	struct box_packet p = {from.ip, g->local.ip, from.port, g->local.port, data, len};

	if (g->box == NULL)
		return;
	if (!box_wan_in(g->box, &p))
		sim_fail("no packet to deliver with: they leak");
	g->busy = true;
}

uint32_t plane_frame(struct sim_gateway *g, unsigned to, unsigned bytes)
{
	uint8_t head[] = {
		2, 0, 0, 0, 0, (uint8_t)(1 + to), 2, 0, 0, 0, 0, (uint8_t)(1 + g->idx), 0x88, 0xb5};
	uint8_t frame[2048];
	uint32_t number;

	if (g->box == NULL)
		return 0;
	number = watch_new_frame(g, to, bytes);
	memset(frame, (int)number, bytes);
	memcpy(frame, head, sizeof(head));
	memcpy(frame + sizeof(head), &number, sizeof(number));
	if (!box_lan_in(g->box, frame, bytes))
		sim_fail("no packet for a frame: they leak");
	// What is sent in this turn carries it; nothing else is waiting.
	world.fresh_frame = number;
	world.fresh_bytes = PKT_DATA_HDR_LEN + PKT_BLOCK_HDR_LEN + bytes + PKT_MAC_LEN;
	gateway_turn(g);
	world.fresh_frame = 0;
	return number;
}

// ------------------------------------------------------------------ life

void plane_boot(struct sim_gateway *g)
{
	loop_enter(g);
	g->box = box_create((uint8_t)(1 + g->idx), ++boots);
	g->plane_at_us = SIM_NEVER;
	g->plane_tick_us = world.now_us;
	g->busy = true;
	sim_trace("%s: data-plane starts", g->name);
	plane_attach(g);
}

void plane_kill(struct sim_gateway *g)
{
	sim_trace("%s: data-plane is killed", g->name);
	watch_plane_died(g);
	detach(g);
	box_destroy(g->box);
	g->box = NULL;
	g->busy = true;
}
