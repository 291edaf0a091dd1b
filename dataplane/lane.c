// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/lane.h"

bool lane_tx_reserve(struct lane_tx *lane, unsigned n, uint64_t *ret_first)
{
	if (lane->next + n > LANE_HARD_LIMIT)
		return false;
	*ret_first = lane->next;
	lane->next += n;
	return true;
}
