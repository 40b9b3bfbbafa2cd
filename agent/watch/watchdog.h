/* watchdog.h - what has happened to the appliance, how its recovery goes, and what is to be done about it. Pure: facts and times in, sentences and wishes out; it
 * opens, sends and sleeps nothing. A table over (state, event) decides, `drr-agent explain watchdog` prints it, and nothing decides beside it.
 *
 * An episode begins when something says that the appliance, or its peering, has restarted, or when it cannot be reached; it ends when all is back, or stays at a
 * verdict until the facts change. One action at most for each episode, and its intent is on disk before it begins (watchdog_save). A second restart begins a new one.
 *
 * A restart is an uptime that went back, or one that is younger than the last look at it; by boot_ms, across a boot of this host by wall_ms less
 * WATCHDOG_CLOCK_STEP_S. An appliance whose clock stood still for WATCHDOG_STUN_S did not restart. Lines that say so begin an episode at once, and belong to the restart that the next look finds.
 * Others at work (another run's grant, an open step here): what the log says then is their doing; what is so when they have ended is judged. Nothing is acted on before that.
 * Fewer collections are no loss where the log tells of events and transactions.
 *
 * Source: the procedure's page on the watchdog; the codes are those of watch/line.h. */
#ifndef DRR_WATCH_WATCHDOG_H
#define DRR_WATCH_WATCHDOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "watch/line.h"

enum {
	WATCHDOG_ANSWER_LIMIT_S = 900,     /* an appliance that restarts answers again within this */
	WATCHDOG_AWAY_S = 60,              /* out of reach for longer than this is told; a shorter gap without a restart is none */
	WATCHDOG_LOOK_RECOVER_MS = 5000,   /* between two looks while something is awaited */
	WATCHDOG_LOOK_VERDICT_MS = 60000,  /* and while a verdict stands */
	WATCHDOG_LOOK_STEADY_MS = 60000,   /* and when all is well, where the log does not come by itself (source xmi, cli, none) */
	WATCHDOG_FIRST_LOOK_MS = 2000,     /* after the engine's start */
	WATCHDOG_ACT_LIMIT_S = 4 * 3600,   /* an action whose end is not heard of within this counts as ended, how is not known */
	WATCHDOG_KEEP_EVERY_S = 3600,      /* facts that only grew older are written again after this */
	WATCHDOG_TRIES_MAX = 3,            /* actions of one episode that ended with 6 (another run or a hold); then it is told and left to people */
	WATCHDOG_RETRY_S = 60,             /* behind such an end at least, and up to as much again, by the member's name: so that members that met do not meet again */
	WATCHDOG_LOST_S = 120,             /* collections are fewer for so long, and no line explains it: lost */
	WATCHDOG_EXPLAINED_S = 120,        /* a completed transaction explains what is seen within this */
	WATCHDOG_QUIET_MS = 10000,         /* a look comes so long after the last completed transaction; all must be well for so long before an episode ends */
	WATCHDOG_LATE_MS = 15000,          /* lines that others at work caused may be read so long after they have ended */
	WATCHDOG_WAKE_MS = 30000,          /* what is awaited has at least this left after a stop of this host or the engine's start: the log must be read first */
	WATCHDOG_LOOK_LOST_MS = 60000,     /* a look without an answer, not even one in vain, is asked for again */
	WATCHDOG_GROUP_LIMIT_S = 75,       /* the answer to a question for the group */
	WATCHDOG_GROUP_EVERY_S = 300,      /* it is asked again while a verdict rests on it */
	WATCHDOG_ROUNDING_S = 2,           /* two uptimes differ by less than this: they do not differ */
	WATCHDOG_STUN_S = 120,             /* an appliance's uptime may stand still for so long (a stunned virtual machine) */
	WATCHDOG_CLOCK_STEP_S = 3600,      /* the wall clock may have been put forward by this across a boot of this host */
	WATCHDOG_RUN_BYTES = 64,           /* JOURNAL_RUN_BYTES */
	WATCHDOG_NAME_BYTES = 128,
	WATCHDOG_SENTENCE_BYTES = 512,
	WATCHDOG_NEXT_BYTES = 256,
	WATCHDOG_EVIDENCE_BYTES = 512,
	WATCHDOG_BOOT_BYTES = 40,          /* a boot id of Linux and its NUL */
	WATCHDOG_KEPT_MAX_BYTES = 2560,    /* of what watchdog_save() writes */
};

