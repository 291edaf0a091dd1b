// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/gateway/policy.h"

#include <errno.h>
#include <libgen.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/log.h"
#include "controlplane/gateway/control.h"
#include "sandbox/account.h"

#define PATHS_MAX 64

// Neighbours (RTM_NEWNEIGH) and the nft table.
static const cap_value_t keep[] = {CAP_NET_ADMIN};

static const struct sandbox_call calls[] = {
	// The loop, its timers, clocks and signals.
	SANDBOX_CALL(epoll_wait), SANDBOX_CALL(epoll_pwait), SANDBOX_CALL(epoll_ctl),
	SANDBOX_CALL(poll), SANDBOX_CALL(pselect6), SANDBOX_CALL(timerfd_settime),
	SANDBOX_CALL(clock_gettime), SANDBOX_CALL(rt_sigaction), SANDBOX_CALL(rt_sigreturn),
	SANDBOX_CALL(restart_syscall),
	// Sockets: the hub (TCP, UDP), the data-plane and the CLI (Unix), the kernel (netlink).
	SANDBOX_CALL_IF(socket, SCMP_A0(SCMP_CMP_EQ, AF_UNIX)),
	SANDBOX_CALL_IF(socket, SCMP_A0(SCMP_CMP_EQ, AF_INET)),
	SANDBOX_CALL_IF(socket, SCMP_A0(SCMP_CMP_EQ, AF_INET6)),
	SANDBOX_CALL_IF(socket, SCMP_A0(SCMP_CMP_EQ, AF_NETLINK)), SANDBOX_CALL(bind),
	SANDBOX_CALL(connect), SANDBOX_CALL(accept4), SANDBOX_CALL(shutdown),
	SANDBOX_CALL(getsockname), SANDBOX_CALL(getpeername), SANDBOX_CALL(getsockopt),
	SANDBOX_CALL(setsockopt), SANDBOX_CALL(sendto), SANDBOX_CALL(sendmsg),
	SANDBOX_CALL(recvfrom), SANDBOX_CALL(recvmsg),
	SANDBOX_CALL_IF(ioctl, SCMP_A1(SCMP_CMP_EQ, FIONBIO)),
	SANDBOX_CALL_IF(ioctl, SCMP_A1(SCMP_CMP_EQ, TCGETS)), // isatty() of the YAML reader
	// Files: the state, and what a reload reads. Which ones is Landlock's.
	SANDBOX_CALL(openat), SANDBOX_CALL(close), SANDBOX_CALL(read), SANDBOX_CALL(write),
	SANDBOX_CALL(writev), SANDBOX_CALL(lseek), SANDBOX_CALL(fcntl), SANDBOX_CALL(access),
	SANDBOX_CALL(newfstatat), SANDBOX_CALL(readlinkat), SANDBOX_CALL(fsync),
	SANDBOX_CALL(rename), SANDBOX_CALL(unlink), SANDBOX_CALL(sched_getaffinity),
	// Memory, and the rings for a data-plane that was restarted.
	SANDBOX_CALL_IF(mmap, SANDBOX_NO_EXEC), SANDBOX_CALL(munmap), SANDBOX_CALL(mremap),
	SANDBOX_CALL_IF(mprotect, SANDBOX_NO_EXEC), SANDBOX_CALL(madvise), SANDBOX_CALL(brk),
	SANDBOX_CALL(memfd_create), SANDBOX_CALL(ftruncate), SANDBOX_CALL(eventfd2),
	SANDBOX_CALL(futex), SANDBOX_CALL(getrandom), SANDBOX_CALL(sysinfo),
	// The end of the signer, and our own.
	SANDBOX_CALL(pidfd_open), SANDBOX_CALL(wait4), SANDBOX_CALL(kill),
	SANDBOX_CALL(exit_group)};
const struct sandbox_list policy_calls = {calls, sizeof(calls) / sizeof(calls[0])};

// The directory of a file: an editor replaces files by renaming.
static void add_folder(struct sandbox_path *paths, unsigned *n, const char *file)
{
	char *copy = file != NULL && *n < PATHS_MAX ? strdup(file) : NULL;

	if (copy != NULL)
		paths[(*n)++] = (struct sandbox_path){.path = dirname(copy)};
}

// Descriptors to the directories last as long as the process; the few bytes of their names do, too.
static int keep_files(const struct control *c)
{
	const struct gateway_config *cfg = c->config;
	struct sandbox_path paths[PATHS_MAX + 4] = {
		{cfg->state_dir, true}, {cfg->dataplane.run_dir, true},
		{"/etc", false},         // accounts, time zone, protocols
		{"/sys/devices", false}, // which CPUs there are, for a reload
	};
	unsigned n = 4;

	add_folder(paths, &n, c->config_path);
	add_folder(paths, &n, cfg->identity.passphrase_file);
	for (unsigned i = 0; i < cfg->n_peers; i++)
		add_folder(paths, &n, cfg->peers[i].psk_file);
	return sandbox_files(paths, n);
}

int policy_become(const struct control *c)
{
	const struct gateway_config *cfg = c->config;
	struct account to = account_find(cfg->dataplane.user, NULL);
	const char *dirs[] = {cfg->dataplane.run_dir, cfg->state_dir};

	if (geteuid() == 0)
		mkdir(cfg->dataplane.run_dir, 0755);
	if (geteuid() == 0 && !to.change)
		log_notice("staying root without its capabilities: %s",
			cfg->dataplane.user != NULL ? "gateway.user says so"
						    : "there is no account postern "
						      "(packaging/sysusers.d makes it)");
	for (unsigned i = 0; to.change && i < 2; i++) {
		int err = account_hand_over(dirs[i], &to);

		if (err < 0)
			log_warning(
				"%s does not belong to %s: %s", dirs[i], to.name, strerror(-err));
	}
	sandbox_lock_memory();
	return account_become(&to, keep, 1);
}

int policy_enter(const struct control *c)
{
	const struct sandbox_list lists[] = {policy_calls, sandbox_dying};
	int err = keep_files(c);

	return err < 0 || SANDBOX_SANITIZED ? err : sandbox_calls(lists, 2);
}
