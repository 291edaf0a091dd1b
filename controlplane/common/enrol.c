// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/enrol.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "controlplane/common/clock.h"
#include "controlplane/common/enrol_priv.h"
#include "controlplane/common/enrol_store.h"

#define CLOCK_SKEW_S 600u

static const char *const code_names[ENROL_N_CODES] = {
	[ENROL_OK] = "ok",
	[ENROL_ERR_TOKEN] = "bad-token",
	[ENROL_ERR_USED] = "token-used",
	[ENROL_ERR_EXPIRED] = "token-expired",
	[ENROL_ERR_NAME] = "wrong-name",
	[ENROL_ERR_NAME_TAKEN] = "name-taken",
	[ENROL_ERR_UNREACHABLE] = "hub-unreachable",
	[ENROL_ERR_SILENCE] = "no-answer",
	[ENROL_ERR_CLOCK] = "clock-off",
	[ENROL_ERR_ROOT] = "wrong-root",
	[ENROL_ERR_NETWORK] = "wrong-network",
	[ENROL_ERR_ENROLLED] = "already-enrolled",
	[ENROL_ERR_IDENTITY] = "identity",
	[ENROL_ERR_PROOF] = "hub-unproven",
	[ENROL_ERR_STORE] = "store",
	[ENROL_ERR_HUB] = "hub-refused",
	[ENROL_ERR_REVOKED] = "revoked",
	[ENROL_ERR_INTERNAL] = "internal",
};

const char *enrol_code_name(enum enrol_code code)
{
	return (unsigned)code < ENROL_N_CODES ? code_names[code] : "unknown";
}

// Fill the error. The numbers returned are only for callers that want one.
int enrol_fail(
	struct enrol_run_state *r, enum enrol_code code, const char *hint, const char *fmt, ...)
{
	va_list ap;

	r->error->code = code;
	va_start(ap, fmt);
	vsnprintf(r->error->message, sizeof(r->error->message), fmt, ap);
	va_end(ap);
	snprintf(r->error->hint, sizeof(r->error->hint), "%s", hint);
	switch (code) {
	case ENROL_ERR_UNREACHABLE:
		return -EHOSTUNREACH;
	case ENROL_ERR_SILENCE:
		return -ETIMEDOUT;
	case ENROL_ERR_ENROLLED:
		return -EEXIST;
	case ENROL_ERR_TOKEN:
		return -EINVAL;
	case ENROL_ERR_STORE:
	case ENROL_ERR_INTERNAL:
		return -EIO;
	default:
		return -EACCES;
	}
}

void enrol_tell(struct enrol_run_state *r, enum enrol_step step, const char *detail)
{
	if (r->progress != NULL)
		r->progress(r->ctx, step, detail);
}

const char *enrol_time_text(uint64_t s, char buf[32])
{
	time_t t = (time_t)s;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(buf, 32, "%Y-%m-%d %H:%M:%S UTC", &tm);
	return buf;
}

// ---- before anything is sent

static int read_token(struct enrol_run_state *r)
{
	static const char *const ask = "Ask the hub's operator for a new one: postern hub token.";
	uint64_t now = clock_unix_s();
	char here[32], there[32];
	int err = token_parse(r->p->token, strlen(r->p->token), &r->token);

	if (err == -EILSEQ)
		return enrol_fail(r, ENROL_ERR_TOKEN,
			"Copy the whole line that the hub printed, from \"" TOKEN_PREFIX
			"\" to its end.",
			"The token is damaged: its checksum is wrong.");
	if (err < 0)
		return enrol_fail(r, ENROL_ERR_TOKEN,
			"A token is one line that begins with \"" TOKEN_PREFIX
			"\"; the hub prints it: postern hub token.",
			"This is not an enrolment token.");
	if (now + CLOCK_SKEW_S < r->token.created)
		return enrol_fail(r, ENROL_ERR_CLOCK,
			"Set this machine's clock (timedatectl set-ntp true), then enrol again.",
			"This machine's clock says %s, but the token was made at %s.",
			enrol_time_text(now, here), enrol_time_text(r->token.created, there));
	if (r->token.expires != 0 && now > r->token.expires + CLOCK_SKEW_S)
		return enrol_fail(r, ENROL_ERR_EXPIRED, ask,
			"The token expired at %s; this machine's clock says %s.",
			enrol_time_text(r->token.expires, there), enrol_time_text(now, here));
	if (r->p->network != NULL && strcmp(r->p->network, r->token.network) != 0)
		return enrol_fail(r, ENROL_ERR_NETWORK,
			"Correct gateway.network in the configuration, or ask for a token of the "
			"right network.",
			"The token is for network \"%s\", the configuration says \"%s\".",
			r->token.network, r->p->network);
	if (!x509_name_ok(r->p->name, strlen(r->p->name)))
		return enrol_fail(r, ENROL_ERR_NAME,
			"Use a lower-case DNS name below the network's, such as "
			"site-a.example-corp.",
			"The gateway's name is not one that a certificate can carry.");
	enrol_tell(r, ENROL_STEP_TOKEN, r->token.hub_name);
	return 0;
}

static int check_enrolled(struct enrol_run_state *r)
{
	char path[ENROL_PATH_MAX];

	if (enrol_path(path, r->p->state_dir, ENROL_FILE_STATE) < 0)
		return enrol_fail(r, ENROL_ERR_STORE, "Choose a shorter state_dir.",
			"The path of the state directory is too long.");
	if (!r->p->again && access(path, F_OK) == 0)
		return enrol_fail(r, ENROL_ERR_ENROLLED,
			"Nothing needs to be done. To enrol anew with the same key, say --again.",
			"This gateway is enrolled already: %s exists.", path);
	if (mkdir(r->p->state_dir, 0700) < 0 && errno != EEXIST)
		return enrol_fail(r, ENROL_ERR_STORE,
			"Create it, or run this command as the user that owns its parent.",
			"The state directory %s cannot be made: %s.", r->p->state_dir,
			strerror(errno));
	return 0;
}

