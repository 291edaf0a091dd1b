// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/dataplane/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "dataplane/lan_to_wan.h"
#include "dataplane/stream.h"
#include "dataplane/wan_to_lan.h"

#define MUST(x)                                                                 \
	do {                                                                    \
		if (!(x)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
			abort();                                                \
		}                                                               \
	} while (0)

static struct rte_mempool *pool;

struct rte_mempool *rig_init(unsigned n_mbufs, unsigned room_bytes)
{
	char prefix[64], mem[32];
	char *argv[] = {"rig", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
		"--log-level=3", "-l", "0", "-m", mem, prefix, NULL};

	snprintf(prefix, sizeof(prefix), "--file-prefix=rig%d", (int)getpid());
	snprintf(mem, sizeof(mem), "%u", 256 + n_mbufs / 1024 * (room_bytes + 512) / 1024);
	MUST(rte_eal_init(11, argv) >= 0);
	return rig_pool(n_mbufs, room_bytes);
}

struct rte_mempool *rig_pool(unsigned n_mbufs, unsigned room_bytes)
{
	static unsigned serial;
	char name[32];

	snprintf(name, sizeof(name), "rig%u", serial++);
	pool = rte_pktmbuf_pool_create(name, n_mbufs, n_mbufs > 1000 ? 512 : 64, 0,
		RTE_PKTMBUF_HEADROOM + room_bytes, SOCKET_ID_ANY);
	MUST(pool != NULL);
	return pool;
}

unsigned rig_free_mbufs(void)
{
	return rte_mempool_avail_count(pool);
}

#define SUPERS 128

static struct rte_mempool *super_pool(void)
{
	static struct rte_mempool *supers;

	if (supers == NULL)
		supers = rte_pktmbuf_pool_create("supers", SUPERS, 0, 0,
			RTE_PKTMBUF_HEADROOM + PKT_SUPER_HDR_LEN + PKT_SUPER_MAX, SOCKET_ID_ANY);
	MUST(supers != NULL);
	return supers;
}

unsigned rig_free_supers(void)
{
	return rte_mempool_avail_count(super_pool());
}

struct rte_mbuf *rig_super(const uint8_t *data, unsigned bytes, uint16_t size)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(super_pool());

	MUST(m != NULL);
	memcpy(rte_pktmbuf_append(m, bytes), data, bytes);
	mbuf_super_set(m, size);
	return m;
}

// ---------------------------------------------------------------- hooks

static void on_punt(
	struct worker *w, struct rte_mbuf *m, const struct outer_view *, uint8_t, uint32_t slot)
{
	struct rig_gateway *g = w->runtime;

	g->n_punted++;
	g->punt_slot = slot;
	rte_pktmbuf_free(m);
}

static void on_lane0(
	struct worker *w, struct rte_mbuf *m, const struct outer_view *, uint8_t, uint32_t)
{
	((struct rig_gateway *)w->runtime)->n_lane0++;
	rte_pktmbuf_free(m);
}

static void on_path_block(struct worker *w, uint32_t, uint8_t kind, const uint8_t *payload,
	uint16_t bytes, const struct outer_view *, uint8_t)
{
	struct rig_gateway *g = w->runtime;

	g->n_path_blocks++;
	g->path_kind = kind;
	memcpy(g->path_payload, payload, bytes);
}

static void on_new_source(struct worker *w, uint32_t, const struct outer_view *v, uint8_t port_idx)
{
	struct rig_gateway *g = w->runtime;

	g->n_new_sources++;
	outer_reverse(v, port_idx, 1500, &g->new_source);
}

static void on_event(
	struct worker *w, uint16_t op, uint32_t slot, uint32_t rx_key_id, uint32_t, uint64_t)
{
	struct rig_gateway *g = w->runtime;

	if (g->n_events < 64)
		g->event[g->n_events++] =
			(struct rig_event){.op = op, .slot = slot, .rx_key_id = rx_key_id};
}

static const struct worker_hooks hooks = {
	.punt = on_punt,
	.lane0 = on_lane0,
	.path_block = on_path_block,
	.new_source = on_new_source,
	.event = on_event,
};

// ---------------------------------------------------------------- gateways

static uint16_t out_tx(struct port *p, uint16_t, struct rte_mbuf **m, uint16_t n)
{
	struct rig_out *o = p->ctx;

	if (n > RIG_OUT_MAX - o->n)
		n = RIG_OUT_MAX - o->n;
	memcpy(&o->m[o->n], m, n * sizeof(*m));
	o->n += n;
	return n;
}

