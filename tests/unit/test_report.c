#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "golden.h"
#include "group/report_write.h"

#define MADE_MS INT64_C(1767323400000) /* 2026-01-02T03:10:00Z */

static struct report_model model;

static void take_member(const struct json *json)
{
	const char *name = json_string(json_get(json, "name")), *trouble = json_string(json_get(json, "trouble"));
	struct report_member *member = report_model_add(&model, name);
	const struct json *pages = json_get(json, "pages");
	int64_t after = 0;

	if (trouble)
		(void)snprintf(member->trouble, sizeof member->trouble, "%s", trouble);
	if (json_get(json, "state") && !report_model_take_state(member, &model, json_get(json, "state"), MADE_MS))
		(void)snprintf(member->trouble, sizeof member->trouble, "no state");
	for (size_t i = 0; json_at(pages, i); i++)
		if (report_model_take_events(member, &model, json_at(pages, i), &after) < 0)
			(void)snprintf(member->trouble, sizeof member->trouble, "no events");
}

static void read_case(const char *text, size_t length)
{
	struct error error = {0};
	struct json *json = json_parse(text, length, &error);

	if (!json)
		fail_msg("the case cannot be read: %s", error.what);
	report_model_init(&model, "the group", json_string(json_get(json, "run")), MADE_MS);
	for (size_t i = 0; json_at(json_get(json, "members"), i); i++)
		take_member(json_at(json_get(json, "members"), i));
	report_model_finish(&model);
	json_free(json);
}

/* One event a line, so that a difference can be read. */
static void render(const char *text, size_t length, struct buf *out)
{
	struct json *json;
	char *made;

	read_case(text, length);
	json = report_json(&model);
	json_set_string(json, "drrctl_version", "-");
	made = json_text(json, false);
	for (const char *at = made; *at; at++)
		(void)buf_printf(out, "%c%s", *at, at[0] == ',' && at[1] == '{' ? "\n" : "");
	(void)buf_add_string(out, "\n");
	free(made);
	json_free(json);
	report_model_free(&model);
}

static void goldens_are_told_as_expected(void **state)
{
	(void)state;
	assert_int_equal(golden_run("report", render), 0);
}

/* ---- foreign text --------------------------------------------------------------------------------------------- */

