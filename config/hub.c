// SPDX-License-Identifier: BSD-3-Clause
#include "config/hub.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/check.h"
#include "config/reader.h"
#include "config/value.h"

struct loaded {
	struct config_arena arena;
	struct hub_config cfg;
};

static bool endpoint_equal(const struct config_endpoint *a, const struct config_endpoint *b)
{
	return a->port == b->port && config_addr_equal(&a->addr, &b->addr);
}

static int check_listen(struct config_reader *r, const struct hub_config *cfg)
{
	for (unsigned i = 0; i < cfg->n_listen; i++) {
		const struct config_endpoint *ep = &cfg->listen[i];

		config_reader_at(r, "hub.listen[%u]", i);
		for (unsigned j = 0; j < i; j++) {
			if (endpoint_equal(ep, &cfg->listen[j])) {
				config_reader_hint(r, "remove one");
				return config_reader_fail(
					r, "this address is already hub.listen[%u]", j);
			}
		}
		if (config_addr_is_multicast(&ep->addr)) {
			config_reader_hint(r, "give an address of this machine");
			return config_reader_fail(r, "a hub cannot listen on a group's address");
		}
		if (config_addr_is_any(&ep->addr) && cfg->n_advertise == 0) {
			config_reader_hint(
				r, "add hub.advertise with the addresses that gateways should use");
			return config_reader_fail(
				r, "listening on all addresses does not tell gateways where to go");
		}
		if (ep->port == cfg->udp2_port) {
			config_reader_at(r, "hub.udp2_port");
			config_reader_hint(r, "choose another, such as %u",
				ep->port == 65535 ? 7668 : ep->port + 1);
			return config_reader_fail(
				r, "hub.udp2_port must differ from the port in hub.listen[%u]", i);
		}
	}
	return 0;
}

int config_check_hub(struct config_reader *r, struct hub_config *cfg)
{
	int ret = config_check_key_source(
		r, "authority", cfg->authority.passphrase_file, cfg->authority.key_credential);

	if (ret == 0)
		ret = check_listen(r, cfg);
	for (unsigned i = 0; ret == 0 && i < cfg->n_advertise; i++) {
		config_reader_at(r, "hub.advertise[%u]", i);
		ret = config_check_destination(r, &cfg->advertise[i]);
	}
	if (ret < 0)
		return ret;
	ret = config_check_secret(r, "authority.passphrase_file", cfg->authority.passphrase_file,
		CONFIG_SECRET_PASSPHRASE);
	if (ret < 0)
		return ret;
	return config_check_accounts(r, &cfg->user, "postern-hub", &cfg->signer_user,
		"hub.signer_user", "postern-signer");
}

int config_parse_hub(const char *name, const char *text, size_t len, const struct config_env *env,
	struct hub_config **ret, struct config_error *err)
{
	const struct config_source src = {.name = name, .text = text, .len = len};
	struct config_reader r = {
		.src = &src, .env = env, .schema = &config_hub_schema, .err = err};
	struct loaded *l = calloc(1, sizeof(*l));
	int result = -ENOMEM;

	if (l != NULL) {
		r.arena = &l->arena;
		l->cfg.path = config_arena_text(&l->arena, name, strlen(name));
		if (l->cfg.path != NULL)
			result = config_reader_run(&r, &l->cfg);
		if (result == 0)
			result = config_check_hub(&r, &l->cfg);
	}
	if (result == -ENOMEM)
		config_source_fail(&src, (struct config_mark){0}, NULL, NULL, err, "out of memory");
	if (result == 0) {
		*ret = &l->cfg;
	} else if (l != NULL) {
		config_arena_fini(&l->arena);
		free(l);
	}
	return result;
}

int config_load_hub(const char *path, struct hub_config **ret, struct config_error *err)
{
	struct config_source src;
	int result = config_source_read(path, &src, err);

	if (result < 0)
		return result;
	result = config_parse_hub(path, src.text, src.len, &config_env_host, ret, err);
	free((char *)src.text);
	return result;
}

void config_free_hub(struct hub_config *cfg)
{
	struct loaded *l;

	if (cfg == NULL)
		return;
	l = (struct loaded *)((char *)cfg - offsetof(struct loaded, cfg));
	config_arena_fini(&l->arena);
	free(l);
}
