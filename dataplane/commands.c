// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/commands.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "dataplane/fdb.h"
#include "dataplane/keeper.h"
#include "dataplane/punt.h"
#include "dataplane/runtime.h"
#include "dataplane/session.h"
#include "wire/packet.h"

// What a worker may be asked for while it runs, and while it winds down: then keys only go away.
enum when { WHEN_RUNNING = 1u << WORKER_RUNNING, WHEN_ANY = WHEN_RUNNING | 1u << WORKER_STOPPING };

struct cmd_rule {
	uint16_t bytes;
	uint16_t when;
	bool session; // names a session, < max_sessions
	int (*run)(struct worker_rt *rt, const struct cmd *c);
};

static bool all_zero(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= b[i];
	return any == 0;
}

static int run_session_set(struct worker_rt *rt, const struct cmd *c)
{
	const struct cmd_session *s = &c->session;
	int err;

	if (s->role > 1 || s->mac_quota == 0 || !all_zero(s->reserved, sizeof(s->reserved)))
		return -EINVAL;
	err = session_set(&rt->w, s);
	if (err == 0 && keeper_is_home(rt, s->head.session))
		err = keeper_session_new(rt, s->head.session);
	return err;
}

static int run_session_del(struct worker_rt *rt, const struct cmd *c)
{
	keeper_session_gone(rt, c->head.session);
	return session_del(&rt->w, c->head.session);
}

static int run_tags(struct worker_rt *rt, const struct cmd *c)
{
	const struct cmd_tags *t = &c->tags;

	if (t->set > 1 || t->n_tags > 3 || t->role > 1 ||
		!all_zero(t->reserved, sizeof(t->reserved)))
		return -EINVAL;
	return session_tags_set(&rt->w, t);
}

static int run_key_install(struct worker_rt *rt, const struct cmd *c)
{
	const struct cmd_key *k = &c->key;

	if (k->dir > 1 || k->lane == PKT_LANE_CONTROL || k->n_lanes == 0 || k->lane > k->n_lanes)
		return -EINVAL;
	if (k->cipher != CIPHER_AES_256_GCM && k->cipher != CIPHER_CHACHA20)
		return -EINVAL;
	if (k->super > 1 || !all_zero(k->reserved, sizeof(k->reserved)))
		return -EINVAL;
	if (k->rx_key_id >> PKT_KEY_ID_GEN_BITS != k->head.session || k->tx_key_id == 0)
		return -EINVAL;
	if (k->deadline_ns <= rt->w.now_ns)
		return -ESTALE;
	return session_key_install(&rt->w, k);
}

static int run_tx_switch(struct worker_rt *rt, const struct cmd *c)
{
	return c->epoch.reserved != 0 ? -EINVAL : session_tx_switch(&rt->w, &c->epoch);
}

static int run_key_retire(struct worker_rt *rt, const struct cmd *c)
{
	return c->epoch.reserved != 0 ? -EINVAL : session_key_retire(&rt->w, &c->epoch);
}

static int check_path(const struct worker_rt *rt, const struct path_desc *p)
{
	if (p->family != 4 && p->family != 6)
		return -EINVAL;
	if (p->port_idx >= rt->w.dp->n_ports || rt->w.dp->port[p->port_idx].role != LINK_ROLE_WAN)
		return -ENODEV;
	if (p->mtu < PKT_MTU_BASE || p->mtu > PKT_FRAME_MAX)
		return -EMSGSIZE;
	return all_zero(p->reserved, sizeof(p->reserved)) ? 0 : -EINVAL;
}

static int run_path(struct worker_rt *rt, const struct cmd *c)
{
	int err = check_path(rt, &c->path.path);

	return err < 0 ? err : keeper_path_set(rt, &c->path);
}

static int run_path_try(struct worker_rt *rt, const struct cmd *c)
{
	int err = check_path(rt, &c->path.path);

	return err < 0 ? err : keeper_path_try(rt, &c->path);
}

static int run_deadline(struct worker_rt *rt, const struct cmd *c)
{
	if (c->epoch.reserved != 0 || c->epoch.deadline_ns == 0)
		return -EINVAL;
	return session_deadline_set(&rt->w, &c->epoch);
}

