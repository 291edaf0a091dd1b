// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/dataplane/runtime_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <rte_eal.h>
#include <rte_mbuf.h>

#include "dataplane/fdb.h"
#include "dataplane/keeper.h"
#include "dataplane/stats.h"
#include "dataplane/worker.h"
#include "wire/packet.h"

#define MUST(x)                                                                 \
	do {                                                                    \
		if (!(x)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
			abort();                                                \
		}                                                               \
	} while (0)

static struct rte_mempool *pool;

static const struct {
	uint32_t bytes, slots;
} ring_shape[RING_KINDS] = {
	[RING_CMD] = {sizeof(struct cmd), RING_CMD_SLOTS},
	[RING_EVENT] = {sizeof(struct event), RING_EVENT_SLOTS},
	[RING_PUNT] = {sizeof(struct punt), RING_PUNT_SLOTS},
	[RING_LANE0] = {sizeof(struct punt), RING_LANE0_SLOTS},
	[RING_INJECT] = {sizeof(struct inject), RING_INJECT_SLOTS},
};

void rt_rig_init(unsigned n_lcores)
{
	char lcores[32];

	// All on one CPU: a test proves the same on any machine, and threads meet more often.
	snprintf(lcores, sizeof(lcores), "(0-%u)@0", n_lcores - 1);
	rt_rig_init_at(lcores);
}

void rt_rig_init_at(const char *lcores)
{
	char prefix[64];
	char *argv[] = {"rig", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
		"--log-level=3", "--lcores", (char *)(uintptr_t)lcores, "-m", "256", prefix, NULL};

	snprintf(prefix, sizeof(prefix), "--file-prefix=rtrig%d", (int)getpid());
	MUST(rte_eal_init(11, argv) >= 0);
	rt_rig_pool(8191, 0, 10240);
}

const char *rt_rig_pool(unsigned n_mbufs, unsigned cache, unsigned room_bytes)
{
	static unsigned serial;
	char name[32];

	snprintf(name, sizeof(name), "rig%u", serial++);
	pool = rte_pktmbuf_pool_create(
		name, n_mbufs, cache, 0, (uint16_t)room_bytes, SOCKET_ID_ANY);
	MUST(pool != NULL);
	return pool->name;
}

// ---------------------------------------------------------------- ports

static uint16_t fifo_rx(struct port *p, uint16_t, struct rte_mbuf **m, uint16_t n)
{
	struct rt_rig *r = p->ctx;
	struct rt_fifo *f = &r->in[p->idx];

	if (n > f->n)
		n = (uint16_t)f->n;
	memcpy(m, f->m, n * sizeof(*m));
	memmove(f->m, f->m + n, (f->n - n) * sizeof(*m));
	f->n -= n;
	return n;
}

static bool lost(const struct rt_rig *r, const struct rte_mbuf *m)
{
	uint16_t be_sport;

	memcpy(&be_sport, rte_pktmbuf_mtod_offset(m, const uint8_t *, 34), sizeof(be_sport));
	return (r->cut_above != 0 && m->pkt_len > r->cut_above + 14u) ||
	       (r->one_port && be_sport != rte_cpu_to_be_16(PKT_UDP_PORT));
}

static uint16_t fifo_tx(struct port *p, uint16_t, struct rte_mbuf **m, uint16_t n)
{
	struct rt_rig *r = p->ctx;
	struct rt_fifo *f = &r->out[p->idx];

	for (uint16_t i = 0; i < n; i++) {
		if (f->n == RT_FIFO || (p->idx == RT_WAN && lost(r, m[i])))
			rte_pktmbuf_free(m[i]);
		else
			f->m[f->n++] = m[i];
	}
	return n;
}

void rt_rig_discard(struct rt_fifo *f)
{
	rte_pktmbuf_free_bulk(f->m, f->n);
	f->n = 0;
}

