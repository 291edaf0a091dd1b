// SPDX-License-Identifier: BSD-3-Clause
// Forgeries and replays against the real pipelines of two gateways: nothing of either is delivered.
//
// Forged: every bit of genuine packets in turn, headers and tags included, noise of every length
// under live key_ids, packets put under another lane, epoch, session or direction. Replayed: what
// was delivered once, as it is, of the present and the former epoch, and given back to its sender.
// After each round a genuine frame must still come through.
//
// usage: forge PACKETS     of each kind
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <rte_mbuf.h>

#include "tests/unit/dataplane/rig.h"
#include "wire/packet.h"

#define KEPT     64
#define BURST    32
#define WORKERS  2
#define HEADERS  OUTER_IPV4_BYTES
#define SLOTS    3
#define SESSIONS 2

struct kept {
	unsigned bytes;
	uint8_t data[2048];
};

static struct rig_gateway *a, *b;
static struct kept genuine[KEPT];
static unsigned n_genuine;
static uint64_t dice = 88172645463325252ull;
static uint32_t number;

static uint64_t roll(uint64_t n)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return dice % n;
}

static void keep_what_leaves(void)
{
	const struct rig_out *o = &a->out[RIG_WAN];

	for (unsigned i = 0; i < o->n; i++) {
		struct kept *k = &genuine[n_genuine++ % KEPT];

		k->bytes = o->m[i]->data_len;
		memcpy(k->data, rte_pktmbuf_mtod(o->m[i], uint8_t *), k->bytes);
	}
}

// One frame goes from a to b. False when it does not arrive, exactly once.
static bool genuine_passes(void)
{
	struct rte_mbuf *m = rig_frame(2, 1, 64 + (unsigned)roll(1000), ++number);

	rig_in(a, 0, RIG_LAN, &m, 1);
	keep_what_leaves();
	rig_discard(&a->out[RIG_LAN2]); // flooded there, too
	rig_carry(a, b, 0);
	if (b->out[RIG_LAN].n + b->out[RIG_LAN2].n == 0)
		return false;
	rig_discard(&b->out[RIG_LAN]);
	rig_discard(&b->out[RIG_LAN2]);
	return true;
}

static void make_forgery(struct kept *f)
{
	struct pkt_data *h;
	uint64_t before;

	*f = genuine[roll(n_genuine < KEPT ? n_genuine : KEPT)];
	h = (struct pkt_data *)(f->data + HEADERS);
	before = h->counter;
	switch (roll(6)) {
	case 0: // a bit anywhere behind the addresses
		f->data[HEADERS + roll(f->bytes - HEADERS)] ^= (uint8_t)(1 << roll(8));
		break;
	case 1: // noise under a live key_id
		for (unsigned i = HEADERS + PKT_DATA_HDR_LEN; i < f->bytes; i++)
			f->data[i] = (uint8_t)roll(256);
		h->counter = before + roll(1000);
		break;
	case 2: // as of another lane
		h->lane = (uint8_t)(h->lane + 1 + roll(254));
		break;
	case 3: // as of another epoch or session
		h->key_id = PKT_KEY_ID((uint32_t)roll(SLOTS), (uint8_t)roll(4));
		h->counter = before + 1 + roll(100);
		break;
	case 4: // newer than it is
		h->counter = before + 1 + roll(1u << 20);
		break;
	default: // its tag changed
		f->data[f->bytes - 1 - roll(PKT_MAC_LEN)] ^= (uint8_t)(1 + roll(255));
		break;
	}
}

// Put packets in at one side's WAN; what comes out of any LAN port counts as accepted.
static uint64_t accepted(struct rig_gateway *g, struct kept *list, unsigned n)
{
	struct rte_mbuf *m[BURST];
	uint64_t out;

	for (unsigned i = 0; i < n; i++)
		m[i] = rig_bytes(list[i].data, list[i].bytes);
	rig_in(g, (unsigned)roll(WORKERS), RIG_WAN, m, n);
	out = g->out[RIG_LAN].n + g->out[RIG_LAN2].n;
	rig_discard(&g->out[RIG_LAN]);
	rig_discard(&g->out[RIG_LAN2]);
	rig_discard(&g->out[RIG_WAN]); // answers to challenges and the like go nowhere
	return out;
}

static uint64_t attack(uint64_t n, bool forge, bool *ret_alive)
{
	static struct kept list[BURST];
	uint64_t n_accepted = 0, done = 0;

	for (unsigned round = 0; done < n; done += BURST, round++) {
		for (unsigned i = 0; i < BURST; i++) {
			if (forge)
				make_forgery(&list[i]);
			else
				list[i] = genuine[roll(n_genuine < KEPT ? n_genuine : KEPT)];
		}
		// Every eighth burst goes back to where its packets came from.
		n_accepted += accepted(round % 8 == 7 ? a : b, list, BURST);
		if (round % 4096 == 0)
			*ret_alive &= genuine_passes();
	}
	return n_accepted;
}

int main(int argc, char **argv)
{
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000, forged, replayed;
	struct rig_options o = {.n_workers = WORKERS};
	bool alive = true;

	rig_init(4095, 2048 + 256);
	a = rig_gateway(1, &o);
	b = rig_gateway(2, &o);
	for (uint32_t slot = 0; slot < SESSIONS; slot++)
		rig_join(a, b, slot, 1500,
			slot == 0 ? PKT_CIPHER_AES_256_GCM : PKT_CIPHER_CHACHA20_POLY1305);
	for (unsigned i = 0; i < KEPT; i++)
		alive &= genuine_passes();
	// A second epoch; the first still receives, as in the half minute after a rekey.
	for (uint32_t slot = 0; slot < SESSIONS; slot++) {
		rig_epoch(a, b, slot, 2, PKT_CIPHER_AES_256_GCM);
		alive &= rig_switch(a, slot, 2) == 0 && rig_switch(b, slot, 2) == 0;
	}
	for (unsigned i = 0; i < KEPT / 2; i++)
		alive &= genuine_passes();
	forged = attack(n, true, &alive);
	replayed = attack(n, false, &alive);
	printf("%llu forged packets, %llu accepted; %llu replayed, %llu accepted; genuine frames "
	       "%s\n",
		(unsigned long long)n, (unsigned long long)forged, (unsigned long long)n,
		(unsigned long long)replayed, alive ? "pass all the while" : "DO NOT PASS");
	return forged == 0 && replayed == 0 && alive ? 0 : 1;
}
