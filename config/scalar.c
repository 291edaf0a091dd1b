// SPDX-License-Identifier: BSD-3-Clause
#include "config/scalar.h"

#include <errno.h>
#include <string.h>

#include "config/nearest.h"
#include "config/value.h"

static const char *const wanted[] = {
	[CONFIG_TYPE_BOOL] = "true or false",
	[CONFIG_TYPE_NUMBER] = "a whole number",
	[CONFIG_TYPE_ENUM] = "a word",
	[CONFIG_TYPE_NAME] = "a lower-case DNS name",
	[CONFIG_TYPE_IDENT] = "a name",
	[CONFIG_TYPE_INTERFACE] = "an interface name",
	[CONFIG_TYPE_TEXT] = "a text",
	[CONFIG_TYPE_USER] = "an account",
	[CONFIG_TYPE_PATH] = "an absolute path",
	[CONFIG_TYPE_SECRET] = "an absolute path",
	[CONFIG_TYPE_CREDENTIAL] = "a credential's name",
	[CONFIG_TYPE_CPU] = "a CPU's number",
	[CONFIG_TYPE_PREFIX] = "an IP address with a prefix length",
	[CONFIG_TYPE_ENDPOINT] = "an IP address with a port",
	[CONFIG_TYPE_MAC] = "a MAC address",
	[CONFIG_TYPE_KEY] = "64 hex digits",
	[CONFIG_TYPE_MAP] = "a mapping of keys",
	[CONFIG_TYPE_LIST] = "a list",
	[CONFIG_TYPE_SKIP] = "anything",
};

const char *config_scalar_wanted(enum config_type type)
{
	return wanted[type];
}

static int refuse(struct config_reader *r, const struct config_node *n, const struct config_key *k)
{
	return config_reader_fail(
		r, "%s must be %s, not '%.80s'", r->path, wanted[k->type], n->text);
}

static int read_bool(
	struct config_reader *r, const struct config_node *n, const struct config_key *k, void *dst)
{
	static const char *const yes[] = {"yes", "on", "True", "TRUE", "1", "y"};
	static const char *const no[] = {"no", "off", "False", "FALSE", "0", "n"};

	if (!n->quoted && strcmp(n->text, "true") == 0) {
		*(bool *)dst = true;
		return 0;
	}
	if (!n->quoted && strcmp(n->text, "false") == 0) {
		*(bool *)dst = false;
		return 0;
	}
	for (unsigned i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (strcmp(n->text, yes[i]) == 0)
			config_reader_hint(r, "write true");
		if (strcmp(n->text, no[i]) == 0)
			config_reader_hint(r, "write false");
	}
	if (n->quoted)
		config_reader_hint(r, "remove the quotes");
	return refuse(r, n, k);
}

static void hint_number(
	struct config_reader *r, const struct config_node *n, const struct config_key *k)
{
	if (n->quoted)
		config_reader_hint(r, "remove the quotes");
	else if (n->text[0] == '0' && n->len > 1)
		config_reader_hint(r, "write it in decimal, without leading zeros");
	else
		config_reader_hint(r,
			"write digits only, between %u and %u; the unit is in the key's name",
			k->min, k->max);
}

static int read_number(
	struct config_reader *r, const struct config_node *n, const struct config_key *k, void *dst)
{
	uint32_t v;
	int ret = n->quoted ? -EINVAL : config_value_number(n->text, n->len, &v);

	if (ret == -EINVAL) {
		hint_number(r, n, k);
		return refuse(r, n, k);
	}
	if (ret == -ERANGE || v < k->min || v > k->max) {
		config_reader_hint(r, "give a number between %u and %u", k->min, k->max);
		return config_reader_fail(r, "%s is out of range: %.20s", r->path, n->text);
	}
	if (k->size == 1)
		*(uint8_t *)dst = (uint8_t)v;
	else if (k->size == 2)
		*(uint16_t *)dst = (uint16_t)v;
	else
		*(uint32_t *)dst = v;
	return 0;
}

static int read_cpu(
	struct config_reader *r, const struct config_node *n, const struct config_key *k, void *dst)
{
	int ret = read_number(r, n, k, dst);
	uint16_t cpu;

	if (ret < 0)
		return ret;
	cpu = *(uint16_t *)dst;
	if (r->env->cpu_exists == NULL || r->env->cpu_exists(r->env->ctx, cpu))
		return 0;
	config_reader_hint(r, "CPUs are numbered from 0; `lscpu -e` lists those of this machine");
	return config_reader_fail(r, "%s: this machine has no CPU %u", r->path, cpu);
}

static int read_enum(
	struct config_reader *r, const struct config_node *n, const struct config_key *k, void *dst)
{
	struct config_nearest near = {.word = n->text, .len = n->len};
	size_t used;

	for (unsigned i = 0; k->words[i] != NULL; i++) {
		if (strcmp(n->text, k->words[i]) == 0) {
			memcpy(dst, &i, sizeof(i));
			return 0;
		}
		config_nearest_offer(&near, k->words[i]);
	}
	if (near.best != NULL) {
		config_reader_hint(r, "did you mean '%s'?", near.best);
	} else {
		used = (size_t)snprintf(r->hint, sizeof(r->hint), "one of:");
		for (unsigned i = 0; k->words[i] != NULL && used < sizeof(r->hint); i++)
			used += (size_t)snprintf(r->hint + used, sizeof(r->hint) - used, "%s %s",
				i > 0 ? "," : "", k->words[i]);
	}
	return config_reader_fail(r, "%s cannot be '%.80s'", r->path, n->text);
}

