// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/hub/records.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "controlplane/common/clock.h"
#include "config/log.h"
#include "controlplane/common/pair.h"
#include "controlplane/hub/discovery.h"

#define RECORDS_PER_S  50
#define RECORDS_BURST  512 // a gateway that comes back sends all its intents at once
#define RENEWALS_PER_S (1.0 / 600)
#define RENEWALS_BURST 4
#define CLOCK_SKEW_S   600
#define MAX_STALE_S    86400

void records_refuse(struct hub *h, struct link *l, uint16_t in_reply_to,
	enum record_error_code code, const char *text)
{
	size_t len = strlen(text);
	struct record r = {
		.type = RECORD_ERROR,
		.error =
			{
				.in_reply_to = in_reply_to,
				.code = code,
				.text = text,
				.text_len =
					(uint16_t)(len < RECORD_TEXT_MAX ? len : RECORD_TEXT_MAX),
			},
	};

	h->counters.refused_records++;
	links_send(h->links, l, &r);
}

// ---- a link that came up

static void send_policy(struct hub *h, struct link *l)
{
	struct record r = {
		.type = RECORD_POLICY,
		.policy =
			{
				.number = clock_unix_us(),
				.max_stale_s = MAX_STALE_S,
				.intent_life_s = INTENT_MAX_LIFE_S,
				.has_chain = true,
			},
	};

	hub_chain(h, NULL, 0, &r.policy.chain);
	links_send(h->links, l, &r);
}

void records_send_list(struct hub *h, struct link *l)
{
	if (h->list != NULL && h->list_number > 0)
		links_send_bytes(h->links, l, RECORD_REVOCATIONS, h->list, h->list_len);
}

void records_link_up(struct hub *h, struct link *l, uint64_t peer_list)
{
	struct gate *g = link_gate(l);
	char addr[CONFIG_ENDPOINT_TEXT];

	config_endpoint_format(link_from(l), addr);
	log_info("%s is connected from %s", g->name, addr);
	if (store_set_seen(h->store, g->gateway, addr, clock_unix_s()) < 0)
		log_warning("the store fails: %s", store_error(h->store));
	send_policy(h, l);
	if (peer_list < h->list_number && g->link == l)
		records_send_list(h, l);
}

// ---- certificates

static bool csr_holds(const struct link *l, const struct record_csr *csr, uint64_t now)
{
	static const char label[] = "postern/1 csr";
	uint8_t message[sizeof(label) + 512];

	if (csr->signed_len > sizeof(message) - sizeof(label) ||
		sodium_memcmp(csr->th0, link_gate(l)->pair.th0, PAIR_HASH_LEN) != 0 ||
		memcmp(csr->public_key, link_peer_key(l), 32) != 0 ||
		csr->time_s + CLOCK_SKEW_S < now || csr->time_s > now + CLOCK_SKEW_S)
		return false;
	memcpy(message, label, sizeof(label)); // with its final NUL, as the signer does
	memcpy(message + sizeof(label), csr->signed_bytes, csr->signed_len);
	return crypto_sign_verify_detached(
		       csr->sig, message, sizeof(label) + csr->signed_len, csr->public_key) == 0;
}

static void send_cert(struct hub *h, struct link *l, const struct authority_answer *a, bool gate)
{
	static const uint8_t none[32];
	struct record r = {
		.type = RECORD_CERT,
		.cert =
			{
				.flags = gate ? RECORD_CERT_HAS_GATE : 0,
				.not_before_s = a->not_before,
				.not_after_s = a->not_after,
				.gate_secret = gate ? a->gate_secret : none,
			},
	};

	hub_chain(h, a->leaf, a->leaf_len, &r.cert.chain);
	links_send(h->links, l, &r);
}

static void enrol(struct hub *h, struct link *l, const struct record_csr *csr)
{
	struct gate *g = link_gate(l);
	struct authority_answer a;
	struct store_gateway row;
	char name[NAME_MAX_LEN + 1] = "";
	int err;

	memcpy(name, csr->name, csr->name_len);
	err = authority_enrol(&h->ops, g->token_id, name, csr->public_key, clock_unix_s(), &a);
	if (err < 0) {
		log_error("the enrolment of %s failed: %s", name, store_error(h->store));
		records_refuse(h, l, RECORD_CSR, RECORD_E_INTERNAL, "the store failed");
	} else if (a.refusal != 0) {
		log_notice("the enrolment of %s is refused: %s", name, a.text);
		records_refuse(h, l, RECORD_CSR, a.refusal, a.text);
	} else {
		if (a.is_new_gateway && store_find_gateway(h->store, name, &row) == 0) {
			hub_add_gateway_gate(h, &row);
			sodium_memzero(&row, sizeof(row));
		}
		h->counters.enrolled++;
		log_notice("%s is enrolled", name);
		send_cert(h, l, &a, true);
	}
	authority_answer_wipe(&a);
	links_close(l, true);
}

