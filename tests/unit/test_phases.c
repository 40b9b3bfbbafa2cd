/* agent/group/phases: the protocol against simulated members in simulated time. The members keep grants and steps as the agents do (drr.md, the HTTPS interface); requests and
 * answers may be late, lost or come twice; coordinators die at every point and are resumed, or drive one run together; members fail, crash in the middle of a bounce, vanish.
 * Judged by what really happened on the members, in every tick. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "group/phases.h"

enum { N_MAX = 5, TICK_MS = 50, WIRE_MAX = 64, COORDINATORS = 3, PATIENCE_MS = 4000, RETRY_MS = 200, LIMIT_MS = 400000 };

static const char run_id[] = "r1";

/* ---- members ---- */

struct faults { /* of one member */
	enum view_op fails_op; /* VIEW_OP_COUNT: none */
	unsigned fails_times;
	int fails_exit;
	bool refuses;
	bool crashes_in_bounce; /* once: the agent is away, its service stays disabled until it is back */
	bool flush_unknown;     /* the flush fails, and was perhaps accepted */
	int64_t away_from_ms, away_to_ms;
	bool never_back;        /* with crashes_in_bounce or away */
	bool other_grant;       /* another run holds it */
	bool revoke_after_flush; /* an operator takes the grant back */
};

struct sim_step {
	enum view_step_state state;
	unsigned attempt;
	int exit;
	int64_t ends_ms;
};

struct sim_member {
	char grant[16];
	struct view_plan plan;
	struct sim_step steps[VIEW_OP_COUNT];
	bool flush_done, flush_unknown;
	unsigned flushes, bounces; /* that really happened */
	bool enabled, bounced_after_flush, crashed;
	int64_t back_ms;
	struct faults faults;
};

static struct sim {
	unsigned n;
	struct sim_member members[N_MAX];
	struct view_plan plan;
	int64_t now_ms;
	uint32_t random;
	unsigned loss_percent, twice_percent;
	int64_t latency_ms;
	unsigned actions;  /* requests sent and answers taken, over all coordinators */
	unsigned worst_disabled;
	int64_t resync_ms; /* an await takes that long */
} sim;

struct wire { /* a message on its way */
	bool used, reply, again;
	unsigned coordinator, member;
	unsigned serial;
	struct phases_request request;
	int64_t due_ms;
	int status;
	bool lost;
	struct view_problem problem;
	struct view_step step;
	struct view_state state;
};

static struct wire wires[WIRE_MAX];

struct coordinator {
	bool alive, started, gone;
	struct phases phases;
	struct phases_settings settings;
	bool busy[N_MAX];
	unsigned serial[N_MAX];
	int64_t sent_ms[N_MAX];
	unsigned nudges;
};

static struct coordinator coordinators[COORDINATORS];

static unsigned random_below(unsigned limit)
{
	sim.random = sim.random * 1664525u + 1013904223u;
	return limit == 0 ? 0 : (sim.random >> 8) % limit;
}

static bool is_running(const struct sim_member *m)
{
	for (unsigned op = 0; op < VIEW_OP_COUNT; op++)
		if (m->steps[op].state == VIEW_STEP_RUNNING)
			return true;
	return false;
}

static bool is_away(const struct sim_member *m)
{
	return m->crashed || (sim.now_ms >= m->faults.away_from_ms && sim.now_ms < m->faults.away_to_ms);
}

static unsigned flushes(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < sim.n; i++)
		count += sim.members[i].flushes;
	return count;
}

static void flush_group(struct sim_member *m)
{
	m->flushes++;
	assert_true(flushes() <= 1); /* S1 */
	for (unsigned i = 0; i < sim.n; i++) {
		sim.members[i].bounced_after_flush = false;
		/* no member may be flushed over that has not agreed, or is gone from the run */
	}
}

