// SPDX-License-Identifier: BSD-3-Clause
#include "bench/many/pairs.h"

#include <inttypes.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dataplane/fdb.h"
#include "dataplane/worker.h"
#include "tests/unit/dataplane/runtime_rig.h"

#define SLOTS      4096
#define ROUNDS_MIN 64 // between looks at the clock
#define SETTLE     256

#define MUST(x)                                                                 \
	do {                                                                    \
		if (!(x)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
			abort();                                                \
		}                                                               \
	} while (0)

struct thread {
	struct pairs *p;
	unsigned idx;
	struct worker_rt *a, *b;
	struct pairs_share share;
	// A worker's own ways: its frames' circle, and its packets' way across and back.
	struct rte_ring *frames, *there, *back;
};

struct pairs {
	struct rt_rig *a, *b;
	unsigned n_workers, n_frames, bytes;
	double seconds;
	void (*begin)(unsigned thread);
	void (*end)(unsigned thread);
	atomic_uint n_ready, n_wanted; // start together
	alignas(64) struct thread *thread[WORKERS_MAX];
};

// ---------------------------------------------------------------- ports

static uint16_t take(struct rte_ring *r, struct rte_mbuf **m, uint16_t n)
{
	return (uint16_t)rte_ring_sc_dequeue_burst(r, (void **)m, n, NULL);
}

static uint16_t give(struct rte_ring *r, struct rte_mbuf **m, uint16_t n)
{
	return (uint16_t)rte_ring_sp_enqueue_burst(r, (void **)m, n, NULL);
}

static uint16_t a_rx(struct port *port, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	const struct pairs *p = port->ctx;

	return take(port->idx == RT_LAN ? p->thread[queue]->frames : p->thread[queue]->back, m, n);
}

static uint16_t a_tx(struct port *port, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	const struct pairs *p = port->ctx;

	return port->idx == RT_WAN ? give(p->thread[queue]->there, m, n) : 0;
}

static uint16_t b_rx(struct port *port, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	const struct pairs *p = port->ctx;

	return port->idx == RT_WAN ? take(p->thread[queue]->there, m, n) : 0;
}

static uint16_t b_tx(struct port *port, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	const struct pairs *p = port->ctx;

	return give(port->idx == RT_LAN ? p->thread[queue]->frames : p->thread[queue]->back, m, n);
}

static void set_ports(struct pairs *p, struct rt_rig *r, port_burst_fn rx, port_burst_fn tx)
{
	for (unsigned i = 0; i < r->rt->dp.n_ports; i++) {
		r->rt->dp.port[i].rx = rx;
		r->rt->dp.port[i].tx = tx;
		r->rt->dp.port[i].ctx = p;
	}
}

// ---------------------------------------------------------------- frames

static void mac_of(uint8_t mac[6], unsigned thread, unsigned side)
{
	memcpy(mac, (uint8_t[]){2, 0, 0, 0, (uint8_t)side, (uint8_t)thread}, 6);
}

static void frame_bytes(const struct pairs *p, unsigned thread, unsigned number, uint8_t *data)
{
	mac_of(data, thread, 2);
	mac_of(data + 6, thread, 1);
	data[12] = 0x88;
	data[13] = 0xb5;
	data[14] = (uint8_t)number;
	for (unsigned i = 15; i < p->bytes; i++)
		data[i] = (uint8_t)(i * 167 + number + thread);
}

static void fill_circle(struct pairs *p, struct thread *t)
{
	for (unsigned i = 0; i < p->n_frames; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(p->a->rt->pool);

		MUST(m != NULL);
		frame_bytes(p, t->idx, i, (uint8_t *)rte_pktmbuf_append(m, (uint16_t)p->bytes));
		MUST(give(t->frames, &m, 1) == 1);
	}
}

// Where each thread's addresses are, so that nothing is flooded and nothing learned.
static void fill_tables(struct pairs *p, unsigned thread)
{
	for (unsigned side = 1; side <= 2; side++) {
		bool at_a = side == 1;
		uint8_t mac[6];

		mac_of(mac, thread, side);
		MUST(fdb_static_add(p->a->rt->dp.fdb, mac, RT_SEGMENT,
			     at_a ? fdb_dst(FDB_LAN, 0) : fdb_dst(FDB_PEER, 0)) == 0);
		MUST(fdb_static_add(p->b->rt->dp.fdb, mac, RT_SEGMENT,
			     at_a ? fdb_dst(FDB_PEER, 0) : fdb_dst(FDB_LAN, 0)) == 0);
	}
}

static struct rte_ring *ring(unsigned thread, const char *what)
{
	static unsigned serial;
	struct rte_ring *r;
	char name[32];

	snprintf(name, sizeof(name), "%s%u.%u", what, thread, serial++);
	r = rte_ring_create(name, SLOTS, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	MUST(r != NULL);
	return r;
}

// ---------------------------------------------------------------- life

struct pairs *pairs_create(unsigned n_workers, unsigned bytes, unsigned n_frames)
{
	const struct rt_rig_shape shape = {
		.n_workers = n_workers, .n_queues = (uint16_t)n_workers, .n_sessions = RT_SESSIONS};
	struct pairs *p = aligned_alloc(64, sizeof(*p));

