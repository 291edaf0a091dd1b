// SPDX-License-Identifier: BSD-3-Clause
//
// The peer state machine, both roles against each other with the real handshake, in a world that
// loses, doubles, delays and forges.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>

#include "tests/unit/controlplane/peer_sim.h"

static struct sim world;

static struct config_endpoint stranger(unsigned n)
{
	struct config_endpoint at = {.port = 5000 + n};

	at.addr = (struct config_addr){4, {192, 0, 2, 9}};
	return at;
}

static unsigned sent_in_all(const struct sim_side *side)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 256; i++)
		n += side->n_sent[i];
	return n;
}

// ------------------------------------------------------------------ refusals first

static uint8_t kept[8][PKT_HS_MAX_LEN];
static size_t kept_len[8];

static bool keep_all(
	struct sim *s, unsigned from, const struct config_endpoint *to, uint8_t *data, size_t len)
{
	unsigned i = data[0] == PKT_TYPE_DATA ? 5 : data[0] - PKT_TYPE_PUNCH;

	memcpy(kept[i], data, len);
	kept_len[i] = len;
	return true;
}

static void learn_a_handshake(void)
{
	memset(kept_len, 0, sizeof(kept_len));
	world.filter = keep_all;
	sim_introduce(&world);
	assert_true(sim_run_until_up(&world, 2000000) < 200000);
	sim_run(&world, 3000000);
	world.filter = NULL;
}

static void flipped_bits_get_no_answer_and_change_nothing(void **state)
{
	struct config_endpoint from = stranger(0);
	unsigned before, keys;

	sim_init(&world, 1);
	learn_a_handshake();
	before = sent_in_all(&world.side[0]) + sent_in_all(&world.side[1]);
	keys = world.side[0].n_installs + world.side[1].n_installs;
	for (unsigned k = 0; k < 6; k++) {
		for (size_t i = 0; i < kept_len[k]; i++) {
			uint8_t copy[PKT_HS_MAX_LEN];

			memcpy(copy, kept[k], kept_len[k]);
			copy[i] ^= 1 << i % 8;
			// The cookie mac is no part of what tells a peer from a stranger.
			if (k == 1 && i >= PKT_M1_MAC2_OFF)
				continue;
			sim_inject(&world, 0, &from, copy, kept_len[k]);
			sim_inject(&world, 1, &from, copy, kept_len[k]);
			sim_run(&world, 20000);
		}
	}
	assert_int_equal(before, sent_in_all(&world.side[0]) + sent_in_all(&world.side[1]));
	assert_int_equal(keys, world.side[0].n_installs + world.side[1].n_installs);
	assert_int_equal(world.violations, 0);
	sim_fini(&world);
}

static void cut_off_datagrams_get_no_answer(void **state)
{
	struct config_endpoint from = stranger(0);
	unsigned before;

	sim_init(&world, 2);
	learn_a_handshake();
	before = sent_in_all(&world.side[0]) + sent_in_all(&world.side[1]);
	for (unsigned k = 0; k < 6; k++) {
		for (size_t n = 0; n < kept_len[k]; n++) {
			sim_inject(&world, 0, &from, kept[k], n);
			sim_inject(&world, 1, &from, kept[k], n);
		}
		sim_run(&world, 20000);
	}
	assert_int_equal(before, sent_in_all(&world.side[0]) + sent_in_all(&world.side[1]));
	sim_fini(&world);
}

static bool keep_all_lose_m3(
	struct sim *s, unsigned from, const struct config_endpoint *to, uint8_t *data, size_t len)
{
	return keep_all(s, from, to, data, len) && data[0] != PKT_TYPE_M3;
}

static void replays_get_nothing_once_their_handshake_is_over(void **state)
{
	unsigned before;

	sim_init(&world, 3);
	learn_a_handshake();
	sim_run(&world, 3000000);
	world.cut = true;
	before = sent_in_all(&world.side[0]) + sent_in_all(&world.side[1]);
	for (unsigned k = 0; k < 5; k++) {
		for (unsigned i = 0; i < 50; i++) {
			struct config_endpoint from = i == 0 ? world.side[0].at : stranger(i);

			sim_inject(&world, 0, &from, kept[k], kept_len[k]);
			sim_inject(&world, 1, &from, kept[k], kept_len[k]);
		}
	}
	sim_run(&world, 20000);
	assert_int_equal(before, sent_in_all(&world.side[0]) + sent_in_all(&world.side[1]));
	sim_fini(&world);
}

