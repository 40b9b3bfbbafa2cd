/* The follower on real files, each case with inotify and with polling. No sleeps: time is made up. The numbers are those of the list of cases that
 * a log follower must hold; those that are about lines alone are in test_split.c and test_line.c, those about stored marks also in test_mark.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "watch/follow.h"
#include "watch/line.h"

enum { POLL_MS = 100 };

#define WAITING "20200618T232339.332Z [0x88e000d7][apic-gw-service][notice] apic-gw-service(default): tid(1): Waiting"
/* Enough bytes at the start of a file to know a copy of it. */
#define HEAD "20200618T232339.001Z [0x80e0084c][apic-gw-service][debug] apic-gw-service(default): tid(1): head\n"

static enum follow_watch mode;
static char folder[64], path[256];
static struct mono now;
static struct follow *follow;
static char seen_memory[1 << 16];
static struct buf seen;

static const char *at(const char *name)
{
	static char names[4][256];
	static unsigned turn;
	char *out = names[turn++ % 4];

	snprintf(out, sizeof names[0], "%s/%s", folder, name);
	return out;
}

static void write_at(const char *name, int flags, const void *bytes, size_t length)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | flags, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, length), length);
	close(fd);
}

static void append(const char *name, const char *text)
{
	write_at(name, O_APPEND, text, strlen(text));
}

/* Cut to nothing and written in one go, as far as a reader can see. */
static void replace(const char *name, const char *text)
{
	write_at(name, O_TRUNC, text, strlen(text));
}

static void move(const char *from, const char *to)
{
	assert_int_equal(rename(at(from), at(to)), 0);
}

static void copy(const char *from, const char *to)
{
	static char bytes[1 << 16];
	int fd = open(at(from), O_RDONLY);
	ssize_t got = read(fd, bytes, sizeof bytes);

	assert_true(got >= 0);
	close(fd);
	write_at(to, O_TRUNC, bytes, (size_t)got);
}

static void start(const struct mark *mark)
{
	struct error error = {0};

	follow = follow_open(path, mark, mode, POLL_MS, &error);
	assert_non_null(follow);
}

static void stop(void)
{
	follow_close(follow);
	follow = NULL;
}

static void pass(int64_t ms)
{
	now = mono_add_ms(now, ms);
}

/* All lines that there are, "a|b|". Time goes on by one poll. */
static const char *lines(void)
{
	struct error error = {0};
	const char *line;
	size_t length;

	pass(POLL_MS);
	buf_reset(&seen);
	while (follow_next(follow, now, &line, &length, &error)) {
		buf_add(&seen, line, length);
		buf_add_string(&seen, "|");
	}
	assert_int_equal(error.code, ERROR_NONE);
	return seen.data;
}

static struct mark mark_now(void)
{
	struct mark mark = {0};

	assert_true(follow_mark(follow, &mark));
	return mark;
}

/* Stops, and starts from the mark as the journal keeps it. */
static void restart_from(const struct mark *mark)
{
	char text[MARK_TEXT_BYTES];
	struct mark stored;

	stop();
	mark_format(mark, text);
	assert_int_equal(mark_parse(text, strlen(text), &stored), 0);
	start(&stored);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/drr-follow-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/log", folder);
	now = (struct mono){1000000};
	buf_init(&seen, seen_memory, sizeof seen_memory);
	return 0;
}

static int tear_down(void **state)
{
	char command[256];

	(void)state;
	stop();
	snprintf(command, sizeof command, "chmod -R u+rwx %s; rm -rf %s", folder, folder);
	return system(command) == 0 ? 0 : -1;
}

/* ---- start */

static void starts_at_the_end_of_a_file_that_is_there(void **state)
{
	(void)state;
	append("log", "old\n");
	start(NULL);
	assert_string_equal(lines(), "");
	append("log", "new\n");
	assert_string_equal(lines(), "new|");
}

static void starts_at_the_start_of_a_file_that_appears(void **state)
{
	struct mark mark;

	(void)state;
	start(NULL);
	assert_string_equal(lines(), "");
	assert_false(follow_mark(follow, &mark));
	assert_int_not_equal(follow_missing(follow), 0);
	append("log", "first\nsecond\n");
	assert_string_equal(lines(), "first|second|");
	assert_int_equal(follow_missing(follow), 0);
}

static void an_unfinished_line_at_the_start_is_not_new(void **state)
{
	(void)state;
	append("log", "old\nhal");
	start(NULL);
	append("log", "f\nnew\n");
	assert_string_equal(lines(), "new|");
}

/* ---- rotation */

