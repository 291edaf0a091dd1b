// SPDX-License-Identifier: BSD-3-Clause
//
// What the API's answers are made of. Loop thread only. Floor 4.
#pragma once

#include "controlplane/gateway/control.h"

json_t *api_segments(const struct control *c, const uint8_t segments[CONTROL_SEGMENT_BYTES]);
json_t *api_ports(struct control *c);
json_t *api_loops(struct control *c); // names of segments that a loop was cut out of
json_t *api_peer(struct control *c, struct gw_peer *gp);
json_t *api_stats(struct control *c, struct rpc_error *error);
json_t *api_fdb(struct control *c, json_t *params, struct rpc_error *error);