static void make_ports(struct rig_gateway *g, const struct rig_options *o)
{
	static const uint8_t roles[] = {LINK_ROLE_LAN, LINK_ROLE_WAN, LINK_ROLE_LAN};

	g->dp.n_ports = 3;
	for (unsigned i = 0; i < g->dp.n_ports; i++) {
		struct port *p = &g->dp.port[i];
		uint16_t mtu = i == RIG_WAN ? o->wan_mtu : o->lan_mtu;

		p->idx = i;
		p->role = roles[i];
		p->mtu = mtu == 0 ? 9216 : mtu;
		p->be_overlay_port = rte_cpu_to_be_16(PKT_UDP_PORT);
		memcpy(p->mac, (uint8_t[]){2, 0xee, 0, 0, i, g->id}, 6);
		p->tx = out_tx;
		p->super = o->super && i == RIG_LAN;
		p->ctx = &g->out[i];
	}
	segment_table_init(&g->dp.segments);
	MUST(segment_add(&g->dp.segments, RIG_SEGMENT, o->vlan_aware, o->bum_pps) == 0);
	MUST(segment_attach(&g->dp.segments, RIG_SEGMENT, RIG_LAN, 0) == 0);
	MUST(segment_attach(&g->dp.segments, RIG_SEGMENT, RIG_LAN2, 100) == 0);
	MUST(segment_add(&g->dp.segments, 2, false, 0) == 0);
}

static struct worker *make_worker(struct rig_gateway *g, unsigned id, const struct rig_options *o)
{
	struct worker *w = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*w), 64));
	static unsigned serial;
	char name[32];

	MUST(w != NULL);
	memset(w, 0, sizeof(*w));
	w->id = id;
	w->dp = &g->dp;
	w->pool = pool;
	w->super_pool = o->super ? super_pool() : NULL;
	w->hooks = &hooks;
	w->runtime = g;
	w->stats = calloc(1, sizeof(*w->stats));
	w->session_stats = calloc(g->dp.max_sessions, sizeof(*w->session_stats));
	snprintf(name, sizeof(name), "inbox%u", serial++);
	w->inbox = rte_ring_create_elem(
		name, sizeof(struct handoff), HANDOFF_SLOTS, SOCKET_ID_ANY, RING_F_SC_DEQ);
	MUST(w->stats != NULL && w->session_stats != NULL && w->inbox != NULL);
	MUST(aead_create(o->arch, &w->aead) == 0);
	for (unsigned i = 0; i < g->dp.n_ports; i++)
		w->tx[i].port = &g->dp.port[i];
	MUST(worker_state_create(w, o->reassembly_bytes) == 0);
	return w;
}

struct rig_gateway *rig_gateway(uint8_t id, const struct rig_options *o)
{
	struct rig_gateway *g = calloc(1, sizeof(*g));
	struct fdb_config fc = {
		.entries = o->fdb_entries == 0 ? 4096 : o->fdb_entries,
		.n_workers = o->n_workers,
		.max_sessions = RIG_SESSIONS,
		.lan_quota = UINT32_MAX,
	};

	MUST(g != NULL);
	g->id = id;
	g->dp.n_workers = o->n_workers;
	g->dp.max_sessions = RIG_SESSIONS;
	make_ports(g, o);
	fc.n_attachments = g->dp.segments.n_attachments;
	fc.domain_segment = g->dp.segments.domain_segment;
	fc.ageing_s[RIG_SEGMENT] = 300;
	MUST(fdb_create(&fc, &g->dp.fdb) == 0);
	for (unsigned i = 0; i < o->n_workers; i++) {
		g->w[i] = make_worker(g, i, o);
		g->dp.worker[i] = g->w[i];
		fdb_reader_online(g->dp.fdb, i);
	}
	rig_clock(g, 1000000000000ull);
	return g;
}

void rig_gateway_free(struct rig_gateway *g)
{
	rig_settle(g);
	for (unsigned i = 0; i < g->dp.n_ports; i++)
		rig_discard(&g->out[i]);
	for (unsigned i = 0; i < g->dp.n_workers; i++) {
		struct worker *w = g->w[i];

		worker_state_destroy(w);
		aead_destroy(w->aead);
		rte_ring_free(w->inbox);
		free(w->stats);
		free(w->session_stats);
		free(w);
	}
	fdb_destroy(g->dp.fdb);
	free(g);
}

void rig_clock(struct rig_gateway *g, uint64_t now_ns)
{
	for (unsigned i = 0; i < g->dp.n_workers; i++) {
		g->w[i]->now_ns = now_ns;
		g->w[i]->now_s = now_ns / 1000000000;
	}
}

// ---------------------------------------------------------------- sessions

