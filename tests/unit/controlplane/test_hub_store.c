// SPDX-License-Identifier: BSD-3-Clause
//
// The hub's store and the decisions of its authority: races for a token, kills in the middle of
// issuing, and what a stolen file tells.
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>
#include <sqlite3.h>

#include "controlplane/common/revocation.h"
#include "tests/unit/controlplane/hub_bench.h"
#include "wire/record.h"

#define RACES 1000
#define KILLS 25

// ---- what a stolen file tells

static bool file_has(const char *path, const uint8_t *needle, size_t len)
{
	static uint8_t bytes[1 << 22];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd >= 0 ? read(fd, bytes, sizeof(bytes)) : 0;

	if (fd >= 0)
		close(fd);
	return n > 0 && memmem(bytes, (size_t)n, needle, len) != NULL;
}

static void secrets_are_not_in_the_file_and_open_with_its_key_alone(void **)
{
	struct store_gateway g;
	struct store_token t, out;
	uint8_t pk[32], gate[32], other[32] = {1};
	struct store *wrong;
	struct bench b;
	char wal[80];
	int64_t id;

	open_bench(&b, false);
	add_token(&b, &t, 1, 0);
	fresh_key(pk);
	randombytes_buf(gate, sizeof(gate));
	assert_int_equal(store_add_gateway(b.store, "sealed.example", pk, gate, 1, &id), 0);
	snprintf(wal, sizeof(wal), "%s-wal", db);
	assert_true(file_has(wal, pk, 32) || file_has(db, pk, 32)); // the search works
	assert_false(file_has(db, gate, 32) || file_has(wal, gate, 32));
	assert_false(file_has(db, t.secret, 32) || file_has(wal, t.secret, 32));
	assert_int_equal(store_open(db, false, other, &wrong), 0);
	assert_int_equal(store_find_gateway(wrong, "sealed.example", &g), -EBADMSG);
	assert_int_equal(store_find_token(wrong, t.id, &out), -EBADMSG);
	store_close(wrong);
	assert_int_equal(store_find_gateway(b.store, "sealed.example", &g), 0);
	assert_memory_equal(g.gate_secret, gate, 32);
	assert_int_equal(store_find_token(b.store, t.id, &out), 0);
	assert_memory_equal(out.secret, t.secret, 32);
	close_bench(&b);
}