static void make_ports(struct rt_rig *r, uint16_t n_queues)
{
	static const uint8_t roles[] = {LINK_ROLE_LAN, LINK_ROLE_WAN};

	r->ports[RT_LAN] = (struct config_port){.name = "lan0", .kind = CONFIG_KIND_DPDK};
	r->ports[RT_WAN] = (struct config_port){
		.name = "wan0", .kind = CONFIG_KIND_DPDK, .role = CONFIG_ROLE_WAN};
	r->rt->dp.n_ports = 2;
	for (unsigned i = 0; i < 2; i++) {
		struct port *p = &r->rt->dp.port[i];

		*p = (struct port){.idx = (uint8_t)i,
			.role = roles[i],
			.mtu = 1500,
			.rx = fifo_rx,
			.tx = fifo_tx,
			.ctx = r,
			.dpdk_port = RTE_MAX_ETHPORTS - 1};
		if (i == RT_WAN)
			p->be_overlay_port = rte_cpu_to_be_16(PKT_UDP_PORT);
		memcpy(p->mac, (uint8_t[]){2, 0xee, 0, 0, (uint8_t)i, r->id}, 6);
		r->rt->port[i] = (struct port_rt){
			.cfg = &r->ports[i], .n_queues = n_queues, .xdp = XDP_MAPS_NONE};
		memset(r->rt->port[i].queue_fd, 0xff, sizeof(r->rt->port[i].queue_fd));
	}
}

// ---------------------------------------------------------------- process

struct rt_rig *rt_rig_create(uint8_t id, unsigned n_workers)
{
	return rt_rig_create_shape(
		id, &(struct rt_rig_shape){
			    .n_workers = n_workers, .n_queues = 1, .n_sessions = RT_SESSIONS});
}

struct rt_rig *rt_rig_create_shape(uint8_t id, const struct rt_rig_shape *rig_shape)
{
	unsigned n_workers = rig_shape->n_workers;
	struct rt_rig *r = calloc(1, sizeof(*r));
	struct stats_shape shape = {.n_workers = n_workers,
		.n_ports = 2,
		.n_sessions = rig_shape->n_sessions,
		.boot_id = id};
	struct fdb_config fdb_cfg;
	struct runtime *rt;

	MUST(r != NULL);
	r->id = id;
	r->cfg = (struct dataplane_config){.n_workers = n_workers,
		.keepalive_s = 15,
		.polling = CONFIG_POLL_ADAPTIVE,
		.idle_sleep_us = 150,
		.reassembly_mib = 1,
		.max_peers = rig_shape->n_sessions};
	r->rt = rt = calloc(1, sizeof(*rt));
	MUST(rt != NULL);
	rt->cfg = &r->cfg;
	rt->pool = pool;
	rt->dp.max_sessions = rig_shape->n_sessions;
	rt->dp.n_workers = (uint16_t)n_workers;
	rt->boot_id = id;
	make_ports(r, rig_shape->n_queues);
	segment_table_init(&rt->dp.segments);
	MUST(segment_add(&rt->dp.segments, RT_SEGMENT, false, 0) == 0);
	MUST(segment_attach(&rt->dp.segments, RT_SEGMENT, RT_LAN, 0) == 0);
	fdb_cfg = (struct fdb_config){
		.entries = rig_shape->fdb_entries == 0 ? 1024 : rig_shape->fdb_entries,
		.n_workers = n_workers,
		.max_sessions = rig_shape->n_sessions,
		.n_attachments = 1,
		.lan_quota = 512,
		.domain_segment = rt->dp.segments.domain_segment};
	MUST(fdb_create(&fdb_cfg, &rt->dp.fdb) == 0);
	MUST(stats_create(&shape, &rt->stats) == 0);
	for (unsigned i = 0; i < n_workers; i++) {
		MUST(worker_create(rt, (uint16_t)i, &rt->worker[i]) == 0);
		rt->worker[i]->state = WORKER_RUNNING;
		fdb_reader_online(rt->dp.fdb, i);
		for (unsigned k = 0; k < RING_KINDS; k++)
			r->ctl[i][k] = SEALED_RING_INIT;
		r->bell[i] = -1;
	}
	MUST(workers_wire(rt) == 0);
	rt_rig_clock(r, RT_START_NS);
	return r;
}

static void forget_rings(struct rt_rig *r)
{
	for (unsigned w = 0; w < r->rt->dp.n_workers; w++) {
		for (unsigned k = 0; k < RING_KINDS; k++)
			sealed_ring_fini(&r->ctl[w][k]);
		if (r->bell[w] >= 0)
			close(r->bell[w]);
	}
}