enum watchdog_policy { WATCHDOG_OBSERVE, WATCHDOG_NUDGE, WATCHDOG_BOUNCE, WATCHDOG_RUN }; /* = enum config_on_reboot */

enum watchdog_state {
	WATCHDOG_STEADY,     /* nothing is known to be wrong */
	WATCHDOG_AWAY,       /* the management interfaces do not answer */
	WATCHDOG_PEERING,    /* they do again; one primary and quorum are awaited */
	WATCHDOG_SERVICE,    /* enabled and up is awaited */
	WATCHDOG_EVENT,      /* the service waits for registration; an accepted event is awaited */
	WATCHDOG_CONFIG,     /* accepted (or never lost): the collections are awaited */
	WATCHDOG_STANDBACK,  /* a verdict that calls for an action, but another run holds a grant, or a hold is set: first that must end */
	WATCHDOG_ACTING,     /* the one action of this episode is under way */
	WATCHDOG_VERDICT,    /* it did not come back, and the watchdog has nothing left to do; it looks on */
	WATCHDOG_STATE_COUNT
};

enum watchdog_cause { /* of an episode; what was noticed first */
	WATCHDOG_CAUSE_NONE,
	WATCHDOG_CAUSE_REBOOT,   /* uptime since reboot went back */
	WATCHDOG_CAUSE_RELOAD,   /* uptime since reload went back */
	WATCHDOG_CAUSE_PEERING,  /* 0x80e0085f, 0x80e00860 */
	WATCHDOG_CAUSE_WAITING,  /* 0x88e000d7 that no step of ours and no grant explains */
	WATCHDOG_CAUSE_LOST,     /* the collections are fewer than they were, and no step of ours and no grant explains it */
	WATCHDOG_CAUSE_AWAY,     /* out of reach */
	WATCHDOG_CAUSE_FOUND,    /* a look found peering or service not as they should be, without a restart */
	WATCHDOG_CAUSE_COUNT
};

enum watchdog_verdict {
	WATCHDOG_NO_VERDICT,
	WATCHDOG_UNREACHABLE,      /* the interfaces do not answer */
	WATCHDOG_NO_PRIMARY,       /* the peering has none */
	WATCHDOG_SPLIT_PEERING,    /* it has several */
	WATCHDOG_NO_QUORUM,
	WATCHDOG_SERVICE_DISABLED, /* by somebody else: never touched */
	WATCHDOG_SERVICE_DOWN,     /* enabled, and not up */
	WATCHDOG_WAITS,            /* no event in time; what the others do is not known */
	WATCHDOG_WAITS_ALONE,      /* others of the group are registered */
	WATCHDOG_GROUP_WAITS,      /* every member waits, and an event was accepted somewhere, or their time is not over yet */
	WATCHDOG_SERVER_SILENT,    /* every member waits, and no event came to any of them in time: the management server does not call */
	WATCHDOG_NOT_BACK,         /* an event was accepted, the configuration did not come back in time */
	WATCHDOG_VERDICT_COUNT
};
/* The first six are never acted on: told, with the command that helps. The others call for the policy's action: nudge and run for each of them; bounce not for
 * SERVER_SILENT, where it would only take down a service that nobody registers. (A run makes the management server send an event, too.) */

struct watchdog_settings {
	enum watchdog_policy policy;
	unsigned heartbeat_s, slack_s, settle_s, await_s;
	bool pushes;    /* the log comes by itself (source file, syslog): no looks when all is well */
	bool has_log;   /* false: source none */
	bool has_group; /* group_file is set: the others can be asked */
};

struct watchdog_time {
	int64_t boot_ms; /* CLOCK_BOOTTIME; deadlines are counted in this */
	int64_t wall_ms; /* since the epoch; for people, and across a boot of this host */
	char boot_id[WATCHDOG_BOOT_BYTES];
};

enum watchdog_count { WATCHDOG_UNKNOWN, WATCHDOG_NONE, WATCHDOG_ONE, WATCHDOG_SEVERAL };
enum watchdog_tri { WATCHDOG_TRI_UNKNOWN, WATCHDOG_TRI_NO, WATCHDOG_TRI_YES };

