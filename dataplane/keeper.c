// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "config/gateway.h"
#include "dataplane/fdb.h"
#include "dataplane/path.h"
#include "dataplane/pmtu.h"
#include "dataplane/punt.h"
#include "dataplane/runtime.h"
#include "dataplane/session.h"
#include "dataplane/worker.h"
#include "wire/drop.h"
#include "wire/packet.h"

#define CHALLENGES_MAX 5
#define AMPLIFICATION  3 // bytes to an unvalidated address, for each received (PROTOCOL.md §9)
#define PORTS_MISSED   3
#define PORTS_REST     8
#define CHALLENGE_IP   128 // upper bound of a challenge's IP packet, for that account

struct challenge {
	bool open;
	bool asked; // by control, of several paths
	bool late;  // another of them was faster: what comes from here is no news for a while
	uint8_t tries;
	uint8_t data[PKT_PATH_PAYLOAD_LEN];
	uint64_t next_ns;
	uint64_t rx_bytes; // from there
	uint64_t tx_bytes; // to there
	struct outer_path path;
};

// Which workers' own source ports get through to the peer: PATH_CHALLENGEs from there, answered by
// the path. What the path lets through from the overlay port it may not from others.
struct ports {
	bool begun;     // data is random
	uint8_t rounds; // those who gave up try in every PORTS_REST-th
	uint16_t good;  // bit n: worker n sends from its own port
	uint16_t waits; // its last try was not answered yet
	uint8_t missed[WORKERS_MAX];
	uint8_t data[PKT_PATH_PAYLOAD_LEN]; // the last byte: the worker
	uint64_t next_ns;
};

struct keep {                                       // of one home session
	uint64_t rx_packets, tx_packets, tx_frames; // as last seen, all workers
	uint64_t rx_at_ns, tx_at_ns, frames_at_ns;
	uint64_t quota_told_ns; // 0: never
	bool dead_told;
	bool has_path;
	struct pmtu pmtu;
	struct challenge challenge[CHALLENGES_MAX];
	struct ports ports;
};

struct keeper {
	uint32_t cursor;     // slot to look at next
	struct keep *keep[]; // by slot; NULL where there is no session or its home is elsewhere
};

int keeper_create(struct worker_rt *rt)
{
	rt->keeper = calloc(
		1, sizeof(*rt->keeper) + rt->w.dp->max_sessions * sizeof(rt->keeper->keep[0]));
	return rt->keeper == NULL ? -ENOMEM : 0;
}

void keeper_destroy(struct worker_rt *rt)
{
	if (rt->keeper == NULL)
		return;
	for (uint32_t slot = 0; slot < rt->w.dp->max_sessions; slot++)
		free(rt->keeper->keep[slot]);
	free(rt->keeper);
	rt->keeper = NULL;
}

static uint32_t home_of(const struct worker_rt *rt, uint32_t slot)
{
	return slot % rt->w.dp->n_workers;
}

bool keeper_is_home(const struct worker_rt *rt, uint32_t slot)
{
	return home_of(rt, slot) == rt->w.id;
}

int keeper_session_new(struct worker_rt *rt, uint32_t slot)
{
	struct keep *k;

	if (rt->keeper->keep[slot] != NULL)
		return 0;
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return -ENOMEM;
	k->rx_at_ns = rt->w.now_ns;
	k->tx_at_ns = rt->w.now_ns;
	rt->keeper->keep[slot] = k;
	return 0;
}

void keeper_session_gone(struct worker_rt *rt, uint32_t slot)
{
	free(rt->keeper->keep[slot]);
	rt->keeper->keep[slot] = NULL;
}

static bool same_remote(const struct path_desc *a, const struct path_desc *b)
{
	return a->family == b->family && a->port_idx == b->port_idx && a->be_dport == b->be_dport &&
	       memcmp(a->dst_ip, b->dst_ip, sizeof(a->dst_ip)) == 0;
}

static uint16_t ceiling_of(const struct worker_rt *rt, const struct path_desc *desc)
{
	uint16_t port_mtu = rt->w.dp->port[desc->port_idx].mtu;

	return desc->mtu < port_mtu ? desc->mtu : port_mtu;
}

// ---------------------------------------------------------------- between workers

