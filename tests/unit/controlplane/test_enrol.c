// SPDX-License-Identifier: BSD-3-Clause
//
// Enrolment against a real hub on loopback: every way it can fail, each with its own error, then
// the way it works.
#include "controlplane/common/enrol.h"

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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "controlplane/common/authority.h"
#include "controlplane/common/clock.h"
#include "controlplane/common/handshake.h"
#include "controlplane/common/pair.h"
#include "controlplane/common/tcpframe.h"
#include "tests/unit/controlplane/hub_fixture.h"

static struct fixture fix;
static char token[TOKEN_TEXT_MAX];

// Run an enrolment that must fail, with this code, a sentence and a way out.
static void refuse(struct enrol_params *p, enum enrol_code code)
{
	struct enrol_error err;
	char path[256];

	assert_true(enrol_run(p, NULL, NULL, &err) < 0);
	if (err.code != code)
		fail_msg("%s instead of %s: %s", enrol_code_name(err.code), enrol_code_name(code),
			err.message);
	assert_true(strlen(err.message) > 10);
	assert_true(strlen(err.hint) > 5);
	if (code != ENROL_ERR_ENROLLED && code != ENROL_ERR_STORE) {
		snprintf(path, sizeof(path), "%s/" ENROL_FILE_STATE, p->state_dir);
		assert_int_equal(access(path, F_OK), -1);
	}
}

// Parse, change and print a token again.
static void rewrite(char text[TOKEN_TEXT_MAX], void (*change)(struct token *t))
{
	struct token t;

	assert_int_equal(token_parse(text, strlen(text), &t), 0);
	change(&t);
	assert_int_equal(token_format(&t, text, TOKEN_TEXT_MAX), 0);
}

static void bad_token_text_is_named(void **)
{
	struct enrol_params p = fixture_params(&fix, "not a token", "a.example", "t1");

	refuse(&p, ENROL_ERR_TOKEN);
	fixture_token(&fix, NULL, 1, 60, token);
	token[20] ^= 1;
	p = fixture_params(&fix, token, "a.example", "t1");
	refuse(&p, ENROL_ERR_TOKEN);
}

static void from_the_future(struct token *t)
{
	t->created += 3600;
}

static void a_clock_behind_the_token_is_named(void **)
{
	struct enrol_params p = fixture_params(&fix, token, "a.example", "t2");

	fixture_token(&fix, NULL, 1, 60, token);
	rewrite(token, from_the_future);
	refuse(&p, ENROL_ERR_CLOCK);
}

static void long_over(struct token *t)
{
	t->expires = t->created - 3600;
}

static void a_token_past_its_own_end_is_expired_without_asking(void **)
{
	struct enrol_params p = fixture_params(&fix, token, "a.example", "t3");

	fixture_token(&fix, NULL, 1, 60, token);
	rewrite(token, long_over);
	refuse(&p, ENROL_ERR_EXPIRED);
}

static void a_token_of_another_network_is_named(void **)
{
	struct enrol_params p = fixture_params(&fix, token, "a.example", "t4");

	fixture_token(&fix, NULL, 1, 60, token);
	p.network = "elsewhere";
	refuse(&p, ENROL_ERR_NETWORK);
}

static void nobody_listening_is_unreachable(void **)
{
	static const struct config_endpoint nowhere = {.addr = {4, {127, 0, 0, 1}}, .port = 9};
	struct enrol_params p = fixture_params(&fix, token, "a.example", "t5");

	fixture_token(&fix, NULL, 1, 60, token);
	p.addresses = &nowhere;
	p.n_addresses = 1;
	refuse(&p, ENROL_ERR_UNREACHABLE);
}

static void another_secret(struct token *t)
{
	t->secret[0] ^= 1;
}

static void another_root(struct token *t)
{
	t->root_hash[0] ^= 1;
}

static void a_token_the_hub_does_not_know_meets_silence(void **)
{
	struct enrol_params p = fixture_params(&fix, token, "a.example", "t6");

	fixture_token(&fix, NULL, 1, 60, token);
	p.attempt_ms = 600;
	rewrite(token, another_secret);
	refuse(&p, ENROL_ERR_SILENCE);
	rewrite(token, another_secret);
	rewrite(token, another_root);
	refuse(&p, ENROL_ERR_SILENCE);
}

