/* order.c - a run by hand, done by the daemon.
 *
 * The plan is of this member alone; without a flush in it, the primary is somebody else, and the daemon then flushes nothing in this run. Each line is an event of the run:
 * what the daemon's report says is what a run in the foreground prints. Whether a step is over, and with which exit code, the step says. A run that flushed and is not
 * complete keeps its grant, so that it can be gone on with; nothing else does. */
#include "engine/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/runner.h"
#include "engine/talk.h"
#include "group/view.h"
#include "platform/clock.h"
#include "run/precheck.h"

enum { PRECHECK = -1, TARGET_BYTES = 160, EXIT_REFUSED = 3, EXIT_FAILED = 4, EXIT_INCOMPLETE = 5, EXIT_DISABLED = 9 };

static const char another_member[] = "another-member";
static const char known_state[] = "/v1/state?max_age_ms=9007199254740991"; /* what the daemon knows already: the appliance is not asked */

struct order {
	struct talk *talk;
	const struct config *config;
	const struct run_request *request;
	struct report report;
	char run[JOURNAL_RUN_BYTES];
	int64_t after;       /* events up to this one are told, or are none of ours */
	struct json *plan;   /* to be granted; NULL: none is needed */
	bool primary;        /* this member is it already */
	bool flushed;        /* this run, or it may have */
	bool granted, by_hand;
	int op;              /* the step under way, or the last one: enum journal_op or PRECHECK */
	struct view_step step; /* ... and what it says */
};

static const char *op_name(int op)
{
	return op == PRECHECK ? "precheck" : journal_op_name((enum journal_op)op);
}

/* ---- lines ---------------------------------------------------------------------------------------------------- */

/* "bounce-done": step and state of a line. False: an event of another kind. */
static bool split_name(const char *name, char step[16], const char **state)
{
	static const char *const states[] = {"started", "done", "refused", "failed", "skipped"};
	const char *dash = strrchr(name, '-');

	if (!dash || dash - name >= 16)
		return false;
	(void)snprintf(step, 16, "%.*s", (int)(dash - name), name);
	for (unsigned i = 0; i < sizeof states / sizeof states[0]; i++)
		if (strcmp(dash + 1, states[i]) == 0) {
			*state = states[i];
			return true;
		}
	return false;
}

/* A step looks at the group before it acts, too: what is well there was told once. */
static bool is_worth_telling(const struct order *o, const char *step, const char *state)
{
	return strcmp(step, op_name(o->op)) == 0 || (o->op == JOURNAL_OP_AWAIT && strcmp(step, "trigger") == 0) || strcmp(state, "refused") == 0 ||
	       strcmp(state, "failed") == 0;
}

static void tell_event(struct order *o, const struct json *event)
{
	const char *name = talk_string(event, "event"), *run = talk_string(event, "run"), *sentence = talk_string(event, "sentence"), *state;
	const char *evidence = talk_string(event, "evidence");
	char step[16];

	if (!name || !run || !sentence || strcmp(run, o->run) != 0)
		return;
	if (o->request->verbose && strcmp(name, "command") == 0)
		report_line(&o->report, op_name(o->op), "started", sentence, evidence);
	if (!split_name(name, step, &state) || !is_worth_telling(o, step, state))
		return;
	if (o->step.state != VIEW_STEP_RUNNING && !evidence && strcmp(sentence, o->step.sentence) == 0)
		return; /* the step's end: told by the next one's beginning, or as the run's end */
	report_line(&o->report, step, state, sentence, evidence);
}

/* The step in the answer, and what it means for the run. */
static int take_step(struct order *o, struct error *error)
{
	if (!view_read_step(o->talk->client.answer, &o->step))
		return error_set(error, ERROR_ANSWER, NULL, "the daemon's answer is no step");
	if (o->step.state == VIEW_STEP_RUNNING)
		return 0;
	if (o->step.exit < 0)
		o->step.exit = o->flushed ? EXIT_INCOMPLETE : EXIT_FAILED;
	o->flushed |= o->op == JOURNAL_OP_FLUSH && (o->step.exit == 0 || o->step.exit == EXIT_INCOMPLETE);
	return 0;
}

