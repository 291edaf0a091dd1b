// SPDX-License-Identifier: BSD-3-Clause
//
// Rows of the API: peers with their paths and timings, ports, counters, the forwarding table.
#include "controlplane/gateway/api.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/common/clock.h"
#include "wire/drop.h"

#define FDB_ROWS_MAX (1u << 20)

// The data-plane may write while we read: every counter is read once.
#define READ(field) (*(const volatile uint64_t *)&(field))

json_t *api_segments(const struct control *c, const uint8_t segments[CONTROL_SEGMENT_BYTES])
{
	json_t *list = json_array();

	for (unsigned i = 0; i < c->config->dataplane.n_segments; i++) {
		const struct config_segment *s = &c->config->dataplane.segments[i];

		if (segments[s->id / 8] & (1 << s->id % 8))
			json_array_append_new(list, json_string(s->name));
	}
	return list;
}

// What a port became: a WAN interface that refuses AF_XDP is served by a socket.
static enum config_port_kind kind_of(
	const struct link_hello *hello, unsigned i, const struct config_port *port)
{
	if (hello != NULL && i < hello->n_ports && hello->port[i].kind == LINK_KIND_UDP)
		return CONFIG_KIND_UDP;
	return port->kind;
}

json_t *api_ports(struct control *c)
{
	const struct link_hello *hello = dplink_hello(c->dplink);
	json_t *rows = json_array();

	for (unsigned i = 0; i < c->config->dataplane.n_ports; i++) {
		const struct config_port *port = &c->config->dataplane.ports[i];
		const char *interface = port->interface != NULL ? port->interface : "";
		struct netlink_link link = {0};
		json_t *row = json_pack("{s:s, s:s, s:s, s:i}", "name", port->name, "role",
			config_port_role_name(port->role), "kind",
			config_port_kind_name(kind_of(hello, i, port)), "mtu", (int)port->mtu);

		if (interface[0] != '\0')
			json_object_set_new(row, "interface", json_string(interface));
		if (port->device != NULL)
			json_object_set_new(row, "device", json_string(port->device));
		if (interface[0] != '\0' && netlink_link_get(c->netlink, interface, &link) == 0)
			json_object_set_new(row, "link_up", json_boolean(link.up));
		json_object_set_new(row, "state", json_string(hello != NULL ? "open" : "closed"));
		if (port->role == CONFIG_ROLE_WAN) {
			struct config_addr addr;
			struct config_endpoint at = {.port = port->overlay_port};
			char text[CONFIG_ENDPOINT_TEXT];

			if (link.ifindex != 0 &&
				netlink_addrs_get(c->netlink, link.ifindex, &addr, 1) == 1) {
				at.addr = addr;
				json_object_set_new(row, "address",
					json_string(config_endpoint_format(&at, text)));
			}
		}
		json_array_append_new(rows, row);
	}
	return rows;
}

static void add_counters(json_t *row, const struct control *c, uint32_t slot)
{
	const struct link_hello *hello = dplink_hello(c->dplink);
	struct stats_session sum = {0};

	for (unsigned w = 0; hello != NULL && w < hello->n_workers; w++) {
		const struct stats_session *s = dplink_stats_session(c->dplink, w, slot);

		if (s == NULL)
			continue;
		sum.rx_frames += READ(s->rx_frames);
		sum.rx_bytes += READ(s->rx_bytes);
		sum.rx_packets += READ(s->rx_packets);
		sum.tx_frames += READ(s->tx_frames);
		sum.tx_bytes += READ(s->tx_bytes);
		sum.tx_packets += READ(s->tx_packets);
		sum.drops += READ(s->drops);
		sum.forgeries += READ(s->forgeries);
	}
	json_object_set_new(row, "rx_frames", json_integer(sum.rx_frames));
	json_object_set_new(row, "rx_bytes", json_integer(sum.rx_bytes));
	json_object_set_new(row, "rx_packets", json_integer(sum.rx_packets));
	json_object_set_new(row, "tx_frames", json_integer(sum.tx_frames));
	json_object_set_new(row, "tx_bytes", json_integer(sum.tx_bytes));
	json_object_set_new(row, "tx_packets", json_integer(sum.tx_packets));
	json_object_set_new(row, "drops", json_integer(sum.drops));
	json_object_set_new(row, "forgeries", json_integer(sum.forgeries));
}

