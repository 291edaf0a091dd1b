// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/gateway/control.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <sodium.h>

#include "controlplane/common/clock.h"
#include "controlplane/gateway/policy.h"
#include "config/log.h"

#define TICK_MS       1000
#define TS_RESERVE_US 60000000ull // written ahead: one write a minute, whatever is sent
#define TS_AHEAD_US   100000ull   // the same where the clock has fallen behind

struct peer_now control_now(void)
{
	return (struct peer_now){.mono_us = clock_mono_us(), .unix_us = clock_unix_us()};
}

uint64_t control_next_ts(struct control *c)
{
	uint64_t now = clock_unix_us(), reserved = c->ts_reserved;
	uint64_t ts = now > c->ts_last ? now : c->ts_last + 1;

	if (ts >= c->ts_reserved) {
		// Each restart skips what was reserved. Crashes in a row must not carry us far
		// ahead of the clock, where a gateway that lost its state could not follow itself.
		c->ts_reserved = ts + (ts > now ? TS_AHEAD_US : TS_RESERVE_US);
		if (state_save(c) < 0) {
			c->ts_reserved = reserved;
			return 0;
		}
	}
	c->ts_last = ts;
	return ts;
}

// ------------------------------------------------------------------ time

static void tell_systemd(struct control *c)
{
	unsigned n_up = 0, n = 0;

	for (uint32_t i = 0; i < c->n_slots; i++) {
		if (c->peers[i] == NULL || !c->peers[i]->wanted)
			continue;
		n++;
		n_up += c->peers[i]->sm.state == PEER_UP;
	}
	sd_notifyf(0, "STATUS=%u of %u peers up; hub %s; data-plane %s", n_up, n,
		c->hub != NULL && hublink_get_state(c->hub) == HUBLINK_UP ? "connected"
									  : "not connected",
		dplink_ready(c->dplink) ? "running" : "absent");
	if (c->watchdog_us != 0)
		sd_notify(0, "WATCHDOG=1");
}

static void rotate_cookies(struct control *c, uint64_t mono_s)
{
	uint8_t rnd[32];

	if (!cookie_rotation_due(&c->env.jar, mono_s))
		return;
	randombytes_buf(rnd, sizeof(rnd));
	cookie_rotate(&c->env.jar, mono_s, rnd);
	sodium_memzero(rnd, sizeof(rnd));
}

static void on_tick(uv_timer_t *timer)
{
	struct control *c = timer->data;
	struct peer_now now = control_now();

	rotate_cookies(c, now.mono_us / 1000000);
	if (pair_slot(now.unix_us / 1000000) != c->tags_slot)
		c->tags_dirty = true;
	for (uint32_t i = 0; i < c->n_slots; i++) {
		if (c->peers[i] == NULL)
			continue;
		peer_tick(&c->peers[i]->sm, &now);
		peers_rearm(c->peers[i]);
	}
	if (dplink_ready(c->dplink))
		paths_refresh(c);
	hubclient_tick(c);
	silence_tick(c);
	tell_systemd(c);
}

static void on_flush(uv_prepare_t *prepare)
{
	struct control *c = prepare->data;

	if (c->tags_dirty)
		sessions_tags(c);
	if (c->outbox.n > 0)
		paths_flush(c);
}

static int arm_clock(struct control *c)
{
	// Expires never; cancelled whenever somebody sets the clock.
	struct itimerspec never = {.it_value = {.tv_sec = 0x7fffffff}};

	return timerfd_settime(
		       c->clock_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) < 0
		       ? -errno
		       : 0;
}

static void on_clock(uv_poll_t *poll, int status, int events)
{
	struct control *c = poll->data;
	uint64_t n;

	if (read(c->clock_fd, &n, sizeof(n)) >= 0 || errno != ECANCELED)
		return;
	log_notice("the clock was set: deadlines and tags follow");
	arm_clock(c);
	c->tags_dirty = true;
	sessions_deadlines(c);
	// A certificate may have become valid, or stopped being so.
	control_identity_load(c);
}

static void watch_clock(struct control *c)
{
	c->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (c->clock_fd < 0 || arm_clock(c) < 0 ||
		uv_poll_init(&c->loop, &c->clock_poll, c->clock_fd) < 0)
		return;
	c->clock_poll.data = c;
	uv_poll_start(&c->clock_poll, UV_READABLE, on_clock);
}

// ------------------------------------------------------------------ signals

static void on_signal(uv_signal_t *sig, int signum)
{
	struct control *c = sig->data;
	struct config_error err;

	if (signum != SIGHUP) {
		control_stop(c, 0);
		return;
	}
	if (control_reload(c, &err, NULL) < 0)
		config_error_print(stderr, &err);
}

static void on_signer(uv_poll_t *poll, int status, int events)
{
	struct control *c = poll->data;

	log_error("postern-signer has ended: nothing can be signed any more; stopping, so that the "
		  "supervisor starts both afresh");
	control_stop(c, 1);
}

static void watch_signals(struct control *c)
{
	struct {
		uv_signal_t *handle;
		int signum;
	} sigs[] = {{&c->sig_term, SIGTERM}, {&c->sig_int, SIGINT}, {&c->sig_hup, SIGHUP}};

	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		uv_signal_init(&c->loop, sigs[i].handle);
		sigs[i].handle->data = c;
		uv_signal_start(sigs[i].handle, on_signal, sigs[i].signum);
	}
	if (uv_poll_init(&c->loop, &c->signer_poll, signer_fd(c->signer)) == 0) {
		c->signer_poll.data = c;
		uv_poll_start(&c->signer_poll, UV_READABLE | UV_DISCONNECT, on_signer);
	}
}

