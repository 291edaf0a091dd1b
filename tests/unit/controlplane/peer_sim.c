// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/controlplane/peer_sim.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sodium.h>

#define OLD_EPOCH_US 30000000ull         // as the key ring keeps it after a switch
#define START_US     1800000000000000ull // unix time of the virtual world's beginning
#define INSTALL_US   300

static const char *const names[2] = {"a.example", "b.example"};

uint32_t sim_random(struct sim *s)
{
	s->seed ^= s->seed << 13;
	s->seed ^= s->seed >> 7;
	s->seed ^= s->seed << 17;
	return (uint32_t)(s->seed >> 16);
}

struct peer_now sim_time(const struct sim *s)
{
	return (struct peer_now){.mono_us = s->now_us, .unix_us = START_US + s->now_us};
}

static bool chance(struct sim *s, unsigned percent)
{
	return sim_random(s) % 100 < percent;
}

void sim_inject(struct sim *s, unsigned to, const struct config_endpoint *from, const void *data,
	size_t len)
{
	for (unsigned i = 0; i < SIM_QUEUE; i++) {
		struct sim_datagram *d = &s->queue[i];

		if (i < s->queue_end && d->used)
			continue;
		if (i == s->queue_end)
			s->queue_end++;
		*d = (struct sim_datagram){.used = true, .to = to, .from = *from, .len = len};
		d->at_us = s->now_us + s->delay_us +
			   (s->jitter_us > 0 ? sim_random(s) % s->jitter_us : 0);
		memcpy(d->data, data, len);
		return;
	}
}

static void op_send(
	void *ctx, struct peer *p, const struct config_endpoint *to, const void *data, size_t len)
{
	struct sim_side *side = ctx;
	struct sim *s = side->sim;
	struct sim_side *other = &s->side[1 - side->idx];
	uint8_t copy[PKT_HS_MAX_LEN];

	memcpy(copy, data, len);
	side->n_sent[copy[0]]++;
	if (s->filter != NULL && !s->filter(s, side->idx, to, copy, len))
		return;
	if (s->cut || chance(s, s->loss_percent) || !endpoint_equal(to, &other->at))
		return;
	sim_inject(s, other->idx, &side->at, copy, len);
	if (chance(s, s->dup_percent))
		sim_inject(s, other->idx, &side->at, copy, len);
}

static uint64_t op_next_ts(void *ctx)
{
	struct sim_side *side = ctx;
	uint64_t ts = START_US + side->sim->now_us;

	side->ts = ts > side->ts ? ts : side->ts + 1;
	return side->ts;
}

static void op_random(void *ctx, void *buf, size_t len)
{
	struct sim_side *side = ctx;

	for (size_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] = sim_random(side->sim) & 0xff;
}

static void op_guard(void *ctx, struct peer *p)
{
}

static struct sim_key *find_key(struct sim_side *side, uint32_t rx_key_id)
{
	for (unsigned i = 0; i < SIM_KEYS; i++) {
		if (side->keys[i].rx_key_id == rx_key_id)
			return &side->keys[i];
	}
	return NULL;
}

static void op_install(void *ctx, struct peer *p, const struct epoch *e,
	const struct keysched_traffic *traffic, uint32_t peer_caps_word)
{
	struct sim_side *side = ctx;
	struct sim_key *key = find_key(side, e->rx_key_id);

	side->n_installs++;
	// Two installs under one key_id would be nonce reuse waiting to happen.
	if (key != NULL)
		side->sim->violations += 1000;
	key = find_key(side, 0);
	*key = (struct sim_key){
		.rx_key_id = e->rx_key_id,
		.born_us = e->born_us,
		.ready_us = side->sim->now_us + INSTALL_US,
	};
}

static void op_switch(void *ctx, struct peer *p, uint32_t rx_key_id)
{
	struct sim_side *side = ctx;
	struct epoch *e = keyring_find(&p->keys, rx_key_id);

	side->tx_rx_key_id = rx_key_id;
	side->tx_key_id = e->tx_key_id;
}

static void op_retire(void *ctx, struct peer *p, uint32_t rx_key_id)
{
	struct sim_side *side = ctx;
	struct sim_key *key = find_key(side, rx_key_id);

	if (key != NULL && side->sim->now_us >= key->born_us + side->env.key_life_us)
		side->expired_rx_key_id = rx_key_id;
	if (key != NULL)
		*key = (struct sim_key){0};
	if (side->tx_rx_key_id == rx_key_id)
		side->tx_rx_key_id = side->tx_key_id = 0;
	peer_retired(p, rx_key_id);
}

static void op_path(void *ctx, struct peer *p, const struct config_endpoint *to)
{
	struct sim_side *side = ctx;

	side->path = to != NULL ? *to : (struct config_endpoint){0};
}

static void op_path_try(void *ctx, struct peer *p, const struct config_endpoint *to)
{
	struct sim_side *side = ctx;

	if (side->tried.port == 0)
		side->tried_first = *to;
	side->tried = *to;
}

