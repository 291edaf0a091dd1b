// SPDX-License-Identifier: BSD-3-Clause
//
// The rules of epochs: no key_id twice, three at most, deadlines that no clock can stretch.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/gateway/keyring.h"
#include "wire/packet.h"

#define SLOT 77u
#define S    1000000ull

static struct keyring k;

static int setup(void **state)
{
	keyring_init(&k, SLOT);
	return 0;
}

static int install(uint32_t key_id, uint64_t born_us, uint32_t *ret_evicted)
{
	struct epoch facts = {.rx_key_id = key_id,
		.tx_key_id = 0x501,
		.born_us = born_us,
		.life_us = 600 * S,
		.not_after_s = UINT64_MAX};

	return keyring_install(&k, &facts, ret_evicted);
}

static uint32_t make_ready(uint64_t born_us)
{
	uint32_t evicted, key_id = keyring_offer(&k);

	assert_int_equal(install(key_id, born_us, &evicted), 0);
	assert_int_equal(evicted, 0);
	assert_true(keyring_installed(&k, key_id, true));
	return key_id;
}

static void living_key_id_is_not_installed_twice(void **state)
{
	uint32_t evicted, key_id = make_ready(1);

	assert_int_equal(install(key_id, 2, &evicted), -EEXIST);
	assert_int_equal(keyring_retire(&k, key_id), 0);
	// Told to be wiped is not wiped.
	assert_int_equal(install(key_id, 3, &evicted), -EEXIST);
	keyring_retired(&k, key_id);
	assert_int_equal(install(key_id, 4, &evicted), 0);
}

static void foreign_and_zero_key_ids_are_refused(void **state)
{
	struct epoch no_tx = {.rx_key_id = pkt_key_id(SLOT, 9)};
	uint32_t evicted;

	assert_int_equal(install(pkt_key_id(SLOT + 1, 1), 1, &evicted), -EINVAL);
	assert_int_equal(install(pkt_key_id(SLOT, 0), 1, &evicted), -EINVAL);
	assert_int_equal(install(0, 1, &evicted), -EINVAL);
	assert_int_equal(keyring_install(&k, &no_tx, &evicted), -EINVAL);
}

static void offers_never_name_what_lives_or_is_being_wiped(void **state)
{
	uint32_t a = make_ready(1), b = make_ready(2), evicted;

	assert_int_equal(keyring_retire(&k, b), 0);
	for (unsigned i = 0; i < 1000; i++) {
		uint32_t offer = keyring_offer(&k);

		assert_int_not_equal(offer, a);
		assert_int_not_equal(offer, b);
		assert_int_not_equal(pkt_key_gen(offer), 0);
		assert_int_equal(pkt_key_slot(offer), SLOT);
	}
	(void)evicted;
}

static void after_generation_255_comes_1(void **state)
{
	k.last_gen = 254;
	assert_int_equal(pkt_key_gen(keyring_offer(&k)), 255);
	assert_int_equal(pkt_key_gen(keyring_offer(&k)), 1);
}

static void every_wipe_is_awaited_on_its_own(void **state)
{
	uint32_t a = make_ready(1), b = make_ready(2), evicted;

	assert_int_equal(keyring_retire(&k, a), 0);
	assert_int_equal(keyring_retire(&k, b), 0);
	assert_int_equal(keyring_retire(&k, b), 0); // once more changes nothing
	keyring_retired(&k, b);
	assert_int_equal(install(a, 3, &evicted), -EEXIST);
	assert_int_equal(install(b, 3, &evicted), 0);
	keyring_retired(&k, a);
	assert_int_equal(install(a, 4, &evicted), 0);
	assert_int_equal(keyring_retire(&k, pkt_key_id(SLOT, 99)), -ENOENT);
}

