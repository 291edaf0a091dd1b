// SPDX-License-Identifier: BSD-3-Clause
#include "tests/sim/box.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/mman.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_memory.h>

#include "dataplane/fdb.h"
#include "dataplane/outer.h"
#include "dataplane/worker.h"
#include "tests/unit/dataplane/runtime_rig.h"

static_assert(BOX_SESSIONS == RT_SESSIONS && BOX_SEGMENT == RT_SEGMENT, "the rig's shape");

#define IDLE_TICKS RT_SESSIONS // each looks after a share of the sessions

static struct rte_mempool *pool; // of all boxes

// EAL's memory is a shared mapping even without hugepages: what one life takes and does not give
// back, because it is cut short or crashes, would be missing in all that are forked later.
static int make_private(const struct rte_memseg_list *list, void *)
{
	const struct rte_memseg *first = rte_mem_virt2memseg(list->base_va, list);
	int fd = first == NULL ? -1 : rte_memseg_get_fd_thread_unsafe(first);

	if (fd < 0 || mmap(list->base_va, list->len, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED)
		abort();
	return 0;
}

void box_init(void)
{
	rt_rig_init(1);
	// The same packets again and again: each life has its own copy of every page that it
	// touches.
	if (rte_mbuf_set_user_mempool_ops("stack") != 0)
		abort();
	rt_rig_pool(8191, 0, 10240);
	rte_memseg_list_walk(make_private, NULL);
}

struct box *box_create(uint8_t id, uint64_t boot_id)
{
	struct rt_rig *r = rt_rig_create(id, 1);

	r->rt->boot_id = boot_id;
	pool = r->rt->pool;
	return (struct box *)r;
}

static struct rt_rig *rig_of(const struct box *b)
{
	return (struct rt_rig *)(uintptr_t)b;
}

void box_destroy(struct box *b)
{
	rt_rig_destroy(rig_of(b));
}

void box_attach(struct box *b, uint32_t generation, struct sealed_ring ret[RING_KINDS])
{
	struct rt_rig *r = rig_of(b);

	rt_rig_attach(r, generation);
	memcpy(ret, r->ctl[0], sizeof(r->ctl[0]));
}

void box_hello(const struct box *b, struct link_hello *h)
{
	const struct runtime *rt = rig_of(b)->rt;

	*h = (struct link_hello){
		.head = {LINK_MAGIC, SHM_VERSION, LINK_HELLO, sizeof(*h), 1},
		.boot_id = rt->boot_id,
		.max_sessions = rt->dp.max_sessions,
		.max_lanes = rt->dp.n_workers,
		.n_workers = rt->dp.n_workers,
		.n_ports = rt->dp.n_ports,
		.aes_hw = 1,
	};
	for (unsigned i = 0; i < h->n_ports; i++) {
		const struct port *p = &rt->dp.port[i];
		struct link_port *port = &h->port[i];

		memcpy(port->name, i == RT_LAN ? "lan0" : "wan0", 5);
		memcpy(port->ifname, i == RT_LAN ? "" : "eth0", i == RT_LAN ? 1 : 5);
		port->role = p->role;
		port->kind = LINK_KIND_DPDK;
		port->mtu = p->mtu;
		port->be_overlay_port = p->be_overlay_port;
		memcpy(port->mac, p->mac, 6);
	}
}

void box_fdb_flush(struct box *b, uint32_t session)
{
	fdb_flush(rig_of(b)->rt->dp.fdb, fdb_dst(FDB_PEER, session));
}

void box_clock(struct box *b, uint64_t boottime_ns)
{
	rt_rig_clock(rig_of(b), boottime_ns);
}

void box_turn(struct box *b)
{
	struct rt_rig *r = rig_of(b);

	fdb_run(r->rt->dp.fdb, r->rt->worker[0]->w.now_s);
	rt_rig_turn(r);
}

void box_tick(struct box *b)
{
	struct worker_rt *w = rig_of(b)->rt->worker[0];

	for (unsigned i = 0; i < IDLE_TICKS; i++) {
		w->tick_at_ns = 0;
		worker_control(w);
	}
}

// ------------------------------------------------------------------ packets

static void address(uint8_t to[16], uint32_t ip)
{
	uint32_t be = htonl(ip);

	memcpy(to, &be, 4);
}

static uint32_t host_order(const uint8_t *ip)
{
	uint32_t be;

	memcpy(&be, ip, 4);
	return ntohl(be);
}

bool box_wan_in(struct box *b, const struct box_packet *p)
{
	struct rt_rig *r = rig_of(b);
	struct rt_fifo *fifo = &r->in[RT_WAN];
	struct path_desc desc = {.family = 4,
		.port_idx = RT_WAN,
		.mtu = 9216,
		.be_sport = htons(p->sport),
		.be_dport = htons(p->dport),
		.src_mac = {2, 0, 0, 0, 0, 0xfe}};
	struct outer_path path;
	struct rte_mbuf *m;
	uint8_t *payload, *frame;

	if (fifo->n == RT_FIFO)
		return false;
	address(desc.src_ip, p->src_ip);
	address(desc.dst_ip, p->dst_ip);
	memcpy(desc.dst_mac, r->rt->dp.port[RT_WAN].mac, 6);
	m = rte_pktmbuf_alloc(pool);
	if (m == NULL || outer_path_build(&desc, &path) < 0) {
		rte_pktmbuf_free(m);
		return false;
	}
	payload = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(payload, p->data, p->len);
	frame = outer_write(&path, payload, (uint16_t)p->len, 0);
	m->data_off = (uint16_t)(frame - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)((size_t)(payload - frame) + p->len);
	m->pkt_len = m->data_len;
	fifo->m[fifo->n++] = m;
	return true;
}

bool box_lan_in(struct box *b, const uint8_t *bytes, size_t len)
{
	struct rt_fifo *fifo = &rig_of(b)->in[RT_LAN];
	struct rte_mbuf *m = fifo->n == RT_FIFO ? NULL : rte_pktmbuf_alloc(pool);

	if (m == NULL)
		return false;
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	fifo->m[fifo->n++] = m;
	return true;
}

bool box_take(struct box *b, void (*wan)(void *ctx, const struct box_packet *p),
	void (*lan)(void *ctx, const uint8_t *frame, size_t len), void *ctx)
{
	struct rt_rig *r = rig_of(b);
	struct rt_fifo *out = r->out;
	bool any = out[RT_WAN].n + out[RT_LAN].n > 0 || r->in[RT_WAN].n + r->in[RT_LAN].n > 0;

	for (unsigned i = 0; i < out[RT_WAN].n; i++) {
		struct rte_mbuf *m = out[RT_WAN].m[i];
		struct box_packet p = {0}; // stays empty where it is no datagram
		struct outer_view v;
		enum drop_reason why;

		if (outer_parse(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, &v, &why) &&
			v.family == 4)
			p = (struct box_packet){host_order(v.src_ip), host_order(v.dst_ip),
				ntohs(v.be_sport), ntohs(v.be_dport), v.payload, v.payload_bytes};
		wan(ctx, &p);
	}
	rt_rig_discard(&out[RT_WAN]);
	for (unsigned i = 0; i < out[RT_LAN].n; i++)
		lan(ctx, rte_pktmbuf_mtod(out[RT_LAN].m[i], uint8_t *), out[RT_LAN].m[i]->data_len);
	rt_rig_discard(&out[RT_LAN]);
	return any;
}

unsigned box_mbufs_in_use(void)
{
	return pool == NULL ? 0 : rte_mempool_in_use_count(pool);
}

uint64_t box_drops(const struct box *b, unsigned reason)
{
	return rt_rig_drops(rig_of(b), reason);
}
