// SPDX-License-Identifier: BSD-3-Clause
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "wire/drop.h"

#define TICK_BUSY_US 10000ull  // the data-plane's timers while packets flow
#define TICK_IDLE_US 250000ull // and while nothing moves

struct world world;

static struct sim_event **heap;
static size_t n_heap, cap_heap;

// ------------------------------------------------------------------ dice

static uint64_t rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

// xoshiro256**, seeded by splitmix64: David Blackman and Sebastiano Vigna, public domain.
static uint64_t roll(uint64_t s[4])
{
	uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

static void seed_dice(uint64_t s[4], uint64_t seed)
{
	for (unsigned i = 0; i < 4; i++) {
		uint64_t z = seed += 0x9e3779b97f4a7c15ull;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
		z = (z ^ z >> 27) * 0x94d049bb133111ebull;
		s[i] = z ^ z >> 31;
	}
}

uint64_t sim_dice(uint64_t n)
{
	return n == 0 ? 0 : roll(world.dice) % n;
}

bool sim_chance(unsigned parts_of_10000)
{
	return parts_of_10000 > 0 && sim_dice(10000) < parts_of_10000;
}

// Keys come from dice of their own, so that a change of the scenario leaves them as they are.
static const char *dice_name(void)
{
	return "seeded";
}

static uint32_t dice_u32(void)
{
	return (uint32_t)roll(world.crypto_dice);
}

static void dice_buf(void *buf, size_t len)
{
	uint8_t *p = buf;

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(roll(world.crypto_dice) >> 32);
}

static struct randombytes_implementation dice = {
	.implementation_name = dice_name, .random = dice_u32, .buf = dice_buf};

// ------------------------------------------------------------------ what happened

static void say(FILE *to, const char *fmt, va_list ap)
{
	fprintf(to, "%12.6f  ", (double)world.now_us / 1e6);
	vfprintf(to, fmt, ap);
	fputc('\n', to);
}

void sim_trace(const char *fmt, ...)
{
	va_list ap;

	if (!world.trace)
		return;
	va_start(ap, fmt);
	say(stdout, fmt, ap);
	va_end(ap);
}

// The first breach counts; the run ends at the next moment.
void sim_fail(const char *fmt, ...)
{
	va_list ap;

	if (world.failed)
		return;
	world.failed = true;
	va_start(ap, fmt);
	vsnprintf(world.failure, sizeof(world.failure), fmt, ap);
	va_end(ap);
	sim_trace("BREACH: %s", world.failure);
}

// ------------------------------------------------------------------ events

static bool earlier(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

struct sim_event *sim_event(
	enum sim_event_kind kind, uint64_t after_us, const void *data, size_t len)
{
	struct sim_event *e = calloc(1, sizeof(*e) + len);

	if (e == NULL)
		abort();
	e->kind = kind;
	e->at_us = world.now_us + after_us;
	e->len = len;
	if (len > 0)
		memcpy(e->data, data, len);
	return e;
}

void sim_push(struct sim_event *e)
{
	size_t i = n_heap++;

	if (n_heap > cap_heap) {
		cap_heap = cap_heap == 0 ? 256 : 2 * cap_heap;
		heap = realloc(heap, cap_heap * sizeof(*heap));
		if (heap == NULL)
			abort();
	}
	e->order = ++world.order;
	for (; i > 0 && earlier(e, heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = e;
}

static struct sim_event *pop(void)
{
	struct sim_event *top = heap[0], *last = heap[--n_heap];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < n_heap && earlier(heap[child + 1], heap[child]))
			child++;
		if (child >= n_heap || !earlier(heap[child], last))
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = last;
	return top;
}

void sim_call(uint64_t after_us, void (*call)(uint64_t), uint64_t arg)
{
	struct sim_event *e = sim_event(SIM_CALL, after_us, NULL, 0);

	e->call = call;
	e->arg = arg;
	sim_push(e);
}

static void happen(struct sim_event *e)
{
	world.n_events++;
	switch (e->kind) {
	case SIM_PACKET:
		net_deliver(e);
		break;
	case SIM_CALL:
		e->call(e->arg);
		break;
	default:
		hub_event(e);
		break;
	}
	free(e);
}

// ------------------------------------------------------------------ time

static uint64_t next_moment(uint64_t end)
{
	uint64_t next = end, t = loop_next_us();

	if (n_heap > 0 && heap[0]->at_us < next)
		next = heap[0]->at_us;
	if (t < next)
		next = t;
	for (unsigned i = 0; i < world.n; i++) {
		const struct sim_gateway *g = &world.gw[i];

		if (g->box != NULL && g->plane_tick_us < next)
			next = g->plane_tick_us;
		if (g->box == NULL && g->plane_at_us < next)
			next = g->plane_at_us;
		if (g->c == NULL && g->control_at_us < next)
			next = g->control_at_us;
	}
	return next > world.now_us ? next : world.now_us;
}

static void let_act(struct sim_gateway *g)
{
	bool tick = g->box != NULL && world.now_us >= g->plane_tick_us;

	if (g->box == NULL && world.now_us >= g->plane_at_us)
		plane_boot(g);
	if (g->c == NULL && world.now_us >= g->control_at_us)
		gateway_boot_control(g);
	if (!tick && !g->busy)
		return;
	g->plane_tick_us = world.now_us + (g->busy ? TICK_BUSY_US : TICK_IDLE_US);
	if (tick && !g->busy) {
		loop_enter(g);
		box_clock(g->box, (world.now_us + g->mono_base_us) * 1000);
		box_tick(g->box);
	}
	g->busy = false;
	gateway_turn(g);
}

static void moment(void)
{
	loop_run_due();
	while (n_heap > 0 && heap[0]->at_us <= world.now_us && !world.failed)
		happen(pop());
	for (unsigned i = 0; i < world.n && !world.failed; i++)
		let_act(&world.gw[i]);
	watch_step();
}

void sim_run(uint64_t us)
{
	uint64_t end = world.now_us + us;

	while (!world.failed) {
		uint64_t next = next_moment(end);

		world.now_us = next;
		if (next >= end)
			break;
		moment();
	}
}

struct peer *sim_peer(struct sim_gateway *g, unsigned to)
{
	struct gw_peer *gp = g->c == NULL ? NULL : peers_find(g->c, world.gw[to].name);

	return gp == NULL ? NULL : &gp->sm;
}

static bool pair_up(unsigned a, unsigned b)
{
	struct peer *x = sim_peer(&world.gw[a], b), *y = sim_peer(&world.gw[b], a);

	return x != NULL && y != NULL && x->state == PEER_UP && y->state == PEER_UP &&
	       !x->path_suspect && !y->path_suspect;
}

bool sim_all_up(void)
{
	for (unsigned a = 0; a < world.n; a++) {
		for (unsigned b = a + 1; b < world.n; b++) {
			if (!world.unwanted[a][b] && !world.unwanted[b][a] &&
				net_possible(&world.gw[a], &world.gw[b]) && !pair_up(a, b))
				return false;
		}
	}
	return true;
}

uint64_t sim_run_until_up(uint64_t us)
{
	uint64_t start = world.now_us;

	while (world.now_us < start + us && !world.failed) {
		if (sim_all_up())
			return world.now_us - start;
		sim_run(10 * SIM_MS);
	}
	return SIM_NEVER;
}

uint64_t sim_unix_s(const struct sim_gateway *g)
{
	return (SIM_UNIX_S * SIM_S + world.now_us + (uint64_t)g->unix_off_us) / SIM_S;
}

// ------------------------------------------------------------------ the world

void sim_begin(uint64_t seed, unsigned n_gateways)
{
	static bool seeded;
	bool trace = world.trace;

	memset(&world, 0, sizeof(world));
	world.trace = trace;
	world.seed = seed;
	world.n = n_gateways;
	seed_dice(world.dice, seed);
	seed_dice(world.crypto_dice, ~seed);
	if (!seeded && (randombytes_set_implementation(&dice) != 0 || sodium_init() < 0))
		abort();
	seeded = true;
	world.weather.delay_us = 10 * SIM_MS;
	for (unsigned i = 0; i < n_gateways; i++) {
		struct sim_gateway *g = &world.gw[i];

		g->idx = i;
		snprintf(g->name, sizeof(g->name), "site-%c.example-corp", 'a' + i);
		g->local = (struct sim_addr){0x0a000001u + (i << 16), 7667};
		g->nat = (struct sim_nat){.ip = 0xc6336401u + i, // 198.51.100.
			.timeout_us = 120 * SIM_S,
			.next_port = (uint16_t)(20000 + 1000 * i)};
		g->mono_base_us = (1 + sim_dice(100000)) * SIM_S;
		g->cert_not_after_s = SIM_UNIX_S + 90 * 86400;
	}
	hub_reset();
	watch_reset();
}

void sim_start(void)
{
	machine_identities();
	for (unsigned i = 0; i < world.n; i++) {
		struct sim_gateway *g = &world.gw[i];

		if (g->nat.kind == NAT_NONE)
			g->local.ip = g->nat.ip;
		plane_boot(g);
		gateway_boot_control(g);
	}
}

static const char *const drop_labels[] = {
#define LABEL(name, label, help) label,
	DROP_LIST(LABEL)
#undef LABEL
};

static void trace_drops(const struct sim_gateway *g)
{
	for (unsigned i = 0; g->box != NULL && i < DROP_N; i++) {
		if (box_drops(g->box, i) > 0)
			sim_trace("%s: %llu dropped: %s", g->name,
				(unsigned long long)box_drops(g->box, i), drop_labels[i]);
	}
}

void sim_end(void)
{
	for (unsigned i = 0; i < world.n; i++)
		trace_drops(&world.gw[i]);
	if (!world.failed)
		watch_end();
	for (unsigned i = 0; i < world.n; i++) {
		struct sim_gateway *g = &world.gw[i];

		if (g->c != NULL)
			gateway_kill_control(g);
		if (g->box != NULL)
			plane_kill(g);
		free(g->chain);
		free(g->disk);
	}
	while (n_heap > 0)
		free(pop());
}
