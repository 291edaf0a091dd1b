// SPDX-License-Identifier: BSD-3-Clause
#include "tools/postern/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool text_is_tty(void)
{
	return isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
}

const char *text_colour(const char *state)
{
	static const struct {
		const char *state, *colour;
	} colours[] = {
		{"header", "\033[1m"},
		{"up", "\033[32m"},
		{"running", "\033[32m"},
		{"connected", "\033[32m"},
		{"yes", "\033[32m"},
		{"introduced", "\033[33m"},
		{"connecting", "\033[33m"},
		{"closing", "\033[33m"},
		{"not-enrolled", "\033[33m"},
		{"absent", "\033[31m"},
		{"unreachable", "\033[31m"},
		{"down", "\033[31m"},
		{"revoked", "\033[31m"},
		{"expired", "\033[31m"},
	};

	if (!text_is_tty())
		return "";
	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++) {
		if (strcmp(colours[i].state, state) == 0)
			return colours[i].colour;
	}
	return "";
}

const char *text_reset(void)
{
	return text_is_tty() ? "\033[0m" : "";
}

const char *text_bytes(char *buf, uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double v = bytes;
	unsigned u = 0;

	while (v >= 1024 && u + 1 < sizeof(units) / sizeof(units[0])) {
		v /= 1024;
		u++;
	}
	snprintf(buf, TEXT_MAX, u == 0 ? "%.0f %s" : "%.1f %s", v, units[u]);
	return buf;
}

const char *text_count(char *buf, uint64_t n)
{
	static const char units[] = " kMGTP";
	double v = n;
	unsigned u = 0;

	while (v >= 10000 && u < 5) {
		v /= 1000;
		u++;
	}
	if (u == 0)
		snprintf(buf, TEXT_MAX, "%.0f", v);
	else
		snprintf(buf, TEXT_MAX, "%.1f %c", v, units[u]);
	return buf;
}

const char *text_duration(char *buf, double s)
{
	long t = (long)s;

	if (s < 0)
		snprintf(buf, TEXT_MAX, "-");
	else if (s < 60)
		snprintf(buf, TEXT_MAX, "%lds", t);
	else if (s < 3600)
		snprintf(buf, TEXT_MAX, "%ldm %02lds", t / 60, t % 60);
	else if (s < 86400)
		snprintf(buf, TEXT_MAX, "%ldh %02ldm", t / 3600, t / 60 % 60);
	else
		snprintf(buf, TEXT_MAX, "%ldd %02ldh", t / 86400, t / 3600 % 24);
	return buf;
}

const char *text_time(char *buf, int64_t unix_s)
{
	time_t t = unix_s;
	struct tm tm;

	if (unix_s <= 0 || gmtime_r(&t, &tm) == NULL)
		snprintf(buf, TEXT_MAX, "-");
	else
		strftime(buf, TEXT_MAX, "%Y-%m-%d %H:%M UTC", &tm);
	return buf;
}

const char *member_text(const json_t *object, const char *name, const char *otherwise)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s != NULL && s[0] != '\0' ? s : otherwise;
}

double member_number(const json_t *object, const char *name, double otherwise)
{
	const json_t *v = json_object_get(object, name);

	return json_is_number(v) ? json_number_value(v) : otherwise;
}

bool member_bool(const json_t *object, const char *name)
{
	return json_is_true(json_object_get(object, name));
}

const char *member_list(char *buf, size_t size, const json_t *object, const char *name)
{
	const json_t *list = json_object_get(object, name), *v;
	size_t i, used = 0;

	buf[0] = '\0';
	json_array_foreach (list, i, v) {
		const char *sep = used > 0 ? ", " : "";
		int n;

		if (json_is_string(v))
			n = snprintf(buf + used, size - used, "%s%s", sep, json_string_value(v));
		else
			n = snprintf(buf + used, size - used, "%s%.0f", sep, json_number_value(v));
		if (n < 0 || (size_t)n >= size - used)
			break;
		used += n;
	}
	if (used == 0)
		snprintf(buf, size, "-");
	return buf;
}
