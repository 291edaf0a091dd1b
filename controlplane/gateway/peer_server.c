// SPDX-License-Identifier: BSD-3-Clause
//
// The server's half of a peer: at most one M2 per M1, at most one answer per source, nothing
// without a mac of the pair.
#include "controlplane/gateway/peer_internal.h"

#include <string.h>
#include <sodium.h>

#define M3_REPEATS_US 5000000ull // the last of them comes after 3.75 s (PROTOCOL.md §7)

void server_stop(struct peer *p)
{
	struct peer_server *s = &p->server;
	double tokens = s->m1_tokens;
	uint64_t tokens_us = s->m1_tokens_us;

	if (s->phase != SERVER_REST)
		hs_server_fini(&s->hs);
	sodium_memzero(s, sizeof(*s));
	s->m1_tokens = tokens;
	s->m1_tokens_us = tokens_us;
}

static bool take_token(struct peer_server *s, const struct peer_now *now)
{
	if (s->m1_tokens_us == 0)
		s->m1_tokens = PEER_M1_PER_S;
	else
		s->m1_tokens += (now->mono_us - s->m1_tokens_us) * (PEER_M1_PER_S / 1e6);
	if (s->m1_tokens > PEER_M1_PER_S)
		s->m1_tokens = PEER_M1_PER_S;
	s->m1_tokens_us = now->mono_us;
	if (s->m1_tokens < 1)
		return false;
	s->m1_tokens -= 1;
	return true;
}

// The cached M2 once more, to a source that had it before or may have it too.
static void repeat_m2(struct peer *p, const struct config_endpoint *from)
{
	struct peer_server *s = &p->server;

	if (path_source(&s->m2_to, from))
		p->ops->send(p->ctx, p, from, s->m2, s->m2_len);
}

// Under load an M1 must first prove that its sender receives where it claims to be.
static bool wants_cookie(struct peer *p, unsigned pairing_idx, const struct config_endpoint *from,
	const uint8_t *data, const struct peer_now *now)
{
	struct cookie_source source = {.family = from->addr.family, .port = from->port};
	const struct pair *pair = &p->pairing[pairing_idx].pair;
	const struct pkt_m1 *m1 = (const struct pkt_m1 *)data;
	struct pkt_retry retry;

	if (!p->env->overloaded)
		return false;
	memcpy(source.addr, from->addr.bytes, from->addr.family == 6 ? 16 : 4);
	if (cookie_m1_ok(&p->env->jar, pair, &source, m1, now->mono_us / 1000000))
		return false;
	cookie_build_retry(&p->env->jar, pair, &source, m1, now->unix_us / 1000000, &retry);
	p->ops->send(p->ctx, p, from, &retry, sizeof(retry));
	return true;
}

static void answer_m1(struct peer *p, unsigned pairing_idx, const struct config_endpoint *from,
	const uint8_t *data, size_t len, const struct peer_now *now)
{
	struct peer_server *s = &p->server;
	struct hs_config cfg;
	enum hs_status status;
	uint8_t rnd[64];
	uint32_t key_id;

	server_stop(p);
	key_id = keyring_offer(&p->keys);
	if (key_id == 0) {
		peer_note(p, now, "cannot answer: the data-plane confirms nothing");
		return;
	}
	// From here on this M1 is used up, whatever comes of it.
	p->m1_ts = hs_ts(data);
	p->ops->guard(p->ctx, p);
	peer_hs_config(p, pairing_idx, &cfg);
	p->ops->random(p->ctx, rnd, sizeof(rnd));
	status = hs_server_m1(
		&s->hs, &cfg, data, len, key_id, now->unix_us / 1000000, rnd, s->m2, &s->m2_len);
	sodium_memzero(rnd, sizeof(rnd));
	sodium_memzero(&cfg, sizeof(cfg));
	if (status != HS_OK) {
		peer_note(p, now, "M1 refused: %s", hs_status_text(status));
		hs_server_fini(&s->hs);
		return;
	}
	s->phase = SERVER_M2;
	s->pairing_idx = pairing_idx;
	s->started_us = now->mono_us;
	if (p->times.first_m1_us == 0)
		p->times.first_m1_us = now->mono_us;
	path_learn(p, from);
	repeat_m2(p, from);
}

