// SPDX-License-Identifier: BSD-3-Clause
//
// The frame path on one core, memory to memory: what sealing and opening cost beside the AEAD
// alone.
//
// Two gateways live in this process and share its one thread. A burst goes in at one's LAN, its
// packets go into the other's WAN, its frames come out and are compared with what went in. Only the
// pipeline is timed, not the making and checking of frames. Every repetition measures the AEAD
// limit, a copy and the table first, so that all rows of a size are of the same minute.
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>

#include "dataplane/lan_to_wan.h"
#include "dataplane/wan_to_lan.h"
#include "tests/unit/dataplane/rig.h"

#define SIZES_MAX 32
#define DST_BASE  0x10000000u
#define SRC_BASE  0x20000000u
#define IMIX      0 // as a size

enum op { OP_AEAD, OP_COPY, OP_FDB, OP_SEAL, OP_OPEN, OP_BOTH, OP_N };
static const char *const op_names[] = {"aead", "copy", "fdb", "seal", "open", "both"};

static struct {
	unsigned sizes[SIZES_MAX], n_sizes;
	unsigned flows, peers, macs, burst, reps, ms;
	unsigned mtu;
	uint8_t cipher;
	const char *json;
} opt = {
	.sizes = {64, 128, 256, 512, 1024, 1350, 1514, 9000, IMIX},
	.n_sizes = 9,
	.flows = 1,
	.peers = 1,
	.macs = 1,
	.burst = BATCH_MAX,
	.reps = 7,
	.ms = 30,
	.mtu = 1500,
	.cipher = CIPHER_AES_256_GCM,
};

struct bench {
	struct rig_gateway *a, *b;
	uint8_t *content; // what frames carry behind their addresses
	uint32_t random;
	unsigned size;
	uint64_t packets, packet_bytes, frames;
	// out-of-pipeline comparisons
	struct aead_key *key;
	uint8_t *plain[BATCH_MAX], *copy[BATCH_MAX];
};

static unsigned draw(struct bench *b, unsigned below)
{
	b->random = b->random * 1664525u + 1013904223u;
	return (uint64_t)b->random * below >> 32;
}

static unsigned frame_bytes(struct bench *b)
{
	unsigned dice;

	if (b->size != IMIX)
		return b->size;
	dice = draw(b, 12);
	return dice < 7 ? 64 : dice < 11 ? 570 : 1514;
}

// ---------------------------------------------------------------- frames

static struct rte_mbuf *make_frame(struct bench *b)
{
	unsigned bytes = frame_bytes(b);
	struct rte_mbuf *m = rig_bytes(b->content, bytes);
	uint8_t *data = rte_pktmbuf_mtod(m, uint8_t *);
	unsigned flow = draw(b, opt.flows);

	rig_mac(data, DST_BASE + flow % opt.macs);
	rig_mac(data + 6, SRC_BASE + flow);
	return m;
}

static void check_frames(struct bench *b, unsigned n)
{
	struct rig_out *o = &b->b->out[RIG_LAN];

	if (o->n != n) {
		fprintf(stderr, "sent %u frames, %u arrived\n", n, o->n);
		for (unsigned why = 0; why < DROP_N; why++) {
			if (rig_drops(b->a, why) + rig_drops(b->b, why) > 0)
				fprintf(stderr, "  drop reason %u: %" PRIu64 "\n", why,
					rig_drops(b->a, why) + rig_drops(b->b, why));
		}
		exit(1);
	}
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *data = rte_pktmbuf_mtod(o->m[i], const uint8_t *);

		if (memcmp(data + 12, b->content + 12, o->m[i]->data_len - 12) != 0) {
			fprintf(stderr, "a frame arrived with wrong bytes\n");
			exit(1);
		}
	}
	rig_discard(o);
}

