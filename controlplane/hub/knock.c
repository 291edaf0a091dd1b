// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/hub/knock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/common/clock.h"
#include "config/log.h"
#include "controlplane/hub/addr.h"
#include "controlplane/hub/links.h"
#include "wire/packet.h"
#include "wire/record.h"

#define PORTS_PER_ADDRESS 2
#define HEARD_MAX         256
#define TOKEN_TS_US       (600 * CLOCK_US_PER_S)
#define KNOCKS_PER_S      20
#define KNOCKS_BURST      100
#define RECEIVE_BYTES     2048 // more than any PUNCH: a longer datagram shows as such

struct port {
	struct knock *knock;
	uv_udp_t udp;
	uint8_t idx; // 0 the main port, 1 the second one
	bool open;
};

// Who knocked lately; for tokens also with which PUNCH, so that a copy from elsewhere is no knock.
struct heard {
	struct config_addr from;
	uint8_t mac[PKT_MAC_LEN];
	uint64_t at_us;
};

struct knock {
	struct hub *hub;
	unsigned n_ports;
	unsigned n_closing;
	struct heard heard[HEARD_MAX];
	unsigned next;
	uint8_t buf[RECEIVE_BYTES];
	struct port ports[CONFIG_HUB_LISTEN_MAX * PORTS_PER_ADDRESS];
};

bool knock_was_heard(const struct knock *k, const struct config_addr *from)
{
	uint64_t now = clock_mono_us();

	for (unsigned i = 0; i < HEARD_MAX; i++) {
		const struct heard *h = &k->heard[i];

		if (h->at_us != 0 && now - h->at_us < SILENCE_OPEN_S * CLOCK_US_PER_S &&
			memcmp(&h->from, from, sizeof(*from)) == 0)
			return true;
	}
	return false;
}

static void remember(struct knock *k, const struct pkt_punch *p, const struct config_addr *from)
{
	struct heard *h = &k->heard[k->next];

	h->from = *from;
	memcpy(h->mac, p->mac, sizeof(h->mac));
	h->at_us = clock_mono_us();
	k->next = (k->next + 1) % HEARD_MAX;
}

// A token is in several hands, so its PUNCHes share no order: ten minutes, and one source each.
static bool token_ts_ok(const struct knock *k, const struct pkt_punch *p,
	const struct config_addr *from, uint64_t now_us)
{
	uint64_t ts = p->hs.ts;

	if (ts + TOKEN_TS_US < now_us || ts > now_us + TOKEN_TS_US)
		return false;
	for (unsigned i = 0; i < HEARD_MAX; i++) {
		const struct heard *h = &k->heard[i];

		if (h->at_us != 0 && memcmp(h->mac, p->mac, sizeof(h->mac)) == 0 &&
			memcmp(&h->from, from, sizeof(*from)) != 0)
			return false;
	}
	return true;
}

// A gateway's ts only rises; copies of one PUNCH may come from the source that it came from first.
static bool gateway_ts_ok(struct gate *g, const struct pkt_punch *p, const struct config_addr *from)
{
	uint64_t ts = p->hs.ts;

	if (ts > INT64_MAX || ts < g->punch_ts)
		return false;
	if (ts == g->punch_ts)
		return memcmp(&g->punch_from, from, sizeof(*from)) == 0;
	g->punch_ts = ts;
	g->punch_from = *from;
	g->punch_dirty = true;
	return true;
}

static void tell_address(struct hub *h, struct gate *g, const struct pkt_punch *p,
	const struct config_endpoint *from, uint8_t port_idx)
{
	struct record r = {
		.type = RECORD_OBSERVED_ADDR,
		.observed =
			{
				.punch_ts = p->hs.ts,
				.family = from->addr.family,
				.hub_port = port_idx,
				.port = from->port,
				.addr = from->addr.bytes,
			},
	};

	links_send(h->links, g->link, &r);
}

static void take(
	struct port *port, const uint8_t *bytes, size_t len, const struct config_endpoint *from)
{
	struct knock *k = port->knock;
	struct hub *h = k->hub;
	const struct pkt_punch *p = (const struct pkt_punch *)bytes;
	struct gate *g;

