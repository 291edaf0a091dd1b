// SPDX-License-Identifier: BSD-3-Clause
//
// The C handshake library as a peer, to be judged by the executable specification (peer.py).
//
// usage: hs_peer client|server DIR MY-NAME PEER-NAME PORT ROUNDS
//
// As in peer.py: per round an introduction (intents go straight over the socket), a handshake, M4,
// and a data packet each way. Certificates are verified by the product's own x509.c.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "controlplane/common/clock.h"
#include "controlplane/common/ctl_lane.h"
#include "controlplane/common/handshake.h"
#include "controlplane/common/x509.h"

#define NETWORK   "example-corp"
#define TIMEOUT_S 10
#define LIFE_S    86400

struct peer {
	bool client;
	const char *me;
	const char *name;
	int sock;
	uint8_t root[X509_CA_BYTES_MAX];
	uint8_t issuing[X509_CA_BYTES_MAX];
	uint8_t cert[X509_LEAF_BYTES_MAX];
	uint8_t peer_cert[X509_LEAF_BYTES_MAX];
	size_t root_len;
	size_t issuing_len;
	size_t cert_len;
	size_t peer_cert_len;
	uint8_t pk[32];
	uint8_t sk[64];
	uint8_t net_id[16];
	struct x509_trust *trust;
	uint64_t last_serial;
	unsigned n_cipher[3];
};

static void die(const char *what)
{
	fprintf(stderr, "hs_peer: %s\n", what);
	exit(1);
}

static size_t load(const char *dir, const char *name, const char *ext, uint8_t *buf, size_t cap)
{
	char path[512];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s%s", dir, name, ext);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, buf, cap) : -1;
	if (n <= 0)
		die(path);
	close(fd);
	return (size_t)n;
}