static void end_step(struct sim_member *m, enum view_op op)
{
	struct sim_step *step = &m->steps[op];
	bool fails = m->faults.fails_op == op && m->faults.fails_times > 0;

	if (op == VIEW_BOUNCE && !(fails && m->faults.fails_exit == 9)) {
		m->enabled = true;
		m->bounces++;
		m->bounced_after_flush |= flushes() > 0 && !fails;
	}
	if (op == VIEW_FLUSH && !fails) {
		flush_group(m);
		m->flush_done = !m->faults.flush_unknown;
		m->flush_unknown = m->faults.flush_unknown;
		fails = m->faults.flush_unknown;
	}
	step->state = fails ? (m->faults.refuses ? VIEW_STEP_REFUSED : VIEW_STEP_FAILED) : VIEW_STEP_DONE;
	step->exit = fails ? m->faults.fails_exit : 0;
	if (fails && m->faults.fails_times > 0)
		m->faults.fails_times--;
}

/* What a member does while time goes by. */
static void live(struct sim_member *m)
{
	if (m->crashed && !m->faults.never_back && sim.now_ms >= m->back_ms) { /* the journal: enable, close, report */
		m->crashed = false;
		m->enabled = true;
		for (unsigned op = 0; op < VIEW_OP_COUNT; op++)
			if (m->steps[op].state == VIEW_STEP_RUNNING)
				m->steps[op] = (struct sim_step){VIEW_STEP_FAILED, m->steps[op].attempt, 4, 0};
	}
	if (m->crashed)
		return;
	for (unsigned op = 0; op < VIEW_OP_COUNT; op++) {
		if (m->steps[op].state != VIEW_STEP_RUNNING)
			continue;
		if (op == VIEW_BOUNCE && m->faults.crashes_in_bounce) {
			m->faults.crashes_in_bounce = false;
			m->crashed = true;
			m->back_ms = sim.now_ms + 1500;
			return;
		}
		if (sim.now_ms >= m->steps[op].ends_ms)
			end_step(m, (enum view_op)op);
	}
	/* the operator's enable, after the agent has said that the service may be disabled */
	if (!m->enabled && m->steps[VIEW_BOUNCE].state == VIEW_STEP_FAILED && m->steps[VIEW_BOUNCE].exit == 9 && random_below(100) == 0)
		m->enabled = true;
}

static void fill_step(const struct sim_step *from, struct view_step *step)
{
	memset(step, 0, sizeof *step);
	step->state = from->state;
	step->attempt = from->attempt;
	step->exit = from->exit;
	step->disabled_ms = -1;
	(void)snprintf(step->sentence, sizeof step->sentence, "state %d", (int)from->state);
}

static void fill_state(const struct sim_member *m, struct view_state *state)
{
	memset(state, 0, sizeof *state);
	(void)snprintf(state->name, sizeof state->name, "m%d", (int)(m - sim.members));
	(void)snprintf(state->admin_state, sizeof state->admin_state, "%s", m->enabled ? "enabled" : "disabled");
	state->journal_open = state->disable_open = !m->enabled;
	(void)snprintf(state->grant.run, sizeof state->grant.run, "%s", m->grant);
	state->grant.plan = m->plan;
	for (unsigned op = 0; op < VIEW_OP_COUNT; op++) {
		if (m->steps[op].state != VIEW_STEP_NONE)
			(void)snprintf(state->run, sizeof state->run, "%s", run_id);
		fill_step(&m->steps[op], &state->steps[op]);
	}
	state->flush_done = m->flush_done;
	state->flush_unknown = m->flush_unknown || m->steps[VIEW_FLUSH].state == VIEW_STEP_RUNNING;
}

static void say(struct wire *w, int status, enum problem_type type)
{
	w->status = status;
	w->problem.type = type;
	(void)snprintf(w->problem.sentence, sizeof w->problem.sentence, "%s", type < PROBLEM_TYPE_COUNT ? problem_name(type) : "");
}

static void serve_grant(struct sim_member *m, struct wire *w)
{
	if (m->grant[0] && strcmp(m->grant, run_id) != 0) {
		say(w, 409, PROBLEM_GRANT_HELD);
	} else if (is_running(m) && m->grant[0] == '\0') {
		say(w, 409, PROBLEM_JOURNAL_OPEN);
	} else {
		(void)snprintf(m->grant, sizeof m->grant, "%s", run_id);
		m->plan = sim.plan;
		say(w, 200, PROBLEM_TYPE_COUNT);
	}
}

