// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/hub/hub.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "controlplane/common/atomic_file.h"
#include "controlplane/common/clock.h"
#include "config/log.h"
#include "controlplane/common/pair.h"
#include "controlplane/hub/api.h"
#include "controlplane/hub/discovery.h"
#include "controlplane/hub/knock.h"
#include "controlplane/hub/links.h"
#include "controlplane/hub/policy.h"
#include "sandbox/account.h"
#include "controlplane/hub/records.h"

#define DAY_S            86400u
#define ISSUING_WARN_S   (180 * DAY_S)
#define HOUSEKEEPING_MS  5000
#define EXPIRE_EVERY     12          // housekeepings: once a minute
#define WARN_EVERY       17280       // once a day
#define TOKEN_REMEMBER_S (7 * DAY_S) // after its end, so that its holder is told why not

void hub_error_set(struct hub_error *e, const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->message, sizeof(e->message), fmt, ap);
	va_end(ap);
	snprintf(e->hint, sizeof(e->hint), "%s", hint);
}

int hub_path(char *buf, size_t size, const struct hub_config *cfg, const char *file)
{
	int n = snprintf(buf, size, "%s/%s", cfg->state_dir, file);

	return n > 0 && n < (int)size ? 0 : -ENAMETOOLONG;
}

struct identity_source hub_secret(const struct hub_config *cfg)
{
	return (struct identity_source){
		.passphrase_file = cfg->authority.passphrase_file,
		.key_credential = cfg->authority.key_credential,
	};
}

// ---- gates

struct gate *hub_add_gateway_gate(struct hub *h, const struct store_gateway *g)
{
	uint8_t th0[PAIR_HASH_LEN];
	struct gate *gate;

	pair_th0_hub(th0, h->net_id, g->name, h->cfg->name);
	gate = gates_add(&h->gates, g->gate_secret, th0);
	if (gate == NULL) {
		log_error("out of memory: %s cannot connect until the hub is restarted", g->name);
		return NULL;
	}
	gate->gateway = g->id;
	strcpy(gate->name, g->name);
	memcpy(gate->pk, g->pk, sizeof(gate->pk));
	gate->m1_ts = g->m1_ts;
	gate->punch_ts = g->punch_ts;
	return gate;
}

struct gate *hub_add_token_gate(struct hub *h, const uint8_t id[16], const uint8_t secret[32])
{
	const uint8_t *root_hash = x509_trust_root_hash(authority_trust(h->ops.authority));
	uint8_t th0[PAIR_HASH_LEN];
	struct gate *gate;

	pair_th0_enrol(th0, root_hash, id, h->cfg->name);
	gate = gates_add(&h->gates, secret, th0);
	if (gate == NULL)
		return NULL;
	gate->is_token = true;
	memcpy(gate->token_id, id, sizeof(gate->token_id));
	return gate;
}

static int load_gateway(void *ctx, const struct store_gateway *g)
{
	return hub_add_gateway_gate(ctx, g) != NULL ? 0 : -ENOMEM;
}

static int load_token(void *ctx, const struct store_token *t)
{
	return hub_add_token_gate(ctx, t->id, t->secret) != NULL ? 0 : -ENOMEM;
}

void hub_forget_gateway(struct hub *h, int64_t gateway)
{
	struct gate *g = gates_of_gateway(&h->gates, gateway);

	if (g == NULL)
		return;
	discovery_forget(h, gateway);
	links_close_gate(h->links, g);
	gates_remove(&h->gates, g);
}

// ---- revocation list

static int build_list(struct hub *h, uint64_t now)
{
	uint8_t *list;
	uint64_t number;
	size_t len;
	int err = authority_build_list(&h->ops, h->net_id, now, &list, &len, &number);

	if (err < 0)
		return err;
	free(h->list);
	h->list = list;
	h->list_len = len;
	h->list_number = number;
	return 0;
}

int hub_publish_list(struct hub *h, uint64_t now)
{
	int err = build_list(h, now);

	if (err < 0) {
		log_error("the revocation list cannot be built: %s", strerror(-err));
		return err;
	}
	for (struct gate *g = h->gates.first; g != NULL; g = g->next) {
		if (g->link != NULL)
			records_send_list(h, g->link);
	}
	return 0;
}

// ---- the hub's own certificate

void hub_chain(const struct hub *h, const uint8_t *leaf, size_t len, struct der_list *ret_list)
{
	struct x509_bytes issuing = authority_issuing_der(h->ops.authority);
	struct x509_bytes root = authority_root_der(h->ops.authority);
	struct der_list list = {0};

	if (leaf != NULL)
		list.cert[list.n++] = (struct der_view){leaf, len};
	list.cert[list.n++] = (struct der_view){issuing.der, issuing.len};
	if (h->old_issuing_len > 0)
		list.cert[list.n++] = (struct der_view){h->old_issuing, h->old_issuing_len};
	list.cert[list.n++] = (struct der_view){root.der, root.len};
	*ret_list = list;
}

