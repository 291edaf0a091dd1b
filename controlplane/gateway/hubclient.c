// SPDX-License-Identifier: BSD-3-Clause
//
// What this gateway says to its hub, and what it makes of the answers. The hub is believed nothing.
#include "controlplane/gateway/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sodium.h>

#include "controlplane/common/clock.h"
#include "config/log.h"

#define PUNCH_FRESH_TRIES 10
#define PUNCH_FRESH_US    1000000ull  // until the first answer
#define PUNCH_KEEP_US     17000000ull // keeps the NAT's mapping
#define REFLEXIVE_OLD_US  90000000ull
#define RENEW_EVERY_US    60000000ull
#define REPUBLISH_US      2000000ull
#define RENEW_INTENT_US   120000000ull // no connection comes of a match: make a fresh intent
#define RENEW_MAX_US      3600000000ull
#define HEED_USED_US      60000000ull
#define DAY_S             86400u

static int op_next_ts(void *ctx, uint64_t *ret_ts)
{
	*ret_ts = control_next_ts(ctx);
	return *ret_ts == 0 ? -EIO : 0;
}

static bool op_revoked(void *ctx, const struct x509_facts *facts)
{
	return revoke_names(ctx, facts);
}

static uint64_t op_list_number(void *ctx)
{
	struct control *c = ctx;

	return c->env.rl;
}

static bool is_up(const struct control *c)
{
	return c->hub != NULL && hublink_get_state(c->hub) == HUBLINK_UP;
}

// ------------------------------------------------------------------ intents

static int make_intent(struct control *c, struct gw_peer *gp)
{
	uint8_t rnd[32];
	struct intent_request req = {
		.net_id = c->enrolment.net_id,
		.me = c->config->name,
		.to = gp->sm.name,
		.cert_hash = c->cert.der_hash,
		.cert_not_after_s = c->cert.not_after,
		.caps = peer_caps(&gp->sm),
		.life_s = (uint64_t)c->config->policy.intent_days * DAY_S,
		.serial = control_next_ts(c),
		.now_s = clock_unix_s(),
		.rnd = rnd,
		.hedge = c->env.hedge,
		.sign = control_sign,
		.sign_ctx = c,
	};
	int err;

	if (req.serial == 0)
		return -EIO;
	randombytes_buf(rnd, sizeof(rnd));
	err = intent_make(&req, &gp->intent);
	sodium_memzero(rnd, sizeof(rnd));
	if (err < 0) {
		log_error("peer %s: no intent could be signed: %s", gp->sm.name, strerror(-err));
		return err;
	}
	gp->publish_after_us = clock_mono_us() + REPUBLISH_US;
	// Its key must survive a restart between publishing and matching.
	return state_save(c);
}

static bool wants_fresh(const struct control *c, const struct gw_peer *gp)
{
	const struct own_intent *own = &gp->intent;
	uint64_t now = clock_unix_s(), life;

	// Also one from a time when this clock was ahead: no peer believes it yet.
	if (!own->made || now > own->not_after_s || own->not_before_s > now + INTENT_SKEW_S)
		return true;
	life = own->not_after_s - own->not_before_s;
	// Early, because connections end with it: from any moment on the hub may be away for six of
	// seven days.
	return own->consumed && now > own->not_before_s + life / 7;
}

void hubclient_publish(struct control *c, struct gw_peer *gp)
{
	struct record r = {.type = RECORD_PUT_INTENT};

	if (!gp->wanted || !control_can_authenticate(c) || c->env.caps == 0)
		return;
	if (wants_fresh(c, gp) && make_intent(c, gp) < 0)
		return;
	if (!is_up(c))
		return;
	// Also one that has served: the hub answers with its match, if that is no longer the one we
	// know, and with the peer's candidates that came while we were away.
	r.put_intent = (struct record_put_intent){gp->intent.bytes, gp->intent.len};
	hublink_send(c->hub, RECORD_PUT_INTENT, r.put_intent.intent, r.put_intent.len);
}

static void send_drops(struct control *c)
{
	uint8_t body[64];
	size_t n;

	for (unsigned i = 0; i < c->n_drops; i++) {
		struct record r = {.type = RECORD_DROP_INTENT};

		r.drop_intent = (struct record_drop_intent){c->drops[i].hash, c->drops[i].reason};
		n = record_build(&r, body, sizeof(body));
		if (n == 0 || hublink_send(c->hub, RECORD_DROP_INTENT, body, n) < 0)
			return; // all of them again when the link is back
	}
	c->n_drops = 0;
	state_mark(c);
}

