// SPDX-License-Identifier: BSD-3-Clause
#include "tools/postern/cli.h"

#include <stdio.h>
#include <string.h>

#include "wire/drop.h"

static const struct argp argp = {
	.doc = "Show the data-plane's counters: by port, peer, worker and segment, and why frames "
	       "were "
	       "dropped. Counters start at zero when the data-plane starts; only those that are "
	       "not zero "
	       "are shown.\v"
	       "Examples:\n"
	       "  postern stats\n"
	       "  postern stats --json | jq .drops\n",
};

// A group is {"name": {"counter": n}}, or a list of objects with a "name" (or its place as such).
static void add_row(struct table *t, const char *name, const json_t *counters)
{
	const char *counter;
	json_t *v;
	bool first = true;

	json_object_foreach ((json_t *)counters, counter, v) {
		char buf[TEXT_MAX];

		if (!json_is_number(v) || json_number_value(v) == 0 || strcmp(counter, "id") == 0 ||
			strcmp(counter, "worker") == 0)
			continue;
		table_cell(t, "%s", first ? name : "");
		table_cell(t, "%s", counter);
		if (strstr(counter, "bytes") != NULL)
			table_cell(t, "%s", text_bytes(buf, (uint64_t)json_number_value(v)));
		else
			table_cell(t, "%.0f", json_number_value(v));
		first = false;
	}
}

static void print_group(const char *title, const json_t *group)
{
	struct table *t;
	const char *name;
	char header[64];
	json_t *v;
	size_t i;

	if (json_is_array(group) ? json_array_size(group) == 0 : json_object_size(group) == 0)
		return;
	snprintf(header, sizeof(header), "%s|COUNTER|>VALUE", title);
	t = table_create(header);
	if (json_is_array(group)) {
		json_array_foreach (group, i, v) {
			char number[32];

			snprintf(number, sizeof(number), "%zu", i);
			add_row(t, member_text(v, "name", number), v);
		}
	} else {
		json_object_foreach ((json_t *)group, name, v)
			add_row(t, name, v);
	}
	table_print(t, NULL);
	puts("");
}

static void print_mbufs(const json_t *mbufs)
{
	printf("Packet buffers: %.0f, of which %.0f are free.\n\n",
		json_number_value(json_object_get(mbufs, "total")),
		json_number_value(json_object_get(mbufs, "free")));
}

static const char *meaning_of(const char *reason)
{
	static const struct {
		const char *reason, *meaning;
	} all[] = {
#define DROP_X(name, label, help) {label, help},
		DROP_LIST(DROP_X)
#undef DROP_X
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcmp(all[i].reason, reason) == 0)
			return all[i].meaning;
	}
	return "";
}

static void print_drops(const json_t *drops)
{
	struct table *t = table_create("DROP REASON|>FRAMES|MEANING");
	const char *reason;
	json_t *v;

	json_object_foreach ((json_t *)drops, reason, v) {
		if (json_number_value(v) == 0)
			continue;
		table_cell(t, "%s", reason);
		table_cell(t, "%.0f", json_number_value(v));
		table_cell(t, "%s", meaning_of(reason));
	}
	table_print(t, "Nothing was dropped.");
}

int cmd_stats(int argc, char **argv)
{
	struct options o = {};
	json_t *s;
	int ret;

	options_parse(&argp, argc, argv, NULL, &o);
	s = client_call(&o, DAEMON_GATEWAY, "stats", NULL, &ret);
	if (s == NULL)
		return ret;
	if (o.json)
		return report_json(s);
	print_group("PORT", json_object_get(s, "ports"));
	print_group("PEER", json_object_get(s, "peers"));
	print_group("WORKER", json_object_get(s, "workers"));
	print_group("SEGMENT", json_object_get(s, "segments"));
	print_mbufs(json_object_get(s, "mbufs"));
	print_drops(json_object_get(s, "drops"));
	json_decref(s);
	return EXIT_OK;
}
