// SPDX-License-Identifier: BSD-3-Clause
//
// Hub records: every type goes round, nothing else parses, and pieces come together in order or not
// at all.
#include "wire/record.h"

#include <errno.h>

#include "tests/unit/wire/support.h"

static const uint8_t h1[32] = {1, 1, 1};
static const uint8_t h2[32] = {2, 2, 2};
static const uint8_t blob[INTENT_MAX_LEN] = {3, 3, 3};
static const uint8_t addr4[16] = {192, 0, 2, 1};
static const uint8_t addr6[16] = {0x20, 1, 0xd, 0xb8, 1};
static uint8_t buf[RECORD_MAX_LEN];

static struct der_list chain(void)
{
	return (struct der_list){.n = 2, .cert = {{blob, 300}, {blob, 5}}};
}

// One good record of every type; some twice, where the layout has variants.
#define N_SAMPLES 15
static struct record sample(unsigned n)
{
	struct record r = {0};

	switch (n) {
	case 0:
		r.type = RECORD_ERROR;
		r.error = (struct record_error){RECORD_CSR, RECORD_E_TOKEN, 4, "used"};
		break;
	case 1:
		r.type = RECORD_PING;
		r.ping = (struct record_ping){.token = 99, .reply = true};
		break;
	case 2:
		r.type = RECORD_CSR;
		r.csr = (struct record_csr){.purpose = RECORD_CSR_ENROL,
			.th0 = h1,
			.public_key = h2,
			.time_s = 5,
			.caps = 2,
			.name = "a.example",
			.name_len = 9,
			.sig = blob};
		break;
	case 3:
		r.type = RECORD_CERT;
		r.cert = (struct record_cert){.flags = RECORD_CERT_HAS_GATE,
			.not_before_s = 1,
			.not_after_s = 2,
			.gate_secret = h1,
			.chain = chain()};
		break;
	case 4:
		r.type = RECORD_CERT;
		r.cert = (struct record_cert){.not_after_s = 2, .chain = chain()};
		break;
	case 5:
		r.type = RECORD_PUT_INTENT;
		r.put_intent = (struct record_put_intent){blob, 222};
		break;
	case 6:
		r.type = RECORD_DROP_INTENT;
		r.drop_intent = (struct record_drop_intent){h1, RECORD_DROP_EXPIRED};
		break;
	case 7:
		r.type = RECORD_MATCH;
		r.match = (struct record_match){.mine_hash = h1,
			.theirs_hash = h2,
			.intent = blob,
			.intent_len = INTENT_MAX_LEN,
			.chain = chain()};
		break;
	case 8:
		r.type = RECORD_MATCH;
		r.match = (struct record_match){.mine_hash = h1,
			.theirs_hash = h2,
			.intent = blob,
			.intent_len = 222,
			.chain = chain(),
			.rollover = blob,
			.rollover_len = 170};
		break;
	case 9:
		r.type = RECORD_CANDIDATES;
		r.candidates = (struct record_candidates){h1, h2, blob, 248};
		break;
	case 10:
		r.type = RECORD_OBSERVED_ADDR;
		r.observed = (struct record_observed_addr){7, 6, 1, 7667, addr6};
		break;
	case 11:
		r.type = RECORD_REVOCATIONS;
		r.revocations = (struct record_revocations){blob, 136};
		break;
	case 12:
		r.type = RECORD_RELAY_OPEN;
		r.relay = (struct record_relay_open){
			h1, h2, RECORD_RELAY_GRANT, 4, 40000, 1000, 99, addr4};
		break;
	case 13:
		r.type = RECORD_RELAY_OPEN;
		r.relay = (struct record_relay_open){h1, h2, RECORD_RELAY_ASK, 0, 0, 0, 0, NULL};
		break;
	case 14:
		r.type = RECORD_POLICY;
		r.policy = (struct record_policy){
			3, 86400, 604800, RECORD_POLICY_RELAY, true, chain()};
		break;
	}
	return r;
}

