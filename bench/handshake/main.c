// SPDX-License-Identifier: BSD-3-Clause
//
// Handshakes a second on one core, client and server together, all four messages: real certificates
// under a real root, both ends' keys compared after each.
//
// Three ways: the library alone with peers it has met (what a rekey is), the library with chains it
// never saw, and with each side's long-term key in a postern-signer process of its own, on the same
// core.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>
#include <sodium.h>

#include "controlplane/common/ctl_lane.h"
#include "controlplane/common/handshake.h"
#include "controlplane/common/signer.h"
#include "controlplane/common/x509_memo.h"
#include "tests/unit/controlplane/mint.h"

#define SIDES       2 // client, server
#define PEERS       32
#define PER_REP     96
#define REPS_MAX    64
#define SIGNED_REPS 7 // a signer gives SIGNER_BUCKET_BURST signatures at once, then a few a second

static const char *const names[SIDES] = {"site-a." MINT_NETWORK, "site-b." MINT_NETWORK};

struct side {
	struct hs_identity identity;
	uint8_t pk[32], sk[64];
	struct x509_bytes leaf;
	struct signer *signer; // NULL: sk signs
	struct world *world;
};

// Two gateways that know each other.
struct couple {
	struct side side[SIDES];
	struct pair pair[SIDES];
};

struct world {
	EVP_PKEY *issuing_key;
	X509 *issuing;
	struct x509_bytes root_der, issuing_der;
	struct x509_trust *trust;
	struct x509_memo memo[SIDES];
	bool remember;
};

static struct {
	unsigned reps;
	const char *json;
} opt = {.reps = 9};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "handshake: %s\n", what);
	exit(1);
}

// ---------------------------------------------------------------- identities

static int sign(void *ctx, const char *label, const uint8_t *msg, size_t len, uint8_t sig[64])
{
	struct side *side = ctx;
	uint8_t buf[128] = "postern/1 ";
	size_t n = strlen((char *)buf), l = strlen(label) + 1;

	if (side->signer != NULL)
		return signer_sign(side->signer, label, msg, len, sig);
	memcpy(buf + n, label, l);
	memcpy(buf + n + l, msg, len);
	return crypto_sign_detached(sig, NULL, buf, n + l + len, side->sk);
}

// As control does it: the chain to the pinned root by the issuing certificate that it holds.
static int check_cert(void *ctx, enum hs_field kind, const struct der_list *field, const char *name,
	uint8_t ret_pk[32], uint64_t *ret_not_after_s)
{
	const struct side *side = ctx;
	struct world *w = side->world;
	bool client = strcmp(name, names[1]) == 0;
	struct x509_chain chain = {
		.leaf = {field->cert[0].der, field->cert[0].len},
		.issuers = {w->issuing_der},
		.n_issuers = 1,
	};
	struct x509_facts facts;
	enum x509_refusal why;

	if (w->remember)
		why = x509_memo_verify(&w->memo[client], w->trust, &chain, name, X509_ROLE_GATEWAY,
			MINT_NOW, &facts);
	else
		why = x509_verify(w->trust, &chain, name, X509_ROLE_GATEWAY, MINT_NOW, &facts);
	if (why != X509_OK)
		return -1;
	memcpy(ret_pk, facts.pk, 32);
	*ret_not_after_s = facts.chain_not_after;
	return 0;
}

static void make_leaf(struct side *s, unsigned idx)
{
	char san[128];
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, s->pk, 32);

	snprintf(san, sizeof(san), "critical,DNS:%s", names[idx]);
	s->leaf = mint_der(mint_leaf(
		&(struct mint){.san = san}, key, s->world->issuing, s->world->issuing_key));
	EVP_PKEY_free(key);
}

static void couple_init(struct couple *c, struct world *w)
{
	uint8_t secret[32], th0[32];

	randombytes_buf(secret, sizeof(secret));
	randombytes_buf(th0, sizeof(th0));
	for (unsigned i = 0; i < SIDES; i++) {
		struct side *s = &c->side[i];

		*s = (struct side){
			.world = w, .identity = {.ctx = s, .sign = sign, .check_cert = check_cert}};
		crypto_sign_keypair(s->pk, s->sk);
		make_leaf(s, i);
		pair_from_secret(&c->pair[i], i == 0, secret, th0);
	}
}

static void couple_fini(struct couple *c)
{
	for (unsigned i = 0; i < SIDES; i++)
		free((void *)c->side[i].leaf.der);
}

