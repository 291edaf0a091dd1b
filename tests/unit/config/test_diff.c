// SPDX-License-Identifier: BSD-3-Clause
//
// What a reload finds changed, and who must restart for it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/diff.h"
#include "tests/unit/config/compose.h"
#include "tests/unit/config/env.h"

static char text[65536];

static struct gateway_config *load(const char *lines)
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

struct change {
	const char *name;
	const char *old, *new; // lines of the file
	enum config_restart restart;
	const char *wanted; // the changes, in order
};

#define PEER_B "{name: site-b, segments: [office]}"
#define PEER_C "{name: site-c, segments: [lab]}"
#define LAN0   "  - {name: lan0, role: lan, kind: af_xdp, interface: eth1}\n"
#define LAN1   "  - {name: lan1, role: lan, kind: tap, interface: tap0}\n"
#define WAN0   "  - {name: wan0, role: wan, kind: af_xdp, interface: eth0}\n"
#define OFFICE "  - {id: 1, name: office, ports: [lan0]}\n"
#define LAB    "  - {id: 2, name: lab, ports: [lan1]}\n"

static const struct change changes[] = {
	{"the same file changes nothing", "", "", 0, ""},
	{"defaults written out change nothing", "policy: {}\n",
		"policy: {rekey_s: 120, cipher: auto}\n", 0, ""},
	{"peers in another order change nothing", "peers: [" PEER_B ", " PEER_C "]\n",
		"peers: [" PEER_C ", " PEER_B "]\n", 0, ""},
	{"segments in another order change nothing", "segments:\n" OFFICE LAB,
		"segments:\n" LAB OFFICE, 0, ""},
	{"a peer is added live", "", "peers: [" PEER_B ", " PEER_C "]\n", 0, "peers[site-c] added"},
	{"a peer is removed live", "", "peers: []\n", 0, "peers[site-b] removed"},
	{"a peer's keys change live", "",
		"peers: [{name: site-b, segments: [office, lab], cipher: aes-256-gcm, intent: "
		"false,\n"
		" addresses: [192.0.2.1], psk_file: /secret/psk,\n"
		" pin: 0000000000000000000000000000000000000000000000000000000000000000}]\n",
		0,
		"peers[site-b].segments changed, peers[site-b].intent changed, "
		"peers[site-b].psk_file changed, peers[site-b].pin changed, "
		"peers[site-b].cipher changed, peers[site-b].addresses changed"},
	{"a pin of zeros differs from no pin", "",
		"peers: [{name: site-b, segments: [office],\n"
		" pin: 0000000000000000000000000000000000000000000000000000000000000000}]\n",
		0, "peers[site-b].pin changed"},
	{"another port of the same address is a change",
		"peers: [{name: site-b, segments: [office], addresses: [\"192.0.2.1:1\"]}]\n",
		"peers: [{name: site-b, segments: [office], addresses: [\"192.0.2.1:2\"]}]\n", 0,
		"peers[site-b].addresses changed"},
	{"the same address written otherwise is none",
		"peers: [{name: site-b, segments: [office], addresses: [\"192.0.2.1:7667\"]}]\n",
		"peers: [{name: site-b, segments: [office], addresses: [192.0.2.1]}]\n", 0, ""},
	{"timers change live", "", "policy: {rekey_s: 60, key_life_s: 300}\n", 0,
		"policy.rekey_s changed, policy.key_life_s changed"},
	{"a segment's rules restart the data-plane", "",
		"segments:\n  - {id: 1, name: office, ports: [lan0], ageing_s: 9,\n"
		"     static: [{mac: 02:00:00:00:00:01, port: lan0}]}\n" LAB,
		CONFIG_RESTART_DATAPLANE,
		"segments[office].ageing_s changed, segments[office].static changed"},
	{"and so do its guards", "",
		"segments:\n  - {id: 1, name: office, ports: [lan0], guards: {ra: drop}}\n" LAB,
		CONFIG_RESTART_DATAPLANE, "segments[office].guards.ra changed"},
	{"a port's VLAN in a segment is a change of its ports", "",
		"segments:\n  - {id: 1, name: office, ports: [{port: lan0, vlan: 5}]}\n" LAB,
		CONFIG_RESTART_DATAPLANE, "segments[office].ports changed"},
	{"a new segment restarts the data-plane", "",
		"segments:\n" OFFICE LAB "  - {id: 3, name: dmz}\n", CONFIG_RESTART_DATAPLANE,
		"segments[dmz] added"},
	{"a peer's quota changes live", "",
		"segments:\n  - {id: 1, name: office, ports: [lan0], mac_quota: 9}\n" LAB, 0,
		"segments[office].mac_quota changed"},
	{"a new worker restarts the data-plane", "", "dataplane: {workers: [1, 2], main_cpu: 0}\n",
		CONFIG_RESTART_DATAPLANE, "dataplane.workers changed"},
	{"polling restarts the data-plane", "",
		"dataplane: {workers: [1], main_cpu: 0, polling: busy}\n", CONFIG_RESTART_DATAPLANE,
		"dataplane.polling changed"},
	{"a new name restarts control", "", "gateway: {name: site-z, network: example}\n",
		CONFIG_RESTART_CONTROL, "gateway.name changed"},
	{"another key source restarts control", "", "identity: {key_credential: k}\n",
		CONFIG_RESTART_CONTROL,
		"identity.passphrase_file changed, identity.key_credential changed"},
	{"another hub restarts control", "", "hub: {name: hub, addresses: [192.0.2.1]}\n",
		CONFIG_RESTART_CONTROL, "hub.name changed, hub.addresses changed"},
	{"another run directory restarts both", "",
		"gateway: {name: site-a, network: example, run_dir: /run/other}\n",
		CONFIG_RESTART_BOTH, "gateway.run_dir changed"},
	{"another interface restarts both", "",
		"ports:\n" LAN0 LAN1 "  - {name: wan0, role: wan, kind: af_xdp, interface: eth9}\n",
		CONFIG_RESTART_BOTH, "ports[wan0].interface changed"},
	{"a new port restarts both", "",
		"ports:\n" LAN0 LAN1 WAN0
		"  - {name: wan1, role: wan, kind: af_xdp, interface: eth2}\n",
		CONFIG_RESTART_BOTH, "ports[wan1] added"},
	{"ports in another order restart both, as their indexes move", "",
		"ports:\n" LAN1 LAN0 WAN0, CONFIG_RESTART_BOTH, "ports changed"},
	{"live and other changes are told apart", "",
		"policy: {rekey_s: 60}\ndataplane: {workers: [2], main_cpu: 0}\n",
		CONFIG_RESTART_DATAPLANE, "dataplane.workers changed, policy.rekey_s changed"},
};

