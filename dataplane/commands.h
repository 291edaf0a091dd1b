// SPDX-License-Identifier: BSD-3-Clause
//
// Commands from control: taken out by copy, every field validated as if hostile, carried out,
// answered.
//
// Thread: the worker, between bursts. A command's slot in the ring is wiped as it is taken, the
// copy as soon as it was carried out. Floor 4.
#pragma once

struct worker_rt;

#define COMMANDS_BURST 16 // carried out in one go, so that frames do not wait for long

// Carry out what is on the ring, at most COMMANDS_BURST. Returns how many.
unsigned commands_run(struct worker_rt *rt);
