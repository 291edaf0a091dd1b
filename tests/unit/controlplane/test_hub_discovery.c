// SPDX-License-Identifier: BSD-3-Clause
//
// Introductions through a real hub: what an evil gateway tries, then what two honest ones get.
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "controlplane/common/clock.h"
#include "controlplane/common/linkcert.h"
#include "controlplane/common/pair.h"
#include "controlplane/common/revocation.h"
#include "controlplane/hub/hub.h"
#include "tests/unit/controlplane/hub_fixture.h"
#include "wire/intent.h"

#define WAIT_MS  2000
#define QUIET_MS 250 // long enough for anything that would come to have come

static struct fixture fix;
static uv_loop_t loop;
static struct gateway a, b, evil;

// Expect an ERROR record with this code in reply to this type.
static void expect_refusal(struct gateway *g, unsigned before, uint16_t type, uint16_t code)
{
	struct record r;

	assert_true(run_until(&loop, &g->n[RECORD_ERROR], before + 1, WAIT_MS));
	r = gateway_last(g, RECORD_ERROR);
	assert_int_equal(r.error.in_reply_to, type);
	assert_int_equal(r.error.code, code);
}

static void put_refused(struct gateway *g, const uint8_t *intent, size_t len, uint16_t code)
{
	unsigned before = g->n[RECORD_ERROR];

	gateway_put(g, intent, len);
	expect_refusal(g, before, RECORD_PUT_INTENT, code);
}

// ---- what an evil gateway tries

static void an_intent_in_anothers_name_is_refused(void **)
{
	uint8_t buf[INTENT_MAX_LEN], sk[32];
	size_t len = gateway_intent(&evil, a.name, b.name, buf, sizeof(buf), sk);

	put_refused(&evil, buf, len, RECORD_E_NAME);
}

static void an_honest_intent_replayed_by_another_is_refused(void **)
{
	uint8_t buf[INTENT_MAX_LEN], sk[32];
	size_t len = gateway_intent(&a, NULL, b.name, buf, sizeof(buf), sk);

	put_refused(&evil, buf, len, RECORD_E_SIGNATURE);
}

static void an_intent_under_anothers_certificate_is_refused(void **)
{
	uint8_t buf[INTENT_MAX_LEN], sk[32];
	struct enrol_state own = evil.state;
	size_t len;

	memcpy(evil.state.chain, a.state.chain, a.state.chain_len);
	evil.state.chain_len = a.state.chain_len;
	len = gateway_intent(&evil, NULL, a.name, buf, sizeof(buf), sk);
	evil.state = own;
	put_refused(&evil, buf, len, RECORD_E_SIGNATURE);
}

static void every_changed_byte_of_an_intent_is_refused(void **)
{
	uint8_t buf[INTENT_MAX_LEN], sk[32];
	size_t len = gateway_intent(&evil, NULL, a.name, buf, sizeof(buf), sk);

	for (size_t i = 0; i < len; i += 7) {
		unsigned before = evil.n[RECORD_ERROR];

		buf[i] ^= 0x20;
		gateway_put(&evil, buf, len);
		assert_true(run_until(&loop, &evil.n[RECORD_ERROR], before + 1, WAIT_MS));
		buf[i] ^= 0x20;
	}
	assert_int_equal(fixture_status(&fix, "intents_open"), 0);
}

static void an_old_serial_is_refused(void **)
{
	uint8_t first[INTENT_MAX_LEN], second[INTENT_MAX_LEN], sk[32], hash[32];
	size_t n = gateway_intent(&evil, NULL, "nobody.example", first, sizeof(first), sk);
	size_t m = gateway_intent(&evil, NULL, "nobody.example", second, sizeof(second), sk);
	struct record drop = {.type = RECORD_DROP_INTENT,
		.drop_intent = {.hash = hash, .reason = RECORD_DROP_WITHDRAWN}};
	uint8_t body[64];

	gateway_put(&evil, second, m);
	put_refused(&evil, first, n, RECORD_E_STALE);
	// Nor does withdrawal bring an old one back to life.
	pair_hash(hash, second, m);
	assert_int_equal(
		hublink_send(evil.link, drop.type, body, record_build(&drop, body, sizeof(body))),
		0);
	put_refused(&evil, second, m, RECORD_E_STALE);
	put_refused(&evil, first, n, RECORD_E_STALE);
}

