#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "engine/daemon.h"
#include "platform/clock.h"

const char *step_op_name(int op)
{
	return op == STEP_PRECHECK ? "precheck" : journal_op_name((enum journal_op)op);
}

int step_op_by_name(const char *name)
{
	enum journal_op op = journal_op_by_name(name);

	if (strcmp(name, "precheck") == 0)
		return STEP_PRECHECK;
	return op == JOURNAL_OP_COUNT ? -1 : (int)op;
}

bool journal_is_open(const struct daemon *d)
{
	const struct journal_state *state = &d->runner.book.state;

	return d->job == DAEMON_STEP || d->job == DAEMON_RECOVERY || state->run_open || state->disable_open;
}

bool journal_has_room(const struct daemon *d)
{
	return d->runner.book.file_bytes + DAEMON_JOURNAL_SPARE_BYTES <= JOURNAL_FILE_MAX_BYTES;
}

/* ---- grants and holds ----------------------------------------------------------------------------------------- */

static int write_standing(struct daemon *d, struct journal_record *record, struct error *error)
{
	return logbook_write(&d->runner.book, record, error);
}

int grant_take(struct daemon *d, const char *run, const struct plan *plan, const char *by, struct error *error)
{
	struct journal_record record = logbook_record(JOURNAL_GRANT, JOURNAL_STEP_NONE, run);
	char text[PLAN_TEXT_BYTES], sentence[128 + JOURNAL_NAME_BYTES];

	if (logbook_rotate(&d->runner.book, error) || plan_format(plan, text))
		return -1;
	if (journal_add(&record, "by", by) || journal_add(&record, "plan", text))
		return error_set(error, ERROR_REFUSED, "give the members shorter names", "the plan does not fit into the journal");
	if (write_standing(d, &record, error))
		return -1;
	(void)snprintf(sentence, sizeof sentence, "this run, and no other, may act on this member; asked for by %s", by);
	daemon_tell(d, &(struct event){.kind = "grant", .name = "granted", .run = run, .sentence = sentence, .evidence = text});
	return 0;
}

int grant_release(struct daemon *d, const char *by, struct error *error)
{
	char run[JOURNAL_RUN_BYTES];
	struct journal_record record;

	memcpy(run, d->runner.book.state.standing.grant_run, sizeof run);
	record = logbook_record(JOURNAL_RELEASE, JOURNAL_STEP_NONE, run);
	(void)journal_add(&record, "by", by);
	if (write_standing(d, &record, error))
		return -1;
	daemon_tell(d, &(struct event){.kind = "grant", .name = "released", .run = run, .sentence = "the grant was given back", .evidence = by});
	return 0;
}

int hold_set(struct daemon *d, const char *owner, const char *reason, int64_t until_ms, struct error *error)
{
	const struct journal_standing *standing = &d->runner.book.state.standing;
	struct journal_record record = logbook_record(JOURNAL_HOLD, JOURNAL_STEP_NONE, "hold");
	char until[24];

	(void)snprintf(until, sizeof until, "%lld", (long long)until_ms);
	if (standing->held && standing->hold_until_ms == until_ms && strcmp(standing->hold_owner, owner) == 0 && strcmp(standing->hold_reason, reason) == 0)
		return 0; /* a request that came twice */
	if (!journal_is_open(d) && logbook_rotate(&d->runner.book, error))
		return -1;
	if (!journal_has_room(d))
		return error_set(error, ERROR_INTERNAL, "end what is open (GET /v1/state): a full journal is set aside when nothing stands in it", "the journal is nearly full");
	if (journal_add(&record, "owner", owner) || journal_add(&record, "reason", reason) || journal_add(&record, "until", until))
		return error_set(error, ERROR_REFUSED, "give a shorter reason", "the hold does not fit into the journal");
	if (write_standing(d, &record, error))
		return -1;
	daemon_tell(d, &(struct event){.kind = "hold", .name = "set", .sentence = "no run may begin here", .evidence = reason});
	return 0;
}

