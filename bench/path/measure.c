// SPDX-License-Identifier: BSD-3-Clause
//
// Two gateways live in this process and share its one thread. A burst goes in at one's LAN, its
// packets go into the other's WAN, its frames come out and are compared with what went in. Only the
// pipeline is timed, not the making and checking of frames. In every repetition the AEAD alone, a
// copy and the table take turns with it over frames made just the same way, so that all figures of
// a row are of the same minute and of the same caches.
#include "bench/path/path.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>

#include "dataplane/lan_to_wan.h"
#include "dataplane/stage.h"
#include "dataplane/wan_to_lan.h"
#include "tests/unit/dataplane/rig.h"

#define DST_BASE 0x10000000u
#define SRC_BASE 0x20000000u
#define CONTENT  16384
#define UNIT     BATCH_MAX // frames that are timed together, in one burst or many
#define STAMP    42        // where a frame's number is: behind the headers of UDP over IPv4

struct feed { // a port's receive side
	struct rte_mbuf *m[RIG_OUT_MAX];
	unsigned n, taken;
	unsigned burst; // so many at a time at most
};

struct bench {
	struct setup s;
	struct rig_gateway *a, *b;
	uint8_t *content; // what frames carry behind addresses, type and number
	struct aead_key *key;
	uint32_t random;
	unsigned size;
	struct rte_mempool *pool;
	uint64_t packets, packet_bytes, frames;
	struct feed lan, wan; // of a, of b
	// the burst under way, by frame number
	uint32_t flow[BATCH_MAX];
	uint16_t bytes[BATCH_MAX];
};

// ---------------------------------------------------------------- stages

#ifdef POSTERN_STAGES
struct stage_clock stage_clock;

// What the clock counted since the last time.
static void stage_take(double *column)
{
	for (unsigned i = 0; i < STAGE_N; i++)
		column[i] = stage_clock.cycles[i];
	memset(stage_clock.cycles, 0, sizeof(stage_clock.cycles));
}
#else
static void stage_take(double *)
{
}
#endif

// ---------------------------------------------------------------- frames

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

double bench_mean_bytes(unsigned size)
{
	return size == IMIX ? (7 * 64 + 4 * 570 + 1514) / 12.0 : size;
}

static void addresses(const struct bench *b, uint32_t flow, uint8_t out[12])
{
	rig_mac(out, DST_BASE + flow % b->s.macs);
	rig_mac(out + 6, SRC_BASE + flow);
}

static struct rte_mbuf *make_frame(struct bench *b, unsigned number)
{
	unsigned bytes = frame_bytes(b);
	struct rte_mbuf *m = rig_bytes(b->content, bytes);
	uint8_t *data = rte_pktmbuf_mtod(m, uint8_t *);

	b->bytes[number] = bytes;
	b->flow[number] = draw(b, b->s.flows);
	addresses(b, b->flow[number], data);
	data[STAMP] = number;
	return m;
}

static void fail(const struct bench *b, const char *what)
{
	fprintf(stderr, "%s\n", what);
	for (unsigned why = 0; why < DROP_N; why++) {
		if (rig_drops(b->a, why) + rig_drops(b->b, why) > 0)
			fprintf(stderr, "  drop reason %u: %" PRIu64 "\n", why,
				rig_drops(b->a, why) + rig_drops(b->b, why));
	}
	exit(1);
}

static unsigned peer_of(const struct bench *b, unsigned number)
{
	return b->flow[number] % b->s.macs % b->s.peers;
}

