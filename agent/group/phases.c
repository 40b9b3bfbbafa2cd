#include "group/phases.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
	WATCH_S = 20,       /* of a long poll */
	WATCH_AWAIT_S = 10, /* while the log is of interest, too */
	HEARD_MS = 1000,    /* a bounce is asked of a member that has answered within this time */
	EXIT_DONE = 0, EXIT_CONFIG = 2, EXIT_REFUSED = 3, EXIT_FAILED = 4, EXIT_INCOMPLETE = 5, EXIT_BUSY = 6, EXIT_PERMISSION = 7, EXIT_UNREACHABLE = 8,
	EXIT_DISABLED = 9,
};

static const struct {
	const char *name, *sentence;
} steps[PHASES_STEP_COUNT] = {
	[PHASES_PRECHECK] = {"precheck", "looks whether this member is fit for it; changes nothing"},
	[PHASES_GRANT] = {"grant", "asks this member to act for this run and no other"},
	[PHASES_PRIMARY] = {"primary", "makes this member primary, unless it is"},
	[PHASES_FLUSH] = {"flush", "empties the group's store on this member, its primary"},
	[PHASES_BOUNCE] = {"bounce", "disables and enables the gateway service of this member"},
	[PHASES_CONFIRM] = {"confirm", "waits for the log to say that the service waits for its registration"},
	[PHASES_TRIGGER] = {"trigger", "waits for the management server's next event"},
	[PHASES_AWAIT] = {"await", "waits until the configuration is back on this member"},
	[PHASES_RELEASE] = {"release", "gives this member's grant back"},
};

static const enum phases_step step_of[VIEW_OP_COUNT] = {PHASES_PRECHECK, PHASES_PRIMARY, PHASES_FLUSH, PHASES_BOUNCE, PHASES_CONFIRM, PHASES_AWAIT};

const char *phases_step_name(enum phases_step step)
{
	return steps[step].name;
}

const char *phases_step_sentence(enum phases_step step)
{
	return steps[step].sentence;
}

const char *phases_event_name(enum phases_event event)
{
	static const char *const names[] = {"started", "done", "refused", "failed", "skipped"};

	return names[event];
}

/* ---- what is known -------------------------------------------------------------------------------------------- */

static const char *name_of(const struct phases *p, unsigned i)
{
	return p->settings->plan.order[i];
}

static void tell(const struct phases *p, int member, enum phases_step step, enum phases_event event, const char *sentence, const char *evidence)
{
	if (p->settings->tell)
		p->settings->tell(p->settings->context, member, step, event, sentence, evidence);
}

static bool is_failed(const struct view_step *step)
{
	return step->state == VIEW_STEP_REFUSED || step->state == VIEW_STEP_FAILED;
}

/* Over as far as this coordinator is concerned: with success, or by an attempt of its time. */
static bool is_over(const struct phases_member *m, enum view_op op)
{
	return m->steps[op].state == VIEW_STEP_DONE || (is_failed(&m->steps[op]) && m->steps[op].attempt > m->floor[op]);
}

static bool is_done(const struct phases_member *m, enum view_op op)
{
	return m->steps[op].state == VIEW_STEP_DONE;
}

static unsigned attempts_over(const struct view_step *step)
{
	return step->state == VIEW_STEP_RUNNING ? step->attempt - 1 : step->attempt;
}

bool phases_is_flushed(const struct phases *p)
{
	const struct phases_member *m = &p->members[p->primary];
	bool ours = strcmp(m->state.run, p->settings->run) == 0;

	if (m->steps[VIEW_FLUSH].state == VIEW_STEP_RUNNING)
		return false; /* an agent calls a flush that is under way unknown, too; nobody may be restarted before it is over */
	return is_done(m, VIEW_FLUSH) || (ours && (m->state.flush_done || m->state.flush_unknown));
}

bool phases_may_be_disabled(const struct phases *p, unsigned i)
{
	const struct phases_member *m = &p->members[i];
	const struct view_step *bounce = &m->steps[VIEW_BOUNCE];

	if (m->given_up && !is_done(m, VIEW_BOUNCE))
		return bounce->state == VIEW_STEP_RUNNING || m->asked[VIEW_BOUNCE] > attempts_over(bounce);
	return is_failed(bounce) && bounce->exit == EXIT_DISABLED && !m->enabled_since;
}

/* Bounces are made in rounds, the same for all members: who has fewer attempts behind it than the others catches up. Otherwise a member whose turn never comes would stand before
 * those that have failed as often. */
static void even_out_floors(struct phases *p)
{
	unsigned most = 0;

	for (unsigned i = 0; i < p->count; i++)
		most = p->members[i].floor[VIEW_BOUNCE] > most ? p->members[i].floor[VIEW_BOUNCE] : most;
	for (unsigned i = 0; i < p->count; i++)
		p->members[i].floor[VIEW_BOUNCE] = most;
}

/* Everybody was heard, or is not expected to say anything. */
static bool everybody_seen(struct phases *p)
{
	for (unsigned i = 0; i < p->count; i++)
		if (!p->members[i].seen && !p->members[i].given_up)
			return false;
	if (!p->evened)
		even_out_floors(p);
	p->evened = true;
	return true;
}

