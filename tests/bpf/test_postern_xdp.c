// SPDX-License-Identifier: BSD-3-Clause
// What the XDP programs do with a frame: verdict and counter, run in the kernel.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "tests/bpf/frames.h"
#include "tests/bpf/xdp_user.h"
#include "wire/xdp.h"

#define EXIT_SKIPPED    77
#define DROPPED(reason) XDP_COUNTER_DROP(DROP_##reason)
#define CPUS_MAX        1024

struct program {
	struct bpf_object *obj;
	int prog_fd;
	int xsks_fd;
	int config_fd;
	int tags_fd;
	int bucket_fd;
	int counters_fd;
	int socket_fd;
};

static struct program wan, lan;
static int n_cpus;
static const uint8_t live_tag[8] = {1, 2, 3, 4, 5, 6, 7, 8};
static const uint8_t dead_tag[8] = {1, 2, 3, 4, 5, 6, 7, 9};

static int map_fd(const struct program *p, const char *name)
{
	return bpf_object__find_map_fd_by_name(p->obj, name);
}

static int program_load(struct program *p, const char *file, const char *prog_name)
{
	const char *dir = getenv("POSTERN_BPF_DIR");
	struct bpf_program *prog;
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir != NULL ? dir : "build/bpf", file);
	p->obj = bpf_object__open_file(path, NULL);
	if (p->obj == NULL || bpf_object__load(p->obj) != 0)
		return -errno;
	prog = bpf_object__find_program_by_name(p->obj, prog_name);
	assert_non_null(prog);
	p->prog_fd = bpf_program__fd(prog);
	p->xsks_fd = map_fd(p, XDP_MAP_XSKS);
	p->config_fd = map_fd(p, XDP_MAP_CONFIG);
	p->tags_fd = map_fd(p, XDP_MAP_TAGS);
	p->bucket_fd = map_fd(p, XDP_MAP_BUCKET);
	p->counters_fd = map_fd(p, XDP_MAP_COUNTERS);
	p->socket_fd = socket(AF_XDP, SOCK_RAW, 0);
	return p->socket_fd < 0 ? -errno : 0;
}

static void set_socket(struct program *p, bool present)
{
	uint32_t queue = 0;

	if (present)
		assert_int_equal(bpf_map_update_elem(p->xsks_fd, &queue, &p->socket_fd, 0), 0);
	else
		bpf_map_delete_elem(p->xsks_fd, &queue);
}

static void set_config(const struct xdp_config *cfg)
{
	uint32_t zero = 0;

	assert_int_equal(bpf_map_update_elem(wan.config_fd, &zero, cfg, 0), 0);
}

// Fresh buckets, one live tag, an overlay port and a socket.
static int set_up(void **state)
{
	struct xdp_config cfg = {.be_port = htons(TEST_PORT)};
	struct xdp_bucket full[CPUS_MAX];
	struct xdp_bucket bucket = {0};
	uint32_t zero = 0;

	set_config(&cfg);
	set_socket(&wan, true);
	memset(full, 0, sizeof(full));
	assert_int_equal(bpf_map_update_elem(wan.bucket_fd, &zero, full, 0), 0);
	assert_int_equal(bpf_map_update_elem(wan.tags_fd, live_tag, &bucket, 0), 0);
	return 0;
}

static void read_counters(const struct program *p, uint64_t *sum)
{
	uint64_t values[CPUS_MAX];

	for (uint32_t i = 0; i < XDP_COUNTERS_N; i++) {
		assert_int_equal(bpf_map_lookup_elem(p->counters_fd, &i, values), 0);
		sum[i] = 0;
		for (int cpu = 0; cpu < n_cpus; cpu++)
			sum[i] += values[cpu];
	}
}

static uint32_t run(const struct program *p, const struct frame *f)
{
	uint8_t out[FRAME_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->bytes, .data_size_in = (uint32_t)f->len,
		.data_out = out, .data_size_out = sizeof(out), .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(p->prog_fd, &opts), 0);
	return opts.retval;
}

