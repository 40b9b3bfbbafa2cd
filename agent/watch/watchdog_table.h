/* watchdog_table.h - the watchdog as data: for every state and event the next state and the sentence that the operator reads; for every verdict the policies that act
 * on it and the command that helps. `drr-agent explain watchdog` prints it; watchdog.c does what it says. Pure. */
#ifndef DRR_WATCH_WATCHDOG_TABLE_H
#define DRR_WATCH_WATCHDOG_TABLE_H

#include "watch/watchdog.h"

enum watchdog_event {
	/* What a look finds: a restart, and then the first that is lacking. */
	WATCHDOG_EV_SILENT,    /* no answer */
	WATCHDOG_EV_RESTARTED, /* an uptime went back */
	WATCHDOG_EV_UNPEERED,  /* not one primary, or no quorum */
	WATCHDOG_EV_DOWN,      /* the service is disabled, or not up */
	WATCHDOG_EV_WAITS,     /* it waits for its registration, or lacks collections, and no event was accepted */
	WATCHDOG_EV_LACKS,     /* collections are lacking, or the transactions are not over */
	WATCHDOG_EV_WHOLE,     /* all is back */
	/* What follows from several. */
	WATCHDOG_EV_LONG,      /* out of reach for WATCHDOG_AWAY_S */
	WATCHDOG_EV_GAP,       /* it answers after less, and did not restart */
	WATCHDOG_EV_LOST,      /* collections lacking for WATCHDOG_LOST_S, and nothing explains it */
	/* Lines of the log. */
	WATCHDOG_EV_LINE_PEERING, WATCHDOG_EV_LINE_WAITING, WATCHDOG_EV_LINE_ACCEPTED, WATCHDOG_EV_LINE_SETBACK,
	WATCHDOG_EV_DEADLINE,  /* the state's time is over, and a fresh look has changed nothing */
	/* The action. */
	WATCHDOG_EV_BLOCKED,   /* another run's grant, a step under way here, or a hold */
	WATCHDOG_EV_FREE,      /* no longer */
	WATCHDOG_EV_BEGIN,
	WATCHDOG_EV_DONE, WATCHDOG_EV_FAILED,
	WATCHDOG_EV_BUSY,      /* it met another run, or a hold */
	WATCHDOG_EV_MISSED,    /* its end is not known, or says nothing about what is now */
	WATCHDOG_EVENT_COUNT
};

struct watchdog_row {
	enum watchdog_state state; /* WATCHDOG_STATE_COUNT: any state without a row of its own for this event */
	enum watchdog_event event;
	enum watchdog_state next;  /* WATCHDOG_STATE_COUNT: stays */
	const char *name;          /* of the news; NULL: nothing is told */
	bool notify;
	const char *sentence;
};

/* The row for STATE and EVENT; the table is total. */
const struct watchdog_row *watchdog_row(enum watchdog_state state, enum watchdog_event event);
const struct watchdog_row *watchdog_rows(unsigned *count);
const char *watchdog_event_name(enum watchdog_event event);

/* What is awaited or done in STATE, and the limit of that; what a verdict and a cause mean. */
const char *watchdog_state_action(enum watchdog_state state);
const char *watchdog_verdict_sentence(enum watchdog_verdict verdict);
const char *watchdog_cause_sentence(enum watchdog_cause cause);
/* The command that helps. */
const char *watchdog_verdict_next(enum watchdog_verdict verdict);
/* What a look finds as long as the verdict is right. */
enum watchdog_event watchdog_verdict_lack(enum watchdog_verdict verdict);
/* Whether POLICY acts on VERDICT. */
bool watchdog_acts(enum watchdog_policy policy, enum watchdog_verdict verdict);
/* The next command after an action with this exit code. */
const char *watchdog_exit_next(int exit_code);

/* Of watchdog.c for watchdog_keep.c: goes on from what was just read back. */
void watchdog_wake(struct watchdog *w, bool runs, const struct watchdog_time *now);

#endif
