// SPDX-License-Identifier: BSD-3-Clause
// The hub's end of every gateway's link (hublink.h): one that introduces honestly, and the ways in
// which it does not (evil.c).
#include "tests/sim/hub.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/common/hublink.h"

struct hublink {
	struct sim_gateway *g;
	const struct hublink_ops *ops;
	void *ctx;
	enum hublink_state state;
	unsigned attempt; // a link that was given up is not to come up later
};

bool hub_reachable;
struct hub hub;

static struct hublink *links[SIM_GATEWAYS_MAX];
static const struct config_endpoint address = {.addr = {4, {192, 0, 2, 1}}, .port = 7667};

// ------------------------------------------------------------------ the gateway's side

int hublink_create(uv_loop_t *, const struct hublink_config *, const struct hublink_ops *ops,
	void *ctx, struct hublink **ret)
{
	struct hublink *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return -ENOMEM;
	l->g = loop_current();
	l->ops = ops;
	l->ctx = ctx;
	links[l->g->idx] = l;
	*ret = l;
	return 0;
}

void hublink_destroy(struct hublink *l)
{
	if (l == NULL)
		return;
	links[l->g->idx] = NULL;
	free(l);
}

static void try_later(struct hublink *l, uint64_t after_us)
{
	struct sim_event *e = sim_event(SIM_LINK_UP, after_us, NULL, 0);

	l->state = HUBLINK_CONNECTING;
	e->gateway = l->g->idx;
	e->arg = ++l->attempt;
	sim_push(e);
}

void hublink_start(struct hublink *l)
{
	try_later(l, 100 * SIM_MS);
}

void hublink_stop(struct hublink *l)
{
	l->state = HUBLINK_STOPPED;
	l->attempt++;
}

void hublink_doubt(struct hublink *)
{
}

enum hublink_state hublink_get_state(const struct hublink *l)
{
	return l->state;
}

const struct config_endpoint *hublink_peer(const struct hublink *)
{
	return &address;
}

int hublink_send(struct hublink *l, uint16_t type, const void *body, size_t len)
{
	struct sim_event *e;

	if (l->state != HUBLINK_UP)
		return -ENOTCONN;
	e = sim_event(SIM_RECORD_UP, 20 * SIM_MS, body, len);
	e->gateway = l->g->idx;
	e->type = type;
	sim_push(e);
	return 0;
}

int hublink_request_renewal(struct hublink *, const uint8_t[32])
{
	return 0; // never answered
}

int hublink_set_chain(struct hublink *, const uint8_t *, size_t)
{
	return 0;
}

void hublink_punch(const struct hublink *, uint64_t ts, uint64_t, uint8_t ret[HUBLINK_PUNCH_BYTES])
{
	memset(ret, 0, HUBLINK_PUNCH_BYTES);
	ret[0] = PKT_TYPE_PUNCH;
	put_le16(ret + PKT_OFF_LEN, HUBLINK_PUNCH_BYTES);
	put_le64(ret + PKT_OFF_TS, ts);
}

// ------------------------------------------------------------------ the hub's side

void hub_reset(void)
{
	memset(&hub, 0, sizeof(hub));
	memset(links, 0, sizeof(links));
	hub_reachable = true;
}

void hub_tell(struct sim_gateway *g, uint16_t type, const void *body, size_t len)
{
	struct sim_event *e = sim_event(SIM_RECORD_DOWN, 20 * SIM_MS, body, len);

	e->gateway = g->idx;
	e->type = type;
	sim_push(e);
}

size_t hub_build_match(const struct hub_intent *mine, const struct hub_intent *theirs,
	const struct sim_gateway *them, uint8_t *body, size_t cap)
{
	struct record r = {.type = RECORD_MATCH};

	r.match = (struct record_match){.mine_hash = mine->hash,
		.theirs_hash = theirs->hash,
		.intent = theirs->bytes,
		.intent_len = theirs->len};
	if (der_list_parse(them->chain, them->chain_len, &r.match.chain) < 0)
		return 0;
	return record_build(&r, body, cap);
}

