// SPDX-License-Identifier: BSD-3-Clause
//
// What a sound file becomes: every key in its place, every default, the examples, the data-plane's
// narrower view.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/gateway.h"
#include "config/hub.h"
#include "config/schema.h"
#include "tests/unit/config/compose.h"
#include "tests/unit/config/env.h"

static char text[65536];

static struct gateway_config *load_gateway(const char *lines)
{
	size_t len = compose(gateway_base, lines, text, sizeof(text));
	struct gateway_config *cfg = NULL;
	struct config_error err;

	if (config_parse_gateway("gateway.yaml", text, len, &env_test, &cfg, &err) < 0) {
		config_error_print(stderr, &err);
		fail();
	}
	return cfg;
}

static struct hub_config *load_hub(const char *lines)
{
	size_t len = compose(hub_base, lines, text, sizeof(text));
	struct hub_config *cfg = NULL;
	struct config_error err;

	if (config_parse_hub("hub.yaml", text, len, &env_test, &cfg, &err) < 0) {
		config_error_print(stderr, &err);
		fail();
	}
	return cfg;
}

static void expect_endpoint(const struct config_endpoint *ep, const char *wanted)
{
	char buf[CONFIG_ENDPOINT_TEXT];

	assert_string_equal(config_endpoint_format(ep, buf), wanted);
}

static void defaults_fill_what_the_file_leaves_out(void **)
{
	struct gateway_config *c = load_gateway("dataplane: {}\n");
	const struct dataplane_config *d = &c->dataplane;

	assert_string_equal(c->path, "gateway.yaml");
	assert_string_equal(c->name, "site-a");
	assert_string_equal(c->network, "example");
	assert_string_equal(c->state_dir, "/var/lib/postern");
	assert_string_equal(d->run_dir, "/run/postern");
	assert_null(d->user);
	assert_string_equal(c->identity.passphrase_file, "/secret/pass");
	assert_null(c->identity.key_credential);
	assert_int_equal(c->identity.argon2_mib, 64);
	assert_int_equal(c->identity.argon2_passes, 3);
	assert_null(c->hub_name);
	assert_int_equal(c->n_hub_addresses, 0);
	assert_int_equal(c->hub_udp2_port, 0);
	assert_int_equal(d->n_workers, 1);
	assert_int_equal(d->worker_cpus[0], 3);
	assert_int_equal(d->main_cpu, 0);
	assert_int_equal(d->polling, CONFIG_POLL_ADAPTIVE);
	assert_int_equal(d->idle_sleep_us, 150);
	assert_int_equal(d->hugepages, CONFIG_HUGEPAGES_AUTO);
	assert_int_equal(d->memory_mib, 160);
	assert_int_equal(d->max_peers, 64);
	assert_int_equal(d->fdb_entries, 16384);
	assert_int_equal(d->n_mbufs, 16384);
	assert_int_equal(d->reassembly_mib, 16);
	assert_int_equal(d->ports[0].mode, CONFIG_XDP_AUTO);
	assert_int_equal(d->ports[0].n_queues, 1);
	assert_int_equal(d->ports[0].mtu, 1500);
	assert_false(d->ports[0].has_mac);
	assert_int_equal(d->ports[2].overlay_port, CONFIG_PORT_DEFAULT);
	assert_false(d->segments[0].vlan_aware);
	assert_int_equal(d->segments[0].ageing_s, 300);
	assert_int_equal(d->segments[0].mac_quota, 1024);
	assert_int_equal(d->segments[0].bum_pps, 20000);
	assert_int_equal(d->segments[0].guards.dhcp, CONFIG_GUARD_AUTO);
	assert_int_equal(d->segments[0].guards.ra, CONFIG_GUARD_AUTO);
	assert_int_equal(d->segments[0].guards.stp, CONFIG_STP_DROP);
	assert_int_equal(d->segments[0].guards.loop, CONFIG_LOOP_CUT);
	assert_int_equal(d->segments[0].n_statics, 0);
	assert_true(c->peers[0].intent);
	assert_false(c->peers[0].has_pin);
	assert_null(c->peers[0].psk_file);
	assert_int_equal(c->peers[0].cipher, CONFIG_CIPHER_AUTO);
	assert_int_equal(c->policy.rekey_s, 120);
	assert_int_equal(c->policy.key_life_s, 600);
	assert_int_equal(c->dataplane.keepalive_s, 15);
	assert_int_equal(c->policy.intent_days, 7);
	assert_int_equal(c->policy.cipher, CONFIG_CIPHER_AUTO);
	config_free_gateway(c);
}

