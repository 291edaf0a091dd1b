// SPDX-License-Identifier: BSD-3-Clause
//
// What a second worker adds: both directions (seal and open) ring to ring, on one core, on the
// other, and on both at once, in turn.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "bench/many/pairs.h"
#include "tests/unit/dataplane/runtime_rig.h"

#define N_FRAMES 128 // going round at each worker
#define N_MBUFS  8191
#define REPS_MAX 64
#define GOAL     1.9

static struct {
	unsigned reps, ms, cpus[2];
	const char *json;
} opt = {.reps = 7, .ms = 150};

struct result {
	// frames a second, one figure a repetition: mean of the two cores alone, both at once, and
	// both counting only the time that the kernel gave the threads
	double alone[REPS_MAX], both[REPS_MAX], both_cpu[REPS_MAX], ratio[REPS_MAX],
		ratio_cpu[REPS_MAX];
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const double *values, unsigned n)
{
	double sorted[REPS_MAX];

	memcpy(sorted, values, n * sizeof(*values));
	qsort(sorted, n, sizeof(sorted[0]), by_value);
	return sorted[n / 2];
}

static void measure(unsigned bytes, struct result *r)
{
	struct pairs *p = pairs_create(2, bytes, N_FRAMES);

	for (unsigned rep = 0; rep < opt.reps; rep++) {
		struct pairs_share one[2], both[2];
		double alone_cpu = 0;

		pairs_run(p, 1, opt.ms / 1e3, one);
		pairs_run(p, 3, opt.ms / 1e3, both);
		pairs_run(p, 2, opt.ms / 1e3, one);
		r->alone[rep] = r->both[rep] = r->both_cpu[rep] = 0;
		for (unsigned i = 0; i < 2; i++) {
			r->alone[rep] += (double)one[i].frames / one[i].seconds / 2;
			alone_cpu += (double)one[i].frames / one[i].cpu_seconds / 2;
			r->both[rep] += (double)both[i].frames / both[i].seconds;
			r->both_cpu[rep] += (double)both[i].frames / both[i].cpu_seconds;
		}
		r->ratio[rep] = r->both[rep] / r->alone[rep];
		r->ratio_cpu[rep] = r->both_cpu[rep] / alone_cpu;
	}
	if (!pairs_all_well(p)) {
		fprintf(stderr, "many: frames were lost or harmed\n");
		exit(1);
	}
	pairs_destroy(p);
}

static json_t *samples(const double *values)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < opt.reps; i++)
		json_array_append_new(array, json_real(values[i]));
	return array;
}

static void tell(unsigned bytes, const struct result *r, json_t *rows)
{
	double alone = median(r->alone, opt.reps), both = median(r->both, opt.reps);

	printf("%6u B %9.2f %9.2f   %5.2f          %5.2f\n", bytes, alone / 1e6, both / 1e6,
		median(r->ratio, opt.reps), median(r->ratio_cpu, opt.reps));
	fflush(stdout);
	json_array_append_new(rows,
		json_pack("{s:s, s:i, s:i, s:f, s:{s:o}}", "op", "both", "size", bytes, "workers",
			1, "frames_per_s", alone, "samples", "frames_per_s", samples(r->alone)));
	json_array_append_new(
		rows, json_pack("{s:s, s:i, s:i, s:f, s:f, s:f, s:f, s:{s:o, s:o}}", "op", "both",
			      "size", bytes, "workers", 2, "frames_per_s", both, "ratio",
			      median(r->ratio, opt.reps), "ratio_of_own_time",
			      median(r->ratio_cpu, opt.reps), "goal", GOAL, "samples",
			      "frames_per_s", samples(r->both), "ratio", samples(r->ratio)));
}

static void usage(void)
{
	printf("Usage: tools/bench many [OPTION...]\n\n"
	       "Two workers on two cores against one, both directions, ring to ring; the main\n"
	       "thread sleeps. \"Of own time\" leaves out what the kernel gave to others.\n\n"
	       "  --cpus A,B        the two cores (the first and the last)\n"
	       "  --reps N --ms N   repetitions of so many milliseconds each way (7, 150)\n"
	       "  --json FILE       write {machine, rows}\n\n"
	       "exit status: 0 measured, 1 frames were lost or harmed, 2 wrong command line\n");
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {{"cpus", 1, NULL, 'c'}, {"reps", 1, NULL, 'r'},
		{"ms", 1, NULL, 't'}, {"json", 1, NULL, 'j'}, {"help", 0, NULL, 'h'}, {0}};
	bool ok = true;
	int c;

	opt.cpus[1] = (unsigned)sysconf(_SC_NPROCESSORS_ONLN) - 1;
	while (ok && (c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			ok = sscanf(optarg, "%u,%u", &opt.cpus[0], &opt.cpus[1]) == 2;
			break;
		case 'r':
			opt.reps = (unsigned)atoi(optarg);
			break;
		case 't':
			opt.ms = (unsigned)atoi(optarg);
			break;
		case 'j':
			opt.json = optarg;
			break;
		default:
			usage();
			exit(c == 'h' ? 0 : 2);
		}
	}
	if (!ok || opt.reps < 1 || opt.reps > REPS_MAX || opt.ms < 1 || optind != argc) {
		usage();
		exit(2);
	}
}

int main(int argc, char **argv)
{
	static const unsigned sizes[] = {64, 512, 1514};
	json_t *rows = json_array(), *root;
	char lcores[64];
	struct result r;

	parse(argc, argv);
	if (opt.cpus[0] == opt.cpus[1])
		printf("warning: one CPU only; two workers share it, and no goal applies\n");
	snprintf(lcores, sizeof(lcores), "0@%u,1@%u,2@%u", opt.cpus[0], opt.cpus[0], opt.cpus[1]);
	rt_rig_init_at(lcores);
	rt_rig_pool(N_MBUFS, 256, 2304); // caches as in a gateway
	printf("both directions, million frames/s (goal: two workers ≥ %.1f × one)\n"
	       "  frame       one       two   ratio   of own time\n",
		GOAL);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		measure(sizes[i], &r);
		tell(sizes[i], &r, rows);
	}
	root = json_pack("{s:s, s:o}", "bench", "many", "rows", rows);
	if (opt.json != NULL && json_dump_file(root, opt.json, JSON_INDENT(1)) != 0) {
		fprintf(stderr, "many: cannot write %s\n", opt.json);
		return 1;
	}
	json_decref(root);
	return 0;
}
