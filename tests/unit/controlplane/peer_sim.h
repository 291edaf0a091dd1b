// SPDX-License-Identifier: BSD-3-Clause
//
// Two peers, a network and two pretended data-planes in memory, with a virtual clock and a seeded
// dice: the real state machine and the real handshake, no sockets. For tests.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "controlplane/gateway/peer.h"

#define SIM_QUEUE 4096
#define SIM_KEYS  16

struct sim_datagram {
	bool used;
	uint64_t at_us;
	unsigned to; // side
	struct config_endpoint from;
	size_t len;
	uint8_t data[PKT_HS_MAX_LEN];
};

struct sim_key {
	uint32_t rx_key_id; // 0: free
	uint64_t born_us;
	uint64_t ready_us; // 0: not told yet
	bool ready;
};

struct sim;

struct sim_side {
	struct sim *sim;
	unsigned idx;
	struct peer peer;
	struct peer_env env;
	struct hs_identity identity;
	uint8_t pk[32], sk[64], cert[100];
	struct config_endpoint at;
	struct sim_key keys[SIM_KEYS];
	uint32_t tx_rx_key_id; // epoch in use for sending, by its rx_key_id
	uint32_t tx_key_id;
	uint32_t expired_rx_key_id; // the newest epoch that died of age, not by a rekey
	unsigned n_sent[256];       // datagrams by first byte
	unsigned n_installs, n_closed;
	bool install_fails, install_hangs, cert_fails;
	uint16_t close_reason;
	uint64_t ts;
	struct config_endpoint path;
	struct config_endpoint tried_first, tried; // the first and the last that it wanted proven
};

struct sim {
	uint64_t now_us;
	uint64_t seed;
	struct sim_side side[2]; // 0 client "a", 1 server "b"
	unsigned loss_percent, dup_percent;
	uint64_t delay_us, jitter_us;
	bool traffic;        // frames flow all the time, and show which epoch they come under
	bool cut;            // nothing arrives
	uint64_t cut_us;     // since when, or 0
	uint64_t apart_us;   // till when both may have forgotten what the other sends under
	unsigned violations; // sent under keys that the other side could not receive
	// Called for each datagram before it is queued; false: it is lost.
	bool (*filter)(struct sim *s, unsigned from, const struct config_endpoint *to,
		uint8_t *data, size_t len);
	unsigned queue_end;                   // none of the queue's slots from here on is used,
	struct sim_datagram queue[SIM_QUEUE]; // nor ever cleared
};

void sim_init(struct sim *s, uint64_t seed);
void sim_fini(struct sim *s);
// Give both a fresh pair key; returns the pairings' number.
void sim_introduce(struct sim *s);
void sim_pairing(struct sim *s, unsigned side, unsigned number, struct peer_pairing *ret);
void sim_run(struct sim *s, uint64_t us);
// Run until both are up, at most so long; returns the time it took, or UINT64_MAX.
uint64_t sim_run_until_up(struct sim *s, uint64_t us);
void sim_inject(struct sim *s, unsigned to, const struct config_endpoint *from, const void *data,
	size_t len);
struct peer_now sim_time(const struct sim *s);
// The data-plane of one side dies and comes back.
void sim_restart_dataplane(struct sim *s, unsigned side);
uint32_t sim_random(struct sim *s);
