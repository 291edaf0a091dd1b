// SPDX-License-Identifier: BSD-3-Clause
// Rows about what is taken away: the hub, the right time, certificates, the hub's honesty.
#include "tests/sim/rows.h"

#include <stdio.h>
#include <string.h>

#define DAY (24 * SIM_HOUR)

static void begin(uint64_t seed, unsigned n, enum sim_nat_kind kind)
{
	sim_begin(seed, n);
	for (unsigned i = 0; i < n; i++)
		world.gw[i].nat.kind = kind;
}

static void connect_all(void)
{
	sim_start();
	if (sim_run_until_up(30 * SIM_S) == SIM_NEVER)
		sim_fail("they do not connect at all");
	for (unsigned i = 0; i < 2; i++) {
		plane_frame(&world.gw[i], 1 - i, 100);
		sim_run(SIM_S);
	}
}

// Frames both ways at this pace; how many were not delivered.
static uint64_t talk(uint64_t us, uint64_t pace_us)
{
	uint64_t end = world.now_us + us, sent = 0, before = watch_totals()->n_delivered;

	for (; world.now_us < end && !world.failed; sent += 2) {
		plane_frame(&world.gw[0], 1, 200);
		plane_frame(&world.gw[1], 0, 200);
		sim_run(pace_us);
	}
	sim_run(SIM_S);
	return sent - (watch_totals()->n_delivered - before);
}

// ------------------------------------------------------------------ the hub is gone

struct outage {
	uint64_t seed, after_us, length_us;
};

static void life_without_hub(void *arg, struct row_result *r)
{
	const struct outage *o = arg;
	struct sim_gateway *g = &world.gw[0];
	uint64_t t;

	begin(o->seed, 2, NAT_NONE);
	connect_all();
	sim_run(o->after_us);
	hub_down();
	row_tell(r, (double)talk(o->length_us - SIM_HOUR, 10 * SIM_MINUTE));
	gateway_kill_control(g);
	plane_kill(g);
	g->control_at_us = world.now_us + 2 * SIM_S;
	g->plane_at_us = world.now_us + SIM_S;
	sim_run(2 * SIM_S);
	t = sim_run_until_up(60 * SIM_S);
	row_tell(r, (double)t / 1e6);
	row_tell(r, (double)talk(SIM_HOUR / 2, SIM_S));
	sim_end();
}

bool row_hub_down(bool full, char *figure, size_t size)
{
	unsigned n = full ? 8 : 1, days = 7;
	double lost = 0, slowest = 0;
	struct row_result r;

	// Seven days from a fresh introduction, six from any moment: intents live for seven and are
	// renewed daily, and a connection ends with them.
	for (unsigned i = 0; i < n; i++, days = 6) {
		struct outage o = {
			.seed = 1 + i, .after_us = i * 23 * SIM_HOUR, .length_us = days * DAY};

		if (!row_run_apart(life_without_hub, &o, &r)) {
			snprintf(figure, size,
				"hub down for %u days, %u h after the first match: %s", days,
				i * 23, r.failure);
			return false;
		}
		printf("hub down %u days, %3u h after the first match: %.0f frames lost, gateway "
		       "back %.2f s "
		       "after its boot, %.0f frames lost then\n",
			days, i * 23, r.figure[0], r.figure[1], r.figure[2]);
		lost += r.figure[0] + r.figure[2];
		slowest = r.figure[1] > slowest ? r.figure[1] : slowest;
	}
	snprintf(figure, size,
		"%u outages, one of 7 days from the first match, the others of 6 days from any "
		"moment: %.0f frames lost; a gateway that boots in it is connected again after at "
		"most %.2f s",
		n, lost, slowest);
	return lost == 0 && slowest <= 5;
}

// ------------------------------------------------------------------ clocks

static void life_with_clock_steps(void *arg, struct row_result *r)
{
	static const int64_t steps_s[] = {3600, -3600, 60, -60, 599, -599, 86400, -86400};

	begin(*(const uint64_t *)arg, 2, NAT_NONE);
	connect_all();
	for (unsigned i = 0; i < 16 && !world.failed; i++) {
		struct sim_gateway *g = &world.gw[i % 2];

		gateway_step_clock(g, steps_s[i / 2] * (int64_t)SIM_S);
		row_tell(r, (double)talk(4 * SIM_MINUTE, 200 * SIM_MS));
		sim_trace("step %lld: %.0f lost", (long long)steps_s[i / 2],
			r->figure[r->n_figures - 1]);
		gateway_step_clock(g, -steps_s[i / 2] * (int64_t)SIM_S);
		row_tell(r, (double)talk(4 * SIM_MINUTE, 200 * SIM_MS));
	}
	sim_end();
}

