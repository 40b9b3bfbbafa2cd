/* member.pml - one member's run: the table of agent/run/table.c, the engine around it, the journal, and all that can happen outside.
 *
 * WHAT COMES FROM WHERE
 *   transitions      table.pml, made by ./generate from `drr-agent explain --json`: all rows of agent/run/table.c, none written here
 *   enter()          engine/run_act.c runner_enter(): intents, what is skipped, the deadline
 *   operate()        engine/run_act.c runner_judge() and judge_*(): what a command or a look did, and the event that comes of it
 *   record()         engine/run_act.c record_command(), record_step(), seen_enabled(); run/journal.c apply_*(): what the journal then holds open
 *   recover, finish  engine/run.c recover_open(), close_open_run(), record_end(), refuse_request(), adopt_last_run()
 *
 * WHAT MAY HAPPEN, each a bounded number of times (the budgets below)
 *   TROUBLE   a session lost before or behind a command (done or not), an error text, a look that does not show it yet, an early deadline
 *   KILLS     kill -9 between any two of: intent on disk, effect, outcome on disk, next state; then `recover`, which can be killed as well
 *   STOPS     SIGTERM   DENIALS  password, right or host key refused   DISKS  the journal cannot be written, until the process ends
 *   OPERATOR  somebody disables the service by hand   REBOOTS  the appliance reboots: service enabled as saved, store lost (memory), log goes on
 *   MOVES     the primary comes or goes by itself   EVENTS  the management server calls, at any moment; the waiting line is late, twice, or never
 * After the budgets are spent, everything works: that is the fairness of L1 (an appliance that is unreachable for ever, exit 9, is not here).
 *
 * PROPERTIES
 *   no assertion: at most one flush for each run id; flush only when seen primary right before, with nothing in between; done only when seen
 *     primary right after; a disable leaves only with its intent on disk; we enable only what the journal says we disabled; a closed journal
 *     means: not disabled by us; exit codes (ended(), recovered()) are true
 *   L1  the agent ends, and the service is enabled, or it was the operator who disabled it last
 *
 * LEFT OUT: time (a deadline comes at any moment), the texts of the dialogue, --steps other than all and bounce,confirm,await, overrides, log
 * lines read again from the mark (`--steps confirm,await`), a log that cannot be read, torn records (unit tests, crash sweep). A command of a lost session is executed before
 * the next session looks, or never: LATE drops that assumption.
 *
 * BROKEN variants, each expected to fail by the list in ./run: what the program once did, found by this model and repaired (BROKEN_...),
 * and for the model's own sake NO_INTENT, EARLY_CLOSE, NO_RECOVER, FLUSH_AGAIN, NO_CHECK, ENABLE_ALWAYS.
 */
#include "table.pml"

#if COUNT_STATES != 18 || COUNT_EVENTS != 19 || COUNT_VERDICTS != 7
#error "agent/run/table.c has other states, events or verdicts than this model knows: teach it"
#endif

#ifndef TROUBLE
#define TROUBLE 2
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef STOPS
#define STOPS 0
#endif
#ifndef DENIALS
#define DENIALS 0
#endif
#ifndef DISKS
#define DISKS 0
#endif
#ifndef OPERATOR
#define OPERATOR 0
#endif
#ifndef REBOOTS
#define REBOOTS 0
#endif
#ifndef MOVES
#define MOVES 0
#endif
#ifndef EVENTS
#define EVENTS 1
#endif
#define LOOKS 2 /* RUNNER_LOOKS_BEFORE_AGAIN, made smaller */

/* ---- the appliance and its surroundings: the truth ---- */
#define NOBODY 0
#define US 1
#define SOMEBODY 2
#define LOADED 0     /* the service has a configuration */
#define WAITING 1    /* it has none and waits for its registration */
#define WORKING 2    /* an event is accepted, the re-synchronisation runs */
#define REGISTERED 3 /* ... and is complete */
bool on = true;              /* admin-state */
byte off_by = NOBODY;        /* who disabled it last */
bool primary;
bool store = true;           /* the peering store holds data */
byte service = LOADED;
bool line_due;               /* a waiting line that is not written yet */
chan lines = [4] of { byte };/* the log behind the mark */
bool late;                   /* LATE: a disable of a lost session that may still be executed */

