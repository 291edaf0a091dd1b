// SPDX-License-Identifier: BSD-3-Clause
// M2's sealed body from a dishonest server: the input is the plaintext up to the signature;
// signature, fin, seal and mac around it are true. Includes handshake.c for its key schedule.
#include "controlplane/common/handshake.c" // NOLINT

#include "tests/fuzz/fuzz_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t rnd[64];
	static uint8_t msg[PKT_HS_TCP_MAX_LEN];
	static uint8_t m3[PKT_HS_TCP_MAX_LEN];
	static const uint8_t y_sk[32] = {5};
	static struct hs_client waiting; // for its M2, always the same
	static struct pkt_m1 m1;
	static uint8_t th1[32];
	static uint8_t y_pk[32];
	struct fuzz_pair *f = fuzz_pair();
	struct pkt_m2 *m2 = (struct pkt_m2 *)msg;
	struct hs_client c;
	struct hs_result r;
	struct keys k;
	uint8_t th2[32];
	uint8_t th3[32];
	enum hs_status st;
	size_t n;

	if (size > sizeof(msg) - PKT_M2_HDR_LEN - PKT_AUTH_LEN - 2 * PKT_MAC_LEN)
		return 0;
	if (!waiting.open) {
		hs_client_start(&waiting, &f->client_cfg, 7, 9, FUZZ_NOW, rnd, &m1);
		crypto_scalarmult_base(y_pk, y_sk);
		th1_of(th1, &f->server, &m1);
	}
	c = waiting;
	n = PKT_M2_HDR_LEN + size + PKT_AUTH_LEN + 2 * PKT_MAC_LEN;
	m2->hs = (struct pkt_hs){.type = PKT_TYPE_M2, .len = (uint16_t)n, .key_id = 7, .ts = 9};
	pair_tag(&f->server, PAIR_S2C, pair_slot(FUZZ_NOW), m2->hs.tag);
	memcpy(m2->x, y_pk, sizeof(y_pk));
	hash2(th2, NULL, th1, 32, m2, PKT_M2_HDR_LEN);
	fuzz_must(derive_keys(&f->server, y_sk, m2->x, m1.x, th2, &k) == HS_OK);
	memcpy(m2->sealed, data, size);
	hash2(th3, NULL, th2, 32, data, size);
	fuzz_must(make_auth(&f->server_cfg, "S", th3, k.f2, m2->sealed + size) == HS_OK);
	seal_and_mac(&f->server, PAIR_MAC_M2, k.k2, msg, PKT_M2_HDR_LEN, size + PKT_AUTH_LEN);

	st = hs_client_m2(&c, msg, n, FUZZ_NOW, m3, &n, &r);
	fuzz_must(st == HS_OK || st == HS_SHAPE || st == HS_CERT_FIELD || st == HS_RESERVED ||
		  st == HS_CIPHER);
	if (st == HS_OK) {
		fuzz_must((r.peer_caps & PKT_CAP_RESERVED) == 0);
		fuzz_must(r.cipher == pkt_cipher(f->client_cfg.caps, r.peer_caps));
		fuzz_must(pkt_hs_plausible(m3, n, PKT_HS_TCP_MAX_LEN));
	}
	return 0;
}