static void check_change(void **state)
{
	const struct change *c = *state;
	struct gateway_config *old = load(c->old), *new = load(c->new);
	struct config_diff diff;
	char all[2048] = "", one[256];
	bool live = false;

	config_diff_gateway(old, new, &diff);
	for (unsigned i = 0; i < diff.n_changes; i++) {
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i > 0 ? ", " : "",
			config_change_format(&diff.changes[i], one, sizeof(one)));
		live = live || diff.changes[i].restart == CONFIG_RELOAD_LIVE;
	}
	assert_string_equal(all, c->wanted);
	assert_int_equal(diff.restart, c->restart);
	assert_int_equal(diff.live, live);
	config_free_gateway(old);
	config_free_gateway(new);
}

static void more_changes_than_fit_are_counted(void **)
{
	char lines[8192] = "peers:\n";
	struct gateway_config *old = load("dataplane: {max_peers: 200}\npeers: []\n"), *new;
	struct config_diff diff;

	for (unsigned i = 0; i < 100; i++)
		snprintf(lines + strlen(lines), sizeof(lines) - strlen(lines),
			"  - {name: p%u, segments: [lab]}\n", i);
	strcat(lines, "dataplane: {max_peers: 200}\n");
	new = load(lines);
	config_diff_gateway(old, new, &diff);
	assert_int_equal(diff.n_changes, 100);
	assert_string_equal(diff.changes[CONFIG_DIFF_MAX - 1].key, "peers[p63]");
	assert_true(diff.live);
	assert_int_equal(diff.restart, 0);
	config_free_gateway(old);
	config_free_gateway(new);
}

int main(void)
{
	enum { N = sizeof(changes) / sizeof(changes[0]) };
	struct CMUnitTest tests[N + 1];

	for (unsigned i = 0; i < N; i++)
		tests[i] = (struct CMUnitTest){.name = changes[i].name,
			.test_func = check_change,
			.initial_state = (void *)&changes[i]};
	tests[N] = (struct CMUnitTest)cmocka_unit_test(more_changes_than_fit_are_counted);
	return cmocka_run_group_tests_name("what a reload finds changed", tests, NULL, NULL);
}
