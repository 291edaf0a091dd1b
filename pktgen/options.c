// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/options.h"

#include <argp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "version.h"

const char *const procedure_names[PROCEDURE_N] = {
	"throughput", "latency", "loss", "back-to-back", "recovery"};

enum key {
	KEY_TX = 0x100,
	KEY_RX,
	KEY_CORES,
	KEY_SETTLE,
	KEY_NO_LEARN,
	KEY_SIZE,
	KEY_PCAP,
	KEY_FLOWS,
	KEY_VLAN,
	KEY_SMAC,
	KEY_DMAC,
	KEY_SMACS,
	KEY_DMACS,
	KEY_SIP,
	KEY_DIP,
	KEY_SPORT,
	KEY_DPORT,
	KEY_RATE,
	KEY_DURATION,
	KEY_COUNT,
	KEY_BIDIR,
	KEY_LOSS,
	KEY_RESOLUTION,
	KEY_TRIAL,
	KEY_SHARES,
	KEY_REPEAT,
	KEY_NO_CONFIRM,
	KEY_JSON,
	KEY_PLOT,
	KEY_QUIET,
	KEY_STRICT,
};

#define PORT_HELP                                                                           \
	"af_xdp:IFACE, af_packet:IFACE, tap:NAME, a PCI address, or a DPDK device such as " \
	"net_ring0; arguments of its driver may follow after a comma"

static const struct argp_option tx_options[] = {
	{NULL, 0, NULL, 0, "Ports:", 1},
	{"tx", KEY_TX, "PORT", 0, "send here: " PORT_HELP, 1},
	{},
};
static const struct argp_option rx_options[] = {
	{NULL, 0, NULL, 0, "Ports:", 1},
	{"rx", KEY_RX, "PORT", 0, "receive here (run, rfc2544: default is where it sends)", 1},
	{},
};
static const struct argp_option core_options[] = {
	{"cores", KEY_CORES, "CPU[,CPU]", 0,
		"one CPU to send and one to receive, or one for both (default: the first two)", 1},
	{},
};
static const struct argp_option both_options[] = {
	{"bidir", KEY_BIDIR, NULL, 0, "send the same from the receiving port, too", 1},
	{"settle", KEY_SETTLE, "SECONDS", 0,
		"how long to wait for what is still under way (default: 2)", 1},
	{"no-learn", KEY_NO_LEARN, NULL, 0,
		"do not first say hello from both ports, from which switches learn", 1},
	{},
};
static const struct argp_option frame_options[] = {
	{NULL, 0, NULL, 0, "Frames (sizes are without the FCS: RFC 2544's 64 is 60 here):", 2},
	{"size", KEY_SIZE, "BYTES", 0,
		"60 to 9600, a list, or imix (7 of 64, 4 of 570, 1 of 1514); default: 64", 2},
	{"pcap", KEY_PCAP, "FILE", 0, "the frames of this file instead, with 18 bytes added", 2},
	{"flows", KEY_FLOWS, "N", 0, "so many UDP flows, each counted by itself (default: 1)", 2},
	{"vlan", KEY_VLAN, "ID", 0, "with this VLAN tag", 2},
	{"smac", KEY_SMAC, "MAC", 0, "first source address (default: the sending port's)", 2},
	{"dmac", KEY_DMAC, "MAC", 0, "first destination (default: the receiving port's)", 2},
	{"smacs", KEY_SMACS, "N", 0, "so many source addresses (default: 1)", 2},
	{"dmacs", KEY_DMACS, "N", 0, "so many destination addresses (default: 1)", 2},
	{"sip", KEY_SIP, "IPV4", 0, "source (default: 198.18.0.1)", 2},
	{"dip", KEY_DIP, "IPV4", 0, "destination (default: 198.19.0.1)", 2},
	{"sport", KEY_SPORT, "PORT", 0, "UDP source of a single flow (default: 10000)", 2},
	{"dport", KEY_DPORT, "PORT", 0, "UDP destination (default: 9098)", 2},
	{},
};
static const struct argp_option own_options[] = {
	{NULL, 0, NULL, 0, "Frames:", 2},
	{"size", KEY_SIZE, "BYTES", 0, "the largest to expect (default: the port's MTU, or 1518)",
		2},
	{"dmac", KEY_DMAC, "MAC", 0, "say hello from this address (default: the port's)", 2},
	{"dmacs", KEY_DMACS, "N", 0, "and from so many (default: 1)", 2},
	{"vlan", KEY_VLAN, "ID", 0, "say hello with this VLAN tag", 2},
	{"dport", KEY_DPORT, "PORT", 0, "UDP destination of what is ours (default: 9098)", 2},
	{},
};
static const struct argp_option load_options[] = {
	{NULL, 0, NULL, 0, "Load:", 3},
	{"rate", KEY_RATE, "RATE", 0,
		"1Mpps, 250kpps, 2.5Gbps, 100Mbps or max (default: max); with --pcap also "
		"recorded: as in the file",
		3},
	{"count", KEY_COUNT, "N", 0, "stop after so many frames, 10k and 5M understood", 3},
	{},
};
static const struct argp_option duration_options[] = {
	{"duration", KEY_DURATION, "SECONDS", 0, "stop after this time (default: 10)", 3},
	{},
};
static const struct argp_option rfc_options[] = {
	{NULL, 0, NULL, 0, "RFC 2544:", 4},
	{"rate", KEY_RATE, "RATE", 0,
		"the most to try (default: what the sender reaches by itself); latency, recovery: "
		"the throughput, if it is known",
		4},
	{"trial", KEY_TRIAL, "SECONDS", 0, "one trial (default: 10; the RFC wants 60)", 4},
	{"loss", KEY_LOSS, "PERCENT", 0, "that still counts as none (default: 0)", 4},
	{"resolution", KEY_RESOLUTION, "PERCENT", 0,
		"of the highest rate, or burst, at which the search ends (default: 1)", 4},
	{"no-confirm", KEY_NO_CONFIRM, NULL, 0, "do not repeat the trial that was found", 4},
	{"shares", KEY_SHARES, "PERCENT,...", 0, "latency: of the throughput (default: 10,50,90)",
		4},
	{"repeat", KEY_REPEAT, "N", 0, "back-to-back, recovery: so often (default: 3)", 4},
	{},
};
static const struct argp_option output_options[] = {
	{NULL, 0, NULL, 0, "Output:", 5},
	{"json", KEY_JSON, "FILE", 0, "write the result, \"-\": to standard output", 5},
	{"quiet", KEY_QUIET, NULL, 0, "show no progress", 5},
	{"strict", KEY_STRICT, NULL, 0,
		"exit status 5 if the rate was not reached or frames were lost", 5},
	{},
};

