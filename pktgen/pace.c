// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/pace.h"

#define FIXED 65536.0

void pace_start(struct pace *p, const struct rate *rate, uint64_t hz, uint64_t now)
{
	*p = (struct pace){
		.start = now,
		.burst = hz / 1000000 * PACE_BURST_US << 16,
		.most_owed = hz / 1000000 * PACE_OWED_US << 16,
	};
	switch (rate->kind) {
	case RATE_MAX:
		p->unlimited = true;
		break;
	case RATE_PPS:
		p->per_frame = (uint64_t)((double)hz * FIXED / rate->value + 0.5);
		break;
	case RATE_BPS:
		p->per_byte = (uint64_t)((double)hz * 8 * FIXED / rate->value + 0.5);
		break;
	case RATE_RECORDED:
		p->per_ns = (uint64_t)((double)hz * FIXED / 1e9 + 0.5);
		break;
	}
}
