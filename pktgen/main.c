// SPDX-License-Identifier: BSD-3-Clause
//
// `postern-pktgen`: frames out, frames in, and an exact account of the difference.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pktgen/options.h"
#include "pktgen/plot.h"
#include "pktgen/report.h"
#include "pktgen/rfc2544.h"
#include "pktgen/rig.h"

static volatile sig_atomic_t stop;

// Once: end the trial and report; twice: end at once.
static void on_signal(int)
{
	stop = 1;
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
}

static int fail(const char *why, int code)
{
	fprintf(stderr, "postern-pktgen: %s\n", why);
	return code;
}

static int save(const char *path, json_t *object)
{
	int err = path != NULL ? report_write(path, object) : 0;

	json_decref(object);
	if (err < 0) {
		fprintf(stderr, "postern-pktgen: cannot write %s: %s\n", path, strerror(-err));
		return EXIT_FAILED;
	}
	return 0;
}

static int draw(const struct options *o, struct plot *plot)
{
	if (plot_finish(plot) == 0)
		return 0;
	fprintf(stderr, "postern-pktgen: gnuplot could not draw %s\n", o->plot);
	return EXIT_FAILED;
}

static int run_once(const struct options *o, struct rig *rig, struct plot *plot)
{
	struct sender_phase phase = {
		.rate = o->rate,
		.n_frames = o->count,
		.ticks = (uint64_t)(o->duration_s * (double)rig->hz),
	};
	struct trial_direction sum;
	json_t *result;
	struct trial t;
	int err;

	if (o->pcap != NULL && o->count == 0 && o->duration_s == 0)
		phase.n_frames = rig->capture->n; // once through
	if (trial_init(&t) < 0)
		return fail("no memory", EXIT_FAILED);
	if (trial_run(rig, &phase, 1, &t) < 0) {
		trial_fini(&t);
		return fail("DPDK does not start the sending or receiving thread", EXIT_FAILED);
	}
	if (o->json == NULL || strcmp(o->json, "-") != 0)
		report_print(stdout, rig, &t);
	result = report_json(rig, &t);
	if (plot->to != NULL)
		plot_latency(plot, json_object_get(result, "latency_curve_us"));
	err = save(o->json, result);
	sum = trial_sum(&t);
	if (err == 0 && o->strict &&
		(sum.lost > 0 || (sum.asked_pps > 0 && sum.limited_by != LIMIT_NONE)))
		err = EXIT_SHORT;
	trial_fini(&t);
	return err;
}

static int run_rfc2544(const struct options *o, struct rig *rig, struct plot *plot)
{
	json_t *result;
	int err = rfc2544_run(o, rig, &result), save_err;

	if (plot->to != NULL)
		plot_rfc2544(plot, result);
	save_err = save(o->json, result);
	return err != 0 ? err : save_err;
}

int main(int argc, char **argv)
{
	struct sigaction on_stop = {.sa_handler = on_signal};
	char why[RIG_WHY_BYTES] = "";
	struct plot plot = {0};
	struct options o;
	struct rig rig;
	int err;

	options_parse(argc, argv, &o);
	sigaction(SIGINT, &on_stop, NULL);
	sigaction(SIGTERM, &on_stop, NULL);
	if (o.plot != NULL && plot_start(o.plot, &plot, why) < 0)
		return fail(why, EXIT_FAILED);
	err = rig_open(&o, &stop, &rig, why);
	if (err != 0)
		fail(why, err);
	else if (o.command == COMMAND_RFC2544)
		err = run_rfc2544(&o, &rig, &plot);
	else
		err = run_once(&o, &rig, &plot);
	rig_close(&rig);
	if (plot.to != NULL && draw(&o, &plot) != 0 && err == 0)
		err = EXIT_FAILED;
	return err;
}