// Every frame of the burst has arrived once, whole, and after those sent earlier to the same peer.
static void check_frames(struct bench *b)
{
	struct rig_out *o = &b->b->out[RIG_LAN];
	uint64_t arrived = 0;
	uint8_t mac[12];

	if (o->n != UNIT)
		fail(b, "not as many frames arrived as were sent");
	for (unsigned i = 0; i < o->n; i++) {
		const uint8_t *data = rte_pktmbuf_mtod(o->m[i], const uint8_t *);
		unsigned number = data[STAMP];

		if (number >= UNIT || (arrived >> number & 1) != 0)
			fail(b, "a frame arrived twice");
		addresses(b, b->flow[number], mac);
		if (o->m[i]->data_len != b->bytes[number] || memcmp(data, mac, 12) != 0 ||
			memcmp(data + STAMP + 1, b->content + STAMP + 1,
				b->bytes[number] - STAMP - 1) != 0)
			fail(b, "a frame arrived with wrong bytes");
		for (unsigned k = 0; k < number; k++) {
			if ((arrived >> k & 1) == 0 && peer_of(b, k) == peer_of(b, number))
				fail(b, "a frame overtook another one to the same peer");
		}
		arrived |= 1ull << number;
	}
	rig_discard(o);
}

static uint16_t feed_rx(struct port *p, uint16_t, struct rte_mbuf **m, uint16_t n)
{
	struct feed *f = p->ctx;
	unsigned left = f->n - f->taken, most = RTE_MIN(left, f->burst);

	if (n > most)
		n = most;
	rte_memcpy(m, f->m + f->taken, n * sizeof(*m));
	f->taken += n;
	return n;
}

static uint16_t feed_tx(struct port *, uint16_t, struct rte_mbuf **, uint16_t)
{
	return 0; // nothing is ever sent there
}

// So many frames there.
static void one_unit(struct bench *b, double cycles[COL_N])
{
	struct port_rx lan = {.port = &b->a->dp.port[RIG_LAN]};
	struct port_rx wan = {.port = &b->b->dp.port[RIG_WAN]};
	struct worker *wa = b->a->w[0], *wb = b->b->w[0];
	struct rig_out *o = &b->a->out[RIG_WAN];
	uint64_t t;

	b->lan.n = UNIT;
	b->lan.taken = 0;
	for (unsigned i = 0; i < UNIT; i++)
		b->lan.m[i] = make_frame(b, i);
	t = rte_rdtsc_precise();
	stage(STAGE_RX);
	while (lan_to_wan(wa, &lan) > 0) {
		stage(STAGE_TX);
		port_tx_flush(wa);
		stage(STAGE_RX);
	}
	stage(STAGE_NONE);
	cycles[COL_SEAL] = rte_rdtsc_precise() - t;

	b->packets += o->n;
	b->frames += UNIT;
	for (unsigned i = 0; i < o->n; i++)
		b->packet_bytes += o->m[i]->data_len;
	memcpy(b->wan.m, o->m, o->n * sizeof(o->m[0]));
	b->wan.n = o->n;
	b->wan.taken = 0;
	o->n = 0;
	stage_take(cycles + COL_SEAL_STAGE);
	t = rte_rdtsc_precise();
	stage(STAGE_RX);
	while (wan_to_lan(wb, &wan) > 0) {
		stage(STAGE_TX);
		port_tx_flush(wb);
		stage(STAGE_RX);
	}
	stage(STAGE_NONE);
	cycles[COL_OPEN] = rte_rdtsc_precise() - t;
	cycles[COL_BOTH] = cycles[COL_SEAL] + cycles[COL_OPEN];
	stage_take(cycles + COL_OPEN_STAGE);
	check_frames(b);
	fdb_quiescent(b->a->dp.fdb, 0);
	fdb_quiescent(b->b->dp.fdb, 0);
}

// ---------------------------------------------------------------- comparisons