// The frame gets this verdict, this counter rises by one, and no other moves.
static void expect(const struct program *p, const struct frame *f, uint32_t verdict,
	uint32_t counter, const char *name)
{
	uint64_t before[XDP_COUNTERS_N], after[XDP_COUNTERS_N];
	uint32_t got;

	read_counters(p, before);
	got = run(p, f);
	read_counters(p, after);
	if (got != verdict)
		fail_msg("%s: verdict %u, expected %u", name, got, verdict);
	for (int i = 0; i < XDP_COUNTERS_N; i++)
		if (after[i] - before[i] != (i == (int)counter))
			fail_msg(
				"%s: counter %d moved by %d", name, i, (int)(after[i] - before[i]));
}

struct verdict_case {
	const char *name;
	struct frame_spec spec;
	uint8_t type;   // 0x18 data, else a handshake
	uint16_t bytes; // of the payload
	bool dead;      // under a tag that is not live
	uint32_t verdict;
	uint32_t counter;
};

static const struct verdict_case cases[] = {
	{"a datagram to another port is the kernel's", {.dport = 53}, 0x18, 100, false, XDP_PASS,
		XDP_PASSED},
	{"TCP to the overlay port is the kernel's", {.ip_proto = 6}, 0x18, 100, false, XDP_PASS,
		XDP_PASSED},
	{"a VLAN-tagged datagram is the kernel's", {.vlan = 7}, 0x18, 100, false, XDP_PASS,
		XDP_PASSED},
	{"IPv6 to another port is the kernel's", {.family = 6, .dport = 53}, 0x18, 100, false,
		XDP_PASS, XDP_PASSED},
	{"a later IPv4 fragment is the kernel's", {.ip_fragment = 0x2010}, 0x18, 100, false,
		XDP_PASS, XDP_PASSED},
	{"a last IPv4 fragment is the kernel's", {.ip_fragment = 0x0010}, 0x18, 100, false,
		XDP_PASS, XDP_PASSED},
	{"a first IPv4 fragment to another port is the kernel's",
		{.ip_fragment = 0x2000, .dport = 53}, 0x18, 100, false, XDP_PASS, XDP_PASSED},
	{"a first IPv4 fragment never reaches the kernel", {.ip_fragment = 0x2000}, 0x18, 100,
		false, XDP_DROP, DROPPED(XDP_FRAGMENT)},
	{"a first IPv6 fragment never reaches the kernel",
		{.family = 6, .has_ext = true, .ext = 44, .ip_fragment = 1}, 0x18, 100, false,
		XDP_DROP, DROPPED(XDP_FRAGMENT)},
	{"an atomic IPv6 fragment never reaches the kernel",
		{.family = 6, .has_ext = true, .ext = 44}, 0x18, 100, false, XDP_DROP,
		DROPPED(XDP_FRAGMENT)},
	{"a later IPv6 fragment is the kernel's",
		{.family = 6, .has_ext = true, .ext = 44, .ip_fragment = 0x101}, 0x18, 100, false,
		XDP_PASS, XDP_PASSED},
	{"IPv4 options do not smuggle a datagram to the kernel", {.ipv4_option_words = 1}, 0x18,
		100, false, XDP_DROP, DROPPED(XDP_SHAPE)},
	{"the most IPv4 options do not either", {.ipv4_option_words = 10}, 0x11, 128, false,
		XDP_DROP, DROPPED(XDP_SHAPE)},
	{"IPv4 options to another port are the kernel's", {.ipv4_option_words = 10, .dport = 53},
		0x11, 128, false, XDP_PASS, XDP_PASSED},
	{"hop-by-hop options do not smuggle a datagram", {.family = 6, .has_ext = true, .ext = 0},
		0x18, 100, false, XDP_DROP, DROPPED(XDP_SHAPE)},
	{"destination options do not smuggle a datagram", {.family = 6, .has_ext = true, .ext = 60},
		0x18, 100, false, XDP_DROP, DROPPED(XDP_SHAPE)},
	{"a routing header does not smuggle a datagram", {.family = 6, .has_ext = true, .ext = 43},
		0x18, 100, false, XDP_DROP, DROPPED(XDP_SHAPE)},
	{"a UDP length below its header is refused", {.udp_len_delta = -101}, 0x18, 100, false,
		XDP_DROP, DROPPED(XDP_SHAPE)},
	{"a UDP length of one too few is refused", {.udp_len_delta = -1}, 0x18, 100, false,
		XDP_DROP, DROPPED(XDP_SHAPE)},
	{"a UDP length of one too many is refused", {.udp_len_delta = 1}, 0x18, 100, false,
		XDP_DROP, DROPPED(XDP_SHAPE)},
	{"an IPv4 length beyond the frame is refused", {.ip_len_delta = 1}, 0x18, 100, false,
		XDP_DROP, DROPPED(XDP_SHAPE)},
	{"an IPv4 length below its header is refused", {.ip_len_delta = -120}, 0x18, 100, false,
		XDP_DROP, DROPPED(XDP_SHAPE)},
	{"an IPv6 length beyond the frame is refused", {.family = 6, .ip_len_delta = 1}, 0x18, 100,
		false, XDP_DROP, DROPPED(XDP_SHAPE)},
	{"an IPv6 length of zero is refused", {.family = 6, .ip_len_delta = -108}, 0x18, 100, false,
		XDP_DROP, DROPPED(XDP_SHAPE)},
	{"an empty datagram is too short", {0}, 0x18, 0, false, XDP_DROP, DROPPED(XDP_SHAPE)},
	{"data of 35 bytes is too short", {0}, 0x18, 35, false, XDP_DROP, DROPPED(XDP_SHAPE)},
	{"data of 36 bytes passes", {0}, 0x18, 36, false, XDP_REDIRECT, XDP_DATA},
	{"data of a full frame passes", {0}, 0x18, 1472, false, XDP_REDIRECT, XDP_DATA},
	{"data over IPv6 passes", {.family = 6}, 0x18, 1452, false, XDP_REDIRECT, XDP_DATA},
	{"Ethernet padding is not mistaken for payload", {.trailer = 6}, 0x18, 36, false,
		XDP_REDIRECT, XDP_DATA},
	{"Ethernet padding does not lengthen a short one", {.trailer = 6}, 0x18, 35, false,
		XDP_DROP, DROPPED(XDP_SHAPE)},
	{"type 0x00 is no datagram", {0}, 0x00, 128, false, XDP_DROP, DROPPED(XDP_SHAPE)},
	{"type 0x0f is no datagram", {0}, 0x0f, 128, false, XDP_DROP, DROPPED(XDP_SHAPE)},
	{"type 0x15 is no datagram", {0}, 0x15, 128, false, XDP_DROP, DROPPED(XDP_SHAPE)},
	{"type 0x17 is no datagram", {0}, 0x17, 128, false, XDP_DROP, DROPPED(XDP_SHAPE)},
	{"type 0x19 is no datagram", {0}, 0x19, 128, false, XDP_DROP, DROPPED(XDP_SHAPE)},
	{"type 0xff is no datagram", {0}, 0xff, 128, false, XDP_DROP, DROPPED(XDP_SHAPE)},
	{"a handshake of 39 bytes is too short", {0}, 0x10, 39, false, XDP_DROP,
		DROPPED(XDP_SHAPE)},
	{"PUNCH of 41 bytes is refused", {0}, 0x10, 41, false, XDP_DROP, DROPPED(XDP_SHAPE)},
	{"M1 of 127 bytes is refused", {0}, 0x11, 127, false, XDP_DROP, DROPPED(XDP_SHAPE)},
	{"M1 of 129 bytes is refused", {0}, 0x11, 129, false, XDP_DROP, DROPPED(XDP_SHAPE)},
	{"M2 without a certificate is refused", {0}, 0x12, 234, false, XDP_DROP,
		DROPPED(XDP_SHAPE)},
	{"M2 of 1233 bytes is refused", {0}, 0x12, 1233, false, XDP_DROP, DROPPED(XDP_SHAPE)},
	{"M3 without a certificate is refused", {0}, 0x13, 162, false, XDP_DROP,
		DROPPED(XDP_SHAPE)},
	{"M3 of 1233 bytes is refused", {0}, 0x13, 1233, false, XDP_DROP, DROPPED(XDP_SHAPE)},
	{"RETRY of 55 bytes is refused", {0}, 0x14, 55, false, XDP_DROP, DROPPED(XDP_SHAPE)},
	{"RETRY of 57 bytes is refused", {0}, 0x14, 57, false, XDP_DROP, DROPPED(XDP_SHAPE)},
	{"PUNCH under a dead tag is dropped", {0}, 0x10, 40, true, XDP_DROP, DROPPED(XDP_TAG)},
	{"M1 under a dead tag is dropped", {0}, 0x11, 128, true, XDP_DROP, DROPPED(XDP_TAG)},
	{"M2 under a dead tag is dropped", {0}, 0x12, 682, true, XDP_DROP, DROPPED(XDP_TAG)},
	{"M3 under a dead tag is dropped", {0}, 0x13, 610, true, XDP_DROP, DROPPED(XDP_TAG)},
	{"RETRY under a dead tag is dropped", {0}, 0x14, 56, true, XDP_DROP, DROPPED(XDP_TAG)},
	{"PUNCH under a live tag passes", {0}, 0x10, 40, false, XDP_REDIRECT, XDP_HANDSHAKE},
	{"M1 under a live tag passes", {0}, 0x11, 128, false, XDP_REDIRECT, XDP_HANDSHAKE},
	{"the smallest M2 passes", {0}, 0x12, 235, false, XDP_REDIRECT, XDP_HANDSHAKE},
	{"the largest M2 passes", {0}, 0x12, 1232, false, XDP_REDIRECT, XDP_HANDSHAKE},
	{"the smallest M3 passes", {0}, 0x13, 163, false, XDP_REDIRECT, XDP_HANDSHAKE},
	{"the largest M3 passes", {0}, 0x13, 1232, false, XDP_REDIRECT, XDP_HANDSHAKE},
	{"RETRY under a live tag passes", {0}, 0x14, 56, false, XDP_REDIRECT, XDP_HANDSHAKE},
	{"M1 over IPv6 passes", {.family = 6}, 0x11, 128, false, XDP_REDIRECT, XDP_HANDSHAKE},
};