static void open_socket(struct peer *p, uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval tv = {.tv_sec = TIMEOUT_S};

	p->sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setsockopt(p->sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if ((p->client ? connect : bind)(p->sock, (struct sockaddr *)&a, sizeof(a)) < 0)
		die(strerror(errno));
}

static void send_all(struct peer *p, const void *m, size_t len)
{
	if (send(p->sock, m, len, 0) != (ssize_t)len)
		die("send");
}

// The next datagram that begins like this; others (late duplicates) are passed over.
static size_t receive(struct peer *p, const char *first, size_t first_len, uint8_t *buf, size_t cap)
{
	for (;;) {
		struct sockaddr_in from;
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(p->sock, buf, cap, 0, (struct sockaddr *)&from, &from_len);

		if (n < 0)
			die(first[0] == 'P' ? "no intent came" : "no answer came");
		if ((size_t)n < first_len || memcmp(buf, first, first_len) != 0)
			continue;
		if (!p->client)
			connect(p->sock, (struct sockaddr *)&from, from_len);
		return (size_t)n;
	}
}

// ---- identity

static int sign(void *ctx, const char *label, const uint8_t *msg, size_t len, uint8_t sig[64])
{
	const struct peer *p = ctx;
	uint8_t m[2048] = "postern/1 ";
	size_t n = strlen((char *)m);

	memcpy(m + n, label, strlen(label) + 1);
	n += strlen(label) + 1;
	memcpy(m + n, msg, len);
	return crypto_sign_detached(sig, NULL, m, n + len, p->sk);
}

static enum x509_refusal verify(
	const struct peer *p, const uint8_t *der, size_t len, struct x509_facts *ret)
{
	const struct x509_chain chain = {
		.leaf = {der, len}, .issuers = {{p->issuing, p->issuing_len}}, .n_issuers = 1};

	return x509_verify(p->trust, &chain, p->name, X509_ROLE_GATEWAY, clock_unix_s(), ret);
}

static int check_cert(void *ctx, enum hs_field, const struct der_list *field, const char *,
	uint8_t ret_pk[32], uint64_t *ret_not_after_s)
{
	const struct peer *p = ctx;
	struct x509_facts facts;
	enum x509_refusal why = verify(p, field->cert[0].der, field->cert[0].len, &facts);

	if (why != X509_OK) {
		fprintf(stderr, "hs_peer: %s\n", x509_strerror(why));
		return -EKEYREJECTED;
	}
	memcpy(ret_pk, facts.pk, 32);
	*ret_not_after_s = facts.not_after;
	return 0;
}

// ---- one round

static size_t make_intent(struct peer *p, uint32_t caps, const uint8_t ipk[32], uint8_t *buf)
{
	uint8_t cert_hash[32];
	const struct intent i = {.net_id = p->net_id,
		.ipk = ipk,
		.cert_hash = cert_hash,
		.from = p->me,
		.to = p->name,
		.from_len = (uint16_t)strlen(p->me),
		.to_len = (uint16_t)strlen(p->name),
		.caps = caps,
		.serial = clock_unix_us(),
		.not_before = clock_unix_s(),
		.not_after = clock_unix_s() + LIFE_S};
	size_t n;

	pair_hash(cert_hash, p->cert, p->cert_len);
	n = intent_build(&i, buf, INTENT_MAX_LEN);
	if (n == 0 || sign(p, "intent", buf, n, buf + n) != 0)
		die("cannot build an intent");
	return n + INTENT_SIG_LEN;
}

static void introduce(struct peer *p, uint32_t caps, struct pair *ret, uint8_t ret_peer_pk[32])
{
	uint8_t mine[INTENT_MAX_LEN];
	uint8_t theirs[2048];
	uint8_t rnd[32];
	uint8_t sk[32];
	uint8_t ipk[32];
	uint8_t cert_hash[32];
	struct x509_facts facts;
	struct pair_intent_expect e = {.net_id = p->net_id,
		.me = p->me,
		.from = p->name,
		.cert_hash = cert_hash,
		.public_key = facts.pk,
		.last_serial = p->last_serial,
		.now_s = clock_unix_s()};
	struct intent got;
	enum pair_intent_verdict v;
	enum x509_refusal why;
	size_t mine_len;
	size_t theirs_len;

	randombytes_buf(rnd, sizeof(rnd));
	pair_intent_keys(rnd, p->sk, clock_unix_us(), rnd, sk, ipk);
	mine_len = make_intent(p, caps, ipk, mine);
	if (p->client)
		send_all(p, mine, mine_len);
	theirs_len = receive(p, "PSTI", 4, theirs, sizeof(theirs));
	if (!p->client)
		send_all(p, mine, mine_len);
	why = verify(p, p->peer_cert, p->peer_cert_len, &facts);
	if (why != X509_OK)
		die(x509_strerror(why));
	pair_hash(cert_hash, p->peer_cert, p->peer_cert_len);
	e.cert_not_after_s = facts.not_after;
	v = pair_check_intent(theirs, theirs_len, &e, &got);
	if (v != PAIR_INTENT_OK)
		die(pair_intent_text(v));
	p->last_serial = got.serial;
	if (pair_from_intents(ret, mine, mine_len, theirs, theirs_len, sk, NULL) < 0)
		die("no pair");
	memcpy(ret_peer_pk, facts.pk, 32);
}

static void must(enum hs_status s)
{
	if (s != HS_OK)
		die(hs_status_text(s));
}

static void handshake_client(
	struct peer *p, const struct hs_config *cfg, uint32_t key_id, struct hs_result *ret)
{
	uint8_t rnd[64];
	uint8_t in[2048];
	uint8_t m3[PKT_HS_MAX_LEN];
	uint8_t plain[2048];
	struct ctl_lane lane;
	struct hs_client c;
	struct pkt_m1 m1;
	struct pkt_blocks it;
	struct pkt_block_view b;
	size_t n;

	randombytes_buf(rnd, sizeof(rnd));
	hs_client_start(&c, cfg, key_id, clock_unix_us(), clock_unix_s(), rnd, &m1);
	send_all(p, &m1, sizeof(m1));
	n = receive(p, "\x12", 1, in, sizeof(in));
	must(hs_client_m2(&c, in, n, clock_unix_s(), m3, &n, ret));
	send_all(p, m3, n);
	ctl_lane_init(&lane, &ret->traffic, true, ret->rx_key_id, ret->tx_key_id, PKT_HS_MAX_LEN);
	n = receive(p, "\x18\0", 2, in, sizeof(in));
	if (ctl_lane_open(&lane, in, n, plain, &n) < 0)
		die("M4 does not open");
	it = pkt_blocks(plain, n);
	if (pkt_block_next(&it, &b) != 1 || b.kind != PKT_KIND_CONFIRM)
		die("M4 is no CONFIRM");
	hs_client_fini(&c);
	ctl_lane_wipe(&lane);
}

static void handshake_server(
	struct peer *p, const struct hs_config *cfg, uint32_t key_id, struct hs_result *ret)
{
	uint8_t rnd[64];
	uint8_t in[2048];
	uint8_t out[PKT_HS_MAX_LEN];
	struct ctl_lane lane;
	struct hs_server s;
	size_t n;

	randombytes_buf(rnd, sizeof(rnd));
	n = receive(p, "\x11", 1, in, sizeof(in));
	must(hs_server_m1(&s, cfg, in, n, key_id, clock_unix_s(), rnd, out, &n));
	send_all(p, out, n);
	n = receive(p, "\x13", 1, in, sizeof(in));
	must(hs_server_m3(&s, in, n, clock_unix_s(), ret));
	ctl_lane_init(&lane, &ret->traffic, false, ret->rx_key_id, ret->tx_key_id, PKT_HS_MAX_LEN);
	n = ctl_lane_seal(&lane, PKT_KIND_CONFIRM, NULL, 0, out);
	send_all(p, out, n);
	hs_server_fini(&s);
	ctl_lane_wipe(&lane);
}

// ---- data lanes, with libsodium in place of the data-plane

static size_t seal(const struct hs_result *r, int dir, uint8_t lane, uint64_t counter,
	const uint8_t *frame, size_t len, uint8_t *out)
{
	const struct pkt_data hdr = {
		.type = PKT_TYPE_DATA, .lane = lane, .key_id = r->tx_key_id, .counter = counter};
	const struct pkt_block block = {.len = (uint16_t)len, .kind = PKT_KIND_ETH};
	uint8_t *plain = out + sizeof(hdr);
	struct keysched_lane k;
	unsigned long long n;
	uint8_t nonce[12];

	keysched_traffic_lane(&r->traffic, dir, lane, &k);
	pkt_nonce(nonce, k.iv, counter);
	memcpy(out, &hdr, sizeof(hdr));
	memcpy(plain, &block, sizeof(block));
	memcpy(plain + sizeof(block), frame, len);
	(r->cipher == PKT_CIPHER_AES_256_GCM ? crypto_aead_aes256gcm_encrypt
					     : crypto_aead_chacha20poly1305_ietf_encrypt)(
		plain, &n, plain, sizeof(block) + len, out, sizeof(hdr), NULL, nonce, k.key);
	return sizeof(hdr) + (size_t)n;
}

static size_t open_data(
	const struct hs_result *r, int dir, const uint8_t *packet, size_t len, uint8_t *frame)
{
	const struct pkt_data *d = (const struct pkt_data *)packet;
	struct keysched_lane k;
	struct pkt_blocks it;
	struct pkt_block_view b;
	unsigned long long n;
	uint8_t plain[4096];
	uint8_t nonce[12];

	if (!pkt_data_plausible(packet, len) || d->key_id != r->rx_key_id)
		die("not a data packet for me");
	keysched_traffic_lane(&r->traffic, dir, d->lane, &k);
	pkt_nonce(nonce, k.iv, d->counter);
	if ((r->cipher == PKT_CIPHER_AES_256_GCM ? crypto_aead_aes256gcm_decrypt
						 : crypto_aead_chacha20poly1305_ietf_decrypt)(plain,
		    &n, NULL, packet + sizeof(*d), len - sizeof(*d), packet, sizeof(*d), nonce,
		    k.key) != 0)
		die("a data packet does not open");
	it = pkt_blocks(plain, n);
	if (pkt_block_next(&it, &b) != 1 || b.kind != PKT_KIND_ETH)
		die("no frame in a data packet");
	memcpy(frame, b.payload, b.len);
	return b.len;
}

static void exchange_data(struct peer *p, const struct hs_result *r, unsigned i)
{
	uint8_t lane = (uint8_t)(1 + i % 255);
	uint64_t counter = i * 1000003ull % PKT_COUNTER_CAP;
	char first[2] = {PKT_TYPE_DATA, (char)lane};
	uint8_t frame[2048];
	uint8_t back[2048];
	uint8_t packet[4096];
	size_t len = 60 + i % 1000;
	size_t n;

	if (p->client) {
		randombytes_buf(frame, len);
		send_all(p, packet, seal(r, PAIR_C2S, lane, counter, frame, len, packet));
		n = receive(p, first, 2, packet, sizeof(packet));
		if (open_data(r, PAIR_S2C, packet, n, back) != len || memcmp(frame, back, len) != 0)
			die("another frame came back");
		return;
	}
	n = receive(p, first, 2, packet, sizeof(packet));
	len = open_data(r, PAIR_C2S, packet, n, frame);
	send_all(p, packet, seal(r, PAIR_S2C, lane, counter, frame, len, packet));
}

static void run_round(struct peer *p, unsigned i)
{
	bool aes = i % 2 == 1 && crypto_aead_aes256gcm_is_available();
	uint32_t caps = PKT_CAP_CHACHA | (aes ? PKT_CAP_AES : 0);
	struct hs_identity identity = {.ctx = p, .sign = sign, .check_cert = check_cert};
	uint8_t peer_pk[32];
	struct hs_result r;
	struct pair pair;
	struct hs_config cfg = {.pair = &pair,
		.identity = &identity,
		.peer_name = p->name,
		.expect_key = peer_pk,
		.own_field = p->cert,
		.own_field_len = p->cert_len,
		.peer_field = HS_FIELD_LEAF,
		.max_len = PKT_HS_MAX_LEN,
		.caps = caps,
		.rl = 1};

	randombytes_buf(cfg.hedge, sizeof(cfg.hedge));
	introduce(p, caps, &pair, peer_pk);
	if (pair.client != p->client)
		die("names and roles disagree");
	(p->client ? handshake_client : handshake_server)(p, &cfg, pkt_key_id(i + 7, 1), &r);
	p->n_cipher[r.cipher]++;
	exchange_data(p, &r, i);
	hs_result_wipe(&r);
	pair_wipe(&pair);
}

int main(int argc, char **argv)
{
	static struct peer p;
	uint8_t seed[32];
	unsigned rounds;

	if (argc != 7 || sodium_init() < 0)
		die("usage: hs_peer client|server DIR MY-NAME PEER-NAME PORT ROUNDS");
	p.client = strcmp(argv[1], "client") == 0;
	p.me = argv[3];
	p.name = argv[4];
	rounds = (unsigned)strtoul(argv[6], NULL, 10);
	p.root_len = load(argv[2], "root", ".der", p.root, sizeof(p.root));
	p.issuing_len = load(argv[2], "issuing", ".der", p.issuing, sizeof(p.issuing));
	p.cert_len = load(argv[2], p.me, ".der", p.cert, sizeof(p.cert));
	p.peer_cert_len = load(argv[2], p.name, ".der", p.peer_cert, sizeof(p.peer_cert));
	load(argv[2], p.me, ".seed", seed, sizeof(seed));
	crypto_sign_seed_keypair(p.pk, p.sk, seed);
	if (x509_trust_create(p.root, p.root_len, &p.trust) != X509_OK)
		die("the root is refused");
	pair_net_id(p.net_id, x509_trust_root_pk(p.trust), NETWORK, strlen(NETWORK));
	open_socket(&p, (uint16_t)strtoul(argv[5], NULL, 10));
	for (unsigned i = 0; i < rounds; i++)
		run_round(&p, i);
	printf("C as %s: %u handshakes, %u with AES-256-GCM lanes, %u with ChaCha20-Poly1305 "
	       "lanes\n",
		argv[1], rounds, p.n_cipher[PKT_CIPHER_AES_256_GCM],
		p.n_cipher[PKT_CIPHER_CHACHA20_POLY1305]);
	x509_trust_destroy(p.trust);
	return 0;
}
