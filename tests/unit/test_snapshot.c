/* What is new in a text that is fetched again and again: a made-up fetcher with a file and its rotations, each case with pieces of several sizes. The
 * numbers are those of the list of cases that a log follower must hold; see log_cases.txt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/crc32.h"
#include "watch/snapshot.h"

enum { TEXTS = SNAPSHOT_ROTATIONS_MAX + 2 };

#define NAME "logtemp:///gwd-log.log"
#define HEAD "20200618T232339.001Z [0x80e0084c][apic-gw-service][debug] apic-gw-service(default): tid(1): head\n"

static struct { char *bytes; size_t length; bool there; } texts[TEXTS];
static struct snapshot *snapshot;
static size_t piece;          /* bytes of one input */
static size_t cut_after;      /* a fetch of text 0 fails after as many bytes; SIZE_MAX: never */
static int rotate_before = -1; /* before the fetch with this number the files are rotated once more */
static const char *rotate_to;
static unsigned fetches;
static size_t fetched_bytes;
static char seen_memory[1 << 20];
static struct buf seen;

static void set_text(unsigned number, const char *text)
{
	free(texts[number].bytes);
	texts[number].bytes = text ? strdup(text) : NULL;
	texts[number].length = text ? strlen(text) : 0;
	texts[number].there = text != NULL;
}

static void append(const char *text)
{
	size_t more = strlen(text);

	texts[0].bytes = realloc(texts[0].bytes, texts[0].length + more + 1);
	memcpy(texts[0].bytes + texts[0].length, text, more + 1);
	texts[0].length += more;
	texts[0].there = true;
}

static void rotate(const char *text)
{
	free(texts[TEXTS - 1].bytes);
	memmove(texts + 1, texts, (TEXTS - 1) * sizeof texts[0]);
	memset(texts, 0, sizeof texts[0]);
	set_text(0, text);
	set_text(SNAPSHOT_ROTATIONS_MAX + 1, NULL);
}

static void take_lines(void)
{
	const char *line;
	size_t length;

	while (snapshot_next(snapshot, &line, &length)) {
		buf_add(&seen, line, length);
		buf_add_string(&seen, "|");
	}
}

static void fetch(unsigned number)
{
	size_t at = 0;
	bool more = true;

	if (rotate_before == (int)number) {
		rotate_before = -1;
		rotate(rotate_to);
	}
	fetches++;
	snapshot_begin(snapshot);
	while (texts[number].there && more && at < texts[number].length) {
		size_t count = texts[number].length - at < piece ? texts[number].length - at : piece;

		if (number == 0 && at >= cut_after) {
			snapshot_end(snapshot, SNAPSHOT_CUT);
			take_lines();
			return;
		}
		more = snapshot_input(snapshot, texts[number].bytes + at, count);
		at += count;
		if (snapshot_room(snapshot) < 2 * piece)
			take_lines(); /* as the sources do: between two steps of the connection */
	}
	fetched_bytes += at;
	snapshot_end(snapshot, texts[number].there ? SNAPSHOT_COMPLETE : SNAPSHOT_MISSING);
	take_lines();
}

/* One look; its lines as "a|b|". */
static const char *look(void)
{
	buf_reset(&seen);
	fetches = 0;
	fetched_bytes = 0;
	snapshot_look(snapshot);
	take_lines();
	while (snapshot_wanted(snapshot) >= 0)
		fetch((unsigned)snapshot_wanted(snapshot));
	return seen.data;
}

static void start(const struct mark *mark)
{
	snapshot_init(snapshot, NAME, SNAPSHOT_ROTATIONS_MAX, mark);
}

static struct mark mark_now(void)
{
	struct mark mark;

	assert_true(snapshot_mark(snapshot, &mark));
	return mark;
}

/* Stops, and starts from the mark as the journal keeps it. */
static void restart(const struct mark *mark)
{
	char text[MARK_TEXT_BYTES];
	struct mark again;

	mark_format(mark, text);
	assert_int_equal(mark_parse(text, strlen(text), &again), 0);
	start(&again);
}

static void assert_counts(unsigned rotations, unsigned truncations, unsigned lost_marks, unsigned gaps)
{
	const struct snapshot_counts *counts = &snapshot->counts;

	assert_int_equal(counts->rotations, rotations);
	assert_int_equal(counts->truncations, truncations);
	assert_int_equal(counts->lost_marks, lost_marks);
	assert_int_equal(counts->gaps, gaps);
}

