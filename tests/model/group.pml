/* group.pml - three members, two coordinators, and a network between them that loses, repeats and delays what is sent.
 *
 * One member is simpler here than in member.pml (a step is intent, effect, outcome; a restart enables and closes the journal), the group is
 * whole. The plan is part of the run: flush on the member of the plan, then bounce 0, 1, 2; a member refuses what is not for the run that holds its
 * grant, does each step of a run once, answers a repeated request with what it did, and remembers that a run was released. A coordinator goes on
 * when it has seen the step done, never because it sent something, and keeps nothing that the members could not give back.
 *
 * WHAT MAY HAPPEN (budgets below)
 *   LOSSES, COPIES, LATES  a request is lost, delivered twice, or overtaken by the next      CRASHES  a member's agent dies and restarts at any step
 *   DIES      the first coordinator dies at any point; the second drives the same run at the same time all along, or resumes it afterwards
 *   TOGETHER  all bounces at once, with MAX_UNAVAILABLE 3
 *   COMPETE   the second coordinator drives another run instead, with another plan (flush on member 1)
 *   MOVES     the primary moves by itself            REBOOTS  an appliance reboots in the middle: enabled, and loads what the store holds
 *   EVENTS    the management server's event meets a member that was not restarted since the flush: it answers 202, hides the loss, and may put
 *             something back into the store, so that the next one loads that and never waits. An event to a member that waits starts the
 *             re-synchronisation, which fills the store and reaches all that were restarted; it can come before all were bounced.
 *
 * PROPERTIES
 *   S1 at most one flush in flight, one for each run      S2 done only when primary right after the flush     S3 at most MAX_UNAVAILABLE disabled
 *   S4 done only if every member was restarted after the flush     S5 a member acts only for the run that holds its grant
 *   S6 done only if every member has its configuration back: an event accepted somewhere is no proof
 *   At the end of every execution (judge): L1 all enabled; L2 a group that was flushed was bounced whole; L3 no grant is left behind
 *   L4 (ltl) every execution has an end: nothing goes round in circles
 *
 * LEFT OUT: time; the store's loss by a reboot (member.pml has it); an unreachable member (refused before anything is changed); two coordinators that
 * both die (then the run waits for `drrctl resume`: grants do not expire).
 * BROKEN variants: MAJORITY, LEASE, NO_JOURNAL, NO_MEMORY, NO_GRANT, OTHER_ORDER, BLIND, FORGET_RELEASE, HELD_ONLY,
 * STOPS_AT_RELEASED, FIRST_ACCEPTED, EACH_WAITS, MOVED_STOPS.
 */
#ifndef LOSSES
#define LOSSES 1
#endif
#ifndef COPIES
#define COPIES 1
#endif
#ifndef LATES
#define LATES 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef MOVES
#define MOVES 0
#endif
#ifndef REBOOTS
#define REBOOTS 0
#endif
#ifndef EVENTS
#define EVENTS 1
#endif
#ifndef MAX_UNAVAILABLE
#define MAX_UNAVAILABLE 1
#endif

#define N 3
#define GRANT 1
#define FLUSH 2
#define BOUNCE 3
#define RELEASE 4
#define OLD 0     /* a member's configuration: as before the run */
#define WAITING 1 /* none: it waits for its registration */
#define BACK 2    /* whole again */
#define SCRAPS 3  /* what a stale member put back into the store */
#define EMPTY 0   /* the store */
#define FULL 1
#define PARTIAL 2
#define PLAN(id) (id - 1) /* the member that flushes; runs are 1 and 2, and bits in a set */

/* durable on the members */
byte grant[N], bounced[N], over[N]; /* the run that holds it; sets of runs: bounced here, released here */
byte flush[3];                      /* on the plan's member: 0 not yet, 1 intent, 2 done and still primary, 3 unknown, or the primary moved */
bool journal[N];                    /* a disable is open */
/* volatile */
chan request[N] = [2] of { byte, byte };
bool busy[N];
/* the appliances */
bool on[N] = true;
byte config[N] = OLD;
bool restarted[N] = true, waited[N];
byte primary = 0, store = FULL;
bool resynced, accepted;
/* the model's own */
byte down, in_flight, flushed[3], ended, losses = LOSSES, copies = COPIES, lates = LATES, crashes = CRASHES, moves = MOVES, reboots = REBOOTS, events = EVENTS;
bool dead;

inline start(k) {
  restarted[k] = true; waited[k] = false;
  if :: store == EMPTY -> config[k] = WAITING; waited[k] = true
     :: store == FULL -> if :: resynced -> config[k] = BACK :: !resynced -> config[k] = OLD fi
     :: store == PARTIAL -> config[k] = SCRAPS fi
}
inline enable(k) { atomic { if :: !on[k] -> on[k] = true; down--; start(k) :: on[k] fi } }
#define DIE if :: atomic { crashes > 0 -> crashes-- }; goto boot :: true fi