// One burst there; cycles of both halves are added.
static void one_burst(struct bench *b, uint64_t *seal, uint64_t *open)
{
	struct rte_mbuf *m[BATCH_MAX];
	struct worker *wa = b->a->w[0], *wb = b->b->w[0];
	struct rig_out *o = &b->a->out[RIG_WAN];
	uint64_t t;

	for (unsigned i = 0; i < opt.burst; i++)
		m[i] = make_frame(b);
	t = rte_rdtsc_precise();
	lan_to_wan_batch(wa, RIG_LAN, m, opt.burst);
	port_tx_flush(wa);
	*seal += rte_rdtsc_precise() - t;

	b->packets += o->n;
	b->frames += opt.burst;
	for (unsigned i = 0; i < o->n; i++)
		b->packet_bytes += o->m[i]->data_len;
	t = rte_rdtsc_precise();
	for (unsigned i = 0; i < o->n; i += BATCH_MAX)
		wan_to_lan_batch(wb, RIG_WAN, o->m + i, RTE_MIN(o->n - i, (unsigned)BATCH_MAX));
	port_tx_flush(wb);
	*open += rte_rdtsc_precise() - t;
	o->n = 0;
	check_frames(b, opt.burst);
	fdb_quiescent(b->a->dp.fdb, 0);
	fdb_quiescent(b->b->dp.fdb, 0);
}

// ---------------------------------------------------------------- comparisons

static uint64_t aead_burst(struct bench *b)
{
	struct aead_op op[BATCH_MAX] = {0};
	uint64_t t;

	for (unsigned i = 0; i < opt.burst; i++) {
		op[i].key = b->key;
		op[i].data = b->plain[i] + PKT_DATA_HDR_LEN;
		op[i].src = op[i].data;
		op[i].bytes = frame_bytes(b);
		op[i].nonce[0] = i;
	}
	t = rte_rdtsc_precise();
	aead_seal_batch(b->a->w[0]->aead, opt.cipher, op, opt.burst);
	return rte_rdtsc_precise() - t;
}

static uint64_t copy_burst(struct bench *b)
{
	unsigned bytes[BATCH_MAX];
	uint64_t t;

	for (unsigned i = 0; i < opt.burst; i++)
		bytes[i] = frame_bytes(b);
	t = rte_rdtsc_precise();
	for (unsigned i = 0; i < opt.burst; i++)
		rte_memcpy(b->copy[i], b->plain[i], bytes[i]);
	return rte_rdtsc_precise() - t;
}

static uint64_t fdb_burst(struct bench *b)
{
	fdb_key_t keys[BATCH_MAX];
	fdb_dst_t dst[BATCH_MAX];
	uint8_t mac[6];
	uint64_t t;

	for (unsigned i = 0; i < opt.burst; i++) {
		rig_mac(mac, DST_BASE + draw(b, opt.macs));
		keys[i] = fdb_key(mac, RIG_SEGMENT);
	}
	t = rte_rdtsc_precise();
	fdb_lookup_batch(b->a->dp.fdb, keys, opt.burst, dst);
	return rte_rdtsc_precise() - t;
}

// ---------------------------------------------------------------- measuring

struct result {
	double cycles[OP_N]; // a frame, median over repetitions of the median burst
	double spread[OP_N]; // (highest − lowest) ÷ median
	double frames_per_packet, wire_per_inner;
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

// Cycles of the median burst: one that the kernel interrupted says nothing about the pipeline.
static double median_burst(double *cycles, uint64_t n)
{
	qsort(cycles, n, sizeof(cycles[0]), by_value);
	return cycles[n / 2] / opt.burst;
}

static void one_rep(struct bench *b, uint64_t bursts, double cycles[OP_N])
{
	double *sample[OP_N];

	for (unsigned op = 0; op < OP_N; op++)
		sample[op] = calloc(bursts, sizeof(double));
	for (uint64_t i = 0; i < bursts; i++)
		sample[OP_AEAD][i] = aead_burst(b);
	for (uint64_t i = 0; i < bursts; i++)
		sample[OP_COPY][i] = copy_burst(b);
	for (uint64_t i = 0; i < bursts; i++)
		sample[OP_FDB][i] = fdb_burst(b);
	for (uint64_t i = 0; i < bursts; i++) {
		uint64_t seal = 0, open = 0;

		one_burst(b, &seal, &open);
		sample[OP_SEAL][i] = seal;
		sample[OP_OPEN][i] = open;
		sample[OP_BOTH][i] = seal + open;
	}
	rig_learn(b->a);
	rig_learn(b->b);
	for (unsigned op = 0; op < OP_N; op++) {
		cycles[op] = median_burst(sample[op], bursts);
		free(sample[op]);
	}
}

static struct result measure(struct bench *b, unsigned size)
{
	double cycles[64][OP_N], sorted[64];
	uint64_t seal = 0, open = 0, bursts;
	struct result r;
	double inner;