static void every_section_reaches_its_fields(void **)
{
	struct gateway_config *c = load_gateway(
		"gateway: {name: a.b, network: n, state_dir: /s, run_dir: /r, user: gate}\n"
		"identity: {key_credential: cred, argon2_mib: 8, argon2_passes: 1}\n"
		"hub: {name: hub, addresses: [192.0.2.1, \"[2001:db8::1]:99\"], udp2_port: 7668}\n"
		"dataplane: {workers: [3, 1], main_cpu: 2, polling: busy, idle_sleep_us: 10,\n"
		"  hugepages: never, memory_mib: 512, max_peers: 2, fdb_entries: 256, mbufs: "
		"4096,\n"
		"  reassembly_mib: 1}\n"
		"policy: {rekey_s: 5, key_life_s: 10, keepalive_s: 1, intent_days: 1,\n"
		"  cipher: chacha20-poly1305}\n");
	const struct dataplane_config *d = &c->dataplane;

	assert_string_equal(c->state_dir, "/s");
	assert_string_equal(d->run_dir, "/r");
	assert_string_equal(d->user, "gate");
	assert_string_equal(c->identity.key_credential, "cred");
	assert_null(c->identity.passphrase_file);
	assert_int_equal(c->identity.argon2_mib, 8);
	assert_int_equal(c->identity.argon2_passes, 1);
	assert_string_equal(c->hub_name, "hub");
	assert_int_equal(c->n_hub_addresses, 2);
	expect_endpoint(&c->hub_addresses[0], "192.0.2.1:7667");
	expect_endpoint(&c->hub_addresses[1], "[2001:db8::1]:99");
	assert_int_equal(c->hub_udp2_port, 7668);
	assert_int_equal(d->n_workers, 2);
	assert_int_equal(d->worker_cpus[0], 3);
	assert_int_equal(d->worker_cpus[1], 1);
	assert_int_equal(d->main_cpu, 2);
	assert_int_equal(d->polling, CONFIG_POLL_BUSY);
	assert_int_equal(d->idle_sleep_us, 10);
	assert_int_equal(d->hugepages, CONFIG_HUGEPAGES_NEVER);
	assert_int_equal(d->memory_mib, 512);
	assert_int_equal(d->max_peers, 2);
	assert_int_equal(d->fdb_entries, 256);
	assert_int_equal(d->n_mbufs, 4096);
	assert_int_equal(d->reassembly_mib, 1);
	assert_int_equal(c->policy.rekey_s, 5);
	assert_int_equal(c->policy.key_life_s, 10);
	assert_int_equal(c->dataplane.keepalive_s, 1);
	assert_int_equal(c->policy.intent_days, 1);
	assert_int_equal(c->policy.cipher, CONFIG_CIPHER_CHACHA20_POLY1305);
	config_free_gateway(c);
}