	h->counters.datagrams++;
	if (len != PKT_PUNCH_LEN || bytes[0] != PKT_TYPE_PUNCH)
		return;
	g = gates_find(&h->gates, bytes, len, clock_unix_s());
	// A replay is dropped before it costs a token, or one recorded PUNCH would drown fresh
	// ones.
	if (g == NULL ||
		!(g->is_token ? token_ts_ok(k, p, &from->addr, clock_unix_us())
			      : gateway_ts_ok(g, p, &from->addr)) ||
		!bucket_take(&g->knocks, KNOCKS_PER_S, KNOCKS_BURST, clock_mono_us()))
		return;
	h->counters.knocks++;
	remember(k, p, &from->addr);
	if (g->link != NULL)
		tell_address(h, g, p, from, port->idx);
	if (h->silence != NULL && silence_open(h->silence, &from->addr) < 0)
		log_warning("nft refuses to open the TCP port to a gateway that knocked");
}

static void on_alloc(uv_handle_t *handle, size_t, uv_buf_t *buf)
{
	struct port *port = handle->data;

	*buf = uv_buf_init((char *)port->knock->buf, sizeof(port->knock->buf));
}

static void on_datagram(
	uv_udp_t *udp, ssize_t n, const uv_buf_t *buf, const struct sockaddr *sa, unsigned)
{
	struct config_endpoint from;

	// Errors (an ICMP for a datagram we never sent cannot be) and empty datagrams say nothing.
	if (n <= 0 || sa == NULL || addr_from_sockaddr(sa, &from) < 0)
		return;
	take(udp->data, (const uint8_t *)buf->base, (size_t)n, &from);
}

void knock_flush(struct hub *h)
{
	// One transaction, and so one write to disk, for all of them.
	if (store_begin(h->store) < 0)
		return;
	for (struct gate *g = h->gates.first; g != NULL; g = g->next) {
		if (g->punch_dirty && store_set_punch_ts(h->store, g->gateway, g->punch_ts) == 0)
			g->punch_dirty = false;
	}
	if (store_commit(h->store) < 0)
		log_error("the store fails: %s", store_error(h->store));
}

// ---- life

static int open_port(
	struct knock *k, const struct config_endpoint *ep, uint8_t idx, struct hub_error *ret_error)
{
	struct port *port = &k->ports[k->n_ports++];
	char text[CONFIG_ENDPOINT_TEXT];
	struct sockaddr_storage sa;
	int err;

	port->knock = k;
	port->idx = idx;
	config_endpoint_sockaddr(ep, &sa);
	err = uv_udp_init(k->hub->loop, &port->udp);
	if (err < 0)
		return err;
	port->udp.data = port;
	port->open = true;
	err = uv_udp_bind(
		&port->udp, (struct sockaddr *)&sa, ep->addr.family == 6 ? UV_UDP_IPV6ONLY : 0);
	if (err == 0)
		err = uv_udp_recv_start(&port->udp, on_alloc, on_datagram);
	if (err < 0)
		hub_error_set(ret_error,
			"Stop what uses it (ss -ulpn), or change hub.listen or hub.udp2_port.",
			"UDP %s cannot be listened on: %s.", config_endpoint_format(ep, text),
			uv_strerror(err));
	return err;
}

int knock_create(struct hub *h, struct knock **ret_knock, struct hub_error *ret_error)
{
	struct knock *k = calloc(1, sizeof(*k));
	int err = 0;

	if (k == NULL)
		return -ENOMEM;
	k->hub = h;
	for (unsigned i = 0; i < h->cfg->n_listen && err == 0; i++) {
		struct config_endpoint ep = h->cfg->listen[i];

		err = open_port(k, &ep, 0, ret_error);
		ep.port = h->cfg->udp2_port;
		if (err == 0 && ep.port != 0)
			err = open_port(k, &ep, 1, ret_error);
	}
	if (err < 0) {
		knock_destroy(k);
		return err;
	}
	*ret_knock = k;
	return 0;
}

static void on_port_closed(uv_handle_t *handle)
{
	struct port *port = handle->data;
	struct knock *k = port->knock;

	if (--k->n_closing == 0)
		free(k);
}

void knock_destroy(struct knock *k)
{
	unsigned n_open = 0;

	if (k == NULL)
		return;
	for (unsigned i = 0; i < k->n_ports; i++)
		n_open += k->ports[i].open;
	k->n_closing = n_open;
	for (unsigned i = 0; i < k->n_ports; i++) {
		if (k->ports[i].open)
			uv_close((uv_handle_t *)&k->ports[i].udp, on_port_closed);
	}
	if (n_open == 0)
		free(k);
}
