// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/trial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_random.h>

#include "pktgen/capture.h"
#include "pktgen/receiver.h"
#include "pktgen/talk.h"

#define TICK_US         10000
#define HELLO_S         1.0
#define QUIET_S         0.2  // nothing more arrived for so long
#define LATE_S          1.5  // and some are missing
#define REACHED         0.99 // of the rate asked for
#define REFUSALS_MATTER 0.01
#define PORT_MATTERS    0.5

const char *const limit_names[LIMIT_N] = {"none", "port", "core", "far_end"};

// What one lcore does, until it is told to stop.
struct work {
	struct sender *senders[2];
	struct receiver *receivers[2];
	unsigned n_senders, n_receivers;
	uint64_t hz;
	double cpu_share; // of the time it ran, not taken by others
	bool stop;
};

static struct sender senders[2];
static struct receiver receivers[2];
static struct work works[DEVICE_CORES_MAX];

static double seconds_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int work_loop(void *arg)
{
	struct work *w = arg;
	double cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID), time = seconds_of(CLOCK_MONOTONIC);

	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		for (unsigned i = 0; i < w->n_senders; i++) {
			if (!w->senders[i]->done)
				sender_round(w->senders[i], w->hz);
		}
		for (unsigned i = 0; i < w->n_receivers; i++)
			(void)receiver_round(w->receivers[i]);
	}
	cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID) - cpu;
	w->cpu_share = cpu / (seconds_of(CLOCK_MONOTONIC) - time);
	return 0;
}

