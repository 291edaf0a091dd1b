// SPDX-License-Identifier: BSD-3-Clause
//
// The revocation list: taken from hub or peers, believed only when the issuing key signed it,
// enforced on every peer at once.
#include "controlplane/gateway/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/common/clock.h"
#include "config/log.h"

bool revoke_names(const struct control *c, const struct x509_facts *facts)
{
	return c->revocations != NULL && revocation_contains(&c->revocation_view, facts->serial,
						 facts->serial_len, facts->spki_hash);
}

static int verify(struct control *c, const struct revocation_view *view)
{
	int err = -EKEYREJECTED;

	for (unsigned i = 0; i < c->n_issuers && err == -EKEYREJECTED; i++) {
		uint8_t pk[X509_PUBLIC_BYTES], spki[X509_HASH_BYTES];

		if (x509_verify_issuer(c->trust, c->issuers[i], clock_unix_s(), pk, spki) ==
			X509_OK)
			err = revocation_verify(
				view, c->enrolment.net_id, pk, clock_unix_s(), c->env.rl);
	}
	return err;
}

// Hold a copy of a list that is known to be good.
static int hold(struct control *c, const uint8_t *list, size_t len)
{
	uint8_t *copy = malloc(len);

	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, list, len);
	free(c->revocations);
	c->revocations = copy;
	c->revocations_len = len;
	revocation_parse(copy, len, &c->revocation_view);
	c->env.rl = c->revocation_view.number;
	return 0;
}

int revoke_restore(struct control *c, const uint8_t *list, size_t len)
{
	struct revocation_view view;
	int err = revocation_parse(list, len, &view);

	return err == 0 ? hold(c, list, len) : err;
}

int revoke_take(struct control *c, const uint8_t *list, size_t len)
{
	struct revocation_view view;
	int err = revocation_parse(list, len, &view);

	if (err == 0)
		err = c->trust == NULL ? -EAGAIN : verify(c, &view);
	if (err < 0) {
		if (err != -ESTALE)
			log_warning("a revocation list was refused: %s", revocation_strerror(err));
		return err;
	}
	if (c->revocations != NULL && view.number <= c->env.rl)
		return 0;
	err = hold(c, list, len);
	if (err < 0)
		return err;
	log_notice("revocation list %llu taken: %u entries", (unsigned long long)c->env.rl,
		c->revocation_view.n_entries);
	state_mark(c);
	revoke_enforce(c);
	return 1;
}

static bool pairing_is_revoked(const struct control *c, const struct peer_pairing *pairing)
{
	uint8_t spki[X509_HASH_BYTES];

	if (!pairing->live)
		return false;
	x509_spki_hash(pairing->peer_key, spki);
	return revocation_contains(
		&c->revocation_view, pairing->peer_serial, pairing->peer_serial_len, spki);
}

void revoke_enforce(struct control *c)
{
	struct peer_now now = control_now();

	if (c->revocations == NULL)
		return;
	for (uint32_t slot = 0; slot < c->n_slots; slot++) {
		struct gw_peer *gp = c->peers[slot];
		bool hit = false;

		if (gp == NULL)
			continue;
		for (unsigned i = 0; i < 2; i++)
			hit |= pairing_is_revoked(c, &gp->sm.pairing[i]);
		if (hit) {
			log_warning("peer %s is revoked: connection ended", gp->sm.name);
			peer_close(&gp->sm, PKT_CLOSE_REVOKED, true, &now);
			sessions_delete(gp);
			peer_set_error(&gp->sm, "the peer's certificate is revoked", &now);
		} else if (gp->sm.state == PEER_UP) {
			// Gossip: a hub must not be able to hide a revocation from one side.
			peer_send_list(&gp->sm, c->revocations, c->revocations_len);
		}
		peers_rearm(gp);
	}
}
