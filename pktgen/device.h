// SPDX-License-Identifier: BSD-3-Clause
//
// The generator's ports: from a word on the command line to a running ethdev, or a sentence that
// says why not. And DPDK's start, without hugepages and with as little around it as it lets.
//
// Main thread. Floor 4.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEVICE_WHY_BYTES 512
#define DEVICES_MAX      2
#define DEVICE_CORES_MAX 4

struct rte_mempool;

// "af_xdp:IFACE", "af_packet:IFACE", "tap:NAME", a PCI address, or a DPDK device ("net_ring0",
// "net_memif0,role=client"); further arguments of the driver may follow after a comma.
enum device_kind { DEVICE_AF_XDP, DEVICE_AF_PACKET, DEVICE_TAP, DEVICE_PCI, DEVICE_VDEV };

struct device_spec {
	const char *text; // as given
	enum device_kind kind;
	char name[32];  // of the interface, or the DPDK device
	char args[256]; // what followed the comma
};

struct device {
	struct device_spec spec;
	struct rte_mempool *pool;
	uint16_t id;
	uint16_t n_queues; // to receive from; frames are sent on queue 0
	uint8_t mac[6];
	uint64_t link_bps; // 0: the driver does not know
	unsigned frame_most;
};

struct device_cores {
	unsigned n;
	uint16_t cpu[DEVICE_CORES_MAX]; // of lcore 1, 2, …
};

// errors: -EINVAL.
int device_spec_parse(const char *text, struct device_spec *ret_spec, char why[DEVICE_WHY_BYTES]);

// The largest frame a port takes before it is opened: of the interface's MTU, or what is asked for.
// errors: -ENODEV no such interface.
int device_frame_most(const struct device_spec *spec, unsigned wanted, unsigned *ret_most,
	char why[DEVICE_WHY_BYTES]);

// errors: -EIO, -ENOMEM, -EINVAL a CPU that is not there.
int device_eal_start(const struct device_spec *specs, unsigned n, const struct device_cores *cores,
	unsigned frame_most, char why[DEVICE_WHY_BYTES]);

// errors: -errno. frame_most: the longest frame that will be sent or received.
int device_open(const struct device_spec *spec, unsigned idx, unsigned frame_most,
	struct device *ret_dev, char why[DEVICE_WHY_BYTES]);
void device_close(struct device *dev);