static void add_span(json_t *row, const char *key, uint64_t from_us, uint64_t to_us)
{
	if (from_us != 0 && to_us >= from_us)
		json_object_set_new(row, key, json_real((to_us - from_us) / 1e3));
}

static json_t *timings(const struct peer_times *t)
{
	json_t *row = json_object();

	add_span(row, "intent_to_match_ms", t->wanted_us, t->matched_us);
	add_span(row, "match_to_first_m1_ms", t->matched_us, t->first_m1_us);
	add_span(row, "match_to_up_ms", t->matched_us, t->up_us);
	add_span(row, "intent_to_up_ms", t->wanted_us, t->up_us);
	add_span(row, "match_to_first_frame_ms", t->matched_us, t->first_frame_us);
	add_span(row, "intent_to_first_frame_ms", t->wanted_us, t->first_frame_us);
	if (t->handshake_us != 0)
		json_object_set_new(row, "handshake_ms", json_real(t->handshake_us / 1e3));
	return row;
}

static json_t *path(struct control *c, struct gw_peer *gp)
{
	struct config_endpoint local = {0};
	char text[CONFIG_ENDPOINT_TEXT];
	struct path_desc desc;
	json_t *row = json_object();

	json_object_set_new(row, "remote", json_string(config_endpoint_format(&gp->sm.path, text)));
	json_object_set_new(
		row, "family", json_string(gp->sm.path.addr.family == 6 ? "ipv6" : "ipv4"));
	json_object_set_new(row, "mtu", json_integer(gp->sm.path_mtu));
	if (gp->sm.path_suspect)
		json_object_set_new(row, "silent", json_true());
	if (paths_resolve(c, &gp->sm.path, &desc) < 0)
		return row;
	local.port = ntohs(desc.be_sport);
	local.addr.family = desc.family;
	memcpy(local.addr.bytes, desc.src_ip, 16);
	json_object_set_new(row, "local", json_string(config_endpoint_format(&local, text)));
	return row;
}

// What the CLI shows: a pair key without a first M1 is "introduced".
static const char *state_name(const struct peer *p)
{
	if (p->state == PEER_CONNECTING && p->times.first_m1_us == 0)
		return "introduced";
	return peer_state_name(p->state);
}

json_t *api_peer(struct control *c, struct gw_peer *gp)
{
	struct peer *p = &gp->sm;
	uint64_t now = clock_mono_us();
	struct epoch *e = keyring_current(&p->keys);
	json_t *row =
		json_pack("{s:s, s:s, s:s, s:b, s:o, s:o}", "name", p->name, "state", state_name(p),
			"role", p->is_client ? "client" : "server", "wanted", (int)gp->wanted,
			"segments", api_segments(c, gp->segments), "timings", timings(&p->times));

	if (p->times.state_us != 0)
		json_object_set_new(row, "since_s", json_real((now - p->times.state_us) / 1e6));
	if (p->has_path)
		json_object_set_new(row, "path", path(c, gp));
	if (e != NULL) {
		if (e->cipher != 0)
			json_object_set_new(row, "cipher",
				json_string(config_cipher_name((enum config_cipher)e->cipher)));
		json_object_set_new(row, "epoch_age_s", json_real((now - e->born_us) / 1e6));
		json_object_set_new(row, "key_id", json_integer(e->rx_key_id));
		json_object_set_new(row, "lanes", json_integer(pkt_caps_lanes(p->peer_caps)));
		json_object_set_new(
			row, "super_frames", json_boolean((p->peer_caps & PKT_CAP_SUPER) != 0));
	}
	json_object_set_new(row, "handshakes", json_integer(p->n_handshakes));
	json_object_set_new(row, "last_error", json_string(p->last_error));
	add_counters(row, c, gp->slot);
	return row;
}

// ------------------------------------------------------------------ stats

