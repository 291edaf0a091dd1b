// SPDX-License-Identifier: BSD-3-Clause
//
// What a stranger, a replayer and a slow one get from a real hub: not one byte; and that none of it
// keeps a gateway out. The last group runs with the nft filter, in a network namespace of its own.
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "controlplane/common/clock.h"
#include "controlplane/common/handshake.h"
#include "controlplane/common/pair.h"
#include "controlplane/hub/silence.h"
#include "controlplane/common/tcpframe.h"
#include "tests/unit/controlplane/hub_fixture.h"

#define QUIET_MS 250

static struct fixture fix;
static struct gateway gw;

static struct sockaddr_in hub_addr(unsigned port_idx)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)(fix.port + port_idx))};

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return in;
}

// Connect from 127.0.0.<host>; -1 and errno if it does not come about within the time.
static int connect_from(unsigned host, int ms)
{
	struct sockaddr_in me = {.sin_family = AF_INET}, to = hub_addr(0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err = 0;
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};
	socklen_t len = sizeof(err);

	me.sin_addr.s_addr = htonl(0x7f000000 | host);
	assert_int_equal(bind(fd, (struct sockaddr *)&me, sizeof(me)), 0);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	if (errno != EINPROGRESS || poll(&pfd, 1, ms) != 1 ||
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 || err != 0) {
		close(fd);
		errno = err != 0 ? err : ETIMEDOUT;
		return -1;
	}
	return fd;
}

static void send_frame(int fd, const void *p, size_t len)
{
	uint8_t bytes[2 + 10000];

	tcpframe_head(bytes, len);
	memcpy(bytes + 2, p, len);
	assert_int_equal(send(fd, bytes, len + 2, MSG_NOSIGNAL), (ssize_t)len + 2);
}

// Bytes that come within the time; -1: the other end closed without one.
static ssize_t hear(int fd, int ms)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	static uint8_t buf[8192];
	ssize_t n;

	if (poll(&pfd, 1, ms) <= 0)
		return 0;
	n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	return n > 0 ? n : -1;
}

static void gate_pair(struct pair *p, const char *name)
{
	uint8_t th0[32];

	pair_th0_hub(th0, gw.state.net_id, name, "hub.example");
	pair_from_secret(p, true, gw.state.gate_secret, th0);
}

static void make_m1(const struct pair *p, uint64_t ts, struct pkt_m1 *m1)
{
	struct hs_config cfg = {.pair = p, .max_len = PKT_HS_TCP_MAX_LEN, .caps = PKT_CAP_CHACHA};
	struct hs_client c;
	uint8_t rnd[64];

	randombytes_buf(rnd, sizeof(rnd));
	hs_client_start(&c, &cfg, 0x101, ts, clock_unix_s(), rnd, m1);
	hs_client_fini(&c);
}

// ---- UDP

static void no_datagram_is_ever_answered(void **)
{
	uint8_t garbage[1500];
	struct pkt_punch punch;
	struct pair p, stranger;
	struct pkt_m1 m1;
	json_int_t knocks = fixture_status(&fix, "knocks");

	gate_pair(&p, gw.name);
	gate_pair(&stranger, "other.example");
	for (unsigned port = 0; port < 2; port++) {
		struct sockaddr_in to = hub_addr(port);
		int fd = socket(AF_INET, SOCK_DGRAM, 0);

		assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
		for (unsigned type = 0; type < 256; type++) {
			randombytes_buf(garbage, sizeof(garbage));
			garbage[0] = (uint8_t)type;
			send(fd, garbage, 1 + randombytes_uniform(sizeof(garbage)), 0);
		}
		pair_punch_build(&stranger, clock_unix_us(), clock_unix_s(), 0, &punch);
		send(fd, &punch, sizeof(punch), 0);
		pair_punch_build(&p, clock_unix_us(), clock_unix_s(), 0, &punch);
		for (unsigned i = 0; i < sizeof(punch); i++) {
			((uint8_t *)&punch)[i] ^= 1;
			send(fd, &punch, sizeof(punch), 0);
			((uint8_t *)&punch)[i] ^= 1;
		}
		make_m1(&p, clock_unix_us(), &m1);
		send(fd, &m1, sizeof(m1), 0);
		assert_int_equal(hear(fd, QUIET_MS), 0);
		assert_int_equal(fixture_status(&fix, "knocks"), knocks);
		// Not even the valid one.
		send(fd, &punch, sizeof(punch), 0);
		assert_int_equal(hear(fd, QUIET_MS), 0);
		assert_int_equal(fixture_status(&fix, "knocks"), ++knocks);
		close(fd);
	}
}

