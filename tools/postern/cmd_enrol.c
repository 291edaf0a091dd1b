// SPDX-License-Identifier: BSD-3-Clause
#include "tools/postern/cli.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config/gateway.h"
#include "controlplane/common/enrol.h"
#include "controlplane/common/token.h"

struct input {
	const char *token;
	const char *token_file;
	bool again;
};

static const struct argp_option own_options[] = {
	{"token-file", 'T', "FILE", 0,
		"read the token from FILE (- for standard input), so that it does "
		"not show in the process list"},
	{"again", 'A', NULL, 0,
		"enrol anew although this gateway is a member already; its key stays"},
	{},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct input *in = state->input;

	switch (key) {
	case 'T':
		in->token_file = arg;
		return 0;
	case 'A':
		in->again = true;
		return 0;
	case ARGP_KEY_ARG:
		return options_one_arg(state, &in->token, arg);
	case ARGP_KEY_END:
		if ((in->token == NULL) == (in->token_file == NULL))
			argp_error(state, "give one token: as an argument, or with --token-file");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = own_options,
	.parser = parse,
	.args_doc = "[TOKEN]",
	.doc = "Become a member of a network: make this gateway's key (it never leaves this "
	       "machine), prove "
	       "the token to the hub, check the hub against the token, and store the certificate "
	       "in the "
	       "state directory of the configuration.\v"
	       "A token comes from: postern hub token. Run this as the user who runs "
	       "postern-control, "
	       "or as root.\n\n"
	       "Exit status: 0 enrolled, 1 refused, 3 the hub does not answer, 4 the configuration "
	       "file "
	       "is refused.\n\n"
	       "Examples:\n"
	       "  postern enrol pstn1.AbC...\n"
	       "  postern enrol --token-file token.txt -c /etc/postern/gateway.yaml\n",
};

struct progress {
	struct timespec start;
	bool quiet;
};

static void on_step(void *ctx, enum enrol_step step, const char *detail)
{
	static const char *const names[] = {
		[ENROL_STEP_TOKEN] = "token read",
		[ENROL_STEP_KEY] = "key ready",
		[ENROL_STEP_KNOCK] = "knocking at",
		[ENROL_STEP_CONNECT] = "connected to",
		[ENROL_STEP_HUB] = "the hub has proved itself",
		[ENROL_STEP_CERT] = "certificate received and verified",
		[ENROL_STEP_STORED] = "stored in",
	};
	struct progress *p = ctx;
	const char *name = "…";
	struct timespec now;

	if (p->quiet)
		return;
	if ((unsigned)step < sizeof(names) / sizeof(names[0]) && names[step] != NULL)
		name = names[step];
	clock_gettime(CLOCK_MONOTONIC, &now);
	printf("%8.0f ms  %s%s%s\n",
		(double)(now.tv_sec - p->start.tv_sec) * 1e3 +
			(double)(now.tv_nsec - p->start.tv_nsec) / 1e6,
		name, detail != NULL && detail[0] != '\0' ? " " : "", detail != NULL ? detail : "");
	fflush(stdout);
}

static int read_token(const struct options *o, const char *path, char *buf, size_t size)
{
	bool standard = strcmp(path, "-") == 0;
	FILE *f = standard ? stdin : fopen(path, "re");
	size_t n;

	if (f == NULL)
		return report_errorf(o, EXIT_FAILED, "token-file",
			"Give the file's right name, or the token itself.",
			"The token file %s cannot be read: %m.", path);
	n = fread(buf, 1, size - 1, f);
	buf[n] = '\0';
	if (!standard)
		fclose(f);
	return EXIT_OK;
}

static enum exit_code exit_of(enum enrol_code code)
{
	return code == ENROL_ERR_UNREACHABLE || code == ENROL_ERR_SILENCE ? EXIT_UNREACHABLE
									  : EXIT_FAILED;
}

int cmd_enrol(int argc, char **argv)
{
	char token[TOKEN_TEXT_MAX + 64];
	struct options o = {};
	struct input in = {};
	struct gateway_config *cfg;
	struct config_error cerr;
	struct enrol_error eerr = {};
	struct enrol_params params = {};
	struct identity_kdf kdf;
	struct progress progress = {};
	const char *path;
	int ret;

	options_parse(&argp, argc, argv, &in, &o);
	if (in.token_file != NULL) {
		ret = read_token(&o, in.token_file, token, sizeof(token));
		if (ret != EXIT_OK)
			return ret;
		in.token = token;
	}
	path = options_config_path(&o, DAEMON_GATEWAY);
	if (config_load_gateway(path, &cfg, &cerr) < 0)
		return report_config_error(&o, &cerr);
	params.token = in.token;
	params.name = cfg->name;
	params.network = cfg->network;
	params.state_dir = cfg->state_dir;
	params.identity.passphrase_file = cfg->identity.passphrase_file;
	params.identity.key_credential = cfg->identity.key_credential;
	kdf.passes = cfg->identity.argon2_passes;
	kdf.memory_bytes = (uint64_t)cfg->identity.argon2_mib << 20;
	params.identity.kdf = &kdf;
	params.addresses = cfg->hub_addresses;
	params.n_addresses = cfg->n_hub_addresses;
	params.again = in.again;
	if (geteuid() == 0 && cfg->dataplane.user != NULL) {
		const struct passwd *pw = getpwnam(cfg->dataplane.user);

		params.uid = pw != NULL ? pw->pw_uid : 0;
		params.gid = pw != NULL ? pw->pw_gid : 0;
	}
	clock_gettime(CLOCK_MONOTONIC, &progress.start);
	progress.quiet = o.json;
	ret = enrol_run(&params, on_step, &progress, &eerr);
	if (ret < 0)
		ret = report_error(&o, exit_of(eerr.code), enrol_code_name(eerr.code), eerr.message,
			eerr.hint);
	else if (o.json)
		ret = report_json(json_pack("{s:s, s:s, s:s}", "name", cfg->name, "network",
			cfg->network, "state_dir", cfg->state_dir));
	else
		printf("%s is a member of %s now. Next: start postern-control, or restart it.\n",
			cfg->name, cfg->network);
	config_free_gateway(cfg);
	return ret;
}
