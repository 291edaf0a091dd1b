// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/hub/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <sodium.h>

#include "controlplane/common/clock.h"
#include "config/log.h"
#include "controlplane/common/token.h"
#include "controlplane/hub/links.h"
#include "version.h"

#define TOKEN_SECONDS_MAX (366u * 86400u)
#define TOKEN_USES_MAX    100000

static json_t *store_failed(struct hub *h, struct rpc_error *error)
{
	log_error("the store fails: %s", store_error(h->store));
	rpc_error_set(error, "store", "Look at the disk and the hub's log.",
		"The store failed: %s.", store_error(h->store));
	return NULL;
}

static void hex(json_t *o, const char *key, const uint8_t *p, size_t len)
{
	char text[2 * 64 + 1];

	if (len > 64)
		return;
	sodium_bin2hex(text, sizeof(text), p, len);
	json_object_set_new(o, key, json_string(text));
}

// ---- status

static int count_token(void *ctx, const struct store_token *)
{
	unsigned *n = ctx;

	++*n;
	return 0;
}

static json_t *endpoints(const struct config_endpoint *eps, unsigned n)
{
	json_t *list = json_array();
	char text[CONFIG_ENDPOINT_TEXT];

	for (unsigned i = 0; i < n; i++)
		json_array_append_new(list, json_string(config_endpoint_format(&eps[i], text)));
	return list;
}

static json_t *status(struct hub *h, json_t *, struct rpc_error *error)
{
	unsigned n_gateways = 0, n_tokens = 0, n_open = 0, n_matched = 0;
	struct links_count links = links_count(h->links);
	json_t *o;

	if (store_count_gateways(h->store, &n_gateways) < 0 ||
		store_each_token(h->store, false, count_token, &n_tokens) < 0 ||
		store_count_intents(h->store, 0, &n_open, &n_matched) < 0)
		return store_failed(h, error);
	o = json_pack("{s:s, s:s, s:s, s:f, s:s, s:o, s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:I, s:I}",
		"name", h->cfg->name, "network", h->cfg->network, "version", POSTERN_VERSION,
		"uptime_s", (double)(clock_mono_us() - h->started_us) / 1e6, "silence",
		config_silence_name(h->cfg->silence), "listen",
		endpoints(h->cfg->listen, h->cfg->n_listen), "gateways", (int)n_gateways,
		"connected", (int)links.up, "pending", (int)links.pending, "tokens", (int)n_tokens,
		"intents_open", (int)n_open, "intents_matched", (int)n_matched, "revocation_number",
		(json_int_t)h->list_number, "certificate_not_after", (json_int_t)h->leaf_not_after,
		"issuing_not_after", (json_int_t)authority_not_after(h->ops.authority));
	hex(o, "root_hash", x509_trust_root_hash(authority_trust(h->ops.authority)), 32);
	json_object_set_new(o, "counters",
		json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "datagrams",
			(json_int_t)h->counters.datagrams, "knocks", (json_int_t)h->counters.knocks,
			"connections", (json_int_t)h->counters.connections, "handshakes",
			(json_int_t)h->counters.handshakes, "enrolled",
			(json_int_t)h->counters.enrolled, "renewed",
			(json_int_t)h->counters.renewed, "matches", (json_int_t)h->counters.matches,
			"refused_records", (json_int_t)h->counters.refused_records));
	return o;
}

static json_t *version(struct hub *, json_t *, struct rpc_error *)
{
	return json_pack("{s:s}", "version", POSTERN_VERSION);
}

// ---- tokens

static bool below_network(const struct hub *h, const char *name)
{
	size_t n = strlen(name), m = strlen(h->cfg->network);

	return x509_name_ok(name, n) && n > m + 1 && name[n - m - 1] == '.' &&
	       strcmp(name + n - m, h->cfg->network) == 0;
}

static int add_name(struct hub *h, struct store_token *t, const json_t *v, struct rpc_error *error)
{
	const char *name = json_string_value(v);

	if (name == NULL || !below_network(h, name)) {
		rpc_error_set(error, "bad-name",
			"A gateway's name is a lower-case DNS name below the network's.",
			"\"%.200s\" is not a name below \"%s\".", name != NULL ? name : "",
			h->cfg->network);
		return -EINVAL;
	}
	if (t->n_names == STORE_NAMES_MAX) {
		rpc_error_set(error, "too-many-names", "Make several tokens.",
			"A token takes at most %u names.", STORE_NAMES_MAX);
		return -EINVAL;
	}
	strcpy(t->names[t->n_names++], name);
	return 0;
}