static void ports_keep_their_order_and_their_keys(void **)
{
	struct gateway_config *c =
		load_gateway("ports:\n"
			     "  - {name: lan0, role: lan, kind: af_xdp, interface: eth1, mode: "
			     "copy, queues: 4,\n"
			     "     mtu: 3400}\n"
			     "  - {name: lan1, role: lan, kind: tap, interface: tap0, mac: "
			     "\"02:00:00:00:00:0a\", super_frames: off}\n"
			     "  - {name: w0, role: wan, kind: dpdk, device: \"0000:03:00.0\", "
			     "interface: x0, mtu: 3000}\n"
			     "  - name: w1\n"
			     "    role: wan\n"
			     "    kind: dpdk\n"
			     "    device: net_memif0,role=client\n"
			     "    addresses: [192.0.2.2/24, \"2001:db8::2/64\"]\n"
			     "    gateway_mac: 02:00:00:00:00:01\n"
			     "    overlay_port: 4500\n"
			     "  - {name: w2, role: wan, kind: udp, interface: eth2, queues: 2}\n");
	const struct config_port *p = c->dataplane.ports;

	assert_int_equal(c->dataplane.n_ports, 5);
	assert_string_equal(p[0].name, "lan0");
	assert_int_equal(p[0].role, CONFIG_ROLE_LAN);
	assert_int_equal(p[0].kind, CONFIG_KIND_AF_XDP);
	assert_int_equal(p[0].mode, CONFIG_XDP_COPY);
	assert_int_equal(p[0].n_queues, 4);
	assert_int_equal(p[0].mtu, 3400);
	assert_int_equal(p[1].kind, CONFIG_KIND_TAP);
	assert_int_equal(p[1].super, CONFIG_SUPER_OFF);
	assert_true(p[1].has_mac);
	assert_memory_equal(p[1].mac, "\x02\0\0\0\0\x0a", 6);
	assert_int_equal(p[2].role, CONFIG_ROLE_WAN);
	assert_int_equal(p[2].kind, CONFIG_KIND_DPDK);
	assert_string_equal(p[2].device, "0000:03:00.0");
	assert_string_equal(p[2].interface, "x0");
	assert_int_equal(p[2].n_addresses, 0);
	assert_null(p[3].interface);
	assert_int_equal(p[3].n_addresses, 2);
	assert_int_equal(p[3].addresses[0].bits, 24);
	assert_int_equal(p[3].addresses[1].addr.family, 6);
	assert_true(p[3].has_gateway_mac);
	assert_int_equal(p[3].gateway_mac[5], 1);
	assert_int_equal(p[3].overlay_port, 4500);
	assert_int_equal(p[4].kind, CONFIG_KIND_UDP);
	assert_int_equal(p[4].n_queues, 2);
	assert_int_equal(p[4].overlay_port, 7667);
	assert_int_equal(p[2].source_ports, 1);
	assert_ptr_equal(config_port_by_name(&c->dataplane, "w1"), &p[3]);
	assert_null(config_port_by_name(&c->dataplane, "w3"));
	config_free_gateway(c);
}

