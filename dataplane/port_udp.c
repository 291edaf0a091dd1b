// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/port_udp.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include "config/gateway.h"
#include "dataplane/netdev.h"
#include "dataplane/outer.h"
#include "dataplane/port.h"

#define MESSAGE_SEGMENTS 64    // UDP_MAX_SEGMENTS of the first kernel that has UDP_SEGMENT
#define MESSAGE_BYTES    65507 // largest UDP payload over IPv4, merged or to be cut
#define RX_ROOM          65536
// What the kernel merged comes in few large messages, of which some fill the cache; what it did not
// comes in many small ones.
#define RX_MESSAGES      32
#define RX_MESSAGES_FULL 4
#define RX_FULL_BYTES    16384
// Merged messages are received straight into packets, if their segments are as long as those
// before: at least so long that what a packet each may hold is all of a message.
#define RX_PARTS         64
#define RX_PART_MIN      (RX_ROOM / RX_PARTS)
#define TX_MESSAGES      16
#define SOCKET_BYTES     (8 << 20)

#define WHY(why, ...) snprintf((why), PORT_WHY_BYTES, __VA_ARGS__)

// Stations that are not there: only the frame path sees them.
static const uint8_t our_mac[6] = {0x02, 0x70, 0x73, 0x74, 0x6e, 0x01};
static const uint8_t next_mac[6] = {0x02, 0x70, 0x73, 0x74, 0x6e, 0x02};

union control {
	char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

struct rx_message {
	struct sockaddr_in6 from;
	union control control;
	struct iovec iov;
};

struct udp_queue {
	int fd;
	bool segment; // the kernel cuts for us
	uint16_t be_port;
	struct rte_mempool *pool;
	uint8_t *room; // RX_MESSAGES × RX_ROOM, touched only as far as messages fill it

	// What the last recvmmsg() brought and is not handed over yet.
	unsigned n, next, want;
	uint32_t at;                      // within message `next`
	uint32_t segment_bytes;           // of it
	uint8_t header[OUTER_IPV6_BYTES]; // of it, for a full segment
	uint8_t header_bytes;             // 0: not made yet
	bool in_place;                    // it lies in packets
	struct mmsghdr message[RX_MESSAGES];
	struct rx_message rx[RX_MESSAGES];

	// Packets to receive segments of `part_bytes` into: behind room for their headers.
	uint32_t expect;     // segment size of the last merged message
	uint32_t part_bytes; // that the last recvmmsg() was given packets for; 0: it was not
	struct rte_mbuf *part[RX_MESSAGES_FULL][RX_PARTS];
	struct iovec part_iov[RX_MESSAGES_FULL][RX_PARTS];
};

struct udp_port {
	unsigned n;
	struct udp_queue queue[];
};

// ---------------------------------------------------------------- receive

static uint8_t *part_data(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, uint8_t *, OUTER_IPV6_BYTES);
}

// Give message i a packet for each segment.
static bool give_parts(struct udp_queue *q, unsigned i)
{
	struct msghdr *h = &q->message[i].msg_hdr;
	unsigned k = 0;

	for (uint32_t at = 0; at < RX_ROOM; at += q->expect, k++) {
		struct rte_mbuf **m = &q->part[i][k];

		if (*m == NULL)
			*m = rte_pktmbuf_alloc(q->pool);
		if (*m == NULL || rte_pktmbuf_tailroom(*m) < OUTER_IPV6_BYTES + q->expect)
			return false;
		q->part_iov[i][k] = (struct iovec){part_data(*m), q->expect};
	}
	h->msg_iov = q->part_iov[i];
	h->msg_iovlen = k;
	return true;
}

static bool give_all_parts(struct udp_queue *q)
{
	bool all = q->want == RX_MESSAGES_FULL && q->expect >= RX_PART_MIN;

	for (unsigned i = 0; all && i < q->want; i++)
		all = give_parts(q, i);
	return all;
}

