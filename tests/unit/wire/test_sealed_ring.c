// SPDX-License-Identifier: BSD-3-Clause
// The boundary between control and data-plane holds whatever the other side writes.
#include "wire/cmd.h"
#include "wire/sealed_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <rte_ring.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ELEM_BYTES 192
#define N_SLOTS    64

static struct sealed_ring make(void)
{
	struct sealed_ring ring = SEALED_RING_INIT;

	assert_int_equal(sealed_ring_create("test", ELEM_BYTES, N_SLOTS, &ring), 0);
	return ring;
}

static struct sealed_ring attach(const struct sealed_ring *to)
{
	struct sealed_ring ring = SEALED_RING_INIT;

	assert_int_equal(
		sealed_ring_attach(dup(to->head_fd), dup(to->body_fd), ELEM_BYTES, N_SLOTS, &ring),
		0);
	return ring;
}

static void shapes_that_cannot_be_are_refused(void **)
{
	static const uint32_t bad[][2] = {
		{0, 64}, {3, 64}, {192, 0}, {192, 1}, {192, 63}, {192, 1u << 21}, {1u << 17, 64}};
	struct sealed_ring ring;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(sealed_ring_create("bad", bad[i][0], bad[i][1], &ring), -EINVAL);
}

static void unsealed_or_resized_files_are_refused(void **)
{
	struct sealed_ring ring = make(), other;
	int plain = memfd_create("plain", MFD_ALLOW_SEALING);

	assert_int_equal(ftruncate(plain, 4096), 0);
	assert_int_equal(
		sealed_ring_attach(plain, ring.body_fd, ELEM_BYTES, N_SLOTS, &other), -EPERM);
	assert_int_equal(
		sealed_ring_attach(ring.head_fd, plain, ELEM_BYTES, N_SLOTS, &other), -EPERM);
	// All the size seals but not the one against writing: still refused.
	assert_int_equal(fcntl(plain, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	assert_int_equal(
		sealed_ring_attach(plain, ring.body_fd, ELEM_BYTES, N_SLOTS, &other), -EPERM);
	assert_int_equal(sealed_ring_attach(-1, ring.body_fd, ELEM_BYTES, N_SLOTS, &other), -EPERM);
	close(plain);
	sealed_ring_fini(&ring);
}

static void a_ring_of_another_shape_is_refused(void **)
{
	struct sealed_ring ring = make(), other;

	assert_int_equal(
		sealed_ring_attach(ring.head_fd, ring.body_fd, ELEM_BYTES, N_SLOTS * 2, &other),
		-EPROTO);
	assert_int_equal(
		sealed_ring_attach(ring.head_fd, ring.body_fd, ELEM_BYTES * 4, N_SLOTS, &other),
		-EPROTO);
	// Head and body swapped.
	assert_int_equal(
		sealed_ring_attach(ring.body_fd, ring.head_fd, ELEM_BYTES, N_SLOTS, &other),
		-EPERM);
	sealed_ring_fini(&ring);
}

static void a_forged_seal_page_with_another_mask_is_refused(void **)
{
	struct sealed_ring ring = make(), other;
	int fd = memfd_create("forged", MFD_ALLOW_SEALING);
	struct rte_ring *forged;
	uint8_t *page;

	assert_int_equal(ftruncate(fd, 4096), 0);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	memcpy(page, ring.base, 4096);
	forged = (struct rte_ring *)(page + 4096 - 64);
	forged->mask = UINT32_MAX;
	munmap(page, 4096);
	assert_int_equal(
		fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
		0);
	assert_int_equal(
		sealed_ring_attach(fd, ring.body_fd, ELEM_BYTES, N_SLOTS, &other), -EPROTO);
	close(fd);
	sealed_ring_fini(&ring);
}

static void nobody_can_map_write_or_resize_the_sealed_page(void **)
{
	struct sealed_ring ring = make(), other = attach(&ring);

	assert_ptr_equal(
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, other.head_fd, 0), MAP_FAILED);
	assert_int_equal(write(other.head_fd, "x", 1), -1);
	assert_int_equal(ftruncate(other.head_fd, 0), -1);
	assert_int_equal(ftruncate(other.body_fd, 0), -1);
	assert_int_equal(ftruncate(other.body_fd, 1 << 24), -1);
	sealed_ring_fini(&other);
	sealed_ring_fini(&ring);
}

// A child writes random bytes over every byte it may write while the parent enqueues and dequeues,
// until both have done enough at the same time. The mapping is exact: a step beyond it faults.
static void a_process_that_forges_every_writable_byte_keeps_us_in_bounds(void **)
{
	enum { ROUNDS = 400000, FORGERIES = 400000 };
	struct sealed_ring down = make(), up = make();
	uint8_t elems[N_SLOTS][ELEM_BYTES], before[64];
	unsigned long got = 0, put = 0;
	atomic_ulong *forged =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid;

	assert_ptr_not_equal(forged, MAP_FAILED);
	memset(elems, 0, sizeof(elems));
	memcpy(before, down.ring, sizeof(before));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct sealed_ring *ring[] = {&down, &up};
		unsigned int seed = 1;

		for (unsigned long i = 0;; i++) {
			uint8_t *shared = (uint8_t *)ring[i & 1]->ring + 64;
			size_t bytes = ring[i & 1]->map_bytes - 4096;
			size_t at = (size_t)rand_r(&seed) % (i & 2 ? bytes : 384);

			shared[at] = (uint8_t)rand_r(&seed);
			atomic_fetch_add(forged, 1);
		}
	}
	for (unsigned int i = 0; i < ROUNDS || atomic_load(forged) < FORGERIES || got == 0; i++) {
		put += sealed_ring_enqueue(&down, elems, 1 + i % (2 * N_SLOTS) / 2);
		got += sealed_ring_dequeue(&up, elems, N_SLOTS);
		got += sealed_ring_dequeue_wipe(&up, elems);
		assert_true(sealed_ring_count(&up) < N_SLOTS);
		// Ask for more than there is room for, as a careless caller might.
		if (i % 1000 == 0)
			got += sealed_ring_dequeue(&up, elems, UINT32_MAX);
	}
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0); // it was at it all the while
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_memory_equal(before, down.ring, sizeof(before));
	assert_true(put > 0);
	munmap(forged, 4096);
	sealed_ring_fini(&down);
	sealed_ring_fini(&up);
}