static void serve_release(struct sim_member *m, struct wire *w)
{
	if (strcmp(m->grant, run_id) != 0) {
		say(w, m->grant[0] ? 409 : 404, m->grant[0] ? PROBLEM_GRANT_HELD : PROBLEM_NOT_HELD);
	} else if (is_running(m) || !m->enabled) {
		say(w, 409, PROBLEM_JOURNAL_OPEN);
	} else {
		m->grant[0] = '\0';
		say(w, 204, PROBLEM_TYPE_COUNT);
	}
}

static void start_step(struct sim_member *m, enum view_op op)
{
	struct sim_step *step = &m->steps[op];

	step->state = VIEW_STEP_RUNNING;
	step->attempt++;
	step->exit = 0;
	step->ends_ms = sim.now_ms + (op == VIEW_AWAIT ? sim.resync_ms : 100 + random_below(300));
	if (op == VIEW_BOUNCE) {
		assert_int_not_equal(sim.members[0].steps[VIEW_FLUSH].state, VIEW_STEP_RUNNING);
		m->enabled = false;
	}
}

static void serve_step(struct sim_member *m, struct wire *w)
{
	enum view_op op = w->request.op;
	struct sim_step *step = &m->steps[op];
	bool done = step->state == VIEW_STEP_DONE || step->state == VIEW_STEP_RUNNING;

	if (op != VIEW_PRECHECK && strcmp(m->grant, run_id) != 0) {
		say(w, 409, PROBLEM_NOT_GRANTED);
		return;
	}
	if ((op == VIEW_PRIMARY || op == VIEW_FLUSH) && m != &sim.members[0]) {
		say(w, 409, PROBLEM_NOT_PRIMARY_OF_PLAN);
		return;
	}
	if (op == VIEW_BOUNCE && m == &sim.members[0] && !m->flush_done && !m->flush_unknown) {
		say(w, 409, PROBLEM_FLUSH_FIRST);
		return;
	}
	if (op == VIEW_FLUSH && (m->flush_done || m->flush_unknown))
		done = true;
	if (!done && step->attempt < w->request.attempt) {
		if (is_running(m)) {
			say(w, 409, PROBLEM_STEP_RUNNING);
			return;
		}
		start_step(m, op);
	}
	say(w, 202, PROBLEM_TYPE_COUNT);
	fill_step(step, &w->step);
}

/* The answer goes into W. False: a long poll is not over. */
static bool serve(struct wire *w)
{
	struct sim_member *m = &sim.members[w->member];

	switch (w->request.ask) {
	case PHASES_ASK_STATE:
		say(w, 200, PROBLEM_TYPE_COUNT);
		fill_state(m, &w->state);
		return true;
	case PHASES_ASK_GRANT: serve_grant(m, w); return true;
	case PHASES_ASK_RELEASE: serve_release(m, w); return true;
	case PHASES_ASK_STEP: serve_step(m, w); return true;
	default:
		if (m->steps[w->request.op].state == VIEW_STEP_NONE) {
			say(w, 404, PROBLEM_NOT_FOUND);
			return true;
		}
		if (m->steps[w->request.op].state == VIEW_STEP_RUNNING && sim.now_ms < w->due_ms + 1000)
			return false;
		say(w, 200, PROBLEM_TYPE_COUNT);
		fill_step(&m->steps[w->request.op], &w->step);
		return true;
	}
}

/* ---- the wire ---- */

static struct wire *new_wire(void)
{
	for (unsigned i = 0; i < WIRE_MAX; i++)
		if (!wires[i].used)
			return &wires[i];
	fail_msg("no room on the wire");
	return NULL;
}

static void send_request(unsigned c, unsigned member, const struct phases_request *request)
{
	unsigned copies = random_below(100) < sim.twice_percent ? 2 : 1;

	coordinators[c].serial[member]++;
	for (unsigned i = 0; i < copies; i++) {
		struct wire *w = new_wire();

		memset(w, 0, sizeof *w);
		w->used = true;
		w->again = i > 0; /* nobody waits for the second answer; it may come very late */
		w->coordinator = c;
		w->member = member;
		w->serial = coordinators[c].serial[member];
		w->request = *request;
		/* A late step is the danger that attempts are numbered against; a grant that comes after its run is over an operator has to release. */
		w->due_ms = sim.now_ms + (int64_t)random_below((unsigned)sim.latency_ms * (i > 0 && request->ask != PHASES_ASK_GRANT ? 20 : 1) + 1);
		w->lost = random_below(100) < sim.loss_percent;
	}
	coordinators[c].busy[member] = true;
	coordinators[c].sent_ms[member] = sim.now_ms;
}

