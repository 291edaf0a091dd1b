// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/hub/discovery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/common/clock.h"
#include "config/log.h"
#include "controlplane/common/pair.h"
#include "controlplane/hub/records.h"

#define CANDIDATES_PER_S 4
#define CANDIDATES_BURST 64
#define KEPT_MAX         65536 // sealed candidates held for gateways that are away

// The newest candidates of one direction of a match.
struct kept {
	struct kept *next;
	uint8_t from_hash[32];
	uint8_t to_hash[32];
	size_t len;
	uint8_t body[]; // the whole record
};

struct discovery {
	struct kept *first;
	unsigned n;
};

int discovery_create(struct hub *, struct discovery **ret_discovery)
{
	struct discovery *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return -ENOMEM;
	*ret_discovery = d;
	return 0;
}

void discovery_destroy(struct discovery *d)
{
	if (d == NULL)
		return;
	while (d->first != NULL) {
		struct kept *k = d->first;

		d->first = k->next;
		free(k);
	}
	free(d);
}

// ---- kept candidates

static void forget_kept(struct discovery *d, const uint8_t hash[32])
{
	struct kept **p = &d->first;

	while (*p != NULL) {
		struct kept *k = *p;

		if (memcmp(k->from_hash, hash, 32) != 0 && memcmp(k->to_hash, hash, 32) != 0) {
			p = &k->next;
			continue;
		}
		*p = k->next;
		d->n--;
		free(k);
	}
}

static void keep(
	struct discovery *d, const struct record_candidates *c, const uint8_t *body, size_t len)
{
	struct kept *k;

	for (struct kept **p = &d->first; *p != NULL; p = &(*p)->next) {
		if (memcmp((*p)->from_hash, c->from_hash, 32) == 0) {
			k = *p;
			*p = k->next;
			d->n--;
			free(k);
			break;
		}
	}
	k = d->n < KEPT_MAX ? malloc(sizeof(*k) + len) : NULL;
	if (k == NULL)
		return;
	memcpy(k->from_hash, c->from_hash, 32);
	memcpy(k->to_hash, c->to_hash, 32);
	memcpy(k->body, body, len);
	k->len = len;
	k->next = d->first;
	d->first = k;
	d->n++;
}

static void send_kept(struct hub *h, struct link *l, const uint8_t to_hash[32])
{
	for (struct kept *k = h->discovery->first; k != NULL; k = k->next) {
		if (memcmp(k->to_hash, to_hash, 32) == 0)
			links_send_bytes(h->links, l, RECORD_CANDIDATES, k->body, k->len);
	}
}

// ---- certificates of intents

struct find_cert {
	const uint8_t *hash;
	struct store_cert *ret;
};

static int match_cert(void *ctx, const struct store_cert *c)
{
	struct find_cert *f = ctx;
	uint8_t hash[32];

	pair_hash(hash, c->der, c->der_len);
	if (memcmp(hash, f->hash, sizeof(hash)) != 0)
		return 0;
	*f->ret = *c;
	return 1;
}

// The certificate of this gateway with this hash, if it has not expired. 0, -ENOENT or -EIO.
static int cert_by_hash(
	struct hub *h, int64_t gateway, const uint8_t hash[32], struct store_cert *ret)
{
	struct find_cert f = {hash, ret};
	int got = store_each_cert(h->store, gateway, clock_unix_s(), match_cert, &f);

	return got == 1 ? 0 : got == 0 ? -ENOENT : got;
}

// ---- matches

static struct link *link_of(struct hub *h, int64_t gateway)
{
	struct gate *g = gates_of_gateway(&h->gates, gateway);

	return g != NULL ? g->link : NULL;
}

// Show `theirs` to the sender of `mine`, if he is here; else he learns it when he is.
static void send_match(
	struct hub *h, const struct store_intent *mine, const struct store_intent *theirs)
{
	struct link *l = link_of(h, mine->from);
	struct store_cert cert;
	struct intent i;
	struct record r = {.type = RECORD_MATCH};

	if (l == NULL || intent_parse(theirs->body, theirs->len, &i) < 0 ||
		cert_by_hash(h, theirs->from, i.cert_hash, &cert) < 0)
		return;
	r.match = (struct record_match){
		.mine_hash = mine->hash,
		.theirs_hash = theirs->hash,
		.intent = theirs->body,
		.intent_len = theirs->len,
	};
	hub_chain(h, cert.der, cert.der_len, &r.match.chain);
	links_send(h->links, l, &r);
	send_kept(h, l, mine->hash);
}

static int mark_matched(struct hub *h, const struct store_intent *a, const struct store_intent *b)
{
	int err = store_begin(h->store);

	if (err < 0)
		return err;
	err = store_match_intent(h->store, a->hash, b->hash);
	if (err == 0)
		err = store_match_intent(h->store, b->hash, a->hash);
	if (err == 0)
		return store_commit(h->store);
	store_rollback(h->store);
	return err;
}

