// SPDX-License-Identifier: BSD-3-Clause
//
// When the next frame is due, by the time stamp counter and nothing else.
//
// Every frame pushes the next one's time by what it costs at the rate asked for, so the mean is
// exact whatever the sizes. A sender that was held up sends what PACE_BURST_US held at once, and
// the rest twice as fast as asked; what it missed beyond PACE_OWED_US is never sent, so that
// no lump comes that nobody asked for.
//
// Floor 2. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pktgen/units.h"

#define PACE_BURST_US 200
#define PACE_OWED_US  100000
#define PACE_CATCH_UP 2 // times the rate

// Times are in 1/65536 ticks, but for start.
struct pace {
	uint64_t start; // ticks
	uint64_t next;  // since start
	uint64_t burst, most_owed;
	uint64_t per_frame; // 0 where the rate is in bits
	uint64_t per_byte;
	uint64_t per_ns;  // of the gap that a capture has behind a frame
	uint64_t owed;    // to be caught up
	uint64_t skipped; // never sent
	bool unlimited;
};

void pace_start(struct pace *p, const struct rate *rate, uint64_t hz, uint64_t now);

// To be called before frames are asked for: what is due beyond a short burst is owed.
static inline void pace_clip(struct pace *p, uint64_t now)
{
	uint64_t at = (now - p->start) << 16;

	if (p->unlimited || at <= p->next + p->burst)
		return;
	p->owed += at - p->burst - p->next;
	p->next = at - p->burst;
	if (p->owed > p->most_owed) {
		p->skipped += p->owed - p->most_owed;
		p->owed = p->most_owed;
	}
}

// Whether a frame of this size is due; if so, it is taken as sent. gap_ns: from it to the next one,
// where it was recorded.
static inline bool pace_take(struct pace *p, uint64_t now, unsigned bytes, uint64_t gap_ns)
{
	uint64_t cost, less;

	if (p->unlimited)
		return true;
	if ((now - p->start) << 16 < p->next)
		return false;
	cost = p->per_frame + p->per_byte * bytes + p->per_ns * gap_ns;
	less = cost - cost / PACE_CATCH_UP;
	less = p->owed < less ? p->owed : less;
	p->owed -= less;
	p->next += cost - less;
	return true;
}
