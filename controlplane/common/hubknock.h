// SPDX-License-Identifier: BSD-3-Clause
//
// The knock that opens a hub's TCP port: one PUNCH from an ordinary UDP socket. PROTOCOL.md §14.
//
// Any thread. Floor 4.
#pragma once

#include <stdint.h>

#include "config/types.h"
#include "controlplane/common/pair.h"

// Send it and forget it: a knock that cannot be sent, or is lost, shows as a connection that does
// not come about. ts: as for pair_punch_build().
void hubknock_send(const struct pair *p, const struct config_endpoint *to, uint64_t ts);
