// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/gso.h"
#include "tests/unit/dataplane/vectors.h"
#include "wire/bytes.h"

// ---------------------------------------------------------------- lies

struct lie {
	const char *what;
	const char *of; // vector
	int at;         // byte changed; −1 none
	uint8_t value;
	int more; // added to the length
	int size; // −1: the vector's
};

static void a_super_frame_that_lies_is_refused(void **)
{
	static const struct lie lies[] = {
		{"a segment size of zero", "tcp4", -1, 0, 0, 0},
		{"one segment only", "tcp4", -1, 0, 0, 1000},
		{"no Ethernet header", "tcp4", -1, 0, -1054, -1},
		{"cut within the IP header", "tcp4", -1, 0, -1040, -1},
		{"cut within the TCP header", "tcp4", -1, 0, -1010, -1},
		{"shorter than its IP length", "tcp4", -1, 0, -1, -1},
		{"longer than its IP length", "tcp4", -1, 0, 1, -1},
		{"IPv6 shorter than its length", "tcp6", -1, 0, -1, -1},
		{"IPv6 longer than its length", "tcp6", -1, 0, 1, -1},
		{"another ethertype", "tcp4", 13, 6, 0, -1},
		{"IPv4 that says version 6", "tcp4", 14, 0x65, 0, -1},
		{"IPv6 that says version 4", "tcp6", 14, 0x45, 0, -1},
		{"an IPv4 header of 16 bytes", "tcp4", 14, 0x44, 0, -1},
		{"an IPv4 fragment", "tcp4", 20, 0x20, 0, -1},
		{"an IPv4 fragment's tail", "tcp4", 21, 1, 0, -1},
		{"neither TCP nor UDP", "tcp4", 23, 1, 0, -1},
		{"TCP that says UDP", "tcp4", 23, 17, 0, -1},
		{"a TCP header of 16 bytes", "tcp4", 46, 0x40, 0, -1},
		{"an IPv6 fragment header", "tcp6_extension", 20, 44, 0, -1},
		{"IPv6 extensions without an end", "tcp6_extension", 54, 60, 0, -1},
		{"an IPv6 extension beyond the frame", "tcp6_extension", 55, 255, 0, -1},
		{"a routing header of another kind", "tcp6_route", 56, 3, 0, -1},
		{"a routing header without an address", "tcp6_route", 55, 1, 0, -1},
		{"a UDP length that is not the frame's", "udp4", 38, 0, 0, -1},
		{"three VLAN tags", "tcp6_tagged", 20, 0x81, 0, -1},
	};
	uint8_t frame[2048];
	struct gso g;

	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		const struct lie *l = &lies[i];
		uint16_t size;
		uint32_t bytes = vector_super(l->of, frame, sizeof(frame), &size);

		assert_true(bytes > 0 && gso_parse(frame, bytes, size, &g));
		if (l->at >= 0)
			frame[l->at] = l->value;
		if (l->size >= 0)
			size = l->size;
		if (gso_parse(frame, bytes + l->more, size, &g))
			fail_msg("accepted: %s", l->what);
	}
}

static void as_many_segments_as_may_be_and_one_more(void **)
{
	static uint8_t frame[14 + 20 + 20 + 2 * GSO_SEGMENTS_MAX + 2];
	uint8_t small[2048];
	uint16_t size;
	struct gso g;

	(void)vector_super("tcp4_exact", small, sizeof(small), &size);
	for (unsigned over = 0; over < 2; over++) {
		uint32_t bytes = 14 + 20 + 20 + 2 * (GSO_SEGMENTS_MAX + over);

		memcpy(frame, small, 12);
		memcpy(frame + 12, small + 16, 42);
		put_be16(frame + 16, bytes - 14);
		frame[46] = 0x50;
		assert_int_equal(gso_parse(frame, bytes, 2, &g), over == 0);
	}
	assert_int_equal(g.segments, GSO_SEGMENTS_MAX);
}