static int set_up(void **state)
{
	snapshot = malloc(sizeof *snapshot);
	buf_init(&seen, seen_memory, sizeof seen_memory);
	for (unsigned i = 0; i < TEXTS; i++)
		set_text(i, NULL);
	cut_after = SIZE_MAX;
	rotate_before = -1;
	(void)state;
	return 0;
}

static int tear_down(void **state)
{
	free(snapshot);
	for (unsigned i = 0; i < TEXTS; i++)
		set_text(i, NULL);
	(void)state;
	return 0;
}

/* ---- start */

/* Cases 28 and 31: without a mark everything that is there at the first look is old; what comes later is new. */
static void begins_at_the_end(void **state)
{
	set_text(0, HEAD "old\n");
	start(NULL);
	assert_false(snapshot_mark(snapshot, &(struct mark){0}));
	assert_string_equal(look(), "");
	append("new\nnewer\n");
	assert_string_equal(look(), "new|newer|");
	assert_string_equal(look(), "");
	assert_int_equal(fetches, 1);
	assert_counts(0, 0, 0, 0);
}

static void a_missing_text_is_new_when_it_appears(void **state)
{
	start(NULL);
	assert_string_equal(look(), "");
	set_text(0, "first\n");
	assert_string_equal(look(), "first|");
	assert_counts(0, 0, 0, 0);
}

/* A reload, or a rotation, right before the first look: the rotated text is old, and what comes later is new, wherever it stands by then. */
static void begins_while_the_text_is_missing_or_empty(void **state)
{
	for (unsigned empty = 0; empty < 2; empty++)
		for (unsigned again = 0; again < 2; again++) {
			struct mark mark;

			set_text(0, empty ? "" : NULL);
			set_text(1, HEAD "old\n");
			set_text(2, HEAD "older\n");
			set_text(3, NULL);
			start(NULL);
			assert_string_equal(look(), "");
			set_text(0, NULL);
			assert_string_equal(look(), "");
			mark = mark_now();
			if (again)
				restart(&mark);
			set_text(0, "new\n");
			rotate("newer\n");
			assert_string_equal(look(), "new|newer|");
			assert_counts(2, 0, 0, 0);
		}
}

/* Nothing at all at the first look: everything is new, in whatever number of texts. */
static void begins_before_all_texts(void **state)
{
	struct mark mark;

	for (unsigned again = 0; again < 2; again++) {
		for (unsigned i = 0; i < TEXTS; i++)
			set_text(i, NULL);
		start(NULL);
		assert_string_equal(look(), "");
		mark = mark_now();
		if (again)
			restart(&mark);
		set_text(0, "one\n");
		rotate("two\n");
		rotate("three\n");
		assert_string_equal(look(), "one|two|three|");
		assert_counts(2, 0, 0, 0);
		assert_string_equal(look(), "");
	}
	/* As many as can be fetched: there may have been more. */
	restart(&mark);
	rotate("four\n");
	assert_string_equal(look(), "one|two|three|four|");
	assert_counts(3, 0, 0, 1);
}

/* ... and rotated once more between two fetches: the text that was passed by is missed, and that is said. */
static void begins_and_is_rotated_between_two_fetches(void **state)
{
	start(NULL);
	look();
	set_text(0, "one\n");
	rotate_before = 0;
	rotate_to = "two\n";
	assert_string_equal(look(), "two|");
	assert_counts(0, 0, 0, 1);
}

/* All texts begin with the same bytes, and the place is among them: lines of TEXT.1 are missed, and that is said. */
static void a_start_that_all_texts_share(void **state)
{
	for (unsigned again = 0; again < 2; again++) {
		struct mark mark;

		set_text(0, "<log>\n");
		set_text(1, "<log>\nold\n");
		start(NULL);
		assert_string_equal(look(), "");
		assert_string_equal(look(), "");
		assert_counts(0, 0, 0, 0); /* the older text was there before */
		mark = mark_now();
		if (again)
			restart(&mark);
		append("missed\n");
		rotate("<log>\nnew\n");
		assert_string_equal(look(), "new|");
		assert_counts(0, 0, 0, 1);
		assert_string_equal(look(), "");
		append("newer\n");
		assert_string_equal(look(), "newer|");
		assert_counts(0, 0, 0, 1);
	}
}