static void case_01_writer_stays_with_the_old_file_for_a_while(void **state)
{
	(void)state;
	append("log", "");
	start(NULL);
	append("log", "a\n");
	assert_string_equal(lines(), "a|");
	move("log", "log.1");
	append("log.1", "b\n");
	assert_string_equal(lines(), "b|");
	append("log", "");
	append("log.1", "c\n");
	assert_string_equal(lines(), "c|");
	append("log.1", "d\n");
	append("log", "e\n");
	assert_string_equal(lines(), "d|e|");
	append("log", "f\n");
	assert_string_equal(lines(), "f|");
	assert_int_equal(follow_counts(follow)->rotations, 1);
}

static void an_empty_new_file_is_taken_after_a_while(void **state)
{
	struct mark mark;
	struct stat st;

	(void)state;
	append("log", "");
	start(NULL);
	append("log", "a\n");
	lines();
	move("log", "log.1");
	append("log", "");
	assert_string_equal(lines(), "");
	assert_true(follow_deadline(follow).ms <= now.ms + FOLLOW_ROTATED_WAIT_MS);
	pass(FOLLOW_ROTATED_WAIT_MS);
	assert_string_equal(lines(), "");
	mark = mark_now();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(mark.inode, st.st_ino);
	assert_int_equal(mark.offset, 0);
}

static void case_02_several_rotations_between_two_looks(void **state)
{
	(void)state;
	append("log", "");
	start(NULL);
	append("log", "a\n");
	lines();
	append("log", "b\n");
	move("log", "log.1");
	append("log", "c\n");
	move("log.1", "log.2");
	move("log", "log.1");
	append("log", "d\n");
	move("log.2", "log.3");
	move("log.1", "log.2");
	move("log", "log.1");
	append("log", "e\n");
	assert_string_equal(lines(), "b|c|d|e|");
	assert_int_equal(follow_counts(follow)->rotations, 3);
}

static void case_02_rotated_past_the_last_number(void **state)
{
	(void)state;
	append("log.1", "very old, with bytes of its own\n");
	append("log", "");
	start(NULL);
	append("log", "a\n");
	lines();
	append("log", "b\n");
	unlink(at("log")); /* rotated out of the last number */
	move("log.1", "log.3");
	append("log.2", "c\n");
	append("log.1", "d\n");
	append("log", "e\n");
	assert_string_equal(lines(), "b|c|d|e|");
}

static void case_03_rotated_while_stopped(void **state)
{
	struct mark mark;

	(void)state;
	append("log", "old\n");
	start(NULL);
	append("log", "a\n");
	lines();
	mark = mark_now();
	stop();
	append("log", "b\n");
	move("log", "log.1");
	append("log", "c\n");
	move("log.1", "log.2");
	move("log", "log.1");
	append("log", "d\n");
	start(&mark);
	assert_string_equal(lines(), "b|c|d|");
	assert_int_equal(follow_counts(follow)->lost_marks, 0);
}

static void case_04_new_file_with_the_old_inode(void **state)
{
	struct mark mark;

	(void)state;
	append("log", "old line one\nold line two\n");
	start(NULL);
	lines();
	mark = mark_now();
	stop();
	/* The same inode for certain: cut and written anew, longer than before. */
	replace("log", "new line one\nnew line two\nnew line three\n");
	start(&mark);
	assert_string_equal(lines(), "new line one|new line two|new line three|");
	assert_int_equal(follow_counts(follow)->truncations, 1);
}

static void case_04_deleted_and_created_while_open(void **state)
{
	(void)state;
	append("log", "old\n");
	start(NULL);
	lines();
	append("log", "last\n");
	unlink(path);
	append("log", "new\n");
	assert_string_equal(lines(), "last|new|");
}

static void case_05_equal_first_bytes(void **state)
{
	(void)state;
	append("log", HEAD);
	start(NULL);
	append("log", "a\n");
	lines();
	move("log", "log.1");
	append("log", HEAD "b\n");
	assert_int_equal(strlen(lines()), strlen(HEAD) + 2);
	assert_string_equal(seen.data + strlen(HEAD), "b|");
}

static void case_06_shorter_than_the_fingerprint_and_growing(void **state)
{
	struct mark mark;

	(void)state;
	append("log", "x\n");
	start(NULL);
	lines();
	mark = mark_now();
	assert_int_equal(mark.fingerprint_bytes, 2);
	for (int i = 0; i < 10; i++)
		append("log", HEAD);
	restart_from(&mark);
	lines();
	assert_int_equal(follow_counts(follow)->lines, 10);
	assert_int_equal(mark_now().fingerprint_bytes, 256);
}

static void case_07_symbolic_link_pointed_elsewhere(void **state)
{
	(void)state;
	append("one", "old\n");
	append("two", "b\n");
	assert_int_equal(symlink("one", path), 0);
	start(NULL);
	append("one", "a\n");
	assert_string_equal(lines(), "a|");
	assert_int_equal(symlink("two", at("next")), 0);
	move("next", "log");
	assert_string_equal(lines(), "b|");
}

