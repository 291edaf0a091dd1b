// SPDX-License-Identifier: BSD-3-Clause
//
// The gateway's end of the hub link against hubs that are absent, broken or somebody else. What it
// does with a good one is in test_hub_discovery.c.
#include "controlplane/common/hublink.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
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
#include "wire/der_list.h"

// ---- two authorities: the gateway's own, and one that it does not know

struct party {
	struct authority *authority;
	uint8_t pk[32], sk[64];
	uint8_t chain[DER_LIST_MAX_LEN];
	size_t chain_len;
};

static char dir[48];
static struct party hub, impostor, gateway;
static const uint8_t secret[32] = {7}, net_id[16] = {9};

static void open_authority(struct party *p, const char *name)
{
	struct identity_source source = {0};
	struct authority_error why;
	char path[96], key[96];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	snprintf(key, sizeof(key), "%s/key", dir);
	source.key_credential = key;
	mkdir(path, 0700);
	assert_int_equal(
		authority_create_root(path, "example", &source, NULL, clock_unix_s(), &why), 0);
	assert_int_equal(authority_create_issuing(path, "example", &source, &source, NULL,
				 clock_unix_s(), false, &why),
		0);
	assert_int_equal(authority_open(path, &source, clock_unix_s(), &p->authority, &why), 0);
}

static void issue(struct party *p, struct authority *a, const char *name, enum x509_role role)
{
	struct x509_bytes issuing = authority_issuing_der(a), root = authority_root_der(a);
	uint8_t leaf[X509_LEAF_BYTES_MAX];
	uint64_t now = clock_unix_s();
	struct authority_request req = {.name = name,
		.pk = p->pk,
		.role = role,
		.not_before = now - 60,
		.not_after = now + 86400};
	struct authority_error why;
	struct der_list list = {
		.n = 3, .cert = {[1] = {issuing.der, issuing.len}, [2] = {root.der, root.len}}};

	crypto_sign_keypair(p->pk, p->sk);
	list.cert[0].der = leaf;
	assert_int_equal(authority_issue(a, &req, leaf, &list.cert[0].len, NULL, &why), 0);
	p->chain_len = der_list_build(&list, p->chain, sizeof(p->chain));
	assert_true(p->chain_len > 0);
}

static int sign_as(void *ctx, const char *label, const void *msg, size_t len, uint8_t sig[64])
{
	const struct party *p = ctx;
	uint8_t m[512];
	int n = snprintf((char *)m, sizeof(m), "postern/1 %s", label) + 1;

	memcpy(m + n, msg, len);
	return crypto_sign_detached(sig, NULL, m, (size_t)n + len, p->sk);
}

static int hub_sign(void *ctx, const char *label, const uint8_t *msg, size_t len, uint8_t sig[64])
{
	return sign_as(ctx, label, msg, len, sig);
}

static int never(
	void *, enum hs_field, const struct der_list *, const char *, uint8_t *, uint64_t *)
{
	return -EACCES;
}

// ---- the gateway's owner

struct owner {
	struct hublink *link;
	uint64_t ts;
	int ts_error;
	unsigned n_up, n_down;
	char reason[HUBLINK_REASON_MAX];
};

static uv_loop_t loop;
static struct owner own;

static int own_sign(void *, const char *label, const void *msg, size_t len, uint8_t sig[64])
{
	return sign_as(&gateway, label, msg, len, sig);
}

static int own_ts(void *ctx, uint64_t *ret_ts)
{
	struct owner *o = ctx;

	*ret_ts = ++o->ts;
	return o->ts_error;
}

static void own_up(void *ctx, uint64_t)
{
	((struct owner *)ctx)->n_up++;
}

static void own_down(void *ctx, const char *reason)
{
	struct owner *o = ctx;

	o->n_down++;
	snprintf(o->reason, sizeof(o->reason), "%s", reason);
}

static void own_record(void *, uint16_t, const uint8_t *, size_t)
{
	fail_msg("a record came");
}

static const struct hublink_ops ops = {.sign = own_sign,
	.next_ts = own_ts,
	.on_up = own_up,
	.on_down = own_down,
	.on_record = own_record};

static struct hublink_config config(const struct config_endpoint *at)
{
	struct hublink_config cfg = {
		.hub_name = "hub.example",
		.gateway_name = "gw.example",
		.addresses = at,
		.n_addresses = 1,
		.trust = authority_trust(hub.authority),
		.chain = gateway.chain,
		.chain_len = gateway.chain_len,
		.caps = PKT_CAP_CHACHA,
	};

	memcpy(cfg.gate_secret, secret, 32);
	memcpy(cfg.net_id, net_id, 16);
	return cfg;
}

