// SPDX-License-Identifier: BSD-3-Clause
//
// Segments: which LAN attachments belong together, and how a port's VLANs map to them.
//
// Made once at start and then read only; the peers of a segment are each worker's own list
// (session.h). Floor 2.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/guard.h"

#define SEGMENTS_MAX           256
#define SEGMENT_ATTACHED_MAX   64
#define SEGMENT_PORTS_MAX      16 // LINK_PORTS_MAX
#define SEGMENT_VIDS           4096
#define ATTACHMENTS_MAX        1024
#define SEGMENT_VLAN_AWARE_MAX 15
#define ATTACHMENT_NONE        0xffff

// A port's share in a segment: the whole port (vid 0, tags untouched), or one 802.1Q VLAN of it
// whose tag is taken off on the way in and put back on the way out.
struct attachment {
	uint8_t port_idx;
	uint8_t segment;
	uint16_t vid;
};

struct segment {
	bool exists;
	bool vlan_aware;      // learns by (MAC, VID)
	uint16_t domain_base; // of the FDB: own number, or the first of 4096
	uint16_t n_attached;
	// flooded frames from one attachment or peer are this far apart at most; 0 no limit
	uint64_t bum_interval_ns;
	struct guard_rules guard;
	uint16_t attached[SEGMENT_ATTACHED_MAX]; // indices of attachments
};

struct segment_table {
	struct segment segment[SEGMENTS_MAX];
	struct attachment attachment[ATTACHMENTS_MAX];
	uint16_t n_attachments;
	uint16_t n_vlan_aware;
	uint16_t domain_segment[65536]; // 0xffff: no such domain
	// by port and VID: the attachment that claims it; vid 0 is the rest of the port
	uint16_t by_port[SEGMENT_PORTS_MAX][SEGMENT_VIDS];
};

void segment_table_init(struct segment_table *t);
// errors: -EEXIST, -ENOSPC more than SEGMENT_VLAN_AWARE_MAX VLAN-aware ones.
int segment_add(struct segment_table *t, uint8_t id, bool vlan_aware, uint32_t bum_pps);
// errors: -ENOENT no such segment, -EEXIST the port's VLAN is taken, -ENOSPC, -EINVAL.
int segment_attach(struct segment_table *t, uint8_t id, uint8_t port_idx, uint16_t vid);

static inline uint16_t segment_domain(const struct segment *s, uint16_t vid)
{
	return s->vlan_aware ? s->domain_base + vid : s->domain_base;
}
