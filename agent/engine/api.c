/* api.c - what the front may ask, and what it gets. Everything is checked here once more, and roles are looked up here only: the front is the part that
 * strangers talk to. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/auditing.h"
#include "engine/daemon.h"
#include "platform/clock.h"
#include "run/precheck.h"

enum role { ROLE_NONE, ROLE_OBSERVER, ROLE_OPERATOR };

struct asker {
	enum role role;
	char name[JOURNAL_NAME_BYTES]; /* for the journal: the certificate's name, or "local" */
};

/* ---- who asks ------------------------------------------------------------------------------------------------- */

/* NAMES and CHANNEL are the front's word, and have to be: TLS ends there. A front that strangers have can be any operator of the configuration, so to doubt its
 * "unix" alone (by a channel of its own, or the client's descriptor passed along, which it could keep) would take rights from it only where [https] has no operators.
 * What holds against it stands below: a grant, the prechecks, one flush for a run, and the service enabled again whatever is asked. */

static bool is_among(const char *name, size_t length, const char names[][CONFIG_PERSON_BYTES], unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
			return true;
	return false;
}

static void look_up(const struct config *config, const char *name, size_t length, struct asker *asker)
{
	enum role role = is_among(name, length, config->https.operators, config->https.operator_count) ? ROLE_OPERATOR :
			 is_among(name, length, config->https.observers, config->https.observer_count) ? ROLE_OBSERVER : ROLE_NONE;

	if (role <= asker->role || length >= sizeof asker->name)
		return;
	asker->role = role;
	memcpy(asker->name, name, length);
	asker->name[length] = '\0';
}

static struct asker find_asker(const struct daemon *d, const struct frame *frame)
{
	struct asker asker = {ROLE_NONE, "nobody"};
	const char *names = frame->fields[2].bytes;
	size_t left = frame->fields[2].length;

	if (frame->number == DAEMON_OWN_REQUEST)
		return (struct asker){ROLE_OPERATOR, DAEMON_OWN_NAME};
	if (frame_field_is(frame, 3, "unix"))
		return (struct asker){ROLE_OPERATOR, "local"}; /* the socket's mode lets in root and the agent's group, and nobody else */
	while (left > 0) {
		const char *end = memchr(names, '\n', left);
		size_t length = end ? (size_t)(end - names) : left;

		look_up(d->config, names, length, &asker);
		left -= length + (end ? 1 : 0);
		names += length + (end ? 1 : 0);
	}
	return asker;
}

static enum role needed_role(const struct route *route)
{
	return route->method == ROUTE_GET ? ROLE_OBSERVER : ROLE_OPERATOR;
}

/* ---- the state ------------------------------------------------------------------------------------------------ */

static void set_or_null(struct json *object, const char *key, struct json *child)
{
	if (child)
		json_set(object, key, child);
	else
		json_set_null(object, key);
}

const char *api_member_address(const struct daemon *d)
{
	return d->config->appliance.address[0] ? d->config->appliance.address : d->runner.link.facts.local_address;
}

struct json *api_state(struct daemon *d)
{
	static const char *const jobs[] = {[DAEMON_IDLE] = "idle", [DAEMON_LOOK] = "looking", [DAEMON_STEP] = "step", [DAEMON_RECOVERY] = "recovery"};
	struct situation situation = {d->config, &d->runner.link, api_member_address(d), &d->watcher.last, &d->runner.book.state, watcher_lag_ms(d)};
	struct json *top = situation_json(&situation), *agent = json_object();
	struct error ignored = {0};
	char when[CLOCK_TEXT_BYTES];

	json_set(top, "watchdog", situation_watchdog(&d->over.dog));
	set_or_null(top, "step", d->step.state == STEP_RUNNING ? step_json(d, d->step.run, d->step.op) : NULL);
	json_set_string(agent, "version", DRR_VERSION);
	json_set_string(agent, "started", clock_text(when, d->started_ms));
	json_set_string(agent, "now", clock_text(when, clock_wall_ms()));
	json_set_string(agent, "state", jobs[d->job]);
	(void)events_sync(&d->events, &ignored); /* a number that is told stays */
	json_set_int(agent, "events_newest", (int64_t)d->events.newest);
	json_set_bool(agent, "journal_broken", d->runner.book.broken);
	json_set_string(agent, "trouble", d->look_error.code != ERROR_NONE ? d->look_error.what : NULL);
	json_set_int(agent, "trouble_exit", error_exit_code(d->look_error.code));
	json_set(top, "agent", agent);
	return top;
}

