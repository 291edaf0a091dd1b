// SPDX-License-Identifier: BSD-3-Clause
//
// Numbered UDP datagrams at a steady rate, and an exact account of what arrived.
//
//	seqgen send ADDRESS PORT PPS SECONDS [SIZE]   unicast, broadcast or multicast
//	seqgen recv PORT IDLE_SECONDS [GROUP]         until all that was sent is accounted for
//	seqgen first PORT WAIT_SECONDS                until the first datagram
//
// Each prints one JSON object. recv ends a moment after the sender has said how many it sent, or
// after IDLE_SECONDS without any datagram. Times are this machine's, so both ends may be compared.
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define MAGIC        0x71e50001u
#define SEQ_MAX      (1u << 26)
#define DATAGRAM_MAX 9000
#define END_COPIES   20

struct datagram {
	uint32_t magic;
	uint32_t end;  // 1: seq is the number of datagrams sent
	uint64_t seq;  // from 0
	uint64_t sent; // unix µs
};

static uint64_t unix_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void die(const char *what)
{
	fprintf(stderr, "seqgen: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void sleep_until(struct timespec *t, uint64_t add_ns)
{
	t->tv_nsec += add_ns;
	while (t->tv_nsec >= 1000000000) {
		t->tv_nsec -= 1000000000;
		t->tv_sec++;
	}
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, t, NULL);
}

static int run_send(char **arg, int n)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	double pps = atof(arg[2]), seconds = atof(arg[3]);
	size_t size = n > 4 ? (size_t)atoi(arg[4]) : 64;
	uint64_t total = (uint64_t)(pps * seconds), seq = 0, failed = 0;
	char buf[DATAGRAM_MAX] = {};
	struct datagram *d = (struct datagram *)buf;
	struct timespec t;
	int fd, yes = 1;

	if (inet_pton(AF_INET, arg[0], &to.sin_addr) != 1 || size < sizeof(*d) ||
		size > sizeof(buf) || total > SEQ_MAX) {
		fputs("seqgen: bad address, size or count\n", stderr);
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(arg[1]));
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof(yes));
	d->magic = MAGIC;
	clock_gettime(CLOCK_MONOTONIC, &t);
	// What is due by now goes out each half millisecond: no bursts from lost wake-ups beyond
	// that.
	for (uint64_t tick = 1; seq < total; tick++) {
		uint64_t due = (uint64_t)(pps * (double)tick * 0.0005);

		for (; seq < due && seq < total; seq++) {
			d->seq = seq;
			d->sent = unix_us();
			if (sendto(fd, buf, size, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
				failed++;
		}
		sleep_until(&t, 500000);
	}
	d->end = 1;
	d->seq = total;
	for (int i = 0; i < END_COPIES; i++) {
		sendto(fd, buf, size, 0, (struct sockaddr *)&to, sizeof(to));
		sleep_until(&t, 20000000);
	}
	printf("{\"sent\":%" PRIu64 ",\"send_errors\":%" PRIu64 "}\n", total, failed);
	return 0;
}

static int open_receiver(const char *port, const char *group)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 64 << 20;

	if (fd < 0)
		die("socket");
	// Losses are to be the network's, never this socket's.
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		die("bind");
	if (group != NULL) {
		struct ip_mreq m = {};

		if (inet_pton(AF_INET, group, &m.imr_multiaddr) != 1 ||
			setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)) < 0)
			die("multicast group");
	}
	return fd;
}

static void set_timeout(int fd, double seconds)
{
	struct timeval t = {
		.tv_sec = (time_t)seconds,
		.tv_usec = (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6),
	};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
}

struct account {
	uint64_t received, duplicates, reordered, max_gap_us, max_delay_us, first, last, total,
		highest;
	bool ended;
	uint8_t seen[SEQ_MAX / 8];
};

static void count(struct account *a, const struct datagram *d)
{
	uint64_t now = unix_us();

	if (d->seq >= SEQ_MAX)
		return;
	if (a->seen[d->seq / 8] & (1u << (d->seq % 8))) {
		a->duplicates++;
		return;
	}
	a->seen[d->seq / 8] |= (uint8_t)(1u << (d->seq % 8));
	if (a->received == 0)
		a->first = now;
	else if (now - a->last > a->max_gap_us)
		a->max_gap_us = now - a->last;
	if (now > d->sent && now - d->sent > a->max_delay_us)
		a->max_delay_us = now - d->sent;
	if (d->seq < a->highest)
		a->reordered++;
	else
		a->highest = d->seq;
	a->last = now;
	a->received++;
}

static int run_recv(char **arg, int n)
{
	int fd = open_receiver(arg[0], n > 2 ? arg[2] : NULL);
	struct account *a = calloc(1, sizeof(*a));
	char buf[DATAGRAM_MAX];

	if (a == NULL)
		die("memory");
	set_timeout(fd, atof(arg[1]));
	for (;;) {
		ssize_t len = recv(fd, buf, sizeof(buf), 0);
		struct datagram d;

		if (len < 0)
			break;
		if (len < (ssize_t)sizeof(d))
			continue;
		memcpy(&d, buf, sizeof(d));
		if (d.magic != MAGIC)
			continue;
		if (d.end == 0) {
			count(a, &d);
		} else if (!a->ended) {
			a->ended = true;
			a->total = d.seq;
			set_timeout(fd, 0.5);
		}
	}
	if (!a->ended)
		a->total = a->received > 0 ? a->highest + 1 : 0;
	printf("{\"sent\":%" PRIu64 ",\"received\":%" PRIu64 ",\"lost\":%" PRIu64
	       ",\"duplicates\":%" PRIu64 ",\"reordered\":%" PRIu64 ",\"max_gap_ms\":%.1f"
	       ",\"max_delay_ms\":%.1f,\"first_unix_us\":%" PRIu64 ",\"last_unix_us\":%" PRIu64
	       ",\"end_seen\":%s}\n",
		a->total, a->received, a->total - a->received, a->duplicates, a->reordered,
		(double)a->max_gap_us / 1000, (double)a->max_delay_us / 1000, a->first, a->last,
		a->ended ? "true" : "false");
	return 0;
}

static int run_first(char **arg)
{
	int fd = open_receiver(arg[0], NULL);
	char buf[DATAGRAM_MAX];
	struct datagram d = {};

	set_timeout(fd, atof(arg[1]));
	if (recv(fd, buf, sizeof(buf), 0) < (ssize_t)sizeof(d)) {
		fputs("seqgen: nothing arrived\n", stderr);
		return 1;
	}
	memcpy(&d, buf, sizeof(d));
	printf("{\"seq\":%" PRIu64 ",\"sent_unix_us\":%" PRIu64 ",\"first_unix_us\":%" PRIu64 "}\n",
		d.seq, d.sent, unix_us());
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 6 && strcmp(argv[1], "send") == 0)
		return run_send(argv + 2, argc - 2);
	if (argc >= 4 && strcmp(argv[1], "recv") == 0)
		return run_recv(argv + 2, argc - 2);
	if (argc >= 4 && strcmp(argv[1], "first") == 0)
		return run_first(argv + 2);
	fputs("usage: seqgen send ADDRESS PORT PPS SECONDS [SIZE]\n"
	      "       seqgen recv PORT IDLE_SECONDS [GROUP]\n"
	      "       seqgen first PORT WAIT_SECONDS\n",
		stderr);
	return 2;
}