static void tell(struct worker_rt *rt, uint32_t worker, const struct note *note)
{
	struct worker_rt *to = worker_rt(rt->w.dp->worker[worker]);

	// A lost note is a packet's fate: what it said comes again.
	if (rte_ring_enqueue_elem(to->notes, (void *)(uintptr_t)note, sizeof(*note)) == 0)
		worker_wake(to);
}

static void tell_others(struct worker_rt *rt, const struct note *note)
{
	for (uint32_t i = 0; i < rt->w.dp->n_workers; i++) {
		if (i != rt->w.id)
			tell(rt, i, note);
	}
}

static void report_path(struct worker_rt *rt, uint16_t op, uint32_t slot, const struct path_desc *d)
{
	struct event ev = {.path = {.head = {.op = op, .bytes = sizeof(ev.path), .session = slot},
				   .path = *d}};

	(void)punt_event_send(rt, &ev);
}

static void use_mtu(struct worker_rt *rt, uint32_t slot, uint16_t mtu)
{
	struct session *s = session_get(&rt->w, slot);
	struct note note = {.kind = NOTE_MTU, .slot = slot, .path = {.mtu = mtu}};

	if (s == NULL || session_mtu_set(&rt->w, slot, mtu) < 0)
		return;
	tell_others(rt, &note);
	report_path(rt, EV_PMTU, slot, &s->path.desc);
}

// ---------------------------------------------------------------- source ports

// Send from the overlay port or from the own one; a challenge from the own one, if there is one.
static void use_port(struct worker_rt *rt, const struct note *note)
{
	struct session *s = session_get(&rt->w, note->slot);
	struct outer_path own;
	struct path_desc desc;

	if (s == NULL || s->path.header_bytes == 0)
		return;
	(void)session_port_set(&rt->w, note->slot, note->own);
	desc = s->path.desc;
	outer_use_lane_port(&desc, rt->w.id + 1);
	if (note->bytes > 0 && outer_path_build(&desc, &own) == 0)
		(void)path_send(&rt->w, note->slot, &own, PKT_KIND_PATH_CHALLENGE, note->payload,
			note->bytes, 0);
}

static void tell_port(
	struct worker_rt *rt, uint32_t slot, const struct ports *p, uint32_t worker, bool challenge)
{
	struct note note = {.kind = NOTE_PORT, .slot = slot, .own = p->good >> worker & 1};

	if (challenge) {
		note.bytes = sizeof(p->data);
		memcpy(note.payload, p->data, sizeof(p->data));
		note.payload[sizeof(p->data) - 1] = worker;
	}
	if (worker == rt->w.id)
		use_port(rt, &note);
	else
		tell(rt, worker, &note);
}

// A round: who did not hear from the round before has missed one, who may tries again.
static bool ports_round(
	struct worker_rt *rt, uint32_t slot, struct ports *p, const struct path_desc *path)
{
	bool eager = false;

	p->rounds++;
	for (uint32_t i = 0; i < rt->w.dp->n_workers; i++) {
		if (pkt_lane_port(i + 1, path->n_sports) == 0)
			continue;
		if ((p->waits >> i & 1) != 0 && p->missed[i] < PORTS_MISSED)
			p->missed[i]++;
		p->waits &= ~(1u << i);
		if (p->missed[i] == PORTS_MISSED) {
			p->good &= ~(1u << i);
			if (p->rounds % PORTS_REST != 0) {
				tell_port(rt, slot, p, i, false);
				continue;
			}
		}
		p->waits |= 1u << i;
		eager |= (p->good >> i & 1) == 0;
		tell_port(rt, slot, p, i, true);
	}
	return eager;
}

static void ports_visit(
	struct worker_rt *rt, uint32_t slot, struct keep *k, const struct path_desc *path)
{
	struct ports *p = &k->ports;
	uint64_t idle_ns = rt->rt->cfg->keepalive_s * 1000000000ull;

	if (path->n_sports <= 1 || rt->w.now_ns < p->next_ns)
		return;
	if (!p->begun && getrandom(p->data, sizeof(p->data), GRND_NONBLOCK) != sizeof(p->data))
		return;
	p->begun = true;
	p->next_ns = rt->w.now_ns;
	p->next_ns += ports_round(rt, slot, p, path) ? CHALLENGE_RETRY_NS : idle_ns;
	// The tries pass for traffic, but only the overlay port shows the peer where we are.
	(void)path_send(&rt->w, slot, NULL, PKT_KIND_END, NULL, 0, 0);
}

