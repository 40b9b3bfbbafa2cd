/* Conversations in tests/golden/dialogue, played whole, at every split and byte by byte: the result must be the same. A script's lines:
 *   ! KEY VALUE   user, password, domain           @ NAME   the lines of NAME.inc
 *   <TEXT  <.TEXT received, with and without a line end (a `$` at the end is dropped: it keeps blanks visible; \t \e are tab and escape)
 *   ~N     quiet, N times (1)                      >TEXT    must have been sent
 *   cTEXT  yTEXT  a command; with a yes allowed    xTEXT    the session ends           =   show what is known
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "appliance/dialogue.h"
#include "golden.h"

static struct dialogue d;
static char user[64], password[64], domain[64];
static struct secret secret;
static struct dialogue_settings settings = {user, NULL, domain};
static long split_at; /* bytes of all input; -1: whole, -2: byte by byte */
static long fed;
static bool begun;

static void begin(void)
{
	if (begun)
		return;
	begun = true;
	memset(d.out_memory, 'z', sizeof d.out_memory);
	secret.bytes = password;
	secret.length = strlen(password);
	settings.password = password[0] ? &secret : NULL;
	dialogue_init(&d, &settings);
}

static bool is_told(const char *text)
{
	return password[0] && strstr(text, password);
}

static void check_secrets(void)
{
	char words[200];
	size_t count;

	(void)dialogue_output(&d, &count);
	if (is_told(d.error.what) || is_told(d.error.next) || is_told(d.detail) || is_told(dialogue_last_words(&d, words, sizeof words)))
		fail_msg("the password is told");
	if (count == 0 && password[0] && memmem(d.out_memory, sizeof d.out_memory, password, strlen(password)))
		fail_msg("the password is still in memory");
}

static void take_output(struct buf *out)
{
	size_t count;
	const char *bytes = dialogue_output(&d, &count);

	while (count > 0) {
		const char *end = memchr(bytes, '\n', count);

		buf_printf(out, "> %.*s\n", (int)(end - bytes), bytes);
		dialogue_sent(&d, (size_t)(end - bytes) + 1);
		bytes = dialogue_output(&d, &count);
	}
	check_secrets();
}

static void feed(const char *bytes, size_t count)
{
	begin();
	if (split_at == -2) {
		for (size_t i = 0; i < count; i++)
			dialogue_input(&d, bytes + i, 1);
	} else if (split_at > fed && split_at < fed + (long)count) {
		dialogue_input(&d, bytes, (size_t)(split_at - fed));
		dialogue_input(&d, bytes + (split_at - fed), count - (size_t)(split_at - fed));
	} else {
		dialogue_input(&d, bytes, count);
	}
	fed += (long)count;
}

static size_t unescape(const char *line, size_t length, bool end, char *text)
{
	size_t used = 0;

	if (length > 0 && line[length - 1] == '$')
		length--;
	for (size_t i = 0; i < length; i++) {
		bool escape = line[i] == '\\' && i + 1 < length && (line[i + 1] == 't' || line[i + 1] == 'e');

		text[used++] = !escape ? line[i] : line[i + 1] == 't' ? '\t' : '\033';
		i += escape;
	}
	memcpy(text + used, "\r\n", 2);
	return used + (end ? 2 : 0);
}

static void show(struct buf *out)
{
	static const char *const states[] = {"login", "ready", "busy", "failed"};
	static const char *const complaints[] = {"", " unknown-command", " complaint"};

	buf_printf(out, "= %s [%s](%s)%s%s%s%s\n", states[d.state], d.domain, d.mode, complaints[d.complaint], d.detail[0] ? ": " : "", d.detail,
		   d.confirmed ? " confirmed" : "");
	if (d.state == DIALOGUE_READY)
		buf_printf(out, "%.*s", (int)d.answer_bytes, d.answer ? d.answer : "");
	if (d.state == DIALOGUE_FAILED)
		buf_printf(out, "%s: %s; %s\n", error_name(d.error.code), d.error.what, d.error.next);
}