static bool is_fresh(const struct daemon *d, int64_t max_age_ms)
{
	int64_t age_ms = situation_age_ms(&d->runner.link);

	return age_ms >= 0 && age_ms <= max_age_ms;
}

/* ---- waiting -------------------------------------------------------------------------------------------------- */

static void wait_for(struct daemon *d, uint32_t number, const struct route *route, int64_t limit_ms)
{
	for (unsigned i = 0; i < DAEMON_WAITERS_MAX; i++)
		if (d->waiters[i].number == 0) {
			d->waiters[i] = (struct waiter){number, *route, mono_add_ms(clock_now(), limit_ms)};
			return;
		}
	daemon_reply_problem(d, number, PROBLEM_TOO_MANY, "ask again in a moment", "%d requests wait here already", DAEMON_WAITERS_MAX);
}

static void answer_state(struct daemon *d, uint32_t number)
{
	daemon_reply_json(d, number, 200, api_state(d));
}

/* ID is RUN.OP. False: it is not. */
static bool split_id(const char *id, char run[JOURNAL_RUN_BYTES], int *op)
{
	const char *dot = strrchr(id, '.');
	size_t length = dot ? (size_t)(dot - id) : 0;

	if (length == 0 || length >= JOURNAL_RUN_BYTES || (*op = step_op_by_name(dot + 1)) < 0)
		return false;
	memcpy(run, id, length);
	run[length] = '\0';
	return true;
}

static void answer_step(struct daemon *d, uint32_t number, const char *id)
{
	char run[JOURNAL_RUN_BYTES];
	int op;
	struct json *step = split_id(id, run, &op) ? step_json(d, run, op) : NULL;

	if (step)
		daemon_reply_json(d, number, 200, step);
	else
		daemon_reply_problem(d, number, PROBLEM_NOT_FOUND, "POST /v1/steps", "no step %s is known here", id);
}

static void answer_events(struct daemon *d, uint32_t number, const struct route *route)
{
	struct error error = {0};
	char *text = events_text(&d->events, (uint64_t)route->after, route->limit, &error);

	if (text)
		daemon_reply(d, number, 200, "application/json", NULL, 0, text);
	else
		daemon_reply_problem(d, number, PROBLEM_INTERNAL, error.next, "%s", error.what);
	free(text);
}

static void answer_ready(struct daemon *d, uint32_t number)
{
	struct json *top = json_object(), *checks = json_array(), *check = json_object(), *log = json_object(), *book = json_object();
	bool answers = d->look_error.code == ERROR_NONE && situation_age_ms(&d->runner.link) >= 0;
	bool reads = d->config->log.source == CONFIG_LOG_NONE || d->watcher.last.error.code == ERROR_NONE;
	bool writes = !d->runner.book.broken;

	json_set_string(check, "name", "appliance");
	json_set_bool(check, "ok", answers);
	json_set_string(check, "sentence", answers ? "it answers" : d->look_error.code != ERROR_NONE ? d->look_error.what : "it was not asked yet");
	json_add(checks, check);
	json_set_string(log, "name", "log");
	json_set_bool(log, "ok", reads);
	json_set_string(log, "sentence", reads ? "it can be read, or none is configured" : d->watcher.last.error.what);
	json_add(checks, log);
	json_set_string(book, "name", "journal");
	json_set_bool(book, "ok", writes);
	json_set_string(book, "sentence", writes ? "it can be written" : "it cannot be written: nothing is begun. " DAEMON_BROKEN_NEXT);
	json_add(checks, book);
	json_set_string(top, "status", answers && reads && writes ? "ok" : "failing");
	json_set(top, "checks", checks);
	daemon_reply_json(d, number, answers && reads && writes ? 200 : 503, top);
}

/* The look that it waits for is begun here: as soon as nothing else is under way. */
static bool serve_audit(struct daemon *d, const struct waiter *waiter, bool late)
{
	if (d->job == DAEMON_STEP || d->job == DAEMON_RECOVERY) {
		daemon_reply_problem(d, waiter->number, PROBLEM_STEP_RUNNING, "ask again when it is over: GET /v1/state", "a step is under way on this member: an audit has to wait for it");
		return true;
	}
	if (late)
		daemon_reply_problem(d, waiter->number, PROBLEM_NO_ANSWER, "drr-agent status; then ask again", "the appliance has not answered all questions within %d s", DAEMON_AUDIT_WAIT_MS / 1000);
	else
		look_audit(d);
	return late;
}

