// SPDX-License-Identifier: BSD-3-Clause
//
// What the parts of the peer share with each other and nobody else. Floor 2.
#pragma once

#include "controlplane/gateway/peer.h"

// peer.c
void peer_set_state(struct peer *p, enum peer_state state, const struct peer_now *now);
void peer_note(struct peer *p, const struct peer_now *now, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void peer_hs_config(struct peer *p, unsigned pairing_idx, struct hs_config *ret);
// Put a finished handshake's keys into the ring and have them installed. -errno: given up.
int peer_begin_install(
	struct peer *p, unsigned pairing_idx, struct hs_result *result, const struct peer_now *now);
// Send under this epoch from now on. False when it is not ready.
bool peer_switch(struct peer *p, uint32_t rx_key_id, const struct peer_now *now);
void peer_retire_epoch(struct peer *p, uint32_t rx_key_id);
void peer_schedule_rekey(struct peer *p, const struct peer_now *now);
struct ctl_lane *peer_lane0_of(struct peer *p, uint32_t rx_key_id);
// A handshake is needed and there is none: start over with everything we know.
void peer_contact(struct peer *p, const struct peer_now *now);
// A pair key proves itself by a finished handshake; if it is the newer, the elder has served.
void peer_pairing_proven(struct peer *p, unsigned i);
// Under which pair key this datagram is authentic: index or -ENOENT.
int peer_pairing_of(struct peer *p, uint8_t type, const uint8_t *data, size_t len, uint64_t now_s);

// peer_lane0.c
void peer_forget_list(struct peer *p);

// peer_path.c
void path_learn(struct peer *p, const struct config_endpoint *at);
void path_use(struct peer *p, const struct config_endpoint *to);
// An address that the peer itself named, or the configuration.
bool path_is_told(const struct peer *p, const struct config_endpoint *at);
// Remember a source; false when there are too many.
bool path_source(struct peer_sources *s, const struct config_endpoint *at);
// Keys were agreed by way of these addresses, of which somebody beside the path may have added
// some. Without a good path (anew: whatever it is) one of them serves; call it before the switch.
void path_settle(struct peer *p, const struct peer_sources *s, bool anew);
// After the switch, as it takes the new keys: where there are others than the path have all of them
// asked, of which the first that answers is used.
void path_prove(struct peer *p, const struct peer_sources *s);
// A round: to the path while it is good, else to every candidate.
void path_send(
	struct peer *p, bool everywhere, const void *data, size_t len, const struct peer_now *now);
void punch_start(struct peer *p, const struct peer_now *now);
void punch_stop(struct peer *p);
void punch_tick(struct peer *p, const struct peer_now *now);

// peer_client.c
void client_start(struct peer *p, const struct peer_now *now);
void client_stop(struct peer *p);
void client_punched(struct peer *p, const struct config_endpoint *from,
	const struct pkt_punch *punch, bool fresh, const struct peer_now *now);
void client_m2(struct peer *p, const struct config_endpoint *from, const uint8_t *data, size_t len,
	const struct peer_now *now);
void client_retry(struct peer *p, const struct config_endpoint *from, const uint8_t *data,
	size_t len, const struct peer_now *now);
void client_installed(struct peer *p, bool ok, const struct peer_now *now);
void client_confirmed(struct peer *p, uint32_t rx_key_id, const struct peer_now *now);
void client_tick(struct peer *p, const struct peer_now *now);

// peer_server.c
void server_stop(struct peer *p);
void server_m1(struct peer *p, const struct config_endpoint *from, const uint8_t *data, size_t len,
	const struct peer_now *now);
void server_m3(struct peer *p, const struct config_endpoint *from, const uint8_t *data, size_t len,
	const struct peer_now *now);
void server_installed(struct peer *p, bool ok, const struct peer_now *now);