static void an_unanswered_intent_shows_nobody_anything(void **)
{
	uint8_t buf[INTENT_MAX_LEN], sk[32];
	size_t len = gateway_intent(&evil, NULL, a.name, buf, sizeof(buf), sk);
	unsigned mine = evil.n[RECORD_MATCH], theirs = a.n[RECORD_MATCH];
	unsigned errors = evil.n[RECORD_ERROR];

	gateway_put(&evil, buf, len);
	len = gateway_intent(&evil, NULL, "no-such-gateway.example", buf, sizeof(buf), sk);
	gateway_put(&evil, buf, len);
	run_for(&loop, QUIET_MS);
	assert_int_equal(evil.n[RECORD_MATCH], mine);
	assert_int_equal(a.n[RECORD_MATCH], theirs);
	// Whether a name exists cannot be told from the answer: there is none in either case.
	assert_int_equal(evil.n[RECORD_ERROR], errors);
}

static void withdrawing_anothers_intent_is_refused(void **)
{
	uint8_t buf[INTENT_MAX_LEN], sk[32], body[64], hash[32];
	size_t len = gateway_intent(&a, NULL, "later.example", buf, sizeof(buf), sk);
	struct record r = {.type = RECORD_DROP_INTENT,
		.drop_intent = {.hash = hash, .reason = RECORD_DROP_WITHDRAWN}};
	unsigned before = evil.n[RECORD_ERROR];

	gateway_put(&a, buf, len);
	run_for(&loop, QUIET_MS);
	pair_hash(hash, buf, len);
	assert_int_equal(
		hublink_send(evil.link, r.type, body, record_build(&r, body, sizeof(body))), 0);
	expect_refusal(&evil, before, RECORD_DROP_INTENT, RECORD_E_UNKNOWN);
}

static void send_candidates(struct gateway *g, const uint8_t from[32], const uint8_t to[32])
{
	uint8_t sealed[CANDIDATES_SEALED_LEN] = {7}, body[1400];
	struct record r = {.type = RECORD_CANDIDATES,
		.candidates = {.from_hash = from,
			.to_hash = to,
			.sealed = sealed,
			.sealed_len = sizeof(sealed)}};

	assert_int_equal(
		hublink_send(g->link, r.type, body, record_build(&r, body, sizeof(body))), 0);
}

static void candidates_without_a_match_are_refused(void **)
{
	uint8_t mine[INTENT_MAX_LEN], theirs[INTENT_MAX_LEN], sk[32], from[32], to[32];
	size_t n = gateway_intent(&evil, NULL, "later.example", mine, sizeof(mine), sk);
	size_t m = gateway_intent(&a, NULL, "later.example", theirs, sizeof(theirs), sk);
	unsigned before = evil.n[RECORD_ERROR];

	gateway_put(&evil, mine, n);
	gateway_put(&a, theirs, m);
	run_for(&loop, QUIET_MS);
	pair_hash(from, mine, n);
	pair_hash(to, theirs, m);
	send_candidates(&evil, from, to); // both exist, not matched
	expect_refusal(&evil, before, RECORD_CANDIDATES, RECORD_E_UNKNOWN);
	send_candidates(&evil, to, from); // not even mine
	expect_refusal(&evil, before + 1, RECORD_CANDIDATES, RECORD_E_UNKNOWN);
	randombytes_buf(to, sizeof(to)); // does not exist
	send_candidates(&evil, from, to);
	expect_refusal(&evil, before + 2, RECORD_CANDIDATES, RECORD_E_UNKNOWN);
	assert_int_equal(a.n[RECORD_CANDIDATES], 0);
}

// The link that did it goes down, comes back by itself, and nobody else notices.
static void expect_cut_off(void (*attack)(void))
{
	unsigned downs = evil.n_down, ups = evil.n_up, others = a.n_down + b.n_down;

	attack();
	assert_true(run_until(&loop, &evil.n_down, downs + 1, WAIT_MS));
	assert_true(run_until(&loop, &evil.n_up, ups + 1, 8000));
	assert_int_equal(a.n_down + b.n_down, others);
}

static void send_too_long(void)
{
	static uint8_t body[20000];

	assert_int_equal(hublink_send(evil.link, RECORD_PUT_INTENT, body, sizeof(body)), 0);
}

