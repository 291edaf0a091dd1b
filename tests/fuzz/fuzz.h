// SPDX-License-Identifier: BSD-3-Clause
// What every fuzz target offers to libFuzzer, and to replay.c.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// An invariant that must hold for any input.
static inline void fuzz_must(int holds)
{
	if (!holds)
		abort();
}