static void begin_link(uint16_t port)
{
	struct config_endpoint at = {.addr = {4, {127, 0, 0, 1}}, .port = port};
	struct hublink_config cfg = config(&at);

	own = (struct owner){.ts = clock_unix_us()};
	assert_int_equal(hublink_create(&loop, &cfg, &ops, &own, &own.link), 0);
	hublink_start(own.link);
}

static void end_link(void)
{
	hublink_destroy(own.link);
	uv_run(&loop, UV_RUN_DEFAULT);
}

// ---- hubs

enum behaviour { HUB_MUTE, HUB_BAD_LENGTH, HUB_GARBAGE, HUB_IMPOSTOR, HUB_REPLAYS_M2 };

static int listener(uint16_t *ret_port)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*ret_port = ntohs(in.sin_port);
	return fd;
}

static size_t answer(struct party *as, const uint8_t *m1, uint8_t *out)
{
	struct hs_identity identity = {.ctx = as, .sign = hub_sign, .check_cert = never};
	uint8_t th0[32], rnd[64];
	struct hs_server server;
	struct pair pair;
	struct hs_config cfg = {.pair = &pair,
		.identity = &identity,
		.peer_name = "gw.example",
		.own_field = as->chain,
		.own_field_len = as->chain_len,
		.peer_field = HS_FIELD_CHAIN,
		.max_len = PKT_HS_TCP_MAX_LEN,
		.caps = PKT_CAP_CHACHA};
	size_t n = 0;

	randombytes_buf(rnd, sizeof(rnd));
	pair_th0_hub(th0, net_id, "gw.example", "hub.example");
	pair_from_secret(&pair, false, secret, th0);
	if (hs_server_m1(&server, &cfg, m1, PKT_M1_LEN, 0x101, clock_unix_s(), rnd, out, &n) !=
		HS_OK)
		_exit(10);
	return n;
}

// Exits with the number of bytes that came after M1, at most 200.
static void serve(int fd, enum behaviour how)
{
	uint8_t in[2 + PKT_M1_LEN], out[2 + PKT_HS_TCP_MAX_LEN] = {0xff, 0xff};
	static uint8_t kept[PKT_HS_TCP_MAX_LEN];
	size_t n = 0, kept_len = 0;
	ssize_t more;
	int c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		c = accept(fd, NULL, NULL);
		if (recv(c, in, sizeof(in), MSG_WAITALL) != sizeof(in))
			continue; // an attempt that was given up for the next one
		if (how == HUB_REPLAYS_M2 && kept_len == 0) {
			kept_len = answer(&hub, in + 2, kept);
			close(c); // the second attempt gets what the first should have got
			continue;
		}
		break;
	}
	switch (how) {
	case HUB_MUTE:
		break;
	case HUB_BAD_LENGTH:
		n = 2;
		break;
	case HUB_GARBAGE:
		randombytes_buf(out + 2, 700);
		tcpframe_head(out, 700);
		n = 702;
		break;
	case HUB_IMPOSTOR:
		n = answer(&impostor, in + 2, out + 2);
		tcpframe_head(out, n);
		n += 2;
		break;
	case HUB_REPLAYS_M2:
		memcpy(out + 2, kept, kept_len);
		tcpframe_head(out, kept_len);
		n = kept_len + 2;
		break;
	}
	if (n > 0 && send(c, out, n, MSG_NOSIGNAL) != (ssize_t)n)
		_exit(11);
	more = recv(c, in, sizeof(in), 0);
	_exit(more > 0 ? 200 : 0);
}