static int read_step(struct order *o, struct error *error)
{
	char target[TARGET_BYTES];

	(void)snprintf(target, sizeof target, "/v1/steps/%s.%s", o->run, op_name(o->op));
	return talk_need(o->talk, "GET", target, NULL, 0, error) ? -1 : take_step(o, error);
}

/* New events, those of the step told. The step is read in between: its end must be known when the events are told. */
static int follow(struct order *o, unsigned wait_s, struct error *error)
{
	struct talk *talk = o->talk;
	char target[TARGET_BYTES];
	const struct json *events, *event;
	struct json *answer;
	int64_t number;
	int failed;

	(void)snprintf(target, sizeof target, "/v1/events?after=%lld&limit=200&wait_s=%u", (long long)o->after, wait_s);
	if (talk_ask(talk, "GET", target, NULL, wait_s, error))
		return -1;
	if (talk->client.http_status == 410 && json_int(talk_at(talk->client.answer, "oldest"), &number))
		o->after = number - 1;
	answer = talk->client.http_status == 200 ? client_take_answer(&talk->client) : NULL;
	failed = read_step(o, error);
	events = talk_at(answer, "events");
	for (size_t i = 0; !failed && (event = json_at(events, i)) != NULL; i++) {
		if (json_int(talk_at(event, "n"), &number))
			o->after = number;
		tell_event(o, event);
	}
	json_free(answer);
	return failed;
}

/* ---- a step --------------------------------------------------------------------------------------------------- */

static char *step_body(const struct order *o)
{
	struct json *object = json_object(), *overrides = json_array();
	/* The precheck's steps are all; who does not flush needs no diag. */
	unsigned set = o->request->overrides | (o->op == PRECHECK && !(o->request->steps & RUN_STEP_FLUSH) ? 1u << PRECHECK_NO_DIAG : 0);
	char *text;

	json_set_string(object, "run", o->run);
	json_set_string(object, "op", op_name(o->op));
	for (unsigned i = 0; i < PRECHECK_REFUSAL_COUNT; i++)
		if (set & 1u << i)
			json_add_string(overrides, precheck_name((enum precheck_refusal)i));
	json_set(object, "overrides", overrides);
	text = json_text(object, false);
	json_free(object);
	return text;
}

/* 0: it is over, o->step says how. */
static int do_step(struct order *o, int op, struct error *error)
{
	struct talk *talk = o->talk;
	char *body;
	int failed;

	o->op = op;
	o->step = (struct view_step){.state = VIEW_STEP_RUNNING}; /* as far as is known, once it is asked for */
	talk->step = op_name(op);
	talk->since = clock_now();
	body = step_body(o);
	failed = talk_need(talk, "POST", "/v1/steps", body, 0, error);
	free(body);
	if (failed && talk->client.status == CLIENT_DONE)
		o->step.state = VIEW_STEP_NONE; /* refused */
	if (failed || take_step(o, error))
		return -1;
	if (o->step.state != VIEW_STEP_RUNNING) /* done before, or refused at once */
		report_line(&o->report, op_name(op), o->step.exit == 0 ? "done" : "failed", o->step.sentence, NULL);
	else
		do
			failed = follow(o, ORDER_EVENTS_WAIT_S, error);
		while (!failed && o->step.state == VIEW_STEP_RUNNING);
	return failed ? -1 : follow(o, 0, error); /* the last events may be younger than those that were read */
}

/* ---- the grant ------------------------------------------------------------------------------------------------ */

static struct json *make_plan(const struct order *o)
{
	struct json *plan = json_object(), *order = json_array();
	bool flushes = o->flushed || (o->request->steps & (RUN_STEP_PRIMARY | RUN_STEP_FLUSH));

