/* agent/run/plan: one spelling of each plan, which plans can be carried out, and that each of them fits into a journal record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run/journal.h"
#include "run/plan.h"

static struct plan make(const char *primary, unsigned max_unavailable, unsigned count, const char *const *order)
{
	struct plan plan;

	memset(&plan, 0, sizeof plan);
	(void)snprintf(plan.primary, sizeof plan.primary, "%s", primary);
	plan.max_unavailable = max_unavailable;
	plan.count = count;
	for (unsigned i = 0; i < count; i++)
		(void)snprintf(plan.order[i], sizeof plan.order[i], "%s", order[i]);
	return plan;
}

static const char *const three[] = {"gw1", "gw2", "gw3"};

static void one_spelling(void **state)
{
	struct plan plan = make("gw2", 1, 3, three), back;
	char text[PLAN_TEXT_BYTES];

	(void)state;
	assert_int_equal(plan_format(&plan, text), 0);
	assert_string_equal(text, "primary=gw2;order=gw1,gw2,gw3;max_unavailable=1");
	assert_int_equal(plan_parse(text, &back), 0);
	assert_memory_equal(&plan, &back, sizeof plan);
}

static void takes_no_other_spelling(void **state)
{
	static const char *const bad[] = {
		"", "primary=gw1", "primary=gw1;order=gw1", "primary=gw1;order=gw1;max_unavailable=", "primary=gw1;order=gw1;max_unavailable=01",
		"primary=gw1;order=gw1;max_unavailable=+1", "primary=gw1;order=gw1;max_unavailable=-1", "primary=gw1;order=gw1;max_unavailable=1 ",
		"primary=gw1;order=gw1;max_unavailable=1;", "primary=gw1;order=gw1;max_unavailable=33", "primary=gw1;order=gw1;max_unavailable=4294967297",
		"primary=gw1;order=gw1;max_unavailable=18446744073709551617", "primary=;order=gw1;max_unavailable=1", "primary=gw1;order=;max_unavailable=1",
		"primary=gw1;order=gw1,;max_unavailable=1", "primary=gw1;order=,gw1;max_unavailable=1", "primary=gw1;order=gw1,,gw2;max_unavailable=1",
		"primary=gw1;order=gw 1;max_unavailable=1", "primary=gw1;order=g\xc3\xbc;max_unavailable=1", "primary=a,b;order=gw1;max_unavailable=1",
		"primary=a=b;order=gw1;max_unavailable=1", " primary=gw1;order=gw1;max_unavailable=1", "PRIMARY=gw1;order=gw1;max_unavailable=1",
		"order=gw1;primary=gw1;max_unavailable=1", "primary=gw1;order=gw1\x7f;max_unavailable=1", "primary=gw1;order=gw%31;max_unavailable=1",
	};
	struct plan plan;

	(void)state;
	assert_int_equal(plan_parse("primary=gw1;order=gw1;max_unavailable=1", &plan), 0);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (plan_parse(bad[i], &plan) != -1)
			fail_msg("taken: %s", bad[i]);
}

static void counts_members_and_letters(void **state)
{
	char text[4 * PLAN_TEXT_BYTES], name[80];
	struct plan plan;

	(void)state;
	for (unsigned count = 1; count <= PLAN_MEMBERS_MAX + 1; count++) {
		size_t length = (size_t)snprintf(text, sizeof text, "primary=m0;order=m0");

		for (unsigned i = 1; i < count; i++)
			length += (size_t)snprintf(text + length, sizeof text - length, ",m%u", i);
		(void)snprintf(text + length, sizeof text - length, ";max_unavailable=1");
		assert_int_equal(plan_parse(text, &plan), count <= PLAN_MEMBERS_MAX ? 0 : -1);
		if (count <= PLAN_MEMBERS_MAX)
			assert_int_equal(plan.count, count);
	}
	for (int wide = 62; wide <= 66; wide++) {
		memset(name, 'x', sizeof name);
		name[wide] = '\0';
		assert_int_equal(plan_name_is_valid(name), wide < PLAN_NAME_BYTES);
		(void)snprintf(text, sizeof text, "primary=%s;order=%s;max_unavailable=1", name, name);
		assert_int_equal(plan_parse(text, &plan), wide < PLAN_NAME_BYTES ? 0 : -1);
	}
}

static void names_are_plain(void **state)
{
	(void)state;
	assert_false(plan_name_is_valid(""));
	for (int c = 1; c < 256; c++) {
		char name[] = {'a', (char)c, 'b', '\0'};

		/* % too: it would become three bytes in the journal, and the longest plan would not fit */
		assert_int_equal(plan_name_is_valid(name), c > ' ' && c < 0x7f && !strchr(",;=%", c));
	}
}