static void receive(struct udp_queue *q)
{
	unsigned want = q->want;
	uint64_t bytes = 0;
	int n;

	q->part_bytes = give_all_parts(q) ? q->expect : 0;
	for (unsigned i = 0; i < want; i++) {
		struct msghdr *h = &q->message[i].msg_hdr;

		h->msg_namelen = sizeof(q->rx[i].from);
		h->msg_controllen = sizeof(q->rx[i].control);
		if (q->part_bytes == 0) {
			h->msg_iov = &q->rx[i].iov;
			h->msg_iovlen = 1;
		}
	}
	n = recvmmsg(q->fd, q->message, want, MSG_DONTWAIT, NULL);
	q->n = n < 0 ? 0 : (unsigned)n;
	q->next = 0;
	q->header_bytes = 0;
	for (unsigned i = 0; i < q->n; i++)
		bytes += q->message[i].msg_len;
	q->want = bytes > q->n * (uint64_t)RX_FULL_BYTES ? RX_MESSAGES_FULL : RX_MESSAGES;
}

// A message whose segments are not as long as expected, in one piece.
static void join_parts(struct udp_queue *q)
{
	uint32_t bytes = q->message[q->next].msg_len;
	uint8_t *to = q->rx[q->next].iov.iov_base;

	for (unsigned k = 0; k * q->part_bytes < bytes; k++) {
		uint32_t left = bytes - k * q->part_bytes;

		memcpy(to + k * q->part_bytes, part_data(q->part[q->next][k]),
			left < q->part_bytes ? left : q->part_bytes);
	}
}

// The headers that this message's segments would have had on a wire.
static bool make_header(struct udp_queue *q)
{
	struct msghdr *h = &q->message[q->next].msg_hdr;
	const struct sockaddr_in6 *from = &q->rx[q->next].from;
	const struct in6_addr *to = NULL;
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)q->header;
	struct rte_udp_hdr *udp;
	uint32_t bytes;
	int merged = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
			memcpy(&merged, CMSG_DATA(c), sizeof(merged));
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			to = &((const struct in6_pktinfo *)CMSG_DATA(c))->ipi6_addr;
	}
	if (to == NULL || q->message[q->next].msg_len == 0 ||
		IN6_IS_ADDR_V4MAPPED(to) != IN6_IS_ADDR_V4MAPPED(&from->sin6_addr))
		return false;
	q->segment_bytes = merged > 0 ? (uint32_t)merged : q->message[q->next].msg_len;
	q->at = 0;
	if (merged > 0)
		q->expect = (uint32_t)merged;
	// Segment k is in part k; or all of the message is one segment, and in the first part.
	bytes = q->message[q->next].msg_len;
	q->in_place = q->part_bytes != 0 &&
		      (q->segment_bytes == q->part_bytes ||
			      (bytes <= q->segment_bytes && bytes <= q->part_bytes));
	if (q->part_bytes != 0 && !q->in_place)
		join_parts(q);
	memset(q->header, 0, sizeof(q->header));
	memcpy(&eth->dst_addr, our_mac, 6);
	memcpy(&eth->src_addr, next_mac, 6);
	if (IN6_IS_ADDR_V4MAPPED(to)) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(eth + 1);

		eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
		ip->version_ihl = RTE_IPV4_VHL_DEF;
		ip->next_proto_id = IPPROTO_UDP;
		memcpy(&ip->src_addr, &from->sin6_addr.s6_addr[12], 4);
		memcpy(&ip->dst_addr, &to->s6_addr[12], 4);
		udp = (struct rte_udp_hdr *)(ip + 1);
		q->header_bytes = OUTER_IPV4_BYTES;
	} else {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(eth + 1);

		eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV6);
		ip->vtc_flow = RTE_BE32(6u << 28);
		ip->proto = IPPROTO_UDP;
		memcpy(ip->src_addr, &from->sin6_addr, 16);
		memcpy(ip->dst_addr, to, 16);
		udp = (struct rte_udp_hdr *)(ip + 1);
		udp->dgram_cksum = 0xffff; // the kernel has verified it; zero would mean none
		q->header_bytes = OUTER_IPV6_BYTES;
	}
	udp->src_port = from->sin6_port;
	udp->dst_port = q->be_port;
	return true;
}

