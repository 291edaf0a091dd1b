// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/search.h"

void search_start(struct search *s, double top, double resolution)
{
	*s = (struct search){.top = top, .failed = 2 * top, .resolution = resolution};
}

bool search_next(const struct search *s, double *ret_value)
{
	if (s->passed >= s->top)
		return false;
	if (s->failed > s->top) {
		*ret_value = s->top;
		return true;
	}
	if (s->failed - s->passed <= s->resolution)
		return false;
	*ret_value = (s->failed + s->passed) / 2;
	return true;
}

void search_tell(struct search *s, double value, bool passed)
{
	if (passed)
		s->passed = value;
	else
		s->failed = value;
}
