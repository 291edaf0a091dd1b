// SPDX-License-Identifier: BSD-3-Clause
// Candidate lists and certificate lists: what parses must rebuild to the same bytes; nothing
// unsealed opens.
#include "tests/fuzz/fuzz_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[DER_LIST_MAX_LEN];
	struct fuzz_pair *f = fuzz_pair();
	struct candidates c;
	struct der_list l;

	fuzz_must(pair_open_candidates(&f->client, data, size, &c) != 0);
	if (candidates_parse(data, size, &c) == 0) {
		fuzz_must(size == CANDIDATES_LEN && c.n <= CANDIDATES_MAX);
		fuzz_must(candidates_build(&c, again) == 0);
		fuzz_must(memcmp(again, data, CANDIDATES_LEN) == 0);
	}
	if (der_list_parse(data, size, &l) == 0) {
		fuzz_must(l.n >= 1 && l.n <= DER_LIST_MAX && der_list_len(&l) == size);
		fuzz_must(der_list_build(&l, again, sizeof(again)) == size);
		fuzz_must(memcmp(again, data, size) == 0);
	}
	return 0;
}