static void build_case(const struct verdict_case *c, struct frame *f)
{
	uint8_t payload[FRAME_MAX] = {0};

	if (c->type == 0x18)
		payload_data(payload, c->bytes);
	else
		payload_handshake(payload, c->type, c->bytes, c->dead ? dead_tag : live_tag);
	frame_build(f, &c->spec, payload, c->bytes);
}

static void every_shape_gets_its_verdict(void **state)
{
	struct frame f;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		build_case(&cases[i], &f);
		expect(&wan, &f, cases[i].verdict, cases[i].counter, cases[i].name);
	}
}

// A frame cut anywhere is either left to the kernel (cut before the port can be read) or dropped;
// it never reaches the socket.
static void no_truncation_reaches_the_socket(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frame whole, cut;

		if (cases[i].verdict != XDP_REDIRECT || cases[i].spec.trailer != 0)
			continue;
		build_case(&cases[i], &whole);
		for (size_t len = 14; len < whole.len; len++) {
			size_t headers = cases[i].spec.family == 6 ? 14 + 40 + 8 : 14 + 20 + 8;
			uint32_t verdict;

			cut = whole;
			cut.len = len;
			verdict = run(&wan, &cut);
			if (verdict != (len < headers ? XDP_PASS : XDP_DROP))
				fail_msg("%s, cut to %zu: verdict %u", cases[i].name, len, verdict);
		}
	}
}

