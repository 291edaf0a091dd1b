// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/controlplane/hub_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "config/hub.h"
#include "controlplane/common/clock.h"
#include "controlplane/common/linkcert.h"
#include "config/log.h"
#include "controlplane/common/pair.h"
#include "controlplane/hub/hub.h"
#include "wire/intent.h"

// ---- the hub

static bool port_is_free(uint16_t port, int type)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, type, 0);
	bool is_free;

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	is_free = bind(fd, (struct sockaddr *)&in, sizeof(in)) == 0;
	close(fd);
	return is_free;
}

static uint16_t free_port(void)
{
	for (;;) {
		uint16_t port = (uint16_t)(20000 + 2 * randombytes_uniform(6000));

		if (port_is_free(port, SOCK_STREAM) && port_is_free(port, SOCK_DGRAM) &&
			port_is_free(port + 1, SOCK_DGRAM))
			return port;
	}
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static struct hub_config *load_config(struct fixture *f)
{
	struct hub_config *cfg;
	struct config_error err;

	if (config_load_hub(f->yaml, &cfg, &err) < 0) {
		config_error_print(stderr, &err);
		fail();
	}
	return cfg;
}

void fixture_begin(struct fixture *f)
{
	struct hub_config *cfg;
	struct hub_error err;
	char text[1024];

	signal(SIGPIPE, SIG_IGN);
	assert_true(sodium_init() >= 0);
	log_set_level(LOG_ERROR);
	strcpy(f->dir, "/tmp/pt-hub-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->yaml, sizeof(f->yaml), "%s/hub.yaml", f->dir);
	snprintf(f->pass, sizeof(f->pass), "%s/pass", f->dir);
	write_file(f->pass, "correct horse battery staple\n");
	// Gateways' keys open with a key: Argon2id would be most of the test's time.
	snprintf(f->key, sizeof(f->key), "%s/key", f->dir);
	write_file(f->key, "0123456789abcdef0123456789abcdef");
	f->port = free_port();
	snprintf(text, sizeof(text),
		"hub:\n  name: hub.example\n  network: example\n"
		"  listen: [\"127.0.0.1:%u\"]\n  udp2_port: %u\n  silence: %s\n"
		"  state_dir: %s/state\n  run_dir: %s\n"
		"authority:\n  passphrase_file: %s\n  argon2_mib: 8\n  argon2_passes: 1\n%s",
		f->port, f->port + 1, f->silence != NULL ? f->silence : "\"off\"", f->dir, f->dir,
		f->pass, f->limits != NULL ? f->limits : "");
	write_file(f->yaml, text);
	cfg = load_config(f);
	if (hub_init(cfg, &err) < 0)
		fail_msg("%s", err.message);
	config_free_hub(cfg);
}

static void on_term(uv_signal_t *handle, int)
{
	hub_destroy(handle->data);
	uv_close((uv_handle_t *)handle, NULL);
}

static void run_child(struct fixture *f)
{
	struct hub_error err;
	uv_signal_t term;
	uv_loop_t loop;
	struct hub *h;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	uv_loop_init(&loop);
	if (hub_create(&loop, load_config(f), &h, &err) < 0) {
		fprintf(stderr, "hub: %s\n", err.message);
		_exit(1);
	}
	uv_signal_init(&loop, &term);
	term.data = h;
	uv_signal_start(&term, on_term, SIGTERM);
	uv_run(&loop, UV_RUN_DEFAULT);
	// Every handle was closed, or this would not be 0.
	_exit(uv_loop_close(&loop) == 0 ? 0 : 1);
}

void fixture_start(struct fixture *f)
{
	f->pid = fork();
	assert_true(f->pid >= 0);
	if (f->pid == 0)
		run_child(f);
	for (unsigned i = 0; i < 200; i++) {
		json_t *o = fixture_call(f, "version", NULL, NULL);

		if (o != NULL) {
			json_decref(o);
			return;
		}
		usleep(20000);
	}
	fail_msg("the hub did not start");
}

void fixture_stop(struct fixture *f, int sig)
{
	int status;

	if (f->pid <= 0)
		return;
	kill(f->pid, sig);
	waitpid(f->pid, &status, 0);
	f->pid = 0;
	if (sig == SIGTERM)
		assert_int_equal(status, 0);
}

static int remove_one(const char *path, const struct stat *, int, struct FTW *)
{
	return remove(path);
}

void fixture_end(struct fixture *f)
{
	fixture_stop(f, SIGKILL);
	nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

// ---- API

json_t *fixture_call(struct fixture *f, const char *method, json_t *params, char ret_code[64])
{
	json_t *req = json_pack(
		"{s:s, s:o}", "method", method, "params", params != NULL ? params : json_object());
	json_t *reply = NULL, *result = NULL, *error;
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/hub.sock", f->dir);
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0 &&
		json_dumpfd(req, fd, JSON_COMPACT) == 0 && write(fd, "\n", 1) == 1)
		reply = json_loadfd(fd, JSON_DISABLE_EOF_CHECK, NULL);
	close(fd);
	json_decref(req);
	if (reply == NULL)
		return NULL;
	result = json_incref(json_object_get(reply, "result"));
	error = json_object_get(reply, "error");
	if (ret_code != NULL)
		snprintf(ret_code, 64, "%s",
			error != NULL ? json_string_value(json_object_get(error, "code")) : "");
	json_decref(reply);
	return result;
}

json_int_t fixture_status(struct fixture *f, const char *key)
{
	json_t *o = fixture_call(f, "status", NULL, NULL);
	json_t *v = json_object_get(o, key);
	json_int_t n;

	if (v == NULL)
		v = json_object_get(json_object_get(o, "counters"), key);
	assert_non_null(v);
	n = json_integer_value(v);
	json_decref(o);
	return n;
}

void fixture_token(
	struct fixture *f, const char *name, int uses, int seconds, char text[TOKEN_TEXT_MAX])
{
	json_t *params = json_pack("{s:i, s:i}", "uses", uses, "seconds", seconds), *o;

	if (name != NULL)
		json_object_set_new(params, "name", json_string(name));
	o = fixture_call(f, "token.create", params, NULL);
	assert_non_null(o);
	snprintf(text, TOKEN_TEXT_MAX, "%s", json_string_value(json_object_get(o, "token")));
	json_decref(o);
}

struct enrol_params fixture_params(
	struct fixture *f, const char *token, const char *name, const char *subdir)
{
	static char dir[128];

	snprintf(dir, sizeof(dir), "%s/%s", f->dir, subdir);
	return (struct enrol_params){
		.token = token,
		.name = name,
		.network = "example",
		.state_dir = dir,
		.identity = {.key_credential = f->key},
		.attempt_ms = 3000,
	};
}

// ---- gateways

void gateway_enrol(struct gateway *g, struct fixture *f, const char *name)
{
	char token[TOKEN_TEXT_MAX], key_file[128];
	struct identity_source src = {.key_credential = f->key, .key_file = key_file};
	struct enrol_params params;
	struct enrol_error err;
	struct der_list list;
	uint8_t secret[32];

	memset(g, 0, sizeof(*g));
	g->f = f;
	snprintf(g->name, sizeof(g->name), "%s", name);
	snprintf(g->dir, sizeof(g->dir), "%s/%s", f->dir, name);
	fixture_token(f, name, 1, 3600, token);
	params = fixture_params(f, token, name, name);
	if (enrol_run(&params, NULL, NULL, &err) < 0)
		fail_msg("%s", err.message);
	snprintf(key_file, sizeof(key_file), "%s/" ENROL_FILE_KEY, g->dir);
	assert_int_equal(signer_spawn(&g->signer), IDENTITY_OK);
	assert_int_equal(signer_open_key(g->signer, &src), IDENTITY_OK);
	assert_int_equal(signer_public(g->signer, g->pk), 0);
	assert_int_equal(signer_secret(g->signer, "state", secret), 0);
	assert_int_equal(enrol_load(g->dir, secret, &g->state), 0);
	assert_int_equal(der_list_parse(g->state.chain, g->state.chain_len, &list), 0);
	assert_int_equal(
		x509_trust_create(list.cert[list.n - 1].der, list.cert[list.n - 1].len, &g->trust),
		X509_OK);
}

static int gateway_sign(void *ctx, const char *label, const void *msg, size_t len, uint8_t sig[64])
{
	struct gateway *g = ctx;

	return signer_sign(g->signer, label, msg, len, sig);
}

static int gateway_ts(void *ctx, uint64_t *ret_ts)
{
	struct gateway *g = ctx;
	uint64_t now = clock_unix_us();

	g->ts = now > g->ts ? now : g->ts + 1;
	*ret_ts = g->ts;
	return 0;
}

static void gateway_on_up(void *ctx, uint64_t)
{
	struct gateway *g = ctx;

	g->up = true;
	g->n_up++;
}

static void gateway_on_down(void *ctx, const char *reason)
{
	struct gateway *g = ctx;

	g->up = false;
	g->n_down++;
	snprintf(g->reason, sizeof(g->reason), "%s", reason);
}

static void gateway_on_record(void *ctx, uint16_t type, const uint8_t *body, size_t len)
{
	struct gateway *g = ctx;

	assert_in_range(type, 1, 15);
	assert_in_range(len, 0, sizeof(g->last[0]));
	memcpy(g->last[type], body, len);
	g->last_len[type] = len;
	g->at_us[type] = clock_mono_us();
	g->n[type]++;
}

void gateway_connect(struct gateway *g, uv_loop_t *loop)
{
	static const struct hublink_ops ops = {
		.sign = gateway_sign,
		.next_ts = gateway_ts,
		.on_up = gateway_on_up,
		.on_down = gateway_on_down,
		.on_record = gateway_on_record,
	};
	struct hublink_config cfg = {
		.hub_name = g->state.hub_name,
		.gateway_name = g->name,
		.addresses = g->state.addresses,
		.n_addresses = g->state.n_addresses,
		.trust = g->trust,
		.chain = g->state.chain,
		.chain_len = g->state.chain_len,
		.caps = PKT_CAP_CHACHA,
	};
	unsigned before = g->n_up;

	memcpy(cfg.gate_secret, g->state.gate_secret, 32);
	memcpy(cfg.net_id, g->state.net_id, 16);
	assert_int_equal(hublink_create(loop, &cfg, &ops, g, &g->link), 0);
	hublink_start(g->link);
	if (!run_until(loop, &g->n_up, before + 1, 5000))
		fail_msg("the link did not come up: %s", g->reason);
}

void gateway_end(struct gateway *g)
{
	hublink_destroy(g->link);
	g->link = NULL;
	x509_trust_destroy(g->trust);
	g->trust = NULL;
	signer_close(g->signer);
	g->signer = NULL;
}

struct record gateway_last(struct gateway *g, uint16_t type)
{
	struct record r;

	assert_true(g->n[type] > 0);
	assert_int_equal(record_parse(type, g->last[type], g->last_len[type], &r), 0);
	return r;
}

size_t gateway_intent(struct gateway *g, const char *from, const char *to, uint8_t *buf, size_t cap,
	uint8_t ret_sk[32])
{
	uint8_t pk[32], hash[32];
	struct der_list list;
	uint64_t now = clock_unix_us();
	struct intent i = {
		.net_id = g->state.net_id,
		.ipk = pk,
		.cert_hash = hash,
		.from = from != NULL ? from : g->name,
		.to = to,
		.caps = PKT_CAP_CHACHA,
		.not_before = now / 1000000,
		.not_after = now / 1000000 + 3600,
	};
	size_t n;

	g->serial = now > g->serial ? now : g->serial + 1;
	i.serial = g->serial;
	i.from_len = (uint16_t)strlen(i.from);
	i.to_len = (uint16_t)strlen(i.to);
	randombytes_buf(ret_sk, 32);
	crypto_scalarmult_base(pk, ret_sk);
	assert_int_equal(der_list_parse(g->state.chain, g->state.chain_len, &list), 0);
	pair_hash(hash, list.cert[0].der, list.cert[0].len);
	n = intent_build(&i, buf, cap - INTENT_SIG_LEN);
	assert_true(n > 0);
	assert_int_equal(signer_sign(g->signer, "intent", buf, n, buf + n), 0);
	return n + INTENT_SIG_LEN;
}

void gateway_put(struct gateway *g, const uint8_t *intent, size_t len)
{
	assert_int_equal(hublink_send(g->link, RECORD_PUT_INTENT, intent, len), 0);
}

// ---- the loop

static void on_over(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

bool run_until(uv_loop_t *loop, const unsigned *counter, unsigned want, unsigned ms)
{
	bool over = false;
	uv_timer_t timer;

	uv_timer_init(loop, &timer);
	timer.data = &over;
	uv_timer_start(&timer, on_over, ms, 0);
	while (!over && (counter == NULL || *counter < want))
		uv_run(loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(loop, UV_RUN_NOWAIT);
	return counter != NULL && *counter >= want;
}

void run_for(uv_loop_t *loop, unsigned ms)
{
	run_until(loop, NULL, 0, ms);
}