// The headers of a segment of `bytes`, of which as much as fits lies behind them. A datagram longer
// than a packet buffer is cut off, and its lengths then tell the parser so.
static void finish(const struct udp_queue *q, struct rte_mbuf *m, uint32_t bytes)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t room = rte_pktmbuf_tailroom(m) - q->header_bytes;
	uint16_t udp_bytes = sizeof(struct rte_udp_hdr) + bytes;
	struct rte_udp_hdr *udp =
		(struct rte_udp_hdr *)(frame + q->header_bytes - sizeof(struct rte_udp_hdr));

	memcpy(frame, q->header, q->header_bytes);
	udp->dgram_len = rte_cpu_to_be_16(udp_bytes);
	if (q->header_bytes == OUTER_IPV4_BYTES) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + RTE_ETHER_HDR_LEN);

		ip->total_length = rte_cpu_to_be_16(sizeof(*ip) + udp_bytes);
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	} else {
		((struct rte_ipv6_hdr *)(frame + RTE_ETHER_HDR_LEN))->payload_len = udp->dgram_len;
	}
	m->data_len = q->header_bytes + (bytes < room ? bytes : room);
	m->pkt_len = m->data_len;
}

// The segment at `at` of the message, as a packet; NULL without memory.
static struct rte_mbuf *take_segment(struct udp_queue *q, uint32_t bytes)
{
	struct rte_mbuf *m;

	if (q->in_place) {
		struct rte_mbuf **part = &q->part[q->next][q->at / q->part_bytes];

		m = *part;
		*part = NULL;
		m->data_off += OUTER_IPV6_BYTES - q->header_bytes;
	} else {
		const uint8_t *data = (uint8_t *)q->rx[q->next].iov.iov_base + q->at;
		uint32_t room;

		m = rte_pktmbuf_alloc(q->pool);
		if (m == NULL)
			return NULL;
		room = rte_pktmbuf_tailroom(m) - q->header_bytes;
		memcpy(rte_pktmbuf_mtod_offset(m, void *, q->header_bytes), data,
			bytes < room ? bytes : room);
	}
	finish(q, m, bytes);
	return m;
}

static void next_message(struct udp_queue *q)
{
	q->next++;
	q->header_bytes = 0;
}

static uint16_t udp_rx(struct port *p, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	struct udp_queue *q = &((struct udp_port *)p->ctx)->queue[queue];
	uint16_t got = 0;

	if (q->next == q->n)
		receive(q);
	while (got < n && q->next < q->n) {
		uint32_t left, bytes;

		if (q->header_bytes == 0 && !make_header(q)) {
			next_message(q);
			continue;
		}
		left = q->message[q->next].msg_len - q->at;
		bytes = left < q->segment_bytes ? left : q->segment_bytes;
		m[got] = take_segment(q, bytes);
		if (m[got] == NULL)
			break; // what is left waits
		got++;
		q->at += bytes;
		if (bytes == left)
			next_message(q);
	}
	return got;
}

// What came while the socket's buffer was full.
static uint64_t udp_missed(const struct port *p)
{
	const struct udp_port *u = p->ctx;
	uint64_t total = 0;

	for (unsigned i = 0; i < u->n; i++) {
		uint32_t info[SK_MEMINFO_VARS] = {0};
		socklen_t bytes = sizeof(info);

		if (getsockopt(u->queue[i].fd, SOL_SOCKET, SO_MEMINFO, info, &bytes) == 0)
			total += info[SK_MEMINFO_DROPS];
	}
	return total;
}

