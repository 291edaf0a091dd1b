// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/linkcert.h"

#include <errno.h>

int linkcert_split(
	const struct der_list *list, struct x509_chain *ret_chain, struct x509_bytes *ret_root)
{
	struct x509_chain chain = {0};

	if (list->n < 3 || list->n - 2 > X509_ISSUERS_MAX)
		return -EBADMSG;
	chain.leaf = (struct x509_bytes){list->cert[0].der, list->cert[0].len};
	for (unsigned i = 1; i + 1 < list->n; i++) {
		chain.issuers[chain.n_issuers++] =
			(struct x509_bytes){list->cert[i].der, list->cert[i].len};
	}
	*ret_root = (struct x509_bytes){list->cert[list->n - 1].der, list->cert[list->n - 1].len};
	*ret_chain = chain;
	return 0;
}

enum x509_refusal linkcert_verify(const struct x509_trust *trust, const struct der_list *list,
	const char *name, enum x509_role role, uint64_t now_s, struct x509_facts *ret_facts)
{
	struct x509_chain chain;
	struct x509_bytes root;

	if (linkcert_split(list, &chain, &root) < 0)
		return X509_REFUSE_CHAIN_LENGTH;
	return x509_verify(trust, &chain, name, role, now_s, ret_facts);
}