static void case_08_folder_removed_and_made_again(void **state)
{
	(void)state;
	mkdir(at("sub"), 0755);
	append("sub/log", "old\n");
	snprintf(path, sizeof path, "%s/sub/log", folder);
	start(NULL);
	append("sub/log", "a\n");
	assert_string_equal(lines(), "a|");
	unlink(path);
	rmdir(at("sub"));
	assert_string_equal(lines(), "");
	assert_int_not_equal(follow_missing(follow), 0);
	mkdir(at("sub"), 0755);
	append("sub/log", "b\n");
	assert_string_equal(lines(), "b|");
	append("sub/log", "c\n");
	assert_string_equal(lines(), "c|");
}

static void folders_that_do_not_exist_yet(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "%s/a/b/log", folder);
	start(NULL);
	assert_string_equal(lines(), "");
	mkdir(at("a"), 0755);
	assert_string_equal(lines(), "");
	mkdir(at("a/b"), 0755);
	assert_string_equal(lines(), "");
	append("a/b/log", "a\n");
	assert_string_equal(lines(), "a|");
}

static void case_09_two_files_change_places(void **state)
{
	(void)state;
	append("log", "a\n");
	append("log.1", "b\n");
	start(NULL);
	lines();
	for (int i = 0; i < 3; i++) {
		move("log.1", "swap");
		move("log", "log.1");
		move("swap", "log");
		append("log", "x\n");
		lines(); /* what of it counts as new is not defined, only that nothing hangs or crashes */
	}
	append("log", "end\n");
	lines();
	assert_true(seen.len >= 4 && strcmp(seen.data + seen.len - 4, "end|") == 0);
}

static void case_10_compressed_rotation_under_a_matching_name(void **state)
{
	(void)state;
	append("log", "old\n");
	start(NULL);
	append("log", "a\n");
	lines();
	unlink(path);
	append("log.1", "\x1f\x8b\x08\x01\xff garbage");
	append("log", "b\n");
	lines();
	assert_true(seen.len >= 2 && strcmp(seen.data + seen.len - 2, "b|") == 0);
}

/* Root may read everything: for it the case is played as somebody else. */
static void become_nobody(void)
{
	enum { NOBODY = 65534 };

	if (geteuid() != 0)
		return;
	assert_int_equal(chown(folder, NOBODY, (gid_t)-1), 0);
	assert_int_equal(seteuid(NOBODY), 0);
}

static void case_11_permission_lost_and_restored(void **state)
{
	(void)state;
	become_nobody();
	append("log", "old\n");
	chmod(path, 0);
	start(NULL);
	assert_string_equal(lines(), "");
	assert_int_not_equal(follow_missing(follow), 0);
	chmod(path, 0644);
	assert_string_equal(lines(), "");
	append("log", "a\n");
	assert_string_equal(lines(), "a|");
	chmod(folder, 0);
	lines();
	chmod(folder, 0755);
	append("log", "b\n");
	assert_string_equal(lines(), "b|");
	assert_int_equal(seteuid(getuid()), 0);
}

/* ---- truncation */

static void case_12_copytruncate(void **state)
{
	(void)state;
	append("log", HEAD);
	start(NULL);
	append("log", "a\n");
	lines();
	append("log", "b\n");
	copy("log", "log.1");
	replace("log", "c\n");
	assert_string_equal(lines(), "b|c|");
	/* And twice between two looks. */
	append("log", HEAD "d\n");
	lines();
	append("log", "e\n");
	move("log.1", "log.2");
	copy("log", "log.1");
	replace("log", "f\n");
	move("log.1", "log.2");
	copy("log", "log.1");
	replace("log", "g\n");
	assert_string_equal(lines(), "e|f|g|");
}

static void case_12_copytruncate_inside_a_line(void **state)
{
	(void)state;
	append("log", HEAD);
	start(NULL);
	append("log", "be");
	assert_string_equal(lines(), "");
	append("log", "gun\n");
	copy("log", "log.1");
	replace("log", "c\n");
	assert_string_equal(lines(), "begun|c|");
}

static void case_13_truncated_and_grown_past_the_offset(void **state)
{
	(void)state;
	append("log", "old\n");
	start(NULL);
	append("log", "a\n");
	lines();
	replace("log", "one\ntwo\nthree\nfour\n");
	assert_string_equal(lines(), "one|two|three|four|");
	assert_int_equal(follow_counts(follow)->truncations, 1);
}

