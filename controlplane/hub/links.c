// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/hub/links.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "controlplane/common/clock.h"
#include "controlplane/common/handshake.h"
#include "controlplane/common/linkcert.h"
#include "config/log.h"
#include "controlplane/common/recordlane.h"
#include "controlplane/common/revocation.h"
#include "controlplane/common/tcpwrite.h"
#include "controlplane/hub/addr.h"
#include "controlplane/hub/knock.h"
#include "controlplane/hub/records.h"

#define BACKLOG      128
#define READ_CHUNK   16384
#define HELLOS_PER_S 5
#define HELLOS_BURST 20
#define TOKEN_TS_US  (600 * CLOCK_US_PER_S)

enum link_state {
	LINK_HELLO, // nothing valid has come, nothing has been sent
	LINK_DEAF,  // what came was not valid: nothing more is looked at, or sent
	LINK_M3,    // M2 is out
	LINK_UP,
	LINK_CLOSING,
};

struct link {
	struct link_server *server;
	struct link *next;
	uv_tcp_t tcp;
	uv_timer_t timer;
	unsigned n_handles;
	enum link_state state;
	struct config_endpoint from;
	bool knocked;
	uint64_t end_us; // of its life
	uint64_t last_frame_us;
	struct gate *gate; // from M1 on
	struct hs_server hs;
	struct tcpframe in;
	struct recordlane lane;
	uint8_t peer_key[32];
	struct x509_facts facts; // of the gateway's certificate
};

struct listener {
	struct link_server *server;
	uv_tcp_t tcp;
	bool open;
};

struct link_server {
	struct hub *hub;
	struct hs_identity identity;
	struct link *current; // whose handshake is being checked
	struct link *first;
	struct links_count count;
	unsigned n_all;
	bool closing;
	unsigned n_listeners;
	struct listener listeners[CONFIG_HUB_LISTEN_MAX];
	uint8_t chunk[READ_CHUNK];
};

// ---- life of a link

static bool is_pending(const struct link *l)
{
	return l->state == LINK_HELLO || l->state == LINK_DEAF || l->state == LINK_M3;
}

static void server_free_if_done(struct link_server *ls)
{
	if (!ls->closing || ls->first != NULL)
		return;
	for (unsigned i = 0; i < ls->n_listeners; i++) {
		if (ls->listeners[i].open)
			return;
	}
	free(ls);
}

static void on_link_closed(uv_handle_t *handle)
{
	struct link *l = handle->data;
	struct link_server *ls = l->server;

	if (--l->n_handles > 0)
		return;
	for (struct link **p = &ls->first; *p != NULL; p = &(*p)->next) {
		if (*p == l) {
			*p = l->next;
			break;
		}
	}
	ls->n_all--;
	hs_server_fini(&l->hs);
	recordlane_fini(&l->lane);
	sodium_memzero(l, sizeof(*l));
	free(l);
	server_free_if_done(ls);
}

static void on_flushed(uv_shutdown_t *req, int)
{
	struct link *l = req->data;

	free(req);
	if (!uv_is_closing((uv_handle_t *)&l->tcp)) {
		uv_close((uv_handle_t *)&l->tcp, on_link_closed);
		uv_close((uv_handle_t *)&l->timer, on_link_closed);
	}
}

static void on_flush_slow(uv_timer_t *timer)
{
	struct link *l = timer->data;

	// Closing the handle ends the shutdown request with an error, and on_flushed finds it
	// closed.
	uv_close((uv_handle_t *)&l->tcp, on_link_closed);
	uv_close((uv_handle_t *)&l->timer, on_link_closed);
}

void links_close(struct link *l, bool flush)
{
	struct link_server *ls = l->server;
	uv_shutdown_t *req;

	if (l->state == LINK_CLOSING)
		return;
	if (is_pending(l))
		ls->count.pending--;
	else
		ls->count.up--;
	if (l->gate != NULL && l->gate->link == l)
		l->gate->link = NULL;
	l->gate = NULL;
	l->state = LINK_CLOSING;
	uv_timer_stop(&l->timer);
	req = flush ? malloc(sizeof(*req)) : NULL;
	if (req != NULL) {
		req->data = l;
		uv_read_stop((uv_stream_t *)&l->tcp);
		if (uv_shutdown(req, (uv_stream_t *)&l->tcp, on_flushed) == 0) {
			uv_timer_start(&l->timer, on_flush_slow, LINKS_HELLO_S * 1000, 0);
			return;
		}
		free(req);
	}
	uv_close((uv_handle_t *)&l->tcp, on_link_closed);
	uv_close((uv_handle_t *)&l->timer, on_link_closed);
}

