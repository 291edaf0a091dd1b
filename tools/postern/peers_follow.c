// SPDX-License-Identifier: BSD-3-Clause
#include "tools/postern/peers.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define POLL_MS 50

const json_t *peers_find(const json_t *rows, const char *peer)
{
	const json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		if (strcmp(member_text(row, "name", ""), peer) == 0)
			return row;
	}
	return NULL;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void print_step(const json_t *row, const char *state, double elapsed_s)
{
	const json_t *path = json_object_get(row, "path");
	static const struct {
		const char *state, *text;
	} texts[] = {
		{"idle", "waiting for the peer to want us, too"},
		{"introduced", "the hub has introduced us; both intents hold"},
		{"connecting", "punching and shaking hands"},
		{"closing", "closing"},
	};

	printf("%8.0f ms  %s%-11s%s ", elapsed_s * 1000, text_colour(state), state, text_reset());
	if (strcmp(state, "up") == 0) {
		printf("by %s, %s\n", member_text(path, "remote", "?"),
			member_text(row, "cipher", "?"));
	} else {
		const char *text = "";

		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
			if (strcmp(texts[i].state, state) == 0)
				text = texts[i].text;
		}
		puts(text);
	}
	fflush(stdout);
}

int peers_follow(const struct options *o, const char *peer, double wait_s)
{
	const struct timespec pause = {.tv_nsec = POLL_MS * 1000000};
	double start = now_s();
	char last[32] = "";
	json_t *rows = NULL;
	int ret;

	for (;;) {
		const json_t *row;
		const char *state;

		json_decref(rows);
		rows = client_call(o, DAEMON_GATEWAY, "peers", NULL, &ret);
		if (rows == NULL)
			return ret;
		row = peers_find(rows, peer);
		state = member_text(row, "state", "idle");
		if (!o->json && strcmp(state, last) != 0)
			print_step(row, state, now_s() - start);
		snprintf(last, sizeof(last), "%s", state);
		if (strcmp(state, "up") == 0) {
			ret = o->json ? report_json(json_incref((json_t *)row)) : EXIT_OK;
			break;
		}
		if (now_s() - start >= wait_s) {
			const char *why = member_text(row, "last_error", "");

			ret = report_errorf(o, EXIT_FAILED, "not-connected",
				strcmp(state, "idle") == 0
					? "Has the other side added an intent for this gateway? "
					  "See there: postern intents list"
					: "The path may be blocked: see docs/operator.md, \"stays "
					  "connecting\".",
				"%s is not connected after %.0f s (state %s)%s%s.", peer, wait_s,
				state, why[0] != '\0' ? ": " : "", why);
			break;
		}
		nanosleep(&pause, NULL);
	}
	json_decref(rows);
	return ret;
}