int hold_lift(struct daemon *d, const char *by, struct error *error)
{
	struct journal_record record = logbook_record(JOURNAL_UNHOLD, JOURNAL_STEP_NONE, "hold");

	(void)journal_add(&record, "by", by);
	if (write_standing(d, &record, error))
		return -1;
	daemon_tell(d, &(struct event){.kind = "hold", .name = "lifted", .sentence = "runs may begin here again", .evidence = by});
	return 0;
}

/* ---- what a run tells ----------------------------------------------------------------------------------------- */

static void keep_evidence(struct step *step, const char *sentence, const char *evidence)
{
	if (step->evidence_count == STEP_EVIDENCE_MAX) { /* the newest are worth more: the second oldest goes */
		memmove(step->evidence[1], step->evidence[2], sizeof step->evidence[0] * (STEP_EVIDENCE_MAX - 2));
		step->evidence_count--;
		step->evidence_dropped++;
	}
	(void)snprintf(step->evidence[step->evidence_count++], STEP_EVIDENCE_BYTES, "%s%s%s", sentence, evidence && evidence[0] ? ": " : "",
		       evidence && evidence[0] ? evidence : "");
}

/* Each line of the report: evidence of the step, and an event. */
static void take_report(void *context, const struct report_entry *entry)
{
	struct daemon *d = context;
	struct step *step = &d->step;
	char name[40];

	if (entry->exit_code >= 0) {
		step->exit_code = entry->exit_code;
		(void)snprintf(step->sentence, sizeof step->sentence, "%s", entry->sentence);
		(void)snprintf(step->next, sizeof step->next, "%s", d->runner.book.broken && entry->next[0] ? DAEMON_BROKEN_NEXT : entry->next);
	} else {
		(void)snprintf(step->phase, sizeof step->phase, "%s", entry->step);
		keep_evidence(step, entry->sentence, entry->evidence);
	}
	(void)snprintf(name, sizeof name, "%s-%s", entry->exit_code < 0 ? entry->step : d->job == DAEMON_RECOVERY ? "recover" : step_op_name(step->op), entry->state);
	daemon_tell(d, &(struct event){.kind = "run", .name = name, .run = d->runner.run, .sentence = entry->sentence, .evidence = entry->evidence});
}

/* ---- a step --------------------------------------------------------------------------------------------------- */

/* Once it was seen enabled it is nobody's business here any more: who disables it then, is not we. */
static bool is_unwritten(const struct runner *r)
{
	return r->book.broken && r->book.state.disable_open && r->state == RUN_OVER && r->verdict != RUN_ACT_NOW;
}

static void end_step(struct daemon *d)
{
	struct step *step = &d->step;
	struct runner *r = &d->runner;
	unsigned column = step->exit_code == 0 ? 0 : step->exit_code == 3 ? 1 : 2;
	struct mark mark;
	bool have_mark = r->source && source_mark(r->source, &mark);

	step->state = step->exit_code == 0 ? STEP_DONE : step->exit_code == 3 ? STEP_REFUSED : STEP_FAILED;
	step->ended_ms = clock_wall_ms();
	step->disabled_ms = step->op == JOURNAL_OP_BOUNCE && r->bounced ? r->outage_ms : -1;
	d->counts.steps[step->op][column]++;
	d->counts.last_ms[step->op] = mono_diff_ms(clock_now(), step->began);
	if (step->disabled_ms >= 0)
		d->counts.last_disabled_ms = step->disabled_ms;
	source_close(r->source);
	r->source = NULL;
	trace_end(d);
	d->job = DAEMON_IDLE;
	d->link_idle_at = mono_add_ms(clock_now(), DAEMON_LINK_IDLE_MS);
	watcher_resume(d, have_mark ? &mark : NULL);
	d->unwritten = d->unwritten || is_unwritten(r);
	if (r->book.state.disable_open && !d->unwritten && d->recover_at.ms == INT64_MAX)
		d->recover_at = mono_add_ms(clock_now(), DAEMON_RESCUE_PAUSE_MS);
}

static void refuse_step(struct daemon *d, const struct error *error)
{
	report_end(&d->runner.report, "refused", 3, error->what, error->next);
	end_step(d);
}

