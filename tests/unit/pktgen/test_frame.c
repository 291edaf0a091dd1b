// SPDX-License-Identifier: BSD-3-Clause
//
// Frames: what is written is read, and what was touched on the way is told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ip.h>

#include "pktgen/frame.h"
#include "pktgen/units.h"

static const struct frame_spec plain = {
	.smac = {2, 0, 0, 0, 0, 1},
	.dmac = {2, 0, 0, 0, 0, 2},
	.n_smacs = 4,
	.n_dmacs = 2,
	.sip = 0x0a000001,
	.dip = 0x0a000002,
	.sport = 7,
	.dport = FRAME_PORT,
	.n_flows = 8,
};

static unsigned make(uint8_t *buf, const struct frame_spec *spec, unsigned bytes)
{
	struct probe probe = {.run = 9, .stream = 5, .seq = 0xfffffff0, .time = 0x123456789abc};
	struct frame_head head;

	memset(buf, 0, bytes);
	frame_head_build(spec, 5, &head);
	frame_write(buf, bytes, &head);
	frame_probe_write(buf, bytes, &probe);
	return bytes;
}

static void a_flipped_bit_behind_the_headers_is_corruption(void **)
{
	uint8_t buf[1600];
	struct probe probe;
	unsigned n = make(buf, &plain, 1514);

	for (unsigned bit = 50 * 8; bit < n * 8; bit++) {
		buf[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		assert_int_equal(frame_read(buf, n, FRAME_PORT, &probe), FRAME_CORRUPTED);
		buf[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	assert_int_equal(frame_read(buf, n, FRAME_PORT, &probe), FRAME_DATA);
}

static void a_frame_cut_short_is_corruption(void **)
{
	uint8_t buf[1600];
	struct probe probe;

	make(buf, &plain, 1514);
	for (unsigned n = 42; n < 1514; n++)
		assert_int_equal(frame_read(buf, n, FRAME_PORT, &probe), FRAME_CORRUPTED);
}

static void other_peoples_frames_are_foreign(void **)
{
	uint8_t buf[1600] = {0};
	struct probe probe;

	for (unsigned n = 0; n < sizeof(buf); n++)
		assert_int_equal(frame_read(buf, n, FRAME_PORT, &probe), FRAME_FOREIGN);
	make(buf, &plain, 100);
	memset(buf + 100 - FRAME_PROBE_BYTES, 0, FRAME_PROBE_BYTES);
	assert_int_equal(frame_read(buf, 100, FRAME_PORT + 1, &probe), FRAME_FOREIGN);
	srandom(3);
	for (unsigned i = 0; i < 100000; i++) {
		for (unsigned at = 0; at < 64; at++)
			buf[at] = (uint8_t)random();
		assert_int_not_equal(frame_read(buf, 64, FRAME_PORT, &probe), FRAME_DATA);
	}
}

static void what_was_written_is_read(void **)
{
	static const unsigned sizes[] = {60, 61, 64, 65, 127, 570, 1514, 9000, SIZE_MOST};
	uint8_t buf[SIZE_MOST + 64];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const struct rte_ipv4_hdr *ip = (const void *)(buf + 14);
		struct probe probe;

		make(buf, &plain, sizes[i]);
		assert_int_equal(frame_read(buf, sizes[i], FRAME_PORT, &probe), FRAME_DATA);
		assert_int_equal(probe.run, 9);
		assert_int_equal(probe.stream, 5);
		assert_int_equal(probe.seq, 0xfffffff0);
		assert_int_equal(probe.time, 0x123456789abc);
		assert_int_equal(rte_ipv4_cksum(ip), 0); // the sum of a sound header
		assert_int_equal(rte_be_to_cpu_16(ip->total_length), sizes[i] - 14);
		assert_memory_equal(buf, ((uint8_t[]){2, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 2}), 12);
	}
}

static void a_tag_put_on_or_taken_off_hides_nothing(void **)
{
	struct frame_spec tagged = plain;
	uint8_t buf[1600], other[1600];
	struct probe probe;
	unsigned n;

	tagged.vlan = 77;
	assert_int_equal(frame_least(&tagged), 64);
	n = make(buf, &tagged, 64);
	assert_memory_equal(buf + 12, ((uint8_t[]){0x81, 0, 0, 77, 8, 0, 0x45}), 7);
	assert_int_equal(frame_read(buf, n, FRAME_PORT, &probe), FRAME_DATA);
	n = make(buf, &tagged, 500);
	memcpy(other, buf, 12);
	memcpy(other + 12, buf + 16, n - 16);
	assert_int_equal(frame_read(other, n - 4, FRAME_PORT, &probe), FRAME_DATA);
	memcpy(other, buf, 16);
	memcpy(other + 16, buf + 12, n - 12);
	assert_int_equal(frame_read(other, n + 4, FRAME_PORT, &probe), FRAME_DATA);
}

static void a_replayed_frame_shows_any_change(void **)
{
	struct probe probe = {.run = 1, .seq = 2, .time = 3};
	uint8_t buf[200];

	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 7);
	frame_probe_write_replayed(
		buf, sizeof(buf), &probe, frame_body_sum(buf, sizeof(buf) - FRAME_PROBE_BYTES));
	assert_int_equal(frame_read(buf, sizeof(buf), FRAME_PORT, &probe), FRAME_DATA);
	assert_int_equal(probe.seq, 2);
	for (unsigned bit = 0; bit < (sizeof(buf) - FRAME_PROBE_BYTES) * 8; bit++) {
		buf[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		assert_int_equal(frame_read(buf, sizeof(buf), FRAME_PORT, &probe), FRAME_CORRUPTED);
		buf[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
}

static void what_the_ends_tell_each_other_is_read(void **)
{
	struct ctl said = {CTL_END, 12, 0x1122334455667788, 1ull << 40, 200}, heard;
	uint8_t buf[FRAME_CTL_BYTES + 16], to[6] = {1, 2, 3, 4, 5, 6};
	struct probe probe;

	frame_ctl_write(buf, &plain, 3, to, &said);
	assert_memory_equal(buf, to, 6);
	assert_int_equal(buf[11], 4); // the fourth address
	assert_int_equal(frame_read(buf, FRAME_CTL_BYTES, FRAME_PORT, &probe), FRAME_CTL);
	frame_ctl_read(buf, FRAME_CTL_BYTES, &heard);
	assert_int_equal(heard.op, said.op);
	assert_int_equal(heard.n_streams, said.n_streams);
	assert_int_equal(heard.machine, said.machine);
	assert_int_equal(heard.total, said.total);
	assert_int_equal(heard.run, said.run);
	buf[80] ^= 1;
	assert_int_equal(frame_read(buf, FRAME_CTL_BYTES, FRAME_PORT, &probe), FRAME_CORRUPTED);
}

static void flows_differ_and_addresses_take_turns(void **)
{
	struct frame_spec spec = plain;
	struct frame_head a, b;

	spec.n_flows = FRAME_STREAMS_MAX;
	frame_head_build(&spec, 0, &a);
	frame_head_build(&spec, 4, &b);
	assert_memory_equal(a.bytes, b.bytes, 12); // 4 and 2 addresses
	assert_memory_not_equal(a.bytes, b.bytes, 42);
	frame_head_build(&spec, 50000, &b); // ports are used up: the next address
	assert_memory_equal(a.bytes + 34, b.bytes + 34, 4);
	assert_memory_not_equal(a.bytes + 26, b.bytes + 26, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flipped_bit_behind_the_headers_is_corruption),
		cmocka_unit_test(a_frame_cut_short_is_corruption),
		cmocka_unit_test(other_peoples_frames_are_foreign),
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(a_tag_put_on_or_taken_off_hides_nothing),
		cmocka_unit_test(a_replayed_frame_shows_any_change),
		cmocka_unit_test(what_the_ends_tell_each_other_is_read),
		cmocka_unit_test(flows_differ_and_addresses_take_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
