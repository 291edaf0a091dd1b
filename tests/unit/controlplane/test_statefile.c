// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sodium.h>

#include "controlplane/common/statefile.h"
#include "tests/unit/controlplane/fake_disk.h"
#include "tests/unit/controlplane/scratch.h"

static const uint8_t secret[32] = "a secret of the signer, thirty 2";
static const char old_blob[] = "the old state";
static const char new_blob[] = "the new state, which is longer than the old one was";

static struct statefile on_disk(const struct atomic_file_ops *ops)
{
	struct statefile sf;

	assert_int_equal(statefile_init(&sf, ops != NULL ? "/s/state" : scratch_path("state"),
				 "gateway", secret, ops),
		0);
	return sf;
}

static int load_text(struct statefile *sf, char *text, size_t cap)
{
	size_t len = 0;
	int err = statefile_load(sf, text, cap - 1, &len);

	text[err == 0 ? len : 0] = '\0';
	return err;
}

// A fake disk on which old_blob is safely stored.
static struct statefile with_old(void)
{
	struct statefile sf;

	memset(&disk, 0, sizeof(disk));
	sf = on_disk(&fake_ops);
	assert_int_equal(statefile_store(&sf, old_blob, strlen(old_blob)), 0);
	disk.calls = 0;
	return sf;
}

enum found { FOUND_OLD = 1, FOUND_NEW = 2, FOUND_NEITHER = 4 };

// What a restart finds, over all futures of a power cut now.
static unsigned look_after_cut(void)
{
	static struct fake_disk before;
	unsigned found = 0;

	before = disk;
	for (int i = 0; fake_disk_outcome(&before, i); i++) {
		struct statefile sf = on_disk(&fake_ops);
		char text[128];

		if (load_text(&sf, text, sizeof(text)) != 0)
			found |= FOUND_NEITHER;
		else if (strcmp(text, old_blob) == 0)
			found |= FOUND_OLD;
		else if (strcmp(text, new_blob) == 0)
			found |= FOUND_NEW;
		else
			found |= FOUND_NEITHER;
		// What the cut left lying about must not be in the way of the next store.
		assert_int_equal(statefile_store(&sf, new_blob, strlen(new_blob)), 0);
		assert_int_equal(load_text(&sf, text, sizeof(text)), 0);
		assert_string_equal(text, new_blob);
	}
	return found;
}

static unsigned calls_of_a_store(void)
{
	struct statefile sf = with_old();

	assert_int_equal(statefile_store(&sf, new_blob, strlen(new_blob)), 0);
	return (unsigned)disk.calls;
}

static void power_cut_at_every_call_leaves_the_old_or_the_new_state(void **state)
{
	unsigned n = calls_of_a_store(), all = 0;

	assert_true(n >= 7); // open, write, fsync, close, rename, open directory, fsync, close
	for (unsigned at = 1; at <= n + 1; at++) {
		struct statefile sf = with_old();
		unsigned found;
		int err;

		disk.fail_at = (int)at;
		disk.fail_errno = EIO;
		disk.cut = true;
		err = statefile_store(&sf, new_blob, strlen(new_blob));
		found = look_after_cut();
		if (found & FOUND_NEITHER)
			fail_msg("cut at call %u: the state is lost", at);
		if (err == 0 && found != FOUND_NEW)
			fail_msg("cut at call %u: stored, but the old state is back", at);
		all |= found;
	}
	assert_int_equal(all, FOUND_OLD | FOUND_NEW);
}

static void every_failing_call_is_reported_and_loses_nothing(void **state)
{
	static const int errors[] = {EIO, ENOSPC, EROFS, EACCES};
	unsigned n = calls_of_a_store();

	for (unsigned at = 1; at <= n; at++) {
		for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]); e++) {
			struct statefile sf = with_old();
			int err;

			disk.fail_at = (int)at;
			disk.fail_errno = errors[e];
			err = statefile_store(&sf, new_blob, strlen(new_blob));
			// Closing the directory is the one call whose failure means nothing.
			if (err == 0 && at < n)
				fail_msg("call %u failed unnoticed", at);
			assert_int_equal(look_after_cut() & FOUND_NEITHER, 0);
		}
	}
}