static void case_14_same_size_again(void **state)
{
	(void)state;
	append("log", "old\n");
	start(NULL);
	append("log", "aa\n");
	lines();
	replace("log", "new\nbb\n");
	assert_string_equal(lines(), "new|bb|");
}

static void case_15_truncated_while_stopped(void **state)
{
	struct mark mark;

	(void)state;
	append("log", "old\nold\nold\nold\n");
	start(NULL);
	lines();
	mark = mark_now();
	replace("log", "a\n");
	restart_from(&mark);
	assert_string_equal(lines(), "a|");
	assert_int_equal(follow_counts(follow)->truncations, 1);
	append("log", "b\n");
	assert_string_equal(lines(), "b|");
}

static void case_16_run_of_nul_at_the_head(void **state)
{
	int fd;

	(void)state;
	append("log", "");
	fd = open(path, O_WRONLY); /* no O_APPEND: goes on at its own offset */
	start(NULL);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(write(fd, HEAD, strlen(HEAD)), strlen(HEAD));
	lines();
	assert_int_equal(follow_counts(follow)->lines, 1000);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(write(fd, "after\n", 6), 6);
	close(fd);
	assert_string_equal(lines(), "after|");
	assert_int_equal(follow_counts(follow)->long_lines, 0);
}

static void case_17_two_readers(void **state)
{
	struct follow *first;
	const char *both[2];

	(void)state;
	append("log", "old\n");
	start(NULL);
	first = follow;
	start(NULL);
	move("log", "log.1");
	append("log", "a\n");
	both[0] = lines();
	assert_string_equal(both[0], "a|");
	stop();
	follow = first;
	assert_string_equal(lines(), "a|");
}

/* ---- lines */

static void case_18_unfinished_line(void **state)
{
	(void)state;
	append("log", "");
	start(NULL);
	append("log", "20200618T2323");
	assert_string_equal(lines(), "");
	pass(FOLLOW_PARTIAL_WAIT_MS);
	assert_string_equal(lines(), ""); /* says nothing yet */
	append("log", "39.332Z [0x88e000d7][apic-gw-service][notice] a(b): Wai");
	assert_string_equal(lines(), "");
	pass(FOLLOW_PARTIAL_WAIT_MS);
	assert_string_equal(lines(), "20200618T232339.332Z [0x88e000d7][apic-gw-service][notice] a(b): Wai|");
	pass(FOLLOW_PARTIAL_WAIT_MS);
	assert_string_equal(lines(), "");
	append("log", "ting\nnext\n");
	assert_string_equal(lines(), "next|"); /* no line counts twice */
}

static void case_18_unfinished_line_wakes_in_time(void **state)
{
	(void)state;
	append("log", "");
	start(NULL);
	append("log", WAITING);
	assert_string_equal(lines(), "");
	assert_true(follow_deadline(follow).ms <= now.ms + FOLLOW_PARTIAL_WAIT_MS);
	pass(FOLLOW_PARTIAL_WAIT_MS);
	assert_string_equal(lines(), WAITING "|");
	if (mode == FOLLOW_WATCH_EVENTS)
		assert_int_equal(follow_deadline(follow).ms, MONO_NEVER.ms);
}

static void case_19_rotation_inside_a_line(void **state)
{
	(void)state;
	append("log", "");
	start(NULL);
	append("log", "a\nunfinished");
	assert_string_equal(lines(), "a|");
	move("log", "log.1");
	append("log", "b\n");
	assert_string_equal(lines(), "unfinished|b|");
}

static void case_20_line_longer_than_any_buffer(void **state)
{
	static char longest[FOLLOW_BUFFER_BYTES * 3];

	(void)state;
	memset(longest, 'x', sizeof longest);
	append("log", "");
	start(NULL);
	append("log", "a\n");
	write_at("log", O_APPEND, longest, sizeof longest);
	assert_string_equal(lines(), "a|");
	write_at("log", O_APPEND, longest, sizeof longest);
	append("log", "\nb\n");
	assert_string_equal(lines(), "b|");
	write_at("log", O_APPEND, longest, FOLLOW_LINE_MAX_BYTES + 1);
	append("log", "\n");
	write_at("log", O_APPEND, longest, FOLLOW_LINE_MAX_BYTES);
	append("log", "\n");
	lines();
	assert_int_equal(seen.len, FOLLOW_LINE_MAX_BYTES + 1);
	assert_int_equal(follow_counts(follow)->long_lines, 2);
}

static void case_21_any_bytes(void **state)
{
	static const char bytes[] = "crlf\r\n\n\xff\xfe\n\x1b[2J\nnul\0inside\n";

	(void)state;
	append("log", "");
	start(NULL);
	write_at("log", O_APPEND, bytes, sizeof bytes - 1);
	lines();
	assert_int_equal(seen.len, 25);
	assert_memory_equal(seen.data, "crlf||\xff\xfe|\x1b[2J|nul\0inside|", 25);
}