// ---------------------------------------------------------------- send

// What makes two frames of outer_write() one message: all but lengths and checksums.
static bool same_way(const uint8_t *a, const uint8_t *b)
{
	if (memcmp(a + 12, b + 12, 4) != 0) // ethertype; IPv4: DSCP; IPv6: the class's first bits
		return false;
	if (a[12] == 0x08)
		return memcmp(a + 26, b + 26, 12) == 0;
	return memcmp(a + 14, b + 14, 4) == 0 && memcmp(a + 22, b + 22, 36) == 0;
}

static unsigned header_of(const uint8_t *frame)
{
	return frame[12] == 0x08 ? OUTER_IPV4_BYTES : OUTER_IPV6_BYTES;
}

static struct cmsghdr *put_control(
	struct msghdr *h, struct cmsghdr *c, int level, int type, const void *data, size_t bytes)
{
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(bytes);
	memcpy(CMSG_DATA(c), data, bytes);
	h->msg_controllen += CMSG_SPACE(bytes);
	return (struct cmsghdr *)((char *)c + CMSG_SPACE(bytes));
}

struct tx_message {
	struct sockaddr_in6 to;
	union control control;
};

static void map_ipv4(struct in6_addr *out, const uint8_t *ip)
{
	memset(out, 0, sizeof(*out));
	out->s6_addr[10] = 0xff;
	out->s6_addr[11] = 0xff;
	memcpy(&out->s6_addr[12], ip, 4);
}

