// SPDX-License-Identifier: BSD-3-Clause
//
// postern-config-doc: prints docs/configuration.md from the schemas, or checks it with --check
// FILE.
//
// Floor 5.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/scalar.h"
#include "config/schema.h"

static const char intro[] =
	"# Configuration reference\n"
	"\n"
	"One YAML file per gateway, one per hub. `config/` has commented examples of both; this "
	"page\n"
	"lists every key. It is printed by `postern-config-doc` from the tables that the loader "
	"itself\n"
	"uses: change `config/gateway_schema.c` or `config/hub_schema.c`, not this file.\n"
	"\n"
	"## How a file is read\n"
	"\n"
	"- The whole file is checked before anything starts. The first mistake ends the check and "
	"is shown\n"
	"  with its place, its line and the way out:\n"
	"\n"
	"  ```\n"
	"  /etc/postern/gateway.yaml:7:3: error: unknown key 'worker' in dataplane\n"
	"      7 |   worker: [1]\n"
	"        |   ^\n"
	"    hint: did you mean 'workers'?\n"
	"  ```\n"
	"- `postern check-config -c FILE` does the same without starting anything.\n"
	"- Plain YAML: one document, at most 1 MiB, UTF-8, indented with spaces. Anchors, aliases, "
	"tags and\n"
	"  keys given twice are refused. Words are `true` and `false`, never yes and no; numbers "
	"are\n"
	"  decimal, and the unit is in the key's name (`_s`, `_mib`, `_us`, `_pps`, `_days`).\n"
	"- *Name*: a lower-case DNS name, up to 253 characters. *Ident*: letters, digits, `.`, "
	"`_`, `-`, up\n"
	"  to 31 characters. *Endpoint*: `192.0.2.1:7667` or `\"[2001:db8::1]:7667\"` (YAML wants "
	"the quotes);\n"
	"  names are not resolved.\n"
	"- Files that hold secrets must exist, must not be empty and must be closed to everyone "
	"but their\n"
	"  owner (mode 0600).\n"
	"\n"
	"## Reload\n"
	"\n"
	"`postern reload` reads the file again. A file with a mistake changes nothing: the old "
	"configuration\n"
	"stays. Otherwise *live* changes apply at once, without losing a frame of what they do not "
	"concern;\n"
	"the others are listed, and wait for a restart of the process named: *control* (tunnels "
	"keep\n"
	"running), *data-plane* (an interruption of about a second) or *both*.\n";

static const char *reload_word(enum config_restart r)
{
	static const char *const words[] = {
		[CONFIG_RELOAD_LIVE] = "live",
		[CONFIG_RESTART_CONTROL] = "control",
		[CONFIG_RESTART_DATAPLANE] = "data-plane",
		[CONFIG_RESTART_BOTH] = "both",
	};

	return words[r];
}

static void print_value(FILE *out, const struct config_key *k)
{
	static const char *const words[] = {
		[CONFIG_TYPE_BOOL] = "`true`, `false`",
		[CONFIG_TYPE_NAME] = "name",
		[CONFIG_TYPE_IDENT] = "ident",
		[CONFIG_TYPE_INTERFACE] = "interface",
		[CONFIG_TYPE_TEXT] = "text",
		[CONFIG_TYPE_USER] = "account",
		[CONFIG_TYPE_PATH] = "absolute path",
		[CONFIG_TYPE_SECRET] = "absolute path",
		[CONFIG_TYPE_CREDENTIAL] = "ident",
		[CONFIG_TYPE_CPU] = "CPU",
		[CONFIG_TYPE_PREFIX] = "address/bits",
		[CONFIG_TYPE_ENDPOINT] = "endpoint",
		[CONFIG_TYPE_MAC] = "MAC",
		[CONFIG_TYPE_KEY] = "64 hex digits",
		[CONFIG_TYPE_MAP] = "mapping",
	};

	switch (k->type) {
	case CONFIG_TYPE_NUMBER:
		fprintf(out, "%u..%u", k->min, k->max);
		return;
	case CONFIG_TYPE_ENUM:
		for (unsigned i = 0; k->words[i] != NULL; i++)
			fprintf(out, "%s`%s`", i > 0 ? ", " : "", k->words[i]);
		return;
	case CONFIG_TYPE_LIST:
		fprintf(out, "list, %u to %u: ", k->min, k->max);
		print_value(out, k->item);
		return;
	default:
		fputs(words[k->type], out);
	}
}