static void a_handshake_whose_length_field_lies_is_dropped(void **state)
{
	uint8_t payload[128];
	struct frame f;

	payload_handshake(payload, 0x11, sizeof(payload), live_tag);
	payload[3] = 1;
	frame_build(&f, &(struct frame_spec){0}, payload, sizeof(payload));
	expect(&wan, &f, XDP_DROP, DROPPED(XDP_SHAPE), "length field");
}

static void without_a_port_everything_is_the_kernels(void **state)
{
	struct xdp_config cfg = {0};
	struct frame f;

	set_config(&cfg);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		build_case(&cases[i], &f);
		expect(&wan, &f, XDP_PASS, XDP_PASSED, cases[i].name);
	}
}

static void without_a_socket_overlay_traffic_is_dropped(void **state)
{
	struct frame f;

	set_socket(&wan, false);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool overlay = cases[i].verdict == XDP_REDIRECT;

		build_case(&cases[i], &f);
		expect(&wan, &f, overlay ? XDP_DROP : cases[i].verdict,
			overlay ? DROPPED(XDP_NO_SOCKET) : cases[i].counter, cases[i].name);
	}
}

static void a_removed_tag_is_dead_at_once(void **state)
{
	uint8_t payload[128];
	struct frame f;

	payload_handshake(payload, 0x11, sizeof(payload), live_tag);
	frame_build(&f, &(struct frame_spec){0}, payload, sizeof(payload));
	expect(&wan, &f, XDP_REDIRECT, XDP_HANDSHAKE, "live");
	assert_int_equal(bpf_map_delete_elem(wan.tags_fd, live_tag), 0);
	expect(&wan, &f, XDP_DROP, DROPPED(XDP_TAG), "removed");
}

