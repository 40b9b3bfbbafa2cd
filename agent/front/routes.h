/* routes.h - method and target of a request, and what they stand for: one table. Pure.
 *
 * Whatever is not exactly one of ours is refused: another path, another method, a parameter that the route does not have, or has twice, a number out of its limits.
 * What is passed on is written anew from what was understood (route_write), so nobody behind this ever sees a percent sign. */
#ifndef DRR_FRONT_ROUTES_H
#define DRR_FRONT_ROUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/problem.h"

enum {
	ROUTE_RUN_MAX_BYTES = 63,      /* of a run's name: letters, digits, - _ . */
	ROUTE_ID_MAX_BYTES = 63 + 9,   /* of a step's: the run's, a dot, and the longest operation ("precheck") */
	ROUTE_TARGET_MAX_BYTES = 512,  /* of a path with its query */
	ROUTE_WAIT_MAX_S = 60,
	ROUTE_LIMIT_MAX = 200,
	ROUTE_LIMIT_USUAL = 100,
	ROUTE_MAX_AGE_USUAL_MS = 5000,
	ROUTE_DETAIL_MAX_BYTES = 256,
};

#define ROUTE_NUMBER_MAX INT64_C(9007199254740991) /* of after and max_age_ms: 2^53 - 1, what every JSON reader has */

enum route_name {
	ROUTE_STATE, ROUTE_AUDIT, ROUTE_GRANT, ROUTE_STEPS, ROUTE_STEP, ROUTE_HOLD, ROUTE_EVENTS, ROUTE_METRICS, ROUTE_LIVEZ, ROUTE_READYZ, ROUTE_OPENAPI, ROUTE_COUNT
};

enum route_method { ROUTE_GET = 1, ROUTE_PUT = 2, ROUTE_POST = 4, ROUTE_DELETE = 8 };

struct route {
	enum route_name name;
	enum route_method method;           /* HEAD counts as GET */
	char id[ROUTE_ID_MAX_BYTES + 1];    /* ROUTE_GRANT: the run's name; ROUTE_STEP: the step's; "" otherwise */
	int64_t max_age_ms;                 /* ROUTE_STATE */
	int64_t after;                      /* ROUTE_EVENTS; 0: from the oldest */
	unsigned limit;                     /* ROUTE_EVENTS */
	unsigned wait_s;                    /* ROUTE_STEP, ROUTE_EVENTS; 0: at once */
	bool verbose;                       /* ROUTE_READYZ, ROUTE_LIVEZ */
	bool non_production;                /* ROUTE_AUDIT */
};

struct route_refusal {
	enum problem_type type; /* PROBLEM_NOT_FOUND, PROBLEM_METHOD_NOT_ALLOWED, PROBLEM_BAD_REQUEST */
	const char *allow;      /* PROBLEM_METHOD_NOT_ALLOWED: "GET, HEAD"; NULL otherwise. Static */
	char detail[ROUTE_DETAIL_MAX_BYTES]; /* a sentence; foreign bytes in it are escaped */
};

/* PATH (with its slash) and QUERY (behind the question mark; "" none) as sent. Percent signs are resolved in names and in the query, nowhere else. False:
 * REFUSAL says why, and ROUTE is undefined. */
bool route_parse(const char *method, const char *path, const char *query, struct route *route, struct route_refusal *refusal);

/* "GET", ...: what stands in a frame. */
const char *route_method_name(enum route_method method);

/* The target of ROUTE in its one form, every parameter that the route has in it ("/v1/steps/r1.flush?wait_s=10"): route_parse() makes the same route of it. OUT has
 * ROUTE_TARGET_MAX_BYTES + 1. Returns OUT. */
char *route_write(const struct route *route, char *out);

#endif
