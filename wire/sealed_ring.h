// SPDX-License-Identifier: BSD-3-Clause
//
// A single-producer, single-consumer rte_ring between two processes that do not trust each other.
//
// A plain rte_ring in shared memory is no trust boundary: its size and mask lie where the other
// side can write. Here the ring's first cache line (name, flags, size, mask, capacity) ends a page
// of a memfd of its own, which its creator seals against writing before anybody else sees it;
// heads, tails and elements follow in a second memfd, sealed against resizing and mapped right
// behind. Whatever the other side forges, an index is masked by the sealed mask, so both ends stay
// in bounds; what comes out is bytes to be validated, never an address.
//
// Thread rule: one producer thread and one consumer thread per ring. Floor 1.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct rte_ring;

struct sealed_ring {
	struct rte_ring *ring; // first line read-only, the rest shared
	void *base;            // start of the mapping
	size_t map_bytes;      // length of the mapping
	uint32_t elem_bytes;   // multiple of 4
	uint32_t n_slots;      // power of two; capacity is one less
	int head_fd;           // the sealed page; -1 after sealed_ring_close_fds
	int body_fd;           // heads, tails, elements
};

#define SEALED_RING_INIT ((struct sealed_ring){.head_fd = -1, .body_fd = -1})

// Create, seal and map a fresh ring. elem_bytes: multiple of 4; n_slots: power of two.
// out: fds owned by ret_ring until sealed_ring_close_fds or sealed_ring_fini.
// errors: -EINVAL, or -errno of memfd_create, ftruncate, mmap, fcntl.
int sealed_ring_create(
	const char *name, uint32_t elem_bytes, uint32_t n_slots, struct sealed_ring *ret_ring);

// Map a ring that another process created, after checking seals, sizes and every sealed field
// against what the contract (wire/cmd.h) says they must be. Takes over both fds on success only.
// errors: -EPERM a seal is missing, -EPROTO a size or field is not the expected one, -errno of
// mmap.
int sealed_ring_attach(int head_fd, int body_fd, uint32_t elem_bytes, uint32_t n_slots,
	struct sealed_ring *ret_ring);

// Close the descriptors and keep the mapping. Accepts a ring already closed.
void sealed_ring_close_fds(struct sealed_ring *ring);

// Unmap and close. Accepts SEALED_RING_INIT and a ring already finished.
void sealed_ring_fini(struct sealed_ring *ring);

// Append up to n elements by copy; returns how many fitted (a full ring is the caller's to count).
unsigned int sealed_ring_enqueue(struct sealed_ring *ring, const void *elems, unsigned int n);

// Take up to n elements out by copy; returns how many. The bytes come from the other side:
// validate every field of the copy, never of the slot.
unsigned int sealed_ring_dequeue(struct sealed_ring *ring, void *ret_elems, unsigned int n);

// Take one element out by copy and wipe its slot before the producer may use it again;
// for rings that carry keys. Returns 0 or 1.
unsigned int sealed_ring_dequeue_wipe(struct sealed_ring *ring, void *ret_elem);

// Elements waiting, bounded by capacity whatever the other side wrote. A hint: either end may move.
uint32_t sealed_ring_count(const struct sealed_ring *ring);