void rt_rig_destroy(struct rt_rig *r)
{
	for (unsigned i = 0; i < 2; i++) {
		rt_rig_discard(&r->in[i]);
		rt_rig_discard(&r->out[i]);
	}
	for (unsigned i = 0; i < r->rt->dp.n_workers; i++)
		fdb_reader_offline(r->rt->dp.fdb, i);
	forget_rings(r);
	for (unsigned i = 0; i < r->rt->dp.n_workers; i++)
		worker_destroy(r->rt->worker[i]);
	fdb_destroy(r->rt->dp.fdb);
	stats_destroy(r->rt->stats);
	free(r->rt);
	free(r);
}

void rt_rig_attach(struct rt_rig *r, uint32_t generation)
{
	forget_rings(r);
	for (unsigned w = 0; w < r->rt->dp.n_workers; w++) {
		struct ring_set *set = calloc(1, sizeof(*set));

		MUST(set != NULL);
		set->generation = generation;
		r->bell[w] = eventfd(0, EFD_NONBLOCK);
		set->doorbell_fd = dup(r->bell[w]);
		for (unsigned k = 0; k < RING_KINDS; k++) {
			r->ctl[w][k] = SEALED_RING_INIT;
			MUST(sealed_ring_create("rig", ring_shape[k].bytes, ring_shape[k].slots,
				     &r->ctl[w][k]) == 0);
			MUST(sealed_ring_attach(dup(r->ctl[w][k].head_fd),
				     dup(r->ctl[w][k].body_fd), ring_shape[k].bytes,
				     ring_shape[k].slots, &set->ring[k]) == 0);
		}
		worker_rings_offer(r->rt->worker[w], set);
	}
	rt_rig_turn(r);
	for (unsigned w = 0; w < r->rt->dp.n_workers; w++)
		ring_set_destroy(worker_rings_retired(r->rt->worker[w]));
}

void rt_rig_clock(struct rt_rig *r, uint64_t now_ns)
{
	for (unsigned i = 0; i < r->rt->dp.n_workers; i++) {
		r->rt->worker[i]->w.now_ns = now_ns;
		r->rt->worker[i]->w.now_s = (uint32_t)(now_ns / RT_S);
	}
}

void rt_rig_turn(struct rt_rig *r)
{
	for (unsigned i = 0; i < r->rt->dp.n_workers; i++)
		worker_control(r->rt->worker[i]);
	for (unsigned i = 0; i < r->rt->dp.n_workers; i++)
		(void)worker_round(r->rt->worker[i]);
}

// ---------------------------------------------------------------- control

uint32_t rt_rig_command(struct rt_rig *r, unsigned worker, struct cmd *c, uint16_t op, size_t bytes)
{
	c->head.op = op;
	c->head.bytes = (uint16_t)bytes;
	c->head.seq = ++r->seq;
	MUST(sealed_ring_enqueue(&r->ctl[worker][RING_CMD], c, 1) == 1);
	return r->seq;
}

bool rt_rig_event(struct rt_rig *r, unsigned worker, uint16_t op, struct event *ret)
{
	struct event ev;

	while (sealed_ring_dequeue(&r->ctl[worker][RING_EVENT], &ev, 1) == 1) {
		if (ev.head.op != op)
			continue;
		if (ret != NULL)
			*ret = ev;
		return true;
	}
	return false;
}

int rt_rig_status(struct rt_rig *r, unsigned worker, uint32_t seq)
{
	struct event ev;

	while (rt_rig_event(r, worker, EV_ACK, &ev)) {
		if (ev.head.seq == seq)
			return ev.ack.status;
	}
	return 1;
}

int rt_rig_do(struct rt_rig *r, unsigned worker, struct cmd *c, uint16_t op, size_t bytes)
{
	uint32_t seq = rt_rig_command(r, worker, c, op, bytes);

	worker_control(r->rt->worker[worker]);
	return rt_rig_status(r, worker, seq);
}

struct path_desc rt_rig_path(const struct rt_rig *from, const struct rt_rig *to)
{
	struct path_desc d = {.family = 4,
		.port_idx = RT_WAN,
		.mtu = 1500,
		.be_sport = rte_cpu_to_be_16(PKT_UDP_PORT),
		.be_dport = d.be_sport};

