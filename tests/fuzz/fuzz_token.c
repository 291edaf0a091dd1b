// SPDX-License-Identifier: BSD-3-Clause
// Enrolment tokens, which people paste: what parses is printed and read back the same. The input is
// taken as text, and as the bytes under a right checksum, which chance would never make.
#include <sodium.h>
#include <string.h>

#include "controlplane/common/token.h"
#include "tests/fuzz/fuzz.h"

static void check(const char *text, size_t len)
{
	char again[TOKEN_TEXT_MAX];
	struct token t, u;

	if (token_parse(text, len, &t) < 0)
		return;
	fuzz_must(t.n_addresses >= 1 && t.n_addresses <= TOKEN_ADDRESSES_MAX);
	fuzz_must(config_name_valid(t.hub_name, strlen(t.hub_name)));
	fuzz_must(token_format(&t, again, sizeof(again)) == 0);
	fuzz_must(token_parse(again, strlen(again), &u) == 0);
	fuzz_must(memcmp(&t, &u, sizeof(t)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[4096] = TOKEN_PREFIX;
	static uint8_t bytes[1024];
	uint8_t sum[16];

	check((const char *)data, size);
	if (size == 0 || size > 700)
		return 0;
	memcpy(bytes, data, size);
	crypto_generichash(sum, sizeof(sum), bytes, size, NULL, 0);
	memcpy(bytes + size, sum, 4);
	sodium_bin2base64(text + 6, sizeof(text) - 6, bytes, size + 4,
		sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	check(text, strlen(text));
	return 0;
}