static void segments_resolve_their_ports_and_stations(void **)
{
	struct gateway_config *c =
		load_gateway("segments:\n"
			     "  - id: 255\n"
			     "    name: office\n"
			     "    ports: [lan1, {port: lan0, vlan: 10}]\n"
			     "    vlan_aware: true\n"
			     "    ageing_s: 1\n"
			     "    mac_quota: 5\n"
			     "    bum_pps: 0\n"
			     "    guards: {dhcp: drop, stp: forward, loop: ignore}\n"
			     "    static:\n"
			     "      - {mac: 02:00:00:00:00:01, port: lan0, vlan: 7}\n"
			     "      - {mac: 02:00:00:00:00:01, port: lan1}\n"
			     "  - {id: 0, name: lab, ports: [{port: lan0, vlan: 11}, lan0]}\n"
			     "  - {id: 3, name: transit}\n");
	const struct config_segment *s = c->dataplane.segments;

	assert_int_equal(c->dataplane.n_segments, 3);
	assert_int_equal(s[0].id, 255);
	assert_int_equal(s[0].n_ports, 2);
	assert_int_equal(s[0].ports[0].port_idx, 1);
	assert_int_equal(s[0].ports[0].vlan, 0);
	assert_int_equal(s[0].ports[1].port_idx, 0);
	assert_int_equal(s[0].ports[1].vlan, 10);
	assert_true(s[0].vlan_aware);
	assert_int_equal(s[0].ageing_s, 1);
	assert_int_equal(s[0].mac_quota, 5);
	assert_int_equal(s[0].bum_pps, 0);
	assert_int_equal(s[0].guards.dhcp, CONFIG_GUARD_DROP);
	assert_int_equal(s[0].guards.ra, CONFIG_GUARD_AUTO);
	assert_int_equal(s[0].guards.stp, CONFIG_STP_FORWARD);
	assert_int_equal(s[0].guards.loop, CONFIG_LOOP_IGNORE);
	assert_int_equal(s[0].n_statics, 2);
	assert_string_equal(s[0].statics[0].port, "lan0");
	assert_int_equal(s[0].statics[0].port_idx, 0);
	assert_int_equal(s[0].statics[0].vlan, 7);
	assert_int_equal(s[0].statics[1].port_idx, 1);
	assert_int_equal(s[0].statics[1].vlan, 0);
	assert_int_equal(s[1].n_ports, 2);
	assert_int_equal(s[1].ports[1].vlan, 0);
	assert_int_equal(s[2].n_ports, 0);
	assert_ptr_equal(config_segment_by_id(&c->dataplane, 0), &s[1]);
	assert_ptr_equal(config_segment_by_name(&c->dataplane, "transit"), &s[2]);
	assert_null(config_segment_by_id(&c->dataplane, 9));
	assert_null(config_segment_by_name(&c->dataplane, "9"));
	config_free_gateway(c);
}

static void peers_resolve_their_segments(void **)
{
	struct gateway_config *c = load_gateway(
		"peers:\n"
		"  - name: site-b\n"
		"    segments: [lab, office]\n"
		"    intent: false\n"
		"    psk_file: /secret/psk\n"
		"    pin: 00000000000000000000000000000000000000000000000000000000000000fF\n"
		"    cipher: aes-256-gcm\n"
		"    addresses: [\"192.0.2.9:1\"]\n"
		"  - {name: site-c, segments: [office], psk_file: /secret/psk-hex}\n");
	const struct config_peer *p = c->peers;

	assert_int_equal(c->n_peers, 2);
	assert_int_equal(p[0].n_segments, 2);
	assert_string_equal(p[0].segments[0], "lab");
	assert_int_equal(p[0].segment_ids[0], 2);
	assert_int_equal(p[0].segment_ids[1], 1);
	assert_false(p[0].intent);
	assert_string_equal(p[0].psk_file, "/secret/psk");
	assert_true(p[0].has_pin);
	assert_int_equal(p[0].pin[0], 0);
	assert_int_equal(p[0].pin[31], 0xff);
	assert_int_equal(p[0].cipher, CONFIG_CIPHER_AES_256_GCM);
	expect_endpoint(&p[0].addresses[0], "192.0.2.9:1");
	assert_ptr_equal(config_peer_by_name(c, "site-c"), &p[1]);
	assert_null(config_peer_by_name(c, "site-d"));
	config_free_gateway(c);
}

static void a_gateway_without_peers_is_sound(void **)
{
	struct gateway_config *c = load_gateway("peers: []\n");

	assert_int_equal(c->n_peers, 0);
	config_free_gateway(c);
}

static void a_read_only_secret_is_closed_enough(void **)
{
	config_free_gateway(load_gateway("identity: {passphrase_file: /secret/readonly}\n"));
}

static bool env_user_postern(void *, const char *name)
{
	return strcmp(name, "postern") == 0;
}

static void the_account_postern_is_taken_where_it_exists(void **)
{
	struct config_env env = env_test;
	struct gateway_config *c = NULL;
	struct config_error err;
	size_t len = compose(gateway_base, "", text, sizeof(text));

	env.user_exists = env_user_postern;
	assert_int_equal(config_parse_gateway("x", text, len, &env, &c, &err), 0);
	assert_string_equal(c->dataplane.user, "postern");
	config_free_gateway(c);
}