static void send_malformed(void)
{
	static const uint8_t body[5];

	assert_int_equal(hublink_send(evil.link, RECORD_PING, body, sizeof(body)), 0);
}

static void send_too_many(void)
{
	uint8_t buf[INTENT_MAX_LEN], sk[32];
	size_t len = gateway_intent(&evil, NULL, "x.example", buf, sizeof(buf), sk);

	for (unsigned i = 0; i < 800; i++) {
		if (hublink_send(evil.link, RECORD_PUT_INTENT, buf, len) < 0)
			break;
	}
}

static void oversized_malformed_and_endless_records_end_the_link(void **)
{
	expect_cut_off(send_too_long);
	expect_cut_off(send_malformed);
	expect_cut_off(send_too_many);
}

static void too_many_intents_are_refused(void **)
{
	uint8_t buf[INTENT_MAX_LEN], sk[32];
	unsigned before = evil.n[RECORD_ERROR];
	char to[64];

	// The fixture's limit is 40; some are there already.
	for (unsigned i = 0; i < 45 && evil.n[RECORD_ERROR] == before; i++) {
		snprintf(to, sizeof(to), "n%u.example", i);
		gateway_put(&evil, buf, gateway_intent(&evil, NULL, to, buf, sizeof(buf), sk));
		run_for(&loop, 5);
	}
	expect_refusal(&evil, before, RECORD_PUT_INTENT, RECORD_E_LIMIT);
}

static void records_that_only_a_hub_sends_are_refused(void **)
{
	static const uint8_t body[28] = {0};
	unsigned before = evil.n[RECORD_ERROR];

	assert_int_equal(hublink_send(evil.link, 999, body, sizeof(body)), 0);
	expect_refusal(&evil, before, 999, RECORD_E_UNAVAILABLE);
}

// ---- what honest gateways get

static uint8_t intent_a[INTENT_MAX_LEN], intent_b[INTENT_MAX_LEN], sk_a[32], sk_b[32];
static uint8_t hash_a[32], hash_b[32];
static size_t len_a, len_b;

static void check_match(struct gateway *g, const uint8_t *mine, const uint8_t *theirs,
	const uint8_t *intent, size_t len, const struct gateway *other)
{
	struct record r = gateway_last(g, RECORD_MATCH);
	struct der_list held;

	assert_memory_equal(r.match.mine_hash, mine, 32);
	assert_memory_equal(r.match.theirs_hash, theirs, 32);
	assert_int_equal(r.match.intent_len, len);
	assert_memory_equal(r.match.intent, intent, len);
	// The other's leaf, with what it takes to verify it.
	assert_int_equal(der_list_parse(other->state.chain, other->state.chain_len, &held), 0);
	assert_int_equal(r.match.chain.n, held.n);
	for (unsigned i = 0; i < held.n; i++) {
		assert_int_equal(r.match.chain.cert[i].len, held.cert[i].len);
		assert_memory_equal(r.match.chain.cert[i].der, held.cert[i].der, held.cert[i].len);
	}
}

static void publish_a(void)
{
	len_a = gateway_intent(&a, NULL, b.name, intent_a, sizeof(intent_a), sk_a);
	pair_hash(hash_a, intent_a, len_a);
	gateway_put(&a, intent_a, len_a);
}

static void publish_b(void)
{
	len_b = gateway_intent(&b, NULL, a.name, intent_b, sizeof(intent_b), sk_b);
	pair_hash(hash_b, intent_b, len_b);
	gateway_put(&b, intent_b, len_b);
}

static void a_match_comes_when_both_want_it_and_gives_both_one_pair_key(void **)
{
	unsigned evils = evil.n[RECORD_MATCH];
	struct pair pa, pb;

	publish_a();
	run_for(&loop, QUIET_MS);
	assert_int_equal(a.n[RECORD_MATCH], 0);
	assert_int_equal(b.n[RECORD_MATCH], 0);
	publish_b();
	assert_true(run_until(&loop, &a.n[RECORD_MATCH], 1, WAIT_MS));
	assert_true(run_until(&loop, &b.n[RECORD_MATCH], 1, WAIT_MS));
	check_match(&a, hash_a, hash_b, intent_b, len_b, &b);
	check_match(&b, hash_b, hash_a, intent_a, len_a, &a);
	assert_int_equal(pair_from_intents(&pa, intent_a, len_a, intent_b, len_b, sk_a, NULL), 0);
	assert_int_equal(pair_from_intents(&pb, intent_b, len_b, intent_a, len_a, sk_b, NULL), 0);
	assert_memory_equal(pa.key, pb.key, sizeof(pa.key));
	assert_int_equal(evil.n[RECORD_MATCH], evils);
}

