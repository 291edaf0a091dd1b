// SPDX-License-Identifier: BSD-3-Clause
// postern-sim: lives in the simulator, one by one or many, and the rows of reliability that are
// proved in it (rows.c).
#include "tests/sim/rows.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sodium.h>

#include "config/log.h"

#define JOBS_MAX 64

static const char usage[] =
	"Usage: postern-sim [--seed N] [--runs N] [--hours H] [--seconds S] [--jobs N] "
	"[--skip LIST] [--shrink] [--trace]\n"
	"       postern-sim --row NAME [--full]\n"
	"\n"
	"Gateways with the real control and the real data-plane live in one process, on simulated "
	"clocks,\n"
	"NATs and networks, with kills, moves, clock steps, an attacker and an evil hub, all from "
	"a seed.\n"
	"A life that breaks a rule is printed with the command that repeats it.\n"
	"\n"
	"  --seed N       of the first life (1)\n"
	"  --runs N       that many lives, seeds N, N + 1, … (1)\n"
	"  --hours H      virtual length of one, before everything is put right (1)\n"
	"  --seconds S    begin no life after S seconds of real time\n"
	"  --jobs N       so many at once (one for each processor; 1 with --trace)\n"
	"  --skip A,B     leave these acts out\n"
	"  --shrink       of a life that fails, find the acts it needs\n"
	"  --trace        say what happens\n"
	"  --log          and let the gateways log\n"
	"  --row NAME     one row of reliability, as tests/reliability runs it; --row list names "
	"them\n"
	"  --full         with its full count\n"
	"\n"
	"Exit status: 0 all rules held, 1 one was broken, 2 wrong command line.\n";

struct options {
	struct chaos_options chaos;
	unsigned runs, seconds, jobs;
	bool shrink;
	bool full;
	const char *row;
};

static void life(void *arg, struct row_result *)
{
	chaos_run(arg);
}

static void print_command(const struct chaos_options *c)
{
	printf("  repeat: %s --seed %llu --hours %g", program_invocation_name,
		(unsigned long long)c->seed, c->hours);
	for (unsigned i = 0; i < c->n_skip; i++)
		printf("%s%u", i == 0 ? " --skip " : ",", c->skip[i]);
	printf(" --trace\n");
}

static void leave_out(struct chaos_options *c, unsigned act)
{
	for (unsigned i = 0; i < c->n_skip; i++) {
		if (c->skip[i] == act)
			return;
	}
	if (c->n_skip < 256)
		c->skip[c->n_skip++] = act;
}

// Leave out what the failure does not need, in ever smaller pieces.
static void shrink(struct chaos_options *c, const char *failure)
{
	unsigned n = (unsigned)(c->hours * 30) + 1; // as chaos.c plans
	struct row_result r;

	for (unsigned piece = n / 2; piece >= 1; piece /= 2) {
		for (unsigned from = 0; from < n; from += piece) {
			struct chaos_options fewer = *c;

			for (unsigned i = from; i < from + piece && i < n; i++)
				leave_out(&fewer, i);
			if (fewer.n_skip > c->n_skip && !row_run_apart(life, &fewer, &r) &&
				strcmp(r.failure, failure) == 0)
				*c = fewer;
		}
	}
}

static int lives(struct options *o)
{
	double hours = 0, begin = row_seconds();
	unsigned n_failed = 0, n = 0, n_begun = 0;
	struct row_job jobs[JOBS_MAX];
	struct watch_totals sum = {0};
	uint64_t packets = 0;

	for (;; n++) {
		struct chaos_options c = o->chaos;
		struct row_result r;

		for (; n_begun < o->runs && n_begun - n < o->jobs &&
			(o->seconds == 0 || row_seconds() - begin <= o->seconds);
			n_begun++) {
			c.seed = o->chaos.seed + n_begun;
			row_begin(&jobs[n_begun % o->jobs], life, &c);
		}
		if (n == n_begun)
			break;
		c.seed = o->chaos.seed + n;
		if (!row_finish(&jobs[n % o->jobs], &r)) {
			printf("seed %llu at %.3f s: %s\n", (unsigned long long)c.seed,
				(double)r.now_us / 1e6, r.failure);
			if (o->shrink)
				shrink(&c, r.failure);
			print_command(&c);
			n_failed++;
		}
		hours += (double)r.now_us / (double)SIM_HOUR;
		sum.n_delivered += r.totals.n_delivered;
		sum.n_frames += r.totals.n_frames;
		sum.n_handshakes += r.totals.n_handshakes;
		packets += r.n_packets;
	}
	printf("%u lives, %.1f virtual hours in %.1f s (%.0f a minute): %llu packets, %llu "
	       "handshakes, %llu of "
	       "%llu frames delivered; %u failed\n",
		n, hours, row_seconds() - begin, hours * 60 / (row_seconds() - begin),
		(unsigned long long)packets, (unsigned long long)sum.n_handshakes,
		(unsigned long long)sum.n_delivered, (unsigned long long)sum.n_frames, n_failed);
	return n_failed > 0;
}

static void take_skip(struct chaos_options *c, char *list)
{
	for (char *at = strtok(list, ","); at != NULL && c->n_skip < 256; at = strtok(NULL, ","))
		c->skip[c->n_skip++] = (unsigned)strtoul(at, NULL, 10);
}

static bool take_option(struct options *o, int c)
{
	switch (c) {
	case 's':
		o->chaos.seed = strtoull(optarg, NULL, 10);
		return true;
	case 'r':
		o->runs = (unsigned)strtoul(optarg, NULL, 10);
		return true;
	case 'H':
		o->chaos.hours = strtod(optarg, NULL);
		return true;
	case 'S':
		o->seconds = (unsigned)strtoul(optarg, NULL, 10);
		return true;
	case 'j':
		o->jobs = (unsigned)strtoul(optarg, NULL, 10);
		return true;
	case 'k':
		take_skip(&o->chaos, optarg);
		return true;
	case 'x':
		o->shrink = true;
		return true;
	case 't':
		world.trace = o->chaos.list = true;
		return true;
	case 'l':
		log_set_level(LOG_DEBUG);
		return true;
	case 'R':
		o->row = optarg;
		return true;
	case 'f':
		o->full = true;
		return true;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"seed", 1, 0, 's'}, {"runs", 1, 0, 'r'},
		{"hours", 1, 0, 'H'}, {"seconds", 1, 0, 'S'}, {"jobs", 1, 0, 'j'},
		{"skip", 1, 0, 'k'}, {"shrink", 0, 0, 'x'}, {"trace", 0, 0, 't'},
		{"log", 0, 0, 'l'}, {"row", 1, 0, 'R'}, {"full", 0, 0, 'f'}, {"help", 0, 0, 'h'},
		{0}};
	struct options o = {
		.chaos = {.seed = 1, .hours = 1}, .runs = 1, .jobs = (unsigned)get_nprocs()};
	int c;

	setlinebuf(stdout);
	log_set_level((enum log_level)0);
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (!take_option(&o, c)) {
			fputs(usage, stderr);
			return 2;
		}
	}
	if (world.trace || o.jobs > JOBS_MAX)
		o.jobs = world.trace ? 1 : JOBS_MAX;
	if (optind < argc || o.chaos.hours <= 0 || o.jobs == 0) {
		fputs(usage, stderr);
		return 2;
	}
	box_init();
	return o.row != NULL ? row_main(o.row, o.full) : lives(&o);
}
