/* agent/front/routes: what is understood, what is passed on, what is refused and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "front/routes.h"

/* The method, path and query as sent; the target as passed on. */
static const struct {
	const char *method, *path, *query, *target;
	enum route_name name;
} understood[] = {
	{"GET", "/v1/state", "", "/v1/state?max_age_ms=5000", ROUTE_STATE},
	{"HEAD", "/v1/state", "max_age_ms=0", "/v1/state?max_age_ms=0", ROUTE_STATE},
	{"GET", "/v1/state", "max_age_ms=9007199254740991", "/v1/state?max_age_ms=9007199254740991", ROUTE_STATE},
	{"GET", "/v1/audit", "", "/v1/audit?non_production=0", ROUTE_AUDIT},
	{"GET", "/v1/audit", "non_production", "/v1/audit?non_production=1", ROUTE_AUDIT},
	{"PUT", "/v1/grant/r1", "", "/v1/grant/r1", ROUTE_GRANT},
	{"DELETE", "/v1/grant/r%31-%5f.", "", "/v1/grant/r1-_.", ROUTE_GRANT},
	{"POST", "/v1/steps", "", "/v1/steps", ROUTE_STEPS},
	{"GET", "/v1/steps/r1.flush", "", "/v1/steps/r1.flush?wait_s=0", ROUTE_STEP},
	{"GET", "/v1/steps/r1.flush", "wait_s=60", "/v1/steps/r1.flush?wait_s=60", ROUTE_STEP},
	{"GET", "/v1/steps/..", "", "/v1/steps/..?wait_s=0", ROUTE_STEP}, /* a name like any other here: it never becomes a path */
	{"PUT", "/v1/hold", "", "/v1/hold", ROUTE_HOLD},
	{"DELETE", "/v1/hold", "&", "/v1/hold", ROUTE_HOLD},
	{"GET", "/v1/events", "", "/v1/events?after=0&limit=100&wait_s=0", ROUTE_EVENTS},
	{"GET", "/v1/events", "wait_s=5&after=17&limit=%32%30", "/v1/events?after=17&limit=20&wait_s=5", ROUTE_EVENTS},
	{"GET", "/v1/events", "%61fter=1", "/v1/events?after=1&limit=100&wait_s=0", ROUTE_EVENTS},
	{"GET", "/metrics", "", "/metrics", ROUTE_METRICS},
	{"GET", "/livez", "", "/livez?verbose=0", ROUTE_LIVEZ},
	{"GET", "/readyz", "verbose", "/readyz?verbose=1", ROUTE_READYZ},
	{"GET", "/readyz", "verbose=0", "/readyz?verbose=0", ROUTE_READYZ},
	{"GET", "/v1/openapi.json", "", "/v1/openapi.json", ROUTE_OPENAPI},
};

static void understands(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof understood / sizeof understood[0]; i++) {
		char target[ROUTE_TARGET_MAX_BYTES + 1];
		struct route_refusal refusal;
		struct route route;

		if (!route_parse(understood[i].method, understood[i].path, understood[i].query, &route, &refusal))
			fail_msg("%s?%s: %s", understood[i].path, understood[i].query, refusal.detail);
		assert_int_equal(route.name, understood[i].name);
		assert_string_equal(route_method_name(route.method), strcmp(understood[i].method, "HEAD") == 0 ? "GET" : understood[i].method);
		assert_string_equal(route_write(&route, target), understood[i].target);
	}
}

