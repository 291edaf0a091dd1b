// SPDX-License-Identifier: BSD-3-Clause
// A life of gateways with everything in it that the seed says: weather, cuts, kills, clock steps,
// moves, withdrawals, an evil hub, an attacker who sees every packet. At its end everything is put
// right, and left alone they must find each other again and carry every frame.
#include "tests/sim/sim.h"

#include <stdio.h>
#include <string.h>
#include <sodium.h>

#define ACTS_MAX     1024
#define ACTS_AN_HOUR 30
#define KEPT         256
#define KEPT_BYTES   1600
#define PEACE_US     (400 * SIM_S) // of keys that died with a lost CLOSE, and the longest pause
#define SEEN_US      (20 * SIM_S)  // until the hub sees everybody where they are now
#define LAST_FRAMES  20

enum kind {
	ACT_WEATHER,
	ACT_CUT,
	ACT_CUT_ONE_WAY,
	ACT_CONTROL,
	ACT_PLANE,
	ACT_BOTH,
	ACT_HUB,
	ACT_CLOCK,
	ACT_MOVE,
	ACT_WITHDRAW,
	ACT_REKEY,
	ACT_FRAMES,
	ACT_REPLAY,
	ACT_ALTER,
	ACT_SIDE,
	ACT_NOISE,
	ACT_DISK,
	ACT_EVIL,
	ACT_KINDS
};

static const char *const act_names[] = {"weather", "cut", "cut one way", "kill control",
	"kill data-plane", "kill both", "hub down", "clock", "move", "withdraw", "rekey", "frames",
	"replay", "altered copies", "man on the side", "noise", "disk fails", "evil hub"};

struct act {
	uint64_t at_us, arg, for_us;
	enum kind kind;
	unsigned a, b;
};

struct kept {
	struct sim_addr src, dst;
	size_t len;
	uint8_t data[KEPT_BYTES];
};

static struct act acts[ACTS_MAX];
static unsigned n_acts;
static struct kept kept[KEPT];
static unsigned n_kept;
static bool side;

unsigned chaos_n_acts(void)
{
	return n_acts;
}

// ------------------------------------------------------------------ the attacker

static bool sees(struct sim_gateway *, struct sim_addr src, struct sim_addr dst,
	const uint8_t *data, size_t len)
{
	struct kept *k = &kept[n_kept++ % KEPT];

	if (len > KEPT_BYTES)
		return true;
	*k = (struct kept){src, dst, len, {0}};
	memcpy(k->data, data, len);
	if (side && dst.ip != SIM_HUB_IP) // a copy that is faster than the packet
		net_inject((struct sim_addr){SIM_ATTACKER_IP, 4000}, dst, data, len);
	return true;
}

static void send_kept(const struct act *act, unsigned n, bool alter)
{
	for (unsigned i = 0; i < n && n_kept > 0; i++) {
		const struct kept *k = &kept[sim_dice(n_kept < KEPT ? n_kept : KEPT)];
		struct sim_addr from = k->src;
		uint8_t copy[KEPT_BYTES];
		size_t len = k->len;

		if (k->dst.ip == SIM_HUB_IP)
			continue;
		memcpy(copy, k->data, len);
		if (alter && sim_dice(4) == 0)
			len = 1 + sim_dice(len);
		else if (alter)
			copy[sim_dice(len)] ^= (uint8_t)(1 + sim_dice(255));
		if (act->arg & 1)
			from = (struct sim_addr){SIM_ATTACKER_IP, (uint16_t)(4000 + sim_dice(3))};
		net_inject(from, act->arg & 2 ? k->dst : net_outside(&world.gw[act->a]), copy, len);
	}
}

static void noise(const struct act *act)
{
	static const uint8_t types[] = {0x10, 0x11, 0x12, 0x13, 0x14, 0x18, 0x00, 0xff};
	struct sim_gateway *to = &world.gw[act->a], *as = &world.gw[act->b];
	uint8_t data[1300];

	for (unsigned i = 0; i < 50; i++) {
		size_t len = 1 + sim_dice(sizeof(data));

		randombytes_buf(data, len);
		data[0] = types[sim_dice(sizeof(types))];
		if (net_outside(as).ip != 0)
			net_inject(net_outside(as), net_outside(to), data, len);
	}
}

// ------------------------------------------------------------------ acts

