// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/enrol.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "controlplane/common/clock.h"
#include "controlplane/common/enrol_store.h"
#include "controlplane/common/handshake.h"
#include "controlplane/common/linkcert.h"
#include "controlplane/common/recordlane.h"
#include "controlplane/common/signer.h"
#include "controlplane/common/token.h"

#define ATTEMPT_MS       5000u
#define KNOCK_LEAD_MS    30
#define CONNECT_FIRST_MS 400u
#define CLOCK_SKEW_S     600u

// One run, from token to files.
struct run {
	const struct enrol_params *p;
	enrol_progress progress;
	void *ctx;
	struct enrol_error *error;
	struct token token;
	struct signer *signer;
	uint8_t pk[32];
	struct pair pair;
	const struct config_endpoint *at; // the address being tried
	char at_text[CONFIG_ENDPOINT_TEXT];
	uint64_t deadline_us;
	uint64_t ts;
	int fd;
	struct tcpframe in;
	const uint8_t *unread; // into chunk
	size_t n_unread;
	uint8_t chunk[4096];
	struct recordlane lane;
	struct x509_trust *trust; // of the root that the token names
	bool verdict;             // check_cert has filled *error
	bool answered;            // a CERT was accepted
	uint8_t chain[DER_LIST_MAX_LEN];
	size_t chain_len;
	uint8_t gate_secret[32];
	uint8_t out[TCPFRAME_HEAD_BYTES + PKT_HS_TCP_MAX_LEN];
};

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
__attribute__((format(printf, 4, 5))) static int fail(
	struct run *r, enum enrol_code code, const char *hint, const char *fmt, ...)
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

static void tell(struct run *r, enum enrol_step step, const char *detail)
{
	if (r->progress != NULL)
		r->progress(r->ctx, step, detail);
}

static const char *time_text(uint64_t s, char buf[32])
{
	time_t t = (time_t)s;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(buf, 32, "%Y-%m-%d %H:%M:%S UTC", &tm);
	return buf;
}

// ---- before anything is sent

static int read_token(struct run *r)
{
	static const char *const ask = "Ask the hub's operator for a new one: postern hub token.";
	uint64_t now = clock_unix_s();
	char here[32], there[32];
	int err = token_parse(r->p->token, strlen(r->p->token), &r->token);

	if (err == -EILSEQ)
		return fail(r, ENROL_ERR_TOKEN,
			"Copy the whole line that the hub printed, from \"" TOKEN_PREFIX
			"\" to its end.",
			"The token is damaged: its checksum is wrong.");
	if (err < 0)
		return fail(r, ENROL_ERR_TOKEN,
			"A token is one line that begins with \"" TOKEN_PREFIX
			"\"; the hub prints it: postern hub token.",
			"This is not an enrolment token.");
	if (now + CLOCK_SKEW_S < r->token.created)
		return fail(r, ENROL_ERR_CLOCK,
			"Set this machine's clock (timedatectl set-ntp true), then enrol again.",
			"This machine's clock says %s, but the token was made at %s.",
			time_text(now, here), time_text(r->token.created, there));
	if (r->token.expires != 0 && now > r->token.expires + CLOCK_SKEW_S)
		return fail(r, ENROL_ERR_EXPIRED, ask,
			"The token expired at %s; this machine's clock says %s.",
			time_text(r->token.expires, there), time_text(now, here));
	if (r->p->network != NULL && strcmp(r->p->network, r->token.network) != 0)
		return fail(r, ENROL_ERR_NETWORK,
			"Correct gateway.network in the configuration, or ask for a token of the "
			"right network.",
			"The token is for network \"%s\", the configuration says \"%s\".",
			r->token.network, r->p->network);
	if (!x509_name_ok(r->p->name, strlen(r->p->name)))
		return fail(r, ENROL_ERR_NAME,
			"Use a lower-case DNS name below the network's, such as "
			"site-a.example-corp.",
			"The gateway's name is not one that a certificate can carry.");
	tell(r, ENROL_STEP_TOKEN, r->token.hub_name);
	return 0;
}

static int check_enrolled(struct run *r)
{
	char path[ENROL_PATH_MAX];

	if (enrol_path(path, r->p->state_dir, ENROL_FILE_STATE) < 0)
		return fail(r, ENROL_ERR_STORE, "Choose a shorter state_dir.",
			"The path of the state directory is too long.");
	if (!r->p->again && access(path, F_OK) == 0)
		return fail(r, ENROL_ERR_ENROLLED,
			"Nothing needs to be done. To enrol anew with the same key, say --again.",
			"This gateway is enrolled already: %s exists.", path);
	if (mkdir(r->p->state_dir, 0700) < 0 && errno != EEXIST)
		return fail(r, ENROL_ERR_STORE,
			"Create it, or run this command as the user that owns its parent.",
			"The state directory %s cannot be made: %s.", r->p->state_dir,
			strerror(errno));
	return 0;
}

