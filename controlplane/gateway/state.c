// SPDX-License-Identifier: BSD-3-Clause
//
// What survives a restart: one encrypted file, replaced whole (statefile.h).
//
//	u32 version · u64 reserved ts · u32 list length, revocation list · u8 drops, each hash[32] ·
//	u16 reason · u16 peers, each:
//	name · u8 flags · u8 role · u32 slot · segments[32] · m1_ts · punch_ts · memory · intent ·
//	path · candidates · pairings
//
// Little-endian. Read back by the same code only; a file of another version is refused, not
// guessed.
#include "controlplane/gateway/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "config/log.h"
#include "wire/bytes.h"

#define STATE_VERSION  1
#define STATE_SAVE_MS  200
#define FLAG_RUNTIME   1
#define FLAG_KEY       2
#define FLAG_INTENT    4
#define FLAG_CONSUMED  8
#define FLAG_WITHDRAWN 32
#define FLAG_PATH      16
#define PAIRING_NEWEST 1
#define PAIRING_PROVEN 2

static void put_endpoint(struct bytes_writer *w, const struct config_endpoint *e)
{
	bytes_add_u8(w, e->addr.family);
	bytes_add(w, e->addr.bytes, 16);
	bytes_add_le16(w, e->port);
}

static bool take_endpoint(struct bytes_reader *r, struct config_endpoint *e)
{
	const uint8_t *addr;

	e->addr.family = bytes_take_u8(r);
	addr = bytes_take(r, 16);
	e->port = bytes_take_le16(r);
	if (addr == NULL)
		return false;
	memcpy(e->addr.bytes, addr, 16);
	return (e->addr.family == 4 || e->addr.family == 6) && e->port != 0;
}

static void take_into(struct bytes_reader *r, void *out, size_t n)
{
	const uint8_t *p = bytes_take(r, n);

	if (p != NULL)
		memcpy(out, p, n);
}

static void put_pairings(struct bytes_writer *w, const struct peer *p)
{
	unsigned n = p->pairing[0].live + p->pairing[1].live;

	bytes_add_u8(w, n);
	for (unsigned i = 0; i < 2; i++) {
		const struct peer_pairing *a = &p->pairing[i];

		if (!a->live)
			continue;
		bytes_add_u8(w,
			(i == p->newest ? PAIRING_NEWEST : 0) | (a->proven ? PAIRING_PROVEN : 0));
		bytes_add(w, a->pair.th0, sizeof(a->pair.th0));
		bytes_add(w, a->pair.key, sizeof(a->pair.key));
		bytes_add(w, a->mine_hash, 32);
		bytes_add(w, a->theirs_hash, 32);
		bytes_add(w, a->peer_key, 32);
		bytes_add_u8(w, a->peer_serial_len);
		bytes_add(w, a->peer_serial, sizeof(a->peer_serial));
		bytes_add_le64(w, a->not_after_s);
	}
}

static void take_pairings(struct bytes_reader *r, struct peer *p)
{
	unsigned n = bytes_take_u8(r);

	for (unsigned i = 0; i < n && i < 2 && !r->bad; i++) {
		struct peer_pairing a = {.live = true};
		uint8_t flags = bytes_take_u8(r), th0[32] = {0}, key[32] = {0};

		a.proven = flags & PAIRING_PROVEN;
		take_into(r, th0, sizeof(th0));
		take_into(r, key, sizeof(key));
		take_into(r, a.mine_hash, 32);
		take_into(r, a.theirs_hash, 32);
		take_into(r, a.peer_key, 32);
		a.peer_serial_len = bytes_take_u8(r) % (sizeof(a.peer_serial) + 1);
		take_into(r, a.peer_serial, sizeof(a.peer_serial));
		a.not_after_s = bytes_take_le64(r);
		if (!r->bad) {
			pair_restore(&a.pair, p->is_client, th0, key);
			peer_restore(p, i, &a, flags & PAIRING_NEWEST);
		}
		sodium_memzero(&a, sizeof(a));
		sodium_memzero(key, sizeof(key));
	}
}