static void a_secret_moved_to_another_row_does_not_open(void **)
{
	struct store_gateway g;
	struct bench b;
	uint8_t pk[2][32], gate[32];
	int64_t id;

	open_bench(&b, false);
	for (unsigned i = 0; i < 2; i++) {
		fresh_key(pk[i]);
		randombytes_buf(gate, sizeof(gate));
		assert_int_equal(store_add_gateway(b.store, i == 0 ? "x.example" : "y.example",
					 pk[i], gate, 1, &id),
			0);
	}
	count("SELECT 0");
	sqlite3 *raw;

	assert_int_equal(sqlite3_open(db, &raw), SQLITE_OK);
	assert_int_equal(sqlite3_exec(raw,
				 "UPDATE gateways SET gate = (SELECT gate FROM gateways "
				 "WHERE name = 'x.example') WHERE name = 'y.example'",
				 NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(raw);
	assert_int_equal(store_find_gateway(b.store, "x.example", &g), 0);
	assert_int_equal(store_find_gateway(b.store, "y.example", &g), -EBADMSG);
	assert_int_equal(store_revoke_gateway(b.store, id, 1), 0); // out of the others' way
	close_bench(&b);
}

static void files_of_another_version_or_absent_are_refused(void **)
{
	struct store *s;
	sqlite3 *raw;
	char other[80];

	snprintf(other, sizeof(other), "%s/absent.db", dir);
	assert_int_equal(store_open(other, false, key, &s), -ENOENT);
	assert_int_equal(store_open(db, true, key, &s), -EEXIST);
	snprintf(other, sizeof(other), "%s/newer.db", dir);
	assert_int_equal(store_open(other, true, key, &s), 0);
	store_close(s);
	assert_int_equal(sqlite3_open(other, &raw), SQLITE_OK);
	sqlite3_exec(raw, "PRAGMA user_version = 2", NULL, NULL, NULL);
	sqlite3_close(raw);
	assert_int_equal(store_open(other, false, key, &s), -EPROTO);
}

// ---- tokens

static void refusals_change_nothing(void **)
{
	static const struct {
		const char *name;
		unsigned uses;
		int64_t expires; // from now, 0: never
		uint16_t code;
	} cases[] = {
		{"no.example", 1, -1, RECORD_E_TOKEN_EXPIRED},
		{"example", 1, 0, RECORD_E_NAME},
		{"a.other", 1, 0, RECORD_E_NAME},
		{"a.notexample", 1, 0, RECORD_E_NAME},
		{"hub.example", 1, 0, RECORD_E_NAME_TAKEN},
		{"sealed.example", 1, 0, RECORD_E_NAME_TAKEN},
	};
	int64_t certs = count("SELECT count(*) FROM certificates");
	int64_t gateways = count("SELECT count(*) FROM gateways");
	struct authority_answer a;
	struct store_token t;
	struct bench b;
	uint8_t pk[32];

	open_bench(&b, false);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t now = clock_unix_s();

		add_token(&b, &t, cases[i].uses,
			cases[i].expires != 0 ? now + (uint64_t)cases[i].expires : 0);
		fresh_key(pk);
		assert_int_equal(authority_enrol(&b.ops, t.id, cases[i].name, pk, now, &a), 0);
		assert_int_equal(a.refusal, cases[i].code);
		assert_true(a.text[0] != '\0');
		assert_true(sodium_is_zero(a.gate_secret, 32));
		assert_int_equal(store_find_token(b.store, t.id, &t), 0);
		assert_int_equal(t.uses, 0);
	}
	fresh_key(pk);
	randombytes_buf(t.id, sizeof(t.id));
	assert_int_equal(authority_enrol(&b.ops, t.id, "q.example", pk, 1, &a), 0);
	assert_int_equal(a.refusal, RECORD_E_TOKEN);
	assert_int_equal(count("SELECT count(*) FROM certificates"), certs);
	assert_int_equal(count("SELECT count(*) FROM gateways"), gateways);
	close_bench(&b);
}

static void an_m1_under_a_token_is_remembered_across_restarts(void **)
{
	uint8_t x[2][32] = {{1}, {2}};
	struct store_token t;
	struct bench b;

	open_bench(&b, false);
	add_token(&b, &t, 3, 0);
	assert_int_equal(store_token_seen(b.store, t.id, 1000, x[0], 0), 0);
	assert_int_equal(store_token_seen(b.store, t.id, 1000, x[0], 0), -EEXIST);
	assert_int_equal(store_token_seen(b.store, t.id, 1000, x[1], 0), 0);
	close_bench(&b);
	open_bench(&b, false);
	assert_int_equal(store_token_seen(b.store, t.id, 1000, x[0], 0), -EEXIST);
	assert_int_equal(store_token_seen(b.store, t.id, 1001, x[0], 0), 0);
	// What is older than the window is forgotten, so that the table does not grow.
	assert_int_equal(store_token_seen(b.store, t.id, 5000, x[0], 2000), 0);
	assert_int_equal(count("SELECT count(*) FROM token_seen"), 1);
	close_bench(&b);
}

// ---- races

static uint8_t race_tokens[RACES][16];

struct racer {
	struct bench b;
	unsigned id, won, lost, other;
	pthread_barrier_t *barrier;
};

static void withdrawn_intents_do_not_pile_up(void **)
{
	struct store_intent i = {.len = 1, .not_after = 100, .state = STORE_INTENT_GONE};
	uint8_t pk[32], gate[32] = {1};
	struct bench b;
	int64_t id, other;

	open_bench(&b, false);
	fresh_key(pk);
	assert_int_equal(store_add_gateway(b.store, "piles.example", pk, gate, 1, &id), 0);
	fresh_key(pk);
	assert_int_equal(store_add_gateway(b.store, "other.example", pk, gate, 1, &other), 0);
	for (unsigned n = 0; n < 60; n++) {
		i.from = n < 50 ? id : other;
		i.serial = 1000 + n;
		i.state = n % 10 == 0 ? STORE_INTENT_OPEN : STORE_INTENT_GONE;
		snprintf(i.to_name, sizeof(i.to_name), "p%u.example", n);
		randombytes_buf(i.hash, sizeof(i.hash));
		assert_int_equal(store_put_intent(b.store, &i), 0);
	}
	assert_int_equal(store_prune_intents(b.store, id, 8), 0);
	// The newest eight that are gone, all that are not, and nothing of another gateway.
	assert_int_equal(count("SELECT count(*) FROM intents WHERE serial < 1050"), 8 + 5);
	assert_int_equal(
		count("SELECT count(*) FROM intents WHERE serial BETWEEN 1042 AND 1049"), 8);
	assert_int_equal(count("SELECT count(*) FROM intents WHERE serial >= 1050"), 10);
	close_bench(&b);
}

static void *race(void *arg)
{
	struct racer *r = arg;
	struct authority_answer a;
	char name[64];
	uint8_t pk[32];

	for (unsigned i = 0; i < RACES; i++) {
		fresh_key(pk);
		snprintf(name, sizeof(name), "race%u-%u.example", i, r->id);
		pthread_barrier_wait(r->barrier);
		if (authority_enrol(&r->b.ops, race_tokens[i], name, pk, clock_unix_s(), &a) < 0)
			r->other++;
		else if (a.refusal == RECORD_E_TOKEN_USED)
			r->lost++;
		else
			r->won += a.refusal == 0;
	}
	return NULL;
}

static void two_at_once_with_one_token_are_one_a_thousand_times(void **)
{
	int64_t before = count("SELECT count(*) FROM certificates");
	pthread_barrier_t barrier;
	struct racer racers[2] = {0};
	pthread_t threads[2];
	struct store_token t;

	pthread_barrier_init(&barrier, NULL, 2);
	for (unsigned i = 0; i < 2; i++) {
		open_bench(&racers[i].b, false);
		racers[i].id = i;
		racers[i].barrier = &barrier;
	}
	assert_int_equal(store_begin(racers[0].b.store), 0);
	for (unsigned i = 0; i < RACES; i++) {
		add_token(&racers[0].b, &t, 1, 0);
		memcpy(race_tokens[i], t.id, sizeof(t.id));
	}
	assert_int_equal(store_commit(racers[0].b.store), 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, race, &racers[i]);
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		close_bench(&racers[i].b);
	}
	pthread_barrier_destroy(&barrier);
	print_message("won %u and %u of %u\n", racers[0].won, racers[1].won, RACES);
	assert_int_equal(racers[0].won + racers[1].won, RACES);
	assert_int_equal(racers[0].lost + racers[1].lost, RACES);
	assert_int_equal(racers[0].other + racers[1].other, 0);
	assert_int_equal(count("SELECT count(*) FROM certificates"), before + RACES);
}

