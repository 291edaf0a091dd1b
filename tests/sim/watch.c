// SPDX-License-Identifier: BSD-3-Clause
// What must hold at every moment, whatever happens; watched from outside the code that is to keep
// it: at the cipher, at the wire, at the LAN, in the commands that carry keys, in the memory.
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <openssl/evp.h>
#include <sodium.h>

#include "tests/sim/table.h"
#include "wire/packet.h"

#define KEY_LIFE_US   (600 * SIM_S)
#define LATE_US       (SIM_S) // what a deadline may be overrun by
#define PLACES        512     // addresses remembered at once
#define FRAMES        (1u << 22)
#define KEYS          (1u << 18)
#define MBUFS_AT_MOST 2048
#define OUTBOX_MOST   4096
#define MASK          0x5a // over the keys kept here, so that the search does not find itself

struct key {
	uint64_t id; // of the bytes, and of who sends to whom
	uint64_t installed_us, expires_us;
	uint64_t next; // counter
	uint32_t rx_key_id, tx_key_id;
	uint8_t from, to, owner, lane;
	bool tx, dead;
	uint8_t cipher, iv[12], masked[32];
};

struct frame {
	uint8_t from, to;
	uint16_t bytes;
	uint8_t arrived, delivered; // bit n: at gateway n
};

struct place {
	struct sim_addr at;
	uint64_t rx_bytes, tx_data_bytes;
};

static struct watch_totals totals;
static struct table nonces, key_ids, received_keys;
static struct key *keys;
static uint32_t n_keys;
static struct frame *frames;
static uint32_t n_frames;
static struct place places[PLACES];
static unsigned n_places;
static struct {
	struct sim_addr at;
	unsigned owner;
} known[PLACES];
static unsigned n_known;
static uint64_t withdrawn_us[SIM_GATEWAYS_MAX][SIM_GATEWAYS_MAX]; // 0: wanted

const struct watch_totals *watch_totals(void)
{
	return &totals;
}

static void *reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

void watch_reset(void)
{
	if (keys == NULL) {
		keys = reserve(KEYS * sizeof(*keys));
		frames = reserve(FRAMES * sizeof(*frames));
	}
	table_clear(&nonces);
	table_clear(&key_ids);
	table_clear(&received_keys);
	n_keys = n_places = n_known = 0;
	n_frames = 1;
	memset(&totals, 0, sizeof(totals));
	memset(withdrawn_us, 0, sizeof(withdrawn_us));
}

static uint64_t digest(const void *a, size_t a_len, const void *b, size_t b_len)
{
	crypto_generichash_state h;
	uint8_t out[crypto_generichash_BYTES_MIN];
	uint64_t id;

	crypto_generichash_init(&h, NULL, 0, sizeof(out));
	crypto_generichash_update(&h, a, a_len);
	crypto_generichash_update(&h, b, b_len);
	crypto_generichash_final(&h, out, sizeof(out));
	memcpy(&id, out, sizeof(id));
	return id | 1;
}

// ------------------------------------------------------------------ keys and nonces

static bool same(struct sim_addr a, struct sim_addr b)
{
	return a.ip == b.ip && a.port == b.port;
}

static unsigned peer_of_slot(const struct sim_gateway *g, uint32_t slot)
{
	struct gw_peer *gp = g->c == NULL ? NULL : peers_at(g->c, slot);

	for (unsigned i = 0; gp != NULL && i < world.n; i++) {
		if (strcmp(world.gw[i].name, gp->sm.name) == 0)
			return i;
	}
	return SIM_GATEWAYS_MAX;
}

static uint64_t cert_end_us(const struct sim_gateway *g, unsigned peer)
{
	uint64_t end = g->cert_not_after_s, now = sim_unix_s(g);

	if (world.gw[peer].cert_not_after_s < end)
		end = world.gw[peer].cert_not_after_s;
	return end > now ? world.now_us + (end - now + 1) * SIM_S : world.now_us;
}