// Meet such a hub; the link must come down for this reason, and have sent nothing after M1.
static void meet(enum behaviour how, unsigned attempts, const char *reason)
{
	uint16_t port;
	int fd = listener(&port), status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		serve(fd, how);
	begin_link(port);
	assert_true(run_until(&loop, &own.n_down, attempts, 12000));
	if (strstr(own.reason, reason) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", own.reason, reason);
	assert_int_equal(own.n_up, 0);
	assert_int_equal(hublink_get_state(own.link), HUBLINK_WAITING);
	assert_string_equal(hublink_reason(own.link), own.reason);
	end_link();
	close(fd);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

static void a_mute_hub_is_given_up_after_five_seconds(void **)
{
	uint64_t start = clock_mono_us();

	meet(HUB_MUTE, 1, "does not answer");
	assert_in_range(clock_mono_us() - start, 4500000, 6500000);
}

static void a_frame_of_impossible_length_ends_the_attempt(void **)
{
	meet(HUB_BAD_LENGTH, 1, "impossible length");
}

static void garbage_instead_of_m2_is_refused(void **)
{
	meet(HUB_GARBAGE, 1, "refused");
}

static void a_hub_with_the_gate_secret_but_another_root_is_refused(void **)
{
	meet(HUB_IMPOSTOR, 1, "certificate");
}

static void an_m2_of_an_earlier_attempt_is_refused(void **)
{
	meet(HUB_REPLAYS_M2, 2, "refused");
}

static void an_absent_hub_is_tried_ever_more_slowly(void **)
{
	uint16_t port;
	int fd = listener(&port);

	close(fd);
	begin_link(port);
	run_for(&loop, 6000);
	// At once, after 0.5 to 1 s, then 1 to 2, then 2 to 4.
	assert_in_range(own.n_down, 3, 5);
	assert_non_null(strstr(own.reason, "refused"));
	end_link();
}

static void nothing_leaves_when_its_ts_cannot_be_stored(void **)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	int udp = socket(AF_INET, SOCK_DGRAM, 0);
	uint16_t port;
	int fd = listener(&port);
	uint8_t buf[64];

	in.sin_port = htons(port);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(udp, (struct sockaddr *)&in, sizeof(in)), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	begin_link(port);
	own.ts_error = -EIO;
	assert_true(run_until(&loop, &own.n_down, 1, 2000));
	run_for(&loop, 200);
	assert_int_equal(recv(udp, buf, sizeof(buf), MSG_DONTWAIT), -1);
	assert_int_equal(accept(fd, NULL, NULL), -1);
	// And when it can, the knock comes, and is one that the hub takes for the gateway's.
	own.ts_error = 0;
	hublink_retry(own.link);
	run_for(&loop, 200);
	assert_int_equal(recv(udp, buf, sizeof(buf), MSG_DONTWAIT), PKT_PUNCH_LEN);
	{
		uint8_t th0[32];
		struct pair pair;

		pair_th0_hub(th0, net_id, "gw.example", "hub.example");
		pair_from_secret(&pair, false, secret, th0);
		assert_true(pair_punch_ok(&pair, clock_unix_s(), buf, PKT_PUNCH_LEN));
		assert_int_equal(hs_ts(buf), own.ts);
	}
	end_link();
	close(fd);
	close(udp);
}

static void wrong_settings_and_calls_are_refused(void **)
{
	struct config_endpoint at = {.addr = {4, {127, 0, 0, 1}}, .port = 9};
	struct hublink_config cfg = config(&at);
	struct hublink *l = NULL;

	cfg.hub_name = "Hub";
	assert_int_equal(hublink_create(&loop, &cfg, &ops, &own, &l), -EINVAL);
	cfg = config(&at);
	cfg.n_addresses = 0;
	assert_int_equal(hublink_create(&loop, &cfg, &ops, &own, &l), -EINVAL);
	cfg = config(&at);
	cfg.chain_len--;
	assert_int_equal(hublink_create(&loop, &cfg, &ops, &own, &l), -EINVAL);
	assert_null(l);
	begin_link(9);
	assert_int_equal(hublink_send(own.link, RECORD_PING, "", 0), -ENOTCONN);
	assert_int_equal(hublink_request_renewal(own.link, gateway.pk), -ENOTCONN);
	assert_int_equal(hublink_set_chain(own.link, (const uint8_t *)"x", 1), -EINVAL);
	hublink_stop(own.link);
	run_for(&loop, 50);
	assert_int_equal(own.n_down, 0); // stopping is not a failure
	end_link();
	hublink_destroy(NULL);
}

static int remove_one(const char *path, const struct stat *, int, struct FTW *)
{
	return remove(path);
}

static int begin(void **)
{
	char path[64];
	int fd;

	signal(SIGPIPE, SIG_IGN);
	strcpy(dir, "/tmp/pt-hub-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/key", dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, secret, 32), 32);
	close(fd);
	open_authority(&hub, "good");
	open_authority(&impostor, "evil");
	issue(&hub, hub.authority, "hub.example", X509_ROLE_HUB);
	issue(&impostor, impostor.authority, "hub.example", X509_ROLE_HUB);
	issue(&gateway, hub.authority, "gw.example", X509_ROLE_GATEWAY);
	return uv_loop_init(&loop);
}

static int end(void **)
{
	authority_close(hub.authority);
	authority_close(impostor.authority);
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return uv_loop_close(&loop); // not 0 if a handle was left open
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_settings_and_calls_are_refused),
		cmocka_unit_test(a_mute_hub_is_given_up_after_five_seconds),
		cmocka_unit_test(a_frame_of_impossible_length_ends_the_attempt),
		cmocka_unit_test(garbage_instead_of_m2_is_refused),
		cmocka_unit_test(a_hub_with_the_gate_secret_but_another_root_is_refused),
		cmocka_unit_test(an_m2_of_an_earlier_attempt_is_refused),
		cmocka_unit_test(an_absent_hub_is_tried_ever_more_slowly),
		cmocka_unit_test(nothing_leaves_when_its_ts_cannot_be_stored),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, begin, end);
}
