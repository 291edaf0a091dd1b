// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/tcpwrite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct write_req {
	uv_write_t req;
	uint8_t bytes[];
};

static void on_written(uv_write_t *req, int)
{
	struct write_req *w = req->data;

	free(w);
}

int tcpwrite(uv_stream_t *to, const uint8_t *p, size_t len, size_t queue_max)
{
	struct write_req *w;
	uv_buf_t buf;
	int err;

	if (uv_stream_get_write_queue_size(to) > queue_max)
		return -ENOBUFS;
	w = malloc(sizeof(*w) + len);
	if (w == NULL)
		return -ENOMEM;
	memcpy(w->bytes, p, len);
	w->req.data = w;
	buf = uv_buf_init((char *)w->bytes, (unsigned)len);
	err = uv_write(&w->req, to, &buf, 1, on_written);
	if (err < 0)
		free(w);
	return err;
}
