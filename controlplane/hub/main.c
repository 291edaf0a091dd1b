// SPDX-License-Identifier: BSD-3-Clause
//
// postern-hub: authority and discovery of a Postern network.
//
//	postern-hub init [-c FILE] [--json]    make a hub from nothing
//	postern-hub new-issuing [-c FILE]      make a new issuing key with the root
//	postern-hub silence on|off [-c FILE]   shut the ports while no hub runs, or open them
//	postern-hub [-c FILE]                  run it
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>
#include <sodium.h>
#include <systemd/sd-daemon.h>
#include <uv.h>

#include "config/hub.h"
#include "config/log.h"
#include "controlplane/hub/hub.h"
#include "controlplane/hub/policy.h"
#include "controlplane/hub/silence.h"
#include "sandbox/crash.h"
#include "version.h"

#define DEFAULT_CONFIG "/etc/postern/hub.yaml"

enum exit_code { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CONFIG = 4 };

struct running {
	struct hub *hub;
	uv_signal_t signals[2];
};

static void usage(FILE *to)
{
	fputs("Usage: postern-hub [-c FILE]          run a hub\n"
	      "       postern-hub init [-c FILE]     make one: keys, certificates, an empty store\n"
	      "       postern-hub new-issuing [-c FILE]\n"
	      "                                      make a new issuing key; needs root.key\n"
	      "       postern-hub silence on|off [-c FILE]\n"
	      "                                      only put the nft table in place that keeps "
	      "the\n"
	      "                                      kernel from answering for the hub, as every\n"
	      "                                      start does and no end undoes; or take it "
	      "away\n"
	      "  -c, --config=FILE   configuration (" DEFAULT_CONFIG ")\n"
	      "      --json          init: say what was made as JSON\n"
	      "      --version       print the version\n"
	      "Exit status: 0 done, 1 failed, 2 wrong usage, 4 the configuration is refused.\n",
		to);
}

// ---- init

