// SPDX-License-Identifier: BSD-3-Clause
#include "wire/record.h"

#include <errno.h>
#include <string.h>

#include "wire/bytes.h"
#include "wire/intent.h"

#define CSR_VERSION 1

// Text for a person: no control bytes, so that it cannot repaint a terminal or forge a log line.
static bool text_ok(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((uint8_t)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	}
	return len <= RECORD_TEXT_MAX;
}

static bool addr_ok(uint8_t family, uint16_t port, const uint8_t *addr)
{
	return port != 0 && (family == 6 || (family == 4 && bytes_are_zero(addr + 4, 12)));
}

// Take `len` bytes of certificates; an empty list where one is required is malformed.
static void take_chain(struct bytes_reader *r, size_t len, struct der_list *ret)
{
	const uint8_t *p = bytes_take(r, len);

	if (p == NULL || der_list_parse(p, len, ret) < 0)
		r->bad = true;
}

static void add_chain(struct bytes_writer *w, const struct der_list *list)
{
	size_t n = w->bad ? 0 : der_list_build(list, w->start + w->len, w->cap - w->len);

	if (n == 0)
		w->bad = true;
	else
		w->len += n;
}

static void parse_error(struct bytes_reader *r, struct record_error *e)
{
	e->in_reply_to = bytes_take_le16(r);
	e->code = bytes_take_le16(r);
	e->text_len = bytes_take_le16(r);
	bytes_take_zero(r, 2);
	e->text = (const char *)bytes_take(r, e->text_len);
	if (!r->bad && (e->code == 0 || !text_ok(e->text, e->text_len)))
		r->bad = true;
}

static void build_error(struct bytes_writer *w, const struct record_error *e)
{
	bytes_add_le16(w, e->in_reply_to);
	bytes_add_le16(w, e->code);
	bytes_add_le16(w, e->text_len);
	bytes_add_zero(w, 2);
	bytes_add(w, e->text, e->text_len);
}

static void parse_ping(struct bytes_reader *r, struct record_ping *p)
{
	uint8_t reply;

	p->token = bytes_take_le64(r);
	reply = bytes_take_u8(r);
	bytes_take_zero(r, 7);
	p->reply = reply == 1;
	if (reply > 1)
		r->bad = true;
}

static void build_ping(struct bytes_writer *w, const struct record_ping *p)
{
	bytes_add_le64(w, p->token);
	bytes_add_u8(w, p->reply);
	bytes_add_zero(w, 7);
}

static void parse_csr(struct bytes_reader *r, struct record_csr *c)
{
	uint8_t version;

	c->signed_bytes = r->at;
	c->signed_len = r->left - RECORD_SIG_LEN; // meaningful once all of it was read
	version = bytes_take_u8(r);
	c->purpose = bytes_take_u8(r);
	c->name_len = bytes_take_le16(r);
	bytes_take_zero(r, 4);
	c->th0 = bytes_take(r, RECORD_HASH_LEN);
	c->public_key = bytes_take(r, 32);
	c->time_s = bytes_take_le64(r);
	c->caps = bytes_take_le32(r);
	c->name = (const char *)bytes_take(r, c->name_len);
	c->sig = bytes_take(r, RECORD_SIG_LEN);
	if (!r->bad && (version != CSR_VERSION || !name_valid(c->name, c->name_len) ||
			       (c->purpose != RECORD_CSR_ENROL && c->purpose != RECORD_CSR_RENEW)))
		r->bad = true;
}

static void build_csr(struct bytes_writer *w, const struct record_csr *c)
{
	bytes_add_u8(w, CSR_VERSION);
	bytes_add_u8(w, c->purpose);
	bytes_add_le16(w, c->name_len);
	bytes_add_zero(w, 4);
	bytes_add(w, c->th0, RECORD_HASH_LEN);
	bytes_add(w, c->public_key, 32);
	bytes_add_le64(w, c->time_s);
	bytes_add_le32(w, c->caps);
	bytes_add(w, c->name, c->name_len);
}

static void parse_cert(struct bytes_reader *r, struct record_cert *c)
{
	c->flags = bytes_take_le32(r);
	bytes_take_zero(r, 4);
	c->not_before_s = bytes_take_le64(r);
	c->not_after_s = bytes_take_le64(r);
	c->gate_secret = bytes_take(r, 32);
	take_chain(r, r->left, &c->chain);
	if (r->bad)
		return;
	if ((c->flags & ~(uint32_t)RECORD_CERT_HAS_GATE) != 0 || c->not_before_s > c->not_after_s)
		r->bad = true;
	if ((c->flags & RECORD_CERT_HAS_GATE) == 0 && !bytes_are_zero(c->gate_secret, 32))
		r->bad = true;
}

