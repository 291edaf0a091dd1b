// SPDX-License-Identifier: BSD-3-Clause
//
// The frame path on one core, memory to memory: what sealing and opening cost beside the AEAD
// alone. Which rows to measure, and how they are told; measure.c measures.
//
// The staged build of the same program (-DPOSTERN_STAGES) says where the cycles go; this one runs
// it afterwards and takes over its stages, so that the totals carry none of its clock reading.
#include <getopt.h>
#include <inttypes.h>
#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_mbuf.h>

#include "bench/path/path.h"
#include "dataplane/aead.h"
#include "dataplane/batch.h"
#include "tests/unit/dataplane/rig.h"
#include "wire/cmd.h"

#ifdef POSTERN_STAGES
#define STAGED true
#else
#define STAGED false
#endif
#define SIZES_MAX  32
#define SETUPS_MAX 128

struct plan {
	struct setup s;
	const unsigned *sizes;
	unsigned n_sizes;
};

static const unsigned all_sizes[] = {64, 128, 256, 512, 1024, 1350, 1514, 9000, IMIX};
static const unsigned some_sizes[] = {64, 512, 1514, IMIX};
static const unsigned small_size[] = {64};

#define SIZES(x) .sizes = (x), .n_sizes = sizeof(x) / sizeof((x)[0])
#define GCM      CIPHER_AES_256_GCM
#define CHACHA   CIPHER_CHACHA20

// What is run when nothing is asked for: each axis by itself, then all of them together.
static const struct plan usual[] = {
	{{1, 1, 1, 1500, BATCH_MAX, GCM}, SIZES(all_sizes)},
	{{1, 1, 1, 9000, BATCH_MAX, GCM}, SIZES(all_sizes)},
	{{1, 1, 1, 1500, BATCH_MAX, CHACHA}, SIZES(all_sizes)},
	{{1000, 1, 1, 1500, BATCH_MAX, GCM}, SIZES(some_sizes)},
	{{100000, 1, 1, 1500, BATCH_MAX, GCM}, SIZES(some_sizes)},
	{{1000, 64, 64, 1500, BATCH_MAX, GCM}, SIZES(some_sizes)},
	{{1024, 1024, 1024, 1500, BATCH_MAX, GCM}, SIZES(some_sizes)},
	{{10000, 1, 10000, 1500, BATCH_MAX, GCM}, SIZES(some_sizes)},
	{{1000000, 1, 1000000, 1500, BATCH_MAX, GCM}, SIZES(some_sizes)},
	{{100000, 1024, 1000000, 1500, BATCH_MAX, GCM}, SIZES(some_sizes)},
	{{1, 1, 1, 1500, 1, GCM}, SIZES(small_size)},
};

// What the project set itself as goals, as a share of the AEAD's rate at that size.
static const struct {
	unsigned size;
	double seal, open, both;
} goals[] = {
	{64, 2.0, 1.25, 0.8},
	{512, 1.0, 0.95, 0.5},
	{1514, 0.9, 0.85, 0.45},
	{IMIX, 1.1, 1.0, 0.55},
	{9000, 0.85, 0.8, 0.42},
};

static struct {
	unsigned sizes[SIZES_MAX], n_sizes; // none: those of the plan
	struct setup s;
	bool one; // setup, instead of a plan
	bool full;
	bool stages;
	struct effort effort;
	const char *json;
} opt = {
	.s = {1, 1, 1, 1500, BATCH_MAX, CIPHER_AES_256_GCM},
	.stages = true,
	.effort = {.reps = 5, .ms = 8},
};

static struct plan plans[SETUPS_MAX];
static unsigned n_plans;
static FILE *text; // where people read

// ---------------------------------------------------------------- plan

static void plan_add(const struct plan *p)
{
	struct plan *to = &plans[n_plans++];

	*to = *p;
	if (opt.n_sizes > 0) {
		to->sizes = opt.sizes;
		to->n_sizes = opt.n_sizes;
	}
}

