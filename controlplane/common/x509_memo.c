// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/x509_memo.h"

#include <sodium.h>
#include <string.h>

#include "wire/bytes.h"

static void hash_bytes(crypto_generichash_state *state, struct x509_bytes b)
{
	uint8_t len[8];

	put_le64(len, b.len);
	crypto_generichash_update(state, len, sizeof(len));
	crypto_generichash_update(state, b.der, b.len);
}

static void hash_chain(const struct x509_trust *trust, const struct x509_chain *chain,
	uint8_t ret_hash[X509_HASH_BYTES])
{
	crypto_generichash_state state;

	crypto_generichash_init(
		&state, x509_trust_root_hash(trust), X509_HASH_BYTES, X509_HASH_BYTES);
	hash_bytes(&state, chain->leaf);
	for (unsigned i = 0; i < chain->n_issuers; i++)
		hash_bytes(&state, chain->issuers[i]);
	crypto_generichash_final(&state, ret_hash, X509_HASH_BYTES);
}

// All that may change between two calls about the same bytes. A clock that went back could be
// before an issuing certificate's time.
static bool still_holds(
	const struct x509_memo_slot *slot, const char *name, enum x509_role role, uint64_t now_s)
{
	return strcmp(slot->facts.name, name) == 0 && slot->facts.role == role &&
	       now_s >= slot->verified_s && now_s < slot->facts.chain_not_after;
}

enum x509_refusal x509_memo_verify(struct x509_memo *memo, const struct x509_trust *trust,
	const struct x509_chain *chain, const char *name, enum x509_role role, uint64_t now_s,
	struct x509_facts *ret_facts)
{
	uint8_t hash[X509_HASH_BYTES];
	struct x509_memo_slot *slot;
	struct x509_facts facts;
	enum x509_refusal why;

	if (chain->n_issuers > X509_ISSUERS_MAX)
		return X509_REFUSE_CHAIN_LENGTH;
	hash_chain(trust, chain, hash);
	slot = &memo->slot[get_le32(hash) % X509_MEMO_SLOTS];
	if (slot->verified_s != 0 && memcmp(slot->hash, hash, sizeof(hash)) == 0 &&
		still_holds(slot, name, role, now_s)) {
		memo->n_known++;
		*ret_facts = slot->facts;
		return X509_OK;
	}
	why = x509_verify(trust, chain, name, role, now_s, &facts);
	if (why != X509_OK)
		return why;
	memcpy(slot->hash, hash, sizeof(hash));
	slot->verified_s = now_s;
	slot->facts = facts;
	*ret_facts = facts;
	return X509_OK;
}