void links_close_gate(struct link_server *ls, const struct gate *gate)
{
	for (struct link *l = ls->first; l != NULL; l = l->next) {
		if (l->gate == gate)
			links_close(l, false);
	}
}

struct gate *link_gate(const struct link *l)
{
	return l->gate;
}

const uint8_t *link_peer_key(const struct link *l)
{
	return l->peer_key;
}

const struct config_endpoint *link_from(const struct link *l)
{
	return &l->from;
}

struct links_count links_count(const struct link_server *ls)
{
	return ls->count;
}

// ---- sending

static int write_bytes(void *ctx, const uint8_t *p, size_t len)
{
	struct link *l = ctx;

	return tcpwrite((uv_stream_t *)&l->tcp, p, len, LINKS_QUEUE_MAX);
}

void links_send_bytes(
	struct link_server *, struct link *l, uint16_t type, const void *body, size_t len)
{
	char name[64];

	if (l->state != LINK_UP || recordlane_send(&l->lane, type, body, len, write_bytes, l) == 0)
		return;
	log_warning("%s does not take its %s record, its link is closed",
		log_quote(name, sizeof(name), l->gate->name, strlen(l->gate->name)),
		record_type_name(type));
	links_close(l, false);
}

void links_send(struct link_server *ls, struct link *l, const struct record *r)
{
	uint8_t body[LINKS_RECORD_MAX];
	size_t n = record_build(r, body, sizeof(body));

	if (n > 0)
		links_send_bytes(ls, l, r->type, body, n);
	else
		log_error("a %s record cannot be built", record_type_name(r->type));
	sodium_memzero(body, n); // a CERT carries a secret
}

// ---- timers

static void on_tick(uv_timer_t *timer)
{
	struct link *l = timer->data;
	uint64_t now = clock_mono_us();

	// The gateway comes back by itself, with fresh keys.
	if (now > l->end_us || now - l->last_frame_us > LINKS_IDLE_S * CLOCK_US_PER_S)
		links_close(l, false);
}

static void on_hello_over(uv_timer_t *timer)
{
	links_close(timer->data, false);
}

// ---- the handshake

static int identity_sign(
	void *ctx, const char *label, const uint8_t *msg, size_t len, uint8_t sig[64])
{
	struct link_server *ls = ctx;

	return signer_sign(ls->hub->signer, label, msg, len, sig);
}

static bool is_revoked(const struct hub *h, const struct x509_facts *facts)
{
	struct revocation_view view;

	return h->list != NULL && revocation_parse(h->list, h->list_len, &view) == 0 &&
	       revocation_contains(&view, facts->serial, facts->serial_len, facts->spki_hash);
}

static int check_gateway(
	struct link *l, const struct der_list *field, uint8_t ret_pk[32], uint64_t *ret_not_after_s)
{
	struct hub *h = l->server->hub;
	enum x509_refusal why = linkcert_verify(authority_trust(h->ops.authority), field,
		l->gate->name, X509_ROLE_GATEWAY, clock_unix_s(), &l->facts);

	if (why != X509_OK) {
		log_warning("%s shows a certificate that is refused: %s", l->gate->name,
			x509_strerror(why));
		return -EACCES;
	}
	if (memcmp(l->facts.pk, l->gate->pk, sizeof(l->facts.pk)) != 0 ||
		is_revoked(h, &l->facts)) {
		log_warning(
			"%s shows a certificate that is revoked or of another key", l->gate->name);
		return -EKEYREVOKED;
	}
	memcpy(ret_pk, l->facts.pk, sizeof(l->facts.pk));
	*ret_not_after_s = l->facts.not_after;
	return 0;
}

