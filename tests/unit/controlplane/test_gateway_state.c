// SPDX-License-Identifier: BSD-3-Clause
//
// What survives a restart of control, and what is refused instead of guessed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "controlplane/gateway/control.h"
#include "tests/unit/controlplane/scratch.h"

#define SLOTS 8

static struct gateway_config config = {.name = "a.example", .network = "example"};
static const uint8_t secret[32] = {42};

// Nobody cuts the power here, and thousands of files are written.
static int no_fsync(int fd)
{
	return 0;
}

static struct control *start(void)
{
	static struct atomic_file_ops ops;

	struct control *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->config = &config;
	c->n_slots = SLOTS;
	c->peers = calloc(SLOTS, sizeof(*c->peers));
	uv_loop_init(&c->loop);
	uv_timer_init(&c->loop, &c->save);
	c->save.data = c;
	c->stopping = true; // no timers in this test
	ops = atomic_file_libc;
	ops.fsync = no_fsync;
	assert_int_equal(
		statefile_init(&c->state, scratch_path("gateway.state"), "gateway", secret, &ops),
		0);
	return c;
}

static void stop(struct control *c)
{
	peers_free(c);
	uv_close((uv_handle_t *)&c->save, NULL);
	uv_run(&c->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&c->loop), 0);
	statefile_fini(&c->state);
	free(c->revocations);
	free(c->peers);
	free(c);
}

static void fill_pairing(struct gw_peer *gp, unsigned number, bool newest)
{
	struct peer_pairing p = {.live = true, .proven = newest, .not_after_s = 9000 + number};
	uint8_t key[32], th0[32];

	memset(key, (int)number, sizeof(key));
	memset(th0, (int)number + 1, sizeof(th0));
	pair_restore(&p.pair, gp->sm.is_client, th0, key);
	memset(p.mine_hash, (int)number + 2, 32);
	memset(p.theirs_hash, (int)number + 3, 32);
	memset(p.peer_key, (int)number + 4, 32);
	p.peer_serial_len = 4;
	memcpy(p.peer_serial, "\1\2\3\4", 4);
	peer_restore(&gp->sm, number % 2, &p, newest);
}

static struct gw_peer *fill(struct control *c)
{
	struct gw_peer *gp = peers_create(c, "b.example", 3);

	assert_non_null(gp);
	gp->runtime = true;
	gp->segments[0] = 6;
	gp->sm.m1_ts = 111;
	gp->sm.punch_ts = 222;
	gp->memory =
		(struct intent_memory){.serial = 333, .hash = {5}, .has_key = true, .key = {6}};
	gp->intent.made = true;
	gp->intent.len = 300;
	gp->intent.bytes[299] = 7;
	gp->intent.ipk_sk[0] = 8;
	gp->intent.serial = 444;
	gp->intent.not_before_s = 10;
	gp->intent.not_after_s = 20;
	pair_hash(gp->intent.hash, gp->intent.bytes, gp->intent.len);
	gp->sm.has_path = true;
	gp->sm.path = (struct config_endpoint){.addr = {4, {192, 0, 2, 1}}, .port = 7667};
	gp->sm.candidate[gp->sm.n_candidates++] = (struct peer_candidate){
		.at = {.addr = {6, {0x20, 1}}, .port = 9}, .kind = CANDIDATE_REFLEXIVE};
	gp->sm.candidates_ts = 555;
	fill_pairing(gp, 10, false);
	fill_pairing(gp, 21, true);
	c->n_drops = 1;
	c->drops[0] = (struct dropped_intent){{1, 2}, RECORD_DROP_WITHDRAWN};
	return gp;
}

static void pin_counts_against_a_peer_that_was_there_before_it(void **state)
{
	struct config_peer peer = {.name = "b.example", .has_pin = true, .intent = true};
	struct gateway_config pinned = config;

	pinned.peers = &peer;
	pinned.n_peers = 1;
	for (unsigned i = 0; i < 2; i++) {
		struct control *c = start();
		struct gw_peer *gp = fill(c);

		// fill() gives the two pairings different keys; let them be one here.
		memset(gp->sm.pairing[0].peer_key, 25, 32);
		memset(peer.pin, i == 0 ? 25 : 26, 32);
		assert_int_equal(peers_configure(c, &pinned), 0);
		for (unsigned k = 0; k < 2; k++)
			assert_int_equal(gp->sm.pairing[k].live, i == 0);
		assert_int_equal(gp->intent.made, i == 0);
		assert_int_equal(gp->memory.has_key, i == 0);
		assert_int_equal(gp->memory.serial, 333);
		assert_true(gp->wanted);
		stop(c);
	}
}

