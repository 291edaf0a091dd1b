// SPDX-License-Identifier: BSD-3-Clause
#include "tools/postern/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

int report_error(const struct options *o, enum exit_code code, const char *name,
	const char *message, const char *hint)
{
	bool colour = isatty(STDERR_FILENO);

	if (o != NULL && o->json) {
		json_t *e = json_pack("{s:{s:s, s:s, s:s}}", "error", "code", name, "message",
			message, "hint", hint != NULL ? hint : "");

		report_json(e != NULL ? e : json_pack("{s:{s:s}}", "error", "code", name));
		return code;
	}
	fprintf(stderr, "%spostern: %s%s\n", colour ? "\033[31m" : "", message,
		colour ? "\033[0m" : "");
	if (hint != NULL && hint[0] != '\0')
		fprintf(stderr, "  → %s\n", hint);
	return code;
}

int report_errorf(const struct options *o, enum exit_code code, const char *name, const char *hint,
	const char *fmt, ...)
{
	char message[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	return report_error(o, code, name, message, hint);
}

int report_config_error(const struct options *o, const struct config_error *err)
{
	if (!o->json) {
		config_error_print(stderr, err);
		return EXIT_CONFIG;
	}
	report_json(json_pack("{s:{s:s, s:s, s:s, s:s, s:i, s:i, s:s, s:s}}", "error", "code",
		"config-refused", "message", err->message, "hint", err->hint, "file", err->file,
		"line", (int)err->line, "column", (int)err->column, "key", err->key, "source",
		err->source));
	return EXIT_CONFIG;
}

int report_json(json_t *result)
{
	int err = json_dumpf(result, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);

	json_decref(result);
	if (err == 0)
		err = fputc('\n', stdout) == EOF;
	return err == 0 && fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}
