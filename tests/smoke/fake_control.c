// SPDX-License-Identifier: BSD-3-Clause
// A control process for tests of the data-plane alone: attaches to its socket like the real one,
// installs keys that both ends can compute, and prints what the data-plane reports.
//
//   fake_control SOCKET client|server LOCAL_IP REMOTE_IP REMOTE_MAC [EPOCH [CIPHER]]
//
// One session in slot 0, a member of segment 1, IPv4. EPOCH (default 1) makes the keys; a second
// run with the same number would use nonces again, which only a test may. Reads lines from stdin:
// "rekey N" installs epoch N and switches to it, "tags HEX…" publishes tags, "flush" empties the
// FDB, "fdb" prints it, "stats" the counters, "quit" leaves without a word. Exits 0 at the end of
// input.
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "wire/cmd.h"
#include "wire/drop.h"
#include "wire/link.h"
#include "wire/sealed_ring.h"
#include "wire/stats.h"

#define DEADLINE_S 500

struct fake {
	int sock;
	uint32_t seq;
	struct link_hello hello;
	const struct stats_head *stats;
	struct sealed_ring ring[LINK_WORKERS_MAX][RING_KINDS];
	int bell[LINK_WORKERS_MAX];
	bool server;
	uint8_t cipher;
	uint32_t pending; // commands not yet acknowledged
	struct path_desc path;
};

static void die(const char *what)
{
	fprintf(stderr, "fake_control: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void connect_to(struct fake *f, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {&f->hello, sizeof(f->hello)};
	struct msghdr hdr = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	int fd;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	f->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	for (int i = 0; connect(f->sock, (struct sockaddr *)&addr, sizeof(addr)) < 0; i++) {
		if (i == 100)
			die(path);
		usleep(50000);
	}
	if (recvmsg(f->sock, &hdr, 0) != sizeof(f->hello) || f->hello.head.op != LINK_HELLO ||
		f->hello.head.version != SHM_VERSION || CMSG_FIRSTHDR(&hdr) == NULL)
		die("HELLO");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&hdr)), sizeof(fd));
	f->stats = mmap(NULL, sizeof(*f->stats), PROT_READ, MAP_SHARED, fd, 0);
	if (f->stats == MAP_FAILED)
		die("counters");
	f->stats = mmap(NULL, f->stats->total_bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (f->stats == MAP_FAILED)
		die("counters");
}