static void a_key_is_gone_from_the_ring_once_it_is_taken_out(void **)
{
	struct sealed_ring tx = make(), rx = attach(&tx);
	uint8_t elem[ELEM_BYTES], out[ELEM_BYTES];
	const uint8_t *bytes = (const uint8_t *)rx.ring + 64;

	memset(elem, 0xa5, sizeof(elem));
	for (int i = 0; i < 3 * N_SLOTS; i++) {
		assert_int_equal(sealed_ring_enqueue(&tx, elem, 1), 1);
		assert_int_equal(sealed_ring_dequeue_wipe(&rx, out), 1);
		assert_memory_equal(elem, out, sizeof(out));
		assert_null(memmem(bytes, rx.map_bytes - 4096, elem, 16));
	}
	assert_int_equal(sealed_ring_dequeue_wipe(&rx, out), 0);
	sealed_ring_fini(&rx);
	sealed_ring_fini(&tx);
}

static void a_full_ring_refuses_and_loses_nothing(void **)
{
	struct sealed_ring ring = make();
	uint8_t elems[N_SLOTS][ELEM_BYTES] = {{0}};

	assert_int_equal(sealed_ring_enqueue(&ring, elems, N_SLOTS), N_SLOTS - 1);
	assert_int_equal(sealed_ring_enqueue(&ring, elems, 1), 0);
	assert_int_equal(sealed_ring_count(&ring), N_SLOTS - 1);
	assert_int_equal(sealed_ring_dequeue(&ring, elems, N_SLOTS), N_SLOTS - 1);
	assert_int_equal(sealed_ring_dequeue(&ring, elems, 1), 0);
	sealed_ring_fini(&ring);
}

static void two_processes_pass_messages_in_order_at_different_addresses(void **)
{
	enum { N = 500000 };
	struct sealed_ring tx = make(), rx = attach(&tx);
	uint32_t elem[N_SLOTS][ELEM_BYTES / 4] = {{0}};
	uint32_t next = 0;
	int status;
	pid_t pid;

	assert_ptr_not_equal(tx.base, rx.base);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		for (uint32_t i = 0; i < N;) {
			elem[0][0] = i;
			elem[0][ELEM_BYTES / 4 - 1] = ~i;
			if (sealed_ring_enqueue(&tx, elem, 1) == 1)
				i++;
			else
				sched_yield();
		}
		_exit(0);
	}
	while (next < N) {
		unsigned int n = sealed_ring_dequeue(&rx, elem, N_SLOTS);

		for (unsigned int i = 0; i < n; i++, next++) {
			assert_int_equal(elem[i][0], next);
			assert_int_equal(elem[i][ELEM_BYTES / 4 - 1], ~next);
		}
		if (n == 0)
			sched_yield();
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	sealed_ring_fini(&rx);
	sealed_ring_fini(&tx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes_that_cannot_be_are_refused),
		cmocka_unit_test(unsealed_or_resized_files_are_refused),
		cmocka_unit_test(a_ring_of_another_shape_is_refused),
		cmocka_unit_test(a_forged_seal_page_with_another_mask_is_refused),
		cmocka_unit_test(nobody_can_map_write_or_resize_the_sealed_page),
		cmocka_unit_test(a_process_that_forges_every_writable_byte_keeps_us_in_bounds),
		cmocka_unit_test(a_key_is_gone_from_the_ring_once_it_is_taken_out),
		cmocka_unit_test(a_full_ring_refuses_and_loses_nothing),
		cmocka_unit_test(two_processes_pass_messages_in_order_at_different_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
