// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/signer.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdbool.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <fcntl.h>
#include <unistd.h>

#include "sandbox/crash.h"

#define END_TIMEOUT_MS 1000

struct signer {
	int fd;
	bool dead;
	pid_t pid;
	uint32_t seq;
	uint32_t drop_uid;
	uint32_t drop_gid;
	struct signer_request request; // here and not on the stack: paths only, no secrets
};

static int program_in(const char *dir, const char *sub, char path[PATH_MAX])
{
	int len = snprintf(path, PATH_MAX, "%s%s/postern-signer", dir, sub);

	if (len < 0 || len >= PATH_MAX)
		return -ENAMETOOLONG;
	return access(path, X_OK) == 0 ? 0 : -errno;
}

// The signer's program: in $POSTERN_LIBEXEC, beside our own, or where it is installed as seen from
// bin/ (postern, postern-hub).
static int program_path(char path[PATH_MAX])
{
	const char *dir = secure_getenv("POSTERN_LIBEXEC");
	char self[PATH_MAX];
	ssize_t n;

	if (dir != NULL && dir[0] != '\0')
		return program_in(dir, "", path);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return -ENOENT;
	self[n] = '\0';
	*strrchr(self, '/') = '\0'; // the kernel's path is absolute
	if (program_in(self, "", path) == 0)
		return 0;
	return program_in(self, "/../libexec/postern", path);
}

// Start the program with the socket as descriptor 3, stderr, and nothing else of ours.
static int start(const char *path, int socket, pid_t *ret_pid)
{
	char credentials[PATH_MAX + 32];
	char *argv[] = {"postern-signer", NULL};
	char *envp[] = {NULL, NULL};
	const char *dir = secure_getenv("CREDENTIALS_DIRECTORY");
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int err;

	if (dir != NULL && strlen(dir) < PATH_MAX) {
		snprintf(credentials, sizeof(credentials), "CREDENTIALS_DIRECTORY=%s", dir);
		envp[0] = credentials;
	}
	sigemptyset(&none);
	sigfillset(&all);
	err = posix_spawn_file_actions_init(&actions);
	if (err != 0)
		return -err;
	err = posix_spawnattr_init(&attr);
	if (err != 0)
		goto destroy_actions;
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	err = posix_spawn_file_actions_adddup2(&actions, socket, SIGNER_FD);
	if (err == 0)
		err = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (err == 0)
		err = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	if (err == 0 && crash_fd() >= 0)
		err = posix_spawn_file_actions_adddup2(&actions, crash_fd(), SIGNER_CRASH_FD);
	if (err == 0)
		err = posix_spawn_file_actions_addclosefrom_np(
			&actions, crash_fd() >= 0 ? SIGNER_CRASH_FD + 1 : SIGNER_CRASH_FD);
	if (err == 0)
		err = posix_spawn(ret_pid, path, &actions, &attr, argv, envp);
	posix_spawnattr_destroy(&attr);
destroy_actions:
	posix_spawn_file_actions_destroy(&actions);
	return -err;
}

enum identity_error signer_spawn(struct signer **ret_signer)
{
	char path[PATH_MAX];
	struct signer *s;
	int pair[2], err;

	if (sodium_init() < 0)
		return IDENTITY_ERR_MEMORY;
	if (program_path(path) < 0)
		return IDENTITY_ERR_SIGNER_MISSING;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return IDENTITY_ERR_MEMORY;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		free(s);
		return IDENTITY_ERR_MEMORY;
	}
	err = start(path, pair[1], &s->pid);
	close(pair[1]);
	if (err < 0) {
		close(pair[0]);
		free(s);
		return err == -ENOMEM || err == -EAGAIN ? IDENTITY_ERR_MEMORY
							: IDENTITY_ERR_SIGNER_MISSING;
	}
	s->fd = pair[0];
	*ret_signer = s;
	return IDENTITY_OK;
}