	json_set_string(plan, "primary", flushes ? o->config->agent.name : another_member);
	if (!flushes)
		json_add_string(order, another_member);
	json_add_string(order, o->config->agent.name);
	json_set(plan, "order", order);
	json_set_int(plan, "max_unavailable", 1);
	return plan;
}

/* A plan that make_plan() made: nobody else drives this run. */
static bool is_by_hand(const struct order *o)
{
	const struct json *order = talk_at(o->plan, "order");
	const char *first = json_string(json_at(order, 0));

	return first && (!json_at(order, 1) || (strcmp(first, another_member) == 0 && !json_at(order, 2)));
}

static int take_grant(struct order *o, struct error *error)
{
	char target[TARGET_BYTES], *body = json_text(o->plan, false);
	int failed;

	(void)snprintf(target, sizeof target, "/v1/grant/%s", o->run);
	o->granted = true; /* who is interrupted before the answer gives it back, too */
	failed = talk_need(o->talk, "PUT", target, body, 0, error);
	free(body);
	if (failed)
		o->granted = o->talk->client.status != CLIENT_DONE;
	if (failed)
		return -1;
	report_line(&o->report, "grant", "done", "this member acts for this run and no other", NULL);
	return 0;
}

static void give_back(struct order *o)
{
	struct error error = {0};
	char target[TARGET_BYTES];

	(void)snprintf(target, sizeof target, "/v1/grant/%s", o->run);
	o->granted = talk_need(o->talk, "DELETE", target, NULL, 0, &error) != 0;
	if (o->granted)
		report_line(&o->report, "release", "failed", "the grant could not be given back", error.what);
	else
		report_line(&o->report, "release", "done", "the grant is given back", NULL);
}

/* ---- the end -------------------------------------------------------------------------------------------------- */

static const char *go_on(const struct order *o, char next[ERROR_NEXT_MAX_BYTES])
{
	char steps[40];

	(void)snprintf(next, ERROR_NEXT_MAX_BYTES, "drr-agent run -c %.200s --run %s --steps %s", o->config->path, o->run,
		       run_steps_format(o->request->steps & ~((1u << o->op) - 1), steps));
	return next;
}

static int finish(struct order *o, const char *state, int exit_code, const char *sentence, const char *next)
{
	report_end(&o->report, state, exit_code, sentence, next);
	json_free(o->plan);
	talk_close(o->talk);
	return exit_code;
}

/* All are done, or this one did not succeed. */
static int finish_steps(struct order *o)
{
	static const char *const words[] = {[VIEW_STEP_DONE] = "done", [VIEW_STEP_REFUSED] = "refused", [VIEW_STEP_FAILED] = "failed"};
	const struct view_step *step = &o->step;
	bool kept = step->exit == EXIT_DISABLED || (step->exit != 0 && o->flushed && o->op > JOURNAL_OP_FLUSH);
	char command[ERROR_NEXT_MAX_BYTES];
	const char *next = step->next;

	if (o->granted && o->by_hand && !kept)
		give_back(o);
	if (step->exit == EXIT_DISABLED)
		(void)snprintf(command, sizeof command, "drr-agent recover -c %.200s; on the appliance: apic-gw-service; admin-state enabled", o->config->path), next = command;
	else if (kept)
		next = go_on(o, command);
	else if (step->exit != 0 && (o->op == JOURNAL_OP_FLUSH || strstr(next, "drrctl")))
		(void)snprintf(command, sizeof command, "drr-agent status -c %.140s; then a new run: drr-agent run -c %.140s", o->config->path, o->config->path), next = command;
	if (o->granted && step->exit == 0 && o->by_hand)
		(void)snprintf(command, sizeof command, "drrctl release %s", o->run), next = command;
	return finish(o, words[step->state], step->exit, step->sentence, next);
}