/* True: its wait is over, and it was answered. */
static bool serve(struct daemon *d, const struct waiter *waiter, bool late)
{
	const struct route *route = &waiter->route;
	char run[JOURNAL_RUN_BYTES];
	int op;

	switch (route->name) {
	case ROUTE_STATE:
		if (!late && d->job == DAEMON_LOOK)
			return false;
		answer_state(d, waiter->number);
		return true;
	case ROUTE_READYZ:
		if (!late && d->job == DAEMON_LOOK)
			return false;
		answer_ready(d, waiter->number);
		return true;
	case ROUTE_STEP:
		if (!late && split_id(route->id, run, &op) && !step_is_over(d, run, op))
			return false;
		answer_step(d, waiter->number, route->id);
		return true;
	case ROUTE_AUDIT:
		return serve_audit(d, waiter, late);
	default:
		if (!late && d->events.newest <= (uint64_t)route->after)
			return false;
		answer_events(d, waiter->number, route);
		return true;
	}
}

void api_serve_waiters(struct daemon *d)
{
	struct mono now = clock_now();

	for (unsigned i = 0; i < DAEMON_WAITERS_MAX; i++) {
		struct waiter waiter = d->waiters[i];

		if (waiter.number != 0 && serve(d, &waiter, mono_reached(waiter.until, now)))
			d->waiters[i].number = 0;
	}
}

/* Not more than fits into an answer; where it does not, nothing is left out unsaid. */
static void answer_audit(struct daemon *d, uint32_t number, const struct audit_member *member, bool production)
{
	static struct audit audit; /* large */
	struct json *all;
	char *text;

	audit_run(&audit, member, 1, production);
	all = auditing_json(&audit, member);
	text = json_text(all, false);
	if (audit.left_out || strlen(text) > FRAME_REPLY_MAX_BYTES)
		daemon_reply_problem(d, number, PROBLEM_INTERNAL, "drr-agent audit   on the member tells them all", "there are more findings than one answer holds");
	else
		daemon_reply(d, number, 200, "application/json", NULL, 0, text);
	free(text);
	json_free(all);
}

void api_answer_audits(struct daemon *d, const struct audit_member *member, const struct error *why)
{
	for (unsigned i = 0; i < DAEMON_WAITERS_MAX; i++) {
		struct waiter *waiter = &d->waiters[i];

		if (waiter->number == 0 || waiter->route.name != ROUTE_AUDIT)
			continue;
		if (why)
			daemon_reply_problem(d, waiter->number, why->code == ERROR_CONFIG ? PROBLEM_INTERNAL : PROBLEM_APPLIANCE_UNREACHABLE, why->next, "%s", why->what);
		else
			answer_audit(d, waiter->number, member, !waiter->route.non_production);
		waiter->number = 0;
	}
}

struct mono api_deadline(const struct daemon *d)
{
	struct mono at = MONO_NEVER;

	for (unsigned i = 0; i < DAEMON_WAITERS_MAX; i++) {
		if (d->waiters[i].number == 0)
			continue;
		at = mono_earlier(at, d->waiters[i].until);
		if (d->waiters[i].route.name == ROUTE_AUDIT && d->job == DAEMON_IDLE)
			at = mono_earlier(at, d->look_again_at);
	}
	return at;
}

/* ---- grants --------------------------------------------------------------------------------------------------- */

static const struct journal_standing *standing(const struct daemon *d)
{
	return &d->runner.book.state.standing;
}

/* A refusal with the grant or the hold that is in the way. */
static void refuse_with(struct daemon *d, uint32_t number, enum problem_type type, const char *key, struct json *what, const char *detail, const char *next)
{
	struct json *problem = problem_json(type, detail, next);
	char *text;

	set_or_null(problem, key, what);
	text = json_text(problem, false);
	daemon_reply(d, number, problem_status(type), PROBLEM_CONTENT_TYPE, NULL, problem_retry_after_s(type), text);
	free(text);
	json_free(problem);
}

static void refuse_held_by_other(struct daemon *d, uint32_t number)
{
	char next[192], detail[128];

	(void)snprintf(detail, sizeof detail, "run %s holds the grant of this member", standing(d)->grant_run);
	(void)snprintf(next, sizeof next, "drrctl resume %s, or after a look at it: drrctl release %s", standing(d)->grant_run, standing(d)->grant_run);
	refuse_with(d, number, PROBLEM_GRANT_HELD, "holder", situation_grant(standing(d)), detail, next);
}