// Is this the answer to a try of one of our workers? It may be late.
static bool ports_answered(struct worker_rt *rt, struct ports *p, const struct note *note)
{
	unsigned worker = note->payload[sizeof(p->data) - 1];

	if (!p->begun || note->bytes != sizeof(p->data) || worker >= rt->w.dp->n_workers ||
		memcmp(note->payload, p->data, sizeof(p->data) - 1) != 0)
		return false;
	p->waits &= ~(1u << worker);
	p->missed[worker] = 0;
	if ((p->good >> worker & 1) == 0) {
		p->good |= 1u << worker;
		tell_port(rt, note->slot, p, worker, false);
	}
	return true;
}

// ---------------------------------------------------------------- challenges

static struct challenge *challenge_find(struct keep *k, const struct path_desc *path)
{
	for (unsigned i = 0; i < CHALLENGES_MAX; i++) {
		if (k->challenge[i].open && same_remote(&k->challenge[i].path.desc, path))
			return &k->challenge[i];
	}
	return NULL;
}

static void challenge_send(struct worker_rt *rt, uint32_t slot, struct challenge *c)
{
	c->next_ns = rt->w.now_ns + CHALLENGE_RETRY_NS;
	// A try that the account does not allow counts: one short packet from an address that then
	// stays silent must not hold its place for ever.
	c->tries++;
	if (c->tx_bytes + CHALLENGE_IP > AMPLIFICATION * c->rx_bytes)
		return;
	c->tx_bytes += CHALLENGE_IP;
	(void)path_send(
		&rt->w, slot, &c->path, PKT_KIND_PATH_CHALLENGE, c->data, sizeof(c->data), 0);
}

// Somebody who copies our peer's packets from elsewhere gets challenges, never the traffic.
static void challenge_open(struct worker_rt *rt, uint32_t slot, struct keep *k,
	const struct path_desc *from, uint64_t rx_bytes, bool asked)
{
	struct challenge *c = challenge_find(k, from);
	struct path_desc desc = *from;

	if (c != NULL) {
		c->rx_bytes += rx_bytes;
		return;
	}
	for (unsigned i = 0; i < CHALLENGES_MAX && c == NULL; i++) {
		if (!k->challenge[i].open)
			c = &k->challenge[i];
	}
	if (c == NULL)
		return;
	memset(c, 0, sizeof(*c));
	desc.mtu = PKT_MTU_BASE;
	if (outer_path_build(&desc, &c->path) < 0 ||
		getrandom(c->data, sizeof(c->data), GRND_NONBLOCK) != sizeof(c->data))
		return;
	c->open = true;
	c->asked = asked;
	c->rx_bytes = rx_bytes;
	challenge_send(rt, slot, c);
}

static void challenges_visit(struct worker_rt *rt, uint32_t slot, struct keep *k)
{
	for (unsigned i = 0; i < CHALLENGES_MAX; i++) {
		struct challenge *c = &k->challenge[i];

		if (!c->open || rt->w.now_ns < c->next_ns)
			continue;
		if (c->tries >= CHALLENGE_TRIES)
			c->open = false;
		else
			challenge_send(rt, slot, c);
	}
}

// Which one, wherever the answer comes from: it proves that the peer hears where the question went,
// and a copy of it from elsewhere may be faster.
static struct challenge *challenge_answered(struct keep *k, const struct note *note)
{
	for (unsigned i = 0; i < CHALLENGES_MAX; i++) {
		struct challenge *c = &k->challenge[i];

		if (c->open && !c->late && note->bytes == sizeof(c->data) &&
			memcmp(c->data, note->payload, sizeof(c->data)) == 0)
			return c;
	}
	return NULL;
}

// Of several paths that work the fastest serves: the others' answers change nothing, nor do they
// show that the peer has moved there.
static void challenges_late(struct worker_rt *rt, struct keep *k)
{
	for (unsigned i = 0; i < CHALLENGES_MAX; i++) {
		struct challenge *c = &k->challenge[i];

		if (!c->open || !c->asked)
			continue;
		c->late = true;
		c->tries = CHALLENGE_TRIES;
		c->next_ns = rt->w.now_ns + CHALLENGE_TRIES * CHALLENGE_RETRY_NS;
	}
}