/* Nothing of ours is under way. */
static int finish_between(struct order *o, const struct error *error)
{
	bool lost = o->talk->client.status == CLIENT_FAILED, incomplete = o->flushed && o->granted;
	char sentence[ERROR_WHAT_MAX_BYTES + 64], next[ERROR_NEXT_MAX_BYTES];
	int exit_code = incomplete ? EXIT_INCOMPLETE : error_exit_code(error->code);

	if (o->granted && o->by_hand && !o->flushed && !lost)
		give_back(o);
	(void)snprintf(sentence, sizeof sentence, "%s%s", error->what, incomplete ? "; the run flushed, and is not complete" : "");
	return finish(o, error->code == ERROR_REFUSED || error->code == ERROR_BUSY ? "refused" : "failed", exit_code, sentence, o->granted ? go_on(o, next) : error->next);
}

/* No answer, a refusal, or the operator wants out. The daemon finishes what it has begun, and enables the service whoever asks or does not. */
static int finish_early(struct order *o, const struct error *error)
{
	bool lost = o->talk->client.status == CLIENT_FAILED;
	char sentence[ERROR_WHAT_MAX_BYTES + 160], next[ERROR_NEXT_MAX_BYTES];

	if (o->step.state != VIEW_STEP_RUNNING || o->op == PRECHECK)
		return finish_between(o, error);
	if (lost && o->op == JOURNAL_OP_BOUNCE) {
		(void)snprintf(sentence, sizeof sentence, "the daemon does not answer any more, and the service may be disabled: act now (%s)", error->what);
		(void)snprintf(next, sizeof next, "drr-agent recover -c %.300s", o->config->path);
		return finish(o, "failed", EXIT_DISABLED, sentence, next);
	}
	(void)snprintf(sentence, sizeof sentence, "%s; the daemon %s the step %s of run %s, and leaves nothing disabled", error->what,
		       lost ? "may go on with" : "goes on with", op_name(o->op), o->run);
	return finish(o, "failed", o->flushed || o->op == JOURNAL_OP_FLUSH ? EXIT_INCOMPLETE : error_exit_code(error->code), sentence, go_on(o, next));
}

/* ---- run ------------------------------------------------------------------------------------------------------ */

/* As without a daemon: confirm and await belong to the last run. */
static void choose_run(struct order *o, const struct json *state)
{
	const char *last = talk_string(state, "run.id");

	if (o->request->run)
		(void)snprintf(o->run, sizeof o->run, "%s", o->request->run);
	else if (!(o->request->steps & (RUN_STEP_PRIMARY | RUN_STEP_FLUSH | RUN_STEP_BOUNCE)) && last)
		(void)snprintf(o->run, sizeof o->run, "%.*s", JOURNAL_RUN_BYTES - 1, last);
	else
		runner_make_id(o->run);
}

/* TALK has the state. */
static void begin(struct order *o, struct talk *talk, const struct config *config, const struct run_request *request)
{
	const struct json *state = talk->client.answer, *grant = talk_at(state, "grant");
	const char *last = talk_string(state, "run.id"), *holder = talk_string(grant, "run"), *by = talk_string(grant, "by");

	*o = (struct order){.talk = talk, .config = config, .request = request, .op = PRECHECK};
	choose_run(o, state);
	report_init(&o->report, request->json, o->run, config->agent.name);
	talk->report = &o->report;
	talk->step = "run";
	talk->what = "the daemon is at it";
	o->flushed = last && strcmp(last, o->run) == 0 && (talk_bool(state, "run.flush_done") || talk_bool(state, "run.flush_unknown"));
	o->primary = talk_bool(state, "peering.is_primary");
	(void)json_int(talk_at(state, "agent.events_newest"), &o->after);
	o->granted = holder && strcmp(holder, o->run) == 0;
	o->plan = o->granted ? json_copy(talk_at(grant, "plan")) : make_plan(o);
	o->by_hand = is_by_hand(o) && (!o->granted || (by && strcmp(by, "local") == 0));
}