static void case_22_many_lines_between(void **state)
{
	uint64_t events = 0;
	struct error error = {0};
	const char *bytes;
	size_t length;
	FILE *file;

	(void)state;
	append("log", "");
	start(NULL);
	file = fopen(path, "a");
	for (int i = 0; i < 5000; i++)
		fprintf(file, "%s\n    at stack.trace (/x.js:%d)\n", i % 100 == 0 ? WAITING : "20200618T232339.332Z [0x80e0084c][apic-gw-service][debug] a(b): c", i);
	fclose(file);
	pass(POLL_MS);
	while (follow_next(follow, now, &bytes, &length, &error)) {
		struct line line;

		events += line_parse(bytes, length, &line) && line_event(&line) == LINE_WAITING;
	}
	assert_int_equal(events, 50);
	assert_int_equal(follow_counts(follow)->lines, 10000);
}

static void case_23_offsets_above_four_gigabytes(void **state)
{
	const off_t far = ((off_t)5 << 30);
	struct mark mark;

	(void)state;
	append("log", HEAD);
	if (truncate(path, far))
		skip();
	append("log", "\nold\n");
	start(NULL);
	append("log", "a\n");
	assert_string_equal(lines(), "a|");
	mark = mark_now();
	assert_true(mark.offset > (uint64_t)far);
	append("log", "b\n");
	restart_from(&mark);
	assert_string_equal(lines(), "b|");
}

/* ---- watching */

static bool readable(void)
{
	struct pollfd pollfd = {.fd = follow_fd(follow), .events = POLLIN};

	return poll(&pollfd, 1, 0) == 1;
}

/* Everything that brings news wakes; what was read does not. */
static void case_24_nothing_between_the_end_and_the_watch(void **state)
{
	(void)state;
	append("log", "");
	start(NULL);
	lines();
	if (mode == FOLLOW_WATCH_POLL) {
		assert_int_equal(follow_fd(follow), -1);
		assert_int_equal(follow_deadline(follow).ms, now.ms + POLL_MS);
		return;
	}
	assert_false(readable());
	assert_int_equal(follow_deadline(follow).ms, MONO_NEVER.ms);
	append("log", "a\n");
	assert_true(readable());
	assert_string_equal(lines(), "a|");
	assert_false(readable());
	move("log", "log.1");
	append("log", "b\n");
	assert_true(readable());
	assert_string_equal(lines(), "b|");
	append("log", "c\n");
	assert_true(readable());
	assert_string_equal(lines(), "c|");
	append("log", "d\n");
	replace("log", "e\n");
	assert_true(readable());
	assert_string_equal(lines(), "e|");
	append("other", "x\n");
	lines();
	append("other", "y\n");
	assert_false(readable());
	assert_int_equal(follow_deadline(follow).ms, MONO_NEVER.ms);
}

static void an_active_follower_polls_as_well(void **state)
{
	(void)state;
	append("log", "");
	start(NULL);
	lines();
	follow_set_active(follow, true);
	assert_int_equal(follow_deadline(follow).ms, now.ms + POLL_MS);
}

static unsigned open_descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static unsigned watches(void)
{
	char name[64], line[256];
	unsigned count = 0;
	FILE *file;

	snprintf(name, sizeof name, "/proc/self/fdinfo/%d", follow_fd(follow));
	file = fopen(name, "r");
	while (file && fgets(line, sizeof line, file))
		count += strncmp(line, "inotify", 7) == 0;
	if (file)
		fclose(file);
	return count;
}

static void case_25_nothing_leaks(void **state)
{
	unsigned before;
	char text[32];

	(void)state;
	append("log", "");
	start(NULL);
	lines();
	before = open_descriptors();
	for (int i = 0; i < 200; i++) {
		unlink(at("log.1"));
		move("log", "log.1");
		snprintf(text, sizeof text, "%d\n", i);
		append("log", text);
		lines();
		assert_int_equal(seen.len, strlen(text));
	}
	assert_int_equal(open_descriptors(), before);
	if (mode == FOLLOW_WATCH_EVENTS)
		assert_int_equal(watches(), 2);
}

static void case_25_the_event_queue_overflows(void **state)
{
	(void)state;
	append("log", "");
	start(NULL);
	lines();
	for (int i = 0; i < 20000; i++) {
		/* Two kinds in turn, so that they are not merged. */
		chmod(path, i % 2 ? 0644 : 0600);
		append("log", "");
	}
	append("log", "a\n");
	assert_string_equal(lines(), "a|");
	append("log", "b\n");
	assert_string_equal(lines(), "b|");
}

