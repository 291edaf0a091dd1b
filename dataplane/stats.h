// SPDX-License-Identifier: BSD-3-Clause
//
// The counter pages (wire/stats.h): made here, written by workers, handed to control read-only.
//
// The main thread makes the region and adds what only it can ask for (driver and XDP counters).
// Floor 4.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "wire/stats.h"

struct runtime;

struct stats_region {
	struct stats_head *head;
	size_t bytes;
	int fd; // opened read-only; what control is handed
};

struct stats_shape {
	uint32_t n_workers;
	uint32_t n_ports;
	uint32_t n_sessions;
	uint64_t boot_id;
};

// Make the region, map it for writing, then seal it so that nobody else can.
// errors: -errno of memfd_create, ftruncate, mmap, fcntl.
int stats_create(const struct stats_shape *shape, struct stats_region **ret_region);
void stats_destroy(struct stats_region *region);

struct stats_worker *stats_worker_row(struct stats_region *region, uint32_t worker);
struct stats_session *stats_session_rows(struct stats_region *region, uint32_t worker);

// Bring in what drivers and XDP programs counted; main thread, once a second. Worker 0's row holds
// these, in words that the worker itself never writes.
void stats_collect(struct runtime *rt);