static void a_name_outside_token_or_network_is_refused(void **)
{
	struct enrol_params p = fixture_params(&fix, token, "b.example", "t7");

	fixture_token(&fix, "a.example", 1, 60, token);
	refuse(&p, ENROL_ERR_NAME);
	fixture_token(&fix, NULL, 1, 60, token);
	p.name = "a.elsewhere";
	refuse(&p, ENROL_ERR_NAME);
	p.name = "example";
	refuse(&p, ENROL_ERR_NAME);
	p.name = "A.example";
	refuse(&p, ENROL_ERR_NAME);
}

static void a_name_in_use_is_refused(void **)
{
	struct enrol_params p;
	struct gateway g;

	gateway_enrol(&g, &fix, "taken.example");
	gateway_end(&g);
	fixture_token(&fix, NULL, 1, 60, token);
	p = fixture_params(&fix, token, "taken.example", "t8");
	refuse(&p, ENROL_ERR_NAME_TAKEN);
	p.name = "hub.example";
	refuse(&p, ENROL_ERR_NAME_TAKEN);
}

static void a_token_serves_once(void **)
{
	struct enrol_params p = fixture_params(&fix, token, "once.example", "t9a");
	struct enrol_error err;

	fixture_token(&fix, NULL, 1, 60, token);
	assert_int_equal(enrol_run(&p, NULL, NULL, &err), 0);
	p = fixture_params(&fix, token, "twice.example", "t9b");
	refuse(&p, ENROL_ERR_USED);
}

static void an_expired_token_is_told_from_a_used_one(void **)
{
	struct enrol_params p = fixture_params(&fix, token, "late.example", "t10");

	fixture_token(&fix, NULL, 1, 1, token);
	sleep(3);
	refuse(&p, ENROL_ERR_EXPIRED);
}

static void a_wrong_passphrase_is_named(void **)
{
	struct enrol_params p = fixture_params(&fix, token, "pass.example", "t11");
	char other[96];
	FILE *out;

	p.identity = (struct identity_source){.passphrase_file = fix.pass};
	fixture_token(&fix, NULL, 2, 60, token);
	p.attempt_ms = 300;
	// The key is made under the right one, by an attempt that fails later.
	rewrite(token, another_secret);
	refuse(&p, ENROL_ERR_SILENCE);
	rewrite(token, another_secret);
	snprintf(other, sizeof(other), "%s/other", fix.dir);
	out = fopen(other, "w");
	assert_non_null(out);
	fputs("a quite different passphrase\n", out);
	fclose(out);
	chmod(other, 0600);
	p.identity.passphrase_file = other;
	refuse(&p, ENROL_ERR_IDENTITY);
}

static void a_state_directory_that_cannot_be_written_is_named_and_nothing_is_lost(void **)
{
	struct enrol_params p = fixture_params(&fix, token, "store.example", "t12");
	struct enrol_error err;
	char path[256];

	fixture_token(&fix, NULL, 1, 60, token);
	mkdir(p.state_dir, 0700);
	snprintf(path, sizeof(path), "%s/" ENROL_FILE_CHAIN, p.state_dir);
	mkdir(path, 0700); // a directory cannot be replaced by a file
	refuse(&p, ENROL_ERR_STORE);
	rmdir(path);
	// The token is used up, but the same key gets the same certificate again.
	assert_int_equal(enrol_run(&p, NULL, NULL, &err), 0);
}

// ---- a hub that knows the token but stands under another root

struct impostor {
	struct authority *authority;
	uint8_t seed[32], pk[32], sk[64];
	uint8_t chain[DER_LIST_MAX_LEN];
	size_t chain_len;
};

static int impostor_sign(
	void *ctx, const char *label, const uint8_t *msg, size_t len, uint8_t sig[64])
{
	struct impostor *im = ctx;
	uint8_t m[256];
	int n = snprintf((char *)m, sizeof(m), "postern/1 %s", label) + 1;

	memcpy(m + n, msg, len);
	return crypto_sign_detached(sig, NULL, m, (size_t)n + len, im->sk);
}

