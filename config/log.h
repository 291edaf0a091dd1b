// SPDX-License-Identifier: BSD-3-Clause
//
// One line per event on stderr, with the "<n>" prefix by which systemd tells levels apart; the one
// thing besides configuration that every program shares.
//
// At most 5000 lines at once and ten a second after that, errors and debugging aside; how many were
// left out is said when there is room again.
//
// Any thread. Floors 4 and 5 and sandbox/ only: leaves return errors and do not log. Never pass
// secret bytes; text that came from outside goes through log_quote() first, so that it cannot forge
// a line.
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum log_level {
	LOG_ERROR = 3,
	LOG_WARNING = 4,
	LOG_NOTICE = 5,
	LOG_INFO = 6,
	LOG_DEBUG = 7,
};

// Lines above this level are dropped. Set once at start; default LOG_INFO, or what POSTERN_LOG says
// (error, warning, notice, info, debug).
void log_init(void);
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_vline(enum log_level level, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

#define log_error(...)   log_line(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)  log_line(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                    \
	do {                                              \
		if (log_enabled(LOG_DEBUG))               \
			log_line(LOG_DEBUG, __VA_ARGS__); \
	} while (0)

// The newest line that was written, for the report of a crash; "" before the first.
const char *log_last(void);

// Copy text of unknown origin with everything but printable ASCII replaced by '?'; returns buf.
const char *log_quote(char *buf, size_t size, const char *text, size_t len);