static void address(struct msghdr *h, struct tx_message *t, const uint8_t *frame, uint16_t segment)
{
	struct cmsghdr *c = &t->control.align;
	struct in6_pktinfo from = {0};
	bool v4 = frame[12] == 0x08;
	int class = v4 ? frame[15] : (frame[14] << 4 | frame[15] >> 4) & 0xff;

	t->to = (struct sockaddr_in6){.sin6_family = AF_INET6};
	if (v4) {
		map_ipv4(&from.ipi6_addr, frame + 26);
		map_ipv4(&t->to.sin6_addr, frame + 30);
	} else {
		memcpy(&from.ipi6_addr, frame + 22, 16);
		memcpy(&t->to.sin6_addr, frame + 38, 16);
	}
	memcpy(&t->to.sin6_port, frame + header_of(frame) - 6, 2);
	h->msg_name = &t->to;
	h->msg_namelen = sizeof(t->to);
	h->msg_control = &t->control;
	h->msg_controllen = 0;
	c = put_control(h, c, IPPROTO_IPV6, IPV6_PKTINFO, &from, sizeof(from));
	c = put_control(h, c, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &class,
		sizeof(class));
	if (segment != 0)
		put_control(h, c, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
}

// As many frames from m on as go in one message: same way, same length, the last may be shorter.
static unsigned gather(const struct udp_queue *q, struct rte_mbuf **m, unsigned n,
	struct iovec *iov, struct msghdr *h)
{
	const uint8_t *first = rte_pktmbuf_mtod(m[0], uint8_t *);
	unsigned header = header_of(first), k = 0;
	uint32_t segment = m[0]->data_len - header, total = 0;

	*h = (struct msghdr){.msg_iov = iov};
	do {
		uint8_t *frame = rte_pktmbuf_mtod(m[k], uint8_t *);

		iov[k].iov_base = frame + header;
		iov[k].iov_len = m[k]->data_len - header;
		total += iov[k].iov_len;
		k++;
	} while (q->segment && k < n && k < MESSAGE_SEGMENTS && iov[k - 1].iov_len == segment &&
		 m[k]->data_len - header <= segment &&
		 total + m[k]->data_len - header <= MESSAGE_BYTES &&
		 same_way(first, rte_pktmbuf_mtod(m[k], uint8_t *)));
	h->msg_iovlen = k;
	return k;
}

// Whether the same frames may go when they are tried once more.
static bool give_up_segments(struct udp_queue *q, const struct msghdr *h, int error)
{
	if (h->msg_iovlen < 2 || error != EIO)
		return false;
	q->segment = false; // a device or tunnel that cannot have its datagrams cut
	return true;
}

static bool queue_is_full(int error)
{
	return error == EAGAIN || error == ENOBUFS || error == ENOMEM || error == EINTR;
}

// Send up to TX_MESSAGES messages. Returns how many frames were dealt with; `failed` of them, at
// the front of m, could not be sent and are the caller's, the others are freed.
static unsigned send_some(
	struct udp_queue *q, struct rte_mbuf **m, unsigned n, unsigned *ret_failed, bool *ret_full)
{
	struct mmsghdr message[TX_MESSAGES];
	struct tx_message to[TX_MESSAGES];
	struct iovec iov[PORT_TX_MAX];
	unsigned n_messages = 0, taken = 0, frames = 0;
	int sent;

	while (taken < n && n_messages < TX_MESSAGES) {
		struct msghdr *h = &message[n_messages].msg_hdr;
		unsigned k = gather(q, m + taken, n - taken, iov + taken, h);

		address(h, &to[n_messages++], rte_pktmbuf_mtod(m[taken], uint8_t *),
			k > 1 ? (uint16_t)iov[taken].iov_len : 0);
		taken += k;
	}
	sent = sendmmsg(q->fd, message, n_messages, MSG_DONTWAIT);
	for (int i = 0; i < sent; i++)
		frames += message[i].msg_hdr.msg_iovlen;
	rte_pktmbuf_free_bulk(m, frames);
	*ret_failed = 0;
	if (sent >= 0)
		return frames;
	*ret_full = queue_is_full(errno);
	if (*ret_full || give_up_segments(q, &message[0].msg_hdr, errno))
		return 0;
	*ret_failed = message[0].msg_hdr.msg_iovlen;
	return *ret_failed;
}

static uint16_t udp_tx(struct port *p, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	struct udp_queue *q = &((struct udp_port *)p->ctx)->queue[queue];
	struct rte_mbuf *left[PORT_TX_MAX];
	unsigned at = 0, n_left = 0;
	bool full = false;

	n = n < PORT_TX_MAX ? n : PORT_TX_MAX;
	while (at < n && !full) {
		unsigned failed;
		unsigned k = send_some(q, m + at, n - at, &failed, &full);

		memcpy(left + n_left, m + at, failed * sizeof(m[0]));
		n_left += failed;
		at += k;
	}
	// What was not sent goes to the end, where the caller counts and frees it.
	memcpy(left + n_left, m + at, (n - at) * sizeof(m[0]));
	n_left += n - at;
	memcpy(m + n - n_left, left, n_left * sizeof(m[0]));
	return n - n_left;
}

// ---------------------------------------------------------------- open

// What cannot be a datagram of ours ends here (PROTOCOL.md §8); offsets count from the UDP header.
static int attach_filter(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 8 + PKT_MIN_LEN, 0, 5),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PKT_TYPE_DATA, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, PKT_TYPE_PUNCH, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, PKT_TYPE_RETRY, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno : 0;
}

static void set_buffer(int fd, int forced, int plain)
{
	int bytes = SOCKET_BYTES;

	if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof(bytes));
}

static int set_options(int fd, const struct config_port *cfg)
{
	const struct {
		int level, option, value;
	} options[] = {
		{IPPROTO_IPV6, IPV6_V6ONLY, 0},
		{IPPROTO_IPV6, IPV6_RECVPKTINFO, 1},
		{IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE},
		{IPPROTO_IPV6, IPV6_DONTFRAG, 1},
		{IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE},
		{SOL_UDP, UDP_GRO, 1},
		// So that it can be bound beside the unread sockets that hold the port.
		{SOL_SOCKET, SO_REUSEADDR, 1},
		{SOL_SOCKET, SO_REUSEPORT, cfg->n_queues > 1},
	};

	for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (setsockopt(fd, options[i].level, options[i].option, &options[i].value,
			    sizeof(int)) < 0)
			return -errno;
	}
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	// Bound to its interface it is preferred to sockets that are not.
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, cfg->interface,
		    (socklen_t)strlen(cfg->interface)) < 0)
		return -errno;
	return attach_filter(fd);
}