static int impostor_check(
	void *, enum hs_field, const struct der_list *, const char *, uint8_t *, uint64_t *)
{
	return -EACCES; // the gateway must have gone before this is asked
}

static void make_impostor(struct impostor *im)
{
	struct identity_source secret = {.passphrase_file = fix.pass};
	struct identity_kdf kdf = {.passes = 1, .memory_bytes = 8u << 20};
	uint8_t leaf[X509_LEAF_BYTES_MAX];
	uint64_t now = clock_unix_s();
	struct authority_request req = {.name = "hub.example",
		.pk = im->pk,
		.role = X509_ROLE_HUB,
		.not_before = now - 60,
		.not_after = now + 86400};
	struct authority_error why;
	struct der_list list = {.n = 3};
	char dir[96];
	size_t len;

	snprintf(dir, sizeof(dir), "%s/evil", fix.dir);
	mkdir(dir, 0700);
	assert_int_equal(authority_create_root(dir, "example", &secret, &kdf, now, &why), 0);
	assert_int_equal(
		authority_create_issuing(dir, "example", &secret, &secret, &kdf, now, false, &why),
		0);
	assert_int_equal(authority_open(dir, &secret, now, &im->authority, &why), 0);
	crypto_sign_keypair(im->pk, im->sk);
	assert_int_equal(authority_issue(im->authority, &req, leaf, &len, NULL, &why), 0);
	list.cert[0] = (struct der_view){leaf, len};
	list.cert[1] = (struct der_view){
		authority_issuing_der(im->authority).der, authority_issuing_der(im->authority).len};
	list.cert[2] = (struct der_view){
		authority_root_der(im->authority).der, authority_root_der(im->authority).len};
	im->chain_len = der_list_build(&list, im->chain, sizeof(im->chain));
	assert_true(im->chain_len > 0);
}

static void serve_once(struct impostor *im, int listener, const struct token *t)
{
	struct hs_identity identity = {
		.ctx = im, .sign = impostor_sign, .check_cert = impostor_check};
	uint8_t th0[32], rnd[64] = {1}, in[2 + PKT_M1_LEN], out[2 + PKT_HS_TCP_MAX_LEN];
	struct hs_server server;
	struct pair pair;
	struct hs_config cfg = {.pair = &pair,
		.identity = &identity,
		.own_field = im->chain,
		.own_field_len = im->chain_len,
		.peer_field = HS_FIELD_KEY,
		.max_len = PKT_HS_TCP_MAX_LEN,
		.caps = PKT_CAP_CHACHA};
	int fd = accept(listener, NULL, NULL);
	size_t n;

	pair_th0_enrol(th0, t->root_hash, t->id, t->hub_name);
	pair_from_secret(&pair, false, t->secret, th0);
	if (recv(fd, in, sizeof(in), MSG_WAITALL) != sizeof(in) ||
		hs_server_m1(&server, &cfg, in + 2, PKT_M1_LEN, 0x101, clock_unix_s(), rnd, out + 2,
			&n) != HS_OK)
		_exit(1);
	tcpframe_head(out, n);
	if (write(fd, out, n + 2) != (ssize_t)n + 2)
		_exit(1);
	// Not a byte may follow from a gateway that was shown another root.
	_exit(recv(fd, in, 1, 0) == 0 ? 0 : 2);
}

