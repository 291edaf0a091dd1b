// SPDX-License-Identifier: BSD-3-Clause
//
// Lane 0 of an epoch: the control processes' own sealed channel, ChaCha20-Poly1305 always. Carries
// M4, CLOSE, REKEY_PLEASE, revocations, candidates between peers, and all records of a hub link.
//
// Pure. One owner. Holds keys: ctl_lane_wipe(). Floor 2. PROTOCOL.md §5, §6, §14.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/common/keysched.h"
#include "wire/packet.h"

#define CTL_LANE_OVERHEAD        (PKT_DATA_HDR_LEN + PKT_BLOCK_HDR_LEN + PKT_MAC_LEN) // of one block
#define CTL_LANE_MAX_PAYLOAD     (PKT_HS_MAX_LEN - CTL_LANE_OVERHEAD)                 // over UDP
#define CTL_LANE_TCP_MAX_PAYLOAD (PKT_TCP_MAX_LEN - CTL_LANE_OVERHEAD)

struct ctl_lane {
	struct keysched_lane tx;
	struct keysched_lane rx;
	uint32_t tx_key_id;
	uint32_t rx_key_id;
	uint64_t tx_counter; // next to send
	uint64_t rx_newest;  // highest accepted
	uint64_t rx_seen;    // bit i: rx_newest - i was accepted; 0 when nothing was yet
	size_t max_len;
};

// From the control plane's half of the traffic secrets; wipe that half afterwards.
// max_len: PKT_HS_MAX_LEN over UDP, PKT_TCP_MAX_LEN over TCP
void ctl_lane_init(struct ctl_lane *l, const struct keysched_traffic *t, bool client,
	uint32_t rx_key_id, uint32_t tx_key_id, size_t max_len);
void ctl_lane_wipe(struct ctl_lane *l);

// One packet with one block. out: room for len + CTL_LANE_OVERHEAD.
//
// Bytes written; 0 when it would be longer than max_len or the counter has reached its cap. The
// first packet of a server's lane must be CONFIRM: that is M4.
size_t ctl_lane_seal(
	struct ctl_lane *l, uint8_t kind, const void *payload, size_t len, uint8_t *out);

// Open a packet and let its counter count as seen. plaintext: room for len bytes, must not overlap
// the packet; walk it with pkt_blocks(). 0 and the plaintext's length; on failure nothing changed:
//
// -EBADMSG: shape or AEAD; -ESTALE: another key_id; -EALREADY: replayed or older than the window of
// 64; -EOVERFLOW: counter at its cap
int ctl_lane_open(
	struct ctl_lane *l, const void *packet, size_t len, uint8_t *plaintext, size_t *ret_len);

// Which epoch a lane-0 packet is for, unauthenticated; false when it is no lane-0 packet at all.
bool ctl_lane_peek(const void *packet, size_t len, size_t max_len, uint32_t *ret_key_id);
