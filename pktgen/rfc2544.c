// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/rfc2544.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "pktgen/options.h"
#include "pktgen/report.h"
#include "pktgen/search.h"
#include "pktgen/trial.h"
#include "version.h"

#define TOP_TRIAL_S    2.0  // how fast the sender is by itself
#define TRIAL_REACHED  0.99 // of a rate: the sender kept it
#define TRIES          3    // a trial in which the sender lost its CPU is no verdict
#define CONFIRM_STEPS  5    // down from a rate that does not hold
#define LOSS_STEP      0.1  // RFC 2544 26.3: ten percent or less
#define OVERLOAD       1.10 // 26.5
#define AFTER_OVERLOAD 0.5

struct bench {
	const struct options *o;
	struct rig *rig;
	struct trial trial;
	struct trial_direction sum; // of the trial
	const struct size_row *row;
	json_t *rows, *trials;
	bool failed;
	bool table; // standard output is for people
};

static uint64_t ticks(const struct bench *b, double s)
{
	return (uint64_t)(s * (double)b->rig->hz);
}

static bool stopped(const struct bench *b)
{
	return b->failed || *b->rig->stop != 0;
}

__attribute__((format(printf, 2, 3))) static void print(const struct bench *b, const char *fmt, ...)
{
	va_list ap;

	if (!b->table)
		return;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	fflush(stdout);
}

static double gbps(const struct bench *b, double pps)
{
	return pps * b->row->mix.mean * 8 / 1e9;
}

// ---------------------------------------------------------------- one trial

static void trial(struct bench *b, const struct sender_phase *phases, unsigned n)
{
	double s;

	if (trial_run(b->rig, phases, n, &b->trial) < 0) {
		fprintf(stderr, "postern-pktgen: DPDK does not start the sending or receiving "
				"thread\n");
		b->failed = true;
		return;
	}
	b->sum = trial_sum(&b->trial);
	s = b->sum.tx_s > 0 ? b->sum.tx_s : 1;
	json_array_append_new(b->trials,
		json_pack("{s:s, s:f, s:f, s:f, s:I, s:f, s:f, s:s}", "size", b->row->name,
			"asked_pps", b->sum.asked_pps, "tx_pps", (double)b->sum.tx_frames / s,
			"duration_s", s, "lost", (json_int_t)b->sum.lost, "loss_percent",
			trial_loss_percent(&b->sum), "cpu_share", b->sum.cpu_share, "limited_by",
			limit_names[b->sum.limited_by]));
	if (b->rig->progress != NULL)
		fprintf(b->rig->progress, "%s bytes: %.4f Mpps for %.2f s, lost %llu (%.4f %%)\n",
			b->row->name, (double)b->sum.tx_frames / s / 1e6, s,
			(unsigned long long)b->sum.lost, trial_loss_percent(&b->sum));
}

static bool loss_is_fine(const struct bench *b)
{
	return b->sum.rx_frames > 0 && trial_loss_percent(&b->sum) <= b->o->loss_percent;
}

static double tx_pps(const struct bench *b)
{
	return b->sum.tx_s > 0 ? (double)b->sum.tx_frames / b->sum.tx_s : 0;
}

// At a rate. Repeated where nothing was lost because the sender did not keep the rate, which says
// little about what is measured; after that it counts as what it was.
static bool rate_passes(struct bench *b, double pps)
{
	struct sender_phase phase = {
		.rate = {RATE_PPS, pps / b->rig->n_dirs}, .ticks = ticks(b, b->o->trial_s)};

	for (unsigned i = 0; i < TRIES && !stopped(b); i++) {
		trial(b, &phase, 1);
		if (!loss_is_fine(b))
			return false;
		if (tx_pps(b) >= pps * TRIAL_REACHED)
			break;
	}
	return !b->failed;
}

// The most there is to try: what was asked for, or what the sender does by itself.
static double top_pps(struct bench *b)
{
	const struct rate *rate = &b->o->rate;
	struct sender_phase phase = {
		.ticks = ticks(b, b->o->trial_s < TOP_TRIAL_S ? b->o->trial_s : TOP_TRIAL_S)};

	if (rate->kind == RATE_PPS)
		return rate->value;
	if (rate->kind == RATE_BPS)
		return rate->value / 8 / b->row->mix.mean;
	trial(b, &phase, 1);
	return tx_pps(b);
}

// ---------------------------------------------------------------- procedures

struct throughput {
	double top;
	double pps;     // of the last trial that passed, as it was sent
	bool kept;      // the sender kept the rate in it
	bool confirmed; // it passed twice
};

