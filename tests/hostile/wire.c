// SPDX-License-Identifier: BSD-3-Clause
#include "tests/hostile/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "wire/bytes.h"
#include "wire/packet.h"

#define QUIET_MS_MAX 5000

void wire_die(const char *what)
{
	fprintf(stderr, "hostile: %s: %s\n", what, strerror(errno));
	exit(1);
}

uint64_t wire_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int packet_socket(const char *iface, int protocol, struct ifreq *ifr)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		wire_die("socket");
	to.sll_ifindex = (int)if_nametoindex(iface);
	if (to.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		wire_die(iface);
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", iface);
	if (ioctl(fd, SIOCGIFHWADDR, ifr) < 0)
		wire_die("address");
	return fd;
}

static void parse_calls(struct wire *w, int af, const char *text)
{
	char one[INET6_ADDRSTRLEN];

	for (size_t n; text != NULL && *text != '\0' && w->n_calls < WIRE_PORTS_MAX;
		text += n + (text[n] == ',')) {
		n = strcspn(text, ",");
		snprintf(one, sizeof(one), "%.*s", (int)n, text);
		if (inet_pton(af, one, w->calls[w->n_calls]) == 1)
			w->n_calls++;
	}
}

void wire_open(struct wire *w, const char *iface, const char *src_ip, const char *dst_ip,
	const char *dst_mac)
{
	int af = strchr(dst_ip, ':') != NULL ? AF_INET6 : AF_INET, on = 1, room = 64 << 20;
	struct ifreq ifr = {0};

	memset(w, 0, sizeof(*w));
	w->v6 = af == AF_INET6;
	w->tx = packet_socket(iface, 0, &ifr);
	memcpy(w->src_mac, ifr.ifr_hwaddr.sa_data, 6);
	w->rx = packet_socket(iface, ETH_P_ALL, &ifr);
	setsockopt(w->tx, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	setsockopt(w->rx, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
	setsockopt(w->rx, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	parse_calls(w, af, getenv("HOSTILE_CALLS"));
	if (inet_pton(af, src_ip, w->src_ip) != 1 || inet_pton(af, dst_ip, w->dst_ip) != 1 ||
		sscanf(dst_mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &w->dst_mac[0], &w->dst_mac[1],
			&w->dst_mac[2], &w->dst_mac[3], &w->dst_mac[4], &w->dst_mac[5]) != 6) {
		errno = EINVAL;
		wire_die(dst_ip);
	}
}

// ---------------------------------------------------------------- sending

uint8_t *wire_get(struct wire *w)
{
	return w->frame[w->n].data;
}

void wire_put(struct wire *w, unsigned bytes)
{
	w->frame[w->n++].bytes = bytes < 60 ? 60 : bytes;
	if (w->n == 64)
		wire_flush(w);
}

void wire_flush(struct wire *w)
{
	struct mmsghdr msg[64] = {0};
	struct iovec iov[64];
	unsigned done = 0;

	for (unsigned i = 0; i < w->n; i++) {
		iov[i] = (struct iovec){w->frame[i].data, w->frame[i].bytes};
		msg[i].msg_hdr.msg_iov = &iov[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
	while (done < w->n) {
		int n = sendmmsg(w->tx, msg + done, w->n - done, 0);

		if (n > 0) {
			done += (unsigned)n;
			continue;
		}
		if (errno != ENOBUFS && errno != EAGAIN)
			wire_die("send");
		w->refused++;
		usleep(100);
	}
	w->sent += w->n;
	w->n = 0;
}

static uint32_t sum_of(const uint8_t *data, unsigned bytes)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i + 1 < bytes; i += 2)
		sum += (uint32_t)(data[i] << 8 | data[i + 1]);
	return bytes % 2 != 0 ? sum + (uint32_t)(data[bytes - 1] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint8_t *wire_ip(struct wire *w, uint8_t *frame, uint8_t protocol, unsigned payload_bytes)
{
	uint8_t *ip = frame + 14;

	memcpy(frame, w->dst_mac, 6);
	memcpy(frame + 6, w->src_mac, 6);
	put_be16(frame + 12, w->v6 ? ETH_P_IPV6 : ETH_P_IP);
	if (w->v6) {
		memset(ip, 0, 40);
		ip[0] = 0x60;
		put_be16(ip + 4, (uint16_t)payload_bytes);
		ip[6] = protocol;
		ip[7] = 64;
		memcpy(ip + 8, w->src_ip, 16);
		memcpy(ip + 24, w->dst_ip, 16);
		return ip + 40;
	}
	memset(ip, 0, 20);
	ip[0] = 0x45;
	put_be16(ip + 2, (uint16_t)(20 + payload_bytes));
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, w->src_ip, 4);
	memcpy(ip + 16, w->dst_ip, 4);
	put_be16(ip + 10, fold(sum_of(ip, 20)));
	return ip + 20;
}

unsigned wire_udp_offset(const struct wire *w)
{
	return 14 + (w->v6 ? 40 : 20) + 8;
}

static uint16_t transport_sum(
	const struct wire *w, uint8_t protocol, const uint8_t *data, unsigned bytes)
{
	unsigned n = w->v6 ? 16 : 4;

	return fold(sum_of(w->src_ip, n) + sum_of(w->dst_ip, n) + protocol + bytes +
		    sum_of(data, bytes));
}

unsigned wire_udp(
	struct wire *w, uint8_t *frame, uint16_t sport, uint16_t dport, unsigned payload_bytes)
{
	uint8_t *udp = wire_ip(w, frame, IPPROTO_UDP, 8 + payload_bytes);
	uint16_t sum;

	put_be16(udp, sport);
	put_be16(udp + 2, dport);
	put_be16(udp + 4, (uint16_t)(8 + payload_bytes));
	put_be16(udp + 6, 0);
	sum = transport_sum(w, IPPROTO_UDP, udp, 8 + payload_bytes);
	put_be16(udp + 6, sum == 0 ? 0xffff : sum);
	return (unsigned)(udp - frame) + 8 + payload_bytes;
}

unsigned wire_tcp(struct wire *w, uint8_t *frame, uint16_t sport, uint16_t dport, uint8_t flags)
{
	uint8_t *tcp = wire_ip(w, frame, IPPROTO_TCP, 20);

	memset(tcp, 0, 20);
	put_be16(tcp, sport);
	put_be16(tcp + 2, dport);
	put_be16(tcp + 4, 0x1234);
	tcp[12] = 0x50;
	tcp[13] = flags;
	put_be16(tcp + 14, 1024);
	put_be16(tcp + 16, transport_sum(w, IPPROTO_TCP, tcp, 20));
	return (unsigned)(tcp - frame) + 20;
}

// ---------------------------------------------------------------- what is on the wire

// An IP packet's protocol and payload; false for anything else.
static bool ip_payload(const uint8_t *ip, unsigned bytes, uint8_t *ret_protocol,
	const uint8_t **ret_payload, unsigned *ret_bytes)
{
	unsigned header;

	if (bytes >= 20 && ip[0] >> 4 == 4) {
		header = (ip[0] & 15) * 4;
		*ret_protocol = ip[9];
	} else if (bytes >= 40 && ip[0] >> 4 == 6) {
		header = 40;
		*ret_protocol = ip[6];
	} else {
		return false;
	}
	if (header > bytes)
		return false;
	*ret_payload = ip + header;
	*ret_bytes = bytes - header;
	return true;
}

bool wire_is_udp(const uint8_t *frame, unsigned bytes, const uint8_t **ret_payload,
	unsigned *ret_bytes, uint16_t *ret_sport, uint16_t *ret_dport)
{
	const uint8_t *udp;
	uint8_t protocol;
	unsigned left;

	if (bytes < 14 || !ip_payload(frame + 14, bytes - 14, &protocol, &udp, &left) ||
		protocol != IPPROTO_UDP || left < 8 || get_be16(udp + 4) < 8 ||
		get_be16(udp + 4) > left)
		return false;
	*ret_sport = get_be16(udp);
	*ret_dport = get_be16(udp + 2);
	*ret_payload = udp + 8;
	*ret_bytes = get_be16(udp + 4) - 8u;
	return true;
}

bool wire_is_ours(const struct wire *w, uint16_t port)
{
	for (unsigned i = 0; i < w->n_ours; i++) {
		if (w->ours[i] == port)
			return true;
	}
	return false;
}

enum answer { ANSWER_NONE, ANSWER_OURS, ANSWER_OTHERS, ANSWER_TCP, ANSWER_CALL };

// An error quotes the packet that drew it: the port it was for says whose it is.
static enum answer icmp_answer(const struct wire *w, bool v6, const uint8_t *icmp, unsigned bytes)
{
	const uint8_t *quoted;
	uint8_t protocol;
	unsigned left;

	if (bytes < 8)
		return ANSWER_OTHERS;
	if (v6 && icmp[0] >= 130 && icmp[0] <= 143)
		return ANSWER_NONE; // neighbours, routers, listeners
	if (v6 ? icmp[0] >= 128 : icmp[0] != 3 && icmp[0] != 4 && icmp[0] != 11 && icmp[0] != 12)
		return ANSWER_OTHERS;
	if (!ip_payload(icmp + 8, bytes - 8, &protocol, &quoted, &left) || left < 4)
		return ANSWER_OTHERS;
	if (protocol != IPPROTO_UDP && protocol != IPPROTO_TCP && protocol != 136 &&
		protocol != 33 && protocol != 132)
		return ANSWER_OTHERS;
	return wire_is_ours(w, get_be16(quoted + 2)) ? ANSWER_OURS : ANSWER_OTHERS;
}

static bool is_call(const struct wire *w, const uint8_t *frame, bool v6)
{
	for (unsigned i = 0; i < w->n_calls; i++) {
		if (memcmp(frame + 14 + (v6 ? 24 : 16), w->calls[i], v6 ? 16 : 4) == 0)
			return true;
	}
	return false;
}

// What a data-plane sends into every idle minute, or two, of a session: a packet of nothing.
static bool is_keepalive(uint8_t protocol, const uint8_t *udp, unsigned bytes)
{
	return protocol == IPPROTO_UDP && bytes >= 8 + PKT_MIN_LEN &&
	       get_be16(udp + 4) == 8 + PKT_MIN_LEN && udp[8] == PKT_TYPE_DATA &&
	       udp[9] != PKT_LANE_CONTROL;
}

static enum answer answer_of(const struct wire *w, const uint8_t *frame, unsigned bytes)
{
	uint16_t type = get_be16(frame + 12);
	const uint8_t *at;
	uint8_t protocol;
	unsigned left;

	if (memcmp(frame + 6, w->dst_mac, 6) != 0 || (type != ETH_P_IP && type != ETH_P_IPV6) ||
		!ip_payload(frame + 14, bytes - 14, &protocol, &at, &left))
		return ANSWER_NONE;
	if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
		return icmp_answer(w, type == ETH_P_IPV6, at, left);
	if (protocol == 0 && type == ETH_P_IPV6)
		return ANSWER_NONE; // listener reports
	if (left < 4)
		return ANSWER_OTHERS;
	if (wire_is_ours(w, get_be16(at)))
		return is_call(w, frame, type == ETH_P_IPV6) || is_keepalive(protocol, at, left)
			       ? ANSWER_CALL
			       : ANSWER_OURS;
	return protocol == IPPROTO_TCP && wire_is_ours(w, get_be16(at + 2)) ? ANSWER_TCP
									    : ANSWER_OTHERS;
}

void wire_hear(struct wire *w, struct wire_heard *heard)
{
	uint8_t frame[WIRE_FRAME_MAX];
	ssize_t n;

	while ((n = recv(w->rx, frame, sizeof(frame), MSG_DONTWAIT)) >= 14) {
		switch (answer_of(w, frame, (unsigned)n)) {
		case ANSWER_OURS:
			heard->ours++;
			heard->ours_bytes += (uint64_t)n;
			if (heard->first_bytes == 0) {
				heard->first_bytes = (unsigned)n < 128 ? (unsigned)n : 128;
				memcpy(heard->first, frame, heard->first_bytes);
			}
			break;
		case ANSWER_OTHERS:
			heard->others++;
			break;
		case ANSWER_TCP:
			heard->tcp++;
			break;
		case ANSWER_CALL:
			heard->calls++;
			break;
		default:
			break;
		}
	}
}

void wire_hear_end(struct wire *w, struct wire_heard *heard, unsigned quiet_ms)
{
	struct pollfd fd = {.fd = w->rx, .events = POLLIN};
	uint64_t end = wire_now_ns() + QUIET_MS_MAX * 1000000ull;

	while (wire_now_ns() < end && poll(&fd, 1, (int)quiet_ms) > 0)
		wire_hear(w, heard);
}

void wire_print_heard(const struct wire_heard *heard)
{
	printf("\"ours\":%lu,\"ours_bytes\":%lu,\"others\":%lu,\"own_tcp\":%lu,\"own_calls\":%lu,"
	       "\"first\":\"",
		heard->ours, heard->ours_bytes, heard->others, heard->tcp, heard->calls);
	for (unsigned i = 0; i < heard->first_bytes; i++)
		printf("%02x", heard->first[i]);
	printf("\"");
}