// ------------------------------------------------------------------ life

static int open_peers(struct control *c)
{
	c->n_slots = c->config->dataplane.max_peers;
	c->peers = calloc(c->n_slots, sizeof(*c->peers));
	c->jobs = calloc(CONTROL_JOBS_MAX, sizeof(*c->jobs));
	if (c->peers == NULL || c->jobs == NULL)
		return -ENOMEM;
	c->env.rekey_us = c->config->policy.rekey_s * CLOCK_US_PER_S;
	c->env.key_life_us = c->config->policy.key_life_s * CLOCK_US_PER_S;
	return 0;
}

// Peers of an old state that nobody wants any more keep nothing but their key memory and slot.
static void forget_unwanted(struct control *c)
{
	for (uint32_t i = 0; i < c->n_slots; i++) {
		struct gw_peer *gp = c->peers[i];

		if (gp != NULL && !gp->wanted && !gp->configured)
			peers_drop(c, gp);
	}
}

static int start_links(struct control *c)
{
	char path[CONFIG_RUN_DIR_MAX + 32];
	int err = netlink_create(&c->loop, paths_changed, c, &c->netlink);

	if (err < 0) {
		log_error("netlink: %s", strerror(-err));
		return err;
	}
	snprintf(path, sizeof(path), "%s/dataplane.sock", c->config->dataplane.run_dir);
	err = dplink_create(&c->loop, path, &sessions_ops, c, &c->dplink);
	if (err < 0) {
		log_error("%s: %s", path, strerror(-err));
		return err;
	}
	err = api_start(c);
	if (err < 0)
		return err;
	return hubclient_start(c);
}

static int start(struct control *c)
{
	uint8_t rnd[32];
	int err;

	uv_timer_init(&c->loop, &c->save);
	uv_timer_init(&c->loop, &c->tick);
	uv_prepare_init(&c->loop, &c->flush);
	c->save.data = c->tick.data = c->flush.data = c;
	err = open_peers(c);
	if (err == 0)
		err = control_identity_open(c);
	if (err < 0)
		return err;
	// Not being enrolled is no reason to stop: the API tells what to do, SIGHUP tries again.
	control_identity_load(c);
	err = policy_become(c);
	if (err < 0) {
		log_error("privileges cannot be given up: %s", strerror(-err));
		return err;
	}
	err = state_load(c);
	if (err == 0)
		err = peers_configure(c, c->config);
	if (err < 0)
		return err;
	forget_unwanted(c);
	randombytes_buf(rnd, sizeof(rnd));
	cookie_init(&c->env.jar, clock_mono_us() / CLOCK_US_PER_S, rnd);
	sodium_memzero(rnd, sizeof(rnd));
	silence_start(c);
	err = start_links(c);
	if (err < 0)
		return err;
	watch_signals(c);
	watch_clock(c);
	uv_timer_start(&c->tick, on_tick, TICK_MS, TICK_MS);
	uv_prepare_start(&c->flush, on_flush);
	// What came from outside has not been read yet: that is the loop's.
	err = policy_enter(c);
	if (err < 0)
		log_error("cannot shut itself in: %s", strerror(-err));
	return err;
}

static void close_handle(uv_handle_t *handle, void *)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void stop_links(struct control *c)
{
	rpc_server_destroy(c->rpc);
	c->rpc = NULL;
	hubclient_stop(c);
	dplink_destroy(c->dplink);
	netlink_destroy(c->netlink);
	peers_free(c);
	silence_stop(c);
}

void control_stop(struct control *c, int exit_code)
{
	if (c->stopping)
		return;
	c->stopping = true;
	c->exit_code = exit_code;
	sd_notify(0, "STOPPING=1");
	uv_stop(&c->loop);
}

static void finish(struct control *c)
{
	c->stopping = true;
	if (c->state_dirty)
		state_save(c);
	stop_links(c);
	// The objects close their own handles; what is left belongs to this file.
	uv_run(&c->loop, UV_RUN_NOWAIT);
	uv_walk(&c->loop, close_handle, NULL);
	uv_run(&c->loop, UV_RUN_DEFAULT);
	uv_loop_close(&c->loop);
	control_identity_close(c);
	if (c->clock_fd >= 0)
		close(c->clock_fd);
	free(c->outbox.list);
	free(c->waiting.list);
	free(c->survivors);
	free(c->revocations);
	free(c->peers);
	free(c->jobs);
	config_free_gateway(c->config);
	free(c->config_path);
	sodium_memzero(c, sizeof(*c));
	free(c);
}

int control_run(const char *config_path, struct gateway_config *config)
{
	struct control *c = calloc(1, sizeof(*c));
	uint64_t watchdog_us;
	int err;

	if (c == NULL)
		return 1;
	c->config = config;
	c->config_path = strdup(config_path);
	c->clock_fd = -1;
	c->started_us = clock_mono_us();
	uv_loop_init(&c->loop);
	err = start(c);
	if (err < 0) {
		c->exit_code = 1;
	} else {
		if (sd_watchdog_enabled(0, &watchdog_us) > 0)
			c->watchdog_us = watchdog_us;
		log_notice("postern-control: %s in network %s is running", config->name,
			config->network);
		sd_notify(0, "READY=1");
		tell_systemd(c);
		uv_run(&c->loop, UV_RUN_DEFAULT);
	}
	err = c->exit_code;
	finish(c);
	return err;
}