bool row_clocks(bool full, char *figure, size_t size)
{
	unsigned n = full ? 10 : 1, n_steps = 0;
	double lost = 0;
	struct row_result r;

	for (uint64_t seed = 1; seed <= n; seed++) {
		if (!row_run_apart(life_with_clock_steps, &seed, &r)) {
			snprintf(
				figure, size, "seed %llu: %s", (unsigned long long)seed, r.failure);
			return false;
		}
		for (unsigned i = 0; i < r.n_figures; i++)
			lost += r.figure[i];
		n_steps += r.n_figures;
	}
	snprintf(figure, size,
		"%u steps of one side's clock, of a minute to a day, back after four minutes: %.0f "
		"frames lost",
		n_steps, lost);
	return lost == 0;
}

// ------------------------------------------------------------------ endings

enum ending {
	END_EXPIRY,
	END_EXPIRY_CONTROL_DEAD,
	END_CLOCK_SET,
	END_REVOKED,
	END_WITHDRAWN,
	END_KINDS
};
static const char *const endings[] = {"expiry", "expiry with both controls dead",
	"a clock set past the expiry", "revocation", "withdrawal"};

struct end {
	uint64_t seed;
	enum ending kind;
};

static void life_that_ends(void *arg, struct row_result *r)
{
	const struct end *e = arg;
	unsigned who = (unsigned)(e->seed % 2);
	uint64_t at = 20 * SIM_MINUTE;
	uint8_t list[1024];

	begin(e->seed, 2, NAT_NONE);
	if (e->kind <= END_EXPIRY_CONTROL_DEAD)
		world.gw[who].cert_not_after_s = SIM_UNIX_S + at / SIM_S;
	else if (e->kind == END_CLOCK_SET)
		world.gw[1].cert_not_after_s = SIM_UNIX_S + 86400;
	connect_all();
	talk(at - 5 * SIM_S - world.now_us, SIM_S);
	if (e->kind == END_EXPIRY_CONTROL_DEAD) {
		gateway_kill_control(&world.gw[0]);
		gateway_kill_control(&world.gw[1]);
		world.gw[0].control_at_us = world.gw[1].control_at_us = SIM_NEVER;
	}
	if (e->kind == END_CLOCK_SET)
		gateway_step_clock(&world.gw[who], (int64_t)DAY);
	else if (e->kind == END_REVOKED)
		hub_push_list(list, machine_revocations(5, 1u << who, list, sizeof(list)));
	else if (e->kind == END_WITHDRAWN)
		gateway_withdraw(&world.gw[who], 1 - who);
	if (e->kind > END_EXPIRY_CONTROL_DEAD)
		at = world.now_us;
	talk(30 * SIM_S, 20 * SIM_MS);
	row_tell(r, ((double)watch_totals()->last_delivery_us - (double)at) / 1e6);
	sim_end();
}

bool row_endings(bool full, char *figure, size_t size)
{
	unsigned n = full ? 40 : 3;
	double latest[END_KINDS] = {0}, earliest = 1e9;
	bool pass = true;
	size_t at = 0;
	struct row_result r;

	for (unsigned i = 0; i < END_KINDS * n; i++) {
		struct end e = {.seed = 1 + i / END_KINDS, .kind = (enum ending)(i % END_KINDS)};

		if (!row_run_apart(life_that_ends, &e, &r)) {
			snprintf(figure, size, "%s, seed %llu: %s", endings[e.kind],
				(unsigned long long)e.seed, r.failure);
			return false;
		}
		if (r.figure[0] > latest[e.kind])
			latest[e.kind] = r.figure[0];
		if (e.kind <= END_EXPIRY_CONTROL_DEAD && r.figure[0] < earliest)
			earliest = r.figure[0];
	}
	at = (size_t)snprintf(figure, size, "%u of each; last frame after", n);
	for (unsigned i = 0; i < END_KINDS; i++) {
		at += (size_t)snprintf(figure + at, size - at, "%s %s: %.2f s", i > 0 ? "," : "",
			endings[i], latest[i]);
		pass &= latest[i] <= 1;
	}
	snprintf(figure + at, size - at, "; none of the expiries earlier than %.2f s before",
		-earliest);
	return pass && earliest >= -1;
}