static void replayed_m1_gets_the_cached_m2_for_eight_sources_at_most(void **state)
{
	unsigned before;

	sim_init(&world, 3);
	memset(kept_len, 0, sizeof(kept_len));
	world.filter = keep_all_lose_m3;
	sim_introduce(&world);
	sim_run(&world, 300000);
	world.cut = true; // the client's own go on no longer
	before = world.side[1].n_sent[PKT_TYPE_M2];
	for (unsigned i = 0; i < 50; i++) {
		struct config_endpoint from = stranger(i);

		sim_inject(&world, 1, &from, kept[1], kept_len[1]);
		sim_run(&world, 20000);
	}
	assert_int_equal(world.side[1].n_sent[PKT_TYPE_M2] - before, PEER_SOURCES - 1);
	assert_int_equal(world.side[1].n_installs, 0);
	sim_fini(&world);
}

static void replayed_m1_after_a_restart_gets_nothing(void **state)
{
	struct config_endpoint from = stranger(1);
	struct peer_pairing pairing;
	struct peer_now now;
	struct sim_side *b = &world.side[1];
	uint64_t m1_ts;

	sim_init(&world, 4);
	learn_a_handshake();
	m1_ts = b->peer.m1_ts;
	// What a restarted control knows: the pair key and the newest ts.
	peer_fini(&b->peer);
	now = sim_time(&world);
	peer_init(&b->peer, "b.example", "a.example", 2, &b->env, world.side[0].peer.ops, b);
	b->peer.m1_ts = m1_ts;
	sim_pairing(&world, 1, 1, &pairing);
	peer_restore(&b->peer, 0, &pairing, true);
	peer_dataplane_up(&b->peer, NULL, 0, &now);
	world.cut = true;
	b->n_sent[PKT_TYPE_M2] = 0;
	sim_inject(&world, 1, &from, kept[1], kept_len[1]);
	sim_run(&world, 1000000);
	assert_int_equal(b->n_sent[PKT_TYPE_M2], 0);
	sim_fini(&world);
}

static void m1_of_a_stranger_pair_is_not_answered(void **state)
{
	struct config_endpoint from = stranger(1);
	struct sim_side *a = &world.side[0];
	struct peer_pairing other;
	struct hs_client hs;
	struct hs_config cfg = {.pair = &other.pair,
		.identity = &a->identity,
		.peer_name = "b.example",
		.own_field = a->cert,
		.own_field_len = sizeof(a->cert),
		.peer_field = HS_FIELD_LEAF,
		.max_len = PKT_HS_MAX_LEN,
		.caps = PKT_CAP_CHACHA};
	struct pkt_m1 m1;
	uint8_t rnd[64] = {7};

	sim_init(&world, 5);
	world.cut = true;
	sim_introduce(&world);
	sim_pairing(&world, 0, 99, &other);
	hs_client_start(&hs, &cfg, 0x101, sim_time(&world).unix_us,
		sim_time(&world).unix_us / 1000000, rnd, &m1);
	sim_inject(&world, 1, &from, &m1, sizeof(m1));
	sim_run(&world, 100000);
	assert_int_equal(world.side[1].n_sent[PKT_TYPE_M2], 0);
	hs_client_fini(&hs);
	sim_fini(&world);
}

static void nothing_is_sent_before_an_introduction(void **state)
{
	sim_init(&world, 6);
	sim_run(&world, 600000000);
	assert_int_equal(sent_in_all(&world.side[0]) + sent_in_all(&world.side[1]), 0);
	assert_int_equal(world.side[0].peer.state, PEER_IDLE);
	assert_int_equal(peer_rekey(&world.side[0].peer, &(struct peer_now){0, 0}), -ENOTCONN);
	sim_fini(&world);
}

static void refused_certificate_ends_in_silence_and_a_reason(void **state)
{
	sim_init(&world, 7);
	world.side[0].cert_fails = true;
	sim_introduce(&world);
	assert_true(sim_run_until_up(&world, 20000000) == UINT64_MAX);
	assert_int_equal(world.side[0].n_sent[PKT_TYPE_M3], 0);
	assert_non_null(strstr(world.side[0].peer.last_error, "certificate"));
	assert_int_equal(world.side[0].n_installs + world.side[1].n_installs, 0);
	sim_fini(&world);
}

static void refused_install_gives_up_these_keys_and_tries_again(void **state)
{
	sim_init(&world, 8);
	world.side[1].install_fails = true;
	sim_introduce(&world);
	assert_true(sim_run_until_up(&world, 12000000) == UINT64_MAX);
	assert_int_equal(world.side[1].n_sent[PKT_TYPE_DATA], 0);
	world.side[1].install_fails = false;
	assert_true(sim_run_until_up(&world, 120000000) != UINT64_MAX);
	assert_int_equal(world.violations, 0);
	sim_fini(&world);
}

