/* problem.h - what the HTTPS interface says when it refuses (RFC 9457): one closed list, with the status of each. Pure. */
#ifndef DRR_BASE_PROBLEM_H
#define DRR_BASE_PROBLEM_H

#include "base/error.h"
#include "platform/json.h"

/* "type" is this and the name: "urn:drr:problem:grant-held". */
#define PROBLEM_URN "urn:drr:problem:"
#define PROBLEM_CONTENT_TYPE "application/problem+json"

enum problem_type {
	PROBLEM_BAD_REQUEST,
	PROBLEM_FORBIDDEN,
	PROBLEM_NOT_FOUND,
	PROBLEM_METHOD_NOT_ALLOWED,
	PROBLEM_NOT_HELD,
	PROBLEM_GRANT_HELD,  /* member "holder": the grant */
	PROBLEM_PLAN_DIFFERS,
	PROBLEM_HOLD,        /* member "hold": the hold */
	PROBLEM_JOURNAL_OPEN,
	PROBLEM_NOT_GRANTED,
	PROBLEM_STEP_RUNNING,
	PROBLEM_NOT_PRIMARY_OF_PLAN,
	PROBLEM_FLUSH_FIRST,
	PROBLEM_EVENTS_GONE, /* member "oldest": the oldest number that is still there */
	PROBLEM_BODY_TOO_LARGE,
	PROBLEM_BAD_PLAN,
	PROBLEM_HEADER_TOO_LARGE,
	PROBLEM_TOO_MANY,
	PROBLEM_INTERNAL,
	PROBLEM_ENGINE_RESTARTING,
	PROBLEM_STOPPING,
	PROBLEM_APPLIANCE_UNREACHABLE,
	PROBLEM_NO_ANSWER,
	PROBLEM_TYPE_COUNT
};

/* "grant-held", ...; never NULL. */
const char *problem_name(enum problem_type type);

/* HTTP's status, 400 ... 504. */
int problem_status(enum problem_type type);

/* What Retry-After should say, in seconds: not 0 for every 409, 429 and 503, 0 for all others. */
unsigned problem_retry_after_s(enum problem_type type);

/* What it means to whoever asked, and so the exit code: ERROR_BUSY when somebody or something else has to end first, ERROR_PERMISSION, ERROR_CONFIG (bad-plan), otherwise
 * ERROR_FAILED, also for PROBLEM_TYPE_COUNT. */
enum error_code problem_error(enum problem_type type);

/* {"type","title","status","detail","next"}: DETAIL is the sentence, NEXT the exact next command; each may be NULL and is left out then. The caller adds extension
 * members (json_set), and frees it. Never NULL. */
struct json *problem_json(enum problem_type type, const char *detail, const char *next);

/* The same as text, without extension members. The caller frees with free(). Never NULL. */
char *problem_text(enum problem_type type, const char *detail, const char *next);

#endif
