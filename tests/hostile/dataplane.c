// SPDX-License-Identifier: BSD-3-Clause
//
// A data-plane that was taken over, for tests/reliability/privsep: it speaks to a real control over
// the real socket and rings, and lies in every way it can.
//
//	hostile-dataplane SOCKET SECONDS SEED LAN WAN OVERLAY-PORT
//
// One life after the other, each of a second or so, begins with a HELLO that is true often enough
// for control to come in. Then: most commands are acknowledged, so that control goes on to the
// next; events and punts are made of what control itself said, with fields and bytes changed; the
// statistics pages and every writable byte of the rings are written over; messages that nobody
// asked for come over the socket.
//
// Prints one JSON object: what was said. The same seed makes the same lies, as far as control's own
// words are the same.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <rte_ring.h>

#include "wire/bytes.h"
#include "wire/cmd.h"
#include "wire/link.h"
#include "wire/packet.h"
#include "wire/sealed_ring.h"
#include "wire/stats.h"

#define N_SESSIONS 16
#define N_PORTS    2
#define KEPT       64
#define LIFE_NS    1000000000ull

enum life { PLAUSIBLE, FORGED_RINGS, RUDE_SOCKET, FALSE_HELLO, LIVES };

static struct {
	uint64_t lives, attached, events, punts, lane0, taken, acked, forged, socket;
} done;

static struct {
	uint32_t key_id[KEPT]; // of commands; where a slot is empty, 0
	struct inject said[KEPT];
	unsigned n_keys, n_said;
} known;

static uint64_t seed;
static struct sealed_ring ring[RING_KINDS];
static int doorbell = -1;

// splitmix64
static uint64_t rnd(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static void rnd_bytes(void *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)at)[i] = (uint8_t)rnd();
}

static bool one_in(unsigned n)
{
	return rnd() % n == 0;
}

// A few bytes of it other than they were.
static void damage(void *at, size_t n)
{
	for (unsigned i = 1 + (unsigned)(rnd() % 4); i > 0; i--)
		((uint8_t *)at)[rnd() % n] ^= (uint8_t)(1 + rnd() % 255);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "hostile-dataplane: %s: %s\n", what, strerror(errno));
	exit(1);
}

// ---------------------------------------------------------------- the beginning of a life

static uint8_t *stats_page;
static size_t stats_bytes;

static int make_stats(uint64_t boot_id)
{
	struct stats_head head = {.magic = STATS_MAGIC,
		.version = SHM_VERSION,
		.n_workers = 1,
		.n_ports = N_PORTS,
		.n_sessions = N_SESSIONS,
		.boot_id = boot_id,
		.worker_offset = sizeof(head)};
	int fd = memfd_create("stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	head.session_offset = head.worker_offset + sizeof(struct stats_worker);
	head.total_bytes = head.session_offset + N_SESSIONS * sizeof(struct stats_session);
	if (stats_page != NULL)
		munmap(stats_page, stats_bytes);
	stats_bytes = head.total_bytes;
	if (fd < 0 || ftruncate(fd, (off_t)stats_bytes) < 0)
		die("memfd");
	stats_page = mmap(NULL, stats_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (stats_page == MAP_FAILED || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		die("statistics");
	memcpy(stats_page, &head, sizeof(head));
	return fd;
}

static struct link_head head_of(uint16_t op, size_t bytes, uint32_t seq)
{
	return (struct link_head){.magic = LINK_MAGIC,
		.version = SHM_VERSION,
		.op = op,
		.bytes = (uint32_t)bytes,
		.seq = seq};
}

static void send_fd(int conn, const void *msg, size_t bytes, int fd)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)msg, .iov_len = bytes};
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		struct cmsghdr *c;

		hdr.msg_control = control;
		hdr.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&hdr);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	(void)sendmsg(conn, &hdr, MSG_NOSIGNAL | MSG_DONTWAIT);
	done.socket++;
}

