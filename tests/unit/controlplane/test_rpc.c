// SPDX-License-Identifier: BSD-3-Clause
//
// The JSON-lines server against clients that misbehave, then against one that does not.
#include "controlplane/common/rpc.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	uv_loop_t loop;
	struct rpc_server *server;
	struct rpc_call *waiting;
	char dir[32];
	char path[64];
};

static json_t *answer(void *ctx, const char *method, json_t *params, struct rpc_error *error)
{
	struct fixture *f = ctx;

	if (strcmp(method, "echo") == 0)
		return json_incref(params);
	if (strcmp(method, "big") == 0) {
		char *text = calloc(1, 8 << 20);

		memset(text, 'x', (8 << 20) - 1);
		json_t *result = json_string(text);

		free(text);
		return result;
	}
	if (strcmp(method, "later") == 0) {
		f->waiting = rpc_defer(f->server);
		return NULL;
	}
	if (strcmp(method, "at-once") == 0) {
		rpc_reply(rpc_defer(f->server), json_integer(1));
		return NULL;
	}
	rpc_error_set(error, "no-such-method", "Try echo.", "There is no method \"%s\".", method);
	return NULL;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/postern-rpc-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/api.sock", f->dir);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(rpc_server_create(&f->loop, f->path, answer, f, &f->server), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rpc_server_destroy(f->server);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	// A handle left open would make the loop busy: this is the leak check of every case.
	assert_int_equal(uv_loop_close(&f->loop), 0);
	assert_int_equal(access(f->path, F_OK), -1);
	rmdir(f->dir);
	free(f);
	return 0;
}

static int dial(struct fixture *f)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(addr.sun_path, f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

// Run the loop until `fd` gives one line (without its newline), or closes (then "").
static char *read_line(struct fixture *f, int fd)
{
	static char line[16 << 20];
	size_t used = 0;
	bool whole = false;

	while (!whole) {
		const char *end;
		ssize_t n;

		uv_run(&f->loop, UV_RUN_NOWAIT);
		// Look first, so that what belongs to the next line stays.
		n = recv(fd, line + used, 65536, MSG_PEEK);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			break;
		if (n < 0) {
			poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 1);
			continue;
		}
		end = memchr(line + used, '\n', n);
		whole = end != NULL;
		if (whole)
			n = end - (line + used) + 1;
		assert_int_equal(recv(fd, line + used, n, 0), n);
		used += whole ? n - 1 : n;
	}
	line[used] = '\0';
	return line;
}

static void say(struct fixture *f, int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n > 0) {
			text += n;
			len -= n;
		} else {
			assert_int_equal(errno, EAGAIN);
		}
		uv_run(&f->loop, UV_RUN_NOWAIT);
	}
}

static void ask(struct fixture *f, int fd, const char *line)
{
	say(f, fd, line, strlen(line));
}

static void garbage_is_refused_and_the_connection_lives(void **state)
{
	static const char *const lines[] = {
		"\n",
		"{\n",
		"nonsense\n",
		"[]\n",
		"{}\n",
		"\"text\"\n",
		"{\"method\":1}\n",
		"{\"method\":\"echo\",\"params\":[]}\n",
		"{\"method\":\"echo\",\"method\":\"echo\"}\n",
		"{\"method\":\"echo\"}{\"method\":\"echo\"}\n",
		"{\"method\":\"\xff\xfe\"}\n",
	};
	struct fixture *f = *state;
	int fd = dial(f);

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		ask(f, fd, lines[i]);
		assert_non_null(strstr(read_line(f, fd), "\"code\":\"bad-request\""));
	}
	// Bytes after a NUL are part of the line, not hidden from the parser.
	say(f, fd, "{\"method\":\"echo\"}\0x\n", 20);
	assert_non_null(strstr(read_line(f, fd), "\"code\":\"bad-request\""));
	ask(f, fd, "{\"method\":\"echo\"}\n");
	assert_string_equal(read_line(f, fd), "{\"result\":{}}");
	close(fd);
}

static void deep_nesting_is_refused(void **state)
{
	struct fixture *f = *state;
	char *line = calloc(1, RPC_LINE_MAX);
	int fd = dial(f);

	strcpy(line, "{\"method\":\"echo\",\"params\":");
	memset(line + strlen(line), '[', RPC_LINE_MAX - strlen(line) - 2);
	strcat(line, "\n");
	ask(f, fd, line);
	assert_non_null(strstr(read_line(f, fd), "bad-request"));
	free(line);
	close(fd);
}

static void a_line_without_end_is_refused_and_cut(void **state)
{
	struct fixture *f = *state;
	char *line = malloc(RPC_LINE_MAX);
	int fd = dial(f);

	memset(line, 'x', RPC_LINE_MAX);
	say(f, fd, line, RPC_LINE_MAX);
	assert_non_null(strstr(read_line(f, fd), "\"code\":\"too-large\""));
	assert_string_equal(read_line(f, fd), "");
	free(line);
	close(fd);
}

static void the_longest_line_is_taken(void **state)
{
	struct fixture *f = *state;
	char *line = malloc(RPC_LINE_MAX + 1);
	int fd = dial(f);

	memset(line, ' ', RPC_LINE_MAX);
	memcpy(line, "{\"method\":\"echo\"}", 17);
	line[RPC_LINE_MAX - 1] = '\n';
	say(f, fd, line, RPC_LINE_MAX);
	assert_string_equal(read_line(f, fd), "{\"result\":{}}");
	free(line);
	close(fd);
}

static void an_error_carries_code_message_and_hint(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	ask(f, fd, "{\"method\":\"dance\"}\n");
	assert_string_equal(read_line(f, fd),
		"{\"error\":{\"code\":\"no-such-method\",\"message\":"
		"\"There is no method \\\"dance\\\".\",\"hint\":\"Try echo.\"}}");
	close(fd);
}