static void on_response(struct worker_rt *rt, struct keep *k, const struct note *note)
{
	struct session *s = session_get(&rt->w, note->slot);
	struct challenge *c = challenge_answered(k, note);
	struct note tell_note = {.kind = NOTE_PATH, .slot = note->slot};
	uint16_t ceiling;

	if (ports_answered(rt, &k->ports, note))
		return;
	if (s == NULL || c == NULL) {
		worker_drop(&rt->w, DROP_PATH_RESPONSE, 1);
		return;
	}
	c->open = false;
	if (c->asked)
		challenges_late(rt, k);
	if (s->path.header_bytes != 0 && same_remote(&s->path.desc, &c->path.desc))
		return;
	tell_note.path = c->path.desc;
	tell_note.path.n_sports = s->path.desc.n_sports;
	tell_note.path.n_dports = s->path.desc.n_dports;
	if (session_path_use(&rt->w, note->slot, &tell_note.path) < 0)
		return;
	tell_others(rt, &tell_note);
	k->ports = (struct ports){0};
	ceiling = rt->w.dp->port[tell_note.path.port_idx].mtu;
	pmtu_start(&k->pmtu, ceiling, rt->w.now_ns);
	k->has_path = true;
	k->dead_told = false;
	report_path(rt, EV_PATH, note->slot, &tell_note.path);
}

// ---------------------------------------------------------------- blocks of the path

static void reply(struct worker_rt *rt, const struct note *note, uint8_t kind,
	const uint8_t *payload, uint16_t bytes)
{
	struct path_desc desc = note->path;
	struct outer_path back;

	desc.mtu = PKT_MTU_BASE;
	if (outer_path_build(&desc, &back) == 0)
		(void)path_send(&rt->w, note->slot, &back, kind, payload, bytes, 0);
}

static void on_probe(struct worker_rt *rt, const struct note *note)
{
	struct session *s = session_get(&rt->w, note->slot);
	uint8_t ack[PKT_PROBE_ACK_PAYLOAD_LEN];

	// From a new address it is repeated until that has answered a challenge.
	if (note->bytes < PKT_PROBE_PAYLOAD_LEN || note->wire_bytes > UINT16_MAX || s == NULL ||
		!same_remote(&s->path.desc, &note->path))
		return;
	memcpy(ack, note->payload, PKT_PROBE_PAYLOAD_LEN);
	put_le16(ack + PKT_PROBE_PAYLOAD_LEN, (uint16_t)note->wire_bytes);
	reply(rt, note, PKT_KIND_PROBE_ACK, ack, sizeof(ack));
}

// The answer goes to where the question came from, and by our path, too: it may have been a copy
// that came first, and the true one is a replay then.
static void on_challenge(struct worker_rt *rt, const struct note *note)
{
	const struct session *s = session_get(&rt->w, note->slot);

	reply(rt, note, PKT_KIND_PATH_RESPONSE, note->payload, note->bytes);
	if (s != NULL && s->path.header_bytes != 0 && !same_remote(&s->path.desc, &note->path))
		(void)path_send(&rt->w, note->slot, NULL, PKT_KIND_PATH_RESPONSE, note->payload,
			note->bytes, 0);
}

static void on_probe_ack(struct worker_rt *rt, struct keep *k, const struct note *note)
{
	if (note->bytes < PKT_PROBE_ACK_PAYLOAD_LEN || !k->has_path)
		return;
	if (pmtu_acked(
		    &k->pmtu, get_le32(note->payload), get_le16(note->payload + 4), rt->w.now_ns))
		use_mtu(rt, note->slot, k->pmtu.mtu);
}

static void on_block(struct worker_rt *rt, struct keep *k, const struct note *note)
{
	switch (note->block_kind) {
	case PKT_KIND_PROBE:
		on_probe(rt, note);
		break;
	case PKT_KIND_PROBE_ACK:
		on_probe_ack(rt, k, note);
		break;
	case PKT_KIND_PATH_CHALLENGE:
		if (note->bytes == PKT_PATH_PAYLOAD_LEN)
			on_challenge(rt, note);
		break;
	case PKT_KIND_PATH_RESPONSE:
		on_response(rt, k, note);
		break;
	default:
		break;
	}
}