/* Stopped for an hour (the whole machine, or the process alone), while the file went on and was rotated twice. */
static void case_26_paused_and_resumed(void **state)
{
	(void)state;
	append("log", HEAD);
	start(NULL);
	lines();
	append("log", "a\n");
	move("log", "log.1");
	append("log", "b\n");
	move("log.1", "log.2");
	move("log", "log.1");
	append("log", "c\n");
	pass(3600000);
	assert_string_equal(lines(), "a|b|c|");
	assert_int_equal(follow_counts(follow)->lost_marks, 0);
}

static void case_28_lost_mark_starts_at_the_end(void **state)
{
	struct mark nowhere = {.device = 1, .inode = 1, .offset = 100, .fingerprint_bytes = 100, .tail_bytes = 100};

	(void)state;
	append("log", "old\n");
	start(&nowhere);
	assert_string_equal(lines(), "");
	assert_int_equal(follow_counts(follow)->lost_marks, 1);
	append("log", "a\n");
	assert_string_equal(lines(), "a|");
	stop();
	unlink(path);
	start(&nowhere);
	lines();
	append("log", "b\n");
	assert_string_equal(lines(), "b|");
	assert_int_equal(follow_counts(follow)->lost_marks, 1);
}

static void a_marked_file_that_comes_back_is_known(void **state)
{
	struct mark mark;

	(void)state;
	append("log", HEAD);
	start(NULL);
	append("log", "a\n");
	lines();
	mark = mark_now();
	append("log", "b\n");
	copy("log", "restored"); /* another inode, as after a move to another file system */
	unlink(path);
	restart_from(&mark);
	assert_string_equal(lines(), "");
	move("restored", "log");
	assert_string_equal(lines(), "b|");
	assert_int_equal(follow_counts(follow)->lost_marks, 0);
}

static void a_folder_in_the_place_of_the_log_is_an_error(void **state)
{
	struct error error = {0};

	(void)state;
	mkdir(path, 0755);
	assert_null(follow_open(path, NULL, mode, POLL_MS, &error));
	assert_int_equal(error.code, ERROR_CONFIG);
}

/* ---- all of it mixed */

static unsigned random_state;

static unsigned any(unsigned below)
{
	random_state = random_state * 1103515245 + 12345;
	return (random_state >> 16) % below;
}

static void shift_rotations(void)
{
	char from[16], to[16];

	for (int number = FOLLOW_ROTATIONS_MAX - 1; number >= 1; number--) {
		snprintf(from, sizeof from, "log.%d", number);
		snprintf(to, sizeof to, "log.%d", number + 1);
		(void)rename(at(from), at(to));
	}
}

/* Every line that comes, each exactly once and in order: *NEXT is the number of the first one that did not come yet. */
static void take_numbered(unsigned *next)
{
	struct error error = {0};
	const char *line;
	size_t length;

	pass(POLL_MS);
	while (follow_next(follow, now, &line, &length, &error)) {
		char expected[128];

		snprintf(expected, sizeof expected, "%075u", (*next)++);
		assert_int_equal(length, strlen(expected));
		assert_memory_equal(line, expected, length);
	}
	assert_int_equal(error.code, ERROR_NONE);
}

/* Lines are written in two halves, files renamed, or copied and truncated, the follower restarted from its mark, in any order. A copy can only
 * be known when something of its original had been read. */
static void run_mixed(unsigned seed)
{
	unsigned written = 0, next = 0, rotations = 0;
	bool half = false, known = false;
	struct stat st;
	char text[128];

	random_state = seed;
	append("log", "");
	start(NULL);
	for (unsigned i = 0; i < 200; i++) {
		unsigned what = any(10);

		snprintf(text, sizeof text, "%075u\n", written);
		if (what < 4) {
			append("log", half ? text + 40 : text);
			half = false;
			written++;
		} else if (what < 5 && !half) {
			text[40] = '\0';
			append("log", text);
			half = true;
		} else if (what < 6 && rotations < 4 && !half) {
			shift_rotations();
			move("log", "log.1");
			append("log", "");
			known = false;
			rotations++;
		} else if (what < 7 && rotations < 4 && known && !half) {
			shift_rotations();
			copy("log", "log.1");
			replace("log", "");
			known = false;
			rotations++;
		} else {
			take_numbered(&next);
			if (what == 9 && !half && next > 0) {
				struct mark mark = mark_now();

				restart_from(&mark);
			}
			rotations = 0;
			known = stat(path, &st) == 0 && st.st_size >= 76 && !half && next == written;
		}
	}
	if (half) {
		snprintf(text, sizeof text, "%075u\n", written);
		append("log", text + 40);
	}
	pass(FOLLOW_ROTATED_WAIT_MS);
	take_numbered(&next);
	pass(FOLLOW_ROTATED_WAIT_MS);
	take_numbered(&next);
	assert_int_equal(next, written + half);
}