static void send_rings(struct fake *f, uint16_t worker, uint32_t generation)
{
	static const uint32_t bytes[RING_KINDS] = {sizeof(struct cmd), sizeof(struct event),
		sizeof(struct punt), sizeof(struct punt), sizeof(struct inject)};
	static const uint32_t slots[RING_KINDS] = {RING_CMD_SLOTS, RING_EVENT_SLOTS,
		RING_PUNT_SLOTS, RING_LANE0_SLOTS, RING_INJECT_SLOTS};
	struct link_rings msg = {
		.head = {LINK_MAGIC, SHM_VERSION, LINK_RINGS, sizeof(msg), ++f->seq},
		.generation = generation,
		.worker = worker,
		.n_workers = f->hello.n_workers};
	union {
		char bytes[CMSG_SPACE(LINK_RING_FDS * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {&msg, sizeof(msg)};
	struct msghdr hdr = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&hdr);
	int fds[LINK_RING_FDS];

	for (int i = 0; i < RING_KINDS; i++) {
		struct sealed_ring *r = &f->ring[worker][i];

		*r = SEALED_RING_INIT;
		if (sealed_ring_create("fake", bytes[i], slots[i], r) < 0)
			die("ring");
		fds[2 * i] = r->head_fd;
		fds[2 * i + 1] = r->body_fd;
	}
	f->bell[worker] = eventfd(0, EFD_NONBLOCK);
	fds[2 * RING_KINDS] = f->bell[worker];
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	if (sendmsg(f->sock, &hdr, 0) != sizeof(msg))
		die("RINGS");
}

static void expect_status(struct fake *f)
{
	struct link_status st;

	if (recv(f->sock, &st, sizeof(st), 0) != sizeof(st) || st.head.op != LINK_STATUS ||
		st.head.seq != f->seq) {
		errno = EPROTO;
		die("STATUS");
	}
	printf("status %d\n", st.status);
}

static const char *ev_name(unsigned op)
{
	static const char *const names[EV_OP_MAX] = {"?", "ack", "new-epoch", "path", "path-dead",
		"pmtu", "soft-limit", "expired", "forgeries", "first-frame", "session",
		"mac-quota"};

	return op < EV_OP_MAX ? names[op] : "?";
}

static void print_event(struct fake *f, const struct event *ev)
{
	char ip[INET6_ADDRSTRLEN] = "";

	switch (ev->head.op) {
	case EV_ACK:
		f->pending--;
		if (ev->ack.status != 0)
			printf("refused cmd %u worker %u: %s\n", ev->ack.cmd_op, ev->head.worker,
				strerror(-ev->ack.status));
		break;
	case EV_PATH:
	case EV_PATH_DEAD:
	case EV_PMTU:
		inet_ntop(ev->path.path.family == 4 ? AF_INET : AF_INET6, ev->path.path.dst_ip, ip,
			sizeof(ip));
		printf("event %s %s:%u mtu %u\n", ev_name(ev->head.op), ip,
			ntohs(ev->path.path.be_dport), ev->path.path.mtu);
		break;
	default:
		printf("event %s session %u epoch %u\n", ev_name(ev->head.op), ev->head.session,
			ev->epoch.rx_key_id);
		break;
	}
}

static void drain(struct fake *f)
{
	struct event ev;
	struct punt p;

	for (unsigned w = 0; w < f->hello.n_workers; w++) {
		uint64_t n;

		if (read(f->bell[w], &n, sizeof(n)) < 0 && errno != EAGAIN)
			die("doorbell");
		while (sealed_ring_dequeue(&f->ring[w][RING_EVENT], &ev, 1) == 1)
			print_event(f, &ev);
		while (sealed_ring_dequeue(&f->ring[w][RING_PUNT], &p, 1) == 1)
			printf("punt type 0x%02x %u bytes\n", p.data[0], p.bytes);
		while (sealed_ring_dequeue(&f->ring[w][RING_LANE0], &p, 1) == 1)
			printf("lane0 %u bytes\n", p.bytes);
	}
	fflush(stdout);
}

static void settle(struct fake *f)
{
	for (int i = 0; f->pending > 0; i++) {
		if (i == 2000) {
			errno = ETIMEDOUT;
			die("acknowledgement");
		}
		usleep(1000);
		drain(f);
	}
}

static void command(struct fake *f, unsigned worker, struct cmd *c, uint16_t op, uint16_t bytes)
{
	c->head.op = op;
	c->head.bytes = bytes;
	c->head.seq = ++f->seq;
	if (sealed_ring_enqueue(&f->ring[worker][RING_CMD], c, 1) != 1)
		die("command ring");
	f->pending++;
}

static void command_all(struct fake *f, struct cmd *c, uint16_t op, uint16_t bytes)
{
	for (unsigned w = 0; w < f->hello.n_workers; w++)
		command(f, w, c, op, bytes);
}

static uint64_t deadline_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return ((uint64_t)t.tv_sec + DEADLINE_S) * 1000000000ull;
}

// Both ends have as many lanes as this end has workers; the same fixed bytes on both sides, one key
// for each direction, lane and epoch.
static void install_lane(struct fake *f, uint8_t epoch, uint8_t lane, bool transmit)
{
	bool to_server = transmit != f->server;
	struct cmd c = {0};

	c.key.rx_key_id = epoch;
	c.key.tx_key_id = epoch;
	c.key.deadline_ns = deadline_ns();
	c.key.dir = transmit;
	c.key.lane = lane;
	c.key.n_lanes = (uint8_t)f->hello.n_workers;
	c.key.cipher = f->cipher;
	memset(c.key.key, (to_server ? 0x40 : 0x80) + lane, sizeof(c.key.key));
	c.key.key[0] = epoch;
	memset(c.key.iv, to_server ? 1 : 2, sizeof(c.key.iv));
	command(f, (lane - 1u) % f->hello.n_workers, &c, CMD_KEY_INSTALL, sizeof(c.key));
}

static void install_epoch(struct fake *f, uint8_t epoch)
{
	struct cmd c = {0};

	for (uint8_t lane = 1; lane <= f->hello.n_workers; lane++) {
		install_lane(f, epoch, lane, false);
		install_lane(f, epoch, lane, true);
	}
	settle(f);
	c.epoch.rx_key_id = epoch;
	command_all(f, &c, CMD_TX_SWITCH, sizeof(c.epoch));
	settle(f);
	printf("epoch %u in use\n", epoch);
	fflush(stdout);
}

static void set_session(struct fake *f)
{
	struct cmd c = {0};

	c.session.segments[0] = 1 << 1;
	c.session.mac_quota = 100;
	c.session.role = f->server;
	command_all(f, &c, CMD_SESSION_SET, sizeof(c.session));
	memset(&c, 0, sizeof(c));
	c.path.path = f->path;
	command_all(f, &c, CMD_PATH, sizeof(c.path));
	settle(f);
}

static void make_path(struct fake *f, const char *local, const char *remote, const char *mac)
{
	struct path_desc *p = &f->path;
	int ok = 0;

	for (unsigned i = 0; i < f->hello.n_ports && !ok; i++) {
		if (f->hello.port[i].role != LINK_ROLE_WAN)
			continue;
		p->port_idx = (uint8_t)i;
		p->mtu = f->hello.port[i].mtu;
		p->be_sport = f->hello.port[i].be_overlay_port;
		p->be_dport = p->be_sport;
		memcpy(p->src_mac, f->hello.port[i].mac, 6);
		ok = 1;
	}
	p->family = 4;
	if (!ok || inet_pton(AF_INET, local, p->src_ip) != 1 ||
		inet_pton(AF_INET, remote, p->dst_ip) != 1 ||
		sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &p->dst_mac[0], &p->dst_mac[1],
			&p->dst_mac[2], &p->dst_mac[3], &p->dst_mac[4], &p->dst_mac[5]) != 6) {
		errno = EINVAL;
		die("path");
	}
}