static void lost_answer_to_an_install_is_not_waited_for_for_ever(void **state)
{
	for (unsigned idx = 0; idx < 2; idx++) {
		sim_init(&world, 70 + idx);
		world.side[idx].install_hangs = true;
		sim_introduce(&world);
		assert_true(sim_run_until_up(&world, 4000000) == UINT64_MAX);
		assert_int_equal(world.side[idx].n_installs, 1);
		world.side[idx].install_hangs = false;
		assert_true(sim_run_until_up(&world, 60000000) != UINT64_MAX);
		assert_int_equal(world.violations, 0);
		sim_fini(&world);
	}
}

static void keys_die_on_time_when_the_data_plane_does_not_say_so(void **state)
{
	static const uint8_t zeros[sizeof(struct ctl_lane)];
	struct peer_now now;

	sim_init(&world, 72);
	sim_introduce(&world);
	assert_true(sim_run_until_up(&world, 2000000) != UINT64_MAX);
	world.cut = true;
	sim_run(&world, 590000000);
	for (unsigned i = 0; i < 2; i++)
		assert_non_null(keyring_current(&world.side[i].peer.keys));
	sim_run(&world, 11000000);
	now = sim_time(&world);
	for (unsigned i = 0; i < 2; i++) {
		struct peer *p = &world.side[i].peer;

		peer_tick(p, &now);
		assert_null(keyring_current(&p->keys));
		assert_int_equal(p->state, PEER_CONNECTING);
		for (unsigned k = 0; k < KEYRING_EPOCHS; k++)
			assert_memory_equal(&p->lane0[k], zeros, sizeof(zeros));
	}
	world.cut = false;
	assert_true(sim_run_until_up(&world, 120000000) != UINT64_MAX);
	sim_fini(&world);
}

static void forced_cipher_that_the_peer_lacks_is_no_connection(void **state)
{
	sim_init(&world, 9);
	world.side[0].peer.force = FORCE_AES;
	world.side[1].env.caps &= ~(uint32_t)PKT_CAP_AES;
	sim_introduce(&world);
	assert_true(sim_run_until_up(&world, 12000000) == UINT64_MAX);
	assert_non_null(strstr(world.side[0].peer.last_error, "cipher"));
	assert_int_equal(world.side[0].n_installs, 0);
	sim_fini(&world);
}

static void expired_intents_stop_all_sending(void **state)
{
	struct sim_side *a = &world.side[0];
	unsigned before;

	sim_init(&world, 10);
	world.cut = true;
	sim_introduce(&world);
	a->peer.pairing[a->peer.newest].not_after_s = sim_time(&world).unix_us / 1000000 + 100;
	sim_run(&world, 102000000);
	for (unsigned i = 0; i < 3; i++) {
		struct peer_now now = sim_time(&world);

		peer_tick(&a->peer, &now);
		sim_run(&world, 1000000);
	}
	before = sent_in_all(a);
	sim_run(&world, 200000000);
	assert_int_equal(sent_in_all(a), before);
	assert_int_equal(a->peer.state, PEER_IDLE);
	sim_fini(&world);
}

// ------------------------------------------------------------------ budgets

static void burst_is_bounded_and_rounds_back_off(void **state)
{
	unsigned m1, punch;

	sim_init(&world, 11);
	world.cut = true;
	sim_introduce(&world);
	sim_run(&world, 4990000);
	m1 = world.side[0].n_sent[PKT_TYPE_M1];
	punch = world.side[1].n_sent[PKT_TYPE_PUNCH];
	assert_in_range(
		m1, 19, 2 * PEER_BURST_STEPS + 1); // introduction and candidates: two bursts
	assert_in_range(punch, 15, 2 * PEER_BURST_STEPS + 1);
	sim_run(&world, 3600000000);
	// Backed off to one a minute: an hour holds about sixty.
	assert_in_range(world.side[0].n_sent[PKT_TYPE_M1] - m1, 50, 75);
	assert_in_range(world.side[1].n_sent[PKT_TYPE_PUNCH] - punch, 50, 75);
	sim_fini(&world);
}

