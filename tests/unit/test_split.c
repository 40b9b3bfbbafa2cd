#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "watch/split.h"

enum { LINE_MAX_BYTES = 20, SIZE_BYTES = 32 };

static char memory[SIZE_BYTES];
static char seen_memory[4096];
static struct buf seen;
static struct split split;

static void begin(void)
{
	split_init(&split, memory, sizeof memory, LINE_MAX_BYTES);
	buf_init(&seen, seen_memory, sizeof seen_memory);
}

static void take_lines(void)
{
	const char *line;
	size_t length;

	while (split_next(&split, &line, &length)) {
		assert_true(length <= LINE_MAX_BYTES);
		buf_add(&seen, line, length);
		buf_add_string(&seen, "|");
	}
}

/* In pieces of at most PIECE bytes. */
static void feed(const char *bytes, size_t length, size_t piece)
{
	while (length > 0) {
		size_t room, count = length < piece ? length : piece;
		char *into;

		take_lines();
		into = split_room(&split, &room);
		assert_true(room >= SIZE_BYTES - LINE_MAX_BYTES);
		count = count < room ? count : room;
		memcpy(into, bytes, count);
		split_added(&split, count);
		bytes += count;
		length -= count;
	}
	take_lines();
}

static void any_split_gives_the_same_lines(void **state)
{
	static const char bytes[] = "one\ntwo\r\n\n\r\r\nlonger than twenty bytes, much longer, more than the buffer holds\nexactly twenty byte!\n"
				    "twenty-one bytes line\n\0\0\0\0nul\n\0\na\0b\nrest";

	(void)state;
	for (size_t piece = 1; piece < sizeof bytes; piece++) {
		const char *line;
		size_t length;

		begin();
		feed(bytes, sizeof bytes - 1, piece);
		assert_int_equal(seen.len, 40);
		assert_memory_equal(seen.data, "one|two|||exactly twenty byte!|nul||a\0b|", 40);
		assert_int_equal(split.long_lines, 2);
		assert_int_equal(split_pending(&split), 4);
		assert_true(split_peek(&split, &line, &length));
		assert_int_equal(length, 4);
		assert_true(split_rest(&split, &line, &length));
		assert_memory_equal(line, "rest", 4);
		assert_false(split_rest(&split, &line, &length));
	}
}

static void a_long_line_does_not_hide_the_next(void **state)
{
	(void)state;
	begin();
	for (int i = 0; i < 1000; i++)
		feed("0123456789", 10, 10);
	feed("\nnext\n", 6, 6);
	assert_string_equal(seen.data, "next|");
	assert_int_equal(split.long_lines, 1);
}

static void a_run_of_nul_is_no_long_line(void **state)
{
	static const char nul[100];

	(void)state;
	begin();
	for (int i = 0; i < 100; i++)
		feed(nul, sizeof nul, 7);
	feed("line\n", 5, 5);
	assert_string_equal(seen.data, "line|");
	assert_int_equal(split.long_lines, 0);
}

static void a_dropped_line_ends_at_its_line_end(void **state)
{
	const char *line;
	size_t length;

	(void)state;
	begin();
	feed("a\nhalf", 6, 6);
	split_drop_line(&split);
	assert_false(split_peek(&split, &line, &length));
	feed(" and the rest\nb\n", 16, 3);
	assert_string_equal(seen.data, "a|b|");
	split_drop_line(&split);
	split_reset(&split);
	feed("c\n", 2, 2);
	assert_string_equal(seen.data, "a|b|c|");
}

/* Bytes next to the line end in value, on both sides of it, at every place of a block that is searched in one go. */
static void a_line_end_is_found_wherever_it_is(void **state)
{
	enum { BYTES = 100 };
	static const unsigned char others[] = {0x0b, 0x09, 0x8a, 0x8b, 0xff, 0x01};
	char bytes[2 * BYTES];
	const char *line;
	size_t length;

	(void)state;
	for (size_t other = 0; other < sizeof others; other++)
		for (size_t from = 0; from < 8; from++)
			for (size_t at = from; at < BYTES; at++) {
				memset(bytes, others[other], sizeof bytes);
				bytes[at] = bytes[at + 9] = '\n';
				split_init(&split, bytes, sizeof bytes, BYTES);
				split.begin = from;
				split_added(&split, at + 10); /* two lines, and nothing behind them */
				assert_true(split_next(&split, &line, &length));
				assert_ptr_equal(line, bytes + from);
				assert_int_equal(length, at - from);
				assert_true(split_next(&split, &line, &length));
				assert_int_equal(length, 8);
				assert_false(split_next(&split, &line, &length));
				assert_int_equal(split_pending(&split), 0);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_split_gives_the_same_lines),
		cmocka_unit_test(a_long_line_does_not_hide_the_next),
		cmocka_unit_test(a_run_of_nul_is_no_long_line),
		cmocka_unit_test(a_dropped_line_ends_at_its_line_end),
		cmocka_unit_test(a_line_end_is_found_wherever_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
