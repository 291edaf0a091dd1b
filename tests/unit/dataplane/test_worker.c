// SPDX-License-Identifier: BSD-3-Clause
// Workers as threads: they carry frames together, sleep when there is nothing, and hear at once.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dataplane/fdb.h"
#include "dataplane/worker.h"
#include "tests/unit/dataplane/runtime_rig.h"

#define N_WORKERS   2
#define WIRE_SLOTS  2048
#define FRAMES      20000
#define FRAME_BYTES 200
#define PATIENCE_S  20

// Ports of a and b as rings: the WAN ports are joined crosswise.
static struct rte_ring *lan_in[2], *lan_out[2], *wan[2];
static struct rt_rig *a, *b;

static uint16_t ring_rx(struct port *p, uint16_t, struct rte_mbuf **m, uint16_t n)
{
	struct rt_rig *r = p->ctx;
	unsigned i = r->id - 1u;

	return (uint16_t)rte_ring_dequeue_burst(
		p->idx == RT_LAN ? lan_in[i] : wan[1 - i], (void **)m, n, NULL);
}

static uint16_t ring_tx(struct port *p, uint16_t, struct rte_mbuf **m, uint16_t n)
{
	struct rt_rig *r = p->ctx;
	unsigned i = r->id - 1u;

	return (uint16_t)rte_ring_enqueue_burst(
		p->idx == RT_LAN ? lan_out[i] : wan[i], (void **)m, n, NULL);
}

static struct rte_ring *make_ring(const char *name, unsigned i)
{
	char full[32];
	struct rte_ring *r;

	snprintf(full, sizeof(full), "%s%u", name, i);
	r = rte_ring_create(full, WIRE_SLOTS, SOCKET_ID_ANY, 0);
	assert_non_null(r);
	return r;
}

static struct rt_rig *make(uint8_t id)
{
	struct rt_rig *r = rt_rig_create(id, N_WORKERS);

	for (unsigned i = 0; i < 2; i++) {
		r->rt->dp.port[i].rx = ring_rx;
		r->rt->dp.port[i].tx = ring_tx;
	}
	for (unsigned i = 0; i < N_WORKERS; i++) {
		r->rt->worker[i]->lcore = 1 + (id - 1u) * N_WORKERS + i;
		worker_clock(r->rt->worker[i]);
	}
	rt_rig_attach(r, 1);
	return r;
}

static void launch(struct rt_rig *r)
{
	for (unsigned i = 0; i < N_WORKERS; i++) {
		fdb_reader_offline(r->rt->dp.fdb, i);
		assert_int_equal(worker_launch(r->rt->worker[i]), 0);
	}
}

static void stop(struct rt_rig *r)
{
	for (unsigned i = 0; i < N_WORKERS; i++)
		worker_stop(r->rt->worker[i]);
	for (unsigned i = 0; i < N_WORKERS; i++)
		worker_join(r->rt->worker[i]);
}

static int set_up(void **)
{
	for (unsigned i = 0; i < 2; i++) {
		lan_in[i] = make_ring("lan_in", i);
		lan_out[i] = make_ring("lan_out", i);
		wan[i] = make_ring("wan", i);
	}
	a = make(1);
	b = make(2);
	rt_rig_join(a, b);
	launch(a);
	launch(b);
	return 0;
}

static void empty(struct rte_ring *r)
{
	void *m;

	while (rte_ring_dequeue(r, &m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(r);
}

static int tear_down(void **)
{
	stop(a);
	stop(b);
	rt_rig_destroy(a);
	rt_rig_destroy(b);
	for (unsigned i = 0; i < 2; i++) {
		empty(lan_in[i]);
		empty(lan_out[i]);
		empty(wan[i]);
	}
	return 0;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct rte_mbuf *numbered_frame(uint32_t number)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(a->rt->pool);
	uint8_t *at;

	if (m == NULL)
		return NULL;
	at = (uint8_t *)rte_pktmbuf_append(m, FRAME_BYTES);
	if (at == NULL) { // too small a buffer: the caller finds no frame and fails
		rte_pktmbuf_free(m);
		return NULL;
	}
	memset(at, 0x5c, FRAME_BYTES);
	memcpy(at, (uint8_t[]){2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5}, 14);
	memcpy(at + 14, &number, sizeof(number));
	return m;
}

static void frames_cross_in_order_through_hand_off_and_shared_queues(void **)
{
	uint64_t until = now_ms() + PATIENCE_S * 1000;
	uint32_t sent = 0, got = 0;

	while (got < FRAMES && now_ms() < until) {
		struct rte_mbuf *m;

		while (sent < FRAMES && sent - got < 256 && (m = numbered_frame(sent)) != NULL) {
			assert_int_equal(rte_ring_enqueue(lan_in[0], m), 0);
			sent++;
		}
		while (rte_ring_dequeue(lan_out[1], (void **)&m) == 0) {
			uint32_t number;

			assert_int_equal(m->pkt_len, FRAME_BYTES);
			memcpy(&number, rte_pktmbuf_mtod_offset(m, uint8_t *, 14), sizeof(number));
			assert_int_equal(number, got);
			got++;
			rte_pktmbuf_free(m);
		}
		usleep(100);
	}
	assert_int_equal(got, FRAMES);
	// The wire has one queue, so b's second worker received and gave to the lane's owner.
	assert_true(b->rt->worker[1]->w.stats->handed_off > 0);
}

static void idle_workers_sleep_and_a_command_is_still_answered_soon(void **)
{
	struct cmd c = {.head = {.session = NO_SESSION}};
	uint64_t before, from;
	uint32_t seq;
	int status;

	usleep(50000);
	before = a->rt->worker[0]->w.stats->sleeps;
	usleep(50000);
	assert_true(a->rt->worker[0]->w.stats->sleeps > before);
	seq = rt_rig_command(a, 0, &c, CMD_DUMP, sizeof(c.head));
	from = now_ms();
	while ((status = rt_rig_status(a, 0, seq)) == 1 && now_ms() < from + 2000)
		usleep(100);
	assert_int_equal(status, 0);
}

static double seconds_of(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// Everything here is on one CPU, of which two workers that spin and this thread get a third each.
// Who yields whenever there is no frame gets next to nothing, and frames wait as long.
static void busy_workers_keep_their_share_of_a_cpu_that_others_want(void **)
{
	double all, mine, end;

	stop(a);
	stop(b);
	for (unsigned i = 0; i < N_WORKERS; i++)
		a->rt->worker[i]->adaptive = false;
	launch(a);
	all = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
	mine = seconds_of(CLOCK_THREAD_CPUTIME_ID);
	end = mine + 0.3;
	while (seconds_of(CLOCK_THREAD_CPUTIME_ID) < end)
		;
	all = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - all;
	mine = seconds_of(CLOCK_THREAD_CPUTIME_ID) - mine;
	stop(a);
	assert_true(mine / all < 0.5);
	// For tear_down().
	for (unsigned i = 0; i < N_WORKERS; i++)
		a->rt->worker[i]->adaptive = true;
	launch(a);
	launch(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			frames_cross_in_order_through_hand_off_and_shared_queues, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			idle_workers_sleep_and_a_command_is_still_answered_soon, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			busy_workers_keep_their_share_of_a_cpu_that_others_want, set_up, tear_down),
	};

	rt_rig_init(1 + 2 * N_WORKERS);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
