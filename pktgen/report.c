// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pktgen/trial.h"
#include "version.h"

#define STREAMS_SHOWN 1024 // in the JSON
#define CPU_ITS_OWN   0.95

static double per_s(uint64_t n, double s)
{
	return s > 0 ? (double)n / s : 0;
}

static double us(const struct rig *rig, uint64_t ticks)
{
	return (double)ticks * 1e6 / (double)rig->hz;
}

static bool has_latency(const struct trial *t)
{
	return t->latency->n > 0 && t->dirs[0].latency_valid;
}

// ---------------------------------------------------------------- for people

static void print_limit(FILE *out, const struct direction *dir, const struct trial_direction *d)
{
	double reached = per_s(d->tx_frames, d->tx_s);
	const struct device *port = dir->tx;

	switch (d->limited_by) {
	case LIMIT_NONE:
	case LIMIT_N:
		return;
	case LIMIT_FAR_END:
		fprintf(out,
			"Limited by the far end: %" PRIu64 " of %" PRIu64
			" frames were sent but did not arrive.\n",
			d->lost, d->expected);
		return;
	case LIMIT_PORT:
		fprintf(out,
			"Limited by the port: %s took %.4f Mpps (it refused frames in %.0f %% of "
			"the "
			"bursts; its driver had %.0f %% of the time).\n",
			port->spec.text, reached / 1e6, d->refused_share * 100,
			d->port_share * 100);
		if (port->link_bps != 0)
			fprintf(out, "Its link is %.1f Gb/s.\n", (double)port->link_bps / 1e9);
		break;
	case LIMIT_CORE:
		fprintf(out,
			"Limited by the core: the sender reached %.4f Mpps and was idle in %.0f %% "
			"of "
			"its rounds.\n",
			reached / 1e6, d->idle_share * 100);
		if (d->cpu_share < CPU_ITS_OWN)
			fprintf(out, "Other processes took %.0f %% of its CPU.\n",
				(1 - d->cpu_share) * 100);
		break;
	}
	if (d->asked_pps > 0)
		fprintf(out, "Asked for were %.4f Mpps.\n", d->asked_pps / 1e6);
}

void report_print(FILE *out, const struct rig *rig, const struct trial *t)
{
	struct trial_direction d = trial_sum(t);

	if (t->interrupted)
		fprintf(out, "Interrupted.\n");
	if (d.sent)
		fprintf(out, "sent       %14" PRIu64 "  %10.4f Mpps  %8.4f Gb/s  %.2f s\n",
			d.tx_frames, per_s(d.tx_frames, d.tx_s) / 1e6,
			per_s(d.tx_bytes, d.tx_s) * 8 / 1e9, d.tx_s);
	if (d.received) {
		fprintf(out, "received   %14" PRIu64 "  %10.4f Mpps  %8.4f Gb/s  %.2f s\n",
			d.rx_frames, per_s(d.rx_frames, d.rx_s) / 1e6,
			per_s(d.rx_bytes, d.rx_s) * 8 / 1e9, d.rx_s);
		fprintf(out, "lost       %14" PRIu64 "  %.6f %%%s\n", d.lost,
			trial_loss_percent(&d),
			d.end_heard ? "" : " (up to the last one that came: no end was heard)");
		fprintf(out, "duplicated %14" PRIu64 "\nreordered  %14" PRIu64 "\n", d.duplicated,
			d.reordered);
		if (d.late > 0)
			fprintf(out,
				"late       %14" PRIu64 "  after %d newer ones; counted as lost\n",
				d.late, ACCOUNT_WINDOW);
		fprintf(out, "corrupted  %14" PRIu64 "\nforeign    %14" PRIu64 "\n", d.corrupted,
			d.foreign);
	}
	if (has_latency(t))
		fprintf(out, "latency    p50 %.1f  p99 %.1f  p99.9 %.1f  max %.1f µs\n",
			us(rig, histogram_at(t->latency, 0.5)),
			us(rig, histogram_at(t->latency, 0.99)),
			us(rig, histogram_at(t->latency, 0.999)), us(rig, t->latency->max));
	for (unsigned i = 0; i < t->n_dirs; i++)
		print_limit(out, &rig->dirs[i], &t->dirs[i]);
}

// ---------------------------------------------------------------- for programs

json_t *report_latency(const struct rig *rig, const struct trial *t)
{
	if (!has_latency(t))
		return json_null();
	return json_pack("{s:f, s:f, s:f, s:f, s:I}", "p50", us(rig, histogram_at(t->latency, 0.5)),
		"p99", us(rig, histogram_at(t->latency, 0.99)), "p999",
		us(rig, histogram_at(t->latency, 0.999)), "max", us(rig, t->latency->max), "n",
		(json_int_t)t->latency->n);
}

json_t *report_curve(const struct rig *rig, const struct trial *t)
{
	json_t *curve = json_array();
	double rest = 1;

	// Ten points from each share of the slowest to a tenth of it, as far as there are frames.
	while (has_latency(t) && rest * (double)t->latency->n >= 1) {
		json_array_append_new(curve,
			json_pack("[f, f]", 1 - rest, us(rig, histogram_at(t->latency, 1 - rest))));
		rest *= 0.794328234724281; // 10^-0.1
	}
	return curve;
}