// What a stored intent meets: nothing, an open counterpart, or one that has served its match.
static void meet(struct hub *h, const struct store_intent *mine)
{
	struct store_gateway other;
	struct store_intent theirs;
	uint64_t now = clock_unix_s();

	if (store_find_gateway(h->store, mine->to_name, &other) < 0)
		return;
	memset(other.gate_secret, 0, sizeof(other.gate_secret));
	if (store_find_intent(h->store, other.id, mine->from_name, &theirs) < 0 ||
		theirs.state == STORE_INTENT_GONE || theirs.not_after < now)
		return;
	if (mine->state == STORE_INTENT_MATCHED) {
		// Sent again after a reconnect. The match may have been missed; or the other side
		// has published anew meanwhile, and this one, having served, must be replaced.
		send_match(h, mine, &theirs);
		return;
	}
	if (theirs.state == STORE_INTENT_MATCHED) {
		send_match(h, &theirs, mine);
		return;
	}
	if (mark_matched(h, mine, &theirs) < 0) {
		log_error("the store fails: %s", store_error(h->store));
		return;
	}
	h->counters.matches++;
	log_info("%s and %s want each other", mine->from_name, theirs.from_name);
	send_match(h, mine, &theirs);
	send_match(h, &theirs, mine);
}

// ---- records

static enum record_error_code code_of(enum pair_intent_verdict v)
{
	switch (v) {
	case PAIR_INTENT_STALE:
		return RECORD_E_STALE;
	case PAIR_INTENT_SIGNATURE:
	case PAIR_INTENT_KEY:
	case PAIR_INTENT_LOW_ORDER:
		return RECORD_E_SIGNATURE;
	case PAIR_INTENT_NOT_WANTED:
	case PAIR_INTENT_NOT_FOR_ME:
		return RECORD_E_NAME;
	default:
		return RECORD_E_MALFORMED;
	}
}

static bool over_quota(struct hub *h, int64_t gateway)
{
	unsigned n_open = 0, n_matched = 0;

	return store_count_intents(h->store, gateway, &n_open, &n_matched) < 0 ||
	       n_open + n_matched >= h->cfg->limits.intents_per_gateway;
}

static void store_new(struct hub *h, struct link *l, const struct record_put_intent *put,
	const struct intent *i, const struct store_intent *old, bool had_old)
{
	struct store_intent mine = {
		.from = link_gate(l)->gateway,
		.len = put->len,
		.serial = i->serial,
		.not_after = i->not_after,
		.state = STORE_INTENT_OPEN,
	};

	strcpy(mine.from_name, link_gate(l)->name);
	memcpy(mine.to_name, i->to, i->to_len);
	memcpy(mine.body, put->intent, put->len);
	pair_hash(mine.hash, put->intent, put->len);
	if ((!had_old && store_prune_intents(
				 h->store, mine.from, h->cfg->limits.intents_per_gateway) < 0) ||
		store_put_intent(h->store, &mine) < 0) {
		log_error("the store fails: %s", store_error(h->store));
		records_refuse(h, l, RECORD_PUT_INTENT, RECORD_E_INTERNAL, "the store failed");
		return;
	}
	if (had_old)
		forget_kept(h->discovery, old->hash);
	meet(h, &mine);
}

void discovery_put(struct hub *h, struct link *l, const struct record_put_intent *put)
{
	struct gate *g = link_gate(l);
	struct pair_intent_expect expect = {
		.net_id = h->net_id,
		.from = g->name,
		.public_key = g->pk,
		.known_key = g->pk,
		.now_s = clock_unix_s(),
	};
	char to[NAME_MAX_LEN + 1] = "";
	enum pair_intent_verdict v;
	struct store_intent old;
	struct store_cert cert;
	struct intent i;
	bool had_old;

	if (intent_parse(put->intent, put->len, &i) < 0) {
		records_refuse(h, l, RECORD_PUT_INTENT, RECORD_E_MALFORMED,
			pair_intent_text(PAIR_INTENT_MALFORMED));
		return;
	}
	memcpy(to, i.to, i.to_len);
	if (cert_by_hash(h, g->gateway, i.cert_hash, &cert) < 0) {
		records_refuse(h, l, RECORD_PUT_INTENT, RECORD_E_SIGNATURE,
			pair_intent_text(PAIR_INTENT_CERT_HASH));
		return;
	}
	expect.cert_hash = i.cert_hash;
	expect.cert_not_after_s = cert.not_after;
	had_old = store_find_intent(h->store, g->gateway, to, &old) == 0;
	if (had_old) {
		expect.last_serial = old.serial;
		expect.last_hash = old.hash;
	}
	v = pair_check_intent(put->intent, put->len, &expect, &i);
	if (v == PAIR_INTENT_DUPLICATE) {
		if (old.state == STORE_INTENT_GONE)
			records_refuse(h, l, RECORD_PUT_INTENT, RECORD_E_STALE,
				"the intent was withdrawn or has expired: publish a new one");
		else
			meet(h, &old);
		return;
	}
	if (v != PAIR_INTENT_OK) {
		records_refuse(h, l, RECORD_PUT_INTENT, code_of(v), pair_intent_text(v));
		return;
	}
	if ((!had_old || old.state == STORE_INTENT_GONE) && over_quota(h, g->gateway)) {
		records_refuse(h, l, RECORD_PUT_INTENT, RECORD_E_LIMIT, "too many intents");
		return;
	}
	store_new(h, l, put, &i, &old, had_old);
}

