// SPDX-License-Identifier: BSD-3-Clause
//
// The command line. A mistake in it ends the program with a sentence and EXIT_USAGE.
//
// Floor 5.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pktgen/device.h"
#include "pktgen/frame.h"
#include "pktgen/units.h"

// Exit status, as documented in postern-pktgen(1).
enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1, // DPDK, memory, or a file that cannot be written
	EXIT_USAGE = 2,  // the command line
	EXIT_PORT = 3,   // a port cannot be opened
	EXIT_INPUT = 4,  // the pcap file
	EXIT_SHORT = 5,  // with --strict: the rate was not reached, or frames were lost
	EXIT_NOBODY = 6, // send: no receiver says where it is
};

enum command { COMMAND_RUN, COMMAND_SEND, COMMAND_RECEIVE, COMMAND_RFC2544 };

enum procedure {
	PROCEDURE_THROUGHPUT,
	PROCEDURE_LATENCY,
	PROCEDURE_LOSS,
	PROCEDURE_BACK_TO_BACK,
	PROCEDURE_RECOVERY,
	PROCEDURE_N,
};
extern const char *const procedure_names[PROCEDURE_N];

#define OPTIONS_ROWS_MAX   16
#define OPTIONS_SHARES_MAX 16

struct options {
	enum command command;
	enum procedure procedure;
	const char *tx, *rx;
	struct device_cores cores;
	const char *size_text, *pcap;
	struct mix mix;
	struct size_row rows[OPTIONS_ROWS_MAX]; // rfc2544: one table row each
	unsigned n_rows;
	struct frame_spec spec; // what was given; MAC addresses only where has_ says so
	bool has_smac, has_dmac;
	struct rate rate;
	double duration_s; // 0: none
	uint64_t count;    // 0: none
	bool bidir;
	double settle_s;
	bool learn;
	// rfc2544
	double loss_percent, resolution_percent, trial_s;
	double shares[OPTIONS_SHARES_MAX];
	unsigned n_shares;
	unsigned repeat;
	bool confirm;
	// output
	const char *json, *plot;
	bool quiet, strict;
};

// Returns only if there is something to do.
void options_parse(int argc, char **argv, struct options *ret_options);