static void never_more_than_eight_candidates(void **state)
{
	struct peer_candidate list[20];
	struct peer_now now;

	sim_init(&world, 12);
	for (unsigned i = 0; i < 20; i++)
		list[i] = (struct peer_candidate){stranger(i), CANDIDATE_LOCAL, 1};
	now = sim_time(&world);
	peer_candidates_set(&world.side[0].peer, list, 20, now.unix_us, &now);
	assert_int_equal(world.side[0].peer.n_candidates, PEER_CANDIDATES);
	// An older list, shown again by the hub, is no news.
	peer_candidates_set(&world.side[0].peer, list, 1, now.unix_us, &now);
	peer_candidates_set(&world.side[0].peer, list, 1, now.unix_us - 1, &now);
	assert_int_equal(world.side[0].peer.n_candidates, PEER_CANDIDATES);
	sim_fini(&world);
}

static bool answer_only_m1(
	struct sim *s, unsigned from, const struct config_endpoint *to, uint8_t *data, size_t len)
{
	return from == 0 && data[0] == PKT_TYPE_M1;
}

static void fresh_m1s_are_answered_five_a_second_at_most(void **state)
{
	struct sim_side *a = &world.side[0], *b = &world.side[1];

	sim_init(&world, 13);
	world.filter = answer_only_m1;
	sim_introduce(&world);
	for (unsigned i = 0; i < 100; i++) {
		struct peer_now now = sim_time(&world);

		peer_rekey(&a->peer, &now);
		sim_run(&world, 10000);
	}
	assert_in_range(b->n_sent[PKT_TYPE_M2], 5, 5 + 5 + 2);
	sim_fini(&world);
}

static void overload_asks_for_a_cookie_and_then_serves(void **state)
{
	uint8_t rnd[32] = {1};

	sim_init(&world, 14);
	cookie_init(&world.side[1].env.jar, 1, rnd);
	world.side[1].env.overloaded = true;
	sim_introduce(&world);
	assert_true(sim_run_until_up(&world, 5000000) < 2000000);
	assert_true(world.side[1].n_sent[PKT_TYPE_RETRY] > 0);
	sim_fini(&world);
}

// ------------------------------------------------------------------ what must work

static void first_contact_takes_two_round_trips(void **state)
{
	sim_init(&world, 20);
	sim_introduce(&world);
	assert_in_range(
		sim_run_until_up(&world, 2000000), 30000, 60000); // 4 × 10 ms and two installs
	assert_int_equal(world.violations, 0);
	assert_true(endpoint_equal(&world.side[0].path, &world.side[1].at));
	assert_true(endpoint_equal(&world.side[1].path, &world.side[0].at));
	// The burst's leftovers start nothing.
	sim_run(&world, 30000000);
	assert_int_equal(world.side[0].n_installs, 1);
	sim_fini(&world);
}

static void loss_doubling_and_reordering_only_cost_time(void **state)
{
	for (unsigned seed = 1; seed <= 150; seed++) {
		uint64_t took;

		sim_init(&world, seed);
		world.loss_percent = seed % 4 * 15;
		world.dup_percent = 20;
		world.jitter_us = 200000;
		sim_introduce(&world);
		took = sim_run_until_up(&world, 120000000);
		if (took == UINT64_MAX)
			fail_msg("seed %u: not up after 120 s", seed);
		sim_run(&world, 60000000);
		assert_int_equal(world.violations, 0);
		assert_int_equal(world.side[0].peer.state, PEER_UP);
		sim_fini(&world);
	}
}

static void rekeys_never_send_what_cannot_be_received(void **state)
{
	for (unsigned seed = 1; seed <= 12; seed++) {
		sim_init(&world, seed);
		world.side[0].env.rekey_us = world.side[1].env.rekey_us = 2000000;
		world.traffic = seed % 2;
		world.loss_percent = seed % 3 * 10;
		world.dup_percent = 10;
		world.jitter_us = 60000;
		sim_introduce(&world);
		assert_true(sim_run_until_up(&world, 60000000) != UINT64_MAX);
		sim_run(&world, 120000000);
		assert_in_range(world.side[0].peer.n_handshakes, 15, 90);
		assert_int_equal(world.violations, 0);
		sim_fini(&world);
	}
}

static bool no_m4(
	struct sim *s, unsigned from, const struct config_endpoint *to, uint8_t *data, size_t len)
{
	return !(from == 1 && data[0] == PKT_TYPE_DATA);
}

