// SPDX-License-Identifier: BSD-3-Clause
// What an inner frame is to the guards: any bytes. Nothing beyond them is read, what the first look
// lets go is nothing to guard against, and a tag before the ethertype hides nothing.
#include <stdlib.h>
#include <string.h>

#include "dataplane/guard.h"
#include "dataplane/l2.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t tag[4] = {0x81, 0, 0x20, 7};
	enum guard_kind kind;
	struct l2_header h;
	uint8_t *frame;

	if (size < PKT_FRAME_MIN || size > PKT_FRAME_MAX)
		return 0;
	frame = malloc(size); // exactly, so that a sanitizer sees one byte too many
	fuzz_must(frame != NULL);
	memcpy(frame, data, size);
	kind = guard_kind_of(frame, size);
	l2_parse_rest(frame, size, &h);
	fuzz_must(h.suspect || kind == GUARD_NONE || kind == GUARD_STP);
	frame = realloc(frame, size + sizeof(tag));
	fuzz_must(frame != NULL);
	memcpy(frame + 12, tag, sizeof(tag));
	memcpy(frame + 12 + sizeof(tag), data + 12, size - 12);
	fuzz_must(guard_kind_of(frame, size + sizeof(tag)) == kind);
	free(frame);
	return 0;
}