static void a_copied_punch_from_another_address_is_no_knock(void **)
{
	struct sockaddr_in me = {.sin_family = AF_INET}, to = hub_addr(0);
	struct pkt_punch punch;
	struct pair p;
	json_int_t knocks = fixture_status(&fix, "knocks");

	gate_pair(&p, gw.name);
	pair_punch_build(&p, clock_unix_us(), clock_unix_s(), 0, &punch);
	for (unsigned host = 1; host < 4; host++) {
		int fd = socket(AF_INET, SOCK_DGRAM, 0);

		me.sin_addr.s_addr = htonl(0x7f000000 | host);
		assert_int_equal(bind(fd, (struct sockaddr *)&me, sizeof(me)), 0);
		sendto(fd, &punch, sizeof(punch), 0, (struct sockaddr *)&to, sizeof(to));
		usleep(50000);
		assert_int_equal(fixture_status(&fix, "knocks"), knocks + 1);
		close(fd);
	}
}

// ---- TCP

static void nothing_invalid_gets_a_byte_over_tcp(void **)
{
	uint8_t junk[256];
	struct pair p, stranger;
	struct pkt_m1 m1;

	gate_pair(&p, gw.name);
	gate_pair(&stranger, "other.example");
	for (unsigned i = 0; i < 40; i++) {
		int fd = connect_from(2 + i, 1000);

		assert_true(fd >= 0);
		randombytes_buf(junk, sizeof(junk));
		make_m1(&p, clock_unix_us(), &m1);
		switch (i) {
		case 0: // a length out of bounds, and one never filled
			send(fd, "\xff\xff", 2, 0);
			break;
		case 1:
			send(fd, "\x00\x80\x11", 3, 0);
			break;
		case 2: // another protocol
			send(fd, "GET / HTTP/1.1\r\n\r\n", 18, 0);
			break;
		case 3: // somebody else's key
			make_m1(&stranger, clock_unix_us(), &m1);
			send_frame(fd, &m1, sizeof(m1));
			break;
		case 4: // all of M2 to DATA where M1 belongs
			for (unsigned type = 0x12; type < 0x19; type++) {
				junk[0] = (uint8_t)type;
				send_frame(fd, junk, sizeof(junk));
			}
			break;
		case 5: // zero, the far future, and what was seen already
			make_m1(&p, 0, &m1);
			send_frame(fd, &m1, sizeof(m1));
			break;
		case 6:
			make_m1(&p, UINT64_MAX, &m1);
			send_frame(fd, &m1, sizeof(m1));
			break;
		default: // one bit wrong anywhere before the second mac
			((uint8_t *)&m1)[(i * 7) % 112] ^= 4;
			send_frame(fd, &m1, sizeof(m1));
		}
		assert_int_equal(hear(fd, 30), 0);
		// After something invalid the true one comes too late.
		make_m1(&p, clock_unix_us(), &m1);
		if (i > 2)
			send_frame(fd, &m1, sizeof(m1));
		assert_int_equal(hear(fd, 30), 0);
		close(fd);
	}
}

// A valid M1 is answered once; its copy never, not even by a hub that was restarted in between.
static void a_replayed_hello_gets_nothing(void **)
{
	struct pair p;
	struct pkt_m1 m1;
	int fd;

	gate_pair(&p, gw.name);
	make_m1(&p, clock_unix_us(), &m1);
	for (unsigned round = 0; round < 4; round++) {
		fd = connect_from(60 + round, 1000);
		assert_true(fd >= 0);
		send_frame(fd, &m1, sizeof(m1));
		if (round == 0)
			assert_true(hear(fd, 2000) > 0);
		else
			assert_int_equal(hear(fd, QUIET_MS), 0);
		close(fd);
		if (round == 2) {
			fixture_stop(&fix, SIGKILL);
			fixture_start(&fix);
		}
	}
}

