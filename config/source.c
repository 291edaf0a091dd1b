// SPDX-License-Identifier: BSD-3-Clause
#include "config/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/types.h"

// Length of the UTF-8 sequence at p, or 0 when it is not a valid one (RFC 3629, no surrogates).
static size_t utf8_len(const char *p, size_t left)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t n = u[0] < 0x80 ? 1 : u[0] < 0xc2 ? 0 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;

	if (n == 0 || n > left || u[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) ||
		(u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f))
		return 0;
	return n;
}

// U+0085, U+2028 and U+2029 break a line for some YAML readers and for no editor, and U+202A..202E,
// U+2066..2069 show text in another order than it is read: neither belongs in a configuration.
static bool utf8_misleads(const char *p, size_t n)
{
	const unsigned char *u = (const unsigned char *)p;

	if (n == 2)
		return u[0] == 0xc2 && u[1] < 0xa0;
	if (n != 3 || u[0] != 0xe2)
		return false;
	return (u[1] == 0x80 && u[2] >= 0xa8 && u[2] <= 0xae) ||
	       (u[1] == 0x81 && u[2] >= 0xa6 && u[2] <= 0xa9);
}

static const char *find_line(const struct config_source *src, unsigned line, size_t *ret_len)
{
	const char *p = src->text;
	const char *end = src->text + src->len;
	const char *nl;

	for (unsigned i = 1; i < line; i++) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL) {
			*ret_len = 0;
			return end;
		}
		p = nl + 1;
	}
	nl = memchr(p, '\n', (size_t)(end - p));
	*ret_len = (size_t)((nl != NULL ? nl : end) - p);
	if (*ret_len > 0 && p[*ret_len - 1] == '\r')
		(*ret_len)--;
	return p;
}

// Copy the part of a line round its column, at most CONTEXT characters before it.
static void copy_line(struct config_error *err, const char *line, size_t len)
{
	enum { CONTEXT = 100 };
	unsigned skip = err->column > CONTEXT + 1 ? err->column - 1 - CONTEXT : 0;
	size_t out = 0;

	err->caret = err->column > 0 ? err->column - 1 - skip : 0;
	for (size_t i = 0; i < len;) {
		size_t n = utf8_len(line + i, len - i);

		if (skip > 0) {
			skip--;
			i += n == 0 ? 1 : n;
			continue;
		}
		if (out + (n == 0 ? 1 : n) >= sizeof(err->source))
			break;
		if (n == 0 || line[i] == 0x7f ||
			(n == 1 && (unsigned char)line[i] < ' ' && line[i] != '\t') ||
			utf8_misleads(line + i, n)) {
			err->source[out++] = '?';
			i += n == 0 ? 1 : n;
			continue;
		}
		memcpy(err->source + out, line + i, n);
		out += n;
		i += n;
	}
	err->source[out] = '\0';
}

// Names, keys and values quoted in messages come from the file: nothing in them may reach a
// terminal as an escape sequence, and a cut must not leave half a character.
static void make_printable(char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len;) {
		size_t n = utf8_len(text + i, len - i);

		if (n == 0 && len - i < 4 && (unsigned char)text[i] >= 0xc2) {
			text[i] = '\0';
			return;
		}
		if (n == 0 || (unsigned char)text[i] < ' ' || text[i] == 0x7f ||
			utf8_misleads(text + i, n)) {
			text[i] = '?';
			n = 1;
		}
		i += n;
	}
}

int config_source_vfail(const struct config_source *src, struct config_mark at, const char *key,
	const char *hint, struct config_error *err, const char *fmt, va_list ap)
{
	memset(err, 0, sizeof(*err));
	err->line = at.line;
	err->column = at.line > 0 ? at.column : 0;
	snprintf(err->file, sizeof(err->file), "%s", src->name);
	snprintf(err->key, sizeof(err->key), "%s", key != NULL ? key : "");
	snprintf(err->hint, sizeof(err->hint), "%s", hint != NULL ? hint : "");
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	make_printable(err->file);
	make_printable(err->key);
	make_printable(err->message);
	make_printable(err->hint);
	if (at.line > 0 && src->text != NULL) {
		size_t len;
		const char *line = find_line(src, at.line, &len);

		copy_line(err, line, len);
	}
	return -EINVAL;
}

int config_source_fail(const struct config_source *src, struct config_mark at, const char *key,
	const char *hint, struct config_error *err, const char *fmt, ...)
{
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = config_source_vfail(src, at, key, hint, err, fmt, ap);
	va_end(ap);
	return ret;
}

static int read_all(int fd, char *buf, size_t size, size_t *ret_len)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, buf + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

static const char *open_hint(int err)
{
	switch (err) {
	case -ENOENT:
		return "give the file with -c; config/ in the sources has commented examples";
	case -EACCES:
	case -EPERM:
		return "run it as root, or as an account that may read the file";
	default:
		return NULL;
	}
}

int config_source_read(const char *path, struct config_source *ret_src, struct config_error *err)
{
	const struct config_source src = {.name = path};
	const struct config_mark whole = {0};
	struct stat st;
	char *text = NULL;
	size_t len = 0;
	int ret;
	// O_NONBLOCK: a FIFO put in the file's place must not hang a reload.
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &st) < 0) {
		ret = -errno;
		config_source_fail(
			&src, whole, NULL, open_hint(ret), err, "cannot open: %s", strerror(-ret));
		goto close_fd;
	}
	if (!S_ISREG(st.st_mode)) {
		ret = config_source_fail(
			&src, whole, NULL, "give a YAML file", err, "not a regular file");
		goto close_fd;
	}
	text = malloc(CONFIG_FILE_MAX_BYTES + 1);
	ret = text == NULL ? -ENOMEM : read_all(fd, text, CONFIG_FILE_MAX_BYTES + 1, &len);
	if (ret < 0) {
		config_source_fail(&src, whole, NULL, NULL, err, "cannot read: %s", strerror(-ret));
		goto close_fd;
	}
	if (len > CONFIG_FILE_MAX_BYTES) {
		config_source_fail(&src, whole, NULL, "this is not a Postern configuration", err,
			"larger than 1 MiB");
		ret = -EFBIG;
		goto close_fd;
	}
	*ret_src = (struct config_source){.name = path, .text = text, .len = len};
	text = NULL;

close_fd:
	free(text);
	if (fd >= 0)
		close(fd);
	return ret;
}

int config_source_check(const struct config_source *src, struct config_error *err)
{
	struct config_mark at = {.line = 1, .column = 1};
	bool indent = true;

	for (size_t i = 0; i < src->len;) {
		unsigned char c = (unsigned char)src->text[i];
		size_t n = utf8_len(src->text + i, src->len - i);

		if (n == 0)
			return config_source_fail(src, at, NULL, "save the file as UTF-8", err,
				"byte 0x%02x is not UTF-8", c);
		if (c == '\n') {
			at = (struct config_mark){.line = at.line + 1, .column = 1};
			indent = true;
			i++;
			continue;
		}
		if (c == '\t' && indent)
			return config_source_fail(src, at, NULL,
				"indent with spaces: YAML allows no tabs there", err,
				"tab in the indentation");
		if ((c < ' ' && c != '\t' &&
			    !(c == '\r' && i + 1 < src->len && src->text[i + 1] == '\n')) ||
			c == 0x7f || utf8_misleads(src->text + i, n))
			return config_source_fail(src, at, NULL, "remove it", err,
				"a control character is hidden here");
		// A byte order mark at the very start is tolerated: some editors write one.
		indent = indent && c == ' ';
		at.column++;
		i += n;
	}
	return 0;
}