/* Case 38: a restarted agent goes on behind the mark, and hands nothing out twice. */
static void goes_on_from_a_mark(void **state)
{
	struct mark mark;

	set_text(0, HEAD "one\n");
	start(NULL);
	look();
	mark = mark_now();
	append("two\n");
	restart(&mark);
	append("three\n");
	assert_string_equal(look(), "two|three|");
	assert_counts(0, 0, 0, 0);
}

/* Case 27: a mark of another text, or of another kind, is no place in this one. */
static void a_mark_of_another_text_is_lost(void **state)
{
	struct mark mark;

	set_text(0, HEAD "one\n");
	snapshot_init(snapshot, "logtemp:///other.log", SNAPSHOT_ROTATIONS_MAX, NULL);
	look();
	mark = mark_now();
	append("two\n");
	restart(&mark);
	assert_string_equal(look(), "");
	assert_counts(0, 0, 1, 1);
	append("three\n");
	assert_string_equal(look(), "three|");
	mark.kind = MARK_FILE;
	start(&mark);
	assert_counts(0, 0, 1, 1);
}

/* ---- rotation */

/* Case 1: also what was written to the old file after the new one was made. */
static void rotation_between_two_looks(void **state)
{
	set_text(0, HEAD "one\n");
	start(NULL);
	look();
	append("two\n");
	rotate("20200618T232340.002Z three\n");
	assert_string_equal(look(), "two|20200618T232340.002Z three|");
	assert_counts(1, 0, 0, 0);
	append("four\n");
	assert_string_equal(look(), "four|");
	assert_int_equal(fetches, 1);
}

static void rest_of_a_rotated_text_before_the_new_one_has_lines(void **state)
{
	set_text(0, HEAD "one\n");
	start(NULL);
	look();
	append("two\n");
	rotate("");
	assert_string_equal(look(), "two|");
	set_text(0, NULL);
	assert_string_equal(look(), "");
	assert_counts(0, 0, 0, 0);
	set_text(0, "three\n");
	assert_string_equal(look(), "three|");
	assert_counts(1, 0, 0, 0);
}

/* Case 2. */
static void several_rotations_between_two_looks(void **state)
{
	set_text(0, HEAD "one\n");
	start(NULL);
	look();
	append("two\n");
	rotate("three\n");
	rotate("four\n");
	rotate("five\n");
	assert_string_equal(look(), "two|three|four|five|");
	assert_counts(3, 0, 0, 0);
}

/* Case 3. */
static void rotated_while_stopped(void **state)
{
	struct mark mark;

	set_text(0, HEAD "one\n");
	start(NULL);
	look();
	mark = mark_now();
	append("two\n");
	rotate(HEAD "three\n");
	rotate("four\n");
	restart(&mark);
	assert_string_equal(look(), "two|" "20200618T232339.001Z [0x80e0084c][apic-gw-service][debug] apic-gw-service(default): tid(1): head|three|four|");
	assert_counts(2, 0, 0, 0);
}

/* Rotated out of reach: the present text is new, and that lines are missing is counted. */
static void rotated_out_of_reach(void **state)
{
	set_text(0, HEAD "one\n");
	start(NULL);
	look();
	rotate("a\n");
	rotate("b\n");
	rotate("c\n");
	rotate("d\n");
	assert_string_equal(look(), "d|");
	assert_counts(0, 0, 1, 1);
}

/* Case 5: the first 256 bytes are the same in all of them. */
static void equal_first_bytes(void **state)
{
	set_text(0, HEAD HEAD HEAD "one\n");
	start(NULL);
	look();
	append("two\n");
	rotate(HEAD HEAD HEAD "three and so on, longer than the other one was\n");
	assert_string_equal(strstr(look(), "two|"), "two|" "20200618T232339.001Z [0x80e0084c][apic-gw-service][debug] apic-gw-service(default): tid(1): head|"
			    "20200618T232339.001Z [0x80e0084c][apic-gw-service][debug] apic-gw-service(default): tid(1): head|"
			    "20200618T232339.001Z [0x80e0084c][apic-gw-service][debug] apic-gw-service(default): tid(1): head|"
			    "three and so on, longer than the other one was|");
	assert_counts(1, 0, 0, 0);
}

