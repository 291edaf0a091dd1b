// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/hub/gates.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "controlplane/common/handshake.h"

#define TAGS_PER_GATE 3

bool bucket_take(struct bucket *b, double per_s, double burst, uint64_t now_us)
{
	if (b->at_us == 0)
		b->level = burst;
	else if (now_us > b->at_us)
		b->level += (double)(now_us - b->at_us) * per_s / 1e6;
	if (b->level > burst)
		b->level = burst;
	b->at_us = now_us;
	if (b->level < 1)
		return false;
	b->level -= 1;
	return true;
}

void gates_init(struct gates *g)
{
	*g = (struct gates){.dirty = true};
}

static void gate_free(struct gate *gate)
{
	pair_wipe(&gate->pair);
	sodium_memzero(gate, sizeof(*gate));
	free(gate);
}

void gates_fini(struct gates *g)
{
	while (g->first != NULL) {
		struct gate *gate = g->first;

		g->first = gate->next;
		gate_free(gate);
	}
	free(g->index);
	*g = (struct gates){0};
}

struct gate *gates_add(struct gates *g, const uint8_t secret[32], const uint8_t th0[32])
{
	struct gate *gate = calloc(1, sizeof(*gate));

	if (gate == NULL)
		return NULL;
	pair_from_secret(&gate->pair, false, secret, th0);
	gate->next = g->first;
	g->first = gate;
	g->n++;
	g->dirty = true;
	return gate;
}

void gates_remove(struct gates *g, struct gate *gate)
{
	for (struct gate **p = &g->first; *p != NULL; p = &(*p)->next) {
		if (*p == gate) {
			*p = gate->next;
			break;
		}
	}
	g->n--;
	// The index points at what is about to be freed.
	g->n_index = 0;
	g->dirty = true;
	gate_free(gate);
}

struct gate *gates_of_gateway(struct gates *g, int64_t gateway)
{
	for (struct gate *gate = g->first; gate != NULL; gate = gate->next) {
		if (!gate->is_token && gate->gateway == gateway)
			return gate;
	}
	return NULL;
}

struct gate *gates_of_token(struct gates *g, const uint8_t id[16])
{
	for (struct gate *gate = g->first; gate != NULL; gate = gate->next) {
		if (gate->is_token && memcmp(gate->token_id, id, sizeof(gate->token_id)) == 0)
			return gate;
	}
	return NULL;
}

static int compare_tags(const void *a, const void *b)
{
	uint64_t x = ((const struct gate_tag *)a)->tag, y = ((const struct gate_tag *)b)->tag;

	return (x > y) - (x < y);
}

static void reindex(struct gates *g, uint64_t slot)
{
	struct gate_tag *index = calloc(g->n * TAGS_PER_GATE + 1, sizeof(*index));
	size_t n = 0;

	// Without memory the old index serves on; the next datagram tries again.
	if (index == NULL)
		return;
	for (struct gate *gate = g->first; gate != NULL; gate = gate->next) {
		for (unsigned i = 0; i < TAGS_PER_GATE; i++) {
			uint8_t tag[PKT_TAG_LEN];

			pair_tag(&gate->pair, PAIR_C2S, slot + i - 1, tag);
			index[n++] = (struct gate_tag){get_le64(tag), gate};
		}
	}
	qsort(index, n, sizeof(*index), compare_tags);
	free(g->index);
	g->index = index;
	g->n_index = n;
	g->slot = slot;
	g->dirty = false;
}

static bool authentic(const struct gate *gate, const void *datagram, size_t len, uint64_t now_s)
{
	if (((const uint8_t *)datagram)[0] == PKT_TYPE_PUNCH)
		return pair_punch_ok(&gate->pair, now_s, datagram, len);
	return hs_server_check_m1(&gate->pair, datagram, len, now_s) == HS_OK;
}

struct gate *gates_find(struct gates *g, const void *datagram, size_t len, uint64_t now_s)
{
	const struct pkt_hs *h = datagram;
	size_t low = 0, high;
	uint64_t tag;

	if (!pkt_hs_plausible(datagram, len, PKT_HS_MAX_LEN) ||
		(h->type != PKT_TYPE_PUNCH && h->type != PKT_TYPE_M1))
		return NULL;
	if (g->dirty || g->slot != pair_slot(now_s))
		reindex(g, pair_slot(now_s));
	tag = get_le64(h->tag);
	high = g->n_index;
	while (low < high) {
		size_t mid = (low + high) / 2;

		if (g->index[mid].tag < tag)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < g->n_index && g->index[low].tag == tag; low++) {
		if (authentic(g->index[low].gate, datagram, len, now_s))
			return g->index[low].gate;
	}
	return NULL;
}
