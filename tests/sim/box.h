// SPDX-License-Identifier: BSD-3-Clause
//
// A data-plane in a box: the rig of the unit tests (workers, rings, timers, tables on ports that
// are arrays) behind names of its own, in a library of its own, because control and data-plane
// are two programs and some of their names are the same.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/cmd.h"
#include "wire/link.h"
#include "wire/sealed_ring.h"

#define BOX_SESSIONS 8
#define BOX_SEGMENT  1
#define BOX_MTU      1500

struct box;

struct box_packet { // of IPv4 and UDP; addresses in host order
	uint32_t src_ip, dst_ip;
	uint16_t sport, dport;
	const uint8_t *data;
	size_t len;
};

void box_init(void); // once a process

struct box *box_create(uint8_t id, uint64_t boot_id);
void box_destroy(struct box *b);

// Fresh rings; control's ends are copied to ret, and live as long as the box or until the next.
void box_attach(struct box *b, uint32_t generation, struct sealed_ring ret[RING_KINDS]);
void box_hello(const struct box *b, struct link_hello *ret);
void box_fdb_flush(struct box *b, uint32_t session);

void box_clock(struct box *b, uint64_t boottime_ns);
void box_turn(struct box *b); // rings, timers, then ports
// The timers once more, as often as they would have run while nothing moved.
void box_tick(struct box *b);

// False when there is no room.
bool box_wan_in(struct box *b, const struct box_packet *p);
bool box_lan_in(struct box *b, const uint8_t *frame, size_t len);
// What left the ports; true if anything did.
bool box_take(struct box *b, void (*wan)(void *ctx, const struct box_packet *p),
	void (*lan)(void *ctx, const uint8_t *frame, size_t len), void *ctx);

unsigned box_mbufs_in_use(void);
uint64_t box_drops(const struct box *b, unsigned reason);