	b->size = size;
	for (unsigned i = 0; i < 200; i++) // warm up: caches, learned addresses
		one_burst(b, &seal, &open);
	rig_learn(b->a);
	rig_learn(b->b);
	bursts = 1 + (uint64_t)opt.ms * rte_get_tsc_hz() / 1000 * 200 / (seal + open + 1);
	b->packets = b->packet_bytes = b->frames = 0;
	for (unsigned rep = 0; rep < opt.reps; rep++)
		one_rep(b, bursts, cycles[rep]);
	for (unsigned op = 0; op < OP_N; op++) {
		for (unsigned rep = 0; rep < opt.reps; rep++)
			sorted[rep] = cycles[rep][op];
		qsort(sorted, opt.reps, sizeof(sorted[0]), by_value);
		r.cycles[op] = sorted[opt.reps / 2];
		r.spread[op] = (sorted[opt.reps - 1] - sorted[0]) / r.cycles[op];
	}
	inner = size == IMIX ? (7 * 64 + 4 * 570 + 1514) / 12.0 : size;
	r.frames_per_packet = (double)b->frames / b->packets;
	r.wire_per_inner = (double)b->packet_bytes / (b->frames * inner);
	return r;
}

// ---------------------------------------------------------------- set-up

static bool hugepages_free(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];
	unsigned long n = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "HugePages_Free: %lu", &n) == 1)
			break;
	}
	if (f != NULL)
		fclose(f);
	return n >= 256;
}

static bool start_eal(void)
{
	char prefix[64], mem[32];
	bool huge = hugepages_free();
	char *argv[] = {"path", "--no-pci", "--no-telemetry", "--log-level=3", "-l", "0", "-m", mem,
		prefix, huge ? "--in-memory" : "--no-huge", huge ? NULL : "--no-shconf", NULL};

	snprintf(prefix, sizeof(prefix), "--file-prefix=path%d", (int)getpid());
	snprintf(mem, sizeof(mem), "%u", 512 + opt.macs / 4096);
	if (rte_eal_init(huge ? 10 : 11, argv) < 0) {
		fprintf(stderr, "DPDK does not start\n");
		exit(1);
	}
	return huge;
}

static void tear_down(struct bench *b)
{
	rig_gateway_free(b->a);
	rig_gateway_free(b->b);
	free(b->content);
	free(b->key);
	for (unsigned i = 0; i < BATCH_MAX; i++) {
		free(b->plain[i]);
		free(b->copy[i]);
	}
}

// Buffers as large as this size and path need: what a gateway with such ports would have.
static unsigned room_for(unsigned size)
{
	return RTE_MAX(size, opt.mtu) <= 1900 ? 2048 : 9728;
}

static void set_up(struct bench *b, unsigned room)
{
	struct rig_options o = {
		.n_workers = 1,
		.fdb_entries = 2 * (opt.macs + opt.flows) + 4096,
	};
	uint8_t mac[6], raw[AEAD_KEY_BYTES] = {1};

	rig_pool(2047, room);
	b->a = rig_gateway(1, &o);
	b->b = rig_gateway(2, &o);
	b->random = 1;
	for (unsigned i = 0; i < opt.peers; i++)
		rig_join(b->a, b->b, i, opt.mtu, opt.cipher);
	for (unsigned i = 0; i < opt.macs; i++) {
		rig_mac(mac, DST_BASE + i);
		if (fdb_static_add(
			    b->a->dp.fdb, mac, RIG_SEGMENT, fdb_dst(FDB_PEER, i % opt.peers)) < 0 ||
			fdb_static_add(b->b->dp.fdb, mac, RIG_SEGMENT, fdb_dst(FDB_LAN, 0)) < 0) {
			fprintf(stderr, "the table is full at %u addresses\n", i);
			exit(1);
		}
	}
	b->content = malloc(16384);
	for (unsigned i = 0; i < 16384; i++)
		b->content[i] = i * 167 + (i >> 8);
	b->content[12] = 0x88;
	b->content[13] = 0xb5;
	b->key = aligned_alloc(64, sizeof(*b->key));
	aead_key_install(b->a->w[0]->aead, opt.cipher, raw, b->key);
	for (unsigned i = 0; i < BATCH_MAX; i++) {
		b->plain[i] = aligned_alloc(64, 10240);
		b->copy[i] = aligned_alloc(64, 10240);
		memset(b->plain[i], i, 10240);
	}
}

