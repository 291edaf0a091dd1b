// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/gateway/keyring.h"

#include <errno.h>
#include <string.h>

#include "wire/packet.h"

void keyring_init(struct keyring *k, uint32_t slot)
{
	memset(k, 0, sizeof(*k));
	k->slot = slot;
}

struct epoch *keyring_find(struct keyring *k, uint32_t rx_key_id)
{
	for (unsigned i = 0; i < KEYRING_EPOCHS; i++) {
		if (k->epoch[i].state != EPOCH_FREE && k->epoch[i].rx_key_id == rx_key_id)
			return &k->epoch[i];
	}
	return NULL;
}

struct epoch *keyring_current(struct keyring *k)
{
	for (unsigned i = 0; i < KEYRING_EPOCHS; i++) {
		if (k->epoch[i].state == EPOCH_CURRENT)
			return &k->epoch[i];
	}
	return NULL;
}

static bool is_retiring(const struct keyring *k, uint32_t key_id)
{
	for (unsigned i = 0; i < KEYRING_RETIRING_MAX; i++) {
		if (k->retiring[i] == key_id)
			return true;
	}
	return false;
}

uint32_t keyring_offer(struct keyring *k)
{
	for (unsigned tries = 0; tries < 255; tries++) {
		uint32_t key_id;

		if (++k->last_gen == 0)
			k->last_gen = 1;
		key_id = pkt_key_id(k->slot, k->last_gen);
		if (keyring_find(k, key_id) == NULL && !is_retiring(k, key_id))
			return key_id;
	}
	return 0;
}

// The one whose loss hurts least: an old epoch, else the elder of those not in use.
static struct epoch *least_useful(struct keyring *k)
{
	struct epoch *worst = NULL;

	for (unsigned i = 0; i < KEYRING_EPOCHS; i++) {
		struct epoch *e = &k->epoch[i];

		if (e->state == EPOCH_CURRENT)
			continue;
		if (worst == NULL || (e->state == EPOCH_OLD) > (worst->state == EPOCH_OLD) ||
			((e->state == EPOCH_OLD) == (worst->state == EPOCH_OLD) &&
				e->born_us < worst->born_us))
			worst = e;
	}
	return worst;
}

int keyring_install(struct keyring *k, const struct epoch *facts, uint32_t *ret_evicted)
{
	struct epoch *place = NULL;

	if (pkt_key_slot(facts->rx_key_id) != k->slot || pkt_key_gen(facts->rx_key_id) == 0 ||
		facts->tx_key_id == 0)
		return -EINVAL;
	if (keyring_find(k, facts->rx_key_id) != NULL || is_retiring(k, facts->rx_key_id))
		return -EEXIST;
	*ret_evicted = 0;
	for (unsigned i = 0; i < KEYRING_EPOCHS && place == NULL; i++) {
		if (k->epoch[i].state == EPOCH_FREE)
			place = &k->epoch[i];
	}
	if (place == NULL) {
		uint32_t victim;

		place = least_useful(k);
		victim = place->rx_key_id;
		if (keyring_retire(k, victim) < 0)
			return -EBUSY;
		*ret_evicted = victim;
	}
	*place = *facts;
	place->state = EPOCH_INSTALLING;
	place->dies_us = 0;
	return 0;
}

bool keyring_installed(struct keyring *k, uint32_t rx_key_id, bool success)
{
	struct epoch *e = keyring_find(k, rx_key_id);

	if (e == NULL || e->state != EPOCH_INSTALLING)
		return false;
	if (success)
		e->state = EPOCH_READY;
	else
		keyring_retire(k, rx_key_id);
	return true;
}

