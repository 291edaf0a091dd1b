// SPDX-License-Identifier: BSD-3-Clause
// The life of one gateway's control: the product's own objects and start-up order, without the
// process around them.
#include "controlplane/gateway/control.c" // for what its loop calls: on_tick(), on_flush()
#include "tests/sim/sim.h"

static void configure(struct sim_gateway *g)
{
	g->segment_id = BOX_SEGMENT;
	g->segment = (struct config_segment){.id = BOX_SEGMENT, .name = "lan", .mac_quota = 64};
	g->ports[0] = (struct config_port){.name = "lan0", .role = CONFIG_ROLE_LAN, .mtu = 1500};
	g->ports[1] = (struct config_port){.name = "wan0", .role = CONFIG_ROLE_WAN, .mtu = 1500};
	g->config = (struct gateway_config){
		.path = "sim",
		.name = g->name,
		.network = "example-corp",
		.state_dir = "/nonexistent",
		.dataplane = {.run_dir = "/nonexistent",
			.max_peers = BOX_SESSIONS,
			.ports = g->ports,
			.n_ports = 2,
			.segments = &g->segment,
			.n_segments = 1},
		.peers = g->peers,
		.policy = {.rekey_s = 120, .key_life_s = 600, .intent_days = 7},
	};
	g->config.n_peers = 0;
	for (unsigned i = 0; i < world.n; i++) {
		if (i == g->idx || world.unwanted[g->idx][i])
			continue;
		g->peers[g->config.n_peers++] = (struct config_peer){.name = world.gw[i].name,
			.segment_ids = &g->segment_id,
			.n_segments = 1,
			.intent = true};
	}
}

static int boot(struct control *c)
{
	uint8_t rnd[32];
	int err;

	uv_timer_init(&c->loop, &c->save);
	uv_timer_init(&c->loop, &c->tick);
	c->save.data = c->tick.data = c->flush.data = c;
	err = open_peers(c);
	if (err == 0)
		err = control_identity_open(c);
	if (err < 0)
		return err;
	c->state.ops = &machine_disk;
	control_identity_load(c);
	err = state_load(c);
	if (err == 0)
		err = peers_configure(c, c->config);
	if (err < 0)
		return err;
	forget_unwanted(c);
	randombytes_buf(rnd, sizeof(rnd));
	cookie_init(&c->env.jar, clock_mono_us() / CLOCK_US_PER_S, rnd);
	return start_links(c);
}

void gateway_boot_control(struct sim_gateway *g)
{
	struct control *c = calloc(1, sizeof(*c));

	if (c == NULL)
		abort();
	loop_enter(g);
	if (g->n_control_starts++ == 0)
		configure(g);
	g->c = c;
	g->control_at_us = SIM_NEVER;
	c->config = &g->config;
	c->clock_fd = -1;
	c->started_us = clock_mono_us();
	if (boot(c) < 0) {
		if (!g->disk_fails)
			sim_fail("%s: control does not start", g->name);
		gateway_kill_control(g);
		g->control_at_us = world.now_us + SIM_S; // its supervisor tries again
		return;
	}
	uv_timer_start(&c->tick, on_tick, TICK_MS, TICK_MS);
	sim_trace("%s: control starts", g->name);
	plane_attach(g);
	g->busy = true;
}

// As SIGKILL does it: nothing is said, nothing more is written.
void gateway_kill_control(struct sim_gateway *g)
{
	struct control *c = g->c;

	sim_trace("%s: control is killed", g->name);
	loop_enter(g);
	c->stopping = true;
	peers_free(c);
	hubclient_stop(c);
	dplink_destroy(c->dplink);
	control_identity_close(c);
	g->c = NULL;
	loop_forget(&c->loop);
	free(c->outbox.list);
	free(c->waiting.list);
	free(c->survivors);
	free(c->revocations);
	free(c->peers);
	free(c->jobs);
	free(c);
}

void gateway_step_clock(struct sim_gateway *g, int64_t us)
{
	struct control *c = g->c;

	g->unix_off_us += us;
	sim_trace("%s: its clock is set by %+lld s", g->name, (long long)(us / (int64_t)SIM_S));
	if (c == NULL)
		return;
	watch_clock_set(g);
	loop_enter(g);
	// on_clock(), which the kernel's timerfd would call.
	c->tags_dirty = true;
	sessions_deadlines(c);
	control_identity_load(c);
	g->busy = true;
}

void gateway_withdraw(struct sim_gateway *g, unsigned from)
{
	struct gw_peer *gp = g->c == NULL ? NULL : peers_find(g->c, world.gw[from].name);

	if (gp == NULL || !gp->wanted)
		return;
	sim_trace("%s: withdraws the intent for %s", g->name, world.gw[from].name);
	loop_enter(g);
	peers_unwant(g->c, gp, PKT_CLOSE_WITHDRAWN);
	g->busy = true;
	gateway_turn(g);
	watch_withdrawn(g->idx, from);
}

void gateway_want(struct sim_gateway *g, unsigned peer)
{
	struct gw_peer *gp;

	if (g->c == NULL)
		return;
	sim_trace("%s: wants %s again", g->name, world.gw[peer].name);
	loop_enter(g);
	watch_wanted(g->idx, peer);
	if (peers_want(g->c, world.gw[peer].name, NULL, &gp) == 0)
		hubclient_publish(g->c, gp); // as the API does after it
	g->busy = true;
}

void gateway_rekey(struct sim_gateway *g, unsigned peer)
{
	struct peer *p = sim_peer(g, peer);
	struct peer_now now;

	if (p == NULL)
		return;
	loop_enter(g);
	now = control_now();
	peer_rekey(p, &now);
	peers_rearm(peers_find(g->c, p->name));
	g->busy = true;
}

void gateway_turn(struct sim_gateway *g)
{
	for (unsigned round = 0; round < 64; round++) {
		bool more = false;

		loop_enter(g);
		if (g->box != NULL) {
			box_clock(g->box, clock_mono_us() * 1000);
			box_turn(g->box);
			more |= plane_take(g);
		}
		if (g->c != NULL) {
			more |= g->c->tags_dirty || g->c->outbox.n > 0;
			on_flush(&g->c->flush);
		}
		if (!more)
			return;
		g->busy = true;
	}
	sim_fail("%s does not come to rest", g->name);
}
