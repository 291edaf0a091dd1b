// SPDX-License-Identifier: BSD-3-Clause
//
// What the hub does with each record, by who sent it: a gateway's link or a token's.
//
// Loop thread only. Floor 4.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "controlplane/hub/hub.h"
#include "controlplane/hub/links.h"

// A gateway's link came up; peer_list is the number of the revocation list it has.
void records_link_up(struct hub *h, struct link *l, uint64_t peer_list);

// Non-zero closes the link.
int records_take(struct hub *h, struct link *l, uint16_t type, const uint8_t *body, size_t len);

// Answer with an ERROR record.
void records_refuse(struct hub *h, struct link *l, uint16_t in_reply_to,
	enum record_error_code code, const char *text);

// The signed revocation list to one link.
void records_send_list(struct hub *h, struct link *l);