static void refuse_hold(struct daemon *d, uint32_t number)
{
	refuse_with(d, number, PROBLEM_HOLD, "hold", situation_hold(standing(d)), "a hold is set on this member: no run may begin", "ask its owner; then: drrctl unhold");
}

/* What was written before an error is not known: the journal has to be read again, by another process. */
static void refuse_broken(struct daemon *d, uint32_t number)
{
	daemon_reply_problem(d, number, PROBLEM_INTERNAL, DAEMON_BROKEN_NEXT, "the journal cannot be written: nothing is begun, taken or given back");
}

static void reply_not_written(struct daemon *d, uint32_t number, const struct error *error)
{
	daemon_reply_problem(d, number, PROBLEM_INTERNAL, d->runner.book.broken ? DAEMON_BROKEN_NEXT : error->next, "%s", error->what);
}

/* An unknown key is a misunderstanding: false, and it was answered. */
static bool has_only(struct daemon *d, uint32_t number, const struct json *object, const char *const *keys)
{
	if (!json_is_object(object)) {
		daemon_reply_problem(d, number, PROBLEM_BAD_REQUEST, "see /v1/openapi.json", "the body is no JSON object");
		return false;
	}
	for (size_t i = 0; json_at(object, i); i++) {
		const char *key = json_key(json_at(object, i));
		unsigned k = 0;

		while (keys[k] && strcmp(keys[k], key) != 0)
			k++;
		if (!keys[k]) {
			daemon_reply_problem(d, number, PROBLEM_BAD_REQUEST, "see /v1/openapi.json", "the body has a key that is not known here: %.60s", key);
			return false;
		}
	}
	return true;
}

/* NULL: answered. */
static struct json *read_body(struct daemon *d, const struct frame *frame, const char *const *keys)
{
	struct error error = {0};
	struct json *body = json_parse(frame->fields[4].bytes, frame->fields[4].length, &error);

	if (!body)
		daemon_reply_problem(d, frame->number, PROBLEM_BAD_REQUEST, "see /v1/openapi.json", "%s", error.what);
	else if (!has_only(d, frame->number, body, keys)) {
		json_free(body);
		return NULL;
	}
	return body;
}

static bool copy_string(const struct json *from, const char *key, char *out, size_t size)
{
	const char *text = json_string(json_get(from, key));

	out[0] = '\0';
	if (!text || strlen(text) >= size)
		return false;
	memcpy(out, text, strlen(text) + 1);
	return true;
}

static int read_plan(const struct json *body, const char *own, struct plan *plan, struct error *error)
{
	const struct json *order = json_get(body, "order");
	int64_t number = 0;

	memset(plan, 0, sizeof *plan);
	if (!copy_string(body, "primary", plan->primary, sizeof plan->primary) || !json_is_array(order) || !json_int(json_get(body, "max_unavailable"), &number))
		return error_set(error, ERROR_REFUSED, "see /v1/openapi.json", "a plan has primary (a name), order (a list of names) and max_unavailable (a number)");
	for (size_t i = 0; json_at(order, i); i++) {
		const char *name = json_string(json_at(order, i));

		if (plan->count == PLAN_MEMBERS_MAX || !name || strlen(name) >= PLAN_NAME_BYTES)
			return error_set(error, ERROR_REFUSED, NULL, "the plan's order is a list of at most %d names of at most %d characters", PLAN_MEMBERS_MAX, PLAN_NAME_BYTES - 1);
		memcpy(plan->order[plan->count++], name, strlen(name) + 1);
	}
	plan->max_unavailable = number < 0 || number > PLAN_MEMBERS_MAX ? 0 : (unsigned)number;
	return plan_check(plan, own, error);
}

static void reply_grant(struct daemon *d, uint32_t number)
{
	daemon_reply_json(d, number, 200, situation_grant(standing(d)));
}

