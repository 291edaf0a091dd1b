// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/plot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WHY(why, ...) snprintf((why), PLOT_WHY_BYTES, __VA_ARGS__)

extern char **environ;

// Ctrl-C ends the measuring, not the drawing: gnuplot gets a process group of its own.
static int spawn(int from, pid_t *ret_pid)
{
	char *const argv[] = {(char *)(uintptr_t) "gnuplot", NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int err;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, from, STDIN_FILENO);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
	err = posix_spawnp(ret_pid, "gnuplot", &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -err;
}

static void quoted(FILE *to, const char *text)
{
	putc('\'', to);
	for (; *text != '\0'; text++)
		fputs(*text == '\'' ? "''" : (char[]){*text, '\0'}, to);
	putc('\'', to);
}

int plot_start(const char *path, struct plot *ret_plot, char why[PLOT_WHY_BYTES])
{
	const char *dot = strrchr(path, '.');
	struct plot plot;
	int pipe_fd[2], err, fd;

	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0) {
		err = -errno;
		WHY(why, "cannot write %s: %s", path, strerror(errno));
		return err;
	}
	close(fd);
	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return -errno;
	err = spawn(pipe_fd[0], &plot.pid);
	close(pipe_fd[0]);
	if (err < 0) {
		close(pipe_fd[1]);
		WHY(why, "gnuplot does not start: %s (package gnuplot-nox)", strerror(-err));
		return err;
	}
	signal(SIGPIPE, SIG_IGN);
	plot.to = fdopen(pipe_fd[1], "w");
	if (plot.to == NULL) {
		close(pipe_fd[1]);
		return -ENOMEM;
	}
	fprintf(plot.to, "set terminal %s\nset output ",
		dot != NULL && strcmp(dot, ".png") == 0
			? "pngcairo size 900,540"
			: "svg size 900,540 dynamic background rgb 'white'");
	quoted(plot.to, path);
	fputs("\nset grid\nset key outside right top\nset style data linespoints\n"
	      "set style fill solid 0.8\nset boxwidth 0.7 relative\nset yrange [0:1e-9<*]\n",
		plot.to);
	*ret_plot = plot;
	return 0;
}

void plot_latency(struct plot *plot, const json_t *curve)
{
	const json_t *point;
	size_t i;

	fputs("$curve << END\n", plot->to);
	json_array_foreach (curve, i, point) {
		double share = json_real_value(json_array_get(point, 0));

		fprintf(plot->to, "%g %g\n", 1 / (1 - share),
			json_real_value(json_array_get(point, 1)));
	}
	fputs("END\nset title 'Latency by percentile'\nset logscale xy\nset yrange [*:*]\n"
	      "set xrange [1:*]\n"
	      "set xtics ('0' 1, '50 %%' 2, '90 %%' 10, '99 %%' 100, '99.9 %%' 1e3, "
	      "'99.99 %%' 1e4, '99.999 %%' 1e5, '99.9999 %%' 1e6)\n"
	      "set ylabel 'µs'\nunset key\n",
		plot->to);
	if (json_array_size(curve) > 0)
		fputs("plot $curve with lines linewidth 2\n", plot->to);
	else
		fputs("set label 'nothing arrived' at graph 0.4,0.5\nplot [1:1e6] [1:10] 0.1\n",
			plot->to);
}

// ---------------------------------------------------------------- RFC 2544

static double number(const json_t *row, const char *key)
{
	return json_number_value(json_object_get(row, key));
}

// One bar for each row.
static void bars(FILE *to, const json_t *rows, const char *key, double factor, const char *label)
{
	const json_t *row;
	size_t i;

	fputs("$rows << END\n", to);
	json_array_foreach (rows, i, row)
		fprintf(to, "\"%s\" %g\n", json_string_value(json_object_get(row, "size")),
			number(row, key) * factor);
	fprintf(to,
		"END\nset xlabel 'frame size, bytes without FCS'\nset ylabel '%s'\nunset key\n"
		"plot $rows using 0:2:xtic(1) with boxes\n",
		label);
}

static const char *size_of(const json_t *row)
{
	return json_string_value(json_object_get(row, "size"));
}

// One line for each size, its points in the order of the rows.
static void lines(FILE *to, const json_t *rows, const char *x, const char *y, const char *y_in)
{
	const char *last = "";
	unsigned n = 0;
	const json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		const json_t *from = y_in != NULL ? json_object_get(row, y_in) : row;

		if (strcmp(last, size_of(row)) != 0) {
			fprintf(to, "%s$size%u << END\n", n > 0 ? "END\n" : "", n);
			n++;
		}
		last = size_of(row);
		fprintf(to, "%g %g\n", number(row, x), number(from, y));
	}
	fputs(n > 0 ? "END\nplot " : "plot [0:100] [0:1] -1 notitle", to);
	last = "";
	n = 0;
	json_array_foreach (rows, i, row) {
		if (strcmp(last, size_of(row)) != 0) {
			fprintf(to, "%s$size%u title '%s'", n > 0 ? ", " : "", n, size_of(row));
			n++;
		}
		last = size_of(row);
	}
	putc('\n', to);
}

void plot_rfc2544(struct plot *plot, const json_t *result)
{
	const char *procedure = json_string_value(json_object_get(result, "procedure"));
	const json_t *rows = json_object_get(result, "rows");

	fprintf(plot->to, "set title 'RFC 2544 %s'\n", procedure);
	if (strcmp(procedure, "throughput") == 0) {
		bars(plot->to, rows, "pps", 1e-6, "Mpps");
	} else if (strcmp(procedure, "back-to-back") == 0) {
		bars(plot->to, rows, "frames", 1, "frames back to back");
	} else if (strcmp(procedure, "recovery") == 0) {
		bars(plot->to, rows, "seconds", 1, "seconds to recover");
	} else if (strcmp(procedure, "loss") == 0) {
		fputs("set xlabel 'offered, % of the highest rate'\nset ylabel 'lost, %'\n"
		      "set yrange [0:1<*]\n",
			plot->to);
		lines(plot->to, rows, "offered_percent", "loss_percent", NULL);
	} else {
		fputs("set xlabel 'offered, % of the throughput'\nset ylabel 'p99, µs'\n",
			plot->to);
		lines(plot->to, rows, "share_percent", "p99", "latency_us");
	}
}

int plot_finish(struct plot *plot)
{
	int status = -1;
	bool lost = fclose(plot->to) != 0;

	while (waitpid(plot->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return !lost && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}
