// SPDX-License-Identifier: BSD-3-Clause
//
// Records in lane 0 of a TCP link, after the handshake: what gateway and hub both do to send one
// and to take one. Frames come out with their two length bytes, ready for the stream.
//
// No I/O. One owner. Holds keys: recordlane_fini(). Floor 2. PROTOCOL.md §13, §14.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/common/ctl_lane.h"
#include "controlplane/common/handshake.h"
#include "controlplane/common/tcpframe.h"
#include "wire/record.h"

struct recordlane {
	struct ctl_lane lane;
	struct record_rx rx;
	uint8_t *buf;      // RECORD_MAX_LEN, for rx
	size_t max_record; // longer records than this end the link; 0: RECORD_MAX_LEN
	bool confirmed;    // M4 has been sent (server) or seen (client)
	uint8_t plain[TCPFRAME_MAX];
	uint8_t frame[TCPFRAME_HEAD_BYTES + TCPFRAME_MAX];
};

// Take over a finished handshake; *result is wiped. errors: -ENOMEM
int recordlane_init(struct recordlane *rl, struct hs_result *result, bool client);
void recordlane_fini(struct recordlane *rl); // accepts a zeroed object

// Where frames go, one call each. 0, or -errno, which ends the sending and is returned.
typedef int (*recordlane_emit)(void *ctx, const uint8_t *frame, size_t len);

// Server: send M4. Comes before any record.
int recordlane_confirm(struct recordlane *rl, recordlane_emit emit, void *ctx);

// Send one record. errors: -EMSGSIZE; -EOVERFLOW: the lane's counter is at its cap; those of emit
int recordlane_send(struct recordlane *rl, uint16_t type, const void *body, size_t len,
	recordlane_emit emit, void *ctx);

// A complete record; body is valid until the return. Non-zero stops the reading and is returned.
typedef int (*recordlane_take)(void *ctx, uint16_t type, const uint8_t *body, size_t len);

// Take one frame (without its length bytes). The client must see CONFIRM first.
//
// errors:  -EBADMSG: not authentic, or broken inside: close the link; those of take
int recordlane_recv(
	struct recordlane *rl, const uint8_t *frame, size_t len, recordlane_take take, void *ctx);
