// SPDX-License-Identifier: BSD-3-Clause
//
// Files that cannot be read, texts of hostile size, and how an error looks when printed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/gateway.h"
#include "config/hub.h"
#include "tests/unit/config/env.h"

static char dir[] = "/tmp/postern-config-XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int make_dir(void **)
{
	return mkdtemp(dir) == NULL;
}

static int remove_dir(void **)
{
	unlink(in_dir("file.yaml"));
	unlink(in_dir("fifo"));
	return rmdir(dir);
}

static void write_file(const char *text, size_t len)
{
	int fd = open(in_dir("file.yaml"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
}

// All three loaders refuse the path alike.
static void expect_unreadable(const char *path, int ret, const char *message)
{
	struct gateway_config *g = NULL;
	struct dataplane_config *d = NULL;
	struct hub_config *h = NULL;
	struct config_error err;

	memset(&err, 'x', sizeof(err));
	assert_int_equal(config_load_gateway(path, &g, &err), ret);
	assert_string_equal(err.file, path);
	assert_int_equal(err.line, 0);
	assert_non_null(strstr(err.message, message));
	memset(&err, 'x', sizeof(err));
	assert_int_equal(config_load_dataplane(path, &d, &err), ret);
	assert_non_null(strstr(err.message, message));
	memset(&err, 'x', sizeof(err));
	assert_int_equal(config_load_hub(path, &h, &err), ret);
	assert_non_null(strstr(err.message, message));
	assert_null(g);
	assert_null(d);
	assert_null(h);
}

static void an_absent_file_is_refused(void **)
{
	expect_unreadable(in_dir("absent.yaml"), -ENOENT, "No such file");
}

static void a_directory_is_refused(void **)
{
	expect_unreadable(dir, -EINVAL, "not a regular file");
}

static void a_fifo_is_refused_without_waiting_for_a_writer(void **)
{
	assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
	alarm(5);
	expect_unreadable(in_dir("fifo"), -EINVAL, "not a regular file");
	alarm(0);
}

static void a_file_over_1_mib_is_refused_and_one_of_1_mib_is_read(void **)
{
	char *text = malloc(CONFIG_FILE_MAX_BYTES + 1);
	struct gateway_config *g = NULL;
	struct config_error err;

	memset(text, '#', CONFIG_FILE_MAX_BYTES + 1);
	write_file(text, CONFIG_FILE_MAX_BYTES + 1);
	expect_unreadable(in_dir("file.yaml"), -EFBIG, "larger than 1 MiB");
	write_file(text, CONFIG_FILE_MAX_BYTES);
	assert_int_equal(config_load_gateway(in_dir("file.yaml"), &g, &err), -EINVAL);
	assert_string_equal(err.message, "the file is empty");
	free(text);
}

static void a_nul_in_the_file_is_refused(void **)
{
	static const char text[] = "gateway:\n  name: a\0b\n";
	struct gateway_config *g = NULL;
	struct config_error err;

	write_file(text, sizeof(text) - 1);
	assert_int_equal(config_load_gateway(in_dir("file.yaml"), &g, &err), -EINVAL);
	assert_int_equal(err.line, 2);
	assert_int_equal(err.column, 10);
	assert_non_null(strstr(err.message, "control character"));
	assert_string_equal(err.source, "  name: a?b");
}

// A text of size bytes made of a head and one repeated piece.
static int parse_repeated(
	const char *head, const char *piece, size_t size, struct config_error *err)
{
	char *text = malloc(size + 1);
	struct gateway_config *g = NULL;
	size_t len = (size_t)snprintf(text, size, "%s", head);
	int ret;

	while (len + strlen(piece) <= size) {
		memcpy(text + len, piece, strlen(piece));
		len += strlen(piece);
	}
	ret = config_parse_gateway("gateway.yaml", text, len, &env_test, &g, err);
	assert_null(g);
	free(text);
	return ret;
}

static void hostile_texts_of_full_size_end_in_a_plain_refusal(void **)
{
	static const struct {
		const char *head, *piece, *message;
	} cases[] = {
		{"", "[", "nested too deeply"},
		{"", "{", "cannot be a key"},
		{"a: [", "[[]],", "too many values"},
		{"a: [", "x,", "too many values"},
		{"a: [", "[],", "too many values"},
		{"a:\n", " - \n", "too many values"},
		{"", "- ", "nested too deeply"},
		{"", "? ", "cannot be a key"},
		{"a: \"", "x", "without closing quote"},
		{"a: ", "x", "unknown key 'a'"},
		{"", "a", "mapping of sections"},
		{"a: ", "'", "syntax"},
		{"", "---\n", "second YAML document"},
		{"", "%YAML 1.2\n", "duplicate version directive"},
		{"", "&a ", "anchors"},
		{"peers: [", "{name: b},", "too many values"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config_error err;

		assert_int_equal(
			parse_repeated(cases[i].head, cases[i].piece, CONFIG_FILE_MAX_BYTES, &err),
			-EINVAL);
		if (strcasestr(err.message, cases[i].message) == NULL)
			fail_msg("'%s%s%s…': wanted '%s', got '%s'", cases[i].head, cases[i].piece,
				cases[i].piece, cases[i].message, err.message);
	}
}

static void too_many_keys_in_a_section_are_refused(void **)
{
	char text[4096];
	size_t len = 0;
	struct gateway_config *g = NULL;
	struct config_error err;

	for (unsigned i = 0; i < 65; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "key%u: 1\n", i);
	assert_int_equal(config_parse_gateway("x", text, len, &env_test, &g, &err), -EINVAL);
	assert_int_equal(err.line, 65);
	assert_non_null(strstr(err.message, "too many keys"));
}

static void too_many_items_in_a_list_are_refused(void **)
{
	char text[4096];
	size_t len = (size_t)snprintf(text, sizeof(text), "dataplane:\n  workers: [0");
	struct gateway_config *g = NULL;
	struct config_error err;

	for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, ",0");
	len += (size_t)snprintf(text + len, sizeof(text) - len, "]\n");
	assert_int_equal(config_parse_gateway("x", text, len, &env_test, &g, &err), -EINVAL);
	assert_int_equal(err.line, 2);
	assert_string_equal(err.message, "dataplane.workers has 17 items");
	assert_string_equal(err.hint, "at most 16 fit");
}

static void expect_printed(const struct config_error *err, const char *wanted)
{
	char *printed = NULL;
	size_t size;
	FILE *out = open_memstream(&printed, &size);

	config_error_print(out, err);
	fclose(out);
	assert_string_equal(printed, wanted);
	free(printed);
}

static int parse_text(const char *text, struct config_error *err)
{
	struct gateway_config *g = NULL;

	return config_parse_gateway("gateway.yaml", text, strlen(text), &env_test, &g, err);
}

static void a_printed_error_points_under_its_column(void **)
{
	struct config_error err;

	assert_int_equal(parse_text("dataplane:\n  worker: [1]\n", &err), -EINVAL);
	expect_printed(&err, "gateway.yaml:2:3: error: unknown key 'worker' in dataplane\n"
			     "    2 |   worker: [1]\n"
			     "      |   ^\n"
			     "  hint: did you mean 'workers'?\n");
	assert_string_equal(err.key, "dataplane.worker");
}

static void a_caret_counts_characters_not_bytes(void **)
{
	struct config_error err;

	assert_int_equal(parse_text("policy: {\"\xc3\xa4\xe2\x82\xac\": 1}\n", &err), -EINVAL);
	assert_int_equal(
		parse_text("policy: {keepalive_s: \"\xc3\xa4\xe2\x82\xac\", x: 1}\n", &err),
		-EINVAL);
	assert_int_equal(err.column, 23);
	assert_int_equal(
		parse_text("peers: [{name: \"\xc3\xa4\xe2\x82\xac\", x: 1}]\n", &err), -EINVAL);
	assert_int_equal(
		parse_text("gateway: {user: \xc3\xa4\xe2\x82\xac, x: 1}\n", &err), -EINVAL);
	assert_int_equal(
		parse_text("{\xc3\xa4\xe2\x82\xac: 1, \xc3\xa4\xe2\x82\xac: 1}\n", &err), -EINVAL);
	expect_printed(&err, "gateway.yaml:1:9: error: duplicate key '\xc3\xa4\xe2\x82\xac'\n"
			     "    1 | {\xc3\xa4\xe2\x82\xac: 1, \xc3\xa4\xe2\x82\xac: 1}\n"
			     "      |         ^\n"
			     "  hint: it was first given in line 1\n");
}

static void a_tab_before_the_column_is_repeated_under_the_line(void **)
{
	struct config_error err;

	assert_int_equal(parse_text("policy:\t{x: 1}\n", &err), -EINVAL);
	expect_printed(&err,
		"gateway.yaml:1:10: error: unknown key 'x' in policy\n"
		"    1 | policy:\t{x: 1}\n"
		"      |        \t ^\n"
		"  hint: valid here: rekey_s, key_life_s, keepalive_s, intent_days, cipher\n");
}

static void a_long_line_is_shown_round_its_column(void **)
{
	struct config_error err;
	char text[2048];
	size_t len = (size_t)snprintf(text, sizeof(text), "policy: {rekey_s: ");

	memset(text + len, '1', 900);
	snprintf(text + len + 900, sizeof(text) - len - 900, ", x: 1}\n");
	assert_int_equal(parse_text(text, &err), -EINVAL);
	assert_int_equal(err.column, 19);
	assert_int_equal(err.caret, 18);
	assert_true(strlen(err.source) < CONFIG_ERROR_SOURCE);
	snprintf(text, sizeof(text), "policy: {%900sx: 1}\n", "");
	assert_int_equal(parse_text(text, &err), -EINVAL);
	assert_int_equal(err.column, 910);
	assert_int_equal(err.source[err.caret], 'x');
}

static void an_escape_sequence_never_reaches_the_terminal(void **)
{
	struct config_error err;

	assert_int_equal(parse_text("policy: \"\\e[31mred\"\n", &err), -EINVAL);
	for (const char *p = err.message; *p != '\0'; p++)
		assert_true((unsigned char)*p >= ' ');
	assert_int_equal(parse_text("\"\\u202e\\e\": 1\n", &err), -EINVAL);
	assert_null(strstr(err.message, "\xe2\x80\xae"));
	assert_null(strchr(err.message, '\x1b'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_absent_file_is_refused),
		cmocka_unit_test(a_directory_is_refused),
		cmocka_unit_test(a_fifo_is_refused_without_waiting_for_a_writer),
		cmocka_unit_test(a_file_over_1_mib_is_refused_and_one_of_1_mib_is_read),
		cmocka_unit_test(a_nul_in_the_file_is_refused),
		cmocka_unit_test(hostile_texts_of_full_size_end_in_a_plain_refusal),
		cmocka_unit_test(too_many_keys_in_a_section_are_refused),
		cmocka_unit_test(too_many_items_in_a_list_are_refused),
		cmocka_unit_test(a_printed_error_points_under_its_column),
		cmocka_unit_test(a_caret_counts_characters_not_bytes),
		cmocka_unit_test(a_tab_before_the_column_is_repeated_under_the_line),
		cmocka_unit_test(a_long_line_is_shown_round_its_column),
		cmocka_unit_test(an_escape_sequence_never_reaches_the_terminal),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
