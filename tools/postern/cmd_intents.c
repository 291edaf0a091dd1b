// SPDX-License-Identifier: BSD-3-Clause
#include "tools/postern/peers.h"

#include <stdio.h>
#include <stdlib.h>

#define WAIT_DEFAULT_S 30

struct input {
	const char *peer;
	json_t *segments;
	double wait_s; // < 0: do not wait
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct input *in = state->input;
	char *end;

	switch (key) {
	case 'S':
		json_array_append_new(in->segments, json_string(arg));
		return 0;
	case 'w':
		in->wait_s = arg != NULL ? strtod(arg, &end) : WAIT_DEFAULT_S;
		if (arg != NULL && (*end != '\0' || end == arg || in->wait_s < 0))
			argp_error(state, "--wait takes seconds, not \"%s\"", arg);
		return 0;
	case ARGP_KEY_ARG:
		return options_one_arg(state, &in->peer, arg);
	case ARGP_KEY_END:
		if (in->peer == NULL)
			argp_error(state, "which peer?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option add_options[] = {
	{"segment", 'S', "SEGMENT", 0,
		"a segment the peer may join (again for more; default: what the "
		"configuration says of this peer)"},
	{"wait", 'w', "SECONDS", OPTION_ARG_OPTIONAL,
		"show the steps until the connection is up (30)"},
	{},
};

static const struct argp add_argp = {
	.options = add_options,
	.parser = parse,
	.args_doc = "PEER",
	.doc = "Want a connection to a peer. It comes up once the peer wants it, too, and lasts "
	       "until one "
	       "side removes its intent.\v"
	       "Examples:\n"
	       "  postern intents add site-b.example --segment office\n"
	       "  postern intents add site-b.example --segment office --wait=60\n",
};

static const struct argp remove_argp = {
	.parser = parse,
	.args_doc = "PEER",
	.doc = "No longer want a connection to a peer. If it is open, both sides close it at once "
	       "and wipe "
	       "its keys.\v"
	       "Examples:\n"
	       "  postern intents remove site-b.example\n",
};

static const struct argp list_argp = {
	.doc = "Show whom this gateway wants to be connected to, and since when.\v"
	       "Examples:\n"
	       "  postern intents list\n"
	       "  postern intents list --json | jq -r '.[].peer'\n",
};

int cmd_intents_add(int argc, char **argv)
{
	struct input in = {.segments = json_array(), .wait_s = -1};
	struct options o = {};
	json_t *params, *r;
	int ret;

	options_parse(&add_argp, argc, argv, &in, &o);
	params = json_pack("{s:s}", "peer", in.peer);
	if (json_array_size(in.segments) > 0)
		json_object_set(params, "segments", in.segments);
	json_decref(in.segments);
	r = client_call(&o, DAEMON_GATEWAY, "intents.add", params, &ret);
	if (r == NULL)
		return ret;
	if (in.wait_s >= 0) {
		json_decref(r);
		return peers_follow(&o, in.peer, in.wait_s);
	}
	if (o.json)
		return report_json(r);
	printf("Intent for %s added. It connects when %s wants it, too: postern peers --watch\n",
		in.peer, in.peer);
	json_decref(r);
	return EXIT_OK;
}

int cmd_intents_remove(int argc, char **argv)
{
	struct input in = {.wait_s = -1};
	struct options o = {};
	json_t *r;
	int ret;

	options_parse(&remove_argp, argc, argv, &in, &o);
	r = client_call(
		&o, DAEMON_GATEWAY, "intents.remove", json_pack("{s:s}", "peer", in.peer), &ret);
	if (r == NULL)
		return ret;
	if (o.json)
		return report_json(r);
	printf("Intent for %s removed.\n", in.peer);
	json_decref(r);
	return EXIT_OK;
}

int cmd_intents_list(int argc, char **argv)
{
	struct options o = {};
	const json_t *row;
	char buf[TEXT_MAX], list[256];
	struct table *t;
	json_t *rows;
	size_t i;
	int ret;

	options_parse(&list_argp, argc, argv, NULL, &o);
	rows = client_call(&o, DAEMON_GATEWAY, "intents.list", NULL, &ret);
	if (rows == NULL)
		return ret;
	if (o.json)
		return report_json(rows);
	t = table_create("PEER|SEGMENTS|SOURCE|STATE|VALID UNTIL");
	json_array_foreach (rows, i, row) {
		table_cell(t, "%s", member_text(row, "peer", member_text(row, "name", "?")));
		table_cell(t, "%s", member_list(list, sizeof(list), row, "segments"));
		table_cell(t, "%s", member_text(row, "source", "-"));
		table_cell_state(t, member_text(row, "state", "-"));
		table_cell(t, "%s", text_time(buf, (int64_t)member_number(row, "not_after", 0)));
	}
	table_print(t, "No intents. Add one: postern intents add PEER --segment SEGMENT");
	json_decref(rows);
	return EXIT_OK;
}
