// SPDX-License-Identifier: BSD-3-Clause
#include "config/gateway.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/check.h"
#include "config/reader.h"

// What the public pointers are inside of.
struct loaded {
	struct config_arena arena;
	struct gateway_config cfg;
};

static struct loaded *loaded_of(struct gateway_config *cfg)
{
	return (struct loaded *)((char *)cfg - offsetof(struct loaded, cfg));
}

// Last, so that a mistake in the text shows first and on any machine.
static int check_secrets(struct config_reader *r, const struct gateway_config *cfg)
{
	int ret = config_check_secret(r, "identity.passphrase_file", cfg->identity.passphrase_file,
		CONFIG_SECRET_PASSPHRASE);

	for (unsigned i = 0; ret == 0 && i < cfg->n_peers; i++) {
		char key[64];

		snprintf(key, sizeof(key), "peers[%u].psk_file", i);
		ret = config_check_secret(r, key, cfg->peers[i].psk_file, CONFIG_SECRET_KEY);
	}
	return ret;
}

static int check_all(struct config_reader *r, struct gateway_config *cfg)
{
	bool whole = r->schema == &config_gateway_schema;
	int ret = whole ? config_check_gateway(r, cfg) : 0;

	if (ret == 0)
		ret = config_check_dataplane(r, &cfg->dataplane);
	if (ret == 0)
		ret = config_check_ports(r, &cfg->dataplane);
	if (ret == 0)
		ret = config_check_segments(r, &cfg->dataplane);
	if (ret == 0 && whole)
		ret = config_check_peers(r, cfg);
	if (ret == 0 && whole)
		ret = check_secrets(r, cfg);
	if (ret == 0)
		ret = config_check_accounts(r, &cfg->dataplane.user, "postern",
			&cfg->dataplane.dataplane_user, "gateway.dataplane_user",
			"postern-dataplane");
	if (ret == 0 && whole)
		ret = config_check_accounts(r, &cfg->dataplane.user, "postern", &cfg->signer_user,
			"gateway.signer_user", "postern-signer");
	if (ret == 0 && whole)
		ret = config_check_accounts(r, &cfg->dataplane.dataplane_user, "postern-dataplane",
			&cfg->signer_user, "gateway.signer_user", "postern-signer");
	return ret;
}

static int parse(const struct config_source *src, const struct config_schema *schema,
	const struct config_env *env, struct loaded **ret_loaded, struct config_error *err)
{
	struct loaded *l = calloc(1, sizeof(*l));
	struct config_reader r = {.src = src, .env = env, .schema = schema, .err = err};
	int ret = -ENOMEM;

	if (l != NULL) {
		r.arena = &l->arena;
		l->cfg.path = config_arena_text(&l->arena, src->name, strlen(src->name));
		if (l->cfg.path != NULL)
			ret = config_reader_run(&r, &l->cfg);
		if (ret == 0)
			ret = check_all(&r, &l->cfg);
	}
	if (ret == -ENOMEM)
		config_source_fail(src, (struct config_mark){0}, NULL, NULL, err, "out of memory");
	if (ret == 0) {
		*ret_loaded = l;
	} else if (l != NULL) {
		config_arena_fini(&l->arena);
		free(l);
	}
	return ret;
}

static int load(const char *path, const struct config_schema *schema, struct loaded **ret_loaded,
	struct config_error *err)
{
	struct config_source src;
	int ret = config_source_read(path, &src, err);

	if (ret < 0)
		return ret;
	ret = parse(&src, schema, &config_env_host, ret_loaded, err);
	free((char *)src.text);
	return ret;
}

int config_load_gateway(const char *path, struct gateway_config **ret, struct config_error *err)
{
	struct loaded *l;
	int r = load(path, &config_gateway_schema, &l, err);

	if (r == 0)
		*ret = &l->cfg;
	return r;
}

int config_load_dataplane(const char *path, struct dataplane_config **ret, struct config_error *err)
{
	struct loaded *l;
	int r = load(path, &config_dataplane_schema, &l, err);

	if (r == 0)
		*ret = &l->cfg.dataplane;
	return r;
}

int config_parse_gateway(const char *name, const char *text, size_t len,
	const struct config_env *env, struct gateway_config **ret, struct config_error *err)
{
	const struct config_source src = {.name = name, .text = text, .len = len};
	struct loaded *l;
	int r = parse(&src, &config_gateway_schema, env, &l, err);

	if (r == 0)
		*ret = &l->cfg;
	return r;
}

int config_parse_dataplane(const char *name, const char *text, size_t len,
	const struct config_env *env, struct dataplane_config **ret, struct config_error *err)
{
	const struct config_source src = {.name = name, .text = text, .len = len};
	struct loaded *l;
	int r = parse(&src, &config_dataplane_schema, env, &l, err);

	if (r == 0)
		*ret = &l->cfg.dataplane;
	return r;
}

void config_free_gateway(struct gateway_config *cfg)
{
	struct loaded *l;

	if (cfg == NULL)
		return;
	l = loaded_of(cfg);
	config_arena_fini(&l->arena);
	free(l);
}

void config_free_dataplane(struct dataplane_config *cfg)
{
	if (cfg != NULL)
		config_free_gateway(
			(struct gateway_config *)((char *)cfg -
						  offsetof(struct gateway_config, dataplane)));
}

const struct config_segment *config_segment_by_id(const struct dataplane_config *cfg, uint8_t id)
{
	for (unsigned i = 0; i < cfg->n_segments; i++) {
		if (cfg->segments[i].id == id)
			return &cfg->segments[i];
	}
	return NULL;
}

const struct config_segment *config_segment_by_name(
	const struct dataplane_config *cfg, const char *name)
{
	for (unsigned i = 0; i < cfg->n_segments; i++) {
		if (strcmp(cfg->segments[i].name, name) == 0)
			return &cfg->segments[i];
	}
	return NULL;
}

const struct config_port *config_port_by_name(const struct dataplane_config *cfg, const char *name)
{
	for (unsigned i = 0; i < cfg->n_ports; i++) {
		if (strcmp(cfg->ports[i].name, name) == 0)
			return &cfg->ports[i];
	}
	return NULL;
}

const struct config_peer *config_peer_by_name(const struct gateway_config *cfg, const char *name)
{
	for (unsigned i = 0; i < cfg->n_peers; i++) {
		if (strcmp(cfg->peers[i].name, name) == 0)
			return &cfg->peers[i];
	}
	return NULL;
}
