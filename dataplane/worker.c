// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/worker.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "config/gateway.h"
#include "dataplane/aead.h"
#include "dataplane/commands.h"
#include "dataplane/eal.h"
#include "dataplane/exception.h"
#include "dataplane/fdb.h"
#include "dataplane/keeper.h"
#include "dataplane/lan_to_wan.h"
#include "config/log.h"
#include "dataplane/punt.h"
#include "dataplane/runtime.h"
#include "dataplane/stats.h"
#include "dataplane/wan_to_lan.h"
#include "sandbox/crash.h"

#define CLOCK_NS_PER_S    1000000000ull
// With a descriptor to wait on for every queue, frames end a sleep at once; what a sleep delays
// then is only control.
#define SLEEP_WITH_FDS_US 1000
#define VIA_SLOTS         4096

static const struct worker_hooks hooks = {
	.punt = punt_handshake,
	.lane0 = punt_lane0,
	.path_block = keeper_path_block,
	.new_source = keeper_new_source,
	.foreign = exception_foreign,
	.event = punt_event,
};

// ---------------------------------------------------------------- the loop

void worker_clock(struct worker_rt *rt)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	rt->w.now_ns = (uint64_t)t.tv_sec * CLOCK_NS_PER_S + (uint64_t)t.tv_nsec;
	rt->w.now_s = (uint32_t)t.tv_sec;
}

static unsigned via_run(struct worker_rt *rt)
{
	unsigned total = 0;

	for (unsigned i = 0; i < rt->n_via; i++) {
		struct via *via = &rt->via[i];
		struct rte_mbuf *m[BATCH_MAX];
		unsigned n = rte_ring_sc_dequeue_burst(via->ring, (void **)m, BATCH_MAX, NULL);

		for (unsigned k = 0; k < n; k++)
			port_tx(&rt->w, via->port->idx, m[k]);
		total += n;
	}
	return total;
}

// Whom we left something and who sleeps.
static void wake_others(struct worker_rt *rt)
{
	for (unsigned i = 0; i < rt->w.dp->n_workers; i++) {
		struct worker_rt *other = worker_rt(rt->w.dp->worker[i]);
		bool waiting = !rte_ring_empty(other->w.inbox);

		if (other == rt)
			continue;
		for (unsigned v = 0; v < other->n_via && !waiting; v++)
			waiting = !rte_ring_empty(other->via[v].ring);
		if (waiting)
			worker_wake(other);
	}
}

unsigned worker_round(struct worker_rt *rt)
{
	unsigned n = 0;

	for (unsigned i = 0; i < rt->n_lan; i++) {
		n += lan_to_wan(&rt->w, &rt->lan[i]);
		port_tx_flush(&rt->w);
	}
	for (unsigned i = 0; i < rt->n_wan; i++) {
		n += wan_to_lan(&rt->w, &rt->wan[i]);
		port_tx_flush(&rt->w);
	}
	n += handoff_run(&rt->w);
	n += via_run(rt);
	n += exception_run(rt);
	port_tx_flush(&rt->w);
	if (n != 0)
		wake_others(rt);
	fdb_quiescent(rt->w.dp->fdb, rt->w.id);
	return n;
}

static void take_rings(struct worker_rt *rt)
{
	struct ring_set *fresh, *old;

	if (atomic_load_explicit(&rt->offered, memory_order_relaxed) == NULL)
		return;
	fresh = atomic_exchange_explicit(&rt->offered, NULL, memory_order_acquire);
	if (fresh == NULL)
		return;
	old = atomic_exchange_explicit(&rt->retired, rt->rings, memory_order_acq_rel);
	ring_set_destroy(old); // the main thread did not come for it in time
	rt->rings = fresh;
	rt->dump.active = false;
	rt->ring_doorbell = false;
	atomic_store_explicit(&rt->generation, fresh->generation, memory_order_release);
}

