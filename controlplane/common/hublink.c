// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/hublink.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "controlplane/common/clock.h"
#include "controlplane/common/handshake.h"
#include "controlplane/common/hubknock.h"
#include "controlplane/common/linkcert.h"
#include "controlplane/common/pair.h"
#include "controlplane/common/recordlane.h"
#include "controlplane/common/tcpwrite.h"

#define KNOCK_LEAD_MS    30 // from the knock to the first SYN: the hub's filter must open first
#define CONNECT_FIRST_MS 400
#define PINGS_UNANSWERED 2
#define READ_CHUNK       16384
#define STABLE_US        (60 * CLOCK_US_PER_S) // a link that held this long resets the backoff

enum phase { PHASE_CONNECT, PHASE_M2, PHASE_M4, PHASE_UP };

// One TCP connection; dies with it.
struct conn {
	struct hublink *link; // NULL once the link let go of it
	uv_tcp_t tcp;
	uv_connect_t connect;
	enum phase phase;
	struct hs_client hs;
	struct tcpframe in;
	struct recordlane lane;
	size_t chain_len;
	uint8_t chain[DER_LIST_MAX_LEN]; // a copy: a renewal may come while the handshake runs
	uint8_t chunk[READ_CHUNK];
};

struct hublink {
	uv_loop_t *loop;
	uv_timer_t timer;
	struct hublink_ops ops;
	void *ctx;
	struct conn *conn;
	enum hublink_state state;
	uint64_t since_us;
	uint64_t deadline_us; // of this attempt
	uint64_t connect_ms;  // how long the next connect may take before knocking again
	unsigned failures;    // in a row
	unsigned pings_waiting;
	uint64_t ping_token;
	uint64_t ts;               // of this attempt, for PUNCH and M1
	unsigned addr_idx;         // of this attempt
	uint8_t generation;        // of my key_id
	enum x509_refusal refusal; // of the hub's certificate in this handshake
	uint64_t hub_list_number;
	char reason[HUBLINK_REASON_MAX];

	struct pair pair;
	struct hs_identity identity;
	const struct x509_trust *trust;
	struct config_endpoint addresses[HUBLINK_ADDRESSES_MAX];
	unsigned n_addresses;
	uint8_t hedge[32];
	uint32_t caps;
	uint8_t *chain;
	size_t chain_len;
	char hub_name[NAME_MAX_LEN + 1];
	char gateway_name[NAME_MAX_LEN + 1];
};

static void attempt(struct hublink *l);

// ---- states

static void set_state(struct hublink *l, enum hublink_state state)
{
	l->state = state;
	l->since_us = clock_mono_us();
}

static void on_conn_closed(uv_handle_t *handle)
{
	struct conn *c = handle->data;

	hs_client_fini(&c->hs);
	recordlane_fini(&c->lane);
	sodium_memzero(c, sizeof(*c));
	free(c);
}

static void drop_conn(struct hublink *l)
{
	struct conn *c = l->conn;

	if (c == NULL)
		return;
	l->conn = NULL;
	c->link = NULL;
	uv_close((uv_handle_t *)&c->tcp, on_conn_closed);
}

static void on_wait_over(uv_timer_t *timer)
{
	attempt(timer->data);
}

static void wait_again(struct hublink *l)
{
	uint64_t ms = HUBLINK_BACKOFF_MIN_S * 1000;

	for (unsigned i = 0; i < l->failures && ms < HUBLINK_BACKOFF_MAX_S * 1000; i++)
		ms *= 2;
	if (ms > HUBLINK_BACKOFF_MAX_S * 1000)
		ms = HUBLINK_BACKOFF_MAX_S * 1000;
	if (l->failures < 32)
		l->failures++;
	// Half fixed, half random: gateways that lost the same hub do not come back in step.
	ms = ms / 2 + randombytes_uniform((uint32_t)(ms / 2) + 1);
	l->addr_idx = (l->addr_idx + 1) % l->n_addresses;
	set_state(l, HUBLINK_WAITING);
	uv_timer_start(&l->timer, on_wait_over, ms, 0);
}