static void say_hello(int conn, enum life life, char **ports, uint16_t overlay_port)
{
	struct link_hello m = {.head = head_of(LINK_HELLO, sizeof(m), 0),
		.boot_id = rnd(),
		.max_sessions = N_SESSIONS,
		.max_lanes = LINK_WORKERS_MAX,
		.n_workers = 1,
		.n_ports = N_PORTS,
		.aes_hw = 1,
		.adaptive = 1};
	int fd = make_stats(m.boot_id);

	for (unsigned i = 0; i < N_PORTS; i++) {
		snprintf(m.port[i].name, sizeof(m.port[i].name), "%s", ports[i]);
		snprintf(m.port[i].ifname, sizeof(m.port[i].ifname), "%s", ports[i]);
		m.port[i].role = i == 0 ? LINK_ROLE_LAN : LINK_ROLE_WAN;
		m.port[i].kind = LINK_KIND_AF_XDP;
		m.port[i].mtu = 1500;
		m.port[i].be_overlay_port = i == 0 ? 0 : htons(overlay_port);
		rnd_bytes(m.port[i].mac, 6);
	}
	if (life == FALSE_HELLO)
		damage((uint8_t *)&m + (one_in(8) ? 0 : sizeof(m.head)),
			sizeof(m) - sizeof(m.head));
	if (life == FALSE_HELLO && one_in(4))
		damage(stats_page, sizeof(struct stats_head));
	send_fd(conn, &m, sizeof(m), fd);
	close(fd);
}

static void drop_rings(void)
{
	for (unsigned i = 0; i < RING_KINDS; i++)
		sealed_ring_fini(&ring[i]);
	if (doorbell >= 0)
		close(doorbell);
	doorbell = -1;
}

// The rings that came with a message; false if they did not.
static bool take_rings(const int *fds, unsigned n)
{
	static const struct {
		uint32_t bytes, slots;
	} shape[RING_KINDS] = {
		[RING_CMD] = {sizeof(struct cmd), RING_CMD_SLOTS},
		[RING_EVENT] = {sizeof(struct event), RING_EVENT_SLOTS},
		[RING_PUNT] = {sizeof(struct punt), RING_PUNT_SLOTS},
		[RING_LANE0] = {sizeof(struct punt), RING_LANE0_SLOTS},
		[RING_INJECT] = {sizeof(struct inject), RING_INJECT_SLOTS},
	};

	if (n != LINK_RING_FDS)
		return false;
	for (unsigned i = 0; i < RING_KINDS; i++) {
		if (sealed_ring_attach(fds[2 * i], fds[2 * i + 1], shape[i].bytes, shape[i].slots,
			    &ring[i]) < 0)
			return false;
		sealed_ring_close_fds(&ring[i]);
	}
	doorbell = fds[2 * RING_KINDS];
	return true;
}

// One message from control: its rings, which are answered, or something to be answered falsely.
// false: the connection is over.
static bool hear(int conn)
{
	static uint8_t buf[LINK_MESSAGE_BYTES];
	char control[CMSG_SPACE((LINK_RING_FDS + 1) * sizeof(int))];
	struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};
	struct msghdr hdr = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(conn, &hdr, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&hdr) : NULL;
	struct link_status status = {.head = head_of(LINK_STATUS, sizeof(status), 0)};
	struct link_head head;

	if (n < (ssize_t)sizeof(head))
		return n < 0 && errno == EAGAIN;
	memcpy(&head, buf, sizeof(head));
	status.head.seq = head.seq;
	if (head.op == LINK_RINGS && c != NULL) {
		drop_rings();
		if (!take_rings((int *)CMSG_DATA(c),
			    (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int))))
			die("control's rings");
		done.attached++;
		send_fd(conn, &status, sizeof(status), -1);
	} else if (head.op == LINK_FDB_GET) {
		struct link_fdb m = {.head = head_of(LINK_FDB, sizeof(m), head.seq)};

		m.n = (uint32_t)(rnd() % (LINK_FDB_MAX + 1));
		m.next_cursor = one_in(2) ? 0 : (uint32_t)rnd();
		rnd_bytes(m.entry, sizeof(m.entry));
		for (unsigned i = 0; i < m.n && !one_in(64); i++) {
			m.entry[i].where = 1 + i % 2;
			m.entry[i].idx = (uint32_t)(rnd() % N_PORTS);
		}
		send_fd(conn, &m, sizeof(m), -1);
	} else {
		status.status = one_in(8) ? -(int)(rnd() % 140) : 0;
		send_fd(conn, &status, sizeof(status), -1);
	}
	return true;
}

// ---------------------------------------------------------------- lies by the rings

static void put_event(const struct event *ev)
{
	done.events += sealed_ring_enqueue(&ring[RING_EVENT], ev, 1);
}

static void remember_key(uint32_t key_id)
{
	if (key_id != 0)
		known.key_id[known.n_keys++ % KEPT] = key_id;
}