/* Case 6. */
static void shorter_than_the_fingerprint(void **state)
{
	char line[32], expect[32];

	set_text(0, "a\n");
	start(NULL);
	look();
	for (unsigned i = 0; i < 100; i++) {
		snprintf(line, sizeof line, "line %u\n", i);
		snprintf(expect, sizeof expect, "line %u|", i);
		append(line);
		assert_string_equal(look(), expect);
	}
	assert_counts(0, 0, 0, 0);
}

/* Case 10: what stands under a rotated name and is no such text is passed by. */
static void something_else_under_a_rotated_name(void **state)
{
	set_text(0, HEAD "one\n");
	start(NULL);
	look();
	append("two\n");
	rotate("three\n");
	rotate("four\n");
	set_text(1, "\x1f\x8b\x08 compressed");
	assert_string_equal(look(), "two|\x1f\x8b\x08 compressed|four|");
	assert_int_equal(snapshot->counts.lost_marks, 0);
}

/* Case 17 and the race of two fetches: rotated once more between the fetch of FILE.1 and that of FILE. */
static void rotated_between_two_fetches(void **state)
{
	set_text(0, HEAD "one\n");
	start(NULL);
	look();
	append("two\n");
	rotate("three\n");
	rotate_before = -1;
	/* 0: not it, 1: it is, 0: entered, 1: verified. The rotation falls before the second fetch of 0. */
	buf_reset(&seen);
	snapshot_look(snapshot);
	fetch(0);
	fetch(1);
	rotate("four\n");
	while (snapshot_wanted(snapshot) >= 0)
		fetch((unsigned)snapshot_wanted(snapshot));
	assert_string_equal(seen.data, "two|four|");
	assert_counts(1, 0, 0, 1); /* three is missing, and that is said */
}

/* ---- truncation */

/* Cases 12 and 35: copied to FILE.1 and cut: the rest is in the copy. */
static void copied_and_truncated(void **state)
{
	set_text(0, HEAD "one\n");
	start(NULL);
	look();
	append("two\n");
	rotate("three\n");
	assert_string_equal(look(), "two|three|");
	assert_counts(1, 0, 0, 0);
}

/* Cases 13 and 14: other bytes before the place, though it has grown past it, or has the same size again. */
static void truncated_and_grown_again(void **state)
{
	set_text(0, HEAD "one\n");
	start(NULL);
	look();
	set_text(0, HEAD "two\n");
	assert_string_equal(look(), "20200618T232339.001Z [0x80e0084c][apic-gw-service][debug] apic-gw-service(default): tid(1): head|two|");
	assert_counts(0, 1, 0, 1);
	set_text(0, "x" HEAD "two\nand more than before\n");
	assert_string_equal(look(), "x20200618T232339.001Z [0x80e0084c][apic-gw-service][debug] apic-gw-service(default): tid(1): head|two|and more than before|");
	assert_counts(0, 2, 0, 2);
}

/* Case 15, and a reload, which empties logtemp: the offset lies behind the end: everything is new, nothing is waited for. */
static void truncated_while_stopped(void **state)
{
	struct mark mark;

	set_text(0, HEAD HEAD "one\n");
	start(NULL);
	look();
	mark = mark_now();
	set_text(0, NULL);
	restart(&mark);
	assert_string_equal(look(), "");
	assert_counts(0, 0, 0, 0);
	set_text(0, "new\n");
	assert_string_equal(look(), "new|");
	assert_counts(0, 1, 0, 1);
}

/* Case 16. */
static void nul_run_at_the_head(void **state)
{
	char *bytes;

	set_text(0, HEAD "one\n");
	start(NULL);
	look();
	bytes = calloc(1, 3000);
	strcpy(bytes + 2000, "after\n");
	free(texts[0].bytes);
	texts[0].bytes = bytes;
	texts[0].length = 2006;
	assert_string_equal(look(), "after|");
	assert_counts(0, 1, 0, 1);
}

/* ---- lines */

