// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/pair.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "controlplane/common/keysched.h"
#include "wire/bytes.h"

#define PART(ptr, n) ((struct keysched_part){.p = (ptr), .len = (n)})
#define N_PARTS(a)   (sizeof(a) / sizeof((a)[0]))

// Sub-keys of K_pair that are no mac key; those are enum pair_mac. PROTOCOL.md §3.
enum { SUB_TAG_C2S = 1, SUB_TAG_S2C = 2, SUB_SEAL_C2S = 6, SUB_SEAL_S2C = 7, SUB_PSK = 8 };

static_assert(CANDIDATES_SEALED_LEN == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES +
					       CANDIDATES_LEN +
					       crypto_aead_xchacha20poly1305_ietf_ABYTES,
	"sealed candidates");

void pair_hash(uint8_t out[PAIR_HASH_LEN], const void *p, size_t len)
{
	const struct keysched_part parts[] = {PART(p, len)};

	keysched_hash(out, PAIR_HASH_LEN, NULL, 0, NULL, parts, N_PARTS(parts));
}

void pair_net_id(uint8_t out[PAIR_NET_ID_LEN], const uint8_t root_pk[32], const char *network,
	size_t network_len)
{
	const struct keysched_part parts[] = {PART(root_pk, 32), PART(network, network_len)};

	keysched_hash(out, PAIR_NET_ID_LEN, NULL, 0, "net", parts, N_PARTS(parts));
}

void pair_th0_hub(uint8_t th0[PAIR_HASH_LEN], const uint8_t net_id[PAIR_NET_ID_LEN],
	const char *gateway, const char *hub)
{
	uint8_t gateway_len[2];
	uint8_t hub_len[2];
	const struct keysched_part parts[] = {PART(net_id, PAIR_NET_ID_LEN), PART(gateway_len, 2),
		PART(gateway, strlen(gateway)), PART(hub_len, 2), PART(hub, strlen(hub))};

	put_le16(gateway_len, (uint16_t)strlen(gateway));
	put_le16(hub_len, (uint16_t)strlen(hub));
	keysched_hash(th0, PAIR_HASH_LEN, NULL, 0, "th0-hub", parts, N_PARTS(parts));
}

void pair_th0_enrol(uint8_t th0[PAIR_HASH_LEN], const uint8_t root_hash[PAIR_HASH_LEN],
	const uint8_t token_id[PAIR_TOKEN_ID_LEN], const char *hub)
{
	uint8_t hub_len[2];
	const struct keysched_part parts[] = {PART(root_hash, PAIR_HASH_LEN),
		PART(token_id, PAIR_TOKEN_ID_LEN), PART(hub_len, 2), PART(hub, strlen(hub))};

	put_le16(hub_len, (uint16_t)strlen(hub));
	keysched_hash(th0, PAIR_HASH_LEN, NULL, 0, "th0-enrol", parts, N_PARTS(parts));
}

static void derive_sub_keys(struct pair *p)
{
	static const char ctx[] = "PSTNpair";

	keysched_kdf(p->key, SUB_TAG_C2S, ctx, p->tag_key[PAIR_C2S], PAIR_KEY_LEN);
	keysched_kdf(p->key, SUB_TAG_S2C, ctx, p->tag_key[PAIR_S2C], PAIR_KEY_LEN);
	for (unsigned i = 0; i < 3; i++)
		keysched_kdf(p->key, PAIR_MAC_M1 + i, ctx, p->mac_key[i], PAIR_KEY_LEN);
	keysched_kdf(p->key, SUB_SEAL_C2S, ctx, p->seal_key[PAIR_C2S], PAIR_KEY_LEN);
	keysched_kdf(p->key, SUB_SEAL_S2C, ctx, p->seal_key[PAIR_S2C], PAIR_KEY_LEN);
	keysched_kdf(p->key, SUB_PSK, ctx, p->psk, PAIR_KEY_LEN);
}

// Two intents that name each other, in one network.
static bool intents_match(const struct intent *a, const struct intent *b)
{
	return memcmp(a->net_id, b->net_id, PAIR_NET_ID_LEN) == 0 &&
	       name_compare(a->from, a->from_len, b->to, b->to_len) == 0 &&
	       name_compare(a->to, a->to_len, b->from, b->from_len) == 0;
}