static bool dump_session(struct worker_rt *rt, uint32_t slot)
{
	struct session *s = session_get(&rt->w, slot);
	struct event ev = {.session = {.head = {.op = EV_SESSION,
					       .bytes = sizeof(ev.session),
					       .seq = rt->dump.seq,
					       .session = slot}}};

	if (s == NULL)
		return true;
	memcpy(ev.session.peer_id, s->peer_id, sizeof(ev.session.peer_id));
	for (unsigned i = 0; i < SESSION_EPOCHS; i++) {
		if (s->epoch[i].rx_key_id == 0)
			continue;
		ev.session.rx_key_id[i] = s->epoch[i].rx_key_id;
		ev.session.deadline_ns[i] = s->epoch[i].deadline_ns;
	}
	if (s->tx_epoch < SESSION_EPOCHS)
		ev.session.tx_epoch = s->epoch[s->tx_epoch].rx_key_id;
	ev.session.path = s->path.desc;
	return punt_event_send(rt, &ev);
}

// A dump may be longer than the event ring; it goes on in later rounds, before any other command.
static int run_dump(struct worker_rt *rt, const struct cmd *c)
{
	if (c->head.session != NO_SESSION)
		return -EINVAL;
	rt->dump.head = c->head;
	rt->dump.seq = c->head.seq;
	rt->dump.next = 0;
	rt->dump.active = true;
	return 0;
}

static const struct cmd_rule rules[CMD_OP_MAX] = {
	[CMD_SESSION_SET] = {sizeof(struct cmd_session), WHEN_RUNNING, true, run_session_set},
	[CMD_SESSION_DEL] = {sizeof(struct cmd_head), WHEN_ANY, true, run_session_del},
	[CMD_TAGS] = {sizeof(struct cmd_tags), WHEN_RUNNING, true, run_tags},
	[CMD_KEY_INSTALL] = {sizeof(struct cmd_key), WHEN_RUNNING, true, run_key_install},
	[CMD_TX_SWITCH] = {sizeof(struct cmd_epoch), WHEN_RUNNING, true, run_tx_switch},
	[CMD_KEY_RETIRE] = {sizeof(struct cmd_epoch), WHEN_ANY, true, run_key_retire},
	[CMD_PATH] = {sizeof(struct cmd_path), WHEN_RUNNING, true, run_path},
	[CMD_DEADLINE] = {sizeof(struct cmd_epoch), WHEN_RUNNING, true, run_deadline},
	[CMD_DUMP] = {sizeof(struct cmd_head), WHEN_ANY, false, run_dump},
	[CMD_PATH_TRY] = {sizeof(struct cmd_path), WHEN_RUNNING, true, run_path_try},
};

static int run_one(struct worker_rt *rt, const struct cmd *c)
{
	const struct cmd_rule *rule;

	if (c->head.op >= CMD_OP_MAX || rules[c->head.op].run == NULL)
		return -EOPNOTSUPP;
	rule = &rules[c->head.op];
	if (c->head.bytes != rule->bytes || c->head.reserved != 0)
		return -EPROTO;
	if ((rule->when & 1u << rt->state) == 0)
		return -ESHUTDOWN;
	if (rule->session && c->head.session >= rt->w.dp->max_sessions)
		return -ERANGE;
	return rule->run(rt, c);
}

static bool answer(struct worker_rt *rt, const struct cmd_head *head, int status)
{
	struct event ev = {.ack = {.head = {.op = EV_ACK,
					   .bytes = sizeof(ev.ack),
					   .seq = head->seq,
					   .session = head->session},
				   .status = status,
				   .cmd_op = head->op}};

	return punt_event_send(rt, &ev);
}

// Returns whether the dump is over.
static bool dump_continue(struct worker_rt *rt)
{
	for (; rt->dump.next < rt->w.dp->max_sessions; rt->dump.next++) {
		if (keeper_is_home(rt, rt->dump.next) && !dump_session(rt, rt->dump.next))
			return false;
	}
	rt->dump.active = !answer(rt, &rt->dump.head, 0);
	return !rt->dump.active;
}

unsigned commands_run(struct worker_rt *rt)
{
	struct cmd c;
	unsigned n;
	int status;

	if (rt->rings == NULL || (rt->dump.active && !dump_continue(rt)))
		return 0;
	for (n = 0; n < COMMANDS_BURST && !rt->dump.active; n++) {
		if (sealed_ring_dequeue_wipe(&rt->rings->ring[RING_CMD], &c) == 0)
			break;
		status = run_one(rt, &c);
		if (!rt->dump.active)
			(void)answer(rt, &c.head, status);
		explicit_bzero(&c, sizeof(c));
	}
	if (rt->dump.active)
		(void)dump_continue(rt);
	return n;
}
