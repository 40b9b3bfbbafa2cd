/* daemon.h - inside the engine process: one thread, one loop, one thing done to the appliance at a time.
 *
 *   daemon.c   the loop, the two channels, starting and ending
 *   api.c      a request of the front to an answer: who may ask what
 *   steps.c    grants, holds, the step under way, recovery
 *   trace.c    what is said to the appliance and what it answers, as events
 *   looks.c    facts asked of the appliance between steps, for a state or for an audit
 *   watcher.c  the log, between and during steps
 *   over.c     the watchdog: what it hears, what it wishes, its one action
 *   over_job.c programs that the supervisor starts for it
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
#include "watch/watchdog.h"

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
	DAEMON_OWN_REQUEST = 0,        /* the number of a request that the front did not send: the watchdog's */
	OVER_NOTES_MAX = 16,           /* notifications that wait; then the oldest goes */
};

#define DAEMON_OWN_NAME "(watchdog)" /* who asks then: as no certificate is called */

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
	struct mono read_up_at;  /* when there was nothing more to read the last time */
	bool behind;             /* there may be more since */
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

enum over_job_kind { OVER_STATUS, OVER_NUDGE, OVER_RUN, OVER_NOTIFY, OVER_JOB_COUNT };

struct over_job {
	bool running;
	uint32_t number; /* of its FRAME_START; 0: an engine before this one has started it */
	int fd;          /* what it prints; -1: nothing more */
	char *text;      /* its last SIZE bytes; may be NULL */
	size_t bytes, size;
};

/* The watchdog's own bounce: requests that may be repeated, so that a restarted engine begins again at the first. */
enum over_stage { OVER_GRANT, OVER_BOUNCE, OVER_RELEASE, OVER_END };

struct over {
	struct watchdog dog;
	struct mono looked_at;   /* when the look under way began */
	bool fed;                /* it has heard something, and was not asked yet what it wishes */
	bool wants_look, wants_group, unsaved, unsaved_told;
	struct mono group_at, save_at, act_at; /* not before */
	bool bouncing;           /* its own bounce is not over */
	enum over_stage stage;
	char run[WATCHDOG_RUN_BYTES]; /* its */
	int refused;             /* the exit code where a request of that bounce was refused; 0: none was */
	int reply;               /* HTTP's status of its last request */
	char word[WATCHDOG_SENTENCE_BYTES]; /* why it was refused */
	struct over_job jobs[OVER_JOB_COUNT];
	uint32_t job_number;     /* of the last one */
	char *notes[OVER_NOTES_MAX]; /* JSON text */
	unsigned note_first, note_count;
	uint64_t notes_sent, notes_failed, notes_dropped;
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
	struct over over;
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
/* The watchdog's: it may what an operator may. The answer comes to over_take_reply(). BODY NULL: none. */
void api_own_request(struct daemon *d, const char *method, const char *target, const char *body);
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
/* The exit code of a step that is over, and its sentence (foreign text may be in it). -1: never heard of; *SENTENCE stays. */
int step_exit(const struct daemon *d, const char *run, int op, const char **sentence);
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
/* How long there has been something that was not read, as far as is known: 0 all is read; -1 nobody watches now. */
int64_t watcher_lag_ms(const struct daemon *d);
void watcher_close(struct daemon *d);
/* A line that a run read. */
void watcher_take_line(void *context, const char *bytes, size_t length);

/* ---- over.c */
/* Remembers, and takes up what an engine before this one left under way. After the journal and the events were opened. */
void over_open(struct daemon *d);
void over_close(struct daemon *d);
/* The configuration is another one. */
void over_reload(struct daemon *d);
/* A look has ended. WHY: NULL where all that is needed was answered. */
void over_take_look(struct daemon *d, const struct error *why);
void over_take_line(struct daemon *d, enum line_event event);
void over_take_reply(struct daemon *d, int status, const char *body);
/* `drrctl status` has printed TEXT. */
void over_take_status(struct daemon *d, int exit_code, const char *text, size_t bytes, const char *said);
/* Another job has ended, or was not started (FRAME_NOT_STARTED); WORD is its last. */
void over_take_job(struct daemon *d, enum over_job_kind kind, int status, const char *word);
/* Asks what it wishes, and does it. */
void over_turn(struct daemon *d);
struct mono over_deadline(const struct daemon *d);
/* Whether RUN is its own bounce: of this member alone, and without a flush. */
bool over_owns(const struct daemon *d, const char *run);

/* ---- over_job.c */
void job_open_all(struct daemon *d);
void job_close_all(struct daemon *d);
/* INPUT: what the job gets to read; NULL: nothing. None of that kind may run. */
void job_start(struct daemon *d, enum over_job_kind kind, const char *argument, const char *input);
void job_finished(struct daemon *d, const struct frame *frame);
void job_read_all(struct daemon *d);
unsigned job_poll(const struct daemon *d, struct pollfd *fds);
void note_add(struct daemon *d, const struct watchdog_news *news);
/* Sends the next one. */
void note_turn(struct daemon *d);

/* ---- metrics.c */
/* Without the last line, "# EOF". The caller frees it. */
char *metrics_text(struct daemon *d);

#endif
