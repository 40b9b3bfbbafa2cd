/* agent/base/log: lines as they leave, caught in a pipe in place of standard error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "platform/clock.h"
#include "platform/json.h"

enum { CAUGHT_BYTES = 65536 };

static int real_stderr, pipe_ends[2];
static char caught[CAUGHT_BYTES];

static void catch_begin(void)
{
	assert_int_equal(pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK), 0);
	real_stderr = dup(STDERR_FILENO);
	assert_int_equal(dup2(pipe_ends[1], STDERR_FILENO), STDERR_FILENO);
}

static const char *catch_end(void)
{
	ssize_t got = read(pipe_ends[0], caught, sizeof caught - 1);

	assert_int_equal(dup2(real_stderr, STDERR_FILENO), STDERR_FILENO);
	(void)close(real_stderr);
	(void)close(pipe_ends[0]);
	(void)close(pipe_ends[1]);
	caught[got > 0 ? got : 0] = '\0';
	return caught;
}

/* What stands behind the time. */
static const char *behind_time(const char *line)
{
	assert_true(strlen(line) > CLOCK_TEXT_BYTES && line[4] == '-' && line[10] == 'T' && line[23] == 'Z' && line[24] == ' ');
	return line + CLOCK_TEXT_BYTES;
}

static void writes_text(void **state)
{
	(void)state;
	log_open("front", LOG_LEVEL_INFO, false);
	catch_begin();
	log_line(LOG_LEVEL_INFO, "request answered", "path", "/v1/state?max_age_ms", "peer", NULL, "status", "200", NULL);
	assert_string_equal(behind_time(catch_end()), "info front request answered path=/v1/state?max_age_ms status=200\n");
	catch_begin();
	log_line(LOG_LEVEL_ERROR, "it ends", NULL);
	assert_string_equal(behind_time(catch_end()), "error front it ends\n");
}

static void quotes_what_is_foreign(void **state)
{
	(void)state;
	log_open("engine", LOG_LEVEL_INFO, false);
	catch_begin();
	log_line(LOG_LEVEL_WARNING, "a\nb", "name", "x y\n\x1b[2J", "quoted", "say \"no\" \\", "empty", "", "pair", "a=b", NULL);
	assert_string_equal(behind_time(catch_end()), "warning engine a\\nb name=\"x y\\n\\x1b[2J\" quoted=\"say \\\"no\\\" \\\\\" empty=\"\" pair=\"a=b\"\n");
}

static void writes_json(void **state)
{
	struct error error = {0};
	struct json *object;

	(void)state;
	log_open("front", LOG_LEVEL_DEBUG, true);
	catch_begin();
	log_line(LOG_LEVEL_DEBUG, "say \"a\"\n", "name", "\xff \\ \"", "euro", "\xe2\x82\xac", NULL);
	(void)catch_end();
	assert_int_equal(caught[strlen(caught) - 1], '\n');
	object = json_parse(caught, strlen(caught), &error);
	assert_non_null(object);
	assert_string_equal(json_string(json_get(object, "level")), "debug");
	assert_string_equal(json_string(json_get(object, "process")), "front");
	assert_string_equal(json_string(json_get(object, "message")), "say \"a\"\\n");
	assert_string_equal(json_string(json_get(object, "name")), "\\xff \\\\ \"");
	assert_string_equal(json_string(json_get(object, "euro")), "\xe2\x82\xac");
	json_free(object);
}

static void keeps_to_its_level(void **state)
{
	(void)state;
	log_open("front", LOG_LEVEL_WARNING, false);
	assert_true(log_is_on(LOG_LEVEL_ERROR) && log_is_on(LOG_LEVEL_WARNING) && !log_is_on(LOG_LEVEL_INFO) && !log_is_on(LOG_LEVEL_DEBUG));
	catch_begin();
	log_line(LOG_LEVEL_INFO, "not this", NULL);
	assert_string_equal(catch_end(), "");
}

/* Long values are cut, and pairs beyond the line's end are left out: what is there stays whole. */
static void holds_its_limits(void **state)
{
	char longest[2 * LOG_VALUE_MAX_BYTES];

	memset(longest, '"', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	for (int json = 0; json <= 1; json++) {
		(void)state;
		log_open("front", LOG_LEVEL_INFO, json);
		catch_begin();
		log_line(LOG_LEVEL_INFO, "long", "a", longest, "b", longest, "c", "1", NULL);
		(void)catch_end();
		assert_in_range(strlen(caught), 2 * LOG_VALUE_MAX_BYTES - 8, LOG_LINE_MAX_BYTES);
		assert_non_null(strstr(caught, "...\""));
		assert_null(strstr(caught, json ? "\"b\"" : " b="));
		assert_non_null(strstr(caught, json ? "\"cut\":\"yes\"}\n" : " cut=yes\n"));
		if (json) {
			struct error error = {0};
			struct json *object = json_parse(caught, strlen(caught), &error);

			assert_non_null(object);
			json_free(object);
		}
	}
}

static void survives_a_deaf_reader(void **state)
{
	(void)state;
	log_open("front", LOG_LEVEL_INFO, false);
	catch_begin();
	for (unsigned i = 0; i < 3000; i++) { /* more than a pipe holds: it would block for ever, or spin */
		errno = 77;
		log_line(LOG_LEVEL_INFO, "nobody reads this", "number", "12345", NULL);
		assert_int_equal(errno, 77);
	}
	(void)catch_end();
}

enum { THREADS = 4, LINES = 100 };

static void *chatter(void *argument)
{
	for (unsigned i = 0; i < LINES; i++)
		log_line(LOG_LEVEL_INFO, "line", "who", argument, NULL);
	return NULL;
}

/* Lines of several threads never get into each other. */
static void is_thread_safe(void **state)
{
	static char names[THREADS][16];
	pthread_t threads[THREADS];
	unsigned count = 0;

	(void)state;
	log_open("t", LOG_LEVEL_INFO, false);
	catch_begin();
	for (unsigned i = 0; i < THREADS; i++) {
		memset(names[i], (int)('a' + i), 12);
		assert_int_equal(pthread_create(&threads[i], NULL, chatter, names[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (char *line = (char *)(uintptr_t)catch_end(), *end; (end = strchr(line, '\n')); line = end + 1) {
		const char *who = behind_time(line) + strlen("info t line who=");

		*end = '\0';
		assert_int_equal(strlen(who), 12);
		assert_int_equal(strspn(who, (char[]){who[0], '\0'}), 12);
		count++;
	}
	assert_int_equal(count, THREADS * LINES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_text), cmocka_unit_test(quotes_what_is_foreign), cmocka_unit_test(writes_json), cmocka_unit_test(keeps_to_its_level),
		cmocka_unit_test(holds_its_limits), cmocka_unit_test(survives_a_deaf_reader), cmocka_unit_test(is_thread_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