	MUST(p != NULL && n_frames <= 256);
	memset(p, 0, sizeof(*p));
	p->n_workers = n_workers;
	p->n_frames = n_frames;
	p->bytes = bytes;
	p->a = rt_rig_create_shape(1, &shape);
	p->b = rt_rig_create_shape(2, &shape);
	rt_rig_attach(p->a, 1);
	rt_rig_attach(p->b, 1);
	rt_rig_join(p->a, p->b);
	set_ports(p, p->a, a_rx, a_tx);
	set_ports(p, p->b, b_rx, b_tx);
	for (unsigned i = 0; i < n_workers; i++) {
		struct thread *t = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*t), 64));

		MUST(t != NULL);
		*t = (struct thread){.p = p,
			.idx = i,
			.a = p->a->rt->worker[i],
			.b = p->b->rt->worker[i],
			.frames = ring(i, "frames"),
			.there = ring(i, "there"),
			.back = ring(i, "back")};
		p->thread[i] = t;
		fill_tables(p, i);
		fill_circle(p, t);
	}
	return p;
}

static void drain(struct rte_ring *r)
{
	struct rte_mbuf *m;

	while (take(r, &m, 1) == 1)
		rte_pktmbuf_free(m);
	rte_ring_free(r);
}

void pairs_destroy(struct pairs *p)
{
	for (unsigned i = 0; i < p->n_workers; i++) {
		drain(p->thread[i]->frames);
		drain(p->thread[i]->there);
		drain(p->thread[i]->back);
		free(p->thread[i]);
	}
	rt_rig_destroy(p->a);
	rt_rig_destroy(p->b);
	free(p);
}

void pairs_hooks(struct pairs *p, void (*begin)(unsigned thread), void (*end)(unsigned thread))
{
	p->begin = begin;
	p->end = end;
}

// ---------------------------------------------------------------- running

static double clock_s(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void turns(struct thread *t, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		(void)worker_round(t->a);
		(void)worker_round(t->b);
		if ((i & WORKER_CONTROL_MASK) == 0) {
			worker_control(t->a);
			worker_control(t->b);
		}
	}
}

static int thread_main(void *arg)
{
	struct thread *t = arg;
	const struct pairs *p = t->p;
	const uint64_t *count = &t->b->w.stats->port[RT_LAN].tx_frames;
	double seconds = p->seconds, start, cpu, now;
	uint64_t from;

	turns(t, SETTLE);
	atomic_fetch_add(&t->p->n_ready, 1);
	while (atomic_load(&p->n_ready) < atomic_load(&p->n_wanted))
		turns(t, 1);
	if (p->begin != NULL)
		p->begin(t->idx);
	start = clock_s(CLOCK_MONOTONIC);
	cpu = clock_s(CLOCK_THREAD_CPUTIME_ID);
	from = *count;
	do {
		turns(t, ROUNDS_MIN);
		now = clock_s(CLOCK_MONOTONIC);
	} while (now - start < seconds);
	t->share = (struct pairs_share){.frames = *count - from,
		.seconds = now - start,
		.cpu_seconds = clock_s(CLOCK_THREAD_CPUTIME_ID) - cpu};
	if (p->end != NULL)
		p->end(t->idx);
	// What is still on its way across arrives, too.
	while (rte_ring_count(t->there) > 0)
		(void)worker_round(t->b);
	return 0;
}

void pairs_run(struct pairs *p, unsigned which, double seconds, struct pairs_share *ret_share)
{
	unsigned wanted = 0;

	for (unsigned i = 0; i < p->n_workers; i++)
		wanted += which >> i & 1;
	p->seconds = seconds;
	atomic_store(&p->n_ready, 0);
	atomic_store(&p->n_wanted, wanted);
	for (unsigned i = 0; i < p->n_workers; i++) {
		if ((which >> i & 1) != 0)
			MUST(rte_eal_remote_launch(thread_main, p->thread[i], i + 1) == 0);
	}
	while (rte_eal_get_lcore_state(1) == RUNNING || rte_eal_get_lcore_state(2) == RUNNING)
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	rte_eal_mp_wait_lcore();
	for (unsigned i = 0; i < p->n_workers; i++) {
		if ((which >> i & 1) != 0)
			ret_share[i] = p->thread[i]->share;
	}
}

// ---------------------------------------------------------------- checking

static bool nothing_dropped(const struct rt_rig *r)
{
	bool good = true;

	for (unsigned why = 0; why < DROP_N; why++) {
		if (rt_rig_drops(r, why) == 0)
			continue;
		fprintf(stderr, "gateway %u dropped %" PRIu64 " for reason %u\n", r->id,
			rt_rig_drops(r, why), why);
		good = false;
	}
	return good;
}

static bool frames_are_whole(const struct pairs *p, struct thread *t)
{
	struct rte_mbuf *m[256];
	uint8_t want[9600];
	unsigned n = rte_ring_count(t->frames);
	bool seen[256] = {0}, good = n == p->n_frames;

	if (!good)
		fprintf(stderr, "thread %u has %u frames of %u\n", t->idx, n, p->n_frames);
	n = take(t->frames, m, 256);
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *data = rte_pktmbuf_mtod(m[i], const uint8_t *);
		unsigned number = data[14];

		frame_bytes(p, t->idx, number, want);
		if (m[i]->data_len != p->bytes || memcmp(data, want, p->bytes) != 0 ||
			seen[number]) {
			fprintf(stderr, "thread %u: frame %u came back wrong\n", t->idx, number);
			good = false;
		}
		seen[number] = true;
	}
	MUST(give(t->frames, m, (uint16_t)n) == n);
	return good;
}

bool pairs_all_well(struct pairs *p)
{
	bool good = nothing_dropped(p->a) && nothing_dropped(p->b);

	for (unsigned i = 0; i < p->n_workers; i++)
		good &= frames_are_whole(p, p->thread[i]);
	return good;
}
