// SPDX-License-Identifier: BSD-3-Clause
//
// Reading order: key schedule (hs_keys), the two sealed halves (open_sealed, check_peer), then
// client and server from top to bottom. th0 … th6 are the transcript hashes of PROTOCOL.md §5.
#include "controlplane/common/handshake.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "wire/bytes.h"

#define HASH_LEN 32
#define SIG_LEN  64

static_assert(PKT_AUTH_LEN == SIG_LEN + HASH_LEN, "sig ‖ fin");
static_assert(PKT_MAC_LEN == crypto_aead_chacha20poly1305_ietf_ABYTES, "AEAD tag");

// Every key below seals one message and is then wiped, so the nonce may be constant.
static const uint8_t zero_nonce[PKT_NONCE_LEN];

struct keys {
	uint8_t k2[32]; // seals M2
	uint8_t k3[32]; // seals M3
	uint8_t f2[32]; // fin of the server
	uint8_t f3[32]; // fin of the client
	uint8_t ms[32]; // into the traffic secrets
};

static void hash2(uint8_t out[HASH_LEN], const uint8_t *key, const void *a, size_t a_len,
	const void *b, size_t b_len)
{
	const struct keysched_part parts[] = {{a, a_len}, {b, b_len}};

	keysched_hash(out, HASH_LEN, key, key != NULL ? 32 : 0, NULL, parts, 2);
}

static void hash3(uint8_t out[HASH_LEN], const void *a, size_t a_len, const void *b, size_t b_len,
	const void *c, size_t c_len)
{
	const struct keysched_part parts[] = {{a, a_len}, {b, b_len}, {c, c_len}};

	keysched_hash(out, HASH_LEN, NULL, 0, NULL, parts, 3);
}

static void th1_of(uint8_t th1[HASH_LEN], const struct pair *p, const struct pkt_m1 *m1)
{
	hash2(th1, NULL, p->th0, HASH_LEN, m1, PKT_M1_MAC2_OFF);
}

// hs = H512(key = psk; L("hs") ‖ s2c ‖ c2s ‖ th2), and what hangs on it.
static enum hs_status derive_keys(const struct pair *p, const uint8_t sk[32], const uint8_t pk[32],
	const uint8_t peer_pk[32], const uint8_t th2[HASH_LEN], struct keys *ret)
{
	uint8_t s2c[32];
	uint8_t c2s[32];
	uint8_t hs[64];
	const struct keysched_part parts[] = {{s2c, 32}, {c2s, 32}, {th2, HASH_LEN}};

	if (keysched_kx(p->client, sk, pk, peer_pk, s2c, c2s) < 0)
		return HS_LOW_ORDER;
	keysched_hash(hs, sizeof(hs), p->psk, sizeof(p->psk), "hs", parts, 3);
	keysched_kdf(hs, 1, "PSTNhs__", ret->k2, 32);
	keysched_kdf(hs, 2, "PSTNhs__", ret->k3, 32);
	keysched_kdf(hs, 3, "PSTNhs__", ret->f2, 32);
	keysched_kdf(hs, 4, "PSTNhs__", ret->f3, 32);
	memcpy(ret->ms, hs + 32, 32);
	sodium_memzero(s2c, sizeof(s2c));
	sodium_memzero(c2s, sizeof(c2s));
	sodium_memzero(hs, sizeof(hs));
	return HS_OK;
}

// th6 → traffic secrets.
static void derive_traffic(const uint8_t ms_key[32], const uint8_t th5[HASH_LEN],
	const uint8_t auth[PKT_AUTH_LEN], struct keysched_traffic *ret)
{
	uint8_t th6[HASH_LEN];
	uint8_t ms[64];
	const struct keysched_part parts[] = {{th6, HASH_LEN}};

	hash2(th6, NULL, th5, HASH_LEN, auth, PKT_AUTH_LEN);
	keysched_hash(ms, sizeof(ms), ms_key, 32, "ms", parts, 1);
	keysched_from_ms(ms, ret);
	sodium_memzero(ms, sizeof(ms));
}