static void any_mixture_loses_nothing(void **state)
{
	for (unsigned seed = 1; seed <= 100; seed++) {
		if (seed > 1)
			assert_int_equal(set_up(state), 0);
		run_mixed(seed);
		if (seed < 100)
			assert_int_equal(tear_down(state), 0);
	}
}

/* ---- confirmation */

/* The number of waiting lines that come now. */
static unsigned waiting(void)
{
	struct error error = {0};
	const char *bytes;
	size_t length;
	unsigned count = 0;

	pass(POLL_MS);
	while (follow_next(follow, now, &bytes, &length, &error)) {
		struct line line;

		count += line_parse(bytes, length, &line) && line_event(&line) == LINE_WAITING;
	}
	assert_int_equal(error.code, ERROR_NONE);
	return count;
}

static void case_31_only_what_came_after_the_mark_counts(void **state)
{
	struct mark mark;

	(void)state;
	append("log", WAITING "\n");
	start(NULL);
	append("log", WAITING "\n");
	assert_int_equal(waiting(), 1);
	/* Begun before the mark, finished after it: not new. */
	append("log", WAITING);
	waiting();
	mark = mark_now();
	append("log", " for it\n");
	assert_int_equal(waiting(), 0);
	restart_from(&mark);
	assert_int_equal(waiting(), 0);
	append("log", WAITING "\n");
	assert_int_equal(waiting(), 1);
	restart_from(&mark);
	assert_int_equal(waiting(), 1);
}

static void case_32_the_same_line_from_an_earlier_run(void **state)
{
	struct mark mark;

	(void)state;
	append("log.1", WAITING "\n");
	append("log", WAITING "\n");
	start(NULL);
	assert_int_equal(waiting(), 0);
	mark = mark_now();
	/* Rotation alone brings nothing new, with and without a restart. */
	move("log.1", "log.2");
	move("log", "log.1");
	append("log", HEAD);
	assert_int_equal(waiting(), 0);
	restart_from(&mark);
	assert_int_equal(waiting(), 0);
	append("log", WAITING "\n");
	assert_int_equal(waiting(), 1);
}

/* A line counts by its place, not by its time, which is of another clock. */
static void case_33_the_appliance_clock_differs(void **state)
{
	(void)state;
	append("log", "20300618T232339.332Z [0x88e000d7][apic-gw-service][notice] a(b): Waiting\n");
	start(NULL);
	assert_int_equal(waiting(), 0);
	(void)mark_now();
	append("log", "19990618T232339.332Z [0x88e000d7][apic-gw-service][notice] a(b): Waiting\n");
	assert_int_equal(waiting(), 1);
}

/* Waiting is bounded by the caller's deadline: the follower says false each time and has nothing due. */
static void case_34_the_line_never_comes(void **state)
{
	(void)state;
	append("log", "");
	start(NULL);
	for (int i = 0; i < 100; i++) {
		pass(60000);
		assert_int_equal(waiting(), 0);
		assert_true(follow_deadline(follow).ms > now.ms);
	}
}

static void case_35_the_line_comes_twice_or_late(void **state)
{
	(void)state;
	append("log", "");
	start(NULL);
	(void)mark_now();
	append("log", WAITING "\n" WAITING "\n");
	assert_int_equal(waiting(), 2);
	pass(INT64_C(3600) * 1000 * 24);
	append("log", WAITING "\n");
	assert_int_equal(waiting(), 1);
	assert_int_equal(waiting(), 0);
}

static void case_38_restart_goes_on_from_the_stored_mark(void **state)
{
	struct mark mark;

	(void)state;
	append("log", WAITING "\n" HEAD);
	start(NULL);
	waiting();
	mark = mark_now();
	append("log", WAITING "\n");
	stop();
	append("log", "more\n");
	start(&mark);
	assert_int_equal(waiting(), 1);
	/* The same again after a rotation, and with a copy. */
	move("log", "log.1");
	append("log", HEAD);
	restart_from(&mark);
	assert_int_equal(waiting(), 1);
	copy("log.1", "log.2");
	unlink(at("log.1"));
	restart_from(&mark);
	assert_int_equal(waiting(), 1);
}

static void a_mark_before_unread_lines_is_the_next_of_them(void **state)
{
	struct error error = {0};
	struct mark mark;
	const char *line;
	size_t length;

	(void)state;
	append("log", "old\n");
	start(NULL);
	append("log", "a\nb\nc\n");
	pass(POLL_MS);
	assert_true(follow_next(follow, now, &line, &length, &error));
	mark = mark_now();
	assert_int_equal(mark.offset, 6);
	assert_string_equal(lines(), "b|c|");
	restart_from(&mark);
	assert_string_equal(lines(), "b|c|");
}