static void an_environment_without_answers_skips_its_checks(void **)
{
	static const struct config_env none;
	struct gateway_config *c = NULL;
	struct config_error err;
	size_t len = compose(gateway_base,
		"dataplane: {workers: [900]}\nidentity: {passphrase_file: /secret/none}\n", text,
		sizeof(text));

	assert_int_equal(config_parse_gateway("x", text, len, &none, &c, &err), 0);
	assert_int_equal(c->dataplane.worker_cpus[0], 900);
	assert_int_equal(c->dataplane.main_cpu, 0);
	config_free_gateway(c);
}

static void json_is_yaml_too(void **)
{
	static const char json[] =
		"{\"gateway\": {\"name\": \"a\", \"network\": \"n\"},\n"
		" \"identity\": {\"key_credential\": \"k\"},\n"
		" \"ports\": [{\"name\": \"w\", \"role\": \"wan\", \"kind\": \"af_xdp\", "
		"\"interface\": \"e\"}],\n"
		" \"segments\": [{\"id\": 1, \"name\": \"s\", \"vlan_aware\": true}]}\n";
	struct gateway_config *c = NULL;
	struct config_error err;

	assert_int_equal(config_parse_gateway("x", json, strlen(json), &env_test, &c, &err), 0);
	assert_true(c->dataplane.segments[0].vlan_aware);
	config_free_gateway(c);
}

static void windows_line_ends_and_a_byte_order_mark_are_tolerated(void **)
{
	struct hub_config *h = load_hub("\xef\xbb\xbflimits:\r\n  gateways: 7\r\n  pending: 8\r\n");

	assert_int_equal(h->limits.gateways, 7);
	assert_int_equal(h->limits.pending, 8);
	config_free_hub(h);
}

static void the_data_plane_sees_its_sections_and_no_others(void **)
{
	// What would be refused in sections that are none of its business is not even looked at.
	size_t len = compose(gateway_base,
		"gateway: {name: a, network: n, run_dir: /r, user: gate}\n"
		"identity: {passphrase_file: /secret/none, nonsense: [1]}\n"
		"hub: 5\n"
		"peers: {x: y}\n"
		"policy: {keepalive_s: 3}\n",
		text, sizeof(text));
	struct dataplane_config *d = NULL;
	struct gateway_config *g = NULL;
	struct config_error err;

	assert_int_equal(config_parse_gateway("x", text, len, &env_test, &g, &err), -EINVAL);
	assert_int_equal(config_parse_dataplane("x", text, len, &env_test, &d, &err), 0);
	assert_string_equal(d->run_dir, "/r");
	assert_string_equal(d->user, "gate");
	assert_int_equal(d->n_ports, 3);
	assert_int_equal(d->n_segments, 2);
	assert_int_equal(d->keepalive_s, 3);
	config_free_dataplane(d);
	// Its own are checked as ever.
	len = compose(gateway_base, "dataplane: {workers: [9]}\n", text, sizeof(text));
	d = NULL;
	assert_int_equal(config_parse_dataplane("x", text, len, &env_test, &d, &err), -EINVAL);
	assert_null(d);
	len = compose(gateway_base, "polcy: {}\n", text, sizeof(text));
	assert_int_equal(config_parse_dataplane("x", text, len, &env_test, &d, &err), -EINVAL);
	assert_string_equal(err.hint, "did you mean 'policy'?");
}

