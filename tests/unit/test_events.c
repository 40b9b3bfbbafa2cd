/* agent/engine/events: numbers without gaps, whatever becomes of the two files: restarts, torn lines, full disks, foreign content. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/events.h"

static char folder[64];
static struct events events;
static struct error error;

static const char *path_of(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static int make_folder(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/drr-events-XXXXXX");
	error_clear(&error);
	events.fd = -1;
	(void)signal(SIGXFSZ, SIG_IGN);
	return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
	static const char *const names[] = {"events", "events.1", "events.bad"};

	(void)state;
	events_close(&events);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		(void)unlink(path_of(names[i]));
	return rmdir(folder);
}

static void open_again(void)
{
	events_close(&events);
	assert_int_equal(events_open(&events, folder, &error), 0);
}

static void add_file(const char *name, const char *bytes, size_t count)
{
	FILE *file = fopen(path_of(name), "ab");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, count, file), count);
	assert_int_equal(fclose(file), 0);
}

static void put_file(const char *name, const char *text)
{
	(void)unlink(path_of(name));
	add_file(name, text, strlen(text));
}

static long size_of(const char *name)
{
	struct stat status;

	return stat(path_of(name), &status) == 0 ? (long)status.st_size : -1;
}

static int add(const char *sentence, const char *evidence)
{
	return events_add(&events, &(struct event){.kind = "agent", .name = "test", .sentence = sentence, .evidence = evidence}, &error);
}

/* What is answered, checked: whole numbers one after the other from the first behind AFTER that is there, never more than LIMIT. Returns how many. */
static unsigned ask(uint64_t after, unsigned limit, struct json **answer)
{
	char *text = events_text(&events, after, limit, &error);
	uint64_t first = after + 1 < events.oldest ? events.oldest : after + 1;
	const struct json *list;
	struct json *json;
	unsigned count = 0;
	int64_t number;

	assert_non_null(text);
	assert_true(strlen(text) <= EVENTS_ANSWER_MAX_BYTES + 128);
	json = json_parse(text, strlen(text), &error);
	if (!json)
		fail_msg("%s: %s", error.what, text);
	free(text);
	list = json_get(json, "events");
	assert_true(json_int(json_get(json, "oldest"), &number) && (uint64_t)number == events.oldest);
	assert_true(json_int(json_get(json, "newest"), &number) && (uint64_t)number == events.newest);
	for (; json_at(list, count); count++) {
		if (!json_int(json_get(json_at(list, count), "n"), &number) || (uint64_t)number != first + count)
			fail_msg("after %llu: number %lld at place %u", (unsigned long long)after, (long long)number, count);
		assert_non_null(json_string(json_get(json_at(list, count), "time")));
	}
	assert_in_range(count, 0, limit);
	if (answer)
		*answer = json;
	else
		json_free(json);
	return count;
}

/* Page after page from the oldest on: all are there. */
static void assert_all_there(uint64_t oldest, uint64_t newest)
{
	uint64_t after = oldest - 1;
	unsigned got;

	assert_int_equal(events.oldest, oldest);
	assert_int_equal(events.newest, newest);
	while ((got = ask(after, 200, NULL)) > 0)
		after += got;
	assert_int_equal(after, newest);
}

static void counts_from_one(void **state)
{
	struct json *answer;
	int64_t lost;

	(void)state;
	open_again();
	assert_all_there(1, 0);
	assert_int_equal(events_add(&events, &(struct event){.kind = "log", .name = "waiting", .code = "0x88e000d7", .run = "r1", .sentence = "it waits", .evidence = "a line"}, &error), 0);
	assert_int_equal(add("two", NULL), 0);
	assert_int_equal(add("three \"\xff\x1b[31m\n", ""), 0);
	assert_all_there(1, 3);
	assert_int_equal(ask(0, 2, NULL), 2);
	assert_int_equal(ask(0, 0, NULL), 0);
	assert_int_equal(ask(3, 5, NULL), 0);
	assert_int_equal(ask(INT64_MAX, 5, NULL), 0);
	assert_int_equal(ask(UINT64_MAX - 1, 5, NULL), 0);
	assert_int_equal(ask(0, 200, &answer), 3);
	assert_string_equal(json_string(json_get(json_at(json_get(answer, "events"), 0), "code")), "0x88e000d7");
	assert_string_equal(json_string(json_get(json_at(json_get(answer, "events"), 0), "run")), "r1");
	assert_string_equal(json_string(json_get(json_at(json_get(answer, "events"), 0), "evidence")), "a line");
	assert_null(json_get(json_at(json_get(answer, "events"), 1), "evidence"));
	assert_null(json_get(json_at(json_get(answer, "events"), 1), "run"));
	assert_string_equal(json_string(json_get(json_at(json_get(answer, "events"), 2), "sentence")), "three \"\\xff\\x1b[31m\\n");
	assert_false(json_int(json_get(json_at(json_get(answer, "events"), 2), "lost_before"), &lost));
	json_free(answer);
}

