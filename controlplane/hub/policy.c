// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/hub/policy.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/log.h"
#include "sandbox/account.h"

static const struct sandbox_call calls[] = {
	// The loop, its timers, clocks and signals.
	SANDBOX_CALL(epoll_wait), SANDBOX_CALL(epoll_pwait), SANDBOX_CALL(epoll_ctl),
	SANDBOX_CALL(poll), SANDBOX_CALL(pselect6), SANDBOX_CALL(clock_gettime),
	SANDBOX_CALL(rt_sigaction), SANDBOX_CALL(rt_sigreturn), SANDBOX_CALL(restart_syscall),
	// Sockets: gateways (TCP, UDP), the CLI (Unix), systemd, the kernel (netlink).
	SANDBOX_CALL_IF(socket, SCMP_A0(SCMP_CMP_EQ, AF_UNIX)),
	SANDBOX_CALL_IF(socket, SCMP_A0(SCMP_CMP_EQ, AF_NETLINK)), SANDBOX_CALL(bind),
	SANDBOX_CALL(connect), SANDBOX_CALL(accept4), SANDBOX_CALL(shutdown),
	SANDBOX_CALL(getsockname), SANDBOX_CALL(getpeername), SANDBOX_CALL(getsockopt),
	SANDBOX_CALL(setsockopt), SANDBOX_CALL(sendto), SANDBOX_CALL(sendmsg),
	SANDBOX_CALL(recvfrom), SANDBOX_CALL(recvmsg),
	SANDBOX_CALL_IF(ioctl, SCMP_A1(SCMP_CMP_EQ, FIONBIO)),
	// Files: SQLite's database and journals, certificates. Which ones is Landlock's.
	SANDBOX_CALL(openat), SANDBOX_CALL(close), SANDBOX_CALL(read), SANDBOX_CALL(write),
	SANDBOX_CALL(writev), SANDBOX_CALL(pread64), SANDBOX_CALL(pwrite64), SANDBOX_CALL(lseek),
	SANDBOX_CALL(fcntl), SANDBOX_CALL(access), SANDBOX_CALL(newfstatat),
	SANDBOX_CALL(readlinkat), SANDBOX_CALL(readlink), SANDBOX_CALL(fsync),
	SANDBOX_CALL(fdatasync), SANDBOX_CALL(ftruncate), SANDBOX_CALL(rename),
	SANDBOX_CALL(unlink), SANDBOX_CALL(fchmod), SANDBOX_CALL(fchown), SANDBOX_CALL(geteuid),
	// Memory.
	SANDBOX_CALL_IF(mmap, SANDBOX_NO_EXEC), SANDBOX_CALL(munmap), SANDBOX_CALL(mremap),
	SANDBOX_CALL_IF(mprotect, SANDBOX_NO_EXEC), SANDBOX_CALL(madvise), SANDBOX_CALL(brk),
	SANDBOX_CALL(munlock), SANDBOX_CALL(futex), SANDBOX_CALL(getrandom), SANDBOX_CALL(sysinfo),
	// The end of the signer, and our own.
	SANDBOX_CALL(pidfd_open), SANDBOX_CALL(wait4), SANDBOX_CALL(kill),
	SANDBOX_CALL(exit_group)};
const struct sandbox_list policy_calls = {calls, sizeof(calls) / sizeof(calls[0])};

int policy_become(const struct hub_config *cfg, struct hub_error *ret_error)
{
	static const cap_value_t keep[] = {CAP_NET_ADMIN}; // the set of those who may connect
	const struct account to = account_find(cfg->user, NULL);
	int err = 0;

	if (mkdir(cfg->run_dir, 0755) < 0 && errno != EEXIST) {
		err = -errno;
		hub_error_set(ret_error, "Make it, or choose another hub.run_dir.",
			"The directory %s cannot be made: %s.", cfg->run_dir, strerror(-err));
		return err;
	}
	if (geteuid() == 0 && !to.change)
		log_notice("staying root without its capabilities: %s",
			cfg->user != NULL ? "hub.user says so"
					  : "there is no account postern-hub "
					    "(packaging/sysusers.d makes it)");
	if (to.change)
		err = account_hand_over(cfg->run_dir, &to);
	if (to.change && err == 0)
		err = account_hand_over(cfg->state_dir, &to);
	sandbox_lock_memory();
	if (err == 0)
		err = account_become(&to, keep, cfg->silence == CONFIG_SILENCE_NFT ? 1 : 0);
	if (err < 0)
		hub_error_set(ret_error, "Start the hub as root, or without hub.user.",
			"The hub cannot become the user %s: %s.", to.change ? to.name : "root",
			strerror(-err));
	return err;
}

int policy_enter(const struct hub_config *cfg)
{
	const struct sandbox_path paths[] = {
		{cfg->state_dir, true}, {cfg->run_dir, true},
		{"/etc", false},         // protocols, time zone
		{"/dev/urandom", false}, // SQLite
	};
	const struct sandbox_list lists[] = {policy_calls, sandbox_dying};
	int err = sandbox_files(paths, sizeof(paths) / sizeof(paths[0]));

	return err < 0 || SANDBOX_SANITIZED ? err : sandbox_calls(lists, 2);
}
