// SPDX-License-Identifier: BSD-3-Clause
//
// Cutting a TCP stream into frames: bad lengths first, then every way of being split.
#include "controlplane/common/tcpframe.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int feed_all(struct tcpframe *tf, const uint8_t *p, size_t len, size_t *ret_frames)
{
	const uint8_t *frame;
	size_t frame_len;
	int got;

	while ((got = tcpframe_feed(tf, &p, &len, &frame, &frame_len)) > 0) {
		for (size_t i = 0; i < frame_len; i++)
			assert_int_equal(frame[i], (uint8_t)(frame_len + i));
		++*ret_frames;
	}
	if (got == 0)
		assert_int_equal(len, 0);
	return got;
}

static size_t make_frame(uint8_t *out, size_t len)
{
	tcpframe_head(out, len);
	for (size_t i = 0; i < len; i++)
		out[TCPFRAME_HEAD_BYTES + i] = (uint8_t)(len + i);
	return TCPFRAME_HEAD_BYTES + len;
}

static void lengths_out_of_bounds_are_refused_at_their_two_bytes(void **)
{
	static const uint16_t bad[] = {0, 1, 35, 9217, 9218, 0x7fff, 0xffff};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct tcpframe tf = {0};
		uint8_t head[2] = {(uint8_t)(bad[i] >> 8), (uint8_t)bad[i]};
		size_t n = 0;

		assert_int_equal(feed_all(&tf, head, 2, &n), -EMSGSIZE);
		assert_int_equal(n, 0);
	}
}

static void a_refused_stream_stays_refused(void **)
{
	struct tcpframe tf = {0};
	uint8_t bytes[64] = {0xff, 0xff};
	size_t n = 0;

	assert_int_equal(feed_all(&tf, bytes, 2, &n), -EMSGSIZE);
	assert_int_equal(feed_all(&tf, bytes, sizeof(bytes), &n), -EMSGSIZE);
	assert_int_equal(n, 0);
}

static void half_a_frame_is_not_a_frame(void **)
{
	uint8_t bytes[TCPFRAME_HEAD_BYTES + 100];
	size_t len = make_frame(bytes, 100);

	for (size_t cut = 0; cut < len; cut++) {
		struct tcpframe tf = {0};
		size_t n = 0;

		assert_int_equal(feed_all(&tf, bytes, cut, &n), 0);
		assert_int_equal(n, 0);
		assert_int_equal(tcpframe_pending(&tf) != 0, cut > 0);
	}
}

static void frames_come_out_whole_however_the_stream_is_cut(void **)
{
	static const size_t lengths[] = {36, 37, 128, 1232, 9215, 9216};
	static uint8_t stream[6 * (TCPFRAME_HEAD_BYTES + TCPFRAME_MAX)];
	size_t total = 0;

	for (size_t i = 0; i < 6; i++)
		total += make_frame(stream + total, lengths[i]);
	for (size_t step = 1; step < 3000; step = step * 3 / 2 + 1) {
		struct tcpframe tf = {0};
		size_t n = 0;

		for (size_t at = 0; at < total; at += step) {
			size_t len = total - at < step ? total - at : step;

			assert_int_equal(feed_all(&tf, stream + at, len, &n), 0);
		}
		assert_int_equal(n, 6);
		assert_false(tcpframe_pending(&tf));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_out_of_bounds_are_refused_at_their_two_bytes),
		cmocka_unit_test(a_refused_stream_stays_refused),
		cmocka_unit_test(half_a_frame_is_not_a_frame),
		cmocka_unit_test(frames_come_out_whole_however_the_stream_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
