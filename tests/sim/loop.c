// SPDX-License-Identifier: BSD-3-Clause
// Virtual time: the clock calls and libuv's timers as the gateways' code uses them.
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <sodium.h>

#define ACTIVE  1u
#define CLOSING 2u

static struct sim_gateway *current;
static uv_timer_t **timers;
static size_t n_timers, cap_timers;

void loop_enter(struct sim_gateway *g)
{
	current = g;
}

struct sim_gateway *loop_current(void)
{
	return current;
}

// ------------------------------------------------------------------ what libc and libuv offer

int clock_gettime(clockid_t id, struct timespec *ret)
{
	uint64_t us = world.now_us;

	if (world.n == 0) // no world yet: libraries begin
		return (int)syscall(SYS_clock_gettime, id, ret);
	if (id == CLOCK_REALTIME)
		us += SIM_UNIX_S * SIM_S + (current != NULL ? (uint64_t)current->unix_off_us : 0);
	else
		us += current != NULL ? current->mono_base_us : 0;
	*ret = (struct timespec){
		.tv_sec = (time_t)(us / SIM_S), .tv_nsec = (long)(us % SIM_S) * 1000};
	return 0;
}

ssize_t getrandom(void *buf, size_t len, unsigned)
{
	randombytes_buf(buf, len);
	return (ssize_t)len;
}

// A handle's own fields are libuv's; here: flags, the callback, `timeout` in µs of the world.
int uv_timer_init(uv_loop_t *loop, uv_timer_t *t)
{
	void *data = t->data;

	memset(t, 0, sizeof(*t));
	t->data = data;
	t->loop = loop;
	return 0;
}

static void forget(const uv_timer_t *t)
{
	for (size_t i = 0; i < n_timers; i++) {
		if (timers[i] != t)
			continue;
		memmove(&timers[i], &timers[i + 1], (--n_timers - i) * sizeof(*timers));
		return;
	}
}

static void remember(uv_timer_t *t)
{
	forget(t);
	if (n_timers == cap_timers) {
		cap_timers = cap_timers == 0 ? 64 : 2 * cap_timers;
		timers = realloc(timers, cap_timers * sizeof(*timers));
		if (timers == NULL)
			abort();
	}
	timers[n_timers++] = t;
}

int uv_timer_start(uv_timer_t *t, uv_timer_cb cb, uint64_t timeout_ms, uint64_t repeat_ms)
{
	t->timer_cb = cb;
	t->timeout = world.now_us + timeout_ms * 1000;
	t->repeat = repeat_ms * 1000;
	t->flags |= ACTIVE;
	remember(t);
	return 0;
}

int uv_timer_stop(uv_timer_t *t)
{
	t->flags &= ~ACTIVE;
	forget(t);
	return 0;
}

int uv_is_active(const uv_handle_t *h)
{
	return (h->flags & ACTIVE) != 0;
}

int uv_is_closing(const uv_handle_t *h)
{
	return (h->flags & CLOSING) != 0;
}

void uv_update_time(uv_loop_t *)
{
}

// The callback comes from the loop, not from in here.
static void on_close(uv_timer_t *t)
{
	t->close_cb((uv_handle_t *)t);
}

void uv_close(uv_handle_t *h, uv_close_cb cb)
{
	uv_timer_t *t = (uv_timer_t *)h;

	t->flags |= CLOSING;
	t->close_cb = cb;
	uv_timer_stop(t);
	if (cb != NULL)
		uv_timer_start(t, on_close, 0, 0);
}

// ------------------------------------------------------------------ the loop

static struct sim_gateway *owner(const uv_timer_t *t)
{
	for (unsigned i = 0; i < world.n; i++) {
		if (world.gw[i].c != NULL && t->loop == &world.gw[i].c->loop)
			return &world.gw[i];
	}
	return NULL;
}

uint64_t loop_next_us(void)
{
	uint64_t next = SIM_NEVER;

	for (size_t i = 0; i < n_timers; i++) {
		if (timers[i]->timeout < next)
			next = timers[i]->timeout;
	}
	return next;
}

void loop_run_due(void)
{
	for (unsigned guard = 0; guard < 10000; guard++) {
		uv_timer_t *due = NULL;

		for (size_t i = 0; i < n_timers && due == NULL; i++) {
			if (timers[i]->timeout <= world.now_us)
				due = timers[i];
		}
		if (due == NULL)
			return;
		current = owner(due);
		if (current != NULL)
			current->busy = true;
		if (due->repeat > 0)
			due->timeout = world.now_us + due->repeat;
		else
			uv_timer_stop(due);
		due->timer_cb(due);
	}
	sim_fail("a timer does not come to rest");
}

void loop_forget(const uv_loop_t *loop)
{
	for (size_t i = n_timers; i-- > 0;) {
		uv_timer_t *t = timers[i];

		if (t->loop != loop)
			continue;
		uv_timer_stop(t);
		if (t->flags & CLOSING)
			on_close(t); // what it frees is ours, not the dead process's
	}
}