static void a_replayed_hello_under_a_token_gets_nothing(void **)
{
	char text[TOKEN_TEXT_MAX];
	uint8_t th0[32];
	struct token t;
	struct pair p;
	struct pkt_m1 m1, other;

	fixture_token(&fix, NULL, 5, 60, text);
	assert_int_equal(token_parse(text, strlen(text), &t), 0);
	pair_th0_enrol(th0, t.root_hash, t.id, t.hub_name);
	pair_from_secret(&p, true, t.secret, th0);
	make_m1(&p, clock_unix_us(), &m1);
	make_m1(&p, get_le64(&m1.hs.ts), &other); // another machine in the same microsecond
	for (unsigned round = 0; round < 4; round++) {
		int fd = connect_from(70 + round, 1000);

		assert_true(fd >= 0);
		send_frame(fd, round == 1 ? &other : &m1, sizeof(m1));
		if (round < 2)
			assert_true(hear(fd, 2000) > 0);
		else
			assert_int_equal(hear(fd, QUIET_MS), 0);
		close(fd);
		if (round == 2) {
			fixture_stop(&fix, SIGKILL);
			fixture_start(&fix);
		}
	}
	make_m1(&p, clock_unix_us() - 700000000, &m1); // eleven minutes old
	int fd = connect_from(75, 1000);

	send_frame(fd, &m1, sizeof(m1));
	assert_int_equal(hear(fd, QUIET_MS), 0);
	close(fd);
}

// Who can record but not hold up a gateway's messages cannot use up its share with copies either.
static void copies_do_not_use_up_what_a_gateway_may_send(void **)
{
	struct sockaddr_in me = {.sin_family = AF_INET}, to = hub_addr(0);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), tcp;
	struct pkt_punch punch;
	struct pair p;
	struct pkt_m1 m1;
	json_int_t knocks;

	gate_pair(&p, gw.name);
	make_m1(&p, clock_unix_us(), &m1);
	for (unsigned i = 0; i < 40; i++) {
		tcp = connect_from(80 + i, 1000);
		assert_true(tcp >= 0);
		send_frame(tcp, &m1, sizeof(m1));
		if (i == 0)
			assert_true(hear(tcp, 2000) > 0);
		close(tcp);
	}
	make_m1(&p, clock_unix_us(), &m1);
	tcp = connect_from(79, 1000);
	send_frame(tcp, &m1, sizeof(m1));
	assert_true(hear(tcp, 2000) > 0);
	close(tcp);

	me.sin_addr.s_addr = htonl(0x7f000009);
	assert_int_equal(bind(fd, (struct sockaddr *)&me, sizeof(me)), 0);
	pair_punch_build(&p, clock_unix_us(), clock_unix_s(), 0, &punch);
	sendto(fd, &punch, sizeof(punch), 0, (struct sockaddr *)&to, sizeof(to));
	pair_punch_build(&p, clock_unix_us() - 1000000, clock_unix_s(), 0, &punch);
	for (unsigned i = 0; i < 300; i++) {
		sendto(fd, &punch, sizeof(punch), 0, (struct sockaddr *)&to, sizeof(to));
		usleep(100);
	}
	knocks = fixture_status(&fix, "knocks");
	pair_punch_build(&p, clock_unix_us(), clock_unix_s(), 0, &punch);
	sendto(fd, &punch, sizeof(punch), 0, (struct sockaddr *)&to, sizeof(to));
	usleep(50000);
	assert_int_equal(fixture_status(&fix, "knocks"), knocks + 1);
	close(fd);
}

static void half_open_connections_are_capped_and_end_after_five_seconds(void **)
{
	static int fds[300];
	uint64_t start = clock_mono_us();
	struct gateway late;
	unsigned n_open = 0;

	// One address holds a few places only, all together 64.
	for (unsigned i = 0; i < 100; i++)
		fds[i] = connect_from(1, 1000);
	usleep(100000);
	assert_in_range(fixture_status(&fix, "pending"), 1, 16);
	for (unsigned i = 100; i < 300; i++) {
		fds[i] = connect_from(i - 20, 1000);
		if (fds[i] >= 0)
			send(fds[i], "\x00\x80\x11", 1 + i % 3, MSG_NOSIGNAL); // slowly
	}
	usleep(100000);
	assert_int_equal(fixture_status(&fix, "pending"), 64);
	// All places are taken by silent ones, and yet a gateway that knocks gets in.
	gateway_enrol(&late, &fix, "late.example");
	gateway_end(&late);
	for (unsigned i = 0; i < 300; i++) {
		ssize_t n = fds[i] >= 0 ? hear(fds[i], 0) : -1;

		assert_true(n <= 0);
		n_open += n == 0;
	}
	assert_in_range(n_open, 40, 64);
	while (fixture_status(&fix, "pending") > 0 && clock_mono_us() - start < 9000000)
		usleep(50000);
	assert_in_range(clock_mono_us() - start, 4500000, 7000000);
	for (unsigned i = 0; i < 300; i++) {
		if (fds[i] >= 0) {
			assert_int_equal(hear(fds[i], 0), -1);
			close(fds[i]);
		}
	}
}