static struct mono at(void)
{
	return (struct mono){sim.now_ms + 1000000};
}

static void give_answer(const struct wire *w)
{
	struct coordinator *c = &coordinators[w->coordinator];
	struct phases_answer answer = {.status = w->status};

	if (!c->alive || w->again || !c->busy[w->member] || c->serial[w->member] != w->serial)
		return;
	if (w->status == 200 && w->request.ask == PHASES_ASK_STATE)
		answer.state = &w->state;
	if (w->status / 100 == 2 && (w->request.ask == PHASES_ASK_STEP || w->request.ask == PHASES_ASK_WATCH))
		answer.step = &w->step;
	if (w->status >= 400)
		answer.problem = &w->problem;
	c->busy[w->member] = false;
	sim.actions++;
	phases_take(&c->phases, w->member, &w->request, &answer, at());
}

/* Requests to members that are away are refused at once (nobody listens) or swallowed; lost ones are noticed after a while. */
static void time_out(unsigned c, unsigned member, const struct phases_request *request, bool unsent)
{
	struct phases_answer answer = {.trouble = "no answer", .unsent = unsent};

	coordinators[c].busy[member] = false;
	sim.actions++;
	phases_take(&coordinators[c].phases, member, request, &answer, at());
}

static void move_wire(struct wire *w)
{
	struct coordinator *c = &coordinators[w->coordinator];

	if (!w->used || sim.now_ms < w->due_ms)
		return;
	if (!w->reply) {
		if (is_away(&sim.members[w->member]) || (w->lost && w->serial % 2 == 0)) { /* the request is lost */
			bool waiting = c->alive && c->busy[w->member] && c->serial[w->member] == w->serial && !w->again;

			w->used = false;
			if (waiting)
				time_out(w->coordinator, w->member, &w->request, is_away(&sim.members[w->member]) && w->serial % 2 == 0);
			return;
		}
		if (!serve(w))
			return;
		w->reply = true;
		w->due_ms = sim.now_ms + (int64_t)random_below((unsigned)sim.latency_ms + 1);
		return;
	}
	w->used = false;
	if (!w->lost)
		give_answer(w);
	else if (c->alive && c->busy[w->member] && c->serial[w->member] == w->serial && !w->again)
		time_out(w->coordinator, w->member, &w->request, false);
}

/* ---- coordinators ---- */

static void count_tells(void *context, int member, enum phases_step step, enum phases_event event, const char *sentence, const char *evidence)
{
	assert_non_null(context);
	assert_true(member < (int)sim.n && step < PHASES_STEP_COUNT && event <= PHASES_SKIPPED && sentence && evidence);
}

static void start(unsigned index, bool resuming)
{
	struct coordinator *c = &coordinators[index];

	memset(c, 0, sizeof *c);
	c->alive = c->started = true;
	c->settings = (struct phases_settings){.plan = sim.plan, .resuming = resuming, .patience_ms = PATIENCE_MS, .retry_ms = RETRY_MS, .nudge = GROUP_NUDGE_ALWAYS,
					       .tell = count_tells, .context = c};
	(void)snprintf(c->settings.run, sizeof c->settings.run, "%s", run_id);
	phases_init(&c->phases, &c->settings);
}

static void drive(unsigned index, unsigned dies_at)
{
	struct coordinator *c = &coordinators[index];
	struct phases_request request;

	if (!c->alive)
		return;
	for (unsigned i = 0; i < sim.n; i++) {
		if (sim.actions >= dies_at) {
			c->alive = false;
			c->gone = true;
			return;
		}
		if (c->busy[i] || !phases_next(&c->phases, i, at(), &request))
			continue;
		sim.actions++;
		send_request(index, i, &request);
	}
	phases_tick(&c->phases, at());
	if (phases_wants_nudge(&c->phases)) {
		phases_nudged(&c->phases, NULL);
		c->nudges++;
	}
	assert_true(c->nudges <= 1);
	if (c->phases.over)
		c->alive = false;
}

