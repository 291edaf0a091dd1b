// SPDX-License-Identifier: BSD-3-Clause
//
// A hostile sender, for the rows of tests/reliability that ask what answers, and what breaks.
//
//	hostile scan IFACE SRC-IP DST-IP DST-MAC PORTS STEP
//	hostile capture IFACE FILE SECONDS PORTS
//	hostile attack IFACE SRC-IP DST-IP DST-MAC PORTS FILE COUNT SEED PPS KINDS
//	hostile lan IFACE COUNT SEED PPS macs|storm
//
// scan: every STEPth UDP and TCP port, every other IP protocol, and PORTS, which must stay silent.
//
// capture: keep the datagrams of PORTS, both ways.
//
// attack: COUNT datagrams made of what was captured, PPS of them a second, 0 as fast as it goes.
// KINDS: random, shaped, mutated, replayed, direction, pair, or all of these; tag (handshakes under
// a live tag), index (data under a live key_id), lane0.
//
// lan: from a host, a new source address with each frame, or broadcasts.
//
// Each prints one JSON object: what was sent, and what the target sent meanwhile; attack and lan
// also when SIGTERM ends them early. The same seed and capture make the same datagrams.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/hostile/wire.h"
#include "wire/bytes.h"
#include "wire/packet.h"

#define KEPT_MAX 8192

enum kind { RANDOM, SHAPED, MUTATED, REPLAYED, DIRECTION, PAIR, TAG, INDEX, LANE0, KINDS };

static const char *const kind_names[KINDS] = {
	"random", "shaped", "mutated", "replayed", "direction", "pair", "tag", "index", "lane0"};

struct kept {
	uint8_t src_ip[16]; // as it lay in the packet
	uint16_t sport;
	uint16_t bytes;
	bool to_target;
	bool from_target;
	uint8_t payload[1500];
};

static struct kept kept[KEPT_MAX];
static unsigned n_kept, n_to, n_from, n_rest, to[KEPT_MAX], from[KEPT_MAX], rest[KEPT_MAX];
static uint64_t seed;
static volatile sig_atomic_t asked_to_end;

static void on_term(int sig)
{
	asked_to_end = 1;
}