static void send_simple(struct fake *f, uint16_t op)
{
	struct link_fdb_get get = {.head = {LINK_MAGIC, SHM_VERSION, op, sizeof(get), ++f->seq}};

	if (op == LINK_FDB_FLUSH)
		get.cursor = NO_SESSION; // the same layout: session where the cursor is
	if (send(f->sock, &get, sizeof(get), 0) != sizeof(get))
		die("send");
}

static void print_fdb(struct fake *f)
{
	struct link_fdb fdb;

	send_simple(f, LINK_FDB_GET);
	if (recv(f->sock, &fdb, sizeof(fdb), 0) != sizeof(fdb))
		die("FDB");
	for (unsigned i = 0; i < fdb.n; i++) {
		const struct link_fdb_entry *e = &fdb.entry[i];

		printf("fdb %02x:%02x:%02x:%02x:%02x:%02x segment %u %s %u age %u\n", e->mac[0],
			e->mac[1], e->mac[2], e->mac[3], e->mac[4], e->mac[5], e->segment,
			e->where == LINK_FDB_PORT ? "port" : "peer", e->idx, e->age_s);
	}
}

static void print_stats(const struct fake *f)
{
	static const char *const names[] = {
#define NAME(symbol, label, help) label,
		DROP_LIST(NAME)
#undef NAME
	};

	for (unsigned w = 0; w < f->stats->n_workers; w++) {
		const struct stats_worker *s =
			(const struct stats_worker *)((const char *)f->stats +
						      f->stats->worker_offset) +
			w;

		printf("worker %u rounds %lu idle %lu sleeps %lu handed-off %lu\n", w, s->rounds,
			s->idle_rounds, s->sleeps, s->handed_off);
		for (unsigned p = 0; p < f->stats->n_ports; p++)
			printf("worker %u %s rx %lu tx %lu dropped %lu missed %lu\n", w,
				f->hello.port[p].name, s->port[p].rx_frames, s->port[p].tx_frames,
				s->port[p].tx_dropped, s->port[p].rx_missed);
		for (unsigned r = 0; r < DROP_N; r++)
			if (s->drops[r] != 0)
				printf("worker %u drop %s %lu\n", w, names[r], s->drops[r]);
	}
}