static void plan_full(void)
{
	static const unsigned flows[] = {1, 1000, 100000}, peers[] = {1, 64, 1024};
	static const unsigned macs[] = {1, 10000, 1000000}, mtus[] = {1500, 9000};
	static const uint8_t ciphers[] = {CIPHER_AES_256_GCM, CIPHER_CHACHA20};

	for (unsigned i = 0; i < 3 * 3 * 3 * 2 * 2; i++) {
		struct plan p = {SIZES(all_sizes)};

		p.s.flows = flows[i % 3];
		p.s.peers = peers[i / 3 % 3];
		p.s.macs = macs[i / 9 % 3];
		p.s.mtu = mtus[i / 27 % 2];
		p.s.cipher = ciphers[i / 54];
		p.s.burst = BATCH_MAX;
		plan_add(&p);
	}
}

static void plan_make(void)
{
	struct plan one = {.s = opt.s, SIZES(all_sizes)};

	if (opt.full) {
		plan_full();
	} else if (opt.one) {
		plan_add(&one);
	} else {
		for (unsigned i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
			plan_add(&usual[i]);
	}
}

static unsigned most_entries(void)
{
	unsigned most = 0;

	for (unsigned i = 0; i < n_plans; i++)
		most = RTE_MAX(most, plans[i].s.macs + plans[i].s.flows);
	return most;
}

// ---------------------------------------------------------------- rows

static double goal_of(unsigned size, enum column col)
{
	for (unsigned i = 0; i < sizeof(goals) / sizeof(goals[0]); i++) {
		if (goals[i].size == size)
			return col == COL_SEAL   ? goals[i].seal
			       : col == COL_OPEN ? goals[i].open
						 : goals[i].both;
	}
	return 0;
}

static bool goals_apply(const struct setup *s)
{
	return s->cipher == CIPHER_AES_256_GCM && s->flows == 1 && s->peers == 1 && s->macs == 1 &&
	       s->burst == BATCH_MAX;
}

static void stages_add(json_t *row, enum column col, const struct result *r)
{
	static const char *const names[STAGE_N] = {NULL, "rx", "classify", "replay", "fdb", "pack",
		"seal", "outer", "open", "unpack", "tx"};
	json_t *stages = json_object();

	for (unsigned i = STAGE_RX; i < STAGE_N; i++) {
		double cycles = (col != COL_OPEN ? r->cycles[COL_SEAL_STAGE + i] : 0) +
				(col != COL_SEAL ? r->cycles[COL_OPEN_STAGE + i] : 0);

		if (cycles > 0)
			json_object_set_new(stages, names[i], json_real(cycles));
	}
	json_object_set_new(row, "stages", stages);
}

static void add_rows(json_t *rows, const struct setup *s, unsigned size, const struct result *r)
{
	static const char *const names[] = {"seal", "open", "both"};
	double hz = rte_get_tsc_hz(), aead = r->cycles[COL_AEAD];

	for (enum column col = COL_SEAL; col <= COL_BOTH; col++) {
		double fps = hz / r->cycles[col];
		double goal = goals_apply(s) ? goal_of(size, col) : 0;
		json_t *row = json_pack("{s:s, s:o, s:i, s:i, s:i, s:s, s:i, s:i}", "op",
			names[col - COL_SEAL], "size",
			size == IMIX ? json_string("imix") : json_integer(size), "flows", s->flows,
			"peers", s->peers, "macs", s->macs, "cipher",
			s->cipher == CIPHER_AES_256_GCM ? "aes-256-gcm" : "chacha20-poly1305",
			"mtu", s->mtu, "burst", s->burst);
		json_t *more = json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, "
					 "s:o}",
			"frames_per_s", fps, "gbps_inner", fps * bench_mean_bytes(size) * 8 / 1e9,
			"aead_calls_per_s", hz / aead, "ratio", aead / r->cycles[col],
			"cycles_per_frame", r->cycles[col], "spread", r->spread[col], "aead_cycles",
			aead, "copy_cycles", r->cycles[COL_COPY], "fdb_cycles", r->cycles[COL_FDB],
			"frames_per_packet", r->frames_per_packet, "wire_bytes_per_inner_byte",
			r->wire_per_inner, "goal", goal > 0 ? json_real(goal) : json_null());

		json_object_update_new(row, more);
		if (STAGED)
			stages_add(row, col, r);
		json_array_append_new(rows, row);
	}
}