/* ---- outcomes ------------------------------------------------------------------------------------------------- */

static void set_outcome(struct phases *p, int exit_code, enum phases_event state, const char *sentence, const char *next)
{
	p->exit = exit_code;
	p->state = state;
	(void)snprintf(p->sentence, sizeof p->sentence, "%s", sentence);
	(void)snprintf(p->next, sizeof p->next, "%s", next[0] || exit_code == EXIT_DONE ? next : "drrctl status");
}

/* The run is over, the members keep their grants. */
static void end_here(struct phases *p, int exit_code, enum phases_event state, const char *sentence, const char *next)
{
	set_outcome(p, exit_code, state, sentence, next);
	p->over = true;
}

/* The run is over when the grants are back. */
static void end_releasing(struct phases *p, int exit_code, enum phases_event state, const char *sentence, const char *next)
{
	set_outcome(p, exit_code, state, sentence, next);
	p->ending = true;
	for (unsigned i = 0; i < p->count; i++) { /* a member that was given up gets one more chance */
		if (p->members[i].given_up)
			p->members[i].silent = false;
		p->members[i].given_up = false;
		p->members[i].look = false;
		p->members[i].released = false;
	}
}

/* Before the flush: nothing has changed that lasts. */
static void abort_run(struct phases *p, int exit_code, enum phases_event state, const char *who, const char *why, const char *next)
{
	char sentence[VIEW_SENTENCE_BYTES];
	bool leaves = p->settings->resuming && exit_code == EXIT_UNREACHABLE; /* somebody else began it, and may go on */
	bool asked = p->settings->resuming;

	(void)snprintf(sentence, sizeof sentence, "%s%s%.500s; nothing was flushed%s", who, who[0] ? ": " : "", why, leaves ? " so far" : "");
	if (leaves) {
		char command[ERROR_NEXT_MAX_BYTES];

		(void)snprintf(command, sizeof command, "drrctl status; then: drrctl resume %s, or give it up: drrctl release %s", p->settings->run, p->settings->run);
		end_here(p, exit_code, state, sentence, command);
		return;
	}
	p->aborted = true;
	for (unsigned i = 0; i < p->count; i++)
		asked |= p->members[i].granting;
	if (asked)
		end_releasing(p, exit_code, state, sentence, next);
	else
		end_here(p, exit_code, state, sentence, next);
}

static const char *resume_command(const struct phases *p, char out[ERROR_NEXT_MAX_BYTES])
{
	(void)snprintf(out, ERROR_NEXT_MAX_BYTES, "drrctl resume %s", p->settings->run);
	return out;
}

/* ---- taking what members say ---------------------------------------------------------------------------------- */

static enum phases_event event_of(const struct view_step *step)
{
	return step->state == VIEW_STEP_DONE ? PHASES_DONE : step->state == VIEW_STEP_REFUSED ? PHASES_REFUSED : PHASES_FAILED;
}

static void take_step(struct phases *p, unsigned i, enum view_op op, const struct view_step *step, struct mono now)
{
	struct phases_member *m = &p->members[i];
	bool was_over = is_over(m, op);

	if (is_done(m, op) || step->attempt < m->steps[op].attempt ||
	    (step->attempt == m->steps[op].attempt && is_failed(&m->steps[op]) && step->state == VIEW_STEP_RUNNING))
		return; /* older than what is known */
	m->steps[op] = *step;
	if (!is_over(m, op) || was_over)
		return;
	tell(p, (int)i, step_of[op], event_of(step), step->sentence, step->evidence);
	if (op == VIEW_FLUSH && !is_done(m, op)) {
		m->look = true; /* whether it was accepted stands in the state */
		m->flush_judged = false;
	}
	if (op == VIEW_BOUNCE && !is_done(m, op)) {
		m->look = true;
		m->enabled_since = false;
		m->disabled_at = now;
	}
}

static void set_floors(const struct phases *p, struct phases_member *m, const struct view_state *state)
{
	for (unsigned op = 0; op < VIEW_OP_COUNT; op++)
		if (p->settings->resuming && strcmp(state->run, p->settings->run) == 0)
			m->floor[op] = state->steps[op].state == VIEW_STEP_DONE ? 0 : attempts_over(&state->steps[op]);
}

static void take_grant(const struct phases *p, struct phases_member *m, const struct view_state *state)
{
	bool ours = strcmp(state->grant.run, p->settings->run) == 0;

	m->grant = ours ? PHASES_GRANT_OURS : state->grant.run[0] ? PHASES_GRANT_OTHER : PHASES_GRANT_NONE;
	m->was_granted |= ours;
}

