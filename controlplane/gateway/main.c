// SPDX-License-Identifier: BSD-3-Clause
//
// postern-control: everything slow and everything about identity of one gateway.
#include <argp.h>
#include <stdio.h>
#include <sodium.h>

#include "config/gateway.h"
#include "config/log.h"
#include "controlplane/gateway/control.h"
#include "version.h"

#define CONFIG_DEFAULT "/etc/postern/gateway.yaml"

const char *argp_program_version = "postern-control " POSTERN_VERSION;

static const struct argp_option options[] = {
	{"config", 'c', "FILE", 0, "configuration (" CONFIG_DEFAULT ")", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	const char **path = state->input;

	switch (key) {
	case 'c':
		*path = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "there is no use for \"%s\" here", arg);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.doc = "The control process of a Postern gateway: identity, intents, handshakes, policy "
	       "and the "
	       "local API. It runs beside postern-dataplane and starts postern-signer.\v"
	       "SIGHUP reloads the configuration; POSTERN_LOG=debug says more.",
};

int main(int argc, char **argv)
{
	const char *path = CONFIG_DEFAULT;
	struct gateway_config *config;
	struct config_error err;

	log_init();
	argp_parse(&argp, argc, argv, 0, NULL, &path);
	if (sodium_init() < 0) {
		log_error("libsodium does not start");
		return 1;
	}
	if (config_load_gateway(path, &config, &err) < 0) {
		config_error_print(stderr, &err);
		return 1;
	}
	return control_run(path, config);
}
