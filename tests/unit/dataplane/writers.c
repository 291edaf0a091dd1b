// SPDX-License-Identifier: BSD-3-Clause
//
// Who writes which cache line. Code compiled with -fsanitize=kernel-address calls one function
// before each store; here these functions are not the sanitizer's but ours, and note the line and
// the thread. What the C library writes for memcpy() and its like is noted by wrappers
// (-Wl,--wrap). Not seen: the stores of DPDK's and ipsec-mb's own objects, and inline assembly.
#include "tests/unit/dataplane/writers.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS (1u << 20)
#define EMPTY 0

struct slot {
	_Atomic uintptr_t line; // address >> 6
	_Atomic unsigned by;    // bit n: thread n wrote there
	void *at;               // the code that wrote first
};

static struct slot *slots;
static _Thread_local unsigned self; // thread + 1; 0: not watched

static void note_line(uintptr_t line, void *at)
{
	for (uintptr_t i = line * 0x9e3779b97f4a7c15u >> 44;; i++) {
		struct slot *s = &slots[i % SLOTS];
		uintptr_t there = atomic_load(&s->line);

		if (there == EMPTY && atomic_compare_exchange_strong(&s->line, &there, line)) {
			s->at = at;
			there = line;
		}
		if (there == line) {
			atomic_fetch_or(&s->by, 1u << (self - 1));
			return;
		}
		if (there == EMPTY)
			i--; // somebody else took it meanwhile: look again
	}
}

static void note(uintptr_t addr, size_t bytes, void *at)
{
	if (self == 0 || bytes == 0)
		return;
	for (uintptr_t line = addr >> 6; line <= (addr + bytes - 1) >> 6; line++)
		note_line(line, at);
}

#define STORE(n)                                            \
	void __asan_store##n##_noabort(uintptr_t addr);     \
	void __asan_store##n##_noabort(uintptr_t addr)      \
	{                                                   \
		note(addr, n, __builtin_return_address(0)); \
	}
STORE(1)
STORE(2)
STORE(4)
STORE(8)
STORE(16)

void __asan_storeN_noabort(uintptr_t addr, size_t bytes);
void __asan_storeN_noabort(uintptr_t addr, size_t bytes)
{
	note(addr, bytes, __builtin_return_address(0));
}

// What else such code calls: where a function does not return, and for globals, whose stores would
// not be told without.
void __asan_handle_no_return(void);
void __asan_handle_no_return(void)
{
}

void __asan_register_globals(void *globals, uintptr_t n);
void __asan_register_globals(void *, uintptr_t)
{
}

void __asan_unregister_globals(void *globals, uintptr_t n);
void __asan_unregister_globals(void *, uintptr_t)
{
}

void *__real_memcpy(void *to, const void *from, size_t n);
void *__real_memmove(void *to, const void *from, size_t n);
void *__real_memset(void *to, int c, size_t n);
void *__wrap_memcpy(void *to, const void *from, size_t n);
void *__wrap_memmove(void *to, const void *from, size_t n);
void *__wrap_memset(void *to, int c, size_t n);

void *__wrap_memcpy(void *to, const void *from, size_t n)
{
	note((uintptr_t)to, n, __builtin_return_address(0));
	return __real_memcpy(to, from, n);
}

void *__wrap_memmove(void *to, const void *from, size_t n)
{
	note((uintptr_t)to, n, __builtin_return_address(0));
	return __real_memmove(to, from, n);
}

void *__wrap_memset(void *to, int c, size_t n)
{
	note((uintptr_t)to, n, __builtin_return_address(0));
	return __real_memset(to, c, n);
}

int writers_init(void)
{
	slots = calloc(SLOTS, sizeof(*slots));
	return slots == NULL ? -1 : 0;
}

void writers_watch(unsigned thread)
{
	self = thread + 1;
}

void writers_rest(unsigned)
{
	self = 0;
}

unsigned writers_lines(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SLOTS; i++)
		n += atomic_load(&slots[i].line) != EMPTY;
	return n;
}

unsigned writers_shared(void (*tell)(uintptr_t addr, void *at, void *ctx), void *ctx)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SLOTS; i++) {
		unsigned by = atomic_load(&slots[i].by);

		if ((by & (by - 1)) == 0)
			continue;
		n++;
		tell(atomic_load(&slots[i].line) << 6, slots[i].at, ctx);
	}
	return n;
}

void writers_forget(void)
{
	memset(slots, 0, SLOTS * sizeof(*slots));
}