static void build_cert(struct bytes_writer *w, const struct record_cert *c)
{
	bytes_add_le32(w, c->flags);
	bytes_add_zero(w, 4);
	bytes_add_le64(w, c->not_before_s);
	bytes_add_le64(w, c->not_after_s);
	if ((c->flags & RECORD_CERT_HAS_GATE) != 0)
		bytes_add(w, c->gate_secret, 32);
	else
		bytes_add_zero(w, 32);
	add_chain(w, &c->chain);
}

static void parse_put_intent(struct bytes_reader *r, struct record_put_intent *p)
{
	p->len = r->left;
	p->intent = bytes_take(r, r->left);
	if (p->len < INTENT_MIN_LEN || p->len > INTENT_MAX_LEN)
		r->bad = true;
}

static void parse_drop_intent(struct bytes_reader *r, struct record_drop_intent *d)
{
	d->hash = bytes_take(r, RECORD_HASH_LEN);
	d->reason = bytes_take_le16(r);
	bytes_take_zero(r, 2);
	if (d->reason < RECORD_DROP_WITHDRAWN || d->reason > RECORD_DROP_REVOKED)
		r->bad = true;
}

static void build_drop_intent(struct bytes_writer *w, const struct record_drop_intent *d)
{
	bytes_add(w, d->hash, RECORD_HASH_LEN);
	bytes_add_le16(w, d->reason);
	bytes_add_zero(w, 2);
}

static void parse_match(struct bytes_reader *r, struct record_match *m)
{
	uint16_t chain_len;

	m->mine_hash = bytes_take(r, RECORD_HASH_LEN);
	m->theirs_hash = bytes_take(r, RECORD_HASH_LEN);
	m->intent_len = bytes_take_le16(r);
	chain_len = bytes_take_le16(r);
	m->rollover_len = bytes_take_le16(r);
	bytes_take_zero(r, 2);
	m->intent = bytes_take(r, m->intent_len);
	take_chain(r, chain_len, &m->chain);
	m->rollover = m->rollover_len > 0 ? bytes_take(r, m->rollover_len) : NULL;
	if (m->intent_len < INTENT_MIN_LEN || m->intent_len > INTENT_MAX_LEN ||
		m->rollover_len > RECORD_ROLLOVER_MAX)
		r->bad = true;
}

static void build_match(struct bytes_writer *w, const struct record_match *m)
{
	if (m->intent_len > INTENT_MAX_LEN || m->rollover_len > RECORD_ROLLOVER_MAX) {
		w->bad = true;
		return;
	}
	bytes_add(w, m->mine_hash, RECORD_HASH_LEN);
	bytes_add(w, m->theirs_hash, RECORD_HASH_LEN);
	bytes_add_le16(w, (uint16_t)m->intent_len);
	bytes_add_le16(w, (uint16_t)der_list_len(&m->chain));
	bytes_add_le16(w, (uint16_t)m->rollover_len);
	bytes_add_zero(w, 2);
	bytes_add(w, m->intent, m->intent_len);
	add_chain(w, &m->chain);
	bytes_add(w, m->rollover, m->rollover_len);
}

static void parse_candidates(struct bytes_reader *r, struct record_candidates *c)
{
	c->from_hash = bytes_take(r, RECORD_HASH_LEN);
	c->to_hash = bytes_take(r, RECORD_HASH_LEN);
	c->sealed_len = bytes_take_le16(r);
	bytes_take_zero(r, 2);
	c->sealed = bytes_take(r, c->sealed_len);
	if (c->sealed_len == 0 || c->sealed_len > RECORD_SEALED_MAX)
		r->bad = true;
}

static void build_candidates(struct bytes_writer *w, const struct record_candidates *c)
{
	if (c->sealed_len > RECORD_SEALED_MAX) {
		w->bad = true;
		return;
	}
	bytes_add(w, c->from_hash, RECORD_HASH_LEN);
	bytes_add(w, c->to_hash, RECORD_HASH_LEN);
	bytes_add_le16(w, (uint16_t)c->sealed_len);
	bytes_add_zero(w, 2);
	bytes_add(w, c->sealed, c->sealed_len);
}

static void parse_observed(struct bytes_reader *r, struct record_observed_addr *o)
{
	o->punch_ts = bytes_take_le64(r);
	o->family = bytes_take_u8(r);
	o->hub_port = bytes_take_u8(r);
	o->port = bytes_take_le16(r);
	o->addr = bytes_take(r, 16);
	if (!r->bad && !addr_ok(o->family, o->port, o->addr))
		r->bad = true;
}