static void print_setup(const struct bench *b, const struct setup *s)
{
	fprintf(text,
		"\n%s (%s), mtu %u, bursts of %u; %u flows, %u peers, %u addresses\n"
		" size   aead   copy    fdb |   seal  ratio   Mpps |   open  ratio   Mpps |   both "
		" ratio   Mpps | fr/pkt  wire spread\n",
		s->cipher == CIPHER_AES_256_GCM ? "AES-256-GCM" : "ChaCha20-Poly1305",
		bench_arch(b), s->mtu, s->burst, s->flows, s->peers, s->macs);
}

static void print_row(unsigned size, const struct result *r)
{
	char name[16];

	snprintf(name, sizeof(name), size == IMIX ? "imix" : "%u", size);
	fprintf(text, "%5s %6.1f %6.1f %6.1f |", name, r->cycles[COL_AEAD], r->cycles[COL_COPY],
		r->cycles[COL_FDB]);
	for (enum column col = COL_SEAL; col <= COL_BOTH; col++)
		fprintf(text, " %6.1f %6.2f %6.2f |", r->cycles[col],
			r->cycles[COL_AEAD] / r->cycles[col],
			rte_get_tsc_hz() / 1e6 / r->cycles[col]);
	fprintf(text, " %6.2f %5.3f %5.1f%%\n", r->frames_per_packet, r->wire_per_inner,
		100 * r->spread[COL_BOTH]);
	fflush(text);
}

// ---------------------------------------------------------------- stages

// The staged build's rows of the same plan, or NULL.
static json_t *staged_rows(int argc, char **argv)
{
	char line[8192], self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	json_error_t err;
	unsigned used;
	json_t *root;
	FILE *f;

	if (n < 0)
		return NULL;
	self[n] = '\0';
	used = snprintf(line, sizeof(line), "'%s-staged'", self);
	for (int i = 1; i < argc && used < sizeof(line); i++)
		used += snprintf(line + used, sizeof(line) - used, " '%s'", argv[i]);
	if (used + sizeof(" --json -") > sizeof(line))
		return NULL;
	strcat(line, " --json -");
	f = popen(line, "r");
	if (f == NULL)
		return NULL;
	root = json_loadf(f, 0, &err);
	if (pclose(f) != 0 || root == NULL) {
		json_decref(root);
		return NULL;
	}
	return root;
}

static void print_stages(const json_t *row)
{
	const json_t *size = json_object_get(row, "size"), *cycles;
	const char *name;

	fprintf(text, "%5s ", json_string_value(json_object_get(row, "op")));
	if (json_is_string(size))
		fprintf(text, "%5s:", json_string_value(size));
	else
		fprintf(text, "%5" JSON_INTEGER_FORMAT ":", json_integer_value(size));
	json_object_foreach (json_object_get(row, "stages"), name, cycles)
		fprintf(text, " %s %.1f", name, json_real_value(cycles));
	fprintf(text, "\n");
}

// Take over the stages, row by row: both builds go through the same plan in the same order.
static bool merge_stages(json_t *rows, int argc, char **argv)
{
	json_t *root = staged_rows(argc, argv), *staged = json_object_get(root, "rows");
	unsigned printed = opt.one ? UINT32_MAX : 3 * plans[0].n_sizes;

	if (json_array_size(staged) != json_array_size(rows)) {
		json_decref(root);
		return false;
	}
	fprintf(text,
		"\ncycles a frame by stage (by the build that reads the clock between them)\n");
	for (unsigned i = 0; i < json_array_size(rows); i++) {
		const json_t *from = json_array_get(staged, i);
		json_t *to = json_array_get(rows, i);

		json_object_set(to, "stages", json_object_get(from, "stages"));
		json_object_set(
			to, "staged_cycles_per_frame", json_object_get(from, "cycles_per_frame"));
		if (i < printed && i % 3 < 2)
			print_stages(to);
	}
	json_decref(root);
	return true;
}

// ---------------------------------------------------------------- machine

static bool read_fact(const char *path, const char *format, void *out)
{
	FILE *f = fopen(path, "r");
	bool found = false;
	char line[4096];

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
		found = sscanf(line, format, out) == 1;
	if (f != NULL)
		fclose(f);
	return found;
}

static bool hugepages_free(unsigned mib)
{
	unsigned long n = 0, kib = 0;

	return read_fact("/proc/meminfo", "HugePages_Free: %lu", &n) &&
	       read_fact("/proc/meminfo", "Hugepagesize: %lu kB", &kib) && n * kib / 1024 >= mib;
}

