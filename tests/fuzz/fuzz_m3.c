// SPDX-License-Identifier: BSD-3-Clause
// M3's sealed body from a dishonest client: the input is the plaintext up to the signature;
// signature, fin, seal and mac around it are true. Includes handshake.c for its key schedule.
#include "controlplane/common/handshake.c" // NOLINT

#include "tests/fuzz/fuzz_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t msg[PKT_HS_TCP_MAX_LEN];
	struct fuzz_pair *f = fuzz_pair();
	struct pkt_m3 *m3 = (struct pkt_m3 *)msg;
	struct hs_server s = {
		.cfg = f->server_cfg,
		.open = true,
		.rx_key_id = 8,
		.tx_key_id = 7,
		.ts = 9,
		.peer_caps = PKT_CAP_CHACHA,
		.cipher = PKT_CIPHER_CHACHA20_POLY1305,
		.k3 = {1},
		.f3 = {2},
		.ms_key = {3},
	};
	struct hs_result r;
	uint8_t th5[32];
	enum hs_status st;
	size_t n;

	if (size > sizeof(msg) - PKT_M3_HDR_LEN - PKT_AUTH_LEN - 2 * PKT_MAC_LEN)
		return 0;
	n = PKT_M3_HDR_LEN + size + PKT_AUTH_LEN + 2 * PKT_MAC_LEN;
	m3->hs = (struct pkt_hs){.type = PKT_TYPE_M3, .len = (uint16_t)n, .key_id = 8, .ts = 9};
	pair_tag(&f->client, PAIR_C2S, pair_slot(FUZZ_NOW), m3->hs.tag);
	memcpy(m3->sealed, data, size);
	hash3(th5, s.th4, 32, m3, PKT_M3_HDR_LEN, data, size);
	fuzz_must(make_auth(&f->client_cfg, "C", th5, s.f3, m3->sealed + size) == HS_OK);
	seal_and_mac(&f->client, PAIR_MAC_M3, s.k3, msg, PKT_M3_HDR_LEN, size + PKT_AUTH_LEN);

	st = hs_server_m3(&s, msg, n, FUZZ_NOW, &r);
	fuzz_must(st == HS_OK || st == HS_SHAPE || st == HS_CERT_FIELD);
	if (st == HS_OK) // only a field that fills its body exactly gets here
		fuzz_must(get_le16(data + 8) == size - PKT_M3_BODY_FIXED);
	return 0;
}
