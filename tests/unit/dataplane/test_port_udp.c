// SPDX-License-Identifier: BSD-3-Clause
// A udp port on the loopback interface: what the kernel merged comes out as the datagrams that it
// was, whether they were received into packets, or not as long as expected.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "config/gateway.h"
#include "dataplane/outer.h"
#include "dataplane/port.h"
#include "dataplane/port_udp.h"
#include "tests/unit/dataplane/runtime_rig.h"
#include "wire/bytes.h"
#include "wire/packet.h"

#define PORT    37667
#define N_MBUFS 1023
#define BURST   32

static struct rte_mempool *pool;
static struct port port;
static struct port_rt rt = {.n_queues = 1};
static int from = -1;

static int set_up(void **)
{
	static struct config_port cfg = {.name = "wan0", .interface = "lo", .overlay_port = PORT};
	char why[PORT_WHY_BYTES];

	pool = rte_mempool_lookup(rt_rig_pool(N_MBUFS, 0, 2048 + RTE_PKTMBUF_HEADROOM));
	cfg.n_queues = 1;
	if (port_udp_open(&cfg, pool, &port, &rt, why) < 0) {
		print_message("%s\n", why);
		return -1;
	}
	from = socket(AF_INET, SOCK_DGRAM, 0);
	return from < 0 ? -1 : 0;
}

static int tear_down(void **)
{
	port_udp_close(&port);
	close(from);
	assert_int_equal(rte_mempool_avail_count(pool), N_MBUFS); // none is lost
	rte_mempool_free(pool);
	return 0;
}

static uint8_t byte_of(unsigned serial, unsigned at)
{
	return at == 0 ? PKT_TYPE_DATA : (uint8_t)(serial * 31 + at * 7 + (at >> 8));
}

// One message of n datagrams of `segment` bytes, the last of `last`.
static void send_merged(unsigned serial, unsigned n, unsigned segment, unsigned last)
{
	static uint8_t data[65536];
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	unsigned bytes = (n - 1) * segment + last;
	int size = (int)segment;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (unsigned i = 0; i < bytes; i++)
		data[i] = byte_of(serial, i % segment);
	assert_return_code(setsockopt(from, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)), errno);
	assert_int_equal(sendto(from, data, bytes, 0, (struct sockaddr *)&to, sizeof(to)), bytes);
}

static void check_datagram(struct rte_mbuf *m, unsigned serial, unsigned bytes)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);

	assert_int_equal(m->data_len, OUTER_IPV4_BYTES + bytes);
	assert_int_equal(get_be16(frame + 12), RTE_ETHER_TYPE_IPV4);
	assert_int_equal(get_be16(frame + 16), 20 + 8 + bytes);
	assert_int_equal(get_be16(frame + 36), PORT);
	assert_int_equal(get_be16(frame + 38), 8 + bytes);
	for (unsigned i = 0; i < bytes; i++) {
		if (frame[OUTER_IPV4_BYTES + i] != byte_of(serial, i))
			fail_msg("byte %u of a datagram of %u of message %u", i, bytes, serial);
	}
	rte_pktmbuf_free(m);
}

static void expect_merged(unsigned serial, unsigned n, unsigned segment, unsigned last)
{
	struct pollfd fd = {.fd = rt.queue_fd[0], .events = POLLIN};
	unsigned got = 0;

	while (got < n) {
		struct rte_mbuf *m[BURST];
		unsigned want = n - got < BURST ? n - got : BURST;
		unsigned k = port.rx(&port, 0, m, (uint16_t)want);

		for (unsigned i = 0; i < k; i++, got++)
			check_datagram(m[i], serial, got + 1 < n ? segment : last);
		if (k == 0 && poll(&fd, 1, 1000) == 0)
			fail_msg("%u of %u datagrams of message %u", got, n, serial);
	}
}

static const struct {
	unsigned n, segment, last;
} messages[] = {
	{40, 1400, 1400},
	{40, 1400, 900},
	{46, 1400, 100}, // in place from the third on
	{40, 1300, 1300},
	{40, 1300, 1299}, // shorter than expected, then in place
	{40, 1500, 700},
	{40, 1500, 1500}, // and longer
	{1, 200, 200},
	{1, 1500, 1500}, // not merged
	{60, 1024, 1024},
	{60, 1024, 36},
	{60, 1024, 1024}, // as many parts as there may be
	{60, 700, 700},
	{60, 700, 700},
	{60, 700, 36}, // too short for parts
	{40, 1400, 1400},
	{40, 1400, 1400},
	{5, 100, 100}, // all of them in one part
	{40, 1400, 1400},
	{40, 1400, 1400},
	{14, 100, 37},
};
#define N_MESSAGES (sizeof(messages) / sizeof(messages[0]))

static void merged_datagrams_come_out_as_they_were(void **)
{
	for (unsigned i = 0; i < N_MESSAGES; i++) {
		send_merged(i, messages[i].n, messages[i].segment, messages[i].last);
		expect_merged(i, messages[i].n, messages[i].segment, messages[i].last);
	}
}

static void several_messages_at_once_keep_their_order(void **)
{
	for (unsigned i = 0; i < N_MESSAGES; i++)
		send_merged(i, messages[i].n, messages[i].segment, messages[i].last);
	for (unsigned i = 0; i < N_MESSAGES; i++)
		expect_merged(i, messages[i].n, messages[i].segment, messages[i].last);
}

// Whatever of the pool is gone when: nothing is lost or mixed up for it, only later.
static void without_packets_a_message_waits(void **)
{
	static struct rte_mbuf *taken[N_MBUFS];
	unsigned serial = 0;

	for (unsigned left = 0; left < 200; left += 7) {
		struct rte_mbuf *m[BURST];
		unsigned n = 0, got = 0;

		while (rte_mempool_avail_count(pool) > left)
			taken[n++] = rte_pktmbuf_alloc(pool);
		send_merged(++serial, 45, 1400, 1000);
		for (unsigned tries = 0; tries < 20; tries++) {
			unsigned k = port.rx(&port, 0, m, 1);

			if (k == 1)
				check_datagram(m[0], serial, got + 1 < 45 ? 1400 : 1000);
			got += k;
		}
		rte_pktmbuf_free_bulk(taken, n);
		while (got < 45) {
			assert_int_equal(port.rx(&port, 0, m, 1), 1);
			check_datagram(m[0], serial, ++got < 45 ? 1400 : 1000);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merged_datagrams_come_out_as_they_were),
		cmocka_unit_test(several_messages_at_once_keep_their_order),
		cmocka_unit_test(without_packets_a_message_waits),
	};

	rt_rig_init(1);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
