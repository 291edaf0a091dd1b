// SPDX-License-Identifier: BSD-3-Clause
#include "config/check.h"

#include <errno.h>
#include <string.h>

#include "config/nearest.h"
#include "config/value.h"

int config_check_key_source(struct config_reader *r, const char *section,
	const char *passphrase_file, const char *credential)
{
	if (passphrase_file != NULL && credential != NULL) {
		config_reader_at(r, "%s.key_credential", section);
		config_reader_hint(r, "keep one of them");
		return config_reader_fail(
			r, "%s has both passphrase_file and key_credential", section);
	}
	if (passphrase_file == NULL && credential == NULL) {
		config_reader_at(r, "%s", section);
		config_reader_hint(r,
			"add passphrase_file: /etc/postern/passphrase (mode 0600), or "
			"key_credential: NAME");
		return config_reader_fail(r, "%s does not say what opens the private key", section);
	}
	return 0;
}

int config_check_destination(struct config_reader *r, const struct config_endpoint *ep)
{
	if (!config_addr_is_any(&ep->addr) && !config_addr_is_multicast(&ep->addr))
		return 0;
	config_reader_hint(r, "give an address that packets can be sent to");
	return config_reader_fail(r, "%s is nobody's own address", r->path);
}

static bool cpu_ours(const struct config_reader *r, unsigned cpu)
{
	return (r->env->cpu_exists == NULL || r->env->cpu_exists(r->env->ctx, cpu)) &&
	       (r->env->cpu_allowed == NULL || r->env->cpu_allowed(r->env->ctx, cpu));
}

// Without a word in the file: main on the lowest CPU, one worker on the highest.
static int choose_cpus(struct config_reader *r, struct dataplane_config *dp)
{
	uint16_t low = UINT16_MAX, high = 0;
	uint16_t *workers;

	for (uint16_t cpu = 0; r->env->cpu_allowed != NULL && cpu < 1024; cpu++) {
		if (!cpu_ours(r, cpu))
			continue;
		low = low == UINT16_MAX ? cpu : low;
		high = cpu;
	}
	if (!config_reader_given(r, "dataplane.main_cpu"))
		dp->main_cpu = low == UINT16_MAX ? 0 : low;
	if (dp->n_workers > 0)
		return 0;
	workers = config_arena_alloc(r->arena, sizeof(*workers));
	if (workers == NULL)
		return -ENOMEM;
	workers[0] = high;
	dp->worker_cpus = workers;
	dp->n_workers = 1;
	return 0;
}

int config_check_dataplane(struct config_reader *r, struct dataplane_config *dp)
{
	enum { MBUF_BYTES = 2304 }; // header, headroom and 2 KiB: the least any port needs
	uint64_t need_mib = (uint64_t)dp->n_mbufs * MBUF_BYTES >> 20;

	for (unsigned i = 1; i < dp->n_workers; i++) {
		for (unsigned j = 0; j < i; j++) {
			if (dp->worker_cpus[i] != dp->worker_cpus[j])
				continue;
			config_reader_at(r, "dataplane.workers[%u]", i);
			config_reader_hint(r, "give each worker its own CPU");
			return config_reader_fail(r, "CPU %u is listed twice", dp->worker_cpus[i]);
		}
	}
	if (need_mib >= dp->memory_mib) {
		bool mbufs = config_reader_given(r, "dataplane.mbufs");

		config_reader_at(r, mbufs ? "dataplane.mbufs" : "dataplane.memory_mib");
		config_reader_hint(r, "raise memory_mib, or lower mbufs");
		return config_reader_fail(r,
			"%u mbufs need more than %u MiB, which is all of memory_mib", dp->n_mbufs,
			dp->memory_mib);
	}
	return choose_cpus(r, dp);
}

