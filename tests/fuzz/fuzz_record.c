// SPDX-License-Identifier: BSD-3-Clause
// Hub records: the first two bytes are the type, the rest the body. What parses must rebuild to the
// same bytes.
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "wire/bytes.h"
#include "wire/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[RECORD_MAX_LEN];
	struct record_rollover roll;
	struct record r;
	size_t n;

	if (size < 2)
		return 0;
	if (record_parse_rollover(data + 2, size - 2, &roll) == 0) {
		n = record_build_rollover_unsigned(&roll, again, sizeof(again));
		fuzz_must(n == roll.signed_len && memcmp(again, roll.signed_bytes, n) == 0);
	}
	if (record_parse(get_le16(data), data + 2, size - 2, &r) != 0)
		return 0;
	n = record_build(&r, again, sizeof(again));
	fuzz_must(n == size - 2 && memcmp(again, data + 2, n) == 0);
	if (r.type == RECORD_CSR)
		fuzz_must(r.csr.sig == r.csr.signed_bytes + r.csr.signed_len);
	return 0;
}