static void check_always(void)
{
	unsigned disabled = 0;

	for (unsigned i = 0; i < sim.n; i++)
		disabled += !sim.members[i].enabled;
	if (disabled > sim.worst_disabled)
		sim.worst_disabled = disabled;
	if (disabled > sim.plan.max_unavailable)
		fail_msg("%u members disabled at %lld ms", disabled, (long long)sim.now_ms);
}

static void tick(unsigned dies_at)
{
	sim.now_ms += TICK_MS;
	for (unsigned i = 0; i < sim.n; i++)
		live(&sim.members[i]);
	for (unsigned i = 0; i < WIRE_MAX; i++) {
		move_wire(&wires[i]);
		check_always();
	}
	for (unsigned c = 0; c < COORDINATORS; c++)
		drive(c, c == 0 ? dies_at : UINT32_MAX);
	if (sim.now_ms > LIMIT_MS)
		fail_msg("no end after %d ms", LIMIT_MS);
}

static void run_to_end(unsigned dies_at)
{
	bool alive = true;

	while (alive) {
		tick(dies_at);
		alive = false;
		for (unsigned c = 0; c < COORDINATORS; c++)
			alive |= coordinators[c].alive;
	}
}

/* What is on its way, and what members have begun, comes to its end. */
static void settle(void)
{
	for (unsigned i = 0; i < 400; i++)
		tick(UINT32_MAX);
}

static void reset(unsigned n, unsigned max_unavailable, uint32_t seed)
{
	memset(&sim, 0, sizeof sim);
	memset(wires, 0, sizeof wires);
	memset(coordinators, 0, sizeof coordinators);
	sim.n = n;
	sim.random = seed;
	sim.latency_ms = 60;
	sim.resync_ms = 600;
	sim.plan.count = n;
	sim.plan.max_unavailable = max_unavailable;
	(void)snprintf(sim.plan.primary, sizeof sim.plan.primary, "m0");
	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(sim.plan.order[i], GROUP_NAME_BYTES, "m%u", i);
		sim.members[i].enabled = true;
		sim.members[i].faults.fails_op = VIEW_OP_COUNT;
	}
}

static bool somebody_holds(void)
{
	for (unsigned i = 0; i < sim.n; i++)
		if (strcmp(sim.members[i].grant, run_id) == 0)
			return true;
	return false;
}

/* The whole group is through. */
static void assert_done(void)
{
	for (unsigned i = 0; i < sim.n; i++) {
		assert_true(sim.members[i].enabled);
		assert_true(sim.members[i].bounced_after_flush); /* S4 */
		assert_int_equal(sim.members[i].steps[VIEW_AWAIT].state, VIEW_STEP_DONE);
	}
	assert_int_equal(flushes(), 1);
}

static void assert_whole(void)
{
	assert_done();
	assert_false(somebody_holds());
}

/* What an end's exit code promises. */
static void assert_honest(const struct coordinator *c)
{
	assert_true(c->phases.over && c->phases.sentence[0]);
	if (c->phases.exit == 0 && c->phases.next[0] == '\0')
		assert_whole();
	else if (c->phases.exit == 0)
		assert_done();
	else
		assert_true(c->phases.next[0] || c->phases.exit == 2 || c->phases.exit == 3 || c->phases.exit == 4 || c->phases.exit == 6);
	if (c->phases.aborted)
		assert_int_equal(flushes(), 0);
	/* "so far": one that resumes and gives up before the flush leaves the run to others */
	if (flushes() > 0 && c->phases.exit != 0 && c->phases.exit != 5 && c->phases.exit != 9 && !strstr(c->phases.sentence, "nothing was flushed so far"))
		fail_msg("flushed, and exit %d: %s", c->phases.exit, c->phases.sentence);
}

static void good_run(unsigned n, unsigned max_unavailable)
{
	reset(n, max_unavailable, 7);
	start(0, false);
	run_to_end(UINT32_MAX);
	assert_int_equal(coordinators[0].phases.exit, 0);
	assert_int_equal(coordinators[0].phases.state, PHASES_DONE);
	assert_whole();
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(sim.members[i].bounces, 1);
	assert_int_equal(coordinators[0].nudges, 1);
}

