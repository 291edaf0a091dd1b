// SPDX-License-Identifier: BSD-3-Clause
#include "tools/postern/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/gateway.h"
#include "config/hub.h"

#define REPLY_MAX    (64u << 20)
#define REPLY_WAIT_S 30

static const struct daemon_facts {
	const char *program, *run_dir, *socket;
} facts[] = {
	[DAEMON_GATEWAY] = {"postern-control", "/run/postern", "control.sock"},
	[DAEMON_HUB] = {"postern-hub", "/run/postern-hub", "hub.sock"},
};

// The run_dir a configuration file names. Only a file the person named is worth an error: with none
// given, a gateway's operator need not be able to read the default one.
int client_run_dir(const struct options *o, enum daemon d, char *buf, size_t size)
{
	const char *path = options_config_path(o, d);
	struct dataplane_config *gateway;
	struct hub_config *hub;
	struct config_error err;
	int ret;

	if (d == DAEMON_HUB) {
		ret = config_load_hub(path, &hub, &err);
		if (ret == 0) {
			snprintf(buf, size, "%s", hub->run_dir);
			config_free_hub(hub);
		}
	} else {
		ret = config_load_dataplane(path, &gateway, &err);
		if (ret == 0) {
			snprintf(buf, size, "%s", gateway->run_dir);
			config_free_dataplane(gateway);
		}
	}
	if (ret == 0)
		return EXIT_OK;
	if (o->config != NULL)
		return report_config_error(o, &err);
	snprintf(buf, size, "%s", facts[d].run_dir);
	return EXIT_OK;
}

static int dial(const struct options *o, enum daemon d, int *ret_fd)
{
	const struct daemon_facts *f = &facts[d];
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval wait = {.tv_sec = REPLY_WAIT_S};
	char dir[256], path[512], hint[256];
	int fd, err;

	if (o->socket != NULL) {
		snprintf(path, sizeof(path), "%s", o->socket);
	} else {
		err = client_run_dir(o, d, dir, sizeof(dir));
		if (err != EXIT_OK)
			return err;
		snprintf(path, sizeof(path), "%s/%s", dir, f->socket);
	}
	if (strlen(path) >= sizeof(addr.sun_path))
		return report_errorf(o, EXIT_USAGE, "socket-path",
			"A Unix socket's path has at most 107 characters.",
			"The socket path is too long: %s.", path);
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return report_errorf(
			o, EXIT_FAILED, "no-socket", NULL, "No socket is to be had: %m.");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0) {
		*ret_fd = fd;
		return EXIT_OK;
	}
	err = errno;
	close(fd);
	if (err == EACCES || err == EPERM)
		return report_errorf(o, EXIT_UNREACHABLE, "no-permission",
			"Use sudo, or join the group that owns the socket.",
			"You may not talk to %s (%s).", f->program, path);
	snprintf(hint, sizeof(hint),
		"Start it: systemctl start %s    Its log says why it stopped: journalctl -u %s",
		f->program, f->program);
	return report_errorf(o, EXIT_UNREACHABLE, "not-running", hint,
		"%s is not running: nobody answers at %s.", f->program, path);
}

static int send_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= n;
	}
	return 0;
}

// Read one line; the reply can be large (a whole FDB), so the buffer grows.
static char *read_line(int fd, size_t *ret_len)
{
	size_t used = 0, size = 0;
	char *buf = NULL, *end;

	for (;;) {
		ssize_t n;

		if (used == size) {
			char *more =
				size < REPLY_MAX ? realloc(buf, size = size * 2 + 65536) : NULL;

			if (more == NULL) {
				errno = EMSGSIZE;
				break;
			}
			buf = more;
		}
		n = recv(fd, buf + used, size - used, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n == 0 ? ECONNRESET : errno;
			break;
		}
		end = memchr(buf + used, '\n', n);
		used += n;
		if (end != NULL) {
			*ret_len = end - buf;
			return buf;
		}
	}
	free(buf);
	return NULL;
}

static json_t *exchange(
	const struct options *o, enum daemon d, int fd, json_t *request, int *ret_exit)
{
	char *text = json_dumps(request, JSON_COMPACT), *reply = NULL;
	json_error_t where;
	json_t *body = NULL;
	size_t len = 0;
	int err = -ENOMEM;

	if (text != NULL)
		err = send_all(fd, text, strlen(text));
	if (err == 0)
		err = send_all(fd, "\n", 1);
	if (err == 0) {
		reply = read_line(fd, &len);
		err = reply != NULL ? 0 : -errno;
	}
	free(text);
	if (err == 0) {
		body = json_loadb(reply, len, 0, &where);
		free(reply);
		if (json_is_object(body))
			return body;
		json_decref(body);
		*ret_exit = report_errorf(o, EXIT_FAILED, "bad-reply",
			"Are both of the same version? Compare with: postern version",
			"%s sent something that is not a reply.", facts[d].program);
		return NULL;
	}
	if (err == -EAGAIN)
		*ret_exit = report_errorf(o, EXIT_UNREACHABLE, "timeout",
			"It may be overloaded or stuck: look at its log.",
			"%s took the request but did not answer within %d seconds.",
			facts[d].program, REPLY_WAIT_S);
	else
		*ret_exit = report_errorf(o, EXIT_UNREACHABLE, "hung-up",
			"It may have been restarted: try again, then look at its log.",
			"%s hung up before it answered (%s).", facts[d].program, strerror(-err));
	return NULL;
}

json_t *client_call(
	const struct options *o, enum daemon d, const char *method, json_t *params, int *ret_exit)
{
	json_t *request, *body, *result = NULL, *error;
	int fd = -1;

	request = json_pack(
		"{s:s, s:o}", "method", method, "params", params != NULL ? params : json_object());
	*ret_exit = dial(o, d, &fd);
	if (*ret_exit != EXIT_OK) {
		json_decref(request);
		return NULL;
	}
	body = exchange(o, d, fd, request, ret_exit);
	json_decref(request);
	close(fd);
	if (body == NULL)
		return NULL;
	error = json_object_get(body, "error");
	if (error != NULL) {
		const char *code = member_text(error, "code", "failed");
		// What the daemon itself could not reach, and what it does not accept of its file.
		enum exit_code ret =
			strcmp(code, "hub-unreachable") == 0 || strcmp(code, "no-data-plane") == 0
				? EXIT_UNREACHABLE
			: strcmp(code, "bad-config") == 0 ? EXIT_CONFIG
							  : EXIT_FAILED;

		if (o->json) {
			report_json(json_pack("{s:O}", "error", error));
			*ret_exit = ret;
		} else {
			*ret_exit = report_error(o, ret, code,
				member_text(error, "message", "The request was refused."),
				member_text(error, "hint", ""));
		}
	} else {
		result = json_incref(json_object_get(body, "result"));
		if (result == NULL)
			*ret_exit = report_error(o, EXIT_FAILED, "bad-reply",
				"The daemon's reply holds no result.",
				"Compare versions: postern version");
	}
	json_decref(body);
	return result;
}