static int read_names(
	struct hub *h, struct store_token *t, const json_t *params, struct rpc_error *error)
{
	const json_t *name = json_object_get(params, "name"), *v;
	const json_t *names = json_object_get(params, "names");
	size_t i;

	if (name != NULL && add_name(h, t, name, error) < 0)
		return -EINVAL;
	json_array_foreach (names, i, v) {
		if (add_name(h, t, v, error) < 0)
			return -EINVAL;
	}
	return 0;
}

static int read_number(const json_t *params, const char *key, json_int_t fallback, json_int_t max,
	json_int_t *ret, struct rpc_error *error)
{
	const json_t *v = json_object_get(params, key);

	*ret = v != NULL ? json_integer_value(v) : fallback;
	if ((v == NULL || json_is_integer(v)) && *ret >= 1 && *ret <= max)
		return 0;
	rpc_error_set(error, "bad-parameter", NULL, "%s must be a whole number from 1 to %lld.",
		key, (long long)max);
	return -EINVAL;
}

static int format_token(struct hub *h, const struct store_token *t, char *text, size_t size)
{
	struct token token = {
		.created = t->created, .expires = t->expires, .udp2_port = h->cfg->udp2_port};
	const struct config_endpoint *eps =
		h->cfg->n_advertise > 0 ? h->cfg->advertise : h->cfg->listen;
	unsigned n = h->cfg->n_advertise > 0 ? h->cfg->n_advertise : h->cfg->n_listen;
	int err;

	memcpy(token.id, t->id, sizeof(token.id));
	memcpy(token.secret, t->secret, sizeof(token.secret));
	memcpy(token.root_hash, x509_trust_root_hash(authority_trust(h->ops.authority)), 32);
	strcpy(token.hub_name, h->cfg->name);
	strcpy(token.network, h->cfg->network);
	token.n_addresses = n < TOKEN_ADDRESSES_MAX ? n : TOKEN_ADDRESSES_MAX;
	memcpy(token.addresses, eps, token.n_addresses * sizeof(*eps));
	err = token_format(&token, text, size);
	token_wipe(&token);
	return err;
}

static int store_token(struct hub *h, const struct store_token *t)
{
	int err = store_begin(h->store);

	if (err < 0)
		return err;
	err = store_add_token(h->store, t);
	if (err == 0)
		return store_commit(h->store);
	store_rollback(h->store);
	return err;
}

static json_t *create_token(
	struct hub *h, json_t *params, struct rpc_error *error, struct store_token *t)
{
	json_int_t uses, seconds;
	const char *note = json_string_value(json_object_get(params, "note"));
	char text[TOKEN_TEXT_MAX];
	json_t *o;

	if (read_names(h, t, params, error) < 0 ||
		read_number(params, "uses", 1, TOKEN_USES_MAX, &uses, error) < 0 ||
		read_number(params, "seconds", (json_int_t)h->cfg->authority.token_hours * 3600,
			TOKEN_SECONDS_MAX, &seconds, error) < 0)
		return NULL;
	randombytes_buf(t->id, sizeof(t->id));
	randombytes_buf(t->secret, sizeof(t->secret));
	t->created = clock_unix_s();
	t->expires = t->created + (uint64_t)seconds;
	t->uses_max = (unsigned)uses;
	snprintf(t->note, sizeof(t->note), "%s", note != NULL ? note : "");
	if (format_token(h, t, text, sizeof(text)) < 0) {
		rpc_error_set(error, "internal", "Check hub.listen and hub.advertise.",
			"The token cannot be written.");
		return NULL;
	}
	if (store_token(h, t) < 0)
		return store_failed(h, error);
	if (hub_add_token_gate(h, t->id, t->secret) == NULL)
		log_error("out of memory: the token works only after a restart");
	log_notice("a token for %s is made, %u use%s", t->n_names > 0 ? t->names[0] : "any name",
		t->uses_max, t->uses_max == 1 ? "" : "s");
	o = json_pack("{s:s, s:i, s:I}", "token", text, "uses", (int)t->uses_max, "expires",
		(json_int_t)t->expires);
	hex(o, "id", t->id, sizeof(t->id));
	sodium_memzero(text, sizeof(text));
	return o;
}

