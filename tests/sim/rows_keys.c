// SPDX-License-Identifier: BSD-3-Clause
// Rows about new keys under traffic: a hundred thousand of them, and those after a control was
// killed.
#include "tests/sim/rows.h"

#include <stdio.h>

#define REKEYS_A_LIFE 2500
#define KILLS_A_LIFE  100

static void begin(uint64_t seed)
{
	sim_begin(seed, 2);
	sim_start();
	if (sim_run_until_up(30 * SIM_S) == SIM_NEVER)
		sim_fail("they do not connect at all");
	for (unsigned i = 0; i < 2; i++) { // so that both know where the stations are
		plane_frame(&world.gw[i], 1 - i, 100);
		sim_run(SIM_S);
	}
}

static void talk(uint64_t us, uint64_t pace_us)
{
	for (uint64_t end = world.now_us + us; world.now_us < end && !world.failed;) {
		for (unsigned i = 0; i < 2; i++)
			plane_frame(&world.gw[i], 1 - i, SIM_FRAME_MIN + (unsigned)sim_dice(1000));
		sim_run(pace_us);
	}
}

// ------------------------------------------------------------------ rekeys

struct rekeys {
	uint64_t seed;
	unsigned loss_percent, n;
};

static void life_of_rekeys(void *arg, struct row_result *r)
{
	const struct rekeys *o = arg;
	struct peer *client;
	uint64_t first;

	begin(o->seed);
	world.weather.loss = 100 * o->loss_percent;
	client = sim_peer(&world.gw[0], 1);
	first = client->n_handshakes;
	while (client->n_handshakes < first + o->n && !world.failed) {
		if (client->client.phase == CLIENT_REST)
			gateway_rekey(&world.gw[0], 1);
		talk(SIM_S, 100 * SIM_MS);
	}
	world.weather.loss = 0;
	sim_run(SIM_S);
	row_tell(r, (double)(client->n_handshakes - first));
	row_tell(r, (double)world.now_us / 1e6);
	sim_end();
}

bool row_rekeys(bool full, char *figure, size_t size)
{
	static const unsigned losses[] = {0, 1, 5, 10};
	unsigned per_loss = full ? 25000 : 250, n = 0;
	uint64_t sent = 0, arrived = 0, delivered = 0;

	for (unsigned i = 0; i < 4; i++) {
		uint64_t s = 0, a = 0, d = 0;
		double rekeys = 0, seconds = 0;

		for (unsigned have = 0; have < per_loss; have += REKEYS_A_LIFE) {
			struct rekeys o = {.seed = 1 + have, .loss_percent = losses[i]};
			struct row_result r;

			o.n = per_loss < REKEYS_A_LIFE ? per_loss : REKEYS_A_LIFE;
			if (!row_run_apart(life_of_rekeys, &o, &r)) {
				snprintf(figure, size, "loss %u %%, seed %llu: %s", losses[i],
					(unsigned long long)o.seed, r.failure);
				return false;
			}
			rekeys += r.figure[0];
			seconds += r.figure[1];
			s += r.totals.n_frames;
			a += r.totals.n_arrived;
			d += r.totals.n_delivered;
		}
		printf("loss %2u %%: %.0f rekeys in %.0f virtual seconds: sent %llu, arrived %llu, "
		       "delivered %llu\n",
			losses[i], rekeys, seconds, (unsigned long long)s, (unsigned long long)a,
			(unsigned long long)d);
		n += (unsigned)rekeys;
		sent += s;
		arrived += a;
		delivered += d;
	}
	snprintf(figure, size,
		"%u rekeys, about one a second, a quarter each at 0, 1, 5 and 10 %% loss: of %llu "
		"frames the path let %llu arrive, %llu were delivered; 0 doubled",
		n, (unsigned long long)sent, (unsigned long long)arrived,
		(unsigned long long)delivered);
	return delivered == arrived;
}

// ------------------------------------------------------------------ kills of control

struct kills {
	uint64_t seed;
	unsigned n;
};

// How long after its start this control has agreed on keys; the frames go on.
static uint64_t until_rekeyed(struct sim_gateway *g)
{
	uint64_t begin_us = world.now_us;

	while (!world.failed && world.now_us < begin_us + 60 * SIM_S) {
		const struct peer *p = sim_peer(g, 1 - g->idx);

		if (p != NULL && p->n_handshakes > 0)
			return world.now_us - begin_us;
		talk(20 * SIM_MS, 20 * SIM_MS);
	}
	return SIM_NEVER;
}

static void life_of_kills(void *arg, struct row_result *r)
{
	const struct kills *o = arg;

	begin(o->seed);
	for (unsigned i = 0; i < o->n && !world.failed; i++) {
		unsigned who = (unsigned)sim_dice(3); // either or both
		uint64_t longest = 0;

		talk(SIM_S + sim_dice(SIM_S), 20 * SIM_MS);
		if (sim_chance(5000)) { // in the middle of a rekey
			gateway_rekey(&world.gw[0], 1);
			sim_run(sim_dice(60 * SIM_MS));
		}
		for (unsigned k = 0; k < 2; k++) {
			if (who != 2 && who != k)
				continue;
			gateway_kill_control(&world.gw[k]);
			world.gw[k].control_at_us = SIM_NEVER;
		}
		talk(sim_dice(3 * SIM_S), 20 * SIM_MS);
		for (unsigned k = 0; k < 2; k++) {
			if (world.gw[k].c == NULL)
				gateway_boot_control(&world.gw[k]);
		}
		for (unsigned k = 0; k < 2; k++) {
			uint64_t t = who == 2 || who == k ? until_rekeyed(&world.gw[k]) : 0;

			longest = t > longest ? t : longest;
		}
		row_tell(r, (double)longest / 1e6);
	}
	sim_run(SIM_S);
	sim_end();
}

bool row_kills(bool full, char *figure, size_t size)
{
	unsigned n = full ? 1000 : 10, per_life = n < KILLS_A_LIFE ? n : KILLS_A_LIFE;
	uint64_t sent = 0, delivered = 0;
	double longest = 0;

	for (unsigned have = 0; have < n; have += per_life) {
		struct kills o = {.seed = 1 + have, .n = per_life};
		struct row_result r;

		if (!row_run_apart(life_of_kills, &o, &r)) {
			snprintf(figure, size, "seed %llu: %s", (unsigned long long)o.seed,
				r.failure);
			return false;
		}
		for (unsigned i = 0; i < r.n_figures; i++)
			longest = r.figure[i] > longest ? r.figure[i] : longest;
		sent += r.totals.n_frames;
		delivered += r.totals.n_delivered;
	}
	snprintf(figure, size,
		"%u times one control or both killed, half of them in the middle of a rekey: %llu "
		"of "
		"%llu frames lost, 0 doubled; new keys at most %.2f s after the start",
		n, (unsigned long long)(sent - delivered), (unsigned long long)sent, longest);
	return sent == delivered && longest <= 2;
}
