// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/receiver.h"

#include <string.h>
#include <rte_branch_prediction.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "pktgen/device.h"

static void count(struct receiver *r, const struct probe *probe, unsigned bytes, uint64_t now)
{
	uint64_t ticks;

	if (unlikely(r->any_run)) {
		r->any_run = false;
		r->run = probe->run;
	}
	if (unlikely(probe->run != r->run || probe->stream >= r->n_streams)) {
		r->foreign++;
		return;
	}
	switch (account_put(&r->accounts[probe->stream], probe->seq)) {
	case ACCOUNT_DUPLICATED:
		r->duplicated++;
		return;
	case ACCOUNT_LATE:
		r->late++;
		return;
	case ACCOUNT_GAP:
		r->gap_time = probe->time;
		break;
	default:
		break;
	}
	r->frames++;
	r->bytes += bytes;
	// Counters of two sockets may differ by a few ticks.
	ticks = (now - probe->time) & FRAME_TIME_MASK;
	histogram_put(&r->latency, ticks >> 47 != 0 ? 0 : ticks);
}

static void control(struct receiver *r, const uint8_t *data, unsigned bytes)
{
	struct ctl ctl;

	frame_ctl_read(data, bytes, &ctl);
	memcpy(r->ctl_smac, data + 6, sizeof(r->ctl_smac));
	r->ctl = ctl;
	r->n_ctl++;
	if (ctl.op == CTL_END && (r->any_run || ctl.run == r->run))
		r->end = ctl;
}

static void burst(struct receiver *r, struct rte_mbuf **m, unsigned n)
{
	uint64_t now = rte_rdtsc(), frames = r->frames;

	// All of a burst comes from another core's cache, and the waits should overlap.
	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(m[i]);
	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(
			rte_pktmbuf_mtod_offset(m[i], void *, m[i]->data_len - FRAME_PROBE_BYTES));
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *data = rte_pktmbuf_mtod(m[i], const uint8_t *);
		struct probe probe;
		enum frame_kind kind = likely(m[i]->nb_segs == 1)
					       ? frame_read(data, m[i]->data_len, r->dport, &probe)
					       : FRAME_FOREIGN;

		switch (kind) {
		case FRAME_DATA:
			count(r, &probe, m[i]->data_len, now);
			break;
		case FRAME_CORRUPTED:
			r->corrupted++;
			break;
		case FRAME_CTL:
			control(r, data, m[i]->data_len);
			break;
		case FRAME_FOREIGN:
			r->foreign++;
			break;
		}
	}
	rte_pktmbuf_free_bulk(m, n);
	if (r->frames != frames) {
		if (r->first == 0)
			r->first = now;
		r->last = now;
	}
}

bool receiver_round(struct receiver *r)
{
	struct rte_mbuf *m[RECEIVER_BURST];
	bool any = false;

	for (uint16_t q = 0; q < r->dev->n_queues; q++) {
		unsigned n = rte_eth_rx_burst(r->dev->id, q, m, RECEIVER_BURST);

		if (n > 0) {
			burst(r, m, n);
			any = true;
		}
	}
	return any;
}
