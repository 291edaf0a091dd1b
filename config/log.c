// SPDX-License-Identifier: BSD-3-Clause
#include "config/log.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024
// Who can make a process say the same again and again must not fill a disk with it.
#define LINES_BURST    5000
#define LINE_EVERY_NS  100000000ull

static _Atomic int max_level = LOG_INFO;
// For a report of a crash. Two threads that log at once may mix their lines in it, no more.
static char last[LINE_MAX_BYTES];
static _Atomic uint64_t spent_until_ns; // runs ahead of the clock by what was said
static _Atomic unsigned left_out;

void log_init(void)
{
	static const struct {
		const char *name;
		enum log_level level;
	} names[] = {
		{"error", LOG_ERROR},
		{"warning", LOG_WARNING},
		{"notice", LOG_NOTICE},
		{"info", LOG_INFO},
		{"debug", LOG_DEBUG},
	};
	const char *want = getenv("POSTERN_LOG");

	if (want == NULL)
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i].name, want) == 0)
			log_set_level(names[i].level);
	}
}

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&max_level, level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vline(level, fmt, ap);
	va_end(ap);
}

// Errors, and what somebody asked for who debugs, are always written.
static bool is_too_much(enum log_level level)
{
	uint64_t now, until;
	struct timespec t;

	if (level == LOG_ERROR || level == LOG_DEBUG)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
	until = atomic_load_explicit(&spent_until_ns, memory_order_relaxed);
	if (until < now)
		until = now;
	if (until + LINE_EVERY_NS > now + LINES_BURST * LINE_EVERY_NS) {
		atomic_fetch_add_explicit(&left_out, 1, memory_order_relaxed);
		return true;
	}
	atomic_store_explicit(&spent_until_ns, until + LINE_EVERY_NS, memory_order_relaxed);
	return false;
}

void log_vline(enum log_level level, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];
	ssize_t ignored;
	unsigned n_left_out;
	int head, body;

	if (!log_enabled(level) || is_too_much(level))
		return;
	n_left_out = atomic_exchange_explicit(&left_out, 0, memory_order_relaxed);
	if (n_left_out > 0) {
		head = snprintf(line, sizeof(line), "<4>%u lines are left out: too many at once\n",
			n_left_out);
		ignored = write(STDERR_FILENO, line, head);
	}
	head = snprintf(line, sizeof(line), "<%d>", (int)level);
	body = vsnprintf(line + head, sizeof(line) - head - 1, fmt, ap);
	if (body < 0)
		return;
	if ((size_t)body > sizeof(line) - head - 2)
		body = sizeof(line) - head - 2;
	// One write per line, so that lines of several processes on one terminal do not mix.
	line[head + body] = '\n';
	ignored = write(STDERR_FILENO, line, head + body + 1);
	(void)ignored;
	line[head + body] = '\0';
	memcpy(last, line, head + body + 1);
}

const char *log_last(void)
{
	return last;
}

const char *log_quote(char *buf, size_t size, const char *text, size_t len)
{
	size_t n = len < size - 1 ? len : size - 1;

	for (size_t i = 0; i < n; i++)
		buf[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
	buf[n] = '\0';
	return buf;
}