// After a change-over the old issuing certificate is shown as well, until it expires.
static void load_old_issuing(struct hub *h, uint64_t now)
{
	uint8_t pk[32], spki[32];
	char path[512];
	size_t len;

	if (hub_path(path, sizeof(path), h->cfg, HUB_FILE_OLD_ISSUING) < 0 ||
		atomic_file_read(
			path, ATOMIC_FILE_PUBLIC, h->old_issuing, DER_CERT_MAX_LEN, &len, NULL) < 0)
		return;
	if (x509_verify_issuer(authority_trust(h->ops.authority),
		    (struct x509_bytes){h->old_issuing, len}, now, pk, spki) == X509_OK)
		h->old_issuing_len = len;
}

static int make_chain(struct hub *h, const uint8_t *leaf, size_t len)
{
	struct der_list list;

	hub_chain(h, leaf, len, &list);
	h->chain_len = der_list_build(&list, h->chain, sizeof(h->chain));
	return h->chain_len > 0 ? 0 : -EMSGSIZE;
}

int hub_renew_leaf(struct hub *h, uint64_t now, struct hub_error *ret_error)
{
	uint8_t pk[32], leaf[X509_LEAF_BYTES_MAX];
	struct authority_request req = {
		.name = h->cfg->name,
		.pk = pk,
		.role = X509_ROLE_HUB,
		.not_before = now - AUTHORITY_BACKDATE_S,
		.not_after = now + (uint64_t)h->cfg->authority.leaf_days * DAY_S,
	};
	struct authority_error why;
	struct x509_facts facts;
	char path[512];
	size_t len;
	int err = signer_public(h->signer, pk);

	if (err < 0) {
		hub_error_set(ret_error, "Start the hub again.", "The signer does not answer.");
		return err;
	}
	err = authority_issue(h->ops.authority, &req, leaf, &len, &facts, &why);
	if (err < 0) {
		hub_error_set(ret_error,
			"See docs/operator.md on how to renew the issuing certificate.",
			"The hub's own certificate cannot be issued: %s", why.text);
		return err;
	}
	err = hub_path(path, sizeof(path), h->cfg, HUB_FILE_CERT);
	if (err == 0)
		err = atomic_file_write(path, leaf, len, NULL);
	if (err == 0)
		err = make_chain(h, leaf, len);
	if (err < 0) {
		hub_error_set(ret_error, "Make room, or correct the directory's owner.",
			"%s cannot be written: %s.", path, strerror(-err));
		return err;
	}
	h->leaf_not_before = facts.not_before;
	h->leaf_not_after = facts.not_after;
	return 0;
}

static int load_leaf(struct hub *h, uint64_t now, struct hub_error *ret_error)
{
	uint8_t leaf[X509_LEAF_BYTES_MAX], pk[32];
	struct x509_facts facts;
	char path[512];
	size_t len;
	int err = hub_path(path, sizeof(path), h->cfg, HUB_FILE_CERT);

	if (err == 0)
		err = atomic_file_read(path, ATOMIC_FILE_PUBLIC, leaf, sizeof(leaf), &len, NULL);
	// A leaf of another key or name, or of an issuing key that was replaced, is simply made
	// anew.
	if (err == 0 && x509_inspect(leaf, len, &facts) == X509_OK &&
		signer_public(h->signer, pk) == 0 && memcmp(pk, facts.pk, sizeof(pk)) == 0 &&
		make_chain(h, leaf, len) == 0) {
		struct x509_bytes issuing = authority_issuing_der(h->ops.authority);
		struct x509_chain chain = {
			.leaf = {leaf, len}, .issuers = {issuing}, .n_issuers = 1};

		if (x509_verify(authority_trust(h->ops.authority), &chain, h->cfg->name,
			    X509_ROLE_HUB, now, &facts) == X509_OK) {
			h->leaf_not_before = facts.not_before;
			h->leaf_not_after = facts.not_after;
			return 0;
		}
	}
	return hub_renew_leaf(h, now, ret_error);
}

static void renew_if_due(struct hub *h, uint64_t now)
{
	uint64_t life = h->leaf_not_after - h->leaf_not_before;
	struct hub_error e;

	if (now < h->leaf_not_before + life * 2 / 3)
		return;
	if (hub_renew_leaf(h, now, &e) < 0)
		log_error("%s %s", e.message, e.hint);
	else
		log_notice("the hub's own certificate is renewed");
}

