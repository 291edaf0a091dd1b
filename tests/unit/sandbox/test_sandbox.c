// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/log.h"
#include "sandbox/account.h"
#include "sandbox/crash.h"
#include "sandbox/sandbox.h"

static char dir[64];

static int make_dir(void **)
{
	snprintf(dir, sizeof(dir), "/tmp/test-sandbox.XXXXXX");
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int remove_dir(void **)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static const char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

// Run in a child; returns its wait status.
static int child(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

#define EXPECT(cond)                                                       \
	do {                                                               \
		if (!(cond)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #cond); \
			_exit(1);                                          \
		}                                                          \
	} while (0)

static bool opens(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

// ---------------------------------------------------------------- files

static void keep_to_files(void)
{
	const struct sandbox_path paths[] = {{dir, true}, {"/etc", false}, {"/no/such", true}};

	EXPECT(sandbox_files(paths, 3) == 0);
	EXPECT(opens(in_dir("new"), O_RDWR | O_CREAT));
	EXPECT(rename(in_dir("new"), in_dir("new")) == 0);
	EXPECT(unlink(in_dir("new")) == 0);
	EXPECT(opens("/etc/passwd", O_RDONLY));
	EXPECT(!opens("/etc/postern-was-here", O_RDWR | O_CREAT) && errno == EACCES);
	EXPECT(!opens("/proc/self/mem", O_RDONLY) && errno == EACCES);
	EXPECT(!opens("/usr/bin/env", O_RDONLY) && errno == EACCES);
	EXPECT(!opens("/tmp", O_RDONLY) && errno == EACCES);
	EXPECT(mkdir(in_dir("sub"), 0700) < 0 && errno == EACCES);
	EXPECT(symlink("/etc/shadow", in_dir("link")) < 0 && errno == EACCES);
}

static bool has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
}

static void only_named_directories_are_left(void **)
{
	if (!has_landlock())
		skip();
	assert_int_equal(child(keep_to_files), 0);
}

static void no_paths_means_no_files(void)
{
	EXPECT(sandbox_files(NULL, 0) == 0);
	EXPECT(!opens("/etc/passwd", O_RDONLY) && errno == EACCES);
}

static void without_paths_no_file_is_left(void **)
{
	if (!has_landlock())
		skip();
	assert_int_equal(child(no_paths_means_no_files), 0);
}

// ---------------------------------------------------------------- account

static void become_nobody(void)
{
	static const cap_value_t keep[] = {CAP_NET_ADMIN};
	const struct account to = account_find(NULL, "nobody");
	cap_t caps, want = cap_init();

	EXPECT(to.change && account_become(&to, keep, 1) == 0);
	EXPECT(getuid() == to.uid && geteuid() == to.uid && getgid() == to.gid);
	EXPECT(setuid(0) < 0 && setgid(0) < 0);
	caps = cap_get_proc();
	cap_set_flag(want, CAP_PERMITTED, 1, keep, CAP_SET);
	cap_set_flag(want, CAP_EFFECTIVE, 1, keep, CAP_SET);
	EXPECT(cap_compare(caps, want) == 0);
	EXPECT(prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) == 0);
	EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && prctl(PR_GET_DUMPABLE) == 0);
}

static void root_becomes_an_account_with_one_capability(void **)
{
	if (geteuid() != 0)
		skip();
	assert_int_equal(child(become_nobody), 0);
}

static void stay_root(void)
{
	const struct account none = account_find(NULL, NULL);
	cap_t caps, want = cap_init();

	EXPECT(!none.change && account_become(&none, NULL, 0) == 0);
	caps = cap_get_proc();
	EXPECT(geteuid() == 0 && cap_compare(caps, want) == 0);
	EXPECT(!opens("/dev/mem", O_RDONLY));
}

static void root_that_stays_has_no_capability_left(void **)
{
	if (geteuid() != 0)
		skip();
	assert_int_equal(child(stay_root), 0);
}

static void root_and_unknown_accounts_are_no_change(void **)
{
	assert_false(account_find("root", NULL).change);
	assert_false(account_find("no-such-account-here", NULL).change);
	assert_false(account_find(NULL, NULL).change);
}

static void a_directory_is_handed_over_but_nothing_behind_links(void **)
{
	const struct account to = {.change = true, .uid = 65534, .gid = 65534};
	struct stat st;

	if (geteuid() != 0)
		skip();
	assert_true(opens(in_dir("file"), O_RDWR | O_CREAT));
	assert_int_equal(symlink("/etc/passwd", in_dir("link")), 0);
	assert_int_equal(account_hand_over(dir, &to), 0);
	assert_int_equal(stat(in_dir("file"), &st), 0);
	assert_int_equal(st.st_uid, 65534);
	assert_int_equal(stat("/etc/passwd", &st), 0);
	assert_int_equal(st.st_uid, 0);
	unlink(in_dir("link"));
}

