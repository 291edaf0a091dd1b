// SPDX-License-Identifier: BSD-3-Clause
//
// The control lane of a peer's epochs: what the two controls say to each other once they have keys.
#include "controlplane/gateway/peer_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

void peer_forget_list(struct peer *p)
{
	free(p->list_buf);
	p->list_buf = NULL;
}

static void take_close(struct peer *p, const struct pkt_block_view *b, const struct peer_now *now)
{
	uint16_t reason;

	if (b->len != PKT_CLOSE_PAYLOAD_LEN)
		return;
	reason = get_le16(b->payload);
	peer_close(p, 0, reason != PKT_CLOSE_SHUTDOWN, now);
	peer_note(p, now, "%s",
		reason == PKT_CLOSE_WITHDRAWN  ? "the peer's operator withdrew the intent"
		: reason == PKT_CLOSE_EXPIRED  ? "the peer's certificate or intent has expired"
		: reason == PKT_CLOSE_REVOKED  ? "the peer says that this gateway is revoked"
		: reason == PKT_CLOSE_SHUTDOWN ? "the peer is shutting down"
					       : "the peer closed the connection");
	p->ops->closed(p->ctx, p, reason);
}

static void take_list_piece(struct peer *p, const struct pkt_block_view *b)
{
	int done;

	if (p->list_buf == NULL) {
		p->list_buf = malloc(RECORD_MAX_LEN);
		if (p->list_buf == NULL)
			return;
		record_rx_init(&p->list_rx, p->list_buf);
	}
	done = record_rx_push(&p->list_rx, b->payload, b->len);
	if (done == 1 && p->list_rx.type == RECORD_REVOCATIONS)
		p->ops->got_list(p->ctx, p, p->list_buf, p->list_rx.total);
	if (done != 0)
		peer_forget_list(p);
}

static void take_candidates(
	struct peer *p, const struct pkt_block_view *b, const struct peer_now *now)
{
	struct peer_candidate list[CANDIDATES_MAX];
	struct candidates c;

	if (candidates_parse(b->payload, b->len, &c) < 0)
		return;
	for (unsigned i = 0; i < c.n; i++) {
		list[i] =
			(struct peer_candidate){.kind = c.list[i].kind, .rank = c.list[i].priority};
		list[i].at.port = c.list[i].port;
		list[i].at.addr.family = c.list[i].family;
		memcpy(list[i].at.addr.bytes, c.list[i].addr, sizeof(c.list[i].addr));
	}
	peer_candidates_set(p, list, c.n, c.ts_us, now);
	p->ops->got_candidates(p->ctx, p);
}

static void take_block(struct peer *p, const struct pkt_block_view *b, const struct peer_now *now)
{
	switch (b->kind) {
	case PKT_KIND_REKEY_PLEASE:
		if (p->is_client && p->client.phase == CLIENT_REST)
			client_start(p, now);
		break;
	case PKT_KIND_CLOSE:
		take_close(p, b, now);
		break;
	case PKT_KIND_REVOCATIONS:
		take_list_piece(p, b);
		break;
	case PKT_KIND_CANDIDATES:
		take_candidates(p, b, now);
		break;
	}
}

void peer_lane0_datagram(struct peer *p, const struct config_endpoint *from, const uint8_t *data,
	size_t len, const struct peer_now *now)
{
	uint8_t plain[PKT_HS_MAX_LEN];
	struct pkt_block_view b;
	struct pkt_blocks blocks;
	struct ctl_lane *lane;
	uint32_t key_id;
	size_t plain_len;

	if (!ctl_lane_peek(data, len, PKT_HS_MAX_LEN, &key_id))
		return;
	lane = peer_lane0_of(p, key_id);
	if (lane == NULL || ctl_lane_open(lane, data, len, plain, &plain_len) < 0)
		return;
	// Whatever it says: the other side has these keys.
	if (p->is_client)
		client_confirmed(p, key_id, now);
	blocks = pkt_blocks(plain, plain_len);
	while (pkt_block_next(&blocks, &b) == 1 && peer_lane0_of(p, key_id) == lane)
		take_block(p, &b, now);
	sodium_memzero(plain, sizeof(plain));
}

int peer_send_lane0(struct peer *p, uint8_t kind, const void *payload, size_t len)
{
	struct epoch *e = keyring_current(&p->keys);
	uint8_t packet[PKT_HS_MAX_LEN];
	struct ctl_lane *lane;
	size_t n;

	if (e == NULL || !p->has_path || !p->dataplane)
		return -ENOTCONN;
	lane = peer_lane0_of(p, e->rx_key_id);
	if (lane == NULL)
		return -ENOTCONN;
	if (len > CTL_LANE_MAX_PAYLOAD)
		return -EMSGSIZE;
	n = ctl_lane_seal(lane, kind, payload, len, packet);
	if (n == 0)
		return -EMSGSIZE;
	p->ops->send(p->ctx, p, &p->path, packet, n);
	return 0;
}

int peer_send_list(struct peer *p, const uint8_t *list, size_t len)
{
	uint8_t piece[CTL_LANE_MAX_PAYLOAD];
	struct record_tx tx;
	size_t n;
	int err;

	err = record_tx_init(&tx, RECORD_REVOCATIONS, list, len);
	while (err == 0 && (n = record_tx_next(&tx, piece, sizeof(piece))) > 0)
		err = peer_send_lane0(p, PKT_KIND_REVOCATIONS, piece, n);
	return err;
}