/* Case 18: a line is handed out when it is complete. */
static void partial_line(void **state)
{
	set_text(0, HEAD);
	start(NULL);
	look();
	append("tw");
	assert_string_equal(look(), "");
	append("o\nthr");
	assert_string_equal(look(), "two|");
	assert_string_equal(look(), "");
	append("ee\n");
	assert_string_equal(look(), "three|");
}

/* Case 31: a line that was begun before the mark is not new. */
static void partial_line_at_the_mark(void **state)
{
	struct mark mark;

	set_text(0, HEAD "begun befo");
	start(NULL);
	look();
	append("re\nnew\nbegun agai");
	assert_string_equal(look(), "new|");
	mark = mark_now();
	append("n\nnewer\n");
	assert_string_equal(look(), "newer|");
	restart(&mark);
	assert_string_equal(look(), "newer|");
}

/* Case 19: the last line of a rotated text is complete once there is another text. */
static void rotation_inside_a_line(void **state)
{
	set_text(0, HEAD "one\n");
	start(NULL);
	look();
	append("tw");
	rotate("");
	assert_string_equal(look(), "");
	set_text(0, "three\n");
	assert_string_equal(look(), "tw|three|");
	assert_string_equal(look(), "");
	assert_counts(1, 0, 0, 0);
}

/* Case 20. */
static void line_longer_than_any_buffer(void **state)
{
	char *line = malloc(300001);

	memset(line, 'x', 300000);
	line[300000] = '\0';
	set_text(0, HEAD);
	start(NULL);
	look();
	append(line);
	assert_string_equal(look(), "");
	assert_string_equal(look(), "");
	append(line);
	append("\nnext\n");
	assert_string_equal(look(), "next|");
	assert_int_equal(snapshot->split.long_lines, 1);
	assert_counts(0, 0, 0, 0);
	free(line);
}

/* Case 21 and 22. */
static void bytes_of_every_kind(void **state)
{
	set_text(0, HEAD);
	start(NULL);
	look();
	append("crlf\r\n\nbad \xff\xc3\x28 utf\n\x1b[2J escape\n    at stack.trace (1:2)\nlast\n");
	assert_string_equal(look(), "crlf||bad \xff\xc3\x28 utf|\x1b[2J escape|    at stack.trace (1:2)|last|");
}

/* ---- fetching */

/* Case 36: what came before the cut is handed out, once; what came after it, by the next look. */
static void cut_in_the_middle(void **state)
{
	set_text(0, HEAD "one\n");
	start(NULL);
	look();
	append("two\nthree\nfour\n");
	for (size_t at = 0; at < texts[0].length; at++) {
		static char all[256];
		struct mark mark = mark_now();

		snprintf(all, sizeof all, "%s", "");
		cut_after = at;
		strcat(all, look());
		cut_after = SIZE_MAX;
		strcat(all, look());
		assert_string_equal(all, "two|three|four|");
		assert_counts(0, 0, 0, 0);
		start(&mark);
	}
}

/* What is unfinished only because the fetch was cut there is not dropped by a mark. */
static void cut_then_a_mark(void **state)
{
	struct mark mark;

	set_text(0, HEAD "one\n");
	start(NULL);
	look();
	append("two\nthree\n");
	cut_after = texts[0].length - 3;
	if (piece > 1)
		cut_after = texts[0].length - 3 - (texts[0].length - 3) % piece;
	look();
	cut_after = SIZE_MAX;
	mark = mark_now();
	restart(&mark);
	assert_non_null(strstr(look(), "three|"));
}

/* A first look that is cut is none. */
static void first_look_cut(void **state)
{
	set_text(0, HEAD "old\nolder\n");
	start(NULL);
	cut_after = 3;
	assert_string_equal(look(), "");
	if (piece < 10)
		assert_false(snapshot_mark(snapshot, &(struct mark){0}));
	cut_after = SIZE_MAX;
	assert_string_equal(look(), "");
	append("new\n");
	assert_string_equal(look(), "new|");
}