struct path_desc rig_path(
	const struct rig_gateway *from, const struct rig_gateway *to, uint16_t mtu, uint8_t family)
{
	struct path_desc d = {
		.family = family,
		.port_idx = RIG_WAN,
		.mtu = mtu,
		.be_sport = rte_cpu_to_be_16(PKT_UDP_PORT),
		.be_dport = rte_cpu_to_be_16(PKT_UDP_PORT),
	};

	if (family == 4) {
		memcpy(d.src_ip, (uint8_t[]){192, 0, 2, from->id}, 4);
		memcpy(d.dst_ip, (uint8_t[]){192, 0, 2, to->id}, 4);
	} else {
		memcpy(d.src_ip, (uint8_t[]){0x20, 0x01, 0x0d, 0xb8}, 4);
		memcpy(d.dst_ip, d.src_ip, 4);
		d.src_ip[15] = from->id;
		d.dst_ip[15] = to->id;
	}
	memcpy(d.src_mac, from->dp.port[RIG_WAN].mac, 6);
	memcpy(d.dst_mac, to->dp.port[RIG_WAN].mac, 6);
	return d;
}

static void session(struct rig_gateway *g, uint32_t slot, uint8_t role)
{
	struct cmd_session c = {.head.session = slot, .mac_quota = 1 << 20, .role = role};

	memcpy(c.peer_id, &slot, sizeof(slot));
	c.segments[RIG_SEGMENT / 8] |= 1 << RIG_SEGMENT % 8;
	for (unsigned i = 0; i < g->dp.n_workers; i++)
		MUST(session_set(g->w[i], &c) == 0);
}

// Keys of the direction from → to: every lane of from, at the worker of `to` that owns it.
static void keys(struct rig_gateway *from, struct rig_gateway *to, uint32_t slot,
	uint8_t generation, uint8_t cipher)
{
	unsigned n_lanes = RTE_MIN(from->dp.n_workers, to->dp.n_workers);
	uint32_t key_id = PKT_KEY_ID(slot, generation);

	for (unsigned lane = 1; lane <= n_lanes; lane++) {
		struct cmd_key c = {
			.head.session = slot,
			.rx_key_id = key_id,
			.tx_key_id = key_id,
			.deadline_ns = UINT64_MAX,
			.dir = 0,
			.lane = lane,
			.cipher = cipher,
			.n_lanes = n_lanes,
		};

		for (unsigned i = 0; i < sizeof(c.key); i++)
			c.key[i] = i + 3 * lane + 7 * generation + 11 * from->id + slot;
		for (unsigned i = 0; i < sizeof(c.iv); i++)
			c.iv[i] = 13 * i + lane + from->id;
		MUST(session_key_install(to->w[(lane - 1) % to->dp.n_workers], &c) == 0);
		c.dir = 1;
		c.super = to->w[0]->super_pool != NULL;
		MUST(session_key_install(from->w[lane - 1], &c) == 0);
	}
}

void rig_epoch(struct rig_gateway *a, struct rig_gateway *b, uint32_t slot, uint8_t generation,
	uint8_t cipher)
{
	keys(a, b, slot, generation, cipher);
	keys(b, a, slot, generation, cipher);
}

int rig_switch(struct rig_gateway *g, uint32_t slot, uint8_t generation)
{
	struct cmd_epoch c = {.head.session = slot, .rx_key_id = PKT_KEY_ID(slot, generation)};
	int err = 0;

	for (unsigned i = 0; i < g->dp.n_workers && err == 0; i++)
		err = session_tx_switch(g->w[i], &c);
	return err;
}

int rig_retire(struct rig_gateway *g, uint32_t slot, uint8_t generation)
{
	struct cmd_epoch c = {.head.session = slot, .rx_key_id = PKT_KEY_ID(slot, generation)};
	int err = 0;

	for (unsigned i = 0; i < g->dp.n_workers; i++)
		err |= session_key_retire(g->w[i], &c);
	return err;
}

static void path(struct rig_gateway *g, uint32_t slot, struct path_desc d)
{
	struct cmd_path c = {.head.session = slot, .path = d};

	for (unsigned i = 0; i < g->dp.n_workers; i++)
		MUST(session_path_set(g->w[i], &c) == 0);
}

void rig_join(
	struct rig_gateway *a, struct rig_gateway *b, uint32_t slot, uint16_t mtu, uint8_t cipher)
{
	session(a, slot, 0);
	session(b, slot, 1);
	path(a, slot, rig_path(a, b, mtu, 4));
	path(b, slot, rig_path(b, a, mtu, 4));
	rig_epoch(a, b, slot, 1, cipher);
	MUST(rig_switch(a, slot, 1) == 0 && rig_switch(b, slot, 1) == 0);
}

// ---------------------------------------------------------------- frames

