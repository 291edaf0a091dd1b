// SPDX-License-Identifier: BSD-3-Clause
#include "tools/postern/cli.h"

#include <stdio.h>
#include <string.h>

#include "config/gateway.h"
#include "config/hub.h"

struct input {
	const char *file;
	bool hub;
};

static const struct argp_option own_options[] = {
	{"hub", 'H', NULL, 0, "it is a hub's file (default: a gateway's)"},
	{},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct input *in = state->input;

	switch (key) {
	case 'H':
		in->hub = true;
		return 0;
	case ARGP_KEY_ARG:
		return options_one_arg(state, &in->file, arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = own_options,
	.parser = parse,
	.args_doc = "[FILE]",
	.doc = "Check a configuration file against the schema and this machine, without using it. "
	       "The "
	       "first mistake is shown with its file, line, column and the nearest valid key.\v"
	       "Exit status: 0 the file holds, 4 it does not.\n\n"
	       "Examples:\n"
	       "  postern check-config /etc/postern/gateway.yaml\n"
	       "  postern check-config --hub hub.yaml\n",
};

int cmd_check_config(int argc, char **argv)
{
	struct options o = {};
	struct input in = {};
	struct gateway_config *gateway;
	struct hub_config *hub;
	struct config_error err;
	const char *path;
	json_t *r;
	int ret;

	options_parse(&argp, argc, argv, &in, &o);
	if (in.file != NULL)
		o.config = in.file;
	path = options_config_path(&o, in.hub ? DAEMON_HUB : DAEMON_GATEWAY);
	if (in.hub)
		ret = config_load_hub(path, &hub, &err);
	else
		ret = config_load_gateway(path, &gateway, &err);
	if (ret < 0)
		return report_config_error(&o, &err);
	if (in.hub) {
		r = json_pack("{s:s, s:s, s:s, s:s}", "file", path, "kind", "hub", "name",
			hub->name, "network", hub->network);
		config_free_hub(hub);
	} else {
		r = json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:i}", "file", path, "kind",
			"gateway", "name", gateway->name, "network", gateway->network, "ports",
			(int)gateway->dataplane.n_ports, "segments",
			(int)gateway->dataplane.n_segments, "peers", (int)gateway->n_peers);
		config_free_gateway(gateway);
	}
	if (o.json)
		return report_json(r);
	printf("%s holds: %s %s in network %s\n", path, member_text(r, "kind", ""),
		member_text(r, "name", "?"), member_text(r, "network", "?"));
	json_decref(r);
	return EXIT_OK;
}
