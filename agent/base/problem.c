#include "base/problem.h"

#include <assert.h>
#include <stdio.h>

/* 409: about as long as what stands in the way usually takes to go. */
static const struct {
	const char *name;
	int status;
	unsigned retry_after_s;
	const char *title;
} problems[PROBLEM_TYPE_COUNT] = {
	[PROBLEM_BAD_REQUEST] = {"bad-request", 400, 0, "the request is malformed"},
	[PROBLEM_FORBIDDEN] = {"forbidden", 403, 0, "the name in this certificate may not do that"},
	[PROBLEM_NOT_FOUND] = {"not-found", 404, 0, "there is nothing of that name"},
	[PROBLEM_METHOD_NOT_ALLOWED] = {"method-not-allowed", 405, 0, "this method does not exist here"},
	[PROBLEM_NOT_HELD] = {"not-held", 404, 0, "nobody holds what was to be given back"},
	[PROBLEM_GRANT_HELD] = {"grant-held", 409, 10, "another run holds the grant"},
	[PROBLEM_PLAN_DIFFERS] = {"plan-differs", 409, 10, "this run holds the grant for another plan"},
	[PROBLEM_HOLD] = {"hold", 409, 30, "somebody holds this member back"},
	[PROBLEM_JOURNAL_OPEN] = {"journal-open", 409, 2, "the journal is open: something is not finished"},
	[PROBLEM_NOT_GRANTED] = {"not-granted", 409, 2, "this run does not hold the grant"},
	[PROBLEM_STEP_RUNNING] = {"step-running", 409, 1, "another step is under way"},
	[PROBLEM_NOT_PRIMARY_OF_PLAN] = {"not-primary-of-plan", 409, 10, "this step belongs to the primary of the plan"},
	[PROBLEM_FLUSH_FIRST] = {"flush-first", 409, 2, "the primary of the plan is flushed before it is bounced"},
	[PROBLEM_EVENTS_GONE] = {"events-gone", 410, 0, "events behind this number are not kept any more"},
	[PROBLEM_BODY_TOO_LARGE] = {"body-too-large", 413, 0, "the body is too large"},
	[PROBLEM_BAD_PLAN] = {"bad-plan", 422, 0, "the plan does not hold together"},
	[PROBLEM_HEADER_TOO_LARGE] = {"header-too-large", 431, 0, "the head of the request is too large"},
	[PROBLEM_TOO_MANY] = {"too-many", 429, 2, "too many requests at the same time"},
	[PROBLEM_INTERNAL] = {"internal", 500, 0, "an error inside drr-agent"},
	[PROBLEM_ENGINE_RESTARTING] = {"engine-restarting", 503, 2, "the engine of drr-agent is being started"},
	[PROBLEM_STOPPING] = {"stopping", 503, 10, "drr-agent is being stopped"},
	[PROBLEM_APPLIANCE_UNREACHABLE] = {"appliance-unreachable", 503, 10, "the appliance does not answer"},
	[PROBLEM_NO_ANSWER] = {"no-answer", 504, 0, "the engine of drr-agent did not answer in time"},
};

const char *problem_name(enum problem_type type)
{
	assert(type < PROBLEM_TYPE_COUNT);
	return problems[type].name;
}

int problem_status(enum problem_type type)
{
	assert(type < PROBLEM_TYPE_COUNT);
	return problems[type].status;
}

unsigned problem_retry_after_s(enum problem_type type)
{
	assert(type < PROBLEM_TYPE_COUNT);
	return problems[type].retry_after_s;
}

enum error_code problem_error(enum problem_type type)
{
	switch (type) {
	case PROBLEM_GRANT_HELD:
	case PROBLEM_PLAN_DIFFERS:
	case PROBLEM_HOLD:
	case PROBLEM_JOURNAL_OPEN:
	case PROBLEM_NOT_GRANTED:
	case PROBLEM_STEP_RUNNING: return ERROR_BUSY;
	case PROBLEM_FORBIDDEN: return ERROR_PERMISSION;
	case PROBLEM_BAD_PLAN: return ERROR_CONFIG;
	default: return ERROR_FAILED;
	}
}

struct json *problem_json(enum problem_type type, const char *detail, const char *next)
{
	struct json *object = json_object();
	char urn[64];

	(void)snprintf(urn, sizeof urn, PROBLEM_URN "%s", problem_name(type));
	json_set_string(object, "type", urn);
	json_set_string(object, "title", problems[type].title);
	json_set_int(object, "status", problems[type].status);
	if (detail)
		json_set_string(object, "detail", detail);
	if (next)
		json_set_string(object, "next", next);
	return object;
}

char *problem_text(enum problem_type type, const char *detail, const char *next)
{
	struct json *object = problem_json(type, detail, next);
	char *text = json_text(object, false);

	json_free(object);
	return text;
}
