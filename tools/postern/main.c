// SPDX-License-Identifier: BSD-3-Clause
//
// `postern`: finds the command its arguments name and runs it.
#include "tools/postern/cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct command commands[] = {
	{"status", "", "how this gateway is doing", cmd_status},
	{"peers", "[PEER]", "the other gateways and the paths to them", cmd_peers},
	{"intents list", "", "whom this gateway wants to be connected to", cmd_intents_list},
	{"intents add", "PEER", "want a connection to a peer", cmd_intents_add},
	{"intents remove", "PEER", "no longer want it; an open connection is closed",
		cmd_intents_remove},
	{"fdb", "", "which MAC address is behind which port or peer", cmd_fdb},
	{"stats", "", "counters by port, peer, worker, segment and drop reason", cmd_stats},
	{"rekey", "PEER", "make fresh keys with a peer now", cmd_rekey},
	{"reload", "", "read the configuration file again", cmd_reload},
	{"enrol", "TOKEN", "become a member of a network", cmd_enrol},
	{"check-config", "[FILE]", "check a configuration file without using it", cmd_check_config},
	{"version", "", "versions of this program and of the running daemon", cmd_version},
	{"hub init", "", "make a working hub from nothing", cmd_hub_init},
	{"hub token", "[NAME]", "make a token with which a gateway can enrol", cmd_hub_token},
	{"hub gateways", "", "who has enrolled, and who is connected", cmd_hub_gateways},
	{"hub revoke", "NAME", "withdraw a gateway's certificate everywhere", cmd_hub_revoke},
	{"hub status", "", "how this hub is doing", cmd_hub_status},
};
const unsigned n_commands = sizeof(commands) / sizeof(commands[0]);

static void print_help(FILE *out)
{
	fputs("Usage: postern COMMAND [ARGUMENT...]\n"
	      "Look at and steer a Postern gateway or hub.\n\n",
		out);
	for (unsigned i = 0; i < n_commands; i++) {
		char head[64];

		if (strcmp(commands[i].name, "hub init") == 0)
			fputs("\nOn a hub:\n", out);
		snprintf(head, sizeof(head), "%s %s", commands[i].name, commands[i].args);
		fprintf(out, "  %-24s %s\n", head, commands[i].summary);
	}
	fputs("\nEvery command has --help, with examples, and --json for programs.\n"
	      "Exit status: 0 done, 1 failed or refused, 2 wrong command line, 3 the daemon or "
	      "hub\n"
	      "does not answer, 4 the configuration file is refused.  See postern(1).\n",
		out);
}

// How many words of argv the command's name takes, 0 if it is another command.
static int match(const struct command *c, int argc, char **argv)
{
	const char *space = strchr(c->name, ' ');
	size_t first = space != NULL ? (size_t)(space - c->name) : strlen(c->name);

	if (strlen(argv[1]) != first || strncmp(argv[1], c->name, first) != 0)
		return 0;
	if (space == NULL)
		return 1;
	return argc > 2 && strcmp(argv[2], space + 1) == 0 ? 2 : 0;
}

static int refuse(int argc, char **argv)
{
	bool group = strcmp(argv[1], "hub") == 0 || strcmp(argv[1], "intents") == 0;

	if (group && (argc < 3 || argv[2][0] == '-')) {
		bool help =
			argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0);
		FILE *out = help ? stdout : stderr;

		fprintf(out, "Usage: postern %s COMMAND [ARGUMENT...]\n", argv[1]);
		for (unsigned i = 0; i < n_commands; i++) {
			if (strncmp(commands[i].name, argv[1], strlen(argv[1])) == 0)
				fprintf(out, "  %-16s %s\n", commands[i].name, commands[i].summary);
		}
		return help ? EXIT_OK : EXIT_USAGE;
	}
	fprintf(stderr, "postern: there is no command \"%s%s%s\"\n", argv[1], group ? " " : "",
		group ? argv[2] : "");
	fputs("  → postern --help lists them all\n", stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	// A reader that goes away (`| head`) ends us quietly; a daemon that does is an error we
	// tell.
	signal(SIGPIPE, SIG_DFL);
	argp_err_exit_status = EXIT_USAGE;
	setenv("ARGP_HELP_FMT", "no-dup-args-note,rmargin=100", 0);
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
		strcmp(argv[1], "help") == 0) {
		print_help(stdout);
		return EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		argv[1] = "version";
	for (unsigned i = 0; i < n_commands; i++) {
		int words = match(&commands[i], argc, argv);
		char title[64];

		if (words == 0)
			continue;
		snprintf(title, sizeof(title), "postern %s", commands[i].name);
		argv[words] = title;
		return commands[i].run(argc - words, argv + words);
	}
	return refuse(argc, argv);
}
