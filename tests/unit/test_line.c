#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/text.h"
#include "golden.h"
#include "watch/line.h"

static void add_piece(struct buf *out, const char *bytes, size_t length)
{
	char shown[512];

	buf_printf(out, "%s|", text_escape(shown, sizeof shown, bytes, length));
}

static void render(const char *text, size_t length, struct buf *out)
{
	static const char *const events[] = {"other", "waiting", "accepted", "queued", "working", "completed", "setback", "restarted"};
	static const char *const kinds[] = {"none", "zulu", "syslog", "numeric"};
	const char *bytes;
	size_t offset = 0, wide;

	while (text_next_line(text, length, &offset, &bytes, &wide)) {
		char time[LINE_TIME_BYTES];
		struct line line, again;

		assert_int_equal(line_event_of(bytes, wide, &again), line_parse(bytes, wide, &line) ? line_event(&line) : LINE_OTHER);
		if (!line_parse(bytes, wide, &line)) {
			buf_printf(out, "no log line, time '%s'\n", line_time_text(bytes, wide, time, sizeof time));
			continue;
		}
		buf_printf(out, "%s|%s %" PRId64 " '%s'|%08" PRIx32 "|", events[line_event(&line)], kinds[line.time_kind], line.time_ms,
			   line_time_text(bytes, wide, time, sizeof time), line.code);
		add_piece(out, line.domain, line.domain_bytes);
		add_piece(out, line.category, line.category_bytes);
		add_piece(out, line.level, line.level_bytes);
		add_piece(out, line.object_class, line.object_class_bytes);
		add_piece(out, line.object_name, line.object_name_bytes);
		add_piece(out, line.text, line.text_bytes);
		buf_add_string(out, "\n");
	}
}

static void goldens_parse_as_expected(void **state)
{
	(void)state;
	assert_int_equal(golden_run("line", render), 0);
}

/* A cut line is no log line, or has the same key: an event is never made up by a cut. */
static void cuts(const char *text, size_t length, struct buf *out)
{
	const char *bytes;
	size_t offset = 0, wide;

	(void)out;
	while (text_next_line(text, length, &offset, &bytes, &wide)) {
		struct line whole, part;
		bool is_line = line_parse(bytes, wide, &whole);

		for (size_t cut = 0; cut < wide; cut++) {
			char *exact = golden_exact(bytes, cut);

			if (line_parse(exact, cut, &part)) {
				assert_true(is_line);
				assert_int_equal(line_event(&part), line_event(&whole));
				assert_int_equal(part.time_ms, whole.time_ms);
			}
			free(exact);
		}
	}
}

static void a_cut_line_never_makes_an_event(void **state)
{
	(void)state;
	assert_int_equal(golden_walk("line", cuts, 0), 0);
}

static void same_event(const char *bytes, size_t length)
{
	struct line parsed, quick;
	enum line_event event = line_parse(bytes, length, &parsed) ? line_event(&parsed) : LINE_OTHER;

	assert_int_equal(line_event_of(bytes, length, &quick), event);
	if (event == LINE_OTHER)
		return;
	assert_int_equal(quick.code, parsed.code);
	assert_ptr_equal(quick.text, parsed.text);
}

/* Each byte replaced and left out: the quick look must say what parsing says. */
static void damages(const char *text, size_t length, struct buf *out)
{
	static const char others[] = "[]0x8T E9:\0a";
	const char *bytes;
	size_t offset = 0, wide;

	(void)out;
	while (text_next_line(text, length, &offset, &bytes, &wide)) {
		for (size_t at = 0; at < wide && wide < 400; at++) {
			char *exact = golden_exact(bytes, wide);

			for (size_t i = 0; i < sizeof others - 1; i++) {
				exact[at] = others[i];
				same_event(exact, wide);
			}
			memcpy(exact, bytes, wide);
			memmove(exact + at, exact + at + 1, wide - at - 1);
			same_event(exact, wide - 1);
			free(exact);
		}
	}
}

static void a_quick_look_says_what_parsing_says(void **state)
{
	static const char *const lines[] = {
		"20200618T232339Z[0x88e000d7][apic-gw-service][notice] x", /* no blank */
		"20200618T232339Z [0x88e000d7][apic-gw-service][notice] x",
		"20200618T232339.332Z [apiconnect][0x88E000D7][apic-gw-service][notice] x",
		"20200618T232339.332Z [0x80e0084c][0x88e000d7][apic-gw-service][notice] x", /* a domain that looks like a code */
		"20200618T232339.332Z [0x88e000d7] [0x88e00210][apic-gw-service][notice] x",
		"123456789 [0x88e000d7][apic-gw-service][notice] x",
		"12345678T [0x88e000d7][apic-gw-service][notice] x",
		"1234567890123      [apiconnect]   [0x88e000d7][apic-gw-service][notice] x",
		"Jun 1 23:23:39 [0x80e00860][apigw][error] x",
		"Sep  1 23:23:39 [apiconnect] [0x80e00860][apigw][error] x",
		"Jan 1 23:23:39 [0x80e00860][apigw][e] ",
		"Jun 1 23:23:39 [0x80e00860]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		damages(lines[i], strlen(lines[i]), NULL);
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		same_event(lines[i], strlen(lines[i]));
	assert_int_equal(golden_walk("line", damages, 0), 0);
}

static void a_time_that_does_not_fit_is_empty(void **state)
{
	static const char line[] = "20200618T232339.332Z [0x";
	char small[20], fits[21];

	(void)state;
	assert_string_equal(line_time_text(line, sizeof line - 1, small, sizeof small), "");
	assert_string_equal(line_time_text(line, sizeof line - 1, fits, sizeof fits), "20200618T232339.332Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goldens_parse_as_expected),
		cmocka_unit_test(a_cut_line_never_makes_an_event),
		cmocka_unit_test(a_quick_look_says_what_parsing_says),
		cmocka_unit_test(a_time_that_does_not_fit_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
