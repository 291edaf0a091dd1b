// SPDX-License-Identifier: BSD-3-Clause
//
// The client's half of a peer: M1 until an M2 comes, M3 until the new epoch is proven.
#include "controlplane/gateway/peer_internal.h"

#include <errno.h>
#include <string.h>
#include <sodium.h>

#define CALM_US        1000000ull // after a switch, late PUNCHes of the same burst mean nothing
#define STUCK_US       1000000ull // a server that still asks has forgotten what it had of us
#define RETRY_EVERY_US 1000000ull
#define M3_UNPROVEN    3 // copies to a source of M2 that only a copy of it may have (PROTOCOL.md §9)

// Gaps between copies on a known path; the last one leads to a fresh message.
static const uint32_t m1_gap_ms[] = {250, 250, 500, 1000, 2000, 1000};
static const uint32_t m3_gap_ms[] = {250, 250, 500, 1000, 2000};

void client_stop(struct peer *p)
{
	struct peer_client *c = &p->client;
	unsigned n_failed = c->n_failed;

	if (c->phase != CLIENT_REST)
		hs_client_fini(&c->hs);
	sodium_memzero(c, sizeof(*c));
	c->n_failed = n_failed;
}

// No epoch or no path to trust: look for the peer everywhere.
static bool in_contact(const struct peer *p)
{
	struct peer *q = (struct peer *)p;

	return !p->has_path || p->path_suspect || keyring_current(&q->keys) == NULL;
}

// 0 when the message has been repeated often enough.
static uint64_t m1_pause(const struct peer *p)
{
	const struct peer_client *c = &p->client;
	uint64_t pause = PEER_ROUND_US;

	if (!in_contact(p))
		return c->n_sent <= sizeof(m1_gap_ms) / sizeof(m1_gap_ms[0])
			       ? m1_gap_ms[c->n_sent - 1] * 1000ull
			       : 0;
	if (c->n_failed == 0)
		return c->n_sent <= PEER_BURST_STEPS ? PEER_BURST_STEP_US : 0;
	if (c->n_sent > 1)
		return 0;
	for (unsigned i = 1; i < c->n_failed && pause < PEER_ROUND_MAX_US; i++)
		pause *= 2;
	return pause < PEER_ROUND_MAX_US ? pause : PEER_ROUND_MAX_US;
}

static void send_m1(struct peer *p, const struct peer_now *now)
{
	struct peer_client *c = &p->client;

	c->n_sent++;
	if (p->times.first_m1_us == 0 && (p->has_path || p->n_candidates > 0))
		p->times.first_m1_us = now->mono_us;
	// On a known path the first rounds stay on it; a peer that does not answer there may have
	// moved.
	path_send(
		p, in_contact(p) || p->path_doubted || c->n_failed > 0, &c->m1, sizeof(c->m1), now);
	c->next_us = now->mono_us + m1_pause(p);
}

// The newest pair key; every other fruitless round the elder, which the peer may still be at.
static unsigned choose_pairing(const struct peer *p)
{
	unsigned other = 1 - p->newest;

	if (!p->pairing[p->newest].live)
		return other;
	return p->pairing[other].live && p->client.n_failed % 2 == 1 ? other : p->newest;
}

void client_start(struct peer *p, const struct peer_now *now)
{
	struct peer_client *c = &p->client;
	uint8_t rnd[64];
	struct hs_config cfg;
	uint32_t key_id;
	uint64_t ts;

	client_stop(p);
	c->pairing_idx = choose_pairing(p);
	if (!p->dataplane || !p->pairing[c->pairing_idx].live)
		return;
	key_id = keyring_offer(&p->keys);
	ts = p->ops->next_ts(p->ctx);
	if (key_id == 0 || ts == 0) {
		peer_note(p, now, "cannot begin a handshake: %s",
			key_id == 0 ? "the data-plane confirms nothing"
				    : "the state file cannot be written");
		// Come back as if a round had failed.
		c->phase = CLIENT_M1;
		c->n_sent = PEER_BURST_STEPS + 1;
		c->next_us = now->mono_us + PEER_ROUND_US;
		return;
	}
	peer_hs_config(p, c->pairing_idx, &cfg);
	p->ops->random(p->ctx, rnd, sizeof(rnd));
	hs_client_start(&c->hs, &cfg, key_id, ts, now->unix_us / 1000000, rnd, &c->m1);
	sodium_memzero(rnd, sizeof(rnd));
	sodium_memzero(&cfg, sizeof(cfg));
	c->phase = CLIENT_M1;
	c->started_us = now->mono_us;
	send_m1(p, now);
}

