// SPDX-License-Identifier: BSD-3-Clause
//
// What the two ends say to each other beside the load: "this address is here", so that switches
// learn it and a sender finds its receiver, and "so many were sent".
//
// A queue is used by one thread at a time: the main thread talks where no worker sends. Floor 4.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pktgen/frame.h"

#define TALK_ADDRESSES_MAX 4096 // said hello from; more would fill a switch's table anyway

struct device;

// The same on every process of this machine, and on no other.
uint64_t talk_machine(void);

// Say hello from every source address of the spec, to everyone.
void talk_hello(const struct device *dev, const struct frame_spec *spec);

// Say several times how many frames the run had.
void talk_end(const struct device *dev, const struct frame_spec *spec, uint8_t run, uint64_t total);

struct talk_heard {
	uint8_t mac[6];
	struct ctl ctl;
};

// Receive until somebody says hello or the time is over; everything else is thrown away.
bool talk_listen(
	const struct device *dev, uint16_t dport, unsigned ms, struct talk_heard *ret_heard);
