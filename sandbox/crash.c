// SPDX-License-Identifier: BSD-3-Clause
#include "sandbox/crash.h"

#include <elf.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "config/log.h"
#include "version.h"

#define MODULES_MAX    400 // DPDK brings 300
#define NAME_BYTES     40
#define FRAMES_MAX     32
#define CALLS_MAX      480
#define CALL_BYTES     24
#define REPORT_BYTES   4096
#define FILE_MAX_BYTES (256 * 1024)
#define FD_MIN         64
#define STACK_BYTES    (64 * 1024)

struct module {
	uintptr_t from, to, base;
	char name[NAME_BYTES];
};

// Written at start, read by the handler.
static struct {
	const char *process;
	pid_t pid;
	int fd;
	unsigned n_modules;
	struct module module[MODULES_MAX];
	char call[CALLS_MAX][CALL_BYTES];
	char build_id[41];
} facts = {.fd = -1};
static atomic_int dying; // the signal that came first
static _Thread_local char stack[STACK_BYTES];

struct text {
	size_t len;
	char bytes[REPORT_BYTES];
};

// ---------------------------------------------------------------- text, without stdio

static void put(struct text *t, const char *s)
{
	while (*s != '\0' && t->len < sizeof(t->bytes) - 1)
		t->bytes[t->len++] = *s++;
}

static void put_number(struct text *t, uint64_t v, unsigned base)
{
	char digits[24];
	unsigned at = sizeof(digits);

	digits[--at] = '\0';
	do {
		digits[--at] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v != 0);
	put(t, digits + at);
}

static void put_place(struct text *t, uintptr_t pc)
{
	for (unsigned i = 0; i < facts.n_modules; i++) {
		const struct module *m = &facts.module[i];

		if (pc < m->from || pc >= m->to)
			continue;
		put(t, m->name);
		put(t, "+0x");
		put_number(t, pc - m->base, 16);
		return;
	}
	put(t, "nowhere"); // the bare address would tell where things lie
}

static const char *signal_name(int signo)
{
	switch (signo) {
	case SIGSEGV:
		return "SIGSEGV";
	case SIGBUS:
		return "SIGBUS";
	case SIGILL:
		return "SIGILL";
	case SIGFPE:
		return "SIGFPE";
	case SIGABRT:
		return "SIGABRT";
	case SIGSYS:
		return "SIGSYS";
	default:
		return "signal";
	}
}

static void put_cause(struct text *t, const siginfo_t *info)
{
	unsigned nr = (unsigned)info->si_syscall;

	put(t, signal_name(info->si_signo));
	if (info->si_signo == SIGSYS && info->si_code > 0) {
		put(t, ", forbidden system call ");
		put(t, nr < CALLS_MAX && facts.call[nr][0] != '\0' ? facts.call[nr] : "number");
		put(t, " (");
		put_number(t, nr, 10);
		put(t, ")");
	} else if (info->si_code <= 0) {
		put(t, info->si_pid == facts.pid ? ", by itself" : ", sent by another process");
	}
}

// ---------------------------------------------------------------- the handler

static uintptr_t program_counter(const ucontext_t *uc)
{
#if defined(__x86_64__)
	return (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)uc->uc_mcontext.pc;
#else
	return 0;
#endif
}

static void compose(struct text *t, const siginfo_t *info, const ucontext_t *uc)
{
	struct timespec now = {0};
	void *frame[FRAMES_MAX];
	int n;

	clock_gettime(CLOCK_REALTIME, &now);
	put(t, "crash at=");
	put_number(t, (uint64_t)now.tv_sec, 10);
	put(t, " process=");
	put(t, facts.process);
	put(t, " cause=");
	put_cause(t, info);
	put(t, " where=");
	put_place(t, program_counter(uc));
	put(t, "\n  version " POSTERN_VERSION ", build ");
	put(t, facts.build_id);
	put(t, "\n  last said: ");
	put(t, log_last());
	put(t, "\n");
	n = backtrace(frame, FRAMES_MAX);
	for (int i = 0; i < n; i++) {
		put(t, "  #");
		put_number(t, (uint64_t)i, 10);
		put(t, " ");
		put_place(t, (uintptr_t)frame[i]);
		put(t, "\n");
	}
}