static void play(const char *text, size_t length, struct buf *out);

static void include(const char *name, size_t length, struct buf *out)
{
	static char text[8192];
	char path[512], *copy;
	size_t got;
	FILE *file;

	snprintf(path, sizeof path, "%s/golden/dialogue/%.*s.inc", DRR_TESTS_DIR, (int)length, name);
	file = fopen(path, "rb");
	assert_non_null(file);
	got = fread(text, 1, sizeof text, file);
	fclose(file);
	copy = golden_exact(text, got);
	play(copy, got, out);
	free(copy);
}

static void set(const char *line, size_t length)
{
	char key[16], value[64] = "", copy[128];

	snprintf(copy, sizeof copy, "%.*s", (int)length, line);
	assert_true(sscanf(copy, "%15s %63s", key, value) >= 1);
	strcpy(strcmp(key, "user") == 0 ? user : strcmp(key, "domain") == 0 ? domain : password, value);
}

static void expect_sent(const char *line, size_t length, const struct buf *out)
{
	char wanted[300];
	int wide = snprintf(wanted, sizeof wanted, "> %.*s\n", (int)length, line);

	if (out->len < (size_t)wide || strcmp(out->data + out->len - wide, wanted) != 0)
		fail_msg("expected %sgot ...%s", wanted, out->data);
}

static void play_line(const char *line, size_t length, struct buf *out)
{
	char text[1024];
	size_t count;

	switch (line[0]) {
	case '!': set(line + 1, length - 1); break;
	case '@': include(line + 2, length - 2, out); break;
	case '<':
		count = length > 1 && line[1] == '.' ? unescape(line + 2, length - 2, false, text) : unescape(line + 1, length - 1, true, text);
		feed(text, count);
		break;
	case '~':
		begin();
		for (int i = length > 1 ? atoi(line + 1) : 1; i > 0; i--) {
			dialogue_quiet(&d);
			take_output(out);
		}
		break;
	case '>': expect_sent(line + 1, length - 1, out); break;
	case 'c':
	case 'y':
		snprintf(text, sizeof text, "%.*s", (int)length - 1, line + 1);
		if (d.state != DIALOGUE_READY)
			fail_msg("not ready for %s: ...%s", text, out->data);
		dialogue_command(&d, text, line[0] == 'y');
		take_output(out);
		break;
	case 'x':
		snprintf(text, sizeof text, "%.*s", (int)length - 1, line + 1);
		begin();
		dialogue_ended(&d, text);
		break;
	case '=': show(out); break;
	case '#': break;
	default: fail_msg("what is \"%.*s\"?", (int)length, line);
	}
	check_secrets();
}

static void play(const char *text, size_t length, struct buf *out)
{
	size_t offset = 0;

	while (offset < length) {
		const char *end = memchr(text + offset, '\n', length - offset);
		size_t wide = end ? (size_t)(end - text) - offset : length - offset;

		if (wide > 0)
			play_line(text + offset, wide, out);
		offset += wide + 1;
	}
}

static void play_all(const char *text, size_t length, struct buf *out, long at)
{
	strcpy(user, "admin");
	strcpy(password, "s3cret");
	strcpy(domain, "apiconnect");
	begun = false;
	split_at = at;
	fed = 0;
	play(text, length, out);
}

static void render(const char *text, size_t length, struct buf *out)
{
	play_all(text, length, out, -1);
}

static void conversations_go_as_recorded(void **state)
{
	assert_int_equal(golden_run("dialogue", render), 0);
}

static void all_splits(const char *text, size_t length, struct buf *whole)
{
	static char memory[GOLDEN_MAX_BYTES];
	struct buf other;
	long total;

	play_all(text, length, whole, -1);
	total = fed;
	for (long at = -2; at < total; at = at == -2 ? 1 : at + 1) {
		buf_init(&other, memory, sizeof memory);
		play_all(text, length, &other, at);
		if (strcmp(other.data, whole->data) != 0)
			fail_msg("split at %ld of %.60s...: got\n%s\nand whole\n%s", at, text, other.data, whole->data);
	}
}