/* ---- the journal: on disk ---- */
bool j_open, j_disable, j_disable_done, j_bounce, j_await, j_flush_ever;
byte j_flush;                /* 0 none or failed */
#define F_OPEN 1
#define F_DONE 2
#define F_UNKNOWN 3

/* ---- what only the model knows ---- */
byte flushes;                /* effects */
bool emptied;                /* the store was emptied since the run began: by our flush, or by a reboot */
bool restarted;              /* the service was restarted since */
bool registered;             /* and the service has got its configuration since (from the management server, or from the store that another start filled) */
bool checked;                /* a look showed this member primary, and nothing happened since */
bool verified;               /* ... and one after the flush */
bool last_waiting;           /* the newest line that was read says: waiting */
bool finished;

byte trouble = TROUBLE, kills = KILLS, stops = STOPS, denials = DENIALS, disks = DISKS, op = OPERATOR, reboots = REBOOTS, moves = MOVES, events = EVENTS;

inline log(x) { if :: nfull(lines) -> lines!x :: full(lines) fi }

/* The service starts: from the store, or, when that is empty, without a configuration. */
inline service_starts() {
  if :: emptied -> restarted = true :: else fi;
  if :: store -> service = LOADED
     :: !store -> service = WAITING; registered = false; if :: log(E_line_waiting) :: log(E_line_waiting); log(E_line_waiting) :: line_due = true :: true fi
  fi
}
inline appliance_disable(who) { if :: on -> on = false; off_by = who; assert(who != US || j_disable) :: !on fi } /* S: never without an intent on disk */
inline appliance_enable() { if :: !on -> on = true; off_by = NOBODY; service_starts() :: on fi }

active proctype world() {
  if :: primary = true :: primary = false fi;
end: do
  :: atomic { op > 0 -> op--; on = false; off_by = SOMEBODY }
  :: atomic { reboots > 0 -> reboots--; on = true; off_by = NOBODY;
       if :: store = false; emptied = true :: true fi; /* memory persistence, and nobody had a copy; or somebody had */
       service_starts() }
  :: atomic { moves > 0 -> moves--; primary = !primary; checked = false }
  :: atomic { line_due -> line_due = false; log(E_line_waiting) }
  :: atomic { events > 0 && on -> events--;
       if :: service == WAITING -> service = WORKING; log(E_line_accepted); if :: log(E_line_setback) :: true fi
          :: service == LOADED || service == REGISTERED -> log(E_line_accepted); log(E_line_completed); /* 202: it knows of no loss */
             if :: store = true :: true fi
          :: else fi }
  :: atomic { service == WORKING && on -> service = REGISTERED; registered = restarted; store = true; log(E_line_completed) }
#ifdef LATE
  :: atomic { late -> late = false; appliance_disable(US) }
#endif
  od
}

/* ---- the agent ---- */
#define RUN 0     /* drr-agent run */
#define RESUME 1  /* drr-agent run --run ID --steps bounce,confirm,await */
#define RECOVER 2 /* drr-agent recover */
byte mode = RUN, st, ev, verdict, before, code, looks, resumes = 1;
bool stays, flushed, flush_unknown, broken, unknown, forever, work_open, quiet_due, begun, sent, lost;

#define WRITE(S) if :: !broken && disks > 0 -> disks--; broken = true :: !broken -> S :: broken fi
#define LINK_TROUBLE trouble > 0 -> trouble--
#define DIE if :: kills > 0 -> atomic { kills--; mode = RECOVER }; goto boot :: true fi