static bool start_eal(void)
{
	unsigned mib = 512 + most_entries() / 2048;
	char prefix[64], mem[32];
	bool huge = hugepages_free(mib);
	char *argv[] = {"path", "--no-pci", "--no-telemetry", "--log-level=3", "-l", "0", "-m", mem,
		prefix, huge ? "--in-memory" : "--no-huge", huge ? NULL : "--no-shconf", NULL};

	snprintf(prefix, sizeof(prefix), "--file-prefix=path%d", (int)getpid());
	snprintf(mem, sizeof(mem), "%u", mib);
	if (rte_eal_init(huge ? 10 : 11, argv) < 0) {
		fprintf(stderr, "DPDK does not start\n");
		exit(1);
	}
	return huge;
}

static bool optimized(void)
{
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	return true;
#else
	return false;
#endif
}

static json_t *machine(bool huge)
{
	char cpu[128] = "", kernel[128] = "";

	read_fact("/proc/cpuinfo", "model name : %127[^\n]", cpu);
	read_fact("/proc/sys/kernel/osrelease", "%127s", kernel);
	return json_pack("{s:s, s:s, s:i, s:f, s:b, s:b, s:b}", "cpu", cpu, "kernel", kernel,
		"cpus", (int)sysconf(_SC_NPROCESSORS_ONLN), "tsc_hz", (double)rte_get_tsc_hz(),
		"aes_in_hardware", aead_aes_in_hardware(), "hugepages", huge, "optimized",
		optimized());
}

static void caveats(bool huge)
{
	if (!optimized())
		fprintf(text, "warning: this build is not optimized or is sanitized; its figures "
			      "say nothing about speed\n");
	if (!aead_aes_in_hardware())
		fprintf(text, "no AES in hardware here: AES-256-GCM is what the library makes of "
			      "it; no goal applies\n");
	if (!huge)
		fprintf(text, "no hugepages: tables and packets lie in pages of 4 KiB, so many "
			      "addresses cost more\n");
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		fprintf(text, "one processor only: whatever else runs takes its time from the "
			      "bench\n");
}

// ---------------------------------------------------------------- command line

static void usage(void)
{
	printf("Usage: tools/bench path [OPTION...]\n\n"
	       "The frame path on one core, memory to memory, against the AEAD alone; frames are\n"
	       "checked at the far end. Without options: every axis by itself, in two minutes.\n\n"
	       "  --full             all sizes, flows, peers, addresses, ciphers, MTUs with each "
	       "other\n"
	       "  --sizes N,N,imix   frame sizes in bytes, from 60 on\n"
	       "  --flows N --peers N --macs N    one set-up instead of the usual ones\n"
	       "  --mtu N            of the path (1500)\n"
	       "  --burst N          frames that arrive together (64; 1: nothing can be packed)\n"
	       "  --cipher NAME      aes-256-gcm (default) or chacha20-poly1305\n"
	       "  --reps N --ms N    repetitions of so many milliseconds (5, 8)\n"
	       "  --no-stages        leave out the second pass, which says where the cycles go\n"
	       "  --json FILE        write {machine, rows[]}; - is the standard output\n\n"
	       "exit: 0, 1 a frame was lost or wrong, something cannot be had, or the stages are "
	       "missing,\n      2 usage\n");
}

static bool number(const char *arg, unsigned least, unsigned most, unsigned *ret_value)
{
	char *end;
	unsigned long v = strtoul(arg, &end, 10);

	if (*arg == '\0' || *end != '\0' || v < least || v > most)
		return false;
	*ret_value = v;
	return true;
}

static bool sizes(const char *arg)
{
	char *copy = strdup(arg), *state = NULL;
	bool ok = copy != NULL;

	opt.n_sizes = 0;
	for (char *at = ok ? strtok_r(copy, ",", &state) : NULL; ok && at != NULL;
		at = strtok_r(NULL, ",", &state)) {
		unsigned size = IMIX;

		ok = opt.n_sizes < SIZES_MAX &&
		     (strcmp(at, "imix") == 0 || number(at, 60, PKT_FRAME_MAX, &size));
		if (ok)
			opt.sizes[opt.n_sizes++] = size;
	}
	free(copy);
	return ok && opt.n_sizes > 0;
}