void worker_control(struct worker_rt *rt)
{
	take_rings(rt);
	commands_run(rt);
	punt_inject(rt);
	keeper_notes(rt);
	if (rt->w.now_ns >= rt->tick_at_ns) {
		rt->tick_at_ns = rt->w.now_ns + KEEPER_TICK_NS;
		keeper_tick(rt);
	}
	if (rt->w.id == 0 && rt->w.now_ns >= rt->loop_at_ns) {
		rt->loop_at_ns = rt->w.now_ns + LOOP_PROBE_NS;
		loop_probe(&rt->w);
	}
	port_tx_flush(&rt->w);
	punt_ring_doorbell(rt);
}

bool worker_was_left_work(struct worker_rt *rt)
{
	bool any = !rte_ring_empty(rt->w.inbox) || !rte_ring_empty(rt->notes);

	for (unsigned i = 0; i < rt->n_via && !any; i++)
		any = !rte_ring_empty(rt->via[i].ring);
	return any;
}

static void wait_for_work(struct worker_rt *rt)
{
	struct timespec limit = {.tv_nsec = (long)rt->sleep_us * 1000};
	struct pollfd fds[RT_QUEUES_MAX + 1];
	uint64_t count;
	ssize_t ignored;

	for (unsigned i = 0; i < rt->n_fds; i++)
		fds[i] = (struct pollfd){.fd = rt->fds[i], .events = POLLIN};
	fdb_reader_offline(rt->w.dp->fdb, rt->w.id);
	atomic_store(&rt->sleeping, true);
	// Somebody may have left something just before he could see that we sleep.
	if (!worker_was_left_work(rt))
		(void)ppoll(fds, rt->n_fds, &limit, NULL);
	atomic_store(&rt->sleeping, false);
	ignored = read(rt->wake_fd, &count, sizeof(count));
	(void)ignored;
	fdb_reader_online(rt->w.dp->fdb, rt->w.id);
	rt->w.stats->sleeps++;
}

static int worker_main(void *arg)
{
	struct worker_rt *rt = arg;
	struct stats_worker *stats = rt->w.stats;

	prctl(PR_SET_TIMERSLACK, 1000);
	crash_thread();
	worker_clock(rt);
	rt->busy_at_ns = rt->w.now_ns;
	fdb_reader_online(rt->w.dp->fdb, rt->w.id);
	atomic_store(&rt->state, WORKER_RUNNING);
	while (atomic_load_explicit(&rt->state, memory_order_relaxed) != WORKER_STOPPING) {
		unsigned n;

		worker_clock(rt);
		n = worker_round(rt);
		if (n != 0)
			rt->busy_at_ns = rt->w.now_ns;
		else
			stats->idle_rounds++;
		if ((++stats->rounds & WORKER_CONTROL_MASK) == 0 || n == 0)
			worker_control(rt);
		// A worker that is to be busy does not even yield: whoever wants its CPU has a fair
		// share of it from the kernel, and each yield would give away a whole slice more.
		if (rt->adaptive && n == 0 && rt->w.now_ns - rt->busy_at_ns > WORKER_SPIN_NS)
			wait_for_work(rt);
	}
	worker_control(rt);
	fdb_reader_offline(rt->w.dp->fdb, rt->w.id);
	return 0;
}

int worker_launch(struct worker_rt *rt)
{
	int err;

	atomic_store(&rt->state, WORKER_STARTING); // whatever a life before this one left
	err = rte_eal_remote_launch(worker_main, rt, rt->lcore);
	// Until it has made the calls that only a start needs (policy.h).
	while (err == 0 && atomic_load(&rt->state) == WORKER_STARTING)
		sched_yield();
	return err;
}

void worker_stop(struct worker_rt *rt)
{
	atomic_store(&rt->state, WORKER_STOPPING);
	worker_wake(rt);
}

void worker_join(struct worker_rt *rt)
{
	(void)rte_eal_wait_lcore(rt->lcore);
}

void worker_wake(struct worker_rt *rt)
{
	uint64_t one = 1;
	ssize_t ignored;

	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load(&rt->sleeping))
		return;
	ignored = write(rt->wake_fd, &one, sizeof(one));
	(void)ignored;
}

