/* Log lines out of syslog: golden streams, each cut in every place, and the header's time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "golden.h"
#include "watch/syslog.h"

#define WAITING "[0x88e000d7][apic-gw-service][notice] apic-gw-service(default): tid(2653): Waiting"

static struct syslog_frames frames;
static char rebuilt[SYSLOG_MESSAGE_MAX_BYTES];
static char result_memory[1 << 17];
static struct buf result;

static void add(const char *bytes, size_t count)
{
	while (count > 0) {
		size_t room;
		char *into = syslog_frames_room(&frames, &room);
		size_t take = count < room ? count : room;

		assert_true(room >= SYSLOG_ROOM_MIN_BYTES);
		memcpy(into, bytes, take);
		syslog_frames_added(&frames, take);
		bytes += take;
		count -= take;
		if (count > 0) /* the caller of this takes the rest */
			break;
	}
	assert_int_equal(count, 0);
}

static void show(struct buf *out, const char *message, size_t length)
{
	const char *line;
	size_t line_bytes;
	struct line parsed;
	char shown[400];

	if (syslog_line(message, length, rebuilt, &line, &line_bytes, &parsed))
		buf_printf(out, "line %d %lld: %s\n", (int)parsed.time_kind, (long long)parsed.time_ms, text_escape(shown, sizeof shown, line, line_bytes));
	else
		buf_printf(out, "foreign: %s\n", text_escape(shown, 80, message, length));
}

static void take(struct buf *out)
{
	const char *message;
	size_t length;

	while (syslog_frames_next(&frames, &message, &length))
		show(out, message, length);
}

static void finish(struct buf *out)
{
	const char *message;
	size_t length;
	bool open = syslog_frames_open(&frames);

	if (syslog_frames_rest(&frames, &message, &length))
		show(out, message, length);
	buf_printf(out, "%s, %llu too long\n", open ? "open" : "complete", (unsigned long long)frames.long_messages);
}

static void render_pieces(const char *bytes, size_t length, size_t first, size_t piece, struct buf *out)
{
	syslog_frames_init(&frames);
	for (size_t at = 0; at < length;) {
		size_t count = at == 0 && first > 0 ? first : piece;

		count = count < length - at ? count : length - at;
		add(bytes + at, count);
		take(out);
		at += count;
	}
	finish(out);
}

static void render(const char *bytes, size_t length, struct buf *out)
{
	render_pieces(bytes, length, 0, 4096, out);
}

static void golden_streams(void **state)
{
	(void)state;
	assert_int_equal(golden_run("syslog", render), 0);
}

/* Cut in two at every place (of the first 2,000), and in pieces of every size up to 80: always the same. */
static void compare_splits(const char *bytes, size_t length, struct buf *out)
{
	(void)out;
	buf_init(&result, result_memory, sizeof result_memory / 2);
	render(bytes, length, &result);
	for (size_t i = 1; i < 2080; i++) {
		struct buf other;

		if (i >= 2000 && length > 4000 && i % 8 != 0)
			continue;
		if (i < 2000 && i >= length)
			continue;
		buf_init(&other, result_memory + sizeof result_memory / 2, sizeof result_memory / 2);
		render_pieces(bytes, length, i < 2000 ? i : 0, i < 2000 ? 8192 : i - 1999, &other);
		assert_string_equal(other.data, result.data);
	}
}

static void any_split(void **state)
{
	(void)state;
	assert_int_equal(golden_walk("syslog", compare_splits, 0), 0);
}

/* Every beginning of a stream: no line comes that the whole stream does not have, and none that is cut. */
static void truncated_streams(void **state)
{
	static const char first[] = "<133>Jun 18 23:23:39 gw1 " WAITING;
	char memory[4096], whole[1024];
	struct buf out;
	size_t length = (size_t)snprintf(whole, sizeof whole, "%zu %s\n<133>Jun 18 23:23:40 gw1 " WAITING " second\n", sizeof first - 1, first);
	size_t counted = (size_t)(strchr(whole, '\n') - whole);

	(void)state;
	for (size_t cut = 0; cut <= length; cut++) {
		size_t lines = 0;

		buf_init(&out, memory, sizeof memory);
		syslog_frames_init(&frames);
		add(whole, cut);
		take(&out);
		for (const char *at = out.data; (at = strstr(at, "line 2 ")) != NULL; at++)
			lines++;
		assert_int_equal(lines, (size_t)(cut >= counted) + (cut >= length));
		assert_null(strstr(out.data, "foreign"));
	}
}

static const char *line_of(const char *message)
{
	static char text[512];
	const char *line;
	size_t length;
	struct line parsed;

	if (!syslog_line(message, strlen(message), rebuilt, &line, &length, &parsed))
		return NULL;
	snprintf(text, sizeof text, "%.*s", (int)length, line);
	return text;
}

static void the_headers_time_where_the_line_has_none(void **state)
{
	(void)state;
	assert_string_equal(line_of("<133>Jun 18 23:23:39 gw1 " WAITING), "Jun 18 23:23:39 " WAITING);
	assert_string_equal(line_of("<133>1 2020-06-19T01:23:39.5+02:00 gw1 - - - - " WAITING), "20200618T232339.5Z " WAITING);
	assert_string_equal(line_of("<133>1 2020-03-01T00:00:00+00:01 gw1 - - - - " WAITING), "20200229T235900Z " WAITING);
	assert_string_equal(line_of("<133>Jun 18 23:23:39 gw1 20200618T212339Z " WAITING), "20200618T212339Z " WAITING);
	assert_null(line_of("<133>1 - gw1 - - - - " WAITING));
	assert_null(line_of("<133>" WAITING));
}