static void every_record_goes_round(void **)
{
	for (unsigned i = 0; i < N_SAMPLES; i++) {
		struct record in = sample(i);
		struct record out;
		static uint8_t again[RECORD_MAX_LEN];
		size_t n = record_build(&in, buf, sizeof(buf));

		assert_true(n > 0);
		assert_int_equal(record_parse(in.type, buf, n, &out), 0);
		assert_int_equal(record_build(&out, again, sizeof(again)), n);
		assert_memory_equal(buf, again, n);
		assert_int_equal(record_build(&in, again, n - 1), 0);
		assert_string_not_equal(record_type_name(in.type), "unknown");
	}
}

static void no_cut_or_lengthened_record_parses(void **)
{
	for (unsigned i = 0; i < N_SAMPLES; i++) {
		struct record in = sample(i);
		struct record out;
		size_t n = record_build(&in, buf, sizeof(buf));

		if (in.type == RECORD_PUT_INTENT || in.type == RECORD_REVOCATIONS)
			continue; // opaque here, as long as they are
		for (size_t len = 0; len < n; len++) {
			uint8_t *exact = malloc(len + 1);

			memcpy(exact, buf, len);
			// A list of two certificates cut after the first is a list of one.
			if (!(in.type == RECORD_CERT && len == n - 7))
				assert_int_equal(record_parse(in.type, exact, len, &out), -EBADMSG);
			free(exact);
		}
		buf[n] = 0;
		assert_int_equal(record_parse(in.type, buf, n + 1, &out), -EBADMSG);
	}
}

static void fields_that_cannot_be_are_refused(void **)
{
	static const struct {
		unsigned sample;
		size_t at;
		uint8_t value;
	} edits[] = {
		{0, 2, 0},                             // ERROR: no code
		{0, 4, 3},                             // text shorter than the record
		{0, 6, 1},                             // reserved
		{0, 8, '\n'},                          // control byte in the text
		{0, 8, 0x1b}, {0, 8, 0x7f}, {1, 8, 2}, // PING: neither question nor answer
		{1, 15, 1},                            // reserved
		{2, 0, 2},                             // CSR: version
		{2, 1, 0},                             // purpose
		{2, 1, 3}, {2, 2, 8},                  // name length
		{2, 4, 1},                             // reserved
		{2, 84, 'A'},                          // no name
		{3, 0, 2},                             // CERT: flag
		{3, 4, 1},                             // reserved
		{3, 8, 3},                             // valid from behind valid until
		{4, 24, 1},                            // secret without its flag
		{3, 56, 0},                            // first certificate's length
		{6, 32, 0},                            // DROP_INTENT: reason
		{6, 32, 5}, {6, 34, 1}, {7, 64, 0},    // MATCH: intent length
		{7, 66, 0},                            // chain length
		{7, 68, 1},                            // rollover that is not there
		{7, 70, 1}, {9, 64, 0},                // CANDIDATES: sealed length
		{9, 66, 1}, {10, 8, 5},                // OBSERVED_ADDR: family
		{10, 8, 4},                            // IPv4 with more than four bytes
		{12, 64, 0},                           // RELAY_OPEN: op
		{12, 64, 4}, {12, 64, 1},              // ASK with an address
		{12, 99, 1},                           // reserved
		{13, 70, 1}, {14, 12, 255},            // POLICY: intents above seven days
		{14, 15, 255}, {14, 16, 2},            // flag
		{14, 20, 1},                           // chain length
		{14, 22, 1},                           // reserved
	};
	struct record out = {.type = 77};

	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		struct record in = sample(edits[i].sample);
		size_t n = record_build(&in, buf, sizeof(buf));

		buf[edits[i].at] = edits[i].value;
		if (record_parse(in.type, buf, n, &out) != -EBADMSG)
			fail_msg("edit %zu accepted", i);
	}
	assert_int_equal(out.type, 77);
	assert_int_equal(record_parse(RECORD_PUT_INTENT, buf, INTENT_MIN_LEN - 1, &out), -EBADMSG);
	assert_int_equal(record_parse(RECORD_PUT_INTENT, buf, INTENT_MAX_LEN + 1, &out), -EBADMSG);
	assert_int_equal(record_parse(RECORD_REVOCATIONS, buf, 0, &out), -EBADMSG);
	assert_int_equal(record_parse(RECORD_REVOCATIONS, buf, RECORD_MAX_LEN + 1, &out), -EBADMSG);
	assert_int_equal(record_parse(0, buf, 4, &out), -EPROTONOSUPPORT);
	assert_int_equal(record_parse(13, buf, 4, &out), -EPROTONOSUPPORT);
	assert_string_equal(record_type_name(13), "unknown");
	assert_string_equal(record_type_name(0), "unknown");
}

