// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/talk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_random.h>

#include "pktgen/device.h"

#define BURST      32
#define TRIES      200 // of 100 µs, for a port that is full
#define END_COPIES 5
#define END_GAP_US 20000

uint64_t talk_machine(void)
{
	uint8_t text[36] = {0};
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (fd >= 0) {
		n = read(fd, text, sizeof(text));
		close(fd);
	}
	if (n != sizeof(text))
		return rte_rand();
	return (uint64_t)frame_body_sum(text, 18) << 32 | frame_body_sum(text + 18, 18);
}

static void send_all(const struct device *dev, struct rte_mbuf **m, unsigned n)
{
	unsigned sent = 0;

	for (unsigned try = 0; sent < n && try < TRIES; try++) {
		if (try > 0)
			usleep(100);
		sent += rte_eth_tx_burst(dev->id, 0, m + sent, (uint16_t)(n - sent));
	}
	rte_pktmbuf_free_bulk(m + sent, n - sent);
}

static void say(const struct device *dev, const struct frame_spec *spec, uint32_t first, unsigned n,
	const uint8_t dmac[6], const struct ctl *ctl)
{
	struct rte_mbuf *m[BURST];

	if (rte_pktmbuf_alloc_bulk(dev->pool, m, n) != 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		m[i]->data_len = FRAME_CTL_BYTES;
		m[i]->pkt_len = FRAME_CTL_BYTES;
		frame_ctl_write(rte_pktmbuf_mtod(m[i], uint8_t *), spec, first + i, dmac, ctl);
	}
	send_all(dev, m, n);
}

void talk_hello(const struct device *dev, const struct frame_spec *spec)
{
	static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct ctl ctl = {.op = CTL_HELLO, .n_streams = spec->n_flows, .machine = talk_machine()};
	uint32_t n = spec->n_smacs < TALK_ADDRESSES_MAX ? spec->n_smacs : TALK_ADDRESSES_MAX;

	for (uint32_t i = 0; i < n; i += BURST)
		say(dev, spec, i, n - i < BURST ? n - i : BURST, broadcast, &ctl);
}

void talk_end(const struct device *dev, const struct frame_spec *spec, uint8_t run, uint64_t total)
{
	struct ctl ctl = {
		.op = CTL_END,
		.n_streams = spec->n_flows,
		.machine = talk_machine(),
		.total = total,
		.run = run,
	};

	for (unsigned i = 0; i < END_COPIES; i++) {
		usleep(END_GAP_US);
		say(dev, spec, 0, 1, spec->dmac, &ctl);
	}
}

bool talk_listen(
	const struct device *dev, uint16_t dport, unsigned ms, struct talk_heard *ret_heard)
{
	uint64_t until = rte_rdtsc() + rte_get_tsc_hz() / 1000 * ms;
	struct rte_mbuf *m[BURST];
	bool heard = false;

	while (!heard && rte_rdtsc() < until) {
		unsigned got = 0;

		for (uint16_t q = 0; q < dev->n_queues; q++) {
			unsigned n = rte_eth_rx_burst(dev->id, q, m, BURST);

			for (unsigned i = 0; i < n; i++) {
				const uint8_t *data = rte_pktmbuf_mtod(m[i], const uint8_t *);
				struct probe probe;

				if (frame_read(data, m[i]->data_len, dport, &probe) != FRAME_CTL)
					continue;
				frame_ctl_read(data, m[i]->data_len, &ret_heard->ctl);
				memcpy(ret_heard->mac, data + 6, sizeof(ret_heard->mac));
				heard = heard || ret_heard->ctl.op == CTL_HELLO;
			}
			rte_pktmbuf_free_bulk(m, n);
			got += n;
		}
		if (got == 0)
			usleep(200);
	}
	return heard;
}