static int identity_check(void *ctx, enum hs_field kind, const struct der_list *field, const char *,
	uint8_t ret_pk[32], uint64_t *ret_not_after_s)
{
	struct link_server *ls = ctx;
	struct link *l = ls->current;

	if (!l->gate->is_token)
		return check_gateway(l, field, ret_pk, ret_not_after_s);
	if (kind != HS_FIELD_KEY)
		return -EACCES;
	memcpy(ret_pk, field->cert[0].der, 32);
	*ret_not_after_s = UINT64_MAX;
	return 0;
}

// Is this M1 one to answer? What guards against its replay is in the store when this returns true.
static bool hello_is_new(struct hub *h, struct gate *g, const struct pkt_m1 *m1)
{
	uint64_t ts = m1->hs.ts, now = clock_unix_us();

	// A replay is dropped before it costs a token, or one recorded M1 would shut its owner out.
	if (g->is_token ? ts + TOKEN_TS_US < now || ts > now + TOKEN_TS_US
			: ts <= g->m1_ts || ts > INT64_MAX)
		return false;
	if (!bucket_take(&g->hellos, HELLOS_PER_S, HELLOS_BURST, clock_mono_us()))
		return false;
	if (g->is_token)
		return store_token_seen(h->store, g->token_id, ts, m1->x, now - 2 * TOKEN_TS_US) ==
		       0;
	if (store_set_m1_ts(h->store, g->gateway, ts) < 0)
		return false;
	g->m1_ts = ts;
	return true;
}

static int send_m2(struct link *l, const uint8_t *frame, size_t len)
{
	struct link_server *ls = l->server;
	struct hub *h = ls->hub;
	struct hs_config cfg = {
		.pair = &l->gate->pair,
		.identity = &ls->identity,
		.peer_name = l->gate->is_token ? NULL : l->gate->name,
		.expect_key = l->gate->is_token ? NULL : l->gate->pk,
		.own_field = h->chain,
		.own_field_len = h->chain_len,
		.peer_field = l->gate->is_token ? HS_FIELD_KEY : HS_FIELD_CHAIN,
		.max_len = PKT_HS_TCP_MAX_LEN,
		.caps = PKT_CAP_CHACHA,
		.rl = h->list_number,
	};
	uint8_t bytes[TCPFRAME_HEAD_BYTES + PKT_HS_TCP_MAX_LEN], rnd[64];
	enum hs_status st;
	size_t n;

	memcpy(cfg.hedge, h->hedge, sizeof(cfg.hedge));
	randombytes_buf(rnd, sizeof(rnd));
	st = hs_server_m1(&l->hs, &cfg, frame, len, pkt_key_id(0, 1), clock_unix_s(), rnd,
		bytes + TCPFRAME_HEAD_BYTES, &n);
	sodium_memzero(rnd, sizeof(rnd));
	sodium_memzero(&cfg, sizeof(cfg));
	if (st != HS_OK) {
		log_warning("no answer to a hello: %s", hs_status_text(st));
		return -EIO;
	}
	tcpframe_head(bytes, n);
	return write_bytes(l, bytes, TCPFRAME_HEAD_BYTES + n);
}

static void take_hello(struct link *l, const uint8_t *frame, size_t len)
{
	struct hub *h = l->server->hub;
	struct gate *g =
		frame[0] == PKT_TYPE_M1 ? gates_find(&h->gates, frame, len, clock_unix_s()) : NULL;

	l->state = LINK_DEAF;
	if (g == NULL || !hello_is_new(h, g, (const struct pkt_m1 *)frame))
		return;
	l->gate = g;
	if (send_m2(l, frame, len) == 0)
		l->state = LINK_M3;
	else
		l->gate = NULL;
}

static void go_up(struct link *l, uint64_t peer_list)
{
	struct link_server *ls = l->server;
	uint64_t now = clock_mono_us();

	l->state = LINK_UP;
	ls->count.pending--;
	ls->count.up++;
	ls->hub->counters.handshakes++;
	// Lives are spread, so that gateways which came together do not come back together.
	l->end_us = now +
		    (LINKS_LIFE_S * 3 / 4 + randombytes_uniform(LINKS_LIFE_S / 4)) * CLOCK_US_PER_S;
	uv_timer_start(&l->timer, on_tick, LINKS_IDLE_S * 500, LINKS_IDLE_S * 500);
	if (recordlane_confirm(&l->lane, write_bytes, l) < 0) {
		links_close(l, false);
		return;
	}
	// A token buys one request, not a place: its holder could take all of them.
	if (l->gate->is_token) {
		uv_timer_start(&l->timer, on_hello_over, LINKS_HELLO_S * 1000, 0);
		return;
	}
	if (l->gate->link != NULL)
		links_close(l->gate->link, false);
	l->gate->link = l;
	records_link_up(ls->hub, l, peer_list);
}