static int find_segment(const struct dataplane_config *dp, const char *name)
{
	for (unsigned i = 0; i < dp->n_segments; i++) {
		if (strcmp(dp->segments[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

static int resolve_segments(struct config_reader *r, struct gateway_config *cfg, unsigned p)
{
	struct config_peer *peer = (struct config_peer *)&cfg->peers[p];
	uint8_t *ids = config_arena_alloc(r->arena, peer->n_segments);

	if (ids == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < peer->n_segments; i++) {
		struct config_nearest near = {
			.word = peer->segments[i], .len = strlen(peer->segments[i])};
		int s = find_segment(&cfg->dataplane, peer->segments[i]);

		config_reader_at(r, "peers[%u].segments[%u]", p, i);
		if (s < 0) {
			for (unsigned k = 0; k < cfg->dataplane.n_segments; k++)
				config_nearest_offer(&near, cfg->dataplane.segments[k].name);
			config_reader_hint(r,
				near.best != NULL ? "did you mean '%s'?"
						  : "add it to section 'segments'",
				near.best);
			return config_reader_fail(r, "there is no segment '%s'", peer->segments[i]);
		}
		ids[i] = cfg->dataplane.segments[s].id;
		if (memchr(ids, ids[i], i) != NULL) {
			config_reader_hint(r, "remove one");
			return config_reader_fail(
				r, "segment '%s' is listed twice", peer->segments[i]);
		}
	}
	peer->segment_ids = ids;
	return 0;
}

static int check_peer(struct config_reader *r, struct gateway_config *cfg, unsigned p)
{
	const struct config_peer *peer = &cfg->peers[p];

	config_reader_at(r, "peers[%u].name", p);
	if (strcmp(peer->name, cfg->name) == 0) {
		config_reader_hint(r, "list the other gateways only");
		return config_reader_fail(r, "'%s' is this gateway itself", peer->name);
	}
	if (cfg->hub_name != NULL && strcmp(peer->name, cfg->hub_name) == 0) {
		config_reader_hint(r, "a hub is no peer: its section is 'hub'");
		return config_reader_fail(r, "'%s' is the hub", peer->name);
	}
	for (unsigned q = 0; q < p; q++) {
		if (strcmp(peer->name, cfg->peers[q].name) != 0)
			continue;
		config_reader_hint(r, "join the two entries");
		return config_reader_fail(r, "peer '%s' is already peers[%u]", peer->name, q);
	}
	for (unsigned i = 0; i < peer->n_addresses; i++) {
		int ret;

		config_reader_at(r, "peers[%u].addresses[%u]", p, i);
		ret = config_check_destination(r, &peer->addresses[i]);
		if (ret < 0)
			return ret;
	}
	return resolve_segments(r, cfg, p);
}

int config_check_peers(struct config_reader *r, struct gateway_config *cfg)
{
	int ret = 0;

	for (unsigned p = 0; ret == 0 && p < cfg->n_peers; p++)
		ret = check_peer(r, cfg, p);
	if (ret == 0 && cfg->n_peers > cfg->dataplane.max_peers) {
		config_reader_at(r, config_reader_given(r, "dataplane.max_peers")
					    ? "dataplane.max_peers"
					    : "peers");
		config_reader_hint(r, "set dataplane.max_peers to %u or more", cfg->n_peers);
		return config_reader_fail(r,
			"%u peers are listed, but the data-plane has room for %u", cfg->n_peers,
			cfg->dataplane.max_peers);
	}
	return ret;
}

static int check_hub_section(struct config_reader *r, const struct gateway_config *cfg)
{
	int ret = 0;

	if ((cfg->hub_name == NULL) != (cfg->n_hub_addresses == 0)) {
		config_reader_at(r, "hub");
		config_reader_hint(r, "give both, or remove the section: enrolment stores them");
		return config_reader_fail(r, "hub needs name and addresses together");
	}
	if (cfg->hub_name != NULL && strcmp(cfg->hub_name, cfg->name) == 0) {
		config_reader_at(r, "hub.name");
		config_reader_hint(r, "hub and gateways share one name space: rename one");
		return config_reader_fail(r, "'%s' is this gateway's own name", cfg->hub_name);
	}
	for (unsigned i = 0; ret == 0 && i < cfg->n_hub_addresses; i++) {
		config_reader_at(r, "hub.addresses[%u]", i);
		ret = config_check_destination(r, &cfg->hub_addresses[i]);
		if (ret == 0 && cfg->hub_addresses[i].port == cfg->hub_udp2_port) {
			config_reader_at(r, "hub.udp2_port");
			config_reader_hint(
				r, "it is the value of hub.udp2_port in the hub's own file");
			return config_reader_fail(
				r, "hub.udp2_port must differ from the hub's first port");
		}
	}
	return ret;
}

int config_check_gateway(struct config_reader *r, struct gateway_config *cfg)
{
	int ret = config_check_key_source(
		r, "identity", cfg->identity.passphrase_file, cfg->identity.key_credential);

	if (ret == 0)
		ret = check_hub_section(r, cfg);
	if (ret < 0)
		return ret;
	if (cfg->policy.key_life_s < 2 * cfg->policy.rekey_s) {
		bool life = config_reader_given(r, "policy.key_life_s");

		config_reader_at(r, life ? "policy.key_life_s" : "policy.rekey_s");
		config_reader_hint(r,
			"make key_life_s at least twice rekey_s, so that a failed rekey can be "
			"tried again");
		return config_reader_fail(r, "key_life_s %u is too short for rekey_s %u",
			cfg->policy.key_life_s, cfg->policy.rekey_s);
	}
	return 0;
}
