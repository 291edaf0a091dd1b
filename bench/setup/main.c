// SPDX-License-Identifier: BSD-3-Clause
//
// What a thousand peers cost a gateway in memory, and what a key costs a worker in time, both by
// the real commands on the real rings.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>
#include <rte_cycles.h>

#include "dataplane/commands.h"
#include "dataplane/worker.h"
#include "tests/unit/dataplane/runtime_rig.h"
#include "wire/packet.h"

#define BURST    16 // keys on the ring when the worker comes to look
#define REPS_MAX 64
#define GOAL_MIB 128
#define GOAL_US  2.0

static struct {
	unsigned peers, lanes, reps;
	const char *json;
} opt = {.peers = 1000, .lanes = 16, .reps = 9};

static struct rt_rig *rig;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "setup: %s\n", what);
	exit(1);
}

// Resident memory of this process, without what others share with it.
static double resident_mib(void)
{
	unsigned long size, resident, shared;
	FILE *f = fopen("/proc/self/statm", "r");

	must(f != NULL && fscanf(f, "%lu %lu %lu", &size, &resident, &shared) == 3,
		"/proc/self/statm");
	fclose(f);
	return (double)resident * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

// ---------------------------------------------------------------- commands

static struct cmd key_of(uint32_t slot, uint8_t generation, uint8_t lane, uint8_t dir, uint8_t n)
{
	struct cmd c = {.key = {.head.session = slot,
				.rx_key_id = PKT_KEY_ID(slot, generation),
				.tx_key_id = PKT_KEY_ID(slot, generation),
				.deadline_ns = RT_START_NS + 590 * RT_S,
				.dir = dir,
				.lane = lane,
				.n_lanes = n,
				.cipher = CIPHER_AES_256_GCM}};

	memset(c.key.key, lane + 3 * generation, sizeof(c.key.key));
	memcpy(c.key.key, &slot, sizeof(slot));
	c.key.key[5] = dir;
	return c;
}

static void run(unsigned worker, struct cmd *c, uint16_t op, size_t bytes)
{
	must(rt_rig_do(rig, worker, c, op, bytes) == 0, "a worker refuses a command");
}

static void add_peer(uint32_t slot)
{
	for (unsigned w = 0; w < rig->rt->dp.n_workers; w++) {
		struct cmd c = {.session = {.head.session = slot, .mac_quota = 64}};

		c.session.segments[0] = 1 << RT_SEGMENT;
		memcpy(c.session.peer_id, &slot, sizeof(slot));
		run(w, &c, CMD_SESSION_SET, sizeof(c.session));
		c = (struct cmd){.path = {.head.session = slot, .path = rt_rig_path(rig, rig)}};
		run(w, &c, CMD_PATH, sizeof(c.path));
	}
}

// All lanes of one epoch, both directions.
static void add_epoch(uint32_t slot, uint8_t generation)
{
	unsigned n_workers = rig->rt->dp.n_workers;

	for (unsigned lane = 1; lane <= opt.lanes; lane++) {
		struct cmd c = key_of(slot, generation, (uint8_t)lane, 0, (uint8_t)opt.lanes);

		run((lane - 1) % n_workers, &c, CMD_KEY_INSTALL, sizeof(c.key));
		if (lane > n_workers)
			continue;
		c = key_of(slot, generation, (uint8_t)lane, 1, (uint8_t)opt.lanes);
		run(lane - 1, &c, CMD_KEY_INSTALL, sizeof(c.key));
	}
	for (unsigned w = 0; w < n_workers; w++) {
		struct cmd c = {
			.epoch = {.head.session = slot, .rx_key_id = PKT_KEY_ID(slot, generation)}};

		run(w, &c, CMD_TX_SWITCH, sizeof(c.epoch));
	}
}

// ---------------------------------------------------------------- memory

static json_t *row(const char *what, double value, const char *unit, double goal)
{
	printf("  %-62s %8.2f %s", what, value, unit);
	if (goal > 0)
		printf("   goal %g: %s", goal, value <= goal ? "met" : "MISSED");
	printf("\n");
	return json_pack("{s:s, s:f, s:s, s:o}", "what", what, "value", value, "unit", unit, "goal",
		goal > 0 ? json_real(goal) : json_null());
}

struct memory {
	double empty, one, two; // MiB: no peer, all peers, all peers with old and new keys
};

static struct memory gateway_memory(unsigned n_workers)
{
	struct rt_rig_shape shape = {.n_workers = n_workers,
		.n_queues = 1,
		.n_sessions = opt.peers,
		.fdb_entries = 16384}; // the default
	struct memory m;
	double before;

	rt_rig_init_at("0");
	before = resident_mib();
	rig = rt_rig_create_shape(1, &shape);
	rt_rig_attach(rig, 1);
	m.empty = resident_mib() - before;
	for (uint32_t slot = 0; slot < opt.peers; slot++) {
		add_peer(slot);
		add_epoch(slot, 1);
	}
	m.one = resident_mib() - before;
	for (uint32_t slot = 0; slot < opt.peers; slot++)
		add_epoch(slot, 2);
	m.two = resident_mib() - before;
	return m;
}

// In a process of its own: what another gateway has freed would hide what this one takes.
static void measure_memory(unsigned n_workers, json_t *rows)
{
	struct memory m;
	char what[128];
	int fds[2], status;
	pid_t pid;

	must(pipe(fds) == 0, "no pipe");
	fflush(stdout);
	pid = fork();
	must(pid >= 0, "no process");
	if (pid == 0) {
		m = gateway_memory(n_workers);
		_exit(write(fds[1], &m, sizeof(m)) == sizeof(m) ? 0 : 1);
	}
	must(waitpid(pid, &status, 0) == pid && status == 0 &&
			read(fds[0], &m, sizeof(m)) == sizeof(m),
		"the gateway whose memory is measured failed");
	close(fds[0]);
	close(fds[1]);
	snprintf(what, sizeof(what), "%u workers, no peer", n_workers);
	json_array_append_new(rows, row(what, m.empty, "MiB", 0));
	snprintf(what, sizeof(what), "%u workers, %u peers with %u lanes", n_workers, opt.peers,
		opt.lanes);
	json_array_append_new(rows, row(what, m.one, "MiB", GOAL_MIB));
	snprintf(what, sizeof(what), "%u workers, all peers with old and new keys at once",
		n_workers);
	json_array_append_new(rows, row(what, m.two, "MiB", 0));
}

// ---------------------------------------------------------------- time

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

// Microseconds of the worker's time for each key of a burst on its ring: reading and wiping the
// ring's slot, checking, expanding, acknowledging.
static double one_burst(uint32_t slot)
{
	struct event ev;
	uint64_t t;

	for (unsigned lane = 1; lane <= BURST; lane++) {
		struct cmd c = key_of(slot, 1, (uint8_t)lane, 0, BURST);

		rt_rig_command(rig, 0, &c, CMD_KEY_INSTALL, sizeof(c.key));
	}
	t = rte_rdtsc_precise();
	for (unsigned n = 0; n < BURST;)
		n += commands_run(rig->rt->worker[0]);
	t = rte_rdtsc_precise() - t;
	for (unsigned n = 0; n < BURST; n++)
		must(rt_rig_event(rig, 0, EV_ACK, &ev) && ev.ack.status == 0, "a key was refused");
	return (double)t * 1e6 / (double)rte_get_tsc_hz() / BURST;
}

static void measure_time(json_t *rows)
{
	struct rt_rig_shape shape = {.n_workers = 1, .n_queues = 1, .n_sessions = opt.peers};
	double burst[1024], rep[REPS_MAX];
	unsigned n = opt.peers < 256 ? opt.peers : 256;
	json_t *samples = json_array(), *r;

	for (unsigned i = 0; i < opt.reps; i++) {
		rig = rt_rig_create_shape(1, &shape);
		rt_rig_attach(rig, 1);
		for (uint32_t slot = 0; slot < n; slot++)
			add_peer(slot);
		for (uint32_t slot = 0; slot < n; slot++)
			burst[slot] = one_burst(slot);
		qsort(burst, n, sizeof(burst[0]), by_value);
		rep[i] = burst[n / 2];
		json_array_append_new(samples, json_real(rep[i]));
		rt_rig_destroy(rig);
	}
	qsort(rep, opt.reps, sizeof(rep[0]), by_value);
	r = row("worker's time for a key (receive, AES-256-GCM), from ring to answer",
		rep[opt.reps / 2], "us", GOAL_US);
	json_object_set_new(r, "samples", json_pack("{s:o}", "value", samples));
	json_array_append_new(rows, r);
}

static void usage(void)
{
	printf("Usage: tools/bench setup [OPTION...]\n\n"
	       "Memory of a gateway beyond its packet pool, and a worker's time for a key.\n\n"
	       "  --peers N --lanes N   (1000, 16)\n"
	       "  --reps N              repetitions of the time (9)\n"
	       "  --json FILE           write {machine, rows}\n\n"
	       "exit status: 0 measured, 1 a command was refused, 2 wrong command line\n");
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {{"peers", 1, NULL, 'p'}, {"lanes", 1, NULL, 'l'},
		{"reps", 1, NULL, 'r'}, {"json", 1, NULL, 'j'}, {"help", 0, NULL, 'h'}, {0}};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'p':
			opt.peers = (unsigned)atoi(optarg);
			break;
		case 'l':
			opt.lanes = (unsigned)atoi(optarg);
			break;
		case 'r':
			opt.reps = (unsigned)atoi(optarg);
			break;
		case 'j':
			opt.json = optarg;
			break;
		default:
			usage();
			exit(c == 'h' ? 0 : 2);
		}
	}
	if (opt.peers < 1 || opt.peers > 2048 || opt.lanes < 1 || opt.lanes > WORKERS_MAX ||
		opt.reps < 1 || opt.reps > REPS_MAX || optind != argc) {
		usage();
		exit(2);
	}
}

int main(int argc, char **argv)
{
	json_t *rows = json_array(), *root;

	parse(argc, argv);
	printf("memory beyond the packet pool, and a worker's time\n");
	measure_memory(opt.lanes, rows);
	measure_memory(2, rows);
	rt_rig_init_at("0");
	measure_time(rows);
	root = json_pack("{s:s, s:o}", "bench", "setup", "rows", rows);
	must(opt.json == NULL || json_dump_file(root, opt.json, JSON_INDENT(1)) == 0,
		"cannot write the JSON file");
	json_decref(root);
	return 0;
}
