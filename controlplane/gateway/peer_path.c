// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/gateway/peer_internal.h"

#include <string.h>

static int find_candidate(const struct peer *p, const struct config_endpoint *at)
{
	for (unsigned i = 0; i < p->n_candidates; i++) {
		if (endpoint_equal(&p->candidate[i].at, at))
			return (int)i;
	}
	return -1;
}

// Where authentic datagrams of the peer come from. Told candidates are not displaced for it; of the
// learned ones the eldest goes.
void path_learn(struct peer *p, const struct config_endpoint *at)
{
	unsigned victim = PEER_CANDIDATES;

	if (find_candidate(p, at) >= 0)
		return;
	if (p->n_candidates < PEER_CANDIDATES) {
		p->candidate[p->n_candidates++] = (struct peer_candidate){.at = *at};
		return;
	}
	for (unsigned i = 0; i < p->n_candidates && victim == PEER_CANDIDATES; i++) {
		if (p->candidate[i].kind == 0)
			victim = i;
	}
	if (victim == PEER_CANDIDATES)
		return;
	memmove(&p->candidate[victim], &p->candidate[victim + 1],
		(p->n_candidates - victim - 1) * sizeof(p->candidate[0]));
	p->candidate[p->n_candidates - 1] = (struct peer_candidate){.at = *at};
}

void path_use(struct peer *p, const struct config_endpoint *to)
{
	if (to == NULL) {
		p->has_path = false;
		p->ops->path(p->ctx, p, NULL);
		return;
	}
	p->path = *to;
	p->has_path = true;
	p->path_suspect = false;
	p->path_doubted = false;
	p->ops->path(p->ctx, p, &p->path);
}

bool path_source(struct peer_sources *s, const struct config_endpoint *at)
{
	for (unsigned i = 0; i < s->n; i++) {
		if (endpoint_equal(&s->at[i], at))
			return true;
	}
	if (s->n == PEER_SOURCES)
		return false;
	s->at[s->n++] = *at;
	return true;
}

bool path_is_told(const struct peer *p, const struct config_endpoint *at)
{
	int i = find_candidate(p, at);

	return i >= 0 && p->candidate[i].kind != 0;
}

// One that the peer itself told rather than whoever was first.
void path_settle(struct peer *p, const struct peer_sources *s, bool anew)
{
	const struct config_endpoint *to = &s->at[0];

	if (p->has_path && !p->path_suspect && !anew)
		return;
	for (unsigned i = s->n; i-- > 0;) {
		if (path_is_told(p, &s->at[i]))
			to = &s->at[i];
	}
	path_use(p, to);
}

void path_prove(struct peer *p, const struct peer_sources *s)
{
	bool asked = false;

	for (unsigned i = 0; i < s->n; i++) {
		if (endpoint_equal(&s->at[i], &p->path))
			continue;
		// The path first: while it answers, another that works as well does not take over.
		if (!asked)
			p->ops->path_try(p->ctx, p, &p->path);
		asked = true;
		p->ops->path_try(p->ctx, p, &s->at[i]);
	}
}

// The hub says where it sees the peer, and could name anybody: few rounds go to what was told,
// however often it says something new, and however often there is a new reason to look.
static bool told_round(struct peer *p, const struct peer_now *now)
{
	uint64_t due = p->told_due_us > now->mono_us ? p->told_due_us : now->mono_us;

	if (due - now->mono_us > (PEER_TOLD_ROUNDS - 1) * PEER_TOLD_US)
		return false;
	p->told_due_us = due + PEER_TOLD_US;
	return true;
}

void path_send(
	struct peer *p, bool everywhere, const void *data, size_t len, const struct peer_now *now)
{
	bool path_good = p->has_path && !p->path_suspect, told;

	if (p->has_path)
		p->ops->send(p->ctx, p, &p->path, data, len);
	if (path_good && !everywhere)
		return;
	told = told_round(p, now);
	for (unsigned i = 0; i < p->n_candidates; i++) {
		const struct peer_candidate *c = &p->candidate[i];

		if ((p->has_path && endpoint_equal(&c->at, &p->path)) ||
			(!told && c->kind != 0 && c->kind != CANDIDATE_CONFIGURED))
			continue;
		p->ops->send(p->ctx, p, &c->at, data, len);
	}
}