// A flood under one tag stops at the tag's burst, and another pair's tag is still served.
static void one_tag_cannot_starve_another(void **state)
{
	struct xdp_config cfg = {.be_port = htons(TEST_PORT),
		.tag_per_s = 1,
		.tag_burst = 5,
		.hs_per_s = 1,
		.hs_burst = 100};
	struct xdp_bucket bucket = {0};
	uint8_t payload[128];
	struct frame f;

	set_config(&cfg);
	assert_int_equal(bpf_map_update_elem(wan.tags_fd, dead_tag, &bucket, 0), 0);
	payload_handshake(payload, 0x11, sizeof(payload), live_tag);
	frame_build(&f, &(struct frame_spec){0}, payload, sizeof(payload));
	for (int i = 0; i < 5; i++)
		expect(&wan, &f, XDP_REDIRECT, XDP_HANDSHAKE, "within the burst");
	expect(&wan, &f, XDP_DROP, DROPPED(XDP_RATE), "beyond the burst");
	payload_handshake(payload, 0x11, sizeof(payload), dead_tag);
	frame_build(&f, &(struct frame_spec){0}, payload, sizeof(payload));
	expect(&wan, &f, XDP_REDIRECT, XDP_HANDSHAKE, "another tag");
	bpf_map_delete_elem(wan.tags_fd, dead_tag);
}

// Only the worker can tell a pair's own handshake from garbage under its tag, so garbage at a rate
// that the worker can look at must all reach it.
static void a_flood_that_a_worker_can_check_stops_no_handshake(void **state)
{
	struct xdp_config cfg = {.be_port = htons(TEST_PORT)};
	uint64_t before[XDP_COUNTERS_N], after[XDP_COUNTERS_N];
	uint8_t payload[128];
	struct frame f;

	set_config(&cfg);
	payload_handshake(payload, 0x11, sizeof(payload), live_tag);
	frame_build(&f, &(struct frame_spec){0}, payload, sizeof(payload));
	read_counters(&wan, before);
	for (int i = 0; i < 4000; i++)
		run(&wan, &f);
	read_counters(&wan, after);
	assert_int_equal(after[XDP_HANDSHAKE] - before[XDP_HANDSHAKE], 4000);
}

// All tags together stop at the CPU's burst; data is never rationed.
static void all_tags_together_stop_at_the_cpu_burst(void **state)
{
	struct xdp_config cfg = {.be_port = htons(TEST_PORT),
		.tag_per_s = 1000,
		.tag_burst = 1000,
		.hs_per_s = 1,
		.hs_burst = 7};
	uint64_t before[XDP_COUNTERS_N], after[XDP_COUNTERS_N];
	uint8_t payload[128];
	struct frame f;

	set_config(&cfg);
	payload_handshake(payload, 0x11, sizeof(payload), live_tag);
	frame_build(&f, &(struct frame_spec){0}, payload, sizeof(payload));
	read_counters(&wan, before);
	for (int i = 0; i < 100 * n_cpus; i++)
		run(&wan, &f);
	read_counters(&wan, after);
	assert_in_range(after[XDP_HANDSHAKE] - before[XDP_HANDSHAKE], 7, 7 * n_cpus);
	assert_int_equal(after[DROPPED(XDP_RATE)] - before[DROPPED(XDP_RATE)],
		100 * n_cpus - (after[XDP_HANDSHAKE] - before[XDP_HANDSHAKE]));
	payload_data(payload, sizeof(payload));
	frame_build(&f, &(struct frame_spec){0}, payload, sizeof(payload));
	expect(&wan, &f, XDP_REDIRECT, XDP_DATA, "data");
}

static void a_lan_port_takes_every_frame(void **state)
{
	struct frame f;

	set_socket(&lan, true);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		build_case(&cases[i], &f);
		expect(&lan, &f, XDP_REDIRECT, XDP_LAN_FRAME, cases[i].name);
	}
}