// th0 = H(L("th0") ‖ net_id ‖ H(I_C) ‖ H(I_S)): both names, keys, caps and times are under it.
static void th0_of_intents(uint8_t th0[PAIR_HASH_LEN], const uint8_t *net_id, const uint8_t *client,
	size_t client_len, const uint8_t *server, size_t server_len)
{
	uint8_t h_client[PAIR_HASH_LEN];
	uint8_t h_server[PAIR_HASH_LEN];
	const struct keysched_part parts[] = {PART(net_id, PAIR_NET_ID_LEN),
		PART(h_client, PAIR_HASH_LEN), PART(h_server, PAIR_HASH_LEN)};

	pair_hash(h_client, client, client_len);
	pair_hash(h_server, server, server_len);
	keysched_hash(th0, PAIR_HASH_LEN, NULL, 0, "th0", parts, N_PARTS(parts));
}

int pair_from_intents(struct pair *ret, const uint8_t *mine, size_t mine_len, const uint8_t *theirs,
	size_t theirs_len, const uint8_t ipk_sk[32], const uint8_t *psk)
{
	struct intent me;
	struct intent them;
	uint8_t pk[32];
	uint8_t shared[2][32]; // s2c ‖ c2s
	const struct keysched_part parts[] = {
		PART(ret->th0, PAIR_HASH_LEN), PART(psk, PAIR_KEY_LEN)};
	int err;

	sodium_memzero(ret, sizeof(*ret));
	if (intent_parse(mine, mine_len, &me) < 0 || intent_parse(theirs, theirs_len, &them) < 0 ||
		!intents_match(&me, &them))
		return -EBADMSG;
	crypto_scalarmult_base(pk, ipk_sk);
	if (sodium_memcmp(pk, me.ipk, sizeof(pk)) != 0)
		return -EKEYREJECTED;

	ret->client = name_compare(me.from, me.from_len, them.from, them.from_len) < 0;
	err = keysched_kx(ret->client, ipk_sk, pk, them.ipk, shared[0], shared[1]);
	if (err < 0) {
		sodium_memzero(ret, sizeof(*ret));
		return err;
	}
	if (ret->client)
		th0_of_intents(ret->th0, me.net_id, mine, mine_len, theirs, theirs_len);
	else
		th0_of_intents(ret->th0, me.net_id, theirs, theirs_len, mine, mine_len);
	keysched_hash(
		ret->key, PAIR_KEY_LEN, shared, sizeof(shared), "pair", parts, psk != NULL ? 2 : 1);
	sodium_memzero(shared, sizeof(shared));
	derive_sub_keys(ret);
	return 0;
}

void pair_from_secret(
	struct pair *ret, bool client, const uint8_t secret[32], const uint8_t th0[PAIR_HASH_LEN])
{
	const struct keysched_part parts[] = {PART(th0, PAIR_HASH_LEN)};

	*ret = (struct pair){.client = client};
	memcpy(ret->th0, th0, PAIR_HASH_LEN);
	keysched_hash(ret->key, PAIR_KEY_LEN, secret, 32, "gate", parts, N_PARTS(parts));
	derive_sub_keys(ret);
}

void pair_restore(struct pair *ret, bool client, const uint8_t th0[PAIR_HASH_LEN],
	const uint8_t key[PAIR_KEY_LEN])
{
	*ret = (struct pair){.client = client};
	memcpy(ret->th0, th0, PAIR_HASH_LEN);
	memcpy(ret->key, key, PAIR_KEY_LEN);
	derive_sub_keys(ret);
}

void pair_wipe(struct pair *p)
{
	sodium_memzero(p, sizeof(*p));
}

// ---- tags and macs

void pair_tag(const struct pair *p, enum pair_dir dir, uint64_t slot, uint8_t tag[PKT_TAG_LEN])
{
	uint8_t full[16];
	uint8_t m[3 + 8] = {'t', 'a', 'g'};
	const struct keysched_part parts[] = {PART(m, sizeof(m))};

	put_le64(m + 3, slot);
	keysched_hash(
		full, sizeof(full), p->tag_key[dir], PAIR_KEY_LEN, NULL, parts, N_PARTS(parts));
	memcpy(tag, full, PKT_TAG_LEN);
}

bool pair_tag_live(
	const struct pair *p, enum pair_dir dir, uint64_t now_s, const uint8_t tag[PKT_TAG_LEN])
{
	uint64_t slot = pair_slot(now_s);
	bool live = false;

	for (uint64_t s = slot > 0 ? slot - 1 : 0; s <= slot + 1; s++) {
		uint8_t want[PKT_TAG_LEN];

		pair_tag(p, dir, s, want);
		live |= sodium_memcmp(want, tag, sizeof(want)) == 0;
	}
	return live;
}