static void a_hubs_keys_reach_their_fields(void **)
{
	struct hub_config *h = load_hub("");

	assert_string_equal(h->path, "hub.yaml");
	assert_string_equal(h->state_dir, "/var/lib/postern-hub");
	assert_string_equal(h->run_dir, "/run/postern-hub");
	assert_null(h->user);
	assert_int_equal(h->n_listen, 1);
	expect_endpoint(&h->listen[0], "192.0.2.1:7667");
	assert_int_equal(h->udp2_port, 0);
	assert_int_equal(h->n_advertise, 0);
	assert_int_equal(h->silence, CONFIG_SILENCE_NFT);
	assert_int_equal(h->authority.leaf_days, 90);
	assert_int_equal(h->authority.token_hours, 24);
	assert_int_equal(h->authority.argon2_mib, 64);
	assert_int_equal(h->authority.argon2_passes, 3);
	assert_int_equal(h->limits.gateways, 4096);
	assert_int_equal(h->limits.pending, 64);
	assert_int_equal(h->limits.intents_per_gateway, 1024);
	config_free_hub(h);
	h = load_hub(
		"hub: {name: h, network: n, listen: [\"0.0.0.0:1\", \"[::]:1\"], udp2_port: 2,\n"
		"  advertise: [203.0.113.1], silence: \"off\", state_dir: /s, run_dir: /r, user: "
		"gate}\n"
		"authority: {key_credential: k, argon2_mib: 9, argon2_passes: 2, leaf_days: 1,\n"
		"  token_hours: 4}\n"
		"limits: {gateways: 1, pending: 2, intents_per_gateway: 3}\n");
	assert_string_equal(h->name, "h");
	assert_string_equal(h->network, "n");
	assert_int_equal(h->n_listen, 2);
	expect_endpoint(&h->listen[1], "[::]:1");
	expect_endpoint(&h->advertise[0], "203.0.113.1:7667");
	assert_int_equal(h->udp2_port, 2);
	assert_int_equal(h->silence, CONFIG_SILENCE_OFF);
	assert_string_equal(h->state_dir, "/s");
	assert_string_equal(h->run_dir, "/r");
	assert_string_equal(h->user, "gate");
	assert_string_equal(h->authority.key_credential, "k");
	assert_int_equal(h->authority.argon2_mib, 9);
	assert_int_equal(h->authority.argon2_passes, 2);
	assert_int_equal(h->authority.leaf_days, 1);
	assert_int_equal(h->authority.token_hours, 4);
	assert_int_equal(h->limits.gateways, 1);
	assert_int_equal(h->limits.pending, 2);
	assert_int_equal(h->limits.intents_per_gateway, 3);
	config_free_hub(h);
}

static void freeing_nothing_is_allowed(void **)
{
	config_free_gateway(NULL);
	config_free_dataplane(NULL);
	config_free_hub(NULL);
}

static int env_any_secret(void *, const char *path, uint32_t *ret_mode, uint64_t *ret_bytes)
{
	*ret_mode = S_IFREG | 0600;
	*ret_bytes = strstr(path, "psk") != NULL ? 32 : 20;
	return 0;
}

static bool env_any_user(void *, const char *)
{
	return true;
}

static const struct config_env env_any = {
	.cpu_exists = env_cpu_exists,
	.cpu_allowed = env_cpu_exists,
	.stat_secret = env_any_secret,
	.user_exists = env_any_user,
};

static size_t read_example(const char *name)
{
	char path[512];
	size_t len;
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", getenv("POSTERN_EXAMPLES"), name);
	in = fopen(path, "r");
	assert_non_null(in);
	len = fread(text, 1, sizeof(text) - 1, in);
	text[len] = '\0';
	fclose(in);
	return len;
}

static void expect_gateway_example(const char *name)
{
	size_t len = read_example(name);
	struct gateway_config *g = NULL;
	struct dataplane_config *d = NULL;
	struct config_error err;

	if (config_parse_gateway(name, text, len, &env_any, &g, &err) < 0 ||
		config_parse_dataplane(name, text, len, &env_any, &d, &err) < 0) {
		config_error_print(stderr, &err);
		fail();
	}
	config_free_gateway(g);
	config_free_dataplane(d);
}

static void the_gateway_examples_load(void **)
{
	expect_gateway_example("gateway.example.yaml");
	expect_gateway_example("gateway-cloud.example.yaml");
}

