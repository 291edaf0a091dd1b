// SPDX-License-Identifier: BSD-3-Clause
//
// postern-control: everything slow and everything about identity of one gateway.
#include <argp.h>
#include <stdio.h>
#include <string.h>
#include <sodium.h>
#include <sys/stat.h>

#include "config/gateway.h"
#include "config/log.h"
#include "controlplane/gateway/control.h"
#include "sandbox/crash.h"
#include "sandbox/sandbox.h"
#include "version.h"

#define CONFIG_DEFAULT "/etc/postern/gateway.yaml"

const char *argp_program_version = "postern-control " POSTERN_VERSION;

struct options {
	const char *config;
	const char *silence; // "on", "off", or NULL: run
};

static const struct argp_option options[] = {
	{"config", 'c', "FILE", 0, "configuration (" CONFIG_DEFAULT ")", 0},
	{"silence", 's', "on|off", 0,
		"only put the nft table in place that keeps the kernel from answering for the "
		"overlay port, or take it away, and end",
		0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'c':
		o->config = arg;
		return 0;
	case 's':
		if (strcmp(arg, "on") != 0 && strcmp(arg, "off") != 0)
			argp_error(state, "--silence is on or off, not \"%s\"", arg);
		o->silence = arg;
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
	       "SIGHUP reloads the configuration; POSTERN_LOG=debug says more. The nft table of "
	       "--silence is also put in place at every start, and stays when control ends.",
};

static int silence(struct gateway_config *config, bool on)
{
	int err = on ? silence_hold(config, silence_by_config(config)) : silence_release(config);

	config_free_gateway(config);
	return err < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct options o = {.config = CONFIG_DEFAULT};
	struct gateway_config *config;
	struct config_error err;

	log_init();
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (sandbox_begin() < 0 || sodium_init() < 0) {
		log_error("prctl or libsodium does not work here");
		return 1;
	}
	if (config_load_gateway(o.config, &config, &err) < 0) {
		config_error_print(stderr, &err);
		return 1;
	}
	if (o.silence != NULL)
		return silence(config, strcmp(o.silence, "on") == 0);
	mkdir(config->dataplane.run_dir, 0755);
	crash_init("postern-control", config->dataplane.run_dir);
	return control_run(o.config, config);
}