static json_t *token_create(struct hub *h, json_t *params, struct rpc_error *error)
{
	struct store_token *t = calloc(1, sizeof(*t));
	json_t *o;

	if (t == NULL)
		return NULL;
	o = create_token(h, params, error, t);
	sodium_memzero(t, sizeof(*t));
	free(t);
	return o;
}

static int token_row(void *ctx, const struct store_token *t)
{
	uint64_t now = clock_unix_s();
	bool expired = t->expires != 0 && now > t->expires;
	bool used = t->uses_max != 0 && t->uses >= t->uses_max;
	json_t *names = json_array();
	json_t *o = json_pack("{s:I, s:I, s:i, s:i, s:i, s:s, s:s}", "created",
		(json_int_t)t->created, "expires", (json_int_t)t->expires, "uses", (int)t->uses,
		"uses_max", (int)t->uses_max, "uses_left", (int)(t->uses_max - t->uses), "state",
		expired ? "expired"
		: used  ? "used"
			: "live",
		"note", t->note);

	hex(o, "id", t->id, sizeof(t->id));
	for (unsigned i = 0; i < t->n_names; i++)
		json_array_append_new(names, json_string(t->names[i]));
	if (t->n_names > 0)
		json_object_set_new(o, "name", json_string(t->names[0]));
	json_object_set_new(o, "names", names);
	json_array_append_new(ctx, o);
	return 0;
}

static json_t *token_list(struct hub *h, json_t *, struct rpc_error *error)
{
	json_t *list = json_array();

	if (store_each_token(h->store, false, token_row, list) == 0)
		return list;
	json_decref(list);
	return store_failed(h, error);
}

static json_t *token_drop(struct hub *h, json_t *params, struct rpc_error *error)
{
	const char *text = json_string_value(json_object_get(params, "id"));
	uint8_t id[16];
	struct gate *g;
	size_t n = 0;
	int err;

	if (text == NULL ||
		sodium_hex2bin(id, sizeof(id), text, strlen(text), NULL, &n, NULL) != 0 ||
		n != sizeof(id)) {
		rpc_error_set(error, "bad-parameter", "postern hub token --list shows them.",
			"id must be a token's 32 hexadecimal digits.");
		return NULL;
	}
	err = store_drop_token(h->store, id);
	if (err == -ENOENT) {
		rpc_error_set(error, "no-such-token", "postern hub token --list shows them.",
			"There is no such token.");
		return NULL;
	}
	if (err < 0)
		return store_failed(h, error);
	g = gates_of_token(&h->gates, id);
	if (g != NULL) {
		links_close_gate(h->links, g);
		gates_remove(&h->gates, g);
	}
	return json_pack("{s:s}", "id", text);
}

// ---- gateways

struct gateways_ctx {
	struct hub *hub;
	json_t *list;
	struct store_gateway *rows; // first the walk, then the details: statements do not nest
	size_t n, cap;
};

static int note_gateway(void *ctx, const struct store_gateway *g)
{
	struct gateways_ctx *c = ctx;

	if (c->n == c->cap) {
		size_t cap = c->cap > 0 ? 2 * c->cap : 64;
		struct store_gateway *rows = realloc(c->rows, cap * sizeof(*rows));

		if (rows == NULL)
			return -ENOMEM;
		c->rows = rows;
		c->cap = cap;
	}
	c->rows[c->n++] = *g;
	return 0;
}

static json_t *gateway_row(struct hub *h, const struct store_gateway *g)
{
	struct gate *gate = gates_of_gateway(&h->gates, g->id);
	bool connected = gate != NULL && gate->link != NULL;
	unsigned n_open = 0, n_matched = 0;
	char text[CONFIG_ENDPOINT_TEXT];
	struct store_cert cert;
	json_t *o;

	store_count_intents(h->store, g->id, &n_open, &n_matched);
	o = json_pack("{s:s, s:b, s:b, s:I, s:I, s:i, s:i, s:i, s:I}", "name", g->name, "revoked",
		g->revoked != 0, "connected", connected, "created", (json_int_t)g->created,
		"last_seen", (json_int_t)g->last_seen, "intents", (int)(n_open + n_matched),
		"intents_open", (int)n_open, "intents_matched", (int)n_matched, "not_after",
		(json_int_t)g->not_after);
	if (g->last_addr[0] != '\0')
		json_object_set_new(o, "address", json_string(g->last_addr));
	if (connected)
		json_object_set_new(o, "observed_addr",
			json_string(config_endpoint_format(link_from(gate->link), text)));
	if (store_newest_cert(h->store, g->id, &cert) == 0)
		hex(o, "serial", cert.serial, cert.serial_len);
	return o;
}

