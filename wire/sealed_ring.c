// SPDX-License-Identifier: BSD-3-Clause
#include "wire/sealed_ring.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// The sealed part is the ring's first cache line and nothing else: a DPDK whose ring is laid out
// otherwise must not compile.
#define SEALED_BYTES RTE_CACHE_LINE_SIZE
#define PAGE_BYTES   4096
static_assert(offsetof(struct rte_ring, capacity) + sizeof(uint32_t) <= SEALED_BYTES,
	"size, mask and capacity left the sealed line");
static_assert(offsetof(struct rte_ring, prod) >= SEALED_BYTES, "producer entered the sealed line");
static_assert(offsetof(struct rte_ring, cons) >= SEALED_BYTES, "consumer entered the sealed line");

#define HEAD_SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define BODY_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static size_t body_bytes(uint32_t elem_bytes, uint32_t n_slots)
{
	size_t need = sizeof(struct rte_ring) - SEALED_BYTES + (size_t)elem_bytes * n_slots;

	return (need + PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1);
}

static bool shape_ok(uint32_t elem_bytes, uint32_t n_slots)
{
	return elem_bytes != 0 && elem_bytes % 4 == 0 && elem_bytes <= 1 << 16 && n_slots >= 2 &&
	       n_slots <= 1 << 20 && (n_slots & (n_slots - 1)) == 0;
}