unsigned step_attempts(const struct daemon *d, const char *run, int op)
{
	const struct journal_state *state = &d->runner.book.state;

	if (d->step.state != STEP_NONE && d->step.op == op && strcmp(d->step.run, run) == 0)
		return d->step.attempt;
	return op != STEP_PRECHECK && strcmp(state->run, run) == 0 ? state->ops[op].attempts : 0;
}

/* Who asked for it, and whatever refusals that one has taken upon himself. */
static void tell_asked(struct daemon *d, unsigned overrides, const char *by)
{
	char name[40], sentence[STEP_EVIDENCE_BYTES], memory[STEP_EVIDENCE_BYTES];
	struct buf names;

	buf_init(&names, memory, sizeof memory);
	for (unsigned i = 0; i < PRECHECK_REFUSAL_COUNT; i++)
		if (overrides & 1u << i)
			(void)buf_printf(&names, "%s%s", names.len ? ", " : "overrides: ", precheck_name((enum precheck_refusal)i));
	(void)snprintf(name, sizeof name, "%s-asked", step_op_name(d->step.op));
	(void)snprintf(sentence, sizeof sentence, "attempt %u, asked for by %s", d->step.attempt, by);
	daemon_tell(d, &(struct event){.kind = "run", .name = name, .run = d->step.run, .sentence = sentence, .evidence = memory});
}

void step_start(struct daemon *d, const char *run, int op, unsigned overrides, const char *by)
{
	struct step *step = &d->step;
	struct runner *r = &d->runner;
	struct error error = {0};
	unsigned attempt = step_attempts(d, run, op) + 1;

	d->over.wants_look = d->over.wants_look || d->job == DAEMON_LOOK; /* behind the step */
	if (d->job == DAEMON_LOOK)
		link_close(&r->link); /* nobody waits for its answer now; an idle session is used again */
	watcher_pause(d);
	memset(step, 0, sizeof *step);
	(void)snprintf(step->run, sizeof step->run, "%s", run);
	step->op = op;
	step->attempt = attempt;
	step->state = STEP_RUNNING;
	step->started_ms = clock_wall_ms();
	step->began = clock_now();
	step->disabled_ms = -1;
	step->request = (struct run_request){.steps = op == STEP_PRECHECK ? RUN_STEPS_ALL : 1u << op, .overrides = overrides, .run = step->run, .dry_run = op == STEP_PRECHECK,
					     .op = op == STEP_PRECHECK ? NULL : step_op_name(op), .forward = op >= JOURNAL_OP_BOUNCE && op != STEP_PRECHECK};
	d->job = DAEMON_STEP;
	tell_asked(d, overrides, by);
	trace_begin(d, run);
	runner_reset(r, &step->request);
	report_set_sink(&r->report, take_report, d);
	r->on_line = watcher_take_line;
	r->on_line_context = d;
	runner_adopt(r);
	if (!step->request.dry_run && runner_check_request(r, &error)) {
		refuse_step(d, &error);
		return;
	}
	runner_begin(r);
}

static void end_recovery(struct daemon *d)
{
	struct runner *r = &d->runner;
	int exit_code = runner_end_recovery(r);
	bool open;

	trace_end(d);
	d->unwritten = d->unwritten || is_unwritten(r);
	open = r->book.state.disable_open && !d->unwritten;
	d->job = DAEMON_IDLE;
	d->link_idle_at = mono_add_ms(clock_now(), DAEMON_LINK_IDLE_MS);
	d->recover_at = open ? mono_add_ms(clock_now(), DAEMON_RESCUE_PAUSE_MS) : MONO_NEVER;
	log_line(open || d->unwritten ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO,
		 open           ? "THE SERVICE MAY BE DISABLED; it is tried again in a minute"
		 : d->unwritten ? "the service is enabled again, and the journal cannot be told"
				: "what an earlier process left open is closed",
		 "run", r->run, "exit", exit_code == 0 ? "0" : exit_code == 9 ? "9" : "5", NULL);
	watcher_resume(d, NULL);
}

