// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/device.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/libbpf.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <xdp/libxdp.h>

#include "dataplane/bufpool.h"
#include "dataplane/netdev.h"

#define RING             2048
#define BUFFERS          16384 // of a port: two full rings, and bursts under way
#define BUFFERS_AF_XDP   4096  // of each queue of an AF_XDP port
#define POOL_CACHE       256
#define AF_XDP_HEADROOM  256 // XDP_PACKET_HEADROOM
#define AF_XDP_FRAME_MAX 3418
#define QUEUES_MAX       16
#define ETH_HEADER       14
#define VLAN_TAG         4
#define SLOT             2048 // of an AF_PACKET ring
#define SLOT_LARGE       16384
#define SLOT_HEAD        192  // of each slot, not for the frame
#define BUFFER_MORE      512u // of each buffer: mbuf, pool header, gaps
#define MEMORY_MIB       96

#define WHY(why, ...) snprintf((why), DEVICE_WHY_BYTES, __VA_ARGS__)

static char dpdk_error[256];

// What DPDK and the libraries of its drivers print goes into the sentence that explains a failure,
// and nowhere else.
static ssize_t keep_error(void *, const char *text, size_t len)
{
	if (rte_log_cur_msg_loglevel() <= (int)RTE_LOG_ERR) {
		snprintf(dpdk_error, sizeof(dpdk_error), "%.*s", (int)len, text);
		dpdk_error[strcspn(dpdk_error, "\n")] = '\0';
	}
	return (ssize_t)len;
}

static int keep_quiet(enum libbpf_print_level, const char *, va_list)
{
	return 0;
}

static int keep_quiet_xdp(enum libxdp_print_level, const char *, va_list)
{
	return 0;
}

static const char *because(void)
{
	return dpdk_error[0] != '\0' ? dpdk_error : "the driver does not say why";
}

// ---------------------------------------------------------------- words

// "0000:01:00.0" or "01:00.0"; DPDK knows the port by the long form.
static bool is_pci(const char *name, char long_name[32])
{
	unsigned domain = 0, bus, slot, func;
	int used = 0;

	if (sscanf(name, "%x:%x:%x.%x%n", &domain, &bus, &slot, &func, &used) != 4) {
		domain = 0;
		if (sscanf(name, "%x:%x.%x%n", &bus, &slot, &func, &used) != 3)
			return false;
	}
	if (name[used] != '\0')
		return false;
	snprintf(long_name, 32, "%04x:%02x:%02x.%x", domain, bus, slot, func);
	return true;
}

int device_spec_parse(const char *text, struct device_spec *ret_spec, char why[DEVICE_WHY_BYTES])
{
	static const struct {
		const char *prefix;
		enum device_kind kind;
	} kinds[] = {
		{"af_xdp:", DEVICE_AF_XDP},
		{"af_packet:", DEVICE_AF_PACKET},
		{"tap:", DEVICE_TAP},
	};
	struct device_spec spec = {.text = text, .kind = DEVICE_VDEV};
	const char *name = text, *comma;
	char long_name[sizeof(spec.name)];
	size_t len;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strncmp(text, kinds[i].prefix, strlen(kinds[i].prefix)) == 0) {
			spec.kind = kinds[i].kind;
			name = text + strlen(kinds[i].prefix);
		}
	}
	len = strcspn(name, ",");
	comma = name[len] == ',' ? name + len + 1 : "";
	if (len == 0 || len >= sizeof(spec.name) || strlen(comma) >= sizeof(spec.args)) {
		WHY(why, "\"%s\" names no port", text);
		return -EINVAL;
	}
	memcpy(spec.name, name, len);
	snprintf(spec.args, sizeof(spec.args), "%s", comma);
	if (spec.kind == DEVICE_VDEV && is_pci(spec.name, long_name)) {
		spec.kind = DEVICE_PCI;
		memcpy(spec.name, long_name, sizeof(spec.name));
	}
	if (spec.kind == DEVICE_VDEV && strncmp(spec.name, "net_", 4) != 0 &&
		strncmp(spec.name, "virtio_user", 11) != 0) {
		WHY(why,
			"\"%s\" is no kind of port: write af_xdp:%s, af_packet:%s or tap:NAME, a "
			"PCI address, or a DPDK device such as net_ring0",
			text, spec.name, spec.name);
		return -EINVAL;
	}
	*ret_spec = spec;
	return 0;
}

