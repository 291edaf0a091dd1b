// SPDX-License-Identifier: BSD-3-Clause
//
// How a packet says that its frame is a super-frame (gso.h), and what payload its segments have: by
// a flag of its first line, which every fresh packet has cleared and every frame is asked for.
//
// Thread: the packet's owner. Floor 2.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

static inline bool mbuf_is_super(const struct rte_mbuf *m)
{
	return (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
}

// 0 for an ordinary frame.
static inline uint16_t mbuf_super(const struct rte_mbuf *m)
{
	return mbuf_is_super(m) ? m->tso_segsz : 0;
}

// How many frames a packet stands for, at most.
static inline unsigned mbuf_frames(const struct rte_mbuf *m)
{
	return mbuf_is_super(m) ? 1u + m->data_len / m->tso_segsz : 1;
}

static inline void mbuf_super_set(struct rte_mbuf *m, uint16_t size)
{
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	m->tso_segsz = size;
}