static json_t *machine(const struct bench *b, bool huge)
{
	char cpu[128] = "", line[256];
	FILE *f = fopen("/proc/cpuinfo", "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "model name : %127[^\n]", cpu) == 1)
			break;
	}
	if (f != NULL)
		fclose(f);
	return json_pack("{s:s, s:i, s:f, s:s, s:b, s:b}", "cpu", cpu, "cpus",
		(int)sysconf(_SC_NPROCESSORS_ONLN), "tsc_hz", (double)rte_get_tsc_hz(), "aead_arch",
		aead_arch_name(aead_arch(b->a->w[0]->aead)), "hugepages", huge, "optimized",
#ifdef __OPTIMIZE__
		1
#else
		0
#endif
	);
}

static void add_rows(json_t *rows, unsigned size, const struct result *r)
{
	double hz = rte_get_tsc_hz();
	double inner = size == IMIX ? (7 * 64 + 4 * 570 + 1514) / 12.0 : size;

	for (unsigned op = 0; op < OP_N; op++) {
		double fps = hz / r->cycles[op];
		json_t *row = json_pack("{s:s, s:o, s:i, s:i, s:i, s:s, s:i, s:i, s:f, s:f, s:f, "
					"s:f, s:f, s:f, s:f}",
			"op", op_names[op], "size",
			size == IMIX ? json_string("imix") : json_integer(size), "flows", opt.flows,
			"peers", opt.peers, "macs", opt.macs, "cipher",
			opt.cipher == CIPHER_AES_256_GCM ? "aes-256-gcm" : "chacha20-poly1305",
			"mtu", opt.mtu, "burst", opt.burst, "frames_per_s", fps, "gbps_inner",
			fps * inner * 8 / 1e9, "aead_calls_per_s", hz / r->cycles[OP_AEAD],
			"cycles_per_frame", r->cycles[op], "spread", r->spread[op],
			"frames_per_packet", r->frames_per_packet, "wire_bytes_per_inner_byte",
			r->wire_per_inner);

		json_array_append_new(rows, row);
	}
}

static void print_row(unsigned size, const struct result *r)
{
	double aead = r->cycles[OP_AEAD], mhz = rte_get_tsc_hz() / 1e6;
	char name[16];

	snprintf(name, sizeof(name), size == IMIX ? "imix" : "%u", size);
	printf("%5s %6.1f %6.1f %6.1f | %6.1f %5.2f %6.2f | %6.1f %5.2f %6.2f | %6.1f %5.2f %6.2f "
	       "| "
	       "%5.2f %5.3f\n",
		name, aead, r->cycles[OP_COPY], r->cycles[OP_FDB], r->cycles[OP_SEAL],
		aead / r->cycles[OP_SEAL], mhz / r->cycles[OP_SEAL], r->cycles[OP_OPEN],
		aead / r->cycles[OP_OPEN], mhz / r->cycles[OP_OPEN], r->cycles[OP_BOTH],
		aead / r->cycles[OP_BOTH], mhz / r->cycles[OP_BOTH], r->frames_per_packet,
		r->wire_per_inner);
	fflush(stdout);
}

static void usage(void)
{
	printf("postern-bench-path: the frame path on one core against the AEAD alone\n\n"
	       "  --sizes N,N,imix   frame sizes in bytes (default 64..9000 and imix)\n"
	       "  --flows N --peers N --macs N    (1)\n"
	       "  --mtu N            of the path (1500)\n"
	       "  --burst N          frames that arrive together (64; 1: nothing can be packed)\n"
	       "  --cipher NAME      aes-256-gcm (default) or chacha20-poly1305\n"
	       "  --reps N --ms N    repetitions of so many milliseconds (7, 30)\n"
	       "  --json FILE\n");
}

static bool number(const char *text, unsigned least, unsigned most, unsigned *ret_value)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || v < least || v > most)
		return false;
	*ret_value = v;
	return true;
}