// splitmix64
static uint64_t rnd(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static void rnd_bytes(uint8_t *at, unsigned n)
{
	for (; n >= 8; n -= 8, at += 8)
		put_le64(at, rnd());
	while (n-- > 0)
		*at++ = (uint8_t)rnd();
}

static unsigned parse_ports(const char *text, uint16_t *ports)
{
	unsigned n = 0;

	for (char *end; n < WIRE_PORTS_MAX && *text != '\0'; text = *end == ',' ? end + 1 : end)
		ports[n++] = (uint16_t)strtoul(text, &end, 10);
	return n;
}

// ---------------------------------------------------------------- scan

static void scan_one(struct wire *w, struct wire_heard *heard, unsigned bytes, unsigned *n)
{
	wire_put(w, bytes);
	if (++*n % 64 == 0) {
		wire_hear(w, heard);
		usleep(200); // the kernel's own answers are not to be lost
	}
}

static int scan(char **arg)
{
	static const uint8_t tcp_flags[] = {0x02, 0x10, 0x00, 0x29, 0x01, 0x12};
	struct wire_heard heard = {0};
	struct wire w;
	unsigned n = 0, at, step = (unsigned)atoi(arg[5]);

	if (step == 0)
		return 2;
	wire_open(&w, arg[0], arg[1], arg[2], arg[3]);
	w.n_ours = parse_ports(arg[4], w.ours);
	at = wire_udp_offset(&w);
	for (unsigned port = 0; port < 65536; port++) {
		if (port % step != 0 && !wire_is_ours(&w, (uint16_t)port))
			continue;
		memset(wire_get(&w) + at, 'x', 4);
		scan_one(&w, &heard, wire_udp(&w, wire_get(&w), 40000, (uint16_t)port, 4), &n);
		scan_one(&w, &heard, wire_tcp(&w, wire_get(&w), 40000, (uint16_t)port, 0x02), &n);
	}
	// The ports that matter once more: SYN, ACK, nothing, Christmas tree, FIN, SYN-ACK; and as
	// ports of other transports.
	for (unsigned i = 0; i < w.n_ours * sizeof(tcp_flags); i++)
		scan_one(&w, &heard,
			wire_tcp(&w, wire_get(&w), (uint16_t)(50000 + i),
				w.ours[i / sizeof(tcp_flags)], tcp_flags[i % sizeof(tcp_flags)]),
			&n);
	for (unsigned protocol = 0; protocol < 256; protocol++) {
		uint8_t *payload;

		if (protocol == 1 || protocol == 6 || protocol == 17 || protocol == 58)
			continue; // ping is the host's; the others were scanned
		payload = wire_ip(&w, wire_get(&w), (uint8_t)protocol, 64);
		memset(payload, 0, 64);
		put_be16(payload, 40000);
		put_be16(payload + 2, w.ours[0]);
		scan_one(&w, &heard, (unsigned)(payload - wire_get(&w)) + 64, &n);
	}
	wire_flush(&w);
	wire_hear_end(&w, &heard, 300);
	printf("{\"sent\":%lu,", w.sent);
	wire_print_heard(&heard);
	printf("}\n");
	return 0;
}

// ---------------------------------------------------------------- capture

static int capture(char **arg)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(3)};
	uint64_t end = wire_now_ns() + (uint64_t)(atof(arg[2]) * 1e9);
	FILE *out = fopen(arg[1], "wb");
	uint16_t ports[WIRE_PORTS_MAX];
	unsigned n_ports = parse_ports(arg[3], ports), n = 0;
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	at.sll_ifindex = (int)if_nametoindex(arg[0]);
	if (out == NULL || fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		wire_die(arg[0]);
	printf("{\"capturing\":true}\n");
	fflush(stdout);
	while (wire_now_ns() < end && n < KEPT_MAX) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		uint8_t frame[WIRE_FRAME_MAX], head[2];
		const uint8_t *payload;
		uint16_t sport, dport;
		unsigned bytes;
		ssize_t got;

		if (poll(&p, 1, 100) <= 0)
			continue;
		got = recv(fd, frame, sizeof(frame), MSG_DONTWAIT);
		if (got < 14 ||
			!wire_is_udp(frame, (unsigned)got, &payload, &bytes, &sport, &dport))
			continue;
		for (unsigned i = 0; i < n_ports; i++) {
			if (sport != ports[i] && dport != ports[i])
				continue;
			put_le16(head, (uint16_t)got);
			fwrite(head, 2, 1, out);
			fwrite(frame, (size_t)got, 1, out);
			n++;
			break;
		}
	}
	fclose(out);
	printf("{\"captured\":%u}\n", n);
	return 0;
}

static void load(const char *file, const struct wire *w)
{
	uint8_t frame[WIRE_FRAME_MAX], head[2];
	FILE *in = fopen(file, "rb");
	unsigned ip_bytes = w->v6 ? 16 : 4, ip_at = 14 + (w->v6 ? 8 : 12);

	if (in == NULL)
		wire_die(file);
	while (n_kept < KEPT_MAX && fread(head, 2, 1, in) == 1) {
		struct kept *k = &kept[n_kept];
		const uint8_t *payload;
		unsigned size = get_le16(head), bytes;
		uint16_t dport;

		if (size > sizeof(frame) || fread(frame, size, 1, in) != 1)
			break;
		if (!wire_is_udp(frame, size, &payload, &bytes, &k->sport, &dport) || bytes == 0 ||
			bytes > sizeof(k->payload))
			continue;
		memcpy(k->src_ip, frame + ip_at, ip_bytes);
		memcpy(k->payload, payload, bytes);
		k->bytes = (uint16_t)bytes;
		k->from_target = memcmp(frame + ip_at, w->dst_ip, ip_bytes) == 0;
		k->to_target = memcmp(frame + ip_at + ip_bytes, w->dst_ip, ip_bytes) == 0;
		if (k->to_target)
			to[n_to++] = n_kept;
		else if (k->from_target)
			from[n_from++] = n_kept;
		else
			rest[n_rest++] = n_kept;
		n_kept++;
	}
	fclose(in);
}

// ---------------------------------------------------------------- attack

static const struct kept *pick(const unsigned *of, unsigned n)
{
	return n > 0 ? &kept[of[rnd() % n]] : NULL;
}