// New places to look: a fresh burst, but no fresh handshake where one is under way.
static void path_widen(struct peer *p, const struct peer_now *now)
{
	if (!p->is_client || p->client.phase == CLIENT_REST) {
		peer_contact(p, now);
	} else if (p->client.phase == CLIENT_M1) {
		p->client.n_failed = 0;
		p->client.n_sent = 0;
		p->client.next_us = now->mono_us;
		client_tick(p, now);
	}
}

static bool told(const struct peer_candidate *list, unsigned n, const struct config_endpoint *at)
{
	for (unsigned i = 0; i < n; i++) {
		if (endpoint_equal(&list[i].at, at))
			return true;
	}
	return false;
}

void peer_candidates_set(struct peer *p, const struct peer_candidate *list, unsigned n,
	uint64_t ts_us, const struct peer_now *now)
{
	struct peer_candidate learned[PEER_CANDIDATES];
	unsigned n_learned = 0;
	bool news = false, path_was_told = false;

	// A list is told once; the hub may show an old one again.
	if (ts_us != 0 && ts_us <= p->candidates_ts)
		return;
	if (ts_us != 0)
		p->candidates_ts = ts_us;
	for (unsigned i = 0; i < p->n_candidates; i++) {
		bool configured = p->candidate[i].kind == CANDIDATE_CONFIGURED;

		path_was_told |=
			p->candidate[i].kind != 0 && endpoint_equal(&p->candidate[i].at, &p->path);
		if (p->candidate[i].kind == 0 || (ts_us != 0 && configured))
			learned[n_learned++] = p->candidate[i];
	}
	for (unsigned i = 0; i < n; i++)
		news |= find_candidate(p, &list[i].at) < 0;
	p->n_candidates = 0;
	for (unsigned i = 0; i < n && p->n_candidates < PEER_CANDIDATES; i++) {
		if (find_candidate(p, &list[i].at) < 0)
			p->candidate[p->n_candidates++] = list[i];
	}
	for (unsigned i = 0; i < n_learned && p->n_candidates < PEER_CANDIDATES; i++) {
		if (find_candidate(p, &learned[i].at) < 0)
			p->candidate[p->n_candidates++] = learned[i];
	}
	// Told while connected, and the path is not among them, or no longer: the peer has moved,
	// and the NATs between let through only those who knock.
	news |= path_was_told && !told(list, n, &p->path);
	if (news && p->state == PEER_UP && ts_us != 0 && !told(list, n, &p->path))
		p->path_doubted = true;
	if (news && (p->state == PEER_CONNECTING || p->path_doubted))
		path_widen(p, now);
}

void peer_path_moved(struct peer *p, const struct config_endpoint *to, const struct peer_now *now)
{
	path_learn(p, to);
	path_use(p, to);
}

void peer_path_died(struct peer *p, const struct peer_now *now)
{
	if (!p->has_path || p->path_suspect)
		return;
	p->path_suspect = true;
	peer_note(p, now, "nothing comes back on the path any more; trying every address");
	peer_contact(p, now);
}

// ------------------------------------------------------------------ PUNCH

void punch_start(struct peer *p, const struct peer_now *now)
{
	p->punch = (struct peer_punch){
		.on = true,
		.round_us = PEER_ROUND_US,
		.next_us = now->mono_us,
	};
	punch_tick(p, now);
}

void punch_stop(struct peer *p)
{
	p->punch.on = false;
}

void punch_tick(struct peer *p, const struct peer_now *now)
{
	struct peer_punch *punch = &p->punch;
	struct pkt_punch packet;
	uint64_t ts;

	if (!punch->on || now->mono_us < punch->next_us)
		return;
	if (!p->pairing[p->newest].live) {
		punch_stop(p);
		return;
	}
	punch->n_sent++;
	if (punch->n_sent < PEER_BURST_STEPS) {
		punch->next_us = now->mono_us + PEER_BURST_STEP_US;
	} else {
		punch->next_us = now->mono_us + punch->round_us;
		punch->round_us *= 2;
		if (punch->round_us > PEER_ROUND_MAX_US)
			punch->round_us = PEER_ROUND_MAX_US;
	}
	// The client is on its way already: its M3 is all that is missing.
	if (p->server.phase == SERVER_INSTALL)
		return;
	ts = p->ops->next_ts(p->ctx);
	if (ts == 0)
		return;
	pair_punch_build(&p->pairing[p->newest].pair, ts, now->unix_us / 1000000,
		PKT_PUNCH_INITIATE, &packet);
	path_send(p, true, &packet, sizeof(packet), now);
}
