// SPDX-License-Identifier: BSD-3-Clause
// Intents: what parses must rebuild to the same bytes, and no forged one is ever believed.
#include "tests/fuzz/fuzz_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t zero[32];
	struct fuzz_pair *f = fuzz_pair();
	struct pair_intent_expect e = {
		.cert_not_after_s = UINT64_MAX,
		.public_key = f->pk,
	};
	char from[NAME_MAX_LEN + 1] = {0};
	uint8_t again[INTENT_MAX_LEN];
	struct pair p;
	struct intent i;
	struct intent got;
	size_t n;

	if (intent_parse(data, size, &i) != 0)
		return 0;
	fuzz_must(size >= INTENT_MIN_LEN && size <= INTENT_MAX_LEN);
	n = intent_build(&i, again, sizeof(again));
	fuzz_must(n + INTENT_SIG_LEN == size && memcmp(again, data, n) == 0);

	// As if it were the one that was waited for, in every respect but the signature.
	memcpy(from, i.from, i.from_len);
	e.net_id = i.net_id;
	e.from = from;
	e.cert_hash = i.cert_hash;
	e.now_s = i.not_before;
	fuzz_must(pair_check_intent(data, size, &e, &got) != PAIR_INTENT_OK);
	fuzz_must(pair_from_intents(&p, data, size, data, size, zero, NULL) != 0);
	return 0;
}
