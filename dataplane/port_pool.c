// SPDX-License-Identifier: BSD-3-Clause
//
// Packet memory: one pool for all ports, and one for super-frames.
#include "dataplane/port.h"

#include <errno.h>
#include <stdio.h>
#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "config/gateway.h"
#include "config/log.h"
#include "dataplane/bufpool.h"
#include "dataplane/eal.h"
#include "wire/packet.h"

#define AF_XDP_BUFFERS  4096 // for each queue: its fill level and as many under way
#define AF_XDP_HEADROOM 256  // XDP_PACKET_HEADROOM, kept free by the kernel in every buffer
#define AF_XDP_OBJECT   4096 // a UMEM chunk is at most a page
#define ETH_OVERHEAD    (14 + 8)
#define TAILROOM        32 // for the AEAD's tag
#define POOL_CACHE      256
#define POOL_ALIGN      64
#define SUPER_CACHE     16
#define SUPER_UNDER_WAY 64 // for each worker

#define WHY(why, ...) snprintf((why), PORT_WHY_BYTES, __VA_ARGS__)

static bool has_pci(const struct dataplane_config *cfg)
{
	for (unsigned i = 0; i < cfg->n_ports; i++) {
		if (cfg->ports[i].kind == CONFIG_KIND_DPDK &&
			eal_device_is_pci(cfg->ports[i].device))
			return true;
	}
	return false;
}

int port_pool_create(
	const struct dataplane_config *cfg, struct rte_mempool **ret_pool, char why[PORT_WHY_BYTES])
{
	unsigned n_xdp_queues = 0, n = cfg->n_mbufs;
	unsigned mtu = 1500;
	size_t room, object;
	struct rte_mempool *pool;

	for (unsigned i = 0; i < cfg->n_ports; i++) {
		if (cfg->ports[i].mtu > mtu)
			mtu = cfg->ports[i].mtu;
		if (cfg->ports[i].kind == CONFIG_KIND_AF_XDP)
			n_xdp_queues += cfg->ports[i].n_queues;
	}
	room = RTE_PKTMBUF_HEADROOM + mtu + ETH_OVERHEAD + TAILROOM;
	if (n_xdp_queues > 0)
		room += AF_XDP_HEADROOM;
	room = (room + POOL_ALIGN - 1) / POOL_ALIGN * POOL_ALIGN;
	if (room < RTE_MBUF_DEFAULT_BUF_SIZE)
		room = RTE_MBUF_DEFAULT_BUF_SIZE;
	object = rte_mempool_calc_obj_size((uint32_t)(sizeof(struct rte_mbuf) + room), 0, NULL);
	if (n_xdp_queues > 0 && object > AF_XDP_OBJECT) {
		WHY(why,
			"an af_xdp port cannot be in one gateway with a port of MTU %u: its "
			"buffers are "
			"at most a page; use MTU %u or less on every port, or no af_xdp port",
			mtu, CONFIG_XDP_MTU_MAX);
		return -EINVAL;
	}
	if (n_xdp_queues > 0 && has_pci(cfg) && rte_eal_iova_mode() == RTE_IOVA_PA) {
		WHY(why, "an af_xdp port cannot be in one gateway with a NIC that needs physical "
			 "addresses: bind the NIC to vfio-pci with an IOMMU, or use one kind of "
			 "port");
		return -EINVAL;
	}
	if (n < n_xdp_queues * AF_XDP_BUFFERS)
		n = n_xdp_queues * AF_XDP_BUFFERS;
	// What arrives on one AF_XDP port leaves by another without a copy, because the pool lies
	// in the UMEM of every queue. Every buffer holds the largest frame of any port.
	pool = bufpool_create("packets", n, POOL_CACHE, room, n_xdp_queues > 0);
	if (pool == NULL) {
		WHY(why,
			"no memory for %u packet buffers of %zu bytes: raise dataplane.memory_mib "
			"(now %u) above %zu",
			n, object, cfg->memory_mib, (n * object >> 20) + 16);
		return -ENOMEM;
	}
	*ret_pool = pool;
	return 0;
}

// As many as reassembly may hold, and those that are under way.
struct rte_mempool *port_super_pool_create(const struct dataplane_config *cfg)
{
	size_t room = RTE_PKTMBUF_HEADROOM + PKT_SUPER_HDR_LEN + PKT_SUPER_MAX;
	unsigned n = SUPER_UNDER_WAY + (unsigned)(((size_t)cfg->reassembly_mib << 20) / room);
	struct rte_mempool *pool;
	bool wanted = false;

	for (unsigned i = 0; i < cfg->n_ports; i++)
		wanted |= cfg->ports[i].kind == CONFIG_KIND_TAP &&
			  cfg->ports[i].super == CONFIG_SUPER_AUTO;
	if (!wanted)
		return NULL;
	pool = bufpool_create("super", cfg->n_workers * n, SUPER_CACHE, room, true);
	if (pool == NULL)
		log_warning("no memory for %u super-frames of 64 KB: going without. Raise "
			    "dataplane.memory_mib (now %u) by %zu, lower reassembly_mib, or set "
			    "super_frames: off",
			cfg->n_workers * n, cfg->memory_mib, (cfg->n_workers * n * room >> 20) + 1);
	return pool;
}