// One direct call a frame, where it lies.
static double aead_burst(struct bench *b)
{
	struct aead_op op[BATCH_MAX] = {0};
	struct rte_mbuf *m[BATCH_MAX];
	double cycles;
	uint64_t t;

	for (unsigned i = 0; i < UNIT; i++) {
		m[i] = make_frame(b, i);
		op[i].key = b->key;
		op[i].data = rte_pktmbuf_mtod(m[i], uint8_t *);
		op[i].src = op[i].data;
		op[i].bytes = b->bytes[i];
		op[i].nonce[0] = i;
	}
	t = rte_rdtsc_precise();
	for (unsigned i = 0; i < UNIT; i++)
		aead_seal(b->a->w[0]->aead, b->s.cipher, &op[i]);
	cycles = rte_rdtsc_precise() - t;
	rte_pktmbuf_free_bulk(m, UNIT);
	return cycles;
}

static double copy_burst(struct bench *b)
{
	struct rte_mbuf *from[BATCH_MAX], *to[BATCH_MAX];
	double cycles;
	uint64_t t;

	for (unsigned i = 0; i < UNIT; i++)
		from[i] = make_frame(b, i);
	for (unsigned i = 0; i < UNIT; i++)
		to[i] = rig_bytes(NULL, b->bytes[i]);
	t = rte_rdtsc_precise();
	for (unsigned i = 0; i < UNIT; i++)
		rte_memcpy(rte_pktmbuf_mtod(to[i], void *), rte_pktmbuf_mtod(from[i], void *),
			b->bytes[i]);
	cycles = rte_rdtsc_precise() - t;
	rte_pktmbuf_free_bulk(from, UNIT);
	rte_pktmbuf_free_bulk(to, UNIT);
	return cycles;
}

static double fdb_burst(struct bench *b)
{
	fdb_key_t keys[BATCH_MAX];
	fdb_dst_t dst[BATCH_MAX];
	uint8_t mac[12];
	uint64_t t;

	for (unsigned i = 0; i < UNIT; i++) {
		addresses(b, draw(b, b->s.flows), mac);
		keys[i] = fdb_key(mac, RIG_SEGMENT);
	}
	t = rte_rdtsc_precise();
	fdb_fetch_batch(b->a->dp.fdb, keys, UNIT);
	fdb_lookup_batch(b->a->dp.fdb, keys, UNIT, dst);
	return rte_rdtsc_precise() - t;
}

// ---------------------------------------------------------------- measuring

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, unsigned n)
{
	qsort(values, n, sizeof(values[0]), by_value);
	return values[n / 2];
}

static void one_rep(struct bench *b, unsigned bursts, double cycles[COL_N])
{
	double(*sample)[COL_N] = calloc(bursts, sizeof(*sample));
	double *column = calloc(bursts, sizeof(*column));

	for (unsigned i = 0; i < bursts; i++)
		sample[i][COL_AEAD] = aead_burst(b);
	for (unsigned i = 0; i < bursts; i++)
		sample[i][COL_COPY] = copy_burst(b);
	for (unsigned i = 0; i < bursts; i++)
		sample[i][COL_FDB] = fdb_burst(b);
	for (unsigned i = 0; i < bursts; i++)
		one_unit(b, sample[i]);
	rig_learn(b->a);
	rig_learn(b->b);
	// The median burst: one that the kernel interrupted says nothing about the pipeline.
	for (unsigned col = 0; col < COL_N; col++) {
		for (unsigned i = 0; i < bursts; i++)
			column[i] = sample[i][col];
		cycles[col] = median(column, bursts) / UNIT;
	}
	free(sample);
	free(column);
}

