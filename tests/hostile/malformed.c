// SPDX-License-Identifier: BSD-3-Clause
//
// Malformed datagrams through the whole frame path of one gateway, in memory: noise, true shapes
// around noise, real packets with a few bytes altered, cut or grown, replays. Nothing may come of
// one: no frame, no answer, no buffer kept.
//
//	malformed COUNT SEED
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_mbuf.h>

#include "dataplane/stream.h"
#include "tests/unit/dataplane/rig.h"
#include "wire/packet.h"

#define SLOT   5
#define N_MBUF 4095
#define REAL   256 // packets to alter
#define OUTER  42  // Ethernet, IPv4, UDP

static struct rig_gateway *a, *b;
static struct {
	unsigned bytes;
	uint8_t data[1600];
} real[REAL];
static unsigned n_real;
static uint64_t seed;

// splitmix64
static uint64_t rnd(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "malformed: %s (seed state %#lx)\n", what, seed);
	exit(1);
}

// Packets that b would take; it takes the first half of them, so that the others are replays.
static void collect(void)
{
	while (n_real < REAL) {
		struct rte_mbuf *m[8];
		struct rig_out out;

		for (unsigned i = 0; i < 8; i++)
			m[i] = rig_frame(9, 8, 60 + (unsigned)(rnd() % 1440), (uint32_t)rnd());
		rig_in(a, 0, RIG_LAN, m, 8);
		rig_discard(&a->out[RIG_LAN2]);
		out = a->out[RIG_WAN];
		a->out[RIG_WAN].n = 0;
		for (unsigned i = 0; i < out.n; i++) {
			if (n_real == REAL || out.m[i]->data_len > sizeof(real[0].data)) {
				rte_pktmbuf_free(out.m[i]);
				continue;
			}
			real[n_real].bytes = out.m[i]->data_len;
			memcpy(real[n_real].data, rte_pktmbuf_mtod(out.m[i], void *),
				out.m[i]->data_len);
			if (n_real++ % 2 == 0)
				rig_in(b, 0, RIG_WAN, &out.m[i], 1);
			else
				rte_pktmbuf_free(out.m[i]);
		}
	}
	rig_discard(&b->out[RIG_LAN]);
	rig_discard(&b->out[RIG_LAN2]);
}

// Lengths that agree with the frame, so that what is behind them is looked at.
static void agree(uint8_t *frame, unsigned bytes)
{
	uint32_t sum = 0;

	put_be16(frame + 16, (uint16_t)(bytes - 14));
	put_be16(frame + 38, (uint16_t)(bytes - 34));
	put_be16(frame + 24, 0);
	for (unsigned i = 14; i < 34; i += 2)
		sum += get_be16(frame + i);
	sum = (sum & 0xffff) + (sum >> 16);
	put_be16(frame + 24, (uint16_t) ~((sum & 0xffff) + (sum >> 16)));
}

static unsigned altered(uint8_t *frame, unsigned k)
{
	unsigned bytes = real[k].bytes, n = 1 + (unsigned)(rnd() % 4);
	bool grown = rnd() % 8 == 0;

	memcpy(frame, real[k].data, bytes);
	if (grown) {
		bytes = OUTER + (unsigned)(rnd() % 1500);
		agree(frame, bytes);
	}
	while (n-- > 0)
		frame[rnd() % 4 == 0 ? rnd() % bytes : OUTER + rnd() % (bytes - OUTER + 1)] ^=
			(uint8_t)(1 + rnd() % 255);
	return bytes;
}

static unsigned noise(uint8_t *frame, bool shaped)
{
	static const uint8_t types[] = {PKT_TYPE_PUNCH, PKT_TYPE_M1, PKT_TYPE_M2, PKT_TYPE_M3,
		PKT_TYPE_RETRY, PKT_TYPE_DATA};
	unsigned bytes = OUTER + (unsigned)(rnd() % 1458);

	memcpy(frame, real[0].data, OUTER);
	for (unsigned i = OUTER; i < bytes; i += 8)
		put_le64(frame + i, rnd());
	if (shaped && bytes >= OUTER + 16) {
		frame[OUTER] = types[rnd() % 6];
		memcpy(frame + OUTER + 4, real[0].data + OUTER + 4, 4); // the live key_id
		frame[OUTER + 1] = (uint8_t)(rnd() % 3);
		put_le16(frame + OUTER + 2, frame[OUTER] == PKT_TYPE_DATA ? 0 : bytes - OUTER);
	}
	agree(frame, bytes);
	return bytes;
}

static struct rte_mbuf *make(void)
{
	uint8_t frame[1600] = {0};
	unsigned kind = (unsigned)(rnd() % 8), k = (unsigned)(rnd() % REAL), bytes;

	if (kind == 0) { // not even a datagram
		bytes = (unsigned)(rnd() % 100);
		for (unsigned i = 0; i < bytes; i++)
			frame[i] = (uint8_t)rnd();
	} else if (kind <= 2) {
		bytes = noise(frame, kind == 2);
	} else if (kind == 3) { // a replay
		bytes = real[k & ~1u].bytes;
		memcpy(frame, real[k & ~1u].data, bytes);
	} else {
		bytes = altered(frame, k);
		// What was altered back to itself, or only where nobody looks, is no malformed one.
		if (bytes == real[k].bytes &&
			memcmp(frame + OUTER, real[k].data + OUTER, bytes - OUTER) == 0)
			frame[OUTER + 8] ^= 0x80;
	}
	return rig_bytes(frame, bytes);
}

int main(int argc, char **argv)
{
	uint64_t count = argc == 3 ? strtoull(argv[1], NULL, 10) : 0;
	struct rig_options o = {.n_workers = 1};
	unsigned free_before;
	time_t begun = time(NULL);

	if (count == 0) {
		fprintf(stderr, "usage: malformed COUNT SEED\n");
		return 2;
	}
	seed = strtoull(argv[2], NULL, 10);
	rig_init(N_MBUF, 10240);
	a = rig_gateway(1, &o);
	b = rig_gateway(2, &o);
	rig_join(a, b, SLOT, 1500, CIPHER_AES_256_GCM);
	collect();
	free_before = rig_free_mbufs() + a->w[0]->n_spare + b->w[0]->n_spare;
	for (uint64_t done = 0; done < count; done += 32) {
		struct rte_mbuf *m[32];

		for (unsigned i = 0; i < 32; i++)
			m[i] = make();
		rig_in(b, 0, RIG_WAN, m, 32);
		must(b->out[RIG_LAN].n == 0 && b->out[RIG_LAN2].n == 0, "a frame came of it");
		must(b->out[RIG_WAN].n == 0, "an answer came of it");
		must(rig_free_mbufs() + a->w[0]->n_spare + b->w[0]->n_spare == free_before,
			"a buffer was kept");
	}
	printf("{\"datagrams\":%lu,\"seconds\":%ld,\"auth\":%lu,\"replay\":%lu,\"tag\":%lu}\n",
		count, time(NULL) - begun, rig_drops(b, DROP_AUTH),
		rig_drops(b, DROP_REPLAY_DUP) + rig_drops(b, DROP_REPLAY_OLD),
		rig_drops(b, DROP_HS_TAG));
	rig_gateway_free(a);
	rig_gateway_free(b);
	return 0;
}
