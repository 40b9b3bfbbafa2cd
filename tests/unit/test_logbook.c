/* agent/engine/logbook: one process at a time, and when the book may be set aside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/logbook.h"
#include "platform/clock.h"

static char folder[64];
static struct logbook book;
static struct error error;

static int make_folder(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/drr-logbook-XXXXXX");
	error_clear(&error);
	return mkdtemp(folder) && logbook_open(&book, folder, &error) == 0 ? 0 : -1;
}

static int drop_folder(void **state)
{
	static const char *const names[] = {"journal", "journal.1", "lock"};
	char path[128];

	(void)state;
	logbook_close(&book);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		(void)unlink(path);
	}
	return rmdir(folder);
}

static long size_of(const char *name)
{
	struct stat status;
	char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	return stat(path, &status) == 0 ? (long)status.st_size : -1;
}

static void open_again(void)
{
	logbook_close(&book);
	assert_int_equal(logbook_open(&book, folder, &error), 0);
}

static int put(enum journal_kind kind, enum journal_step step, const char *run, const char *key, const char *value)
{
	struct journal_record record = logbook_record(kind, step, run);

	if (key)
		assert_int_equal(journal_add(&record, key, value), 0);
	return logbook_write(&book, &record, &error);
}

/* Records that leave nothing open, until the book is larger than BYTES. */
static void fill(size_t bytes)
{
	char filler[1000];

	memset(filler, 'x', sizeof filler - 1);
	filler[sizeof filler - 1] = '\0';
	while (book.file_bytes <= bytes)
		assert_int_equal(put(JOURNAL_STEP, JOURNAL_PRECHECK, "other", "sentence", filler), 0);
}

static void hold_until(int64_t until_ms)
{
	char until[24];

	(void)snprintf(until, sizeof until, "%lld", (long long)until_ms);
	assert_int_equal(put(JOURNAL_HOLD, JOURNAL_STEP_NONE, "hold", "until", until), 0);
}

static void what_stands_is_there_again(void **state)
{
	(void)state;
	assert_int_equal(put(JOURNAL_GRANT, JOURNAL_STEP_NONE, "r1", "plan", "primary=a;order=a;max_unavailable=1"), 0);
	assert_int_equal(put(JOURNAL_BEGIN, JOURNAL_STEP_NONE, "r1", "op", "flush"), 0);
	assert_int_equal(put(JOURNAL_END, JOURNAL_STEP_NONE, "r1", "exit", "3"), 0);
	open_again();
	assert_true(book.state.standing.granted && book.state.ops[JOURNAL_OP_FLUSH].ended);
	assert_int_equal(book.state.ops[JOURNAL_OP_FLUSH].exit_code, 3);
	assert_string_equal(book.state.standing.plan, "primary=a;order=a;max_unavailable=1");
	assert_int_equal(book.state.last_seq, 3);
}

static void set_aside_when_nothing_stands(void **state)
{
	(void)state;
	assert_int_equal(put(JOURNAL_GRANT, JOURNAL_STEP_NONE, "r1", NULL, NULL), 0);
	fill(JOURNAL_FILE_MAX_BYTES / 2);
	assert_int_equal(logbook_rotate(&book, &error), 0);
	assert_int_equal(size_of("journal.1"), -1); /* the grant would be forgotten with it */
	assert_int_equal(put(JOURNAL_RELEASE, JOURNAL_STEP_NONE, "r1", NULL, NULL), 0);
	hold_until(clock_wall_ms() + 3600000);
	assert_int_equal(logbook_rotate(&book, &error), 0);
	assert_int_equal(size_of("journal.1"), -1);
	assert_int_equal(put(JOURNAL_UNHOLD, JOURNAL_STEP_NONE, "hold", NULL, NULL), 0);
	assert_int_equal(put(JOURNAL_BEGIN, JOURNAL_STEP_NONE, "r1", NULL, NULL), 0);
	assert_int_equal(logbook_rotate(&book, &error), 0);
	assert_int_equal(size_of("journal.1"), -1);
	assert_int_equal(put(JOURNAL_END, JOURNAL_STEP_NONE, "r1", "exit", "0"), 0);
	assert_int_equal(logbook_rotate(&book, &error), 0);
	assert_true(size_of("journal.1") > JOURNAL_FILE_MAX_BYTES / 2);
	assert_int_equal(size_of("journal"), 0);
	assert_int_equal(put(JOURNAL_GRANT, JOURNAL_STEP_NONE, "r2", NULL, NULL), 0);
	open_again();
	assert_int_equal(book.state.last_seq, 1);
	assert_string_equal(book.state.standing.grant_run, "r2");
}

