// SPDX-License-Identifier: BSD-3-Clause
// The ways of an evil hub. In the world of these, site-a and site-b want each other; site-c is
// enrolled, wants both, is wanted by neither, and the hub is its friend. Each way is added to what
// an honest hub does, before it, unless it is one that withholds; so the two must connect in spite
// of it.
#include "tests/sim/hub.h"

#include <assert.h>
#include <string.h>
#include <sodium.h>

#define FRIEND        2 // site-c
// PROTOCOL.md §3
#define OFF_NET_ID    8
#define OFF_SERIAL    24
#define OFF_NOT_AFTER 40
#define OFF_IPK       48

enum moment { AT_MATCH, AT_CANDIDATES, AT_OBSERVED, AT_LINK };

struct case_match {
	struct sim_gateway *to, *them;
	struct record_match m;
	uint8_t intent[INTENT_MAX_LEN + 64], mine[32], theirs[32];
	uint8_t chain[DER_LIST_MAX_LEN];
};

struct way {
	const char *name;
	enum moment moment;
	bool withholds; // the honest record does not follow
	void (*match)(struct case_match *c);
	void (*candidates)(
		struct sim_gateway *from, struct sim_gateway *to, uint8_t *body, size_t *len);
	void (*observed)(struct record_observed_addr *seen, uint8_t addr[16]);
	void (*link)(struct sim_gateway *g);
	bool ends; // what it does costs the gateways their intents
};

static unsigned way_now, n_done;

// ------------------------------------------------------------------ introductions

static void use_intent(struct case_match *c, const struct hub_intent *i)
{
	memcpy(c->intent, i->bytes, i->len);
	c->m.intent_len = i->len;
	memcpy(c->theirs, i->hash, 32);
}

static void use_chain(struct case_match *c, const struct sim_gateway *g)
{
	der_list_parse(g->chain, g->chain_len, &c->m.chain);
}

static void rehash(struct case_match *c)
{
	pair_hash(c->theirs, c->intent, c->m.intent_len);
}

static void stranger(struct case_match *c)
{
	use_intent(c, &hub.intent[FRIEND][c->to->idx]);
	use_chain(c, &world.gw[FRIEND]);
}

static void strangers_certificate(struct case_match *c)
{
	use_chain(c, &world.gw[FRIEND]);
}

static void strangers_intent(struct case_match *c)
{
	use_intent(c, &hub.intent[FRIEND][c->to->idx]);
}

static void retargeted(struct case_match *c)
{
	use_intent(c, &hub.intent[FRIEND][c->them->idx]);
	use_chain(c, &world.gw[FRIEND]);
}

static void own_intent_back(struct case_match *c)
{
	use_intent(c, &hub.intent[c->to->idx][c->them->idx]);
	use_chain(c, c->to);
}

static void bit_flipped(struct case_match *c)
{
	c->intent[sim_dice(c->m.intent_len)] ^= (uint8_t)(1 << sim_dice(8));
	rehash(c);
}

static void key_replaced(struct case_match *c)
{
	randombytes_buf(c->intent + OFF_IPK, 32);
	rehash(c);
}

static void key_of_low_order(struct case_match *c)
{
	memset(c->intent + OFF_IPK, 0, 32);
	rehash(c);
}

static void signature_replaced(struct case_match *c)
{
	machine_rogue_sign("intent", c->intent, c->m.intent_len);
	rehash(c);
}

static void rogue_authority(struct case_match *c)
{
	machine_rogue_chain(c->them->name, c->chain, &c->m.chain);
	machine_rogue_sign("intent", c->intent, c->m.intent_len);
	rehash(c);
}

static void rogue_leaf_under_true_issuer(struct case_match *c)
{
	struct der_list rogue;

	machine_rogue_chain(c->them->name, c->chain, &rogue);
	c->m.chain.cert[0] = rogue.cert[0];
	machine_rogue_sign("intent", c->intent, c->m.intent_len);
	rehash(c);
}

static void leaf_alone(struct case_match *c)
{
	c->m.chain.n = 1;
}

static void truncated(struct case_match *c)
{
	c->m.intent_len -= 1 + sim_dice(20);
	rehash(c);
}

static void extended(struct case_match *c)
{
	c->m.intent_len += 1 + sim_dice(20);
	rehash(c);
}

static void wrong_hash_of_mine(struct case_match *c)
{
	c->mine[sim_dice(32)] ^= 1;
}

static void wrong_hash_of_theirs(struct case_match *c)
{
	c->theirs[sim_dice(32)] ^= 1;
}