// End this attempt or this link, say why, and try again later.
__attribute__((format(printf, 2, 3))) static void fail(struct hublink *l, const char *fmt, ...)
{
	va_list ap;

	if (l->state == HUBLINK_UP && clock_mono_us() - l->since_us > STABLE_US)
		l->failures = 0;
	va_start(ap, fmt);
	vsnprintf(l->reason, sizeof(l->reason), fmt, ap);
	va_end(ap);
	drop_conn(l);
	wait_again(l);
	l->ops.on_down(l->ctx, l->reason);
}

static const char *peer_text(const struct hublink *l, char buf[CONFIG_ENDPOINT_TEXT])
{
	return config_endpoint_format(&l->addresses[l->addr_idx], buf);
}

// ---- the handshake's identity

static int identity_sign(
	void *ctx, const char *label, const uint8_t *msg, size_t len, uint8_t sig[64])
{
	struct hublink *l = ctx;

	return l->ops.sign(l->ctx, label, msg, len, sig);
}

static int identity_check(void *ctx, enum hs_field, const struct der_list *field, const char *name,
	uint8_t ret_pk[32], uint64_t *ret_not_after_s)
{
	struct hublink *l = ctx;
	struct x509_facts facts;

	l->refusal = linkcert_verify(l->trust, field, name, X509_ROLE_HUB, clock_unix_s(), &facts);
	if (l->refusal != X509_OK)
		return -EACCES;
	if (l->ops.revoked != NULL && l->ops.revoked(l->ctx, &facts))
		return -EKEYREVOKED;
	memcpy(ret_pk, facts.pk, sizeof(facts.pk));
	*ret_not_after_s =
		facts.chain_not_after < facts.not_after ? facts.chain_not_after : facts.not_after;
	return 0;
}

// ---- sending

static int write_bytes(void *ctx, const uint8_t *p, size_t len)
{
	struct conn *c = ctx;

	return tcpwrite((uv_stream_t *)&c->tcp, p, len, HUBLINK_QUEUE_MAX);
}

static int write_frame(struct conn *c, const void *p, size_t len)
{
	uint8_t bytes[TCPFRAME_HEAD_BYTES + PKT_HS_TCP_MAX_LEN];

	tcpframe_head(bytes, len);
	memcpy(bytes + TCPFRAME_HEAD_BYTES, p, len);
	return write_bytes(c, bytes, TCPFRAME_HEAD_BYTES + len);
}

static int send_record(struct conn *c, const struct record *r)
{
	uint8_t body[512];
	size_t n = record_build(r, body, sizeof(body));

	return n > 0 ? recordlane_send(&c->lane, r->type, body, n, write_bytes, c) : -EINVAL;
}

// ---- an established link

static void on_ping_time(uv_timer_t *timer)
{
	struct hublink *l = timer->data;
	struct record ping = {.type = RECORD_PING};

	if (l->pings_waiting >= PINGS_UNANSWERED) {
		fail(l, "The hub has stopped answering pings; connecting again.");
		return;
	}
	l->pings_waiting++;
	ping.ping.token = ++l->ping_token;
	if (send_record(l->conn, &ping) < 0)
		fail(l, "The hub does not read what is sent to it; connecting again.");
}

void hublink_doubt(struct hublink *l)
{
	if (l->state != HUBLINK_UP || l->pings_waiting > 0)
		return;
	l->pings_waiting = PINGS_UNANSWERED - 1;
	uv_timer_start(&l->timer, on_ping_time, 0, HUBLINK_DOUBT_S * 1000);
}

static void heard(struct hublink *l)
{
	if (l->pings_waiting > 0)
		uv_timer_start(
			&l->timer, on_ping_time, HUBLINK_PING_S * 1000, HUBLINK_PING_S * 1000);
	l->pings_waiting = 0;
}

static int on_record(void *ctx, uint16_t type, const uint8_t *body, size_t len)
{
	struct conn *c = ctx;
	struct hublink *l = c->link;
	struct record r;

	heard(l);
	if (type == RECORD_PING) {
		if (record_parse(type, body, len, &r) < 0)
			return -EBADMSG;
		if (r.ping.reply)
			return 0;
		r.ping.reply = true;
		return send_record(c, &r);
	}
	l->ops.on_record(l->ctx, type, body, len);
	return c->link != NULL ? 0 : -ECANCELED; // the owner may have stopped the link
}