static void take_m3(struct link *l, const uint8_t *frame, size_t len)
{
	struct link_server *ls = l->server;
	struct hs_result result;
	uint64_t peer_list;
	enum hs_status st;

	ls->current = l;
	st = hs_server_m3(&l->hs, frame, len, clock_unix_s(), &result);
	ls->current = NULL;
	if (st != HS_OK) {
		log_warning("a handshake of %s is refused: %s",
			l->gate->is_token ? "a token's holder" : l->gate->name, hs_status_text(st));
		l->state = LINK_DEAF;
		return;
	}
	memcpy(l->peer_key, result.peer_key, sizeof(l->peer_key));
	peer_list = result.peer_rl;
	if (recordlane_init(&l->lane, &result, false) < 0) {
		links_close(l, false);
		return;
	}
	l->lane.max_record = LINKS_RECORD_MAX;
	go_up(l, peer_list);
}

// ---- reading

static int on_record(void *ctx, uint16_t type, const uint8_t *body, size_t len)
{
	struct link *l = ctx;
	int err = records_take(l->server->hub, l, type, body, len);

	return l->state == LINK_UP ? err : -ECANCELED;
}

static void take_frame(struct link *l, const uint8_t *frame, size_t len)
{
	l->last_frame_us = clock_mono_us();
	switch (l->state) {
	case LINK_HELLO:
		take_hello(l, frame, len);
		break;
	case LINK_M3:
		take_m3(l, frame, len);
		break;
	case LINK_UP:
		if (recordlane_recv(&l->lane, frame, len, on_record, l) < 0 &&
			l->state == LINK_UP) {
			log_warning("%s sends what is not authentic, not well-formed or too much; "
				    "its link is closed",
				l->gate->is_token ? "a token's holder" : l->gate->name);
			links_close(l, false);
		}
		break;
	case LINK_DEAF:
	case LINK_CLOSING:
		break;
	}
}