void rig_mac(uint8_t mac[6], uint32_t number)
{
	memcpy(mac, (uint8_t[]){2, 0, number >> 24, number >> 16, number >> 8, number}, 6);
}

static void fill(uint8_t *data, uint32_t dst, uint32_t src, unsigned bytes, uint32_t seed)
{
	uint32_t x = seed * 2654435761u + bytes;

	rig_mac(data, dst);
	rig_mac(data + 6, src);
	data[12] = 0x88;
	data[13] = 0xb5;
	for (unsigned i = 14; i < bytes; i++) {
		x = x * 1664525u + 1013904223u;
		data[i] = x >> 24;
	}
}

struct rte_mbuf *rig_bytes(const uint8_t *data, unsigned bytes)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	char *to;

	MUST(m != NULL);
	to = rte_pktmbuf_append(m, bytes);
	MUST(to != NULL);
	if (data != NULL)
		memcpy(to, data, bytes);
	return m;
}

struct rte_mbuf *rig_frame(uint32_t dst, uint32_t src, unsigned bytes, uint32_t seed)
{
	struct rte_mbuf *m = rig_bytes(NULL, bytes);

	fill(rte_pktmbuf_mtod(m, uint8_t *), dst, src, bytes, seed);
	return m;
}

bool rig_frame_is(
	const struct rte_mbuf *m, uint32_t dst, uint32_t src, unsigned bytes, uint32_t seed)
{
	uint8_t want[16384];

	fill(want, dst, src, bytes, seed);
	return m->data_len == bytes && m->pkt_len == bytes && m->nb_segs == 1 &&
	       memcmp(rte_pktmbuf_mtod(m, uint8_t *), want, bytes) == 0;
}

struct rte_mbuf *rig_seal(struct rig_gateway *g, uint32_t slot, const uint8_t *blocks,
	unsigned bytes, uint64_t counter)
{
	struct session *s = &g->w[0]->sessions[slot];
	struct lane_tx *lane = session_tx_epoch(s)->tx;
	struct rte_mbuf *m = rig_bytes(NULL, PKT_DATA_HDR_LEN + bytes + PKT_MAC_LEN);
	struct aead_op op = {
		.data = rte_pktmbuf_mtod_offset(m, uint8_t *, PKT_DATA_HDR_LEN),
		.src = blocks,
		.bytes = bytes,
	};

	lane_packet_header(lane, counter, &op);
	MUST(aead_seal(g->w[0]->aead, lane->cipher, &op));
	outer_write(&s->path, op.data - PKT_DATA_HDR_LEN, m->data_len, 0);
	rte_pktmbuf_prepend(m, s->path.header_bytes);
	return m;
}

void rig_in(struct rig_gateway *g, unsigned w, unsigned port_idx, struct rte_mbuf **m, unsigned n)
{
	for (unsigned at = 0; at < n; at += BATCH_MAX) {
		unsigned part = RTE_MIN(n - at, (unsigned)BATCH_MAX);

		if (port_idx == RIG_WAN)
			wan_to_lan_batch(g->w[w], port_idx, m + at, part);
		else
			lan_to_wan_batch(g->w[w], port_idx, m + at, part);
	}
	rig_settle(g);
}

void rig_settle(struct rig_gateway *g)
{
	bool moved = true;

	while (moved) {
		moved = false;
		for (unsigned i = 0; i < g->dp.n_workers; i++) {
			moved |= handoff_run(g->w[i]) > 0;
			port_tx_flush(g->w[i]);
			fdb_quiescent(g->dp.fdb, i);
		}
	}
}

void rig_carry(struct rig_gateway *a, struct rig_gateway *b, unsigned w)
{
	struct rig_out *o = &a->out[RIG_WAN];
	unsigned n = o->n;

	o->n = 0;
	rig_in(b, w, RIG_WAN, o->m, n);
}

void rig_discard(struct rig_out *o)
{
	rte_pktmbuf_free_bulk(o->m, o->n);
	o->n = 0;
}

void rig_learn(struct rig_gateway *g)
{
	fdb_run(g->dp.fdb, g->w[0]->now_s);
}

uint64_t rig_drops(const struct rig_gateway *g, enum drop_reason why)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < g->dp.n_workers; i++)
		n += g->w[i]->stats->drops[why];
	return n;
}

uint64_t rig_all_drops(const struct rig_gateway *g)
{
	uint64_t n = 0;

	for (unsigned why = 0; why < DROP_N; why++)
		n += rig_drops(g, why);
	return n;
}

bool rig_had_event(const struct rig_gateway *g, uint16_t op)
{
	for (unsigned i = 0; i < g->n_events; i++) {
		if (g->event[i].op == op)
			return true;
	}
	return false;
}