int device_frame_most(const struct device_spec *spec, unsigned wanted, unsigned *ret_most,
	char why[DEVICE_WHY_BYTES])
{
	struct netdev netdev;
	int err;

	if (spec->kind != DEVICE_AF_XDP && spec->kind != DEVICE_AF_PACKET) {
		*ret_most = wanted;
		return 0;
	}
	err = netdev_read(spec->name, &netdev);
	if (err < 0) {
		WHY(why, "there is no interface %s here: `ip link` lists those there are",
			spec->name);
		return err;
	}
	*ret_most = netdev.mtu + ETH_HEADER + VLAN_TAG;
	if (spec->kind == DEVICE_AF_XDP && *ret_most > AF_XDP_FRAME_MAX)
		*ret_most = AF_XDP_FRAME_MAX;
	return 0;
}

// ---------------------------------------------------------------- DPDK's start

struct args {
	int n;
	char *argv[24];
	char text[24][128];
};

__attribute__((format(printf, 2, 3))) static void add(struct args *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a->text[a->n], sizeof(a->text[0]), fmt, ap);
	va_end(ap);
	a->argv[a->n] = a->text[a->n];
	a->n++;
}

// The main thread only sleeps and prints: it may run wherever there is room.
static int add_cores(struct args *a, const struct device_cores *cores, char *why)
{
	char lcores[128];
	cpu_set_t allowed;
	size_t at;

	CPU_ZERO(&allowed);
	(void)sched_getaffinity(0, sizeof(allowed), &allowed);
	at = (size_t)snprintf(lcores, sizeof(lcores), "--lcores=0@(");
	for (unsigned i = 0; i < cores->n; i++) {
		if (!CPU_ISSET(cores->cpu[i], &allowed)) {
			WHY(why, "--cores: this process may not run on CPU %u (of %d)",
				cores->cpu[i], CPU_COUNT(&allowed));
			return -EINVAL;
		}
		at += (size_t)snprintf(
			lcores + at, sizeof(lcores) - at, "%s%u", i > 0 ? "," : "", cores->cpu[i]);
	}
	at += (size_t)snprintf(lcores + at, sizeof(lcores) - at, ")");
	for (unsigned i = 0; i < cores->n; i++)
		at += (size_t)snprintf(
			lcores + at, sizeof(lcores) - at, ",%u@%u", i + 1, cores->cpu[i]);
	add(a, "%s", lcores);
	add(a, "--main-lcore=0");
	return 0;
}

static unsigned slot_for(unsigned frame_most)
{
	return frame_most + SLOT_HEAD <= SLOT ? SLOT : SLOT_LARGE;
}

// A buffer has room for the frame and what drivers keep in front of it; net_af_packet wants one for
// a whole slot of its ring.
static unsigned room_for(enum device_kind kind, unsigned frame_most)
{
	unsigned room = frame_most + (kind == DEVICE_AF_XDP ? AF_XDP_HEADROOM : 0);

	if (kind == DEVICE_AF_PACKET)
		room = slot_for(frame_most);
	return (RTE_PKTMBUF_HEADROOM + room + 64 + 63) / 64 * 64;
}

static uint16_t queues_of(const struct device_spec *spec)
{
	struct netdev netdev;

	if (spec->kind != DEVICE_AF_XDP || netdev_read(spec->name, &netdev) < 0)
		return 1;
	return netdev.n_queues < QUEUES_MAX ? (uint16_t)netdev.n_queues : QUEUES_MAX;
}

// Each queue of an AF_XDP port keeps its own filled; the rest is under way.
static unsigned buffers_of(const struct device_spec *spec)
{
	return spec->kind == DEVICE_AF_XDP ? BUFFERS_AF_XDP * (queues_of(spec) + 1u) : BUFFERS;
}