static void put_peer(struct bytes_writer *w, const struct gw_peer *gp)
{
	const struct peer *p = &gp->sm;
	const struct own_intent *own = &gp->intent;

	bytes_add_le16(w, strlen(p->name));
	bytes_add(w, p->name, strlen(p->name));
	bytes_add_u8(
		w, (gp->runtime ? FLAG_RUNTIME : 0) | (gp->memory.has_key ? FLAG_KEY : 0) |
			   (own->made ? FLAG_INTENT : 0) | (own->consumed ? FLAG_CONSUMED : 0) |
			   (p->has_path ? FLAG_PATH : 0) | (gp->withdrawn ? FLAG_WITHDRAWN : 0));
	bytes_add_le32(w, gp->slot);
	bytes_add(w, gp->segments, sizeof(gp->segments));
	bytes_add_le64(w, p->m1_ts);
	bytes_add_le64(w, p->punch_ts);
	bytes_add_le64(w, gp->memory.serial);
	bytes_add(w, gp->memory.hash, 32);
	bytes_add(w, gp->memory.key, 32);
	if (own->made) {
		bytes_add_le16(w, own->len);
		bytes_add(w, own->bytes, own->len);
		bytes_add(w, own->ipk_sk, 32);
		bytes_add_le64(w, own->serial);
		bytes_add_le64(w, own->not_before_s);
		bytes_add_le64(w, own->not_after_s);
	}
	if (p->has_path)
		put_endpoint(w, &p->path);
	bytes_add_le64(w, p->candidates_ts);
	bytes_add_u8(w, p->n_candidates);
	for (unsigned i = 0; i < p->n_candidates; i++) {
		bytes_add_u8(w, p->candidate[i].kind);
		put_endpoint(w, &p->candidate[i].at);
	}
	put_pairings(w, p);
}

static void take_intent(struct bytes_reader *r, struct own_intent *own, bool consumed)
{
	uint16_t len = bytes_take_le16(r);
	const uint8_t *bytes = bytes_take(r, len), *sk = bytes_take(r, 32);

	own->serial = bytes_take_le64(r);
	own->not_before_s = bytes_take_le64(r);
	own->not_after_s = bytes_take_le64(r);
	if (r->bad || len > sizeof(own->bytes)) {
		r->bad = true;
		return;
	}
	own->made = true;
	own->consumed = consumed;
	own->len = len;
	memcpy(own->bytes, bytes, len);
	memcpy(own->ipk_sk, sk, 32);
	pair_hash(own->hash, own->bytes, own->len);
}

static void take_candidates(struct bytes_reader *r, struct peer *p)
{
	unsigned n;

	p->candidates_ts = bytes_take_le64(r);
	n = bytes_take_u8(r);
	for (unsigned i = 0; i < n && !r->bad; i++) {
		struct peer_candidate c = {.kind = bytes_take_u8(r)};

		if (!take_endpoint(r, &c.at) || p->n_candidates == PEER_CANDIDATES ||
			(p->n_candidates > 0 && endpoint_equal(&p->candidate[0].at, &c.at)))
			continue; // the path comes first, and once
		p->candidate[p->n_candidates++] = c;
	}
}

static bool take_peer(struct control *c, struct bytes_reader *r)
{
	uint16_t name_len = bytes_take_le16(r);
	const char *name = (const char *)bytes_take(r, name_len);
	uint8_t flags = bytes_take_u8(r);
	uint32_t slot = bytes_take_le32(r);
	char text[NAME_MAX_LEN + 1] = "";
	struct gw_peer *gp;
	struct config_endpoint path = {0};

	if (r->bad || !name_valid(name, name_len))
		return false;
	memcpy(text, name, name_len);
	gp = peers_create(c, text, slot);
	if (gp == NULL)
		gp = peers_create(c, text, PEERS_ANY_SLOT);
	if (gp == NULL)
		return false;
	gp->runtime = flags & FLAG_RUNTIME;
	gp->wanted = gp->runtime;
	gp->withdrawn = flags & FLAG_WITHDRAWN;
	take_into(r, gp->segments, sizeof(gp->segments));
	gp->sm.m1_ts = bytes_take_le64(r);
	gp->sm.punch_ts = bytes_take_le64(r);
	gp->memory.has_key = flags & FLAG_KEY;
	gp->memory.serial = bytes_take_le64(r);
	take_into(r, gp->memory.hash, 32);
	take_into(r, gp->memory.key, 32);
	if (flags & FLAG_INTENT)
		take_intent(r, &gp->intent, flags & FLAG_CONSUMED);
	// The last path is a good guess, no more: first among the candidates.
	if (flags & FLAG_PATH && take_endpoint(r, &path))
		gp->sm.candidate[gp->sm.n_candidates++] = (struct peer_candidate){.at = path};
	take_candidates(r, &gp->sm);
	take_pairings(r, &gp->sm);
	return !r->bad;
}