static void go_up(struct conn *c, uint64_t list_number)
{
	struct hublink *l = c->link;

	c->phase = PHASE_UP;
	l->pings_waiting = 0;
	l->reason[0] = '\0';
	set_state(l, HUBLINK_UP);
	uv_timer_start(&l->timer, on_ping_time, HUBLINK_PING_S * 1000, HUBLINK_PING_S * 1000);
	l->ops.on_up(l->ctx, list_number);
}

// ---- the handshake

static void take_m2(struct conn *c, const uint8_t *frame, size_t len)
{
	struct hublink *l = c->link;
	uint8_t m3[PKT_HS_TCP_MAX_LEN];
	struct hs_result result;
	size_t m3_len;
	enum hs_status st;

	l->refusal = X509_OK;
	st = hs_client_m2(&c->hs, frame, len, clock_unix_s(), m3, &m3_len, &result);
	if (st == HS_CERT && l->refusal != X509_OK) {
		fail(l, "The hub's certificate was refused: %s", x509_strerror(l->refusal));
		return;
	}
	if (st != HS_OK) {
		fail(l, "The hub's answer was refused: %s.", hs_status_text(st));
		return;
	}
	l->hub_list_number = result.peer_rl;
	if (recordlane_init(&c->lane, &result, true) < 0 || write_frame(c, m3, m3_len) < 0) {
		fail(l, "Out of memory.");
		return;
	}
	c->phase = PHASE_M4;
}

static void take_lane0(struct conn *c, const uint8_t *frame, size_t len)
{
	int err = recordlane_recv(&c->lane, frame, len, on_record, c);

	if (c->link == NULL)
		return;
	if (err < 0) {
		fail(c->link, "What the hub sent is not authentic or not well-formed.");
		return;
	}
	if (c->phase == PHASE_M4 && c->lane.confirmed)
		go_up(c, c->link->hub_list_number);
}

static void on_frame(struct conn *c, const uint8_t *frame, size_t len)
{
	switch (c->phase) {
	case PHASE_M2:
		take_m2(c, frame, len);
		break;
	case PHASE_M4:
	case PHASE_UP:
		take_lane0(c, frame, len);
		break;
	case PHASE_CONNECT:
		break;
	}
}