void pair_mac(const struct pair *p, enum pair_mac which, const void *m, size_t len,
	uint8_t mac[PKT_MAC_LEN])
{
	const struct keysched_part parts[] = {PART(m, len)};

	keysched_hash(mac, PKT_MAC_LEN, p->mac_key[which - PAIR_MAC_M1], PAIR_KEY_LEN, NULL, parts,
		N_PARTS(parts));
}

bool pair_mac_ok(const struct pair *p, enum pair_mac which, const void *m, size_t len,
	const uint8_t mac[PKT_MAC_LEN])
{
	uint8_t want[PKT_MAC_LEN];

	pair_mac(p, which, m, len, want);
	return sodium_memcmp(want, mac, sizeof(want)) == 0;
}

void pair_filter_keys(const struct pair *p, struct pair_filter_keys *ret)
{
	*ret = (struct pair_filter_keys){0};
	if (p->client) {
		memcpy(ret->mac_a, p->mac_key[PAIR_MAC_M2 - PAIR_MAC_M1], PAIR_KEY_LEN);
		return;
	}
	memcpy(ret->mac_a, p->mac_key[PAIR_MAC_M1 - PAIR_MAC_M1], PAIR_KEY_LEN);
	memcpy(ret->mac_b, p->mac_key[PAIR_MAC_M3 - PAIR_MAC_M1], PAIR_KEY_LEN);
}

// ---- PUNCH

static enum pair_mac punch_mac(enum pair_dir dir)
{
	return dir == PAIR_C2S ? PAIR_MAC_M1 : PAIR_MAC_M2;
}

void pair_punch_build(
	const struct pair *p, uint64_t ts_us, uint64_t now_s, uint8_t flags, struct pkt_punch *ret)
{
	enum pair_dir dir = pair_tx_dir(p);

	*ret = (struct pkt_punch){
		.hs = {.type = PKT_TYPE_PUNCH, .flags = flags, .len = PKT_PUNCH_LEN, .ts = ts_us},
	};
	pair_tag(p, dir, pair_slot(now_s), ret->hs.tag);
	pair_mac(p, punch_mac(dir), ret, offsetof(struct pkt_punch, mac), ret->mac);
}

bool pair_punch_ok(const struct pair *p, uint64_t now_s, const void *datagram, size_t len)
{
	const struct pkt_punch *m = datagram;
	enum pair_dir dir = pair_rx_dir(p);

	return pkt_hs_plausible(m, len, PKT_HS_MAX_LEN) && m->hs.type == PKT_TYPE_PUNCH &&
	       pair_tag_live(p, dir, now_s, m->hs.tag) &&
	       pair_mac_ok(p, punch_mac(dir), m, offsetof(struct pkt_punch, mac), m->mac);
}

// ---- candidates

// Associated data of sealed candidates, L("candidates"); the key says the pair and the direction.
static const uint8_t candidates_ad[] = "postern/1 candidates";

int pair_seal_candidates(const struct pair *p, const struct candidates *c, const uint8_t rnd[24],
	uint8_t out[CANDIDATES_SEALED_LEN])
{
	uint8_t plain[CANDIDATES_LEN];
	int err = candidates_build(c, plain);

	if (err < 0)
		return err;
	memcpy(out, rnd, 24);
	crypto_aead_xchacha20poly1305_ietf_encrypt(out + 24, NULL, plain, sizeof(plain),
		candidates_ad, sizeof(candidates_ad), NULL, rnd, p->seal_key[pair_tx_dir(p)]);
	sodium_memzero(plain, sizeof(plain));
	return 0;
}

int pair_open_candidates(
	const struct pair *p, const void *sealed, size_t len, struct candidates *ret)
{
	const uint8_t *s = sealed;
	uint8_t plain[CANDIDATES_LEN];
	int err;

	if (len != CANDIDATES_SEALED_LEN)
		return -EBADMSG;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, s + 24, len - 24,
		    candidates_ad, sizeof(candidates_ad), s, p->seal_key[pair_rx_dir(p)]) != 0)
		return -EBADMSG;
	err = candidates_parse(plain, sizeof(plain), ret);
	sodium_memzero(plain, sizeof(plain));
	return err;
}
