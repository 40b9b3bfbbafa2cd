/* agent/base/problem: the closed list, and what the bodies look like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/problem.h"

/* Scripts depend on these: name and status, in no particular order. */
static const struct {
	const char *name;
	int status;
} promised[] = {
	{"bad-request", 400}, {"forbidden", 403}, {"not-found", 404}, {"method-not-allowed", 405}, {"not-held", 404}, {"grant-held", 409}, {"plan-differs", 409},
	{"hold", 409}, {"journal-open", 409}, {"not-granted", 409}, {"step-running", 409}, {"not-primary-of-plan", 409}, {"flush-first", 409}, {"events-gone", 410},
	{"body-too-large", 413}, {"bad-plan", 422}, {"header-too-large", 431}, {"too-many", 429}, {"internal", 500}, {"engine-restarting", 503}, {"stopping", 503},
	{"appliance-unreachable", 503}, {"no-answer", 504},
};

static void is_the_closed_list(void **state)
{
	(void)state;
	assert_int_equal(PROBLEM_TYPE_COUNT, sizeof promised / sizeof promised[0]);
	for (size_t i = 0; i < sizeof promised / sizeof promised[0]; i++) {
		unsigned found = 0;

		for (enum problem_type type = 0; type < PROBLEM_TYPE_COUNT; type++)
			if (strcmp(problem_name(type), promised[i].name) == 0) {
				found++;
				assert_int_equal(problem_status(type), promised[i].status);
			}
		assert_int_equal(found, 1);
	}
}

static void is_an_error_of_its_kind(void **state)
{
	(void)state;
	for (enum problem_type type = 0; type < PROBLEM_TYPE_COUNT; type++) {
		int exit_code = error_exit_code(problem_error(type)), status = problem_status(type);

		assert_true(exit_code == (status == 403 ? 7 : status == 422 ? 2 : 4) || (status == 409 && exit_code == 6));
	}
	assert_int_equal(problem_error(PROBLEM_HOLD), ERROR_BUSY);
	assert_int_equal(problem_error(PROBLEM_FLUSH_FIRST), ERROR_FAILED);
	assert_int_equal(problem_error(PROBLEM_TYPE_COUNT), ERROR_FAILED);
}

static void retries_where_it_helps(void **state)
{
	(void)state;
	for (enum problem_type type = 0; type < PROBLEM_TYPE_COUNT; type++) {
		int status = problem_status(type);

		assert_int_equal(problem_retry_after_s(type) > 0, status == 409 || status == 429 || status == 503);
	}
	assert_int_equal(problem_retry_after_s(PROBLEM_STEP_RUNNING), 1);
	assert_int_equal(problem_retry_after_s(PROBLEM_ENGINE_RESTARTING), 2);
}

static void assert_body(char *text, const char *expected)
{
	assert_string_equal(text, expected);
	free(text);
}

static void builds_bodies(void **state)
{
	(void)state;
	assert_body(problem_text(PROBLEM_NOT_FOUND, "there is no step r1.flush", "GET /v1/state"),
		    "{\"type\":\"urn:drr:problem:not-found\",\"title\":\"there is nothing of that name\",\"status\":404,"
		    "\"detail\":\"there is no step r1.flush\",\"next\":\"GET /v1/state\"}");
	assert_body(problem_text(PROBLEM_INTERNAL, NULL, NULL),
		    "{\"type\":\"urn:drr:problem:internal\",\"title\":\"an error inside drr-agent\",\"status\":500}");
}

static void takes_members(void **state)
{
	struct json *object = problem_json(PROBLEM_EVENTS_GONE, "event 4 is gone", NULL);

	(void)state;
	json_set_int(object, "oldest", 17);
	assert_body(json_text(object, false), "{\"type\":\"urn:drr:problem:events-gone\",\"title\":\"events behind this number are not kept any more\","
					      "\"status\":410,\"detail\":\"event 4 is gone\",\"oldest\":17}");
	json_free(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_the_closed_list),
		cmocka_unit_test(is_an_error_of_its_kind),
		cmocka_unit_test(retries_where_it_helps),
		cmocka_unit_test(builds_bodies),
		cmocka_unit_test(takes_members),
	};

	return cmocka_run_group_tests_name("problem", tests, NULL, NULL);
}