static void older_serial(struct case_match *c)
{
	put_le64(c->intent + OFF_SERIAL, 1);
	rehash(c);
}

static void longer_life(struct case_match *c)
{
	put_le64(c->intent + OFF_NOT_AFTER, UINT64_MAX);
	rehash(c);
}

static void other_network(struct case_match *c)
{
	randombytes_buf(c->intent + OFF_NET_ID, 16);
	rehash(c);
}

static void withheld(struct case_match *c)
{
	c->m.intent_len = 0;
}

static void unchanged(struct case_match *)
{
}

// ------------------------------------------------------------------ candidates

static void sealed_bit(struct sim_gateway *, struct sim_gateway *, uint8_t *body, size_t *len)
{
	body[68 + sim_dice(*len - 68)] ^= 1;
}

static void sealed_noise(struct sim_gateway *, struct sim_gateway *, uint8_t *body, size_t *len)
{
	randombytes_buf(body + 68, *len - 68);
}

static void sealed_cut(struct sim_gateway *, struct sim_gateway *, uint8_t *body, size_t *len)
{
	*len -= 1 + sim_dice(100);
	put_le16(body + 64, (uint16_t)(*len - 68));
}

static void sealed_back(struct sim_gateway *from, struct sim_gateway *, uint8_t *body, size_t *len)
{
	hub_tell(from, RECORD_CANDIDATES, body, *len);
}

static void sealed_to_all(struct sim_gateway *, struct sim_gateway *, uint8_t *body, size_t *len)
{
	for (unsigned i = 0; i < world.n; i++)
		hub_tell(&world.gw[i], RECORD_CANDIDATES, body, *len);
}

static void sealed_old(struct sim_gateway *, struct sim_gateway *to, uint8_t *body, size_t *len)
{
	static uint8_t first[2048];
	static size_t first_len;

	if (first_len == 0) {
		memcpy(first, body, *len);
		first_len = *len;
	}
	hub_tell(to, RECORD_CANDIDATES, first, first_len);
}

static void sealed_of_another(struct sim_gateway *, struct sim_gateway *, uint8_t *body, size_t *)
{
	memcpy(body, hub.intent[FRIEND][0].hash, 32);
}

// ------------------------------------------------------------------ addresses seen

static void set_addr(uint8_t addr[16], uint32_t ip)
{
	for (unsigned i = 0; i < 4; i++)
		addr[i] = (uint8_t)(ip >> (24 - 8 * i));
}

static void seen_at_victim(struct record_observed_addr *seen, uint8_t addr[16])
{
	set_addr(addr, SIM_VICTIM_IP);
	seen->port = 53;
}

static void seen_everywhere(struct record_observed_addr *seen, uint8_t addr[16])
{
	set_addr(addr, SIM_VICTIM_IP);
	seen->port = (uint16_t)(1 + sim_dice(65535));
}

static void seen_at_loopback(struct record_observed_addr *, uint8_t addr[16])
{
	set_addr(addr, 0x7f000001);
}

static void seen_at_multicast(struct record_observed_addr *, uint8_t addr[16])
{
	set_addr(addr, 0xe0000001);
}

static void seen_with_old_ts(struct record_observed_addr *seen, uint8_t addr[16])
{
	set_addr(addr, SIM_VICTIM_IP);
	seen->punch_ts = 1;
}

// One side hears of the other's intent with each that it publishes, the other side of none.
static void served_again(struct case_match *c)
{
	struct sim_gateway *a = &world.gw[0];
	uint8_t body[RECORD_MAX_LEN];

	if (c->to == a)
		return;
	memset(c->mine, 0, sizeof(c->mine));
	if (c->them == a)
		hub_tell(a, RECORD_MATCH, body,
			hub_build_match(&hub.intent[0][c->to->idx], &hub.intent[c->to->idx][0],
				c->to, body, sizeof(body)));
}

// ------------------------------------------------------------------ unasked records

static void drop_each(struct sim_gateway *g)
{
	uint8_t body[64];

	for (unsigned i = 0; i < world.n; i++) {
		struct record r = {.type = RECORD_DROP_INTENT,
			.drop_intent = {hub.intent[i][g->idx].hash, RECORD_DROP_WITHDRAWN}};

		hub_tell(g, RECORD_DROP_INTENT, body, record_build(&r, body, sizeof(body)));
	}
}