static void op_nothing(void *ctx, struct peer *p)
{
}

static void op_changed(void *ctx, struct peer *p, enum peer_state before)
{
}

static void op_closed(void *ctx, struct peer *p, uint16_t reason)
{
	struct sim_side *side = ctx;

	side->n_closed++;
	side->close_reason = reason;
}

static void op_got_list(void *ctx, struct peer *p, const uint8_t *list, size_t len)
{
}

static const struct peer_ops ops = {
	.send = op_send,
	.next_ts = op_next_ts,
	.random = op_random,
	.guard = op_guard,
	.install = op_install,
	.tx_switch = op_switch,
	.retire = op_retire,
	.path = op_path,
	.path_try = op_path_try,
	.tags = op_nothing,
	.changed = op_changed,
	.closed = op_closed,
	.wants_list = op_nothing,
	.got_list = op_got_list,
	.got_candidates = op_nothing,
};

// ------------------------------------------------------------------ identity

static int sign(void *ctx, const char *label, const uint8_t *msg, size_t len, uint8_t sig[64])
{
	struct sim_side *side = ctx;
	uint8_t buf[128] = "postern/1 ";
	size_t n = strlen((char *)buf), l = strlen(label) + 1;

	memcpy(buf + n, label, l);
	memcpy(buf + n + l, msg, len);
	return crypto_sign_detached(sig, NULL, buf, n + l + len, side->sk);
}

static int check_cert(void *ctx, enum hs_field kind, const struct der_list *field, const char *name,
	uint8_t ret_pk[32], uint64_t *ret_not_after_s)
{
	struct sim_side *side = ctx;
	struct sim_side *other = &side->sim->side[1 - side->idx];

	if (side->cert_fails || strcmp(name, names[other->idx]) != 0 || field->n != 1 ||
		field->cert[0].len != sizeof(other->cert) ||
		memcmp(field->cert[0].der, other->cert, sizeof(other->cert)) != 0)
		return -EKEYREJECTED;
	memcpy(ret_pk, other->pk, 32);
	*ret_not_after_s = UINT64_MAX;
	return 0;
}

// ------------------------------------------------------------------ the world

static void init_side(struct sim *s, unsigned idx)
{
	struct sim_side *side = &s->side[idx];
	struct peer_now now = sim_time(s);

	side->sim = s;
	side->idx = idx;
	crypto_sign_keypair(side->pk, side->sk);
	memset(side->cert, 'C' + idx, sizeof(side->cert));
	memcpy(side->cert, side->pk, 32);
	side->identity = (struct hs_identity){.ctx = side, .sign = sign, .check_cert = check_cert};
	side->env = (struct peer_env){
		.identity = &side->identity,
		.own_cert = side->cert,
		.own_cert_len = sizeof(side->cert),
		.own_not_after_s = UINT64_MAX,
		.caps = PKT_CAP_CHACHA | PKT_CAP_AES,
		.rekey_us = 120000000,
		.key_life_us = 600000000,
	};
	side->at = (struct config_endpoint){.port = 7667};
	side->at.addr = (struct config_addr){4, {10, 0, 0, 1 + idx}};
	peer_init(&side->peer, names[idx], names[1 - idx], 1 + idx, &side->env, &ops, side);
	peer_dataplane_up(&side->peer, NULL, 0, &now);
}

void sim_init(struct sim *s, uint64_t seed)
{
	memset(s, 0, offsetof(struct sim, queue));
	s->seed = seed * 0x9e3779b97f4a7c15ull + 1;
	s->now_us = 1000000;
	s->delay_us = 10000;
	init_side(s, 0);
	init_side(s, 1);
}

void sim_fini(struct sim *s)
{
	peer_fini(&s->side[0].peer);
	peer_fini(&s->side[1].peer);
}

void sim_pairing(struct sim *s, unsigned side, unsigned number, struct peer_pairing *ret)
{
	uint8_t secret[32] = {0}, th0[32];

	memset(ret, 0, sizeof(*ret));
	secret[0] = number;
	memset(th0, 0x55, sizeof(th0));
	pair_from_secret(&ret->pair, side == 0, secret, th0);
	memset(ret->mine_hash, (int)(2 * number + side), 32);
	memset(ret->theirs_hash, (int)(2 * number + 1 - side), 32);
	memcpy(ret->peer_key, s->side[1 - side].pk, 32);
	ret->not_after_s = UINT64_MAX;
}

void sim_introduce(struct sim *s)
{
	struct peer_now now = sim_time(s);
	struct peer_pairing pairing;

	for (unsigned i = 0; i < 2; i++) {
		struct peer_candidate c = {s->side[1 - i].at, CANDIDATE_LOCAL, 1};

		sim_pairing(s, i, 1, &pairing);
		peer_introduce(&s->side[i].peer, &pairing, &now);
		peer_candidates_set(&s->side[i].peer, &c, 1, now.unix_us, &now);
	}
}