// Kept until the hub can be told: an intent that only the hub still knows would send the other side
// knocking at a closed door for days.
void hubclient_drop(struct control *c, struct gw_peer *gp, uint16_t reason)
{
	struct dropped_intent *d;

	if (!gp->intent.made)
		return;
	if (c->n_drops == CONTROL_DROPS_MAX) {
		memmove(c->drops, c->drops + 1, (CONTROL_DROPS_MAX - 1) * sizeof(c->drops[0]));
		c->n_drops--;
	}
	d = &c->drops[c->n_drops++];
	memcpy(d->hash, gp->intent.hash, sizeof(d->hash));
	d->reason = reason;
	if (is_up(c))
		send_drops(c);
}

// Ours has served its match while the other side has made a new one.
static void renew_stale(struct control *c, struct gw_peer *gp)
{
	if (!gp->stale_intent || clock_mono_us() < gp->publish_after_us)
		return;
	gp->stale_intent = false;
	intent_wipe(&gp->intent);
	hubclient_publish(c, gp);
}

static bool is_fruitless(const struct gw_peer *gp)
{
	const struct peer_pairing *newest = &gp->sm.pairing[gp->sm.newest];

	if (gp->sm.state == PEER_UP)
		return gp->sm.path_suspect || (newest->live && !newest->proven);
	return gp->sm.state == PEER_CONNECTING || gp->intent.consumed;
}

// An intent serves one match, but which one it was may be seen differently at both ends: a clock
// was wrong, or a match went lost with the control that took it. Then each holds a pair key that
// the other does not have; fresh intents on both sides bring them together.
static void renew_fruitless(struct control *c, struct gw_peer *gp)
{
	uint64_t now = clock_mono_us();

	if (!is_fruitless(gp)) {
		gp->renew_at_us = 0;
	} else if (gp->renew_at_us == 0) {
		gp->renew_pause_us = RENEW_INTENT_US;
		gp->renew_at_us = now + gp->renew_pause_us;
	} else if (now >= gp->renew_at_us) {
		if (gp->renew_pause_us < RENEW_MAX_US)
			gp->renew_pause_us *= 2;
		gp->renew_at_us = now + gp->renew_pause_us;
		gp->stale_intent = true;
	}
	renew_stale(c, gp);
}

static void take_match(struct control *c, const struct record_match *match)
{
	struct peer_now now = control_now();
	struct peer_pairing pairing;
	struct intent_memory memory;
	struct intent_judge judge = {
		.net_id = c->enrolment.net_id,
		.me = c->config->name,
		.trust = c->trust,
		.revocations = c->revocations != NULL ? &c->revocation_view : NULL,
		.now_s = now.unix_us / 1000000,
	};
	enum intent_refusal refusal;
	char from[NAME_MAX_LEN + 1];
	struct intent theirs;
	struct gw_peer *gp;
	const char *why;

	if (intent_parse(match->intent, match->intent_len, &theirs) < 0)
		return;
	snprintf(from, sizeof(from), "%.*s", (int)theirs.from_len, theirs.from);
	gp = peers_find(c, from);
	if (gp == NULL || !gp->wanted) {
		log_warning("the hub introduces %s, which is not wanted here: ignored", from);
		return;
	}
	judge.from = gp->sm.name;
	judge.own = &gp->intent;
	judge.memory = &gp->memory;
	judge.pin = gp->has_pin ? gp->pin : NULL;
	judge.psk = gp->has_psk ? gp->psk : NULL;
	judge.needs_psk = gp->needs_psk;
	refusal = intent_judge(&judge, match, &pairing, &memory, &why);
	// To the peer, whose clock is ahead of ours, ours has served its match.
	if (refusal == INTENT_REFUSE_NOT_YET) {
		intent_consume(&gp->intent);
		state_mark(c);
	}
	// One that we have replaced since; the hub has the present one, or will when we connect.
	if (refusal == INTENT_REFUSE_OTHER)
		return;
	if (refusal == INTENT_REFUSE_CONSUMED) {
		const struct peer_pairing *have = &gp->sm.pairing[gp->sm.newest];

		// The same match again is no news; another one asks for a fresh intent of ours.
		if (have->live && memcmp(have->theirs_hash, match->theirs_hash, 32) == 0)
			return;
		gp->stale_intent = true;
		renew_stale(c, gp);
		return;
	}
	// Theirs served us already, and will us no more: they need to see another of ours.
	// Once in a while: a hub could show it again with each.
	if (refusal == INTENT_REFUSE_USED && is_fruitless(gp)) {
		if (now.mono_us < gp->used_heed_us)
			return;
		gp->used_heed_us = now.mono_us + HEED_USED_US;
		gp->stale_intent = true;
		renew_stale(c, gp);
		return;
	}
	if (refusal != INTENT_ACCEPTED) {
		log_warning("peer %s: introduction refused: %s", gp->sm.name, why);
		peer_set_error(&gp->sm, why, &now);
		return;
	}
	intent_consume(&gp->intent);
	gp->memory = memory;
	gp->candidates_sent = false;
	gp->hub_says_gone = false;
	log_info("peer %s: introduced", gp->sm.name);
	peer_introduce(&gp->sm, &pairing, &now);
	sodium_memzero(&pairing, sizeof(pairing));
	// The pair key is on disk before anything is sent under it.
	c->guard_dirty = true;
	sessions_tags(c);
	candidates_send(c, gp);
	peers_rearm(gp);
}