static void retired_epoch_leaves_its_place_free(void **state)
{
	uint32_t evicted;

	for (unsigned i = 0; i < 3; i++)
		make_ready(i);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(keyring_retire(&k, k.epoch[i].rx_key_id), 0);
	for (unsigned i = 0; i < 3; i++)
		make_ready(10 + i);
	assert_int_equal(install(keyring_offer(&k), 20, &evicted), 0);
	assert_int_not_equal(evicted, 0);
}

static void fourth_epoch_evicts_the_least_useful_never_the_current(void **state)
{
	uint32_t a = make_ready(1), b, c, d = 0, evicted;

	assert_int_equal(keyring_switch(&k, a, 10), 0);
	b = make_ready(2);
	assert_int_equal(keyring_switch(&k, b, 20), 0); // a is old
	c = make_ready(3);
	d = keyring_offer(&k);
	assert_int_equal(install(d, 4, &evicted), 0);
	assert_int_equal(evicted, a);
	assert_null(keyring_find(&k, a));
	assert_int_equal(keyring_current(&k)->rx_key_id, b);
	assert_int_equal(install(keyring_offer(&k), 5, &evicted), 0);
	assert_int_equal(evicted, c); // nothing old is left: the elder of those that wait
	assert_int_equal(keyring_current(&k)->rx_key_id, b);
}

static void of_two_old_epochs_the_elder_is_evicted(void **state)
{
	uint32_t a = make_ready(1), b, c, evicted;

	assert_int_equal(keyring_switch(&k, a, 10), 0);
	b = make_ready(2);
	assert_int_equal(keyring_switch(&k, b, 20), 0);
	c = make_ready(3);
	assert_int_equal(keyring_switch(&k, c, 30), 0);
	assert_int_equal(keyring_find(&k, b)->state, EPOCH_OLD);
	assert_int_equal(install(keyring_offer(&k), 4, &evicted), 0);
	assert_int_equal(evicted, a);
}

static void of_two_waiting_epochs_the_elder_is_evicted(void **state)
{
	uint32_t a = make_ready(1), b, evicted;

	assert_int_equal(keyring_switch(&k, a, 10), 0);
	b = make_ready(2);
	make_ready(3);
	assert_int_equal(install(keyring_offer(&k), 4, &evicted), 0);
	assert_int_equal(evicted, b);
}

static void old_epoch_is_evicted_before_one_that_waits(void **state)
{
	uint32_t waits = make_ready(5), old = make_ready(2), current, evicted;

	assert_int_equal(keyring_switch(&k, old, 10), 0);
	current = make_ready(3);
	assert_int_equal(keyring_switch(&k, current, 20), 0);
	assert_int_equal(install(keyring_offer(&k), 6, &evicted), 0);
	assert_int_equal(evicted, old);
	assert_non_null(keyring_find(&k, waits));
}

static void data_plane_that_confirms_no_wipe_stops_new_epochs(void **state)
{
	uint32_t evicted, n = 0;

	while (install(keyring_offer(&k), n + 1, &evicted) == 0)
		n++;
	assert_int_equal(n, KEYRING_EPOCHS + KEYRING_RETIRING_MAX);
	assert_int_equal(install(keyring_offer(&k), n + 1, &evicted), -EBUSY);
	// Wipes that are confirmed make room again, each of them.
	for (unsigned gen = 1; gen <= KEYRING_RETIRING_MAX; gen++)
		keyring_retired(&k, pkt_key_id(SLOT, (uint8_t)gen));
	for (unsigned i = 0; i < KEYRING_RETIRING_MAX; i++)
		assert_int_equal(install(keyring_offer(&k), 100 + i, &evicted), 0);
	assert_int_equal(install(keyring_offer(&k), 200, &evicted), -EBUSY);
}

