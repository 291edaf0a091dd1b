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

static void data_plane_that_confirms_no_wipe_stops_new_epochs(void **state)
{
	uint32_t evicted;
	int err = 0;

	for (unsigned i = 0; i < 20 && err == 0; i++)
		err = install(keyring_offer(&k), i + 1, &evicted);
	assert_int_equal(err, -EBUSY);
}

static void only_a_ready_epoch_can_be_switched_to(void **state)
{
	uint32_t evicted, key_id = keyring_offer(&k);

	assert_int_equal(keyring_switch(&k, key_id, 1), -ENOENT);
	assert_int_equal(install(key_id, 1, &evicted), 0);
	assert_int_equal(keyring_switch(&k, key_id, 1), -ENOENT);
	assert_true(keyring_installed(&k, key_id, true));
	assert_false(keyring_installed(&k, key_id, true));
	assert_int_equal(keyring_switch(&k, key_id, 1), 0);
	assert_int_equal(keyring_switch(&k, key_id, 1), -ENOENT);
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
	assert_int_equal(keyring_due(&k, 40 * S), old);
	for (unsigned i = 0; i < 600; i++)
		assert_false(keyring_offer(&k) == current);
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
		cmocka_unit_test_setup(
			fourth_epoch_evicts_the_least_useful_never_the_current, setup),
		cmocka_unit_test_setup(data_plane_that_confirms_no_wipe_stops_new_epochs, setup),
		cmocka_unit_test_setup(only_a_ready_epoch_can_be_switched_to, setup),
		cmocka_unit_test_setup(failed_install_leaves_nothing_behind, setup),
		cmocka_unit_test_setup(old_epoch_receives_for_thirty_seconds_and_no_longer, setup),
		cmocka_unit_test_setup(survivors_keep_their_key_ids, setup),
		cmocka_unit_test_setup(generations_go_on_after_the_data_plane_died, setup),
		cmocka_unit_test_setup(deadline_is_the_earliest_of_life_and_wall_clock, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