static void key_installed(struct sim_gateway *g, const struct cmd_key *c)
{
	unsigned peer = peer_of_slot(g, c->head.session);
	struct key *k = &keys[n_keys % KEYS];
	struct key fresh = {.owner = (uint8_t)g->idx, .lane = c->lane, .tx = c->dir == 1};
	uint64_t bytes = digest(c->key, 32, c->iv, 12), *who;

	if (peer == SIM_GATEWAYS_MAX)
		return;
	fresh.from = (uint8_t)(fresh.tx ? g->idx : peer);
	fresh.to = (uint8_t)(fresh.tx ? peer : g->idx);
	fresh.id = digest(c->key, 32, (uint8_t[]){fresh.from, fresh.to}, 2);
	fresh.installed_us = world.now_us;
	fresh.expires_us = cert_end_us(g, peer);
	fresh.rx_key_id = c->rx_key_id;
	fresh.tx_key_id = c->tx_key_id;
	fresh.cipher = c->cipher;
	memcpy(fresh.iv, c->iv, sizeof(fresh.iv));
	for (unsigned i = 0; i < 32; i++)
		fresh.masked[i] = c->key[i] ^ MASK;
	totals.n_installs++;
	sim_trace("%s: key for %s, %s, lane %u, key_ids %x %x", g->name, world.gw[peer].name,
		fresh.tx ? "out" : "in", fresh.lane, fresh.rx_key_id, fresh.tx_key_id);
	// Who sends to whom under these bytes: the same for both ends, and nobody else has them.
	who = table_put(&key_ids, bytes, fresh.id);
	if (*who != fresh.id)
		sim_fail("%s and others hold one key for different pairs", g->name);
	if (fresh.tx && *table_put(&nonces, bytes ^ 2, world.now_us + 1) != world.now_us + 1)
		sim_fail(
			"%s installs a transmit key a second time: its nonces begin anew", g->name);
	if (!fresh.tx)
		table_put(&received_keys, fresh.id, 1);
	*k = fresh;
	n_keys++;
}

static bool sealed_under(const struct key *k, const uint8_t *data, size_t len)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t key[32], nonce[PKT_NONCE_LEN], plain[16384];
	int n, body = (int)len - PKT_DATA_HDR_LEN - PKT_MAC_LEN;
	bool ok;

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = k->masked[i] ^ MASK;
	pkt_nonce(nonce, k->iv, get_le64(data + 8));
	ok = body >= 0 && body <= (int)sizeof(plain) &&
	     EVP_DecryptInit_ex(ctx,
		     k->cipher == CIPHER_CHACHA20 ? EVP_chacha20_poly1305() : EVP_aes_256_gcm(),
		     NULL, key, nonce) == 1 &&
	     EVP_DecryptUpdate(ctx, NULL, &n, data, PKT_DATA_HDR_LEN) == 1 &&
	     EVP_DecryptUpdate(ctx, plain, &n, data + PKT_DATA_HDR_LEN, body) == 1 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, PKT_MAC_LEN,
		     (void *)(uintptr_t)(data + len - PKT_MAC_LEN)) == 1 &&
	     EVP_DecryptFinal_ex(ctx, plain, &n) == 1;
	sodium_memzero(key, sizeof(key));
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

// The key under which a packet was sealed. Peers choose the key_ids, and may choose the same, one
// after the other, too, when they have forgotten: then the packet itself must say it.
static struct key *sending_key(const struct sim_gateway *g, const uint8_t *data, size_t len)
{
	struct key *only = NULL;
	bool several = false;

	for (uint32_t i = n_keys; i-- > 0 && n_keys - i < KEYS;) {
		struct key *k = &keys[i % KEYS];

		if (world.now_us > k->installed_us + 2 * KEY_LIFE_US)
			break;
		if (k->owner != g->idx || !k->tx || k->tx_key_id != get_le32(data + 4) ||
			k->lane != data[1] || k->dead)
			continue;
		if (only == NULL) {
			only = k;
			continue;
		}
		if (!several && sealed_under(only, data, len))
			return only;
		several = true;
		if (sealed_under(k, data, len))
			return k;
	}
	return several ? NULL : only;
}

// Receiver first: who is told to send under a key may count on the other end having it.
static void switched(struct sim_gateway *g, const struct cmd_epoch *c)
{
	totals.n_handshakes++;
	for (uint32_t i = n_keys; i-- > 0 && n_keys - i < 4096;) {
		const struct key *k = &keys[i % KEYS];

		if (k->owner != g->idx || !k->tx || k->rx_key_id != c->rx_key_id || k->dead)
			continue;
		if (!table_has(&received_keys, k->id))
			sim_fail("%s sends under a key that %s never had", g->name,
				world.gw[k->to].name);
		return; // what comes next is an older life of this key_id
	}
}