/* E_...: a pending event that needs no operation; COUNT_EVENTS: none */
inline enter() {
  ev = COUNT_EVENTS;
  lost = broken;
  if
  :: st == S_primary && before != st && primary -> ev = E_skip /* mode RESUME does not come here: see table_steps() */
  :: st == S_primary && (before == st || !primary) -> WRITE(skip)
  :: st == S_flush -> WRITE(j_flush = F_OPEN; j_flush_ever = true; j_disable_done = false; j_bounce = false; j_await = false)
  :: st == S_disable ->
#ifndef NO_INTENT
       WRITE(j_disable = true; j_disable_done = false; j_bounce = false; j_await = false);
#endif
       if :: !sent -> do :: nempty(lines) -> lines?_ :: empty(lines) -> break od :: sent fi /* the mark, before the first disable */
  :: st == S_enable || st == S_rescue -> WRITE(skip)
  :: else
  fi;
  if
#ifndef BROKEN_DISK_ENABLES
  :: broken && !lost && st == S_disable && !j_disable -> ev = E_refused /* no intent on disk, nothing was sent: there is nothing of ours to enable */
#endif
  :: else -> if :: broken && (!lost || st == S_confirm) && st != S_rescue -> ev = E_disk :: else fi
  fi
}

/* A command: what it does is DO; OK says whether the appliance takes it. */
#define COMMAND(DO) if :: DO; ev = E_done :: LINK_TROUBLE; ev = E_not_sent :: LINK_TROUBLE; ev = E_complaint \
  :: LINK_TROUBLE; DO; ev = E_unknown :: LINK_TROUBLE; ev = E_unknown :: denials > 0 -> denials--; ev = E_denied fi; \
  unknown = (ev == E_unknown); looks = 0
#define LOOK_TROUBLE LINK_TROUBLE; if :: ev = E_not_sent :: ev = E_complaint fi \
  :: denials > 0 -> denials--; ev = E_denied \
  :: trouble > 0 && !forever -> trouble--; ev = E_deadline

inline not_there(no) { /* a look that shows it is not so (yet) */
  if :: unknown && looks + 1 >= LOOKS -> ev = E_unknown
     :: unknown && looks + 1 < LOOKS -> looks++; ev = no
     :: !unknown && trouble > 0 -> trouble--; ev = no
     :: !unknown && trouble == 0 && !forever -> ev = E_deadline
     :: !unknown && trouble == 0 && forever -> ev = no /* for ever */
  fi
}

inline read_log(deadline_event) { /* watch the log: the next line, or no line in time */
  if
  :: nempty(lines) -> lines?ev;
       last_waiting = (ev == E_line_waiting || (last_waiting && ev != E_line_completed));
       if :: ev == E_line_accepted -> work_open = true; quiet_due = false
          :: ev == E_line_completed -> work_open = false; quiet_due = true
          :: ev == E_line_setback -> quiet_due = false
#ifndef BROKEN_WAITING_UNHEARD
          :: ev == E_line_waiting -> quiet_due = false; work_open = false /* a service that waits again is not quiet */
#endif
          :: else fi
  :: empty(lines) && st == S_await && quiet_due && !work_open -> ev = E_quiet
  :: empty(lines) -> ev = deadline_event
  fi
}