// Tell him who was matched with an intent that it is gone. He knows it already: he was shown it.
static void tell_gone(struct hub *h, const struct store_intent *gone, uint16_t reason)
{
	struct store_intent theirs;
	struct link *l;
	struct record r = {
		.type = RECORD_DROP_INTENT,
		.drop_intent = {.hash = gone->hash, .reason = reason},
	};

	if (gone->state != STORE_INTENT_MATCHED ||
		store_find_intent_hash(h->store, gone->other_hash, &theirs) < 0)
		return;
	l = link_of(h, theirs.from);
	if (l != NULL)
		links_send(h->links, l, &r);
}

void discovery_drop(struct hub *h, struct link *l, const struct record_drop_intent *drop)
{
	struct store_intent mine;

	if (store_find_intent_hash(h->store, drop->hash, &mine) < 0 ||
		mine.from != link_gate(l)->gateway) {
		records_refuse(
			h, l, RECORD_DROP_INTENT, RECORD_E_UNKNOWN, "no such intent of yours");
		return;
	}
	if (mine.state == STORE_INTENT_GONE)
		return;
	if (store_drop_intent(h->store, mine.hash) < 0) {
		records_refuse(h, l, RECORD_DROP_INTENT, RECORD_E_INTERNAL, "the store failed");
		return;
	}
	forget_kept(h->discovery, mine.hash);
	tell_gone(h, &mine, drop->reason);
}

static bool is_match(const struct store_intent *from, const struct store_intent *to)
{
	return from->state == STORE_INTENT_MATCHED && to->state == STORE_INTENT_MATCHED &&
	       memcmp(from->other_hash, to->hash, 32) == 0 &&
	       memcmp(to->other_hash, from->hash, 32) == 0;
}

void discovery_candidates(struct hub *h, struct link *l, const struct record_candidates *c,
	const uint8_t *body, size_t len)
{
	struct gate *g = link_gate(l);
	struct store_intent from, to;
	struct link *other;

	if (!bucket_take(&g->candidates, CANDIDATES_PER_S, CANDIDATES_BURST, clock_mono_us())) {
		records_refuse(h, l, RECORD_CANDIDATES, RECORD_E_LIMIT, "too many candidates");
		return;
	}
	// One answer for all that is wrong, so that nothing can be found out about others' intents.
	if (store_find_intent_hash(h->store, c->from_hash, &from) < 0 || from.from != g->gateway ||
		store_find_intent_hash(h->store, c->to_hash, &to) < 0 || !is_match(&from, &to)) {
		records_refuse(h, l, RECORD_CANDIDATES, RECORD_E_UNKNOWN, "no such match");
		return;
	}
	keep(h->discovery, c, body, len);
	other = link_of(h, to.from);
	if (other != NULL)
		links_send_bytes(h->links, other, RECORD_CANDIDATES, body, len);
}

void discovery_forget(struct hub *h, int64_t gateway)
{
	struct store_intent i;

	// Those matched with the revoked one are told by the names they gave.
	for (struct gate *g = h->gates.first; g != NULL; g = g->next) {
		struct gate *gone = gates_of_gateway(&h->gates, gateway);

		if (gone == NULL || g->is_token || g == gone)
			continue;
		if (store_find_intent(h->store, gateway, g->name, &i) == 0) {
			tell_gone(h, &i, RECORD_DROP_REVOKED);
			forget_kept(h->discovery, i.hash);
		}
	}
	if (store_drop_intents_of(h->store, gateway) < 0)
		log_error("the store fails: %s", store_error(h->store));
}

void discovery_expire(struct hub *h, uint64_t now)
{
	struct kept **p = &h->discovery->first;
	struct store_intent i;

	if (store_expire_intents(h->store, now) < 0)
		log_error("the store fails: %s", store_error(h->store));
	while (*p != NULL) {
		struct kept *k = *p;

		if (store_find_intent_hash(h->store, k->from_hash, &i) == 0 &&
			i.state == STORE_INTENT_MATCHED) {
			p = &k->next;
			continue;
		}
		*p = k->next;
		h->discovery->n--;
		free(k);
	}
}