/* FRESH: what it says of the appliance is not older than the request. */
static void take_state(struct phases *p, unsigned i, const struct view_state *state, bool fresh, struct mono now)
{
	struct phases_member *m = &p->members[i];
	bool flushed = phases_is_flushed(p);

	if (!m->seen)
		set_floors(p, m, state);
	m->state = *state;
	m->seen = true;
	m->look = false;
	take_grant(p, m, state);
	if (strcmp(state->run, p->settings->run) == 0)
		for (unsigned op = 0; op < VIEW_OP_COUNT; op++)
			if (state->steps[op].state != VIEW_STEP_NONE)
				take_step(p, i, (enum view_op)op, &state->steps[op], now);
	m->look = false; /* this was the look */
	m->flush_judged = true;
	m->log_seen |= m->steps[VIEW_AWAIT].state == VIEW_STEP_RUNNING;
	if (fresh && is_failed(&m->steps[VIEW_BOUNCE]) && strcmp(state->admin_state, "enabled") == 0 && !state->disable_open)
		m->enabled_since = true;
	if (p->ending && p->aborted && !flushed && phases_is_flushed(p)) {
		/* another coordinator was quicker: there is no way back any more */
		p->ending = p->aborted = false;
		for (unsigned k = 0; k < p->count; k++)
			p->members[k].released = false;
	}
}

void phases_init(struct phases *p, const struct phases_settings *settings)
{
	memset(p, 0, sizeof *p);
	p->settings = settings;
	p->count = settings->plan.count;
	for (unsigned i = 0; i < p->count; i++)
		if (strcmp(settings->plan.order[i], settings->plan.primary) == 0)
			p->primary = i;
}

void phases_see(struct phases *p, unsigned i, const struct view_state *state, struct mono now)
{
	p->members[i].heard_at = now;
	take_state(p, i, state, true, now);
}

/* ---- no answer, or not the wanted one ------------------------------------------------------------------------- */

/* Tried again, for as long as patience lasts. */
static void not_yet(struct phases *p, unsigned i, const char *why, struct mono now)
{
	struct phases_member *m = &p->members[i];
	int64_t patience_ms = p->ending ? p->settings->patience_ms / 4 : p->settings->patience_ms;

	(void)snprintf(m->trouble, sizeof m->trouble, "%s", why);
	m->again_at = mono_add_ms(now, p->settings->retry_ms);
	if (!m->silent)
		m->silent_since = now;
	m->silent = true;
	m->given_up = mono_diff_ms(now, m->silent_since) >= patience_ms;
}

static void answered(struct phases_member *m)
{
	m->silent = m->refused = false;
}

static int exit_of_problem(enum problem_type type)
{
	switch (type) {
	case PROBLEM_GRANT_HELD:
	case PROBLEM_PLAN_DIFFERS:
	case PROBLEM_HOLD:
	case PROBLEM_JOURNAL_OPEN:
	case PROBLEM_NOT_GRANTED:
	case PROBLEM_STEP_RUNNING: return EXIT_BUSY;
	case PROBLEM_FORBIDDEN: return EXIT_PERMISSION;
	case PROBLEM_BAD_PLAN: return EXIT_CONFIG;
	default: return EXIT_FAILED;
	}
}

/* It will pass. */
static bool is_passing(const struct phases_answer *answer)
{
	return answer->status == 429 || answer->status >= 500 || (answer->problem && answer->problem->type == PROBLEM_STEP_RUNNING);
}

static void refuse(struct phases *p, unsigned i, const struct phases_request *request, const struct phases_answer *answer, struct mono now)
{
	static const struct view_problem unknown = {.type = PROBLEM_TYPE_COUNT, .sentence = "it answers with something that this version does not know"};
	const struct view_problem *problem = answer->problem ? answer->problem : &unknown;
	struct phases_member *m = &p->members[i];
	bool step = request->ask == PHASES_ASK_STEP || request->ask == PHASES_ASK_WATCH;

	if (request->ask == PHASES_ASK_STEP && answer->status < 500)
		m->asked[request->op] = m->asked_before; /* this request has begun nothing */
	if (problem->type == PROBLEM_NOT_GRANTED || (step && problem->type == PROBLEM_GRANT_HELD))
		m->grant = PHASES_GRANT_NONE;
	if (request->ask == PHASES_ASK_WATCH && answer->status == 404)
		m->steps[request->op].state = VIEW_STEP_NONE; /* it does not know of it: ask for it again */
	if (is_passing(answer) || phases_is_flushed(p) || request->ask == PHASES_ASK_STATE || problem->type == PROBLEM_NOT_FOUND) {
		m->look = step;
		m->refused = true;
		not_yet(p, i, problem->sentence, now);
		return;
	}
	tell(p, (int)i, request->ask == PHASES_ASK_GRANT ? PHASES_GRANT : step_of[request->op], PHASES_REFUSED, problem->sentence, "");
	abort_run(p, exit_of_problem(problem->type), PHASES_REFUSED, name_of(p, i), problem->sentence, problem->next);
}

static void take_release(struct phases *p, unsigned i, const struct phases_answer *answer, struct mono now)
{
	struct phases_member *m = &p->members[i];
	enum problem_type type = answer->problem ? answer->problem->type : PROBLEM_TYPE_COUNT;

	if (answer->status / 100 == 2 || answer->status == 404 || type == PROBLEM_GRANT_HELD) { /* given back, or not ours any more */
		answered(m);
		m->released = true;
		m->grant = PHASES_GRANT_NONE;
		if (answer->status / 100 == 2)
			tell(p, (int)i, PHASES_RELEASE, PHASES_DONE, "the grant is given back", "");
		return;
	}
	m->look = type == PROBLEM_JOURNAL_OPEN || type == PROBLEM_STEP_RUNNING;
	m->refused = true;
	not_yet(p, i, answer->problem ? answer->problem->sentence : "it answers with something that this version does not know", now);
}

