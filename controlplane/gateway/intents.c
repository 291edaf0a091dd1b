// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/gateway/intents.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sodium.h>

#include "controlplane/common/keysched.h"

int intent_make(const struct intent_request *req, struct own_intent *ret)
{
	struct own_intent own = {.made = true, .serial = req->serial};
	uint8_t ipk[32], context[PAIR_HASH_LEN];
	struct intent fields;
	size_t n;
	int err;

	if (req->now_s >= req->cert_not_after_s)
		return -ETIME;
	own.not_before_s = req->now_s;
	own.not_after_s =
		req->now_s + (req->life_s < INTENT_MAX_LIFE_S ? req->life_s : INTENT_MAX_LIFE_S);
	if (own.not_after_s > req->cert_not_after_s)
		own.not_after_s = req->cert_not_after_s;
	pair_hash(context, req->to, strlen(req->to));
	pair_intent_keys(req->rnd, req->hedge, req->serial, context, own.ipk_sk, ipk);
	fields = (struct intent){
		.net_id = req->net_id,
		.ipk = ipk,
		.cert_hash = req->cert_hash,
		.from = req->me,
		.to = req->to,
		.from_len = strlen(req->me),
		.to_len = strlen(req->to),
		.caps = req->caps,
		.serial = req->serial,
		.not_before = own.not_before_s,
		.not_after = own.not_after_s,
	};
	n = intent_build(&fields, own.bytes, sizeof(own.bytes) - INTENT_SIG_LEN);
	err = n == 0 ? -EINVAL : req->sign(req->sign_ctx, "intent", own.bytes, n, own.bytes + n);
	if (err == 0) {
		own.len = n + INTENT_SIG_LEN;
		pair_hash(own.hash, own.bytes, own.len);
		intent_wipe(ret);
		*ret = own;
	}
	intent_wipe(&own);
	return err;
}

void intent_wipe(struct own_intent *own)
{
	sodium_memzero(own, sizeof(*own));
}

void intent_consume(struct own_intent *own)
{
	sodium_memzero(own->ipk_sk, sizeof(own->ipk_sk));
	own->consumed = true;
}

bool intent_rollover_ok(const uint8_t *statement, size_t len, const uint8_t net_id[16],
	const char *name, const uint8_t old_key[32], const uint8_t new_key[32])
{
	static const char label[] = "postern/1 rollover"; // its zero byte belongs to it
	uint8_t msg[sizeof(label) + RECORD_ROLLOVER_MAX];
	struct record_rollover r;

	if (statement == NULL || len > RECORD_ROLLOVER_MAX ||
		record_parse_rollover(statement, len, &r) < 0)
		return false;
	if (memcmp(r.net_id, net_id, 16) != 0 || !name_equals(r.name, r.name_len, name) ||
		memcmp(r.old_key, old_key, 32) != 0 || memcmp(r.new_key, new_key, 32) != 0)
		return false;
	memcpy(msg, label, sizeof(label));
	memcpy(msg + sizeof(label), r.signed_bytes, r.signed_len);
	return crypto_sign_verify_detached(r.sig, msg, sizeof(label) + r.signed_len, old_key) == 0;
}

static enum intent_refusal judge_own(
	const struct intent_judge *j, const struct record_match *match, const char **ret_text)
{
	const struct own_intent *own = j->own;

	// "No PSK" is another secret than the one that was asked for.
	if (j->needs_psk && j->psk == NULL) {
		*ret_text = "the file with the peer's PSK could not be read; correct it and reload";
		return INTENT_REFUSE_PSK;
	}

	if (!own->made) {
		*ret_text = "no intent of this gateway is outstanding for that peer";
		return INTENT_REFUSE_NO_OWN;
	}
	if (memcmp(match->mine_hash, own->hash, sizeof(own->hash)) != 0) {
		*ret_text = "the match names an intent of this gateway that is not the present one";
		return INTENT_REFUSE_OTHER;
	}
	if (own->consumed) {
		*ret_text = "this gateway's intent has served a match already";
		return INTENT_REFUSE_CONSUMED;
	}
	if (j->now_s > own->not_after_s) {
		*ret_text = "this gateway's intent has expired";
		return INTENT_REFUSE_OWN_EXPIRED;
	}
	return INTENT_ACCEPTED;
}