static bool is_here(const struct sim_gateway *g)
{
	return links[g->idx] != NULL && links[g->idx]->state == HUBLINK_UP;
}

static void introduce(struct sim_gateway *to, struct sim_gateway *them)
{
	const struct hub_intent *mine = &hub.intent[to->idx][them->idx];
	const struct hub_intent *theirs = &hub.intent[them->idx][to->idx];
	uint8_t body[RECORD_MAX_LEN];
	size_t len;

	if (!is_here(to))
		return;
	sim_trace("hub: shows %s to %s", them->name, to->name);
	if (evil_match(to, them))
		return;
	len = hub_build_match(mine, theirs, them, body, sizeof(body));
	if (len > 0)
		hub_tell(to, RECORD_MATCH, body, len);
	if (theirs->kept_len > 0)
		hub_tell(to, RECORD_CANDIDATES, theirs->kept, theirs->kept_len);
}

// As controlplane/hub/discovery.c: one intent serves one match.
static void meet(struct sim_gateway *g, struct sim_gateway *other)
{
	struct hub_intent *mine = &hub.intent[g->idx][other->idx];
	struct hub_intent *theirs = &hub.intent[other->idx][g->idx];

	if (theirs->len == 0 || theirs->not_after_s < SIM_UNIX_S + world.now_us / SIM_S)
		return;
	if (mine->matched) {
		introduce(g, other);
		return;
	}
	if (!theirs->matched) {
		mine->matched = theirs->matched = true;
		introduce(g, other);
	}
	introduce(other, g);
}

static void take_intent(struct sim_gateway *g, const uint8_t *bytes, size_t len)
{
	struct hub_intent *slot;
	struct intent parsed;

	if (intent_parse(bytes, len, &parsed) < 0 || len > INTENT_MAX_LEN) {
		sim_fail("%s publishes an intent that is none", g->name);
		return;
	}
	for (unsigned i = 0; i < world.n; i++) {
		if (!name_equals(parsed.to, parsed.to_len, world.gw[i].name))
			continue;
		slot = &hub.intent[g->idx][i];
		if (slot->len != len || memcmp(slot->bytes, bytes, len) != 0) {
			*slot = (struct hub_intent){.len = len, .not_after_s = parsed.not_after};
			hub.n_intents++;
			memcpy(slot->bytes, bytes, len);
			pair_hash(slot->hash, bytes, len);
		}
		sim_trace("hub: intent %02x%02x of %s for %s%s", slot->hash[0], slot->hash[1],
			g->name, world.gw[i].name, slot->matched ? ", known and matched" : "");
		meet(g, &world.gw[i]);
		return;
	}
}

static void pass_candidates(
	struct sim_gateway *g, const struct record_candidates *rec, const void *body, size_t len)
{
	sim_trace("hub: candidates of %s under %02x%02x and %02x%02x", g->name, rec->from_hash[0],
		rec->from_hash[1], rec->to_hash[0], rec->to_hash[1]);
	for (unsigned i = 0; i < world.n; i++) {
		struct hub_intent *from = &hub.intent[g->idx][i];

		if (from->len == 0 || memcmp(from->hash, rec->from_hash, 32) != 0 ||
			memcmp(hub.intent[i][g->idx].hash, rec->to_hash, 32) != 0)
			continue;
		memcpy(from->kept, body, len);
		from->kept_len = len;
		if (is_here(&world.gw[i]) && !evil_candidates(g, &world.gw[i], body, len))
			hub_tell(&world.gw[i], RECORD_CANDIDATES, body, len);
		return;
	}
}

static void take_drop(struct sim_gateway *g, const struct record_drop_intent *drop)
{
	uint8_t body[64];
	struct record r = {.type = RECORD_DROP_INTENT, .drop_intent = *drop};
	size_t n = record_build(&r, body, sizeof(body));

	for (unsigned i = 0; i < world.n; i++) {
		struct hub_intent *slot = &hub.intent[g->idx][i];

		if (slot->len == 0 || memcmp(slot->hash, drop->hash, 32) != 0)
			continue;
		*slot = (struct hub_intent){0};
		hub_tell(&world.gw[i], RECORD_DROP_INTENT, body, n);
	}
}

