// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <rte_ether.h>
#include <rte_mbuf.h>
#include <sodium.h>

#include "dataplane/flood.h"
#include "dataplane/guard.h"
#include "dataplane/l2.h"
#include "dataplane/stream.h"
#include "dataplane/worker_types.h"
#include "wire/bytes.h"

// On the wire, after the Ethernet header; little-endian. Read only if `magic` and `mac` hold.
struct __attribute__((packed)) probe {
	uint8_t dst[6];
	uint8_t src[6];
	uint8_t be_type[2];
	uint8_t magic[4];
	uint8_t hops; // gateways passed; not under the mac
	uint8_t segment;
	uint8_t attachment[2];
	uint8_t origin[8];
	uint8_t sent_s[4];
	uint8_t mac[8]; // SipHash of all from `segment` to `sent_s`
};

#define PROBE_BYTES 60

static const uint8_t magic[4] = {'P', 'S', 'T', 'L'};

int loop_init(struct loop *l)
{
	memset(l, 0, sizeof(*l));
	if (getrandom(l->secret, sizeof(l->secret), 0) != sizeof(l->secret) ||
		getrandom(&l->id, sizeof(l->id), 0) != sizeof(l->id))
		return -EIO;
	return 0;
}

// ---------------------------------------------------------------- places

bool loop_cuts(const struct loop *l, fdb_dst_t place, uint8_t segment)
{
	uint64_t key = loop_key(place, segment);

	if (key == 0)
		return false; // nowhere, in segment 0: what a free place says, too
	for (unsigned i = 0; i < LOOP_PLACES; i++) {
		if (atomic_load_explicit(&l->place[i].key, memory_order_relaxed) == key)
			return true;
	}
	return false;
}

unsigned loop_count(const struct loop *l, uint8_t segment)
{
	unsigned n = 0;

	for (unsigned i = 0; i < LOOP_PLACES; i++) {
		uint64_t key = atomic_load_explicit(&l->place[i].key, memory_order_relaxed);

		n += key != 0 && (uint8_t)key == segment;
	}
	return n;
}

// Returns true when the place was not cut off before.
static bool cut(struct loop *l, fdb_dst_t place, uint8_t segment, uint32_t until_s)
{
	uint64_t key = loop_key(place, segment);

	for (unsigned i = 0; i < LOOP_PLACES; i++) {
		if (atomic_load(&l->place[i].key) == key) {
			atomic_store(&l->place[i].until_s, until_s);
			return false;
		}
	}
	for (unsigned i = 0; i < LOOP_PLACES; i++) {
		uint64_t none = 0;

		if (!atomic_compare_exchange_strong(&l->place[i].key, &none, key))
			continue;
		atomic_store(&l->place[i].until_s, until_s);
		atomic_fetch_add(&l->n_cut, 1);
		return true;
	}
	return false;
}

void loop_run(
	struct loop *l, struct loop_known *known, uint32_t now_s, loop_tell_fn *tell, void *ctx)
{
	for (unsigned i = 0; i < LOOP_PLACES; i++) {
		uint64_t key = atomic_load(&l->place[i].key);
		uint32_t until_s = atomic_load(&l->place[i].until_s);

		if (key == 0)
			continue;
		if (known->key[i] != key) {
			// Its end may not be written yet; it is by the next call.
			known->key[i] = key;
			tell(ctx, (fdb_dst_t)(key >> 8), (uint8_t)key, true);
		} else if ((int32_t)(now_s - until_s) > 0) {
			known->key[i] = 0;
			atomic_store(&l->place[i].key, 0);
			atomic_fetch_sub(&l->n_cut, 1);
			tell(ctx, (fdb_dst_t)(key >> 8), (uint8_t)key, false);
		}
	}
}

// ---------------------------------------------------------------- probes

static void sign(const struct loop *l, const struct probe *p, uint8_t mac[8])
{
	static_assert(sizeof(p->mac) == crypto_shorthash_BYTES, "SipHash-2-4");
	static_assert(sizeof(l->secret) == crypto_shorthash_KEYBYTES, "SipHash-2-4");
	crypto_shorthash(mac, &p->segment,
		offsetof(struct probe, mac) - offsetof(struct probe, segment), l->secret);
}

static bool is_ours(struct worker *w, const struct probe *p, uint8_t segment)
{
	const struct loop *l = &w->dp->loop;
	uint8_t mac[sizeof(p->mac)];

	if (get_le64(p->origin) != l->id || p->segment != segment)
		return false;
	sign(l, p, mac);
	return sodium_memcmp(mac, p->mac, sizeof(mac)) == 0 &&
	       w->now_s - get_le32(p->sent_s) <= LOOP_PROBE_S;
}