static void data_under_the_new_epoch_stands_in_for_a_lost_m4(void **state)
{
	struct sim_side *a = &world.side[0];
	struct peer_now now;

	sim_init(&world, 21);
	world.filter = no_m4;
	sim_introduce(&world);
	sim_run(&world, 100000);
	assert_int_equal(a->peer.state, PEER_CONNECTING);
	now = sim_time(&world);
	peer_saw_new_epoch(&a->peer, a->peer.client.rx_key_id, &now);
	assert_int_equal(a->peer.state, PEER_UP);
	// A key_id nobody installed means nothing.
	peer_saw_new_epoch(&a->peer, 0x1ff, &now);
	peer_saw_new_epoch(&a->peer, 0, &now);
	assert_int_equal(world.violations, 0);
	sim_fini(&world);
}

static void either_data_plane_may_die(void **state)
{
	for (unsigned side = 0; side < 2; side++) {
		sim_init(&world, 22 + side);
		sim_introduce(&world);
		assert_true(sim_run_until_up(&world, 2000000) != UINT64_MAX);
		sim_run(&world, 10000000);
		world.violations = 0;
		sim_restart_dataplane(&world, side);
		assert_true(sim_run_until_up(&world, 2000000) < 100000);
		// What the other side sends until it hears of the new keys is lost, later nothing.
		sim_run(&world, 50000);
		world.violations = 0;
		sim_run(&world, 60000000);
		assert_int_equal(world.violations, 0);
		sim_fini(&world);
	}
}

static void control_restart_rekeys_over_living_keys(void **state)
{
	for (unsigned idx = 0; idx < 2; idx++) {
		struct sim_side *side = &world.side[idx];
		struct peer_survivor survivor;
		struct peer_pairing pairing;
		struct peer_now now;
		uint64_t m1_ts;

		sim_init(&world, 30 + idx);
		sim_introduce(&world);
		assert_true(sim_run_until_up(&world, 2000000) != UINT64_MAX);
		sim_run(&world, 10000000);
		survivor = (struct peer_survivor){side->tx_rx_key_id, world.now_us + 500000000};
		m1_ts = side->peer.m1_ts;
		peer_fini(&side->peer);
		now = sim_time(&world);
		peer_init(&side->peer, idx == 0 ? "a.example" : "b.example",
			idx == 0 ? "b.example" : "a.example", 1 + idx, &side->env,
			world.side[1 - idx].peer.ops, side);
		side->peer.m1_ts = m1_ts;
		sim_pairing(&world, idx, 1, &pairing);
		peer_restore(&side->peer, 0, &pairing, true);
		side->peer.path = world.side[1 - idx].at;
		side->peer.has_path = true;
		peer_dataplane_up(&side->peer, &survivor, 1, &now);
		assert_int_equal(side->peer.state, PEER_UP);
		sim_run(&world, 2000000);
		assert_int_equal(side->peer.n_handshakes, 1);
		sim_run(&world, 40000000);
		// The survivor was retired 30 s after the switch.
		assert_null(keyring_find(&side->peer.keys, survivor.rx_key_id));
		assert_int_equal(world.violations, 0);
		sim_fini(&world);
	}
}

static void close_wipes_both_sides(void **state)
{
	struct peer_now now;

	sim_init(&world, 40);
	sim_introduce(&world);
	assert_true(sim_run_until_up(&world, 2000000) != UINT64_MAX);
	now = sim_time(&world);
	peer_close(&world.side[0].peer, PKT_CLOSE_WITHDRAWN, true, &now);
	assert_null(keyring_current(&world.side[0].peer.keys));
	sim_run(&world, 100000);
	assert_int_equal(world.side[1].n_closed, 1);
	assert_int_equal(world.side[1].close_reason, PKT_CLOSE_WITHDRAWN);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(world.side[i].peer.state, PEER_IDLE);
		assert_false(
			world.side[i].peer.pairing[0].live || world.side[i].peer.pairing[1].live);
		for (unsigned k = 0; k < SIM_KEYS; k++)
			assert_int_equal(world.side[i].keys[k].rx_key_id, 0);
	}
	sim_fini(&world);
}

static void older_pair_key_serves_until_the_newer_is_proven(void **state)
{
	struct peer_pairing pairing;
	struct peer_now now;

	sim_init(&world, 41);
	sim_introduce(&world);
	assert_true(sim_run_until_up(&world, 2000000) != UINT64_MAX);
	now = sim_time(&world);
	// Only the client has heard of the new one yet.
	sim_pairing(&world, 0, 2, &pairing);
	peer_introduce(&world.side[0].peer, &pairing, &now);
	sim_run(&world, 12000000);
	assert_int_equal(world.side[0].peer.state, PEER_UP);
	assert_true(world.side[0].peer.pairing[0].live && world.side[0].peer.pairing[1].live);
	now = sim_time(&world);
	sim_pairing(&world, 1, 2, &pairing);
	peer_introduce(&world.side[1].peer, &pairing, &now);
	sim_run(&world, 30000000);
	for (unsigned i = 0; i < 2; i++) {
		struct peer *p = &world.side[i].peer;

		assert_true(p->pairing[p->newest].live && p->pairing[p->newest].proven);
		assert_false(p->pairing[1 - p->newest].live);
	}
	assert_int_equal(world.violations, 0);
	sim_fini(&world);
}