static struct gw_peer *find_by_hash(struct control *c, const uint8_t theirs[32])
{
	for (uint32_t i = 0; i < c->n_slots; i++) {
		struct gw_peer *gp = c->peers[i];

		for (unsigned k = 0; gp != NULL && k < 2; k++) {
			if (gp->sm.pairing[k].live &&
				memcmp(gp->sm.pairing[k].theirs_hash, theirs, 32) == 0)
				return gp;
		}
	}
	return NULL;
}

static void take_candidates(struct control *c, const struct record_candidates *rec)
{
	struct gw_peer *gp = find_by_hash(c, rec->from_hash);
	struct peer_candidate list[CANDIDATES_MAX];
	struct peer_now now = control_now();
	struct candidates told;

	for (unsigned k = 0; gp != NULL && k < 2; k++) {
		const struct peer_pairing *pairing = &gp->sm.pairing[k];

		if (!pairing->live || memcmp(pairing->theirs_hash, rec->from_hash, 32) != 0 ||
			pair_open_candidates(&pairing->pair, rec->sealed, rec->sealed_len, &told) <
				0)
			continue;
		for (unsigned i = 0; i < told.n; i++) {
			list[i] = (struct peer_candidate){
				.kind = told.list[i].kind, .rank = told.list[i].priority};
			list[i].at.addr.family = told.list[i].family;
			list[i].at.port = told.list[i].port;
			memcpy(list[i].at.addr.bytes, told.list[i].addr, 16);
		}
		peer_candidates_set(&gp->sm, list, told.n, told.ts_us, &now);
		peers_rearm(gp);
		state_mark(c);
		return;
	}
}

static void close_gone(struct control *c, struct gw_peer *gp)
{
	struct peer_now now = control_now();

	if (!gp->hub_says_gone || (gp->sm.state == PEER_UP && !gp->sm.path_suspect))
		return;
	gp->hub_says_gone = false;
	peer_close(&gp->sm, 0, true, &now);
	sessions_delete(gp);
	intent_wipe(&gp->intent);
	peer_set_error(&gp->sm, "the peer's operator withdrew the intent", &now);
	hubclient_publish(c, gp);
}

static void take_drop(struct control *c, const struct record_drop_intent *drop)
{
	struct gw_peer *gp = find_by_hash(c, drop->hash);

	if (gp == NULL)
		return;
	// Only the peer itself ends a connection that works; the hub's word counts where there is
	// none, or where the peer's own went lost.
	gp->hub_says_gone = true;
	close_gone(c, gp);
	peers_rearm(gp);
}

// ------------------------------------------------------------------ where the hub sees us

static void punch_port(struct control *c, const struct config_endpoint *to)
{
	uint8_t packet[HUBLINK_PUNCH_BYTES];
	uint64_t ts = control_next_ts(c);

	if (ts == 0)
		return;
	hublink_punch(c->hub, ts, clock_unix_s(), packet);
	paths_send(c, NO_SESSION, to, packet, sizeof(packet));
}

