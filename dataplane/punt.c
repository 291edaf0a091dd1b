// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/punt.h"

#include <string.h>
#include <unistd.h>
#include <rte_mbuf.h>

#include "dataplane/keeper.h"
#include "dataplane/runtime.h"
#include "wire/drop.h"
#include "wire/packet.h"

static void put_datagram(struct worker *w, enum ring_kind kind, unsigned full, struct rte_mbuf *m,
	const struct outer_view *v, uint8_t port_idx, uint32_t slot)
{
	struct worker_rt *rt = worker_rt(w);
	struct punt p = {.worker = w->id, .session = slot, .at_ns = w->now_ns};

	if (v->payload_bytes > DATAGRAM_MAX_BYTES) {
		worker_drop(w, DROP_OVERSIZE, 1);
		rte_pktmbuf_free(m);
		return;
	}
	p.bytes = v->payload_bytes;
	memcpy(p.data, v->payload, v->payload_bytes);
	outer_reverse(v, port_idx, w->dp->port[port_idx].mtu, &p.from);
	if (rt->rings != NULL && sealed_ring_enqueue(&rt->rings->ring[kind], &p, 1) == 1) {
		w->stats->punted++;
		rt->ring_doorbell = true;
	} else {
		worker_drop(w, full, 1);
	}
	rte_pktmbuf_free(m);
}

void punt_handshake(struct worker *w, struct rte_mbuf *m, const struct outer_view *v,
	uint8_t port_idx, uint32_t slot)
{
	put_datagram(w, RING_PUNT, DROP_PUNT_RING, m, v, port_idx, slot);
}

void punt_lane0(struct worker *w, struct rte_mbuf *m, const struct outer_view *v, uint8_t port_idx,
	uint32_t slot)
{
	put_datagram(w, RING_LANE0, DROP_LANE0_RING, m, v, port_idx, slot);
}

bool punt_event_send(struct worker_rt *rt, struct event *ev)
{
	ev->head.worker = rt->w.id;
	ev->head.at_ns = rt->w.now_ns;
	if (rt->rings == NULL || sealed_ring_enqueue(&rt->rings->ring[RING_EVENT], ev, 1) != 1)
		return false;
	rt->ring_doorbell = true;
	return true;
}

void punt_event(struct worker *w, uint16_t op, uint32_t slot, uint32_t rx_key_id, uint32_t lane,
	uint64_t count)
{
	struct event ev = {.epoch = {.head = {.op = op, .bytes = sizeof(ev.epoch), .session = slot},
				   .rx_key_id = rx_key_id,
				   .lane = lane,
				   .count = count}};

	(void)punt_event_send(worker_rt(w), &ev);
	// Control says it to all workers, too, unless it dies on the way.
	if (op == EV_NEW_EPOCH)
		keeper_new_epoch(w, slot, rx_key_id);
}

// Control may send handshakes and its own lane, never a data lane.
static bool inject_valid(const struct worker *w, const struct inject *in)
{
	uint8_t type = in->data[0];

	if (in->bytes < PKT_MIN_LEN || in->bytes > DATAGRAM_MAX_BYTES || in->reserved != 0 ||
		in->reserved2 != 0)
		return false;
	if (in->session != NO_SESSION && in->session >= w->dp->max_sessions)
		return false;
	if (type == PKT_TYPE_DATA)
		return in->data[1] == PKT_LANE_CONTROL;
	return type >= PKT_TYPE_PUNCH && type <= PKT_TYPE_RETRY;
}

static void inject_one(struct worker *w, const struct inject *in)
{
	struct outer_path path;
	struct rte_mbuf *m;
	uint8_t *payload, *frame;

	if (!inject_valid(w, in)) {
		worker_drop(w, DROP_INJECT_INVALID, 1);
		return;
	}
	if (in->to.port_idx >= w->dp->n_ports ||
		w->dp->port[in->to.port_idx].role != LINK_ROLE_WAN ||
		outer_path_build(&in->to, &path) < 0) {
		worker_drop(w, DROP_INJECT_PATH, 1);
		return;
	}
	m = rte_pktmbuf_alloc(w->pool);
	if (m == NULL) {
		worker_drop(w, DROP_NO_MBUF, 1);
		return;
	}
	payload = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(payload, in->data, in->bytes);
	frame = outer_write(&path, payload, in->bytes, 0);
	m->data_off = (uint16_t)(frame - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)(payload - frame + in->bytes);
	m->pkt_len = m->data_len;
	port_tx(w, in->to.port_idx, m);
	w->stats->injected++;
}

unsigned punt_inject(struct worker_rt *rt)
{
	struct inject in;
	unsigned n;

	if (rt->rings == NULL)
		return 0;
	for (n = 0; n < INJECT_BURST; n++) {
		if (sealed_ring_dequeue(&rt->rings->ring[RING_INJECT], &in, 1) == 0)
			break;
		inject_one(&rt->w, &in);
	}
	return n;
}

void punt_ring_doorbell(struct worker_rt *rt)
{
	uint64_t one = 1;
	ssize_t ignored;

	if (!rt->ring_doorbell || rt->rings == NULL)
		return;
	rt->ring_doorbell = false;
	ignored = write(rt->rings->doorbell_fd, &one, sizeof(one));
	(void)ignored;
}
