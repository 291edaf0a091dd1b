// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/port_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_net.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include "dataplane/gso.h"
#include "dataplane/netdev.h"
#include "dataplane/port.h"
#include "dataplane/super.h"
#include "wire/packet.h"

// Newer than Debian 12's headers; a kernel without refuses them.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define OFFLOADS     (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)
#define OFFLOADS_USO (TUN_F_USO4 | TUN_F_USO6)
#define ETH_OVERHEAD (14 + 8) // header and two tags
// A burst ends when it has brought this much: more would not stay in the cache.
#define BURST_BYTES  65536
#define REPLY_BYTES  8192

#define WHY(why, ...) snprintf((why), PORT_WHY_BYTES, __VA_ARGS__)

struct tap_queue {
	int fd;
	// Where the next frame goes: what is ordinary fits `small`, of what is larger the rest goes
	// to `super`, behind a gap into which its beginning is then copied.
	struct rte_mbuf *small;
	struct rte_mbuf *super;
	uint8_t *segment; // one, on its way to a kernel that takes no UDP super-frames
	uint64_t cut;     // frames too long for `small`, where there is no `super`
};

struct tap_port {
	struct rte_mempool *pool;
	struct rte_mempool *super_pool;
	uint16_t frame_bytes; // longest ordinary frame
	bool uso;             // the kernel takes UDP super-frames
	uint16_t n;
	struct tap_queue queue[];
};

// ---------------------------------------------------------------- receive

static bool have_buffers(const struct tap_port *t, struct tap_queue *q)
{
	if (q->small == NULL)
		q->small = rte_pktmbuf_alloc(t->pool);
	if (q->super == NULL && t->super_pool != NULL)
		q->super = rte_pktmbuf_alloc(t->super_pool);
	return q->small != NULL && (q->super != NULL || t->super_pool == NULL);
}

// The frame of `bytes` that a read put into the buffers, in one piece.
static struct rte_mbuf *take_buffer(const struct tap_port *t, struct tap_queue *q, uint32_t bytes)
{
	struct rte_mbuf *m = q->small;

	if (bytes <= t->frame_bytes) {
		q->small = NULL;
	} else {
		m = q->super;
		q->super = NULL;
		memcpy(rte_pktmbuf_mtod(m, void *), rte_pktmbuf_mtod(q->small, void *),
			t->frame_bytes);
	}
	m->data_len = bytes;
	m->pkt_len = bytes;
	return m;
}

// What the kernel left for a device to do: to be done by whoever delivers the frame, or now. A
// frame that is too long to be ordinary, and no super-frame either, is dropped as a giant.
static void finish(const struct virtio_net_hdr *h, struct rte_mbuf *m)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	struct gso g;

	if (h->gso_type != VIRTIO_NET_HDR_GSO_NONE &&
		gso_parse(frame, m->data_len, h->gso_size, &g))
		mbuf_super_set(m, h->gso_size);
	else if ((h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0)
		(void)gso_checksum_complete(frame, m->data_len, h->csum_start, h->csum_offset);
}

static uint16_t tap_rx(struct port *p, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	const struct tap_port *t = p->ctx;
	struct tap_queue *q = &((struct tap_port *)p->ctx)->queue[queue];
	bool super = t->super_pool != NULL;
	uint32_t total = 0;
	uint16_t got = 0;

	while (got < n && total < BURST_BYTES && have_buffers(t, q)) {
		struct virtio_net_hdr h = {0};
		struct iovec iov[3] = {
			{&h, sizeof(h)},
			// One byte more tells what is cut: an interface's MTU may be raised.
			{rte_pktmbuf_mtod(q->small, void *), t->frame_bytes + (super ? 0u : 1u)},
		};
		ssize_t bytes;

		if (super)
			iov[2] = (struct iovec){
				rte_pktmbuf_mtod_offset(q->super, void *, t->frame_bytes),
				PKT_SUPER_MAX - t->frame_bytes};
		bytes = readv(q->fd, iov, super ? 3 : 2) - (ssize_t)sizeof(h);
		if (bytes < 0)
			break;
		total += (uint32_t)bytes;
		if (!super && bytes > t->frame_bytes) {
			__atomic_store_n(&q->cut, q->cut + 1, __ATOMIC_RELAXED);
			continue;
		}
		m[got] = take_buffer(t, q, (uint32_t)bytes);
		finish(&h, m[got++]);
	}
	return got;
}