static int open_key(struct run *r)
{
	struct identity_source src = r->p->identity;
	char path[ENROL_PATH_MAX];
	enum identity_error err;
	bool fresh;

	if (src.key_file == NULL) {
		if (enrol_path(path, r->p->state_dir, ENROL_FILE_KEY) < 0)
			return fail(r, ENROL_ERR_STORE, "Choose a shorter state_dir.",
				"The path of the state directory is too long.");
		src.key_file = path;
	}
	fresh = access(src.key_file, F_OK) < 0 && errno == ENOENT;
	err = signer_spawn(&r->signer);
	if (err == IDENTITY_OK)
		err = fresh ? signer_generate(r->signer, &src) : signer_open_key(r->signer, &src);
	if (err != IDENTITY_OK)
		return fail(r, ENROL_ERR_IDENTITY, "Correct that, then enrol again.", "%s",
			identity_strerror(err));
	if (signer_public(r->signer, r->pk) < 0)
		return fail(r, ENROL_ERR_IDENTITY, "Try again.", "The signer does not answer.");
	if (r->p->uid != 0 && fresh && chown(src.key_file, r->p->uid, r->p->gid) < 0)
		return fail(r, ENROL_ERR_STORE, "Run this command as root.",
			"%s cannot be handed to the gateway's user: %s.", src.key_file,
			strerror(errno));
	tell(r, ENROL_STEP_KEY, fresh ? "new" : "kept");
	return 0;
}

// ---- the connection

static int left_ms(const struct run *r, uint64_t limit_us)
{
	uint64_t now = clock_mono_us();
	uint64_t end = limit_us < r->deadline_us ? limit_us : r->deadline_us;

	return end > now ? (int)((end - now) / 1000) + 1 : 0;
}

static int silence(struct run *r, const char *what)
{
	char now[32];

	return fail(r, ENROL_ERR_SILENCE,
		"A hub is silent to whoever it does not know. Check that the hub runs and its port "
		"is "
		"reachable (UDP and TCP), that it still lists the token (postern hub token list), "
		"and "
		"that this machine's clock is right.",
		"The hub at %s %s. This machine's clock says %s.", r->at_text, what,
		time_text(clock_unix_s(), now));
}

static void knock(struct run *r)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = config_endpoint_sockaddr(r->at, &sa);
	int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pkt_punch punch;
	ssize_t ignored;

	if (fd < 0)
		return;
	pair_punch_build(&r->pair, r->ts, clock_unix_s(), 0, &punch);
	ignored = sendto(fd, &punch, sizeof(punch), 0, (struct sockaddr *)&sa, sa_len);
	(void)ignored;
	close(fd);
}

// Wait for a connect to end. 0, -ETIMEDOUT, or what the network said.
static int await_connect(struct run *r, uint64_t limit_us)
{
	struct pollfd pfd = {.fd = r->fd, .events = POLLOUT};
	socklen_t len = sizeof(int);
	int n, err = 0;

	do {
		n = poll(&pfd, 1, left_ms(r, limit_us));
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return -ETIMEDOUT;
	if (getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return -errno;
	return -err;
}

static int connect_once(struct run *r, unsigned window_ms)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = config_endpoint_sockaddr(r->at, &sa);
	int err;

	knock(r);
	// The hub's filter opens a moment after the knock; a SYN that comes earlier is lost.
	usleep(KNOCK_LEAD_MS * 1000);
	r->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->fd < 0)
		return -errno;
	err = connect(r->fd, (struct sockaddr *)&sa, sa_len) < 0 ? -errno : 0;
	if (err == -EINPROGRESS)
		err = await_connect(r, clock_mono_us() + window_ms * 1000ull);
	if (err < 0) {
		close(r->fd);
		r->fd = -1;
	}
	return err;
}

static int connect_hub(struct run *r)
{
	unsigned window_ms = CONNECT_FIRST_MS;
	int err;

	tell(r, ENROL_STEP_KNOCK, r->at_text);
	do {
		err = connect_once(r, window_ms);
		window_ms *= 2;
	} while (err == -ETIMEDOUT && left_ms(r, UINT64_MAX) > 0);
	if (err == -ETIMEDOUT)
		return silence(r, "does not answer");
	if (err < 0)
		return fail(r, ENROL_ERR_UNREACHABLE,
			"Check the address, this machine's route to it, and that the hub is "
			"running.",
			"The hub at %s cannot be reached: %s.", r->at_text, strerror(-err));
	tell(r, ENROL_STEP_CONNECT, r->at_text);
	return 0;
}

