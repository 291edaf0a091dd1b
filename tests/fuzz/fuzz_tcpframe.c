// SPDX-License-Identifier: BSD-3-Clause
// TCP framing: the first byte says in what pieces the rest arrives. However it is cut, the same
// frames come out, within their bounds, and nothing is lost or made up.
#include <string.h>

#include "controlplane/common/tcpframe.h"
#include "tests/fuzz/fuzz.h"

struct seen {
	size_t frames, bytes;
	uint64_t sum; // of lengths and contents, in order
	int refused;
};

static struct seen feed(const uint8_t *data, size_t size, size_t piece)
{
	static struct tcpframe tf;
	struct seen s = {0};

	tf.used = 0;
	for (size_t at = 0; at < size && !s.refused; at += piece) {
		const uint8_t *p = data + at, *frame;
		size_t left = size - at < piece ? size - at : piece, len;
		int got;

		while ((got = tcpframe_feed(&tf, &p, &left, &frame, &len)) > 0) {
			fuzz_must(len >= TCPFRAME_MIN && len <= TCPFRAME_MAX);
			s.frames++;
			s.bytes += TCPFRAME_HEAD_BYTES + len;
			s.sum = s.sum * 31 + len;
			for (size_t i = 0; i < len; i++)
				s.sum = s.sum * 31 + frame[i];
		}
		fuzz_must(got < 0 || left == 0);
		s.refused = got < 0;
	}
	fuzz_must(s.bytes <= size);
	fuzz_must(s.refused || s.bytes + tf.used == size);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, cut;

	if (size < 2)
		return 0;
	whole = feed(data + 1, size - 1, size);
	cut = feed(data + 1, size - 1, (size_t)data[0] + 1);
	fuzz_must(whole.frames == cut.frames && whole.sum == cut.sum);
	fuzz_must(whole.refused == cut.refused);
	return 0;
}
