/* table.h - the run as data: what each state does, and for every state and event the next state, the verdict and the sentence that the
 * operator reads. `drr-agent explain` prints it; the engine executes it; nothing decides beside it. Pure.
 *
 * Source: the procedure (primary, flush, bounce, confirm, await) and its properties S1-S6, L1, L2. */
#ifndef DRR_RUN_TABLE_H
#define DRR_RUN_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* Limits of a run that are not configured. */
enum {
	RUN_PRIMARY_LIMIT_MS = 60000,  /* from the first switch to "our row says primary"; a fail-over was seen to take 11 s */
	RUN_LOOK_LIMIT_MS = 60000,     /* to get an answer to a question in the middle of a run, reconnecting */
	RUN_UP_LIMIT_MS = 60000,       /* from "enabled" to "up" */
	RUN_RESCUE_LIMIT_MS = 600000,  /* how long we go on trying to enable a service that may be disabled */
	RUN_POLL_MS = 500,             /* between two looks at a state that is not there yet */
	RUN_RECONNECT_MIN_MS = 500,    /* first pause before a new connection; doubles */
	RUN_RECONNECT_MAX_MS = 8000,
};

enum run_state {
	RUN_PRECHECK,      /* look at everything; nothing is changed */
	RUN_PRIMARY,       /* switch the primary here */
	RUN_PRIMARY_WAIT,  /* see it in the table */
	RUN_FLUSH_CHECK,   /* still primary, right before */
	RUN_FLUSH,
	RUN_FLUSH_VERIFY,  /* still primary, right after */
	RUN_DISABLE,
	RUN_DISABLE_WAIT,  /* see it disabled */
	RUN_ENABLE,
	RUN_ENABLE_WAIT,   /* see it enabled and up */
	RUN_RESCUE,        /* something went wrong while the service may be disabled: enable, whatever it takes */
	RUN_RESCUE_WAIT,   /* see it enabled */
	RUN_CONFIRM,       /* the waiting line, newer than the mark */
	RUN_SECOND,        /* no line: other evidence? */
	RUN_TRIGGER,       /* the management server's next event is accepted */
	RUN_AWAIT,         /* a transaction completes, and then it is quiet */
	RUN_AFTER,         /* one more look: one primary, service enabled and up */
	RUN_OVER,
	RUN_STATE_COUNT
};

enum run_event {
	RUN_EV_DONE,        /* what the state is there for is so */
	RUN_EV_SKIP,        /* not among the steps asked for, or not needed */
	RUN_EV_REFUSED,     /* the precheck found a reason to decline; or the first intent of a disable cannot be journalled */
	RUN_EV_NOT_YET,     /* looked: not so yet */
	RUN_EV_NOT_PRIMARY, /* looked: this member is not the one primary */
	RUN_EV_ENABLED,     /* looked: enabled, but not up */
	RUN_EV_COMPLAINT,   /* the appliance answered with an error, or with something that cannot be read */
	RUN_EV_DENIED,      /* credentials, host key or rights */
	RUN_EV_NOT_SENT,    /* the session could not be had, or was lost, before the command left: nothing happened */
	RUN_EV_UNKNOWN,     /* the session was lost behind the command: it may have happened */
	RUN_EV_DEADLINE,    /* the state's time is over */
	RUN_EV_DISK,        /* the journal cannot be written */
	RUN_EV_STOP,        /* the operator or the system wants us to end */
	RUN_EV_LINE_WAITING, RUN_EV_LINE_ACCEPTED, RUN_EV_LINE_WORKING, RUN_EV_LINE_COMPLETED, RUN_EV_LINE_SETBACK,
	RUN_EV_QUIET,       /* completed, and nothing more for quiet_s */
	RUN_EVENT_COUNT
};

/* How a run ends. The exit code follows from it and from whether this run flushed (run_exit_code). */
enum run_verdict {
	RUN_GOES_ON = 0,
	RUN_DONE,
	RUN_REFUSED,
	RUN_FAILED,      /* 4, or 5 when flushed */
	RUN_DENIED,      /* 7, or 5 when flushed */
	RUN_UNREACHABLE, /* 8, or 5 when flushed */
	RUN_INCOMPLETE,  /* 5 */
	RUN_ACT_NOW,     /* 9 */
	RUN_VERDICT_COUNT
};

struct run_row {
	enum run_state state; /* RUN_STATE_COUNT: any state without a row of its own for this event */
	enum run_event event;
	enum run_state next;
	enum run_verdict verdict; /* not RUN_GOES_ON exactly when NEXT is RUN_OVER */
	bool quiet_row;           /* happens all the time: not worth a line of progress */
	const char *sentence;
};

/* The row for STATE and EVENT. Never NULL for STATE < RUN_OVER: the table is total. */
const struct run_row *run_row(enum run_state state, enum run_event event);

/* All rows, for `explain` and for tests. */
const struct run_row *run_rows(unsigned *count);

/* The stable name ("flush-check"), the step of contract.md that it belongs to ("flush"), and one sentence about what is done in it. */
const char *run_state_name(enum run_state state);
const char *run_state_step(enum run_state state);
const char *run_state_action(enum run_state state);
const char *run_event_name(enum run_event event);
const char *run_verdict_name(enum run_verdict verdict);

/* FLUSHED: this run's flush was accepted, or may have been. 0..9 of contract.md. */
int run_exit_code(enum run_verdict verdict, bool flushed);

/* Steps that can be asked for, in their order. */
enum run_steps {
	RUN_STEP_PRIMARY = 1, RUN_STEP_FLUSH = 2, RUN_STEP_BOUNCE = 4, RUN_STEP_CONFIRM = 8, RUN_STEP_AWAIT = 16,
	RUN_STEPS_ALL = 31
};

/* "primary,flush" to a set; 0 when TEXT has an unknown, empty or repeated word. */
unsigned run_steps_parse(const char *text);
/* "primary,flush"; OUT at least 40 bytes. Returns OUT. */
char *run_steps_format(unsigned steps, char out[40]);
/* Does a state run when STEPS are asked for? (An answer no raises RUN_EV_SKIP.) */
bool run_state_wanted(enum run_state state, unsigned steps);

#endif