// Ephemeral key and challenge, hedged after RFC 8937: neither a cloned machine's repeated
// randomness nor a weak generator repeats them for another transcript or time.
static void hedge(const struct hs_config *cfg, const uint8_t rnd[64], const uint8_t th[HASH_LEN],
	uint64_t ts_us, uint8_t ret_sk[32], uint8_t ret_nonce[32])
{
	uint8_t ts[8];
	struct keysched_part parts[] = {
		{rnd, 32}, {cfg->hedge, sizeof(cfg->hedge)}, {th, HASH_LEN}, {ts, sizeof(ts)}};

	put_le64(ts, ts_us);
	keysched_hash(ret_sk, 32, NULL, 0, "eph-x", parts, 4);
	parts[0].p = rnd + 32;
	keysched_hash(ret_nonce, 32, NULL, 0, "eph-n", parts, 4);
}

static bool caps_ok(uint32_t caps)
{
	return (caps & PKT_CAP_RESERVED) == 0 && (caps & PKT_CAP_CHACHA) != 0;
}

// Split what follows the fixed part of a sealed body: the certificate field must fill it exactly.
static enum hs_status parse_field(
	enum hs_field kind, const uint8_t *field, size_t len, struct der_list *ret)
{
	*ret = (struct der_list){.n = 1, .cert = {{.der = field, .len = len}}};
	if (kind == HS_FIELD_LEAF)
		return len >= 1 && len <= PKT_LEAF_MAX ? HS_OK : HS_CERT_FIELD;
	if (kind == HS_FIELD_KEY)
		return len == 32 ? HS_OK : HS_CERT_FIELD;
	return der_list_parse(field, len, ret) == 0 ? HS_OK : HS_CERT_FIELD;
}

// Certificate, signature and fin of the peer, in the order in which they cost.
//
// th: th3 (label "S") or th5 (label "C"); auth: sig ‖ fin
static enum hs_status check_peer(const struct hs_config *cfg, const char *label,
	const uint8_t th[HASH_LEN], const uint8_t fin_key[32], const struct der_list *field,
	const uint8_t auth[PKT_AUTH_LEN], struct hs_result *ret)
{
	uint8_t fin[HASH_LEN];

	hash2(fin, fin_key, th, HASH_LEN, auth, SIG_LEN);
	if (sodium_memcmp(fin, auth + SIG_LEN, HASH_LEN) != 0)
		return HS_FIN;
	if (cfg->identity->check_cert(cfg->identity->ctx, cfg->peer_field, field, cfg->peer_name,
		    ret->peer_key, &ret->peer_not_after_s) < 0)
		return HS_CERT;
	if (cfg->expect_key != NULL && sodium_memcmp(cfg->expect_key, ret->peer_key, 32) != 0)
		return HS_KEY;
	if (!keysched_verify(ret->peer_key, label, th, HASH_LEN, auth))
		return HS_SIGNATURE;
	return HS_OK;
}

// My own signature and fin over th, into auth.
static enum hs_status make_auth(const struct hs_config *cfg, const char *label,
	const uint8_t th[HASH_LEN], const uint8_t fin_key[32], uint8_t auth[PKT_AUTH_LEN])
{
	if (cfg->identity->sign(cfg->identity->ctx, label, th, HASH_LEN, auth) < 0)
		return HS_SIGNER;
	hash2(auth + SIG_LEN, fin_key, th, HASH_LEN, auth, SIG_LEN);
	return HS_OK;
}

// Seal body[n] in place behind its header and put the outer mac behind that; the whole length is
// already in the header. k: used for this one message only.
static void seal_and_mac(const struct pair *p, enum pair_mac mac, const uint8_t k[32], uint8_t *msg,
	size_t hdr_len, size_t body_len)
{
	size_t mac_off = hdr_len + body_len + PKT_MAC_LEN;

	crypto_aead_chacha20poly1305_ietf_encrypt(
		msg + hdr_len, NULL, msg + hdr_len, body_len, msg, hdr_len, NULL, zero_nonce, k);
	pair_mac(p, mac, msg, mac_off, msg + mac_off);
}

// Open the sealed part between header and outer mac. plain: room for the whole message.
static enum hs_status open_sealed(const uint8_t k[32], const uint8_t *msg, size_t len,
	size_t hdr_len, uint8_t *plain, size_t *ret_len)
{
	unsigned long long n = 0;

	if (crypto_aead_chacha20poly1305_ietf_decrypt(plain, &n, NULL, msg + hdr_len,
		    len - hdr_len - PKT_MAC_LEN, msg, hdr_len, zero_nonce, k) != 0)
		return HS_DECRYPT;
	*ret_len = (size_t)n;
	return HS_OK;
}

