// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/path.h"

#include <errno.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/worker_types.h"

// The plaintext: one block, and zeros up to the size asked for. At least a block header, because a
// keepalive is an empty packet with an all-zero one.
static unsigned fill(
	uint8_t *at, uint8_t kind, const uint8_t *payload, uint16_t payload_bytes, unsigned padded)
{
	unsigned used = PKT_BLOCK_HDR_LEN + payload_bytes;
	struct pkt_block *b = (struct pkt_block *)at;

	b->len = payload_bytes;
	b->kind = kind;
	b->segment = 0;
	if (payload_bytes > 0)
		memcpy(at + PKT_BLOCK_HDR_LEN, payload, payload_bytes);
	if (padded <= used)
		return used;
	memset(at + used, 0, padded - used);
	return padded;
}

int path_send(struct worker *w, uint32_t slot, const struct outer_path *to, uint8_t kind,
	const uint8_t *payload, uint16_t payload_bytes, uint16_t ip_bytes)
{
	struct session *s = session_get(w, slot);
	struct epoch *e = s == NULL ? NULL : session_tx_epoch(s);
	const struct outer_path *path = to != NULL || s == NULL ? to : &s->path;
	struct outer_path base;
	unsigned overhead, padded;
	struct aead_op op = {0};
	struct rte_mbuf *m;
	uint8_t *frame;
	uint64_t counter;
	bool sealed;

	if (s == NULL || path == NULL || path->header_bytes == 0)
		return -ENOENT;
	if (to == NULL && s->own_port && outer_path_build(&s->path.desc, &base) == 0)
		path = &base;
	if (e == NULL || e->tx == NULL || w->now_ns >= e->deadline_ns)
		return -ENOKEY;
	overhead = path->header_bytes - 14u + PKT_DATA_HDR_LEN + PKT_MAC_LEN;
	padded = ip_bytes > overhead ? ip_bytes - overhead : 0;
	if (payload_bytes > PKT_PATH_PAYLOAD_LEN || ip_bytes > w->dp->port[path->port_idx].mtu)
		return -EMSGSIZE;
	m = worker_mbuf(w);
	if (m == NULL)
		return -ENOBUFS;
	if (rte_pktmbuf_tailroom(m) < PKT_DATA_HDR_LEN + padded + PKT_MAC_LEN) {
		rte_pktmbuf_free(m);
		return -EMSGSIZE;
	}
	if (!lane_tx_reserve(e->tx, 1, &counter)) {
		rte_pktmbuf_free(m);
		worker_drop(w, DROP_TX_COUNTER_CAP, 1);
		return -ENOKEY;
	}

	op.key = &e->tx->key;
	op.data = rte_pktmbuf_mtod_offset(m, uint8_t *, PKT_DATA_HDR_LEN);
	op.src = op.data;
	op.bytes = fill(op.data, kind, payload, payload_bytes, padded);
	lane_packet_header(e->tx, counter, &op);
	sealed = aead_seal(w->aead, e->tx->cipher, &op);
	aead_forget(w->aead);
	if (!sealed) {
		rte_pktmbuf_free(m);
		worker_drop(w, DROP_CRYPTO, 1);
		return -EIO;
	}
	frame = outer_write(
		path, op.data - PKT_DATA_HDR_LEN, PKT_DATA_HDR_LEN + op.bytes + PKT_MAC_LEN, 0);
	m->data_off = frame - (uint8_t *)m->buf_addr;
	m->data_len = path->header_bytes + PKT_DATA_HDR_LEN + op.bytes + PKT_MAC_LEN;
	m->pkt_len = m->data_len;
	w->session_stats[slot].tx_packets++;
	w->session_stats[slot].tx_wire_bytes += m->data_len;
	s->tx_at_ns = w->now_ns;
	port_tx(w, path->port_idx, m);
	return 0;
}
