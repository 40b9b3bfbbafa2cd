/* daemon.h - inside the engine process: one thread, one loop, one thing done to the appliance at a time.
 *
 *   daemon.c   the loop, the two channels, starting and ending
 *   api.c      a request of the front to an answer: who may ask what
 *   steps.c    grants, holds, the step under way, recovery
 *   trace.c    what is said to the appliance and what it answers, as events
 *   looks.c    facts asked of the appliance between steps, for a state or for an audit
 *   watcher.c  the log, between and during steps
 *   metrics.c  OpenMetrics
 *
 * Whatever decides is in the journal before it is answered (run/journal.h). */
#ifndef DRR_ENGINE_DAEMON_H
#define DRR_ENGINE_DAEMON_H

#include "base/frame.h"
#include "base/problem.h"
#include "audit/audit.h"
#include "engine/asking.h"
#include "engine/events.h"
#include "engine/runner.h"
#include "engine/situation.h"
#include "front/routes.h"
#include "run/plan.h"

enum {
	DAEMON_WAITERS_MAX = 64,       /* requests that wait for something */
	DAEMON_LOOK_WAIT_MS = 20000,   /* how long a request waits for fresh facts; then it gets what is known, with its age */
	DAEMON_AUDIT_WAIT_MS = 60000,  /* how long a request waits for an audit: eight questions and two doors; less than the front waits */
	DAEMON_LOOK_PAUSE_MS = 5000,   /* after a look that failed, before the next: an appliance that is down is not hammered */
	DAEMON_LOOK_REST_MS = 1000,    /* after any look: however many ask, the appliance has other things to do */
	DAEMON_JOURNAL_SPARE_BYTES = 65536, /* of the journal, kept for what ends a step, a grant or a hold */
	DAEMON_LINK_IDLE_MS = 30000,   /* an idle session is closed after this */
	DAEMON_RESCUE_PAUSE_MS = 60000, /* after a rescue that did not succeed, before the next one */
	DAEMON_FRAMES_A_TURN = 16,
	DAEMON_LINES_A_TURN = 1000,
	WATCHER_TOLD_MAX = 64,         /* lines of meaning that are remembered, so that none is told twice */
	STEP_EVIDENCE_MAX = 24,
	STEP_EVIDENCE_BYTES = 512,
	TRACE_QUESTIONS_MAX = 96,      /* of a run: questions to the appliance whose answers become events; commands always do */
	TRACE_QUESTION_BYTES = 400,    /* of such an answer, and of that to a command: more is cut */
	TRACE_COMMAND_BYTES = 800,
	STEP_PRECHECK = JOURNAL_OP_COUNT, /* as an op: reads only, and is not in the journal */
};

/* For whoever is told that the journal cannot be written. */
#define DAEMON_BROKEN_NEXT "free or repair the file system of state_dir (df -h, df -i, dmesg), then restart the agent"

enum daemon_job { DAEMON_IDLE, DAEMON_LOOK, DAEMON_STEP, DAEMON_RECOVERY };

enum step_state { STEP_NONE, STEP_RUNNING, STEP_DONE, STEP_REFUSED, STEP_FAILED };

/* The step under way, or the last one: what the journal has no room for. */
struct step {
	enum step_state state;
	char run[JOURNAL_RUN_BYTES];
	int op; /* enum journal_op or STEP_PRECHECK */
	unsigned attempt;
	int exit_code;
	int64_t started_ms, ended_ms, disabled_ms; /* wall clock; disabled_ms -1: not a bounce */
	struct mono began;
	char sentence[2 * ERROR_WHAT_MAX_BYTES], next[ERROR_NEXT_MAX_BYTES];
	char phase[16]; /* what it does now */
	unsigned evidence_count, evidence_dropped;
	char evidence[STEP_EVIDENCE_MAX][STEP_EVIDENCE_BYTES];
	struct run_request request;
};

/* What was told of one run's conversation with the appliance (trace.c). */
struct trace {
	char run[JOURNAL_RUN_BYTES];
	uint32_t told[TRACE_QUESTIONS_MAX]; /* CRC-32 of a question and its answer */
	unsigned count;
	struct mono disabled_at; /* of the runner, as told; ms 0: not told */
	int64_t outage_ms;       /* likewise; -1 */
	struct mono table_at;    /* the peering table that was told last */
};

/* A request whose answer is not there yet. */
struct waiter {
	uint32_t number; /* 0: free */
	struct route route;
	struct mono until;
};

struct watcher {
	struct source *source;   /* NULL: not watching now (or no log is configured) */
	struct mark mark;        /* where to go on */
	bool have_mark;
	struct asking_event last;
	struct mono last_line_at;
	uint64_t lines, gaps;    /* since the start; GAPS without those of SOURCE */
	struct mono again_at;    /* when a source that could not be opened is tried again */
	int spool_fd;            /* syslog: what was heard is kept in a file that runs can read; -1 otherwise */
	uint64_t spool_bytes;
	bool told;               /* that the log cannot be read */
	uint32_t told_lines[WATCHER_TOLD_MAX]; /* CRC-32 of lines; 0 none */
	unsigned told_next;
};

struct daemon_counts {
	uint64_t steps[JOURNAL_OP_COUNT + 1][3]; /* by op and done, refused, failed */
	int64_t last_ms[JOURNAL_OP_COUNT + 1];   /* how long the last one took; 0 none yet */
	int64_t last_disabled_ms;                /* -1 none yet */
	uint64_t looks, looks_failed, recoveries;
};

