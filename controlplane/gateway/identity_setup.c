// SPDX-License-Identifier: BSD-3-Clause
//
// Who this gateway is: the signer with the key, the certificate, the pinned root.
#include "controlplane/gateway/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sodium.h>

#include "controlplane/common/clock.h"
#include "config/log.h"
#include "sandbox/account.h"
#include "wire/der_list.h"

int control_sign(void *ctx, const char *label, const void *msg, size_t len, uint8_t sig[64])
{
	struct control *c = ctx;

	return signer_sign(c->signer, label, msg, len, sig);
}

static int hs_sign(void *ctx, const char *label, const uint8_t *msg, size_t len, uint8_t sig[64])
{
	return control_sign(ctx, label, msg, len, sig);
}

// A certificate that was renewed since the introduction has another serial, and a revocation may
// name that one alone.
static void note_serial(struct control *c, const char *name, const struct x509_facts *facts)
{
	struct gw_peer *gp = peers_find(c, name);

	for (unsigned i = 0; gp != NULL && i < 2; i++) {
		struct peer_pairing *pairing = &gp->sm.pairing[i];

		if (!pairing->live || memcmp(pairing->peer_key, facts->pk, 32) != 0)
			continue;
		memcpy(pairing->peer_serial, facts->serial, sizeof(pairing->peer_serial));
		pairing->peer_serial_len = facts->serial_len;
	}
}

static int hs_check_cert(void *ctx, enum hs_field kind, const struct der_list *field,
	const char *name, uint8_t ret_pk[32], uint64_t *ret_not_after_s)
{
	struct control *c = ctx;
	struct x509_chain chain = {.n_issuers = c->n_issuers};
	enum x509_refusal refusal;
	struct x509_facts facts;

	if (kind != HS_FIELD_LEAF || field->n != 1 || name == NULL || c->trust == NULL)
		return -EINVAL;
	chain.leaf = (struct x509_bytes){field->cert[0].der, field->cert[0].len};
	memcpy(chain.issuers, c->issuers, sizeof(chain.issuers));
	refusal = x509_memo_verify(
		&c->chains, c->trust, &chain, name, X509_ROLE_GATEWAY, clock_unix_s(), &facts);
	if (refusal == X509_OK && revoke_names(c, &facts)) {
		log_warning("peer %s: its certificate is revoked", name);
		return -EKEYREVOKED;
	}
	if (refusal != X509_OK) {
		log_warning("peer %s: certificate refused: %s", name, x509_strerror(refusal));
		return -EKEYREJECTED;
	}
	note_serial(c, name, &facts);
	memcpy(ret_pk, facts.pk, 32);
	*ret_not_after_s = facts.chain_not_after;
	return 0;
}

static int unlock(struct control *c)
{
	const struct config_identity *cfg = &c->config->identity;
	const struct account user = account_find(c->config->signer_user, "nobody");
	struct identity_source source = {
		.passphrase_file = cfg->passphrase_file,
		.key_credential = cfg->key_credential,
	};
	enum identity_error err;
	char key_file[CONFIG_PATH_MAX + 32];

	snprintf(key_file, sizeof(key_file), "%s/%s", c->config->state_dir, ENROL_FILE_KEY);
	source.key_file = key_file;
	err = signer_spawn(&c->signer);
	if (err == IDENTITY_OK) {
		signer_set_user(c->signer, user.uid, user.gid);
		err = signer_open_key(c->signer, &source);
	}
	if (err == IDENTITY_OK)
		return signer_public(c->signer, c->my_pk);
	if (err == IDENTITY_ERR_NO_FILE)
		log_error("this gateway has no key yet: enrol it first with `postern enrol TOKEN "
			  "-c %s`",
			c->config_path);
	else
		log_error("identity: %s", identity_strerror(err));
	return -EACCES;
}