static json_t *stats_ports(struct control *c, const struct link_hello *hello)
{
	json_t *rows = json_object();

	for (unsigned i = 0; i < hello->n_ports; i++) {
		struct stats_port sum = {0};

		for (unsigned w = 0; w < hello->n_workers; w++) {
			const struct stats_port *p = &dplink_stats_worker(c->dplink, w)->port[i];

			sum.rx_frames += READ(p->rx_frames);
			sum.rx_bytes += READ(p->rx_bytes);
			sum.tx_frames += READ(p->tx_frames);
			sum.tx_bytes += READ(p->tx_bytes);
			sum.tx_dropped += READ(p->tx_dropped);
			sum.rx_missed += READ(p->rx_missed);
		}
		json_object_set_new(rows, hello->port[i].name,
			json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "rx_frames",
				(json_int_t)sum.rx_frames, "rx_bytes", (json_int_t)sum.rx_bytes,
				"tx_frames", (json_int_t)sum.tx_frames, "tx_bytes",
				(json_int_t)sum.tx_bytes, "tx_dropped", (json_int_t)sum.tx_dropped,
				"rx_missed", (json_int_t)sum.rx_missed));
	}
	return rows;
}

static json_t *stats_workers(struct control *c, const struct link_hello *hello)
{
	json_t *rows = json_array();

	for (unsigned w = 0; w < hello->n_workers; w++) {
		const struct stats_worker *s = dplink_stats_worker(c->dplink, w);

		json_array_append_new(rows, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "rounds",
						    (json_int_t)READ(s->rounds), "idle_rounds",
						    (json_int_t)READ(s->idle_rounds), "sleeps",
						    (json_int_t)READ(s->sleeps), "handed_off",
						    (json_int_t)READ(s->handed_off), "punted",
						    (json_int_t)READ(s->punted), "injected",
						    (json_int_t)READ(s->injected)));
	}
	return rows;
}

json_t *api_loops(struct control *c)
{
	const struct link_hello *hello = dplink_hello(c->dplink);
	json_t *names = json_array();

	for (unsigned i = 0; hello != NULL && i < c->config->dataplane.n_segments; i++) {
		const struct config_segment *seg = &c->config->dataplane.segments[i];

		for (unsigned w = 0; w < hello->n_workers; w++) {
			if (READ(dplink_stats_worker(c->dplink, w)->segment[seg->id].cut) == 0)
				continue;
			json_array_append_new(names, json_string(seg->name));
			break;
		}
	}
	return names;
}

static json_t *stats_segments(struct control *c, const struct link_hello *hello)
{
	json_t *rows = json_object();

	for (unsigned i = 0; i < c->config->dataplane.n_segments; i++) {
		const struct config_segment *seg = &c->config->dataplane.segments[i];
		struct stats_segment sum = {0};

		for (unsigned w = 0; w < hello->n_workers; w++) {
			const struct stats_segment *s =
				&dplink_stats_worker(c->dplink, w)->segment[seg->id];

			sum.lan_frames += READ(s->lan_frames);
			sum.peer_frames += READ(s->peer_frames);
			sum.flooded += READ(s->flooded);
			sum.storm_drops += READ(s->storm_drops);
			sum.cut += READ(s->cut);
		}
		json_object_set_new(rows, seg->name,
			json_pack("{s:I, s:I, s:I, s:I, s:I}", "lan_frames",
				(json_int_t)sum.lan_frames, "peer_frames",
				(json_int_t)sum.peer_frames, "flooded", (json_int_t)sum.flooded,
				"storm_drops", (json_int_t)sum.storm_drops, "cut_for_loops",
				(json_int_t)sum.cut));
	}
	return rows;
}

static json_t *stats_drops(struct control *c, const struct link_hello *hello)
{
#define DROP_LABEL(name, label, help) label,
	static const char *const labels[] = {DROP_LIST(DROP_LABEL)};
#undef DROP_LABEL
	json_t *rows = json_object();

	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]) && i < STATS_DROPS; i++) {
		uint64_t sum = 0;

		for (unsigned w = 0; w < hello->n_workers; w++)
			sum += READ(dplink_stats_worker(c->dplink, w)->drops[i]);
		json_object_set_new(rows, labels[i], json_integer(sum));
	}
	return rows;
}

static json_t *stats_mbufs(struct control *c)
{
	const struct stats_head *head = dplink_stats_head(c->dplink);

	return json_pack("{s:I, s:I}", "total",
		(json_int_t) * (const volatile uint32_t *)&head->n_mbufs, "free",
		(json_int_t)READ(head->mbufs_free));
}

static bool no_dataplane(const struct control *c, struct rpc_error *error)
{
	if (dplink_ready(c->dplink) && dplink_stats_head(c->dplink) != NULL)
		return false;
	rpc_error_set(error, "no-data-plane",
		"Start postern-dataplane, or see why it does not start: "
		"journalctl -u postern-dataplane",
		"The data-plane is not running.");
	return true;
}