static void take_grant(struct daemon *d, uint32_t number, const struct route *route, const struct plan *plan, const struct asker *asker)
{
	char text[PLAN_TEXT_BYTES];
	struct error error = {0};

	(void)plan_format(plan, text);
	if (standing(d)->granted && strcmp(standing(d)->grant_run, route->id) != 0)
		refuse_held_by_other(d, number);
	else if (standing(d)->granted && strcmp(standing(d)->plan, text) != 0)
		refuse_with(d, number, PROBLEM_PLAN_DIFFERS, "holder", situation_grant(standing(d)), "this run holds the grant with another plan", "go on with the plan that is there: drrctl resume");
	else if (standing(d)->granted)
		reply_grant(d, number);
	else if (strcmp(standing(d)->released_run, route->id) == 0)
		daemon_reply_problem(d, number, PROBLEM_NOT_GRANTED, "begin another run", "run %s gave this member's grant back: a run's name serves once", route->id);
	else if (situation_is_held(standing(d)))
		refuse_hold(d, number);
	else if (d->runner.book.broken)
		refuse_broken(d, number);
	else if (d->runner.book.state.run_open || d->runner.book.state.disable_open || (journal_is_open(d) && !(d->job == DAEMON_STEP && d->step.op == STEP_PRECHECK)))
		daemon_reply_problem(d, number, PROBLEM_JOURNAL_OPEN, "wait for it: GET /v1/state", "something else is not finished on this member");
	else if (d->stopping)
		daemon_reply_problem(d, number, PROBLEM_STOPPING, "ask again when it is back", "this agent is about to end");
	else if (grant_take(d, route->id, plan, asker->name, &error))
		reply_not_written(d, number, &error);
	else
		reply_grant(d, number);
}

static void put_grant(struct daemon *d, const struct frame *frame, const struct route *route, const struct asker *asker)
{
	static const char *const keys[] = {"primary", "order", "max_unavailable", NULL};
	struct json *body = read_body(d, frame, keys);
	struct error error = {0};
	struct plan plan;

	if (!body)
		return;
	if (read_plan(body, d->config->agent.name, &plan, &error))
		daemon_reply_problem(d, frame->number, PROBLEM_BAD_PLAN, error.next, "%s", error.what);
	else
		take_grant(d, frame->number, route, &plan, asker);
	json_free(body);
}

static void delete_grant(struct daemon *d, uint32_t number, const struct route *route, const struct asker *asker)
{
	struct error error = {0};

	if (!standing(d)->granted && strcmp(standing(d)->released_run, route->id) == 0)
		daemon_reply(d, number, 204, "", NULL, 0, NULL);
	else if (!standing(d)->granted)
		daemon_reply_problem(d, number, PROBLEM_NOT_HELD, NULL, "no run holds the grant of this member");
	else if (strcmp(standing(d)->grant_run, route->id) != 0)
		refuse_held_by_other(d, number);
	else if (d->runner.book.broken)
		refuse_broken(d, number);
	else if (journal_is_open(d))
		daemon_reply_problem(d, number, PROBLEM_JOURNAL_OPEN, "wait for it: GET /v1/state", "the run is not finished on this member: a step is under way, or the service may be disabled");
	else if (grant_release(d, asker->name, &error))
		reply_not_written(d, number, &error);
	else
		daemon_reply(d, number, 204, "", NULL, 0, NULL);
}

/* ---- steps ---------------------------------------------------------------------------------------------------- */

static void reply_accepted(struct daemon *d, uint32_t number, const char *run, int op)
{
	char location[ROUTE_TARGET_MAX_BYTES];
	struct json *step = step_json(d, run, op);
	char *text = json_text(step, false);

	(void)snprintf(location, sizeof location, "/v1/steps/%s.%s", run, step_op_name(op));
	daemon_reply(d, number, 202, "application/json", location, 0, text);
	free(text);
	json_free(step);
}

/* Was it done, or may it have been done, so that it is not done again? */
static bool is_settled(const struct daemon *d, const char *run, int op)
{
	const struct journal_state *state = &d->runner.book.state;
	bool same = strcmp(state->run, run) == 0;

	if (op == STEP_PRECHECK)
		return d->step.op == op && strcmp(d->step.run, run) == 0 && d->step.state == STEP_DONE;
	if (!same || state->ops[op].attempts == 0)
		return false;
	if (op == JOURNAL_OP_FLUSH && (state->flush_done || state->flush_unknown || state->flush_open))
		return true;
	return state->ops[op].ended && state->ops[op].exit_code == 0;
}