void server_m1(struct peer *p, const struct config_endpoint *from, const uint8_t *data, size_t len,
	const struct peer_now *now)
{
	struct peer_server *s = &p->server;
	uint64_t ts = hs_ts(data);
	int i = peer_pairing_of(p, PKT_TYPE_M1, data, len, now->unix_us / 1000000);

	if (i < 0 || ts < p->m1_ts)
		return;
	if (ts == p->m1_ts) {
		// Whoever sent M3 has M2; from then on a copy of M1 is somebody else's.
		if (s->phase == SERVER_M2 && s->pairing_idx == (unsigned)i)
			repeat_m2(p, from);
		return;
	}
	// Keys are just going into the workers; the client will repeat itself if it still wants
	// this.
	if (s->phase == SERVER_INSTALL || wants_cookie(p, i, from, data, now) ||
		!take_token(s, now))
		return;
	answer_m1(p, i, from, data, len, now);
}

static void repeat_m4(struct peer *p, const struct config_endpoint *from)
{
	p->ops->send(p->ctx, p, from, p->server.m4, p->server.m4_len);
}

void server_m3(struct peer *p, const struct config_endpoint *from, const uint8_t *data, size_t len,
	const struct peer_now *now)
{
	struct peer_server *s = &p->server;
	struct hs_result result;
	enum hs_status status;

	if (s->phase == SERVER_REST || hs_ts(data) != p->m1_ts)
		return;
	// For as long as the client repeats its M3, and only to where that one came from.
	if (s->phase == SERVER_DONE && hs_key_id(data) == s->m3_key_id &&
		endpoint_equal(from, &s->m3_from) && now->mono_us < s->install_us + M3_REPEATS_US &&
		hs_check_outer(&p->pairing[s->pairing_idx].pair, PKT_TYPE_M3, data, len,
			PKT_HS_MAX_LEN, now->unix_us / 1000000) == HS_OK)
		repeat_m4(p, from);
	if (s->phase != SERVER_M2)
		return;
	status = hs_server_m3(&s->hs, data, len, now->unix_us / 1000000, &result);
	if (status != HS_OK) {
		if (status > HS_MAC)
			peer_note(p, now, "M3 refused: %s", hs_status_text(status));
		return;
	}
	s->m3_key_id = hs_key_id(data);
	s->m3_from = *from;
	s->rx_key_id = result.rx_key_id;
	s->phase = SERVER_INSTALL;
	s->install_us = now->mono_us;
	if (peer_begin_install(p, s->pairing_idx, &result, now) < 0)
		server_stop(p);
	hs_result_wipe(&result);
}

void server_installed(struct peer *p, bool ok, const struct peer_now *now)
{
	struct peer_server *s = &p->server;
	struct ctl_lane *lane = peer_lane0_of(p, s->rx_key_id);
	struct peer_sources from = {.at = {s->m3_from}, .n = 1};

	if (!ok || lane == NULL) {
		server_stop(p);
		return;
	}
	s->m4_len = ctl_lane_seal(lane, PKT_KIND_CONFIRM, NULL, 0, s->m4);
	s->phase = SERVER_DONE;
	p->times.handshake_us = now->mono_us - s->started_us;
	for (unsigned i = 0; i < s->m2_to.n; i++)
		path_source(&from, &s->m2_to.at[i]);
	path_settle(p, &from, keyring_current(&p->keys) == NULL);
	// First the switch, then the word: whoever hears M4 may count on us.
	peer_switch(p, s->rx_key_id, now);
	repeat_m4(p, &s->m3_from);
	if (!endpoint_equal(&p->path, &s->m3_from))
		repeat_m4(p, &p->path);
	path_prove(p, &from);
	peer_pairing_proven(p, s->pairing_idx);
}