static void undo(uint64_t i)
{
	const struct act *act = &acts[i];
	struct sim_gateway *g = &world.gw[act->a];

	switch (act->kind) {
	case ACT_WEATHER:
		world.weather = (struct sim_weather){.delay_us = 10 * SIM_MS};
		break;
	case ACT_CUT:
		g->cut = false;
		break;
	case ACT_CUT_ONE_WAY:
		world.cut[act->a][act->b] = false;
		break;
	case ACT_HUB:
		hub_up();
		break;
	case ACT_CLOCK:
		if (g->unix_off_us != 0)
			gateway_step_clock(g, -g->unix_off_us);
		break;
	case ACT_WITHDRAW:
		gateway_want(g, act->b);
		break;
	case ACT_SIDE:
		side = false;
		break;
	case ACT_DISK:
		g->disk_fails = false;
		break;
	case ACT_EVIL:
		evil_behave(0);
		break;
	default:
		break;
	}
}

static void weather(uint64_t arg)
{
	world.weather = (struct sim_weather){
		.loss = (unsigned)(arg % 5001),
		.dup = (unsigned)(arg / 7 % 2001),
		.reorder = (unsigned)(arg / 11 % 5001),
		.corrupt = (unsigned)(arg / 13 % 101),
		.delay_us = arg / 17 % (500 * SIM_MS),
		.jitter_us = arg / 19 % (100 * SIM_MS),
		.late_us = 50 * SIM_MS,
	};
}

static void kill_control(struct sim_gateway *g, uint64_t for_us)
{
	if (g->c == NULL)
		return;
	gateway_kill_control(g);
	g->control_at_us = world.now_us + for_us;
}

static void kill_plane(struct sim_gateway *g, uint64_t for_us)
{
	if (g->box == NULL)
		return;
	plane_kill(g);
	g->plane_at_us = world.now_us + 300 * SIM_MS + for_us % (2 * SIM_S);
}

static void frames(const struct act *act)
{
	for (unsigned i = 0; i < 1 + act->arg % 40; i++)
		plane_frame(&world.gw[act->a], act->b, SIM_FRAME_MIN + (unsigned)sim_dice(1400));
}

static void perform(uint64_t i)
{
	const struct act *act = &acts[i];
	struct sim_gateway *g = &world.gw[act->a];

	sim_trace("act %u: %s, %s, %s, for %.1f s", (unsigned)i, act_names[act->kind], g->name,
		world.gw[act->b].name, (double)act->for_us / 1e6);
	switch (act->kind) {
	case ACT_WEATHER:
		weather(act->arg);
		break;
	case ACT_CUT:
		g->cut = true;
		break;
	case ACT_CUT_ONE_WAY:
		world.cut[act->a][act->b] = true;
		break;
	case ACT_CONTROL:
		kill_control(g, act->for_us);
		break;
	case ACT_PLANE:
		kill_plane(g, act->for_us);
		break;
	case ACT_BOTH:
		kill_control(g, act->for_us);
		kill_plane(g, act->for_us);
		break;
	case ACT_HUB:
		hub_down();
		break;
	case ACT_CLOCK:
		gateway_step_clock(g, (int64_t)(act->arg % (2 * SIM_HOUR)) - (int64_t)SIM_HOUR);
		break;
	case ACT_MOVE:
		net_move(g);
		break;
	case ACT_WITHDRAW:
		gateway_withdraw(g, act->b);
		break;
	case ACT_REKEY:
		gateway_rekey(g, act->b);
		break;
	case ACT_FRAMES:
		frames(act);
		break;
	case ACT_REPLAY:
	case ACT_ALTER:
		send_kept(act, 100, act->kind == ACT_ALTER);
		break;
	case ACT_SIDE:
		side = true;
		break;
	case ACT_NOISE:
		noise(act);
		break;
	case ACT_DISK:
		g->disk_fails = true;
		break;
	case ACT_EVIL:
		evil_behave((unsigned)(1 + act->arg % evil_n_ways()));
		break;
	default:
		break;
	}
	sim_call(act->for_us, undo, i);
}

// ------------------------------------------------------------------ a life

