// SPDX-License-Identifier: BSD-3-Clause
// What arrives from anybody: header checks of every datagram type, and the walk over blocks.
#include "controlplane/common/ctl_lane.h"
#include "tests/fuzz/fuzz_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ctl_lane lane;
	static const struct keysched_traffic traffic;
	static uint8_t plain[PKT_TCP_MAX_LEN];
	struct fuzz_pair *f = fuzz_pair();
	struct pkt_blocks it = pkt_blocks(data, size);
	struct pkt_block_view b;
	uint32_t key_id;
	size_t walked = 0;
	size_t n;

	// No stranger's datagram is ever authentic, whatever it looks like.
	for (unsigned type = PKT_TYPE_PUNCH; type <= PKT_TYPE_RETRY; type++) {
		fuzz_must(hs_check_outer(&f->client, (uint8_t)type, data, size, PKT_HS_TCP_MAX_LEN,
				  FUZZ_NOW) != HS_OK);
		fuzz_must(hs_check_outer(&f->server, (uint8_t)type, data, size, PKT_HS_TCP_MAX_LEN,
				  FUZZ_NOW) != HS_OK);
	}
	fuzz_must(!pair_punch_ok(&f->client, FUZZ_NOW, data, size));
	fuzz_must(!pair_punch_ok(&f->server, FUZZ_NOW, data, size));
	if (pkt_data_plausible(data, size))
		fuzz_must(size >= PKT_MIN_LEN && data[0] == PKT_TYPE_DATA);
	if (ctl_lane_peek(data, size, PKT_HS_MAX_LEN, &key_id)) {
		ctl_lane_init(&lane, &traffic, true, key_id, 1, PKT_HS_MAX_LEN);
		fuzz_must(ctl_lane_open(&lane, data, size, plain, &n) != 0);
	}
	while (pkt_block_next(&it, &b) == 1) {
		walked += PKT_BLOCK_HDR_LEN + b.len;
		fuzz_must(b.payload >= data && b.payload + b.len <= data + size);
	}
	fuzz_must(walked <= size);
	return 0;
}