static void candidates_reach_the_other_one_unchanged_and_nobody_else(void **)
{
	struct record r;

	send_candidates(&a, hash_a, hash_b);
	assert_true(run_until(&loop, &b.n[RECORD_CANDIDATES], 1, WAIT_MS));
	r = gateway_last(&b, RECORD_CANDIDATES);
	assert_memory_equal(r.candidates.from_hash, hash_a, 32);
	assert_memory_equal(r.candidates.to_hash, hash_b, 32);
	assert_int_equal(r.candidates.sealed_len, CANDIDATES_SEALED_LEN);
	assert_int_equal(r.candidates.sealed[0], 7);
	run_for(&loop, QUIET_MS);
	assert_int_equal(evil.n[RECORD_CANDIDATES], 0);
	assert_int_equal(a.n[RECORD_CANDIDATES], 0);
}

static void sending_an_intent_again_brings_its_match_and_candidates_again(void **)
{
	unsigned matches = b.n[RECORD_MATCH], candidates = b.n[RECORD_CANDIDATES];
	unsigned others = a.n[RECORD_MATCH];

	gateway_put(&b, intent_b, len_b);
	assert_true(run_until(&loop, &b.n[RECORD_MATCH], matches + 1, WAIT_MS));
	assert_true(run_until(&loop, &b.n[RECORD_CANDIDATES], candidates + 1, WAIT_MS));
	check_match(&b, hash_b, hash_a, intent_a, len_a, &a);
	run_for(&loop, QUIET_MS);
	assert_int_equal(a.n[RECORD_MATCH], others);
}

static void a_fresh_intent_asks_the_other_side_for_a_fresh_one(void **)
{
	unsigned na = a.n[RECORD_MATCH], nb = b.n[RECORD_MATCH];

	// B lost its state. A's intent has served, so A alone is told, under its served hash.
	publish_b();
	assert_true(run_until(&loop, &a.n[RECORD_MATCH], na + 1, WAIT_MS));
	check_match(&a, hash_a, hash_b, intent_b, len_b, &b);
	run_for(&loop, QUIET_MS);
	assert_int_equal(b.n[RECORD_MATCH], nb);
	publish_a();
	assert_true(run_until(&loop, &a.n[RECORD_MATCH], na + 2, WAIT_MS));
	assert_true(run_until(&loop, &b.n[RECORD_MATCH], nb + 1, WAIT_MS));
	check_match(&a, hash_a, hash_b, intent_b, len_b, &b);
	check_match(&b, hash_b, hash_a, intent_a, len_a, &a);
}

static void withdrawal_tells_the_matched_one_and_ends_the_relay(void **)
{
	uint8_t body[64];
	struct record r = {.type = RECORD_DROP_INTENT,
		.drop_intent = {.hash = hash_a, .reason = RECORD_DROP_WITHDRAWN}};
	unsigned evils = evil.n[RECORD_DROP_INTENT], before = b.n[RECORD_ERROR];

	assert_int_equal(
		hublink_send(a.link, r.type, body, record_build(&r, body, sizeof(body))), 0);
	assert_true(run_until(&loop, &b.n[RECORD_DROP_INTENT], 1, WAIT_MS));
	r = gateway_last(&b, RECORD_DROP_INTENT);
	assert_memory_equal(r.drop_intent.hash, hash_a, 32);
	assert_int_equal(r.drop_intent.reason, RECORD_DROP_WITHDRAWN);
	assert_int_equal(evil.n[RECORD_DROP_INTENT], evils);
	send_candidates(&b, hash_b, hash_a);
	expect_refusal(&b, before, RECORD_CANDIDATES, RECORD_E_UNKNOWN);
}