static void too_much_is_not_built(void **)
{
	static char text[RECORD_TEXT_MAX + 1];
	struct record r = sample(0);

	memset(text, 'x', sizeof(text));
	r.error.text = text;
	r.error.text_len = RECORD_TEXT_MAX;
	assert_true(record_build(&r, buf, sizeof(buf)) > 0);
	r.error.text_len++;
	assert_int_equal(record_build(&r, buf, sizeof(buf)), 0);
	r = sample(7);
	r.match.intent_len++;
	assert_int_equal(record_build(&r, buf, sizeof(buf)), 0);
	r = sample(9);
	r.candidates.sealed_len = RECORD_SEALED_MAX + 1;
	assert_int_equal(record_build(&r, buf, sizeof(buf)), 0);
	r = sample(8);
	r.match.rollover_len = RECORD_ROLLOVER_MAX + 1;
	assert_int_equal(record_build(&r, buf, sizeof(buf)), 0);
	r = sample(10);
	r.observed.port = 0;
	assert_int_equal(record_build(&r, buf, sizeof(buf)), 0);
	r = sample(2);
	r.csr.name = "A.example";
	assert_int_equal(record_build_csr_unsigned(&r.csr, buf, sizeof(buf)), 0);
	r = sample(2);
	assert_int_equal(record_build_csr_unsigned(&r.csr, buf, 84 + 8), 0);
	r.type = 200;
	assert_int_equal(record_build(&r, buf, sizeof(buf)), 0);
}

static void requests_and_rollovers_show_what_was_signed(void **)
{
	struct record r = sample(2);
	struct record out;
	struct record_rollover o = {.net_id = h1,
		.old_key = h1,
		.new_key = h2,
		.time_s = 3,
		.name = "a",
		.name_len = 1};
	struct record_rollover got;
	size_t n = record_build_csr_unsigned(&r.csr, buf, sizeof(buf));

	memcpy(buf + n, blob, RECORD_SIG_LEN);
	assert_int_equal(record_parse(RECORD_CSR, buf, n + RECORD_SIG_LEN, &out), 0);
	assert_ptr_equal(out.csr.signed_bytes, buf);
	assert_int_equal(out.csr.signed_len, n);
	assert_ptr_equal(out.csr.sig, buf + n);

	n = record_build_rollover_unsigned(&o, buf, sizeof(buf));
	assert_int_equal(n, RECORD_ROLLOVER_FIXED + 1);
	for (size_t len = 0; len < n + RECORD_SIG_LEN; len++)
		assert_int_equal(record_parse_rollover(buf, len, &got), -EBADMSG);
	assert_int_equal(record_parse_rollover(buf, n + RECORD_SIG_LEN, &got), 0);
	assert_int_equal(got.signed_len, n);
	assert_memory_equal(got.new_key, h2, 32);
	assert_int_equal(record_build_rollover_unsigned(&o, buf, RECORD_ROLLOVER_FIXED), 0);
	o.name = ".";
	assert_int_equal(record_build_rollover_unsigned(&o, buf, sizeof(buf)), 0);
	assert_int_equal(record_parse_rollover(buf, n + RECORD_SIG_LEN + 1, &got), -EBADMSG);
	buf[RECORD_ROLLOVER_FIXED] = '.';
	assert_int_equal(record_parse_rollover(buf, n + RECORD_SIG_LEN, &got), -EBADMSG);
}

