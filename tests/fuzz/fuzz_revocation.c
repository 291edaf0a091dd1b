// SPDX-License-Identifier: BSD-3-Clause
// Revocation lists: what parses must be readable everywhere, and rebuild to the same bytes.
#include <sodium.h>
#include <string.h>

#include "controlplane/common/revocation.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct revocation_entry entries[REVOCATION_ENTRIES_MAX];
	static uint8_t again[REVOCATION_BYTES_MAX];
	static const uint8_t pk[32] = {1};
	struct revocation_view v;
	bool all_live = true;
	size_t len;

	if (revocation_parse(data, size, &v) != 0)
		return 0;
	fuzz_must(v.n_entries <= REVOCATION_ENTRIES_MAX);
	for (unsigned i = 0; i < v.n_entries; i++) {
		struct revocation_entry *e = &entries[i];

		revocation_entry_get(&v, i, e);
		fuzz_must(e->serial_len <= REVOCATION_SERIAL_MAX);
		fuzz_must(revocation_contains(&v, e->serial, e->serial_len, e->spki_hash));
		all_live = all_live && e->until >= v.issued;
	}
	fuzz_must(revocation_verify(&v, v.net_id, pk, v.issued, 0) != 0);
	if (all_live) {
		fuzz_must(revocation_build(entries, v.n_entries, v.net_id, v.number, v.issued,
				  v.issuer_spki, again, sizeof(again), &len) == 0);
		fuzz_must(len == size - REVOCATION_SIG_BYTES && memcmp(again, data, len) == 0);
	}
	return 0;
}