static void punch_from(struct gateway *g, int fd, uint16_t port, uint64_t ts)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	uint8_t punch[HUBLINK_PUNCH_BYTES];

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	hublink_punch(g->link, ts, clock_unix_s(), punch);
	assert_int_equal(sendto(fd, punch, sizeof(punch), 0, (struct sockaddr *)&to, sizeof(to)),
		sizeof(punch));
}

static void both_udp_ports_tell_the_gateway_its_address_on_the_link_alone(void **)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in me = {.sin_family = AF_INET};
	socklen_t len = sizeof(me);
	unsigned n = a.n[RECORD_OBSERVED_ADDR];
	uint64_t ts = clock_unix_us();
	struct record r;
	uint8_t byte;

	for (unsigned i = 0; i < 2; i++) {
		punch_from(&a, fd, (uint16_t)(fix.port + i), ts);
		assert_true(run_until(&loop, &a.n[RECORD_OBSERVED_ADDR], n + i + 1, WAIT_MS));
		r = gateway_last(&a, RECORD_OBSERVED_ADDR);
		getsockname(fd, (struct sockaddr *)&me, &len);
		assert_int_equal(r.observed.punch_ts, ts);
		assert_int_equal(r.observed.hub_port, i);
		assert_int_equal(r.observed.family, 4);
		assert_int_equal(r.observed.port, ntohs(me.sin_port));
		assert_memory_equal(r.observed.addr, ((uint8_t[16]){127, 0, 0, 1}), 16);
	}
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	// An older one says nothing any more.
	punch_from(&a, fd, fix.port, ts - 1);
	run_for(&loop, QUIET_MS);
	assert_int_equal(a.n[RECORD_OBSERVED_ADDR], n + 2);
	close(fd);
}

static void a_certificate_is_renewed_over_the_link(void **)
{
	uint8_t old[DER_LIST_MAX_LEN];
	size_t old_len = a.state.chain_len;

	memcpy(old, a.state.chain, old_len);
	assert_int_equal(hublink_request_renewal(a.link, evil.pk), 0); // not the link's key
	expect_refusal(&a, a.n[RECORD_ERROR], RECORD_CSR, RECORD_E_SIGNATURE);
	assert_int_equal(hublink_request_renewal(a.link, a.pk), 0);
	assert_true(run_until(&loop, &a.n[RECORD_CERT], 1, WAIT_MS));
	assert_int_equal(gateway_last(&a, RECORD_CERT).cert.flags, 0);
	assert_int_equal(enrol_accept_renewal(a.dir, evil.trust, evil.pk, clock_unix_s(),
				 a.last[RECORD_CERT], a.last_len[RECORD_CERT], &a.state),
		-EKEYREJECTED);
	assert_int_equal(enrol_accept_renewal(a.dir, a.trust, a.pk, clock_unix_s(),
				 a.last[RECORD_CERT], a.last_len[RECORD_CERT], &a.state),
		0);
	assert_true(a.state.chain_len != old_len || memcmp(a.state.chain, old, old_len) != 0);
	assert_int_equal(hublink_set_chain(a.link, a.state.chain, a.state.chain_len), 0);
}

// The process hangs, or a NAT between has forgotten the connection: nothing comes, not even a
// reset.
static void a_doubted_hub_that_answers_is_kept_and_one_that_hangs_is_left(void **)
{
	unsigned down = a.n_down, up = a.n_up;

	hublink_doubt(a.link);
	run_for(&loop, (HUBLINK_DOUBT_S + 1) * 1000);
	assert_int_equal(a.n_down, down);
	kill(fix.pid, SIGSTOP);
	hublink_doubt(a.link);
	run_for(&loop, 500);
	hublink_doubt(a.link); // doubting twice gives no more time
	assert_true(run_until(&loop, &a.n_down, down + 1, HUBLINK_DOUBT_S * 1000));
	kill(fix.pid, SIGCONT);
	assert_true(run_until(&loop, &a.n_up, up + 1, 15000));
}

static void a_hub_that_was_killed_takes_up_where_it_was(void **)
{
	unsigned ups[2] = {a.n_up, b.n_up}, na = a.n[RECORD_MATCH], nb = b.n[RECORD_MATCH];

	publish_a();
	run_for(&loop, QUIET_MS);
	fixture_stop(&fix, SIGKILL);
	fixture_start(&fix);
	assert_true(run_until(&loop, &a.n_up, ups[0] + 1, 10000));
	assert_true(run_until(&loop, &b.n_up, ups[1] + 1, 10000));
	// A's intent survived; B's makes the match.
	publish_b();
	assert_true(run_until(&loop, &a.n[RECORD_MATCH], na + 1, WAIT_MS));
	assert_true(run_until(&loop, &b.n[RECORD_MATCH], nb + 1, WAIT_MS));
}