static void only_a_ready_epoch_can_be_switched_to(void **state)
{
	uint32_t evicted, key_id = keyring_offer(&k);

	assert_int_equal(keyring_switch(&k, key_id, 1), -ENOENT);
	assert_false(keyring_installed(&k, key_id, true)); // nobody asked for it
	assert_int_equal(install(key_id, 1, &evicted), 0);
	assert_int_equal(keyring_switch(&k, key_id, 1), -ENOENT);
	assert_true(keyring_installed(&k, key_id, true));
	assert_false(keyring_installed(&k, key_id, true));
	assert_int_equal(keyring_switch(&k, key_id, 1), 0);
	assert_int_equal(keyring_switch(&k, key_id, 1), -ENOENT);
}

static void switch_ends_elder_epochs_that_still_wait_at_once(void **state)
{
	uint32_t ready = make_ready(1), installing = keyring_offer(&k), next, evicted;

	assert_int_equal(install(installing, 2, &evicted), 0);
	next = make_ready(3);
	assert_int_equal(keyring_switch(&k, next, 50), 0);
	assert_int_equal(keyring_next_us(&k), 50);
	assert_int_equal(keyring_due(&k, 49), 0);
	assert_int_equal(keyring_due(&k, 50), ready);
	assert_int_equal(keyring_retire(&k, ready), 0);
	assert_int_equal(keyring_due(&k, 50), installing);
	assert_int_equal(keyring_retire(&k, installing), 0);
	assert_int_equal(keyring_due(&k, UINT64_MAX), 0);
}

static void switch_spares_younger_epochs_and_free_places(void **state)
{
	uint32_t elder = make_ready(1), younger = make_ready(2), evicted;

	assert_int_equal(keyring_switch(&k, elder, 50), 0);
	assert_int_equal(keyring_find(&k, younger)->state, EPOCH_READY);
	assert_int_equal(install(keyring_offer(&k), 3, &evicted), 0);
	assert_int_equal(evicted, 0);
}

// In slot 0 a key_id awaiting its wipe looks like an epoch's state: it must not be taken for one.
static void switch_leaves_the_wipes_of_slot_0_alone(void **state)
{
	uint32_t next, retired, evicted;

	keyring_init(&k, 0);
	make_ready(1);
	next = make_ready(2);
	retired = make_ready(3);
	assert_int_equal(retired, EPOCH_CURRENT);
	assert_int_equal(keyring_retire(&k, retired), 0);
	assert_int_equal(keyring_switch(&k, next, 50), 0);
	assert_int_equal(install(retired, 4, &evicted), -EEXIST);
}

static void switch_to_an_epoch_born_at_the_same_time_leaves_one_current(void **state)
{
	uint32_t a = make_ready(1), b = make_ready(1);

	assert_int_equal(keyring_switch(&k, a, 10), 0);
	assert_int_equal(keyring_find(&k, b)->state, EPOCH_OLD);
	setup(NULL);
	a = make_ready(1);
	assert_int_equal(keyring_switch(&k, a, 10), 0);
	b = make_ready(1);
	assert_int_equal(keyring_switch(&k, b, 20), 0);
	assert_int_equal(keyring_current(&k)->rx_key_id, b);
	assert_int_equal(keyring_find(&k, a)->state, EPOCH_OLD);
}

static void second_switch_does_not_change_when_an_old_epoch_dies(void **state)
{
	uint32_t a = make_ready(1), b, c;

	assert_int_equal(keyring_switch(&k, a, 1 * S), 0);
	assert_int_equal(keyring_find(&k, a)->dies_us, 0);
	b = make_ready(2);
	assert_int_equal(keyring_switch(&k, b, 10 * S), 0);
	c = make_ready(3);
	assert_int_equal(keyring_switch(&k, c, 15 * S), 0);
	assert_int_equal(keyring_next_us(&k), 40 * S);
	assert_int_equal(keyring_due(&k, 44 * S), a);
	assert_int_equal(keyring_retire(&k, a), 0);
	assert_int_equal(keyring_next_us(&k), 45 * S);
	assert_int_equal(keyring_due(&k, 45 * S - 1), 0);
	assert_int_equal(keyring_due(&k, 45 * S), b);
}