static void send_probe(struct worker *w, uint16_t attachment)
{
	const struct attachment *a = &w->dp->segments.attachment[attachment];
	struct rte_mbuf *m = worker_mbuf(w);
	struct probe *p;

	if (m == NULL)
		return;
	p = rte_pktmbuf_mtod(m, struct probe *);
	memset(p, 0, PROBE_BYTES);
	memcpy(p->dst, guard_probe_group, sizeof(p->dst));
	memcpy(p->src, w->dp->port[a->port_idx].mac, sizeof(p->src));
	put_be16(p->be_type, GUARD_TYPE_PROBE);
	memcpy(p->magic, magic, sizeof(p->magic));
	p->segment = a->segment;
	put_le16(p->attachment, attachment);
	put_le64(p->origin, w->dp->loop.id);
	put_le32(p->sent_s, w->now_s);
	sign(&w->dp->loop, p, p->mac);
	m->data_len = PROBE_BYTES;
	m->pkt_len = PROBE_BYTES;
	l2_deliver(w, attachment, m);
}

void loop_probe(struct worker *w)
{
	const struct segment_table *t = &w->dp->segments;

	for (unsigned i = 0; i < t->n_attachments; i++) {
		const struct segment *s = &t->segment[t->attachment[i].segment];

		w->stats->segment[t->attachment[i].segment].cut =
			loop_count(&w->dp->loop, t->attachment[i].segment);
		// What has one way in only cannot be in a loop.
		if (s->guard.loop_cut &&
			(s->n_attached > 1 || w->flood->peers[t->attachment[i].segment].n > 0))
			send_probe(w, (uint16_t)i);
	}
}

// One of ours came back from there.
static void closed(struct worker *w, const struct probe *p, uint8_t segment, fdb_dst_t from)
{
	fdb_dst_t place = from;

	if (fdb_dst_where(from) == FDB_LAN && get_le16(p->attachment) > fdb_dst_idx(from))
		place = fdb_dst(FDB_LAN, get_le16(p->attachment));
	if (cut(&w->dp->loop, place, segment, w->now_s + LOOP_HOLD_S) &&
		fdb_dst_where(place) == FDB_PEER)
		w->hooks->event(w, EV_LOOP, fdb_dst_idx(place), 0, segment, 1);
}

static bool may_pass(struct loop *l, uint64_t now_ns)
{
	uint64_t due = atomic_load(&l->passed_due_ns);

	if (due > now_ns + 64 * LOOP_PASSED_NS)
		return false;
	atomic_store(&l->passed_due_ns, (due > now_ns ? due : now_ns) + LOOP_PASSED_NS);
	return true;
}

// Somebody else's: as a flooded frame, but through what is cut off and past the storm limit, or
// nobody would know when a loop is gone.
static void pass_on(struct worker *w, uint8_t segment, fdb_dst_t from, struct rte_mbuf *m)
{
	const struct flood_peers *peers = &w->flood->peers[segment];
	const struct segment *s = &w->dp->segments.segment[segment];
	bool from_lan = fdb_dst_where(from) == FDB_LAN;

	rte_pktmbuf_mtod(m, struct probe *)->hops++;
	for (unsigned i = 0; i < s->n_attached; i++) {
		struct rte_mbuf *copy;

		if (from_lan && s->attached[i] == fdb_dst_idx(from))
			continue;
		copy = worker_mbuf_copy(w, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
		if (copy != NULL)
			l2_deliver(w, s->attached[i], copy);
	}
	for (unsigned i = 0; from_lan && i < peers->n; i++) {
		struct stream_frame f = {.data = rte_pktmbuf_mtod(m, const uint8_t *),
			.bytes = m->data_len,
			.segment = segment};
		struct stream_frame *one = &f;

		if (session_tx_epoch(&w->sessions[peers->slot[i]]) != NULL)
			stream_pack(w, peers->slot[i], &one, 1);
	}
}

void loop_probe_in(struct worker *w, uint8_t segment, fdb_dst_t from, struct rte_mbuf *m)
{
	const struct probe *p = rte_pktmbuf_mtod(m, const struct probe *);

	if (m->data_len < sizeof(*p) || memcmp(p->magic, magic, sizeof(magic)) != 0)
		worker_drop(w, DROP_LOOP_PROBE, 1);
	else if (is_ours(w, p, segment) && w->dp->segments.segment[segment].guard.loop_cut)
		closed(w, p, segment, from);
	else if (get_le64(p->origin) != w->dp->loop.id && p->hops < LOOP_HOPS &&
		 may_pass(&w->dp->loop, w->now_ns))
		pass_on(w, segment, from, m);
	else
		worker_drop(w, DROP_LOOP_PROBE, 1);
	rte_pktmbuf_free(m);
}
