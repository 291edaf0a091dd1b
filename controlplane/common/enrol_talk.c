// SPDX-License-Identifier: BSD-3-Clause
//
// Enrolment, the part on the network: knock, connect, handshake, request.
#include "controlplane/common/enrol_priv.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#include "controlplane/common/clock.h"
#include "controlplane/common/enrol_store.h"
#include "controlplane/common/hubknock.h"
#include "controlplane/common/linkcert.h"

#define ATTEMPT_MS       5000u
#define KNOCK_LEAD_MS    30
#define CONNECT_FIRST_MS 400u

// ---- the connection

static int left_ms(const struct enrol_run_state *r, uint64_t limit_us)
{
	uint64_t now = clock_mono_us();
	uint64_t end = limit_us < r->deadline_us ? limit_us : r->deadline_us;

	return end > now ? (int)((end - now) / 1000) + 1 : 0;
}

static int silence(struct enrol_run_state *r, const char *what)
{
	char now[32];

	return enrol_fail(r, ENROL_ERR_SILENCE,
		"A hub is silent to whoever it does not know. Check that the hub runs and its port "
		"is "
		"reachable (UDP and TCP), that it still lists the token (postern hub token list), "
		"and "
		"that this machine's clock is right.",
		"The hub at %s %s. This machine's clock says %s.", r->at_text, what,
		enrol_time_text(clock_unix_s(), now));
}

// Wait for a connect to end. 0, -ETIMEDOUT, or what the network said.
static int await_connect(struct enrol_run_state *r, uint64_t limit_us)
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

static int connect_once(struct enrol_run_state *r, unsigned window_ms)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = config_endpoint_sockaddr(r->at, &sa);
	int err;

	hubknock_send(&r->pair, r->at, r->ts);
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

static int connect_hub(struct enrol_run_state *r)
{
	unsigned window_ms = CONNECT_FIRST_MS;
	int err;

	enrol_tell(r, ENROL_STEP_KNOCK, r->at_text);
	do {
		err = connect_once(r, window_ms);
		window_ms *= 2;
	} while (err == -ETIMEDOUT && left_ms(r, UINT64_MAX) > 0);
	if (err == -ETIMEDOUT)
		return silence(r, "does not answer");
	if (err < 0)
		return enrol_fail(r, ENROL_ERR_UNREACHABLE,
			"Check the address, this machine's route to it, and that the hub is "
			"running.",
			"The hub at %s cannot be reached: %s.", r->at_text, strerror(-err));
	enrol_tell(r, ENROL_STEP_CONNECT, r->at_text);
	return 0;
}

static int send_all(void *ctx, const uint8_t *p, size_t len)
{
	struct enrol_run_state *r = ctx;

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

static int send_frame(struct enrol_run_state *r, const void *p, size_t len)
{
	tcpframe_head(r->out, len);
	memcpy(r->out + TCPFRAME_HEAD_BYTES, p, len);
	return send_all(r, r->out, TCPFRAME_HEAD_BYTES + len);
}

// Read until a frame is there; what comes behind it waits in chunk.
static int read_frame(struct enrol_run_state *r, const uint8_t **ret_frame, size_t *ret_len)
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
	struct enrol_run_state *r = ctx;

	return signer_sign(r->signer, label, msg, len, sig);
}

static int refuse_hub_cert(struct enrol_run_state *r, enum x509_refusal why)
{
	char now[32];

	r->verdict = true;
	if (why == X509_REFUSE_NOT_YET_VALID || why == X509_REFUSE_ISSUER_VALIDITY)
		return enrol_fail(r, ENROL_ERR_CLOCK,
			"Set this machine's clock (timedatectl set-ntp true), then enrol again; if "
			"it "
			"is right, the hub's certificate must be renewed.",
			"The hub's certificate is not valid at %s, which is what this machine's "
			"clock says.",
			enrol_time_text(clock_unix_s(), now));
	return enrol_fail(r, ENROL_ERR_PROOF,
		"Do not go on: this may be another machine at the hub's address. Ask the hub's "
		"operator.",
		"The hub's certificate was refused: %s", x509_strerror(why));
}