/* One look at the appliance: complete, or in vain. */
struct watchdog_look {
	bool answered;
	char trouble[WATCHDOG_EVIDENCE_BYTES]; /* why not; escaped */
	int64_t uptime_reload_s, uptime_reboot_s; /* -1 unknown */
	enum watchdog_count primaries;
	char primary[WATCHDOG_NAME_BYTES]; /* its address; "" unknown */
	enum watchdog_tri quorum, enabled, up;
	int64_t collections; /* -1 unknown */
	bool memory;         /* the peering object's persistence is memory */
};

/* Who may act here now. */
struct watchdog_standing {
	char grant_run[WATCHDOG_RUN_BYTES], grant_by[WATCHDOG_NAME_BYTES]; /* "": no grant */
	char hold_owner[WATCHDOG_NAME_BYTES]; /* "": no hold */
	bool step;   /* a step or a recovery is under way here, or the journal is open */
	bool disabled_by_us; /* the journal holds an open disable */
};

/* What the others say (drrctl status). */
struct watchdog_group {
	bool known;
	unsigned members, waiting, registered, accepted; /* all of them, this one included; accepted: whose last event is an accepted one or later */
	bool overdue; /* every waiting one waits for longer than heartbeat_s + slack_s */
};

/* A sentence for the events, the log and the notification. */
struct watchdog_news {
	const char *name; /* of the event: restarted, peering-restarted, lost, away, gap, back, peering, service, waits, accepted, setback, config, recovered, verdict, standback, free, action, action-ended */
	char sentence[WATCHDOG_SENTENCE_BYTES], next[WATCHDOG_NEXT_BYTES], evidence[WATCHDOG_EVIDENCE_BYTES];
	bool notify;      /* worth waking somebody: begin and end of an episode, verdicts, actions */
};

/* What is wanted now. LOOK and GROUP are said once; a look that brings nothing, not even one in vain, is asked for again after WATCHDOG_LOOK_LOST_MS, the
 * group's answer is not waited for longer than WATCHDOG_GROUP_LIMIT_S. ACT is said in each turn until watchdog_begin(). */
struct watchdog_wish {
	bool look;        /* ask the appliance; then watchdog_take_look() */
	bool group;       /* ask the others; then watchdog_take_group() */
	bool act;         /* do POLICY's action under run id RUN: watchdog_begin(), watchdog_save() on disk, then begin it; then watchdog_take_end() */
	char run[WATCHDOG_RUN_BYTES]; /* wd-NAME-20261123T170000Z: letters, digits, - _ . (what the name has beside these becomes -) */
	bool save;        /* something worth keeping has changed */
};

struct watchdog; /* defined below; no pointer in it */

/* Begins without a memory. MEMBER: this member's name, for run ids. TELL is called, at once, whenever there is news. */
typedef void watchdog_tell(void *context, const struct watchdog_news *news);
void watchdog_init(struct watchdog *w, const struct watchdog_settings *settings, const char *member, watchdog_tell *tell, void *context, const struct watchdog_time *now);

/* A reload of the configuration: goes on with other settings. */
void watchdog_set(struct watchdog *w, const struct watchdog_settings *settings);

/* Text with a check sum that watchdog_restore() takes back, at most WATCHDOG_KEPT_MAX_BYTES. -1: OUT is too small. */
int watchdog_save(const struct watchdog *w, struct buf *out, const struct watchdog_time *now);
/* After watchdog_init(). False: TEXT is none of ours, or damaged; W is as it was. RUNS: the job of an action under way is still known to run (else its end counts as missed, and is told). */
bool watchdog_restore(struct watchdog *w, const char *text, size_t bytes, bool runs, const struct watchdog_time *now);

/* The facts. Each may tell news and change the state. */
void watchdog_take_look(struct watchdog *w, const struct watchdog_look *look, const struct watchdog_standing *standing, const struct watchdog_time *now);
/* A line of the log with a meaning. OURS: read by a step under way. */
void watchdog_take_line(struct watchdog *w, enum line_event event, bool ours, const struct watchdog_standing *standing, const struct watchdog_time *now);
void watchdog_take_group(struct watchdog *w, const struct watchdog_group *group, const struct watchdog_time *now);
/* The action begins now: intent; save it before doing it. */
void watchdog_begin(struct watchdog *w, const struct watchdog_time *now);
/* It has ended, with EXIT_CODE of the table in the contract (6: another run or a hold: it stands back, and says who; the episode's action is not used up then). SENTENCE: its last word. */
void watchdog_take_end(struct watchdog *w, int exit_code, const char *sentence, const struct watchdog_time *now);
/* Deadlines and grants: call it when watchdog_deadline() is reached, when STANDING has changed, and behind each watchdog_take_...(). */
struct watchdog_wish watchdog_turn(struct watchdog *w, const struct watchdog_standing *standing, const struct watchdog_time *now);
/* In boot_ms; INT64_MAX: nothing is awaited. */
int64_t watchdog_deadline(const struct watchdog *w);

