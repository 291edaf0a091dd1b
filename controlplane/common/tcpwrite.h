// SPDX-License-Identifier: BSD-3-Clause
//
// Send bytes on a libuv stream without waiting: copied, queued, freed when written.
//
// Both ends of the hub link use it. Loop thread only. Floor 3.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <uv.h>

// errors:  -ENOBUFS: more than queue_max bytes wait already, the other side does not read;
//          -ENOMEM; what uv_write gives
int tcpwrite(uv_stream_t *to, const uint8_t *p, size_t len, size_t queue_max);
