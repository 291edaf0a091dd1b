// SPDX-License-Identifier: BSD-3-Clause
//
// How many packets go through the pipeline together. Floor 2.
//
// 64 is what one rte_hash bulk lookup takes and four AF_XDP or NIC bursts of 16 fill; a burst of
// 64-byte frames then becomes three or four full packets. Larger bursts gained nothing in trials
// and cost latency.
#pragma once

#include <rte_mbuf.h>

#define BATCH_MAX 64