static void command_seen(struct sim_gateway *g, const struct cmd *cmd)
{
	if (cmd->head.op == CMD_KEY_INSTALL)
		key_installed(g, &cmd->key);
	else if (cmd->head.op == CMD_TX_SWITCH)
		switched(g, &cmd->epoch);
}

int __real_dplink_command(struct dplink *dp, unsigned worker, struct cmd *cmd, uint32_t group);
int __real_dplink_command_all(struct dplink *dp, struct cmd *cmd, uint32_t group);

int __wrap_dplink_command(struct dplink *dp, unsigned worker, struct cmd *cmd, uint32_t group)
{
	command_seen(loop_current(), cmd);
	return __real_dplink_command(dp, worker, cmd, group);
}

int __wrap_dplink_command_all(struct dplink *dp, struct cmd *cmd, uint32_t group)
{
	command_seen(loop_current(), cmd);
	return __real_dplink_command_all(dp, cmd, group);
}

int __real_crypto_aead_chacha20poly1305_ietf_encrypt(unsigned char *c, unsigned long long *clen,
	const unsigned char *m, unsigned long long mlen, const unsigned char *ad,
	unsigned long long adlen, const unsigned char *nsec, const unsigned char *npub,
	const unsigned char *k);

// Control's own cipher: the handshake and lane 0.
int __wrap_crypto_aead_chacha20poly1305_ietf_encrypt(unsigned char *c, unsigned long long *clen,
	const unsigned char *m, unsigned long long mlen, const unsigned char *ad,
	unsigned long long adlen, const unsigned char *nsec, const unsigned char *npub,
	const unsigned char *k)
{
	uint64_t id = digest(k, 32, npub, 12), token = ++totals.n_seals;

	if (*table_put(&nonces, id, token) != token)
		sim_fail("control seals twice under one key and nonce");
	return __real_crypto_aead_chacha20poly1305_ietf_encrypt(
		c, clen, m, mlen, ad, adlen, nsec, npub, k);
}

void watch_plane_died(struct sim_gateway *g)
{
	for (uint32_t i = n_keys; i-- > 0 && n_keys - i < 4096;) {
		if (keys[i % KEYS].owner == g->idx)
			keys[i % KEYS].dead = true;
	}
}

void watch_clock_set(struct sim_gateway *g)
{
	for (uint32_t i = n_keys; i-- > 0 && n_keys - i < 4096;) {
		struct key *k = &keys[i % KEYS];

		if (k->owner == g->idx)
			k->expires_us = cert_end_us(g, k->tx ? k->to : k->from);
	}
}

// ------------------------------------------------------------------ the wire

void watch_allowed(struct sim_gateway *g, struct sim_addr a)
{
	for (unsigned i = 0; i < n_known; i++) {
		if (same(known[i].at, a)) {
			known[i].owner = g->idx;
			return;
		}
	}
	if (n_known == PLACES) {
		memmove(known, known + PLACES / 4, sizeof(known) * 3 / 4);
		n_known -= PLACES / 4;
	}
	known[n_known].at = a;
	known[n_known++].owner = g->idx;
}

// Whose address it is, of the gateways; SIM_GATEWAYS_MAX: nobody's.
static unsigned owner_of(struct sim_addr a)
{
	for (unsigned i = 0; i < world.n; i++) {
		if (world.gw[i].local.ip == a.ip)
			return i;
	}
	for (unsigned i = 0; i < n_known; i++) {
		if (same(known[i].at, a))
			return known[i].owner;
	}
	return SIM_GATEWAYS_MAX;
}

static bool is_peer(const struct sim_gateway *g, unsigned owner)
{
	return owner != SIM_GATEWAYS_MAX && owner != g->idx && !world.unwanted[g->idx][owner];
}

static struct place *place_of(struct sim_addr a)
{
	for (unsigned i = 0; i < n_places; i++) {
		if (same(places[i].at, a))
			return &places[i];
	}
	if (n_places == PLACES) {
		memmove(places, places + 1, (PLACES - 1) * sizeof(*places));
		n_places--;
	}
	places[n_places] = (struct place){.at = a};
	return &places[n_places++];
}

void watch_received(struct sim_gateway *, struct sim_addr from, size_t len)
{
	if (from.ip == SIM_ATTACKER_IP)
		place_of(from)->rx_bytes += len + 28;
}

