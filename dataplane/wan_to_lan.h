// SPDX-License-Identifier: BSD-3-Clause
//
// WAN → LAN: receive → strip outer → open → replay commit → unpack → learn, deliver → send.
// Thread: the worker. Floor 4.
#pragma once

struct port_rx;
struct rte_mbuf;
struct worker;

// Poll one WAN queue and carry what came. Returns packets received.
unsigned wan_to_lan(struct worker *w, const struct port_rx *rx);

// The same for n ≤ BATCH_MAX packets already received on a port; takes them.
void wan_to_lan_batch(struct worker *w, unsigned port_idx, struct rte_mbuf **m, unsigned n);

// Carry what other workers handed over (one batch), and drop split frames that waited too long. The
// loop calls it once a round. Returns elements taken.
unsigned handoff_run(struct worker *w);
