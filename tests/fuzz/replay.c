// SPDX-License-Identifier: BSD-3-Clause
// Run a fuzz target without libFuzzer: every file of a corpus as it is, cut short at each length,
// and with bytes changed by a seeded generator, so that a run repeats. This is what the ordinary
// test run does; the coverage-guided run is the fuzz option's.
//
// usage: replay_NAME DIRECTORY [changes per file]
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_MAX 70000

static uint64_t next_random(void)
{
	static uint64_t s = 0x9e3779b97f4a7c15; // xorshift64
	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	return s;
}

// A copy of exactly this size, so that a sanitizer sees a read past the end.
static void run(const uint8_t *bytes, size_t len)
{
	uint8_t *exact = malloc(len > 0 ? len : 1);

	memcpy(exact, bytes, len);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
}

static unsigned long replay_file(const uint8_t *bytes, size_t len, unsigned long changes)
{
	static uint8_t changed[INPUT_MAX];
	size_t step = len / 2048 + 1;
	unsigned long runs = 1;

	run(bytes, len);
	for (size_t cut = 0; cut < len; cut += step, runs++)
		run(bytes, cut);
	for (unsigned long i = 0; i < changes && len > 0; i++, runs++) {
		memcpy(changed, bytes, len);
		for (uint64_t n = 1 + next_random() % 4; n > 0; n--)
			changed[next_random() % len] = (uint8_t)next_random();
		run(changed, len);
	}
	return runs;
}

int main(int argc, char **argv)
{
	static uint8_t bytes[INPUT_MAX];
	unsigned long changes = argc > 2 ? strtoul(argv[2], NULL, 10) : 500;
	unsigned long runs = 0;
	struct dirent *e;
	char path[4096];
	DIR *d;

	d = argc > 1 ? opendir(argv[1]) : NULL;
	if (d == NULL) {
		fprintf(stderr, "usage: %s CORPUS-DIRECTORY [changes per file]\n", argv[0]);
		return 2;
	}
	while ((e = readdir(d)) != NULL) {
		FILE *f;

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], e->d_name);
		f = fopen(path, "r");
		if (f == NULL)
			return 2;
		runs += replay_file(bytes, fread(bytes, 1, sizeof(bytes), f), changes);
		fclose(f);
	}
	closedir(d);
	printf("%lu runs\n", runs);
	return runs > 0 ? 0 : 2; // an empty corpus proves nothing
}
