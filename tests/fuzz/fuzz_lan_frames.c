// SPDX-License-Identifier: BSD-3-Clause
// What hosts put on the LAN: any bytes as frames, in one burst. What leaves arrives at the far side
// bit for bit, or is counted as dropped on one of the two.
//
// input: frames, each u16 length, bytes
#include <string.h>

#include <rte_mbuf.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/dataplane/rig.h"

#define SLOT 5

static struct rig_gateway *a, *b;

static void set_up(void)
{
	struct rig_options o = {.n_workers = 1};

	if (b != NULL)
		return;
	rig_init(2047, 10240);
	a = rig_gateway(1, &o);
	b = rig_gateway(2, &o);
	rig_join(a, b, SLOT, 1500, CIPHER_AES_256_GCM);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rte_mbuf *m[BATCH_MAX];
	const uint8_t *sent[BATCH_MAX];
	unsigned bytes[BATCH_MAX], n = 0, at = 0;
	uint64_t drops;

	set_up();
	drops = rig_all_drops(a) + rig_all_drops(b);
	for (; n < BATCH_MAX && size >= 2; n++) {
		bytes[n] = get_le16(data);
		data += 2;
		size -= 2;
		bytes[n] = bytes[n] < size ? bytes[n] : size;
		bytes[n] = bytes[n] < 9600 ? bytes[n] : 9600;
		sent[n] = data;
		m[n] = rig_bytes(data, bytes[n]);
		data += bytes[n];
		size -= bytes[n];
	}
	// Nothing is learned, so every valid frame is flooded to LAN2 and the peer.
	rig_in(a, 0, RIG_LAN, m, n);
	rig_carry(a, b, 0);
	drops = rig_all_drops(a) + rig_all_drops(b) - drops;
	fuzz_must(b->out[RIG_LAN].n + drops >= n && b->out[RIG_LAN].n <= n);
	for (unsigned i = 0; i < b->out[RIG_LAN].n; i++, at++) {
		const struct rte_mbuf *got = b->out[RIG_LAN].m[i];

		while (at < n &&
			(bytes[at] != got->data_len ||
				memcmp(sent[at], rte_pktmbuf_mtod(got, void *), bytes[at]) != 0))
			at++;
		fuzz_must(at < n);
	}
	for (unsigned i = 0; i < 3; i++) {
		rig_discard(&a->out[i]);
		rig_discard(&b->out[i]);
	}
	fuzz_must(rig_free_mbufs() + b->w[0]->n_spare + a->w[0]->n_spare == 2047);
	return 0;
}
