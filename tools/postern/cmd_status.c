// SPDX-License-Identifier: BSD-3-Clause
#include "tools/postern/cli.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct argp argp = {
	.doc = "Show how this gateway is doing: its hub, its data-plane, its certificate, its "
	       "ports "
	       "and its peers.\v"
	       "Examples:\n"
	       "  postern status\n"
	       "  postern status --json | jq -r .hub.state\n",
};

static void line(const char *name, const char *state, const char *rest)
{
	printf("%-12s %s%s%s%s%s\n", name, text_colour(state), state, text_reset(),
		rest[0] != '\0' ? "  " : "", rest);
}

static void print_certificate(const json_t *cert)
{
	int64_t not_after = (int64_t)member_number(cert, "not_after", 0);
	char until[TEXT_MAX], left[TEXT_MAX], rest[256];
	int64_t now = time(NULL);

	if (not_after == 0) {
		line("certificate", "none", "enrol first: postern enrol TOKEN");
		return;
	}
	if (not_after <= now) {
		snprintf(rest, sizeof(rest),
			"since %s; see docs/operator.md, \"expired certificate\"",
			text_time(until, not_after));
		line("certificate", "expired", rest);
		return;
	}
	snprintf(rest, sizeof(rest), "until %s (%s left), serial %s", text_time(until, not_after),
		text_duration(left, (double)(not_after - now)), member_text(cert, "serial", "-"));
	line("certificate", "valid", rest);
}

static void print_dataplane(const json_t *dp)
{
	char workers[TEXT_MAX], rest[256];
	const json_t *list = json_object_get(dp, "workers");
	const json_t *huge = json_object_get(dp, "hugepages");
	const char *state = member_text(dp, "state", "absent");

	if (strcmp(state, "absent") == 0) {
		line("data-plane", state, "no frame moves; see: journalctl -u postern-dataplane");
		return;
	}
	if (json_is_array(list))
		member_list(workers, sizeof(workers), dp, "workers");
	else
		snprintf(workers, sizeof(workers), "%.0f", member_number(dp, "workers", 0));
	snprintf(rest, sizeof(rest), "workers %s, %s polling, %s, AES in hardware: %s", workers,
		member_text(dp, "polling", "unknown"),
		json_is_true(huge) ? "hugepages" : member_text(dp, "hugepages", "no hugepages"),
		json_is_string(json_object_get(dp, "cipher_hw"))
			? member_text(dp, "cipher_hw", "no")
			: (member_bool(dp, "cipher_hw") ? "yes" : "no"));
	line("data-plane", state, rest);
}

static void print_status(const json_t *s, const json_t *crashes)
{
	const json_t *hub = json_object_get(s, "hub"), *peers = json_object_get(s, "peers");
	const json_t *ports = json_object_get(s, "ports"), *p;
	char since[TEXT_MAX], rest[256];
	struct table *t;
	size_t i;

	printf("%s%s%s in network %s, version %s, up %s\n\n", text_colour("header"),
		member_text(s, "name", "?"), text_reset(), member_text(s, "network", "?"),
		member_text(s, "version", "?"),
		text_duration(since, member_number(s, "uptime_s", -1)));
	snprintf(rest, sizeof(rest), "%s for %s, sees us at %s", member_text(hub, "name", "-"),
		text_duration(since, member_number(hub, "since_s", -1)),
		member_text(hub, "observed_addr", "(not yet known)"));
	line("hub", member_text(hub, "state", "unknown"), rest);
	print_dataplane(json_object_get(s, "dataplane"));
	print_certificate(json_object_get(s, "certificate"));
	if (json_array_size(json_object_get(s, "loops")) > 0) {
		member_list(since, sizeof(since), s, "loops");
		snprintf(rest, sizeof(rest),
			"out of %s; see: journalctl -u postern-dataplane -u "
			"postern-control",
			since);
		line("loop", "cut", rest);
	}
	printf("%-12s %.0f up, %.0f connecting, %.0f idle\n", "peers",
		member_number(peers, "up", 0), member_number(peers, "connecting", 0),
		member_number(peers, "idle", 0));
	crashes_print(crashes);
	putchar('\n');

	t = table_create("PORT|ROLE|KIND|INTERFACE|STATE|>MTU|ADDRESS");
	json_array_foreach (ports, i, p) {
		const json_t *link = json_object_get(p, "link_up");

		table_cell(t, "%s", member_text(p, "name", "-"));
		table_cell(t, "%s", member_text(p, "role", "-"));
		table_cell(t, "%s", member_text(p, "kind", "-"));
		table_cell(t, "%s", member_text(p, "interface", member_text(p, "device", "-")));
		table_cell_state(t, link != NULL ? (json_is_true(link) ? "up" : "down")
						 : member_text(p, "state", "-"));
		table_cell(t, "%.0f", member_number(p, "mtu", 0));
		table_cell(t, "%s", member_text(p, "address", "-"));
	}
	table_print(t, "No ports.");
}

int cmd_status(int argc, char **argv)
{
	struct options o = {};
	json_t *s, *crashes;
	char dir[256];
	int ret;

	options_parse(&argp, argc, argv, NULL, &o);
	ret = client_run_dir(&o, DAEMON_GATEWAY, dir, sizeof(dir));
	if (ret != EXIT_OK)
		return ret;
	crashes = crashes_read(dir);
	s = client_call(&o, DAEMON_GATEWAY, "status", NULL, &ret);
	if (s == NULL) {
		if (!o.json) // perhaps that is why it does not answer
			crashes_print(crashes);
	} else if (o.json) {
		json_object_set(s, "crashes", crashes);
		ret = report_json(s);
	} else {
		print_status(s, crashes);
		json_decref(s);
		ret = EXIT_OK;
	}
	json_decref(crashes);
	return ret;
}