static void serve_commands(void)
{
	struct cmd cmd;

	// Bounded: a ring that was forged may seem never to end.
	for (unsigned i = 0; i < 64 && sealed_ring_dequeue(&ring[RING_CMD], &cmd, 1) == 1; i++) {
		struct event ev = {.ack = {.head = {.op = EV_ACK,
						   .bytes = sizeof(ev.ack),
						   .seq = cmd.head.seq,
						   .session = cmd.head.session,
						   .at_ns = now_ns()},
					   .cmd_op = cmd.head.op}};

		done.taken++;
		if (cmd.head.op == CMD_KEY_INSTALL) {
			remember_key(cmd.key.rx_key_id);
			remember_key(cmd.key.tx_key_id);
		}
		if (one_in(32))
			ev.ack.status = -(int)(rnd() % 140);
		if (one_in(64))
			damage(&ev, sizeof(ev.ack));
		if (one_in(128))
			continue; // never answered
		put_event(&ev);
		done.acked++;
	}
	for (unsigned i = 0; i < 64; i++)
		known.n_said += sealed_ring_dequeue(
			&ring[RING_INJECT], &known.said[known.n_said % KEPT], 1);
}

static struct path_desc some_path(void)
{
	struct path_desc p = {.family = one_in(8) ? 6 : 4,
		.port_idx = 1,
		.mtu = (uint16_t)(1280 + rnd() % 8000),
		.be_sport = htons(7667),
		.be_dport = htons((uint16_t)(1 + rnd() % 65535))};

	if (known.n_said > 0 && !one_in(4))
		return known.said[rnd() % (known.n_said < KEPT ? known.n_said : KEPT)].to;
	rnd_bytes(p.src_ip, p.family == 4 ? 4 : 16);
	rnd_bytes(p.dst_ip, p.family == 4 ? 4 : 16);
	return p;
}

static uint32_t some_key(void)
{
	uint32_t k = known.key_id[rnd() % KEPT];

	return k != 0 && !one_in(8) ? k : (uint32_t)rnd();
}

static void lie_event(void)
{
	static const uint16_t bytes[EV_OP_MAX] = {
		[EV_ACK] = sizeof(struct event_ack),
		[EV_NEW_EPOCH] = sizeof(struct event_epoch),
		[EV_PATH] = sizeof(struct event_path),
		[EV_PATH_DEAD] = sizeof(struct event_path),
		[EV_PMTU] = sizeof(struct event_path),
		[EV_SOFT_LIMIT] = sizeof(struct event_epoch),
		[EV_EXPIRED] = sizeof(struct event_epoch),
		[EV_FORGERIES] = sizeof(struct event_epoch),
		[EV_FIRST_FRAME] = sizeof(struct event_epoch),
		[EV_SESSION] = sizeof(struct event_session),
		[EV_MAC_QUOTA] = sizeof(struct event_head),
		[EV_LOOP] = sizeof(struct event_epoch),
	};
	uint16_t op = (uint16_t)(1 + rnd() % (EV_OP_MAX - 1));
	struct event ev = {0};

	rnd_bytes(ev.bytes, sizeof(ev.bytes));
	if (op == EV_PATH || op == EV_PATH_DEAD || op == EV_PMTU)
		ev.path.path = some_path();
	else if (op == EV_SESSION)
		ev.session.path = some_path();
	else
		ev.epoch.rx_key_id = some_key();
	ev.head = (struct event_head){.op = op,
		.bytes = bytes[op],
		.seq = (uint32_t)(rnd() % 4096),
		.session = one_in(2) ? 0 : (uint32_t)(rnd() % N_SESSIONS),
		.at_ns = now_ns()};
	if (one_in(8))
		damage(&ev, sizeof(ev));
	put_event(&ev);
}

// A datagram that control said itself, come back or changed; or one shaped like a handshake.
static void lie_punt(enum ring_kind kind)
{
	static const uint8_t types[] = {PKT_TYPE_PUNCH, PKT_TYPE_M1, PKT_TYPE_M2, PKT_TYPE_M3,
		PKT_TYPE_RETRY, PKT_TYPE_DATA};
	struct punt p = {.session = one_in(2) ? 0 : (uint32_t)(rnd() % N_SESSIONS),
		.at_ns = now_ns(),
		.from = some_path()};

	if (known.n_said > 0 && !one_in(4)) {
		const struct inject *said =
			&known.said[rnd() % (known.n_said < KEPT ? known.n_said : KEPT)];

		p.bytes = said->bytes;
		memcpy(p.data, said->data, sizeof(p.data));
		if (p.bytes > 0 && p.bytes <= sizeof(p.data) && !one_in(4))
			damage(p.data, p.bytes);
	} else {
		p.bytes = (uint16_t)(24 + rnd() % (DATAGRAM_MAX_BYTES - 24));
		rnd_bytes(p.data, p.bytes);
		p.data[0] = types[rnd() % sizeof(types)];
		p.data[1] = 0;
		put_le16(p.data + 2, p.data[0] == PKT_TYPE_DATA ? 0 : p.bytes);
		put_le32(p.data + 4, some_key());
	}
	if (one_in(16))
		damage(&p, offsetof(struct punt, data));
	if (sealed_ring_enqueue(&ring[kind], &p, 1) == 1)
		*(kind == RING_PUNT ? &done.punts : &done.lane0) += 1;
}