	d.be_dport = d.be_sport;
	memcpy(d.src_ip, (uint8_t[]){192, 0, 2, from->id}, 4);
	memcpy(d.dst_ip, (uint8_t[]){192, 0, 2, to->id}, 4);
	memcpy(d.src_mac, from->rt->dp.port[RT_WAN].mac, 6);
	memcpy(d.dst_mac, to->rt->dp.port[RT_WAN].mac, 6);
	return d;
}

static void install(struct rt_rig *r, uint32_t key_id, uint8_t lane, bool transmit, bool server)
{
	bool to_server = transmit != server;
	struct cmd c = {0};

	c.key.rx_key_id = key_id;
	c.key.tx_key_id = key_id;
	c.key.deadline_ns = r->rt->worker[0]->w.now_ns + 590 * RT_S;
	c.key.dir = transmit;
	c.key.lane = lane;
	c.key.n_lanes = (uint8_t)r->rt->dp.n_workers;
	c.key.cipher = CIPHER_AES_256_GCM;
	memset(c.key.key, (to_server ? 0x40 : 0x80) + lane, sizeof(c.key.key));
	memset(c.key.iv, to_server ? 1 : 2, sizeof(c.key.iv));
	MUST(rt_rig_do(r, (lane - 1u) % r->rt->dp.n_workers, &c, CMD_KEY_INSTALL, sizeof(c.key)) ==
		0);
}

void rt_rig_epoch(struct rt_rig *r, uint32_t key_id, bool server)
{
	for (unsigned lane = 1; lane <= r->rt->dp.n_workers; lane++) {
		install(r, key_id, (uint8_t)lane, false, server);
		install(r, key_id, (uint8_t)lane, true, server);
	}
}

static void join_one(struct rt_rig *r, const struct rt_rig *peer, bool server)
{
	for (unsigned w = 0; w < r->rt->dp.n_workers; w++) {
		struct cmd c = {0};

		c.session.segments[0] = 1 << RT_SEGMENT;
		c.session.mac_quota = 10;
		c.session.role = server;
		MUST(rt_rig_do(r, w, &c, CMD_SESSION_SET, sizeof(c.session)) == 0);
		memset(&c, 0, sizeof(c));
		c.path.path = rt_rig_path(r, peer);
		MUST(rt_rig_do(r, w, &c, CMD_PATH, sizeof(c.path)) == 0);
	}
	rt_rig_epoch(r, 1, server);
	for (unsigned w = 0; w < r->rt->dp.n_workers; w++) {
		struct cmd c = {.epoch = {.rx_key_id = 1}};

		MUST(rt_rig_do(r, w, &c, CMD_TX_SWITCH, sizeof(c.epoch)) == 0);
	}
}

void rt_rig_join(struct rt_rig *a, struct rt_rig *b)
{
	join_one(a, b, false);
	join_one(b, a, true);
}

static void move(struct rt_rig *from, struct rt_rig *to)
{
	struct rt_fifo *f = &from->out[RT_WAN], *t = &to->in[RT_WAN];

	for (unsigned i = 0; i < f->n; i++) {
		MUST(t->n < RT_FIFO);
		t->m[t->n++] = f->m[i];
	}
	f->n = 0;
}

void rt_rig_carry(struct rt_rig *a, struct rt_rig *b, unsigned turns)
{
	for (unsigned i = 0; i < turns; i++) {
		move(a, b);
		move(b, a);
		rt_rig_turn(a);
		rt_rig_turn(b);
	}
}

void rt_rig_pass(struct rt_rig *a, struct rt_rig *b, uint64_t ns)
{
	uint64_t now = a->rt->worker[0]->w.now_ns;

	for (uint64_t end = now + ns; now < end;) {
		now += 10 * RT_MS;
		rt_rig_clock(a, now);
		rt_rig_clock(b, now);
		rt_rig_carry(a, b, 2);
	}
}

uint64_t rt_rig_drops(const struct rt_rig *r, unsigned reason)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < r->rt->dp.n_workers; i++)
		n += r->rt->worker[i]->w.stats->drops[reason];
	return n;
}