static void build_observed(struct bytes_writer *w, const struct record_observed_addr *o)
{
	bytes_add_le64(w, o->punch_ts);
	bytes_add_u8(w, o->family);
	bytes_add_u8(w, o->hub_port);
	bytes_add_le16(w, o->port);
	bytes_add(w, o->addr, 16);
}

static void parse_revocations(struct bytes_reader *r, struct record_revocations *v)
{
	v->len = r->left;
	v->list = bytes_take(r, r->left);
	if (v->len == 0)
		r->bad = true;
}

static void parse_relay(struct bytes_reader *r, struct record_relay_open *o)
{
	const uint8_t *rest;

	o->mine_hash = bytes_take(r, RECORD_HASH_LEN);
	o->theirs_hash = bytes_take(r, RECORD_HASH_LEN);
	o->op = bytes_take_u8(r);
	rest = r->at;
	o->family = bytes_take_u8(r);
	o->port = bytes_take_le16(r);
	o->rate_kbit = bytes_take_le32(r);
	o->expires_s = bytes_take_le64(r);
	o->addr = bytes_take(r, 16);
	bytes_take_zero(r, 4);
	if (r->bad)
		return;
	switch (o->op) {
	case RECORD_RELAY_GRANT:
		r->bad = !addr_ok(o->family, o->port, o->addr);
		break;
	case RECORD_RELAY_ASK:
	case RECORD_RELAY_CLOSE:
		r->bad = !bytes_are_zero(rest, (size_t)(r->at - rest));
		break;
	default:
		r->bad = true;
	}
}

static void build_relay(struct bytes_writer *w, const struct record_relay_open *o)
{
	bytes_add(w, o->mine_hash, RECORD_HASH_LEN);
	bytes_add(w, o->theirs_hash, RECORD_HASH_LEN);
	bytes_add_u8(w, o->op);
	if (o->op != RECORD_RELAY_GRANT) {
		bytes_add_zero(w, 35);
		return;
	}
	bytes_add_u8(w, o->family);
	bytes_add_le16(w, o->port);
	bytes_add_le32(w, o->rate_kbit);
	bytes_add_le64(w, o->expires_s);
	bytes_add(w, o->addr, 16);
	bytes_add_zero(w, 4);
}

static void parse_policy(struct bytes_reader *r, struct record_policy *p)
{
	uint16_t chain_len;

	p->number = bytes_take_le64(r);
	p->max_stale_s = bytes_take_le32(r);
	p->intent_life_s = bytes_take_le32(r);
	p->flags = bytes_take_le32(r);
	chain_len = bytes_take_le16(r);
	bytes_take_zero(r, 6);
	p->has_chain = chain_len > 0;
	if (p->has_chain)
		take_chain(r, chain_len, &p->chain);
	if ((p->flags & ~(uint32_t)RECORD_POLICY_RELAY) != 0 ||
		p->intent_life_s > INTENT_MAX_LIFE_S)
		r->bad = true;
}

static void build_policy(struct bytes_writer *w, const struct record_policy *p)
{
	bytes_add_le64(w, p->number);
	bytes_add_le32(w, p->max_stale_s);
	bytes_add_le32(w, p->intent_life_s);
	bytes_add_le32(w, p->flags);
	bytes_add_le16(w, p->has_chain ? (uint16_t)der_list_len(&p->chain) : 0);
	bytes_add_zero(w, 6);
	if (p->has_chain)
		add_chain(w, &p->chain);
}

int record_parse(uint16_t type, const void *p, size_t len, struct record *ret)
{
	struct bytes_reader r = bytes_reader(p, len);
	struct record v = {.type = type};

	if (len > RECORD_MAX_LEN)
		return -EBADMSG;
	switch (type) {
	case RECORD_ERROR:
		parse_error(&r, &v.error);
		break;
	case RECORD_PING:
		parse_ping(&r, &v.ping);
		break;
	case RECORD_CSR:
		parse_csr(&r, &v.csr);
		break;
	case RECORD_CERT:
		parse_cert(&r, &v.cert);
		break;
	case RECORD_PUT_INTENT:
		parse_put_intent(&r, &v.put_intent);
		break;
	case RECORD_DROP_INTENT:
		parse_drop_intent(&r, &v.drop_intent);
		break;
	case RECORD_MATCH:
		parse_match(&r, &v.match);
		break;
	case RECORD_CANDIDATES:
		parse_candidates(&r, &v.candidates);
		break;
	case RECORD_OBSERVED_ADDR:
		parse_observed(&r, &v.observed);
		break;
	case RECORD_REVOCATIONS:
		parse_revocations(&r, &v.revocations);
		break;
	case RECORD_RELAY_OPEN:
		parse_relay(&r, &v.relay);
		break;
	case RECORD_POLICY:
		parse_policy(&r, &v.policy);
		break;
	default:
		return -EPROTONOSUPPORT;
	}
	if (!bytes_done(&r))
		return -EBADMSG;
	*ret = v;
	return 0;
}