enum hs_status hs_check_outer(const struct pair *p, uint8_t type, const void *datagram, size_t len,
	size_t max_len, uint64_t now_s)
{
	const struct pkt_hs *h = datagram;
	bool for_server = type == PKT_TYPE_M1 || type == PKT_TYPE_M3;
	size_t mac_off = type == PKT_TYPE_M1 ? PKT_M1_MAC1_OFF : len - PKT_MAC_LEN;
	enum pair_mac mac = type == PKT_TYPE_M1   ? PAIR_MAC_M1
			    : type == PKT_TYPE_M3 ? PAIR_MAC_M3
						  : PAIR_MAC_M2;

	if (max_len > PKT_HS_TCP_MAX_LEN) // the largest that the buffers below hold
		max_len = PKT_HS_TCP_MAX_LEN;
	if (!pkt_hs_plausible(datagram, len, max_len) || h->type != type ||
		type == PKT_TYPE_PUNCH || for_server == p->client)
		return HS_SHAPE;
	if (!pair_tag_live(p, pair_rx_dir(p), now_s, h->tag))
		return HS_TAG;
	if (!pair_mac_ok(p, mac, datagram, mac_off, (const uint8_t *)datagram + mac_off))
		return HS_MAC;
	return HS_OK;
}

// ---- client

// M1 from given ephemeral values; the tests' known answers come in here.
static void client_start(struct hs_client *c, const struct hs_config *cfg, uint32_t key_id,
	uint64_t ts_us, uint64_t now_s, const uint8_t x_sk[32], const uint8_t nonce[32])
{
	struct pkt_m1 *m1 = &c->m1;

	*c = (struct hs_client){.cfg = *cfg, .open = true};
	memcpy(c->x_sk, x_sk, sizeof(c->x_sk));
	m1->hs = (struct pkt_hs){
		.type = PKT_TYPE_M1, .len = PKT_M1_LEN, .key_id = key_id, .ts = ts_us};
	pair_tag(cfg->pair, PAIR_C2S, pair_slot(now_s), m1->hs.tag);
	crypto_scalarmult_base(m1->x, x_sk);
	memcpy(m1->nonce, nonce, sizeof(m1->nonce));
	m1->caps = cfg->caps;
	pair_mac(cfg->pair, PAIR_MAC_M1, m1, PKT_M1_MAC1_OFF, m1->mac1);
}

void hs_client_start(struct hs_client *c, const struct hs_config *cfg, uint32_t key_id,
	uint64_t ts_us, uint64_t now_s, const uint8_t rnd[64], struct pkt_m1 *ret_m1)
{
	uint8_t x_sk[32];
	uint8_t nonce[32];

	hedge(cfg, rnd, cfg->pair->th0, ts_us, x_sk, nonce);
	client_start(c, cfg, key_id, ts_us, now_s, x_sk, nonce);
	sodium_memzero(x_sk, sizeof(x_sk));
	*ret_m1 = c->m1;
}

// Does an authentic answer belong to my outstanding M1?
static bool answers_m1(const struct hs_client *c, const struct pkt_hs *h)
{
	return c->open && h->key_id == c->m1.hs.key_id && h->ts == c->m1.hs.ts;
}

enum hs_status hs_client_retry(struct hs_client *c, const void *datagram, size_t len,
	uint64_t now_s, struct pkt_m1 *ret_m1)
{
	const struct pkt_retry *retry = datagram;
	const struct keysched_part covered[] = {{&c->m1, PKT_M1_MAC2_OFF}};
	enum hs_status s =
		hs_check_outer(c->cfg.pair, PKT_TYPE_RETRY, datagram, len, c->cfg.max_len, now_s);

	if (s != HS_OK)
		return s;
	if (!answers_m1(c, &retry->hs))
		return HS_STATE;
	keysched_hash(
		c->m1.mac2, PKT_MAC_LEN, retry->cookie, sizeof(retry->cookie), NULL, covered, 1);
	*ret_m1 = c->m1;
	return HS_OK;
}