static const struct argp_option plot_options[] = {
	{"plot", KEY_PLOT, "FILE", 0, "draw the result (.svg or .png, by gnuplot)", 5},
	{},
};

// ---------------------------------------------------------------- values

static int cpus(const char *text, struct device_cores *cores, char *why)
{
	char *end;

	cores->n = 0;
	for (const char *at = text;; at = end + 1) {
		unsigned long cpu = strtoul(at, &end, 10);

		if (end == at || cpu > 1023 || cores->n == DEVICE_CORES_MAX ||
			(*end != ',' && *end != '\0')) {
			snprintf(why, UNITS_WHY_BYTES, "\"%s\" is no list of at most %d CPUs", text,
				DEVICE_CORES_MAX);
			return -1;
		}
		cores->cpu[cores->n++] = (uint16_t)cpu;
		if (*end == '\0')
			return 0;
	}
}

static int shares(const char *text, struct options *o, char *why)
{
	char *end;

	o->n_shares = 0;
	for (const char *at = text;; at = end + 1) {
		double share = strtod(at, &end);

		if (end == at || !(share > 0) || share > 100 || o->n_shares == OPTIONS_SHARES_MAX ||
			(*end != ',' && *end != '\0')) {
			snprintf(why, UNITS_WHY_BYTES, "\"%s\" is no list of percents", text);
			return -1;
		}
		o->shares[o->n_shares++] = share;
		if (*end == '\0')
			return 0;
	}
}