/* For people and scripts: the state in a word ("steady", "away", ...), the verdict ("none", "unreachable", ...), the cause. Never NULL. */
const char *watchdog_state_name(enum watchdog_state state);
const char *watchdog_verdict_name(enum watchdog_verdict verdict);
const char *watchdog_cause_name(enum watchdog_cause cause);
const char *watchdog_policy_name(enum watchdog_policy policy);

/* What it knows. Read it; nobody but watchdog.c writes it. */
struct watchdog {
	struct watchdog_settings settings;
	char member[WATCHDOG_NAME_BYTES];
	watchdog_tell *tell;
	void *context;
	enum watchdog_state state;
	enum watchdog_cause cause;
	enum watchdog_verdict verdict;
	char sentence[WATCHDOG_SENTENCE_BYTES], next[WATCHDOG_NEXT_BYTES]; /* of the state, as last told */
	struct watchdog_time since;      /* the state's begin */
	struct watchdog_time episode;    /* its begin; wall_ms 0: none was yet */
	int64_t deadline_ms;             /* of the state, boot_ms; INT64_MAX none */
	int64_t look_at_ms;              /* the next look, boot_ms; INT64_MAX none */
	uint64_t restarts, actions, verdicts; /* since the memory began; kept on disk */
	int64_t action_wall_ms;          /* the last action's begin; 0 none */
	char action_run[WATCHDOG_RUN_BYTES];
	int action_exit;                 /* -1: under way, or not known */
	bool acted;                      /* this episode's action is used up */
	bool waiting, accepted;          /* in this episode: seen in the log */
	struct watchdog_look last;       /* the last one that was answered */
	struct watchdog_time last_at;    /* boot_ms 0: none yet */
	int64_t collections_before;      /* as last seen when all was well; -1 unknown */
	struct watchdog_group group;
	int64_t restart_wall_ms;         /* when the appliance last started, as far as it was seen; 0 never */
	struct watchdog_own {            /* what else watchdog.c needs; times in boot_ms, 0 none */
		int64_t deadlines_ms[WATCHDOG_STATE_COUNT]; /* of each state, as first entered in this episode */
		int64_t seen_ms;         /* the last call */
		int64_t waited_ms, accepted_ms, completed_ms; /* the last line of each kind */
		int64_t explained_ms;    /* until then transactions explain other collections */
		int64_t free_ms;         /* until then lines are explained by others that have ended */
		int64_t doubt_ms;        /* since then collections are fewer, and nothing explains it */
		int64_t whole_ms;        /* since then all looks well */
		int64_t retry_ms;        /* no action before */
		int64_t group_ms;        /* the group was asked, or its answer came */
		int64_t group_until_ms;  /* until then members whose time is not over are waited for */
		int64_t looked_ms;       /* the last look that was answered, since the engine's start */
		int64_t want_ms;         /* a look beside the usual ones; INT64_MAX none */
		int64_t kept_ms;         /* watchdog_save() was last wished for */
		unsigned tries;
		uint32_t blocker;        /* check sum of who was last told to be in the way; 0 nobody */
		enum watchdog_verdict told;  /* last, in this episode */
		bool restarted;          /* in this episode, seen by an uptime */
		bool again;              /* ... while an action was under way */
		bool completed;          /* no other line since */
		bool renewed;            /* after a verdict or an action: what transactions bring from now on is what the management server has */
		bool blind;              /* lines may have been missed: the engine was down */
		bool away_told, looking, at_work, granted, ask_group, asked_group, aged, changed;
		char trouble[WATCHDOG_EVIDENCE_BYTES]; /* why the last look was in vain */
		char run[WATCHDOG_RUN_BYTES];  /* the next action's */
		char other_run[WATCHDOG_RUN_BYTES], other_by[WATCHDOG_NAME_BYTES]; /* of another's grant in this episode */
	} own;
};

#endif