static void a_revocation_reaches_everyone_within_a_second_and_shuts_the_revoked_out(void **)
{
	uint64_t start = clock_mono_us();
	struct revocation_view view;
	struct x509_facts facts;
	struct der_list list;
	uint8_t issuer_pk[32], issuer_spki[32];
	unsigned na = a.n[RECORD_REVOCATIONS];
	json_t *o;

	if (!evil.up)
		assert_true(run_until(&loop, &evil.n_up, evil.n_up + 1, 10000));
	start = clock_mono_us();
	o = fixture_call(&fix, "revoke", json_pack("{s:s}", "name", evil.name), NULL);
	assert_non_null(o);
	json_decref(o);
	assert_true(run_until(&loop, &a.n[RECORD_REVOCATIONS], na + 1, 1000));
	assert_in_range(a.at_us[RECORD_REVOCATIONS] - start, 0, 1000000);
	print_message("revocation to the other gateway: %.1f ms\n",
		(double)(a.at_us[RECORD_REVOCATIONS] - start) / 1e3);
	// It is signed by our authority and names the revoked key.
	assert_int_equal(der_list_parse(a.state.chain, a.state.chain_len, &list), 0);
	assert_int_equal(
		x509_verify_issuer(a.trust, (struct x509_bytes){list.cert[1].der, list.cert[1].len},
			clock_unix_s(), issuer_pk, issuer_spki),
		X509_OK);
	assert_int_equal(
		revocation_parse(a.last[RECORD_REVOCATIONS], a.last_len[RECORD_REVOCATIONS], &view),
		0);
	assert_int_equal(revocation_verify(&view, a.state.net_id, issuer_pk, clock_unix_s(), 0), 0);
	assert_int_equal(der_list_parse(evil.state.chain, evil.state.chain_len, &list), 0);
	assert_int_equal(x509_inspect(list.cert[0].der, list.cert[0].len, &facts), X509_OK);
	assert_true(revocation_contains(&view, facts.serial, facts.serial_len, facts.spki_hash));
	assert_true(run_until(&loop, &evil.n_down, evil.n_down + !!evil.up, WAIT_MS));
	// And it is not let in again: the hub does not answer it at all.
	run_for(&loop, 3000);
	assert_false(evil.up);
	assert_true(a.up);
}

// The chain shown with the other's intent must verify for its name, whichever key signed the leaf.
static void check_match_verifies(struct gateway *g, const char *other)
{
	struct record r = gateway_last(g, RECORD_MATCH);
	struct x509_facts facts;

	assert_int_equal(linkcert_verify(g->trust, &r.match.chain, other, X509_ROLE_GATEWAY,
				 clock_unix_s(), &facts),
		X509_OK);
}

