// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/segment.h"

#include <errno.h>
#include <string.h>

void segment_table_init(struct segment_table *t)
{
	memset(t, 0, sizeof(*t));
	memset(t->domain_segment, 0xff, sizeof(t->domain_segment));
	memset(t->by_port, 0xff, sizeof(t->by_port));
}

int segment_add(struct segment_table *t, uint8_t id, bool vlan_aware, uint32_t bum_pps)
{
	struct segment *s = &t->segment[id];

	if (s->exists)
		return -EEXIST;
	if (vlan_aware && t->n_vlan_aware == SEGMENT_VLAN_AWARE_MAX)
		return -ENOSPC;
	*s = (struct segment){
		.exists = true,
		.vlan_aware = vlan_aware,
		.domain_base = id,
		.bum_interval_ns = bum_pps == 0 ? 0 : 1000000000ull / bum_pps,
	};
	t->domain_segment[id] = id;
	if (vlan_aware) {
		s->domain_base = SEGMENT_VIDS * ++t->n_vlan_aware;
		for (unsigned vid = 0; vid < SEGMENT_VIDS; vid++)
			t->domain_segment[s->domain_base + vid] = id;
	}
	return 0;
}

int segment_attach(struct segment_table *t, uint8_t id, uint8_t port_idx, uint16_t vid)
{
	struct segment *s = &t->segment[id];

	if (!s->exists)
		return -ENOENT;
	if (port_idx >= SEGMENT_PORTS_MAX || vid > 4094)
		return -EINVAL;
	if (t->by_port[port_idx][vid] != ATTACHMENT_NONE)
		return -EEXIST;
	if (s->n_attached == SEGMENT_ATTACHED_MAX || t->n_attachments == ATTACHMENTS_MAX)
		return -ENOSPC;
	t->attachment[t->n_attachments] =
		(struct attachment){.port_idx = port_idx, .segment = id, .vid = vid};
	t->by_port[port_idx][vid] = t->n_attachments;
	s->attached[s->n_attached++] = t->n_attachments++;
	return 0;
}