static void to_stranger(struct sim_gateway *g, struct sim_addr dst, const uint8_t *data, size_t len)
{
	struct place *place;

	if (dst.ip ==
		SIM_VICTIM_IP) { // a hub said that the peer is there: counted, judged by the row
		totals.n_to_victim++;
		totals.bytes_to_victim += len;
		if (data[0] == PKT_TYPE_DATA)
			sim_fail("%s sends data where only the hub said that its peer is", g->name);
		return;
	}
	totals.n_to_strangers++;
	totals.bytes_to_strangers += len;
	place = place_of(dst);
	// Who copies a peer's packets to us from elsewhere may get challenges and handshakes there.
	if (place->rx_bytes == 0) {
		sim_fail("%s sends %zu bytes of type %02x to a stranger", g->name, len, data[0]);
		return;
	}
	if (data[0] != PKT_TYPE_DATA || data[1] == PKT_LANE_CONTROL)
		return;
	place->tx_data_bytes += len + 28;
	if (place->tx_data_bytes > 3 * place->rx_bytes)
		sim_fail("%s sends a stranger more than three times what it had of him", g->name);
}

static void data_packet(struct sim_gateway *g, unsigned to, const uint8_t *data, size_t len)
{
	struct key *k = sending_key(g, data, len);
	uint64_t counter = get_le64(data + 8);

	if (k == NULL) {
		sim_fail("%s sends under a key that nobody installed", g->name);
		return;
	}
	if (counter < k->next)
		sim_fail("%s uses counter %llu again under key_id %x of %s", g->name,
			(unsigned long long)counter, k->tx_key_id, world.gw[k->to].name);
	k->next = counter + 1;
	if (to != k->to)
		return;
	if (world.now_us > k->installed_us + KEY_LIFE_US + LATE_US)
		sim_fail("%s sends under a key of %llu s: key_id %x of %s", g->name,
			(unsigned long long)((world.now_us - k->installed_us) / SIM_S),
			k->tx_key_id, world.gw[k->to].name);
	if (world.now_us > k->expires_us + LATE_US)
		sim_fail("%s sends after the certificates' end", g->name);
	if (withdrawn_us[g->idx][k->to] != 0 && world.now_us > withdrawn_us[g->idx][k->to])
		sim_fail("%s sends data to %s, from whom it has withdrawn: key_id %x, %llu s old",
			g->name, world.gw[k->to].name, k->tx_key_id,
			(unsigned long long)((world.now_us - k->installed_us) / SIM_S));
}

void watch_data_sent(struct sim_gateway *g, struct sim_addr dst, const uint8_t *data, size_t len)
{
	unsigned owner = owner_of(dst);

	if (world.trace && data[0] == PKT_TYPE_DATA && data[1] != PKT_LANE_CONTROL)
		sim_trace("%s: data of %zu B to %u.%u.%u.%u:%u of %u, key_id %x, counter %llu",
			g->name, len, dst.ip >> 24, dst.ip >> 16 & 255, dst.ip >> 8 & 255,
			dst.ip & 255, dst.port, owner, get_le32(data + 4),
			(unsigned long long)get_le64(data + 8));
	if (data[0] == PKT_TYPE_DATA && data[1] != PKT_LANE_CONTROL)
		data_packet(g, owner, data, len);
	if (dst.ip != SIM_HUB_IP && !is_peer(g, owner))
		to_stranger(g, dst, data, len);
}

void watch_withdrawn(unsigned a, unsigned b)
{
	withdrawn_us[a][b] = world.now_us;
}

void watch_wanted(unsigned a, unsigned b)
{
	withdrawn_us[a][b] = 0;
}

// ------------------------------------------------------------------ the LAN

uint32_t watch_new_frame(struct sim_gateway *g, unsigned to, unsigned bytes)
{
	frames[n_frames % FRAMES] =
		(struct frame){(uint8_t)g->idx, (uint8_t)to, (uint16_t)bytes, 0, 0};
	totals.n_frames++;
	return n_frames++;
}

void watch_frame_arrived(uint32_t number)
{
	struct frame *f = &frames[number % FRAMES];

	if (f->arrived == 0)
		totals.n_arrived++;
	f->arrived = 1;
}