static void the_hub_example_loads(void **)
{
	size_t len = read_example("hub.example.yaml");
	struct hub_config *h = NULL;
	struct config_error err;

	if (config_parse_hub("hub.example.yaml", text, len, &env_any, &h, &err) < 0) {
		config_error_print(stderr, &err);
		fail();
	}
	config_free_hub(h);
}

static bool word_in(const char *haystack, const char *key)
{
	size_t len = strlen(key);

	for (const char *p = strstr(haystack, key); p != NULL; p = strstr(p + 1, key)) {
		bool starts = p == haystack || strchr(" {\n", p[-1]) != NULL;

		if (starts && p[len] == ':')
			return true;
	}
	return false;
}

static void expect_every_key(const struct config_schema *s)
{
	for (unsigned i = 0; i < s->n_keys; i++) {
		const struct config_key *k = &s->keys[i];

		if (!word_in(text, k->name))
			fail_msg("the example does not show '%s'", k->name);
		if (k->sub != NULL)
			expect_every_key(k->sub);
		if (k->item != NULL && k->item->sub != NULL)
			expect_every_key(k->item->sub);
	}
}

static void the_examples_show_every_key(void **)
{
	read_example("hub.example.yaml");
	expect_every_key(&config_hub_schema);
	read_example("gateway.example.yaml");
	expect_every_key(&config_gateway_schema);
}

// How many keys of this name have a default, and how many of those have this one.
static void count_defaults(const struct config_schema *s, const char *key, const char *value,
	unsigned *n, unsigned *n_same)
{
	for (unsigned i = 0; i < s->n_keys; i++) {
		const struct config_key *k = &s->keys[i];

		if (strcmp(k->name, key) == 0 && k->dflt != NULL) {
			(*n)++;
			*n_same += strcmp(k->dflt, value) == 0;
		}
		if (k->sub != NULL)
			count_defaults(k->sub, key, value, n, n_same);
		if (k->item != NULL && k->item->sub != NULL)
			count_defaults(k->item->sub, key, value, n, n_same);
	}
}

static unsigned check_commented_defaults(const struct config_schema *schema)
{
	unsigned n_checked = 0;

	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		char key[64], value[64];
		unsigned n = 0, n_same = 0;

		if (sscanf(line, " #%*[ ]%63[a-z0-9_]: %63s", key, value) != 2)
			continue;
		count_defaults(schema, key, value, &n, &n_same);
		if (n > 0 && n_same == 0)
			fail_msg("'%s' is not the default of %s", value, key);
		n_checked += n > 0;
	}
	return n_checked;
}

static void what_the_examples_comment_out_is_the_default(void **)
{
	read_example("gateway.example.yaml");
	assert_true(check_commented_defaults(&config_gateway_schema) >= 20);
	read_example("hub.example.yaml");
	assert_true(check_commented_defaults(&config_hub_schema) >= 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_fill_what_the_file_leaves_out),
		cmocka_unit_test(every_section_reaches_its_fields),
		cmocka_unit_test(ports_keep_their_order_and_their_keys),
		cmocka_unit_test(segments_resolve_their_ports_and_stations),
		cmocka_unit_test(peers_resolve_their_segments),
		cmocka_unit_test(a_gateway_without_peers_is_sound),
		cmocka_unit_test(a_read_only_secret_is_closed_enough),
		cmocka_unit_test(the_account_postern_is_taken_where_it_exists),
		cmocka_unit_test(an_environment_without_answers_skips_its_checks),
		cmocka_unit_test(json_is_yaml_too),
		cmocka_unit_test(windows_line_ends_and_a_byte_order_mark_are_tolerated),
		cmocka_unit_test(the_data_plane_sees_its_sections_and_no_others),
		cmocka_unit_test(a_hubs_keys_reach_their_fields),
		cmocka_unit_test(freeing_nothing_is_allowed),
		cmocka_unit_test(the_gateway_examples_load),
		cmocka_unit_test(the_hub_example_loads),
		cmocka_unit_test(the_examples_show_every_key),
		cmocka_unit_test(what_the_examples_comment_out_is_the_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