static bool copy_m3_from_beside(
	struct sim *s, unsigned from, const struct config_endpoint *to, uint8_t *data, size_t len)
{
	struct config_endpoint fast = stranger(7);
	uint64_t delay = s->delay_us;

	if (data[0] == PKT_TYPE_M3 || data[0] == PKT_TYPE_M2) {
		s->delay_us = 1000;
		sim_inject(s, 1 - from, &fast, data, len);
		s->delay_us = delay;
	}
	return true;
}

static void copies_from_beside_the_path_do_not_move_it(void **state)
{
	struct config_endpoint copier = stranger(7);
	struct peer_now now;

	sim_init(&world, 42);
	sim_introduce(&world);
	assert_true(sim_run_until_up(&world, 2000000) != UINT64_MAX);
	sim_run(&world, 5000000);
	world.filter = copy_m3_from_beside;
	now = sim_time(&world);
	peer_rekey(&world.side[0].peer, &now);
	sim_run(&world, 3000000);
	assert_int_equal(world.side[0].peer.n_handshakes, 2);
	assert_int_equal(world.side[1].peer.n_handshakes, 2);
	assert_true(endpoint_equal(&world.side[0].path, &world.side[1].at));
	assert_true(endpoint_equal(&world.side[1].path, &world.side[0].at));
	// A challenge there is all that the copier gets.
	assert_true(endpoint_equal(&world.side[1].tried, &copier));
	assert_int_equal(world.violations, 0);
	sim_fini(&world);
}

static bool copy_handshakes_from_beside(
	struct sim *s, unsigned from, const struct config_endpoint *to, uint8_t *data, size_t len)
{
	struct config_endpoint fast = stranger(7);
	uint64_t delay = s->delay_us;

	if (data[0] != PKT_TYPE_DATA && !endpoint_equal(to, &fast)) {
		s->delay_us = 1000;
		sim_inject(s, 1 - from, &fast, data, len);
		s->delay_us = delay;
	}
	return true;
}

// Copies that are always faster have neither all of the answers nor the path.
static void two_who_are_copied_meet_all_the_same(void **state)
{
	sim_init(&world, 46);
	world.filter = copy_handshakes_from_beside;
	sim_introduce(&world);
	assert_true(sim_run_until_up(&world, 2000000) != UINT64_MAX);
	assert_true(endpoint_equal(&world.side[0].path, &world.side[1].at));
	assert_true(endpoint_equal(&world.side[1].path, &world.side[0].at));
	sim_fini(&world);
}

static void dead_path_is_found_again_where_the_peer_went(void **state)
{
	struct peer_now now;

	sim_init(&world, 43);
	sim_introduce(&world);
	assert_true(sim_run_until_up(&world, 2000000) != UINT64_MAX);
	sim_run(&world, 5000000);
	// The server's address changes; it tells by lane 0 or hub, here: the client hears
	// candidates.
	world.side[1].at.port = 9999;
	now = sim_time(&world);
	peer_path_died(&world.side[0].peer, &now);
	peer_candidates_set(&world.side[0].peer,
		&(struct peer_candidate){world.side[1].at, CANDIDATE_REFLEXIVE, 1}, 1, now.unix_us,
		&now);
	sim_run(&world, 7000000);
	assert_true(endpoint_equal(&world.side[0].path, &world.side[1].at));
	assert_false(world.side[0].peer.path_suspect);
	sim_fini(&world);
}

