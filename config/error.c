// SPDX-License-Identifier: BSD-3-Clause
#include "config/error.h"

#include <stdbool.h>

void config_error_print(FILE *out, const struct config_error *err)
{
	unsigned left = err->caret;

	if (err->line == 0) {
		fprintf(out, "%s: error: %s\n", err->file, err->message);
	} else {
		fprintf(out, "%s:%u:%u: error: %s\n", err->file, err->line, err->column,
			err->message);
		fprintf(out, "%5u | %s\n      | ", err->line, err->source);
		// Repeat tabs and count characters, not bytes, so that the caret lands under its
		// column.
		for (const char *p = err->source; left > 0; left--) {
			putc(*p == '\t' ? '\t' : ' ', out);
			if (*p != '\0')
				p++;
			while (((unsigned char)*p & 0xc0) == 0x80)
				p++;
		}
		fputs("^\n", out);
	}
	if (err->hint[0] != '\0')
		fprintf(out, "  hint: %s\n", err->hint);
}