static void world_init(struct world *w)
{
	EVP_PKEY *root_key = mint_key("ED25519");
	X509 *root = mint_ca(
		&(struct mint){.not_after = 3650 * (int64_t)MINT_DAY}, root_key, NULL, root_key);

	w->issuing_key = mint_key("ED25519");
	w->issuing = mint_ca(&(struct mint){.bc = "critical,CA:TRUE,pathlen:0",
				     .not_after = 365 * (int64_t)MINT_DAY},
		w->issuing_key, root, root_key);
	X509_up_ref(w->issuing);
	w->issuing_der = mint_der(w->issuing);
	w->root_der = mint_der(root);
	must(x509_trust_create(w->root_der.der, w->root_der.len, &w->trust) == X509_OK, "no trust");
	EVP_PKEY_free(root_key);
}

static void world_fini(struct world *w)
{
	x509_trust_destroy(w->trust);
	X509_free(w->issuing);
	EVP_PKEY_free(w->issuing_key);
	free((void *)w->root_der.der);
	free((void *)w->issuing_der.der);
}

// ---------------------------------------------------------------- a handshake

static void confirm(const struct hs_result *client, const struct hs_result *server)
{
	uint8_t m4[CTL_LANE_OVERHEAD], plain[CTL_LANE_OVERHEAD];
	struct ctl_lane to, from;
	size_t n, plain_len;

	ctl_lane_init(&from, &server->traffic, false, server->rx_key_id, server->tx_key_id,
		PKT_HS_MAX_LEN);
	ctl_lane_init(
		&to, &client->traffic, true, client->rx_key_id, client->tx_key_id, PKT_HS_MAX_LEN);
	n = ctl_lane_seal(&from, PKT_KIND_CONFIRM, NULL, 0, m4);
	must(n > 0 && ctl_lane_open(&to, m4, n, plain, &plain_len) == 0, "M4 does not open");
	ctl_lane_wipe(&to);
	ctl_lane_wipe(&from);
}

static void one_handshake(struct couple *c, uint64_t ts_us)
{
	static uint8_t m2[PKT_HS_MAX_LEN], m3[PKT_HS_MAX_LEN];
	struct hs_result result[SIDES];
	struct hs_config cfg[SIDES];
	struct hs_client client;
	struct hs_server server;
	struct pkt_m1 m1;
	size_t m2_len, m3_len;
	uint8_t rnd[64];

	for (unsigned i = 0; i < SIDES; i++) {
		const struct side *me = &c->side[i], *other = &c->side[1 - i];

		cfg[i] = (struct hs_config){.pair = &c->pair[i],
			.identity = &me->identity,
			.peer_name = names[1 - i],
			.expect_key = other->pk,
			.own_field = me->leaf.der,
			.own_field_len = me->leaf.len,
			.peer_field = HS_FIELD_LEAF,
			.max_len = PKT_HS_MAX_LEN,
			.caps = PKT_CAP_CHACHA | PKT_CAP_AES};
	}
	randombytes_buf(rnd, sizeof(rnd));
	hs_client_start(&client, &cfg[0], 0x100, ts_us, MINT_NOW, rnd, &m1);
	must(hs_server_check_m1(&c->pair[1], &m1, sizeof(m1), MINT_NOW) == HS_OK, "M1 refused");
	randombytes_buf(rnd, sizeof(rnd));
	must(hs_server_m1(&server, &cfg[1], &m1, sizeof(m1), 0x200, MINT_NOW, rnd, m2, &m2_len) ==
			HS_OK,
		"no M2");
	must(hs_client_m2(&client, m2, m2_len, MINT_NOW, m3, &m3_len, &result[0]) == HS_OK,
		"M2 refused");
	must(hs_server_m3(&server, m3, m3_len, MINT_NOW, &result[1]) == HS_OK, "M3 refused");
	must(memcmp(&result[0].traffic, &result[1].traffic, sizeof(result[0].traffic)) == 0,
		"the two ends have different keys");
	confirm(&result[0], &result[1]);
	hs_client_fini(&client);
	hs_server_fini(&server);
	hs_result_wipe(&result[0]);
	hs_result_wipe(&result[1]);
}

// ---------------------------------------------------------------- measuring

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