/* A hold that nobody lifts is over all the same: the book must not grow until it is full, which could be in the middle of a bounce. */
static void a_hold_that_is_over_does_not_keep_the_book(void **state)
{
	(void)state;
	hold_until(clock_wall_ms() - 1);
	fill(JOURNAL_FILE_MAX_BYTES / 2);
	assert_true(book.state.standing.held);
	assert_int_equal(logbook_rotate(&book, &error), 0);
	assert_true(size_of("journal.1") > 0);
	assert_false(book.state.standing.held); /* what is in memory is what a restart would read */
	open_again();
	assert_false(book.state.standing.held);
}

static void a_full_book_takes_nothing_more(void **state)
{
	char filler[1000];
	long size;

	(void)state;
	assert_int_equal(put(JOURNAL_GRANT, JOURNAL_STEP_NONE, "r1", NULL, NULL), 0);
	fill(JOURNAL_FILE_MAX_BYTES - 2500);
	memset(filler, 'x', sizeof filler - 1);
	filler[sizeof filler - 1] = '\0';
	while (put(JOURNAL_STEP, JOURNAL_PRECHECK, "other", "sentence", filler) == 0)
		assert_true(book.file_bytes <= JOURNAL_FILE_MAX_BYTES);
	assert_non_null(strstr(error.what, "full"));
	assert_true(book.broken);
	size = size_of("journal");
	assert_int_equal(put(JOURNAL_RELEASE, JOURNAL_STEP_NONE, "r1", NULL, NULL), -1);
	assert_int_equal(logbook_rotate(&book, &error), 0);
	assert_int_equal(size_of("journal"), size);
	open_again();
	assert_true(book.state.standing.granted);
}

/* A record that does not fit is refused, and the book is as good as before. */
static void a_record_that_does_not_fit_is_refused(void **state)
{
	struct journal_record record = logbook_record(JOURNAL_HOLD, JOURNAL_STEP_NONE, "hold");
	char long_reason[400];

	(void)state;
	memset(long_reason, ' ', sizeof long_reason - 1);
	long_reason[sizeof long_reason - 1] = '\0';
	assert_int_equal(journal_add(&record, "reason", long_reason), -1);
	(void)snprintf(record.data, sizeof record.data, "reason=a b");
	assert_int_equal(logbook_write(&book, &record, &error), -1);
	assert_false(book.broken);
	assert_int_equal(put(JOURNAL_HOLD, JOURNAL_STEP_NONE, "hold", "reason", "fits"), 0);
	assert_int_equal(book.state.last_seq, 1);
}

/* What is written after a rename that may or may not have happened could be read by nobody. */
static void after_half_a_rotation_nothing_is_written(void **state)
{
	struct rlimit limit, few;

	(void)state;
	fill(JOURNAL_FILE_MAX_BYTES / 2);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = limit;
	few.rlim_cur = (rlim_t)book.fd + 1; /* none is left for the folder */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	if (logbook_rotate(&book, &error) != -1)
		fail_msg("set aside without a descriptor");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(book.broken);
	assert_int_equal(put(JOURNAL_GRANT, JOURNAL_STEP_NONE, "r1", NULL, NULL), -1);
	open_again();
	assert_false(book.state.standing.granted);
	assert_int_equal(put(JOURNAL_GRANT, JOURNAL_STEP_NONE, "r1", NULL, NULL), 0);
}

static void two_at_once_are_refused(void **state)
{
	struct logbook second;
	int status;
	pid_t child;

	(void)state;
	child = fork();
	if (child == 0) {
		int result = logbook_open(&second, folder, &error);

		_exit(result == -1 && error.code == ERROR_BUSY && second.fd < 0 ? 7 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_int_equal(put(JOURNAL_GRANT, JOURNAL_STEP_NONE, "r1", NULL, NULL), 0);
}

int main(void)
{
#define CASE(function) cmocka_unit_test_setup_teardown(function, make_folder, drop_folder)
	const struct CMUnitTest tests[] = {
		CASE(what_stands_is_there_again), CASE(set_aside_when_nothing_stands), CASE(a_hold_that_is_over_does_not_keep_the_book), CASE(a_full_book_takes_nothing_more),
		CASE(a_record_that_does_not_fit_is_refused), CASE(after_half_a_rotation_nothing_is_written), CASE(two_at_once_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
