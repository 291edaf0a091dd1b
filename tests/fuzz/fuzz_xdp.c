// SPDX-License-Identifier: BSD-3-Clause
// The XDP program on any frame: one verdict and one counter, nothing read past the end, nothing
// left to the kernel that the kernel could bring to the overlay port, nothing kept from the
// data-plane that the data-plane's own parser takes.
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <string.h>

#include "dataplane/outer.h"
#include "tests/bpf/xdp_user.h"
#include "tests/fuzz/fuzz.h"
#include "wire/bytes.h"

#define PORT 7667

static const struct xdp_tag live = {{1, 2, 3, 4, 5, 6, 7, 8}};

static bool udp_to_us(const uint8_t *udp, size_t left)
{
	return left >= 8 && get_be16(udp + 2) == PORT;
}

// What Linux would hand to a socket of the port, were there one: told by the standards, loosely,
// because what is too much here is a finding, what is too little is none.
static bool kernel_could_answer(const uint8_t *f, size_t len)
{
	size_t at = 14, total;
	uint8_t next;

	if (len >= 34 && get_be16(f + 12) == 0x0800 && f[14] >> 4 == 4) {
		size_t header = (f[14] & 15) * 4u;

		total = get_be16(f + 16);
		return header >= 20 && total >= header + 8 && total <= len - 14 && f[23] == 17 &&
		       (get_be16(f + 20) & 0x1fff) == 0 &&
		       udp_to_us(f + 14 + header, total - header);
	}
	if (len < 54 || get_be16(f + 12) != 0x86dd || f[14] >> 4 != 6)
		return false;
	total = 14 + 40 + get_be16(f + 18);
	next = f[20];
	at += 40;
	for (unsigned i = 0; i < 6 && total <= len; i++) {
		if (next == 17)
			return at <= total && udp_to_us(f + at, total - at);
		if ((next != 0 && next != 43 && next != 44 && next != 60) || at + 8 > total)
			return false;
		if (next == 44 && (get_be16(f + at + 2) & 0xfff8) != 0)
			return false;
		size_t bytes = next == 44 ? 8 : (f[at + 1] + 1u) * 8;

		next = f[at];
		at += bytes;
	}
	return false;
}

static unsigned plain_header(const struct outer_view *v)
{
	return v->family == 4 ? OUTER_IPV4_BYTES : OUTER_IPV6_BYTES;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct xdp_user_world world = {.config = {.be_port = 0}};
	uint64_t counters[XDP_COUNTERS_N] = {0};
	uint64_t moved = 0, drops = 0;
	enum drop_reason why;
	struct outer_view v;
	uint32_t verdict;

	if (size > XDP_USER_FRAME_MAX)
		return 0;
	world.config.be_port = htons(PORT);
	world.live_tag = live;
	world.has_socket = true;
	world.now_ns += 1000000000;
	verdict = xdp_user_run(&world, data, size, counters);

	for (unsigned i = 0; i < XDP_COUNTERS_N; i++) {
		moved += counters[i];
		drops += i >= XDP_COUNTER_DROPS ? counters[i] : 0;
	}
	fuzz_must(moved == 1);
	fuzz_must(verdict == XDP_PASS || verdict == XDP_DROP || verdict == XDP_REDIRECT);
	fuzz_must((verdict == XDP_DROP) == (drops == 1));
	fuzz_must((verdict == XDP_PASS) == (counters[XDP_PASSED] == 1));
	if (kernel_could_answer(data, size))
		fuzz_must(verdict != XDP_PASS);
	if (outer_parse((uint8_t *)data, (uint32_t)size, &v, &why)) {
		fuzz_must(v.be_dport == htons(PORT) || verdict == XDP_PASS);
		// With IP options the program takes none, which Postern never sends.
		if (v.be_dport == htons(PORT) && v.payload == data + plain_header(&v) &&
			pkt_data_plausible(v.payload, v.payload_bytes))
			fuzz_must(verdict == XDP_REDIRECT && counters[XDP_DATA] == 1);
	} else if (verdict == XDP_REDIRECT) {
		// Sums are the worker's to check: the program's budget is for what a flood needs.
		fuzz_must(why == DROP_OUTER_CHECKSUM);
	}
	return 0;
}