// A captured datagram to the target of a type: handshakes, data, lane 0.
static const struct kept *pick_like(enum kind kind)
{
	for (unsigned i = 0; i < 4 * n_to; i++) {
		const struct kept *k = pick(to, n_to);
		bool data = k->payload[0] == PKT_TYPE_DATA && k->bytes >= PKT_MIN_LEN;

		if (kind == TAG ? !data && k->bytes >= PKT_PUNCH_LEN
				: data && (k->payload[1] == PKT_LANE_CONTROL) == (kind == LANE0))
			return k;
	}
	return NULL;
}

static unsigned shaped(uint8_t *at)
{
	static const uint8_t types[] = {PKT_TYPE_PUNCH, PKT_TYPE_M1, PKT_TYPE_M2, PKT_TYPE_M3,
		PKT_TYPE_RETRY, PKT_TYPE_DATA};
	static const uint16_t bytes[] = {PKT_PUNCH_LEN, PKT_M1_LEN, 682, 610, PKT_RETRY_LEN, 1400};
	unsigned i = rnd() % 6;

	rnd_bytes(at, bytes[i]);
	at[0] = types[i];
	at[1] = types[i] == PKT_TYPE_DATA ? (uint8_t)(rnd() % 3) : 0;
	put_le16(at + 2, types[i] == PKT_TYPE_DATA ? 0 : bytes[i]);
	put_le32(at + 4, (uint32_t)(rnd() % 4096));
	return bytes[i];
}

// Everything right that a sniffer can copy, and noise where the keys would show.
static unsigned garbage(uint8_t *at, const struct kept *k, enum kind kind)
{
	unsigned bytes = k->bytes;

	memcpy(at, k->payload, bytes);
	if (kind == TAG) {
		if (bytes > 24)
			rnd_bytes(at + 24, bytes - 24);
		put_le64(at + 16, get_le64(at + 16) + rnd() % 60000000); // a time that may be new
		return bytes;
	}
	if (kind == LANE0)
		bytes = PKT_MIN_LEN + 20;
	put_le64(at + 8, get_le64(at + 8) + 100 + rnd() % 4000); // a counter that may be new
	rnd_bytes(at + 16, bytes - 16);
	return bytes;
}

// Build one of a kind; false if nothing was captured to make it of.
static bool build(struct wire *w, enum kind kind, uint16_t dport)
{
	uint8_t *frame = wire_get(w), *at = frame + wire_udp_offset(w);
	uint8_t mine[16];
	const struct kept *k = NULL;
	uint16_t sport = (uint16_t)(1024 + rnd() % 60000);
	unsigned bytes, n;

	memcpy(mine, w->src_ip, 16);
	switch (kind) {
	case RANDOM:
		bytes = (unsigned)(rnd() % 1450);
		rnd_bytes(at, bytes);
		break;
	case SHAPED:
		bytes = shaped(at);
		break;
	case TAG:
	case INDEX:
	case LANE0:
		k = pick_like(kind);
		if (k == NULL)
			return false;
		bytes = garbage(at, k, kind);
		break;
	default:
		k = kind == DIRECTION ? pick(from, n_from)
		    : kind == PAIR    ? pick(rest, n_rest)
				      : pick(to, n_to);
		if (k == NULL)
			return false;
		bytes = k->bytes;
		memcpy(at, k->payload, bytes);
		for (n = kind == MUTATED ? 1 + (unsigned)(rnd() % 4) : 0; n > 0; n--)
			at[rnd() % bytes] ^= (uint8_t)(1 + rnd() % 255);
		if (kind == MUTATED && rnd() % 8 == 0)
			bytes = 1 + (unsigned)(rnd() % bytes);
	}
	// From the address that it came from, or from elsewhere.
	if (k != NULL && k->to_target && (kind != REPLAYED || rnd() % 2 == 0)) {
		memcpy(w->src_ip, k->src_ip, 16);
		sport = k->sport;
	}
	n = wire_udp(w, frame, sport, dport, bytes);
	memcpy(w->src_ip, mine, 16);
	wire_put(w, n);
	return true;
}