// Two ports tell a mapping that depends on the destination from one that does not.
static void send_punch(struct control *c)
{
	const struct config_endpoint *hub = hublink_peer(c->hub);
	struct config_endpoint second;

	if (hub == NULL || !dplink_ready(c->dplink))
		return;
	punch_port(c, hub);
	if (c->enrolment.udp2_port == 0)
		return;
	second = *hub;
	second.port = c->enrolment.udp2_port;
	punch_port(c, &second);
}

static void take_observed(struct control *c, const struct record_observed_addr *seen)
{
	struct reflexive *r = &c->reflexive[seen->hub_port == 0 ? 0 : 1];
	struct config_endpoint at = {.port = seen->port};

	at.addr.family = seen->family;
	memcpy(at.addr.bytes, seen->addr, seen->family == 6 ? 16 : 4);
	r->seen_us = clock_mono_us();
	if (r->known && endpoint_equal(&r->at, &at))
		return;
	r->known = true;
	r->at = at;
	candidates_announce(c);
}

// ------------------------------------------------------------------ records

static void renew(struct control *c)
{
	uint64_t now_s = clock_unix_s(), life = c->cert.not_after - c->cert.not_before;

	if (!c->enrolled || now_s < c->cert.not_before + life / 3 * 2 || !is_up(c) ||
		(c->renew_asked_us != 0 && clock_mono_us() < c->renew_asked_us + RENEW_EVERY_US))
		return;
	c->renew_asked_us = clock_mono_us();
	if (hublink_request_renewal(c->hub, c->my_pk) == 0)
		log_info("certificate: renewal asked for");
}

static void take_cert(struct control *c, const uint8_t *body, size_t len)
{
	struct peer_now now = control_now();
	uint8_t old[X509_CA_BYTES_MAX];
	size_t old_len = 0;
	int err;

	// Peers that have not renewed yet still come under the issuer that we had.
	if (c->n_own_issuers == 1 && c->issuers[0].len <= sizeof(old)) {
		old_len = c->issuers[0].len;
		memcpy(old, c->issuers[0].der, old_len);
	}
	err = enrol_accept_renewal(
		c->config->state_dir, c->trust, c->my_pk, clock_unix_s(), body, len, &c->enrolment);

	if (err == 0)
		err = control_identity_load(c);
	if (err < 0) {
		log_error("certificate: the renewal was not accepted: %s", strerror(-err));
		return;
	}
	issuers_add(c, (struct x509_bytes){old, old_len});
	log_notice("certificate: renewed");
	hublink_set_chain(c->hub, c->enrolment.chain, c->enrolment.chain_len);
	// New keys carry the new certificate's expiry, without a gap.
	for (uint32_t i = 0; i < c->n_slots; i++) {
		if (c->peers[i] != NULL && c->peers[i]->sm.state == PEER_UP) {
			peer_rekey(&c->peers[i]->sm, &now);
			peers_rearm(c->peers[i]);
		}
	}
}

static void on_record(void *ctx, uint16_t type, const uint8_t *body, size_t len)
{
	struct control *c = ctx;
	struct record r;
	char text[RECORD_TEXT_MAX + 1];

	if (record_parse(type, body, len, &r) < 0) {
		log_debug(
			"hub: a malformed or unknown %s record is ignored", record_type_name(type));
		return;
	}
	switch (type) {
	case RECORD_MATCH:
		take_match(c, &r.match);
		break;
	case RECORD_CANDIDATES:
		take_candidates(c, &r.candidates);
		break;
	case RECORD_DROP_INTENT:
		take_drop(c, &r.drop_intent);
		break;
	case RECORD_OBSERVED_ADDR:
		take_observed(c, &r.observed);
		break;
	case RECORD_REVOCATIONS:
		revoke_take(c, r.revocations.list, r.revocations.len);
		break;
	case RECORD_CERT:
		take_cert(c, body, len);
		break;
	case RECORD_POLICY:
		if (r.policy.has_chain)
			issuers_take(c, &r.policy.chain);
		break;
	case RECORD_ERROR:
		log_warning("hub: %s: %s", record_type_name(r.error.in_reply_to),
			log_quote(text, sizeof(text), r.error.text, r.error.text_len));
		break;
	default:
		break;
	}
}