static void a_new_issuing_key_leaves_old_certificates_good(void **)
{
	unsigned ups[2] = {a.n_up, b.n_up}, na = a.n[RECORD_MATCH], nb = b.n[RECORD_MATCH];
	unsigned certs = b.n[RECORD_CERT], lists = a.n[RECORD_REVOCATIONS];
	uint8_t issuer_pk[32], issuer_spki[32];
	struct revocation_view view;
	struct config_error cerr;
	struct hub_config *cfg;
	struct hub_error err;
	struct record r;

	fixture_stop(&fix, SIGTERM);
	assert_int_equal(config_load_hub(fix.yaml, &cfg, &cerr), 0);
	assert_int_equal(hub_new_issuing(cfg, &err), 0);
	config_free_hub(cfg);
	fixture_start(&fix);
	assert_true(run_until(&loop, &a.n_up, ups[0] + 1, 10000));
	assert_true(run_until(&loop, &b.n_up, ups[1] + 1, 10000));
	// B gets a certificate of the new key, A keeps the old one; each verifies the other.
	assert_int_equal(hublink_request_renewal(b.link, b.pk), 0);
	assert_true(run_until(&loop, &b.n[RECORD_CERT], certs + 1, WAIT_MS));
	assert_int_equal(enrol_accept_renewal(b.dir, b.trust, b.pk, clock_unix_s(),
				 b.last[RECORD_CERT], b.last_len[RECORD_CERT], &b.state),
		0);
	publish_a();
	publish_b();
	assert_true(run_until(&loop, &a.n[RECORD_MATCH], na + 1, WAIT_MS));
	assert_true(run_until(&loop, &b.n[RECORD_MATCH], nb + 1, WAIT_MS));
	check_match_verifies(&a, b.name);
	check_match_verifies(&b, a.name);
	// The list is signed anew, by the first of the issuing certificates in the policy.
	assert_true(run_until(&loop, &a.n[RECORD_REVOCATIONS], lists + 1, WAIT_MS));
	r = gateway_last(&a, RECORD_POLICY);
	assert_true(r.policy.has_chain);
	assert_int_equal(r.policy.chain.n, 3);
	assert_int_equal(
		x509_verify_issuer(a.trust,
			(struct x509_bytes){r.policy.chain.cert[0].der, r.policy.chain.cert[0].len},
			clock_unix_s(), issuer_pk, issuer_spki),
		X509_OK);
	assert_int_equal(
		revocation_parse(a.last[RECORD_REVOCATIONS], a.last_len[RECORD_REVOCATIONS], &view),
		0);
	assert_int_equal(revocation_verify(&view, a.state.net_id, issuer_pk, clock_unix_s(), 0), 0);
}

static int begin(void **)
{
	fix.limits = "limits:\n  intents_per_gateway: 40\n";
	fixture_begin(&fix);
	fixture_start(&fix);
	uv_loop_init(&loop);
	gateway_enrol(&a, &fix, "a.example");
	gateway_enrol(&b, &fix, "b.example");
	gateway_enrol(&evil, &fix, "evil.example");
	gateway_connect(&a, &loop);
	gateway_connect(&b, &loop);
	gateway_connect(&evil, &loop);
	return 0;
}

static int end(void **)
{
	gateway_end(&a);
	gateway_end(&b);
	gateway_end(&evil);
	uv_run(&loop, UV_RUN_DEFAULT);
	fixture_stop(&fix, SIGTERM); // and every handle of the hub closes
	if (uv_loop_close(&loop) != 0)
		return -1; // a handle was left open
	fixture_end(&fix);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_intent_in_anothers_name_is_refused),
		cmocka_unit_test(an_honest_intent_replayed_by_another_is_refused),
		cmocka_unit_test(an_intent_under_anothers_certificate_is_refused),
		cmocka_unit_test(every_changed_byte_of_an_intent_is_refused),
		cmocka_unit_test(an_old_serial_is_refused),
		cmocka_unit_test(an_unanswered_intent_shows_nobody_anything),
		cmocka_unit_test(withdrawing_anothers_intent_is_refused),
		cmocka_unit_test(candidates_without_a_match_are_refused),
		cmocka_unit_test(oversized_malformed_and_endless_records_end_the_link),
		cmocka_unit_test(records_that_only_a_hub_sends_are_refused),
		cmocka_unit_test(too_many_intents_are_refused),
		cmocka_unit_test(a_match_comes_when_both_want_it_and_gives_both_one_pair_key),
		cmocka_unit_test(candidates_reach_the_other_one_unchanged_and_nobody_else),
		cmocka_unit_test(sending_an_intent_again_brings_its_match_and_candidates_again),
		cmocka_unit_test(a_fresh_intent_asks_the_other_side_for_a_fresh_one),
		cmocka_unit_test(withdrawal_tells_the_matched_one_and_ends_the_relay),
		cmocka_unit_test(both_udp_ports_tell_the_gateway_its_address_on_the_link_alone),
		cmocka_unit_test(a_certificate_is_renewed_over_the_link),
		cmocka_unit_test(a_doubted_hub_that_answers_is_kept_and_one_that_hangs_is_left),
		cmocka_unit_test(a_hub_that_was_killed_takes_up_where_it_was),
		cmocka_unit_test(
			a_revocation_reaches_everyone_within_a_second_and_shuts_the_revoked_out),
		cmocka_unit_test(a_new_issuing_key_leaves_old_certificates_good),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