// A clock that is wrong at boot, or a certificate that is not there, makes nobody forget whom the
// network has thrown out.
static void revocations_survive_although_nothing_can_be_verified_at_start(void **state)
{
	struct revocation_entry gone = {.serial = {1, 2}, .serial_len = 2, .until = UINT64_MAX};
	static const uint8_t net_id[16], spki[32], seed[32];
	uint8_t list[512];
	size_t len;
	struct control *c = start();

	assert_int_equal(
		revocation_build(&gone, 1, net_id, 7, UINT32_MAX, spki, list, sizeof(list), &len),
		0);
	assert_int_equal(revocation_sign(seed, list, sizeof(list), &len), 0);
	assert_int_equal(revoke_restore(c, list, len), 0);
	assert_int_equal(state_save(c), 0);
	stop(c);
	for (unsigned i = 0; i < 2; i++) {
		c = start();
		assert_null(c->trust);
		assert_int_equal(state_load(c), 0);
		assert_int_equal(c->env.rl, 7);
		assert_int_equal(c->revocations_len, len);
		assert_memory_equal(c->revocations, list, len);
		assert_true(revocation_contains(
			&c->revocation_view, gone.serial, gone.serial_len, spki));
		assert_int_equal(state_save(c), 0);
		stop(c);
	}
}

// ------------------------------------------------------------------ refusals

static void file_of_another_identity_is_refused(void **state)
{
	static const uint8_t other[32] = {43};
	struct control *c = start();

	fill(c);
	assert_int_equal(state_save(c), 0);
	stop(c);
	c = start();
	statefile_fini(&c->state);
	statefile_init(&c->state, scratch_path("gateway.state"), "gateway", other, NULL);
	assert_int_equal(state_load(c), -EBADMSG);
	stop(c);
}

static void store_blob(struct control *c, const uint8_t *blob, size_t len)
{
	assert_int_equal(statefile_store(&c->state, blob, len), 0);
}

static void cut_short_or_of_another_version_is_refused(void **state)
{
	static uint8_t blob[65536];
	struct control *c = start();
	size_t len;

	fill(c);
	assert_int_equal(state_save(c), 0);
	assert_int_equal(statefile_load(&c->state, blob, sizeof(blob), &len), 0);
	stop(c);
	for (size_t n = 0; n < len; n++) {
		c = start();
		store_blob(c, blob, n);
		if (state_load(c) == 0)
			fail_msg("%zu of %zu bytes were accepted", n, len);
		stop(c);
	}
	c = start();
	blob[0]++;
	store_blob(c, blob, len);
	assert_int_equal(state_load(c), -EPROTO);
	stop(c);
}

static void noise_in_place_of_the_blob_does_not_crash(void **state)
{
	uint8_t blob[700];

	for (unsigned seed = 0; seed < 500; seed++) {
		struct control *c = start();

		srand(seed);
		for (size_t i = 0; i < sizeof(blob); i++)
			blob[i] = rand() % 4 == 0 ? rand() : 0;
		memcpy(blob, "\1\0\0\0", 4);
		store_blob(c, blob, rand() % sizeof(blob));
		state_load(c);
		stop(c);
	}
}

static void no_timestamp_is_given_out_that_is_not_on_disk(void **state)
{
	struct control *c = start();
	uint64_t first, last = 0;

	first = control_next_ts(c);
	assert_true(first != 0);
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t ts = control_next_ts(c);

		assert_true(ts > last && ts < c->ts_reserved);
		last = ts;
	}
	stop(c);
	c = start();
	assert_int_equal(state_load(c), 0);
	// Without knowing how many were used: above all that could have been.
	assert_true(control_next_ts(c) > last);
	stop(c);
}

static void restarts_in_a_row_do_not_run_away_from_the_clock(void **state)
{
	uint64_t ts = 0, last = 0;

	for (unsigned i = 0; i < 300; i++) {
		struct control *c = start();

		state_load(c);
		ts = control_next_ts(c);
		assert_true(ts > last);
		last = c->ts_reserved - 1; // it may have used them all
		stop(c);
	}
	assert_in_range(ts - control_now().unix_us, 0, 120 * 1000000ull);
}