#define DIE_IN_FLIGHT if :: atomic { crashes > 0 -> crashes--; in_flight-- }; goto boot :: true fi

proctype member(byte i) {
  byte op, id;
boot:
#ifndef NO_JOURNAL
  if :: journal[i] -> enable(i); journal[i] = false :: !journal[i] fi;
#endif
  atomic { if :: i < 2 && flush[i + 1] == 1 -> flush[i + 1] = 3 :: else fi; busy[i] = false; op = 0; id = 0 }
end:
  do
  :: atomic { request[i]?op,id ->
       if :: op == GRANT -> if :: grant[i] == 0 && !(over[i] & id) -> grant[i] = id :: else fi; op = 0; id = 0; goto end
          :: op == RELEASE -> /* also of a grant that it never gave: then the request for it is still under way, and must be refused */
               if :: !(grant[i] == id && journal[i]) -> if :: grant[i] == id -> grant[i] = 0 :: else fi; over[i] = over[i] | id :: else fi;
#ifdef FORGET_RELEASE
               over[i] = 0;
#endif
               op = 0; id = 0; goto end
          :: else fi;
#ifndef NO_GRANT
       if :: grant[i] != id -> op = 0; id = 0; goto end :: else fi;
#endif
#ifndef NO_MEMORY
       if :: (op == FLUSH && flush[id] >= 2) || (op == BOUNCE && (bounced[i] & id)) -> op = 0; id = 0; goto end :: else fi;
#endif
       busy[i] = true }
     if
     :: op == FLUSH ->
          primary = i;
          DIE;
          atomic { if :: primary != i -> goto next :: primary == i -> flush[id] = 1 fi }
          DIE;
          atomic { in_flight++; assert(in_flight == 1); assert(grant[i] == id); flushed[id]++; assert(flushed[id] == 1);
            if :: primary == i -> store = EMPTY; resynced = false; accepted = false;
                    restarted[0] = false; restarted[1] = false; restarted[2] = false; waited[0] = false; waited[1] = false; waited[2] = false
               :: primary != i fi }
          DIE_IN_FLIGHT;
          atomic { in_flight--; flush[id] = (primary == i -> 2 : 3) }
     :: op == BOUNCE ->
          journal[i] = true;
          DIE;
          atomic { assert(grant[i] == id); if :: on[i] -> on[i] = false; down++; assert(down <= MAX_UNAVAILABLE) :: !on[i] fi }
          DIE;
          enable(i);
          DIE;
          atomic { journal[i] = false; bounced[i] = bounced[i] | id }
     fi;
next: atomic { busy[i] = false; op = 0; id = 0 }
  od
}

/* One request, and all that a network does to it. Not again while one is under way. */
#define QUIET(k, o) (!busy[k] && !(request[k]??[o,id]) && nfull(request[k]))
inline send(k, o) { atomic {
  if :: losses > 0 -> losses--
     :: nfull(request[k]) -> request[k]!o,id; if :: copies > 0 && nfull(request[k]) -> copies--; request[k]!o,id :: true fi fi } }
#ifdef DIES
#define MAYDIE if :: atomic { id == 1 && me == 0 && !dead -> dead = true; goto out } :: true fi;
#define DIE_WAITING :: atomic { id == 1 && me == 0 && !dead -> dead = true; goto out }
#else
#define MAYDIE
#define DIE_WAITING
#endif
#ifdef BLIND
#define FINISHED goto release
#define SEEN(seen, k, o) QUIET(k, o); send(k, o)
#else
/* Released already: the other coordinator came to the end of the run, but perhaps not to the end of releasing. */
#ifdef STOPS_AT_RELEASED
#define FINISHED goto out
#else
#define FINISHED goto release
#endif
#define SEEN(seen, k, o) do :: seen -> break :: !(seen) && (over[k] & id) -> FINISHED \
  :: !(seen) && !(over[k] & id) && QUIET(k, o) -> send(k, o) DIE_WAITING od
#endif
#if defined(FORGET_RELEASE) || defined(HELD_ONLY)
#define RELEASED(k) (grant[k] != id)
#else
#define RELEASED(k) (over[k] & id)
#endif
#ifdef OTHER_ORDER
#define AT(n) (me == 1 -> 2 - n : n)
#else
#define AT(n) n
#endif
#define ALL(x) (x[0] && x[1] && x[2])
#define ANY_OF(x) (x[0] || x[1] || x[2])

