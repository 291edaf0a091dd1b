// SPDX-License-Identifier: BSD-3-Clause
// Between the gateways: NATs, and paths that lose, delay, double, reorder and corrupt.
#include "tests/sim/sim.h"

#include <string.h>

#define MAPPING_PORTS 40000u // outside ports of a NAT lie below this

static bool same(struct sim_addr a, struct sim_addr b)
{
	return a.ip == b.ip && a.port == b.port;
}

// ------------------------------------------------------------------ NATs

static struct sim_mapping *fresh_mapping(struct sim_nat *nat)
{
	struct sim_mapping *oldest = &nat->map[0];

	for (unsigned i = 0; i < NAT_MAPPINGS; i++) {
		if (nat->map[i].port == 0) {
			oldest = &nat->map[i];
			break;
		}
		if (nat->map[i].used_us < oldest->used_us)
			oldest = &nat->map[i];
	}
	memset(oldest, 0, sizeof(*oldest));
	if (++nat->next_port >= MAPPING_PORTS)
		nat->next_port = 20000;
	oldest->port = nat->next_port;
	return oldest;
}

static void expire(struct sim_nat *nat)
{
	for (unsigned i = 0; i < NAT_MAPPINGS; i++) {
		if (nat->map[i].port != 0 && world.now_us > nat->map[i].used_us + nat->timeout_us)
			nat->map[i].port = 0;
	}
}

static void let_back(struct sim_mapping *m, struct sim_addr dst)
{
	for (unsigned i = 0; i < m->n_sent_to; i++) {
		if (same(m->sent_to[i], dst))
			return;
	}
	if (m->n_sent_to == NAT_FILTERS) {
		memmove(m->sent_to, m->sent_to + 1, (NAT_FILTERS - 1) * sizeof(dst));
		m->n_sent_to--;
	}
	m->sent_to[m->n_sent_to++] = dst;
}

// The address outside under which a packet to dst leaves.
static struct sim_addr nat_out(struct sim_gateway *g, struct sim_addr dst)
{
	struct sim_nat *nat = &g->nat;
	struct sim_mapping *m = NULL;

	if (nat->kind == NAT_NONE)
		return g->local;
	expire(nat);
	for (unsigned i = 0; i < NAT_MAPPINGS && m == NULL; i++) {
		if (nat->map[i].port != 0 &&
			(nat->kind != NAT_SYMMETRIC || same(nat->map[i].to, dst)))
			m = &nat->map[i];
	}
	if (m == NULL) {
		m = fresh_mapping(nat);
		m->to = dst;
	}
	m->used_us = world.now_us;
	let_back(m, dst);
	return (struct sim_addr){nat->ip, m->port};
}

static bool nat_in(struct sim_gateway *g, struct sim_addr from, struct sim_addr to)
{
	struct sim_nat *nat = &g->nat;

	if (nat->kind == NAT_NONE)
		return same(to, g->local);
	if (to.ip != nat->ip)
		return false;
	expire(nat);
	for (unsigned i = 0; i < NAT_MAPPINGS; i++) {
		const struct sim_mapping *m = &nat->map[i];

		if (m->port == 0 || m->port != to.port)
			continue;
		if (nat->kind == NAT_FULL_CONE)
			return true;
		for (unsigned k = 0; k < m->n_sent_to; k++) {
			if (m->sent_to[k].ip == from.ip &&
				(nat->kind == NAT_ADDRESS || m->sent_to[k].port == from.port))
				return true;
		}
	}
	return false;
}

// Whether two NATs let a direct path be: not where both choose ports by destination, or one does
// and the other lets in by port.
bool net_possible(const struct sim_gateway *a, const struct sim_gateway *b)
{
	if (a->nat.kind == NAT_SYMMETRIC)
		return b->nat.kind < NAT_PORT;
	if (b->nat.kind == NAT_SYMMETRIC)
		return a->nat.kind < NAT_PORT;
	return true;
}