// M3 after a good M2: th4 → th5 → th6, sealed under k3.
static enum hs_status make_m3(struct hs_client *c, uint64_t now_s, const struct keys *k,
	const uint8_t th4[HASH_LEN], struct hs_result *r, uint8_t *m3, size_t *ret_len)
{
	const struct hs_config *cfg = &c->cfg;
	struct pkt_m3 *h = (struct pkt_m3 *)m3;
	struct pkt_m3_body *body = (struct pkt_m3_body *)h->sealed;
	size_t body_len = sizeof(*body) + cfg->own_field_len;
	size_t len = PKT_M3_MIN_LEN + cfg->own_field_len;
	uint8_t *auth = h->sealed + body_len;
	uint8_t th5[HASH_LEN];
	enum hs_status s;

	if (len > cfg->max_len || len > PKT_HS_TCP_MAX_LEN)
		return HS_TOO_LONG;
	h->hs = (struct pkt_hs){.type = PKT_TYPE_M3,
		.len = (uint16_t)len,
		.key_id = r->tx_key_id,
		.ts = c->m1.hs.ts};
	pair_tag(cfg->pair, PAIR_C2S, pair_slot(now_s), h->hs.tag);
	body->rl = cfg->rl;
	body->cert_len = (uint16_t)cfg->own_field_len;
	memcpy(body + 1, cfg->own_field, cfg->own_field_len);

	hash3(th5, th4, HASH_LEN, h, PKT_M3_HDR_LEN, body, body_len);
	s = make_auth(cfg, "C", th5, k->f3, auth);
	if (s != HS_OK)
		return s;
	derive_traffic(k->ms, th5, auth, &r->traffic);
	seal_and_mac(cfg->pair, PAIR_MAC_M3, k->k3, m3, PKT_M3_HDR_LEN, body_len + PKT_AUTH_LEN);
	*ret_len = len;
	return HS_OK;
}

// Everything that M2's plaintext must satisfy; th4 and the peer's facts come out.
static enum hs_status read_m2_body(struct hs_client *c, const struct keys *k,
	const uint8_t th2[HASH_LEN], const uint8_t *plain, size_t len, uint8_t th4[HASH_LEN],
	struct hs_result *r)
{
	const struct pkt_m2_body *body = (const struct pkt_m2_body *)plain;
	size_t body_len = len - PKT_AUTH_LEN;
	const uint8_t *auth = plain + body_len;
	uint8_t th3[HASH_LEN];
	struct der_list field;
	enum hs_status s;

	if (body->cert_len != body_len - sizeof(*body))
		return HS_CERT_FIELD;
	s = parse_field(c->cfg.peer_field, plain + sizeof(*body), body->cert_len, &field);
	if (s != HS_OK)
		return s;
	hash2(th3, NULL, th2, HASH_LEN, plain, body_len);
	s = check_peer(&c->cfg, "S", th3, k->f2, &field, auth, r);
	if (s != HS_OK)
		return s;

	r->cipher = (uint8_t)(body->caps_cipher >> PKT_CIPHER_SHIFT);
	r->peer_caps = body->caps_cipher & ((1u << PKT_CIPHER_SHIFT) - 1);
	r->peer_rl = body->rl;
	r->tx_key_id = body->key_id;
	r->rx_key_id = c->m1.hs.key_id;
	if (!caps_ok(r->peer_caps))
		return HS_RESERVED;
	if (r->cipher != pkt_cipher(c->cfg.caps, r->peer_caps))
		return HS_CIPHER;
	hash2(th4, NULL, th3, HASH_LEN, auth, PKT_AUTH_LEN);
	return HS_OK;
}

enum hs_status hs_client_m2(struct hs_client *c, const void *datagram, size_t len, uint64_t now_s,
	uint8_t *m3, size_t *ret_m3_len, struct hs_result *ret)
{
	const struct pkt_m2 *m2 = datagram;
	uint8_t plain[PKT_HS_TCP_MAX_LEN];
	uint8_t th1[HASH_LEN];
	uint8_t th2[HASH_LEN];
	uint8_t th4[HASH_LEN];
	size_t plain_len;
	struct keys k = {0};
	struct hs_result r = {0};
	enum hs_status s =
		hs_check_outer(c->cfg.pair, PKT_TYPE_M2, datagram, len, c->cfg.max_len, now_s);

	if (s != HS_OK)
		return s;
	if (!answers_m1(c, &m2->hs))
		return HS_STATE;
	th1_of(th1, c->cfg.pair, &c->m1);
	hash2(th2, NULL, th1, HASH_LEN, m2, PKT_M2_HDR_LEN);
	s = derive_keys(c->cfg.pair, c->x_sk, c->m1.x, m2->x, th2, &k);
	if (s == HS_OK)
		s = open_sealed(k.k2, datagram, len, PKT_M2_HDR_LEN, plain, &plain_len);
	if (s == HS_OK)
		s = read_m2_body(c, &k, th2, plain, plain_len, th4, &r);
	if (s == HS_OK)
		s = make_m3(c, now_s, &k, th4, &r, m3, ret_m3_len);
	if (s == HS_OK) {
		*ret = r;
		// One M2 is accepted per M1, so k3 seals one M3; more would reuse its nonce.
		c->open = false;
		sodium_memzero(c->x_sk, sizeof(c->x_sk));
	}
	sodium_memzero(plain, sizeof(plain));
	sodium_memzero(&k, sizeof(k));
	sodium_memzero(&r, sizeof(r));
	return s;
}