static uint64_t peek(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

// ---------------------------------------------------------------- setting up

static void set_up(struct rig *rig, const struct sender_phase *phases, unsigned n_phases)
{
	uint8_t run = (uint8_t)(rte_rand() & 0xfe);
	static uint8_t last_run;
	unsigned role = 0;

	if (run == last_run)
		run += 2;
	last_run = run;
	memset(works, 0, sizeof(works));
	for (unsigned i = 0; i < rig->n_dirs; i++) {
		struct direction *d = &rig->dirs[i];
		struct work *w;

		memset(&senders[i], 0, sizeof(senders[i]));
		memset(&receivers[i], 0, sizeof(receivers[i]));
		if (d->tx != NULL) {
			senders[i] = (struct sender){
				.dev = d->tx,
				.heads = d->heads,
				.mix = &rig->mix,
				.capture = rig->capture,
				.n_flows = rig->capture != NULL ? 1 : d->spec.n_flows,
				.run = (uint8_t)(run + i),
				.n_phases = n_phases,
			};
			memcpy(senders[i].phases, phases, n_phases * sizeof(phases[0]));
			w = &works[role++ % rig->n_cores];
			w->senders[w->n_senders++] = &senders[i];
		}
		if (d->rx != NULL) {
			memset(d->accounts, 0, d->n_streams * sizeof(d->accounts[0]));
			receivers[i].dev = d->rx;
			receivers[i].accounts = d->accounts;
			receivers[i].n_streams = d->n_streams;
			receivers[i].dport = d->spec.dport;
			receivers[i].run = (uint8_t)(run + i);
			receivers[i].any_run = d->tx == NULL;
			w = &works[role++ % rig->n_cores];
			w->receivers[w->n_receivers++] = &receivers[i];
		}
	}
}

static int launch(struct rig *rig)
{
	uint64_t now = rte_rdtsc();

	for (unsigned i = 0; i < rig->n_dirs; i++) {
		if (rig->dirs[i].tx != NULL)
			sender_start(&senders[i], rig->hz, now);
	}
	for (unsigned i = 0; i < rig->n_cores; i++) {
		works[i].hz = rig->hz;
		if (works[i].n_senders + works[i].n_receivers > 0 &&
			rte_eal_remote_launch(work_loop, &works[i], i + 1) != 0)
			return -EIO;
	}
	return 0;
}

static void join(struct rig *rig)
{
	for (unsigned i = 0; i < rig->n_cores; i++)
		__atomic_store_n(&works[i].stop, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < rig->n_cores; i++)
		(void)rte_eal_wait_lcore(i + 1);
}

// ---------------------------------------------------------------- while it runs

struct shown {
	uint64_t at, tx_frames, tx_bytes, rx_frames, rx_bytes;
};

static void show(struct rig *rig, struct shown *last, uint64_t start, uint64_t now)
{
	double s = (double)(now - last->at) / (double)rig->hz;
	struct shown next = {.at = now};
	bool tx = rig->dirs[0].tx != NULL, rx = rig->dirs[0].rx != NULL;
	uint64_t wrong = 0;

	if (rig->progress == NULL)
		return;
	for (unsigned i = 0; i < rig->n_dirs; i++) {
		next.tx_frames += peek(&senders[i].frames);
		next.tx_bytes += peek(&senders[i].bytes);
		next.rx_frames += peek(&receivers[i].frames);
		next.rx_bytes += peek(&receivers[i].bytes);
		wrong += peek(&receivers[i].corrupted) + peek(&receivers[i].duplicated);
	}
	fprintf(rig->progress, "%s%4.0f s", rig->live ? "\r" : "",
		(double)(now - start) / (double)rig->hz);
	if (tx)
		fprintf(rig->progress, "  sent %8.4f Mpps %7.3f Gb/s",
			(double)(next.tx_frames - last->tx_frames) / s / 1e6,
			(double)(next.tx_bytes - last->tx_bytes) * 8 / s / 1e9);
	if (rx)
		fprintf(rig->progress, "  received %8.4f Mpps %7.3f Gb/s",
			(double)(next.rx_frames - last->rx_frames) / s / 1e6,
			(double)(next.rx_bytes - last->rx_bytes) * 8 / s / 1e9);
	if (tx && rx)
		fprintf(rig->progress, "  not back %llu",
			(unsigned long long)(next.tx_frames > next.rx_frames
						     ? next.tx_frames - next.rx_frames
						     : 0));
	if (wrong > 0)
		fprintf(rig->progress, "  wrong %llu", (unsigned long long)wrong);
	fprintf(rig->progress, "%s", rig->live ? "   " : "\n");
	fflush(rig->progress);
	*last = next;
}

static bool sending(const struct rig *rig)
{
	for (unsigned i = 0; i < rig->n_dirs; i++) {
		if (rig->dirs[i].tx != NULL && !__atomic_load_n(&senders[i].done, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

static bool all_back(const struct rig *rig)
{
	for (unsigned i = 0; i < rig->n_dirs; i++) {
		if (peek(&receivers[i].frames) < peek(&senders[i].frames))
			return false;
	}
	return true;
}

// A process that only receives knows what was sent when the sender has said it.
static bool end_is_near(const struct rig *rig, uint64_t quiet_ticks)
{
	const struct receiver *r = &receivers[0];

	return r->end.op == CTL_END && (peek(&r->frames) >= r->end.total ||
					       (double)quiet_ticks >= LATE_S * (double)rig->hz);
}

static uint64_t received(const struct rig *rig)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < rig->n_dirs; i++)
		n += peek(&receivers[i].frames) + peek(&receivers[i].n_ctl);
	return n;
}

// Keep the addresses that only receive in the tables on the way.
static void hello(struct rig *rig, uint64_t now, uint64_t *next)
{
	const struct direction *d = &rig->dirs[0];
	struct frame_spec back = d->spec;

	if (now < *next || rig->n_dirs > 1 || d->rx == NULL || d->rx == d->tx)
		return;
	*next = now + (uint64_t)(HELLO_S * (double)rig->hz);
	memcpy(back.smac, d->spec.dmac, 6);
	back.n_smacs = d->spec.n_dmacs;
	talk_hello(d->rx, &back);
}

static void wait_for_end(struct rig *rig)
{
	bool tx = rig->dirs[0].tx != NULL, rx = rig->dirs[0].rx != NULL;
	double wait_s = tx ? rig->settle_s : rig->receive_s;
	uint64_t start = rte_rdtsc(), since = start, changed = start, next_hello = 0, n = 0;
	struct shown last = {.at = start};
	bool was_sending = tx;

	for (;;) {
		uint64_t now;

		usleep(TICK_US);
		now = rte_rdtsc();
		if (now - last.at >= rig->hz)
			show(rig, &last, start, now);
		hello(rig, now, &next_hello);
		if (*rig->stop != 0)
			break;
		if (sending(rig))
			continue;
		if (was_sending)
			since = changed = now;
		was_sending = false;
		if (received(rig) != n)
			changed = now;
		n = received(rig);
		if (!rx || (double)(now - since) >= wait_s * (double)rig->hz)
			break;
		// Duplicates of the last frames get their moment, too; what is missing may be late.
		if ((double)(now - changed) < QUIET_S * (double)rig->hz)
			continue;
		if (tx ? all_back(rig) : end_is_near(rig, now - changed))
			break;
	}
	if (rig->live && rig->progress != NULL && last.at != start)
		fputc('\n', rig->progress);
}

// ---------------------------------------------------------------- adding up

static double mean_bytes(const struct rig *rig)
{
	return rig->capture != NULL ? rig->capture->mean : rig->mix.mean;
}

static enum limit judge(const struct trial_direction *d)
{
	bool behind;

	if (!d->sent)
		return d->received && d->lost > 0 ? LIMIT_FAR_END : LIMIT_NONE;
	behind = d->asked_pps == 0 || (double)d->tx_frames < d->asked_pps * d->tx_s * REACHED - 1;
	if (d->received && d->lost > 0 && (!behind || d->asked_pps == 0))
		return LIMIT_FAR_END;
	if (!behind)
		return LIMIT_NONE;
	return d->refused_share > REFUSALS_MATTER || d->port_share > PORT_MATTERS ? LIMIT_PORT
										  : LIMIT_CORE;
}

static double cpu_share_of(const struct rig *rig, const struct sender *s)
{
	for (unsigned i = 0; i < rig->n_cores; i++) {
		for (unsigned j = 0; j < works[i].n_senders; j++) {
			if (works[i].senders[j] == s)
				return works[i].cpu_share;
		}
	}
	return 0;
}

static void add_sender(const struct rig *rig, const struct sender *s, struct trial_direction *d)
{
	const struct rate *rate = &s->phases[s->n_phases - 1].rate;
	uint64_t end = s->end != 0 ? s->end : rte_rdtsc();

	d->sent = true;
	d->tx_frames = s->frames;
	d->tx_bytes = s->bytes;
	d->tx_s = (double)(end - s->start) / (double)rig->hz;
	d->skipped_s = (double)((s->pace.skipped + s->pace.owed) >> 16) / (double)rig->hz;
	// What a file asked for is what was sent, in the time less what was missed.
	d->asked_pps = rate->kind == RATE_PPS   ? rate->value
		       : rate->kind == RATE_BPS ? rate->value / 8 / mean_bytes(rig)
		       : rate->kind == RATE_RECORDED
			       ? (double)d->tx_frames / (d->tx_s - d->skipped_s)
			       : 0;
	d->refused_share = s->bursts > 0 ? (double)s->refused / (double)s->bursts : 0;
	d->idle_share = (double)s->idle / (double)(s->idle + s->bursts + 1);
	d->port_share = (double)s->port_ticks / (double)(end - s->start + 1);
	d->cpu_share = cpu_share_of(rig, s);
}

static void add_receiver(const struct rig *rig, const struct direction *dir,
	const struct receiver *r, const struct sender *s, struct trial_direction *d)
{
	uint32_t n_streams = s != NULL ? s->n_flows : r->end.op == CTL_END ? r->end.n_streams : 0;
	uint64_t total = s != NULL ? s->frames : r->end.total;

	d->received = true;
	d->rx_frames = r->frames;
	d->rx_bytes = r->bytes;
	d->rx_s = (double)(r->last - r->first) / (double)rig->hz;
	if (d->rx_s < d->tx_s)
		d->rx_s = d->tx_s;
	d->duplicated = r->duplicated;
	d->late = r->late;
	d->corrupted = r->corrupted;
	d->foreign = r->foreign;
	d->end_heard = s != NULL || r->end.op == CTL_END;
	d->latency_valid = s != NULL || (r->n_ctl > 0 && r->ctl.machine == talk_machine());
	for (uint32_t i = 0; i < dir->n_streams; i++) {
		const struct account *a = &dir->accounts[i];
		uint64_t sent = i < n_streams ? account_share(total, i, n_streams) : 0;

		d->reordered += a->reordered;
		d->lost += account_lost(a, sent);
		d->expected += sent > a->next ? sent : a->next;
	}
	if (s != NULL && s->n_phases > 1 && s->phase > 0 && r->gap_time != 0) {
		uint64_t since = (r->gap_time - s->phase_start[1]) & FRAME_TIME_MASK;

		d->recovery_s = since >> 47 != 0 ? 0 : (double)since / (double)rig->hz;
	}
}

static void add_up(struct rig *rig, struct trial *t)
{
	t->n_dirs = rig->n_dirs;
	t->interrupted = *rig->stop != 0;
	memset(t->latency, 0, sizeof(*t->latency));
	for (unsigned i = 0; i < rig->n_dirs; i++) {
		const struct direction *dir = &rig->dirs[i];
		struct trial_direction *d = &t->dirs[i];

		*d = (struct trial_direction){0};
		if (dir->tx != NULL)
			add_sender(rig, &senders[i], d);
		if (dir->rx != NULL) {
			add_receiver(
				rig, dir, &receivers[i], dir->tx != NULL ? &senders[i] : NULL, d);
			histogram_add(t->latency, &receivers[i].latency);
		}
		d->limited_by = judge(d);
		t->seconds = d->sent ? d->tx_s : d->rx_s;
	}
}

int trial_init(struct trial *t)
{
	*t = (struct trial){.latency = calloc(1, sizeof(*t->latency))};
	return t->latency != NULL ? 0 : -ENOMEM;
}

void trial_fini(struct trial *t)
{
	free(t->latency);
	t->latency = NULL;
}

int trial_run(
	struct rig *rig, const struct sender_phase *phases, unsigned n_phases, struct trial *t)
{
	int err;

	set_up(rig, phases, n_phases);
	err = launch(rig);
	if (err == 0)
		wait_for_end(rig);
	join(rig);
	if (err < 0)
		return err;
	for (unsigned i = 0; i < rig->n_dirs; i++)
		sender_finish(&senders[i]);
	add_up(rig, t);
	if (rig->dirs[0].tx != NULL && rig->dirs[0].rx == NULL)
		talk_end(rig->dirs[0].tx, &rig->dirs[0].spec, senders[0].run, senders[0].frames);
	return 0;
}

struct trial_direction trial_sum(const struct trial *t)
{
	struct trial_direction sum = t->dirs[0];

	for (unsigned i = 1; i < t->n_dirs; i++) {
		const struct trial_direction *d = &t->dirs[i];

		sum.tx_frames += d->tx_frames;
		sum.tx_bytes += d->tx_bytes;
		sum.asked_pps += d->asked_pps;
		sum.rx_frames += d->rx_frames;
		sum.rx_bytes += d->rx_bytes;
		sum.expected += d->expected;
		sum.lost += d->lost;
		sum.duplicated += d->duplicated;
		sum.reordered += d->reordered;
		sum.late += d->late;
		sum.corrupted += d->corrupted;
		sum.foreign += d->foreign;
		sum.tx_s = d->tx_s > sum.tx_s ? d->tx_s : sum.tx_s;
		sum.rx_s = d->rx_s > sum.rx_s ? d->rx_s : sum.rx_s;
		sum.cpu_share = d->cpu_share < sum.cpu_share ? d->cpu_share : sum.cpu_share;
		if (sum.limited_by == LIMIT_NONE)
			sum.limited_by = d->limited_by;
	}
	return sum;
}

double trial_loss_percent(const struct trial_direction *d)
{
	return d->expected > 0 ? 100.0 * (double)d->lost / (double)d->expected : 0;
}