void net_move(struct sim_gateway *g)
{
	memset(g->nat.map, 0, sizeof(g->nat.map));
	g->nat.ip = 0xc6336401u + (uint32_t)sim_dice(250); // 198.51.100.
	for (unsigned i = 0; i < world.n; i++) {
		if (&world.gw[i] != g && world.gw[i].nat.ip == g->nat.ip)
			g->nat.ip += 0x100; // 198.51.101. and on: nobody else's
	}
	if (g->nat.kind == NAT_NONE)
		g->local.ip = g->nat.ip;
	watch_allowed(g, g->local);
	sim_trace("%s: moves to 198.51.%u.%u", g->name, g->nat.ip >> 8 & 255, g->nat.ip & 255);
	if (g->nat.kind == NAT_NONE && g->c != NULL) {
		loop_enter(g);
		paths_changed(g->c); // netlink tells of the new address
		g->busy = true;
	}
}

struct sim_addr net_outside(const struct sim_gateway *g)
{
	if (g->nat.kind == NAT_NONE)
		return g->local;
	for (unsigned i = 0; i < NAT_MAPPINGS; i++) {
		if (g->nat.map[i].port != 0)
			return (struct sim_addr){g->nat.ip, g->nat.map[i].port};
	}
	return (struct sim_addr){0, 0};
}

// ------------------------------------------------------------------ paths

static void put_on_path(struct sim_addr from, struct sim_addr to, unsigned sender,
	const uint8_t *data, size_t len, uint64_t after_us)
{
	const struct sim_weather *w = &world.weather;
	struct sim_event *e;

	after_us += w->delay_us + sim_dice(w->jitter_us + 1);
	if (sim_chance(w->reorder))
		after_us += w->late_us;
	e = sim_event(SIM_PACKET, after_us, data, len);
	e->from = from;
	e->to = to;
	e->gateway = sender;
	// Larger ones go in pieces; what else leaves in the same turn are handshakes and probes.
	if (data[0] == PKT_TYPE_DATA && data[1] != PKT_LANE_CONTROL &&
		(len == world.fresh_bytes || world.fresh_bytes > PKT_MTU_BASE - 28))
		e->frame = world.fresh_frame;
	if (sim_chance(w->corrupt)) {
		e->data[sim_dice(len)] ^= (uint8_t)(1 << sim_dice(8));
		e->corrupt = true;
	}
	sim_push(e);
}

void net_send(struct sim_gateway *g, struct sim_addr dst, const uint8_t *data, size_t len)
{
	struct sim_addr src;

	world.n_packets++;
	watch_data_sent(g, dst, data, len);
	src = nat_out(g, dst);
	watch_allowed(g, src); // where it is seen to be, its peers may answer
	if (world.on_wire != NULL && !world.on_wire(g, src, dst, data, len))
		return;
	if (data[0] != PKT_TYPE_DATA)
		sim_trace("%s: type %02x to %u.%u.%u.%u:%u from port %u", g->name, data[0],
			dst.ip >> 24, dst.ip >> 16 & 255, dst.ip >> 8 & 255, dst.ip & 255, dst.port,
			src.port);
	if (g->cut || sim_chance(world.weather.loss))
		return;
	put_on_path(src, dst, g->idx, data, len, 0);
	if (sim_chance(world.weather.dup))
		put_on_path(src, dst, g->idx, data, len, 0);
}

void net_inject(struct sim_addr from, struct sim_addr to, const uint8_t *data, size_t len)
{
	struct sim_event *e = sim_event(SIM_PACKET, world.weather.delay_us / 2, data, len);

	e->from = from;
	e->to = to;
	e->gateway = SIM_GATEWAYS_MAX;
	sim_push(e);
}

static bool is_for(struct sim_gateway *g, const struct sim_event *e)
{
	// The same LAN behind one NAT is not modelled: an inner address reaches nobody.
	return nat_in(g, e->from, e->to);
}

void net_deliver(struct sim_event *e)
{
	bool ours = e->gateway < world.n;

	if (e->to.ip == SIM_HUB_IP) {
		if (ours && !e->corrupt)
			hub_take_packet(&world.gw[e->gateway], e->from, e->to.port - 7667u, e->data,
				e->len);
		return;
	}
	for (unsigned i = 0; i < world.n; i++) {
		struct sim_gateway *g = &world.gw[i];

		if (g->cut || !is_for(g, e) || (ours && world.cut[e->gateway][i]))
			continue;
		watch_received(g, e->from, e->len);
		if (e->frame != 0 && !e->corrupt && g->box != NULL)
			watch_frame_arrived(e->frame);
		plane_arrive(g, e->from, e->data, e->len);
		gateway_turn(g);
		return;
	}
}
