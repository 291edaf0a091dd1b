// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/filter.h"

#include <rte_hash.h>
#include <sodium.h>

#include "dataplane/worker_types.h"

#define PER_SECOND(n) (1000000000ull / (n))

#define DUPLICATES_INTERVAL    PER_SECOND(64)
#define DUPLICATES_BURST       16
#define HANDSHAKES_INTERVAL    PER_SECOND(128)
#define HANDSHAKES_BURST       64
#define LANE0_INTERVAL         PER_SECOND(512)
#define LANE0_BURST            256
#define LANE0_STRANGE_INTERVAL PER_SECOND(8)
#define LANE0_STRANGE_BURST    8

struct hs_type {
	uint8_t mac_key; // index into session_pair.mac_key
	bool to_server;
	bool to_client;
	uint16_t mac_at; // 0: the last 16 bytes
};

static const struct hs_type types[] = {
	[PKT_TYPE_PUNCH - PKT_TYPE_PUNCH] = {0, true, true, PKT_HS_HDR_LEN},
	[PKT_TYPE_M1 - PKT_TYPE_PUNCH] = {0, true, false, PKT_M1_MAC1_OFF},
	[PKT_TYPE_M2 - PKT_TYPE_PUNCH] = {0, false, true, 0},
	[PKT_TYPE_M3 - PKT_TYPE_PUNCH] = {1, true, false, 0},
	[PKT_TYPE_RETRY - PKT_TYPE_PUNCH] = {0, false, true, 0},
};

static struct session_pair *find_pair(struct worker *w, const uint8_t *tag, uint32_t *ret_slot)
{
	uint64_t key = get_le64(tag);
	struct session *s;
	void *data;
	uint64_t value;

	if (rte_hash_lookup_data(w->tags, &key, &data) < 0)
		return NULL;
	value = (uintptr_t)data;
	s = session_get(w, value >> 1);
	if (s == NULL)
		return NULL;
	*ret_slot = value >> 1;
	return &s->pair[value & 1];
}

static bool mac_is_right(
	const struct session_pair *p, const struct hs_type *t, const uint8_t *data, uint16_t bytes)
{
	uint16_t at = t->mac_at != 0 ? t->mac_at : bytes - PKT_MAC_LEN;
	uint8_t mac[PKT_MAC_LEN];

	crypto_generichash(
		mac, sizeof(mac), data, at, p->mac_key[t->mac_key], sizeof(p->mac_key[0]));
	return sodium_memcmp(mac, data + at, sizeof(mac)) == 0;
}

static uint64_t *last_ts(struct session_pair *p, uint8_t type)
{
	switch (type) {
	case PKT_TYPE_PUNCH:
		return &p->last_punch_ts;
	case PKT_TYPE_M1:
		return &p->last_m1_ts;
	default: // the time stamp of the M1 that is answered
		return &p->last_reply_ts[type - PKT_TYPE_M2];
	}
}

// A time stamp may come again, rarely: PUNCH goes to several candidates, the others are resent.
// What somebody replays is never newer than what was seen, so it cannot take the share of what is.
static enum drop_reason check_ts(struct worker *w, struct session_pair *p, const struct pkt_hs *h)
{
	uint64_t last = *last_ts(p, h->type);

	if (h->ts < last)
		return DROP_HS_TS;
	if (h->ts == last)
		return bucket_take(&p->duplicates[h->type - PKT_TYPE_PUNCH], w->now_ns,
			       DUPLICATES_INTERVAL, DUPLICATES_BURST)
			       ? DROP_N
			       : DROP_HS_DUPLICATE;
	return bucket_take(&p->handshakes, w->now_ns, HANDSHAKES_INTERVAL, HANDSHAKES_BURST)
		       ? DROP_N
		       : DROP_PUNT_BUCKET;
}

bool filter_handshake(struct worker *w, const struct outer_view *v, uint32_t *ret_slot,
	enum drop_reason *ret_reason)
{
	const struct pkt_hs *h = (const struct pkt_hs *)v->payload;
	const struct hs_type *t;
	struct session_pair *p;

	*ret_reason = DROP_HS_SHAPE;
	if (!pkt_hs_plausible(v->payload, v->payload_bytes, PKT_HS_MAX_LEN))
		return false;
	t = &types[h->type - PKT_TYPE_PUNCH];
	*ret_reason = DROP_HS_TAG;
	p = find_pair(w, h->tag, ret_slot);
	if (p == NULL)
		return false;
	*ret_reason = DROP_HS_ROLE;
	if (p->role == 1 ? !t->to_server : !t->to_client)
		return false;
	*ret_reason = DROP_HS_MAC;
	if (!mac_is_right(p, t, v->payload, v->payload_bytes))
		return false;
	*ret_reason = check_ts(w, p, h);
	if (*ret_reason != DROP_N)
		return false;
	// Only what is genuine and goes up moves the time stamps.
	*last_ts(p, h->type) = h->ts;
	return true;
}

bool filter_lane0(struct worker *w, uint32_t slot, const struct outer_view *v, uint8_t port_idx,
	enum drop_reason *ret_reason)
{
	struct session *s = &w->sessions[slot];

	*ret_reason = DROP_LANE0_SHAPE;
	if (v->payload_bytes < PKT_MIN_LEN || v->payload_bytes > PKT_HS_MAX_LEN)
		return false;
	if (outer_source_key(v, port_idx) != s->path.source_key) {
		*ret_reason = DROP_LANE0_SOURCE;
		return bucket_take(
			&s->lane0_strange, w->now_ns, LANE0_STRANGE_INTERVAL, LANE0_STRANGE_BURST);
	}
	*ret_reason = DROP_LANE0_BUCKET;
	return bucket_take(&s->lane0, w->now_ns, LANE0_INTERVAL, LANE0_BURST);
}
