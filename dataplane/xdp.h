// SPDX-License-Identifier: BSD-3-Clause
//
// Our XDP program on a port as user space sees it: where its object file is, the maps behind a
// loaded one, and taking a stale one off.
//
// The driver loads and attaches the program and keeps the maps to itself, so they are found by the
// program's id. Main thread. Floor 3.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/xdp.h"

struct xdp_maps {
	int config_fd; // -1 where the program has no such map (LAN)
	int tags_fd;
	int counters_fd;
	int n_cpus;
};

#define XDP_MAPS_NONE ((struct xdp_maps){.config_fd = -1, .tags_fd = -1, .counters_fd = -1})

// Find <name>.o: in $POSTERN_BPF_DIR, beside the executable (as installed), or in ../bpf of it (a
// build tree). errors: -ENOENT, -ENAMETOOLONG.
int xdp_object_path(const char *name, char *ret_path, size_t size);

// What program an interface carries. name is empty when none does.
struct xdp_attached {
	uint32_t prog_id; // 0: none
	uint32_t flags;   // XDP_FLAGS_* of the mode it is attached in
	char name[16];
	bool ours;
};

int xdp_attached_read(unsigned ifindex, struct xdp_attached *ret_attached);
int xdp_detach(unsigned ifindex, const struct xdp_attached *attached);

// Open the maps of the program that the interface now carries.
// errors: -ENOENT no program of ours.
int xdp_maps_open(unsigned ifindex, struct xdp_maps *ret_maps);
void xdp_maps_close(struct xdp_maps *maps);

int xdp_config_set(const struct xdp_maps *maps, const struct xdp_config *cfg);

// errors: -ENOSPC the map is full.
int xdp_tag_add(const struct xdp_maps *maps, const uint8_t tag[8]);
void xdp_tag_remove(const struct xdp_maps *maps, const uint8_t tag[8]);
void xdp_tags_clear(const struct xdp_maps *maps);

// Read all counters, summed over CPUs. out has XDP_COUNTERS_N elements.
int xdp_counters_read(const struct xdp_maps *maps, uint64_t *out);
