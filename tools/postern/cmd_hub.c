// SPDX-License-Identifier: BSD-3-Clause
//
// The commands for a hub: init, token, gateways, revoke, status.
#include "tools/postern/cli.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- hub init: the authority's keys never pass through the API, so postern-hub itself makes them.

static const struct argp init_argp = {
	.doc = "Make a working hub from nothing, as the configuration says: root and issuing key, "
	       "the hub's "
	       "own certificate and an empty store.\v"
	       "The root key is needed again only to make a new issuing key: docs/operator.md "
	       "tells how "
	       "to take it off this machine.\n\n"
	       "Examples:\n"
	       "  postern hub init -c /etc/postern/hub.yaml\n",
};

// Becomes `program`; returns only when that cannot be started.
static void run_init(const char *program, const char *config, bool json)
{
	execlp(program, "postern-hub", "init", "-c", config, json ? "--json" : NULL, NULL);
}

int cmd_hub_init(int argc, char **argv)
{
	char self[PATH_MAX], program[PATH_MAX + 64];
	struct options o = {};
	const char *path;
	ssize_t n;

	options_parse(&init_argp, argc, argv, NULL, &o);
	path = options_config_path(&o, DAEMON_HUB);
	// The one of the same installation or build tree before whatever PATH has.
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n > 0) {
		static const char *const places[] = {"", "/../controlplane/hub"};
		const char *dir;

		self[n] = '\0';
		dir = dirname(self);
		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
			snprintf(program, sizeof(program), "%s%s/postern-hub", dir, places[i]);
			run_init(program, path, o.json);
		}
	}
	run_init("postern-hub", path, o.json);
	return report_errorf(&o, EXIT_FAILED, "no-program",
		"Install it beside this program, or put its directory into PATH.",
		"postern-hub cannot be started: %s.", strerror(errno));
}

// ---- hub token

struct token_input {
	const char *name;
	double hours;
	long uses;
	bool list;
	const char *drop;
};

static const struct argp_option token_options[] = {
	{"uses", 'u', "N", 0, "how many gateways may enrol with it (1)"},
	{"hours", 'H', "HOURS", 0,
		"how long it is good for (default: the configuration's token_hours)"},
	{"drop", 'd', "ID", 0, "make the token with this ID (see --list) worthless"},
	{"list", 'l', NULL, 0,
		"list the tokens instead of making one; their secrets are not shown"},
	{},
};