// Heads, tails and elements, whatever lies behind the sealed page.
static void forge(void)
{
	struct sealed_ring *r = &ring[rnd() % RING_KINDS];
	uint8_t *body = (uint8_t *)r->ring + 64;
	size_t bytes = (size_t)((uint8_t *)r->base + r->map_bytes - body);
	size_t at = one_in(2) ? rnd() % 192 : rnd() % bytes;

	body[at] = (uint8_t)rnd();
	done.forged++;
}

static void scribble_stats(void)
{
	stats_page[one_in(16) ? rnd() % sizeof(struct stats_head) : rnd() % stats_bytes] =
		(uint8_t)rnd();
	done.forged++;
}

static void be_rude(int conn)
{
	static uint8_t buf[LINK_MESSAGE_BYTES];
	struct link_head head = head_of((uint16_t)(rnd() % 9), 0, (uint32_t)(rnd() % 64));
	size_t n = one_in(4) ? sizeof(struct link_status)
			     : sizeof(head) + rnd() % (sizeof(buf) - sizeof(head));

	if (head.op == LINK_HELLO && !one_in(16))
		head.op = LINK_STATUS; // which control must not hang up for
	head.bytes = (uint32_t)n;
	rnd_bytes(buf, n);
	memcpy(buf, &head, sizeof(head));
	if (one_in(32))
		damage(buf, sizeof(head));
	send_fd(conn, buf, n, one_in(16) ? conn : -1);
}

static void live(int conn, enum life life, uint64_t until)
{
	const uint64_t one = 1;

	while (now_ns() < until && hear(conn)) {
		if (doorbell < 0) {
			usleep(500);
			continue;
		}
		serve_commands();
		for (unsigned i = 0; i < 32; i++) {
			lie_event();
			if (one_in(4))
				lie_punt(RING_PUNT);
			if (one_in(4))
				lie_punt(RING_LANE0);
			scribble_stats();
			if (life == FORGED_RINGS && one_in(4))
				forge();
		}
		if (life == RUDE_SOCKET && one_in(4))
			be_rude(conn);
		(void)!write(doorbell, &one, sizeof(one));
		usleep(300);
	}
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	(void)unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 4) < 0)
		die(path);
	return fd;
}

int main(int argc, char **argv)
{
	uint64_t end;
	int listen_fd;

	if (argc != 7) {
		fprintf(stderr, "usage: hostile-dataplane SOCKET SECONDS SEED LAN WAN "
				"OVERLAY-PORT\n");
		return 2;
	}
	for (unsigned i = 0; i < RING_KINDS; i++)
		ring[i] = SEALED_RING_INIT;
	end = now_ns() + (uint64_t)(atof(argv[2]) * 1e9);
	seed = strtoull(argv[3], NULL, 10);
	listen_fd = listen_at(argv[1]);
	while (now_ns() < end) {
		struct pollfd p = {.fd = listen_fd, .events = POLLIN};
		enum life life = done.lives % LIVES;
		int conn;

		if (poll(&p, 1, 100) <= 0)
			continue;
		conn = accept(listen_fd, NULL, NULL);
		if (conn < 0)
			continue;
		done.lives++;
		say_hello(conn, life, argv + 4, (uint16_t)atoi(argv[6]));
		live(conn, life, now_ns() + LIFE_NS);
		close(conn);
		drop_rings();
	}
	(void)unlink(argv[1]);
	printf("{\"lives\":%lu,\"attached\":%lu,\"commands\":%lu,\"acked\":%lu,\"events\":%lu,"
	       "\"punts\":%lu,\"lane0\":%lu,\"bytes_forged\":%lu,\"socket_messages\":%lu}\n",
		done.lives, done.attached, done.taken, done.acked, done.events, done.punts,
		done.lane0, done.forged, done.socket);
	return 0;
}