static void print_error(const struct hub_error *e, bool json)
{
	if (json) {
		json_t *o = json_pack("{s:{s:s, s:s, s:s}}", "error", "code", "failed", "message",
			e->message, "hint", e->hint);

		json_dumpf(o, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(o);
	} else {
		fprintf(stderr, "postern-hub: %s\n  %s\n", e->message, e->hint);
	}
}

static void print_made(const struct hub_config *cfg, const char *path, bool json)
{
	if (json) {
		json_t *o = json_pack("{s:s, s:s, s:s}", "name", cfg->name, "network", cfg->network,
			"state_dir", cfg->state_dir);

		json_dumpf(o, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(o);
		return;
	}
	printf("The hub %s of network %s is made. In %s:\n"
	       "  root.key, root.crt        the root: move root.key off this machine and keep it "
	       "safe;\n"
	       "                            it is needed again only for a new issuing key\n"
	       "  issuing.key, issuing.crt  sign gateways' certificates, for names below %s only\n"
	       "  hub.key, hub.crt          the hub's own identity\n"
	       "  hub.db                    gateways, tokens, intents\n"
	       "Next:\n"
	       "  systemctl enable --now postern-hub        (or: postern-hub -c %s)\n"
	       "  postern hub token site-a.%s        makes a token, once for each gateway\n"
	       "  postern enrol TOKEN                       on the gateway\n",
		cfg->name, cfg->network, cfg->state_dir, cfg->network, path, cfg->network);
}

static int run_init(const struct hub_config *cfg, const char *path, bool json)
{
	struct hub_error e = {0};

	if (hub_init(cfg, &e) < 0) {
		print_error(&e, json);
		return EXIT_FAILED;
	}
	print_made(cfg, path, json);
	return EXIT_OK;
}

static int run_new_issuing(const struct hub_config *cfg, bool json)
{
	struct hub_error e = {0};

	if (hub_new_issuing(cfg, &e) < 0) {
		print_error(&e, json);
		return EXIT_FAILED;
	}
	printf("A new issuing key is made in %s; take root.key away again.\n"
	       "Next: systemctl restart postern-hub. Gateways go on with their certificates and "
	       "get\n"
	       "new ones, signed by the new key, in their own time.\n",
		cfg->state_dir);
	return EXIT_OK;
}

static int run_silence(const struct hub_config *cfg, bool on)
{
	char said[SILENCE_TEXT] = "";
	struct silence *s = NULL;
	int err = on ? silence_create(cfg->listen, cfg->n_listen, cfg->udp2_port, &s, said)
		     : silence_release(cfg->listen, said);

	silence_destroy(s);
	if (err == 0)
		return EXIT_OK;
	log_error("the nft table: %s", said[0] != '\0' ? said : strerror(-err));
	return EXIT_FAILED;
}

// ---- run

static void on_signal(uv_signal_t *handle, int)
{
	struct running *r = handle->data;

	log_notice("stopping");
	sd_notify(0, "STOPPING=1");
	for (unsigned i = 0; i < 2; i++)
		uv_close((uv_handle_t *)&r->signals[i], NULL);
	hub_destroy(r->hub);
	r->hub = NULL;
}

static int run_hub(const struct hub_config *cfg)
{
	static const int numbers[] = {SIGTERM, SIGINT};
	struct running r = {0};
	struct hub_error e;
	uv_loop_t loop;

	signal(SIGPIPE, SIG_IGN);
	mkdir(cfg->run_dir, 0755);
	crash_init("postern-hub", cfg->run_dir);
	if (uv_loop_init(&loop) < 0)
		return EXIT_FAILED;
	if (hub_create(&loop, cfg, &r.hub, &e) < 0) {
		log_error("%s %s", e.message, e.hint);
		uv_run(&loop, UV_RUN_DEFAULT); // close callbacks
		return EXIT_FAILED;
	}
	for (unsigned i = 0; i < 2; i++) {
		uv_signal_init(&loop, &r.signals[i]);
		r.signals[i].data = &r;
		uv_signal_start(&r.signals[i], on_signal, numbers[i]);
	}
	if (policy_enter(cfg) < 0) {
		log_error("cannot shut itself in");
		return EXIT_FAILED;
	}
	log_notice("postern-hub %s serves %s as %s", POSTERN_VERSION, cfg->network, cfg->name);
	sd_notify(0, "READY=1");
	uv_run(&loop, UV_RUN_DEFAULT);
	if (r.hub != NULL) // not by a signal: its signer is gone
		return EXIT_FAILED;
	uv_loop_close(&loop);
	return EXIT_OK;
}

static bool command_exists(const char *command, const char *word)
{
	if (strcmp(command, "silence") == 0)
		return word != NULL && (strcmp(word, "on") == 0 || strcmp(word, "off") == 0);
	return strcmp(command, "run") == 0 || strcmp(command, "init") == 0 ||
	       strcmp(command, "new-issuing") == 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"json", no_argument, NULL, 'j'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *path = DEFAULT_CONFIG;
	const char *command = "run", *word = NULL;
	bool json = false;
	struct hub_config *cfg;
	struct config_error cerr;
	int c, ret;

	while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			path = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'V':
			puts("postern-hub " POSTERN_VERSION);
			return EXIT_OK;
		case 'h':
			usage(stdout);
			return EXIT_OK;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc)
		command = argv[optind++];
	if (optind < argc && strcmp(command, "silence") == 0)
		word = argv[optind++];
	if (optind < argc || !command_exists(command, word)) {
		usage(stderr);
		return EXIT_USAGE;
	}
	log_init();
	if (sandbox_begin() < 0 || sodium_init() < 0)
		return EXIT_FAILED;
	if (config_load_hub(path, &cfg, &cerr) < 0) {
		config_error_print(stderr, &cerr);
		return EXIT_CONFIG;
	}
	if (strcmp(command, "init") == 0)
		ret = run_init(cfg, path, json);
	else if (strcmp(command, "new-issuing") == 0)
		ret = run_new_issuing(cfg, json);
	else if (strcmp(command, "silence") == 0)
		ret = run_silence(cfg, strcmp(word, "on") == 0);
	else
		ret = run_hub(cfg);
	config_free_hub(cfg);
	return ret;
}