/* Steps that only the plan's primary does, and their order there. False: answered. */
static bool fits_plan(struct daemon *d, uint32_t number, const char *run, int op)
{
	const struct journal_state *state = &d->runner.book.state;
	struct plan plan;
	bool flushed = strcmp(state->run, run) == 0 && (state->flush_done || state->flush_unknown || state->flush_open);
	bool primary, own = over_owns(d, run);

	if (plan_parse(standing(d)->plan, &plan)) {
		daemon_reply_problem(d, number, PROBLEM_INTERNAL, "drr-agent journal", "the plan in the journal cannot be read");
		return false;
	}
	primary = !own && strcmp(plan.primary, d->config->agent.name) == 0;
	if (!primary && (op == JOURNAL_OP_PRIMARY || op == JOURNAL_OP_FLUSH)) {
		daemon_reply_problem(d, number, PROBLEM_NOT_PRIMARY_OF_PLAN, NULL,
				     own ? "this run is the watchdog's on %s: it bounces, and does nothing else" : "the plan makes %s the primary; only there is this step done", plan.primary);
		return false;
	}
	if (primary && op == JOURNAL_OP_BOUNCE && !flushed) {
		daemon_reply_problem(d, number, PROBLEM_FLUSH_FIRST, "POST /v1/steps with op flush", "this member is the plan's primary and did not flush in this run yet");
		return false;
	}
	return true;
}

static bool may_begin(struct daemon *d, uint32_t number, const char *run, int op)
{
	bool busy = d->job == DAEMON_STEP || d->job == DAEMON_RECOVERY;

	if (d->stopping) {
		daemon_reply_problem(d, number, PROBLEM_STOPPING, "ask again when it is back", "this agent is about to end");
		return false;
	}
	if (op != STEP_PRECHECK && !standing(d)->granted) {
		daemon_reply_problem(d, number, PROBLEM_NOT_GRANTED, "PUT /v1/grant/RUN with the plan", "run %s holds no grant of this member", run);
		return false;
	}
	if (op != STEP_PRECHECK && strcmp(standing(d)->grant_run, run) != 0) {
		refuse_held_by_other(d, number);
		return false;
	}
	if (!busy && d->runner.book.broken && op != STEP_PRECHECK) { /* before what only the journal holds open: nothing closes that now */
		refuse_broken(d, number);
		return false;
	}
	if (busy || d->runner.book.state.disable_open) {
		daemon_reply_problem(d, number, PROBLEM_STEP_RUNNING, "GET /v1/state says which; ask again when it is over", "another step, or a recovery, is under way");
		return false;
	}
	if (op != STEP_PRECHECK && !journal_has_room(d)) {
		daemon_reply_problem(d, number, PROBLEM_INTERNAL, "finish the run by hand, release it, and begin another: then the journal is set aside", "the journal is nearly full: nothing is begun");
		return false;
	}
	return op == STEP_PRECHECK || fits_plan(d, number, run, op);
}

/* -1: answered. */
static int64_t read_overrides(struct daemon *d, uint32_t number, const struct json *body)
{
	const struct json *list = json_get(body, "overrides");
	unsigned set = 0;

	if (list && !json_is_array(list)) {
		daemon_reply_problem(d, number, PROBLEM_BAD_REQUEST, "see /v1/openapi.json", "overrides is a list of refusals' names");
		return -1;
	}
	for (size_t i = 0; json_at(list, i); i++) {
		const char *name = json_string(json_at(list, i));
		enum precheck_refusal refusal = name ? precheck_by_name(name) : PRECHECK_REFUSAL_COUNT;

		if (refusal == PRECHECK_REFUSAL_COUNT) {
			daemon_reply_problem(d, number, PROBLEM_BAD_REQUEST, "drr-agent explain lists them", "there is no refusal %.40s", name ? name : "of that kind");
			return -1;
		}
		set |= 1u << refusal;
	}
	return set;
}

/* A request may name the attempt that it wants. One that was made already is not made again: such a request was late, and whoever sent it does not know yet what came of
 * that attempt. Without this a coordinator's late bounce, which has failed meanwhile, would take this member down beside the next one. */
static bool is_late(const struct daemon *d, const char *run, int op, const struct json *body)
{
	int64_t attempt;

	return json_int(json_get(body, "attempt"), &attempt) && step_attempts(d, run, op) > 0 && attempt <= (int64_t)step_attempts(d, run, op);
}

static void begin_step(struct daemon *d, uint32_t number, const char *run, int op, const struct json *body, const char *by)
{
	int64_t overrides, attempt = 1;

	if (json_get(body, "attempt") && (!json_int(json_get(body, "attempt"), &attempt) || attempt < 1)) {
		daemon_reply_problem(d, number, PROBLEM_BAD_REQUEST, "see /v1/openapi.json", "attempt is a whole number, 1 for the first");
		return;
	}
	if (!step_is_over(d, run, op) || is_settled(d, run, op) || is_late(d, run, op, body)) {
		reply_accepted(d, number, run, op); /* the same step, never twice */
		return;
	}
	overrides = read_overrides(d, number, body);
	if (overrides < 0 || !may_begin(d, number, run, op))
		return;
	step_start(d, run, op, (unsigned)overrides, by);
	reply_accepted(d, number, run, op);
}