int keyring_switch(struct keyring *k, uint32_t rx_key_id, uint64_t now_us)
{
	struct epoch *next = keyring_find(k, rx_key_id);

	if (next == NULL || next->state != EPOCH_READY)
		return -ENOENT;
	for (unsigned i = 0; i < KEYRING_EPOCHS; i++) {
		struct epoch *e = &k->epoch[i];

		if (e == next || e->born_us > next->born_us)
			continue;
		if (e->state == EPOCH_CURRENT) {
			e->state = EPOCH_OLD;
			e->dies_us = now_us + KEYRING_LINGER_US;
		} else if (e->state == EPOCH_READY || e->state == EPOCH_INSTALLING) {
			e->state = EPOCH_OLD;
			e->dies_us = now_us;
		}
	}
	next->state = EPOCH_CURRENT;
	return 0;
}

static bool remember_retiring(struct keyring *k, uint32_t key_id)
{
	if (is_retiring(k, key_id))
		return true;
	for (unsigned i = 0; i < KEYRING_RETIRING_MAX; i++) {
		if (k->retiring[i] == 0) {
			k->retiring[i] = key_id;
			return true;
		}
	}
	return false;
}

int keyring_retire(struct keyring *k, uint32_t rx_key_id)
{
	struct epoch *e = keyring_find(k, rx_key_id);

	if (e == NULL && !is_retiring(k, rx_key_id))
		return -ENOENT;
	if (!remember_retiring(k, rx_key_id)) {
		// Eight unconfirmed wipes: the place stays taken, which is the safe side.
		return -EBUSY;
	}
	if (e != NULL)
		*e = (struct epoch){0};
	return 0;
}

void keyring_retired(struct keyring *k, uint32_t rx_key_id)
{
	for (unsigned i = 0; i < KEYRING_RETIRING_MAX; i++) {
		if (k->retiring[i] == rx_key_id)
			k->retiring[i] = 0;
	}
}

void keyring_adopt(
	struct keyring *k, uint32_t rx_key_id, bool current, uint64_t now_us, uint64_t left_us)
{
	if (pkt_key_gen(rx_key_id) == 0 || pkt_key_slot(rx_key_id) != k->slot ||
		keyring_find(k, rx_key_id) != NULL)
		return;
	for (unsigned i = 0; i < KEYRING_EPOCHS; i++) {
		if (k->epoch[i].state != EPOCH_FREE)
			continue;
		k->epoch[i] = (struct epoch){
			.state = current ? EPOCH_CURRENT : EPOCH_OLD,
			.rx_key_id = rx_key_id,
			.born_us = now_us,
			.dies_us = now_us + KEYRING_LINGER_US,
			.life_us = left_us,
			.not_after_s = UINT64_MAX,
		};
		// Offers go on from here, so that a packet of the past meets no future key.
		k->last_gen = pkt_key_gen(rx_key_id);
		return;
	}
}

void keyring_clear(struct keyring *k)
{
	uint8_t last_gen = k->last_gen;

	keyring_init(k, k->slot);
	// Generations go on: packets of the dead process may still be under way.
	k->last_gen = last_gen;
}

uint32_t keyring_due(const struct keyring *k, uint64_t now_us)
{
	for (unsigned i = 0; i < KEYRING_EPOCHS; i++) {
		if (k->epoch[i].state == EPOCH_OLD && k->epoch[i].dies_us <= now_us)
			return k->epoch[i].rx_key_id;
	}
	return 0;
}

uint64_t keyring_next_us(const struct keyring *k)
{
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; i < KEYRING_EPOCHS; i++) {
		if (k->epoch[i].state == EPOCH_OLD && k->epoch[i].dies_us < next)
			next = k->epoch[i].dies_us;
	}
	return next;
}

uint64_t keyring_deadline_us(const struct epoch *e, uint64_t mono_us, uint64_t unix_s)
{
	uint64_t life = e->born_us + e->life_us;
	uint64_t left_s, wall;

	if (unix_s >= e->not_after_s)
		return mono_us < life ? mono_us : life;
	left_s = e->not_after_s - unix_s;
	// Far enough away not to matter, and not to overflow.
	if (left_s > e->life_us / 1000000 + 1)
		return life;
	wall = mono_us + left_s * 1000000;
	return wall < life ? wall : life;
}
