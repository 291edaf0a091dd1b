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
	w->reported = calloc(REPORT_MEMO_SLOTS, sizeof(*w->reported));
	w->inners = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*w->inners), 64));
	if (w->reported == NULL || w->inners == NULL) {
		err = -ENOMEM;
		goto destroy;
	}
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
	free(w->reported);
	w->reported = NULL;
	free(w->inners);
	w->inners = NULL;
}

// ---------------------------------------------------------------- packets

// Fill the reserve, or, where the pool is nearly empty, up to the n that are needed now.
static bool refill(struct worker *w, unsigned n)
{
	unsigned want = WORKER_SPARE - w->n_spare;

	if (rte_mempool_get_bulk(w->pool, (void **)&w->spare[w->n_spare], want) != 0) {
		want = n - w->n_spare;
		if (rte_mempool_get_bulk(w->pool, (void **)&w->spare[w->n_spare], want) != 0)
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

// What rte_pktmbuf_free_bulk() does without touching the second line of each packet: one that is
// single, direct and unshared goes back as it is.
void worker_mbuf_free(struct worker *w, struct rte_mbuf **m, unsigned n)
{
	unsigned plain = 0;

	for (unsigned i = 0; i < n; i++) {
		if (likely(m[i]->pool == w->pool && m[i]->nb_segs == 1 && RTE_MBUF_DIRECT(m[i]) &&
			    rte_mbuf_refcnt_read(m[i]) == 1))
			m[plain++] = m[i];
		else
			rte_pktmbuf_free(m[i]);
	}
	if (plain > 0)
		rte_mempool_put_bulk(w->pool, (void **)m, plain);
}

void worker_mbuf_short(struct worker *w, struct rte_mbuf *m)
{
	worker_drop(w, DROP_TX_MTU, 1);
	rte_pktmbuf_free(m);
}

struct rte_mbuf *worker_super_mbuf(struct worker *w)
{
	struct rte_mbuf *m = w->super_pool != NULL ? rte_pktmbuf_alloc(w->super_pool) : NULL;

	if (m == NULL)
		worker_drop(w, DROP_NO_MBUF, 1);
	return m;
}

struct rte_mbuf *worker_frame_copy(struct worker *w, const struct rte_mbuf *m)
{
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
	struct rte_mbuf *copy;

	if (likely(!mbuf_is_super(m)))
		return worker_mbuf_copy(w, data, m->data_len);
	copy = worker_super_mbuf(w);
	if (copy == NULL)
		return NULL;
	memcpy(rte_pktmbuf_append(copy, m->data_len), data, m->data_len);
	mbuf_super_set(copy, mbuf_super(m));
	return copy;
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

uint64_t port_eth_missed(const struct port *p)
{
	struct rte_eth_stats eth;

	return rte_eth_stats_get(p->dpdk_port, &eth) == 0 ? eth.imissed + eth.rx_nombuf : 0;
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
	if (tx->via != NULL)
		return; // who takes it from there counts it
	stats->tx_frames += sent;
	stats->tx_bytes += bytes;
}

void port_tx_full(struct worker *w, uint8_t port_idx)
{
	flush(w, &w->tx[port_idx]);
}

void port_tx_down(struct worker *w, struct rte_mbuf *m)
{
	worker_drop(w, DROP_PORT_DOWN, 1);
	rte_pktmbuf_free(m);
}

void port_tx_flush(struct worker *w)
{
	for (unsigned i = 0; i < w->dp->n_ports; i++) {
		if (w->tx[i].n > 0)
			flush(w, &w->tx[i]);
	}
}
