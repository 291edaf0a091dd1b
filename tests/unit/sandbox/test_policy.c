// SPDX-License-Identifier: BSD-3-Clause
// A child enters the very lists of one process (POLICY: dataplane, control or hub), then tries what
// is forbidden: it must die of it, and name it. Never a hook in the real program.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/gateway.h"
#include "sandbox/crash.h"
#include "sandbox/sandbox.h"
#if defined(TEST_DATAPLANE)
#include "dataplane/policy.h"
#define CALLS_MAX 25
#elif defined(TEST_CONTROL)
#include "controlplane/gateway/policy.h"
#define CALLS_MAX 60
#else
#include "controlplane/hub/policy.h"
#define CALLS_MAX 60
#endif

#define LISTS_MAX 5

struct attempt {
	const char *name; // of the system call, as the report must have it
	long nr;
	long arg[6];
};

// Nobody may do these.
static const struct attempt forbidden[] = {
	{"execve", SYS_execve, {(long)"/bin/true"}},
	{"execveat", SYS_execveat, {AT_FDCWD, (long)"/bin/true"}},
	{"ptrace", SYS_ptrace, {0}},
	{"process_vm_readv", SYS_process_vm_readv, {1}},
	{"process_vm_writev", SYS_process_vm_writev, {1}},
	{"pidfd_getfd", SYS_pidfd_getfd, {0}},
	{"fork", SYS_fork, {0}},
	{"vfork", SYS_vfork, {0}},
	{"clone", SYS_clone, {0}},
	{"clone3", SYS_clone3, {0}},
	{"socket", SYS_socket, {AF_PACKET, SOCK_RAW, 0}},
	{"socket", SYS_socket, {AF_VSOCK, SOCK_STREAM, 0}},
	{"mmap", SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}},
	{"mprotect", SYS_mprotect, {0, 4096, PROT_READ | PROT_EXEC}},
	{"pkey_mprotect", SYS_pkey_mprotect, {0, 4096, PROT_EXEC, 0}},
	{"setuid", SYS_setuid, {0}},
	{"setresuid", SYS_setresuid, {0, 0, 0}},
	{"capset", SYS_capset, {0}},
	{"prctl", SYS_prctl, {0}},
	{"seccomp", SYS_seccomp, {0}},
	{"mount", SYS_mount, {0}},
	{"unshare", SYS_unshare, {0}},
	{"setns", SYS_setns, {0}},
	{"chroot", SYS_chroot, {(long)"/"}},
	{"bpf", SYS_bpf, {5 /* BPF_PROG_LOAD */}},
	{"perf_event_open", SYS_perf_event_open, {0}},
	{"io_uring_setup", SYS_io_uring_setup, {1}},
	{"userfaultfd", SYS_userfaultfd, {0}},
	{"keyctl", SYS_keyctl, {0}},
	{"init_module", SYS_init_module, {0}},
	{"tgkill", SYS_tgkill, {1, 1, 0}},
	{"symlink", SYS_symlink, {(long)"/etc/shadow", (long)"x"}},
	{"link", SYS_link, {(long)"/etc/shadow", (long)"x"}},
	{"chmod", SYS_chmod, {(long)"x", 0777}},
#ifdef TEST_DATAPLANE
	{"socket", SYS_socket, {AF_UNIX, SOCK_STREAM, 0}}, // control.sock
	{"socket", SYS_socket, {AF_INET, SOCK_DGRAM, 0}},
	{"connect", SYS_connect, {3}},
	{"bind", SYS_bind, {3}},
	{"openat", SYS_openat, {AT_FDCWD, (long)"/etc/passwd", O_RDONLY}},
	{"open", SYS_open, {(long)"/etc/passwd", O_RDONLY}},
	{"openat2", SYS_openat2, {AT_FDCWD, (long)"/etc/passwd"}},
	{"newfstatat", SYS_newfstatat, {AT_FDCWD, (long)"/etc/passwd", 0, 0}},
	{"unlink", SYS_unlink, {(long)"x"}},
	{"fcntl", SYS_fcntl, {0, F_SETFL, 0}},
	{"ioctl", SYS_ioctl, {0, 0x5412 /* TIOCSTI */}},
	{"kill", SYS_kill, {1, 0}},
	{"memfd_create", SYS_memfd_create, {(long)"x", 0}},
	{"sigaction", SYS_rt_sigaction, {SIGSYS}}, // the handler of all this
	{"prlimit64", SYS_prlimit64, {0}},