void step_begin_recovery(struct daemon *d)
{
	struct runner *r = &d->runner;

	d->recover_at = MONO_NEVER;
	d->counts.recoveries++;
	d->recovery_request = (struct run_request){.steps = RUN_STEPS_ALL};
	link_close(&r->link);
	watcher_pause(d);
	runner_reset(r, &d->recovery_request);
	d->step = (struct step){.state = STEP_NONE};
	report_set_sink(&r->report, take_report, d);
	d->job = DAEMON_RECOVERY;
	trace_begin(d, r->book.state.run);
	if (!runner_begin_recovery(r))
		end_recovery(d);
}

void step_turn(struct daemon *d)
{
	struct runner *r = &d->runner;
	bool over = runner_turn(r);

	trace_turn(d);
	if (!over)
		return;
	if (d->job == DAEMON_RECOVERY) {
		end_recovery(d);
		return;
	}
	if (r->state != RUN_OVER)
		report_end(&r->report, "done", 0, "the group is fit for a DRR, as seen from this member; nothing was changed", "");
	else
		(void)runner_finish(r);
	end_step(d);
}

/* ---- as JSON -------------------------------------------------------------------------------------------------- */

static bool is_present(const struct daemon *d, const char *run, int op)
{
	return d->step.state != STEP_NONE && d->step.op == op && strcmp(d->step.run, run) == 0;
}

static struct json *present_json(const struct step *step)
{
	static const char *const words[] = {[STEP_NONE] = "none", [STEP_RUNNING] = "running", [STEP_DONE] = "done", [STEP_REFUSED] = "refused", [STEP_FAILED] = "failed"};
	struct json *object = json_object(), *evidence = json_array();
	char id[JOURNAL_RUN_BYTES + 16], when[CLOCK_TEXT_BYTES];
	bool over = step->state != STEP_RUNNING;

	(void)snprintf(id, sizeof id, "%s.%s", step->run, step_op_name(step->op));
	json_set_string(object, "id", id);
	json_set_string(object, "run", step->run);
	json_set_string(object, "op", step_op_name(step->op));
	json_set_string(object, "state", words[step->state]);
	if (over)
		json_set_int(object, "exit", step->exit_code);
	else
		json_set_null(object, "exit");
	json_set_string(object, "phase", over ? NULL : step->phase);
	json_set_string(object, "sentence", over ? step->sentence : step->evidence_count ? step->evidence[step->evidence_count - 1] : "under way");
	json_set_string(object, "next", step->next[0] ? step->next : NULL);
	for (unsigned i = 0; i < step->evidence_count; i++)
		json_add_string(evidence, step->evidence[i]);
	json_set(object, "evidence", evidence);
	json_set_string(object, "started", clock_text(when, step->started_ms));
	json_set_string(object, "ended", over ? clock_text(when, step->ended_ms) : NULL);
	json_set_int(object, "attempt", step->attempt);
	if (step->disabled_ms >= 0)
		json_set_int(object, "disabled_ms", step->disabled_ms);
	else
		json_set_null(object, "disabled_ms");
	return object;
}

struct json *step_json(const struct daemon *d, const char *run, int op)
{
	const struct journal_state *state = &d->runner.book.state;

	if (is_present(d, run, op))
		return present_json(&d->step);
	return op != STEP_PRECHECK && strcmp(state->run, run) == 0 ? situation_op(state, (enum journal_op)op) : NULL;
}

int step_exit(const struct daemon *d, const char *run, int op, const char **sentence)
{
	const struct journal_state *state = &d->runner.book.state;
	bool present = is_present(d, run, op);

	if (!present && (op == STEP_PRECHECK || strcmp(state->run, run) != 0 || state->ops[op].attempts == 0))
		return -1;
	*sentence = present ? d->step.sentence : state->ops[op].sentence;
	return present ? d->step.exit_code : state->ops[op].exit_code;
}

bool step_is_over(const struct daemon *d, const char *run, int op)
{
	return !(d->step.state == STEP_RUNNING && is_present(d, run, op));
}