void phases_take(struct phases *p, unsigned i, const struct phases_request *request, const struct phases_answer *answer, struct mono now)
{
	struct phases_member *m = &p->members[i];

	if (p->over)
		return;
	if (!answer->trouble)
		m->heard_at = now;
	if (answer->trouble) {
		if (answer->unsent && request->ask == PHASES_ASK_STEP)
			m->asked[request->op] = m->asked_before;
		not_yet(p, i, answer->trouble, now);
	} else if (request->ask == PHASES_ASK_RELEASE) {
		take_release(p, i, answer, now);
	} else if (request->ask == PHASES_ASK_STATE && answer->state) {
		m->silent &= m->refused; /* a look does not make a refusal better */
		take_state(p, i, answer->state, request->fresh, now);
		if (phases_may_be_disabled(p, i))
			m->again_at = mono_add_ms(now, p->settings->retry_ms);
	} else if (request->ask == PHASES_ASK_GRANT && answer->status == 200) {
		answered(m);
		m->grant = PHASES_GRANT_OURS;
		m->was_granted = true;
		tell(p, (int)i, PHASES_GRANT, PHASES_DONE, "this member acts for this run and no other", "");
	} else if (answer->step) {
		answered(m);
		take_step(p, i, request->op, answer->step, now);
		if (request->ask == PHASES_ASK_WATCH && answer->step->state == VIEW_STEP_RUNNING) /* its wait is over; or it was none, after a restart */
			m->again_at = mono_add_ms(now, p->settings->retry_ms);
	} else if (!p->ending) {
		refuse(p, i, request, answer, now);
	} else {
		m->look = false;
	}
	phases_tick(p, now);
}

/* ---- the next request ----------------------------------------------------------------------------------------- */

static bool ask_step(struct phases *p, unsigned i, enum view_op op, struct phases_request *request)
{
	struct phases_member *m = &p->members[i];

	request->op = op;
	if (m->steps[op].state == VIEW_STEP_RUNNING) {
		request->ask = PHASES_ASK_WATCH;
		request->wait_s = op == VIEW_AWAIT ? WATCH_AWAIT_S : WATCH_S;
		m->watched = op == VIEW_AWAIT;
		return true;
	}
	request->ask = PHASES_ASK_STEP;
	request->attempt = attempts_over(&m->steps[op]) + 1;
	m->asked_before = m->asked[op];
	m->asked[op] = request->attempt;
	if (!m->told[op])
		tell(p, (int)i, step_of[op], PHASES_STARTED, steps[step_of[op]].sentence, "");
	m->told[op] = true;
	return true;
}

static bool ask_grant(struct phases *p, unsigned i, struct phases_request *request)
{
	if (!p->members[i].granting)
		tell(p, (int)i, PHASES_GRANT, PHASES_STARTED, steps[PHASES_GRANT].sentence, "");
	p->members[i].granting = true;
	request->ask = PHASES_ASK_GRANT;
	return true;
}

/* All that comes before attempt A of member I in the order of the bounces is over on member J, and J is enabled. */
static bool is_clear(const struct phases *p, unsigned j, unsigned a, unsigned i)
{
	const struct phases_member *m = &p->members[j];
	const struct view_step *bounce = &m->steps[VIEW_BOUNCE];
	unsigned needed = j < i ? a : a - 1;

	if (bounce->state == VIEW_STEP_DONE || (m->given_up && p->settings->skip_unreachable))
		return true;
	return attempts_over(bounce) >= needed && m->asked[VIEW_BOUNCE] <= attempts_over(bounce) && bounce->state != VIEW_STEP_RUNNING &&
	       !phases_may_be_disabled(p, j);
}

/* Its bounce was asked for by us, or is seen to run. */
static bool is_begun(const struct phases_member *m)
{
	const struct view_step *bounce = &m->steps[VIEW_BOUNCE];

	return bounce->state == VIEW_STEP_RUNNING || m->asked[VIEW_BOUNCE] > attempts_over(bounce);
}

/* How many others stand in the way of member I's bounce; STUCK: counts only those; NULL: all. */
static unsigned count_in_way(const struct phases *p, unsigned i, const bool *stuck)
{
	unsigned count = 0;

	for (unsigned j = 0; j < p->count; j++)
		count += j != i && (!stuck || stuck[j]) && !is_clear(p, j, attempts_over(&p->members[i].steps[VIEW_BOUNCE]) + 1, i);
	return count;
}

/* A step after the flush; whoever lost its grant gets it again. */
static bool ask_granted_step(struct phases *p, unsigned i, enum view_op op, struct phases_request *request)
{
	return p->members[i].grant == PHASES_GRANT_OURS ? ask_step(p, i, op, request) : ask_grant(p, i, request);
}

/* A request that goes out to a member that has been cut off meanwhile cannot be told from one that it got: its service would have to be called disabled. So one that was not heard
 * of lately is first asked for something that changes nothing. */