#else
	{"ioctl", SYS_ioctl, {0, 0x5412 /* TIOCSTI */}},
	{"prlimit64", SYS_prlimit64, {0}},
#endif
};

static unsigned take_lists(struct sandbox_list lists[LISTS_MAX])
{
#ifdef TEST_DATAPLANE
	static const struct port_rt ports[] = {{.kind = CONFIG_KIND_AF_XDP}};

	static_assert(POLICY_LISTS_MAX == LISTS_MAX, "room for all lists");
	return policy_lists(ports, 1, lists);
#else
	lists[0] = policy_calls;
	lists[1] = sandbox_dying;
	return 2;
#endif
}

// What a child says on standard error, and how it ends.
struct outcome {
	int signo;
	int status;
	char said[8192];
};

static void run(const struct attempt *a, struct outcome *ret)
{
	struct sandbox_list lists[LISTS_MAX];
	unsigned n = take_lists(lists);
	int out[2], status;
	size_t len = 0;
	ssize_t got;
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		dup2(out[1], STDERR_FILENO);
		close(out[0]);
		close(out[1]);
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		crash_init("test", NULL);
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || sandbox_calls(lists, n) < 0)
			_exit(3);
		if (a != NULL)
			syscall(a->nr, a->arg[0], a->arg[1], a->arg[2], a->arg[3], a->arg[4],
				a->arg[5]);
		_exit(42);
	}
	close(out[1]);
	while (len < sizeof(ret->said) - 1 &&
		(got = read(out[0], ret->said + len, sizeof(ret->said) - 1 - len)) > 0)
		len += (size_t)got;
	ret->said[len] = '\0';
	close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	ret->signo = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	ret->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void what_is_on_no_list_is_death_and_named(void **)
{
	for (unsigned i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		struct outcome o;
		char want[64];

		run(&forbidden[i], &o);
		if (o.signo != SIGSYS)
			fail_msg("%s (attempt %u) ended with signal %d, status %d",
				forbidden[i].name, i, o.signo, o.status);
		snprintf(want, sizeof(want), "forbidden system call %s%s (",
			strcmp(forbidden[i].name, "sigaction") == 0 ? "rt_" : "",
			forbidden[i].name);
		if (strstr(o.said, want) == NULL)
			fail_msg("no \"%s\" in: %s", want, o.said);
		assert_non_null(strstr(o.said, "build "));
		assert_non_null(strstr(o.said, "libc.so.6+0x"));
	}
}

// Without this the test above could pass because nothing works at all.
static void what_is_allowed_goes_on(void **)
{
	static const struct attempt allowed[] = {
		{"nothing", SYS_getpid, {0}},
		{"read", SYS_read, {-1}},
		{"mmap", SYS_mmap, {0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}},
#ifdef TEST_DATAPLANE
		{"bpf", SYS_bpf, {2 /* BPF_MAP_UPDATE_ELEM */}},
#else
		{"socket", SYS_socket, {AF_UNIX, SOCK_STREAM, 0}},
		{"openat", SYS_openat, {AT_FDCWD, (long)"/etc/passwd", O_RDONLY}},
#endif
	};

	for (unsigned i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		struct outcome o;

		run(&allowed[i], &o);
		if (o.status != 42)
			fail_msg("%s: signal %d: %s", allowed[i].name, o.signo, o.said);
	}
}

// Each system call counts once, however many conditions it is allowed under.
static void the_list_is_short(void **)
{
	struct sandbox_list lists[LISTS_MAX];
	int seen[256];
	unsigned n = 0;

	take_lists(lists);
	for (unsigned i = 0; i < lists[0].n; i++) {
		unsigned k = 0;

		while (k < n && seen[k] != lists[0].call[i].nr)
			k++;
		if (k == n)
			seen[n++] = lists[0].call[i].nr;
	}
	printf("%u system calls, and %u to die by\n", n, sandbox_dying.n);
	assert_in_range(n, 1, CALLS_MAX);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_on_no_list_is_death_and_named),
		cmocka_unit_test(what_is_allowed_goes_on),
		cmocka_unit_test(the_list_is_short),
	};

	if (SANDBOX_SANITIZED) {
		puts("a sanitizer makes calls of its own");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
