// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <rte_ethdev.h>

#include "dataplane/runtime.h"
#include "wire/drop.h"

static_assert(DROP_N <= STATS_DROPS, "the stats page has no room for every drop reason");
// The XDP program's reasons, from first to last; the others are the workers'.
#define XDP_FIRST DROP_XDP_FRAGMENT
#define XDP_LAST  DROP_XDP_NO_SOCKET
static_assert(XDP_FIRST == DROP_INJECT_PATH + 1 && XDP_LAST == DROP_N - 1,
	"a drop reason of the XDP program lies outside the range that is read from its map");

#define LINE 64

static size_t round_up(size_t n)
{
	return (n + LINE - 1) / LINE * LINE;
}

static int open_read_only(int fd)
{
	char path[64];
	int ro;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	return ro < 0 ? -errno : ro;
}

static void write_head(struct stats_head *head, const struct stats_shape *shape, size_t bytes)
{
	*head = (struct stats_head){
		.magic = STATS_MAGIC,
		.version = SHM_VERSION,
		.n_workers = shape->n_workers,
		.n_ports = shape->n_ports,
		.n_sessions = shape->n_sessions,
		.boot_id = shape->boot_id,
		.worker_offset = round_up(sizeof(*head)),
		.total_bytes = bytes,
	};
	head->session_offset =
		head->worker_offset + (uint64_t)shape->n_workers * sizeof(struct stats_worker);
}

int stats_create(const struct stats_shape *shape, struct stats_region **ret_region)
{
	struct stats_region *region = calloc(1, sizeof(*region));
	int fd, err;

	if (region == NULL)
		return -ENOMEM;
	region->bytes = round_up(sizeof(struct stats_head)) +
			(size_t)shape->n_workers *
				(sizeof(struct stats_worker) +
					(size_t)shape->n_sessions * sizeof(struct stats_session));
	fd = memfd_create("postern-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		err = -errno;
		goto free_region;
	}
	if (ftruncate(fd, (off_t)region->bytes) < 0) {
		err = -errno;
		goto close_fd;
	}
	region->head = mmap(NULL, region->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (region->head == MAP_FAILED) {
		err = -errno;
		goto close_fd;
	}
	if (fcntl(fd, F_ADD_SEALS,
		    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0) {
		err = -errno;
		goto unmap;
	}
	region->fd = open_read_only(fd);
	if (region->fd < 0) {
		err = region->fd;
		goto unmap;
	}
	close(fd);
	write_head(region->head, shape, region->bytes);
	*ret_region = region;
	return 0;

unmap:
	munmap(region->head, region->bytes);
close_fd:
	close(fd);
free_region:
	free(region);
	return err;
}

void stats_destroy(struct stats_region *region)
{
	if (region == NULL)
		return;
	close(region->fd);
	munmap(region->head, region->bytes);
	free(region);
}

struct stats_worker *stats_worker_row(struct stats_region *region, uint32_t worker)
{
	uint8_t *base = (uint8_t *)region->head + region->head->worker_offset;

	return (struct stats_worker *)base + worker;
}

struct stats_session *stats_session_rows(struct stats_region *region, uint32_t worker)
{
	uint8_t *base = (uint8_t *)region->head + region->head->session_offset;

	return (struct stats_session *)base + (size_t)worker * region->head->n_sessions;
}

static void store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

void stats_collect(struct runtime *rt)
{
	struct stats_worker *row = stats_worker_row(rt->stats, 0);
	struct stats_head *head = rt->stats->head;
	uint64_t xdp_drops[DROP_N] = {0};
	bool has_xdp = false;

	for (unsigned i = 0; i < rt->dp.n_ports; i++) {
		uint64_t counters[XDP_COUNTERS_N];
		const struct port *port = &rt->dp.port[i];

		store(&row->port[i].rx_missed, port->missed(port));
		if (xdp_counters_read(&rt->port[i].xdp, counters) < 0)
			continue;
		has_xdp = true;
		for (unsigned r = XDP_FIRST; r <= XDP_LAST; r++)
			xdp_drops[r] += counters[XDP_COUNTER_DROP(r)];
	}
	for (unsigned r = XDP_FIRST; has_xdp && r <= XDP_LAST; r++)
		store(&row->drops[r], xdp_drops[r]);
	if (rt->pool != NULL) {
		__atomic_store_n(&head->n_mbufs, rt->pool->size, __ATOMIC_RELAXED);
		store(&head->mbufs_free, rte_mempool_avail_count(rt->pool));
	}
}