static const struct {
	const char *method, *path, *query, *detail;
	enum problem_type type;
	const char *allow;
} refused[] = {
	{"GET", "/", "", "there is no /", PROBLEM_NOT_FOUND, NULL},
	{"GET", "", "", "there is no ", PROBLEM_NOT_FOUND, NULL},
	{"GET", "/v1/state/", "", "there is no /v1/state/", PROBLEM_NOT_FOUND, NULL},
	{"GET", "/v1//state", "", "there is no /v1//state", PROBLEM_NOT_FOUND, NULL},
	{"GET", "/v1/st%61te", "", "there is no /v1/st%61te", PROBLEM_NOT_FOUND, NULL},
	{"GET", "/V1/state", "", "there is no /V1/state", PROBLEM_NOT_FOUND, NULL},
	{"GET", "/v1/steps/r1/x", "", "there is no /v1/steps/r1/x", PROBLEM_NOT_FOUND, NULL},
	{"GET", "/v1/steps/", "", "there is no /v1/steps/", PROBLEM_NOT_FOUND, NULL},
	{"GET", "/\x1b[2J\xff", "", "there is no /\\x1b[2J\\xff", PROBLEM_NOT_FOUND, NULL},
	{"PATCH", "/v1/state", "", "there is no PATCH here", PROBLEM_METHOD_NOT_ALLOWED, "GET, HEAD"},
	{"get", "/v1/state", "", "there is no get here", PROBLEM_METHOD_NOT_ALLOWED, "GET, HEAD"},
	{"GET", "/v1/steps", "", "there is no GET here", PROBLEM_METHOD_NOT_ALLOWED, "POST"},
	{"GET", "/v1/grant/r1", "", "there is no GET here", PROBLEM_METHOD_NOT_ALLOWED, "PUT, DELETE"},
	{"POST", "/v1/hold", "", "there is no POST here", PROBLEM_METHOD_NOT_ALLOWED, "PUT, DELETE"},
	{"DELETE", "/v1/steps/r1.flush", "", "there is no DELETE here", PROBLEM_METHOD_NOT_ALLOWED, "GET, HEAD"},
	{"PUT", "/v1/grant/r%2f1", "", "this is no name of a run or a step (letters, digits, - _ .): r%2f1", PROBLEM_BAD_REQUEST, NULL},
	{"PUT", "/v1/grant/r%00", "", "this is no name of a run or a step (letters, digits, - _ .): r%00", PROBLEM_BAD_REQUEST, NULL},
	{"PUT", "/v1/grant/%", "", "this is no name of a run or a step (letters, digits, - _ .): %", PROBLEM_BAD_REQUEST, NULL},
	{"PUT", "/v1/grant/%4", "", "this is no name of a run or a step (letters, digits, - _ .): %4", PROBLEM_BAD_REQUEST, NULL},
	{"PUT", "/v1/grant/%4g", "", "this is no name of a run or a step (letters, digits, - _ .): %4g", PROBLEM_BAD_REQUEST, NULL},
	{"PUT", "/v1/grant/%2531", "", "this is no name of a run or a step (letters, digits, - _ .): %2531", PROBLEM_BAD_REQUEST, NULL}, /* resolved once, not twice */
	{"PUT", "/v1/grant/r1", "max_age_ms=1", "there is no such parameter here: max_age_ms", PROBLEM_BAD_REQUEST, NULL},
	{"GET", "/v1/state", "wait_s=1", "there is no such parameter here: wait_s", PROBLEM_BAD_REQUEST, NULL},
	{"GET", "/v1/state", "max_age_ms", "max_age_ms is not a number from 0 to 9007199254740991", PROBLEM_BAD_REQUEST, NULL},
	{"GET", "/v1/state", "max_age_ms=9007199254740992", "max_age_ms is not a number from 0 to 9007199254740991", PROBLEM_BAD_REQUEST, NULL},
	{"GET", "/v1/state", "max_age_ms=-1", "max_age_ms is not a number from 0 to 9007199254740991", PROBLEM_BAD_REQUEST, NULL},
	{"GET", "/v1/events", "limit=0", "limit is not a number from 1 to 200", PROBLEM_BAD_REQUEST, NULL},
	{"GET", "/v1/events", "limit=201", "limit is not a number from 1 to 200", PROBLEM_BAD_REQUEST, NULL},
	{"GET", "/v1/events", "wait_s=61", "wait_s is not a number from 0 to 60", PROBLEM_BAD_REQUEST, NULL},
	{"GET", "/v1/events", "wait_s=+1", "wait_s is not a number from 0 to 60", PROBLEM_BAD_REQUEST, NULL},
	{"GET", "/v1/events", "wait_s=1&wait_s=1", "wait_s is there twice", PROBLEM_BAD_REQUEST, NULL},
	{"GET", "/v1/events", "wait_s=%", "cannot read this parameter: wait_s=%", PROBLEM_BAD_REQUEST, NULL},
	{"GET", "/v1/events", "\x01=1", "cannot read this parameter: \\x01=1", PROBLEM_BAD_REQUEST, NULL},
	{"GET", "/v1/events", "=", "there is no such parameter here: ", PROBLEM_BAD_REQUEST, NULL},
	{"GET", "/readyz", "verbose=yes", "verbose is not a number from 0 to 1", PROBLEM_BAD_REQUEST, NULL},
};

static void refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		struct route_refusal refusal;
		struct route route;

		if (route_parse(refused[i].method, refused[i].path, refused[i].query, &route, &refusal))
			fail_msg("%s %s?%s was understood", refused[i].method, refused[i].path, refused[i].query);
		assert_string_equal(refusal.detail, refused[i].detail);
		assert_int_equal(refusal.type, refused[i].type);
		if (refused[i].allow)
			assert_string_equal(refusal.allow, refused[i].allow);
		else
			assert_null(refusal.allow);
	}
}

/* The longest that is taken, and one byte more. */
static void has_limits(void **state)
{
	char path[1024], query[1024];
	struct route_refusal refusal;
	struct route route;

	(void)state;
	for (unsigned extra = 0; extra <= 1; extra++) {
		(void)snprintf(path, sizeof path, "/v1/grant/%0*d", ROUTE_RUN_MAX_BYTES + (int)extra, 7);
		assert_int_equal(route_parse("PUT", path, "", &route, &refusal), extra == 0);
		(void)snprintf(path, sizeof path, "/v1/steps/%0*d", ROUTE_ID_MAX_BYTES + (int)extra, 7);
		assert_int_equal(route_parse("GET", path, "", &route, &refusal), extra == 0);
		memset(query, '&', sizeof query);
		query[ROUTE_TARGET_MAX_BYTES - strlen("/v1/state") - 1 + extra] = '\0';
		assert_int_equal(route_parse("GET", "/v1/state", query, &route, &refusal), extra == 0);
	}
	assert_string_equal(refusal.detail, "the target of the request is too long");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(understands), cmocka_unit_test(refuses), cmocka_unit_test(has_limits)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