static bool sizes(char *text)
{
	opt.n_sizes = 0;
	for (char *at = strtok(text, ","); at != NULL; at = strtok(NULL, ",")) {
		unsigned size = IMIX;

		if (opt.n_sizes == SIZES_MAX ||
			(strcmp(at, "imix") != 0 && !number(at, 14, PKT_FRAME_MAX, &size)))
			return false;
		opt.sizes[opt.n_sizes++] = size;
	}
	return opt.n_sizes > 0;
}

static bool parse(int argc, char **argv)
{
	static const struct option options[] = {{"sizes", 1, NULL, 's'}, {"flows", 1, NULL, 'f'},
		{"peers", 1, NULL, 'p'}, {"macs", 1, NULL, 'm'}, {"mtu", 1, NULL, 'u'},
		{"burst", 1, NULL, 'b'}, {"cipher", 1, NULL, 'c'}, {"reps", 1, NULL, 'r'},
		{"ms", 1, NULL, 't'}, {"json", 1, NULL, 'j'}, {"help", 0, NULL, 'h'}, {0}};
	bool ok = true;
	int c;

	while (ok && (c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 's':
			ok = sizes(optarg);
			break;
		case 'f':
			ok = number(optarg, 1, 1 << 20, &opt.flows);
			break;
		case 'p':
			ok = number(optarg, 1, RIG_SESSIONS, &opt.peers);
			break;
		case 'm':
			ok = number(optarg, 1, 1 << 20, &opt.macs);
			break;
		case 'u':
			ok = number(optarg, PKT_MTU_BASE, 9216, &opt.mtu);
			break;
		case 'b':
			ok = number(optarg, 1, BATCH_MAX, &opt.burst);
			break;
		case 'r':
			ok = number(optarg, 1, 64, &opt.reps);
			break;
		case 't':
			ok = number(optarg, 1, 10000, &opt.ms);
			break;
		case 'c':
			opt.cipher = strcmp(optarg, "chacha20-poly1305") == 0 ? CIPHER_CHACHA20
									      : CIPHER_AES_256_GCM;
			ok = opt.cipher == CIPHER_CHACHA20 || strcmp(optarg, "aes-256-gcm") == 0;
			break;
		case 'j':
			opt.json = optarg;
			break;
		default:
			usage();
			exit(c == 'h' ? 0 : 2);
		}
		if (!ok)
			fprintf(stderr, "%s is out of range; see --help\n", optarg);
	}
	return ok && optind == argc;
}

int main(int argc, char **argv)
{
	json_t *rows = json_array(), *root;
	struct bench b = {0};
	unsigned room;
	bool huge;

	if (!parse(argc, argv))
		return 2;
	huge = start_eal();
	room = room_for(opt.sizes[0]);
	set_up(&b, room);
	printf("%s, %s, mtu %u, %u flows, %u peers, %u macs, bursts of %u, %s\n",
		opt.cipher == CIPHER_AES_256_GCM ? "AES-256-GCM" : "ChaCha20-Poly1305",
		aead_arch_name(aead_arch(b.a->w[0]->aead)), opt.mtu, opt.flows, opt.peers, opt.macs,
		opt.burst, huge ? "hugepages" : "no hugepages");
#ifndef __OPTIMIZE__
	printf("warning: this build is not optimized; its numbers mean nothing\n");
#endif
	printf("cycles a frame, share of the AEAD's rate, Mframes/s\n"
	       " size   aead   copy    fdb |   seal  x aead   Mpps |   open x aead   Mpps |   both "
	       "x aead   Mpps | fr/pkt wire\n");
	for (unsigned i = 0; i < opt.n_sizes; i++) {
		struct result r;

		if (room_for(opt.sizes[i]) != room) {
			tear_down(&b);
			room = room_for(opt.sizes[i]);
			set_up(&b, room);
		}
		r = measure(&b, opt.sizes[i]);
		print_row(opt.sizes[i], &r);
		add_rows(rows, opt.sizes[i], &r);
	}
	root = json_pack("{s:o, s:o}", "machine", machine(&b, huge), "rows", rows);
	if (opt.json != NULL && json_dump_file(root, opt.json, JSON_INDENT(1)) != 0) {
		fprintf(stderr, "cannot write %s\n", opt.json);
		return 1;
	}
	json_decref(root);
	return 0;
}