static void on_alloc(uv_handle_t *handle, size_t, uv_buf_t *buf)
{
	struct conn *c = handle->data;

	*buf = uv_buf_init((char *)c->chunk, sizeof(c->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = stream->data;
	const uint8_t *p = (const uint8_t *)buf->base, *frame;
	size_t left, len;
	int got;

	if (c->link == NULL)
		return;
	if (n < 0) {
		if (c->phase == PHASE_UP)
			fail(c->link, "The hub closed the link; connecting again.");
		else
			fail(c->link,
				"The hub closed the connection without an answer: it does not "
				"know this gateway (revoked, or another hub), or a clock is "
				"wrong.");
		return;
	}
	left = (size_t)n;
	while ((got = tcpframe_feed(&c->in, &p, &left, &frame, &len)) > 0) {
		on_frame(c, frame, len);
		if (c->link == NULL)
			return;
	}
	if (got < 0)
		fail(c->link, "The hub sent a frame of impossible length.");
}

static void start_handshake(struct conn *c)
{
	struct hublink *l = c->link;
	struct hs_config cfg = {
		.pair = &l->pair,
		.identity = &l->identity,
		.peer_name = l->hub_name,
		.own_field = c->chain,
		.own_field_len = l->chain_len,
		.peer_field = HS_FIELD_CHAIN,
		.max_len = PKT_HS_TCP_MAX_LEN,
		.caps = l->caps,
		.rl = l->ops.list_number != NULL ? l->ops.list_number(l->ctx) : 0,
	};
	struct pkt_m1 m1;
	uint8_t rnd[64];

	memcpy(c->chain, l->chain, l->chain_len);
	c->chain_len = l->chain_len;
	memcpy(cfg.hedge, l->hedge, sizeof(cfg.hedge));
	randombytes_buf(rnd, sizeof(rnd));
	if (++l->generation == 0)
		l->generation = 1;
	hs_client_start(
		&c->hs, &cfg, pkt_key_id(0, l->generation), l->ts, clock_unix_s(), rnd, &m1);
	sodium_memzero(rnd, sizeof(rnd));
	sodium_memzero(&cfg, sizeof(cfg));
	c->phase = PHASE_M2;
	if (write_frame(c, &m1, sizeof(m1)) < 0 ||
		uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) < 0)
		fail(l, "Out of memory.");
}

// ---- connecting

static void on_attempt_over(uv_timer_t *timer)
{
	struct hublink *l = timer->data;
	char at[CONFIG_ENDPOINT_TEXT];

	fail(l, "The hub at %s does not answer this gateway's handshake.", peer_text(l, at));
}

static void on_connected(uv_connect_t *req, int status)
{
	struct conn *c = req->data;
	struct hublink *l = c->link;
	uint64_t now = clock_mono_us();
	char at[CONFIG_ENDPOINT_TEXT];

	if (l == NULL)
		return;
	if (status < 0) {
		fail(l, "Cannot connect to the hub at %s: %s.", peer_text(l, at),
			uv_strerror(status));
		return;
	}
	uv_tcp_nodelay(&c->tcp, 1);
	uv_timer_start(&l->timer, on_attempt_over,
		l->deadline_us > now ? (l->deadline_us - now) / 1000 + 1 : 1, 0);
	start_handshake(c);
}

static void knock(const struct hublink *l)
{
	hubknock_send(&l->pair, &l->addresses[l->addr_idx], l->ts);
}

static void try_connect(struct hublink *l);

static void on_connect_slow(uv_timer_t *timer)
{
	struct hublink *l = timer->data;
	char at[CONFIG_ENDPOINT_TEXT];

	if (clock_mono_us() >= l->deadline_us) {
		fail(l,
			"The hub at %s does not answer: it is down or not reachable, or it does "
			"not "
			"know this gateway, or a clock is wrong.",
			peer_text(l, at));
		return;
	}
	// The SYN met a filter that was still shut, or was lost: knock and connect again rather
	// than wait a second for the kernel to repeat it.
	drop_conn(l);
	l->connect_ms *= 2;
	knock(l);
	try_connect(l);
}

static void try_connect(struct hublink *l)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct sockaddr_storage sa;
	int err;

	if (c == NULL) {
		fail(l, "Out of memory.");
		return;
	}
	uv_tcp_init(l->loop, &c->tcp);
	c->tcp.data = c->connect.data = c;
	c->link = l;
	l->conn = c;
	config_endpoint_sockaddr(&l->addresses[l->addr_idx], &sa);
	err = uv_tcp_connect(&c->connect, &c->tcp, (struct sockaddr *)&sa, on_connected);
	if (err < 0) {
		char at[CONFIG_ENDPOINT_TEXT];

		fail(l, "Cannot connect to the hub at %s: %s.", peer_text(l, at), uv_strerror(err));
		return;
	}
	uv_timer_start(&l->timer, on_connect_slow, l->connect_ms, 0);
}

static void on_knocked(uv_timer_t *timer)
{
	try_connect(timer->data);
}

static void attempt(struct hublink *l)
{
	set_state(l, HUBLINK_CONNECTING);
	l->deadline_us = clock_mono_us() + HUBLINK_ATTEMPT_S * CLOCK_US_PER_S;
	l->connect_ms = CONNECT_FIRST_MS;
	if (l->ops.next_ts(l->ctx, &l->ts) < 0) {
		fail(l, "The state file cannot be written, so no message may be sent.");
		return;
	}
	knock(l);
	uv_timer_start(&l->timer, on_knocked, KNOCK_LEAD_MS, 0);
}

// ---- life

static int copy_config(struct hublink *l, const struct hublink_config *cfg)
{
	uint8_t th0[PAIR_HASH_LEN];

	if (cfg->n_addresses == 0 || cfg->n_addresses > HUBLINK_ADDRESSES_MAX ||
		!name_valid(cfg->hub_name, strlen(cfg->hub_name)) ||
		!name_valid(cfg->gateway_name, strlen(cfg->gateway_name)) || cfg->trust == NULL)
		return -EINVAL;
	strcpy(l->hub_name, cfg->hub_name);
	strcpy(l->gateway_name, cfg->gateway_name);
	memcpy(l->addresses, cfg->addresses, cfg->n_addresses * sizeof(l->addresses[0]));
	l->n_addresses = cfg->n_addresses;
	l->trust = cfg->trust;
	l->caps = cfg->caps;
	memcpy(l->hedge, cfg->hedge, sizeof(l->hedge));
	pair_th0_hub(th0, cfg->net_id, cfg->gateway_name, cfg->hub_name);
	pair_from_secret(&l->pair, true, cfg->gate_secret, th0);
	return hublink_set_chain(l, cfg->chain, cfg->chain_len);
}

