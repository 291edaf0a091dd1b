// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/sender.h"

#include <rte_branch_prediction.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>

#include "pktgen/capture.h"
#include "pktgen/device.h"

void sender_start(struct sender *s, uint64_t hz, uint64_t now)
{
	s->start = now;
	s->phase_start[0] = now;
	pace_start(&s->pace, &s->phases[0].rate, hz, now);
}

static bool phase_is_over(const struct sender *s, uint64_t now)
{
	const struct sender_phase *p = &s->phases[s->phase];

	if (p->ticks != 0 && now - s->phase_start[s->phase] >= p->ticks)
		return true;
	return p->n_frames != 0 && s->built == p->n_frames && s->held_at == s->held_end;
}

static void next_phase(struct sender *s, uint64_t hz, uint64_t now)
{
	if (s->phase + 1 == s->n_phases) {
		sender_finish(s);
		s->end = now;
		s->done = true;
		return;
	}
	s->phase++;
	s->built = 0;
	s->phase_start[s->phase] = now;
	pace_start(&s->pace, &s->phases[s->phase].rate, hz, now);
}

static bool restock(struct sender *s)
{
	if (rte_pktmbuf_alloc_bulk(s->dev->pool, s->stock, SENDER_BURST) != 0)
		return false;
	s->n_stock = SENDER_BURST;
	return true;
}

static unsigned next_bytes(const struct sender *s)
{
	return s->capture != NULL ? s->capture->frames[s->capture_idx].len
				  : s->mix->bytes[s->size_idx];
}

static uint64_t next_gap_ns(const struct sender *s)
{
	return s->capture != NULL ? s->capture->frames[s->capture_idx].gap_ns : 0;
}

// Flows take turns. Every turn begins one size further, so that each flow gets every size.
static void advance(struct sender *s)
{
	if (s->capture != NULL) {
		if (++s->capture_idx == s->capture->n)
			s->capture_idx = 0;
		s->seq++;
		return;
	}
	if (++s->size_idx == s->mix->n)
		s->size_idx = 0;
	if (++s->flow == s->n_flows) {
		s->flow = 0;
		s->seq++;
		if (++s->size_turn == s->mix->n)
			s->size_turn = 0;
		s->size_idx = s->size_turn;
	}
}

static void build_one(struct sender *s, struct rte_mbuf *m, unsigned bytes, uint64_t now)
{
	struct probe probe = {.run = s->run, .stream = s->flow, .seq = s->seq, .time = now};
	uint8_t *data = rte_pktmbuf_mtod(m, uint8_t *);

	m->data_len = (uint16_t)bytes;
	m->pkt_len = bytes;
	if (unlikely(s->capture != NULL)) {
		const struct capture_frame *f = &s->capture->frames[s->capture_idx];

		rte_memcpy(data, s->capture->bytes + f->at, bytes - FRAME_PROBE_BYTES);
		frame_probe_write_replayed(data, bytes, &probe, f->body_sum);
	} else {
		// With many flows the next ones' heads are in no cache.
		rte_prefetch0(s->heads + s->flow + 4);
		frame_write(data, bytes, &s->heads[s->flow]);
		frame_probe_write(data, bytes, &probe);
	}
}

// Take from the stock what is due by now.
static void build(struct sender *s, uint64_t now)
{
	const struct sender_phase *p = &s->phases[s->phase];
	uint64_t left = p->n_frames != 0 ? p->n_frames - s->built : UINT64_MAX;
	unsigned n = 0;

	pace_clip(&s->pace, now);
	while (s->n_stock > 0 && n < left) {
		unsigned bytes = next_bytes(s);

		if (!pace_take(&s->pace, now, bytes, next_gap_ns(s)))
			break;
		s->held[n] = s->stock[--s->n_stock];
		s->held_bytes[n] = (uint16_t)bytes;
		build_one(s, s->held[n], bytes, now);
		advance(s);
		n++;
	}
	s->built += n;
	s->held_at = 0;
	s->held_end = n;
}

void sender_round(struct sender *s, uint64_t hz)
{
	uint64_t now = rte_rdtsc();
	unsigned taken;

	if (unlikely(phase_is_over(s, now))) {
		next_phase(s, hz, now);
		return;
	}
	if (s->held_at == s->held_end) {
		if (s->n_stock == 0 && unlikely(!restock(s))) {
			s->bursts++; // all buffers are still with the port
			s->refused++;
			return;
		}
		build(s, now);
		if (s->held_end == 0) {
			s->idle++;
			return;
		}
	}
	now = rte_rdtsc();
	taken = rte_eth_tx_burst(
		s->dev->id, 0, s->held + s->held_at, (uint16_t)(s->held_end - s->held_at));
	s->port_ticks += rte_rdtsc() - now;
	s->bursts++;
	s->frames += taken;
	for (unsigned i = 0; i < taken; i++)
		s->bytes += s->held_bytes[s->held_at + i];
	s->held_at += taken;
	if (s->held_at < s->held_end)
		s->refused++;
}

void sender_finish(struct sender *s)
{
	rte_pktmbuf_free_bulk(s->held + s->held_at, s->held_end - s->held_at);
	rte_pktmbuf_free_bulk(s->stock, s->n_stock);
	s->held_at = s->held_end = s->n_stock = 0;
}