static bool ask_bounce(struct phases *p, unsigned i, struct mono now, struct phases_request *request)
{
	const struct phases_member *m = &p->members[i];

	if (!is_begun(m) && count_in_way(p, i, NULL) >= p->settings->plan.max_unavailable)
		return false;
	if (!is_begun(m) && mono_diff_ms(now, m->heard_at) > HEARD_MS) {
		request->ask = PHASES_ASK_STATE;
		return true;
	}
	return ask_granted_step(p, i, VIEW_BOUNCE, request);
}

static bool ask_forward(struct phases *p, unsigned i, struct mono now, struct phases_request *request)
{
	struct phases_member *m = &p->members[i];
	bool looking = p->trigger == PHASES_TRIGGER_WAITING || p->trigger == PHASES_TRIGGER_NUDGED;

	if (!is_over(m, VIEW_BOUNCE))
		return ask_bounce(p, i, now, request);
	if (phases_may_be_disabled(p, i)) { /* its agent enables it; until then nobody else may go */
		request->ask = PHASES_ASK_STATE;
		request->fresh = true;
		return true;
	}
	if (!is_done(m, VIEW_BOUNCE))
		return false;
	if (!is_over(m, VIEW_CONFIRM))
		return ask_granted_step(p, i, VIEW_CONFIRM, request);
	if (is_over(m, VIEW_AWAIT))
		return false;
	if (m->watched && looking) {
		m->watched = false;
		request->ask = PHASES_ASK_STATE;
		return true;
	}
	return ask_granted_step(p, i, VIEW_AWAIT, request);
}

/* The first in the plan's order that has not granted: one after the other, so that of two runs one wins the first member, and goes on. */
static unsigned first_ungranted(const struct phases *p)
{
	unsigned i = 0;

	while (i < p->count && p->members[i].grant == PHASES_GRANT_OURS)
		i++;
	return i;
}

static bool all_over(const struct phases *p, enum view_op op)
{
	for (unsigned i = 0; i < p->count; i++)
		if (!is_over(&p->members[i], op))
			return false;
	return true;
}

/* The flush was asked for by us, or is seen to run: whatever else happens, what comes of it must be known. */
static bool is_flush_begun(const struct phases *p)
{
	const struct phases_member *m = &p->members[p->primary];
	const struct view_step *flush = &m->steps[VIEW_FLUSH];

	return flush->state == VIEW_STEP_RUNNING || m->asked[VIEW_FLUSH] > attempts_over(flush);
}

static bool ask_before_flush(struct phases *p, unsigned i, struct phases_request *request)
{
	struct phases_member *m = &p->members[i];

	if (is_flush_begun(p))
		return i == p->primary && ask_step(p, i, VIEW_FLUSH, request);
	if (!all_over(p, VIEW_PRECHECK))
		return !is_over(m, VIEW_PRECHECK) && ask_step(p, i, VIEW_PRECHECK, request);
	if (p->settings->dry)
		return false;
	if (first_ungranted(p) < p->count)
		return i == first_ungranted(p) && ask_grant(p, i, request);
	if (i != p->primary)
		return false;
	if (!is_over(m, VIEW_PRIMARY))
		return ask_step(p, i, VIEW_PRIMARY, request);
	return is_done(m, VIEW_PRIMARY) && !is_over(m, VIEW_FLUSH) && ask_step(p, i, VIEW_FLUSH, request);
}

/* The primary's first: then nobody can flush any more, whatever is under way elsewhere. */
static bool ask_release(const struct phases *p, unsigned i, struct phases_request *request)
{
	const struct phases_member *first = &p->members[p->primary];

	if (p->members[i].released || (i != p->primary && !first->released && !first->given_up))
		return false;
	request->ask = PHASES_ASK_RELEASE;
	return true;
}

bool phases_next(struct phases *p, unsigned i, struct mono now, struct phases_request *request)
{
	struct phases_member *m = &p->members[i];

	memset(request, 0, sizeof *request);
	if (p->over || m->given_up || now.ms < m->again_at.ms)
		return false;
	if (m->look || (!m->seen && !p->ending)) {
		request->ask = PHASES_ASK_STATE;
		request->fresh = true;
		return true;
	}
	if (p->ending)
		return ask_release(p, i, request);
	if (!everybody_seen(p))
		return false;
	return phases_is_flushed(p) ? ask_forward(p, i, now, request) : ask_before_flush(p, i, request);
}

/* ---- what follows from what is known -------------------------------------------------------------------------- */

static int first_given_up(const struct phases *p)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->members[i].given_up)
			return (int)i;
	return -1;
}

/* The flush was asked for, and the one who knows does not answer. */
static bool flush_is_in_doubt(const struct phases *p)
{
	const struct phases_member *m = &p->members[p->primary];

	return m->given_up && (is_flush_begun(p) || (p->settings->resuming && !m->seen));
}

static void give_up_before_flush(struct phases *p, unsigned i)
{
	char sentence[VIEW_SENTENCE_BYTES], next[ERROR_NEXT_MAX_BYTES];

	if (!flush_is_in_doubt(p)) {
		abort_run(p, EXIT_UNREACHABLE, PHASES_FAILED, name_of(p, i), p->members[i].trouble, "drrctl status");
		return;
	}
	(void)snprintf(sentence, sizeof sentence, "%s, which was to be flushed, does not answer: it is not known whether it was; the members keep their grants (%.300s)",
		       name_of(p, p->primary), p->members[p->primary].trouble);
	end_here(p, EXIT_INCOMPLETE, PHASES_FAILED, sentence, resume_command(p, next));
}