void watch_delivered(struct sim_gateway *g, const uint8_t *bytes, size_t len)
{
	struct frame *f;
	uint32_t number;

	memcpy(&number, bytes + 14, sizeof(number));
	if (len < SIM_FRAME_MIN || number == 0 || number >= n_frames) {
		sim_fail("%s delivers a frame that nobody sent", g->name);
		return;
	}
	f = &frames[number % FRAMES];
	if (f->bytes != len || bytes[len - 1] != (uint8_t)number || bytes[11] != 1 + f->from ||
		bytes[5] != 1 + f->to) {
		sim_fail("%s delivers frame %u altered", g->name, number);
		return;
	}
	if (f->delivered & 1 << g->idx)
		sim_fail("%s delivers frame %u twice", g->name, number);
	if (f->from == g->idx)
		sim_fail("%s delivers its own frame", g->name);
	if (withdrawn_us[g->idx][f->from] != 0 && world.now_us > withdrawn_us[g->idx][f->from])
		sim_fail("%s delivers a frame of whom it has withdrawn from", g->name);
	f->delivered |= (uint8_t)(1 << g->idx);
	if (f->to == g->idx) {
		totals.n_delivered++;
		totals.last_delivery_us = world.now_us;
		g->n_delivered++;
	}
}

// ------------------------------------------------------------------ memory

void watch_step(void)
{
	static unsigned turn;

	if (++turn % 64 != 0)
		return;
	if (box_mbufs_in_use() > MBUFS_AT_MOST)
		sim_fail("%u packets are in use: they leak", box_mbufs_in_use());
	for (unsigned i = 0; i < world.n; i++) {
		const struct control *c = world.gw[i].c;

		if (c != NULL && c->outbox.n + c->waiting.n > OUTBOX_MOST)
			sim_fail("%s holds %u datagrams back", world.gw[i].name, c->outbox.n);
	}
}

// Under AddressSanitizer memchr() refuses what is poisoned, and its shadow says nothing of keys.
#ifdef __SANITIZE_ADDRESS__
static bool is_shadow(unsigned long from, unsigned long to)
{
	return from >= 0x7fff8000ul && to <= 0x10007fff8000ul;
}

__attribute__((no_sanitize("address", "undefined"))) static const uint8_t *find_byte(
	const uint8_t *p, uint8_t byte, size_t n)
{
	for (; n > 0; n--, p++) {
		if (*p == byte)
			return p;
	}
	return NULL;
}
#else
static bool is_shadow(unsigned long, unsigned long)
{
	return false;
}

static const uint8_t *find_byte(const uint8_t *p, uint8_t byte, size_t n)
{
	return memchr(p, byte, n);
}
#endif

// Keys of epochs that are over are nowhere in the memory of the process, which holds all gateways.
__attribute__((no_sanitize("address", "undefined"))) static bool region_holds(
	const uint8_t *from, const uint8_t *to, const struct key *k)
{
	uint8_t first = k->masked[0] ^ MASK;

	for (const uint8_t *p = from;
		p + 32 <= to && (p = find_byte(p, first, (size_t)(to - p) - 31)) != NULL; p++) {
		unsigned i = 1;

		while (i < 32 && (uint8_t)(p[i] ^ MASK) == k->masked[i])
			i++;
		if (i == 32)
			return true;
	}
	return false;
}

static const struct key *a_retired_key(unsigned back)
{
	for (uint32_t i = n_keys; i-- > 0 && n_keys - i < KEYS;) {
		const struct key *k = &keys[i % KEYS];

		if (world.now_us > k->installed_us + KEY_LIFE_US + 60 * SIM_S && back-- == 0)
			return k;
	}
	return NULL;
}

static void search_memory(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	char line[512], perms[8];

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, perms) != 3 || perms[0] != 'r' ||
			perms[1] != 'w' || strstr(line, "memfd") != NULL ||
			(from <= (uintptr_t)frames && (uintptr_t)frames < to) ||
			(from <= (uintptr_t)keys && (uintptr_t)keys < to) || is_shadow(from, to))
			continue;
		for (unsigned n = 0; n < 4; n++) {
			const struct key *k = a_retired_key(n * 7);

			if (k != NULL && region_holds((uint8_t *)from, (uint8_t *)to, k))
				sim_fail("a key of %s, over for %llu s, is still in memory",
					world.gw[k->owner].name,
					(unsigned long long)((world.now_us - k->installed_us -
								     KEY_LIFE_US) /
							     SIM_S));
		}
	}
	if (maps != NULL)
		fclose(maps);
}

void watch_end(void)
{
	if (a_retired_key(0) != NULL)
		search_memory();
}