void client_punched(struct peer *p, const struct config_endpoint *from,
	const struct pkt_punch *punch, bool fresh, const struct peer_now *now)
{
	struct peer_client *c = &p->client;
	struct epoch *e = keyring_current(&p->keys);
	bool asks = fresh && (punch->hs.flags & PKT_PUNCH_INITIATE);
	unsigned n_sent = c->phase == CLIENT_M1 ? c->n_sent : 0;

	// Its control was restarted: an M1 serves once, and of an M3 it knows nothing. The burst
	// goes on where it was.
	if (asks && (c->phase == CLIENT_M1 || c->phase == CLIENT_M3) &&
		now->mono_us >= c->started_us + STUCK_US) {
		client_start(p, now);
		c->n_sent += n_sent;
	}
	switch (c->phase) {
	case CLIENT_M1:
		// It is there and sends from here: its NAT is open for us.
		p->ops->send(p->ctx, p, from, &c->m1, sizeof(c->m1));
		break;
	case CLIENT_REST:
		// A copy of one that was heeded is late, or somebody else's.
		if (!asks || (e != NULL && now->mono_us < e->born_us + CALM_US))
			break;
		client_start(p, now);
		if (c->phase == CLIENT_M1 && (!p->has_path || !endpoint_equal(from, &p->path)))
			p->ops->send(p->ctx, p, from, &c->m1, sizeof(c->m1));
		break;
	default:
		break;
	}
}

void client_retry(struct peer *p, const struct config_endpoint *from, const uint8_t *data,
	size_t len, const struct peer_now *now)
{
	struct peer_client *c = &p->client;
	struct pkt_m1 again;

	if (c->phase != CLIENT_M1 || now->mono_us < c->retry_taken_us + RETRY_EVERY_US)
		return;
	if (hs_client_retry(&c->hs, data, len, now->unix_us / 1000000, &again) != HS_OK)
		return;
	c->retry_taken_us = now->mono_us;
	p->ops->send(p->ctx, p, from, &again, sizeof(again));
}

static void send_m3_to(struct peer *p, const struct config_endpoint *to)
{
	p->ops->send(p->ctx, p, to, p->client.m3, p->client.m3_len);
}

// The M2 that was taken, from elsewhere: whoever is faster with a copy must not be the only one to
// get M3.
static void m2_again(struct peer *p, const struct config_endpoint *from, const uint8_t *data,
	size_t len, const struct peer_now *now)
{
	struct peer_client *c = &p->client;
	unsigned before = c->m2_from.n;

	if (hs_ts(data) != c->m1.hs.ts ||
		hs_check_outer(&p->pairing[c->pairing_idx].pair, PKT_TYPE_M2, data, len,
			PKT_HS_MAX_LEN, now->unix_us / 1000000) != HS_OK)
		return;
	path_source(&c->m2_from, from);
	if (c->phase == CLIENT_M3 && c->m2_from.n > before)
		send_m3_to(p, from);
}