/* ---- cases ---- */

static void runs(void **state)
{
	good_run(1, 1);
	good_run(2, 1);
	good_run(3, 1);
	assert_int_equal(sim.worst_disabled, 1);
	good_run(5, 2);
	assert_int_equal(sim.worst_disabled, 2);
	good_run(3, 3); /* together */
	assert_int_equal(sim.worst_disabled, 3);
}

/* The coordinator dies at each of its actions; another resumes, or begins anew where nobody had granted. */
static void survives_death_everywhere(void **state)
{
	static const struct {
		unsigned n, max;
	} groups[] = {{1, 1}, {3, 1}, {4, 2}, {3, 3}};

	for (unsigned g = 0; g < sizeof groups / sizeof groups[0]; g++) {
		unsigned last;

		good_run(groups[g].n, groups[g].max);
		last = sim.actions;
		for (unsigned dies_at = 0; dies_at <= last; dies_at++) {
			reset(groups[g].n, groups[g].max, 7);
			start(0, false);
			run_to_end(dies_at);
			for (unsigned i = dies_at % 7; i > 0; i--)
				tick(UINT32_MAX);
			if (!somebody_holds() && flushes() > 0) { /* it died with its work done, or nearly so: nothing is left to do */
				settle();
				assert_whole();
				continue;
			}
			start(1, somebody_holds());
			run_to_end(UINT32_MAX);
			if (coordinators[1].phases.exit != 0)
				fail_msg("died at %u of %u: exit %d, %s", dies_at, last, coordinators[1].phases.exit, coordinators[1].phases.sentence);
			assert_whole();
		}
	}
}

/* A second coordinator resumes while the first is alive, from each point on; both to the end. */
static void two_at_once(void **state)
{
	for (unsigned seed = 1; seed < 40; seed++)
		for (unsigned joins_at = 0; joins_at < 70; joins_at++) {
			reset(3, 1, seed * 977);
			sim.latency_ms = 30 + 10 * (int64_t)(seed % 30);
			sim.twice_percent = seed % 3 == 0 ? 20 : 0;
			start(0, false);
			while (coordinators[0].alive && (sim.actions < joins_at || !somebody_holds()))
				tick(UINT32_MAX);
			if (coordinators[0].alive)
				start(1, true);
			run_to_end(UINT32_MAX);
			settle();
			assert_int_equal(flushes(), 1);
			for (unsigned i = 0; i < sim.n; i++) {
				assert_int_equal(sim.members[i].bounces, 1);
				assert_true(sim.members[i].bounced_after_flush && sim.members[i].enabled);
			}
			assert_int_equal(coordinators[0].phases.exit, 0);
		}
}

/* Lost requests, lost answers, late repetitions. */
static void survives_a_bad_network(void **state)
{
	for (unsigned seed = 1; seed <= 600; seed++) {
		reset(1 + seed % 5, 1 + seed % 2, seed);
		sim.loss_percent = seed % 40;
		sim.twice_percent = seed % 25;
		sim.latency_ms = 20 + (int64_t)(seed % 7) * 100;
		start(0, false);
		run_to_end(UINT32_MAX);
		assert_honest(&coordinators[0]);
		for (unsigned turn = 0; turn < 20 && somebody_holds(); turn++) {
			sim.loss_percent = 0;
			start(0, true);
			run_to_end(UINT32_MAX);
			assert_honest(&coordinators[0]);
		}
		settle();
		if (flushes() > 0) /* L2 */
			assert_whole();
	}
}

static void one_fault(unsigned member, struct faults faults, int exit_code)
{
	reset(3, 1, 3);
	if (faults.fails_op == VIEW_PRECHECK && faults.fails_times == 0)
		faults.fails_op = VIEW_OP_COUNT;
	sim.members[member].faults = faults;
	if (faults.other_grant)
		(void)snprintf(sim.members[member].grant, sizeof sim.members[member].grant, "other");
	start(0, false);
	run_to_end(UINT32_MAX);
	if (coordinators[0].phases.exit != exit_code)
		fail_msg("exit %d, not %d: %s", coordinators[0].phases.exit, exit_code, coordinators[0].phases.sentence);
	assert_honest(&coordinators[0]);
}

