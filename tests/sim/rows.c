// SPDX-License-Identifier: BSD-3-Clause
#include "tests/sim/rows.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <jansson.h>

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

bool row_run_apart(void (*life)(void *arg, struct row_result *r), void *arg, struct row_result *ret)
{
	int fds[2], status = 0;
	pid_t pid;

	memset(ret, 0, sizeof(*ret));
	fflush(stdout);
	if (pipe(fds) < 0 || (pid = fork()) < 0) {
		snprintf(ret->failure, sizeof(ret->failure), "no child process");
		return false;
	}
	if (pid == 0)
		in_child(life, arg, fds[1]);
	close(fds[1]);
	if (read(fds[0], ret, sizeof(*ret)) != sizeof(*ret))
		memset(ret, 0, sizeof(*ret));
	close(fds[0]);
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		snprintf(ret->failure, sizeof(ret->failure), "it crashed: %s",
			strsignal(WTERMSIG(status)));
	else if (!ret->ok && ret->failure[0] == '\0')
		snprintf(ret->failure, sizeof(ret->failure), "it ended with status %d",
			WEXITSTATUS(status));
	return ret->ok;
}

static const struct row *find(const struct row *rows, const char *name)
{
	for (; rows->name != NULL; rows++) {
		if (strcmp(rows->name, name) == 0)
			return rows;
	}
	return NULL;
}

static void list(const struct row *rows)
{
	for (; rows->name != NULL; rows++)
		printf("%-16s row %d: %s\n", rows->name, rows->number, rows->goal);
}

static int write_json(
	const struct row *row, const char *scale, const char *file, bool pass, const char *figure)
{
	char command[128];
	json_t *o;
	int err;

	snprintf(command, sizeof(command), "tests/reliability/%s --scale %s", row->name, scale);
	o = json_pack("{s:i,s:s,s:s,s:s,s:b,s:s,s:s}", "row", row->number, "name", row->name,
		"goal", row->goal, "figure", figure, "pass", pass, "scale", scale, "command",
		command);
	err = o == NULL || json_dump_file(o, file, JSON_INDENT(2)) < 0;
	json_decref(o);
	return err;
}

int row_main(const char *name, const char *scale, const char *json_file)
{
	const struct row *row = find(row_paths, name);
	char figure[1024] = "";
	bool pass;

	if (row == NULL)
		row = find(row_deaths, name);
	if (row == NULL) {
		list(row_paths);
		list(row_deaths);
		return strcmp(name, "list") == 0 ? 0 : 2;
	}
	pass = row->run(strcmp(scale, "full") == 0, figure, sizeof(figure));
	printf("%s: %s\n", pass ? "pass" : "FAIL", figure);
	if (json_file != NULL && write_json(row, scale, json_file, pass, figure) != 0)
		return 1;
	return pass ? 0 : 1;
}