static bool cipher(const char *arg)
{
	opt.s.cipher = strcmp(arg, "chacha20-poly1305") == 0 ? CIPHER_CHACHA20 : CIPHER_AES_256_GCM;
	return opt.s.cipher == CIPHER_CHACHA20 || strcmp(arg, "aes-256-gcm") == 0;
}

static bool option(int c)
{
	switch (c) {
	case 's':
		return sizes(optarg);
	case 'r':
		return number(optarg, 1, REPS_MAX, &opt.effort.reps);
	case 't':
		return number(optarg, 1, 10000, &opt.effort.ms);
	case 'j':
		opt.json = optarg;
		return true;
	case 'F':
		opt.full = true;
		return true;
	case 'N':
		opt.stages = false;
		return true;
	}
	opt.one = true;
	switch (c) {
	case 'f':
		return number(optarg, 1, FLOWS_MAX, &opt.s.flows);
	case 'p':
		return number(optarg, 1, RIG_SESSIONS, &opt.s.peers);
	case 'm':
		return number(optarg, 1, FLOWS_MAX, &opt.s.macs);
	case 'u':
		return number(optarg, PKT_MTU_BASE, 9216, &opt.s.mtu);
	case 'b':
		return number(optarg, 1, BATCH_MAX, &opt.s.burst);
	default:
		return cipher(optarg);
	}
}

static bool parse(int argc, char **argv)
{
	static const struct option options[] = {{"sizes", 1, NULL, 's'}, {"flows", 1, NULL, 'f'},
		{"peers", 1, NULL, 'p'}, {"macs", 1, NULL, 'm'}, {"mtu", 1, NULL, 'u'},
		{"burst", 1, NULL, 'b'}, {"cipher", 1, NULL, 'c'}, {"reps", 1, NULL, 'r'},
		{"ms", 1, NULL, 't'}, {"json", 1, NULL, 'j'}, {"full", 0, NULL, 'F'},
		{"no-stages", 0, NULL, 'N'}, {"help", 0, NULL, 'h'}, {0}};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'h' || c == '?') {
			usage();
			exit(c == 'h' ? 0 : 2);
		}
		if (!option(c)) {
			fprintf(stderr, "%s is out of range; see --help\n", optarg);
			return false;
		}
	}
	if (optind < argc)
		fprintf(stderr, "%s: no such argument; see --help\n", argv[optind]);
	return optind == argc;
}

// ---------------------------------------------------------------- run

static void run(const struct plan *p, json_t *rows)
{
	struct bench *b = NULL;
	unsigned room = 0;

	for (unsigned i = 0; i < p->n_sizes; i++) {
		struct result r;

		if (bench_room(p->sizes[i], p->s.mtu) != room) {
			room = bench_room(p->sizes[i], p->s.mtu);
			bench_destroy(b);
			b = bench_create(&p->s, room);
			if (i == 0)
				print_setup(b, &p->s);
		}
		bench_measure(b, p->sizes[i], &opt.effort, &r);
		print_row(p->sizes[i], &r);
		add_rows(rows, &p->s, p->sizes[i], &r);
	}
	bench_destroy(b);
}

int main(int argc, char **argv)
{
	json_t *rows = json_array(), *root;
	bool huge, staged = true;

	if (!parse(argc, argv))
		return 2;
	text = opt.json != NULL && strcmp(opt.json, "-") == 0 ? fopen("/dev/null", "w") : stdout;
	plan_make();
	huge = start_eal();
	caveats(huge);
	fprintf(text,
		"cycles a frame of %.2f GHz; ratio: frames against direct AEAD calls a second\n",
		rte_get_tsc_hz() / 1e9);
	for (unsigned i = 0; i < n_plans; i++)
		run(&plans[i], rows);
	rte_eal_cleanup(); // the staged build wants the same hugepages
	if (!STAGED && opt.stages && !merge_stages(rows, argc, argv)) {
		fprintf(stderr, "the staged build did not run; no stages are told\n");
		staged = false;
	}
	root = json_pack("{s:o, s:o}", "machine", machine(huge), "rows", rows);
	if (opt.json != NULL &&
		(text != stdout ? json_dumpf(root, stdout, JSON_INDENT(1))
				: json_dump_file(root, opt.json, JSON_INDENT(1))) != 0) {
		fprintf(stderr, "cannot write %s\n", opt.json);
		return 1;
	}
	json_decref(root);
	return staged ? 0 : 1;
}