static void a_lan_port_without_a_socket_drops(void **state)
{
	struct frame f;

	set_socket(&lan, false);
	build_case(&cases[0], &f);
	expect(&lan, &f, XDP_DROP, DROPPED(XDP_NO_SOCKET), "no socket");
}

// ------------------------------------------------------------------ the fuzzed program is this one

static void compare(const struct frame *f, const char *name)
{
	uint64_t before[XDP_COUNTERS_N], after[XDP_COUNTERS_N], user[XDP_COUNTERS_N] = {0};
	static struct xdp_user_world world = {.config.be_port = 0, .has_socket = true};
	uint32_t verdict;

	world.config.be_port = htons(TEST_PORT);
	memcpy(&world.live_tag, live_tag, sizeof(world.live_tag));
	world.now_ns += 1000000000;
	read_counters(&wan, before);
	verdict = run(&wan, f);
	read_counters(&wan, after);
	if (xdp_user_run(&world, f->bytes, f->len, user) != verdict)
		fail_msg("%s: the kernel's verdict is %u, user space has another", name, verdict);
	for (int i = 0; i < XDP_COUNTERS_N; i++)
		if (after[i] - before[i] != user[i])
			fail_msg("%s: counter %d differs", name, i);
}

static void the_program_that_is_fuzzed_gives_the_kernels_verdicts(void **state)
{
	const char *dir = getenv("POSTERN_XDP_CORPUS");
	DIR *d = opendir(dir != NULL ? dir : "tests/fuzz/corpus/xdp");
	struct dirent *e;
	unsigned n = 0;

	assert_non_null(d);
	srand(1);
	while ((e = readdir(d)) != NULL) {
		struct frame f, changed;
		FILE *file;
		int fd = openat(dirfd(d), e->d_name, O_RDONLY);

		if (e->d_name[0] == '.' || (file = fdopen(fd, "r")) == NULL)
			continue;
		f.len = fread(f.bytes, 1, FRAME_MAX, file);
		fclose(file);
		if (f.len < 14) // the kernel runs no program on less than an Ethernet header
			continue;
		compare(&f, e->d_name);
		for (unsigned i = 0; i < 200; i++, n++) {
			changed = f;
			changed.bytes[12 + (size_t)rand() % (f.len - 12)] = (uint8_t)rand();
			if (rand() % 4 == 0)
				changed.len = 14 + (size_t)rand() % (f.len - 13);
			compare(&changed, e->d_name);
		}
	}
	closedir(d);
	assert_true(n > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_shape_gets_its_verdict, set_up),
		cmocka_unit_test_setup(no_truncation_reaches_the_socket, set_up),
		cmocka_unit_test_setup(a_handshake_whose_length_field_lies_is_dropped, set_up),
		cmocka_unit_test_setup(without_a_port_everything_is_the_kernels, set_up),
		cmocka_unit_test_setup(without_a_socket_overlay_traffic_is_dropped, set_up),
		cmocka_unit_test_setup(a_removed_tag_is_dead_at_once, set_up),
		cmocka_unit_test_setup(one_tag_cannot_starve_another, set_up),
		cmocka_unit_test_setup(a_flood_that_a_worker_can_check_stops_no_handshake, set_up),
		cmocka_unit_test_setup(all_tags_together_stop_at_the_cpu_burst, set_up),
		cmocka_unit_test_setup(a_lan_port_takes_every_frame, set_up),
		cmocka_unit_test_setup(a_lan_port_without_a_socket_drops, set_up),
		cmocka_unit_test_setup(
			the_program_that_is_fuzzed_gives_the_kernels_verdicts, set_up),
	};
	int err;

	n_cpus = libbpf_num_possible_cpus();
	if (n_cpus < 1 || n_cpus > CPUS_MAX)
		return 1;
	setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
	err = program_load(&wan, "postern_xdp.o", XDP_PROG_WAN);
	if (err == -EPERM || err == -EAFNOSUPPORT) {
		printf("skipped: no privilege to load BPF programs, or no AF_XDP\n");
		return EXIT_SKIPPED;
	}
	if (err != 0 || program_load(&lan, "postern_xdp_lan.o", XDP_PROG_LAN) != 0) {
		fprintf(stderr, "cannot load the programs: %s\n", strerror(-err));
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
