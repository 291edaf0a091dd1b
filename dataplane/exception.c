// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/exception.h"

#include <stdio.h>
#include <string.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "config/gateway.h"
#include "dataplane/eal.h"
#include "dataplane/runtime.h"
#include "wire/drop.h"

#define TAP_RING 512

static int set_up(uint16_t id, uint16_t n_queues, uint16_t mtu, struct rte_mempool *pool)
{
	struct rte_eth_conf conf = {0};
	int err = rte_eth_dev_configure(id, n_queues, n_queues, &conf);

	for (uint16_t q = 0; err == 0 && q < n_queues; q++) {
		err = rte_eth_tx_queue_setup(id, q, TAP_RING, SOCKET_ID_ANY, NULL);
		if (err == 0)
			err = rte_eth_rx_queue_setup(id, q, TAP_RING, SOCKET_ID_ANY, NULL, pool);
	}
	if (err == 0)
		err = rte_eth_dev_set_mtu(id, mtu);
	if (err == 0)
		err = rte_eth_dev_start(id);
	return err;
}

int exception_open(struct runtime *rt, unsigned port_idx, char *why)
{
	const struct config_port *cfg = &rt->cfg->ports[port_idx];
	const struct port *port = &rt->dp.port[port_idx];
	uint16_t id = EXCEPTION_NONE;
	char name[32], args[128];
	int err;

	rt->port[port_idx].exception = EXCEPTION_NONE;
	if (cfg->kind != CONFIG_KIND_DPDK || cfg->role != CONFIG_ROLE_WAN || cfg->interface == NULL)
		return 0;
	eal_forget_error();
	snprintf(name, sizeof(name), "net_tap_exception%u", port_idx);
	snprintf(args, sizeof(args), "iface=%s,mac=%02x:%02x:%02x:%02x:%02x:%02x", cfg->interface,
		port->mac[0], port->mac[1], port->mac[2], port->mac[3], port->mac[4], port->mac[5]);
	err = rte_eal_hotplug_add("vdev", name, args);
	if (err == 0)
		err = rte_eth_dev_get_port_by_name(name, &id);
	if (err == 0)
		err = set_up(id, (uint16_t)rt->cfg->n_workers, cfg->mtu, rt->pool);
	if (err < 0) {
		snprintf(why, PORT_WHY_BYTES,
			"port %s: cannot make the exception interface %s: %s (%s). It needs root, "
			"/dev/net/tun and a name that no interface has",
			cfg->name, cfg->interface, strerror(-err), eal_last_error());
		return err;
	}
	rt->port[port_idx].exception = id;
	return 0;
}

void exception_foreign(struct worker *w, struct rte_mbuf *m, uint8_t port_idx)
{
	const struct port_rt *port = &worker_rt(w)->rt->port[port_idx];

	if (port->exception == EXCEPTION_NONE ||
		rte_eth_tx_burst(port->exception, w->id, &m, 1) != 1) {
		worker_drop(w, DROP_OUTER_FOREIGN, 1);
		rte_pktmbuf_free(m);
	}
}

unsigned exception_run(struct worker_rt *rt)
{
	unsigned total = 0;

	for (unsigned p = 0; p < rt->w.dp->n_ports; p++) {
		uint16_t id = rt->rt->port[p].exception;
		struct rte_mbuf *m[BATCH_MAX];
		unsigned n;

		if (id == EXCEPTION_NONE)
			continue;
		n = rte_eth_rx_burst(id, rt->w.id, m, BATCH_MAX);
		for (unsigned i = 0; i < n; i++)
			port_tx(&rt->w, (uint8_t)p, m[i]);
		total += n;
	}
	return total;
}
