// SPDX-License-Identifier: BSD-3-Clause
//
// The hub's TCP side: connections, handshakes, and the record lanes of those that proved
// themselves.
//
// A connection that has not sent a valid M1 is never sent a byte, whatever it sends; after
// LINKS_HELLO_S it is closed. At most limits.pending wait at a time, a few for each source; one
// that knocked by UDP takes the place of one that did not. A gateway has one link: a newer one ends
// the older. Loop thread only. Floor 4. PROTOCOL.md §13, §14.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "controlplane/hub/hub.h"
#include "wire/record.h"

#define LINKS_HELLO_S    5u    // to prove oneself
#define LINKS_IDLE_S     90u   // without any frame; gateways ping every 20 s
#define LINKS_LIFE_S     3600u // then the link is closed, to be made anew
#define LINKS_PER_SOURCE 16u   // pending connections of one address
#define LINKS_RECORD_MAX 8192u // longest record a gateway has reason to send
#define LINKS_QUEUE_MAX  (2u << 20)

struct link;

int links_create(struct hub *h, struct link_server **ret_links, struct hub_error *ret_error);
void links_destroy(struct link_server *ls); // closes all; accepts NULL

// Send a record. A link that does not read, or a failure, closes it; nothing is reported.
void links_send(struct link_server *ls, struct link *l, const struct record *r);
void links_send_bytes(
	struct link_server *ls, struct link *l, uint16_t type, const void *body, size_t len);

// Close; the link is not to be used again. What was sent before still goes out where `flush`.
void links_close(struct link *l, bool flush);

// Close every connection that stands on this gate, in whatever state.
void links_close_gate(struct link_server *ls, const struct gate *gate);

struct gate *link_gate(const struct link *l);
const uint8_t *link_peer_key(const struct link *l); // 32, what M3 proved
const struct config_endpoint *link_from(const struct link *l);

struct links_count {
	unsigned pending;
	unsigned up;
};
struct links_count links_count(const struct link_server *ls);