static void ends_before_the_flush(void **state)
{
	static const enum view_op early[] = {VIEW_PRECHECK, VIEW_PRIMARY, VIEW_FLUSH};

	for (unsigned i = 0; i < 3; i++) {
		one_fault(0, (struct faults){.fails_op = early[i], .fails_times = 1, .fails_exit = 3, .refuses = true}, 3);
		assert_int_equal(flushes(), 0);
		assert_false(somebody_holds());
		one_fault(0, (struct faults){.fails_op = early[i], .fails_times = 1, .fails_exit = 4}, 4);
		assert_false(somebody_holds());
	}
	one_fault(2, (struct faults){.fails_op = VIEW_PRECHECK, .fails_times = 1, .fails_exit = 3, .refuses = true}, 3);
	one_fault(2, (struct faults){.other_grant = true}, 6);
	assert_false(somebody_holds()); /* the first two had granted */
	one_fault(1, (struct faults){.away_from_ms = 0, .away_to_ms = LIMIT_MS}, 8);
	assert_int_equal(flushes(), 0);
	assert_false(somebody_holds());
}

/* After the flush the rest goes on, and a resume completes it. */
static void goes_on_after_the_flush(void **state)
{
	for (unsigned member = 0; member < 3; member++) {
		one_fault(member, (struct faults){.fails_op = VIEW_BOUNCE, .fails_times = 1, .fails_exit = 4}, 5);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(sim.members[i].bounced_after_flush, i != member);
		assert_non_null(strstr(coordinators[0].phases.next, "drrctl resume r1"));
		assert_true(somebody_holds());
		start(1, true);
		run_to_end(UINT32_MAX);
		assert_int_equal(coordinators[1].phases.exit, 0);
		assert_whole();

		one_fault(member, (struct faults){.fails_op = VIEW_AWAIT, .fails_times = 1, .fails_exit = 5}, 5);
		start(1, true);
		run_to_end(UINT32_MAX);
		assert_whole();

		one_fault(member, (struct faults){.fails_op = VIEW_CONFIRM, .fails_times = 1, .fails_exit = 5}, 0); /* the others waited */

		one_fault(member, (struct faults){.crashes_in_bounce = true}, 5); /* its agent came back and enabled */
		start(1, true);
		run_to_end(UINT32_MAX);
		assert_whole();
	}
}

/* A member that is gone in the middle of its bounce may be disabled: nobody behind it is touched until the operator says so. */
static void stops_at_one_that_may_be_disabled(void **state)
{
	one_fault(1, (struct faults){.crashes_in_bounce = true, .never_back = true}, 9);
	assert_true(sim.members[0].bounced_after_flush);
	assert_int_equal(sim.members[2].bounces, 0);
	start(1, true);
	run_to_end(UINT32_MAX);
	assert_int_equal(coordinators[1].phases.exit, 5);
	assert_int_equal(sim.members[2].bounces, 0);
	assert_non_null(strstr(coordinators[1].phases.next, "--override-unreachable"));

	sim.plan.max_unavailable = 2; /* what the operator's word amounts to, for check_always() */
	start(2, true);
	coordinators[2].settings.plan.max_unavailable = 1;
	coordinators[2].settings.skip_unreachable = true;
	run_to_end(UINT32_MAX);
	assert_int_equal(coordinators[2].phases.exit, 5);
	assert_int_equal(sim.members[2].bounces, 1);

	/* it is enabled by somebody, in time: the rest goes on; or not: it does not */
	reset(3, 1, 3);
	sim.members[1].faults = (struct faults){.fails_op = VIEW_BOUNCE, .fails_times = 1, .fails_exit = 9};
	start(0, false);
	run_to_end(UINT32_MAX);
	assert_int_equal(coordinators[0].phases.exit, sim.members[1].enabled ? 5 : 9);
	assert_int_equal(sim.members[2].bounces, sim.members[1].enabled);
}

static void tells_an_unsure_flush(void **state)
{
	one_fault(0, (struct faults){.flush_unknown = true, .fails_exit = 5}, 5);
	for (unsigned i = 0; i < 3; i++)
		assert_true(sim.members[i].bounced_after_flush);
	assert_false(somebody_holds());
	assert_string_equal(coordinators[0].phases.next, "drrctl run");
}