int device_eal_start(const struct device_spec *specs, unsigned n, const struct device_cores *cores,
	unsigned frame_most, char why[DEVICE_WHY_BYTES])
{
	static struct args args; // EAL keeps pointers to some
	cookie_io_functions_t sink = {.write = keep_error};
	FILE *stream = fopencookie(NULL, "w", sink);
	size_t memory = 0;
	bool pci = false;
	int err;

	if (stream != NULL) {
		setvbuf(stream, NULL, _IOLBF, 512);
		rte_openlog_stream(stream);
	}
	libbpf_set_print(keep_quiet);
	libxdp_set_print(keep_quiet_xdp);
	add(&args, "postern-pktgen");
	add(&args, "--file-prefix=postern-pktgen-%d", (int)getpid());
	add(&args, "--no-telemetry");
	add(&args, "--log-level=*:error");
	err = add_cores(&args, cores, why);
	if (err < 0)
		return err;
	for (unsigned i = 0; i < n; i++) {
		memory +=
			buffers_of(&specs[i]) * (room_for(specs[i].kind, frame_most) + BUFFER_MORE);
		if (specs[i].kind == DEVICE_PCI) {
			add(&args, "--allow=%s", specs[i].text);
			pci = true;
		}
	}
	if (!pci) {
		add(&args, "--no-pci");
		add(&args, "--no-huge");
		add(&args, "--no-shconf");
		add(&args, "-m");
		add(&args, "%zu", MEMORY_MIB + (memory >> 20));
	} else {
		add(&args, "--in-memory"); // a NIC wants pages that stay where they are
	}
	if (rte_eal_init(args.n, args.argv) < 0) {
		WHY(why, "DPDK does not start: %s (%s)%s", rte_strerror(rte_errno), because(),
			pci ? "; a NIC needs hugepages: sysctl vm.nr_hugepages=256" : "");
		return -EIO;
	}
	return 0;
}

// ---------------------------------------------------------------- a port

static int prepare_interface(struct device *dev, unsigned frame_most, char *why)
{
	const char *ifname = dev->spec.name;
	int err = device_frame_most(&dev->spec, frame_most, &dev->frame_most, why);

	if (err < 0)
		return err;
	if (frame_most > dev->frame_most) {
		WHY(why,
			"frames of %u bytes do not fit %s, which takes %u: send smaller ones, or "
			"`ip link set %s mtu %u` (an af_xdp port takes %d at most)",
			frame_most, ifname, dev->frame_most, ifname, frame_most - ETH_HEADER,
			AF_XDP_FRAME_MAX);
		return -EMSGSIZE;
	}
	err = netdev_set_up(ifname);
	if (err < 0) {
		WHY(why, "%s cannot be set up: %s (root, or CAP_NET_ADMIN, is needed)", ifname,
			strerror(-err));
		return err;
	}
	netdev_offloads_off(ifname);
	dev->n_queues = queues_of(&dev->spec);
	return 0;
}

static int probe(struct device *dev, unsigned idx, char *name, size_t size, char *why)
{
	const struct device_spec *spec = &dev->spec;
	const char *comma = spec->args[0] != '\0' ? "," : "";
	char args[512];
	int err;

	switch (spec->kind) {
	case DEVICE_AF_XDP:
		snprintf(name, size, "net_af_xdp%u", idx);
		snprintf(args, sizeof(args), "iface=%s,queue_count=%u%s%s", spec->name,
			dev->n_queues, comma, spec->args);
		break;
	case DEVICE_AF_PACKET:
		snprintf(name, size, "net_af_packet%u", idx);
		snprintf(args, sizeof(args), "iface=%s,framecnt=%d,framesz=%u,blocksz=%d%s%s",
			spec->name, RING, slot_for(dev->frame_most), SLOT_LARGE, comma, spec->args);
		break;
	case DEVICE_TAP:
		snprintf(name, size, "net_tap%u", idx);
		snprintf(args, sizeof(args), "iface=%s%s%s", spec->name, comma, spec->args);
		break;
	default:
		snprintf(name, size, "%s", spec->name);
		snprintf(args, sizeof(args), "%s", spec->args);
		break;
	}
	err = spec->kind == DEVICE_PCI ? 0 : rte_eal_hotplug_add("vdev", name, args);
	if (err == 0)
		err = rte_eth_dev_get_port_by_name(name, &dev->id);
	if (err < 0)
		WHY(why, "%s: DPDK cannot open it: %s (%s)%s", spec->text, strerror(-err),
			because(), geteuid() != 0 ? "; are you root?" : "");
	return err;
}