struct daemon {
	struct config configs[2];      /* the one in use, and room for its successor */
	struct config *config;
	struct config run_config;      /* the same, with the spool as log where the source is syslog */
	struct loop loop;
	struct runner runner;
	struct events events;
	struct watcher watcher;
	struct step step;
	struct trace trace;
	struct waiter waiters[DAEMON_WAITERS_MAX];
	struct daemon_counts counts;
	int control_fd, front_fd;      /* -1: gone */
	int64_t started_ms;            /* wall clock */
	int64_t alive_every_ms;        /* 0: nobody wants to know */
	struct mono alive_at;
	enum daemon_job job;
	unsigned look_stage;
	bool look_audits;              /* the look under way is an audit's */
	struct error look_error;       /* of the last look; ERROR_NONE: it was answered */
	struct mono look_again_at, link_idle_at, recover_at;
	bool stopping, reload_wanted;
	bool unwritten;                /* the service was seen enabled again, and the journal could not be told */
	struct run_request recovery_request;
};

/* ---- daemon.c */
struct json;
/* Answers request NUMBER. BODY (NULL: none) and LOCATION (NULL: none) are copied. */
void daemon_reply(struct daemon *d, uint32_t number, int status, const char *type, const char *location, unsigned retry_s, const char *body);
/* TOP is freed. */
void daemon_reply_json(struct daemon *d, uint32_t number, int status, struct json *top);
void daemon_reply_problem(struct daemon *d, uint32_t number, enum problem_type type, const char *next, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* Stores an event (and logs it) and wakes those who wait for one. */
void daemon_tell(struct daemon *d, const struct event *event);

/* ---- api.c */
void api_request(struct daemon *d, const struct frame *frame);
/* An audit is over: answers those who wait for one. WHY: NULL where the appliance was asked; MEMBER is filled then. */
void api_answer_audits(struct daemon *d, const struct audit_member *member, const struct error *why);
/* Answers those whose wait is over. */
void api_serve_waiters(struct daemon *d);
struct mono api_deadline(const struct daemon *d);
/* This member's in the peering table; "" unknown. */
const char *api_member_address(const struct daemon *d);
/* What GET /v1/state says. The caller frees it. */
struct json *api_state(struct daemon *d);

/* ---- steps.c */
/* A step of RUN, which may be done now. OP: enum journal_op or STEP_PRECHECK; OVERRIDES: 1 << enum precheck_refusal; BY: who asks for it. */
void step_start(struct daemon *d, const char *run, int op, unsigned overrides, const char *by);
/* Drives the step or the recovery under way. */
void step_turn(struct daemon *d);
void step_begin_recovery(struct daemon *d);
/* By run and op: the present or last one, or what the journal knows. NULL: never heard of. The caller frees it. */
struct json *step_json(const struct daemon *d, const char *run, int op);
/* How many attempts at this step of this run there were, one under way included. Of a precheck only the last is remembered. */
unsigned step_attempts(const struct daemon *d, const char *run, int op);
bool step_is_over(const struct daemon *d, const char *run, int op);
/* "flush", "precheck". */
const char *step_op_name(int op);
/* -1: no such op. */
int step_op_by_name(const char *name);
/* Records in the journal. 0, or -1 and ERROR. */
int grant_take(struct daemon *d, const char *run, const struct plan *plan, const char *by, struct error *error);
int grant_release(struct daemon *d, const char *by, struct error *error);
int hold_set(struct daemon *d, const char *owner, const char *reason, int64_t until_ms, struct error *error);
int hold_lift(struct daemon *d, const char *by, struct error *error);
/* Whether the journal has room for another step or hold, and for their ends. */
bool journal_has_room(const struct daemon *d);
/* Something is under way, or the service may be disabled by us. */
bool journal_is_open(const struct daemon *d);

/* ---- trace.c */
/* From now on, until trace_end(), what the link says and hears becomes events of RUN. */
void trace_begin(struct daemon *d, const char *run);
/* After each turn: whether the service counts as disabled by now, or as enabled again. */
void trace_turn(struct daemon *d);
void trace_end(struct daemon *d);

/* ---- looks.c */
/* Begins a look unless something is under way, or the last one was just now. */
void look_want(struct daemon *d);
/* The same for an audit. */
void look_audit(struct daemon *d);
/* Drives the look under way. */
void look_turn(struct daemon *d);
struct pollfd look_poll(const struct daemon *d);
struct mono look_deadline(const struct daemon *d);
/* Gives it up: nobody waits for its answer now. */
void look_drop(struct daemon *d);

/* ---- watcher.c */
void watcher_open(struct daemon *d);
/* Hands the log over to a run, which opens it itself. */
void watcher_pause(struct daemon *d);
/* Goes on behind where the run stopped reading. */
void watcher_resume(struct daemon *d, const struct mark *mark);
void watcher_turn(struct daemon *d, struct mono now);
unsigned watcher_poll(const struct daemon *d, struct pollfd *fds);
struct mono watcher_deadline(const struct daemon *d);
void watcher_close(struct daemon *d);
/* A line that a run read. */
void watcher_take_line(void *context, const char *bytes, size_t length);

/* ---- metrics.c */
/* Without the last line, "# EOF". The caller frees it. */
char *metrics_text(struct daemon *d);

#endif
