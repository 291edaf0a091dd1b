// SPDX-License-Identifier: BSD-3-Clause
//
// Datagrams over TCP: u16 big-endian length, then that many bytes, 36 to 9216 (PROTOCOL.md §4).
//
// Pure: bytes in, frames out. Not thread safe. Floor 2.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TCPFRAME_HEAD_BYTES 2u
#define TCPFRAME_MIN        36u
#define TCPFRAME_MAX        9216u

// A stream being cut into frames. All zero is a fresh one.
struct tcpframe {
	size_t used;
	uint8_t bytes[TCPFRAME_HEAD_BYTES + TCPFRAME_MAX];
};

// Take bytes from the stream: at most one frame's worth is consumed per call.
//
// in:      *p, *len: what came; advanced by what was taken
// return:  1: *ret_frame and *ret_len are a frame, in tf, valid until the next call;
//          0: all bytes taken, no frame yet; -EMSGSIZE: a length out of bounds, close the stream
int tcpframe_feed(struct tcpframe *tf, const uint8_t **p, size_t *len, const uint8_t **ret_frame,
	size_t *ret_len);

// Whether a frame has begun and not ended.
static inline int tcpframe_pending(const struct tcpframe *tf)
{
	return tf->used > 0;
}

// The two bytes before a frame of len bytes; len within the bounds.
static inline void tcpframe_head(uint8_t head[TCPFRAME_HEAD_BYTES], size_t len)
{
	head[0] = (uint8_t)(len >> 8);
	head[1] = (uint8_t)len;
}