static void splits_change_nothing(void **state)
{
	assert_int_equal(golden_walk("dialogue", all_splits, 0), 0);
}

/* Nothing is sent in answer to a banner whose lines are finished, whatever they say, however long it stands. */
static void finished_lines_are_never_answered(void **state)
{
	static const char *const lines[] = {"login: ", "Password: ", "idg# ", "#", "Domain (? for all): ", "Sure? Yes/No [y/n]: ", "Please enter new password: "};
	size_t count;

	for (unsigned i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		play_all("", 0, NULL, -1);
		feed(lines[i], strlen(lines[i]));
		feed("\r\n", 2);
		for (int quiet = 0; quiet < 100; quiet++)
			dialogue_quiet(&d);
		(void)dialogue_output(&d, &count);
		assert_int_equal(count, 0);
		assert_int_equal(d.state, DIALOGUE_LOGIN);
	}
}

static void a_session_can_be_lost_at_any_byte(const char *text, size_t length, struct buf *out)
{
	for (size_t cut = 1; cut < length; cut++) {
		if (text[cut - 1] != '\n')
			continue;
		buf_reset(out);
		play_all(text, cut, out, -1);
		begin();
		dialogue_ended(&d, "gone");
		assert_int_equal(d.state, DIALOGUE_FAILED);
		assert_int_not_equal(d.error.code, ERROR_NONE);
		dialogue_input(&d, "idg# ", 5);
		dialogue_quiet(&d);
		dialogue_ended(&d, "again");
		check_secrets();
	}
}

static void sessions_can_be_lost_anywhere(void **state)
{
	assert_int_equal(golden_walk("dialogue", a_session_can_be_lost_at_any_byte, 0), 0);
}

static void limits_are_errors(void **state)
{
	char line[4096];

	memset(line, 'x', sizeof line);
	play_all("", 0, NULL, -1);
	for (int i = 0; i < 70; i++)
		feed(line, sizeof line);
	assert_int_equal(d.error.code, ERROR_ANSWER);
	begun = false;
	begin();
	d.state = DIALOGUE_READY;
	line[DIALOGUE_OUTPUT_MAX_BYTES] = '\0';
	dialogue_command(&d, line, false);
	assert_int_equal(d.error.code, ERROR_INTERNAL);
	begun = false;
	begin();
	d.state = DIALOGUE_READY;
	dialogue_command(&d, "show version\nflush", false);
	assert_int_equal(d.error.code, ERROR_INTERNAL);
}

/* An appliance that goes on asking gets a bounded number of answers. */
static void questions_without_end_are_an_error(void **state)
{
	unsigned answers = 0;
	size_t count;

	begun = false;
	begin();
	d.state = DIALOGUE_READY;
	dialogue_command(&d, "show version", false);
	while (d.state == DIALOGUE_BUSY && answers < 100) {
		(void)dialogue_output(&d, &count);
		dialogue_sent(&d, count);
		feed("Sure? Yes/No [y/n]: ", 20);
		for (int quiet = 0; quiet < 4; quiet++)
			dialogue_quiet(&d);
		answers++;
	}
	assert_int_equal(d.state, DIALOGUE_FAILED);
	assert_int_equal(d.error.code, ERROR_ANSWER);
	assert_int_equal(answers, DIALOGUE_ANSWERS_MAX + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conversations_go_as_recorded),
		cmocka_unit_test(splits_change_nothing),
		cmocka_unit_test(finished_lines_are_never_answered),
		cmocka_unit_test(sessions_can_be_lost_anywhere),
		cmocka_unit_test(limits_are_errors),
		cmocka_unit_test(questions_without_end_are_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
