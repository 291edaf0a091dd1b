// SPDX-License-Identifier: BSD-3-Clause
#include "tools/postern/cli.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/crash.h"

// A report's first line, as crash.c writes it.
static json_t *parse(const char *line, const char *file)
{
	char process[64], cause[128], where[128];
	int64_t at;

	if (sscanf(line, "crash at=%" SCNd64 " process=%63s cause=%127[^\n]", &at, process,
		    cause) != 3)
		return NULL;
	char *split = strstr(cause, " where=");

	snprintf(where, sizeof(where), "%s", split != NULL ? split + strlen(" where=") : "-");
	if (split != NULL)
		*split = '\0';
	return json_pack("{s:s, s:I, s:s, s:s, s:s}", "process", process, "at", (json_int_t)at,
		"cause", cause, "where", where, "file", file);
}

static json_t *newest_of(const char *path)
{
	FILE *f = fopen(path, "re");
	json_t *newest = NULL;
	char line[512];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		json_t *one = strncmp(line, "crash ", 6) == 0 ? parse(line, path) : NULL;

		if (one == NULL)
			continue;
		json_decref(newest);
		newest = one;
	}
	if (f != NULL)
		fclose(f);
	return newest;
}

static double when(const json_t *crash)
{
	return member_number(crash, "at", 0);
}

json_t *crashes_read(const char *run_dir)
{
	json_t *list = json_array();
	DIR *d = opendir(run_dir);
	const struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		const char *suffix = strrchr(e->d_name, '.');
		char path[1024];
		json_t *one;
		size_t at = 0;

		if (suffix == NULL || strcmp(suffix, CRASH_FILE_SUFFIX) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", run_dir, e->d_name);
		one = newest_of(path);
		while (one != NULL && when(json_array_get(list, at)) > when(one))
			at++;
		if (one != NULL)
			json_array_insert_new(list, at, one);
	}
	if (d != NULL)
		closedir(d);
	return list;
}

void crashes_print(const json_t *crashes)
{
	char at[TEXT_MAX];
	const json_t *c;
	size_t i;

	json_array_foreach (crashes, i, c) {
		printf("%-12s %s %s%s%s: %s at %s (%s)\n", i == 0 ? "last crash" : "",
			text_time(at, (int64_t)when(c)), text_colour("down"),
			member_text(c, "process", "?"), text_reset(), member_text(c, "cause", "?"),
			member_text(c, "where", "-"), member_text(c, "file", "-"));
	}
}
