#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/crc32.h"
#include "watch/mark.h"

static const struct mark sample = {64769, 1234567, 5172227903, 256, 0x00c0ffee, 256, 0xcbf43926, MARK_FILE, LINE_TIME_NONE, 0};

static void crc_is_the_usual_one(void **state)
{
	(void)state;
	assert_int_equal(crc32_of("123456789", 9), 0xcbf43926);
	assert_int_equal(crc32_update(crc32_of("1234", 4), "56789", 5), 0xcbf43926);
	assert_int_equal(crc32_of(NULL, 0), 0);
}

static void a_mark_comes_back_as_it_was(void **state)
{
	const struct mark largest = {UINT64_MAX, UINT64_MAX, UINT64_MAX, 256, UINT32_MAX, 256, UINT32_MAX, MARK_FILE, LINE_TIME_NONE, 0};
	const struct mark none = {0};
	char text[MARK_TEXT_BYTES];
	struct mark mark;

	(void)state;
	assert_string_equal(mark_format(&sample, text), "v1:64769:1234567:5172227903:256:00c0ffee:256:cbf43926");
	assert_int_equal(mark_parse(text, strlen(text), &mark), 0);
	assert_memory_equal(&mark, &sample, sizeof mark);
	mark_format(&largest, text);
	assert_int_equal(mark_parse(text, strlen(text), &mark), 0);
	assert_memory_equal(&mark, &largest, sizeof mark);
	mark_format(&none, text);
	assert_int_equal(mark_parse(text, strlen(text), &mark), 0);
	assert_memory_equal(&mark, &none, sizeof mark);
}

static void places_in_other_logs(void **state)
{
	const struct mark snapshot = {.kind = MARK_SNAPSHOT, .inode = 0xdeadbeef, .offset = 5172227903, .fingerprint_bytes = 256, .fingerprint = 0x00c0ffee,
				      .tail_bytes = 256, .tail = 0xcbf43926};
	const struct mark time = {.kind = MARK_TIME, .time_kind = LINE_TIME_SYSLOG, .time_ms = 31622399000};
	char text[MARK_TEXT_BYTES];
	struct mark mark;

	(void)state;
	assert_string_equal(mark_format(&snapshot, text), "x1:deadbeef:5172227903:256:00c0ffee:256:cbf43926");
	assert_int_equal(mark_parse(text, strlen(text), &mark), 0);
	assert_memory_equal(&mark, &snapshot, sizeof mark);
	assert_string_equal(mark_format(&time, text), "t1:syslog:31622399000");
	assert_int_equal(mark_parse(text, strlen(text), &mark), 0);
	assert_memory_equal(&mark, &time, sizeof mark);
	for (size_t cut = 0; cut < strlen("t1:syslog:"); cut++)
		assert_int_equal(mark_parse(text, cut, &mark), -1);
	mark_format(&snapshot, text);
	for (size_t cut = 0; cut < strlen(text); cut++)
		assert_int_equal(mark_parse(text, cut, &mark), -1);
}

/* Case 27: state that is cut, garbage, or of another version. */
static void what_is_no_mark_is_refused(void **state)
{
	static const char *const words[] = {
		"", "v1", "v1:", "v2:1:2:3:0:00000000:0:00000000", "v1:1:2:3:0:00000000:0", "v1:1:2:3:0:00000000:0:0000000",
		"v1:1:2:3:0:00000000:0:00000000 ", "v1:1:2:3:0:00000000:0:00000000:", "v1:1:2:3:0:00000000:0:00000000:1",
		"v1:01:2:3:0:00000000:0:00000000", "v1:+1:2:3:0:00000000:0:00000000", "v1:1:2:3:0:0000000G:0:00000000",
		"v1:1:2:3:0:ABCDEF00:0:00000000", "v1:1:2:3:4:00000000:0:00000000", "v1:1:2:3:0:00000000:4:00000000",
		"v1:1:2:300:257:00000000:0:00000000", "v1:1:2:300:0:00000000:257:00000000", "v1::2:3:0:00000000:0:00000000",
		"v1:18446744073709551616:2:3:0:00000000:0:00000000",
		"x1:deadbeef", "x1:DEADBEEF:3:0:00000000:0:00000000", "x1:deadbee:3:0:00000000:0:00000000", "x1:1:2:3:0:00000000:0:00000000",
		"x1:deadbeef:3:4:00000000:0:00000000", "x1:deadbeef:3:0:00000000:0:00000000 ", "x2:deadbeef:3:0:00000000:0:00000000",
		"t1:zulu", "t1:zulu:", "t1:none:1", "t1::1", "t1:zulu:-1", "t1:zulu:01", "t1:zulu:1:", "t1:zulu:9223372036854775808", "t2:zulu:1",
	};
	struct mark mark = sample;
	char text[MARK_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		assert_int_equal(mark_parse(words[i], strlen(words[i]), &mark), -1);
	mark_format(&sample, text);
	for (size_t cut = 0; cut < strlen(text); cut++)
		assert_int_equal(mark_parse(text, cut, &mark), -1);
	assert_memory_equal(&mark, &sample, sizeof mark);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_is_the_usual_one),
		cmocka_unit_test(a_mark_comes_back_as_it_was),
		cmocka_unit_test(places_in_other_logs),
		cmocka_unit_test(what_is_no_mark_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