static void warn_of_issuing_end(const struct hub *h, uint64_t now)
{
	uint64_t end = authority_not_after(h->ops.authority);

	if (now + ISSUING_WARN_S > end)
		log_warning("the issuing certificate ends in %llu days: bring root.key and run "
			    "postern-hub new-issuing",
			end > now ? (unsigned long long)((end - now) / DAY_S) : 0ull);
}

// ---- housekeeping

struct old_tokens {
	struct hub *hub;
	uint64_t now;
	uint8_t id[16];
	bool found;
};

static int find_old_token(void *ctx, const struct store_token *t)
{
	struct old_tokens *o = ctx;

	if (t->expires == 0 || t->expires + TOKEN_REMEMBER_S > o->now)
		return 0;
	memcpy(o->id, t->id, sizeof(o->id));
	o->found = true;
	return 1;
}

// At most one a minute is forgotten; there is no hurry.
static void forget_old_token(struct hub *h, uint64_t now)
{
	struct old_tokens o = {.hub = h, .now = now};
	struct gate *g;

	if (store_each_token(h->store, false, find_old_token, &o) < 0 || !o.found ||
		store_drop_token(h->store, o.id) < 0)
		return;
	g = gates_of_token(&h->gates, o.id);
	if (g != NULL) {
		links_close_gate(h->links, g);
		gates_remove(&h->gates, g);
	}
}

static void on_housekeeping(uv_timer_t *timer)
{
	struct hub *h = timer->data;
	uint64_t now = clock_unix_s();

	knock_flush(h);
	if (++h->n_housekeepings % EXPIRE_EVERY != 0)
		return;
	discovery_expire(h, now);
	forget_old_token(h, now);
	renew_if_due(h, now);
	if (h->n_housekeepings % WARN_EVERY == 0)
		warn_of_issuing_end(h, now);
}

// ---- life

static int open_authority(struct hub *h, struct hub_error *ret_error)
{
	struct identity_source secret = hub_secret(h->cfg);
	struct authority_error why;
	int err =
		authority_open(h->cfg->state_dir, &secret, clock_unix_s(), &h->ops.authority, &why);

	if (err == 0) {
		pair_net_id(h->net_id, x509_trust_root_pk(authority_trust(h->ops.authority)),
			h->cfg->network, strlen(h->cfg->network));
		return 0;
	}
	hub_error_set(ret_error,
		why.identity == IDENTITY_ERR_NO_FILE
			? "If this hub is new, make it first: postern hub init."
			: "Correct that, then start the hub again.",
		"The authority's issuing key cannot be opened: %s", why.text);
	return err;
}

static int open_signer(struct hub *h, struct hub_error *ret_error)
{
	struct identity_source src = hub_secret(h->cfg);
	enum identity_error why;
	char path[512];

	if (hub_path(path, sizeof(path), h->cfg, HUB_FILE_KEY) < 0)
		return -ENAMETOOLONG;
	src.key_file = path;
	why = signer_spawn(&h->signer);
	if (why == IDENTITY_OK) {
		const struct account user = account_find(h->cfg->signer_user, "nobody");

		signer_set_user(h->signer, user.uid, user.gid);
		why = signer_open_key(h->signer, &src);
	}
	if (why != IDENTITY_OK) {
		hub_error_set(ret_error, "Correct that, then start the hub again.",
			"The hub's key cannot be opened: %s", identity_strerror(why));
		return -EACCES;
	}
	return signer_secret(h->signer, "hedge", h->hedge);
}

static int open_store(struct hub *h, struct hub_error *ret_error)
{
	uint8_t key[STORE_KEY_BYTES];
	char path[512];
	int err = signer_secret(h->signer, "state", key);

	if (err == 0)
		err = hub_path(path, sizeof(path), h->cfg, HUB_FILE_STORE);
	if (err == 0)
		err = store_open(path, false, key, &h->store);
	sodium_memzero(key, sizeof(key));
	if (err == 0)
		err = store_each_gateway(h->store, true, false, load_gateway, h);
	if (err == 0)
		err = store_each_token(h->store, true, load_token, h);
	if (err < 0)
		hub_error_set(ret_error,
			err == -ENOENT ? "If this hub is new, make it first: postern hub init."
				       : "Restore it from a backup, or see to its owner and disk.",
			"The store %s cannot be opened: %s.", path,
			h->store != NULL && store_error(h->store)[0] != '\0' ? store_error(h->store)
									     : strerror(-err));
	return err;
}

