/* report_model.h - what happened in one run: the members' events and states in, one account out. Pure: no I/O, no clock but what is passed.
 *
 * Nothing is made up: a member that did not answer, events that are gone, an end that nobody saw are said as such. Times are each member's own wall clock; how far it is off from this
 * machine's is told beside it. All text is foreign: whoever writes it escapes it. */
#ifndef DRR_GROUP_REPORT_MODEL_H
#define DRR_GROUP_REPORT_MODEL_H

#include "group/view.h"
#include "run/plan.h"

enum {
	REPORT_EVENTS_MAX = 4000, /* of one member; more are counted */
	REPORT_BARS_MAX = 48,     /* of one member: attempts at steps */
	REPORT_OUTAGES_MAX = 24,  /* of one member */
	REPORT_ROWS_MAX = 64,     /* of a peering table */
	REPORT_MANAGER_BYTES = 1024,
	REPORT_SKEW_TOLD_MS = 2000, /* clocks that differ by more are worth a word */
};

#define REPORT_UNKNOWN_MS (-1) /* a time that nobody knows */

struct report_event {
	int64_t n, time_ms;
	const char *kind, *name, *code, *run, *sentence, *evidence; /* "": not there; within this block of memory */
};

struct report_bar { /* one attempt at a step */
	enum view_op op;
	unsigned attempt; /* 0: not known */
	int64_t from_ms, to_ms; /* to_ms REPORT_UNKNOWN_MS: not over, or nobody saw the end */
	enum view_step_state state; /* NONE: not known */
	char sentence[VIEW_SENTENCE_BYTES];
};

struct report_outage {
	int64_t from_ms, to_ms; /* to_ms REPORT_UNKNOWN_MS: not seen enabled in the events */
	bool estimated; /* from the step's own count, not from the moments themselves */
};

struct report_member {
	char name[GROUP_NAME_BYTES];
	char trouble[VIEW_SENTENCE_BYTES]; /* "": it answered everything */
	bool seen;              /* there is a state */
	bool forbidden;
	struct view_state state;
	char started[VIEW_TIME_BYTES]; /* of its agent */
	int64_t skew_ms;        /* its clock minus ours; of use when seen */
	bool know_skew;
	int64_t gone_before;    /* events below this number are not there any more, and may have been of the run; 0 */
	unsigned dropped;       /* events beyond REPORT_EVENTS_MAX */
	struct report_event **events; /* of the run, or while it went on here */
	unsigned event_count, event_room;
	unsigned own_count;     /* of these, with the run's id */
	bool inside;            /* the reader stands within the run */
	struct report_bar bars[REPORT_BARS_MAX];
	unsigned bar_count;
	struct report_outage outages[REPORT_OUTAGES_MAX];
	unsigned outage_count;
	int64_t disabled_ms;    /* in all */
	const struct report_event *peering_before, *peering_after; /* NULL: not told */
	bool granted; /* it holds the run's grant, by the last word about it */
};

enum report_outcome { REPORT_NOT_KNOWN, REPORT_UNDER_WAY, REPORT_NOTHING_FLUSHED, REPORT_INCOMPLETE, REPORT_DONE };

struct report_model {
	char run[VIEW_RUN_BYTES], group[CONFIG_NAME_BYTES];
	int64_t made_ms;
	unsigned count;
	struct report_member members[GROUP_MEMBERS_MAX];
	struct plan plan;       /* count 0: not known */
	int64_t from_ms, to_ms; /* first and last event of the run; REPORT_UNKNOWN_MS: there is none */
	int64_t outage_from_ms, outage_to_ms, outage_ms; /* some member was disabled: from, to, and for how long in all; from REPORT_UNKNOWN_MS: never */
	unsigned outage_members; /* at once, at most */
	bool outage_open;       /* one has no seen end */
	enum report_outcome outcome;
	char manager[REPORT_MANAGER_BYTES]; /* what API Manager says of the catalogs at the time of the report; "": it was not asked */
};

/* Large: static memory. MADE_MS: now, as the wall clock of this machine. */
void report_model_init(struct report_model *model, const char *group, const char *run, int64_t made_ms);
void report_model_free(struct report_model *model);

/* The next member; NAME as in group.conf. */
struct report_member *report_model_add(struct report_model *model, const char *name);
/* What GET /v1/state said at ASKED_MS (this machine's wall clock), behind the events: it is the last word. False: not what this version expects. */
bool report_model_take_state(struct report_member *member, const struct report_model *model, const struct json *state, int64_t asked_ms);
/* One page of GET /v1/events, in order. The number to ask for next goes to *AFTER. 1: there is more; 0: that was all; -1: not what this version expects. */
int report_model_take_events(struct report_member *member, const struct report_model *model, const struct json *page, int64_t *after);
/* After all: bars, outages, outcome. */
void report_model_finish(struct report_model *model);

/* The run is known to somebody. */
bool report_model_is_known(const struct report_model *model);
const char *report_outcome_name(enum report_outcome outcome);
const char *report_outcome_sentence(enum report_outcome outcome);
const char *report_state_name(enum view_step_state state);

/* Somebody asked for something (grant, step, hold), or gave something back; for the list of who wanted what. */
bool report_event_is_ask(const struct report_event *event);

struct report_row { /* of a peering table as an event tells it */
	char primary[16], link[16], offset[24], pending[24], priority[24], address[VIEW_TEXT_BYTES]; /* "": not told */
};
/* How many; 0 for NULL. */
unsigned report_read_rows(const struct report_event *event, struct report_row rows[REPORT_ROWS_MAX]);

#endif