static void note_passed(struct bench *b, struct throughput *t, double asked)
{
	t->pps = tx_pps(b);
	t->kept = t->pps >= asked * TRIAL_REACHED;
}

static struct throughput find_throughput(struct bench *b)
{
	struct throughput t = {.top = top_pps(b)};
	double step = t.top * b->o->resolution_percent / 100, pps;
	struct search search;

	search_start(&search, t.top, step);
	while (!stopped(b) && search_next(&search, &pps)) {
		bool passed = rate_passes(b, pps);

		if (passed)
			note_passed(b, &t, pps);
		search_tell(&search, pps, passed);
	}
	pps = search.passed;
	for (unsigned i = 0; i < CONFIRM_STEPS && b->o->confirm && pps > 0 && !stopped(b); i++) {
		t.confirmed = rate_passes(b, pps);
		if (t.confirmed) {
			note_passed(b, &t, pps);
			break;
		}
		pps = pps > step ? pps - step : 0;
		t.pps = pps;
	}
	return t;
}

static void throughput(struct bench *b)
{
	struct throughput t = find_throughput(b);
	double percent = t.top > 0 ? 100 * t.pps / t.top : 0;
	bool limited = t.pps > 0 && (!t.kept || t.pps >= t.top * TRIAL_REACHED);

	print(b, "%8s  %10.4f Mpps  %8.4f Gb/s  %5.1f %% of %.4f Mpps offered%s%s\n", b->row->name,
		t.pps / 1e6, gbps(b, t.pps), percent, t.top / 1e6,
		!b->o->confirm ? ""
		: t.confirmed  ? ", confirmed"
			       : ", NOT confirmed",
		limited ? "; the sender could do no more" : "");
	json_array_append_new(b->rows,
		json_pack("{s:s, s:f, s:f, s:f, s:f, s:b, s:b}", "size", b->row->name, "pps", t.pps,
			"gbps", gbps(b, t.pps), "offered_max_pps", t.top, "percent_of_max", percent,
			"confirmed", t.confirmed, "sender_limited", limited));
}

// What the device under test is known to carry, or what is found.
static double known_pps(struct bench *b)
{
	return b->o->rate.kind == RATE_MAX ? find_throughput(b).pps : top_pps(b);
}

static void latency(struct bench *b)
{
	double full = known_pps(b);

	for (unsigned i = 0; i < b->o->n_shares && full > 0 && !stopped(b); i++) {
		double pps = full * b->o->shares[i] / 100;
		json_t *found;

		(void)rate_passes(b, pps);
		found = report_latency(b->rig, &b->trial);
		print(b,
			"%8s  %5.1f %%  %10.4f Mpps  p50 %.1f  p99 %.1f  p99.9 %.1f  max %.1f µs\n",
			b->row->name, b->o->shares[i], pps / 1e6,
			json_real_value(json_object_get(found, "p50")),
			json_real_value(json_object_get(found, "p99")),
			json_real_value(json_object_get(found, "p999")),
			json_real_value(json_object_get(found, "max")));
		json_array_append_new(
			b->rows, json_pack("{s:s, s:f, s:f, s:o, s:f}", "size", b->row->name,
					 "share_percent", b->o->shares[i], "pps", pps, "latency_us",
					 found, "loss_percent", trial_loss_percent(&b->sum)));
	}
}

static void loss(struct bench *b)
{
	double top = top_pps(b);
	unsigned clean = 0;

	for (double share = 1; share > LOSS_STEP / 2 && clean < 2 && !stopped(b);
		share -= LOSS_STEP) {
		bool fine = rate_passes(b, top * share);

		clean = fine ? clean + 1 : 0;
		print(b, "%8s  %3.0f %%  %10.4f Mpps  lost %.4f %%\n", b->row->name, share * 100,
			top * share / 1e6, trial_loss_percent(&b->sum));
		json_array_append_new(
			b->rows, json_pack("{s:s, s:f, s:f, s:f, s:f, s:f}", "size", b->row->name,
					 "offered_percent", share * 100, "offered_pps", top * share,
					 "tx_pps", tx_pps(b), "rx_pps",
					 (double)b->sum.rx_frames / b->sum.tx_s, "loss_percent",
					 trial_loss_percent(&b->sum)));
	}
}