static int open_key(struct enrol_run_state *r)
{
	struct identity_source src = r->p->identity;
	char path[ENROL_PATH_MAX];
	enum identity_error err;
	bool fresh;

	if (src.key_file == NULL) {
		if (enrol_path(path, r->p->state_dir, ENROL_FILE_KEY) < 0)
			return enrol_fail(r, ENROL_ERR_STORE, "Choose a shorter state_dir.",
				"The path of the state directory is too long.");
		src.key_file = path;
	}
	fresh = access(src.key_file, F_OK) < 0 && errno == ENOENT;
	err = signer_spawn(&r->signer);
	if (err == IDENTITY_OK)
		err = fresh ? signer_generate(r->signer, &src) : signer_open_key(r->signer, &src);
	if (err != IDENTITY_OK)
		return enrol_fail(r, ENROL_ERR_IDENTITY, "Correct that, then enrol again.", "%s",
			identity_strerror(err));
	if (signer_public(r->signer, r->pk) < 0)
		return enrol_fail(
			r, ENROL_ERR_IDENTITY, "Try again.", "The signer does not answer.");
	if (r->p->uid != 0 && fresh && chown(src.key_file, r->p->uid, r->p->gid) < 0)
		return enrol_fail(r, ENROL_ERR_STORE, "Run this command as root.",
			"%s cannot be handed to the gateway's user: %s.", src.key_file,
			strerror(errno));
	enrol_tell(r, ENROL_STEP_KEY, fresh ? "new" : "kept");
	return 0;
}

// ---- what is kept

static int hand_over(const struct enrol_params *p)
{
	static const char *const files[] = {ENROL_FILE_CERT, ENROL_FILE_CHAIN, ENROL_FILE_STATE};
	char path[ENROL_PATH_MAX];

	if (p->uid == 0)
		return 0;
	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (enrol_path(path, p->state_dir, files[i]) < 0 || chown(path, p->uid, p->gid) < 0)
			return -errno;
	}
	return chown(p->state_dir, p->uid, p->gid) < 0 ? -errno : 0;
}

static int store(struct enrol_run_state *r)
{
	struct enrol_state s = {.udp2_port = r->token.udp2_port};
	const struct config_endpoint *eps =
		r->p->addresses != NULL ? r->p->addresses : r->token.addresses;
	uint8_t secret[32];
	int err;

	strcpy(s.name, r->p->name);
	strcpy(s.network, r->token.network);
	strcpy(s.hub_name, r->token.hub_name);
	s.n_addresses = r->p->addresses != NULL ? r->p->n_addresses : r->token.n_addresses;
	memcpy(s.addresses, eps, s.n_addresses * sizeof(*eps));
	memcpy(s.gate_secret, r->gate_secret, sizeof(s.gate_secret));
	pair_net_id(s.net_id, x509_trust_root_pk(r->trust), s.network, strlen(s.network));
	err = signer_secret(r->signer, "state", secret);
	if (err == 0)
		err = enrol_store_chain(r->p->state_dir, r->chain, r->chain_len);
	if (err == 0)
		err = enrol_store_state(r->p->state_dir, secret, &s);
	if (err == 0)
		err = hand_over(r->p);
	sodium_memzero(secret, sizeof(secret));
	enrol_state_wipe(&s);
	if (err < 0)
		return enrol_fail(r, ENROL_ERR_STORE,
			"Make room or correct its owner, then run the same command again: the hub "
			"gives this key the same certificate again.",
			"The state directory %s cannot be written: %s.", r->p->state_dir,
			strerror(-err));
	enrol_tell(r, ENROL_STEP_STORED, r->p->state_dir);
	return 0;
}

// ---- the run

static int try_addresses(struct enrol_run_state *r)
{
	const struct config_endpoint *eps =
		r->p->addresses != NULL ? r->p->addresses : r->token.addresses;
	unsigned n = r->p->addresses != NULL ? r->p->n_addresses : r->token.n_addresses;
	int err = -EINVAL;

	for (unsigned i = 0; i < n && i < ENROL_ADDRESSES_MAX; i++) {
		err = enrol_talk(r, &eps[i]);
		// Only where nobody answered is another address worth a try.
		if (err != -ETIMEDOUT && err != -EHOSTUNREACH)
			break;
	}
	return err;
}

int enrol_run(const struct enrol_params *params, enrol_progress progress, void *ctx,
	struct enrol_error *ret_error)
{
	struct enrol_run_state *r = calloc(1, sizeof(*r));
	uint8_t th0[PAIR_HASH_LEN];
	int err;

	*ret_error = (struct enrol_error){0};
	if (r == NULL || sodium_init() < 0) {
		free(r);
		ret_error->code = ENROL_ERR_INTERNAL;
		return -ENOMEM;
	}
	r->p = params;
	r->progress = progress;
	r->ctx = ctx;
	r->error = ret_error;
	r->fd = -1;
	err = read_token(r);
	if (err == 0)
		err = check_enrolled(r);
	if (err == 0)
		err = open_key(r);
	if (err == 0) {
		pair_th0_enrol(th0, r->token.root_hash, r->token.id, r->token.hub_name);
		pair_from_secret(&r->pair, true, r->token.secret, th0);
		err = try_addresses(r);
	}
	if (err == 0)
		err = store(r);
	signer_close(r->signer);
	x509_trust_destroy(r->trust);
	pair_wipe(&r->pair);
	sodium_memzero(r, sizeof(*r));
	free(r);
	return err;
}
