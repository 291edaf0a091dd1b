// SPDX-License-Identifier: BSD-3-Clause
//
// LAN → WAN: receive → classify → fdb lookup → pack → seal → outer header → send.
// Thread: the worker. Floor 4.
#pragma once

struct port_rx;
struct rte_mbuf;
struct worker;

// Poll one LAN queue and carry what came. Returns frames received.
unsigned lan_to_wan(struct worker *w, const struct port_rx *rx);

// The same for n ≤ BATCH_MAX frames already received on a port; takes them.
void lan_to_wan_batch(struct worker *w, unsigned port_idx, struct rte_mbuf **m, unsigned n);