// ---------------------------------------------------------------- rings

void ring_set_destroy(struct ring_set *rings)
{
	if (rings == NULL)
		return;
	for (unsigned i = 0; i < RING_KINDS; i++)
		sealed_ring_fini(&rings->ring[i]);
	if (rings->doorbell_fd >= 0)
		close(rings->doorbell_fd);
	free(rings);
}

void worker_rings_offer(struct worker_rt *rt, struct ring_set *rings)
{
	// Rings that a worker has not even taken belong to a control that is gone.
	ring_set_destroy(atomic_exchange_explicit(&rt->offered, rings, memory_order_acq_rel));
	worker_wake(rt);
}

struct ring_set *worker_rings_retired(struct worker_rt *rt)
{
	return atomic_exchange_explicit(&rt->retired, NULL, memory_order_acquire);
}

// ---------------------------------------------------------------- set-up

int worker_create(struct runtime *rt, uint16_t id, struct worker_rt **ret_worker)
{
	struct worker_rt *worker = rte_zmalloc("worker", sizeof(*worker), RTE_CACHE_LINE_SIZE);
	char name[32];
	int err;

	if (worker == NULL)
		return -ENOMEM;
	worker->rt = rt;
	worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	worker->lcore = EAL_WORKER_LCORE(id);
	worker->adaptive = rt->cfg->polling == CONFIG_POLL_ADAPTIVE;
	worker->w.dp = &rt->dp;
	worker->w.pool = rt->pool;
	worker->w.super_pool = rt->super_pool;
	worker->w.hooks = &hooks;
	worker->w.runtime = worker;
	worker->w.stats = stats_worker_row(rt->stats, id);
	worker->w.session_stats = stats_session_rows(rt->stats, id);
	worker->w.id = id;
	snprintf(name, sizeof(name), "inbox%u.%x", id, (uint32_t)rt->boot_id);
	worker->w.inbox = rte_ring_create_elem(
		name, sizeof(struct handoff), HANDOFF_SLOTS, SOCKET_ID_ANY, RING_F_SC_DEQ);
	snprintf(name, sizeof(name), "notes%u.%x", id, (uint32_t)rt->boot_id);
	worker->notes = rte_ring_create_elem(
		name, sizeof(struct note), RT_NOTES, SOCKET_ID_ANY, RING_F_SC_DEQ);
	err = -ENOMEM;
	if (worker->wake_fd < 0 || worker->w.inbox == NULL || worker->notes == NULL)
		goto destroy;
	worker_clock(worker);
	err = aead_create(AEAD_ARCH_AUTO, &worker->w.aead);
	if (err < 0)
		goto destroy;
	err = worker_state_create(&worker->w, rt->cfg->reassembly_mib << 20);
	if (err < 0)
		goto destroy;
	err = keeper_create(worker);
	if (err < 0)
		goto destroy;
	rt->dp.worker[id] = &worker->w;
	*ret_worker = worker;
	return 0;

destroy:
	worker_destroy(worker);
	return err;
}

void worker_destroy(struct worker_rt *rt)
{
	if (rt == NULL)
		return;
	keeper_destroy(rt);
	worker_state_destroy(&rt->w);
	aead_destroy(rt->w.aead);
	ring_set_destroy(rt->rings);
	ring_set_destroy(atomic_load(&rt->offered));
	ring_set_destroy(atomic_load(&rt->retired));
	for (unsigned i = 0; i < rt->n_via; i++)
		rte_ring_free(rt->via[i].ring);
	rte_ring_free(rt->notes);
	rte_ring_free(rt->w.inbox);
	if (rt->wake_fd >= 0)
		close(rt->wake_fd);
	rte_free(rt);
}

static void take_queue(struct worker_rt *rt, struct port *port, uint16_t queue, int fd)
{
	struct port_rx rx = {.port = port, .queue = queue};

	if (port->role == LINK_ROLE_LAN)
		rt->lan[rt->n_lan++] = rx;
	else
		rt->wan[rt->n_wan++] = rx;
	if (fd >= 0)
		rt->fds[rt->n_fds++] = fd;
	else
		rt->all_fds = false;
}