// ---------------------------------------------------------------- last words

#define SECRET "correct-horse-battery-staple"

static void die_here(void)
{
	volatile char secret[] = SECRET;
	volatile int *nowhere = NULL;

	crash_init("test-program", dir);
	log_error("the last line");
	*nowhere = secret[0];
}

static void abort_here(void)
{
	crash_init("test-program", dir);
	abort();
}

static void overflow(unsigned depth)
{
	volatile char room[4096];

	room[0] = (char)depth;
	if (depth != UINT_MAX) // never
		overflow(depth + 1);
	room[1] = room[0];
}

static void die_of_depth(void)
{
	setrlimit(RLIMIT_STACK, &(struct rlimit){1 << 20, 1 << 20});
	crash_init("test-program", dir);
	overflow(0);
}

// The report that child's death left.
static const char *report(void)
{
	static char text[8192];
	int fd = open(in_dir("test-program" CRASH_FILE_SUFFIX), O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	close(fd);
	unlink(in_dir("test-program" CRASH_FILE_SUFFIX));
	return text;
}

static void died_of(int status, int signo)
{
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), signo);
	assert_false(WCOREDUMP(status));
}

static void a_crash_leaves_a_report_without_data(void **)
{
	const char *said;

	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	died_of(child(die_here), SIGSEGV);
	said = report();
	assert_non_null(strstr(said, "process=test-program cause=SIGSEGV where=test-program+0x"));
	assert_non_null(strstr(said, "last said: <3>the last line\n"));
	assert_non_null(strstr(said, "build "));
	assert_null(strstr(said, "build unknown"));
	assert_null(strstr(said, SECRET));
	assert_null(strstr(said, "0x7f")); // no address that tells where things lie
}

static void abort_is_told_as_such(void **)
{
	died_of(child(abort_here), SIGABRT);
	assert_non_null(strstr(report(), "cause=SIGABRT, by itself"));
}

static void a_full_stack_is_told_too(void **)
{
	died_of(child(die_of_depth), SIGSEGV);
	assert_non_null(strstr(report(), "cause=SIGSEGV"));
}

static void no_report_goes_where_a_link_points(void **)
{
	char target[128];

	snprintf(target, sizeof(target), "%s", in_dir("victim"));
	assert_true(opens(target, O_RDWR | O_CREAT));
	assert_int_equal(symlink(target, in_dir("test-program" CRASH_FILE_SUFFIX)), 0);
	died_of(child(die_here), SIGSEGV);
	assert_int_equal(unlink(in_dir("test-program" CRASH_FILE_SUFFIX)), 0);
	assert_int_equal(link(target, in_dir("test-program" CRASH_FILE_SUFFIX)), 0);
	died_of(child(die_here), SIGSEGV);
	unlink(in_dir("test-program" CRASH_FILE_SUFFIX));

	struct stat st;

	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_size, 0);
}

static void begin(void)
{
	struct rlimit core;
	char filter[32] = "";
	int fd;

	EXPECT(sandbox_begin() == 0);
	EXPECT(prctl(PR_GET_DUMPABLE) == 0);
	EXPECT(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0);
	fd = open("/proc/self/coredump_filter", O_RDONLY);
	if (fd < 0) // not root: no longer ours
		return;
	EXPECT(read(fd, filter, sizeof(filter) - 1) > 0);
	EXPECT(strtoul(filter, NULL, 16) == 0);
}

static void no_core_is_dumped_and_it_would_be_empty(void **)
{
	assert_int_equal(child(begin), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_named_directories_are_left),
		cmocka_unit_test(without_paths_no_file_is_left),
		cmocka_unit_test(root_becomes_an_account_with_one_capability),
		cmocka_unit_test(root_that_stays_has_no_capability_left),
		cmocka_unit_test(root_and_unknown_accounts_are_no_change),
		cmocka_unit_test(a_directory_is_handed_over_but_nothing_behind_links),
		cmocka_unit_test(a_crash_leaves_a_report_without_data),
		cmocka_unit_test(abort_is_told_as_such),
		cmocka_unit_test(a_full_stack_is_told_too),
		cmocka_unit_test(no_report_goes_where_a_link_points),
		cmocka_unit_test(no_core_is_dumped_and_it_would_be_empty),
	};

	if (SANDBOX_SANITIZED) {
		puts("a sanitizer handles signals and makes calls of its own");
		return 77;
	}
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