static char *write_to_memory(void (*write)(const struct report_model *, FILE *))
{
	size_t size;
	char *text;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	write(&model, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(strlen(text), size);
	return text;
}

static void load(const char *name)
{
	static char text[GOLDEN_MAX_BYTES];
	char path[512];
	size_t length;

	(void)snprintf(path, sizeof path, "%s/golden/report/%s.txt", DRR_TESTS_DIR, name);
	length = golden_read(path, text);
	assert_true(length > 0);
	read_case(text, length);
}

/* Where TEXT has an element or attribute that the writer has not written itself. */
static const char *find_foreign_markup(const char *text)
{
	static const char *const bad[] = {"<script", "<img", "<b>", "onerror=", "\"onload", "\x1b", "\xc2\x9b", "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x80\xa8", "`"};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (strstr(text, bad[i]))
			return bad[i];
	return NULL;
}

/* With what the reader of JSON does not let in, too. */
static void load_hostile(void)
{
	load("hostile");
	(void)snprintf(model.members[1].trouble, sizeof model.members[1].trouble, "<b>\x1b[31m \xc2\x9b \xff");
}

static void a_page_holds_no_markup_of_others(void **state)
{
	char *text;

	(void)state;
	load_hostile();
	text = write_to_memory(report_html_write);
	assert_null(find_foreign_markup(text));
	assert_non_null(strstr(text, "&lt;script&gt;alert(1)")); /* it is there, as text */
	assert_non_null(strstr(text, "\\u202e"));
	assert_non_null(strstr(text, "\xc3\xa4"));
	free(text);
	report_model_free(&model);
}

static void a_terminal_is_not_obeyed(void **state)
{
	char *text;

	(void)state;
	load_hostile();
	text = write_to_memory(report_text_write);
	assert_null(strchr(text, 0x1b));
	assert_null(strstr(text, "\xc2\x9b"));
	assert_non_null(strstr(text, "\\x1b[31m"));
	free(text);
	report_model_free(&model);
}

static void a_page_needs_nothing_else(void **state)
{
	static const char *const bad[] = {"<script", "http://", "https://", "@import", "url(", "<iframe", "src="};
	char *text;

	(void)state;
	load("left-disabled"); /* whole-run has a member whose trouble holds an address */
	text = write_to_memory(report_html_write);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_null(strstr(text, bad[i]));
	assert_non_null(strstr(text, "not seen enabled"));
	assert_non_null(strstr(text, "asked for by alice"));
	free(text);
	report_model_free(&model);
}

static void who_does_not_answer_is_named(void **state)
{
	char *text;

	(void)state;
	load("whole-run");
	text = write_to_memory(report_text_write);
	assert_non_null(strstr(text, "missing: gw2 did not tell everything: no connection with https://10.0.0.12:8443"));
	assert_int_equal(model.outcome, REPORT_NOT_KNOWN); /* gw2 may not have been bounced */
	free(text);
	report_model_free(&model);
}

static void what_api_manager_says_is_told_and_escaped(void **state)
{
	void (*const writers[])(const struct report_model *, FILE *) = {report_text_write, report_html_write};

	(void)state;
	load("whole-run");
	for (unsigned i = 0; i < 2; i++) {
		char *text = write_to_memory(writers[i]);

		assert_null(strstr(text, "API Manager"));
		free(text);
	}
	(void)snprintf(model.manager, sizeof model.manager, "sandbox: <b>\033[2J up to date");
	for (unsigned i = 0; i < 2; i++) {
		char *text = write_to_memory(writers[i]);

		assert_non_null(strstr(text, "API Manager"));
		assert_non_null(strstr(text, i == 0 ? "sandbox: <b>\\x1b[2J up to date" : "sandbox: &lt;b&gt;"));
		assert_null(strstr(text, "\033"));
		free(text);
	}
	report_model_free(&model);
}

static void more_events_than_there_is_room_are_counted(void **state)
{
	struct report_member *member;
	struct json *page = json_object(), *events = json_array();
	struct error error = {0};
	int64_t after = 0;
	char *text;

	(void)state;
	for (int64_t n = 1; n <= REPORT_EVENTS_MAX + 7; n++) {
		struct json *event = json_object();

		json_set_int(event, "n", n);
		json_set_string(event, "run", "r1");
		json_add(events, event);
	}
	json_set(page, "events", events);
	json_set_int(page, "oldest", 1);
	json_set_int(page, "newest", REPORT_EVENTS_MAX + 8);
	text = json_text(page, false);
	json_free(page);
	page = json_parse(text, strlen(text), &error);
	free(text);
	report_model_init(&model, "g", "r1", MADE_MS);
	member = report_model_add(&model, "gw1");
	assert_int_equal(report_model_take_events(member, &model, page, &after), 1);
	assert_int_equal(after, REPORT_EVENTS_MAX + 7);
	assert_int_equal(member->event_count, REPORT_EVENTS_MAX);
	assert_int_equal(member->dropped, 7);
	assert_int_equal(report_model_take_events(member, &model, page, &after), -1); /* the same once more: no end in sight */
	json_free(page);
	report_model_free(&model);
}

/* Pages for tests/check/report-html, into the directory that DRR_REPORT_PAGES names. */
static int write_pages(const char *directory)
{
	static const char *const names[] = {"whole-run", "left-disabled", "events-gone", "two-runs-and-overlapping-outages", "refused", "hostile", "not-what-we-expect"};
	char path[512];

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		FILE *file;

		(void)snprintf(path, sizeof path, "%s/%s.html", directory, names[i]);
		load(names[i]);
		file = fopen(path, "w");
		if (!file)
			return 1;
		report_html_write(&model, file);
		if (fclose(file) != 0)
			return 1;
		report_model_free(&model);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goldens_are_told_as_expected), cmocka_unit_test(what_api_manager_says_is_told_and_escaped), cmocka_unit_test(a_page_holds_no_markup_of_others), cmocka_unit_test(a_terminal_is_not_obeyed),
		cmocka_unit_test(a_page_needs_nothing_else),    cmocka_unit_test(who_does_not_answer_is_named),     cmocka_unit_test(more_events_than_there_is_room_are_counted),
	};

	if (getenv("DRR_REPORT_PAGES"))
		return write_pages(getenv("DRR_REPORT_PAGES"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