static int check_path(
	struct config_reader *r, const struct config_node *n, const struct config_key *k)
{
	if (n->len > 0 && n->text[0] != '/')
		config_reader_hint(
			r, "begin it with '/': processes start in different directories");
	else
		config_reader_hint(
			r, "no '.' and '..' in it, at most %u characters", CONFIG_PATH_MAX);
	if (!config_value_path(n->text, n->len))
		return refuse(r, n, k);
	if (k->max > 0 && n->len > k->max) {
		config_reader_hint(
			r, "at most %u characters: socket names must fit below it", k->max);
		return config_reader_fail(r, "%s is too long: %zu characters", r->path, n->len);
	}
	return 0;
}

static bool text_ok(const struct config_node *n, uint32_t max)
{
	for (size_t i = 0; i < n->len; i++) {
		if (n->text[i] < ' ' || n->text[i] > '~')
			return false;
	}
	return n->len > 0 && n->len <= max;
}

static int read_text(
	struct config_reader *r, const struct config_node *n, const struct config_key *k, void *dst)
{
	bool ok = true;
	const char *copy;
	int ret = 0;

	switch (k->type) {
	case CONFIG_TYPE_NAME:
		config_reader_hint(r,
			"letters a-z, digits and inner '-', labels joined by '.', at most %u",
			CONFIG_DNS_NAME_MAX);
		ok = config_name_valid(n->text, n->len);
		break;
	case CONFIG_TYPE_IDENT:
		config_reader_hint(
			r, "letters, digits, '.', '_', '-', at most %u", CONFIG_IDENT_MAX);
		ok = config_value_ident(n->text, n->len);
		break;
	case CONFIG_TYPE_INTERFACE:
		config_reader_hint(
			r, "as `ip link` shows it, at most %u characters", CONFIG_IFNAME_MAX);
		ok = config_value_ifname(n->text, n->len);
		break;
	case CONFIG_TYPE_CREDENTIAL:
		config_reader_hint(r, "as in LoadCredentialEncrypted=, without a path");
		ok = config_value_ident(n->text, n->len);
		break;
	case CONFIG_TYPE_PATH:
	case CONFIG_TYPE_SECRET:
		ret = check_path(r, n, k);
		break;
	default:
		config_reader_hint(r, "printable ASCII, at most %u characters", k->max);
		ok = text_ok(n, k->max);
	}
	if (ret < 0)
		return ret;
	if (!ok)
		return refuse(r, n, k);
	if (k->type == CONFIG_TYPE_USER && r->env->user_exists != NULL &&
		!r->env->user_exists(r->env->ctx, n->text)) {
		config_reader_hint(r, "create it: adduser --system --group %s", n->text);
		return config_reader_fail(r, "%s: there is no account '%s' here", r->path, n->text);
	}
	copy = config_arena_text(r->arena, n->text, n->len);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(dst, &copy, sizeof(copy));
	return 0;
}

static int read_address(
	struct config_reader *r, const struct config_node *n, const struct config_key *k, void *dst)
{
	struct config_prefix prefix;
	struct config_endpoint ep;

	switch (k->type) {
	case CONFIG_TYPE_PREFIX:
		config_reader_hint(r, "such as 192.0.2.2/24 or 2001:db8::2/64");
		if (config_value_prefix(n->text, n->len, &prefix) < 0)
			return refuse(r, n, k);
		memcpy(dst, &prefix, sizeof(prefix));
		return 0;
	default:
		config_reader_hint(r,
			"such as 192.0.2.1:%u or \"[2001:db8::1]:%u\"; names are not resolved",
			CONFIG_PORT_DEFAULT, CONFIG_PORT_DEFAULT);
		if (config_endpoint_parse(n->text, n->len, CONFIG_PORT_DEFAULT, &ep) < 0)
			return refuse(r, n, k);
		memcpy(dst, &ep, sizeof(ep));
		return 0;
	}
}

int config_scalar_read(
	struct config_reader *r, const struct config_node *n, const struct config_key *k, void *dst)
{
	switch (k->type) {
	case CONFIG_TYPE_BOOL:
		return read_bool(r, n, k, dst);
	case CONFIG_TYPE_NUMBER:
		return read_number(r, n, k, dst);
	case CONFIG_TYPE_CPU:
		return read_cpu(r, n, k, dst);
	case CONFIG_TYPE_ENUM:
		return read_enum(r, n, k, dst);
	case CONFIG_TYPE_PREFIX:
	case CONFIG_TYPE_ENDPOINT:
		return read_address(r, n, k, dst);
	case CONFIG_TYPE_MAC:
		config_reader_hint(r, "six hex pairs of one station, such as 02:00:00:00:00:01");
		return config_value_mac(n->text, n->len, dst) < 0 ? refuse(r, n, k) : 0;
	case CONFIG_TYPE_KEY:
		config_reader_hint(r, "the peer's `postern status` shows its key");
		return config_value_hex32(n->text, n->len, dst) < 0 ? refuse(r, n, k) : 0;
	default:
		return read_text(r, n, k, dst);
	}
}
