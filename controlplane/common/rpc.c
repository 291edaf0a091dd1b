// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/rpc.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_UMASK 0117 // what is left is 0660

struct client {
	struct rpc_server *server;
	struct client *next;
	uv_pipe_t pipe;
	uv_timer_t timer;
	uv_write_t write;
	struct rpc_call *call; // the deferred request, if any
	char *reply;           // being written, NULL otherwise
	bool closing;
	bool hang_up; // close once the reply is out
	bool in_line; // half a line is here, and its clock is running
	unsigned open_handles;
	size_t used;
	char line[RPC_LINE_MAX];
};

struct rpc_call {
	struct client *client; // NULL once the client is gone
};

struct rpc_server {
	uv_pipe_t pipe;
	rpc_handler handler;
	void *ctx;
	struct client *clients;
	struct client *current; // whose request the handler is looking at
	bool deferred;          // and it has called rpc_defer()
	unsigned n_clients;
	bool closing;
	bool pipe_closed;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

static void client_next(struct client *c);

// ---- life of a client

static void server_free_if_done(struct rpc_server *s)
{
	if (s->closing && s->pipe_closed && s->clients == NULL)
		free(s);
}

static void on_client_closed(uv_handle_t *handle)
{
	struct client *c = handle->data;
	struct rpc_server *s = c->server;

	if (--c->open_handles > 0)
		return;
	for (struct client **p = &s->clients; *p != NULL; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			break;
		}
	}
	s->n_clients--;
	free(c->reply);
	free(c);
	server_free_if_done(s);
}

static void client_close(struct client *c)
{
	if (c->closing)
		return;
	c->closing = true;
	if (c->call != NULL) {
		c->call->client = NULL;
		c->call = NULL;
	}
	uv_close((uv_handle_t *)&c->pipe, on_client_closed);
	uv_close((uv_handle_t *)&c->timer, on_client_closed);
}

static void on_timeout(uv_timer_t *timer)
{
	client_close(timer->data);
}

static void client_arm(struct client *c, uint64_t ms)
{
	uv_timer_start(&c->timer, on_timeout, ms, 0);
}

// ---- replies

static void on_written(uv_write_t *write, int status)
{
	struct client *c = write->data;

	free(c->reply);
	c->reply = NULL;
	if (c->closing)
		return;
	if (status < 0 || c->hang_up) {
		client_close(c);
		return;
	}
	client_next(c);
}

// Send one reply line; takes `body`.
static void client_send(struct client *c, json_t *body)
{
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	uv_buf_t bufs[2];

	json_decref(body);
	if (text == NULL) {
		client_close(c);
		return;
	}
	c->reply = text;
	bufs[0] = uv_buf_init(text, strlen(text));
	bufs[1] = uv_buf_init("\n", 1);
	c->write.data = c;
	client_arm(c, RPC_SLOW_MS);
	if (uv_write(&c->write, (uv_stream_t *)&c->pipe, bufs, 2, on_written) < 0) {
		free(c->reply);
		c->reply = NULL;
		client_close(c);
	}
}

static void client_send_error(struct client *c, const struct rpc_error *e)
{
	json_t *body = json_pack("{s:s, s:s, s:s}", "code", e->code != NULL ? e->code : "internal",
		"message", e->message[0] != '\0' ? e->message : "The request failed.", "hint",
		e->hint);

	// A text cut inside a multi-byte character is not UTF-8, and json_pack refuses it.
	if (body == NULL)
		body = json_pack("{s:s, s:s, s:s}", "code", "internal", "message",
			"The request failed, and its message could not be encoded.", "hint",
			"See the process log.");
	client_send(c, json_pack("{s:o}", "error", body));
}

static void client_refuse(struct client *c, const char *code, const char *message, const char *hint)
{
	struct rpc_error e = {};

	rpc_error_set(&e, code, hint, "%s", message);
	client_send_error(c, &e);
}

// ---- requests

static void client_handle(struct client *c, size_t len)
{
	struct rpc_server *s = c->server;
	struct rpc_error error = {};
	json_error_t where;
	json_t *request, *result, *params, *none = NULL;
	const char *method;

	request = json_loadb(c->line, len, JSON_REJECT_DUPLICATES, &where);
	method = json_string_value(json_object_get(request, "method"));
	params = json_object_get(request, "params");
	if (method == NULL || (params != NULL && !json_is_object(params))) {
		json_decref(request);
		client_refuse(c, "bad-request", "The request is not one JSON object with a method.",
			"Send {\"method\":\"status\",\"params\":{}} and a newline.");
		return;
	}
	if (params == NULL)
		params = none = json_object();
	s->current = c;
	s->deferred = false;
	result = s->handler(s->ctx, method, params, &error);
	s->current = NULL;
	json_decref(none);
	json_decref(request);
	if (s->deferred) {
		assert(result == NULL);
		if (c->call != NULL)
			uv_timer_stop(&c->timer);
	} else if (result != NULL) {
		client_send(c, json_pack("{s:o}", "result", result));
	} else {
		client_send_error(c, &error);
	}
}