// ---- kills

// A byte goes to `issued` after the first certificate.
static void issue_until_killed(const uint8_t id[16], unsigned round, int issued)
{
	struct authority_answer a;
	struct bench b;
	char name[64];
	uint8_t pk[32];

	open_bench(&b, false);
	for (unsigned i = 0;; i++) {
		fresh_key(pk);
		snprintf(name, sizeof(name), "kill%u-%u.example", round, i);
		if (authority_enrol(&b.ops, id, name, pk, clock_unix_s(), &a) < 0 || a.refusal != 0)
			_exit(1);
		if (i == 0 && write(issued, "", 1) != 1)
			_exit(1);
	}
}

// Used with its certificate issued, or unused: for every use there is one gateway with one
// certificate of that token, whenever the hub was killed.
static void a_kill_in_the_middle_of_issuing_leaves_all_or_nothing(void **)
{
	int64_t uses = 0, certs, gateways;
	struct store_token t;
	struct bench b;
	int status, issued[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe(issued), 0);
	open_bench(&b, false);
	add_token(&b, &t, 100000, 0);
	close_bench(&b);
	certs = count("SELECT count(*) FROM certificates");
	gateways = count("SELECT count(*) FROM gateways");
	for (unsigned round = 0; round < KILLS; round++) {
		pid = fork();
		if (pid == 0)
			issue_until_killed(t.id, round, issued[1]);
		assert_int_equal(read(issued[0], &byte, 1), 1);
		usleep(randombytes_uniform(30000));
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		assert_true(WIFSIGNALED(status));
		open_bench(&b, false);
		assert_int_equal(store_find_token(b.store, t.id, &t), 0);
		close_bench(&b);
		assert_true(t.uses >= uses);
		uses = t.uses;
		assert_int_equal(count("SELECT count(*) FROM certificates"), certs + uses);
		assert_int_equal(count("SELECT count(*) FROM gateways"), gateways + uses);
	}
	print_message("%lld certificates issued around %u kills\n", (long long)uses, KILLS);
	assert_true(uses >= KILLS);
	close(issued[0]);
	close(issued[1]);
	assert_int_equal(count("SELECT count(*) FROM pragma_integrity_check "
			       "WHERE integrity_check = 'ok'"),
		1);
}

// ---- revocation