inline operate() {
  if
  :: stops > 0 && st != S_over -> stops--; ev = E_stop
  :: st == S_precheck -> if :: on -> ev = E_done :: ev = E_refused :: LINK_TROUBLE; if :: ev = E_not_sent :: ev = E_complaint fi
       :: denials > 0 -> denials--; ev = E_denied fi
  :: st == S_primary -> checked = false; COMMAND(if :: primary = true :: LINK_TROUBLE fi)
  :: st == S_primary_wait -> if :: primary -> ev = E_done :: !primary -> not_there(E_not_primary) :: LOOK_TROUBLE fi
  :: st == S_flush_check || st == S_flush_verify ->
       if :: primary -> ev = E_done; if :: st == S_flush_check -> checked = true :: else -> verified = true fi
          :: !primary -> ev = E_not_primary :: LOOK_TROUBLE fi
  :: st == S_flush ->
       if :: MOVES == 0 -> assert(checked) :: else fi; /* it may move behind the look: then verify, never promise */
       COMMAND(flushes++; assert(flushes <= 1); verified = false; checked = false;
               if :: primary -> store = false; emptied = true; restarted = false; registered = false :: else fi);
       if :: ev == E_done || ev == E_unknown -> flushed = true; flush_unknown = (ev == E_unknown) :: else fi
  :: st == S_disable ->
       if :: COMMAND(appliance_disable(US)); if :: ev != E_not_sent && ev != E_denied -> sent = true :: else fi
#ifdef LATE
          :: LINK_TROUBLE; late = true; sent = true; ev = E_deadline /* an answer that does not come must not hold up the enable */
#endif
          :: LINK_TROUBLE; ev = E_deadline; if :: appliance_disable(US); sent = true :: true fi fi
  :: st == S_disable_wait -> if :: !on -> ev = E_done :: on -> not_there(E_not_yet) :: LOOK_TROUBLE fi
  :: st == S_enable || st == S_rescue ->
       assert(on || j_disable);                       /* we enable only what our own journal says we disabled; to enable what is enabled is nothing */
       if :: COMMAND(appliance_enable()) :: LINK_TROUBLE; ev = E_deadline fi
  :: st == S_enable_wait || st == S_rescue_wait ->
       if
#ifdef BROKEN_LATE
       :: on -> WRITE(j_bounce = j_disable_done; j_disable = false);
#else
       :: on && late -> ev = E_not_yet                  /* a disable that got no answer may still arrive: nothing is closed before (RUNNER_LATE_MS) */
       :: on && !late -> WRITE(j_bounce = j_disable_done; j_disable = false);
#endif
            if :: st == S_enable_wait -> forever = true :: else fi;
            if :: ev = E_done :: LINK_TROUBLE; ev = E_enabled :: st == S_enable_wait && before == st -> ev = E_skip fi
#ifndef BROKEN_ENABLED_THEN_NOT
       :: !on && forever -> ev = E_skip                 /* it was seen enabled; who disables it after that is not us; "up" has a limit */
       :: !on && !forever -> not_there(E_not_yet)
#else
       :: !on -> not_there(E_not_yet)
#endif
       :: LOOK_TROUBLE
       fi
  :: st == S_confirm || st == S_trigger || st == S_await -> read_log(E_deadline)
  :: st == S_second_evidence -> if :: nempty(lines) -> read_log(E_deadline) :: !store -> ev = E_done :: store -> ev = E_not_yet :: LOOK_TROUBLE fi
  :: st == S_after -> if :: on -> ev = E_done :: !on -> not_there(E_not_yet) :: LOOK_TROUBLE fi
  fi
}

/* The records of a transition; a write that fails turns the event into E_disk. */
inline record() {
  lost = broken;
  if
  :: st == S_precheck && ev == E_done && mode != RECOVER -> WRITE(j_open = true; begun = true)
  :: st == S_primary && ev != E_skip && ev != E_disk -> WRITE(skip)
  :: st == S_flush && ev == E_done -> WRITE(j_flush = F_DONE)
  :: st == S_flush && ev == E_unknown -> WRITE(j_flush = F_UNKNOWN)
  :: st == S_flush && ev != E_done && ev != E_unknown && ev != E_disk -> WRITE(j_flush = 0)
  :: st == S_disable && ev != E_done && ev != E_disk -> WRITE(j_disable_done = false)
  :: st == S_disable_wait && ev == E_done -> WRITE(j_disable_done = true)
  :: st == S_await && ev == E_quiet -> WRITE(j_await = true)
  :: else
  fi;
  if :: broken && !lost -> ev = E_disk :: else fi
}

/* How a run ends: what the code promises to scripts (contract). */
inline ended() {
  exit_code();
  assert(code == 9 || on || off_by != US);                          /* all but 9: not disabled by us */
  assert(code != 0 || (emptied && restarted && (verified || mode == RESUME))); /* 0: flushed, bounced after it, */
#if REBOOTS == 0
  assert(code != 0 || registered);                                  /* registered after the bounce (a reboot right behind the last line: nobody can know), */
#endif
  assert(code != 0 || !last_waiting);                               /* and the log's last word is not: waiting */
  assert((code != 3 && code != 4 && code != 7 && code != 8) || flushes == 0 || (mode == RESUME && code == 3));
  if :: begun && !broken && !j_disable -> assert(on || off_by != US); j_open = false :: else fi
}

