// SPDX-License-Identifier: BSD-3-Clause
//
// DPDK's start-up, as lean as it gets: no telemetry, no shared configuration, PCI only where a port
// needs it, hugepages where there are enough. Main thread, once. Floor 4.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct dataplane_config;

struct eal_facts {
	bool hugepages;
	size_t hugepage_bytes; // free ones found, all sizes
};

// The lcore of worker n, and of the main thread.
#define EAL_MAIN_LCORE      0
#define EAL_WORKER_LCORE(n) ((n) + 1)

// Whether a device string is a PCI address ("0000:01:00.0" or "01:00.0").
bool eal_device_is_pci(const char *device);

// errors: -ENOMEM hugepages required and too few, or EAL could not get its memory; -EIO EAL would
// not start. Logs one sentence on failure.
int eal_start(const struct dataplane_config *cfg, struct eal_facts *ret_facts);

// The last error line that DPDK or a driver printed, for the sentence that explains a failure; ""
// when there was none. Then forgotten.
const char *eal_last_error(void);
void eal_forget_error(void);
