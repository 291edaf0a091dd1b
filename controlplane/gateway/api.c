// SPDX-License-Identifier: BSD-3-Clause
//
// The methods of the local API; docs/operator.md lists them. Facts of peers and counters:
// api_facts.c.
#include "controlplane/gateway/api.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controlplane/common/clock.h"
#include "config/log.h"
#include "version.h"
#include "wire/name.h"

static const char *hub_state(const struct control *c)
{
	if (c->hub == NULL)
		return "not-enrolled";
	switch (hublink_get_state(c->hub)) {
	case HUBLINK_UP:
		return "connected";
	case HUBLINK_CONNECTING:
		return "connecting";
	default:
		return hublink_reason(c->hub)[0] != '\0' ? "unreachable" : "connecting";
	}
}

static json_t *status_hub(struct control *c)
{
	char text[CONFIG_ENDPOINT_TEXT];
	json_t *hub = json_object();
	uint64_t now = clock_mono_us();

	json_object_set_new(hub, "name", json_string(c->enrolment.hub_name));
	json_object_set_new(hub, "state", json_string(hub_state(c)));
	if (c->hub != NULL)
		json_object_set_new(
			hub, "since_s", json_real((now - hublink_since_us(c->hub)) / 1e6));
	if (c->hub != NULL && hublink_reason(c->hub)[0] != '\0')
		json_object_set_new(hub, "last_error", json_string(hublink_reason(c->hub)));
	if (c->reflexive[0].known)
		json_object_set_new(hub, "observed_addr",
			json_string(config_endpoint_format(&c->reflexive[0].at, text)));
	if (c->reflexive[0].known && c->reflexive[1].known)
		json_object_set_new(hub, "nat",
			json_string(endpoint_equal(&c->reflexive[0].at, &c->reflexive[1].at)
					    ? "same mapping for every destination"
					    : "mapping depends on the destination"));
	return hub;
}

static json_t *status_dataplane(struct control *c)
{
	const struct link_hello *hello = dplink_hello(c->dplink);

	if (hello == NULL)
		return json_pack("{s:s}", "state", "absent");
	return json_pack("{s:s, s:i, s:s, s:b, s:b, s:f}", "state", "running", "workers",
		(int)hello->n_workers, "polling", hello->adaptive ? "adaptive" : "busy",
		"hugepages", (int)hello->hugepages, "cipher_hw", (int)hello->aes_hw, "since_s",
		(clock_mono_us() - c->dp_since_us) / 1e6);
}