static void full_disk_stops_timestamps_instead_of_repeating_them(void **state)
{
	struct control *c = start();

	snprintf(c->state.path, sizeof(c->state.path), "/nonexistent/gateway.state");
	assert_int_equal(control_next_ts(c), 0);
	assert_int_equal(control_next_ts(c), 0);
	stop(c);
}

// ------------------------------------------------------------------ what comes back

static void everything_that_guards_comes_back(void **state)
{
	struct control *c = start();
	struct gw_peer *gp;

	fill(c);
	c->ts_reserved = 777;
	assert_int_equal(state_save(c), 0);
	stop(c);
	c = start();
	assert_int_equal(state_load(c), 0);
	gp = peers_find(c, "b.example");
	assert_non_null(gp);
	assert_int_equal(gp->slot, 3);
	assert_true(gp->runtime && gp->wanted);
	assert_int_equal(gp->segments[0], 6);
	assert_int_equal(gp->sm.m1_ts, 111);
	assert_int_equal(gp->sm.punch_ts, 222);
	assert_int_equal(gp->memory.serial, 333);
	assert_true(gp->memory.has_key && gp->memory.key[0] == 6 && gp->memory.hash[0] == 5);
	assert_true(gp->intent.made && !gp->intent.consumed);
	assert_int_equal(gp->intent.len, 300);
	assert_int_equal(gp->intent.ipk_sk[0], 8);
	assert_int_equal(gp->intent.not_after_s, 20);
	assert_int_equal(gp->sm.newest, 1);
	assert_true(gp->sm.pairing[1].proven);
	assert_int_equal(gp->sm.pairing[1].not_after_s, 9021);
	assert_int_equal(gp->sm.pairing[1].pair.key[0], 21);
	assert_int_equal(gp->sm.pairing[1].theirs_hash[0], 24);
	assert_int_equal(gp->sm.pairing[0].pair.key[0], 10);
	// The path comes back as the first place to look, not as a path.
	assert_false(gp->sm.has_path);
	assert_int_equal(gp->sm.n_candidates, 2);
	assert_int_equal(gp->sm.candidate[0].at.port, 7667);
	assert_int_equal(gp->sm.candidates_ts, 555);
	assert_int_equal(c->n_drops, 1);
	assert_int_equal(c->drops[0].hash[1], 2);
	assert_int_equal(c->ts_reserved, 777);
	stop(c);
}

static void withdrawn_peer_of_the_yaml_stays_withdrawn(void **state)
{
	struct config_peer peer = {.name = "b.example", .intent = true};
	struct control *c = start();
	struct gw_peer *gp;

	config.peers = &peer;
	config.n_peers = 1;
	gp = peers_create(c, "b.example", PEERS_ANY_SLOT);
	gp->withdrawn = true;
	assert_int_equal(state_save(c), 0);
	stop(c);
	c = start();
	assert_int_equal(state_load(c), 0);
	assert_int_equal(peers_configure(c, &config), 0);
	assert_false(peers_find(c, "b.example")->wanted);
	// An edit of the YAML is a new decision.
	peer.intent = false;
	assert_int_equal(peers_configure(c, &config), 0);
	peer.intent = true;
	assert_int_equal(peers_configure(c, &config), 0);
	assert_true(peers_find(c, "b.example")->wanted);
	stop(c);
	config.n_peers = 0;
}

static void nothing_stored_is_a_fresh_start(void **state)
{
	struct control *c = start();

	assert_int_equal(state_load(c), 0);
	stop(c);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(pin_counts_against_a_peer_that_was_there_before_it),
		CASE(revocations_survive_although_nothing_can_be_verified_at_start),
		CASE(file_of_another_identity_is_refused),
		CASE(cut_short_or_of_another_version_is_refused),
		CASE(noise_in_place_of_the_blob_does_not_crash),
		CASE(no_timestamp_is_given_out_that_is_not_on_disk),
		CASE(restarts_in_a_row_do_not_run_away_from_the_clock),
		CASE(full_disk_stops_timestamps_instead_of_repeating_them),
		CASE(everything_that_guards_comes_back),
		CASE(withdrawn_peer_of_the_yaml_stays_withdrawn),
		CASE(nothing_stored_is_a_fresh_start),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