/* A step before the flush that did not succeed ends the run. */
static bool abort_by_step(struct phases *p, unsigned i, enum view_op op)
{
	const struct view_step *step = &p->members[i].steps[op];
	int exit_code = step->exit > EXIT_CONFIG && step->exit < EXIT_DISABLED && step->exit != EXIT_INCOMPLETE ? step->exit : EXIT_FAILED;

	if (!is_over(&p->members[i], op) || is_done(&p->members[i], op))
		return false;
	if (step->exit == EXIT_DONE || step->exit == EXIT_INCOMPLETE)
		exit_code = step->state == VIEW_STEP_REFUSED ? EXIT_REFUSED : EXIT_FAILED;
	abort_run(p, exit_code, event_of(step), name_of(p, i), step->sentence, step->next);
	return true;
}

/* Another run has begun since we looked. A member that is busy for it answers "later": waiting for that would end in a second DRR right behind the first. */
static bool abort_by_other_run(struct phases *p)
{
	for (unsigned i = 0; i < p->count; i++) {
		const struct view_state *state = &p->members[i].state;
		char sentence[VIEW_SENTENCE_BYTES], next[ERROR_NEXT_MAX_BYTES];

		if (p->members[i].grant != PHASES_GRANT_OTHER || p->members[i].given_up)
			continue;
		(void)snprintf(sentence, sizeof sentence, "run %s holds this member since %s", state->grant.run, state->grant.since);
		(void)snprintf(next, sizeof next, "drrctl status; if nobody drives that run any more: drrctl resume %s", state->grant.run);
		abort_run(p, EXIT_BUSY, PHASES_REFUSED, name_of(p, i), sentence, next);
		return true;
	}
	return false;
}

static void settle_before_flush(struct phases *p)
{
	const struct phases_member *primary = &p->members[p->primary];
	int gone = first_given_up(p);

	if (is_flush_begun(p) && !primary->given_up)
		return;
	if (gone >= 0) {
		give_up_before_flush(p, (unsigned)gone);
		return;
	}
	if (abort_by_other_run(p) || !all_over(p, VIEW_PRECHECK))
		return;
	for (unsigned i = 0; i < p->count; i++)
		if (abort_by_step(p, i, VIEW_PRECHECK))
			return;
	if (p->settings->dry) {
		end_here(p, EXIT_DONE, PHASES_DONE, "every member is fit for it; nothing was changed", "drrctl run");
		return;
	}
	for (unsigned i = 0; i < p->count; i++)
		if (p->members[i].was_granted && p->members[i].grant != PHASES_GRANT_OURS) {
			abort_run(p, EXIT_BUSY, PHASES_FAILED, name_of(p, i), "the grant was taken back meanwhile, by an operator or another coordinator of this run", "drrctl status");
			return;
		}
	if (abort_by_step(p, p->primary, VIEW_PRIMARY))
		return;
	if (primary->flush_judged && !primary->look)
		(void)abort_by_step(p, p->primary, VIEW_FLUSH);
}

/* Members that will not come any further without help; a fixed point, as one can stand in the way of the next. */
static void find_stuck(const struct phases *p, bool stuck[GROUP_MEMBERS_MAX], struct mono now)
{
	for (unsigned i = 0; i < p->count; i++)
		stuck[i] = p->members[i].given_up ||
			   (phases_may_be_disabled(p, i) && mono_diff_ms(now, p->members[i].disabled_at) >= p->settings->patience_ms);
	for (unsigned turn = 0; turn < p->count; turn++)
		for (unsigned i = 0; i < p->count; i++) {
			const struct phases_member *m = &p->members[i];

			if (!stuck[i] && !is_begun(m) && !is_over(m, VIEW_BOUNCE))
				stuck[i] = count_in_way(p, i, stuck) >= p->settings->plan.max_unavailable;
		}
}

static bool is_settled(const struct phases *p, unsigned i, const bool stuck[GROUP_MEMBERS_MAX])
{
	const struct phases_member *m = &p->members[i];

	if (stuck[i])
		return true;
	if (m->look || phases_may_be_disabled(p, i))
		return false;
	return (is_over(m, VIEW_BOUNCE) && !is_done(m, VIEW_BOUNCE)) || (is_over(m, VIEW_CONFIRM) && is_over(m, VIEW_AWAIT));
}

/* "gw1: its sentence; gw2: not bounced", of those that are not done. */
static void tell_rest(const struct phases *p, char *out, size_t size)
{
	struct buf text;

	buf_init(&text, out, size);
	for (unsigned i = 0; i < p->count; i++) {
		const struct phases_member *m = &p->members[i];
		const char *why = "waits for its turn";

		if (is_done(m, VIEW_BOUNCE) && is_done(m, VIEW_AWAIT))
			continue;
		if (m->given_up)
			why = m->trouble;
		else if (is_over(m, VIEW_AWAIT) && !is_done(m, VIEW_AWAIT))
			why = m->steps[VIEW_AWAIT].sentence;
		else if (is_done(m, VIEW_BOUNCE))
			why = "its configuration is not back yet";
		else if (is_failed(&m->steps[VIEW_BOUNCE]))
			why = m->steps[VIEW_BOUNCE].sentence;
		(void)buf_printf(&text, "%s%s: %.200s", text.len > 0 ? "; " : "", name_of(p, i), why);
	}
}