json_t *api_stats(struct control *c, struct rpc_error *error)
{
	const struct link_hello *hello = dplink_hello(c->dplink);
	json_t *peers;

	if (no_dataplane(c, error))
		return NULL;
	peers = json_object();
	for (uint32_t i = 0; i < c->n_slots; i++) {
		json_t *row;

		if (c->peers[i] == NULL || !c->peers[i]->wanted)
			continue;
		row = json_object();
		add_counters(row, c, i);
		json_object_set_new(peers, c->peers[i]->sm.name, row);
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "ports", stats_ports(c, hello), "peers",
		peers, "workers", stats_workers(c, hello), "segments", stats_segments(c, hello),
		"mbufs", stats_mbufs(c), "drops", stats_drops(c, hello));
}

// ------------------------------------------------------------------ forwarding table

struct fdb_call {
	struct control *control;
	struct rpc_call *call;
	json_t *rows;
	int segment; // -1: all
};

static json_t *fdb_row(struct control *c, const struct link_fdb_entry *e)
{
	const struct config_segment *s = config_segment_by_id(&c->config->dataplane, e->segment);
	const struct link_hello *hello = dplink_hello(c->dplink);
	const struct gw_peer *gp = peers_at(c, e->idx);
	char mac[18], where[NAME_MAX_LEN + 8], number[8];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", e->mac[0], e->mac[1], e->mac[2],
		e->mac[3], e->mac[4], e->mac[5]);
	snprintf(number, sizeof(number), "%u", e->segment);
	if (e->where == LINK_FDB_PORT)
		snprintf(where, sizeof(where), "port %s", hello->port[e->idx].name);
	else
		snprintf(where, sizeof(where), "peer %s", gp != NULL ? gp->sm.name : "?");
	return json_pack("{s:s, s:s, s:i, s:s, s:I, s:b}", "segment", s != NULL ? s->name : number,
		"mac", mac, "vlan", (int)e->vlan, "where", where, "age_s", (json_int_t)e->age_s,
		"static", (int)e->is_static);
}

static void on_fdb(void *ctx, int status, const struct link_fdb *fdb)
{
	struct fdb_call *call = ctx;
	struct control *c = call->control;
	struct rpc_error error = {0};

	for (uint32_t i = 0; status == 0 && i < fdb->n; i++) {
		if (call->segment < 0 || fdb->entry[i].segment == call->segment)
			json_array_append_new(call->rows, fdb_row(c, &fdb->entry[i]));
	}
	// A table has an end, whatever the data-plane says.
	if (status == 0 && json_array_size(call->rows) > FDB_ROWS_MAX)
		status = -EPROTO;
	if (status == 0 && fdb->next_cursor != 0) {
		status = dplink_fdb_get(c->dplink, fdb->next_cursor, on_fdb, call);
		if (status == 0)
			return;
	}
	if (status == 0) {
		rpc_reply(call->call, call->rows);
	} else {
		rpc_error_set(&error, "no-data-plane", NULL, "The data-plane did not answer: %s.",
			strerror(-status));
		rpc_fail(call->call, &error);
		json_decref(call->rows);
	}
	free(call);
}

json_t *api_fdb(struct control *c, json_t *params, struct rpc_error *error)
{
	const char *name = json_string_value(json_object_get(params, "segment"));
	const struct config_segment *s =
		name != NULL ? config_segment_by_name(&c->config->dataplane, name) : NULL;
	struct fdb_call *call;
	int err;

	if (name != NULL && s == NULL) {
		rpc_error_set(error, "no-such-segment",
			"Segments are listed in the configuration under segments:.",
			"There is no segment \"%s\".", name);
		return NULL;
	}
	if (no_dataplane(c, error))
		return NULL;
	call = calloc(1, sizeof(*call));
	if (call == NULL)
		return NULL;
	call->control = c;
	call->segment = s != NULL ? s->id : -1;
	call->rows = json_array();
	err = dplink_fdb_get(c->dplink, 0, on_fdb, call);
	if (err == 0) {
		call->call = rpc_defer(c->rpc);
		return NULL;
	}
	json_decref(call->rows);
	free(call);
	rpc_error_set(
		error, "no-data-plane", NULL, "The data-plane did not answer: %s.", strerror(-err));
	return NULL;
}