static void build_body(struct bytes_writer *w, const struct record *r)
{
	switch (r->type) {
	case RECORD_ERROR:
		build_error(w, &r->error);
		break;
	case RECORD_PING:
		build_ping(w, &r->ping);
		break;
	case RECORD_CSR:
		build_csr(w, &r->csr);
		bytes_add(w, r->csr.sig, RECORD_SIG_LEN);
		break;
	case RECORD_CERT:
		build_cert(w, &r->cert);
		break;
	case RECORD_PUT_INTENT:
		bytes_add(w, r->put_intent.intent, r->put_intent.len);
		break;
	case RECORD_DROP_INTENT:
		build_drop_intent(w, &r->drop_intent);
		break;
	case RECORD_MATCH:
		build_match(w, &r->match);
		break;
	case RECORD_CANDIDATES:
		build_candidates(w, &r->candidates);
		break;
	case RECORD_OBSERVED_ADDR:
		build_observed(w, &r->observed);
		break;
	case RECORD_REVOCATIONS:
		bytes_add(w, r->revocations.list, r->revocations.len);
		break;
	case RECORD_RELAY_OPEN:
		build_relay(w, &r->relay);
		break;
	case RECORD_POLICY:
		build_policy(w, &r->policy);
		break;
	default:
		w->bad = true;
	}
}

size_t record_build(const struct record *r, uint8_t *buf, size_t cap)
{
	struct bytes_writer w = bytes_writer(buf, cap);
	struct record check;

	build_body(&w, r);
	// What cannot be parsed must not be sent: one set of rules for both directions.
	if (w.bad || record_parse(r->type, buf, w.len, &check) < 0)
		return 0;
	return w.len;
}

size_t record_build_csr_unsigned(const struct record_csr *csr, uint8_t *buf, size_t cap)
{
	struct bytes_writer w = bytes_writer(buf, cap);

	if (!name_valid(csr->name, csr->name_len))
		return 0;
	build_csr(&w, csr);
	return w.bad ? 0 : w.len;
}

int record_parse_rollover(const void *p, size_t len, struct record_rollover *ret)
{
	struct bytes_reader r = bytes_reader(p, len);
	struct record_rollover v = {0};

	if (len < RECORD_ROLLOVER_FIXED + 1 + RECORD_SIG_LEN)
		return -EBADMSG;
	v.signed_bytes = p;
	v.signed_len = len - RECORD_SIG_LEN;
	v.net_id = bytes_take(&r, 16);
	v.old_key = bytes_take(&r, 32);
	v.new_key = bytes_take(&r, 32);
	v.time_s = bytes_take_le64(&r);
	v.name_len = bytes_take_le16(&r);
	v.name = (const char *)bytes_take(&r, v.name_len);
	v.sig = bytes_take(&r, RECORD_SIG_LEN);
	if (!bytes_done(&r) || !name_valid(v.name, v.name_len))
		return -EBADMSG;
	*ret = v;
	return 0;
}

size_t record_build_rollover_unsigned(const struct record_rollover *r, uint8_t *buf, size_t cap)
{
	struct bytes_writer w = bytes_writer(buf, cap);

	if (!name_valid(r->name, r->name_len))
		return 0;
	bytes_add(&w, r->net_id, 16);
	bytes_add(&w, r->old_key, 32);
	bytes_add(&w, r->new_key, 32);
	bytes_add_le64(&w, r->time_s);
	bytes_add_le16(&w, r->name_len);
	bytes_add(&w, r->name, r->name_len);
	return w.bad ? 0 : w.len;
}

const char *record_type_name(uint16_t type)
{
	static const char *const names[] = {
		[RECORD_ERROR] = "ERROR",
		[RECORD_PING] = "PING",
		[RECORD_CSR] = "CSR",
		[RECORD_CERT] = "CERT",
		[RECORD_PUT_INTENT] = "PUT_INTENT",
		[RECORD_DROP_INTENT] = "DROP_INTENT",
		[RECORD_MATCH] = "MATCH",
		[RECORD_CANDIDATES] = "CANDIDATES",
		[RECORD_OBSERVED_ADDR] = "OBSERVED_ADDR",
		[RECORD_REVOCATIONS] = "REVOCATIONS",
		[RECORD_RELAY_OPEN] = "RELAY_OPEN",
		[RECORD_POLICY] = "POLICY",
	};

	if (type >= sizeof(names) / sizeof(names[0]) || names[type] == NULL)
		return "unknown";
	return names[type];
}