void bench_measure(struct bench *b, unsigned size, const struct effort *e, struct result *r)
{
	double cycles[REPS_MAX][COL_N], sorted[REPS_MAX], warm[COL_N];
	unsigned bursts;

	b->size = size;
	// Warm up: caches, and each address learned.
	for (unsigned i = 0; i < 200 + 4 * b->s.flows / UNIT; i++) {
		one_unit(b, warm);
		if (i % 32 == 0) {
			rig_learn(b->a);
			rig_learn(b->b);
		}
	}
	bursts = 1 + e->ms * (rte_get_tsc_hz() / 1000) / (warm[COL_BOTH] + 1);
	b->packets = b->packet_bytes = b->frames = 0;
	for (unsigned rep = 0; rep < e->reps; rep++)
		one_rep(b, bursts, cycles[rep]);
	for (unsigned col = 0; col < COL_N; col++) {
		for (unsigned rep = 0; rep < e->reps; rep++)
			sorted[rep] = cycles[rep][col];
		r->cycles[col] = median(sorted, e->reps);
		r->spread[col] = (sorted[e->reps - 1] - sorted[0]) / r->cycles[col];
	}
	r->frames_per_packet = (double)b->frames / b->packets;
	r->wire_per_inner = (double)b->packet_bytes / (b->frames * bench_mean_bytes(size));
}

// ---------------------------------------------------------------- set-up

unsigned bench_room(unsigned size, unsigned mtu)
{
	return RTE_MAX(size == IMIX ? 1514 : size, mtu) <= 1900 ? 2048 : 9728;
}

const char *bench_arch(const struct bench *b)
{
	return aead_arch_name(aead_arch(b->a->w[0]->aead));
}

static void fill_tables(struct bench *b)
{
	uint8_t mac[6];

	for (unsigned i = 0; i < b->s.macs; i++) {
		rig_mac(mac, DST_BASE + i);
		if (fdb_static_add(b->a->dp.fdb, mac, RIG_SEGMENT,
			    fdb_dst(FDB_PEER, i % b->s.peers)) < 0 ||
			fdb_static_add(b->b->dp.fdb, mac, RIG_SEGMENT, fdb_dst(FDB_LAN, 0)) < 0) {
			fprintf(stderr, "the table is full at %u addresses\n", i);
			exit(1);
		}
	}
}

struct bench *bench_create(const struct setup *s, unsigned room)
{
	struct rig_options o = {.n_workers = 1, .fdb_entries = 2 * (s->macs + s->flows) + 4096};
	struct bench *b = calloc(1, sizeof(*b));
	uint8_t raw[AEAD_KEY_BYTES] = {1};

	b->s = *s;
	b->pool = rig_pool(2047, room);
	b->a = rig_gateway(1, &o);
	b->b = rig_gateway(2, &o);
	b->random = 1;
	for (unsigned i = 0; i < s->peers; i++)
		rig_join(b->a, b->b, i, s->mtu, s->cipher);
	fill_tables(b);
	b->a->dp.port[RIG_LAN].rx = feed_rx;
	b->a->dp.port[RIG_LAN].tx = feed_tx;
	b->a->dp.port[RIG_LAN].ctx = &b->lan;
	b->b->dp.port[RIG_WAN].rx = feed_rx;
	b->b->dp.port[RIG_WAN].tx = feed_tx;
	b->b->dp.port[RIG_WAN].ctx = &b->wan;
	b->lan.burst = b->wan.burst = s->burst;
	b->content = malloc(CONTENT);
	for (unsigned i = 0; i < CONTENT; i++)
		b->content[i] = i * 167 + (i >> 8);
	// What crosses Ethernets is IP, at which the frame path looks longer than at anything else.
	memset(b->content + 12, 0, STAMP - 12);
	b->content[12] = 0x08;
	b->content[14] = 0x45;
	b->content[23] = IPPROTO_UDP;
	memcpy(b->content + 34, (uint8_t[]){0x1d, 0xf3, 0x1d, 0xf4}, 4); // ports
	b->key = aligned_alloc(64, sizeof(*b->key));
	aead_key_install(b->a->w[0]->aead, s->cipher, raw, b->key);
	return b;
}

void bench_destroy(struct bench *b)
{
	if (b == NULL)
		return;
	b->lan.n = b->wan.n = 0;
	rig_gateway_free(b->a);
	rig_gateway_free(b->b);
	rte_mempool_free(b->pool);
	free(b->content);
	free(b->key);
	free(b);
}