void hs_client_fini(struct hs_client *c)
{
	sodium_memzero(c, sizeof(*c));
}

// ---- server

enum hs_status hs_server_check_m1(
	const struct pair *p, const void *datagram, size_t len, uint64_t now_s)
{
	const struct pkt_m1 *m1 = datagram;
	enum hs_status s = hs_check_outer(p, PKT_TYPE_M1, datagram, len, PKT_M1_LEN, now_s);

	if (s != HS_OK)
		return s;
	return m1->zero == 0 && caps_ok(m1->caps) ? HS_OK : HS_RESERVED;
}

// M2 from given ephemeral values, for an M1 that was checked.
static enum hs_status server_answer(struct hs_server *s, const struct hs_config *cfg,
	const struct pkt_m1 *m1, uint32_t key_id, uint64_t now_s, const uint8_t th1[HASH_LEN],
	const uint8_t y_sk[32], const uint8_t nonce[32], uint8_t *m2, size_t *ret_m2_len)
{
	struct pkt_m2 *h = (struct pkt_m2 *)m2;
	struct pkt_m2_body *body = (struct pkt_m2_body *)h->sealed;
	size_t body_len = sizeof(*body) + cfg->own_field_len;
	size_t len = PKT_M2_MIN_LEN + cfg->own_field_len;
	uint8_t *auth = h->sealed + body_len;
	uint8_t cipher = pkt_cipher(m1->caps, cfg->caps);
	uint8_t th2[HASH_LEN];
	uint8_t th3[HASH_LEN];
	struct keys k = {0};
	enum hs_status st;

	if (len > cfg->max_len || len > PKT_HS_TCP_MAX_LEN)
		return HS_TOO_LONG;
	h->hs = (struct pkt_hs){.type = PKT_TYPE_M2,
		.len = (uint16_t)len,
		.key_id = m1->hs.key_id,
		.ts = m1->hs.ts};
	pair_tag(cfg->pair, PAIR_S2C, pair_slot(now_s), h->hs.tag);
	crypto_scalarmult_base(h->x, y_sk);
	hash2(th2, NULL, th1, HASH_LEN, h, PKT_M2_HDR_LEN);
	st = derive_keys(cfg->pair, y_sk, h->x, m1->x, th2, &k);
	if (st != HS_OK)
		return st;

	memcpy(body->nonce, nonce, sizeof(body->nonce));
	body->key_id = key_id;
	body->caps_cipher = cfg->caps | (uint32_t)cipher << PKT_CIPHER_SHIFT;
	body->rl = cfg->rl;
	body->cert_len = (uint16_t)cfg->own_field_len;
	memcpy(body + 1, cfg->own_field, cfg->own_field_len);
	hash2(th3, NULL, th2, HASH_LEN, body, body_len);
	st = make_auth(cfg, "S", th3, k.f2, auth);
	if (st == HS_OK) {
		*s = (struct hs_server){
			.cfg = *cfg,
			.open = true,
			.rx_key_id = key_id,
			.tx_key_id = m1->hs.key_id,
			.ts = m1->hs.ts,
			.peer_caps = m1->caps,
			.cipher = cipher,
		};
		hash2(s->th4, NULL, th3, HASH_LEN, auth, PKT_AUTH_LEN);
		memcpy(s->k3, k.k3, sizeof(s->k3));
		memcpy(s->f3, k.f3, sizeof(s->f3));
		memcpy(s->ms_key, k.ms, sizeof(s->ms_key));
		seal_and_mac(
			cfg->pair, PAIR_MAC_M2, k.k2, m2, PKT_M2_HDR_LEN, body_len + PKT_AUTH_LEN);
		*ret_m2_len = len;
	}
	sodium_memzero(&k, sizeof(k));
	return st;
}

