// SPDX-License-Identifier: BSD-3-Clause
// Records put together from pieces: the input is a row of (u8 length, piece); whatever comes out
// must be cut and joined again to the same.
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "wire/record.h"

static void round_trip(const struct record_rx *rx)
{
	static uint8_t copy[RECORD_MAX_LEN];
	struct record_rx again;
	struct record_tx tx;
	uint8_t piece[300];
	size_t n;
	int got = 0;

	record_rx_init(&again, copy);
	fuzz_must(record_tx_init(&tx, rx->type, rx->buf, rx->total) == 0);
	while ((n = record_tx_next(&tx, piece, sizeof(piece))) > 0)
		got = record_rx_push(&again, piece, n);
	fuzz_must(got == 1 && again.type == rx->type && again.total == rx->total);
	fuzz_must(memcmp(copy, rx->buf, rx->total) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[RECORD_MAX_LEN];
	struct record_rx rx;

	record_rx_init(&rx, buf);
	for (size_t at = 0; at < size;) {
		size_t len = data[at++];
		int got;

		if (len > size - at)
			len = size - at;
		got = record_rx_push(&rx, data + at, len);
		at += len;
		if (got < 0)
			return 0;
		fuzz_must(rx.total <= RECORD_MAX_LEN && rx.have <= rx.total);
		fuzz_must(rx.open == (got == 0));
		if (got == 1)
			round_trip(&rx);
	}
	return 0;
}
