// SPDX-License-Identifier: BSD-3-Clause
//
// Pcap files: what is refused and with which words, and what becomes of the frames.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "pktgen/capture.h"
#include "pktgen/frame.h"

static char path[64], why[CAPTURE_WHY_BYTES];

struct file_head {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, snaplen, link;
};

struct record {
	uint32_t s, us, kept, len;
};

// Frames of these lengths, of which at most "kept" bytes were recorded; cut after "cut" bytes.
static uint32_t times_us[] = {0, 1, 2, 3, 4, 5};

static void write_pcap(uint32_t link, const uint32_t *lens, unsigned n, uint32_t kept, long cut)
{
	struct file_head head = {0xa1b2c3d4, 2, 4, 0, 0, 65535, link};
	FILE *f = fopen(path, "wb");

	fwrite(&head, sizeof(head), 1, f);
	for (unsigned i = 0; i < n; i++) {
		struct record r = {7, times_us[i], lens[i] < kept ? lens[i] : kept, lens[i]};

		fwrite(&r, sizeof(r), 1, f);
		for (unsigned at = 0; at < r.kept; at++)
			putc((int)(i + at) & 0xff, f);
	}
	fclose(f);
	if (cut > 0)
		assert_int_equal(truncate(path, cut), 0);
}

static void refused(int err, const char *words)
{
	struct capture c = {.n = 77};

	why[0] = '\0';
	assert_int_equal(capture_read(path, 1518, &c, why), err);
	if (strstr(why, words) == NULL)
		fail_msg("nothing of \"%s\" in: %s", words, why);
	assert_non_null(strstr(why, path));
	assert_int_equal(c.n, 77);
}

static void a_damaged_file_is_refused(void **)
{
	static const uint32_t lens[] = {100, 200, 300};
	static const uint32_t lens_long[] = {100, 1519};

	unlink(path);
	refused(-ENOENT, "No such file");
	write_pcap(1, lens, 0, 65535, 0);
	refused(-EINVAL, "no frame");
	write_pcap(1, lens, 3, 65535, 24 + 16 + 100 + 16 + 150);
	refused(-EINVAL, "damaged after frame 1: truncated");
	write_pcap(1, lens, 3, 65535, 24 + 16 + 100 + 7);
	refused(-EINVAL, "damaged after frame 1: truncated");
	write_pcap(1, lens, 3, 65535, 11);
	refused(-EINVAL, "no pcap file");
	write_pcap(1, lens, 3, 150, 0);
	refused(-EINVAL, "frame 2 was recorded with 150 of its 200 bytes");
	write_pcap(113, lens, 3, 65535, 0);
	refused(-EINVAL, "not Ethernet");
	write_pcap(1, lens_long, 2, 65535, 0);
	refused(-EINVAL, "frame 2 has 1519 bytes");
}

static void frames_keep_their_bytes_and_carry_a_probe(void **)
{
	static const uint32_t lens[] = {14, 42, 60, 1500, 1501, 1518};
	static const unsigned want[] = {60, 60, 78, 1518, 1518, 1518};
	struct capture c;

	write_pcap(1, lens, 6, 65535, 0);
	assert_int_equal(capture_read(path, 1518, &c, why), 0);
	assert_int_equal(c.n, 6);
	assert_int_equal(c.n_overwritten, 2);
	assert_int_equal(c.longest, 1518);
	for (unsigned i = 0; i < 6; i++) {
		struct probe probe = {.seq = i};
		uint8_t *data = c.bytes + c.frames[i].at;
		unsigned body = c.frames[i].len - FRAME_PROBE_BYTES;

		assert_int_equal(c.frames[i].len, want[i]);
		for (unsigned at = 0; at < body && at < lens[i]; at++)
			assert_int_equal(data[at], (i + at) & 0xff);
		frame_probe_write_replayed(data, c.frames[i].len, &probe, c.frames[i].body_sum);
		assert_int_equal(frame_read(data, c.frames[i].len, FRAME_PORT, &probe), FRAME_DATA);
	}
	capture_free(&c);
	assert_null(c.bytes);
}

static void gaps_between_frames_are_kept(void **)
{
	static const uint32_t lens[] = {60, 60, 60, 60};
	struct capture c;

	memcpy(times_us, (uint32_t[]){5, 1005, 905, 4905}, 16); // the third came late
	write_pcap(1, lens, 4, 65535, 0);
	assert_int_equal(capture_read(path, 1518, &c, why), 0);
	assert_int_equal(c.frames[0].gap_ns, 1000000);
	assert_int_equal(c.frames[1].gap_ns, 0);
	assert_int_equal(c.frames[2].gap_ns, 4000000);
	assert_true(c.frames[3].gap_ns / 1000 == 1666); // the mean
	assert_true(c.seconds > 0.00666 && c.seconds < 0.00667);
	capture_free(&c);
	write_pcap(1, lens, 1, 65535, 0);
	assert_int_equal(capture_read(path, 1518, &c, why), 0);
	assert_true(c.seconds == 0 && c.frames[0].gap_ns == 0);
	capture_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_damaged_file_is_refused),
		cmocka_unit_test(gaps_between_frames_are_kept),
		cmocka_unit_test(frames_keep_their_bytes_and_carry_a_probe),
	};
	int failed, fd;

	snprintf(path, sizeof(path), "/tmp/postern-capture.XXXXXX");
	fd = mkstemp(path);
	if (fd >= 0)
		close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
