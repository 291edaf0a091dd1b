// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/exception.h"

#include <rte_mbuf.h>

#include "config/gateway.h"
#include "dataplane/port_tap.h"
#include "dataplane/runtime.h"
#include "wire/drop.h"

int exception_open(struct runtime *rt, unsigned port_idx, char *why)
{
	const struct config_port *cfg = &rt->cfg->ports[port_idx];
	struct port_rt *port = &rt->port[port_idx];
	struct tap_options o = {
		.port = cfg->name,
		.interface = cfg->interface,
		.mac = rt->dp.port[port_idx].mac,
		.mtu = cfg->mtu,
		.n_queues = (uint16_t)rt->cfg->n_workers,
		.pool = rt->pool,
	};
	int fds[WORKERS_MAX], err;

	if (cfg->kind != CONFIG_KIND_DPDK || cfg->role != CONFIG_ROLE_WAN || cfg->interface == NULL)
		return 0;
	err = port_tap_open(&o, &port->exception, fds, why);
	port->has_exception = err == 0;
	return err;
}

void exception_foreign(struct worker *w, struct rte_mbuf *m, uint8_t port_idx)
{
	struct port_rt *port = &worker_rt(w)->rt->port[port_idx];

	if (!port->has_exception || port->exception.tx(&port->exception, w->id, &m, 1) != 1) {
		worker_drop(w, DROP_OUTER_FOREIGN, 1);
		rte_pktmbuf_free(m);
	}
}

unsigned exception_run(struct worker_rt *rt)
{
	unsigned total = 0;

	for (unsigned p = 0; p < rt->w.dp->n_ports; p++) {
		struct port_rt *port = &rt->rt->port[p];
		struct rte_mbuf *m[BATCH_MAX];
		unsigned n;

		if (!port->has_exception)
			continue;
		n = port->exception.rx(&port->exception, rt->w.id, m, BATCH_MAX);
		for (unsigned i = 0; i < n; i++)
			port_tx(&rt->w, (uint8_t)p, m[i]);
		total += n;
	}
	return total;
}