static int open_silence(struct hub *h, struct hub_error *ret_error)
{
	char said[SILENCE_TEXT] = "";
	int err;

	if (h->cfg->silence != CONFIG_SILENCE_NFT)
		return 0;
	err = silence_create(
		h->cfg->listen, h->cfg->n_listen, h->cfg->udp2_port, &h->silence, said);
	if (err < 0)
		hub_error_set(ret_error,
			"Give the hub CAP_NET_ADMIN (its systemd unit does) and a kernel with "
			"nftables, or set hub.silence: off; then the port shows as open, but stays "
			"mute.",
			"The filter that hides the TCP port cannot be set up: %s.",
			said[0] != '\0' ? said : strerror(-err));
	return err;
}

// The order: keys while still privileged, then the account, then everything that is written.
static int bring_up(struct hub *h, struct hub_error *e)
{
	uint64_t now = clock_unix_s();
	int err = open_authority(h, e);

	if (err == 0)
		err = open_signer(h, e);
	if (err == 0)
		err = policy_become(h->cfg, e);
	if (err == 0)
		err = open_store(h, e);
	h->ops.store = h->store;
	if (err == 0) {
		load_old_issuing(h, now);
		warn_of_issuing_end(h, now);
		err = load_leaf(h, now, e);
	}
	if (err == 0)
		err = build_list(h, now);
	if (err == 0)
		err = discovery_create(h, &h->discovery);
	// The filter first, so that the port is never open.
	if (err == 0)
		err = open_silence(h, e);
	if (err == 0)
		err = knock_create(h, &h->knock, e);
	if (err == 0)
		err = links_create(h, &h->links, e);
	if (err == 0)
		err = api_create(h, e);
	return err;
}

// A hub that cannot sign is of no use: whoever runs the loop ends it, the supervisor starts both.
static void on_signer(uv_poll_t *poll, int, int)
{
	struct hub *h = poll->data;

	log_error("postern-signer has ended: nothing can be signed any more; stopping, so that the "
		  "supervisor starts both afresh");
	uv_poll_stop(poll);
	uv_stop(h->loop);
}

int hub_create(uv_loop_t *loop, const struct hub_config *cfg, struct hub **ret_hub,
	struct hub_error *ret_error)
{
	struct hub *h = calloc(1, sizeof(*h));
	int err;

	*ret_error = (struct hub_error){0};
	if (h == NULL)
		return -ENOMEM;
	h->cfg = cfg;
	h->loop = loop;
	h->started_us = clock_mono_us();
	h->ops = (struct authority_ops){
		.hub_name = cfg->name,
		.network = cfg->network,
		.leaf_days = cfg->authority.leaf_days,
		.gateways_max = cfg->limits.gateways,
	};
	gates_init(&h->gates);
	err = bring_up(h, ret_error);
	if (err == 0)
		err = uv_poll_init(loop, &h->signer_poll, signer_fd(h->signer));
	if (err < 0) {
		if (ret_error->message[0] == '\0')
			hub_error_set(ret_error, "See the lines before this one.",
				"The hub cannot start: %s.", strerror(-err));
		hub_destroy(h);
		return err;
	}
	uv_timer_init(loop, &h->housekeeping);
	h->housekeeping.data = h;
	h->housekeeping_on = true;
	uv_timer_start(&h->housekeeping, on_housekeeping, HOUSEKEEPING_MS, HOUSEKEEPING_MS);
	h->signer_poll.data = h;
	uv_poll_start(&h->signer_poll, UV_READABLE | UV_DISCONNECT, on_signer);
	*ret_hub = h;
	return 0;
}

static void free_hub(struct hub *h)
{
	store_close(h->store);
	authority_close(h->ops.authority);
	signer_close(h->signer);
	gates_fini(&h->gates);
	free(h->list);
	sodium_memzero(h, sizeof(*h));
	free(h);
}

static void on_housekeeping_closed(uv_handle_t *handle)
{
	free_hub(handle->data);
}

static void on_signer_poll_closed(uv_handle_t *handle)
{
	struct hub *h = handle->data;

	uv_close((uv_handle_t *)&h->housekeeping, on_housekeeping_closed);
}

void hub_destroy(struct hub *h)
{
	if (h == NULL)
		return;
	rpc_server_destroy(h->rpc);
	links_destroy(h->links);
	if (h->store != NULL)
		knock_flush(h);
	knock_destroy(h->knock);
	silence_destroy(h->silence);
	discovery_destroy(h->discovery);
	// Links close through the loop and look at nothing of the hub then.
	if (h->housekeeping_on)
		uv_close((uv_handle_t *)&h->signer_poll, on_signer_poll_closed);
	else
		free_hub(h);
}
