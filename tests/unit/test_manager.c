/* What API Manager answers (tests/golden/manager), and the mark in a catalog's summary. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "golden.h"
#include "group/manager.h"

static void render(const char *text, size_t length, struct buf *out)
{
	struct error error = {0};
	struct json *answer = json_parse(text, length, &error);
	struct manager_summary summary;
	struct manager_catalog catalog;
	char shown[2 * MANAGER_STORY_BYTES];
	struct buf story;
	char memory[MANAGER_STORY_BYTES];

	if (!answer) { /* a piece of one */
		(void)buf_printf(out, "no JSON\n");
		return;
	}
	(void)buf_printf(out, "token: %s\n", manager_token(answer) ? manager_token(answer) : "none");
	if (manager_read_summary(answer, "sandbox", &summary, &error) == 0)
		(void)buf_printf(out, "summary: %s%s\n", summary.there ? "" : "none", text_escape(shown, sizeof shown, summary.text, strlen(summary.text)));
	else
		(void)buf_printf(out, "summary: %s\n", error.what);
	error_clear(&error);
	if (manager_read_services(answer, "sandbox", &catalog, &error) != 0)
		(void)buf_printf(out, "services: %s\n  next: %s\n", error.what, error.next);
	buf_init(&story, memory, sizeof memory);
	manager_tell(&catalog, "sandbox", &story);
	(void)buf_printf(out, "%s%s\n", text_escape(shown, sizeof shown, memory, strlen(memory)), manager_is_current(&catalog, 1) ? "; nothing to wait for" : "");
	json_free(answer);
}

static void test_golden(void **state)
{
	assert_int_equal(golden_walk("manager", render, 1), 0);
}

/* Any piece of an answer, in memory of exactly its size. */
static void pieces(const char *text, size_t length, struct buf *out)
{
	static char memory[GOLDEN_MAX_BYTES];

	for (size_t to = 0; to <= length; to++) {
		char *exact = golden_exact(text, to);
		struct buf made;

		buf_init(&made, memory, sizeof memory);
		render(exact, to, &made);
		free(exact);
	}
	(void)out;
}

static void test_pieces(void **state)
{
	assert_int_equal(golden_walk("manager", pieces, 0), 0);
}

static void expect_mark(const char *before, const char *after)
{
	char out[MANAGER_SUMMARY_BYTES + MANAGER_MARK_BYTES];

	assert_string_equal(manager_mark(before, "NOW", out), after);
}

static void test_mark(void **state)
{
	expect_mark("", " (drrctl NOW)");
	expect_mark("For trying things", "For trying things (drrctl NOW)");
	expect_mark("For trying things (drrctl 2026-11-23T10:00:00.000Z)", "For trying things (drrctl NOW)");
	expect_mark(" (drrctl x)", " (drrctl NOW)");
	/* What somebody wrote behind a mark is not lost. */
	expect_mark("Things (drrctl x) and more", "Things (drrctl x) and more (drrctl NOW)");
	expect_mark("Things (drrctl x) (more)", "Things (drrctl x) (more) (drrctl NOW)");
	expect_mark("Things (drrctl x) and more (drrctl y)", "Things (drrctl x) and more (drrctl NOW)");
	expect_mark("Things (drrctl ", "Things (drrctl  (drrctl NOW)");
	expect_mark("Things (drrctl (drrctl x)", "Things (drrctl (drrctl NOW)");
}

static void test_longest(void **state)
{
	char summary[MANAGER_SUMMARY_BYTES], time[200], out[MANAGER_SUMMARY_BYTES + MANAGER_MARK_BYTES], again[sizeof out];

	memset(summary, 's', sizeof summary - 1);
	summary[sizeof summary - 1] = '\0';
	memset(time, 't', sizeof time - 1);
	time[sizeof time - 1] = '\0';
	(void)manager_mark(summary, time, out);
	assert_int_equal(out[strlen(out) - 1], ')');
	assert_memory_equal(out, summary, sizeof summary - 1);
	assert_string_equal(manager_mark(out, time, again), out);
}

static void test_several(void **state)
{
	const struct manager_catalog good = {.known = true, .up_to_date = true}, untold = {.known = true, .up_to_date = true, .sent = -1, .queued = -1},
				     busy = {.known = true, .up_to_date = true, .queued = 1}, behind = {.known = true}, unknown = {.up_to_date = true};
	struct manager_catalog two[] = {good, untold};

	assert_true(manager_is_current(two, 2));
	assert_true(manager_is_current(two, 0));
	two[1] = busy;
	assert_false(manager_is_current(two, 2));
	assert_true(manager_is_current(two, 1));
	two[1] = behind;
	assert_false(manager_is_current(two, 2));
	two[1] = unknown;
	assert_false(manager_is_current(two, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden), cmocka_unit_test(test_pieces), cmocka_unit_test(test_mark), cmocka_unit_test(test_longest), cmocka_unit_test(test_several),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