/* What stands in the way of a run that changes something. Before the precheck, which may take a while. */
static int check_standing(const struct order *o, struct error *error)
{
	const struct json *state = o->talk->client.answer;
	const char *run = talk_string(state, "grant.run"), *by = talk_string(state, "grant.by"), *owner = talk_string(state, "hold.owner");
	const char *reason = talk_string(state, "hold.reason");

	if (run && by && !o->granted)
		return run_refuse_grant(run, by, error);
	if (owner && reason && !o->granted)
		return run_refuse_hold(owner, reason, error);
	return 0;
}

static bool needs_precheck(const struct order *o)
{
	const unsigned first = RUN_STEP_PRIMARY | RUN_STEP_FLUSH;

	return o->request->dry_run || (o->request->steps & first) || ((o->request->steps & RUN_STEP_BOUNCE) && !o->flushed);
}

/* 0: all that could be done is, o->step says how it ended. */
static int drive(struct order *o, struct error *error)
{
	if (!o->request->dry_run && check_standing(o, error))
		return -1;
	if (needs_precheck(o) && (do_step(o, PRECHECK, error) || o->step.exit != 0))
		return error->code != ERROR_NONE ? -1 : 0;
	if (o->request->dry_run)
		return 0;
	if (take_grant(o, error))
		return -1;
	for (int op = 0; op < JOURNAL_OP_COUNT; op++) {
		if (!(o->request->steps & 1u << op))
			continue;
		if (do_step(o, op, error))
			return -1;
		if (o->step.exit != 0)
			return 0;
	}
	return 0;
}

static enum talk_found find(struct talk *talk, const struct config *config, struct error *error)
{
	enum talk_found found = talk_open(talk, config, known_state, error);

	if (found != TALK_ANSWERED || talk_at(talk->client.answer, "journal"))
		return found;
	talk_close(talk);
	(void)error_set(error, ERROR_ANSWER, "systemctl restart drr-agent", "what the daemon says of its state is not what this version expects");
	return TALK_FAILED;
}

/* There is no daemon to ask, or it cannot be asked. */
static int not_found(const struct config *config, const struct run_request *request, enum talk_found found, const struct error *error)
{
	struct report report;

	if (found == TALK_NOBODY)
		return ORDER_NOBODY;
	report_init(&report, request->json, request->run ? request->run : "", config->agent.name);
	report_end(&report, "failed", error_exit_code(error->code), error->what, error->next);
	return error_exit_code(error->code);
}

int order_run(const struct config *config, const struct run_request *request)
{
	static struct talk talk;
	static struct order o;
	struct error error = {0};
	enum talk_found found = find(&talk, config, &error);

	if (found != TALK_ANSWERED)
		return not_found(config, request, found, &error);
	begin(&o, &talk, config, request);
	if (drive(&o, &error))
		return finish_early(&o, &error);
	if (!request->dry_run || o.step.exit != 0)
		return finish_steps(&o);
	run_tell_plan(&o.report, request->steps, o.primary);
	json_free(o.plan);
	talk_close(&talk);
	return 0;
}

/* ---- recover -------------------------------------------------------------------------------------------------- */