static enum intent_refusal judge_certificate(const struct intent_judge *j,
	const struct record_match *match, struct x509_facts *facts, const char **ret_text)
{
	struct x509_chain chain = {
		.leaf = {match->chain.cert[0].der, match->chain.cert[0].len},
	};
	enum x509_refusal refusal;

	// leaf ‖ issuers ‖ root; the root that comes along is ignored, ours is pinned.
	static_assert(DER_LIST_MAX - 2 <= X509_ISSUERS_MAX, "room for every issuer of a list");
	for (unsigned i = 1; i + 1 < match->chain.n; i++) {
		chain.issuers[chain.n_issuers].der = match->chain.cert[i].der;
		chain.issuers[chain.n_issuers++].len = match->chain.cert[i].len;
	}
	refusal = x509_verify(j->trust, &chain, j->from, X509_ROLE_GATEWAY, j->now_s, facts);
	if (refusal != X509_OK) {
		*ret_text = x509_strerror(refusal);
		return INTENT_REFUSE_CERTIFICATE;
	}
	if (j->revocations != NULL && revocation_contains(j->revocations, facts->serial,
					      facts->serial_len, facts->spki_hash)) {
		*ret_text = "the peer's certificate is revoked";
		return INTENT_REFUSE_REVOKED;
	}
	if (j->pin != NULL && sodium_memcmp(j->pin, facts->pk, 32) != 0) {
		*ret_text = "the peer's key is not the one pinned in the configuration";
		return INTENT_REFUSE_PIN;
	}
	if (j->memory->has_key && memcmp(j->memory->key, facts->pk, 32) != 0 &&
		!intent_rollover_ok(match->rollover, match->rollover_len, j->net_id, j->from,
			j->memory->key, facts->pk)) {
		*ret_text =
			"the peer's key has changed without a rollover statement by its old key; "
			"remove and add the intent again if the change is wanted";
		return INTENT_REFUSE_KEY_CHANGED;
	}
	return INTENT_ACCEPTED;
}

static enum intent_refusal judge_intent(const struct intent_judge *j,
	const struct record_match *match, const struct x509_facts *facts, struct intent *theirs,
	uint8_t hash[32], const char **ret_text)
{
	struct pair_intent_expect expect = {
		.net_id = j->net_id,
		.me = j->me,
		.from = j->from,
		.cert_hash = facts->der_hash,
		.cert_not_after_s = facts->not_after,
		.public_key = facts->pk,
		.known_key = NULL, // continuity was judged with the rollover statement at hand
		.last_serial = j->memory->serial,
		.last_hash = j->memory->serial != 0 ? j->memory->hash : NULL,
		.now_s = j->now_s,
	};
	enum pair_intent_verdict verdict =
		pair_check_intent(match->intent, match->intent_len, &expect, theirs);

	if (verdict != PAIR_INTENT_OK && verdict != PAIR_INTENT_DUPLICATE) {
		*ret_text = pair_intent_text(verdict);
		return verdict == PAIR_INTENT_NOT_YET ? INTENT_REFUSE_NOT_YET
						      : INTENT_REFUSE_INTENT;
	}
	if (verdict == PAIR_INTENT_DUPLICATE) {
		*ret_text = "the peer's intent has served a match already; waiting for a fresh one";
		return INTENT_REFUSE_USED;
	}
	pair_hash(hash, match->intent, match->intent_len);
	if (memcmp(hash, match->theirs_hash, 32) != 0) {
		*ret_text = "the match names another intent than it carries";
		return INTENT_REFUSE_HASH;
	}
	return INTENT_ACCEPTED;
}

enum intent_refusal intent_judge(const struct intent_judge *j, const struct record_match *match,
	struct peer_pairing *ret, struct intent_memory *ret_memory, const char **ret_text)
{
	struct peer_pairing pairing = {0};
	struct x509_facts facts;
	struct intent theirs;
	enum intent_refusal refusal;

	*ret_text = "accepted";
	refusal = judge_own(j, match, ret_text);
	if (refusal == INTENT_ACCEPTED)
		refusal = judge_certificate(j, match, &facts, ret_text);
	if (refusal == INTENT_ACCEPTED)
		refusal = judge_intent(j, match, &facts, &theirs, pairing.theirs_hash, ret_text);
	if (refusal != INTENT_ACCEPTED)
		return refusal;
	if (pair_from_intents(&pairing.pair, j->own->bytes, j->own->len, match->intent,
		    match->intent_len, j->own->ipk_sk, j->psk) < 0) {
		*ret_text = "no pair key comes of the two intents";
		return INTENT_REFUSE_PAIR;
	}
	pairing.live = true;
	memcpy(pairing.mine_hash, j->own->hash, 32);
	memcpy(pairing.peer_key, facts.pk, 32);
	memcpy(pairing.peer_serial, facts.serial, sizeof(pairing.peer_serial));
	pairing.peer_serial_len = facts.serial_len;
	pairing.not_after_s =
		theirs.not_after < j->own->not_after_s ? theirs.not_after : j->own->not_after_s;
	*ret = pairing;
	sodium_memzero(&pairing, sizeof(pairing));
	*ret_memory = (struct intent_memory){.serial = theirs.serial, .has_key = true};
	memcpy(ret_memory->hash, ret->theirs_hash, 32);
	memcpy(ret_memory->key, facts.pk, 32);
	return INTENT_ACCEPTED;
}