static void tells_that_nobody_waited(void **state)
{
	reset(3, 1, 3);
	for (unsigned i = 0; i < 3; i++)
		sim.members[i].faults = (struct faults){.fails_op = VIEW_CONFIRM, .fails_times = 1, .fails_exit = 5};
	start(0, false);
	run_to_end(UINT32_MAX);
	assert_int_equal(coordinators[0].phases.exit, 5);
	assert_non_null(strstr(coordinators[0].phases.sentence, "none was seen to wait"));
	start(1, true);
	run_to_end(UINT32_MAX);
	assert_whole();
}

static void stops_when_told(void **state)
{
	unsigned last, aborted = 0, forward = 0;

	good_run(3, 1);
	last = sim.actions;
	for (unsigned stop_at = 0; stop_at < last; stop_at++) {
		reset(3, 1, 7);
		start(0, false);
		while (sim.actions < stop_at)
			tick(UINT32_MAX);
		phases_stop(&coordinators[0].phases, at());
		run_to_end(UINT32_MAX);
		assert_honest(&coordinators[0]);
		aborted += coordinators[0].phases.exit == 4;
		forward += coordinators[0].phases.exit == 5;
		if (coordinators[0].phases.exit == 4)
			assert_false(somebody_holds());
		if (coordinators[0].phases.exit != 5)
			continue;
		start(1, true);
		run_to_end(UINT32_MAX);
		settle();
		assert_whole();
	}
	assert_true(aborted > 5 && forward > 5);
}

/* Everything at once: faults, a bad network, a coordinator that dies, two that resume it. */
static void survives_everything(void **state)
{
	unsigned whole = 0, flushed = 0;

	for (unsigned seed = 1; seed <= 1500; seed++) {
		unsigned dies_at;

		reset(2 + seed % 4, 1 + (seed / 4) % 2, seed * 31);
		sim.loss_percent = random_below(25);
		sim.twice_percent = random_below(25);
		sim.latency_ms = 20 + random_below(400);
		for (unsigned i = 0; i < sim.n; i++) {
			struct faults *faults = &sim.members[i].faults;

			if (random_below(3) == 0)
				*faults = (struct faults){.fails_op = (enum view_op)random_below(VIEW_OP_COUNT + 1), .fails_times = 1 + random_below(2), .fails_exit = 4};
			faults->crashes_in_bounce = random_below(4) == 0;
			if (random_below(3) == 0) {
				faults->away_from_ms = random_below(6000);
				faults->away_to_ms = faults->away_from_ms + random_below(6000);
			}
		}
		dies_at = random_below(2) == 0 ? UINT32_MAX : random_below(120);
		start(0, false);
		while (coordinators[0].alive && !somebody_holds())
			tick(dies_at);
		for (unsigned wait = random_below(100); wait > 0 && coordinators[0].alive; wait--)
			tick(dies_at);
		if (somebody_holds() && random_below(2) == 0)
			start(1, true);
		run_to_end(dies_at);
		for (unsigned turn = 0; turn < 30 && somebody_holds(); turn++) {
			start(2, true);
			run_to_end(UINT32_MAX);
			assert_honest(&coordinators[2]);
		}
		settle();
		assert_true(flushes() <= 1);
		flushed += flushes();
		for (unsigned i = 0; i < sim.n; i++) {
			assert_true(sim.members[i].enabled); /* L1 */
			if (flushes() == 1)
				assert_true(sim.members[i].bounced_after_flush); /* L2 */
		}
		whole += flushes() == 1;
	}
	assert_true(whole == flushed && whole > 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs),
		cmocka_unit_test(survives_death_everywhere),
		cmocka_unit_test(two_at_once),
		cmocka_unit_test(survives_a_bad_network),
		cmocka_unit_test(ends_before_the_flush),
		cmocka_unit_test(goes_on_after_the_flush),
		cmocka_unit_test(stops_at_one_that_may_be_disabled),
		cmocka_unit_test(tells_an_unsure_flush),
		cmocka_unit_test(tells_that_nobody_waited),
		cmocka_unit_test(stops_when_told),
		cmocka_unit_test(survives_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