static void take_record(struct sim_gateway *g, uint16_t type, const uint8_t *body, size_t len)
{
	struct record r;

	if (record_parse(type, body, len, &r) < 0) {
		sim_fail("%s sends the hub a record that is none: type %u", g->name, type);
		return;
	}
	switch (type) {
	case RECORD_PUT_INTENT:
		take_intent(g, r.put_intent.intent, r.put_intent.len);
		break;
	case RECORD_CANDIDATES:
		pass_candidates(g, &r.candidates, body, len);
		break;
	case RECORD_DROP_INTENT:
		take_drop(g, &r.drop_intent);
		break;
	}
}

void hub_take_packet(
	struct sim_gateway *g, struct sim_addr from, unsigned port, const uint8_t *data, size_t len)
{
	uint8_t body[64],
		addr[16] = {from.ip >> 24, from.ip >> 16 & 255, from.ip >> 8 & 255, from.ip & 255};
	struct record r = {.type = RECORD_OBSERVED_ADDR};

	if (!hub_reachable || len != HUBLINK_PUNCH_BYTES || port > 1)
		return;
	r.observed = (struct record_observed_addr){.punch_ts = get_le64(data + PKT_OFF_TS),
		.family = 4,
		.hub_port = (uint8_t)port,
		.port = from.port,
		.addr = addr};
	evil_observed(g, &r.observed, addr);
	sim_trace("hub: sees %s at %u.%u.%u.%u:%u", g->name, addr[0], addr[1], addr[2], addr[3],
		from.port);
	len = record_build(&r, body, sizeof(body));
	if (len > 0)
		hub_tell(g, RECORD_OBSERVED_ADDR, body, len);
}

static void link_comes_up(struct hublink *l)
{
	if (!hub_reachable || l->g->cut) {
		try_later(l, 10 * SIM_S + sim_dice(20 * SIM_S));
		return;
	}
	l->state = HUBLINK_UP;
	sim_trace("%s: connected to the hub", l->g->name);
	if (hub.list_len > 0)
		hub_tell(l->g, RECORD_REVOCATIONS, hub.list, hub.list_len);
	loop_enter(l->g);
	l->g->busy = true;
	l->ops->on_up(l->ctx, 0);
	evil_link_up(l->g);
}

void hub_event(struct sim_event *e)
{
	struct sim_gateway *g = &world.gw[e->gateway];
	struct hublink *l = links[e->gateway];

	if (e->kind == SIM_RECORD_UP) {
		if (hub_reachable)
			take_record(g, e->type, e->data, e->len);
		return;
	}
	if (l == NULL)
		return; // its control died
	if (e->kind == SIM_LINK_UP) {
		if (l->state == HUBLINK_CONNECTING && e->arg == l->attempt)
			link_comes_up(l);
		return;
	}
	if (l->state != HUBLINK_UP)
		return;
	loop_enter(g);
	g->busy = true;
	l->ops->on_record(l->ctx, e->type, e->data, e->len);
}

void hub_down(void)
{
	sim_trace("hub: down");
	hub_reachable = false;
	for (unsigned i = 0; i < world.n; i++) {
		if (links[i] == NULL || links[i]->state != HUBLINK_UP)
			continue;
		loop_enter(&world.gw[i]);
		links[i]->ops->on_down(links[i]->ctx, "simulated");
		try_later(links[i], SIM_S + sim_dice(10 * SIM_S));
	}
}

void hub_up(void)
{
	sim_trace("hub: up");
	hub_reachable = true;
}

void hub_push_list(const uint8_t *list, size_t len)
{
	memcpy(hub.list, list, len);
	hub.list_len = len;
	for (unsigned i = 0; i < world.n && hub_reachable; i++) {
		if (links[i] != NULL && links[i]->state == HUBLINK_UP)
			hub_tell(&world.gw[i], RECORD_REVOCATIONS, list, len);
	}
}