/* As the state in talk's answer says it. */
static int finish_recovery(struct talk *talk, const struct config *config, struct report *report, bool was_open)
{
	const struct json *state = talk->client.answer;
	bool disabled = talk_bool(state, "journal.disable_open"), broken = talk_bool(state, "agent.journal_broken");
	const char *admin_state = talk_string(state, "service.admin_state");
	char next[ERROR_NEXT_MAX_BYTES] = "";
	int64_t exit_code = 0;

	if (disabled && broken && admin_state && strcmp(admin_state, "enabled") == 0) {
		report_end(report, "failed", EXIT_FAILED, "the service is enabled, but the daemon cannot write the journal, which stays open",
			   "free or repair the file system of state_dir (df -h, df -i, dmesg), then: systemctl restart drr-agent");
		return EXIT_FAILED;
	}
	if (disabled) {
		(void)snprintf(next, sizeof next, "on the appliance: switch domain %.64s; config; apic-gw-service; admin-state enabled; exit; exit -- the daemon goes on trying, too",
			       config->appliance.domain);
		report_end(report, "failed", EXIT_DISABLED, "the service may be disabled and the daemon could not enable it so far: act now", next);
		return EXIT_DISABLED;
	}
	if (talk_bool(state, "journal.open")) {
		report_end(report, "refused", 6, "a step of this run is under way in the daemon, which finishes it and leaves nothing disabled", "drr-agent status");
		return 6;
	}
	if (was_open)
		(void)json_int(talk_at(state, "run.exit"), &exit_code);
	if (exit_code != EXIT_INCOMPLETE) {
		report_end(report, "done", 0, was_open ? "nothing is open any more; the service is enabled as far as this agent changed it" : "the journal holds nothing open", "");
		return 0;
	}
	(void)snprintf(next, sizeof next, "drr-agent run -c %.200s --run %s --steps %s", config->path, report->run,
		       talk_bool(state, "run.bounce_done") ? "confirm,await" : "bounce,confirm,await");
	report_end(report, "failed", EXIT_INCOMPLETE, "the service is enabled as far as this agent changed it; the interrupted run flushed, or may have, and is not complete", next);
	return EXIT_INCOMPLETE;
}

/* A step that has disabled nothing is nothing to recover from, and may take half an hour. */
static bool is_to_await(const struct json *state)
{
	const char *job = talk_string(state, "agent.state");

	return talk_bool(state, "journal.open") && (talk_bool(state, "journal.disable_open") || !job || strcmp(job, "step") != 0);
}

/* Until that is over, or the limit is reached; then what the appliance says now. DISABLED: what was known last. */
static int await_recovery(struct talk *talk, struct report *report, bool *disabled, struct error *error)
{
	struct mono until = mono_add_ms(clock_now(), ORDER_RECOVER_LIMIT_MS);

	report_line(report, "recover", "started", "the daemon finishes what the journal holds open: waiting for it", NULL);
	while (is_to_await(talk->client.answer) && !mono_reached(until, clock_now())) {
		*disabled = talk_bool(talk->client.answer, "journal.disable_open");
		if (talk_rest(talk, TALK_RETRY_MS, error) || talk_need(talk, "GET", known_state, NULL, 0, error))
			return -1;
	}
	return talk_need(talk, "GET", "/v1/state?max_age_ms=0", NULL, 0, error);
}

int order_recover(const struct config *config, const struct run_request *request)
{
	static struct talk talk;
	struct report report;
	struct error error = {0};
	char run[JOURNAL_RUN_BYTES];
	enum talk_found found = find(&talk, config, &error);
	const char *last;
	bool open, disabled = false;
	int exit_code;

	if (found != TALK_ANSWERED)
		return not_found(config, request, found, &error);
	last = talk_string(talk.client.answer, "run.id");
	(void)snprintf(run, sizeof run, "%.63s", last ? last : "");
	report_init(&report, request->json, run, config->agent.name);
	talk.report = &report;
	talk.step = "recover";
	talk.what = "the daemon enables the service and closes the journal";
	talk.since = clock_now();
	open = is_to_await(talk.client.answer);
	if (open && await_recovery(&talk, &report, &disabled, &error)) {
		exit_code = disabled ? EXIT_DISABLED : error_exit_code(error.code);
		report_end(&report, "failed", exit_code, error.what, error.next);
	} else {
		exit_code = finish_recovery(&talk, config, &report, open);
	}
	talk_close(&talk);
	return exit_code;
}