inline recovered() {
#ifdef BROKEN_RECOVER_CODES
  if :: broken -> code = 4 :: else -> code = (j_flush == 0 -> 4 : (j_await -> 0 : 5)) fi;
#else
  code = (j_flush == 0 -> 4 : (j_await -> 0 : 5)); /* what `recover` writes into the record END */
#endif
  assert(code != 4 || flushes == 0);                                /* 4: failed, nothing lasting changed */
  assert(on || off_by != US);
  if :: !j_disable && !broken -> j_open = false :: else fi
}

active proctype agent() {
boot:
  atomic { broken = false; unknown = false; looks = 0; sent = false; forever = false; begun = false; work_open = false; quiet_due = false;
    flush_unknown = false; last_waiting = false; before = COUNT_STATES; verdict = V_goes_on; flushed = (j_flush != 0);
    st = (mode == RECOVER -> S_rescue_wait : S_precheck);
    checked = false }
#ifdef NO_RECOVER
  if :: mode == RECOVER -> goto done :: else fi;
#endif
  if
  :: atomic { mode == RECOVER && !j_open && !j_disable -> goto next }
  :: atomic { mode == RECOVER && (j_open || j_disable) -> if :: j_flush == F_OPEN -> WRITE(j_flush = F_UNKNOWN) :: else fi; unknown = true; looks = LOOKS };
     DIE;
#ifndef ENABLE_ALWAYS
     if :: !j_disable -> atomic { recovered(); goto next } :: j_disable fi
#endif
  :: mode != RECOVER
  fi;
#ifdef EARLY_CLOSE
  if :: mode == RECOVER -> j_disable = false :: else fi;
#endif
loop:
  atomic { enter() }
  DIE;
  atomic { if :: ev == COUNT_EVENTS -> operate() :: else fi }
  DIE;
  atomic { record();
    before = st;
    table();
    if :: stays -> before = st :: else fi;
#ifdef BROKEN_WAITING_UNHEARD
    if :: before == S_await && ev == E_line_waiting -> st = S_await :: else fi;
#endif
#ifdef FLUSH_AGAIN
    if :: before == S_flush_verify && st == S_disable && flush_unknown -> st = S_flush_check :: else fi;
#endif
#ifdef NO_CHECK
    if :: st == S_flush_check -> st = S_flush :: else fi;
#endif
    if :: mode == RESUME && st == S_primary -> st = S_disable :: else fi; /* the rows with E_skip, taken together */
    if :: before == S_disable_wait && st == S_enable || st == S_rescue && before != S_rescue && before != S_rescue_wait -> forever = false :: else fi
  }
  DIE;
  if :: st != S_over -> goto loop :: st == S_over fi;
  if
  :: atomic { mode == RECOVER && verdict != V_act_now -> recovered() }
  :: atomic { mode == RECOVER && verdict == V_act_now }
  :: atomic { mode != RECOVER -> ended() }
  fi;
  DIE;
next:
  /* ExecStopPost, or whoever reads exit 9: recover, until nothing is open. Then the command that the last line named, once. */
  if
  :: atomic { mode != RECOVER || j_open || j_disable -> mode = RECOVER; goto boot }
  :: atomic { mode == RECOVER && !j_open && !j_disable && resumes > 0 && j_flush != 0 && !j_await -> resumes--; mode = RESUME; goto boot }
  :: atomic { mode == RECOVER && !j_open && !j_disable && resumes > 0 && !j_flush_ever -> resumes--; mode = RUN; goto boot } /* the same id again */
  :: atomic { mode == RECOVER && !j_open && !j_disable }
  fi;
done: finished = true
}

#ifdef REACH /* must fail: the model does come to a killed run that is resumed and completes */
ltl reach { [] !(finished && kills == 0 && trouble == 0 && code == 0 && flushes == 1 && registered && resumes == 0) }
#else
ltl L1 { <> [] (finished && (on || off_by != US)) }
#endif
