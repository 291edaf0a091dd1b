// SPDX-License-Identifier: BSD-3-Clause
#include "tools/postern/cli.h"

#include <stdio.h>

struct input {
	const char *segment;
};

static const struct argp_option own_options[] = {
	{"segment", 'S', "SEGMENT", 0, "only this segment"},
	{},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct input *in = state->input;

	switch (key) {
	case 'S':
		in->segment = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "there is no use for \"%s\" here", arg);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = own_options,
	.parser = parse,
	.doc = "Show which MAC address is behind which port or peer, learned or static.\v"
	       "Examples:\n"
	       "  postern fdb --segment office\n"
	       "  postern fdb --json | jq -r '.[] | select(.mac == \"02:00:00:00:00:01\").where'\n",
};

int cmd_fdb(int argc, char **argv)
{
	struct options o = {};
	struct input in = {};
	const json_t *row;
	char buf[TEXT_MAX];
	struct table *t;
	json_t *rows, *params = json_object();
	size_t i;
	int ret;

	options_parse(&argp, argc, argv, &in, &o);
	if (in.segment != NULL)
		json_object_set_new(params, "segment", json_string(in.segment));
	rows = client_call(&o, DAEMON_GATEWAY, "fdb", params, &ret);
	if (rows == NULL)
		return ret;
	if (o.json)
		return report_json(rows);
	t = table_create("SEGMENT|MAC|>VLAN|WHERE|>AGE|STATIC");
	json_array_foreach (rows, i, row) {
		double vlan = member_number(row, "vlan", 0);

		table_cell(t, "%s", member_text(row, "segment", "?"));
		table_cell(t, "%s", member_text(row, "mac", "?"));
		if (vlan > 0)
			table_cell(t, "%.0f", vlan);
		else
			table_cell(t, "-");
		table_cell(t, "%s", member_text(row, "where", "?"));
		table_cell(t, "%s", text_duration(buf, member_number(row, "age_s", -1)));
		table_cell(t, "%s", member_bool(row, "static") ? "yes" : "no");
	}
	table_print(t, "No address has been learned yet.");
	json_decref(rows);
	return EXIT_OK;
}