/* Every member was bounced, and answers, and no event came: nothing on this side is missing. */
static bool waits_in_vain(const struct phases *p)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->members[i].given_up || !is_done(&p->members[i], VIEW_BOUNCE))
			return false;
	return p->trigger != PHASES_TRIGGER_NONE && p->trigger != PHASES_TRIGGER_SEEN;
}

static void judge_rest(struct phases *p)
{
	char rest[400], sentence[VIEW_SENTENCE_BYTES], next[ERROR_NEXT_MAX_BYTES];

	tell_rest(p, rest, sizeof rest);
	for (unsigned i = 0; i < p->count; i++) {
		if (!phases_may_be_disabled(p, i))
			continue;
		(void)snprintf(sentence, sizeof sentence, "flushed, and the service of %s may be disabled: act now (%s)", name_of(p, i), rest);
		(void)snprintf(next, sizeof next, "on %s: drr-agent recover; then: drrctl resume %s", name_of(p, i), p->settings->run);
		end_here(p, EXIT_DISABLED, PHASES_FAILED, sentence, next);
		return;
	}
	if (waits_in_vain(p)) {
		(void)snprintf(sentence, sizeof sentence, "flushed and restarted, but the management server has not called (%s)", rest);
		(void)snprintf(next, sizeof next, "in API Manager: is the gateway service online there, does its endpoint reach port 3000 of the members? then: drrctl nudge; drrctl resume %s; "
			       "never another flush for that", p->settings->run);
		end_here(p, EXIT_INCOMPLETE, PHASES_FAILED, sentence, next);
		return;
	}
	(void)resume_command(p, next);
	if (first_given_up(p) >= 0)
		(void)snprintf(next, sizeof next, "see to %s, then: drrctl resume %s; without it, if its service is surely enabled: drrctl resume %s --override-unreachable",
			       name_of(p, (unsigned)first_given_up(p)), p->settings->run, p->settings->run);
	(void)snprintf(sentence, sizeof sentence, "flushed, but not every member is done (%s)", rest);
	end_here(p, EXIT_INCOMPLETE, PHASES_FAILED, sentence, next);
}

/* All members have come as far as they can. */
static void judge(struct phases *p)
{
	bool whole = true, waited = false;
	char next[ERROR_NEXT_MAX_BYTES];

	for (unsigned i = 0; i < p->count; i++) {
		whole &= is_done(&p->members[i], VIEW_BOUNCE) && is_done(&p->members[i], VIEW_AWAIT);
		waited |= is_done(&p->members[i], VIEW_CONFIRM);
	}
	if (!whole)
		judge_rest(p);
	else if (!is_done(&p->members[p->primary], VIEW_FLUSH))
		end_releasing(p, EXIT_INCOMPLETE, PHASES_FAILED,
			      "every member was restarted, but it is not sure that the flush took effect (see the step flush); it may be run again", "drrctl run");
	else if (!waited) /* the log may tell it yet; or they have their old configuration, and the loss shows at the next restart */
		end_here(p, EXIT_INCOMPLETE, PHASES_FAILED, "every member was restarted and has a configuration, but none was seen to wait for registration: it may be the old one",
			 resume_command(p, next));
	else
		end_releasing(p, EXIT_DONE, PHASES_DONE, "flushed, every member restarted, and its configuration is back on all", "");
}

static void settle_forward(struct phases *p, struct mono now)
{
	bool stuck[GROUP_MEMBERS_MAX];

	find_stuck(p, stuck, now);
	for (unsigned i = 0; i < p->count; i++)
		if (!is_settled(p, i, stuck))
			return;
	judge(p);
}

static void settle_ending(struct phases *p)
{
	struct buf names;
	char memory[200];

	buf_init(&names, memory, sizeof memory);
	for (unsigned i = 0; i < p->count; i++) {
		if (!p->members[i].released && !p->members[i].given_up)
			return;
		if (p->members[i].released)
			continue;
		tell(p, (int)i, PHASES_RELEASE, PHASES_FAILED, p->members[i].trouble, "");
		(void)buf_printf(&names, " %.60s", name_of(p, i));
	}
	p->over = true;
	if (names.len > 0)
		(void)snprintf(p->next, sizeof p->next, "drrctl release %s   (its grant may still be on%s)", p->settings->run, memory);
}

/* ---- the trigger ---------------------------------------------------------------------------------------------- */

static bool is_work(const char *code)
{
	static const char *const codes[] = {"0x88e00210", "0x88e0028e", "0x88e0028f", "0x88e0007d", "0x88e000a6", "0x88e000a7", "0x88e000ac"};

	for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (strcmp(code, codes[i]) == 0)
			return true;
	return false;
}

