// SPDX-License-Identifier: BSD-3-Clause
//
// The epochs of one peer: which key_ids live in the data-plane and what may happen to them next.
//
// An epoch is named by the key_id under which we receive (PROTOCOL.md §14: slot ‖ generation). At
// most three live at once, and a key_id never names two installs: a generation is free again only
// after every worker has said that it wiped the last one. Pure bookkeeping: no keys, no I/O, time
// passed in (µs, monotonic). Not thread safe. Floor 2.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define KEYRING_EPOCHS       3
#define KEYRING_LINGER_US    (30ull * 1000000) // an old epoch still receives for this long
#define KEYRING_RETIRING_MAX 8

enum epoch_state {
	EPOCH_FREE,
	EPOCH_INSTALLING, // keys sent to the workers, answers outstanding
	EPOCH_READY,      // every worker receives under it; we do not send yet
	EPOCH_CURRENT,    // we send under it
	EPOCH_OLD,        // replaced; receives for stragglers until dies_us
};

struct epoch {
	enum epoch_state state;
	uint32_t rx_key_id;
	uint32_t tx_key_id;
	uint8_t cipher;
	uint64_t born_us;
	uint64_t dies_us;     // EPOCH_OLD only
	uint64_t life_us;     // longest life from birth
	uint64_t not_after_s; // wall clock: certificates and intents
};

struct keyring {
	uint32_t slot;
	uint8_t last_gen;
	struct epoch epoch[KEYRING_EPOCHS];
	uint32_t retiring[KEYRING_RETIRING_MAX]; // key_ids sent to be wiped, not yet confirmed; 0
						 // free
};

void keyring_init(struct keyring *k, uint32_t slot);

// A key_id for a new handshake: its generation names nothing that lives or is being wiped. 0 when
// there is none (a data-plane that confirms nothing).
uint32_t keyring_offer(struct keyring *k);

// Begin to install an epoch under a key_id from keyring_offer(). When all three places are taken
// the oldest one makes room: *ret_evicted is the key_id to retire first, else 0.
//
// errors:  -EEXIST  the key_id lives or is being wiped     -EINVAL  not of this slot, or a peer's 0
//          -EBUSY   eight wipes unconfirmed
int keyring_install(struct keyring *k, const struct epoch *facts, uint32_t *ret_evicted);

// The workers' answer to an install. False when no install waits under this key_id. A failed one is
// gone from the ring; retire it all the same, some workers may hold it.
bool keyring_installed(struct keyring *k, uint32_t rx_key_id, bool success);

// Send under a READY epoch from now on. The current one becomes old and dies 30 s later; READY ones
// born before are of no use any more and die at once with it. -ENOENT: not READY.
int keyring_switch(struct keyring *k, uint32_t rx_key_id, uint64_t now_us);

// Take an epoch out of the ring and remember that its key_id is being wiped. Call before the retire
// command goes out. -ENOENT: no such epoch and nothing known of it.
int keyring_retire(struct keyring *k, uint32_t rx_key_id);

// Every worker has wiped it: the key_id is free.
void keyring_retired(struct keyring *k, uint32_t rx_key_id);

// An epoch that a restarted control finds living in the data-plane: in use, or waiting to be
// retired. left_us: what remains of its life. Ignored when it is not of this slot or known already.
void keyring_adopt(
	struct keyring *k, uint32_t rx_key_id, bool current, uint64_t now_us, uint64_t left_us);

// The data-plane is gone and everything in it with it.
void keyring_clear(struct keyring *k);

struct epoch *keyring_find(struct keyring *k, uint32_t rx_key_id); // NULL: not in the ring
struct epoch *keyring_current(struct keyring *k);                  // NULL: nothing to send under
uint32_t keyring_due(const struct keyring *k, uint64_t now_us);    // an old epoch to retire, or 0
uint64_t keyring_next_us(const struct keyring *k); // when keyring_due changes; UINT64_MAX

// When an epoch must be dead on the monotonic clock, given both clocks now: the earlier of its life
// and the wall-clock limit. Never later for a wall clock that was set back across the birth.
uint64_t keyring_deadline_us(const struct epoch *e, uint64_t mono_us, uint64_t unix_s);