static void clients_beyond_the_limit_are_told_so(void **state)
{
	struct fixture *f = *state;
	int fds[RPC_CLIENTS_MAX], extra;

	for (unsigned i = 0; i < RPC_CLIENTS_MAX; i++)
		fds[i] = dial(f);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	extra = dial(f);
	assert_non_null(strstr(read_line(f, extra), "\"code\":\"busy\""));
	assert_string_equal(read_line(f, extra), "");
	close(extra);
	ask(f, fds[0], "{\"method\":\"echo\"}\n");
	assert_string_equal(read_line(f, fds[0]), "{\"result\":{}}");
	for (unsigned i = 0; i < RPC_CLIENTS_MAX; i++)
		close(fds[i]);
}

static void one_byte_at_a_time_is_understood(void **state)
{
	static const char line[] = "{\"method\":\"echo\",\"params\":{\"a\":1}}\n";
	struct fixture *f = *state;
	int fd = dial(f);

	for (size_t i = 0; i < sizeof(line) - 1; i++)
		say(f, fd, line + i, 1);
	assert_string_equal(read_line(f, fd), "{\"result\":{\"a\":1}}");
	close(fd);
}

static void several_requests_at_once_are_answered_in_order(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	ask(f, fd,
		"{\"method\":\"echo\",\"params\":{\"n\":1}}\n{\"method\":\"later\"}\n"
		"{\"method\":\"echo\",\"params\":{\"n\":3}}\n");
	assert_string_equal(read_line(f, fd), "{\"result\":{\"n\":1}}");
	while (f->waiting == NULL)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	rpc_reply(f->waiting, json_integer(2));
	assert_string_equal(read_line(f, fd), "{\"result\":2}");
	assert_string_equal(read_line(f, fd), "{\"result\":{\"n\":3}}");
	ask(f, fd, "{\"method\":\"at-once\"}\n{\"method\":\"echo\"}\n");
	assert_string_equal(read_line(f, fd), "{\"result\":1}");
	assert_string_equal(read_line(f, fd), "{\"result\":{}}");
	close(fd);
}

static void a_client_gone_before_its_reply_is_survived(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f), other = dial(f);

	ask(f, fd, "{\"method\":\"later\"}\n");
	while (f->waiting == NULL)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	close(fd);
	for (int i = 0; i < 10; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	rpc_reply(f->waiting, json_integer(1));
	ask(f, other, "{\"method\":\"big\"}\n");
	close(other);
	for (int i = 0; i < 10; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void a_client_that_does_not_read_holds_up_nobody(void **state)
{
	struct fixture *f = *state;
	int slow = dial(f), fd = dial(f);

	ask(f, slow, "{\"method\":\"big\"}\n");
	ask(f, fd, "{\"method\":\"echo\"}\n");
	assert_string_equal(read_line(f, fd), "{\"result\":{}}");
	assert_int_equal(strlen(read_line(f, slow)), strlen("{\"result\":\"\"}") + (8 << 20) - 1);
	close(slow);
	close(fd);
}

static void the_socket_is_for_owner_and_group_only(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
}

static void a_live_socket_is_not_taken_over(void **state)
{
	struct fixture *f = *state;
	struct rpc_server *second;

	assert_int_equal(rpc_server_create(&f->loop, f->path, answer, f, &second), -EADDRINUSE);
	assert_int_equal(access(f->path, F_OK), 0);
}

static void a_stale_socket_is_replaced_and_a_file_is_not(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct rpc_server *second;
	char long_path[200];
	FILE *file;
	int fd;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/stale.sock", f->dir);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(rpc_server_create(&f->loop, addr.sun_path, answer, f, &second), 0);
	rpc_server_destroy(second);
	assert_int_equal(access(addr.sun_path, F_OK), -1);

	file = fopen(addr.sun_path, "w");
	fclose(file);
	assert_int_equal(rpc_server_create(&f->loop, addr.sun_path, answer, f, &second), -EEXIST);
	assert_int_equal(unlink(addr.sun_path), 0);

	memset(long_path, 'a', sizeof(long_path));
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(rpc_server_create(&f->loop, long_path, answer, f, &second), -ENAMETOOLONG);
}

// The limit is too long to wait for; the loop's own next deadline shows whether it moved.
static void a_half_line_does_not_buy_time_byte_by_byte(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f), before, after;

	say(f, fd, "{", 1);
	for (int i = 0; i < 5; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	before = uv_backend_timeout(&f->loop);
	assert_in_range(before, 1, RPC_SLOW_MS);
	usleep(50000);
	say(f, fd, "\"", 1);
	for (int i = 0; i < 5; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	after = uv_backend_timeout(&f->loop);
	assert_in_range(after, 1, before - 40);
	close(fd);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		CASE(garbage_is_refused_and_the_connection_lives),
		CASE(deep_nesting_is_refused),
		CASE(a_line_without_end_is_refused_and_cut),
		CASE(the_longest_line_is_taken),
		CASE(an_error_carries_code_message_and_hint),
		CASE(clients_beyond_the_limit_are_told_so),
		CASE(one_byte_at_a_time_is_understood),
		CASE(several_requests_at_once_are_answered_in_order),
		CASE(a_client_gone_before_its_reply_is_survived),
		CASE(a_client_that_does_not_read_holds_up_nobody),
		CASE(the_socket_is_for_owner_and_group_only),
		CASE(a_live_socket_is_not_taken_over),
		CASE(a_stale_socket_is_replaced_and_a_file_is_not),
		CASE(a_half_line_does_not_buy_time_byte_by_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
