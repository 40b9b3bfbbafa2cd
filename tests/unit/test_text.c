/* agent/base: text, buf and error. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/text.h"

static void assert_escaped(const char *bytes, size_t length, size_t size, const char *expected)
{
	char out[64];

	assert_ptr_equal(text_escape(out, size, bytes, length), out);
	assert_string_equal(out, expected);
}

static void escapes(void **state)
{
	(void)state;
	assert_escaped("", 0, 64, "");
	assert_escaped("plain", 5, 64, "plain");
	assert_escaped("a\n\r\t\\\x1b\x7f\0b", 9, 64, "a\\n\\r\\t\\\\\\x1b\\x7f\\x00b");
	assert_escaped("\xc3\xbc\xe2\x82\xac", 5, 64, "\xc3\xbc\xe2\x82\xac");
	assert_escaped("\xc2\x9b", 2, 64, "\\xc2\\x9b"); /* CSI as one character */
	assert_escaped("\xe2\x82", 2, 64, "\\xe2\\x82");
}

static void escapes_cut(void **state)
{
	(void)state;
	assert_escaped("1234567", 7, 8, "1234567");
	assert_escaped("12345678", 8, 8, "1234...");
	assert_escaped("123\xff\xff", 5, 8, "123..."); /* never half an escape */
	assert_escaped("\xff\xff", 2, 8, "\\xff...");
}

/* For every size from the smallest: terminated, within it, and the same beginning. */
static void escapes_at_every_size(void **state)
{
	static const char bytes[] = "a\x01\xc3\xbc\\z\xf0\x9f\x98\x80\xff";
	char out[64];

	(void)state;
	for (size_t size = 8; size < 40; size++) {
		memset(out, '#', sizeof out);
		(void)text_escape(out, size, bytes, sizeof bytes - 1);
		assert_true(strlen(out) < size);
		assert_int_equal(out[size], '#');
	}
}

static void trims_and_compares(void **state)
{
	const char *start = " \t a b\r\n";
	size_t length = strlen(start);

	(void)state;
	text_trim(&start, &length);
	assert_true(text_equal(start, length, "a b"));
	assert_false(text_equal(start, length, "a"));
	assert_true(text_starts(start, length, "a "));
	assert_true(text_ends(start, length, " b"));
	assert_false(text_starts(start, length, "a bc"));
	assert_false(text_ends(start, length, "xa b"));
	start = " \n";
	length = 2;
	text_trim(&start, &length);
	assert_int_equal(length, 0);
}

static void copies_whole_strings(void **state)
{
	char out[4];

	(void)state;
	assert_int_equal(text_copy(out, sizeof out, "abc", 3), 0);
	assert_string_equal(out, "abc");
	assert_int_equal(text_copy(out, sizeof out, "abcd", 4), -1);
	assert_string_equal(out, "");
}

static void splits_lines(void **state)
{
	static const char text[] = "one\r\n\ntwo";
	size_t offset = 0, length;
	const char *line;

	(void)state;
	assert_true(text_next_line(text, sizeof text - 1, &offset, &line, &length));
	assert_true(text_equal(line, length, "one"));
	assert_true(text_next_line(text, sizeof text - 1, &offset, &line, &length));
	assert_int_equal(length, 0);
	assert_true(text_next_line(text, sizeof text - 1, &offset, &line, &length));
	assert_true(text_equal(line, length, "two"));
	assert_false(text_next_line(text, sizeof text - 1, &offset, &line, &length));
}

static void reads_numbers(void **state)
{
	unsigned long long value = 7;

	(void)state;
	assert_true(text_to_unsigned("0", 1, 5, &value));
	assert_int_equal(value, 0);
	assert_true(text_to_unsigned("18446744073709551615", 20, UINT64_MAX, &value));
	assert_true(value == UINT64_MAX);
	assert_false(text_to_unsigned("18446744073709551616", 20, UINT64_MAX, &value));
	assert_false(text_to_unsigned("6", 1, 5, &value));
	assert_false(text_to_unsigned("", 0, 5, &value));
	assert_false(text_to_unsigned("-1", 2, 5, &value));
	assert_false(text_to_unsigned("1 ", 2, 5, &value));
}

/* A first digit above MAX must not wrap around. */
static void reads_numbers_below_small_limits(void **state)
{
	unsigned long long value = 0;

	(void)state;
	for (unsigned long long max = 0; max < 25; max++)
		for (unsigned number = 0; number < 30; number++) {
			char text[3] = {(char)('0' + number / 10), (char)('0' + number % 10), '\0'};

			assert_int_equal(text_to_unsigned(text, 2, max, &value), number <= max);
		}
}

static void refuses_what_does_not_fit(void **state)
{
	char memory[8];
	struct buf buf;

	(void)state;
	buf_init(&buf, memory, sizeof memory);
	assert_int_equal(buf_add_string(&buf, "12345"), 0);
	assert_int_equal(buf_printf(&buf, "%d", 678), -1);
	assert_true(buf.overflow);
	assert_string_equal(buf.data, "12345");
	assert_int_equal(buf_printf(&buf, "%d", 67), 0);
	assert_int_equal(buf_add(&buf, "8", 1), -1);
	assert_string_equal(buf.data, "1234567");
	buf_drop(&buf, 3);
	assert_string_equal(buf.data, "4567");
	buf_drop(&buf, 4);
	assert_int_equal(buf.len, 0);
	buf_reset(&buf);
	assert_false(buf.overflow);
}

static void keeps_the_first_error(void **state)
{
	struct error error = {0};

	(void)state;
	assert_int_equal(error_set_errno(&error, ERROR_UNREACHABLE, ENOENT, "do this", "no %s", "way"), -1);
	assert_int_equal(error_set(&error, ERROR_INTERNAL, NULL, "later"), -1);
	assert_int_equal(error.code, ERROR_UNREACHABLE);
	assert_int_equal(error.sys_errno, ENOENT);
	assert_string_equal(error.next, "do this");
	assert_non_null(strstr(error.what, "no way: No such file"));
	error_clear(&error);
	assert_int_equal(error.code, ERROR_NONE);
}

static void names_every_code(void **state)
{
	(void)state;
	for (int code = ERROR_NONE; code < ERROR_CODE_COUNT; code++) {
		assert_non_null(error_name((enum error_code)code));
		assert_in_range(error_exit_code((enum error_code)code), 0, 9);
		for (int other = ERROR_NONE; other < code; other++)
			assert_string_not_equal(error_name((enum error_code)code), error_name((enum error_code)other));
	}
	assert_int_equal(error_exit_code(ERROR_DISABLED), 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes), cmocka_unit_test(escapes_cut), cmocka_unit_test(escapes_at_every_size),
		cmocka_unit_test(trims_and_compares), cmocka_unit_test(copies_whole_strings), cmocka_unit_test(splits_lines),
		cmocka_unit_test(reads_numbers), cmocka_unit_test(reads_numbers_below_small_limits),
		cmocka_unit_test(refuses_what_does_not_fit), cmocka_unit_test(keeps_the_first_error),
		cmocka_unit_test(names_every_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