static json_t *gateways(struct hub *h, json_t *, struct rpc_error *error)
{
	struct gateways_ctx c = {.hub = h};
	json_t *list;

	if (store_each_gateway(h->store, false, true, note_gateway, &c) < 0) {
		free(c.rows);
		return store_failed(h, error);
	}
	list = json_array();
	for (size_t i = 0; i < c.n; i++)
		json_array_append_new(list, gateway_row(h, &c.rows[i]));
	free(c.rows);
	return list;
}

// ---- revoke

static int revoke_by(struct hub *h, const char *name, const char *serial, int64_t *ret_gateway)
{
	uint8_t bytes[STORE_SERIAL_MAX];
	size_t len = 0;

	if (name != NULL)
		return authority_revoke_name(&h->ops, name, clock_unix_s(), ret_gateway);
	if (sodium_hex2bin(bytes, sizeof(bytes), serial, strlen(serial), NULL, &len, NULL) != 0 ||
		len == 0)
		return -ENOENT;
	return authority_revoke_serial(&h->ops, bytes, len, clock_unix_s(), ret_gateway);
}

static json_t *revoke_any(struct hub *h, json_t *params, struct rpc_error *error)
{
	const char *name = json_string_value(json_object_get(params, "name"));
	const char *serial = json_string_value(json_object_get(params, "serial"));
	const char *reason = json_string_value(json_object_get(params, "reason"));
	char quoted[256] = "";
	int64_t gateway = 0;
	struct gate *g;
	int err;

	if ((name == NULL) == (serial == NULL)) {
		rpc_error_set(error, "bad-parameter", "postern hub gateways shows both.",
			"Give a gateway's name or a certificate's serial.");
		return NULL;
	}
	err = revoke_by(h, name, serial, &gateway);
	if (err == -ENOENT) {
		rpc_error_set(error, "no-such-gateway", "postern hub gateways shows them.",
			"There is no gateway or certificate \"%.200s\".",
			name != NULL ? name : serial);
		return NULL;
	}
	if (err < 0)
		return store_failed(h, error);
	if (reason != NULL)
		log_quote(quoted, sizeof(quoted), reason, strlen(reason));
	g = gates_of_gateway(&h->gates, gateway);
	log_notice("%s is revoked%s%s", g != NULL ? g->name : "a gateway",
		quoted[0] != '\0' ? ": " : "", quoted);
	// The revoked one is sent the list as well, before its link is closed.
	hub_publish_list(h, clock_unix_s());
	if (name != NULL)
		hub_forget_gateway(h, gateway);
	else if (g != NULL)
		links_close_gate(h->links, g);
	return json_pack("{s:I}", "number", (json_int_t)h->list_number);
}

// ---- dispatch

static const struct {
	const char *name;
	json_t *(*run)(struct hub *h, json_t *params, struct rpc_error *error);
} methods[] = {
	{"status", status},
	{"version", version},
	{"token.create", token_create},
	{"token.list", token_list},
	{"token.drop", token_drop},
	{"gateways", gateways},
	{"revoke", revoke_any},
};

static json_t *on_request(void *ctx, const char *method, json_t *params, struct rpc_error *error)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (strcmp(methods[i].name, method) == 0)
			return methods[i].run(ctx, params, error);
	}
	rpc_error_set(error, "no-such-method",
		"A hub knows status, version, token.create, token.list, token.drop, gateways, "
		"revoke.",
		"This hub has no method \"%.100s\".", method);
	return NULL;
}

int api_create(struct hub *h, struct hub_error *ret_error)
{
	char path[512];
	int n = snprintf(path, sizeof(path), "%s/" HUB_SOCKET, h->cfg->run_dir);
	int err = n > 0 && n < (int)sizeof(path)
			  ? rpc_server_create(h->loop, path, on_request, h, &h->rpc)
			  : -ENAMETOOLONG;

	if (err < 0)
		hub_error_set(ret_error,
			err == -EADDRINUSE ? "Another hub is running with this hub.run_dir."
					   : "See to hub.run_dir and its owner.",
			"The API socket %s cannot be made: %s.", path, strerror(-err));
	return err;
}