static void forged_list(struct sim_gateway *g)
{
	uint8_t list[1024];
	size_t len = machine_revocations(7, 3, list, sizeof(list));

	machine_rogue_sign("revocations", list, len);
	hub_tell(g, RECORD_REVOCATIONS, list, len);
}

static void rogue_policy(struct sim_gateway *g)
{
	uint8_t body[RECORD_MAX_LEN], chain[DER_LIST_MAX_LEN];
	struct record r = {.type = RECORD_POLICY,
		.policy = {.number = 9,
			.max_stale_s = 1,
			.intent_life_s = UINT32_MAX,
			.has_chain = true}};

	machine_rogue_chain("site-b.example-corp", chain, &r.policy.chain);
	hub_tell(g, RECORD_POLICY, body, record_build(&r, body, sizeof(body)));
}

static void rogue_certificate(struct sim_gateway *g)
{
	uint8_t body[RECORD_MAX_LEN], chain[DER_LIST_MAX_LEN], gate[32] = {0};
	struct record r = {
		.type = RECORD_CERT, .cert = {.not_after_s = UINT32_MAX, .gate_secret = gate}};

	machine_rogue_chain(g->name, chain, &r.cert.chain);
	hub_tell(g, RECORD_CERT, body, record_build(&r, body, sizeof(body)));
}

static void noise(struct sim_gateway *g)
{
	uint8_t body[300];

	for (unsigned type = 0; type < 40; type++) {
		randombytes_buf(body, sizeof(body));
		hub_tell(g, (uint16_t)(type % 20), body, sim_dice(sizeof(body)));
	}
}

static void relay_to_victim(struct sim_gateway *g)
{
	uint8_t body[128], addr[16];
	struct record r = {.type = RECORD_RELAY_OPEN,
		.relay = {.mine_hash = hub.intent[g->idx][0].hash,
			.theirs_hash = hub.intent[0][g->idx].hash,
			.op = RECORD_RELAY_GRANT,
			.family = 4,
			.port = 53,
			.rate_kbit = 1,
			.expires_s = UINT32_MAX,
			.addr = addr}};

	memset(addr, 0, sizeof(addr));
	set_addr(addr, SIM_VICTIM_IP);
	hub_tell(g, RECORD_RELAY_OPEN, body, record_build(&r, body, sizeof(body)));
}

// ------------------------------------------------------------------ the table

static const struct way ways[] = {
	{"introduces a stranger", AT_MATCH, false, stranger},
	{"shows a stranger's certificate with the peer's intent", AT_MATCH, false,
		strangers_certificate},
	{"shows a stranger's intent with the peer's certificate", AT_MATCH, false,
		strangers_intent},
	{"passes on an intent that names another gateway", AT_MATCH, false, retargeted},
	{"gives a gateway its own intent back", AT_MATCH, false, own_intent_back},
	{"flips a bit of an intent", AT_MATCH, false, bit_flipped},
	{"puts a key of its own into an intent", AT_MATCH, false, key_replaced},
	{"puts a key of low order into an intent", AT_MATCH, false, key_of_low_order},
	{"signs an intent by a key of its own", AT_MATCH, false, signature_replaced},
	{"certifies the peer's name by an authority of its own", AT_MATCH, false, rogue_authority},
	{"puts a leaf of its own under the true issuer", AT_MATCH, false,
		rogue_leaf_under_true_issuer},
	{"leaves the issuer out", AT_MATCH, false, leaf_alone},
	{"cuts an intent short", AT_MATCH, false, truncated},
	{"adds bytes to an intent", AT_MATCH, false, extended},
	{"names another intent of the receiver", AT_MATCH, false, wrong_hash_of_mine},
	{"names another intent than it carries", AT_MATCH, false, wrong_hash_of_theirs},
	{"gives an intent an older serial", AT_MATCH, false, older_serial},
	{"gives an intent a longer life", AT_MATCH, false, longer_life},
	{"brings an intent of another network", AT_MATCH, false, other_network},
	{"brings each introduction twice", AT_MATCH, false, unchanged},
	{"introduces nobody", AT_MATCH, true, withheld},
	{"shows one side an intent again that has served", AT_MATCH, true, served_again},
	{"flips a bit of the candidates", AT_CANDIDATES, false, .candidates = sealed_bit},
	{"makes candidates up", AT_CANDIDATES, false, .candidates = sealed_noise},
	{"cuts candidates short", AT_CANDIDATES, false, .candidates = sealed_cut},
	{"gives candidates back to their sender", AT_CANDIDATES, false, .candidates = sealed_back},
	{"gives candidates to everybody", AT_CANDIDATES, false, .candidates = sealed_to_all},
	{"repeats old candidates", AT_CANDIDATES, false, .candidates = sealed_old},
	{"gives candidates out as another gateway's", AT_CANDIDATES, false,
		.candidates = sealed_of_another},
	{"passes on no candidates", AT_CANDIDATES, true, .candidates = sealed_noise},
	{"sees gateways at a third party's address", AT_OBSERVED, false,
		.observed = seen_at_victim},
	{"sees gateways at ever new addresses", AT_OBSERVED, false, .observed = seen_everywhere},
	{"sees gateways at the loopback address", AT_OBSERVED, false, .observed = seen_at_loopback},
	{"sees gateways at a multicast address", AT_OBSERVED, false, .observed = seen_at_multicast},
	{"answers to a PUNCH that was never sent", AT_OBSERVED, false,
		.observed = seen_with_old_ts},
	{"says that all intents were withdrawn", AT_LINK, false, .link = drop_each, .ends = true},
	{"revokes everybody by a key of its own", AT_LINK, false, .link = forged_list},
	{"names an issuer of its own", AT_LINK, false, .link = rogue_policy},
	{"renews certificates by an authority of its own", AT_LINK, false,
		.link = rogue_certificate},
	{"sends noise of every type", AT_LINK, false, .link = noise},
	{"offers a third party as relay", AT_LINK, false, .link = relay_to_victim},
};

