/* survey.h - the audit of a whole group: what each member's agent found (GET /v1/audit), what only shows when the members are compared, one list. Pure.
 *
 * What several members found is one finding that names them; a fact that nobody told makes no finding. All text is foreign: whoever shows it escapes it. */
#ifndef DRR_GROUP_SURVEY_H
#define DRR_GROUP_SURVEY_H

#include "group/view.h"

enum {
	SURVEY_PRODUCTION_MEMBERS = 3,   /* IBM: three gateways or more in production */
	SURVEY_CLOCK_SKEW_MAX_MS = 5000, /* as in the agents' own audit */
};

#define SURVEY_CLOCK_UNKNOWN INT64_MIN

struct survey_member {
	const char *name;               /* as in group.conf */
	const struct view_state *state; /* NULL: it was not told */
	const struct json *findings;    /* the array that its agent told; NULL: none, and TROUBLE says why */
	const char *trouble, *next;     /* next: what to do about that; "" */
	bool silent;                    /* nothing was answered at all */
	int64_t agent_ahead_ms;         /* its machine's clock minus ours; SURVEY_CLOCK_UNKNOWN */
	int64_t appliance_ahead_ms;     /* its appliance's clock minus ours; SURVEY_CLOCK_UNKNOWN */
};

struct survey {
	unsigned count;
	struct survey_member members[GROUP_MEMBERS_MAX];
	bool production;        /* fewer than three members are a finding */
	int64_t clock_doubt_ms; /* how long the asking took: the clocks are known no better */
};

/* The findings, by severity: an array of id, severity, member (the first of members), members, evidence, why, fix, note. The caller frees. */
struct json *survey_findings(const struct survey *survey);

/* There is one that is worse than info. */
bool survey_is_bad(const struct json *findings);

#endif