// Reserve one range and put the two files into it back to back.
// A write-sealed memfd can be mapped MAP_SHARED only since Linux 6.7, MAP_PRIVATE always; for a
// page that nobody can write the two are the same.
static int map_pair(struct sealed_ring *ring, bool head_writable)
{
	size_t body = body_bytes(ring->elem_bytes, ring->n_slots);
	size_t total = PAGE_BYTES + body;
	uint8_t *base = mmap(NULL, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err;

	if (base == MAP_FAILED)
		return -errno;
	if (mmap(base, PAGE_BYTES, head_writable ? PROT_READ | PROT_WRITE : PROT_READ,
		    MAP_FIXED | (head_writable ? MAP_SHARED : MAP_PRIVATE), ring->head_fd,
		    0) == MAP_FAILED)
		goto unmap;
	if (mmap(base + PAGE_BYTES, body, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED,
		    ring->body_fd, 0) == MAP_FAILED)
		goto unmap;
	ring->base = base;
	ring->map_bytes = total;
	ring->ring = (struct rte_ring *)(base + PAGE_BYTES - SEALED_BYTES);
	return 0;

unmap:
	err = -errno;
	munmap(base, total);
	return err;
}

static void unmap_pair(struct sealed_ring *ring)
{
	if (ring->base != NULL)
		munmap(ring->base, ring->map_bytes);
	ring->base = NULL;
	ring->ring = NULL;
}

static int new_memfd(const char *name, size_t bytes)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int err;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)bytes) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int sealed_ring_create(
	const char *name, uint32_t elem_bytes, uint32_t n_slots, struct sealed_ring *ret_ring)
{
	struct sealed_ring ring = SEALED_RING_INIT;
	int err;

	if (!shape_ok(elem_bytes, n_slots))
		return -EINVAL;
	ring.elem_bytes = elem_bytes;
	ring.n_slots = n_slots;
	ring.head_fd = new_memfd(name, PAGE_BYTES);
	if (ring.head_fd < 0)
		return ring.head_fd;
	ring.body_fd = new_memfd(name, body_bytes(elem_bytes, n_slots));
	if (ring.body_fd < 0) {
		err = ring.body_fd;
		goto fail;
	}
	err = map_pair(&ring, true);
	if (err < 0)
		goto fail;
	err = rte_ring_init(ring.ring, name, n_slots, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (err < 0)
		goto fail;

	// The writable map must be gone first: the kernel refuses to seal under one (EBUSY).
	unmap_pair(&ring);
	if (fcntl(ring.head_fd, F_ADD_SEALS, HEAD_SEALS) < 0 ||
		fcntl(ring.body_fd, F_ADD_SEALS, BODY_SEALS) < 0) {
		err = -errno;
		goto fail;
	}
	err = map_pair(&ring, false);
	if (err < 0)
		goto fail;
	*ret_ring = ring;
	return 0;

fail:
	sealed_ring_fini(&ring);
	return err;
}

static int check_file(int fd, int seals, size_t bytes)
{
	struct stat st;
	int have = fcntl(fd, F_GET_SEALS);

	if (have < 0 || (have & seals) != seals)
		return -EPERM;
	if (fstat(fd, &st) < 0)
		return -errno;
	return (size_t)st.st_size == bytes ? 0 : -EPROTO;
}

int sealed_ring_attach(int head_fd, int body_fd, uint32_t elem_bytes, uint32_t n_slots,
	struct sealed_ring *ret_ring)
{
	struct sealed_ring ring = SEALED_RING_INIT;
	int err;

	if (!shape_ok(elem_bytes, n_slots))
		return -EINVAL;
	err = check_file(head_fd, HEAD_SEALS, PAGE_BYTES);
	if (err == 0)
		err = check_file(body_fd, BODY_SEALS, body_bytes(elem_bytes, n_slots));
	if (err < 0)
		return err;
	ring.elem_bytes = elem_bytes;
	ring.n_slots = n_slots;
	ring.head_fd = head_fd;
	ring.body_fd = body_fd;
	err = map_pair(&ring, false);
	if (err < 0)
		return err;
	// Sealed: what is read here is what every later masked access uses.
	if (ring.ring->size != n_slots || ring.ring->mask != n_slots - 1 ||
		ring.ring->capacity != n_slots - 1) {
		unmap_pair(&ring);
		return -EPROTO;
	}
	*ret_ring = ring;
	return 0;
}

void sealed_ring_close_fds(struct sealed_ring *ring)
{
	if (ring->head_fd >= 0)
		close(ring->head_fd);
	if (ring->body_fd >= 0)
		close(ring->body_fd);
	ring->head_fd = -1;
	ring->body_fd = -1;
}

void sealed_ring_fini(struct sealed_ring *ring)
{
	unmap_pair(ring);
	sealed_ring_close_fds(ring);
}

// Only the _sp_ and _sc_ element calls below: sync_type lies in the writable lines, and the generic
// calls branch on it, so a forged one would hang them. And never more than the capacity at once: a
// forged head makes the ring look fuller than it is, and the copy wraps only once.

static unsigned int clip(const struct sealed_ring *ring, unsigned int n)
{
	return n < ring->n_slots ? n : ring->n_slots - 1;
}

unsigned int sealed_ring_enqueue(struct sealed_ring *ring, const void *elems, unsigned int n)
{
	return rte_ring_sp_enqueue_burst_elem(
		ring->ring, elems, ring->elem_bytes, clip(ring, n), NULL);
}

unsigned int sealed_ring_dequeue(struct sealed_ring *ring, void *ret_elems, unsigned int n)
{
	return rte_ring_sc_dequeue_burst_elem(
		ring->ring, ret_elems, ring->elem_bytes, clip(ring, n), NULL);
}

unsigned int sealed_ring_dequeue_wipe(struct sealed_ring *ring, void *ret_elem)
{
	struct rte_ring *r = ring->ring;
	uint32_t head = __atomic_load_n(&r->cons.head, __ATOMIC_RELAXED);
	uint32_t tail = __atomic_load_n(&r->prod.tail, __ATOMIC_ACQUIRE);
	uint8_t *slot;

	if (head == tail)
		return 0;
	slot = (uint8_t *)&r[1] + (size_t)(head & (ring->n_slots - 1)) * ring->elem_bytes;
	memcpy(ret_elem, slot, ring->elem_bytes);
	explicit_bzero(slot, ring->elem_bytes);
	// Release the wiped slot. Only a forged line can make our own head or the count disagree
	// with the check above; then the copy is as hostile as any other and the caller's checks
	// apply.
	__atomic_store_n(&r->cons.head, head + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&r->cons.tail, head + 1, __ATOMIC_RELEASE);
	return 1;
}

uint32_t sealed_ring_count(const struct sealed_ring *ring)
{
	uint32_t used = __atomic_load_n(&ring->ring->prod.tail, __ATOMIC_RELAXED) -
			__atomic_load_n(&ring->ring->cons.tail, __ATOMIC_RELAXED);

	return used < ring->n_slots ? used : ring->n_slots - 1;
}
