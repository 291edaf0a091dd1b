// SPDX-License-Identifier: BSD-3-Clause
// Certificates from outside. The first byte chooses: the rest as a leaf, as an issuing certificate,
// as a root; or as the part of a leaf that is signed, which is then signed with the issuing key, so
// that mutations get past the signature into path validation.
#include <sodium.h>
#include <string.h>

#include "controlplane/common/x509.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/controlplane/mint.h"

static struct x509_trust *trust;
static struct x509_bytes issuing, leaf;
static uint8_t issuing_sk[64];

static EVP_PKEY *key_of(const char seed[33])
{
	return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, (const uint8_t *)seed, 32);
}

static void make_world(void)
{
	EVP_PKEY *root_key = key_of("the seed of the root, 32 bytes..");
	EVP_PKEY *issuing_key = key_of("the seed of the issuing key, 32.");
	EVP_PKEY *leaf_key = key_of("the seed of the leaf, 32 bytes..");
	X509 *root = mint_ca(&(struct mint){0}, root_key, NULL, root_key);
	X509 *ca = mint_ca(&(struct mint){0}, issuing_key, root, root_key);
	struct x509_bytes root_der;
	uint8_t pk[32];

	fuzz_must(sodium_init() >= 0);
	crypto_sign_seed_keypair(
		pk, issuing_sk, (const uint8_t *)"the seed of the issuing key, 32.");
	leaf = mint_der(mint_leaf(&(struct mint){0}, leaf_key, ca, issuing_key));
	issuing = mint_der(ca);
	root_der = mint_der(root);
	fuzz_must(x509_trust_create(root_der.der, root_der.len, &trust) == X509_OK);
	free((void *)root_der.der);
	EVP_PKEY_free(root_key);
	EVP_PKEY_free(issuing_key);
	EVP_PKEY_free(leaf_key);
}

static size_t put_header(uint8_t *out, size_t len)
{
	out[0] = 0x30;
	out[1] = 0x82;
	out[2] = (uint8_t)(len >> 8);
	out[3] = (uint8_t)len;
	return 4;
}

// SEQUENCE { tbs, Ed25519, BIT STRING signature }
static size_t sign_tbs(const uint8_t *tbs, size_t len, uint8_t *out)
{
	static const uint8_t tail[] = {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x41, 0x00};
	size_t n = put_header(out, len + sizeof(tail) + 64);

	memcpy(out + n, tbs, len);
	memcpy(out + n + len, tail, sizeof(tail));
	crypto_sign_detached(out + n + len + sizeof(tail), NULL, tbs, len, issuing_sk);
	return n + len + sizeof(tail) + 64;
}

static void verify(struct x509_bytes l, struct x509_bytes issuer)
{
	struct x509_chain chain = {.leaf = l, .issuers = {issuer}, .n_issuers = 1};
	struct x509_facts facts;

	if (x509_verify(trust, &chain, MINT_NAME, X509_ROLE_GATEWAY, MINT_NOW, &facts) != X509_OK)
		return;
	fuzz_must(strcmp(facts.name, MINT_NAME) == 0);
	fuzz_must(facts.role == X509_ROLE_GATEWAY);
	fuzz_must(facts.not_before <= MINT_NOW && facts.not_after > MINT_NOW);
	fuzz_must(facts.chain_not_after <= facts.not_after);
	fuzz_must(facts.serial_len > 0 && facts.serial_len <= X509_SERIAL_BYTES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t pk[32], spki[32], cert[2048];
	struct x509_facts facts;
	struct x509_trust *t;

	if (trust == NULL)
		make_world();
	if (size < 1)
		return 0;
	switch (data[0] % 4) {
	case 0:
		if (x509_inspect(data + 1, size - 1, &facts) == X509_OK)
			fuzz_must(x509_name_ok(facts.name, strlen(facts.name)));
		verify((struct x509_bytes){data + 1, size - 1}, issuing);
		break;
	case 1:
		verify(leaf, (struct x509_bytes){data + 1, size - 1});
		x509_verify_issuer(
			trust, (struct x509_bytes){data + 1, size - 1}, MINT_NOW, pk, spki);
		break;
	case 2:
		if (x509_trust_create(data + 1, size - 1, &t) == X509_OK)
			x509_trust_destroy(t);
		break;
	case 3:
		if (size > 1000)
			break;
		verify((struct x509_bytes){cert, sign_tbs(data + 1, size - 1, cert)}, issuing);
		break;
	}
	return 0;
}
