// SPDX-License-Identifier: BSD-3-Clause
//
// Shape checks of everything the data-plane says. Pure, thread safe. Floor 2.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/cmd.h"
#include "wire/link.h"
#include "wire/stats.h"

#define DPLINK_PUNT_MIN_BYTES 36

// A HELLO of n_bytes: version, counts and strings within bounds.
bool dplink_hello_ok(const struct link_hello *hello, size_t n_bytes);

// An element of worker's event ring. For EV_ACK the sequence number is the caller's to look up.
bool dplink_event_ok(const struct event *event, unsigned worker, const struct link_hello *hello);

// An element of worker's punt or lane-0 ring.
bool dplink_punt_ok(const struct punt *punt, unsigned worker, const struct link_hello *hello);

// The stats pages, mapped_bytes long: everything the offsets name lies inside. The data-plane can
// write these pages at any time, so only the head in ret_head has been judged, not the one there.
bool dplink_stats_ok(const struct stats_head *stats, size_t mapped_bytes,
	const struct link_hello *hello, struct stats_head *ret_head);

// A page of the forwarding table of n_bytes.
bool dplink_fdb_ok(const struct link_fdb *fdb, size_t n_bytes, const struct link_hello *hello);
