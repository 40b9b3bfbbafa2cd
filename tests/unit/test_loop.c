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
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_signals),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