enum hs_status hs_server_m1(struct hs_server *s, const struct hs_config *cfg, const void *datagram,
	size_t len, uint32_t key_id, uint64_t now_s, const uint8_t rnd[64], uint8_t *m2,
	size_t *ret_m2_len)
{
	const struct pkt_m1 *m1 = datagram;
	uint8_t th1[HASH_LEN];
	uint8_t y_sk[32];
	uint8_t nonce[32];
	enum hs_status st = hs_server_check_m1(cfg->pair, datagram, len, now_s);

	if (st != HS_OK)
		return st;
	th1_of(th1, cfg->pair, m1);
	hedge(cfg, rnd, th1, m1->hs.ts, y_sk, nonce);
	st = server_answer(s, cfg, m1, key_id, now_s, th1, y_sk, nonce, m2, ret_m2_len);
	sodium_memzero(y_sk, sizeof(y_sk));
	return st;
}

// Everything that M3's plaintext must satisfy; keys come out.
static enum hs_status read_m3_body(struct hs_server *s, const struct pkt_m3 *m3,
	const uint8_t *plain, size_t len, struct hs_result *r)
{
	const struct pkt_m3_body *body = (const struct pkt_m3_body *)plain;
	size_t body_len = len - PKT_AUTH_LEN;
	const uint8_t *auth = plain + body_len;
	uint8_t th5[HASH_LEN];
	struct der_list field;
	enum hs_status st;

	if (body->cert_len != body_len - sizeof(*body))
		return HS_CERT_FIELD;
	st = parse_field(s->cfg.peer_field, plain + sizeof(*body), body->cert_len, &field);
	if (st != HS_OK)
		return st;
	hash3(th5, s->th4, HASH_LEN, m3, PKT_M3_HDR_LEN, plain, body_len);
	st = check_peer(&s->cfg, "C", th5, s->f3, &field, auth, r);
	if (st != HS_OK)
		return st;
	r->cipher = s->cipher;
	r->peer_caps = s->peer_caps;
	r->peer_rl = body->rl;
	r->rx_key_id = s->rx_key_id;
	r->tx_key_id = s->tx_key_id;
	derive_traffic(s->ms_key, th5, auth, &r->traffic);
	return HS_OK;
}

enum hs_status hs_server_m3(struct hs_server *s, const void *datagram, size_t len, uint64_t now_s,
	struct hs_result *ret)
{
	const struct pkt_m3 *m3 = datagram;
	uint8_t plain[PKT_HS_TCP_MAX_LEN];
	size_t plain_len;
	struct hs_result r = {0};
	enum hs_status st =
		hs_check_outer(s->cfg.pair, PKT_TYPE_M3, datagram, len, s->cfg.max_len, now_s);

	if (st != HS_OK)
		return st;
	if (!s->open || m3->hs.key_id != s->rx_key_id || m3->hs.ts != s->ts)
		return HS_STATE;
	st = open_sealed(s->k3, datagram, len, PKT_M3_HDR_LEN, plain, &plain_len);
	if (st == HS_OK)
		st = read_m3_body(s, m3, plain, plain_len, &r);
	if (st == HS_OK) {
		*ret = r;
		s->open = false;
		sodium_memzero(s->k3, sizeof(s->k3));
		sodium_memzero(s->f3, sizeof(s->f3));
		sodium_memzero(s->ms_key, sizeof(s->ms_key));
		sodium_memzero(s->th4, sizeof(s->th4));
	}
	sodium_memzero(plain, sizeof(plain));
	sodium_memzero(&r, sizeof(r));
	return st;
}

void hs_server_fini(struct hs_server *s)
{
	sodium_memzero(s, sizeof(*s));
}

void hs_result_wipe(struct hs_result *r)
{
	sodium_memzero(r, sizeof(*r));
}

const char *hs_status_text(enum hs_status s)
{
	static const char *const text[] = {
#define X(name, label, sentence) [HS_##name] = sentence,
		HS_LIST(X)
#undef X
	};

	return (size_t)s < sizeof(text) / sizeof(text[0]) ? text[s] : "unknown";
}

const char *hs_status_label(enum hs_status s)
{
	static const char *const label[] = {
#define X(name, short_name, sentence) [HS_##name] = short_name,
		HS_LIST(X)
#undef X
	};

	return (size_t)s < sizeof(label) / sizeof(label[0]) ? label[s] : "unknown";
}
