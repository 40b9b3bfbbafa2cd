/* view.h - what one agent says: GET /v1/state, a step, a refusal, read out of JSON into structs of fixed size. Pure. What is not there, or is longer than its field, is unknown: "" or -1.
 * All text is foreign: it is escaped where it is shown. */
#ifndef DRR_GROUP_VIEW_H
#define DRR_GROUP_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/problem.h"
#include "group/group_config.h"
#include "platform/json.h"

enum {
	VIEW_RUN_BYTES = 64,
	VIEW_TEXT_BYTES = 128,
	VIEW_PHASE_BYTES = 24, VIEW_SENTENCE_BYTES = 640,
	VIEW_TIME_BYTES = 32,
	VIEW_ROWS_MAX = 64, /* of the peering table, of the one object */
};

enum view_op { VIEW_PRECHECK, VIEW_PRIMARY, VIEW_FLUSH, VIEW_BOUNCE, VIEW_CONFIRM, VIEW_AWAIT, VIEW_OP_COUNT };

enum view_step_state { VIEW_STEP_NONE, VIEW_STEP_RUNNING, VIEW_STEP_DONE, VIEW_STEP_REFUSED, VIEW_STEP_FAILED };

struct view_step {
	enum view_step_state state;
	int exit;         /* as the exit codes of the programs */
	unsigned attempt; /* 1 for the first; 0: never tried */
	int64_t disabled_ms; /* bounce; -1: not known */
	char sentence[VIEW_SENTENCE_BYTES], next[ERROR_NEXT_MAX_BYTES], evidence[VIEW_SENTENCE_BYTES]; /* evidence: joined by " | " */
};

struct view_plan { /* part of the run: the same on every member */
	char primary[GROUP_NAME_BYTES];
	char order[GROUP_MEMBERS_MAX][GROUP_NAME_BYTES];
	unsigned count;
	unsigned max_unavailable;
};

struct view_grant {
	char run[VIEW_RUN_BYTES]; /* "": nobody's */
	struct view_plan plan;
	char since[VIEW_TIME_BYTES], by[GROUP_NAME_BYTES];
};

struct view_state {
	char name[GROUP_NAME_BYTES], address[VIEW_TEXT_BYTES];
	char firmware[VIEW_TEXT_BYTES], domain[VIEW_TEXT_BYTES], version[VIEW_TEXT_BYTES];
	int64_t uptime_s, collections, age_ms; /* -1: not known */
	char object[VIEW_TEXT_BYTES], primary_address[VIEW_TEXT_BYTES], persistence[VIEW_TEXT_BYTES];
	int64_t priority;                      /* its own; negative: not known */
	bool clock_known;
	int64_t appliance_ahead_ms;            /* with clock_known: its appliance's clock minus its own */
	int is_primary, quorum;                /* 0, 1; -1: not known */
	char rows[VIEW_ROWS_MAX][VIEW_TEXT_BYTES]; /* addresses in the table, of that object */
	int64_t priorities[VIEW_ROWS_MAX]; /* of these; negative: not known, or a stale member's */
	unsigned row_count;
	char admin_state[VIEW_TIME_BYTES], op_state[VIEW_TIME_BYTES];
	char last_event[VIEW_TIME_BYTES], last_event_time[VIEW_TIME_BYTES];
	bool journal_open;  /* a run of the agent's own, or a disable, is not finished */
	bool disable_open;  /* the service was disabled, and is not known to be enabled since */
	struct view_grant grant;
	char hold_owner[VIEW_TEXT_BYTES], hold_reason[VIEW_TEXT_BYTES], hold_until[VIEW_TIME_BYTES]; /* owner "": no hold */
	char run[VIEW_RUN_BYTES]; /* the last one; "": none */
	bool flush_done, flush_unknown, bounce_done, await_done;
	struct view_step steps[VIEW_OP_COUNT]; /* of that run */
	char step[VIEW_RUN_BYTES + 16]; /* the one under way: its id; "": none */
	char step_phase[VIEW_PHASE_BYTES]; /* ... how far it is; "": not told */
	char as_of[VIEW_TIME_BYTES];
};

/* "precheck", ...; never NULL. */
const char *view_op_name(enum view_op op);
/* VIEW_OP_COUNT: no such name. */
enum view_op view_op_by_name(const char *name);

/* False: not what this version expects of a state, a step (WANTED: member and step names must be there). */
bool view_read_state(const struct json *json, struct view_state *state);
bool view_read_step(const struct json *json, struct view_step *step);

/* The plan as the body of PUT /v1/grant. The caller frees. */
struct json *view_plan_json(const struct view_plan *plan);
bool view_plans_equal(const struct view_plan *a, const struct view_plan *b);

struct view_problem {
	enum problem_type type; /* PROBLEM_TYPE_COUNT: none that we know */
	char sentence[VIEW_SENTENCE_BYTES], next[ERROR_NEXT_MAX_BYTES];
	char holder[VIEW_RUN_BYTES]; /* grant-held: the other run; "" */
};

/* JSON may be NULL. */
void view_read_problem(const struct json *json, int http_status, struct view_problem *problem);

/* "2026-01-02T03:04:05.678Z" (milliseconds may be missing) as milliseconds since the epoch; -1: no such time. */
int64_t view_time_ms(const char *text);

#endif
