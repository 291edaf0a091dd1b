// SPDX-License-Identifier: BSD-3-Clause
// M1 from a dishonest peer: the input is everything between header and mac1, under a true tag and
// mac.
#include "tests/fuzz/fuzz_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t rnd[64];
	static uint8_t m2[PKT_HS_TCP_MAX_LEN];
	struct fuzz_pair *f = fuzz_pair();
	struct pkt_m1 m1 = {
		.hs = {.type = PKT_TYPE_M1, .len = PKT_M1_LEN, .key_id = 7, .ts = 9},
	};
	const size_t room = PKT_M1_MAC1_OFF - PKT_HS_HDR_LEN;
	struct hs_server s;
	enum hs_status st;
	size_t n;

	pair_tag(&f->client, PAIR_C2S, pair_slot(FUZZ_NOW), m1.hs.tag);
	memcpy(m1.x, data, size < room ? size : room);
	pair_mac(&f->client, PAIR_MAC_M1, &m1, PKT_M1_MAC1_OFF, m1.mac1);
	st = hs_server_m1(&s, &f->server_cfg, &m1, sizeof(m1), 8, FUZZ_NOW, rnd, m2, &n);
	fuzz_must(st == HS_OK || st == HS_RESERVED || st == HS_LOW_ORDER);
	if (st == HS_OK) {
		fuzz_must(n <= PKT_HS_TCP_MAX_LEN && pkt_hs_plausible(m2, n, PKT_HS_TCP_MAX_LEN));
		fuzz_must((m1.caps & PKT_CAP_RESERVED) == 0 && m1.zero == 0);
		hs_server_fini(&s);
	}
	return 0;
}