static_assert(sizeof(ways) / sizeof(ways[0]) >= 30, "thirty ways at least");

unsigned evil_n_ways(void)
{
	return sizeof(ways) / sizeof(ways[0]);
}

const char *evil_name(unsigned way)
{
	return way == 0 ? "is honest" : ways[way - 1].name;
}

bool evil_withholds(unsigned way)
{
	return way > 0 && ways[way - 1].withholds;
}

bool evil_ends(unsigned way)
{
	return way > 0 && ways[way - 1].ends;
}

void evil_behave(unsigned way)
{
	way_now = way;
	n_done = 0;
}

unsigned evil_n_done(void)
{
	return n_done;
}

unsigned evil_n_intents(void)
{
	return hub.n_intents;
}

static const struct way *now_at(enum moment moment)
{
	const struct way *w = way_now == 0 ? NULL : &ways[way_now - 1];

	return w != NULL && w->moment == moment ? w : NULL;
}

static void again(uint64_t gateway)
{
	const struct way *w = now_at(AT_LINK);

	if (w == NULL)
		return;
	n_done++;
	w->link(&world.gw[gateway]);
	sim_call(30 * SIM_S, again, gateway);
}

// ------------------------------------------------------------------ hooks of hub.c

bool evil_match(struct sim_gateway *to, struct sim_gateway *them)
{
	const struct way *w = now_at(AT_MATCH);
	struct case_match c = {.to = to, .them = them};
	uint8_t body[RECORD_MAX_LEN];
	struct record r = {.type = RECORD_MATCH};
	size_t len;

	if (w == NULL)
		return false;
	memcpy(c.mine, hub.intent[to->idx][them->idx].hash, 32);
	use_intent(&c, &hub.intent[them->idx][to->idx]);
	use_chain(&c, them);
	w->match(&c);
	n_done++;
	c.m.intent = c.intent;
	c.m.mine_hash = c.mine;
	c.m.theirs_hash = c.theirs;
	r.match = c.m;
	len = record_build(&r, body, sizeof(body));
	if (len > 0)
		hub_tell(to, RECORD_MATCH, body, len);
	return w->withholds;
}

bool evil_candidates(
	struct sim_gateway *from, struct sim_gateway *to, const uint8_t *body, size_t len)
{
	const struct way *w = now_at(AT_CANDIDATES);
	uint8_t copy[2048];

	if (w == NULL || len > sizeof(copy))
		return false;
	memcpy(copy, body, len);
	w->candidates(from, to, copy, &len);
	n_done++;
	hub_tell(to, RECORD_CANDIDATES, copy, len);
	return w->withholds;
}

void evil_observed(struct sim_gateway *, struct record_observed_addr *seen, uint8_t addr[16])
{
	const struct way *w = now_at(AT_OBSERVED);

	if (w == NULL)
		return;
	w->observed(seen, addr);
	n_done++;
}

void evil_link_up(struct sim_gateway *g)
{
	if (now_at(AT_LINK) != NULL)
		sim_call(SIM_S, again, g->idx);
}
