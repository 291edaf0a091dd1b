// SPDX-License-Identifier: BSD-3-Clause
//
// Results for people and for programs. Floor 4.
#pragma once

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

struct rig;
struct trial;

// A table, and a sentence on what limited it.
void report_print(FILE *out, const struct rig *rig, const struct trial *t);

// The documented object; NULL without memory.
json_t *report_json(const struct rig *rig, const struct trial *t);

// Latency alone: {p50, p99, p999, max, n} in µs.
json_t *report_latency(const struct rig *rig, const struct trial *t);

// Latency by percentile: [[share, µs], …], denser towards 1; empty where there is none.
json_t *report_curve(const struct rig *rig, const struct trial *t);

// Write to a file, whole or not at all, or to standard output ("-"). errors: -errno.
int report_write(const char *path, json_t *object);
