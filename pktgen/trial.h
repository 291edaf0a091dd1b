// SPDX-License-Identifier: BSD-3-Clause
//
// One trial: send for a while, wait for what is still under way, and say what became of it.
//
// The main thread starts workers, sleeps, shows how it goes, and adds up. Floor 4.
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "pktgen/account.h"
#include "pktgen/device.h"
#include "pktgen/frame.h"
#include "pktgen/histogram.h"
#include "pktgen/sender.h"
#include "pktgen/units.h"

struct capture;

// One direction of traffic; a process that only sends has no rx, one that only receives no tx.
struct direction {
	const struct device *tx, *rx;
	struct frame_spec spec;
	struct frame_head *heads;
	struct account *accounts;
	uint32_t n_streams; // accounts
};

struct rig {
	struct device devices[DEVICES_MAX];
	unsigned n_devices;
	struct direction dirs[2];
	unsigned n_dirs;
	unsigned n_cores;
	struct mix mix;
	const struct capture *capture;
	double settle_s;  // to wait for what is under way
	double receive_s; // how long a process receives that does not send
	FILE *progress;   // NULL: none
	bool live;        // it is a terminal
	const volatile sig_atomic_t *stop;
	uint64_t hz;
};

enum limit { LIMIT_NONE, LIMIT_PORT, LIMIT_CORE, LIMIT_FAR_END, LIMIT_N };
extern const char *const limit_names[LIMIT_N];

struct trial_direction {
	bool sent, received; // which halves are meant
	uint64_t tx_frames, tx_bytes;
	double tx_s;
	double asked_pps;     // of the last phase; 0: as fast as can be
	double refused_share; // of bursts, by the port
	double port_share;    // of the sender's time, in the driver
	double idle_share;    // of the sender's rounds, in which no frame was due
	double skipped_s;     // that much was owed and never sent
	double cpu_share;     // of the sender's core, not taken by other processes
	uint64_t rx_frames, rx_bytes;
	double rx_s;
	uint64_t expected; // frames that should have come
	bool end_heard;    // the other process said how many that were
	bool latency_valid;
	uint64_t lost, duplicated, reordered, late, corrupted, foreign;
	double recovery_s; // from the second phase's begin to the last frame before which one was
			   // lost
	enum limit limited_by;
};

struct trial {
	struct trial_direction dirs[2];
	unsigned n_dirs;
	double seconds;
	bool interrupted;
	struct histogram *latency; // ticks, of all directions
};

// errors: -ENOMEM.
int trial_init(struct trial *t);
void trial_fini(struct trial *t);

// n_phases ≤ SENDER_PHASES_MAX; may be repeated on the same rig. errors: -EIO a core is not there.
int trial_run(
	struct rig *rig, const struct sender_phase *phases, unsigned n_phases, struct trial *t);

// The account of all directions together.
struct trial_direction trial_sum(const struct trial *t);

double trial_loss_percent(const struct trial_direction *d);
