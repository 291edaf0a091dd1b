// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/xdp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#define MAPS_MAX 16
#define CPUS_MAX 1024

static int try_dir(const char *dir, const char *name, char *ret_path, size_t size)
{
	int n = snprintf(ret_path, size, "%s/%s.o", dir, name);

	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	return access(ret_path, R_OK) == 0 ? 0 : -ENOENT;
}

int xdp_object_path(const char *name, char *ret_path, size_t size)
{
	const char *env = getenv("POSTERN_BPF_DIR");
	char exe[4096], dir[4128];
	ssize_t n;

	if (env != NULL)
		return try_dir(env, name, ret_path, size);
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n > 0) {
		exe[n] = '\0';
		*strrchr(exe, '/') = '\0';
		if (try_dir(exe, name, ret_path, size) == 0)
			return 0;
		snprintf(dir, sizeof(dir), "%s/../bpf", exe);
		if (try_dir(dir, name, ret_path, size) == 0)
			return 0;
	}
	return -ENOENT;
}

int xdp_attached_read(unsigned ifindex, struct xdp_attached *ret_attached)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct xdp_attached got = {0};
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);
	int fd, err;

	err = bpf_xdp_query((int)ifindex, 0, &query);
	if (err < 0)
		return err;
	if (query.drv_prog_id != 0) {
		got.prog_id = query.drv_prog_id;
		got.flags = XDP_FLAGS_DRV_MODE;
	} else if (query.skb_prog_id != 0) {
		got.prog_id = query.skb_prog_id;
		got.flags = XDP_FLAGS_SKB_MODE;
	} else if (query.hw_prog_id != 0) {
		got.prog_id = query.hw_prog_id;
		got.flags = XDP_FLAGS_HW_MODE;
	}
	if (got.prog_id != 0) {
		fd = bpf_prog_get_fd_by_id(got.prog_id);
		if (fd < 0)
			return -errno;
		if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0)
			snprintf(got.name, sizeof(got.name), "%s", info.name);
		close(fd);
	}
	// The kernel keeps 15 characters of the name.
	got.ours = strncmp(got.name, XDP_PROG_LAN, 15) == 0 || strcmp(got.name, XDP_PROG_WAN) == 0;
	*ret_attached = got;
	return 0;
}

int xdp_detach(unsigned ifindex, const struct xdp_attached *attached)
{
	return bpf_xdp_detach((int)ifindex, attached->flags, NULL);
}

static void maps_keep(struct xdp_maps *maps, int fd)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0) {
		if (strcmp(info.name, XDP_MAP_CONFIG) == 0) {
			maps->config_fd = fd;
			return;
		}
		if (strcmp(info.name, XDP_MAP_TAGS) == 0) {
			maps->tags_fd = fd;
			return;
		}
		if (strcmp(info.name, XDP_MAP_COUNTERS) == 0) {
			maps->counters_fd = fd;
			return;
		}
	}
	close(fd);
}

int xdp_maps_open(unsigned ifindex, struct xdp_maps *ret_maps)
{
	struct xdp_maps maps = XDP_MAPS_NONE;
	struct bpf_prog_info info = {0};
	struct xdp_attached attached;
	uint32_t ids[MAPS_MAX];
	uint32_t len = sizeof(info);
	int prog_fd, err;

	err = xdp_attached_read(ifindex, &attached);
	if (err < 0)
		return err;
	if (!attached.ours)
		return -ENOENT;
	prog_fd = bpf_prog_get_fd_by_id(attached.prog_id);
	if (prog_fd < 0)
		return -errno;
	info.nr_map_ids = MAPS_MAX;
	info.map_ids = (uint64_t)(uintptr_t)ids;
	err = bpf_obj_get_info_by_fd(prog_fd, &info, &len);
	close(prog_fd);
	if (err < 0)
		return err;
	for (uint32_t i = 0; i < info.nr_map_ids && i < MAPS_MAX; i++) {
		int fd = bpf_map_get_fd_by_id(ids[i]);

		if (fd >= 0)
			maps_keep(&maps, fd);
	}
	maps.n_cpus = libbpf_num_possible_cpus();
	*ret_maps = maps;
	return 0;
}

void xdp_maps_close(struct xdp_maps *maps)
{
	if (maps->config_fd >= 0)
		close(maps->config_fd);
	if (maps->tags_fd >= 0)
		close(maps->tags_fd);
	if (maps->counters_fd >= 0)
		close(maps->counters_fd);
	*maps = XDP_MAPS_NONE;
}

int xdp_config_set(const struct xdp_maps *maps, const struct xdp_config *cfg)
{
	uint32_t zero = 0;

	if (maps->config_fd < 0)
		return -ENOENT;
	return bpf_map_update_elem(maps->config_fd, &zero, cfg, BPF_ANY) < 0 ? -errno : 0;
}

int xdp_tag_add(const struct xdp_maps *maps, const uint8_t tag[8])
{
	struct xdp_bucket full = {0};

	if (maps->tags_fd < 0)
		return 0;
	// An element that is there keeps its bucket: adding again must not refill it.
	if (bpf_map_update_elem(maps->tags_fd, tag, &full, BPF_NOEXIST) == 0 || errno == EEXIST)
		return 0;
	return errno == E2BIG ? -ENOSPC : -errno;
}

void xdp_tag_remove(const struct xdp_maps *maps, const uint8_t tag[8])
{
	if (maps->tags_fd >= 0)
		(void)bpf_map_delete_elem(maps->tags_fd, tag);
}

void xdp_tags_clear(const struct xdp_maps *maps)
{
	struct xdp_tag tag;

	if (maps->tags_fd < 0)
		return;
	for (int i = 0; i < XDP_TAGS_MAX && bpf_map_get_next_key(maps->tags_fd, NULL, &tag) == 0;
		i++)
		(void)bpf_map_delete_elem(maps->tags_fd, &tag);
}

int xdp_counters_read(const struct xdp_maps *maps, uint64_t *out)
{
	uint64_t values[CPUS_MAX];

	if (maps->counters_fd < 0 || maps->n_cpus < 1 || maps->n_cpus > CPUS_MAX)
		return -ENOENT;
	for (uint32_t i = 0; i < XDP_COUNTERS_N; i++) {
		out[i] = 0;
		if (bpf_map_lookup_elem(maps->counters_fd, &i, values) < 0)
			return -errno;
		for (int cpu = 0; cpu < maps->n_cpus; cpu++)
			out[i] += values[cpu];
	}
	return 0;
}
