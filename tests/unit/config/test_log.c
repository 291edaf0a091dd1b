// SPDX-License-Identifier: BSD-3-Clause
// What a process writes when somebody makes it say the same again and again.
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/log.h"

static int was_stderr;
static FILE *said;

static int listen_to_stderr(void **state)
{
	said = tmpfile();
	was_stderr = dup(STDERR_FILENO);
	return said == NULL || dup2(fileno(said), STDERR_FILENO) < 0 ? -1 : 0;
}

static int give_stderr_back(void **state)
{
	dup2(was_stderr, STDERR_FILENO);
	close(was_stderr);
	return fclose(said);
}

// Lines that begin with this.
static unsigned count(const char *head)
{
	char line[256];
	unsigned n = 0;

	rewind(said);
	while (fgets(line, sizeof(line), said) != NULL)
		n += strncmp(line, head, strlen(head)) == 0;
	return n;
}

static void flood_of_lines_ends_and_is_accounted_for(void **state)
{
	unsigned written, left_out = 0;
	char line[256];

	for (unsigned i = 0; i < 20000; i++)
		log_notice("peer says %u", i);
	written = count("<5>peer");
	assert_in_range(written, 5000, 5100); // as many as there is room for, and what time gives

	log_error("an error is heard all the same");
	assert_int_equal(count("<3>an error"), 1);
	rewind(said);
	while (fgets(line, sizeof(line), said) != NULL)
		(void)sscanf(line, "<4>%u lines are left out", &left_out);
	assert_int_equal(written + left_out, 20000);
}

static void there_is_room_again_later(void **state)
{
	unsigned before = count("<4>later");

	usleep(300000);
	log_warning("later");
	assert_int_equal(count("<4>later"), before + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(flood_of_lines_ends_and_is_accounted_for,
			listen_to_stderr, give_stderr_back),
		cmocka_unit_test_setup_teardown(
			there_is_room_again_later, listen_to_stderr, give_stderr_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