static int open_socket(const struct config_port *cfg)
{
	struct sockaddr_in6 any = {
		.sin6_family = AF_INET6, .sin6_port = rte_cpu_to_be_16(cfg->overlay_port)};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int off = 0, err;

	if (fd < 0)
		return -errno;
	err = set_options(fd, cfg);
	if (err == 0 && bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		err = -errno;
	// Nobody else may bind beside us from now on.
	if (err == 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &off, sizeof(off)) < 0)
		err = -errno;
	if (err < 0) {
		close(fd);
		return err;
	}
	return fd;
}

static int open_queue(const struct config_port *cfg, struct rte_mempool *pool, struct udp_queue *q)
{
	q->fd = open_socket(cfg);
	if (q->fd < 0)
		return q->fd;
	q->room = malloc(RX_MESSAGES * (size_t)RX_ROOM);
	if (q->room == NULL)
		return -ENOMEM;
	q->pool = pool;
	q->segment = true;
	q->be_port = rte_cpu_to_be_16(cfg->overlay_port);
	q->want = RX_MESSAGES;
	for (unsigned i = 0; i < RX_MESSAGES; i++) {
		struct msghdr *h = &q->message[i].msg_hdr;

		q->rx[i].iov = (struct iovec){q->room + i * (size_t)RX_ROOM, RX_ROOM};
		h->msg_name = &q->rx[i].from;
		h->msg_control = &q->rx[i].control;
	}
	return 0;
}

int port_udp_open(const struct config_port *cfg, struct rte_mempool *pool, struct port *port,
	struct port_rt *rt, char *why)
{
	struct udp_port *u = calloc(1, sizeof(*u) + rt->n_queues * sizeof(u->queue[0]));
	int err = u == NULL ? -ENOMEM : 0;

	port->ctx = u;
	while (err == 0 && u->n < rt->n_queues) {
		u->queue[u->n].fd = -1;
		err = open_queue(cfg, pool, &u->queue[u->n++]);
	}
	if (err < 0) {
		WHY(why, "port %s: no UDP socket on port %u of %s: %s%s", cfg->name,
			cfg->overlay_port, cfg->interface, strerror(-err),
			err == -EADDRINUSE
				? ". Another program has it (`ss -ulnp`): stop that, or set "
				  "another overlay_port"
			: err == -EAFNOSUPPORT
				? ". The socket is of IPv6, which carries IPv4 too: this kernel "
				  "was "
				  "started with ipv6.disable=1; ipv6.disable_ipv6=1 will do as well"
				: "");
		port_udp_close(port);
		return err;
	}
	for (unsigned i = 0; i < u->n; i++)
		rt->queue_fd[i] = u->queue[i].fd;
	port->rx = udp_rx;
	port->tx = udp_tx;
	port->missed = udp_missed;
	memcpy(port->mac, our_mac, sizeof(port->mac));
	return 0;
}

void port_udp_close(struct port *port)
{
	struct udp_port *u = port->ctx;

	for (unsigned i = 0; u != NULL && i < u->n; i++) {
		if (u->queue[i].fd >= 0)
			close(u->queue[i].fd);
		for (unsigned k = 0; k < RX_MESSAGES_FULL * RX_PARTS; k++)
			rte_pktmbuf_free(u->queue[i].part[k / RX_PARTS][k % RX_PARTS]);
		free(u->queue[i].room);
	}
	free(u);
	port->ctx = NULL;
}