static json_t *counts(const struct trial_direction *d)
{
	json_t *o = json_object();

	if (d->sent)
		json_object_update_new(
			o, json_pack("{s:I, s:f, s:f, s:I}", "tx_frames", (json_int_t)d->tx_frames,
				   "tx_pps", per_s(d->tx_frames, d->tx_s), "tx_gbps",
				   per_s(d->tx_bytes, d->tx_s) * 8 / 1e9, "tx_bytes",
				   (json_int_t)d->tx_bytes));
	if (d->received)
		json_object_update_new(o,
			json_pack("{s:I, s:f, s:f, s:I, s:I, s:f, s:I, s:I, s:I, s:I, s:I, s:b}",
				"rx_frames", (json_int_t)d->rx_frames, "rx_pps",
				per_s(d->rx_frames, d->rx_s), "rx_gbps",
				per_s(d->rx_bytes, d->rx_s) * 8 / 1e9, "rx_bytes",
				(json_int_t)d->rx_bytes, "lost", (json_int_t)d->lost,
				"loss_percent", trial_loss_percent(d), "duplicated",
				(json_int_t)d->duplicated, "reordered", (json_int_t)d->reordered,
				"late", (json_int_t)d->late, "corrupted", (json_int_t)d->corrupted,
				"foreign", (json_int_t)d->foreign, "end_heard", d->end_heard));
	json_object_set_new(o, "limited_by", json_string(limit_names[d->limited_by]));
	if (d->sent) {
		json_object_set_new(
			o, "asked_pps", d->asked_pps > 0 ? json_real(d->asked_pps) : json_null());
		json_object_set_new(o, "refused_share", json_real(d->refused_share));
		json_object_set_new(o, "port_share", json_real(d->port_share));
		json_object_set_new(o, "idle_share", json_real(d->idle_share));
		json_object_set_new(o, "skipped_s", json_real(d->skipped_s));
		json_object_set_new(o, "cpu_share", json_real(d->cpu_share));
	}
	return o;
}

// The streams to which anything happened.
static json_t *streams(const struct direction *dir, const struct trial_direction *d)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < dir->n_streams && json_array_size(list) < STREAMS_SHOWN; i++) {
		const struct account *a = &dir->accounts[i];
		uint64_t sent = d->sent ? account_share(d->tx_frames, i, dir->n_streams) : 0;
		uint64_t lost = account_lost(a, sent);

		if (lost + a->duplicated + a->reordered + a->late > 0)
			json_array_append_new(list,
				json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "stream", (json_int_t)i,
					"received", (json_int_t)a->received, "lost",
					(json_int_t)lost, "duplicated", (json_int_t)a->duplicated,
					"reordered", (json_int_t)a->reordered, "late",
					(json_int_t)a->late));
	}
	return list;
}

json_t *report_json(const struct rig *rig, const struct trial *t)
{
	struct trial_direction sum = trial_sum(t);
	json_t *o = counts(&sum), *directions = json_array();

	for (unsigned i = 0; i < t->n_dirs; i++) {
		const struct direction *dir = &rig->dirs[i];
		json_t *one = counts(&t->dirs[i]);

		if (dir->tx != NULL)
			json_object_set_new(one, "tx", json_string(dir->tx->spec.text));
		if (dir->rx != NULL) {
			json_object_set_new(one, "rx", json_string(dir->rx->spec.text));
			json_object_set_new(one, "streams_with_events", streams(dir, &t->dirs[i]));
		}
		json_array_append_new(directions, one);
	}
	json_object_set_new(o, "duration_s", json_real(t->seconds));
	json_object_set_new(o, "latency_us", report_latency(rig, t));
	json_object_set_new(o, "latency_curve_us", report_curve(rig, t));
	json_object_set_new(o, "directions", directions);
	json_object_set_new(o, "version", json_string(POSTERN_VERSION));
	return o;
}

int report_write(const char *path, json_t *object)
{
	char name[4096];
	FILE *f;
	int err = 0, fd;

	if (strcmp(path, "-") == 0) {
		if (json_dumpf(object, stdout, JSON_INDENT(1)) < 0 || putchar('\n') == EOF ||
			fflush(stdout) != 0)
			return errno != 0 ? -errno : -EIO;
		return 0;
	}
	snprintf(name, sizeof(name), "%s.XXXXXX", path);
	fd = mkostemp(name, 0);
	if (fd < 0)
		return -errno;
	(void)fchmod(fd, 0644);
	f = fdopen(fd, "w");
	if (f == NULL || json_dumpf(object, f, JSON_INDENT(1)) < 0 || putc('\n', f) == EOF)
		err = -EIO;
	if (f != NULL && fclose(f) != 0 && err == 0)
		err = -errno;
	if (err == 0 && rename(name, path) < 0)
		err = -errno;
	if (err < 0)
		unlink(name);
	return err;
}
