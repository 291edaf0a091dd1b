// SPDX-License-Identifier: BSD-3-Clause
//
// Where this gateway can be reached, told to peers only: sealed under each pair key.
#include "controlplane/gateway/control.h"

#include <arpa/inet.h>
#include <string.h>
#include <sodium.h>

#include "controlplane/common/clock.h"
#include "config/log.h"

static bool add(struct candidate list[CANDIDATES_MAX], unsigned *n, const struct config_addr *addr,
	uint16_t port, enum candidate_kind kind)
{
	struct candidate *c = &list[*n];

	if (*n == CANDIDATES_MAX || port == 0)
		return false;
	for (unsigned i = 0; i < *n; i++) {
		if (list[i].family == addr->family && list[i].port == port &&
			memcmp(list[i].addr, addr->bytes, addr->family == 6 ? 16 : 4) == 0)
			return false;
	}
	*c = (struct candidate){.family = addr->family, .kind = kind, .port = port};
	// IPv6 first: it needs no NAT. Then what the hub saw, then what we think.
	c->priority =
		(kind == CANDIDATE_REFLEXIVE ? 200u : 100u) + (addr->family == 6 ? 100u : 0u) - *n;
	memcpy(c->addr, addr->bytes, addr->family == 6 ? 16 : 4);
	// One that peers would refuse must not cost us the whole list: the hub can say anything.
	if (!candidate_ok(c))
		return false;
	(*n)++;
	return true;
}

unsigned candidates_local(struct control *c, struct candidate list[CANDIDATES_MAX])
{
	const struct link_hello *hello = dplink_hello(c->dplink);
	struct config_addr addrs[NETLINK_ADDRS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < 2; i++) {
		if (c->reflexive[i].known)
			add(list, &n, &c->reflexive[i].at.addr, c->reflexive[i].at.port,
				CANDIDATE_REFLEXIVE);
	}
	for (unsigned i = 0; hello != NULL && i < hello->n_ports; i++) {
		const struct link_port *port = &hello->port[i];
		const struct config_port *cfg =
			config_port_by_name(&c->config->dataplane, port->name);
		int n_addrs = 0;

		if (port->role != LINK_ROLE_WAN)
			continue;
		for (unsigned k = 0; cfg != NULL && k < cfg->n_addresses; k++)
			add(list, &n, &cfg->addresses[k].addr, ntohs(port->be_overlay_port),
				CANDIDATE_LOCAL);
		if (c->link[i].ifindex != 0)
			n_addrs = netlink_addrs_get(
				c->netlink, c->link[i].ifindex, addrs, NETLINK_ADDRS_MAX);
		for (int k = 0; k < n_addrs; k++)
			add(list, &n, &addrs[k], ntohs(port->be_overlay_port), CANDIDATE_LOCAL);
	}
	return n;
}

void candidates_send(struct control *c, struct gw_peer *gp)
{
	const struct peer_pairing *pairing = &gp->sm.pairing[gp->sm.newest];
	uint8_t body[RECORD_SEALED_MAX], sealed[CANDIDATES_SEALED_LEN], rnd[24],
		plain[CANDIDATES_LEN];
	struct record r = {.type = RECORD_CANDIDATES};
	struct candidates mine = {.ts_us = control_next_ts(c)};
	size_t n;

	mine.n = candidates_local(c, mine.list);
	if (!pairing->live || mine.n == 0 || mine.ts_us == 0)
		return;
	// A connected peer hears it directly and, in case it is the path that moved, through the
	// hub.
	if (gp->sm.state == PEER_UP && candidates_build(&mine, plain) == 0)
		peer_send_lane0(&gp->sm, PKT_KIND_CANDIDATES, plain, sizeof(plain));
	randombytes_buf(rnd, sizeof(rnd));
	if (pair_seal_candidates(&pairing->pair, &mine, rnd, sealed) < 0)
		return;
	r.candidates = (struct record_candidates){
		pairing->mine_hash, pairing->theirs_hash, sealed, sizeof(sealed)};
	n = record_build(&r, body, sizeof(body));
	if (n > 0 && c->hub != NULL && hublink_send(c->hub, RECORD_CANDIDATES, body, n) == 0)
		gp->candidates_sent = true;
}

bool candidates_announce(struct control *c)
{
	struct candidate list[CANDIDATES_MAX];
	uint8_t hash[32];
	bool changed;
	unsigned n;

	memset(list, 0, sizeof(list));
	n = candidates_local(c, list);
	crypto_generichash(hash, sizeof(hash), (uint8_t *)list, n * sizeof(list[0]), NULL, 0);
	changed = memcmp(hash, c->candidates_sent_hash, sizeof(hash)) != 0;
	memcpy(c->candidates_sent_hash, hash, sizeof(hash));
	for (uint32_t slot = 0; n > 0 && slot < c->n_slots; slot++) {
		struct gw_peer *gp = c->peers[slot];

		if (gp != NULL && gp->sm.pairing[gp->sm.newest].live &&
			(changed || !gp->candidates_sent))
			candidates_send(c, gp);
	}
	return changed;
}

bool candidates_moved(struct control *c)
{
	struct config_addr addrs[LINK_PORTS_MAX][NETLINK_ADDRS_MAX];
	uint8_t hash[32];
	bool known = !sodium_is_zero(c->links_hash, sizeof(c->links_hash)), moved;

	memset(addrs, 0, sizeof(addrs));
	for (unsigned i = 0; i < LINK_PORTS_MAX; i++) {
		if (c->link[i].ifindex != 0)
			netlink_addrs_get(
				c->netlink, c->link[i].ifindex, addrs[i], NETLINK_ADDRS_MAX);
	}
	crypto_generichash(hash, sizeof(hash), (uint8_t *)addrs, sizeof(addrs), NULL, 0);
	moved = memcmp(hash, c->links_hash, sizeof(hash)) != 0;
	memcpy(c->links_hash, hash, sizeof(hash));
	return known && moved;
}
