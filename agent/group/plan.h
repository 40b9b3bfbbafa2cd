/* plan.h - do the members tell one story, and what would a run do? Pure rules over what each said; each refusal has a name, a sentence, a next step and a flag of its own. What one
 * member can judge alone (its service, a DRR under way, diag ...) its own precheck judges (run/precheck.h). */
#ifndef DRR_GROUP_PLAN_H
#define DRR_GROUP_PLAN_H

#include "group/view.h"

/* In the order in which they are told. */
enum plan_refusal {
	PLAN_UNREACHABLE,
	PLAN_NAME_DIFFERS,
	PLAN_FORBIDDEN,
	PLAN_JOURNAL_OPEN,
	PLAN_GRANT_HELD,
	PLAN_HOLD,
	PLAN_OBJECT_DIFFERS,
	PLAN_PRIMARY_DIFFERS,
	PLAN_NO_PRIMARY,
	PLAN_SEVERAL_PRIMARIES,
	PLAN_NO_QUORUM,
	PLAN_MEMBER_MISSING,
	PLAN_PERSISTENCE_DIFFERS,
	PLAN_FIRMWARE_DIFFERS,
	PLAN_REFUSAL_COUNT
};

enum { PLAN_EVIDENCE_BYTES = 1024 };

struct plan_input {
	unsigned count;
	const char *names[GROUP_MEMBERS_MAX];              /* of group.conf */
	const struct view_state *states[GROUP_MEMBERS_MAX]; /* NULL: it did not answer */
	const char *troubles[GROUP_MEMBERS_MAX];           /* why not; with a state NULL */
	bool forbidden[GROUP_MEMBERS_MAX];                 /* it answered that we may not */
	const char *run;      /* a grant of this run is no other's; may be "" */
	const char *primary;  /* the operator's choice; NULL: where the primary is now */
	unsigned max_unavailable;
	unsigned overrides;   /* set of 1 << enum plan_refusal */
};

struct plan_result {
	unsigned refused;    /* set of 1 << enum plan_refusal, without the overridden ones */
	unsigned overridden;
	struct view_plan plan; /* of use when nothing is refused */
	bool switches;       /* the primary is to be moved */
};

void plan_decide(const struct plan_input *input, struct plan_result *result);

/* "unreachable"; the flag is "--override-unreachable". */
const char *plan_name(enum plan_refusal refusal);
/* PLAN_REFUSAL_COUNT: no such name. */
enum plan_refusal plan_by_name(const char *name);
/* No flag overrides it: without the answer, or another's consent, there is no plan. */
bool plan_is_final(enum plan_refusal refusal);
const char *plan_sentence(enum plan_refusal refusal);
const char *plan_next(enum plan_refusal refusal);
/* ERROR_REFUSED, ERROR_UNREACHABLE, ERROR_BUSY, ERROR_CONFIG or ERROR_PERMISSION. */
enum error_code plan_error(enum plan_refusal refusal);
/* What each member said about it: "gw1: 10.0.0.12, gw2: 10.0.0.13". Foreign text in it. Returns OUT. */
char *plan_evidence(enum plan_refusal refusal, const struct plan_input *input, char out[PLAN_EVIDENCE_BYTES]);

#endif
