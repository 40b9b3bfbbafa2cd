/* runner.h - inside the engine: one run being executed. runner.c owns the transitions, run_act.c what is done in each state and how an answer becomes an event,
 * run_look.c the precheck; the loop is run.c's in the foreground and daemon.c's in the daemon. */
#ifndef DRR_ENGINE_RUNNER_H
#define DRR_ENGINE_RUNNER_H

#include "engine/link.h"
#include "engine/logbook.h"
#include "engine/report.h"
#include "engine/run.h"
#include "engine/source.h"
#include "platform/loop.h"
#include "run/precheck.h"
#include "run/table.h"

enum {
	RUNNER_EVIDENCE_BYTES = 1024,
	RUNNER_STUNNED_MS = 15000,            /* a wait that ends this much late: the machine stood still */
	RUNNER_TICK_MS = 1000,                /* no wait of a run that acts is longer, or a standstill would look like a slow answer */
	RUNNER_HISTORY_BYTES = 4 * 1024 * 1024, /* how far back the precheck reads the log */
	RUNNER_LOOKS_BEFORE_AGAIN = 3,        /* looks after a command of unknown outcome before it is sent again */
	RUNNER_LOOKS_ENABLE = 10,             /* the same after an enable that was accepted, and yet the service stays disabled */
	RUNNER_LOOKS_SWITCH = 50,             /* the same after a switch that was accepted: 25 s; a fail-over was seen to take 11 s */
	RUNNER_LATE_MS = 10000,               /* how long a disable that got no answer may still arrive, at most */
	RUNNER_LOG_READY_MS = 120000,         /* how long the precheck waits for the first look at the log */
	RUNNER_LOG_LOOK_MS = 45000,           /* how long the bounce waits for the look right before it */
	RUNNER_SESSION_KEPT_MS = 600000,      /* a session is kept while the log is watched, for the last look; a longer wait gives it up */
	RUNNER_FDS_MAX = 1 + SOURCE_FDS_MAX,
	RUNNER_GO_ON = -1,
};

struct runner {
	const struct run_request *request;
	char run[JOURNAL_RUN_BYTES];
	source_line_function *on_line; /* hears every new line of the log; NULL: nobody does */
	void *on_line_context;
	struct source *source; /* NULL: no log */
	struct report report;

	enum run_state state;
	enum run_verdict verdict;
	const char *sentence;  /* of the row that ended the run */
	enum run_state previous; /* RUN_STATE_COUNT: none */
	struct mono state_since, step_since, deadline; /* of the phase; see run_act.c */
	struct mono start_at;     /* when WANTED may start */
	struct mono awake_at;     /* when this process was last seen at work */
	int wanted;               /* enum appliance_op to start, -1: none */
	int running;              /* the one under way, -1: none */
	int64_t pause_ms;         /* before the next new connection; doubles */
	int pending;              /* enum run_event to raise at once, -1: none */

	unsigned precheck_stage, precheck_retries;
	bool deciding;            /* the questions of the precheck are answered, the log's first look is awaited */
	bool arming;              /* in RUN_DISABLE: the look at the log right before the mark is awaited */
	struct mono log_until;    /* the limit of either */
	bool marked;              /* the source stands at this run's mark */
	bool log_trouble_told;
	bool foreign_told;
	char log_trouble[ERROR_WHAT_MAX_BYTES];
	uint64_t gaps_told;       /* how many gaps of the source were told */
	struct mono session_until;
	struct precheck_log log;
	struct precheck_result precheck;

	bool recovering;          /* the run is a rescue of what an earlier process left open */
	bool before_run;          /* ... in front of a run: its end is not the last line */
	bool flushed;             /* accepted or possible, by this run id */
	bool flush_unknown;
	bool bounced;             /* seen disabled, then seen enabled */
	bool outcome_unknown;     /* of the last command */
	unsigned looks;           /* since then */
	bool stop_wanted, stop_told;
	const char *stop_reason;
	struct mono disabled_at, quiet_at;
	bool work_open;           /* an event was accepted and no transaction completed since */
	unsigned transactions;
	bool seen_enabled;        /* since the last enable was sent: what happens to the service after that is not ours */
	int64_t outage_ms;        /* until then, since the first disable */
	struct mono late_until;   /* a disable without an answer may arrive until then */
	bool accepted_early;      /* an event was accepted before anybody waited for it */
	bool saw_waiting;         /* the waiting line came, since the last disable */
	char waiting_line[RUNNER_EVIDENCE_BYTES];
	char evidence[RUNNER_EVIDENCE_BYTES];
	char journal_trouble[ERROR_WHAT_MAX_BYTES];