static void take_note(struct worker_rt *rt, const struct note *note)
{
	struct keep *k = rt->keeper->keep[note->slot];

	switch (note->kind) {
	case NOTE_SOURCE:
		if (k != NULL)
			challenge_open(rt, note->slot, k, &note->path, note->wire_bytes, false);
		break;
	case NOTE_BLOCK:
		if (k != NULL)
			on_block(rt, k, note);
		break;
	case NOTE_PATH:
		(void)session_path_use(&rt->w, note->slot, &note->path);
		break;
	case NOTE_MTU:
		(void)session_mtu_set(&rt->w, note->slot, note->path.mtu);
		break;
	case NOTE_PORT:
		use_port(rt, note);
		break;
	case NOTE_EPOCH:
		session_epoch_heard(&rt->w, note->slot, note->rx_key_id);
		break;
	default:
		break;
	}
}

unsigned keeper_notes(struct worker_rt *rt)
{
	struct note note;
	unsigned n;

	for (n = 0; n < BATCH_MAX; n++) {
		if (rte_ring_dequeue_elem(rt->notes, &note, sizeof(note)) != 0)
			break;
		take_note(rt, &note);
	}
	return n;
}

static void note_view(
	struct worker *w, struct note *note, const struct outer_view *v, uint8_t port_idx)
{
	outer_reverse(v, port_idx, w->dp->port[port_idx].mtu, &note->path);
	note->wire_bytes = v->payload_bytes + 8u + (v->family == 4 ? 20u : 40u);
}

static void give_note(struct worker *w, const struct note *note)
{
	struct worker_rt *rt = worker_rt(w);

	if (keeper_is_home(rt, note->slot))
		take_note(rt, note);
	else
		tell(rt, home_of(rt, note->slot), note);
}

void keeper_path_block(struct worker *w, uint32_t slot, uint8_t kind, const uint8_t *payload,
	uint16_t bytes, const struct outer_view *v, uint8_t port_idx)
{
	struct note note = {.kind = NOTE_BLOCK, .block_kind = kind, .slot = slot};

	// A probe's padding is of no interest.
	note.bytes = (uint8_t)(bytes < sizeof(note.payload) ? bytes : sizeof(note.payload));
	memcpy(note.payload, payload, note.bytes);
	note_view(w, &note, v, port_idx);
	give_note(w, &note);
}

void keeper_new_epoch(struct worker *w, uint32_t slot, uint32_t rx_key_id)
{
	struct note note = {.kind = NOTE_EPOCH, .slot = slot, .rx_key_id = rx_key_id};

	tell_others(worker_rt(w), &note);
}

void keeper_new_source(
	struct worker *w, uint32_t slot, const struct outer_view *v, uint8_t port_idx)
{
	struct note note = {.kind = NOTE_SOURCE, .slot = slot};

	note_view(w, &note, v, port_idx);
	give_note(w, &note);
}

// ---------------------------------------------------------------- commands and time

int keeper_path_set(struct worker_rt *rt, const struct cmd_path *c)
{
	struct session *s = session_get(&rt->w, c->head.session);
	struct keep *k = rt->keeper->keep[c->head.session];
	struct cmd_path mine = *c;
	uint16_t ceiling = ceiling_of(rt, &c->path);
	bool same, moved;
	int err;

	if (s == NULL)
		return -ENOENT;
	same = s->path.header_bytes != 0 && same_remote(&s->path.desc, &c->path);
	moved = !session_path_is(s, &c->path);
	mine.path.mtu = PKT_MTU_BASE;
	if (same)
		mine.path.mtu = s->path.mtu < ceiling ? s->path.mtu : ceiling;
	err = session_path_set(&rt->w, &mine);
	if (err < 0 || k == NULL)
		return err;
	if (moved)
		k->ports = (struct ports){0};
	k->dead_told = false;
	if (!same || !k->has_path || k->pmtu.ceiling != ceiling) {
		pmtu_start(&k->pmtu, ceiling, rt->w.now_ns);
		if (same)
			use_mtu(rt, c->head.session, PKT_MTU_BASE);
	}
	k->has_path = true;
	return 0;
}

int keeper_path_try(struct worker_rt *rt, const struct cmd_path *c)
{
	struct session *s = session_get(&rt->w, c->head.session);
	struct keep *k = rt->keeper->keep[c->head.session];

	if (s == NULL)
		return -ENOENT;
	// An M2 or M3 came from there, which pays for all tries.
	if (k != NULL)
		challenge_open(rt, c->head.session, k, &c->path, CHALLENGE_IP, true);
	return 0;
}