static error_t parse_token(int key, char *arg, struct argp_state *state)
{
	struct token_input *in = state->input;
	char *end = NULL;

	switch (key) {
	case 'u':
		in->uses = strtol(arg, &end, 10);
		if (*end != '\0' || end == arg || in->uses < 1)
			argp_error(state, "--uses takes a number from 1, not \"%s\"", arg);
		return 0;
	case 'H':
		in->hours = strtod(arg, &end);
		if (*end != '\0' || end == arg || in->hours <= 0)
			argp_error(state, "--hours takes a number above 0, not \"%s\"", arg);
		return 0;
	case 'd':
		in->drop = arg;
		return 0;
	case 'l':
		in->list = true;
		return 0;
	case ARGP_KEY_ARG:
		return options_one_arg(state, &in->name, arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp token_argp = {
	.options = token_options,
	.parser = parse_token,
	.args_doc = "[NAME]",
	.doc = "Make a token with which a gateway can enrol: for one name, or without NAME for any "
	       "name of "
	       "the network. It is printed once and is a secret: hand it over as you would a "
	       "password.\v"
	       "Examples:\n"
	       "  postern hub token site-a.example\n"
	       "  postern hub token --uses 20 --hours 4\n"
	       "  postern hub token --list\n",
};

static void print_tokens(const json_t *rows)
{
	struct table *t = table_create("ID|FOR|STATE|>USES LEFT|EXPIRES|NOTE");
	const json_t *row;
	char buf[TEXT_MAX];
	size_t i;

	json_array_foreach (rows, i, row) {
		table_cell(t, "%s", member_text(row, "id", "?"));
		table_cell(t, "%s", member_text(row, "name", "(any)"));
		table_cell_state(t, member_text(row, "state", "-"));
		table_cell(t, "%.0f", member_number(row, "uses_left", 0));
		table_cell(t, "%s", text_time(buf, (int64_t)member_number(row, "expires", 0)));
		table_cell(t, "%s", member_text(row, "note", ""));
	}
	table_print(t, "No tokens. Make one: postern hub token NAME");
}

static void print_token(const struct token_input *in, const json_t *r)
{
	char buf[TEXT_MAX];

	// The token alone goes to stdout, so that it can be captured or piped.
	puts(member_text(r, "token", ""));
	fflush(stdout);
	fprintf(stderr, "For %s, %ld use%s, until %s.  On the gateway: postern enrol TOKEN\n",
		in->name != NULL ? in->name : "any name of the network", in->uses,
		in->uses == 1 ? "" : "s", text_time(buf, (int64_t)member_number(r, "expires", 0)));
}

int cmd_hub_token(int argc, char **argv)
{
	struct token_input in = {.uses = 1};
	const char *method = "token.create";
	struct options o = {};
	json_t *r, *params;
	int ret;

	options_parse(&token_argp, argc, argv, &in, &o);
	params = json_object();
	if (in.list) {
		method = "token.list";
	} else if (in.drop != NULL) {
		method = "token.drop";
		json_object_set_new(params, "id", json_string(in.drop));
	} else {
		json_object_set_new(params, "uses", json_integer(in.uses));
		if (in.name != NULL)
			json_object_set_new(params, "name", json_string(in.name));
		if (in.hours > 0)
			json_object_set_new(
				params, "seconds", json_integer((json_int_t)(in.hours * 3600)));
	}
	r = client_call(&o, DAEMON_HUB, method, params, &ret);
	if (r == NULL)
		return ret;
	if (o.json)
		return report_json(r);
	if (in.list)
		print_tokens(r);
	else if (in.drop != NULL)
		printf("The token %s is worthless now.\n", in.drop);
	else
		print_token(&in, r);
	json_decref(r);
	return EXIT_OK;
}

// ---- hub gateways, hub status

static const struct argp gateways_argp = {
	.doc = "Show who has enrolled, whose certificate ends when, and who is connected from "
	       "where.\v"
	       "Examples:\n"
	       "  postern hub gateways\n"
	       "  postern hub gateways --json | jq -r '.[] | select(.connected).name'\n",
};

static const struct argp status_argp = {
	.doc = "Show how this hub is doing.\v"
	       "Examples:\n"
	       "  postern hub status\n"
	       "  postern hub status --json\n",
};

int cmd_hub_gateways(int argc, char **argv)
{
	struct options o = {};
	const json_t *row;
	char buf[TEXT_MAX];
	struct table *t;
	json_t *rows;
	size_t i;
	int ret;

	options_parse(&gateways_argp, argc, argv, NULL, &o);
	rows = client_call(&o, DAEMON_HUB, "gateways", NULL, &ret);
	if (rows == NULL)
		return ret;
	if (o.json)
		return report_json(rows);
	t = table_create("GATEWAY|STATE|ADDRESS|>INTENTS|CERTIFICATE UNTIL|SERIAL");
	json_array_foreach (rows, i, row) {
		table_cell(t, "%s", member_text(row, "name", "?"));
		table_cell_state(t, member_bool(row, "revoked")     ? "revoked"
				    : member_bool(row, "connected") ? "connected"
								    : "away");
		table_cell(t, "%s",
			member_text(row, "observed_addr", member_text(row, "address", "-")));
		table_cell(t, "%.0f", member_number(row, "intents", 0));
		table_cell(t, "%s", text_time(buf, (int64_t)member_number(row, "not_after", 0)));
		table_cell(t, "%s", member_text(row, "serial", "-"));
	}
	table_print(t, "No gateway has enrolled yet. Make a token: postern hub token NAME");
	json_decref(rows);
	return EXIT_OK;
}

int cmd_hub_status(int argc, char **argv)
{
	struct options o = {};
	const char *name;
	json_t *s, *v;
	int ret;

	options_parse(&status_argp, argc, argv, NULL, &o);
	s = client_call(&o, DAEMON_HUB, "status", NULL, &ret);
	if (s == NULL)
		return ret;
	if (o.json)
		return report_json(s);
	json_object_foreach (s, name, v) {
		char buf[256];

		if (json_is_string(v))
			printf("%-22s %s\n", name, json_string_value(v));
		else if (strcmp(name, "uptime_s") == 0)
			printf("%-22s %s\n", "uptime", text_duration(buf, json_number_value(v)));
		else if (strstr(name, "not_after") != NULL)
			printf("%-22s %s\n", name, text_time(buf, (int64_t)json_number_value(v)));
		else if (json_is_number(v))
			printf("%-22s %.0f\n", name, json_number_value(v));
		else if (json_is_boolean(v))
			printf("%-22s %s\n", name, json_is_true(v) ? "yes" : "no");
		else if (json_is_array(v))
			printf("%-22s %s\n", name, member_list(buf, sizeof(buf), s, name));
	}
	json_decref(s);
	return EXIT_OK;
}

// ---- hub revoke

struct revoke_input {
	const char *name;
	const char *reason;
};

static const struct argp_option revoke_options[] = {
	{"reason", 'r', "TEXT", 0, "why, for the hub's log"},
	{},
};

static error_t parse_revoke(int key, char *arg, struct argp_state *state)
{
	struct revoke_input *in = state->input;

	switch (key) {
	case 'r':
		in->reason = arg;
		return 0;
	case ARGP_KEY_ARG:
		return options_one_arg(state, &in->name, arg);
	case ARGP_KEY_END:
		if (in->name == NULL)
			argp_error(state, "which gateway?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp revoke_argp = {
	.options = revoke_options,
	.parser = parse_revoke,
	.args_doc = "NAME",
	.doc = "Withdraw a gateway's certificate everywhere: the hub tells every gateway at once, "
	       "and those "
	       "pass it on to their peers. This cannot be taken back; the gateway must enrol anew "
	       "with a "
	       "new key.\v"
	       "Examples:\n"
	       "  postern hub revoke site-a.example --reason \"stolen\"\n",
};

int cmd_hub_revoke(int argc, char **argv)
{
	struct revoke_input in = {};
	struct options o = {};
	json_t *r, *params;
	int ret;

	options_parse(&revoke_argp, argc, argv, &in, &o);
	params = json_pack("{s:s}", "name", in.name);
	if (in.reason != NULL)
		json_object_set_new(params, "reason", json_string(in.reason));
	r = client_call(&o, DAEMON_HUB, "revoke", params, &ret);
	if (r == NULL)
		return ret;
	if (o.json)
		return report_json(r);
	printf("%s is revoked (list number %.0f).\n", in.name, member_number(r, "number", 0));
	json_decref(r);
	return EXIT_OK;
}
