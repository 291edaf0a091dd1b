// SPDX-License-Identifier: BSD-3-Clause
// What the data-plane may write into the rings and say over the socket: whatever passes the checks
// can be used as an index or a length. The first byte says which kind of message follows.
#include <string.h>

#include "controlplane/gateway/dplink_check.h"
#include "tests/fuzz/fuzz.h"

static const struct link_hello hello = {
	.head = {LINK_MAGIC, SHM_VERSION, LINK_HELLO, sizeof(struct link_hello), 1},
	.max_sessions = 64,
	.max_lanes = 16,
	.n_workers = 2,
	.n_ports = 2,
};

static void check_hello(const uint8_t *data, size_t size)
{
	struct link_hello h = {0};

	memcpy(&h, data, size < sizeof(h) ? size : sizeof(h));
	if (!dplink_hello_ok(&h, size))
		return;
	fuzz_must(h.n_workers >= 1 && h.n_workers <= LINK_WORKERS_MAX);
	fuzz_must(h.n_ports <= LINK_PORTS_MAX && h.max_sessions <= 1u << 24);
	for (unsigned i = 0; i < h.n_ports; i++)
		fuzz_must(strnlen(h.port[i].name, sizeof(h.port[i].name)) < sizeof(h.port[i].name));
}

static void check_event(const uint8_t *data, size_t size)
{
	struct event ev = {0};

	memcpy(&ev, data, size < sizeof(ev) ? size : sizeof(ev));
	if (!dplink_event_ok(&ev, 1, &hello))
		return;
	fuzz_must(ev.head.session < 64 || ev.head.op == EV_ACK);
	fuzz_must(ev.head.bytes <= sizeof(ev) && ev.head.worker == 1);
	fuzz_must(ev.head.op != EV_PATH || ev.path.path.port_idx < 2);
	fuzz_must(ev.head.op != EV_SESSION || ev.session.path.family == 0 ||
		  ev.session.path.port_idx < 2);
}

static void check_punt(const uint8_t *data, size_t size)
{
	struct punt p = {0};

	memcpy(&p, data, size < sizeof(p) ? size : sizeof(p));
	if (dplink_punt_ok(&p, 1, &hello))
		fuzz_must(p.bytes <= sizeof(p.data) && p.session < 64 && p.from.port_idx < 2);
}

static void check_stats(const uint8_t *data, size_t size)
{
	struct stats_head h = {0}, judged;
	size_t mapped = 1 << 20;

	memcpy(&h, data, size < sizeof(h) ? size : sizeof(h));
	if (!dplink_stats_ok(&h, mapped, &hello, &judged))
		return;
	fuzz_must(judged.worker_offset <= mapped - 2 * sizeof(struct stats_worker));
	fuzz_must(judged.session_offset <= mapped - 2 * 64 * sizeof(struct stats_session));
}

static void check_fdb(const uint8_t *data, size_t size)
{
	static struct link_fdb fdb;

	memset(&fdb, 0, sizeof(fdb));
	memcpy(&fdb, data, size < sizeof(fdb) ? size : sizeof(fdb));
	if (size > sizeof(fdb) || !dplink_fdb_ok(&fdb, size, &hello))
		return;
	fuzz_must(fdb.n <= LINK_FDB_MAX);
	for (uint32_t i = 0; i < fdb.n; i++)
		fuzz_must(fdb.entry[i].idx < (fdb.entry[i].where == LINK_FDB_PORT ? 2 : 64));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const checks[])(const uint8_t *, size_t) = {
		check_hello, check_event, check_punt, check_stats, check_fdb};

	if (size > 0)
		checks[data[0] % 5](data + 1, size - 1);
	return 0;
}