static int send_all(void *ctx, const uint8_t *p, size_t len)
{
	struct run *r = ctx;

	while (len > 0) {
		ssize_t n = send(r->fd, p, len, MSG_NOSIGNAL);
		struct pollfd pfd = {.fd = r->fd, .events = POLLOUT};

		if (n < 0 && errno == EAGAIN && poll(&pfd, 1, left_ms(r, UINT64_MAX)) > 0)
			continue;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -ECONNRESET;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int send_frame(struct run *r, const void *p, size_t len)
{
	tcpframe_head(r->out, len);
	memcpy(r->out + TCPFRAME_HEAD_BYTES, p, len);
	return send_all(r, r->out, TCPFRAME_HEAD_BYTES + len);
}

// Read until a frame is there; what comes behind it waits in chunk.
static int read_frame(struct run *r, const uint8_t **ret_frame, size_t *ret_len)
{
	for (;;) {
		struct pollfd pfd = {.fd = r->fd, .events = POLLIN};
		int got = tcpframe_feed(&r->in, &r->unread, &r->n_unread, ret_frame, ret_len);
		ssize_t n;

		if (got != 0)
			return got < 0 ? got : 0;
		if (poll(&pfd, 1, left_ms(r, UINT64_MAX)) <= 0)
			return -ETIMEDOUT;
		n = recv(r->fd, r->chunk, sizeof(r->chunk), 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return -ECONNRESET;
		r->unread = r->chunk;
		r->n_unread = (size_t)n;
	}
}

// ---- the handshake

static int identity_sign(
	void *ctx, const char *label, const uint8_t *msg, size_t len, uint8_t sig[64])
{
	struct run *r = ctx;

	return signer_sign(r->signer, label, msg, len, sig);
}

static int refuse_hub_cert(struct run *r, enum x509_refusal why)
{
	char now[32];

	r->verdict = true;
	if (why == X509_REFUSE_NOT_YET_VALID || why == X509_REFUSE_ISSUER_VALIDITY)
		return fail(r, ENROL_ERR_CLOCK,
			"Set this machine's clock (timedatectl set-ntp true), then enrol again; if "
			"it "
			"is right, the hub's certificate must be renewed.",
			"The hub's certificate is not valid at %s, which is what this machine's "
			"clock says.",
			time_text(clock_unix_s(), now));
	return fail(r, ENROL_ERR_PROOF,
		"Do not go on: this may be another machine at the hub's address. Ask the hub's "
		"operator.",
		"The hub's certificate was refused: %s", x509_strerror(why));
}

// The chain that came along must end in the very root whose hash the token carries; that root is
// pinned from here on.
static int identity_check(void *ctx, enum hs_field, const struct der_list *field, const char *name,
	uint8_t ret_pk[32], uint64_t *ret_not_after_s)
{
	struct run *r = ctx;
	const struct der_view *root = &field->cert[field->n - 1];
	struct x509_facts facts;
	enum x509_refusal why;
	uint8_t hash[32];

	pair_hash(hash, root->der, root->len);
	if (field->n < 3 || sodium_memcmp(hash, r->token.root_hash, sizeof(hash)) != 0) {
		r->verdict = true;
		return fail(r, ENROL_ERR_ROOT,
			"Do not go on: this is not the hub that made the token. Ask the hub's "
			"operator for a token made now.",
			"The hub's root certificate is not the one that the token names.");
	}
	x509_trust_destroy(r->trust);
	r->trust = NULL;
	why = x509_trust_create(root->der, root->len, &r->trust);
	if (why == X509_OK)
		why = linkcert_verify(r->trust, field, name, X509_ROLE_HUB, clock_unix_s(), &facts);
	if (why != X509_OK)
		return refuse_hub_cert(r, why);
	memcpy(ret_pk, facts.pk, sizeof(facts.pk));
	*ret_not_after_s = facts.not_after;
	return 0;
}

static int take_nothing(void *, uint16_t, const uint8_t *, size_t)
{
	return -EBADMSG;
}

static int finish_handshake(struct run *r, struct hs_client *hs)
{
	uint8_t m3[PKT_HS_TCP_MAX_LEN];
	const uint8_t *frame;
	struct hs_result result;
	size_t len, m3_len;
	enum hs_status st;

	if (read_frame(r, &frame, &len) < 0)
		return silence(r, "takes connections but does not answer the token");
	st = hs_client_m2(hs, frame, len, clock_unix_s(), m3, &m3_len, &result);
	if (st != HS_OK) {
		if (r->verdict)
			return -EACCES;
		return fail(r, st == HS_SIGNER ? ENROL_ERR_IDENTITY : ENROL_ERR_PROOF,
			"Ask the hub's operator for a new token; if it happens again, this is not "
			"the hub that made it.",
			"The hub's proof was refused: %s.", hs_status_text(st));
	}
	if (recordlane_init(&r->lane, &result, true) < 0)
		return fail(r, ENROL_ERR_INTERNAL, "Free some memory.", "Out of memory.");
	if (send_frame(r, m3, m3_len) < 0 || read_frame(r, &frame, &len) < 0 ||
		recordlane_recv(&r->lane, frame, len, take_nothing, r) < 0 || !r->lane.confirmed)
		return silence(r, "broke off in the handshake");
	tell(r, ENROL_STEP_HUB, r->token.hub_name);
	return 0;
}

static int handshake(struct run *r)
{
	struct hs_identity identity = {
		.ctx = r, .sign = identity_sign, .check_cert = identity_check};
	struct hs_config cfg = {
		.pair = &r->pair,
		.identity = &identity,
		.peer_name = r->token.hub_name,
		.own_field = r->pk,
		.own_field_len = sizeof(r->pk),
		.peer_field = HS_FIELD_CHAIN,
		.max_len = PKT_HS_TCP_MAX_LEN,
		.caps = PKT_CAP_CHACHA,
	};
	struct hs_client hs;
	struct pkt_m1 m1;
	uint8_t rnd[64];
	int err;

	if (signer_secret(r->signer, "hedge", cfg.hedge) < 0)
		return fail(r, ENROL_ERR_IDENTITY, "Try again.", "The signer does not answer.");
	randombytes_buf(rnd, sizeof(rnd));
	hs_client_start(&hs, &cfg, pkt_key_id(0, 1), r->ts, clock_unix_s(), rnd, &m1);
	if (send_frame(r, &m1, sizeof(m1)) < 0)
		err = silence(r, "closed the connection");
	else
		err = finish_handshake(r, &hs);
	hs_client_fini(&hs);
	sodium_memzero(&cfg, sizeof(cfg));
	sodium_memzero(rnd, sizeof(rnd));
	return err;
}

// ---- the request

static int refused(struct run *r, const struct record_error *e)
{
	static const char *const ask = "Ask the hub's operator for a new one: postern hub token.";
	char said[RECORD_TEXT_MAX + 1];

	snprintf(said, sizeof(said), "%.*s", (int)e->text_len, e->text);
	switch (e->code) {
	case RECORD_E_TOKEN_USED:
		return fail(r, ENROL_ERR_USED, ask, "The token has no uses left.");
	case RECORD_E_TOKEN_EXPIRED:
		return fail(r, ENROL_ERR_EXPIRED, ask, "The token has expired.");
	case RECORD_E_TOKEN:
		return fail(r, ENROL_ERR_USED, ask, "The hub no longer takes this token.");
	case RECORD_E_NAME:
		return fail(r, ENROL_ERR_NAME,
			"Correct gateway.name, or ask for a token for this name.",
			"The hub does not give the name \"%s\" for this token: %s", r->p->name,
			said);
	case RECORD_E_NAME_TAKEN:
		return fail(r, ENROL_ERR_NAME_TAKEN,
			"Choose another name; if this machine replaces the old one, the hub's "
			"operator first revokes the name: postern hub revoke NAME.",
			"Another gateway holds the name \"%s\".", r->p->name);
	case RECORD_E_REVOKED:
		return fail(r, ENROL_ERR_REVOKED,
			"Remove identity.key from the state directory to enrol with a new key.",
			"The hub has revoked this key.");
	default:
		return fail(r, ENROL_ERR_HUB, "See the hub's log.", "The hub refused: %s",
			said[0] != '\0' ? said : "no reason given.");
	}
}

static int accept_cert(struct run *r, const struct record_cert *cert)
{
	struct x509_facts facts;
	enum x509_refusal why;

	if ((cert->flags & RECORD_CERT_HAS_GATE) == 0 ||
		enrol_check_chain(r->trust, &cert->chain, r->p->name, r->pk, clock_unix_s(), &facts,
			&why) < 0)
		return fail(r, ENROL_ERR_PROOF, "See the hub's log, and this machine's clock.",
			"The hub sent a certificate that does not hold: %s",
			why != X509_OK ? x509_strerror(why) : "another key's.");
	r->chain_len = der_list_build(&cert->chain, r->chain, sizeof(r->chain));
	if (r->chain_len == 0)
		return fail(r, ENROL_ERR_PROOF, "See the hub's log.",
			"The hub sent a certificate that does not hold.");
	memcpy(r->gate_secret, cert->gate_secret, sizeof(r->gate_secret));
	r->answered = true;
	tell(r, ENROL_STEP_CERT, facts.name);
	return 0;
}

static int take_answer(void *ctx, uint16_t type, const uint8_t *body, size_t len)
{
	struct run *r = ctx;
	struct record rec;

	if (record_parse(type, body, len, &rec) < 0)
		return type == RECORD_CERT || type == RECORD_ERROR ? -EBADMSG : 0;
	if (type == RECORD_CERT)
		return accept_cert(r, &rec.cert);
	if (type == RECORD_ERROR) {
		r->verdict = true;
		return refused(r, &rec.error);
	}
	return 0; // other records are not for a gateway that is being enrolled
}

static int request(struct run *r)
{
	uint8_t body[512 + RECORD_SIG_LEN];
	struct record_csr csr = {
		.purpose = RECORD_CSR_ENROL,
		.th0 = r->pair.th0,
		.public_key = r->pk,
		.time_s = clock_unix_s(),
		.caps = PKT_CAP_CHACHA,
		.name = r->p->name,
		.name_len = (uint16_t)strlen(r->p->name),
	};
	size_t n = record_build_csr_unsigned(&csr, body, sizeof(body) - RECORD_SIG_LEN);
	const uint8_t *frame;
	size_t len;
	int err;

	if (n == 0 || signer_sign(r->signer, "csr", body, n, body + n) < 0)
		return fail(r, ENROL_ERR_IDENTITY, "Try again.", "The signer does not sign.");
	if (recordlane_send(&r->lane, RECORD_CSR, body, n + RECORD_SIG_LEN, send_all, r) < 0)
		return silence(r, "closed the connection");
	while (!r->answered) {
		if (read_frame(r, &frame, &len) < 0)
			return silence(r, "did not answer the request");
		err = recordlane_recv(&r->lane, frame, len, take_answer, r);
		if (err < 0 && r->error->code != ENROL_OK)
			return err;
		if (err < 0)
			return fail(r, ENROL_ERR_PROOF, "Try again.",
				"What the hub sent is not well-formed.");
	}
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

static int store(struct run *r)
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
		return fail(r, ENROL_ERR_STORE,
			"Make room or correct its owner, then run the same command again: the hub "
			"gives this key the same certificate again.",
			"The state directory %s cannot be written: %s.", r->p->state_dir,
			strerror(-err));
	tell(r, ENROL_STEP_STORED, r->p->state_dir);
	return 0;
}

// ---- the run

static int try_address(struct run *r, const struct config_endpoint *at)
{
	unsigned ms = r->p->attempt_ms != 0 ? r->p->attempt_ms : ATTEMPT_MS;
	uint64_t ts = clock_unix_us();
	int err;

	r->at = at;
	config_endpoint_format(at, r->at_text);
	r->deadline_us = clock_mono_us() + ms * 1000ull;
	r->ts = ts > r->ts ? ts : r->ts + 1;
	r->in.used = 0;
	r->n_unread = 0;
	r->verdict = false;
	*r->error = (struct enrol_error){0}; // of the address before
	err = connect_hub(r);
	if (err == 0)
		err = handshake(r);
	if (err == 0)
		err = request(r);
	recordlane_fini(&r->lane);
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	return err;
}

static int try_addresses(struct run *r)
{
	const struct config_endpoint *eps =
		r->p->addresses != NULL ? r->p->addresses : r->token.addresses;
	unsigned n = r->p->addresses != NULL ? r->p->n_addresses : r->token.n_addresses;
	int err = -EINVAL;

	for (unsigned i = 0; i < n && i < ENROL_ADDRESSES_MAX; i++) {
		err = try_address(r, &eps[i]);
		// Only where nobody answered is another address worth a try.
		if (err != -ETIMEDOUT && err != -EHOSTUNREACH)
			break;
	}
	return err;
}

int enrol_run(const struct enrol_params *params, enrol_progress progress, void *ctx,
	struct enrol_error *ret_error)
{
	struct run *r = calloc(1, sizeof(*r));
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
