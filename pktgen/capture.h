// SPDX-License-Identifier: BSD-3-Clause
//
// Frames of a pcap file, each made ready to carry a probe in its last bytes.
//
// The probe goes behind the frame's own bytes, which stay as they were recorded; where the frame
// would then be longer than the port takes, it replaces the last ones. Floor 3: reads a file.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CAPTURE_WHY_BYTES 512
#define CAPTURE_BYTES_MAX (1ull << 30)

struct capture_frame {
	size_t at;         // in bytes
	uint32_t body_sum; // frame_body_sum() of what lies before the probe
	uint16_t len;      // with the probe
	uint64_t gap_ns;   // to the next frame; of the last: the mean of the others
};

struct capture {
	struct capture_frame *frames;
	uint8_t *bytes;
	uint32_t n;
	uint32_t n_overwritten; // frames whose last bytes gave way to the probe
	uint16_t longest;
	double mean;
	double seconds; // the sum of all gaps
};

// errors: -ENOENT, -EACCES, -EINVAL not Ethernet, empty, or cut (the frame's number is in why),
// -EFBIG more than CAPTURE_BYTES_MAX, -ENOMEM.
int capture_read(const char *path, unsigned frame_most, struct capture *ret_capture,
	char why[CAPTURE_WHY_BYTES]);
void capture_free(struct capture *capture);