int hublink_create(uv_loop_t *loop, const struct hublink_config *cfg, const struct hublink_ops *ops,
	void *ctx, struct hublink **ret_link)
{
	struct hublink *l = calloc(1, sizeof(*l));
	int err;

	if (l == NULL)
		return -ENOMEM;
	l->loop = loop;
	l->ops = *ops;
	l->ctx = ctx;
	l->identity =
		(struct hs_identity){.ctx = l, .sign = identity_sign, .check_cert = identity_check};
	err = copy_config(l, cfg);
	if (err < 0) {
		pair_wipe(&l->pair);
		free(l->chain);
		free(l);
		return err;
	}
	uv_timer_init(loop, &l->timer);
	l->timer.data = l;
	set_state(l, HUBLINK_STOPPED);
	*ret_link = l;
	return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct hublink *l = handle->data;

	pair_wipe(&l->pair);
	free(l->chain);
	sodium_memzero(l, sizeof(*l));
	free(l);
}

void hublink_destroy(struct hublink *l)
{
	if (l == NULL)
		return;
	hublink_stop(l);
	uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}

void hublink_start(struct hublink *l)
{
	if (l->state != HUBLINK_STOPPED)
		return;
	l->failures = 0;
	set_state(l, HUBLINK_WAITING);
	uv_timer_start(&l->timer, on_wait_over, 0, 0);
}

void hublink_stop(struct hublink *l)
{
	drop_conn(l);
	uv_timer_stop(&l->timer);
	set_state(l, HUBLINK_STOPPED);
}

void hublink_retry(struct hublink *l)
{
	if (l->state != HUBLINK_WAITING)
		return;
	l->failures = 0;
	uv_timer_start(&l->timer, on_wait_over, 0, 0);
}

enum hublink_state hublink_get_state(const struct hublink *l)
{
	return l->state;
}

uint64_t hublink_since_us(const struct hublink *l)
{
	return l->since_us;
}

const char *hublink_reason(const struct hublink *l)
{
	return l->reason;
}

const struct config_endpoint *hublink_peer(const struct hublink *l)
{
	return &l->addresses[l->addr_idx];
}

int hublink_send(struct hublink *l, uint16_t type, const void *body, size_t len)
{
	if (l->state != HUBLINK_UP)
		return -ENOTCONN;
	return recordlane_send(&l->conn->lane, type, body, len, write_bytes, l->conn);
}

int hublink_request_renewal(struct hublink *l, const uint8_t pk[32])
{
	struct record_csr csr = {
		.purpose = RECORD_CSR_RENEW,
		.th0 = l->pair.th0,
		.public_key = pk,
		.time_s = clock_unix_s(),
		.caps = l->caps,
		.name = l->gateway_name,
		.name_len = (uint16_t)strlen(l->gateway_name),
	};
	uint8_t body[512 + RECORD_SIG_LEN];
	size_t n;
	int err;

	if (l->state != HUBLINK_UP)
		return -ENOTCONN;
	n = record_build_csr_unsigned(&csr, body, sizeof(body) - RECORD_SIG_LEN);
	if (n == 0)
		return -EINVAL;
	err = l->ops.sign(l->ctx, "csr", body, n, body + n);
	if (err < 0)
		return err;
	return hublink_send(l, RECORD_CSR, body, n + RECORD_SIG_LEN);
}

int hublink_set_chain(struct hublink *l, const uint8_t *chain, size_t len)
{
	struct der_list list;
	uint8_t *copy;

	if (chain == NULL || der_list_parse(chain, len, &list) < 0 || list.n < 3)
		return -EINVAL;
	copy = malloc(len);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, chain, len);
	free(l->chain);
	l->chain = copy;
	l->chain_len = len;
	return 0;
}

void hublink_punch(const struct hublink *l, uint64_t ts, uint64_t now_s,
	uint8_t ret_packet[HUBLINK_PUNCH_BYTES])
{
	struct pkt_punch punch;

	static_assert(sizeof(punch) == HUBLINK_PUNCH_BYTES, "PUNCH");
	pair_punch_build(&l->pair, ts, now_s, 0, &punch);
	memcpy(ret_packet, &punch, sizeof(punch));
}