// Take the next whole line out of the buffer, if nothing is under way.
static void client_next(struct client *c)
{
	char *end;
	size_t len;

	if (c->closing || c->reply != NULL || c->call != NULL)
		return;
	end = memchr(c->line, '\n', c->used);
	if (end == NULL) {
		// The clock of a line starts with its first byte: a byte now and then buys no time.
		if (!c->in_line)
			client_arm(c, c->used > 0 ? RPC_SLOW_MS : RPC_IDLE_MS);
		c->in_line = c->used > 0;
		if (c->used == sizeof(c->line)) {
			c->hang_up = true;
			uv_read_stop((uv_stream_t *)&c->pipe);
			client_refuse(c, "too-large", "The request is longer than 64 KiB.",
				"Split it into smaller requests.");
		}
		return;
	}
	len = end - c->line;
	c->in_line = false;
	client_handle(c, len);
	// The handler is done with the line (a deferred call keeps none of it), so it can go now.
	c->used -= len + 1;
	memmove(c->line, end + 1, c->used);
}

static void on_alloc(uv_handle_t *handle, size_t, uv_buf_t *buf)
{
	struct client *c = handle->data;

	// A full buffer gives length 0, which libuv reports as UV_ENOBUFS to on_read.
	*buf = uv_buf_init(c->line + c->used, sizeof(c->line) - c->used);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *)
{
	struct client *c = stream->data;

	if (n == 0)
		return;
	if (n < 0) {
		client_close(c);
		return;
	}
	c->used += n;
	client_next(c);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct rpc_server *s = listener->data;
	struct client *c;

	if (status < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return;
	c->server = s;
	uv_pipe_init(listener->loop, &c->pipe, 0);
	uv_timer_init(listener->loop, &c->timer);
	c->pipe.data = c;
	c->timer.data = c;
	c->open_handles = 2;
	c->next = s->clients;
	s->clients = c;
	s->n_clients++;
	if (uv_accept(listener, (uv_stream_t *)&c->pipe) < 0) {
		client_close(c);
		return;
	}
	if (s->n_clients > RPC_CLIENTS_MAX) {
		c->hang_up = true;
		client_refuse(c, "busy", "Too many clients are connected.",
			"Close one, or try again in a minute.");
		return;
	}
	client_arm(c, RPC_IDLE_MS);
	if (uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) < 0)
		client_close(c);
}

// ---- deferred calls and errors

struct rpc_call *rpc_defer(struct rpc_server *s)
{
	struct rpc_call *call;

	assert(s->current != NULL && s->current->call == NULL);
	call = calloc(1, sizeof(*call));
	if (call == NULL)
		return NULL;
	call->client = s->current;
	s->current->call = call;
	s->deferred = true;
	return call;
}

// The client that still waits for this call, or NULL; the call is gone after this.
static struct client *call_finish(struct rpc_call *call)
{
	struct client *c = call->client;

	free(call);
	if (c != NULL)
		c->call = NULL;
	return c;
}

void rpc_reply(struct rpc_call *call, json_t *result)
{
	struct client *c = call_finish(call);

	if (c != NULL)
		client_send(c, json_pack("{s:o}", "result", result));
	else
		json_decref(result);
}

void rpc_fail(struct rpc_call *call, const struct rpc_error *error)
{
	struct client *c = call_finish(call);

	if (c != NULL)
		client_send_error(c, error);
}

void rpc_error_set(
	struct rpc_error *error, const char *code, const char *hint, const char *fmt, ...)
{
	va_list ap;

	error->code = code;
	va_start(ap, fmt);
	vsnprintf(error->message, sizeof(error->message), fmt, ap);
	va_end(ap);
	snprintf(error->hint, sizeof(error->hint), "%s", hint != NULL ? hint : "");
}

// ---- life of the server

// 0 if nobody answers behind the path (a stale socket is removed), else -EADDRINUSE or -errno.
static int clear_stale(const struct sockaddr_un *addr)
{
	struct stat st;
	int fd, err = 0;

	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	// Only ever remove a socket: the path may be a mistake in somebody's YAML.
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	// EAGAIN is a full backlog: somebody lives there.
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN)
		err = -EADDRINUSE;
	else if (errno != ECONNREFUSED && errno != ENOENT)
		err = -errno;
	close(fd);
	if (err == 0 && unlink(addr->sun_path) < 0 && errno != ENOENT)
		err = -errno;
	return err;
}

static int open_socket(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	mode_t old;
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	err = clear_stale(&addr);
	if (err < 0)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	old = umask(SOCKET_UMASK);
	err = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
	umask(old);
	if (err < 0) {
		close(fd);
		return err;
	}
	return fd;
}

static void on_server_closed(uv_handle_t *handle)
{
	struct rpc_server *s = handle->data;

	s->pipe_closed = true;
	server_free_if_done(s);
}

int rpc_server_create(uv_loop_t *loop, const char *path, rpc_handler handler, void *ctx,
	struct rpc_server **ret_server)
{
	struct rpc_server *s;
	int fd, err;

	fd = open_socket(path);
	if (fd < 0)
		return fd;
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		close(fd);
		unlink(path);
		return -ENOMEM;
	}
	s->handler = handler;
	s->ctx = ctx;
	strcpy(s->path, path);
	uv_pipe_init(loop, &s->pipe, 0);
	s->pipe.data = s;
	err = uv_pipe_open(&s->pipe, fd);
	if (err < 0)
		close(fd);
	else
		err = uv_listen((uv_stream_t *)&s->pipe, RPC_CLIENTS_MAX, on_connection);
	if (err < 0) {
		rpc_server_destroy(s);
		return err;
	}
	*ret_server = s;
	return 0;
}

void rpc_server_destroy(struct rpc_server *s)
{
	if (s == NULL || s->closing)
		return;
	s->closing = true;
	unlink(s->path);
	for (struct client *c = s->clients; c != NULL; c = c->next)
		client_close(c);
	uv_close((uv_handle_t *)&s->pipe, on_server_closed);
}