int control_identity_open(struct control *c)
{
	char path[CONFIG_PATH_MAX + 32];
	uint8_t secret[SIGNER_SECRET_BYTES];
	int err = unlock(c);

	if (err < 0)
		return err;
	c->identity = (struct hs_identity){.ctx = c, .sign = hs_sign, .check_cert = hs_check_cert};
	c->env.identity = &c->identity;
	err = signer_secret(c->signer, "hedge", c->env.hedge);
	if (err == 0)
		err = signer_secret(c->signer, "state", secret);
	if (err < 0) {
		log_error("signer: no secrets: %s", strerror(-err));
		return err;
	}
	snprintf(path, sizeof(path), "%s/gateway.state", c->config->state_dir);
	err = statefile_init(&c->state, path, "gateway", secret, NULL);
	c->state_open = err == 0;
	sodium_memzero(secret, sizeof(secret));
	return err;
}

static void note(struct control *c, const char *text)
{
	if (strcmp(c->identity_note, text) != 0 && text[0] != '\0')
		log_error("%s", text);
	snprintf(c->identity_note, sizeof(c->identity_note), "%s", text);
}

bool control_can_authenticate(const struct control *c)
{
	return c->enrolled && c->identity_note[0] == '\0';
}

static enum x509_refusal check_own(struct control *c, const struct der_list *list)
{
	struct x509_chain chain = {.leaf = {list->cert[0].der, list->cert[0].len}};

	issuers_set_own(c, list);
	memcpy(chain.issuers, c->issuers, sizeof(chain.issuers));
	chain.n_issuers = c->n_issuers;
	return x509_verify(
		c->trust, &chain, c->config->name, X509_ROLE_GATEWAY, clock_unix_s(), &c->cert);
}

int control_identity_load(struct control *c)
{
	uint8_t secret[SIGNER_SECRET_BYTES];
	struct der_list list;
	enum x509_refusal refusal;
	int err = signer_secret(c->signer, "state", secret);

	if (err < 0)
		return err;
	enrol_state_wipe(&c->enrolment);
	err = enrol_load(c->config->state_dir, secret, &c->enrolment);
	sodium_memzero(secret, sizeof(secret));
	if (err < 0) {
		char text[sizeof(c->identity_note)];

		c->enrolled = false;
		snprintf(text, sizeof(text),
			err == -ENOENT
				? "not enrolled: run `postern enrol TOKEN -c %s`"
				: "the enrolment in the state directory is damaged: run `postern "
				  "enrol TOKEN --again -c %s`",
			c->config_path);
		note(c, text);
		return err;
	}
	if (strcmp(c->enrolment.name, c->config->name) != 0) {
		note(c, "the certificate was issued for another name than gateway.name: change the "
			"name "
			"back or enrol again");
		return -EINVAL;
	}
	err = der_list_parse(c->enrolment.chain, c->enrolment.chain_len, &list);
	if (err < 0 || list.n < 2)
		return -EBADMSG;
	// The root is pinned once; the hub link holds on to it.
	refusal = c->trust != NULL ? X509_OK
				   : x509_trust_create(list.cert[list.n - 1].der,
					     list.cert[list.n - 1].len, &c->trust);
	if (refusal == X509_OK)
		refusal = check_own(c, &list);
	if (refusal == X509_OK && memcmp(c->cert.pk, c->my_pk, 32) != 0) {
		note(c, "the certificate belongs to another key than the one in the state "
			"directory: "
			"enrol again");
		return -EKEYREJECTED;
	}
	if (refusal != X509_OK) {
		char text[sizeof(c->identity_note)];

		snprintf(text, sizeof(text), "this gateway's own certificate does not hold: %s",
			x509_strerror(refusal));
		// An expired one still tells who we are; a renewal or a clock may heal it.
		c->enrolled =
			refusal == X509_REFUSE_EXPIRED || refusal == X509_REFUSE_NOT_YET_VALID;
		note(c, text);
		return -EKEYREJECTED;
	}
	c->env.own_cert = list.cert[0].der;
	c->env.own_cert_len = list.cert[0].len;
	c->env.own_not_after_s = c->cert.chain_not_after;
	c->enrolled = true;
	note(c, "");
	return 0;
}

void control_identity_close(struct control *c)
{
	signer_close(c->signer);
	c->signer = NULL;
	x509_trust_destroy(c->trust);
	c->trust = NULL;
	enrol_state_wipe(&c->enrolment);
	statefile_fini(&c->state);
	sodium_memzero(c->env.hedge, sizeof(c->env.hedge));
	cookie_wipe(&c->env.jar);
}