static void plan(const struct chaos_options *o)
{
	static const unsigned lengths_s[] = {1, 3, 10, 30, 120, 700};
	uint64_t length_us = (uint64_t)(o->hours * (double)SIM_HOUR);

	n_acts = (unsigned)(o->hours * ACTS_AN_HOUR) + 1;
	if (n_acts > ACTS_MAX)
		n_acts = ACTS_MAX;
	for (unsigned i = 0; i < n_acts; i++) {
		struct act *act = &acts[i];
		bool skip = false;

		*act = (struct act){.at_us = sim_dice(length_us),
			.arg = sim_dice(1ull << 60),
			.kind = (enum kind)sim_dice(ACT_KINDS),
			.a = (unsigned)sim_dice(world.n)};
		act->b = (act->a + 1 + (unsigned)sim_dice(world.n - 1)) % world.n;
		act->for_us = SIM_S * lengths_s[sim_dice(6)] + sim_dice(SIM_S);
		if (act->kind == ACT_DISK && act->for_us > 60 * SIM_S)
			act->for_us = 60 * SIM_S;
		if (o->list)
			printf("act %u at %.1f s: %s\n", i, (double)act->at_us / 1e6,
				act_names[act->kind]);
		for (unsigned k = 0; k < o->n_skip; k++)
			skip |= o->skip[k] == i;
		if (!skip)
			sim_call(act->at_us, perform, i);
	}
}

static void chatter(uint64_t length_us)
{
	unsigned a = (unsigned)sim_dice(world.n),
		 b = (a + 1 + (unsigned)sim_dice(world.n - 1)) % world.n;

	plane_frame(&world.gw[a], b, SIM_FRAME_MIN + (unsigned)sim_dice(1400));
	if (world.now_us < length_us)
		sim_call(100 * SIM_MS + sim_dice(20 * SIM_S), chatter, length_us);
}

static void make_peace(void)
{
	sim_trace("peace");
	side = false;
	world.weather = (struct sim_weather){.delay_us = 10 * SIM_MS};
	memset(world.cut, 0, sizeof(world.cut));
	evil_behave(0);
	hub_up();
	for (unsigned i = 0; i < world.n; i++) {
		struct sim_gateway *g = &world.gw[i];

		g->cut = g->disk_fails = false;
		if (g->control_at_us != SIM_NEVER)
			g->control_at_us = world.now_us;
		if (g->unix_off_us != 0)
			gateway_step_clock(g, -g->unix_off_us);
	}
	sim_run(SEEN_US);
	for (unsigned i = 0; i < world.n * world.n; i++) {
		if (i / world.n != i % world.n)
			gateway_want(&world.gw[i / world.n], i % world.n);
	}
}

static void last_frames(void)
{
	uint64_t before, sent = 0;

	sim_run(2 * SIM_S);
	before = watch_totals()->n_delivered;
	for (unsigned i = 0; i < LAST_FRAMES; i++) {
		for (unsigned k = 0; k < world.n * world.n; k++) {
			unsigned a = k / world.n, b = k % world.n;

			if (a == b || !net_possible(&world.gw[a], &world.gw[b]))
				continue;
			plane_frame(&world.gw[a], b, 200);
			sent++;
		}
		sim_run(500 * SIM_MS);
	}
	sim_run(2 * SIM_S);
	if (!world.failed && watch_totals()->n_delivered < before + sent)
		sim_fail("in peace %llu of %llu frames arrive",
			(unsigned long long)(watch_totals()->n_delivered - before),
			(unsigned long long)sent);
}

void chaos_run(const struct chaos_options *o)
{
	uint64_t length_us = (uint64_t)(o->hours * (double)SIM_HOUR);

	sim_begin(o->seed, 2 + (unsigned)(o->seed % 2));
	n_kept = 0;
	side = false;
	for (unsigned i = 0; i < world.n; i++) {
		world.gw[i].nat.kind = (enum sim_nat_kind)sim_dice(NAT_KINDS);
		world.gw[i].nat.timeout_us = (30 + sim_dice(270)) * SIM_S;
		sim_trace("%s: NAT of kind %u, %llu s", world.gw[i].name, world.gw[i].nat.kind,
			(unsigned long long)(world.gw[i].nat.timeout_us / SIM_S));
	}
	world.on_wire = sees;
	plan(o);
	sim_call(SIM_S, chatter, length_us);
	sim_start();
	sim_run(length_us);
	make_peace();
	if (sim_run_until_up(PEACE_US) == SIM_NEVER)
		sim_fail("left alone for %llu s, they are not connected",
			(unsigned long long)(PEACE_US / SIM_S));
	last_frames();
	sim_end();
}
