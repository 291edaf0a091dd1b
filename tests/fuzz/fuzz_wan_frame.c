// SPDX-License-Identifier: BSD-3-Clause
// What the WAN port brings, from the outer Ethernet header on: nothing of it may reach the LAN, be
// answered, move a window or be learned, since none of it is authentic.
#include <string.h>

#include <rte_mbuf.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/dataplane/rig.h"

#define SLOT 5

static struct rig_gateway *gateway(void)
{
	static struct rig_gateway *a, *b;
	struct rig_options o = {.n_workers = 1};

	if (b == NULL) {
		rig_init(1023, 10240);
		a = rig_gateway(1, &o);
		b = rig_gateway(2, &o);
		rig_join(a, b, SLOT, 1500, CIPHER_AES_256_GCM);
	}
	return b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rig_gateway *g = gateway();
	struct rte_mbuf *m = rig_bytes(data, size < 9500 ? size : 9500);
	uint64_t drops = rig_all_drops(g) + g->n_lane0;
	enum drop_reason why;
	struct outer_view v;

	// On the input itself too, where a sanitizer sees its end.
	if (outer_parse((uint8_t *)data, size, &v, &why))
		fuzz_must(v.payload >= data && v.payload + v.payload_bytes <= data + size);
	rig_in(g, 0, RIG_WAN, &m, 1);
	fuzz_must(rig_all_drops(g) + g->n_lane0 == drops + 1);
	fuzz_must(g->out[RIG_LAN].n == 0 && g->out[RIG_LAN2].n == 0 && g->out[RIG_WAN].n == 0);
	fuzz_must(g->w[0]->session_stats[SLOT].rx_packets == 0);
	fuzz_must(g->n_new_sources == 0 && g->n_punted == 0 && g->n_events == 0);
	return 0;
}