static int parse(struct control *c, const uint8_t *blob, size_t len)
{
	struct bytes_reader r = bytes_reader(blob, len);
	uint32_t version = bytes_take_le32(&r), list_len;
	const uint8_t *list;
	uint16_t n;

	if (version != STATE_VERSION)
		return -EPROTO;
	c->ts_reserved = bytes_take_le64(&r);
	c->ts_last = c->ts_reserved;
	list_len = bytes_take_le32(&r);
	list = bytes_take(&r, list_len);
	if (list != NULL && list_len > 0 && revoke_restore(c, list, list_len) < 0)
		return -EBADMSG;
	c->n_drops = bytes_take_u8(&r);
	if (c->n_drops > CONTROL_DROPS_MAX)
		return -EBADMSG;
	for (unsigned i = 0; i < c->n_drops; i++) {
		take_into(&r, c->drops[i].hash, 32);
		c->drops[i].reason = bytes_take_le16(&r);
	}
	n = bytes_take_le16(&r);
	for (unsigned i = 0; i < n; i++) {
		if (!take_peer(c, &r))
			return -EBADMSG;
	}
	return bytes_done(&r) ? 0 : -EBADMSG;
}

int state_load(struct control *c)
{
	uint8_t *blob = malloc(STATEFILE_BLOB_MAX);
	size_t len;
	int err;

	if (blob == NULL)
		return -ENOMEM;
	err = statefile_load(&c->state, blob, STATEFILE_BLOB_MAX, &len);
	if (err == 0) {
		err = parse(c, blob, len);
		sodium_memzero(blob, len); // pair keys, also where the rest is not understood
	}
	free(blob);
	if (err == -ENOENT)
		return 0;
	if (err < 0)
		log_error("%s: %s", c->state.path, statefile_strerror(err));
	return err;
}

static void write_all(struct control *c, struct bytes_writer *w)
{
	size_t count_at;
	unsigned n = 0;

	bytes_add_le32(w, STATE_VERSION);
	bytes_add_le64(w, c->ts_reserved);
	bytes_add_le32(w, c->revocations_len);
	bytes_add(w, c->revocations, c->revocations_len);
	bytes_add_u8(w, c->n_drops);
	for (unsigned i = 0; i < c->n_drops; i++) {
		bytes_add(w, c->drops[i].hash, 32);
		bytes_add_le16(w, c->drops[i].reason);
	}
	count_at = w->len;
	bytes_add_le16(w, 0);
	for (uint32_t i = 0; i < c->n_slots; i++) {
		if (c->peers[i] == NULL)
			continue;
		put_peer(w, c->peers[i]);
		n++;
	}
	if (!w->bad)
		put_le16(w->start + count_at, n);
}

int state_save(struct control *c)
{
	size_t cap = 65536 + c->revocations_len + 4096 * (size_t)c->n_slots;
	struct bytes_writer w;
	uint8_t *blob;
	int err;

	if (cap > STATEFILE_BLOB_MAX)
		cap = STATEFILE_BLOB_MAX;
	blob = malloc(cap);
	if (blob == NULL)
		return -ENOMEM;
	w = bytes_writer(blob, cap);
	write_all(c, &w);
	err = w.bad ? -EMSGSIZE : statefile_store(&c->state, blob, w.len);
	sodium_memzero(blob, w.len);
	free(blob);
	if (err < 0) {
		log_error("%s: %s; nothing new is sent until it can be written", c->state.path,
			statefile_strerror(err));
		return err;
	}
	c->state_dirty = false;
	c->guard_dirty = false;
	return 0;
}

static void on_save(uv_timer_t *timer)
{
	struct control *c = timer->data;

	if (c->state_dirty && state_save(c) < 0)
		uv_timer_start(timer, on_save, 1000, 0);
}

void state_mark(struct control *c)
{
	c->state_dirty = true;
	if (!c->stopping && !uv_is_active((uv_handle_t *)&c->save))
		uv_timer_start(&c->save, on_save, STATE_SAVE_MS, 0);
}