/* Case 23: 10 MB that grow between two looks go through the buffer in one fetch, in order; memory is the struct's. */
static void ten_megabytes(void **state)
{
	size_t size = 0, lines = 100000;
	char *bytes = malloc(16u << 20);
	uint32_t expect = 0, got = 0;
	const char *line;
	size_t length;

	if (piece < 1000)
		piece = 1000;
	assert_true(sizeof *snapshot < 200 * 1024);
	set_text(0, HEAD);
	start(NULL);
	look();
	memcpy(bytes, HEAD, strlen(HEAD));
	size = strlen(HEAD);
	for (size_t i = 0; i < lines; i++) {
		int count = sprintf(bytes + size, "%zu %0100zu\n", i, i);

		expect = crc32_update(expect, bytes + size, (size_t)count);
		size += (size_t)count;
	}
	free(texts[0].bytes);
	texts[0].bytes = bytes;
	texts[0].length = size;
	snapshot_look(snapshot);
	fetches = 0;
	while (snapshot_wanted(snapshot) >= 0) {
		fetches++;
		snapshot_begin(snapshot);
		for (size_t at = 0; at < size;) {
			size_t count = size - at < piece ? size - at : piece;

			if (!snapshot_input(snapshot, bytes + at, count))
				break;
			at += count;
			while (snapshot_next(snapshot, &line, &length))
				got = crc32_update(crc32_update(got, line, length), "\n", 1);
		}
		snapshot_end(snapshot, SNAPSHOT_COMPLETE);
	}
	assert_int_equal(fetches, 1);
	assert_int_equal(got, expect);
	assert_true(size > 10000000);
}

/* Nobody takes lines while a fetch runs: it is ended when the buffer is full, and goes on with another one. */
static void more_than_the_buffer_in_one_go(void **state)
{
	char line[128];
	unsigned next = 0;

	set_text(0, HEAD);
	start(NULL);
	look();
	for (unsigned i = 0; i < 4000; i++) {
		snprintf(line, sizeof line, "%u %0100u\n", i, i);
		append(line);
	}
	snapshot_look(snapshot);
	for (fetches = 0; snapshot_wanted(snapshot) >= 0; fetches++) {
		const char *text;
		size_t length;

		snapshot_begin(snapshot);
		for (size_t at = 0; at < texts[0].length && snapshot_input(snapshot, texts[0].bytes + at, texts[0].length - at < 4096 ? texts[0].length - at : 4096);)
			at += 4096;
		snapshot_end(snapshot, SNAPSHOT_COMPLETE);
		while (snapshot_next(snapshot, &text, &length))
			assert_int_equal(strtoul(text, NULL, 10), next++);
	}
	assert_int_equal(next, 4000);
	assert_in_range(fetches, 4, 6);
}

/* Case 36: a text that loses its first lines (only the last ones are shown) is found again by what stands before the place. */
static void a_text_that_slides(void **state)
{
	snapshot_init(snapshot, NAME, 0, NULL);
	set_text(0, HEAD "one, long enough to be known by\ntwo\n");
	look();
	set_text(0, "one, long enough to be known by\ntwo\nthree\n");
	buf_reset(&seen);
	snapshot_look(snapshot);
	fetch(0);
	assert_true(snapshot_is_lost(snapshot));
	assert_false(snapshot_move(snapshot, texts[0].bytes, texts[0].length)); /* the head is part of the 256 bytes */
	snapshot_forget(snapshot);
	fetch(0);
	assert_string_equal(seen.data, "");
	assert_counts(0, 0, 1, 1);

	set_text(0, HEAD HEAD HEAD HEAD "one\n");
	look();
	set_text(0, HEAD HEAD HEAD "one\nthree\n");
	buf_reset(&seen);
	snapshot_look(snapshot);
	fetch(0);
	assert_true(snapshot_is_lost(snapshot));
	assert_true(snapshot_move(snapshot, texts[0].bytes, texts[0].length));
	while (snapshot_wanted(snapshot) >= 0)
		fetch((unsigned)snapshot_wanted(snapshot));
	assert_true(strlen(seen.data) > 0);
	assert_string_equal(seen.data, "three|");
}

/* ---- all of it mixed */

static unsigned random_state;

static unsigned pick(unsigned count)
{
	random_state = random_state * 1103515245u + 12345u;
	return (random_state >> 16) % count;
}

static unsigned written, next;

/* One look; each line of it is the next one. */
static void look_in_order(void)
{
	look();
	for (const char *at = seen.data; *at; at = strchr(at, '|') + 1)
		if (strncmp(at, "2020", 4) != 0)
			assert_int_equal(strtoul(at, NULL, 10), next++);
}