static uint64_t tap_missed(const struct port *p)
{
	const struct tap_port *t = p->ctx;
	uint64_t total = 0;

	for (unsigned i = 0; i < t->n; i++)
		total += __atomic_load_n(&t->queue[i].cut, __ATOMIC_RELAXED);
	return total;
}

// ---------------------------------------------------------------- send

static bool put(const struct tap_queue *q, struct virtio_net_hdr *h, void *frame, uint32_t bytes)
{
	struct iovec iov[2] = {{h, sizeof(*h)}, {frame, bytes}};

	return writev(q->fd, iov, 2) >= 0;
}

static bool put_segments(
	const struct tap_queue *q, const uint8_t *frame, uint32_t bytes, const struct gso *g)
{
	bool all = true;

	for (unsigned i = 0; i < g->segments; i++) {
		struct virtio_net_hdr none = {0};
		uint32_t n = gso_segment(frame, bytes, g, i, q->segment);

		all &= put(q, &none, q->segment, n);
	}
	return all;
}

static bool put_super(const struct tap_port *t, const struct tap_queue *q, struct rte_mbuf *m)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM};
	struct gso g;

	// It was checked when it came; what the kernel is told stands on what is there now.
	if (!gso_parse(frame, m->data_len, mbuf_super(m), &g))
		return false;
	if (g.udp && !t->uso)
		return put_segments(q, frame, m->data_len, &g);
	if (g.udp)
		h.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
	else
		h.gso_type = g.ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	if (!g.udp && (((struct rte_tcp_hdr *)(frame + g.l4))->tcp_flags & RTE_TCP_CWR_FLAG) != 0)
		h.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	h.hdr_len = g.payload;
	h.gso_size = g.size;
	h.csum_start = g.l4;
	h.csum_offset = gso_checksum_offset(&g);
	gso_checksum_begin(frame, m->data_len, &g);
	return put(q, &h, frame, m->data_len);
}

static uint16_t tap_tx(struct port *p, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	const struct tap_port *t = p->ctx;
	const struct tap_queue *q = &t->queue[queue];
	uint16_t sent = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct virtio_net_hdr none = {0};
		struct rte_mbuf *f = m[i];

		// What the kernel does not take goes to the end, where the caller counts it.
		if (mbuf_is_super(f) ? !put_super(t, q, f)
				     : !put(q, &none, rte_pktmbuf_mtod(f, void *), f->data_len))
			continue;
		m[i] = m[sent];
		m[sent++] = f;
	}
	rte_pktmbuf_free_bulk(m, sent);
	return sent;
}

// ---------------------------------------------------------------- open

static int request(const char *ifname, unsigned long op, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", ifname);
	if (ioctl(fd, op, ifr) < 0)
		err = -errno;
	close(fd);
	return err;
}

// The largest super-frame that the kernel may make; one that it forwards and that is larger it cuts
// itself.
static int limit_super(const char *ifname)
{
	_Alignas(struct nlmsghdr) char buf[REPLY_BYTES];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct ifinfomsg *info;
	ssize_t n = -1;
	int err = 0;

	if (nl == NULL)
		return -errno;
	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = 1;
	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	info->ifi_index = (int)if_nametoindex(ifname);
	mnl_attr_put_u32(nlh, IFLA_GSO_MAX_SIZE, PKT_SUPER_MAX - ETH_OVERHEAD);
	mnl_attr_put_u32(nlh, IFLA_GSO_MAX_SEGS, GSO_SEGMENTS_MAX);
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
		mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		err = -errno;
	if (err == 0)
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	if (err == 0 &&
		(n < 0 || mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(nl), NULL, NULL) < 0))
		err = -errno;
	mnl_socket_close(nl);
	return err;
}