static json_t *status_certificate(struct control *c)
{
	json_t *cert = json_object();
	char hex[2 * X509_SERIAL_BYTES_MAX + 1] = "";

	if (c->identity_note[0] != '\0')
		json_object_set_new(cert, "error", json_string(c->identity_note));
	if (!c->enrolled)
		return cert;
	for (unsigned i = 0; i < c->cert.serial_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", c->cert.serial[i]);
	json_object_set_new(cert, "not_after", json_integer(c->cert.not_after));
	json_object_set_new(cert, "not_before", json_integer(c->cert.not_before));
	json_object_set_new(cert, "serial", json_string(hex));
	return cert;
}

static json_t *status(struct control *c)
{
	unsigned n[4] = {0};

	for (uint32_t i = 0; i < c->n_slots; i++) {
		if (c->peers[i] != NULL)
			n[c->peers[i]->sm.state]++;
	}
	return json_pack("{s:s, s:s, s:s, s:f, s:o, s:o, s:o, s:o, s:o, s:{s:i, s:i, s:i}, s:I}",
		"name", c->config->name, "network", c->config->network, "version", POSTERN_VERSION,
		"uptime_s", (clock_mono_us() - c->started_us) / 1e6, "hub", status_hub(c),
		"dataplane", status_dataplane(c), "certificate", status_certificate(c), "ports",
		api_ports(c), "loops", api_loops(c), "peers", "up", n[PEER_UP], "connecting",
		n[PEER_CONNECTING], "idle", n[PEER_IDLE], "revocation_list", (json_int_t)c->env.rl);
}

static json_t *list_peers(struct control *c)
{
	json_t *rows = json_array();

	for (uint32_t i = 0; i < c->n_slots; i++) {
		if (c->peers[i] != NULL && (c->peers[i]->wanted || c->peers[i]->configured))
			json_array_append_new(rows, api_peer(c, c->peers[i]));
	}
	return rows;
}

static const char *intent_state(const struct control *c, const struct gw_peer *gp)
{
	if (!gp->intent.made)
		return control_can_authenticate(c) ? "waiting for the data-plane" : "not enrolled";
	if (gp->intent.consumed)
		return "matched";
	return c->hub != NULL && hublink_get_state(c->hub) == HUBLINK_UP ? "published"
									 : "waiting for the hub";
}

static json_t *list_intents(struct control *c)
{
	json_t *rows = json_array();

	for (uint32_t i = 0; i < c->n_slots; i++) {
		struct gw_peer *gp = c->peers[i];

		if (gp == NULL || !gp->wanted)
			continue;
		json_array_append_new(
			rows, json_pack("{s:s, s:o, s:s, s:s, s:I}", "peer", gp->sm.name,
				      "segments", api_segments(c, gp->segments), "source",
				      gp->runtime ? "added" : "configuration", "state",
				      intent_state(c, gp), "not_after",
				      (json_int_t)gp->intent.not_after_s));
	}
	return rows;
}

// The peer that a request names, or NULL with the error set.
static struct gw_peer *param_peer(struct control *c, json_t *params, struct rpc_error *error)
{
	const char *name = json_string_value(json_object_get(params, "peer"));
	struct gw_peer *gp = name != NULL ? peers_find(c, name) : NULL;

	if (name == NULL)
		rpc_error_set(error, "bad-request", NULL, "The request does not name a peer.");
	else if (gp == NULL)
		rpc_error_set(error, "no-such-peer", "postern peers lists them all.",
			"There is no peer \"%s\".", name);
	return gp;
}

static int param_segments(struct control *c, json_t *params,
	uint8_t segments[CONTROL_SEGMENT_BYTES], struct rpc_error *error)
{
	json_t *list = json_object_get(params, "segments"), *v;
	size_t i;

	memset(segments, 0, CONTROL_SEGMENT_BYTES);
	json_array_foreach (list, i, v) {
		const char *name = json_string_value(v);
		const struct config_segment *s =
			name != NULL ? config_segment_by_name(&c->config->dataplane, name) : NULL;

		if (s == NULL) {
			rpc_error_set(error, "no-such-segment",
				"Segments are listed in the configuration under segments:.",
				"There is no segment \"%s\".", name != NULL ? name : "?");
			return -ENOENT;
		}
		segments[s->id / 8] |= 1 << s->id % 8;
	}
	return (int)json_array_size(list);
}

// The authority issues certificates for such names only.
static bool in_network(const struct control *c, const char *name)
{
	size_t n = strlen(name), m = strlen(c->config->network);

	return n > m + 1 && name[n - m - 1] == '.' && strcmp(name + n - m, c->config->network) == 0;
}

static json_t *add_intent(struct control *c, json_t *params, struct rpc_error *error)
{
	const char *name = json_string_value(json_object_get(params, "peer"));
	uint8_t segments[CONTROL_SEGMENT_BYTES];
	struct gw_peer *gp;
	int n, err;

	if (name == NULL || !name_valid(name, strlen(name))) {
		rpc_error_set(error, "bad-name", NULL, "\"%s\" is not a gateway's name.",
			name != NULL ? name : "");
		return NULL;
	}
	if (!in_network(c, name)) {
		rpc_error_set(error, "bad-name", "Names of gateways end with that of the network.",
			"\"%s\" is not in network %s; is \"%s.%s\" meant?", name,
			c->config->network, name, c->config->network);
		return NULL;
	}
	if (strcmp(name, c->config->name) == 0) {
		rpc_error_set(error, "bad-name", "Name another gateway.",
			"\"%s\" is this gateway itself.", name);
		return NULL;
	}
	n = param_segments(c, params, segments, error);
	if (n < 0)
		return NULL;
	gp = peers_find(c, name);
	if (n == 0 && (gp == NULL || !gp->configured)) {
		rpc_error_set(error, "no-segment", "postern intents add PEER --segment SEGMENT",
			"\"%s\" is not in the configuration, so its segments must be named.", name);
		return NULL;
	}
	err = peers_want(c, name, n > 0 ? segments : NULL, &gp);
	if (err < 0) {
		rpc_error_set(error, err == -ENOSPC ? "too-many-peers" : "not-saved",
			err == -ENOSPC ? "Raise dataplane.max_peers and restart." : NULL,
			"The intent could not be kept: %s.", strerror(-err));
		return NULL;
	}
	hubclient_publish(c, gp);
	log_notice("peer %s: intent added", name);
	return json_pack("{s:s, s:s}", "peer", name, "state", intent_state(c, gp));
}

static json_t *remove_intent(struct control *c, json_t *params, struct rpc_error *error)
{
	struct gw_peer *gp = param_peer(c, params, error);
	json_t *result;

	if (gp == NULL)
		return NULL;
	if (!gp->wanted) {
		rpc_error_set(error, "no-intent", "postern intents list shows what there is.",
			"There is no intent for \"%s\".", gp->sm.name);
		return NULL;
	}
	result = json_pack("{s:s, s:b}", "peer", gp->sm.name, "configured", (int)gp->configured);
	peers_unwant(c, gp, PKT_CLOSE_WITHDRAWN);
	return result;
}

static json_t *rekey(struct control *c, json_t *params, struct rpc_error *error)
{
	struct gw_peer *gp = param_peer(c, params, error);
	struct peer_now now = control_now();

	if (gp == NULL)
		return NULL;
	if (peer_rekey(&gp->sm, &now) < 0) {
		rpc_error_set(error, "not-connected", "postern peers shows why.",
			"\"%s\" is not connected, so there are no keys to renew.", gp->sm.name);
		return NULL;
	}
	peers_rearm(gp);
	return json_pack(
		"{s:s, s:I}", "peer", gp->sm.name, "handshakes", (json_int_t)gp->sm.n_handshakes);
}

static json_t *reload(struct control *c, struct rpc_error *error)
{
	json_t *report = json_object();
	struct config_error err;

	if (control_reload(c, &err, report) == 0)
		return report;
	json_decref(report);
	rpc_error_set(error, "bad-config", err.hint[0] != '\0' ? err.hint : NULL,
		"%s:%u:%u: %s. The old configuration stays.", err.file, err.line, err.column,
		err.message);
	return NULL;
}

json_t *api_handle(void *ctx, const char *method, json_t *params, struct rpc_error *error)
{
	struct control *c = ctx;

	if (strcmp(method, "status") == 0)
		return status(c);
	if (strcmp(method, "peers") == 0)
		return list_peers(c);
	if (strcmp(method, "intents.list") == 0)
		return list_intents(c);
	if (strcmp(method, "intents.add") == 0)
		return add_intent(c, params, error);
	if (strcmp(method, "intents.remove") == 0)
		return remove_intent(c, params, error);
	if (strcmp(method, "fdb") == 0)
		return api_fdb(c, params, error);
	if (strcmp(method, "stats") == 0)
		return api_stats(c, error);
	if (strcmp(method, "rekey") == 0)
		return rekey(c, params, error);
	if (strcmp(method, "reload") == 0)
		return reload(c, error);
	if (strcmp(method, "version") == 0)
		return json_pack("{s:s, s:i}", "version", POSTERN_VERSION, "layout", SHM_VERSION);
	rpc_error_set(error, "no-such-method", "Are postern and postern-control of one version?",
		"This gateway has no method \"%s\".", method);
	return NULL;
}

int api_start(struct control *c)
{
	char path[CONFIG_RUN_DIR_MAX + 32];
	int err;

	snprintf(path, sizeof(path), "%s/control.sock", c->config->dataplane.run_dir);
	err = rpc_server_create(&c->loop, path, api_handle, c, &c->rpc);
	if (err == -EADDRINUSE)
		log_error("another postern-control is running for this gateway (%s answers)", path);
	else if (err < 0)
		log_error("%s: %s", path, strerror(-err));
	return err;
}