// ---- with the filter

static bool enter_namespace(void)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd, err;

	if (unshare(CLONE_NEWNET) < 0)
		return false;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	err = ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
	return err == 0;
}

static void knock_as(unsigned host, const struct pair *p)
{
	struct sockaddr_in me = {.sin_family = AF_INET}, to = hub_addr(0);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct pkt_punch punch;

	me.sin_addr.s_addr = htonl(0x7f000000 | host);
	assert_int_equal(bind(fd, (struct sockaddr *)&me, sizeof(me)), 0);
	pair_punch_build(p, clock_unix_us(), clock_unix_s(), 0, &punch);
	sendto(fd, &punch, sizeof(punch), 0, (struct sockaddr *)&to, sizeof(to));
	close(fd);
	usleep(100000);
}

static void with_the_filter(void)
{
	struct config_endpoint listen = {0};
	struct silence *filter = NULL;
	char said[SILENCE_TEXT];
	struct pair p, stranger;
	uv_loop_t loop;
	struct sockaddr_in to;
	int fd;

	fix.silence = "nft";
	fixture_begin(&fix);
	fixture_start(&fix);
	to = hub_addr(0);
	// A stranger's SYN is dropped: no answer at all, not even a reset.
	assert_int_equal(connect_from(2, 300), -1);
	assert_int_equal(errno, ETIMEDOUT);
	gateway_enrol(&gw, &fix, "nft.example"); // from 127.0.0.1, by its token's knock
	gate_pair(&p, gw.name);
	gate_pair(&stranger, "other.example");
	knock_as(3, &stranger);
	assert_int_equal(connect_from(3, 300), -1);
	knock_as(3, &p);
	fd = connect_from(3, 300);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(connect_from(4, 300), -1);
	uv_loop_init(&loop);
	gateway_connect(&gw, &loop);
	// A hub that was killed leaves the filter: nothing answers, UDP included.
	fixture_stop(&fix, SIGKILL);
	assert_int_equal(connect_from(2, 300), -1);
	assert_int_equal(errno, ETIMEDOUT);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_int_equal(hear(fd, 200), 0); // an ICMP would show as an error
	close(fd);
	// Started again, it takes its filter over, and the gateway comes back.
	fixture_start(&fix);
	assert_int_equal(connect_from(2, 300), -1);
	assert_true(run_until(&loop, &gw.n_up, 2, 10000));
	gateway_end(&gw);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	// So does one that was stopped in order; only who takes the filter away meets the kernel.
	fixture_stop(&fix, SIGTERM);
	assert_int_equal(connect_from(2, 300), -1);
	assert_int_equal(errno, ETIMEDOUT);
	listen.port = fix.port;
	assert_int_equal(silence_release(&listen, said), 0);
	assert_int_equal(connect_from(2, 300), -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(silence_create(&listen, 1, 0, &filter, said), 0);
	silence_destroy(filter);
	assert_int_equal(connect_from(2, 300), -1);
	assert_int_equal(errno, ETIMEDOUT);
	fixture_end(&fix);
}

static void the_filter_shuts_out_all_but_those_who_knocked(void **)
{
	if (!enter_namespace())
		skip();
	with_the_filter();
}

static int begin(void **)
{
	fix = (struct fixture){0};
	fixture_begin(&fix);
	fixture_start(&fix);
	gateway_enrol(&gw, &fix, "gw.example");
	return 0;
}

static int end(void **)
{
	gateway_end(&gw);
	fixture_end(&fix);
	fix = (struct fixture){0};
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_datagram_is_ever_answered),
		cmocka_unit_test(a_copied_punch_from_another_address_is_no_knock),
		cmocka_unit_test(nothing_invalid_gets_a_byte_over_tcp),
		cmocka_unit_test(a_replayed_hello_gets_nothing),
		cmocka_unit_test(a_replayed_hello_under_a_token_gets_nothing),
		cmocka_unit_test(copies_do_not_use_up_what_a_gateway_may_send),
		cmocka_unit_test(half_open_connections_are_capped_and_end_after_five_seconds),
	};
	static const struct CMUnitTest filter[] = {
		cmocka_unit_test(the_filter_shuts_out_all_but_those_who_knocked),
	};

	return cmocka_run_group_tests(tests, begin, end) +
	       cmocka_run_group_tests(filter, NULL, NULL);
}