static void back_to_back(struct bench *b)
{
	double top = floor(top_pps(b) * b->o->trial_s), sum = 0, least = 0;
	struct sender_phase phase = {.rate = b->o->rate};
	struct search search;
	unsigned runs = 0;

	for (; runs < b->o->repeat && !stopped(b); runs++) {
		double n;

		search_start(&search, top, fmax(1, top * b->o->resolution_percent / 100));
		while (!stopped(b) && search_next(&search, &n)) {
			n = floor(n);
			phase.n_frames = (uint64_t)(n / b->rig->n_dirs) + 1;
			trial(b, &phase, 1);
			search_tell(&search, n, loss_is_fine(b));
		}
		sum += search.passed;
		least = runs == 0 || search.passed < least ? search.passed : least;
	}
	if (runs == 0)
		return;
	print(b, "%8s  %12.0f frames back to back (mean of %u; least %.0f%s)\n", b->row->name,
		sum / runs, runs, least, least >= top ? ", all that was tried" : "");
	json_array_append_new(b->rows,
		json_pack("{s:s, s:f, s:f, s:i, s:f}", "size", b->row->name, "frames", sum / runs,
			"least_frames", least, "runs", (int)runs, "tried_frames", top));
}

static void recovery(struct bench *b)
{
	double full = known_pps(b), pps = full / b->rig->n_dirs, sum = 0, most = 0;
	struct sender_phase phases[2] = {
		{.rate = {RATE_PPS, fmax(1, pps * OVERLOAD)}, .ticks = ticks(b, b->o->trial_s)},
		{.rate = {RATE_PPS, fmax(1, pps * AFTER_OVERLOAD)},
			.ticks = ticks(b, b->o->trial_s)},
	};
	unsigned runs = 0, overloaded = 0;

	for (; full > 0 && runs < b->o->repeat && !stopped(b); runs++) {
		trial(b, phases, 2);
		if (b->sum.lost == 0)
			continue; // the sender could not overload it
		overloaded++;
		sum += b->sum.recovery_s;
		most = fmax(most, b->sum.recovery_s);
	}
	if (overloaded > 0)
		print(b, "%8s  recovered in %.6f s (mean of %u; most %.6f) from %.4f Mpps\n",
			b->row->name, sum / overloaded, overloaded, most, full * OVERLOAD / 1e6);
	else
		print(b, "%8s  %.4f Mpps lost nothing: the sender cannot overload this\n",
			b->row->name, full * OVERLOAD / 1e6);
	json_array_append_new(b->rows,
		json_pack("{s:s, s:f, s:f, s:o, s:o, s:i}", "size", b->row->name, "throughput_pps",
			full, "overload_pps", full * OVERLOAD, "seconds",
			overloaded > 0 ? json_real(sum / overloaded) : json_null(), "most_seconds",
			overloaded > 0 ? json_real(most) : json_null(), "runs", (int)overloaded));
}

static void (*const procedures[PROCEDURE_N])(struct bench *b) = {
	[PROCEDURE_THROUGHPUT] = throughput,
	[PROCEDURE_LATENCY] = latency,
	[PROCEDURE_LOSS] = loss,
	[PROCEDURE_BACK_TO_BACK] = back_to_back,
	[PROCEDURE_RECOVERY] = recovery,
};

int rfc2544_run(const struct options *o, struct rig *rig, json_t **ret_result)
{
	struct bench b = {
		.o = o,
		.rig = rig,
		.rows = json_array(),
		.trials = json_array(),
		.table = o->json == NULL || strcmp(o->json, "-") != 0,
	};

	if (trial_init(&b.trial) < 0) {
		fprintf(stderr, "postern-pktgen: no memory\n");
		b.failed = true;
	}
	print(&b, "RFC 2544 %s, trials of %g s, loss bound %g %%; sizes without the FCS\n",
		procedure_names[o->procedure], o->trial_s, o->loss_percent);
	for (unsigned i = 0; i < o->n_rows && !stopped(&b); i++) {
		b.row = &o->rows[i];
		rig->mix = b.row->mix;
		procedures[o->procedure](&b);
	}
	if (*rig->stop != 0)
		print(&b, "Interrupted.\n");
	trial_fini(&b.trial);
	*ret_result = json_pack("{s:s, s:s, s:f, s:f, s:f, s:b, s:o, s:o}", "procedure",
		procedure_names[o->procedure], "version", POSTERN_VERSION, "trial_s", o->trial_s,
		"loss_bound_percent", o->loss_percent, "resolution_percent", o->resolution_percent,
		"interrupted", *rig->stop != 0, "rows", b.rows, "trials", b.trials);
	return b.failed ? EXIT_FAILED : 0;
}
