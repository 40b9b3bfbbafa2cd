/* platform/loop.c and platform/clock.c. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "platform/clock.h"
#include "platform/loop.h"

static struct loop loop;
static struct error error;

static void test_clock(void **state)
{
	char text[CLOCK_TEXT_BYTES];
	struct mono a = clock_now(), b = clock_now();

	assert_true(a.ms > 0 && b.ms >= a.ms);
	assert_string_equal(clock_text(text, 0), "1970-01-01T00:00:00.000Z");
	assert_string_equal(clock_text(text, INT64_C(1767323045678)), "2026-01-02T03:04:05.678Z");
	assert_string_equal(clock_text(text, INT64_C(1709210096007)), "2024-02-29T12:34:56.007Z");
	assert_string_equal(clock_text(text, -5), "1970-01-01T00:00:00.000Z");
	assert_string_equal(clock_text(text, INT64_MAX), "9999-12-31T23:59:59.999Z");
	assert_true(clock_wall_ms() > INT64_C(1700000000000));
}

static void test_clock_parse(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
		{"1970-01-01T00:00:00Z", 0}, {"1970-01-01T00:00:00.000Z", 0}, {"1970-01-01T00:00:00.999Z", 999}, {"2026-01-02T03:04:05.678Z", INT64_C(1767323045678)},
		{"2026-01-02T03:04:05Z", INT64_C(1767323045000)}, {"2024-02-29T12:34:56.007Z", INT64_C(1709210096007)}, {"2100-03-01T00:00:00Z", INT64_C(4107542400000)},
		{"9999-12-31T23:59:59.999Z", INT64_C(253402300799999)}, {"2038-01-19T03:14:08Z", INT64_C(2147483648000)},
	};
	static const char *const bad[] = {
		"", "Z", "2026", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02T03:04:05.678", "2026-01-02T03:04:05.67Z", "2026-01-02T03:04:05.6789Z", "2026-01-02T03:04:05.678ZZ",
		"2026-01-02t03:04:05Z", "2026-01-02 03:04:05Z", "2026-01-02T03:04:05z", "2026-01-02T03:04:05+00:00", "2026-02-31T03:04:05Z", "2025-02-29T03:04:05Z", "2100-02-29T03:04:05Z",
		"2026-13-02T03:04:05Z", "2026-00-02T03:04:05Z", "2026-01-00T03:04:05Z", "2026-01-02T24:00:00Z", "2026-01-02T03:60:05Z", "2026-01-02T03:04:60Z", "2016-12-31T23:59:60Z",
		"1969-12-31T23:59:59Z", "1969-12-31T23:59:59.999Z", "0000-01-01T00:00:00Z", "-001-01-02T03:04:05Z", "+026-01-02T03:04:05Z", " 026-01-02T03:04:05Z", "2026- 1-02T03:04:05Z",
		"2026-01-02T03:04: 5Z", "2026-01-02T03:04:-5Z", "2026-01-02T03:04:05. 12Z", "2026-01-02T03:04:05.-12Z", "2026-01-02T03:04:05.+12Z", "2026-01-02T03:04:05.12xZ",
		"2026-01-02T03:04:05,678Z", "0x26-01-02T03:04:05Z", "2026-1-002T03:04:05Z", "12026-1-02T03:04:05Z", "2026-01-02T03:04:05ZZZZZ", "99999999999999999999999Z",
	};
	char text[CLOCK_TEXT_BYTES];
	int64_t ms;

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_true(clock_parse(good[i].text, &ms));
		assert_true(ms == good[i].ms);
		assert_memory_equal(clock_text(text, ms), good[i].text, 19);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (clock_parse(bad[i], &ms))
			fail_msg("taken: %s", bad[i]);
}

static void test_deadline(void **state)
{
	struct mono begun = clock_now();
	int64_t took;

	assert_int_equal(loop_wait(&loop, NULL, 0, mono_add_ms(begun, 120), &error), 0);
	took = mono_diff_ms(clock_now(), begun);
	assert_in_range(took, 119, 2000);
	assert_int_equal(loop_wait(&loop, NULL, 0, begun, &error), 0); /* past */
	assert_int_equal(loop_wait(&loop, NULL, 0, (struct mono){0}, &error), 0);
	assert_int_equal(loop_wait(&loop, NULL, 0, (struct mono){-7}, &error), 0);
	assert_in_range(mono_diff_ms(clock_now(), begun), 119, 2000);
}

static void test_descriptors(void **state)
{
	struct pollfd fds[LOOP_FDS_MAX + 1];
	int ends[2];
	char byte;

	assert_int_equal(pipe(ends), 0);
	for (int i = 0; i <= LOOP_FDS_MAX; i++)
		fds[i] = (struct pollfd){.fd = -1, .events = POLLIN, .revents = POLLIN};
	fds[LOOP_FDS_MAX - 1].fd = ends[0];
	assert_int_equal(loop_wait(&loop, fds, LOOP_FDS_MAX, mono_add_ms(clock_now(), 20), &error), 0);
	for (int i = 0; i < LOOP_FDS_MAX; i++)
		assert_int_equal(fds[i].revents, 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(loop_wait(&loop, fds, LOOP_FDS_MAX, MONO_NEVER, &error), 0);
	assert_int_equal(fds[LOOP_FDS_MAX - 1].revents, POLLIN);
	assert_int_equal(fds[0].revents, 0);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(loop_wait(&loop, fds, LOOP_FDS_MAX + 1, MONO_NEVER, &error), -1);
	assert_string_equal(error_name(error.code), "internal");
	error_clear(&error);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void test_signals(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	int ends[2];

	for (int i = 0; i < 3; i++) {
		assert_int_equal(kill(getpid(), signals[i]), 0);
		assert_int_equal(loop_wait(&loop, NULL, 0, MONO_NEVER, &error), signals[i]);
	}
	assert_int_equal(loop_wait(&loop, NULL, 0, clock_now(), &error), 0);
	assert_int_equal(pipe(ends), 0);
	(void)close(ends[0]);
	assert_int_equal(write(ends[1], "x", 1), -1); /* and SIGPIPE did not end us */
	(void)close(ends[1]);
}

static int setup(void **state)
{
	(void)alarm(60);
	return loop_open(&loop, &error);
}

static int teardown(void **state)
{
	loop_close(&loop);
	loop_close(&loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock), cmocka_unit_test(test_clock_parse),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_signals),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
