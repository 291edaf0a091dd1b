// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/tcpframe.h"

#include <errno.h>
#include <string.h>

#include "wire/bytes.h"

// Move up to `want - used` bytes in; true once `want` are there.
static int fill(struct tcpframe *tf, size_t want, const uint8_t **p, size_t *len)
{
	size_t n = want - tf->used;

	if (n > *len)
		n = *len;
	memcpy(tf->bytes + tf->used, *p, n);
	tf->used += n;
	*p += n;
	*len -= n;
	return tf->used == want;
}

int tcpframe_feed(struct tcpframe *tf, const uint8_t **p, size_t *len, const uint8_t **ret_frame,
	size_t *ret_len)
{
	size_t body;

	if (*len == 0)
		return 0;
	if (tf->used < TCPFRAME_HEAD_BYTES && !fill(tf, TCPFRAME_HEAD_BYTES, p, len))
		return 0;
	// The length is looked at as soon as it is whole, so that a bad one is not waited for.
	body = get_be16(tf->bytes);
	if (body < TCPFRAME_MIN || body > TCPFRAME_MAX)
		return -EMSGSIZE;
	if (*len == 0 || !fill(tf, TCPFRAME_HEAD_BYTES + body, p, len))
		return 0;
	tf->used = 0;
	*ret_frame = tf->bytes + TCPFRAME_HEAD_BYTES;
	*ret_len = body;
	return 1;
}
