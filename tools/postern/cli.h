// SPDX-License-Identifier: BSD-3-Clause
//
// What the commands of `postern` share: exit codes, options, the connection to a daemon, output.
//
// One thread. Floor 5.
#pragma once

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/error.h"

// Documented in postern(1); scripts rely on them.
enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,      // the request was understood and refused, or it failed
	EXIT_USAGE = 2,       // the command line is wrong
	EXIT_UNREACHABLE = 3, // the daemon, or the hub, does not answer
	EXIT_CONFIG = 4,      // the configuration file is refused
};

struct command {
	const char *name;    // "peers", "hub token"
	const char *args;    // "add PEER", or "" without
	const char *summary; // one line for `postern --help`
	int (*run)(int argc, char **argv);
};

extern const struct command commands[];
extern const unsigned n_commands;

// ---- options that commands have in common (options.c)

enum daemon { DAEMON_GATEWAY, DAEMON_HUB };

struct options {
	const char *config; // NULL: not given
	const char *socket; // NULL: from the configuration
	bool json;
};

// The argp child of every command: -c, -s, --json, -h. Its input is a struct options.
extern const struct argp options_argp;

// Parse a command's line: its own options, then the common ones. `argp` names no children; `input`
// goes to its parser, `common` to the common one.
void options_parse(
	const struct argp *argp, int argc, char **argv, void *input, struct options *common);

// For argp parsers: refuse extra arguments, count the wanted ones.
error_t options_one_arg(struct argp_state *state, const char **ret_arg, const char *arg);

// Path of the configuration file for a daemon: -c, else $POSTERN_CONFIG, else the default.
const char *options_config_path(const struct options *o, enum daemon d);

// ---- errors (report.c)

// Tell what went wrong and the way out, on stderr, or on stdout as {"error":…} with --json; returns
// `code`.
int report_error(const struct options *o, enum exit_code code, const char *name,
	const char *message, const char *hint);
int report_errorf(const struct options *o, enum exit_code code, const char *name, const char *hint,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));
int report_config_error(const struct options *o, const struct config_error *err);

// Print a result as JSON; returns EXIT_OK, or EXIT_FAILED if stdout does not take it. Takes
// `result`.
int report_json(json_t *result);

// ---- the daemons' API (client.c)

// One request and its reply over the daemon's socket. Takes `params` (NULL for none).
//
// return: the result, owned by the caller; or NULL after report_error(), with *ret_exit set
json_t *client_call(
	const struct options *o, enum daemon d, const char *method, json_t *params, int *ret_exit);

// The directory of the daemon's socket and reports. Returns EXIT_OK, or after report_error().
int client_run_dir(const struct options *o, enum daemon d, char *buf, size_t size);

// ---- reports of crashes (crashes.c)

// The newest crash of each process that left a report in run_dir, newest first: array of {process,
// at, cause, where, file}. Needs no daemon.
json_t *crashes_read(const char *run_dir);
void crashes_print(const json_t *crashes); // nothing where there are none

// ---- output (table.c, text.c)

struct table;

// `columns` is "NAME|STATE|>RX": headers between bars, '>' aligns right.
struct table *table_create(const char *columns);
void table_cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void table_cell_state(struct table *t, const char *text); // coloured by its meaning on a terminal
void table_print(struct table *t, const char *empty);     // and destroy it; `empty` when no row

bool text_is_tty(void);
const char *text_colour(const char *state); // escape sequence for a state's name, "" without a tty
const char *text_reset(void);

#define TEXT_MAX 64
// Each writes at most TEXT_MAX bytes to buf and returns it.
const char *text_bytes(char *buf, uint64_t bytes);
const char *text_count(char *buf, uint64_t n);        // 1234567 → "1.23 M"
const char *text_duration(char *buf, double seconds); // "3m 12s"
const char *text_time(char *buf, int64_t unix_s);     // "2026-02-19 11:00 UTC"

// Members of replies; a member that is absent or of another type gives the default.
const char *member_text(const json_t *object, const char *name, const char *otherwise);
double member_number(const json_t *object, const char *name, double otherwise);
bool member_bool(const json_t *object, const char *name);
// "a, b, c" of an array of strings (or numbers), "-" when empty.
const char *member_list(char *buf, size_t size, const json_t *object, const char *name);

// ---- commands

int cmd_check_config(int argc, char **argv);
int cmd_enrol(int argc, char **argv);
int cmd_fdb(int argc, char **argv);
int cmd_hub_gateways(int argc, char **argv);
int cmd_hub_init(int argc, char **argv);
int cmd_hub_revoke(int argc, char **argv);
int cmd_hub_status(int argc, char **argv);
int cmd_hub_token(int argc, char **argv);
int cmd_intents_add(int argc, char **argv);
int cmd_intents_list(int argc, char **argv);
int cmd_intents_remove(int argc, char **argv);
int cmd_peers(int argc, char **argv);
int cmd_rekey(int argc, char **argv);
int cmd_reload(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_version(int argc, char **argv);