static unsigned parse_kinds(const char *text, enum kind *kinds)
{
	unsigned n = 0;

	for (unsigned i = 0; i < KINDS; i++) {
		if ((strcmp(text, "all") == 0 && i <= PAIR) || strstr(text, kind_names[i]) != NULL)
			kinds[n++] = (enum kind)i;
	}
	return n;
}

static int attack(char **arg)
{
	uint64_t count = strtoull(arg[6], NULL, 10), per_kind[KINDS] = {0}, begun;
	double pps = atof(arg[8]);
	struct wire_heard heard = {0};
	enum kind kinds[KINDS];
	unsigned n_kinds = parse_kinds(arg[9], kinds);
	struct wire w;

	wire_open(&w, arg[0], arg[1], arg[2], arg[3]);
	w.n_ours = parse_ports(arg[4], w.ours);
	load(arg[5], &w);
	seed = strtoull(arg[7], NULL, 10);
	begun = wire_now_ns();
	for (uint64_t i = 0; i < count && !asked_to_end; i++) {
		enum kind kind = kinds[i % n_kinds];

		if (!build(&w, kind, w.ours[i / n_kinds % w.n_ours])) {
			kind = RANDOM;
			build(&w, kind, w.ours[0]);
		}
		per_kind[kind]++;
		if (i % 64 != 63)
			continue;
		wire_hear(&w, &heard);
		while (pps > 0 && (double)(wire_now_ns() - begun) * pps < (double)(i + 1) * 1e9)
			usleep(50);
	}
	wire_flush(&w);
	begun = wire_now_ns() - begun;
	wire_hear_end(&w, &heard, 500);
	printf("{\"sent\":%lu,\"seconds\":%.3f,\"captured\":%u", w.sent, (double)begun / 1e9,
		n_kept);
	for (unsigned i = 0; i < KINDS; i++) {
		if (per_kind[i] != 0)
			printf(",\"%s\":%lu", kind_names[i], per_kind[i]);
	}
	printf(",");
	wire_print_heard(&heard);
	printf("}\n");
	return 0;
}

// ---------------------------------------------------------------- a hostile host

static int lan(char **arg)
{
	uint64_t count = strtoull(arg[1], NULL, 10), begun;
	double pps = atof(arg[3]);
	bool macs = strcmp(arg[4], "macs") == 0;
	struct wire w;

	wire_open(&w, arg[0], "192.0.2.1", "192.0.2.2", "ff:ff:ff:ff:ff:ff");
	seed = strtoull(arg[2], NULL, 10);
	begun = wire_now_ns();
	for (uint64_t i = 0; i < count && !asked_to_end; i++) {
		uint8_t *frame = wire_get(&w);

		memset(frame, 0, 60);
		memset(frame, 0xff, 6);
		memcpy(frame + 6, w.src_mac, 6);
		if (macs) {
			put_le64(frame, rnd() & ~(uint64_t)1); // to nobody
			put_le64(frame + 6, (rnd() & ~(uint64_t)3) | 2);
		}
		put_be16(frame + 12, 0x88b5);
		wire_put(&w, 60);
		while (i % 64 == 63 && pps > 0 &&
			(double)(wire_now_ns() - begun) * pps < (double)(i + 1) * 1e9)
			usleep(50);
	}
	wire_flush(&w);
	printf("{\"sent\":%lu,\"seconds\":%.3f}\n", w.sent, (double)(wire_now_ns() - begun) / 1e9);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGTERM, on_term);
	if (argc == 8 && strcmp(argv[1], "scan") == 0)
		return scan(argv + 2);
	if (argc == 6 && strcmp(argv[1], "capture") == 0)
		return capture(argv + 2);
	if (argc == 12 && strcmp(argv[1], "attack") == 0)
		return attack(argv + 2);
	if (argc == 7 && strcmp(argv[1], "lan") == 0)
		return lan(argv + 2);
	fprintf(stderr, "usage: hostile scan IFACE SRC-IP DST-IP DST-MAC PORTS STEP\n"
			"       hostile capture IFACE FILE SECONDS PORTS\n"
			"       hostile attack IFACE SRC-IP DST-IP DST-MAC PORTS FILE COUNT SEED "
			"PPS KINDS\n"
			"       hostile lan IFACE COUNT SEED PPS macs|storm\n");
	return 2;
}
