// SPDX-License-Identifier: BSD-3-Clause
//
// The commands that are one request and one sentence: rekey, reload, version.
#include "tools/postern/cli.h"

#include <stdio.h>
#include <string.h>

#include "version.h"

static error_t parse_peer(int key, char *arg, struct argp_state *state)
{
	const char **peer = state->input;

	if (key == ARGP_KEY_ARG)
		return options_one_arg(state, peer, arg);
	if (key == ARGP_KEY_END && *peer == NULL)
		argp_error(state, "which peer?");
	return key == ARGP_KEY_END ? 0 : ARGP_ERR_UNKNOWN;
}

static const struct argp rekey_argp = {
	.parser = parse_peer,
	.args_doc = "PEER",
	.doc = "Make fresh keys with a peer now, instead of when they are due. No frame is lost.\v"
	       "Examples:\n"
	       "  postern rekey site-b.example\n",
};

static const struct argp reload_argp = {
	.doc = "Read the configuration file again and apply what changed. If anything in it is "
	       "wrong, "
	       "nothing is applied and the old one stays.\v"
	       "Examples:\n"
	       "  postern check-config && postern reload\n",
};

static const struct argp version_argp = {
	.doc = "Show the version of this program and, where one runs, of the daemon.\v"
	       "Examples:\n"
	       "  postern version\n"
	       "  postern version --json\n",
};

int cmd_rekey(int argc, char **argv)
{
	const char *peer = NULL;
	struct options o = {};
	json_t *r;
	int ret;

	options_parse(&rekey_argp, argc, argv, &peer, &o);
	r = client_call(&o, DAEMON_GATEWAY, "rekey", json_pack("{s:s}", "peer", peer), &ret);
	if (r == NULL)
		return ret;
	if (o.json)
		return report_json(r);
	printf("Rekeying with %s has begun; its key age starts again: postern peers %s\n", peer,
		peer);
	json_decref(r);
	return EXIT_OK;
}

int cmd_reload(int argc, char **argv)
{
	struct options o = {};
	char list[512];
	json_t *r;
	int ret;

	options_parse(&reload_argp, argc, argv, NULL, &o);
	r = client_call(&o, DAEMON_GATEWAY, "reload", NULL, &ret);
	if (r == NULL)
		return ret;
	if (o.json)
		return report_json(r);
	puts("The configuration was read again and holds.");
	if (json_array_size(json_object_get(r, "needs_restart")) > 0)
		printf("Only after a restart: %s\n",
			member_list(list, sizeof(list), r, "needs_restart"));
	json_decref(r);
	return EXIT_OK;
}

int cmd_version(int argc, char **argv)
{
	// A daemon that does not run is no error here, so its report goes nowhere.
	struct options o = {};
	json_t *r = NULL;
	int ret;

	options_parse(&version_argp, argc, argv, NULL, &o);
	if (o.config != NULL || o.socket != NULL) {
		r = client_call(&o, DAEMON_GATEWAY, "version", NULL, &ret);
		if (r == NULL)
			return ret;
	}
	if (o.json)
		return report_json(
			json_pack("{s:s, s:o*}", "postern", POSTERN_VERSION, "daemon", r));
	printf("postern %s\n", POSTERN_VERSION);
	if (r != NULL)
		printf("postern-control %s\n",
			member_text(r, "version", json_is_string(r) ? json_string_value(r) : "?"));
	json_decref(r);
	return EXIT_OK;
}
