// SPDX-License-Identifier: BSD-3-Clause
//
// Records in lane 0: nothing before M4, nothing broken, nothing longer than allowed.
#include "controlplane/common/recordlane.h"

#include <errno.h>

#include "tests/unit/wire/support.h"

struct wire {
	uint8_t bytes[1 << 18]; // frames with their two length bytes
	size_t len;
	unsigned n_frames;
};

static struct recordlane client, server;
static struct wire wire;
static unsigned n_taken;
static size_t taken_len;

static int keep(void *ctx, const uint8_t *frame, size_t len)
{
	assert_true(wire.len + len <= sizeof(wire.bytes));
	memcpy(wire.bytes + wire.len, frame, len);
	wire.len += len;
	wire.n_frames++;
	return 0;
}

static int refuse(void *ctx, const uint8_t *frame, size_t len)
{
	return -ENOBUFS;
}

static int take(void *ctx, uint16_t type, const uint8_t *body, size_t len)
{
	n_taken++;
	taken_len = len;
	return 0;
}

static int stop(void *ctx, uint16_t type, const uint8_t *body, size_t len)
{
	return -ECANCELED;
}

// What is on the wire into rl; the first error, or 0.
static int deliver(struct recordlane *rl, recordlane_take how)
{
	size_t at = 0;
	int err = 0;

	while (err == 0 && at < wire.len) {
		size_t len = (size_t)wire.bytes[at] << 8 | wire.bytes[at + 1];

		err = recordlane_recv(rl, wire.bytes + at + 2, len, how, NULL);
		at += 2 + len;
	}
	wire.len = 0;
	return err;
}

static int set_up(void **state)
{
	struct hs_result a = {.rx_key_id = 0x101, .tx_key_id = 0x202}, b;

	for (size_t i = 0; i < sizeof(a.traffic); i++)
		((uint8_t *)&a.traffic)[i] = (uint8_t)i;
	b = a;
	b.rx_key_id = 0x202;
	b.tx_key_id = 0x101;
	assert_int_equal(recordlane_init(&client, &a, true), 0);
	assert_int_equal(recordlane_init(&server, &b, false), 0);
	assert_true(sodium_is_zero((uint8_t *)&a, sizeof(a)));
	memset(&wire, 0, sizeof(wire));
	n_taken = 0;
	return 0;
}

static int tear_down(void **state)
{
	recordlane_fini(&client);
	recordlane_fini(&server);
	recordlane_fini(&server); // a second time is fine
	return 0;
}

static void a_record_before_m4_ends_the_link(void **state)
{
	server.confirmed = true;
	assert_int_equal(recordlane_send(&server, RECORD_PING, "12345678", 8, keep, NULL), 0);
	assert_int_equal(deliver(&client, take), -EBADMSG);
	assert_int_equal(n_taken, 0);
}

static void an_altered_frame_ends_the_link(void **state)
{
	assert_int_equal(recordlane_confirm(&server, keep, NULL), 0);
	wire.bytes[wire.len - 1] ^= 1;
	assert_int_equal(deliver(&client, take), -EBADMSG);
	assert_false(client.confirmed);
}

static void a_frame_longer_than_any_ends_the_link(void **state)
{
	static const uint8_t frame[TCPFRAME_MAX + 1];

	assert_int_equal(recordlane_recv(&client, frame, sizeof(frame), take, NULL), -EBADMSG);
}

static void what_is_no_record_is_skipped_and_a_broken_one_ends_the_link(void **state)
{
	uint8_t frame[256];
	size_t len;

	client.confirmed = true;
	len = ctl_lane_seal(&server.lane, 200, "later", 5, frame);
	assert_int_equal(recordlane_recv(&client, frame, len, take, NULL), 0);
	len = ctl_lane_seal(&server.lane, PKT_KIND_RECORD, "xx", 2, frame);
	assert_int_equal(recordlane_recv(&client, frame, len, take, NULL), -EBADMSG);
	assert_int_equal(n_taken, 0);
}

static void a_record_over_the_owners_limit_ends_the_link(void **state)
{
	static const uint8_t body[2000];

	client.confirmed = server.confirmed = true;
	client.max_record = 1000;
	assert_int_equal(recordlane_send(&server, RECORD_MATCH, body, 1000, keep, NULL), 0);
	assert_int_equal(deliver(&client, take), 0);
	assert_int_equal(recordlane_send(&server, RECORD_MATCH, body, 1001, keep, NULL), 0);
	assert_int_equal(deliver(&client, take), -EBADMSG);
	assert_int_equal(n_taken, 1);
}

static void errors_of_either_hand_are_returned(void **state)
{
	assert_int_equal(recordlane_confirm(&server, refuse, NULL), -ENOBUFS);
	client.confirmed = true;
	assert_int_equal(recordlane_send(&server, RECORD_PING, "12345678", 8, keep, NULL), 0);
	assert_int_equal(deliver(&client, stop), -ECANCELED);
	server.lane.tx_counter = PKT_COUNTER_CAP;
	assert_int_equal(
		recordlane_send(&server, RECORD_PING, "12345678", 8, keep, NULL), -EOVERFLOW);
}

static void the_longest_record_arrives_whole_over_many_frames(void **state)
{
	static uint8_t body[RECORD_MAX_LEN];

	assert_int_equal(recordlane_confirm(&server, keep, NULL), 0);
	assert_int_equal(recordlane_send(&server, RECORD_MATCH, body, sizeof(body) + 1, keep, NULL),
		-EMSGSIZE);
	assert_int_equal(recordlane_send(&server, RECORD_MATCH, body, sizeof(body), keep, NULL), 0);
	assert_true(wire.n_frames > 2);
	assert_int_equal(deliver(&client, take), 0);
	assert_true(client.confirmed);
	assert_int_equal(n_taken, 1);
	assert_int_equal(taken_len, sizeof(body));
}

#define ON_A_LINK(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_A_LINK(a_record_before_m4_ends_the_link),
		ON_A_LINK(an_altered_frame_ends_the_link),
		ON_A_LINK(a_frame_longer_than_any_ends_the_link),
		ON_A_LINK(what_is_no_record_is_skipped_and_a_broken_one_ends_the_link),
		ON_A_LINK(a_record_over_the_owners_limit_ends_the_link),
		ON_A_LINK(errors_of_either_hand_are_returned),
		ON_A_LINK(the_longest_record_arrives_whole_over_many_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
