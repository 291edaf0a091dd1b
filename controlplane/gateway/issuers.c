// SPDX-License-Identifier: BSD-3-Clause
//
// Issuing certificates: that of our own leaf, and one other while the hub changes over to a new
// issuing key. Until everyone has renewed, peers come with leaves of either, and revocation lists
// are signed by the new one; the other is kept in a file, since a restart may find the hub down.
// None of them is trusted for being here: each use verifies it up to the pinned root.
#include "controlplane/gateway/control.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "controlplane/common/atomic_file.h"
#include "controlplane/common/clock.h"
#include "config/log.h"

static bool same(struct x509_bytes a, struct x509_bytes b)
{
	return a.len == b.len && memcmp(a.der, b.der, a.len) == 0;
}

static int file_path(const struct control *c, char path[PATH_MAX])
{
	int n = snprintf(path, PATH_MAX, "%s/issuer-other.der", c->config->state_dir);

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static void store_other(const struct control *c)
{
	char path[PATH_MAX];
	int err = file_path(c, path);

	if (err == 0)
		err = atomic_file_write(path, c->other_issuer, c->other_issuer_len, NULL);
	if (err < 0)
		log_warning("the other issuing certificate cannot be kept: %s", strerror(-err));
}

static void load_other(struct control *c)
{
	char path[PATH_MAX];

	if (file_path(c, path) < 0 ||
		atomic_file_read(path, ATOMIC_FILE_PRIVATE, c->other_issuer,
			sizeof(c->other_issuer), &c->other_issuer_len, NULL) < 0)
		c->other_issuer_len = 0;
}

static bool is_known(const struct control *c, struct x509_bytes issuer)
{
	for (unsigned i = 0; i < c->n_issuers; i++) {
		if (same(issuer, c->issuers[i]))
			return true;
	}
	return false;
}

void issuers_set_own(struct control *c, const struct der_list *chain)
{
	struct x509_bytes other;

	if (c->n_own_issuers == 0)
		load_other(c);
	c->n_issuers = 0;
	for (unsigned i = 1; i + 1 < chain->n && c->n_issuers < X509_ISSUERS_MAX; i++)
		c->issuers[c->n_issuers++] =
			(struct x509_bytes){chain->cert[i].der, chain->cert[i].len};
	c->n_own_issuers = c->n_issuers;
	other = (struct x509_bytes){c->other_issuer, c->other_issuer_len};
	if (other.len != 0 && c->n_issuers < X509_ISSUERS_MAX && !is_known(c, other))
		c->issuers[c->n_issuers++] = other;
}

void issuers_add(struct control *c, struct x509_bytes issuer)
{
	if (issuer.len == 0 || issuer.len > sizeof(c->other_issuer) || is_known(c, issuer) ||
		c->n_own_issuers == X509_ISSUERS_MAX)
		return;
	memcpy(c->other_issuer, issuer.der, issuer.len);
	c->other_issuer_len = issuer.len;
	c->issuers[c->n_own_issuers] = (struct x509_bytes){c->other_issuer, c->other_issuer_len};
	c->n_issuers = c->n_own_issuers + 1;
	store_other(c);
}

void issuers_take(struct control *c, const struct der_list *chain)
{
	for (unsigned i = 0; i + 1 < chain->n; i++) { // the last is the root; ours is pinned
		struct x509_bytes issuer = {chain->cert[i].der, chain->cert[i].len};
		uint8_t pk[X509_PUBLIC_BYTES], spki[X509_HASH_BYTES];

		if (is_known(c, issuer))
			continue;
		if (x509_verify_issuer(c->trust, issuer, clock_unix_s(), pk, spki) != X509_OK) {
			log_warning("hub: an issuing certificate that does not hold is ignored");
			continue;
		}
		log_notice("hub: the network has a new issuing key");
		issuers_add(c, issuer);
	}
}