static int start(struct device *dev, char *why)
{
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	uint16_t n_rx = RING, n_tx = RING, n_tx_queues = dev->n_queues;
	uint32_t mtu = dev->frame_most - ETH_HEADER - VLAN_TAG;
	int err = rte_eth_dev_info_get(dev->id, &info);

	conf.rxmode.mtu = mtu < RTE_ETHER_MTU ? RTE_ETHER_MTU : mtu;
	if (err == 0 && info.max_mtu != 0 && conf.rxmode.mtu > info.max_mtu)
		conf.rxmode.mtu = info.max_mtu;
	if (err == 0)
		err = rte_eth_dev_configure(dev->id, dev->n_queues, n_tx_queues, &conf);
	if (err == 0 && dev->spec.kind != DEVICE_AF_XDP)
		(void)rte_eth_dev_adjust_nb_rx_tx_desc(dev->id, &n_rx, &n_tx);
	for (uint16_t q = 0; err == 0 && q < dev->n_queues; q++) {
		err = rte_eth_tx_queue_setup(dev->id, q, n_tx, SOCKET_ID_ANY, NULL);
		if (err == 0)
			err = rte_eth_rx_queue_setup(
				dev->id, q, n_rx, SOCKET_ID_ANY, NULL, dev->pool);
	}
	if (err == 0)
		err = rte_eth_dev_start(dev->id);
	if (err < 0) {
		WHY(why, "%s: the port does not start: %s (%s)%s", dev->spec.text, strerror(-err),
			because(),
			dev->spec.kind == DEVICE_AF_XDP
				? "; is another program using the interface, or does its driver "
				  "refuse XDP at this MTU? af_packet: works everywhere"
				: "");
		return err;
	}
	(void)rte_eth_promiscuous_enable(dev->id);
	return 0;
}

int device_open(const struct device_spec *spec, unsigned idx, unsigned frame_most,
	struct device *ret_dev, char why[DEVICE_WHY_BYTES])
{
	struct device dev = {.spec = *spec, .n_queues = 1, .frame_most = frame_most};
	bool af_xdp = spec->kind == DEVICE_AF_XDP;
	struct rte_eth_link link = {0};
	struct rte_ether_addr mac = {0};
	char name[RTE_DEV_NAME_MAX_LEN], pool[16];
	int err = 0;

	dpdk_error[0] = '\0';
	if (af_xdp || spec->kind == DEVICE_AF_PACKET)
		err = prepare_interface(&dev, frame_most, why);
	if (err < 0)
		return err;
	snprintf(pool, sizeof(pool), "port%u", idx);
	dev.pool = bufpool_create(
		pool, buffers_of(spec), POOL_CACHE, room_for(spec->kind, dev.frame_most), af_xdp);
	if (dev.pool == NULL) {
		WHY(why, "%s: no memory for its packet buffers", spec->text);
		return -ENOMEM;
	}
	err = probe(&dev, idx, name, sizeof(name), why);
	if (err == 0)
		err = start(&dev, why);
	if (err < 0)
		return err;
	(void)rte_eth_macaddr_get(dev.id, &mac);
	memcpy(dev.mac, mac.addr_bytes, sizeof(dev.mac));
	if (rte_is_zero_ether_addr(&mac))
		memcpy(dev.mac, (uint8_t[]){0x02, 0, 0, 0, 0, (uint8_t)(idx + 1)}, 6);
	// A tap's address is the kernel's, at the other end of the cable.
	if (spec->kind == DEVICE_TAP)
		dev.mac[5] ^= 0x80;
	// What a virtual device calls its speed is no limit.
	if (spec->kind == DEVICE_PCI && rte_eth_link_get_nowait(dev.id, &link) == 0 &&
		link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
		dev.link_bps = link.link_speed * 1000000ull;
	*ret_dev = dev;
	return 0;
}

void device_close(struct device *dev)
{
	(void)rte_eth_promiscuous_disable(dev->id);
	(void)rte_eth_dev_stop(dev->id);
	(void)rte_eth_dev_close(dev->id);
}
