// SPDX-License-Identifier: BSD-3-Clause
#include "tools/postern/peers.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct input {
	const char *peer;
	bool watch;
};

static const struct argp_option own_options[] = {
	{"watch", 'w', NULL, 0,
		"print again every second until interrupted; with PEER: the steps of "
		"its connection until it is up"},
	{},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct input *in = state->input;

	switch (key) {
	case 'w':
		in->watch = true;
		return 0;
	case ARGP_KEY_ARG:
		return options_one_arg(state, &in->peer, arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = own_options,
	.parser = parse,
	.args_doc = "[PEER]",
	.doc = "Show the other gateways and the paths to them; with PEER, everything known about "
	       "that "
	       "one.\v"
	       "States: idle (not both want it yet), introduced (the hub has brought both intents "
	       "together), connecting (punching, shaking hands), up, closing.\n\n"
	       "Examples:\n"
	       "  postern peers\n"
	       "  postern peers site-b.example --watch\n"
	       "  postern peers --json | jq -r '.[] | select(.state != \"up\").name'\n",
};

static void print_table(const json_t *rows)
{
	struct table *t = table_create("PEER|STATE|>SINCE|PATH|CIPHER|>MTU|>RTT|>RX|>TX|SEGMENTS");
	const json_t *row;
	char buf[TEXT_MAX], list[256];
	size_t i;

	json_array_foreach (rows, i, row) {
		const json_t *path = json_object_get(row, "path");
		double rtt = member_number(row, "rtt_us", -1), mtu = member_number(path, "mtu", 0);

		table_cell(t, "%s", member_text(row, "name", "?"));
		table_cell_state(t, member_text(row, "state", "?"));
		table_cell(t, "%s", text_duration(buf, member_number(row, "since_s", -1)));
		table_cell(t, "%s", member_text(path, "remote", "-"));
		table_cell(t, "%s", member_text(row, "cipher", "-"));
		if (mtu > 0)
			table_cell(t, "%.0f", mtu);
		else
			table_cell(t, "-");
		if (rtt >= 0)
			table_cell(t, "%.1f ms", rtt / 1000);
		else
			table_cell(t, "-");
		table_cell(t, "%s", text_bytes(buf, (uint64_t)member_number(row, "rx_bytes", 0)));
		table_cell(t, "%s", text_bytes(buf, (uint64_t)member_number(row, "tx_bytes", 0)));
		table_cell(t, "%s", member_list(list, sizeof(list), row, "segments"));
	}
	table_print(t,
		"No peers. List them under peers: in the configuration, or: postern intents add "
		"PEER");
	json_array_foreach (rows, i, row) {
		const char *why = member_text(row, "last_error", "");

		if (why[0] != '\0' && strcmp(member_text(row, "state", ""), "up") != 0)
			printf("\n%s: %s\n", member_text(row, "name", "?"), why);
	}
}

// Every member, one a line; objects one level deeper. A newer daemon's facts show without a newer
// CLI.
static void print_members(const json_t *object, const char *indent)
{
	const char *name;
	json_t *v;

	json_object_foreach ((json_t *)object, name, v) {
		char list[256];

		printf("%s%-16s ", indent, name);
		if (json_is_object(v)) {
			puts("");
			print_members(v, "  ");
		} else if (json_is_string(v)) {
			puts(json_string_value(v));
		} else if (json_is_integer(v)) {
			printf("%lld\n", (long long)json_integer_value(v));
		} else if (json_is_real(v)) {
			printf("%.3f\n", json_real_value(v));
		} else if (json_is_boolean(v)) {
			puts(json_is_true(v) ? "yes" : "no");
		} else if (json_is_array(v)) {
			puts(member_list(list, sizeof(list), object, name));
		} else {
			puts("-");
		}
	}
}

static int show(const struct options *o, const struct input *in, json_t *rows)
{
	const json_t *row;

	if (in->peer == NULL) {
		if (o->json)
			return report_json(json_incref(rows));
		print_table(rows);
		return EXIT_OK;
	}
	row = peers_find(rows, in->peer);
	if (row == NULL)
		return report_errorf(o, EXIT_FAILED, "no-such-peer",
			"postern peers lists them all.", "There is no peer \"%s\".", in->peer);
	if (o->json)
		return report_json(json_incref((json_t *)row));
	print_members(row, "");
	return EXIT_OK;
}

int cmd_peers(int argc, char **argv)
{
	struct options o = {};
	struct input in = {};
	json_t *rows;
	int ret;

	options_parse(&argp, argc, argv, &in, &o);
	if (in.watch && in.peer != NULL)
		return peers_follow(&o, in.peer, 1e9);
	for (;;) {
		rows = client_call(&o, DAEMON_GATEWAY, "peers", NULL, &ret);
		if (rows == NULL)
			return ret;
		if (in.watch && text_is_tty() && !o.json)
			fputs("\033[H\033[J", stdout); // home, and clear what is below
		ret = show(&o, &in, rows);
		json_decref(rows);
		if (!in.watch || ret != EXIT_OK)
			return ret;
		fflush(stdout);
		sleep(1);
	}
}