static int set_up(const struct tap_options *o)
{
	struct ifreq ifr = {0};
	int err = 0;

	if (o->mac != NULL) {
		ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
		memcpy(ifr.ifr_hwaddr.sa_data, o->mac, 6);
		err = request(o->interface, SIOCSIFHWADDR, &ifr);
	}
	if (err == 0) {
		ifr.ifr_mtu = o->mtu;
		err = request(o->interface, SIOCSIFMTU, &ifr);
	}
	if (err == 0 && o->super_pool != NULL)
		err = limit_super(o->interface);
	return err == 0 ? netdev_set_up(o->interface) : err;
}

static int open_queue(const struct tap_options *o, struct tap_port *t, struct tap_queue *q)
{
	struct ifreq ifr = {
		.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE)};
	unsigned offloads = o->super_pool != NULL ? OFFLOADS : 0;

	q->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (q->fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", o->interface);
	if (ioctl(q->fd, TUNSETIFF, &ifr) < 0)
		return -errno;
	t->uso = offloads != 0 && ioctl(q->fd, TUNSETOFFLOAD, offloads | OFFLOADS_USO) == 0;
	if (!t->uso && ioctl(q->fd, TUNSETOFFLOAD, offloads) < 0)
		return -errno;
	q->segment = malloc(UINT16_MAX);
	return q->segment == NULL ? -ENOMEM : 0;
}

static void explain(const struct tap_options *o, int err, char *why)
{
	WHY(why, "port %s: cannot make the interface %s: %s. It needs %s", o->port, o->interface,
		strerror(-err),
		err == -EPERM || err == -EACCES ? "root, or the capability cap_net_admin"
		: err == -ENOENT || err == -ENODEV
			? "/dev/net/tun: `modprobe tun`, or let the container have the device"
			: "a name that no other interface has, and that no other program uses");
}

int port_tap_open(const struct tap_options *o, struct port *port, int *fds, char *why)
{
	struct tap_port *t = calloc(1, sizeof(*t) + o->n_queues * sizeof(t->queue[0]));
	struct ifreq ifr = {0};
	int err = t == NULL ? -ENOMEM : 0;

	port->ctx = t;
	if (err == 0) {
		t->pool = o->pool;
		t->super_pool = o->super_pool;
		t->frame_bytes = o->mtu + ETH_OVERHEAD;
	}
	while (err == 0 && t->n < o->n_queues) {
		t->queue[t->n].fd = -1;
		err = open_queue(o, t, &t->queue[t->n++]);
	}
	if (err == 0)
		err = set_up(o);
	if (err == 0)
		err = request(o->interface, SIOCGIFHWADDR, &ifr);
	if (err < 0) {
		explain(o, err, why);
		port_tap_close(port);
		return err;
	}
	for (unsigned i = 0; i < t->n; i++)
		fds[i] = t->queue[i].fd;
	memcpy(port->mac, ifr.ifr_hwaddr.sa_data, sizeof(port->mac));
	port->rx = tap_rx;
	port->tx = tap_tx;
	port->missed = tap_missed;
	port->super = o->super_pool != NULL;
	return 0;
}

void port_tap_close(struct port *port)
{
	struct tap_port *t = port->ctx;

	for (unsigned i = 0; t != NULL && i < t->n; i++) {
		if (t->queue[i].fd >= 0)
			close(t->queue[i].fd);
		rte_pktmbuf_free(t->queue[i].small);
		rte_pktmbuf_free(t->queue[i].super);
		free(t->queue[i].segment);
	}
	free(t);
	port->ctx = NULL;
}
