/* accord.h - do the members tell one story, and what would a run do? Pure rules over what each said; each refusal has a name, a sentence, a next step and a flag of its own. What one
 * member can judge alone (its service, a DRR under way, diag ...) its own precheck judges (run/precheck.h). */
#ifndef DRR_GROUP_ACCORD_H
#define DRR_GROUP_ACCORD_H

#include "group/view.h"

/* In the order in which they are told. */
enum accord_refusal {
	ACCORD_UNREACHABLE,
	ACCORD_NAME_DIFFERS,
	ACCORD_FORBIDDEN,
	ACCORD_JOURNAL_OPEN,
	ACCORD_GRANT_HELD,
	ACCORD_HOLD,
	ACCORD_OBJECT_DIFFERS,
	ACCORD_PRIMARY_DIFFERS,
	ACCORD_NO_PRIMARY,
	ACCORD_SEVERAL_PRIMARIES,
	ACCORD_NO_QUORUM,
	ACCORD_MEMBER_MISSING,
	ACCORD_PERSISTENCE_DIFFERS,
	ACCORD_FIRMWARE_DIFFERS,
	ACCORD_REFUSAL_COUNT
};

enum { ACCORD_EVIDENCE_BYTES = 1024 };

struct accord_input {
	unsigned count;
	const char *names[GROUP_MEMBERS_MAX];              /* of group.conf */
	const struct view_state *states[GROUP_MEMBERS_MAX]; /* NULL: it did not answer */
	const char *troubles[GROUP_MEMBERS_MAX];           /* why not; with a state NULL */
	bool forbidden[GROUP_MEMBERS_MAX];                 /* it answered that we may not */
	const char *run;      /* a grant of this run is no other's; may be "" */
	const char *primary;  /* the operator's choice; NULL: where the primary is now */
	unsigned max_unavailable;
	unsigned overrides;   /* set of 1 << enum accord_refusal */
};

struct accord_result {
	unsigned refused;    /* set of 1 << enum accord_refusal, without the overridden ones */
	unsigned overridden;
	struct view_plan plan; /* of use when nothing is refused */
	bool switches;       /* the primary is to be moved */
};

void accord_decide(const struct accord_input *input, struct accord_result *result);

/* "unreachable"; the flag is "--override-unreachable". */
const char *accord_name(enum accord_refusal refusal);
/* ACCORD_REFUSAL_COUNT: no such name. */
enum accord_refusal accord_by_name(const char *name);
/* No flag overrides it: without the answer, or another's consent, there is no plan. */
bool accord_is_final(enum accord_refusal refusal);
const char *accord_sentence(enum accord_refusal refusal);
/* What to do about it, with the id of a run that is in the way. Returns OUT. */
const char *accord_next(enum accord_refusal refusal, const struct accord_input *input, char out[ERROR_NEXT_MAX_BYTES]);
/* ERROR_REFUSED, ERROR_BUSY, ERROR_CONFIG or ERROR_PERMISSION. */
enum error_code accord_error(enum accord_refusal refusal);
/* What each member said about it: "gw1: 10.0.0.12, gw2: 10.0.0.13". Foreign text in it. Returns OUT. */
char *accord_evidence(enum accord_refusal refusal, const struct accord_input *input, char out[ACCORD_EVIDENCE_BYTES]);

#endif