static void epoch_in_any_place_is_found_and_dies(void **state)
{
	uint32_t a = make_ready(1), b = make_ready(2), c = make_ready(3);

	assert_int_equal(keyring_next_us(&k), UINT64_MAX);
	assert_int_equal(keyring_retire(&k, a), 0);
	assert_int_equal(keyring_switch(&k, c, 10), 0);
	assert_int_equal(keyring_current(&k)->rx_key_id, c); // the third place
	assert_int_equal(keyring_retire(&k, b), 0);
	b = make_ready(4);
	assert_int_equal(keyring_switch(&k, b, 20), 0);
	assert_int_equal(keyring_due(&k, UINT64_MAX), c);
	assert_int_equal(keyring_next_us(&k), 20 + KEYRING_LINGER_US);
}

static void failed_install_leaves_nothing_behind(void **state)
{
	uint32_t evicted, key_id = keyring_offer(&k);

	assert_int_equal(install(key_id, 1, &evicted), 0);
	assert_true(keyring_installed(&k, key_id, false));
	assert_null(keyring_find(&k, key_id));
	assert_null(keyring_current(&k));
}

static void old_epoch_receives_for_thirty_seconds_and_no_longer(void **state)
{
	uint32_t a = make_ready(1), b;

	assert_int_equal(keyring_switch(&k, a, 1 * S), 0);
	assert_int_equal(keyring_due(&k, 1000 * S), 0);
	b = make_ready(2);
	assert_int_equal(keyring_switch(&k, b, 100 * S), 0);
	assert_int_equal(keyring_next_us(&k), 130 * S);
	assert_int_equal(keyring_due(&k, 130 * S - 1), 0);
	assert_int_equal(keyring_due(&k, 130 * S), a);
	assert_int_equal(keyring_retire(&k, a), 0);
	assert_int_equal(keyring_due(&k, 1000 * S), 0);
}

static void survivors_keep_their_key_ids(void **state)
{
	uint32_t current = pkt_key_id(SLOT, 200), old = pkt_key_id(SLOT, 199);

	keyring_adopt(&k, current, true, 10 * S, 400 * S);
	keyring_adopt(&k, old, false, 10 * S, 300 * S);
	keyring_adopt(&k, pkt_key_id(SLOT + 1, 1), true, 10 * S, 1);
	keyring_adopt(&k, pkt_key_id(SLOT, 0), true, 10 * S, 1);
	assert_int_equal(keyring_current(&k)->rx_key_id, current);
	assert_null(keyring_find(&k, pkt_key_id(SLOT + 1, 1)));
	assert_null(keyring_find(&k, pkt_key_id(SLOT, 0)));
	assert_int_equal(keyring_due(&k, 40 * S - 1), 0);
	assert_int_equal(keyring_due(&k, 40 * S), old);
	for (unsigned i = 0; i < 600; i++)
		assert_false(keyring_offer(&k) == current);
}

static void three_survivors_fit_a_fourth_and_a_second_of_one_do_not(void **state)
{
	uint32_t first = pkt_key_id(SLOT, 1);

	keyring_adopt(&k, first, true, 10 * S, 400 * S);
	keyring_adopt(&k, first, false, 20 * S, 400 * S);
	assert_int_equal(keyring_find(&k, first)->born_us, 10 * S);
	for (uint8_t gen = 2; gen <= 4; gen++)
		keyring_adopt(&k, pkt_key_id(SLOT, gen), false, 10 * S, 300 * S);
	for (uint8_t gen = 1; gen <= 3; gen++)
		assert_non_null(keyring_find(&k, pkt_key_id(SLOT, gen)));
	assert_null(keyring_find(&k, pkt_key_id(SLOT, 4)));
}