static void refused(const struct plan *plan, const char *own, const char *why)
{
	struct error error = {0};

	assert_int_equal(plan_check(plan, own, &error), -1);
	assert_int_equal(error.code, ERROR_REFUSED);
	assert_non_null(strstr(error.what, why));
	assert_true(error.next[0] != '\0');
}

static void checks(void **state)
{
	static const char *const twice[] = {"gw1", "gw2", "gw1"}, *const nameless[] = {"gw1", ""}, *const odd[] = {"gw1", "gw,2"};
	struct error error = {0};
	struct plan plan = make("gw2", 3, 3, three);

	(void)state;
	assert_int_equal(plan_check(&plan, "gw3", &error), 0);
	assert_int_equal(error.code, ERROR_NONE);
	refused(&plan, "gw4", "gw4");
	refused(&plan, "", "not in the plan's order");
	plan.max_unavailable = 4;
	refused(&plan, "gw1", "max_unavailable is 4");
	plan.max_unavailable = 0;
	refused(&plan, "gw1", "max_unavailable is 0");
	plan = make("gw9", 1, 3, three);
	refused(&plan, "gw1", "primary");
	plan = make("", 1, 3, three);
	refused(&plan, "gw1", "primary");
	plan = make("gw1", 1, 3, twice);
	refused(&plan, "gw1", "more than once");
	plan = make("gw1", 1, 2, nameless);
	refused(&plan, "gw1", "member 2");
	plan = make("gw1", 1, 2, odd);
	refused(&plan, "gw1", "member 2");
	plan = make("gw1", 1, 0, three);
	refused(&plan, "gw1", "0 members");
	plan.count = PLAN_MEMBERS_MAX + 1;
	refused(&plan, "gw1", "33 members");
	plan.count = UINT32_MAX;
	refused(&plan, "gw1", "members");
}

/* The longest plan that is taken, with the longest name of whoever asks, in a record of the longest run id. */
static void every_plan_fits_the_journal(void **state)
{
	static const char run[] = "123456789012345678901234567890123456789012345678901234567890123";
	char text[PLAN_TEXT_BYTES], line[JOURNAL_RECORD_MAX_BYTES + 1], by[JOURNAL_NAME_BYTES], back[JOURNAL_PLAN_BYTES];
	unsigned taken = 0, refusals = 0;

	(void)state;
	memset(by, '\xff', sizeof by - 1);
	by[sizeof by - 1] = '\0';
	for (unsigned wide = 1; wide < PLAN_NAME_BYTES; wide++) {
		struct journal_record record = {.seq = UINT64_MAX, .wall_ms = 0, .kind = JOURNAL_GRANT};
		struct plan plan = {.count = PLAN_MEMBERS_MAX, .max_unavailable = PLAN_MEMBERS_MAX}, again;
		struct error error = {0};
		struct buf out;

		for (unsigned i = 0; i < plan.count; i++) {
			memset(plan.order[i], 'x', wide);
			plan.order[i][0] = (char)('A' + i % 26);
			plan.order[i][wide / 2] = (char)(wide > 1 ? 'a' + i / 26 : 'A' + i);
		}
		memcpy(plan.primary, plan.order[31], sizeof plan.primary);
		if (plan_check(&plan, plan.order[7], &error)) {
			assert_non_null(strstr(error.what, "longer than 799 bytes"));
			assert_int_equal(plan_format(&plan, text), -1);
			refusals++;
			continue;
		}
		assert_int_equal(plan_format(&plan, text), 0);
		assert_int_equal(plan_parse(text, &again), 0);
		assert_memory_equal(&plan, &again, sizeof plan);
		memcpy(record.run, run, sizeof run);
		assert_int_equal(journal_add(&record, "by", by), 0);
		assert_int_equal(journal_add(&record, "plan", text), 0);
		buf_init(&out, line, sizeof line);
		assert_int_equal(journal_encode(&record, &out), 0);
		assert_true(journal_get(&record, "plan", back, sizeof back));
		assert_string_equal(back, text);
		taken++;
	}
	assert_true(taken > 10 && refusals > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_spelling), cmocka_unit_test(takes_no_other_spelling), cmocka_unit_test(counts_members_and_letters),
		cmocka_unit_test(names_are_plain), cmocka_unit_test(checks), cmocka_unit_test(every_plan_fits_the_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
