// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/worker_types.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dataplane/flood.h"
#include "dataplane/stream.h"

int worker_state_create(struct worker *w, uint32_t reassembly_bytes)
{
	int err;

	if (w->dp == NULL || w->pool == NULL || w->aead == NULL || w->hooks == NULL ||
		w->stats == NULL || w->session_stats == NULL || w->dp->n_workers == 0 ||
		w->id >= w->dp->n_workers)
		return -EINVAL;
	w->learn = aligned_alloc(64, LEARN_MEMO_SLOTS * sizeof(*w->learn));
	w->inners = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*w->inners), 64));
	if (w->learn == NULL || w->inners == NULL) {
		err = -ENOMEM;
		goto destroy;
	}
	memset(w->learn, 0, LEARN_MEMO_SLOTS * sizeof(*w->learn));
	w->inners->n = 0;
	err = flood_create(w);
	if (err == 0)
		err = stream_rx_create(w, reassembly_bytes);
	if (err == 0)
		err = session_table_create(w, w->dp->max_sessions);
	if (err == 0)
		return 0;

destroy:
	worker_state_destroy(w);
	return err;
}

void worker_state_destroy(struct worker *w)
{
	if (w->sessions != NULL)
		session_table_destroy(w);
	stream_rx_destroy(w);
	flood_destroy(w);
	rte_pktmbuf_free_bulk(w->spare, w->n_spare);
	w->n_spare = 0;
	free(w->learn);
	w->learn = NULL;
	free(w->inners);
	w->inners = NULL;
}

// ---------------------------------------------------------------- packets

// Fill the reserve, or, where the pool is nearly empty, up to the n that are needed now.
static bool refill(struct worker *w, unsigned n)
{
	unsigned want = WORKER_SPARE - w->n_spare;

	if (rte_pktmbuf_alloc_bulk(w->pool, w->spare + w->n_spare, want) != 0) {
		want = n - w->n_spare;
		if (rte_pktmbuf_alloc_bulk(w->pool, w->spare + w->n_spare, want) != 0)
			return false;
	}
	w->n_spare += want;
	return true;
}

bool worker_mbuf_reserve(struct worker *w, unsigned n)
{
	if (likely(w->n_spare >= n) || refill(w, n))
		return true;
	worker_drop(w, DROP_NO_MBUF, 1);
	return false;
}

struct rte_mbuf *worker_mbuf(struct worker *w)
{
	if (unlikely(w->n_spare == 0) && !refill(w, 1)) {
		worker_drop(w, DROP_NO_MBUF, 1);
		return NULL;
	}
	return w->spare[--w->n_spare];
}

struct rte_mbuf *worker_mbuf_copy(struct worker *w, const uint8_t *data, unsigned bytes)
{
	struct rte_mbuf *m = worker_mbuf(w);

	if (m == NULL)
		return NULL;
	if (unlikely(rte_pktmbuf_tailroom(m) < bytes)) {
		worker_drop(w, DROP_TX_MTU, 1);
		rte_pktmbuf_free(m);
		return NULL;
	}
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), data, bytes);
	m->data_len = bytes;
	m->pkt_len = bytes;
	return m;
}

// ---------------------------------------------------------------- sending

uint16_t port_eth_rx(struct port *p, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	return rte_eth_rx_burst(p->dpdk_port, queue, m, n);
}

uint16_t port_eth_tx(struct port *p, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	return rte_eth_tx_burst(p->dpdk_port, queue, m, n);
}

static void flush(struct worker *w, struct port_tx *tx)
{
	struct stats_port *stats = &w->stats->port[tx->port->idx];
	uint64_t bytes = 0;
	unsigned n = tx->n;
	unsigned sent;

	for (unsigned i = 0; i < n; i++)
		bytes += tx->m[i]->pkt_len;
	if (tx->via != NULL)
		sent = rte_ring_mp_enqueue_burst(tx->via, (void **)tx->m, n, NULL);
	else
		sent = tx->port->tx(tx->port, tx->queue, tx->m, n);
	tx->n = 0;
	if (unlikely(sent < n)) {
		for (unsigned i = sent; i < n; i++)
			bytes -= tx->m[i]->pkt_len;
		stats->tx_dropped += n - sent;
		worker_drop(w, DROP_TX_QUEUE, n - sent);
		rte_pktmbuf_free_bulk(tx->m + sent, n - sent);
	}
	stats->tx_frames += sent;
	stats->tx_bytes += bytes;
}

void port_tx(struct worker *w, uint8_t port_idx, struct rte_mbuf *m)
{
	struct port_tx *tx = &w->tx[port_idx];

	if (unlikely(tx->port == NULL)) {
		worker_drop(w, DROP_PORT_DOWN, 1);
		rte_pktmbuf_free(m);
		return;
	}
	tx->m[tx->n++] = m;
	if (tx->n == PORT_TX_MAX)
		flush(w, tx);
}

void port_tx_flush(struct worker *w)
{
	for (unsigned i = 0; i < w->dp->n_ports; i++) {
		if (w->tx[i].n > 0)
			flush(w, &w->tx[i]);
	}
}