static void goes_on_after_a_restart(void **state)
{
	(void)state;
	for (uint64_t newest = 0; newest < 12; newest++) {
		open_again();
		assert_all_there(1, newest);
		assert_int_equal(add("again", NULL), 0);
		assert_int_equal(events.newest, newest + 1);
	}
}

/* Every beginning of a line, alone and behind whole ones, and with the NULs of a file system that wrote the length first. */
static void torn_lines_are_cut(void **state)
{
	static const char torn[] = "{\"n\":3,\"time\":\"2026-01-02T03:04:05.678Z\",\"kind\":\"agent\"}";
	static const char nuls[5000];
	long whole;

	(void)state;
	open_again();
	assert_int_equal(add("one", NULL), 0);
	assert_int_equal(add("two", NULL), 0);
	whole = size_of("events");
	for (size_t length = 1; length < sizeof torn; length++)
		for (int with_nuls = 0; with_nuls < 2; with_nuls++) {
			events_close(&events);
			add_file("events", torn, length);
			add_file("events", nuls, with_nuls ? sizeof nuls : 0);
			open_again();
			assert_int_equal(size_of("events"), whole);
			assert_all_there(1, 2);
		}
	assert_int_equal(add("three", NULL), 0);
	assert_all_there(1, 3);
	assert_int_equal(size_of("events.bad"), -1);
}

static void rotates(void **state)
{
	char evidence[2001];
	uint64_t oldest, seconds = 0;

	(void)state;
	memset(evidence, 'x', sizeof evidence - 1);
	evidence[sizeof evidence - 1] = '\0';
	open_again();
	for (uint64_t n = 1; n <= 400; n++) {
		uint64_t second = events.second;

		assert_int_equal(add("large", evidence), 0);
		assert_int_equal(events.newest, n);
		seconds += second != events.second;
		assert_true(size_of("events") <= EVENTS_FILE_MAX_BYTES && size_of("events.1") <= EVENTS_FILE_MAX_BYTES);
		assert_int_equal(size_of("events"), (long)events.file_bytes);
	}
	assert_int_equal(seconds, 3);
	oldest = events.oldest;
	assert_in_range(oldest, 101, 260);
	assert_all_there(oldest, 400);
	assert_in_range(ask(oldest - 1, 200, NULL), 20, 60); /* an answer is bounded in bytes */
	open_again();
	assert_all_there(oldest, 400);
	(void)ask(0, 200, NULL); /* begins with the oldest there is */
}

/* A file exactly as long as allowed is read again. */
static void a_file_may_be_full_to_the_brim(void **state)
{
	char evidence[2001] = "";
	size_t before = 0, besides;

	(void)state;
	memset(evidence, 'y', sizeof evidence - 1);
	open_again();
	while (events.file_bytes + 2 * 2200 < EVENTS_FILE_MAX_BYTES) {
		before = events.file_bytes;
		assert_int_equal(add("large", evidence), 0);
	}
	besides = events.file_bytes - before - (sizeof evidence - 1); /* what a line has besides its evidence */
	evidence[(EVENTS_FILE_MAX_BYTES - events.file_bytes) / 2 - besides] = '\0';
	assert_int_equal(add("large", evidence), 0);
	memset(evidence, 'y', sizeof evidence - 1);
	assert_in_range(EVENTS_FILE_MAX_BYTES - events.file_bytes, besides + 1, besides + sizeof evidence - 1);
	evidence[EVENTS_FILE_MAX_BYTES - events.file_bytes - besides] = '\0';
	assert_int_equal(add("large", evidence), 0);
	assert_int_equal(size_of("events"), EVENTS_FILE_MAX_BYTES);
	open_again();
	assert_all_there(1, events.newest);
	assert_int_equal(size_of("events.1"), -1);
	assert_int_equal(add("next", NULL), 0);
	assert_int_equal(events.second, events.newest);
	assert_all_there(1, events.newest);
	open_again();
	assert_all_there(1, events.newest);
}

static void set_limit(int which, rlim_t soft)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(which, &limit), 0);
	limit.rlim_cur = soft == RLIM_INFINITY ? limit.rlim_max : soft;
	assert_int_equal(setrlimit(which, &limit), 0);
}