void client_m2(struct peer *p, const struct config_endpoint *from, const uint8_t *data, size_t len,
	const struct peer_now *now)
{
	struct peer_client *c = &p->client;
	struct hs_result result;
	enum hs_status status;

	if (c->phase == CLIENT_INSTALL || c->phase == CLIENT_M3)
		m2_again(p, from, data, len, now);
	if (c->phase != CLIENT_M1 || !c->hs.open)
		return;
	status =
		hs_client_m2(&c->hs, data, len, now->unix_us / 1000000, c->m3, &c->m3_len, &result);
	if (status != HS_OK) {
		// Not ours, or not yet worth a word: the true one may still come.
		if (status > HS_MAC)
			peer_note(p, now, "M2 refused: %s", hs_status_text(status));
		return;
	}
	c->m2_from = (struct peer_sources){.at = {*from}, .n = 1};
	c->rx_key_id = result.rx_key_id;
	if (peer_begin_install(p, c->pairing_idx, &result, now) == 0) {
		c->phase = CLIENT_INSTALL;
		c->next_us = now->mono_us + PEER_INSTALL_US;
	} else {
		c->n_sent = PEER_BURST_STEPS + 1; // this M1 is spent; the next round makes another
	}
	hs_result_wipe(&result);
}

static void send_m3(struct peer *p, const struct peer_now *now)
{
	struct peer_client *c = &p->client;
	unsigned last = sizeof(m3_gap_ms) / sizeof(m3_gap_ms[0]) - 1;
	bool path_good = p->has_path && !p->path_suspect;

	// Somebody beside the path may have been faster with a copy of M2.
	if (path_good)
		send_m3_to(p, &p->path);
	for (unsigned i = 0; i < c->m2_from.n; i++) {
		const struct config_endpoint *to = &c->m2_from.at[i];

		if (!(path_good && endpoint_equal(to, &p->path)) &&
			(c->n_sent < M3_UNPROVEN || path_is_told(p, to)))
			send_m3_to(p, to);
	}
	c->next_us = now->mono_us + m3_gap_ms[c->n_sent < last ? c->n_sent : last] * 1000ull;
	c->n_sent++;
}

void client_installed(struct peer *p, bool ok, const struct peer_now *now)
{
	struct peer_client *c = &p->client;

	if (!ok) {
		c->phase = CLIENT_M1;
		c->n_sent = PEER_BURST_STEPS + 1;
		c->next_us = now->mono_us + PEER_ROUND_US;
		return;
	}
	c->phase = CLIENT_M3;
	c->n_sent = 0;
	send_m3(p, now);
}

void client_confirmed(struct peer *p, uint32_t rx_key_id, const struct peer_now *now)
{
	struct peer_client *c = &p->client;
	struct epoch *e = keyring_find(&p->keys, rx_key_id), *current = keyring_current(&p->keys);
	struct peer_sources from = c->m2_from;
	bool ours = c->phase == CLIENT_M3 && c->rx_key_id == rx_key_id;

	// Also the answer to an M3 that we had given up: newer keys are newer keys.
	if (e == NULL || e->state != EPOCH_READY ||
		(current != NULL && current->born_us > e->born_us))
		return;
	if (ours)
		path_settle(p, &from, false);
	if (!p->has_path)
		return;
	if (ours) {
		p->times.handshake_us = now->mono_us - c->started_us;
		peer_pairing_proven(p, c->pairing_idx);
		client_stop(p);
		c->n_failed = 0;
	}
	peer_switch(p, rx_key_id, now);
	if (ours)
		path_prove(p, &from);
}

void client_tick(struct peer *p, const struct peer_now *now)
{
	struct peer_client *c = &p->client;
	unsigned n_m3 = sizeof(m3_gap_ms) / sizeof(m3_gap_ms[0]);

	if (c->phase == CLIENT_REST || now->mono_us < c->next_us)
		return;
	if (c->phase == CLIENT_INSTALL) {
		peer_installed(p, c->rx_key_id, -ETIMEDOUT, now);
		return;
	}
	if (c->phase == CLIENT_M3 && c->n_sent < n_m3) {
		send_m3(p, now);
		return;
	}
	if (c->phase == CLIENT_M1 && c->hs.open) {
		c->n_sent++;
		if (m1_pause(p) != 0) {
			c->n_sent--;
			send_m1(p, now);
			return;
		}
	}
	c->n_failed++;
	if (p->last_error[0] == '\0' || p->state == PEER_UP)
		peer_note(p, now,
			c->phase == CLIENT_M3 ? "the peer does not confirm the new keys"
					      : "the peer does not answer");
	client_start(p, now);
}
