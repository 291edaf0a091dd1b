// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/pmtu.h"

#include "wire/packet.h"

void pmtu_start(struct pmtu *p, uint16_t ceiling, uint64_t now_ns)
{
	*p = (struct pmtu){.mtu = PKT_MTU_BASE,
		.ceiling = ceiling,
		.high = ceiling,
		.count = p->count,
		.next_ns = now_ns,
		.raise_ns = now_ns + PMTU_RAISE_NS};
}

static bool searching(const struct pmtu *p)
{
	return p->high > p->mtu && (p->high - p->mtu >= PMTU_STEP || p->high == p->ceiling);
}

// The ceiling first, because it is right nearly always; then halves.
static void next_probe(struct pmtu *p)
{
	p->tries = 0;
	p->confirming = false;
	p->size = 0;
	if (!searching(p))
		return;
	p->size = p->high == p->ceiling ? p->ceiling
					: (uint16_t)(p->mtu + (p->high - p->mtu + 1) / 2);
}

static void probe_failed(struct pmtu *p, uint64_t now_ns, bool *ret_lost)
{
	if (p->confirming) {
		p->high = p->mtu > PKT_MTU_BASE ? (uint16_t)(p->mtu - 1) : PKT_MTU_BASE;
		*ret_lost = p->mtu > PKT_MTU_BASE;
		p->mtu = PKT_MTU_BASE;
	} else {
		p->high = (uint16_t)(p->size - 1);
	}
	p->raise_ns = now_ns + PMTU_RAISE_NS;
	next_probe(p);
}

bool pmtu_due(struct pmtu *p, uint64_t now_ns, bool in_use, uint16_t *ret_size, uint32_t *ret_id,
	bool *ret_lost)
{
	*ret_lost = false;
	if (now_ns < p->next_ns)
		return false;
	if (p->size != 0 && p->tries >= PROBE_TRIES)
		probe_failed(p, now_ns, ret_lost);
	if (p->size == 0 && now_ns >= p->raise_ns) {
		p->high = p->ceiling;
		p->raise_ns = now_ns + PMTU_RAISE_NS;
	}
	if (p->size == 0)
		next_probe(p);
	if (p->size == 0 && in_use && p->mtu > PKT_MTU_BASE) {
		p->size = p->mtu;
		p->confirming = true;
	}
	if (p->size == 0) {
		p->next_ns = now_ns + PMTU_CONFIRM_NS;
		return false;
	}
	p->tries++;
	p->next_ns = now_ns + PROBE_RETRY_NS;
	*ret_size = p->size;
	*ret_id = (uint32_t)++p->count << 16 | p->size;
	return true;
}

bool pmtu_acked(struct pmtu *p, uint32_t id, uint16_t size_seen, uint64_t now_ns)
{
	uint16_t size = (uint16_t)(id & 0xffff);
	bool rose;

	// An answer to a probe that was never sent, or that arrived shortened, says nothing.
	if (size != size_seen || size > p->ceiling || (uint16_t)(p->count - (id >> 16)) > 64)
		return false;
	rose = size > p->mtu;
	if (rose)
		p->mtu = size;
	if (p->high < p->mtu)
		p->high = p->mtu;
	if (size >= p->size) {
		next_probe(p);
		p->next_ns = p->size != 0 ? now_ns : now_ns + PMTU_CONFIRM_NS;
	}
	return rose;
}
