// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/recordlane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

int recordlane_init(struct recordlane *rl, struct hs_result *result, bool client)
{
	memset(rl, 0, sizeof(*rl));
	rl->buf = malloc(RECORD_MAX_LEN);
	if (rl->buf == NULL) {
		hs_result_wipe(result);
		return -ENOMEM;
	}
	record_rx_init(&rl->rx, rl->buf);
	ctl_lane_init(&rl->lane, &result->traffic, client, result->rx_key_id, result->tx_key_id,
		PKT_TCP_MAX_LEN);
	hs_result_wipe(result);
	return 0;
}

void recordlane_fini(struct recordlane *rl)
{
	if (rl->buf != NULL) {
		sodium_memzero(rl->buf, RECORD_MAX_LEN);
		free(rl->buf);
	}
	ctl_lane_wipe(&rl->lane);
	sodium_memzero(rl, sizeof(*rl));
}

static int send_block(struct recordlane *rl, uint8_t kind, const void *payload, size_t len,
	recordlane_emit emit, void *ctx)
{
	size_t n = ctl_lane_seal(&rl->lane, kind, payload, len, rl->frame + TCPFRAME_HEAD_BYTES);

	if (n == 0)
		return -EOVERFLOW;
	tcpframe_head(rl->frame, n);
	return emit(ctx, rl->frame, TCPFRAME_HEAD_BYTES + n);
}

int recordlane_confirm(struct recordlane *rl, recordlane_emit emit, void *ctx)
{
	rl->confirmed = true;
	return send_block(rl, PKT_KIND_CONFIRM, NULL, 0, emit, ctx);
}

int recordlane_send(struct recordlane *rl, uint16_t type, const void *body, size_t len,
	recordlane_emit emit, void *ctx)
{
	uint8_t payload[CTL_LANE_TCP_MAX_PAYLOAD];
	struct record_tx tx;
	size_t n;
	int err = record_tx_init(&tx, type, body, len);

	while (err == 0 && (n = record_tx_next(&tx, payload, sizeof(payload))) > 0)
		err = send_block(rl, PKT_KIND_RECORD, payload, n, emit, ctx);
	sodium_memzero(payload, sizeof(payload));
	return err;
}

static int take_block(
	struct recordlane *rl, const struct pkt_block_view *b, recordlane_take take, void *ctx)
{
	int done, err;

	if (b->kind == PKT_KIND_CONFIRM) {
		rl->confirmed = true;
		return 0;
	}
	// Kinds that only peers use, and those of a later version, are skipped.
	if (b->kind != PKT_KIND_RECORD)
		return 0;
	done = record_rx_push(&rl->rx, b->payload, b->len);
	if (done < 0 || (rl->max_record != 0 && rl->rx.total > rl->max_record))
		return -EBADMSG;
	if (done == 0)
		return 0;
	err = take(ctx, rl->rx.type, rl->rx.buf, rl->rx.total);
	// The callee may have ended the link, and the lane with it.
	if (err == 0 && rl->buf != NULL)
		record_rx_reset(&rl->rx);
	return err;
}

int recordlane_recv(
	struct recordlane *rl, const uint8_t *frame, size_t len, recordlane_take take, void *ctx)
{
	struct pkt_block_view block;
	struct pkt_blocks it;
	size_t plain_len;
	int err, more;

	if (len > sizeof(rl->plain) ||
		ctl_lane_open(&rl->lane, frame, len, rl->plain, &plain_len) < 0)
		return -EBADMSG;
	it = pkt_blocks(rl->plain, plain_len);
	while ((more = pkt_block_next(&it, &block)) > 0) {
		if (!rl->confirmed && block.kind != PKT_KIND_CONFIRM)
			return -EBADMSG;
		err = take_block(rl, &block, take, ctx);
		if (err != 0)
			return err;
	}
	if (more < 0)
		return -EBADMSG;
	sodium_memzero(rl->plain, plain_len);
	return 0;
}