static void peer_that_moves_while_connected_is_looked_for(void **state)
{
	for (unsigned who = 0; who < 2; who++) {
		struct sim_side *moved = &world.side[who], *other = &world.side[1 - who];
		struct peer_candidate told = {.kind = CANDIDATE_REFLEXIVE};
		struct peer_now now;
		unsigned before;

		sim_init(&world, 45 + who);
		sim_introduce(&world);
		assert_true(sim_run_until_up(&world, 2000000) != UINT64_MAX);
		sim_run(&world, 5000000);
		before = other->n_sent[PKT_TYPE_M1] + other->n_sent[PKT_TYPE_PUNCH];
		told.at = moved->at;
		now = sim_time(&world);
		// The present path among new addresses is no reason to doubt it.
		peer_candidates_set(&other->peer,
			(struct peer_candidate[]){told, {stranger(3), CANDIDATE_LOCAL, 1}}, 2,
			now.unix_us, &now);
		sim_run(&world, 1000000);
		assert_int_equal(
			before, other->n_sent[PKT_TYPE_M1] + other->n_sent[PKT_TYPE_PUNCH]);
		moved->at.port = 9998;
		told.at = moved->at;
		now = sim_time(&world);
		peer_candidates_set(&other->peer, &told, 1, now.unix_us, &now);
		sim_run(&world, 7000000);
		assert_true(other->n_sent[PKT_TYPE_M1] + other->n_sent[PKT_TYPE_PUNCH] > before);
		assert_int_equal(world.side[0].peer.n_handshakes, 2);
		// Keys came about by way of it, yet it is a path only when it has answered.
		assert_true(endpoint_equal(&other->tried, &moved->at));
		assert_false(endpoint_equal(&other->path, &moved->at));
		assert_int_equal(world.violations, 0);
		sim_fini(&world);
	}
}

// A peer that moved hears of its new address from the hub's two ports, one after the other.
static bool lose_m4(
	struct sim *s, unsigned from, const struct config_endpoint *to, uint8_t *data, size_t len)
{
	return from == 0 || data[0] != PKT_TYPE_DATA;
}

// The server's control is killed after M3 came and before M4 left; what asks anew knows of neither.
static void server_that_forgot_is_not_waited_for(void **state)
{
	struct peer *client = &world.side[0].peer;
	struct peer_now now;

	sim_init(&world, 49);
	sim_introduce(&world);
	assert_true(sim_run_until_up(&world, 2000000) != UINT64_MAX);
	sim_run(&world, 5000000);
	now = sim_time(&world);
	world.filter = lose_m4;
	peer_rekey(client, &now);
	sim_run(&world, 300000);
	assert_int_equal(client->client.phase, CLIENT_M3);
	world.filter = NULL;
	sim_restart_dataplane(&world, 1); // punches, as a fresh control does
	sim_run(&world, 1300000);
	assert_int_equal(client->n_handshakes, 2);
	sim_fini(&world);
}

static void address_that_is_told_no_more_is_doubted(void **state)
{
	struct peer_candidate told[2] = {
		{.kind = CANDIDATE_REFLEXIVE}, {.kind = CANDIDATE_REFLEXIVE}};
	struct sim_side *moved = &world.side[1];
	struct peer_now now;

	sim_init(&world, 48);
	sim_introduce(&world);
	assert_true(sim_run_until_up(&world, 2000000) != UINT64_MAX);
	sim_run(&world, 5000000);
	told[1].at = moved->at;
	moved->at.port = 9998;
	told[0].at = moved->at;
	now = sim_time(&world);
	peer_candidates_set(&world.side[0].peer, told, 2, now.unix_us, &now);
	sim_run(&world, 20000);
	assert_int_equal(world.side[0].peer.client.phase, CLIENT_REST);
	now = sim_time(&world);
	peer_candidates_set(&world.side[0].peer, told, 1, now.unix_us, &now);
	sim_run(&world, 2000000);
	assert_int_equal(world.side[0].peer.n_handshakes, 2);
	sim_fini(&world);
}

static unsigned n_m2, m3_to[8];

static bool copy_m2_from_eight(
	struct sim *s, unsigned from, const struct config_endpoint *to, uint8_t *data, size_t len)
{
	n_m2 += data[0] == PKT_TYPE_M2;
	for (unsigned i = 0; i < 8; i++) {
		struct config_endpoint copier = stranger(i);

		if (data[0] == PKT_TYPE_M2)
			sim_inject(s, 0, &copier, data, len);
		m3_to[i] += data[0] == PKT_TYPE_M3 && endpoint_equal(to, &copier);
	}
	return data[0] == PKT_TYPE_M1;
}

// Whoever copies an M2 makes its source up.
static void source_of_an_m2_gets_three_m3_at_most(void **state)
{
	n_m2 = 0;
	memset(m3_to, 0, sizeof(m3_to));
	sim_init(&world, 50);
	world.filter = copy_m2_from_eight;
	sim_introduce(&world);
	sim_run(&world, 4500000);
	for (unsigned i = 0; i < 8; i++)
		assert_in_range(m3_to[i], 1, 3 * n_m2);
	sim_fini(&world);
}