static void post_step(struct daemon *d, const struct frame *frame, const struct asker *asker)
{
	static const char *const keys[] = {"run", "op", "attempt", "overrides", NULL};
	struct json *body = read_body(d, frame, keys);
	char run[JOURNAL_RUN_BYTES], name[16];
	int op;

	if (!body)
		return;
	if (!copy_string(body, "run", run, sizeof run) || !journal_run_is_valid(run))
		daemon_reply_problem(d, frame->number, PROBLEM_BAD_REQUEST, "see /v1/openapi.json", "run is 1 to %d letters, digits, - _ .", JOURNAL_RUN_BYTES - 1);
	else if (!copy_string(body, "op", name, sizeof name) || (op = step_op_by_name(name)) < 0)
		daemon_reply_problem(d, frame->number, PROBLEM_BAD_REQUEST, "see /v1/openapi.json", "op is one of precheck, primary, flush, bounce, confirm, await");
	else
		begin_step(d, frame->number, run, op, body, asker->name);
	json_free(body);
}

/* ---- hold ----------------------------------------------------------------------------------------------------- */

static void put_hold(struct daemon *d, const struct frame *frame)
{
	static const char *const keys[] = {"owner", "reason", "until", NULL};
	struct json *body = read_body(d, frame, keys);
	char owner[JOURNAL_NAME_BYTES], reason[JOURNAL_REASON_BYTES], until[CLOCK_TEXT_BYTES + 16];
	struct error error = {0};
	int64_t until_ms = 0;

	if (!body)
		return;
	if (!copy_string(body, "owner", owner, sizeof owner) || !owner[0] || !copy_string(body, "reason", reason, sizeof reason) || !reason[0])
		daemon_reply_problem(d, frame->number, PROBLEM_BAD_REQUEST, "see /v1/openapi.json", "a hold has an owner (at most %d bytes) and a reason (at most %d)",
				     JOURNAL_NAME_BYTES - 1, JOURNAL_REASON_BYTES - 1);
	else if (!copy_string(body, "until", until, sizeof until) || !clock_parse(until, &until_ms) || until_ms <= clock_wall_ms())
		daemon_reply_problem(d, frame->number, PROBLEM_BAD_REQUEST, "for example 2026-01-02T03:04:05Z", "until is a time to come, in UTC");
	else if (standing(d)->granted)
		refuse_held_by_other(d, frame->number);
	else if (situation_is_held(standing(d)) && strcmp(standing(d)->hold_owner, owner) != 0)
		refuse_hold(d, frame->number);
	else if (situation_is_held(standing(d)) && strcmp(standing(d)->hold_reason, reason) == 0 && standing(d)->hold_until_ms == until_ms)
		daemon_reply_json(d, frame->number, 200, situation_hold(standing(d)));
	else if (hold_set(d, owner, reason, until_ms, &error))
		reply_not_written(d, frame->number, &error);
	else
		daemon_reply_json(d, frame->number, 200, situation_hold(standing(d)));
	json_free(body);
}

