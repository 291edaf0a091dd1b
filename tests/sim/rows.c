// SPDX-License-Identifier: BSD-3-Clause
#include "tests/sim/rows.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

double row_seconds(void)
{
	struct timespec t;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t); // clock_gettime() is the world's
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void in_child(void (*life)(void *, struct row_result *), void *arg, int fd)
{
	static struct row_result r;

	life(arg, &r);
	r.ok = !world.failed;
	memcpy(r.failure, world.failure, sizeof(r.failure));
	r.now_us = world.now_us;
	r.n_packets = world.n_packets;
	r.totals = *watch_totals();
	fflush(stdout);
	_exit(write(fd, &r, sizeof(r)) == sizeof(r) ? 0 : 3);
}

void row_begin(struct row_job *job, void (*life)(void *arg, struct row_result *r), void *arg)
{
	int fds[2];

	fflush(stdout);
	job->pid = -1;
	if (pipe(fds) < 0)
		return;
	job->fd = fds[0];
	job->pid = fork();
	if (job->pid == 0)
		in_child(life, arg, fds[1]);
	close(fds[1]);
	if (job->pid < 0)
		close(fds[0]);
}

bool row_finish(struct row_job *job, struct row_result *ret)
{
	int status = 0;

	memset(ret, 0, sizeof(*ret));
	if (job->pid < 0) {
		snprintf(ret->failure, sizeof(ret->failure), "no child process");
		return false;
	}
	if (read(job->fd, ret, sizeof(*ret)) != sizeof(*ret))
		memset(ret, 0, sizeof(*ret));
	close(job->fd);
	waitpid(job->pid, &status, 0);
	if (WIFSIGNALED(status))
		snprintf(ret->failure, sizeof(ret->failure), "it crashed: %s",
			strsignal(WTERMSIG(status)));
	else if (!ret->ok && ret->failure[0] == '\0')
		snprintf(ret->failure, sizeof(ret->failure), "it ended with status %d",
			WEXITSTATUS(status));
	return ret->ok;
}

bool row_run_apart(void (*life)(void *arg, struct row_result *r), void *arg, struct row_result *ret)
{
	struct row_job job;

	row_begin(&job, life, arg);
	return row_finish(&job, ret);
}

void row_tell(struct row_result *r, double figure)
{
	if (r->n_figures < ROW_FIGURES)
		r->figure[r->n_figures++] = figure;
}

int row_main(const char *name, bool full)
{
	static const struct {
		const char *name;
		bool (*run)(bool full, char *figure, size_t size);
	} rows[] = {
		{"handshake", row_handshake},
		{"hostile-path", row_hostile_path},
		{"roaming", row_roaming},
		{"hub-down", row_hub_down},
		{"clocks", row_clocks},
		{"endings", row_endings},
		{"evil-hub", row_evil_hub},
		{"rekeys", row_rekeys},
		{"kills", row_kills},
	};
	char figure[1024] = "";
	bool pass;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].name, name) != 0)
			continue;
		pass = rows[i].run(full, figure, sizeof(figure));
		printf("%s\n", figure);
		return pass ? 0 : 1;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf("%s\n", rows[i].name);
	return strcmp(name, "list") == 0 ? 0 : 2;
}