static void renew(struct hub *h, struct link *l, const struct record_csr *csr)
{
	struct gate *g = link_gate(l);
	struct authority_answer a;
	struct store_gateway row = {.id = g->gateway};
	int err;

	if (csr->name_len != strlen(g->name) || memcmp(csr->name, g->name, csr->name_len) != 0) {
		records_refuse(h, l, RECORD_CSR, RECORD_E_NAME, "the name is not this link's");
		return;
	}
	if (!bucket_take(&g->renewals, RENEWALS_PER_S, RENEWALS_BURST, clock_mono_us())) {
		records_refuse(h, l, RECORD_CSR, RECORD_E_LIMIT, "too many renewals");
		return;
	}
	strcpy(row.name, g->name);
	memcpy(row.pk, g->pk, sizeof(row.pk));
	err = authority_renew(&h->ops, &row, clock_unix_s(), &a);
	if (err < 0) {
		log_error("the renewal of %s failed: %s", g->name, store_error(h->store));
		records_refuse(h, l, RECORD_CSR, RECORD_E_INTERNAL, "the store failed");
	} else if (a.refusal != 0) {
		log_warning("the renewal of %s is refused: %s", g->name, a.text);
		records_refuse(h, l, RECORD_CSR, a.refusal, a.text);
	} else {
		h->counters.renewed++;
		log_info("%s has a new certificate", g->name);
		send_cert(h, l, &a, false);
	}
	authority_answer_wipe(&a);
}

static void take_csr(struct hub *h, struct link *l, const struct record_csr *csr)
{
	bool token = link_gate(l)->is_token;

	if (csr->purpose != (token ? RECORD_CSR_ENROL : RECORD_CSR_RENEW))
		records_refuse(h, l, RECORD_CSR, RECORD_E_MALFORMED, "not on this link");
	else if (!csr_holds(l, csr, clock_unix_s()))
		records_refuse(h, l, RECORD_CSR, RECORD_E_SIGNATURE,
			"the request's signature, time or link is wrong");
	else if (token)
		enrol(h, l, csr);
	else
		renew(h, l, csr);
}

// ---- all records

static void take_ping(struct hub *h, struct link *l, const struct record_ping *ping)
{
	struct record r = {
		.type = RECORD_PING,
		.ping = {.token = ping->token, .reply = true},
	};

	if (!ping->reply)
		links_send(h->links, l, &r);
}

static void take_parsed(
	struct hub *h, struct link *l, const struct record *r, const uint8_t *body, size_t len)
{
	switch (r->type) {
	case RECORD_PING:
		take_ping(h, l, &r->ping);
		break;
	case RECORD_CSR:
		take_csr(h, l, &r->csr);
		break;
	case RECORD_PUT_INTENT:
		discovery_put(h, l, &r->put_intent);
		break;
	case RECORD_DROP_INTENT:
		discovery_drop(h, l, &r->drop_intent);
		break;
	case RECORD_CANDIDATES:
		discovery_candidates(h, l, &r->candidates, body, len);
		break;
	case RECORD_ERROR:
		log_info("%s reports an error on a %s record", link_gate(l)->name,
			record_type_name(r->error.in_reply_to));
		break;
	default:
		records_refuse(h, l, r->type, RECORD_E_UNAVAILABLE, "this hub does not do that");
	}
}

int records_take(struct hub *h, struct link *l, uint16_t type, const uint8_t *body, size_t len)
{
	struct gate *g = link_gate(l);
	struct record r;
	int err;

	if (!bucket_take(&g->records, RECORDS_PER_S, RECORDS_BURST, clock_mono_us()))
		return -EDQUOT;
	err = record_parse(type, body, len, &r);
	if (err == -EPROTONOSUPPORT) {
		records_refuse(h, l, type, RECORD_E_UNAVAILABLE, "this hub does not know that");
		return 0;
	}
	if (err < 0)
		return err;
	// With a token one can ask for a certificate and do nothing else.
	if (g->is_token && type != RECORD_CSR && type != RECORD_PING)
		return -EACCES;
	take_parsed(h, l, &r, body, len);
	return 0;
}