/* ---- history */

static void add_line(void *context, const char *line, size_t length)
{
	buf_add(context, line, length);
	buf_add_string(context, "|");
}

static const char *history(size_t limit)
{
	struct error error = {0};
	int64_t age_ms = -1;

	buf_reset(&seen);
	if (follow_history(path, limit, add_line, &seen, &age_ms, &error))
		return error_name(error.code);
	assert_true(age_ms >= 0 && age_ms < 60000);
	return seen.data;
}

static void history_goes_back_into_rotated_files(void **state)
{
	(void)state;
	assert_string_equal(history(100), "unreachable");
	append("log", "e\nf\nunfin");
	append("log.1", "c\nd");
	append("log.2", "a\nbb\n");
	assert_string_equal(history(1000), "a|bb|c|d|e|f|");
	assert_string_equal(history(9), "e|f|");
	assert_string_equal(history(10), "d|e|f|");
	assert_string_equal(history(12), "c|d|e|f|");
	assert_string_equal(history(14), "c|d|e|f|");
	assert_string_equal(history(15), "bb|c|d|e|f|");
	assert_string_equal(history(0), "");
	unlink(path);
	assert_string_equal(history(1000), "a|bb|c|d|");
	if (geteuid() != 0) {
		append("log", "x\n");
		chmod(path, 0);
		assert_string_equal(history(1000), "permission");
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(starts_at_the_end_of_a_file_that_is_there),
		CASE(starts_at_the_start_of_a_file_that_appears),
		CASE(an_unfinished_line_at_the_start_is_not_new),
		CASE(case_01_writer_stays_with_the_old_file_for_a_while),
		CASE(an_empty_new_file_is_taken_after_a_while),
		CASE(case_02_several_rotations_between_two_looks),
		CASE(case_02_rotated_past_the_last_number),
		CASE(case_03_rotated_while_stopped),
		CASE(case_04_new_file_with_the_old_inode),
		CASE(case_04_deleted_and_created_while_open),
		CASE(case_05_equal_first_bytes),
		CASE(case_06_shorter_than_the_fingerprint_and_growing),
		CASE(case_07_symbolic_link_pointed_elsewhere),
		CASE(case_08_folder_removed_and_made_again),
		CASE(folders_that_do_not_exist_yet),
		CASE(case_09_two_files_change_places),
		CASE(case_10_compressed_rotation_under_a_matching_name),
		CASE(case_11_permission_lost_and_restored),
		CASE(case_12_copytruncate),
		CASE(case_12_copytruncate_inside_a_line),
		CASE(case_13_truncated_and_grown_past_the_offset),
		CASE(case_14_same_size_again),
		CASE(case_15_truncated_while_stopped),
		CASE(case_16_run_of_nul_at_the_head),
		CASE(case_17_two_readers),
		CASE(case_18_unfinished_line),
		CASE(case_18_unfinished_line_wakes_in_time),
		CASE(case_19_rotation_inside_a_line),
		CASE(case_20_line_longer_than_any_buffer),
		CASE(case_21_any_bytes),
		CASE(case_22_many_lines_between),
		CASE(case_23_offsets_above_four_gigabytes),
		CASE(case_24_nothing_between_the_end_and_the_watch),
		CASE(an_active_follower_polls_as_well),
		CASE(case_25_nothing_leaks),
		CASE(case_25_the_event_queue_overflows),
		CASE(case_26_paused_and_resumed),
		CASE(case_28_lost_mark_starts_at_the_end),
		CASE(a_marked_file_that_comes_back_is_known),
		CASE(a_folder_in_the_place_of_the_log_is_an_error),
		CASE(any_mixture_loses_nothing),
		CASE(case_31_only_what_came_after_the_mark_counts),
		CASE(case_32_the_same_line_from_an_earlier_run),
		CASE(case_33_the_appliance_clock_differs),
		CASE(case_34_the_line_never_comes),
		CASE(case_35_the_line_comes_twice_or_late),
		CASE(case_38_restart_goes_on_from_the_stored_mark),
		CASE(a_mark_before_unread_lines_is_the_next_of_them),
		CASE(history_goes_back_into_rotated_files),
	};
	int failed;

	mode = FOLLOW_WATCH_EVENTS;
	failed = cmocka_run_group_tests_name("with inotify", tests, NULL, NULL);
	mode = FOLLOW_WATCH_POLL;
	return failed + cmocka_run_group_tests_name("with polling", tests, NULL, NULL);
}