static void every_cut_and_every_bit_is_survived(void **)
{
	for (unsigned c = 0; c < VECTOR_CASES; c++) {
		uint8_t frame[2048], out[2048];
		uint16_t size;
		uint32_t bytes = vector_super(vector_cases[c], frame, sizeof(frame), &size);

		for (uint32_t n = 0; n < bytes; n++) {
			uint8_t *exact = malloc(n + 1);
			struct gso g;

			memcpy(exact, frame, n);
			assert_false(gso_parse(exact, n, size, &g));
			free(exact);
		}
		for (unsigned bit = 0; bit < 100 * 8; bit++) {
			struct gso g;

			frame[bit / 8] ^= 1u << bit % 8;
			if (gso_parse(frame, bytes, size, &g)) {
				assert_true(g.payload < bytes && g.l3 < g.l4 && g.l4 < g.payload);
				for (unsigned i = 0; i < g.segments; i++)
					(void)gso_segment(frame, bytes, &g, i, out);
			}
			frame[bit / 8] ^= 1u << bit % 8;
		}
	}
}

// ---------------------------------------------------------------- segments

static void segments_are_those_of_the_reference(void **)
{
	for (unsigned c = 0; c < VECTOR_CASES; c++) {
		uint8_t frame[2048], want[2048], got[2048];
		uint16_t size;
		uint32_t bytes = vector_super(vector_cases[c], frame, sizeof(frame), &size);
		char name[64];
		struct gso g;

		assert_true(gso_parse(frame, bytes, size, &g));
		for (unsigned i = 0; i < g.segments; i++) {
			uint32_t n = gso_segment(frame, bytes, &g, i, got);

			snprintf(name, sizeof(name), "%s.%u", vector_cases[c], i);
			assert_int_equal(vector(name, want, sizeof(want)), n);
			for (uint32_t k = 0; k < n; k++) {
				if (got[k] != want[k])
					fail_msg("%s differs at byte %u", name, k);
			}
			assert_true(n <= gso_segment_bytes(&g));
		}
		snprintf(name, sizeof(name), "%s.%u", vector_cases[c], g.segments);
		assert_int_equal(vector(name, want, sizeof(want)), 0);
	}
}

static void the_sum_left_to_a_device_is_the_reference_s(void **)
{
	for (unsigned c = 0; c < VECTOR_CASES; c++) {
		uint8_t frame[2048], want[2048];
		uint16_t size;
		uint32_t bytes = vector_super(vector_cases[c], frame, sizeof(frame), &size);
		struct gso g;

		memcpy(want, frame, bytes);
		assert_true(gso_parse(frame, bytes, size, &g));
		memset(frame + g.l4 + gso_checksum_offset(&g), 0xa5, 2);
		gso_checksum_begin(frame, bytes, &g);
		assert_memory_equal(frame, want, bytes);
	}
}

static void a_checksum_left_open_is_completed(void **)
{
	uint8_t frame[2048], want[2048];
	struct gso g;

	// The last segment of a super-frame, opened again as a kernel would have left it.
	uint32_t bytes = vector("udp4.4", want, sizeof(want));

	memcpy(frame, want, bytes);
	g = (struct gso){.l3 = 14, .to = 30, .l4 = 34, .udp = true};
	gso_checksum_begin(frame, bytes, &g);
	assert_memory_not_equal(frame, want, bytes);
	assert_true(gso_checksum_complete(frame, bytes, 34, 6));
	assert_memory_equal(frame, want, bytes);

	assert_false(gso_checksum_complete(frame, bytes, bytes, 0));
	assert_false(gso_checksum_complete(frame, bytes, bytes - 1, 0));
	assert_false(gso_checksum_complete(frame, bytes, 34, bytes - 35));
	assert_false(gso_checksum_complete(frame, bytes, UINT16_MAX, UINT16_MAX));
	assert_memory_equal(frame, want, bytes);
	assert_true(gso_checksum_complete(frame, bytes, 34, bytes - 36));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_super_frame_that_lies_is_refused),
		cmocka_unit_test(as_many_segments_as_may_be_and_one_more),
		cmocka_unit_test(every_cut_and_every_bit_is_survived),
		cmocka_unit_test(segments_are_those_of_the_reference),
		cmocka_unit_test(the_sum_left_to_a_device_is_the_reference_s),
		cmocka_unit_test(a_checksum_left_open_is_completed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
