// SPDX-License-Identifier: BSD-3-Clause
//
// Results as an SVG or PNG file, drawn by gnuplot through a pipe.
//
// gnuplot is started before anything is measured, so that its absence is known before the time is
// spent. Main thread. Floor 4.
#pragma once

#include <jansson.h>
#include <stdio.h>
#include <sys/types.h>

#define PLOT_WHY_BYTES 512

struct plot {
	FILE *to;
	pid_t pid;
};

// errors: -errno, with a sentence in why.
int plot_start(const char *path, struct plot *ret_plot, char why[PLOT_WHY_BYTES]);

// Latency by percentile, from report_curve(): null or empty draws nothing but axes.
void plot_latency(struct plot *plot, const json_t *curve);

// What rfc2544_run() found, each procedure in its own way.
void plot_rfc2544(struct plot *plot, const json_t *result);

// errors: -EIO gnuplot failed.
int plot_finish(struct plot *plot);
