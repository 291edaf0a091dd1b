// SPDX-License-Identifier: BSD-3-Clause
//
// Records cut into RECORD blocks and put together again.
#include "wire/record.h"

#include <errno.h>
#include <string.h>

#include "wire/bytes.h"

int record_tx_init(struct record_tx *tx, uint16_t type, const uint8_t *body, size_t len)
{
	if (len > RECORD_MAX_LEN)
		return -EMSGSIZE;
	*tx = (struct record_tx){.type = type, .body = body, .total = (uint32_t)len};
	return 0;
}

size_t record_tx_next(struct record_tx *tx, uint8_t *payload, size_t room)
{
	size_t n = tx->total - tx->sent;

	if (tx->done || room <= RECORD_PIECE_HDR_LEN)
		return 0;
	if (n > room - RECORD_PIECE_HDR_LEN)
		n = room - RECORD_PIECE_HDR_LEN;
	put_le16(payload, tx->type);
	put_le32(payload + 2, tx->total);
	if (n > 0)
		memcpy(payload + RECORD_PIECE_HDR_LEN, tx->body + tx->sent, n);
	tx->sent += (uint32_t)n;
	tx->done = tx->sent == tx->total;
	return RECORD_PIECE_HDR_LEN + n;
}

void record_rx_init(struct record_rx *rx, uint8_t *buf)
{
	*rx = (struct record_rx){.buf = buf};
}

int record_rx_push(struct record_rx *rx, const void *payload, size_t len)
{
	struct bytes_reader r = bytes_reader(payload, len);
	uint16_t type = bytes_take_le16(&r);
	uint32_t total = bytes_take_le32(&r);

	if (r.bad || total > RECORD_MAX_LEN)
		return -EBADMSG;
	if (!rx->open) {
		rx->open = true;
		rx->type = type;
		rx->total = total;
		rx->have = 0;
	} else if (type != rx->type || total != rx->total) {
		return -EBADMSG;
	}
	// An empty piece would let a peer keep a record open for ever; only an empty record has
	// one.
	if (r.left > total - rx->have || (r.left == 0 && total != 0))
		return -EBADMSG;
	if (r.left > 0)
		memcpy(rx->buf + rx->have, r.at, r.left);
	rx->have += (uint32_t)r.left;
	if (rx->have < total)
		return 0;
	rx->open = false;
	return 1;
}

void record_rx_reset(struct record_rx *rx)
{
	uint8_t *buf = rx->buf;

	// `have` counts what was written since the last complete record began, and a shorter record
	// after a longer one leaves the longer one's end behind; so all of it.
	explicit_bzero(buf, RECORD_MAX_LEN);
	record_rx_init(rx, buf);
}
