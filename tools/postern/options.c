// SPDX-License-Identifier: BSD-3-Clause
#include "tools/postern/cli.h"

#include <stdlib.h>

#define GATEWAY_CONFIG "/etc/postern/gateway.yaml"
#define HUB_CONFIG     "/etc/postern/hub.yaml"

static const struct argp_option common_options[] = {
	{"config", 'c', "FILE", 0,
		"configuration file (default: $POSTERN_CONFIG, else " GATEWAY_CONFIG
		", or " HUB_CONFIG " for the hub commands)",
		10},
	{"socket", 's', "PATH", 0, "the daemon's API socket, instead of the one in its run_dir",
		10},
	{"json", 'j', NULL, 0, "print JSON, errors included", 10},
	{NULL, 'h', NULL, OPTION_HIDDEN, NULL, -1},
	{},
};

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'c':
		o->config = arg;
		return 0;
	case 's':
		o->socket = arg;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case 'h':
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp options_argp = {.options = common_options, .parser = parse_common};

// argp hands one input to the top parser and wants it to pass others on to the children, at
// ARGP_KEY_INIT; this parser on top does that, so that no command has to.
struct parse_input {
	void *own;
	struct options *common;
};

static error_t parse_top(int key, char *, struct argp_state *state)
{
	struct parse_input *in = state->input;

	if (key != ARGP_KEY_INIT)
		return ARGP_ERR_UNKNOWN;
	state->child_inputs[0] = in->own;
	state->child_inputs[1] = in->common;
	return 0;
}

static error_t parse_nothing(int key, char *arg, struct argp_state *state)
{
	if (key == ARGP_KEY_ARG)
		argp_error(state, "there is no use for \"%s\" here", arg);
	return ARGP_ERR_UNKNOWN;
}

void options_parse(
	const struct argp *argp, int argc, char **argv, void *input, struct options *common)
{
	struct argp own = {
		.options = argp->options,
		.parser = argp->parser != NULL ? argp->parser : parse_nothing,
	};
	struct argp_child children[] = {{&own, 0, NULL, 0}, {&options_argp, 0, NULL, 0}, {}};
	struct argp top = {
		.parser = parse_top,
		.args_doc = argp->args_doc,
		.doc = argp->doc,
		.children = children,
	};
	struct parse_input in = {input, common};

	argp_parse(&top, argc, argv, 0, NULL, &in);
}

error_t options_one_arg(struct argp_state *state, const char **ret_arg, const char *arg)
{
	if (*ret_arg != NULL)
		argp_error(state, "one argument is enough: \"%s\" is too many", arg);
	*ret_arg = arg;
	return 0;
}

const char *options_config_path(const struct options *o, enum daemon d)
{
	const char *env = getenv("POSTERN_CONFIG");

	if (o->config != NULL)
		return o->config;
	if (env != NULL && env[0] != '\0')
		return env;
	return d == DAEMON_HUB ? HUB_CONFIG : GATEWAY_CONFIG;
}