static int parse_frame(int key, const char *arg, struct options *o, char *why)
{
	struct frame_spec *s = &o->spec;
	uint64_t n = 0;
	int err;

	switch (key) {
	case KEY_SIZE:
		o->size_text = arg;
		return units_mix(arg, &o->mix, why);
	case KEY_PCAP:
		o->pcap = arg;
		return 0;
	case KEY_FLOWS:
		err = units_count(arg, "--flows", 1, FRAME_STREAMS_MAX, &n, why);
		s->n_flows = (uint32_t)n;
		return err;
	case KEY_VLAN:
		err = units_count(arg, "--vlan", 1, 4094, &n, why);
		s->vlan = (uint16_t)n;
		return err;
	case KEY_SMAC:
		o->has_smac = true;
		return units_mac(arg, s->smac, why);
	case KEY_DMAC:
		o->has_dmac = true;
		return units_mac(arg, s->dmac, why);
	case KEY_SMACS:
	case KEY_DMACS:
		err = units_count(arg, "a number of addresses", 1, 1000000, &n, why);
		*(key == KEY_SMACS ? &s->n_smacs : &s->n_dmacs) = (uint32_t)n;
		return err;
	case KEY_SIP:
		return units_ipv4(arg, &s->sip, why);
	case KEY_DIP:
		return units_ipv4(arg, &s->dip, why);
	case KEY_SPORT:
	case KEY_DPORT:
		err = units_count(arg, "a UDP port", 1, 65535, &n, why);
		*(key == KEY_SPORT ? &s->sport : &s->dport) = (uint16_t)n;
		return err;
	default:
		return 1;
	}
}

static int parse_load(int key, const char *arg, struct options *o, char *why)
{
	uint64_t n = 0;
	int err;

	switch (key) {
	case KEY_TX:
		o->tx = arg;
		return 0;
	case KEY_RX:
		o->rx = arg;
		return 0;
	case KEY_CORES:
		return cpus(arg, &o->cores, why);
	case KEY_SETTLE:
		return units_real(arg, "--settle", 0, 600, &o->settle_s, why);
	case KEY_NO_LEARN:
		o->learn = false;
		return 0;
	case KEY_RATE:
		return units_rate(arg, &o->rate, why);
	case KEY_DURATION:
		return units_real(arg, "--duration", 0.001, 86400, &o->duration_s, why);
	case KEY_COUNT:
		return units_count(arg, "--count", 1, 1ull << 60, &o->count, why);
	case KEY_BIDIR:
		o->bidir = true;
		return 0;
	case KEY_LOSS:
		return units_real(arg, "--loss", 0, 99, &o->loss_percent, why);
	case KEY_RESOLUTION:
		return units_real(arg, "--resolution", 0.01, 50, &o->resolution_percent, why);
	case KEY_TRIAL:
		return units_real(arg, "--trial", 0.05, 3600, &o->trial_s, why);
	case KEY_SHARES:
		return shares(arg, o, why);
	case KEY_REPEAT:
		err = units_count(arg, "--repeat", 1, 1000, &n, why);
		o->repeat = (unsigned)n;
		return err;
	case KEY_NO_CONFIRM:
		o->confirm = false;
		return 0;
	default:
		return 1;
	}
}

static bool is_image(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot != NULL && (strcmp(dot, ".svg") == 0 || strcmp(dot, ".png") == 0);
}

static void parse_procedure(const char *arg, struct options *o, struct argp_state *state)
{
	for (unsigned i = 0; i < PROCEDURE_N && o->procedure == PROCEDURE_N; i++) {
		if (strcmp(arg, procedure_names[i]) == 0) {
			o->procedure = (enum procedure)i;
			return;
		}
	}
	argp_error(state, "there is no use for \"%s\" here", arg);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	char why[UNITS_WHY_BYTES];
	int err;

	switch (key) {
	case ARGP_KEY_ARG:
		if (o->command != COMMAND_RFC2544)
			argp_error(state, "there is no use for \"%s\" here", arg);
		parse_procedure(arg, o, state);
		return 0;
	case KEY_JSON:
		o->json = arg;
		return 0;
	case KEY_PLOT:
		if (!is_image(arg))
			argp_error(state, "--plot: the file's name ends in .svg or .png");
		o->plot = arg;
		return 0;
	case KEY_QUIET:
		o->quiet = true;
		return 0;
	case KEY_STRICT:
		o->strict = true;
		return 0;
	default:
		break;
	}
	err = parse_frame(key, arg, o, why);
	if (err == 1)
		err = parse_load(key, arg, o, why);
	if (err == 1)
		return ARGP_ERR_UNKNOWN;
	if (err < 0)
		argp_error(state, "%s", why);
	return 0;
}

// ---------------------------------------------------------------- commands

