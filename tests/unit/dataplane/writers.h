// SPDX-License-Identifier: BSD-3-Clause
//
// A record of which thread wrote which cache line, of code compiled for it (meson.build says how).
// Floor: tests.
#pragma once

#include <stdint.h>

int writers_init(void);

// From here on, and until then, this thread's stores are noted. At most 32 threads.
void writers_watch(unsigned thread);
void writers_rest(unsigned thread);

unsigned writers_lines(void); // that were written
// Every line that more than one thread wrote, with the code that wrote first; how many.
unsigned writers_shared(void (*tell)(uintptr_t addr, void *at, void *ctx), void *ctx);
void writers_forget(void);