	/* From here on: what outlives a run (runner_reset). */
	const struct config *config;
	struct loop loop; /* the foreground's */
	bool have_book;
	struct logbook book;
	struct link link;
};

/* ---- runner.c: one run, driven by a loop of somebody else's */

/* Forgets the run before; REQUEST must outlive this one. config, link and book stay. */
void runner_reset(struct runner *r, const struct run_request *request);
/* An id for a new run, of the time and a little chance. */
void runner_make_id(char run[JOURNAL_RUN_BYTES]);
/* What the journal says about this run already. */
void runner_adopt(struct runner *r);
/* May it be asked for, by what the journal says? 0, or -1 and ERROR_REFUSED. */
int runner_check_request(struct runner *r, struct error *error);
void runner_begin(struct runner *r);
/* Does all that can be done now. True: it is over (or the precheck of a dry run is done: then state is not RUN_OVER). */
bool runner_turn(struct runner *r);
/* What to wait for: fills up to RUNNER_FDS_MAX entries, returns how many; and the time at which to call runner_turn() in any case. */
unsigned runner_poll(const struct runner *r, struct pollfd *fds, struct mono *until);
/* After each wait that was to end at EXPECTED: notices that the machine stood still. It then finishes what is open and starts nothing new; watching a log is nothing new. */
void runner_woke(struct runner *r, struct mono expected, struct mono now);
/* Ends the run as soon as nothing is left disabled. REASON must outlive it. */
void runner_stop(struct runner *r, const char *reason);
/* Closes the journal's run, tells the last line. Returns the exit code. */
int runner_finish(struct runner *r);

/* The journal holds something open. True: the service may be disabled; turn until it is over, then call runner_end_recovery(). False: call that at once. */
bool runner_begin_recovery(struct runner *r);
/* Closes the journal, tells the result, returns the exit code. */
int runner_end_recovery(struct runner *r);

/* ---- run_act.c */

/* Prepares STATE, which was just entered from another one (or again): deadline, journal intent, operation, or a pending event. */
void runner_enter(struct runner *r, struct mono now);
/* The event (enum run_event) of a finished operation, whose link status is LINK_DONE or LINK_FAILED; or RUNNER_GO_ON: the state wants another
 * operation first. */
int runner_judge(struct runner *r, struct mono now);
/* A disable was sent and has no answer. */
void runner_expect_late(struct runner *r, struct mono now);
/* The event of the next new log line, or -1. */
int runner_read_log(struct runner *r, struct mono now);
/* Journals what a transition by EVENT out of STATE means. 0, or -1: the journal cannot be written. */
int runner_record(struct runner *r, enum run_state state, enum run_event event, const struct run_row *row);
bool runner_is_primary(const struct runner *r);
const char *runner_address(const struct runner *r);
bool runner_defers_stop(const struct runner *r);
bool runner_defers_deadline(const struct runner *r);
/* Whether new log lines are events now. */
bool runner_watches_log(const struct runner *r);
/* Whether the log source is to be driven now: for lines, or to get ready. */
bool runner_drives_log(const struct runner *r);
/* The log source is open and at work from the precheck on. */
void runner_open_log(struct runner *r);
/* The mark is taken (the log looked at right before, or that took too long): the disable may go out. */
void runner_arm(struct runner *r, struct mono now);
/* True when what DECIDING or ARMING waits for is over. */
bool runner_log_settled(struct runner *r, struct mono now);
void runner_evidence(struct runner *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- run_look.c */

/* Opens the log source and has it read what is there already, for the decision. */
void runner_open_history(struct runner *r);
/* The next operation of the precheck, or -1 when all are done. */
int runner_next_question(const struct runner *r);
/* All answers are there: reads the log's history, decides, reports what was found. */
enum run_event runner_decide(struct runner *r);

#endif
