// SPDX-License-Identifier: BSD-3-Clause
// TCP framing: the first byte says in what pieces the rest arrives. However it is cut, the same
// frames come out, within their bounds, and nothing is lost or made up.
#include <string.h>

#include "controlplane/common/tcpframe.h"
#include "tests/fuzz/fuzz.h"

struct seen {
	size_t frames, bytes; // with their headers
	int refused;
	uint8_t out[1 << 18]; // length and content of each
	size_t out_len;
};

static void feed(const uint8_t *data, size_t size, size_t piece, struct seen *s)
{
	static struct tcpframe tf;

	s->frames = s->bytes = s->out_len = 0;
	s->refused = 0;
	tf.used = 0;
	for (size_t at = 0; at < size && !s->refused; at += piece) {
		const uint8_t *p = data + at, *frame;
		size_t left = size - at < piece ? size - at : piece, len;
		int got;

		while ((got = tcpframe_feed(&tf, &p, &left, &frame, &len)) > 0) {
			fuzz_must(len >= TCPFRAME_MIN && len <= TCPFRAME_MAX);
			s->frames++;
			s->bytes += TCPFRAME_HEAD_BYTES + len;
			fuzz_must(s->out_len + sizeof(len) + len <= sizeof(s->out));
			memcpy(s->out + s->out_len, &len, sizeof(len));
			memcpy(s->out + s->out_len + sizeof(len), frame, len);
			s->out_len += sizeof(len) + len;
		}
		fuzz_must(got < 0 || left == 0);
		s->refused = got < 0;
	}
	fuzz_must(s->bytes <= size);
	fuzz_must(s->refused || s->bytes + tf.used == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct seen whole, cut;

	if (size < 2)
		return 0;
	feed(data + 1, size - 1, size, &whole);
	feed(data + 1, size - 1, (size_t)data[0] + 1, &cut);
	fuzz_must(whole.frames == cut.frames && whole.refused == cut.refused);
	fuzz_must(whole.out_len == cut.out_len);
	fuzz_must(memcmp(whole.out, cut.out, whole.out_len) == 0);
	return 0;
}
