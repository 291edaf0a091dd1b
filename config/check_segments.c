// SPDX-License-Identifier: BSD-3-Clause
#include "config/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/nearest.h"

// Find a port by name; -1 when there is none.
static int find_port(const struct dataplane_config *dp, const char *name)
{
	for (unsigned i = 0; i < dp->n_ports; i++) {
		if (strcmp(dp->ports[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

static void hint_port(struct config_reader *r, const struct dataplane_config *dp, const char *name)
{
	struct config_nearest near = {.word = name, .len = strlen(name)};

	for (unsigned i = 0; i < dp->n_ports; i++)
		config_nearest_offer(&near, dp->ports[i].name);
	if (near.best != NULL)
		config_reader_hint(r, "did you mean '%s'?", near.best);
	else
		config_reader_hint(r, "add it to section 'ports', or name one that is there");
}

static int check_unique(struct config_reader *r, const struct config_segment *segments, unsigned i)
{
	for (unsigned j = 0; j < i; j++) {
		const char *key = NULL;

		if (segments[i].id == segments[j].id)
			key = "id";
		else if (strcmp(segments[i].name, segments[j].name) == 0)
			key = "name";
		if (key == NULL)
			continue;
		config_reader_at(r, "segments[%u].%s", i, key);
		config_reader_hint(r, "give each segment its own");
		return config_reader_fail(r, "segment '%s' (segments[%u]) already has this %s",
			segments[j].name, j, key);
	}
	return 0;
}

// Who has a port or one of its VLANs, while segments are walked in order.
struct claims {
	// By port and VLAN, 0 for the rest of the port: the segment's index + 1.
	uint16_t by[CONFIG_PORTS_MAX][4095];
};

static int check_segment_port(struct config_reader *r, struct dataplane_config *dp,
	struct claims *claims, unsigned s, unsigned i)
{
	// The array is ours until the configuration is handed out.
	struct config_segment_port *sp = (struct config_segment_port *)&dp->segments[s].ports[i];
	int idx = find_port(dp, sp->port);
	unsigned owner;

	config_reader_at(r, "segments[%u].ports[%u]", s, i);
	if (config_reader_given(r, "segments[%u].ports[%u].port", s, i))
		config_reader_at(r, "segments[%u].ports[%u].port", s, i);
	if (idx < 0) {
		hint_port(r, dp, sp->port);
		return config_reader_fail(r, "there is no port '%s'", sp->port);
	}
	if (dp->ports[idx].role == CONFIG_ROLE_WAN) {
		config_reader_hint(r,
			"a segment joins LAN ports; peers reach it through the WAN by themselves");
		return config_reader_fail(r, "'%s' is a WAN port", sp->port);
	}
	owner = claims->by[idx][sp->vlan];
	if (owner > 0) {
		config_reader_hint(r,
			sp->vlan > 0 ? "a VLAN of a port belongs to one segment"
				     : "map VLANs of the port instead: {port: %s, vlan: N}",
			sp->port);
		if (sp->vlan > 0)
			return config_reader_fail(r,
				"segment '%s' already has VLAN %u of port '%s'",
				dp->segments[owner - 1].name, sp->vlan, sp->port);
		return config_reader_fail(r, "segment '%s' already has port '%s'",
			dp->segments[owner - 1].name, sp->port);
	}
	claims->by[idx][sp->vlan] = (uint16_t)(s + 1);
	sp->port_idx = (uint16_t)idx;
	return 0;
}

static int check_static(
	struct config_reader *r, struct dataplane_config *dp, unsigned s, unsigned i)
{
	const struct config_segment *seg = &dp->segments[s];
	struct config_static *st = (struct config_static *)&seg->statics[i];
	int idx;

	if (st->vlan > 0 && !seg->vlan_aware) {
		config_reader_at(r, "segments[%u].static[%u].vlan", s, i);
		config_reader_hint(r, "remove it, or set vlan_aware: true on the segment");
		return config_reader_fail(r, "segment '%s' does not tell VLANs apart", seg->name);
	}
	for (unsigned j = 0; j < i; j++) {
		if (memcmp(st->mac, seg->statics[j].mac, 6) != 0 ||
			st->vlan != seg->statics[j].vlan)
			continue;
		config_reader_at(r, "segments[%u].static[%u].mac", s, i);
		config_reader_hint(r, "keep one of the two");
		return config_reader_fail(
			r, "this station is already in segments[%u].static[%u]", s, j);
	}
	config_reader_at(r, "segments[%u].static[%u].port", s, i);
	idx = find_port(dp, st->port);
	if (idx < 0) {
		hint_port(r, dp, st->port);
		return config_reader_fail(r, "there is no port '%s'", st->port);
	}
	st->port_idx = (uint16_t)idx;
	for (unsigned p = 0; p < seg->n_ports; p++) {
		if (seg->ports[p].port_idx == idx)
			return 0;
	}
	config_reader_hint(r, "add the port to segments[%u].ports", s);
	return config_reader_fail(
		r, "port '%s' does not belong to segment '%s'", st->port, seg->name);
}

static int check_n_vlan_aware(struct config_reader *r, const struct dataplane_config *dp)
{
	unsigned n = 0;

	for (unsigned s = 0; s < dp->n_segments; s++) {
		n += dp->segments[s].vlan_aware;
		if (n <= CONFIG_VLAN_AWARE_MAX)
			continue;
		config_reader_at(r, "segments[%u].vlan_aware", s);
		config_reader_hint(r, "set it to false where no address shows up in several VLANs");
		return config_reader_fail(
			r, "only %u segments can be vlan_aware", CONFIG_VLAN_AWARE_MAX);
	}
	return 0;
}

static int check_segment(
	struct config_reader *r, struct dataplane_config *dp, struct claims *claims, unsigned s)
{
	int ret = check_unique(r, dp->segments, s);

	for (unsigned i = 0; ret == 0 && i < dp->segments[s].n_ports; i++)
		ret = check_segment_port(r, dp, claims, s, i);
	for (unsigned i = 0; ret == 0 && i < dp->segments[s].n_statics; i++)
		ret = check_static(r, dp, s, i);
	return ret;
}

// A LAN port outside every segment would swallow frames in silence.
static int check_orphans(
	struct config_reader *r, const struct dataplane_config *dp, const struct claims *claims)
{
	for (unsigned i = 0; i < dp->n_ports; i++) {
		bool used = dp->ports[i].role == CONFIG_ROLE_WAN;

		for (unsigned v = 0; !used && v < 4095; v++)
			used = claims->by[i][v] > 0;
		if (used)
			continue;
		config_reader_at(r, "ports[%u].name", i);
		config_reader_hint(r, "name it under ports of a segment, or remove it");
		return config_reader_fail(
			r, "LAN port '%s' belongs to no segment", dp->ports[i].name);
	}
	return 0;
}

int config_check_segments(struct config_reader *r, struct dataplane_config *dp)
{
	struct claims *claims = calloc(1, sizeof(*claims));
	int ret = 0;

	if (claims == NULL)
		return -ENOMEM;
	for (unsigned s = 0; ret == 0 && s < dp->n_segments; s++)
		ret = check_segment(r, dp, claims, s);
	if (ret == 0)
		ret = check_n_vlan_aware(r, dp);
	if (ret == 0)
		ret = check_orphans(r, dp, claims);
	free(claims);
	return ret;
}
