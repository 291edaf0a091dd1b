// SPDX-License-Identifier: BSD-3-Clause
#include "config/value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_letter(char c)
{
	return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int config_value_number(const char *text, size_t len, uint32_t *ret)
{
	uint64_t v = 0;

	if (len == 0 || (len > 1 && text[0] == '0'))
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(text[i]))
			return -EINVAL;
		if (v <= UINT32_MAX)
			v = v * 10 + (uint64_t)(text[i] - '0');
	}
	if (v > UINT32_MAX)
		return -ERANGE;
	*ret = (uint32_t)v;
	return 0;
}

int config_value_mac(const char *text, size_t len, uint8_t ret_mac[6])
{
	static const uint8_t zero[6];
	uint8_t mac[6];

	if (len != 17)
		return -EINVAL;
	for (unsigned i = 0; i < 6; i++) {
		int high = hex_digit(text[3 * i]), low = hex_digit(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return -EINVAL;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	if ((mac[0] & 1) != 0 || memcmp(mac, zero, sizeof(mac)) == 0)
		return -EINVAL;
	memcpy(ret_mac, mac, sizeof(mac));
	return 0;
}

int config_value_hex32(const char *text, size_t len, uint8_t ret_bytes[32])
{
	uint8_t bytes[32];

	if (len != 64)
		return -EINVAL;
	for (unsigned i = 0; i < 32; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(ret_bytes, bytes, sizeof(bytes));
	return 0;
}

int config_value_addr(const char *text, size_t len, struct config_addr *ret)
{
	char copy[INET6_ADDRSTRLEN];
	struct config_addr a = {0};

	if (len == 0 || len >= sizeof(copy) || memchr(text, '\0', len) != NULL)
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (inet_pton(AF_INET, copy, a.bytes) == 1)
		a.family = 4;
	else if (inet_pton(AF_INET6, copy, a.bytes) == 1)
		a.family = 6;
	else
		return -EINVAL;
	*ret = a;
	return 0;
}

int config_value_prefix(const char *text, size_t len, struct config_prefix *ret)
{
	const char *slash = memchr(text, '/', len);
	struct config_addr a;
	uint32_t bits;

	if (slash == NULL || config_value_addr(text, (size_t)(slash - text), &a) < 0 ||
		config_value_number(slash + 1, (size_t)(text + len - slash - 1), &bits) < 0 ||
		bits == 0 || bits > (a.family == 4 ? 32 : 128))
		return -EINVAL;
	*ret = (struct config_prefix){.addr = a, .bits = (uint8_t)bits};
	return 0;
}

int config_endpoint_parse(
	const char *text, size_t len, uint16_t default_port, struct config_endpoint *ret_ep)
{
	const char *host = text, *end = text + len, *host_end, *port;
	struct config_addr a;
	uint32_t number = default_port;

	if (len > 0 && text[0] == '[') {
		host++;
		host_end = memchr(host, ']', len - 1);
		if (host_end == NULL)
			return -EINVAL;
		port = host_end + 1;
		if (port < end && *port != ':')
			return -EINVAL;
	} else {
		host_end = memchr(text, ':', len);
		// More than one colon and no brackets: an IPv6 address without a port.
		if (host_end == NULL ||
			memchr(host_end + 1, ':', (size_t)(end - host_end - 1)) != NULL)
			host_end = end;
		port = host_end;
	}
	if (port < end && config_value_number(port + 1, (size_t)(end - port - 1), &number) < 0)
		return -EINVAL;
	if (number == 0 || number > UINT16_MAX ||
		config_value_addr(host, (size_t)(host_end - host), &a) < 0 ||
		(text[0] == '[' && a.family != 6))
		return -EINVAL;
	*ret_ep = (struct config_endpoint){.addr = a, .port = (uint16_t)number};
	return 0;
}

const char *config_endpoint_format(const struct config_endpoint *ep, char buf[CONFIG_ENDPOINT_TEXT])
{
	char host[INET6_ADDRSTRLEN] = "?";

	inet_ntop(ep->addr.family == 4 ? AF_INET : AF_INET6, ep->addr.bytes, host, sizeof(host));
	snprintf(buf, CONFIG_ENDPOINT_TEXT, ep->addr.family == 4 ? "%s:%u" : "[%s]:%u", host,
		ep->port);
	return buf;
}

socklen_t config_endpoint_sockaddr(
	const struct config_endpoint *ep, struct sockaddr_storage *ret_sa)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)ret_sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_sa;

	memset(ret_sa, 0, sizeof(*ret_sa));
	if (ep->addr.family == 4) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(ep->port);
		memcpy(&in4->sin_addr, ep->addr.bytes, sizeof(in4->sin_addr));
		return sizeof(*in4);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(ep->port);
	memcpy(&in6->sin6_addr, ep->addr.bytes, sizeof(in6->sin6_addr));
	return sizeof(*in6);
}

bool config_name_valid(const char *text, size_t len)
{
	size_t label = 0;

	if (len == 0 || len > CONFIG_DNS_NAME_MAX)
		return false;
	for (size_t i = 0; i <= len; i++) {
		if (i == len || text[i] == '.') {
			if (label == 0 || label > 63 || text[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!is_lower(text[i]) && !is_digit(text[i]) && (text[i] != '-' || label == 0))
			return false;
		label++;
	}
	return true;
}

bool config_value_ident(const char *text, size_t len)
{
	if (len == 0 || len > CONFIG_IDENT_MAX || (!is_letter(text[0]) && !is_digit(text[0])))
		return false;
	for (size_t i = 1; i < len; i++) {
		if (!is_letter(text[i]) && !is_digit(text[i]) && strchr("._-", text[i]) == NULL)
			return false;
	}
	return true;
}

bool config_value_ifname(const char *text, size_t len)
{
	if (len == 0 || len > CONFIG_IFNAME_MAX || (len == 1 && text[0] == '.') ||
		(len == 2 && memcmp(text, "..", 2) == 0))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] <= ' ' || text[i] > '~' || text[i] == '/' || text[i] == ':' ||
			text[i] == '%')
			return false;
	}
	return true;
}

bool config_value_path(const char *text, size_t len)
{
	if (len < 2 || len > CONFIG_PATH_MAX || text[0] != '/')
		return false;
	for (size_t i = 0; i < len; i++) {
		size_t part = 0;

		if (text[i] != '/')
			continue;
		while (i + 1 + part < len && text[i + 1 + part] != '/')
			part++;
		if ((part == 1 && text[i + 1] == '.') ||
			(part == 2 && memcmp(text + i + 1, "..", 2) == 0))
			return false;
	}
	return true;
}

bool config_addr_is_any(const struct config_addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->bytes, zero, a->family == 4 ? 4 : 16) == 0;
}

bool config_addr_is_multicast(const struct config_addr *a)
{
	if (a->family == 6)
		return a->bytes[0] == 0xff;
	return a->bytes[0] >= 224 &&
	       (a->bytes[0] < 240 || memcmp(a->bytes, "\xff\xff\xff\xff", 4) == 0);
}

bool config_addr_equal(const struct config_addr *a, const struct config_addr *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, a->family == 4 ? 4 : 16) == 0;
}