static void disk_that_lies_about_fsync_is_caught_by_this_test(void **state)
{
	struct statefile sf = with_old();

	disk.lying_fsync = true;
	assert_int_equal(statefile_store(&sf, new_blob, strlen(new_blob)), 0);
	assert_true(look_after_cut() & FOUND_NEITHER);
}

static void every_failing_call_of_a_load_is_an_error(void **state)
{
	struct statefile sf = with_old();
	char text[128];
	unsigned n;

	assert_int_equal(load_text(&sf, text, sizeof(text)), 0);
	n = (unsigned)disk.calls;
	for (unsigned at = 1; at < n; at++) { // the last is close
		sf = with_old();
		disk.fail_at = (int)at;
		disk.fail_errno = EIO;
		assert_int_equal(load_text(&sf, text, sizeof(text)), -EIO);
	}
}

static void every_flipped_bit_is_refused(void **state)
{
	struct statefile sf = on_disk(NULL);
	uint8_t file[256];
	char text[128];
	size_t len;

	assert_int_equal(statefile_store(&sf, old_blob, strlen(old_blob)), 0);
	len = scratch_read("state", file, sizeof(file));
	for (size_t bit = 0; bit < len * 8; bit++) {
		int err;

		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
		scratch_write("state", file, len, 0600);
		err = load_text(&sf, text, sizeof(text));
		if (err != -EBADMSG && err != -EPROTO)
			fail_msg("bit %zu: %d", bit, err);
		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	scratch_write("state", file, len, 0600);
	assert_int_equal(load_text(&sf, text, sizeof(text)), 0);
}

static void every_truncation_is_refused(void **state)
{
	struct statefile sf = on_disk(NULL);
	uint8_t file[256] = {0};
	char text[128];
	size_t len;

	assert_int_equal(statefile_store(&sf, old_blob, strlen(old_blob)), 0);
	len = scratch_read("state", file, sizeof(file));
	for (size_t cut = 0; cut < len; cut++) {
		scratch_write("state", file, cut, 0600);
		assert_int_equal(load_text(&sf, text, sizeof(text)), -EBADMSG);
	}
	scratch_write("state", file, len + 1, 0600);
	assert_int_equal(load_text(&sf, text, sizeof(text)), -EBADMSG);
}

static void file_of_another_identity_or_name_is_refused(void **state)
{
	static const uint8_t other[32] = "another secret of another signer";
	struct statefile sf = on_disk(NULL), wrong;
	char text[128];

	assert_int_equal(statefile_store(&sf, old_blob, strlen(old_blob)), 0);
	statefile_init(&wrong, scratch_path("state"), "gateway", other, NULL);
	assert_int_equal(load_text(&wrong, text, sizeof(text)), -EBADMSG);
	statefile_init(&wrong, scratch_path("state"), "hub", secret, NULL);
	assert_int_equal(load_text(&wrong, text, sizeof(text)), -EBADMSG);
}

static void older_file_put_back_is_refused(void **state)
{
	struct statefile sf = on_disk(NULL), later;
	uint8_t file[256];
	char text[128];
	size_t len;

	assert_int_equal(statefile_store(&sf, old_blob, strlen(old_blob)), 0);
	len = scratch_read("state", file, sizeof(file));
	assert_int_equal(statefile_store(&sf, new_blob, strlen(new_blob)), 0);
	scratch_write("state", file, len, 0600);
	assert_int_equal(load_text(&sf, text, sizeof(text)), -ESTALE);
	later = on_disk(NULL);
	later.generation = 2; // a floor that the caller keeps elsewhere
	assert_int_equal(load_text(&later, text, sizeof(text)), -ESTALE);
}

static void file_that_others_can_read_is_refused(void **state)
{
	struct statefile sf = on_disk(NULL);
	char text[128];

	assert_int_equal(load_text(&sf, text, sizeof(text)), -ENOENT);
	assert_int_equal(statefile_store(&sf, old_blob, strlen(old_blob)), 0);
	chmod(scratch_path("state"), 0644);
	assert_int_equal(load_text(&sf, text, sizeof(text)), -EPERM);
	assert_int_equal(statefile_store(&sf, old_blob, strlen(old_blob)), 0);
	assert_int_equal(load_text(&sf, text, sizeof(text)), 0); // a store makes it private again
}

static void sizes_are_bounded(void **state)
{
	static uint8_t big[STATEFILE_BLOB_MAX + 1], back[STATEFILE_BLOB_MAX];
	struct statefile sf = on_disk(NULL);
	uint8_t small[8];
	size_t len;
	char path[STATEFILE_PATH_MAX + 1];

	randombytes_buf(big, sizeof(big));
	assert_int_equal(statefile_store(&sf, big, sizeof(big)), -EMSGSIZE);
	assert_int_equal(statefile_store(&sf, big, STATEFILE_BLOB_MAX), 0);
	assert_int_equal(statefile_load(&sf, small, sizeof(small), &len), -ENOBUFS);
	assert_int_equal(statefile_load(&sf, back, sizeof(back), &len), 0);
	assert_int_equal(len, sizeof(back));
	assert_memory_equal(back, big, sizeof(back));
	assert_int_equal(statefile_store(&sf, big, 0), 0);
	assert_int_equal(statefile_load(&sf, back, sizeof(back), &len), 0);
	assert_int_equal(len, 0);
	memset(path, 'a', sizeof(path));
	path[STATEFILE_PATH_MAX] = '\0';
	assert_int_equal(statefile_init(&sf, path, "x", secret, NULL), -ENAMETOOLONG);
}

static void state_survives_a_restart_and_shows_nothing_in_clear(void **state)
{
	struct statefile sf = on_disk(NULL), again;
	uint8_t file[256];
	char text[128];
	size_t len;

	assert_int_equal(statefile_store(&sf, old_blob, strlen(old_blob)), 0);
	assert_int_equal(statefile_store(&sf, new_blob, strlen(new_blob)), 0);
	statefile_fini(&sf);
	assert_true(sodium_is_zero((uint8_t *)&sf, sizeof(sf)));
	again = on_disk(NULL);
	assert_int_equal(load_text(&again, text, sizeof(text)), 0);
	assert_string_equal(text, new_blob);
	assert_int_equal(again.generation, 2);
	len = scratch_read("state", file, sizeof(file));
	assert_null(memmem(file, len, "state", 5));
}

static void every_error_has_its_own_sentence(void **state)
{
	static const int errors[] = {0, -ENOENT, -EPERM, -EACCES, -EBADMSG, -EPROTO, -ESTALE,
		-ENOBUFS, -ENOSPC, -EROFS, -EIO};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(
				statefile_strerror(errors[i]), statefile_strerror(errors[j]));
	assert_string_equal(statefile_strerror(-EMSGSIZE), statefile_strerror(-ENOBUFS));
}

#define ON_DISK(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(power_cut_at_every_call_leaves_the_old_or_the_new_state),
		cmocka_unit_test(every_failing_call_is_reported_and_loses_nothing),
		cmocka_unit_test(disk_that_lies_about_fsync_is_caught_by_this_test),
		cmocka_unit_test(every_failing_call_of_a_load_is_an_error),
		ON_DISK(every_flipped_bit_is_refused),
		ON_DISK(every_truncation_is_refused),
		ON_DISK(file_of_another_identity_or_name_is_refused),
		ON_DISK(older_file_put_back_is_refused),
		ON_DISK(file_that_others_can_read_is_refused),
		ON_DISK(sizes_are_bounded),
		ON_DISK(state_survives_a_restart_and_shows_nothing_in_clear),
		cmocka_unit_test(every_error_has_its_own_sentence),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
