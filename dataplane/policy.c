// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "config/gateway.h"
#include "dataplane/runtime.h"
#include "sandbox/account.h"

// Every data-plane: what it says, waits for and reads; control's connection and rings; live tags;
// the AF_XDP driver's kicks and drop counters; path challenges; memory.
static const struct sandbox_call every[] = {
	SANDBOX_CALL(read),
	SANDBOX_CALL(write),
	SANDBOX_CALL(poll),
	SANDBOX_CALL(ppoll),
	SANDBOX_CALL(epoll_wait),
	SANDBOX_CALL(accept4),
	SANDBOX_CALL(recvmsg),
	SANDBOX_CALL(sendmsg),
	SANDBOX_CALL(recvfrom),
	SANDBOX_CALL(sendto),
	SANDBOX_CALL(getsockopt),
	SANDBOX_CALL(close),
	SANDBOX_CALL_IF(fcntl, SCMP_A1(SCMP_CMP_EQ, F_GET_SEALS)),
	SANDBOX_CALL_IF(fcntl, SCMP_A1(SCMP_CMP_EQ, F_DUPFD_CLOEXEC)),
	SANDBOX_CALL_IF(newfstatat, SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH)),
	SANDBOX_CALL_IF(bpf, SCMP_A0(SCMP_CMP_EQ, BPF_MAP_LOOKUP_ELEM)),
	SANDBOX_CALL_IF(bpf, SCMP_A0(SCMP_CMP_EQ, BPF_MAP_UPDATE_ELEM)),
	SANDBOX_CALL_IF(bpf, SCMP_A0(SCMP_CMP_EQ, BPF_MAP_DELETE_ELEM)),
	SANDBOX_CALL_IF(bpf, SCMP_A0(SCMP_CMP_EQ, BPF_MAP_GET_NEXT_KEY)),
	SANDBOX_CALL_IF(mmap, SANDBOX_NO_EXEC),
	SANDBOX_CALL(munmap),
	SANDBOX_CALL(brk),
	SANDBOX_CALL(futex),
	SANDBOX_CALL(getrandom),
	SANDBOX_CALL(clock_gettime), // where the vDSO cannot
	SANDBOX_CALL(restart_syscall),
	SANDBOX_CALL(rt_sigreturn), // from glibc's signal for setresuid(), perhaps later than that
	SANDBOX_CALL(exit_group),
};

// A port of kind tap: the driver reads and writes the device.
static const struct sandbox_call tap[] = {
	SANDBOX_CALL(readv),
	SANDBOX_CALL(writev),
};

// A port of kind dpdk: drivers speak to VFIO, to virtio's kernel half, and to their devices' files.
static const struct sandbox_call driver[] = {
	SANDBOX_CALL(ioctl),
	SANDBOX_CALL(pread64),
	SANDBOX_CALL(pwrite64),
	SANDBOX_CALL(lseek),
	// Drop counters are files for some; they do without.
	{.nr = SCMP_SYS(openat), .refuse = EACCES},
};

// A port of kind udp: a socket in batches.
static const struct sandbox_call udp[] = {
	SANDBOX_CALL(recvmmsg),
	SANDBOX_CALL(sendmmsg),
};

static const struct sandbox_call janitor[] = {
	SANDBOX_CALL(recvfrom),
	SANDBOX_CALL_IF(socket, SCMP_A0(SCMP_CMP_EQ, AF_NETLINK)),
	SANDBOX_CALL(setsockopt),
	SANDBOX_CALL(bind),
	SANDBOX_CALL(getsockname),
	SANDBOX_CALL(sendto),
	SANDBOX_CALL(recvmsg),
	SANDBOX_CALL(close),
	SANDBOX_CALL_IF(mmap, SANDBOX_NO_EXEC),
	SANDBOX_CALL(munmap),
	SANDBOX_CALL(brk),
	SANDBOX_CALL(clock_gettime),
	SANDBOX_CALL(restart_syscall),
	SANDBOX_CALL(exit_group),
};

#define LIST(table) ((struct sandbox_list){table, sizeof(table) / sizeof(table[0])})

unsigned policy_lists(const struct port_rt *ports, unsigned n_ports,
	struct sandbox_list ret_lists[POLICY_LISTS_MAX])
{
	bool has[CONFIG_KIND_UDP + 1] = {false};
	unsigned n = 0;

	for (unsigned i = 0; i < n_ports; i++)
		has[ports[i].kind] = true;
	ret_lists[n++] = LIST(every);
	// An exception interface of a dpdk port is a tap, too.
	if (has[CONFIG_KIND_TAP] || has[CONFIG_KIND_DPDK])
		ret_lists[n++] = LIST(tap);
	if (has[CONFIG_KIND_DPDK])
		ret_lists[n++] = LIST(driver);
	if (has[CONFIG_KIND_UDP])
		ret_lists[n++] = LIST(udp);
	ret_lists[n++] = sandbox_dying;
	return n;
}

// Landlock holds for this thread and those it starts; DPDK's were started before, and open nothing
// because of the filter, which holds for all.
int policy_enter(const struct runtime *rt)
{
	const struct account to = account_find(rt->cfg->dataplane_user, "nobody");
	struct sandbox_list lists[POLICY_LISTS_MAX];
	int err = account_become(&to, NULL, 0);

	if (err == 0)
		err = sandbox_files(NULL, 0);
	return err < 0 || SANDBOX_SANITIZED
		       ? err
		       : sandbox_calls(lists, policy_lists(rt->port, rt->dp.n_ports, lists));
}

int policy_enter_janitor(const struct dataplane_config *cfg)
{
	static const cap_value_t keep[] = {CAP_NET_ADMIN};
	const struct account to = account_find(cfg->dataplane_user, "nobody");
	const struct sandbox_list lists[] = {LIST(janitor), sandbox_dying};
	int err = account_become(&to, keep, 1);

	if (err == 0)
		err = sandbox_files(NULL, 0);
	return err < 0 || SANDBOX_SANITIZED ? err : sandbox_calls(lists, 2);
}