static void what_the_disk_does_not_take_is_told_later(void **state)
{
	struct json *answer;
	int64_t lost = 0;
	long whole;

	(void)state;
	open_again();
	assert_int_equal(add("one", NULL), 0);
	whole = size_of("events");
	set_limit(RLIMIT_FSIZE, (rlim_t)whole + 10);
	for (uint64_t i = 1; i <= 3; i++) {
		int result = add("does not fit", NULL);

		if (result != -1 || events.lost != i || events.newest != 1)
			fail_msg("result %d, lost %llu, newest %llu", result, (unsigned long long)events.lost, (unsigned long long)events.newest);
		assert_int_equal(ask(0, 10, NULL), 1);
	}
	set_limit(RLIMIT_FSIZE, RLIM_INFINITY);
	assert_int_equal(add("there is room again", NULL), 0);
	assert_int_equal(events.lost, 0);
	assert_int_equal(events.lost_ever, 3);
	assert_int_equal(add("and more", NULL), 0);
	assert_all_there(1, 3);
	assert_int_equal(ask(1, 10, &answer), 2);
	assert_true(json_int(json_get(json_at(json_get(answer, "events"), 0), "lost_before"), &lost) && lost == 3);
	assert_null(json_get(json_at(json_get(answer, "events"), 1), "lost_before"));
	json_free(answer);
	open_again();
	assert_all_there(1, 3);
}

/* The failed write left something that could not be taken back. */
static void a_tail_left_by_a_failure_is_cut(void **state)
{
	(void)state;
	open_again();
	assert_int_equal(add("one", NULL), 0);
	set_limit(RLIMIT_FSIZE, (rlim_t)size_of("events"));
	assert_int_equal(add("does not fit", NULL), -1);
	set_limit(RLIMIT_FSIZE, RLIM_INFINITY);
	add_file("events", "{\"n\":2,\"time\":\"20", 17);
	assert_int_equal(add("two", NULL), 0);
	assert_all_there(1, 2);
	open_again();
	assert_all_there(1, 2);
}

/* Setting the full file aside stops half-way: after the rename, or after the new file was made. Nothing that was stored may be lost by that. */
static void a_rotation_that_stops_half_way_loses_nothing(void **state)
{
	char evidence[3001];

	(void)state;
	memset(evidence, 'x', sizeof evidence - 1);
	evidence[sizeof evidence - 1] = '\0';
	for (int free_ones = 0; free_ones < 2; free_ones++) {
		uint64_t newest;

		(void)unlink(path_of("events"));
		(void)unlink(path_of("events.1"));
		open_again();
		while (events.file_bytes + 3200 < EVENTS_FILE_MAX_BYTES)
			assert_int_equal(add("large", evidence), 0);
		newest = events.newest;
		assert_true(newest > 70);
		set_limit(RLIMIT_NOFILE, (rlim_t)(events.fd + free_ones));
		for (int i = 0; i < 3; i++)
			if (add("large", evidence) != -1)
				fail_msg("stored without a descriptor");
		set_limit(RLIMIT_NOFILE, 256);
		assert_int_equal(add("large", evidence), 0);
		assert_all_there(1, newest + 1);
		open_again();
		assert_all_there(1, newest + 1);
	}
}

static void foreign_files_are_set_aside(void **state)
{
	static const char *const foreign[] = {
		"hello\n", "hello\nworld\n", "{\"n\":5,\"a\":1}\nhello\n{\"n\":7,\"a\":1}\n", "{\"n\":5,\"a\":1}\n{\"n\":7,\"a\":1}\n", "{\"n\":5,\"a\":1}\n{\"n\":5,\"a\":1}\n",
		"{\"n\":0,\"a\":1}\n", "{\"n\":-5,\"a\":1}\n", "{\"n\":99999999999999999999,\"a\":1}\n", "{\"n\":9223372036854775807,\"a\":1}\n", "\n", "{\"n\":5}\n", "{\"n\":5,\n{\"n\":6,\n",
		"[{\"n\":5,\"a\":1}\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
		uint64_t newest;

		(void)unlink(path_of("events.bad"));
		put_file("events", foreign[i]);
		open_again();
		assert_int_equal(size_of("events.bad"), (long)strlen(foreign[i]));
		newest = events.newest;
		if (strstr(foreign[i], "\"n\":7"))
			assert_in_range(newest, 7, 20); /* what was told once is never told again of something else */
		assert_all_there(newest + 1, newest);
		assert_int_equal(add("first of ours", NULL), 0);
		assert_all_there(newest + 1, newest + 1);
		open_again();
		assert_all_there(newest + 1, newest + 1);
	}
}