void signer_set_user(struct signer *s, uid_t uid, gid_t gid)
{
	s->drop_uid = uid;
	s->drop_gid = gid;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

// A signer that has broken the rules once is not asked again.
static int give_up(struct signer *s, int err)
{
	s->dead = true;
	shutdown(s->fd, SHUT_RDWR); // not closed: somebody's event loop may be watching it
	return err;
}

static int wait_readable(int fd, int timeout_ms)
{
	uint64_t deadline = now_ms() + (uint64_t)timeout_ms;
	struct pollfd p = {.fd = fd, .events = POLLIN};

	for (;;) {
		uint64_t now = now_ms();
		int n = poll(&p, 1, now < deadline ? (int)(deadline - now) : 0);

		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

// Send s->request and take its reply. The reply's body must have want bytes if status is 0.
static int ask(struct signer *s, enum signer_op op, size_t want, int timeout_ms,
	struct signer_reply *ret_reply)
{
	struct {
		struct signer_reply reply;
		uint8_t more; // one byte of room shows a message that is too long
	} in;
	struct signer_request *q = &s->request;
	ssize_t n;
	int err;

	if (s->dead)
		return -EPIPE;
	q->version = SIGNER_MSG_VERSION;
	q->op = (uint16_t)op;
	q->seq = ++s->seq;
	do {
		n = send(s->fd, q, sizeof(*q), MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(*q))
		return give_up(s, -EPIPE);
	err = wait_readable(s->fd, timeout_ms);
	if (err < 0)
		return give_up(s, err);
	n = recv(s->fd, &in, sizeof(in), MSG_DONTWAIT);
	if (n != (ssize_t)sizeof(in.reply) || in.reply.version != SIGNER_MSG_VERSION ||
		in.reply.op != op + 1 || in.reply.seq != q->seq ||
		in.reply.len != (in.reply.status == 0 ? want : 0)) {
		sodium_memzero(&in, sizeof(in));
		return give_up(s, -EPIPE);
	}
	*ret_reply = in.reply;
	sodium_memzero(&in, sizeof(in));
	return 0;
}

static int put_path(char to[SIGNER_PATH_MAX], const char *path)
{
	if (path == NULL)
		return 0;
	if (strlen(path) >= SIGNER_PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(to, path, strlen(path));
	return 0;
}

static enum identity_error open_or_generate(
	struct signer *s, enum signer_op op, const struct identity_source *src)
{
	struct signer_open body = {.drop_uid = s->drop_uid, .drop_gid = s->drop_gid};
	struct signer_reply reply;
	int err;

	if (put_path(body.key_file, src->key_file) < 0 ||
		put_path(body.passphrase_file, src->passphrase_file) < 0 ||
		put_path(body.key_credential, src->key_credential) < 0)
		return IDENTITY_ERR_PATH;
	if (src->kdf != NULL) {
		body.kdf_passes = src->kdf->passes;
		body.kdf_memory_bytes = src->kdf->memory_bytes;
	}
	memset(&s->request, 0, sizeof(s->request));
	s->request.len = sizeof(body);
	memcpy(s->request.body, &body, sizeof(body));
	err = ask(s, op, 0, SIGNER_OPEN_TIMEOUT_MS, &reply);
	if (err == -ETIMEDOUT)
		return IDENTITY_ERR_SIGNER_TIMEOUT;
	if (err < 0)
		return IDENTITY_ERR_SIGNER_GONE;
	if (reply.status != IDENTITY_OK)
		give_up(s, 0);
	return (enum identity_error)reply.status;
}

enum identity_error signer_open_key(struct signer *s, const struct identity_source *src)
{
	return open_or_generate(s, SIGNER_OP_OPEN, src);
}

enum identity_error signer_generate(struct signer *s, const struct identity_source *src)
{
	return open_or_generate(s, SIGNER_OP_GENERATE, src);
}

static int request(struct signer *s, enum signer_op op, const char *label, const void *msg,
	size_t len, void *ret_body, size_t want)
{
	struct signer_reply reply;
	int err;

	if (strlen(label) >= SIGNER_LABEL_BYTES)
		return -EACCES;
	if (len > SIGNER_MESSAGE_MAX)
		return -EMSGSIZE;
	memset(&s->request, 0, sizeof(s->request));
	memcpy(s->request.label, label, strlen(label));
	s->request.len = (uint32_t)len;
	if (len > 0)
		memcpy(s->request.body, msg, len);
	err = ask(s, op, want, SIGNER_TIMEOUT_MS, &reply);
	if (err == 0)
		err = reply.status;
	if (err == 0)
		memcpy(ret_body, reply.body, want);
	sodium_memzero(&reply, sizeof(reply));
	return err;
}

int signer_public(struct signer *s, uint8_t ret_pk[SIGNER_PUBLIC_BYTES])
{
	return request(s, SIGNER_OP_PUBLIC, "", NULL, 0, ret_pk, SIGNER_PUBLIC_BYTES);
}

int signer_sign(struct signer *s, const char *label, const void *msg, size_t len,
	uint8_t ret_sig[SIGNER_SIGNATURE_LEN])
{
	return request(s, SIGNER_OP_SIGN, label, msg, len, ret_sig, SIGNER_SIGNATURE_LEN);
}

int signer_secret(struct signer *s, const char *label, uint8_t ret_key[SIGNER_SECRET_BYTES])
{
	return request(s, SIGNER_OP_SECRET, label, NULL, 0, ret_key, SIGNER_SECRET_BYTES);
}

pid_t signer_pid(const struct signer *s)
{
	return s->pid;
}

int signer_fd(const struct signer *s)
{
	return s->fd;
}

void signer_close(struct signer *s)
{
	int pidfd;

	if (s == NULL)
		return;
	close(s->fd); // the signer reads the end and leaves
	pidfd = (int)syscall(SYS_pidfd_open, s->pid, 0);
	if (pidfd < 0 || wait_readable(pidfd, END_TIMEOUT_MS) < 0)
		kill(s->pid, SIGKILL);
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (pidfd >= 0)
		close(pidfd);
	free(s);
}