proctype coordinator(byte me, id) {
  byte n, k;
  bool done = true, mine = true;
  /* grants, from every member; another run's: give back what we have, nothing was changed */
  do
  :: atomic { n < N && grant[n] == id -> n++ }
  :: atomic { n < N && grant[n] != id && (over[n] & id) -> FINISHED }
  :: atomic { n < N && grant[n] != id && !(over[n] & id) && grant[n] != 0 -> mine = false; n++ }
  :: n < N && grant[n] == 0 && !(over[n] & id) && QUIET(n, GRANT) -> MAYDIE send(n, GRANT)
  :: atomic { n == N -> break }
  od;
#ifdef MAJORITY
  mine = mine || ((grant[0] == id) + (grant[1] == id) + (grant[2] == id) >= 2 && grant[PLAN(id)] == id);
#endif
  if :: !mine -> done = false; goto release :: mine fi;
  MAYDIE
  SEEN(flush[id] >= 2, PLAN(id), FLUSH);
  MAYDIE
  done = (flush[id] == 2);
#ifdef MOVED_STOPS
  if :: flush[id] == 3 -> goto release :: else fi;
#endif
#ifdef TOGETHER
  send(0, BOUNCE); send(1, BOUNCE); send(2, BOUNCE);
#endif
  n = 0;
  do
  :: n < N -> k = AT(n);
#if defined(MAJORITY) && !defined(NO_GRANT)
       if :: grant[k] != id -> n++; goto skipped :: else fi;
#endif
       SEEN(bounced[k] & id, k, BOUNCE); MAYDIE n++;
#if defined(MAJORITY) && !defined(NO_GRANT)
skipped: skip
#endif
  :: n == N -> break
  od;
  k = 0;
  /* done when a member that waited has got its configuration; if nobody waits, or it was not our flush, then incomplete */
#if defined(FIRST_ACCEPTED)
  if :: accepted :: !accepted && !ANY_OF(waited) -> done = false fi;
#elif defined(EACH_WAITS)
  if :: ALL(waited) && resynced :: !ALL(waited) -> done = false fi;
#else
  if :: resynced :: !resynced && !ANY_OF(waited) -> done = false fi;
#endif
  atomic {
    if :: done && !(over[0] & id) && !(over[1] & id) && !(over[2] & id) ->
            assert(ALL(restarted)); /* S4 */
            assert(config[0] == BACK && config[1] == BACK && config[2] == BACK) /* S6 */
       :: else fi
#ifdef EACH_WAITS
    assert(done || flush[id] != 2 || !resynced) /* truth the other way round: not "incomplete" when all is well */
#endif
  }
release:
  n = 0;
  do :: atomic { n < N && RELEASED(n) -> n++ } :: n < N && !RELEASED(n) && QUIET(n, RELEASE) -> MAYDIE send(n, RELEASE) :: n == N -> break od;
out: ended++
}

inline overtake(j) { byte a, b; request[j]?a,b; request[j]!a,b; a = 0; b = 0 }
active proctype world() {
  byte k;
end: do
  :: atomic { moves > 0 -> moves--; if :: primary = 0 :: primary = 1 :: primary = 2 fi }
  :: atomic { reboots > 0 -> reboots--; if :: k = 0 :: k = 1 :: k = 2 fi;
       if :: !on[k] -> on[k] = true; down-- :: on[k] fi; start(k);
       if :: primary == k -> primary = (k + 1) % N :: true fi; k = 0 }
  :: atomic { events > 0 && store == EMPTY -> if :: k = 0 :: k = 1 :: k = 2 fi;
       if :: on[k] && !restarted[k] -> events--; accepted = true; if :: store = PARTIAL :: true fi :: else fi; k = 0 }
  :: atomic { (on[0] && config[0] == WAITING) || (on[1] && config[1] == WAITING) || (on[2] && config[2] == WAITING) -> /* the heartbeat goes on */
       store = FULL; resynced = true; accepted = true;
       do :: k < N -> if :: restarted[k] -> config[k] = BACK :: !restarted[k] fi; k++ :: k == N -> k = 0; break od }
  :: atomic { lates > 0 && len(request[0]) == 2 -> lates--; overtake(0) }
  :: atomic { lates > 0 && len(request[1]) == 2 -> lates--; overtake(1) }
  :: atomic { lates > 0 && len(request[2]) == 2 -> lates--; overtake(2) }
#ifdef LEASE
  :: atomic { grant[1] != 0 && !journal[1] && lates > 0 -> lates--; grant[1] = 0 }
#endif
  od
}

#ifdef COMPETE
#define SECOND 2
#else
#define SECOND 1
#endif
init { atomic { run member(0); run member(1); run member(2); run coordinator(0, 1); run coordinator(1, SECOND) } }

/* Nothing can happen any more. */
active proctype judge() {
  timeout;
  assert(ended == 2);
  assert(on[0] && on[1] && on[2] && down == 0);              /* L1 */
#ifndef ABANDONED /* both hold only when somebody goes on with the run of a coordinator that died */
  assert(flushed[1] + flushed[2] == 0 || ALL(restarted));    /* L2 */
  assert(!ANY_OF(grant) && !ANY_OF(journal));                /* L3 */
#endif
  skip
}

#ifdef REACH /* must fail: the model does come to the end of a run that was crashed, lost, repeated and overtaken */
ltl reach { [] !(ended == 2 && losses == 0 && copies == 0 && lates == 0 && crashes == 0 && ALL(restarted) && resynced && flushed[1] == 1) }
#else
ltl L4 { <> [] (ended == 2) }
#endif