static void on_fatal(int signo, siginfo_t *info, void *context)
{
	static struct text report; // not on a stack that may be full
	int none = 0;
	ssize_t ignored;

	// A second fault, in here or in another thread, ends us at once.
	if (atomic_compare_exchange_strong(&dying, &none, signo)) {
		compose(&report, info, context);
		ignored = write(STDERR_FILENO, report.bytes, report.len);
		if (facts.fd >= 0)
			ignored = write(facts.fd, report.bytes, report.len);
		(void)ignored;
		// The handler is off by now (SA_RESETHAND): this is the end, with the signal's
		// name.
		syscall(SYS_tgkill, facts.pid, gettid(), signo);
	}
	syscall(SYS_exit_group, 128 + atomic_load(&dying));
}

// ---------------------------------------------------------------- at start

static void take_build_id(const struct dl_phdr_info *info, const ElfW(Phdr) * ph)
{
	const char *at = (const char *)(info->dlpi_addr + ph->p_vaddr), *end = at + ph->p_memsz;

	while (at + sizeof(ElfW(Nhdr)) <= end) {
		const ElfW(Nhdr) *note = (const void *)at;
		const uint8_t *desc =
			(const uint8_t *)at + sizeof(*note) + ((note->n_namesz + 3u) & ~3u);

		if (note->n_type == NT_GNU_BUILD_ID && note->n_descsz <= 20) {
			for (unsigned i = 0; i < note->n_descsz; i++)
				snprintf(facts.build_id + 2 * i, 3, "%02x", desc[i]);
			return;
		}
		at = (const char *)desc + ((note->n_descsz + 3u) & ~3u);
	}
}

static int take_module(struct dl_phdr_info *info, size_t, void *)
{
	const char *name = strrchr(info->dlpi_name, '/');
	struct module *m = &facts.module[facts.n_modules];

	if (facts.n_modules == MODULES_MAX)
		return 1;
	*m = (struct module){.from = UINTPTR_MAX, .base = info->dlpi_addr};
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + ph->p_vaddr;

		if (ph->p_type == PT_NOTE && facts.n_modules == 0)
			take_build_id(info, ph);
		if (ph->p_type != PT_LOAD || (ph->p_flags & PF_X) == 0)
			continue;
		m->from = from < m->from ? from : m->from;
		m->to = from + ph->p_memsz > m->to ? from + ph->p_memsz : m->to;
	}
	snprintf(m->name, sizeof(m->name), "%s",
		name != NULL ? name + 1 : (facts.n_modules == 0 ? facts.process : "vdso"));
	facts.n_modules++;
	return 0;
}

static void take_modules(void)
{
	facts.n_modules = 0;
	dl_iterate_phdr(take_module, NULL);
}

static void handle_signals(void)
{
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS};
	struct sigaction act = {.sa_sigaction = on_fatal,
		.sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESETHAND)};

	for (unsigned i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigaction(fatal[i], &act, NULL);
}

void crash_thread(void)
{
	stack_t own = {.ss_sp = stack, .ss_size = sizeof(stack)};

	sigaltstack(&own, NULL);
}

void crash_init_fd(const char *process, int fd)
{
	void *warm[2];

	facts.process = process;
	facts.pid = getpid();
	facts.fd = fd;
	snprintf(facts.build_id, sizeof(facts.build_id), "unknown");
	(void)backtrace(warm, 2); // loads the unwinder, which could not be loaded later
	take_modules();
	crash_thread();
#ifndef __SANITIZE_ADDRESS__ // the sanitizer's own report says more
	handle_signals();
#endif
}

int crash_fd(void)
{
	return facts.fd;
}

// The directory may belong to another account: no link of its making is followed.
static int open_file(const char *process, const char *dir)
{
	char path[4096];
	struct stat st;
	int fd, high;

	snprintf(path, sizeof(path), "%s/%s" CRASH_FILE_SUFFIX, dir, process);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0644);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 ||
		(st.st_size > FILE_MAX_BYTES && ftruncate(fd, 0) < 0) || fchmod(fd, 0644) < 0) {
		close(fd);
		return -1;
	}
	// Out of the way of numbers that mean something to a child.
	high = fcntl(fd, F_DUPFD_CLOEXEC, FD_MIN);
	close(fd);
	return high;
}

void crash_init(const char *process, const char *dir)
{
	crash_init_fd(process, dir != NULL ? open_file(process, dir) : -1);
}

void crash_learn(void)
{
	take_modules();
	for (int nr = 0; nr < CALLS_MAX; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);

		if (name != NULL)
			snprintf(facts.call[nr], CALL_BYTES, "%s", name);
		free(name);
	}
}
