// SPDX-License-Identifier: BSD-3-Clause
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bpf/postern_xdp.c"
#include "tests/bpf/xdp_user.h"

static const struct xdp_user_world *the_world;
static uint64_t *the_counters;
static struct xdp_bucket tag_bucket, cpu_bucket;

static void *lookup(void *map, const void *key)
{
	const __u32 *index = key;

	if (map == &xdp_config)
		return (void *)&the_world->config;
	if (map == &hs_bucket)
		return &cpu_bucket;
	if (map == &xdp_counters && *index < XDP_COUNTERS_N)
		return &the_counters[*index];
	if (map == &live_tags &&
		memcmp(key, &the_world->live_tag, sizeof(the_world->live_tag)) == 0)
		return &tag_bucket;
	return NULL;
}

static long redirect(void *map, __u64 key, __u64 flags)
{
	return map == &xsks_map && the_world->has_socket ? XDP_REDIRECT : (long)flags;
}

static __u64 clock_ns(void)
{
	return the_world->now_ns;
}

// The program's pointers are 32 bits wide, so the frame must lie low.
static uint8_t *frame_end(void)
{
	static uint8_t *end;

	if (end == NULL) {
		uint8_t *at = mmap(NULL, XDP_USER_FRAME_MAX + 4096, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

		if (at == MAP_FAILED || mprotect(at + XDP_USER_FRAME_MAX, 4096, PROT_NONE) < 0)
			abort();
		end = at + XDP_USER_FRAME_MAX;
	}
	return end;
}

uint32_t xdp_user_run(const struct xdp_user_world *world, const uint8_t *frame, size_t len,
	uint64_t counters[XDP_COUNTERS_N])
{
	uint8_t *end = frame_end();
	struct xdp_md ctx = {
		.data = (__u32)(uintptr_t)(end - len),
		.data_end = (__u32)(uintptr_t)end,
	};

	memcpy(end - len, frame, len);
	bpf_map_lookup_elem = lookup;
	bpf_redirect_map = redirect;
	bpf_ktime_get_ns = clock_ns;
	the_world = world;
	the_counters = counters;
	return (uint32_t)postern_xdp(&ctx);
}