/* How the log is at the first look. Returns how many rotations may follow before the next whole look. */
static unsigned begin_somehow(unsigned how)
{
	for (unsigned i = 0; i < TEXTS; i++)
		set_text(i, NULL);
	if (how % 3 == 0)
		set_text(0, HEAD);
	if (how % 3 == 1) { /* rotated a moment ago */
		set_text(1, HEAD "old\n");
		set_text(0, how % 2 ? "" : NULL);
	}
	start(NULL);
	look();
	return how % 3 == 0 ? SNAPSHOT_ROTATIONS_MAX : SNAPSHOT_ROTATIONS_MAX - 1;
}

/* Lines in two halves, rotations, cuts and restarts in any order, never more rotations between two looks than can be followed: each line comes exactly once and in order,
 * and nothing is said to be missing, but where a fetch was cut behind a rotation. */
static void any_order(void **state)
{
	for (unsigned seed = 1; seed <= 300; seed++) {
		unsigned rotations = 0, limit;
		bool cut_behind_a_rotation = false;
		char line[64];

		random_state = seed;
		written = next = 0;
		limit = begin_somehow(seed);
		for (unsigned step = 0; step < 120; step++) {
			struct mark mark;

			switch (pick(6)) {
			case 0:
			case 1:
			case 2:
				snprintf(line, sizeof line, "%u of seed %u, and some more\n", written++, seed);
				append(line);
				continue;
			case 3:
				if (rotations < limit && texts[0].length > 0) {
					rotations++;
					rotate(pick(2) ? "" : NULL);
				}
				continue;
			case 4:
				mark = mark_now();
				assert_true(cut_behind_a_rotation || snapshot->counts.gaps == 0);
				restart(&mark);
				/* fall through */
			default:
				cut_after = pick(3) == 0 ? pick(200) : SIZE_MAX;
				cut_behind_a_rotation = cut_behind_a_rotation || (cut_after != SIZE_MAX && rotations > 0);
				look_in_order();
				if (cut_after == SIZE_MAX && texts[0].length > 0) {
					rotations = 0;
					limit = SNAPSHOT_ROTATIONS_MAX;
				}
				cut_after = SIZE_MAX;
			}
		}
		look_in_order();
		assert_int_equal(next, written);
		assert_int_equal(snapshot->counts.lost_marks, 0);
		assert_int_equal(snapshot->counts.truncations, 0);
		assert_true(cut_behind_a_rotation || snapshot->counts.gaps == 0);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const size_t pieces[] = {1, 7, 256, 4096, 16384};
	const struct CMUnitTest tests[] = {
		CASE(begins_at_the_end),
		CASE(a_missing_text_is_new_when_it_appears),
		CASE(begins_while_the_text_is_missing_or_empty),
		CASE(begins_before_all_texts),
		CASE(begins_and_is_rotated_between_two_fetches),
		CASE(a_start_that_all_texts_share),
		CASE(goes_on_from_a_mark),
		CASE(a_mark_of_another_text_is_lost),
		CASE(rotation_between_two_looks),
		CASE(rest_of_a_rotated_text_before_the_new_one_has_lines),
		CASE(several_rotations_between_two_looks),
		CASE(rotated_while_stopped),
		CASE(rotated_out_of_reach),
		CASE(equal_first_bytes),
		CASE(shorter_than_the_fingerprint),
		CASE(something_else_under_a_rotated_name),
		CASE(rotated_between_two_fetches),
		CASE(copied_and_truncated),
		CASE(truncated_and_grown_again),
		CASE(truncated_while_stopped),
		CASE(nul_run_at_the_head),
		CASE(partial_line),
		CASE(partial_line_at_the_mark),
		CASE(rotation_inside_a_line),
		CASE(line_longer_than_any_buffer),
		CASE(bytes_of_every_kind),
		CASE(cut_in_the_middle),
		CASE(cut_then_a_mark),
		CASE(first_look_cut),
		CASE(ten_megabytes),
		CASE(more_than_the_buffer_in_one_go),
		CASE(a_text_that_slides),
		CASE(any_order),
	};
	int failed = 0;

	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		char name[32];

		piece = pieces[i];
		snprintf(name, sizeof name, "pieces of %zu", piece);
		failed += cmocka_run_group_tests_name(name, tests, NULL, NULL);
	}
	return failed;
}
