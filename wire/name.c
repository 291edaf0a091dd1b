// SPDX-License-Identifier: BSD-3-Clause
#include "wire/name.h"

#include <string.h>

#define LABEL_MAX 63

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || is_digit(c);
}

// One label: letters, digits, and hyphens that are neither first nor last.
static bool label_valid(const char *label, size_t len)
{
	if (len < 1 || len > LABEL_MAX || !is_alnum(label[0]) || !is_alnum(label[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_alnum(label[i]) && label[i] != '-')
			return false;
	}
	return true;
}

static bool all_digits(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(s[i]))
			return false;
	}
	return true;
}

bool name_valid(const char *name, size_t len)
{
	size_t start = 0;

	if (len < 1 || len > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (name[i] != '.')
			continue;
		if (!label_valid(name + start, i - start))
			return false;
		start = i + 1;
	}
	// An all-digit last label would read as an IPv4 address.
	return label_valid(name + start, len - start) && !all_digits(name + start, len - start);
}

int name_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t common = a_len < b_len ? a_len : b_len;
	int d = common > 0 ? memcmp(a, b, common) : 0;

	if (d != 0)
		return d;
	return a_len < b_len ? -1 : a_len > b_len;
}

bool name_equals(const char *a, size_t a_len, const char *b)
{
	return name_compare(a, a_len, b, strlen(b)) == 0;
}