static void see_traffic(struct worker_rt *rt, uint32_t slot, struct keep *k)
{
	uint64_t rx = 0, tx = 0, frames = 0;

	for (unsigned i = 0; i < rt->w.dp->n_workers; i++) {
		const struct stats_session *row = &rt->w.dp->worker[i]->session_stats[slot];

		rx += __atomic_load_n(&row->rx_packets, __ATOMIC_RELAXED);
		tx += __atomic_load_n(&row->tx_packets, __ATOMIC_RELAXED);
		frames += __atomic_load_n(&row->tx_frames, __ATOMIC_RELAXED);
	}
	if (rx != k->rx_packets) {
		k->rx_at_ns = rt->w.now_ns;
		k->dead_told = false;
	}
	if (tx != k->tx_packets)
		k->tx_at_ns = rt->w.now_ns;
	if (frames != k->tx_frames)
		k->frames_at_ns = rt->w.now_ns;
	k->rx_packets = rx;
	k->tx_packets = tx;
	k->tx_frames = frames;
}

static void probe_visit(struct worker_rt *rt, uint32_t slot, struct keep *k)
{
	bool in_use = k->frames_at_ns != 0 && rt->w.now_ns - k->frames_at_ns < PMTU_CONFIRM_NS;
	uint8_t payload[PKT_PROBE_PAYLOAD_LEN];
	uint16_t size;
	uint32_t id;
	bool lost;

	if (pmtu_due(&k->pmtu, rt->w.now_ns, in_use, &size, &id, &lost)) {
		put_le32(payload, id);
		(void)path_send(&rt->w, slot, NULL, PKT_KIND_PROBE, payload, sizeof(payload), size);
	}
	if (lost)
		use_mtu(rt, slot, PKT_MTU_BASE);
}

// How many stations the peer has, and that it would like more than it may.
static void count_macs(struct worker_rt *rt, uint32_t slot, struct keep *k)
{
	struct event ev = {.head = {.op = EV_MAC_QUOTA, .bytes = sizeof(ev.head), .session = slot}};

	__atomic_store_n(&rt->w.session_stats[slot].learned_macs,
		fdb_session_macs(rt->w.dp->fdb, slot), __ATOMIC_RELAXED);
	if (k->quota_told_ns != 0 && rt->w.now_ns - k->quota_told_ns < QUOTA_TELL_NS)
		return;
	if (fdb_quota_hit(rt->w.dp->fdb, slot) && punt_event_send(rt, &ev))
		k->quota_told_ns = rt->w.now_ns;
}

static void visit(struct worker_rt *rt, uint32_t slot)
{
	const uint64_t idle_ns = rt->rt->cfg->keepalive_s * 1000000000ull;
	struct keep *k = rt->keeper->keep[slot];
	struct session *s;

	session_expire(&rt->w, slot);
	s = session_get(&rt->w, slot);
	if (s == NULL || k == NULL)
		return;
	see_traffic(rt, slot, k);
	count_macs(rt, slot, k);
	challenges_visit(rt, slot, k);
	if (!k->has_path || s->tx_epoch >= SESSION_EPOCHS) {
		k->rx_at_ns = rt->w.now_ns; // nobody can be missed yet
		return;
	}
	probe_visit(rt, slot, k);
	ports_visit(rt, slot, k, &s->path.desc);
	if (rt->w.now_ns - k->tx_at_ns >= idle_ns) {
		k->tx_at_ns = rt->w.now_ns;
		(void)path_send(&rt->w, slot, NULL, PKT_KIND_END, NULL, 0, 0);
	}
	if (!k->dead_told &&
		rt->w.now_ns - k->rx_at_ns > KEEPALIVE_MISSED * idle_ns + idle_ns / 2) {
		k->dead_told = true;
		report_path(rt, EV_PATH_DEAD, slot, &s->path.desc);
	}
}

void keeper_tick(struct worker_rt *rt)
{
	uint32_t n = rt->w.dp->max_sessions;
	uint32_t share = n / (KEEPER_VISIT_NS / KEEPER_TICK_NS) + 1;

	for (uint32_t i = 0; i < share && i < n; i++) {
		if (rt->keeper->cursor >= n)
			rt->keeper->cursor = 0;
		visit(rt, rt->keeper->cursor++);
	}
}