static void nuls_inside_are_foreign(void **state)
{
	(void)state;
	add_file("events", "{\"n\":1,\"a\":\"\0\0\0\"}\n{\"n\":2,\"a\":\"b\"}\n", 34);
	open_again();
	assert_int_equal(add("ours", NULL), 0);
	assert_all_there(events.newest, events.newest);
}

/* The older file belongs to the present one only when its numbers lead there. */
static void an_older_file_of_other_numbers_is_not_shown(void **state)
{
	(void)state;
	put_file("events.1", "{\"n\":1,\"time\":\"t\"}\n{\"n\":2,\"time\":\"t\"}\n");
	put_file("events", "{\"n\":10,\"time\":\"t\"}\n{\"n\":11,\"time\":\"t\"}\n");
	open_again();
	assert_all_there(10, 11);
	assert_int_equal(ask(0, 10, NULL), 2);
	assert_int_equal(ask(1, 10, NULL), 2);
	put_file("events.1", "{\"n\":100,\"time\":\"t\"}\n");
	open_again();
	assert_int_equal(ask(0, 10, NULL), (unsigned)(events.newest + 1 - events.oldest));
	put_file("events.1", "{\"n\":8,\"time\":\"t\"}\n{\"n\":9,\"time\":\"t\"}\n");
	put_file("events", "{\"n\":10,\"time\":\"t\"}\n");
	open_again();
	assert_all_there(8, 10);
	(void)unlink(path_of("events")); /* a crash between setting aside and making the new one */
	open_again();
	assert_all_there(8, 9);
	assert_int_equal(add("ten", NULL), 0);
	assert_all_there(8, 10);
}

static void long_events_are_shortened(void **state)
{
	char huge[6000];
	struct json *answer;

	(void)state;
	open_again();
	memset(huge, 'e', sizeof huge - 1);
	huge[sizeof huge - 1] = '\0';
	assert_int_equal(add("the sentence stays", huge), 0);
	assert_int_equal(add(huge, "evidence"), 0);
	assert_int_equal(ask(0, 10, &answer), 2);
	assert_string_equal(json_string(json_get(json_at(json_get(answer, "events"), 0), "sentence")), "the sentence stays");
	assert_string_equal(json_string(json_get(json_at(json_get(answer, "events"), 0), "evidence")), "(too long)");
	assert_string_equal(json_string(json_get(json_at(json_get(answer, "events"), 1), "sentence")), "(too long)");
	json_free(answer);
	assert_int_equal(events_add(&events, &(struct event){.kind = "agent", .name = huge, .sentence = "s"}, &error), -1);
	assert_int_equal(events.lost, 1); /* counted, like all that is not stored */
	assert_int_equal(add("next", NULL), 0);
	assert_all_there(1, 3);
}

static void no_regular_file_is_an_error(void **state)
{
	static char zeros[EVENTS_FILE_MAX_BYTES + 1];

	(void)state;
	assert_int_equal(mkfifo(path_of("events"), 0600), 0);
	assert_int_equal(events_open(&events, folder, &error), -1);
	assert_int_equal(error.code, ERROR_INTERNAL);
	assert_int_equal(add("not stored", NULL), -1); /* and yet it can be used: perhaps it is mended while we run */
	assert_int_equal(events.lost, 1);
	assert_int_equal(unlink(path_of("events")), 0);
	assert_int_equal(add("stored", NULL), 0);
	assert_all_there(1, 1);
	events_close(&events);
	add_file("events", zeros, sizeof zeros);
	error_clear(&error);
	assert_int_equal(events_open(&events, folder, &error), -1);
	assert_true(error.code != ERROR_NONE);
}

int main(void)
{
#define CASE(function) cmocka_unit_test_setup_teardown(function, make_folder, drop_folder)
	const struct CMUnitTest tests[] = {
		CASE(counts_from_one), CASE(goes_on_after_a_restart), CASE(torn_lines_are_cut), CASE(rotates), CASE(a_file_may_be_full_to_the_brim),
		CASE(what_the_disk_does_not_take_is_told_later), CASE(a_tail_left_by_a_failure_is_cut), CASE(a_rotation_that_stops_half_way_loses_nothing),
		CASE(foreign_files_are_set_aside), CASE(nuls_inside_are_foreign), CASE(an_older_file_of_other_numbers_is_not_shown), CASE(long_events_are_shortened),
		CASE(no_regular_file_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