static void a_hub_under_another_root_is_refused_and_told_nothing(void **)
{
	struct enrol_params p = fixture_params(&fix, token, "root.example", "t13");
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct config_endpoint ep = {.addr = {4, {127, 0, 0, 1}}};
	socklen_t len = sizeof(in);
	struct impostor im;
	struct token t;
	int fd = socket(AF_INET, SOCK_STREAM, 0), status;
	pid_t pid;

	make_impostor(&im);
	fixture_token(&fix, NULL, 1, 60, token);
	assert_int_equal(token_parse(token, strlen(token), &t), 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	pid = fork();
	if (pid == 0)
		serve_once(&im, fd, &t);
	ep.port = ntohs(in.sin_port);
	p.addresses = &ep;
	p.n_addresses = 1;
	refuse(&p, ENROL_ERR_ROOT);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	close(fd);
	authority_close(im.authority);
}

// ---- and when all is well

struct steps {
	unsigned seen;
	bool in_order;
};

static void note_step(void *ctx, enum enrol_step step, const char *detail)
{
	struct steps *s = ctx;

	assert_non_null(detail);
	if ((unsigned)step != s->seen + 1)
		s->in_order = false;
	s->seen = (unsigned)step;
}

static void enrolment_leaves_all_that_control_needs(void **)
{
	struct enrol_params p = fixture_params(&fix, token, "good.example", "good.example");
	struct steps steps = {.in_order = true};
	struct enrol_state state;
	struct enrol_error err;
	uint8_t wrong[32] = {0};
	struct gateway g;
	struct stat st;
	char path[256];

	gateway_enrol(&g, &fix, "good.example");
	assert_string_equal(g.state.name, "good.example");
	assert_string_equal(g.state.network, "example");
	assert_string_equal(g.state.hub_name, "hub.example");
	assert_int_equal(g.state.n_addresses, 1);
	assert_int_equal(g.state.addresses[0].port, fix.port);
	assert_int_equal(g.state.udp2_port, fix.port + 1);
	snprintf(path, sizeof(path), "%s/" ENROL_FILE_STATE, g.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	assert_int_equal(enrol_load(g.dir, wrong, &state), -EBADMSG);
	gateway_end(&g);
	// A second run says that nothing is to be done; --again enrols the same key anew.
	fixture_token(&fix, "good.example", 1, 60, token);
	p.token = token;
	refuse(&p, ENROL_ERR_ENROLLED);
	p.again = true;
	assert_int_equal(enrol_run(&p, note_step, &steps, &err), 0);
	assert_int_equal(steps.seen, ENROL_STEP_STORED);
	assert_true(steps.in_order);
}

static void a_revoked_key_does_not_come_back(void **)
{
	struct enrol_params p = fixture_params(&fix, token, "gone.example", "gone.example");
	struct gateway g;
	json_t *o;

	gateway_enrol(&g, &fix, "gone.example");
	gateway_end(&g);
	o = fixture_call(&fix, "revoke", json_pack("{s:s}", "name", "gone.example"), NULL);
	assert_non_null(o);
	json_decref(o);
	fixture_token(&fix, "gone.example", 2, 60, token);
	p.token = token;
	p.again = true;
	{
		struct enrol_error err;

		assert_true(enrol_run(&p, NULL, NULL, &err) < 0);
		assert_int_equal(err.code, ENROL_ERR_REVOKED);
	}
	// Another key may have the name.
	p = fixture_params(&fix, token, "gone.example", "t14");
	{
		struct enrol_error err;

		assert_int_equal(enrol_run(&p, NULL, NULL, &err), 0);
	}
}

static int begin(void **)
{
	fixture_begin(&fix);
	fixture_start(&fix);
	return 0;
}

static int end(void **)
{
	fixture_end(&fix);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_token_text_is_named),
		cmocka_unit_test(a_clock_behind_the_token_is_named),
		cmocka_unit_test(a_token_past_its_own_end_is_expired_without_asking),
		cmocka_unit_test(a_token_of_another_network_is_named),
		cmocka_unit_test(nobody_listening_is_unreachable),
		cmocka_unit_test(a_token_the_hub_does_not_know_meets_silence),
		cmocka_unit_test(a_name_outside_token_or_network_is_refused),
		cmocka_unit_test(a_name_in_use_is_refused),
		cmocka_unit_test(a_token_serves_once),
		cmocka_unit_test(an_expired_token_is_told_from_a_used_one),
		cmocka_unit_test(a_wrong_passphrase_is_named),
		cmocka_unit_test(
			a_state_directory_that_cannot_be_written_is_named_and_nothing_is_lost),
		cmocka_unit_test(a_hub_under_another_root_is_refused_and_told_nothing),
		cmocka_unit_test(enrolment_leaves_all_that_control_needs),
		cmocka_unit_test(a_revoked_key_does_not_come_back),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