// One parser serves all tables; argp wants the one on top to hand its input on to the children.
struct top_input {
	struct options *options;
	unsigned n_tables;
};

static error_t parse_top(int key, char *, struct argp_state *state)
{
	const struct top_input *in = state->input;

	if (key != ARGP_KEY_INIT)
		return ARGP_ERR_UNKNOWN;
	for (unsigned i = 0; i < in->n_tables; i++)
		state->child_inputs[i] = in->options;
	return 0;
}

#define TABLES_MAX 9

static const struct {
	const char *name, *args, *summary, *doc;
	const struct argp_option *tables[TABLES_MAX];
} commands[] = {
	[COMMAND_RUN] = {"run", "", "send and receive in one process, and compare",
		"Send from one port, receive at another, and say what became of every frame."
		"\vExamples:\n"
		"  postern-pktgen run --tx af_xdp:eth1 --rx af_xdp:eth2 --rate 1Mpps\n"
		"  postern-pktgen run --tx af_xdp:eth1 --rx af_xdp:eth2 --bidir --size imix "
		"--flows 1000\n"
		"  postern-pktgen run --tx net_ring0 --duration 2 --json -\n",
		{tx_options, rx_options, core_options, both_options, frame_options, load_options,
			duration_options, output_options, plot_options}},
	[COMMAND_SEND] = {"send", "", "only send, to a `receive` elsewhere",
		"Send to a postern-pktgen receive in another namespace or machine, which says "
		"hello "
		"so that its address need not be given."
		"\vExamples:\n"
		"  postern-pktgen send --tx af_xdp:eth1 --size 1300 --rate 2Gbps\n",
		{tx_options, core_options, frame_options, load_options, duration_options,
			output_options}},
	[COMMAND_RECEIVE] = {"receive", "", "only receive, and count by the sequence numbers",
		"Receive from a postern-pktgen send. Ends when the sender says that it is done, or "
		"after --duration. Latency is given where both run on one machine."
		"\vExamples:\n"
		"  postern-pktgen receive --rx af_xdp:eth2 --duration 30 --json result.json\n",
		{rx_options, core_options, own_options, duration_options, output_options,
			plot_options}},
	[COMMAND_RFC2544] = {"rfc2544", "PROCEDURE", "measure what RFC 2544 asks for",
		"Procedures: throughput (highest rate without loss, by binary search), latency (at "
		"shares of the throughput), loss (by rate, from the highest down), back-to-back "
		"(longest burst without loss), recovery (after overload). One row for each --size."
		"\vExamples:\n"
		"  postern-pktgen rfc2544 throughput --tx af_xdp:eth1 --rx af_xdp:eth2 --size "
		"64,512,1514,imix\n"
		"  postern-pktgen rfc2544 loss --tx af_xdp:eth1 --rx af_xdp:eth2 --json "
		"loss.json\n",
		{tx_options, rx_options, core_options, both_options, frame_options, rfc_options,
			output_options, plot_options}},
};
#define COMMANDS_N (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *out)
{
	fputs("Usage: postern-pktgen COMMAND [OPTION...]\n"
	      "Generate Ethernet frames and count what becomes of them: loss, duplicates, order, "
	      "damage, latency.\n\n",
		out);
	for (unsigned i = 0; i < COMMANDS_N; i++) {
		char head[40];

		snprintf(head, sizeof(head), "%s %s", commands[i].name, commands[i].args);
		fprintf(out, "  %-20s %s\n", head, commands[i].summary);
	}
	fputs("\nEvery command has --help, with examples, and --json.\n"
	      "Exit status: 0 measured, 1 failed, 2 wrong command line, 3 a port cannot be "
	      "opened,\n"
	      "4 the pcap file is refused, 5 with --strict: rate not reached or frames lost,\n"
	      "6 no receiver was found.  See postern-pktgen(1).\n",
		out);
}

static void complete(struct options *o)
{
	cpu_set_t allowed;

	if (o->cores.n == 0 && sched_getaffinity(0, sizeof(allowed), &allowed) == 0) {
		for (uint16_t cpu = 0; cpu < CPU_SETSIZE && o->cores.n < 2; cpu++) {
			if (CPU_ISSET(cpu, &allowed))
				o->cores.cpu[o->cores.n++] = cpu;
		}
	}
	if (o->rx == NULL && o->command != COMMAND_SEND)
		o->rx = o->tx;
	if (o->duration_s == 0 && o->count == 0 && (o->pcap == NULL || o->command != COMMAND_RUN))
		o->duration_s = 10;
}

