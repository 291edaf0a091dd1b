// SPDX-License-Identifier: BSD-3-Clause
//
// What one hostile datagram costs a worker: this thread's own CPU time, which other load on the
// machine does not change much, over the whole way from the port to the drop. Building the datagram
// is measured apart and taken off.
//
//	cost ROUNDS      each round 32 datagrams of a kind; prints one JSON object, ns for each kind
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_mbuf.h>

#include "tests/unit/dataplane/rig.h"
#include "wire/packet.h"

#define SLOT   5
#define N_MBUF 4095
#define OUTER  42
#define BURST  32
#define REPEAT 5 // the least of so many counts: what else ran on the CPU only adds

enum kind { UNKNOWN_TAG, LIVE_TAG, REPLAY, INDEX_SMALL, INDEX_LARGE, LANE0, KINDS };

static const char *const names[KINDS] = {
	"unknown_tag", "live_tag", "replay", "live_index_64", "live_index_1400", "lane0"};

static struct rig_gateway *a, *b;
static uint8_t real[1600];
static unsigned real_bytes;
static uint64_t n;

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void lengths(uint8_t *frame, unsigned bytes)
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

static struct rte_mbuf *make(enum kind kind)
{
	uint8_t frame[1600] = {0};
	uint8_t *p = frame + OUTER;
	unsigned bytes = PKT_M1_LEN;

	memcpy(frame, real, OUTER);
	switch (kind) {
	case UNKNOWN_TAG:
	case LIVE_TAG:
		p[0] = PKT_TYPE_M1;
		put_le16(p + 2, PKT_M1_LEN);
		put_le64(p + PKT_OFF_TAG, kind == LIVE_TAG ? 1 : 1000 + n++);
		put_le64(p + 16, n++);
		break;
	case REPLAY:
		bytes = real_bytes - OUTER;
		memcpy(p, real + OUTER, bytes);
		break;
	default:
		bytes = kind == INDEX_LARGE ? 1400 : kind == LANE0 ? PKT_MIN_LEN + 20 : 100;
		memcpy(p, real + OUTER, 8);
		p[1] = kind == LANE0 ? PKT_LANE_CONTROL : p[1];
		put_le64(p + 8, 1000 + n++ % 4000);
	}
	lengths(frame, OUTER + bytes);
	return rig_bytes(frame, OUTER + bytes);
}

static double measure(enum kind kind, unsigned rounds)
{
	struct rte_mbuf *m[BURST];
	uint64_t least = UINT64_MAX;

	for (unsigned r = 0; r < REPEAT; r++) {
		uint64_t spent = 0;

		for (unsigned i = 0; i < rounds; i++) {
			uint64_t from;

			for (unsigned k = 0; k < BURST; k++)
				m[k] = make(kind);
			from = cpu_ns();
			rig_in(b, 0, RIG_WAN, m, BURST);
			spent += cpu_ns() - from;
		}
		least = spent < least ? spent : least;
	}
	return (double)least / (rounds * BURST);
}

static void set_up(void)
{
	struct rig_options o = {.n_workers = 1};
	struct cmd_tags tags = {.head.session = SLOT, .n_tags = 1, .role = 1, .tag = {{1}}};
	struct rte_mbuf *m;

	rig_init(N_MBUF, 10240);
	a = rig_gateway(1, &o);
	b = rig_gateway(2, &o);
	rig_join(a, b, SLOT, 1500, CIPHER_AES_256_GCM);
	if (session_tags_set(b->w[0], &tags) != 0)
		exit(1);
	m = rig_frame(9, 8, 60, 1);
	rig_in(a, 0, RIG_LAN, &m, 1);
	real_bytes = a->out[RIG_WAN].m[0]->data_len;
	memcpy(real, rte_pktmbuf_mtod(a->out[RIG_WAN].m[0], void *), real_bytes);
	rig_carry(a, b, 0);
	rig_discard(&a->out[RIG_LAN2]);
	rig_discard(&b->out[RIG_LAN]);
	rig_discard(&b->out[RIG_LAN2]);
}

int main(int argc, char **argv)
{
	unsigned rounds = argc == 2 ? (unsigned)atoi(argv[1]) : 0;

	if (rounds == 0) {
		fprintf(stderr, "usage: cost ROUNDS\n");
		return 2;
	}
	set_up();
	printf("{");
	for (unsigned i = 0; i < KINDS; i++)
		printf("%s\"%s\":%.1f", i > 0 ? "," : "", names[i], measure((enum kind)i, rounds));
	printf("}\n");
	// Each was dropped for what it is, or the figures are another's.
	if (rig_drops(b, DROP_HS_TAG) == 0 || rig_drops(b, DROP_HS_MAC) == 0 ||
		rig_drops(b, DROP_REPLAY_DUP) == 0 || rig_drops(b, DROP_AUTH) == 0 ||
		b->n_lane0 == 0) {
		fprintf(stderr, "cost: not every kind met its own drop\n");
		return 1;
	}
	rig_gateway_free(a);
	rig_gateway_free(b);
	return 0;
}