// ------------------------------------------------------------------ evil hub

#define SHARE_PACKETS 160
#define SHARE_BYTES   128
#define INTENTS_MAX   80 // of two who do not come together for an hour

struct evil {
	uint64_t seed;
	unsigned way;
	bool cut; // and whoever helps the hub keeps the two from each other
};

static void life_with_evil_hub(void *arg, struct row_result *r)
{
	const struct evil *e = arg;
	const struct peer *p;

	begin(e->seed, 3, NAT_NONE); // behind NATs a hub that lies about addresses is in the way
	for (unsigned i = 0; i < 2; i++)
		world.unwanted[i][2] = true; // site-c is the hub's friend, not theirs
	evil_behave(e->way);
	world.cut[0][1] = world.cut[1][0] = e->cut;
	sim_start();
	if (e->cut) {
		sim_run(10 * SIM_MINUTE); // the worst ones
		row_tell(r, (double)watch_totals()->n_to_victim);
		row_tell(r, (double)watch_totals()->bytes_to_victim);
		sim_run(SIM_HOUR - 10 * SIM_MINUTE);
		if (!evil_ends(e->way) && evil_n_intents() > INTENTS_MAX)
			sim_fail("the hub has had %u intents made", evil_n_intents());
		row_tell(r, (double)evil_n_done());
		sim_end();
		return;
	}
	if (sim_run_until_up(120 * SIM_S) == SIM_NEVER && !evil_withholds(e->way))
		sim_fail("they do not connect, although the honest introduction follows");
	p = sim_peer(&world.gw[0], 1);
	if (evil_withholds(e->way) && p->state == PEER_UP)
		sim_fail("they connect without what the hub withholds");
	row_tell(r, (double)watch_totals()->n_to_victim);
	row_tell(r, (double)watch_totals()->bytes_to_victim);
	sim_run(20 * SIM_MINUTE);
	if (p->state != PEER_UP && !evil_withholds(e->way))
		sim_fail("the hub has parted them");
	row_tell(r, (double)evil_n_done());
	sim_end();
}

static bool evil_life(struct evil *e, struct row_result *r, char *figure, size_t size)
{
	if (row_run_apart(life_with_evil_hub, e, r) && (e->way == 0 || r->figure[2] > 0))
		return true;
	snprintf(figure, size, "seed %llu, the hub %s: %s", (unsigned long long)e->seed,
		evil_name(e->way), r->ok ? "never" : r->failure);
	return false;
}

bool row_evil_hub(bool full, char *figure, size_t size)
{
	unsigned n = full ? 25 : 1, n_lives = 0;
	double packets = 0, bytes = 0;
	uint64_t done = 0;
	struct row_result r;

	for (unsigned i = 0; i < n * (evil_n_ways() + 1); i++) {
		struct evil e = {
			.seed = 1 + i / (evil_n_ways() + 1), .way = i % (evil_n_ways() + 1)};

		for (unsigned cut = 0; cut < 2; cut++, n_lives++) {
			e.cut = cut == 1;
			if (!evil_life(&e, &r, figure, size))
				return false;
			done += (uint64_t)r.figure[2];
			if (r.totals.n_to_victim > 0)
				printf("the hub %s%s: to a third party %.0f packets of %.0f bytes "
				       "in ten minutes, %llu of %llu in all\n",
					evil_name(e.way),
					e.cut ? ", and the two are kept apart for an hour" : "",
					r.figure[0], r.figure[1],
					(unsigned long long)r.totals.n_to_victim,
					(unsigned long long)r.totals.bytes_to_victim);
			packets = r.figure[0] > packets ? r.figure[0] : packets;
			bytes = r.figure[1] > bytes ? r.figure[1] : bytes;
		}
	}
	snprintf(figure, size,
		"%u ways, %u lives, %llu evil deeds: nobody unwanted introduced, no packet to a "
		"stranger, at "
		"most %.0f packets of %.0f bytes in ten minutes to a third party that the hub "
		"named",
		evil_n_ways(), n_lives, (unsigned long long)done, packets, bytes);
	return bytes <= SHARE_PACKETS * SHARE_BYTES;
}