// ---- pieces

static void records_of_any_size_come_together(void **)
{
	static const size_t sizes[] = {0, 1, 93, 94, 95, 1000, 65535, RECORD_MAX_LEN};
	static uint8_t body[RECORD_MAX_LEN];
	struct record_rx rx;

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 7);
	record_rx_init(&rx, buf);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct record_tx tx;
		uint8_t piece[100];
		size_t n;
		int got = 0;

		assert_int_equal(record_tx_init(&tx, 40 + (uint16_t)i, body, sizes[i]), 0);
		while ((n = record_tx_next(&tx, piece, sizeof(piece))) > 0) {
			assert_int_equal(got, 0);
			got = record_rx_push(&rx, piece, n);
			assert_true(got >= 0);
		}
		assert_int_equal(got, 1);
		assert_int_equal(rx.type, 40 + i);
		assert_int_equal(rx.total, sizes[i]);
		assert_memory_equal(buf, body, sizes[i]);
	}
}

static void pieces_out_of_order_break_the_stream(void **)
{
	static const struct {
		const char *bytes;
		size_t len;
	} second[] = {
		{"", 0}, {"\5\0\4\0\0", 5}, // no whole header
		{"\5\0\4\0\0\0", 6},        // empty piece
		{"\6\0\4\0\0\0x", 7},       // another type in between
		{"\5\0\5\0\0\0x", 7},       // another length
		{"\5\0\4\0\0\0xyz", 9},     // more than is missing
	};
	struct record_rx rx;
	struct record_tx tx;

	for (size_t i = 0; i < sizeof(second) / sizeof(second[0]); i++) {
		record_rx_init(&rx, buf);
		assert_int_equal(record_rx_push(&rx, "\5\0\4\0\0\0ab", 8), 0);
		assert_int_equal(record_rx_push(&rx, second[i].bytes, second[i].len), -EBADMSG);
	}
	record_rx_init(&rx, buf);
	assert_int_equal(record_rx_push(&rx, "\5\0\1\0\1\0x", 7), -EBADMSG); // 65537
	assert_int_equal(record_rx_push(&rx, "\5\0\xff\xff\xff\xffx", 7), -EBADMSG);
	assert_int_equal(record_rx_push(&rx, "\5\0\0\0\0\0", 6), 1);
	assert_int_equal(record_rx_push(&rx, "\5\0\0\0\0\0x", 7), -EBADMSG);
	assert_int_equal(record_tx_init(&tx, 1, buf, RECORD_MAX_LEN + 1), -EMSGSIZE);
	assert_int_equal(record_tx_init(&tx, 1, buf, 10), 0);
	assert_int_equal(record_tx_next(&tx, buf, RECORD_PIECE_HDR_LEN), 0);
}

static void a_reset_wipes_what_was_there(void **)
{
	struct record_rx rx;

	memset(buf, 0xaa, sizeof(buf));
	record_rx_init(&rx, buf);
	record_rx_push(&rx, "\5\0\4\0\0\0ab", 8);
	record_rx_reset(&rx);
	assert_false(rx.open);
	assert_true(bytes_are_zero(buf, sizeof(buf)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_record_goes_round),
		cmocka_unit_test(no_cut_or_lengthened_record_parses),
		cmocka_unit_test(fields_that_cannot_be_are_refused),
		cmocka_unit_test(too_much_is_not_built),
		cmocka_unit_test(requests_and_rollovers_show_what_was_signed),
		cmocka_unit_test(records_of_any_size_come_together),
		cmocka_unit_test(pieces_out_of_order_break_the_stream),
		cmocka_unit_test(a_reset_wipes_what_was_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