/* It was bounced and waits for an event, as far as is known. The agent's own word counts; without it (an older one) the newest line of the log. */
static bool waits_for_event(const struct phases_member *m)
{
	if (m->given_up || is_over(m, VIEW_AWAIT) || !is_done(m, VIEW_BOUNCE))
		return false;
	if (!m->log_seen || m->steps[VIEW_AWAIT].state != VIEW_STEP_RUNNING)
		return true;
	return m->state.step_phase[0] ? strcmp(m->state.step_phase, "trigger") == 0 : !is_work(m->state.last_event);
}

/* An event that came while the group was bounced one after the other does not serve those that were bounced after it: as long as one waits, none was seen. */
static void look_for_event(struct phases *p, struct mono now)
{
	char sentence[VIEW_SENTENCE_BYTES];
	int seen = -1;

	for (unsigned i = 0; i < p->count; i++) {
		const struct phases_member *m = &p->members[i];

		if (waits_for_event(m))
			return;
		if (seen < 0 && (is_done(m, VIEW_AWAIT) || m->steps[VIEW_AWAIT].state == VIEW_STEP_RUNNING))
			seen = (int)i;
	}
	if (seen < 0)
		return;
	p->trigger = PHASES_TRIGGER_SEEN;
	(void)snprintf(sentence, sizeof sentence, "an event was accepted on %s after %lld s", name_of(p, (unsigned)seen), (long long)(mono_diff_ms(now, p->trigger_since) / 1000));
	tell(p, -1, PHASES_TRIGGER, PHASES_DONE, sentence, "");
}

static bool may_trigger(const struct phases *p)
{
	bool waiting = false;

	for (unsigned i = 0; i < p->count; i++) {
		if (!p->members[i].given_up && !is_over(&p->members[i], VIEW_BOUNCE))
			return false;
		waiting |= p->members[i].steps[VIEW_AWAIT].state == VIEW_STEP_RUNNING;
	}
	return waiting;
}

static void tick_trigger(struct phases *p, struct mono now)
{
	if (p->trigger == PHASES_TRIGGER_NONE && may_trigger(p)) {
		p->trigger = PHASES_TRIGGER_WAITING;
		p->trigger_since = now;
		tell(p, -1, PHASES_TRIGGER, PHASES_STARTED, steps[PHASES_TRIGGER].sentence, "");
	}
	if (p->trigger == PHASES_TRIGGER_WAITING || p->trigger == PHASES_TRIGGER_NUDGED)
		look_for_event(p, now);
	if (p->trigger != PHASES_TRIGGER_WAITING || p->settings->nudge == GROUP_NUDGE_NEVER)
		return;
	if (p->settings->nudge == GROUP_NUDGE_ALWAYS || mono_diff_ms(now, p->trigger_since) >= p->settings->nudge_after_ms)
		p->trigger = PHASES_TRIGGER_DUE;
}

bool phases_wants_nudge(struct phases *p)
{
	if (p->trigger != PHASES_TRIGGER_DUE || p->over || p->ending)
		return false;
	p->trigger = PHASES_TRIGGER_NUDGING;
	return true;
}

void phases_nudged(struct phases *p, const char *trouble)
{
	p->trigger = PHASES_TRIGGER_NUDGED;
	if (trouble)
		tell(p, -1, PHASES_TRIGGER, PHASES_FAILED, trouble, "");
	else
		tell(p, -1, PHASES_TRIGGER, PHASES_STARTED, "API Manager was made to send an event", "");
}

/* ---- time ----------------------------------------------------------------------------------------------------- */

void phases_tick(struct phases *p, struct mono now)
{
	if (p->over)
		return;
	if (p->ending) {
		settle_ending(p);
		return;
	}
	if (!everybody_seen(p))
		return;
	if (!phases_is_flushed(p)) {
		settle_before_flush(p);
		return;
	}
	tick_trigger(p, now);
	settle_forward(p, now);
}

struct mono phases_deadline(const struct phases *p, struct mono now)
{
	struct mono deadline = MONO_NEVER;

	for (unsigned i = 0; i < p->count; i++)
		if (p->members[i].again_at.ms > now.ms)
			deadline = mono_earlier(deadline, p->members[i].again_at);
	if (p->trigger == PHASES_TRIGGER_WAITING && p->settings->nudge == GROUP_NUDGE_AUTO)
		deadline = mono_earlier(deadline, mono_add_ms(p->trigger_since, p->settings->nudge_after_ms));
	return deadline;
}

void phases_stop(struct phases *p, struct mono now)
{
	const struct phases_member *primary = &p->members[p->primary];
	char next[ERROR_NEXT_MAX_BYTES], sentence[VIEW_SENTENCE_BYTES], rest[400];

	(void)now;
	if (p->over || p->ending)
		return;
	(void)resume_command(p, next);
	if (phases_is_flushed(p)) {
		tell_rest(p, rest, sizeof rest);
		(void)snprintf(sentence, sizeof sentence, "stopped by the operator after the flush; what a member has begun its agent finishes (%s)", rest);
		end_here(p, EXIT_INCOMPLETE, PHASES_FAILED, sentence, next);
	} else if (is_flush_begun(p) || primary->look) {
		end_here(p, EXIT_INCOMPLETE, PHASES_FAILED, "stopped by the operator while the flush is under way", next);
	} else {
		abort_run(p, EXIT_FAILED, PHASES_FAILED, "", "stopped by the operator", "drrctl run");
	}
}