static void generations_go_on_after_the_data_plane_died(void **state)
{
	uint32_t a = make_ready(1);

	keyring_clear(&k);
	assert_null(keyring_find(&k, a));
	assert_int_equal(pkt_key_gen(keyring_offer(&k)), pkt_key_gen(a) + 1);
}

static void deadline_is_the_earliest_of_life_and_wall_clock(void **state)
{
	static const struct {
		const char *what;
		uint64_t not_after_s, mono_us, unix_s, want_us;
	} cases[] = {
		{"far certificates: life from birth", UINT64_MAX, 100 * S, 5000, 700 * S},
		{"certificate ends before", 5100, 100 * S, 5000, 200 * S},
		{"certificate ends at the same second", 5600, 100 * S, 5000, 700 * S},
		{"certificate has ended: now", 5000, 150 * S, 5000, 150 * S},
		{"clock set forward: sooner", 5500, 200 * S, 5400, 300 * S},
		{"clock set back: never beyond its life", 5500, 200 * S, 100, 700 * S},
		{"asked after its life: still its life", 4000, 900 * S, 5000, 700 * S},
	};

	// A life that ends within a second: the whole seconds left are the earlier end.
	assert_int_equal(keyring_deadline_us(&(struct epoch){.born_us = 100 * S,
						     .life_us = 600 * S + S / 2,
						     .not_after_s = 5600},
				 100 * S, 5000),
		700 * S);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct epoch e = {.born_us = 100 * S,
			.life_us = 600 * S,
			.not_after_s = cases[i].not_after_s};

		if (keyring_deadline_us(&e, cases[i].mono_us, cases[i].unix_s) != cases[i].want_us)
			fail_msg("%s", cases[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(living_key_id_is_not_installed_twice, setup),
		cmocka_unit_test_setup(foreign_and_zero_key_ids_are_refused, setup),
		cmocka_unit_test_setup(offers_never_name_what_lives_or_is_being_wiped, setup),
		cmocka_unit_test_setup(after_generation_255_comes_1, setup),
		cmocka_unit_test_setup(every_wipe_is_awaited_on_its_own, setup),
		cmocka_unit_test_setup(retired_epoch_leaves_its_place_free, setup),
		cmocka_unit_test_setup(
			fourth_epoch_evicts_the_least_useful_never_the_current, setup),
		cmocka_unit_test_setup(of_two_old_epochs_the_elder_is_evicted, setup),
		cmocka_unit_test_setup(of_two_waiting_epochs_the_elder_is_evicted, setup),
		cmocka_unit_test_setup(old_epoch_is_evicted_before_one_that_waits, setup),
		cmocka_unit_test_setup(data_plane_that_confirms_no_wipe_stops_new_epochs, setup),
		cmocka_unit_test_setup(only_a_ready_epoch_can_be_switched_to, setup),
		cmocka_unit_test_setup(switch_ends_elder_epochs_that_still_wait_at_once, setup),
		cmocka_unit_test_setup(switch_spares_younger_epochs_and_free_places, setup),
		cmocka_unit_test_setup(switch_leaves_the_wipes_of_slot_0_alone, setup),
		cmocka_unit_test_setup(
			switch_to_an_epoch_born_at_the_same_time_leaves_one_current, setup),
		cmocka_unit_test_setup(second_switch_does_not_change_when_an_old_epoch_dies, setup),
		cmocka_unit_test_setup(epoch_in_any_place_is_found_and_dies, setup),
		cmocka_unit_test_setup(failed_install_leaves_nothing_behind, setup),
		cmocka_unit_test_setup(old_epoch_receives_for_thirty_seconds_and_no_longer, setup),
		cmocka_unit_test_setup(survivors_keep_their_key_ids, setup),
		cmocka_unit_test_setup(
			three_survivors_fit_a_fourth_and_a_second_of_one_do_not, setup),
		cmocka_unit_test_setup(generations_go_on_after_the_data_plane_died, setup),
		cmocka_unit_test_setup(deadline_is_the_earliest_of_life_and_wall_clock, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
