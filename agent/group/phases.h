/* phases.h - the group protocol: what is known of each member in, the next request to each member out. Pure: no I/O, no clock but what is passed.
 *
 * Nothing is decided by what this coordinator has done, only by what the members have said; so it may die anywhere, be late, or be one of several that drive the same run at once, and a
 * resumed run is the same loop with the plan that the members hold. What makes that safe:
 *  - one plan for a run, kept on every member with the grant; no flush before every member has granted;
 *  - a step is asked for with the number of the attempt; a member that has made this attempt answers with what came of it, and does nothing;
 *  - the bounces have one order over all coordinators: rounds of attempts, in a round the plan's order; one begins when fewer than max_unavailable of those before it are not yet seen to be over;
 *  - before the flush a failure ends the run, and the primary's grant goes first: who drives the same run meanwhile finds it gone before it can flush; after the flush there
 *    is only forward. */
#ifndef DRR_GROUP_PHASES_H
#define DRR_GROUP_PHASES_H

#include "base/mono.h"
#include "group/view.h"

/* What is told, and the words of `run --json`. */
enum phases_step { PHASES_PRECHECK, PHASES_GRANT, PHASES_PRIMARY, PHASES_FLUSH, PHASES_BOUNCE, PHASES_CONFIRM, PHASES_TRIGGER, PHASES_AWAIT, PHASES_RELEASE, PHASES_STEP_COUNT };
enum phases_event { PHASES_STARTED, PHASES_DONE, PHASES_REFUSED, PHASES_FAILED, PHASES_SKIPPED };

typedef void phases_tell_function(void *context, int member, enum phases_step step, enum phases_event event, const char *sentence, const char *evidence);

struct phases_settings { /* the caller's; outlives the run */
	char run[VIEW_RUN_BYTES];
	struct view_plan plan;
	bool resuming;           /* the plan is what the members hold; what failed before is tried once more */
	bool dry;                /* the prechecks, and nothing else */
	bool skip_unreachable;   /* a member that does not answer counts as none that may be disabled: the operator's word */
	int64_t patience_ms;     /* how long a member may fail to answer, or be busy, until it is given up */
	int64_t retry_ms;        /* between two tries */
	enum group_nudge nudge;  /* GROUP_NUDGE_NEVER where there is no API Manager */
	int64_t nudge_after_ms;
	phases_tell_function *tell;
	void *context;
};

enum phases_ask { PHASES_ASK_STATE, PHASES_ASK_GRANT, PHASES_ASK_RELEASE, PHASES_ASK_STEP, PHASES_ASK_WATCH };

struct phases_request {
	enum phases_ask ask;
	enum view_op op;   /* ASK_STEP, ASK_WATCH */
	unsigned attempt;  /* ASK_STEP: 1 ... */
	unsigned wait_s;   /* ASK_WATCH */
	bool fresh;        /* ASK_STATE: asked of the appliance now */
};

struct phases_answer {
	const char *trouble;      /* not NULL: there is no answer, and why */
	bool unsent;              /* ... and the member has surely not got the request */
	int status;               /* HTTP's, otherwise */
	const struct view_state *state;     /* ASK_STATE, status 200 */
	const struct view_step *step;       /* ASK_STEP, ASK_WATCH, status 200 or 202 */
	const struct view_problem *problem; /* other statuses; may be NULL */
};

enum phases_grant { PHASES_GRANT_NONE, PHASES_GRANT_OURS, PHASES_GRANT_OTHER };

struct phases_member {
	struct view_state state; /* the newest, when seen */
	bool seen, look;         /* look: it is to be read again before anything else */
	enum phases_grant grant;
	bool was_granted, granting; /* ours was seen; ours was asked for */
	struct view_step steps[VIEW_OP_COUNT];
	unsigned floor[VIEW_OP_COUNT]; /* attempts that were over before: ours is the next one */
	unsigned asked[VIEW_OP_COUNT]; /* the highest attempt that was asked for */
	unsigned asked_before;         /* ... before the request that is under way */
	bool told[VIEW_OP_COUNT];      /* that it was started */
	bool flush_judged;       /* a state was read after the flush had failed */
	bool enabled_since;      /* its service was seen enabled after a bounce that failed */
	struct mono disabled_at; /* when that bounce was seen to have failed */
	struct mono again_at;    /* no request before */
	struct mono heard_at;    /* the last answer, whatever it was */
	bool silent, refused;    /* no answer, or (refused) not the wanted one, since: */
	struct mono silent_since;
	bool given_up, released;
	bool watched;            /* the last request was a watch of await: the log is looked at in between */
	bool log_seen;           /* the state was read while it awaits: its last event is younger than that it waited */
	char trouble[VIEW_SENTENCE_BYTES];
};

enum phases_trigger { PHASES_TRIGGER_NONE, PHASES_TRIGGER_WAITING, PHASES_TRIGGER_DUE, PHASES_TRIGGER_NUDGING, PHASES_TRIGGER_NUDGED, PHASES_TRIGGER_SEEN };

struct phases {
	const struct phases_settings *settings;
	unsigned count, primary; /* members, in the plan's order; the index of the plan's primary */
	struct phases_member members[GROUP_MEMBERS_MAX];
	enum phases_trigger trigger;
	struct mono trigger_since;
	bool evened;  /* the floors of the bounces */
	bool ending;  /* the outcome stands; grants are given back */
	bool aborted; /* ... because of something before the flush */
	bool over;
	int exit;                                /* of the run */
	enum phases_event state;                 /* DONE, REFUSED, FAILED */
	char sentence[VIEW_SENTENCE_BYTES], next[ERROR_NEXT_MAX_BYTES];
};

/* Members are those of the plan, by their place in it. */
void phases_init(struct phases *phases, const struct phases_settings *settings);

/* What was read of a member before the run began. */
void phases_see(struct phases *phases, unsigned member, const struct view_state *state, struct mono now);

/* The next request to MEMBER, which has none under way. False: there is nothing to ask now. */
bool phases_next(struct phases *phases, unsigned member, struct mono now, struct phases_request *request);

void phases_take(struct phases *phases, unsigned member, const struct phases_request *request, const struct phases_answer *answer, struct mono now);

/* The time does something too; call it when phases_deadline() is reached, and after each answer. */
void phases_tick(struct phases *phases, struct mono now);
struct mono phases_deadline(const struct phases *phases, struct mono now);

/* API Manager is to send an event: true once; then phases_nudged(), TROUBLE NULL: it will. */
bool phases_wants_nudge(struct phases *phases);
void phases_nudged(struct phases *phases, const char *trouble);

/* The operator wants out: before the flush the grants are given back, after it everything stands and `resume` goes on. */
void phases_stop(struct phases *phases, struct mono now);

/* After this there is only forward. */
bool phases_is_flushed(const struct phases *phases);
/* A member may be disabled now, as far as is known. */
bool phases_may_be_disabled(const struct phases *phases, unsigned member);
const char *phases_step_name(enum phases_step step);
const char *phases_event_name(enum phases_event event);
/* What a step is, for `plan` and manuals. */
const char *phases_step_sentence(enum phases_step step);

#endif