static void print_default(FILE *out, const struct config_key *k)
{
	if (k->required)
		fputs("**required**", out);
	else if (k->dflt != NULL)
		fprintf(out, "`%s`", k->dflt);
	else
		fputs(k->dflt_doc != NULL ? k->dflt_doc : "", out);
}

static void print_section(FILE *out, const char *path, const struct config_schema *s, bool reloads)
{
	fprintf(out, "\n### `%s`\n\n%s\n\n", path, s->doc);
	if (s->shorthand != NULL)
		fprintf(out, "A single value stands for `{%s: value}`.\n\n", s->shorthand);
	fprintf(out, "| key | value | default |%s meaning |\n|---|---|---|%s---|\n",
		reloads ? " reload |" : "", reloads ? "---|" : "");
	for (unsigned i = 0; i < s->n_keys; i++) {
		const struct config_key *k = &s->keys[i];

		fprintf(out, "| `%s` | ", k->name);
		print_value(out, k);
		fputs(" | ", out);
		print_default(out, k);
		if (reloads)
			fprintf(out, " | %s", reload_word(k->restart));
		fprintf(out, " | %s |\n", k->doc);
	}
	for (unsigned i = 0; i < s->n_keys; i++) {
		const struct config_key *k = &s->keys[i];
		bool list = k->type == CONFIG_TYPE_LIST;
		const struct config_schema *inner = list ? k->item->sub : k->sub;
		char sub[128];

		if (inner == NULL)
			continue;
		snprintf(sub, sizeof(sub), "%s.%s%s", path, k->name, list ? "[]" : "");
		print_section(out, sub, inner, reloads);
	}
}

static void print_file(FILE *out, const struct config_schema *s, const char *title, bool reloads)
{
	fprintf(out, "\n## %s\n", title);
	for (unsigned i = 0; i < s->n_keys; i++) {
		const struct config_key *k = &s->keys[i];
		bool list = k->type == CONFIG_TYPE_LIST;
		char path[64];

		snprintf(path, sizeof(path), "%s%s", k->name, list ? "[]" : "");
		print_section(out, path, list ? k->item->sub : k->sub, reloads);
	}
}

static void print_all(FILE *out)
{
	fputs(intro, out);
	print_file(out, &config_gateway_schema, "A gateway's file", true);
	print_file(out, &config_hub_schema, "A hub's file", false);
}

// Compare a file with what would be printed, and say where they part.
static int check(const char *path)
{
	char *want = NULL;
	size_t len = 0, line = 1;
	FILE *in = fopen(path, "r");
	FILE *out = open_memstream(&want, &len);
	int ret = EXIT_SUCCESS;

	if (in == NULL || out == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		ret = EXIT_FAILURE;
		goto close_files;
	}
	print_all(out);
	fflush(out);
	for (size_t i = 0; i <= len && ret == EXIT_SUCCESS; i++) {
		int c = getc(in);

		if (c != (i < len ? (unsigned char)want[i] : EOF)) {
			fprintf(stderr,
				"%s:%zu: not what the schema says; run postern-config-doc > %s\n",
				path, line, path);
			ret = EXIT_FAILURE;
		}
		line += c == '\n';
	}

close_files:
	if (out != NULL)
		fclose(out);
	if (in != NULL)
		fclose(in);
	free(want);
	return ret;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--check") == 0)
		return check(argv[2]);
	if (argc != 1) {
		fprintf(stderr, "usage: %s [--check FILE]\n", argv[0]);
		return EXIT_FAILURE;
	}
	print_all(stdout);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