static void on_up(void *ctx, uint64_t hub_list_number)
{
	struct control *c = ctx;

	log_notice("hub %s: connected", c->enrolment.hub_name);
	c->hub_punch_us = 0;
	c->hub_punch_tries = 0;
	c->renew_asked_us = 0;
	send_drops(c);
	for (uint32_t i = 0; i < c->n_slots; i++) {
		struct gw_peer *gp = c->peers[i];

		if (gp == NULL)
			continue;
		gp->candidates_sent = false;
		hubclient_publish(c, gp);
	}
	candidates_announce(c);
	hubclient_tick(c);
}

static void on_down(void *ctx, const char *reason)
{
	log_notice("hub: %s", reason);
}

static const struct hublink_ops ops = {
	.sign = control_sign,
	.next_ts = op_next_ts,
	.revoked = op_revoked,
	.list_number = op_list_number,
	.on_up = on_up,
	.on_down = on_down,
	.on_record = on_record,
};

int hubclient_start(struct control *c)
{
	struct hublink_config cfg = {
		.hub_name = c->enrolment.hub_name,
		.gateway_name = c->config->name,
		.addresses = c->enrolment.addresses,
		.n_addresses = c->enrolment.n_addresses,
		.trust = c->trust,
		.chain = c->enrolment.chain,
		.chain_len = c->enrolment.chain_len,
		.caps = c->env.caps | PKT_CAP_CHACHA,
	};
	int err;

	if (!c->enrolled || c->hub != NULL)
		return 0;
	if (c->config->hub_name != NULL)
		cfg.hub_name = c->config->hub_name;
	if (c->config->n_hub_addresses > 0) {
		cfg.addresses = c->config->hub_addresses;
		cfg.n_addresses = c->config->n_hub_addresses;
	}
	memcpy(cfg.gate_secret, c->enrolment.gate_secret, sizeof(cfg.gate_secret));
	memcpy(cfg.hedge, c->env.hedge, sizeof(cfg.hedge));
	memcpy(cfg.net_id, c->enrolment.net_id, sizeof(cfg.net_id));
	err = hublink_create(&c->loop, &cfg, &ops, c, &c->hub);
	sodium_memzero(&cfg, sizeof(cfg));
	if (err < 0) {
		log_error("hub: cannot be used: %s", strerror(-err));
		return err;
	}
	hublink_start(c->hub);
	return 0;
}

void hubclient_stop(struct control *c)
{
	hublink_destroy(c->hub);
	c->hub = NULL;
}

void hubclient_moved(struct control *c)
{
	if (c->hub == NULL)
		return;
	log_notice("this gateway's address has changed: connecting to the hub again");
	for (unsigned i = 0; i < 2; i++)
		c->reflexive[i].known = false;
	hublink_stop(c->hub);
	hublink_start(c->hub);
}

void hubclient_doubt(struct control *c)
{
	if (!is_up(c))
		return;
	hublink_doubt(c->hub);
	send_punch(c);
}

void hubclient_tick(struct control *c)
{
	uint64_t now = clock_mono_us(), pause = PUNCH_KEEP_US;

	for (unsigned i = 0; i < 2; i++) {
		// An address that nobody confirms any more is no candidate.
		if (c->reflexive[i].known && now > c->reflexive[i].seen_us + REFLEXIVE_OLD_US &&
			is_up(c))
			c->reflexive[i].known = false;
	}
	if (!is_up(c))
		return;
	// Often until the first answer, but not for ever where UDP does not get through.
	if (!c->reflexive[0].known && c->hub_punch_tries < PUNCH_FRESH_TRIES)
		pause = PUNCH_FRESH_US;
	if (c->hub_punch_us == 0 || now >= c->hub_punch_us + pause) {
		c->hub_punch_us = now;
		c->hub_punch_tries++;
		send_punch(c);
	}
	renew(c);
	for (uint32_t i = 0; i < c->n_slots; i++) {
		struct gw_peer *gp = c->peers[i];

		if (gp == NULL || !gp->wanted)
			continue;
		renew_fruitless(c, gp);
		close_gone(c, gp);
		if (wants_fresh(c, gp))
			hubclient_publish(c, gp);
	}
}