// The chain that came along must end in the very root whose hash the token carries; that root is
// pinned from here on.
static int identity_check(void *ctx, enum hs_field, const struct der_list *field, const char *name,
	uint8_t ret_pk[32], uint64_t *ret_not_after_s)
{
	struct enrol_run_state *r = ctx;
	const struct der_view *root = &field->cert[field->n - 1];
	struct x509_facts facts;
	enum x509_refusal why;
	uint8_t hash[32];

	pair_hash(hash, root->der, root->len);
	if (field->n < 3 || sodium_memcmp(hash, r->token.root_hash, sizeof(hash)) != 0) {
		r->verdict = true;
		return enrol_fail(r, ENROL_ERR_ROOT,
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

static int finish_handshake(struct enrol_run_state *r, struct hs_client *hs)
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
		return enrol_fail(r, st == HS_SIGNER ? ENROL_ERR_IDENTITY : ENROL_ERR_PROOF,
			"Ask the hub's operator for a new token; if it happens again, this is not "
			"the hub that made it.",
			"The hub's proof was refused: %s.", hs_status_text(st));
	}
	if (recordlane_init(&r->lane, &result, true) < 0)
		return enrol_fail(r, ENROL_ERR_INTERNAL, "Free some memory.", "Out of memory.");
	if (send_frame(r, m3, m3_len) < 0 || read_frame(r, &frame, &len) < 0 ||
		recordlane_recv(&r->lane, frame, len, take_nothing, r) < 0 || !r->lane.confirmed)
		return silence(r, "broke off in the handshake");
	enrol_tell(r, ENROL_STEP_HUB, r->token.hub_name);
	return 0;
}

static int handshake(struct enrol_run_state *r)
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
		return enrol_fail(
			r, ENROL_ERR_IDENTITY, "Try again.", "The signer does not answer.");
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

static int refused(struct enrol_run_state *r, const struct record_error *e)
{
	static const char *const ask = "Ask the hub's operator for a new one: postern hub token.";
	char said[RECORD_TEXT_MAX + 1];

	snprintf(said, sizeof(said), "%.*s", (int)e->text_len, e->text);
	switch (e->code) {
	case RECORD_E_TOKEN_USED:
		return enrol_fail(r, ENROL_ERR_USED, ask, "The token has no uses left.");
	case RECORD_E_TOKEN_EXPIRED:
		return enrol_fail(r, ENROL_ERR_EXPIRED, ask, "The token has expired.");
	case RECORD_E_TOKEN:
		return enrol_fail(r, ENROL_ERR_USED, ask, "The hub no longer takes this token.");
	case RECORD_E_NAME:
		return enrol_fail(r, ENROL_ERR_NAME,
			"Correct gateway.name, or ask for a token for this name.",
			"The hub does not give the name \"%s\" for this token: %s", r->p->name,
			said);
	case RECORD_E_NAME_TAKEN:
		return enrol_fail(r, ENROL_ERR_NAME_TAKEN,
			"Choose another name; if this machine replaces the old one, the hub's "
			"operator first revokes the name: postern hub revoke NAME.",
			"Another gateway holds the name \"%s\".", r->p->name);
	case RECORD_E_REVOKED:
		return enrol_fail(r, ENROL_ERR_REVOKED,
			"Remove identity.key from the state directory to enrol with a new key.",
			"The hub has revoked this key.");
	default:
		return enrol_fail(r, ENROL_ERR_HUB, "See the hub's log.", "The hub refused: %s",
			said[0] != '\0' ? said : "no reason given.");
	}
}

static int accept_cert(struct enrol_run_state *r, const struct record_cert *cert)
{
	struct x509_facts facts;
	enum x509_refusal why = X509_OK;

	if ((cert->flags & RECORD_CERT_HAS_GATE) == 0 ||
		enrol_check_chain(r->trust, &cert->chain, r->p->name, r->pk, clock_unix_s(), &facts,
			&why) < 0)
		return enrol_fail(r, ENROL_ERR_PROOF,
			"See the hub's log, and this machine's clock.",
			"The hub sent a certificate that does not hold: %s",
			why != X509_OK ? x509_strerror(why)
				       : "it is another key's, or came without its secret.");
	r->chain_len = der_list_build(&cert->chain, r->chain, sizeof(r->chain));
	if (r->chain_len == 0)
		return enrol_fail(r, ENROL_ERR_PROOF, "See the hub's log.",
			"The hub sent a certificate that does not hold.");
	memcpy(r->gate_secret, cert->gate_secret, sizeof(r->gate_secret));
	r->answered = true;
	enrol_tell(r, ENROL_STEP_CERT, facts.name);
	return 0;
}

static int take_answer(void *ctx, uint16_t type, const uint8_t *body, size_t len)
{
	struct enrol_run_state *r = ctx;
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

static int request(struct enrol_run_state *r)
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
		return enrol_fail(r, ENROL_ERR_IDENTITY, "Try again.", "The signer does not sign.");
	if (recordlane_send(&r->lane, RECORD_CSR, body, n + RECORD_SIG_LEN, send_all, r) < 0)
		return silence(r, "closed the connection");
	while (!r->answered) {
		if (read_frame(r, &frame, &len) < 0)
			return silence(r, "did not answer the request");
		err = recordlane_recv(&r->lane, frame, len, take_answer, r);
		if (err < 0 && r->error->code != ENROL_OK)
			return err;
		if (err < 0)
			return enrol_fail(r, ENROL_ERR_PROOF, "Try again.",
				"What the hub sent is not well-formed.");
	}
	return 0;
}

// ---- one address

int enrol_talk(struct enrol_run_state *r, const struct config_endpoint *at)
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
