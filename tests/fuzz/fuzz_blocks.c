// SPDX-License-Identifier: BSD-3-Clause
// What a dishonest but authentic peer may put into packets: block structures and fragments, several
// packets in any order. Every buffer must come back and nothing larger than a frame come out.
//
// input: packets, each u8 counter step, u16 length, blocks
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/stream.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/dataplane/rig.h"

#define SLOT       5
#define PACKET_MAX 1440

static struct rig_gateway *a, *b;

static void set_up(void)
{
	struct rig_options o = {.n_workers = 1, .reassembly_bytes = 200000};

	if (b != NULL)
		return;
	rig_init(1023, 10240);
	a = rig_gateway(1, &o);
	b = rig_gateway(2, &o);
	rig_join(a, b, SLOT, 1500, CIPHER_AES_256_GCM);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t base;
	uint64_t counter;

	set_up();
	// The window forgets: far beyond what the last input used, wrapping below the cap.
	base += 100000;
	if (base > LANE_HARD_LIMIT - 200000) {
		fuzz_must(rig_retire(a, SLOT, 1) == 0 && rig_retire(b, SLOT, 1) == 0);
		rig_epoch(a, b, SLOT, 1, CIPHER_AES_256_GCM);
		fuzz_must(rig_switch(a, SLOT, 1) == 0 && rig_switch(b, SLOT, 1) == 0);
		base = 0;
	}
	counter = base + 1000;
	for (unsigned packets = 0; packets < 64 && size >= 3; packets++) {
		unsigned bytes = get_le16(data + 1);
		struct rte_mbuf *m;

		counter += (int8_t)data[0];
		data += 3;
		size -= 3;
		bytes = bytes < size ? bytes : size;
		bytes = bytes < PACKET_MAX ? bytes : PACKET_MAX;
		if (bytes >= PKT_BLOCK_HDR_LEN) {
			m = rig_seal(a, SLOT, data, bytes, counter);
			rig_in(b, 0, RIG_WAN, &m, 1);
		}
		data += bytes;
		size -= bytes;
	}
	for (unsigned i = 0; i < b->out[RIG_LAN].n; i++)
		fuzz_must(b->out[RIG_LAN].m[i]->data_len <= PKT_FRAME_MAX &&
			  b->out[RIG_LAN].m[i]->data_len >= PKT_FRAME_MIN);
	for (unsigned i = 0; i < b->dp.n_ports; i++)
		rig_discard(&b->out[i]);
	// After 100 ms nothing is held any more.
	rig_clock(b, b->w[0]->now_ns + STREAM_HOLD_NS + 1);
	session_epoch(&a->w[0]->sessions[SLOT], PKT_KEY_ID(SLOT, 1))->deadline_ns = UINT64_MAX;
	session_epoch(&b->w[0]->sessions[SLOT], PKT_KEY_ID(SLOT, 1))->deadline_ns = UINT64_MAX;
	rig_settle(b);
	rig_learn(b);
	fuzz_must(stream_held(b->w[0]) == 0);
	fuzz_must(rig_free_mbufs() + b->w[0]->n_spare + a->w[0]->n_spare == 1023);
	return 0;
}