static void on_alloc(uv_handle_t *handle, size_t, uv_buf_t *buf)
{
	struct link *l = handle->data;

	*buf = uv_buf_init((char *)l->server->chunk, sizeof(l->server->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct link *l = stream->data;
	const uint8_t *p = (const uint8_t *)buf->base, *frame;
	size_t left, len;
	int got = 0;

	if (l->state == LINK_CLOSING)
		return;
	if (n < 0) {
		links_close(l, false);
		return;
	}
	left = (size_t)n;
	while (l->state != LINK_DEAF && l->state != LINK_CLOSING &&
		(got = tcpframe_feed(&l->in, &p, &left, &frame, &len)) > 0)
		take_frame(l, frame, len);
	if (got >= 0 || l->state == LINK_CLOSING)
		return;
	if (l->state == LINK_UP)
		links_close(l, false);
	else
		l->state = LINK_DEAF;
}

// ---- accepting

// Make room for one more pending link: of this source, else one that never knocked, oldest first.
static bool make_room(struct link_server *ls, const struct link *newcomer)
{
	struct link *oldest_mine = NULL, *oldest_stranger = NULL;
	unsigned mine = 0;

	for (struct link *l = ls->first; l != NULL; l = l->next) {
		if (l == newcomer || !is_pending(l))
			continue;
		if (memcmp(&l->from.addr, &newcomer->from.addr, sizeof(l->from.addr)) == 0) {
			mine++;
			oldest_mine = l; // new ones come first in the list
		}
		if (!l->knocked)
			oldest_stranger = l;
	}
	if (mine >= LINKS_PER_SOURCE && !oldest_mine->knocked)
		links_close(oldest_mine, false);
	else if (mine >= LINKS_PER_SOURCE)
		return false;
	if (ls->count.pending < ls->hub->cfg->limits.pending)
		return true;
	if (oldest_stranger == NULL || !newcomer->knocked)
		return false;
	links_close(oldest_stranger, false);
	return true;
}

static void link_begin(struct link *l)
{
	struct link_server *ls = l->server;
	struct sockaddr_storage sa;
	int sa_len = sizeof(sa);
	bool room;

	ls->hub->counters.connections++;
	l->last_frame_us = clock_mono_us();
	if (uv_tcp_getpeername(&l->tcp, (struct sockaddr *)&sa, &sa_len) == 0)
		addr_from_sockaddr((struct sockaddr *)&sa, &l->from);
	l->knocked = knock_was_heard(ls->hub->knock, &l->from.addr);
	uv_timer_start(&l->timer, on_hello_over, LINKS_HELLO_S * 1000, 0);
	uv_tcp_nodelay(&l->tcp, 1);
	room = make_room(ls, l);
	ls->count.pending++;
	if (!room || uv_read_start((uv_stream_t *)&l->tcp, on_alloc, on_read) < 0)
		links_close(l, false);
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct listener *listener = stream->data;
	struct link_server *ls = listener->server;
	struct link *l;

	if (status < 0)
		return;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return;
	l->server = ls;
	uv_tcp_init(ls->hub->loop, &l->tcp);
	uv_timer_init(ls->hub->loop, &l->timer);
	l->tcp.data = l->timer.data = l;
	l->n_handles = 2;
	l->next = ls->first;
	ls->first = l;
	ls->n_all++;
	if (uv_accept(stream, (uv_stream_t *)&l->tcp) < 0) {
		ls->count.pending++;
		links_close(l, false);
		return;
	}
	link_begin(l);
}

static int open_listener(
	struct link_server *ls, const struct config_endpoint *ep, struct hub_error *ret_error)
{
	struct listener *listener = &ls->listeners[ls->n_listeners++];
	char text[CONFIG_ENDPOINT_TEXT];
	struct sockaddr_storage sa;
	int err;

	listener->server = ls;
	config_endpoint_sockaddr(ep, &sa);
	err = uv_tcp_init(ls->hub->loop, &listener->tcp);
	if (err < 0)
		return err;
	listener->tcp.data = listener;
	listener->open = true;
	err = uv_tcp_bind(
		&listener->tcp, (struct sockaddr *)&sa, ep->addr.family == 6 ? UV_TCP_IPV6ONLY : 0);
	if (err == 0)
		err = uv_listen((uv_stream_t *)&listener->tcp, BACKLOG, on_connection);
	if (err < 0)
		hub_error_set(ret_error, "Stop what uses it (ss -tlnp), or change hub.listen.",
			"TCP %s cannot be listened on: %s.", config_endpoint_format(ep, text),
			uv_strerror(err));
	return err;
}

int links_create(struct hub *h, struct link_server **ret_links, struct hub_error *ret_error)
{
	struct link_server *ls = calloc(1, sizeof(*ls));
	int err = 0;

	if (ls == NULL)
		return -ENOMEM;
	ls->hub = h;
	ls->identity = (struct hs_identity){
		.ctx = ls, .sign = identity_sign, .check_cert = identity_check};
	for (unsigned i = 0; i < h->cfg->n_listen && err == 0; i++)
		err = open_listener(ls, &h->cfg->listen[i], ret_error);
	if (err < 0) {
		links_destroy(ls);
		return err;
	}
	*ret_links = ls;
	return 0;
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct listener *listener = handle->data;

	listener->open = false;
	server_free_if_done(listener->server);
}

void links_destroy(struct link_server *ls)
{
	if (ls == NULL)
		return;
	ls->closing = true;
	for (struct link *l = ls->first; l != NULL; l = l->next) {
		links_close(l, false);
		if (!uv_is_closing((uv_handle_t *)&l->tcp)) // was still flushing
			on_flush_slow(&l->timer);
	}
	for (unsigned i = 0; i < ls->n_listeners; i++) {
		if (ls->listeners[i].open)
			uv_close((uv_handle_t *)&ls->listeners[i].tcp, on_listener_closed);
	}
	server_free_if_done(ls);
}
