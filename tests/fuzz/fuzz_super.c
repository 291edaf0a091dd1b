// SPDX-License-Identifier: BSD-3-Clause
// A super-frame of a peer: what is accepted can be cut, and its segments are the frame: their
// payloads put together are its payload, none is longer than was said, every checksum is right.
//
// input: u16 segment size, the frame
#include <string.h>

#include "dataplane/gso.h"
#include "tests/fuzz/fuzz.h"
#include "wire/bytes.h"

// RFC 1071, byte by byte.
static uint32_t add(uint32_t sum, const uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		sum += i % 2 == 0 ? p[i] << 8 : p[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void must_sum(const uint8_t *segment, uint32_t bytes, const struct gso *g)
{
	const uint8_t *ip = segment + g->l3;
	uint32_t l4_bytes = bytes - g->l4;
	uint32_t sum = add(0, g->ipv6 ? ip + 8 : ip + 12, g->ipv6 ? 32 : 8);

	sum += (g->udp ? 17 : 6) + l4_bytes;
	fuzz_must(add(sum, segment + g->l4, l4_bytes) == 0xffff);
	if (g->ipv6) {
		fuzz_must(get_be16(ip + 4) == bytes - g->l3 - 40);
		return;
	}
	fuzz_must(add(0, ip, g->l4 - g->l3) == 0xffff);
	fuzz_must(get_be16(ip + 2) == bytes - g->l3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[UINT16_MAX];
	const uint8_t *frame = data + 2;
	uint32_t bytes, done = 0;
	struct gso g;

	if (size < 2)
		return 0;
	bytes = size - 2;
	if (!gso_parse(frame, bytes, get_le16(data), &g))
		return 0;
	fuzz_must(g.segments >= 2 && g.segments <= GSO_SEGMENTS_MAX && g.payload < bytes);
	for (unsigned i = 0; i < g.segments; i++) {
		uint32_t n = gso_segment(frame, bytes, &g, i, out);

		fuzz_must(n > g.payload && n <= gso_segment_bytes(&g));
		fuzz_must(memcmp(out + g.payload, frame + g.payload + done, n - g.payload) == 0);
		must_sum(out, n, &g);
		done += n - g.payload;
	}
	fuzz_must(done == bytes - g.payload);
	return 0;
}