static bool come_by_two_ways(
	struct sim *s, unsigned from, const struct config_endpoint *to, uint8_t *data, size_t len)
{
	struct config_endpoint second = stranger(20 + from);

	sim_inject(s, 1 - from, &second, data, len);
	return true;
}

// Of two addresses that both work neither is to win only because the other is the path already.
static void path_is_asked_as_well_when_another_is(void **state)
{
	sim_init(&world, 49);
	world.filter = come_by_two_ways;
	sim_introduce(&world);
	assert_true(sim_run_until_up(&world, 2000000) != UINT64_MAX);
	sim_run(&world, 100000);
	assert_true(endpoint_equal(&world.side[1].tried_first, &world.side[1].path));
	assert_false(endpoint_equal(&world.side[1].tried, &world.side[1].path));
	sim_fini(&world);
}

static void handshake_on_the_path_asks_for_no_other(void **state)
{
	sim_init(&world, 47);
	sim_introduce(&world);
	assert_true(sim_run_until_up(&world, 2000000) != UINT64_MAX);
	sim_run(&world, 200000000);
	assert_int_equal(world.side[0].peer.n_handshakes, 2);
	assert_int_equal(world.side[0].tried.port, 0);
	assert_int_equal(world.side[1].tried.port, 0);
	sim_fini(&world);
}

static void server_asks_when_the_client_forgets(void **state)
{
	sim_init(&world, 44);
	world.side[0].env.rekey_us = 500000000;
	world.side[1].env.rekey_us = 100000000;
	sim_introduce(&world);
	assert_true(sim_run_until_up(&world, 2000000) != UINT64_MAX);
	sim_run(&world, 130000000);
	assert_int_equal(world.side[0].peer.n_handshakes, 2);
	sim_fini(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flipped_bits_get_no_answer_and_change_nothing),
		cmocka_unit_test(cut_off_datagrams_get_no_answer),
		cmocka_unit_test(replays_get_nothing_once_their_handshake_is_over),
		cmocka_unit_test(replayed_m1_gets_the_cached_m2_for_eight_sources_at_most),
		cmocka_unit_test(replayed_m1_after_a_restart_gets_nothing),
		cmocka_unit_test(m1_of_a_stranger_pair_is_not_answered),
		cmocka_unit_test(nothing_is_sent_before_an_introduction),
		cmocka_unit_test(refused_certificate_ends_in_silence_and_a_reason),
		cmocka_unit_test(refused_install_gives_up_these_keys_and_tries_again),
		cmocka_unit_test(lost_answer_to_an_install_is_not_waited_for_for_ever),
		cmocka_unit_test(keys_die_on_time_when_the_data_plane_does_not_say_so),
		cmocka_unit_test(forced_cipher_that_the_peer_lacks_is_no_connection),
		cmocka_unit_test(expired_intents_stop_all_sending),
		cmocka_unit_test(burst_is_bounded_and_rounds_back_off),
		cmocka_unit_test(never_more_than_eight_candidates),
		cmocka_unit_test(fresh_m1s_are_answered_five_a_second_at_most),
		cmocka_unit_test(overload_asks_for_a_cookie_and_then_serves),
		cmocka_unit_test(first_contact_takes_two_round_trips),
		cmocka_unit_test(loss_doubling_and_reordering_only_cost_time),
		cmocka_unit_test(rekeys_never_send_what_cannot_be_received),
		cmocka_unit_test(data_under_the_new_epoch_stands_in_for_a_lost_m4),
		cmocka_unit_test(either_data_plane_may_die),
		cmocka_unit_test(control_restart_rekeys_over_living_keys),
		cmocka_unit_test(close_wipes_both_sides),
		cmocka_unit_test(older_pair_key_serves_until_the_newer_is_proven),
		cmocka_unit_test(copies_from_beside_the_path_do_not_move_it),
		cmocka_unit_test(dead_path_is_found_again_where_the_peer_went),
		cmocka_unit_test(peer_that_moves_while_connected_is_looked_for),
		cmocka_unit_test(two_who_are_copied_meet_all_the_same),
		cmocka_unit_test(server_that_forgot_is_not_waited_for),
		cmocka_unit_test(address_that_is_told_no_more_is_doubted),
		cmocka_unit_test(source_of_an_m2_gets_three_m3_at_most),
		cmocka_unit_test(path_is_asked_as_well_when_another_is),
		cmocka_unit_test(handshake_on_the_path_asks_for_no_other),
		cmocka_unit_test(server_asks_when_the_client_forgets),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