void sim_restart_dataplane(struct sim *s, unsigned idx)
{
	struct sim_side *side = &s->side[idx];
	struct peer_now now = sim_time(s);

	memset(side->keys, 0, sizeof(side->keys));
	side->tx_rx_key_id = side->tx_key_id = 0;
	peer_dataplane_lost(&side->peer, &now);
	peer_dataplane_up(&side->peer, NULL, 0, &now);
}

static void deliver(struct sim *s, struct sim_datagram *d)
{
	struct sim_side *side = &s->side[d->to];
	struct peer_now now = sim_time(s);

	d->used = false;
	if (d->data[0] == PKT_TYPE_DATA)
		peer_lane0_datagram(&side->peer, &d->from, d->data, d->len, &now);
	else
		peer_datagram(&side->peer, &d->from, d->data, d->len, &now);
}

static void run_dataplane(struct sim *s, struct sim_side *side)
{
	struct peer_now now = sim_time(s);

	for (unsigned i = 0; i < SIM_KEYS; i++) {
		struct sim_key *key = &side->keys[i];

		if (key->rx_key_id == 0 || key->ready || key->ready_us > s->now_us)
			continue;
		if (side->install_hangs) {
			key->ready_us = UINT64_MAX; // the answer is lost
			continue;
		}
		key->ready = !side->install_fails;
		key->ready_us = UINT64_MAX;
		peer_installed(
			&side->peer, key->rx_key_id, side->install_fails ? -ENOMEM : 0, &now);
	}
}

// A cut that outlasts what is kept of the old epoch, in the middle of a rekey, leaves the two under
// keys that the other has not. Nothing is lost by it before the end of the cut, and after that they
// have a round of handshakes' time.
static bool is_apart(struct sim *s)
{
	if (s->cut && s->cut_us == 0)
		s->cut_us = s->now_us;
	if (!s->cut && s->cut_us != 0) {
		if (s->now_us - s->cut_us >= OLD_EPOCH_US)
			s->apart_us = s->now_us + PEER_ROUND_MAX_US;
		s->cut_us = 0;
	}
	return s->cut ? s->now_us - s->cut_us >= OLD_EPOCH_US : s->now_us < s->apart_us;
}

// What one sends the other must be able to receive, at every moment.
static void check_keys(struct sim *s)
{
	bool apart = is_apart(s);

	for (unsigned i = 0; i < 2; i++) {
		struct sim_side *from = &s->side[i], *to = &s->side[1 - i];
		struct peer_now now = sim_time(s);
		struct sim_key *key;

		// Either side's clock ends an epoch at the end of its life, one of them first.
		if (from->tx_key_id == 0 || from->tx_key_id == to->expired_rx_key_id)
			continue;
		key = find_key(to, from->tx_key_id);
		if (key == NULL || !key->ready)
			s->violations += !apart;
		else if (s->traffic && !s->cut && !chance(s, s->loss_percent))
			peer_saw_new_epoch(&to->peer, key->rx_key_id, &now);
	}
}

void sim_run(struct sim *s, uint64_t us)
{
	uint64_t end = s->now_us + us;

	while (s->now_us < end) {
		uint64_t next = end;
		struct peer_now now = sim_time(s);

		for (unsigned i = 0; i < s->queue_end; i++) {
			if (s->queue[i].used && s->queue[i].at_us <= s->now_us)
				deliver(s, &s->queue[i]);
		}
		while (s->queue_end > 0 && !s->queue[s->queue_end - 1].used)
			s->queue_end--;
		for (unsigned i = 0; i < 2; i++) {
			run_dataplane(s, &s->side[i]);
			if (peer_next_us(&s->side[i].peer) <= s->now_us)
				peer_tick(&s->side[i].peer, &now);
		}
		check_keys(s);
		for (unsigned i = 0; i < s->queue_end; i++) {
			if (s->queue[i].used && s->queue[i].at_us < next)
				next = s->queue[i].at_us;
		}
		for (unsigned i = 0; i < 2; i++) {
			uint64_t t = peer_next_us(&s->side[i].peer);

			if (t < next)
				next = t;
			for (unsigned k = 0; k < SIM_KEYS; k++) {
				const struct sim_key *key = &s->side[i].keys[k];

				if (key->rx_key_id != 0 && !key->ready && key->ready_us < next)
					next = key->ready_us;
			}
		}
		s->now_us = next > s->now_us ? next : s->now_us + 1;
	}
}

uint64_t sim_run_until_up(struct sim *s, uint64_t us)
{
	uint64_t start = s->now_us;

	while (s->now_us < start + us) {
		if (s->side[0].peer.state == PEER_UP && s->side[1].peer.state == PEER_UP)
			return s->now_us - start;
		sim_run(s, 1000);
	}
	return UINT64_MAX;
}
