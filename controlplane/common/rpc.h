// SPDX-License-Identifier: BSD-3-Clause
//
// The local API: JSON lines over a Unix socket, one request and one reply a line.
//
//   → {"method":"peers","params":{}}
//   ← {"result":[...]}     or     ← {"error":{"code":"no-such-peer","message":"...","hint":"..."}}
//
// Everything a client can send is bounded: line length, number of clients, time to finish a line,
// time to take a reply. A client waits for its reply before its next line is looked at. Who may
// connect is decided by the socket's mode (0660) and the directory it is in.
//
// Loop thread only. Floor 4.
#pragma once

#include <jansson.h>
#include <uv.h>

#define RPC_LINE_MAX    65536 // bytes of one request, newline included
#define RPC_CLIENTS_MAX 32
#define RPC_IDLE_MS     60000 // a connection without a request
#define RPC_SLOW_MS     10000 // half a line, or a reply not taken
#define RPC_TEXT_MAX    512

// What went wrong and what to do next. `code` is a static string, kebab-case, part of the API.
struct rpc_error {
	const char *code;
	char message[RPC_TEXT_MAX];
	char hint[RPC_TEXT_MAX];
};

// Answer one request.
//
// params: an object, never NULL, borrowed
// return: the result (ownership passes to the caller); or NULL with `error` set by rpc_error_set();
//         or NULL after rpc_defer(), and then rpc_reply() or rpc_fail() exactly once, later
typedef json_t *(*rpc_handler)(
	void *ctx, const char *method, json_t *params, struct rpc_error *error);

struct rpc_server;
struct rpc_call;

// Listen on `path`. A socket left behind by a dead process is replaced; one that still answers is
// not: -EADDRINUSE. Other errors are those of socket(2), bind(2), listen(2); -ENAMETOOLONG for a
// long path.
int rpc_server_create(uv_loop_t *loop, const char *path, rpc_handler handler, void *ctx,
	struct rpc_server **ret_server);

// Stop listening, remove the socket, drop all clients. The memory goes once the loop has run its
// close callbacks, so run the loop once more before closing it. Accepts NULL. Deferred calls stay
// valid.
void rpc_server_destroy(struct rpc_server *server);

// Fill an error. `hint` may be NULL.
void rpc_error_set(struct rpc_error *error, const char *code, const char *hint, const char *fmt,
	...) __attribute__((format(printf, 4, 5)));

// Inside a handler: keep the request open and answer it later. The client may be gone by then,
// which rpc_reply() and rpc_fail() cope with; either of them frees the call. There is no time limit
// here: who defers owns the timeout.
struct rpc_call *rpc_defer(struct rpc_server *server);
void rpc_reply(struct rpc_call *call, json_t *result); // takes `result`
void rpc_fail(struct rpc_call *call, const struct rpc_error *error);