static void refuse(const char *name, const char *why)
{
	fprintf(stderr, "postern-pktgen %s: %s\nTry `postern-pktgen %s --help'.\n", name, why,
		name);
	exit(EXIT_USAGE);
}

static void check(struct options *o, const char *name)
{
	char why[UNITS_WHY_BYTES];
	unsigned least = frame_least(&o->spec);

	if (o->command != COMMAND_RECEIVE && o->tx == NULL)
		refuse(name, "where to send? Give --tx PORT");
	if (o->command == COMMAND_RECEIVE && o->rx == NULL)
		refuse(name, "where to receive? Give --rx PORT");
	if (o->command == COMMAND_RFC2544 && o->procedure == PROCEDURE_N)
		refuse(name,
			"which procedure? throughput, latency, loss, back-to-back or recovery");
	if (o->pcap != NULL && o->size_text != NULL)
		refuse(name, "--size and --pcap exclude each other");
	if (o->pcap != NULL && (o->spec.n_flows > 1 || o->bidir || o->command == COMMAND_RFC2544))
		refuse(name,
			"a pcap file is replayed as one stream in one direction, by run or send");
	if (o->rate.kind == RATE_RECORDED && o->pcap == NULL)
		refuse(name, "the rate recorded is that of a pcap file: give --pcap FILE");
	if (o->bidir && (o->rx == NULL || strcmp(o->tx, o->rx) == 0))
		refuse(name, "--bidir needs two ports");
	if (o->command != COMMAND_RECEIVE && mix_least(&o->mix) < least) {
		snprintf(why, sizeof(why), "with a VLAN tag, frames have at least %u bytes", least);
		refuse(name, why);
	}
	if (o->command == COMMAND_RFC2544 &&
		units_size_rows(o->size_text != NULL ? o->size_text : "64", o->rows,
			OPTIONS_ROWS_MAX, &o->n_rows, why) < 0)
		refuse(name, why);
}

void options_parse(int argc, char **argv, struct options *ret_options)
{
	struct options o = {
		.procedure = PROCEDURE_N,
		.spec = {.n_smacs = 1,
			.n_dmacs = 1,
			.n_flows = 1,
			.sip = 0xc6120001,
			.dip = 0xc6130001,
			.sport = 10000,
			.dport = FRAME_PORT},
		.settle_s = 2,
		.learn = true,
		.resolution_percent = 1,
		.trial_s = 10,
		.shares = {10, 50, 90},
		.n_shares = 3,
		.repeat = 3,
		.confirm = true,
	};
	struct argp parts[TABLES_MAX] = {};
	struct argp_child children[TABLES_MAX + 1] = {};
	struct argp top = {.parser = parse_top, .children = children};
	struct top_input in = {.options = &o};
	char name[64];
	unsigned c;

	mix_single(64, &o.mix);
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		help(stdout);
		exit(EXIT_DONE);
	}
	if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0)) {
		puts("postern-pktgen " POSTERN_VERSION);
		exit(EXIT_DONE);
	}
	for (c = 0; c < COMMANDS_N; c++) {
		if (argc > 1 && strcmp(argv[1], commands[c].name) == 0)
			break;
	}
	if (c == COMMANDS_N) {
		if (argc > 1)
			fprintf(stderr, "postern-pktgen: there is no command \"%s\"\n", argv[1]);
		help(stderr);
		exit(EXIT_USAGE);
	}
	o.command = (enum command)c;
	for (unsigned i = 0; i < TABLES_MAX && commands[c].tables[i] != NULL; i++) {
		parts[i] = (struct argp){.options = commands[c].tables[i], .parser = parse};
		children[i].argp = &parts[i];
		in.n_tables++;
	}
	top.args_doc = commands[c].args[0] != '\0' ? commands[c].args : NULL;
	top.doc = commands[c].doc;
	argp_err_exit_status = EXIT_USAGE;
	snprintf(name, sizeof(name), "postern-pktgen %s", commands[c].name);
	argv[1] = name;
	argp_parse(&top, argc - 1, argv + 1, 0, NULL, &in);
	complete(&o);
	check(&o, commands[c].name);
	*ret_options = o;
}