static void a_revoked_gateway_is_on_the_list_and_its_name_is_free(void **)
{
	struct authority_answer a, again;
	struct revocation_view view;
	struct store_token t;
	struct x509_facts facts;
	uint8_t pk[32], other[32], net_id[16] = {5}, *list;
	uint64_t number, now = clock_unix_s();
	struct bench b;
	int64_t id;
	size_t len;

	open_bench(&b, false);
	assert_int_equal(authority_build_list(&b.ops, net_id, now, &list, &len, &number), 0);
	assert_null(list);
	add_token(&b, &t, 0, 0);
	fresh_key(pk);
	assert_int_equal(authority_enrol(&b.ops, t.id, "r.example", pk, now, &a), 0);
	assert_int_equal(a.refusal, 0);
	assert_int_equal(authority_revoke_name(&b.ops, "nobody.example", now, &id), -ENOENT);
	assert_int_equal(authority_revoke_name(&b.ops, "r.example", now, &id), 0);
	assert_int_equal(id, a.gateway);
	assert_int_equal(authority_build_list(&b.ops, net_id, now, &list, &len, &number), 0);
	assert_int_equal(number, 1);
	assert_int_equal(revocation_parse(list, len, &view), 0);
	assert_int_equal(x509_inspect(a.leaf, a.leaf_len, &facts), X509_OK);
	assert_true(revocation_contains(&view, facts.serial, facts.serial_len, facts.spki_hash));
	free(list);
	// The key never comes back, under no name; another key may have the name.
	assert_int_equal(authority_enrol(&b.ops, t.id, "r.example", pk, now, &again), 0);
	assert_int_equal(again.refusal, RECORD_E_REVOKED);
	assert_int_equal(authority_enrol(&b.ops, t.id, "s.example", pk, now, &again), 0);
	assert_int_equal(again.refusal, RECORD_E_REVOKED);
	fresh_key(other);
	assert_int_equal(authority_enrol(&b.ops, t.id, "r.example", other, now, &again), 0);
	assert_int_equal(again.refusal, 0);
	// One certificate alone can be revoked too.
	assert_int_equal(x509_inspect(again.leaf, again.leaf_len, &facts), X509_OK);
	assert_int_equal(
		authority_revoke_serial(&b.ops, facts.serial, facts.serial_len, now, &id), 0);
	assert_int_equal(id, again.gateway);
	assert_int_equal(authority_build_list(&b.ops, net_id, now, &list, &len, &number), 0);
	assert_int_equal(number, 2);
	assert_int_equal(revocation_parse(list, len, &view), 0);
	assert_int_equal(view.n_entries, 2);
	free(list);
	close_bench(&b);
}

// ---- and when all is well

static void the_same_key_gets_the_same_certificate_again(void **)
{
	struct authority_answer a, again;
	struct store_token t;
	struct bench b;
	uint8_t pk[32];

	open_bench(&b, false);
	add_token(&b, &t, 1, 0);
	fresh_key(pk);
	assert_int_equal(authority_enrol(&b.ops, t.id, "same.example", pk, clock_unix_s(), &a), 0);
	assert_int_equal(a.refusal, 0);
	assert_true(a.is_new_gateway);
	assert_int_equal(
		authority_enrol(&b.ops, t.id, "same.example", pk, clock_unix_s(), &again), 0);
	assert_int_equal(again.refusal, 0);
	assert_false(again.is_new_gateway);
	assert_int_equal(again.leaf_len, a.leaf_len);
	assert_memory_equal(again.leaf, a.leaf, a.leaf_len);
	assert_memory_equal(again.gate_secret, a.gate_secret, 32);
	assert_int_equal(store_find_token(b.store, t.id, &t), 0);
	assert_int_equal(t.uses, 1);
	close_bench(&b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_are_not_in_the_file_and_open_with_its_key_alone),
		cmocka_unit_test(a_secret_moved_to_another_row_does_not_open),
		cmocka_unit_test(files_of_another_version_or_absent_are_refused),
		cmocka_unit_test(refusals_change_nothing),
		cmocka_unit_test(an_m1_under_a_token_is_remembered_across_restarts),
		cmocka_unit_test(withdrawn_intents_do_not_pile_up),
		cmocka_unit_test(a_revoked_gateway_is_on_the_list_and_its_name_is_free),
		cmocka_unit_test(two_at_once_with_one_token_are_one_a_thousand_times),
		cmocka_unit_test(a_kill_in_the_middle_of_issuing_leaves_all_or_nothing),
		cmocka_unit_test(the_same_key_gets_the_same_certificate_again),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