static void delete_hold(struct daemon *d, uint32_t number, const struct asker *asker)
{
	struct error error = {0};

	if (standing(d)->held && hold_lift(d, asker->name, &error))
		reply_not_written(d, number, &error);
	else
		daemon_reply(d, number, 204, "", NULL, 0, NULL);
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

static void get_state(struct daemon *d, uint32_t number, const struct route *route)
{
	if (is_fresh(d, route->max_age_ms) || d->job == DAEMON_STEP || d->job == DAEMON_RECOVERY) {
		answer_state(d, number);
		return;
	}
	look_want(d);
	if (d->job == DAEMON_LOOK)
		wait_for(d, number, route, DAEMON_LOOK_WAIT_MS);
	else
		answer_state(d, number);
}

static void get_ready(struct daemon *d, uint32_t number, const struct route *route)
{
	if (!is_fresh(d, ROUTE_MAX_AGE_USUAL_MS))
		look_want(d);
	if (d->job == DAEMON_LOOK)
		wait_for(d, number, route, DAEMON_LOOK_WAIT_MS);
	else
		answer_ready(d, number);
}

static void get_step(struct daemon *d, uint32_t number, const struct route *route)
{
	char run[JOURNAL_RUN_BYTES];
	int op;

	if (route->wait_s > 0 && split_id(route->id, run, &op) && !step_is_over(d, run, op))
		wait_for(d, number, route, (int64_t)route->wait_s * 1000);
	else
		answer_step(d, number, route->id);
}

static void get_events(struct daemon *d, uint32_t number, const struct route *route)
{
	uint64_t after = (uint64_t)route->after;
	struct json *problem;
	char *text;

	if (after > 0 && after + 1 < d->events.oldest) {
		problem = problem_json(PROBLEM_EVENTS_GONE, "the events behind that number are gone", "ask again with after=0, and mind what is missing");
		json_set_int(problem, "oldest", (int64_t)d->events.oldest);
		text = json_text(problem, false);
		daemon_reply(d, number, problem_status(PROBLEM_EVENTS_GONE), PROBLEM_CONTENT_TYPE, NULL, 0, text);
		free(text);
		json_free(problem);
	} else if (route->wait_s > 0 && d->events.newest <= after) {
		wait_for(d, number, route, (int64_t)route->wait_s * 1000);
	} else {
		answer_events(d, number, route);
	}
}

static void get_metrics(struct daemon *d, uint32_t number)
{
	char *text = metrics_text(d);

	if (!text) {
		daemon_reply_problem(d, number, PROBLEM_INTERNAL, NULL, "no memory for the metrics");
		return;
	}
	daemon_reply(d, number, 200, "application/openmetrics-text; version=1.0.0; charset=utf-8", NULL, 0, text);
	free(text);
}

/* ---- the door ------------------------------------------------------------------------------------------------- */

static void dispatch(struct daemon *d, const struct frame *frame, const struct route *route, const struct asker *asker)
{
	uint32_t number = frame->number;
	bool gives = route->method == ROUTE_PUT;

	switch (route->name) {
	case ROUTE_STATE: get_state(d, number, route); break;
	case ROUTE_AUDIT: wait_for(d, number, route, DAEMON_AUDIT_WAIT_MS); break; /* served at the end of this turn */
	case ROUTE_GRANT:
		if (gives)
			put_grant(d, frame, route, asker);
		else
			delete_grant(d, number, route, asker);
		break;
	case ROUTE_STEPS: post_step(d, frame, asker); break;
	case ROUTE_STEP: get_step(d, number, route); break;
	case ROUTE_HOLD:
		if (gives)
			put_hold(d, frame);
		else
			delete_hold(d, number, asker);
		break;
	case ROUTE_EVENTS: get_events(d, number, route); break;
	case ROUTE_METRICS: get_metrics(d, number); break;
	case ROUTE_LIVEZ: daemon_reply(d, number, 200, "application/json", NULL, 0, "{\"status\":\"ok\"}"); break;
	case ROUTE_READYZ: get_ready(d, number, route); break;
	default: daemon_reply(d, number, 200, "application/json", NULL, 0, "{}"); break; /* the front has the description itself; it wanted to know whether it may */
	}
}

void api_request(struct daemon *d, const struct frame *frame)
{
	char method[16], target[FRAME_TARGET_MAX_BYTES + 1], *query;
	struct asker asker = find_asker(d, frame);
	struct route_refusal refusal = {0};
	struct route route;

	if (!frame_field_copy(frame, 0, method, sizeof method) || !frame_field_copy(frame, 1, target, sizeof target)) {
		daemon_reply_problem(d, frame->number, PROBLEM_BAD_REQUEST, NULL, "the request is no text");
		return;
	}
	query = strchr(target, '?');
	if (query)
		*query++ = '\0';
	if (!route_parse(method, target, query ? query : "", &route, &refusal))
		daemon_reply_problem(d, frame->number, refusal.type, "see /v1/openapi.json", "%s", refusal.detail);
	else if (asker.role < needed_role(&route))
		daemon_reply_problem(d, frame->number, PROBLEM_FORBIDDEN, "add the certificate's name to operators or observers in [https], then reload the agent",
				     asker.role == ROLE_NONE ? "the names in this certificate have no role here" : "observers may look, and nothing else");
	else
		dispatch(d, frame, &route, &asker);
}

void api_own_request(struct daemon *d, const char *method, const char *target, const char *body)
{
	const char *fields[] = {method, target, "", "", body ? body : ""};
	struct frame frame = frame_of_strings(FRAME_REQUEST, DAEMON_OWN_REQUEST, 0, fields);

	api_request(d, &frame);
}
