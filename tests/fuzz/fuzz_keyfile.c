// SPDX-License-Identifier: BSD-3-Clause
// Key files. The first byte chooses passphrase or key; headers that ask for much work are within
// bounds and only slow, so they are left out.
#include <sodium.h>
#include <string.h>

#include "controlplane/common/identity.h"
#include "tests/fuzz/fuzz.h"
#include "wire/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t secret[32] = "thirty-two bytes that unlock it.";
	uint8_t seed[IDENTITY_SEED_BYTES], pk[IDENTITY_PUBLIC_BYTES], sk[64], want[32];
	const uint8_t *file = data + 1;
	enum identity_error err;
	int is_passphrase;

	if (size < 1)
		return 0;
	is_passphrase = data[0] & 1;
	if (is_passphrase && size > 24 && (get_le32(file + 12) > 1 || get_le64(file + 16) > 16384))
		return 0;
	err = identity_unseal(
		file, size - 1, IDENTITY_USE_NODE, is_passphrase, secret, sizeof(secret), seed, pk);
	fuzz_must(strlen(identity_strerror(err)) > 0);
	if (err == IDENTITY_OK) {
		fuzz_must(size - 1 == IDENTITY_FILE_BYTES);
		crypto_sign_seed_keypair(want, sk, seed);
		fuzz_must(memcmp(want, pk, sizeof(want)) == 0);
	}
	return 0;
}