/* Any program of the appliance's host may write text that begins with a bracket; then its name stands in the header. */
static void a_named_program_needs_the_lines_own_time(void **state)
{
	static const char own[] = "20200618T232339.332Z " WAITING;

	(void)state;
	assert_null(line_of("<133>Jun 18 23:23:39 gw1 sshd[12]: " WAITING));
	assert_string_equal(line_of("<133>Jun 18 23:23:39 gw1 dp[12]: 20200618T232339.332Z " WAITING), own);
	assert_null(line_of("<133>1 2020-06-18T23:23:39Z gw1 sshd 12 - - " WAITING));
	assert_null(line_of("<133>1 2020-06-18T23:23:39Z gw1 -d - - - " WAITING));
	assert_string_equal(line_of("<133>1 2020-06-18T23:23:39Z gw1 dp - - - 20200618T232339.332Z " WAITING), own);
}

static void days_that_there_are_not(void **state)
{
	(void)state;
	assert_null(line_of("<133>1 2021-02-29T00:00:00Z gw1 - - - - " WAITING));
	assert_null(line_of("<133>1 2020-02-31T00:00:00Z gw1 - - - - " WAITING));
	assert_null(line_of("<133>1 2020-00-10T00:00:00Z gw1 - - - - " WAITING));
	assert_null(line_of("<133>1 2020-13-10T00:00:00Z gw1 - - - - " WAITING));
	assert_null(line_of("<133>1 2020-06-00T00:00:00Z gw1 - - - - " WAITING));
	assert_null(line_of("<133>1 2020-06-18T24:00:00Z gw1 - - - - " WAITING));
	assert_null(line_of("<133>1 2020-06-18T00:60:00Z gw1 - - - - " WAITING));
	assert_null(line_of("<133>1 2020-06-18T00:00:61Z gw1 - - - - " WAITING));
	assert_string_equal(line_of("<133>1 2016-12-31T23:59:60Z gw1 - - - - " WAITING), "20170101T000000Z " WAITING);
}

/* The largest message but for its last byte: as much as is read of a connection at once fits behind it. */
static void room_behind_the_largest_frame(void **state)
{
	char *frame = malloc(6 + SYSLOG_MESSAGE_MAX_BYTES);
	size_t room, length;
	const char *message;

	(void)state;
	memset(frame, 'x', 6 + SYSLOG_MESSAGE_MAX_BYTES);
	memcpy(frame, "17408 <", 7);
	syslog_frames_init(&frames);
	for (size_t at = 0; at < 6 + SYSLOG_MESSAGE_MAX_BYTES - 1; at++) {
		*syslog_frames_room(&frames, &room) = frame[at];
		syslog_frames_added(&frames, 1);
	}
	assert_false(syslog_frames_next(&frames, &message, &length));
	(void)syslog_frames_room(&frames, &room);
	assert_true(room >= SYSLOG_ROOM_MIN_BYTES);
	add("x", 1);
	assert_true(syslog_frames_next(&frames, &message, &length));
	assert_int_equal(length, SYSLOG_MESSAGE_MAX_BYTES);
	free(frame);
}

/* Only header tokens are skipped: a line inside a text is not the appliance's. */
static void quoted_lines_are_not_found(void **state)
{
	(void)state;
	assert_null(line_of("<133>Jun 18 23:23:39 gw1 user said: 20200618T232339Z " WAITING));
	assert_null(line_of("<133>Jun 18 23:23:39 gw1 a b: " WAITING));
	assert_null(line_of("user 20200618T232339Z " WAITING));
	assert_null(line_of("<133>1 2020-06-18T23:23:39Z gw1 - - - - said 20200618T232339Z " WAITING));
}

/* Control characters, NUL, bad UTF-8: kept, up to a line end; whoever shows them escapes them. */
static void bytes_of_every_kind(void **state)
{
	static const char message[] = "<133>Jun 18 23:23:39 gw1 " WAITING " \xff\xc3\x28 \x1b[2J \t\0 cut";
	const char *line;
	size_t length;
	struct line parsed;

	(void)state;
	assert_true(syslog_line(message, sizeof message - 1, rebuilt, &line, &length, &parsed));
	assert_int_equal(length, strlen("Jun 18 23:23:39 " WAITING " \xff\xc3\x28 \x1b[2J \t"));
	assert_memory_equal(line, "Jun 18 23:23:39 " WAITING " \xff\xc3\x28 \x1b[2J \t", length);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_streams),
		cmocka_unit_test(any_split),
		cmocka_unit_test(truncated_streams),
		cmocka_unit_test(the_headers_time_where_the_line_has_none),
		cmocka_unit_test(a_named_program_needs_the_lines_own_time),
		cmocka_unit_test(days_that_there_are_not),
		cmocka_unit_test(room_behind_the_largest_frame),
		cmocka_unit_test(quoted_lines_are_not_found),
		cmocka_unit_test(bytes_of_every_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