static void publish_tag(struct fake *f, const char *hex)
{
	struct link_tags msg = {.head = {LINK_MAGIC, SHM_VERSION, LINK_TAGS, sizeof(msg), ++f->seq},
		.n = 1,
		.add = 1};
	uint64_t tag = strtoull(hex, NULL, 16);

	memcpy(msg.tag[0], &tag, sizeof(tag));
	if (send(f->sock, &msg, sizeof(msg), 0) != sizeof(msg))
		die("TAGS");
	expect_status(f);
}

// Returns false at the end.
static bool obey(struct fake *f)
{
	char line[256];
	unsigned n;

	if (fgets(line, sizeof(line), stdin) == NULL || strncmp(line, "quit", 4) == 0)
		return false;
	if (sscanf(line, "rekey %u", &n) == 1)
		install_epoch(f, (uint8_t)n);
	else if (strncmp(line, "tags ", 5) == 0)
		publish_tag(f, line + 5);
	else if (strncmp(line, "fdb", 3) == 0)
		print_fdb(f);
	else if (strncmp(line, "stats", 5) == 0)
		print_stats(f);
	else if (strncmp(line, "flush", 5) == 0) {
		send_simple(f, LINK_FDB_FLUSH);
		expect_status(f);
	}
	fflush(stdout);
	return true;
}

int main(int argc, char **argv)
{
	static struct fake f;
	struct timespec t;

	if (argc < 6) {
		fputs("usage: fake_control SOCKET client|server LOCAL_IP REMOTE_IP REMOTE_MAC "
		      "[EPOCH [CIPHER]]\n",
			stderr);
		return 2;
	}
	setvbuf(stdin, NULL, _IONBF, 0);
	f.server = strcmp(argv[2], "server") == 0;
	f.cipher = argc > 7 ? (uint8_t)atoi(argv[7]) : CIPHER_AES_256_GCM;
	connect_to(&f, argv[1]);
	make_path(&f, argv[3], argv[4], argv[5]);
	clock_gettime(CLOCK_BOOTTIME, &t);
	for (uint16_t w = 0; w < f.hello.n_workers; w++)
		send_rings(&f, w, (uint32_t)(t.tv_sec * 1000 + t.tv_nsec / 1000000) | 1);
	expect_status(&f);
	set_session(&f);
	install_epoch(&f, argc > 6 ? (uint8_t)atoi(argv[6]) : 1);
	for (bool more = true; more;) {
		struct pollfd fds[LINK_WORKERS_MAX + 1];

		for (unsigned w = 0; w < f.hello.n_workers; w++)
			fds[w] = (struct pollfd){f.bell[w], POLLIN, 0};
		fds[f.hello.n_workers] = (struct pollfd){STDIN_FILENO, POLLIN, 0};
		if (poll(fds, f.hello.n_workers + 1u, -1) < 0)
			die("poll");
		drain(&f);
		if (fds[f.hello.n_workers].revents != 0)
			more = obey(&f);
	}
	return 0;
}