// Handshakes a second, one figure a repetition.
static void measure(struct couple *c, unsigned n, unsigned reps, double per_s[REPS_MAX])
{
	static uint64_t ts = 1;

	for (unsigned rep = 0; rep < reps; rep++) {
		double from = now_s();

		for (unsigned i = 0; i < PER_REP; i++)
			one_handshake(&c[i % n], ts++);
		per_s[rep] = PER_REP / (now_s() - from);
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static json_t *row(const char *what, const char *about, double *per_s, unsigned reps)
{
	json_t *samples = json_array();

	for (unsigned i = 0; i < reps; i++)
		json_array_append_new(samples, json_real(per_s[i]));
	qsort(per_s, reps, sizeof(per_s[0]), by_value);
	printf("  %-22s %8.0f /s   %6.0f us   (%.0f to %.0f)   %s\n", what, per_s[reps / 2],
		1e6 / per_s[reps / 2], per_s[0], per_s[reps - 1], about);
	fflush(stdout);
	return json_pack("{s:s, s:s, s:f, s:{s:o}}", "what", what, "about", about, "per_s",
		per_s[reps / 2], "samples", "per_s", samples);
}

// A signer of its own for each side, with the key that it makes for itself.
static void start_signers(struct couple *c, const char *dir)
{
	const struct identity_kdf cheap = {.passes = 1, .memory_bytes = 8192};

	for (unsigned i = 0; i < SIDES; i++) {
		struct side *s = &c->side[i];
		char key[128], pass[128];
		struct identity_source src = {
			.key_file = key, .passphrase_file = pass, .kdf = &cheap};
		enum identity_error err;
		FILE *f;

		snprintf(key, sizeof(key), "%s/key%u", dir, i);
		snprintf(pass, sizeof(pass), "%s/pass%u", dir, i);
		f = fopen(pass, "w");
		must(f != NULL && fputs("a benchmark's passphrase\n", f) >= 0 && fclose(f) == 0,
			"no passphrase file");
		must(chmod(pass, 0600) == 0, "no passphrase file");
		err = signer_spawn(&s->signer);
		if (err == IDENTITY_OK)
			err = signer_generate(s->signer, &src);
		must(err == IDENTITY_OK, identity_strerror(err));
		must(signer_public(s->signer, s->pk) == 0, "the signer does not answer");
		free((void *)s->leaf.der);
		make_leaf(s, i);
		unlink(key);
		unlink(pass);
	}
}

static void measure_with_signers(struct world *w, json_t *rows)
{
	char dir[] = "/tmp/postern-handshake.XXXXXX";
	double per_s[REPS_MAX];
	struct couple c;

	must(mkdtemp(dir) != NULL, "no temporary directory");
	couple_init(&c, w);
	start_signers(&c, dir);
	one_handshake(&c, 1);
	measure(&c, 1, SIGNED_REPS, per_s);
	json_array_append_new(
		rows, row("with signer processes", "each side's key in a postern-signer, same core",
			      per_s, SIGNED_REPS));
	for (unsigned i = 0; i < SIDES; i++)
		signer_close(c.side[i].signer);
	couple_fini(&c);
	rmdir(dir);
}

static void measure_all(struct world *w, json_t *rows)
{
	struct couple *c = calloc(PEERS, sizeof(*c));
	double per_s[REPS_MAX];

	for (unsigned i = 0; i < PEERS; i++)
		couple_init(&c[i], w);
	w->remember = true;
	for (unsigned i = 0; i < PEERS; i++)
		one_handshake(&c[i], 1);
	measure(c, PEERS, opt.reps, per_s);
	json_array_append_new(
		rows, row("library", "chains seen before, as in a rekey", per_s, opt.reps));
	w->remember = false;
	measure(c, PEERS, opt.reps, per_s);
	json_array_append_new(
		rows, row("library, new chains", "each chain verified in full", per_s, opt.reps));
	w->remember = true;
	measure_with_signers(w, rows);
	for (unsigned i = 0; i < PEERS; i++)
		couple_fini(&c[i]);
	free(c);
}

static void usage(void)
{
	printf("Usage: tools/bench handshake [--reps N] [--json FILE]\n\n"
	       "Handshakes a second on one core, client and server side together.\n\n"
	       "  --reps N     repetitions of %d handshakes (9)\n"
	       "  --json FILE  write {machine, rows}\n\n"
	       "exit status: 0 measured, 1 a handshake failed, 2 wrong command line\n",
		PER_REP);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"reps", 1, NULL, 'r'}, {"json", 1, NULL, 'j'}, {"help", 0, NULL, 'h'}, {0}};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'r':
			opt.reps = (unsigned)atoi(optarg);
			break;
		case 'j':
			opt.json = optarg;
			break;
		default:
			usage();
			exit(c == 'h' ? 0 : 2);
		}
	}
	if (opt.reps < 1 || opt.reps > REPS_MAX || optind != argc) {
		usage();
		exit(2);
	}
}

int main(int argc, char **argv)
{
	static struct world w;
	json_t *rows = json_array(), *root;

	parse(argc, argv);
	must(sodium_init() >= 0, "no libsodium");
	printf("handshakes on one core, both sides together, median of %u (lowest to highest)\n",
		opt.reps);
	world_init(&w);
	measure_all(&w, rows);
	printf("  a signer gives %u signatures at once and then %u a second, by design\n",
		SIGNER_BUCKET_BURST, SIGNER_BUCKET_PER_S);
	world_fini(&w);
	root = json_pack("{s:s, s:o}", "bench", "handshake", "rows", rows);
	must(opt.json == NULL || json_dump_file(root, opt.json, JSON_INDENT(1)) == 0,
		"cannot write the JSON file");
	json_decref(root);
	return 0;
}