// Queue by queue round the workers, LAN ports first: with two workers and one queue each way, one
// seals and the other opens.
static void share_queues(struct runtime *rt, uint8_t role, unsigned *next)
{
	for (unsigned p = 0; p < rt->dp.n_ports; p++) {
		if (rt->dp.port[p].role != role)
			continue;
		for (uint16_t q = 0; q < rt->port[p].n_queues; q++)
			take_queue(rt->worker[(*next)++ % rt->dp.n_workers], &rt->dp.port[p], q,
				rt->port[p].queue_fd[q]);
	}
}

// Who sends through queue q of a port: its own worker where every worker has a queue, otherwise one
// that receives from the other side, because what it receives leaves here.
static unsigned queue_owner(const struct runtime *rt, unsigned p, uint16_t q)
{
	uint8_t role = rt->dp.port[p].role;

	if (rt->port[p].n_queues >= rt->dp.n_workers)
		return q % rt->dp.n_workers;
	for (unsigned i = 0, seen = 0; i < rt->dp.n_workers; i++) {
		const struct worker_rt *w = rt->worker[i];

		if ((role == LINK_ROLE_LAN ? w->n_wan : w->n_lan) != 0 && seen++ == q)
			return i;
	}
	return q % rt->dp.n_workers;
}

static struct rte_ring *via_ring(struct runtime *rt, unsigned owner, unsigned p, uint16_t queue)
{
	struct worker_rt *w = rt->worker[owner];
	char name[32];

	for (unsigned i = 0; i < w->n_via; i++) {
		if (w->via[i].port == &rt->dp.port[p])
			return w->via[i].ring;
	}
	snprintf(name, sizeof(name), "via%u.%u.%x", owner, p, (uint32_t)rt->boot_id);
	w->via[w->n_via].ring = rte_ring_create(name, VIA_SLOTS, SOCKET_ID_ANY, RING_F_SC_DEQ);
	w->via[w->n_via].port = &rt->dp.port[p];
	w->via[w->n_via].queue = queue;
	return w->via[w->n_via].ring == NULL ? NULL : w->via[w->n_via++].ring;
}

static int wire_port(struct runtime *rt, unsigned p)
{
	struct port *port = &rt->dp.port[p];
	unsigned shared = queue_owner(rt, p, 0);

	for (uint16_t q = 0; q < rt->port[p].n_queues; q++) {
		struct port_tx *tx = &rt->worker[queue_owner(rt, p, q)]->w.tx[p];

		if (tx->port != NULL)
			continue; // a worker has more queues than it needs
		tx->port = port;
		tx->queue = q;
	}
	for (unsigned i = 0; i < rt->dp.n_workers; i++) {
		struct port_tx *tx = &rt->worker[i]->w.tx[p];

		if (tx->port != NULL)
			continue;
		tx->port = port;
		tx->via = via_ring(rt, shared, p, rt->worker[shared]->w.tx[p].queue);
		if (tx->via == NULL)
			return -ENOMEM;
	}
	return 0;
}

int workers_wire(struct runtime *rt)
{
	unsigned next = 0;
	int err;

	for (unsigned i = 0; i < rt->dp.n_workers; i++)
		rt->worker[i]->all_fds = true;
	share_queues(rt, LINK_ROLE_LAN, &next);
	share_queues(rt, LINK_ROLE_WAN, &next);
	for (unsigned p = 0; p < rt->dp.n_ports; p++) {
		err = wire_port(rt, p);
		if (err < 0)
			return err;
	}
	for (unsigned i = 0; i < rt->dp.n_workers; i++) {
		struct worker_rt *w = rt->worker[i];

		w->fds[w->n_fds++] = w->wake_fd;
		w->sleep_us = w->all_fds ? SLEEP_WITH_FDS_US : rt->cfg->idle_sleep_us;
	}
	return 0;
}
